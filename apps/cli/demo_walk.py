"""The walk through a running system that the demo takes: a user, a key, an ocr job and a generate job."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rich.panel import Panel
from rich.text import Text

from apps.cli import screen
from apps.cli.client import open_client
from apps.cli.follow import follow, new_bars, save_artifacts

__all__ = ["SCANNED_PAGE", "walk"]

SCANNED_PAGE: Final = Path(__file__).parent / "samples" / "scanned-page.jpg"
_BY_HAND: Final = Path(__file__).parent / "samples" / "by-hand.sh"
_PROMPT: Final = "a lighthouse at dusk, oil on canvas"


async def walk(url: str, admin_key: str, out: Path) -> None:
    """Run both jobs side by side, show what came of them, save it in `out`; raises ApiError when one fails."""
    api_key = await _new_user(url, admin_key)
    async with open_client(url, api_key) as client:
        upload = await client.upload(SCANNED_PAGE)
        jobs = [await client.submit("ocr", {"upload": upload}), await client.submit("generate", {"prompt": _PROMPT})]
        with new_bars() as bars:
            page, picture = await asyncio.gather(*(follow(client, bars, job) for job in jobs))
        screen.console.print(Panel(_text_of(page), title=f"read from {SCANNED_PAGE.name}", expand=False))
        await save_artifacts(client, page, out)
        await save_artifacts(client, picture, out)
    _show_by_hand()


def _show_by_hand() -> None:
    """The lines that do the same with curl."""
    screen.console.print()
    screen.console.print(Text("The same by hand: start the system with `make up`, then in another terminal", "bold"))
    screen.console.print()
    script = _BY_HAND.read_text().replace("@SCANNED_PAGE@", screen.shell_path(SCANNED_PAGE))
    for line in script.splitlines():
        screen.console.print(Text("  " + line, "dim" if line.startswith("#") else ""), soft_wrap=True)


async def _new_user(url: str, admin_key: str) -> str:
    """Make a user and mint their api key, as an admin does."""
    async with open_client(url, admin_key) as admin:
        email = f"demo-{time.time_ns():x}@example.com"
        user = await admin.call("POST", "/admin/users", {"email": email, "role": "PRO"})
        minted = await admin.call("POST", "/admin/api-keys", {"user_id": user["id"], "name": "demo"})
    screen.say(f"made the user {email} and an api key, {minted['api_key'][:12]}…")
    return str(minted["api_key"])


def _text_of(job: Mapping[str, Any]) -> Text:
    pages = (job.get("output") or {}).get("pages", [])
    return Text("\n\n".join(str(page.get("text", "")) for page in pages).strip())
