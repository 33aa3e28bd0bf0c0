"""Checks for the exercises of the SaGAN series (Zhang et al. 2018)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fedit_lib.course.checks import Exercise, Miss, close, expect, expect_close, expect_number, expect_shape
from fedit_lib.evaluation import metrics
from fedit_lib.nn import adversarial
from fedit_lib.papers import sagan

# ---------------------------------------------------------------------------------- 1. composed by a mask

IMAGES = torch.linspace(-0.9, 0.9, 2 * 3 * 2 * 2).view(2, 3, 2, 2)
CONTENT = IMAGES.flip(0).roll(1, 3).mul(0.7).sub(0.1)
MASK = torch.tensor([[[[0.0, 1.0], [0.3, 0.8]]], [[[0.5, 0.1], [1.0, 0.0]]]])


def _compose(images: Tensor, content: Tensor, mask: Tensor) -> Tensor:
    """G(I, c) = F_m(I, c) b + I (1 - b)."""
    return content * mask + images * (1 - mask)


compose = Exercise(
    "sagan",
    "compose",
    reference=sagan.blend,
    hints={
        "shape": (
            "A picture comes back, of the same shape as the input.",
            "The mask has one channel, the pictures have three: torch repeats the one for each of the three.",
            "content * mask + images * (1 - mask) is of shape (B, 3, H, W).",
        ),
        "value": (
            "Not the blend of the two pictures that the paper means.",
            "Each pixel is a weighted mean: b of what is painted, 1 - b of what was there.",
            "content * mask + images * (1 - mask)",
        ),
        "turned": (
            "Where the mask is 0 the face should come out *as it went in*.",
            "b is the share of the painted picture, 1 - b that of the input. You have them exchanged.",
            "content * mask + images * (1 - mask)",
        ),
        "added": (
            "Where the mask is 1, nothing of the input should be left.",
            "The painted picture *replaces* the input there; you add it on top.",
            "Weigh the input too: images * (1 - mask).",
        ),
        "hard": (
            "Look at a pixel with a mask of 0.3.",
            "A mask is no yes or no: between 0 and 1 it blends. A step also has no slope to learn from.",
            "No threshold and no rounding: content * mask + images * (1 - mask).",
        ),
        "cut": (
            "The value is right and the mask cannot learn.",
            "The gradient must reach both networks: through the content *and* through the mask.",
            "Neither .detach() nor torch.no_grad() here.",
        ),
    },
)


@compose.step("a picture comes back")
def _compose_shape(answer) -> None:  # type: ignore[no-untyped-def]
    expect_shape(answer(IMAGES, CONTENT, MASK), IMAGES.shape, "shape")


@compose.step("mask 0 is the input, mask 1 the painted picture")
def _compose_ends(answer) -> None:  # type: ignore[no-untyped-def]
    for mask, right, turned in ((0.0, IMAGES, CONTENT), (1.0, CONTENT, IMAGES)):
        made = answer(IMAGES, CONTENT, torch.full_like(MASK, mask))
        expect_close(made, right, "value", {"turned": turned, "added": IMAGES + mask * CONTENT})


@compose.step("and between them a blend")
def _compose_value(answer) -> None:  # type: ignore[no-untyped-def]
    mistakes = {f: _compose(IMAGES, CONTENT, m) for f, m in (("turned", 1 - MASK), ("hard", MASK.round()))}
    found = answer(IMAGES, CONTENT, MASK)
    for threshold in (0.1, 0.2, 0.5, 0.9):
        for hard in ((MASK > threshold).float(), (threshold < MASK).float()):
            if close(found, _compose(IMAGES, CONTENT, hard)):
                raise Miss("hard", "every pixel is from one of the two pictures")
    expect_close(found, _compose(IMAGES, CONTENT, MASK), "value", mistakes)


@compose.step("both networks learn from it")
def _compose_gradient(answer) -> None:  # type: ignore[no-untyped-def]
    content, mask = CONTENT.clone().requires_grad_(), MASK.clone().requires_grad_()
    made = answer(IMAGES, content, mask)
    expect(made.requires_grad, "cut", "no gradient at all")
    grads = torch.autograd.grad(made.square().sum(), (content, mask), allow_unused=True)
    wanted = torch.autograd.grad(_compose(IMAGES, content, mask).square().sum(), (content, mask))
    for name, grad, right in zip(("content", "mask"), grads, wanted, strict=True):
        expect(grad is not None, "cut", f"no gradient at the {name}")
        expect(close(grad, right, atol=1e-5), "cut", f"a part of the gradient at the {name} is missing")


for _name, _hint, _answer in (
    ("exchanged", "turned", lambda i, c, b: i * b + c * (1 - b)),
    ("added on top", "added", lambda i, c, b: i + c * b),
    ("a threshold", "hard", lambda i, c, b: torch.where(b > 0.5, c, i)),
    ("a low threshold", "hard", lambda i, c, b: torch.where(b > 0.1, c, i)),
    ("the mask is held still", "cut", lambda i, c, b: _compose(i, c, b.detach())),
    ("the content is held still", "cut", lambda i, c, b: _compose(i, c.detach(), b)),
    ("half of the mask is held still", "cut", lambda i, c, b: c * b + i * (1 - b.detach())),
    ("meaned over the channels", "shape", lambda i, c, b: _compose(i, c, b).mean(1)),
    ("squared mask", "value", lambda i, c, b: _compose(i, c, b.square())),
):
    compose.wrong(_name, hint=_hint)(_answer)


@compose.wrong("in place", hint="changed")
def _compose_in_place(images, content, mask):  # type: ignore[no-untyped-def]
    images *= 1 - mask
    images += content * mask
    return images


# ---------------------------------------------------------------------------- 2. the two reconstruction terms

FACES = torch.linspace(-0.5, 0.9, 4 * 3 * 2 * 2).view(4, 3, 2, 2)
OWN = torch.tensor([[0.0], [1.0], [1.0], [1.0]])
WANTED = 1 - OWN


class _Generator:
    """A generator with a known answer: darkens or lightens, and remembers what it was asked."""

    def __init__(self) -> None:
        self.scale = torch.tensor(0.9, requires_grad=True)
        self.asked: list[Tensor] = []

    def __call__(self, images: Tensor, label: Tensor) -> Tensor:
        self.asked.append(label.detach())
        return images * self.scale + 0.2 * (label - 0.4)[:, :, None, None] * images.square()


def _rec(images, own, wanted, generator, weights=(20.0, 100.0), back="own", same="own", cut=False, size=None):  # type: ignore[no-untyped-def]
    """L_rec^G, or one with a mistake in it."""
    size = size or (lambda difference: difference.abs().mean())
    labels = {"own": own, "wanted": wanted}
    edited = generator(images, wanted)
    again = generator(edited.detach() if cut else edited, labels[back])
    return weights[0] * size(images - again) + weights[1] * size(images - generator(images, labels[same]))


reconstruction = Exercise(
    "sagan",
    "reconstruction",
    reference=_rec,
    hints={
        "shape": (
            "One number comes back for the whole batch.",
            "The L1 distances are averaged over faces, channels and pixels.",
            "F.l1_loss(a, b) does that.",
        ),
        "value": (
            "The number is not lambda_1 times the way there and back plus lambda_2 times the face left alone.",
            "Three calls of the generator: the edit, the edit *of the edit*, and the face with its own label.",
            "20 * F.l1_loss(g(g(I, c), c_g), I) + 100 * F.l1_loss(g(I, c_g), I), c the wanted and c_g the own label.",
        ),
        "exchanged": (
            "Both terms are there. Which is worth 20, and which 100?",
            "lambda_1 = 20 is for the way there and back, lambda_2 = 100 for the face left as it is.",
            "20 * cycle + 100 * same",
        ),
        "back": (
            "Where does the way back lead?",
            "I is a face with label c_g. Edited to c, it must be asked for c_g *again*.",
            "generator(generator(images, wanted), own)",
        ),
        "same": (
            "Which label leaves a face as it is?",
            "In the second term G is asked for the label that the face has already, c_g.",
            "F.l1_loss(generator(images, own), images)",
        ),
        "cut": (
            "The number is right and half of the lesson is lost.",
            "In the way there and back the generator is used twice, and learns from both uses.",
            "generator(generator(images, wanted), own), without .detach() between.",
        ),
        "squared": (
            "The right parts, in another distance.",
            "|| ||_1 is the sum of absolute differences (here: their mean). Squares forgive small changes everywhere.",
            "F.l1_loss, not F.mse_loss",
        ),
        "sum": (
            "Larger by a factor: the number of values in the batch, or in a face.",
            "With a sum the weights 20 and 100 would mean something else for every image size.",
            'F.l1_loss(a, b) with its default reduction="mean"',
        ),
        "one": (
            "One of the two terms is missing.",
            "The way there and back says nothing of a face that needs no edit, and the reverse.",
            "20 * cycle + 100 * same: both.",
        ),
    },
)


@reconstruction.step("one number comes back")
def _rec_shape(answer) -> None:  # type: ignore[no-untyped-def]
    expect_shape(answer(FACES, OWN, WANTED, _Generator()), (), "shape")


def _absolute_sum(difference: Tensor) -> Tensor:
    return difference.abs().sum()


def _absolute_sum_a_face(difference: Tensor) -> Tensor:
    return difference.abs().sum((1, 2, 3)).mean()


def _square(difference: Tensor) -> Tensor:
    return difference.square().mean()


_REC_MISTAKES = {
    "exchanged": [{"weights": (100.0, 20.0)}],
    "back": [{"back": "wanted"}],
    "same": [{"same": "wanted"}],
    "squared": [{"size": _square}],
    "sum": [{"size": _absolute_sum}, {"size": _absolute_sum_a_face}],
    "one": [{"weights": (20.0, 0.0)}, {"weights": (0.0, 100.0)}],
}


@reconstruction.step("its value for a known generator")
def _rec_value(answer) -> None:  # type: ignore[no-untyped-def]
    value = answer(FACES, OWN, WANTED, _Generator())
    for hint, ways in _REC_MISTAKES.items():
        for way in ways:
            if close(value, _rec(FACES, OWN, WANTED, _Generator(), **way), rtol=1e-4):
                raise Miss(hint, f"{float(value.detach()):.4g}")
    expect_close(value, _rec(FACES, OWN, WANTED, _Generator()), "value")


@reconstruction.step("a generator that does nothing pays nothing")
def _rec_lazy(answer) -> None:  # type: ignore[no-untyped-def]
    expect_close(answer(FACES, OWN, WANTED, lambda images, label: images), 0.0 * FACES.sum(), "value")


@reconstruction.step("the generator learns from all its three uses")
def _rec_gradient(answer) -> None:  # type: ignore[no-untyped-def]
    mine, right = _Generator(), _Generator()
    value = answer(FACES, OWN, WANTED, mine)
    expect(value.requires_grad, "cut", "no gradient reaches the generator")
    (found,) = torch.autograd.grad(value, mine.scale)
    (wanted,) = torch.autograd.grad(_rec(FACES, OWN, WANTED, right), right.scale)
    expect_close(found, wanted, "cut")


for _name, _hint, _way in (
    ("weights exchanged", "exchanged", {"weights": (100.0, 20.0)}),
    ("back to the wanted label", "back", {"back": "wanted"}),
    ("the same with the wanted label", "same", {"same": "wanted"}),
    ("squares", "squared", {"size": _square}),
    ("summed over everything", "sum", {"size": _absolute_sum}),
    ("summed over each face", "sum", {"size": _absolute_sum_a_face}),
    ("the cycle only", "one", {"weights": (20.0, 0.0)}),
    ("the face left alone only", "one", {"weights": (0.0, 100.0)}),
    ("a detach on the way", "cut", {"cut": True}),
    ("equal weights", "value", {"weights": (1.0, 1.0)}),
    ("a number a face", "shape", {"size": lambda d: d.abs().mean((1, 2, 3))}),
):
    reconstruction.wrong(_name, hint=_hint)(
        lambda images, own, wanted, generator, way=_way: _rec(images, own, wanted, generator, **way)
    )


# ------------------------------------------------------------------------ 3. the gradient penalty on a patch map

REAL, FAKE = torch.zeros(3, 3, 4, 4), torch.ones(3, 3, 4, 4)
NUMBERS = 48  # of a picture
_UNIT = 4 / NUMBERS**0.5  # weight with which the mean of the four patches has slope 1


class _Patches:
    """A linear critic (B, 3, 4, 4) -> (B, 1, 2, 2): each patch of 2x2 pixels times one weight. Keeps what it saw."""

    def __init__(self, weight: float) -> None:
        self.weight = torch.tensor(weight, requires_grad=True)
        self.seen: list[Tensor] = []

    def __call__(self, images: Tensor) -> Tensor:
        self.seen.append(images.detach())
        return self.weight * 4 * F.avg_pool2d(images.sum(1, keepdim=True), 2)


def _patch_penalty(critic, real: Tensor, fake: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
    return adversarial.gradient_penalty(lambda x: critic(x).flatten(1).mean(1), real, fake)


def _patch_way(between=None, score=None, length=None, penalty=None, create_graph=True):  # type: ignore[no-untyped-def]
    """The penalty with one of its parts exchanged."""
    between = between or (lambda real, fake: real + torch.rand(len(real), 1, 1, 1) * (fake - real))
    score = score or (lambda patches: patches.flatten(1).mean(1).sum())
    length = length or (lambda slope: slope.flatten(1).norm(dim=1))
    penalty = penalty or (lambda norm: (norm - 1).square().mean())

    def answer(critic, real, fake):  # type: ignore[no-untyped-def]
        x = between(real, fake).requires_grad_()
        (slope,) = torch.autograd.grad(score(critic(x)), x, create_graph=create_graph)
        return penalty(length(slope))

    return answer


patch_penalty = Exercise(
    "sagan",
    "patch_penalty",
    reference=_patch_penalty,
    hints={
        "shape": (
            "One number comes back for the whole batch.",
            "A penalty for each face, then the mean over the faces.",
            "(norm - 1).square().mean()",
        ),
        "value": (
            "A linear critic has the same slope everywhere, so its penalty is known, and yours is another number.",
            "A face's score is the mean of its patches; take the length of its gradient, minus 1, squared.",
            "score = critic(x).flatten(1).mean(1); grad of score.sum(); .flatten(1).norm(dim=1); (norm - 1)^2; mean.",
        ),
        "sum": (
            "With more patches your critic is steeper. Is it meant to be?",
            "The adversarial loss takes the *mean* over the patches: the slope asked for is that of this mean.",
            "critic(x).flatten(1).mean(1).sum(): a mean over a face's patches, a sum over the faces.",
        ),
        "batch": (
            "The more faces in the batch, the flatter your critic seems.",
            "Average over the patches of one face. Over the faces the scores are *summed* (a face's gradient comes "
            "from its own score alone), and only their penalties averaged.",
            "critic(x).flatten(1).mean(1).sum(), not critic(x).mean()",
        ),
        "one_patch": (
            "Which patches does your score look at?",
            "The map has h x w patches, all of them count alike.",
            "critic(x).flatten(1).mean(1), not one entry of the map.",
        ),
        "axis": (
            "Length of what? A picture's gradient is *one* vector with 3 x H x W components.",
            "The norm was taken along the channels only, or over the batch: flatten each face first.",
            "slope.flatten(1).norm(dim=1)",
        ),
        "mean_first": (
            "One face that is too steep and one that is too flat make up for each other with you.",
            "Each face pays for its own length: subtract 1 and square first, then take the mean.",
            "(norm - 1).square().mean(), not (norm.mean() - 1).square()",
        ),
        "one_sided": (
            "A critic that is too flat pays nothing with you.",
            "The paper's penalty is two-sided: too flat is as bad as too steep.",
            "(norm - 1).square().mean(), without a clamp.",
        ),
        "not_between": (
            "Look at the pictures at which you ask for the slope.",
            "They lie on the line from a real face to a fake one, each at a place t of its own.",
            "t = torch.rand(len(real), 1, 1, 1); x = real + t * (fake - real)",
        ),
        "graph": (
            "The number is right, and yet the critic cannot learn from it.",
            "The penalty is itself differentiated, so the gradient must keep its graph.",
            "torch.autograd.grad(score.sum(), x, create_graph=True)",
        ),
    },
)


@patch_penalty.step("one number comes back")
def _patch_shape(answer) -> None:  # type: ignore[no-untyped-def]
    expect_shape(answer(_Patches(1.0), REAL, FAKE), (), "shape")


@patch_penalty.step("a linear critic has a known penalty")
def _patch_value(answer) -> None:  # type: ignore[no-untyped-def]
    for weight in (0.8, 1.0):
        whole = weight * NUMBERS**0.5  # slope of the sum of the patches
        slopes = {"sum": whole, "batch": whole / 12, "one_patch": whole / 2, "axis": weight * 3**0.5 / 4}
        mistakes = {hint: (slope - 1) ** 2 for hint, slope in slopes.items()}
        value = answer(_Patches(weight), REAL, FAKE)
        if close(value, torch.tensor((whole / 4 * 3**0.5 - 1) ** 2)):
            raise Miss("axis", "the gradients of all faces taken as one vector")
        expect_close(value, (whole / 4 - 1) ** 2, "value", mistakes)
    expect_close(answer(_Patches(_UNIT), REAL, FAKE), 0.0, "value")


@patch_penalty.step("too flat is penalised as well")
def _patch_flat(answer) -> None:  # type: ignore[no-untyped-def]
    expect_close(answer(_Patches(0.5 * _UNIT), REAL, FAKE), 0.25, "value", {"one_sided": 0.0})


@patch_penalty.step("the slope is taken between real and fake, at a place for each face")
def _patch_between(answer) -> None:  # type: ignore[no-untyped-def]
    critic = _Patches(1.0)
    for _ in range(3):
        answer(critic, REAL, FAKE)
    t = torch.cat(critic.seen).flatten(1)  # real is 0 and fake 1: the picture *is* t
    expect(((t >= 0) & (t <= 1)).all(), "not_between", f"t from {float(t.min()):.2f} to {float(t.max()):.2f}")
    expect(((t > 0) & (t < 1)).any(), "not_between", "only at the ends")
    expect(torch.allclose(t, t[:, :1].expand_as(t)), "not_between", "t differs from pixel to pixel")
    expect(t[:3, 0].std() > 1e-4, "not_between", "one t for all faces")


@patch_penalty.step("each face has its own slope")
def _patch_each(answer) -> None:  # type: ignore[no-untyped-def]
    faces = torch.linspace(-1, 1, 5 * 3 * 2 * 4).view(5, 3, 2, 4)  # real and fake are one: x is known

    def critic(x: Tensor) -> Tensor:
        return 4 * x.square().sum(1, keepdim=True)

    lengths = faces.flatten(1).norm(dim=1)
    mistakes = {"mean_first": (lengths.mean() - 1).square()}
    expect_close(answer(critic, faces, faces.clone()), (lengths - 1).square().mean(), "value", mistakes)


@patch_penalty.step("the critic learns from it")
def _patch_graph(answer) -> None:  # type: ignore[no-untyped-def]
    critic = _Patches(1.0)
    value = answer(critic, REAL, FAKE)
    if value.requires_grad:
        (grad,) = torch.autograd.grad(value, critic.weight, allow_unused=True)
        if grad is not None and float(grad.abs().sum()) > 0:
            return
    raise Miss("graph", "no gradient at the critic's weights")


for _name, _hint, _answer in (
    ("the sum of the patches", "sum", _patch_way(score=lambda p: p.sum())),
    ("the mean over the batch too", "batch", _patch_way(score=lambda p: p.mean())),
    ("the first patch only", "one_patch", _patch_way(score=lambda p: p[:, 0, 0, 0].sum())),
    ("the best patch only", "one_patch", _patch_way(score=lambda p: p.flatten(1).max(1).values.sum())),
    ("norm of the channels", "axis", _patch_way(length=lambda s: s.norm(dim=1))),
    ("norm of the whole batch", "axis", _patch_way(length=lambda s: s.norm())),
    ("the mean length", "mean_first", _patch_way(penalty=lambda n: (n.mean() - 1).square())),
    ("one-sided", "one_sided", _patch_way(penalty=lambda n: (n - 1).clamp_min(0).square().mean())),
    ("negated", "value", _patch_way(penalty=lambda n: -(n - 1).square().mean())),
    ("a penalty a face", "shape", _patch_way(penalty=lambda n: (n - 1).square())),
    ("at the fakes", "not_between", _patch_way(lambda real, fake: fake.clone())),
    ("a t for each pixel", "not_between", _patch_way(lambda real, fake: real + torch.rand_like(real) * (fake - real))),
    ("one t for the batch", "not_between", _patch_way(lambda real, fake: real + torch.rand(1) * (fake - real))),
    ("without create_graph", "graph", _patch_way(create_graph=False)),
):  # fmt: skip
    patch_penalty.wrong(_name, hint=_hint)(_answer)


# ------------------------------------------------------------------------------ 4. what a mask lets through

GRADIENT = torch.linspace(1.0, -2.0, 2 * 3 * 2 * 2).view(2, 3, 2, 2).sin()


def _through(gradient: Tensor, images: Tensor, content: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Chain rule of G = content b + I (1 - b): dG/dcontent = b, dG/db = content - I."""
    return gradient * mask, (gradient * (content - images)).sum(1, keepdim=True)


