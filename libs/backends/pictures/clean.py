"""A caller's picture, decoded and written anew as PNG: one frame, upright, and nothing in it but its pixels.

It is decoded in a child of its own, in the cage: decoders of foreign bytes are not trusted. What comes back is only
handed on, to a backend that decodes it for itself.
"""

from __future__ import annotations

from typing import Any, Final

from libs.backends.cage import ForkServer
from libs.errors import Failure
from libs.limits import PIXELS_MAX

__all__ = ["PICTURE_TYPES", "PictureCleaner"]

#: What is taken in, by what its bytes are.
PICTURE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/webp"})

_TASK: Final = "libs.backends.pictures.child"
_CLEANED_S_MAX: Final = 30.0
_MADE_BYTES_MAX: Final = 5 * PIXELS_MAX


class PictureCleaner:
    """Cleans pictures, one child process a picture."""

    def __init__(self, cage: ForkServer) -> None:
        self._cage = cage

    async def clean(self, data: bytes, content_type: str, fit: tuple[int, int] | None = None) -> bytes:
        """The picture as PNG; with `fit` (width, height) in that size, what stands over on two sides cut off evenly.

        Raises Failure, the caller's fault, for what is no picture of `content_type` or has more than 25 megapixels;
        Unavailable where no child can be had.
        """
        if content_type not in PICTURE_TYPES:
            raise _unreadable(f"{content_type} is none of {', '.join(sorted(PICTURE_TYPES))}")
        order = {"content_type": content_type, "fit": fit}
        async with self._cage.at_work(_TASK, order, data) as child:
            told = await _told(child.hear(_CLEANED_S_MAX))
            if told.get("made"):
                return await child.made(_MADE_BYTES_MAX)
        if told.get("refused") == "too_large":
            raise _unreadable(f"the picture has more than {PIXELS_MAX // 1_000_000} megapixels")
        raise _unreadable("the picture is damaged, or takes too much to decode")


async def _told(hearing: Any) -> dict[str, Any]:
    try:
        return dict(await hearing)
    except (EOFError, TimeoutError):
        return {}


def _unreadable(detail: str) -> Failure:
    return Failure("image_unreadable", detail, fault="caller")
