"""Exercises: generated exactly, failing untouched, and solved by the solutions they come from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest
from typer.testing import CliRunner

from fedit_lib.cli import app
from fedit_lib.course import exercises
from fedit_lib.course.checks import all_exercises

ROOT = Path(__file__).resolve().parents[2]
SOLUTIONS = sorted((ROOT / "solutions").glob("*/*.ipynb"))
EXERCISES = sorted(p for p in (ROOT / "exercises").glob("*/*.ipynb") if ".mine" not in p.name)
CHECK = re.compile(r"^\s*check\.(\w+)\(", re.M)


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def made_solution(folder: Path) -> Path:
    cells = [
        nbformat.v4.new_markdown_cell("An exercise", id="a"),
        nbformat.v4.new_code_cell(
            'def f(x):\n    """Twice."""\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION',
            id="b",
        ),
        nbformat.v4.new_code_cell(
            "def g(x):\n    ### BEGIN SOLUTION\n    return 3 * x\n    ### END SOLUTION", id="d"
        ),
        nbformat.v4.new_code_cell(
            "print(f(2))", id="c", execution_count=3, outputs=[nbformat.v4.new_output("stream", text="4\n")]
        ),
    ]
    path = folder / "solutions" / "0_start" / "one.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_the_answer_and_the_outputs_are_taken_out(tmp_path: Path) -> None:
    made_solution(tmp_path)
    (target,) = exercises.build(tmp_path)
    assert target == tmp_path / "exercises" / "0_start" / "one.ipynb"
    cells = nbformat.read(target, as_version=4).cells
    assert "return 2 * x" not in cells[1].source and "raise NotImplementedError()" in cells[1].source
    assert cells[1].source.startswith('def f(x):\n    """Twice."""')
    assert cells[3].outputs == [] and cells[3].execution_count is None
    assert cells[0].source == "An exercise"


def test_building_twice_changes_nothing_and_check_sees_what_would(tmp_path: Path) -> None:
    solution = made_solution(tmp_path)
    (target,) = exercises.build(tmp_path)
    before = target.read_bytes()
    assert exercises.build(tmp_path) == [] and exercises.build(tmp_path, check=True) == []
    assert target.read_bytes() == before
    target.write_text("edited by hand")
    assert exercises.build(tmp_path, check=True) == [target]
    assert target.read_text() == "edited by hand", "--check must change nothing"
    exercises.build(tmp_path)
    assert target.read_bytes() == before
    solution.rename(solution.with_name("two.ipynb"))
    other = target.with_name("two.ipynb")
    assert exercises.build(tmp_path) == [other, target] and other.exists() and not target.exists()


def test_without_solutions_no_exercise_is_called_stale_or_removed(tmp_path: Path) -> None:
    """A learner's copy has none: every exercise would go."""
    solution = made_solution(tmp_path)
    (target,) = exercises.build(tmp_path)
    for gone in (solution, solution.parent, solution.parents[1]):
        gone.unlink() if gone.is_file() else gone.rmdir()
        for check in (True, False):
            with pytest.raises(ValueError, match=r"there are no solutions .* the exercises in it are ready"):
                exercises.build(tmp_path, check=check)
    assert target.exists()


def test_a_solution_without_an_answer_or_with_an_open_marker_is_named(tmp_path: Path) -> None:
    path = made_solution(tmp_path)
    text = path.read_text()
    path.write_text(text.replace("### END SOLUTION", ""))
    with pytest.raises(ValueError, match=r"one\.ipynb"):
        exercises.build(tmp_path)
    path.write_text(text.replace("### BEGIN SOLUTION", "").replace("### END SOLUTION", ""))
    with pytest.raises(ValueError, match="no answer"):
        exercises.build(tmp_path)
    assert not (tmp_path / "exercises").exists()


def test_regenerating_changes_nothing() -> None:
    assert SOLUTIONS, "there are no solutions"
    assert [p.relative_to(ROOT).as_posix() for p in exercises.build(ROOT, check=True)] == [], (
        "run `make exercises`"
    )