through_mask = Exercise(
    "sagan",
    "through_mask",
    reference=_through,
    hints={
        "shape": (
            "Two tensors come back: (B, 3, H, W) for the content, (B, 1, H, W) for the mask.",
            "The mask's one channel was used for three: what comes back along the three is added up.",
            "return gradient * mask, (gradient * (content - images)).sum(1, keepdim=True)",
        ),
        "content": (
            "The content's gradient is not what autograd gives.",
            "Of the painted picture only the share b reaches the result.",
            "gradient * mask",
        ),
        "turned": (
            "Where the mask is 0 the painted picture does not show. Can it learn there?",
            "1 - b is the share of the *input*. The content's share is b.",
            "gradient * mask",
        ),
        "mask": (
            "The mask's gradient is not what autograd gives.",
            "Opening the mask a little moves the result from I towards the content: dG/db = content - I.",
            "(gradient * (content - images)).sum(1, keepdim=True)",
        ),
        "mean": (
            "Right up to a factor of 3.",
            "The three channels use the same mask value: their gradients add up.",
            ".sum(1, keepdim=True), not .mean(1, keepdim=True)",
        ),
        "sign": (
            "The mask would learn the opposite.",
            "Which way does the result move when b grows: towards the content, or towards I?",
            "content - images, not images - content",
        ),
    },
)


