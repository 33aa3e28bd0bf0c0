"""The pictures of the README, drawn again by `make figures` (python -m fedit_lib.course.figures)."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from PIL import Image

from fedit_lib import faces, load_editor, papers
from fedit_lib.course.paths import course_root
from fedit_lib.data.files import atomic_path
from fedit_lib.interactive import pictures, strip


def crowd(rows: int = 3, columns: int = 10, size: int = 96) -> Image.Image:
    """People as the face world draws them, sampled as in life."""
    return faces.show(faces.render_uint8(faces.sample(rows * columns, seed=2_000_031), size), columns=columns)


def counterfactuals(people: int = 4, size: int = 96) -> Image.Image:
    """The same people with one attribute changed: what no photograph can show."""
    names = (
        "Smiling",
        "Eyeglasses",
        "Bangs",
        "Gray_Hair",
        "Wavy_Hair",
        "No_Beard",
        "Young",
        "Wearing_Hat",
        "Bald",
    )
    who = faces.sample(40, seed=2_000_008)
    who = who[(who.labels(["Bald", "Wearing_Hat"]).sum(1) == 0).nonzero()[:people, 0]]
    rows = [faces.render_uint8(who, size)]
    for name in names:
        flipped = 1 - who.labels([name])[:, 0]
        strength = torch.where(flipped > 0.5, faces.TYPICAL[1], faces.TYPICAL[0])
        rows.append(faces.render_uint8(who.with_attribute(name, strength), size))
    drawn = torch.stack(rows, 1).flatten(0, 1)
    captions = ["as they are", *(f"change {name}" for name in names)] * (people - 1)
    return faces.show(drawn, columns=len(rows), labels=[""] * len(captions) + ["as they are", *names])


def sliders(
    name: str = "attgan", attributes: tuple[str, ...] = ("Eyeglasses", "Bangs", "Mouth_Slightly_Open")
) -> Image.Image:
    """What a shipped editor makes of held-out people, beside the true answers."""
    editor = load_editor(name, device="cpu")
    who = faces.sample(60, seed=2_000_012, correlated=True)
    who = who[(who.labels([*attributes, "Wearing_Hat", "Bald"]).sum(1) == 0).nonzero()[: len(attributes), 0]]
    images, labels = faces.render(who), who.labels(editor.attributes)
    strips = [
        strip(editor, images[i : i + 1], labels[i : i + 1], attribute, people=who[i], scale=2)
        for i, attribute in enumerate(attributes)
    ]
    page = Image.new("RGB", (max(s.width for s in strips), sum(s.height + 6 for s in strips) - 6), "white")
    top = 0
    for picture in strips:
        page.paste(picture, (0, top))
        top += picture.height + 6
    return page


def side_by_side(attribute: str = "Eyeglasses", count: int = 6) -> Image.Image:
    """One attribute of the same held-out people, by every shipped editor, under the true answer."""
    editors = {}
    for name in papers.EDITORS:
        editor = load_editor(name, device="cpu")
        editors[editor.name] = editor
    people = faces.sample(count, seed=2_000_500, correlated=False)
    return pictures.side_by_side(editors, people, attribute, scale=2)


FIGURES = {
    "crowd": crowd,
    "counterfactuals": counterfactuals,
    "sliders": sliders,
    "side_by_side": side_by_side,
}


def main() -> None:
    """Write the chosen figures (all of them by default) to docs/."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"among {', '.join(FIGURES)}; all by default"
    )
    chosen = parser.parse_args().names or list(FIGURES)
    if unknown := sorted(set(chosen) - set(FIGURES)):
        parser.error(f"no figure is called {unknown[0]!r}; there are: {', '.join(FIGURES)}")
    folder = course_root() / "docs"
    folder.mkdir(exist_ok=True)
    for name in chosen:
        path: Path = folder / f"{name}.jpg"
        with atomic_path(path) as scratch:
            FIGURES[name]().save(scratch, format="JPEG", quality=88)
        print(f"wrote docs/{path.name} ({path.stat().st_size // 1000} KB)")


if __name__ == "__main__":
    main()
