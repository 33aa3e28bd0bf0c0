"""What the widgets share: moves merged into one edit, words on the page, sliders by name, how a cell shows them."""

from __future__ import annotations

import base64
import contextlib
import html
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import ipywidgets as widgets
from torch import Tensor

from fedit_lib.faces import People, check_attributes

from .pictures import encode, give_way, giving_way, readable, told

MOVED = "#1976d2"  # the handle of a slider that is off where the face has it

# Colours are JupyterLab's variables, so that the panel follows a dark theme; the fallbacks serve other front ends.
STYLE = """<style>
.fedit-panel { padding: 8px 4px; color: var(--jp-ui-font-color1, #222); }
.fedit-panel .fedit-title { font-size: 15px; font-weight: 600; line-height: 22px; }
.fedit-panel .fedit-note, .fedit-panel .fedit-note .widget-html-content, .fedit-panel .fedit-note p {
  color: var(--jp-ui-font-color2, #555); font-size: 12px; line-height: 17px; margin: 0; }
.fedit-panel .fedit-caption { font-size: 13px; line-height: 20px; text-align: center; }
.fedit-panel .fedit-error { background: #fdecea; color: #8a1c12; border-left: 4px solid #c62828; font-size: 13px;
  line-height: 18px; padding: 6px 10px; }
.fedit-panel .widget-image, .fedit-panel img { border-radius: 4px; }
.fedit-panel .widget-label { white-space: nowrap; }
.fedit-panel .fedit-thumb { width: 46px; height: 46px; padding: 0; margin: 2px; border-radius: 4px;
  background-size: cover; opacity: .75; line-height: 46px; }
.fedit-panel .fedit-thumb:hover, .fedit-panel .fedit-thumb.fedit-chosen { opacity: 1; }
.fedit-panel .fedit-thumb.fedit-chosen { box-shadow: 0 0 0 3px #1976d2; }
.fedit-panel button:focus-visible, .fedit-panel .noUi-handle:focus-visible { outline: 2px solid #1976d2;
  outline-offset: 3px; }
.fedit-panel canvas:focus { outline: 2px solid #1976d2; outline-offset: 1px; }
.fedit-panel canvas { cursor: crosshair; border-radius: 4px; box-shadow: 0 0 0 1px var(--jp-border-color1, #bbb); }
</style>"""


def check_range(start: float, stop: float, step: float) -> None:
    """Raise ValueError unless a slider of this range holds absent (0) and present (1)."""
    if not (
        math.isfinite(start) and math.isfinite(stop) and start <= 0 and stop >= 1 and 0 < step < math.inf
    ):
        raise ValueError(
            f"sliders must span at least 0 to 1 with step > 0; got start={start}, stop={stop}, step={step}"
        )


def check_editor(editor: Any) -> None:
    """Raise TypeError for what cannot be asked for an edit."""
    if isinstance(editor, type):
        raise TypeError(f"the class {editor.__name__} is no editor yet: {editor.__name__}(...) makes one")
    for part in ("attributes", "edit"):
        if not hasattr(editor, part):
            raise TypeError(
                f"an editor has attributes and edit(images, labels, target), a {type(editor).__name__} has no {part}; "
                f"load_editor('attgan') makes one"
            )


def check_people(people: Any) -> None:
    """Raise TypeError for anything but people of the face world."""
    if not isinstance(people, People):
        raise TypeError(
            f"people must be those of the face world, faces.sample(8), not a {type(people).__name__}"
        )


def check_strength(name: str, value: float, slider: widgets.FloatSlider) -> None:
    """Raise ValueError unless the slider of this name reaches the value."""
    try:
        value = float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is set to a number, 0 absent to 1 present; got {value!r}") from error
    if not slider.min <= value <= slider.max:
        raise ValueError(f"{name} can be set from {slider.min:g} to {slider.max:g}; got {value:g}")


def check_face(index: Any, count: int) -> int:
    """A face's number, from 0, of whatever integer type. Raises ValueError for a face that is not there."""
    try:
        number = operator.index(index)
    except TypeError:
        number = -1
    if not 0 <= number < count:
        raise ValueError(f"there is no face {index}; choose one from 0 to {count - 1}")
    return number


def attribute_choice(names: Sequence[str]) -> widgets.Dropdown:
    """Which attribute a single strength slider is for."""
    return widgets.Dropdown(
        options=[(readable(name), name) for name in names], description="Attribute",
        style={"description_width": "64px"}, layout=widgets.Layout(width="270px"),
    )  # fmt: skip


def strength_slider(start: float, stop: float, step: float, value: float = 0.0) -> widgets.FloatSlider:
    """How strong the chosen attribute is asked for: 0 absent, 1 present."""
    return widgets.FloatSlider(
        value=value, min=start, max=stop, step=step, description="Strength", readout_format=".2f",
        style={"description_width": "64px"}, layout=widgets.Layout(flex="1 1 260px", max_width="420px"),
    )  # fmt: skip


