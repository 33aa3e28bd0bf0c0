"""The framework of the checks, and each exercise's planned wrong answers."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from fedit_lib.course import checks
from fedit_lib.course.checks import (
    CheckFailed,
    Exercise,
    all_exercises,
    expect,
    expect_close,
    expect_number,
    expect_shape,
)

HINTS = {"value": ("v1", "v2", "v3"), "sign": ("s1", "s2", "s3"), "shape": ("f1", "f2", "f3")}


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[Exercise]:
    monkeypatch.setattr(checks, "EXERCISES", {})
    exercise = Exercise("demo", "double", hints=HINTS)

    @exercise.step("the shape stays")
    def _(answer) -> None:  # type: ignore[no-untyped-def]
        expect_shape(answer(torch.ones(3)), (3,), hint="shape")

    @exercise.step("two becomes four")
    def _(answer) -> None:  # type: ignore[no-untyped-def]
        expect_close(
            answer(torch.tensor([2.0])), torch.tensor([4.0]), "value", {"sign": torch.tensor([-4.0])}
        )

    return exercise


def failure(exercise: Exercise, answer: object) -> CheckFailed:
    with pytest.raises(CheckFailed) as caught:
        exercise(answer)
    return caught.value


def test_a_right_answer_prints_one_stable_line(double: Exercise, capsys: pytest.CaptureFixture) -> None:
    double(lambda x: 2 * x)
    assert capsys.readouterr().out == "passed: double (2 checks)\n"


def test_a_usual_mistake_gets_its_own_hint(double: Exercise) -> None:
    assert failure(double, lambda x: -2 * x).hint == "sign"
    assert failure(double, lambda x: 3 * x).hint == "value"
    assert failure(double, lambda x: (2 * x).sum()).hint == "shape"


def test_hints_go_from_nudge_to_near_answer_and_stay_there(double: Exercise) -> None:
    seen = [failure(double, lambda x: -2 * x) for _ in range(4)]
    assert [error.level for error in seen] == [0, 1, 2, 2]
    assert ["s1" in seen[0].text, "s2" in seen[1].text, "s3" in seen[2].text, "s3" in seen[3].text] == [
        True
    ] * 4
    assert "run the check again" in seen[0].text and "run the check again" not in seen[2].text


def test_another_mistake_begins_with_its_nudge_and_a_pass_forgets(double: Exercise) -> None:
    failure(double, lambda x: -2 * x)
    assert failure(double, lambda x: 3 * x).level == 0
    assert failure(double, lambda x: -2 * x).level == 1
    double(lambda x: 2 * x)
    assert failure(double, lambda x: -2 * x).level == 0


def test_untouched_answers_are_told_so(double: Exercise) -> None:
    def untouched(x):  # type: ignore[no-untyped-def]
        raise NotImplementedError()

    for answer in (untouched, None, ..., lambda x: None, lambda x: ...):
        assert failure(double, answer).hint == "untouched"


def test_an_operation_that_torch_lacks_is_an_error_and_not_an_answer_that_is_missing(
    double: Exercise,
) -> None:
    error = failure(double, lambda x: torch.linalg.qr(x.half()[:, None]))
    assert error.hint == "error"

    def told(x):  # type: ignore[no-untyped-def]
        raise NotImplementedError("not implemented for 'Half'")

    error = failure(double, told)
    assert error.hint == "error" and "for 'Half'" in error.text


def test_an_error_of_the_learners_is_named(double: Exercise) -> None:
    error = failure(double, lambda x: x @ torch.ones(2, 2))
    assert error.hint == "error" and "RuntimeError" in error.text
    assert error.__suppress_context__, "the checker's frames would bury the hint"


def test_values_compare_without_broadcasting() -> None:
    with pytest.raises(checks.Miss):
        expect_close(torch.tensor([4.0]), 4.0, "value")
    with pytest.raises(checks.Miss):
        expect_close(torch.tensor([4.0, 4.0]), torch.tensor([[4.0, 4.0]]), "value")
    with pytest.raises(checks.Miss):
        expect_close("four", 4.0, "value")
    with pytest.raises(checks.Miss):
        expect_close(torch.tensor(float("nan")), 4.0, "value")
    expect_close(torch.tensor(4.0), 4.0, "value")
    expect_close(4.000001, 4, "value")
    with pytest.raises(checks.Miss):
        expect(torch.tensor(False), "value")
    expect_shape(torch.zeros(2, 5), (2, -1), "shape")
    with pytest.raises(checks.Miss):
        expect_shape(torch.zeros(2, 5), (2,), "shape")


def test_a_number_is_a_tensor_without_dimensions_or_a_plain_one() -> None:
    for value in (
        torch.tensor(2.0),
        torch.tensor(2, dtype=torch.float64),
        2.0,
        2,
        np.float32(2),
        np.float64(2),
    ):
        expect_number(value, "shape")
    for value in (torch.ones(1), [2.0], "2", (2.0, 2.0)):
        with pytest.raises(checks.Miss) as caught:
            expect_number(value, "shape")
        assert caught.value.hint == "shape"
    with pytest.raises(checks.Miss) as caught:
        expect_number(None, "shape")
    assert caught.value.hint == "untouched"


def test_one_hint_may_have_several_values() -> None:
    pairs = [("half", 2.0), ("double", 8.0), ("half", -2.0)]
    expect_close(4.0, 4.0, "value", pairs)
    for value, hint in ((2.0, "half"), (8.0, "double"), (-2.0, "half"), (3.0, "value")):
        with pytest.raises(checks.Miss) as caught:
            expect_close(value, 4.0, "value", pairs)
        assert caught.value.hint == hint


def test_a_check_leaves_the_random_numbers_alone(double: Exercise) -> None:
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    double(lambda x: 2 * x + 0 * torch.rand(1))
    assert torch.equal(torch.rand(3), expected)


def test_each_step_gets_the_same_random_numbers(double: Exercise) -> None:
    drawn = []
    for _ in range(2):
        double(lambda x: drawn.append(torch.rand(1).item()) or 2 * x)
    assert drawn[:2] == drawn[2:]


GIVEN = torch.ones(3)


def given_away(exercise: Exercise) -> None:
    @exercise.step("one becomes two")
    def _(answer) -> None:  # type: ignore[no-untyped-def]
        expect_close(answer(GIVEN), torch.full((3,), 2.0), "value")
        expect_close(GIVEN, torch.ones(3), "sign")


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: x.mul_(2),
        lambda x: x.mul_(2) + 1,
        lambda x: x.zero_() @ torch.ones(2, 2),
        lambda x: x.resize_(1),
    ],
    ids=["right", "wrong", "stopped", "of another shape"],
)
def test_an_answer_that_writes_into_its_input_is_told_so_and_spoils_nothing(double: Exercise, answer) -> None:  # type: ignore[no-untyped-def]
    double.steps.clear()
    given_away(double)
    own = GIVEN
    assert failure(double, answer).hint == "changed"
    assert "work on a clone" in failure(double, answer).text
    assert GIVEN is own and torch.equal(own, torch.ones(3))
    double(lambda x: 2 * x)


def test_autograd_on_the_input_is_no_change_and_does_not_outlive_the_step(double: Exercise) -> None:
    given_away(double)
    double(lambda x: 2 * x.requires_grad_().detach())
    assert not GIVEN.requires_grad


def test_mistakes_in_an_exercise_are_found_when_it_is_written(double: Exercise) -> None:
    with pytest.raises(ValueError, match="three texts"):
        Exercise("demo", "short", hints={"value": ("only one",)})
    with pytest.raises(ValueError, match="no hint"):
        double.wrong("x", hint="typo")
    with pytest.raises(ValueError, match="two exercises"):
        Exercise("demo", "double", hints={})


EXERCISES = list(all_exercises())
WRONG = [(exercise, name) for exercise in EXERCISES for name in exercise.wrong_answers]


def test_every_series_has_its_exercises() -> None:
    for series in ("start", "icgan", "fader", "attgan", "sagan", "aggan", "s2fgan", "compare"):
        assert len([e for e in EXERCISES if e.series == series]) >= 4


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: f"{e.series}.{e.name}")
def test_every_hint_is_proved_by_a_wrong_answer(exercise: Exercise) -> None:
    assert len(exercise.steps) >= 2
    assert len(exercise.wrong_answers) >= 2
    proved = {hint for _, hint in exercise.wrong_answers.values()}
    assert set(exercise.hints) - {"untouched", "error", "changed"} <= proved


@pytest.mark.parametrize(
    ("exercise", "name"), WRONG, ids=lambda v: v if isinstance(v, str) else f"{v.series}.{v.name}"
)
def test_each_planned_wrong_answer_fails_with_its_own_hint(exercise: Exercise, name: str) -> None:
    answer, hint = exercise.wrong_answers[name]
    exercise.reset()
    for level in range(3):
        error = failure_of(exercise, answer)
        assert error.hint == hint, error.text
        assert error.level == level
        assert exercise.hints[hint][level] in error.text
    exercise.reset()


@pytest.mark.parametrize(
    "exercise",
    [e for e in EXERCISES if inspect.isfunction(e.reference)],
    ids=lambda e: f"{e.series}.{e.name}",
)
def test_no_answer_can_spoil_what_a_check_compares_with(exercise: Exercise) -> None:
    """The library's answer, which then writes into the module's tensors that it was given."""
    scope = exercise.steps[0][1].__globals__
    own = {name: value for name, value in scope.items() if isinstance(value, torch.Tensor)}
    before = {name: value.clone() for name, value in own.items()}
    written = []

    def careless(*parts, **named):  # type: ignore[no-untyped-def]
        now = {id(scope[name]): name for name in own} | {id(value): name for name, value in own.items()}
        made = exercise.reference(*parts, **named)
        for part in (p for p in parts if id(p) in now and p.is_floating_point()):
            part.data.add_(1)
            written.append(now[id(part)])
        return made

    if not is_let_pass(exercise, careless):
        assert written, "the library's own answer was refused"
    else:
        assert not written, f"{written[0]} was changed and nothing said"
    for name, value in before.items():
        assert scope[name] is own[name] and torch.equal(own[name], value), f"{name} is spoilt"


@pytest.mark.parametrize(
    "key",
    [
        "compare.lead",
        "compare.tone_gap",
        "compare.drag",
        "compare.spread",
        "start.leakage",
        "start.region_psnr",
    ],
)
def test_what_is_right_is_known_before_an_answer_may_write_into_a_steps_own_tensors(key: str) -> None:
    exercise = next(e for e in EXERCISES if f"{e.series}.{e.name}" == key)

    def careless(*parts):  # type: ignore[no-untyped-def]
        made = exercise.reference(*parts)
        for part in parts:
            if part.dtype != torch.bool and part.is_contiguous():  # an expanded one cannot be written into
                part.zero_()
        return made

    exercise(careless)


def each_part(made, turn):  # type: ignore[no-untyped-def]
    """The answer with each of its tensors turned into something else."""
    if isinstance(made, torch.Tensor):
        return turn(made)
    if isinstance(made, dict):
        return {name: each_part(part, turn) for name, part in made.items()}
    return type(made)(each_part(part, turn) for part in made) if isinstance(made, tuple | list) else made


@pytest.mark.parametrize(
    "exercise",
    [e for e in EXERCISES if inspect.isfunction(e.reference)],
    ids=lambda e: f"{e.series}.{e.name}",
)
def test_an_answer_of_double_precision_is_as_right(exercise: Exercise) -> None:
    exercise(lambda *parts, **named: each_part(exercise.reference(*parts, **named), torch.Tensor.double))


@pytest.mark.parametrize("number", [float, np.float32], ids=["float", "np.float32"])
@pytest.mark.parametrize(
    "key",
    [
        "start.preservation",
        "sagan.overlap",
        "sagan.average_precision",
        "aggan.mean_weight",
        "compare.lead",
        "compare.tone_gap",
        "compare.spread",
    ],
)
def test_a_number_from_which_nothing_learns_may_be_a_plain_one(key: str, number) -> None:  # type: ignore[no-untyped-def]
    exercise = next(e for e in EXERCISES if f"{e.series}.{e.name}" == key)

    def plain(*parts, **named):  # type: ignore[no-untyped-def]
        made = exercise.reference(*parts, **named)
        return number(made) if isinstance(made, float) else each_part(made, number)

    exercise(plain)


def is_let_pass(exercise: Exercise, answer: object) -> bool:
    try:
        exercise(answer)
    except CheckFailed as error:
        exercise.reset()
        assert error.hint == "changed", error.text
        return False
    return True


def failure_of(exercise: Exercise, answer: object) -> CheckFailed:
    with pytest.raises(CheckFailed) as caught:
        exercise(*answer) if isinstance(answer, tuple) else exercise(answer)
    return caught.value


@pytest.mark.parametrize(
    "exercise", [e for e in EXERCISES if e.reference is not None], ids=lambda e: f"{e.series}.{e.name}"
)
def test_the_librarys_own_answer_passes(exercise: Exercise, capsys: pytest.CaptureFixture) -> None:
    answer = exercise.reference
    exercise(*answer) if isinstance(answer, tuple) else exercise(answer)
    assert capsys.readouterr().out.startswith(f"passed: {exercise.name} (")
