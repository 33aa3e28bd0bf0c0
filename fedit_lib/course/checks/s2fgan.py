"""Checks for the exercises of the S2FGAN series (Yang et al. 2022)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from fedit_lib.course.checks import Exercise, Miss, close, expect, expect_close, expect_shape
from fedit_lib.nn import ModulatedConv, r1_penalty, reverse_gradient
from fedit_lib.papers import s2fgan


def _mean_abs(x: Tensor) -> Tensor:
    return x.abs().mean()


def _mean_square(x: Tensor) -> Tensor:
    return x.square().mean()


# ------------------------------------------------------------------------------------ 1. gradient reversal

CODE = torch.linspace(-1, 2, 3 * 4).view(3, 4).sin()
GRADIENT = torch.linspace(0.5, 3, 3 * 4).view(3, 4).cos()


class _Library:
    """The library's function in the dress of an autograd.Function."""

    apply = staticmethod(reverse_gradient)


reversal = Exercise(
    "s2fgan",
    "reversal",
    reference=_Library,
    hints={
        "shape": (
            "On the way forward the code comes out as it went in: same shape, same numbers.",
            "forward(ctx, x, strength) returns x, as a tensor of its shape.",
            "return x.view_as(x)",
        ),
        "forward": (
            "The judge should see the code as it is. Does it?",
            "Only the *gradient* is reversed: forward changes nothing, whatever the strength.",
            "forward: ctx.strength = strength; return x.view_as(x)",
        ),
        "value": (
            "The gradient that leaves is not -strength times the one that came in.",
            "backward gets the gradient at the output. It gives back the gradient at x, and None for the strength.",
            "return -ctx.strength * gradient, None",
        ),
        "sign": (
            "With this the encoder *helps* the judge. What should it do?",
            "The name says it: on the way back the gradient changes its sign.",
            "return -ctx.strength * gradient, None",
        ),
        "strength": (
            "Check a strength of 0.5: how hard does the encoder hide?",
            "The gradient is reversed *and* multiplied by the strength, which backward finds where forward left it.",
            "forward: ctx.strength = strength; backward: return -ctx.strength * gradient, None",
        ),
        "chain": (
            "Which part of the chain rule came in, and where is it in what you return?",
            "backward multiplies the gradient that comes in; a constant would forget all that follows on the code.",
            "-ctx.strength * gradient: times the gradient.",
        ),
        "context": (
            "Call it twice with two strengths, then go back. Which strength does the first call find?",
            "Each call has a ctx of its own. The class, or a global name, is shared by all of them.",
            "ctx.strength = strength, not Reversal.strength = strength",
        ),
        "in_place": (
            "After your function has run, a tensor that is not yours has other numbers.",
            "x and the gradient may be in use elsewhere: make new tensors, change none.",
            "-ctx.strength * gradient: no *=, no mul_, no neg_.",
        ),
        "count": (
            "How many arguments does forward have besides ctx, and how many gradients does backward return?",
            "One gradient for each argument, in their order. A plain number has none: None stands for it.",
            "return -ctx.strength * gradient, None",
        ),
        "stuck": (
            "No gradient arrives at the code at all: the encoder learns nothing.",
            "To reverse a gradient is not to stop it: backward returns a tensor for x.",
            "No detach() around the Function; backward: return -ctx.strength * gradient, None",
        ),
    },
)


def _back(answer, strength: float, gradient: Tensor, more=None) -> Tensor:  # type: ignore[no-untyped-def]
    """The gradient at the code for one at the output. more: called between the two ways."""
    x = CODE.clone().requires_grad_()
    out = answer.apply(x, strength)
    if more:
        more()
    expect(out.requires_grad, "stuck", "what comes out of the Function carries no gradient")
    try:
        (found,) = torch.autograd.grad(out, x, gradient, allow_unused=True)
    except RuntimeError as error:
        if "Backward returned" in str(error):  # torch's words for gradients that are too few, or for a number
            raise Miss("count", str(error)) from None
        raise
    expect(found is not None, "stuck", "the gradient at the code is None")
    return found


@reversal.step("forward changes nothing")
def _reversal_forward(answer) -> None:  # type: ignore[no-untyped-def]
    x = CODE.clone()
    out = answer.apply(x, 0.5)
    expect_shape(out, CODE.shape, "shape")
    expect_close(x, CODE, "in_place")
    expect_close(out, CODE, "forward")


@reversal.step("backward turns the gradient and scales it")
def _reversal_backward(answer) -> None:  # type: ignore[no-untyped-def]
    for k in (0.5, 2.0):
        mistakes = (
            ("sign", k * GRADIENT),
            ("sign", GRADIENT),
            ("strength", -GRADIENT),
            ("chain", torch.full_like(GRADIENT, -k)),
        )
        expect_close(_back(answer, k, GRADIENT.clone()), -k * GRADIENT, "value", mistakes)


@reversal.step("each call keeps its own strength")
def _reversal_context(answer) -> None:  # type: ignore[no-untyped-def]
    found = _back(answer, 0.5, GRADIENT.clone(), more=lambda: answer.apply(CODE.clone(), 2.0))
    expect_close(found, -0.5 * GRADIENT, "value", {"context": -2.0 * GRADIENT})


@reversal.step("the gradient that came in stays as it was")
def _reversal_in_place(answer) -> None:  # type: ignore[no-untyped-def]
    gradient = GRADIENT.clone()
    _back(answer, 0.5, gradient)
    expect_close(gradient, GRADIENT, "in_place")


