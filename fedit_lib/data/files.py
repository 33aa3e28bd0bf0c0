"""Writing files so that nothing half-written is ever left behind."""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import os
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
