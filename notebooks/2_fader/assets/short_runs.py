"""What lambda_E does, and three ways to fail: short real runs at 32 px. python short_runs.py [ROUNDS]

Writes short_runs.csv (a row a run) and short_runs.jpg (a row a run, see `picture`) beside this file. The runs:
- lambda_E from 0 to 1, everything else alike. 0 is the failure "the code leaks, so the slider does nothing"; the
  largest is the failure "lambda_E too high, so the face collapses".
- "tied": people of whom nearly all who smile also open the mouth, and the reverse. The failure "several attributes
  flip together".
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fedit_lib.data import FaceSet, procedural
from fedit_lib.data.files import write_table
from fedit_lib.evaluation import Exam, load_oracle
from fedit_lib.evaluation.metrics import psnr
from fedit_lib.evaluation.probe import probe_accuracy
from fedit_lib.faces import to_float, to_uint8
from fedit_lib.papers import fader
from fedit_lib.papers.fader import FaderEditor
from fedit_lib.training import fit

HERE = Path(__file__).parent
SIZE, FACES, ROUNDS, PEOPLE = 32, 4000, 900, 150
LAMBDAS = (0.0, 0.002, 0.02, 0.1, 1.0)
TIED_LAMBDA = 0.02
GAME = {
    "width": 12,
    "depth": 3,
    "widest": 48,
    "hidden": 96,
    "ramp": 0.2,
    "lambda_end": 1.0,
    "dis_moves": 2,
    "ema_decay": 0.99,
}


def tied(people: FaceSet, share: float = 0.95) -> FaceSet:
    """Those of whom `share` have the same label for the mouth as for the smile (independent people: half)."""
    mouth, smile = people.labels[:, 0], people.labels[:, 1]
    same, other = (mouth == smile).nonzero()[:, 0], (mouth != smile).nonzero()[:, 0]
    return people[torch.cat([same, other[: round(len(same) * (1 - share) / share)]])]


def trained(lambda_e: float, people: FaceSet, rounds: int) -> FaderEditor:
    torch.manual_seed(0)
    game = fader.build("laptop", size=SIZE, lambda_e=lambda_e, **GAME)
    fit(game, people, steps=rounds, batch_size=32, device="cpu", precision="bf16-mixed", progress=False)
    return fader.editor(game.averaged_networks(), {"config": game.config()})


def measured(editor: FaderEditor, exam: Exam) -> dict[str, float]:
    """On held-out people: reconstruction (dB), swap accuracy, what a fresh probe reads, and who moves with whom."""
    oracle, names = load_oracle("a"), list(editor.attributes)
    images, labels = to_float(exam.images), exam.people.labels(names)
    found = {"reconstruction_psnr": psnr(to_uint8(editor.reconstruct(images, labels)), exam.images).mean()}
    before = oracle.labels(editor.reconstruct(images, labels), names)
    for i, name in enumerate(names):
        target = labels.clone()
        target[:, i] = 1 - target[:, i]
        after = oracle.labels(editor.edit(images, labels, target), names)
        found[f"accuracy_{name}"] = (after[:, i] == target[:, i]).float().mean()
        if name == "Smiling":  # how often the mouth's label changes when only a smile was asked
            found["mouth_moves_with_smile"] = (after[:, 0] != before[:, 0]).float().mean()
    found["accuracy"] = sum(found[f"accuracy_{name}"] for name in names) / len(names)
    probe = probe_accuracy(editor.latent, names, exam, people=1000, steps=200)
    found |= {"probe": probe["mean"], **{f"probe_{k}": v for k, v in probe["per_attribute"].items()}}
    return {key: round(float(value), 4) for key, value in found.items()}


def picture(editor: FaderEditor, exam: Exam, people: int = 3) -> Tensor:
    """One row, (3, SIZE, ...): a face, its reconstruction, then each attribute at 0 and at 1; for some people."""
    names, tiles = list(editor.attributes), []
    images, labels = to_float(exam.images[:people]), exam.people.labels(names)[:people]
    columns = [images, editor.reconstruct(images, labels)]
    for i in range(len(names)):
        for strength in (0.0, 1.0):
            target = labels.clone()
            target[:, i] = strength
            columns.append(editor.edit(images, labels, target))
    for who in range(people):
        tiles += [column[who] for column in columns]
    return torch.cat(tiles, dim=2)


def main(rounds: int = ROUNDS) -> None:
    people = procedural(FACES, size=SIZE, attributes=list(fader.ATTRIBUTES))
    exam = Exam(PEOPLE, 0, SIZE, split="valid")
    runs = [("independent", value, people) for value in LAMBDAS] + [("tied", TIED_LAMBDA, tied(people))]
    rows, pictures = [], []
    for kind, lambda_e, faces in runs:
        began = time.perf_counter()
        editor = trained(lambda_e, faces, rounds)
        seconds = round(time.perf_counter() - began, 1)
        row = {"people": kind, "lambda_e": lambda_e, "rounds": rounds, "size": SIZE, "seconds": seconds}
        rows.append(row | measured(editor, exam))
        pictures.append(picture(editor, exam))
        print(rows[-1], flush=True)
        write_table(HERE / "short_runs.csv", rows)
        sheet = to_uint8(torch.cat(pictures, dim=1)[None])[0].permute(1, 2, 0).numpy()
        big = Image.fromarray(np.ascontiguousarray(sheet))
        big = big.resize((big.width * 2, big.height * 2), Image.Resampling.LANCZOS)
        big.save(HERE / "short_runs.jpg", quality=88)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
