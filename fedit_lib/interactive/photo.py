"""A photograph of one's own: from the bytes of a file to what an editor takes."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from fedit_lib.data.celeba import square
from fedit_lib.data.folder import upright
from fedit_lib.faces import to_float

__all__ = ["PhotoError", "read_photo"]

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
MOST_BYTES = 20 * 2**20
MOST_PIXELS = 50_000_000  # a small file can unpack into a huge picture


class PhotoError(ValueError):
    """A file that cannot be used as a photo; the message says why and what to give instead."""


def read_photo(
    source: bytes | memoryview | str | os.PathLike[str], size: int, name: str = "the file"
) -> Tensor:
    """Read a photo, turn it upright, cut out the central square, resize: float (1, 3, size, size) in [-1, 1].

    As `data.folder` reads those that a model learns from, so that it meets what it knows.

    source: a path, or the bytes of a file (what `ipywidgets.FileUpload` holds). The face should fill the middle of
    the picture, as in CelebA. Raises PhotoError if there is no such file or it is no picture, too large or too small.
    """
    if isinstance(source, (str, os.PathLike)):
        name = Path(source).name
        try:
            source = Path(source).expanduser().read_bytes()
        except OSError as error:
            raise PhotoError(f"cannot read {name}: {error.strerror or error}. Check the path.") from error
    if not isinstance(source, (bytes, bytearray, memoryview)):
        raise PhotoError(f"a photo is a path or the bytes of a file, not a {type(source).__name__}")
    data: Any = bytes(source)
    kinds = ", ".join(FORMATS)
    if not data:
        raise PhotoError(f"{name} is empty. Choose a picture ({kinds}).")
    if len(data) > MOST_BYTES:
        raise PhotoError(
            f"{name} has {len(data) / 2**20:.0f} MB, more than {MOST_BYTES // 2**20}. Choose a smaller copy."
        )
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
        if picture.width * picture.height > MOST_PIXELS:
            raise PhotoError(
                f"{name} has {picture.width} x {picture.height} pixels. Save a copy of at most 50 million pixels."
            )
        picture = upright(picture)
    except UnidentifiedImageError as error:
        raise PhotoError(f"{name} is not a picture that can be read. Choose one of: {kinds}.") from error
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise PhotoError(f"{name} is damaged: {error}. Save it again or choose another.") from error
    if min(picture.size) < 16:
        raise PhotoError(
            f"{name} has {picture.width} x {picture.height} pixels. Choose one of at least 16 x 16."
        )
    return to_float(torch.tensor(square(picture, size, min(picture.size)))[None])
