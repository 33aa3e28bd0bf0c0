"""The game: players, one loop that plays any of them, checkpoints and weights with receipts."""

from __future__ import annotations

from .checkpoint import CheckpointError
from .game import EMA, Game, Player, Profile
from .history import History
from .loop import TrainingDiverged, fit
from .weights import WeightsError, load_weights, save_weights

__all__ = [
    "EMA",
    "CheckpointError",
    "Game",
    "History",
    "Player",
    "Profile",
    "TrainingDiverged",
    "WeightsError",
    "fit",
    "load_weights",
    "save_weights",
]
