"""`fedit doctor`: what a machine needs for the course, each fault with its fix."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

SYMBOL = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "fault": "[red]fault[/]"}


@dataclass
class Finding:
    """One thing looked at. state: "ok", "note" (works, but know this) or "fault" (something will not work)."""

    name: str
    state: str
    text: str
    fix: str = ""


def examine(root: Path | None = None) -> list[Finding]:
    """Look at everything; a look that itself stops becomes a fault, so that the others are still seen."""
    findings = []
    for name, look in LOOKS.items():
        try:
            state, text, fix = look(root)
        except Exception as error:
            state, text, fix = "fault", f"{type(error).__name__}: {error}", "run `make setup`, then try again"
        findings.append(Finding(name, state, text, fix))
    return findings


def healthy(findings: list[Finding]) -> bool:
    """Whether nothing is a fault (notes are allowed)."""
    return all(finding.state != "fault" for finding in findings)


def table(findings: list[Finding]) -> Any:
    """The findings as a rich table."""
    from rich.table import Table

    shown = Table(title="fedit doctor")
    for title in ("what", "", "found", "fix"):
        shown.add_column(title, overflow="fold")
    for f in findings:
        shown.add_row(f.name, SYMBOL[f.state], f.text.replace("[", r"\["), f.fix.replace("[", r"\["))
    return shown


def as_dict(findings: list[Finding]) -> dict[str, Any]:
    """The findings as JSON can hold them."""
    return {"healthy": healthy(findings), "findings": [asdict(finding) for finding in findings]}


Look = tuple[str, str, str]


def _python(root: Path | None) -> Look:
    text = f"Python {sys.version.split()[0]}"
    if sys.prefix == sys.base_prefix and not (Path(sys.prefix) / "conda-meta").is_dir():
        return "note", f"{text}, in no virtual environment", "`make setup` keeps the course in .venv"
    return "ok", text, ""


def _packages(root: Path | None) -> Look:
    from packaging.requirements import Requirement

    missing = []
    for line in metadata.requires("fedit-lib") or []:
        need = Requirement(line)
        if need.marker is not None and not need.marker.evaluate({"extra": ""}):
            continue
        try:
            have = metadata.version(need.name)
        except metadata.PackageNotFoundError:
            missing.append(f"{need.name} is missing")
            continue
        if not need.specifier.contains(have, prereleases=True):
            missing.append(f"{need.name} {have} does not fit {need.specifier}")
    if missing:
        return "fault", "; ".join(missing), "make setup (or: pip install -r requirements.lock)"
    return "ok", "all there, in versions that fit", ""


def _pair(root: Path | None) -> Look:
    import torch

    text = f"torch {torch.__version__}"
    try:
        import torchvision

        text += f", torchvision {torchvision.__version__}"
        torchvision.ops.nms(
            torch.zeros(1, 4), torch.zeros(1), 0.5
        )  # fails where the two do not belong together
    except Exception as error:
        return (
            "fault",
            f"{text}: torchvision does not work with it ({error})",
            "install both at once: pip install --upgrade torch torchvision",
        )
    return "ok", text, ""


def _gpu(root: Path | None) -> Look:
    import torch

    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        return "ok", f"{torch.cuda.get_device_name()}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free", ""
    if torch.backends.mps.is_available():
        return "ok", "Apple MPS", ""
    if shutil.which("nvidia-smi"):
        return (
            "note",
            "there is an NVIDIA driver, but torch cannot use it",
            "update the driver, or install a torch for it",
        )
    return "note", "none: all notebooks run on the CPU, training takes longer", ""


def _kernel(root: Path | None) -> Look:
    from jupyter_client.kernelspec import KernelSpecManager

    spec = KernelSpecManager().get_kernel_spec("python3")
    command = spec.argv[0]
    fix = f"{Path(sys.executable).name} -m ipykernel install --sys-prefix --name python3"
    if command in ("python", "python3", Path(sys.executable).name):
        return "ok", "python3 starts this environment's Python", ""
    if Path(command).exists() and Path(command).absolute() == Path(sys.executable).absolute():
        return "ok", "python3 starts this environment's Python", ""
    return "fault", f"the kernel python3 starts another Python ({command})", fix


def _widgets(root: Path | None) -> Look:
    # The front end's half must lie where JupyterLab itself is installed: else sliders show as text.
    versions = {name: metadata.version(name) for name in ("jupyterlab", "ipywidgets", "jupyterlab_widgets")}
    from jupyter_core.paths import jupyter_path

    places = [Path(p) / "@jupyter-widgets" / "jupyterlab-manager" for p in jupyter_path("labextensions")]
    text = ", ".join(f"{name} {version}" for name, version in versions.items())
    if not any((place / "package.json").is_file() for place in places):
        fix = "install jupyterlab_widgets into the environment that serves JupyterLab: make setup"
        return "fault", f"{text}; but JupyterLab does not find the widgets", fix
    return "ok", text, ""


def _weights(root: Path | None) -> Look:
    from fedit_lib.evaluation import oracle
    from fedit_lib.papers import EDITORS, WEIGHTS
    from fedit_lib.training.weights import WeightsError, load_weights

    good, bad = [], []
    wanted = [WEIGHTS / f"{name}.safetensors" for name in EDITORS]
    wanted += [oracle.weights_path(variant) for variant in oracle.VARIANTS]
    for path in wanted:
        try:
            load_weights(path)
            good.append(path.stem)
        except (WeightsError, OSError, ValueError) as error:
            bad.append(str(error))
    if bad:
        fix = (
            "git checkout -- fedit_lib/weights (from a clone), or train them: fedit train NAME, fedit export"
        )
        return "fault", "; ".join(bad), fix
    return "ok", f"hashes fit their receipts: {', '.join(good)}", ""


def _faces(root: Path | None) -> Look:
    from fedit_lib import faces

    image = faces.render_uint8(faces.sample(1, seed=0), size=64)
    return "ok", f"drawn: {tuple(image.shape)}", ""


def _data(root: Path | None) -> Look:
    folder = (root or Path.cwd()) / "data"
    if not folder.is_dir():
        return "note", "no data/ here: the face world needs none", "CelebA: see data/README.md"
    celeba = folder / "celeba"
    if not celeba.is_dir():
        return "ok", "no CelebA (not needed: the face world is drawn)", ""
    from fedit_lib.data.celeba import DataError, find_folder

    try:
        find_folder(folder)  # what `fedit data celeba` asks for
    except DataError as error:
        return "fault", str(error), "fedit data celeba says what goes where"
    return "ok", "CelebA is there", ""


def _disk(root: Path | None) -> Look:
    free = shutil.disk_usage(root or Path.cwd()).free / 2**30
    text = f"{free:.1f} GiB free"
    if free < 1:
        return "fault", text, "free some space: a run's checkpoints and build/ need about 1 GiB"
    return "ok", text, ""


def _fonts(root: Path | None) -> Look:
    from matplotlib import font_manager
    from PIL import ImageFont

    path = Path(font_manager.findfont("DejaVu Sans", fallback_to_default=False))
    ImageFont.truetype(str(path), 12)
    return "ok", path.name, ""


LOOKS: dict[str, Callable[[Path | None], Look]] = {
    "python": _python,
    "packages": _packages,
    "torch pair": _pair,
    "GPU": _gpu,
    "kernel": _kernel,
    "widgets": _widgets,
    "face world": _faces,
    "weights": _weights,
    "data": _data,
    "disk": _disk,
    "fonts": _fonts,
}