@through_mask.step("a gradient for the content, one for the mask")
def _through_shape(answer) -> None:  # type: ignore[no-untyped-def]
    both = answer(GRADIENT, IMAGES, CONTENT, MASK)
    if both is None or both is Ellipsis:
        raise Miss("untouched", "your function returned nothing: does it end with `return ...`?")
    expect(isinstance(both, (tuple, list)) and len(both) == 2, "shape", "not two tensors")
    expect_shape(both[0], CONTENT.shape, "shape")
    expect_shape(both[1], MASK.shape, "shape")


def _autograd(mask: Tensor) -> tuple[Tensor, Tensor]:
    content, mask = CONTENT.clone().requires_grad_(), mask.clone().requires_grad_()
    return torch.autograd.grad(_compose(IMAGES, content, mask), (content, mask), GRADIENT)


@through_mask.step("the same as autograd's")
def _through_value(answer) -> None:  # type: ignore[no-untyped-def]
    content, mask = answer(GRADIENT, IMAGES, CONTENT, MASK)
    right, of_mask = _autograd(MASK)
    expect_close(content, right, "content", {"turned": GRADIENT * (1 - MASK)})
    expect_close(mask, of_mask, "mask", {"mean": of_mask / 3, "sign": -of_mask})


@through_mask.step("an empty mask: the content learns nothing, the mask does")
def _through_empty(answer) -> None:  # type: ignore[no-untyped-def]
    empty = torch.zeros_like(MASK)
    content, mask = answer(GRADIENT, IMAGES, CONTENT, empty)
    expect_close(content, torch.zeros_like(CONTENT), "content")
    expect_close(mask, _autograd(empty)[1], "mask")


