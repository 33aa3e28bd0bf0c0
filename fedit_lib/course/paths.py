"""Where the parts of the course lie: the folder that holds notebooks/, found from here or from the current folder."""

from __future__ import annotations

from pathlib import Path


def course_root(start: Path | None = None) -> Path:
    """The repository's folder (it holds ``notebooks/`` and ``pyproject.toml``).

    The current folder and those above it are tried first, then the folder this package was installed from.

    Raises:
        FileNotFoundError: neither is a copy of the course.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents, Path(__file__).resolve().parents[2]):
        if (folder / "pyproject.toml").is_file() and (folder / "notebooks").is_dir():
            return folder
    raise FileNotFoundError(
        f"no course found in {here} or above: run this inside a clone of the repository (the folder with notebooks/)"
    )
