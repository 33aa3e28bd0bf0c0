"""For teachers: variants of the exercises by seed, and the solutions as nbgrader's source."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import nbformat
import pytest
from typer.testing import CliRunner

from fedit_lib.cli import app
from fedit_lib.course import exercises
from fedit_lib.course.checks import CheckFailed

ROOT = Path(__file__).resolve().parents[2]
SOLUTIONS = sorted((ROOT / "solutions").glob("*/*.ipynb"))
QUICK = [path for path in SOLUTIONS if path.parent.name in ("1_icgan", "3_attgan")]


def series(path: Path) -> str:
    return path.parent.name


def numbers(content: Any) -> list[int]:
    return [int(m[1]) for c in content.cells if (m := exercises.HEADING.match(c.source))]


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def code(content: Any) -> list[str]:
    return [cell.source for cell in content.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", SOLUTIONS, ids=series)
def test_exercises_need_nothing_of_each_other_so_that_any_order_will_do(path: Path) -> None:
    _, parts, _ = exercises._parts(read(path).cells)
    assert len(parts) >= 4
    made: dict[str, int] = {}
    used: dict[int, set[str]] = {}
    for number, cells in parts.items():
        assert exercises.LABEL.search(cells[0].source), f"exercise {number}: difficulty and minutes"
        for cell in cells:
            if cell.cell_type != "code":
                continue
            tree = ast.parse(cell.source)
            for node in tree.body:
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                    made[node.name] = number
                elif isinstance(node, ast.Assign):
                    made |= {t.id: number for t in node.targets if isinstance(t, ast.Name)}
            names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
            used[number] = used.get(number, set()) | names
    for number, names in used.items():
        assert {name: made[name] for name in names if made.get(name, number) != number} == {}


@pytest.mark.parametrize("path", QUICK, ids=series)
def test_a_variants_solution_passes_and_the_untouched_one_fails(
    path: Path, capsys: pytest.CaptureFixture
) -> None:
    solved = exercises.variant(read(path), series(path), seed=7)
    space: dict[str, Any] = {}
    for source in code(solved):
        exec(source, space)
    assert capsys.readouterr().out.count("passed: ") == len(numbers(solved))
    untouched = nbformat.reads(exercises.generate(path, seed=7), as_version=4)
    failed, space = 0, {}
    for source in code(untouched):
        if exercises.CHECK.search(source):
            with pytest.raises(CheckFailed, match="no answer yet"):
                exec(source, space)
            failed += 1
        else:
            exec(source, space)
    assert failed == len(numbers(untouched)) >= 4


def test_two_seeds_differ_and_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    seeds = {"a": 7, "b": 7, "c": 8}
    made = {name: exercises.build_variant(ROOT, tmp_path / name, seed) for name, seed in seeds.items()}
    assert len(made["a"]) == len(SOLUTIONS)
    for a, b, c in zip(*made.values(), strict=True):
        assert a.read_bytes() == b.read_bytes() != c.read_bytes()
        first, third = read(a), read(c)
        assert sorted(numbers(first)) == sorted(numbers(third)) == list(range(1, len(numbers(first)) + 1))
        for content, seed in ((first, 7), (third, 8)):
            checks = [source for source in code(content) if exercises.CHECK.search(source)]
            assert all(f"seed={seed})" in source for source in checks) and checks
        assert "BEGIN SOLUTION" not in a.read_text()
    orders = {tuple(numbers(read(path))) for path in made["a"]}
    assert len(orders) > 3, "each series is shuffled for itself"


@pytest.mark.parametrize("path", SOLUTIONS, ids=series)
def test_a_choice_says_which_how_long_and_nothing_of_the_others(path: Path) -> None:
    before = read(path)
    content = exercises.variant(before, series(path), seed=3, count=3)
    assert before == read(path), "the notebook that was handed in is not changed"
    kept = numbers(content)
    head = content.cells[0].source
    assert len(kept) == 3 and f"**Variant 3:** {kept[0]}, {kept[1]}, {kept[2]}, in this order" in head
    minutes = sum(
        int(exercises.LABEL.search(c.source)[2]) for c in content.cells if exercises.LABEL.search(c.source)
    )
    assert f"about {minutes} minutes" in head
    assert not re.search(r"\b(Five|Six|Seven|Eight) ", head)
    rows = [int(n) for n in re.findall(r"^\| (\d+) ", head, re.M)]
    assert rows in ([], sorted(kept))


def test_what_is_no_variant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0_start has 6 exercises: a variant cannot have 9"):
        exercises.build_variant(ROOT, tmp_path, seed=1, count=9)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="another folder"):
        exercises.build_variant(ROOT, ROOT / "exercises", seed=1)
    for words in (["--seed", "1"], ["--to", "x"], ["--count", "2"], ["--seed", "1", "--to", "x", "--check"]):
        result = CliRunner().invoke(app, ["exercises", "build", *words])
        assert result.exit_code == 2 and "needs both --seed and --to" in result.output
    for command in ("nbgrader", "handout"):
        result = CliRunner().invoke(app, ["exercises", command, "--to", str(tmp_path / "x"), "--count", "2"])
        assert result.exit_code == 2 and "give its --seed" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nbgrader")
    result = CliRunner().invoke(app, ["exercises", "nbgrader", "--to", str(folder)])
    assert result.exit_code == 0, result.output
    return folder


def test_the_source_has_nbgraders_metadata_and_points(graded: Path) -> None:
    from nbgrader.nbgraderformat import MetadataValidator

    made = sorted(graded.glob("source/*/*.ipynb"))
    assert [p.relative_to(graded / "source") for p in made] == [
        p.relative_to(ROOT / "solutions") for p in SOLUTIONS
    ]
    for path, solution in zip(made, SOLUTIONS, strict=True):
        content = read(path)
        MetadataValidator().validate_nb(content)
        cells = [c.metadata["nbgrader"] for c in content.cells if "nbgrader" in c.metadata]
        assert all(cell["schema_version"] == 3 for cell in cells)
        ids = [cell["grade_id"] for cell in cells]
        assert len(set(ids)) == len(ids) == 2 * len(numbers(content))
        labels = [m[1] for c in content.cells if (m := exercises.LABEL.search(c.source))]
        points = [cell["points"] for cell in cells if cell["grade"]]
        assert points == [{"Easy": 1, "Medium": 2, "Hard": 3}[label] for label in labels]
        assert [c.source for c in content.cells] == [c.source for c in read(solution).cells]


def test_the_config_runs_and_names_the_folders(graded: Path) -> None:
    class Stub(types.SimpleNamespace):
        def __getattr__(self, name: str) -> Any:
            setattr(self, name, Stub())
            return getattr(self, name)

    stub = Stub()
    exec((graded / "nbgrader_config.py").read_text(), {"get_config": lambda: stub})
    assert (graded / stub.CourseDirectory.source_directory).is_dir()
    assert stub.ClearSolutions.code_stub["python"] == "raise NotImplementedError()"


def test_a_teachers_own_config_stays(tmp_path: Path) -> None:
    said: list[str] = []
    solution = tmp_path / "course/solutions/0_start/01_exercises.ipynb"
    solution.parent.mkdir(parents=True)
    shutil.copy(SOLUTIONS[0], solution)
    made = [
        exercises.build_nbgrader(tmp_path / "course", tmp_path / "graded", report=said.append) for _ in "ab"
    ]
    config = tmp_path / "graded/nbgrader_config.py"
    assert made[0] == made[1] and made[0][-1] == config and not said  # the same again is no news
    config.write_text(config.read_text() + "c.CourseDirectory.course_id = 'spring'\n")
    before = config.read_bytes()
    last = exercises.build_nbgrader(tmp_path / "course", tmp_path / "graded", report=said.append)
    assert config.read_bytes() == before and last == made[0][:-1]
    assert len(said) == 1 and f"{config} stays as it is" in said[0]


def test_nbgrader_itself_makes_the_release_without_answers(graded: Path) -> None:
    words = [sys.executable, "-m", "nbgrader", "generate_assignment", "0_start", "--force", "--no-db"]
    ran = subprocess.run(words, cwd=graded, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    content = read(graded / "release" / "0_start" / "01_exercises.ipynb")
    text = nbformat.writes(content)
    assert "BEGIN SOLUTION" not in text and text.count("raise NotImplementedError()") == 6
    locked = [c for c in content.cells if c.metadata.get("nbgrader", {}).get("grade")]
    assert len(locked) == 6 and all(c.metadata["editable"] is False and not c.outputs for c in locked)


def test_an_exercise_that_cannot_be_graded_is_named(tmp_path: Path) -> None:
    content = read(SOLUTIONS[0])
    for cell in content.cells:
        cell.source = cell.source.replace("*Easy, 5 minutes.*", "")
    path = tmp_path / "solutions" / "0_start" / "01_exercises.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(content, path)
    with pytest.raises(ValueError, match=r"0_start/01_exercises\.ipynb, exercise 1"):
        exercises.build_nbgrader(tmp_path, tmp_path / "to")
    assert not (tmp_path / "to").exists()