def _function(forward=lambda x, k: x.view_as(x), backward=lambda g, k: (-k * g, None)):  # type: ignore[no-untyped-def]
    """A Function of these two ways, whose ctx keeps the strength."""

    class Answer(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, strength):  # type: ignore[no-untyped-def]
            ctx.strength = strength
            return forward(x, strength)

        @staticmethod
        def backward(ctx, gradient):  # type: ignore[no-untyped-def]
            return backward(gradient, ctx.strength)

    return Answer


class _Shared(torch.autograd.Function):
    """Keeps the strength at the class, where the next call finds it."""

    strength = 1.0

    @staticmethod
    def forward(ctx, x, strength):  # type: ignore[no-untyped-def]
        _Shared.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        return -_Shared.strength * gradient, None


class _Detached:
    apply = staticmethod(lambda x, strength: reverse_gradient(x, strength).detach())


for _name, _hint, _class in (
    ("a row is lost", "shape", _function(forward=lambda x, k: x[0].clone())),
    ("reversed on the way forward", "forward", _function(forward=lambda x, k: -x)),
    ("scaled on the way forward", "forward", _function(forward=lambda x, k: k * x)),
    ("no sign", "sign", _function(backward=lambda g, k: (k * g, None))),
    ("passed through", "sign", _function(backward=lambda g, k: (g, None))),
    ("the strength forgotten", "strength", _function(backward=lambda g, k: (-g, None))),
    ("a constant", "chain", _function(backward=lambda g, k: (torch.full_like(g, -k), None))),
    ("divided by the strength", "value", _function(backward=lambda g, k: (-g / k, None))),
    ("the strength at the class", "context", _Shared),
    ("the gradient changed in place", "in_place", _function(backward=lambda g, k: (g.mul_(-k), None))),
    ("the code changed in place", "in_place", _function(forward=lambda x, k: x.neg_().clone())),
    ("one gradient for two arguments", "count", _function(backward=lambda g, k: -k * g)),
    ("a gradient for the strength", "count", _function(backward=lambda g, k: (-k * g, g.sum()))),
    ("no gradient for the code", "stuck", _function(backward=lambda g, k: (None, None))),
    ("detached", "stuck", _Detached),
):
    reversal.wrong(_name, hint=_hint)(_class)


# ------------------------------------------------------------------------------- 2. modulated convolution

X = torch.linspace(-2, 3, 2 * 3 * 5 * 4).view(2, 3, 5, 4).sin()
KERNELS = torch.linspace(0, 9, 3 * 3 * 3 * 3).view(3, 3, 3, 3).cos()
SCALES = torch.tensor([[1.5, -0.4, 0.8], [0.3, 2.0, 1.1]])


def _inputs_scaled(weight: Tensor, s: Tensor) -> Tensor:
    """w' = s_i w_oik, for every face: (B, out, in, k, k)."""
    return weight * s[:, None, :, None, None]


def _outputs_scaled(weight: Tensor, s: Tensor) -> Tensor:
    return weight * s[:, :, None, None, None]


def _demodulated(dims=(2, 3, 4), measure=torch.sum, power=-0.5, eps=1e-8):  # type: ignore[no-untyped-def]
    """w'' = w' / sqrt(sum_ik w'^2 + eps), or with one of its parts exchanged."""
    return lambda w, weight: w * (measure(w.square(), dims, keepdim=True) + eps) ** power


def _sum_held_still(squares: Tensor, dims: tuple[int, ...], keepdim: bool) -> Tensor:
    return squares.detach().sum(dims, keepdim)


def _by_original(w: Tensor, weight: Tensor) -> Tensor:
    return w / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()


def _modulated(modulate=_inputs_scaled, demodulate=None, stack=lambda w: w.flatten(0, 1), padding=None, folded=True):  # type: ignore[no-untyped-def]  # fmt: skip
    """The convolution by groups, or with one of its parts exchanged."""
    demodulate = demodulate or _demodulated()

    def answer(x, weight, s):  # type: ignore[no-untyped-def]
        faces, (out, _, k, _) = len(x), weight.shape
        w = stack(demodulate(modulate(weight, s), weight))
        pad = k // 2 if padding is None else padding
        y = F.conv2d(x.reshape(1, -1, *x.shape[2:]), w, padding=pad, groups=faces)
        return y.reshape(faces, out, *y.shape[2:]) if folded else y

    return answer


def _by_module(x: Tensor, weight: Tensor, s: Tensor) -> Tensor:
    """The library's layer, with these weights and with scales that are the style itself."""
    out, channels, kernel, _ = weight.shape
    layer = ModulatedConv(channels, out, style=channels, kernel=kernel)
    state = {
        "weight": weight / layer.scale,
        "affine.weight": torch.eye(channels) / layer.affine.scale,
        "affine.bias": torch.zeros(channels),
    }
    return functional_call(layer, state, (x, s))


