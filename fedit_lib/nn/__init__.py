"""Layers and losses that no single paper owns: blocks, adversarial losses, the parts of StyleGAN2, feature trunks."""

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
from fedit_lib.nn.style import (
    DownBlock,
    EqualConv,
    EqualLinear,
    ModulatedConv,
    Noise,
    StyleBlock,
    StyleLayer,
    ToRGB,
    blur,
    leaky,
    pixel_norm,
    r1_penalty,
    reverse_gradient,
    upsample,
)
from fedit_lib.nn.trunk import feature_trunk

__all__ = [
    "MODES",
    "DownBlock",
    "EqualConv",
    "EqualLinear",
    "ModulatedConv",
    "Noise",
    "ResidualBlock",
    "StyleBlock",
    "StyleLayer",
    "ToRGB",
    "activation",
    "blur",
    "c7_block",
    "check_size",
    "conv_block",
    "count_parameters",
    "critic_loss",
    "feature_trunk",
    "generator_loss",
    "gradient_penalty",
    "leaky",
    "normalisation",
    "pixel_norm",
    "r1_penalty",
    "residual_block",
    "reverse_gradient",
    "tile_labels",
    "up_block",
    "upsample",
]
