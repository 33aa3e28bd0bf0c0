"""Pictures: exact regions, sameness, sketches, contact sheets."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedit_lib import faces


def digest(images: torch.Tensor) -> str:
    return hashlib.sha256(images.numpy().tobytes()).hexdigest()


def test_pictures_are_256_levels_in_minus_one_to_one():
    people = faces.sample(6, 1)
    images, levels = faces.render(people), faces.render_uint8(people)
    assert images.shape == (6, 3, 64, 64) and images.dtype == torch.float32 and levels.dtype == torch.uint8
    assert images.min() >= -1 and images.max() <= 1
    assert torch.equal(images, levels / 127.5 - 1) and torch.equal(faces.to_uint8(images), levels)


def test_the_same_seed_gives_the_same_bytes_in_another_process():
    code = (
        "import hashlib; from fedit_lib import faces;"
        "print(hashlib.sha256(faces.render_uint8(faces.sample(20, 7)).numpy().tobytes()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest(faces.render_uint8(faces.sample(20, 7)))


@pytest.mark.parametrize("size", [64, 100])
def test_a_face_does_not_depend_on_its_company(size):
    people = faces.sample(30, 4, correlated=False)
    together = faces.render_uint8(people, size)
    assert torch.equal(together, torch.cat([faces.render_uint8(people[i], size) for i in range(30)]))
    few = torch.cat([faces.render_uint8(people[i : i + 7], size) for i in range(0, 30, 7)])
    assert torch.equal(together, few)


@given(
    seed=st.integers(2_000_000, 2_999_999),
    name=st.sampled_from(faces.ATTRIBUTES),
    strengths=st.lists(st.floats(0, 1), min_size=3, max_size=3),
    size=st.sampled_from([64, 64, 96, 128]),
)
@settings(max_examples=40, deadline=None)
def test_outside_its_region_an_edit_changes_no_pixel(seed, name, strengths, size):
    people = faces.sample(6, seed, correlated=False)
    region, before = faces.region(people, name, size), faces.render_uint8(people, size)
    assert region.shape == (6, size, size) and region.dtype == torch.bool
    for strength in strengths:
        changed = (faces.render_uint8(people.with_attribute(name, strength), size) != before).any(1)
        assert not (changed & ~region).any()


@pytest.mark.parametrize("name", faces.ATTRIBUTES)
def test_every_edit_shows_and_stays_local(name):
    people = faces.sample(24, 2_000_000, correlated=False)
    absent, present = (faces.render_uint8(people.with_attribute(name, s)).int() for s in (0.1, 0.9))
    change = (present - absent).abs().amax(1)
    region = faces.region(people.with_attribute(name, 0.1), name)
    assert ((change > 12).flatten(1).sum(1) >= 6).float().mean() > 0.85  # seen on nearly everybody
    assert region.float().mean() < 0.45


def test_regions_lie_where_they_should():
    people = faces.sample(40, 2_000_001, correlated=False).with_attribute("Wearing_Hat", 0.0)
    rows = torch.arange(64.0)

    def height(name):
        weight = faces.region(people, name).float().sum(2)
        return (weight * rows).sum() / weight.sum()

    assert height("Bangs") < height("Eyeglasses") < height("Big_Nose") < height("Smiling")
    assert faces.region(people, "Mouth_Slightly_Open").float().mean() < 0.06


@pytest.mark.parametrize("size", [64, 128])
def test_sketches_have_less_ink_the_poorer_the_hand(size):
    people = faces.sample(12, 3)
    pages = {skill: faces.sketch(people, size, skill) for skill in ("clean", "wobbly", "poor")}
    for page in pages.values():
        assert page.shape == (12, 1, size, size) and page.min() >= -1 and page.max() <= 1
        assert (page > 0.99).float().mean() > 0.4  # mostly paper
        assert (page.flatten(1).min(1).values < -0.5).all()  # and real ink on every page
    ink = {skill: (1 - page).mean() for skill, page in pages.items()}
    assert ink["poor"] < 0.9 * ink["clean"]
    assert (pages["wobbly"] - pages["clean"]).abs().mean() > 0.02
    assert torch.equal(pages["poor"], faces.sketch(people, size, "poor"))


def test_contact_sheets_show_every_kind_of_picture():
    people = faces.sample(5)
    images = faces.render(people)
    sheet = faces.show(images, labels=list("abcde"), columns=3, scale=2)
    assert sheet.size == (3 * 130 - 2, 2 * (128 + 14 + 2) - 2)
    assert sheet.getpixel((40, 60)) == tuple(faces.to_uint8(images)[0, :, 30, 20].tolist())
    assert faces.show(faces.region(people, "Bangs")).size[0] == 5 * 66 - 2
    assert faces.show(faces.sketch(people)).mode == "RGB"
    with pytest.raises(ValueError, match="expected images"):
        faces.show(torch.zeros(2, 5, 8, 8))


def test_bad_requests_are_named():
    people = faces.sample(2)
    for size in (8, 5000, 64.0):
        with pytest.raises(ValueError, match="size must be"):
            faces.render(people, size)
    with pytest.raises(ValueError, match="unknown skill 'bad'; known: clean, wobbly, poor"):
        faces.sketch(people, skill="bad")
    with pytest.raises(faces.UnknownAttribute, match="Known"):
        faces.region(people, "Glasses")


def test_floats_are_not_turned_into_floats_again():
    images = torch.full((1, 3, 16, 16), 0.5)
    with pytest.raises(ValueError, match=r"uint8 .*not torch\.float32"):
        faces.to_float(images)
    assert (images == 0.5).all()  # nobody's tensor is written to


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), ValueError, "float pictures.*not torch.uint8"),
        (torch.full((1, 3, 4, 4), float("nan")), ValueError, "NaN"),
        ([[0.0]], TypeError, "not list"),
    ],
)
def test_what_is_no_float_picture_is_not_rounded(images, error, message):
    with pytest.raises(error, match=message):
        faces.to_uint8(images)


@pytest.mark.parametrize("steps", [1, 0, -1, 2.5])
def test_a_region_is_swept_from_end_to_end(steps):
    with pytest.raises(ValueError, match="steps must be a whole number of at least 2"):
        faces.region(faces.sample(2), "Smiling", size=32, steps=steps)
