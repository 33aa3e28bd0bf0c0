"""Checks for the exercises of the first series: true counterfactuals, the two losses, the measures of an edit."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fedit_lib import faces
from fedit_lib.course.checks import Exercise, expect, expect_close, expect_number, expect_shape
from fedit_lib.evaluation import metrics

# ------------------------------------------------------------------ 1. the person with two attributes changed


def _two(people, first, second):
    return people.with_attribute(first, 0.9).with_attribute(second, 0.9)


counterfactual = Exercise(
    "start",
    "counterfactual",
    reference=_two,
    hints={
        "lost": (
            "One of the two attributes is missing from the answer.",
            "`with_attribute` changes nothing in place: it returns new people. From whom does your second call start?",
            "Chain them: people.with_attribute(first, 0.9).with_attribute(second, 0.9).",
        ),
        "others": (
            "Something changed that nobody asked for: these are other people.",
            "Do not sample or photograph anew; start from the people you were given.",
            "Use only people.with_attribute(...), twice; no faces.sample, no with_scene.",
        ),
        "strength": (
            "Both attributes are there, but at another strength than asked.",
            "The exercise asks for the strength at which the course draws a present attribute.",
            "The strength is 0.9, which is faces.TYPICAL[1].",
        ),
        "type": (
            "The answer should be people, not pictures.",
            "Descriptions can be edited further; a picture cannot. Leave the drawing to the caller.",
            "Return the People that with_attribute gives, without faces.render.",
        ),
    },
)


@counterfactual.step("people come back")
def _(answer):
    value = answer(faces.sample(3, seed=1), "Eyeglasses", "Smiling")
    expect(value is not None, "untouched", "your function returned nothing")
    expect(isinstance(value, faces.People) and len(value) == 3, "type", f"seen: {type(value).__name__}")


@counterfactual.step("both attributes are present on everyone")
def _(answer):
    labels = answer(faces.sample(8, seed=1), "Eyeglasses", "Wearing_Hat").labels(
        ["Eyeglasses", "Wearing_Hat"]
    )
    expect((labels == 1).all(), "lost", f"present on {labels.sum(0).int().tolist()} of 8 people")


@counterfactual.step("nobody else, nothing else")
def _(answer):
    people = faces.sample(8, seed=2)
    value = answer(people, "Eyeglasses", "Smiling")
    expect(torch.equal(value.traits, people.traits), "others", "identity, pose or light differ")
    rest = [name for name in faces.ATTRIBUTES if name not in ("Eyeglasses", "Smiling")]
    expect(torch.equal(value.strengths(rest), people.strengths(rest)), "others", "other attributes differ")
    expect_close(value.strengths(["Eyeglasses", "Smiling"]), torch.full((8, 2), 0.9), "strength")


@counterfactual.wrong("only_the_second", hint="lost")
def _(people, first, second):
    people.with_attribute(first, 0.9)
    return people.with_attribute(second, 0.9)


@counterfactual.wrong("sampled_anew", hint="others")
def _(people, first, second):
    return _two(people.with_scene(5), first, second)


@counterfactual.wrong("full_strength", hint="strength")
def _(people, first, second):
    return people.with_attribute(first, 1.0).with_attribute(second, 1.0)


@counterfactual.wrong("drawn", hint="type")
def _(people, first, second):
    return faces.render(_two(people, first, second))


# ----------------------------------------------------------------------------- 2. the generator's loss


def _non_saturating(scores):
    return F.softplus(-scores).mean()


generator_loss = Exercise(
    "start",
    "generator_loss",
    reference=_non_saturating,
    hints={
        "shape": (
            "A loss is one number for the whole batch.",
            "You have one value for each sample: bring them together.",
            "End with .mean().",
        ),
        "value": (
            "The number is not right yet.",
            "Write it as the formula stands: the sigmoid of the scores, its logarithm, a sign, a mean.",
            "-torch.log(torch.sigmoid(scores)).mean(), or F.softplus(-scores).mean().",
        ),
        "sign": (
            "The generator would learn to lose.",
            "The loop *minimises*. Should your loss rise or fall when the critic likes a sample better?",
            "There is a minus in front: -log sigmoid(s).",
        ),
        "saturating": (
            "This is a right loss, but the other one: see what it does to a sample with the score -6.",
            "You minimise log(1 - sigmoid(s)), which saturates; the exercise asks for -log sigmoid(s).",
            "Replace log(1 - sigmoid(s)) by -log(sigmoid(s)).",
        ),
        "sum": (
            "Twice the batch would give twice the loss.",
            "You have added up where the formula has an expectation.",
            "Use .mean(), not .sum().",
        ),
        "overflow": (
            "For a very bad sample the loss is not finite, or has no slope left.",
            "sigmoid(-200) is rounded to 0, and log(0) is minus infinity. Is there one function for log sigmoid?",
            "F.softplus(-scores).mean(), or -F.logsigmoid(scores).mean().",
        ),
        "detached": (
            "The number is right, but the generator gets no gradient from it.",
            "Something cuts the way from the loss back to the scores: a detach(), a no_grad() or an .item().",
            "F.softplus(-scores).mean(), of the scores as they came.",
        ),
    },
)
_SCORES = torch.tensor([-2.0, 0.0, 1.0])


@generator_loss.step("one number")
def _(answer):
    expect_shape(answer(_SCORES), (), "shape")


@generator_loss.step("the value for three scores")
def _(answer):
    right = _non_saturating(_SCORES)
    expect_close(
        answer(_SCORES),
        right,
        "value",
        {"sign": -right, "saturating": -F.softplus(_SCORES).mean(), "sum": 3 * right},
    )
    expect_close(answer(_SCORES[:2]), _non_saturating(_SCORES[:2]), "sum")


@generator_loss.step("a hopeless sample is still pushed, and nothing overflows")
def _(answer):
    score = torch.tensor([-200.0], requires_grad=True)
    loss = answer(score)
    expect(loss.isfinite(), "overflow", f"the loss of a score of -200 is {loss.item()}")
    expect(loss.requires_grad, "detached", "the loss carries no gradient")
    (slope,) = torch.autograd.grad(loss, score)
    expect_close(slope, torch.tensor([-1.0]), "overflow")


@generator_loss.wrong("not_meaned", hint="shape")
def _(scores):
    return F.softplus(-scores)


@generator_loss.wrong("plus", hint="sign")
def _(scores):
    return F.logsigmoid(scores).mean()


@generator_loss.wrong("the_formula_of_the_paper", hint="saturating")
def _(scores):
    return torch.log(1 - torch.sigmoid(scores)).mean()


@generator_loss.wrong("summed", hint="sum")
def _(scores):
    return F.softplus(-scores).sum()


@generator_loss.wrong("by_three", hint="sum")
def _(scores):
    return F.softplus(-scores).sum() / 3


@generator_loss.wrong("a_little_more_than_zero", hint="overflow")
def _(scores):
    return -torch.log(torch.sigmoid(scores) + 1e-8).mean()


@generator_loss.wrong("cut_off", hint="detached")
def _(scores):
    return F.softplus(-scores.detach()).mean()


@generator_loss.wrong("in_two_steps", hint="overflow")
def _(scores):
    return -torch.log(torch.sigmoid(scores)).mean()


@generator_loss.wrong("no_log", hint="value")
def _(scores):
    return -torch.sigmoid(scores).mean()


# ------------------------------------------------------------------------------ 3. the penalty of a slope


def _slope_penalty(critic, x):
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return (slope.norm(dim=1) - 1).square().mean()


slope_penalty = Exercise(
    "start",
    "slope_penalty",
    reference=_slope_penalty,
    hints={
        "shape": (
            "A penalty is one number.",
            "You have one value for each point: bring them together.",
            "End with .mean().",
        ),
        "value": (
            "The number is not right yet.",
            "For each point: the gradient, its length, the distance of that from one, squared. Then the mean.",
            "(slope.norm(dim=1) - 1).square().mean()",
        ),
        "length": (
            "The length of the gradient went wrong: here D(x) = 3 x1 + 4 x2 has the slope 5 everywhere.",
            "The length goes over the coordinates of *one point*: not over the batch, nor one coordinate by itself.",
            "slope.norm(dim=1) gives one length a point: (B, 2) -> (B,).",
        ),
        "mean_first": (
            "A point that is too steep and a point that is too flat make up for each other with you.",
            "Each point pays for its own length: subtract 1 and square first, then take the mean.",
            "(length - 1).square().mean(), not (length.mean() - 1).square()",
        ),
        "not_from_one": (
            "This pulls the slope towards zero.",
            "A flat critic would get away with it. The penalty is zero where the slope is *one*.",
            "Subtract 1 from the length before you square it.",
        ),
        "detached": (
            "The number is right, but no gradient reaches the critic's weights.",
            "The penalty is itself differentiated, so autograd must record how the gradient was computed.",
            "torch.autograd.grad(..., create_graph=True)",
        ),
    },
)
_POINTS = torch.tensor([[0.0, 0.0], [1.0, 2.0], [-1.0, 0.5], [3.0, -2.0]])


@slope_penalty.step("one number")
def _(answer):
    expect_shape(answer(lambda x: x @ torch.tensor([3.0, 4.0]), _POINTS), (), "shape")


@slope_penalty.step("a linear critic has a known penalty: (5 - 1)^2")
def _(answer):
    value = answer(lambda x: x @ torch.tensor([3.0, 4.0]), _POINTS)
    # The length of the whole batch's gradient is 10, so (10 - 1)^2; each coordinate by itself gives (2^2 + 3^2) / 2.
    length = 6.5 if abs(float(value) - 6.5) < 1e-3 else 81.0
    mistakes = {"length": length, "not_from_one": 25.0}
    expect_close(value, 16.0, "value", mistakes)


@slope_penalty.step("a slope for each point")
def _(answer):
    points = torch.tensor([[0.6, 0.0], [1.0, 2.0], [-1.0, 0.5]])
    mistakes = {"mean_first": (points.norm(dim=1).mean() - 1).square()}
    expect_close(answer(_bowl, points), _slope_penalty(_bowl, points), "value", mistakes)


def _bowl(x: Tensor) -> Tensor:
    """Its slope is the point itself."""
    return x.square().sum(1) / 2


@slope_penalty.step("it teaches the critic")
def _(answer):
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    value = answer(lambda x: x @ weight, _POINTS)
    expect(isinstance(value, Tensor) and value.requires_grad, "detached", "the penalty carries no gradient")
    value.backward()
    expect(weight.grad is not None, "detached", "no gradient at the critic's weights")
    expect_close(weight.grad, 2 * 4 * torch.tensor([0.6, 0.8]), "value")


@slope_penalty.wrong("not_meaned", hint="shape")
def _(critic, x):
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return (slope.norm(dim=1) - 1).square()


@slope_penalty.wrong("length_of_the_batch", hint="length")
def _(critic, x):
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return (slope.norm() - 1).square()


@slope_penalty.wrong("each_coordinate", hint="length")
def _(critic, x):
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return (slope - 1).square().mean()


@slope_penalty.wrong("towards_zero", hint="not_from_one")
def _(critic, x):
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return slope.norm(dim=1).square().mean()


@slope_penalty.wrong("no_graph", hint="detached")
def _(critic, x):
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x)
    return (slope.norm(dim=1) - 1).square().mean()


@slope_penalty.wrong("mean_length", hint="mean_first")
def _(critic, x):
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return (slope.norm(dim=1).mean() - 1).square()


@slope_penalty.wrong("not_squared", hint="value")
def _(critic, x):
    return _slope_penalty(critic, x).sqrt()


# ------------------------------------------------------------------------------- 4. PSNR inside a region


def _error(images: Tensor, truth: Tensor) -> Tensor:
    return (images.float() - truth.float()).square().mean(1)


region_psnr = Exercise(
    "start",
    "region_psnr",
    reference=metrics.region_psnr,
    hints={
        "shape": (
            "One number for each picture is asked for.",
            "Take the mean over channels and pixels, but not over the batch.",
            "Sum over the dimensions (1, 2) of a (B, H, W) tensor: (B,) is left.",
        ),
        "value": (
            "The number is not right yet.",
            "Mean squared error over the region's pixels and three channels, then 10 log10(255^2 / error).",
            "error = (squared * region).sum((1, 2)) / region.sum((1, 2)), squared being a mean over the channels.",
        ),
        "whole": (
            "The background flatters your number.",
            "You divide by all pixels of the picture; only those of the region count.",
            "Divide the sum over the region by region.sum((1, 2)), not by H x W.",
        ),
        "sign": (
            "The better the picture, the lower your number.",
            "The error stands under the fraction line: 255^2 / error.",
            "10 * torch.log10(255**2 / error)",
        ),
        "wrapped": (
            "Large errors look small to you.",
            "The pictures are uint8: 10 - 250 is not -240 there, but 16.",
            "Turn both into floats before you subtract: images.float() - truth.float().",
        ),
    },
)


def _spot() -> tuple[Tensor, Tensor, Tensor]:
    """Two pictures of 8x8, regions of 8 and 6 pixels: errors of both signs, other ones in each colour; outside, too."""
    truth = torch.full((2, 3, 8, 8), 100, dtype=torch.uint8)
    images, region = truth.clone(), torch.zeros(2, 8, 8, dtype=torch.bool)
    region[0, :2, :4] = region[1, :2, :3] = True
    images[0, :, 0, :4], images[1, :, 0, :4] = 151, 202
    images[1, 2, 1, :3], truth[1, 2, 1, :3] = 250, 10
    images[:, 1, 1, :3] = 40
    images[:, :, 7, 7] = 0
    return images, truth, region


@region_psnr.step("one number a picture")
def _(answer):
    expect_shape(answer(*_spot()), (2,), "shape")


@region_psnr.step("the value of a known error")
def _(answer):
    images, truth, region = _spot()
    right = metrics.region_psnr(images, truth, region)
    squared = _error(images, truth)
    mistakes = {
        "sign": -right,
        "whole": 10 * torch.log10(255.0**2 / (squared * region).mean((1, 2))),
    }
    wrapped = (images - truth).float().square().mean(1)
    mistakes["wrapped"] = 10 * torch.log10(255.0**2 / ((wrapped * region).sum((1, 2)) / region.sum((1, 2))))
    expect_close(answer(images, truth, region), right, "value", mistakes)


@region_psnr.step("brighter or darker is the same error")
def _(answer):
    images, truth, region = _spot()
    right = metrics.region_psnr(images, truth, region)
    expect_close(answer(truth, images, region), right, "wrapped")


@region_psnr.wrong("over_the_batch", hint="shape")
def _(images, truth, region):
    return 10 * torch.log10(255.0**2 / _error(images, truth)[region].mean())


@region_psnr.wrong("over_the_picture", hint="whole")
def _(images, truth, region):
    return 10 * torch.log10(255.0**2 / (_error(images, truth) * region).mean((1, 2)))


@region_psnr.wrong("upside_down", hint="sign")
def _(images, truth, region):
    return -metrics.region_psnr(images, truth, region)


@region_psnr.wrong("uint8_difference", hint="wrapped")
def _(images, truth, region):
    squared = (images - truth).float().square().mean(1)
    return 10 * torch.log10(255.0**2 / ((squared * region).sum((1, 2)) / region.sum((1, 2))))


@region_psnr.wrong("first_channel_only", hint="value")
def _(images, truth, region):
    return metrics.region_psnr(images[:, :1], truth[:, :1], region)


@region_psnr.wrong("region_ignored", hint="value")
def _(images, truth, region):
    return 10 * torch.log10(255.0**2 / _error(images, truth).mean((1, 2)))


# --------------------------------------------------------------------------------- 5. leakage out of a mask

leakage = Exercise(
    "start",
    "leakage",
    reference=metrics.leakage,
    hints={
        "shape": (
            "One number for each picture is asked for.",
            "Take the mean over channels and pixels, but not over the batch.",
            "Sum over the dimensions (1, 2) of a (B, H, W) tensor: (B,) is left.",
        ),
        "value": (
            "The number is not right yet.",
            "|edited - source|, meaned over the channels, summed outside the region, by the number of pixels there.",
            "(change * ~region).sum((1, 2)) / (~region).sum((1, 2)), change being |edited - source|.mean(1)",
        ),
        "inside": (
            "You measure where change is allowed.",
            "Leakage is what happens *outside* the region.",
            "Use ~region, the pixels that are not in the region.",
        ),
        "cancels": (
            "Lighter here and darker there is no change at all, by your measure.",
            "Changes of opposite sign must not cancel.",
            "Take .abs() of the difference before any mean.",
        ),
        "everywhere": (
            "A small region and a large one are not compared fairly.",
            "The mean goes over the pixels outside, not over the whole picture.",
            "Divide by (~region).sum((1, 2)).",
        ),
    },
)


def _leak() -> tuple[Tensor, Tensor, Tensor]:
    """Two pictures of 8x8, regions of 4 and 6 rows: large changes inside, small ones of both signs outside."""
    source = torch.full((2, 3, 8, 8), 100, dtype=torch.uint8)
    edited, region = source.clone(), torch.zeros(2, 8, 8, dtype=torch.bool)
    region[0, :4], region[1, :6] = True, True
    edited[:, :, :2] = 200
    edited[:, :, 6], edited[:, 1:, 7] = 108, torch.tensor([[96], [110]], dtype=torch.uint8)
    return edited, source, region


@leakage.step("one number a picture")
def _(answer):
    expect_shape(answer(*_leak()), (2,), "shape")


@leakage.step("the value of a known leak")
def _(answer):
    edited, source, region = _leak()
    signed = (edited.float() - source.float()).mean(1)
    mistakes = {
        "inside": metrics.leakage(edited, source, ~region),
        "cancels": (signed * ~region).sum((1, 2)) / (~region).sum((1, 2)),
        "everywhere": ((edited.float() - source.float()).abs().mean(1) * ~region).mean((1, 2)),
    }
    right = metrics.leakage(edited, source, region)
    expect_close(answer(edited, source, region), right, "value", mistakes)


@leakage.step("the true edit leaks nothing")
def _(answer):
    people = faces.sample(2, seed=3)
    before, after = (faces.render_uint8(p, 32) for p in (people, people.with_attribute("Eyeglasses", 1.0)))
    expect_close(answer(after, before, faces.region(people, "Eyeglasses", 32)), torch.zeros(2), "value")


@leakage.wrong("over_the_batch", hint="shape")
def _(edited, source, region):
    return metrics.leakage(edited, source, region).mean()


@leakage.wrong("in_the_region", hint="inside")
def _(edited, source, region):
    return metrics.leakage(edited, source, ~region)


@leakage.wrong("no_abs", hint="cancels")
def _(edited, source, region):
    change = (edited.float() - source.float()).mean(1)
    return (change * ~region).sum((1, 2)) / (~region).sum((1, 2))


@leakage.wrong("over_the_picture", hint="everywhere")
def _(edited, source, region):
    return ((edited.float() - source.float()).abs().mean(1) * ~region).mean((1, 2))


@leakage.wrong("first_channel_only", hint="value")
def _(edited, source, region):
    return metrics.leakage(edited[:, :1], source[:, :1], region)


@leakage.wrong("summed_over_channels", hint="value")
def _(edited, source, region):
    return 3 * metrics.leakage(edited, source, region)


# ------------------------------------------------------------------------------------------ 6. preservation


def _preservation(seen, truth, column):
    others = [i for i in range(truth.shape[1]) if i != column]
    return (seen[:, others] == truth[:, others]).float().mean()


preservation = Exercise(
    "start",
    "preservation",
    reference=_preservation,
    hints={
        "shape": (
            "One number is asked for: a rate over all people and all other attributes.",
            "Count the agreements of everyone together.",
            "End with .float().mean().",
        ),
        "value": (
            "The rate is not right yet.",
            "Leave the edited column out, compare the rest entry by entry, take the mean.",
            "others = [i for i in range(n) if i != column]; (seen[:, others] == truth[:, others]).float().mean()",
        ),
        "edited_too": (
            "You count the edited attribute as well.",
            "Whether *that* one is right is accuracy. Preservation is about all the others.",
            "Drop the column that was edited from both tables before you compare.",
        ),
        "error": (
            "Your code stopped with an error, or compares things of different shape.",
            "seen and truth are both (B, n) tables of 0 and 1; column is a number.",
            "Index the columns with a list: seen[:, others].",
        ),
        "flipped": (
            "A perfect editor would get 0.",
            "You count the disagreements; preservation is the rate of agreement.",
            "Compare with ==, not with !=.",
        ),
        "all_or_nothing": (
            "One attribute too many and the whole person counts for nothing: that is stricter than asked.",
            "The design counts every attribute of every person by itself.",
            "Take the mean of the comparison directly, without .all(dim=1).",
        ),
    },
)


@preservation.step("one number")
def _(answer):
    expect_number(answer(torch.ones(4, 3), torch.ones(4, 3), 1), "shape")


@preservation.step("the rate of a known table")
def _(answer):
    truth = torch.zeros(4, 5)
    seen = truth.clone()
    seen[:, 2] = 1  # the edit itself went wrong for everyone
    seen[0, 0] = seen[0, 1] = seen[1, 4] = 1  # three of the other sixteen
    value = torch.as_tensor(answer(seen, truth, 2))
    mistakes = {"edited_too": 13 / 20, "flipped": 3 / 16, "all_or_nothing": 2 / 4}
    mistakes = {key: torch.tensor(rate) for key, rate in mistakes.items()}
    expect_close(value, torch.tensor(13 / 16), "value", mistakes)


@preservation.step("whatever column was edited")
def _(answer):
    truth = torch.randint(0, 2, (50, 6)).float()
    for column in (0, 3, 5):
        seen = truth.clone()
        seen[:, column] = 1 - seen[:, column]
        expect_close(answer(seen, truth, column), torch.tensor(1.0), "value")


@preservation.wrong("a_rate_a_person", hint="shape")
def _(seen, truth, column):
    return (seen == truth).float().mean(1)


@preservation.wrong("every_column", hint="edited_too")
def _(seen, truth, column):
    return (seen == truth).float().mean()


@preservation.wrong("disagreement", hint="flipped")
def _(seen, truth, column):
    return 1 - _preservation(seen, truth, column)


@preservation.wrong("whole_people", hint="all_or_nothing")
def _(seen, truth, column):
    others = [i for i in range(truth.shape[1]) if i != column]
    return (seen[:, others] == truth[:, others]).all(dim=1).float().mean()


@preservation.wrong("always_the_last_column", hint="value")
def _(seen, truth, column):
    return _preservation(seen, truth, truth.shape[1] - 1)
