"""The sketch pad as a learner meets it: run the cell, draw with the mouse, see ink and face change, undo."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import pytest
from browser_tools import (
    WATCH,
    check_latency,
    latencies,
    open_notebook,
    picture,
    press,
    run_all,
    slider,
    source,
    wait_for_quiet,
    write_notebook,
)
from PIL import Image

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# S2FGAN before its training: what it paints is no face, but every line and every slider changes it.
EDITOR = """
import torch

from fedit_lib import faces
from fedit_lib.interactive import SketchPad
from fedit_lib.papers import s2fgan

torch.manual_seed(0)
game = s2fgan.build("smoke", size=64)
editor = s2fgan.editor(game.averaged_networks(), {"config": game.config()})
"""


HANDLES = "handles => handles.map(handle => getComputedStyle(handle).backgroundColor).join(' ')"


@pytest.fixture(scope="module")
def notebook(shared_page: Any, lab: Any) -> Any:
    cells = [EDITOR, "pad = SketchPad(editor, person=faces.sample(1, seed=2_000_000))\npad"]
    write_notebook(lab.folder / "sketchpad.ipynb", *cells)
    open_notebook(shared_page, lab, "sketchpad.ipynb")
    run_all(shared_page, 300)
    return shared_page


@pytest.fixture
def pad(notebook: Any) -> Any:
    pad = notebook.locator(".fedit-sketchpad").first
    pad.scroll_into_view_if_needed()
    pad.locator(".widget-slider").first.wait_for()
    pad.locator("canvas").wait_for()
    return pad


def ink(pad: Any) -> int:
    """How much of the page is dark: pixels of a screenshot."""
    page = Image.open(io.BytesIO(pad.locator("canvas").screenshot())).convert("L")
    return sum(page.histogram()[:100])


def stroke(page: Any, pad: Any, *points: tuple[float, float], steps: int = 12) -> None:
    """Draw with the mouse, points in [0, 1] of the page."""
    box = pad.locator("canvas").bounding_box()
    places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=steps)
    page.mouse.up()


def changed(page: Any, pad: Any, old: str) -> None:
    """Wait until the face is another than `old`, and then stays."""
    image = picture(pad).element_handle()
    page.wait_for_function("([image, old]) => image.src !== old", arg=[image, old])
    page.wait_for_timeout(100)
    while (now := source(pad)) != old:
        old = now
        page.wait_for_timeout(1000)


def test_stroke_is_ink_and_changes_the_face(notebook: Any, pad: Any, pictures: Path) -> None:
    notebook.screenshot(path=pictures / "sketchpad.png")
    start, face = ink(pad), source(pad)
    assert start > 500  # the sketch of a face
    stroke(notebook, pad, (0.15, 0.15), (0.85, 0.2), (0.85, 0.85))
    changed(notebook, pad, face)
    assert "rgb(25, 118, 210)" not in (
        pad.locator(".noUi-handle").evaluate_all(HANDLES)
    )  # no slider was taken for moved
    drawn = ink(pad)
    assert drawn > start + 300
    assert "painting the face" in pad.inner_text()
    notebook.screenshot(path=pictures / "sketchpad_drawn.png")

    face = source(pad)
    pad.locator('button:text-is("Eraser")').click()
    stroke(notebook, pad, (0.1, 0.15), (0.9, 0.2), steps=20)
    changed(notebook, pad, face)
    assert ink(pad) < drawn - 100
    notebook.screenshot(path=pictures / "sketchpad_erased.png")
    pad.locator('button:text-is("Pen")').click()

    for _ in range(2):
        face = source(pad)
        pad.get_by_role("button", name="Undo").click()
        changed(notebook, pad, face)
    assert abs(ink(pad) - start) < 30
    face = source(pad)
    pad.get_by_role("button", name="Clear").click()
    changed(notebook, pad, face)
    assert ink(pad) == 0 and "empty page" in pad.inner_text()
    face = source(pad)
    pad.get_by_role("button", name="A face").click()
    changed(notebook, pad, face)
    assert ink(pad) > 500
    notebook.screenshot(path=pictures / "sketchpad_face.png")


def test_face_follows_the_pen_while_it_is_down(notebook: Any, pad: Any) -> None:
    picture(pad).evaluate(WATCH)
    box = pad.locator("canvas").bounding_box()
    notebook.mouse.move(box["x"] + 20, box["y"] + 20)
    began = time.monotonic()
    notebook.mouse.down()
    for k in range(150):
        notebook.mouse.move(box["x"] + 20 + 1.8 * k, box["y"] + 20 + 60 * (k % 2))
    seconds = time.monotonic() - began
    wait_for_quiet(notebook, 1500)
    faces = notebook.evaluate("window.loaded.length")
    # merged: fewer faces than places, and time for the ink between two
    assert 1 <= faces < min(150, seconds / 0.03 + 3)
    notebook.mouse.up()
    notebook.keyboard.press("Control+z")
    print(f"\n150 places of the pen: {faces} faces in {seconds:.1f} s")


def test_slider_moves_the_face(notebook: Any, pad: Any) -> None:
    handle = slider(pad, "Smiling")
    handle.focus()
    press(notebook, pad, "Home")
    check_latency(latencies(notebook, pad, handle, presses=8), "sketch pad")
    face = source(pad)
    pad.get_by_role("button", name="Reset").click()
    changed(notebook, pad, face)


def test_touch_draws(notebook: Any, pad: Any) -> None:
    """A finger or a pen: what the browser tells of it, made by hand."""
    face, before = source(pad), ink(pad)
    pad.locator("canvas").evaluate(
        """canvas => {
            const box = canvas.getBoundingClientRect();
            const tell = (name, x, y) => {
                const touch = new Touch({identifier: 1, target: canvas, clientX: box.left + x, clientY: box.top + y});
                const touches = name === 'touchend' ? [] : [touch];
                canvas.dispatchEvent(new TouchEvent(name, {touches, changedTouches: [touch], cancelable: true}));
            };
            tell('touchstart', 30, 290);
            for (let x = 40; x < 290; x += 10) tell('touchmove', x, 290);
            tell('touchend', 290, 290);
        }"""
    )
    changed(notebook, pad, face)
    assert ink(pad) > before + 300


def test_no_picture_bytes_as_text(notebook: Any, pad: Any) -> None:
    output = pad.locator("xpath=ancestor::*[contains(@class,'jp-OutputArea')][1]")
    assert "Smiling" in output.inner_text()
    assert "b'" not in output.inner_text() and "SketchPad(" not in output.inner_text()
