"""The sketch pad: a page to draw a face on, the face that a model makes of it, and a slider for every attribute.

Strokes are kept as lines, not as pixels of the browser: so they can be undone, drawn again at any size, and made by a
later cell as well as by a hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch
from ipycanvas import Canvas, hold_canvas
from PIL import Image, ImageDraw
from torch import Tensor

from fedit_lib import faces
from fedit_lib.data import check_images

from .base import STYLE, WithSliders, check_range
from .pictures import (
    FRAME,
    STRENGTHS,
    ask,
    asked,
    attribute_index,
    beside,
    chosen,
    encode,
    ladder,
    name_of,
    readable,
    table,
    to_pil,
    truths,
)

__all__ = ["SketchPad", "sketch_sheet"]

TOOLS = ("pen", "eraser")
ERASER = 0.07  # of the page
INK = {"pen": "black", "eraser": "white"}
NEAR = 0.004  # of the page: points nearer to the last one add nothing to a line
FIRST_SEED = 2_000_100  # of the faces that "A face" offers: no training has seen them
WAIT = 0.03  # seconds of ink between two faces while the pen moves

Point = tuple[float, float]


@dataclass(frozen=True)
class _Stroke:
    """points: (x, y) in [0, 1] of the page, from its upper left corner."""

    points: tuple[Point, ...]
    tool: str = "pen"


@dataclass(frozen=True)
class _Drawing:
    """A page: what it started from, and the strokes since. Undo goes back to the one before.

    let_go: of a new start, the moved sliders that it let go, and where they stood.
    """

    person: faces.People | None = None
    skill: str = "clean"
    strokes: tuple[_Stroke, ...] = ()
    let_go: dict[str, float] | None = field(default=None, compare=False)
    paper: dict[int, Tensor] = field(default_factory=dict, compare=False)  # the start, by size; drawn once

    def with_stroke(self, stroke: _Stroke) -> _Drawing:
        return replace(self, strokes=(*self.strokes, stroke), let_go=None)

    def raster(self, size: int, more: _Stroke | None = None) -> Tensor:
        """The page with one stroke `more`: float (1, 1, size, size) in [-1, 1], paper 1, ink -1."""
        if size not in self.paper:
            blank = torch.ones(1, 1, size, size)
            drawn = blank if self.person is None else faces.sketch(self.person, size, self.skill).cpu()
            self.paper[size] = drawn
        page = self.paper[size].clone()
        strokes = self.strokes if more is None else (*self.strokes, more)
        for tool, group in groupby(strokes, key=lambda stroke: stroke.tool):
            colour = torch.tensor(-1.0 if tool == "pen" else 1.0)
            page = torch.lerp(page, colour, _covered([s.points for s in group], _width(tool, size), size))
        return page


class SketchPad(WithSliders):
    """A page to draw on, the face that a model paints from it, and a slider for every attribute.

        pad = SketchPad(editor, person=faces.sample(1, seed=2_000_000))
        pad                                                # as the last line of a cell: shows it
        pad.draw([(0.35, 0.7), (0.5, 0.78), (0.65, 0.7)])  # what a hand does with the mouse, for the next cell
        pad.set("Smiling", 1.0)                            # and with a slider
        pad.face, pad.sketch                               # (3, S, S) and (1, 1, S, S), in [-1, 1]

    editor: with `attributes`, `size`, `code_of_sketch`, `reading`, `intensities_for` and `draw`, as S2FGAN's has. The
    code of the sketch is kept: a slider asks for the last two alone.
    person: People (1) of the face world to start from, drawn with `skill`: "clean", "wobbly" or "poor". None: a blank
    page. attributes: those that get a slider (default: all). start, stop, step: range of the sliders; 0 is absent, 1
    present. width: of page and face on the page, in CSS pixels. smooth: enlarge the face bicubic, or else show the
    pixels as they are. fallback: also put a picture into the cell's output, for pages where no kernel runs.

    A slider stands where the model reads the sketch, and follows the drawing, until it is moved: then it stays, and the
    face is asked for that strength. Raises TypeError or ValueError for an editor that takes no sketches, for anything
    but one person, for an unknown skill or a range that does not fit; UnknownAttribute for an unknown attribute.
    """

    def __init__(
        self,
        editor: Any,
        person: faces.People | None = None,
        skill: str = "clean",
        *,
        attributes: Sequence[str] | None = None,
        start: float = -0.5,
        stop: float = 1.5,
        step: float = 0.05,
        width: int = 288,
        smooth: bool = True,
        fallback: bool = True,
    ) -> None:
        check_range(start, stop, step)
        _check_editor(editor)
        _check_person(person)
        _check_skill(skill)
        self.editor, self.name = editor, name_of(editor)
        self.attributes = chosen(attributes, editor.attributes)
        self._columns = {name: attribute_index(editor.attributes, name) for name in self.attributes}
        self._width, self._smooth, self._with_fallback = width, smooth, fallback
        self._history = [_Drawing(person, skill)]
        self._stroke: _Stroke | None = None  # under the pen just now
        self._touched: set[str] = set()
        self._following = False  # the pad itself moves the sliders
        self._stands = dict.fromkeys(self.attributes, math.nan)  # where it moved them to
        self._redrawn = True  # since the code was made
        self._due: asyncio.TimerHandle | None = None
        self._next_seed = FIRST_SEED
        self._milliseconds = {"read": 0.0, "paint": 0.0}
        self.draws = 0  # how many faces were painted; quick moves of the pen are merged, so fewer than events
        super().__init__(self._build(start, stop, step))
        self.add_class("fedit-panel").add_class("fedit-sketchpad")
        self._canvas.on_client_ready(self._show_page)  # a reloaded page knows no ink
        self._show_page()
        self._edit()
        self._raise()

    # ---- what a later cell can use -------------------------------------------------------------------------

    def draw(self, points: Sequence[Point], tool: str = "pen") -> None:
        """Draw a stroke: points (x, y) in [0, 1] of the page, from its upper left corner; one point is a dot.

        tool: "pen" or "eraser". Raises ValueError for no point, for one off the page and for an unknown tool.
        """
        if tool not in TOOLS:
            raise ValueError(f"there is no tool {tool!r}; choose one of {', '.join(TOOLS)}")
        try:
            line = tuple((float(x), float(y)) for x, y in points)
        except (TypeError, ValueError) as error:
            raise ValueError("a stroke is a list of points (x, y), as [(0.3, 0.5), (0.7, 0.5)]") from error
        if not line:
            raise ValueError("a stroke needs at least one point (x, y)")
        for x, y in line:
            if not (0 <= x <= 1 and 0 <= y <= 1):
                raise ValueError(f"the point ({x:g}, {y:g}) is off the page: x and y go from 0 to 1")
        self._turn_to(self._drawing.with_stroke(_Stroke(line, tool)))
        self._raise()

    def undo(self) -> None:
        """Take the last stroke back, or the last `clear` or `start_from`: then the sliders, too, are as before it.

        Nothing left to undo: nothing happens.
        """
        if len(self._history) > 1:
            self._turned(self._history.pop().let_go)
            self._raise()

    def clear(self) -> None:
        """A blank page; the sliders follow the drawing again."""
        self._start(_Drawing(skill=self.skill))

    def start_from(self, person: faces.People | None, skill: str | None = None) -> None:
        """The sketch of a person, People (1), drawn with a skill (default: as now), instead of what is there.

        None is a blank page. Raises TypeError, ValueError for anything but one person and for an unknown skill.
        """
        skill = self.skill if skill is None else skill
        _check_person(person)
        _check_skill(skill)
        self._start(_Drawing(person, skill))
        self._skills.value = skill

    def use(self, tool: str) -> None:
        """Take the "pen" or the "eraser" into the hand."""
        if tool not in TOOLS:
            raise ValueError(f"there is no tool {tool!r}; choose one of {', '.join(TOOLS)}")
        self._tools.value = tool

    def reset(self) -> None:
        """All sliders back to where the model reads the sketch, and following it."""
        with self._hold():
            self._touched.clear()
            self._stale = True
        self._raise()

    @property
    def tool(self) -> str:
        """What is in the hand: "pen" or "eraser"."""
        return self._tools.value

    @property
    def skill(self) -> str:
        """Of the hand that draws the faces to start from."""
        return self._skills.value

    @property
    def strokes(self) -> int:
        """How many strokes were drawn on what the page started from."""
        return len(self._drawing.strokes)

    @property
    def sketch(self) -> Tensor:
        """The page as the model sees it, float (1, 1, S, S) in [-1, 1]: paper 1, ink -1."""
        return self._drawing.raster(self.editor.size, self._stroke)

    @property
    def reading(self) -> Tensor:
        """What the model reads from the sketch, float (n,) in [0, 1], in the order of `editor.attributes`."""
        self._catch_up()
        self._raise()
        return self._read.clone()

    @property
    def target(self) -> Tensor:
        """What is asked for, float (n,), in the order of `editor.attributes`: the reading where no slider was moved."""
        self._catch_up()
        self._raise()
        return self._wanted()

    @property
    def face(self) -> Tensor:
        """The face that the model paints, float (3, S, S) in [-1, 1]."""
        self._catch_up()
        self._raise()
        return self._painted.clone()

    def fallback(self, strengths: Sequence[float] = STRENGTHS) -> Image.Image:
        """The page, its face, and every slider at some strengths: for a page where no kernel runs."""
        self._catch_up()
        self._raise()
        return _every_slider(self.editor, self.sketch, self.attributes, strengths)

    def __repr__(self) -> str:
        drawn = f"{self.strokes} stroke{'' if self.strokes == 1 else 's'}"
        moved = [name for name in self.attributes if name in self._touched]
        return f"SketchPad({', '.join([self.name, drawn, *self._short(moved)])})"

    # ---- the widgets ---------------------------------------------------------------------------------------

    def _build(self, start: float, stop: float, step: float) -> list[widgets.Widget]:
        layout, px = widgets.Layout, f"{self._width}px"
        picture = layout(width=px, height=px, margin="0")
        self._canvas = Canvas(width=self._width, height=self._width, layout=picture)
        self._canvas.on_mouse_down(self._pen_down)
        self._canvas.on_mouse_move(self._pen_moved)
        self._canvas.on_mouse_up(self._pen_up)
        self._canvas.on_mouse_out(self._pen_up)  # let go outside, the canvas would never hear of it
        self._canvas.on_touch_start(lambda touches: self._pen_down(*touches[0]))
        self._canvas.on_touch_move(lambda touches: self._pen_moved(*touches[0]))
        self._canvas.on_touch_end(lambda touches: self._pen_up())
        self._canvas.on_touch_cancel(lambda touches: self._pen_up())
        self._canvas.on_key_down(self._key)
        self._picture = widgets.Image(format="jpeg", layout=picture)
        shown = []
        for caption, widget in (("your sketch", self._canvas), (f"{self.name}'s face", self._picture)):
            words = widgets.HTML(html.escape(caption))
            words.add_class("fedit-caption")
            shown.append(
                widgets.VBox([words, widget], layout=layout(margin="0 8px 0 2px", overflow="visible"))
            )

        self._tools = widgets.ToggleButtons(
            options=[(tool.capitalize(), tool) for tool in TOOLS],
            style={"button_width": "70px"}, tooltips=["draw a line", "take ink away"],
        )  # fmt: skip

        def button(text: str, icon: str, tooltip: str, action: Any) -> widgets.Button:
            made = widgets.Button(description=text, icon=icon, tooltip=tooltip)
            made.layout = layout(width="82px", flex="0 0 auto")
            made.on_click(lambda _: self._quietly(action))
            return made

        self._undo = button("Undo", "undo", "take the last stroke back (Ctrl+Z on the page)", self.undo)
        self._undo.disabled = True
        self._clear = button("Clear", "file-o", "a blank page", self.clear)
        self._another = button("A face", "user", "start from the sketch of another face", self._offer)
        self._skills = widgets.Dropdown(
            options=faces.SKILLS, value=self._history[0].skill, description="drawn", layout=layout(width="138px"),
            tooltip="how well the face to start from is drawn", style={"description_width": "42px"},
        )  # fmt: skip
        self._skills.observe(lambda change: self._quietly(self._redraw_start, change["new"]), "value")
        self._reset = button(
            "Reset", "undo", "all sliders back to where the model reads the sketch", self.reset
        )
        legend = widgets.HTML(
            "Where the model reads the sketch; moved, it is asked for: 0 absent, 1 present, beyond: exaggerated."
        )
        self._numbers = widgets.HTML()
        for note in (legend, self._numbers):
            note.add_class("fedit-note")
        self._message = widgets.HTML(layout=layout(display="none"))

        wrap = {"flex_flow": "row wrap", "align_items": "center", "overflow": "visible"}
        tools = [self._tools, self._undo, self._clear, self._another, self._skills]
        left = widgets.VBox(
            [
                widgets.HBox(shown, layout=layout(**wrap)),
                widgets.HBox(tools, layout=layout(margin="6px 0", **wrap)),
                self._numbers,
            ],
            layout=layout(flex="0 0 auto", max_width="100%", margin="0 16px 8px 0"),
        )
        sliders = self._make_sliders(start, stop, step)
        head = widgets.HBox([legend, self._reset], layout=layout(align_items="center"))
        right = widgets.VBox([head, sliders], layout=layout(flex="1 1 320px", min_width="300px"))
        title = widgets.HTML(f"<div class='fedit-title'>{html.escape(self.name)}: draw a face</div>")
        body = widgets.HBox([left, right], layout=layout(flex_flow="row wrap", align_items="flex-start"))
        return [widgets.HTML(STYLE), title, self._message, body]

    # ---- the pen -------------------------------------------------------------------------------------------

    def _place(self, x: float, y: float) -> Point:
        return min(max(x / self._width, 0.0), 1.0), min(max(y / self._width, 0.0), 1.0)

    def _pen_down(self, x: float, y: float) -> None:
        self._pen_up()  # a second finger, or a button that went up unheard
        self._stroke = _Stroke((self._place(x, y),), self.tool)
        with hold_canvas():
            self._take_up(self.tool)
            self._canvas.fill_circle(x, y, _width(self.tool, self._width) * self._width / 2)
        self._soon()

    def _pen_moved(self, x: float, y: float) -> None:
        if self._stroke is None:
            return
        last, place = self._stroke.points[-1], self._place(x, y)
        if max(abs(place[0] - last[0]), abs(place[1] - last[1])) < NEAR:
            return
        self._stroke = replace(self._stroke, points=(*self._stroke.points, place))
        self._canvas.stroke_line(*(self._width * value for value in (*last, *place)))
        self._soon()

    def _pen_up(self, *_: float) -> None:
        if self._stroke is None:
            return
        self._turn_to(self._drawing.with_stroke(self._stroke))

    def _take_up(self, tool: str) -> None:
        canvas = self._canvas
        canvas.stroke_style = canvas.fill_style = INK[tool]
        canvas.line_width, canvas.line_cap = _width(tool, self._width) * self._width, "round"

    def _key(self, key: str, shift: bool, ctrl: bool, meta: bool) -> None:
        if key.lower() == "z" and (ctrl or meta) and self._stroke is None:
            self._quietly(self.undo)

    def _soon(self) -> None:
        """A face before long. A mouse tells its place far more often than faces can be painted: the ink follows every
        move, the face what was drawn meanwhile, and at least half of the time is left to the ink."""
        self._redrawn = True
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # no kernel
            self._edit()
            return
        if self._due is None:
            wait = max(WAIT, sum(self._milliseconds.values()) / 1000)
            self._due = loop.call_later(wait, self._catch_up)

    def _catch_up(self) -> None:
        """What `_soon` promised, now."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
            self._edit()

    # ---- what happens when something changes -----------------------------------------------------------------

    @property
    def _drawing(self) -> _Drawing:
        return self._history[-1]

    def _start(self, drawing: _Drawing) -> None:
        stood = {name: self._sliders[name].value for name in self._touched}
        self._touched.clear()
        self._turn_to(replace(drawing, let_go=stood))
        self._raise()

    def _turn_to(self, drawing: _Drawing) -> None:
        self._history.append(drawing)
        self._turned()

    def _turned(self, stood: dict[str, float] | None = None) -> None:
        """Another page; with the moved sliders where they stood, if that is told."""
        self._stroke, self._undo.disabled = None, len(self._history) == 1
        if self._due is not None:
            self._due.cancel()
            self._due = None
        self._show_page()
        with self._hold():
            self._redrawn = self._stale = True
            if self._drawing.person is not None:  # of an undone start
                self._skills.value = self._drawing.skill
            if stood is not None:
                self._touched = set(stood)
                with self._by_itself():
                    for name, strength in stood.items():
                        self._sliders[name].value = strength

    def _show_page(self) -> None:
        page = faces.to_uint8(self._drawing.raster(self._width))[0, 0]
        self._canvas.put_image_data(np.repeat(page.numpy()[:, :, None], 3, axis=2))

    def _offer(self) -> None:
        person = faces.sample(1, seed=self._next_seed)
        self._next_seed += 1
        self.start_from(person)

    def _redraw_start(self, skill: str) -> None:
        """Another skill: the face that the page started from, drawn with that; a blank page stays as it is."""
        if self._drawing.person is not None and self._drawing.skill != skill:
            self.start_from(self._drawing.person, skill)

    def _moved(self, name: str, strength: float) -> None:
        if self._following or (name not in self._touched and abs(strength - self._stands[name]) < 1e-6):
            return  # the pad itself, or a page that rounds otherwise
        with self._hold():
            self._stale = True
            self._touched.add(name)
            self._give_way(name, strength)

    def _take(self, strengths: dict[str, float]) -> None:
        self._touched |= set(strengths)  # also where the slider stands there already
        self._stale = True
        super()._take(strengths)

    def _edit(self) -> None:
        self._stale = False
        try:
            if self._redrawn:
                begin = time.perf_counter()
                self._code = ask(self.editor, "code_of_sketch", self.sketch)
                self._read = ask(self.editor, "reading", self._code)[0]
                self._milliseconds["read"] = 1000 * (time.perf_counter() - begin)
                self._redrawn = False
            begin = time.perf_counter()
            target = self._wanted()
            self._painted = _paint(self.editor, self._code, target[None], self._asked(target))[0]
            self._milliseconds["paint"] = 1000 * (time.perf_counter() - begin)
        except Exception as error:
            self._picture.layout.visibility, self._numbers.value = "hidden", ""
            self._fail(error)
            return
        self._failure = None
        self.draws += 1
        self._say("")
        self._picture.layout.visibility = "visible"
        self._picture.value = encode(to_pil(self._painted, self._width, self._smooth))
        if self._stroke is None:  # a dozen sliders are left alone while the pen moves
            self._follow()
            self._tell_numbers()

    def _wanted(self) -> Tensor:
        target = self._read.clone()
        for name in self._touched:
            target[self._columns[name]] = self._sliders[name].value
        self._rest_gives_way(target, self._touched)
        return target

    def _asked(self, target: Tensor) -> Tensor:
        """Which attributes a slider asks for, bool (n,); or takes from what has none."""
        touched = torch.tensor([name in self._touched for name in self.editor.attributes])
        return touched | (target != self._read)

    def _follow(self) -> None:
        """Sliders that nobody moved go where the model reads the sketch, to the nearest step."""
        with self._by_itself():
            for name, slider in self._sliders.items():
                moved = name in self._touched
                if not moved:
                    read = float(self._read[self._columns[name]])
                    self._stands[name] = slider.value = _on_step(read, slider)
                self._colour(name, moved)

    @contextlib.contextmanager
    def _by_itself(self) -> Iterator[None]:
        """The pad itself moves the sliders: no hand's moves."""
        self._following = True
        try:
            yield
        finally:
            self._following = False

    def _tell_numbers(self) -> None:
        blank = self._drawing.person is None and not self.strokes
        told = ["an empty page: all of this face is the model's guess"] if blank else []
        read, paint = (self._milliseconds[part] for part in ("read", "paint"))
        told.append(f"reading the sketch took {read:.0f} ms, painting the face {paint:.0f} ms")
        self._numbers.value = "".join(f"<p>{line}</p>" for line in told)


