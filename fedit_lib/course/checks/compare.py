"""Checks for the exercises of the last series, in which the papers are measured against each other."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fedit_lib.course.checks import Exercise, Miss, close, expect, expect_close, expect_number, expect_shape
from fedit_lib.course.paths import course_root

# ------------------------------------------------------------------------- 1. between the floor and the ceiling


def _between(score: float, floor: float, ceiling: float) -> float | None:
    return None if ceiling == floor else (score - floor) / (ceiling - floor)


between = Exercise(
    "compare",
    "between",
    reference=_between,
    hints={
        "value": (
            "A score half way from the floor to the ceiling is 0.5. Is yours?",
            "How far is the score from the floor, in units of the whole way from floor to ceiling?",
            "(score - floor) / (ceiling - floor)",
        ),
        "ceiling": (
            "Which of the two is 0: doing nothing, or the true answer?",
            "You measured from the ceiling down. The floor is 0, the ceiling is 1.",
            "(score - floor) / (ceiling - floor): the floor is taken away in both places.",
        ),
        "lower": (
            "Try a FID: doing nothing 800, the truth 0, a model 200.",
            "Where less is better, both differences are negative, and their quotient is positive again.",
            "No abs() and no max() anywhere: (score - floor) / (ceiling - floor) serves both kinds of measure.",
        ),
        "clamped": (
            "Try a model that is worse than doing nothing.",
            "It must come out negative; a board that shows 0 instead hides the worst models.",
            "No clamp, no max(0, ...).",
        ),
        "nowhere": (
            "What if doing nothing is already perfect, as for leakage?",
            "Between two equal numbers there is no way, and no place on it: answer None.",
            "if ceiling == floor: return None",
        ),
    },
)


@between.step("half way, and the two ends")
def _between_value(answer) -> None:  # type: ignore[no-untyped-def]
    for score, wanted in ((20.0, 0.4), (16.0, 0.0), (26.0, 1.0)):
        expect_close(answer(score, 16.0, 26.0), wanted, "value", {"ceiling": 1 - wanted})


@between.step("a measure of which less is better")
def _between_lower(answer) -> None:  # type: ignore[no-untyped-def]
    for parts, wanted in (((200.0, 800.0, 0.0), 0.75), ((0.3, 0.0, 1.0), 0.3)):
        seen = answer(*parts)
        expect(
            seen is not None,
            "nowhere",
            f"None for {parts}: 0 is a number like others, only equal ones have no way",
        )
        expect_close(seen, wanted, "lower")


@between.step("a model below the floor")
def _between_below(answer) -> None:  # type: ignore[no-untyped-def]
    expect_close(answer(14.0, 16.0, 24.0), -0.25, "lower", {"clamped": 0.0})
    expect_close(answer(900.0, 800.0, 0.0), -0.125, "lower", {"clamped": 0.0})


@between.step("no way between floor and ceiling")
def _between_nowhere(answer) -> None:  # type: ignore[no-untyped-def]
    try:
        seen = answer(3.0, 0.0, 0.0)
    except ZeroDivisionError:
        raise Miss("nowhere", "a division by zero") from None
    expect(seen is None, "nowhere", f"{seen!r}, expected None")


@between.wrong("a share of the ceiling", hint="value")
def _between_share(score, floor, ceiling):  # type: ignore[no-untyped-def]
    return score / ceiling if ceiling else None


@between.wrong("from the ceiling", hint="ceiling")
def _between_down(score, floor, ceiling):  # type: ignore[no-untyped-def]
    return (ceiling - score) / (ceiling - floor)


@between.wrong("a distance", hint="lower")
def _between_abs(score, floor, ceiling):  # type: ignore[no-untyped-def]
    return (score - floor) / abs(ceiling - floor)


@between.wrong("cut at the ends", hint="clamped")
def _between_cut(score, floor, ceiling):  # type: ignore[no-untyped-def]
    return min(max((score - floor) / (ceiling - floor), 0.0), 1.0)


@between.wrong("no way from a floor of 0", hint="nowhere")
def _between_falsy(score, floor, ceiling):  # type: ignore[no-untyped-def]
    return (score - floor) / (ceiling - floor) if floor and ceiling != floor else None


@between.wrong("divided by zero", hint="nowhere")
def _between_zero(score, floor, ceiling):  # type: ignore[no-untyped-def]
    return (score - floor) / (ceiling - floor)


# --------------------------------------------------------------------------------------- 2. is the lead real?


def _lead(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    difference = a.float() - b.float()
    return difference.mean(), difference.std() / len(difference) ** 0.5


def _exams() -> tuple[Tensor, Tensor]:
    """Two models on the same 200 people: most people are easy for both or hard for both."""
    hard = torch.rand(200)
    return (hard < 0.88).float(), ((hard + 0.05 * torch.randn(200)) < 0.84).float()


lead = Exercise(
    "compare",
    "lead",
    reference=_lead,
    hints={
        "pair": (
            "Two numbers come back: the difference of the means, and its standard error.",
            "`return difference, error`",
            "difference = (a - b).mean(), and then its error.",
        ),
        "difference": (
            "The first number should say by how much a leads.",
            "Positive where a is better: the mean of a, less the mean of b.",
            "(a - b).mean()",
        ),
        "unpaired": (
            "Is a person who is hard for one model not hard for the other as well?",
            "You treated the lists as two groups of strangers. They are the *same* people: compare person by person.",
            "Take a - b first, one number a person; then the standard error of *its* mean.",
        ),
        "spread": (
            "Does your error become smaller when there are more people? It must.",
            "The standard deviation of one person's difference is not that of a mean of 200.",
            "Divide the standard deviation of a - b by the square root of the number of people.",
        ),
        "squared": (
            "In which unit is your error? It should be that of the difference.",
            "A variance divided by n is the *square* of the standard error.",
            "Take the root: std / sqrt(n).",
        ),
        "deviation": (
            "The second number is not the standard error of the first.",
            "d = a - b has one entry a person. The standard error of its mean: its deviation by the root of n.",
            "d.std() / len(d) ** 0.5",
        ),
    },
)


@lead.step("two numbers")
def _lead_pair(answer) -> None:  # type: ignore[no-untyped-def]
    made = answer(*_exams())
    expect(isinstance(made, (tuple, list)) and len(made) == 2, "pair", type(made).__name__)
    for part in made:
        expect_number(part, "pair")


@lead.step("by how much a leads")
def _lead_difference(answer) -> None:  # type: ignore[no-untyped-def]
    a, b = _exams()
    right = a.mean() - b.mean()
    expect_close(answer(a.clone(), b.clone())[0], right, "difference")
    expect_close(answer(b, a)[0], -right, "difference")


@lead.step("how far another 200 people might have moved it")
def _lead_error(answer) -> None:  # type: ignore[no-untyped-def]
    a, b = _exams()
    d, n = a - b, len(a)
    mistakes = [
        ("unpaired", (a.var() / n + b.var() / n).sqrt()),
        ("unpaired", (a.var(correction=0) / n + b.var(correction=0) / n).sqrt()),
        ("spread", d.std()),
        ("squared", d.var() / n),
    ]
    right, twice = d.std() / n**0.5, (a.repeat(2), b.repeat(2))
    seen = answer(a, b)[1]
    if not close(seen, d.std(correction=0) / n**0.5, rtol=1e-4):  # n or n - 1: no matter here
        expect_close(seen, right, "deviation", mistakes)
    expect_close(answer(*twice)[1], right / 2**0.5, "deviation", rtol=2e-2)


@lead.wrong("one number", hint="pair")
def _lead_one(a, b):  # type: ignore[no-untyped-def]
    return (a - b).mean()


@lead.wrong("b's lead", hint="difference")
def _lead_turned(a, b):  # type: ignore[no-untyped-def]
    return (b - a).mean(), (b - a).std() / len(a) ** 0.5


@lead.wrong("no sign", hint="difference")
def _lead_abs(a, b):  # type: ignore[no-untyped-def]
    return (a.mean() - b.mean()).abs(), (a - b).std() / len(a) ** 0.5


@lead.wrong("two hundred people, always", hint="deviation")
def _lead_fixed(a, b):  # type: ignore[no-untyped-def]
    return (a - b).mean(), (a - b).std() / 200**0.5


@lead.wrong("two groups of strangers", hint="unpaired")
def _lead_unpaired(a, b):  # type: ignore[no-untyped-def]
    return (a - b).mean(), (a.var() / len(a) + b.var() / len(b)) ** 0.5


@lead.wrong("the standard deviation", hint="spread")
def _lead_spread(a, b):  # type: ignore[no-untyped-def]
    return (a - b).mean(), (a - b).std()


@lead.wrong("a variance", hint="squared")
def _lead_squared(a, b):  # type: ignore[no-untyped-def]
    return (a - b).mean(), (a - b).var() / len(a)


@lead.wrong("the error of one list", hint="deviation")
def _lead_error_of_a(a, b):  # type: ignore[no-untyped-def]
    return (a - b).mean(), a.std() / len(a) ** 0.5


# ------------------------------------------------------------------------------------- 3. a gap between groups


def _gap(score: Tensor, nothing: Tensor, tone: Tensor) -> float:
    gain = score - nothing
    means = [gain[tone == t].mean() for t in tone.unique()]
    return float(max(means) - min(means))


def _tones() -> tuple[Tensor, Tensor, Tensor]:
    """Region PSNR of 30 people, that of doing nothing, and their third; the middle one gains least."""
    tone = torch.tensor([0, 1, 2, 2, 1, 2] * 5)
    nothing = torch.tensor([16.4, 15.0, 12.8])[tone] + 0.3 * torch.randn(30)
    return nothing + torch.tensor([2.5, -1.0, 3.1])[tone] + 0.2 * torch.randn(30), nothing, tone


tone_gap = Exercise(
    "compare",
    "tone_gap",
    reference=_gap,
    hints={
        "one": (
            "One number comes back, for all groups together.",
            "A mean for each group, then the largest less the smallest.",
            "return max(means) - min(means)",
        ),
        "value": (
            "Work it out by hand for four people in two groups.",
            "Each person's gain first; the mean of each group's gains; the largest mean less the smallest.",
            "gain = score - nothing; means = [gain[tone == t].mean() for t in tone.unique()]",
        ),
        "baseline": (
            "Is a frame of glasses as visible on light skin as on dark?",
            "The measure itself treats the groups differently. What each person *gained* over doing nothing counts.",
            "Begin with score - nothing.",
        ),
        "ends": (
            "Does it have to be the darkest third that fares worst, or the lightest?",
            "You compare two groups that you chose beforehand. The one between them may be the one that loses.",
            "The largest of *all* groups' means less the smallest.",
        ),
        "empty": (
            "What does your answer say if nobody of one group sat the exam?",
            "The mean of no numbers is NaN, and what it touches becomes NaN as well.",
            "Go through tone.unique(), the groups that are there.",
        ),
    },
)


@tone_gap.step("one number")
def _gap_one(answer) -> None:  # type: ignore[no-untyped-def]
    expect_number(answer(*_tones()), "one")


@tone_gap.step("the gain of the best group, less that of the worst")
def _gap_value(answer) -> None:  # type: ignore[no-untyped-def]
    score, nothing, tone = _tones()
    raw = [float(score[tone == t].mean()) for t in range(3)]
    own = [float((score - nothing)[tone == t].mean()) for t in range(3)]
    mistakes = [
        ("baseline", max(raw) - min(raw)),
        ("ends", own[2] - own[0]),
        ("ends", own[0] - own[2]),
        ("ends", abs(own[2] - own[0])),
    ]
    expect_close(float(answer(score, nothing, tone)), max(own) - min(own), "value", mistakes)


@tone_gap.step("a group of nobody")
def _gap_empty(answer) -> None:  # type: ignore[no-untyped-def]
    score, nothing, tone = (part[_tones()[2] != 1] for part in _tones())
    right = _gap(score, nothing, tone)
    seen = float(answer(score, nothing, tone))
    expect(not math.isnan(seen), "empty", "nan")
    expect_close(seen, right, "value")


@tone_gap.wrong("one a group", hint="one")
def _gap_list(score, nothing, tone):  # type: ignore[no-untyped-def]
    return torch.stack([(score - nothing)[tone == t].mean() for t in range(3)])


@tone_gap.wrong("a deviation", hint="value")
def _gap_std(score, nothing, tone):  # type: ignore[no-untyped-def]
    return torch.stack([(score - nothing)[tone == t].mean() for t in tone.unique()]).std()


@tone_gap.wrong("losses taken for gains", hint="value")
def _gap_abs(score, nothing, tone):  # type: ignore[no-untyped-def]
    return _gap((score - nothing).abs(), torch.zeros_like(score), tone)


@tone_gap.wrong("without the floor", hint="baseline")
def _gap_raw(score, nothing, tone):  # type: ignore[no-untyped-def]
    return _gap(score, torch.zeros_like(score), tone)


@tone_gap.wrong("light against dark", hint="ends")
def _gap_ends(score, nothing, tone):  # type: ignore[no-untyped-def]
    gain = score - nothing
    return gain[tone == 2].mean() - gain[tone == 0].mean()


@tone_gap.wrong("three groups, always", hint="empty")
def _gap_three(score, nothing, tone):  # type: ignore[no-untyped-def]
    means = torch.stack([(score - nothing)[tone == t].mean() for t in range(3)])
    return means.max() - means.min()


# --------------------------------------------------------------------------------- 4. what an edit drags along


def _side_effects(before: Tensor, again: Tensor, after: Tensor, truth: Tensor, put_on: Tensor) -> Tensor:
    sign = torch.where(put_on, 1.0, -1.0)[:, None]
    return (sign * ((after - again) - (truth - before))).mean(0)


def _strengths() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Of 40 people and 5 attributes: the first is edited, the second goes with it, redrawing fades the fourth."""
    put_on = torch.rand(40) > 0.4
    sign = torch.where(put_on, 1.0, -1.0)[:, None]
    before = torch.rand(40, 5)
    again = before - 0.3 * torch.tensor([0.0, 0, 0, 1, 0]) + 0.02 * torch.randn(40, 5)
    after = again + sign * torch.tensor([0.7, 0.3, 0.1, 0, 0]) + 0.05 * torch.randn(40, 5)
    return before, again, after, before + sign * torch.tensor([0.9, 0, 0.1, 0, 0.2]), put_on


