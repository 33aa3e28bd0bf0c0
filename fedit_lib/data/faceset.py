"""One batch format, whatever the pictures come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Batch(NamedTuple):
    """What every loss receives.

    images: float (B, 3, S, S) in [-1, 1].
    labels: float (B, n), 0 or 1, one column per attribute of the `FaceSet`.
    """

    images: Tensor
    labels: Tensor


def _names(attributes: Sequence[str]) -> tuple[str, ...]:
    """As a tuple; one name alone means that one, and not its letters."""
    return (attributes,) if isinstance(attributes, str) else tuple(attributes)


class FaceSet:
    """Pictures with attribute labels, kept as uint8 on one device.

    Args:
        images: uint8 (N, 3, S, S), 0 to 255; may be backed by a memory-mapped file.
        labels: (N, n), 0 or 1; stored as float.
        attributes: the n names, in the order of the columns.
        name: where the pictures come from; shown to people, and compared when a training is resumed.

    Raises:
        ValueError: shapes, types or values that do not fit together.
    """

    def __init__(
        self, images: Tensor, labels: Tensor, attributes: Sequence[str], name: str = "faces"
    ) -> None:
        for what, given in (("images", images), ("labels", labels)):
            if not isinstance(given, Tensor):
                raise ValueError(
                    f"{what} must be a torch tensor, not {type(given).__name__}: use torch.as_tensor"
                )
        if images.dtype != torch.uint8:
            raise ValueError(
                f"images must be uint8 (0 to 255), not {images.dtype}: use faces.to_uint8(images)"
            )
        if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
            raise ValueError(f"images must have shape (N, 3, S, S), not {tuple(images.shape)}")
        attributes = _names(attributes)
        if labels.shape != (len(images), len(attributes)):
            raise ValueError(
                f"labels must have shape ({len(images)}, {len(attributes)}): a row per image, a column per attribute; "
                f"they have {tuple(labels.shape)}"
            )
        if len(set(attributes)) != len(attributes):
            raise ValueError(f"an attribute is listed twice: {', '.join(attributes)}")
        labels = labels.float()
        if not ((labels == 0) | (labels == 1)).all():
            raise ValueError("labels must be 0 or 1; turn CelebA's -1/1 into 0/1 with (labels > 0).float()")
        self.images, self.labels, self.attributes, self.name = (
            images,
            labels.to(images.device),
            attributes,
            name,
        )
        self.people: Any = None  # the face world's descriptions, where the pictures come from it
        self.report: Any = None  # what a folder's reader skipped and why

    @property
    def size(self) -> int:
        return self.images.shape[-1]

    @property
    def device(self) -> torch.device:
        return self.images.device

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"FaceSet({self.name}: {len(self)} faces of {self.size}x{self.size}, {len(self.attributes)} attributes)"

    def _like(self, images: Tensor, labels: Tensor, attributes: Sequence[str], people: Any) -> FaceSet:
        other = FaceSet(images, labels, attributes, self.name)
        other.people, other.report = people, self.report
        return other

    def __getitem__(self, index: slice | Tensor) -> FaceSet:
        """Some of the faces, as another `FaceSet`: ``faces[:100]`` or ``faces[torch.tensor([3, 5])]``."""
        if isinstance(index, int):
            raise TypeError("a FaceSet is sliced, not indexed: faces[3:4], or faces.batch([3]) for a picture")
        if isinstance(index, Tensor):
            index = index.to(self.device)
        people = None if self.people is None else self.people[index]
        return self._like(self.images[index], self.labels[index], self.attributes, people)

    def batch(self, index: slice | Tensor | Sequence[int], flip: bool | Tensor = False) -> Batch:
        """The faces at ``index`` as a `Batch` on this set's device; ``flip`` mirrors all, or a bool (B,) some."""
        if not isinstance(index, slice):
            index = torch.as_tensor(index, device=self.device)
        images = self.images[index].float().div_(127.5).sub_(1)
        if isinstance(flip, Tensor):
            if flip.shape != (len(images),):
                raise ValueError(
                    f"flip must have shape ({len(images)},), one a picture, not {tuple(flip.shape)}"
                )
            images = torch.where(flip.to(self.device)[:, None, None, None], images.flip(-1), images)
        elif flip:
            images = images.flip(-1)
        return Batch(images, self.labels[index])

    def draw(self, batch_size: int, generator: torch.Generator, flip: bool = True) -> Batch:
        """A random `Batch`, with replacement; every picture is mirrored with probability 1/2 if ``flip``.

        ``generator`` lives on the CPU even if the faces do not, so that a checkpoint can hold its state.
        """
        if not len(self):
            raise ValueError(f"{self.name} has no faces to draw from")
        index = torch.randint(len(self), (batch_size,), generator=generator)
        mirrored = torch.rand(batch_size, generator=generator) < 0.5
        return self.batch(index, mirrored if flip else False)

    def subset(self, attributes: Sequence[str]) -> FaceSet:
        """The same faces with only these attributes, in this order.

        Raises:
            ValueError: a name this set has no labels for.
        """
        attributes = _names(attributes)
        unknown = [name for name in attributes if name not in self.attributes]
        if unknown:
            raise ValueError(
                f"{self.name} has no labels for {', '.join(map(repr, unknown))}; it has {', '.join(self.attributes)}"
            )
        columns = [self.attributes.index(name) for name in attributes]
        return self._like(self.images, self.labels[:, columns], attributes, self.people)

    def to(self, device: str | torch.device) -> FaceSet:
        """This set on another device (itself, if it is there already)."""
        device = torch.device(device)
        if device == self.device or (device.type == self.device.type and device.index is None):
            return self
        people = None if self.people is None else self.people.to(device)
        return self._like(self.images.to(device), self.labels.to(device), self.attributes, people)

    def label_frequency(self) -> dict[str, float]:
        """How often each attribute is present, from 0 to 1."""
        if not len(self):
            return dict.fromkeys(self.attributes, float("nan"))
        return dict(zip(self.attributes, self.labels.mean(0).tolist(), strict=True))
