"""Sketch in, edited face out, by the protocol for photos."""

from __future__ import annotations

import pytest
import torch

from fedit_lib import faces
from fedit_lib.evaluation import DoNothing, FromSketches, evaluate

NAMES = ("Bangs", "Eyeglasses", "Smiling")


class Reader:
    """Answers with what it was given, so that a test sees it."""

    attributes, size, name = NAMES, 32, "Reader"

    def __init__(self) -> None:
        self.receipt = {"sketch_scores": {"clean": {"fid": 1}}, "scores": {"fid": 9}, "seed": 3}
        self.asked: list[tuple] = []

    def from_sketch(self, sketches, target):
        self.asked.append((sketches, target))
        return sketches.expand(-1, 3, -1, -1)

    def edit_sketch(self, sketches, labels, target):
        self.asked.append((sketches, labels, target))
        return sketches.expand(-1, 3, -1, -1)

    def parameters_count(self):
        return 7


@pytest.mark.parametrize("skill", ["clean", "poor"])
def test_every_photo_is_swapped_for_its_own_sketch(small_exam, skill):
    reader = Reader()
    editor = FromSketches(reader, small_exam.people, skill)
    order = torch.tensor([3, 0, 5])
    images = faces.to_float(small_exam.images[order])
    labels = small_exam.people[order].labels(NAMES)
    out = editor.edit(images, labels, 1 - labels)
    expected = faces.to_float(faces.to_uint8(faces.sketch(small_exam.people[order], 32, skill)))
    assert torch.equal(out, expected.expand(-1, 3, -1, -1))
    assert torch.equal(reader.asked[0][1], 1 - labels)
    editor.reconstruct(images, labels)
    assert torch.equal(reader.asked[1][1], labels)
    FromSketches(reader, small_exam.people, skill, relative=True).edit(images, labels, 1 - labels)
    assert torch.equal(reader.asked[2][1], labels) and torch.equal(reader.asked[2][2], 1 - labels)
    assert editor.name == f"Reader, {skill} sketches" and editor.parameters_count() == 7


def test_the_exam_takes_it_like_any_editor(small_exam, knowing):
    scores = evaluate(
        FromSketches(Reader(), small_exam.people),
        questions=small_exam, oracle=knowing, oracle_b=knowing, attributes=["Bangs"], slider_faces=4, progress=False,
    )  # fmt: skip
    assert scores["about"]["editor"] == "Reader, clean sketches" and scores["parameters"] == 7
    assert scores.mean("leakage") > 10  # a drawing is no photo


def test_its_receipt_is_that_of_its_skill(small_exam):
    people = small_exam.people
    assert FromSketches(Reader(), people).receipt == {"scores": {"fid": 1}, "seed": 3}
    assert FromSketches(Reader(), people, "poor").receipt == {"seed": 3}


def test_what_it_refuses(small_exam):
    with pytest.raises(ValueError, match=r"DoNothing takes no sketches.*from_sketch"):
        FromSketches(DoNothing(NAMES, 32), small_exam.people)
    with pytest.raises(ValueError, match="unknown skill 'bad'"):
        FromSketches(Reader(), small_exam.people, "bad")
    with pytest.raises(ValueError, match="FromSketches does not know the person in picture 0"):
        stranger = faces.render(faces.sample(1, seed=9), 32)
        FromSketches(Reader(), small_exam.people).edit(stranger, torch.zeros(1, 3), torch.zeros(1, 3))


def test_an_editor_within_that_cannot_count_is_scored_all_the_same(small_exam, knowing):
    class Plain(Reader):
        parameters_count = None

    scores = evaluate(
        FromSketches(Plain(), small_exam.people),
        questions=small_exam, oracle=knowing, attributes=["Bangs"], slider_faces=0, progress=False,
    )  # fmt: skip
    assert scores["parameters"] is None


def test_a_target_may_be_worked_on_in_place(small_exam):
    class Spoils(Reader):
        def edit_sketch(self, sketches, labels, target):
            target.fill_(9)
            return super().edit_sketch(sketches, labels, target)

    reader, people = Spoils(), small_exam.people[:3]
    labels = people.labels(NAMES)
    images = faces.to_float(small_exam.images[:3])
    FromSketches(reader, people, relative=True).reconstruct(images, labels)
    assert torch.equal(reader.asked[0][1], people.labels(NAMES))
