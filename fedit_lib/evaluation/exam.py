"""The exam: people that no editor has met, their pictures, and the true answer to every question."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .. import faces

CHUNK = 250  # faces drawn at a time


@dataclass(frozen=True)
class Question:
    """One attribute flipped on every person of an exam.

    truth: the people as they should become. images: uint8 (n, 3, S, S), their pictures. region: bool (n, S, S), where
    this edit may change pixels. wanted: float (n,), the new label.
    """

    attribute: str
    truth: faces.People
    images: Tensor
    region: Tensor
    wanted: Tensor


class Exam:
    """`n` people of the test split, sampled independently, and a question per attribute.

    What is drawn is kept, so that a second editor is examined faster (a question takes 12 KB + 4 KB a face at 64 px).

    Args:
        n: how many people.
        seed: offset in the test split; another seed is another exam.
        size: side of the pictures in pixels.
        split: people of which split.
    """

    def __init__(self, n: int = 1000, seed: int = 0, size: int = 64, split: str = "test") -> None:
        seeds = faces.SEEDS[split]
        if n < 1:
            raise ValueError(f"an exam needs at least one face, not {n}")
        if not 0 <= seed < len(seeds):
            raise ValueError(f"seed {seed} is outside the {split} split: choose 0 to {len(seeds) - 1}")
        self.seed, self.size = seed, size
        self.people = faces.sample(n, seed=seeds.start + seed, correlated=False)
        self.images = draw(self.people, size)
        self._questions: dict[str, Question] = {}

    def __len__(self) -> int:
        return len(self.people)

    def __repr__(self) -> str:
        return f"Exam({len(self)} people, seed {self.seed}, {self.size} px)"

    def question(self, attribute: str) -> Question:
        """Everyone with `attribute` flipped: present where it was absent, absent where it was present.

        Raises:
            faces.UnknownAttribute: if the face world does not have it.
        """
        faces.check_attributes([attribute])
        if attribute not in self._questions:
            wanted = 1 - self.people.labels([attribute])[:, 0]
            strength = torch.where(wanted > 0.5, faces.TYPICAL[1], faces.TYPICAL[0])
            truth = self.people.with_attribute(attribute, strength)
            parts = [self.people[i : i + CHUNK] for i in range(0, len(self), CHUNK)]
            region = torch.cat([faces.region(part, attribute, size=self.size) for part in parts])
            self._questions[attribute] = Question(attribute, truth, draw(truth, self.size), region, wanted)
        return self._questions[attribute]

    def without(self, attribute: str, most: int) -> Tensor:
        """Numbers of the first `most` people who lack `attribute`: those who can show a slider from 0 to 1."""
        return (self.people.labels([attribute])[:, 0] == 0).nonzero()[:most, 0]


def draw(people: faces.People, size: int) -> Tensor:
    """uint8 (n, 3, size, size), drawn in chunks."""
    parts = [faces.render_uint8(people[i : i + CHUNK], size=size).cpu() for i in range(0, len(people), CHUNK)]
    return torch.cat(parts) if parts else torch.empty(0, 3, size, size, dtype=torch.uint8)


_RECENT: OrderedDict[tuple[int, int, int], Exam] = OrderedDict()
_KEPT = 2
_KEEP_BELOW = 2000 * 64 * 64  # pixels of one question; a larger exam is not kept in memory


def exam(n: int = 1000, seed: int = 0, size: int = 64) -> Exam:
    """An `Exam`, from memory if it was one of the last two asked for."""
    key = (n, seed, size)
    if key in _RECENT:
        _RECENT.move_to_end(key)
        return _RECENT[key]
    made = Exam(n, seed, size)
    if n * size * size <= _KEEP_BELOW:
        _RECENT[key] = made
        while len(_RECENT) > _KEPT:
            _RECENT.popitem(last=False)
    return made


def terciles(people: faces.People) -> dict[str, Tensor]:
    """Numbers of the third of people with the darkest skin, the middle third, the lightest; together everyone."""
    parts = people.tone.argsort().tensor_split(3)
    return dict(zip(("dark", "middle", "light"), parts, strict=True))


def slider_target(
    labels: Tensor, column: int, people: faces.People, names: Sequence[str], position: float
) -> Tensor:
    """Labels (n, k) with one attribute at a slider's position, its rivals gone where the face world drops them."""
    strength = min(max(position, faces.TYPICAL[0]), faces.TYPICAL[1])
    target = people.with_attribute(names[column], strength).labels(names).to(labels)
    target[:, column] = position
    return target
