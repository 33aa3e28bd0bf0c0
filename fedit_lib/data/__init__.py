"""One batch format from three sources: the face world, CelebA, a folder of one's own."""

from __future__ import annotations

from .celeba import DataError, celeba
from .checks import check_images, check_labels
from .faceset import Batch, FaceSet
from .drawings import line_drawings
from .folder import FolderReport, folder
from .procedural import procedural
from .sources import SOURCES, load_source, share_pictures, source_of

__all__ = [
    "SOURCES",
    "Batch",
    "DataError",
    "FaceSet",
    "FolderReport",
    "celeba",
    "check_images",
    "check_labels",
    "folder",
    "line_drawings",
    "load_source",
    "procedural",
    "share_pictures",
    "source_of",
]
