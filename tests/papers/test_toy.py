"""The toy games: points in a plane and faces from noise, and the pictures of their training."""

from __future__ import annotations

import pytest
import torch

from fedit_lib.nn import gradient_penalty
from fedit_lib.papers import toy
from fedit_lib.training import fit


def test_points_count_what_is_found() -> None:
    points = toy.Points(modes=8, radius=2.0, spread=0.1)
    real = points.draw(800, torch.Generator().manual_seed(0)).images
    assert points.found(real) == 8
    assert points.found(points.centres[:1].repeat(800, 1)) == 1
    assert points.found(torch.zeros(800, 2)) == 0
    assert torch.allclose(points.centres.norm(dim=1), torch.full((8,), 2.0))


def test_the_generator_moves_towards_the_data_and_the_film_sees_it() -> None:
    torch.manual_seed(0)
    points, game = toy.Points(), toy.PlaneGAN(width=32, gp=1.0, lr=2e-3)
    film = toy.Film(points, n=200)
    film(game, 0)
    history = fit(
        game, points, steps=120, batch_size=64, flip=False, progress=False, device="cpu", validate=film
    )
    radius = [frame[1].norm(dim=1).mean() for frame in (film.frames[0], film.frames[-1])]
    assert radius[0] < 0.5 and 1.0 < radius[1] < 3.0
    assert "valid/found" in history.terms
    assert film.show(2, "title").width > 200


def test_without_a_penalty_there_is_no_such_term() -> None:
    batch = toy.Points().draw(8, torch.Generator().manual_seed(0))
    assert set(toy.PlaneGAN().critic_loss(batch)) == {"adv", "gp"}
    assert set(toy.PlaneGAN(gp=0).critic_loss(batch)) == {"adv"}


def test_the_critic_teaches_the_generator_and_not_the_reverse() -> None:
    game, batch = toy.PlaneGAN(width=8), toy.Points().draw(8, torch.Generator().manual_seed(0))
    sum(game.critic_loss(batch).values()).backward()
    assert all(p.grad is None for p in game.generator.parameters())
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in game.critic.parameters())


def test_faces_have_their_size_and_scores_their_own_image() -> None:
    game = toy.build("smoke")
    images = game.sample(4)
    assert images.shape == (4, 3, 32, 32) and images.abs().max() <= 1
    assert torch.equal(images, game.sample(4)) and not torch.equal(images, game.sample(4, seed=1))
    scores = game.critic(images)
    assert scores.shape == (4,)
    assert torch.allclose(scores[:1], game.critic(images[:1]), atol=1e-5), "a score depends on another image"
    assert gradient_penalty(game.critic, images).isfinite()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: toy.build("huge"), "known: smoke, laptop"),
        (lambda: toy.PlaneGAN(mode="magic"), "known: wgan"),
        (lambda: toy.PlaneGAN(critic_moves=0), "at least 1"),
        (lambda: toy.FaceGAN(size=48), "power of two"),
        (lambda: toy.FaceGAN(size=4), "size is 4; .* at least 8"),
        (lambda: toy.FaceGAN(size=0), "size is 0; .* at least 8"),
        (lambda: toy.FaceGAN(width=0), "width is 0; it must be 1 or more"),
        (lambda: toy.PlaneGAN(gp=-1.0), "gp is -1.0; it must be 0 or more"),
    ],
)
def test_bad_arguments_are_named(make, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=words):
        make()