def sketch_sheet(
    editor: Any,
    people: faces.People | None = None,
    attribute: str | None = None,
    *,
    sketches: Tensor | None = None,
    skill: str = "clean",
    strengths: Sequence[float] = STRENGTHS,
    scale: int | None = None,
) -> Image.Image:
    """What the pad shows, as one picture: sketches, the faces painted from them, a slider at several strengths.

    editor: as for `SketchPad`. people: of the face world, drawn with `skill`; or else sketches float (B, 1, S, S) in
    [-1, 1], paper 1 and ink -1. attribute: whose slider; a row a face, and under it, of people, the true answers. None:
    every slider of the one face there is. `scale` enlarges by a whole number (default: what fits a page).
    Raises UnknownAttribute; TypeError or ValueError for an editor that takes no sketches, a wrong shape or range, an
    unknown skill, no strengths, or several faces without an attribute.
    """
    _check_editor(editor)
    _check_skill(skill)
    if len(strengths) == 0:
        raise ValueError("strengths is empty: give at least one, for example (0, 0.5, 1)")
    if sketches is None:
        if people is None:
            raise ValueError("give people of the face world, or sketches (B, 1, S, S)")
        sketches = faces.sketch(people, editor.size, skill)
    sketches = check_images(sketches, editor.size, channels=1, name="sketches").detach().float().cpu()
    if people is not None and len(people) != len(sketches):
        raise ValueError(
            f"there are {len(sketches)} sketches, but {len(people)} people; give as many of both"
        )
    if attribute is None:
        if len(sketches) != 1:
            raise ValueError(
                f"name an attribute: {len(sketches)} faces with every slider do not fit a page "
                f"(it edits {', '.join(editor.attributes)})"
            )
        return _every_slider(editor, sketches, editor.attributes, strengths)
    attribute_index(editor.attributes, attribute)
    rows, heads = [], []
    for i in range(len(sketches)):
        sketch = sketches[i : i + 1]
        code = ask(editor, "code_of_sketch", sketch)
        rows.append([_grey(sketch), *_row(editor, code, attribute, strengths)])
        heads.append(f"face {i}" if len(sketches) > 1 else "edit")
        if people is not None:
            label = people[i].labels(editor.attributes)[0].cpu()
            target = torch.stack([asked(label, editor.attributes, attribute, float(s)) for s in strengths])
            photo = faces.render(people[i], size=editor.size)[0].cpu()
            rows.append([None, photo, *truths(people[i], editor, label, target)])
            heads.append("truth")
    columns = ["sketch", "as drawn", *(f"{s:g}" for s in strengths)]
    title = f"{readable(attribute)}: {name_of(editor)}"
    return table(rows, columns, heads if len(rows) > 1 else None, scale, title=title)


