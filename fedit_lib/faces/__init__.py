"""The face world: people described, drawn, edited exactly.

people = faces.sample(1000, seed=7)
images = faces.render(people, size=64)              # float (1000, 3, 64, 64) in [-1, 1]
glasses = people.with_attribute("Eyeglasses", 1.0)  # the same people, with glasses
"""

from .attributes import (
    ATTRIBUTES,
    EXCLUSIVE_GROUPS,
    HAIR_COLOURS,
    HIDDEN_BY,
    TYPICAL,
    UnknownAttribute,
    check_attributes,
    rivals,
    without_hidden,
)
from .people import IDENTITY, SCENE, SEEDS, TRAITS, People, sample, split_of
from .pictures import SKILLS, region, render, render_uint8, show, sketch, to_float, to_uint8

__all__ = [
    "ATTRIBUTES",
    "EXCLUSIVE_GROUPS",
    "HAIR_COLOURS",
    "HIDDEN_BY",
    "IDENTITY",
    "SCENE",
    "SEEDS",
    "SKILLS",
    "TRAITS",
    "TYPICAL",
    "People",
    "UnknownAttribute",
    "check_attributes",
    "region",
    "render",
    "render_uint8",
    "rivals",
    "sample",
    "show",
    "sketch",
    "split_of",
    "to_float",
    "to_uint8",
    "without_hidden",
]
