"""CelebA from the user's own copy, read once into a small memory-mapped cache.

Liu, Luo, Wang, Tang: Deep Learning Face Attributes in the Wild, ICCV 2015. The pictures are for non-commercial
research only and are never downloaded or shipped by this library; see docs/photographs.md.
"""

from __future__ import annotations

import csv
import difflib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from tqdm.auto import tqdm

from .faceset import FaceSet
from .files import check_writable

if TYPE_CHECKING:
    from torchvision.datasets import CelebA

SPLITS = ("train", "valid", "test")  # the official ones: 162,770, 19,867 and 19,962 faces of different people
WIDTH, HEIGHT = 178, 218  # of the aligned pictures
TABLES = (
    "list_attr_celeba.txt",
    "list_eval_partition.txt",
    "identity_CelebA.txt",
    "list_bbox_celeba.txt",
    "list_landmarks_align_celeba.txt",
)
OTHERS = ((0, 1), (2, 4), (2, 10))  # of the last three: lines above the first row, numbers in a row
IMAGES = "img_align_celeba"
KAGGLE_TABLE = "list_attr_celeba.csv"
CACHE_FORMAT = 1


class DataError(ValueError):
    """A source of pictures that is absent, partial or damaged; the message names the file and the fix."""


class MissingLabels(DataError):
    """A table without some of the attributes asked for: ``table``, the ``missing`` ones, and those that it has."""

    def __init__(self, message: str, table: Path, missing: Sequence[str], known: Sequence[str]) -> None:
        super().__init__(message)
        self.table, self.missing, self.known = table, tuple(missing), tuple(known)


def celeba(
    root: str | Path,
    split: str = "train",
    size: int = 64,
    attributes: Sequence[str] | None = None,
    crop: int = 170,
    cache: str | Path | None = None,
) -> FaceSet:
    """CelebA's aligned faces: the centre ``crop`` x ``crop`` pixels, resized to ``size`` x ``size``.

    The first call reads every picture of the split and writes a cache (with a progress bar; 2.0 GB for the training
    split at 64 pixels); later calls map it into memory. A cache that no longer fits the tables or the pictures (by name
    and size) is written anew.

    Args:
        root: the folder that holds ``celeba/``, as torchvision wants it, or that folder itself.
        split: "train", "valid" or "test", the official ones.
        size: pixels a side.
        attributes: which labels to keep, in this order; None keeps all 40.
        crop: side of the centre crop, at most 178. 170 is AttGAN's.
        cache: folder for the cache; None puts it in ``root/cache``.

    Raises:
        DataError: a folder that is absent or partial, a broken table row, a picture that does not decode, an unknown
            attribute.
        ValueError: an unknown split, or a size or crop that makes no sense.
        OSError: the disk is too full for the cache, or none can be written there.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}: CelebA has {', '.join(SPLITS)}")
    if size < 1 or not 1 <= crop <= WIDTH:
        raise ValueError(f"size must be at least 1 and crop from 1 to {WIDTH}; they are {size} and {crop}")
    folder = find_folder(Path(root))
    target = (
        Path(cache if cache is not None else folder.parent / "cache") / f"celeba-{split}-{size}-crop{crop}"
    )
    source = fingerprint(folder)
    if read_meta(target).get("source") != source:
        write_cache(folder, split, size, crop, target, source)
    names = read_meta(target)["attributes"]
    # "c": private to this process, writable in memory only, so that torch accepts it; the file never changes.
    images = torch.from_numpy(np.load(target / "images.npy", mmap_mode="c"))
    labels = torch.from_numpy(np.load(target / "labels.npy")).float()
    faces = FaceSet(images, labels, names, f"celeba-{split}-crop{crop}")
    if attributes is None:
        return faces
    return faces.subset(known_attributes(attributes, names, folder / TABLES[0]))


def known_attributes(attributes: Sequence[str], known: Sequence[str], table: Path) -> tuple[str, ...]:
    """The attributes as a tuple, or `MissingLabels` that names all that the table lacks, and lists those it has."""
    missing = [name for name in attributes if name not in known]
    if missing:
        close = [
            c for name in missing for c in difflib.get_close_matches(name, known, 3) if c not in attributes
        ]
        hint = f"; did you mean {' or '.join(dict.fromkeys(close))}?" if close else "."
        plural = "s" if len(missing) > 1 else ""
        some = ",".join(known[: 2 if len(attributes) > 1 else 1])
        raise MissingLabels(
            f"{table} has no attribute{plural} {', '.join(map(repr, missing))}{hint} It has {', '.join(known)}: choose "
            f"among these, as in --attributes {some} (attributes=)",
            table,
            missing,
            known,
        )
    return tuple(attributes)


def find_folder(root: Path) -> Path:
    """The folder with the tables and pictures; every one that is missing is named."""
    folder = root if (root / TABLES[0]).exists() else root / "celeba"
    missing = [name for name in TABLES if not (folder / name).is_file()]
    missing += [] if (folder / IMAGES).is_dir() else [f"{IMAGES}/"]
    if missing:
        for place in (root, folder):
            if (place / KAGGLE_TABLE).is_file():
                raise DataError(_kaggle(place, [name for name in TABLES if not (place / name).is_file()]))
        what = "there is no CelebA" if len(missing) == len(TABLES) + 1 else "CelebA is not complete"
        minor = [name for name in missing if name in TABLES[2:]]
        needed = (
            f" (no label comes from {' or '.join(minor)}, but torchvision's reader wants it)" if minor else ""
        )
        raise DataError(
            f"{what} at {folder}: missing {', '.join(missing)}{needed}. Get the files from the authors' page "
            f"(mmlab.ie.cuhk.edu.hk/projects/CelebA.html) and unpack {IMAGES}.zip beside the tables; "
            f"docs/photographs.md says more"
        )
    return folder


def _kaggle(place: Path, missing: Sequence[str]) -> str:
    """What makes the edition in this folder the authors'."""
    inner = place / IMAGES / IMAGES
    move = f"Move the pictures up, from {inner} to {inner.parent}. Then get" if inner.is_dir() else "Get"
    return (
        f"{place} holds Kaggle's edition of CelebA ({KAGGLE_TABLE}), whose tables are not the authors'. {move} "
        f"{', '.join(missing)} from the authors' page (mmlab.ie.cuhk.edu.hk/projects/CelebA.html, folders Anno and "
        f"Eval) and put them into {place}, beside {IMAGES}/; the .csv files are not read"
    )


