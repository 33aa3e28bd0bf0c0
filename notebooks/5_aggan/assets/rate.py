"""A rate that falls, or one that stays: two long runs of Smiling measured on 200 people. python rate.py

Needs the runs, which take 40 minutes each on one core:
    fedit train aggan --profile laptop --precision bf16-mixed --attributes Smiling --steps 12000 -o lr_decay=0.5 --out
        data/runs/aggan_Smiling_12000
    the same with -o lr_decay=1, first with --steps 8000, then with --steps 12000: data/runs/aggan_Smiling_flat
Writes rate.csv beside this file: each run's last weights, and their running average.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from fedit_lib.course.runs import load_run_editor
from fedit_lib.data.files import write_table
from fedit_lib.evaluation import Exam, evaluate, load_oracle
from fedit_lib.papers import aggan

HERE = Path(__file__).parent
RUNS = {"falls": "aggan_Smiling_12000", "stays": "aggan_Smiling_flat"}
MEASURES = (
    "accuracy",
    "region_psnr",
    "region_psnr_of_doing_nothing",
    "leakage",
    "mask_ap",
    "reconstruction_psnr",
)


def main() -> None:
    exam, oracle, rows = Exam(200, 0, 64, split="valid"), load_oracle("a"), []
    for rate, name in RUNS.items():
        folder = HERE.parents[2] / "data/runs" / name
        state = torch.load(folder / "checkpoint.pt", weights_only=True)
        options = json.loads((folder / "run.json").read_text(encoding="utf-8"))["options"]
        game = aggan.AGGAN(**options)
        game.load_state_dict(state["game"])
        last = aggan.editor(game.inference_networks(), {"config": game.config()})
        for weights, editor in (("last", last), ("average", load_run_editor(folder, device="cpu"))):
            scores = evaluate(editor, questions=exam, oracle=oracle, slider_faces=0, progress=False)
            rows.append(
                {"rate": rate, "weights": weights, "rounds": state["step"], "people": len(exam.people)}
            )
            rows[-1] |= {measure: round(scores.mean(measure), 4) for measure in MEASURES}
            print(rows[-1], flush=True)
            write_table(HERE / "rate.csv", rows)


if __name__ == "__main__":
    main()
