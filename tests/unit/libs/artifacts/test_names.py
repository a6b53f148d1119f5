from __future__ import annotations

from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.artifacts.names import artifact_name, attachment, attempt_prefix, clean_filename, job_prefix, upload_name

AT_MS = 1_772_323_199_999  # 2026-02-28T23:59:59.999Z


def test_an_artifact_s_name_says_whose_when_which_job_and_attempt() -> None:
    prefix = attempt_prefix("user_1", "job_2", AT_MS, 3)
    name = artifact_name(prefix, 0, "6dcd4ce23d88e2ee9568ba546c007c63d9131c1b", "png")
    assert name == "user_1/2026/02/28/job_2/attempt-3/0-6dcd4ce23d88e2ee.png"
    assert name.startswith(job_prefix("user_1", "job_2", AT_MS))


def test_an_upload_s_name_holds_nothing_that_its_sender_chose() -> None:
    assert upload_name("user_1", "upload_2", AT_MS) == "user_1/2026/02/28/upload_2/original"


@pytest.mark.parametrize(
    "sent, kept",
    [
        ("scan.pdf", "scan.pdf"),
        ("  scan.pdf ", "scan.pdf"),
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\me\\scan.pdf", "scan.pdf"),
        ("../../scan.pdf", "scan.pdf"),
        ("Прайс № 3.pdf", "Прайс № 3.pdf"),
        ("a" * 255, "a" * 255),
    ],
)
def test_a_filename_is_the_last_part_of_what_was_sent(sent: str, kept: str) -> None:
    assert clean_filename(sent) == kept


@pytest.mark.parametrize(
    "sent", ["", "  ", ".", "..", "a/", "a/..", "a" * 256, "a\x00b", "a\r\nb", "a\u202egpj.exe", "\ud800"]
)
def test_an_unusable_filename_is_refused(sent: str) -> None:
    with pytest.raises(ValueError, match="the name"):
        clean_filename(sent)


def test_a_disposition_cannot_be_broken_out_of() -> None:
    assert (
        attachment('a".html; x="') == "attachment; filename=\"a_.html; x=_\"; filename*=UTF-8''a%22.html%3B%20x%3D%22"
    )
    assert attachment("ü.png") == "attachment; filename=\"_.png\"; filename*=UTF-8''%C3%BC.png"


@given(st.text(min_size=1, max_size=60))
def test_a_disposition_gives_back_any_clean_name(text: str) -> None:
    try:
        name = clean_filename(text)
    except ValueError:
        return
    message = Message()
    message["Content-Disposition"] = attachment(name)
    assert message.get_content_disposition() == "attachment"
    assert attachment(name).isascii()
    assert "\n" not in attachment(name)
