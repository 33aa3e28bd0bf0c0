"""The command line: every command answers, errors are one line."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from fedit_lib import papers
from fedit_lib.cli import app
from fedit_lib.course import editors, runs
from fedit_lib.data import Batch

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
        (["evaluate", "attgan", "--faces", "2", "--device", "cuda:99"], "CUDA device"),
        (["bench", "--device", "gpu"], "choose auto, cpu, cuda, cuda:1 or mps"),
        (["export", "no/such/run"], "run.json"),
        (["export", "no/such/run", "nor/this"], "run.json"),
        (["course", "run", "-p", "epochs"], "NAME=VALUE"),
        (["course", "run", "--profile", "big"], "there is no profile 'big'; there are: smoke, laptop, paper"),
        (["course", "run", "-p", "profile=big"], "there are: smoke, laptop, paper"),
        (["train", "attgan", "--profile", "smoke", "--root", "photos"], "--source (source=) too, celeba or"),
        (["train", "oracle", "--profile", "smoke", "--root", "photos"], "--source (source=) too, celeba or"),
        (["train", "attgan", "--profile", "smoke", "--out", "file"], "file is a file: name a folder"),
        (["train", "oracle", "--profile", "smoke", "--out", "file"], "file is a file: name a folder"),
        (["evaluate", "nothing", "--json", "."], "--json: . is a folder: name a file in it"),
        (["leaderboard", "--json", "file/x"], "file is a file, not a folder"),
        (["leaderboard", "--plot", "."], "--plot: . is a folder"),
        (["bench", "--json", "."], "--json: . is a folder"),
        (["doctor", "--json", "."], "--json: . is a folder"),
        (["export", "run", "--to", "."], "--to: . is a folder"),
        (["course", "run", "--out", "file"], "file is a file: name a folder"),
        (["course", "book", "--out", "file"], "file is a file: name a folder"),
        (["course", "run", ""], "the name of a notebook is empty: name one, a folder or a series"),
        (["evaluate", ":"], "':' names no editor: give file.py:Class or module:Class"),
        (["evaluate", "own.py:"], "'own.py:' names no editor: give file.py:Class"),
        (["evaluate", "./own:Mine"], "'./own:Mine' names no editor: give file.py:Class"),
        (["export", "run", "--to", "own.safetensors"], "own.safetensors would get the receipt own.json, but"),
    ],
)
def test_an_error_is_one_line_with_the_fix_and_exit_code_2(
    words: list[str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if words[0] == "train" and "--out" not in words:
        words = [*words, "--out", str(tmp_path / "run")]
    monkeypatch.chdir(tmp_path)  # where no data/ lies
    (tmp_path / "file").touch()
    (tmp_path / "own.json").write_text('{"somebody": "else\'s"}')
    if words[0] == "course":
        (tmp_path / "notebooks").mkdir()
        (tmp_path / "pyproject.toml").touch()
        (tmp_path / "notebooks" / "one.ipynb").touch()
    code, text = fedit(*words)
    assert code == 2, text
    assert text.startswith("fedit: ") and named in text and "Traceback" not in text


@pytest.mark.parametrize("command", ["build --seed 1", "nbgrader", "handout"])
def test_exercises_are_not_written_into_a_file(command: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, text = fedit("exercises", *command.split(), "--to", tmp_path / "file/x")
    assert code == 2 and "x cannot be written: " in text and "file is a file, not a folder" in text


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("train attgan --profile smoke", "--out"),
        ("course run", "--out"),
        ("course book", "--out"),
        ("exercises build --seed 1", "--to"),
        ("exercises nbgrader", "--to"),
        ("exercises handout", "--to"),
    ],
)
def test_an_empty_name_is_not_the_current_folder(
    command: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("notebooks", "here"):
        (tmp_path / name).mkdir()
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path / "here")
    code, text = fedit(*command.split(), option, "")
    assert code == 2 and f"'{option}': the name is empty: name a folder" in text
    assert not list(Path().iterdir())


@pytest.mark.parametrize("command", ["build", "nbgrader", "handout"])
@pytest.mark.parametrize("seed", [-1, 10**20])
def test_a_variants_seed_is_one_that_its_checks_can_take(command: str, seed: int, tmp_path: Path) -> None:
    code, text = fedit("exercises", command, "--seed", seed, "--to", tmp_path / "x")
    assert code == 2 and "--seed" in text and "or equal to" in text
    assert not (tmp_path / "x").exists()


def test_a_number_of_faces_to_export_with_is_not_negative() -> None:
    code, text = fedit("export", "no/such/run", "--faces", -4)
    assert code == 2 and "--faces" in text and "greater than or equal to 0" in text


def test_a_warning_is_one_line_without_source_code(tmp_path: Path) -> None:
    (tmp_path / "warner.py").write_text(
        "import warnings\nfrom fedit_lib import cli\nfrom fedit_lib.course import doctor\n"
        "def warn(root):\n    warnings.warn('that is odd', stacklevel=1)\n    return []\n"
        "doctor.examine = warn\ncli.main()\n"
    )
    for words, line in (([], "fedit: warning: that is odd\n"), (["--debug"], "warnings.warn('that is odd'")):
        shown = subprocess.run(
            [sys.executable, tmp_path / "warner.py", *words, "doctor"],
            capture_output=True, text=True, check=True, env={**os.environ, "PYTHONWARNINGS": ""},
        )  # fmt: skip
        assert (line == shown.stderr) if not words else (line in shown.stderr), shown.stderr


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


def test_a_training_that_is_killed_and_stopped_ends_as_if_it_never_was(tmp_path: Path, root: Path) -> None:
    """kill -9, then SIGTERM, each in the middle of `fedit train`; the same command, once more, ends with the weights
    of a training that nothing disturbed.
    """
    import torch

    words = ["train", "sagan", "--profile", "smoke", "--device", "cpu", "--steps", "16", "--out"]
    checkpoint = tmp_path / "cut/checkpoint.pt"
    command = [sys.executable, "-m", "fedit_lib.cli", *words, str(tmp_path / "cut")]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    steps, threads = [], torch.get_num_threads()
    for number, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 130)):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        running = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=-1, stderr=-1, text=True)
        while running.poll() is None and not (checkpoint.exists() and checkpoint.stat().st_mtime_ns > before):
            time.sleep(0.01)
        running.send_signal(number)
        said = running.communicate(timeout=120)
        assert running.returncode == code, said
        steps.append(torch.load(checkpoint, weights_only=True)["step"])
    assert "the same command goes on from there" in said[1]
    assert 2 <= steps[0] < steps[1] < 16
    torch.set_num_threads(1)  # as many as there: sums round differently otherwise
    try:
        for name in ("cut", "straight"):
            code, text = fedit(*words, tmp_path / name)
            assert code == 0, text
    finally:
        torch.set_num_threads(threads)
    cut, straight = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("cut", "straight")
    )
    assert cut["facts"]["resumes"] == 2 and straight["facts"]["resumes"] == 0
    for kind in ("game", "optimisers", "ema"):
        _equal(cut[kind], straight[kind])


def _equal(one: object, two: object) -> None:
    """Bit for bit, through dicts and lists."""
    import torch

    if isinstance(one, dict):
        assert one.keys() == two.keys()
        for key in one:
            _equal(one[key], two[key])
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, two)
    else:
        assert one == two


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the checkpoint does not fit, then there is room again."""
    import resource

    import torch

    words = ["train", "attgan", "--profile", "smoke", "--device", "cpu", "--out", tmp_path]
    assert fedit(*words, "--steps", 2)[0] == 0
    before = (tmp_path / "checkpoint.pt").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        code, text = fedit(*words, "--steps", 4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 2 and "no checkpoint could be written at step 4" in text
    assert "the last checkpoint is intact. Free some space" in text and "the same command" in text
    assert (tmp_path / "checkpoint.pt").read_bytes() == before and not list(tmp_path.glob("*.tmp"))
    assert fedit(*words, "--steps", 4)[0] == 0
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 4


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


def test_an_editor_of_ones_own_may_import_its_neighbour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "its_neighbour.py").write_text("NAMES = ('Smiling',)\n")
    (folder / "with_neighbour.py").write_text(
        "from its_neighbour import NAMES\n"
        "class Mine:\n"
        "    attributes = NAMES\n"
        "    def edit(self, images, labels, target): ...\n"
        "    def reconstruct(self, images, labels): ...\n"
    )
    monkeypatch.setattr(sys, "path", sys.path.copy())
    assert editors.find(f"{folder / 'with_neighbour.py'}:Mine").attributes == ("Smiling",)


