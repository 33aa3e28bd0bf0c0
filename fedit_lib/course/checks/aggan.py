"""Checks for the exercises of the AGGAN series (Tang et al. 2019)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fedit_lib.course.checks import Exercise, Miss, close, expect, expect_close, expect_number, expect_shape
from fedit_lib.papers import aggan

# ------------------------------------------------------------------------------------ 1. compose by a mask

IMAGE = torch.linspace(-1, 1, 2 * 3 * 4 * 4).view(2, 3, 4, 4).sin()
CONTENT = torch.linspace(1, -1, 2 * 3 * 4 * 4).view(2, 3, 4, 4).cos()
MASK = torch.linspace(0, 1, 2 * 1 * 4 * 4).view(2, 1, 4, 4).square()


compose = Exercise(
    "aggan",
    "compose",
    reference=aggan.compose,
    hints={
        "shape": (
            "A whole picture comes back, with the shape of the one that went in.",
            "The mask has one channel, the pictures have three: one number a pixel serves all three colours.",
            "mask * content spreads (B, 1, H, W) over (B, 3, H, W) by itself: no flattening, no sum.",
        ),
        "value": (
            "The picture is not the mixture of content and input that the mask asks for.",
            "At each pixel: so much of the content as the mask says, and the rest of the input.",
            "content * mask + image * (1 - mask)",
        ),
        "swapped": (
            "Look at a pixel where the mask is 1. What should stand there?",
            "The mask says where to *edit*: at 1 the content is seen, at 0 the input.",
            "content * mask + image * (1 - mask): the content goes with the mask.",
        ),
        "added": (
            "Look at a pixel where the mask is 1. Is the input really gone?",
            "That is a residual, laid over an input that stays. Here the input makes room for the content.",
            "image * (1 - mask), not image alone.",
        ),
        "hard": (
            "Try a mask of 0.3: it should show a little of the content.",
            "A mask that is cut at a threshold is all or nothing, and nothing can be learned through the cut.",
            "Use the mask as it is: no comparison, no round().",
        ),
        "stuck": (
            "Which of the two outputs of the generator does the gradient reach? It must be both.",
            "Where to paint *and* what to paint are learned from the same picture.",
            "No detach() and no torch.no_grad() here.",
        ),
    },
)


@compose.step("a picture of the same shape")
def _compose_shape(answer) -> None:  # type: ignore[no-untyped-def]
    expect_shape(answer(IMAGE, MASK, CONTENT), IMAGE.shape, "shape")


@compose.step("content where the mask is 1, the input where it is 0")
def _compose_ends(answer) -> None:  # type: ignore[no-untyped-def]
    one, nothing = torch.ones_like(MASK), torch.zeros_like(MASK)
    full, none = answer(IMAGE, one, CONTENT), answer(IMAGE, nothing, CONTENT)
    expect_close(full, CONTENT, "value", {"swapped": IMAGE, "added": IMAGE + CONTENT})
    expect_close(none, IMAGE, "value", {"swapped": CONTENT})


@compose.step("a mixture between")
def _compose_value(answer) -> None:  # type: ignore[no-untyped-def]
    cut = {f"{k}": aggan.compose(IMAGE, m.float(), CONTENT) for k, m in enumerate((MASK > 0.5, MASK >= 0.1))}
    result = answer(IMAGE, MASK, CONTENT)
    if any(close(result, wrong) for wrong in cut.values()):
        raise Miss("hard", "every pixel is all content or all input")
    expect_close(result, aggan.compose(IMAGE, MASK, CONTENT), "value")


@compose.step("the mask and the content both learn from it")
def _compose_learns(answer) -> None:  # type: ignore[no-untyped-def]
    mask, content = MASK.clone().requires_grad_(), CONTENT.clone().requires_grad_()
    result = answer(IMAGE, mask, content)
    expect(result.requires_grad, "stuck", "the picture depends on nothing that learns")
    found = torch.autograd.grad(result.square().sum(), (mask, content), allow_unused=True)
    right = torch.autograd.grad(aggan.compose(IMAGE, mask, content).square().sum(), (mask, content))
    for name, grad, want in zip(("mask", "content"), found, right, strict=True):
        expect(grad is not None, "stuck", f"no gradient reaches the {name}")
        expect(close(grad, want, atol=1e-5), "stuck", f"a part of the {name}'s gradient is cut")


@compose.wrong("mask and rest exchanged", hint="swapped")
def _compose_swapped(image, mask, content):  # type: ignore[no-untyped-def]
    return image * mask + content * (1 - mask)


@compose.wrong("a residual", hint="added")
def _compose_added(image, mask, content):  # type: ignore[no-untyped-def]
    return image + content * mask


@compose.wrong("a threshold", hint="hard")
def _compose_hard(image, mask, content):  # type: ignore[no-untyped-def]
    return torch.where(mask > 0.5, content, image)


@compose.wrong("a mean over the colours", hint="shape")
def _compose_grey(image, mask, content):  # type: ignore[no-untyped-def]
    return aggan.compose(image, mask, content).mean(1, keepdim=True)


@compose.wrong("the mask squared", hint="value")
def _compose_square(image, mask, content):  # type: ignore[no-untyped-def]
    return aggan.compose(image, mask * mask, content)


@compose.wrong("half of the mask detached", hint="stuck")
def _compose_half_stuck(image, mask, content):  # type: ignore[no-untyped-def]
    return content * mask + image * (1 - mask.detach())


@compose.wrong("the mask detached", hint="stuck")
def _compose_stuck(image, mask, content):  # type: ignore[no-untyped-def]
    return aggan.compose(image, mask.detach(), content)


# ------------------------------------------------------------------------------- 2. cycle and pixel terms

X = torch.linspace(-0.9, 0.7, 2 * 3 * 4 * 4).view(2, 3, 4, 4).sin()
Y = torch.linspace(0.2, -0.8, 3 * 3 * 4 * 4).view(3, 3, 4, 4)


class _Painter(nn.Module):
    """A generator of two numbers: brightness and contrast of its pictures."""

    def __init__(self, contrast: float, brightness: float) -> None:
        super().__init__()
        self.knobs = nn.Parameter(torch.tensor([contrast, brightness]))

    def forward(self, x: Tensor) -> Tensor:
        return self.knobs[0] * x + self.knobs[1]


def _painters() -> tuple[nn.Module, nn.Module]:
    return _Painter(0.7, 0.2), _Painter(1.2, -0.3)


def _l1(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().mean()


def _cycle_and_pixel(x: Tensor, y: Tensor, to_y: nn.Module, to_x: nn.Module) -> tuple[Tensor, Tensor]:
    edited_x, edited_y = to_y(x), to_x(y)
    cycle = _l1(to_x(edited_x), x) + _l1(to_y(edited_y), y)
    return cycle, _l1(edited_x, x) + _l1(edited_y, y)


cycle_and_pixel = Exercise(
    "aggan",
    "cycle_and_pixel",
    reference=_cycle_and_pixel,
    hints={
        "shape": (
            "Two numbers come back: cycle, pixel.",
            "Average the absolute differences over everything; return the pair in this order.",
            "return cycle, pixel, each a sum of two (a - b).abs().mean().",
        ),
        "value": (
            "One of the two numbers is not what the formula gives.",
            "Cycle: there and back against where it began. Pixel: there against where it began. For x and for y.",
            "cycle = L1(to_x(to_y(x)), x) + L1(to_y(to_x(y)), y); pixel = L1(to_y(x), x) + L1(to_x(y), y).",
        ),
        "one_way": (
            "One of the two domains was forgotten.",
            "Both terms are sums: one for the journey from x, one for the journey from y.",
            "L1(to_x(to_y(x)), x) + L1(to_y(to_x(y)), y), and likewise for pixel.",
        ),
        "same_twice": (
            "Follow one picture: x, to_y(x), and then? Which generator leads back?",
            "The way back is the *other* generator's: after to_y comes to_x.",
            "to_x(to_y(x)) and to_y(to_x(y)).",
        ),
        "target": (
            "With what is the returned picture compared?",
            "A picture that came back is compared with where the journey *began*, not with the stop on the way.",
            "L1(to_x(to_y(x)), x): the last argument is x.",
        ),
        "exchanged": (
            "Both numbers are right. Which is which?",
            "First the cycle, then the pixel term.",
            "return cycle, pixel",
        ),
        "square": (
            "The paper measures with L1.",
            "A square is lenient with many small changes, and a blur is many small changes.",
            "(a - b).abs().mean(), or F.l1_loss.",
        ),
        "factor": (
            "Right up to a factor: were the weights (10 and 1) put in, or was summed instead of averaged?",
            "The terms come back without weights: those belong to the balance, exercise 7. Averages over all pixels.",
            ".abs().mean() for each of the two ways, added; no 10, no 1/2.",
        ),
        "stuck": (
            "Both generators must learn from the cycle.",
            "The picture on the way carries the gradient back into the generator that made it.",
            "No detach() on to_y(x), no torch.no_grad().",
        ),
    },
)


def _mean_square(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().mean()


@cycle_and_pixel.step("two numbers")
def _cycle_shape(answer) -> None:  # type: ignore[no-untyped-def]
    result = answer(X, Y, *_painters())
    if result is None:
        raise Miss("untouched", "your function returned nothing")
    expect(isinstance(result, (tuple, list)) and len(result) == 2, "shape", "not a pair")
    for value in result:
        expect_shape(value, (), "shape")


@cycle_and_pixel.step("their values for known generators")
def _cycle_value(answer) -> None:  # type: ignore[no-untyped-def]
    to_y, to_x = _painters()
    with torch.no_grad():
        cycle, pixel = (float(v) for v in answer(X, Y, to_y, to_x))
        want_cycle, want_pixel = (float(v) for v in _cycle_and_pixel(X, Y, to_y, to_x))
        there, back = to_y(X), to_x(Y)
        mistakes_cycle = {
            "one_way": (_l1(to_x(there), X), _l1(to_y(back), Y)),
            "same_twice": (_l1(to_y(there), X) + _l1(to_x(back), Y),),
            "target": (_l1(to_x(there), there) + _l1(to_y(back), back),),
            "square": (_mean_square(to_x(there), X) + _mean_square(to_y(back), Y),),
        }
        mistakes_pixel = {
            "one_way": (_l1(there, X), _l1(back, Y)),
            "same_twice": (_l1(to_x(X), X) + _l1(to_y(Y), Y),),
            "square": (_mean_square(there, X) + _mean_square(back, Y),),
        }
    near = torch.isclose
    if near(torch.tensor(cycle), torch.tensor(want_pixel)) and near(
        torch.tensor(pixel), torch.tensor(want_cycle)
    ):
        raise Miss("exchanged", f"{cycle:.4g} and {pixel:.4g}, in the other order")
    for name, value, right, mistakes in (
        ("cycle", cycle, want_cycle, mistakes_cycle),
        ("pixel", pixel, want_pixel, mistakes_pixel),
    ):
        if abs(value - right) <= 1e-5 + 1e-4 * abs(right):
            continue
        seen = f"{name} is {value:.4g}, expected {right:.4g}"
        for key, wrongs in mistakes.items():
            if any(abs(value - float(w)) <= 1e-5 + 1e-4 * abs(float(w)) for w in wrongs):
                raise Miss(key, seen)
        if any(abs(value - right * f) <= 1e-4 * right * f for f in (0.5, 10, 5, 96, 144)):
            raise Miss("factor", seen)
        summed = float(_summed(X, Y)[name])
        raise Miss("factor" if abs(value - summed) <= 1e-3 * summed else "value", seen)


def _summed(x: Tensor, y: Tensor) -> dict[str, Tensor]:
    to_y, to_x = _painters()
    with torch.no_grad():
        there, back = to_y(x), to_x(y)
        return {
            "cycle": (to_x(there) - x).abs().sum() + (to_y(back) - y).abs().sum(),
            "pixel": (there - x).abs().sum() + (back - y).abs().sum(),
        }


@cycle_and_pixel.step("both generators learn from both")
def _cycle_learns(answer) -> None:  # type: ignore[no-untyped-def]
    for which, name in enumerate(("cycle", "pixel")):
        to_y, to_x = _painters()
        value = answer(X, Y, to_y, to_x)[which]
        expect(value.requires_grad, "stuck", f"{name} depends on nothing that learns")
        value.backward()
        for generator, who in ((to_y, "to_y"), (to_x, "to_x")):
            expect(generator.knobs.grad is not None, "stuck", f"{who} gets no gradient from {name}")
    # The knobs by the cycle alone: detached on the way, they would get other numbers.
    mine, other = _painters(), _painters()
    answer(X, Y, *mine)[0].backward()
    _cycle_and_pixel(X, Y, *other)[0].backward()
    for one, right in zip(mine, other, strict=True):
        expect(
            torch.allclose(one.knobs.grad, right.knobs.grad, atol=1e-5),
            "stuck",
            "the gradient is cut at the picture on the way",
        )


@cycle_and_pixel.wrong("x only", hint="one_way")
def _cycle_one(x, y, to_y, to_x):  # type: ignore[no-untyped-def]
    return _l1(to_x(to_y(x)), x), _l1(to_y(x), x)


@cycle_and_pixel.wrong("the same generator twice", hint="same_twice")
def _cycle_twice(x, y, to_y, to_x):  # type: ignore[no-untyped-def]
    return _l1(to_y(to_y(x)), x) + _l1(to_x(to_x(y)), y), _l1(to_y(x), x) + _l1(to_x(y), y)


@cycle_and_pixel.wrong("compared with the stop on the way", hint="target")
def _cycle_target(x, y, to_y, to_x):  # type: ignore[no-untyped-def]
    there, back = to_y(x), to_x(y)
    return _l1(to_x(there), there) + _l1(to_y(back), back), _l1(there, x) + _l1(back, y)


@cycle_and_pixel.wrong("pixel first", hint="exchanged")
def _cycle_exchanged(x, y, to_y, to_x):  # type: ignore[no-untyped-def]
    return _cycle_and_pixel(x, y, to_y, to_x)[::-1]


@cycle_and_pixel.wrong("squared", hint="square")
def _cycle_square(x, y, to_y, to_x):  # type: ignore[no-untyped-def]
    there, back = to_y(x), to_x(y)
    cycle = F.mse_loss(to_x(there), x) + F.mse_loss(to_y(back), y)
    return cycle, F.mse_loss(there, x) + F.mse_loss(back, y)


@cycle_and_pixel.wrong("weighted already", hint="factor")
def _cycle_weighted(x, y, to_y, to_x):  # type: ignore[no-untyped-def]
    cycle, pixel = _cycle_and_pixel(x, y, to_y, to_x)
    return 10 * cycle, pixel


@cycle_and_pixel.wrong("summed over the pixels", hint="factor")
def _cycle_summed(x, y, to_y, to_x):  # type: ignore[no-untyped-def]
    there, back = to_y(x), to_x(y)
    cycle = (to_x(there) - x).abs().sum() + (to_y(back) - y).abs().sum()
    return cycle, (there - x).abs().sum() + (back - y).abs().sum()


@cycle_and_pixel.wrong("one number", hint="shape")
def _cycle_sum(x, y, to_y, to_x):  # type: ignore[no-untyped-def]
    return sum(_cycle_and_pixel(x, y, to_y, to_x))


@cycle_and_pixel.wrong("without the absolute value", hint="value")
def _cycle_signed(x, y, to_y, to_x):  # type: ignore[no-untyped-def]
    there, back = to_y(x), to_x(y)
    return (to_x(there) - x).mean() + (to_y(back) - y).mean(), (there - x).mean() + (back - y).mean()


@cycle_and_pixel.wrong("detached on one of the two ways", hint="stuck")
def _cycle_half_stuck(x, y, to_y, to_x):  # type: ignore[no-untyped-def]
    there, back = to_y(x), to_x(y)
    return _l1(to_x(there), x) + _l1(to_y(back.detach()), y), _l1(there, x) + _l1(back, y)


@cycle_and_pixel.wrong("detached on the way", hint="stuck")
def _cycle_stuck(x, y, to_y, to_x):  # type: ignore[no-untyped-def]
    there, back = to_y(x), to_x(y)
    cycle = _l1(to_x(there.detach()), x) + _l1(to_y(back.detach()), y)
    return cycle, _l1(there, x) + _l1(back, y)


# ---------------------------------------------------------------------------------- 3. total variation

# One bright pixel in the middle, and one in a corner: 4 and 2 steps of height 1.
DOTS = torch.zeros(2, 1, 5, 5)
DOTS[0, 0, 2, 2] = DOTS[1, 0, 0, 0] = 1.0
SLOPE = torch.linspace(0, 1, 6).expand(1, 1, 4, 6)  # rises to the right: 4 rows of total height 1
WAVY = torch.linspace(0, 9, 2 * 30).sin().square().view(2, 1, 5, 6)


total_variation = Exercise(
    "aggan",
    "total_variation",
    reference=aggan.tv_loss,
    hints={
        "shape": (
            "One number comes back.",
            "Sum over the pixels of each mask, then average over the masks.",
            "End with .sum((1, 2, 3)) for each direction, add them, and .mean().",
        ),
        "value": (
            "The number is not the total variation of these masks.",
            "Each pixel against its right neighbour and against the one below; absolute differences, summed.",
            "(mask[..., :, 1:] - mask[..., :, :-1]).abs(), and the same with [..., 1:, :] and [..., :-1, :].",
        ),
        "direction": (
            "A stripe that lies and one that stands should cost the same. Do they?",
            "There are two sums: differences to the right and differences downwards.",
            "Add the differences along dimension 3 and those along dimension 2.",
        ),
        "mean": (
            "Enlarge a mask to twice its size: its edge is twice as long. Has your number doubled?",
            "Averaged over pixels a shape's number halves when its size doubles. The paper's 1e-6 is for a sum.",
            "Sum over the pixels. Only over the masks of the batch is averaged.",
        ),
        "batch": (
            "Hand in the same mask twice. The number should stay.",
            "Within a mask it is a sum, between masks an average: batch size must not change the weight.",
            ".sum((1, 2, 3)) for each mask, then .mean() over the batch.",
        ),
        "square": (
            "A step of 1/2 should cost half of a step of 1.",
            "Squares make many small steps cheaper than one sharp edge: the mask would grow soft, not small.",
            ".abs(), not .square().",
        ),
        "wraps": (
            "Try a mask that is bright on the left edge and dark on the right.",
            "torch.roll makes the last column a neighbour of the first, which it is not.",
            "Slices: [..., 1:] minus [..., :-1]. They are one shorter than the mask, and that is right.",
        ),
        "stuck": (
            "The number is right, and no mask can learn from it.",
            "A detach(), a no_grad() or an .item() has cut the way back to the mask.",
            "Differences, absolute values, sums and means of the mask as it came.",
        ),
    },
)


@total_variation.step("one number")
def _tv_shape(answer) -> None:  # type: ignore[no-untyped-def]
    expect_shape(answer(WAVY), (), "shape")


@total_variation.step("a bright pixel has four sides")
def _tv_dot(answer) -> None:  # type: ignore[no-untyped-def]
    _tv_compare(answer, DOTS[:1], "value")


@total_variation.step("a slope, and the same slope turned")
def _tv_slope(answer) -> None:  # type: ignore[no-untyped-def]
    flat, turned = answer(SLOPE), answer(SLOPE.mT)
    if not torch.allclose(flat, turned, atol=1e-5):
        raise Miss("direction", f"{float(flat):.4g} for the slope, {float(turned):.4g} for it turned")
    _tv_compare(answer, SLOPE, "value")
    _tv_compare(answer, SLOPE.mT, "value")


@total_variation.step("the number for any masks, and for any batch")
def _tv_any(answer) -> None:  # type: ignore[no-untyped-def]
    for masks in (DOTS, WAVY, torch.cat([WAVY, DOTS[..., :5, :].repeat(1, 1, 1, 2)[..., :6]])):
        _tv_compare(answer, masks, "value")


@total_variation.step("the mask learns from it")
def _tv_learns(answer) -> None:  # type: ignore[no-untyped-def]
    mask = WAVY.clone().requires_grad_()
    value = answer(mask)
    expect(value.requires_grad, "stuck", "the number carries no gradient")
    (found,) = torch.autograd.grad(value, mask, allow_unused=True)
    (right,) = torch.autograd.grad(aggan.tv_loss(mask), mask)
    expect(found is not None and close(found, right, atol=1e-5), "stuck", "a part of the gradient is cut")


def _tv_compare(answer, masks: Tensor, hint: str) -> None:  # type: ignore[no-untyped-def]
    """Compare, and name the usual mistakes by the numbers that they give."""
    right, down = masks[..., :, 1:] - masks[..., :, :-1], masks[..., 1:, :] - masks[..., :-1, :]
    b = len(masks)
    rolled = sum((masks - masks.roll(1, d)).abs().sum() for d in (2, 3)) / b
    whole = (right.abs().sum() + down.abs().sum()) / b
    means = [
        right.abs().mean() + down.abs().mean(),
        (right.abs().mean() + down.abs().mean()) / 2,
        whole / masks[0].numel(),
        whole / masks[0].numel() / 2,
    ]
    value = answer(masks)
    for key, wrongs in {
        "direction": [right.abs().sum() / b, down.abs().sum() / b],
        "mean": means,
        "batch": [whole * b],
        "square": [(right.square().sum() + down.square().sum()) / b],
        "wraps": [rolled],
    }.items():
        if any(close(value, w, atol=1e-5) and not close(w, whole) for w in wrongs):
            raise Miss(key, f"{float(value):.4g}, expected {float(whole):.4g}")
    expect_close(value, whole, hint)


@total_variation.wrong("detached", hint="stuck")
def _tv_detached(mask):  # type: ignore[no-untyped-def]
    return aggan.tv_loss(mask.detach())


@total_variation.wrong("to the right only", hint="direction")
def _tv_right(mask):  # type: ignore[no-untyped-def]
    return (mask[..., 1:] - mask[..., :-1]).abs().sum((1, 2, 3)).mean()


@total_variation.wrong("a mean over the pixels", hint="mean")
def _tv_mean(mask):  # type: ignore[no-untyped-def]
    return (mask[..., 1:] - mask[..., :-1]).abs().mean() + (mask[..., 1:, :] - mask[..., :-1, :]).abs().mean()


@total_variation.wrong("summed over the batch", hint="batch")
def _tv_batch(mask):  # type: ignore[no-untyped-def]
    return aggan.tv_loss(mask) * len(mask)


@total_variation.wrong("squared", hint="square")
def _tv_square(mask):  # type: ignore[no-untyped-def]
    right, down = mask[..., 1:] - mask[..., :-1], mask[..., 1:, :] - mask[..., :-1, :]
    return (right.square().sum() + down.square().sum()) / len(mask)


@total_variation.wrong("rolled round the edge", hint="wraps")
def _tv_rolled(mask):  # type: ignore[no-untyped-def]
    return sum((mask - mask.roll(1, d)).abs().sum((1, 2, 3)).mean() for d in (2, 3))


@total_variation.wrong("one number a mask", hint="shape")
def _tv_each(mask):  # type: ignore[no-untyped-def]
    right = (mask[..., 1:] - mask[..., :-1]).abs().sum((1, 2, 3))
    return right + (mask[..., 1:, :] - mask[..., :-1, :]).abs().sum((1, 2, 3))


@total_variation.wrong("without the absolute value", hint="value")
def _tv_signed(mask):  # type: ignore[no-untyped-def]
    right, down = mask[..., 1:] - mask[..., :-1], mask[..., 1:, :] - mask[..., :-1, :]
    return (right.sum() + down.sum()) / len(mask)


# ------------------------------------------------------------------------- 4. the weight that a mean needs


def _mean_weight(weight: float, size: int) -> float:
    return weight * 2 * size * (size - 1)


mean_weight = Exercise(
    "aggan",
    "mean_weight",
    reference=_mean_weight,
    hints={
        "shape": (
            "One number comes back, a float.",
            "The function takes two numbers and gives one.",
            "return weight * (how many differences a mean divides by)",
        ),
        "value": (
            "With your weight the mean does not weigh as much as the sum did.",
            "weight_of_mean * mean = weight * sum, for every mask. What is sum / mean?",
            "weight * 2 * size * (size - 1): so many differences stand in a mask.",
        ),
        "divided": (
            "A mean is *smaller* than the sum. Must its weight be smaller or larger?",
            "The mean has divided by the number of differences already: the weight makes up for it.",
            "weight * n, not weight / n.",
        ),
        "one_direction": (
            "Right up to a factor of 2: count the directions.",
            "There are differences to the right *and* differences downwards; the mean is taken over both.",
            "n = 2 * size * (size - 1)",
        ),
        "pixels": (
            "Almost. How many neighbours to the right has the last column?",
            "A row of `size` pixels has one difference less than pixels.",
            "size * (size - 1) in each direction, not size * size.",
        ),
        "length": (
            "How many rows are there?",
            "size - 1 differences in a row, `size` rows of them, and the same downwards.",
            "n = 2 * size * (size - 1)",
        ),
    },
)


@mean_weight.step("one number")
def _weight_shape(answer) -> None:  # type: ignore[no-untyped-def]
    expect_number(answer(1.0, 8), "shape")


@mean_weight.step("sum and mean weigh alike, at every size")
def _weight_value(answer) -> None:  # type: ignore[no-untyped-def]
    for weight, size in ((1.0, 8), (1e-6, 64), (1e-6, 256)):
        n = 2 * size * (size - 1)
        mistakes = {
            "divided": (weight / n, 2 * weight / n, weight / size**2, weight / size, weight / (2 * size**2)),
            "one_direction": (weight * n / 2, weight * n * 2),
            "pixels": (weight * size**2, weight * 2 * size**2),
            "length": (weight * size, weight * (size - 1), weight * 2 * size, weight * 2 * (size - 1)),
        }
        value, right = float(answer(weight, size)), weight * n
        if abs(value - right) <= 1e-6 * right:
            continue
        seen = f"{value:.6g} for weight {weight:g} at {size} pixels, expected {right:.6g}"
        for key, wrongs in mistakes.items():
            if any(abs(value - wrong) <= 1e-6 * abs(wrong) for wrong in wrongs):
                raise Miss(key, seen)
        raise Miss("value", seen)


@mean_weight.step("as the library's own two reductions have it")
def _weight_library(answer) -> None:  # type: ignore[no-untyped-def]
    masks = torch.linspace(0, 40, 3 * 16 * 16).sin().square().view(3, 1, 16, 16)
    by_sum = 1e-3 * aggan.tv_loss(masks, "sum")
    expect_close(answer(1e-3, 16) * aggan.tv_loss(masks, "mean"), by_sum, "value")


mean_weight.wrong("divided", hint="divided")(lambda weight, size: weight / (2 * size * (size - 1)))
mean_weight.wrong("one direction", hint="one_direction")(lambda weight, size: weight * size * (size - 1))
mean_weight.wrong("pixels, not differences", hint="pixels")(lambda weight, size: weight * 2 * size**2)
mean_weight.wrong("one row only", hint="length")(lambda weight, size: weight * (size - 1))
mean_weight.wrong("the same weight", hint="value")(lambda weight, size: weight)
mean_weight.wrong("one for each size", hint="shape")(lambda weight, size: [weight * k for k in range(size)])


# ------------------------------------------------------------------- 5. what a guided discriminator is shown

REAL = torch.linspace(0.9, -0.6, 2 * 3 * 4 * 4).view(2, 3, 4, 4)


def _guided_pairs(mask: Tensor, edited: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    return aggan.guided(mask, real), aggan.guided(mask, edited)


guided_pairs = Exercise(
    "aggan",
    "guided_pairs",
    reference=_guided_pairs,
    hints={
        "shape": (
            "Two tensors come back, the real pair and the fake one, four channels each.",
            "One channel of mask and three of picture, side by side along the channels.",
            "torch.cat([mask, picture], dim=1) has shape (B, 4, H, W).",
        ),
        "masked": (
            "The picture was multiplied by the mask. What does the discriminator see where the mask is 0?",
            "[M, G] is a pair: the mask is shown *beside* the picture, so the discriminator can use it as it likes.",
            "torch.cat([mask, edited], dim=1), no product.",
        ),
        "own_mask": (
            "With which mask does the real picture go?",
            "The paper's pairs are [M_y, G_y] and [M_y, y]: the *same* mask, so that it cannot tell fake from real.",
            "torch.cat([mask, real], dim=1) with the generator's mask, not a mask of ones or zeros.",
        ),
        "order": (
            "The mask stands first in the paper, and in this course.",
            "Four channels: mask, red, green, blue.",
            "torch.cat([mask, picture], dim=1)",
        ),
        "exchanged": (
            "Which of the two is real?",
            "First the real pair, then the fake one.",
            "return torch.cat([mask, real], 1), torch.cat([mask, edited], 1)",
        ),
        "value": (
            "The channels hold other numbers than the mask and the pictures.",
            "Nothing is changed, only put together.",
            "torch.cat([mask, real], dim=1), torch.cat([mask, edited], dim=1)",
        ),
        "stuck": (
            "The generator learns from the fake pair: both its mask and its picture must stay attached.",
            "Cutting the gradient is the discriminator's business, in its own move.",
            "No detach() here.",
        ),
    },
)


def _pair(answer, mask: Tensor | None = None, edited: Tensor | None = None) -> tuple[Tensor, Tensor]:  # type: ignore[no-untyped-def]
    result = answer(MASK if mask is None else mask, CONTENT if edited is None else edited, REAL)
    if result is None:
        raise Miss("untouched", "your function returned nothing")
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise Miss("shape", "not two tensors")
    return result[0], result[1]


@guided_pairs.step("two pairs of four channels")
def _pairs_shape(answer) -> None:  # type: ignore[no-untyped-def]
    real, fake = _pair(answer)
    products = ((real, MASK * REAL), (fake, MASK * CONTENT))
    if any(isinstance(got, Tensor) and torch.equal(got, product) for got, product in products):
        raise Miss("masked", "the picture was multiplied by the mask")
    for got in (real, fake):
        expect_shape(got, (2, 4, 4, 4), "shape")


@guided_pairs.step("the mask beside each picture")
def _pairs_value(answer) -> None:  # type: ignore[no-untyped-def]
    real, fake = _pair(answer)
    want_real, want_fake = _guided_pairs(MASK, CONTENT, REAL)
    if torch.equal(real, want_fake) and torch.equal(fake, want_real):
        raise Miss("exchanged", "the fake pair came first")
    expect_close(
        fake,
        want_fake,
        "value",
        {"order": torch.cat([CONTENT, MASK], 1), "masked": torch.cat([MASK, MASK * CONTENT], 1)},
    )
    constants = [torch.full_like(MASK, c) for c in (0.0, 0.5, 1.0)]
    constants += [1 - MASK, MASK.flip(0), torch.full_like(MASK, float(MASK.mean()))]
    if any(close(real[:, :1], c) for c in constants) and torch.equal(real[:, 1:], REAL):
        raise Miss("own_mask", "the real picture stands beside another mask")
    expect_close(
        real,
        want_real,
        "value",
        {"order": torch.cat([REAL, MASK], 1), "masked": torch.cat([MASK, MASK * REAL], 1)},
    )


@guided_pairs.step("the generator learns from the fake pair")
def _pairs_learn(answer) -> None:  # type: ignore[no-untyped-def]
    mask, edited = MASK.clone().requires_grad_(), CONTENT.clone().requires_grad_()
    _, fake = _pair(answer, mask, edited)
    expect(fake.requires_grad, "stuck", "the fake pair depends on nothing that learns")
    fake.square().sum().backward()
    for name, part in (("mask", mask), ("picture", edited)):
        expect(part.grad is not None, "stuck", f"no gradient reaches the {name}")


@guided_pairs.wrong("masked by a product", hint="masked")
def _pairs_product(mask, edited, real):  # type: ignore[no-untyped-def]
    return mask * real, mask * edited


@guided_pairs.wrong("a mask of ones for the real picture", hint="own_mask")
def _pairs_ones(mask, edited, real):  # type: ignore[no-untyped-def]
    return torch.cat([torch.ones_like(mask), real], 1), torch.cat([mask, edited], 1)


@guided_pairs.wrong("the mask last", hint="order")
def _pairs_order(mask, edited, real):  # type: ignore[no-untyped-def]
    return torch.cat([real, mask], 1), torch.cat([edited, mask], 1)


@guided_pairs.wrong("fake first", hint="exchanged")
def _pairs_exchanged(mask, edited, real):  # type: ignore[no-untyped-def]
    return _guided_pairs(mask, edited, real)[::-1]


@guided_pairs.wrong("along the height", hint="shape")
def _pairs_height(mask, edited, real):  # type: ignore[no-untyped-def]
    wide = mask.expand(-1, 3, -1, -1)
    return torch.cat([wide, real], 2), torch.cat([wide, edited], 2)


@guided_pairs.wrong("the mask twice as bright", hint="value")
def _pairs_bright(mask, edited, real):  # type: ignore[no-untyped-def]
    return _guided_pairs(2 * mask - 1, edited, real)


@guided_pairs.wrong("the mask detached", hint="stuck")
def _pairs_stuck(mask, edited, real):  # type: ignore[no-untyped-def]
    return _guided_pairs(mask.detach(), edited, real)


# ----------------------------------------------------------------------------------- 6. a pool of old fakes


class _Pool:
    """The right pool, in plain Python."""

    copies, detaches, swaps, chance = True, True, True, 0.5

    def __init__(self, capacity: int) -> None:
        self.capacity, self.stored = capacity, []

    def swap(self, images: Tensor) -> Tensor:
        shown = []
        for image in images.detach() if self.detaches else images:
            image = image.clone() if self.copies else image
            if len(self.stored) < self.capacity:
                self.stored.append(image)
                shown.append(image)
            elif self.capacity and float(torch.rand(())) < self.chance:
                place = int(torch.randint(self.capacity, ()))
                shown.append(self.stored[place])
                if self.swaps:
                    self.stored[place] = image
            else:
                shown.append(image)
        return torch.stack(shown)


pool = Exercise(
    "aggan",
    "pool",
    reference=_Pool,
    hints={
        "shape": (
            "As many pictures come out as went in, in one tensor.",
            "For each picture that comes, one goes out: itself or an older one.",
            "Collect them in a list and return torch.stack(list).",
        ),
        "filling": (
            "While the pool is not full, what comes out?",
            "At first it only stores: each picture is put in *and* handed out unchanged.",
            "if len(self.stored) < self.capacity: store a copy and return this very picture.",
        ),
        "capacity": (
            "Does the pool ever stop growing? And does a capacity of 0 work?",
            "A full pool exchanges, it does not append. With a capacity of 0 every picture is handed through.",
            "Append only while len(self.stored) < self.capacity.",
        ),
        "always_new": (
            "Nothing old ever comes out: what then is the pool for?",
            "When it is full, half of the time a *stored* picture goes out instead of the new one.",
            "With probability 1/2: take a random place, hand out what is there, put the new picture there.",
        ),
        "never_new": (
            "Some of the newest pictures should reach the discriminator at once.",
            "When the pool is full a coin is tossed for each picture: half of the new ones go straight through.",
            "torch.rand(()) < 0.5 decides for each picture on its own.",
        ),
        "frozen": (
            "The same old pictures come out for ever. Does the pool ever change once it is full?",
            "The picture that goes out makes room: the new one takes its place.",
            "old = self.stored[place]; self.stored[place] = new; hand out old.",
        ),
        "order": (
            "Which of the stored pictures goes out?",
            "A *random* one: each place is as likely as any other, whether it was filled early or late.",
            "place = int(torch.randint(self.capacity, ()))",
        ),
        "stuck_batch": (
            "All pictures of a batch share one fate.",
            "Toss the coin for each picture, not once for the batch.",
            "for image in images: ... with torch.rand(()) inside the loop.",
        ),
        "attached": (
            "What is stored still holds on to the graph that made it.",
            "Fifty pictures with their graphs keep fifty old passes alive, and a later backward() would run into them.",
            "image = image.detach().clone() before it is stored.",
        ),
        "aliased": (
            "After the pool stored a picture the caller overwrote his tensor. Did the stored one change, too?",
            "A row of a tensor is a *view*: it shares the numbers.",
            "Store image.clone().",
        ),
    },
)


def _numbered(start: int, count: int) -> Tensor:
    """Pictures of one pixel whose number says which they are."""
    return torch.arange(start, start + count, dtype=torch.float).view(count, 1, 1, 1)


def _run(answer, capacity: int, batches: int, size: int = 4) -> tuple[list[Tensor], list[Tensor]]:  # type: ignore[no-untyped-def]
    made, given, shown = answer(capacity), [], []
    for k in range(batches):
        images = _numbered(k * size, size)
        given.append(images)
        out = made.swap(images.clone())
        expect_shape(out, images.shape, "shape")
        shown.append(out)
    return given, shown


@pool.step("while it fills, pictures go straight through")
def _pool_fills(answer) -> None:  # type: ignore[no-untyped-def]
    given, shown = _run(answer, 8, 2)
    expect(all(torch.equal(a, b) for a, b in zip(given, shown, strict=True)), "filling", "another came out")
    given, shown = _run(answer, 6, 2)  # full in the middle of a batch
    expect(
        torch.equal(given[0], shown[0]), "filling", "another came out: do two pools share what they store?"
    )
    expect(torch.equal(given[1][:2], shown[1][:2]), "filling", "another came out")
    made = answer(6)
    made.swap(_numbered(0, 8))
    expect(len(made.stored) <= 6, "capacity", f"{len(made.stored)} pictures are stored where 6 have room")


@pool.step("with no room it hands everything through")
def _pool_empty(answer) -> None:  # type: ignore[no-untyped-def]
    try:
        given, shown = _run(answer, 0, 6)
    except Miss:
        raise
    except Exception as error:
        raise Miss("capacity", f"capacity 0: {type(error).__name__}") from None
    expect(
        all(torch.equal(a, b) for a, b in zip(given, shown, strict=True)), "capacity", "capacity 0 kept some"
    )


@pool.step("full, it gives old ones half of the time")
def _pool_mixes(answer) -> None:  # type: ignore[no-untyped-def]
    given, shown = _run(answer, 8, 200)
    fresh = torch.stack([(a == b).flatten() for a, b in zip(given, shown, strict=True)]).float()[2:]
    share, alike = fresh.mean(), (fresh.mean(1) * (1 - fresh.mean(1)) == 0).float().mean()
    expect(share < 0.9, "always_new", f"{float(share):.0%} of what comes out is new")
    expect(share > 0.1, "never_new", f"{float(share):.0%} of what comes out is new")
    expect(alike < 0.9, "stuck_batch", "each batch came out all new or all old")
    expect(share < 0.7, "always_new", f"{float(share):.0%} of what comes out is new, expected half")
    expect(share > 0.3, "never_new", f"{float(share):.0%} of what comes out is new, expected half")


@pool.step("it stores newer ones in the place of those that went out, and no more than it has room for")
def _pool_renews(answer) -> None:  # type: ignore[no-untyped-def]
    given, shown = _run(answer, 8, 200)
    old = torch.cat([b[a != b] for a, b in zip(given, shown, strict=True)])
    late = old[len(old) // 2 :]
    expect((late >= 8).any(), "frozen", "only the first eight pictures ever come out again")
    ages = torch.cat([(a - b)[a != b] for a, b in zip(given, shown, strict=True)])
    # Replaced with probability 1/2, one of 8 places each: a picture stays for 16 pictures on average.
    expect(ages.mean() < 40, "capacity", f"what comes out again is {float(ages.mean()):.0f} pictures old")
    expect(len(set(old.tolist())) == len(old), "frozen", "a picture came out twice")
    through = torch.cat([b[a == b] for a, b in zip(given, shown, strict=True)]).tolist()[8:]
    expect(
        not set(through) & set(old.tolist()), "frozen", "a picture that went straight through was stored, too"
    )
    expect(set(range(8)) <= set(old.tolist()), "order", "a place of the pool is never used")
    expect(old.tolist() != sorted(old.tolist()), "order", "they come out in the order in which they came")


@pool.step("what it stores is a copy, without a graph")
def _pool_detached(answer) -> None:  # type: ignore[no-untyped-def]
    made, knob = answer(4), torch.ones((), requires_grad=True)
    made.swap(_numbered(0, 4) * knob)
    out = torch.cat([made.swap(_numbered(100 + 4 * k, 4)) for k in range(6)])
    expect(not out.requires_grad, "attached", "an old picture came out with its graph")
    made, images = answer(4), _numbered(0, 4)
    made.swap(images)
    images.fill_(-1)
    out = torch.cat([made.swap(_numbered(100 + 4 * k, 4)) for k in range(10)])
    expect((out >= 0).all(), "aliased", "a stored picture changed when the caller's tensor did")


@pool.wrong("never full", hint="capacity")
class _PoolGrows(_Pool):
    def swap(self, images: Tensor) -> Tensor:
        shown = []
        for image in images.detach().clone():
            self.stored.append(image)
            old = len(self.stored) > self.capacity and torch.rand(()) < 0.5
            shown.append(self.stored[int(torch.randint(len(self.stored), ()))] if old else image)
        return torch.stack(shown)


@pool.wrong("hands out the new one always", hint="always_new")
class _PoolNew(_Pool):
    chance = 0.0


@pool.wrong("hands out an old one always", hint="never_new")
class _PoolOld(_Pool):
    chance = 1.0


@pool.wrong("does not exchange", hint="frozen")
class _PoolFrozen(_Pool):
    swaps = False


@pool.wrong("the oldest goes out", hint="order")
class _PoolQueue(_Pool):
    def swap(self, images: Tensor) -> Tensor:
        shown = []
        for image in images.detach().clone():
            if len(self.stored) < self.capacity:
                self.stored.append(image)
            elif self.capacity and torch.rand(()) < 0.5:
                self.stored.append(image)
                image = self.stored.pop(0)
            shown.append(image)
        return torch.stack(shown)


@pool.wrong("full or not, asked once a batch", hint="capacity")
class _PoolOverfull(_Pool):
    def swap(self, images: Tensor) -> Tensor:
        if len(self.stored) >= self.capacity:
            return super().swap(images)
        self.stored.extend(images.detach().clone())
        return images


@pool.wrong("one coin for the batch", hint="stuck_batch")
class _PoolBatch(_Pool):
    def swap(self, images: Tensor) -> Tensor:
        self.chance = float(torch.rand(()) < 0.5)
        return super().swap(images)


@pool.wrong("keeps the graph", hint="attached")
class _PoolAttached(_Pool):
    detaches = False


@pool.wrong("keeps a view", hint="aliased")
class _PoolView(_Pool):
    copies = False


@pool.wrong("empty while it fills", hint="filling")
class _PoolZeros(_Pool):
    def swap(self, images: Tensor) -> Tensor:
        full = len(self.stored) >= self.capacity
        shown = super().swap(images)
        return shown if full else torch.zeros_like(shown)


@pool.wrong("a list", hint="shape")
class _PoolList(_Pool):
    def swap(self, images: Tensor) -> Tensor:
        return list(super().swap(images))  # type: ignore[return-value]


# -------------------------------------------------------------------------------------- 7. the balance r

TERMS = {"gan_xy": 0.9, "gan_yx": 0.5, "tv": 0.2, "cycle": 0.3, "pixel": 0.4}


def _objective(gan_xy, gan_yx, tv, cycle, pixel, r):  # type: ignore[no-untyped-def]
    return ((gan_xy + gan_yx) / 2 + tv) * (1 - r) + (10 * cycle + pixel) * r


objective = Exercise(
    "aggan",
    "objective",
    reference=_objective,
    hints={
        "shape": (
            "One number comes back.",
            "Five numbers and r go in, their weighted sum comes out.",
            "return (...) * (1 - r) + (...) * r",
        ),
        "value": (
            "One of the five terms has another weight than the formula gives it.",
            "Set all terms but one to 0 and compare: (1 - r)/2, (1 - r)/2, 1 - r, 10 r, r.",
            "((gan_xy + gan_yx) / 2 + tv) * (1 - r) + (10 * cycle + pixel) * r",
        ),
        "swapped": (
            "With r = 0.01, who should rule: the discriminators or the cycle?",
            "In the first epochs r is small and the adversarial terms weigh 1 - r.",
            "(1 - r) goes with the adversarial terms, r with cycle and pixel.",
        ),
        "not_halved": (
            "The two adversarial terms are averaged.",
            "(gan_xy + gan_yx) / 2: one discriminator's worth in all.",
            "((gan_xy + gan_yx) / 2 + tv) * (1 - r)",
        ),
        "tv_outside": (
            "Where does the attention loss stand: inside the bracket with 1 - r, in the other one, or outside?",
            "It goes with the adversarial terms, and is not halved with them.",
            "((gan_xy + gan_yx) / 2 + tv) * (1 - r)",
        ),
        "cycle_weight": (
            "Cycle and pixel do not weigh the same.",
            "The cycle has the weight 10, the pixel term 1; both before r.",
            "(10 * cycle + pixel) * r",
        ),
        "normed": (
            "Right but for a factor: the formula is not divided by anything.",
            "The weights do not add up to 1, and need not.",
            "Leave the result as it is.",
        ),
        "stuck": (
            "The result must carry the gradient of every term.",
            "No float(...) and no .item(): the terms may be tensors.",
            "Plain arithmetic on what comes in.",
        ),
    },
)


@objective.step("one number")
def _objective_shape(answer) -> None:  # type: ignore[no-untyped-def]
    value = answer(*(torch.tensor(v) for v in TERMS.values()), 0.25)
    expect_shape(torch.as_tensor(value) if isinstance(value, float) else value, (), "shape")


@objective.step("its value for several r")
def _objective_value(answer) -> None:  # type: ignore[no-untyped-def]
    a, b, tv, cycle, pixel = TERMS.values()
    for r in (0.01, 0.25, 0.5):
        gan, back = (a + b) / 2, 10 * cycle + pixel
        right = (gan + tv) * (1 - r) + back * r
        mistakes = {
            "swapped": (gan + tv) * r + back * (1 - r),
            "not_halved": (a + b + tv) * (1 - r) + back * r,
            "tv_outside": (
                gan * (1 - r) + tv + back * r,
                gan * (1 - r) + (tv + back) * r,
                (gan + tv / 2) * (1 - r) + back * r,
            ),
            "cycle_weight": (
                (gan + tv) * (1 - r) + 10 * (cycle + pixel) * r,
                (gan + tv) * (1 - r) + (cycle + pixel) * r,
                (gan + tv) * (1 - r) + (cycle + 10 * pixel) * r,
            ),
            "normed": (right / 5, right / 2, right / 3),
        }
        value = float(answer(*map(torch.tensor, TERMS.values()), r))
        if abs(value - right) <= 1e-5:
            continue
        seen = f"{value:.5g} at r = {r}, expected {right:.5g}"
        for key, wrongs in mistakes.items():
            for wrong in wrongs if isinstance(wrongs, tuple) else (wrongs,):
                if abs(value - wrong) <= 1e-6 + 1e-5 * abs(wrong):
                    raise Miss(key, seen)
        raise Miss("value", seen)


@objective.step("the gradient of each term is its weight")
def _objective_learns(answer) -> None:  # type: ignore[no-untyped-def]
    terms = [torch.tensor(v, requires_grad=True) for v in TERMS.values()]
    value = answer(*terms, 0.25)
    expect(isinstance(value, Tensor) and value.requires_grad, "stuck", "the result carries no gradient")
    value.backward()
    for name, term in zip(TERMS, terms, strict=True):
        expect(term.grad is not None, "stuck", f"no gradient reaches {name}")


def _objective_wrong(name: str, hint: str, function) -> None:  # type: ignore[no-untyped-def]
    objective.wrong(name, hint=hint)(function)


_objective_wrong(
    "r and 1 - r exchanged", "swapped", lambda a, b, t, c, p, r: _objective(a, b, t, c, p, 1 - r)
)
_objective_wrong(
    "both adversarial terms whole",
    "not_halved",
    lambda a, b, t, c, p, r: _objective(2 * a, 2 * b, t, c, p, r),
)
_objective_wrong(
    "the attention loss outside",
    "tv_outside",
    lambda a, b, t, c, p, r: _objective(a, b, 0, c, p, r) + t,
)
_objective_wrong(
    "pixel times ten, too", "cycle_weight", lambda a, b, t, c, p, r: _objective(a, b, t, c, 10 * p, r)
)
_objective_wrong("divided by five", "normed", lambda a, b, t, c, p, r: _objective(a, b, t, c, p, r) / 5)
_objective_wrong("a term forgotten", "value", lambda a, b, t, c, p, r: _objective(a, b, t, c, 0, r))
_objective_wrong(
    "turned into a float", "stuck", lambda *parts: float(torch.as_tensor(_objective(*parts)).detach())
)
_objective_wrong(
    "a list of terms", "shape", lambda a, b, t, c, p, r: torch.stack([torch.as_tensor(v) for v in (a, b, t)])
)
