"""Checks for the exercises of the Fader Networks series (Lample et al. 2017)."""

from __future__ import annotations

import math
from itertools import takewhile

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fedit_lib.course.checks import Exercise, Miss, close, expect, expect_close, expect_shape
from fedit_lib.nn import tile_labels
from fedit_lib.papers import fader

# --------------------------------------------------------------------- 1. labels as 2n constant channels

FEATURES = torch.linspace(-1, 1, 2 * 3 * 4 * 5).view(2, 3, 4, 5)
STRENGTHS = torch.tensor([[0.0, 1.0], [1.0, 0.25]])


def _label_channels(features: Tensor, y: Tensor) -> Tensor:
    return tile_labels(features, fader.attribute_code(y))


label_channels = Exercise(
    "fader",
    "label_channels",
    reference=_label_channels,
    hints={
        "shape": (
            "Count the channels that come back: those of the features, and two for each attribute.",
            "(B, n) labels become (B, 2n) numbers, and each number a whole map of H x W equal pixels.",
            "code[:, :, None, None].expand(-1, -1, H, W), then torch.cat([features, code], dim=1).",
        ),
        "half": (
            "There is one channel an attribute. The paper has two.",
            "An attribute is written as a pair: how absent it is, and how present it is.",
            "torch.stack([1 - y, y], dim=2).flatten(1) has 2n columns.",
        ),
        "features": (
            "What became of the features? They stand first, and unchanged.",
            "Append the labels behind the features, along the channels.",
            "torch.cat([features, labels], dim=1): features first.",
        ),
        "strength": (
            "Try a label of 0.25: a slider stands there.",
            "A one-hot code knows only 0 and 1. The pair (1 - y, y) knows everything between, and beyond.",
            "torch.stack([1 - y, y], dim=2), without rounding, .long() or one_hot.",
        ),
        "order": (
            "All the numbers are there, in another order than the rest of this course has them.",
            "Attribute by attribute: absent and present of the first, then absent and present of the second.",
            "torch.stack([1 - y, y], dim=2).flatten(1), which is not torch.cat([1 - y, y], dim=1).",
        ),
        "value": (
            "The label channels have other values than expected.",
            "For an attribute of strength y the pair is 1 - y and y: (1, 0) is absent, (0, 1) is present.",
            "torch.stack([1 - y, y], dim=2).flatten(1)",
        ),
    },
)


@label_channels.step("two channels an attribute are appended")
def _label_shape(answer) -> None:  # type: ignore[no-untyped-def]
    result = answer(FEATURES, STRENGTHS)
    if isinstance(result, Tensor) and result.shape == (2, 5, 4, 5):
        raise Miss("half", "5 channels: 3 of the features, 2 for 2 attributes")
    expect_shape(result, (2, 7, 4, 5), "shape")


@label_channels.step("the features stand first, unchanged")
def _label_features(answer) -> None:  # type: ignore[no-untyped-def]
    result = answer(FEATURES, STRENGTHS)
    expect(torch.equal(result[:, :3], FEATURES), "features", "the first three channels are not the features")


@label_channels.step("each pair is (1 - y, y), at any strength")
def _label_value(answer) -> None:  # type: ignore[no-untyped-def]
    whole = torch.tensor([[0.0, 1.0], [1.0, 1.0]])
    for y in (whole, STRENGTHS, torch.tensor([[2.0, -1.0], [0.5, 0.0]])):
        rounded = _label_channels(FEATURES, (y > 0.5).float())
        mistakes = {
            "order": tile_labels(FEATURES, torch.cat([1 - y, y], dim=1)),
            "strength": rounded,
        }
        result = answer(FEATURES, y.clone())
        for cut in (y.long(), y.round(), y.clamp(0, 1)):
            mistakes.setdefault("strength", rounded)
            if torch.equal(result, _label_channels(FEATURES, cut.float())) and not torch.equal(
                cut.float(), y
            ):
                raise Miss("strength", "a strength was rounded or cut to 0..1")
        expect_close(result, _label_channels(FEATURES, y), "value", mistakes)


@label_channels.wrong("one channel an attribute", hint="half")
def _label_half(features, y):  # type: ignore[no-untyped-def]
    return tile_labels(features, y)


@label_channels.wrong("labels first", hint="features")
def _label_first(features, y):  # type: ignore[no-untyped-def]
    both = _label_channels(features, y)
    return torch.cat([both[:, 3:], both[:, :3]], dim=1)


@label_channels.wrong("one-hot of whole numbers", hint="strength")
def _label_one_hot(features, y):  # type: ignore[no-untyped-def]
    code = F.one_hot(y.clamp(0, 1).long(), 2).flatten(1)
    return tile_labels(features, code.float())


@label_channels.wrong("strengths cut to 0..1", hint="strength")
def _label_cut(features, y):  # type: ignore[no-untyped-def]
    return _label_channels(features, y.clamp(0, 1))


@label_channels.wrong("strengths cut to 0..1 in place", hint="strength")
def _label_cut_in_place(features, y):  # type: ignore[no-untyped-def]
    return _label_channels(features, y.clamp_(0, 1))


@label_channels.wrong("all absent, then all present", hint="order")
def _label_order(features, y):  # type: ignore[no-untyped-def]
    return tile_labels(features, torch.cat([1 - y, y], dim=1))


@label_channels.wrong("present before absent", hint="value")
def _label_turned(features, y):  # type: ignore[no-untyped-def]
    return _label_channels(features, 1 - y)


@label_channels.wrong("coded as -1 and +1", hint="value")
def _label_code(features, y):  # type: ignore[no-untyped-def]
    return _label_channels(features, 2 * y - 1)


@label_channels.wrong("not spread over the pixels", hint="shape")
def _label_flat(features, y):  # type: ignore[no-untyped-def]
    return torch.cat([features.flatten(1), torch.stack([1 - y, y], dim=2).flatten(1)], dim=1)


