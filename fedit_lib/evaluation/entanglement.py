"""What else an edit changes: every attribute that the oracle reads, against what the true edit changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import faces
from ..papers.editor import device_of, size_of
from .oracle import Oracle, load_oracle
from .protocol import check_answer

CHUNK = 125  # pictures edited at a time


class SideEffects(NamedTuple):
    """One row an edited attribute, one column an attribute that the oracle reads; changes of strength in [-1, 1].

    change: what the edits did, positive towards "present" where the edited attribute was put on, and the other way
    round where it was taken away. truth: what the true edits do (hair on a bald head brings its colour along).
    """

    edited: tuple[str, ...]
    seen: tuple[str, ...]
    change: Tensor
    truth: Tensor

    @property
    def excess(self) -> Tensor:
        """change - truth, (edited, seen): what an edit did that it should not, or did not do that it should."""
        return self.change - self.truth

    def of(self, edited: str, seen: str) -> float:
        """One entry of `excess`. Raises KeyError for a name that the table does not have."""
        for name, known in ((edited, self.edited), (seen, self.seen)):
            if name not in known:
                raise KeyError(f"no {name!r} in this table; it has {', '.join(known)}")
        return float(self.excess[self.edited.index(edited), self.seen.index(seen)])

    def mean(self) -> float:
        """Mean |excess| over what was not asked for: 0 for a disentangled editor. NaN for a table of one attribute."""
        others = torch.tensor([[e != s for s in self.seen] for e in self.edited])
        return float(self.excess[others].abs().mean())

    def worst(self, count: int = 3) -> list[tuple[str, str, float]]:
        """The largest side effects: (edited, seen, excess), largest first."""
        found = [(e, s, self.of(e, s)) for e in self.edited for s in self.seen if e != s]
        return sorted(found, key=lambda entry: -abs(entry[2]))[:count]


def side_effects(
    editor: Any,
    people: faces.People,
    attributes: Sequence[str] | None = None,
    seen: Sequence[str] | None = None,
    oracle: Oracle | None = None,
) -> SideEffects:
    """Flip each attribute of everyone, and let the oracle measure the strengths of all it knows.

    The change is taken from the editor's own reconstruction, so that what it loses on every face (a hat, sharpness)
    does not count as an effect of the edit.

    Args:
        editor: with `attributes`, `edit` and `reconstruct`, as for `evaluate`.
        people: of the face world; sampled with ``correlated=True`` they show what the data's habits hide.
        attributes: which to flip (default: all that the editor has). seen: which to read (default: all the oracle's).
        oracle: the judge; by default the one that ships.

    Raises:
        ValueError: no people, or an editor that answers with another shape, range or type.
        faces.UnknownAttribute: a name that the editor, or the oracle, does not have.
    """
    if not len(people):
        raise ValueError("side effects of no people: give at least one")
    oracle = load_oracle("a") if oracle is None else oracle
    names = tuple(editor.attributes)
    asked = tuple(names if attributes is None else attributes)
    faces.check_attributes(asked, names)
    seen = tuple(oracle.attributes if seen is None else seen)
    oracle.columns(seen)
    size, device = size_of(editor), device_of(editor)
    labels = people.labels(names)

    def read(pictures: Tensor) -> Tensor:
        return oracle.strengths(pictures, seen).cpu()

    def redrawn(images: Tensor, own: Tensor, goal: Tensor | None) -> Tensor:
        given = images.clone(), own.clone()  # an editor may work in place
        answer = editor.reconstruct(*given) if goal is None else editor.edit(*given, goal)
        return read(check_answer(answer, images, type(editor).__name__))

    change, truth = torch.zeros(len(asked), len(seen)), torch.zeros(len(asked), len(seen))
    for i in range(0, len(people), CHUNK):
        part, own = people[i : i + CHUNK], labels[i : i + CHUNK].to(device)
        images = faces.render(part, size=size).to(device)
        with torch.no_grad():
            before, again = read(images), redrawn(images, own, None)
            for row, name in enumerate(asked):
                wanted = 1 - part.labels([name])[:, 0]
                true = part.with_attribute(
                    name, torch.where(wanted > 0.5, faces.TYPICAL[1], faces.TYPICAL[0])
                )
                sign = (2 * wanted - 1).cpu()[:, None]
                after = redrawn(images, own, true.labels(names).to(device))
                change[row] += (sign * (after - again)).sum(0)
                truth[row] += (sign * (read(faces.render(true, size=size)) - before)).sum(0)
    return SideEffects(asked, seen, change / len(people), truth / len(people))