# ---- sketches, codes and faces ---------------------------------------------------------------------------------


def _on_step(value: float, slider: widgets.FloatSlider) -> float:
    """The slider's step nearest to a value, by the page's own arithmetic: else the page corrects its last bits, and
    that would look like a hand's move."""
    span = slider.max - slider.min
    part = slider.step * 100 / span
    return round((value - slider.min) * 100 / span / part) * part * span / 100 + slider.min


def _width(tool: str, size: int) -> float:
    """Of a stroke, as a part of the page. The pen puts down as much ink as the lines of `faces.sketch` at that size."""
    half = 0.0051 * size  # pixels; theirs are 0.009 of the face, with edges 1.1 pixels wide
    return ERASER if tool == "eraser" else (2 * half + 0.1) / size


def _covered(lines: Sequence[Sequence[Point]], width: float, size: int) -> Tensor:
    """The share of each pixel that round strokes cover, (size, size) in [0, 1]. width: of the page."""
    over = 8 if size <= 128 else 3
    n = size * over
    big = Image.new("L", (n, n))
    pen, radius = ImageDraw.Draw(big), width * n / 2 - 0.5
    for line in lines:
        dots = [(x * n - 0.5, y * n - 0.5) for x, y in line]
        if len(dots) > 1:
            pen.line(dots, fill=255, width=max(1, round(width * n) + 1))  # Pillow's come out one finer
        for x, y in dots:  # round ends and corners
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return torch.from_numpy(np.asarray(big.reduce(over), dtype=np.float32) / 255)


