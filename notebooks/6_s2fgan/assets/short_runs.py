"""What the parts of S2FGAN are for: short real runs at 32 px, alike but for one thing. python short_runs.py [ROUNDS]

Equal rounds, equal seeds, six attributes, narrow networks. The runs:
- "dis", "dec": the two versions.
- "dis, W frozen", "dec, W frozen": the hyperplanes stay as they were born, which is what the released code trains.
- "dis, pixels for L_sem": the picture of the sketch is compared with the photo, of the same weight, and not the codes.
Runs whose name ends in "+ planes" are no trainings of their own: the same networks with directions fitted afterwards
(`s2fgan.hyperplanes`) on the training's people.

Writes beside this file, after every run:
- short_runs.csv, a row a run, of people of the "valid" split: measures of `fedit evaluate` from photos, from clean and
  from poor sketches;
  cosine: the mean size of the cosine of two rows of W;
  change_on, change_off: how far W's reading of an attribute moves when an intensity of 1 is asked of it, and how far
  those of the others do (mean of absolute values);
  reads_*: the part of the attributes that W reads right;
  near_*: a sketch's distance to its photo's code, in distances between two people's;
- short_runs_log.csv: W through each training;
- short_runs.jpg: a row a training, see `picture`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from fedit_lib import faces
from fedit_lib.data import procedural
from fedit_lib.data.files import write_table
from fedit_lib.evaluation import Exam, FromSketches, evaluate, load_oracle
from fedit_lib.papers import s2fgan
from fedit_lib.papers.s2fgan import S2FGANEditor, Sketched
from fedit_lib.training import History, fit

HERE = Path(__file__).parent
NAMES = ("Eyeglasses", "Bangs", "No_Beard", "Male", "Chubby", "Pale_Skin")
SIZE, FACES, ROUNDS, PEOPLE, BATCH, SLIDERS = 32, 2000, 1000, 100, 16, 40
GAME = {"style": 64, "width": 16, "widest": 48, "sketch_width": 8, "d_width": 16, "pooled": 192}
GAME |= {"layers": 2, "normed": True, "warmup": 0.2, "ramp": 0.1, "fade": 0.0, "sketch_waits": False}
GAME |= {
    "hidden": 8,
    "mapping_blocks": 2,
    "ema_decay": 0.99,
    "lr_drop": 0.85,
    "sketch_last": 1.0,
    "read": 0.0,
}
DIS = {"domain": 0.1, "rec": 15.0, "percept": 5.0, "attribute": 10.0, "ortho": 1.0}
DEC = {"variant": "dec", "rec": 15.0, "percept": 5.0, "attribute": 0.1, "edit": 3.0, "inverse": 3.0}
RUNS: dict[str, dict[str, Any]] = {
    "dis": DIS,
    "dis, W frozen": {**DIS, "frozen_w": True},
    "dis, pixels for L_sem": {**DIS, "semantic": False},
    "dec": DEC,
    "dec, W frozen": {**DEC, "frozen_w": True},
}
PLANES = ("dis", "dis, W frozen", "dec, W frozen")  # get other directions afterwards, too
MEASURES = {"photo": ("accuracy", "preservation", "slider_rank", "reconstruction_psnr", "fid")}
MEASURES |= dict.fromkeys(("clean", "poor"), ("accuracy", "preservation", "reconstruction_psnr", "fid"))
SHOWN = "Eyeglasses"  # the attribute that `picture` edits


def trained(rounds: int, people: Sketched, seed: int = 0, **options: Any) -> tuple[S2FGANEditor, History]:
    torch.manual_seed(seed)
    game = s2fgan.build("laptop", NAMES, size=SIZE, **GAME, **options)
    history = fit(
        game,
        people,
        steps=rounds,
        batch_size=BATCH,
        seed=seed,
        device="cpu",
        precision="bf16-mixed",
        log_every=max(1, rounds // 20),
        progress=False,
    )
    return s2fgan.editor(game.averaged_networks(), {"config": game.config()}), history


def change(editor: S2FGANEditor, codes: Tensor) -> Tensor:
    """(n, n): how W's readings of the columns move when an intensity of 1 of the rows is asked for, face means."""
    m = editor.networks["mapping"]
    asked = torch.eye(len(editor.attributes))
    with torch.no_grad():
        return torch.stack(
            [(m.read(m(codes, a.expand(len(codes), -1))) - m.read(codes)).mean(0) for a in asked]
        )


