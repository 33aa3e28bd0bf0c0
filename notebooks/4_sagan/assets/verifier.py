"""The paper's augmentation experiment, are edited copies worth learning from? python verifier.py [VERIFIER ...]

Two verifiers, "fisherfaces" (closed form, seconds) and "network" (minutes on a free core), learn from two photographs
of each of 100 people, each person always with glasses or always without. The arms add nothing, mirrored copies, an
editor's copies with the glasses put on or taken off, or the face world's true ones. All arms of the network take the
same number of steps. Held-out people are then verified on two photographs that are alike in all attributes, or of
which one has the glasses flipped (see `fedit_lib.evaluation.verifier.Lineup`).

Every seed has other people, other first weights and other batches; within a seed all arms share them. Writes
verifier.csv beside this file (a row a verifier, seed, arm and kind of pair; a verifier that is not run again keeps its
rows), and prints what each arm gains over nothing added.
"""

from __future__ import annotations

import csv
import itertools
import statistics
import sys
from pathlib import Path

import torch
from torch import Tensor

from fedit_lib import faces, load_editor
from fedit_lib.data.files import write_table
from fedit_lib.evaluation.exam import draw
from fedit_lib.evaluation.verifier import Fisherfaces, Lineup, album, edited_copies, flipped, train_verifier

TABLE = Path(__file__).with_suffix(".csv")
ARMS = ("none", "mirror", "attgan", "sagan", "true")
ATTRIBUTES = ("Eyeglasses",)
SEEDS, POOL, PEOPLE, PHOTOS, TESTED = 5, 150, 100, 2, 200
VERIFIERS = {
    "fisherfaces": lambda pictures, identity, seed: Fisherfaces(pictures, identity),
    "network": lambda pictures, identity, seed: train_verifier(pictures, identity, seed=seed, **LEARNING),
}
LEARNING = {"steps": 200, "batch_size": 48, "size": 32, "width": 12}
FIRST = faces.SEEDS["train"].start + 600_000  # people that no editor of this course has met


def copies(arm: str, shots: faces.People, pictures: Tensor) -> Tensor:
    """The copies that an arm adds to the pool's pictures, uint8 (k, N, 3, S, S); k is 0 for "none"."""
    size = pictures.shape[-1]
    if arm == "none":
        return pictures[None][:0]
    if arm == "mirror":
        return pictures.flip(-1)[None]
    if arm == "true":
        return torch.stack([draw(flipped(shots, name), size) for name in ATTRIBUTES])
    made = edited_copies(load_editor(arm, device="cpu"), shots, ATTRIBUTES)
    return made.view(len(ATTRIBUTES), *pictures.shape)


def main(*names: str) -> None:
    names = names or tuple(VERIFIERS)
    rows = [row for row in stored() if row["verifier"] not in names]
    shots, who = album(faces.sample(POOL, seed=FIRST, correlated=False), PHOTOS)
    pictures = draw(shots, 64)
    lineup = Lineup(TESTED, attributes=ATTRIBUTES)
    added = {arm: copies(arm, shots, pictures) for arm in ARMS}
    for name, seed in itertools.product(names, range(SEEDS)):
        chosen = torch.randperm(POOL, generator=torch.Generator().manual_seed(seed))[:PEOPLE]
        number = torch.full((POOL,), -1)
        number[chosen] = torch.arange(PEOPLE)
        mine = number[who] >= 0
        for arm in ARMS:
            learned = torch.cat([pictures[mine], *added[arm][:, mine]])
            identity = number[who][mine].repeat(1 + len(added[arm]))
            verifier = VERIFIERS[name](learned, identity, seed)
            for kind, found in lineup.scores(verifier).items():
                row = {"verifier": name, "arm": arm, "seed": seed, "pairs": kind, "pictures": len(identity)}
                rows.append(row | {measure: round(value, 4) for measure, value in found.items()})
        write_table(TABLE, rows)
    for name in dict.fromkeys(row["verifier"] for row in rows):
        for arm in ARMS:
            report([row for row in rows if row["verifier"] == name], arm)


def stored() -> list[dict]:
    """The rows of verifier.csv, if it is there."""
    if not TABLE.exists():
        return []
    with TABLE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    texts = ("verifier", "arm", "pairs")
    return [
        {k: v if k in texts else int(v) if k in ("seed", "pictures") else float(v) for k, v in row.items()}
        for row in rows
    ]


def report(rows: list[dict], arm: str) -> None:
    """One line a kind of pair: mean over the seeds, and the gain over "none" seed by seed."""
    for kind in dict.fromkeys(row["pairs"] for row in rows):
        of = {
            a: {row["seed"]: row for row in rows if row["arm"] == a and row["pairs"] == kind}
            for a in ("none", arm)
        }
        line = f"{rows[0]['verifier']:11} {arm:7} {kind:12}"
        for name in ("auc", "accuracy", "accepted"):
            line += f"  {name} {statistics.mean(row[name] for row in of[arm].values()):.3f}"
            gains = [of[arm][s][name] - of["none"][s][name] for s in of[arm] if s in of["none"]]
            if arm != "none" and gains:
                spread = statistics.stdev(gains) if len(gains) > 1 else 0.0
                line += f" ({statistics.mean(gains):+.3f}, sd {spread:.3f})"
        print(line, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
