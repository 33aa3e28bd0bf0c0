"""Exercises from solutions: the answers taken out by nbgrader's own preprocessors, nothing else changed.

For teachers: variants by seed, so that two classes differ, and the solutions as nbgrader's source.
"""

from __future__ import annotations

import itertools
import json
import random
import re
from pathlib import Path
from typing import Any

import nbformat

from fedit_lib.course.run import normalise
from fedit_lib.data.files import atomic_write

OPEN = "raise NotImplementedError()"  # what stands in the place of an answer
POINTS = {"easy": 1, "medium": 2, "hard": 3}
HEADING = re.compile(r"^## (\d+)\. (.+)", re.M)
LABEL = re.compile(r"^\*(Easy|Medium|Hard), (\d+) minutes", re.M)
CHECK = re.compile(r"^check\.(\w+)\((.*)\)$", re.M)
COUNTS = "zero one two three four five six seven eight nine".split()


def generate(solution: Path, seed: int | None = None, count: int | None = None) -> str:
    """The exercise notebook (as text) that belongs to a solution; the same text each time.

    Args:
        seed, count: of a `variant`; None is the course's own.

    Raises:
        ValueError: no answer stands between nbgrader's markers, or a marker has no partner.
    """
    from nbgrader.preprocessors import ClearOutput, ClearSolutions
    from traitlets.config import Config

    content = nbformat.read(solution, as_version=4)
    if seed is not None:
        content = variant(content, solution.parent.name, seed, count)
    if not any("### BEGIN SOLUTION" in cell.source for cell in content.cells):
        raise ValueError(f"{solution.name} has no answer between ### BEGIN SOLUTION and ### END SOLUTION")
    config = Config()
    config.ClearSolutions.enforce_metadata = False  # no grades here, so no nbgrader cell ids either
    resources: dict = {}
    try:
        for preprocessor in (ClearSolutions, ClearOutput):
            content, resources = preprocessor(config=config).preprocess(content, resources)
    except RuntimeError as error:
        raise ValueError(f"{solution.name}: {error}") from error
    normalise(content)
    for cell in content.cells:
        if cell.cell_type == "code":
            cell.execution_count = None
    return nbformat.writes(content) + "\n"


def build(root: Path, check: bool = False) -> list[Path]:
    """Write ``exercises/<series>/*.ipynb`` from ``solutions/<series>/*.ipynb``; stale ones are removed.

    What somebody has worked in (it has outputs, or answers) goes to ``NAME.mine.ipynb``, which git ignores.

    Args:
        root: the course's folder.
        check: change nothing, only say what would change.

    Returns:
        The exercises that changed (or would).
    """
    solutions, exercises = root / "solutions", root / "exercises"
    wanted = {
        exercises / path.relative_to(solutions): path
        for path in sorted(solutions.glob("*/*.ipynb"))
        if ".ipynb_checkpoints" not in path.parts
    }
    changed = []
    for target, solution in wanted.items():
        text = generate(solution)
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            changed.append(target)
            if not check:
                _put_aside(target, text)
                atomic_write(target, text)
    for stale in sorted(set(exercises.glob("*/*.ipynb")) - set(wanted)):
        if OPEN not in stale.read_text(encoding="utf-8", errors="replace"):
            continue  # no exercise: somebody's own notebook, or one that is solved
        changed.append(stale)
        if not check:
            _put_aside(stale, "")
            stale.unlink(missing_ok=True)
    return changed


