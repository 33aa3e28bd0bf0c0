from __future__ import annotations

import errno
import os

import pytest
import torch
from data_trees import write_celeba, write_photos
from hypothesis import given, settings
from hypothesis import strategies as st

from fedit_lib import faces
from fedit_lib.data import FaceSet, check_images, check_labels, load_source, procedural
from fedit_lib.data.files import atomic_path, atomic_write


@pytest.fixture(scope="module")
def drawn():
    return procedural(40, size=16, seed=2)


def some(n=6, names=("a", "b")):
    images = torch.arange(n * 48, dtype=torch.uint8).view(n, 3, 4, 4)
    return FaceSet(images, torch.arange(n * len(names)).view(n, -1) % 3 % 2, names)


def test_batches_are_exact():
    data = some()
    batch = data.batch([4, 1])
    assert torch.equal(batch.images, data.images[[4, 1]].float() / 127.5 - 1)
    assert torch.equal(batch.labels, data.labels[[4, 1]]) and batch.labels.dtype == torch.float32
    assert torch.equal(data.batch(slice(0, 2), flip=True).images, data.batch(slice(0, 2)).images.flip(-1))
    mixed = data.batch([0, 1], flip=torch.tensor([True, False])).images
    assert torch.equal(mixed[0], data.batch([0]).images[0].flip(-1)) and torch.equal(
        mixed[1], data.batch([1]).images[0]
    )
    assert torch.equal(faces.to_uint8(batch.images), data.images[[4, 1]])


def test_draw_depends_on_the_generator_alone():
    data = some()
    one, two, other = (data.draw(9, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(one.images, two.images) and not torch.equal(one.images, other.images)
    generator = torch.Generator().manual_seed(1)
    state = generator.get_state()
    first = data.draw(9, generator)
    generator.set_state(state)
    assert torch.equal(first.images, data.draw(9, generator).images)


def test_draw_mirrors_half_and_never_without_flip():
    data = FaceSet(
        torch.tensor([[0, 255]] * 2).to(torch.uint8).expand(4, 3, 2, 2).clone(), torch.zeros(4, 1), ["a"]
    )
    flipped = data.draw(400, torch.Generator().manual_seed(0)).images[:, 0, 0, 0] > 0
    assert 0.4 < flipped.float().mean() < 0.6
    assert (data.draw(50, torch.Generator().manual_seed(0), flip=False).images[:, 0, 0, 0] == -1).all()


def test_slices_subsets_and_frequencies(drawn):
    part = drawn[5:9]
    assert len(part) == 4 and torch.equal(part.images, drawn.images[5:9]) and len(part.people) == 4
    assert torch.equal(faces.render_uint8(part.people, size=16), part.images)
    picked = drawn[torch.tensor([7, 3])]
    assert torch.equal(picked.labels, drawn.labels[[7, 3]])
    two = drawn.subset(["Young", "Male"])
    assert torch.equal(two.labels, drawn.people.labels(["Young", "Male"]))
    assert two.label_frequency() == pytest.approx(
        {"Young": two.labels[:, 0].mean().item(), "Male": two.labels[:, 1].mean().item()}
    )
    assert drawn.to("cpu") is drawn
    with pytest.raises(ValueError, match=r"no labels for 'Hat'; it has Bald"):
        drawn.subset(["Hat"])
    with pytest.raises(TypeError, match=r"faces\[3:4\]"):
        drawn[3]


@pytest.mark.parametrize(
    "images,labels,names,message",
    [
        (torch.zeros(2, 3, 4, 4), torch.zeros(2, 1), ["a"], "must be uint8"),
        (torch.zeros(2, 3, 4, 5, dtype=torch.uint8), torch.zeros(2, 1), ["a"], r"shape \(N, 3, S, S\)"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(3, 1), ["a"], r"shape \(2, 1\)"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(2, 2), ["a", "a"], "listed twice"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), -torch.ones(2, 1), ["a"], r"\(labels > 0\)"),
    ],
)
def test_a_faceset_refuses_what_does_not_fit(images, labels, names, message):
    with pytest.raises(ValueError, match=message):
        FaceSet(images, labels, names)


def test_procedural_draws_the_people_of_its_split():
    data = procedural(300, size=16, seed=4, attributes=["Smiling", "Bald"], split="valid")
    people = faces.sample(300, seed=faces.SEEDS["valid"].start + 4, correlated=False)
    assert torch.equal(data.images, faces.render_uint8(people, size=16))
    assert torch.equal(data.labels, people.labels(["Smiling", "Bald"])) and data.attributes == (
        "Smiling",
        "Bald",
    )
    assert torch.equal(procedural(300, size=16, seed=4, split="valid").images, data.images)
    assert not torch.equal(procedural(300, size=16, seed=5, split="valid").images, data.images)
    assert "valid-4-independent" in data.name


@pytest.mark.parametrize(
    "options,message",
    [
        ({"split": "dev"}, "unknown split 'dev': the face world has train, valid, test, oracle"),
        ({"seed": 1_000_000}, "outside the train split: choose 0 to 999999"),
        ({"seed": -1}, "outside the train split"),
        ({"n": 0}, "n must be at least 1"),
    ],
)
def test_procedural_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        procedural(**({"n": 2, "size": 16} | options))


def test_procedural_refuses_unknown_attributes():
    with pytest.raises(faces.UnknownAttribute, match="Smiling"):
        procedural(2, size=16, attributes=["Smilling"])


def test_load_source_opens_every_source(tmp_path):
    write_celeba(tmp_path)
    write_photos(tmp_path / "photos", n=8)
    wanted = {"size": 16, "attributes": ["Smiling", "Eyeglasses"]}
    sets = [
        load_source("procedural", n=5, split="test", **wanted),
        load_source("celeba", n=5, root=tmp_path, **wanted),
        load_source("folder", n=5, root=tmp_path / "photos", **wanted),
    ]
    for data in sets:
        batch = data.draw(3, torch.Generator().manual_seed(0))
        assert len(data) == 5 and data.attributes == ("Smiling", "Eyeglasses")
        assert check_images(batch.images, 16) is batch.images
        assert check_labels(batch.labels, data.attributes, 3, binary=True) is batch.labels
    with pytest.raises(ValueError, match="unknown source 'ffhq': choose procedural, celeba, folder"):
        load_source("ffhq")
    with pytest.raises(ValueError, match=r"needs --root \(root=\)"):
        load_source("folder")
    with pytest.raises(ValueError, match="n must be at least 1"):
        load_source("celeba", n=0)


@pytest.mark.parametrize(
    "images,message",
    [
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), r"uint8.*faces\.to_float"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.int64), "must be floats"),
        (torch.zeros(3, 8, 8), r"images\[None\]"),
        (torch.zeros(2, 8, 8, 3), r"permute\(0, 3, 1, 2\)"),
        (torch.zeros(2, 1, 8, 8), r"shape \(B, 3, S, S\)"),
        (torch.zeros(2, 3, 8, 9), r"shape \(B, 3, S, S\)"),
        (torch.zeros(2, 3, 16, 16), "16x16, but 8x8 is needed"),
        (torch.zeros(0, 3, 8, 8), "empty batch"),
        (torch.full((1, 3, 8, 8), 255.0), r"reach from 255 to 255: divide by 127\.5"),
        (torch.full((1, 3, 8, 8), 1.2), "clamp"),
        (torch.full((1, 3, 8, 8), float("nan")), "NaN"),
        (torch.full((1, 3, 8, 8), float("-inf")), r"must lie in \[-1, 1\]"),
    ],
)
def test_check_images_refuses(images, message):
    with pytest.raises(ValueError, match=message):
        check_images(images, size=8)


