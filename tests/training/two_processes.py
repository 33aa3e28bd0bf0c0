"""Run by torchrun in test_loop: two processes play, and each writes what it ended with."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch
from training_toy import ToyGame, toy_faces

from fedit_lib.data import Batch
from fedit_lib.training import fit


class Halves:
    """Faces whose n-th batch is fixed: each process takes its share of it, one process takes it all."""

    def __init__(self, rank: int, processes: int, whole: int) -> None:
        self.faces, self.rank, self.share, self.whole, self.count = (
            toy_faces(),
            rank,
            whole // processes,
            whole,
            0,
        )

    def to(self, device) -> Halves:
        return self

    def draw(self, batch_size: int, generator: torch.Generator, flip: bool = True) -> Batch:
        assert batch_size == self.share
        start = self.count * self.whole + self.rank * self.share
        self.count += 1
        return self.faces.batch(torch.arange(start, start + self.share) % len(self.faces))


def union_game() -> ToyGame:
    """Without noise or batch statistics the loss is a mean over the faces, so halves add up to the whole."""
    return ToyGame(norm=False, noise=0.0)


class StopsRankOne(ToyGame):
    def after_round(self, round, batch) -> None:
        if round == 4 and int(os.environ["RANK"]) == 1:
            os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    folder, rank = Path(sys.argv[1]), int(os.environ["RANK"])
    options = {"device": "cpu", "progress": False}
    union = union_game()
    fit(union, Halves(rank, 2, 8), steps=5, batch_size=4, **options)
    noisy = ToyGame()
    drawn, validated = [], []

    def validate(game: ToyGame, step: int) -> dict[str, float]:
        validated.append(step)
        return {"brightness": torch.rand(()).item()}

    noisy.after_round = lambda round, batch: drawn.append(round + batch.images.sum().item())
    watched = {"validate": validate, "validate_every": 3}
    fit(noisy, toy_faces(), steps=6, batch_size=4, out=folder / "straight", **options, **watched)

    first, resumed = StopsRankOne(), ToyGame()
    StopsRankOne.__name__ = "ToyGame"
    history = fit(first, toy_faces(), steps=6, batch_size=4, out=folder / "resumed", **options)
    saved = torch.load(folder / "resumed/checkpoint.pt", weights_only=True)["step"]
    fit(resumed, toy_faces(), steps=6, batch_size=4, out=folder / "resumed", **options)
    result = {
        "union": union.state_dict(),
        "noisy": noisy.state_dict(),
        "resumed": resumed.state_dict(),
        "drawn": drawn,
        "validated": validated,
        "stopped": [history.interrupted, saved],
    }
    torch.save(result, folder / f"rank{rank}.pt")


if __name__ == "__main__":
    main()
