"""Lets the tests of this folder import the helper of the sources' tests, data_trees."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
