"""Is a mask that opens first and closes then worth it? Short runs side by side, and the logs of long ones.

    python opening.py [ROUNDS]          opening.csv, from short runs at 32 px: "shut" and "open" differ in when lambda_2
                                        rises, and in nothing else; three seeds each
    python opening.py RUN_FOLDER ...    opening_log.csv: the validations of long runs, with the lambda_2 of that time;
                                        opening.jpg, if there are an "open" and a "shut" one of the same attribute

The long "shut" run is `fedit train sagan -o hold=0 -o ramp=0.15`. opening.jpg has a row a person: the face, edit and
mask of "shut", edit and mask of "open", the true answer.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import torch
from ablations import ATTRIBUTE, FACES, GAME, HERE, PEOPLE, SIZE, editor_of, grey, measured
from PIL import Image

from fedit_lib import faces
from fedit_lib.course.runs import load_run_editor
from fedit_lib.data import procedural
from fedit_lib.data.files import write_table
from fedit_lib.evaluation import Exam
from fedit_lib.papers import sagan
from fedit_lib.training import fit

ROUNDS, SEEDS, SHOWN = 600, 3, 3
RISING = {"lambda_2": 300.0, "lambda_2_open": 20.0}  # heavier than in `LAPTOP`, as cls_g is
RUNS = {"shut": {"hold": 0.0, "ramp": 0.15}, "open": {"hold": 0.5, "ramp": 0.55}}
COLUMNS = (
    "accuracy",
    "region_psnr",
    "region_psnr_of_doing_nothing",
    "mask_ap",
    "leakage",
    "reconstruction_psnr",
)


def short(rounds: int = ROUNDS) -> None:
    people = procedural(FACES, size=SIZE, attributes=[ATTRIBUTE])
    exam = Exam(PEOPLE, 0, SIZE, split="valid")
    rows: list[dict[str, Any]] = []
    for seed in range(SEEDS):
        for name, when in RUNS.items():
            torch.manual_seed(seed)
            game = sagan.build("laptop", ATTRIBUTE, size=SIZE, **(GAME | RISING | when))
            fit(
                game,
                people,
                steps=rounds,
                batch_size=16,
                seed=seed,
                device="cpu",
                precision="bf16-mixed",
                progress=False,
            )
            found = measured(editor_of(game), exam)
            rows.append({"run": name, "seed": seed, "rounds": rounds} | {c: found[c] for c in COLUMNS})
            print(rows[-1], flush=True)
    write_table(HERE / "opening.csv", rows)


def kind_of(run: dict[str, Any]) -> str:
    return "open" if run["options"]["hold"] else "shut"


def told(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


def log_of(folders: list[Path]) -> list[dict[str, Any]]:
    """A row a validation. A run that went on (--steps raised) comes after a copy of its folder from before."""
    rows: list[dict[str, Any]] = []
    done: dict[tuple[str, str], int] = {}
    for folder in folders:
        run = told(folder)
        with torch.device("meta"):
            game = sagan.SaGAN(**run["options"])
        which = game.attributes[0], kind_of(run)
        with (folder / "log.csv").open(encoding="utf-8") as file:
            log = [row for row in csv.DictReader(file) if row.get("valid/accuracy")]
        for row in log:
            step = int(row["step"])
            if step > done.get(which, 0):
                game.set_progress(step / run["steps"])
                about = {"attribute": which[0], "run": which[1], "step": step}
                about["lambda_2"] = f"{game.lambda_2_now:.1f}"
                rows.append(about | {c: f"{float(row[f'valid/{c}']):.3f}" for c in COLUMNS})
        done[which] = rows[-1]["step"]
    return rows


def picture(shut: Path, opened: Path) -> Image.Image:
    attribute = told(shut)["options"]["attributes"][0]
    people = faces.sample(SHOWN, seed=faces.SEEDS["valid"].start, correlated=False)
    images, labels = faces.render(people, size=64), people.labels([attribute])
    columns = [images]
    for run in (shut, opened):
        editor = load_run_editor(run, device="cpu")
        columns += [
            editor.edit(images, labels, 1 - labels),
            grey(editor.attention(images, labels, 1 - labels)),
        ]
    columns.append(faces.render(people.with_targets([attribute], 1 - labels), size=64))
    return faces.show(torch.stack(columns, 1).flatten(0, 1), columns=len(columns), scale=1)


if __name__ == "__main__":
    given = sys.argv[1:]
    if given and not given[0].isdigit():
        folders = [Path(folder) for folder in given]
        write_table(HERE / "opening_log.csv", log_of(folders))
        for shut in (folder for folder in folders if kind_of(told(folder)) == "shut"):
            same = [
                f for f in folders if told(f)["options"]["attributes"] == told(shut)["options"]["attributes"]
            ]
            same = [f for f in same if f != shut and told(f)["steps"] == told(shut)["steps"]]
            if same:
                picture(shut, same[0]).save(HERE / "opening.jpg", quality=88)
    else:
        short(*map(int, given))
