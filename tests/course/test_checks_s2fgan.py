"""What the S2FGAN checks must let pass: right answers written in another way than the library's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from fedit_lib.course.checks import CheckFailed
from fedit_lib.course.checks import s2fgan as check


def test_a_function_that_saves_its_strength_as_a_tensor_passes() -> None:
    class Reversal(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, strength):  # type: ignore[no-untyped-def]
            ctx.save_for_backward(torch.tensor(strength))
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):  # type: ignore[no-untyped-def]
            (strength,) = ctx.saved_tensors
            return gradient.neg() * strength, None

    check.reversal(Reversal)


def test_a_reversal_without_a_function_passes() -> None:
    class Detour:
        @staticmethod
        def apply(x, strength):  # type: ignore[no-untyped-def]
            return x.detach() * (1 + strength) - strength * x

    check.reversal(Detour)


def test_a_forgotten_half_of_the_function_is_untouched_too() -> None:
    class Half(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, strength):  # type: ignore[no-untyped-def]
            return x.view_as(x)

        @staticmethod
        def backward(ctx, gradient):  # type: ignore[no-untyped-def]
            raise NotImplementedError()

    with pytest.raises(CheckFailed) as caught:
        check.reversal(Half)
    check.reversal.reset()
    assert caught.value.hint == "untouched"


def test_a_loop_over_the_faces_passes() -> None:
    def answer(x, weight, s):  # type: ignore[no-untyped-def]
        made = []
        for face, scales in zip(x, s, strict=True):
            w = torch.einsum("oikl,i->oikl", weight, scales)
            w = w / (torch.einsum("oikl,oikl->o", w, w) + 1e-8).sqrt()[:, None, None, None]
            made.append(F.conv2d(face[None], w, padding=weight.shape[-1] // 2))
        return torch.cat(made)

    check.modulated_conv(answer)


def test_scaling_what_goes_in_and_comes_out_passes() -> None:
    def answer(x, weight, s):  # type: ignore[no-untyped-def]
        y = F.conv2d(x * s[:, :, None, None], weight, padding="same")
        power = s.square() @ weight.square().sum((2, 3)).T
        return y * (power + 1e-8).rsqrt()[:, :, None, None]

    check.modulated_conv(answer)


def test_groups_pass() -> None:
    check.modulated_conv(check._modulated())


def test_other_right_angles_pass() -> None:
    def answer(r, w, u):  # type: ignore[no-untyped-def]
        products = torch.einsum("id,jd->ij", w, w)
        deviation = products - torch.diag(torch.ones(len(w)))
        return [F.mse_loss(F.linear(r, w), u), deviation.abs().sum() / deviation.numel()]

    check.hyperplanes(answer)


def test_a_penalty_picture_by_picture_passes() -> None:
    def answer(critic, images, gamma):  # type: ignore[no-untyped-def]
        parts = []
        for image in images:
            x = image[None].clone().requires_grad_()
            (slope,) = torch.autograd.grad(critic(x), x, torch.ones(1), create_graph=True)
            parts.append(slope.norm() ** 2)
        return gamma * torch.stack(parts).mean() / 2

    check.r1(answer)


def test_another_right_inverse_edit_passes() -> None:
    def answer(mapping, r, a):  # type: ignore[no-untyped-def]
        fixed = r.clone().detach()
        return F.l1_loss(mapping(mapping(fixed, a), a.neg()), fixed)

    check.inverse_edit(answer)


@pytest.mark.parametrize("exercise", [check.modulated_conv, check.hyperplanes, check.inverse_edit, check.r1])
def test_a_right_number_without_a_gradient_is_not_let_pass(exercise) -> None:  # type: ignore[no-untyped-def]
    def blind(*parts):  # type: ignore[no-untyped-def]
        made = exercise.reference(*parts)
        return made.detach() if isinstance(made, torch.Tensor) else tuple(value.detach() for value in made)

    with pytest.raises(CheckFailed) as caught:
        exercise(blind)
    exercise.reset()
    assert caught.value.hint in ("stuck", "graph", "cut")