# --------------------------------------------------------- 2. and 3. the latent discriminator, and against it

X = torch.linspace(-1, 1, 4 * 3 * 2 * 2).view(4, 3, 2, 2).flip(0)
Y = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [1.0, 1.0]])  # Y.flip(0) is not 1 - Y


def _encoder() -> nn.Module:
    enc = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    with torch.no_grad():
        enc[1].weight.copy_(torch.linspace(-1, 1, 36).view(3, 12).sin())
        enc[1].bias.copy_(torch.tensor([0.3, -0.2, 0.1]))
    return enc


def _discriminator(scale: float = 1.0) -> nn.Module:
    dis = nn.Linear(3, 2)
    with torch.no_grad():
        dis.weight.copy_(torch.tensor([[0.8, -0.5, 0.3], [-0.4, 0.6, 0.9]]) * scale)
        dis.bias.copy_(torch.tensor([0.2, -0.1]))
    return dis


def _three() -> nn.Module:
    """A discriminator of three attributes."""
    dis = nn.Linear(3, 3)
    with torch.no_grad():
        dis.weight.copy_(torch.linspace(-1, 1, 9).view(3, 3).cos())
        dis.bias.zero_()
    return dis


def _log_loss(logits: Tensor, y: Tensor) -> Tensor:
    """-log P(y | z) of the whole vector y: summed over the attributes, meaned over the faces."""
    return fader.latent_loss(logits, y)


def _dis_loss(x: Tensor, y: Tensor, enc: nn.Module, dis: nn.Module) -> Tensor:
    return _log_loss(dis(enc(x).detach()), y)


def _adversarial_term(x: Tensor, y: Tensor, enc: nn.Module, dis: nn.Module) -> Tensor:
    return _log_loss(dis(enc(x)), 1 - y)


def _values(y: Tensor = Y, scale: float = 1.0) -> dict[str, Tensor]:
    """What the two losses and their usual mistakes come to on the known networks."""
    with torch.no_grad():
        logits = _discriminator(scale)(_encoder()(X))
    return {
        "true": _log_loss(logits, y),
        "flipped": _log_loss(logits, 1 - y),
        "twice": _log_loss(logits.sigmoid(), y),
        "twice_flipped": _log_loss(logits.sigmoid(), 1 - y),
    }


discriminator_loss = Exercise(
    "fader",
    "discriminator_loss",
    reference=_dis_loss,
    hints={
        "shape": (
            "One number comes back.",
            "Sum over the attributes, average over the faces.",
            "End with .sum(1).mean().",
        ),
        "value": (
            "The number is not the mean of -log P(y | E(x)).",
            "Each attribute is a yes-or-no question: binary cross-entropy of the logits with the true labels.",
            'F.binary_cross_entropy_with_logits(dis(code), y, reduction="none").sum(1).mean()',
        ),
        "flipped": (
            "Who is speaking? The discriminator wants to be *right*.",
            "1 - y is what the encoder wants it to say. In its own loss the labels are the true ones.",
            "F.binary_cross_entropy_with_logits(dis(code), y, ...), with y and not 1 - y.",
        ),
        "sign": (
            "A discriminator that is sure and right should have the smallest loss. Has yours?",
            "The loss is *minus* the logarithm of a probability, so never below 0.",
            "-log P(y | E(x)): leave the minus away and it learns to be wrong.",
        ),
        "factor": (
            "Right up to a factor: count the attributes, and the faces.",
            "P(y | z) is the probability of the whole vector y: its logarithm is a *sum* over the attributes. Over the "
            "faces it is averaged.",
            'F.binary_cross_entropy_with_logits(logits, y, reduction="none").sum(1).mean()',
        ),
        "double_sigmoid": (
            "The logits went through a sigmoid once too often.",
            "`..._with_logits` applies the sigmoid by itself.",
            "Hand it dis(code) as it is.",
        ),
        "moves_encoder": (
            "Look at the encoder's gradient after loss.backward(): there should be none.",
            "If the encoder learned from this loss it would *help* the discriminator: the code would say more of y.",
            "dis(enc(x).detach()), or the encoder's pass under torch.no_grad().",
        ),
        "stuck": (
            "The discriminator itself gets no gradient: it cannot learn.",
            "Only the *code* is held still, not what the discriminator makes of it.",
            "dis(enc(x).detach()): detach before dis, not after.",
        ),
    },
)


@discriminator_loss.step("one number comes back")
def _dis_shape(answer) -> None:  # type: ignore[no-untyped-def]
    expect_shape(answer(X, Y, _encoder(), _discriminator()), (), "shape")


@discriminator_loss.step("its value for known networks")
def _dis_value(answer) -> None:  # type: ignore[no-untyped-def]
    known = _values()
    right = known["true"]
    mistakes = {"flipped": known["flipped"], "sign": -right, "double_sigmoid": known["twice"]}
    value = answer(X, Y, _encoder(), _discriminator())
    for factor in (0.5, 2, 4):  # two attributes, four faces
        if close(value, right * factor):
            raise Miss("factor", f"{float(value.detach()):.4g}, {factor:g} times {float(right):.4g}")
    expect_close(value, right, "value", mistakes)


@discriminator_loss.step("for other numbers of faces and attributes")
def _dis_sizes(answer) -> None:  # type: ignore[no-untyped-def]
    parts = X[:3], torch.cat([Y[:3], 1 - Y[:3, :1]], dim=1), _encoder(), _three()
    expect_close(answer(*parts), _dis_loss(*parts), "factor")


