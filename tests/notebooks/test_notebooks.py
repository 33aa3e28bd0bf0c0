"""What is committed as notebooks: executed, checked, short, alike on every machine; and that nbval would notice."""

from __future__ import annotations

import ast
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from fedit_lib.course import run

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = run.find_notebooks(ROOT) if (ROOT / "notebooks").is_dir() else []
EVERY = [*NOTEBOOKS, *sorted((ROOT / "solutions").glob("*/*.ipynb"))]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def code_cells(path: Path) -> list[Any]:
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code" and c.source.strip()]


def is_checked(cell: Any) -> bool:
    return "NBVAL_CHECK_OUTPUT" in cell.source or "nbval-check-output" in cell.metadata.get("tags", [])


def test_every_series_is_there() -> None:
    series = {path.parent.name for path in NOTEBOOKS}
    assert {"0_start", "1_icgan", "2_fader", "3_attgan", "4_sagan", "5_aggan", "6_s2fgan"} <= series


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_the_three_parameters_are_declared(path: Path) -> None:
    cells = [c for c in code_cells(path) if "parameters" in c.metadata.get("tags", [])]
    assert len(cells) == 1, "one cell is tagged `parameters`"
    assert list(run.parameters_of(path)) == ["profile", "device", "seed"]


@pytest.mark.parametrize("path", EVERY, ids=name)
def test_it_was_executed_in_order_without_errors(path: Path) -> None:
    cells = code_cells(path)
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1)), (
        "execute it: fedit course execute"
    )
    assert not [o for c in cells for o in c.outputs if o.output_type == "error"]


@pytest.mark.parametrize("path", EVERY, ids=name)
def test_it_has_checked_cells_with_stored_text(path: Path) -> None:
    checked = [c for c in code_cells(path) if is_checked(c)]
    assert checked, "nothing is checked: mark facts with # NBVAL_CHECK_OUTPUT"
    for cell in checked:
        texts = [o.get("text") or o.get("data", {}).get("text/plain") for o in cell.outputs]
        assert any(text and text.strip() for text in texts), (
            f"nothing is stored to compare with: {cell.source!r}"
        )


@pytest.mark.parametrize("path", EVERY, ids=name)
def test_it_is_small_and_its_cells_are_short(path: Path) -> None:
    assert path.stat().st_size <= 300_000, f"{path.stat().st_size} bytes: 300 KB at most"
    lengths = [len(cell.source.splitlines()) for cell in code_cells(path)]
    assert max(lengths) <= 25
    if path in NOTEBOOKS:
        assert statistics.median(lengths) <= 8


@pytest.mark.parametrize("path", EVERY, ids=name)
def test_it_holds_no_trick_no_place_and_no_time(path: Path) -> None:
    content = nbformat.read(path, as_version=4)
    for cell in content.cells:
        if cell.cell_type == "code":
            assert not re.search(r"sys\.path|^\s*[!%]\s*pip|^\s*!", cell.source, re.M), cell.source
            absolute = re.search(r"""["'](/(?!/)[A-Za-z]\w+/|[A-Z]:\\)""", cell.source)
            assert not absolute, f"an absolute path: {cell.source!r}"
            for output in cell.outputs:
                text = output.get("text", "") + str(output.get("data", {}).get("text/plain", ""))
                assert not re.search(
                    r"(?<![\w.])/(?:[a-z]+/)*(?:site-packages|ipykernel_|notebooks|fedit_lib)/?", text
                ), text
        for key in ("execution", "papermill", "ExecuteTime"):
            assert key not in cell.metadata
    assert not {"papermill", "widgets"} & set(content.metadata)
    assert "version" not in content.metadata.get("language_info", {})


@pytest.mark.parametrize("path", EVERY, ids=name)
def test_executing_it_again_would_store_it_in_the_same_form(path: Path) -> None:
    content = nbformat.read(path, as_version=4)
    run.normalise(content)
    assert path.read_text(encoding="utf-8") == nbformat.writes(content) + "\n", (
        "store it by `fedit course execute`"
    )


