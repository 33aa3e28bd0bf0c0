"""Five failures and one that is none, made on purpose: short real runs at 32 px. python failures.py [NAME ...]

Each failure is a switch away from a run that works; both are trained from the same start. Writes beside this file
failures.csv (the curves: failure, run, round, measure, value) and NAME.jpg (what the runs draw at the
end; rows as `ROWS` says). With names only those are made, and the table keeps the others.

- collapse: the faces' GAN with the first GAN's loss, no gradient penalty, and an optimiser that suits a classifier
  (rate 0.005, momentum 0.8).
- entanglement: AttGAN on people as in life, where hardly a woman has a beard and half wear make-up, instead of
  independent attributes. "life's habits" is how far an edit of Male moves eight other attributes the way they go with
  it in life, beyond what the true edit does, in strengths.
- identity: AttGAN without its reconstruction loss.
- mask: AGGAN without pixel and cycle loss, which pay for leaving the picture alone.
- latent: Fader Networks with lambda_E = 0, so that nothing keeps the attribute out of the code.
- nothing: AttGAN without the classification of edited faces.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fedit_lib import faces
from fedit_lib.data import procedural
from fedit_lib.data.files import write_table
from fedit_lib.evaluation import load_oracle, side_effects
from fedit_lib.evaluation.metrics import psnr
from fedit_lib.faces import to_uint8
from fedit_lib.papers import aggan, attgan, fader, toy
from fedit_lib.training import fit

HERE = Path(__file__).parent
SIZE, EVERY, SHOWN = 32, 50, 8
PEOPLE = faces.sample(60, seed=faces.SEEDS["valid"].start, correlated=False)
ATTGAN = {"size": SIZE, "width": 16, "depth": 3, "hidden": 96, "ema_decay": 0.99}
NAMES = ("Male", "Eyeglasses", "Mouth_Slightly_Open", "Bangs")
# What goes with Male in life (+) or against it (-); no edit here asks for any of it
LIFE = {"Mustache": 1, "Bushy_Eyebrows": 1, "Big_Nose": 1, "Bald": 1,
        "No_Beard": -1, "Heavy_Makeup": -1, "Wavy_Hair": -1, "Big_Lips": -1}  # fmt: skip
AGGAN = {"size": SIZE, "width": 12, "blocks": 2, "d_width": 16, "d_depth": 3, "ema_decay": 0.99, "lr": 1e-3}
AGGAN |= {"warmup": 0.0, "curriculum": 0.05}
FADER = {
    "size": SIZE,
    "width": 12,
    "depth": 3,
    "widest": 48,
    "hidden": 96,
    "ramp": 0.2,
    "lambda_end": 1.0,
    "dis_moves": 2,
    "ema_decay": 0.99,
}
ROWS = {
    "collapse": ("as it should be", "collapsed", "real"),
    "entanglement": ("input", "independent people", "people as in life", "true answer"),
    "identity": ("input", "with reconstruction", "without", "true answer"),
    "mask": ("input", "result", "mask", "result without", "mask without"),
    "latent": ("input", "adversary on the code", "lambda_E = 0", "true answer"),
    "nothing": ("input", "with classification", "without", "true answer"),
}


def play(
    game: Any, people: Any, rounds: int, batch: int, measure: Callable[[Any], dict[str, float]]
) -> tuple[Any, list]:
    """Train, measuring every EVERY rounds: (the game, [{"round", "measure", "value"}])."""
    rows: list[dict[str, Any]] = []

    def look(game: Any, step: int) -> dict[str, float]:
        found = {key: round(float(value), 4) for key, value in measure(game).items()}
        rows.extend({"round": step, "measure": key, "value": value} for key, value in found.items())
        return found

    fit(
        game, people, steps=rounds, batch_size=batch, device="cpu", precision="bf16-mixed", validate=look,
        validate_every=EVERY, progress=False,
    )  # fmt: skip
    return game, rows


def flipped(editor: Any, name: str, people: faces.People) -> tuple[Tensor, Tensor, Tensor, faces.People]:
    """(pictures, labels, target, the true people) of one attribute flipped on everyone."""
    wanted = 1 - people.labels([name])[:, 0]
    true = people.with_attribute(name, torch.where(wanted > 0.5, faces.TYPICAL[1], faces.TYPICAL[0]))
    return (
        faces.render(people, size=SIZE), people.labels(editor.attributes), true.labels(editor.attributes), true,
    )  # fmt: skip


def edited(editor: Any, name: str, people: faces.People = PEOPLE) -> tuple[Tensor, Tensor, Tensor]:
    """(input, edit, true answer), each (n, 3, SIZE, SIZE)."""
    images, labels, target, true = flipped(editor, name, people)
    return images, editor.edit(images, labels, target), faces.render(true, size=SIZE)


def obeyed(editor: Any, name: str) -> float:
    """How often the oracle sees the flipped attribute."""
    images, labels, target, true = flipped(editor, name, PEOPLE)
    seen = load_oracle("a").labels(editor.edit(images, labels, target), [name])
    return float((seen == true.labels([name])).float().mean())


def rebuilt(editor: Any) -> float:
    """PSNR of the reconstruction, dB."""
    images = faces.render(PEOPLE, size=SIZE)
    made = editor.reconstruct(images, PEOPLE.labels(editor.attributes))
    return float(psnr(to_uint8(made), to_uint8(images)).mean())


def of_attgan(game: Any) -> Any:
    return attgan.editor(game.averaged_networks(), {"config": game.config()})


def attgan_run(rounds: int = 500, correlated: bool = False, **options: Any) -> tuple[Any, list]:
    def measure(game: Any) -> dict[str, float]:
        editor = of_attgan(game)
        table = side_effects(editor, PEOPLE, ["Male"], LIFE)
        return {
            "accuracy": sum(obeyed(editor, name) for name in NAMES) / len(NAMES),
            "reconstruction": rebuilt(editor),
            "life's habits": (table.excess[0] * torch.tensor(list(LIFE.values()))).mean(),
        }

    torch.manual_seed(0)
    people = procedural(3000, size=SIZE, attributes=NAMES, correlated=correlated)
    game, rows = play(attgan.build("laptop", NAMES, **(ATTGAN | options)), people, rounds, 16, measure)
    return of_attgan(game), rows


def attgan_pair(name: str, **options: Any) -> tuple[list[list], list[Tensor]]:
    """The healthy run, the failing one, and the rows of the picture."""
    global _healthy
    if _healthy is None:
        _healthy = attgan_run()
    failed = attgan_run(**options)
    who = PEOPLE[:SHOWN]
    images, good, truth = edited(_healthy[0], name, who)
    return [_healthy[1], failed[1]], [images, good, edited(failed[0], name, who)[1], truth]


_healthy: tuple[Any, list] | None = None


def collapse() -> tuple[list[list], list[Tensor]]:
    def measure(game: Any) -> dict[str, float]:
        made = (game.sample(64).flatten(1) + 1) * 127.5
        return {"spread": torch.pdist(made).mean() / made.shape[1] ** 0.5}

    curves, pictures = [], []
    profile = toy.PROFILES["laptop"]
    people = toy.face_set(profile)
    for options in ({}, {"mode": "dcgan", "gp": 0.0, "lr": 5e-3, "betas": (0.8, 0.9), "critic_moves": 1}):
        torch.manual_seed(0)
        game, rows = play(toy.build(profile, **options), people, 400, 32, measure)
        curves.append(rows)
        pictures.append(game.sample(SHOWN, seed=1))
    return curves, [*pictures, people.batch(slice(0, SHOWN)).images]


def entanglement() -> tuple[list[list], list[Tensor]]:
    runs = [attgan_run(700, correlated, rec=60.0) for correlated in (False, True)]
    who = PEOPLE[(PEOPLE.labels(["Male"])[:, 0] < 0.5).nonzero()[:SHOWN, 0]]
    (images, good, truth), (_, bad, _) = (edited(run[0], "Male", who) for run in runs)
    return [run[1] for run in runs], [images, good, bad, truth]


def identity() -> tuple[list[list], list[Tensor]]:
    return attgan_pair("Bangs", rec=0.0)


def nothing() -> tuple[list[list], list[Tensor]]:
    return attgan_pair("Eyeglasses", cls_g=0.0)


def mask() -> tuple[list[list], list[Tensor]]:
    name = "Eyeglasses"
    who = PEOPLE[(PEOPLE.labels([name])[:, 0] < 0.5).nonzero()[:SHOWN, 0]]

    def of(game: Any) -> Any:
        return aggan.editor(game.averaged_networks(), {"config": game.config()})

    def measure(game: Any) -> dict[str, float]:
        images, labels, target, _ = flipped(of(game), name, PEOPLE)
        return {"mask": of(game).attention(images, labels, target).mean(), "accuracy": obeyed(of(game), name)}

    curves, pictures = [], [faces.render(who, size=SIZE)]
    people = aggan.arrange(procedural(1500, size=SIZE, attributes=[name]))
    for options in ({}, {"pixel": 0.0, "cycle": 0.0}):
        torch.manual_seed(0)
        game, rows = play(aggan.build("laptop", [name], **AGGAN, **options), people, 250, 4, measure)
        curves.append(rows)
        images, labels, target, _ = flipped(of(game), name, who)
        shown = of(game).attention(images, labels, target) * 2 - 1
        pictures += [of(game).edit(images, labels, target), shown.expand(-1, 3, -1, -1)]
    return curves, pictures


def latent() -> tuple[list[list], list[Tensor]]:
    name = "Eyeglasses"

    def of(game: Any) -> Any:
        return fader.editor(game.averaged_networks(), {"config": game.config()})

    def measure(game: Any) -> dict[str, float]:
        return {"accuracy": obeyed(of(game), name), "reconstruction": rebuilt(of(game))}

    curves, pictures = [], []
    people = procedural(4000, size=SIZE, attributes=[name])
    for lambda_e in (0.06, 0.0):
        torch.manual_seed(0)
        game = fader.build("laptop", [name], lambda_e=lambda_e, **FADER)
        game, rows = play(game, people, 2500, 32, measure)
        curves.append(rows)
        images, made, truth = edited(of(game), name, PEOPLE[:SHOWN])
        pictures.append(made)
    return curves, [images, *pictures, truth]


FAILURES = {"collapse": collapse, "latent": latent, "mask": mask, "entanglement": entanglement, "identity": identity,
            "nothing": nothing}  # fmt: skip


def main(*names: str) -> None:
    path = HERE / "failures.csv"
    for name in names or FAILURES:
        curves, pictures = FAILURES[name]()
        if len(pictures) != len(ROWS[name]):
            raise RuntimeError(f"{name} drew {len(pictures)} rows, ROWS names {len(ROWS[name])}")
        old = csv.DictReader(path.read_text(encoding="utf-8").splitlines()) if path.exists() else []
        table = [row for row in old if row["failure"] != name]
        for run, rows in zip(("works", "fails"), curves, strict=True):
            table += [{"failure": name, "run": run, **row} for row in rows]
            print(name, run, rows[-3:], flush=True)
        write_table(path, table)
        sheet = torch.cat([torch.cat(list(row.clamp(-1, 1)), dim=2) for row in pictures], dim=1)
        pixels = np.ascontiguousarray(to_uint8(sheet[None])[0].permute(1, 2, 0).numpy())
        big = Image.fromarray(pixels).resize(
            (2 * pixels.shape[1], 2 * pixels.shape[0]), Image.Resampling.LANCZOS
        )
        big.save(HERE / f"{name}.jpg", quality=85)


if __name__ == "__main__":
    unknown = [name for name in sys.argv[1:] if name not in FAILURES]
    if unknown:
        sys.exit(f"no failure {unknown[0]!r}; there are: {', '.join(FAILURES)}")
    main(*sys.argv[1:])