@discriminator_loss.step("the discriminator learns from it, the encoder does not")
def _dis_moves(answer) -> None:  # type: ignore[no-untyped-def]
    enc, dis = _encoder(), _discriminator()
    value = answer(X, Y, enc, dis)
    expect(value.requires_grad, "stuck", "the loss depends on no parameter")
    value.backward()
    expect(dis.weight.grad is not None, "stuck", "the discriminator gets no gradient")
    expect(all(p.grad is None for p in enc.parameters()), "moves_encoder", "the encoder gets a gradient")


@discriminator_loss.step("the encoder is left as it was, ready for its own move")
def _dis_after(answer) -> None:  # type: ignore[no-untyped-def]
    enc, dis = _encoder(), _discriminator()
    answer(X, Y, enc, dis)
    ready = all(p.requires_grad for p in enc.parameters())
    expect(ready, "moves_encoder", "the encoder was switched off for good (requires_grad_(False))")


@discriminator_loss.wrong("labels of the other player", hint="flipped")
def _dis_flipped(x, y, enc, dis):  # type: ignore[no-untyped-def]
    return _dis_loss(x, 1 - y, enc, dis)


@discriminator_loss.wrong("plus for minus", hint="sign")
def _dis_sign(x, y, enc, dis):  # type: ignore[no-untyped-def]
    return -_dis_loss(x, y, enc, dis)


@discriminator_loss.wrong("averaged over the attributes", hint="factor")
def _dis_mean(x, y, enc, dis):  # type: ignore[no-untyped-def]
    return F.binary_cross_entropy_with_logits(dis(enc(x).detach()), y)


@discriminator_loss.wrong("two attributes, always", hint="factor")
def _dis_two(x, y, enc, dis):  # type: ignore[no-untyped-def]
    return 2 * _dis_mean(x, y, enc, dis)


@discriminator_loss.wrong("labels in another order", hint="value")
def _dis_turned(x, y, enc, dis):  # type: ignore[no-untyped-def]
    return _dis_loss(x, y.flip(0), enc, dis)


@discriminator_loss.wrong("summed over everything", hint="factor")
def _dis_sum_all(x, y, enc, dis):  # type: ignore[no-untyped-def]
    return F.binary_cross_entropy_with_logits(dis(enc(x).detach()), y, reduction="sum")


@discriminator_loss.wrong("two sigmoids", hint="double_sigmoid")
def _dis_twice(x, y, enc, dis):  # type: ignore[no-untyped-def]
    return _log_loss(dis(enc(x).detach()).sigmoid(), y)


@discriminator_loss.wrong("squared error", hint="value")
def _dis_square(x, y, enc, dis):  # type: ignore[no-untyped-def]
    return F.mse_loss(dis(enc(x).detach()).sigmoid(), y)


@discriminator_loss.wrong("not averaged", hint="shape")
def _dis_none(x, y, enc, dis):  # type: ignore[no-untyped-def]
    return F.binary_cross_entropy_with_logits(dis(enc(x).detach()), y, reduction="none")


@discriminator_loss.wrong("no detach", hint="moves_encoder")
def _dis_attached(x, y, enc, dis):  # type: ignore[no-untyped-def]
    return _log_loss(dis(enc(x)), y)


@discriminator_loss.wrong("detach behind the discriminator", hint="stuck")
def _dis_detached(x, y, enc, dis):  # type: ignore[no-untyped-def]
    return _log_loss(dis(enc(x)).detach(), y)


adversarial_term = Exercise(
    "fader",
    "adversarial_term",
    reference=_adversarial_term,
    hints={
        "shape": (
            "One number comes back.",
            "Sum over the attributes, average over the faces.",
            "End with .sum(1).mean().",
        ),
        "value": (
            "The number is not the mean of -log P(1 - y | E(x)).",
            "As in exercise 2, with other labels, and without lambda: that comes later.",
            'F.binary_cross_entropy_with_logits(dis(enc(x)), 1 - y, reduction="none").sum(1).mean()',
        ),
        "factor": (
            "Right up to a factor: count the attributes, and the faces.",
            "As in the discriminator's loss: a sum over the attributes, a mean over the faces.",
            'F.binary_cross_entropy_with_logits(logits, 1 - y, reduction="none").sum(1).mean()',
        ),
        "not_flipped": (
            "With this loss the encoder *helps* the discriminator.",
            "The encoder wants the discriminator to believe the opposite of the truth.",
            "The labels are 1 - y.",
        ),
        "minus_bce": (
            "Minus the discriminator's loss has no bottom: what happens when it is already completely wrong?",
            "-(-log P(y)) falls for ever, and where the discriminator is right, and the encoder should learn most, it "
            "is flat. The paper flips the labels instead.",
            "-log P(1 - y | E(x)): binary cross-entropy of dis(enc(x)) with the labels 1 - y, never below 0.",
        ),
        "sign": (
            "The labels are flipped and so is the sign: together they cancel.",
            "The encoder makes -log P(1 - y) small. Without the minus it makes P(1 - y) small.",
            "F.binary_cross_entropy_with_logits(dis(enc(x)), 1 - y, ...), without a minus before it.",
        ),
        "half": (
            "Half is the target of a discriminator that *knows* nothing, but what pulls the encoder there?",
            "With 1/2 for every label the encoder is done as soon as the answers are unsure. That is another method "
            "(domain confusion); the paper asks for the opposite label.",
            "The labels are 1 - y.",
        ),
        "double_sigmoid": (
            "The logits went through a sigmoid once too often.",
            "`..._with_logits` applies the sigmoid by itself.",
            "Hand it dis(enc(x)) as it is.",
        ),
        "unstable": (
            "Try a discriminator that is very sure of itself.",
            "1 - sigmoid(200) is exactly 0 in float32, and log(0) is minus infinity.",
            "F.binary_cross_entropy_with_logits works on the logit itself.",
        ),
        "detached": (
            "The encoder gets no gradient: it cannot learn to deceive.",
            "The detach belongs to the *discriminator's* loss. Here the code must stay attached.",
            "dis(enc(x)), without detach and without no_grad.",
        ),
    },
)


