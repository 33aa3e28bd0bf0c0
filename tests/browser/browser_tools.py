"""What a learner's hand does in JupyterLab, shared by the tests of this folder."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest

# The moment of the key press, and of every new picture when the browser has decoded it: both by the page's own clock.
WATCH = """image => {
    window.pressed = []; window.loaded = [];
    if (image.watched) return;
    image.watched = true;
    document.addEventListener('keydown', e => window.pressed.push(performance.now()), true);
    image.addEventListener('load', () => window.loaded.push(performance.now()));
}"""


def write_notebook(path: Path, *cells: str) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)


def open_notebook(page: Any, lab: Any, path: str) -> None:
    page.goto(f"{lab.url}/lab/tree/{path}?reset")
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').first.wait_for(state="attached")
    # The indicator is idle before there is a kernel, too; to run a cell then makes JupyterLab ask for one.
    page.locator('#jp-main-statusbar :text("| Idle")').first.wait_for(timeout=180_000)


def forget_outputs(path: Path) -> None:
    """Take the stored outputs and numbers out of a copy, so that what is seen was run here."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, path)


def run_all(page: Any, seconds: float) -> None:
    """Run > Run All Cells, and wait until every code cell has its number."""
    end = time.monotonic() + seconds
    pressed = 0.0
    while True:
        prompts = page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()
        if prompts and all(any(c.isdigit() for c in text) for text in prompts):
            break
        errors = page.locator(
            '.jp-OutputArea [data-mime-type="application/vnd.jupyter.stderr"]:has-text("Traceback")'
        )
        if errors.count() or page.locator('.jp-OutputArea-output[data-mime-type*="error"]').count():
            pytest.fail(f"a cell failed: {page.locator('.jp-OutputArea').all_inner_texts()}")
        if time.monotonic() > end:
            said = page.locator(".jp-OutputArea").all_inner_texts()
            pytest.fail(f"cells still to run after {seconds:.0f} s: {prompts}; {said}")
        # The first press is sometimes lost just after the kernel starts; nothing has begun then.
        if not any("*" in text for text in prompts) and time.monotonic() - pressed > 5:
            page.locator('.lm-MenuBar-item:has-text("Run")').click()
            page.locator('.lm-Menu-item:has-text("Run All Cells")').first.click()
            pressed = time.monotonic()
        page.wait_for_timeout(200)


def find_panel(page: Any, number: int = 0) -> Any:
    panel = page.locator(".fedit-panel").nth(number)
    panel.scroll_into_view_if_needed()
    panel.locator(".widget-slider").first.wait_for()
    return panel


def slider(panel: Any, name: str) -> Any:
    return panel.locator(f'.widget-slider:has(label:text-is("{name}")) .noUi-handle')


def picture(panel: Any) -> Any:
    return panel.locator("img.widget-image, .widget-image img").first


def source(panel: Any) -> str:
    return picture(panel).get_attribute("src")


def press(page: Any, panel: Any, key: str) -> None:
    """Press a key and wait until the picture is another."""
    old = source(panel)
    page.keyboard.press(key)
    page.wait_for_function("([image, old]) => image.src !== old", arg=[picture(panel).element_handle(), old])


def latencies(page: Any, panel: Any, handle: Any, presses: int = 15) -> list[float]:
    """Milliseconds from each key press to the new picture, decoded."""
    page.wait_for_function("image => image.complete", arg=picture(panel).element_handle())
    page.wait_for_timeout(50)  # the load event of the picture before, which is not to be counted
    picture(panel).evaluate(WATCH)
    handle.focus()
    for k in range(presses + 2):
        press(page, panel, "ArrowRight" if k % 8 < 4 else "ArrowLeft")
        page.wait_for_function(f"window.loaded.length >= {k + 1}")
    pressed, loaded = page.evaluate("[window.pressed, window.loaded]")
    return [b - a for a, b in zip(pressed, loaded, strict=True)][2:]


def crowding(seconds: float = 0.2) -> float:
    """How many times longer than alone a busy thread takes here just now: 1 where it has a core to itself."""
    wall, own = time.perf_counter(), time.process_time()
    while time.process_time() - own < seconds:
        sum(range(1000))
    return max(1.0, (time.perf_counter() - wall) / seconds)


def check_latency(times: list[float], what: str) -> None:
    """Under 250 ms in the middle; on a machine that others keep busy, as many times that as a thread loses here."""
    median, limit = statistics.median(times), 250 * crowding()
    span = f"median of {len(times)}; {min(times):.0f} to {max(times):.0f}; at most {limit:.0f} here"
    print(f"\n{what}: key press to picture {median:.0f} ms ({span})")
    assert median < limit, f"{what}: {median:.0f} ms from key press to picture"


def wait_for_quiet(page: Any, quiet: float, seconds: float = 60) -> None:
    """Wait until a picture has come (see WATCH) and then none for `quiet` ms; TimeoutError after `seconds`."""
    page.wait_for_function(
        "quiet => window.loaded.length && performance.now() - window.loaded.at(-1) > quiet",
        arg=quiet,
        timeout=1000 * seconds,
    )
