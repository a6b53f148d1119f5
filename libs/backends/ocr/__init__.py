"""OCR: the text of a picture, read in child processes of the worker.

::

    worker                                 child (one for each slot, loaded and waiting)
    engine.OcrEngine ── process ═ wire ═══ child ── pictures ── rapid | tesseract ── order

Nothing is decoded or computed in the worker: a picture that kills its reader costs one child, not a worker, and a
reader can be stopped at any moment, which a thread cannot.
"""

from libs.backends.ocr.engine import OcrEngine
from libs.backends.ocr.page import Line, Page
from libs.backends.ocr.wire import EngineName, Language

__all__ = ["EngineName", "Language", "Line", "OcrEngine", "Page"]