@pytest.mark.parametrize("name", ["2026-10-01T12:30", "me@clean", "me@uni.ch"])
def test_a_run_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    run = tmp_path / name
    run.mkdir()
    with pytest.raises(FileNotFoundError, match=r"run\.json"):  # an empty one, but it was looked into
        editors.find(str(run))


def test_an_editor_of_ones_own_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_own_editor.py").write_text(
        "class Mine:\n"
        "    attributes = ('Smiling',)\n"
        "    def edit(self, images, labels, target): ...\n"
        "    def reconstruct(self, images, labels): ...\n"
        "made = Mine()\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert editors.find("my_own_editor:Mine").attributes == ("Smiling",)
    assert editors.find("my_own_editor:made").attributes == ("Smiling",)
    assert editors.find("my_own_editor.py:Mine").attributes == ("Smiling",)
    assert editors.find("nothing", attributes=["Bangs"]).attributes == ("Bangs",)
    assert len(editors.find("truth", faces=3, attributes=["Bangs"]).people) == 3


EXAMPLE = "notebooks/7_compare/assets/my_editor.py:AveragePaste"


def test_the_examples_editor_joins_the_board(tmp_path: Path, root: Path, monkeypatch) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setattr(papers, "EDITORS", ())  # scoring the others is not the point
    monkeypatch.setattr(editors, "BASELINES", ("nothing",))
    code, text = fedit("leaderboard", "--add", EXAMPLE, "--faces", 8, "--json", tmp_path / "board.json")
    assert code == 0, text
    board = json.loads((tmp_path / "board.json").read_text())
    scores = {row["name"]: row for row in board["editors"]}
    assert set(scores) == {EXAMPLE, "nothing"}
    assert scores[EXAMPLE]["accuracy"] > scores["nothing"]["accuracy"]
    assert scores[EXAMPLE]["parameters"] == 4 * 3 * 64 * 64


