"""The child of `clean_picture`: a picture on its input, a PNG on its output, and an exit code that says how it went."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

from PIL import Image, ImageOps

from libs.backends import cage
from libs.limits import PIXELS_MAX

__all__ = ["main"]

_TOO_LARGE = 4
_CPU_S_MAX = 20.0
_MEMORY_BYTES_MAX = 1024 * 1024 * 1024
_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}

Image.MAX_IMAGE_PIXELS = PIXELS_MAX


def main(parent_pid: int, order: dict[str, Any]) -> int:
    """Clean one picture; the exit code."""

    def clean(data: bytes) -> bytes:
        return _cleaned(data, _FORMATS[order["content_type"]], order["fit"])

    return cage.answer_once(clean, parent_pid, cpu_s_max=_CPU_S_MAX, memory_bytes_max=_MEMORY_BYTES_MAX)


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
    """A picture of which only the header is read yet; with too many pixels the process ends by a code of its own."""
    try:
        picture = Image.open(io.BytesIO(data), formats=[kind])
    except Image.DecompressionBombError:
        sys.exit(_TOO_LARGE)
    if picture.width * picture.height > PIXELS_MAX:
        sys.exit(_TOO_LARGE)
    return picture


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), json.loads(sys.argv[2])))
