"""Follows jobs on the terminal: a bar each, and the files at the end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from apps.cli import screen
from apps.cli.client import ApiError, Client

__all__ = ["follow", "new_bars", "save_artifacts"]

_STATUS_LENGTH_MAX = 28


def new_bars() -> Progress:
    """The bars; to be entered."""
    return Progress(
        TextColumn("  [bold]{task.description:<9}"),
        BarColumn(bar_width=32),
        TextColumn("{task.percentage:>4.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[status]}", style="dim"),
        console=screen.console,
    )


async def follow(client: Client, bars: Progress, job: Mapping[str, Any]) -> dict[str, Any]:
    """Show a job's progress to its end and return it; raises ApiError when it does not succeed."""
    bar = bars.add_task(job["kind"], total=1.0, status=job["status"])
    async for event in client.follow(job["id"]):
        _show(bars, bar, event.data)
    job = await client.job(job["id"])
    if job["status"] != "succeeded":
        problem = job.get("error") or {}
        reason = problem.get("detail", "no reason given")
        raise ApiError(f"the {job['kind']} job {job['id']} is {job['status']}: {reason}")
    bars.update(bar, completed=1.0, status=f"succeeded  {job['id']}")
    return dict(job)


async def save_artifacts(client: Client, job: Mapping[str, Any], folder: Path) -> list[Path]:
    """Download a job's artifacts into a folder, each under the name of its kind and its own."""
    saved = []
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240  # nothing else runs meanwhile
    for artifact in job["artifacts"]:
        path = folder / f"{job['kind']}-{Path(artifact['name']).name}"
        path.write_bytes(await client.fetch(artifact["url"]))
        screen.say(f"saved {screen.shell_path(path)}")
        saved.append(path)
    return saved


def _show(bars: Progress, bar: TaskID, told: Mapping[str, Any]) -> None:
    """An event's data is the job, a part of it, or the progress alone; each says what it knows."""
    reported = told.get("progress") or told
    if (fraction := reported.get("fraction")) is not None:
        bars.update(bar, completed=float(fraction))
    if status := reported.get("message") or told.get("status"):
        bars.update(bar, status=str(status)[:_STATUS_LENGTH_MAX])
