"""Checks for the exercises of the IcGAN series (Mirza & Osindero 2014; Perarnau et al. 2016)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fedit_lib.course.checks import Exercise, Miss, expect, expect_close, expect_shape
from fedit_lib.nn import tile_labels
from fedit_lib.papers import icgan

# -------------------------------------------------------------------------------- 1. y, spread over space

MAPS = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).view(2, 3, 4, 5) / 10
Y_MAPS = torch.tensor([[1.0, -1.0], [-0.5, 0.25]])

condition = Exercise(
    "icgan",
    "condition",
    reference=tile_labels,
    hints={
        "shape": (
            "Count channels: what comes back has those of the maps *and* one for each attribute.",
            "Concatenate along the channels, dimension 1. Nothing is added up, height and width stay.",
            "torch.cat([maps, planes], dim=1), where planes is (B, n, H, W).",
        ),
        "order": (
            "Everything is there, in another order.",
            "First the maps, then the attributes: the next layer's weights were trained so.",
            "torch.cat([maps, planes], dim=1)",
        ),
        "maps": (
            "The first channels are no longer the maps.",
            "The maps pass unchanged; y only stands beside them.",
            "torch.cat([maps, planes], dim=1), and nothing else done to maps.",
        ),
        "scrambled": (
            "Look at one of the new channels: is it constant over its pixels?",
            "`repeat` and `view` in this way mix the attributes within a channel: memory is read row by row.",
            "y[:, :, None, None].expand(-1, -1, *maps.shape[2:])",
        ),
        "one_face": (
            "Does every face get its own attributes?",
            "A row of y belongs to one face: the first row to the first face, and so on.",
            "y[:, :, None, None].expand(-1, -1, *maps.shape[2:]): the batch dimension is kept as it is.",
        ),
        "value": (
            "The new channels hold other numbers than y.",
            "y is spread over space and nothing else: no sign, no scale, no code.",
            "y[:, :, None, None].expand(-1, -1, *maps.shape[2:])",
        ),
    },
)


@condition.step("as many channels as maps and attributes together")
def _condition_shape(answer) -> None:  # type: ignore[no-untyped-def]
    expect_shape(answer(MAPS, Y_MAPS), (2, 5, 4, 5), "shape")


@condition.step("the maps first, unchanged")
def _condition_maps(answer) -> None:  # type: ignore[no-untyped-def]
    value = answer(MAPS, Y_MAPS)
    if torch.equal(value[:, 2:], MAPS):
        raise Miss("order", "the attributes come first")
    expect(torch.equal(value[:, :3], MAPS), "maps", "the first three channels differ from the maps")


@condition.step("each attribute is a constant plane, each face has its own")
def _condition_planes(answer) -> None:  # type: ignore[no-untyped-def]
    planes = answer(MAPS, Y_MAPS)[:, 3:]
    same = (planes.flatten(2) == planes[:, :, :1, 0]).all()
    expect(same, "scrambled", "a channel with more than one value")
    mixed = (Y_MAPS[:1].expand_as(Y_MAPS), Y_MAPS[1:].expand_as(Y_MAPS), Y_MAPS.flip(0), Y_MAPS.T)
    expect_close(planes[:, :, 0, 0], Y_MAPS, "value", [("one_face", wrong) for wrong in mixed])


@condition.step("other sizes")
def _condition_sizes(answer) -> None:  # type: ignore[no-untyped-def]
    maps, y = torch.rand(3, 1, 2, 3), torch.tensor([[1.0, -1.0], [0.0, 1.0], [0.5, -0.5]])
    value = answer(maps, y)
    expect_shape(value, (3, 3, 2, 3), "shape")
    expect_close(value, tile_labels(maps, y), "value")


def _planes(y: Tensor, maps: Tensor) -> Tensor:
    return y[:, :, None, None].expand(-1, -1, *maps.shape[2:])


for _name, _hint, _answer in (
    ("added to the maps", "shape", lambda maps, y: maps + y.mean(1)[:, None, None, None]),
    ("only the planes", "shape", lambda maps, y: _planes(y, maps).contiguous()),
    ("attributes first", "order", lambda maps, y: torch.cat([_planes(y, maps), maps], dim=1)),
    (
        "maps multiplied by y",
        "maps",
        lambda maps, y: torch.cat([maps * y[:, :1, None, None], _planes(y, maps)], dim=1),
    ),
    (
        "maps multiplied in place",
        "changed",
        lambda maps, y: torch.cat([maps.mul_(y[:, :1, None, None]), _planes(y, maps)], dim=1),
    ),
    (
        "repeat and view",
        "scrambled",
        lambda maps, y: torch.cat([maps, y.repeat(1, 20).view(2, 2, 4, 5)], dim=1),
    ),
    (
        "the first face's for all",
        "one_face",
        lambda maps, y: torch.cat([maps, _planes(y[:1].expand_as(y), maps)], dim=1),
    ),
    ("columns for rows", "one_face", lambda maps, y: torch.cat([maps, _planes(y.T, maps)], dim=1)),
    ("y coded once more", "value", lambda maps, y: torch.cat([maps, _planes(2 * y - 1, maps)], dim=1)),
):
    condition.wrong(_name, hint=_hint)(_answer)


# ------------------------------------------------------------------- 2. what the conditional discriminator minimises

REAL = torch.tensor([2.0, 0.5, -1.0, 3.0])
WRONG = torch.tensor([1.5, -0.5, 0.25, 1.0])
FAKE = torch.tensor([-2.0, 1.0, 0.0, -0.5])


def _discriminator_loss(real: Tensor, wrong: Tensor, fake: Tensor, half: float = 0.5) -> Tensor:
    return F.softplus(-real).mean() + half * F.softplus(wrong).mean() + half * F.softplus(fake).mean()


discriminator_loss = Exercise(
    "icgan",
    "discriminator_loss",
    reference=_discriminator_loss,
    hints={
        "shape": (
            "One number comes back for the whole batch.",
            "Average each of the three terms over its logits.",
            "End each term with .mean(): binary_cross_entropy_with_logits does by itself.",
        ),
        "value": (
            "The number is not the sum of three binary cross-entropies.",
            "Logits of real pairs with the label 1, of the two kinds of false pairs with the label 0.",
            "bce(real, ones) + 0.5 * bce(wrong, zeros) + 0.5 * bce(fake, zeros), with "
            "F.binary_cross_entropy_with_logits as bce.",
        ),
        "half": (
            "Real and false should weigh the same. Count the terms on each side.",
            "There is one term for *real* and two for *false*: those two share the weight.",
            "Half a weight each: real + 0.5 * wrong + 0.5 * fake.",
        ),
        "no_wrong": (
            "One of the three kinds of pairs does not change your loss.",
            "A real image with a wrong y is false: without that term D may judge the picture alone.",
            "Add 0.5 * F.binary_cross_entropy_with_logits(wrong, torch.zeros_like(wrong)).",
        ),
        "wrong_is_real": (
            "What should D say of a perfect photograph with somebody else's attributes?",
            "The *pair* is false, although the image is real: its label is 0.",
            "0.5 * F.binary_cross_entropy_with_logits(wrong, torch.zeros_like(wrong))",
        ),
        "swapped": (
            "A discriminator that calls fakes real and real faces fake would be content with this loss.",
            "That is the generator's wish. D wants 1 for real pairs, 0 for the others.",
            "Labels: ones for real, zeros for wrong and fake.",
        ),
        "sign": (
            "A discriminator that is sure and right should have the smallest loss. Has it?",
            "D *maximises* the logarithms; a loss is made small.",
            "Put a minus before the logarithms, or use binary_cross_entropy_with_logits, which has it.",
        ),
        "unstable": (
            "Try a very sure discriminator: a logit of 200.",
            "1 - sigmoid(200) is exactly 0 in float32, and its logarithm minus infinity.",
            "F.binary_cross_entropy_with_logits works with the logit itself and never sees that infinity.",
        ),
        "detached": (
            "The number is right, but the discriminator cannot learn from all of it.",
            "The logits come from D. A detach(), a no_grad() or an .item() cuts the way back to its weights.",
            "Plain arithmetic on the three logits: no detach() and no no_grad().",
        ),
    },
)


@discriminator_loss.step("one number comes back")
def _dis_shape(answer) -> None:  # type: ignore[no-untyped-def]
    expect_shape(answer(REAL, WRONG, FAKE), (), "shape")


@discriminator_loss.step("its value on twelve known logits")
def _dis_value(answer) -> None:  # type: ignore[no-untyped-def]
    value = answer(REAL, WRONG, FAKE)
    if torch.equal(value, answer(REAL, WRONG + 1, FAKE)):
        raise Miss("no_wrong", "other logits of (real, wrong y) give the same loss")
    real, fake = F.softplus(-REAL).mean(), F.softplus(FAKE).mean()
    mistakes = {
        "half": _discriminator_loss(REAL, WRONG, FAKE, half=1.0),
        "wrong_is_real": real + 0.5 * F.softplus(-WRONG).mean() + 0.5 * fake,
        "swapped": _discriminator_loss(-REAL, -WRONG, -FAKE),
        "sign": -_discriminator_loss(REAL, WRONG, FAKE),
    }
    expect_close(value, _discriminator_loss(REAL, WRONG, FAKE), "value", mistakes)


@discriminator_loss.step("very sure logits give a finite loss")
def _dis_stable(answer) -> None:  # type: ignore[no-untyped-def]
    sure = torch.full((4,), 200.0)
    value = answer(sure, sure, sure)
    expect(value.isfinite().all(), "unstable", f"{float(value):g} for logits of 200")
    expect_close(value, 200.0, "unstable")


@discriminator_loss.step("the discriminator learns from all three")
def _dis_learns(answer) -> None:  # type: ignore[no-untyped-def]
    logits = [part.clone().requires_grad_() for part in (REAL, WRONG, FAKE)]
    value = answer(*logits)
    expect(value.requires_grad, "detached", "the loss carries no gradient")
    for name, grad in zip(
        ("real", "wrong", "fake"), torch.autograd.grad(value, logits, allow_unused=True), strict=True
    ):
        expect(grad is not None, "detached", f"no gradient reaches the logits of {name}")


def _bce(logits: Tensor, label: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


def _log(real: Tensor, wrong: Tensor, fake: Tensor) -> Tensor:
    p, q, r = real.sigmoid(), wrong.sigmoid(), fake.sigmoid()
    return -p.log().mean() - ((1 - q).log().mean() + (1 - r).log().mean()) / 2


for _name, _hint, _answer in (
    ("not averaged", "shape", lambda r, w, f: F.softplus(-r) + (F.softplus(w) + F.softplus(f)) / 2),
    ("squares", "value", lambda r, w, f: (r - 1).square().mean() + (w**2).mean() / 2 + (f**2).mean() / 2),
    ("a weight of 1 each", "half", lambda r, w, f: _bce(r, 1) + _bce(w, 0) + _bce(f, 0)),
    ("the plain cGAN", "no_wrong", lambda r, w, f: _bce(r, 1) + _bce(f, 0)),
    ("wrong y counted as real", "wrong_is_real", lambda r, w, f: _bce(r, 1) + (_bce(w, 1) + _bce(f, 0)) / 2),
    ("the generator's wish", "swapped", lambda r, w, f: _bce(r, 0) + (_bce(w, 1) + _bce(f, 1)) / 2),
    ("plus for minus", "sign", lambda r, w, f: -_bce(r, 1) - (_bce(w, 0) + _bce(f, 0)) / 2),
    ("logarithm of a sigmoid", "unstable", _log),
    ("fakes detached", "detached", lambda r, w, f: _discriminator_loss(r, w, f.detach())),
    ("everything detached", "detached", lambda r, w, f: _discriminator_loss(r, w, f).detach()),
):
    discriminator_loss.wrong(_name, hint=_hint)(_answer)


# -------------------------------------------------------------------------------- 3. the two encoders' losses


class _Generator(nn.Module):
    """A stand-in for G: linear, (B, 3), (B, 2) -> (B, 3, 2, 2). It remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, 60).view(5, 12).sin())
        self.asked: list[tuple[Tensor, Tensor]] = []

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        self.asked.append((z.detach().clone(), y.detach().clone()))
        return (torch.cat([z, y], dim=1) @ self.weight).view(-1, 3, 2, 2)


