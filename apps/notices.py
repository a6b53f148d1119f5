"""What a configuration says that will not do what its writer expects: told at start-up and by `arqade doctor`.

None of it keeps a process from serving; `Settings.refusals` has what does.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Sequence

from apps.settings import Settings, known_variables, variables_set
from libs.access.networks import parse_network
from libs.kinds import KINDS

__all__ = ["notices", "notices_here"]

#: Variables of the services that Arqade replaces which have no meaning here, and what to do instead.
_WITHOUT_MEANING = {
    "DATABASE_URL": "there is no database: users, uploads and jobs are in Redis, and archived in the object store",
    "CRICKSY_CELERY_RESULT_BACKEND": "results are in the job's record and in the object store",
    "CRICKSY_USE_REDIS_ADAPTER": "events reach every API process through Redis, always",
    "API_KEY": "keys belong to users: mint one with arqade keys bootstrap, or with POST /admin/api-keys",
}
#: How much alike two names must be: one letter more, less or swapped in a name of nine is.
_ALIKE = 0.87


def notices_here(settings: Settings) -> list[str]:
    """Those of this process: of its environment, and of the kinds that it has."""
    return notices(settings, variables_set(), {kind.queue for kind in KINDS.values()})


def notices(settings: Settings, variables: Collection[str], kind_queues: Collection[str]) -> list[str]:
    """One line each. `variables` are the names that are set, `kind_queues` the queues that kinds have."""
    return [
        *_without_meaning(variables),
        *_misspelt(variables),
        *_unknown_queues(settings.worker_queues, kind_queues),
        *_bad_proxies(settings.trusted_proxies),
        *_no_proxies(settings),
    ]


def _without_meaning(variables: Collection[str]) -> Iterator[str]:
    for name, instead in _WITHOUT_MEANING.items():
        if name in variables:
            yield f"{name} is set and has no meaning here: {instead}"


def _misspelt(variables: Collection[str]) -> Iterator[str]:
    known = known_variables()
    for name in sorted(set(variables) - known - _WITHOUT_MEANING.keys()):
        for meant in difflib.get_close_matches(name, known, n=1, cutoff=_ALIKE):
            if meant not in variables:
                yield f"{name} is set and nothing reads it: is {meant} meant?"


def _unknown_queues(queues: Sequence[str], kind_queues: Collection[str]) -> Iterator[str]:
    there_are = ", ".join(sorted(kind_queues))
    for queue in queues:
        if queue not in kind_queues:
            yield f"WORKER_QUEUES: no kind of job has the queue {queue}; there are {there_are}"


def _bad_proxies(proxies: Sequence[str]) -> Iterator[str]:
    for text in proxies:
        if text != "*" and not _is_network(text):
            yield f"TRUSTED_PROXIES: {text} is neither an address nor a network (10.0.0.0/8), and trusts nobody"


def _no_proxies(settings: Settings) -> Iterator[str]:
    """We speak no TLS: where PUBLIC_URL is https, something in front of us does."""
    if (settings.public_url or "").startswith("https://") and not settings.trusted_proxies:
        yield "PUBLIC_URL is https and TRUSTED_PROXIES is empty: name what ends TLS, or its clients are one address"


def _is_network(text: str) -> bool:
    try:
        parse_network(text)
    except ValueError:
        return False
    return True