drag = Exercise(
    "compare",
    "drag",
    reference=_side_effects,
    hints={
        "shape": (
            "One number an attribute comes back, (K,).",
            "The mean over the people, who lie along the first dimension.",
            "(...).mean(0)",
        ),
        "value": (
            "Three things are to be right: what the edit is compared with, what the truth changes, and the direction.",
            "sign * ((after - again) - (truth - before)), with a sign of 1 or -1 for each person.",
            "Its mean over people: (sign[:, None] * ((after - again) - (truth - before))).mean(0)",
        ),
        "sign": (
            "Of some people glasses are taken off. What do they do to your mean?",
            "Putting on and taking off cancel, and an entangled editor looks innocent.",
            "Multiply each row by 1 where it was put on and by -1 where it was taken off.",
        ),
        "reference": (
            "This model makes everyone a little younger, edited or not. Is that an effect of the *edit*?",
            "What the model loses by mere redrawing is in its reconstruction. Compare the edit with that.",
            "after - again, not after - before.",
        ),
        "truth": (
            "Take the hair off a head: may the oracle read its colour as before?",
            "Some of what changes *should* change. The true answer says how much.",
            "Take truth - before away.",
        ),
        "absolute": (
            "You lost the direction: a side effect of +0.3 and one of -0.3 are different findings.",
            "And noise that cancels in a mean does not cancel in a mean of absolute values.",
            "No abs() here: first the mean over people.",
        ),
    },
)


