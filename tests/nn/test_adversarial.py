"""Adversarial losses: values known by hand, in every mode."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fedit_lib.nn import MODES, conv_block, critic_loss, generator_loss, gradient_penalty

REAL, FAKE = torch.tensor([2.0, 4.0]), torch.tensor([0.0, -1.0])


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_critic_loss_by_hand():
    assert critic_loss(REAL, FAKE, "wgan").item() == pytest.approx(-0.5 - 3.0)
    assert critic_loss(REAL, FAKE, "lsgan").item() == pytest.approx((1 + 9) / 2 + (0 + 1) / 2)
    expected = (softplus(-2) + softplus(-4)) / 2 + (softplus(0) + softplus(-1)) / 2
    assert critic_loss(REAL, FAKE, "dcgan").item() == pytest.approx(expected, rel=1e-5)


def test_generator_loss_by_hand():
    assert generator_loss(FAKE, "wgan").item() == pytest.approx(0.5)
    assert generator_loss(FAKE, "lsgan").item() == pytest.approx((1 + 4) / 2)
    assert generator_loss(FAKE, "dcgan").item() == pytest.approx((softplus(0) + softplus(1)) / 2, rel=1e-5)


@pytest.mark.parametrize("mode", MODES)
@given(scores=st.lists(st.floats(-5, 5), min_size=1, max_size=8))
@settings(max_examples=25, deadline=None)
def test_the_players_pull_fake_scores_apart(mode, scores):
    """Near a score of 0 the critic pushes that of a fake down and the generator pulls it up."""
    fake = (torch.tensor(scores) * 0.1).requires_grad_()
    down = torch.autograd.grad(critic_loss(torch.zeros(3), fake, mode) - fake.sum() * 0, fake)[0]
    up = torch.autograd.grad(generator_loss(fake, mode), fake)[0]
    assert (up < 0).all()
    if mode == "lsgan":  # its critic aims at 0, from both sides
        assert (down * fake.detach() >= 0).all()
    else:
        assert (down > 0).all()


@pytest.mark.parametrize("loss", [lambda m: critic_loss(REAL, FAKE, m), lambda m: generator_loss(FAKE, m)])
def test_unknown_mode_lists_the_known(loss):
    with pytest.raises(ValueError, match=r"'hinge'.*wgan, lsgan, dcgan"):
        loss("hinge")


# ------------------------------------------------------------------------------------- gradient penalty


def images(n: int = 6, size: int = 8) -> torch.Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


@given(norm=st.floats(0.0, 5.0))
@settings(max_examples=25, deadline=None)
def test_penalty_of_a_linear_critic(norm):
    """D(x) = <w, x> has slope ||w|| everywhere: penalty (||w|| - 1)^2, which is 0 for a unit slope."""
    w = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(1))
    w = w / w.norm() * norm
    for fake in (images().flip(0), None):
        penalty = gradient_penalty(lambda x: (x * w).sum((1, 2, 3)), images(), fake)
        assert penalty.item() == pytest.approx((norm - 1) ** 2, abs=1e-4)


def test_penalty_of_a_unit_slope_is_zero():
    def critic(x):  # the norm of an image has slope 1 wherever one stands
        return x.flatten(1).norm(dim=1)

    assert gradient_penalty(critic, images(), images().flip(0)).item() == pytest.approx(0, abs=1e-10)


def test_penalty_is_taken_between_real_and_fake():
    """D(x) = ||x||^2 / 2 has slope ||x||, so the penalty shows where x was: between 0 and 1 * ||real||."""
    seen = []

    def critic(x):
        seen.append(x.detach())
        return x.flatten(1).square().sum(1) / 2

    real = images()
    penalty = gradient_penalty(critic, real, torch.zeros_like(real))
    t = seen[0].flatten(1).norm(dim=1) / real.flatten(1).norm(dim=1)
    assert ((t >= 0) & (t <= 1)).all() and t.std() > 0.05  # one t for each image
    assert torch.allclose(seen[0], t[:, None, None, None] * real, atol=1e-5)
    assert penalty.item() == pytest.approx(
        (seen[0].flatten(1).norm(dim=1) - 1).square().mean().item(), rel=1e-5
    )


def test_penalty_averages_the_images_own_slopes():
    """A patch critic: the slope of an image is that of the sum of its scores, whatever the others do."""
    critic = nn.Conv2d(3, 1, 3, bias=False)
    one = gradient_penalty(critic, images()[:1], images()[1:2])
    many = gradient_penalty(critic, images()[:1].expand(5, -1, -1, -1), images()[1:2].expand(5, -1, -1, -1))
    assert many.item() == pytest.approx(one.item(), rel=1e-4)  # linear: the same at every t


def test_penalty_trains_the_critic_towards_unit_slope():
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 1))
    with torch.no_grad():
        critic[1].weight.mul_(10)
    optimiser = torch.optim.SGD(critic.parameters(), lr=0.05)
    first = gradient_penalty(critic, images(), images().flip(0)).item()
    for _ in range(100):
        optimiser.zero_grad()
        gradient_penalty(critic, images(), images().flip(0)).backward()
        optimiser.step()
    assert first > 1
    assert critic[1].weight.norm().item() == pytest.approx(1, abs=1e-2)


def test_penalty_leaves_the_generator_alone():
    fake = images().flip(0).requires_grad_()
    scale = torch.ones((), requires_grad=True)
    gradient_penalty(lambda x: scale * x.sum((1, 2, 3)), images(), fake).backward()
    assert fake.grad is None and scale.grad is not None


def test_penalty_is_the_same_under_autocast():
    """Inside bfloat16 autocast the penalty and its gradient are those of float32, to the last bit."""
    torch.manual_seed(0)
    critic = nn.Sequential(
        conv_block(3, 8, norm="instance"), conv_block(8, 8, norm="instance"), nn.Flatten(), nn.Linear(32, 1)
    )

    def measure(autocast: bool):
        critic.zero_grad()
        generator = torch.Generator().manual_seed(3)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            penalty = gradient_penalty(critic, images(), images().flip(0), generator)
            scores = critic(images())
        penalty.backward()
        return penalty.detach(), critic[0][0].weight.grad.clone(), scores.dtype

    exact, mixed = measure(False), measure(True)
    assert mixed[2] is torch.bfloat16  # the autocast was on for everything else
    assert mixed[0].dtype is torch.float32
    assert torch.equal(exact[0], mixed[0]) and torch.equal(exact[1], mixed[1])


def test_penalty_repeats_with_its_generator():
    critic = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 8), nn.Tanh(), nn.Linear(8, 1))

    def draw(seed):
        return gradient_penalty(
            critic, images(), images().flip(0), torch.Generator().manual_seed(seed)
        ).item()

    assert draw(1) == draw(1) != draw(2)


def test_without_fakes_the_slope_is_asked_beside_the_photos():
    """DRAGAN: between a photo and a copy whose every number is larger by 0 to half a standard deviation."""
    torch.manual_seed(0)
    real, asked = 3 * torch.randn(64, 3, 8, 8), []

    def critic(x):
        asked.append(x.detach())
        return x.sum((1, 2, 3))

    gradient_penalty(critic, real)
    away = (asked[0] - real) / real.std()
    assert away.min() >= -1e-5 and away.max() == pytest.approx(0.5, abs=0.03)
    assert away.mean() == pytest.approx(0.125, abs=0.02)  # half of the way, on average, to half of 0.5
