"""`fedit bench`: how fast this machine draws, trains and edits. Medians of several runs, in numbers that compare."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any


def measure(device: str = "auto", repeats: int = 3, quick: bool = False) -> dict[str, Any]:
    """Measure everything on a device.

    Args:
        quick: few pictures and small batches, to see that it works; the numbers say little.

    Returns:
        JSON-able: "device", "hardware", "versions", and "results", name -> {"value", "unit"}.
    """
    import torch

    from fedit_lib.papers.editor import pick_device
    from fedit_lib.training import support

    place = pick_device(device)
    results: dict[str, dict[str, Any]] = {}

    def note(name: str, value: float, unit: str) -> None:
        results[name] = {"value": round(value, 2), "unit": unit}

    for size in (64, 128):
        note(f"faces drawn at {size} px", _faces_a_second(size, place, repeats, quick), "faces/s")
    for profile in ("laptop", "paper"):
        rate, pixels, batch = _training_images_a_second(profile, place, repeats, quick)
        note(f"AttGAN training, {profile} size ({pixels} px, batches of {batch})", rate, "images/s")
    for profile, size in (("laptop", 64), ("paper", 128)):
        note(f"one AttGAN edit, {profile} size ({size} px)", _edit_ms(profile, place, quick), "ms")
    return {
        "device": str(place),
        "threads": torch.get_num_threads(),
        "hardware": support.hardware(place),
        "versions": support.versions(),
        "results": results,
    }


def table(measured: dict[str, Any]) -> Any:
    """The measurements as a rich table."""
    from rich.table import Table

    shown = Table(title=f"fedit bench: {measured['hardware']}, {measured['threads']} threads")
    for title, justify in (("what", "left"), ("", "right"), ("unit", "left")):
        shown.add_column(title, justify=justify)  # type: ignore[arg-type]
    for name, row in measured["results"].items():
        shown.add_row(name, f"{row['value']:,.1f}", row["unit"])
    return shown


def _seconds(work: Callable[[], Any], device: Any, repeats: int) -> float:
    import torch

    work()  # warm up
    taken = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def _faces_a_second(size: int, device: Any, repeats: int, quick: bool) -> float:
    from fedit_lib import faces

    count = 32 if quick else 1024
    people = faces.sample(count, seed=0, device=str(device))

    def work() -> None:
        for start in range(0, count, 256):
            faces.render_uint8(people[start : start + 256], size=size)

    return count / _seconds(work, device, repeats)


def _training_images_a_second(profile: str, device: Any, repeats: int, quick: bool) -> tuple[float, int, int]:
    """Images that pass through one move each, counted over whole rounds (every move takes a fresh batch)."""
    from fedit_lib import training
    from fedit_lib.data import procedural
    from fedit_lib.papers import attgan

    settings = attgan.PROFILES["smoke" if quick else profile]
    batch = (
        settings.batch_size if device.type == "cuda" or settings.size <= 64 else 4
    )  # paper size on a CPU is slow
    game = attgan.build(settings)
    faces = procedural(max(64, batch), size=settings.size, attributes=attgan.ATTRIBUTES)
    moves = len(game.turns)

    def rounds(steps: int) -> Callable[[], Any]:
        def work() -> None:
            training.fit(game, faces, steps=steps, batch_size=batch, device=str(device), progress=False)

        return work

    # Starting a training costs time of its own: the difference of a long and a short one leaves it out.
    short, long = 1, (2 if quick or settings.size > 64 else 6)
    seconds = _seconds(rounds(long), device, repeats) - _seconds(rounds(short), device, repeats)
    return batch * moves * (long - short) / max(seconds, 1e-9), settings.size, batch


def _edit_ms(profile: str, device: Any, quick: bool) -> float:
    import torch

    from fedit_lib.papers import attgan

    game = attgan.build("smoke" if quick else profile)
    editor = attgan.editor(game.inference_networks(), {"config": game.config()}, device=str(device))
    image = torch.zeros(1, 3, editor.size, editor.size)
    labels = torch.zeros(1, len(editor.attributes))
    return 1000 * _seconds(lambda: editor.edit(image, labels, 1 - labels), device, 5 if quick else 30)
