"""The game: players, one loop that plays any of them, checkpoints and weights with receipts."""

from __future__ import annotations

from .checkpoint import CheckpointError
from .game import EMA, Game, Player, Profile
from .history import History
from .loop import TrainingDiverged, fit

__all__ = [
    "EMA",
    "CheckpointError",
    "Game",
    "History",
    "Player",
    "Profile",
    "TrainingDiverged",
    "fit",
]
