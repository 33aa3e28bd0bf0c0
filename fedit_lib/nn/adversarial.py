"""What the critic and the generator of a GAN minimise, in three modes.

| mode    | the critic minimises                  | the generator minimises | source                          |
| ------- | ------------------------------------- | ----------------------- | ------------------------------- |
| "wgan"  | mean D(fake) - mean D(real)           | -mean D(fake)           | Arjovsky et al. 2017            |
| "lsgan" | mean (D(real) - 1)^2 + mean D(fake)^2 | mean (D(fake) - 1)^2    | Mao et al. 2017, without 1/2    |
| "dcgan" | BCE(D(real), 1) + BCE(D(fake), 0)     | BCE(D(fake), 1)         | Goodfellow 2014, not saturating |

Scores are what the critic's last layer gives, without a sigmoid, and of any shape: (B,) or a map of patches.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

MODES = ("wgan", "lsgan", "dcgan")


def _unknown(mode: str) -> ValueError:
    return ValueError(f"unknown adversarial mode {mode!r}; known: {', '.join(MODES)}")


def critic_loss(real: Tensor, fake: Tensor, mode: str = "wgan") -> Tensor:
    """What the critic minimises, given its scores of real and of generated images. Returns a scalar."""
    if mode == "wgan":
        return fake.mean() - real.mean()
    if mode == "lsgan":
        return F.mse_loss(real, torch.ones_like(real)) + F.mse_loss(fake, torch.zeros_like(fake))
    if mode == "dcgan":
        return F.binary_cross_entropy_with_logits(
            real, torch.ones_like(real)
        ) + F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    raise _unknown(mode)


def generator_loss(fake: Tensor, mode: str = "wgan") -> Tensor:
    """What the generator minimises, given the critic's scores of its images. Returns a scalar."""
    if mode == "wgan":
        return -fake.mean()
    if mode == "lsgan":
        return F.mse_loss(fake, torch.ones_like(fake))
    if mode == "dcgan":
        return F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))
    raise _unknown(mode)


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """E[(||grad_x D(x)||_2 - 1)^2], without its weight (Gulrajani et al. 2017, equation 3). Returns a scalar.

    x is drawn between each real image and a fake one: x = real + t (fake - real), t ~ U(0, 1) once an image.
    Without `fake`, between the real image and a noisy copy of it (DRAGAN, Kodali et al. 2017), which suits
    the modes whose critic is not meant to be 1-Lipschitz everywhere.

    critic: gives scores of images (B, ...); each score must depend on its own image only, so a critic with
    batch normalisation will not do. real, fake: (B, ...). generator: source of the random numbers, on the
    images' device; torch's global one by default.

    Computed in float32 even inside `torch.autocast`: the penalty differentiates a norm, and bfloat16 keeps
    only three digits of it.
    """
    with torch.autocast(real.device.type, enabled=False):
        real = real.detach().float()
        if fake is None:
            noise = torch.rand(real.shape, generator=generator, device=real.device)
            fake = real + 0.5 * real.std() * noise
        t = torch.rand(len(real), *[1] * (real.dim() - 1), generator=generator, device=real.device)
        x = (real + t * (fake.detach().float() - real)).requires_grad_()
        # The sum over the batch gives every image its own gradient, as no score depends on another image.
        # create_graph: the penalty is itself differentiated, with respect to the critic's parameters.
        (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
        return (slope.flatten(1).norm(dim=1) - 1).square().mean()
