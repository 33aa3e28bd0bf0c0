"""What the Fader checks must let pass: right answers written in another way than the library's."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils import clip_grad_norm_

from fedit_lib.course.checks import CheckFailed
from fedit_lib.course.checks import fader as check


def test_another_right_label_code_passes() -> None:
    def answer(features, y):  # type: ignore[no-untyped-def]
        b, _, height, width = features.shape
        code = torch.empty(b, 2 * y.shape[1])
        code[:, 0::2], code[:, 1::2] = 1 - y, y
        return torch.cat([features, code.view(b, -1, 1, 1).repeat(1, 1, height, width)], dim=1)

    check.label_channels(answer)


def test_another_right_pair_of_losses_passes() -> None:
    def against(logits, y):  # type: ignore[no-untyped-def]
        return (torch.nn.functional.softplus(logits) - y * logits).sum() / len(y)

    def discriminator(x, y, enc, dis):  # type: ignore[no-untyped-def]
        with torch.no_grad():
            z = enc(x)
        return against(dis(z), y)

    check.discriminator_loss(discriminator)
    check.adversarial_term(lambda x, y, enc, dis: against(dis(enc(x)), 1 - y))


def test_another_right_ramp_passes() -> None:
    def answer(step, ramp, highest):  # type: ignore[no-untyped-def]
        return highest if step >= ramp else highest / ramp * step

    check.lambda_at(answer)


def test_torchs_own_clipping_passes() -> None:
    check.clip_gradients(lambda parameters, largest: clip_grad_norm_(parameters, largest))


def test_another_right_round_passes() -> None:
    def answer(x, y, enc, dec, dis, dis_optimiser, ae_optimiser, weight):  # type: ignore[no-untyped-def]
        for network in (enc, dec, dis):
            network.train(network is dis)
        dis.zero_grad()
        with torch.no_grad():
            z = enc(x)
        check._log_loss(dis(z), y).backward()
        dis_optimiser.step()
        for network in (enc, dec, dis):
            network.train(network is not dis)
            network.zero_grad()
        z = enc(x)
        ((dec(z, y) - x).square().mean() + weight * check._log_loss(dis(z), 1 - y)).backward()
        ae_optimiser.step()

    check.play_round(answer)


def test_a_balanced_accuracy_by_loops_passes() -> None:
    def answer(logits, y):  # type: ignore[no-untyped-def]
        found = []
        for column, truth in zip(logits.T, y.T, strict=True):
            shares = [((column > 0) == bool(v))[truth == v].float().mean() for v in (0, 1)]
            found.append(sum(shares) / 2)
        return torch.stack(found)

    check.balanced_accuracy(answer)


@pytest.mark.parametrize("exercise", [check.discriminator_loss, check.adversarial_term])
def test_no_grad_everywhere_is_not_let_pass(exercise) -> None:  # type: ignore[no-untyped-def]
    @torch.no_grad()
    def blind(*parts):  # type: ignore[no-untyped-def]
        return exercise.reference(*parts)

    with pytest.raises(CheckFailed) as caught:
        exercise(blind)
    exercise.reset()
    assert caught.value.hint in ("detached", "stuck")
