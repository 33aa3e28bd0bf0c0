"""Layers and adversarial losses that two or more of the papers share."""

from __future__ import annotations

from fedit_lib.nn.adversarial import MODES, critic_loss, generator_loss, gradient_penalty
from fedit_lib.nn.layers import (
    activation,
    check_size,
    conv_block,
    count_parameters,
    normalisation,
    tile_labels,
    up_block,
)

__all__ = [
    "MODES",
    "activation",
    "check_size",
    "conv_block",
    "count_parameters",
    "critic_loss",
    "generator_loss",
    "gradient_penalty",
    "normalisation",
    "tile_labels",
    "up_block",
]
