"""E_z trained on and on, on the shipped generator, looked at on the way: python encoder_longer.py [ROUNDS]

Fresh generated images in every round, as in the game, with attributes of real people; Adam at 1e-3 throughout, and a
running average, which is what is measured. Writes encoder_longer.csv beside this file: seed, rounds, the loss of z on
unseen generated images, and the PSNR (dB) of G(E_z(x), y) on those and on held-out real people.
"""

from __future__ import annotations

import sys
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor

from fedit_lib.data import procedural
from fedit_lib.data.files import write_table
from fedit_lib.papers import icgan, load_editor
from fedit_lib.papers.icgan import Encoder, Generator, generated_set, label_code, z_loss

SEEDS, BATCH, PEOPLE, HELD_OUT, EMA = (0, 1), 32, 8000, 500, 0.998
LOOKS = (250, 500, 1000, 2000, 4000, 8000)


def psnr(made: Tensor, images: Tensor) -> float:
    """Mean over the images of 20 log10(2 / RMSE), dB."""
    return float((10 * torch.log10(4 / (made - images).square().flatten(1).mean(1))).mean())


@torch.no_grad()
def look(
    encoder: Encoder, generator: Generator, unseen: icgan.GeneratedSet, images: Tensor, y: Tensor
) -> dict[str, float]:
    """The average's score: z and picture of unseen generated images, pictures of held-out people."""
    z, z_real = encoder(unseen.images), encoder(images)
    return {
        "z_loss": z_loss(unseen.z, z).item(),
        "psnr_generated": psnr(generator(z, unseen.y), unseen.images),
        "psnr_real": psnr(generator(z_real, y), images),
    }


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
        average = deepcopy(encoder).eval().requires_grad_(False)
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
            decay = min(EMA, done / (done + 10))
            with torch.no_grad():
                for kept, now in zip(
                    average.state_dict().values(), encoder.state_dict().values(), strict=True
                ):
                    kept.lerp_(now, 1 - decay) if kept.is_floating_point() else kept.copy_(now)
            if done in LOOKS:
                scores = look(average, generator, unseen, images, label_code(truth))
                rows.append({"seed": seed, "rounds": done} | {k: round(v, 3) for k, v in scores.items()})
                print(rows[-1], flush=True)
                write_table(Path(__file__).with_name("encoder_longer.csv"), rows)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    main(*map(int, sys.argv[1:]))
