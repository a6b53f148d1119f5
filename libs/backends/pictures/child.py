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

_UNREADABLE, _TOO_LARGE = 3, 4
_CPU_S_MAX = 20.0
_MEMORY_BYTES_MAX = 1024 * 1024 * 1024
_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}

Image.MAX_IMAGE_PIXELS = PIXELS_MAX


class TooLargeError(Exception):
    """It says it has more pixels than we decode."""


def main(parent_pid: int, order: dict[str, Any]) -> int:
    """Clean one picture; the exit code."""
    cage.die_with_parent()
    if cage.orphaned(parent_pid):
        return _UNREADABLE
    cage.no_network()
    cage.limit_memory(_MEMORY_BYTES_MAX)
    cage.allow_cpu_s(_CPU_S_MAX)
    try:
        png = _cleaned(sys.stdin.buffer.read(), _FORMATS[order["content_type"]], order["fit"])
    except (TooLargeError, Image.DecompressionBombError):
        return _TOO_LARGE
    except Exception:  # noqa: BLE001  # a decoder raises what it likes; all of it means the same
        return _UNREADABLE
    sys.stdout.buffer.write(png)
    sys.stdout.buffer.flush()
    return 0


def _cleaned(data: bytes, kind: str, fit: list[int] | None) -> bytes:
    """Its first frame, turned upright by what its metadata says of the camera, and then without metadata."""
    with Image.open(io.BytesIO(data), formats=[kind]) as picture:
        if picture.width * picture.height > PIXELS_MAX:
            raise TooLargeError
        upright = ImageOps.exif_transpose(picture)
        plain = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    if fit is not None:
        plain = ImageOps.fit(plain, (fit[0], fit[1]), Image.Resampling.LANCZOS)
    into = io.BytesIO()
    # A new picture of the same pixels: what came along beside them (text, profiles, positions) stays behind.
    Image.frombytes(plain.mode, plain.size, plain.tobytes()).save(into, "PNG", compress_level=1)
    return into.getvalue()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), json.loads(sys.argv[2])))
