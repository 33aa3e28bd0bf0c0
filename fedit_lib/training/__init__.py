"""The game: players, one loop that plays any of them, checkpoints and weights with receipts."""

from __future__ import annotations

from .checkpoint import CheckpointError, load_best
from .game import EMA, Game, Player, Profile
from .history import History
from .loop import fit
from .run import TrainingDiverged
from .statistics import measure_statistics
from .support import fast_precision
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
    "fast_precision",
    "fit",
    "load_best",
    "load_weights",
    "measure_statistics",
    "save_weights",
]
