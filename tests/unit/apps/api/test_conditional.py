from __future__ import annotations

import pytest

from apps.api.conditional import is_known


@pytest.mark.parametrize(
    "lines",
    [
        ['W/"7"'],
        ['"7"'],
        ["*"],
        [" * "],
        ['"6", W/"7" , "8"'],
        ['"6"', '"7"'],
        ['"a,b","7"'],
    ],
)
@pytest.mark.parametrize("etag", ['W/"7"', '"7"'])
def test_a_tag_is_known_weak_or_strong_alone_or_among_others(lines: list[str], etag: str) -> None:
    assert is_known(lines, etag)


@pytest.mark.parametrize("lines", [[], [""], ['"77"'], ['W/"6"'], ["7"], ['"*"'], ['"6*7"'], ['x"7', "w/7"]])
def test_and_another_one_is_not(lines: list[str]) -> None:
    assert not is_known(lines, 'W/"7"')
