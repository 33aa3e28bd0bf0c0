"""What each part of SaGAN is for: short real runs at 32 px, alike but for one thing. python ablations.py [ROUNDS]

Writes beside this file
- ablations.csv: a row a run, the measures of `fedit evaluate` on people of the "valid" split, and change_ap: how well
  the *change* itself, |edit - input|, finds the true region (for those without a mask, too);
- ablations.jpg: a row a run, for some people: input, edit, mask (black: closed; all grey: none), change;
- masks.csv and masks.jpg: the run called "paper", looked at now and then: a row a step (mask_ap, mask_iou, leakage,
  ...), a column a person; the last two rows are the true region and the face.

The runs: "paper"; "no_own" (lambda_2 = 0); "no_mask" (G = F_m); "residual" (G = I + 2 F_m, clamped, L1 penalty).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fedit_lib.data import procedural
from fedit_lib.data.files import write_table
from fedit_lib.evaluation import Exam, evaluate, load_oracle
from fedit_lib.evaluation.metrics import average_precision
from fedit_lib.faces import to_float, to_uint8
from fedit_lib.papers import sagan
from fedit_lib.papers.sagan import SaGANEditor
from fedit_lib.training import Game, fit

HERE = Path(__file__).parent
ATTRIBUTE, SIZE, FACES, ROUNDS, PEOPLE = "Eyeglasses", 32, 1500, 150, 60
GAME = {"width": 12, "san_width": 8, "d_width": 16, "d_depth": 3}
# Not the course size's: so few rounds want large steps and a heavy classifier, and no noise to learn to see through.
GAME |= {
    "lr": 6e-4,
    "critic_lr": None,
    "lr_drop": 0.85,
    "warmup": 0.1,
    "hold": 0.0,
    "ramp": 0.3,
    "cls_g": 10.0,
    "lambda_2": 100.0,
    "lambda_2_open": 0.0,
    "noise": 0.0,
}
RUNS: dict[str, dict[str, Any]] = {
    "paper": {},
    "no_own": {"lambda_2": 0.0},
    "no_mask": {"mask": False},
    "residual": {"residual": True},
}
MEASURES = (
    "accuracy",
    "preservation",
    "region_psnr",
    "region_psnr_of_doing_nothing",
    "leakage",
    "reconstruction_psnr",
    "mask_ap",
    "mask_iou",
)
LOOKS = 7  # at the masks of the first run, besides the one before it begins
SHOWN = 6  # people in a strip


def editor_of(game: Game) -> SaGANEditor:
    return sagan.editor(game.averaged_networks(), {"config": game.config()})


def flipped(editor: SaGANEditor, exam: Exam, people: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """Faces, the same edited, and the masks, of the first people of an exam."""
    images, labels = to_float(exam.images[:people]), exam.people.labels([ATTRIBUTE])[:people]
    return images, editor.edit(images, labels, 1 - labels), editor.attention(images, labels, 1 - labels)


def measured(editor: SaGANEditor, exam: Exam) -> dict[str, float | None]:
    scores = evaluate(
        editor,
        questions=exam,
        oracle=load_oracle("a"),
        oracle_b=load_oracle("b"),
        slider_faces=0,
        progress=False,
    )
    images, edited, _ = flipped(editor, exam, len(exam))
    change = (edited - images).abs().mean(1)
    ap = average_precision(change, exam.question(ATTRIBUTE).region).nanmean().item()
    found = {name: scores.mean(name) for name in MEASURES} | {"change_ap": ap}
    return {name: None if value is None else round(value, 4) for name, value in found.items()}


def grey(mask: Tensor) -> Tensor:
    """(B, 1, S, S) in [0, 1] -> a picture in [-1, 1]."""
    return (2 * mask - 1).expand(-1, 3, -1, -1)


def row_of(editor: SaGANEditor, exam: Exam, people: int = 3) -> Tensor:
    """One row, (3, SIZE, ...): a face, its edit, the mask, the change (three times as bright); for some people."""
    images, edited, mask = flipped(editor, exam, people)
    shown = torch.zeros_like(images) if mask is None else grey(mask)
    change = grey((1.5 * (edited - images).abs().mean(1, keepdim=True)).clamp_max(1))
    return torch.cat([t for who in zip(images, edited, shown, change, strict=True) for t in who], dim=2)


def save(name: str, rows: list[dict[str, Any]], pictures: list[Tensor]) -> None:
    write_table((HERE / f"{name}.csv"), rows)
    sheet = to_uint8(torch.cat(pictures, dim=1)[None])[0].permute(1, 2, 0).numpy()
    image = Image.fromarray(np.ascontiguousarray(sheet))
    image = image.resize((image.width * 2, image.height * 2), Image.Resampling.NEAREST)
    image.save(HERE / f"{name}.jpg", quality=88)


def main(rounds: int = ROUNDS) -> None:
    people = procedural(FACES, size=SIZE, attributes=[ATTRIBUTE])
    exam = Exam(PEOPLE, 0, SIZE, split="valid")
    rows, pictures = [], []
    steps, masks = [], []

    def look(game: Game, step: int) -> dict[str, float]:
        """What `fit` asks of the first run now and then."""
        editor = editor_of(game)
        steps.append({"step": step} | measured(editor, exam))
        masks.append(torch.cat(list(grey(flipped(editor, exam, SHOWN)[2])), dim=2))
        return {name: value for name, value in steps[-1].items() if value is not None and name != "step"}

    for name, switches in RUNS.items():
        torch.manual_seed(0)
        game = sagan.build("laptop", ATTRIBUTE, size=SIZE, **(GAME | switches))
        began = time.perf_counter()
        watched = name == "paper"
        if watched:
            look(game, 0)
        fit(
            game,
            people,
            steps=rounds,
            batch_size=16,
            device="cpu",
            precision="bf16-mixed",
            progress=False,
            validate=look if watched else None,
            validate_every=-(-rounds // LOOKS) if watched else None,
        )
        if watched:
            question = exam.question(ATTRIBUTE)
            ends = (grey(question.region[:SHOWN, None].float()), to_float(exam.images[:SHOWN]))
            save("masks", steps, masks + [torch.cat(list(end), dim=2) for end in ends])
        seconds = round(time.perf_counter() - began, 1)
        rows.append({"run": name, "rounds": rounds, "size": SIZE, "seconds": seconds})
        rows[-1] |= measured(editor_of(game), exam)
        pictures.append(row_of(editor_of(game), exam))
        print(rows[-1], flush=True)
        save("ablations", rows, pictures)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
