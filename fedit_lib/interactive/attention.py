"""The attention viewer: what a model would paint, where its mask lets it through, and where it should have.

SaGAN and AGGAN edit by *blending*: out = mask * content + (1 - mask) * input (Zhang et al. 2018, equation 1; Tang et
al. 2019, equation 2). Here the three are seen apart, beside the region that the true edit may change, which only the
face world knows.
"""

from __future__ import annotations

import contextlib
import html
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
from PIL import Image
from torch import Tensor

from fedit_lib import faces
from fedit_lib.papers.editor import size_of

from .base import (
    MOVED,
    STYLE,
    Live,
    attribute_choice,
    check_editor,
    check_face,
    check_range,
    check_strength,
    strength_slider,
)
from .panel import _collect, _Face
from .pictures import (
    ask,
    asked,
    attribute_index,
    chosen,
    difference,
    edits,
    encode,
    name_of,
    readable,
    table,
    to_pil,
)

__all__ = ["AttentionViewer", "attention_sheet"]

# What is shown, in this order; "content" only of an editor that tells it.
PARTS = ("input", "mask", "content", "result", "true region", "difference")
# name of a number: what it is called on the page, decimals, its unit
MEASURES = {
    "mask_ap": ("mask AP", 2, ""),
    "mask_iou": ("IoU", 2, ""),
    "leakage": ("leakage", 2, " grey levels"),
}


@dataclass(frozen=True)
class _Look:
    """One edit taken apart: float (3, S, S) in [-1, 1] each; None for what this editor or this face cannot have."""

    parts: dict[str, Tensor | None]
    mask: Tensor  # (1, S, S) in [0, 1]
    after: Tensor
    content: Tensor | None
    numbers: dict[str, float | None]
    milliseconds: float


