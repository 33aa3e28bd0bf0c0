"""The paper's augmentation experiment, are edited copies worth learning from? python verifier.py [SEEDS] [ARM ...]

A verifier learns from two photographs of each of 100 people, each person always with the same glasses and the same
smile. The arms add nothing, mirrored copies, an editor's copies with one attribute flipped, or the face world's true
ones. All arms take the same number of steps. Held-out people are then verified on two photographs that are alike in
all attributes, or differ in one (see `fedit_lib.evaluation.verifier.Lineup`).

Every seed has other people, other first weights and other batches; within a seed all arms share them. Writes
verifier.csv beside this file (a row a seed, arm and kind of pair; arms that are not run again keep their rows), and
prints what each arm gains over nothing added.
"""

from __future__ import annotations

import csv
import statistics
import sys
from pathlib import Path

import torch
from torch import Tensor

from fedit_lib import faces, load_editor
from fedit_lib.evaluation.exam import draw
from fedit_lib.evaluation.verifier import Lineup, album, edited_copies, flipped, train_verifier

TABLE = Path(__file__).with_suffix(".csv")
ARMS = ("none", "mirror", "attgan", "sagan", "true")
ATTRIBUTES = ("Eyeglasses", "Smiling")
SEEDS, POOL, PEOPLE, PHOTOS, TESTED = 5, 150, 100, 2, 200
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


def main(seeds: int = SEEDS, *arms: str) -> None:
    arms = arms or ARMS
    rows = [row for row in stored() if row["arm"] not in arms]
    shots, who = album(faces.sample(POOL, seed=FIRST, correlated=False), PHOTOS)
    pictures = draw(shots, 64)
    lineup = Lineup(TESTED, attributes=ATTRIBUTES)
    added = {arm: copies(arm, shots, pictures) for arm in arms}
    for seed in range(seeds):
        chosen = torch.randperm(POOL, generator=torch.Generator().manual_seed(seed))[:PEOPLE]
        number = torch.full((POOL,), -1)
        number[chosen] = torch.arange(PEOPLE)
        mine = number[who] >= 0
        for arm in arms:
            learned = torch.cat([pictures[mine], *added[arm][:, mine]])
            identity = number[who][mine].repeat(1 + len(added[arm]))
            verifier = train_verifier(learned, identity, seed=seed, **LEARNING)
            for kind, found in lineup.scores(verifier).items():
                row = {"arm": arm, "seed": seed, "pairs": kind, "pictures": len(identity)}
                rows.append(row | {name: round(value, 4) for name, value in found.items()})
            rows.sort(key=lambda row: (ARMS.index(row["arm"]), row["seed"]))
            with TABLE.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
    for arm in dict.fromkeys(row["arm"] for row in rows):
        report(rows, arm)


def stored() -> list[dict]:
    """The rows of verifier.csv, if it is there."""
    if not TABLE.exists():
        return []
    with TABLE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    texts = ("arm", "pairs")
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
        line = f"{arm:7} {kind:20}"
        for name in ("auc", "accuracy", "accepted"):
            line += f"  {name} {statistics.mean(row[name] for row in of[arm].values()):.3f}"
            gains = [of[arm][s][name] - of["none"][s][name] for s in of[arm] if s in of["none"]]
            if arm != "none" and gains:
                spread = statistics.stdev(gains) if len(gains) > 1 else 0.0
                line += f" ({statistics.mean(gains):+.3f}, sd {spread:.3f})"
        print(line, flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *sys.argv[2:])
