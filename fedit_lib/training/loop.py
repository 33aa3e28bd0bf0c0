"""The loop that plays any game. Read it from `fit` downwards.

The loop knows no paper: it asks the game who moves next and lets that player take one step of Adam on the sum of its
named loss terms. All else here is bookkeeping: random states, a log, checkpoints, a clean stop.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from tqdm.auto import tqdm

from fedit_lib.data import Batch, FaceSet
from fedit_lib.data.files import atomic_write

from . import support
from .checkpoint import read_checkpoint, write_checkpoint
from .game import EMA, Game, Player
from .history import History

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class TrainingDiverged(RuntimeError):
    """A loss term or a weight is no longer finite. ``player``, ``term`` and ``step`` (from 1) say where."""

    def __init__(self, player: str, term: str, step: int, value: float, last: str) -> None:
        super().__init__(
            f"training diverged: {term!r} of player {player!r} is {value} at step {step}. {last} "
            f"A lower learning rate, a smaller weight on that term or gradient clipping usually helps."
        )
        self.player, self.term, self.step = player, term, step


def fit(
    game: Game,
    faces: FaceSet,
    *,
    steps: int,
    batch_size: int,
    seed: int = 0,
    device: str = "auto",
    precision: str = "32-true",
    out: str | Path | None = None,
    checkpoint_every: int = 500,
    log_every: int = 50,
    flip: bool = True,
    resume: bool = True,
    progress: bool = True,
    validate: Callable[[Game, int], dict[str, float]] | None = None,
    validate_every: int | None = None,
    channels_last: bool = False,
    profile: str | None = None,
) -> History:
    """Plays ``steps`` rounds of a game.

    Args:
        game: the players and their order; left on the training's device, with ``game.ema`` set where it has one.
        faces: what the batches are drawn from (anything with ``draw`` and ``to`` like a `FaceSet`'s).
        steps: rounds in all, those before a resume included.
        batch_size: faces per move and process.
        seed: of the batches and of what the losses draw; the networks' first weights are the game's own business.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        precision: "32-true" or "bf16-mixed".
        out: folder for checkpoint.pt, log.csv and run.json; None writes nothing.
        checkpoint_every, log_every: in steps; the last step is always saved and logged.
        flip: mirror half of the pictures.
        resume: go on from ``out``'s checkpoint if there is one; False starts over (the old files get ".old" names).
        progress: show a bar.
        validate: called with the game and the step on the first process; its numbers are logged as "valid/name".
        validate_every: in steps; None validates at every checkpoint.
        channels_last: memory layout that some devices convolve faster in.
        profile: name of the profile, for run.json.

    Returns:
        The `History`; ``interrupted`` is True if SIGINT or SIGTERM ended it early (after a checkpoint).

    Raises:
        TrainingDiverged: a term became NaN or infinite; nothing on disk is overwritten.
        CheckpointError: a checkpoint that cannot be written, is damaged, or belongs to another configuration.
        ValueError: arguments that make no sense.
    """
    check_arguments(
        game, steps=steps, batch_size=batch_size, checkpoint_every=checkpoint_every, log_every=log_every
    )
    fabric = support.start_fabric(device, precision)
    random_before = support.random_state(fabric.device)  # a training leaves the caller's random numbers alone
    required_grad = [(p, p.requires_grad) for p in game.parameters()]
    try:
        game.to(fabric.device, memory_format=torch.channels_last if channels_last else torch.preserve_format)
        faces = faces.to(fabric.device)
        support.copy_from_first_process(fabric, game)
        run = Run(
            fabric, game, faces, steps, batch_size, seed, out, flip=flip, precision=precision, profile=profile
        )
        run.open(resume)
        bar = tqdm(
            total=steps,
            initial=run.step,
            unit="step",
            disable=not (progress and fabric.is_global_zero),
            mininterval=0.5,
        )
        with support.StopRequest() as stop, bar:
            while run.step < steps:
                play_round(run, channels_last)
                bar.update()
                due = Due(run.step, steps, checkpoint_every, log_every, validate_every)
                stopping = agree(fabric, stop.asked)
                valid = run_validation(run, validate) if due.validate and not stopping else {}
                if due.log or valid:
                    run.log(due.log, valid)
                    bar.set_postfix({k: f"{v:.3g}" for k, v in run.latest().items()}, refresh=False)
                if due.checkpoint or stopping:
                    run.save()
                if stopping:
                    run.history.interrupted = run.step < steps
                    break
        return run.close()
    finally:
        for parameter, required in required_grad:
            parameter.requires_grad_(required)
        support.restore_random_state(random_before, fabric.device)


def play_round(run: Run, channels_last: bool) -> None:
    """One step: every player in ``game.turns`` moves once per mention, each on a fresh batch."""
    game, played = run.game, []
    at = run.step / run.steps
    game.train()
    game.set_progress(at)
    for name in game.turns:
        batch = run.faces.draw(run.batch_size, run.generator, run.flip)
        if channels_last:
            batch = batch._replace(images=batch.images.contiguous(memory_format=torch.channels_last))
        terms = move(run.fabric, game, run.players[name], run.optimisers[name], batch, game.lr_scale(at))
        played.append((name, terms))
    run.record(
        played
    )  # stops here if a term is not finite: neither the average nor a checkpoint learns of it
    game.after_round(run.step, batch)
    if game.ema is not None:
        game.ema.update()
    run.step += 1


def move(
    fabric: Fabric,
    game: Game,
    player: Player,
    optimiser: torch.optim.Optimizer,
    batch: Batch,
    lr_scale: float,
) -> dict[str, Tensor]:
    """One move: the player takes one step of Adam down the gradient of its summed terms."""
    game.requires_grad_(False)  # the others stand still: no gradients, no time spent on them
    for parameter in player.parameters():
        parameter.requires_grad_(True)
    with fabric.autocast():
        terms = player.loss(batch)
    total = sum_of_terms(player, terms)
    optimiser.zero_grad(set_to_none=True)
    fabric.backward(total)
    # Gradients are averaged by hand, in one message, rather than by a DistributedDataParallel wrapper: it expects one
    # forward and one backward pass per module, while a GAN's players share networks, call them several times a move
    # and differentiate twice (the gradient penalty). Running statistics travel along so that they stay the same too.
    gradients = [p.grad for p in player.parameters() if p.grad is not None]
    support.average_over_processes(fabric, gradients + [b for b in game.buffers() if b.is_floating_point()])
    if player.clip is not None:
        clip_grad_norm_(player.parameters(), player.clip)
    for group in optimiser.param_groups:
        group["lr"] = player.lr * lr_scale
    optimiser.step()
    return {name: value.detach() for name, value in terms.items()}


def sum_of_terms(player: Player, terms: dict[str, Tensor]) -> Tensor:
    """What the player minimises: every term but those whose name begins with "_" (they are only logged)."""
    for name, value in terms.items():
        if not isinstance(value, Tensor) or value.ndim:
            raise ValueError(
                f"term {name!r} of player {player.name!r} must be a tensor with one number (a mean?), not "
                f"{tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__}"
            )
    total = sum(value for name, value in terms.items() if not name.startswith("_"))
    if not (isinstance(total, Tensor) and total.requires_grad):
        raise ValueError(
            f"the loss of player {player.name!r} does not depend on its networks: it has no term, or a detach() or "
            f"no_grad() too many"
        )
    return total


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
        precision: str,
        profile: str | None,
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
        self.facts = {
            "profile": profile,
            "precision": precision,
            "processes": fabric.world_size,
            "resumes": 0,
        }
        self.started, self.seconds_before = time.perf_counter(), 0.0

    @property
    def seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self.started

    @property
    def writes(self) -> bool:
        """Only the first process writes files."""
        return self.out is not None and self.fabric.is_global_zero

    def open(self, resume: bool) -> None:
        """Goes on from the checkpoint, if there is one to go on from."""
        if self.out is None:
            return
        path = self.out / "checkpoint.pt"
        if resume and path.exists():
            self.restore(read_checkpoint(path, self.config))
        self.fabric.barrier()  # nobody writes before everybody has read
        if not self.writes:
            return
        self.out.mkdir(parents=True, exist_ok=True)
        for leftover in self.out.glob("*.tmp"):  # of a process that was killed while it wrote
            leftover.unlink()
        if not resume:
            for old in (path, self.out / "log.csv", self.out / "run.json"):
                if old.exists():
                    old.replace(old.with_name(f"{old.stem}.old{old.suffix}"))
        self.history.write(self.out / "log.csv")  # what was logged after the checkpoint will be played again
        self.write_facts()

    def record(self, played: list[tuple[str, dict[str, Tensor]]]) -> None:
        """Adds a round's terms to the log, in one transfer from the device, and stops where one is not finite."""
        names = [(player, term) for player, terms in played for term in terms]
        values = torch.stack([value.float() for _, terms in played for value in terms.values()])
        support.average_over_processes(self.fabric, [values])  # so that all processes stop together
        for (player, term), value in zip(names, values.tolist(), strict=True):
            if not math.isfinite(value):
                raise TrainingDiverged(player, term, self.step + 1, value, self.last_checkpoint())
            self.history.add(f"{player}/{term}", value)

    def log(self, average: bool, extra: dict[str, float]) -> None:
        self.history.close_row(self.step, self.seconds, extra, average)
        if self.writes:
            self.history.append_last(self.out / "log.csv")

    def latest(self) -> dict[str, float]:
        """The sum of each player's terms in the last row, for the progress bar."""
        row, sums = self.history.rows[-1], {}
        for name, value in row.items():
            player, _, term = name.partition("/")
            if term and not term.startswith("_") and (player in self.players):
                sums[player] = sums.get(player, 0.0) + value
        return sums

    def save(self) -> None:
        """Writes the checkpoint and run.json."""
        random_states = support.gather(self.fabric, support.random_state(self.fabric.device, self.generator))
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
        }
        write_checkpoint(self.out / "checkpoint.pt", state)
        self.write_facts()

    def restore(self, state: dict[str, Any]) -> None:
        """The reverse of `save`."""
        self.game.load_state_dict(state["game"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        if self.game.ema is not None:
            self.game.ema.load_state_dict(state["ema"])
        self.history.load_state_dict(state["history"])
        self.step, self.seconds_before = state["step"], state["seconds"]
        self.facts["resumes"] = state["facts"]["resumes"] + 1
        if self.fabric.global_rank < len(
            state["random"]
        ):  # more processes than before: the new ones start afresh
            mine = state["random"][self.fabric.global_rank]
            support.restore_random_state(mine, self.fabric.device, self.generator)

    def last_checkpoint(self) -> str:
        exists = self.out is not None and (self.out / "checkpoint.pt").exists()
        return "The last checkpoint is untouched." if exists else "There is no checkpoint yet."

    def write_facts(self) -> None:
        facts = {
            **self.config,
            **self.facts,
            "steps": self.steps,
            "step": self.step,
            "seconds": round(self.seconds, 1),
            "command": support.command(),
            "commit": support.commit(),
            "hardware": support.hardware(self.fabric.device),
            "versions": support.versions(),
        }
        atomic_write(self.out / "run.json", json.dumps(facts, indent=2) + "\n")

    def close(self) -> History:
        self.fabric.barrier()  # when fit returns, the files are there for every process
        self.history.seconds = self.seconds
        return self.history


class Due:
    """What is due after this step; everything but validation is due after the last."""

    def __init__(self, step: int, steps: int, checkpoint: int, log: int, validate: int | None) -> None:
        last = step == steps
        self.checkpoint = last or step % checkpoint == 0
        self.log = last or step % log == 0
        self.validate = self.checkpoint if validate is None else last or step % validate == 0


def run_validation(run: Run, validate: Callable[[Game, int], dict[str, float]] | None) -> dict[str, float]:
    """The validation's numbers; what it draws at random does not change the training."""
    if validate is None or not run.fabric.is_global_zero:
        return {}
    before = support.random_state(run.fabric.device)
    try:
        with torch.no_grad():
            return {f"valid/{name}": float(value) for name, value in validate(run.game, run.step).items()}
    finally:
        support.restore_random_state(before, run.fabric.device)


def agree(fabric: Fabric, asked: bool) -> bool:
    """Whether any process was asked to stop: all must leave the loop after the same round."""
    if fabric.world_size == 1:
        return asked
    flag = torch.tensor([float(asked)], device=fabric.device)
    return bool(fabric.all_reduce(flag, reduce_op="sum").item() > 0)


def check_arguments(game: Game, **counts: int) -> None:
    """Numbers that make no sense, and players that do not exist, before anything is computed."""
    for name, value in counts.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, not {value!r}")
    names = [player.name for player in game.players()]
    if len(set(names)) != len(names):
        raise ValueError(f"two players have the same name: {', '.join(names)}")
    if not game.turns:
        raise ValueError(f"{type(game).__name__}.turns is empty: nobody would ever move")
    if unknown := [name for name in dict.fromkeys(game.turns) if name not in names]:
        raise ValueError(
            f"turns name {', '.join(map(repr, unknown))}, but the players are {', '.join(names)}"
        )
