"""The bodies of the course's oracles: layers that turn a picture into features.

The oracle judges edits with them (`fedit_lib.evaluation`), and a perceptual loss compares pictures by them.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016); `stride` 2 halves the picture."""

    def __init__(self, inside: int, outside: int, stride: int = 1) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(),
            nn.Conv2d(outside, outside, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outside),
        )
        if stride == 1 and inside == outside:
            self.shortcut: nn.Module = nn.Identity()
        else:
            self.shortcut = nn.Sequential(nn.AvgPool2d(stride), nn.Conv2d(inside, outside, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.shortcut(x) + self.convolutions(x))


def feature_trunk(variant: str, width: int) -> nn.Sequential:
    """(B, 3, S, S) -> (B, 4 width (S / 16)^2). Not pooled away: where a thing is says much about what it is.

    variant: "a", a small residual network with batch normalisation; "b", plain strided convolutions with group
    normalisation. width: channels of the first layer; of "b" a multiple of 8, its number of groups. Raises ValueError
    for another.
    """
    if variant not in ("a", "b"):
        raise ValueError(f"no trunk {variant!r}; known variants: a, b")
    if variant == "a":
        return nn.Sequential(
            nn.Conv2d(3, width, 5, 2, 2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            Residual(width, width),
            Residual(width, 2 * width, 2),
            Residual(2 * width, 4 * width, 2),
            Residual(4 * width, 4 * width, 2),
            nn.Flatten(),
        )
    layers: list[nn.Module] = []
    inside = 3
    for outside in (width, 2 * width, 4 * width, 4 * width):
        layers += [
            nn.Conv2d(inside, outside, 4, 2, 1), nn.GroupNorm(8, outside), nn.SiLU(),
        ]  # fmt: skip
        if inside > 3:
            layers += [nn.Conv2d(outside, outside, 3, 1, 1), nn.GroupNorm(8, outside), nn.SiLU()]
        inside = outside
    return nn.Sequential(*layers, nn.Flatten())
