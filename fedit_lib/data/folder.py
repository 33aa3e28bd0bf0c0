"""Photos of one's own: a folder of images with a table of attributes."""

from __future__ import annotations

import csv
import io
import os
import unicodedata
import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from .celeba import DataError, known_attributes, square
from .faceset import FaceSet

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
SPLITS = ("train", "valid", "test")


@dataclass
class FolderReport:
    """What was read from a folder, and what was skipped and why.

    Attributes:
        kept: file names as the system has them, in the order of the pictures.
        skipped: file name -> reason.
    """

    kept: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{len(self.kept)} images read, {len(self.skipped)} skipped"]
        lines += [f"  {name}: {reason}" for name, reason in self.skipped.items()]
        return "\n".join(lines)

    def short(self, most: int = 5) -> str:
        """The same with the first few skipped ones only."""
        lines = str(self).splitlines()
        more = len(lines) - 1 - most
        return "\n".join(lines[: most + 1] + ([f"  ... and {more} more"] if more > 0 else []))


def split_of_file(name: str) -> str:
    """The split of an image, by its file's name alone: of ten about one is "valid", one "test", the others "train".

    So an image stays where it is when others are added, and nobody trains on what they test with.
    """
    return {0: "valid", 1: "test"}.get(
        zlib.crc32(_composed(name).encode(errors="surrogateescape")) % 10, "train"
    )


def _composed(text: str) -> str:
    """One spelling for what looks the same: "é" is one character (Unicode's NFC), as macOS does not write it."""
    return unicodedata.normalize("NFC", text)


def folder(
    path: str | Path,
    table: str | Path | None = None,
    size: int = 64,
    attributes: Sequence[str] | None = None,
    split: str = "all",
) -> FaceSet:
    """Reads a folder of images and its table.

    The table is CSV (commas, semicolons or tabs): a header, then a row per image. The first column is the file's name,
    every other an attribute, coded 1/0 or, like CelebA, 1/-1. An "é" is the same in a name and in the table, whether it
    is encoded as one character or (macOS) as two. Pictures are turned as their EXIF says, cropped to
    the centre square and resized. What cannot be used is skipped, reported in ``.report``, and warned about.

    Args:
        path: the folder; sub-folders are not searched.
        table: the CSV file; None takes the only .csv in the folder.
        size: pixels a side.
        attributes: which columns to keep, in this order; None keeps all.
        split: "train", "valid" or "test", see `split_of_file`; "all" takes every image.

    Returns:
        A `FaceSet` with ``report``, a `FolderReport`.

    Raises:
        DataError: no folder, no table, several tables, a table without the attributes or with mixed codes, or not
            a single image (of the split) that can be used.
        ValueError: an unknown split, or a size below 1.
    """
    path = Path(path)
    if not path.is_dir():
        raise DataError(f"there is no folder {path}: give the one that holds the images")
    if size < 1:
        raise ValueError(f"size must be at least 1, not {size}")
    if split not in (*SPLITS, "all"):
        raise ValueError(f"unknown split {split!r}: a folder has {', '.join(SPLITS)} and all")
    table = find_table(path) if table is None else Path(table)
    columns, rows, report = read_table(table)
    keep = columns if attributes is None else known_attributes(attributes, columns, table)

    files: dict[str, Path] = {}
    for file in sorted(path.iterdir()):
        if file.suffix.lower() in SUFFIXES and files.setdefault(_composed(file.name), file) is not file:
            report.skipped[file.name] = "another image has this name, with its accents encoded otherwise"
    total = len(files)
    if split != "all":  # what is skipped elsewhere is none of this split's business
        files = {name: file for name, file in files.items() if split_of_file(name) == split}
        rows = {name: row for name, row in rows.items() if split_of_file(name) == split}
        report.skipped = {
            name: why
            for name, why in report.skipped.items()
            if split_of_file(name.partition(" (line ")[0]) == split
        }
        if total and not files:
            raise DataError(
                f"none of the {total} images in {path} falls into the {split} split (about one in ten does, by its "
                f"name): add images, or give another folder and the split 'all'"
            )
    for name in rows:
        if name not in files:
            report.skipped[name] = (
                f"in the table, but there is no such image ({', '.join(SUFFIXES)}) in the folder"
            )
    images, labels = [], []
    for name, file in files.items():
        if name not in rows:
            report.skipped.setdefault(name, "has no row in the table")
            continue
        try:
            images.append(read_photo(file, size))
        except (
            OSError,
            UnidentifiedImageError,
            SyntaxError,
            ValueError,
            Image.DecompressionBombError,
        ) as error:
            report.skipped[name] = f"does not decode ({error})"
            continue
        labels.append([rows[name][column] for column in keep])
        report.kept.append(file.name)
    if not images:
        raise DataError(f"no image in {path} can be used:\n{report.short()}")
    if report.skipped:
        warnings.warn(f"{path}: {report.short()}", stacklevel=2)
    place = Path(os.path.abspath(path)).name  # of ".", too; a link keeps the name that it was given
    name = f"folder-{place}" + ("" if split == "all" else f"-{split}")
    faces = FaceSet(torch.from_numpy(np.stack(images)), torch.tensor(labels), keep, name)
    faces.report = report
    return faces


