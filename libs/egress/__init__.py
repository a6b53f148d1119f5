"""The guarded HTTP client, for addresses that callers choose: pictures to read, webhooks to tell.

::

    target     a URL, parsed once, by rules                      pure
    addresses  which addresses are the internet's                pure
    dial       name → addresses → vetted → connected             the only way out
    body       a body, decoded and counted
    client     Egress: fetch and post

What is connected to is what was vetted: the name is resolved once, every answer must be allowed, and the socket goes
to one of these answers, whatever the name says a moment later.
"""

from libs.egress.client import Egress, Fetched, Posted
from libs.egress.target import Rules, Target, UrlError, parse_target

__all__ = ["Egress", "Fetched", "Posted", "Rules", "Target", "UrlError", "parse_target"]
