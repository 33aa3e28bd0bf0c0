"""Right answers written another way than the library's pass too: a check asks for the result, not for a style."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from fedit_lib.course.checks import start


def two_at_once(people, first, second):  # type: ignore[no-untyped-def]
    return people.with_attribute(second, 0.9).with_attribute(first, 0.9)


def by_logsigmoid(scores):  # type: ignore[no-untyped-def]
    return -F.logsigmoid(scores).sum() / scores.numel()


def by_ones(critic, x):  # type: ignore[no-untyped-def]
    x = x.clone().requires_grad_(True)
    scores = critic(x)
    slope = torch.autograd.grad(scores, x, torch.ones_like(scores), create_graph=True)[0]
    return ((slope.pow(2).sum(1).sqrt() - 1) ** 2).mean()


def by_loop(images, truth, region):  # type: ignore[no-untyped-def]
    values = []
    for image, right, here in zip(images.double(), truth.double(), region, strict=True):
        values.append(10 * torch.log10(255**2 / ((image - right) ** 2)[:, here].mean()))
    return torch.stack(values)


def leak_by_loop(edited, source, region):  # type: ignore[no-untyped-def]
    pairs = zip(edited.int(), source.int(), region, strict=True)
    return torch.stack([(after - before)[:, ~here].abs().float().mean() for after, before, here in pairs])


def by_counting(seen, truth, column):  # type: ignore[no-untyped-def]
    agree = seen == truth
    return (agree.sum() - agree[:, column].sum()) / (agree.numel() - len(agree))


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        (start.counterfactual, two_at_once),
        (start.generator_loss, by_logsigmoid),
        (start.slope_penalty, by_ones),
        (start.region_psnr, by_loop),
        (start.leakage, leak_by_loop),
        (start.preservation, by_counting),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_another_right_answer_passes(exercise, answer, capsys) -> None:  # type: ignore[no-untyped-def]
    exercise(answer)
    assert capsys.readouterr().out.startswith(f"passed: {exercise.name} (")
