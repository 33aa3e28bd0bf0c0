"""Side effects: none of the truth, all of an editor that changes something else, measured against redrawing."""

from __future__ import annotations

import math

import pytest
import torch

from fedit_lib import faces
from fedit_lib.evaluation import DoNothing, SideEffects, TrueAnswer, load_oracle, side_effects

PEOPLE = faces.sample(24, seed=faces.SEEDS["test"].start, correlated=False)


class Drags(TrueAnswer):
    """Edits truly, and a fringe comes and goes with the glasses."""

    def edit(self, images, labels, target):
        people = self.people[self.known.find(images)]
        strength = target[:, self.attributes.index("Eyeglasses")].clamp(*faces.TYPICAL)
        for name in ("Eyeglasses", "Bangs"):
            people = people.with_attribute(name, strength)
        return faces.render(people, size=self.size)


def test_the_truth_has_no_side_effects_and_doing_nothing_only_fails_to_act() -> None:
    names = ("Eyeglasses", "Smiling")
    true = side_effects(TrueAnswer(PEOPLE, names), PEOPLE)
    assert true.edited == names and true.seen == load_oracle("a").attributes
    assert true.excess.abs().max() < 0.05 and true.change[0, true.seen.index("Eyeglasses")] > 0.7
    nothing = side_effects(DoNothing(names), PEOPLE)
    assert nothing.change.abs().max() == 0
    assert nothing.of("Eyeglasses", "Eyeglasses") < -0.7 and nothing.mean() < 0.05


def test_what_is_dragged_along_is_found_with_its_sign() -> None:
    table = side_effects(Drags(PEOPLE, ("Eyeglasses", "Bangs")), PEOPLE, ["Eyeglasses"])
    assert table.edited == ("Eyeglasses",)
    assert table.worst(1)[0][:2] == ("Eyeglasses", "Bangs") and table.worst(1)[0][2] > 0.25
    assert table.mean() > 0.01


def test_a_loss_on_every_face_is_not_an_effect_of_the_edit() -> None:
    class Blurs(DoNothing):
        def edit(self, images, labels, target):
            return torch.nn.functional.avg_pool2d(images, 5, 1, 2)

    assert side_effects(Blurs(("Eyeglasses",)), PEOPLE).change.abs().max() == 0


def test_an_editor_may_work_in_place() -> None:
    class Darkens(DoNothing):
        def edit(self, images, labels, target):
            return images * (0.9 - 0.2 * labels.mean())

    class DarkensInPlace(DoNothing):
        def edit(self, images, labels, target):
            images.mul_(0.9 - 0.2 * labels.mean())
            labels.zero_()
            return images

    few, names = PEOPLE[:6], ("Eyeglasses", "Smiling")
    tidy, spoiling = (side_effects(e(names), few) for e in (Darkens, DarkensInPlace))
    assert torch.equal(tidy.change, spoiling.change)


def test_bad_questions_are_told() -> None:
    editor = DoNothing(("Eyeglasses",))
    with pytest.raises(ValueError, match="no people"):
        side_effects(editor, PEOPLE[:0])
    with pytest.raises(faces.UnknownAttribute, match="Bangs"):
        side_effects(editor, PEOPLE, ["Bangs"])
    with pytest.raises(faces.UnknownAttribute, match="Nose"):
        side_effects(editor, PEOPLE, seen=["Nose"])
    alone = side_effects(editor, PEOPLE, seen=["Eyeglasses"])
    assert math.isnan(alone.mean())
    with pytest.raises(KeyError, match="Bangs"):
        alone.of("Eyeglasses", "Bangs")


def test_opposite_side_effects_do_not_cancel() -> None:
    seen = ("Eyeglasses", "Bangs", "Male", "Smiling", "Young")
    change = torch.tensor([[0.9, 0.3, -0.3, -0.4, 0.0]])
    table = SideEffects(("Eyeglasses",), seen, change, torch.tensor([[0.9, 0.0, 0.0, 0.0, 0.0]]))
    assert table.mean() == pytest.approx(0.25)
    assert [name for _, name, _ in table.worst()] == ["Smiling", "Bangs", "Male"]


def test_an_editor_without_a_size_gets_64_pixels() -> None:
    class Sizeless:
        attributes = ("Eyeglasses",)

        def edit(self, images, labels, target):
            assert images.shape[1:] == (3, 64, 64)
            return images

        def reconstruct(self, images, labels):
            return images

    assert side_effects(Sizeless(), PEOPLE[:4], seen=["Eyeglasses"]).change.abs().max() == 0
