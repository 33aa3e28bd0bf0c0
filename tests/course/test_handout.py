"""The course for learners: all that they need, nothing that answers, and not one word that leads nowhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from typer.testing import CliRunner

from fedit_lib.cli import app
from fedit_lib.course import exercises

ROOT = Path(__file__).resolve().parents[2]
SOLUTIONS = sorted((ROOT / "solutions").glob("*/*.ipynb"))


@pytest.fixture(scope="module")
def handout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        exercises._tracked(ROOT)
    except ValueError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("teacher") / "handout"
    result = CliRunner().invoke(app, ["exercises", "handout", "--to", str(folder)])
    assert result.exit_code == 0, result.output
    assert [path.name for path in folder.parent.iterdir()] == ["handout"], "nothing is left beside it"
    return folder


def words(folder: Path) -> dict[str, str]:
    found = (
        p for p in folder.rglob("*") if p.suffix in {".md", ".ipynb", ".py", ".toml"} or p.name == "Makefile"
    )
    return {p.relative_to(folder).as_posix(): p.read_text(encoding="utf-8") for p in found}


def test_a_handout_has_the_course_and_no_answers(handout: Path) -> None:
    there = {p.relative_to(handout).as_posix() for p in handout.rglob("*") if p.is_file()}
    tracked = set(exercises._tracked(ROOT))
    assert there < tracked
    assert all(name.startswith(exercises.KEPT_BACK) for name in tracked - there)
    assert all(any(name.startswith(kept) for name in tracked) for kept in exercises.KEPT_BACK)
    for needed in ("README.md", "Makefile", "requirements.lock", "environment.yml", "docs/question_bank.md"):
        assert needed in there
    answers = (ROOT / "docs" / "question_bank_answers.md").read_text(encoding="utf-8")
    first = re.search(r"^1\. (.{40})", answers, re.M)[1]
    for name, text in words(handout).items():
        assert first not in text, name
        assert not name.endswith(".ipynb") or "BEGIN SOLUTION" not in text, name
    for solution in SOLUTIONS:
        name = solution.relative_to(ROOT / "solutions")
        assert (handout / "exercises" / name).read_bytes() == (ROOT / "exercises" / name).read_bytes()


def test_every_word_that_a_handout_loses_is_there_to_be_lost() -> None:
    for name, pairs in exercises.WORDS.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        for pattern, _ in pairs:
            assert re.search(pattern.replace(" ", r"\s+"), text), f"{name} has no {pattern}"


def test_a_handouts_pages_lead_to_what_is_there(handout: Path) -> None:
    readme = (handout / "README.md").read_text(encoding="utf-8")
    makefile = (handout / "Makefile").read_text(encoding="utf-8")
    links = [url for url in re.findall(r"\]\(([^)#]+)\)", readme) if "://" not in url]
    assert len(links) > 5 and all((handout / url).exists() for url in links)
    targets = set(re.findall(r"^(\w+):", makefile, re.M)) - {"setup", "lab"}
    assert set(re.findall(r"\bmake (\w+)", readme)) - {"lab"} <= targets
    assert set(re.findall(r'echo "make (\w+)', makefile)) - {"lab"} == targets - {"help", "clean"}
    phony = re.search(r"^\.PHONY: (.*)", makefile, re.M)[1].split()
    assert set(phony) == targets | {"setup", "lab"}
    full_repository = {"notebooks/7_compare/04_your_own_model.ipynb": "of the full repository"}
    for name, text in words(handout).items():
        if name.endswith((".py", ".toml")):
            continue  # what a learner reads
        for line in text.splitlines():
            if re.search(
                r"TEACHING\.md|CONTRIBUTING\.md|make test|make exercises|solutions/|answers\.md", line
            ):
                assert name in full_repository and full_repository[name] in line, f"{name}: {line}"


def test_make_in_a_handout_knows_its_targets(handout: Path) -> None:
    if not shutil.which("make"):
        pytest.skip("no make")
    for target in ("lab", "course", "book", "bench", "figures"):
        ran = subprocess.run(["make", "-n", target], cwd=handout, capture_output=True, text=True)
        assert ran.returncode == 0 and "pip install" in ran.stdout, ran.stderr


def test_in_a_handout_nothing_is_built_and_the_checks_run(
    handout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(handout)
    before = {p: p.read_bytes() for p in (handout / "exercises").rglob("*.ipynb")}
    for command in (["build"], ["build", "--check"], ["nbgrader", "--to", "x"], ["handout", "--to", "x"]):
        result = CliRunner().invoke(app, ["exercises", *command])
        assert result.exit_code == 2 and "there are no solutions" in result.output, command
    assert before == {p: p.read_bytes() for p in (handout / "exercises").rglob("*.ipynb")}
    code = (
        "import fedit_lib; print(fedit_lib.__file__)\n"
        "from fedit_lib.course.checks import compare\n"
        "compare.diagnosis(compare.diagnosis.reference)\n"
        "compare.between(lambda s, floor, ceiling: None)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=handout, capture_output=True, text=True)
    assert ran.stdout.splitlines()[0] == str(handout / "fedit_lib" / "__init__.py")
    assert "passed: diagnosis" in ran.stdout and "hint 1 of 3" in ran.stderr


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A clone of a course of three files; somebody has answered the exercise in place."""
    root = tmp_path / "course"
    for name in ("pyproject.toml", "notebooks/0_start/01.ipynb", "TEACHING.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    path = root / "solutions" / "0_start" / "01_exercises.ipynb"
    path.parent.mkdir(parents=True)
    answer = "def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION"
    cells = [nbformat.v4.new_markdown_cell("# One\n\nTwo exercises.", id="head")]
    for number in (1, 2):
        cells += [
            nbformat.v4.new_markdown_cell(f"## {number}. One\n\n*Easy, 5 minutes.*", id=f"m{number}"),
            nbformat.v4.new_code_cell(answer, id=f"a{number}"),
            nbformat.v4.new_code_cell("check.f(f)", id=f"c{number}"),
        ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    (built,) = exercises.build(root)
    built.write_text("somebody's own answer")
    for command in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *command], cwd=root, check=True, capture_output=True)
    (root / "notes.txt").write_text("untracked")
    return root


