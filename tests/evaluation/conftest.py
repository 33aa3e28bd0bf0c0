"""A judge that cannot err: it knows every picture of a small exam by heart."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fedit_lib import faces
from fedit_lib.evaluation import Exam
from fedit_lib.evaluation.oracle import Oracle, Reading

NAMES = ("Bangs", "Eyeglasses", "Smiling", "Black_Hair", "Blond_Hair")


class KnowingOracle:
    """Looks pictures up instead of looking at them. What it has never seen it calls featureless: all absent."""

    def __init__(self) -> None:
        self.attributes = faces.ATTRIBUTES
        self.known: dict[bytes, tuple[Tensor, Tensor]] = {}
        self.receipt: dict = {}
        self.net = SimpleNamespace(num_features=12)

    def learn(self, people: faces.People, size: int) -> None:
        pictures = faces.render_uint8(people, size=size)
        for image, label, strength in zip(pictures, people.labels(), people.strengths(), strict=True):
            self.known[image.numpy().tobytes()] = (label, strength)

    def to(self, device: object) -> KnowingOracle:
        return self

    def read(self, images: Tensor) -> Reading:
        nothing = torch.zeros(len(self.attributes))
        rows = [self.known.get(i.numpy().tobytes(), (nothing, nothing)) for i in faces.to_uint8(images)]
        features = F.adaptive_avg_pool2d(images, 2).flatten(1)
        return Reading(torch.stack([r[0] for r in rows]), torch.stack([r[1] for r in rows]), features)

    def labels(self, images: Tensor, names: tuple[str, ...] | None = None) -> Tensor:
        return self.read(images).labels[:, self.columns(names)]

    def strengths(self, images: Tensor, names: tuple[str, ...] | None = None) -> Tensor:
        return self.read(images).strengths[:, self.columns(names)]

    columns = Oracle.columns


@pytest.fixture(scope="session")
def small_exam() -> Exam:
    return Exam(n=24, seed=5, size=32)


@pytest.fixture(scope="session")
def knowing(small_exam: Exam) -> KnowingOracle:
    oracle = KnowingOracle()
    oracle.learn(small_exam.people, small_exam.size)
    for name in NAMES:
        oracle.learn(small_exam.question(name).truth, small_exam.size)
        for position in (0.0, 0.1, 0.25, 0.5, 0.75, 0.9):
            oracle.learn(small_exam.people.with_attribute(name, position), small_exam.size)
    return oracle
