"""Weights with a receipt: a small safetensors file, and beside it a JSON that says where it comes from."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from fedit_lib.data.files import atomic_path, atomic_write

LIMIT_MB = 8.0  # what the course ships stays small enough to clone


class WeightsError(RuntimeError):
    """A weight file that cannot be written or must not be used."""


def receipt_path(path: str | Path) -> Path:
    """Where the receipt of a weight file lies: beside it, ending in .json."""
    return Path(path).with_suffix(".json")


def save_weights(
    path: str | Path,
    networks: dict[str, nn.Module],
    receipt: dict[str, Any],
    limit_mb: float | None = LIMIT_MB,
) -> dict[str, Any]:
    """Writes the networks as fp16 safetensors and their receipt beside them; both or neither.

    Args:
        path: ends in .safetensors.
        networks: by name, e.g. ``game.averaged_networks()``; names without "/".
        receipt: what a reader should know (command, seed, steps, scores ...), as JSON can hold it; "sha256", "bytes",
            "format" and "networks" (parameters of each) are added.
        limit_mb: largest file in millions of bytes; None for no limit.

    Returns:
        The receipt as written.

    Raises:
        WeightsError: a file over the limit, weights that are not finite in fp16, a disk that is full, or a JSON file
            of another kind where the receipt belongs.
        ValueError: a path that does not end in .safetensors, a network's name with "/".
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"weights are written as .safetensors, not to {path.name!r}")
    check_receipt_place(path)
    tensors: dict[str, Tensor] = {}
    for name, network in networks.items():
        if "/" in name:
            raise ValueError(f"a network's name must not contain '/': {name!r}")
        for key, value in network.state_dict().items():
            value = value.detach().cpu()
            value = value.half() if value.is_floating_point() else value
            if value.is_floating_point() and not value.isfinite().all():
                raise WeightsError(f"{name}.{key} is not finite in half precision: did the training diverge?")
            tensors[f"{name}/{key}"] = value.clone(memory_format=torch.contiguous_format)
    content = save(tensors)
    check_limit(path, len(content), limit_mb)
    receipt = {
        **receipt,
        "format": "fp16 safetensors, network/key",
        "networks": {n: sum(p.numel() for p in m.parameters()) for n, m in networks.items()},
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    text = json.dumps(receipt, indent=2) + "\n"
    named = False
    try:
        before = path.read_bytes() if path.exists() else None
        with atomic_path(receipt_path(path)) as receipt_file:
            # Both are whole on the disk before either gets its name.
            with atomic_path(path) as weights_file:
                weights_file.write_bytes(content)
                receipt_file.write_text(text, encoding="utf-8")
                for file in (weights_file, receipt_file):
                    with open(file, "rb+") as handle:
                        os.fsync(handle.fileno())
            named = True
    except BaseException as error:
        if named:  # the weights have their name, the receipt could not get its own: back to what was there
            with contextlib.suppress(OSError):
                path.unlink() if before is None else atomic_write(path, before)
        if not isinstance(error, OSError):
            raise
        raise WeightsError(f"{path} could not be written: {error}") from error
    return receipt


def load_weights(
    path: str | Path, limit_mb: float | None = LIMIT_MB
) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Reads what `save_weights` wrote; nothing in the files is executed.

    Returns:
        One state dict per network, floating point as float32 on the CPU; and the receipt.

    Raises:
        WeightsError: a file that is missing, too large, cut short, changed since its receipt, or foreign. The message
            names the fix.
    """
    path = Path(path)
    again = "get both files again (git checkout, or fedit export), or train it anew with fedit train"
    if not path.exists():
        raise WeightsError(f"there are no weights at {path}: {again}")
    if path.is_dir():
        raise WeightsError(_what_a_folder_is_for(path))
    check_limit(path, path.stat().st_size, limit_mb)
    try:
        receipt = json.loads(receipt_path(path).read_text(encoding="utf-8"))
        if not isinstance(receipt, dict):
            raise TypeError(f"it holds a {type(receipt).__name__}, not names and values")
        expected = receipt["sha256"]
    except FileNotFoundError:
        raise WeightsError(f"{path} has no receipt {receipt_path(path).name} beside it: {again}") from None
    except (ValueError, KeyError, TypeError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise WeightsError(f"{receipt_path(path)} is not a receipt ({reason}): {again}") from error
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != expected:
        size = (
            ""
            if len(content) == receipt.get("bytes")
            else f", {len(content)} bytes for {receipt.get('bytes')}"
        )
        raise WeightsError(f"{path} is not the file its receipt describes (other SHA-256{size}): {again}")
    try:
        tensors = load(content)
    except SafetensorError as error:
        raise WeightsError(f"{path} is not a safetensors file ({error}): {again}") from error
    networks: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        network, slash, key = name.partition("/")
        if not slash:
            raise WeightsError(
                f"{path} holds {name!r}, which names no network: it was not written by this library"
            )
        networks.setdefault(network, {})[key] = value.float() if value.is_floating_point() else value
    return networks, receipt


def _what_a_folder_is_for(path: Path) -> str:
    if not any((path / name).is_file() for name in ("run.json", "checkpoint.pt")):
        return f"{path} is a folder: name the .safetensors file in it"
    return (
        f"{path} is the run folder of a training, which holds what a resume needs: `fedit export {path} --to "
        f"FILE.safetensors` makes weights of it, `fedit evaluate {path}` scores it as it is"
    )


def check_receipt_place(path: str | Path) -> None:
    """Raise WeightsError where the receipt of these weights would take the place of a file that is none.

    A run's run.json, for one, or the scores that `fedit evaluate --json` wrote.
    """
    place = receipt_path(path)
    if not place.is_file():
        return
    try:
        ours = "sha256" in dict(json.loads(place.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        ours = False
    if not ours:
        raise WeightsError(
            f"{Path(path).name} would get the receipt {place}, but a file is there that is no receipt: name other "
            f"weights, or move that file away"
        )


def check_limit(path: Path, size: int, limit_mb: float | None) -> None:
    if limit_mb is not None and size > limit_mb * 1e6:
        raise WeightsError(
            f"{path} has {size / 1e6:.1f} MB, more than the {limit_mb:g} MB that ship with the course: use narrower "
            f"networks (a smaller profile), or pass limit_mb=None for a file of your own"
        )