def test_the_notebooks_name_of_the_example_is_its_name(root: Path, monkeypatch) -> None:
    monkeypatch.chdir(root / "notebooks/7_compare/assets")
    text = (root / "notebooks/7_compare/04_your_own_model.ipynb").read_text(encoding="utf-8")
    names = set(re.findall(r"fedit \w+ (?:--add )?(my_editor:\w+)", text))
    assert names
    for name in names:
        assert editors.find(name).attributes


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("attributes = ('Smiling',)\n    def edit(self, a, b, c): ...", "no method reconstruct"),
        ("attributes = ('Smiling',)\n    def reconstruct(self, a, b): ...", "no method edit"),
        ("def edit(self, a, b, c): ...\n    def reconstruct(self, a, b): ...", "attributes must list"),
        ("def __init__(self, weights): ...", "could not be made without arguments"),
        ("pass", "there is no file"),
    ],
)
def test_what_an_editor_of_ones_own_lacks_is_named(tmp_path: Path, body: str, named: str) -> None:
    (tmp_path / "own.py").write_text(f"class Own:\n    {body}\n")
    file = tmp_path / ("other.py" if "no file" in named else "own.py")
    code, text = fedit("leaderboard", "--add", f"{file}:Own", "--faces", 2)
    assert code == 2 and text.startswith("fedit: ") and named in text