@drag.step("one number an attribute")
def _drag_shape(answer) -> None:  # type: ignore[no-untyped-def]
    expect_shape(answer(*_strengths()), (5,), "shape")


@drag.step("what was moved beyond the truth")
def _drag_value(answer) -> None:  # type: ignore[no-untyped-def]
    before, again, after, truth, put_on = _strengths()
    sign = torch.where(put_on, 1.0, -1.0)[:, None]
    mistakes = {
        "sign": ((after - again) - (truth - before)).mean(0),
        "reference": (sign * (after - truth)).mean(0),
        "truth": (sign * (after - again)).mean(0),
        "absolute": (sign * ((after - again) - (truth - before))).abs().mean(0),
    }
    right = _side_effects(before, again, after, truth, put_on)
    expect_close(answer(before, again, after, truth, put_on), right, "value", mistakes)


@drag.step("nobody to put it on")
def _drag_off(answer) -> None:  # type: ignore[no-untyped-def]
    before, again, after, truth, put_on = _strengths()
    rows = [part[~put_on] for part in (before, again, after, truth, put_on)]
    right = _side_effects(*rows)
    expect_close(answer(*rows), right, "value")


@drag.wrong("a number a person", hint="shape")
def _drag_rows(before, again, after, truth, put_on):  # type: ignore[no-untyped-def]
    return ((after - again) - (truth - before)).mean(1)