for _name, _hint, _answer in (
    ("the input's share", "turned", lambda g, i, c, b: (g * (1 - b), _through(g, i, c, b)[1])),
    ("no share at all", "content", lambda g, i, c, b: (g, _through(g, i, c, b)[1])),
    ("meaned over the channels", "mean", lambda g, i, c, b: (g * b, _through(g, i, c, b)[1] / 3)),
    ("input minus content", "sign", lambda g, i, c, b: (g * b, -_through(g, i, c, b)[1])),
    ("the input forgotten", "mask", lambda g, i, c, b: (g * b, (g * c).sum(1, keepdim=True))),
    ("the mask's own value in it", "mask", lambda g, i, c, b: (g * b, _through(g, i, c, b)[1] * b)),
    ("three channels for the mask", "shape", lambda g, i, c, b: (g * b, g * (c - i))),
    ("the content alone", "shape", lambda g, i, c, b: g * b),
):
    through_mask.wrong(_name, hint=_hint)(_answer)


# ---------------------------------------------------------------------------- 5. the price of an open mask


def _price(images: Tensor, content: Tensor, weight: float) -> Tensor:
    """d/db of weight ||I - G||_1, a mean: G - I = b (content - I), so weight |content - I| / N, summed over RGB."""
    return weight * (content - images).abs().sum(1, keepdim=True) / images.numel()


