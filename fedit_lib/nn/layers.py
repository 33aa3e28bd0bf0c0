"""The few layers from which the papers' networks are built.

Most of them are convolutions with a normalisation and an activation; the papers differ in the names that go into
these functions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

NORMS = ("batch", "instance", "none")
ACTIVATIONS = ("relu", "leaky", "tanh", "sigmoid", "none")


def normalisation(name: str, channels: int) -> nn.Module:
    """A 2-D normalisation by name: "batch", "instance" (with learned scale and shift) or "none".

    Raises ValueError for another name.
    """
    if name == "batch":
        return nn.BatchNorm2d(channels)
    if name == "instance":
        return nn.InstanceNorm2d(channels, affine=True)
    if name == "none":
        return nn.Identity()
    raise ValueError(f"unknown normalisation {name!r}; known: {', '.join(NORMS)}")


def activation(name: str, slope: float = 0.2) -> nn.Module:
    """An activation by name: "relu", "leaky" (with this `slope`), "tanh", "sigmoid" or "none".

    Raises ValueError for another name.
    """
    if name == "relu":
        return nn.ReLU()
    if name == "leaky":
        return nn.LeakyReLU(slope)
    if name == "tanh":
        return nn.Tanh()
    if name == "sigmoid":
        return nn.Sigmoid()
    if name == "none":
        return nn.Identity()
    raise ValueError(f"unknown activation {name!r}; known: {', '.join(ACTIVATIONS)}")


def conv_block(
    channels_in: int,
    channels_out: int,
    *,
    norm: str = "batch",
    act: str = "leaky",
    slope: float = 0.2,
    kernel: int = 4,
    stride: int = 2,
    padding: int = 1,
) -> nn.Sequential:
    """Convolution, normalisation, activation. By default 4x4 with stride 2: (B, C, H, W) -> (B, C', H/2, W/2).

    The convolution has a bias only where no normalisation follows, which would subtract it again.
    """
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, padding, bias=norm == "none")
    return nn.Sequential(conv, normalisation(norm, channels_out), activation(act, slope))


def up_block(
    channels_in: int,
    channels_out: int,
    *,
    norm: str = "batch",
    act: str = "relu",
    kernel: int = 4,
    stride: int = 2,
    padding: int = 1,
) -> nn.Sequential:
    """Transposed convolution, normalisation, activation. By default (B, C, H, W) -> (B, C', 2H, 2W)."""
    conv = nn.ConvTranspose2d(channels_in, channels_out, kernel, stride, padding, bias=norm == "none")
    return nn.Sequential(conv, normalisation(norm, channels_out), activation(act))


def c7_block(
    channels_in: int, channels_out: int, *, norm: str = "instance", act: str = "relu"
) -> nn.Sequential:
    """The "c7s1" of the papers: convolution 7x7, stride 1, normalisation, activation: (B, C, H, W) -> (B, C', H, W)."""
    return conv_block(channels_in, channels_out, norm=norm, act=act, kernel=7, stride=1, padding=3)


class ResidualBlock(nn.Module):
    """The "R" of the papers (He et al. 2016): x + norm(conv(relu(norm(conv(x))))), (B, C, H, W) -> the same shape.

    channels: C. norm: as in `normalisation`. Two convolutions 3x3; no activation after the sum.
    """

    def __init__(self, channels: int, norm: str = "instance") -> None:
        super().__init__()
        same = {"norm": norm, "kernel": 3, "stride": 1, "padding": 1}
        self.body = nn.Sequential(
            conv_block(channels, channels, act="relu", **same),
            conv_block(channels, channels, act="none", **same),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def residual_block(channels: int, norm: str = "instance") -> ResidualBlock:
    """A `ResidualBlock`, named like the other blocks."""
    return ResidualBlock(channels, norm)


def tile_labels(features: Tensor, labels: Tensor) -> Tensor:
    """Append labels (B, n) to features (B, C, H, W) as n constant channels: (B, C + n, H, W)."""
    tiled = labels[:, :, None, None].expand(-1, -1, *features.shape[-2:])
    return torch.cat([features, tiled.to(features.dtype)], dim=1)


def check_size(size: int, halvings: int, smallest: int = 2) -> None:
    """Raise ValueError unless `size` pixels can be halved `halvings` times and leave at least `smallest`.

    The smallest is 2 by default because an instance norm of a single pixel would return zero whatever it sees.
    """
    step = 2**halvings
    if size % step or size < smallest * step:
        raise ValueError(
            f"images of {size} pixels cannot be halved {halvings} times: "
            f"take a multiple of {step} that is at least {smallest * step}, or a smaller depth"
        )


def count_parameters(*networks: nn.Module) -> int:
    """How many numbers are learned in these networks (buffers, such as running means, do not count)."""
    return sum(p.numel() for network in networks for p in network.parameters())
