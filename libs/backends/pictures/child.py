"""The task of `PictureCleaner`: a picture is given, a PNG made, and a word said of how it went."""

from __future__ import annotations

import io
from typing import Final

from PIL import Image, ImageOps

from libs.backends.cage import Job, Profile
from libs.limits import PIXELS_MAX

__all__ = ["PROFILE", "serve"]

#: A PNG of noise is a little larger than its pixels, and those are of four bytes at most.
_MADE_BYTES_MAX: Final = 5 * PIXELS_MAX
_FORMATS: Final = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}

PROFILE: Final = Profile(memory_bytes_max=1024**3, written_bytes_max=_MADE_BYTES_MAX, cpu_s_max=20)

Image.preinit()  # nothing can be imported in the cage
Image.init()
Image.MAX_IMAGE_PIXELS = PIXELS_MAX


class _TooLargeError(Exception):
    """The header tells of more pixels than are taken in."""


def serve(job: Job) -> None:
    """Clean one picture."""
    try:
        png = _cleaned(job.given(), _FORMATS[job.order["content_type"]], job.order["fit"])
    except _TooLargeError:
        job.say({"refused": "too_large"})
    else:
        job.make(png)
        job.say({"made": True})


def _cleaned(data: bytes, kind: str, fit: list[int] | None) -> bytes:
    """Its first frame, turned upright by what its metadata says of the camera, and then without metadata."""
    with _opened(data, kind) as picture:
        upright = ImageOps.exif_transpose(picture)
        plain = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    if fit is not None:
        plain = ImageOps.fit(plain, (fit[0], fit[1]), Image.Resampling.LANCZOS)
    into = io.BytesIO()
    # A new picture of the same pixels: what came along beside them (text, profiles, positions) stays behind.
    Image.frombytes(plain.mode, plain.size, plain.tobytes()).save(into, "PNG", compress_level=1)
    return into.getvalue()


def _opened(data: bytes, kind: str) -> Image.Image:
    """A picture of which only the header is read yet."""
    try:
        picture = Image.open(io.BytesIO(data), formats=[kind])
    except Image.DecompressionBombError as error:
        raise _TooLargeError from error
    if picture.width * picture.height > PIXELS_MAX:
        raise _TooLargeError
    return picture
