"""What a segment of archived jobs is called, and that it gives back what went in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from libs.archive.segment import Segment, day_of, find_line, lines_of, pack, read_line
from libs.ids import first_id, made_at_ms, new_id

USER = "usr_01jd3f8x5e0000000000000000"
NOON_MS = 1_795_608_000_000
records = st.dictionaries(st.text(min_size=1, max_size=8).map(str.encode), st.binary(max_size=40), max_size=6)


@given(st.lists(records, min_size=1, max_size=5))
def test_every_record_comes_back_byte_by_byte(wanted: list[dict[bytes, bytes]]) -> None:
    ids = sorted(new_id("job") for _ in wanted)
    data = pack(list(zip(ids, wanted, strict=True)))
    assert [read_line(line) for _, line in lines_of(data)] == list(zip(ids, wanted, strict=True))
    assert [job_id for job_id, _ in lines_of(data)] == ids
    for job_id, record in zip(ids, wanted, strict=True):
        line = find_line(data, job_id)
        assert line is not None
        assert read_line(line) == (job_id, record)
    assert find_line(data, new_id("job")) is None
    assert pack(list(zip(ids, wanted, strict=True))) == data


def test_a_segment_is_known_by_its_name_and_its_note_names_nobody() -> None:
    ids = sorted(first_id("job", NOON_MS + at)[:-1] + "7" for at in range(3))
    segment = Segment.of(USER, ids, 1_795_700_000, b"data")
    assert segment.object_name.startswith(f"{USER}/archive/jobs/{day_of(ids[0])}/{ids[2]}.{ids[0]}.3.1795700000.")
    assert segment.note_name.startswith("archive/agenda/2026-11-26T14/")
    assert USER not in segment.note_name
    assert Segment.named(segment.object_name) == segment
    for other in ("", "archive/agenda/", f"{USER}/2026/11/25/{ids[0]}/attempt-1/0-00.png", segment.note_name):
        assert Segment.named(other) is None


def test_an_id_tells_when_it_was_made() -> None:
    low, high = first_id("job", NOON_MS), first_id("job", NOON_MS + 1)
    assert made_at_ms(low) == NOON_MS
    assert low < high
    assert day_of(first_id("job", 1_795_564_799_999)) == "2026-11-24"
    assert day_of(first_id("job", 1_795_564_800_000)) == "2026-11-25"
    made = new_id("job")
    assert first_id("job", made_at_ms(made)) <= made < first_id("job", made_at_ms(made) + 1)