def _put_aside(exercise: Path, untouched: str) -> None:
    """Renames a notebook that was run, or holds answers, to NAME.mine.ipynb, NAME.mine-2.ipynb ...; no other."""
    try:
        text = exercise.read_text(encoding="utf-8")
        cells = json.loads(text)["cells"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    answered = text.count(OPEN) < untouched.count(OPEN)
    if answered or any(cell.get("outputs") or cell.get("execution_count") for cell in cells):
        names = (f"{exercise.stem}.mine{'' if n == 1 else f'-{n}'}.ipynb" for n in itertools.count(1))
        exercise.rename(next(path for path in map(exercise.with_name, names) if not path.exists()))


def build_variant(root: Path, to: Path, seed: int, count: int | None = None) -> list[Path]:
    """Write ``to/<series>/*.ipynb``: the exercises of every series as a `variant`. The same seed gives the same files.

    Returns:
        All that was written.

    Raises:
        ValueError: ``to`` is the course's folder, or lies in its exercises/, solutions/ or notebooks/; or a series has
            fewer than ``count``.
    """
    target, own = Path(to).resolve(), root.resolve()
    for name in ("exercises", "solutions", "notebooks"):
        if target.is_relative_to((root / name).resolve()):
            raise ValueError(f"{name}/ holds the course's own: give another folder for a variant")
    if target == own:
        raise ValueError(
            f"{own} is the course's own folder: give another one for a variant, such as build/variant"
        )
    made = {Path(to) / path.relative_to(root / "solutions"): path for path in _solutions(root)}
    texts = {target: generate(path, seed, count) for target, path in made.items()}
    for target, text in texts.items():
        atomic_write(target, text)
    return list(texts)


def variant(content: Any, series: str, seed: int, count: int | None = None) -> Any:
    """A solution notebook for one class: another order, perhaps a choice, and other random data in the checks.

    Exercises keep their numbers, since the notebooks speak of them by number. They do not depend on each other.

    Args:
        content: the notebook; it is not changed.
        series: its series' name; each series is shuffled for itself.
        seed: names the variant.
        count: how many exercises to keep; None keeps all.

    Raises:
        ValueError: there are fewer than ``count``, or none at all.
    """
    content = nbformat.from_dict(content)
    head, parts, tail = _parts(content.cells)
    if not parts or not 1 <= (count or 1) <= len(parts):
        raise ValueError(f"{series} has {len(parts)} exercises: a variant cannot have {count or 'any'}")
    chosen = random.Random(f"{series} {seed}").sample(sorted(parts), count or len(parts))
    minutes = sum(int(LABEL.search(parts[number][0].source)[2]) for number in chosen)
    line = f"**Variant {seed}:** {', '.join(map(str, chosen))}, in this order; about {minutes} minutes."
    title, rest = head[0].source.split("\n", 1)
    if len(chosen) < len(parts):
        words = "|".join(COUNTS).title()
        rest = re.sub(rf"(?m)^(?:{words}) exercises,[^.]*\.\s", "", rest)
        rest = re.sub(rf"(?m)^(?:{words}) short", f"{COUNTS[len(chosen)].title()} short", rest)
        for number in set(parts) - set(chosen):  # a table of the exercises loses those that are left out
            rest = re.sub(rf"(?m)^\| {number} .*\n?", "", rest)
    head[0].source = f"{title}\n\n{line}\n{rest}".rstrip()
    cells = [cell for number in chosen for cell in parts[number]]
    for cell in cells:
        if cell.cell_type == "code":
            cell.source = CHECK.sub(rf"check.\1(\2, seed={seed})", cell.source)
    content.cells = [*head, *cells, *tail]
    return content


def build_nbgrader(root: Path, to: Path, seed: int | None = None, count: int | None = None) -> list[Path]:
    """Write a course folder for nbgrader: ``to/source/<series>/*.ipynb`` with its cell metadata, and a config.

    Each answer becomes an "autograded answer" cell, each check a locked "autograder tests" cell worth
    1 (easy), 2 (medium) or 3 points (hard).

    Args:
        seed, count: of a `variant`; None is the course's own.

    Returns:
        All that was written, the config last.

    Raises:
        ValueError: an exercise has no difficulty, no answer or no check of its own; it is named.
    """
    from fedit_lib.course.pages import ASSETS

    texts = {}
    for path in _solutions(root):
        content = nbformat.read(path, as_version=4)
        if seed is not None:
            content = variant(content, path.parent.name, seed, count)
        _grade(content, f"{path.parent.name}/{path.name}")
        normalise(content)
        target = Path(to) / "source" / path.relative_to(root / "solutions")
        texts[target] = nbformat.writes(content) + "\n"
    texts[Path(to) / "nbgrader_config.py"] = (ASSETS / "nbgrader_config.py").read_text(encoding="utf-8")
    for target, text in texts.items():
        atomic_write(target, text)
    return list(texts)


def _solutions(root: Path) -> list[Path]:
    every = sorted((root / "solutions").glob("*/*.ipynb"))
    if not every:
        raise ValueError(f"there are no solutions in {root / 'solutions'}")
    return [path for path in every if ".ipynb_checkpoints" not in path.parts]


def _parts(cells: list[Any]) -> tuple[list[Any], dict[int, list[Any]], list[Any]]:
    """Cells before the first exercise, those of each exercise by its number, and those after the last."""
    head: list[Any] = []
    parts: dict[int, list[Any]] = {}
    tail: list[Any] = []
    into = head
    for cell in cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            found = HEADING.match(cell.source)
            into = parts.setdefault(int(found[1]), []) if found else tail
        into.append(cell)
    return head, parts, tail


def _grade(content: Any, name: str) -> None:
    """Give the cells nbgrader's metadata, schema version 3."""
    for number, cells in _parts(content.cells)[1].items():
        label = LABEL.search(cells[0].source)
        answers = [cell for cell in cells if "### BEGIN SOLUTION" in cell.source]
        checks = [cell for cell in cells if cell.cell_type == "code" and CHECK.search(cell.source)]
        if not label or len(answers) != 1 or len(checks) != 1:
            raise ValueError(f"{name}, exercise {number}: it needs a difficulty, one answer and one check")
        asked = CHECK.search(checks[0].source)[1]
        shared = {"schema_version": 3, "task": False, "cell_type": "code"}
        answers[0].metadata["nbgrader"] = shared | {
            "grade": False, "solution": True, "locked": False, "grade_id": f"answer_{asked}"
        }  # fmt: skip
        points = POINTS[label[1].lower()]
        checks[0].metadata["nbgrader"] = shared | {
            "grade": True, "solution": False, "locked": True, "grade_id": f"check_{asked}", "points": points
        }  # fmt: skip
