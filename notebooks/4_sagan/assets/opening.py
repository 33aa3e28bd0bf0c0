"""opening.csv: what the validation said on the way of trainings whose lambda_2 went different ways. And their picture.

    fedit train sagan --out data/runs/sagan_Eyeglasses      (lambda_2 low at first, as the profile has it)
    fedit train sagan --out data/runs/sagan_Eyeglasses_shut -o hold=0 -o ramp=0.15     (lambda_2 high from the start)
    python opening.py data/runs/sagan_Eyeglasses data/runs/sagan_Eyeglasses_shut

Run folders, in the order of the table; `run` is "open" where lambda_2 waits (`hold`), else "shut". opening.jpg shows
some people of the "valid" split: the faces, then edits and masks at the end of each run, then the true answers. Give
runs of one attribute to see them side by side; of others only the rows are kept.
"""

import csv
import json
import sys
from pathlib import Path

import torch
from PIL import Image

from fedit_lib import faces
from fedit_lib.course.runs import load_run_editor
from fedit_lib.data.files import write_table
from fedit_lib.papers import sagan

COLUMNS = (
    "accuracy",
    "region_psnr",
    "region_psnr_of_doing_nothing",
    "mask_ap",
    "leakage",
    "reconstruction_psnr",
)
PEOPLE = 4  # in the picture


def rows_of(folder: Path) -> list[dict[str, str]]:
    """A row a validation of this run, with the lambda_2 of that moment."""
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    with torch.device("meta"):
        game = sagan.SaGAN(**run["options"])
    with (folder / "log.csv").open(encoding="utf-8") as file:
        log = [row for row in csv.DictReader(file) if row.get("valid/accuracy")]
    rows = []
    for row in log:
        game.set_progress(int(row["step"]) / run["steps"])
        about = {"attribute": game.attributes[0], "run": "open" if run["options"]["hold"] else "shut"}
        measured = {c: f"{float(row[f'valid/{c}']):.3f}" for c in COLUMNS if row.get(f"valid/{c}")}
        rows.append(about | {"step": row["step"], "lambda_2": f"{game.lambda_2_now:.1f}"} | measured)
    return rows


def picture(runs: list[Path], attribute: str) -> Image.Image:
    """A row a person: the face, edit and mask at the end of every run, the true answer."""
    people = faces.sample(PEOPLE, seed=faces.SEEDS["valid"].start, correlated=False)
    images, labels = faces.render(people, size=64), people.labels([attribute])
    columns = [images]
    for run in runs:
        editor = load_run_editor(run, device="cpu")
        mask = editor.attention(images, labels, 1 - labels)
        columns += [editor.edit(images, labels, 1 - labels), 2 * mask.expand_as(images) - 1]
    columns.append(faces.render(people.with_targets([attribute], 1 - labels), size=64))
    return faces.show(torch.stack(columns, 1).flatten(0, 1), columns=len(columns), scale=1)


if __name__ == "__main__":
    out, runs = Path(__file__).with_name("opening.csv"), [Path(folder) for folder in sys.argv[1:]]
    rows = {run: rows_of(run) for run in runs}
    write_table(out, [row for several in rows.values() for row in several])
    first = rows[runs[0]][0]["attribute"]
    alike = [run for run in runs if rows[run][0]["attribute"] == first]
    picture(alike, first).save(out.with_suffix(".jpg"), quality=88)
