"""lambda_2.csv: what the validation said while one attribute's training went on with other weights.

    python lambda_2.py data/runs/sagan_Smiling data/runs/sagan_Smiling_b ...

The run folders of *one* attribute, in order, each of which began as a copy of the one before it (so its log has that
one's rows too). Rows are appended, two a stage: the first validation of it and the last.
"""

import csv
import json
import sys
from pathlib import Path

COLUMNS = (
    "accuracy",
    "region_psnr",
    "region_psnr_of_doing_nothing",
    "mask_ap",
    "leakage",
    "reconstruction_psnr",
)


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


if __name__ == "__main__":
    out = Path(__file__).with_name("lambda_2.csv")
    rows = stages([Path(folder) for folder in sys.argv[1:]])
    fresh = not out.exists()
    with out.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerows(rows)
