from __future__ import annotations

import csv
import errno
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from training_toy import TWO_PROCESSES, ToyGame, same, toy_faces

from fedit_lib.training import CheckpointError, Game, History, Player, TrainingDiverged, fit, load_best

HERE = Path(__file__).parent


def train(game: Game, steps: int, out: Path | None = None, **options) -> History:
    options = {
        "batch_size": 4,
        "device": "cpu",
        "progress": False,
        "log_every": 3,
        "checkpoint_every": 7,
    } | options
    return fit(game, toy_faces(), steps=steps, out=out, **options)


class StopsItself(ToyGame):
    """Sends this process a signal after some round, as a user or a scheduler would."""

    def __init__(self, at: int, number: int) -> None:
        super().__init__()
        self.at, self.number = at, number

    def after_round(self, round: int, batch) -> None:
        super().after_round(round, batch)
        if round == self.at:
            os.kill(os.getpid(), self.number)
            time.sleep(0.05)  # Python's handler runs a little later, and two signals by then are one


StopsItself.__name__ = "ToyGame"  # a checkpoint belongs to a game by its class's name


def rows(path: Path) -> list[dict[str, str]]:
    """The log without its clock."""
    with open(path / "log.csv", newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def test_resume_is_exact(tmp_path):
    """20 steps straight equal 10, resume, 10: weights, buffers, averages and log, bit for bit."""
    flat = {"log_every": 5}

    class Steady(ToyGame):  # ramps depend on the planned steps, which differ here
        set_progress = Game.set_progress
        lr_scale = Game.lr_scale

    straight, first, second = Steady(), Steady(), Steady()
    train(straight, 20, tmp_path / "straight", **flat)
    train(first, 10, tmp_path / "resumed", **flat)
    history = train(second, 20, tmp_path / "resumed", **flat)
    assert not same(straight, first)
    assert same(straight, second)
    assert rows(tmp_path / "straight") == rows(tmp_path / "resumed")
    assert history.steps == [5, 10, 15, 20] and second.rounds == list(range(10, 20))
    assert json.loads((tmp_path / "resumed/run.json").read_text())["resumes"] == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_then_resume_is_exact(tmp_path, number):
    """A signal in round 11 (ramps and schedule included) leaves a checkpoint from which the same end is reached."""
    straight, resumed = ToyGame(), ToyGame()
    train(straight, 20, tmp_path / "straight")
    before = signal.signal(number, signal.default_int_handler)  # whatever these tests were started under
    try:
        stopped = train(StopsItself(10, number), 20, tmp_path / "resumed")
        assert stopped.interrupted and signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)
    assert torch.load(tmp_path / "resumed/checkpoint.pt", weights_only=True)["step"] == 11
    history = train(resumed, 20, tmp_path / "resumed")
    assert same(straight, resumed) and not history.interrupted
    assert rows(tmp_path / "straight") == rows(tmp_path / "resumed")


def test_two_signals_at_once_are_one_and_a_later_one_acts(tmp_path, monkeypatch):
    """torchrun passes on the Ctrl-C that the terminal has sent to its processes already."""

    class Twice(StopsItself):
        def after_round(self, round, batch):
            super().after_round(round, batch)
            super().after_round(round, batch)

    Twice.__name__ = "ToyGame"
    assert train(Twice(3, signal.SIGINT), 20, tmp_path / "echo").interrupted
    assert (tmp_path / "echo/checkpoint.pt").exists()
    monkeypatch.setattr("fedit_lib.training.support.ECHO", 0.0)
    # a shell's background job has SIGINT ignored, and gets that back from the loop
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(Twice(3, signal.SIGINT), 20, tmp_path / "later")
    finally:
        signal.signal(signal.SIGINT, before)
    assert not (tmp_path / "later/checkpoint.pt").exists()