_CONV_WAYS = (
    ("the output channels are scaled", "axis", {"modulate": _outputs_scaled}),
    ("the output channels, and no demodulation", "axis",
     {"modulate": _outputs_scaled, "demodulate": lambda w, weight: w}),
    ("the scales are not used", "unmodulated", {"modulate": lambda weight, s: _inputs_scaled(weight, s**0)}),
    ("no demodulation", "no_demodulation", {"demodulate": lambda w, weight: w}),
    ("demodulated before it is modulated", "order", {"demodulate": _by_original}),
    ("summed over the outputs", "norm_axis", {"demodulate": _demodulated((1, 3, 4))}),
    ("summed over the kernel only", "norm_axis", {"demodulate": _demodulated((3, 4))}),
    ("summed over the inputs only", "norm_axis", {"demodulate": _demodulated((2,))}),
    ("summed over the outputs too", "norm_axis", {"demodulate": _demodulated((1, 2, 3, 4))}),
    ("summed over the faces too", "norm_axis", {"demodulate": _demodulated((0, 2, 3, 4))}),
    ("a mean for the sum", "mean", {"demodulate": _demodulated(measure=torch.mean)}),
    ("no root", "root", {"demodulate": _demodulated(power=-1)}),
    ("multiplied by the length", "root", {"demodulate": _demodulated(power=0.5)}),
    ("the first face's scales for all", "faces", {"modulate": lambda weight, s: _inputs_scaled(weight, 0 * s + s[:1])}),
    ("the mean of the scales", "faces", {"modulate": lambda weight, s: _inputs_scaled(weight, 0 * s + s.mean(0))}),
    ("the kernels stacked in another order", "faces", {"stack": lambda w: w.transpose(0, 1).flatten(0, 1)}),
)  # fmt: skip


modulated_conv = Exercise(
    "s2fgan",
    "modulated_conv",
    reference=_by_module,
    hints={
        "shape": (
            "As many faces come out as went in, `out` channels each, of the same height and width.",
            "Three traps: the padding is k // 2, not always 1; groups=B; all faces come out in one row of channels.",
            "y = F.conv2d(x.reshape(1, B * i, H, W), w.reshape(B * o, i, k, k), padding=k // 2, groups=B), then "
            "y.reshape(B, o, H, W)",
        ),
        "value": (
            "The shape is right and the numbers are not. Compare with a loop over the faces, one conv2d each.",
            "Face b's kernel is w[o, i] * s[b, i], divided by the root of the sum of its squares over i and kernel.",
            "w = weight * s[:, None, :, None, None]; w = w * (w.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()",
        ),
        "axis": (
            "Which channels does s scale: those that come in, or those that go out?",
            "s has one number for each *input* channel. On the outputs demodulation would undo it, but for the sign.",
            "s[:, None, :, None, None]: faces, 1, inputs, 1, 1.",
        ),
        "unmodulated": (
            "Change s: does your picture change?",
            "All faces get the same kernels. Multiply them by s, face by face.",
            "weight * s[:, None, :, None, None]",
        ),
        "no_demodulation": (
            "Make s ten times as large. How much larger is your result, and how much should it be?",
            "After the scaling each output channel's kernel is brought back to length one.",
            "w = w * (w.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()",
        ),
        "order": (
            "Whose squares are summed: those of w, or those of s w?",
            "The length is measured *after* the modulation, on each face's own kernels.",
            "First w = weight * s..., then the root of the sum of *its* squares.",
        ),
        "norm_axis": (
            "What is kept, and what is summed over? One length for each face and each *output* channel.",
            "w'' = w' / sqrt(sum over i and k): inputs and both directions of the kernel.",
            "w.square().sum((2, 3, 4), keepdim=True), of shape (B, out, 1, 1, 1).",
        ),
        "mean": (
            "Right up to one factor: the root of in * k * k.",
            "The formula has a sum under the root, not a mean.",
            ".sum((2, 3, 4), keepdim=True)",
        ),
        "root": (
            "How long is a kernel after your demodulation? It should be one.",
            "Divide by the *root* of the sum of squares: a length, not its square.",
            "w * (w.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()",
        ),
        "faces": (
            "Does each face get its own kernels? Give two faces the same x and different scales.",
            "With groups=B the first `out` kernels serve the first face, the next `out` the second, and so on.",
            "w has shape (B, out, in, k, k) and is folded in this order: w.reshape(B * out, in, k, k). No transpose.",
        ),
        "epsilon": (
            "Let one face have scales of zero only. What is 0 / 0?",
            "The small number under the root keeps it from being zero.",
            "(w.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()",
        ),
        "stuck": (
            "The picture is right, and something cannot learn from it.",
            "Picture, kernels and scales all learn; the length of the kernel is a part of the way, too.",
            "No detach(), no torch.no_grad(), no .data.",
        ),
    },
)


@modulated_conv.step("a map for each face, of the same size")
def _conv_shape(answer) -> None:  # type: ignore[no-untyped-def]
    expect_shape(answer(X, KERNELS, SCALES), X.shape, "shape")


@modulated_conv.step("its values for known scales")
def _conv_value(answer) -> None:  # type: ignore[no-untyped-def]
    mistakes = [(hint, _modulated(**way)(X, KERNELS, SCALES)) for _, hint, way in _CONV_WAYS]
    expect_close(answer(X, KERNELS, SCALES), _by_module(X, KERNELS, SCALES), "value", mistakes)


@modulated_conv.step("other numbers of channels, a kernel of one pixel, three faces")
def _conv_sizes(answer) -> None:  # type: ignore[no-untyped-def]
    x = torch.cat([X, X.flip(0)])[:3, :2]
    weight, s = KERNELS.flatten()[:10].view(5, 2, 1, 1), torch.tensor([[1.0, 2.0], [0.5, -1.0], [3.0, 0.2]])
    found = answer(x, weight, s)
    expect_shape(found, (3, 5, 5, 4), "shape")
    expect_close(found, _by_module(x, weight, s), "value")


