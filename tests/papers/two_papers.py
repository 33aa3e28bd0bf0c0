"""Run by torchrun in test_two_processes: `fedit train` in two processes, each writing what it ended with."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch

from fedit_lib.cli import app
from fedit_lib.data import FaceSet
from fedit_lib.papers.aggan import AGGAN
from fedit_lib.training.run import Run

FOLDER, RANK = Path(sys.argv[1]), int(os.environ["RANK"])


def train(name: str, folder: str) -> None:
    """The command, whose game, averages and batches it keeps aside."""
    drawn: list[float] = []
    batch, close = FaceSet.batch, Run.close

    def watched_batch(self, index, flip=False):
        given = batch(self, index, flip)
        drawn.append(given.images.sum().item())
        return given

    def watched_close(self):
        averages = {} if self.game.ema is None else self.game.ema.averages
        state = {"game": self.game.state_dict(), "averages": averages, "drawn": drawn}
        torch.save(state, FOLDER / f"{folder}.{RANK}.pt")
        return close(self)

    FaceSet.batch, Run.close = watched_batch, watched_close
    words = ["train", name, "--profile", "smoke", "--device", "cpu", "--precision", "32-true", "--steps", "4"]
    try:
        if code := app([*words, "--out", str(FOLDER / folder)], standalone_mode=False):
            print(f"exit {code}")
    finally:
        FaceSet.batch, Run.close = batch, close


def main() -> None:
    for name in ("attgan", "sagan", "aggan"):
        train(name, name)

    after_round = AGGAN.after_round

    def stops_rank_one(self, round, batch):
        if round == 1 and RANK == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    AGGAN.after_round = stops_rank_one
    train("aggan", "resumed")
    AGGAN.after_round = after_round
    train("aggan", "resumed")


if __name__ == "__main__":
    main()
