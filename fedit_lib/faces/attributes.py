"""The attributes of the face world: their names, which exclude and which hide each other."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from torch import Tensor

# CelebA's spelling, so that code moves to photographs unchanged.
ATTRIBUTES: tuple[str, ...] = (
    "Bald",
    "Bangs",
    "Black_Hair",
    "Blond_Hair",
    "Brown_Hair",
    "Gray_Hair",
    "Bushy_Eyebrows",
    "Eyeglasses",
    "Heavy_Makeup",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "No_Beard",
    "Pale_Skin",
    "Receding_Hairline",
    "Smiling",
    "Straight_Hair",
    "Wavy_Hair",
    "Wearing_Hat",
    "Young",
    "Narrow_Eyes",
    "Big_Lips",
    "Big_Nose",
    "Chubby",
)
INDEX = {name: i for i, name in enumerate(ATTRIBUTES)}

HAIR_COLOURS = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair")
EXCLUSIVE_GROUPS: tuple[tuple[str, ...], ...] = (
    HAIR_COLOURS,
    ("Straight_Hair", "Wavy_Hair"),
    ("Bangs", "Receding_Hairline"),
)

# What cannot be seen is labelled absent: HIDDEN_BY["Wavy_Hair"] == ("Bald",).
HIDDEN_BY: dict[str, tuple[str, ...]] = {
    "Bald": ("Wearing_Hat",),
    "Bangs": ("Bald", "Wearing_Hat"),
    "Receding_Hairline": ("Bald", "Wearing_Hat"),
    "Straight_Hair": ("Bald",),
    "Wavy_Hair": ("Bald",),
    **{colour: ("Bald",) for colour in HAIR_COLOURS},
}

# Things that are there or not (a ghost of glasses is no glasses): sampled at exactly "absent".
OBJECTS = (
    "Bald",
    "Bangs",
    "Eyeglasses",
    "Mustache",
    "No_Beard",
    "Wearing_Hat",
    "Receding_Hairline",
) + HAIR_COLOURS

# The strength at which an attribute edited to a label of 0 or 1 is drawn: the middle of what is sampled.
TYPICAL = {0: 0.1, 1: 0.9}


class UnknownAttribute(KeyError, ValueError):
    """An attribute name that the face world (or a model) does not know; the message lists the known ones."""

    def __str__(self) -> str:  # KeyError would print the message in quotes, with escapes
        return str(self.args[0])


def check_attributes(names: Sequence[str], known: Sequence[str] = ATTRIBUTES) -> tuple[str, ...]:
    """Return `names` as a tuple, or raise `UnknownAttribute` naming the first bad one and the known ones."""
    if isinstance(names, str):
        names = (names,)
    names = tuple(names)
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise UnknownAttribute(f"unknown attribute {name!r}.{hint} Known: {', '.join(known)}")
    if len(set(names)) != len(names):
        raise ValueError(f"an attribute is named twice in {list(names)}")
    return names


def rivals(name: str) -> tuple[str, ...]:
    """The attributes that cannot be present together with `name`."""
    return tuple(other for group in EXCLUSIVE_GROUPS if name in group for other in group if other != name)


def without_hidden(labels: Tensor, target: Tensor, attributes: Sequence[str]) -> Tensor:
    """What an editor is to be asked: target (B, n), with what a newly added thing hides set to absent.

    A bald head has no hair colour in the labels that a model learned from, so none is asked of it here. The true
    answer is drawn from the target as it stands: what is hidden cannot be seen, but its colour returns.
    """
    names, target = list(attributes), target.clone()
    for hidden, hiders in HIDDEN_BY.items():
        if hidden not in names:
            continue
        for hider in filter(names.__contains__, hiders):
            column = names.index(hider)
            added = (target[:, column] > 0.5) & (labels[:, column] <= 0.5)
            target[added, names.index(hidden)] = 0.0
    return target
