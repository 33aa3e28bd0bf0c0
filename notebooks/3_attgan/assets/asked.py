"""What an oracle sees of what was asked for: of a whole new row of attributes, and of one alone.

python asked.py CHECKPOINT [CHECKPOINT ...] writes asked.csv beside this file, a row a checkpoint of AttGAN, in the
order given. Asked are 200 people of the "valid" split, at the strength of training (intensity 1) and of an edit (2),
of the averaged weights with batch statistics measured on 640 training faces:

- rows: the attributes of another of these people, of which those count that differ from the own;
- one: the questions of `fedit evaluate`, one attribute and what it drags along;
- fooled: C's loss on the fakes of "rows" at intensity 1, and C's share of right answers on what differs;
- reconstruction: PSNR in dB with the own attributes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from fedit_lib import faces
from fedit_lib.course.runs import load_checkpoint
from fedit_lib.data import procedural
from fedit_lib.data.files import write_table
from fedit_lib.evaluation import Exam, load_oracle
from fedit_lib.papers import attgan

PEOPLE, TRAINING_FACES = 200, 640


def asked(checkpoint: str) -> dict[str, float]:
    """One row of the table."""
    _, game, state = load_checkpoint(Path(checkpoint))
    names = game.attributes
    known = procedural(TRAINING_FACES, size=game.size, attributes=names)
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    game.settle(lambda: known.draw(32, generator))

    oracle, exam = load_oracle("a"), Exam(PEOPLE, 0, game.size, split="valid")
    x, own = faces.to_float(exam.images), exam.people.labels(names)
    other = attgan.shuffle_labels(own)
    differs = other != own
    row: dict[str, float] = {"round": state["step"]}
    for intensity in (1, 2):
        attgan.INTENSITY = float(intensity)
        editor = attgan.editor(game.averaged_networks(), {"config": game.config()})
        made = editor.edit(x, own, other)
        row[f"rows_{intensity}"] = (oracle.labels(made, names) == other)[differs].float().mean().item()
        if intensity == 1:
            with torch.no_grad():
                logits = game.discriminator(made)[1]
            row["c_loss"] = attgan.classification_loss(logits, other).item()
            row["c_right"] = ((logits > 0) == (other > 0.5))[differs].float().mean().item()
            error = ((editor.reconstruct(x, own) - x) / 2).square().mean((1, 2, 3))
            row["reconstruction"] = float(-10 * error.log10().mean())
        right = []
        for name in names:
            question = exam.question(name)
            made = editor.edit(x, own, question.truth.labels(names))
            right.append((oracle.labels(made, [name])[:, 0] == question.wanted).float().mean())
        row[f"one_{intensity}"] = torch.stack(right).mean().item()
    return {key: value if key == "round" else round(value, 3) for key, value in row.items()}


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    rows = [asked(checkpoint) for checkpoint in sys.argv[1:]]
    write_table(Path(__file__).with_suffix(".csv"), rows)
    for row in rows:
        print(row)
