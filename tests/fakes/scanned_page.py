"""Scanned pages with known text: letters on paper, put on an office scanner that has seen better days.

`python -m tests.fakes.scanned_page` writes the sample that ships with the project anew. Everything is drawn with
Pillow and the font inside it, so that a seed gives the same page on every machine (but for the JPEG encoder's last
bits), and no page is anybody's.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

__all__ = ["LETTER", "SAMPLE", "SAMPLE_TEXT", "letter", "scan"]

SAMPLE = Path(__file__).parents[2] / "apps" / "cli" / "samples" / "scanned-page.jpg"
SAMPLE_TEXT = SAMPLE.with_suffix(".txt")

SIZE = (1000, 1300)
_MARGIN = 90
_LETTER_PX = 30
_LINE_PX = 52
_INK = 48
_JPEG_QUALITY = 55

LETTER = """\
Notes on a queue that is fair

A caller hands in a job and has an answer at once:
the job is accepted, and here is its number.

From then on the work is ours. It waits for its turn,
and nobody's thousand jobs stand before another's first.
If a worker dies, the next one takes over in seconds.

What comes back is kept: 1 page of text, 4 pictures,
or 250 results, each with its size and its checksum.

Units that were not used are given back on the same day.
"""

_SENTENCES = (
    "A job is accepted once and ends once.",
    "The queue is fair: every user has a share.",
    "Progress is told twice a second at most.",
    "A lease of 3 seconds is renewed in time.",
    "Files are kept for 7, 30 or 90 days.",
    "A refusal says why and when to come back.",
    "Nothing is charged for what we got wrong.",
    "Each result has a name, a size and a type.",
    "The second attempt starts where it can.",
    "A key is shown once and stored as a hash.",
    "Daily quotas begin anew at 00:00 UTC.",
    "Who follows a job late misses nothing.",
    "Workers come and go; the work goes on.",
    "Pictures are at most 2048 pixels wide.",
    "An upload is checked before it is read.",
    "Batches hold up to 50,000 items each.",
)


def letter(seed: int, lines: int = 9) -> str:
    """A text of so many different lines."""
    return "\n".join(Random(seed).sample(_SENTENCES, lines)) + "\n"


def scan(text: str, seed: int, size: tuple[int, int] = SIZE) -> bytes:
    """The JPEG of a page with that text: slanted, unevenly lit, on coarse paper, a little out of focus, noisy."""
    chance = Random(seed)
    page = _written(text, size)
    page = page.rotate(chance.choice((-1, 1)) * chance.uniform(0.4, 1.2), Image.Resampling.BICUBIC, fillcolor=255)
    page = page.filter(ImageFilter.GaussianBlur(0.8))
    page = ImageChops.multiply(page, _cloud(chance, size, cells=4, darkest=185, brightest=250))
    page = ImageChops.multiply(page, _cloud(chance, size, cells=250, darkest=232, brightest=255))
    page = _noisy(page, chance)
    kept = BytesIO()
    page.save(kept, "JPEG", quality=_JPEG_QUALITY)
    return kept.getvalue()


def _written(text: str, size: tuple[int, int]) -> Image.Image:
    page = Image.new("L", size, 255)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(_LETTER_PX)
    for row, line in enumerate(text.splitlines()):
        pen.text((_MARGIN, _MARGIN + _LINE_PX * row), line, _INK, font)
    return page


def _cloud(chance: Random, size: tuple[int, int], cells: int, darkest: int, brightest: int) -> Image.Image:
    """Smooth random shades, so many across: few are the scanner's lamp, many the grain of the paper."""
    shades = Image.frombytes("L", (cells, cells), chance.randbytes(cells * cells))
    return shades.resize(size, Image.Resampling.BICUBIC).point(
        lambda shade: darkest + shade * (brightest - darkest) // 255
    )


def _noisy(page: Image.Image, chance: Random) -> Image.Image:
    """Add the noise of the sensor: the mean of four even draws is close to a Gaussian one."""
    one, two, three, four = (
        Image.frombytes("L", page.size, chance.randbytes(page.width * page.height)) for _ in range(4)
    )
    noise = ImageChops.add(ImageChops.add(one, two, scale=2), ImageChops.add(three, four, scale=2), scale=2)
    faint = noise.point(lambda shade: 128 + (shade - 128) // 3)
    return ImageChops.add(page, faint, offset=-128)


if __name__ == "__main__":
    SAMPLE.write_bytes(scan(LETTER, seed=7))
    SAMPLE_TEXT.write_text(LETTER, encoding="utf-8")
