"""The papers, one module each, and `load_editor` for their trained weights.

Every paper's module has: TITLE, CITATION, ATTRIBUTES; PROFILES ("smoke", "laptop", "paper");
build(profile, attributes=None, **overrides) -> Game; editor(networks, receipt, device) -> Editor.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from fedit_lib.papers import aggan, attgan, fader, icgan, s2fgan, sagan
from fedit_lib.papers.editor import Editor, pick_device
from fedit_lib.training.weights import WeightsError, load_weights, receipt_path

PAPERS: dict[str, ModuleType] = {
    "icgan": icgan,
    "fader": fader,
    "attgan": attgan,
    "sagan": sagan,
    "aggan": aggan,
    "s2fgan": s2fgan,
}
WEIGHTS = Path(__file__).parent.parent / "weights"
# What `load_editor` knows: every paper, and by "paper-variant" the further versions of one that has several.
EDITORS = tuple(
    name if variant is None else f"{name}-{variant}"
    for name, module in PAPERS.items()
    for variant in (None, *list(getattr(module, "VARIANTS", ()))[1:])
)


class UnknownPaper(KeyError, ValueError):
    """A paper's name that the library does not know."""

    def __str__(self) -> str:  # KeyError would show the message in quotes
        return str(self.args[0])


def paper(name: str) -> ModuleType:
    """The module of a paper by its name, as in `PAPERS`. Raises UnknownPaper, which lists the known."""
    if name not in PAPERS:
        close = get_close_matches(str(name).lower(), PAPERS, 1, 0.5)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise UnknownPaper(f"unknown paper {name!r}{hint}; known: {', '.join(PAPERS)}")
    return PAPERS[name]


def load_editor(name: str, device: str | torch.device = "auto", path: str | Path | None = None) -> Editor:
    """A trained editor: the weights that ship with the library, or those in the file `path`.

    name: of the paper, or of a version of it as in `EDITORS` ("s2fgan-dec"). device: "auto" takes the best there is.
    Its `.receipt` says where the weights come from.
    Raises UnknownPaper; WeightsError for a file that is missing, damaged, changed, or of another paper.
    """
    asked, (name, _, variant) = name, name.partition("-") if name in EDITORS else (name, "", "")
    module = paper(name)
    if path is None:
        path = WEIGHTS / f"{asked}.safetensors"
        states, receipt = load_weights(path)
    else:  # one's own weights may be of any size
        path = Path(path)
        states, receipt = load_weights(path, limit_mb=None)
    _check_receipt(receipt_path(path), receipt)
    found = receipt.get("paper")
    if found != name:
        fix = (
            f"load_editor({found!r}, path=...)"
            if found in PAPERS
            else "weights that `fedit export` made from its run"
        )
        raise WeightsError(f"{path.name} holds weights of {found!r}, not of {name!r}: use {fix}")
    if variant and (receipt.get("config") or {}).get("variant") != variant:
        raise WeightsError(
            f"{path.name} holds another version of {module.TITLE} than {variant!r}: use weights of {asked}"
        )
    place = pick_device(device)
    try:
        return module.editor(states, receipt, device=place)
    except (torch.OutOfMemoryError, MemoryError):  # that no other file would mend
        raise
    except Exception as error:  # whatever numbers somebody has put into a receipt
        # torch lists every parameter that does not fit; the first will do
        reason = " ".join(str(error).split("\n")[:2])
        if isinstance(error, KeyError):
            reason = f"{reason} is missing"
        elif not isinstance(error, TypeError | ValueError | RuntimeError):
            reason = f"{type(error).__name__}: {reason}"
        raise WeightsError(
            f"{path.name} does not fit {module.TITLE} as its receipt describes it ({reason}): "
            f"export it again with `fedit export`"
        ) from error


def _check_receipt(place: Path, receipt: Mapping[str, Any]) -> None:
    """Raise WeightsError, with the receipt's file, for a part of it that no `fedit export` writes."""
    runs = receipt.get("runs")
    wrong = None
    if not isinstance(receipt.get("paper"), str | None):
        wrong = f"its 'paper' is {receipt['paper']!r}, no name"
    elif not isinstance(receipt.get("config"), dict | None):
        wrong = f"its 'config' is a {type(receipt['config']).__name__}, not names and values"
    elif "runs" in receipt and not (isinstance(runs, dict) and runs):
        wrong = f"its 'runs' are {runs!r}, not one run an attribute"
    elif runs and not all(
        isinstance(run, dict) and isinstance(run.get("config"), dict) for run in runs.values()
    ):
        wrong = "one of its 'runs' has no 'config'"
    if wrong:
        raise WeightsError(
            f"{place} is not a receipt as `fedit export` writes it ({wrong}): export it again with `fedit export`"
        )


__all__ = ["EDITORS", "PAPERS", "Editor", "UnknownPaper", "load_editor", "paper"]