@drag.wrong("the truth added", hint="value")
def _drag_added(before, again, after, truth, put_on):  # type: ignore[no-untyped-def]
    return (torch.where(put_on, 1.0, -1.0)[:, None] * ((after - again) + (truth - before))).mean(0)


@drag.wrong("a median", hint="value")
def _drag_median(before, again, after, truth, put_on):  # type: ignore[no-untyped-def]
    moved = torch.where(put_on, 1.0, -1.0)[:, None] * ((after - again) - (truth - before))
    return moved.median(0).values


@drag.wrong("no direction", hint="sign")
def _drag_unsigned(before, again, after, truth, put_on):  # type: ignore[no-untyped-def]
    return ((after - again) - (truth - before)).mean(0)


@drag.wrong("from the input", hint="reference")
def _drag_input(before, again, after, truth, put_on):  # type: ignore[no-untyped-def]
    return _side_effects(before, before, after, truth, put_on)


@drag.wrong("without the truth", hint="truth")
def _drag_untrue(before, again, after, truth, put_on):  # type: ignore[no-untyped-def]
    return _side_effects(before, again, after, before, put_on)


@drag.wrong("absolute", hint="absolute")
def _drag_abs(before, again, after, truth, put_on):  # type: ignore[no-untyped-def]
    return ((after - again) - (truth - before)).abs().mean(0)


# ----------------------------------------------------------------------------------- 5. an alarm for collapse


def _spread(images: Tensor) -> Tensor:
    flat = (images.flatten(1) + 1) * 127.5
    return torch.pdist(flat).mean() / flat.shape[1] ** 0.5


def _distances(images: Tensor) -> Tensor:
    """Every picture from every one, itself included (B, B): root of the mean square, in grey levels."""
    return 127.5 * (images[:, None] - images[None]).square().mean((2, 3, 4)).sqrt()


