"""What the AGGAN checks must let pass: right answers written in another way than the library's."""

from __future__ import annotations

import random

import pytest
import torch
import torch.nn.functional as F

from fedit_lib.course.checks import CheckFailed
from fedit_lib.course.checks import aggan as check
from fedit_lib.papers import aggan


def test_another_right_paste_passes() -> None:
    check.compose(lambda x, mask, content: x + mask * (content - x))
    check.compose(lambda x, mask, content: torch.lerp(x, content, mask.expand_as(x)))


def test_another_right_cycle_passes() -> None:
    def answer(x, y, to_y, to_x):  # type: ignore[no-untyped-def]
        pairs = [(x, to_y, to_x), (y, to_x, to_y)]
        cycle = sum(F.l1_loss(back(there(image)), image) for image, there, back in pairs)
        return [cycle, sum(F.l1_loss(there(image), image) for image, there, _ in pairs)]

    check.cycle_and_pixel(answer)


def test_the_librarys_terms_pass() -> None:
    def answer(x, y, to_y, to_x):  # type: ignore[no-untyped-def]
        made_y, made_x = to_y(x), to_x(y)
        cycle = aggan.cycle_loss(x, to_x(made_y)) + aggan.cycle_loss(y, to_y(made_x))
        return cycle, aggan.pixel_loss(x, made_y) + aggan.pixel_loss(y, made_x)

    check.cycle_and_pixel(answer)


def test_another_right_total_variation_passes() -> None:
    def answer(mask):  # type: ignore[no-untyped-def]
        return sum(mask.diff(dim=d).abs().sum() for d in (-1, -2)) / mask.shape[0]

    check.total_variation(answer)


def test_a_weight_found_by_counting_passes() -> None:
    def answer(weight, size):  # type: ignore[no-untyped-def]
        mask = torch.zeros(1, 1, size, size)
        return weight * sum(mask.diff(dim=d).numel() for d in (-1, -2))

    check.mean_weight(answer)


def test_another_right_pool_with_another_coin_passes() -> None:
    class Pool:
        def __init__(self, capacity: int) -> None:
            self.capacity, self.stored, self.coin = capacity, [], random.Random(0)

        def swap(self, images):  # type: ignore[no-untyped-def]
            out = images.detach().clone()
            for i in range(len(out)):
                if len(self.stored) < self.capacity:
                    self.stored.append(out[i].clone())
                elif self.stored and self.coin.random() > 0.5:
                    place = self.coin.randrange(self.capacity)
                    old, self.stored[place] = self.stored[place], out[i].clone()
                    out[i] = old
            return out

    check.pool(Pool)


def test_another_right_balance_passes() -> None:
    def answer(a, b, tv, cycle, pixel, r):  # type: ignore[no-untyped-def]
        weights = torch.tensor([(1 - r) / 2, (1 - r) / 2, 1 - r, 10 * r, r])
        return (torch.stack([torch.as_tensor(v) for v in (a, b, tv, cycle, pixel)]) * weights).sum()

    check.objective(answer)


@pytest.mark.parametrize("exercise", [check.compose, check.cycle_and_pixel, check.guided_pairs])
def test_no_grad_everywhere_is_not_let_pass(exercise) -> None:  # type: ignore[no-untyped-def]
    @torch.no_grad()
    def blind(*parts):  # type: ignore[no-untyped-def]
        return exercise.reference(*parts)

    with pytest.raises(CheckFailed) as caught:
        exercise(blind)
    exercise.reset()
    assert caught.value.hint == "stuck"
