"""Exercises from solutions: the answers taken out by nbgrader's own preprocessors, nothing else changed.

For teachers: variants by seed, so that two classes differ, the solutions as nbgrader's source, and the course without
its answers.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat

from fedit_lib.course.run import normalise
from fedit_lib.data.files import atomic_write, check_writable

OPEN = "raise NotImplementedError()"  # what stands in the place of an answer
UNTOUCHED = "fedit_untouched"  # the notebook's metadata that tells what its cells were, see `_digest`
POINTS = {"easy": 1, "medium": 2, "hard": 3}
HEADING = re.compile(r"^## (\d+)\. (.+)", re.M)
LABEL = re.compile(r"^\*(Easy|Medium|Hard), (\d+) minutes", re.M)
CHECK = re.compile(r"^check\.(\w+)\((.*)\)$", re.M)
COUNTS = "zero one two three four five six seven eight nine".split()

# What a hand-out lacks: the answers, and what serves only those who teach or change the course.
KEPT_BACK = (
    "solutions/", "docs/question_bank_answers.md", "TEACHING.md",
    "tests/", "CONTRIBUTING.md", ".ci/", ".pre-commit-config.yaml",
)  # fmt: skip
# Words that would lead a hand-out's reader to what is not there: file -> (words, what stands instead). A blank is any
# white space.
WORDS = {
    "README.md": (
        (r"make test [^\n]*\n", ""),
        (r" `make exercises` writes `exercises/` from `solutions/`;", ""),
        (r", the tests about ten", ""),
        (r" \(answers in `solutions/`\)", ""),
        (r" Teachers find [^.]* \[TEACHING\.md\]\(TEACHING\.md\)\.", ""),
        (r" To change it: \[CONTRIBUTING\.md\]\(CONTRIBUTING\.md\)\.", ""),
    ),
    "Makefile": (
        (r"\t@echo \"make (?:test|exercises) [^\n]*\n", ""),
        (r"(?m)(?:^# [^\n]*\n)?^(?:test|exercises): [^\n]*\n(?:\t[^\n]*\n)+\n", ""),
        (r" test(?= course)", ""),
        (r" exercises(?= figures)", ""),
    ),
    "notebooks/7_compare/04_your_own_model.ipynb": (
        (r"`CONTRIBUTING\.md` says", "`CONTRIBUTING.md` of the full repository says"),
    ),
}  # fmt: skip


def generate(solution: Path, seed: int | None = None, count: int | None = None) -> str:
    """The exercise notebook (as text) that belongs to a solution; the same text each time.

    Args:
        seed, count: of a `variant`; None is the course's own.

    Raises:
        ValueError: no answer stands between nbgrader's markers, or a marker has no partner. Or a count without a seed.
    """
    from nbgrader.preprocessors import ClearOutput, ClearSolutions
    from traitlets.config import Config

    content = _read(solution, seed, count)
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
    content.metadata[UNTOUCHED] = _digest(content.cells)
    return nbformat.writes(content) + "\n"


def build(root: Path, check: bool = False, report: Callable[[str], None] = lambda line: None) -> list[Path]:
    """Write ``exercises/<series>/*.ipynb`` from ``solutions/<series>/*.ipynb``; stale ones go.

    What somebody has worked in (it was run, or its cells are not those that were written) goes to
    ``NAME.mine.ipynb``, which git ignores and this never touches again. So do stale ones: without a solution nobody
    knows whether there is an answer in them.

    Args:
        root: the course's folder.
        check: change nothing, only say what would change.
        report: gets a line for each notebook that was put aside.

    Returns:
        The exercises that changed (or would).

    Raises:
        ValueError: there are no solutions (a hand-out has none): without them every exercise would be a stale one.
    """
    exercises = root / "exercises"
    wanted = {exercises / path.relative_to(root / "solutions"): path for path in _solutions(root)}
    changed = []
    for target, solution in wanted.items():
        text = generate(solution)
        if not target.exists() or target.read_bytes() != text.encode():
            changed.append(target)
            if not check:
                if target.exists() and _worked_in(target, text):
                    report(_put_aside(target))
                atomic_write(target, text)
    for stale in sorted(set(exercises.glob("*/*.ipynb")) - set(wanted)):
        own = ".mine" in stale.suffixes or any(s.startswith(".mine-") for s in stale.suffixes)
        if own or OPEN not in stale.read_text(encoding="utf-8", errors="replace"):
            continue  # no exercise: somebody's own notebook, or one that is solved
        changed.append(stale)
        if not check:
            report(_put_aside(stale))
    return changed


