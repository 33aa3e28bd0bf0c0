"""Running notebooks: parameters, failures, resume, interruption; and executing them in place."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nbformat
import pytest

from fedit_lib.course import run


def notebook(
    root: Path, name: str, *cells: str, parameters: str = 'profile = "laptop"\ndevice = "auto"\nseed = 1'
) -> Path:
    made = [nbformat.v4.new_code_cell(source, id=f"c{i}") for i, source in enumerate((parameters, *cells))]
    made[0].metadata["tags"] = ["parameters"]
    content = nbformat.v4.new_notebook(cells=made)
    content.metadata["kernelspec"] = dict(run.KERNELSPEC)
    content.metadata["language_info"] = {"name": "python"}
    path = root / "notebooks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(content, path)
    return path


def course(root: Path, **parameters: object) -> list[run.Result]:
    return run.run(
        run.find_notebooks(root), parameters, root=root, out=root / "build", report=lambda line: None
    )


def output_of(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    return "".join(o.get("text", "") for c in cells if c.cell_type == "code" for o in c.outputs)


def test_all_run_with_the_parameters_and_a_failure_is_named(tmp_path: Path) -> None:
    notebook(tmp_path, "0_start/01_good.ipynb", "import sys\nprint(profile, seed, sys.executable)")
    notebook(tmp_path, "0_start/02_bad.ipynb", "x = 1", "# why\nbroken = x / 0\nprint(broken)")
    notebook(tmp_path, "1_next/01_later.ipynb", "print('still runs')")
    good, bad, later = course(tmp_path, profile="smoke", seed=7)
    assert [good.status, bad.status, later.status] == ["passed", "failed", "passed"]
    assert output_of(tmp_path / "build/0_start/01_good.ipynb").split()[:2] == ["smoke", "7"]
    assert Path(output_of(tmp_path / "build/0_start/01_good.ipynb").split()[2]) == Path(sys.executable)
    assert bad.notebook == "0_start/02_bad.ipynb"
    assert "broken = x / 0" in str(bad.cell) and "ZeroDivisionError" in str(bad.error)
    assert (tmp_path / "build/0_start/02_bad.failed.ipynb").exists()
    assert not (tmp_path / "build/0_start/02_bad.ipynb").exists()
    assert "<html" in (tmp_path / "build/0_start/01_good.html").read_text()
    assert not list(tmp_path.rglob("*.partial.ipynb"))

    times = json.loads((tmp_path / "build/times.json").read_text())
    assert times["parameters"] == {"profile": "smoke", "seed": 7}
    assert [row["status"] for row in times["notebooks"]] == ["passed", "failed", "passed"]
    assert times["seconds"] == pytest.approx(sum(row["seconds"] for row in times["notebooks"]), abs=0.2)
    assert "| 0_start/02_bad.ipynb | failed |" in (tmp_path / "build/times.md").read_text()
    assert run.table([good, bad, later]).row_count == 4


def test_what_is_done_and_unchanged_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import papermill

    ran: list[str] = []

    def execute(source: str, target: str, **options: object) -> None:
        ran.append(Path(source).stem)
        if "interrupt" in Path(source).read_text():
            Path(target).write_text("{ half")
            raise KeyboardInterrupt
        Path(target).write_text(Path(source).read_text())

    monkeypatch.setattr(papermill, "execute_notebook", execute)
    notebook(tmp_path, "0_start/01_one.ipynb", "1")
    two = notebook(tmp_path, "0_start/02_two.ipynb", "'interrupt'")
    with pytest.raises(KeyboardInterrupt):
        course(tmp_path, seed=1)
    assert (tmp_path / "build/0_start/01_one.ipynb").exists(), "what is done stays"
    assert not list(tmp_path.rglob("*.partial.ipynb"))
    rows = json.loads((tmp_path / "build/times.json").read_text())["notebooks"]
    assert [row["status"] for row in rows] == ["passed", "not run"]

    notebook(tmp_path, "0_start/02_two.ipynb", "2")
    ran.clear()
    kept, new = course(tmp_path, seed=1)
    assert ran == ["02_two"] and [kept.status, new.status] == ["kept", "passed"] and kept.seconds is not None

    ran.clear()
    course(tmp_path, seed=2)
    assert ran == ["01_one", "02_two"], "other parameters: nothing is kept"
    ran.clear()
    notebook(tmp_path, "0_start/01_one.ipynb", "1 + 1")
    course(tmp_path, seed=2)
    assert ran == ["01_one"], "a changed notebook runs again"
    ran.clear()
    monkeypatch.setattr(run, "_library_hash", lambda: "another library")
    course(tmp_path, seed=2)
    assert ran == ["01_one", "02_two"], "a changed library runs all again"
    ran.clear()
    run.run([two], {"seed": 2}, root=tmp_path, out=tmp_path / "build", resume=False, report=lambda line: None)
    assert ran == ["02_two"]


def test_an_unknown_parameter_is_named_with_the_known_before_anything_runs(tmp_path: Path) -> None:
    notebook(tmp_path, "0_start/01_one.ipynb", "1")
    with pytest.raises(
        ValueError, match=r"01_one\.ipynb has no parameter 'epochs'; it has: profile, device, seed"
    ):
        course(tmp_path, epochs=3)
    assert not (tmp_path / "build").exists()


def test_a_notebook_is_found_by_path_series_or_name(tmp_path: Path) -> None:
    one = notebook(tmp_path, "0_start/01_one.ipynb", "1")
    two = notebook(tmp_path, "3_attgan/01_two.ipynb", "1")
    notebook(tmp_path, "3_attgan/.ipynb_checkpoints/01_two-checkpoint.ipynb", "1")
    assert run.find_notebooks(tmp_path) == [one, two]
    for name in ("3_attgan", "attgan", "01_two", str(two), "notebooks/3_attgan"):
        assert run.find_notebooks(tmp_path, [name]) == [two]
    assert run.find_notebooks(tmp_path, ["attgan", "01_two", "start"]) == [two, one], (
        "each once, in the order asked for"
    )
    with pytest.raises(
        ValueError, match="no notebook or series 'stargan'; the series are: 0_start, 3_attgan"
    ):
        run.find_notebooks(tmp_path, ["stargan"])


def test_executed_in_place_it_holds_nothing_that_changes_from_run_to_run(tmp_path: Path) -> None:
    path = notebook(
        tmp_path,
        "0_start/01_one.ipynb",
        "import ipywidgets\nipywidgets.IntSlider()",
        "from tqdm.auto import tqdm\nfor i in tqdm(range(3)): pass\nprint('done', seed)",
    )
    run.execute(path)
    first = path.read_text()
    assert "done 1" in output_of(path) and "IntSlider" in first
    for passing in ("iopub", "widget-view", "widget-state", "100%", "papermill"):
        assert passing not in first
    run.execute(path)
    assert path.read_text() == first


def test_a_failing_notebook_stays_as_it_was(tmp_path: Path) -> None:
    path = notebook(tmp_path, "0_start/01_one.ipynb", "print(1)", "nothing_of_this_name")
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"01_one\.ipynb, cell In \[3\]: NameError"):
        run.execute(path)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]
