"""People: sampling, labels, exact edits of descriptions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedit_lib import faces

names = st.sampled_from(faces.ATTRIBUTES)
seeds = st.integers(0, 999_999)


def test_the_attributes_are_celebas():
    assert len(faces.ATTRIBUTES) == len(set(faces.ATTRIBUTES)) == 24
    celeba = {  # those of CelebA's forty that the six papers edit
        *"Bald Bangs Black_Hair Blond_Hair Brown_Hair Gray_Hair Bushy_Eyebrows Eyeglasses Heavy_Makeup Male".split(),
        *"Mouth_Slightly_Open Mustache No_Beard Pale_Skin Receding_Hairline Smiling Straight_Hair Wavy_Hair".split(),
        *"Wearing_Hat Young Narrow_Eyes Big_Lips Big_Nose Chubby".split(),
    }
    assert set(faces.ATTRIBUTES) == celeba


@given(seed=seeds, n=st.integers(1, 9), more=st.integers(0, 9), correlated=st.booleans())
@settings(max_examples=30, deadline=None)
def test_a_longer_sample_begins_with_the_shorter(seed, n, more, correlated):
    few, many = faces.sample(n, seed, correlated), faces.sample(n + more, seed, correlated)
    assert torch.equal(few.attributes, many.attributes[:n]) and torch.equal(few.traits, many.traits[:n])


def test_other_seeds_are_other_people():
    assert not torch.equal(faces.sample(5, 1).traits, faces.sample(5, 2).traits)


def test_splits_do_not_overlap():
    ranges = list(faces.SEEDS.values())
    assert all(set(a[:: 10**5]).isdisjoint(b[:: 10**5]) and a.stop <= b.start for a, b in pairwise(ranges))
    assert (
        [faces.split_of(r.start) for r in ranges]
        == list(faces.SEEDS)
        == [faces.split_of(r[-1]) for r in ranges]
    )
    for seed in (-1, 4_000_000):
        with pytest.raises(ValueError, match="in no split"):
            faces.sample(1, seed)


@pytest.mark.parametrize("correlated", [True, False])
def test_strengths_keep_away_from_the_border(correlated):
    strengths = faces.sample(2000, 3, correlated).attributes
    assert ((strengths <= 0.25) | (strengths >= 0.75)).all() and strengths.min() >= 0 and strengths.max() <= 1


@given(seed=seeds, name=names, strength=st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_an_edit_gives_what_was_asked(seed, name, strength):
    people = faces.sample(6, seed, correlated=False)
    edited = people.with_attribute(name, strength)
    assert (edited.labels([name]) == float(torch.tensor(strength) > 0.5)).all()
    assert torch.equal(edited.traits, people.traits)
    for group in faces.EXCLUSIVE_GROUPS:
        assert (edited.labels(group).sum(1) <= 1).all()
    bystanders = [
        a
        for a in faces.ATTRIBUTES
        if a != name
        and a not in faces.rivals(name)
        and a not in faces.HIDDEN_BY.get(name, ())
        and name not in faces.HIDDEN_BY.get(a, ())
    ]
    # Taking a hat off to show a fringe may also show what else it hid: leave those out.
    shared = set(faces.HIDDEN_BY.get(name, ()))
    others = [a for a in bystanders if not shared & set(faces.HIDDEN_BY.get(a, ()))]
    assert torch.equal(edited.strengths(others), people.strengths(others))


@given(seed=seeds, correlated=st.booleans())
@settings(max_examples=30, deadline=None)
def test_what_is_hidden_is_labelled_absent(seed, correlated):
    people = faces.sample(60, seed, correlated)
    for name, hiders in faces.HIDDEN_BY.items():
        hidden = torch.stack([people.attributes[:, faces.ATTRIBUTES.index(h)] > 0.5 for h in hiders]).any(0)
        assert (people.labels([name])[hidden] == 0).all() and (people.strengths([name])[hidden] == 0).all()


def test_bald_heads_have_no_wavy_hair_and_get_it_back():
    people = faces.sample(50, 0, correlated=False).with_attribute("Wavy_Hair", 0.9)
    assert (people.with_attribute("Bald", 0.9).labels(["Wavy_Hair"]) == 0).all()
    assert (people.with_attribute("Bald", 0.9).with_attribute("Bald", 0.0).labels(["Wavy_Hair"]) == 1).all()


def test_targets_are_reached_several_at_once():
    people, wanted = (
        faces.sample(200, 1, correlated=False),
        ["Bald", "Bangs", "Black_Hair", "Eyeglasses", "Smiling"],
    )
    for goal in ([0, 1, 1, 1, 0], [1, 0, 0, 1, 1], [0, 0, 0, 0, 0]):
        target = torch.tensor(goal, dtype=torch.float).expand(200, 5)
        assert torch.equal(people.with_targets(wanted, target).labels(wanted), target)
    own = people.labels(wanted)
    assert torch.equal(people.with_targets(wanted, own).attributes, people.attributes)
    with pytest.raises(ValueError, match="shape"):
        people.with_targets(wanted, own[:, :2])


def test_independent_means_independent_and_correlated_does_not():
    def correlation(people):
        kept = people[(people.attributes[:, [0, 18]] < 0.5).all(1)]  # neither bald nor hatted: nothing hidden
        return torch.corrcoef(kept.labels(["Male", "Young", "Heavy_Makeup", "Gray_Hair", "Smiling"]).T)

    free, life = (correlation(faces.sample(6000, 5, c)) for c in (False, True))
    assert (free - torch.eye(5)).abs().max() < 0.06
    assert life[0, 2] < -0.4 and life[1, 3] < -0.4  # make-up with sex, grey hair with age


@pytest.mark.parametrize("correlated", [True, False])
def test_skin_tone_is_independent_of_every_attribute(correlated):
    people = faces.sample(8000, 9, correlated)
    table = torch.corrcoef(torch.cat([people.tone[:, None], people.labels()], 1).T)
    assert table[0, 1:].abs().max() < 0.05
    assert torch.histc(people.tone, 5, 0, 1).min() > 1400


def test_a_new_scene_keeps_the_person():
    people = faces.sample(8, 2)
    again = people.with_scene(5)
    k = len(faces.IDENTITY)
    assert torch.equal(again.attributes, people.attributes) and torch.equal(
        again.traits[:, :k], people.traits[:, :k]
    )
    assert not torch.isclose(again.traits[:, k:], people.traits[:, k:]).all(1).any()


def test_bad_requests_are_named():
    people = faces.sample(3)
    with pytest.raises(faces.UnknownAttribute, match=r"Did you mean 'Eyeglasses'.*Known: Bald, Bangs"):
        people.with_attribute("Glasses", 1.0)
    with pytest.raises(ValueError, match="Smiling must lie in"):
        people.with_attribute("Smiling", 1.2)
    with pytest.raises(ValueError, match="named twice"):
        people.labels(["Male", "Male"])
    with pytest.raises(ValueError, match="-3"):
        faces.sample(-3)
    assert people.labels([]).shape == (3, 0)
    assert len(faces.sample(0)) == 0 and faces.render_uint8(faces.sample(0)).shape == (0, 3, 64, 64)


def test_people_are_counted_like_a_list():
    people = faces.sample(3, seed=7)
    one_by_one = [person for person, _ in zip(people, range(9), strict=False)]  # 9: an endless loop ends too
    assert [len(person) for person in one_by_one] == [1, 1, 1]
    assert torch.equal(torch.cat([person.traits for person in one_by_one]), people.traits)
    for number in (1, -2, np.int64(1), torch.tensor(1)):
        assert torch.equal(people[number].traits, people.traits[1:2])
        assert torch.equal(people[number].attributes, people.attributes[1:2])
    for wrong in (3, -4, np.int64(3), torch.tensor(-4)):
        with pytest.raises(IndexError, match=rf"no person {int(wrong)} among 3"):
            people[wrong]
    with pytest.raises(IndexError, match="no person 0 among 0"):
        people[:0][0]
    with pytest.raises(TypeError):
        people[1.0]
    for several in ([2, 0], torch.tensor([2, 0]), np.array([2, 0])):
        assert torch.equal(people[several].traits, people.traits[[2, 0]])
    mask = torch.tensor([True])  # one person's: no number
    assert len(people[2:]) == len(people[2][mask]) == 1 and len(people[2][~mask]) == len(people[5:]) == 0


def test_targets_beyond_typical_strengths_mean_typical_ones():
    people = faces.sample(4, seed=3, correlated=False).with_attribute("Smiling", 0.5)
    for strength, drawn in ((0.97, 0.9), (7.0, 0.9), (0.7, 0.7), (0.03, 0.1), (-3.0, 0.1)):
        changed = people.with_targets(["Smiling"], torch.full((4, 1), strength))
        assert changed.strengths(["Smiling"]).flatten().tolist() == pytest.approx([drawn] * 4)


def test_people_as_in_life_have_these_shares():
    """Of the attributes that hair and hats do not hide; and that `sample` draws them so unless told otherwise."""
    people = faces.sample(20_000, seed=3)
    assert torch.equal(people.labels(), faces.sample(20_000, seed=3, correlated=True).labels())
    has = {name: column > 0.5 for name, column in zip(faces.ATTRIBUTES, people.labels().T, strict=True)}
    everyone = torch.ones(20_000, dtype=torch.bool)
    shares = {
        ("Male", None): 0.45,
        ("Young", None): 0.70,
        ("Pale_Skin", None): 0.10,
        ("Bushy_Eyebrows", "Male"): (0.45, 0.10),
        ("Heavy_Makeup", "Male"): (0.01, 0.55),
        ("Smiling", "Male"): (0.45, 0.58),
        ("Big_Lips", "Male"): (0.15, 0.35),
        ("Big_Nose", "Male"): (0.40, 0.12),
        ("No_Beard", "Male"): (0.62, 0.998),
        ("Eyeglasses", "Young"): (0.15, 0.40),
        ("Chubby", "Young"): (0.08, 0.25),
        ("Mouth_Slightly_Open", "Smiling"): (0.65, 0.25),
    }
    for (name, who), expected in shares.items():
        crowds = [everyone] if who is None else [has[who], ~has[who]]
        found = [has[name][crowd].float().mean().item() for crowd in crowds]
        assert found == pytest.approx(np.atleast_1d(expected).tolist(), abs=0.02), (name, who)


def test_several_people_by_a_tuple_of_numbers():
    crowd = faces.sample(4, seed=3)
    assert len(crowd[(0, 2)]) == 2 and torch.equal(crowd[(0, 2)].traits, crowd[[0, 2]].traits)
    assert len(crowd[(1,)]) == 1


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: faces.sample(1.5), "n must be a whole number, not 1.5"),
        (lambda: faces.sample(1, seed=1.0), "seed must be a whole number, not 1.0"),
        (
            lambda: faces.sample(4).with_attribute("Smiling", torch.zeros(3)),
            r"strength of Smiling.*\(4,\).*\(3,\)",
        ),
        (lambda: faces.sample(4).with_attribute("Smiling", "much"), "strength of Smiling.*'much'"),
    ],
)
def test_numbers_that_cannot_be(ask, message):
    with pytest.raises(ValueError, match=message):
        ask()
