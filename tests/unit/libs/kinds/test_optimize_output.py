"""What a model says is a file, and is none."""

from __future__ import annotations

from typing import cast

import pytest

from libs.backends.prediction import Prediction
from libs.egress import Egress
from libs.errors import Failure
from libs.kinds.optimize_output import fetched

_NO_EGRESS = cast("Egress", None)


@pytest.mark.parametrize("text", ["data: see below", "data:,hello", "data:image/png,x", "data:image/png; base64,AAAA"])
async def test_words_of_a_model_are_no_file_because_they_begin_like_one(text: str) -> None:
    output = await fetched(Prediction("a", "succeeded", output=[text]), _NO_EGRESS)
    assert (output.value or {})["result"] == [text]


@pytest.mark.parametrize("text", ["AAA", "A*==", "QUJDé"])
async def test_a_data_url_that_is_not_base64_is_an_invalid_output_and_no_bug(text: str) -> None:
    prediction = Prediction("a", "succeeded", output=f"data:image/png;base64,{text}")
    with pytest.raises(Failure) as failed:
        await fetched(prediction, _NO_EGRESS)
    assert failed.value.code == "output_invalid"
