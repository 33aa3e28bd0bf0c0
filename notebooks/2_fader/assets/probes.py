"""What a fresh probe reads of the code on the way: python probes.py RUN CHECKPOINT [CHECKPOINT ...]

Writes probes.csv beside this file, a row a checkpoint of the Fader Network, as given, under the run's name; rows of
other runs stay. The round, lambda_E there, the fresh probe's balanced accuracy (mean and an attribute each), swap
accuracy by the oracle and reconstruction (PSNR in dB), for 300 people of the "valid" split. Averaged weights, batch
statistics measured on 640 training faces.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import torch

from fedit_lib import faces
from fedit_lib.course.runs import load_checkpoint
from fedit_lib.data import procedural
from fedit_lib.data.files import write_table
from fedit_lib.evaluation import Exam, load_oracle
from fedit_lib.evaluation.probe import probe_accuracy
from fedit_lib.papers import fader

PEOPLE, TRAINING_FACES = 300, 640


def probed(checkpoint: str) -> dict[str, float]:
    """One row of the table."""
    _, game, state = load_checkpoint(Path(checkpoint))
    names = game.attributes
    known = procedural(TRAINING_FACES, size=game.size, attributes=names)
    generator = torch.Generator().manual_seed(0)
    game.settle(lambda: known.draw(32, generator))
    editor = fader.editor(game.averaged_networks(), {"config": game.config()})

    exam, oracle = Exam(PEOPLE, 0, game.size, split="valid"), load_oracle("a")
    x, own = faces.to_float(exam.images), exam.people.labels(names)
    probe = probe_accuracy(editor.latent, names, exam)
    right = []
    for k, name in enumerate(names):
        other = own.clone()
        other[:, k] = 1 - own[:, k]
        right.append((oracle.labels(editor.edit(x, own, other), [name])[:, 0] == other[:, k]).float().mean())
    error = ((editor.reconstruct(x, own) - x) / 2).square().mean((1, 2, 3))
    row = {"probe": probe["mean"], **probe["per_attribute"]}
    row |= {"swap": torch.stack(right).mean().item(), "reconstruction": float(-10 * error.log10().mean())}
    last = state["history"]["rows"][-1]["autoencoder/_lambda"]
    return {"round": state["step"], "lambda_e": float(f"{last:.1g}")} | {
        name: round(value, 3) for name, value in row.items()
    }


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    run, table = sys.argv[1], Path(__file__).with_suffix(".csv")
    with table.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["run"] != run]
    rows += [{"run": run, **probed(checkpoint)} for checkpoint in sys.argv[2:]]
    write_table(table, rows)
    for row in rows:
        print(row)
