"""E_z trained on and on, on the shipped generator, looked at on the way: python encoder_longer.py [ROUNDS]

Fresh generated images in every round, as in the game, with attributes of real people; Adam at 1e-3 throughout, and a
running average, which is what is measured. Writes encoder_longer.csv beside this file: seed, rounds, the loss of z on
unseen generated images, and the PSNR (dB) of G(E_z(x), y) on those and on held-out real people.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

from fedit_lib.data import procedural
from fedit_lib.data.files import write_table
from fedit_lib.evaluation.metrics import psnr
from fedit_lib.faces import to_uint8
from fedit_lib.papers import icgan, load_editor
from fedit_lib.papers.icgan import Encoder, Generator, generated_set, label_code, z_loss
from fedit_lib.training.game import EMA

SEEDS, BATCH, PEOPLE, HELD_OUT, DECAY = (0, 1), 32, 8000, 500, 0.998
LOOKS = (250, 500, 1000, 2000, 4000, 8000)


@torch.no_grad()
def look(
    encoder: Encoder, generator: Generator, unseen: icgan.GeneratedSet, images: Tensor, y: Tensor
) -> dict[str, float]:
    """z and picture of unseen generated images, pictures of held-out people."""
    z, z_real = encoder(unseen.images), encoder(images)
    pairs = {"generated": (generator(z, unseen.y), unseen.images), "real": (generator(z_real, y), images)}
    scores = {f"psnr_{name}": float(psnr(*map(to_uint8, pair)).mean()) for name, pair in pairs.items()}
    return {"z_loss": z_loss(unseen.z, z).item(), **scores}


def main(rounds: int = LOOKS[-1]) -> None:
    editor = load_editor("icgan", device="cpu")
    config, generator = editor.receipt["config"], editor.networks["generator"]
    labels = procedural(PEOPLE, size=16, seed=1, attributes=editor.attributes).labels
    people = procedural(HELD_OUT, size=editor.size, attributes=editor.attributes, split="valid")
    images, truth = people.batch(slice(None))
    unseen = generated_set(generator, people.labels, HELD_OUT, seed=1)
    rows = []
    for seed in SEEDS:
        torch.manual_seed(seed)
        encoder = Encoder(config["z_dim"], editor.size, config["e_width"], config["z_hidden"])
        encoder.to(memory_format=torch.channels_last)
        average = EMA({"e_z": encoder}, DECAY)
        optimiser = torch.optim.Adam(encoder.parameters(), lr=1e-3, betas=(0.5, 0.999))
        for done in range(1, rounds + 1):
            z = torch.randn(BATCH, config["z_dim"])
            y = label_code(labels[torch.randint(len(labels), (BATCH,))].float())
            with torch.no_grad():
                made = generator(z, y)
            loss = z_loss(z, encoder(made))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            average.update()
            if done in LOOKS:
                with average.applied(), icgan.in_eval_mode(encoder):
                    scores = look(encoder, generator, unseen, images, label_code(truth))
                rows.append({"seed": seed, "rounds": done} | {k: round(v, 3) for k, v in scores.items()})
                print(rows[-1], flush=True)
                write_table(Path(__file__).with_name("encoder_longer.csv"), rows)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    main(*map(int, sys.argv[1:]))
