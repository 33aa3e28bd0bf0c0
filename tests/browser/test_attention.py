"""The attention viewer as a learner meets it: run the cell, move the slider by keyboard, see the pictures change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browser_tools import (
    check_latency,
    latencies,
    open_notebook,
    picture,
    press,
    run_all,
    slider,
    source,
    write_notebook,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# An editor with a mask that needs no weights: each attribute paints a red band through a soft mask.
STUB = """
import torch

from fedit_lib import faces
from fedit_lib.interactive import AttentionViewer

class Bands:
    name, size, attributes = "Bands", 64, ("Eyeglasses", "Smiling", "Bangs")

    def attention(self, images, labels, target):
        moved = (target - labels).abs()
        mask = torch.zeros(len(images), 1, 64, 64)
        for j, (top, bottom) in enumerate([(22, 36), (40, 54), (6, 20)]):
            mask[:, 0, top:bottom, 8:56] = moved[:, j, None, None]
        return mask

    def content(self, images, labels, target):
        return torch.tensor([1.0, -1, -1]).view(1, 3, 1, 1).expand_as(images)

    def edit(self, images, labels, target):
        mask = self.attention(images, labels, target)
        return images * (1 - mask) + self.content(images, labels, target) * mask
"""


@pytest.fixture(scope="module")
def notebook(shared_page: Any, lab: Any) -> Any:
    cell = "viewer = AttentionViewer(Bands(), people=faces.sample(4, seed=2_000_000))\nviewer"
    write_notebook(lab.folder / "attention.ipynb", STUB, cell)
    open_notebook(shared_page, lab, "attention.ipynb")
    run_all(shared_page, 120)
    return shared_page


@pytest.fixture
def viewer(notebook: Any) -> Any:
    viewer = notebook.locator(".fedit-attention").first
    viewer.scroll_into_view_if_needed()
    viewer.locator(".widget-slider").first.wait_for()
    return viewer


def part(viewer: Any, name: str) -> Any:
    return viewer.locator(f".fedit-part-{name}")


def test_slider_moves_what_depends_on_it(notebook: Any, viewer: Any, pictures: Path) -> None:
    for name in ("input", "mask", "content", "result", "true-region", "difference"):
        assert picture(part(viewer, name)).is_visible(), name
    notebook.screenshot(path=pictures / "attention.png")
    before = {name: source(part(viewer, name)) for name in ("input", "mask", "true-region", "difference")}
    handle = slider(viewer, "Strength")
    start = float(handle.get_attribute("aria-valuenow"))
    assert start in (0, 1)  # the opposite of what the face has
    handle.focus()
    for _ in range(2):
        press(notebook, part(viewer, "result"), "PageDown" if start else "PageUp")
    assert 0 < float(handle.get_attribute("aria-valuenow")) < 1
    for name in ("mask", "difference"):
        image = picture(part(viewer, name)).element_handle()
        notebook.wait_for_function("([image, old]) => image.src !== old", arg=[image, before[name]])
    assert all(source(part(viewer, name)) == before[name] for name in ("input", "true-region"))
    assert "mask AP" in viewer.inner_text() and "grey levels" in viewer.inner_text()
    notebook.screenshot(path=pictures / "attention_moved.png")
    press(notebook, part(viewer, "result"), "Home")  # room to the right
    check_latency(latencies(notebook, part(viewer, "result"), handle, presses=6), "attention viewer")


def test_another_attribute_and_face(notebook: Any, viewer: Any) -> None:
    face, attribute = viewer.locator("select").all()
    old = {name: source(part(viewer, name)) for name in ("input", "mask", "true-region")}
    for menu, changed in ((attribute, "true-region"), (face, "input")):
        menu.select_option(index=1)
        image = picture(part(viewer, changed)).element_handle()
        notebook.wait_for_function("([image, old]) => image.src !== old", arg=[image, old[changed]])
    assert all(source(part(viewer, name)) != before for name, before in old.items())
    assert viewer.get_by_role("alert").count() == 0


def test_no_picture_bytes_as_text(viewer: Any) -> None:
    output = viewer.locator("xpath=ancestor::*[contains(@class,'jp-OutputArea')][1]")
    assert "Strength" in output.inner_text()
    assert "b'" not in output.inner_text() and "AttentionViewer(" not in output.inner_text()
