"""Artifacts: the files a job leaves behind. Bytes live in the object store, facts in the job's record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from libs.spool import Content

__all__ = ["Artifact", "NewArtifact"]


@dataclass(frozen=True, slots=True)
class NewArtifact:
    """A file that a handler made and that is not stored yet.

    `name` is what the caller sees (`0.png`), unique within the job. `facts` are told with it: width, height, seed.
    """

    name: str
    content_type: str
    data: Content
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A stored file. `object_name` is where it lies in the bucket, and nobody outside is told."""

    name: str
    content_type: str
    size_bytes: int
    sha256: str
    object_name: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The form kept in the job's manifest."""
        return {
            "name": self.name,
            "content_type": self.content_type,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "object_name": self.object_name,
            "facts": dict(self.facts),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Artifact:
        """Read a manifest's entry; members that a newer version added are ignored."""
        return cls(
            name=stored["name"],
            content_type=stored["content_type"],
            size_bytes=stored["size_bytes"],
            sha256=stored["sha256"],
            object_name=stored["object_name"],
            facts=stored.get("facts", {}),
        )
