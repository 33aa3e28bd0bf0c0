"""Checks of images and labels: wrong input is named, with its fix, before it becomes a wrong picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

SLACK = 1e-3  # rounding in half precision may leave [-1, 1] by this much


def check_images(images: Tensor, size: int | None = None, channels: int = 3, name: str = "images") -> Tensor:
    """Checks a batch of pictures and returns it.

    Args:
        images: float (B, channels, S, S) in [-1, 1].
        size: S, if only one will do.
        channels: 3 for photos, 1 for sketches.
        name: what the error calls them.

    Raises:
        TypeError: not a tensor.
        ValueError: wrong type, shape, size or range, or a value that is not finite.
    """
    if not isinstance(images, Tensor):
        raise TypeError(
            f"{name} must be a torch tensor, not {type(images).__name__}: torch.as_tensor(...) makes one"
        )
    if images.dtype == torch.uint8:
        raise ValueError(
            f"{name} are uint8 (0 to 255): turn them into floats in [-1, 1] with faces.to_float({name})"
        )
    if not images.is_floating_point():
        raise ValueError(f"{name} must be floats in [-1, 1], not {images.dtype}")
    if images.ndim == 3:
        raise ValueError(f"{name} must be a batch (B, {channels}, S, S): for one picture write {name}[None]")
    if images.ndim != 4 or images.shape[1] != channels or images.shape[2] != images.shape[3]:
        hint = ": the channels come second, use permute(0, 3, 1, 2)" if images.shape[-1] == channels else ""
        raise ValueError(f"{name} must have shape (B, {channels}, S, S), not {tuple(images.shape)}{hint}")
    if size is not None and images.shape[-1] != size:
        raise ValueError(
            f"{name} are {images.shape[-1]}x{images.shape[-1]}, but {size}x{size} is needed: render or resize them "
            f"at size={size}"
        )
    if not images.numel():
        raise ValueError(f"{name} are an empty batch, shape {tuple(images.shape)}")
    low, high = (float(v) for v in images.detach().aminmax())
    if not (low >= -1 - SLACK and high <= 1 + SLACK):  # also false for NaN
        if low != low or high != high:
            raise ValueError(f"{name} hold values that are not a number (NaN)")
        fix = "divide by 127.5 and subtract 1" if high > 2 else "clamp them: clamp(-1, 1)"
        raise ValueError(f"{name} must lie in [-1, 1], but reach from {low:.3g} to {high:.3g}: {fix}")
    return images


def check_labels(
    labels: Tensor, attributes: Sequence[str], batch: int, name: str = "labels", binary: bool = False
) -> Tensor:
    """Checks a table of labels or targets and returns it.

    Args:
        labels: float (batch, n) in [0, 1], a column for each of the n attributes.
        attributes: their names.
        batch: how many pictures they go with.
        name: what the error calls them ("labels", "target").
        binary: only 0 and 1 will do.

    Raises:
        TypeError: not a tensor.
        ValueError: wrong type, shape or range, or a value that is not finite.
    """
    if not isinstance(labels, Tensor):
        raise TypeError(
            f"{name} must be a torch tensor, not {type(labels).__name__}: torch.as_tensor(...) makes one"
        )
    if not labels.is_floating_point():
        raise ValueError(f"{name} must be floats in [0, 1], not {labels.dtype}: use {name}.float()")
    if labels.shape != (batch, len(attributes)):
        raise ValueError(
            f"{name} must have shape ({batch}, {len(attributes)}), a row per image and a column for each of "
            f"{', '.join(attributes)}; they have {tuple(labels.shape)}"
        )
    wrong = ~((labels >= 0) & (labels <= 1)) if not binary else ~((labels == 0) | (labels == 1))
    if wrong.any():
        row, column = (int(i) for i in wrong.nonzero()[0])
        value = float(labels[row, column])
        fix = (
            "CelebA's -1/1 become 0/1 with (labels > 0).float()"
            if value == -1
            else "clamp(0, 1) keeps them inside"
        )
        raise ValueError(
            f"{name} must be {'0 or 1' if binary else 'in [0, 1]'}, but {attributes[column]} of row {row} is "
            f"{value:.3g}: {fix}"
        )
    return labels