PAINTED = CONTENT * torch.tensor([1.0, -1.0, 0.5]).view(3, 1, 1)  # lighter in one colour, darker in another

price_of_opening = Exercise(
    "sagan",
    "price_of_opening",
    reference=_price,
    hints={
        "shape": (
            "A price for each pixel of the mask: (B, 1, H, W).",
            "The three channels of a pixel share one mask value, so their prices are added.",
            ".sum(1, keepdim=True)",
        ),
        "value": (
            "Not the derivative that autograd gives.",
            "G - I = b (content - I), and b is not negative. So ||I - G||_1 is the mean of b |content - I|.",
            "weight * (content - images).abs().sum(1, keepdim=True) / images.numel()",
        ),
        "sign": (
            "Can opening the mask make G(I, c_g) *more* like I?",
            "With a mask of 0 the term is 0 already: every opening costs, or is free. The absolute value is missing.",
            "(content - images).abs()",
        ),
        "scale": (
            "Right up to a factor: how many numbers does the mean run over?",
            "L1 is averaged over faces, *channels* and pixels: B x 3 x H x W numbers.",
            "Divide the sum over the channels by images.numel().",
        ),
        "weight": (
            "With lambda_2 twice as large the price should double.",
            "The derivative of lambda_2 times the term is lambda_2 times the derivative.",
            "weight * ...",
        ),
        "squared": (
            "That is the derivative of a squared error.",
            "L1: the derivative of |u| is 1, 0 or -1, times that of u.",
            "(content - images).abs(), not its square.",
        ),
    },
)


@price_of_opening.step("a price for each pixel of the mask")
def _price_shape(answer) -> None:  # type: ignore[no-untyped-def]
    expect_shape(answer(IMAGES, CONTENT, 100.0), MASK.shape, "shape")


@price_of_opening.step("the same as autograd's, whatever the mask")
def _price_value(answer) -> None:  # type: ignore[no-untyped-def]
    for weight in (100.0, 7.0):
        found = answer(IMAGES, PAINTED, weight)
        for mask in (MASK.clamp(0.05, 1), torch.full_like(MASK, 1e-3)):
            mask = mask.clone().requires_grad_()
            term = weight * F.l1_loss(_compose(IMAGES, PAINTED, mask), IMAGES)
            (right,) = torch.autograd.grad(term, mask)
            for factor in (2.0, 3.0, 12.0, 24.0, 1 / 3, 4.0, 8.0):
                if close(found, right * factor, rtol=1e-4):
                    raise Miss("scale", f"{factor:.3g} times the derivative")
            signed = weight * (PAINTED - IMAGES).sum(1, keepdim=True) / IMAGES.numel()
            squared = weight * (PAINTED - IMAGES).square().sum(1, keepdim=True) / IMAGES.numel()
            mistakes = {"sign": signed, "squared": squared, "weight": right / weight}
            if close(found, -signed) or close(found, -right, rtol=1e-4):
                raise Miss("sign", "a negative price")
            expect_close(found, right, "value", mistakes)


@price_of_opening.step("what is painted like the face may show for nothing")
def _price_free(answer) -> None:  # type: ignore[no-untyped-def]
    free = answer(IMAGES, IMAGES.clone(), 100.0)
    expect_close(free, torch.zeros_like(MASK), "value")


