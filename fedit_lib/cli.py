"""`fedit`: train, export and score editors, run the course, look after the machine.

Each command imports what it needs when it runs, so that `fedit --help` answers at once.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from typer.core import TyperGroup


class _ClearErrors(TyperGroup):
    """An error of the library is one clear line and exit code 2; a traceback only with --debug."""

    def invoke(self, ctx: Any) -> Any:
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
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Json = Annotated[Optional[Path], typer.Option("--json", help="Write the numbers to this file too.")]  # noqa: UP045


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Face attribute editing: the course's command."""


@app.command()
def train(
    name: Annotated[str, typer.Argument(help="A paper (attgan) or the benchmark's oracle.")],
    profile: Annotated[str, typer.Option(help="smoke, laptop or paper.")] = "laptop",
    source: Annotated[str, typer.Option(help="procedural, celeba or folder.")] = "procedural",
    root: Annotated[Optional[Path], typer.Option(help="Where CelebA or the folder lies.")] = None,  # noqa: UP045
    out: Annotated[Optional[Path], typer.Option(help="Run folder; default build/runs/NAME-PROFILE.")] = None,  # noqa: UP045
    steps: Annotated[Optional[int], typer.Option(help="Rounds to play instead of the profile's.")] = None,  # noqa: UP045
    device: Device = "auto",
    precision: Annotated[str, typer.Option(help="auto, 32-true or bf16-mixed.")] = "auto",
    seed: Seed = 0,
    attributes: Annotated[Optional[str], typer.Option(help="Names with commas between.")] = None,  # noqa: UP045
    resume: Annotated[bool, typer.Option(help="Go on from the run folder's checkpoint.")] = True,
    variant: Annotated[str, typer.Option(help="Architecture of the oracle: a or b.")] = "a",
) -> None:
    """Train a model; stop it with Ctrl-C, call it again, and it goes on where it was."""
    from fedit_lib.course import runs

    history = runs.train(
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
        variant=variant,
    )
    typer.echo(history)


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