class AttentionViewer(Live):
    """A face, an attribute, a slider, and six pictures: input, mask, content, result, true region, difference.

        viewer = AttentionViewer(editor, people=faces.sample(8, seed=2_000_000))
        viewer                             # as the last line of a cell: shows it
        viewer.set(Eyeglasses=0.5)         # what a hand does with the slider, for the next cell
        viewer.numbers()                   # {"mask_ap": ..., "mask_iou": ..., "leakage": ...}

    editor: anything with `attributes`, `size`, `edit` and `attention` (see `fedit_lib.papers.Editor`). Has it
    `content(images, labels, target) -> (B, 3, S, S)`, what is painted before the mask is applied, that is shown too.
    images: float (B, 3, S, S) in [-1, 1]; labels: float (B, n), 0/1, in the editor's order. Both may be left out where
    `people` (B of the face world) are given; true region and numbers need the people.
    attributes: those to choose from (default: all). start, stop, step: range of the slider; 0 is absent, 1 present.
    width: of a picture on the page, in CSS pixels. smooth: enlarge bicubic, or else show the pixels as they are.
    fallback: also put a picture into the cell's output, for pages where no kernel runs.

    A face is first shown with the edit made: the slider at the opposite of what it has.
    Raises ValueError for images, labels or a range that do not fit and for an editor without attention,
    UnknownAttribute for an unknown attribute.
    """

    def __init__(
        self,
        editor: Any,
        images: Tensor | None = None,
        labels: Tensor | None = None,
        *,
        people: Any = None,
        attributes: Sequence[str] | None = None,
        start: float = 0.0,
        stop: float = 1.0,
        step: float = 0.05,
        width: int = 144,
        smooth: bool = True,
        fallback: bool = True,
    ) -> None:
        check_range(start, stop, step)
        check_editor(editor)
        self.editor, self.name = editor, name_of(editor)
        self.attributes = chosen(attributes, editor.attributes)
        self._columns = {name: attribute_index(editor.attributes, name) for name in self.attributes}
        self._faces = _collect(editor, images, labels, people)
        self._regions: dict[tuple[int, str], Tensor] = {}
        self._width, self._smooth, self._with_fallback = width, smooth, fallback
        self._look: _Look | None = None
        super().__init__(self._build(start, stop, step))
        self.add_class("fedit-panel").add_class("fedit-attention")
        self.choose(0)
        for part in ("content", "true region"):
            if self._look.parts[part] is None:
                self._shown[part].layout.display = "none"

    # ---- what a later cell can use -------------------------------------------------------------------------

    def set(self, attribute: str | None = None, strength: float | None = None, **strengths: float) -> None:
        """Look at an attribute at a strength: `viewer.set("Eyeglasses", 0.5)` or `viewer.set(Eyeglasses=0.5)`.

        Without a strength it is the opposite of what the face has; without an attribute the present one's slider
        moves. Raises UnknownAttribute, and ValueError for two attributes at once or outside the slider's range; then
        nothing moves. An error of the editor is raised here (and shown in the viewer).
        """
        if len(strengths) + (attribute is not None) > 1 or (strengths and strength is not None):
            raise ValueError("one attribute at a time: the mask is that of one edit")
        for name, value in strengths.items():
            attribute, strength = name, value
        name = self.attribute if attribute is None else attribute
        faces.check_attributes([name], self.attributes)
        value = self._opposite(name) if strength is None else strength
        check_strength(name, value, self.slider)
        with self._hold():
            self._attribute.value, self.slider.value = name, value
        self._raise()

    def choose(self, index: int) -> None:
        """Show another face, its edit made. ValueError for a face that is not there."""
        index = check_face(index, len(self._faces))
        with self._hold():
            self._chosen.value = index
            self.slider.value = self._opposite(self.attribute)
            self._stale = True
        self._raise()

    @property
    def index(self) -> int:
        """Which face is shown, from 0."""
        return self._chosen.value

    @property
    def attribute(self) -> str:
        """Which attribute is edited."""
        return self._attribute.value

    @property
    def strength(self) -> float:
        """How strong it is asked for: 0 absent, 1 present."""
        return self.slider.value

    @property
    def labels(self) -> Tensor:
        """The face's own attributes, float (n,), 0/1."""
        return self._face.label.clone()

    @property
    def target(self) -> Tensor:
        """What is asked of the editor, float (n,), in the order of `editor.attributes`."""
        return _target(self.editor, self.labels, self.attribute, self.strength)

    @property
    def before(self) -> Tensor:
        """The face as it is, float (3, S, S) in [-1, 1]."""
        return self._face.image.clone()

    @property
    def mask(self) -> Tensor:
        """Where the editor paints, float (1, S, S) in [0, 1]."""
        return self._seen().mask.clone()

    @property
    def content(self) -> Tensor | None:
        """What it would paint without a mask, float (3, S, S) in [-1, 1]; None if the editor does not tell."""
        content = self._seen().content
        return None if content is None else content.clone()

    @property
    def after(self) -> Tensor:
        """The face as the editor makes it, float (3, S, S) in [-1, 1]."""
        return self._seen().after.clone()

    @property
    def region(self) -> Tensor | None:
        """Where the true edit may change pixels, bool (S, S); None for a face that is not of the face world."""
        if self._face.person is None:
            return None
        key = (self.index, self.attribute)
        if key not in self._regions:
            region = faces.region(self._face.person, self.attribute, size=size_of(self.editor))
            self._regions[key] = region[0].cpu()
        return self._regions[key].clone()

    def numbers(self) -> dict[str, float | None]:
        """mask_ap and mask_iou of the mask against the true region, leakage outside it in grey levels of 255.

        As `fedit_lib.evaluation.metrics` has them; None where there is no true region.
        """
        return dict(self._seen().numbers)

    def fallback(self, strengths: Sequence[float] = (0, 0.5, 1)) -> Image.Image:
        """This face and attribute at some strengths, a row each: for a page where no kernel runs."""
        looks = [_look(self.editor, self._face, self.attribute, float(s), self.region) for s in strengths]
        title = f"{self.name}, {self._face.name}: {readable(self.attribute)}"
        return _page(looks, [f"{s:g}" for s in strengths], None, title)

    def __repr__(self) -> str:
        return f"AttentionViewer({self.name}, {self.attribute}={self.strength:.2f})"

    # ---- the widgets ---------------------------------------------------------------------------------------

    def _build(self, start: float, stop: float, step: float) -> list[widgets.Widget]:
        layout, px = widgets.Layout, f"{self._width}px"
        self._chosen = widgets.Dropdown(
            options=[(face.name, i) for i, face in enumerate(self._faces)], description="Face",
            style={"description_width": "40px"}, layout=layout(width="150px"),
        )  # fmt: skip
        self._attribute = attribute_choice(self.attributes)
        self.slider = strength_slider(start, stop, step)
        # A hand that chooses another face or attribute sees that edit made, as `choose` and `set` show it.
        self._chosen.observe(lambda change: self._quietly(self.choose, change["new"]), "value")
        self._attribute.observe(lambda change: self._quietly(self.set, change["new"]), "value")
        self.slider.observe(lambda _: self._moved(), "value")
        self._pictures = {
            part: widgets.Image(format="jpeg", layout=layout(width=px, height=px, margin="0"))
            for part in PARTS
        }
        self._shown = {}
        for part, picture in self._pictures.items():
            caption = widgets.HTML(part)
            caption.add_class("fedit-caption")
            box = widgets.VBox([caption, picture], layout=layout(margin="0 6px 6px 0", overflow="visible"))
            self._shown[part] = box.add_class(f"fedit-part-{part.replace(' ', '-')}")
        self._numbers = widgets.HTML()
        self._numbers.add_class("fedit-note")
        self._message = widgets.HTML(layout=layout(display="none"))
        title = widgets.HTML(f"<div class='fedit-title'>{html.escape(self.name)}: where it edits</div>")
        wrap = {"flex_flow": "row wrap", "align_items": "center", "overflow": "visible"}
        controls = widgets.HBox([self._chosen, self._attribute, self.slider], layout=layout(**wrap))
        row = widgets.HBox(list(self._shown.values()), layout=layout(margin="6px 0 0 0", **wrap))
        return [widgets.HTML(STYLE), title, controls, self._message, row, self._numbers]

    # ---- what happens when something is moved ----------------------------------------------------------------

    @property
    def _face(self) -> _Face:
        return self._faces[self.index]

    def _opposite(self, name: str) -> float:
        return 1.0 - float(self.labels[self._columns[name]])

    def _edit(self) -> None:
        self._stale = False
        own = float(self.labels[self._columns[self.attribute]])
        self.slider.style.handle_color = None if self.strength == own else MOVED
        try:
            self._look = _look(self.editor, self._face, self.attribute, self.strength, self.region)
        except Exception as error:
            self._look, self._numbers.value = None, ""
            self._show({"input": self._face.image})
            self._fail(error)
            return
        self._failure = None
        self._say("")
        self._show(self._look.parts)
        self._tell_numbers()

    def _show(self, parts: dict[str, Tensor | None]) -> None:
        for part in PARTS:
            image = parts.get(part)
            self._shown[part].layout.visibility = "hidden" if image is None else "visible"
            if image is not None:
                self._pictures[part].value = encode(to_pil(image, self._width, self._smooth))

    def _tell_numbers(self) -> None:
        has = "has" if self.labels[self._columns[self.attribute]] > 0.5 else "lacks"
        told = [
            f"this face {has} it; 0 absent, 1 present; {self._look.milliseconds:.0f} ms for edit, mask and content"
        ]
        measured = {name: value for name, value in self._look.numbers.items() if value is not None}
        if measured:
            told.append("; ".join(_spoken(name, value, "<b>{}</b>") for name, value in measured.items()))
        self._numbers.value = "".join(f"<p>{line}</p>" for line in told)

    def _quietly(self, action: Callable[..., None], *arguments: Any) -> None:
        """Run what a hand asks for; `_edit` tells on the page what goes wrong. A cell's own move is merged instead."""
        if self._held:
            self._stale = True
            return
        with contextlib.suppress(Exception), self._hold():
            self._stale = True
            action(*arguments)

    def _seen(self) -> _Look:
        self._raise()
        return self._look