def test_without_a_folder_a_signal_ends_the_script():
    """Nothing is kept, so nothing may go on as if the training were done."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(StopsItself(1, signal.SIGINT), 3)
    finally:
        signal.signal(signal.SIGINT, before)


def test_nohup_is_respected(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert not train(StopsItself(1, signal.SIGHUP), 3, tmp_path).interrupted
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_stopped_training_saves_before_it_measures(tmp_path, monkeypatch):
    """Who sends SIGTERM kills some seconds later; measuring the average's statistics may take longer."""

    class Killed(Exception):
        pass

    def settle(self, batches):
        if self.step == 4:
            raise Killed

    monkeypatch.setattr("fedit_lib.training.run.Run.settle", settle)
    with pytest.raises(Killed):
        train(StopsItself(3, signal.SIGTERM), 20, tmp_path)
    monkeypatch.undo()
    straight, resumed = ToyGame(), ToyGame()
    train(straight, 20)
    train(resumed, 20, tmp_path)
    assert same(straight, resumed)


def test_killed_process_resumes_from_its_last_checkpoint(tmp_path):
    """kill -9 in round 12 loses the rounds since step 7; the log is cut back to it, and the end is the same."""
    script = (
        "from pathlib import Path; import signal, sys; import test_loop as t\n"
        "t.train(t.StopsItself(11, signal.SIGKILL), 20, Path(sys.argv[1]))"
    )
    path = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    run = [sys.executable, "-c", script, str(tmp_path / "resumed")]
    done = subprocess.run(run, env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert [row["step"] for row in rows(tmp_path / "resumed")] == ["3", "6", "9"]
    leftover = tmp_path / "resumed/checkpoint.pt.123.tmp"
    leftover.write_bytes(b"half")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as many as there: sums round differently otherwise
    try:
        straight, resumed = ToyGame(), ToyGame()
        train(straight, 20, tmp_path / "straight")
        train(resumed, 20, tmp_path / "resumed")
    finally:
        torch.set_num_threads(threads)
    assert same(straight, resumed) and not leftover.exists()
    assert rows(tmp_path / "straight") == rows(tmp_path / "resumed")


def test_other_peoples_temporary_files_stay(tmp_path):
    own = [f"{name}.123.tmp" for name in ("checkpoint.pt", "best.pt", "log.csv", "run.json")]
    others = ["thesis.tmp", "checkpoint.pt.mine.tmp", "attgan.json.123.tmp"]
    for name in own + others:
        (tmp_path / name).write_text("half")
    train(ToyGame(), 1, tmp_path)
    assert {path.name for path in tmp_path.glob("*.tmp")} == set(others)


def test_finished_training_is_not_played_again(tmp_path):
    train(ToyGame(), 7, tmp_path)
    game = ToyGame()
    history = train(game, 7, tmp_path)
    assert game.rounds == [] and history.steps == [3, 6, 7]


def test_without_resume_the_old_files_are_kept_aside(tmp_path):
    train(ToyGame(), 7, tmp_path)
    game = ToyGame()
    train(game, 3, tmp_path, resume=False)
    assert game.rounds == [0, 1, 2]
    assert torch.load(tmp_path / "checkpoint.old.pt", weights_only=True)["step"] == 7
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 3
    train(ToyGame(), 2, tmp_path, resume=False)  # once more, and nothing is lost
    kept = {
        n: torch.load(tmp_path / f"checkpoint.{n}.pt", weights_only=True)["step"] for n in ("old", "old-2")
    }
    assert kept == {"old": 7, "old-2": 3} and (tmp_path / "log.old-2.csv").exists()


def test_a_folder_belongs_to_one_training(tmp_path):
    """A second one is refused, without a touch of the first one's files, and the lock goes with the training."""

    class Twice(ToyGame):
        refused = ""

        def after_round(self, round, batch):
            super().after_round(round, batch)
            if round == 8:
                live = tmp_path / "checkpoint.pt.1.tmp"
                live.write_bytes(b"half")
                before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
                for resume in (True, False):
                    with pytest.raises(CheckpointError, match="another training is writing to") as error:
                        train(ToyGame(), 20, tmp_path, resume=resume)
                self.refused = str(error.value)
                assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
                live.unlink()

    Twice.__name__ = "ToyGame"
    pytest.importorskip("fcntl")
    game = Twice()
    train(game, 10, tmp_path)
    assert str(tmp_path) in game.refused and "choose another folder" in game.refused
    files = {"checkpoint.pt", "log.csv", "run.json"}
    assert {p.name for p in tmp_path.iterdir()} == files
    (tmp_path / "lock").touch()  # of a process that was killed
    train(ToyGame(), 10, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == files


def test_the_lock_outlives_no_error_and_no_process(tmp_path):
    pytest.importorskip("fcntl")
    with pytest.raises(TrainingDiverged):
        train(ToyGame(lr=1e30), 20, tmp_path)
    assert not (tmp_path / "lock").exists()
    code = (
        "import os, sys, pathlib; from fedit_lib.training.support import FolderLock; "
        "lock = FolderLock(pathlib.Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path]).returncode == -signal.SIGKILL
    assert (tmp_path / "lock").exists()
    train(ToyGame(), 2, tmp_path)
    assert not (tmp_path / "lock").exists()


def test_the_commit_is_that_of_the_code_that_runs(tmp_path, monkeypatch):
    """Not where the checkout stands when a checkpoint is written."""
    heads = iter("abcdefgh")
    monkeypatch.setattr("fedit_lib.training.support.commit", lambda: next(heads))
    train(ToyGame(), 10, tmp_path, checkpoint_every=2)
    assert json.loads((tmp_path / "run.json").read_text())["commit"] == "a"


def test_same_seed_same_run_other_seed_other_run():
    games = [ToyGame() for _ in range(3)]
    for game, seed in zip(games, (5, 5, 6), strict=True):
        train(game, 4, seed=seed)
    assert same(games[0], games[1]) and not same(games[0], games[2])


def test_training_leaves_the_callers_random_numbers_alone():
    torch.manual_seed(3)
    np.random.seed(3)
    expected = torch.rand(2), np.random.rand(2)
    torch.manual_seed(3)
    np.random.seed(3)
    train(ToyGame(), 2)
    assert torch.equal(torch.rand(2), expected[0]) and (np.random.rand(2) == expected[1]).all()


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("player,term", [("critic", "small"), ("generator", "_brightness")])
def test_divergence_names_player_term_and_step(tmp_path, value, player, term):
    class Diverging(ToyGame):
        calls = 0

        def players(self):
            players = super().players()
            for one in players:
                if one.name == player:
                    one.loss = lambda batch, loss=one.loss: {
                        k: self.spoil(k, v) for k, v in loss(batch).items()
                    }
            return players

        def spoil(self, name, value_):
            self.calls += name == term
            return (
                value_ + value if name == term and self.calls > (18 if player == "critic" else 9) else value_
            )

    Diverging.__name__ = "ToyGame"
    train(ToyGame(), 7, tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    game = Diverging()
    with pytest.raises(
        TrainingDiverged, match=f"'{term}' of player '{player}'.*step 17.*untouched"
    ) as caught:
        train(game, 30, tmp_path, checkpoint_every=50)
    assert (caught.value.player, caught.value.term, caught.value.step) == (player, term, 17)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    assert all(v.isfinite().all() for v in game.ema.averages["generator"].values())


def test_broken_weights_never_replace_a_checkpoint(tmp_path):
    """A gradient can be NaN where the loss is not: the weights are looked at before they are saved."""

    class Breaks(ToyGame):
        def after_round(self, round, batch):
            if round == 8:
                with torch.no_grad():
                    self.generator[0].weight[0, 0, 0, 0] = math.nan

    Breaks.__name__ = "ToyGame"
    train(ToyGame(), 7, tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(TrainingDiverged, match=r"generator\.0\.weight"):
        train(Breaks(), 9, tmp_path)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_full_disk_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    train(ToyGame(), 7, tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with (
        monkeypatch.context() as patch,
        pytest.raises(CheckpointError, match=r"disk is full.*intact.*Free some space"),
    ):
        patch.setattr("fedit_lib.training.history.atomic_write", lambda *_: None)  # the log is written first
        patch.setattr("fedit_lib.training.run.atomic_write", lambda *_: None)
        patch.setattr(os, "fsync", full)
        train(ToyGame(), 14, tmp_path)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    assert not list(tmp_path.glob("*.tmp"))
    resumed, straight = ToyGame(), ToyGame()
    assert train(resumed, 14, tmp_path).steps[-1] == 14
    train(straight, 7, tmp_path / "other")
    train(again := ToyGame(), 14, tmp_path / "other")
    assert same(resumed, again)


def test_full_disk_while_the_log_is_written(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(History, "append_last", full)
    with pytest.raises(
        CheckpointError, match=r"log of step 3 could not be written.*There is no checkpoint yet.*Free"
    ):
        train(ToyGame(), 7, tmp_path)


def test_checkpoint_of_changed_networks_is_named(tmp_path):
    train(ToyGame(), 3, tmp_path)

    class Changed(ToyGame):
        def __init__(self):
            super().__init__()
            self.critic = torch.nn.Conv2d(3, 1, 3)

    Changed.__name__ = "ToyGame"
    with pytest.raises(
        CheckpointError, match=r"(?s)does not fit this game's networks.*--no-resume \(resume=False\)"
    ):
        train(Changed(), 6, tmp_path)


def test_keep_best_keeps_the_highest_number(tmp_path):
    scores = {2: 0.3, 4: 0.9, 6: 0.5, 8: math.nan, 10: 0.8}
    seen = {}

    def validate(game, step):
        seen[step] = game.averaged_networks()["generator"].state_dict()
        return {"score": scores[step]}

    options = {"validate": validate, "validate_every": 2, "keep_best": "score", "checkpoint_every": 6}
    train(ToyGame(), 6, tmp_path, **options)
    train(ToyGame(), 10, tmp_path, **options)  # the best so far survives a resume
    fresh = ToyGame()
    assert load_best(tmp_path, fresh) == (4, 0.9)
    assert all(torch.equal(seen[4][k], v) for k, v in fresh.generator.state_dict().items())
    with pytest.raises(ValueError, match="keep_best is 'accuracy', but the validation gives score"):
        train(ToyGame(), 2, tmp_path / "other", **(options | {"keep_best": "accuracy"}))
    for half in ({}, {"validate": options["validate"]}, {"out": tmp_path / "none"}):
        with pytest.raises(ValueError, match=r"keep_best needs validate.*and out"):
            train(ToyGame(), 2, keep_best="score", **half)
    with pytest.raises(CheckpointError, match="belongs to another game"):
        load_best(tmp_path, ToyGame(width=3))
    with pytest.raises(CheckpointError, match="there is no"):
        load_best(tmp_path / "nowhere", ToyGame())


@pytest.mark.parametrize(
    "change,named",
    [
        ({"game": ToyGame(width=5)}, "the option width is 6 there and 5 here"),
        ({"batch_size": 5}, "batch_size is 4 there and 5 here"),
        ({"seed": 1}, "seed"),
        ({"flip": False}, "flip"),
    ],
)
def test_checkpoint_of_another_training_is_refused(tmp_path, change, named):
    train(ToyGame(), 3, tmp_path)
    options = dict(change)
    game = options.pop("game", None) or ToyGame()
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(CheckpointError, match=rf"{named}.*--no-resume \(resume=False\)"):
        train(game, 6, tmp_path, **options)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_checkpoint_of_other_faces_is_refused(tmp_path):
    train(ToyGame(), 3, tmp_path)
    with pytest.raises(CheckpointError, match=r"attributes is \['a', 'b'\] there and \['b'\] here"):
        fit(
            ToyGame(),
            toy_faces().subset(["b"]),
            steps=6,
            batch_size=4,
            out=tmp_path,
            device="cpu",
            progress=False,
        )


@pytest.mark.parametrize("damage", ["half", "empty", "foreign", "pickle"])
def test_damaged_checkpoint_is_named(tmp_path, damage):
    train(ToyGame(), 3, tmp_path)
    file = tmp_path / "checkpoint.pt"
    whole = file.read_bytes()
    if damage == "half":
        file.write_bytes(whole[: len(whole) // 2])
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "foreign":
        torch.save({"weights": torch.ones(2)}, file)
    else:
        torch.save(
            {"format": 1, "config": {}, "run": print}, file
        )  # would call a function if it were unpickled
    with pytest.raises(
        CheckpointError, match=r"checkpoint\.pt is damaged or not a checkpoint.*--no-resume \(resume=False\)"
    ):
        train(ToyGame(), 6, tmp_path)


def test_only_the_moving_player_changes_and_needs_gradients():
    class Watching(ToyGame):
        turns = ("critic",)

        def critic_loss(self, batch):
            assert all(p.requires_grad for p in self.critic.parameters())
            assert not any(p.requires_grad for p in self.generator.parameters())
            return super().critic_loss(batch)

    game, fresh = Watching(norm=False), Watching(norm=False)
    game.generator[0].bias.requires_grad_(False)
    train(game, 3)
    assert all(
        torch.equal(a, b)
        for a, b in zip(game.generator.parameters(), fresh.generator.parameters(), strict=True)
    )
    assert not torch.equal(game.critic[0].weight, fresh.critic[0].weight)
    assert not game.generator[0].bias.requires_grad and game.generator[0].weight.requires_grad


@pytest.mark.parametrize(("steady", "rate"), [(False, 0.05), (True, 0.1)])
def test_one_step_is_adam_on_the_sum_of_the_terms(steady, rate):
    """The terms are summed, "_" terms are not, and the rate is lr, times lr_scale unless the player is steady."""

    class Line(Game):
        turns = ("one",)

        def __init__(self):
            super().__init__()
            self.point = torch.nn.Linear(1, 1, bias=False)
            torch.nn.init.zeros_(self.point.weight)

        def players(self):
            return [Player("one", (self.point,), self.loss, lr=0.1, steady=steady)]

        def lr_scale(self, progress):
            return 0.5

        def loss(self, batch):
            w = self.point.weight.sum()
            return {"a": -3 * w, "b": 1 * w, "_c": 100 * w}

    game = Line()
    history = train(game, 1)
    # Adam's first step is the rate, against the gradient's sign
    assert game.point.weight.item() == pytest.approx(rate)
    assert set(history.terms) == {"one/a", "one/b", "one/_c"}


def test_clip_bounds_the_gradient():
    class Steep(ToyGame):
        def players(self):
            critic, generator = super().players()
            generator.loss = lambda batch: {"steep": 1e4 * self.generator(batch.images).mean()}
            return [critic, generator]

        def after_round(self, round, batch):
            self.norm = torch.stack(
                [p.grad.norm() for p in self.generator.parameters() if p.grad is not None]
            ).norm()

    game = Steep()
    train(game, 1)
    assert game.norm.item() == pytest.approx(1.0, rel=1e-3)


def test_log_averages_between_points(tmp_path):
    class Counting(ToyGame):
        def generator_loss(self, batch):
            return {"count": 0 * self.generator(batch.images).mean() + len(self.rounds)}

    history = train(Counting(), 8, tmp_path, log_every=4)
    assert history.terms["generator/count"] == [1.5, 5.5]
    assert history.steps == [4, 8] and history.seconds > 0
    again = History.read(tmp_path)
    assert again.steps == history.steps and again.terms == history.terms


def test_validation_is_logged_and_does_not_disturb(tmp_path):
    seen = []

    def validate(game, step):
        seen.append((step, torch.is_grad_enabled()))
        game.eval()
        return {"score": torch.rand(()) * 0 + step}

    plain, validated = ToyGame(), ToyGame()
    train(plain, 8)
    history = train(validated, 8, tmp_path, validate=validate, validate_every=4)
    assert same(plain, validated)
    assert seen == [(4, False), (8, False)] and history.steps == [3, 4, 6, 8]
    score = history.terms["valid/score"]
    assert [s for s in score if s == s] == [4.0, 8.0]


def test_learning_happens_and_averages_follow():
    class Copy(ToyGame):
        turns = ("generator",)

        def generator_loss(self, batch):
            return {"reconstruction": (self.generator(batch.images) - batch.images).abs().mean()}

        lr_scale = Game.lr_scale

    game = Copy(norm=False, lr=1e-2)
    history = train(game, 120, log_every=40)
    first, *_, last = history.terms["generator/reconstruction"]
    assert last < 0.6 * first
    batch = toy_faces().batch(slice(0, 8))
    present = game.generator(batch.images)
    with game.averaged():
        averaged = game.generator(batch.images)
    assert not torch.equal(present, averaged) and torch.equal(present, game.generator(batch.images))
    shipped = game.averaged_networks()["generator"]
    assert torch.equal(shipped(batch.images), averaged) and not shipped.training
    assert (averaged - batch.images).abs().mean() < 0.6 * first


@pytest.mark.parametrize("precision,layout", [("bf16-mixed", False), ("32-true", True)])
def test_precision_and_layout(precision, layout):
    game = ToyGame()
    history = train(game, 3, precision=precision, channels_last=layout)
    assert history.steps == [3] and game.generator[0].weight.dtype == torch.float32
    assert game.generator[0].weight.is_contiguous(memory_format=torch.channels_last) == layout


def test_two_processes_agree_and_equal_one_on_both_batches(tmp_path):
    """gloo: averaged gradients of two halves are the gradient of the whole; a signal to one stops both."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])]),
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    run = [*TWO_PROCESSES, str(HERE / "two_processes.py"), str(tmp_path)]
    done = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    one, two = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(2))
    for name in ("union", "noisy"):
        assert all(torch.equal(one[name][key], two[name][key]) for key in one[name]), name
    assert all(torch.equal(one["resumed"][key], one["noisy"][key]) for key in one["noisy"])
    assert one["drawn"] != two["drawn"]
    assert one["stopped"] == two["stopped"] == [True, 5]
    assert one["validated"] == [3, 6] and two["validated"] == []
    from two_processes import Halves, union_game

    game = union_game()
    fit(game, Halves(0, 1, 8), steps=5, batch_size=8, device="cpu", progress=False)
    for key, value in game.state_dict().items():
        torch.testing.assert_close(one["union"][key], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "options,message",
    [
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1"),
        ({"log_every": 0}, "log_every"),
        ({"precision": "16"}, "unknown precision '16': choose 32-true or bf16-mixed"),
        ({"device": "tpu"}, "unknown device 'tpu': choose auto"),
    ],
)
def test_arguments_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        train(ToyGame(), 2, **options)


def test_fabric_run_launches_the_processes_itself(monkeypatch):
    monkeypatch.setenv("LT_CLI_USED", "1")
    assert train(ToyGame(), 2).steps == [2]


def test_mistakes_in_a_game_are_named():
    class Stranger(ToyGame):
        turns = ("critic", "judge")

    class Twins(ToyGame):
        def players(self):
            return [super().players()[0]] * 2

    class Detached(ToyGame):
        def critic_loss(self, batch):
            return {"adversarial": self.critic(batch.images).mean().detach()}

    class Unreduced(ToyGame):
        def critic_loss(self, batch):
            return {"adversarial": self.critic(batch.images)}

    for game, message in (
        (Stranger(), "turns name 'judge', but the players are critic, generator"),
        (Twins(), "two players have the same name"),
        (Detached(), "'critic' does not depend on its networks.*detach"),
        (Unreduced(), "term 'adversarial' of player 'critic' must be a tensor with one number"),
    ):
        with pytest.raises(ValueError, match=message):
            train(game, 1)


def test_buffers_that_no_state_dict_keeps_have_no_average():
    """A network may compute a constant grid, say; the batch statistics beside it are measured all the same."""
    game = ToyGame()
    game.generator.register_buffer("grid", torch.ones(3), persistent=False)
    train(game, 5)
    assert "grid" not in game.ema.averages["generator"] and torch.equal(game.generator.grid, torch.ones(3))
    assert len(game.ema.statistics()) == 2
    mean = game.ema.averages["generator"]["1.running_mean"]
    assert not torch.equal(mean, torch.zeros_like(mean))


def test_faces_with_other_labels_than_the_game_plays_are_refused(tmp_path):
    """As many columns, other names: the editor would say that it edits what it never saw."""
    named, faces = ToyGame(), toy_faces()
    options = {"steps": 1, "batch_size": 4, "device": "cpu", "progress": False, "out": tmp_path / "run"}
    named.attributes = tuple(reversed([*faces.attributes, "Other"]))[: len(faces.attributes)]
    with pytest.raises(ValueError, match=r"this game takes them for Other.*faces\.subset\(\['Other'"):
        fit(named, faces, **options)
    with pytest.raises(ValueError, match="has no faces"):
        fit(ToyGame(), faces[:0], **options)
    assert not (tmp_path / "run").exists()
    named.attributes = faces.attributes
    fit(named, faces, **options)
