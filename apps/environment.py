"""Taking secrets out of a process's environment once they were read: it lives long, and others may look.

`/proc/<pid>/environ` (proc(5)) shows the block that the kernel laid on the stack when the program started, whatever
becomes of the variables later. So what is forgotten is overwritten there too.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import get_args

from pydantic import AliasChoices, BaseModel, SecretStr

__all__ = ["forget", "secret_variables", "variables_of"]

log = logging.getLogger(__name__)

# Fields of /proc/<pid>/stat, counted from the one behind the program's name, which is the third.
_ENV_START, _ENV_END = 50 - 3, 51 - 3


def secret_variables(settings: type[BaseModel]) -> frozenset[str]:
    """The names of the variables that hold secrets."""
    secret = [name for name, field in settings.model_fields.items() if _is_secret(field.annotation)]
    return frozenset(variable for name in secret for variable in variables_of(settings, name))


def variables_of(settings: type[BaseModel], name: str) -> Iterator[str]:
    """The names, in capitals, that a setting is read under."""
    alias = settings.model_fields[name].validation_alias
    yield name.upper()
    yield from (str(choice).upper() for choice in (alias.choices if isinstance(alias, AliasChoices) else ()))


def forget(names: Collection[str]) -> dict[str, str]:
    """Remove the variables of these names, in capitals or not; returns those there were.

    Nothing is logged of what they held. Where the block cannot be found, a line says so.
    """
    wanted = {name.upper() for name in names}
    found = {name: os.environ.pop(name) for name in list(os.environ) if name.upper() in wanted}
    if found and sys.platform == "linux" and not _overwrite({os.fsencode(name) for name in found}):
        log.warning("/proc does not say where this process keeps its environment: secrets stay in /proc/self/environ")
    return found


def _is_secret(annotation: object) -> bool:
    return SecretStr in (annotation, *get_args(annotation))


def _overwrite(names: set[bytes]) -> bool:
    try:
        fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
        start, end = int(fields[_ENV_START]), int(fields[_ENV_END])
    except (OSError, ValueError, IndexError):
        return False
    at = start
    for entry in ctypes.string_at(start, end - start).split(b"\0") if start else ():
        if entry.partition(b"=")[0] in names:
            ctypes.memset(at, 0, len(entry))
        at += len(entry) + 1
    return start > 0
