"""The doctor: every fault with its fix."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest

from fedit_lib.course import doctor


def finding(name: str, root: Path | None = None) -> doctor.Finding:
    state, text, fix = doctor.LOOKS[name](root)
    return doctor.Finding(name, state, text, fix)


def test_this_environment_is_fit_to_run_the_course() -> None:
    findings = {f.name: f for f in doctor.examine()}
    for name in ("python", "packages", "torch pair", "kernel", "widgets", "face world", "fonts"):
        assert findings[name].state != "fault", findings[name]
    assert set(findings) == set(doctor.LOOKS)
    json.dumps(doctor.as_dict(list(findings.values())))


def test_every_fault_and_note_of_a_bad_machine_has_a_fix(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        metadata, "requires", lambda name: ["no-such-package>=1", "numpy<1", "x; extra == 'dev'"]
    )
    packages = finding("packages")
    assert (
        packages.state == "fault"
        and "no-such-package is missing" in packages.text
        and "numpy" in packages.text
    )
    assert "make setup" in packages.fix and "x is" not in packages.text

    (tmp_path / "data" / "celeba").mkdir(parents=True)
    (tmp_path / "data" / "celeba" / "list_attr_celeba.txt").touch()
    data = finding("data", tmp_path)
    assert data.state == "fault" and "list_eval_partition.txt" in data.text and data.fix
    assert "list_attr_celeba.txt" not in data.text

    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 2**20})())
    assert finding("disk").state == "fault" and finding("disk").fix


def test_damaged_weights_are_a_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from fedit_lib import papers

    (tmp_path / "attgan.safetensors").write_bytes(b"not weights")
    (tmp_path / "attgan.json").write_text('{"sha256": "0"}')
    monkeypatch.setattr(papers, "WEIGHTS", tmp_path)
    weights = finding("weights")
    assert weights.state == "fault" and "attgan.safetensors" in weights.text and "fedit train" in weights.fix


def test_a_kernel_of_another_python_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

    monkeypatch.setattr(
        KernelSpecManager, "get_kernel_spec", lambda self, name: KernelSpec(argv=["/usr/bin/python2"])
    )
    kernel = finding("kernel")
    assert kernel.state == "fault" and "ipykernel install" in kernel.fix


def test_a_look_that_stops_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def stops(root: Path | None) -> doctor.Look:
        raise RuntimeError("[red]no[/]")

    monkeypatch.setattr(doctor, "LOOKS", {"one": stops, "two": lambda root: ("ok", "fine", "")})
    findings = doctor.examine()
    assert [f.state for f in findings] == ["fault", "ok"] and findings[0].fix
    assert not doctor.healthy(findings) and doctor.healthy(findings[1:])
    assert doctor.table(findings).row_count == 2


def test_celeba_is_there_only_with_all_that_is_read_of_it(tmp_path: Path) -> None:
    celeba = tmp_path / "data" / "celeba"
    (celeba / "img_align_celeba").mkdir(parents=True)
    for name in ("list_attr_celeba.txt", "list_eval_partition.txt"):
        (celeba / name).touch()
    data = finding("data", tmp_path)
    assert data.state == "fault" and "identity_CelebA.txt" in data.text
    for name in ("identity_CelebA.txt", "list_bbox_celeba.txt", "list_landmarks_align_celeba.txt"):
        (celeba / name).touch()
    assert finding("data", tmp_path).state == "ok"
