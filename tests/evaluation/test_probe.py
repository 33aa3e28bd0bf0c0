"""A probe finds what is there, does not find what is not, and disturbs nobody."""

from __future__ import annotations

import pytest
import torch

from fedit_lib import faces
from fedit_lib.evaluation import DoNothing, Exam, evaluate, protocol
from fedit_lib.evaluation.probe import probe_accuracy

NAMES = ("Eyeglasses", "Smiling")
FEW = {"people": 400, "steps": 150, "hidden": 32}


@pytest.fixture(scope="module")
def some() -> Exam:
    return Exam(n=200, seed=9, size=32)


@pytest.fixture(scope="module")
def told(some) -> dict[bytes, torch.Tensor]:
    """The labels of everyone whose picture a probe will see."""
    from fedit_lib.evaluation.probe import _people

    pictures, people = _people(FEW["people"], some.size)
    known = {}
    for images, who in ((pictures, people), (some.images, some.people)):
        for image, label in zip(images, who.labels(NAMES), strict=True):
            known[image.numpy().tobytes()] = label
    return known


def code_of(told, columns, size=6):
    """A code of noise with the labels in these columns added, as if nothing else were in the picture."""
    generator = torch.Generator().manual_seed(1)

    def latent(images):
        labels = torch.stack([told[i.numpy().tobytes()] for i in faces.to_uint8(images)])
        codes = torch.randn(len(images), size, 2, 2, generator=generator)
        for column in columns:
            codes[:, column] += 4 * labels[:, column, None, None]
        return codes

    return latent


def test_it_reads_what_is_there_and_only_that(some, told):
    nothing = probe_accuracy(code_of(told, ()), NAMES, some, **FEW)
    glasses = probe_accuracy(code_of(told, (0,)), NAMES, some, **FEW)
    assert all(0.35 < value < 0.65 for value in nothing["per_attribute"].values())
    assert glasses["per_attribute"]["Eyeglasses"] > 0.95
    assert 0.35 < glasses["per_attribute"]["Smiling"] < 0.65
    assert glasses["mean"] == pytest.approx(sum(glasses["per_attribute"].values()) / 2)


def test_it_reads_attributes_from_real_codes(some):
    """Glasses are dark rings at one place: even a fifth-size picture still shows them."""
    small = probe_accuracy(lambda x: torch.nn.functional.avg_pool2d(x, 2), ["Eyeglasses"], some, **FEW)
    assert small["mean"] > 0.75


def test_a_constant_answer_scores_one_half(some):
    """Balanced: an attribute that few have cannot be guessed by saying no."""
    rare = min(faces.ATTRIBUTES, key=lambda a: abs(some.people.labels([a]).mean() - 0.15))
    assert some.people.labels([rare]).mean() < 0.4
    assert probe_accuracy(lambda x: torch.ones(len(x), 3), [rare], some, **FEW)["mean"] == 0.5


def test_it_is_seeded_and_leaves_random_numbers_and_gradients_alone(some):
    layer = torch.nn.Linear(3 * 32 * 32, 4)
    before = torch.random.get_rng_state()

    def latent(x):
        assert not torch.is_grad_enabled()
        return layer(x.flatten(1))

    with torch.no_grad():  # as during a training's validation
        first = probe_accuracy(latent, NAMES, some, **FEW)
    assert first == probe_accuracy(latent, NAMES, some, **FEW)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(p.grad is None for p in layer.parameters())


def test_one_label_only_has_no_accuracy(some):
    one = Exam(n=1, seed=3, size=32)
    assert probe_accuracy(lambda x: x, NAMES, one, people=50, steps=2) == {
        "mean": None,
        "per_attribute": dict.fromkeys(NAMES),
    }


@pytest.mark.parametrize(
    ("latent", "message"),
    [
        (lambda x: x.mean(), "one row a picture"),
        (lambda x: None, "NoneType"),
        (lambda x: x * float("nan"), "diverged"),
    ],
)
def test_codes_that_are_none(latent, message, some):
    with pytest.raises(ValueError, match=message):
        probe_accuracy(latent, NAMES, some, **FEW)


def test_evaluate_probes_an_editor_that_shows_its_code(small_exam, knowing, monkeypatch):
    def scores(editor):
        return evaluate(editor, questions=small_exam, oracle=knowing, slider_faces=0, progress=False)

    asked = []

    def probe(latent, attributes, questions, device):
        asked.append((latent, tuple(attributes), questions))
        return {"mean": 0.6, "per_attribute": {"Eyeglasses": 0.6}}

    monkeypatch.setattr(protocol, "probe_accuracy", probe)
    editor = DoNothing(["Eyeglasses"], 32)
    assert scores(editor)["latent_probe"] is None
    editor.latent = lambda images: images
    assert scores(editor)["latent_probe"] is None and not asked  # 24 people are too few to tell
    monkeypatch.setattr(protocol, "PROBE_FROM", 24)
    found = scores(editor)
    assert found.mean("latent_probe") == 0.6
    assert asked == [(editor.latent, ("Eyeglasses",), small_exam)]
    assert found.table() is not None


def test_units_and_offset_of_a_code_do_not_matter(some, told):
    scores = [
        probe_accuracy(
            lambda x, scale=scale: scale * code_of(told, (0,))(x) + 30 * (scale - 1), NAMES, some, **FEW
        )
        for scale in (1.0, 100.0)
    ]
    for name in NAMES:
        a, b = (s["per_attribute"][name] for s in scores)
        assert a == pytest.approx(b, abs=0.02), name


def test_its_seed_is_0_unless_another_is_given(some, told):
    def read(**seed):
        return probe_accuracy(code_of(told, ()), NAMES, some, **FEW, **seed)

    assert read() == read(seed=0) != read(seed=1)
