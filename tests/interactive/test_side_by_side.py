"""Several editors on one page."""

from __future__ import annotations

import numpy as np
import pytest

from fedit_lib import faces
from fedit_lib.evaluation import DoNothing, TrueAnswer
from fedit_lib.interactive import Comparison, side_by_side

PEOPLE = faces.sample(3, seed=faces.SEEDS["test"].start, correlated=False)


def test_side_by_side_has_a_row_an_editor_that_can() -> None:
    people = PEOPLE
    able = {"nothing": DoNothing(("Eyeglasses", "Bangs")), "truth": TrueAnswer(people, ("Bangs",))}
    page = side_by_side(able, people, "Bangs", scale=1)
    one = side_by_side(able, people, "Eyeglasses", scale=1)  # the second cannot: its row is not there
    assert page.height - one.height == 64 + 4
    pixels = np.asarray(page)
    rows = [
        pixels[page.height - 4 - 68 * k + 4 : page.height - 68 * (k - 1) - 4, -64 - 4 : -4]
        for k in (4, 3, 2, 1)
    ]
    shown, truth, nothing, true = (row[20:60] for row in rows)  # below the sign in the corner
    assert (shown == nothing).all() and (truth == true).all() and (shown != truth).any()
    with pytest.raises(ValueError, match="none of nothing, truth edits Smiling"):
        side_by_side(able, people, "Smiling")
    with pytest.raises(ValueError, match="32, 64"):
        side_by_side({**able, "small": DoNothing(("Bangs",), 32)}, people, "Bangs")


def editors() -> dict:
    return {"floor": DoNothing(("Eyeglasses", "Bangs")), "truth": TrueAnswer(PEOPLE, ("Bangs", "Smiling"))}


def test_comparison_moves_all_editors_with_one_slider() -> None:
    board = Comparison(editors(), PEOPLE)
    assert board.attributes == ("Bangs", "Eyeglasses", "Smiling"), "what most editors have comes first"
    assert repr(board) == "Comparison(floor, truth; Bangs=1.00)"
    before = board.picture
    board.slider.value = 0.0
    assert np.asarray(before).shape == np.asarray(board.picture).shape
    assert (np.asarray(before) != np.asarray(board.picture)).any()
    board.set("Smiling", 1.0)
    assert board.picture.height < before.height, "only one of the two smiles"
    bundle = board._repr_mimebundle_()
    assert bundle["text/plain"] == "Comparison(floor, truth; Smiling=1.00)" and bundle["image/jpeg"]
    with pytest.raises(faces.UnknownAttribute, match="Bald"):
        board.set("Bald")
    with pytest.raises(ValueError, match="from 0 to 1"):
        board.set("Bangs", 1.5)


def test_comparison_names_the_editor_whose_answer_is_none() -> None:
    class Flat(DoNothing):
        def edit(self, images, labels, target):
            return images[:1] if target.max() < 0.5 else images

    names = ("Bangs",)
    board = Comparison({"one": DoNothing(names), "two": Flat(names), "three": DoNothing(names)}, PEOPLE)
    board.slider.value = 0.0
    assert "ValueError: two.edit gave a tensor (1, 3, 64, 64); expected" in board._message.value
    assert "(3, 3, 64, 64)" in board._message.value
    for wrong, told in (
        (lambda: Comparison([DoNothing(names)], PEOPLE), "told by name.* not in a list"),
        (lambda: Comparison({"AttGAN": "attgan"}, PEOPLE), "a str has no attributes"),
        (lambda: Comparison(editors(), faces.render(PEOPLE)), "people must be .* not a Tensor"),
    ):
        with pytest.raises(TypeError, match=told):
            wrong()
    assert repr(Comparison({1: DoNothing(names)}, PEOPLE)) == "Comparison(1; Bangs=1.00)"
    with pytest.raises(ValueError, match="no attribute to choose from"):
        Comparison(editors(), PEOPLE, attributes=[])


def test_comparison_tells_what_an_editor_raises_and_goes_on() -> None:
    class Broken(DoNothing):
        def edit(self, images, labels, target):
            if target.max() < 0.5:
                raise RuntimeError("no ink left")
            return images

    board = Comparison({"broken": Broken(("Bangs",))}, PEOPLE)
    with pytest.raises(RuntimeError, match="ink"):
        board.set("Bangs", 0.0)
    assert "RuntimeError in broken.edit: no ink left" in board._message.value
    assert board._picture.layout.visibility == "hidden"  # it would be that of another strength
    with pytest.raises(RuntimeError, match="ink"):
        board.fallback()
    board.slider.value = 1.0
    assert not board._message.value and board._picture.layout.visibility == "visible"
    with pytest.raises(ValueError, match="at least one"):
        Comparison({}, PEOPLE)
    with pytest.raises(faces.UnknownAttribute):
        Comparison(editors(), PEOPLE, attributes=["Bald"])
