"""Running notebooks: parameters, failures, resume, interruption; and executing them in place."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
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
    (tmp_path / "notebooks/0_start/assets").mkdir()
    (tmp_path / "notebooks/0_start/assets/measured.csv").write_text("step\n1\n")
    course(tmp_path, seed=2)
    assert ran == ["01_one", "02_two"], "what its series measured may have changed"
    ran.clear()
    (tmp_path / "build/0_start/01_one.html").unlink()  # killed before the page was written
    (tmp_path / "build/times.json").unlink()
    kept, _ = course(tmp_path, seed=2)
    assert ran == [] and (tmp_path / "build/0_start/01_one.html").exists()
    assert kept.status == "kept" and kept.seconds is not None, "a copy knows its own time"
    monkeypatch.setattr(run, "_library_hash", lambda: "another library")
    course(tmp_path, seed=2)
    assert ran == ["01_one", "02_two"], "a changed library runs all again"
    ran.clear()
    run.run([two], {"seed": 2}, root=tmp_path, out=tmp_path / "build", resume=False, report=lambda line: None)
    assert ran == ["02_two"]


def alive(pid: int) -> bool:
    """Whether the process runs (one that only waits to be buried does not)."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def wait_for(condition, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks for processes in /proc")
def test_a_killed_run_goes_on_with_the_notebook_that_was_broken_off(tmp_path: Path) -> None:
    """SIGTERM, then kill -9, each in the middle of the second notebook: no kernel survives, nothing done is lost."""
    (tmp_path / "pyproject.toml").touch()
    notebook(tmp_path, "0_start/01_done.ipynb", "print('done')")
    pause = "import os, time\nfile.write_text(str(os.getpid()))\ntime.sleep(0 if Path('go').exists() else 90)"
    notebook(tmp_path, "0_start/02_broken.ipynb", f"from pathlib import Path; file = Path('pid')\n{pause}")
    command = [sys.executable, "-m", "fedit_lib.cli", "course", "run", "--no-html", "--out", "build"]
    pid, first = tmp_path / "notebooks/0_start/pid", tmp_path / "build/0_start/01_done.ipynb"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    for number, code in ((signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)):
        running = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=-1, stderr=-1, text=True)
        wait_for(lambda: pid.exists() and pid.read_text())
        if number == signal.SIGTERM:
            made = first.stat().st_mtime_ns
        running.send_signal(number)
        said = running.communicate(timeout=60)
        assert running.returncode == code, said
        kernel = int(pid.read_text())
        wait_for(lambda kernel=kernel: not alive(kernel), 20)
        pid.unlink()
        if number == signal.SIGTERM:
            assert "the same command goes on from there" in said[1]
            assert not list(tmp_path.rglob("*.partial.ipynb"))
        else:
            assert "01_done.ipynb: done before" in said[0]
        assert first.stat().st_mtime_ns == made and not first.with_name("02_broken.ipynb").exists()
    (tmp_path / "notebooks/0_start/go").touch()
    results = course(tmp_path, profile="smoke", device="auto", seed=0)
    assert [r.status for r in results] == ["kept", "passed"] and first.stat().st_mtime_ns == made
    assert not list(tmp_path.rglob("*.partial.ipynb")) and results[0].seconds is not None


def test_a_device_that_is_not_there_is_named_before_anything_runs(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    notebook(tmp_path, "0_start/01_one.ipynb", "1")
    with pytest.raises(ValueError, match="no CUDA device that torch can use: choose auto or cpu"):
        course(tmp_path, device="cuda")
    assert not (tmp_path / "build").exists()


def test_a_file_in_the_place_of_the_output_is_named(tmp_path: Path) -> None:
    notebook(tmp_path, "0_start/01_one.ipynb", "1")
    (tmp_path / "build").touch()
    with pytest.raises(OSError, match="build is a file: name a folder"):
        course(tmp_path, seed=1)


@pytest.mark.parametrize("name", ["notebooks", "solutions/0_start"])
def test_executed_copies_never_replace_the_courses_own(tmp_path: Path, name: str) -> None:
    one = notebook(tmp_path, "0_start/01_one.ipynb", "1")
    before = one.read_bytes()
    with pytest.raises(ValueError, match=r"/ holds the course's own.*another folder"):
        run.run([one], {}, root=tmp_path, out=tmp_path / name)
    assert one.read_bytes() == before and not (tmp_path / "solutions").exists()


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


def test_the_courses_root_means_its_notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = notebook(tmp_path, "0_start/01_one.ipynb", "1")
    two = notebook(tmp_path, "3_attgan/01_two.ipynb", "1")
    for other in ("solutions/0_start", ".venv/share", "build/course", "notebooks/3_attgan/.old"):
        notebook(tmp_path, f"../{other}/03_other.ipynb", "1")
    monkeypatch.chdir(tmp_path)
    for name in (".", "..", "notebooks", str(tmp_path)):
        assert run.find_notebooks(tmp_path, [name]) == [one, two], name
    assert [p.name for p in run.find_notebooks(tmp_path, ["solutions"])] == ["03_other.ipynb"]
    monkeypatch.chdir(two.parent)
    assert run.find_notebooks(tmp_path, ["."]) == [two], "seen from the current folder"
    for name in ("", " "):
        with pytest.raises(ValueError, match=r"name of a notebook is empty: name one, .* 0_start, 3_attgan"):
            run.find_notebooks(tmp_path, [name])


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_only_has_a_series_name_does_not_stand_before_the_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    two = notebook(tmp_path, "3_attgan/01_two.ipynb", "1")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    if kind == "folder":
        Path("attgan").mkdir()
        Path("attgan/run.json").write_text("{}")
    else:
        Path("attgan").write_text("what it said")
    assert run.find_notebooks(tmp_path, ["attgan"]) == [two]


def test_a_notebook_with_brackets_in_its_name_is_shown_so() -> None:
    import io

    from rich.console import Console

    text = io.StringIO()
    failed = run.Result("own/try [b].ipynb", "failed", 1.0, "cell In [2]", "KeyError: '[/b]'")
    Console(file=text, width=160).print(run.table([failed]))
    assert all(part in text.getvalue() for part in ("own/try [b].ipynb", "cell In [2]", "KeyError: '[/b]'"))


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


def test_the_times_name_the_device_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedit_lib.papers.editor.pick_device", lambda device: f"picked {device}")
    monkeypatch.setattr("fedit_lib.training.support.hardware", lambda device="cpu": f"({device})")
    run.write_times(tmp_path, [], {"device": "cuda:1"})
    assert json.loads((tmp_path / "times.json").read_text())["hardware"] == "(picked cuda:1)"
    assert (tmp_path / "times.md").read_text().startswith("Measured on (picked cuda:1), ")
    run.write_times(tmp_path, [], {})
    assert json.loads((tmp_path / "times.json").read_text())["hardware"] == "(picked auto)"