spread = Exercise(
    "compare",
    "spread",
    reference=_spread,
    hints={
        "one": (
            "One number comes back for the whole batch.",
            "A distance for each pair of pictures, then the mean over the pairs.",
            "return a tensor without dimensions, or a float.",
        ),
        "range": (
            "From black to white is 255 grey levels. What is it in [-1, 1]?",
            "A difference of 2 is one of 255 grey levels.",
            "Multiply differences by 127.5.",
        ),
        "itself": (
            "How far is a picture from itself, and does that tell you anything about the others?",
            "Among B x B distances, B are zero by themselves and make every batch look closer than it is.",
            "Only pairs of *different* pictures: divide the sum of all distances by B * (B - 1).",
        ),
        "neighbours": (
            "A generator that hops between two pictures: what would you say of it?",
            "Each with the next is not each with every other.",
            "All pairs i < j: images[:, None] - images[None] has them, twice over.",
        ),
        "mean": (
            "Your distance differs from the one asked for: mean of |difference|, or root of the mean of its square?",
            "Square the differences, take the mean over channels and pixels, then the root: one number a pair.",
            "(difference ** 2).mean((-3, -2, -1)).sqrt(), and only then the mean over pairs.",
        ),
        "order": (
            "Root and mean do not commute. Which of them is over pairs?",
            "First the root of each pair's mean square, then the mean over the pairs.",
            "distance.sqrt() before the mean over pairs.",
        ),
        "value": (
            "Try two pictures, one all -1 and one all 1: their spread is 255.",
            "For each pair: root of the mean square difference over all channels and pixels, in grey levels.",
            "d = 127.5 * (images[i] - images[j]); the pair's distance is (d ** 2).mean() ** 0.5.",
        ),
    },
)


def _spread_mistakes(images: Tensor) -> list[tuple[str, float]]:
    far, n = _distances(images), len(images)
    right = float(_spread(images))
    absolute = 127.5 * (images[:, None] - images[None]).abs().mean((2, 3, 4))
    return [
        ("range", right / 127.5),
        ("range", right / 255),
        ("range", right * 2),
        ("itself", float(far.mean())),
        ("neighbours", float(far.diagonal(1).mean())),
        ("mean", float(absolute.sum() / (n * (n - 1)))),
        ("order", float((far.square().sum() / (n * (n - 1))).sqrt())),
    ]


@spread.step("one number; black and white are 255 apart, grey between them")
def _spread_range(answer) -> None:  # type: ignore[no-untyped-def]
    three = torch.tensor([-1.0, 1.0, 0.0])[:, None, None, None].expand(-1, 3, 4, 4)
    made = answer(three)
    expect_number(made, "one")
    expect_close(float(made), 170.0, "value", [m for m in _spread_mistakes(three) if m[0] != "mean"])


@spread.step("every picture with every other")
def _spread_value(answer) -> None:  # type: ignore[no-untyped-def]
    images = torch.rand(6, 3, 5, 4) * torch.rand(6, 1, 1, 1) * 2 - 1
    right, mistakes = float(_spread(images)), _spread_mistakes(images)
    expect_close(float(answer(images)), right, "value", mistakes)


@spread.step("a generator that says one thing")
def _spread_none(answer) -> None:  # type: ignore[no-untyped-def]
    expect_close(float(answer(torch.rand(1, 3, 4, 4).expand(5, -1, -1, -1))), 0.0, "value", atol=1e-2)


@spread.wrong("one a picture", hint="one")
def _spread_rows(images):  # type: ignore[no-untyped-def]
    return _distances(images).mean(1)


@spread.wrong("not in grey levels", hint="range")
def _spread_raw(images):  # type: ignore[no-untyped-def]
    return _spread(images) / 127.5


@spread.wrong("with itself", hint="itself")
def _spread_self(images):  # type: ignore[no-untyped-def]
    return _distances(images).mean()


@spread.wrong("with the next", hint="neighbours")
def _spread_next(images):  # type: ignore[no-untyped-def]
    return 127.5 * (images[1:] - images[:-1]).square().mean((1, 2, 3)).sqrt().mean()


@spread.wrong("absolute differences", hint="mean")
def _spread_absolute(images):  # type: ignore[no-untyped-def]
    n = len(images)
    return 127.5 * (images[:, None] - images[None]).abs().mean((2, 3, 4)).sum() / (n * (n - 1))


@spread.wrong("the root last", hint="order")
def _spread_root(images):  # type: ignore[no-untyped-def]
    n = len(images)
    return (_distances(images).square().sum() / (n * (n - 1))).sqrt()


@spread.wrong("from the mean picture", hint="value")
def _spread_centre(images):  # type: ignore[no-untyped-def]
    return 127.5 * (images - images.mean(0)).square().mean((1, 2, 3)).sqrt().mean()


# ----------------------------------------------------------------------------- 6. six patients, known by numbers

# The ward: letter -> the failure's name in failures.csv, the model, the cure.
PATIENTS = {
    "A": ("nothing", "AttGAN", "classification"),
    "B": ("latent", "Fader", "adversary"),
    "C": ("entanglement", "AttGAN", "people"),
    "D": ("mask", "AGGAN", "cycle"),
    "E": ("identity", "AttGAN", "reconstruction"),
    "F": ("collapse", "plain GAN", "penalty"),
}
CURES = tuple(sorted(cure for _, _, cure in PATIENTS.values()))


def ward() -> None:
    """Prints, for each patient, its last numbers beside those of the healthy run (`7_compare/assets/failures.csv`)."""
    path = course_root() / "notebooks" / "7_compare" / "assets" / "failures.csv"
    with open(path, newline="") as file:
        last = {(r["failure"], r["run"], r["measure"]): float(r["value"]) for r in csv.DictReader(file)}
    for letter, (failure, model, _) in PATIENTS.items():
        told = [
            f"{measure} {last[failure, 'works', measure]:.2f} -> {value:.2f}"
            for (name, run, measure), value in last.items()
            if (name, run) == (failure, "fails") and measure != "drags along"
        ]
        print(f"{letter}  {model:10} {'   '.join(told)}")


