"""The door: from a secret, and where it comes from, to a caller, most often without asking Redis."""

from __future__ import annotations

from libs.access.api_key import well_formed
from libs.access.caller import Caller
from libs.access.directory import Directory
from libs.access.failures import Failures
from libs.access.last_used import LastUsed
from libs.access.networks import contains, sender_of
from libs.access.pepper import Peppers

__all__ = ["Door"]


class Door:
    """Lets a caller in, or refuses: `invalid_token` whatever is wrong with the key, `rate_limited` after 20 of these.

    What cannot be a key of ours never reaches Redis. What can be one is always looked up, so a good key is let in
    from an address that others misuse; what that may cost us is bounded (see `Failures`).
    """

    def __init__(self, directory: Directory, peppers: Peppers, failures: Failures, last_used: LastUsed) -> None:
        self._directory = directory
        self._peppers = peppers
        self._failures = failures
        self._last_used = last_used

    async def let_in(self, secret: str, host: str | None) -> Caller:
        """The caller who presents the secret from the address `host`. Raises Refusal and Unavailable."""
        digests = self._peppers.digests(secret)
        caller = self._directory.remembered(*digests)
        if caller is None and well_formed(secret):
            async with self._failures.turn(sender_of(host)):
                caller = await self._directory.find_caller(*digests)
        if caller is None:
            raise await self._failures.refuse(sender_of(host))
        await self.check_network(caller, host)
        self._last_used.note(caller.digest)
        return caller

    async def check_network(self, caller: Caller, host: str | None) -> None:
        """Refuse a key that may not be used from there, as if it were none: a thief learns nothing from the answer."""
        if caller.networks and not contains(caller.networks, host):
            raise await self._failures.refuse(sender_of(host))
