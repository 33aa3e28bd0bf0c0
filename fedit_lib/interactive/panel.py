"""The slider panel: faces, a slider for every attribute, and at once the picture that the model makes of them."""

from __future__ import annotations

import base64
import html
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
import torch
from PIL import Image
from torch import Tensor

from fedit_lib import faces
from fedit_lib.data import check_images, check_labels
from fedit_lib.papers.editor import size_of

from .base import STYLE, WithSliders, check_editor, check_face, check_people, check_range
from .photo import PhotoError, read_photo
from .pictures import (
    FRAME,
    STRENGTHS,
    ask,
    asked,
    attribute_index,
    beside,
    chosen,
    difference,
    edits,
    encode,
    ladder,
    name_of,
    readable,
    to_pil,
    true_answer,
)

__all__ = ["EditorPanel"]

THUMBNAILS = 8  # faces to choose from at a time


@dataclass
class _Face:
    """One face to edit. person: who it is in the face world, if from there. photo: the user's own."""

    name: str
    image: Tensor
    label: Tensor
    person: Any = None
    photo: bool = False


class EditorPanel(WithSliders):
    """Sliders for the attributes of a face, for any editor.

        panel = EditorPanel(editor, people=faces.sample(8, seed=2_000_000))
        panel                          # as the last line of a cell: shows it
        panel.set("Smiling", 1.0)      # what a hand does with the slider, for the next cell
        panel.change()                 # mean change of the picture, in grey levels of 255

    editor: anything with `attributes`, `size`, `edit`, `reconstruct` (see `fedit_lib.papers.Editor`).
    images: float (B, 3, S, S) in [-1, 1]; labels: float (B, n), 0/1, in the editor's order. Both may be left out where
    `people` (B of the face world) are given; then the true answer is shown beside the edit.
    attributes: those that get a slider (default: all). start, stop, step: range of the sliders; 0 is absent, 1 present.
    width: of a picture on the page, in CSS pixels. smooth: enlarge bicubic, or else show the pixels as they are.
    guess_labels: `guess_labels(image (1, 3, S, S), attributes) -> (1, n)` in [0, 1], for photos of one's own; the
    `labels` method of an oracle trained on the same data is one.
    photos: whether one's own photo may be opened; by default, where the receipt says that the model was trained on
    photographs. fallback: also put a picture into the cell's output, for pages where no kernel runs.

    Raises ValueError for images, labels or a range that do not fit, UnknownAttribute for an unknown attribute.
    """

    def __init__(
        self,
        editor: Any,
        images: Tensor | None = None,
        labels: Tensor | None = None,
        *,
        people: Any = None,
        attributes: Sequence[str] | None = None,
        start: float = -0.5,
        stop: float = 1.5,
        step: float = 0.05,
        width: int | None = None,
        smooth: bool = True,
        guess_labels: Callable[[Tensor, Sequence[str]], Tensor] | None = None,
        photos: bool | None = None,
        fallback: bool = True,
    ) -> None:
        check_range(start, stop, step)
        check_editor(editor)
        self.editor = editor
        self.name = name_of(editor)
        self.attributes = chosen(attributes, editor.attributes)
        self._columns = {name: attribute_index(editor.attributes, name) for name in self.attributes}
        self._faces = _collect(editor, images, labels, people)
        self._guess = guess_labels
        self._smooth, self._with_fallback = smooth, fallback
        self._truth_shown = people is not None
        self._width = width or (256 if self._truth_shown else 320)
        self._index, self._window = 0, 0
        self._edited: Tensor | None = None
        self._mask: Tensor | None = None  # asked for while the view shows it
        self._answer: Tensor | None = None
        self.draws = 0  # how many edits were computed; quick moves are merged, so fewer than events
        super().__init__(self._build(start, stop, step, self._photos_allowed(photos)))
        self.add_class("fedit-panel")
        self.choose(0)

    # ---- what a later cell can use -------------------------------------------------------------------------

    def reset(self) -> None:
        """All sliders back to the face's own attributes."""
        with self._hold():
            for name, slider in self._sliders.items():
                slider.value = float(self.labels[self._columns[name]])
            self._stale = True
        self._raise()

    def choose(self, index: int) -> None:
        """Show another face, its sliders at its own attributes. ValueError for a face that is not there."""
        self._index = check_face(index, len(self._faces))
        self._show_faces()
        self._show_labels()
        self.reset()

    def show(self, view: str) -> None:
        """Which picture to show: one of `panel.views` ("after", "before", "difference"; "attention" if it has one).

        ValueError for another. An error of the editor is raised here (and shown in the panel).
        """
        if view not in self.views:
            raise ValueError(f"there is no view {view!r}; choose one of {', '.join(self.views)}")
        self._view.value = view
        self._raise()

    def open_photo(self, source: Any, name: str | None = None) -> None:
        """Add a photo of one's own (a path, or the bytes of a file) to the faces, and show it.

        Raises PhotoError if it is no picture, or if this model was not trained on photos.
        """
        if self._upload.disabled:
            raise PhotoError(self._why_no_photos)
        image = read_photo(source, size_of(self.editor), *([name] if name else []))
        label = torch.zeros(len(self.editor.attributes))
        if self._guess is not None:
            guess = torch.as_tensor(self._guess(image.clone(), self.editor.attributes)).float().cpu()
            if guess.shape != (1, len(label)) or not ((guess >= 0) & (guess <= 1)).all():
                raise ValueError(
                    f"guess_labels must give (1, {len(label)}) values in [0, 1], one for each of the editor's "
                    f"attributes; it gave {tuple(guess.shape)}"
                )
            label = (guess[0] > 0.5).float()
        self._faces.append(_Face("your photo", image[0], label, photo=True))
        self.choose(len(self._faces) - 1)

    def correct(self, attribute: str, present: bool) -> None:
        """Say what is really in one's own photo, where the guess was wrong."""
        faces.check_attributes([attribute], self.editor.attributes)
        if not self._face.photo:
            raise ValueError(
                "only a photo of one's own has guessed attributes; those of the other faces are known"
            )
        self._present[attribute].value = bool(present)
        self._raise()

    @property
    def index(self) -> int:
        """Which face is shown, from 0."""
        return self._index

    @property
    def labels(self) -> Tensor:
        """The face's own attributes, float (n,), 0/1."""
        return self._face.label.clone()

    @property
    def target(self) -> Tensor:
        """What the sliders ask for, float (n,), in the order of `editor.attributes`.

        What has no slider is as the face has it, but gives way to what is moved: a head has one hair colour.
        """
        target = self.labels
        for name, slider in self._sliders.items():
            target[self._columns[name]] = slider.value
        self._rest_gives_way(target, [n for n, s in self._sliders.items() if not self._resting(n, s.value)])
        return target

    @property
    def before(self) -> Tensor:
        """The face as it is, float (3, S, S) in [-1, 1]."""
        return self._face.image.clone()

    @property
    def after(self) -> Tensor:
        """The face as the editor makes it, float (3, S, S) in [-1, 1]."""
        self._raise()
        return self._edited.clone()

    @property
    def truth(self) -> Tensor | None:
        """The true answer, float (3, S, S) in [-1, 1]; None for a face that is not of the face world."""
        self._raise()
        return None if self._answer is None else self._answer.clone()

    def change(self) -> float:
        """Mean absolute change of the picture, in grey levels of 255."""
        return float((self.after - self.before).abs().mean() * 127.5)

    def psnr(self) -> float | None:
        """How near the edit is to the true answer, in dB (at most 60); None where there is no true answer."""
        return None if self.truth is None else _psnr(self.after, self.truth)

    def fallback(self, strengths: Sequence[float] = STRENGTHS) -> Image.Image:
        """Every slider of this face at some strengths, one row a slider: for a page where no kernel runs."""
        rows, notes = [], []
        for name in self.attributes:
            target = torch.stack(
                [asked(self.labels, self.editor.attributes, name, float(s)) for s in strengths]
            )
            rows.append(list(edits(self.editor, self.before, self.labels, target)))
            own = float(self.labels[self._columns[name]])
            notes.append([FRAME if s == own else "" for s in strengths])
        columns = [f"{s:g}" for s in strengths]
        names = [readable(name) for name in self.attributes]
        title = f"{self.name}, {self._face.name}: every slider (framed: where the face is)"
        return beside(ladder(rows, columns, names, notes, title))

    def __repr__(self) -> str:
        moved = [name for name, slider in self._sliders.items() if not self._resting(name, slider.value)]
        return f"Editor({', '.join([self.name, *self._short(moved)])})"

    # ---- the widgets ---------------------------------------------------------------------------------------

    def _photos_allowed(self, photos: bool | None) -> bool:
        source = (getattr(self.editor, "receipt", None) or {}).get("source")
        if photos is None:
            photos = source is not None and source != "procedural"
        self._why_no_photos = ""
        if not photos:
            self._why_no_photos = "No photo of your own here: " + (
                "this model was trained on drawn faces and would make nonsense of it."
                if source == "procedural"
                else "this model does not say that it was trained on photos (photos=True says so)."
            )
        return photos

    def _build(self, start: float, stop: float, step: float, photos: bool) -> list[widgets.Widget]:
        layout, px = widgets.Layout, f"{self._width}px"
        sliders = self._make_sliders(start, stop, step)
        first = self._faces[0]
        question = first.image[None], first.label[None], first.label[None]
        sees = getattr(self.editor, "attention", None) is not None
        sees = sees and ask(self.editor, "attention", *question) is not None
        self.views = ("after", "before", "difference", *(["attention"] if sees else []))
        self._view = widgets.ToggleButtons(
            options=[(view.capitalize(), view) for view in self.views], style={"button_width": "92px"},
            tooltips=["the edited face", "the face as it is", "where it changed: lighter is more", "where it looked"],
        )  # fmt: skip
        self._view.observe(lambda _: self._turn_view(), "value")
        self._reset = widgets.Button(description="Reset", icon="undo", tooltip="All sliders back to the face as it is",
                                     layout=layout(width="82px", margin="0 2px"))  # fmt: skip
        self._reset.on_click(lambda _: self._quietly(self.reset))

        picture = {"format": "jpeg", "layout": layout(width=px, height=px, margin="0")}
        self._pictures = [widgets.Image(**picture)] + (
            [widgets.Image(**picture)] if self._truth_shown else []
        )
        self._captions = [widgets.HTML() for _ in self._pictures]
        for caption in self._captions:
            caption.add_class("fedit-caption")
        self._shown = [
            widgets.VBox([c, p], layout=layout(margin="0 6px 0 0", overflow="visible"))
            for c, p in zip(self._captions, self._pictures, strict=True)
        ]
        self._numbers = widgets.HTML()
        self._numbers.add_class("fedit-note")

        self._thumbs = [widgets.Button(layout=layout(width="46px", height="46px")) for _ in range(THUMBNAILS)]
        for k, thumb in enumerate(self._thumbs):
            thumb.add_class("fedit-thumb").add_class(f"fedit-thumb-{k}")
            thumb.on_click(lambda _, k=k: self._quietly(self.choose, self._window + k))
        self._thumb_style = widgets.HTML(layout=layout(display="none"))
        step_layout = layout(width="34px", height="46px", margin="2px 4px 2px 0")
        self._back = widgets.Button(icon="chevron-left", tooltip="previous face", layout=step_layout)
        self._next = widgets.Button(icon="chevron-right", tooltip="next face", layout=step_layout)
        self._back.on_click(lambda _: self._quietly(self._walk, -1))
        self._next.on_click(lambda _: self._quietly(self._walk, 1))
        self._upload = widgets.FileUpload(
            accept="image/*", multiple=False, description="Your photo", disabled=not photos,
            tooltip="A photo with the face in its middle; it stays on this computer", layout=layout(width="130px"),
        )  # fmt: skip
        self._upload.observe(self._uploaded, "value")
        title = widgets.HTML(f"<div class='fedit-title'>{html.escape(self.name)}: move a slider</div>")
        legend = widgets.HTML("0 absent, 1 present, beyond: exaggerated. Arrow and Page keys move a slider.")
        legend.add_class("fedit-note")

        self._present = {
            name: widgets.ToggleButton(description=readable(name), layout=layout(width="auto", height="26px"))
            for name in self.editor.attributes
        }
        for name, toggle in self._present.items():
            toggle.observe(lambda change, name=name: self._corrected(name, change["new"]), "value")
        said = (
            "Guessed: what is in this photo. Click to correct."
            if self._guess
            else "Click what is in this photo."
        )
        known = widgets.HTML(said)
        known.add_class("fedit-note")
        toggles = widgets.HBox(list(self._present.values()), layout=layout(flex_flow="row wrap"))
        self._own = widgets.VBox([known, toggles], layout=layout(display="none", margin="4px 0"))

        self._message = widgets.HTML(layout=layout(display="none"))
        row = widgets.HBox(
            [self._back, *self._thumbs, self._next, *([self._upload] if photos else [])],
            layout=layout(flex_flow="row wrap", align_items="center", overflow="visible"),
        )
        controls = widgets.HBox(
            [self._view, self._reset],
            layout=layout(flex_flow="row wrap", align_items="center", margin="6px 0"),
        )
        left = widgets.VBox(
            [widgets.HBox(self._shown), controls, self._numbers],
            layout=layout(flex="0 0 auto", margin="0 16px 8px 0"),
        )
        right = widgets.VBox([legend, sliders], layout=layout(flex="1 1 320px", min_width="300px"))
        parts = [widgets.HTML(STYLE), self._thumb_style, title, row]
        if not photos:
            why = widgets.HTML(html.escape(self._why_no_photos))
            why.add_class("fedit-note").layout.margin = "0 0 6px 4px"
            parts.append(why)
        body = widgets.HBox([left, right], layout=layout(flex_flow="row wrap", align_items="flex-start"))
        return [*parts, self._own, self._message, body]

    # ---- what happens when something is moved ----------------------------------------------------------------

    @property
    def _face(self) -> _Face:
        return self._faces[self._index]

    def _moved(self, name: str, strength: float) -> None:
        # The front end sends a slider's next position only when the last was dealt with, and then the newest: a fast
        # hand cannot pile up edits. What one move drags along (rivals, a new face) is merged here.
        with self._hold():
            self._stale = True
            by_hand = self._held == 1  # a reset holds, too: a face may have two hair colours by its labels
            if by_hand or not self._resting(name, strength):
                self._give_way(name, strength)
            self._colour(name, not self._resting(name, strength))

    def _resting(self, name: str, strength: float) -> bool:
        return strength == float(self._face.label[self._columns[name]])

    def _edit(self) -> None:
        self._stale = False
        face, target = self._face, self.target
        self._edited = self._answer = None
        begin = time.perf_counter()
        try:
            edited = edits(self.editor, face.image, face.label, target[None])[0]
            self._milliseconds = 1000 * (time.perf_counter() - begin)
            if self._view.value == "attention":
                self._mask = self._attention(face, target)
        except Exception as error:
            self._fail(error)
            self._numbers.value = ""
            self._paint_all()
            return
        self._edited = edited
        self.draws += 1
        self._failure = None
        self._say("")
        self._paint(0)  # on its way to the page while the true answer is drawn
        if face.person is not None:
            answer = true_answer(face.person, self.editor.attributes, face.label, target)
            self._answer = faces.render(answer, size=size_of(self.editor))[0].cpu()
        if self._truth_shown:
            self._paint(1)
        self._tell_numbers()

    def _attention(self, face: _Face, target: Tensor) -> Tensor:
        """Where the editor looks, (1, S, S) in [0, 1], when it makes this edit. ValueError if it does not tell."""
        label, target = face.label[None], target[None]
        target = faces.without_hidden(label, target, self.editor.attributes)  # the very question of `edits`
        mask = ask(self.editor, "attention", face.image[None], label, target)
        if mask is None:
            raise ValueError(
                f"{self.name}.attention gave None for this edit, though it gave a mask for the face as it is"
            )
        return mask[0]

    def _turn_view(self) -> None:
        if self._view.value == "attention" or self._failure is not None:  # the editor has more to say
            with self._hold():
                self._stale = True
        elif self._edited is not None:
            self._paint_all()

    def _paint_all(self) -> None:
        for k in range(len(self._pictures)):
            self._paint(k)

    def _paint(self, k: int) -> None:
        """Picture 0 is the edit, 1 the true answer, each as the chosen view has it."""
        view, face = self._view.value, self._face
        image, caption = (
            (self._answer, "true answer") if k else (self._edited, f"{html.escape(self.name)}'s edit")
        )
        if view == "before" and k == 0:  # can be seen whatever the editor does
            image = face.image
        self._shown[k].layout.visibility = "hidden" if image is None else "visible"
        if image is None:  # a photo has no true answer, an editor that fails no edit
            return
        if view == "before":
            image, caption = face.image, "the face as it is"
        elif view == "difference":
            image, caption = difference(face.image, image), f"what {'should change' if k else 'changed'}"
        elif view == "attention" and k == 0:
            image, caption = self._mask.expand(3, -1, -1) * 2 - 1, "where it looks"
        self._pictures[k].value = encode(to_pil(image, self._width, self._smooth))
        self._captions[k].value = caption

    def _tell_numbers(self) -> None:
        told = [
            f"changed by <b>{self.change():.1f}</b> of 255 grey levels; edit took {self._milliseconds:.0f} ms"
        ]
        if self._answer is not None:
            nothing = _psnr(self.before, self._answer)
            told.append(f"to the true answer: <b>{self.psnr():.1f} dB</b> (doing nothing: {nothing:.1f} dB)")
        self._numbers.value = "".join(f"<p>{line}</p>" for line in told)

    def _show_faces(self) -> None:
        """Thumbnails around the chosen face. Their pictures come as a style: buttons can be tabbed to and clicked."""
        last = max(0, len(self._faces) - THUMBNAILS)
        if not self._window <= self._index < self._window + THUMBNAILS:
            self._window = min(last, max(0, self._index - THUMBNAILS // 2))
        rules = []
        for k, thumb in enumerate(self._thumbs):
            i = self._window + k
            thumb.layout.display = None if i < len(self._faces) else "none"
            if i >= len(self._faces):
                continue
            thumb.tooltip = self._faces[i].name
            thumb.add_class("fedit-chosen") if i == self._index else thumb.remove_class("fedit-chosen")
            data = base64.b64encode(encode(to_pil(self._faces[i].image, 64), 80)).decode()
            rules.append(
                f".fedit-{self.model_id} .fedit-thumb-{k} {{ background-image: url(data:image/jpeg;base64,{data}) }}"
            )
        self.add_class(f"fedit-{self.model_id}")  # another panel on the page has thumbnails of its own
        self._thumb_style.value = f"<style>{' '.join(rules)}</style>"
        self._back.disabled = self._index == 0
        self._next.disabled = self._index == len(self._faces) - 1

    def _show_labels(self) -> None:
        self._own.layout.display = None if self._face.photo else "none"
        if self._face.photo:
            with self._hold():
                for name, present in zip(self.editor.attributes, self.labels.tolist(), strict=True):
                    self._present[name].value = present > 0.5

    def _walk(self, by: int) -> None:
        self.choose(min(max(self._index + by, 0), len(self._faces) - 1))

    def _corrected(self, name: str, present: bool) -> None:
        column = list(self.editor.attributes).index(name)
        if not self._face.photo or float(self.labels[column]) == float(present):
            return
        with self._hold():
            self._face.label[column] = float(present)
            self._stale = True
            if name in self._sliders:
                self._sliders[name].value = float(present)
                self._colour(name, False)

    def _uploaded(self, change: dict[str, Any]) -> None:
        for file in change["new"]:
            name = str(file.get("name", "the file"))
            self._quietly(self.open_photo, file["content"], name)
        if change["new"]:
            self._upload.value = ()  # the same file can be chosen again


def _collect(editor: Any, images: Tensor | None, labels: Tensor | None, people: Any) -> list[_Face]:
    """The faces to choose from, checked."""
    if people is not None:
        check_people(people)
        if images is None:
            images = faces.render(people, size=size_of(editor))
        if labels is None:
            labels = people.labels(editor.attributes)
    if images is None:
        raise ValueError("give the panel images and their labels, or people of the face world")
    if labels is None:
        raise ValueError(
            f"give labels with the images, one column for each of {', '.join(editor.attributes)}"
        )
    check_images(images, size_of(editor))
    check_labels(labels, editor.attributes, len(images), binary=True)
    if people is not None and len(people) != len(images):
        raise ValueError(f"there are {len(images)} images, but {len(people)} people; give as many of both")
    images, labels = (tensor.detach().float().cpu().clone() for tensor in (images, labels))
    return [
        _Face(f"face {i}", images[i], labels[i], None if people is None else people[i : i + 1])
        for i in range(len(images))
    ]


def _psnr(image: Tensor, truth: Tensor) -> float:
    error = float(((image - truth) / 2).square().mean())
    return 60.0 if error < 1e-6 else -10 * math.log10(error)
