"""Running, checking and generating notebooks; the doctor. Nothing here teaches: it keeps the teaching matter true."""

from __future__ import annotations

from typing import Any

__all__ = ["show_source"]


def __getattr__(name: str) -> Any:
    # Lazy: `fedit --help` and the checks need no IPython.
    if name == "show_source":
        from fedit_lib.course.source import show_source

        return show_source
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
