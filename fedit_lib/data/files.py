"""Writing files so that nothing half-written is ever left behind."""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path in the same folder; on success it becomes ``path``, on any error it is removed.

    A rename inside one folder is atomic: whoever opens ``path`` sees the old file or the new one, never a part.

    Raises:
        OSError: what writing raised. A full disk is reported with the file's name and what to do.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException as error:  # an interrupt, too, must not leave a part behind
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            state = "the previous file is intact" if path.exists() else "nothing was left behind"
            raise OSError(
                error.errno,
                f"the disk is full: {path} could not be written ({state}). Free some space and try again.",
            ) from error
        raise


def check_writable(path: str | Path, folder: bool = False) -> None:
    """Whether ``path`` can become a file (or a folder to write into), asked before the work that it is for.

    Nothing stays behind. A disk that fills up meanwhile is not foreseen.

    Raises:
        OSError: it cannot; the message says why, and what to name instead.
    """
    path = Path(path)
    if folder and path.exists() and not path.is_dir():
        raise NotADirectoryError(f"{path} is a file: name a folder")
    if not folder and path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name a file in it")
    if not folder and path.exists() and not path.is_file():  # /dev/stdout would be replaced, not written to
        raise OSError(f"{path} is no ordinary file: name one that can be written anew")
    whole = path.absolute()
    place = next(place for place in (*([whole] if folder else []), *whole.parents) if place.exists())
    if not place.is_dir():
        raise NotADirectoryError(f"{path} cannot be written: {place} is a file, not a folder")
    try:
        with tempfile.TemporaryFile(dir=place):  # root's permissions do not tell what a file system allows
            pass
    except OSError as error:
        raise OSError(
            f"{path} cannot be written: {place} takes no file ({error.strerror}); name another place"
        ) from error


def atomic_write(path: str | Path, content: bytes | str) -> None:
    """Writes ``content`` (text as UTF-8) to ``path`` through `atomic_path`, and makes sure it is on the disk."""
    data = content.encode() if isinstance(content, str) else content
    with atomic_path(path) as temporary:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def write_table(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes rows that all have the same columns to a CSV file, whole or not at all; None becomes an empty cell.

    Raises:
        ValueError: there are no rows, or one has a column that the first has not.
    """
    if not rows:
        raise ValueError(f"no rows to write to {path}")
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    atomic_write(path, text.getvalue())
