"""What the loop stands on: processes, random generators, signals, versions."""

from __future__ import annotations

import contextlib
import os
import platform
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from .checkpoint import CheckpointError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PRECISIONS = ("32-true", "bf16-mixed")
ECHO = 2.0  # seconds in which a second signal is taken for an echo of the first


def check_device(device: str | torch.device) -> None:
    """Raises ValueError for a device that torch does not know, or that this machine does not have."""
    kind, colon, number = str(device).partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (colon and not number.isdigit()):
        raise ValueError(f"unknown device {str(device)!r}: choose auto, cpu, cuda, cuda:1 or mps")
    if kind == "cuda" and not torch.cuda.is_available():
        raise ValueError("this machine has no CUDA device that torch can use: choose auto or cpu")
    if kind == "cuda" and number and int(number) >= torch.cuda.device_count():
        raise ValueError(f"there is no {device}: this machine has {torch.cuda.device_count()} CUDA device(s)")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise ValueError("this machine has no MPS device that torch can use: choose auto or cpu")


def start_fabric(device: str = "auto", precision: str = "32-true") -> Fabric:
    """Lightning Fabric for this device; in a process started by ``torchrun`` or ``fabric run`` it joins the others.

    Args:
        device: "auto" (the best there is), "cpu", "cuda", "cuda:1", "mps".
        precision: "32-true" or "bf16-mixed".

    Raises:
        ValueError: an unknown device or precision, or one that this machine does not have.
    """
    from lightning_fabric import Fabric  # takes seconds to import: only a training needs it

    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r}: choose {' or '.join(PRECISIONS)}")
    check_device(device)
    kind, _, number = str(device).partition(":")
    here = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    total = int(os.environ.get("WORLD_SIZE", here)) if "LOCAL_WORLD_SIZE" in os.environ else 1
    fabric = Fabric(
        accelerator=kind,
        devices=[int(number)] if number and kind == "cuda" and total == 1 else here,
        num_nodes=max(1, total // here),
        strategy="ddp" if total > 1 else "auto",
        precision=precision,
    )
    if not int(os.environ.get("LT_CLI_USED", 0)):  # `fabric run` has launched the processes already
        fabric.launch()
    return fabric


@torch.no_grad()
def average_over_processes(fabric: Fabric, tensors: list[Tensor]) -> None:
    """Replaces every tensor by its mean over the processes, all in one message; nothing to do for one process."""
    if fabric.world_size == 1 or not tensors:
        return
    flat = fabric.all_reduce(torch.cat([t.detach().reshape(-1).float() for t in tensors]), reduce_op="mean")
    for tensor, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(mean.view_as(tensor))


@torch.no_grad()
def copy_from_first_process(fabric: Fabric, module: torch.nn.Module) -> None:
    """Gives every process the first one's parameters and buffers."""
    if fabric.world_size > 1:
        for tensor in (*module.parameters(), *module.buffers()):
            torch.distributed.broadcast(tensor.data, src=0)


def is_first_process() -> bool:
    """Whether this process is the one that writes and speaks; alone, it is."""
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    return not distributed or torch.distributed.get_rank() == 0


def any_process(fabric: Fabric, asked: bool) -> bool:
    """Whether any process says so: all must leave the loop after the same round."""
    if fabric.world_size == 1:
        return asked
    flag = torch.tensor([float(asked)], device=fabric.device)
    return bool(fabric.all_reduce(flag, reduce_op="sum").item() > 0)


def gather(fabric: Fabric, value: Any) -> list[Any]:
    """One value from every process, in the order of their ranks."""
    if fabric.world_size == 1:
        return [value]
    values: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(values, value)
    return values


def seed_random(seed: int, rank: int) -> torch.Generator:
    """Seeds torch, numpy and Python for this process and returns the generator that draws its batches."""
    own, drawing = (int(s) for s in np.random.SeedSequence([seed, rank]).generate_state(2))
    torch.manual_seed(own)
    np.random.seed(own)
    random.seed(own)
    return torch.Generator().manual_seed(drawing)


def random_state(device: torch.device, generator: torch.Generator | None = None) -> dict[str, Any]:
    """The state of every random generator, in types that ``torch.load(weights_only=True)`` reads."""
    kind, keys, *rest = np.random.get_state()
    state = {
        "torch": torch.get_rng_state(),
        "numpy": [kind, torch.from_numpy(keys.astype(np.int64)), *rest],
        "python": random.getstate(),
    }
    if generator is not None:
        state["batches"] = generator.get_state()
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        state["mps"] = torch.mps.get_rng_state()
    return state


def restore_random_state(
    state: dict[str, Any], device: torch.device, generator: torch.Generator | None = None
) -> None:
    """Undoes what was drawn since `random_state`."""
    torch.set_rng_state(state["torch"])
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    if generator is not None:
        generator.set_state(state["batches"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
    elif device.type == "mps" and "mps" in state:
        torch.mps.set_rng_state(state["mps"])


class StopRequest:
    """Turns SIGINT, SIGTERM and SIGHUP into a request that the loop answers after the round; a second acts at once.

    One Ctrl-C may arrive twice, from the terminal and from `torchrun`, which passes on what it got: a second signal
    counts only `ECHO` seconds after the first. SIGHUP (the terminal closed) stays ignored under `nohup`. Python
    delivers signals to the main thread only, so in another thread this does nothing. Nor with heed=False: a training
    that keeps nothing has nothing to end well, and the script behind it must not go on as if it had.
    """

    def __init__(self, heed: bool = True) -> None:
        self.heed, self.asked = heed, False
        self._first = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        if self.heed and threading.current_thread() is threading.main_thread():
            for number in self._numbers():
                self._before[number] = signal.signal(number, self._ask)
        return self

    @staticmethod
    def _numbers() -> list[int]:
        numbers = [signal.SIGINT, signal.SIGTERM]
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            numbers.append(signal.SIGHUP)
        return numbers

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            if time.monotonic() - self._first > ECHO:
                self._restore()
                os.kill(os.getpid(), number)
            return
        self.asked, self._first = True, time.monotonic()
        with contextlib.suppress(OSError):  # after SIGHUP there is nobody to read it
            print(
                f"\n{signal.Signals(number).name}: finishing this round; the same again stops at once",
                file=sys.stderr,
            )

    def _restore(self) -> None:
        for number, handler in self._before.items():
            # None: a handler that was not set from Python, which Python cannot set again
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before = {}

    def __exit__(self, *_: object) -> None:
        self._restore()


class FolderLock:
    """Keeps a folder for one training: an exclusive lock on its file ``lock``, which ends with the process.

    `release` takes the file away again; one that a killed process left behind locks nothing. Where the system (Windows)
    or the file system knows no such locks there is none.

    Raises:
        CheckpointError: another training holds the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path, self.file = folder / "lock", None
        try:
            import fcntl
        except ImportError:
            return
        while True:
            file = open(self.path, "ab")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                raise CheckpointError(
                    f"another training is writing to {folder}: wait for its end or stop it, or choose another folder "
                    f"(fedit train --out FOLDER)"
                ) from None
            except OSError:  # a file system without locks
                file.close()
                self.path.unlink(missing_ok=True)
                return
            try:
                if os.path.samestat(os.fstat(file.fileno()), os.stat(self.path)):
                    self.file = file
                    return
            except FileNotFoundError:
                pass
            file.close()  # its owner took it away between our opening and our locking it: once more

    def release(self) -> None:
        if self.file is not None:
            self.path.unlink(missing_ok=True)  # before it is unlocked, or it might be the next one's
            self.file.close()
            self.file = None


def versions() -> dict[str, str]:
    """Versions of what decides a training's numbers."""
    from importlib import metadata

    found = {"python": platform.python_version()}
    for package in ("torch", "numpy", "lightning-fabric", "fedit_lib"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def hardware(device: torch.device | str = "cpu") -> str:
    """The device in words, e.g. "CPU x86_64, 2 cores"."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    name = "Apple GPU (MPS)" if device.type == "mps" else "CPU"
    return f"{name} {platform.machine()}, {cores} cores"


def commit() -> str | None:
    """The git commit this library runs from, with "+" where its files differ from it; None outside a checkout."""
    library = Path(__file__).parents[1]

    def git(*words: str) -> str:
        run = subprocess.run(["git", *words], cwd=library, capture_output=True, text=True, timeout=10)
        return run.stdout.strip() if run.returncode == 0 else ""

    try:
        if not git("ls-files", "__init__.py"):  # installed: a repository around it is somebody else's
            return None
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.TimeoutExpired):
        return None


def command() -> str:
    """The command line of this process, without the folders of this machine."""
    first, *words = sys.argv or ["python"]
    return " ".join([Path(first).name, *(Path(w).name if os.path.isabs(w) else w for w in words)])


def fast_precision(device: str = "auto") -> str:
    """ "bf16-mixed" where the processor multiplies bfloat16 in hardware (twice as fast there), else "32-true"."""
    if device != "cpu" and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    probe = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return "bf16-mixed" if device in ("auto", "cpu") and probe is not None and probe() else "32-true"
