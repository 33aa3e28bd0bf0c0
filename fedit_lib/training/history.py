"""What happened during a training: every loss term, as a table that is also a file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedit_lib.data.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class History:
    """The log of a training.

    Attributes:
        rows: one dict per logged step: "step", "seconds" and the terms, each "player/term" averaged since the row
            before, or "valid/name" from the validation function.
        seconds: wall time of the training, over all its resumes.
        interrupted: whether a signal ended it before its last step.
    """

    def __init__(self, rows: Iterable[dict[str, float]] = (), seconds: float = 0.0) -> None:
        self.rows = list(rows)
        self.seconds = seconds
        self.interrupted = False
        self._sums: dict[str, list[float]] = {}  # name -> [sum, count] since the last row

    def __repr__(self) -> str:
        last = f"to step {self.steps[-1]}" if self.rows else "empty"
        return f"History({last}, {len(self.terms)} terms)"

    @property
    def steps(self) -> list[int]:
        """The logged steps; a step counts finished rounds, so the first is 1 or more."""
        return [int(row["step"]) for row in self.rows]

    @property
    def terms(self) -> dict[str, list[float]]:
        """Every term as a list along `steps`; NaN where a step has no value for it."""
        names = dict.fromkeys(k for row in self.rows for k in row if k not in ("step", "seconds"))
        return {name: [row.get(name, math.nan) for row in self.rows] for name in names}

    def add(self, name: str, value: float) -> None:
        """Counts one value of a term towards the next row's average."""
        entry = self._sums.setdefault(name, [0.0, 0])
        entry[0] += value
        entry[1] += 1

    def close_row(
        self, step: int, seconds: float, extra: dict[str, float] | None = None, average: bool = True
    ) -> None:
        """Ends a row; with ``average`` False it holds only ``extra`` and the averaging goes on."""
        row = {"step": step, "seconds": round(seconds, 3)}
        if average:
            row |= {name: total / count for name, (total, count) in self._sums.items()}
            self._sums = {}
        self.rows.append(row | (extra or {}))

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "sums": self._sums}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows, self._sums = list(state["rows"]), dict(state["sums"])

    def write(self, path: str | Path) -> None:
        """Writes the whole table as CSV, atomically."""
        text = io.StringIO()
        columns = ["step", "seconds", *self.terms]
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        atomic_write(path, text.getvalue())

    def append_last(self, path: str | Path) -> None:
        """Adds the last row to the file, or writes the whole table where the columns have changed."""
        path, columns = Path(path), ["step", "seconds", *self.terms]
        if len(self.rows) > 1 and path.exists() and set(self.rows[-1]) <= self._columns_of(path):
            with open(path, newline="", encoding="utf-8") as file:
                columns = next(csv.reader(file))
            with open(path, "a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, columns, lineterminator="\n").writerow(self.rows[-1])
        else:
            self.write(path)

    @staticmethod
    def _columns_of(path: Path) -> set[str]:
        with open(path, newline="", encoding="utf-8") as file:
            return set(next(csv.reader(file), []))

    @classmethod
    def read(cls, path: str | Path) -> History:
        """The history in a ``log.csv``, or in the folder that holds one.

        A last line that was cut short (the machine stopped while it was written) is left out.

        Raises:
            FileNotFoundError: there is no such log.
            ValueError: the file is not a log of a training.
        """
        path = Path(path)
        path = path / "log.csv" if path.is_dir() else path
        if not path.exists():
            raise FileNotFoundError(
                f"there is no training log at {path}: give the folder that fit(out=...) wrote to"
            )
        try:
            text = path.read_text(encoding="utf-8")
            reader = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1]))
            columns = reader.fieldnames
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"{path} is not a training log ({error})") from None
        if not columns or columns[:2] != ["step", "seconds"]:
            raise ValueError(f"{path} is not a training log: its first columns must be step and seconds")
        try:
            rows = [{k: float(v) for k, v in row.items() if k and v} for row in reader]
        except csv.Error as error:
            raise ValueError(f"{path} is not a table ({error}): it is damaged") from None
        except ValueError as error:
            raise ValueError(
                f"{path} holds something that is not a number ({error}): it is damaged"
            ) from None
        if short := [number for number, row in enumerate(rows, 1) if not {"step", "seconds"} <= set(row)]:
            raise ValueError(f"{path} has no step or no seconds in row {short[0]}: it is damaged")
        return cls(rows, rows[-1]["seconds"] if rows else 0.0)

    def plot(self, terms: Iterable[str] | None = None, smooth: int = 1, width: float = 7.0) -> Figure:
        """A small figure: one row of axes per player, one line per term.

        Args:
            terms: which to draw ("player/term"); None draws all.
            smooth: how many rows to average for each point.
            width: inches.

        Raises:
            KeyError: a term that was not logged; the message lists those that were.
        """
        from matplotlib.figure import Figure

        class Plot(Figure):  # no pyplot: nobody has to close it, and Jupyter shows it whatever its backend
            def _repr_png_(self) -> bytes:
                picture = io.BytesIO()
                self.savefig(picture, format="png", dpi=90)
                return picture.getvalue()

        known = self.terms
        chosen = list(known if terms is None else terms)
        if unknown := [name for name in chosen if name not in known]:
            raise KeyError(f"not logged: {', '.join(unknown)}; logged are {', '.join(known)}")
        players = list(dict.fromkeys(name.split("/")[0] for name in chosen))
        figure = Plot(figsize=(width, 0.4 + 1.7 * max(1, len(players))), layout="constrained")
        axes = figure.subplots(max(1, len(players)), 1, sharex=True, squeeze=False)[:, 0]
        for axis, player in zip(axes, players, strict=False):
            for name in (n for n in chosen if n.split("/")[0] == player):
                points = [(s, v) for s, v in zip(self.steps, known[name], strict=True) if not math.isnan(v)]
                windows = [points[max(0, i - smooth + 1) : i + 1] for i in range(len(points))]
                means = [sum(v for _, v in window) / len(window) for window in windows]
                marker = "o" if len(points) < 3 else None
                axis.plot(
                    [s for s, _ in points],
                    means,
                    lw=1.3,
                    marker=marker,
                    ms=3,
                    label=name.split("/", 1)[-1].lstrip("_"),
                )
            axis.set_title(player, loc="left", fontsize=10)
            axis.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
            axis.grid(alpha=0.25)
            axis.spines[["top", "right"]].set_visible(False)
            axis.tick_params(labelsize=8)
        axes[-1].set_xlabel("step", fontsize=9)
        return figure
