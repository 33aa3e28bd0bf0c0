"""Two small games to meet the loop with: points in a plane, and 32-pixel faces made of nothing but noise.

Not one of the six papers: the unconditional GAN (Goodfellow et al. 2014), with the loss and the penalty that AttGAN
takes over from WGAN-GP (Gulrajani et al. 2017). `GAN` is the whole idea; `PlaneGAN` and `FaceGAN` only bring networks.

    z ~ N(0, I)     x_fake = G(z)     the critic D scores real and fake     G climbs D's score
"""

from __future__ import annotations

import io
import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from fedit_lib.data import Batch, FaceSet, procedural
from fedit_lib.nn import (
    MODES,
    conv_block,
    critic_loss,
    generator_loss,
    gradient_penalty,
    up_block,
)
from fedit_lib.papers.common import check_range
from fedit_lib.training import Game, Player, Profile

if TYPE_CHECKING:
    from PIL import Image

CITATION = (
    "I. Goodfellow, J. Pouget-Abadie, M. Mirza, B. Xu, D. Warde-Farley, S. Ozair, A. Courville, Y. Bengio. "
    "Generative Adversarial Nets. NIPS 2014. arXiv:1406.2661. "
    "I. Gulrajani, F. Ahmed, M. Arjovsky, V. Dumoulin, A. Courville. Improved Training of Wasserstein GANs. "
    "NIPS 2017. arXiv:1704.00028."
)


# ---------------------------------------------------------------------------------------------- the game


class GAN(Game):
    """A generator that turns noise into data against a critic that tells them apart.

    generator: z (B, latent) -> x (B, ...). critic: x (B, ...) -> score (B,). mode: "wgan", "lsgan" or "dcgan" (the
    original loss). gp: weight of the gradient penalty; 0 leaves it away. critic_moves: to one of the generator.

    Raises ValueError for an unknown mode, less than one critic move or a weight below 0.
    """

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        latent: int,
        mode: str = "wgan",
        gp: float = 10.0,
        critic_moves: int = 3,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.5, 0.9),
        ema_decay: float | None = None,
    ) -> None:
        super().__init__()
        if mode not in MODES:
            raise ValueError(f"unknown adversarial mode {mode!r}; known: {', '.join(MODES)}")
        if critic_moves < 1:
            raise ValueError(f"critic_moves is {critic_moves}; it must be at least 1")
        check_range(0, gp=gp)
        self.generator, self.critic = generator, critic
        self.latent, self.mode, self.gp, self.lr, self.betas = latent, mode, gp, lr, tuple(betas)
        self.turns = ("critic",) * critic_moves + ("generator",)
        self.ema_decay = ema_decay

    def players(self) -> list[Player]:
        return [
            Player("critic", (self.critic,), self.critic_loss, lr=self.lr, betas=self.betas),
            Player("generator", (self.generator,), self.generator_loss, lr=self.lr, betas=self.betas),
        ]

    def critic_loss(self, batch: Batch) -> dict[str, Tensor]:
        """Real scores up, fake scores down; with a slope of one between the two, if `gp` is not 0."""
        real = batch.images
        fake = self.fake(len(real)).detach()  # the generator does not move now
        terms = {"adv": critic_loss(self.critic(real), self.critic(fake), self.mode)}
        if self.gp:
            terms["gp"] = self.gp * gradient_penalty(self.critic, real, fake)
        return terms

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """The scores of its own work up. It never sees a real example: all it learns comes through the critic."""
        return {"adv": generator_loss(self.critic(self.fake(len(batch.images))), self.mode)}

    def fake(self, n: int) -> Tensor:
        """n generated examples, with gradients."""
        return self.generator(torch.randn(n, self.latent, device=next(self.parameters()).device))

    @torch.no_grad()
    def sample(self, n: int, seed: int = 0) -> Tensor:
        """n generated examples, on the CPU, by the average of the generator if it keeps one. Seed fixes the noise."""
        device, training = next(self.parameters()).device, self.training
        z = torch.randn(n, self.latent, generator=torch.Generator().manual_seed(seed)).to(device)
        try:
            with self.eval().averaged():
                return self.generator(z).cpu()
        finally:
            self.train(training)

    def inference_networks(self) -> dict[str, nn.Module]:
        return {"generator": self.generator}

    def config(self) -> dict[str, Any]:
        return {
            "latent": self.latent,
            "mode": self.mode,
            "gp": self.gp,
            "moves": len(self.turns) - 1,
            "lr": self.lr,
        }


