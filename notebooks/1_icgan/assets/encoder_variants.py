"""SNG, IND and IND-COND trained alike on the shipped generator: python encoder_variants.py [ROUNDS] [RUN_FOLDER]

The comparison of the paper's figure 4a. All see the same generated images (with their z) and the same real faces; per
seed all draw the same batches. Writes encoder_variants.csv beside this file: arrangement, seed, parameters, the loss of
z on unseen generated images, of y on held-out people, and the PSNR of the reconstruction of held-out people, G(E_z(x),
E_y(x)) as in the paper and G(E_z(x), y) with their labels. Without RUN_FOLDER the weights that ship are taken.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

from fedit_lib.data import procedural
from fedit_lib.data.files import write_table
from fedit_lib.papers import icgan, load_editor
from fedit_lib.papers.icgan import ENCODERS, Encoders, generated_set, label_code, y_loss, z_loss
from fedit_lib.training import fast_precision

SEEDS, BATCH, IMAGES, HELD_OUT = (0, 1, 2), 32, 8000, 300


def psnr(made: Tensor, images: Tensor) -> float:
    """Mean over the images of 20 log10(2 / RMSE), dB."""
    return float((10 * torch.log10(4 / (made - images).square().flatten(1).mean(1))).mean())


def train(encoders: Encoders, made: icgan.GeneratedSet, real, rounds: int, seed: int) -> None:  # type: ignore[no-untyped-def]
    """`rounds` steps of L_ez on generated and L_ey on real images; every encoder its own Adam, 1e-3."""
    torch.manual_seed(seed)
    random = torch.Generator().manual_seed(seed)
    encoders.train().to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(encoders.parameters(), lr=1e-3, betas=(0.5, 0.999))
    bf16 = fast_precision("cpu") == "bf16-mixed"
    for step in range(rounds):
        optimiser.param_groups[0]["lr"] = 1e-3 if step < 0.8 * rounds else 1e-4
        index = torch.randint(len(made.z), (BATCH,), generator=random)
        batch = real.draw(BATCH, random)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            # In one sum: where the arrangement shares nothing, no term reaches the other's encoder
            loss = z_loss(made.z[index], encoders.z(made.images[index]))
            loss = loss + y_loss(label_code(batch.labels), encoders.y(batch.images))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    encoders.eval()


@torch.no_grad()
def measure(editor: icgan.IcGANEditor, unseen: icgan.GeneratedSet, people) -> dict[str, float]:  # type: ignore[no-untyped-def]
    """Losses and reconstructions of the editor's encoders."""
    batch = people.batch(slice(None))
    z, y = editor.encode(batch.images)
    truth = label_code(batch.labels)
    return {
        "z_loss": z_loss(unseen.z, editor.encode(unseen.images)[0]).item(),
        "y_loss": y_loss(truth, y).item(),
        "psnr_own_y": psnr(editor.decode(z, y), batch.images),
        "psnr_labels": psnr(editor.decode(z, truth), batch.images),
    }


def main(rounds: int = 500, run: str | None = None) -> None:
    if run is None:
        editor = load_editor("icgan", device="cpu")
    else:
        from fedit_lib.course.runs import load_run_editor

        editor = load_run_editor(Path(run), device="cpu")
    config, generator, names = editor.receipt["config"], editor.networks["generator"], list(editor.attributes)
    real = procedural(IMAGES, size=editor.size, seed=1, attributes=names)
    people = procedural(HELD_OUT, size=editor.size, attributes=names, split="test")
    made = generated_set(generator, real.labels, IMAGES, seed=0)
    unseen = generated_set(generator, people.labels, 500, seed=1)
    rows = []
    for seed in SEEDS:
        for kind in ENCODERS:
            torch.manual_seed(seed)
            widths = (config["e_width"], config["z_dim"], config["z_hidden"], config["y_hidden"])
            encoders = Encoders(kind, len(names), editor.size, *widths)
            train(encoders, made, real, rounds, seed)
            editor.networks["encoders"] = encoders.requires_grad_(False)
            count = sum(p.numel() for p in encoders.parameters())
            row = {"encoders": kind, "seed": seed, "rounds": rounds, "parameters": count}
            rows.append(row | {k: round(v, 4) for k, v in measure(editor, unseen, people).items()})
            print(rows[-1], flush=True)
            write_table(Path(__file__).with_name("encoder_variants.csv"), rows)


if __name__ == "__main__":
    if len(sys.argv) > 3:
        sys.exit(__doc__)
    main(*([int(sys.argv[1])] if len(sys.argv) > 1 else []), *sys.argv[2:])
