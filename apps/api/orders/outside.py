"""What an order brings from outside: addresses to fetch from, and a file within the order itself."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any

from apps.api.request import Request
from libs.admission.rate import take
from libs.artifacts.inline import check_inline_picture, store_inline
from libs.artifacts.upload import Upload
from libs.egress import UrlError, parse_target
from libs.errors import Refusal, invalid, pointer
from libs.kinds.kind import Input, Kind

__all__ = ["require_urls", "stowed"]

_DATA_URL = re.compile(r"data:[a-z]+/[a-z0-9.+-]{1,40};base64,", re.ASCII)


def require_urls(request: Request, kind: Kind[Any], wanted: Input, at: Sequence[str]) -> None:
    """Refuse an address that is not fetched from; names are looked up by the worker, which may refuse it still."""
    for member, url in kind.urls(wanted).items():
        try:
            parse_target(url, request.api.egress_rules)
        except UrlError as error:
            raise invalid(pointer((*at, *member.split("/"))), str(error), "url_not_allowed") from None


async def stowed(
    request: Request, kind: Kind[Any], wanted: Input, at: Sequence[str], kept_s: int
) -> tuple[Input, tuple[Upload, ...]]:
    """The input without the file in it: that is an upload of the caller's now, kept for `kept_s`.

    It counts as an upload. What is not admitted afterwards leaves an upload that no job names, and it is swept.
    """
    file = kind.inline_file
    text: str | None = getattr(wanted, file.inline) if file else None
    if file is None or text is None:
        return wanted, ()
    if not request.api.settings.uploads_enabled:
        raise Refusal("feature_disabled", "Uploads are switched off, and a file in a request is one")
    where = pointer((*at, file.inline))
    data = _decoded(text, where)
    content_type = check_inline_picture(data, file.types, file.bytes_max, where)
    await _take_upload(request)
    upload = await store_inline(
        request.home,
        request.resources.objects,
        request.caller.user_id,
        data,
        content_type,
        kept_s=kept_s,
        stored_max=request.caller.limits.stored_bytes_max,
    )
    return wanted.model_copy(update={file.inline: None, file.upload: upload.id}), (upload,)


async def _take_upload(request: Request) -> None:
    rule = request.api.rate_rule
    if rule is not None:
        request.show((await take(request.home, request.caller, "uploads", rule),))


def _decoded(text: str, where: str) -> bytes:
    head = _DATA_URL.match(text)
    try:
        return base64.b64decode(text[head.end() :] if head else text, validate=True)
    except (binascii.Error, ValueError):
        raise invalid(where, "not base64 (RFC 4648, section 4) and not a data URL of it", "base64") from None
