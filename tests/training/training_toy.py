"""A tiny game with everything a paper may have: shared random draws, batch norm, dropout, ramps, EMA, clipping."""

from __future__ import annotations

import sys

import torch
from torch import nn

from fedit_lib.data import FaceSet
from fedit_lib.training import Game, Player

TWO_PROCESSES = [
    sys.executable,
    "-m",
    "torch.distributed.run",
    "--nproc-per-node=2",
    "--master-addr=127.0.0.1",
]
TWO_PROCESSES += ["--master-port=0", "--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0"]


def toy_faces(n: int = 64) -> FaceSet:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (n, 3, 8, 8), dtype=torch.uint8, generator=generator)
    return FaceSet(images, (images[:, :2, 0, 0] > 127).float(), ("a", "b"), "toy")


class ToyGame(Game):
    turns = ("critic", "critic", "generator")
    ema_decay = 0.9

    def __init__(self, width: int = 6, lr: float = 1e-3, noise: float = 1.0, norm: bool = True) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            middle = [nn.BatchNorm2d(width), nn.Dropout(0.1)] if norm else []
            self.generator = nn.Sequential(
                nn.Conv2d(3, width, 3, padding=1), *middle, nn.Tanh(), nn.Conv2d(width, 3, 1)
            )
            self.critic = nn.Sequential(nn.Conv2d(3, width, 3, 2), nn.LeakyReLU(), nn.Conv2d(width, 1, 3))
        self.width, self.lr, self.noise, self.weight = width, lr, noise, 0.0
        self.rounds: list[int] = []

    def players(self) -> list[Player]:
        return [
            Player("critic", (self.critic,), self.critic_loss, lr=self.lr),
            Player("generator", (self.generator,), self.generator_loss, lr=self.lr, clip=1.0),
        ]

    def inference_networks(self) -> dict[str, nn.Module]:
        return {"generator": self.generator}

    def config(self) -> dict:
        return {"width": self.width, "noise": self.noise}

    def set_progress(self, progress: float) -> None:
        self.weight = progress

    def lr_scale(self, progress: float) -> float:
        return 1.0 - progress

    def rehearse(self, batch) -> None:
        self.generator(batch.images)

    def after_round(self, round: int, batch) -> None:
        self.rounds.append(round)

    def fake(self, images: torch.Tensor) -> torch.Tensor:
        return self.generator(images + self.noise * torch.randn_like(images))

    def critic_loss(self, batch) -> dict[str, torch.Tensor]:
        return {
            "adversarial": self.critic(self.fake(batch.images)).mean() - self.critic(batch.images).mean(),
            "small": 0.1 * sum((p**2).sum() for p in self.critic.parameters()),
        }

    def generator_loss(self, batch) -> dict[str, torch.Tensor]:
        return {
            "adversarial": -self.critic(self.fake(batch.images)).mean(),
            "reconstruction": self.weight * (self.generator(batch.images) - batch.images).abs().mean(),
            "_brightness": batch.images.mean(),
        }


def same(left: Game, right: Game) -> bool:
    """Bit for bit the same weights, buffers and averages."""
    pairs = [(left.state_dict(), right.state_dict())]
    if left.ema is not None:
        pairs += [(left.ema.averages[n], right.ema.averages[n]) for n in left.ema.averages]
    return all(a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a) for a, b in pairs)