def _diagnosis() -> dict[str, str]:
    return {letter: cure for letter, (_, _, cure) in PATIENTS.items()}


diagnosis = Exercise(
    "compare",
    "diagnosis",
    reference=_diagnosis,
    hints={
        "form": (
            "A dictionary comes back: each letter of the ward, and one cure for it.",
            f"The cures are {', '.join(map(repr, CURES))}; each is needed once.",
            'return {"A": "...", "B": "...", ...}, with those six words.',
        ),
        "obeys": (
            "Two patients hardly obey (accuracy .05 and .17), and both rebuild *better* than the healthy run. One is "
            "never told to obey; the other is told, and need not listen.",
            "Only one of the two models has a classifier that looks at edited faces. The other hides an attribute.",
            "AttGAN without classification of edits copies its input; Fader without the adversary on the code leaks.",
        ),
        "mask": (
            "Which of the models has a mask, and what holds a mask shut?",
            "Two terms of AGGAN pay for every pixel left alone: pixel loss and cycle loss.",
            "The patient whose mask is ten times as open needs 'cycle'.",
        ),
        "quiet": (
            "Two patients obey as well as their twins, or better. One of them paid 6 dB of reconstruction for it; the "
            "other lost nothing that these two numbers can show: look at its third.",
            "Nobody asks the one to stay who it is. The other moves what goes with the attribute in life; where did it "
            "learn what goes with what?",
            "The one needs 'reconstruction'; the other learned its habits from its training 'people'.",
        ),
        "collapse": (
            "One patient edits nothing at all. What does its number mean?",
            "A spread that falls to less than half: the generator draws nearly the same picture for every noise.",
            "The critic needs its 'penalty'.",
        ),
    },
)


@diagnosis.step("one cure for each patient")
def _diagnosis_form(answer) -> None:  # type: ignore[no-untyped-def]
    made = answer()
    expect(made is not None, "untouched", "your function returned nothing")
    expect(isinstance(made, dict), "form", type(made).__name__)
    expect(sorted(made) == sorted(PATIENTS), "form", f"patients {', '.join(map(str, made))}")
    unknown = [str(cure) for cure in made.values() if cure not in CURES]
    expect(not unknown, "form", f"no such cure: {', '.join(unknown)}")
    twice = [cure for cure in CURES if list(made.values()).count(cure) > 1]
    expect(not twice, "form", f"given twice: {', '.join(twice)}")


@diagnosis.step("the cure that heals")
def _diagnosis_right(answer) -> None:  # type: ignore[no-untyped-def]
    made = answer()
    hints = {"F": "collapse", "D": "mask", "A": "obeys", "B": "obeys", "E": "quiet", "C": "quiet"}
    for letter, hint in hints.items():
        expect(made[letter] == PATIENTS[letter][2], hint, f"{letter} is not healed by {made[letter]!r}")


def _exchanged(one: str, other: str) -> dict[str, str]:
    made = _diagnosis()
    made[one], made[other] = made[other], made[one]
    return made


@diagnosis.wrong("a list", hint="form")
def _diagnosis_list():  # type: ignore[no-untyped-def]
    return list(CURES)


@diagnosis.wrong("one cure for all", hint="form")
def _diagnosis_all():  # type: ignore[no-untyped-def]
    return dict.fromkeys(PATIENTS, "reconstruction")


@diagnosis.wrong("who does not listen, exchanged", hint="obeys")
def _diagnosis_obeys():  # type: ignore[no-untyped-def]
    return _exchanged("A", "B")


@diagnosis.wrong("identity and habits exchanged", hint="quiet")
def _diagnosis_quiet():  # type: ignore[no-untyped-def]
    return _exchanged("C", "E")


@diagnosis.wrong("a mask that needs other people", hint="mask")
def _diagnosis_mask():  # type: ignore[no-untyped-def]
    return _exchanged("C", "D")


@diagnosis.wrong("a penalty against habits", hint="collapse")
def _diagnosis_collapse():  # type: ignore[no-untyped-def]
    return _exchanged("C", "F")


# ------------------------------------------------------------------------------------------- 7. a team of editors


class _Toy:
    """An editor whose edits can be read from the picture: attribute k moves channel k by a tenth of its step."""

    CHANNELS = ("Eyeglasses", "Bangs", "Smiling")

    def __init__(self, *attributes: str, fade: float = 1.0) -> None:
        self.attributes, self.size, self.fade = attributes, 4, fade
        self.asked: list[tuple[Tensor, Tensor]] = []

    def edit(self, images: Tensor, labels: Tensor, target: Tensor) -> Tensor:
        if labels.shape != (len(images), len(self.attributes)) or target.shape != labels.shape:
            raise Miss(
                "columns",
                f"an editor of {', '.join(self.attributes)} was handed labels {tuple(labels.shape)} and a target "
                f"{tuple(target.shape)}",
            )
        self.asked.append((labels.clone(), target.clone()))
        made = images * self.fade
        for k, name in enumerate(self.attributes):
            made[:, self.CHANNELS.index(name)] += 0.1 * (target - labels)[:, k, None, None]
        return made

    def reconstruct(self, images: Tensor, labels: Tensor) -> Tensor:
        if labels.shape != (len(images), len(self.attributes)):
            raise Miss(
                "columns", f"to reconstruct, {', '.join(self.attributes)} was handed {tuple(labels.shape)}"
            )
        self.asked.append((labels.clone(), labels.clone()))
        return images * self.fade


