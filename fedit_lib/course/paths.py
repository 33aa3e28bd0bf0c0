"""Where the parts of the course lie: the folder that holds notebooks/, found from here or from the current folder."""

from __future__ import annotations

import os
import tempfile
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


def write_text(path: Path, text: str) -> None:
    """Write a file in one move (a temporary in the same folder, then a rename): never half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