@modulated_conv.step("scales of zero give zero")
def _conv_epsilon(answer) -> None:  # type: ignore[no-untyped-def]
    found = answer(X, KERNELS, SCALES * torch.tensor([[1.0], [0.0]]))
    expect(not found.isnan().any(), "epsilon", "not a number")
    expect_close(found[1], torch.zeros_like(found[1]), "epsilon")


@modulated_conv.step("picture, kernels and scales learn from it")
def _conv_learns(answer) -> None:  # type: ignore[no-untyped-def]
    parts = [part.clone().requires_grad_() for part in (X, KERNELS, SCALES)]
    right = torch.autograd.grad((_by_module(*parts) * X.cos()).sum(), parts)
    made = answer(*parts)
    expect(made.requires_grad, "stuck", "the result depends on nothing that learns")
    found = torch.autograd.grad((made * X.cos()).sum(), parts, allow_unused=True)
    for name, mine, other in zip(("x", "weight", "s"), found, right, strict=True):
        expect(mine is not None, "stuck", f"no gradient reaches {name}")
        expect(
            torch.allclose(mine, other, rtol=1e-3, atol=1e-4), "stuck", f"part of {name}'s gradient is cut"
        )


for _name, _hint, _way in (
    *_CONV_WAYS,
    ("scaled by 1 + s", "value", {"modulate": lambda weight, s: _inputs_scaled(weight, 1 + s)}),
    ("no padding", "shape", {"padding": 0}),
    ("always padded by one", "shape", {"padding": 1}),
    ("all faces left in one row", "shape", {"folded": False}),
    ("no epsilon", "epsilon", {"demodulate": _demodulated(eps=0.0)}),
    ("the scales held still", "stuck", {"modulate": lambda weight, s: _inputs_scaled(weight, s.detach())}),
    ("the length held still", "stuck", {"demodulate": _demodulated(measure=_sum_held_still)}),
):  # fmt: skip
    modulated_conv.wrong(_name, hint=_hint)(_modulated(**_way))


# --------------------------------------------------- 3. the orthogonality loss, and reading the attributes

R = torch.linspace(-3, 2, 4 * 5).view(4, 5).sin()
W = torch.linspace(0, 5, 3 * 5).view(3, 5).cos()
U = torch.tensor([[1.0, -1, 1], [-1, -1, 1], [1, 1, -1], [-1, 1, 1]])


def _gram(w: Tensor) -> Tensor:
    return w @ w.T


def _hyperplanes(reading=_mean_square, rows=lambda w: w, gram=_gram, one=lambda g: torch.eye(len(g)), size=_mean_abs):  # type: ignore[no-untyped-def]  # fmt: skip
    """Both terms of L_ortho, or with one of their parts exchanged."""

    def answer(r, w, u):  # type: ignore[no-untyped-def]
        products = gram(rows(w))
        return reading(r @ w.T - u), size(products - one(products))

    return answer