def fingerprint(folder: Path) -> str:
    """What the cache was made from: the two tables it uses, and every picture's name and size."""
    digest = hashlib.sha256()
    for name in TABLES[:2]:
        digest.update((folder / name).read_bytes())
    with os.scandir(folder / IMAGES) as entries:
        for line in sorted(f"{entry.name} {entry.stat().st_size}\n" for entry in entries):
            digest.update(line.encode())
    return digest.hexdigest()


def read_meta(target: Path) -> dict:
    """The cache's description; empty if there is none that this version can read, or if a file is damaged."""
    try:
        meta = json.loads((target / "meta.json").read_text(encoding="utf-8"))
        sizes = {name: (target / name).stat().st_size for name in ("images.npy", "labels.npy")}
        return meta if meta["format"] == CACHE_FORMAT and meta["bytes"] == sizes else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def check_tables(folder: Path) -> None:
    """Every row of the tables: length, values, and the same pictures in the same order in the two that matter.

    torchvision pairs the tables by row number, so that a lost row would shift every label after it. The other three it
    reads as well, and would stop at a cell that is no number without saying where. Tables that all end too early agree
    with each other: only the number of rows in their first line tells.

    Raises:
        DataError: something of this is not so; the message names the table, the line and the fix.
    """
    attributes, partition = (read_rows(folder / name) for name in TABLES[:2])
    path = folder / TABLES[0]
    if len(attributes) < 3:
        raise DataError(f"{path} has no rows: it must begin with their number and the attributes' names")
    names, rows = [name for name in attributes[1] if name], attributes[2:]  # the header ends in a space
    again = "get the table again from the authors' page"
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{path}, line 2 names the attribute {name} twice; {again}")
    lines: dict[str, int] = {}
    for number, row in enumerate(rows, start=3):
        if len(row) != len(names) + 1:
            raise DataError(
                f"{path}, line {number}: {len(row) - 1} values for {len(names)} attributes; {again}"
            )
        if wrong := set(row[1:]) - {"1", "-1"}:
            raise DataError(f"{path}, line {number}: {sorted(wrong)[0]!r} is neither 1 nor -1; {again}")
        if lines.setdefault(row[0], number) != number:
            raise DataError(f"{path}, line {number}: {row[0]} has line {lines[row[0]]} already; {again}")
    for number, row in enumerate(partition, start=1):
        if len(row) != 2 or row[1] not in ("0", "1", "2"):
            raise DataError(
                f"{folder / TABLES[1]}, line {number}: {' '.join(row)!r} is not a picture and 0, 1 or 2; {again}"
            )
    if len(rows) != len(partition):
        raise DataError(f"{path} has {len(rows)} pictures, {TABLES[1]} has {len(partition)}; {again}")
    for number, (row, other) in enumerate(zip(rows, partition, strict=True), start=1):
        if row[0] != other[0]:
            raise DataError(f"{path} has {row[0]} where {TABLES[1]}, line {number}, has {other[0]}; {again}")
    _check_count(path, attributes[0], len(rows))
    for name, (header, columns) in zip(TABLES[2:], OTHERS, strict=True):
        table = read_rows(folder / name)
        others = table[header:]
        for number, row in enumerate(others, start=header + 1):
            if len(row) != columns + 1:
                raise DataError(
                    f"{folder / name}, line {number}: {len(row) - 1} numbers behind the picture's name, not {columns}; "
                    f"{again}"
                )
            if wrong := [value for value in row[1:] if not value.removeprefix("-").isdecimal()]:
                raise DataError(f"{folder / name}, line {number}: {wrong[0]!r} is no whole number; {again}")
        if len(others) != len(rows):
            raise DataError(
                f"{folder / name} has {len(others)} pictures, {TABLES[0]} has {len(rows)}; {again}"
            )
        if header:  # the identities have none, as the partition
            _check_count(folder / name, table[0], len(others))