class _Encoder(nn.Module):
    """A stand-in for E_z or E_y: linear, (B, 3, 2, 2) -> (B, outputs)."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-2, 1, 12 * outputs).view(12, outputs).cos() / 3)

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.weight


def _encoder_problem() -> tuple:  # type: ignore[type-arg]
    rng = torch.Generator().manual_seed(5)
    x = torch.rand(4, 3, 2, 2, generator=rng) * 2 - 1
    y = torch.tensor([[1.0, -1.0], [-1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    z = torch.randn(4, 3, generator=rng)
    return x, y, z, -y.flip(1), _Generator(), _Encoder(3), _Encoder(2)


def _encoder_losses(x, y, z, y_asked, generator, e_z, e_y):  # type: ignore[no-untyped-def]
    with torch.no_grad():
        generated = generator(z, y_asked)
    return F.mse_loss(e_z(generated), z), F.mse_loss(e_y(x), y)


encoder_losses = Exercise(
    "icgan",
    "encoder_losses",
    reference=_encoder_losses,
    hints={
        "shape": (
            "Two numbers come back: L_ez and L_ey, in this order.",
            "Each is one number: the mean over the batch and over the entries of the vector.",
            "return F.mse_loss(...), F.mse_loss(...)",
        ),
        "real_images": (
            "On which pictures is E_z asked to find z?",
            "Of a real face nobody knows the z. It is known only of the pictures that G made from it.",
            "E_z sees generator(z, y_asked), not x.",
        ),
        "which_y": (
            "The generated pictures have other attributes than they should.",
            "They are made with the attributes that were asked of G, not with those of the real faces.",
            "generator(z, y_asked)",
        ),
        "generated": (
            "On which pictures does E_y learn?",
            "E_y will have to read real faces, whose labels we have: it learns from them.",
            "F.mse_loss(e_y(x), y)",
        ),
        "z_value": (
            "L_ez is not the mean squared distance of z and E_z(G(z, y')).",
            "Squared differences, then the mean over batch and entries.",
            "F.mse_loss(e_z(generated), z)",
        ),
        "y_value": (
            "L_ey is not the mean squared distance of y and E_y(x).",
            "y is -1 or +1 already and E_y's answer a free number: squared differences, mean over all.",
            "F.mse_loss(e_y(x), y), no sigmoid, no cross-entropy.",
        ),
        "generator_moves": (
            "Whose weights would an optimiser of *all* that gets a gradient change?",
            "G is finished: were it to learn here, it could make itself easy to invert and stop being a face painter.",
            "Make the pictures within `with torch.no_grad():`.",
        ),
        "detached": (
            "An encoder gets no gradient from its own loss.",
            "`no_grad` or `detach` reaches too far: only the making of the pictures belongs within it.",
            "with torch.no_grad(): generated = generator(z, y_asked)   and, outside, e_z(generated).",
        ),
    },
)


@encoder_losses.step("two numbers come back")
def _enc_shape(answer) -> None:  # type: ignore[no-untyped-def]
    result = answer(*_encoder_problem())
    if result is None:
        raise Miss("untouched", "your function returned nothing: does it end with `return l_ez, l_ey`?")
    expect(isinstance(result, tuple | list) and len(result) == 2, "shape", f"{type(result).__name__}")
    for part in result:
        expect_shape(part, (), "shape")


@encoder_losses.step("L_ez on generated pictures")
def _enc_z(answer) -> None:  # type: ignore[no-untyped-def]
    problem = _encoder_problem()
    x, y, z, y_asked, generator, e_z, e_y = problem
    mistakes = {
        "real_images": F.mse_loss(e_z(x), z),
        "which_y": F.mse_loss(e_z(generator(z, y)), z),
        "shape": F.mse_loss(e_y(x), y),  # the two in the other order
    }
    expect_close(answer(*problem)[0], F.mse_loss(e_z(generator(z, y_asked)), z), "z_value", mistakes)


@encoder_losses.step("L_ey on real pictures")
def _enc_y(answer) -> None:  # type: ignore[no-untyped-def]
    problem = _encoder_problem()
    x, y, z, y_asked, generator, _, e_y = problem
    mistakes = {
        "generated": F.mse_loss(e_y(generator(z, y_asked)), y_asked),
        "which_y": F.mse_loss(e_y(x), y_asked),
    }
    expect_close(answer(*problem)[1], F.mse_loss(e_y(x), y), "y_value", mistakes)


@encoder_losses.step("both encoders learn, the generator does not")
def _enc_gradient(answer) -> None:  # type: ignore[no-untyped-def]
    problem = _encoder_problem()
    generator, e_z, e_y = problem[4:]
    losses = answer(*problem)
    for loss, encoder, name in zip(losses, (e_z, e_y), ("E_z", "E_y"), strict=True):
        expect(loss.requires_grad, "detached", f"no gradient at {name}")
        (grad,) = torch.autograd.grad(loss, encoder.weight, retain_graph=True, allow_unused=True)
        expect(grad is not None, "detached", f"no gradient at {name}")
    if generator.weight.requires_grad:  # switched off it cannot learn either
        (grad,) = torch.autograd.grad(sum(losses), generator.weight, allow_unused=True)
        expect(grad is None, "generator_moves", "the generator's weights get a gradient")


def _enc_with(made=None, for_z=None, for_y=None, distance=F.mse_loss, y_distance=None):  # type: ignore[no-untyped-def]
    def answer(x, y, z, y_asked, generator, e_z, e_y):  # type: ignore[no-untyped-def]
        with torch.no_grad():
            generated = (made or (lambda g, z, y, asked: g(z, asked)))(generator, z, y, y_asked)
        seen_z = for_z(x, generated) if for_z else generated
        seen_y, truth = for_y(x, y, generated, y_asked) if for_y else (x, y)
        return distance(e_z(seen_z), z), (y_distance or distance)(e_y(seen_y), truth)

    return answer


def _enc_moving(x, y, z, y_asked, generator, e_z, e_y):  # type: ignore[no-untyped-def]
    return F.mse_loss(e_z(generator(z, y_asked)), z), F.mse_loss(e_y(x), y)


def _enc_blind(x, y, z, y_asked, generator, e_z, e_y):  # type: ignore[no-untyped-def]
    with torch.no_grad():
        found = e_z(generator(z, y_asked))
    return F.mse_loss(found, z), F.mse_loss(e_y(x), y)


for _name, _hint, _answer in (
    ("one sum", "shape", lambda *parts: sum(_encoder_losses(*parts))),
    ("L_ey first", "shape", lambda *parts: _encoder_losses(*parts)[::-1]),
    ("not averaged", "shape", _enc_with(distance=lambda a, b: (a - b).square().sum(1))),
    ("E_z on real faces", "real_images", _enc_with(for_z=lambda x, generated: x)),
    ("generated with the faces' own y", "which_y", _enc_with(made=lambda g, z, y, asked: g(z, y))),
    ("absolute distance", "z_value", _enc_with(distance=F.l1_loss)),
    ("E_y on generated faces", "generated", _enc_with(for_y=lambda x, y, g, asked: (g, asked))),
    ("E_y against the asked y", "which_y", _enc_with(for_y=lambda x, y, g, asked: (x, asked))),
    ("E_y by absolute distance", "y_value", _enc_with(y_distance=F.l1_loss)),
    ("generator not frozen", "generator_moves", _enc_moving),
    ("everything under no_grad", "detached", _enc_blind),
):
    encoder_losses.wrong(_name, hint=_hint)(_answer)


# ------------------------------------------------------------------------------------------------ 4. an edit

LABELS = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def _edit(x, labels, column, strength, e_z, generator):  # type: ignore[no-untyped-def]
    target = labels.clone()
    target[:, column] = strength
    return generator(e_z(x), 2 * target - 1)


edit = Exercise(
    "icgan",
    "edit",
    reference=_edit,
    hints={
        "shape": (
            "Pictures come back, as many as went in.",
            "The last thing that happens is the generator.",
            "return generator(z, y)",
        ),
        "code": (
            "The generator has never seen a 0.",
            "It was trained with -1 for absent and +1 for present.",
            "generator(e_z(x), 2 * target - 1)",
        ),
        "coded_before": (
            "At strength 1 all is well. And at 0?",
            "A strength of 0 means absent, and must become -1 like the labels: it, too, goes through 2 s - 1.",
            "First put the strength into the row of 0/1 labels, then code the whole row.",
        ),
        "all_columns": (
            "More than one attribute was changed.",
            "Only the column asked for gets the strength; the others keep the person's labels.",
            "target[:, column] = strength",
        ),
        "column": (
            "The strength stands in another place than was asked.",
            "The first index of `labels` is the face, the second the attribute, and `column` says which.",
            "target[:, column] = strength",
        ),
        "unchanged": (
            "The strength does nothing to the picture.",
            "The generator gets the labels as they were: use the changed copy.",
            "target = labels.clone(); target[:, column] = strength; generator(e_z(x), 2 * target - 1)",
        ),
        "in_place": (
            "Look at `labels` after the call: they have changed.",
            "Assigning to a column writes into the caller's tensor.",
            "target = labels.clone()",
        ),
        "z": (
            "The attributes are right, but whose face is it?",
            "The z comes from this very face, by the encoder.",
            "generator(e_z(x), ...)",
        ),
    },
)


@edit.step("pictures come back")
def _edit_shape(answer) -> None:  # type: ignore[no-untyped-def]
    x, _, _, _, generator, e_z, _ = _encoder_problem()
    expect_shape(answer(x, LABELS.clone(), 1, 1.0, e_z, generator), x.shape, "shape")


@edit.step("this face's z, and y with one entry changed")
def _edit_asked(answer) -> None:  # type: ignore[no-untyped-def]
    x, _, _, _, _, e_z, _ = _encoder_problem()
    for strength, column in ((1.0, 1), (0.0, 1), (0.5, 1), (0.5, 0)):
        generator = _Generator()
        picture = answer(x, LABELS.clone(), column, strength, e_z, generator)
        expect(bool(generator.asked), "z", "the generator was never asked")
        z, y = generator.asked[-1]
        expect(z.shape == (4, 3) and y.shape == (4, 2), "z", f"z {tuple(z.shape)}, y {tuple(y.shape)}")
        target = LABELS.clone()
        target[:, column] = strength
        mixed = 2 * LABELS - 1
        mixed[:, column] = strength
        row, other = LABELS.clone(), LABELS.clone()
        row[column], other[:, 1 - column] = strength, strength
        wrong = [
            ("code", target),
            ("all_columns", torch.full_like(target, 2 * strength - 1)),
            ("unchanged", 2 * LABELS - 1),
            *([("coded_before", mixed)] if strength < 1 else []),
            ("column", 2 * row - 1),
            ("column", 2 * other - 1),
        ]
        expect_close(y, 2 * target - 1, "code", wrong)
        expect_close(z, e_z(x), "z")
        expect_close(picture, generator(e_z(x), 2 * target - 1), "z")


@edit.step("the labels stay as they were")
def _edit_labels(answer) -> None:  # type: ignore[no-untyped-def]
    x, _, _, _, generator, e_z, _ = _encoder_problem()
    labels = LABELS.clone()
    answer(x, labels, 0, 0.25, e_z, generator)
    expect(torch.equal(labels, LABELS), "in_place", "labels were changed by the call")


def _edit_target(labels: Tensor, column: int, strength: float) -> Tensor:
    target = labels.clone()
    target[:, column] = strength
    return target


@edit.wrong("0 and 1 fed", hint="code")
def _edit_uncoded(x, labels, column, strength, e_z, generator):  # type: ignore[no-untyped-def]
    return generator(e_z(x), _edit_target(labels, column, strength))


@edit.wrong("strength put into the code", hint="coded_before")
def _edit_mixed(x, labels, column, strength, e_z, generator):  # type: ignore[no-untyped-def]
    return generator(e_z(x), _edit_target(2 * labels - 1, column, strength))


@edit.wrong("every attribute set", hint="all_columns")
def _edit_all(x, labels, column, strength, e_z, generator):  # type: ignore[no-untyped-def]
    return generator(e_z(x), 2 * torch.full_like(labels, strength) - 1)


@edit.wrong("one column for ever", hint="column")
def _edit_second(x, labels, column, strength, e_z, generator):  # type: ignore[no-untyped-def]
    return generator(e_z(x), 2 * _edit_target(labels, 1, strength) - 1)


@edit.wrong("a person's row set", hint="column")
def _edit_row(x, labels, column, strength, e_z, generator):  # type: ignore[no-untyped-def]
    target = labels.clone()
    target[column] = strength
    return generator(e_z(x), 2 * target - 1)


@edit.wrong("own labels used", hint="unchanged")
def _edit_own(x, labels, column, strength, e_z, generator):  # type: ignore[no-untyped-def]
    return generator(e_z(x), 2 * labels - 1)


@edit.wrong("labels overwritten", hint="in_place")
def _edit_over(x, labels, column, strength, e_z, generator):  # type: ignore[no-untyped-def]
    labels[:, column] = strength
    return generator(e_z(x), 2 * labels - 1)


@edit.wrong("a random z", hint="z")
def _edit_random(x, labels, column, strength, e_z, generator):  # type: ignore[no-untyped-def]
    return generator(torch.randn_like(e_z(x)), 2 * _edit_target(labels, column, strength) - 1)


@edit.wrong("y instead of a picture", hint="shape")
def _edit_y(x, labels, column, strength, e_z, generator):  # type: ignore[no-untyped-def]
    return 2 * _edit_target(labels, column, strength) - 1


# ------------------------------------------------------------------------------------- 5. from one face to another

FIRST, SECOND = torch.tensor([[0.0, 1.0, -2.0]]), torch.tensor([[4.0, -1.0, 2.0]])


def _interpolate(first: Tensor, second: Tensor, steps: int) -> Tensor:
    return torch.cat([first + t * (second - first) for t in torch.linspace(0, 1, steps)])


interpolate = Exercise(
    "icgan",
    "interpolate",
    reference=_interpolate,
    hints={
        "shape": (
            "One row for every step comes back.",
            "`first` and `second` are (1, n); with k steps the answer is (k, n).",
            "torch.cat([first + t * (second - first) for t in torch.linspace(0, 1, steps)])",
        ),
        "ends": (
            "The first row should be `first`, the last one `second`. Are they?",
            "k points have k - 1 gaps between them: t goes 0, 1/(k-1), ..., 1.",
            "torch.linspace(0, 1, steps) holds both ends.",
        ),
        "reversed": (
            "The way is right, the direction is not.",
            "At t = 0 stands `first`.",
            "first + t * (second - first)",
        ),
        "uneven": (
            "The ends are right, and the steps between them?",
            "Equal steps on a straight line: each row differs from the one before by the same vector.",
            "first + t * (second - first), t from torch.linspace(0, 1, steps)",
        ),
    },
)


@interpolate.step("a row for every step")
def _inter_shape(answer) -> None:  # type: ignore[no-untyped-def]
    expect_shape(answer(FIRST, SECOND, 5), (5, 3), "shape")


@interpolate.step("both ends are there")
def _inter_ends(answer) -> None:  # type: ignore[no-untyped-def]
    for steps in (2, 5):
        made = answer(FIRST, SECOND, steps)
        expect_shape(made, (steps, 3), "shape")
        ends = made[[0, -1]]
        expect_close(ends, torch.cat([FIRST, SECOND]), "ends", {"reversed": torch.cat([SECOND, FIRST])})


@interpolate.step("equal steps between")
def _inter_even(answer) -> None:  # type: ignore[no-untyped-def]
    expect_close(answer(FIRST, SECOND, 5), _interpolate(FIRST, SECOND, 5), "uneven")


for _name, _hint, _answer in (
    ("the middle only", "shape", lambda a, b, k: (a + b) / 2),
    ("always five", "shape", lambda a, b, k: _interpolate(a, b, 5)),
    ("stacked", "shape", lambda a, b, k: torch.stack([a + t * (b - a) for t in torch.linspace(0, 1, k)])),
    ("last one missing", "ends", lambda a, b, k: torch.cat([a + i / k * (b - a) for i in range(k)])),
    ("backwards", "reversed", lambda a, b, k: torch.cat([b + t * (a - b) for t in torch.linspace(0, 1, k)])),
    ("squared", "uneven", lambda a, b, k: torch.cat([a + t**2 * (b - a) for t in torch.linspace(0, 1, k)])),
):
    interpolate.wrong(_name, hint=_hint)(_answer)


# ------------------------------------------------------------------------------------ 6. two faces swap attributes


def _swap(x_1, x_2, e_z, e_y, generator):  # type: ignore[no-untyped-def]
    return generator(e_z(x_1), e_y(x_2)), generator(e_z(x_2), e_y(x_1))


swap = Exercise(
    "icgan",
    "swap",
    reference=_swap,
    hints={
        "shape": (
            "Two batches of pictures come back, each as large as x_1.",
            "One generator call for each face.",
            "return generator(z_1, y_2), generator(z_2, y_1)",
        ),
        "nothing": (
            "Nothing has been swapped: these are reconstructions.",
            "A face keeps its z and takes the *other* one's y.",
            "return generator(e_z(x_1), e_y(x_2)), generator(e_z(x_2), e_y(x_1))",
        ),
        "order": (
            "Both pictures are there, but the first is not the first *face*.",
            "The one with the z of x_1 comes first.",
            "return generator(e_z(x_1), e_y(x_2)), generator(e_z(x_2), e_y(x_1))",
        ),
        "coded_twice": (
            "The attributes are too strong, or out of range.",
            "E_y answers in the generator's own code, -1 and +1: it needs no 2 y - 1.",
            "Hand e_y(x_2) to the generator as it is.",
        ),
        "value": (
            "These pictures are not G(E_z(x_1), E_y(x_2)) and G(E_z(x_2), E_y(x_1)).",
            "Two encodings of each face, z and y; only the y change hands, unchanged.",
            "return generator(e_z(x_1), e_y(x_2)), generator(e_z(x_2), e_y(x_1))",
        ),
    },
)


def _swap_problem() -> tuple:  # type: ignore[type-arg]
    x, _, _, _, generator, e_z, e_y = _encoder_problem()
    return x[:2], x[2:], e_z, e_y, generator


@swap.step("two batches of pictures come back")
def _swap_shape(answer) -> None:  # type: ignore[no-untyped-def]
    problem = _swap_problem()
    result = answer(*problem)
    if result is None:
        raise Miss("untouched", "your function returned nothing: does it end with `return ..., ...`?")
    two = isinstance(result, tuple | list | Tensor) and len(result) == 2
    expect(two, "shape", f"{type(result).__name__}")
    for part in result:
        expect_shape(part, problem[0].shape, "shape")


@swap.step("each with its own z and the other's y")
def _swap_value(answer) -> None:  # type: ignore[no-untyped-def]
    problem = _swap_problem()
    x_1, x_2, e_z, e_y, generator = problem
    one, two = _swap(*problem)
    mistakes = {
        "nothing": torch.stack([generator(e_z(x_1), e_y(x_1)), generator(e_z(x_2), e_y(x_2))]),
        "order": torch.stack([two, one]),
        "coded_twice": torch.stack(
            [generator(e_z(x_1), 2 * e_y(x_2) - 1), generator(e_z(x_2), 2 * e_y(x_1) - 1)]
        ),
    }
    expect_close(torch.stack(tuple(answer(*problem))), torch.stack([one, two]), "value", mistakes)


for _name, _hint, _answer in (
    ("one face only", "shape", lambda a, b, z, y, g: g(z(a), y(b))),
    ("reconstructions", "nothing", lambda a, b, z, y, g: (g(z(a), y(a)), g(z(b), y(b)))),
    ("z swapped, y kept", "order", lambda a, b, z, y, g: (g(z(b), y(a)), g(z(a), y(b)))),
    ("coded twice", "coded_twice", lambda a, b, z, y, g: (g(z(a), 2 * y(b) - 1), g(z(b), 2 * y(a) - 1))),
    ("the mean of both y", "value", lambda a, b, z, y, g: (g(z(a), (y(a) + y(b)) / 2),) * 2),
):
    swap.wrong(_name, hint=_hint)(_answer)


# --------------------------------------------------------------------------- 7. a better z, found by gradient descent


def _refine(x, y, z, generator, steps=200, lr=0.05):  # type: ignore[no-untyped-def]
    return icgan.search_z(generator, x, y, z, steps, lr)


refine = Exercise(
    "icgan",
    "refine",
    reference=_refine,
    hints={
        "shape": (
            "A z comes back, of the shape of the one that went in.",
            "The picture is only compared; the code is what is wanted.",
            "return z.detach()",
        ),
        "start": (
            "With no steps at all the answer should be the z that went in.",
            "E_z's answer is the starting point: that is its worth here.",
            "z = z.detach().clone().requires_grad_()",
        ),
        "in_place": (
            "The z that was handed to you has changed.",
            "An optimiser writes into the tensor that it is given: give it a copy.",
            "z = z.detach().clone().requires_grad_()",
        ),
        "uphill": (
            "The picture gets farther from x with every step.",
            "An optimiser makes its loss small: no minus before the distance.",
            "loss = F.mse_loss(generator(z, y), x)",
        ),
        "not_there": (
            "After 300 steps the picture is still far from one that G can make.",
            "Is z what the optimiser moves, are old gradients cleared, and is step() called in each round?",
            "optimiser = torch.optim.Adam([z], lr); in each round: zero_grad(), backward(), step().",
        ),
        "recipe": (
            "The search works, but it is not the one that was asked for: count its steps, look at its rate.",
            "Adam on the mean square error, `steps` rounds, with the learning rate `lr` that was handed in.",
            "optimiser = torch.optim.Adam([z], lr=lr); for _ in range(steps): ...; F.mse_loss(generator(z, y), x)",
        ),
        "generator_moves": (
            "Something happened to the generator.",
            "Its weights are not to move, nor to collect gradients: only z is sought.",
            "torch.optim.Adam([z], lr), and torch.autograd.grad(loss, z), or generator.requires_grad_(False) before.",
        ),
        "attached": (
            "The z that comes back still hangs on its graph.",
            "Who uses it later would go on differentiating through your search.",
            "return z.detach()",
        ),
    },
)


def _refine_problem() -> tuple:  # type: ignore[type-arg]
    _, y, z, _, generator, _, _ = _encoder_problem()
    with torch.no_grad():
        x = generator(z, y)
    return x, y, z + 0.5, generator


@refine.step("a z comes back, without steps the one that went in")
def _refine_start(answer) -> None:  # type: ignore[no-untyped-def]
    x, y, z, generator = _refine_problem()
    value = answer(x, y, z.clone(), generator, 0)
    expect_shape(value, z.shape, "shape")
    expect_close(value, z, "start")


@refine.step("it becomes the z of the picture")
def _refine_found(answer) -> None:  # type: ignore[no-untyped-def]
    x, y, z, generator = _refine_problem()
    given, weight = z.clone(), generator.weight.detach().clone()
    found = answer(x, y, given, generator, 300)
    expect(torch.equal(given, z), "in_place", "the starting z was overwritten")
    expect(torch.equal(generator.weight, weight), "generator_moves", "the generator's weights have changed")
    expect(generator.weight.grad is None, "generator_moves", "the generator's weights have a gradient now")
    expect(not found.requires_grad, "attached", "the answer requires a gradient")
    with torch.no_grad():
        before, after = F.mse_loss(generator(z, y), x), F.mse_loss(generator(found.to(z), y), x)
    expect(after < 2 * before, "uphill", f"error {before:.3f} before, {after:.3f} after")
    expect(after < before / 50, "not_there", f"error {before:.3f} before, {after:.3f} after")


@refine.step("by Adam on the mean square, so many steps at this rate")
def _refine_path(answer) -> None:  # type: ignore[no-untyped-def]
    x, y, z, generator = _refine_problem()
    x = x + torch.linspace(-1, 1, x.numel()).view_as(x).sin()  # no z makes this picture
    right = _refine(x, y, z, generator, 30, 0.02)
    expect_close(answer(x, y, z, generator, 30, 0.02), right, "recipe", atol=1e-3)


def _refine_with(  # type: ignore[no-untyped-def]
    begin=lambda z: z.detach().clone(),
    sign=1.0,
    moves=lambda z, g: [z],
    end=lambda z, x: z.detach(),
    limit=10_000,
    clean=True,
    rate=lambda lr: lr,
):
    def answer(x, y, z, generator, steps=200, lr=0.05):  # type: ignore[no-untyped-def]
        z = begin(z).requires_grad_()
        optimiser = torch.optim.Adam(moves(z, generator), rate(lr))
        for _ in range(min(steps, limit)):
            loss = sign * F.mse_loss(generator(z, y), x)
            optimiser.zero_grad()
            if clean:
                (z.grad,) = torch.autograd.grad(loss, z)
            else:
                loss.backward()
            optimiser.step()
        return end(z, x)

    return answer


for _name, _hint, _answer in (
    ("the picture comes back", "shape", _refine_with(end=lambda z, x: x)),
    ("from a random z", "start", _refine_with(begin=torch.randn_like)),
    ("into the given z", "in_place", _refine_with(begin=lambda z: z)),
    ("distance made large", "uphill", _refine_with(sign=-1.0)),
    ("one step only", "not_there", _refine_with(limit=1)),
    ("a rate of its own", "recipe", _refine_with(rate=lambda lr: 0.05)),
    ("generator in the optimiser", "generator_moves",
     _refine_with(moves=lambda z, g: [z, *g.parameters()], clean=False)),
    ("backward through the generator", "generator_moves", _refine_with(clean=False)),
    ("not detached", "attached", _refine_with(end=lambda z, x: z)),
):  # fmt: skip
    refine.wrong(_name, hint=_hint)(_answer)