def test_exercises_are_made_and_not_copied_and_what_git_does_not_know_stays(
    course: Path, tmp_path: Path
) -> None:
    to = tmp_path / "to" / "learners"
    made = exercises.handout(course, to)
    names = [p.relative_to(to).as_posix() for p in made]
    assert names == ["exercises/0_start/01_exercises.ipynb", "notebooks/0_start/01.ipynb", "pyproject.toml"]
    assert all(p.is_file() for p in made) and len([p for p in to.rglob("*") if p.is_file()]) == 3
    assert made[0].read_text().count(exercises.OPEN) == 2
    other = tmp_path / "variant"
    other.mkdir()  # an empty folder will do
    text = exercises.handout(course, other, seed=4, count=1)[0].read_text()
    assert "**Variant 4:**" in text and text.count(exercises.OPEN) == 1 and "seed=4" in text


def test_a_handout_is_whole_or_not_there(
    course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(match: str, to: Path = tmp_path / "to", root: Path = course) -> None:
        with pytest.raises((ValueError, OSError), match=match):
            exercises.handout(root, to)
        assert not (tmp_path / "to").exists() and not list(tmp_path.glob("*.part"))

    mine = tmp_path / "full" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    refused("full is there already: give a new folder", mine.parent)
    refused("is there already", mine)
    assert mine.read_text() == "mine"
    refused(
        r"notebooks/ holds the course's own: give another folder for a hand-out", course / "notebooks" / "x"
    )
    refused("the course's own folder", course)
    monkeypatch.setattr(shutil, "copy", lambda *_: (_ for _ in ()).throw(OSError("the disk is full")))
    refused("the disk is full")
    monkeypatch.undo()
    (course / "notebooks" / "0_start" / "01.ipynb").unlink()
    refused(r"01\.ipynb is missing: `git restore notebooks/0_start/01\.ipynb` brings it back")
    shutil.rmtree(course / ".git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    refused("a hand-out is made in a clone: git does not say .* not a git repository")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)  # a course unpacked in another repository
    monkeypatch.delenv("GIT_CEILING_DIRECTORIES")
    refused("it knows no pyproject.toml there")
    monkeypatch.setenv("PATH", "")
    refused("a hand-out is made in a clone")
    monkeypatch.undo()
    shutil.rmtree(course / "solutions")
    refused("there are no solutions")
