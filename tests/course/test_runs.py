"""From a profile to a run and its weights: the best networks are kept, and they are what ships."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner

from fedit_lib import evaluation, papers
from fedit_lib.cli import app
from fedit_lib.course import runs
from fedit_lib.course.editors import SLIDER_FACES
from fedit_lib.data import procedural
from fedit_lib.papers import attgan
from fedit_lib.training import EMA, CheckpointError, fit


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
        profile="smoke",
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


def test_a_smoke_run_never_takes_the_place_of_shipped_weights(run: Path, tmp_path: Path, monkeypatch) -> None:
    from fedit_lib import papers

    monkeypatch.setattr(papers, "WEIGHTS", tmp_path / "weights")
    with pytest.raises(ValueError, match=r"a smoke run is no weight to ship.*--to FILE"):
        runs.export(run, faces=0)
    assert not (tmp_path / "weights").exists()


def test_a_model_of_photographs_never_takes_the_place_of_shipped_weights(
    run: Path, tmp_path: Path, monkeypatch
) -> None:
    from fedit_lib import papers

    private = shutil.copytree(run, tmp_path / "private")
    facts = json.loads((private / "run.json").read_text())
    facts |= {"profile": "laptop", "faces": "folder-holidays-train", "source": "folder"}
    (private / "run.json").write_text(json.dumps(facts))
    monkeypatch.setattr(papers, "WEIGHTS", tmp_path / "weights")
    with pytest.raises(ValueError, match=r"trained on photographs.*--to FILE"):
        runs.export(private, faces=0)
    assert not (tmp_path / "weights").exists()


def test_weights_of_ones_own_may_be_large(run: Path, tmp_path: Path, monkeypatch) -> None:
    from fedit_lib import papers
    from fedit_lib.training import weights

    monkeypatch.setattr(weights, "LIMIT_MB", 0.001)
    assert runs.export(run, to=tmp_path / "mine.safetensors", faces=0).stat().st_size > 1000
    monkeypatch.setattr(papers, "WEIGHTS", tmp_path)
    with pytest.raises(weights.WeightsError, match="ship with the course"):
        runs.export(run, to=tmp_path / "ours.safetensors", faces=0)


def test_an_exported_run_is_an_editor_with_a_receipt(run: Path, tmp_path: Path) -> None:
    from fedit_lib import load_editor

    path = runs.export(run, to=tmp_path / "shipped" / "attgan.safetensors", faces=0)
    editor = load_editor("attgan", path=path, device="cpu")
    assert editor.receipt["steps"] == 2 and editor.receipt["steps_trained"] == 3
    assert editor.receipt["source"] == "procedural" and editor.attributes == attgan.ATTRIBUTES


def test_a_receipts_command_asks_what_its_scores_answer(run: Path, tmp_path: Path, monkeypatch) -> None:
    exams = []

    def fake(editor, faces, seed, slider_faces, **settings):  # type: ignore[no-untyped-def]
        exams.append((editor, faces, seed, slider_faces))
        return SimpleNamespace(to_json=lambda: "{}", table=lambda: "no scores")

    monkeypatch.setattr(evaluation, "evaluate", fake)
    monkeypatch.chdir(tmp_path)
    path = runs.export(run, to=tmp_path / "my own.safetensors", faces=3, slider_faces=2, seed=5, device="cpu")
    asked = json.loads(path.with_suffix(".json").read_text())["scores_command"]
    assert asked == "fedit evaluate 'my own.safetensors' --faces 3 --seed 5 --slider-faces 2"
    found = CliRunner().invoke(app, [*shlex.split(asked)[1:], "--device", "cpu"])
    assert found.exit_code == 0, found.output
    (exported, *then), (named, *now) = exams
    assert now == then
    for key, value in exported.networks["decoder"].state_dict().items():
        assert torch.equal(named.networks["decoder"].state_dict()[key], value)


@pytest.mark.parametrize("name", papers.EDITORS)
def test_a_shipped_receipts_command_is_that_of_its_scores(name: str) -> None:
    receipt = json.loads((papers.WEIGHTS / f"{name}.json").read_text())
    about = receipt["scores"]["about"]
    asked = f"fedit evaluate {name} --faces {about['faces']} --seed {about['seed']}"
    if about["slider_faces"] != SLIDER_FACES:
        asked += f" --slider-faces {about['slider_faces']}"
    assert receipt["scores_command"] == asked


# ------------------------------------------------------------------------------- several runs, one file


@pytest.fixture(scope="module")
def one_each(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    for seed, attribute in enumerate(("Smiling", "Bangs")):
        runs.train(
            "sagan",
            profile="smoke",
            out=folder / attribute,
            device="cpu",
            seed=seed,
            steps=2,
            attributes=[attribute],
        )
    runs.train(
        "attgan", profile="smoke", out=folder / "attgan", device="cpu", steps=1, attributes=["Smiling"]
    )
    return {path.name: path for path in folder.iterdir()}


def test_runs_of_one_attribute_each_become_one_editor(one_each: dict[str, Path], tmp_path: Path) -> None:
    from fedit_lib import load_editor
    from fedit_lib.training.weights import load_weights

    order = [one_each["Smiling"], one_each["Bangs"]]
    path = runs.export(order, to=tmp_path / "sagan.safetensors", faces=0)
    states, receipt = load_weights(path)
    assert set(states) == {"Smiling.amn", "Smiling.san", "Bangs.amn", "Bangs.san"}
    assert receipt["config"]["attributes"] == ["Smiling", "Bangs"] and receipt["config"]["size"] == 32
    assert {a: (r["seed"], r["steps"]) for a, r in receipt["runs"].items()} == {
        "Smiling": (0, 2),
        "Bangs": (1, 2),
    }
    assert receipt["steps"] == 4 and "seed" not in receipt and receipt["source"] == "procedural"
    assert receipt["seconds"] == pytest.approx(sum(r["seconds"] for r in receipt["runs"].values()))
    editor = load_editor("sagan", device="cpu", path=path)
    assert editor.attributes == ("Smiling", "Bangs")

    alone = {a: runs.load_run_editor(one_each[a], device="cpu") for a in editor.attributes}
    images = procedural(3, size=32).batch(torch.arange(3)).images
    zero, one = torch.zeros(3, 1), torch.ones(3, 1)
    expected = alone["Bangs"].edit(alone["Smiling"].edit(images, zero, one), zero, one)
    joined = editor.edit(images, torch.zeros(3, 2), torch.ones(3, 2))
    assert (joined - expected).abs().max() < 0.02  # stored in half precision
    assert (joined - images).abs().max() > 0.02


def test_runs_that_do_not_fit_together(one_each: dict[str, Path], run: Path, tmp_path: Path) -> None:
    to = tmp_path / "x.safetensors"
    smiling, bangs = one_each["Smiling"], one_each["Bangs"]
    for folders, message in (
        ([smiling, smiling], "more than one run edits Smiling"),
        ([bangs, one_each["attgan"]], "different papers.*attgan is attgan"),
        ([run, one_each["attgan"]], "13 attributes.*one each"),
        ([], "no run"),
    ):
        with pytest.raises(ValueError, match=message):
            runs.export(folders, to=to, faces=0)
    other = tmp_path / "Bangs"
    runs.train("attgan", profile="smoke", out=other, device="cpu", steps=1, attributes=["Bangs"])
    with pytest.raises(ValueError, match="one model for all"):
        runs.export([one_each["attgan"], other], to=to, faces=0)
    assert not to.exists()


def test_validation_leaves_out_what_a_model_cannot_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """One attribute has no others to preserve; `fit` logs numbers only."""
    from fedit_lib.papers import sagan

    monkeypatch.setattr(runs, "VALIDATION_FACES", 4)
    scores = runs._validation(sagan, 32)(sagan.build("smoke").eval(), 1)
    assert "preservation" not in scores and {"accuracy", "leakage", "mask_ap"} <= set(scores)
    assert all(isinstance(value, float) for value in scores.values())


def test_a_run_may_start_from_another_of_its_paper(run: Path, tmp_path: Path, capsys) -> None:
    options = {"profile": "smoke", "device": "cpu", "steps": 1, "attributes": ["Bangs"]}
    fresh, warm = tmp_path / "fresh", tmp_path / "warm"
    for out, start in ((fresh, None), (warm, run)):
        runs.train("attgan", out=out, start_from=start, **options)
    _, before, state = runs.load_checkpoint(run / "checkpoint.pt")
    names = [k for k, v in before.state_dict().items() if k.startswith("encoder") and v.ndim == 4]
    gone = {}
    for out in (fresh, warm):
        after = runs.load_checkpoint(out / "checkpoint.pt")[1].state_dict()
        gone[out] = sum((after[k] - before.state_dict()[k]).abs().mean().item() for k in names)
    assert gone[warm] < 0.5 * gone[fresh]  # one round from where the other stopped
    said = capsys.readouterr().out
    assert "starts with" in said and f"(round {state['step']})" in said
    runs.train("attgan", out=warm, start_from=run, **(options | {"steps": 2}))
    assert "starts with" not in capsys.readouterr().out  # it goes on from its own
    # what depends on the number of attributes has another shape, and begins at random
    with pytest.raises(ValueError, match="attgan; a training of fader"):
        runs.train("fader", profile="smoke", out=tmp_path / "other", device="cpu", start_from=run)
    with pytest.raises(FileNotFoundError, match="checkpoint"):
        runs.train("attgan", out=tmp_path / "none", start_from=tmp_path / "nothing", **options)
    with pytest.raises(ValueError, match="oracle starts from nothing"):
        runs.train("oracle", out=tmp_path / "oracle", start_from=run)


@pytest.mark.parametrize("name", papers.PAPERS)
def test_a_start_takes_what_was_learned_and_no_pools_counters_or_flags(name: str, tmp_path: Path) -> None:
    paper = papers.paper(name)
    options = (
        {"frozen_w": True} if name == "s2fgan" else {}
    )  # W is a buffer then: the encoders learned to read it
    before, game = paper.build("smoke", **options), paper.build("smoke", **options)
    for value in before.state_dict().values():
        value.uniform_(0.5, 1) if value.is_floating_point() else value.fill_(1)
    config = {"game": paper.TITLE, "options": before.config()}
    state = {"config": config, "game": before.state_dict(), "ema": None, "step": 3}
    torch.save(state, tmp_path / "checkpoint.pt")
    fresh = {key: value.clone() for key, value in game.state_dict().items()}
    runs._begin_with(game, name, tmp_path)
    for key, value in game.state_dict().items():
        expected = state["game"] if value.is_floating_point() else fresh
        assert torch.equal(value, expected[key]), key
    if name == "aggan":
        assert not game.pool_y.count and not game.pool_x.pictures.any() and not game.met.any()
    if name == "s2fgan":
        assert torch.equal(game.mapping.w, before.mapping.w)


@pytest.mark.parametrize("name", papers.PAPERS)
def test_what_a_game_was_built_with_can_be_asked_for(name: str) -> None:
    paper = papers.paper(name)
    config = paper.build("smoke").config()
    asked = {k: v for k, v in config.items() if k not in ("attributes", "variant")}
    assert runs._checked_options(paper, asked) == asked and len(asked) > 5


def test_a_training_with_other_options_than_its_profiles(run: Path, tmp_path: Path) -> None:
    settings = {
        "profile": "smoke",
        "device": "cpu",
        "steps": 1,
        "attributes": ["Bangs"],
        "out": tmp_path / "a",
    }
    runs.train("sagan", options={"lambda_2": 300, "size": 64}, **settings)
    _, game, state = runs.load_checkpoint(tmp_path / "a" / "checkpoint.pt")
    assert game.lambda_2 == 300 and game.size == 64 and state["config"]["size"] == 64
    changed = "another training: the option lambda_2 is 300 there and 25 here"  # a run keeps its options ...
    with pytest.raises(CheckpointError, match=changed):
        runs.train("sagan", options={"lambda_2": 25, "size": 64}, **(settings | {"steps": 2}))
    # ... another may begin with its weights
    more = settings | {"out": tmp_path / "b", "start_from": tmp_path / "a"}
    runs.train("sagan", options={"lambda_2": 25, "size": 64}, **more)
    assert runs.load_checkpoint(tmp_path / "b" / "checkpoint.pt")[1].lambda_2 == 25


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lamda_2": 3.0}, "SaGAN has no option 'lamda_2'; did you mean lambda_2?"),
        ({"zzz": 3.0}, "no option 'zzz'; it has: size, width"),
        ({"attributes": ["Bangs"]}, "no option 'attributes'"),
        ({"lambda_2": "much"}, "the option lambda_2 of SaGAN is a number, not 'much'"),
        ({"lambda_2": True}, "is a number, not True"),
        ({"mask": 1}, "mask of SaGAN is true or false, not 1"),
        ({"width": 8.5}, "width of SaGAN is a whole number, not 8.5"),
        ({"width": None}, "width of SaGAN is a whole number, not None"),
        ({"san_width": "8"}, "san_width of SaGAN is a whole number"),
        ({"lambda_2": float("nan")}, "the option lambda_2 of SaGAN must be finite, not nan"),
        ({"lambda_2": float("-inf")}, "the option lambda_2 of SaGAN must be finite, not -inf"),
        ({"lambda_2": -1}, "lambda_2 is -1; it must be 0 or more"),
    ],
)
def test_options_that_no_game_takes(tmp_path: Path, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        runs.train("sagan", profile="smoke", out=tmp_path / "x", device="cpu", options=options)


def test_the_oracle_has_no_options(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="oracle has no options"):
        runs.train("oracle", profile="smoke", out=tmp_path / "x", device="cpu", options={"size": 32})


@pytest.mark.parametrize("content", [b'{"step" 3}', b"\xff\xfe", b"3", b"[1, 2]"])
def test_a_damaged_run_json_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"run\.json is damaged.*writes it anew"):
        runs.load_run(tmp_path)


@pytest.mark.parametrize("content", ["{}", '{"faces": 3}'])
def test_a_run_json_that_lacks_what_a_receipt_needs_is_named(run: Path, content: str) -> None:
    (run / "run.json").write_text(content)
    with pytest.raises(
        CheckpointError, match=r"run\.json is damaged \(it does not say which faces\): give the command"
    ):
        runs.load_run_editor(run, device="cpu")


def test_a_folder_without_a_run_is_told_from_one_that_lost_its_run_json(tmp_path: Path) -> None:
    from fedit_lib.course import editors

    with pytest.raises(FileNotFoundError, match=r"holds no run\.json: give the run folder"):
        editors.find(str(tmp_path))
    (tmp_path / "checkpoint.pt").touch()
    with pytest.raises(FileNotFoundError, match=r"holds a checkpoint, but no run\.json: give the command"):
        editors.find(str(tmp_path))


@pytest.mark.parametrize("part", ["options", "game", "ema"])
def test_a_checkpoint_of_another_version_is_named(tmp_path: Path, part: str) -> None:
    game = attgan.build("smoke")
    game.ema = EMA(game.inference_networks(), 0.9)
    state = {
        "config": {"game": attgan.TITLE, "options": game.config()},
        "game": game.state_dict(),
        "ema": game.ema.state_dict(),
    }
    path = tmp_path / "checkpoint.pt"
    torch.save(state, path)
    assert runs.load_checkpoint(path)[0] == "attgan"
    if part == "options":
        state["config"]["options"]["forgotten"] = 1
    elif part == "game":
        state["game"] = dict(list(state["game"].items())[1:])
    else:
        del state["ema"]["updates"]
    torch.save(state, path)
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt does not fit attgan.*train again") as error:
        runs.load_checkpoint(path)
    assert len(str(error.value)) < 600
