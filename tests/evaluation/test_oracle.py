"""The oracle learns, is saved, and says no to what it cannot judge."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from fedit_lib import faces
from fedit_lib.data import Batch, procedural
from fedit_lib.evaluation import oracle as module
from fedit_lib.evaluation.oracle import PROFILES, Oracle, build, examples, load_oracle, train
from fedit_lib.training.weights import WeightsError


def test_examples_carry_strengths_that_agree_with_the_labels():
    some = examples(96, size=32, seed=3)
    assert some.images.shape == (96, 3, 32, 32) and some.images.dtype == torch.uint8
    assert some.labels.min() >= 0 and some.labels.max() <= 1
    moving = some.labels[-24:]  # one attribute after the other anywhere in [0, 1]
    assert ((moving > 0.3) & (moving < 0.7)).any()
    settled = some.labels[:72]
    assert not ((settled > 0.3) & (settled < 0.7)).any()
    batch = some.draw(7, torch.Generator().manual_seed(0))
    assert batch.labels.shape == (7, 24) and not ((batch.labels == 0) | (batch.labels == 1)).all()
    again = examples(96, size=32, seed=3)
    assert torch.equal(again.images, some.images) and torch.equal(again.labels, some.labels)


def test_the_oracle_and_the_exam_share_no_people():
    assert not set(faces.SEEDS["oracle"]) & set(faces.SEEDS["test"])


@pytest.mark.parametrize("variant", ["a", "b"])
def test_both_variants_read_pictures_of_any_size(variant):
    oracle = Oracle(variant=variant, size=32, width=8, features=16)
    people = faces.sample(3, seed=0)
    for size in (32, 64):
        reading = oracle.read(faces.render(people, size=size))
        assert reading.labels.shape == (3, 24) and set(reading.labels.unique().tolist()) <= {0.0, 1.0}
        assert (
            reading.strengths.shape == (3, 24)
            and 0 <= reading.strengths.min() <= reading.strengths.max() <= 1
        )
        assert reading.features.shape == (3, 16)
    images = faces.render(people, size=32)
    assert oracle.labels(images, ["Smiling", "Bangs"]).shape == (3, 2)
    assert torch.equal(oracle.strengths(images, ["Bangs"])[:, 0], oracle.read(images).strengths[:, 1])
    assert oracle.net.training  # as before it was asked


def test_the_variants_are_of_different_build():
    kinds = [{type(m).__name__ for m in Oracle(variant=v, width=8).net.trunk.modules()} for v in "ab"]
    assert "BatchNorm2d" in kinds[0] and "BatchNorm2d" not in kinds[1]
    assert "Residual" in kinds[0] and "Residual" not in kinds[1]


def test_borderline_strengths_teach_no_label():
    oracle = Oracle(attributes=["Smiling", "Bangs"], size=32, width=8)
    images = faces.render(faces.sample(4, seed=0), size=32)

    def classification(strength: float) -> float:
        torch.manual_seed(0)
        strengths = torch.tensor([[0.9, strength]]).repeat(4, 1)
        return oracle.loss(Batch(images, strengths))["classification"].item()

    assert classification(0.45) == pytest.approx(classification(0.55))
    assert classification(0.1) != pytest.approx(classification(0.9))


@pytest.mark.parametrize("variant", ["a", "b"])
def test_a_few_steps_learn_something(variant):
    torch.manual_seed(0)
    oracle = Oracle(attributes=["Wearing_Hat"], variant=variant, size=32, width=8)
    people = faces.sample(128, seed=faces.SEEDS["oracle"].start, correlated=False)
    images, labels = faces.render(people, size=32), people.strengths(["Wearing_Hat"])
    optimiser = torch.optim.Adam(oracle.parameters(), lr=3e-3)
    for _ in range(
        60
    ):  # after 25 some seeds, or the same seed on two threads, still say "no hat" to everybody
        loss = sum(v for k, v in oracle.loss(Batch(images, labels)).items() if not k.startswith("_"))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    fresh = faces.sample(128, seed=faces.SEEDS["oracle"].start + 1, correlated=False)
    seen = oracle.labels(faces.render(fresh, size=32))
    right = (seen == fresh.labels(["Wearing_Hat"])).float().mean().item()
    always_no = 1 - fresh.labels(["Wearing_Hat"]).mean().item()
    assert right > always_no + 0.05


def test_train_save_load(tmp_path, monkeypatch):
    tiny = replace(PROFILES["smoke"], size=32, steps=2, faces=32)
    trained = train(tiny, out=tmp_path, variant="b", people=24, device="cpu", progress=False)
    assert set(trained.receipt["accuracy"]["per_attribute"]) == set(faces.ATTRIBUTES)
    assert trained.history.steps[-1] == 2 and any(name.startswith("valid/") for name in trained.history.terms)
    path = tmp_path / "oracle_b.safetensors"
    loaded = load_oracle("b", path=path)
    assert loaded.variant == "b" and loaded.receipt["steps"] == 2
    images = faces.render(faces.sample(4, seed=1), size=32)
    # stored in half precision
    assert torch.allclose(loaded.strengths(images), trained.strengths(images), atol=0.02)

    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(WeightsError):
        load_oracle("b", path=path)


def test_errors_name_the_thing_and_the_fix(tmp_path):
    with pytest.raises(ValueError, match=r"no oracle 'c'.*a, b"):
        load_oracle("c")
    with pytest.raises(ValueError, match="no oracle 'c'"):
        Oracle(variant="c")
    with pytest.raises(ValueError, match="no profile 'desk'; it has smoke, laptop"):
        build("desk")
    with pytest.raises(ValueError, match="multiple of 16"):
        Oracle(size=50)
    with pytest.raises(faces.UnknownAttribute):
        Oracle(attributes=["Smilling"])
    oracle = Oracle(attributes=["Smiling"], size=32, width=8)
    with pytest.raises(ValueError, match="does not know Bangs"):
        oracle.columns(["Bangs"])
    with pytest.raises(ValueError, match="uint8"):
        oracle.read(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))


def test_smoke_profile_is_small_and_laptop_ships_within_the_limit():
    assert PROFILES["smoke"].steps * PROFILES["smoke"].batch_size <= 200
    for variant in module.VARIANTS:
        assert build("laptop", variant).parameters_count() * 2 < 8_000_000


def test_the_receipts_command_says_what_is_not_the_default(tmp_path, monkeypatch):
    monkeypatch.setattr(
        module, "fit", lambda game, faces, **how: SimpleNamespace(interrupted=False, seconds=0.0)
    )
    tiny = replace(PROFILES["smoke"], size=32, faces=8)
    settings = {"people": 4, "device": "cpu", "progress": False}
    whole = "fedit train oracle --variant a --profile smoke --seed 0"
    assert train(tiny, **settings).receipt["command"] == whole
    assert train(tiny, steps=tiny.steps, **settings).receipt["command"] == whole
    told = train(tiny, steps=2, precision="32-true", **settings).receipt["command"]
    assert told == f"{whole} --steps 2 --precision 32-true"
    photos = procedural(8, size=32)
    monkeypatch.setattr(
        module,
        "load_source",
        lambda source, attributes, **how: photos.subset(attributes or photos.attributes),
    )
    told = train(tiny, source="folder", root="mine", attributes=["Smiling", "Bangs"], **settings).receipt[
        "command"
    ]
    assert told == f"{whole} --source folder --root mine --attributes Smiling,Bangs"


def test_an_absent_oracle_is_named_with_where_a_training_leaves_one(tmp_path, monkeypatch):
    from fedit_lib.course import runs
    from fedit_lib.evaluation import oracle

    told = {}
    monkeypatch.setattr(oracle, "train", lambda **how: told.update(how))
    monkeypatch.chdir(tmp_path)
    runs.train("oracle", variant="b")
    monkeypatch.setattr(
        oracle, "weights_path", lambda variant: tmp_path / "weights" / f"oracle_{variant}.safetensors"
    )
    with pytest.raises(WeightsError, match=r"git checkout -- fedit_lib/weights.*half an hour") as error:
        load_oracle("b")
    assert (
        f"and copy oracle_b.safetensors and oracle_b.json from {told['out']} to {tmp_path / 'weights'}"
        in str(error.value)
    )
    with pytest.raises(
        WeightsError, match=r"there is no oracle at .*mine\.safetensors: give the \.safetensors file"
    ):
        load_oracle(path=tmp_path / "mine.safetensors")


def test_it_reads_half_precision_and_one_name():
    oracle = Oracle(size=32, width=8, features=16)
    images = faces.render(faces.sample(2, seed=0), size=32)
    assert oracle.strengths(images.half()).dtype == torch.float32
    assert torch.equal(oracle.labels(images, "Smiling"), oracle.labels(images, ("Smiling",)))
