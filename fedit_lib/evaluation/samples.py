"""Whether generated faces have the attributes that were asked for. For editors that can also invent people."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .. import faces
from .oracle import Oracle

CHUNK = 125  # pictures judged at a time


@torch.no_grad()
def sample_accuracy(
    sample: Callable[[Tensor], Tensor],
    attributes: Sequence[str],
    labels: Tensor,
    oracle: Oracle,
    judged: Sequence[str] | None = None,
) -> dict[str, float]:
    """How often the oracle sees in a generated face what was asked for: attribute -> share, 0 to 1.

    Args:
        sample: labels (n, k), 0 or 1 -> images (n, 3, S, S) in [-1, 1], as an editor's `sample`; called once.
        attributes: names of the columns of labels.
        labels: float (n, k), the attributes to ask for; rows that real people have.
        oracle: the judge.
        judged: which attributes to report (default: all).

    Raises:
        ValueError: if `sample` does not return a picture a row.
        faces.UnknownAttribute: if an attribute is none of the oracle's.
    """
    attributes = faces.check_attributes(attributes, attributes)
    judged = attributes if judged is None else faces.check_attributes(judged, attributes)
    faces.check_attributes(judged, oracle.attributes)
    images = sample(labels.clone())  # it may work in place
    shape = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
    if not isinstance(images, Tensor) or images.ndim != 4 or images.shape[:2] != (len(labels), 3):
        raise ValueError(f"sample must return images ({len(labels)}, 3, S, S) in [-1, 1], not {shape}")
    # through 8 bits, as everything that is judged
    parts = faces.to_uint8(images).split(CHUNK)
    seen = torch.cat([oracle.labels(faces.to_float(part), judged).cpu() for part in parts])
    right = (seen == labels.cpu()[:, [attributes.index(name) for name in judged]]).float().mean(0)
    return dict(zip(judged, right.tolist(), strict=True))
