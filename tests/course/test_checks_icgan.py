"""What the IcGAN checks must let pass: right answers written in another way than the library's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from fedit_lib.course.checks import CheckFailed
from fedit_lib.course.checks import icgan as check


def test_another_right_condition_passes() -> None:
    def answer(maps, y):  # type: ignore[no-untyped-def]
        planes = torch.ones_like(maps[:, :1]) * y[:, :, None, None]
        return torch.cat((maps, planes), dim=1)

    check.condition(answer)


def test_another_right_discriminator_loss_passes() -> None:
    def answer(real, wrong, fake):  # type: ignore[no-untyped-def]
        false = torch.cat([wrong, fake])
        return -F.logsigmoid(real).mean() - F.logsigmoid(-false).mean()

    check.discriminator_loss(answer)


def test_encoder_losses_may_detach_the_pictures_instead() -> None:
    def answer(x, y, z, y_asked, generator, e_z, e_y):  # type: ignore[no-untyped-def]
        generated = generator(z, y_asked).detach()
        return ((z - e_z(generated)) ** 2).mean(), (y - e_y(x)).square().mean()

    check.encoder_losses(answer)


def test_encoder_losses_may_switch_the_generator_off() -> None:
    def answer(x, y, z, y_asked, generator, e_z, e_y):  # type: ignore[no-untyped-def]
        generator.requires_grad_(False)
        return F.mse_loss(e_z(generator(z, y_asked)), z), F.mse_loss(e_y(x), y)

    check.encoder_losses(answer)


def test_another_right_edit_passes() -> None:
    def answer(x, labels, column, strength, e_z, generator):  # type: ignore[no-untyped-def]
        y = 2 * labels - 1
        y[:, column] = 2 * strength - 1
        return generator(e_z(x), y)

    check.edit(answer)


def test_another_right_interpolation_passes() -> None:
    check.interpolate(lambda a, b, k: torch.lerp(a, b, torch.linspace(0, 1, k)[:, None]))


def test_a_swap_may_come_back_as_one_stack() -> None:
    check.swap(lambda a, b, z, y, g: torch.stack([g(z(a), y(b)), g(z(b), y(a))]))


def test_a_search_that_keeps_the_best_of_its_codes_passes() -> None:
    def answer(x, y, z, generator, steps=200, lr=0.1):  # type: ignore[no-untyped-def]
        z = z.clone().requires_grad_()
        optimiser, tried = torch.optim.Adam([z], lr), []
        for step in range(steps + 1):
            loss = (generator(z, y) - x).square().mean()
            tried.append((loss.item(), z.detach().clone()))
            if step < steps:
                (z.grad,) = torch.autograd.grad(loss, z)
                optimiser.step()
        return min(tried, key=lambda pair: pair[0])[1]

    check.refine(answer)


def test_a_search_that_freezes_the_generator_passes() -> None:
    def answer(x, y, z, generator, steps=200, lr=0.1):  # type: ignore[no-untyped-def]
        generator.requires_grad_(False)
        z = z.clone().requires_grad_()
        optimiser = torch.optim.Adam([z], lr)
        for _ in range(steps):
            optimiser.zero_grad()
            (generator(z, y) - x).square().mean().backward()
            optimiser.step()
        return z.detach()

    check.refine(answer)


def test_no_grad_everywhere_is_not_let_pass() -> None:
    @torch.no_grad()
    def blind(*parts):  # type: ignore[no-untyped-def]
        return check.encoder_losses.reference(*parts)

    with pytest.raises(CheckFailed) as caught:
        check.encoder_losses(blind)
    check.encoder_losses.reset()
    assert caught.value.hint == "detached"
