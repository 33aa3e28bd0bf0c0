"""S2F-DIS before its game and after: python before_after.py WARMUP_RUN DIS_RUN

The first run is the warm-up, in which photos were only redrawn and read; the second began where it ended. Writes beside
this file before_after.csv, measures of `fedit evaluate` from photos of 200 people of the "valid" split, and
before_after.jpg: five of the test people, and the same with glasses put on or taken off, before and after.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from fedit_lib import faces
from fedit_lib.course.runs import load_run_editor
from fedit_lib.data.files import write_table
from fedit_lib.evaluation import Exam, evaluate, load_oracle

MEASURES = ("accuracy", "preservation", "region_psnr", "reconstruction_psnr", "fid")
FLIPPED = "Eyeglasses"


def main(*runs: str) -> None:
    exam, oracle = Exam(200, 0, split="valid"), load_oracle("a")
    editors = [load_run_editor(Path(run), device="cpu") for run in runs]
    rows = []
    for title, editor in zip(("before the game", "after it"), editors, strict=True):
        scores = evaluate(editor, questions=exam, oracle=oracle, slider_faces=0, progress=False)
        rows.append({"weights": title} | {name: round(scores.mean(name), 4) for name in MEASURES})
        print(rows[-1], flush=True)
    write_table(Path(__file__).with_suffix(".csv"), rows)

    people = faces.sample(5, seed=faces.SEEDS["test"].start + 600, correlated=False)
    photos, labels = faces.render(people, size=editors[0].size), people.labels(editors[0].attributes)
    flipped = labels.clone()
    flipped[:, editors[0].column(FLIPPED)] = 1 - flipped[:, editors[0].column(FLIPPED)]
    edited = (editor.edit(photos, labels, flipped) for editor in editors)
    faces.show(torch.cat([photos, *edited]), columns=5).save(Path(__file__).with_suffix(".jpg"), quality=75)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
