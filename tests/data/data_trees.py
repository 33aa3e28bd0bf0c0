"""Small copies of what users have: CelebA in its official layout, a folder of photos, both drawn by the face world."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fedit_lib import faces

CELEBA = (
    "5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose Black_Hair Blond_Hair "
    "Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee Gray_Hair Heavy_Makeup High_Cheekbones Male "
    "Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard Oval_Face Pale_Skin Pointy_Nose Receding_Hairline Rosy_Cheeks "
    "Sideburns Smiling Straight_Hair Wavy_Hair Wearing_Earrings Wearing_Hat Wearing_Lipstick Wearing_Necklace "
    "Wearing_Necktie Young"
).split()
SPLITS = (0, 0, 0, 0, 0, 0, 1, 1, 2, 2)  # six faces to train, two to validate, two to test


def write_celeba(root: Path, splits: tuple[int, ...] = SPLITS, correlated: bool = True) -> faces.People:
    """Faces as CelebA lays them out (178 x 218 JPEGs, five tables), under root/celeba; returns the people.

    splits: 0 (train), 1 (valid) or 2 (test) of every face.
    """
    folder, n = root / "celeba", len(splits)
    (folder / "img_align_celeba").mkdir(parents=True)
    people = faces.sample(n, seed=5, correlated=correlated)
    names = [f"{i:06d}.jpg" for i in range(1, n + 1)]
    for name, image in zip(names, faces.render_uint8(people, size=178), strict=True):
        canvas = np.zeros((218, 178, 3), dtype=np.uint8)
        canvas[20:198] = image.permute(1, 2, 0).numpy()
        Image.fromarray(canvas).save(folder / "img_align_celeba" / name, quality=95)
    table = torch.zeros(n, len(CELEBA))
    for column, attribute in enumerate(CELEBA):
        if attribute in faces.ATTRIBUTES:
            table[:, column] = people.labels([attribute])[:, 0]
    signs = (2 * table - 1).int().tolist()
    # The official table ends its header in a space and pads 1 to two places.
    rows = [f"{name} " + " ".join(f"{v:2d}" for v in row) for name, row in zip(names, signs, strict=True)]
    (folder / "list_attr_celeba.txt").write_text("\n".join([str(n), " ".join(CELEBA) + " ", *rows]) + "\n")
    write_rows(folder / "list_eval_partition.txt", [], names, [[s] for s in splits])
    write_rows(folder / "identity_CelebA.txt", [], names, [[i] for i in range(n)])
    write_rows(
        folder / "list_bbox_celeba.txt", [str(n), "image_id x_1 y_1 width height"], names, [[1, 2, 3, 4]] * n
    )
    points = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
    write_rows(folder / "list_landmarks_align_celeba.txt", [str(n), points], names, [list(range(10))] * n)
    return people


def write_rows(path: Path, header: list[str], names: list[str], values: list[list[int]]) -> None:
    lines = [f"{name} {' '.join(map(str, row))}" for name, row in zip(names, values, strict=True)]
    path.write_text("\n".join([*header, *lines]) + "\n")


def write_photos(
    folder: Path, n: int = 6, size: int = 48, attributes: tuple[str, ...] = ("Smiling", "Eyeglasses")
) -> faces.People:
    """Photos wider than high, p0.png to p(n-1).png, and attributes.csv with these attributes coded 1/0."""
    folder.mkdir(parents=True)
    people = faces.sample(n, seed=9)
    for i, image in enumerate(faces.render_uint8(people, size=size)):
        canvas = np.zeros((size, size + 20, 3), dtype=np.uint8)
        canvas[:, 10 : 10 + size] = image.permute(1, 2, 0).numpy()
        Image.fromarray(canvas).save(folder / f"p{i}.png")
    labels = people.labels(list(attributes)).int().tolist()
    lines = [",".join(("file", *attributes))]
    lines += [",".join((f"p{i}.png", *map(str, row))) for i, row in enumerate(labels)]
    (folder / "attributes.csv").write_text("\n".join(lines) + "\n")
    return people
