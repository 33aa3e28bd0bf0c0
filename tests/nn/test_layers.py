"""Shared layers: shapes, names, labels over space."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fedit_lib.nn import (
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


def test_blocks_halve_and_double():
    x = torch.rand(2, 3, 16, 16)
    assert conv_block(3, 8)(x).shape == (2, 8, 8, 8)
    assert up_block(3, 5)(x).shape == (2, 5, 32, 32)
    assert conv_block(3, 8, kernel=7, stride=1, padding=3)(x).shape == (2, 8, 16, 16)


def test_a_bias_only_where_no_norm_follows():
    assert conv_block(3, 8, norm="instance")[0].bias is None
    assert conv_block(3, 8, norm="none")[0].bias is not None
    assert count_parameters(up_block(3, 8, norm="none"), nn.Linear(2, 1)) == 3 * 8 * 16 + 8 + 3


def test_c7_keeps_the_size():
    block = c7_block(4, 6, norm="none", act="tanh")
    out = block(torch.randn(2, 4, 10, 12) * 9)
    assert out.shape == (2, 6, 10, 12) and out.abs().max() <= 1
    assert count_parameters(block) == 4 * 6 * 49 + 6


def test_a_residual_block_adds_to_what_it_got():
    block, x = residual_block(6), torch.randn(2, 6, 8, 8)
    assert (
        count_parameters(block) == 2 * (6 * 6 * 9) + 2 * 2 * 6
    )  # two convolutions, scale and shift of two norms
    change = block(x) - x
    assert torch.allclose(change, block.body(x), atol=1e-6) and change.min() < 0 < change.max()
    with torch.no_grad():
        block.body[1][1].weight.zero_()
    assert torch.equal(block(x), x)  # with nothing to add it is the identity


def test_norms_do_what_their_names_say():
    x = torch.randn(4, 3, 8, 8) * torch.tensor([1.0, 5.0, 9.0, 2.0])[:, None, None, None] + 3
    by_image = normalisation("instance", 3)(x)
    assert torch.allclose(by_image.mean((2, 3)), torch.zeros(4, 3), atol=1e-5)
    assert torch.allclose(by_image.std((2, 3), correction=0), torch.ones(4, 3), atol=1e-3)
    by_batch = normalisation("batch", 3)(x)
    assert torch.allclose(by_batch.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert by_batch[0].std() < by_batch[2].std() / 3  # a batch norm keeps what sets images apart
    assert torch.equal(normalisation("none", 3)(x), x)
    assert activation("leaky", 0.1)(torch.tensor(-2.0)).item() == pytest.approx(-0.2)


@pytest.mark.parametrize(("function", "known"), [(normalisation, "instance"), (activation, "leaky")])
def test_unknown_names_list_the_known(function, known):
    with pytest.raises(ValueError, match=f"'swish'.*{known}"):
        function("swish", 3)


def test_labels_become_constant_channels():
    features, labels = torch.rand(2, 4, 3, 5), torch.tensor([[1.0, -0.5], [0.0, 2.0]])
    out = tile_labels(features, labels)
    assert out.shape == (2, 6, 3, 5)
    assert torch.equal(out[:, :4], features)
    assert (out[0, 5] == -0.5).all() and (out[1, 5] == 2).all()


def test_sizes():
    for size, halvings in ((128, 5), (64, 4), (96, 4), (384, 6)):
        check_size(size, halvings)
    for size, halvings in ((100, 5), (32, 5), (65, 1), (0, 2), (-64, 2)):
        with pytest.raises(ValueError, match=f"multiple of {2**halvings}"):
            check_size(size, halvings)
