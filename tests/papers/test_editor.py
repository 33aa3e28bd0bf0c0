"""The editor's interface: right answers, clear errors, weights from a file."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from fedit_lib import __version__, faces, load_editor
from fedit_lib.papers import PAPERS, Editor, UnknownPaper, attgan, paper
from fedit_lib.training.weights import WeightsError, save_weights

NAMES = ("Bangs", "Eyeglasses", "Smiling")


@pytest.fixture(scope="module")
def game():
    torch.manual_seed(0)
    return attgan.build("smoke", attributes=NAMES).eval()


@pytest.fixture(scope="module")
def editor(game):
    return attgan.editor(game.inference_networks(), {"config": game.config()})


@pytest.fixture(scope="module")
def batch():
    people = faces.sample(5, seed=faces.SEEDS["test"].start, correlated=False)
    return faces.render(people, size=32), people.labels(list(NAMES))


def test_edit_is_decode_of_encode(game, editor, batch):
    images, labels = batch
    target = torch.tensor([0.0, 0.25, 2.0]).expand(5, 3)
    out = editor.edit(images, labels, target)
    with torch.no_grad():
        expected = game.decoder(game.encoder(images), (labels - 0.5) + 1.5 * (target - labels))
    assert torch.allclose(out, expected, atol=1e-6)
    assert out.shape == images.shape and out.dtype == torch.float32 and out.abs().max() <= 1
    assert not out.requires_grad and not out.is_inference()
    assert editor.attention(images, labels, target) is None


def test_reconstruct_is_an_edit_to_its_own_labels(editor, batch):
    images, labels = batch
    assert torch.equal(editor.reconstruct(images, labels), editor.edit(images, labels, labels))


def test_any_batch_size_gives_the_same(editor, batch):
    """Chunks of 64 and eval mode: a face is edited the same alone and among 130."""
    images, labels = (x.repeat(26, *[1] * (x.dim() - 1)) for x in batch)
    out = editor.edit(images, labels, 1 - labels)
    assert out.shape[0] == 130
    assert torch.allclose(out[:1], editor.edit(images[:1], labels[:1], 1 - labels[:1]), atol=1e-5)
    assert torch.allclose(out[125:], out[:5], atol=1e-5)


def test_the_weights_are_a_copy(game, batch):
    editor = attgan.editor(game.inference_networks(), {"config": game.config()})
    before = editor.reconstruct(*batch)
    with torch.no_grad():
        weight = game.encoder.layers[0][0].weight
        weight.add_(1)
        after = editor.reconstruct(*batch)
        weight.sub_(1)
    assert torch.equal(before, after)
    assert all(p.requires_grad for p in game.encoder.parameters())


def test_target_by_name(editor, batch):
    labels = batch[1]
    target = editor.target(labels, Smiling=0.3, Bangs=1.0)
    assert torch.equal(target[:, 1], labels[:, 1])
    assert (target[:, 2] == 0.3).all() and (target[:, 0] == 1).all()
    assert not (labels == 0.3).any()


def test_facts(game, editor):
    assert editor.attributes == NAMES and editor.size == 32 and editor.name == "AttGAN"
    count = sum(p.numel() for n in (game.encoder, game.decoder) for p in n.parameters())
    assert editor.parameters_count() == count
    assert repr(editor) == "Editor(AttGAN, 3 attributes, 32 px)"
    assert editor.to("cpu") is editor and isinstance(editor, Editor)


# ------------------------------------------------------------------------------------------- bad input


def test_unknown_attribute(editor, batch):
    with pytest.raises(ValueError, match=r"'Smilling'.*did you mean Smiling\?.*Bangs, Eyeglasses, Smiling"):
        editor.target(batch[1], Smilling=1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: faces.to_uint8(x), "uint8.*to_float"),
        (lambda x: (x + 1) * 127.5, r"\[-1, 1\]"),
        (lambda x: x * float("nan"), "NaN"),
        (lambda x: x[:, :1], "shape"),
        (lambda x: x[0], "batch"),
        (lambda x: x.repeat(1, 1, 2, 2), "64x64.*32x32"),
    ],
)
def test_wrong_images(editor, batch, change, message):
    images, labels = batch
    with pytest.raises(ValueError, match=message):
        editor.edit(change(images), labels, labels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: y[:, :2], "Bangs, Eyeglasses, Smiling"),
        (lambda y: y[:4], r"\(5, 3\)"),
        (lambda y: y * 2 - 1, "-1/1"),
        (lambda y: y.long(), "float"),
    ],
)
def test_wrong_labels(editor, batch, change, message):
    images, labels = batch
    with pytest.raises(ValueError, match=message):
        editor.edit(images, change(labels), labels)
    with pytest.raises(ValueError, match=message):
        editor.reconstruct(images, change(labels))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: y[:, :2], r"expected \(5, 3\).*Bangs"),
        (lambda y: y[0], r"expected \(5, 3\)"),
        (lambda y: y.bool(), "bool.*float"),
        (lambda y: y.index_fill(1, torch.tensor([1]), 2.5), r"2\.5 of Eyeglasses \(face 0\).*\[-1, 2\]"),
        (lambda y: y.index_fill(1, torch.tensor([2]), -1.01), r"-1\.01 of Smiling"),
        (lambda y: y.index_fill(1, torch.tensor([0]), float("nan")), "nan of Bangs"),
    ],
)
def test_wrong_targets(editor, batch, change, message):
    images, labels = batch
    with pytest.raises(ValueError, match=message):
        editor.edit(images, labels, change(labels))


def test_what_is_no_tensor(editor, batch):
    images, labels = batch
    with pytest.raises(TypeError, match=r"images.*ndarray"):
        editor.edit(images.numpy(), labels, labels)
    with pytest.raises(TypeError, match=r"target.*list"):
        editor.edit(images, labels, labels.tolist())


def test_strengths_outside_are_allowed_to_exaggerate(editor, batch):
    images, labels = batch
    for strength in (-1.0, 2.0):
        assert editor.edit(images, labels, torch.full_like(labels, strength)).isfinite().all()


# ------------------------------------------------------------------------------------------- from a file


@pytest.fixture
def file(game, tmp_path):
    path = tmp_path / "attgan.safetensors"
    save_weights(path, game.inference_networks(), {"paper": "attgan", "config": game.config()})
    return path


def test_load_editor(file, editor, batch):
    loaded = load_editor("attgan", device="cpu", path=file)
    out, expected = loaded.reconstruct(*batch), editor.reconstruct(*batch)
    assert (out - expected).abs().max() < 0.02  # stored in half precision
    assert loaded.receipt["paper"] == "attgan" and loaded.attributes == NAMES


def test_unknown_paper():
    with pytest.raises(
        UnknownPaper,
        match=r"'atgan' \(did you mean 'attgan'\?\); known: icgan, fader, attgan, sagan, aggan, s2fgan",
    ):
        load_editor("atgan")
    assert paper("attgan") is attgan


def test_no_such_file(tmp_path):
    with pytest.raises(WeightsError, match=r"nothing\.safetensors"):
        load_editor("attgan", path=tmp_path / "nothing.safetensors")


def test_a_run_folder_is_no_weight_file(tmp_path):
    with pytest.raises(WeightsError, match=rf"{tmp_path} is a folder: name the \.safetensors file in it"):
        load_editor("attgan", path=tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(
        WeightsError, match=r"is the run folder .*`fedit export .*--to .*`fedit evaluate .*scores it"
    ):
        load_editor("attgan", path=tmp_path)


def test_damaged_file(file):
    content = file.read_bytes()
    for damaged in (content[: len(content) // 2], content[:-1] + bytes([content[-1] ^ 1]), b""):
        file.write_bytes(damaged)
        with pytest.raises(WeightsError, match=r"fedit export"):
            load_editor("attgan", path=file)


def test_weights_of_another_paper(game, tmp_path):
    path = tmp_path / "fader.safetensors"
    save_weights(path, game.inference_networks(), {"paper": "fader", "config": game.config()})
    with pytest.raises(WeightsError, match=r"'fader', not of 'attgan'"):
        load_editor("attgan", path=path)


@pytest.mark.parametrize("broken", ["config", "width", "networks"])
def test_weights_that_do_not_fit_their_receipt(game, tmp_path, broken):
    path, networks = tmp_path / "attgan.safetensors", game.inference_networks()
    receipt = {"paper": "attgan", "config": game.config()}
    if broken == "config":
        del receipt["config"]
    elif broken == "width":
        receipt["config"]["width"] = 4
    else:
        networks = {"encoder": networks["encoder"]}
    save_weights(path, networks, receipt)
    with pytest.raises(WeightsError, match=r"does not fit AttGAN.*fedit export"):
        load_editor("attgan", path=path)


def test_a_receipt_that_is_not_json(file):
    file.with_suffix(".json").write_text("not a receipt")
    with pytest.raises(WeightsError):
        load_editor("attgan", path=file)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ([], r"attgan\.json is not a receipt \(it holds a list"),
        ({}, r"attgan\.json is not a receipt \(it lacks 'sha256'"),
        ({"paper": ["x"]}, r"attgan\.json is not a receipt as .*'paper' is \['x'\], no name.*fedit export"),
        ({"config": []}, r"attgan\.json is not a receipt as .*'config' is a list"),
        ({"runs": {}}, r"attgan\.json is not a receipt as .*'runs' are \{\}, not one run an attribute"),
        ({"runs": []}, r"attgan\.json .*'runs' are \[\]"),
        ({"runs": {"Bald": 1}}, r"attgan\.json .*one of its 'runs' has no 'config'"),
        ({"depth": -1}, r"attgan\.safetensors does not fit AttGAN as its receipt .*IndexError.*fedit export"),
    ],
)
def test_a_receipt_that_somebody_has_edited(file, part, message):
    receipt = json.loads(file.with_suffix(".json").read_text())
    if "depth" in part:
        receipt["config"] |= part
    else:
        receipt = receipt | part if part else part
    file.with_suffix(".json").write_text(json.dumps(receipt))
    with pytest.raises(WeightsError, match=message):
        load_editor("attgan", device="cpu", path=file)


# ------------------------------------------------------------------------------------------- the package


@pytest.mark.parametrize("name", list(PAPERS))
def test_every_paper_has_what_the_library_asks_of_it(name):
    module = PAPERS[name]
    assert module.TITLE and "20" in module.CITATION
    assert set(module.PROFILES) == {"smoke", "laptop", "paper"}
    assert set(module.ATTRIBUTES) <= set(faces.ATTRIBUTES)
    game = module.build("smoke")
    json.dumps(game.config())
    receipt = {"paper": name, "config": json.loads(json.dumps(game.config()))}
    assert module.editor(game.inference_networks(), receipt, device="cpu").attributes == module.ATTRIBUTES


def test_the_package_opens_without_torch():
    """`fedit --help` should not wait for torch; faces and load_editor come on demand."""
    code = "import fedit_lib, sys; print('torch' in sys.modules, fedit_lib.__version__, *dir(fedit_lib))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", __version__, "__version__", "faces", "load_editor"]
    with pytest.raises(AttributeError, match=r"no attribute 'nothing'"):
        import fedit_lib

        _ = fedit_lib.nothing


def test_whatever_a_receipt_does_not_fit_the_file_is_named(file, monkeypatch):
    """But a full GPU is nothing that another file would mend, and an unknown device is no fault of the file."""
    from fedit_lib.papers import attgan

    def build(error):
        def fail(*_, **__):
            raise error

        monkeypatch.setattr(attgan, "editor", fail)

    build(ValueError("too many values to unpack (expected 2)"))
    with pytest.raises(WeightsError, match=rf"{file.name} does not fit AttGAN.*too many values"):
        load_editor("attgan", device="cpu", path=file)
    build(torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
        load_editor("attgan", device="cpu", path=file)
    with pytest.raises(ValueError, match="abacus") as error:
        load_editor("attgan", device="abacus", path=file)
    assert not isinstance(error.value, WeightsError)


@pytest.mark.parametrize(
    ("labels", "strength", "message"),
    [
        (torch.zeros(2, 2), 1.0, r"labels must have shape \(2, 3\)"),
        (torch.zeros(2, 3), "much", "Smiling is set to 'much'"),
        (torch.zeros(2, 3), torch.ones(5), "Smiling is set to tensor"),
        (torch.zeros(2, 3), 5.0, "target strength 5 of Smiling"),
        (torch.zeros(2, 3), None, "Smiling is set to None"),
    ],
)
def test_a_target_that_cannot_be(editor, labels, strength, message):
    with pytest.raises(ValueError, match=message):
        editor.target(labels, Smiling=strength)


def test_a_target_takes_one_strength_or_one_a_face(editor):
    labels = torch.zeros(2, 3)
    assert editor.target(labels, Smiling=1).tolist() == [[0, 0, 1], [0, 0, 1]]
    assert editor.target(labels, Smiling=torch.tensor([0.5, 2.0]))[:, 2].tolist() == [0.5, 2.0]
    assert not labels.any()
    with pytest.raises(TypeError, match="labels must be a torch tensor, not list"):
        editor.target([[0.0, 0.0, 0.0]], Smiling=1.0)
