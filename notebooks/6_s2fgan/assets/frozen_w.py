"""S2F-DIS with a W that learns and with one that does not, over seeds: python frozen_w.py [SEED ...]

The first two runs of short_runs.py, 600 rounds at 32 px, once for every seed (default 0, 1, 2), start and batches alike
in both. Adds to frozen_w.csv beside this file, a row a run, with the measures of short_runs.csv.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from short_runs import FACES, NAMES, PEOPLE, RUNS, SIZE, measured, trained

from fedit_lib.data import procedural
from fedit_lib.data.files import write_table
from fedit_lib.evaluation import Exam, load_oracle
from fedit_lib.papers import s2fgan

ROUNDS, SHOWN = 600, ("dis", "dis, W frozen")


def main(*seeds: int) -> None:
    exam, oracle = Exam(PEOPLE, 0, SIZE, split="valid"), load_oracle("a")
    people = s2fgan.arrange(procedural(FACES, size=SIZE, attributes=NAMES))
    path = Path(__file__).with_suffix(".csv")
    for seed in seeds or (0, 1, 2):
        for name in SHOWN:
            editor, _ = trained(ROUNDS, people, seed, **RUNS[name])
            row = {"run": name, "seed": seed, "rounds": ROUNDS, **measured(editor, exam, oracle)}
            old = csv.DictReader(path.read_text(encoding="utf-8").splitlines()) if path.exists() else []
            kept = [r for r in old if (r["run"], r["seed"]) != (name, str(seed))]
            write_table(path, [*kept, row])
            print(row, flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
