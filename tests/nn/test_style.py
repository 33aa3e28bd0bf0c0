"""StyleGAN2's parts: against loops, by hand, and differentiated twice."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fedit_lib.nn import (
    DownBlock,
    EqualConv,
    EqualLinear,
    ModulatedConv,
    Noise,
    StyleBlock,
    StyleLayer,
    ToRGB,
    blur,
    critic_loss,
    feature_trunk,
    generator_loss,
    leaky,
    pixel_norm,
    r1_penalty,
    reverse_gradient,
    upsample,
)

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]


# ------------------------------------------------------------------------------- equalised learning rates


@pytest.mark.parametrize("lr_mul", [1.0, 0.01])
def test_equal_linear_is_a_scaled_linear_layer(lr_mul):
    torch.manual_seed(0)
    layer, x = EqualLinear(64, 3, lr_mul=lr_mul, bias=0.5), torch.randn(5, 64)
    assert layer.weight.std().item() == pytest.approx(
        1 / lr_mul, rel=0.15
    )  # stored at unit variance, over lr_mul
    expected = x @ (layer.weight.T * lr_mul / 8) + 0.5
    assert torch.allclose(layer(x), expected, atol=1e-5)
    layer.act = True
    assert torch.allclose(layer(x), F.leaky_relu(expected, 0.2) * 2**0.5, atol=1e-5)


def test_a_step_of_adam_changes_every_width_alike():
    """What the equalised rate is for: the relative change of the *used* weight knows no fan-in."""
    changes = []
    for width in (4, 400):
        torch.manual_seed(0)
        layer = EqualLinear(width, 50)
        adam, before = torch.optim.Adam(layer.parameters(), lr=0.01), layer.weight.detach() * layer.scale
        layer(torch.randn(8, width)).square().sum().backward()
        adam.step()
        changes.append(((layer.weight * layer.scale - before).norm() / before.norm()).item())
    assert changes[0] == pytest.approx(changes[1], rel=0.1)


@pytest.mark.parametrize(
    ("kernel", "down", "side"), [(3, False, 8), (1, False, 8), (3, True, 4), (1, True, 4)]
)
def test_equal_conv_by_torchs_own(kernel, down, side):
    torch.manual_seed(0)
    layer, x = EqualConv(6, 4, kernel, down=down, act=False), torch.randn(2, 6, 8, 8)
    weight = layer.weight / math.sqrt(6 * kernel**2)
    out = layer(x)
    assert out.shape == (2, 4, side, side)
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    if down:  # blur first, then every other pixel
        y = F.pad(x, [kernel // 2 + 1] * 4)
        y = F.conv2d(y, torch.outer(taps, taps).expand(6, 1, 4, 4), groups=6)
        expected = F.conv2d(y, weight)[:, :, ::2, ::2]
    else:
        expected = F.conv2d(x, weight, padding=kernel // 2)
    assert torch.allclose(out, expected, atol=1e-5)
    layer.act = True
    assert torch.allclose(layer(x), leaky(expected), atol=1e-5)


def test_blocks_keep_the_variance():
    torch.manual_seed(0)
    x = torch.randn(8, 32, 16, 16)
    for block in (DownBlock(32, 48), DownBlock(32, 32, down=False)):
        out = block(x)
        assert out.shape == ((8, 48, 8, 8) if block.second.down else x.shape)
        assert 0.3 < out.std() < 1.5


def test_what_a_layer_adds_is_added():
    """Shortcuts and biases: these start at random or at zero, so that a minus in their place would go unseen."""
    torch.manual_seed(0)
    x, style = torch.randn(2, 4, 8, 8), torch.randn(2, 5)
    block, rgb, layer = DownBlock(4, 6), ToRGB(4, 5), StyleLayer(4, 6, 5).eval()
    with torch.no_grad():
        block.second.weight.zero_()
        assert torch.allclose(block(x), block.shortcut(x) / math.sqrt(2))
        before = rgb(x, style)
        rgb.bias.fill_(0.5)
        assert torch.allclose(rgb(x, style), before + 0.5)
        layer.conv.weight.zero_()
        layer.bias.fill_(0.5)
        assert torch.allclose(layer(x, style), leaky(torch.full((2, 6, 8, 8), 0.5)))


# ------------------------------------------------------------------------------------------- resampling


def test_blur_and_upsample_keep_a_flat_picture_inside():
    x = torch.full((1, 2, 8, 8), 0.7)
    assert torch.allclose(blur(x, pad=0), torch.full((1, 2, 5, 5), 0.7))
    up = upsample(x)
    assert up.shape == (1, 2, 16, 16)
    assert torch.allclose(up[:, :, 2:-2, 2:-2], torch.full((1, 2, 12, 12), 0.7))


def test_upsample_is_bilinear_but_for_the_border():
    x = torch.rand(2, 3, 6, 6)
    expected = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    assert torch.allclose(upsample(x)[:, :, 1:-1, 1:-1], expected[:, :, 1:-1, 1:-1], atol=1e-6)


def test_pixel_norm_by_hand():
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    root = math.sqrt(12.5)
    assert torch.allclose(pixel_norm(x), torch.tensor([[3 / root, 4 / root], [0.0, 0.0]]))


# ---------------------------------------------------------------------------------- modulated convolution


def naive(layer: ModulatedConv, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
    """A kernel for every face, built entry by entry as equations 1 and 3 say."""
    outs = []
    for face, row in zip(x, style, strict=True):
        s = layer.affine.weight @ row / math.sqrt(len(row)) + layer.affine.bias
        w = layer.weight * layer.scale
        out_channels, in_channels = w.shape[:2]
        kernel = torch.empty_like(w)
        for o in range(out_channels):
            for i in range(in_channels):
                kernel[o, i] = s[i] * w[o, i]
            if layer.demodulate:
                kernel[o] /= torch.sqrt(kernel[o].square().sum() + 1e-8)
        if layer.up:
            y = F.conv_transpose2d(face[None], kernel.transpose(0, 1), stride=2)
            outs.append(blur(y, pad=1, gain=4.0))
        else:
            outs.append(F.conv2d(face[None], kernel, padding=layer.kernel // 2))
    return torch.cat(outs)


@pytest.mark.parametrize(
    ("kernel", "demodulate", "up"), [(3, True, False), (3, True, True), (3, False, False), (1, False, False)]
)
def test_modulated_convolution_is_a_kernel_a_face(kernel, demodulate, up):
    torch.manual_seed(0)
    layer = ModulatedConv(5, 4, 7, kernel, demodulate, up)
    x, style = torch.randn(3, 5, 6, 6), torch.randn(3, 7)
    out = layer(x, style)
    assert out.shape == (3, 4, 12, 12) if up else (3, 4, 6, 6)
    with torch.no_grad():
        assert torch.allclose(out, naive(layer, x, style), atol=1e-5)
    other = layer(x, style.roll(1, 0))
    assert not torch.allclose(out, other)  # the style matters


@pytest.mark.parametrize("kernel", [1, 3])
def test_without_demodulation_the_scale_keeps_the_variance(kernel):
    torch.manual_seed(0)
    layer = ModulatedConv(64, 64, 3, kernel, demodulate=False)
    with torch.no_grad():
        layer.affine.weight.zero_()  # every style is 1
        out = layer(torch.randn(4, 64, 16, 16), torch.zeros(4, 3))[:, :, 1:-1, 1:-1]
    assert out.std() == pytest.approx(1, abs=0.1)


@given(scale=st.floats(0.01, 100))
@settings(max_examples=15, deadline=None)
def test_demodulation_takes_the_styles_size_out(scale):
    """A style that is everywhere as strong changes nothing: its scales are divided out again."""
    torch.manual_seed(0)
    layer, x = ModulatedConv(6, 4, 3), torch.randn(2, 6, 5, 5)
    with torch.no_grad():
        layer.affine.weight.zero_()
        before = layer(x, torch.zeros(2, 3))
        layer.affine.bias.mul_(scale)
        assert torch.allclose(layer(x, torch.zeros(2, 3)), before, rtol=1e-3, atol=1e-4)


def test_only_kernel_three_goes_up():
    with pytest.raises(ValueError, match="kernel 3, not 1"):
        ModulatedConv(4, 4, 4, kernel=1, up=True)


def test_noise_is_for_training_and_starts_at_nothing():
    torch.manual_seed(0)
    noise, x = Noise(), torch.rand(2, 3, 4, 4)
    assert torch.equal(noise(x), x)
    with torch.no_grad():
        noise.strength.fill_(0.5)
    added = noise(x) - x
    assert added.std() > 0.2 and torch.allclose(
        added[:, 0], added[:, 2], atol=1e-6
    )  # one picture for all channels
    assert torch.equal(noise.eval()(x), x)


def test_a_style_block_doubles_and_adds_to_the_skip():
    torch.manual_seed(0)
    block = StyleBlock(6, 4, 5, noise=False)
    x, style, rgb = torch.randn(2, 6, 4, 4), torch.randn(2, 5), torch.rand(2, 3, 4, 4)
    out, picture = block(x, style, rgb)
    assert out.shape == (2, 4, 8, 8) and picture.shape == (2, 3, 8, 8)
    assert torch.allclose(picture - upsample(rgb), block.to_rgb(out, style), atol=1e-5)
    assert not ToRGB(4, 5).conv.demodulate


# ----------------------------------------------------------------------------------- losses and gradients


@given(strength=st.floats(0, 5), slope=st.floats(-3, 3))
@settings(max_examples=20, deadline=None)
def test_reversal_turns_the_gradient_round_and_nothing_else(strength, slope):
    x = torch.tensor([0.3, -2.0], requires_grad=True)
    out = reverse_gradient(x, strength)
    assert torch.equal(out, x)
    (slope * out).sum().backward()
    assert torch.allclose(x.grad, torch.full((2,), -strength * slope), atol=1e-5)


def test_behind_the_reversal_one_descends_and_the_other_ascends():
    x, w = torch.tensor([2.0], requires_grad=True), torch.tensor([3.0], requires_grad=True)
    (w * reverse_gradient(x)).sum().backward()
    assert w.grad.item() == 2.0 and x.grad.item() == -3.0


def test_r1_of_known_slopes():
    """D(x) = <k, x>^2 / 2 has the gradient <k, x> k: the penalty is <k, x>^2 |k|^2, meaned."""
    k, x = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([[1.0, 1.0, 2.0], [0.0, 3.0, 1.0]])
    expected = ((x @ k).square() * k.square().sum()).mean()
    assert r1_penalty(lambda y: (y @ k).square() / 2, x).item() == pytest.approx(expected.item())


def test_r1_against_autograd_face_by_face():
    torch.manual_seed(0)
    critic = nn.Sequential(DownBlock(3, 4), DownBlock(4, 4), nn.Flatten(), EqualLinear(64, 1))
    images = torch.randn(3, 3, 16, 16)
    by_hand = []
    for image in images:
        one = image[None].clone().requires_grad_()
        (slope,) = torch.autograd.grad(critic(one).sum(), one)
        by_hand.append(slope.square().sum())
    penalty = r1_penalty(critic, images)
    assert penalty.item() == pytest.approx(torch.stack(by_hand).mean().item(), rel=1e-4)
    assert not images.requires_grad
    penalty.backward()  # and it teaches the critic
    assert all(p.grad is not None for name, p in critic.named_parameters() if "weight" in name)


@pytest.mark.parametrize("device", DEVICES)
def test_everything_can_be_differentiated_twice(device):
    torch.manual_seed(0)
    block = StyleBlock(2, 2, 3, noise=False).double().to(device)
    down = DownBlock(2, 2).double().to(device)
    x = torch.randn(1, 2, 4, 4, dtype=torch.double, device=device, requires_grad=True)
    style = torch.randn(1, 3, dtype=torch.double, device=device, requires_grad=True)
    rgb = torch.zeros(1, 3, 4, 4, dtype=torch.double, device=device)

    def both(x, style):
        out, picture = block(x, style, rgb)
        return down(out).sum() + picture.square().sum()

    # fast_mode: one random direction instead of every entry
    assert torch.autograd.gradcheck(both, (x, style), fast_mode=True)
    assert torch.autograd.gradgradcheck(both, (x, style), fast_mode=True, atol=1e-3)


def test_the_non_saturating_loss_is_the_mode_dcgan():
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])
    expected = F.softplus(-real).mean() + F.softplus(fake).mean()
    assert critic_loss(real, fake, "dcgan").item() == pytest.approx(expected.item(), rel=1e-5)
    assert generator_loss(fake, "dcgan").item() == pytest.approx(F.softplus(-fake).mean().item(), rel=1e-5)


@pytest.mark.parametrize("variant", ["a", "b"])
def test_feature_trunks_halve_four_times(variant):
    trunk = feature_trunk(variant, 8).eval()
    assert trunk(torch.zeros(2, 3, 32, 32)).shape == (2, 32 * 2 * 2)
    with pytest.raises(ValueError, match=r"'c'.*a, b"):
        feature_trunk("c", 8)
