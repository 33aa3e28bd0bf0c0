"""What a learner does: open a notebook in JupyterLab, run it, move a slider, see the picture change."""

from __future__ import annotations

import os
import statistics
from pathlib import Path
from typing import Any

import pytest
from browser_tools import (
    WATCH,
    check_latency,
    find_panel,
    forget_outputs,
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

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# An editor that needs no weights and is certain to change the picture: each attribute tints a band of the face.
STUB = """
from fedit_lib import faces
from fedit_lib.interactive import EditorPanel

class Bands:
    name, size, receipt = "Bands", 64, {"source": "procedural"}
    attributes = ("Bald", "Bangs", "Black_Hair", "Blond_Hair", "Brown_Hair", "Bushy_Eyebrows", "Eyeglasses",
                  "Male", "Mouth_Slightly_Open", "Mustache", "No_Beard", "Pale_Skin", "Young")

    def edit(self, images, labels, target):
        out = images.clone()
        for j in range(len(self.attributes)):
            out[:, j % 3, 4 * j : 4 * j + 4] += (target - labels)[:, j, None, None] * 0.6
        return out.clamp(-1, 1)

    def reconstruct(self, images, labels):
        return self.edit(images, labels, labels)
"""


def upload(page: Any, panel: Any, path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        panel.get_by_role("button", name="Your photo").click()
    chooser.value.set_files(path)


@pytest.fixture(scope="module")
def stub_notebook(shared_page: Any, lab: Any) -> Any:
    """A page with two panels: of a model of drawn faces, and of one trained on photos."""
    cells = [
        STUB,
        "panel = EditorPanel(Bands(), people=faces.sample(12, seed=2_000_000))\npanel",
        "people = faces.sample(3, seed=2_000_000)",
        "labels = people.labels(Bands.attributes)",
        "guess = lambda image, names: image.new_tensor([[n in ('Young', 'No_Beard') for n in names]])",
        "photos = EditorPanel(Bands(), faces.render(people), labels, photos=True, guess_labels=guess)\nphotos",
    ]
    write_notebook(lab.folder / "panel.ipynb", *cells)
    open_notebook(shared_page, lab, "panel.ipynb")
    run_all(shared_page, 120)
    return shared_page


@pytest.fixture
def panel(stub_notebook: Any) -> Any:
    return find_panel(stub_notebook, 0)


def test_slider_moves_picture(stub_notebook: Any, panel: Any, pictures: Path) -> None:
    page = stub_notebook
    page.screenshot(path=pictures / "panel.png")
    handle = slider(panel, "Eyeglasses")
    handle.focus()
    for _ in range(3):
        press(page, panel, "PageUp")
    assert 0.5 < float(handle.get_attribute("aria-valuenow")) <= 1
    page.screenshot(path=pictures / "panel_moved.png")
    check_latency(latencies(page, panel, handle), "stub editor")


def test_no_picture_bytes_as_text(stub_notebook: Any, panel: Any) -> None:
    output = panel.locator("xpath=ancestor::*[contains(@class,'jp-OutputArea')][1]")
    assert "Mouth Slightly Open" in output.inner_text()
    assert "b'" not in output.inner_text() and "Editor(" not in output.inner_text()


def test_quick_moves_do_not_queue(stub_notebook: Any, panel: Any) -> None:
    page = stub_notebook
    handle = slider(panel, "Mustache")
    one = statistics.median(latencies(page, panel, handle, presses=5))
    picture(panel).evaluate(WATCH)
    start = handle.get_attribute("aria-valuenow")
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    assert handle.get_attribute("aria-valuenow") != start
    wait_for_quiet(page, max(1500, 5 * one))
    pressed, loaded = page.evaluate("[window.pressed, window.loaded]")
    assert len(pressed) == 40
    late = loaded[-1] - pressed[-1]
    # The last picture is that of the last position: coming back to it slowly changes no number.
    number = panel.locator("p b").first
    quick = number.inner_text()
    press(page, panel, "PageDown")
    press(page, panel, "PageUp")
    # looked up anew each time: every answer of the kernel replaces the number's node
    same = "([panel, quick]) => panel.querySelector('p b').innerText === quick"
    page.wait_for_function(same, arg=[panel.element_handle(), quick])
    # The edit under way and one more are due after the last key, not forty. How long one takes here is measured
    # before and after: the machine may be busy with something else.
    press(page, panel, "PageDown")  # away from the end of the slider
    one = max(one, statistics.median(latencies(page, panel, handle, presses=5)))
    told = f"{len(loaded)} pictures, the last {late:.0f} ms after the last key (one alone: {one:.0f} ms)"
    print(f"\n40 quick presses: {told}")
    assert late < max(500, 5 * one), told


def test_buttons_by_keyboard(stub_notebook: Any, panel: Any, pictures: Path) -> None:
    page = stub_notebook
    panel.locator('button[title="next face"]').focus()
    press(page, panel, "Enter")
    panel.locator('button[title="face 4"]').focus()
    press(page, panel, "Space")
    handle = slider(panel, "Pale Skin")
    handle.focus()
    press(page, panel, "PageUp")
    for view in ("Before", "Difference"):
        panel.get_by_role("button", name=view).focus()
        press(page, panel, "Enter")
    page.screenshot(path=pictures / "panel_difference.png")
    assert handle.get_attribute("aria-valuenow") != "0.0"
    panel.get_by_role("button", name="Reset").focus()
    press(page, panel, "Enter")
    assert float(handle.get_attribute("aria-valuenow")) == 0


def test_upload_own_photo(stub_notebook: Any, pictures: Path, tmp_path: Path) -> None:
    from fedit_lib import faces
    from fedit_lib.interactive import to_pil

    page, panel = stub_notebook, find_panel(stub_notebook, 1)
    (tmp_path / "notes.txt").write_text("no picture")
    upload(page, panel, tmp_path / "notes.txt")
    panel.get_by_role("alert").wait_for()
    assert "notes.txt is not a picture" in panel.get_by_role("alert").inner_text()
    page.screenshot(path=pictures / "panel_bad_upload.png")
    to_pil(faces.render(faces.sample(1, seed=2_000_077), size=256)[0]).resize((400, 300)).save(
        tmp_path / "me.png"
    )
    old = source(panel)
    upload(page, panel, tmp_path / "me.png")
    page.wait_for_function("([image, old]) => image.src !== old", arg=[picture(panel).element_handle(), old])
    panel.get_by_role("alert").wait_for(state="detached")
    young = panel.locator('button.widget-toggle-button:has-text("Young")')
    assert "mod-active" in young.get_attribute("class")
    page.screenshot(path=pictures / "panel_photo.png")
    young.focus()
    page.keyboard.press("Enter")
    corrected = slider(panel, "Young").element_handle()
    page.wait_for_function("handle => Number(handle.getAttribute('aria-valuenow')) === 0", arg=corrected)
    assert "mod-active" not in young.get_attribute("class")


def test_attgan_notebook(page: Any, lab: Any, pictures: Path) -> None:
    found = sorted((lab.folder / "notebooks" / "3_attgan").glob("03_*.ipynb"))
    if not found:
        absent = pytest.fail if os.environ.get("CI") else pytest.skip
        absent("there is no notebooks/3_attgan/03_*.ipynb")
    forget_outputs(found[0])
    open_notebook(page, lab, found[0].relative_to(lab.folder).as_posix())
    run_all(page, float(os.environ.get("FEDIT_BROWSER_SECONDS", 400)))
    page.screenshot(path=pictures / "attgan_run.png")
    panel = find_panel(page)
    handle = slider(panel, "Eyeglasses")
    check_latency(latencies(page, panel, handle), "AttGAN notebook")
    page.screenshot(path=pictures / "attgan.png")
