"""Prediction APIs: Replicate's protocol, and the part of it that a Cog container speaks.

predictions (what handlers call) → provider (the way of one prediction) → server (HTTP, within limits);
notes and poller: how those that wait are shared and woken; order, prediction and reference are pure.
"""

from libs.backends.prediction.cog import Cog
from libs.backends.prediction.notes import Notes
from libs.backends.prediction.order import Order
from libs.backends.prediction.poller import Poller
from libs.backends.prediction.prediction import Prediction
from libs.backends.prediction.predictions import Maker, Predictions
from libs.backends.prediction.provider import Provider
from libs.backends.prediction.server import Server
from libs.backends.prediction.terms import MODEL_NAME, Terms, catalogue_of

__all__ = [
    "MODEL_NAME",
    "Cog",
    "Maker",
    "Notes",
    "Order",
    "Poller",
    "Prediction",
    "Predictions",
    "Provider",
    "Server",
    "Terms",
    "catalogue_of",
]
