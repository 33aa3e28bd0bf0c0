"""Several editors under one slider: the same people, the same question, the true answer above them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets as widgets
from PIL import Image

from fedit_lib import faces

from .base import (
    STYLE,
    Live,
    attribute_choice,
    check_editor,
    check_people,
    check_range,
    check_strength,
    strength_slider,
)
from .pictures import chosen, encode, side_by_side

__all__ = ["Comparison"]


class Comparison(Live):
    """One attribute and one strength for all: a row an editor, a column a person, see `side_by_side`.

        editors = {name: load_editor(name) for name in ("attgan", "sagan")}
        board = Comparison(editors, faces.sample(6, seed=2_000_000))
        board                          # as the last line of a cell: shows it
        board.set("Smiling", 1.0)      # what a hand does with the controls, for the next cell

    editors: as for `side_by_side`; those that lack the chosen attribute have no row. people: of the face world.
    attributes: those to choose from (default: all that any editor has, those of most editors first).
    start, stop, step: range of the slider; 0 is absent, 1 present. fallback: also put a picture into the cell's output.

    Raises ValueError without editors or people or for a range that does not fit, UnknownAttribute for an attribute that
    no editor has.
    """

    def __init__(
        self,
        editors: Mapping[str, Any],
        people: Any,
        *,
        attributes: Sequence[str] | None = None,
        start: float = 0.0,
        stop: float = 1.0,
        step: float = 0.05,
        fallback: bool = True,
    ) -> None:
        check_range(start, stop, step)
        if not isinstance(editors, Mapping):
            raise TypeError(
                f"editors must be told by name, {{'AttGAN': editor}}, not in a {type(editors).__name__}"
            )
        check_people(people)
        if not editors or not len(people):
            raise ValueError("a comparison needs at least one editor and one person")
        for editor in editors.values():
            check_editor(editor)
        self.editors, self.people = {str(name): editor for name, editor in editors.items()}, people
        every = [name for editor in self.editors.values() for name in editor.attributes]
        known = tuple(sorted(dict.fromkeys(every), key=lambda name: -every.count(name)))
        self.attributes = chosen(attributes, known)
        self._with_fallback = fallback
        self.picture: Image.Image | None = None  # what is shown now
        super().__init__(self._build(start, stop, step))
        self.add_class("fedit-panel").add_class("fedit-comparison")
        self._edit()
        self._raise()

    @property
    def attribute(self) -> str:
        """Which attribute everyone is edited in."""
        return self._attribute.value

    @property
    def strength(self) -> float:
        """Where everyone's attribute goes: 0 absent, 1 present."""
        return self.slider.value

    def set(self, attribute: str, strength: float | None = None) -> None:
        """Choose an attribute and, if given, a strength. Raises UnknownAttribute, ValueError outside the range."""
        faces.check_attributes([attribute], self.attributes)
        value = self.strength if strength is None else strength
        check_strength(attribute, value, self.slider)
        with self._hold():
            self._attribute.value, self.slider.value = attribute, value
        self._raise()

    def fallback(self, strengths: Sequence[float] = ()) -> Image.Image:
        """What is shown, for a page where no kernel runs."""
        self._raise()
        return self.picture

    def __repr__(self) -> str:
        return f"Comparison({', '.join(self.editors)}; {self.attribute}={self.strength:.2f})"

    def _build(self, start: float, stop: float, step: float) -> list[widgets.Widget]:
        layout = widgets.Layout
        self._attribute = attribute_choice(self.attributes)
        self.slider = strength_slider(start, stop, step, value=1.0)
        for control in (self._attribute, self.slider):
            control.observe(lambda _: self._moved(), "value")
        self._picture = widgets.Image(
            format="jpeg", layout=layout(max_width="100%", height="auto", margin="6px 0 0 0")
        )
        self._picture.layout.object_fit = "contain"
        self._message = widgets.HTML(layout=layout(display="none"))
        row = widgets.HBox(
            [self._attribute, self.slider], layout=layout(flex_flow="row wrap", overflow="visible")
        )
        return [widgets.HTML(STYLE), row, self._message, self._picture]

    def _edit(self) -> None:
        self._stale = False
        try:
            self.picture = side_by_side(self.editors, self.people, self.attribute, self.strength)
        except Exception as error:
            self.picture, self._picture.layout.visibility = None, "hidden"
            self._fail(error)
            return
        self._failure = None
        self._say("")
        self._picture.layout.visibility = "visible"
        self._picture.value = encode(self.picture, crisp=True)
