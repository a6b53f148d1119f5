"""The door: from a secret, and where it comes from, to a caller, most often without asking Redis."""

from __future__ import annotations

from libs.access.api_key import well_formed
from libs.access.caller import Caller
from libs.access.directory import BlockedError, Directory
from libs.access.failures import Failures
from libs.access.last_used import LastUsed
from libs.access.networks import contains, sender_of
from libs.access.pepper import Peppers
from libs.errors import Refusal

__all__ = ["Door"]


class Door:
    """Lets a caller in, or refuses: `invalid_token` whatever is wrong with the key, `rate_limited` after 20 failures.

    What cannot be a key of ours never reaches Redis. Whoever was looked up lately is let in even from an address that
    others misuse.
    """

    def __init__(self, directory: Directory, peppers: Peppers, failures: Failures, last_used: LastUsed) -> None:
        self._directory = directory
        self._peppers = peppers
        self._failures = failures
        self._last_used = last_used

    async def let_in(self, secret: str, host: str | None) -> Caller:
        """The caller who presents the secret from the address `host`. Raises Refusal and Unavailable."""
        digests = self._peppers.digests(secret)
        caller = self._directory.remembered(*digests) or await self._find(secret, digests, sender_of(host))
        self.check_network(caller, host)
        self._last_used.note(caller.digest)
        return caller

    def check_network(self, caller: Caller, host: str | None) -> None:
        """Refuse a key that may not be used from there, as if it were none: a thief learns nothing from the answer."""
        if caller.networks and not contains(caller.networks, host):
            self._failures.note(sender_of(host))
            raise Refusal("invalid_token")

    async def _find(self, secret: str, digests: tuple[str, ...], sender: str) -> Caller:
        self._failures.check(sender)
        try:
            caller = await self._directory.find_caller(*digests, sender=sender) if well_formed(secret) else None
        except BlockedError as error:
            raise self._failures.block(sender, error.for_s) from None
        if caller is None:
            self._failures.note(sender)
            raise Refusal("invalid_token")
        return caller