@adversarial_term.step("one number comes back")
def _adv_shape(answer) -> None:  # type: ignore[no-untyped-def]
    expect_shape(answer(X, Y, _encoder(), _discriminator()), (), "shape")


@adversarial_term.step("its value for known networks")
def _adv_value(answer) -> None:  # type: ignore[no-untyped-def]
    known = _values()
    mistakes = {
        "not_flipped": known["true"],
        "minus_bce": -known["true"],
        "sign": -known["flipped"],
        "double_sigmoid": known["twice_flipped"],
        "half": _values(torch.full_like(Y, 0.5))["true"],
    }
    value, right = answer(X, Y, _encoder(), _discriminator()), known["flipped"]
    for factor in (0.5, 2, 4):
        if close(value, right * factor):
            raise Miss("factor", f"{float(value.detach()):.4g}, {factor:g} times {float(right):.4g}")
    expect_close(value, right, "value", mistakes)


@adversarial_term.step("a very sure discriminator gives a finite number")
def _adv_stable(answer) -> None:  # type: ignore[no-untyped-def]
    value = answer(X, Y, _encoder(), _discriminator(1000.0))
    expect(value.isfinite().all(), "unstable", f"{float(value.detach()):g} for logits in the hundreds")
    expect_close(value, _values(scale=1000.0)["flipped"], "unstable", rtol=1e-3)


@adversarial_term.step("for other numbers of faces and attributes")
def _adv_sizes(answer) -> None:  # type: ignore[no-untyped-def]
    parts = X[:3], torch.cat([Y[:3], 1 - Y[:3, :1]], dim=1), _encoder(), _three()
    expect_close(answer(*parts), _adversarial_term(*parts), "factor")


@adversarial_term.step("the encoder learns from it")
def _adv_moves(answer) -> None:  # type: ignore[no-untyped-def]
    enc, dis = _encoder(), _discriminator()
    value = answer(X, Y, enc, dis)
    ready = all(p.requires_grad for p in dis.parameters())
    expect(ready, "detached", "the discriminator was switched off for good (requires_grad_(False))")
    expect(value.requires_grad, "detached", "the loss depends on no parameter")
    value.backward()
    expect(enc[1].weight.grad is not None, "detached", "the encoder gets no gradient")


def _adv_with(labels=lambda y: 1 - y, code=lambda z: z, sign=1.0, squash=lambda logits: logits):  # type: ignore[no-untyped-def]
    return lambda x, y, enc, dis: sign * _log_loss(squash(dis(code(enc(x)))), labels(y))


def _adv_log(x, y, enc, dis):  # type: ignore[no-untyped-def]
    p = dis(enc(x)).sigmoid()
    return -((1 - y) * p.log() + y * (1 - p).log()).sum(1).mean()


def _adv_mean(x, y, enc, dis):  # type: ignore[no-untyped-def]
    return F.binary_cross_entropy_with_logits(dis(enc(x)), 1 - y)


def _adv_none(x, y, enc, dis):  # type: ignore[no-untyped-def]
    return F.binary_cross_entropy_with_logits(dis(enc(x)), 1 - y, reduction="none")


def _adv_weighted(x, y, enc, dis):  # type: ignore[no-untyped-def]
    return 1e-4 * _adversarial_term(x, y, enc, dis)


for _name, _hint, _answer in (
    ("not averaged", "shape", _adv_none),
    ("averaged over the attributes", "factor", _adv_mean),
    ("two attributes, always", "factor", lambda *parts: 2 * _adv_mean(*parts)),
    ("labels in another order", "value", _adv_with(labels=lambda y: y.flip(0))),
    ("already multiplied by lambda", "value", _adv_weighted),
    ("the true labels", "not_flipped", _adv_with(labels=lambda y: y)),
    ("minus the discriminator's loss", "minus_bce", _adv_with(labels=lambda y: y, sign=-1.0)),
    ("flipped twice", "sign", _adv_with(sign=-1.0)),
    ("one half for all", "half", _adv_with(labels=lambda y: torch.full_like(y, 0.5))),
    ("two sigmoids", "double_sigmoid", _adv_with(squash=torch.sigmoid)),
    ("logarithm of a sigmoid", "unstable", _adv_log),
    ("detached", "detached", _adv_with(code=lambda z: z.detach())),
    (
        "discriminator frozen",
        "detached",
        lambda x, y, enc, dis: _adversarial_term(x, y, enc, dis.requires_grad_(False)),
    ),
):
    adversarial_term.wrong(_name, hint=_hint)(_answer)


# ------------------------------------------------------------------------------------------ 4. the ramp


def _lambda_at(step: int, ramp: int, highest: float) -> float:
    return highest * min(step / ramp, 1.0) if ramp > 0 else highest


lambda_at = Exercise(
    "fader",
    "lambda_at",
    reference=_lambda_at,
    hints={
        "shape": (
            "One number comes back, a float.",
            "No tensor and no list: lambda at this step.",
            "return highest * min(step / ramp, 1.0)",
        ),
        "value": (
            "At some step on the ramp lambda is not what a straight line gives.",
            "Half-way up the ramp it is half of the highest.",
            "highest * step / ramp, as long as step < ramp.",
        ),
        "start": (
            "At step 0 the encoder should not hear of the adversary at all.",
            "The ramp begins at 0, not at the highest and not at the first increment.",
            "highest * step / ramp is 0 at step 0.",
        ),
        "no_end": (
            "What is lambda long after the ramp has ended?",
            "A line goes on for ever. lambda stays at its highest.",
            "min(step / ramp, 1.0)",
        ),
        "per_epoch": (
            "How large has lambda become after ten thousand steps?",
            "'+0.0001 each epoch' is what one account says. In the paper 0.0001 is what it reaches *in the end*.",
            "highest * min(step / ramp, 1.0)",
        ),
        "no_ramp": (
            "A ramp of 0 steps means: no ramp. What does your function do then?",
            "Dividing by 0 is an error; lambda should simply be at its highest.",
            "return highest if ramp == 0",
        ),
    },
)