def attention_sheet(
    editor: Any,
    people: Any,
    attribute: str,
    *,
    images: Tensor | None = None,
    labels: Tensor | None = None,
    strength: float | None = None,
    scale: int | None = None,
) -> Image.Image:
    """What the viewer shows, as one picture: a row a face; columns input, mask, content, result, region, difference.

    editor: as for `AttentionViewer`. people: of the face world, or None where images float (B, 3, S, S) in [-1, 1] and
    labels float (B, n), 0/1, are given; then there is no region and no number. strength: what is asked of all; by
    default the opposite of what each has. The sign on a result says which way it went: + put on, - taken away.
    `scale` enlarges by a whole number (default: what fits a page). The title has the means over the faces.
    Raises UnknownAttribute, and ValueError for a wrong shape or range or an editor without attention.
    """
    column = attribute_index(editor.attributes, attribute)
    looks, heads, signs = [], [], []
    for face in _collect(editor, images, labels, people):
        own = float(face.label[column])
        asked_for = 1 - own if strength is None else float(strength)
        region = None
        if face.person is not None:
            region = faces.region(face.person, attribute, size=size_of(editor))[0].cpu()
        looks.append(_look(editor, face, attribute, asked_for, region))
        heads.append(face.name)
        signs.append("" if asked_for == own else "+" if asked_for > own else "-")
    means = []
    for name in MEASURES:
        values = [look.numbers[name] for look in looks if look.numbers[name] is not None]
        if values:
            means.append(_spoken(name, sum(values) / len(values)))
    title = f"{name_of(editor)}, {readable(attribute)}" + (f": {', '.join(means)}" if means else "")
    return _page(looks, heads, signs, title, scale)