def measured(editor: S2FGANEditor, exam: Exam, oracle: Any) -> dict[str, float | None]:
    """One row of the table but for the run's name."""
    found: dict[str, float | None] = {}
    for source, measures in MEASURES.items():
        candidate = editor if source == "photo" else FromSketches(editor, exam.people, source)
        sliders = SLIDERS if source == "photo" else 0
        scores = evaluate(candidate, questions=exam, oracle=oracle, slider_faces=sliders, progress=False)
        found |= {f"{name}_{source}": scores.mean(name) for name in measures}
    labels = exam.people.labels(NAMES) > 0.5
    codes = {"photo": editor.code(faces.to_float(exam.images))}
    for skill in ("clean", "poor"):
        codes[skill] = editor.code_of_sketch(faces.sketch(exam.people, SIZE, skill))
    apart = (codes["photo"] - codes["photo"].roll(1, 0)).abs().mean()
    for source, r in codes.items():
        found[f"reads_{source}"] = ((editor.reading(r) > 0.5) == labels).float().mean().item()
        found[f"near_{source}"] = ((r - codes["photo"]).abs().mean() / apart).item()
    moved = change(editor, codes["photo"])
    found["cosine"] = s2fgan.off_diagonal(F.normalize(editor.directions(), dim=1)).item()
    found["change_on"] = moved.diagonal().mean().item()
    found["change_off"] = (moved.abs().sum() - moved.diagonal().abs().sum()).item() / (
        len(NAMES) * (len(NAMES) - 1)
    )
    del found["near_photo"]
    return {name: None if value is None else round(value, 4) for name, value in found.items()}


def picture(editor: S2FGANEditor, exam: Exam, people: int = 2) -> Tensor:
    """One row, (3, SIZE, ...); people: photo, redrawn, edited; clean sketch, its face; poor sketch, its face."""
    photos, labels = faces.to_float(exam.images[:people]), exam.people.labels(NAMES)[:people]
    target = labels.clone()
    target[:, NAMES.index(SHOWN)] = 1 - target[:, NAMES.index(SHOWN)]
    columns = [photos, editor.reconstruct(photos, labels), editor.edit(photos, labels, target)]
    for skill in ("clean", "poor"):
        drawn = faces.sketch(exam.people[:people], SIZE, skill)
        columns += [drawn.expand(-1, 3, -1, -1), editor.from_sketch(drawn)]
    return torch.cat([column[i] for i in range(people) for column in columns], dim=2)


def main(rounds: int = ROUNDS) -> None:
    exam, oracle = Exam(PEOPLE, 0, SIZE, split="valid"), load_oracle("a")
    people = s2fgan.arrange(procedural(FACES, size=SIZE, attributes=NAMES))
    rows, log, pictures = [], [], []
    for name, options in RUNS.items():
        began = time.perf_counter()
        editor, history = trained(rounds, people, **options)
        seconds = round(time.perf_counter() - began, 1)
        editors = {name: editor}
        if name in PLANES:
            images, labels = people.batch(torch.arange(min(1000, len(people))))
            planes = s2fgan.hyperplanes(editor.code(images), labels)
            editors[f"{name} + planes"] = editor.with_directions(planes)
        for who, candidate in editors.items():
            row = {"run": who, "rounds": rounds, "size": SIZE, "seconds": seconds}
            found = measured(candidate, exam, oracle)
            if (
                who != name
            ):  # planes have a bias and lengths of their own: they are for walking, not for reading
                found |= {key: None for key in found if key.startswith(("reads_", "change_"))}
            rows.append(row | found)
            print(rows[-1], flush=True)
        pictures.append(picture(editor, exam))
        terms = history.terms
        for step, off, reads in zip(
            history.steps, terms["generator/_off"], terms["generator/_reads"], strict=True
        ):
            log.append({"run": name, "round": step, "off_diagonal": round(off, 4), "reads": round(reads, 4)})
        write_table(HERE / "short_runs.csv", rows)
        write_table(HERE / "short_runs_log.csv", log)
        sheet = faces.to_uint8(torch.cat(pictures, dim=1)[None])[0].permute(1, 2, 0).numpy()
        image = Image.fromarray(np.ascontiguousarray(sheet))
        image = image.resize((image.width * 3 // 2, image.height * 3 // 2), Image.Resampling.LANCZOS)
        image.save(HERE / "short_runs.jpg", quality=80)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
