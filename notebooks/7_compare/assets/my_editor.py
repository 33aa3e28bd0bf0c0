"""An editor of one's own for the leaderboard, as small as one can be: it pastes an average.

fedit evaluate notebooks/7_compare/assets/my_editor.py:AveragePaste --faces 100
fedit leaderboard --add notebooks/7_compare/assets/my_editor.py:AveragePaste

Copy the file, keep `attributes`, `edit` and `reconstruct`, and put your own model behind them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fedit_lib import faces


class AveragePaste:
    """Adds the difference between the average face with an attribute and the average face without it.

    The averages are of people drawn for training, with attributes independent of each other: among people as in life,
    the difference for a beard would paste half a man.

    people: how many to average. size: of the pictures, in pixels. seed: below 2,000,000, where test people begin.
    """

    name = "AveragePaste"
    attributes = ("Bangs", "Eyeglasses", "Mouth_Slightly_Open", "Smiling")

    def __init__(self, people: int = 1000, size: int = 64, seed: int = 0) -> None:
        self.size = size
        crowd = faces.sample(people, seed=seed, correlated=False)
        images, present = faces.render(crowd, size=size), crowd.labels(self.attributes) > 0.5
        self.difference = torch.stack(  # (n, 3, size, size)
            [images[has].mean(0) - images[~has].mean(0) for has in present.T]
        )

    def edit(self, images: Tensor, labels: Tensor, target: Tensor) -> Tensor:
        """images (B, 3, S, S) in [-1, 1], labels and target (B, n) -> (B, 3, S, S) in [-1, 1]."""
        change = torch.einsum("bn,nchw->bchw", target - labels, self.difference.to(images.device))
        return (images + change).clamp(-1, 1)

    def reconstruct(self, images: Tensor, labels: Tensor) -> Tensor:
        """The faces with the attributes that they have: nothing is pasted."""
        return self.edit(images, labels, labels)

    def parameters_count(self) -> int:
        """How many numbers it learned."""
        return self.difference.numel()
