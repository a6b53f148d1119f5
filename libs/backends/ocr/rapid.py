"""The default engine: PP-OCR models by `rapidocr` on onnxruntime, on the CPU, from the wheel. Runs in the child."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from libs.backends.ocr.order import in_order, rows_of, text_of
from libs.backends.ocr.page import Line, Page
from libs.backends.ocr.wire import Language

__all__ = ["RapidReader", "fitted"]

#: Pages are scaled down to this before reading: about 230 dpi on A4. More is slower and reads no better.
_PAGE_SIDE_MAX = 2_700
#: The search for lines works on a smaller copy; its time grows with the square of this.
_SEARCH_SIDE = 1_280
#: Both sides get at least this, and none more than so many times the other, in white: the models need some room.
_SIDE_MIN = 64
_ASPECT_MAX = 8


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
        """Read a page; one model reads every language on offer."""
        fitting, scale = fitted(picture)
        found = self._ocr(fitting, use_det=True)
        rows = rows_of(_lines(found, scale)) if found.boxes is not None and found.txts is not None else []
        return Page(number, *picture.size, text_of(rows), in_order(rows))

    def _warm_up(self) -> None:
        """Make all models load, which each does when first needed: one for the page, two for a line found on it."""
        blank = Image.new("RGB", (_SIDE_MIN, _SIDE_MIN), "white")
        self._ocr(blank, use_det=True)
        self._ocr(blank, use_det=False)


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


def _lines(found: Any, scale: float) -> list[Line]:
    return [
        Line(str(text).strip(), tuple((float(x) * scale, float(y) * scale) for x, y in box), float(score))  # type: ignore[arg-type]
        for text, box, score in zip(found.txts, found.boxes, found.scores, strict=True)
    ]