for _name, _hint, _answer in (
    ("no absolute value", "sign", lambda i, c, w: w * (c - i).sum(1, keepdim=True) / i.numel()),
    (
        "the absolute value after the sum",
        "value",
        lambda i, c, w: w * (c - i).sum(1, keepdim=True).abs() / i.numel(),
    ),
    ("a reward", "sign", lambda i, c, w: -_price(i, c, w)),
    ("a mean over the pixels of a channel", "scale", lambda i, c, w: _price(i, c, w) * 3),
    ("a sum", "scale", lambda i, c, w: _price(i, c, w) * i.numel()),
    ("no lambda", "weight", lambda i, c, w: _price(i, c, 1.0)),
    ("squared", "squared", lambda i, c, w: w * (c - i).square().sum(1, keepdim=True) / i.numel()),
    ("three channels", "shape", lambda i, c, w: w * (c - i).abs() / i.numel()),
    ("the square root", "value", lambda i, c, w: _price(i, c, w).sqrt()),
):
    price_of_opening.wrong(_name, hint=_hint)(_answer)


# ------------------------------------------------------------------------------- 6. two attributes in turn


class _Painter:
    """A one-attribute model with a known answer: (images, strength (B, 1)) -> (edited, mask)."""

    def __init__(self, square: tuple[slice, slice], gain: float) -> None:
        self.square, self.gain = square, gain
        self.asked: list[int] = []

    def __call__(self, images: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
        self.asked.append(len(images))
        mask = torch.zeros_like(images[:, :1])
        mask[:, :, self.square[0], self.square[1]] = 0.8
        content = self.gain * images + 0.3 * (2 * strength - 1)[:, :, None, None]
        return _compose(images, content, mask), mask


def _painters() -> list[_Painter]:
    return [_Painter((slice(0, 3), slice(0, 3)), 0.5), _Painter((slice(2, 4), slice(1, 4)), -0.5)]


TURN_FACES = torch.linspace(-0.6, 0.6, 4 * 3 * 4 * 4).view(4, 3, 4, 4)
TURN_LABELS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
TURN_TARGET = torch.tensor([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0], [1.0, 1.0]])


def _in_turn(images, labels, target, models, everyone=False, start="last", told="target", union="max"):  # type: ignore[no-untyped-def]
    """Each model in turn on the faces it has to move; or with a mistake in it."""
    edited, masks = images.clone(), [torch.zeros_like(images[:, :1])]
    for j, model in enumerate(models):
        rows = torch.ones(len(images), dtype=torch.bool) if everyone else labels[:, j] != target[:, j]
        if not rows.any():
            continue
        before = edited if start == "last" else images
        made, mask = model(before[rows], (target if told == "target" else labels)[rows, j : j + 1])
        edited[rows] = made
        whole = torch.zeros_like(masks[0])
        whole[rows] = mask
        masks.append(whole)
    stack = torch.stack(masks)
    joined = {
        "max": stack.amax(0),
        "sum": stack.sum(0),
        "clamped": stack.sum(0).clamp(max=1),
        "last": stack[-1],
        "mean": stack.sum(0) / max(1, len(masks) - 1),
    }
    return edited, joined[union]


in_turn = Exercise(
    "sagan",
    "in_turn",
    reference=_in_turn,
    hints={
        "shape": (
            "Two tensors come back: the pictures (B, 3, H, W) and the union of the masks (B, 1, H, W).",
            "Begin with a copy of the images and with a mask of zeros, and change both model by model.",
            "return edited, mask",
        ),
        "everyone": (
            "Look at a face whose target equals its label: it was changed.",
            "A model that is asked for what is there already still repaints a little. Leave such faces out.",
            "rows = labels[:, j] != target[:, j], and only those rows go to the model.",
        ),
        "parallel": (
            "Where two edits overlap only the second is seen.",
            "In turn: the second model gets what the first has *made*, not the original face.",
            "made, mask = model(edited[rows], ...); edited[rows] = made",
        ),
        "label": (
            "The models are asked for what the faces have already.",
            "The strength handed to the model is the target's, not the label's.",
            "model(edited[rows], target[rows, j : j + 1])",
        ),
        "sum": (
            "Where two masks overlap the attention is more than either of them.",
            "The union of two masks is their maximum.",
            "torch.maximum(mask[rows], new)",
        ),
        "last": (
            "A part of the attention is missing.",
            "Every model that moved a face looked somewhere: keep all the places, not the last only.",
            "mask[rows] = torch.maximum(mask[rows], new)",
        ),
        "value": (
            "Something else than the models' work, one after the other, came out.",
            "For each attribute j: the rows whose target differs, that model, its result put back into those rows.",
            "rows = labels[:, j] != target[:, j]; made, new = model(edited[rows], target[rows, j : j + 1])",
        ),
        "input": (
            "Look at the images that you were given: they are no longer what they were.",
            "edited = images is a second name for the same numbers.",
            "edited = images.clone()",
        ),
    },
)


@in_turn.step("pictures and a mask come back")
def _turn_shape(answer) -> None:  # type: ignore[no-untyped-def]
    both = answer(TURN_FACES.clone(), TURN_LABELS, TURN_TARGET, _painters())
    if both is None or both is Ellipsis:
        raise Miss("untouched", "your function returned nothing: does it end with `return ...`?")
    expect(isinstance(both, (tuple, list)) and len(both) == 2, "shape", "not two tensors")
    expect_shape(both[0], TURN_FACES.shape, "shape")
    expect_shape(both[1], (4, 1, 4, 4), "shape")


@in_turn.step("a face that is as wanted stays as it is")
def _turn_still(answer) -> None:  # type: ignore[no-untyped-def]
    edited, mask = answer(TURN_FACES.clone(), TURN_LABELS, TURN_LABELS, _painters())
    expect(
        torch.equal(edited, TURN_FACES) and float(mask.sum()) == 0, "everyone", "all targets equal the labels"
    )
    edited, _ = answer(TURN_FACES.clone(), TURN_LABELS, TURN_TARGET, _painters())
    expect(torch.equal(edited[3], TURN_FACES[3]), "everyone", "the last face, whose target equals its label")


