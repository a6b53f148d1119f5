"""The default engine: PP-OCR models by `rapidocr` on onnxruntime, on the CPU, from the wheel. Runs in the child."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from PIL import Image, ImageOps

from libs.backends.ocr.order import in_order, rows_of, text_of
from libs.backends.ocr.page import Box, Line, Page
from libs.backends.ocr.sight import TURNED, Sight, turned_by
from libs.backends.ocr.wire import Language

__all__ = ["RapidReader", "fitted"]

#: Pages are scaled down to this before reading: about 230 dpi on A4. More is slower and reads no better.
_PAGE_SIDE_MAX = 2_700
#: The search for lines works on a smaller copy; its time grows with the square of this.
_SEARCH_SIDE = 1_280
#: Both sides get at least this, and none more than so many times the other, in white: the models need some room.
_SIDE_MIN = 64
_ASPECT_MAX = 8
#: What is read with less certainty is no text.
_SCORE_MIN = 0.5
#: How many lines are asked whether they stand on their heads, and how many are then read both ways.
_VOTERS, _ASKED = 12, 4


class RapidReader:
    """Holds the loaded models: about three seconds to make, mostly imports. Raises ImportError without rapidocr."""

    def __init__(self, threads: int) -> None:
        """Load the models; each is named by its file, so that rapidocr never looks for a download."""
        import onnxruntime  # noqa: PLC0415  # an extra
        import rapidocr  # noqa: PLC0415  # an extra, and two seconds: only children pay for it

        onnxruntime.disable_telemetry_events()
        models = Path(rapidocr.__file__).parent / "models"
        self._ocr: Any = rapidocr.RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.use_preprocess_img": False,
                "Global.use_vertical_padding": False,
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                "Det.model_path": str(models / "PP-OCRv6_det_small.onnx"),
                "Det.limit_type": "max",
                "Det.limit_side_len": _SEARCH_SIDE,
                "Cls.model_path": str(models / "ch_ppocr_mobile_v2.0_cls_mobile.onnx"),
                "Rec.model_path": str(models / "PP-OCRv6_rec_small.onnx"),
            }
        )
        logging.getLogger("RapidOCR").disabled = True
        self._warm_up()

    def read(self, number: int, picture: Image.Image, _language: Language) -> Page:
        """Read a page, turned upright first; one model reads every language on offer."""
        sight = self._look(picture)
        if sight.stands_on_its_side:
            sight = self._look(picture, TURNED)
        if self._is_upside_down(sight):
            sight = sight.upside_down()
        rows = rows_of(self._lines(sight))
        rotation = sight.rotation if rows else 0
        return Page(number, *picture.size, text_of(rows), in_order(rows), rotation=rotation).turned_back()

    def _look(self, picture: Image.Image, rotation: int = 0) -> Sight:
        """Where there are lines, on the picture turned clockwise by so many degrees."""
        turned = turned_by(picture, rotation)
        fitting, scale = fitted(turned)
        pixels = self._ocr.load_img(fitting)
        boxes = self._ocr.text_det(pixels).boxes
        crops = [] if boxes is None else self._ocr.crop_text_regions(pixels, boxes)
        return Sight(turned.size, rotation, [_box(box, scale) for box in ([] if boxes is None else boxes)], crops)

    def _is_upside_down(self, sight: Sight) -> bool:
        """What the longest lines say, each by its length; and then only if they read better that way.

        One line in twenty is judged wrongly, so no line is turned by what is said of it alone.
        """
        longest = sight.longest(_VOTERS)
        if not longest:
            return False
        votes = self._ocr.text_cls([sight.crops[index] for index in longest]).cls_res
        turned = sum(sight.length(index) for index, vote in zip(longest, votes, strict=True) if "180" in vote[0])
        if 2 * turned < sum(map(sight.length, longest)):
            return False
        asked = [sight.crops[index] for index in longest[:_ASKED]]
        return self._certainty([crop[::-1, ::-1] for crop in asked]) > self._certainty(asked)

    def _certainty(self, crops: Sequence[Any]) -> float:
        return fmean(score for _, score in self._recognized(crops))

    def _lines(self, sight: Sight) -> list[Line]:
        read = zip(sight.boxes, self._recognized(sight.crops), strict=True)
        return [Line(text, box, score) for box, (text, score) in read if text and score >= _SCORE_MIN]

    def _recognized(self, crops: Sequence[Any]) -> list[tuple[str, float]]:
        if not crops:
            return []
        found = self._ocr.recognize_txt(list(crops))
        return [(str(text).strip(), float(score)) for text, score in zip(found.txts, found.scores, strict=True)]

    def _warm_up(self) -> None:
        """Make all models load, which each does when first needed."""
        blank = Image.new("RGB", (_SIDE_MIN, _SIDE_MIN), "white")
        self._ocr(blank, use_det=True, use_cls=True, use_rec=True)
        self._ocr(blank, use_det=False, use_cls=True, use_rec=True)


def fitted(picture: Image.Image) -> tuple[Image.Image, float]:
    """The picture within the bounds of the models, and how many of its pixels lie in one of the result's.

    Room is added at the right and at the bottom, so that a point of the result is a point of the picture times the
    scale, and no more.
    """
    scale = max(1.0, max(picture.size) / _PAGE_SIDE_MAX)
    width, height = (max(1, round(side / scale)) for side in picture.size)
    small = picture if scale == 1 else picture.resize((width, height), Image.Resampling.LANCZOS)
    side_min = max(_SIDE_MIN, -(-max(width, height) // _ASPECT_MAX))
    right, bottom = max(0, side_min - width), max(0, side_min - height)
    return (ImageOps.expand(small, (0, 0, right, bottom), "white") if right or bottom else small), scale


def _box(found: Any, scale: float) -> Box:
    top_left, top_right, bottom_right, bottom_left = ((float(x) * scale, float(y) * scale) for x, y in found)
    return top_left, top_right, bottom_right, bottom_left
