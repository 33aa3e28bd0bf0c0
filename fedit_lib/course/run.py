"""Run notebooks: into `build/` by papermill with any profile, or in place, so that they can be committed executed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nbformat

from fedit_lib.data.files import atomic_write, check_writable

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
QUIET = ["--IPKernelApp.log_level=40"]  # not a warning about sockets for each notebook
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


@dataclass
class Result:
    """What became of one notebook. status: "passed", "failed", "kept" (done before, nothing changed) or "not run"."""

    notebook: str
    status: str
    seconds: float | None = None
    cell: str | None = None
    error: str | None = None


def find_notebooks(root: Path, names: Sequence[str] = ()) -> list[Path]:
    """Notebooks under ``root/notebooks``, in order. A name is a path, a folder, a series ("3_attgan", "attgan"), or a
    notebook's name without its ending; none means all, and so does ``root`` itself. A path that begins with a dot is
    seen from the current folder, every other one from ``root`` first.

    Raises:
        ValueError: a name fits nothing, or is empty; the series are listed.
    """
    every = _notebooks_in(root / "notebooks")
    series = ", ".join(sorted({p.parent.name for p in every})) or "none yet"
    if not names:
        return every
    chosen: list[Path] = []
    for name in names:
        if not name.strip():  # as a path it would be the whole course
            raise ValueError(f"the name of a notebook is empty: name one, a folder or a series: {series}")
        places = [(root / name).resolve(), Path(name).resolve()]
        given = next((p for p in (places[::-1] if name.startswith(".") else places) if p.exists()), None)
        hits: list[Path] = []
        if given is not None and given.is_file() and given.suffix == ".ipynb":
            hits = [given]
        elif given is not None and root.resolve().is_relative_to(given):
            hits = every  # not what else lies in the clone: solutions, exercises, executed copies
        elif given is not None and given.is_dir():
            hits = _notebooks_in(given)
        if not hits:  # nor does a run folder called attgan stand before the series
            hits = [p for p in every if name in (p.stem, p.parent.name, p.parent.name.partition("_")[2])]
        if not hits:
            raise ValueError(f"no notebook or series {name!r}; the series are: {series}")
        chosen += [p for p in hits if p not in chosen]
    return chosen


def _notebooks_in(folder: Path) -> list[Path]:
    """In order, without what is hidden in it: .ipynb_checkpoints, .venv."""
    every = sorted(folder.rglob("*.ipynb"))
    return [p for p in every if not any(part.startswith(".") for part in p.relative_to(folder).parts)]


def parameters_of(notebook: Path) -> dict[str, str]:
    """The parameters that a notebook declares (cell tagged ``parameters``): name -> default, as written."""
    import papermill

    found = papermill.inspect_notebook(str(notebook))
    return {name: entry["default"] for name, entry in found.items()}


def check_parameters(notebook: Path, parameters: dict[str, Any]) -> None:
    """Raise ValueError, with those that exist, for a parameter that the notebook does not have."""
    known = parameters_of(notebook)
    unknown = [name for name in parameters if name not in known]
    if unknown:
        raise ValueError(
            f"{notebook.name} has no parameter {', '.join(map(repr, unknown))}; "
            f"it has: {', '.join(known) or 'none (no cell is tagged `parameters`)'}"
        )


def run(
    notebooks: Sequence[Path],
    parameters: dict[str, Any],
    *,
    root: Path,
    out: Path,
    resume: bool = True,
    html: bool = True,
    report: Callable[[str], None] = print,
) -> list[Result]:
    """Execute notebooks by papermill; executed copies, HTML, `times.json` and `times.md` go to ``out``.

    A notebook that fails is named with its cell, and the others still run. What is done stays when a run is
    interrupted (KeyboardInterrupt is raised again after the table is written), and is not done again with ``resume``
    as long as the notebook's code, the series' assets, the parameters and the library are what they were.

    Raises:
        ValueError: a notebook does not have one of the parameters, this machine not the device that they name, or
            ``out`` lies among the course's own notebooks (before anything runs).
        OSError: ``out`` cannot be a folder.
    """
    from fedit_lib.training.support import check_device

    for name in ("notebooks", "solutions", "exercises"):
        if Path(out).resolve().is_relative_to((root / name).resolve()):
            raise ValueError(
                f"{name}/ holds the course's own, which executed copies would replace: give another folder"
            )
    check_writable(out, folder=True)
    for notebook in notebooks:
        check_parameters(notebook, parameters)
    check_device(parameters.get("device", "auto"))
    library = _library_hash()
    copies = [out / _label(notebook, root) for notebook in notebooks]
    before = [_done(copy) for copy in copies]
    results = [
        Result(_label(notebook, root), "not run", done.get("seconds"))
        for notebook, done in zip(notebooks, before, strict=True)
    ]
    try:
        with _every_signal_interrupts():
            for notebook, copy, done, result in zip(notebooks, copies, before, results, strict=True):
                key = _key(notebook, parameters, library)
                if resume and done.get("key") == key:
                    result.status = "kept"
                    report(f"{result.notebook}: done before, nothing changed")
                    if html and not copy.with_suffix(".html").exists():
                        atomic_write(copy.with_suffix(".html"), to_html(copy))
                    continue
                report(f"{result.notebook}: running")
                _run_one(notebook, copy, parameters, key, html, result)
                report(
                    f"{result.notebook}: {result.status}"
                    + (f" in {result.cell}: {result.error}" if result.cell else "")
                )
    finally:
        write_times(out, results, parameters)
    return results


@contextlib.contextmanager
def _every_signal_interrupts() -> Iterator[None]:
    """SIGTERM (a scheduler) and SIGHUP (a closed terminal) end a run as Ctrl-C does: the kernel is shut down too."""
    before = {}

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if signal.getsignal(number) == signal.SIG_DFL:  # under nohup it stays ignored
                before[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run_one(
    notebook: Path, copy: Path, parameters: dict[str, Any], key: str, html: bool, result: Result
) -> None:
    import papermill
    from papermill.exceptions import PapermillExecutionError

    # The kernel must be this environment's, whatever else the user has installed.
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
    copy.parent.mkdir(parents=True, exist_ok=True)
    partial, failed = copy.with_suffix(".partial.ipynb"), copy.with_suffix(".failed.ipynb")
    begun = time.monotonic()
    try:
        papermill.execute_notebook(
            str(notebook),
            str(partial),
            parameters=parameters,
            kernel_name="python3",
            cwd=str(notebook.parent),
            progress_bar=False,
            extra_arguments=QUIET,
        )
    except PapermillExecutionError as error:
        line = next((s.strip() for s in error.source.splitlines() if s.strip() and not s.startswith("#")), "")
        result.status = "failed"
        result.cell = f"cell In [{error.exec_count}], beginning `{line[:60]}`"
        result.error = f"{error.ename}: {error.evalue}".strip().splitlines()[0]
        os.replace(partial, failed)
    except KeyboardInterrupt:
        partial.unlink(missing_ok=True)
        raise
    except Exception as error:  # the kernel died or never came up: the other notebooks still run
        result.status, result.cell = "failed", "no cell: the kernel stopped"
        result.error = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        partial.unlink(missing_ok=True)
    else:
        executed = nbformat.read(partial, as_version=4)
        copy.with_suffix(".html").unlink(
            missing_ok=True
        )  # killed between the two, no old page stands by a new copy
        executed.metadata["fedit"] = {"key": key, "seconds": round(time.monotonic() - begun, 1)}
        atomic_write(copy, nbformat.writes(executed))
        partial.unlink()
        failed.unlink(missing_ok=True)
        result.status = "passed"
    result.seconds = round(time.monotonic() - begun, 1)
    if html and result.status == "passed":
        atomic_write(copy.with_suffix(".html"), to_html(copy))


def to_html(notebook: Path) -> str:
    """One executed notebook as a page that needs no network."""
    from fedit_lib.course.pages import standalone

    return standalone(notebook)


def write_times(out: Path, results: Sequence[Result], parameters: dict[str, Any]) -> None:
    """Write ``times.json`` and ``times.md`` (a table for a README) into ``out``."""
    from fedit_lib.papers.editor import pick_device
    from fedit_lib.training.support import hardware

    measured_on = hardware(pick_device(parameters.get("device", "auto")))
    timed = [result.seconds for result in results if result.seconds is not None]
    record = {
        "parameters": parameters,
        "hardware": measured_on,
        "seconds": round(sum(timed), 1),
        "notebooks": [asdict(result) for result in results],
    }
    atomic_write(out / "times.json", json.dumps(record, indent=2) + "\n")
    rows = [f"| {r.notebook} | {r.status} | {_clock(r.seconds)} |" for r in results]
    rows.append(f"| **all** | | {_clock(sum(timed))} |")
    head = f"Measured on {measured_on}, " + ", ".join(f"{k}={v}" for k, v in parameters.items())
    atomic_write(
        out / "times.md", "\n".join([head, "", "| notebook | | time |", "| --- | --- | ---: |", *rows]) + "\n"
    )


def table(results: Sequence[Result]) -> Any:
    """The results as a rich table."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(title="Notebooks")
    for title, justify in (("notebook", "left"), ("result", "left"), ("time", "right"), ("where", "left")):
        shown.add_column(title, justify=justify, overflow="fold")  # type: ignore[arg-type]
    colours = {"passed": "green", "kept": "green", "failed": "red", "not run": "yellow"}
    for r in results:
        where = f"{r.cell}\n{r.error}" if r.cell else ""
        status = f"[{colours[r.status]}]{r.status}[/]"
        shown.add_row(Text(r.notebook), status, _clock(r.seconds), Text(where))
    shown.add_row("all", "", _clock(sum(r.seconds or 0 for r in results)), "", end_section=True)
    return shown


