"""One door to all sources, for the command line and the notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from .celeba import celeba
from .faceset import FaceSet
from .folder import SPLITS, folder
from .procedural import procedural

SOURCES = ("procedural", "celeba", "folder")


def source_of(name: str) -> str:
    """Which of the `SOURCES` the faces with this `FaceSet.name` come from."""
    return next((source for source in SOURCES if name.startswith(source)), "folder")


def share_pictures(one: str, other: str) -> bool:
    """Whether the sets with these two names have pictures in common: the same, or all of a folder and a split of it."""
    short, long = sorted((one, other), key=len)
    splits = [f"{short}-{split}" for split in SPLITS]
    return one == other or (source_of(short) == "folder" and long in splits)


def load_source(
    name: str = "procedural",
    *,
    n: int | None = None,
    size: int = 64,
    seed: int = 0,
    attributes: Sequence[str] | None = None,
    split: str = "train",
    device: str | torch.device = "cpu",
    root: str | Path | None = None,
) -> FaceSet:
    """Faces from the source of this name.

    Args:
        name: "procedural", "celeba" or "folder".
        n: how many; None takes all there are (10,000 of the face world, which has no end).
        size: pixels a side.
        seed: of the face world's people; the others do not draw.
        attributes: which labels, in this order; None keeps all the source has.
        split: of the face world, of CelebA, or of a folder (which also has "all").
        device: where the pictures are kept.
        root: the folder of CelebA (None: ``data``) or of one's own images.

    Raises:
        ValueError: an unknown source, a folder that was not given, or what the source itself raises.
    """
    if n is not None and n < 1:
        raise ValueError(f"n must be at least 1, not {n}")
    if name == "procedural":
        return procedural(n or 10_000, size, seed, attributes, device=device, split=split)
    if name == "celeba":
        faces = celeba("data" if root is None else root, split, size, attributes)
    elif name == "folder":
        if root is None:
            raise ValueError(
                "the source 'folder' needs --root (root=), the folder that holds the images and their table"
            )
        faces = folder(root, size=size, attributes=attributes, split=split)
    else:
        raise ValueError(f"unknown source {name!r}: choose {', '.join(SOURCES)}")
    return faces[:n].to(device) if n is not None else faces.to(device)
