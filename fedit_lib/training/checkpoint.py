"""Checkpoints: everything a training needs to go on as if it had never stopped."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from fedit_lib.data.files import atomic_write

if TYPE_CHECKING:
    from .game import Game

FORMAT = 1


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be written, read, or used for this game."""


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes ``state`` atomically: either the new checkpoint is whole, or the old one is still there.

    Raises:
        CheckpointError: the disk is full or the folder cannot be written to.
    """
    buffer = io.BytesIO()  # first into memory: torch.save into a full disk does not raise an OSError
    torch.save({"format": FORMAT, **state}, buffer)
    try:
        atomic_write(path, buffer.getvalue())
    except OSError as error:
        old = "the last checkpoint is intact" if path.exists() else "there is no checkpoint yet"
        raise CheckpointError(
            f"no checkpoint could be written at step {state['step']} ({len(buffer.getvalue()) / 1e6:.1f} MB): {error}; "
            f"{old}. Free some space or choose another folder, then run the same command again to go on."
        ) from error


def load_best(out: str | Path, game: Game) -> tuple[int, float]:
    """Puts the best networks that ``fit(..., keep_best=...)`` found into the game's inference networks.

    Args:
        out: the folder that `fit` wrote to.
        game: built as the one that was trained.

    Returns:
        The step they were found at, and their validation number.

    Raises:
        CheckpointError: there is no best.pt, it is damaged, or it belongs to another game.
    """
    path = Path(out) / "best.pt"
    if not path.exists():
        raise CheckpointError(f"there is no {path}: train with fit(..., validate=..., keep_best=...)")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        for name, network in game.inference_networks().items():
            network.load_state_dict(state["networks"][name])
        return state["step"], state["score"]
    except Exception as error:  # torch raises a dozen kinds for a damaged file
        raise CheckpointError(
            f"{path} is damaged or belongs to another game ({type(error).__name__}: {error}): train again, or build "
            f"the game as its run.json says"
        ) from error


def read_checkpoint(path: Path, config: dict[str, Any]) -> dict[str, Any]:
    """The state in ``path``, if it belongs to this configuration; nothing in the file is executed.

    Raises:
        CheckpointError: a damaged or foreign file, or a checkpoint of another configuration.
    """
    fix = "move it away, choose another folder, or start over with --no-resume (resume=False)"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["format"] != FORMAT:
            raise CheckpointError(f"{path} has format {state['format']}, this version reads {FORMAT}: {fix}")
        saved = state["config"]
    except CheckpointError:
        raise
    except Exception as error:  # torch raises a dozen kinds for a damaged file
        raise CheckpointError(
            f"{path} is damaged or not a checkpoint ({type(error).__name__}): {fix}"
        ) from error
    saved, config = _flat(saved), _flat(config)
    differences = [
        f"{key} is {saved.get(key, 'absent')!r} there and {config.get(key, 'absent')!r} here"
        for key in sorted({*saved, *config})
        if saved.get(key) != config.get(key)
    ]
    if differences:
        raise CheckpointError(
            f"{path} belongs to another training: {'; '.join(differences)}. To go on, {fix}"
        )
    return state


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with the game's options one by one, so that one that differs is named alone."""
    options = config.get("options")
    if not isinstance(options, Mapping):  # of somebody's own game
        return dict(config)
    rest = {key: value for key, value in config.items() if key != "options"}
    return rest | {f"the option {key}": value for key, value in options.items()}
