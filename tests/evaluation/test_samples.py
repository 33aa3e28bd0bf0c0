"""Whether invented people look as asked: counted by hand."""

from __future__ import annotations

import pytest
import torch

from fedit_lib import faces
from fedit_lib.evaluation import DoNothing, evaluate
from fedit_lib.evaluation.samples import sample_accuracy

NAMES = ("Bangs", "Eyeglasses", "Smiling")


@pytest.fixture
def pictures(small_exam) -> torch.Tensor:
    """A picture of each of the exam's people, whom `knowing` recognises."""
    return faces.to_float(faces.render_uint8(small_exam.people, size=32))


def test_the_share_that_is_as_asked(small_exam, knowing, pictures):
    labels = small_exam.people.labels(NAMES).float()
    wanted = labels.clone()
    wanted[:6, 1] = 1 - wanted[:6, 1]  # asked for, and not drawn: 6 of 24
    asked = []

    def sample(rows):
        asked.append(rows)
        return pictures

    assert sample_accuracy(sample, NAMES, wanted, knowing) == {"Bangs": 1, "Eyeglasses": 0.75, "Smiling": 1}
    assert len(asked) == 1 and torch.equal(asked[0], wanted)
    assert sample_accuracy(sample, NAMES, wanted, knowing, ["Eyeglasses"]) == {"Eyeglasses": 0.75}


def test_a_sample_that_is_no_picture_a_row(small_exam, knowing, pictures):
    labels = small_exam.people.labels(NAMES).float()
    for wrong in (pictures[:5], pictures[:, :1], "a picture"):
        with pytest.raises(ValueError, match=r"must return images \(24, 3, S, S\)"):
            sample_accuracy(lambda rows, wrong=wrong: wrong, NAMES, labels, knowing)


def test_evaluate_asks_only_those_who_can(small_exam, knowing, pictures):
    class Inventor(DoNothing):
        def sample(self, labels, seed=0):
            return pictures

    options = {"attributes": ["Eyeglasses"], "questions": small_exam, "oracle": knowing, "oracle_b": knowing}
    options |= {"slider_faces": 0, "progress": False}
    scores = evaluate(Inventor(NAMES, 32), **options)
    assert scores["sample_accuracy"] == {"mean": 1.0, "per_attribute": {"Eyeglasses": 1.0}}
    assert scores.mean("sample_accuracy") == 1
    assert evaluate(DoNothing(NAMES, 32), **options)["sample_accuracy"] is None


def test_what_is_asked_may_be_worked_on_in_place(small_exam, knowing, pictures):
    labels = small_exam.people.labels(NAMES).float()
    before = labels.clone()
    assert sample_accuracy(lambda rows: pictures + 0 * rows.zero_().sum(), NAMES, labels, knowing) == {
        name: 1 for name in NAMES
    }
    assert torch.equal(labels, before)
