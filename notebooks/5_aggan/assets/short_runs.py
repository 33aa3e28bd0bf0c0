"""What each part of AGGAN does: short real runs at 32 px. python short_runs.py [ROUNDS]

Writes short_runs.csv (a row a run), short_runs_log.csv (the masks' mean through each run) and short_runs.jpg (a row a
run, see `picture`) beside this file. Equal rounds, equal seeds, Eyeglasses. The runs:
- "full": as in the paper, with the total variation as a mean, weighted as 0.000001 of the sum is at 256 px.
- "no guided discriminators": without D_XA and D_YA, which is what the released code trains; the vanilla ones alone then
  weigh as much as both together did, so that nothing else changes.
- "no TV": without the total variation of the masks. "TV summed": 0.000001 of the sum, at these 32 px.
- "TV x 30": as full, with thirty times the weight.
- "no pixel loss".
- "CycleGAN": no mask, G = R, no guided discriminators.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fedit_lib.data import procedural
from fedit_lib.data.files import write_table
from fedit_lib.evaluation import Exam, evaluate, load_oracle
from fedit_lib.faces import to_float, to_uint8
from fedit_lib.papers import aggan
from fedit_lib.papers.aggan import AGGANEditor
from fedit_lib.training import History, fit

HERE = Path(__file__).parent
NAME, SIZE, FACES, ROUNDS, PEOPLE, BATCH = "Eyeglasses", 32, 1500, 400, 100, 4
# 0.000001 of the sum over 256 x 256 pixels, across and down, is this much of the mean
TV_MEAN = 1e-6 * 2 * 256 * 255
GAME = {"width": 12, "blocks": 2, "d_width": 16, "d_depth": 3, "ema_decay": 0.99, "lr": 1e-3}
GAME |= {"warmup": 0.0, "curriculum": 0.05}  # glasses need no more
VANILLA = {"attention_guided": False, "gan": 1.0}
RUNS = {
    "full": {},
    "no guided discriminators": VANILLA,
    "no TV": {"tv": 0.0},
    "CycleGAN": {**VANILLA, "mask": False},
    "TV x 30": {"tv": 30 * TV_MEAN},
    "no pixel loss": {"pixel": 0.0},
    "TV summed": {"tv": 1e-6, "tv_reduction": "sum"},
}


def trained(rounds: int, **options: object) -> tuple[AGGANEditor, History]:
    torch.manual_seed(0)
    options = {"size": SIZE, **GAME, "tv": TV_MEAN, "tv_reduction": "mean", **options}
    game = aggan.build("laptop", [NAME], **options)
    people = aggan.arrange(procedural(FACES, size=SIZE, attributes=[NAME]))
    history = fit(
        game,
        people,
        steps=rounds,
        batch_size=BATCH,
        device="cpu",
        precision="bf16-mixed",
        log_every=max(1, rounds // 20),
        progress=False,
    )
    return aggan.editor(game.averaged_networks(), {"config": game.config()}), history


def measured(editor: AGGANEditor, exam: Exam) -> dict[str, float]:
    """On held-out people: accuracy both ways, the masks against the true region, and how full the masks are."""
    oracle = load_oracle("a")
    scores = evaluate(editor, questions=exam, oracle=oracle, slider_faces=0, progress=False)
    wanted = ("accuracy", "region_psnr", "region_psnr_of_doing_nothing", "leakage", "reconstruction_psnr")
    found = {name: scores.mean(name) for name in (*wanted, "mask_ap", "mask_iou")}
    images, labels = to_float(exam.images), exam.people.labels([NAME])
    target = 1 - labels
    hit = (oracle.labels(editor.edit(images, labels, target), [NAME]) == target).float()[:, 0]
    found["accuracy_to_y"] = hit[labels[:, 0] < 0.5].mean()
    found["accuracy_to_x"] = hit[labels[:, 0] > 0.5].mean()
    mask = editor.attention(images, labels, target)
    found["mask_mean"] = None if mask is None else mask.mean()
    found["mask_above_0.9"] = None if mask is None else (mask > 0.9).float().mean()
    return {key: None if value is None else round(float(value), 4) for key, value in found.items()}


def picture(editor: AGGANEditor, exam: Exam) -> Tensor:
    """One row, (3, SIZE, ...): input, mask, content and result, for two people without glasses and two with."""
    images, labels = to_float(exam.images), exam.people.labels([NAME])
    who = torch.cat([(labels[:, 0] == kind).nonzero()[:2, 0] for kind in (0, 1)])
    x, a, b = images[who], labels[who], 1 - labels[who]
    mask = editor.attention(x, a, b)
    shown = torch.ones_like(x) if mask is None else mask.expand_as(x) * 2 - 1  # no mask: all is painted
    columns = (x, shown, editor.content(x, a, b), editor.edit(x, a, b))
    return torch.cat([column[i] for i in range(len(who)) for column in columns], dim=2)


def main(rounds: int = ROUNDS) -> None:
    exam = Exam(PEOPLE, 0, SIZE, split="valid")
    rows, log, pictures = [], [], []
    for name, options in RUNS.items():
        began = time.perf_counter()
        editor, history = trained(rounds, **options)
        seconds = round(time.perf_counter() - began, 1)
        row = {"run": name, "rounds": rounds, "size": SIZE, "seconds": seconds}
        rows.append(row | measured(editor, exam))
        steps, means = history.steps, history.terms["generators/_mask"]
        log += [
            {"run": name, "round": s, "mask_mean": round(m, 4)} for s, m in zip(steps, means, strict=True)
        ]
        pictures.append(picture(editor, exam))
        print(rows[-1], flush=True)
        write_table(HERE / "short_runs.csv", rows)
        write_table(HERE / "short_runs_log.csv", log)
        sheet = to_uint8(torch.cat(pictures, dim=1)[None])[0].permute(1, 2, 0).numpy()
        big = Image.fromarray(np.ascontiguousarray(sheet))
        big = big.resize((big.width * 2, big.height * 2), Image.Resampling.LANCZOS)
        big.save(HERE / "short_runs.jpg", quality=88)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
