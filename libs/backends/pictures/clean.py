"""A caller's picture, decoded and written anew as PNG: one frame, upright, and nothing in it but its pixels.

It is decoded in a child process of its own, under limits on memory and time: decoders of foreign bytes are not trusted.
"""

from __future__ import annotations

from typing import Final

from libs.backends.caged import run_caged
from libs.errors import Failure
from libs.limits import PIXELS_MAX

__all__ = ["PICTURE_TYPES", "clean_picture"]

#: What is taken in, by what its bytes are.
PICTURE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/webp"})

_CLEANED_S_MAX = 30.0
_READ, _TOO_LARGE = 0, 4


async def clean_picture(data: bytes, content_type: str, fit: tuple[int, int] | None = None) -> bytes:
    """The picture as PNG; with `fit` (width, height) in that size, what stands over on two sides cut off evenly.

    Raises Failure, the caller's fault, for what is no picture of `content_type` or has more than 25 megapixels.
    """
    if content_type not in PICTURE_TYPES:
        raise _unreadable(f"{content_type} is none of {', '.join(sorted(PICTURE_TYPES))}")
    order = {"content_type": content_type, "fit": fit}
    code, png = await run_caged("libs.backends.pictures.child", data, order, seconds_max=_CLEANED_S_MAX)
    if code == _READ:
        return png
    if code == _TOO_LARGE:
        raise _unreadable(f"the picture has more than {PIXELS_MAX // 1_000_000} megapixels")
    raise _unreadable("the picture is damaged, or takes too much to decode")


def _unreadable(detail: str) -> Failure:
    return Failure("image_unreadable", detail, fault="caller")
