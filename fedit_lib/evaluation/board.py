"""The leaderboard: scores side by side, as a table, as JSON, as a plot."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.files import atomic_write
from .scores import EXTRA, METRICS, Scores, as_it_is, pack, show

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What a reader wants to see at once; accuracy never without the truth beside it (an oracle can be fooled).
COLUMNS = (
    "accuracy", "accuracy_b", "preservation", "counterfactual_psnr", "region_psnr", "region_psnr_of_doing_nothing",
    "leakage", "reconstruction_psnr", "slider_rank", "slider_reach", "mask_ap", "mask_iou", "fid",
    "parameters", "ms_per_edit", "training_seconds",
)  # fmt: skip


def check_metric(name: str) -> None:
    """Raise KeyError, with those that there are, unless this is a metric."""
    if name not in METRICS and name not in EXTRA:
        raise KeyError(f"no metric {name!r}; there are {', '.join((*METRICS, *EXTRA))}")


def check_plot(path: str | Path) -> None:
    """Raise ValueError unless a board can be drawn to a file of this suffix (none means PNG)."""
    from matplotlib.backend_bases import FigureCanvasBase

    suffix = Path(path).suffix.lstrip(".").lower()
    if suffix and suffix not in FigureCanvasBase.filetypes:
        raise ValueError(f"a plot cannot be written to {Path(path).name}: end it in .png, .svg or .pdf")


class Leaderboard:
    """Editors in order of one metric, best first; those that do not have it come last.

    Args:
        entries: `Scores`, in any order; files that `Scores.to_json` wrote; or a dict of name -> either. Or one alone.
        by: metric to sort by.
        common: average over the attributes that all editors share (an editor with easy attributes alone would lead);
            where they share none, or `common` is False, each over its own.

    Raises:
        KeyError: if `by` is no metric.
        ValueError: if there are no entries, a file holds no scores, or two editors were examined on different people.
        FileNotFoundError: if an entry is no file.
    """

    def __init__(
        self,
        entries: Iterable[Scores | str | Path] | Mapping[str, Scores | str | Path],
        by: str = "region_psnr",
        common: bool = True,
    ) -> None:
        check_metric(by)
        if isinstance(entries, Scores | str | Path):  # one alone
            entries = [entries]
        named = (
            list(entries.items()) if isinstance(entries, Mapping) else [(None, entry) for entry in entries]
        )
        if not named:
            raise ValueError("a leaderboard needs at least one editor's scores")
        self.scores: dict[str, Scores] = {}
        for name, entry in named:
            if not isinstance(entry, Scores) and not Path(entry).is_file():
                raise FileNotFoundError(
                    f"there is no file {entry}: give scores, or a file that `fedit evaluate NAME --json FILE` wrote"
                )
            scores = entry if isinstance(entry, Scores) else Scores.from_json(entry)
            name = scores.name if name is None else name
            while name in self.scores:
                name += "'"
            self.scores[name] = scores
        exams = {(s.unit, s["about"]["faces"], s["about"]["seed"]) for s in self.scores.values()}
        if len(exams) > 1:
            raise ValueError(
                "these editors were examined on different people, so their scores cannot be compared: "
                + "; ".join(f"{n}: {s.crowd}, seed {s['about']['seed']}" for n, s in self.scores.items())
            )
        shared = set.intersection(*(set(s.attributes) for s in self.scores.values())) if common else set()
        first = next(iter(self.scores.values()))
        self.attributes = tuple(a for a in first.attributes if a in shared)
        self.by = by
        more_is_better = {**METRICS, **EXTRA}[by][2] is not False

        def place(name: str) -> tuple[bool, float]:
            value = self.value(name, by)
            return value is None, 0.0 if value is None else -value if more_is_better else value

        self.order = sorted(self.scores, key=place)

    def value(self, name: str, metric: str) -> float | None:
        """One editor's mean of one metric, over the board's attributes."""
        entry = self.scores[name].get(metric)
        if not isinstance(entry, dict):
            return entry
        if not self.attributes:
            return entry["mean"]
        values = [entry["per_attribute"].get(a) for a in self.attributes]
        known = [v for v in values if v is not None]
        return sum(known) / len(known) if known else None

    @property
    def columns(self) -> tuple[str, ...]:
        """The metrics that any editor has, among them the one that the board is sorted by."""
        shown = dict.fromkeys((*COLUMNS, self.by))
        return tuple(m for m in shown if any(self.value(n, m) is not None for n in self.order))

    def table(self, width: int | None = None) -> Any:
        """A row a measure and a column an editor, best first: one rich table, or as many as fit into `width`."""
        from rich.console import Group

        rows = [{**METRICS, **EXTRA}[metric][0] for metric in self.columns]
        columns = {name: [show(m, self.value(name, m)) for m in self.columns] for name in self.order}
        tables = pack("measure", rows, columns, 10_000 if width is None else width)
        for table in tables:
            table.title = f"Leaderboard by {self.by}"
        tables[-1].caption = as_it_is(self.note, "table.caption")
        return tables[0] if width is None else Group(*tables)

    @property
    def note(self) -> str:
        """What the numbers are means of."""
        first = next(iter(self.scores.values()))
        about = first["about"]
        over = (
            "means over each editor's own attributes"
            if not self.attributes
            else f"of {self.attributes[0]}, the one attribute that all share"
            if len(self.attributes) == 1
            else f"means over {len(self.attributes)} attributes that all share"
        )
        # The Fréchet distance is of all of an editor's answers at once: no part of it belongs to what is shared.
        more = any(set(s.attributes) != set(self.attributes) for s in self.scores.values())
        apart = self.attributes and more and "fid" in self.columns
        fid = "FID over each editor's own attributes,\n" if apart else ""  # two lines fit a terminal
        return f"{first.crowd}, seed {about['seed']}; {fid}{over}"

    def to_dict(self) -> dict[str, Any]:
        """{"by", "attributes", "editors": [{"name", metric: number or None, ...}, best first]}."""
        metrics = (*METRICS, "accuracy_b", "training_seconds", self.by)
        rows = [{"name": n, **{m: self.value(n, m) for m in metrics}} for n in self.order]
        return {"by": self.by, "attributes": list(self.attributes), "editors": rows}

    def to_json(self, path: str | Path | None = None) -> str:
        """`to_dict` as text, also written to `path` if given (whole or not at all)."""
        text = json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"
        if path is not None:
            atomic_write(path, text)
        return text

    def plot(
        self, path: str | Path | None = None, metrics: Iterable[str] | None = None, width: float = 9.0
    ) -> Figure:
        """Bars, a panel a metric and a bar an editor; also written to `path` (PNG, SVG, PDF by its suffix) if given.

        Raises:
            KeyError: if a metric is unknown.
            ValueError: if nothing can be drawn to a file of that suffix.
        """
        if path is not None:
            check_plot(path)
        from matplotlib.figure import Figure  # no pyplot: nobody has to close this figure

        default = ("accuracy", "preservation", "region_psnr", "leakage", "reconstruction_psnr", "slider_rank")
        chosen = [
            m for m in (default if metrics is None else metrics) if metrics is not None or m in self.columns
        ]
        for metric in chosen:
            check_metric(metric)
        across = min(3, max(len(chosen), 1))
        down = -(-max(len(chosen), 1) // across)
        figure = Figure(figsize=(width, down * (0.7 + 0.28 * len(self.order))), layout="constrained")
        axes = figure.subplots(down, across, squeeze=False, sharey=True).flatten()
        for axis, metric in zip(axes, chosen, strict=False):
            heading, _, better = {**METRICS, **EXTRA}[metric]
            values = [self.value(name, metric) for name in self.order]
            # A perfect answer's 60 dB would dwarf all others: its bar goes over the edge.
            others = [v for v in values if v is not None and v < 60.0]
            edge = 1.25 * max(others) if "psnr" in metric and others else math.inf
            drawn = [min(v or 0.0, edge) for v in values]
            axis.barh(range(len(values)), drawn, color="#4c78a8", height=0.65)
            for i, (value, end) in enumerate(zip(values, drawn, strict=True)):
                cut = "" if end == (value or 0.0) else "> "
                axis.text(end, i, f" {cut}{show(metric, value)}", va="center", fontsize=8)
            if metric == "region_psnr":  # the bar to beat
                self._draw_floors(axis)
            arrow = {True: " (more is better)", False: " (less is better)", None: ""}[better]
            axis.set_title(heading + arrow, fontsize=9, loc="left")
            axis.set_yticks(range(len(values)), self.order, fontsize=8)
            axis.margins(x=0.2)
            axis.spines[["top", "right"]].set_visible(False)
            axis.tick_params(axis="x", labelsize=7)
        for axis in axes[len(chosen) :]:
            axis.set_visible(False)
        axes[0].invert_yaxis()  # shared: the best on top everywhere
        if path is not None:
            buffer = io.BytesIO()
            kind = Path(path).suffix.lstrip(".").lower() or "png"
            figure.savefig(buffer, format=kind, dpi=120)
            atomic_write(path, buffer.getvalue())
        return figure

    def _draw_floors(self, axis: Any) -> None:
        """What doing nothing scores: one line for all, or a mark on each bar where attributes or sizes differ."""
        each = [self.value(name, "region_psnr_of_doing_nothing") for name in self.order]
        floors = {place: floor for place, floor in enumerate(each) if floor is not None}
        if not floors:
            return
        look = {"color": "#e45756", "lw": 1, "ls": "--", "label": "doing nothing"}
        if max(floors.values()) - min(floors.values()) < 0.05:  # the same to the decimal that is shown
            axis.axvline(max(floors.values()), **look)
        else:
            axis.vlines(list(floors.values()), [i - 0.4 for i in floors], [i + 0.4 for i in floors], **look)
        axis.legend(fontsize=7, frameon=False, loc="lower right")

    def __repr__(self) -> str:
        return f"Leaderboard(by {self.by}: {', '.join(self.order)})"


def leaderboard(
    entries: Iterable[Scores | str | Path] | Mapping[str, Scores | str | Path],
    by: str = "region_psnr",
    common: bool = True,
) -> Leaderboard:
    """`Leaderboard` of scores or of the JSON files that hold them."""
    return Leaderboard(entries, by=by, common=common)