@lambda_at.step("it begins at 0")
def _ramp_start(answer) -> None:  # type: ignore[no-untyped-def]
    value = answer(0, 500_000, 1e-4)
    if value is None:
        raise Miss("untouched", "your function returned nothing: does it end with `return ...`?")
    expect(isinstance(value, int | float), "shape", type(value).__name__)
    expect(value == 0, "start", f"{value:g} at step 0")


@lambda_at.step("it rises in a straight line")
def _ramp_line(answer) -> None:  # type: ignore[no-untyped-def]
    for step, ramp, highest in ((250_000, 500_000, 1e-4), (1, 8, 0.5), (999, 1000, 1.0)):
        value = float(answer(step, ramp, highest))
        if math.isclose(value, highest * step, rel_tol=1e-6):
            raise Miss("per_epoch", f"{value:g} at step {step} of {ramp}, with a highest of {highest:g}")
        expect_close(value, highest * step / ramp, "value")


@lambda_at.step("it stays at its highest afterwards")
def _ramp_end(answer) -> None:  # type: ignore[no-untyped-def]
    for step in (500_000, 500_001, 2_000_000):
        right = 1e-4
        mistakes = {"no_end": right * step / 500_000}
        expect_close(float(answer(step, 500_000, right)), right, "no_end", mistakes, atol=1e-9)


@lambda_at.step("without a ramp it is at its highest at once")
def _ramp_none(answer) -> None:  # type: ignore[no-untyped-def]
    try:
        value = answer(0, 0, 0.25)
    except ZeroDivisionError as error:
        raise Miss("no_ramp", f"ZeroDivisionError: {error}") from None
    expect_close(float(value), 0.25, "no_ramp")


for _name, _hint, _answer in (
    ("no end", "no_end", lambda step, ramp, highest: highest * step / ramp if ramp else highest),
    (
        "back to zero afterwards",
        "no_end",
        lambda s, ramp, h: (h * s / ramp if s < ramp else 0.0) if ramp else h,
    ),
    ("an increment a step", "per_epoch", lambda step, ramp, highest: highest * step),
    ("constant", "start", lambda step, ramp, highest: highest),
    ("falling", "start", lambda s, ramp, h: h * (1 - min(s / ramp, 1.0)) if ramp else h),
    ("quadratic", "value", lambda s, ramp, h: h * min(s / ramp, 1.0) ** 2 if ramp else h),
    ("division by zero", "no_ramp", lambda step, ramp, highest: highest * min(step / ramp, 1.0)),
    ("a tensor", "shape", lambda s, ramp, h: torch.tensor(_lambda_at(s, ramp, h))),
):
    lambda_at.wrong(_name, hint=_hint)(_answer)


# ------------------------------------------------------------------------------------ 5. clipped gradients


def _parameters(*gradients: Tensor | None) -> list[nn.Parameter]:
    made = []
    for gradient in gradients:
        parameter = nn.Parameter(torch.zeros(2) if gradient is None else torch.zeros_like(gradient))
        parameter.grad = None if gradient is None else gradient.clone()
        made.append(parameter)
    return made


def _clip_gradients(parameters: list[nn.Parameter], largest: float) -> float:
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.stack([g.norm() for g in gradients]).norm()
    if norm > largest:
        for gradient in gradients:
            gradient.mul_(largest / norm)
    return float(norm)


LONG = (torch.tensor([1.0, 7.0, -1.0]), torch.tensor([[7.0, 0.0]]))  # together of length 10

clip_gradients = Exercise(
    "fader",
    "clip_gradients",
    reference=_clip_gradients,
    hints={
        "returned": (
            "The length of the whole gradient, before clipping, should come back.",
            "One number: the root of the sum of all squared entries of all parameters' gradients.",
            "torch.stack([g.norm() for g in gradients]).norm()",
        ),
        "each": (
            "Compare the direction of the whole gradient before and after: has it changed?",
            "All parameters share *one* length. Clipped one by one, some shrink more than others: another direction.",
            "norm = torch.stack([g.norm() for g in gradients]).norm(); then each g *= largest / norm.",
        ),
        "by_value": (
            "Some entries were cut, others not: the gradient now points elsewhere.",
            "Clip the *length*, not the entries: every entry is multiplied by the same factor.",
            "g *= largest / norm for every gradient g, when norm > largest.",
        ),
        "short": (
            "A gradient that is short enough should be left alone.",
            "`largest` is a limit, not a wish: it does not stretch.",
            "if norm > largest: ...",
        ),
        "unchanged": (
            "The gradients are as long as before.",
            "Change `p.grad` in place: a new tensor under another name changes nothing.",
            "p.grad.mul_(largest / norm), or p.grad *= largest / norm.",
        ),
        "none": (
            "Some parameter has no gradient: p.grad is None. (A frozen layer has none.)",
            "Leave such parameters out.",
            "gradients = [p.grad for p in parameters if p.grad is not None]",
        ),
        "value": (
            "The clipped gradient has another length than `largest`.",
            "Multiply every gradient by largest / norm, where norm is the length of all of them together.",
            "for g in gradients: g.mul_(largest / norm)",
        ),
    },
)


@clip_gradients.step("a long gradient gets the largest length allowed, and keeps its direction")
def _clip_long(answer) -> None:  # type: ignore[no-untyped-def]
    parameters = _parameters(*LONG)
    answer(parameters, 5.0)
    found = torch.cat([p.grad.flatten() for p in parameters])
    before = torch.cat([g.flatten() for g in LONG])
    mistakes = {
        "unchanged": before,
        "each": torch.cat([g.flatten() * min(1.0, 5 / float(g.norm())) for g in LONG]),
        "by_value": before.clamp(-5, 5),
    }
    expect_close(found, before / 2, "value", mistakes)


