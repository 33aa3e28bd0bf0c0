"""What all tests share: two workers on two cores, no window, slow files first."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")  # kernels of this environment, not of the user's

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure(config: pytest.Config) -> None:
    from hypothesis import HealthCheck, settings

    # Cores are shared: how long one example takes says nothing.
    settings.register_profile("course", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("course")
    if "PYTEST_XDIST_WORKER" in os.environ:
        import torch

        torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Notebooks and the browser take longest: begun last, they would leave the other worker idle.
    items.sort(key=lambda item: not (item.path.suffix == ".ipynb" or "browser" in item.path.parts))


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's folder."""
    return ROOT