class Live(widgets.VBox):
    """A widget that asks an editor whenever something moves.

    What a move drags along (rivals, a new face) is merged: many moves inside `_hold`, one `_edit` after it. A widget
    has `_edit`, which hands what went wrong to `_fail`; `fallback(strengths)`; and `_message`.
    """

    _held, _stale = 0, False
    _failure: Exception | None = None
    _with_fallback = True

    def _moved(self) -> None:
        with self._hold():
            self._stale = True

    @contextlib.contextmanager
    def _hold(self) -> Iterator[None]:
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            if self._stale and not self._held:
                self._edit()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """The live widget; a short text (a VBox would print the bytes of its pictures); a picture for dead pages."""
        bundle: dict[str, Any] = {"text/plain": repr(self)}
        if self._with_fallback and self._failure is None:
            try:
                picture = encode(self.fallback((0, 0.5, 1)), 75, crisp=False)
                bundle["image/jpeg"] = base64.b64encode(picture).decode()
            except Exception as error:  # the editor may fail at another strength than the present one
                self._say(f"No picture for pages without a kernel: {told(error)}")
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        bundle["application/vnd.jupyter.widget-view+json"] = view
        return bundle

    def _quietly(self, action: Callable[..., None], *arguments: Any) -> None:
        """Run what a click asks for; a mistake is told on the page."""
        try:
            action(*arguments)
        except Exception as error:
            if error is not self._failure:
                self._say(str(error))

    def _fail(self, error: Exception) -> None:
        """Whatever a learner's own editor raises belongs on the page, not in a log."""
        self._failure = error
        self._say(told(error))

    def _say(self, text: str) -> None:
        self._message.value = (
            f"<div class='fedit-error' role='alert'>{html.escape(text)}</div>" if text else ""
        )
        self._message.layout.display = None if text else "none"

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure


class WithSliders(Live):
    """A slider for every one of `attributes`. A widget has `_moved(name, strength)`, called when one moves."""

    def __getitem__(self, attribute: str) -> widgets.FloatSlider:
        """The slider of an attribute: `panel["Smiling"].value = 1.0`. UnknownAttribute for one it does not have."""
        check_attributes([attribute], self.attributes)
        return self._sliders[attribute]

    def __iter__(self) -> Iterator[str]:
        return iter(self.attributes)

    def set(self, attribute: str | None = None, strength: float | None = None, **strengths: float) -> None:
        """Move sliders: `panel.set("Smiling", 1.0)` or `panel.set(Smiling=1.0, Bangs=0.0)`.

        Raises UnknownAttribute, and ValueError outside the slider's range; then nothing moves. An error of the
        editor is raised here (and shown in the panel).
        """
        if attribute is not None:
            if strength is None:
                raise ValueError(f"say how strong: panel.set({attribute!r}, 1.0)")
            strengths = {attribute: strength, **strengths}
        elif strength is not None:
            raise ValueError("say which attribute: panel.set('Smiling', 1.0)")
        for name, value in strengths.items():
            check_strength(name, value, self[name])
        with self._hold():
            self._take(strengths)
        self._raise()

    def _take(self, strengths: dict[str, float]) -> None:
        for name, value in strengths.items():
            self._sliders[name].value = value

    def _make_sliders(self, start: float, stop: float, step: float) -> widgets.GridBox:
        layout = widgets.Layout
        self._sliders = {
            name: widgets.FloatSlider(
                min=start, max=stop, step=step, description=readable(name), readout_format=".2f",
                style={"description_width": "140px"}, layout=layout(width="auto", margin="1px 4px"),
            )
            for name in self.attributes
        }  # fmt: skip
        for name, slider in self._sliders.items():
            slider.observe(lambda change, name=name: self._moved(name, change["new"]), "value")
        return widgets.GridBox(
            list(self._sliders.values()),
            layout=layout(grid_template_columns="repeat(auto-fill, minmax(300px, 1fr))", width="100%"),
        )

    def _give_way(self, name: str, strength: float) -> None:
        """Move the sliders of what cannot be there beside `name`."""
        for other, most in giving_way(name, strength, self.attributes).items():
            slider = self._sliders[other]
            slider.value = min(slider.value, most)

    def _rest_gives_way(self, target: Tensor, moved: Iterable[str]) -> None:
        """Take from a target, in place, what has no slider and cannot be there beside what was moved."""
        for name in moved:
            give_way(target, self.editor.attributes, name, self._sliders[name].value, but=self._sliders)

    def _colour(self, name: str, moved: bool) -> None:
        slider, colour = self._sliders[name], MOVED if moved else None
        if slider.style.handle_color != colour:
            slider.style.handle_color = colour

    def _short(self, moved: list[str]) -> list[str]:
        """Up to three sliders that are moved, or the first, for a text: ["Smiling=1.00", "..."]."""
        told = moved[:3] or list(self.attributes[:1])
        parts = [f"{name}={self._sliders[name].value:.2f}" for name in told]
        return parts + ["..."] * (len(told) < len(self.attributes))
