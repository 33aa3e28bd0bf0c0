"""The loop that plays any game. Read it from `fit` downwards.

The loop knows no paper: it asks the game who moves next and lets that player take one step of Adam on the sum of its
named loss terms. The bookkeeping (log, checkpoints, resume) is in run.py; processes, random numbers and signals are in
support.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from tqdm.auto import tqdm

from fedit_lib.data import Batch, FaceSet

from . import support
from .game import Game, Player
from .history import History
from .run import Run
from .statistics import BATCHES, LAST_BATCHES

if TYPE_CHECKING:
    from lightning_fabric import Fabric


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
    keep_best: str | None = None,
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
        out: folder for checkpoint.pt, log.csv and run.json; None writes nothing, and a signal then acts as anywhere
            else (Ctrl-C raises KeyboardInterrupt), for there is nothing to go on from.
        checkpoint_every, log_every: in steps; the last step is always saved and logged.
        flip: mirror half of the pictures.
        resume: go on from ``out``'s checkpoint if there is one; False starts over (the old files get ".old" names).
        progress: show a bar.
        validate: called with the game and the step on the first process; its numbers are logged as "valid/name".
        validate_every: in steps; None validates at every checkpoint.
        keep_best: name of a validation number; the inference networks (averaged, if the game has an average) are kept
            in ``out``'s best.pt whenever it is higher than ever before. `load_best` reads them.
        channels_last: memory layout that some devices convolve faster in.
        profile: name of the profile, for run.json.

    Returns:
        The `History`; ``interrupted`` is True if SIGINT, SIGTERM or SIGHUP ended it early (after a checkpoint).

    Raises:
        TrainingDiverged: a term became NaN or infinite; nothing on disk is overwritten.
        CheckpointError: a checkpoint that cannot be written, is damaged, or belongs to another configuration; or
            another training is writing to ``out``.
        ValueError: arguments that make no sense.
    """
    check_arguments(game, steps, batch_size, checkpoint_every, log_every, validate_every)
    check_faces(game, faces)
    if keep_best is not None and (validate is None or out is None):
        raise ValueError("keep_best needs validate, which gives the number, and out, where the best is kept")
    fabric = support.start_fabric(device, precision)
    random_before = support.random_state(fabric.device)  # a training leaves the caller's random numbers alone
    run: Run | None = None
    required_grad = [(p, p.requires_grad) for p in game.parameters()]
    try:
        game.to(fabric.device, memory_format=torch.channels_last if channels_last else torch.preserve_format)
        support.copy_from_first_process(fabric, game)
        facts = {"profile": profile, "precision": precision}
        run = Run(fabric, game, faces.to(fabric.device), steps, batch_size, seed, out, flip=flip, facts=facts)
        run.open(resume)
        with support.StopRequest(heed=out is not None) as stop, progress_bar(run, progress) as bar:
            while run.step < steps:
                play_round(run, channels_last)
                last = run.step == steps
                stopping = support.any_process(fabric, stop.asked)
                saving = last or stopping or run.step % checkpoint_every == 0
                validating = (
                    validate
                    and not stopping
                    and (last or run.step % (validate_every or checkpoint_every) == 0)
                )
                if stopping:
                    run.save()  # before all else: who sends SIGTERM kills some seconds later
                if saving or validating:
                    run.settle(LAST_BATCHES if last or stopping else BATCHES)
                scores = run.validate(validate, keep_best) if validating else {}
                if last or run.step % log_every == 0:
                    run.log(scores)
                    bar.set_postfix(run.totals(), refresh=False)
                elif scores:
                    run.log(scores, average=False)
                bar.update()
                if saving:
                    run.save()
                if stopping:
                    run.history.interrupted = not last
                    break
        return run.close()
    finally:
        if run is not None:
            run.release()
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
    run.record(played)  # raises if a term is not finite, before the average or a checkpoint learns of it
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
        group["lr"] = player.lr * (1.0 if player.steady else lr_scale)
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


def progress_bar(run: Run, shown: bool) -> tqdm:
    """A bar for people; in a file, where every refresh is a line, only now and then."""
    live = sys.stderr.isatty() or "ipykernel" in sys.modules
    hidden = not (shown and run.fabric.is_global_zero)
    return tqdm(
        total=run.steps, initial=run.step, unit="step", disable=hidden, mininterval=0.5 if live else 15
    )


def check_faces(game: Game, faces: FaceSet) -> None:
    """Faces that cannot be drawn, or whose columns are other attributes than those that the game takes them for."""
    if isinstance(faces, FaceSet) and not len(faces):
        raise ValueError(f"{faces.name} has no faces: a training needs some")
    wanted, given = (getattr(each, "attributes", None) for each in (game, faces))  # a toy's may have none
    if None not in (wanted, given) and tuple(wanted) != tuple(given):
        raise ValueError(
            f"the labels of {faces.name} are {', '.join(given) or 'none'}; this game takes them for "
            f"{', '.join(wanted)}: take faces.subset({list(wanted)})"
        )


def check_arguments(
    game: Game, steps: int, batch_size: int, checkpoint_every: int, log_every: int, validate_every: int | None
) -> None:
    """Numbers that make no sense, and players that do not exist, before anything is computed."""
    counts = {
        "steps": steps,
        "batch_size": batch_size,
        "checkpoint_every": checkpoint_every,
        "log_every": log_every,
    }
    counts |= {} if validate_every is None else {"validate_every": validate_every}
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
