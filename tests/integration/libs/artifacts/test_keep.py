from __future__ import annotations

import hashlib

import anyio
import pytest

from libs.artifacts.artifact import Artifact, NewArtifact
from libs.artifacts.keep import keep
from libs.artifacts.objects import Objects
from libs.errors import Failure, Unavailable
from libs.ids import new_id
from libs.spool import Spooler
from tests.fakes.lying_store import answer, lying_store
from tests.run.promises import Prompt

AT_MS = 1_772_323_199_999


@pytest.fixture
def job_id() -> str:
    return new_id("job")


def new(name: str, data: bytes, content_type: str = "image/png", **facts: object) -> NewArtifact:
    return NewArtifact(name, content_type, data, facts)


async def test_a_file_is_kept_with_what_its_bytes_say(objects: Objects, user_id: str, job_id: str, png: bytes) -> None:
    (kept,) = await keep(objects, user_id, job_id, AT_MS, 2, [new("0.webp", png, "image/webp", seed=42)])
    sha256 = hashlib.sha256(png).hexdigest()
    assert kept == Artifact(
        name="0.webp",
        content_type="image/png",
        size_bytes=len(png),
        sha256=sha256,
        object_name=f"{user_id}/2026/02/28/{job_id}/attempt-2/0-{sha256[:16]}.png",
        facts={"width": 64, "height": 48, "seed": 42},
    )
    assert await objects.get(kept.object_name, bytes_max=len(png)) == png


async def test_facts_of_the_handler_win(objects: Objects, user_id: str, job_id: str, png: bytes) -> None:
    (kept,) = await keep(objects, user_id, job_id, AT_MS, 1, [new("0.png", png, width=1)])
    assert kept.facts == {"width": 1, "height": 48}


async def test_many_files_come_back_in_order(objects: Objects, user_id: str, job_id: str) -> None:
    files = [new(f"{index}.txt", f"text {index}".encode(), "text/plain") for index in range(30)]
    kept = await keep(objects, user_id, job_id, AT_MS, 1, files)
    assert [each.name for each in kept] == [each.name for each in files]
    for each, file in zip(kept, files, strict=True):
        assert await objects.get(each.object_name, bytes_max=100) == file.data


async def test_html_is_never_kept_as_html(objects: Objects, user_id: str, job_id: str) -> None:
    (kept,) = await keep(objects, user_id, job_id, AT_MS, 1, [new("a.html", b"<script>1</script>", "text/html")])
    assert kept.content_type == "text/plain"


async def test_equal_files_under_different_names_are_both_kept(objects: Objects, user_id: str, job_id: str) -> None:
    kept = await keep(objects, user_id, job_id, AT_MS, 1, [new("a", b"x"), new("b", b"x")])
    assert len({each.object_name for each in kept}) == 2


async def test_nothing_at_all_is_kept_without_a_call(user_id: str, job_id: str) -> None:
    nowhere = Objects("127.0.0.1:1", "access", "secret", "arqade")
    assert await keep(nowhere, user_id, job_id, AT_MS, 1, []) == ()


async def test_an_attempt_writes_below_its_own_prefix_alone(objects: Objects, user_id: str, job_id: str) -> None:
    await keep(objects, user_id, job_id, AT_MS, 1, [new("a", b"loser"), new("b", b"same")])
    (won, _) = await keep(objects, user_id, job_id, AT_MS, 2, [new("a", b"winner"), new("b", b"same")])
    names = [each.name for each in await objects.list(f"{user_id}/")]
    assert sorted(name.split("/")[5] for name in names) == ["attempt-1", "attempt-1", "attempt-2", "attempt-2"]
    assert await objects.get(won.object_name, bytes_max=100) == b"winner"


async def test_an_attempt_that_stores_again_leaves_the_same_objects(
    objects: Objects, user_id: str, job_id: str
) -> None:
    first = await keep(objects, user_id, job_id, AT_MS, 1, [new("a", b"x")])
    assert await keep(objects, user_id, job_id, AT_MS, 1, [new("a", b"x")]) == first
    assert len(await objects.list(f"{user_id}/")) == 1


@pytest.mark.parametrize(
    "names",
    [["a", "a"], ["../a"], [""], ["a/b"], ["a\nb"], ["x" * 256]],
    ids=["twice", "up", "none", "path", "line", "long"],
)
async def test_unusable_names_fail_before_anything_is_stored(
    objects: Objects, user_id: str, job_id: str, names: list[str]
) -> None:
    with pytest.raises(Failure) as failed:
        await keep(objects, user_id, job_id, AT_MS, 1, [new("good", b"x"), *(new(name, b"x") for name in names)])
    assert (failed.value.code, failed.value.fault) == ("invalid_output", "ours")
    assert await objects.list(f"{user_id}/") == ()


async def test_a_store_that_is_away_is_unavailable_and_nothing_else(user_id: str, job_id: str, prompt: Prompt) -> None:
    nowhere = Objects("127.0.0.1:1", "access", "secret", "arqade")
    with prompt(3), pytest.raises(Unavailable):
        await keep(nowhere, user_id, job_id, AT_MS, 1, [new(str(index), b"x") for index in range(20)])


async def test_one_corrupt_file_fails_them_all_and_waits_for_none(user_id: str, job_id: str, prompt: Prompt) -> None:
    async with lying_store() as liar:
        liar.say["PUT"] = lambda request: answer("200 OK", ETag="0" * 32) if request.body == b"3" else b""
        liar.say["DELETE"] = lambda _: answer("204 No Content")
        objects = Objects(liar.endpoint, "access", "secret", "arqade")
        with prompt(3), pytest.raises(Unavailable):
            await keep(objects, user_id, job_id, AT_MS, 1, [new(str(i), str(i).encode()) for i in range(6)])
        objects.close()


async def test_cancelling_does_not_wait_for_a_hanging_store(user_id: str, job_id: str, prompt: Prompt) -> None:
    async with lying_store() as liar:
        objects = Objects(liar.endpoint, "access", "secret", "arqade")
        with prompt(1):
            with anyio.move_on_after(0.2):
                await keep(objects, user_id, job_id, AT_MS, 1, [new("a", b"x"), new("b", b"y")])
        objects.close()


@pytest.mark.parametrize("size", [10_000, 40 * 1024 * 1024 + 1])
async def test_a_file_on_disk_is_kept_from_there_whole(
    objects: Objects, user_id: str, job_id: str, png: bytes, size: int
) -> None:
    spooler = Spooler(0)
    spooler.write(png)
    spooler.write(bytes(size))
    content = spooler.content()
    (kept,) = await keep(objects, user_id, job_id, AT_MS, 1, [NewArtifact("0.png", "image/png", content)])
    whole = png + bytes(size)
    assert (kept.size_bytes, kept.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert (kept.content_type, kept.facts) == ("image/png", {"width": 64, "height": 48})
    assert await objects.get(kept.object_name, bytes_max=len(whole)) == whole