def find_table(path: Path) -> Path:
    """The only .csv in a folder; like the images', its suffix may be in capitals.

    Raises:
        DataError: there is none, or more than one.
    """
    tables = sorted(file for file in path.iterdir() if file.suffix.lower() == ".csv")
    if not tables:
        raise DataError(
            f"the folder {path} has no table of attributes (.csv): write one as docs/photographs.md shows"
        )
    if len(tables) > 1:
        raise DataError(
            f"the folder {path} has several tables ({', '.join(t.name for t in tables)}): leave one .csv there (or, in "
            f"Python, choose with table=)"
        )
    return tables[0]


def read_table(table: Path) -> tuple[tuple[str, ...], dict[str, dict[str, float]], FolderReport]:
    """The attributes' names, a dict of 0/1 labels per file, and a report of the rows that were skipped.

    Raises:
        DataError: the file cannot be read, is no CSV in UTF-8, names no attribute or one twice, or uses both codes for
            an absent one.
    """
    try:
        text = _composed(table.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"the table {table} cannot be read ({error.strerror}): check its name") from None
    except UnicodeDecodeError:
        raise DataError(f"the table {table} is not UTF-8 text: save it as CSV (UTF-8)") from None
    first = text.partition("\n")[0]
    lines = _cells(table, text, max(",;\t", key=first.count))
    header = [name.strip() for name in next(lines, [])]
    columns = tuple(header[1:])
    if not columns or not all(columns) or len(set(columns)) != len(columns):
        raise DataError(
            f"the first line of {table} must name the columns (the file, then each attribute once), separated by "
            f"commas; it is {first.strip()!r}"
        )
    faults: list[tuple[str, int, str]] = []
    rows: dict[str, dict[str, float]] = {}
    seen: set[str] = set()
    for number, line in enumerate(lines, start=2):
        values = [value.strip() for value in line]
        if not any(values):
            continue
        name = values[0]
        wrong = [
            (column, v) for column, v in zip(columns, values[1:], strict=False) if v not in ("0", "1", "-1")
        ]
        if len(values) != len(header):
            faults.append(
                (name, number, f"line {number} has {len(values) - 1} values for {len(columns)} attributes")
            )
        elif wrong:
            column, value = wrong[0]
            faults.append((name, number, f"line {number}: {column} is {value!r}, not 1 or 0 (or 1 or -1)"))
        elif name in rows:
            faults.append((name, number, "this image has a row already; the first one counts"))
        else:
            rows[name] = {column: float(value) for column, value in zip(columns, values[1:], strict=True)}
            seen.update(values[1:])
    if {"0", "-1"} <= seen:
        raise DataError(f"{table} uses both 0 and -1 for absent attributes: choose one of the two codes")
    report = FolderReport()
    for name, number, why in faults:  # where another row counts, or has been told, the line alone is skipped
        told = name in rows or name in report.skipped
        report.skipped[f"{name} (line {number})" if told else name] = why
    return columns, {n: {c: float(v > 0) for c, v in row.items()} for n, row in rows.items()}, report


def _cells(table: Path, text: str, delimiter: str) -> Iterator[list[str]]:
    """The rows of a table. DataError, with the line, for one that is no CSV."""
    lines = csv.reader(io.StringIO(text), delimiter=delimiter)
    start = 1
    try:
        for line in lines:
            if any("\n" in value for value in line):
                raise DataError(
                    f"the table {table} has an unclosed quote in line {start}: close it, or take it out"
                )
            yield line
            start = lines.line_num + 1
    except csv.Error as error:
        what = "an unclosed quote" if lines.line_num > start else f"no CSV ({error})"
        raise DataError(
            f"the table {table} has {what} in line {start}: mend that line, or save the table as CSV (UTF-8) again"
        ) from None


def read_photo(file: Path, size: int) -> np.ndarray:
    """One photo as uint8 (3, size, size): `upright`, cropped to the centre square, resized."""
    with Image.open(file) as image:
        image = upright(image)
    return square(image, size, min(image.size))


def upright(image: Image.Image) -> Image.Image:
    """A photo as RGB: turned as its EXIF says, 16 bits brought down to 8, on white paper where it is transparent."""
    image = ImageOps.exif_transpose(image)  # phones store how they were held, not an upright picture
    if image.mode.startswith("I"):  # 16 bits a pixel; Pillow would cut off at 255: all white
        image = Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) // 256).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
