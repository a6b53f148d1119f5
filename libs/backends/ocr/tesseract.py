"""The other engine: the `tesseract` program, where it is installed. Runs in the child, and is a process of its own."""

from __future__ import annotations

import csv
import re
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from io import BytesIO
from statistics import fmean

from PIL import Image

from libs.backends.cage.limits import die_with_parent
from libs.backends.ocr.page import Line, Page
from libs.backends.ocr.sight import turned_by
from libs.backends.ocr.wire import Language
from libs.errors import Failure

__all__ = ["TesseractReader", "page_of_tsv"]

#: Tesseract's name for each language (ISO 639-2).
_CODES: dict[Language, str] = {
    "cs": "ces",
    "da": "dan",
    "de": "deu",
    "en": "eng",
    "es": "spa",
    "fi": "fin",
    "fr": "fra",
    "it": "ita",
    "nl": "nld",
    "no": "nor",
    "pl": "pol",
    "pt": "por",
    "sv": "swe",
    "tr": "tur",
}

#: A line of what it says of orientation (`--psm 0`), and how well a page must read turned to be taken so.
_ROTATE = re.compile(rb"^Rotate: (90|180|270)$", re.MULTILINE)
_TURNED_MIN = 0.95


class TesseractReader:
    """Runs the program twice for each page. It is given pixels that were decoded here, never the caller's bytes."""

    def __init__(self, program: str, threads: int) -> None:
        """Name the program; it is not started yet."""
        self._program = program
        self._environment = {"OMP_THREAD_LIMIT": str(threads)}

    def read(self, number: int, picture: Image.Image, language: Language) -> Page:
        """Read a page, turned upright; raises Failure `language_unavailable` where the language's data is missing.

        What the program says of how a page lies is a guess: one that it reads worse turned stays as it came.
        """
        page = self._read(number, picture, language)
        rotation = self._rotation(picture)
        if rotation == 0:
            return page
        turned = self._read(number, turned_by(picture, rotation), language)
        if _certainty(turned) < _TURNED_MIN * _certainty(page):
            return page
        return replace(turned, width=picture.width, height=picture.height, rotation=rotation).turned_back()

    def _read(self, number: int, picture: Image.Image, language: Language) -> Page:
        done = self._run(picture, "-l", _CODES[language], "-c", "tessedit_create_tsv=1")
        if done.returncode and b"traineddata" in done.stderr:
            raise Failure("language_unavailable", f"tesseract has no data for the language {language!r} here")
        done.check_returncode()
        return page_of_tsv(number, picture.size, done.stdout.decode(errors="replace"))

    def _rotation(self, picture: Image.Image) -> int:
        """By how many degrees clockwise the page should be turned; 0 where its letters are too few to tell."""
        found = _ROTATE.search(self._run(picture, "--psm", "0").stdout)
        return int(found[1]) if found else 0

    def _run(self, picture: Image.Image, *options: str) -> subprocess.CompletedProcess[bytes]:
        pixels = BytesIO()
        picture.convert("L").save(pixels, "PPM")
        return subprocess.run(  # noqa: S603  # the program comes from the operator, the options from us
            [self._program, "stdin", "stdout", *options],
            input=pixels.getvalue(),
            capture_output=True,
            env=self._environment,
            check=False,
            preexec_fn=die_with_parent,  # calls nothing but prctl(2)
        )


def _certainty(page: Page) -> float:
    """How much was read, and how surely."""
    return sum(line.score * len(line.text) for line in page.lines)


def page_of_tsv(number: int, size: tuple[int, int], table: str) -> Page:
    """A page of tesseract's TSV: a row for each word, numbered by block, paragraph and line, in reading order."""
    lines: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    for row in csv.DictReader(table.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE):
        if row["level"] == "5" and row["text"].strip():
            lines.setdefault((row["block_num"], row["par_num"], row["line_num"]), []).append(row)
    found = {place: _line(words) for place, words in lines.items()}
    return Page(number, *size, _text(found), tuple(found.values()))


def _line(words: Iterable[dict[str, str]]) -> Line:
    words = list(words)
    left = min(int(word["left"]) for word in words)
    top = min(int(word["top"]) for word in words)
    right = max(int(word["left"]) + int(word["width"]) for word in words)
    bottom = max(int(word["top"]) + int(word["height"]) for word in words)
    return Line(
        text=" ".join(word["text"] for word in words),
        box=((left, top), (right, top), (right, bottom), (left, bottom)),
        score=fmean(float(word["conf"]) for word in words) / 100,
    )


def _text(found: dict[tuple[str, str, str], Line]) -> str:
    """The lines, with an empty one between paragraphs."""
    paragraphs: dict[tuple[str, str], list[str]] = {}
    for (block, paragraph, _), line in found.items():
        paragraphs.setdefault((block, paragraph), []).append(line.text)
    return "\n\n".join("\n".join(texts) for texts in paragraphs.values())
