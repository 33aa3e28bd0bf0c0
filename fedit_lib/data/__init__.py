"""One batch format from three sources: the face world, CelebA, a folder of one's own."""

from __future__ import annotations

from .faceset import Batch, FaceSet
from .procedural import procedural

__all__ = ["Batch", "FaceSet", "procedural"]
