"""Sketch in, edited face out: an editor of sketches, examined by the protocol for photos."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .. import faces
from ..papers.editor import size_of
from .known import KnownPeople


class FromSketches:
    """An editor that gets every person's sketch instead of the photo; all measures are against the photo's truth.

    The exam hands out photos. This looks up whose they are, draws them, and asks the editor within: for the face of the
    sketch with *all* attributes where the target has them (`from_sketch`), as a user's sliders would stand. So colours
    that no line can show are told where they are attributes, and guessed where they are not.

    Args:
        editor: with `attributes` and `from_sketch(sketches, target)`; `edit_sketch(sketches, labels, target)` too for
            `relative`. S2FGAN's has both.
        people: those whose sketches may be asked for; of an exam, `exam(faces, seed).people`.
        skill: of the drawing hand, "clean", "wobbly" or "poor".
        relative: ask only for what differs from the labels (`edit_sketch`).

    Raises:
        ValueError: an editor that takes no sketches, or an unknown skill.
    """

    def __init__(
        self, editor: Any, people: faces.People, skill: str = "clean", relative: bool = False
    ) -> None:
        for method in ("from_sketch", *(["edit_sketch"] if relative else [])):
            if not callable(getattr(editor, method, None)):
                raise ValueError(
                    f"{getattr(editor, 'name', type(editor).__name__)} takes no sketches: it has no method {method}"
                )
        self.editor, self.skill, self.relative = editor, skill, relative
        self.attributes, self.size = tuple(editor.attributes), size_of(editor)
        self.name = f"{getattr(editor, 'name', type(editor).__name__)}, {skill} sketches"
        self.known = KnownPeople(people, self.size, type(self).__name__)
        self.sketches = faces.to_uint8(faces.sketch(people, self.size, skill)).cpu()

    @property
    def device(self) -> Any:
        return getattr(self.editor, "device", None)

    @property
    def receipt(self) -> dict[str, Any]:
        """The editor's, with the scores from sketches of this skill where an export has noted them."""
        receipt = dict(getattr(self.editor, "receipt", None) or {})
        scores = receipt.pop("sketch_scores", {}).get(self.skill)
        receipt.pop("scores", None)
        return receipt | ({"scores": scores} if scores else {})

    def edit(self, images: Tensor, labels: Tensor, target: Tensor) -> Tensor:
        """(B, 3, S, S) in [-1, 1], two times (B, n) -> the edited faces that the editor paints from their sketches.

        Raises ValueError if a picture shows nobody among the people.
        """
        numbers = self.known.find(images)
        sketches = faces.to_float(self.sketches[numbers]).to(images.device)
        if self.relative:
            return self.editor.edit_sketch(sketches, labels, target)
        return self.editor.from_sketch(sketches, target)

    def reconstruct(self, images: Tensor, labels: Tensor) -> Tensor:
        """The faces with the attributes that they have, from their sketches."""
        return self.edit(images, labels, labels.clone())  # two tensors: an editor may work in place

    def parameters_count(self) -> int | None:
        """How many numbers the editor learned."""
        count = getattr(self.editor, "parameters_count", None)
        return count() if callable(count) else None
