"""Faces drawn by the face world: any number, with exact labels, in seconds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from tqdm.auto import tqdm

from fedit_lib import faces as world

from .faceset import FaceSet

CHUNK = 250  # faces drawn at a time: enough to keep a device busy, small enough for any memory


def procedural(
    n: int,
    size: int = 64,
    seed: int = 0,
    attributes: Sequence[str] | None = None,
    correlated: bool = False,
    device: str | torch.device = "cpu",
    split: str = "train",
) -> FaceSet:
    """Draws ``n`` people of the face world.

    Args:
        n: how many.
        size: pixels a side.
        seed: offset inside the split's range of seeds (`faces.SEEDS`); the same seed draws the same people.
        attributes: which labels to keep, in this order; None keeps all 24.
        correlated: attributes as in life (few bald women) rather than independent of each other.
        device: where they are drawn and kept.
        split: "train", "valid", "test" or "oracle": people of different splits are different people.

    Returns:
        A `FaceSet` whose ``people`` are the descriptions.

    Raises:
        ValueError: an unknown split, a seed outside its range, n < 1.
        faces.UnknownAttribute: an attribute the face world does not have.
    """
    if split not in world.SEEDS:
        raise ValueError(f"unknown split {split!r}: the face world has {', '.join(world.SEEDS)}")
    if n < 1:
        raise ValueError(f"n must be at least 1, not {n}")
    seeds = world.SEEDS[split]
    if not 0 <= seed < len(seeds):
        raise ValueError(f"seed {seed} is outside the {split} split: choose 0 to {len(seeds) - 1}")
    names = world.check_attributes(world.ATTRIBUTES if attributes is None else attributes)

    people = world.sample(n, seed=seeds.start + seed, correlated=correlated, device=device)
    images = torch.empty(n, 3, size, size, dtype=torch.uint8, device=people.device)
    for start in tqdm(
        range(0, n, CHUNK), desc="drawing faces", unit_scale=CHUNK, disable=n <= 5000, leave=False
    ):
        images[start : start + CHUNK] = world.render_uint8(people[start : start + CHUNK], size=size)
    kind = "correlated" if correlated else "independent"
    result = FaceSet(images, people.labels(names), names, f"procedural-{split}-{seed}-{kind}")
    result.people = people
    return result
