"""`fedit train` through torchrun: both processes end with the same weights, and one of them writes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
from training_toy import TWO_PROCESSES

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that both wrote to, and what they printed."""
    folder = tmp_path_factory.mktemp("two")
    environment = {
        **os.environ,
        "PYTHONPATH": str(HERE.parents[1]),
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    run = [*TWO_PROCESSES, str(HERE / "two_papers.py"), str(folder)]
    ran = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=280)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder, ran.stdout


def ended(folder: Path, name: str) -> list[dict]:
    return [torch.load(folder / f"{name}.{rank}.pt", weights_only=True) for rank in range(2)]


def own_pool(key: str) -> bool:
    """AGGAN's pools and last faces are each process's own."""
    return key.startswith(("pool_", "last", "met"))


@pytest.mark.parametrize("name", ["attgan", "sagan", "aggan"])
def test_both_end_with_the_same_weights_after_batches_of_their_own(done, name):
    one, two = ended(done[0], name)
    for key, value in one["game"].items():
        assert own_pool(key) or torch.equal(value, two["game"][key]), key
    for network, values in one["averages"].items():
        for key, value in values.items():
            assert torch.equal(value, two["averages"][network][key]), f"{network}.{key}"
    assert len(one["drawn"]) == len(two["drawn"]) > 0 and not set(one["drawn"]) & set(two["drawn"])


def test_one_set_of_files_is_written_and_one_line_is_said(done):
    folder, said = done
    for name in ("attgan", "sagan", "aggan"):
        assert sorted(p.name for p in (folder / name).iterdir()) == ["checkpoint.pt", "log.csv", "run.json"]
        assert json.loads((folder / name / "run.json").read_text())["processes"] == 2
        steps = [line.split(",")[0] for line in (folder / name / "log.csv").read_text().splitlines()]
        assert steps == ["step", "1", "2", "3", "4"]
    assert said.count("History(to step 4") == 4 and said.count("History(to step 2") == 1


def test_stopped_by_a_signal_to_one_it_goes_on_exactly(done):
    """Both stop and say so; the second process, too, has its pool of pictures back."""
    folder, said = done
    assert said.count("exit 130") == 2
    assert json.loads((folder / "resumed/run.json").read_text())["resumes"] == 1
    for straight, resumed in zip(ended(folder, "aggan"), ended(folder, "resumed"), strict=True):
        assert all(torch.equal(straight["game"][k], resumed["game"][k]) for k in straight["game"])
