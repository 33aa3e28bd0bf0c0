"""Makes face_gan.jpg: the small face GAN of notebook 02, trained for real, its samples over the steps.

python notebooks/0_start/assets/face_gan.py            # from the repository's root; stop it, call it again: it goes on
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from fedit_lib import faces
from fedit_lib.papers import toy
from fedit_lib.training import fit
from fedit_lib.training.support import hardware

HERE = Path(__file__).parent
RUN = Path("build/runs/face_gan")
SHOWN = (0, 50, 200, 800, 2400)  # steps


def main() -> None:
    profile = toy.PROFILES["laptop"]
    torch.manual_seed(0)
    game = toy.build(profile)
    RUN.mkdir(parents=True, exist_ok=True)

    def keep(game: Any, step: int) -> dict[str, float]:
        if step in SHOWN:
            torch.save(faces.to_uint8(game.sample(12)), RUN / f"sample_{step}.pt")
        return {}

    if not (RUN / "checkpoint.pt").exists():
        keep(game, 0)
    history = fit(
        game,
        toy.face_set(profile),
        steps=profile.steps,
        batch_size=profile.batch_size,
        out=RUN,
        checkpoint_every=profile.checkpoint_every,
        log_every=profile.log_every,
        validate=keep,
        validate_every=50,
        profile=profile.name,
    )
    if history.interrupted:
        return
    rows = [torch.load(RUN / f"sample_{step}.pt", weights_only=True)[:9] for step in SHOWN]
    rows.append(faces.to_uint8(toy.face_set(profile).batch(slice(0, 9)).images))
    sheet = faces.show(torch.cat(rows), columns=9, scale=2)
    sheet.save(HERE / "face_gan.jpg", quality=70, optimize=True)
    facts = {
        "command": "python notebooks/0_start/assets/face_gan.py",
        "rows": [f"step {step}" for step in SHOWN] + ["real"],
        "profile": profile.name,
        "config": game.config(),
        "batch_size": profile.batch_size,
        "faces": profile.faces,
        "seconds": round(history.seconds),
        "hardware": hardware(),
    }
    (HERE / "face_gan.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