# ---- one edit taken apart ------------------------------------------------------------------------------------


def _target(editor: Any, label: Tensor, attribute: str, strength: float) -> Tensor:
    """What the editor is asked, float (n,): rivals give way, what is hidden is not asked for."""
    target = asked(label, editor.attributes, attribute, strength)
    return faces.without_hidden(label[None], target[None], editor.attributes)[0]


def _look(editor: Any, face: _Face, attribute: str, strength: float, region: Tensor | None) -> _Look:
    """Ask the editor for its edit, mask and content of one face. ValueError for an editor without attention."""
    target = _target(editor, face.label, attribute, strength)
    question = face.image[None], face.label[None], target[None]
    begin = time.perf_counter()
    after = edits(editor, face.image, face.label, target[None])[0]
    mask, content = (
        ask(editor, name, *question) if getattr(editor, name, None) is not None else None
        for name in ("attention", "content")
    )
    milliseconds = 1000 * (time.perf_counter() - begin)
    if mask is None:
        raise ValueError(
            f"{name_of(editor)} has no attention to look at (its attention(...) is None): EditorPanel shows any editor"
        )
    mask, content = mask[0], None if content is None else content[0]
    parts = {
        "input": face.image,
        "mask": _grey(mask),
        "content": content,
        "result": after,
        "true region": None if region is None else _grey(region[None].float()),
        "difference": difference(face.image, after),
    }
    return _Look(parts, mask, after, content, _measures(face.image, after, mask, region), milliseconds)


def _grey(mask: Tensor) -> Tensor:
    """(1, S, S) in [0, 1] -> a picture (3, S, S) in [-1, 1]: white is 1."""
    return mask.expand(3, -1, -1) * 2 - 1


def _measures(before: Tensor, after: Tensor, mask: Tensor, region: Tensor | None) -> dict[str, float | None]:
    if region is None:
        return dict.fromkeys(MEASURES)
    from fedit_lib.evaluation import metrics  # here: a page without numbers need not wait for torchmetrics

    found = {
        "mask_ap": metrics.average_precision(mask, region[None]),
        "mask_iou": metrics.intersection_over_union(mask, region[None]),
        "leakage": metrics.leakage(faces.to_uint8(after[None]), faces.to_uint8(before[None]), region[None]),
    }
    return {name: None if value.isnan() else float(value) for name, value in found.items()}


def _spoken(name: str, value: float, form: str = "{}") -> str:
    """`mask AP 0.85`, the number dressed by `form`."""
    called, decimals, unit = MEASURES[name]
    return f"{called} {form.format(f'{value:.{decimals}f}')}{unit}"


def _page(
    looks: Sequence[_Look],
    heads: Sequence[str],
    signs: Sequence[str] | None,
    title: str,
    scale: int | None = None,
) -> Image.Image:
    """The looks as a table, without the columns that none of them has."""
    parts = [part for part in PARTS if any(look.parts[part] is not None for look in looks)]
    rows = [[look.parts[part] for part in parts] for look in looks]
    notes = None
    if signs is not None:
        notes = [[sign if part == "result" else "" for part in parts] for sign in signs]
    return table(rows, parts, heads, scale, notes, title)
