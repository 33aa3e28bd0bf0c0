"""What an evaluation found: a dictionary with the names of the design, that can show and save itself."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..data.files import atomic_write

# Name -> (heading, decimals, whether more is better; None where neither is)
METRICS: dict[str, tuple[str, int, bool | None]] = {
    "accuracy": ("accuracy", 3, True),
    "preservation": ("preservation", 3, True),
    "counterfactual_psnr": ("PSNR, dB", 1, True),
    "counterfactual_ssim": ("SSIM", 3, True),
    "region_psnr": ("region PSNR, dB", 1, True),
    "region_psnr_of_doing_nothing": ("of doing nothing", 1, None),
    "leakage": ("leakage, grey levels", 2, False),
    "reconstruction_psnr": ("reconstruction, dB", 1, True),
    "reconstruction_ssim": ("reconstruction SSIM", 3, True),
    "slider_rank": ("slider rank", 2, True),
    "slider_reach": ("slider reach", 2, None),
    "mask_ap": ("mask AP", 2, True),
    "mask_iou": ("mask IoU", 2, True),
    "fid": ("FID", 1, False),
    "parameters": ("parameters", 0, False),
    "ms_per_edit": ("ms an edit", 1, False),
}
# Beside the design's: the second oracle, Inception's FID where its weights are at hand, what a fresh probe reads from
# the code (0.5 is chance) where the editor shows one, how often the oracle sees in invented people what was asked for
# where the editor can sample, the receipt's training time.
EXTRA: dict[str, tuple[str, int, bool | None]] = {
    "accuracy_b": ("accuracy, 2nd oracle", 3, True),
    "fid_inception": ("FID (Inception)", 1, False),
    "latent_probe": ("probe on the code", 3, False),
    "sample_accuracy": ("samples as asked", 3, True),
    "training_seconds": ("training, s", 0, False),
}
# Photographs that an FID needs: the spread of the oracle's 128 features is not to be had from fewer. Of drawn people it
# is given all the same, since an exam that all editors share compares them even if it is small.
FID_FROM = 100


class Scores(dict):
    """`scores["accuracy"]` is `{"mean": ..., "per_attribute": {...}}`, `scores["fid"]` a number, or None.

    Further keys: "accuracy_b", "fid_inception", "latent_probe", "sample_accuracy", "training_seconds", "tone" (metric
    -> dark, middle, light; None for photographs) and "about" (editor, attributes, source and set of the pictures, how
    many, seed, size, the oracles' own accuracy, seconds).
    """

    def mean(self, metric: str) -> float | None:
        """One number for a metric; None if this editor cannot have it. Raises KeyError for an unknown metric."""
        if metric not in METRICS and metric not in EXTRA:
            raise KeyError(f"no metric {metric!r}; there are {', '.join((*METRICS, *EXTRA))}")
        value = self.get(metric)
        return value["mean"] if isinstance(value, dict) else value

    @property
    def name(self) -> str:
        """Of the editor."""
        return self["about"]["editor"]

    @property
    def unit(self) -> str:
        """What was looked at: "held-out people", or photographs of some set."""
        about = self["about"]
        drawn = about.get("source", "procedural") == "procedural"
        return "held-out people" if drawn else f"photographs of {about['set']}"

    @property
    def crowd(self) -> str:
        """How many of what were looked at: "1000 held-out people", "1 photograph of celeba-test"."""
        n, unit = self["about"]["faces"], self.unit
        if n == 1:
            unit = "held-out person" if unit == "held-out people" else unit.replace("graphs", "graph", 1)
        return f"{n} {unit}"

    @property
    def attributes(self) -> tuple[str, ...]:
        """That were flipped."""
        return tuple(self["about"]["attributes"])

    def beats_nothing(self) -> list[str]:
        """The attributes whose edit comes closer to the truth, inside the region, than the unedited face.

        None of photographs', which have no truth to come closer to.
        """
        edited, nothing = (
            (self[key] or {"per_attribute": {}})["per_attribute"]
            for key in ("region_psnr", "region_psnr_of_doing_nothing")
        )
        return [
            a for a in edited if edited[a] is not None and nothing[a] is not None and edited[a] > nothing[a]
        ]

    def to_json(self, path: str | Path | None = None) -> str:
        """As JSON text, also written to `path` if given (whole or not at all)."""
        text = json.dumps(self, indent=2, allow_nan=False) + "\n"
        if path is not None:
            atomic_write(path, text)
        return text

    @classmethod
    def from_json(cls, source: str | Path) -> Scores:
        """From a file that `to_json` wrote.

        Raises:
            ValueError: if the file is no JSON, or no scores, or a score is no finite number.
        """
        path = Path(source)

        def refuse(constant: str) -> None:
            raise ValueError(f"{path} is damaged: it holds {constant} where a number belongs")

        try:
            data = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(
                f"{path} is not JSON ({error}); write it with `fedit evaluate NAME --json FILE`"
            ) from None
        missing = [key for key in (*METRICS, "about") if not isinstance(data, dict) or key not in data]
        if missing:
            raise ValueError(f"{path} holds no scores: it lacks {', '.join(missing[:4])}")
        about = data["about"] if isinstance(data["about"], dict) else {}
        if lost := [key for key in ("editor", "attributes", "faces", "seed", "size") if key not in about]:
            raise ValueError(f"{path} holds no scores: its 'about' lacks {', '.join(lost)}")
        for metric in (*METRICS, *EXTRA):
            value = data.get(metric)
            means = (
                isinstance(value, dict) and "mean" in value and isinstance(value.get("per_attribute"), dict)
            )
            numbers = [value["mean"], *value["per_attribute"].values()] if means else [value]
            if not all(map(_is_number, numbers)):
                raise ValueError(
                    f"{path} is damaged: its {metric!r} is neither a number nor means of numbers"
                )
        return cls(data)

    def table(self, per_attribute: bool = True) -> Any:
        """Rich tables: one row a metric of the whole, then (if wanted) one row an attribute, in 80 columns."""
        from rich.console import Group

        about = self["about"]
        title = f"{self.name}: {self.crowd}, seed {about['seed']}, {about['size']} px"
        whole = lean_table(title=as_it_is(title, "table.title"), min_width=len(title))
        if self["fid"] is None and about.get("source", "procedural") != "procedural":
            whole.caption = f"FID: from {FID_FROM} photographs on; of fewer it says nothing"
        whole.add_column("metric")
        whole.add_column("mean", justify="right")
        for metric in (*METRICS, *EXTRA):
            if metric in METRICS or self.get(metric) is not None:
                whole.add_row(metric, show(metric, self.mean(metric)))
        if not per_attribute:
            return whole
        columns = [
            m for m in (*METRICS, *EXTRA) if isinstance(self.get(m), dict) and self[m]["per_attribute"]
        ]
        texts = {
            m.replace("_", " "): [show(m, self[m]["per_attribute"].get(name)) for name in self.attributes]
            for m in columns
        }
        return Group(whole, *pack("attribute", self.attributes, texts))

    def __repr__(self) -> str:
        parts = [
            f"{m}={show(m, self.mean(m))}"
            for m in ("accuracy", "preservation", "region_psnr", "reconstruction_psnr")
        ]
        return f"Scores({self.name}, {', '.join(parts)})"


def _is_number(value: Any) -> bool:
    """Whether it is a finite number, or None."""
    real = isinstance(value, int | float) and not isinstance(value, bool)
    return value is None or (real and abs(value) < math.inf)


def lean_table(**settings: Any) -> Any:
    """An empty rich table without rules between its columns: a board of seven editors fits 80 characters."""
    from rich import box
    from rich.table import Table

    return Table(
        title_justify="left", caption_justify="left", box=box.SIMPLE_HEAD, collapse_padding=True, **settings
    )


def pack(
    corner: str, rows: Sequence[str], columns: Mapping[str, Sequence[str]], width: int = 80
) -> list[Any]:
    """Columns (heading -> a text a row) as rich tables, each with the rows' names and none wider than `width`."""
    groups: list[list[str]] = []
    room = 0
    for heading, texts in columns.items():
        needs = max(map(len, (*heading.split(), *texts))) + 2
        if not groups or needs > room:
            groups.append([])
            room = width - max(map(len, (corner, *rows))) - 4
        groups[-1].append(heading)
        room -= needs
    tables = []
    for group in groups:
        tables.append(lean_table())
        tables[-1].add_column(corner, no_wrap=True)
        for heading in group:  # a word a line: rich would rather cut short than break
            tables[-1].add_column(as_it_is("\n".join(heading.split())), justify="right")
        for row in zip(rows, *(columns[heading] for heading in group), strict=True):
            tables[-1].add_row(*map(as_it_is, row))
    return tables


def as_it_is(text: str, style: str = "") -> Any:
    """For rich, which would take the brackets and colons of somebody's names for its own markup."""
    from rich.text import Text

    return Text(text, style)


def show(metric: str, value: float | None) -> str:
    """A value with the decimals of its metric, parameters in millions; a dash for None."""
    if value is None:
        return "-"
    if metric == "parameters":
        return f"{value / 1e6:.2f} M"
    decimals = {**METRICS, **EXTRA}[metric][1]
    return f"{round(value, decimals) + 0.0:,.{decimals}f}"  # + 0.0: no "-0.0"