@pytest.mark.parametrize("path", SOLUTIONS, ids=name)
def test_every_solution_passes(path: Path) -> None:
    """nbval runs the solutions; what it compares with is looked at here: a stored `passed` under every check."""
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    checked = [c for c in cells if CHECK.search(c.source)]
    assert len(checked) >= 4, "a series has at least four exercises"
    for cell in checked:
        printed = "".join(o.get("text", "") for o in cell.outputs)
        for exercise in CHECK.findall(cell.source):
            assert f"passed: {exercise} (" in printed, f"{exercise} has no stored pass: fedit course execute"
        assert "NBVAL_CHECK_OUTPUT" in cell.source or "nbval-check-output" in cell.metadata.get("tags", [])


def test_every_exercise_of_the_library_is_in_a_solution_and_the_other_way_round() -> None:
    called = {
        n
        for path in SOLUTIONS
        for c in nbformat.read(path, as_version=4).cells
        for n in CHECK.findall(c.source)
    }
    assert called == {exercise.name for exercise in all_exercises()}


@pytest.mark.parametrize("path", EXERCISES, ids=name)
def test_every_untouched_exercise_fails(path: Path) -> None:
    from nbclient import NotebookClient

    content = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    NotebookClient(
        content, timeout=600, kernel_name="python3", allow_errors=True, resources=resources
    ).execute()
    failed = 0
    for cell in content.cells:
        if cell.cell_type != "code":
            continue
        errors = [output.ename for output in cell.outputs if output.output_type == "error"]
        if CHECK.search(cell.source):
            assert errors == ["CheckFailed"], f"{cell.source!r} gave {errors or 'no error'}"
            failed += 1
        elif "NotImplementedError" not in cell.source:
            assert not errors, f"{cell.source!r} stops with {errors}: it must not need a learner's answer"
    assert failed >= 4


@pytest.mark.parametrize(
    "to", [".", "exercises", "solutions", "notebooks", "solutions/1_icgan", "build/../solutions"]
)
def test_a_variant_never_overwrites_the_courses_own(tmp_path, to):
    """A solution that becomes its own exercise is lost."""
    solution = tmp_path / "solutions" / "1_icgan" / "01_exercises.ipynb"
    solution.parent.mkdir(parents=True)
    solution.write_text("an answer")
    with pytest.raises(ValueError, match=r"the course's own.*(another folder|another one) for a variant"):
        exercises.build_variant(tmp_path, tmp_path / to, seed=1)
    with pytest.raises(ValueError, match=r"the course's own.*(another folder|another one) for nbgrader"):
        exercises.build_nbgrader(tmp_path, tmp_path / to)  # git would take the answers in
    assert solution.read_text() == "an answer" and len(list(tmp_path.rglob("*"))) == 3


def test_a_variant_puts_aside_what_was_worked_in(tmp_path):
    """The same command again must not cost a class its answers."""
    root, said = SOLUTIONS[0].parents[2], []
    first = exercises.build_variant(root, tmp_path, seed=5)[0]
    content = nbformat.read(first, as_version=4)
    content.cells[-1].source += "\nmy answer"
    nbformat.write(content, first)
    exercises.build_variant(root, tmp_path, seed=5, report=said.append)
    mine = first.with_name(f"{first.stem}.mine.ipynb")
    assert "my answer" in mine.read_text() and "my answer" not in first.read_text()
    assert len(said) == 1 and mine.name in said[0]


