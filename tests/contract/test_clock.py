"""No script compares times as it likes: libs/store/clock.lua is asked whether what was to last still does.

The clock of Redis may step back. What is compared with it otherwise stands here, each with the reason why a step does
no harm; so does every command that has Redis compare times by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.contract.paths import ROOT, files

CLOCK = "libs/store/clock.lua"
ASKED = re.compile(r"\b(?:still|count_still|drop_over|set_back|stepped_back)\(")
TIMES = re.compile(r"\bnow(?:_us)?\b|_until\b|EXPIREAT|PXAT|EXAT|BYSCORE|ZCOUNT")
COMPARES = re.compile(r"[<>]|math\.(?:min|max)|BYSCORE|ZCOUNT|EXPIREAT|PXAT|EXAT")

MEANT = "a time that is meant: of a deadline, a start, an expiry, the end of a URL"
PAST = "a time in the past; one that lies ahead counts as now"
SET_BACK = "what stands in the ZSET is set back when the clock steps back"
BAND = "a band of scores, no time"
SURE = "asked before, or bounded right here"
KEPT = "long after what it is kept for; a step back keeps it longer, one forward of less than the margin does nothing"

#: By file, a piece of each such line and why it may stand there.
ALLOWED: dict[str, dict[str, str]] = {
    "access/find_caller.lua": {"holds = math.min(": MEANT},
    "access/records.lua": {"'PEXPIREAT', record": KEPT, "'PEXPIREAT', by_id": KEPT},
    "access/revoke_api_key.lua": {"revoked > now": MEANT},
    "access/rotate_api_key.lua": {"tonumber(old[4]) <= now": MEANT},
    "artifacts/scripts/create_upload.lua": {
        "'ZRANGEBYSCORE', pending, digits(now), digits(now + span)": SURE,
        "'PEXPIREAT', KEY.upload": KEPT,
        "'PEXPIREAT', pending": KEPT,
    },
    "artifacts/scripts/discard_upload.lua": {"local lapses = math.max(": MEANT, "'PEXPIREAT', record": KEPT},
    "artifacts/scripts/due_looks.lua": {
        "'ZRANGEBYSCORE', KEY.uploads_watched, '-inf'": SURE,
        "'(' .. digits(now + pause)": SURE,
        "last <= now": MEANT,
        "math.min(now + pause, last)": MEANT,
    },
    "artifacts/scripts/erase_uploads.lua": {"now < lapses": MEANT, "'PEXPIREAT', KEY.upload": KEPT},
    "artifacts/scripts/expire_uploads.lua": {"'ZRANGEBYSCORE', KEY.uploads": MEANT},
    "artifacts/scripts/retain_upload.lua": {"'PEXPIREAT', record": KEPT},
    "artifacts/scripts/settle_upload.lua": {"'PEXPIREAT', record": KEPT},
    "backends/breaker/scripts/circuit.lua": {"is_probed() and math.min(": SURE},
    "backends/fleet/scripts/probed.lua": {"math.min(tonumber(known[2]) or now, now)": PAST, "now - good_since": PAST},
    "backends/fleet/scripts/sideline.lua": {"fault_at > now": PAST},
    "backends/fleet/scripts/state.lua": {"'ZCOUNT', KEY.slots": SET_BACK},
    "backends/limiter/scripts/feedback.lua": {"math.max(SHARE_MIN": SURE, "math.max(state.paused_until": SET_BACK},
    "backends/limiter/scripts/limit.lua": {
        "math.max(0, now - state.paused_until)": SET_BACK,
        "local horizon": SET_BACK,
    },
    "backends/limiter/scripts/reserve.lua": {
        "'ZCOUNT', LOG": SET_BACK,
        "'ZRANGEBYSCORE', LOG": SET_BACK,
        "'ZRANGEBYSCORE', ROW": SET_BACK,
        "booked_at or math.max(": SET_BACK,
        "at <= now + EARLY": SET_BACK,
        "'ZCOUNT', UNDER_WAY": SET_BACK,
        "at - now > PATIENCE": SET_BACK,
        "'ZREMRANGEBYSCORE', LOG": SET_BACK,
        "'ZREMRANGEBYSCORE', UNDER_WAY": SET_BACK,
        "if at > now then": SET_BACK,
    },
    "backends/limiter/scripts/stats.lua": {
        "LOG, after(now)": "for those who watch: right again with the next request",
        "'ZCOUNT', ROW": "for those who watch: right again with the next request",
        "'ZCOUNT', UNDER_WAY": "for those who watch: right again with the next request",
        "state.paused_until or 0) - now": "for those who watch: right again with the next request",
    },
    "jobs/scripts/admit.lua": {"math.max(now, job.run_at)": MEANT, "job.run_at <= now": MEANT},
    "jobs/scripts/admit_items.lua": {"batch.deadline <= now": MEANT},
    "jobs/scripts/claim.lua": {
        "math.max(all_spared_until, spared)": SURE,
        "digits(now + lease), 'LIMIT', 0, LEASED_MAX": SET_BACK,
        "digits(now), 'LIMIT', 0, DUE_MAX": SET_BACK,
        "math.max(0, at - now)": SET_BACK,
        "gate.shut_until > now": SURE,
        "tonumber(known[2]) <= now": MEANT,
        "'(' .. digits(READY_END)": BAND,
        "digits(READY_END), '(' .. digits(HELD)": BAND,
    },
    "jobs/scripts/credential.lua": {"tonumber(key[2]) <= now": MEANT, "tonumber(key[3]) <= now": MEANT},
    "jobs/scripts/due.lua": {"spare_until > now": SURE},
    "jobs/scripts/ending.lua": {
        "now - (known.drain_at or now)": PAST,
        "local silent = math.max(": PAST,
        "now - begun - silent": PAST,
    },
    "jobs/scripts/enter.lua": {"job.run_at > now": MEANT},
    "jobs/scripts/prolong_batch.lua": {"score <= now": SET_BACK, "now < tonumber(closed[1])": MEANT},
    "jobs/scripts/rate.lua": {"full_at(bucket, window_us) - now_us": SURE, "now_us + window_us)": SURE},
    "jobs/scripts/servers.lua": {
        "all_spared_until > now": SURE,
        "all_spared_until <= now": SURE,
        "'ZCOUNT', KEY.slots": SET_BACK,
        "'ZSCORE', KEY.slots": SET_BACK,
    },
    "jobs/scripts/silence.lua": {"now - heard <= lease / 2": SURE, "if heard > 0": BAND},
    "jobs/scripts/sweep.lua": {
        "digits(HELD + now)": MEANT,
        "'(' .. digits(READY_END)": BAND,
        "digits(READY_END), '(' .. digits(HELD)": BAND,
        "tonumber(known[1]) <= now": MEANT,
    },
    "jobs/scripts/take_batches.lua": {"'ZRANGEBYSCORE', KEY.batches_due": SET_BACK},
    "webhooks/scripts/finish.lua": {"now - since > ": PAST, "digits(now - DELIVERY_KEPT_S": PAST},
    "webhooks/scripts/receivers.lua": {"KEY.receiver_flight .. whose": SET_BACK, "math.max(first, ": SET_BACK},
    "webhooks/scripts/redeliver.lua": {"tonumber(lease) > now": SET_BACK},
    "webhooks/scripts/take.lua": {
        "KEY.receiver_queue .. receiver, '-inf'": SET_BACK,
        "index_key, '-inf'": SET_BACK,
        "math.max(0, next_due - now)": SET_BACK,
    },
}


def code_of(line: str) -> str:
    return line.split("--", 1)[0].strip()


def comparisons() -> Iterator[tuple[str, str]]:
    """File and line of whatever compares times, but for what asks the clock."""
    for path in files("libs", suffixes=(".lua",)):
        name = path.relative_to(ROOT).as_posix()
        for line in path.read_text().splitlines() if name != CLOCK else ():
            code = code_of(line)
            without_words = re.sub(r"'\(?-?[a-z_:(]*'", "", code)
            if TIMES.search(code) and COMPARES.search(without_words) and not ASKED.search(code):
                yield name.removeprefix("libs/"), code


def test_every_comparison_of_times_asks_the_clock_or_says_why_not() -> None:
    unasked = [
        (name, code) for name, code in comparisons() if not any(piece in code for piece in ALLOWED.get(name, ()))
    ]
    assert unasked == [], "ask libs/store/clock.lua, or say in ALLOWED why a step of the clock does no harm"


def test_what_is_allowed_is_there() -> None:
    there = list(comparisons())
    gone = [
        (name, piece)
        for name, pieces in ALLOWED.items()
        for piece in pieces
        if not any(file == name and piece in code for file, code in there)
    ]
    assert gone == []


@pytest.mark.parametrize("unread", ["redis.call('TIME')", "os.time", "os.clock"])
def test_the_clock_is_read_in_one_place(unread: str) -> None:
    found = [
        path.relative_to(ROOT).as_posix() for path in files("libs", suffixes=(".lua",)) if unread in path.read_text()
    ]
    assert found in ([CLOCK], [])


def test_no_process_takes_a_key_that_expires_for_a_turn_or_a_lease() -> None:
    """What expires does so by the clock that it was set by: a step back keeps it, and its holder may be dead."""
    held = re.compile(r'"NX",\s*"[PE]X"|"[PE]X",[^\n]*"NX"|\bSETNX\b')
    found = [
        path.relative_to(ROOT).as_posix()
        for path in files("libs", "apps", suffixes=(".py",))
        if held.search(path.read_text())
    ]
    assert found == []
