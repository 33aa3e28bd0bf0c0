"""`fedit bench`: how fast this machine draws, trains and edits. Medians of several runs, in numbers that compare."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

ROUNDS = 4  # timed of each training, after one to warm up
QUICK = (
    "A quick look: few pictures, smoke profiles, one round each. Not this machine's speed, not to be quoted."
)


def measure(device: str = "auto", repeats: int = 3, quick: bool = False) -> dict[str, Any]:
    """Measure everything on a device.

    Args:
        device: "auto" for the best there is, "cpu", "cuda" ...
        repeats: of drawing.
        quick: few pictures and the smoke profile, to see that it works; the numbers say little, and are named so.

    Returns:
        JSON-able: "quick"; "device", "precision" (of the training), "hardware", "versions"; "results", name ->
        {"value", "unit"}; "rounds", a paper -> {"batch_size", "steps", "seconds_a_round", "hours"} of its laptop
        profile (quick: of its smoke profile).

    Raises:
        ValueError: this machine does not have the device.
    """
    import torch

    from fedit_lib.papers import PAPERS, attgan
    from fedit_lib.papers.editor import pick_device
    from fedit_lib.training import fast_precision, support

    place = pick_device(device)
    results: dict[str, dict[str, Any]] = {}

    def note(name: str, value: float, unit: str) -> None:
        results[name] = {"value": round(value, 2), "unit": unit}

    for size in (64, 128):
        note(f"faces drawn at {size} px", _faces_a_second(size, place, repeats, quick), "faces/s")
    precision, rounds = fast_precision(str(place)), {}
    profile = "smoke" if quick else "laptop"
    for name, paper in PAPERS.items():
        settings = paper.PROFILES[profile]
        seconds, _ = _seconds_a_round(paper, settings, place, precision, 1 if quick else ROUNDS)
        note(f"a round of {paper.TITLE}, {profile} profile (batches of {settings.batch_size})", seconds, "s")
        hours = seconds * settings.steps / 3600
        rounds[name] = {
            "batch_size": settings.batch_size,
            "steps": settings.steps,
            "seconds_a_round": seconds,
            "hours": hours,
        }
    sizes = {f"{p} size": p for p in ("laptop", "paper")}
    if quick:
        sizes = {"smoke size": "smoke"}
    for words, profile in sizes.items():
        settings = attgan.PROFILES[profile]
        if place.type == "cpu" and settings.size > 64:  # paper size is slow there
            settings = replace(settings, batch_size=4)
        seconds, moves = _seconds_a_round(attgan, settings, place, precision, 1 if quick else 2)
        words = f"{words} ({settings.size} px, batches of {settings.batch_size})"
        # Every move takes a fresh batch: images that pass through one move each.
        note(f"AttGAN training, {words}", settings.batch_size * moves / seconds, "images/s")
    for words, profile in sizes.items():
        size = attgan.PROFILES[profile].size
        note(f"one AttGAN edit, {words} ({size} px)", _edit_ms(profile, place, 5 if quick else 30), "ms")
    return {
        "quick": quick,
        "device": str(place),
        "precision": precision,
        "threads": torch.get_num_threads(),
        "hardware": support.hardware(place),
        "versions": support.versions(),
        "results": results,
        "rounds": rounds,
    }


def table(measured: dict[str, Any]) -> Any:
    """The measurements as a rich table."""
    from rich.table import Table

    facts = f"{measured['hardware']}, {measured['threads']} threads, training in {measured['precision']}"
    title, caption = ("fedit bench --quick", QUICK) if measured["quick"] else ("fedit bench", None)
    shown = Table(title=f"{title}: {facts}", caption=caption)
    for title, justify in (("what", "left"), ("", "right"), ("unit", "left")):
        shown.add_column(title, justify=justify)  # type: ignore[arg-type]
    for name, row in measured["results"].items():
        shown.add_row(name, f"{row['value']:,.{2 if row['unit'] == 's' else 1}f}", row["unit"])
    return shown


def rounds_table(measured: dict[str, Any]) -> str:
    """What a round of each paper's laptop profile takes, as a table for a README; above a quick look's, what it is."""
    from fedit_lib.papers import PAPERS

    rows = ["| paper | batch | rounds | a round, s | all rounds, h |", "| --- | ---: | ---: | ---: | ---: |"]
    for name, row in measured["rounds"].items():
        cells = f"{row['steps']:,} | {row['seconds_a_round']:.2f} | {row['hours']:.1f}"
        rows.append(f"| {PAPERS[name].TITLE} | {row['batch_size']} | {cells} |")
    return "\n".join([f"{QUICK}\n"] * measured["quick"] + rows)


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


def _seconds_a_round(
    paper: Any, settings: Any, device: Any, precision: str, rounds: int
) -> tuple[float, float]:
    """Mean seconds of a round, and mean moves in one, over rounds spread evenly over a training of the profile.

    A paper's rounds differ: it warms up, or trains one network after another. What happens once, between two phases,
    is not counted, nor is validation.
    """
    import torch

    from fedit_lib import training
    from fedit_lib.data import procedural

    game = paper.build(settings)
    faces = procedural(max(64, settings.batch_size), size=settings.size, attributes=paper.ATTRIBUTES)
    if arrange := getattr(paper, "arrange", None):
        faces = arrange(faces)
    begun, taken, moves = [0.0], [], []

    def now() -> float:
        if device.type == "cuda":  # what was asked of a GPU is done later
            torch.cuda.synchronize(device)
        return time.perf_counter()

    def begin(progress: float) -> None:
        played = len(taken)  # the first round warms up: the place of the second, so that no phase is left out
        set_progress((max(played - 1, 0) + 0.5) / rounds)
        moves.append(len(game.turns))
        begun[0] = now()

    def end(number: int, batch: Any) -> None:
        taken.append(now() - begun[0])
        after_round(number, batch)

    set_progress, after_round = game.set_progress, game.after_round
    game.set_progress, game.after_round = begin, end
    training.fit(
        game,
        faces,
        steps=rounds + 1,
        batch_size=settings.batch_size,
        device=str(device),
        precision=precision,
        progress=False,
    )
    return statistics.mean(taken[1:]), statistics.mean(moves[1:])


def _edit_ms(profile: str, device: Any, repeats: int) -> float:
    import torch

    from fedit_lib.papers import attgan

    game = attgan.build(profile)
    editor = attgan.editor(game.inference_networks(), {"config": game.config()}, device=str(device))
    image = torch.zeros(1, 3, editor.size, editor.size)
    labels = torch.zeros(1, len(editor.attributes))
    return 1000 * _seconds(lambda: editor.edit(image, labels, 1 - labels), device, repeats)
