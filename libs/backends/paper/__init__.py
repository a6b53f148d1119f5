"""PDF files of callers, as far as the API has to look into them: how many pages they have."""

from libs.backends.paper.count import PageCounter

__all__ = ["PageCounter"]