@in_turn.step("one model after the other")
def _turn_value(answer) -> None:  # type: ignore[no-untyped-def]
    def right(**way: str) -> Tensor:
        return _in_turn(TURN_FACES, TURN_LABELS, TURN_TARGET, _painters(), **way)[0]

    edited, _ = answer(TURN_FACES.clone(), TURN_LABELS, TURN_TARGET, _painters())
    mistakes = {
        "parallel": right(start="first"),
        "label": right(told="label"),
        "everyone": _in_turn(TURN_FACES, TURN_LABELS, TURN_TARGET, _painters(), everyone=True)[0],
    }
    expect_close(edited, right(), "value", mistakes)


@in_turn.step("the attention is the union of their masks")
def _turn_mask(answer) -> None:  # type: ignore[no-untyped-def]
    _, mask = answer(TURN_FACES.clone(), TURN_LABELS, TURN_TARGET, _painters())
    joined = {
        how: _in_turn(TURN_FACES, TURN_LABELS, TURN_TARGET, _painters(), union=how)[1]
        for how in ("max", "sum", "clamped", "last", "mean")
    }
    if close(mask, joined["mean"]):
        raise Miss("last", "the mean of the masks")
    sums = [("sum", joined["sum"]), ("sum", joined["clamped"])]
    expect_close(mask, joined["max"], "last", sums)


@in_turn.step("the given images are left alone")
def _turn_input(answer) -> None:  # type: ignore[no-untyped-def]
    given = TURN_FACES.clone()
    answer(given, TURN_LABELS, TURN_TARGET, _painters())
    expect(torch.equal(given, TURN_FACES), "input", "the tensor handed to your function has changed")


def _turn_in_place(images, labels, target, models):  # type: ignore[no-untyped-def]
    edited, mask = _in_turn(images, labels, target, models)
    return images.copy_(edited), mask


def _turn_backwards(images, labels, target, models):  # type: ignore[no-untyped-def]
    return _in_turn(images, labels.flip(1), target.flip(1), models[::-1])


for _name, _hint, _way in (
    ("asked of everyone", "everyone", {"everyone": True}),
    ("each from the original", "parallel", {"start": "first"}),
    ("told the labels", "label", {"told": "label"}),
    ("masks added", "sum", {"union": "sum"}),
    ("masks added up to 1", "sum", {"union": "clamped"}),
    ("the last mask", "last", {"union": "last"}),
    ("the mean of the masks", "last", {"union": "mean"}),
):
    in_turn.wrong(_name, hint=_hint)(
        lambda images, labels, target, models, way=_way: _in_turn(images, labels, target, models, **way)
    )
in_turn.wrong("in place", hint="input")(_turn_in_place)
in_turn.wrong("in the other order", hint="value")(_turn_backwards)
in_turn.wrong("no mask", hint="shape")(lambda *parts: _in_turn(*parts)[0])


# --------------------------------------------------------------------- 7. and 8. is the mask where it should be?

ATTENTION = torch.tensor([[0.9, 0.2, 0.6, 0.02], [0.05, 0.8, 0.3, 0.12], [0.4, 0.0, 0.15, 0.7]])
REGION = torch.tensor([[1, 0, 0, 0], [0, 1, 1, 1], [0, 0, 1, 0]]).bool()


def _iou(mask: Tensor, region: Tensor, threshold: float = 0.1) -> Tensor:
    return metrics.intersection_over_union(mask[None], region[None], threshold)[0]


overlap = Exercise(
    "sagan",
    "overlap",
    reference=_iou,
    hints={
        "shape": (
            "One number comes back.",
            "A count of pixels divided by a count of pixels.",
            "(found & region).sum() / (found | region).sum()",
        ),
        "value": (
            "Not the share that the two sets of pixels have in common.",
            "Intersection: pixels in both. Union: pixels in at least one. Divide.",
            "(found & region).sum() / (found | region).sum()",
        ),
        "half": (
            "A mask that is open everywhere would be perfect with you, or one that found a single right pixel.",
            "You divide by the pixels of one of the two sets: that is recall, or precision.",
            "Divide by the *union*, (found | region).sum().",
        ),
        "dice": (
            "Close: this is another usual measure, and it is kinder.",
            "Dice counts the intersection twice, over the sum of both sizes.",
            "Intersection over union: (found & region).sum() / (found | region).sum().",
        ),
        "accuracy": (
            "An empty mask gets a good mark from you. A small region makes most pixels easy.",
            "Pixels that are in neither set must not count.",
            "(found & region).sum() / (found | region).sum()",
        ),
        "threshold": (
            "Which pixels has the mask found?",
            "Those where it *exceeds* the threshold that was handed in, 0.1 unless told.",
            "found = mask > threshold",
        ),
    },
)


@overlap.step("one number comes back")
def _iou_shape(answer) -> None:  # type: ignore[no-untyped-def]
    expect_number(answer(ATTENTION, REGION), "shape")


@overlap.step("its value on twelve pixels, at three thresholds")
def _iou_value(answer) -> None:  # type: ignore[no-untyped-def]
    for threshold in (0.25, 0.55, 0.1):
        found = answer(ATTENTION, REGION, threshold)
        yes = threshold < ATTENTION
        both, size, true = (yes & REGION).sum(), yes.sum(), REGION.sum()
        usual = [("dice", 2 * both / (size + true)), ("accuracy", (yes == REGION).float().mean())]
        usual += [("half", both / true), ("half", both / size)]
        usual += [("threshold", _iou(ATTENTION, REGION, other)) for other in (0.0, 0.1, 0.5)]
        right = _iou(ATTENTION, REGION, threshold)
        for hint, wrong in usual:
            if not torch.isclose(right, wrong):
                expect(not close(found, wrong), hint, f"{float(found):.3f} at {threshold:g}")
        expect_close(found, right, "value")


@overlap.step("a pixel exactly at the threshold is not found")
def _iou_at(answer) -> None:  # type: ignore[no-untyped-def]
    expect_close(answer(torch.full((2, 2), 0.5), torch.ones(2, 2).bool(), 0.5), 0.0, "threshold")