@clip_gradients.step("a short one is left alone")
def _clip_short(answer) -> None:  # type: ignore[no-untyped-def]
    parameters = _parameters(*(g / 10 for g in LONG))
    answer(parameters, 5.0)
    found = torch.cat([p.grad.flatten() for p in parameters])
    expect_close(found, torch.tensor([0.1, 0.7, -0.1, 0.7, 0.0]), "short")


@clip_gradients.step("parameters without a gradient are left out")
def _clip_none(answer) -> None:  # type: ignore[no-untyped-def]
    parameters = _parameters(LONG[0], None, LONG[1])
    try:
        answer(parameters, 5.0)
    except (AttributeError, TypeError) as error:
        raise Miss("none", f"{type(error).__name__}: {error}".splitlines()[0]) from None
    expect_close(parameters[0].grad, LONG[0] / 2, "none")
    expect_close(parameters[2].grad, LONG[1] / 2, "none")


@clip_gradients.step("the length before clipping comes back")
def _clip_returned(answer) -> None:  # type: ignore[no-untyped-def]
    value = answer(_parameters(*LONG), 5.0)
    if value is None:
        raise Miss("returned", "None")
    expect_close(float(value), 10.0, "returned")


def _clip_with(gradients=lambda ps: [p.grad for p in ps if p.grad is not None], norm=None, scale=None):  # type: ignore[no-untyped-def]
    def answer(parameters, largest):  # type: ignore[no-untyped-def]
        found = gradients(parameters)
        length = torch.stack([g.norm() for g in found]).norm()
        for g in found:
            factor = largest / length if length > largest else torch.ones(())
            (scale or (lambda g, factor, largest, length: g.mul_(factor)))(g, factor, largest, length)
        return (norm or float)(length)

    return answer


for _name, _hint, _answer in (
    ("one parameter at a time", "each",
     _clip_with(scale=lambda g, f, largest, n: g.mul_(min(1.0, largest / float(g.norm()))))),
    ("entries cut", "by_value", _clip_with(scale=lambda g, f, largest, n: g.clamp_(-largest, largest))),
    ("always stretched", "short", _clip_with(scale=lambda g, f, largest, n: g.mul_(largest / n))),
    ("not in place", "unchanged", _clip_with(scale=lambda g, f, largest, n: g * f)),
    ("None not expected", "none", _clip_with(gradients=lambda ps: [p.grad for p in ps])),
    ("stopped at the first None", "none",
     _clip_with(gradients=lambda ps: list(takewhile(lambda g: g is not None, (p.grad for p in ps))))),
    ("nothing returned", "returned", _clip_with(norm=lambda length: None)),
    ("the length afterwards", "returned", _clip_with(norm=lambda length: min(float(length), 5.0))),
    ("squared length", "value", _clip_with(scale=lambda g, f, largest, n: g.mul_(largest / n**2))),
):  # fmt: skip
    clip_gradients.wrong(_name, hint=_hint)(_answer)


# --------------------------------------------------------------------------------- 6. one round of the game


class _Net(nn.Module):
    """A linear map that notes in `calls` when it is asked, and in which mode it then is."""

    def __init__(self, name: str, weight: Tensor, calls: list[tuple[str, bool]]) -> None:
        super().__init__()
        self.name, self.calls, self.weight = name, calls, nn.Parameter(weight.clone())

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        self.calls.append((self.name, self.training))
        z = z if y is None else torch.cat([z, y], dim=1)
        return z @ self.weight


