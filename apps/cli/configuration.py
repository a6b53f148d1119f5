"""Settings for a command, and one line for each that does not hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from apps.settings import Settings

__all__ = ["env_file_option", "load_settings"]

env_file_option = click.option(
    "--env-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read settings from here instead of .env; `arqade up` keeps its own in DATA-DIR/settings.env.",
)


def load_settings(env_file: Path | None = None, given: Mapping[str, object] | None = None) -> Settings:
    """The settings of this process: what is given and not None wins over the environment, which wins over the file."""
    values: dict[str, Any] = {name: value for name, value in (given or {}).items() if value is not None}
    if env_file:
        values["_env_file"] = env_file
    try:
        return Settings(**values)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, found['loc'])).upper()}: {found['msg']}" for found in error.errors()]
        raise click.ClickException("the settings are not valid\n  " + "\n  ".join(lines)) from error
