"""Lua scripts: composed from files, sent once, called by their digest."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources

from libs.store.keyspace import Keyspace
from libs.store.replies import ReplyError

__all__ = ["Script"]

_LINE = re.compile(r"user_script:(\d+)")


@dataclass(frozen=True, slots=True, eq=False)
class Script:
    """A script and the files that it is made of, in order.

    `allow_oom` is for what ends, renews or frees, and for what one needs to get there, such as a bucket of reads or a
    revocation: it may write while Redis is out of memory. What starts or adds something may not.
    """

    name: str
    text: str
    allow_oom: bool = False
    files: tuple[tuple[str, int], ...] = ()  # each file's name and number of lines

    @classmethod
    def of(cls, package: str, *files: str, allow_oom: bool = False) -> Script:
        """The named files of a package one after the other; the script is called like the last one.

        `package` may hold several (`libs.jobs`), and a file lie in a folder of it (`scripts/claim.lua`).
        Raises FileNotFoundError.
        """
        texts = [_read(package, file) for file in files]
        lines = tuple((file, text.count("\n")) for file, text in zip(files, texts, strict=True))
        name = files[-1].rpartition("/")[2].removesuffix(".lua")
        return cls(name, "".join(texts), allow_oom, lines)

    def body(self, keys: Keyspace) -> str:
        """What is sent: flags, if any; the names of the keys; the files."""
        return "".join(line + "\n" for line in self._head(keys)) + self.text

    def digest(self, keys: Keyspace) -> str:
        """What EVALSHA calls the body."""
        return hashlib.sha1(self.body(keys).encode(), usedforsecurity=False).hexdigest()

    def explain(self, error: ReplyError, keys: Keyspace) -> ReplyError:
        """The same error, with `user_script:17` as the file and the line in it."""
        head = len(self._head(keys))
        said = _LINE.sub(lambda match: self._place(int(match[1]) - head), str(error))
        return ReplyError(said if self.name in said else f"{said} (in {self.name})")

    def _head(self, keys: Keyspace) -> list[str]:
        return (["#!lua flags=allow-oom"] if self.allow_oom else []) + [keys.lua()]

    def _place(self, line: int) -> str:
        if line < 1:
            return f"{self.name} head"
        for file, lines in self.files:
            if line <= lines:
                return f"{file}:{line}"
            line -= lines
        return f"{self.name}:{line}"


def _read(package: str, file: str) -> str:
    text = resources.files(package).joinpath(file).read_text(encoding="utf-8")
    return text if text.endswith("\n") else text + "\n"