@pytest.mark.parametrize("path", EVERY, ids=name)
def test_it_has_one_title(path: Path) -> None:
    """Sections are of the second level: tables of contents, JupyterLab's and the book's, hang them under the title."""
    told = [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown"]
    prose = re.sub(r"^```.*?^```", "", "\n".join(told), flags=re.M | re.S)
    assert told[0].startswith("# ") and len(re.findall(r"^# ", prose, flags=re.M)) == 1


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_it_says_what_one_will_be_able_to_do_and_how_long_it_takes(path: Path) -> None:
    first = next(c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown")
    assert first.lstrip().startswith("# ")
    text = "\n".join(c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown")
    assert re.search(r"minutes?\b", text), "its measured minutes"


def parsed(cell: Any) -> ast.Module:
    return ast.parse(re.sub(r"^\s*%.*$", "", cell.source, flags=re.M))


def shown_sources(path: Path) -> list[tuple[str, str]]:
    """(the call, the HTML stored) of every cell that shows a piece of the library."""
    shown = []
    for cell in code_cells(path):
        last = (parsed(cell).body or [None])[-1]
        if (
            isinstance(last, ast.Expr)
            and isinstance(last.value, ast.Call)
            and ast.unparse(last.value.func) == "show_source"
        ):
            shown.append((ast.unparse(last), cell.outputs[-1].data["text/html"]))
    return shown


@pytest.mark.parametrize("path", [p for p in EVERY if shown_sources(p)], ids=name)
def test_the_code_that_it_shows_is_the_library_of_today(path: Path) -> None:
    """Stored outputs grow stale where nothing compares them: nbval compares the marked cells only."""
    names: dict[str, Any] = {}
    for cell in code_cells(path):
        for node in parsed(cell).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                exec(ast.unparse(node), names)  # the notebook's own imports
    stale = [call for call, stored in shown_sources(path) if eval(call, names)._html() != stored]
    assert not stale, f"execute it again (fedit course execute): {stale} changed since"


def small(folder: Path, stored: str) -> Path:
    source = "# NBVAL_CHECK_OUTPUT\nprint(round(1 / 3, 3))"
    checked = nbformat.v4.new_code_cell(source, id="a", execution_count=1)
    checked.outputs = [nbformat.v4.new_output("stream", text=stored + "\n")]
    free = nbformat.v4.new_code_cell("print('unmarked')", id="b", execution_count=2)
    free.outputs = [nbformat.v4.new_output("stream", text="another text\n")]
    content = nbformat.v4.new_notebook(cells=[checked, free])
    content.metadata["kernelspec"] = dict(run.KERNELSPEC)
    path = folder / "small.ipynb"
    nbformat.write(content, path)
    return path


def nbval(path: Path) -> subprocess.CompletedProcess:
    """As `make test` runs it."""
    makefile = (ROOT / "Makefile").read_text()
    flags = re.findall(r"--nbval\S*(?: tests/nbval_sanitize.cfg)?", makefile)
    assert "--nbval-lax" in flags
    words = [
        w.replace("tests/nbval_sanitize.cfg", str(ROOT / "tests/nbval_sanitize.cfg"))
        for f in flags
        for w in f.split()
    ]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:xdist", "-q", "-c", os.devnull, *words, path.name],
        cwd=path.parent,
        env=environment,
        capture_output=True,
        text=True,
    )


def test_nbval_passes_the_stored_number_and_fails_a_changed_one(tmp_path: Path) -> None:
    right = nbval(small(tmp_path, "0.333"))
    assert right.returncode == 0 and "2 passed" in right.stdout, right.stdout
    wrong = nbval(small(tmp_path, "0.334"))
    assert wrong.returncode == 1 and "1 failed, 1 passed" in wrong.stdout, wrong.stdout


def test_the_sanitiser_forgives_times_but_not_results() -> None:
    text = (ROOT / "tests/nbval_sanitize.cfg").read_text()
    pairs = re.findall(r"regex: (.*)\nreplace: (.*)", text)

    def clean(line: str) -> str:
        for regex, replace in pairs:
            line = re.sub(regex, replace, line)
        return line

    assert clean("took 3.2 s on cpu") == clean("took 11 s on cuda:0")
    assert clean("accuracy 0.91") != clean("accuracy 0.92")
    assert clean("13 attributes") != clean("12 attributes")
    assert clean("27.1 dB") != clean("26.1 dB")
    assert clean("torch.Size([8, 3, 64, 64])") != clean("torch.Size([8, 3, 32, 32])")
