"""Floor and ceiling of the leaderboard: an editor that does nothing, and the face world itself."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .. import faces
from ..data.checks import check_images, check_labels
from ..papers.editor import check_target
from .known import KnownPeople


class DoNothing:
    """Returns every picture as it came. What it scores, an edit must beat; what it keeps, no edit can keep better."""

    name = "DoNothing"

    def __init__(
        self,
        attributes: Sequence[str] = faces.ATTRIBUTES,
        size: int = 64,
        known: Sequence[str] = faces.ATTRIBUTES,
    ) -> None:
        """known: the names that there are; for photographs those of their table. UnknownAttribute for another."""
        self.attributes, self.size = faces.check_attributes(attributes, known), size

    def edit(self, images: Tensor, labels: Tensor, target: Tensor) -> Tensor:
        """(B, 3, S, S) in [-1, 1], two times (B, n) -> the same pictures. Raises ValueError for what does not fit."""
        check_images(images, self.size)
        check_labels(labels, self.attributes, len(images))
        check_target(target, self.attributes, len(images))
        return images.clone()

    def reconstruct(self, images: Tensor, labels: Tensor) -> Tensor:
        """(B, 3, S, S) in [-1, 1], (B, n) -> the same pictures."""
        return self.edit(images, labels, labels)

    def parameters_count(self) -> int:
        """It learned nothing."""
        return 0


class TrueAnswer:
    """The face world as an editor: it recognises its people in their pictures, and draws them as the target asks.

    Args:
        people: those it can edit; pictures of others raise a ValueError.
        attributes: the columns of labels and targets.
        size: side of the pictures in pixels.
    """

    name = "TrueAnswer"

    def __init__(
        self,
        people: faces.People,
        attributes: Sequence[str] = faces.ATTRIBUTES,
        size: int = 64,
        chunk: int = 250,
    ) -> None:
        self.attributes, self.size = faces.check_attributes(attributes), size
        self.people = people.to(
            "cpu"
        )  # what is asked is weighed there; pictures go back where they came from
        # A target does not always say which of its changes was asked for and which follow from it (hair on a bald head
        # brings its fringe along, a fringe brings the hair). The exam tells this editor, and no other.
        self.asked: str | None = None
        self.known = KnownPeople(people, size, type(self).__name__, chunk)

    def parameters_count(self) -> int:
        """It knows; it learned nothing."""
        return 0

    def edit(self, images: Tensor, labels: Tensor, target: Tensor) -> Tensor:
        """(B, 3, S, S) in [-1, 1], two times (B, n) -> true pictures of these people with the target's attributes.

        Raises:
            ValueError: if a picture shows nobody it knows.
        """
        check_images(images, self.size)
        check_labels(labels, self.attributes, len(images))
        check_target(target, self.attributes, len(images))
        people = self.people[self.known.find(images)]
        edited, asked = people.attributes.clone(), target.cpu() > 0.5
        changed = (target != labels).cpu()
        strength = target.cpu().clamp(faces.TYPICAL[0], faces.TYPICAL[1])
        # The same target may be reached in more than one way (a hat taken off shows the fringe under it; so does a
        # fringe asked for). The true edit is the one that touches fewest attributes.
        fewest = torch.full((len(people),), 10_000)
        for column, name in enumerate(self.attributes):
            if not changed[:, column].any():
                continue
            one = people.with_attribute(name, torch.where(changed[:, column], strength[:, column], 0.0))
            touched = (one.attributes != people.attributes).sum(1)
            if name == self.asked:
                touched = torch.zeros_like(touched)
            fits = (
                (one.labels(self.attributes) > 0.5).eq(asked).all(1) & changed[:, column] & (touched < fewest)
            )
            edited[fits], fewest[fits] = one.attributes[fits], touched[fits]
        several = (fewest == 10_000) & changed.any(1)  # no single edit leads there
        if several.any():
            together = people[several].with_targets(self.attributes, target.cpu()[several])
            edited[several] = together.attributes
        return faces.render(faces.People(edited, people.traits), size=self.size).to(images.device)

    def reconstruct(self, images: Tensor, labels: Tensor) -> Tensor:
        """(B, 3, S, S) in [-1, 1], (B, n) -> the same people, drawn anew."""
        return faces.render(self.people[self.known.find(images)], size=self.size).to(images.device)
