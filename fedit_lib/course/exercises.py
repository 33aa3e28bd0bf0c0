"""Exercises from solutions: the answers taken out by nbgrader's own preprocessors, nothing else changed."""

from __future__ import annotations

from pathlib import Path

import nbformat

from fedit_lib.course.run import normalise
from fedit_lib.data.files import atomic_write


def generate(solution: Path) -> str:
    """The exercise notebook (as text) that belongs to a solution; the same text each time.

    Raises:
        ValueError: no answer stands between nbgrader's markers, or a marker has no partner.
    """
    from nbgrader.preprocessors import ClearOutput, ClearSolutions
    from traitlets.config import Config

    content = nbformat.read(solution, as_version=4)
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
                atomic_write(target, text)
    for stale in sorted(set(exercises.glob("*/*.ipynb")) - set(wanted)):
        changed.append(stale)
        if not check:
            stale.unlink()
    return changed
