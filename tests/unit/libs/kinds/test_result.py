from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.artifacts.upload import Upload
from libs.ids import new_id
from libs.kinds import detect, generate, ocr
from libs.kinds.detect import DetectInput
from libs.kinds.generate_input import GenerateInput
from libs.kinds.kind import CacheableInput, Kind, Output, ResultCache
from libs.kinds.ocr import OcrInput
from libs.kinds.result import result_digest

ME = "user usr_1"


def upload(sha256: str = "ab" * 32, content_type: str = "image/png") -> Upload:
    return Upload(new_id("upload"), "usr_1", "a.png", content_type, 10, "completed", 0, 1, sha256, 1)


def of_ocr(file: Upload, whose: str = ME, **members: Any) -> str | None:
    return result_digest(ocr.KIND, OcrInput(upload=file.id, **members), [file], whose)


def test_the_same_bytes_under_two_ids_have_one_result() -> None:
    assert of_ocr(upload()) == of_ocr(upload())


@pytest.mark.parametrize(
    "another",
    [
        of_ocr(upload("cd" * 32)),
        of_ocr(upload(content_type="image/tiff")),
        of_ocr(upload(), whose="user usr_2"),
        of_ocr(upload(), searchable_pdf=True),
        of_ocr(upload(), language="de"),
    ],
    ids=["other bytes", "another type", "another user", "another wish", "another language"],
)
def test_whatever_may_change_the_result_changes_the_digest(another: str | None) -> None:
    assert another not in (None, of_ocr(upload()))


def test_a_new_version_of_a_kind_knows_no_result_of_the_old_one() -> None:
    file = upload()
    newer = replace(ocr.KIND, cache=ResultCache(version=2))
    assert result_digest(newer, OcrInput(upload=file.id), [file], ME) not in (None, of_ocr(file))


def test_a_default_that_is_spelled_out_is_the_same_input() -> None:
    assert of_ocr(upload(), engine="rapidocr", cache=True) == of_ocr(upload())


def test_ocr_takes_part_unless_it_is_told_not_to_and_detect_the_other_way_round() -> None:
    file = upload()
    assert of_ocr(file, cache=False) is None
    assert result_digest(detect.KIND, DetectInput(upload=file.id), [file], ME) is None
    assert result_digest(detect.KIND, DetectInput(upload=file.id, cache=True), [file], ME) is not None


def test_a_kind_without_a_cache_takes_no_part() -> None:
    assert result_digest(generate.KIND, GenerateInput(prompt="x", seed=1), [], ME) is None


class Note(CacheableInput):
    text: str
    upload: str


async def _run(_wanted: Note, _attempt: Any) -> Output:
    return Output()


NOTE = Kind("note", "cpu", Note, _run, cache=ResultCache())


@given(st.text(), st.text())
def test_no_text_passes_for_the_content_of_an_upload(one: str, other: str) -> None:
    file = upload()

    def digest(text: str) -> str | None:
        return result_digest(NOTE, Note(text=text, upload=file.id, cache=True), [file], ME)

    assert (digest(one) == digest(other)) == (one == other)
    assert digest(file.id) != digest(str({"content_type": "image/png", "sha256": file.sha256}))
