"""A newcomer's first hour: the first notebook run, an exercise failed, its hint read, the exercise passed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from browser_tools import forget_outputs, open_notebook, run_all

WRONG = """def counterfactual(people, first, second):
    people.with_attribute(first, 0.9)
    return people.with_attribute(second, 0.9)"""
RIGHT = """def counterfactual(people, first, second):
    return people.with_attribute(first, 0.9).with_attribute(second, 0.9)"""


def run_cell(page: Any, cell: Any, text: str | None = None) -> None:
    """Click into a cell, type over it if a text is given, run it, and wait until it has run."""
    cell.locator(".cm-content").click()
    if text is not None:
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(text)
    before = cell.locator(".jp-InputPrompt").inner_text()
    page.keyboard.press("Control+Enter")
    page.wait_for_function(
        "([prompt, old]) => /[0-9]/.test(prompt.innerText) && prompt.innerText !== old",
        arg=[cell.locator(".jp-InputPrompt").element_handle(), before],
    )


def test_from_the_first_notebook_to_an_exercise_passed(page: Any, lab: Any, pictures: Path) -> None:
    (first,) = (lab.folder / "notebooks" / "0_start").glob("01_*.ipynb")
    forget_outputs(first)
    open_notebook(page, lab, first.relative_to(lab.folder).as_posix())
    run_all(page, 400)
    assert page.locator(".jp-OutputArea img").count() >= 5, "faces are on the page"
    page.screenshot(path=pictures / "first_notebook.png")

    open_notebook(page, lab, "exercises/0_start/01_exercises.ipynb")
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    imports, answer, check = (cells.nth(k) for k in range(3))
    run_cell(page, imports)
    run_cell(page, answer, WRONG)
    run_cell(page, check)
    said = check.locator(".jp-OutputArea").inner_text()
    assert "passed" not in said and "hint" in said.lower(), said
    page.screenshot(path=pictures / "exercise_hint.png")
    run_cell(page, answer, RIGHT)
    run_cell(page, check)
    check.locator('.jp-OutputArea:has-text("passed: counterfactual")').wait_for()
    page.screenshot(path=pictures / "exercise_passed.png")