for _name, _hint, _answer in (
    ("recall", "half", lambda m, r, t=0.1: ((m > t) & r).sum() / r.sum()),
    ("precision", "half", lambda m, r, t=0.1: ((m > t) & r).sum() / (m > t).sum()),
    ("dice", "dice", lambda m, r, t=0.1: 2 * ((m > t) & r).sum() / ((m > t).sum() + r.sum())),
    ("accuracy", "accuracy", lambda m, r, t=0.1: ((m > t) == r).float().mean()),
    ("always 0.5", "threshold", lambda m, r, t=0.1: _iou(m, r, 0.5)),
    ("at least", "threshold", lambda m, r, t=0.1: _iou(m, r, t - 1e-6)),
    ("not divided", "value", lambda m, r, t=0.1: ((m > t) & r).sum()),
    ("symmetric difference", "value", lambda m, r, t=0.1: ((m > t) ^ r).sum() / ((m > t) | r).sum()),
    ("a number a row", "shape", lambda m, r, t=0.1: ((m > t) & r).sum(1) / ((m > t) | r).sum(1)),
):
    overlap.wrong(_name, hint=_hint)(_answer)


def _ap(mask: Tensor, region: Tensor) -> Tensor:
    return metrics.average_precision(mask[None], region[None])[0]


def _ap_way(mask: Tensor, region: Tensor, descending: bool = True, over: str = "hits") -> Tensor:
    """Average precision with ties broken by order, and with one part exchanged."""
    order = mask.flatten().argsort(descending=descending, stable=True)
    hit = region.flatten()[order].float()
    precision = hit.cumsum(0) / torch.arange(1, len(hit) + 1)
    if over == "all":
        return precision.mean()
    if over == "recall":
        return (hit.cumsum(0) / hit.sum()).mean()
    return (precision * hit).sum() / hit.sum()


def _roc(mask: Tensor, region: Tensor) -> Tensor:
    yes, no = mask[region], mask[~region]
    return (yes[:, None] > no).float().mean()


average_precision = Exercise(
    "sagan",
    "average_precision",
    reference=_ap,
    hints={
        "shape": (
            "One number comes back.",
            "The mean, over the pixels of the region, of the precision at each of them.",
            "precision[hit].mean()",
        ),
        "value": (
            "Not the average precision of these pixels.",
            "Sort the pixels by the mask, the largest first. At each pixel *of the region* note which share of the "
            "pixels so far belongs to it; take the mean of these shares.",
            "hit = region.flatten()[order]; precision = hit.cumsum(0) / arange(1, N + 1); precision[hit].mean()",
        ),
        "ascending": (
            "A perfect mask gets the worst mark.",
            "The pixels that the mask is surest of come first.",
            "mask.flatten().argsort(descending=True)",
        ),
        "all": (
            "You average over all pixels.",
            "Precision is noted only where the recall grows: at the pixels of the region.",
            "precision[hit].mean()",
        ),
        "roc": (
            "This is the area under the ROC curve. Hard to be bad at where the region is small.",
            "Average precision looks at precision, which suffers from every false pixel found early.",
            "precision[hit].mean(), with precision = hit.cumsum(0) / arange(1, N + 1)",
        ),
        "threshold": (
            "Twice the same mask, half as bright, and your number changed.",
            "Only the *order* of the pixels counts: that is what makes it free of a threshold.",
            "Sort; do not compare with a number.",
        ),
        "ties": (
            "A mask that is the same everywhere knows nothing, yet your number depends on where the region lies.",
            "Equal pixels are found all at once: each of them has the precision at the *last* of them.",
            "For each pixel: found = mask >= its value; precision = (found & region).sum() / found.sum().",
        ),
    },
)


@average_precision.step("one number comes back")
def _ap_shape(answer) -> None:  # type: ignore[no-untyped-def]
    expect_number(answer(ATTENTION, REGION), "shape")


@average_precision.step("its value on twelve pixels")
def _ap_value(answer) -> None:  # type: ignore[no-untyped-def]
    found = answer(ATTENTION, REGION)
    thresholds = [((ATTENTION > t) & REGION).sum() / (ATTENTION > t).sum() for t in (0.1, 0.25, 0.5)]
    if any(close(found, t) for t in thresholds):
        raise Miss("threshold", "the precision at one threshold")
    mistakes = {
        "ascending": _ap_way(ATTENTION, REGION, descending=False),
        "all": _ap_way(ATTENTION, REGION, over="all"),
        "roc": _roc(ATTENTION, REGION),
    }
    expect_close(found, _ap(ATTENTION, REGION), "value", mistakes)


@average_precision.step("only the order counts")
def _ap_order(answer) -> None:  # type: ignore[no-untyped-def]
    expect_close(answer(ATTENTION.square() / 2, REGION), answer(ATTENTION, REGION), "threshold")
    expect_close(answer(REGION * 0.02, REGION), 1.0, "threshold")


@average_precision.step("a constant mask gets the region's share of the picture")
def _ap_ties(answer) -> None:  # type: ignore[no-untyped-def]
    for region in (REGION, REGION.flip(0, 1), ~REGION):
        expect_close(answer(torch.full((3, 4), 0.5), region), region.float().mean(), "ties")
    half = (ATTENTION > 0.35).float()
    expect_close(answer(half, REGION), _ap(half, REGION), "ties")


def _ap_weighted(mask, region):  # type: ignore[no-untyped-def]
    return (mask * region).sum() / mask.sum()


for _name, _hint, _answer in (
    ("the smallest first", "ascending", lambda m, r: _ap_way(m, r, descending=False)),
    ("over all pixels", "all", lambda m, r: _ap_way(m, r, over="all")),
    ("area under the ROC curve", "roc", _roc),
    ("precision at one half", "threshold", lambda m, r: ((m > 0.5) & r).sum() / (m > 0.5).sum()),
    ("ties by their place", "ties", _ap_way),
    ("mean recall", "value", lambda m, r: _ap_way(m, r, over="recall")),
    ("weighted by the mask", "value", _ap_weighted),
    ("a number a row", "shape", lambda m, r: (m * r).sum(1)),
):
    average_precision.wrong(_name, hint=_hint)(_answer)
