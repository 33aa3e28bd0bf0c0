"""`fedit`: train, export and score editors, run the course, look after the machine.

Each command imports what it needs when it runs, so that `fedit --help` answers at once.
"""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup


class _ClearErrors(TyperGroup):
    """An error of the library is one clear line and exit code 2; a traceback only with --debug.

    So is a warning, without the line of source code that Python shows beside it.
    """

    def invoke(self, ctx: Any) -> Any:
        formatted = warnings.formatwarning
        if not ctx.params.get("debug"):
            warnings.formatwarning = lambda message, *where, **line: f"fedit: warning: {message}\n"
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except (ValueError, KeyError, OSError, RuntimeError, ImportError) as error:
            if ctx.params.get("debug") or isinstance(error, (NotImplementedError, RecursionError)):
                raise
            if type(error).__module__.split(".")[0] in ("click", "typer"):
                raise  # the command line's own errors and exits know how to show themselves
            text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
            typer.secho(f"fedit: {text or type(error).__name__}", fg="red", err=True)
            raise typer.Exit(2) from error
        finally:
            warnings.formatwarning = formatted


def _writable(param: typer.CallbackParam, path: Path | None) -> Path | None:
    """A file to be written at the end of a command is looked at before its beginning."""
    if path is not None:
        from fedit_lib.data.files import check_writable

        try:
            check_writable(path)
        except OSError as error:
            raise ValueError(f"{param.opts[0]}: {error}") from error
    return path


def _weight_file(param: typer.CallbackParam, path: Path | None) -> Path | None:
    """As `_writable`, and its receipt must not take the place of another file."""
    if _writable(param, path) is not None:
        from fedit_lib.training.weights import check_receipt_place

        check_receipt_place(path)
    return path


def _folder(text: str) -> Path:
    """An empty name (of a variable that was never set) would be the current folder."""
    if not text.strip():
        raise typer.BadParameter("the name is empty: name a folder")
    return Path(text)


_FOLDER: dict[str, Any] = {"parser": _folder, "metavar": "PATH"}
_SETTINGS: dict[str, Any] = {
    "no_args_is_help": True,
    "add_completion": False,
    "pretty_exceptions_enable": False,
}
app = typer.Typer(cls=_ClearErrors, help="Face attribute editing: the course's command.", **_SETTINGS)
course_app = typer.Typer(help="Run the notebooks.", **_SETTINGS)
exercises_app = typer.Typer(help="Generate the exercises from the solutions.", **_SETTINGS)
data_app = typer.Typer(help="Look after data sets.", **_SETTINGS)
app.add_typer(course_app, name="course")
app.add_typer(exercises_app, name="exercises")
app.add_typer(data_app, name="data")

Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
Source = Annotated[str, typer.Option(help="procedural, celeba or folder.")]
Root = Annotated[Path | None, typer.Option(help="Where CelebA or the folder lies.")]
MOST_SEED = 2**63 - 1  # what torch takes
Seed = Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Seed of everything random.")]
VariantSeed = Annotated[
    int | None, typer.Option(min=0, max=MOST_SEED, help="A variant for one class (with --to).")
]
Json = Annotated[
    Path | None, typer.Option("--json", callback=_writable, help="Write the numbers to this file too.")
]
# The same everywhere; the oracle and a paper may lack one, and say so.
PROFILES = ("smoke", "laptop", "paper")


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Face attribute editing: the course's command."""


@app.command()
def train(
    name: Annotated[
        str,
        typer.Argument(
            help="A paper (icgan, fader, attgan, sagan, aggan, s2fgan) or the benchmark's oracle."
        ),
    ],
    profile: Annotated[str, typer.Option(help="smoke, laptop or paper.")] = "laptop",
    source: Source = "procedural",
    root: Root = None,
    out: Annotated[
        Path | None, typer.Option(**_FOLDER, help="Run folder; default build/runs/NAME-PROFILE.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Rounds to play instead of the profile's.")] = None,
    device: Device = "auto",
    precision: Annotated[str, typer.Option(help="auto, 32-true or bf16-mixed.")] = "auto",
    seed: Seed = 0,
    attributes: Annotated[str | None, typer.Option(help="Names with commas between.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the run folder's checkpoint.")] = True,
    variant: Annotated[
        str | None, typer.Option(help="Oracle: architecture a or b. s2fgan: mapping dis or dec.")
    ] = None,
    start_from: Annotated[
        Path | None, typer.Option(help="Run folder of the same paper whose weights to begin with.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", help="Of the paper's game, other than the profile's: lambda_2=300."),
    ] = None,
) -> None:
    """Train a model; stop it with Ctrl-C (exit code 130), call it again, and it goes on where it was."""
    from fedit_lib.course import runs

    trained = runs.train(
        name,
        profile=profile,
        source=source,
        root=root,
        out=out,
        steps=steps,
        device=device,
        precision=precision,
        seed=seed,
        attributes=_names(attributes),
        resume=resume,
        start_from=start_from,
        variant=variant,
        options=dict(_named_value("--option", text) for text in option or ()),
    )
    from fedit_lib.training.support import is_first_process

    if is_first_process():
        typer.echo(trained)
    if getattr(trained, "history", trained).interrupted:  # an oracle has its history in it
        if is_first_process():
            same = "the same command" if resume else "the same command without --no-resume"
            typer.secho(f"interrupted: {same} goes on from there", fg="yellow", err=True)
        raise typer.Exit(130)


