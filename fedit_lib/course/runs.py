"""From a profile to a trained run, and from a run to shipped weights with a receipt."""

from __future__ import annotations

import json
import platform
import shlex
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fedit_lib.data.files import atomic_write

RUN_FILE = "command.json"  # beside the checkpoint: what was asked for, so that a receipt can say it


def train(
    name: str,
    *,
    profile: str = "laptop",
    source: str = "procedural",
    root: Path | None = None,
    out: Path | None = None,
    steps: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    seed: int = 0,
    attributes: list[str] | None = None,
    resume: bool = True,
    variant: str = "a",
) -> Any:
    """Train a paper or ``"oracle"`` and return the training history. See ``fedit train --help``.

    Raises:
        ValueError: an unknown name, profile, source or attribute (the known ones are listed), or a run folder that
            was begun with other settings.
    """
    asked = {
        "name": name,
        "profile": profile,
        "source": source,
        "seed": seed,
        "attributes": attributes,
        "variant": variant if name == "oracle" else None,
    }
    out = Path(out) if out else Path("build/runs") / "-".join(filter(None, (name, asked["variant"], profile)))
    if name == "oracle":
        if source != "procedural" or attributes:
            raise ValueError(
                "the oracle learns all attributes of the face world: no --source, no --attributes"
            )
        from fedit_lib.evaluation import oracle

        _begin(out, asked, steps, precision, device, resume)
        return oracle.train(
            profile=profile,
            out=out,
            variant=variant,
            steps=steps,
            device=device,
            precision=precision,
            seed=seed,
            resume=resume,
        )

    import torch

    from fedit_lib import papers, training
    from fedit_lib.data import load_source
    from fedit_lib.papers.editor import pick_device

    if name not in papers.PAPERS:
        raise ValueError(
            f"nothing called {name!r} can be trained; there are: {', '.join([*papers.PAPERS, 'oracle'])}"
        )
    paper = papers.paper(name)
    settings = _profile(paper.PROFILES, profile, name)
    if steps is not None:
        settings = replace(settings, steps=steps)
    place = pick_device(device)
    torch.manual_seed(seed)  # the weights that the game begins with
    game = paper.build(settings, attributes=attributes)
    faces = load_source(
        source,
        n=settings.faces,
        size=settings.size,
        seed=0,
        attributes=tuple(attributes or paper.ATTRIBUTES),
        split="train",
        device=str(place),
        root=root,
    )
    _begin(out, asked, steps, precision, device, resume)
    return training.fit(
        game,
        faces,
        steps=settings.steps,
        batch_size=settings.batch_size,
        seed=seed,
        device=str(place),
        precision="32-true" if precision == "auto" else precision,
        out=out,
        checkpoint_every=settings.checkpoint_every,
        log_every=settings.log_every,
        resume=resume,
    )


def versions() -> dict[str, str]:
    """Versions that decide what a training gives."""
    found = {"python": platform.python_version()}
    for package in ("torch", "torchvision", "numpy", "lightning-fabric", "fedit-lib"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def hardware() -> str:
    """The processor or accelerator in words, without the machine's name."""
    import os

    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    model = platform.processor() or platform.machine()
    try:
        rows = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(r.split(":", 1)[1].strip() for r in rows if r.startswith("model name"))
    except (OSError, StopIteration):
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{model}, {cores} cores"


def commit() -> str | None:
    """The commit this runs from, with ``+`` if the library was changed since; None outside a clone."""

    def git(*args: str) -> str:
        folder = Path(__file__).parent
        return subprocess.run(["git", *args], cwd=folder, capture_output=True, text=True, check=True).stdout

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "..").strip()
        return git("rev-parse", "HEAD").strip() + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _profile(profiles: dict[str, Any], profile: str, name: str) -> Any:
    if profile not in profiles:
        raise ValueError(f"{name} has no profile {profile!r}; there are: {', '.join(profiles)}")
    return profiles[profile]


def _begin(
    out: Path, asked: dict[str, Any], steps: int | None, precision: str, device: str, resume: bool
) -> None:
    """Write what was asked for; on resume it must be what the run was begun with (steps and device may change)."""
    path = out / RUN_FILE
    if resume and path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))["asked"]
        if before != asked:
            other = ", ".join(f"{k}={before.get(k)!r}" for k in asked if before.get(k) != asked[k])
            raise ValueError(
                f"{out} holds a run with {other}: choose another --out, or --no-resume to start over"
            )
    words = ["fedit", "train", asked["name"], "--profile", asked["profile"], "--seed", str(asked["seed"])]
    if asked["source"] != "procedural":
        words += ["--source", asked["source"]]
    if asked["attributes"]:
        words += ["--attributes", ",".join(asked["attributes"])]
    if asked["variant"]:
        words += ["--variant", asked["variant"]]
    if steps is not None:
        words += ["--steps", str(steps)]
    if precision != "auto":
        words += ["--precision", precision]
    if device != "auto":
        words += ["--device", device]
    record = {
        "asked": asked,
        "command": shlex.join(words),
        "commit": commit(),
        "versions": versions(),
        "hardware": hardware(),
    }
    atomic_write(path, json.dumps(record, indent=2) + "\n")
    if not sys.stdout.isatty():
        print(f"run folder: {out}", flush=True)