def _check_count(path: Path, line: list[str], count: int) -> None:
    """DataError unless the first line of a table is the number of its rows."""
    if " ".join(line).strip() != str(count):
        raise DataError(
            f"{path}, line 1: {' '.join(line)!r} should be the number of pictures below it, but there are {count}; get "
            f"the table again from the authors' page (or, where rows were left out on purpose, write {count} there)"
        )


def read_rows(path: Path) -> list[list[str]]:
    """The cells of every line, as torchvision separates them: by spaces. DataError for what it would stumble over."""
    again = "get it again from the authors' page"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = list(csv.reader(lines, delimiter=" ", skipinitialspace=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a text file ({error}): {again}") from None
    for number, row in enumerate(rows, start=1):
        if not any(row):
            raise DataError(f"{path}, line {number} is empty: take the line out, or {again}")
        if number > 2 and not row[-1]:
            raise DataError(f"{path}, line {number} ends in a space: take it out, or {again}")
    return rows


def write_cache(folder: Path, split: str, size: int, crop: int, target: Path, source: str) -> None:
    """Reads the split's pictures into ``target``; it appears whole or not at all.

    What a killed process left of the same cache goes before.
    """
    check_tables(folder)
    data = official_reader(folder, split)
    names = [name for name in data.attr_names if name]  # the official header ends in a space
    files = [folder / IMAGES / name for name in data.filename]
    present = {entry.name for entry in os.scandir(folder / IMAGES)}
    if absent := [file.name for file in files if file.name not in present]:
        deeper = IMAGES in present  # unpacked into a folder of the archive's own name
        fix = f"move the pictures up from {IMAGES}/{IMAGES}/" if deeper else f"unpack {IMAGES}.zip again"
        raise DataError(
            f"{folder / IMAGES} lacks {len(absent)} of the {len(files)} pictures of the {split} split (the first is "
            f"{absent[0]}): {fix}"
        )
    if not files:
        raise DataError(f"{folder / TABLES[1]} puts no picture into the {split} split")

    needed = len(files) * 3 * size * size
    _make_room(folder, target, needed)
    part = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(files), 3, size, size)}
        with (
            open(part / "images.npy", "wb") as file,  # not a memory map: one on a full disk kills the process
            ThreadPoolExecutor() as threads,
            tqdm(total=len(files), desc=f"reading CelebA ({split}, {size} px)", unit="face") as bar,
        ):
            np.lib.format.write_array_header_1_0(file, header)
            reserve(file, needed)
            for start in range(0, len(files), 512):  # in pieces, so that an error stops it soon
                chunk = files[start : start + 512]
                for picture in threads.map(lambda path: decode(path, size, crop), chunk):
                    file.write(picture.tobytes())
                bar.update(len(chunk))
        np.save(part / "labels.npy", data.attr.numpy().astype(np.uint8))
        sizes = {name: (part / name).stat().st_size for name in ("images.npy", "labels.npy")}
        meta = {"format": CACHE_FORMAT, "source": source, "attributes": names, "bytes": sizes}
        (part / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
        if read_meta(target).get("source") == source:  # another process was faster
            return
        shutil.rmtree(target, ignore_errors=True)  # stale or damaged
        try:
            part.rename(target)
        except OSError:  # ... just now
            if read_meta(target).get("source") != source:
                raise
    except OSError as error:  # of the cache: a picture's is a DataError
        raise OSError(
            error.errno,
            f"the cache {target} could not be written ({error.strerror or error}); it needs {needed:,} bytes: "
            f"{_larger_disk(target)}",
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _make_room(folder: Path, target: Path, needed: int) -> None:
    """Makes the folder of the cache. OSError, with the fix, where none can be made or fewer bytes are free."""
    try:
        check_writable(target.parent, folder=True)
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"there is no place for CelebA's cache ({error}): make a folder that can be written, in it a link named "
            f"celeba to {folder.absolute()}, and give it as --root; the cache comes to lie there (in Python: "
            f"celeba(..., cache=FOLDER))"
        ) from error
    for part in target.parent.glob(f"{target.name}.*.tmp"):  # gigabytes, where its process was killed
        pid = part.name.removeprefix(f"{target.name}.").removesuffix(".tmp")
        if pid.isdecimal() and not _is_running(int(pid)):
            shutil.rmtree(part, ignore_errors=True)
    free = shutil.disk_usage(target.parent).free
    if needed > free:
        raise OSError(
            errno.ENOSPC,
            f"the cache {target} needs {needed / 1e9:.1f} GB ({needed:,} bytes), but only {free / 1e9:.1f} GB are "
            f"free: {_larger_disk(target)}",
        )


def _is_running(pid: int) -> bool:
    """Whether there is such a process on this machine; where that cannot be asked, yes."""
    if os.name != "posix":  # on Windows the question would end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # somebody else's; no number of a process
        pass
    return True


def _larger_disk(target: Path) -> str:
    place = target.parent
    return f"free some space, or make {place} a link to a folder on a larger disk (in Python: celeba(..., cache=...))"


def reserve(file: IO[bytes], count: int) -> None:
    """Asks the disk for the next ``count`` bytes now rather than after hours of reading, where the system can.

    Raises:
        OSError: they are not there: the disk is full, or the user's share of it.
    """
    file.flush()
    try:
        os.posix_fallocate(file.fileno(), file.tell(), count)
    except AttributeError:  # not on macOS and Windows
        pass
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # a file system that cannot reserve
            raise


def official_reader(folder: Path, split: str) -> CelebA:
    """torchvision's reader of the tables.

    Without its MD5 sums: `check_tables` says more, and names the line. And under whatever name the folder has.
    """
    from torchvision.datasets import (
        CelebA,
    )  # as slow to import as torch itself: only who has CelebA waits for it

    class LocalCelebA(CelebA):
        base_folder = folder.name
        file_list = tuple((identifier, None, name) for identifier, _, name in CelebA.file_list)

    return LocalCelebA(folder.parent, split=split)


def decode(path: Path, size: int, crop: int) -> np.ndarray:
    """One aligned picture as uint8 (3, size, size)."""
    try:
        with Image.open(path) as image:
            image = image.convert("RGB")
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError) as error:
        raise DataError(f"{path} does not decode ({error}): unpack {IMAGES}.zip again") from error
    if image.size != (WIDTH, HEIGHT):
        raise DataError(
            f"{path} has {image.width}x{image.height} pixels, not {WIDTH}x{HEIGHT}: is it the aligned one?"
        )
    return square(image, size, crop)


def square(image: Image.Image, size: int, crop: int) -> np.ndarray:
    """The centre crop x crop pixels, resized (bicubic, anti-aliased) to uint8 (3, size, size)."""
    left, top = (image.width - crop) // 2, (image.height - crop) // 2
    image = image.resize((size, size), Image.Resampling.BICUBIC, box=(left, top, left + crop, top + crop))
    return np.asarray(image).transpose(2, 0, 1)