def _by_library(r: Tensor, w: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    return s2fgan.attribute_loss(r @ w.T, u), s2fgan.orthogonality_loss(w)


def _off(x: Tensor) -> Tensor:
    """The mean |x| off the diagonal."""
    return x[~torch.eye(len(x), dtype=torch.bool)].abs().mean()


_READING_WAYS = (
    ("absolute values in the reading", "square", {"reading": _mean_abs}),
    ("the length of the whole error", "square", {"reading": lambda e: e.norm()}),
    ("the reading summed", "sum", {"reading": lambda e: e.square().sum()}),
    ("the reading summed over the attributes", "sum", {"reading": lambda e: e.square().sum(1).mean()}),
)
_ORTHO_WAYS = (
    ("the identity forgotten", "identity", {"one": torch.zeros_like}),
    ("the number one for the identity", "ones", {"one": torch.ones_like}),
    ("W^T W", "side", {"gram": lambda w: w.T @ w}),
    ("only off the diagonal", "diagonal", {"size": _off}),
    ("rows scaled to one first", "normalised", {"rows": lambda w: F.normalize(w, dim=1)}),
    ("squares in the angles", "absolute", {"size": _mean_square}),
    ("no absolute values", "absolute", {"size": torch.mean}),
    ("a mean and then its size", "absolute", {"size": lambda x: x.mean().abs()}),
    ("the angles summed", "sum", {"size": lambda x: x.abs().sum()}),
    ("the angles summed over the rows", "sum", {"size": lambda x: x.abs().sum(1).mean()}),
)


hyperplanes = Exercise(
    "s2fgan",
    "hyperplanes",
    reference=_by_library,
    hints={
        "shape": (
            "Two numbers come back: the reading's term, the angles' term.",
            "Each is a mean over everything: over faces and attributes, and over the n x n products of rows.",
            "return (r @ w.T - u).square().mean(), (w @ w.T - torch.eye(len(w))).abs().mean()",
        ),
        "value": (
            "One of the two numbers is not what the formula gives; above it says which.",
            "Reading: the mean square of r W^T - u; u is -1 and +1 already. Angles: the mean |W W^T - 1|.",
            "(r @ w.T - u).square().mean() and (w @ w.T - torch.eye(len(w))).abs().mean()",
        ),
        "exchanged": (
            "Both numbers are right. Which is which?",
            "First the reading, then the angles: they have different weights.",
            "return reading, angles",
        ),
        "square": (
            "How is the error of the reading measured?",
            "By squares, as the 2 above the norm says, meaned over faces and attributes.",
            "(r @ w.T - u).square().mean()",
        ),
        "absolute": (
            "How is the deviation from 1 measured?",
            "By absolute values, each entry for itself: above and below must not cancel, and nothing is squared.",
            "(w @ w.T - torch.eye(len(w))).abs().mean()",
        ),
        "sum": (
            "Larger by a factor: the number of faces, of attributes, or both.",
            "The weights 0.5 and 1 belong to means over everything.",
            ".mean(), without .sum()",
        ),
        "identity": (
            "Which W pays nothing with you? Try W = 0.",
            "The product of a row with *itself* should be 1, not 0.",
            "w @ w.T - torch.eye(len(w))",
        ),
        "ones": (
            "What should the product of two *different* rows be?",
            "The 1 in the formula is the identity matrix: ones on the diagonal, zeros beside it.",
            "w @ w.T - torch.eye(len(w)), not w @ w.T - 1",
        ),
        "side": (
            "How many attributes, how many numbers in a code? How large is your matrix of products?",
            "Rows are multiplied with rows: (n, d) by (d, n). W^T W would be (d, d), and n < d rows never make it 1.",
            "w @ w.T",
        ),
        "diagonal": (
            "Rows at right angles, ten times as long: what do they pay with you?",
            "The diagonal counts: there stands how long each row is.",
            "(w @ w.T - torch.eye(len(w))).abs().mean(): over all n * n entries.",
        ),
        "normalised": (
            "Rows ten times as long pay nothing with you.",
            "The released code brings the rows to length one before it looks. The equation lets the loss do that.",
            "w @ w.T, with w as it comes in: no F.normalize.",
        ),
        "stuck": (
            "In S2F-DIS no star stands on either term. Who should learn from which?",
            "From the reading both the codes (so the encoder) and W learn; from the angles W.",
            "No detach(), no torch.no_grad().",
        ),
    },
)


@hyperplanes.step("two numbers")
def _hyper_shape(answer) -> None:  # type: ignore[no-untyped-def]
    result = answer(R, W, U)
    expect(result is not None, "untouched", "your function returned nothing")
    expect(isinstance(result, (tuple, list)) and len(result) == 2, "shape", "not a pair")
    for value in result:
        expect_shape(value, (), "shape")


@hyperplanes.step("their values for a known W")
def _hyper_value(answer) -> None:  # type: ignore[no-untyped-def]
    found, right = answer(R, W, U), _by_library(R, W, U)
    if all(close(a, b) for a, b in zip(found, right[::-1], strict=True)):
        raise Miss("exchanged", "both numbers, in the other order")
    for k, (name, ways) in enumerate((("reading", _READING_WAYS), ("angles", _ORTHO_WAYS))):
        mistakes = [(hint, _hyperplanes(**way)(R, W, U)[k]) for _, hint, way in ways]
        try:
            expect_close(found[k], right[k], "value", mistakes)
        except Miss as missed:
            raise Miss(missed.hint, f"{name}: {missed.seen}") from None


@hyperplanes.step("rows of length one at right angles pay nothing")
def _hyper_right(answer) -> None:  # type: ignore[no-untyped-def]
    w = torch.linalg.qr(W.T).Q.T  # its rows: three orthonormal directions
    reading, angles = answer(U @ w, w, U)
    expect_close(reading, torch.tensor(0.0), "value")
    expect_close(angles, torch.tensor(0.0), "value")


@hyperplanes.step("any number of attributes")
def _hyper_sizes(answer) -> None:  # type: ignore[no-untyped-def]
    for value, right in zip(answer(R, W[:2], U[:, :2]), _by_library(R, W[:2], U[:, :2]), strict=True):
        expect_close(value, right, "value")


@hyperplanes.step("the codes learn, and so does W")
def _hyper_learns(answer) -> None:  # type: ignore[no-untyped-def]
    parts = R.clone().requires_grad_(), W.clone().requires_grad_()
    terms, right = answer(*parts, U), _by_library(*parts, U)
    for name, mine, other in zip(("the reading", "the angles"), terms, right, strict=True):
        expect(mine.requires_grad, "stuck", f"nothing learns from {name}")
        found = torch.autograd.grad(mine, parts, allow_unused=True)
        wanted = torch.autograd.grad(other, parts, allow_unused=True)
        for who, grad, want in zip(("the codes", "W"), found, wanted, strict=True):
            if want is not None:
                expect(grad is not None, "stuck", f"no gradient reaches {who} from {name}")
                expect_close(grad, want, "stuck")


for _name, _hint, _answer in (
    *((name, hint, _hyperplanes(**way)) for name, hint, way in _READING_WAYS + _ORTHO_WAYS),
    ("always three attributes", "error",
     lambda r, w, u: ((r @ w.T - u).square().mean(), (w @ w.T - torch.eye(3)).abs().mean())),
    ("angles first", "exchanged", lambda r, w, u: _by_library(r, w, u)[::-1]),
    ("added up", "shape", lambda r, w, u: sum(_by_library(r, w, u))),
    ("a number a face", "shape", _hyperplanes(reading=lambda e: e.square().mean(1))),
    ("labels turned to -1 and +1 once more", "value", lambda r, w, u: _by_library(r, w, 2 * u - 1)),
    ("W held still in the reading", "stuck",
     lambda r, w, u: (_by_library(r, w.detach(), u)[0], _by_library(r, w, u)[1])),
    ("the codes held still", "stuck", lambda r, w, u: _by_library(r.detach(), w, u)),
    ("half of W W^T held still", "stuck", _hyperplanes(gram=lambda w: w @ w.T.detach())),
):  # fmt: skip
    hyperplanes.wrong(_name, hint=_hint)(_answer)


# ------------------------------------------------------------------------------------------------- 4. R1

REAL = torch.linspace(-0.9, 0.8, 3 * 3 * 4 * 4).view(3, 3, 4, 4)
GAMMA = 5.0


class _Critic(nn.Module):
    """(B, 3, 4, 4) -> (B,): half the squares of a picture, times one weight. Its slope is the picture times that."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.7))

    def forward(self, images: Tensor) -> Tensor:
        return self.weight * images.square().flatten(1).sum(1) / 2


def _r1(critic, images, gamma):  # type: ignore[no-untyped-def]
    return gamma / 2 * r1_penalty(critic, images)


def _a_picture(square: Tensor) -> Tensor:
    return square.flatten(1).sum(1)


def _r1_way(score=torch.sum, size=lambda slope: _a_picture(slope.square()).mean(), weight=0.5, create_graph=True):  # type: ignore[no-untyped-def]  # fmt: skip
    """R1 with one of its parts exchanged."""

    def answer(critic, images, gamma):  # type: ignore[no-untyped-def]
        x = images.detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(score(critic(x)), x, create_graph=create_graph)
        return weight * gamma * size(slope)

    return answer


_R1_WAYS = (
    ("the half forgotten", "half", {"weight": 1.0}),
    ("negated", "sign", {"weight": -0.5}),
    ("a mean over the pixels", "pixels", {"size": _mean_square}),
    ("a mean over the pixels, without the half", "pixels", {"size": _mean_square, "weight": 1.0}),
    ("a mean over the channels", "pixels", {"size": lambda g: g.square().mean(1).sum((1, 2)).mean()}),
    ("summed over the pictures too", "pictures", {"size": lambda g: g.square().sum()}),
    ("the slope of the mean score", "pictures", {"score": torch.mean}),
    ("a length, not squared", "squared", {"size": lambda g: _a_picture(g.square()).sqrt().mean()}),
    ("the length of the batch's slope", "squared", {"size": lambda g: g.norm()}),
    ("absolute values", "squared", {"size": lambda g: _a_picture(g.abs()).mean()}),
    ("WGAN-GP's", "to_one", {"size": lambda g: (_a_picture(g.square()).sqrt() - 1).square().mean()}),
    ("WGAN-GP's, without the half", "to_one",
     {"size": lambda g: (_a_picture(g.square()).sqrt() - 1).square().mean(), "weight": 1.0}),
)  # fmt: skip


r1 = Exercise(
    "s2fgan",
    "r1",
    reference=_r1,
    hints={
        "shape": (
            "One number comes back for the whole batch.",
            "A squared length for each picture, then the mean over the pictures.",
            "slope.square().flatten(1).sum(1).mean()",
        ),
        "value": (
            "This critic's slope is known: 0.7 times the picture. Your number does not come from it.",
            "The gradient of the scores at the pictures, squared, summed over each picture, meaned over the pictures.",
            "gamma / 2 * slope.square().flatten(1).sum(1).mean()",
        ),
        "half": (
            "Right up to a factor of two.",
            "The weight is gamma *halves*.",
            "gamma / 2 * ...",
        ),
        "sign": (
            "With this the critic is paid for steepness.",
            "The penalty is *added* to what the critic makes small: it is never negative.",
            "gamma / 2 * slope.square()...: no minus.",
        ),
        "pixels": (
            "Far too small: by a factor that is the number of pixels, of channels, or both.",
            "||.||^2 is a *sum* over a picture's 3 x H x W components. Only over the pictures a mean is taken.",
            "slope.square().flatten(1).sum(1).mean(), not slope.square().mean()",
        ),
        "pictures": (
            "Show the same picture twice: your number changes with the size of the batch.",
            "The scores are summed before the gradient (each picture's comes from its own score alone); the squared "
            "lengths are meaned after it.",
            "torch.autograd.grad(critic(x).sum(), ...), then .flatten(1).sum(1).mean()",
        ),
        "gamma": (
            "With gamma twice as large the penalty should double.",
            "gamma is an argument: it is not the same at every call.",
            "gamma / 2 * ..., without a number of your own for gamma.",
        ),
        "squared": (
            "A length, or its square? Look at the 2 in the formula.",
            "R1 takes the sum of the squares of the components, without a root.",
            "slope.square().flatten(1).sum(1).mean()",
        ),
        "to_one": (
            "Which slope pays nothing with you, and which should?",
            "That is WGAN-GP's penalty, which wants a slope of 1. R1 wants flat: 0, at the real pictures.",
            "No root and no - 1: slope.square().flatten(1).sum(1).mean()",
        ),
        "marked": (
            "Look at the batch after your function has run: batch.requires_grad.",
            "requires_grad_() changes the tensor it is called on. The batch is not yours, and goes on to others.",
            "x = images.detach().clone().requires_grad_()",
        ),
        "graph": (
            "The number is right, and the critic cannot learn from it.",
            "The penalty is a gradient, differentiated once more by the critic's weights: it must keep its graph.",
            "torch.autograd.grad(critic(x).sum(), x, create_graph=True), and nothing detached after it.",
        ),
    },
)


@r1.step("one number comes back")
def _r1_shape(answer) -> None:  # type: ignore[no-untyped-def]
    expect_shape(answer(_Critic(), REAL.clone(), GAMMA), (), "shape")


@r1.step("its value for a critic of known slope")
def _r1_value(answer) -> None:  # type: ignore[no-untyped-def]
    mistakes = [(hint, _r1_way(**way)(_Critic(), REAL, GAMMA)) for _, hint, way in _R1_WAYS]
    expect_close(answer(_Critic(), REAL.clone(), GAMMA), _r1(_Critic(), REAL, GAMMA), "value", mistakes)


@r1.step("for another gamma, and for another number of pictures")
def _r1_sizes(answer) -> None:  # type: ignore[no-untyped-def]
    expect_close(answer(_Critic(), REAL.clone(), 2.0), _r1(_Critic(), REAL, 2.0), "gamma")
    two = REAL[:2].clone()
    expect_close(answer(_Critic(), two.clone(), GAMMA), _r1(_Critic(), two, GAMMA), "pictures")


@r1.step("a flat critic pays nothing")
def _r1_flat(answer) -> None:  # type: ignore[no-untyped-def]
    expect_close(answer(lambda x: 0 * _Critic()(x) + 5, REAL.clone(), GAMMA), torch.tensor(0.0), "value")


@r1.step("the batch stays as it was")
def _r1_marked(answer) -> None:  # type: ignore[no-untyped-def]
    images = REAL.clone()
    answer(_Critic(), images, GAMMA)
    expect(not images.requires_grad, "marked", "images.requires_grad is True afterwards")
    expect_close(images, REAL, "marked")


@r1.step("the critic learns from it")
def _r1_graph(answer) -> None:  # type: ignore[no-untyped-def]
    critic, other = _Critic(), _Critic()
    value = answer(critic, REAL.clone(), GAMMA)
    expect(value.requires_grad, "graph", "the number carries no gradient")
    (found,) = torch.autograd.grad(value, critic.weight, allow_unused=True)
    expect(found is not None, "graph", "no gradient at the critic's weight")
    expect_close(found, torch.autograd.grad(_r1(other, REAL, GAMMA), other.weight)[0], "graph")


r1.wrong("a gamma of its own", hint="gamma")(lambda critic, images, gamma: _r1(critic, images, GAMMA))
r1.wrong("always three pictures", hint="pictures")(
    lambda critic, images, gamma: _r1(critic, images, gamma) * len(images) / 3
)


@r1.wrong("the batch itself marked", hint="marked")
def _r1_marks(critic, images, gamma):  # type: ignore[no-untyped-def]
    (slope,) = torch.autograd.grad(critic(images.requires_grad_()).sum(), images, create_graph=True)
    return gamma / 2 * _a_picture(slope.square()).mean()


for _name, _hint, _way in (
    *_R1_WAYS,
    ("gamma squared", "value", {"weight": GAMMA / 2}),
    ("a number a picture", "shape", {"size": lambda g: _a_picture(g.square())}),
    ("without create_graph", "graph", {"create_graph": False}),
    ("the slope detached", "graph", {"size": lambda g: _a_picture(g.detach() * g).mean()}),
):
    r1.wrong(_name, hint=_hint)(_r1_way(**_way))


# -------------------------------------------------------------------------------------- 5. the inverse edit

A = torch.tensor([[1.0, 0, -2], [0, 3, 0], [-1, 1, 1], [2, 0, 0.5]])


class _Mapping(nn.Module):
    """M with rows whose length depends on the code, so that the way back does not end where the way began."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(0.4 * W)

    def forward(self, r: Tensor, a: Tensor) -> Tensor:
        either = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0])  # some codes come back too large, some too small
        return r + (a @ self.w) * (1 + 0.5 * r.tanh() * either)


