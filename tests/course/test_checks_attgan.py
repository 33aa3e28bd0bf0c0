"""What the AttGAN checks must let pass: right answers written in another way than the library's."""

from __future__ import annotations

import pytest
import torch

from fedit_lib.course.checks import CheckFailed
from fedit_lib.course.checks import attgan as check


def test_another_right_gradient_penalty_passes() -> None:
    def answer(critic, real, fake):  # type: ignore[no-untyped-def]
        t = torch.rand(len(real), 1, 1, 1)
        x = (t * real + (1 - t) * fake).detach().requires_grad_(True)
        scores = critic(x)
        (slope,) = torch.autograd.grad(scores, x, torch.ones_like(scores), create_graph=True)
        return ((slope.square().sum((1, 2, 3)).sqrt() - 1) ** 2).mean()

    check.gradient_penalty(answer)


def test_another_right_classification_loss_passes() -> None:
    def answer(logits, labels):  # type: ignore[no-untyped-def]
        return (torch.nn.functional.softplus(logits) - labels * logits).mean()

    check.classification_loss(answer)


def test_another_right_slider_target_passes() -> None:
    def answer(labels, names, attribute, strength):  # type: ignore[no-untyped-def]
        columns = []
        for i, name in enumerate(names):
            column = labels[:, i]
            if name == attribute:
                column = torch.full_like(column, strength)
            elif attribute in check.HAIR and name in check.HAIR:
                column = column.minimum(torch.tensor(1 - strength).clamp(0, 1))
            columns.append(column)
        return torch.stack(columns, dim=1)

    check.slider_target(answer)


def test_shuffling_by_a_random_generator_of_ones_own_passes() -> None:
    generator = torch.Generator().manual_seed(0)

    def answer(a):  # type: ignore[no-untyped-def]
        b = a[torch.randperm(len(a), generator=generator)]
        return b, b - 0.5

    check.wanted_attributes(answer)


@pytest.mark.parametrize("exercise", [check.generator_terms, check.style_loss, check.gradient_penalty])
def test_no_grad_everywhere_is_not_let_pass(exercise) -> None:  # type: ignore[no-untyped-def]
    @torch.no_grad()
    def blind(*parts):  # type: ignore[no-untyped-def]
        return exercise.reference(*parts)

    with pytest.raises(CheckFailed) as caught:
        exercise(blind)
    exercise.reset()
    assert caught.value.hint in ("detached", "error")