@app.command()
def export(
    run: Annotated[
        list[Path], typer.Argument(help="Run folder of `fedit train`; several, one an attribute, are joined.")
    ],
    to: Annotated[
        Path | None,
        typer.Option(callback=_weight_file, help="Weight file; default fedit_lib/weights/NAME.safetensors."),
    ] = None,
    faces: Annotated[int, typer.Option(min=0, help="People to score on; 0 scores nothing.")] = 1000,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Ship a run: small weights, and a receipt with command, seed, versions, time and scores."""
    from fedit_lib.course import runs

    path = runs.export(run, to=to, faces=faces, seed=seed, device=device)
    typer.echo(f"wrote {path} and its receipt {path.with_suffix('.json').name}")


@app.command()
def evaluate(
    name: Annotated[
        str,
        typer.Argument(
            help="A paper (attgan), a version of it (s2fgan-dec, s2fgan@clean, s2fgan@poor), a run folder, "
            "a weight file, module:Class, file.py:Class, nothing, or truth."
        ),
    ],
    faces: Annotated[int, typer.Option(min=1, help="How many held-out people.")] = 1000,
    seed: Seed = 0,
    attributes: Annotated[str | None, typer.Option(help="Only these: names with commas between.")] = None,
    slider_faces: Annotated[int, typer.Option(min=0, help="How many people's sliders are moved.")] = 200,
    device: Device = "auto",
    json_file: Json = None,
    source: Source = "procedural",
    root: Root = None,
    split: Annotated[
        str, typer.Option(help="Of the photographs: train, valid or test; folder: or all.")
    ] = "test",
    oracle: Annotated[
        list[Path] | None,
        typer.Option(help="Run folder of `fedit train oracle`: the judge; a second one is compared with it."),
    ] = None,
) -> None:
    """Score an editor by every metric, on people or photographs that no training saw."""
    from fedit_lib.course import editors

    scores = editors.score(
        name,
        faces=faces,
        seed=seed,
        attributes=_names(attributes),
        slider_faces=slider_faces,
        device=device,
        source=source,
        root=root,
        split=split,
        oracles=oracle or (),
    )
    if json_file is not None:  # first: whoever reads the table may hang up
        scores.to_json(json_file)
    _print(scores.table())


@app.command()
def leaderboard(
    add: Annotated[
        list[str] | None,
        typer.Option(help="An editor of your own, module:Class or file.py:Class, or a run folder."),
    ] = None,
    by: Annotated[str, typer.Option(help="Metric to sort by.")] = "region_psnr",
    faces: Annotated[int, typer.Option(min=1, help="How many held-out people.")] = 1000,
    seed: Seed = 0,
    device: Device = "auto",
    json_file: Json = None,
    plot: Annotated[
        Path | None, typer.Option(callback=_writable, help="Draw it to this PNG, SVG or PDF.")
    ] = None,
) -> None:
    """All shipped editors, the floor (nothing) and the ceiling (truth), and your own."""
    from fedit_lib.course import editors

    board = editors.board(add=add or (), faces=faces, seed=seed, by=by, device=device, plot=plot)
    if json_file is not None:
        board.to_json(json_file)
    if plot is not None:
        board.plot(plot)
    _print(board.table(width=shutil.get_terminal_size().columns))


@course_app.command("run")
def course_run(
    notebooks: Annotated[list[str] | None, typer.Argument(help="Notebooks or series; default all.")] = None,
    profile: Annotated[str, typer.Option(help="smoke, laptop or paper.")] = "smoke",
    device: Device = "auto",
    seed: Seed = 0,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="Another one: NAME=VALUE.")
    ] = None,
    out: Annotated[Path | None, typer.Option(**_FOLDER, help="Default build/course/PROFILE.")] = None,
    resume: Annotated[bool, typer.Option(help="Keep what is done and unchanged.")] = True,
    html: Annotated[bool, typer.Option(help="Write a page for each notebook.")] = True,
) -> None:
    """Execute notebooks by papermill; copies, HTML and a table of times go under build/."""
    from fedit_lib.course import run
    from fedit_lib.course.paths import course_root

    root = course_root()
    found = run.find_notebooks(root, notebooks or ())
    if not found:
        raise ValueError(f"there are no notebooks in {root / 'notebooks'}")
    parameters = {"profile": profile, "device": device, "seed": seed} | dict(
        _named_value("--parameter", text) for text in parameter or ()
    )
    if parameters["profile"] not in PROFILES:
        raise ValueError(f"there is no profile {parameters['profile']!r}; there are: {', '.join(PROFILES)}")
    out = out or root / "build" / "course" / parameters["profile"]
    try:
        results = run.run(found, parameters, root=root, out=out, resume=resume, html=html, report=typer.echo)
    except KeyboardInterrupt:
        typer.secho(
            "interrupted: what is done stays; the same command goes on from there", fg="yellow", err=True
        )
        raise typer.Exit(130) from None
    _print(run.table(results))
    typer.echo(f"executed copies, pages and times.md: {out}")
    if any(result.status == "failed" for result in results):
        raise typer.Exit(1)


@course_app.command("execute")
def course_execute(
    notebooks: Annotated[list[str], typer.Argument(help="Notebooks, folders or series to execute in place.")],
) -> None:
    """Execute notebooks in place, with outputs that can be committed (no time stamps, no widget state)."""
    from fedit_lib.course import run
    from fedit_lib.course.paths import course_root

    failed = False
    for notebook in run.find_notebooks(course_root(), notebooks):
        try:
            run.execute(notebook)
            typer.echo(f"{notebook.name}: executed")
        except ValueError as error:
            failed = True
            typer.secho(f"failed: {error}", fg="red", err=True)
    if failed:
        raise typer.Exit(1)


@course_app.command("book")
def course_book(
    out: Annotated[Path | None, typer.Option(**_FOLDER, help="Default build/book.")] = None,
) -> None:
    """Render the notebooks as they are stored, the glossary and the bibliography as a site; it needs no network."""
    from fedit_lib.course import book
    from fedit_lib.course.paths import course_root

    root = course_root()
    made = book.build(root, out or root / "build" / "book", report=lambda line: None)
    typer.echo(f"{len(made)} pages; begin at {made[0]}")


@exercises_app.command("build")
def exercises_build(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit 1 if something would change.")
    ] = False,
    seed: VariantSeed = None,
    count: Annotated[int | None, typer.Option(min=1, help="Of a variant: exercises a series.")] = None,
    to: Annotated[Path | None, typer.Option(**_FOLDER, help="Folder of a variant.")] = None,
) -> None:
    """Write exercises/ from solutions/; with --seed and --to, a variant: another order, choice and data."""
    from fedit_lib.course import exercises
    from fedit_lib.course.paths import course_root

    root = course_root()
    if seed is not None or to is not None or count is not None:
        if seed is None or to is None or check:
            raise ValueError("a variant needs both --seed and --to, and no --check")
        made = exercises.build_variant(root, to, seed, count, report=typer.echo)
        typer.echo(f"variant {seed}: wrote {len(made)} notebooks to {to}")
        return
    changed = exercises.build(root, check=check, report=typer.echo)
    for path in changed:
        typer.echo(
            f"{'would change' if check else 'wrote' if path.exists() else 'removed'} {path.relative_to(root)}"
        )
    if check and changed:
        typer.secho("exercises/ is not what solutions/ gives: run `make exercises`", fg="red", err=True)
        raise typer.Exit(1)
    if not changed:
        typer.echo("exercises are up to date")


@exercises_app.command("nbgrader")
def exercises_nbgrader(
    to: Annotated[Path, typer.Option(**_FOLDER, help="Folder of the nbgrader course.")],
    seed: VariantSeed = None,
    count: Annotated[int | None, typer.Option(min=1, help="Of a variant: exercises a series.")] = None,
) -> None:
    """Write the solutions as nbgrader's source/, with points, and its config. For teachers: it holds the answers."""
    from fedit_lib.course import exercises
    from fedit_lib.course.paths import course_root

    made = exercises.build_nbgrader(course_root(), to, seed, count, report=typer.echo)
    assignments = [path for path in made if path.suffix == ".ipynb"]
    config = " and nbgrader_config.py" if len(made) > len(assignments) else ""
    typer.echo(f"wrote {len(assignments)} assignments{config} to {to}")


@exercises_app.command("handout")
def exercises_handout(
    to: Annotated[Path, typer.Option(**_FOLDER, help="A new folder, for learners.")],
    seed: VariantSeed = None,
    count: Annotated[int | None, typer.Option(min=1, help="Of a variant: exercises a series.")] = None,
) -> None:
    """Write the course for learners: what git tracks, without solutions, the questions' answers and tests."""
    from fedit_lib.course import exercises
    from fedit_lib.course.paths import course_root

    made = exercises.handout(course_root(), to, seed, count)
    typer.echo(f"wrote {len(made)} files to {to}: no solutions in it; learners run `make lab` there")


@app.command()
def doctor(json_file: Json = None) -> None:
    """Look at this machine: kernel, widgets, torch, GPU, weights, data. Each fault with its fix."""
    from fedit_lib.course import doctor as doctors
    from fedit_lib.course.paths import course_root

    try:
        root = course_root()
    except FileNotFoundError:
        root = None
    findings = doctors.examine(root)
    _write_json(json_file, doctors.as_dict(findings))
    _print(doctors.table(findings))
    if not doctors.healthy(findings):
        raise typer.Exit(1)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(ctx: typer.Context) -> None:
    """Open JupyterLab at the first notebook; further options go to JupyterLab (--no-browser, --port 8889)."""
    import os
    import sys

    from fedit_lib.course.paths import course_root
    from fedit_lib.course.run import find_notebooks

    root = course_root()
    first = next(iter(find_notebooks(root)), None)
    place = f"/lab/tree/{first.relative_to(root).as_posix()}" if first else "/lab"
    words = [
        sys.executable,
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url={place}",
        # Nothing is fetched from outside, and no question about news stands before the first notebook.
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.news_url=None",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # a container: Jupyter would refuse to start
        words.append("--allow-root")
    # The kernel must be this environment's, whatever else the user has installed.
    environment = {**os.environ, "JUPYTER_PREFER_ENV_PATH": "1"}
    sys.stdout.flush()
    os.execve(words[0], [*words, *ctx.args], environment)  # in this process's place: Ctrl-C and kill reach it


@data_app.command("celeba")
def data_celeba(
    root: Annotated[Path, typer.Option(help="Folder that holds celeba/.")] = Path("data"),
    size: Annotated[
        int, typer.Option(min=8, max=1024, help="Pixels a side; the laptop profile trains at 64.")
    ] = 64,
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "train",
) -> None:
    """Check your own copy of CelebA and write its cache (once; it is memory-mapped afterwards)."""
    from fedit_lib.data import celeba

    _describe(celeba(root, split=split, size=size))


@data_app.command("folder")
def data_folder(
    root: Annotated[Path, typer.Option(help="Folder with the images and their table (.csv).")],
    size: Annotated[int, typer.Option(min=8, max=1024, help="Pixels a side.")] = 64,
    split: Annotated[str, typer.Option(help="train, valid, test or all.")] = "all",
) -> None:
    """Check a folder of your own photos: what can be read, what is skipped and why."""
    import warnings

    from fedit_lib.data import folder

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the report says it all
        faces = folder(root, size=size, split=split)
    _describe(faces)
    typer.echo(faces.report)


@app.command()
def bench(
    device: Device = "auto",
    repeats: Annotated[int, typer.Option(min=1, help="Runs to take the median of.")] = 3,
    quick: Annotated[bool, typer.Option(help="Only see that it works.")] = False,
    json_file: Json = None,
) -> None:
    """Measure this machine: faces drawn, a round of each paper's training, edits."""
    from fedit_lib.course import bench as benches

    measured = benches.measure(device, repeats, quick)
    _write_json(json_file, measured)
    _print(benches.table(measured))
    typer.echo(benches.rounds_table(measured))


def _describe(faces: Any) -> None:
    """What a source gave, and how often each attribute is there: a rare one teaches little."""
    typer.echo(faces)
    typer.echo(", ".join(f"{name} {share:.1%}" for name, share in faces.label_frequency().items()))


def _print(shown: Any) -> None:
    from rich.console import Console

    Console().print(shown)


def _named_value(option: str, text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(f"{option} wants NAME=VALUE, not {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _names(text: str | None) -> list[str] | None:
    return [part.strip() for part in text.split(",") if part.strip()] if text else None


def _write_json(path: Path | None, data: Any) -> None:
    if path is not None:
        from fedit_lib.data.files import atomic_write

        atomic_write(path, json.dumps(data, indent=2) + "\n")


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="fedit")


if __name__ == "__main__":
    main()