def _keep(x: Tensor) -> Tensor:
    return x


def _inverse_way(start=Tensor.detach, target=Tensor.detach, between=_keep, back=-1.0, twice=True, size=_mean_abs):  # type: ignore[no-untyped-def]  # fmt: skip
    """The inverse-edit loss with one of its parts exchanged."""

    def answer(mapping, r, a):  # type: ignore[no-untyped-def]
        edited = between(mapping(start(r), a))
        return size((mapping(edited, back * a) if twice else edited) - target(r))

    return answer


_INVERSE_WAYS = (
    ("the same edit again", "sign", {"back": 1.0}),
    ("one way only", "one_way", {"twice": False}),
    ("the way back without an edit", "one_way", {"back": 0.0}),
    ("squares", "square", {"size": _mean_square}),
    ("lengths of the faces' differences", "square", {"size": lambda x: x.norm(dim=1).mean()}),
    ("the length of the whole difference", "square", {"size": torch.Tensor.norm}),
    ("summed over everything", "sum", {"size": lambda x: x.abs().sum()}),
    ("summed over the codes", "sum", {"size": lambda x: x.abs().sum(1).mean()}),
    ("differences that cancel", "signed", {"size": torch.mean}),
    ("differences the other way round that cancel", "signed", {"size": lambda x: -x.mean()}),
    ("a mean and then its size", "signed", {"size": lambda x: x.mean().abs()}),
)


