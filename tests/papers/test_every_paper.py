"""What every paper's module must have, whatever it is about."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path

import pytest
import torch

import fedit_lib
from fedit_lib.data import procedural
from fedit_lib.papers import PAPERS, paper
from fedit_lib.training import Game, Profile, fit

# Other than the constructor's defaults; the game must say so in its config, and be rebuilt from it.
OTHER = {
    "icgan": {"wrong_y": False, "smooth": 0.1},
    "fader": {"lambda_e": 0.07, "dis_moves": 3},
    "attgan": {"mode": "lsgan", "cls_g": 33.0},
    "sagan": {"lambda_1": 3.0, "mask": False},
    "aggan": {"r": 0.3, "attention_guided": False},
    "s2fgan": {"frozen_w": True, "rec": 3.0},
}
RECEIPTS = sorted((Path(fedit_lib.__file__).parent / "weights").glob("*.json"))
each_paper = pytest.mark.parametrize("name", PAPERS)


def small(name: str, **options) -> Game:
    torch.manual_seed(0)
    return paper(name).build("smoke", **options)


@each_paper
@pytest.mark.parametrize("profile", ["smoke", "laptop", "paper"])
def test_profiles_are_complete(name, profile):
    module = paper(name)
    settings: Profile = module.PROFILES[profile]
    assert list(module.PROFILES) == ["smoke", "laptop", "paper"]
    assert settings.name == profile and settings.faces > 0 and settings.steps > 0
    with torch.device("meta"):
        game = module.build(profile)
        again = module.build(dataclasses.replace(settings, name="mine"))
        other = module.build(profile, **OTHER[name])
    assert game.size == settings.size and game.attributes == tuple(module.ATTRIBUTES)
    assert again.config() == game.config()
    assert {k: other.config()[k] for k in OTHER[name]} == OTHER[name]


@each_paper
def test_unknown_profile(name):
    with pytest.raises(ValueError, match=r"'desktop'.*smoke, laptop, paper"):
        paper(name).build("desktop")


@each_paper
def test_config_rebuilds_the_game(name):
    game = small(name, **OTHER[name])
    again = type(game)(**game.config())
    assert again.config() == game.config()
    again.load_state_dict(game.state_dict())


@each_paper
def test_title_and_citation_are_a_readers(name):
    module = paper(name)
    assert module.TITLE.lower() == name and re.search(r"\b(19|20)\d\d\b", module.CITATION)
    assert module.TITLE in module.__doc__ and "\nThe idea. " in module.__doc__


@each_paper
def test_the_smoke_profile_trains_and_its_average_edits(name, tmp_path):
    module = paper(name)
    settings = module.PROFILES["smoke"]
    game = small(name)
    faces = procedural(settings.faces, size=settings.size, attributes=list(module.ATTRIBUTES))
    if arrange := getattr(module, "arrange", None):
        faces = arrange(faces)
    history = fit(
        game,
        faces,
        steps=settings.steps,
        batch_size=settings.batch_size,
        log_every=settings.log_every,
        checkpoint_every=settings.checkpoint_every,
        out=tmp_path,
        device="cpu",
        progress=False,
    )
    assert (tmp_path / "checkpoint.pt").exists()
    played = [value for row in history.rows for value in row.values()]
    assert len(history.terms) > 1 and all(math.isfinite(value) for value in played)
    editor = module.editor(game.averaged_networks(), {"config": game.config()})
    images, labels = faces.batch(torch.arange(3))
    edited = editor.edit(images, labels, 1 - labels)
    assert edited.shape == images.shape and edited.isfinite().all() and edited.abs().max() <= 1
    assert not torch.equal(edited, editor.edit(images, labels, labels))


@pytest.mark.parametrize(
    "receipt", [r for r in RECEIPTS if "oracle" not in r.stem], ids=lambda path: path.stem
)
def test_what_ships_is_of_the_laptop_profile_or_says_where_not(receipt):
    """Who trains by the profile must know whether that gives the weights that ship."""
    whole = json.loads(receipt.read_text(encoding="utf-8"))
    module = paper(whole["paper"])
    for run in (whole.get("runs") or {"": whole}).values():
        options = {"variant": run["config"]["variant"]} if "variant" in run["config"] else {}
        game = module.build("laptop", attributes=run["config"]["attributes"], **options)
        profile = json.loads(json.dumps(game.config()))
        assert set(run["config"]) == set(profile)
        other = {name for name in profile if profile[name] != run["config"][name]}
        assert all(f"-o {name}=" in run["command"] for name in other), other
        assert not other or run.get("note"), f"{other} differ: a note says why"
        rounds = module.PROFILES["laptop"].steps
        assert run["steps"] == rounds or f"--steps {run['steps']}" in run["command"] or run.get("note")
