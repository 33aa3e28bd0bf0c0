"""JupyterLab and a browser, for tests that do what a learner does."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # lets the tests of this folder import browser_tools

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
SETTINGS = {
    # Cells that are off the screen are in the page, too.
    "@jupyterlab/notebook-extension/tracker.jupyterlab-settings": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
}


def browser_path() -> str:
    """Where the browser is. Where there is none: a skip with its reason, but in CI a failure."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = os.environ.get("FEDIT_BROWSER") or next(filter(None, map(shutil.which, names)), None)
    if path and Path(path).exists():
        return path
    reason = (
        "no Chromium found: install it (Debian: apt-get install chromium) or set FEDIT_BROWSER to its path"
    )
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@dataclass
class Lab:
    url: str
    folder: Path
    log: Path


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on a copy of the notebooks and exercises, with settings, history and files of its own."""
    browser_path()
    base = tmp_path_factory.mktemp("lab")
    folder = base / "course"
    folder.mkdir()
    for part in ("notebooks", "exercises"):
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part)
    for name, value in SETTINGS.items():
        path = base / "settings" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))
    environment = {
        **os.environ,
        "JUPYTERLAB_SETTINGS_DIR": str(base / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(base / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(base / "config"),
        "JUPYTER_DATA_DIR": str(base / "data"),
        "JUPYTER_RUNTIME_DIR": str(base / "runtime"),
        "IPYTHONDIR": str(base / "ipython"),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    port, log = free_port(), base / "jupyter.log"
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
        "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--PasswordIdentityProvider.hashed_password=",
        "--ServerApp.disable_check_xsrf=True", f"--ServerApp.root_dir={folder}", "--LabApp.collaborative=False",
    ]  # fmt: skip
    with log.open("wb") as out:
        server = subprocess.Popen(command, env=environment, cwd=base, stdout=out, stderr=out)
    url = f"http://127.0.0.1:{port}"
    try:
        patience = time.monotonic() + 180  # seconds on a free machine, minutes on a crowded one
        while time.monotonic() < patience:
            if server.poll() is not None:
                pytest.fail(f"JupyterLab stopped at once:\n{log.read_text()[-3000:]}")
            try:
                urllib.request.urlopen(f"{url}/api/status", timeout=2).close()
                break
            except OSError:
                time.sleep(0.25)
        else:
            pytest.fail(f"JupyterLab did not answer within three minutes:\n{log.read_text()[-3000:]}")
        yield Lab(url, folder, log)
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    path = browser_path()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


def new_page(browser: Any) -> Any:
    """A page that can reach JupyterLab and nothing else."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    context.route("**/*", lambda r: r.continue_() if "127.0.0.1" in r.request.url[:24] else r.abort())
    page = context.new_page()
    page.set_default_timeout(60_000)
    return page


@pytest.fixture
def page(browser: Any, lab: Lab) -> Iterator[Any]:
    page = new_page(browser)
    yield page
    page.context.close()


@pytest.fixture(scope="module")
def shared_page(browser: Any, lab: Lab) -> Iterator[Any]:
    """One page for several tests: opening JupyterLab takes far longer than any of them."""
    page = new_page(browser)
    yield page
    page.context.close()


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where screenshots go: `build/browser`, for people to look at."""
    folder = ROOT / "build" / "browser"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
