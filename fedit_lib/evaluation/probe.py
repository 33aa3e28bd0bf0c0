"""What a code still knows: a fresh classifier, trained on frozen codes.

A latent discriminator that was fooled in training proves little: the encoder has learned to fool *that* one. A probe
that nobody trained against answers whether the attribute is gone (Lample et al. 2017 argue from the former; Moyer et
al. 2018 and Elazar & Goldberg 2018 show how much a fresh one may still find).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import faces as world
from .exam import Exam, draw

CHUNK = 125  # pictures encoded at a time
SEED = 500_000  # in the train split, so that the probe's people are not those that the editors learned from


def probe_accuracy(
    latent: Callable[[Tensor], Tensor],
    attributes: Sequence[str],
    questions: Exam,
    *,
    people: int = 4000,
    steps: int = 600,
    hidden: int = 256,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> dict:
    """Balanced accuracy with which a fresh probe reads attributes from codes; 0.5 is chance, 1 all of them.

    The probe (one hidden layer, an output an attribute) learns on the codes of `people` of the train split, sampled
    independently, and is scored on the people of the exam. Codes are standardised; nothing flows back into `latent`.

    Args:
        latent: images float (B, 3, S, S) in [-1, 1] -> codes (B, ...), any shape; called without gradients.
        attributes: to be read.
        questions: the exam whose people are the test; its size is that of the pictures.
        people, steps, hidden: how many to learn from, steps of Adam on 256 of them each, width of the hidden layer.
        seed: of the probe's weights and batches; the caller's random numbers are left alone.
        device: of the pictures that `latent` is given.

    Returns:
        {"mean": float, "per_attribute": {name: float or None}}; None where the exam's people all have the same label.

    Raises:
        ValueError: if `latent` does not give one row of finite numbers a picture.
        faces.UnknownAttribute: an attribute that is none of the face world's.
    """
    names = tuple(attributes)
    world.check_attributes(names)
    pictures, known = _people(people, questions.size)
    x, y = _codes(latent, pictures, device), known.labels(names).cpu().float()
    x_test, y_test = (
        _codes(latent, questions.images, device),
        questions.people.labels(names).cpu().float(),
    )
    centre, spread = x.mean(0), x.std(0).clamp_min(1e-6)
    x, x_test = (x - centre) / spread, (x_test - centre) / spread
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        probe = nn.Sequential(
            nn.Linear(x.shape[1], hidden),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(hidden, len(names)),
        )
        optimiser = torch.optim.AdamW(probe.parameters(), lr=1e-3, weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        share = y.mean(0).clamp(0.01, 0.99)
        for _ in range(steps):
            pick = torch.randint(len(x), (256,))
            weight = torch.where(y[pick] > 0.5, 0.5 / share, 0.5 / (1 - share))  # both classes count alike
            loss = F.binary_cross_entropy_with_logits(probe(x[pick]), y[pick], weight)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    with torch.no_grad():
        right = ((probe.eval()(x_test) > 0) == (y_test > 0.5)).float()
    found: dict[str, float | None] = {}
    for i, name in enumerate(names):
        has = y_test[:, i] > 0.5
        one_class = bool(has.all()) or not bool(has.any())
        found[name] = None if one_class else float((right[has, i].mean() + right[~has, i].mean()) / 2)
    values = [value for value in found.values() if value is not None]
    return {"mean": sum(values) / len(values) if values else None, "per_attribute": found}


@lru_cache(maxsize=2)
def _people(n: int, size: int) -> tuple[Tensor, world.People]:
    """The people that a probe learns from, and their pictures, uint8 (n, 3, size, size)."""
    people = world.sample(n, seed=world.SEEDS["train"].start + SEED, correlated=False)
    return draw(people, size), people


def _codes(latent: Callable[[Tensor], Tensor], pictures: Tensor, device: str | torch.device) -> Tensor:
    """float (n, d) on the CPU."""
    parts = []
    for i in range(0, len(pictures), CHUNK):
        images = world.to_float(pictures[i : i + CHUNK].to(device))
        with torch.no_grad():
            codes = latent(images)
        if not isinstance(codes, Tensor) or codes.ndim < 2 or len(codes) != len(images):
            raise ValueError(
                f"latent must return a tensor with one row a picture, {len(images)} here, not "
                f"{tuple(codes.shape) if isinstance(codes, Tensor) else type(codes).__name__}"
            )
        codes = codes.detach().flatten(1).float().cpu()
        if not bool(codes.isfinite().all()):
            raise ValueError("latent returned NaN or infinite numbers: has the training diverged?")
        parts.append(codes)
    return torch.cat(parts)
