"""Encoder and decoder alone, without the game: how well can they redraw? python soft.py [ROUNDS]

E_i and D of the course's size learn from L_rec and L_percept only; nobody judges, nothing is edited. The settings
differ in how E_i reads its levels: by MLPs whose sum is normalised and refined (`layers=2`, as in the paper), or by
one linear map a level, summed and normalised (`layers=0`). Two seeds of each.

Writes soft.csv beside this file: setting, seed, rounds so far, and the PSNR (dB) of 200 people's redrawn photos (of
the "valid" split), by the running average.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.nn.functional as F

from fedit_lib.data import procedural
from fedit_lib.data.files import write_table
from fedit_lib.evaluation.metrics import psnr
from fedit_lib.faces import to_uint8
from fedit_lib.papers import s2fgan
from fedit_lib.training.game import EMA

SETTINGS = {"MLPs": {"layers": 2}, "linear maps": {"layers": 0}}
SHARED = {"pooled": 384, "normed": True, "rec": 15.0, "percept": 5.0}
SEEDS, ROUNDS, FACES, HELD_OUT, BATCH, LOOKS = (0, 1), 600, 8000, 200, 16, 6


def main(rounds: int = ROUNDS) -> None:
    train = procedural(FACES, attributes=("Smiling",))
    images = procedural(HELD_OUT, attributes=("Smiling",), split="valid").batch(slice(None)).images
    rows = []
    for seed in SEEDS:
        for setting, options in SETTINGS.items():
            torch.manual_seed(seed)
            game = s2fgan.build("laptop", ("Smiling",), **SHARED, **options)
            networks = torch.nn.Sequential(game.photo_encoder, game.decoder)
            average = EMA({"both": networks}, game.ema_decay)
            optimiser = torch.optim.Adam(networks.parameters(), lr=game.lr, betas=(game.beta1, 0.99))
            random = torch.Generator().manual_seed(seed)
            for done in range(1, rounds + 1):
                real = train.draw(BATCH, random).images
                made = networks(real)
                with torch.no_grad():
                    seen = game.look(real)
                loss = game.weights["rec"] * F.l1_loss(made, real)
                loss = loss + game.weights["percept"] * s2fgan.perceptual_loss(game.look(made), seen)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                average.update()
                if done % (rounds // LOOKS) == 0:
                    networks.eval()  # without the decoder's noise
                    with average.applied(), torch.no_grad():
                        redrawn = float(psnr(to_uint8(networks(images)), to_uint8(images)).mean())
                    networks.train()
                    rows.append({"setting": setting, "seed": seed, "rounds": done, "psnr": round(redrawn, 3)})
                    print(rows[-1], flush=True)
                    write_table(Path(__file__).with_name("soft.csv"), rows)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    main(*map(int, sys.argv[1:]))
