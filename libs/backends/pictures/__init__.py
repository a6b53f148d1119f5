"""Pictures of callers, made fit to be handed to a backend."""

from libs.backends.pictures.clean import PICTURE_TYPES, PictureCleaner

__all__ = ["PICTURE_TYPES", "PictureCleaner"]