@pytest.mark.parametrize(
    "labels,message",
    [
        (torch.zeros(2, 2, dtype=torch.int64), r"labels\.float\(\)"),
        (torch.zeros(2, 3), r"shape \(2, 2\).*Male, Young; they have \(2, 3\)"),
        (torch.zeros(2), r"shape \(2, 2\)"),
        (torch.tensor([[0.0, 1.0], [0.0, -1.0]]), r"Young of row 1 is -1: CelebA's"),
        (torch.tensor([[0.0, 1.0], [1.5, 0.0]]), r"Male of row 1 is 1\.5"),
        (torch.tensor([[0.0, float("nan")], [0.0, 0.0]]), "Young of row 0 is nan"),
    ],
)
def test_check_labels_refuses(labels, message):
    with pytest.raises(ValueError, match=message):
        check_labels(labels, ("Male", "Young"), 2)


def test_checks_of_types_and_codes():
    with pytest.raises(TypeError, match="list"):
        check_images([[0.0]])
    with pytest.raises(TypeError, match="target must be a torch tensor"):
        check_labels([[0.0]], ("a",), 1, name="target")
    half = torch.full((1, 1), 0.5)
    assert check_labels(half, ("a",), 1) is half
    with pytest.raises(ValueError, match="must be 0 or 1"):
        check_labels(half, ("a",), 1, binary=True)
    sketch = torch.zeros(1, 1, 8, 8)
    assert check_images(sketch, 8, channels=1) is sketch


@given(st.integers(1, 4), st.integers(1, 9), st.floats(-1, 1, width=32))
@settings(max_examples=30, deadline=None)
def test_check_images_accepts_every_batch_in_range(n, size, value):
    check_images(torch.full((n, 3, size, size), value), size=size)


def test_atomic_write_is_all_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "file.txt"
    atomic_write(path, "first")
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "first" and len(list(path.parent.iterdir())) == 1

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        OSError, match=r"disk is full: .*file\.txt could not be written \(the previous file is intact"
    ):
        atomic_write(path, "second")
    with pytest.raises(OSError, match="nothing was left behind"):
        atomic_write(tmp_path / "new.txt", "second")
    assert path.read_text() == "first" and not list(tmp_path.glob("new*"))


def test_one_name_alone_is_not_taken_for_its_letters():
    some = procedural(3, size=16, attributes="Smiling")
    assert some.attributes == ("Smiling",) and some.subset("Smiling").attributes == ("Smiling",)


def test_what_a_set_cannot_be_made_of_or_asked_for():
    images, labels = torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.zeros(2, 1)
    with pytest.raises(ValueError, match="images must be a torch tensor, not ndarray"):
        FaceSet(images.numpy(), labels, ["Smiling"])
    some = FaceSet(images, labels, ["Smiling"], "mine")
    with pytest.raises(ValueError, match=r"flip must have shape \(2,\).*\(1,\)"):
        some.batch([0, 1], flip=torch.tensor([True]))
    with pytest.raises(ValueError, match="mine has no faces to draw from"):
        some[:0].draw(2, torch.Generator())
