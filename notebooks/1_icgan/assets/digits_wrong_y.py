"""What the (real, wrong y) term buys, on real handwritten digits: python digits_wrong_y.py [STEPS]

Trains the digits' cGAN with and without the term over three seeds. Writes beside this file digits_wrong_y.csv (how
often an independent reader, k nearest neighbours among the real scans, sees the digit that was asked for) and
digits_wrong_y.jpg (above: with the term, below: without; a column a digit, from seed 0).
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from fedit_lib.course.digits import DigitReader, Digits, draw_digits, train_digits
from fedit_lib.data.files import write_table

SEEDS, EVERY, ROWS = (0, 1, 2), 150, 4
HERE = Path(__file__).parent


def picture(images: Tensor) -> Tensor:
    """Images (ROWS * 10, 1, 16, 16) as one grey one, float (H, W) in [-1, 1]."""
    return images.view(ROWS, 10, 16, 16).permute(0, 2, 1, 3).reshape(ROWS * 16, 160)


def main(steps: int = 600) -> None:
    reader, asked, rows, shown = DigitReader(Digits()), torch.arange(10).repeat(100), [], []
    for seed in SEEDS:
        for wrong_y in (True, False):

            def validate(game, step):  # type: ignore[no-untyped-def]
                with game.averaged():
                    seen = reader(draw_digits(game.generator, asked, seed=9))
                return {"agree": (seen == asked).float().mean().item()}

            game, history = train_digits(
                steps, wrong_y, seed, validate=validate, validate_every=EVERY, progress=False
            )
            for row in history.rows:
                if "valid/agree" in row:
                    share = round(row["valid/agree"], 4)
                    rows.append({"wrong_y": int(wrong_y), "seed": seed, "step": row["step"], "agree": share})
            print(rows[-1], round(history.seconds, 1), "s", flush=True)
            if seed == 0:
                shown.append(picture(draw_digits(game.generator, torch.arange(10).repeat(ROWS), seed=1)))
    write_table(HERE / "digits_wrong_y.csv", rows)
    sheet = torch.cat([shown[0], torch.ones(6, 160), shown[1]])
    image = Image.fromarray(((sheet + 1) * 127.5).round().byte().numpy())
    image.resize((image.width * 4, image.height * 4), Image.Resampling.NEAREST).save(
        HERE / "digits_wrong_y.jpg", quality=85
    )


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    main(*map(int, sys.argv[1:]))
