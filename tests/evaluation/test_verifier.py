"""A verifier learns people; edited copies teach it what is no mark of a person; the measures count right."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from fedit_lib import faces
from fedit_lib.evaluation import TrueAnswer
from fedit_lib.evaluation.exam import draw
from fedit_lib.evaluation.verifier import (
    Fisherfaces,
    Lineup,
    Verifier,
    album,
    edited_copies,
    flipped,
    train_verifier,
    verification,
)

NAMES = ("Eyeglasses", "Smiling")


def test_measures_by_hand():
    perfect = verification(torch.eye(6))
    assert perfect == {"auc": 1.0, "accuracy": 1.0, "accepted": 1.0}
    assert verification(-torch.eye(6))["auc"] == 0.0
    blind = verification(torch.zeros(6, 6))
    assert blind["auc"] == 0.5 and blind["accuracy"] == 0.5 and blind["accepted"] == 0.0
    # One of four pairs of the same person lies below 6 of the 12 others: (3 * 12 + 6) / (4 * 12).
    some = torch.zeros(4, 4)
    some[:2, :] = 2.0
    some.fill_diagonal_(3.0)
    some[3, 3] = 1.0
    assert verification(some)["auc"] == pytest.approx(42 / 48)


def test_accuracy_takes_its_threshold_from_the_other_half():
    """Even people's similarities lie above 5, odd people's below: no threshold of one half serves the other."""
    level = torch.tensor([5.0, 0, 5, 0, 5, 0, 5, 0])
    similarity = level.view(-1, 1) + torch.eye(8)
    assert verification(similarity)["accuracy"] == 0.5
    assert verification(torch.eye(8))["accuracy"] == 1.0


def test_accepted_at_one_in_a_hundred():
    similarity = torch.rand(101, 101, generator=torch.Generator().manual_seed(0))  # 10,100 pairs of two
    similarity.fill_diagonal_(0.5)
    assert verification(similarity)["accepted"] == 0.0
    similarity.fill_diagonal_(0.999)
    assert verification(similarity)["accepted"] == 1.0


def test_album_shows_everyone_in_new_scenes_with_the_same_attributes():
    people = faces.sample(5, seed=3, correlated=False)
    shots, who = album(people, 3, seed=1)
    assert len(shots) == 15 and who.tolist() == list(range(5)) * 3
    identity = len(faces.IDENTITY)
    assert torch.equal(shots.attributes, people.attributes.repeat(3, 1))
    assert torch.equal(shots.traits[:, :identity], people.traits[:, :identity].repeat(3, 1))
    scenes = shots.traits[:, identity:]
    assert len({tuple(row) for row in scenes.tolist()}) == 15
    assert torch.equal(album(people, 3, seed=1)[0].traits, shots.traits)
    assert not torch.equal(album(people, 3, seed=2)[0].traits, shots.traits)
    with pytest.raises(ValueError, match="at least one photo"):
        album(people, 0)


def test_copies_of_a_perfect_editor_are_the_true_ones():
    people = faces.sample(4, seed=3, correlated=False)
    true = torch.cat([draw(flipped(people, name), 64) for name in NAMES])
    assert torch.equal(edited_copies(TrueAnswer(people, NAMES), people, NAMES), true)
    assert torch.equal(flipped(people, "Smiling").labels(["Smiling"]), 1 - people.labels(["Smiling"]))
    with pytest.raises(faces.UnknownAttribute, match="Bald"):
        edited_copies(TrueAnswer(people, NAMES), people, ["Bald"])


def test_an_editor_may_work_in_place():
    class Spoils(TrueAnswer):
        def edit(self, images, labels, target):
            answer = super().edit(images, labels, target)
            labels.zero_()
            return answer

    people = faces.sample(4, seed=3, correlated=False)
    true = edited_copies(TrueAnswer(people, NAMES), people, NAMES)
    assert torch.equal(edited_copies(Spoils(people, NAMES), people, NAMES), true)


def test_lineup_flips_what_it_says():
    lineup = Lineup(6, attributes=NAMES, size=32)
    people = faces.sample(6, seed=faces.SEEDS["test"].start, correlated=False)
    assert torch.equal(lineup.first, draw(people, 32))
    assert list(lineup.second) == ["alike", *NAMES]
    assert not torch.equal(lineup.second["alike"], lineup.first)  # another scene
    assert torch.equal(lineup.second["Smiling"], draw(flipped(people.with_scene(1), "Smiling"), 32))
    with pytest.raises(ValueError, match="two people"):
        Lineup(1)


@pytest.fixture(scope="module")
def learned():
    """Verifiers of 40 people, three photos each, without and with true copies: their scores."""
    shots, who = album(faces.sample(40, seed=5, correlated=False), 3)
    pictures, copies = draw(shots, 32), draw(flipped(shots, "Eyeglasses"), 32)
    lineup, how = Lineup(80, attributes=["Eyeglasses"], size=32), {"steps": 120, "batch_size": 48, "width": 8}
    without = train_verifier(pictures, who, **how)
    with_copies = train_verifier(torch.cat([pictures, copies]), who.repeat(2), **how)
    untrained = Verifier(32, 8)
    return {name: lineup.scores(v) for name, v in
            (("untrained", untrained), ("without", without), ("with", with_copies))}  # fmt: skip


def test_it_learns_people(learned):
    assert learned["without"]["alike"]["auc"] > learned["untrained"]["alike"]["auc"] + 0.05
    assert learned["without"]["alike"]["auc"] > 0.8


def test_glasses_are_taken_for_the_person_until_copies_say_otherwise(learned):
    assert learned["without"]["Eyeglasses"]["auc"] < learned["without"]["alike"]["auc"]
    assert learned["with"]["Eyeglasses"]["auc"] > learned["without"]["Eyeglasses"]["auc"] + 0.005


def painted(persons: int, photos: int, seed: int) -> torch.Tensor:
    """Pictures of persons who differ a little in five ways, below; above are stripes, other ones on every photo."""
    ways = torch.randn(5, 3 * 8 * 16, generator=torch.Generator().manual_seed(9)).sign()
    generator = torch.Generator().manual_seed(seed)
    below = 128 + 10 * (torch.randn(persons, 5, generator=generator) @ ways).view(persons, 3, 8, 16)
    above = torch.randint(0, 256, (photos * persons, 1, 1, 16), generator=generator).float()
    both = torch.cat([above.expand(-1, 3, 8, -1), below.repeat(photos, 1, 1, 1)], dim=2)
    return both.clamp(0, 255).byte()


def test_fisherfaces_count_little_what_changes_within_a_person():
    pictures, who = painted(40, 3, seed=0), torch.arange(40).repeat(3)
    verifier = Fisherfaces(pictures, who, size=16)
    first, second = painted(60, 2, seed=1).split(60)  # of others
    points = [
        F.normalize(p.double().flatten(1) - p.double().flatten(1).mean(0), dim=1) for p in (first, second)
    ]
    assert verification(points[0] @ points[1].T)["auc"] < 0.7
    assert verification(verifier.embed(first) @ verifier.embed(second).T)["auc"] > 0.85
    assert verifier.embed(first).norm(dim=1).sub(1).abs().max() < 1e-9
    with pytest.raises(ValueError, match="who is on each"):
        Fisherfaces(pictures, who[:5])


def test_pictures_of_another_size_are_looked_at_smaller():
    pictures = torch.randint(256, (4, 3, 32, 32), dtype=torch.uint8)
    verifier = train_verifier(pictures, torch.arange(4), steps=1, size=16, width=4)
    assert verifier.size == 16
    small = (
        faces.to_float(pictures).unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2))
    )  # each pixel the mean of four
    with torch.no_grad():
        assert torch.allclose(verifier.embed(pictures), verifier(small), atol=1e-5)


def test_training_leaves_the_callers_random_numbers_alone_and_repeats():
    pictures, who = torch.randint(256, (8, 3, 16, 16), dtype=torch.uint8), torch.arange(4).repeat(2)
    torch.manual_seed(3)
    one = train_verifier(pictures, who, steps=2, batch_size=6, width=4)
    after = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(torch.rand(1), after)
    two = train_verifier(pictures, who, steps=2, batch_size=6, width=4)
    assert torch.equal(one.embed(pictures), two.embed(pictures))
    assert not torch.equal(
        one.embed(pictures),
        train_verifier(pictures, who, steps=2, batch_size=6, width=4, seed=1).embed(pictures),
    )
    assert one.embed(pictures).norm(dim=1).sub(1).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("pictures", "who", "message"),
    [
        (torch.zeros(4, 3, 16, 16), torch.arange(4), "uint8"),
        (torch.zeros(4, 3, 16, 16, dtype=torch.uint8), torch.arange(3), "who is on each"),
        (torch.zeros(4, 3, 16, 16, dtype=torch.uint8), torch.zeros(4, dtype=torch.long), "two people"),
        (torch.zeros(4, 3, 20, 20, dtype=torch.uint8), torch.arange(4), "multiple of 16"),
    ],
)
def test_bad_input_is_named(pictures, who, message):
    with pytest.raises(ValueError, match=message):
        train_verifier(pictures, who, steps=1)


def test_similarities_must_be_square():
    with pytest.raises(ValueError, match=r"\(n, n\)"):
        verification(torch.zeros(3, 4))
