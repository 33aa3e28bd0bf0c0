"""What the SaGAN checks must let pass: right answers written in another way than the library's."""

from __future__ import annotations

import pytest
import torch

from fedit_lib.course.checks import CheckFailed
from fedit_lib.course.checks import sagan as check


def test_another_right_blend_passes() -> None:
    check.compose(lambda images, content, mask: torch.lerp(images, content, mask.expand_as(images)))


def test_another_right_pair_of_reconstructions_passes() -> None:
    def answer(images, own, wanted, generator):  # type: ignore[no-untyped-def]
        twice = generator(torch.cat([images, images]), torch.cat([wanted, own]))
        edited, same = twice.chunk(2)
        cycle = (generator(edited, own) - images).abs().flatten(1).mean(1).mean()
        return 20 * cycle + 100 * (same - images).abs().mean()

    check.reconstruction(answer)


def test_another_right_patch_penalty_passes() -> None:
    def answer(critic, real, fake):  # type: ignore[no-untyped-def]
        t = torch.rand(len(real)).view(-1, 1, 1, 1)
        x = ((1 - t) * real + t * fake).requires_grad_()
        patches = critic(x)
        share = torch.full_like(patches, 1 / patches[0].numel())
        (slope,) = torch.autograd.grad(patches, x, grad_outputs=share, create_graph=True)
        return ((slope.square().sum((1, 2, 3)).sqrt() - 1) ** 2).mean()

    check.patch_penalty(answer)


def test_autograd_may_find_what_the_mask_lets_through() -> None:
    def answer(gradient, images, content, mask):  # type: ignore[no-untyped-def]
        content, mask = content.clone().requires_grad_(), mask.clone().requires_grad_()
        made = content * mask + images * (1 - mask)
        return torch.autograd.grad(made, (content, mask), gradient)

    check.through_mask(answer)


def test_the_price_as_a_mean_over_the_channels_passes() -> None:
    def answer(images, content, weight):  # type: ignore[no-untyped-def]
        faces, _, height, width = images.shape
        return weight * (images - content).abs().mean(1, keepdim=True) / (faces * height * width)

    check.price_of_opening(answer)


def test_models_asked_face_by_face_pass() -> None:
    def answer(images, labels, target, models):  # type: ignore[no-untyped-def]
        edited, masks = [], []
        for face, own, wanted in zip(images, labels, target, strict=True):
            x, union = face[None], torch.zeros(1, 1, *face.shape[1:])
            for j, model in enumerate(models):
                if own[j] != wanted[j]:
                    x, mask = model(x, wanted[None, j : j + 1])
                    union = torch.maximum(union, mask)
            edited.append(x)
            masks.append(union)
        return torch.cat(edited), torch.cat(masks)

    check.in_turn(answer)


def test_other_counts_of_the_same_overlap_pass() -> None:
    def answer(mask, region, threshold=0.1):  # type: ignore[no-untyped-def]
        found = (mask > threshold).double()
        both = (found * region).sum()
        return both / (found.sum() + region.sum() - both)

    check.overlap(answer)


def test_average_precision_by_a_loop_passes() -> None:
    def answer(mask, region):  # type: ignore[no-untyped-def]
        precisions = []
        for value in mask[region]:
            found = mask >= value
            precisions.append((found & region).sum() / found.sum())
        return torch.stack(precisions).mean()

    check.average_precision(answer)


@pytest.mark.parametrize("exercise", [check.compose, check.reconstruction, check.patch_penalty])
def test_no_grad_everywhere_is_not_let_pass(exercise) -> None:  # type: ignore[no-untyped-def]
    def blind(*parts):  # type: ignore[no-untyped-def]
        return exercise.reference(*parts).detach()

    with pytest.raises(CheckFailed) as caught:
        exercise(blind)
    exercise.reset()
    assert caught.value.hint in ("cut", "graph")