def _to_the_stop(mapping, r, a):  # type: ignore[no-untyped-def]
    edited = mapping(r.detach(), a)
    return _mean_abs(mapping(edited, -a) - edited)


inverse_edit = Exercise(
    "s2fgan",
    "inverse_edit",
    reference=s2fgan.inverse_edit_loss,
    hints={
        "shape": (
            "One number comes back for the whole batch.",
            "The absolute differences are meaned over faces and over the code.",
            "F.l1_loss(again, r) does that.",
        ),
        "value": (
            "The number is not the mean distance between where the journey ended and where it began.",
            "Edit r by a, edit the result by -a, compare with r.",
            "F.l1_loss(mapping(mapping(r, a), -a), r), r being detached",
        ),
        "sign": (
            "The smile was added. How is it taken away?",
            "The second edit has the same intensities with the *other* sign.",
            "mapping(mapping(r, a), -a)",
        ),
        "one_way": (
            "With this the cheapest mapping is one that never edits.",
            "First there, by a; then back, by -a; only then is compared.",
            "mapping(mapping(r, a), -a)",
        ),
        "target": (
            "With what is the code compared that came back?",
            "With where the journey *began*, not with the stop on the way.",
            "F.l1_loss(again, r): r, and not mapping(r, a).",
        ),
        "square": (
            "Which distance? The released code's, absolute differences.",
            "A square forgives many small changes, and the root of a sum weighs faces by their distance.",
            "(again - r).abs().mean()",
        ),
        "sum": (
            "Larger by a factor: the length of a code, or that times the number of faces.",
            "The weight 1 belongs to a mean over faces and code.",
            ".abs().mean(), without .sum()",
        ),
        "signed": (
            "Differences above and below cancel with you.",
            "Take the absolute value of each, then the mean.",
            "(again - r).abs().mean()",
        ),
        "leaks": (
            "The number is right. Who learns from it? There is a star on E_i.",
            "The encoder must not: it could make M look good by codes that cannot be edited. Both places where r "
            "stands carry the star.",
            "r = r.detach() in the first line, then use only this r.",
        ),
        "in_place": (
            "After your function has run, the code that was handed in has lost its gradient.",
            "Other terms of the loss need it: cut a copy, not the thing itself.",
            "r = r.detach(), without the underscore at its end",
        ),
        "cut": (
            "The star is for the encoder. Does M learn from *both* of its uses?",
            "The gradient goes back through the second edit into the first.",
            "mapping(mapping(r, a), -a): no detach() between, no torch.no_grad().",
        ),
    },
)