LINES = """
import torch
class Own:
    attributes = ("Smiling",)
    def __init__(self): {0}
    def edit(self, images, labels, target): {1}
    def reconstruct(self, images, labels): {2}
"""


@pytest.mark.parametrize(
    ("bodies", "named"),
    [
        (("self.", "...", "..."), "own.py:Own: line 5: SyntaxError: invalid syntax"),
        (
            ("import no_such", "...", "..."),
            "line 5, in __init__: ModuleNotFoundError: No module named 'no_such'",
        ),
        (("self.edit(1)", "...", "..."), "line 5, in __init__: TypeError: Own.edit() missing 2"),
        (("...", "return self.net(images)", "..."), "line 6, in edit: AttributeError: 'Own' object has no"),
        (("...", "return torch.cat(3)", "..."), "line 6, in edit: TypeError: cat(): argument 'tensors'"),
        (
            ("...", "return images", "raise NotImplementedError"),
            "line 7, in reconstruct: NotImplementedError (",
        ),
        (("...", "raise SystemExit(0)", "..."), "line 6, in edit: SystemExit: 0"),
    ],
)
@pytest.mark.parametrize("command", [["evaluate"], ["leaderboard", "--add"]])
def test_an_error_in_an_editor_of_ones_own_is_named_with_its_line(
    tmp_path: Path, command: list[str], bodies: tuple[str, ...], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(papers, "EDITORS", ())
    file = tmp_path / "own.py"
    file.write_text(LINES.format(*bodies))
    words = [*command, f"{file}:Own", "--faces", 2]
    code, text = fedit(*words)
    said = text[text.index("fedit: ") :]  # behind what is left of a progress bar
    assert code == 2 and said.startswith(f"fedit: {file}:Own: line ") and named in said, text
    assert "--debug" in said and "Traceback" not in said
    with pytest.raises(ValueError, match=r"own\.py:Own") as error:
        fedit("--debug", *words)
    assert type(error.value.__cause__).__name__ in named


def test_an_error_while_an_editors_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "its_helper.py").write_text("\n\nnet = None.shape\n")
    (tmp_path / "its_owner.py").write_text("import no_such_package\n")
    (tmp_path / "its_user.py").write_text("import its_helper\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    absent = "line 1: ModuleNotFoundError: No module named 'no_such_package'"
    helper = "its_helper.py, line 3: AttributeError: 'NoneType' object has no attribute 'shape'"
    for name, named in (
        ("its_owner.py:Own", absent),
        ("its_owner:Own", absent),
        ("its_user.py:Own", helper),
    ):
        code, text = fedit("evaluate", name, "--faces", 2)
        assert code == 2 and text.startswith(f"fedit: {name}: {named}"), text


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        ("edit(self, images, target)", "takes (self, images, target) (line 3)"),
        ("edit(images, labels, target)", "takes (images, labels, target) (line 3)"),
        ("edit(self, images, labels, target, strength)", "labels, target, strength) (line 3)"),
    ],
)
def test_an_edit_that_takes_other_arguments_is_named_at_once(tmp_path: Path, edit: str, named: str) -> None:
    body = f"    attributes = ('Smiling',)\n    def {edit}: ...\n    def reconstruct(self, images, labels): ...\n"
    (tmp_path / "own.py").write_text(f"class Own:\n{body}")
    code, text = fedit("evaluate", f"{tmp_path / 'own.py'}:Own")
    wanted = "own.py:Own: Own.edit must take (self, images, labels, target), but "
    assert code == 2 and wanted in text and named in text, text