def _paint(editor: Any, code: Tensor, target: Tensor, moved: Tensor) -> Tensor:
    """Faces (k, 3, S, S) of one code (1, style): at targets (k, n) where moved (n,) or (k, n), else as it is."""
    codes = code.expand(len(target), -1)
    a = ask(editor, "intensities_for", codes, target)
    return ask(editor, "draw", codes, torch.where(moved, a, torch.zeros_like(a)))


def _row(editor: Any, code: Tensor, attribute: str, strengths: Sequence[float]) -> list[Tensor]:
    """A code's face, and that with one attribute at several strengths."""
    reading = ask(editor, "reading", code)[0]
    target = torch.stack(
        [reading, *(asked(reading, editor.attributes, attribute, float(s)) for s in strengths)]
    )
    moved = target != reading
    moved[1:, attribute_index(editor.attributes, attribute)] = True
    return list(_paint(editor, code, target, moved))


def _every_slider(
    editor: Any, sketch: Tensor, attributes: Sequence[str], strengths: Sequence[float]
) -> Image.Image:
    """A sketch (1, 1, S, S), its face, and every slider at several strengths."""
    code = ask(editor, "code_of_sketch", sketch)
    reading = ask(editor, "reading", code)[0].tolist()
    rows, notes = [], []
    for name in attributes:
        drawn, *row = _row(editor, code, name, strengths)
        rows.append(row)
        read = reading[attribute_index(editor.attributes, name)]
        nearest = min(strengths, key=lambda s: abs(s - read))
        notes.append([FRAME if s == nearest else "" for s in strengths])
    title = "every slider (framed: as it reads)"
    names, columns = [readable(name) for name in attributes], [f"{s:g}" for s in strengths]
    both = table([[_grey(sketch)], [drawn]], ["sketch, face"], None, 2, title=name_of(editor))
    return beside([both, *ladder(rows, columns, names, notes, title)])


def _grey(sketch: Tensor) -> Tensor:
    """A sketch (1, 1, S, S) as a picture (3, S, S)."""
    return sketch[0].expand(3, -1, -1)


def _check_editor(editor: Any) -> None:
    for method in ("code_of_sketch", "reading", "intensities_for", "draw"):
        if not callable(getattr(editor, method, None)):
            raise ValueError(
                f"{name_of(editor)} takes no sketches: it has no method {method}; load_editor('s2fgan') has"
            )


def _check_person(person: Any) -> None:
    if person is None:
        return
    if not isinstance(person, faces.People):
        raise TypeError(
            f"person must be People of the face world, not {type(person).__name__}: faces.sample(1)"
        )
    if len(person) != 1:
        raise ValueError(f"a page starts from one face, not from {len(person)}: choose one, as people[0]")


def _check_skill(skill: str) -> None:
    if skill not in faces.SKILLS:
        raise ValueError(f"unknown skill {skill!r}; known: {', '.join(faces.SKILLS)}")
