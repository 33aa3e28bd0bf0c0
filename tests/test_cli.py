"""The command line: every command answers, errors are one line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fedit_lib.cli import app
from fedit_lib.course import editors, runs

COMMANDS = "train export evaluate leaderboard doctor lab bench course exercises data".split()


def fedit(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(w) for w in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, " ".join(result.output.split())


@pytest.mark.parametrize(
    "command", [*COMMANDS, "course run", "course execute", "exercises build", "data celeba", "data folder"]
)
def test_every_command_explains_itself(command: str) -> None:
    code, text = fedit(*command.split(), "--help")
    assert code == 0 and re.search(rf"Usage: \w+ {command} ", text), text


def test_help_does_not_wait_for_torch() -> None:
    code = "import sys, fedit_lib.cli; print(sorted({'torch', 'IPython', 'papermill'} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["train", "stargan"], "s2fgan, oracle"),
        (["train", "attgan", "--profile", "huge"], "smoke, laptop, paper"),
        (["train", "attgan", "--profile", "smoke", "--attributes", "Eyeglases"], "Eyeglasses"),
        (["train", "attgan", "--profile", "smoke", "--source", "imagenet"], "procedural"),
        (["train", "oracle", "--source", "celeba"], "img_align_celeba"),
        (["train", "oracle", "--attributes", "Smiling"], "no --attributes"),
        (
            ["evaluate", "attgan", "--source", "celeba"],
            "fedit train oracle --source celeba --root ROOT --out RUN",
        ),
        (["evaluate", "attgan", "--source", "imagenet"], "procedural, celeba, folder"),
        (["evaluate", "attgan", "--split", "valid"], "--source"),
        (["evaluate", "attgan", "--oracle", "no/such/run"], "should hold one oracle, but there is none"),
        (["data", "folder", "--root", "no/such/folder"], "there is no folder"),
        (["evaluate", "stargan", "--faces", "2"], "s2fgan-dec, nothing, truth"),
        (["evaluate", "no_such_module:Editor", "--faces", "2"], "no_such_module"),
        (["evaluate", "json:Editor", "--faces", "2"], "Editor"),
        (["export", "no/such/run"], "run.json"),
        (["export", "no/such/run", "nor/this"], "run.json"),
        (["course", "run", "-p", "epochs"], "NAME=VALUE"),
    ],
)
def test_an_error_is_one_line_with_the_fix_and_exit_code_2(
    words: list[str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if words[0] == "train":
        words = [*words, "--out", str(tmp_path / "run")]
    monkeypatch.chdir(tmp_path)  # where no data/ lies
    if words[0] == "course":
        (tmp_path / "notebooks").mkdir()
        (tmp_path / "pyproject.toml").touch()
        (tmp_path / "notebooks" / "one.ipynb").touch()
    code, text = fedit(*words)
    assert code == 2, text
    assert text.startswith("fedit: ") and named in text and "Traceback" not in text


def test_debug_shows_the_traceback() -> None:
    with pytest.raises(ValueError, match="stargan"):
        fedit("--debug", "train", "stargan")


def test_train_resume_export_and_load(tmp_path: Path) -> None:
    from fedit_lib import load_editor

    out, weights = tmp_path / "run", tmp_path / "attgan.safetensors"
    words = ["train", "attgan", "--profile", "smoke", "--device", "cpu", "--out", out]
    code, text = fedit(*words, "--steps", 2)
    assert code == 0, text
    code, text = fedit(*words, "--steps", 3)
    assert code == 0, text
    assert json.loads((out / "run.json").read_text())["resumes"] == 1
    code, text = fedit(*words, "--seed", 5)
    assert code == 2 and "seed is 0 there and 5 here" in text

    code, text = fedit("export", out, "--to", weights, "--faces", 0)
    assert code == 0, text
    editor = load_editor("attgan", device="cpu", path=weights)
    receipt = editor.receipt
    assert (receipt["paper"], receipt["source"], receipt["steps"], receipt["seed"]) == (
        "attgan",
        "procedural",
        3,
        0,
    )
    for known in ("command", "commit", "versions", "hardware", "seconds", "sha256", "config"):
        assert known in receipt
    assert str(tmp_path) not in json.dumps(receipt), "a receipt must not name this machine's folders"
    assert editors.find(str(out), device="cpu").attributes == editor.attributes


def test_the_same_seed_trains_the_same_weights(tmp_path: Path) -> None:
    import torch

    states = []
    for name in ("a", "b"):
        runs.train("attgan", profile="smoke", out=tmp_path / name, device="cpu", seed=3, steps=1)
        _, game, _ = runs.load_run(tmp_path / name)
        states.append(game.state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_a_damaged_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "checkpoint.pt").write_bytes(b"half")
    code, text = fedit("export", tmp_path)
    assert code == 2 and "damaged" in text


def test_an_editor_of_ones_own_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_own_editor.py").write_text("class Mine:\n    attributes = ('Smiling',)\nmade = Mine()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert editors.find("my_own_editor:Mine").attributes == ("Smiling",)
    assert editors.find("my_own_editor:made").attributes == ("Smiling",)
    assert editors.find("nothing", attributes=["Bangs"]).attributes == ("Bangs",)
    assert len(editors.find("truth", faces=3, attributes=["Bangs"]).people) == 3


def test_a_receipts_scores_are_used_only_for_the_same_exam() -> None:
    class Shipped:
        receipt = {"scores": {"about": {"faces": 1000, "seed": 0}, "fid": 1.0}}  # noqa: RUF012

    assert editors._scores_of_receipt(Shipped(), 1000, 0) == Shipped.receipt["scores"]
    assert editors._scores_of_receipt(Shipped(), 100, 0) is None
    assert editors._scores_of_receipt(Shipped(), 1000, 1) is None
    assert editors._scores_of_receipt(object(), 1000, 0) is None


def test_course_run_says_what_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fedit_lib.course import run

    (tmp_path / "notebooks" / "0_start").mkdir(parents=True)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "notebooks" / "0_start" / "01_one.ipynb").touch()
    monkeypatch.chdir(tmp_path)
    seen = {}

    def fake(found, parameters, **options):  # type: ignore[no-untyped-def]
        seen.update(parameters)
        return [run.Result("0_start/01_one.ipynb", seen["status"], 1.0, "cell In [2]", "ValueError: no")]

    monkeypatch.setattr(run, "run", fake)
    code, text = fedit("course", "run", "--seed", 4, "-p", "status=failed", "-p", "flag=true")
    assert code == 1 and "cell In [2]" in text and "ValueError: no" in text
    assert seen == {"profile": "smoke", "device": "auto", "seed": 4, "status": "failed", "flag": True}
    assert fedit("course", "run", "-p", "status=passed")[0] == 0
    code, text = fedit("course", "run", "stargan")
    assert code == 2 and "0_start" in text


def test_bench_measures_everything(tmp_path: Path) -> None:
    code, text = fedit(
        "bench", "--quick", "--repeats", 1, "--device", "cpu", "--json", tmp_path / "bench.json"
    )
    assert code == 0, text
    measured = json.loads((tmp_path / "bench.json").read_text())
    assert measured["device"] == "cpu" and len(measured["results"]) == 6
    assert {row["unit"] for row in measured["results"].values()} == {"faces/s", "images/s", "ms"}
    assert all(row["value"] > 0 for row in measured["results"].values())
