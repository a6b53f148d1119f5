"""The test pictures: a pattern from the seed, and the words "stand-in" so that nobody takes one for a model's."""

from __future__ import annotations

import hashlib
import io
import textwrap

from PIL import Image, ImageDraw

__all__ = ["draw", "preview", "size_of"]

_PREVIEW_SIDE = 128
_MARGIN = 8
_SMALL_SIDE = 256


def draw(*, seed: int, width: int, height: int, prompt: str, index: int, label: str) -> bytes:
    """A PNG; the same for the same arguments. `label` is set below them."""
    picture = _pattern(seed, index, width, height)
    pen = ImageDraw.Draw(picture)
    size = max(10, min(width, height) // 16)
    line_characters = max(4, int(1.6 * (width - 2 * _MARGIN) / size))
    text = ["stand-in", f"seed {seed} #{index}"]
    text += [*textwrap.wrap(label, line_characters), *textwrap.wrap(prompt, line_characters)]
    lines = max(1, (height - 2 * _MARGIN) // (size + 4))
    for number, line in enumerate(text[:lines]):
        at = (_MARGIN, _MARGIN + number * (size + 4))
        pen.text(at, line, fill="white", font_size=size, stroke_width=max(1, size // 12), stroke_fill="black")
    return _encoded(picture, "PNG")


def preview(*, seed: int, done: int, total: int) -> bytes:
    """A JPEG that clears up with every step."""
    picture = _pattern(seed, 0, _PREVIEW_SIDE, _PREVIEW_SIDE)
    noise = Image.effect_noise(picture.size, 100).convert("RGB")
    return _encoded(Image.blend(noise, picture, done / total), "JPEG")


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height of a picture."""
    with Image.open(io.BytesIO(data)) as picture:
        return picture.size


def _pattern(seed: int, index: int, width: int, height: int) -> Image.Image:
    """Two gradients and rings in colours that the seed chooses."""
    chosen = hashlib.sha256(f"{seed}/{index}".encode()).digest()
    side = (_SMALL_SIDE, _SMALL_SIDE)
    along = Image.linear_gradient("L").rotate(chosen[0] * 360 / 256)
    rings = Image.radial_gradient("L").point([(value * (1 + chosen[1] % 5)) % 256 for value in range(256)])
    mixed = Image.blend(along, rings, 0.3 + chosen[2] / 512)
    warm = Image.composite(
        Image.new("RGB", side, tuple(chosen[3:6])), Image.new("RGB", side, tuple(chosen[6:9])), mixed
    )
    return warm.resize((width, height), Image.Resampling.BICUBIC)


def _encoded(picture: Image.Image, kind: str) -> bytes:
    into = io.BytesIO()
    picture.save(into, kind, **({"compress_level": 1} if kind == "PNG" else {"quality": 80}))
    return into.getvalue()