# ------------------------------------------------------------------------------------ points in a plane


class Points:
    """Data to chase: `modes` small clouds on a circle. Stands in for a `FaceSet`; a batch's "images" are (B, 2).

    spread: standard deviation of a cloud. centres: float (modes, 2).
    """

    name, attributes, size = "points", (), None

    def __init__(self, modes: int = 8, radius: float = 2.0, spread: float = 0.1) -> None:
        angle = torch.arange(modes) * (2 * math.pi / modes)
        self.centres = radius * torch.stack([angle.cos(), angle.sin()], dim=1)
        self.spread, self.device = spread, torch.device("cpu")

    def draw(self, batch_size: int, generator: torch.Generator, flip: bool = False) -> Batch:
        """A fresh batch; nothing is ever seen twice."""
        which = torch.randint(len(self.centres), (batch_size,), generator=generator)
        points = self.centres[which] + self.spread * torch.randn(batch_size, 2, generator=generator)
        return Batch(points.to(self.device), torch.zeros(batch_size, 0, device=self.device))

    def to(self, device: str | torch.device) -> Points:
        self.device = torch.device(device)
        return self

    def near(self, points: Tensor) -> Tensor:
        """How many of the points (n, 2) lie within four spreads of each centre: (modes,)."""
        return (torch.cdist(points, self.centres) < 4 * self.spread).sum(0)

    def found(self, points: Tensor) -> int:
        """How many clouds got at least a quarter of their fair share of the points (n, 2)."""
        return int((self.near(points) >= len(points) / len(self.centres) / 4).sum())


def perceptron(inside: int, outside: int, width: int, depth: int = 3) -> nn.Sequential:
    """`depth` hidden layers of `width` leaky ReLUs."""
    sizes = [inside, *[width] * depth]
    layers = [layer for i, o in pairwise(sizes) for layer in (nn.Linear(i, o), nn.LeakyReLU(0.2))]
    return nn.Sequential(*layers, nn.Linear(width, outside))


class PlaneGAN(GAN):
    """A GAN of two perceptrons, for points (B, 2). Other arguments as in `GAN`."""

    def __init__(self, width: int = 64, latent: int = 2, **options: Any) -> None:
        critic = nn.Sequential(perceptron(2, 1, width), nn.Flatten(0))
        super().__init__(perceptron(latent, 2, width), critic, latent, **options)


class Film:
    """Pictures of a `PlaneGAN` while it trains: give it to `fit` as `validate`.

    A frame is (step, generated points, the critic's scores on a grid). What it returns is logged: "valid/found", the
    number of clouds that the generator reaches.
    """

    def __init__(self, points: Points, n: int = 500, reach: float = 3.0, cells: int = 40) -> None:
        self.points, self.n, self.reach = points, n, reach
        line = torch.linspace(-reach, reach, cells)
        self.grid = torch.cartesian_prod(line, line).view(cells, cells, 2)
        self.frames: list[tuple[int, Tensor, Tensor]] = []

    @torch.no_grad()
    def __call__(self, game: PlaneGAN, step: int) -> dict[str, float]:
        points = game.sample(self.n)
        device = next(game.parameters()).device
        field = game.critic(self.grid.flatten(0, 1).to(device)).cpu().view(self.grid.shape[:2])
        self.frames.append((step, points, field))
        return {"found": float(self.points.found(points))}

    def show(self, frames: int = 6, title: str = "") -> Image.Image:
        """A strip of evenly chosen frames. Light ground: a high score, so where points climb to."""
        from matplotlib.figure import Figure
        from PIL import Image

        last = len(self.frames) - 1
        chosen = [self.frames[round(i * last / max(1, frames - 1))] for i in range(min(frames, last + 1))]
        figure = Figure(figsize=(1.75 * len(chosen), 2.2 if title else 2.0), dpi=76, layout="constrained")
        for axis, (step, points, field) in zip(
            figure.subplots(1, len(chosen), squeeze=False)[0], chosen, strict=True
        ):
            x, y = self.grid.unbind(-1)
            axis.contourf(x, y, field, levels=10, cmap="Greys_r", alpha=0.65)
            axis.scatter(
                *self.points.centres.T, s=70, facecolors="none", edgecolors="tab:blue", linewidths=1.2
            )
            axis.scatter(*points.T, s=2.5, color="tab:red", linewidths=0)
            axis.set(xlim=(-self.reach, self.reach), ylim=(-self.reach, self.reach), xticks=[], yticks=[])
            axis.set_aspect("equal")
            axis.set_title(f"step {step}", fontsize=9)
        figure.suptitle(title, fontsize=10) if title else None
        stream = io.BytesIO()
        figure.savefig(stream, format="png")
        return Image.open(stream).convert("P", palette=Image.Palette.ADAPTIVE, colors=96)


