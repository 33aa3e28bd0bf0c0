"""The parts of StyleGAN2 (Karras et al., CVPR 2020), in plain PyTorch: no compiled extension, any device.

Every operation here can be differentiated twice, which R1 needs. Sources, as they are cited below:
ProGAN: Karras et al., ICLR 2018. StyleGAN: Karras et al., CVPR 2019. StyleGAN2: Karras et al., CVPR 2020.

The adversarial loss that goes with them, softplus(-D(real)) + softplus(D(fake)) against softplus(-D(fake)), is the
mode "dcgan" of `critic_loss` and `generator_loss`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# ------------------------------------------------------------------------------- equalised learning rates


def leaky(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2 times sqrt(2), which keeps the variance of what comes in (StyleGAN's code)."""
    return F.leaky_relu(x, 0.2) * math.sqrt(2)


def pixel_norm(x: Tensor) -> Tensor:
    """x / sqrt(mean of x^2 over dimension 1), the same shape (ProGAN, section 4.2)."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class EqualLinear(nn.Module):
    """Fully connected: (B, in) -> (B, out), with an equalised learning rate (ProGAN, section 4.1).

    Weights are stored at unit variance and scaled by 1 / sqrt(in) whenever they are used, so that Adam, whose steps
    know no scale, changes every layer at the same pace. lr_mul: all steps of this layer are so much shorter (StyleGAN
    takes 0.01 in its mapping). bias: its first value. act: `leaky` afterwards.
    """

    def __init__(
        self, channels_in: int, channels_out: int, lr_mul: float = 1.0, bias: float = 0.0, act: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels_out, channels_in) / lr_mul)
        self.bias = nn.Parameter(torch.full((channels_out,), bias / lr_mul))
        self.scale, self.lr_mul, self.act = lr_mul / math.sqrt(channels_in), lr_mul, act

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, self.weight * self.scale, self.bias * self.lr_mul)
        return leaky(x) if self.act else x


class EqualConv(nn.Module):
    """Convolution of odd kernel, padded, with an equalised learning rate: (B, in, H, W) -> (B, out, H, W).

    down: blur and stride 2, (B, out, H/2, W/2) (StyleGAN2's discriminator). act: `leaky` afterwards.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int = 3,
        down: bool = False,
        bias: bool = True,
        act: bool = True,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels_out, channels_in, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(channels_out)) if bias else None
        self.scale, self.kernel = 1 / math.sqrt(channels_in * kernel**2), kernel
        self.down, self.act = down, act

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight * self.scale
        if not self.down:
            x = F.conv2d(x, weight, self.bias, padding=self.kernel // 2)
        elif self.kernel == 1:  # only every other pixel is asked for: blur no others
            x = F.conv2d(blur(x, pad=1, stride=2), weight, self.bias)
        else:
            x = F.conv2d(blur(x, pad=self.kernel // 2 + 1), weight, self.bias, stride=2)
        return leaky(x) if self.act else x


# ------------------------------------------------------------------------------------------- resampling


def blur(x: Tensor, pad: int, stride: int = 1, gain: float = 1.0) -> Tensor:
    """Every channel filtered by [1, 3, 3, 1] both ways: (B, C, H, W) -> (B, C, h, w), h = (H + 2 pad - 4) / stride + 1.

    The taps sum to `gain`; outside the picture is zero. Halving or doubling without it aliases (Zhang, ICML 2019).
    """
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], device=x.device, dtype=x.dtype)
    kernel = (taps[:, None] * taps) * (gain / 64)
    channels = x.shape[1]
    return F.conv2d(x, kernel.expand(channels, 1, 4, 4), stride=stride, padding=pad, groups=channels)


def upsample(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, 2H, 2W): zeros between the pixels, then `blur`, as one transposed convolution."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], device=x.device, dtype=x.dtype)
    kernel = (taps[:, None] * taps) / 16
    channels = x.shape[1]
    return F.conv_transpose2d(x, kernel.expand(channels, 1, 4, 4), stride=2, padding=1, groups=channels)


# ------------------------------------------------------------------------------------ the style's decoder


class ModulatedConv(nn.Module):
    """A convolution whose weights the style scales, face by face (StyleGAN2, section 2.2, equations 1 and 3).

        w'_oik  = s_i w_oik                                     s = A(style), one scale an input channel
        w''_oik = w'_oik / sqrt(sum_ik w'_oik^2 + 1e-8)         demodulation, if `demodulate`

    x (B, in, H, W), style (B, d) -> (B, out, H, W); with `up` (B, out, 2H, 2W), blurred. A convolution is linear, so
    scaling its input by s and its output by the root is the same as a kernel a face, and needs no grouped convolution.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        style: int,
        kernel: int = 3,
        demodulate: bool = True,
        up: bool = False,
    ) -> None:
        super().__init__()
        if up and kernel != 3:
            raise ValueError(f"a modulated convolution goes up with kernel 3, not {kernel}")
        self.affine = EqualLinear(style, channels_in, bias=1.0)
        self.weight = nn.Parameter(torch.randn(channels_out, channels_in, kernel, kernel))
        self.scale, self.kernel = 1 / math.sqrt(channels_in * kernel**2), kernel
        self.demodulate, self.up = demodulate, up

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        weight, s = self.weight * self.scale, self.affine(style)
        x = x * s[:, :, None, None].to(x.dtype)
        if self.up:
            x = blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), pad=1, gain=4.0)
        else:
            x = F.conv2d(x, weight, padding=self.kernel // 2)
        if self.demodulate:
            wide = torch.promote_types(s.dtype, torch.float32)  # a sum of squares, also in mixed precision
            power = (s.to(wide).square()[:, None] * weight.to(wide).square().sum((2, 3))).sum(2)  # (B, out)
            x = x * (power + 1e-8).rsqrt()[:, :, None, None].to(x.dtype)
        return x


class Noise(nn.Module):
    """Adds one Gaussian picture to all channels, times a learned strength that starts at 0 (StyleGAN, section 2).

    (B, C, H, W) -> the same shape. In eval mode nothing is added: the mean of what could have been.
    """

    def __init__(self) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        return x + self.strength * torch.randn(len(x), 1, *x.shape[2:], device=x.device, dtype=x.dtype)


class StyleLayer(nn.Module):
    """Modulated convolution 3x3, noise (if `noise`), bias, `leaky`: x (B, in, H, W), style (B, d) -> (B, out, H, W)."""

    def __init__(
        self, channels_in: int, channels_out: int, style: int, up: bool = False, noise: bool = True
    ) -> None:
        super().__init__()
        self.conv = ModulatedConv(channels_in, channels_out, style, up=up)
        self.noise = Noise() if noise else nn.Identity()
        self.bias = nn.Parameter(torch.zeros(channels_out, 1, 1))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        return leaky(self.noise(self.conv(x, style)) + self.bias)


class ToRGB(nn.Module):
    """Modulated convolution 1x1 to three channels, not demodulated, with a bias: (B, in, H, W) -> (B, 3, H, W)."""

    def __init__(self, channels_in: int, style: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(channels_in, 3, style, kernel=1, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(3, 1, 1))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        return self.conv(x, style) + self.bias


class StyleBlock(nn.Module):
    """Twice the size: two style layers, the first going up, and what they add to the picture so far.

    x (B, in, H, W), style (B, d), rgb (B, 3, H, W) -> x (B, out, 2H, 2W), rgb (B, 3, 2H, 2W). The skips are
    StyleGAN2's figure 7b: every size adds its picture to the one below it, enlarged.
    """

    def __init__(self, channels_in: int, channels_out: int, style: int, noise: bool = True) -> None:
        super().__init__()
        self.first = StyleLayer(channels_in, channels_out, style, up=True, noise=noise)
        self.second = StyleLayer(channels_out, channels_out, style, noise=noise)
        self.to_rgb = ToRGB(channels_out, style)

    def forward(self, x: Tensor, style: Tensor, rgb: Tensor) -> tuple[Tensor, Tensor]:
        x = self.second(self.first(x, style), style)
        return x, upsample(rgb) + self.to_rgb(x, style)


class DownBlock(nn.Module):
    """Half the size, residual (StyleGAN2's figure 7c): (B, in, H, W) -> (B, out, H/2, W/2), or (B, out, H, W).

    (conv(conv(x)) + shortcut(x)) / sqrt(2); the root keeps the variance of the sum. down: False keeps the size.
    """

    def __init__(self, channels_in: int, channels_out: int, down: bool = True) -> None:
        super().__init__()
        self.first = EqualConv(channels_in, channels_in)
        self.second = EqualConv(channels_in, channels_out, down=down)
        self.shortcut = EqualConv(channels_in, channels_out, kernel=1, down=down, bias=False, act=False)

    def forward(self, x: Tensor) -> Tensor:
        return (self.second(self.first(x)) + self.shortcut(x)) / math.sqrt(2)


# ------------------------------------------------------------------------- what the losses are built from


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradient, None


def reverse_gradient(x: Tensor, strength: float = 1.0) -> Tensor:
    """x itself on the way forward; the gradient times -strength on the way back (Ganin & Lempitsky, ICML 2015).

    Put it between a network and the discriminator that watches it: what teaches the one to tell then teaches the other
    to hide, in one backward pass.
    """
    return _Reversal.apply(x, strength)


def r1_penalty(critic: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """E[||grad_x D(x)||^2] on real images, without its weight gamma / 2 (Mescheder et al., ICML 2018, equation 9).

    critic: images (B, ...) -> scores, each of its own image only. Returns a scalar. StyleGAN2 (section 3.1) asks for it
    in every 16th step only, 16 times as heavy. Computed in float32 even inside `torch.autocast`.
    """
    with torch.autocast(images.device.type, enabled=False):
        x = images.detach().float().requires_grad_()
        (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
        return slope.square().flatten(1).sum(1).mean()
