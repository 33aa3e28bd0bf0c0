"""lambda_2.csv: what the validation said while one attribute's training went on with other weights. And its picture.

    python lambda_2.py data/runs/sagan_Smiling data/runs/sagan_Smiling_b ...

The run folders of *one* attribute, in order, each of which began as a copy of the one before it (so its log has that
one's rows too). The attribute's rows are written anew, two a stage: the first validation of it and the last; those of
other attributes stay. lambda_2_ATTRIBUTE.jpg shows some people of the "valid" split: the faces, then the edits and the
masks at the end of each stage, then the true answers.
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

COLUMNS = (
    "accuracy",
    "region_psnr",
    "region_psnr_of_doing_nothing",
    "mask_ap",
    "leakage",
    "reconstruction_psnr",
)
PEOPLE = 4  # in the picture


def stages(runs: list[Path]) -> list[dict[str, str]]:
    """The rows of lambda_2.csv for these runs."""
    rows, done = [], 0
    for run in runs:
        options = json.loads((run / "run.json").read_text(encoding="utf-8"))["options"]
        with (run / "log.csv").open(encoding="utf-8") as file:
            log = [row for row in csv.DictReader(file) if row.get("valid/accuracy")]
        new = [row for row in log if int(row["step"]) > done]
        about = {"attribute": options["attributes"][0], **{k: options[k] for k in ("lambda_2", "cls_g")}}
        # of the first run its end is enough: what went before is a start from nothing
        for row in new[-1:] if run == runs[0] else [new[0], new[-1]]:
            rows.append(
                about | {"step": row["step"]} | {c: f"{float(row[f'valid/{c}']):.3f}" for c in COLUMNS}
            )
        done = int(new[-1]["step"])
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
    out, runs = Path(__file__).with_name("lambda_2.csv"), [Path(folder) for folder in sys.argv[1:]]
    rows = stages(runs)
    attribute = rows[0]["attribute"]
    if out.exists():
        with out.open(encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["attribute"] != attribute] + rows
    write_table(out, rows)
    picture(runs, attribute).save(out.with_name(f"lambda_2_{attribute}.jpg"), quality=88)
