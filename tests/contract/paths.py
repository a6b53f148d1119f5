"""Where things are, and readers for what more than one contract test reads."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from apps.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
#: The project; whatever else a checkout holds (environments, data, figures) is nobody's to read.
FOLDERS = ("apps", "libs", "tests", "docs", "deploy")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def version() -> str:
    found: str = project()["project"]["version"]
    return found


def read(path: str) -> str:
    return (ROOT / path).read_text()


def files(*folders: str, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Files below these folders, or those of the whole project when none is named."""
    tops = [] if folders else sorted(ROOT.iterdir())
    below = [path for folder in folders or FOLDERS for path in sorted((ROOT / folder).rglob("*"))]
    for path in (*tops, *below):
        if path.suffix in suffixes and path.is_file() and "__pycache__" not in path.parts:
            yield path


def rows(text: str) -> list[list[str]]:
    """The rows of every Markdown table in a text, without heads and rulers."""
    lines = text.splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    rulers = {index for index, row in enumerate(cells) if set("".join(row)) <= set("-: ")}
    return [row for index, row in enumerate(cells) if index not in rulers and index + 1 not in rulers]


def variables() -> dict[str, FieldInfo]:
    """Every setting by the name of its variable."""
    return {name.upper(): field for name, field in Settings.model_fields.items()}


def aliases(field: FieldInfo) -> list[str]:
    """The further names that a setting is read under."""
    choices = getattr(field.validation_alias, "choices", [])
    return [str(name).upper() for name in choices[1:]]


def known_variables() -> set[str]:
    return {name for main, field in variables().items() for name in (main, *aliases(field))}


def interpolated(text: str) -> set[str]:
    """The variables that docker compose puts into a text."""
    return set(re.findall(r"\$\{([A-Z_]+)", text))