@inverse_edit.step("one number comes back")
def _inverse_shape(answer) -> None:  # type: ignore[no-untyped-def]
    expect_shape(answer(_Mapping(), R, A), (), "shape")


@inverse_edit.step("its value for a known mapping")
def _inverse_value(answer) -> None:  # type: ignore[no-untyped-def]
    mistakes = [(hint, _inverse_way(**way)(_Mapping(), R, A)) for _, hint, way in _INVERSE_WAYS]
    mistakes.append(("target", _to_the_stop(_Mapping(), R, A)))
    expect_close(answer(_Mapping(), R, A), s2fgan.inverse_edit_loss(_Mapping(), R, A), "value", mistakes)


@inverse_edit.step("a sum of directions can always be taken back")
def _inverse_dis(answer) -> None:  # type: ignore[no-untyped-def]
    expect_close(answer(s2fgan.OrthogonalMapping(3, 5), R, A), torch.tensor(0.0), "value")


@inverse_edit.step("no gradient reaches the encoder")
def _inverse_leaks(answer) -> None:  # type: ignore[no-untyped-def]
    encoded = R.clone().requires_grad_()
    r = 1.0 * encoded  # what an encoder hands on is no leaf
    value = answer(_Mapping(), r, A)
    expect(r.requires_grad, "in_place", "the code itself was detached")
    expect(value.requires_grad, "cut", "nothing learns from the number")
    (grad,) = torch.autograd.grad(value, encoded, allow_unused=True)
    expect(grad is None or not grad.any(), "leaks", "a gradient arrives at the encoder's code")


@inverse_edit.step("the mapping learns from both of its uses")
def _inverse_learns(answer) -> None:  # type: ignore[no-untyped-def]
    mine, other = _Mapping(), _Mapping()
    (found,) = torch.autograd.grad(answer(mine, R, A), mine.w)
    (right,) = torch.autograd.grad(s2fgan.inverse_edit_loss(other, R, A), other.w)
    expect(torch.allclose(found, right, rtol=1e-3, atol=1e-5), "cut", "a part of M's gradient is missing")


@inverse_edit.wrong("the code itself detached", hint="in_place")
def _inverse_in_place(mapping, r, a):  # type: ignore[no-untyped-def]
    r.detach_()
    return _mean_abs(mapping(mapping(r, a), -a) - r)


for _name, _hint, _answer in (
    *((name, hint, _inverse_way(**way)) for name, hint, way in _INVERSE_WAYS),
    ("compared with the stop on the way", "target", _to_the_stop),
    ("back by half", "value", _inverse_way(back=-0.5)),
    ("a number a face", "shape", _inverse_way(size=lambda x: x.abs().mean(1))),
    ("no star", "leaks", _inverse_way(start=_keep, target=_keep)),
    ("a star on the target only", "leaks", _inverse_way(start=_keep)),
    ("a star on the start only", "leaks", _inverse_way(target=_keep)),
    ("a detach on the way", "cut", _inverse_way(between=Tensor.detach)),
    ("nothing learns", "cut", lambda mapping, r, a: s2fgan.inverse_edit_loss(mapping, r, a).detach()),
):
    inverse_edit.wrong(_name, hint=_hint)(_answer)
