"""The bookkeeping of one training: its log, its checkpoints, and going on from them."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fedit_lib.data import FaceSet
from fedit_lib.data.files import atomic_write

from . import support
from .checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from .game import EMA, Game
from .history import History

if TYPE_CHECKING:
    from lightning_fabric import Fabric


FILES = ("checkpoint.pt", "best.pt", "log.csv", "run.json")  # that a training writes into its folder


class TrainingDiverged(RuntimeError):
    """A loss term or a weight is no longer finite. ``player``, ``term`` and ``step`` (from 1) say where."""

    def __init__(self, player: str, term: str, step: int, value: float, last: str) -> None:
        super().__init__(
            f"training diverged: {term!r} of player {player!r} is {value} at step {step}. {last} "
            f"A lower learning rate, a smaller weight on that term or gradient clipping usually helps."
        )
        self.player, self.term, self.step = player, term, step


class Run:
    """The state of one training: what moves, what is logged, what a checkpoint holds."""

    def __init__(
        self,
        fabric: Fabric,
        game: Game,
        faces: FaceSet,
        steps: int,
        batch_size: int,
        seed: int,
        out: str | Path | None,
        *,
        flip: bool,
        facts: dict[str, Any],
    ) -> None:
        self.fabric, self.game, self.faces, self.steps, self.batch_size = (
            fabric,
            game,
            faces,
            steps,
            batch_size,
        )
        self.flip, self.out, self.step, self.history = flip, None if out is None else Path(out), 0, History()
        self.players = {player.name: player for player in game.players()}
        self.optimisers = {
            name: torch.optim.Adam(player.parameters(), lr=player.lr, betas=player.betas)
            for name, player in self.players.items()
        }
        game.ema = None if game.ema_decay is None else EMA(game.inference_networks(), game.ema_decay)
        self.generator = support.seed_random(seed, fabric.global_rank)
        self.config = {  # what must be the same for a resume to make sense
            "game": type(game).__name__,
            "options": json.loads(json.dumps(game.config())),
            "turns": list(game.turns),
            "faces": getattr(faces, "name", type(faces).__name__),
            "number": len(faces) if hasattr(faces, "__len__") else None,
            "size": getattr(faces, "size", None),
            "attributes": list(getattr(faces, "attributes", ())),
            "batch_size": batch_size,
            "seed": seed,
            "flip": flip,
        }
        self.facts = {**facts, "processes": fabric.world_size, "resumes": 0, "best": None}
        self.started, self.seconds_before = time.perf_counter(), 0.0
        # now: the checkout may move on while this code runs
        self.commit = support.commit() if self.writes else None
        self.lock: support.FolderLock | None = None

    @property
    def seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self.started

    @property
    def writes(self) -> bool:
        """Only the first process writes files."""
        return self.out is not None and self.fabric.is_global_zero

    def open(self, resume: bool) -> None:
        """Goes on from the checkpoint, if there is one to go on from. Until `release` the folder is this training's."""
        if self.out is None:
            return
        if self.writes:
            with self.clear_error():
                self.out.mkdir(parents=True, exist_ok=True)
                self.lock = support.FolderLock(self.out)
        path = self.out / "checkpoint.pt"
        if resume and path.exists():
            self.restore(read_checkpoint(path, self.config))
        self.fabric.barrier()  # nobody writes before everybody has read
        if not self.writes:
            return
        for name in FILES:  # what a process left that was killed while it wrote (see `atomic_path`)
            for leftover in self.out.glob(f"{name}.[0-9]*.tmp"):
                leftover.unlink()
        if not resume:
            self._put_aside()
        with self.clear_error():
            self.history.write(
                self.out / "log.csv"
            )  # what was logged after the checkpoint will be played again
            self.write_facts()

    def _put_aside(self) -> None:
        """The earlier training's files become NAME.old.EXT, or .old-2 and so on: what was put aside once stays."""
        marks = ("old" if n == 1 else f"old-{n}" for n in itertools.count(1))
        taken = {path.name for path in self.out.iterdir()}
        renamed = next(
            names
            for mark in marks
            if not taken & set(names := [f"{Path(name).stem}.{mark}{Path(name).suffix}" for name in FILES])
        )
        for name, aside in zip(FILES, renamed, strict=True):
            if name in taken:
                (self.out / name).replace(self.out / aside)

    def record(self, played: list[tuple[str, dict[str, Tensor]]]) -> None:
        """Adds a round's terms to the log, in one transfer from the device, and stops where one is not finite."""
        names = [(player, term) for player, terms in played for term in terms]
        # A term that is only logged may have been made on the CPU.
        values = torch.stack(
            [value.float().to(self.fabric.device) for _, terms in played for value in terms.values()]
        )
        support.average_over_processes(self.fabric, [values])  # so that all processes stop together
        for (player, term), value in zip(names, values.tolist(), strict=True):
            if not math.isfinite(value):
                raise TrainingDiverged(player, term, self.step + 1, value, self.last_checkpoint())
            self.history.add(f"{player}/{term}", value)

    def log(self, scores: dict[str, float], average: bool = True) -> None:
        """A row of the log: the averages since the last one, and the validation's numbers if there are any."""
        self.history.close_row(self.step, self.seconds, scores, average)
        if self.writes:
            with self.clear_error():
                self.history.append_last(self.out / "log.csv")

    def totals(self) -> dict[str, str]:
        """The sum of each player's terms in the last row, for the progress bar."""
        row, sums = self.history.rows[-1], {}
        for name, value in row.items():
            player, _, term = name.partition("/")
            if player in self.players and not term.startswith("_"):
                sums[player] = sums.get(player, 0.0) + value
        return {player: f"{total:.3g}" for player, total in sums.items()}

    def settle(self, batches: int) -> None:
        """The average gets batch statistics of its own; what that draws at random does not change the training.

        Of as many batches, but no more than there were rounds: a try of three rounds should take no longer than they.
        """
        before = support.random_state(self.fabric.device)
        generator = torch.Generator().manual_seed(self.fabric.global_rank)
        try:
            self.game.settle(
                lambda: self.faces.draw(self.batch_size, generator, self.flip), min(batches, self.step)
            )
            if self.game.ema is not None:  # each process measured pictures of its own
                support.average_over_processes(self.fabric, self.game.ema.statistics())
        finally:
            support.restore_random_state(before, self.fabric.device)

    def validate(
        self, validate: Callable[[Game, int], dict[str, float]], keep_best: str | None
    ) -> dict[str, float]:
        """The validation's numbers; what it draws at random does not change the training."""
        if not self.fabric.is_global_zero:
            return {}
        before = support.random_state(self.fabric.device)
        try:
            with torch.no_grad():
                scores = {name: float(value) for name, value in validate(self.game, self.step).items()}
        finally:
            support.restore_random_state(before, self.fabric.device)
        if keep_best is not None:
            if keep_best not in scores:
                raise ValueError(f"keep_best is {keep_best!r}, but the validation gives {', '.join(scores)}")
            score, best = scores[keep_best], self.facts["best"]
            if math.isfinite(score) and (best is None or score > best):
                networks = {
                    name: network.state_dict() for name, network in self.game.averaged_networks().items()
                }
                kept = {"step": self.step, "score": score, "config": self.config, "networks": networks}
                write_checkpoint(self.out / "best.pt", kept)
                self.facts["best"] = score
        return {f"valid/{name}": value for name, value in scores.items()}

    def save(self) -> None:
        """Writes the checkpoint and run.json."""
        random_states = support.gather(self.fabric, support.random_state(self.fabric.device, self.generator))
        own = {k: v.cpu() for k, v in self.game.state_dict().items() if not v.is_floating_point()}
        own_states = support.gather(self.fabric, own)  # pools of pictures: each process keeps its own
        for name, value in self.game.state_dict().items():
            if isinstance(value, Tensor) and value.is_floating_point() and not value.isfinite().all():
                raise TrainingDiverged(
                    "all", f"weights of {name}", self.step, math.nan, self.last_checkpoint()
                )
        if not self.writes:
            return
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "config": self.config,
            "facts": self.facts,
            "game": self.game.state_dict(),
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "ema": None if self.game.ema is None else self.game.ema.state_dict(),
            "history": self.history.state_dict(),
            "random": random_states,
            "own": own_states[1:],  # the first one's stand in "game"
        }
        write_checkpoint(self.out / "checkpoint.pt", state)
        with self.clear_error():
            self.write_facts()

    def restore(self, state: dict[str, Any]) -> None:
        """The reverse of `save`."""
        try:
            self.game.load_state_dict(state["game"])
            for name, optimiser in self.optimisers.items():
                optimiser.load_state_dict(state["optimisers"][name])
            if self.game.ema is not None:
                self.game.ema.load_state_dict(state["ema"])
        except (RuntimeError, KeyError, ValueError, TypeError) as error:  # the code has changed since
            reason = " ".join(str(error).split("\n")[:2])  # torch lists every tensor that does not fit
            raise CheckpointError(
                f"the checkpoint in {self.out} does not fit this game's networks ({reason}): start over with "
                f"--no-resume (resume=False)"
            ) from error
        self.history.load_state_dict(state["history"])
        self.step, self.seconds_before = state["step"], state["seconds"]
        self.facts["resumes"], self.facts["best"] = state["facts"]["resumes"] + 1, state["facts"].get("best")
        if self.fabric.global_rank < len(
            state["random"]
        ):  # more processes than before: the new ones start afresh
            mine = state["random"][self.fabric.global_rank]
            support.restore_random_state(mine, self.fabric.device, self.generator)
        if 0 < self.fabric.global_rank <= len(own := state.get("own", [])):
            self.game.load_state_dict(own[self.fabric.global_rank - 1], strict=False)

    def last_checkpoint(self) -> str:
        exists = self.out is not None and (self.out / "checkpoint.pt").exists()
        return "The last checkpoint is untouched." if exists else "There is no checkpoint yet."

    @contextlib.contextmanager
    def clear_error(self) -> Iterator[None]:
        """A log that cannot be written stops the training as clearly as a checkpoint that cannot."""
        try:
            yield
        except OSError as error:
            raise CheckpointError(
                f"the log of step {self.step} could not be written to {self.out}: {error}. {self.last_checkpoint()} "
                f"Free some space or choose another folder, then run the same command again to go on."
            ) from error

    def write_facts(self) -> None:
        facts = {
            **self.config,
            **self.facts,
            "steps": self.steps,
            "step": self.step,
            "seconds": round(self.seconds, 1),
            "command": support.command(),
            "commit": self.commit,
            "hardware": support.hardware(self.fabric.device),
            "versions": support.versions(),
        }
        atomic_write(self.out / "run.json", json.dumps(facts, indent=2) + "\n")

    def close(self) -> History:
        self.fabric.barrier()  # when fit returns, the files are there for every process
        self.history.seconds = self.seconds
        return self.history

    def release(self) -> None:
        """Leaves the folder to others; however the training ended."""
        if self.lock is not None:
            self.lock.release()
