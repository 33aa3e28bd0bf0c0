"""Layers and adversarial losses that two or more of the papers share."""

from __future__ import annotations

from fedit_lib.nn.adversarial import MODES, critic_loss, generator_loss, gradient_penalty
from fedit_lib.nn.layers import (
    ResidualBlock,
    activation,
    c7_block,
    check_size,
    conv_block,
    count_parameters,
    normalisation,
    residual_block,
    tile_labels,
    up_block,
)

__all__ = [
    "MODES",
    "ResidualBlock",
    "activation",
    "c7_block",
    "check_size",
    "conv_block",
    "count_parameters",
    "critic_loss",
    "generator_loss",
    "gradient_penalty",
    "normalisation",
    "residual_block",
    "tile_labels",
    "up_block",
]
