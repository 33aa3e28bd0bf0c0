"""The exam: people that no editor has met, their pictures, and the true answer to every question.

Or photographs that none has met, to whose questions nobody knows the answer: `PhotoExam`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .. import faces
from ..data import FaceSet, source_of

CHUNK = 250  # faces drawn at a time


@dataclass(frozen=True)
class Question:
    """One attribute flipped on every person of an exam.

    truth: the people as they should become. images: uint8 (n, 3, S, S), their pictures. region: bool (n, S, S), where
    this edit may change pixels. wanted: float (n,), the new label. Photographs have the last alone.
    """

    attribute: str
    truth: faces.People | None
    images: Tensor | None
    region: Tensor | None
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

    source, name, unit = "procedural", "procedural", "people"
    attributes: tuple[str, ...] = faces.ATTRIBUTES

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

    def labels(self, names: Sequence[str]) -> Tensor:
        """float (n, k), 0 or 1: what everyone is."""
        return self.people.labels(names).cpu().float()

    def target(self, attribute: str, names: Sequence[str]) -> Tensor:
        """float (n, k), 0 or 1: what everyone is to be when `attribute` is flipped."""
        return self.question(attribute).truth.labels(names).cpu().float()

    def without(self, attribute: str, most: int) -> Tensor:
        """Numbers of the first `most` people who lack `attribute`: those who can show a slider from 0 to 1."""
        return (self.labels([attribute])[:, 0] == 0).nonzero()[:most, 0]

    def slider_target(self, who: Tensor, attribute: str, names: Sequence[str], position: float) -> Tensor:
        """Labels (m, k) of the people numbered `who` with one slider moved, and its rivals gone where they have to."""
        strength = min(max(position, faces.TYPICAL[0]), faces.TYPICAL[1])
        target = self.people[who].with_attribute(attribute, strength).labels(names).cpu().float()
        target[:, list(names).index(attribute)] = position
        return target

    def ends(self, attribute: str, who: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures uint8 (m, 3, S, S) of what a slider goes between: `attribute` absent, and present."""
        people = self.people[who]
        low, high = (draw(people.with_attribute(attribute, faces.TYPICAL[end]), self.size) for end in (0, 1))
        return low, high


class PhotoExam:
    """Held-out photographs, and their attributes flipped: no picture tells what would be right.

    It asks what `Exam` asks, and what needs no true answer can be measured. An attribute that comes takes along what
    excludes or hides it in the face world (rivals such as two hair colours), so that target means the same in both.

    Args:
        photos: all that may be asked for, with the labels of every attribute the editor has.
        n: how many of them; None, or more than there are, takes all.
        seed: of the choice.

    Raises:
        ValueError: n is below 1, or there are no photographs.
    """

    unit = "photographs"
    people = None

    def __init__(self, photos: FaceSet, n: int | None = None, seed: int = 0) -> None:
        if (n is not None and n < 1) or not len(photos):
            raise ValueError(f"an exam needs at least one face, not {min(n or 0, len(photos))}")
        self.name, self.source = photos.name, source_of(photos.name)
        self.seed, self.size, self.attributes = seed, photos.size, photos.attributes
        order = torch.randperm(len(photos), generator=torch.Generator().manual_seed(seed))
        chosen = photos[order[:n].sort().values]  # sorted: a memory-mapped file is read in one go
        self.images, self.known = chosen.images.cpu(), chosen.labels.cpu()

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"PhotoExam({len(self)} of {self.name}, seed {self.seed}, {self.size} px)"

    def labels(self, names: Sequence[str]) -> Tensor:
        """float (n, k), 0 or 1, as the table has them."""
        return self.known[:, [self.attributes.index(name) for name in names]]

    def question(self, attribute: str) -> Question:
        """The new label of everyone. Raises faces.UnknownAttribute for one that the table lacks."""
        faces.check_attributes([attribute], self.attributes)
        return Question(attribute, None, None, None, 1 - self.labels([attribute])[:, 0])

    def target(self, attribute: str, names: Sequence[str]) -> Tensor:
        """float (n, k), 0 or 1: the labels with `attribute` flipped."""
        return _with(self.labels(names), names, attribute, self.question(attribute).wanted)

    without = Exam.without

    def slider_target(self, who: Tensor, attribute: str, names: Sequence[str], position: float) -> Tensor:
        """Labels (m, k) of the photographs numbered `who` with one slider moved."""
        return _with(self.labels(names)[who], names, attribute, torch.full((len(who),), float(position)))

    def ends(self, attribute: str, who: Tensor) -> tuple[Tensor, Tensor]:
        """What a slider goes between: those without `attribute` as they are, and as many others that have it."""
        having = (self.labels([attribute])[:, 0] == 1).nonzero()[: len(who), 0]
        return self.images[who], self.images[having]


def _with(labels: Tensor, names: Sequence[str], attribute: str, strength: Tensor) -> Tensor:
    """labels (n, k) with one attribute at `strength` (n,), and absent what the face world does not draw beside it."""
    names, target = list(names), labels.clone()
    target[:, names.index(attribute)] = strength
    # As `People.with_attribute`: half-way a rival has faded out of its label, while what hides goes only beyond.
    gone = {other: strength >= 0.5 for other in faces.rivals(attribute)}
    gone |= {other: strength > 0.5 for other in faces.HIDDEN_BY.get(attribute, ()) if other not in gone}
    for other in gone.keys() & set(names):
        target[gone[other], names.index(other)] = 0.0
    return faces.without_hidden(labels, target, names)


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