# --------------------------------------------------------------------------------------- faces from noise


class FaceGenerator(nn.Module):
    """z (B, latent) -> image (B, 3, S, S) in [-1, 1]: a 4x4 map, doubled until it has the size."""

    def __init__(self, latent: int, size: int, width: int) -> None:
        super().__init__()
        doublings = int(math.log2(size // 4))
        channels = [width * 2**i for i in range(doublings - 1, -1, -1)]
        self.first = nn.Linear(latent, channels[0] * 16)
        self.layers = nn.Sequential(
            nn.Unflatten(1, (channels[0], 4, 4)),
            nn.BatchNorm2d(channels[0]),
            nn.ReLU(),
            *(up_block(i, o) for i, o in pairwise(channels)),
            up_block(channels[-1], 3, norm="none", act="tanh"),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(self.first(z))


class FaceGAN(GAN):
    """A GAN for images (B, 3, size, size). width: channels of the largest map. Other arguments as in `GAN`.

    Raises ValueError for a size that is not 8, 16, 32, 64 ..., or a number that cannot be.
    """

    def __init__(self, size: int = 32, width: int = 32, latent: int = 64, **options: Any) -> None:
        if size < 8 or size & (size - 1):
            raise ValueError(f"size is {size}; it must be a power of two, at least 8")
        check_range(1, width=width, latent=latent)
        halvings = int(math.log2(size // 4))
        channels = [3, *(width * 2**i for i in range(halvings))]
        critic = nn.Sequential(
            # no batch norm here: the penalty needs scores that depend on one image each
            *(conv_block(i, o, norm="none") for i, o in pairwise(channels)),
            nn.Flatten(),
            nn.Linear(channels[-1] * 16, 1),
            nn.Flatten(0),
        )
        super().__init__(FaceGenerator(latent, size, width), critic, latent, **options)
        self.size, self.width = size, width

    def config(self) -> dict[str, Any]:
        return {**super().config(), "size": self.size, "width": self.width}


# ------------------------------------------------------------------------------------------------- sizes

PROFILES = {
    "smoke": Profile(
        name="smoke", size=32, steps=30, batch_size=16, faces=256, checkpoint_every=1000, log_every=5,
        options={"width": 8, "latent": 32, "critic_moves": 1, "lr": 5e-4},
    ),
    "laptop": Profile(
        name="laptop", size=32, steps=2400, batch_size=32, faces=8000, checkpoint_every=250, log_every=25,
        options={"width": 24, "latent": 64, "critic_moves": 2, "lr": 4e-4, "ema_decay": 0.995},
    ),
}  # fmt: skip
PROFILES["paper"] = PROFILES["laptop"]  # no paper has this size; so that a notebook runs with any profile


def build(profile: str | Profile = "laptop", **overrides: Any) -> FaceGAN:
    """A fresh face GAN of a profile ("smoke", "laptop", "paper"), with any constructor argument overridden."""
    if isinstance(profile, str):
        if profile not in PROFILES:
            raise ValueError(f"unknown profile {profile!r}; known: {', '.join(PROFILES)}")
        profile = PROFILES[profile]
    return FaceGAN(**{"size": profile.size, **profile.options, **overrides})


def face_set(profile: Profile) -> FaceSet:
    """The faces that a profile trains on: people as in life (the labels are not used)."""
    return procedural(profile.faces, profile.size, attributes=("Male",), correlated=True)
