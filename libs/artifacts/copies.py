"""Copies of artifacts, for another job that has the same result: the object store makes them, no byte comes by here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from anyio import create_task_group

from libs.artifacts.artifact import Artifact
from libs.artifacts.objects import Objects
from libs.errors import Unavailable

__all__ = ["copy_each", "placed_below"]


def placed_below(prefix: str, artifacts: Sequence[Artifact]) -> tuple[Artifact, ...]:
    """The same artifacts below another prefix: objects of one name have one content, for a digest is part of it."""
    return tuple(replace(each, object_name=prefix + each.object_name.rsplit("/", 1)[-1]) for each in artifacts)


async def copy_each(objects: Objects, sources: Sequence[Artifact], targets: Sequence[Artifact]) -> bool:
    """Copy each to its target. False where one is gone, or the store is away: others may have been copied then."""
    missing: list[Artifact] = []

    async def copy(source: Artifact, target: Artifact) -> None:
        try:
            there = await objects.copy(source.object_name, target.object_name)
        except Unavailable:
            there = False
        if not there:
            missing.append(source)

    async with create_task_group() as group:
        for source, target in zip(sources, targets, strict=True):
            group.start_soon(copy, source, target)
    return not missing
