"""From a profile to a run and its weights: the best networks are kept, and they are what ships."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fedit_lib.course import runs
from fedit_lib.data import procedural
from fedit_lib.papers import attgan
from fedit_lib.training import fit


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three rounds, of which the middle one is said to be the best."""
    monkeypatch.setattr(runs, "VALIDATION_FACES", 4)
    game = attgan.build("smoke")
    measured = runs._validation(attgan, game.size)

    def validate(game, step):
        scores = measured(game, step)
        return {**scores, "region_psnr": {1: 1.0, 2: 3.0, 3: 2.0}[step]}

    faces = procedural(32, size=game.size, attributes=attgan.ATTRIBUTES)
    fit(
        game,
        faces,
        steps=3,
        batch_size=4,
        device="cpu",
        out=tmp_path,
        progress=False,
        validate=validate,
        validate_every=1,
        keep_best="region_psnr",
    )
    return tmp_path


def test_validation_logs_the_designs_scores(run: Path) -> None:
    header = (run / "log.csv").read_text().splitlines()[0]
    for name in ("accuracy", "preservation", "region_psnr", "leakage", "reconstruction_psnr"):
        assert f"valid/{name}" in header


def test_what_ships_is_the_best_not_the_last(run: Path) -> None:
    name, best, facts = runs.load_run(run)
    _, last, _ = runs.load_run(run, best=False)
    assert (name, facts["step"], facts["steps_trained"]) == ("attgan", 2, 3)
    kept = torch.load(run / "best.pt", weights_only=True)["networks"]["decoder"]
    shipped, final = (g.averaged_networks()["decoder"].state_dict() for g in (best, last))
    assert all(torch.equal(shipped[k], kept[k]) for k in kept)
    assert not all(torch.equal(final[k], kept[k]) for k in kept)


def test_an_exported_run_is_an_editor_with_a_receipt(run: Path, tmp_path: Path) -> None:
    from fedit_lib import load_editor

    path = runs.export(run, to=tmp_path / "shipped" / "attgan.safetensors", faces=0)
    editor = load_editor("attgan", path=path, device="cpu")
    assert editor.receipt["steps"] == 2 and editor.receipt["steps_trained"] == 3
    assert editor.receipt["source"] == "procedural" and editor.attributes == attgan.ATTRIBUTES