@pytest.mark.parametrize("tells", [True, False])
def test_a_learners_work_is_put_aside_and_his_own_notebooks_stay(tmp_path: Path, tells: bool) -> None:
    """One of two places answered, in each of the ways that it may be left in; then nothing is lost any more.

    So in an exercise as it is made today, and in one of before it told what its cells were.
    """
    made_solution(tmp_path)
    (target,) = exercises.build(tmp_path)
    untouched = target.read_text()
    own = target.with_name("my_own.ipynb")
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")]), own)
    asides = []
    for number, answer in enumerate(
        ("return x + 1", "# raise NotImplementedError()", "<<<<<<< HEAD", None), start=1
    ):
        solved = nbformat.reads(untouched, as_version=4)
        if not tells:
            del solved.metadata[exercises.UNTOUCHED]
        if answer is None:  # run, and not answered
            solved.cells[1].execution_count = 1
        else:
            solved.cells[1].source = solved.cells[1].source.replace("raise NotImplementedError()", answer)
        left = nbformat.writes(solved)
        if answer == "<<<<<<< HEAD":  # a merge that stopped half way: no notebook any more
            left = left.replace('"cells"', '<<<<<<< HEAD\n"cells"')
        target.write_text(left)
        lines: list[str] = []
        assert exercises.build(tmp_path, check=True) == [target]
        assert exercises.build(tmp_path, report=lines.append) == [target]
        aside = target.with_name(f"one.mine{'' if number == 1 else f'-{number}'}.ipynb")
        assert lines == [f"what was in 0_start/one.ipynb is now 0_start/{aside.name}"]
        asides.append((aside, left))
        assert target.read_text() == untouched and own.exists()
        assert exercises.build(tmp_path) == [] == exercises.build(tmp_path, check=True)
    assert [aside.read_text() for aside, _ in asides] == [left for _, left in asides]
    assert len(list(target.parent.iterdir())) == 2 + len(asides)


@pytest.mark.parametrize("work", ["above the open place", "notes", "a cell less", "an order"])
def test_work_that_was_not_run_is_put_aside_too(tmp_path: Path, work: str) -> None:
    made_solution(tmp_path)
    (target,) = exercises.build(tmp_path)
    content = nbformat.read(target, as_version=4)
    if work == "above the open place":
        content.cells[1].source = content.cells[1].source.replace("    raise", "    y = x\n    raise")
    elif work == "notes":
        content.cells.append(nbformat.v4.new_markdown_cell("What I do not see yet"))
    elif work == "a cell less":
        del content.cells[0]
    else:
        content.cells.reverse()
    nbformat.write(content, target)
    left = target.read_bytes()
    exercises.build(tmp_path)
    assert target.with_name("one.mine.ipynb").read_bytes() == left


def test_an_exercise_that_was_only_saved_again_is_not_put_aside(tmp_path: Path) -> None:
    """As JupyterLab does: its own metadata, lists or strings for sources, another indent; an empty cell at the end."""
    made_solution(tmp_path)
    (target,) = exercises.build(tmp_path)
    written = target.read_bytes()
    content = nbformat.read(target, as_version=4)
    content.metadata["language_info"] = {"name": "python", "version": "3.11.9"}
    content.metadata["widgets"] = {}
    content.cells[1].metadata["collapsed"] = True
    content.cells.append(nbformat.v4.new_code_cell(""))
    target.write_text(json.dumps(content, indent=4))  # sources as strings
    assert exercises.build(tmp_path) == [target]
    assert target.read_bytes() == written and [p.name for p in target.parent.iterdir()] == ["one.ipynb"]


def test_a_copy_under_another_name_is_put_aside_and_not_removed(tmp_path: Path) -> None:
    made_solution(tmp_path)
    (target,) = exercises.build(tmp_path)
    copy = target.with_name("my_try.ipynb")
    copy.write_text(target.read_text().replace("raise NotImplementedError()", "return x + x", 1))
    left = copy.read_text()
    assert exercises.build(tmp_path) == [copy]
    assert copy.with_name("my_try.mine.ipynb").read_text() == left and not copy.exists()


def test_an_exercise_that_nobody_touched_is_not_put_aside(tmp_path: Path) -> None:
    solution = made_solution(tmp_path)
    (target,) = exercises.build(tmp_path)
    solution.write_text(solution.read_text().replace("An exercise", "Another exercise"))
    assert exercises.build(tmp_path) == [target]
    assert [p.name for p in target.parent.iterdir()] == ["one.ipynb"]


def test_the_command_says_where_a_learners_work_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_solution(tmp_path)
    (target,) = exercises.build(tmp_path)
    target.write_text(target.read_text().replace("raise NotImplementedError()", "return x + x", 1))
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["exercises", "build"])
    assert result.exit_code == 0, result.output
    assert "what was in 0_start/one.ipynb is now 0_start/one.mine.ipynb" in result.output
