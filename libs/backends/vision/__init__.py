"""Text in images, read by vision models of others.

::

    vision     the providers in their order, failover            what handlers see
    provider   one of them: its pool, its breaker, its errors
    dialect    how an API is spoken: chat (Mistral, Qwen, Kimi) · gemini
    task       what a model is asked                             pure
    reading    what it answered                                  pure
"""

from libs.backends.vision.picture import Picture
from libs.backends.vision.provider import Provider
from libs.backends.vision.reading import Reading, Region
from libs.backends.vision.task import Task
from libs.backends.vision.vision import Answer, Vision

__all__ = ["Answer", "Picture", "Provider", "Reading", "Region", "Task", "Vision"]
