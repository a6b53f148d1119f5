"""The stand-in ComfyUI of a running system, spoken to over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from tests.system import System

__all__ = ["Backend", "settings_of"]


def settings_of(system: System) -> dict[str, str]:
    """What the system's processes were told."""
    lines = (system.data / "settings.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


@dataclass(frozen=True)
class Backend:
    """Faults go in, counts come out."""

    http: httpx.AsyncClient

    async def faults(self, **times: int | None) -> None:
        """Have these faults strike so many times; None is always."""
        faults = [{"name": name, "times": number} for name, number in times.items()]
        assert (await self.http.post("/standin/faults", json={"faults": faults})).status_code == 200

    async def counts(self) -> dict[str, Any]:
        counts: dict[str, Any] = (await self.http.get("/standin")).json()
        return counts