def _worked_in(exercise: Path, untouched: str) -> bool:
    """Whether a notebook was run, or its cells are not as they were written; or cannot be read (a merge's marks).

    One that is older than the digest counts as changed if it lacks an open place of the untouched one.
    """
    try:
        content = json.loads(exercise.read_text(encoding="utf-8"))
        cells, written = content["cells"], content.get("metadata", {}).get(UNTOUCHED)
        if written is None:
            changed = _open_places(cells) < _open_places(json.loads(untouched)["cells"])
        else:
            changed = _digest(cells) != written
        return changed or any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    except (ValueError, KeyError, TypeError, AttributeError):
        return True


def _digest(cells: list[dict]) -> str:
    """SHA-256 of the cells' types and sources: saving a notebook again keeps it. Empty cells do not count."""
    sources = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    kept = [pair for pair in sources if pair[1].strip()]
    return hashlib.sha256(json.dumps(kept).encode()).hexdigest()


def _open_places(cells: list[dict]) -> int:
    return sum(line.strip() == OPEN for cell in cells for line in "".join(cell["source"]).splitlines())


def _put_aside(exercise: Path) -> str:
    """Renames it to NAME.mine.ipynb, NAME.mine-2.ipynb ...; says so in a line."""
    names = (f"{exercise.stem}.mine{'' if n == 1 else f'-{n}'}.ipynb" for n in itertools.count(1))
    aside = next(path for path in map(exercise.with_name, names) if not path.exists())
    exercise.rename(aside)
    return f"what was in {exercise.parent.name}/{exercise.name} is now {aside.parent.name}/{aside.name}"


