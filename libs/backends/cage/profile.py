"""What one kind of child may use, and nothing more."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Profile"]


@dataclass(frozen=True, slots=True)
class Profile:
    """The bounds of a child, put on it before it sees a caller's byte.

    `memory_bytes_max` bounds its address space, `written_bytes_max` each file that it was given to write in,
    `cpu_s_max` what it may compute in all. `readable` are files and folders that it may open, `programs` those that it
    may start, and what those need is in `readable`. `threads` lets it have more than one. `as_nobody` makes it another
    user than root: not for one that has to read what only root can.
    """

    memory_bytes_max: int
    written_bytes_max: int = 0
    cpu_s_max: int | None = None
    readable: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    threads: bool = False
    as_nobody: bool = True
