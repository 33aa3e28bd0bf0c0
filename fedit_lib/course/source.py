"""Show a piece of the library in a notebook, so that what is read is what runs."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any


class Source:
    """Source code of one object, highlighted where HTML can be shown; its plain text never changes with the code."""

    def __init__(self, title: str, code: str) -> None:
        self.title, self.code = title, code

    def __repr__(self) -> str:
        return f"source of {self.title}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._html()}

    def _html(self) -> str:
        from pygments import highlight
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import PythonLexer

        # Styles stand in the tags: GitHub and nbconvert drop style sheets. No background, so dark themes work too.
        formatter = HtmlFormatter(noclasses=True, nobackground=True, style="default", wrapcode=True)
        body = highlight(self.code, PythonLexer(stripnl=False), formatter)
        caption = f'<div style="font-size:85%;opacity:.7">{self.title}</div>'
        return (
            '<div style="border-left:3px solid #8aa6c1;padding:2px 0 2px 12px;overflow-x:auto">'
            f"{caption}{body}</div>"
        )


def show_source(obj: Any, start: str | int | None = None, stop: str | int | None = None) -> Source:
    """Source of a function, class, method or module, to be the last line of a cell.

    Args:
        obj: anything that `inspect.getsource` takes.
        start, stop: show from the line ``start`` up to and without the line ``stop``. A number counts the object's
            lines from 1; a text names the first line that contains it (looked for after ``start``), which survives
            edits of the library.

    Raises:
        ValueError: the object has no Python source, or a text stands in no line.
    """
    try:
        lines = textwrap.dedent(inspect.getsource(inspect.unwrap(obj) if callable(obj) else obj)).splitlines()
    except (TypeError, OSError) as error:
        raise ValueError(f"{obj!r} has no Python source: give a function, class, method or module") from error
    name = getattr(obj, "__qualname__", None) or getattr(obj, "__name__", repr(obj))
    module = getattr(obj, "__module__", None)
    title = f"{module}.{name}" if module else name
    first = _line(lines, start, 0, title) if start is not None else 0
    last = _line(lines, stop, first + 1, title) if stop is not None else len(lines)
    if first >= last:
        raise ValueError(f"{title}: no line between start={start!r} and stop={stop!r}")
    return Source(title, textwrap.dedent("\n".join(lines[first:last])).rstrip() + "\n")


def _line(lines: list[str], where: str | int, after: int, title: str) -> int:
    if isinstance(where, int):
        if not 1 <= where <= len(lines) + 1:
            raise ValueError(f"{title} has lines 1 to {len(lines)}, not {where}")
        return where - 1
    for number in range(after, len(lines)):
        if where in lines[number]:
            return number
    raise ValueError(f"{title}: no line contains {where!r}")
