"""How edits are measured: the oracle, the metrics, one protocol, the leaderboard.

from fedit_lib.evaluation import DoNothing, evaluate, leaderboard

scores = evaluate(editor, faces=100)
scores["accuracy"]["mean"]
leaderboard([scores, evaluate(DoNothing(editor.attributes), faces=100)]).table()
"""

from __future__ import annotations

from .baselines import DoNothing, TrueAnswer
from .board import Leaderboard, leaderboard
from .entanglement import SideEffects, side_effects
from .exam import Exam, PhotoExam, exam
from .oracle import Oracle, load_oracle, load_trained_oracle
from .protocol import ExamWarning, OracleWarning, evaluate
from .scores import EXTRA, METRICS, Scores
from .sketched import FromSketches

__all__ = [
    "EXTRA",
    "METRICS",
    "DoNothing",
    "Exam",
    "ExamWarning",
    "FromSketches",
    "Leaderboard",
    "Oracle",
    "OracleWarning",
    "PhotoExam",
    "Scores",
    "SideEffects",
    "TrueAnswer",
    "evaluate",
    "exam",
    "leaderboard",
    "load_oracle",
    "load_trained_oracle",
    "side_effects",
]
