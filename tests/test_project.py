"""The project's own files agree with each other, and hold nothing of the machine they were made on."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    tomllib = None

ORDER = ("_memory", "faces", "data", "nn", "training", "papers", "evaluation", "interactive", "course", "cli")
CONDA_NAMES = {"pytorch": "torch"}
CONDA_ONLY = {"python", "pip", "git"}


def requirements(root: Path) -> dict[str, Requirement]:
    if tomllib is None:
        pytest.skip("tomllib came with Python 3.11")
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    lines = project["dependencies"] + project["optional-dependencies"]["dev"]
    return {requirement.name: requirement for requirement in map(Requirement, lines)}


def test_environment_yml_is_the_same_set_as_pyproject(root: Path) -> None:
    listed = yaml.safe_load((root / "environment.yml").read_text())["dependencies"]
    pip = next(entry["pip"] for entry in listed if isinstance(entry, dict))
    found = {}
    for line in [entry for entry in listed if isinstance(entry, str)] + [
        p for p in pip if not p.startswith("-e")
    ]:
        requirement = Requirement(re.sub(r"^([\w-]+)=(\d)", r"\1==\2", line))
        name = CONDA_NAMES.get(requirement.name, requirement.name)
        if name not in CONDA_ONLY:
            found[name] = str(requirement.specifier)
    assert found == {name: str(requirement.specifier) for name, requirement in requirements(root).items()}
    assert "-e ." in pip


def test_lock_holds_every_requirement_and_no_address(root: Path) -> None:
    text = (root / "requirements.lock").read_text()
    assert "://" not in text and not re.search(r"^-", text, re.M), "no address and no option of pip"
    pins: dict[str, list[str]] = {}
    for line in text.splitlines():
        match = re.match(r"([\w.-]+)==([\w.+]+)", line)
        assert match, f"not pinned: {line!r}"
        pins.setdefault(match[1].lower().replace("_", "-"), []).append(match[2])
    for name, requirement in requirements(root).items():
        assert name in pins, f"{name} is not locked: see CONTRIBUTING.md"
        assert all(requirement.specifier.contains(version) for version in pins[name])


def test_lock_holds_torch_and_torchvision_as_a_pair(root: Path) -> None:
    text = (root / "requirements.lock").read_text()
    torch = re.search(r"^torch==2\.(\d+)\.", text, re.M)
    vision = re.search(r"^torchvision==0\.(\d+)\.", text, re.M)
    assert torch and vision
    assert (
        int(vision[1]) - int(torch[1]) == 14
    )  # torchvision pins torch: 0.26 with 2.11 was seen, 0.29 with 2.15


def imports(path: Path) -> set[str]:
    """The parts of fedit_lib that a file imports, also inside its functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            package = ["fedit_lib", *path.relative_to(LIBRARY).parts[: -node.level]]
            base = ".".join([*package, *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("fedit_lib.")}
    return found


LIBRARY = Path(__file__).resolve().parents[1] / "fedit_lib"
FILES = sorted(p for p in LIBRARY.rglob("*.py") if p != LIBRARY / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(LIBRARY).as_posix())
def test_imports_go_one_way(path: Path) -> None:
    own = path.relative_to(LIBRARY).parts[0].removesuffix(".py")
    assert own in ORDER, f"{own} has no place in the order of imports"
    later = {name for name in imports(path) if name in ORDER and ORDER.index(name) > ORDER.index(own)}
    # `from fedit_lib import load_editor` is an import of papers
    if "load_editor" in imports(path) and ORDER.index(own) < ORDER.index("papers"):
        later.add("papers")
    assert not later, f"{own} must not import {', '.join(sorted(later))}: it stands before"


def test_every_part_of_the_library_stands_in_the_order() -> None:
    parts = {p.stem for p in LIBRARY.iterdir() if p.is_dir() and (p / "__init__.py").exists()} | {"cli"}
    assert parts <= set(ORDER)
    assert {"faces", "training", "papers", "course"} <= parts


def tracked(root: Path) -> list[Path]:
    try:
        run = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a clone: git does not say which files belong to the project")
    return [root / name for name in run.stdout.splitlines() if (root / name).is_file()]


def test_no_file_names_the_machine_it_was_made_on(root: Path) -> None:
    places = ("wo" + "rk", "ro" + "ot", "tm" + "p", "ho" + "me", "Us" + "ers")
    machine = re.compile(r"(?<![\w.*~-])/(?:" + "|".join(places) + r")/[a-z._]")
    bad = []
    for path in tracked(root):
        if path.suffix in (".safetensors", ".png", ".jpg", ".pt"):
            continue
        for number, line in enumerate(
            path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1
        ):
            if machine.search(line):
                bad.append(f"{path.relative_to(root)}:{number}: {line.strip()[:100]}")
    assert not bad, "\n".join(bad[:20])


def test_ci_runs_the_readmes_test_command(root: Path) -> None:
    text = (root / ".ci" / "run").read_text()
    assert "make test" in text
    assert (root / ".ci" / "run").stat().st_mode & 0o111, ".ci/run must be executable"


def test_make_names_every_target_that_the_course_promises(root: Path) -> None:
    text = (root / "Makefile").read_text()
    for target in ("lab", "test", "course", "book", "bench", "exercises"):
        assert re.search(rf"^{target}: \$\(STAMP\)", text, re.M), f"make {target} must set up .venv by itself"
