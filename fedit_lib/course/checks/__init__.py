"""Checks for exercises: they take the learner's function and answer with a hint that fits the mistake.

A series writes one module here (``start.py``, ``attgan.py``) with one :class:`Exercise` each. An exercise has *steps*
(shape, value, property), run in order, and *hints*: for each usual mistake three texts, from nudge to near-answer.
A step that is missed names the hint that fits; every further miss of the same kind reveals the next text. Wrong
answers that were planned for are registered beside the steps, and a test proves that each gets its own hint.
"""

from __future__ import annotations

import importlib
import math
import numbers
import pkgutil
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

__all__ = [
    "CheckFailed", "Exercise", "Miss", "all_exercises", "close", "expect", "expect_close", "expect_number",
    "expect_shape",
]  # fmt: skip

UNTOUCHED = (
    "There is no answer yet: replace `raise NotImplementedError()` by your own lines, then run both cells.",
    "Run the cell with your function after you have written it, then the check. It must `return` its answer.",
    "Fill in the lines between the function's head and its `return`, run that cell (Shift+Enter), run the check.",
)
STILL = "your function is still as it was given"
ERROR = (
    "Your code stopped with an error before it gave an answer: read its last line, shown above.",
    "Call your function yourself on a small input, in a cell of its own, and print the shapes on the way.",
    "Look at the line shown above: each name in it must be an argument or defined before, and the shapes must fit.",
)
CHANGED = (
    "Your function changed its input: the tensors that it was given are no longer what they were.",
    "An operation in place (`x *= 2`, `x[0] = 1`, `x.clamp_()`) writes into the caller's tensor: work on a clone.",
    "Begin with `x = x.clone()` for the input that you write into, or make a new tensor: `x = x * 2`.",
)

EXERCISES: dict[str, Exercise] = {}  # "series.name" -> exercise, in the order of the modules


class Miss(Exception):
    """A step was missed. ``hint`` is a key of the exercise's hints; ``seen`` says what was found and expected."""

    def __init__(self, hint: str, seen: str = "") -> None:
        super().__init__(seen or hint)
        self.hint, self.seen = hint, seen


class CheckFailed(AssertionError):
    """What the learner sees. ``hint`` is the key, ``level`` 0 (nudge) to 2 (near-answer), ``text`` the message."""

    def __init__(self, exercise: str, hint: str, level: int, text: str) -> None:
        super().__init__(text)
        self.exercise, self.hint, self.level, self.text = exercise, hint, level, text

    def _render_traceback_(self) -> list[str]:
        # IPython asks for this: the hint is what helps, the frames of the checker are not.
        return ["CheckFailed: " + self.text]