def build_variant(
    root: Path,
    to: Path,
    seed: int,
    count: int | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> list[Path]:
    """Write ``to/<series>/*.ipynb``: the exercises of every series as a `variant`. The same seed gives the same files.

    What somebody has worked in is put aside, as `build` does; ``report`` gets a line for each.

    Returns:
        All that was written.

    Raises:
        ValueError: ``to`` is the course's folder, or lies in its exercises/, solutions/ or notebooks/; or a series has
            fewer than ``count``.
        OSError: ``to`` cannot be a folder.
    """
    _not_the_courses_own(root, to, "a variant")
    check_writable(to, folder=True)
    made = {Path(to) / path.relative_to(root / "solutions"): path for path in _solutions(root)}
    texts = {target: generate(path, seed, count) for target, path in made.items()}
    for target, text in texts.items():
        if target.exists() and _worked_in(target, text):
            report(_put_aside(target))
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


def build_nbgrader(
    root: Path,
    to: Path,
    seed: int | None = None,
    count: int | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> list[Path]:
    """Write a course folder for nbgrader: ``to/source/<series>/*.ipynb`` with its cell metadata, and a config.

    Each answer becomes an "autograded answer" cell, each check a locked "autograder tests" cell worth
    1 (easy), 2 (medium) or 3 points (hard). A config that is there and says something else stays: it is the teacher's.

    Args:
        seed, count: of a `variant`; None is the course's own.
        report: gets a line if a config stays.

    Returns:
        All that was written, the config last.

    Raises:
        ValueError: ``to`` is the course's folder, or lies in its exercises/, solutions/ or notebooks/; or an exercise
            has no difficulty, no answer or no check of its own; it is named.
        OSError: ``to`` cannot be a folder.
    """
    from fedit_lib.course.pages import ASSETS

    _not_the_courses_own(root, to, "nbgrader")  # where git would take the answers in
    check_writable(to, folder=True)
    texts = {}
    for path in _solutions(root):
        content = _read(path, seed, count)
        _grade(content, f"{path.parent.name}/{path.name}")
        normalise(content)
        target = Path(to) / "source" / path.relative_to(root / "solutions")
        texts[target] = nbformat.writes(content) + "\n"
    config, own = Path(to) / "nbgrader_config.py", (ASSETS / "nbgrader_config.py").read_bytes()
    if config.exists() and config.read_bytes() != own:
        report(f"{config} stays as it is, for it is not the course's: move it away to get that one")
    else:
        texts[config] = own.decode()
    for target, text in texts.items():
        atomic_write(target, text)
    return list(texts)


def handout(root: Path, to: Path, seed: int | None = None, count: int | None = None) -> list[Path]:
    """Write the course for learners to ``to``: the files that git tracks, as they lie there, without `KEPT_BACK`.

    Exercises are generated and not copied, so that what somebody has worked in does not go along. README and Makefile
    lose the words for what is not there. ``fedit_lib/course/checks`` goes along: each check holds an answer.

    Args:
        seed, count: of a `variant`; None is the course's own.

    Returns:
        All that was written; on any error nothing is.

    Raises:
        ValueError: ``to`` is the course's own or not an empty folder; there are no solutions; or git does not say which
            files belong to the course.
        FileNotFoundError: a file of the course is missing.
        OSError: ``to`` cannot be a folder.
    """
    _not_the_courses_own(root, to, "a hand-out")
    target = Path(to).resolve()
    if target.exists() and (target == Path.cwd() or not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{to} is there already: give a new folder for a hand-out, or an empty one")
    check_writable(to, folder=True)
    texts = {
        f"exercises/{path.relative_to(root / 'solutions').as_posix()}": generate(path, seed, count)
        for path in _solutions(root)
    }
    copied = [name for name in _tracked(root) if not name.startswith((*KEPT_BACK, "exercises/"))]
    for name in copied:
        if not (root / name).is_file():
            raise FileNotFoundError(
                f"{name} is missing: `git restore {name}` brings it back, `git rm {name}` takes it out of the course"
            )
    for name in set(copied) & set(WORDS):
        texts[name] = (root / name).read_text(encoding="utf-8")
        for words, instead in WORDS[name]:
            texts[name] = re.sub(words.replace(" ", r"\s+"), instead, texts[name])
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        for name in sorted({*copied, *texts}):
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            if name in texts:
                (part / name).write_text(texts[name], encoding="utf-8")
            else:
                shutil.copy(root / name, part / name)
        os.replace(part, target)  # an empty folder gives way
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return [Path(to) / name for name in sorted({*copied, *texts})]


def _read(solution: Path, seed: int | None, count: int | None) -> Any:
    """The notebook, or its variant of this seed. ValueError for a count without a seed, and as `variant` raises."""
    if count is not None and seed is None:
        raise ValueError("--count (count=) chooses the exercises of a variant: give its --seed (seed=) too")
    content = nbformat.read(solution, as_version=4)
    return content if seed is None else variant(content, solution.parent.name, seed, count)


def _tracked(root: Path) -> list[str]:
    """The files of the course by git's index, as paths from ``root``."""
    try:
        ran = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True)
        names = ran.stdout.split("\0")[:-1]
        said = "" if "pyproject.toml" in names else "it knows no pyproject.toml there"
    except (OSError, subprocess.CalledProcessError) as error:
        said = ((getattr(error, "stderr", "") or str(error)).strip().splitlines() or ["it failed"])[-1]
    if said:
        raise ValueError(
            f"a hand-out is made in a clone: git does not say which files of {root} are the course's ({said})"
        )
    return names


def _not_the_courses_own(root: Path, to: Path, what: str) -> None:
    target, own = Path(to).resolve(), root.resolve()
    for name in ("exercises", "solutions", "notebooks"):
        if target.is_relative_to((root / name).resolve()):
            raise ValueError(f"{name}/ holds the course's own: give another folder for {what}")
    if target == own:
        raise ValueError(
            f"{own} is the course's own folder: give another one for {what}, such as a new one in build/"
        )


def _solutions(root: Path) -> list[Path]:
    every = sorted((root / "solutions").glob("*/*.ipynb"))
    found = [path for path in every if ".ipynb_checkpoints" not in path.parts]
    if not found:
        raise ValueError(
            f"there are no solutions in {root / 'solutions'}, from which exercises are made: "
            "a learner's copy of the course has none, the exercises in it are ready"
        )
    return found


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
