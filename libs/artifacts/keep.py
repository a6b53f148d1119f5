"""Keeps what a handler made: names it, says what it is, stores it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from anyio import create_task_group, to_thread

from libs.artifacts.artifact import Artifact, NewArtifact
from libs.artifacts.dimensions import size_of
from libs.artifacts.names import artifact_name, attempt_prefix, clean_filename
from libs.artifacts.objects import Objects
from libs.artifacts.sniff import EXTENSIONS, refine, sniff
from libs.errors import Failure, Unavailable
from libs.spool import Content, chunks_of, head_of

__all__ = ["keep"]

#: What tells a file's type and a picture's size: metadata may stand before the size.
_HEAD_BYTES = 1024 * 1024


async def keep(  # whose, which job, which attempt, what: the order of the object's name
    objects: Objects, user_id: str, job_id: str, created_at_ms: int, attempt: int, new: Sequence[NewArtifact]
) -> tuple[Artifact, ...]:
    """Store an attempt's files, all at once, and return them in the same order.

    An attempt writes below a prefix of its own, and the same bytes under the same names when it is repeated: whoever
    loses its job while it stores leaves nothing that the winner's manifest names. Raises Failure for names that are
    no names or come twice, before anything is stored, and Unavailable when not all of it could be stored.
    """
    _check_names(new)
    prefix = attempt_prefix(user_id, job_id, created_at_ms, attempt)
    made = await to_thread.run_sync(lambda: [_described(prefix, index, each) for index, each in enumerate(new)])
    await _store(objects, made, new)
    return tuple(made)


def _check_names(new: Sequence[NewArtifact]) -> None:
    seen: set[str] = set()
    for name in (each.name for each in new):
        if not _is_filename(name):
            raise Failure("invalid_output", "an artifact has a name that no file can have")
        if name in seen:
            raise Failure("invalid_output", f"two artifacts are named {name}")
        seen.add(name)


def _is_filename(name: str) -> bool:
    try:
        return clean_filename(name) == name
    except ValueError:
        return False


def _described(prefix: str, index: int, new: NewArtifact) -> Artifact:
    head = head_of(new.data, _HEAD_BYTES)
    content_type = refine(sniff(head), new.content_type)
    sha256 = _sha256(new.data)
    size = size_of(head, content_type)
    return Artifact(
        name=new.name,
        content_type=content_type,
        size_bytes=len(new.data),
        sha256=sha256,
        object_name=artifact_name(prefix, index, sha256, EXTENSIONS[content_type]),
        facts={**({"width": size.width, "height": size.height} if size else {}), **new.facts},
    )


def _sha256(content: Content) -> str:
    digest = hashlib.sha256()
    for chunk in chunks_of(content):
        digest.update(chunk)
    return digest.hexdigest()


async def _store(objects: Objects, made: Sequence[Artifact], new: Sequence[NewArtifact]) -> None:
    lost: list[Unavailable] = []

    async def put(artifact: Artifact, data: Content) -> None:
        try:
            await objects.put(artifact.object_name, data, artifact.content_type)
        except Unavailable as away:
            lost.append(away)
            group.cancel_scope.cancel()

    async with create_task_group() as group:
        for artifact, each in zip(made, new, strict=True):
            group.start_soon(put, artifact, each.data)
    if lost:
        raise lost[0]