class _Team:
    def __init__(self, *editors: Any) -> None:
        self.editors = editors
        self.attributes = tuple(dict.fromkeys(name for editor in editors for name in editor.attributes))

    def edit(self, images: Tensor, labels: Tensor, target: Tensor) -> Tensor:
        labels = labels.clone()
        for editor in self.editors:
            columns = [self.attributes.index(name) for name in editor.attributes]
            images = editor.edit(images, labels[:, columns], target[:, columns])
            labels[:, columns] = target[:, columns]
        return images

    def reconstruct(self, images: Tensor, labels: Tensor) -> Tensor:
        for editor in self.editors:
            columns = [self.attributes.index(name) for name in editor.attributes]
            images = editor.reconstruct(images, labels[:, columns])
        return images


team = Exercise(
    "compare",
    "team",
    reference=_Team,
    hints={
        "names": (
            "Which attributes can the team edit, and in which order?",
            "All that any member has, each once, in the order in which they are first met.",
            "tuple(dict.fromkeys(name for editor in editors for name in editor.attributes))",
        ),
        "columns": (
            "A member knows its own attributes only, in its own order. What did you hand to it?",
            "Choose its columns by name from the team's labels and from the team's target.",
            "columns = [self.attributes.index(name) for name in editor.attributes]; labels[:, columns]",
        ),
        "passed": (
            "Does the second member get what the first has made?",
            "Each edits the picture so far, not the input.",
            "images = editor.edit(images, ...) in the loop.",
        ),
        "twice": (
            "Two members know glasses. Who puts them on, and what is the second one told about the face it gets?",
            "After the first edit the face *has* what the target asked for. Its labels must say so.",
            "After each member: labels[:, columns] = target[:, columns].",
        ),
        "caller": (
            "Whose labels did you write into? Print them after an edit.",
            "A slice of a tensor, or the tensor itself, is the caller's memory.",
            "labels = labels.clone() before the loop.",
        ),
        "again": (
            "What does the team's reconstruction return?",
            "What every member loses by redrawing: each reconstructs what the one before made.",
            "images = editor.reconstruct(images, labels[:, columns]) for each editor in turn.",
        ),
        "picture": (
            "The picture is not what the members make of it in turn.",
            "Follow one face through two members by hand: labels, target, picture.",
            "for editor in self.editors: take its columns, edit, note what is done.",
        ),
    },
)
FIRST, SECOND = ("Bangs", "Eyeglasses"), ("Smiling", "Eyeglasses")
FACES = torch.linspace(-0.4, 0.4, 3 * 3 * 4 * 4).view(3, 3, 4, 4)
OWN = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # Bangs, Eyeglasses, Smiling
WANTED = torch.tensor([[1.0, 0.0, 1.0], [1.0, 1.0, 0.5], [0.0, 0.0, 1.0]])


def _question() -> tuple[Tensor, Tensor, Tensor]:
    """Fresh copies: an answer may write into them."""
    return FACES.clone(), OWN.clone(), WANTED.clone()


def _expected(editors: Sequence[_Toy]) -> Tensor:
    return _Team(*editors).edit(*_question())


@team.step("the attributes of all, each once")
def _team_names(answer) -> None:  # type: ignore[no-untyped-def]
    seen = answer(_Toy(*FIRST), _Toy(*SECOND)).attributes
    expect(seen is not None and seen is not Ellipsis, "untouched", "attributes is not filled in")
    expect(tuple(seen) == ("Bangs", "Eyeglasses", "Smiling"), "names", f"{seen}")


@team.step("two members who share nothing")
def _team_apart(answer) -> None:  # type: ignore[no-untyped-def]
    members = _Toy("Bangs", "Eyeglasses", fade=0.5), _Toy("Smiling")
    seen = answer(*members).edit(*_question())
    expect_shape(seen, FACES.shape, "picture")
    expect_close(
        seen, _expected(members), "picture", {"passed": members[1].edit(FACES, OWN[:, 2:], WANTED[:, 2:])}
    )


@team.step("columns by their names")
def _team_columns(answer) -> None:  # type: ignore[no-untyped-def]
    last = _Toy("Smiling", "Eyeglasses", "Bangs")
    order = [0, 2, 1]  # the team's: Bangs, Smiling, Eyeglasses
    answer(_Toy("Bangs"), last).edit(*(part[:, order] if part.ndim == 2 else part for part in _question()))
    expect(len(last.asked) == 1, "picture", f"a member was asked {len(last.asked)} times")
    expect_close(last.asked[0][1][:, :2], WANTED[:, [2, 1]], "columns")


