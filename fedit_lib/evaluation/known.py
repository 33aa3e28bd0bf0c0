"""Recognise people of the face world in their pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from .. import faces
from ..data.checks import check_images


class KnownPeople:
    """Some people, to be found again by the bytes of their pictures, drawn at `size` pixels.

    who: what an error calls the one who should know them.
    """

    def __init__(self, people: faces.People, size: int, who: str = "KnownPeople", chunk: int = 250) -> None:
        self.people, self.size, self.who = people, size, who
        self._number: dict[bytes, int] = {}
        for start in range(0, len(people), chunk):
            images = faces.render_uint8(people[start : start + chunk], size=size).cpu()
            for i, image in enumerate(images):
                self._number[image.numpy().tobytes()] = start + i

    def find(self, images: Tensor) -> Tensor:
        """The people's numbers, int (B,), for their pictures (B, 3, size, size) in [-1, 1].

        Raises ValueError for another shape or range, or if a picture shows nobody among them.
        """
        check_images(images, self.size)
        numbers = [self._number.get(image.numpy().tobytes(), -1) for image in faces.to_uint8(images.cpu())]
        if -1 in numbers:
            raise ValueError(
                f"{self.who} does not know the person in picture {numbers.index(-1)}: it edits only the "
                f"{len(self.people)} people it was made with, drawn at {self.size} pixels"
            )
        return torch.tensor(numbers)