def execute(notebook: Path, timeout: int = 1800) -> None:
    """Execute a notebook in place, with the parameters written in it, and store normalised outputs.

    Raises:
        ValueError: a cell fails; it is named, and the file stays as it was.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
    content = nbformat.read(notebook, as_version=4)
    client = NotebookClient(
        content,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(notebook.parent)}},
        extra_arguments=QUIET,
        store_widget_state=False,
        coalesce_streams=True,
        record_timing=False,
    )
    try:
        client.execute()
    except CellExecutionError as error:
        count = max(
            (c.get("execution_count") or 0 for c in content.cells if c.cell_type == "code"), default=0
        )
        raise ValueError(f"{notebook.name}, cell In [{count}]: {error.ename}: {error.evalue}") from error
    normalise(content)
    atomic_write(notebook, nbformat.writes(content) + "\n")


def normalise(content: Any) -> None:
    """Drop from a notebook what changes from run to run or only lives with a kernel: times, widgets, versions."""
    for key in ("papermill", "widgets", "fedit"):
        content.metadata.pop(key, None)
    content.metadata["kernelspec"] = dict(KERNELSPEC)
    content.metadata["language_info"] = {"name": "python"}
    content.nbformat_minor = max(content.nbformat_minor, 5)
    for number, cell in enumerate(content.cells):
        for key in ("execution", "papermill", "ExecuteTime", "collapsed", "scrolled"):
            cell.metadata.pop(key, None)
        if "id" not in cell:
            cell["id"] = f"cell-{number}"
        if cell.cell_type != "code":
            continue
        kept = []
        for output in cell.outputs:
            data = output.get("data")
            if data is not None and {"image/png", "image/jpeg"} <= set(data):
                # Pillow's pictures come in both forms, of which a page shows one: keep the smaller.
                del data[max("image/png", "image/jpeg", key=lambda form: len(data[form]))]
            if data is not None and WIDGET_VIEW in data:
                del data[WIDGET_VIEW]
                if "tqdm" in data.get("text/plain", "") or "%|" in data.get("text/plain", ""):
                    continue  # a progress bar
                output.get("metadata", {}).pop(WIDGET_VIEW, None)
            if output.output_type == "stream" and output.name == "stderr":
                if all("%|" in line or not line.strip() for line in output.text.splitlines()):
                    continue  # a progress bar in text
            kept.append(output)
        cell.outputs = kept


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _label(notebook: Path, root: Path) -> str:
    for folder in (root / "notebooks", root):
        if notebook.resolve().is_relative_to(folder.resolve()):
            return notebook.resolve().relative_to(folder.resolve()).as_posix()
    return notebook.name


def _library_hash() -> str:
    """Of all that a notebook may import or load: sources, and the receipts that hold the weights' hashes."""
    folder = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for path in sorted([*folder.rglob("*.py"), *folder.rglob("*.json")]):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _key(notebook: Path, parameters: dict[str, Any], library: str) -> str:
    content = nbformat.read(notebook, as_version=4)
    code = [cell.source for cell in content.cells]
    files = sorted(p for p in (notebook.parent / "assets").glob("*") if p.is_file())
    assets = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
    return hashlib.sha256(
        json.dumps([code, assets, parameters, library], sort_keys=True).encode()
    ).hexdigest()


def _done(copy: Path) -> dict[str, Any]:
    """The key and the seconds of an executed copy, {} where there is none."""
    try:
        return dict(nbformat.read(copy, as_version=4).metadata.get("fedit", {}))
    except (OSError, ValueError):
        return {}
