"""A GAN is a game: players, each with networks and a loss, and the order in which they move."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from fedit_lib.data import Batch

from .statistics import BATCHES, measure_statistics


@dataclass
class Player:
    """One side of the game.

    Attributes:
        name: appears in ``Game.turns``, in the log and in errors.
        networks: what this player may change; everything else stands still while it moves.
        loss: batch -> named terms, already weighted, each a scalar. The player minimises their sum. A name that
            begins with "_" is logged but not summed.
        lr: Adam's learning rate; betas: its two decay rates.
        clip: largest norm of this player's gradient; None leaves it alone.
        steady: its learning rate stays, whatever ``Game.lr_scale`` says.
    """

    name: str
    networks: tuple[nn.Module, ...]
    loss: Callable[[Batch], dict[str, Tensor]]
    lr: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    clip: float | None = None
    steady: bool = False

    def parameters(self) -> list[nn.Parameter]:
        """Every parameter of this player's networks, once each."""
        return list(dict.fromkeys(p for network in self.networks for p in network.parameters()))


@dataclass(frozen=True)
class Profile:
    """How large a training is: ``smoke`` (seconds), ``laptop`` (an hour) or ``paper``.

    ``faces`` is the number of training pictures; ``checkpoint_every`` and ``log_every`` count steps; ``options`` are
    the paper's constructor arguments.
    """

    name: str
    size: int
    steps: int
    batch_size: int
    faces: int
    checkpoint_every: int
    log_every: int
    options: dict[str, Any] = field(default_factory=dict)


class EMA:
    """Exponential moving average of some networks' parameters and buffers.

    After step t every average moves by ``1 - d`` of the way to the present value, with
    ``d = min(decay, (1 + t) / (10 + t))``, so that the first steps do not linger. Whole-number buffers are copied.

    Args:
        networks: what to average, by name.
        decay: in [0, 1).
    """

    def __init__(self, networks: dict[str, nn.Module], decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"ema_decay must be in [0, 1), not {decay}")
        self.networks, self.decay, self.updates = networks, decay, 0
        self.averages = {
            n: {k: v.detach().clone() for k, v in m.state_dict().items()} for n, m in networks.items()
        }

    @torch.no_grad()
    def update(self) -> None:
        """Moves every average towards the networks as they are now."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, network in self.networks.items():
            for key, value in network.state_dict().items():
                average = self.averages[name][key]
                if average.is_floating_point():
                    average.lerp_(value, 1 - decay)
                else:
                    average.copy_(value)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Inside the ``with`` the networks hold their averages; afterwards what they held before."""
        present = {n: {k: v.clone() for k, v in m.state_dict().items()} for n, m in self.networks.items()}
        try:
            for name, network in self.networks.items():
                network.load_state_dict(self.averages[name])
            yield
        finally:
            for name, network in self.networks.items():
                network.load_state_dict(present[name])

    def statistics(self) -> list[Tensor]:
        """The averages' floating buffers: what `Game.settle` measures."""
        return [
            self.averages[name][key]
            for name, network in self.networks.items()
            for key, value in network.named_buffers()
            if value.is_floating_point() and key in self.averages[name]  # not those that no state dict keeps
        ]

    def state_dict(self) -> dict[str, Any]:
        return {"updates": self.updates, "averages": self.averages}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.updates = state["updates"]
        for name, values in state["averages"].items():
            for key, value in values.items():
                self.averages[name][key].copy_(value)


class Game(nn.Module):
    """What a paper subclasses: its networks as submodules, `players`, `turns` and a few optional methods.

    Attributes:
        turns: one round, e.g. ``("critic",) * 5 + ("generator",)``. One training step is one round; every move draws a
            fresh batch.
        ema_decay: decay of the average of the `inference_networks`, or None for no average.
        ema: the average itself, once `fit` has begun.
    """

    turns: tuple[str, ...] = ()
    ema_decay: float | None = None
    ema: EMA | None = None

    def players(self) -> list[Player]:
        raise NotImplementedError(f"{type(self).__name__} must list its players")

    def inference_networks(self) -> dict[str, nn.Module]:
        """The networks that ship (and that EMA averages), by name."""
        raise NotImplementedError(f"{type(self).__name__} must name its inference networks")

    def config(self) -> dict[str, Any]:
        """The constructor's arguments, as JSON can hold them; a checkpoint resumes only a game with the same."""
        return {}

    def learned(self) -> dict[str, Tensor]:
        """What another training may begin with: parameters, statistics, constants; all that is a fraction.

        Whole numbers and truths (rounds counted, flags, pools of pictures) are of the training that made them; only a
        resume goes on with these.
        """
        return {key: value for key, value in self.state_dict().items() if value.is_floating_point()}

    def set_progress(self, progress: float) -> None:
        """Called before every round with how much of the training is done, in [0, 1); for ramps."""

    def lr_scale(self, progress: float) -> float:
        """Factor on every player's learning rate at this progress, but for those that are `steady`."""
        return 1.0

    def after_round(self, round: int, batch: Batch) -> None:
        """Called after every round with its number from 0 and the batch of its last move."""

    def rehearse(self, batch: Batch) -> None:
        """Sends a batch through the inference networks as an edit does; for games with batch norms and an average.

        `fit` measures the average's batch statistics with it, see `measure_statistics`, before the average is used.
        """

    def settle(self, draw: Callable[[], Batch], batches: int = BATCHES) -> None:
        """Gives the average, where there is one, the batch statistics of its own weights; draw: a batch a call."""
        if self.ema is None or type(self).rehearse is Game.rehearse:
            return
        with self.ema.applied():
            networks = self.inference_networks()
            measure_statistics(networks.values(), lambda: self.rehearse(draw()), batches)
            for name, network in networks.items():
                for key, value in network.named_buffers():
                    if key in self.ema.averages[name]:  # not those that no state dict keeps
                        self.ema.averages[name][key].copy_(value)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside the ``with`` the inference networks hold their moving averages, if there are any."""
        with self.ema.applied() if self.ema is not None else contextlib.nullcontext():
            yield

    def averaged_networks(self) -> dict[str, nn.Module]:
        """Copies of the inference networks, averaged if there is an average, ready to ship: eval mode, no gradients."""
        with self.averaged():
            networks = {
                n: copy.deepcopy(m).eval().requires_grad_(False) for n, m in self.inference_networks().items()
            }
        return networks