class _Table:
    """Two players' networks and optimisers, the same at every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bool]] = []
        self.enc = _Net("enc", torch.linspace(-1, 1, 12).view(4, 3).sin(), self.calls)
        self.dec = _Net("dec", torch.linspace(1, -1, 20).view(5, 4).cos() * 0.5, self.calls)
        self.dis = _Net("dis", torch.tensor([[0.9, -0.6], [0.4, 0.8], [-0.7, 0.5]]), self.calls)
        self.dis_optimiser = torch.optim.SGD(self.dis.parameters(), lr=0.5)
        self.ae_optimiser = torch.optim.SGD([*self.enc.parameters(), *self.dec.parameters()], lr=0.5)
        self.x = torch.tensor([[1.0, -0.5, 0.2, 0.1], [0.3, 0.8, -0.9, 0.4], [-0.6, 0.1, 0.7, -1.0]])
        self.y = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])

    def weights(self) -> Tensor:
        with torch.no_grad():
            return torch.cat([net.weight.flatten() for net in (self.enc, self.dec, self.dis)])

    def play(self, answer, rounds: int = 1, weight: float = 0.3) -> Tensor:  # type: ignore[no-untyped-def]
        for _ in range(rounds):
            nets = (self.enc, self.dec, self.dis)
            answer(self.x, self.y, *nets, self.dis_optimiser, self.ae_optimiser, weight)
        return self.weights()


def _round(order: str = "dis first", modes: bool = True, zero: bool = True, flip: bool = True, rec: bool = True,
           weighted: bool = True, last: bool = True):  # fmt: skip  # type: ignore[no-untyped-def]
    """One round, or one with a mistake in it."""

    def play(x, y, enc, dec, dis, dis_optimiser, ae_optimiser, weight):  # type: ignore[no-untyped-def]
        def dis_move() -> None:
            if modes:
                enc.eval(), dec.eval(), dis.train()
            loss = _log_loss(dis(enc(x).detach()), y)
            if zero:
                dis_optimiser.zero_grad()
            loss.backward()
            dis_optimiser.step()

        def ae_move() -> None:
            if modes:
                enc.train(), dec.train(), dis.eval()
            z = enc(x)
            wanted = 1 - y if flip else y
            loss = (weight if weighted else 1.0) * _log_loss(dis(z), wanted)
            if rec:
                loss = loss + F.mse_loss(dec(z, y), x)
            if zero:
                ae_optimiser.zero_grad()
            loss.backward()
            if last:
                ae_optimiser.step()

        for move in (dis_move, ae_move) if order == "dis first" else (ae_move, dis_move):
            move()

    return play


play_round = Exercise(
    "fader",
    "play_round",
    reference=_round(),
    hints={
        "modes": (
            "Who is in training mode, and when? Batch norm and dropout behave otherwise in eval mode.",
            "As released: while the discriminator moves, enc and dec are in eval mode and dis in training mode; then "
            "the reverse.",
            "enc.eval(), dec.eval(), dis.train() before the first move; enc.train(), dec.train(), dis.eval() before "
            "the second.",
        ),
        "order": (
            "In which order do the players move?",
            "The discriminator steps on the *old* encoder; encoder and decoder step against the *new* discriminator.",
            "First the whole move of dis, its optimiser's step included; then enc(x) once more, for the second move.",
        ),
        "stale": (
            "One round is right, the second is not: something is left over from the first.",
            "The auto-encoder's loss runs through dis and leaves gradients there. backward() *adds* to what is there.",
            "dis_optimiser.zero_grad() and ae_optimiser.zero_grad(), each right before its own backward().",
        ),
        "not_flipped": (
            "The encoder helps the discriminator.",
            "In the second move the wanted labels are the opposite ones.",
            "weight * log_loss(dis(z), 1 - y)",
        ),
        "weight": (
            "Both terms are there, in another proportion.",
            "lambda_E weighs the adversarial term, the reconstruction has weight 1.",
            "F.mse_loss(dec(z, y), x) + weight * log_loss(dis(z), 1 - y)",
        ),
        "no_rec": (
            "The decoder did not learn: nobody asked for the face.",
            "The second move makes the squared error of dec(z, y) small, too.",
            "loss = F.mse_loss(dec(z, y), x) + weight * ...",
        ),
        "no_step": (
            "Someone has not moved. A gradient alone changes no weight.",
            "After loss.backward() the optimiser takes its step.",
            "dis_optimiser.step() ends the first move, ae_optimiser.step() the second.",
        ),
        "value": (
            "After one round the weights are not what they should be.",
            "Write the two losses of exercises 2 and 3, add the mean squared error to the second, and move one player "
            "after the other.",
            "dis: log_loss(dis(enc(x).detach()), y). enc and dec: F.mse_loss(dec(z, y), x) + weight * log_loss(dis(z), "
            "1 - y), with z = enc(x) made anew.",
        ),
    },
)


@play_round.step("every player moves")
def _round_moves(answer) -> None:  # type: ignore[no-untyped-def]
    table = _Table()
    before = [net.weight.detach().clone() for net in (table.enc, table.dec, table.dis)]
    table.play(answer)
    if not table.calls:
        raise Miss("untouched", "no network was asked")
    still = [
        net.name
        for net, old in zip((table.enc, table.dec, table.dis), before, strict=True)
        if torch.equal(net.weight, old)
    ]
    if still == ["dec"]:
        raise Miss("no_rec", "the decoder's weights are what they were")
    expect(not still, "no_step", f"not moved: {', '.join(still)}")


@play_round.step("the right weights after one round")
def _round_weights(answer) -> None:  # type: ignore[no-untyped-def]
    mistakes = {
        "order": _Table().play(_round(order="ae first")),
        "not_flipped": _Table().play(_round(flip=False)),
        "weight": _Table().play(_round(weighted=False)),
        "stale": _Table().play(_round(zero=False)),
    }
    found = _Table().play(answer)
    if torch.allclose(found, _Table().play(_round_against_the_old), atol=1e-6):
        raise Miss("order", "enc and dec moved against the discriminator as it was before its step")
    expect_close(found, _Table().play(_round()), "value", mistakes)


@play_round.step("and after three: nothing is left over from the last")
def _round_again(answer) -> None:  # type: ignore[no-untyped-def]
    expect_close(_Table().play(answer, 3), _Table().play(_round(), 3), "stale")


@play_round.step("each in its mode")
def _round_modes(answer) -> None:  # type: ignore[no-untyped-def]
    table = _Table()
    table.play(answer)
    asked = [name for name, _ in table.calls]
    first, last = asked.index("dis"), len(asked) - 1 - asked[::-1].index("dis")
    for move, where, training in (("first", first, True), ("second", last, False)):
        found = table.calls[where][1]
        expect(found == training, "modes", f"{move} move: dis in {'training' if found else 'eval'} mode")
    encoded = [training for name, training in table.calls if name == "enc"]
    expect(not encoded[0], "modes", "first move: enc in training mode")
    expect(encoded[-1], "modes", "second move: enc in eval mode")
    decoded = [training for name, training in table.calls if name == "dec"]
    expect(decoded[-1], "modes", "second move: dec in eval mode")


def _round_against_the_old(x, y, enc, dec, dis, dis_optimiser, ae_optimiser, weight):  # type: ignore[no-untyped-def]
    """Both losses computed before anyone moves: the encoder answers a discriminator that is gone."""
    enc.eval(), dec.eval(), dis.train()
    dis_loss = _log_loss(dis(enc(x).detach()), y)
    enc.train(), dec.train(), dis.eval()
    z = enc(x)
    rec = F.mse_loss(dec(z, y), x)
    adv = _log_loss(dis(z), 1 - y)
    gradients = torch.autograd.grad(rec + weight * adv, [enc.weight, dec.weight])
    dis_optimiser.zero_grad()
    dis_loss.backward()
    dis_optimiser.step()
    enc.weight.grad, dec.weight.grad = gradients
    ae_optimiser.step()


for _name, _hint, _answer in (
    ("modes forgotten", "modes", _round(modes=False)),
    ("auto-encoder first", "order", _round(order="ae first")),
    ("against the old discriminator", "order", _round_against_the_old),
    ("gradients never cleared", "stale", _round(zero=False)),
    ("labels not flipped", "not_flipped", _round(flip=False)),
    ("no lambda", "weight", _round(weighted=False)),
    ("no reconstruction", "no_rec", _round(rec=False)),
    ("no step of the auto-encoder", "no_step", _round(last=False)),
):
    play_round.wrong(_name, hint=_hint)(_answer)


@play_round.wrong("absolute error", hint="value")
def _round_l1(x, y, enc, dec, dis, dis_optimiser, ae_optimiser, weight):  # type: ignore[no-untyped-def]
    enc.eval(), dec.eval(), dis.train()
    dis_optimiser.zero_grad()
    _log_loss(dis(enc(x).detach()), y).backward()
    dis_optimiser.step()
    enc.train(), dec.train(), dis.eval()
    z = enc(x)
    ae_optimiser.zero_grad()
    adv = _log_loss(dis(z), 1 - y)
    (F.l1_loss(dec(z, y), x) + weight * adv).backward()
    ae_optimiser.step()


# ------------------------------------------------------------------------------ 7. can the probe still tell?


def _balanced_accuracy(logits: Tensor, y: Tensor) -> Tensor:
    says, is_so = logits > 0, y > 0.5
    present = (says & is_so).sum(0) / is_so.sum(0)
    absent = (~says & ~is_so).sum(0) / (~is_so).sum(0)
    return (present + absent) / 2


PROBE_Y = torch.tensor([[1.0, 0], [0, 1], [0, 0], [0, 0], [0, 1]])
PROBE_LOGITS = torch.tensor([[2.0, -1.0], [-3.0, 0.5], [1.0, -0.2], [-0.4, 0.1], [-1.0, -4.0]])

balanced_accuracy = Exercise(
    "fader",
    "balanced_accuracy",
    reference=_balanced_accuracy,
    hints={
        "shape": (
            "One number for each attribute comes back, (n,).",
            "Average over the faces (dim=0), not over the attributes.",
            "(present + absent) / 2, where each is of shape (n,).",
        ),
        "plain": (
            "That is the plain accuracy. What does a probe get that always says 'no glasses', where few wear them?",
            "Two shares: of the faces that have it, how many are found; of those that have not, how many are passed. "
            "Their mean is 1/2 for whoever always says the same.",
            "present = (says & is_so).sum(0) / is_so.sum(0); absent likewise with ~; (present + absent) / 2",
        ),
        "recall": (
            "Half of it: one of the two groups is left out.",
            "A probe that always says 'yes' finds every face that has the attribute. It knows nothing.",
            "Take the mean of the share found among those who have it and the share passed among those who have not.",
        ),
        "threshold": (
            "Where lies the border between yes and no? These are logits, not probabilities.",
            "A logit of 0 is a probability of 1/2.",
            "says = logits > 0",
        ),
        "value": (
            "The number is not the mean of the two groups' shares of right answers.",
            "Split the faces by y, take the share of right answers in each group, and the mean of the two.",
            "present = (says & is_so).sum(0) / is_so.sum(0); absent likewise with ~; (present + absent) / 2",
        ),
    },
)


@balanced_accuracy.step("one number an attribute")
def _balanced_shape(answer) -> None:  # type: ignore[no-untyped-def]
    expect_shape(answer(PROBE_LOGITS, PROBE_Y), (2,), "shape")


@balanced_accuracy.step("its value on five known faces")
def _balanced_value(answer) -> None:  # type: ignore[no-untyped-def]
    says, is_so = PROBE_LOGITS > 0, PROBE_Y > 0.5
    mistakes = {
        "plain": (says == is_so).float().mean(0),
        "recall": (says & is_so).sum(0) / is_so.sum(0),
        "threshold": _balanced_accuracy(PROBE_LOGITS - 0.5, PROBE_Y),
    }
    value = answer(PROBE_LOGITS, PROBE_Y)
    if torch.allclose(torch.as_tensor(value).float(), (~says & ~is_so).sum(0) / (~is_so).sum(0)):
        raise Miss("recall", "the share of right answers among those who have it not")
    expect_close(value, _balanced_accuracy(PROBE_LOGITS, PROBE_Y), "value", mistakes)


@balanced_accuracy.step("whoever always says the same gets 1/2")
def _balanced_constant(answer) -> None:  # type: ignore[no-untyped-def]
    for constant in (-1.0, 1.0):
        value = answer(torch.full_like(PROBE_LOGITS, constant), PROBE_Y)
        expect_close(value, torch.full((2,), 0.5), "value")


def _balanced_one_number(logits, y):  # type: ignore[no-untyped-def]
    return _balanced_accuracy(logits, y).mean()


for _name, _hint, _answer in (
    ("one number for all", "shape", _balanced_one_number),
    ("plain accuracy", "plain", lambda logits, y: ((logits > 0) == (y > 0.5)).float().mean(0)),
    ("those who have it only", "recall", lambda z, y: ((z > 0) & (y > 0.5)).sum(0) / (y > 0.5).sum(0)),
    ("those who have it not only", "recall", lambda z, y: ((z <= 0) & (y < 0.5)).sum(0) / (y < 0.5).sum(0)),
    ("logits taken for probabilities", "threshold", lambda z, y: _balanced_accuracy(z - 0.5, y)),
    ("turned round", "value", lambda z, y: 1 - _balanced_accuracy(z, y)),
):
    balanced_accuracy.wrong(_name, hint=_hint)(_answer)
