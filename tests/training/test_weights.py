from __future__ import annotations

import errno
import json
import os

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from fedit_lib.training import WeightsError, load_weights, save_weights


@pytest.fixture
def networks():
    return {"encoder": nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), "decoder": nn.Linear(5, 2)}


def test_round_trip(tmp_path, networks):
    path = tmp_path / "toy.safetensors"
    written = save_weights(path, networks, {"paper": "toy", "seed": 3})
    states, receipt = load_weights(path)
    assert (
        receipt == written and receipt["seed"] == 3 and receipt["networks"] == {"encoder": 120, "decoder": 12}
    )
    assert receipt["bytes"] == path.stat().st_size
    for name, network in networks.items():
        for key, value in network.state_dict().items():
            expected = value.half().float() if value.is_floating_point() else value
            assert torch.equal(states[name][key], expected) and states[name][key].dtype == expected.dtype
        network.load_state_dict(states[name])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["toy.json", "toy.safetensors"]


def damage(path, how):
    content, receipt = path.read_bytes(), path.with_suffix(".json")
    if how == "truncated":
        path.write_bytes(content[:-10])
    elif how == "changed":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif how == "no receipt":
        receipt.unlink()
    elif how == "broken receipt":
        receipt.write_text("{")
    elif how == "empty receipt":
        receipt.write_text("[]")
    elif how == "missing":
        path.unlink()
    elif how == "foreign":
        path.write_bytes(b"this is no safetensors file at all")
        record(path)
    elif how == "other library":
        save_file({"weight": torch.ones(2)}, path)
        record(path)


def record(path):
    import hashlib

    path.with_suffix(".json").write_text(
        json.dumps({"sha256": hashlib.sha256(path.read_bytes()).hexdigest()})
    )


@pytest.mark.parametrize(
    "how,message",
    [
        ("truncated", "not the file its receipt describes.*bytes for"),
        ("changed", "not the file its receipt describes"),
        ("no receipt", "no receipt toy.json"),
        ("broken receipt", "toy.json is not a receipt"),
        ("empty receipt", "toy.json is not a receipt"),
        ("missing", "no weights at"),
        ("foreign", "not a safetensors file"),
        ("other library", "'weight', which names no network"),
    ],
)
def test_damage_is_named_with_the_fix(tmp_path, networks, how, message):
    path = tmp_path / "toy.safetensors"
    save_weights(path, networks, {})
    damage(path, how)
    with pytest.raises(WeightsError, match=message):
        load_weights(path)


def test_limit_holds_for_writing_and_reading(tmp_path, networks):
    path = tmp_path / "toy.safetensors"
    with pytest.raises(WeightsError, match=r"more than the 0.0001 MB"):
        save_weights(path, networks, {}, limit_mb=0.0001)
    assert not list(tmp_path.iterdir())
    save_weights(path, networks, {})
    with pytest.raises(WeightsError, match="narrower networks"):
        load_weights(path, limit_mb=0.0001)
    assert save_weights(path, {"big": nn.Linear(2100, 2100)}, {}, limit_mb=None)["bytes"] > 8e6
    with pytest.raises(WeightsError, match=r"8\.8 MB"):
        load_weights(path)


@pytest.mark.parametrize("content", ['{"steps": 5, "command": "fedit train"}', "[]", "sha256", "7", ""])
def test_a_file_that_is_no_receipt_keeps_its_place(tmp_path, networks, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(
        WeightsError, match=r"run\.safetensors would get the receipt .*run\.json.*move that file"
    ):
        save_weights(tmp_path / "run.safetensors", networks, {"run": 1})
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"] and (
        tmp_path / "run.json"
    ).read_text() == content


def test_weights_too_large_for_half_precision(tmp_path, networks):
    with torch.no_grad():
        networks["decoder"].weight[0, 0] = 1e5
    with pytest.raises(WeightsError, match=r"decoder\.weight is not finite"):
        save_weights(tmp_path / "toy.safetensors", networks, {})


def test_full_disk_leaves_both_old_files(tmp_path, networks, monkeypatch):
    path = tmp_path / "toy.safetensors"
    save_weights(path, networks, {"run": 1})
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WeightsError, match="disk is full"):
        save_weights(path, networks, {"run": 2})
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_names(tmp_path, networks):
    with pytest.raises(ValueError, match="safetensors"):
        save_weights(tmp_path / "toy.pt", networks, {})
    with pytest.raises(ValueError, match="must not contain"):
        save_weights(tmp_path / "toy.safetensors", {"a/b": nn.Linear(1, 1)}, {})


@pytest.mark.parametrize("first", [True, False])
def test_a_receipt_that_cannot_get_its_name_takes_the_weights_back(tmp_path, networks, monkeypatch, first):
    path, replace = tmp_path / "toy.safetensors", os.replace
    if not first:
        save_weights(path, networks, {"run": 1})
        with torch.no_grad():
            networks["decoder"].weight.zero_()
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def refuse(source, target):
        if str(target).endswith(".json"):
            raise PermissionError(errno.EACCES, "in use by another process")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(WeightsError, match=r"could not be written.*in use"):
        save_weights(path, networks, {"run": 2})
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