def test_an_error_in_the_last_thing_asked_comes_before_the_whole_exam(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    (tmp_path / "own.py").write_text(
        LINES.format("...", f"open({str(seen)!r}, 'a').write(f'{{len(images)}} '); return images", "return 3")
    )
    code, text = fedit("evaluate", f"{tmp_path / 'own.py'}:Own", "--faces", 300)
    assert code == 2 and "Own.reconstruct must return a tensor (2, 3, 64, 64)" in text
    assert set(seen.read_text().split()) == {"2"}


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
    seen, places = {}, []

    def fake(found, parameters, **options):  # type: ignore[no-untyped-def]
        seen.update(parameters)
        places.append(options["out"].relative_to(tmp_path).as_posix())
        return [run.Result("0_start/01_one.ipynb", seen["status"], 1.0, "cell In [2]", "ValueError: no")]

    monkeypatch.setattr(run, "run", fake)
    code, text = fedit("course", "run", "--seed", 4, "-p", "status=failed", "-p", "flag=true")
    assert code == 1 and "cell In [2]" in text and "ValueError: no" in text
    assert seen == {"profile": "smoke", "device": "auto", "seed": 4, "status": "failed", "flag": True}
    assert fedit("course", "run", "-p", "status=passed")[0] == 0
    assert fedit("course", "run", "-p", "status=passed", "-p", "profile=laptop")[0] == 0
    assert places == ["build/course/smoke", "build/course/smoke", "build/course/laptop"]
    code, text = fedit("course", "run", "stargan")
    assert code == 2 and "0_start" in text


def test_bench_measures_everything(tmp_path: Path) -> None:
    code, text = fedit(
        "bench", "--quick", "--repeats", 1, "--device", "cpu", "--json", tmp_path / "bench.json"
    )
    assert code == 0, text
    measured = json.loads((tmp_path / "bench.json").read_text())
    assert measured["device"] == "cpu" and measured["quick"] and len(measured["results"]) == 10
    assert text.count("A quick look: few pictures, smoke profiles") == 2, "over each of the two tables"
    assert (
        "fedit bench --quick: " in text
        and "32 px" in text
        and "laptop" not in text
        and "paper size" not in text
    )
    assert {row["unit"] for row in measured["results"].values()} == {"faces/s", "images/s", "ms", "s"}
    assert all(row["value"] >= 0 for row in measured["results"].values())
    assert list(measured["rounds"]) == list(papers.PAPERS)
    assert all(row["seconds_a_round"] > 0 for row in measured["rounds"].values())
    assert "| AttGAN | 8 | 3 |" in text


def test_only_a_quick_bench_is_called_one() -> None:
    from fedit_lib.course import bench

    measured = {"quick": False, "hardware": "x", "threads": 1, "precision": "p", "results": {}, "rounds": {}}
    assert bench.table(measured).caption is None and "quick" not in bench.rounds_table(measured)
    measured["quick"] = True
    assert bench.table(measured).caption == bench.QUICK and bench.rounds_table(measured).startswith(
        bench.QUICK
    )


def test_the_bench_times_rounds_of_every_phase_of_a_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock of its own: a move of its first half takes 1 s, of its second 3 s; all else must not count."""
    import torch
    from training_toy import ToyGame

    from fedit_lib.course import bench
    from fedit_lib.training import Profile

    clock, seen = [0.0], []
    monkeypatch.setattr(bench, "time", SimpleNamespace(perf_counter=lambda: clock[0]))

    class Clocked(ToyGame):
        def set_progress(self, progress: float) -> None:
            super().set_progress(progress)
            seen.append(progress)
            self.turns = ("critic", "generator") if progress < 0.5 else ("generator",)
            self.takes = 1 if progress < 0.5 else 3
            clock[0] += 100

        def critic_loss(self, batch: Batch) -> dict:
            clock[0] += self.takes
            return super().critic_loss(batch)

        def generator_loss(self, batch: Batch) -> dict:
            clock[0] += self.takes
            return super().generator_loss(batch)

        def after_round(self, number: int, batch: Batch) -> None:
            super().after_round(number, batch)
            clock[0] += 1000

    paper = SimpleNamespace(ATTRIBUTES=("Bangs",), build=lambda settings: Clocked())
    settings = Profile("smoke", 16, 9, 2, 8, 1, 1)
    timed = bench._seconds_a_round(paper, settings, torch.device("cpu"), "32-true", 2)
    assert seen == [0.25, 0.25, 0.75]  # the first warms up
    assert timed == ((2 + 3) / 2, 1.5)
