"""The digits of the first cGAN: real, in the right range, and read rightly."""

from __future__ import annotations

import torch

from fedit_lib.course.digits import DigitReader, Digits, digits_game, draw_digits, train_digits


def test_what_they_are():
    digits = Digits()
    assert digits.images.shape == (1797, 1, 16, 16) and len(digits) == 1797
    assert digits.images.min() == -1 and 0.9 < digits.images.max() <= 1
    assert torch.equal(digits.labels.argmax(1), digits.numbers) and (digits.labels.sum(1) == 1).all()
    batch = digits.draw(5, torch.Generator().manual_seed(0), flip=True)  # flip must do nothing
    for image, label in zip(*batch, strict=True):
        found = (digits.images == image).flatten(1).all(1).nonzero()[0, 0]
        assert digits.numbers[found] == label.argmax()


def test_the_reader_has_not_only_learned_by_heart():
    digits = Digits()
    shifted = digits.images[:300].roll(1, dims=-1)  # nobody has seen these
    assert (DigitReader(digits)(shifted) == digits.numbers[:300]).float().mean() > 0.9


def test_a_digit_can_be_drawn_after_a_short_training():
    game, history = train_digits(steps=4, batch_size=8, progress=False, log_every=2)
    assert game.ema is None and history.steps == [2, 4]
    numbers = torch.arange(10)
    images = draw_digits(game.generator, numbers, seed=1)
    assert images.shape == (10, 1, 16, 16) and torch.equal(
        images, draw_digits(game.generator, numbers, seed=1)
    )
    assert not digits_game(wrong_y=False).wrong_y


def test_another_device_is_respected():
    """The meta device, which every machine has, stands for a GPU."""
    digits = Digits()
    moved = digits.to("meta")
    assert moved.images.is_meta and moved.labels.is_meta and moved.numbers.is_meta
    assert not digits.images.is_meta and len(moved) == len(digits), "the caller's set stays where it is"
    generator = digits_game().generator.to("meta")
    images = draw_digits(generator, torch.arange(3))
    assert images.is_meta and images.shape == (3, 1, 16, 16)
