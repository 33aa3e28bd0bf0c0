"""S2F-DIS before its game and after: python before_after.py WARMUP_RUN DIS_RUN

The first run is the warm-up, in which photos were only redrawn and read; the second began where it ended. Writes
before_after.csv beside this file: measures of `fedit evaluate` from photos of 200 people of the "valid" split.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fedit_lib.course.runs import load_run_editor
from fedit_lib.data.files import write_table
from fedit_lib.evaluation import Exam, evaluate, load_oracle

MEASURES = ("accuracy", "preservation", "region_psnr", "reconstruction_psnr", "fid")


def main(*runs: str) -> None:
    exam, oracle, rows = Exam(200, 0, split="valid"), load_oracle("a"), []
    for title, run in zip(("before the game", "after it"), runs, strict=True):
        editor = load_run_editor(Path(run), device="cpu")
        scores = evaluate(editor, questions=exam, oracle=oracle, slider_faces=0, progress=False)
        rows.append({"weights": title} | {name: round(scores.mean(name), 4) for name in MEASURES})
        print(rows[-1], flush=True)
    write_table(Path(__file__).with_suffix(".csv"), rows)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