@team.step("two members who both know glasses")
def _team_shared(answer) -> None:  # type: ignore[no-untyped-def]
    members = _Toy(*FIRST), _Toy(*SECOND)
    seen = answer(*members).edit(*_question())
    expect_close(seen, _expected((_Toy(*FIRST), _Toy(*SECOND))), "twice")
    told, asked = members[1].asked[0]
    expect_close(told[:, 1], WANTED[:, 1], "twice")
    expect_close(asked[:, 1], WANTED[:, 1], "twice")


@team.step("what it was handed is left alone")
def _team_caller(answer) -> None:  # type: ignore[no-untyped-def]
    images, labels, wanted = _question()
    answer(_Toy(*FIRST), _Toy(*SECOND)).edit(images, labels, wanted)
    for part, before in ((images, FACES), (labels, OWN), (wanted, WANTED)):
        expect(torch.equal(part, before), "caller", "an argument has changed")


@team.step("the reconstruction")
def _team_again(answer) -> None:  # type: ignore[no-untyped-def]
    members = _Toy(*FIRST, fade=0.5), _Toy(*SECOND, fade=0.5)
    made = answer(*members).reconstruct(FACES.clone(), OWN.clone())
    expect_close(made, FACES / 4, "again")
    expect_close(members[1].asked[0][0], OWN[:, [2, 1]], "columns")


class _Wrong(_Team):
    def edit(self, images: Tensor, labels: Tensor, target: Tensor) -> Tensor:
        labels = labels.clone()
        for editor in self.editors:
            images, labels = self.turn(editor, images, labels, target)
        return images

    def columns(self, editor: Any) -> list[int]:
        return [self.attributes.index(name) for name in editor.attributes]

    def turn(self, editor: Any, images: Tensor, labels: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        columns = self.columns(editor)
        made = editor.edit(images, labels[:, columns], target[:, columns])
        labels[:, columns] = target[:, columns]
        return made, labels


@team.wrong("names twice", hint="names")
class _TeamTwice(_Team):
    def __init__(self, *editors: Any) -> None:
        super().__init__(*editors)
        self.attributes = tuple(name for editor in editors for name in editor.attributes)


@team.wrong("names sorted", hint="names")
class _TeamSorted(_Team):
    def __init__(self, *editors: Any) -> None:
        super().__init__(*editors)
        self.attributes = tuple(sorted(self.attributes, reverse=True))


@team.wrong("all labels to everybody", hint="columns")
class _TeamAll(_Wrong):
    def turn(self, editor, images, labels, target):  # type: ignore[no-untyped-def]
        return editor.edit(images, labels, target), labels


@team.wrong("the first columns to everybody", hint="columns")
class _TeamFirst(_Wrong):
    def columns(self, editor: Any) -> list[int]:
        return sorted(super().columns(editor))


@team.wrong("everybody edits the input", hint="passed")
class _TeamInput(_Team):
    def edit(self, images, labels, target):  # type: ignore[no-untyped-def]
        for editor in self.editors:
            columns = [self.attributes.index(name) for name in editor.attributes]
            made = editor.edit(images, labels[:, columns], target[:, columns])
        return made


@team.wrong("labels of before", hint="twice")
class _TeamStale(_Wrong):
    def turn(self, editor, images, labels, target):  # type: ignore[no-untyped-def]
        columns = self.columns(editor)
        return editor.edit(images, labels[:, columns], target[:, columns]), labels


@team.wrong("the first one's edit undone", hint="twice")
class _TeamUndone(_Wrong):
    def turn(self, editor, images, labels, target):  # type: ignore[no-untyped-def]
        columns, done = self.columns(editor), getattr(self, "done", set())
        wanted = target[:, columns].clone()
        for k, name in enumerate(editor.attributes):
            if name in done:
                wanted[:, k] = labels[:, columns[k]]
        self.done = done | set(editor.attributes)
        return editor.edit(images, labels[:, columns], wanted), labels


@team.wrong("the caller's labels", hint="caller")
class _TeamCaller(_Wrong):
    def edit(self, images, labels, target):  # type: ignore[no-untyped-def]
        for editor in self.editors:
            images, labels = self.turn(editor, images, labels, target)
        return images


@team.wrong("nothing redrawn", hint="again")
class _TeamPerfect(_Team):
    def reconstruct(self, images, labels):  # type: ignore[no-untyped-def]
        return images


@team.wrong("all labels to everybody who redraws", hint="columns")
class _TeamUnsliced(_Team):
    def reconstruct(self, images, labels):  # type: ignore[no-untyped-def]
        for editor in self.editors:
            images = editor.reconstruct(images, labels)
        return images


@team.wrong("nothing edited", hint="picture")
class _TeamIdle(_Team):
    def edit(self, images, labels, target):  # type: ignore[no-untyped-def]
        return images.clone()