class Exercise:
    """One exercise: steps, hints and planned wrong answers. Call it with the learner's answer.

    Args:
        series: name of the module the exercise stands in, e.g. ``"attgan"``.
        name: name of the exercise, a Python identifier; with the series it is unique.
        hints: key of a usual mistake -> three texts (nudge, stronger, near-answer). Three keys exist already and may
            be overridden: ``"untouched"`` (nothing filled in, or None returned), ``"error"`` (the code raised) and
            ``"changed"`` (a tensor of the series module was written into).
        reference: an answer that must pass, usually the library's own function; a test runs it.
    """

    def __init__(
        self, series: str, name: str, *, hints: Mapping[str, Sequence[str]], reference: Any = None
    ) -> None:
        self.series, self.name, self.reference = series, name, reference
        self.hints: dict[str, tuple[str, ...]] = {
            "untouched": UNTOUCHED, "error": ERROR, "changed": CHANGED
        }  # fmt: skip
        for key, texts in hints.items():
            if isinstance(texts, str) or len(texts) != 3:
                raise ValueError(
                    f"{series}.{name}: hint {key!r} needs three texts: nudge, stronger, near-answer"
                )
            self.hints[key] = tuple(texts)
        self.steps: list[tuple[str, Callable[..., None]]] = []
        self.wrong_answers: dict[str, tuple[Any, str]] = {}
        self._misses: Counter[str] = Counter()
        key = f"{series}.{name}"
        if key in EXERCISES and EXERCISES[key].hints != self.hints:
            raise ValueError(f"two exercises are called {key}: rename one")
        EXERCISES[key] = self

    def step(self, title: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
        """Decorator: add a step. It gets the learner's answer and raises :class:`Miss` (by ``expect...``) if not."""

        def add(function: Callable[..., None]) -> Callable[..., None]:
            self.steps.append((title, function))
            return function

        return add

    def wrong(self, name: str, *, hint: str) -> Callable[[Any], Any]:
        """Decorator: register a planned wrong answer (a function or a class) and the hint that it must get."""
        if hint not in self.hints:
            raise ValueError(f"{self.series}.{self.name}: no hint {hint!r}; there are {sorted(self.hints)}")

        def add(answer: Any) -> Any:
            self.wrong_answers[name] = (answer, hint)
            return answer

        return add

    def __call__(self, *answer: Any, seed: int = 0) -> None:
        """Check the answer: prints one line if it passes, raises :class:`CheckFailed` with the next hint if not.

        torch's random state is seeded for each step and given back afterwards. A step finds clones in place of its
        module's tensors: an answer that writes into one is told so, and spoils no later check.
        """
        for number, (title, function) in enumerate(self.steps, start=1):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                try:
                    if any(a is None or a is Ellipsis for a in answer):
                        raise Miss("untouched", "nothing was handed to the check")
                    with _lent(function.__globals__):
                        function(*answer)
                    continue
                except CheckFailed:
                    raise
                except Miss as error:
                    missed = error
                except NotImplementedError as error:  # torch's own, for a dtype, comes with words
                    missed = Miss("error", _own_line(error)) if error.args else Miss("untouched", STILL)
                except Exception as error:
                    missed = Miss("error", _own_line(error))
            raise self._failed(number, title, missed) from None
        self.reset()
        plural = "" if len(self.steps) == 1 else "s"
        print(f"passed: {self.name} ({len(self.steps)} check{plural})")

    def reset(self) -> None:
        """Forget earlier misses: hints start again with the nudge."""
        self._misses.clear()

    def _failed(self, number: int, title: str, missed: Miss) -> CheckFailed:
        if missed.hint not in self.hints:
            raise KeyError(f"{self.series}.{self.name}: step {title!r} names an unknown hint {missed.hint!r}")
        texts = self.hints[missed.hint]
        level = min(self._misses[missed.hint], len(texts) - 1)
        self._misses[missed.hint] += 1
        lines = [f"{self.name}, check {number} of {len(self.steps)}: {title}"]
        if missed.seen:
            lines.append(f"  seen: {missed.seen}")
        lines.append(f"  hint {level + 1} of {len(texts)}: {texts[level]}")
        if level + 1 < len(texts):
            lines.append("  (run the check again for a stronger hint)")
        return CheckFailed(f"{self.series}.{self.name}", missed.hint, level, "\n".join(lines))


@contextmanager
def _lent(scope: dict[str, Any]) -> Iterator[None]:
    """Clones stand for the tensors among these names meanwhile; Miss "changed", before all others, if one changed."""
    own = {name: value for name, value in scope.items() if isinstance(value, Tensor)}
    lent = {name: value.clone() for name, value in own.items()}
    changed = Miss("changed", "after your function ran, a tensor that it was given holds other numbers")
    scope.update(lent)
    try:
        yield
    except Exception:
        if not _same(lent, own):
            raise changed from None
        raise
    finally:
        scope.update(own)
    if not _same(lent, own):
        raise changed


def _same(lent: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> bool:
    return all(torch.equal(lent[name], value) for name, value in own.items())


def _own_line(error: Exception) -> str:
    """The error in one line, and the last line of the learner's own code that led to it."""
    seen = f"{type(error).__name__}: {error}".strip().splitlines()[0]
    own = [f for f in traceback.extract_tb(error.__traceback__) if "ipykernel" in f.filename and f.line]
    if own:  # a notebook's cell is a file of its own to Python: .../ipykernel_<pid>/<hash>.py
        seen += f"\n        in your line: {own[-1].line}"
    return seen


def _short(value: Any) -> str:
    if isinstance(value, Tensor):
        if value.numel() > 6:
            return f"a tensor of shape {tuple(value.shape)}"
        value = value.detach().cpu().tolist()
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_short(v) for v in value) + "]"
    return repr(value)


def expect(condition: bool | Tensor, hint: str, seen: str = "") -> None:
    """Go on if ``condition`` holds, else miss the step with this hint."""
    if not bool(condition):
        raise Miss(hint, seen)


def expect_shape(value: Any, shape: Sequence[int], hint: str) -> None:
    """``value`` must be a tensor of this shape (``-1`` fits any length). None counts as untouched."""
    if value is None or value is Ellipsis:
        raise Miss("untouched", "your function returned nothing: does it end with `return ...`?")
    if not isinstance(value, Tensor):
        raise Miss(hint, f"{type(value).__name__}, expected a tensor of shape {tuple(shape)}")
    fits = value.ndim == len(shape) and all(
        want in (-1, have) for have, want in zip(value.shape, shape, strict=True)
    )
    if not fits:
        raise Miss(hint, f"shape {tuple(value.shape)}, expected {tuple(shape)}")


def expect_number(value: Any, hint: str) -> None:
    """A tensor without dimensions or a plain number: for what nothing learns from."""
    expect_shape(torch.tensor(float(value)) if isinstance(value, numbers.Real) else value, (), hint)


def expect_close(
    value: Any,
    expected: Any,
    hint: str,
    mistakes: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
    *,
    rtol: float = 1e-4,
    atol: float = 1e-5,
) -> None:
    """``value`` must equal ``expected`` (number or tensor) up to the tolerances.

    ``mistakes`` maps the hint of a usual mistake to the value that it gives: the first that fits names the hint,
    ``hint`` is for all others. Where one hint has several such values, give pairs (hint, value). A shape that differs
    from the expected one is missed too (no broadcasting).
    """
    if value is None or value is Ellipsis:
        raise Miss("untouched", "your function returned nothing: does it end with `return ...`?")
    if _is_close(value, expected, rtol, atol):
        return
    seen = f"{_short(value)}, expected {_short(expected)}"
    for key, wrong in mistakes.items() if isinstance(mistakes, Mapping) else mistakes:
        if _is_close(value, wrong, rtol, atol):
            raise Miss(key, seen)
    raise Miss(hint, seen)


def close(value: Any, expected: Any, rtol: float = 1e-5, atol: float = 1e-8) -> bool:
    """Like torch.allclose, whatever the dtypes."""
    return _is_close(value, expected, rtol, atol)


def _is_close(value: Any, expected: Any, rtol: float, atol: float) -> bool:
    if isinstance(value, Tensor) or isinstance(expected, Tensor):
        try:
            value = torch.as_tensor(value).detach().cpu().double()
        except (TypeError, ValueError, RuntimeError):
            return False
        expected = torch.as_tensor(expected).detach().cpu().double()
        return value.shape == expected.shape and torch.allclose(value, expected, rtol=rtol, atol=atol)
    if isinstance(expected, float) or isinstance(value, float):
        try:
            return math.isclose(value, expected, rel_tol=rtol, abs_tol=atol)
        except TypeError:
            return False
    return bool(value == expected)


def all_exercises() -> Iterator[Exercise]:
    """Every exercise of every series module in this package, imported here."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    yield from EXERCISES.values()
