"""The book: complete, linked, and without anything from a network; and the pages that `fedit course run` writes."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from typer.testing import CliRunner

from fedit_lib.cli import app
from fedit_lib.course import book, pages
from fedit_lib.course.run import find_notebooks, to_html

ROOT = Path(__file__).resolve().parents[2]
LOADS = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src", "object": "data"}


class Read(HTMLParser):
    """Links, ids, what a page loads, and its words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.loads: list[str] = []
        self.images: list[dict[str, str]] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        if "id" in given:
            self.ids.add(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in LOADS and LOADS[tag] in given:
            self.loads.append(given[LOADS[tag]])
        if tag == "img":
            self.images.append(given)

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Read]:
    """The course's own book, built once: address -> page; "" is the folder."""
    out = tmp_path_factory.mktemp("book")
    result = CliRunner().invoke(app, ["course", "book", "--out", str(out)])
    assert result.exit_code == 0, result.output
    found = {p.relative_to(out).as_posix(): Read(p.read_text(encoding="utf-8")) for p in out.rglob("*.html")}
    assert f"{len(found)} pages" in result.output
    site.folder = out  # type: ignore[attr-defined]
    return found


def folder() -> Path:
    return site.folder  # type: ignore[attr-defined]


def test_every_notebook_and_exercise_is_a_page_and_the_kit_of_the_teacher_is_none(
    site: dict[str, Read],
) -> None:
    notebooks = {f"{p.parent.name}/{p.stem}.html" for p in find_notebooks(ROOT)}
    exercises = {f"{p.parent.name}/exercises_{p.stem}.html" for p in (ROOT / "exercises").glob("*/*.ipynb")}
    others = {"index.html", "glossary.html", "bibliography.html", "references.html", "question_bank.html"}
    assert notebooks | exercises <= set(site) <= notebooks | exercises | others
    assert {"index.html", "glossary.html", "references.html", "question_bank.html"} <= set(site)
    every = " ".join(page.text for page in site.values())
    answers = (ROOT / "docs" / "question_bank_answers.md").read_text()
    assert re.search(r"^1\. (.{30})", answers, re.M)[1] not in every, "answers are the teacher's"
    assert "BEGIN SOLUTION" not in every


def test_every_link_inside_the_book_leads_to_a_page_and_a_place_on_it(site: dict[str, Read]) -> None:
    lost, inside = [], 0
    for address, page in site.items():
        for href in page.links:
            parts = urlsplit(href)
            if parts.scheme:
                continue
            inside += 1
            path = (folder() / address).parent / unquote(parts.path) if parts.path else folder() / address
            target = path.resolve().relative_to(folder().resolve()).as_posix()
            if target not in site or (parts.fragment and unquote(parts.fragment) not in site[target].ids):
                lost.append(f"{address}: {href}")
    assert lost == [] and inside > 500


def test_nothing_is_loaded_from_a_network_and_all_that_is_loaded_is_there(site: dict[str, Read]) -> None:
    for address, page in site.items():
        for url in page.loads:
            assert not re.match(r"(https?:)?//", url), f"{address} loads {url}"
            if not url.startswith("data:"):
                assert ((folder() / address).parent / url).is_file(), f"{address} loads {url}"
    style = (folder() / "book.css").read_text()
    assert not re.search(r"url\(|@import", style)
    assert not re.search(r"fetch\(|XMLHttpRequest|https?://", (folder() / "book.js").read_text())


def test_pictures_are_shown_and_have_words(site: dict[str, Read]) -> None:
    for path in find_notebooks(ROOT):
        stored = [
            output
            for cell in nbformat.read(path, as_version=4).cells
            if cell.cell_type == "code"
            for output in cell.outputs
            if {"image/png", "image/jpeg"} & set(output.get("data", {})) and "text/html" not in output.data
        ]
        page = site[f"{path.parent.name}/{path.stem}.html"]
        assert len([i for i in page.images if i["src"].startswith("data:image/")]) == len(stored)
    assert all(image.get("alt") for page in site.values() for image in page.images)
    assert [i["src"] for i in site["index.html"].images][:1] == ["pictures/crowd.jpg"]


def test_formulas_are_drawn_and_no_latex_is_left(site: dict[str, Read]) -> None:
    assert sum(page.tags.count("math") for page in site.values()) > 400
    for address, page in site.items():
        if address.split("/")[0][0].isdigit():
            prose = re.sub(r"\$\w\$", "", page.text)  # a plot's label in code
            assert not re.search(r"\$\$|\\(?:frac|lVert|mathbb|lambda|qquad)\b", prose), address


def test_the_navigation_is_complete_and_goes_through_every_page_in_turn(site: dict[str, Read]) -> None:
    source = {name: (folder() / name).read_text(encoding="utf-8") for name in site}
    seen, at = ["index.html"], "index.html"
    while match := re.search(r'<a rel="next" href="([^"]+)"', source[at]):
        following = ((folder() / at).parent / match[1]).resolve().relative_to(folder().resolve()).as_posix()
        back = re.search(r'<a rel="prev" href="([^"]+)"', source[following])
        assert back and ((folder() / following).parent / back[1]).resolve() == (folder() / at).resolve()
        seen.append(following)
        at = following
    assert sorted(seen) == sorted(site), "next leads once through all"
    order = [name for name in seen if name[0].isdigit()]
    assert order == sorted(order, key=lambda n: (n.split("/")[0], "exercises_" in n, n))
    for name, page in site.items():
        assert source[name].count('aria-current="page"') == 1
        places = {
            ((folder() / name).parent / h.partition("#")[0]).resolve() for h in page.links if h[0] != "#"
        }
        missing = [other for other in site if (folder() / other).resolve() not in places]
        assert missing == [], f"{name} has no link to {missing}"


def test_the_search_knows_every_page_and_leads_to_its_sections(site: dict[str, Read]) -> None:
    text = (folder() / "search.js").read_text(encoding="utf-8")
    entries = json.loads(text.removeprefix("const BOOK = ").rstrip().removesuffix(";"))
    assert {entry["a"].partition("#")[0] for entry in entries} == set(site)
    for entry in entries:
        address, _, fragment = entry["a"].partition("#")
        assert not fragment or fragment in site[address].ids
    assert any("gradient penalty" in entry["t"].lower() for entry in entries)


def test_words_that_name_a_notebook_lead_to_it(site: dict[str, Read]) -> None:
    page = site["3_attgan/02_losses_and_training.html"]
    assert "../0_start/01_the_course_and_the_face_world.html" in page.links
    assert "exercises_01_exercises.html" in page.links


def test_building_again_gives_the_same_files_and_stale_pages_go(tmp_path: Path) -> None:
    small(tmp_path)
    out = tmp_path / "build"
    book.build(tmp_path, out, report=lambda line: None)
    first = {p.name: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    (out / "mine.html").write_text("the reader's own")
    second = small(tmp_path).with_name("02_second.ipynb")
    small(tmp_path).rename(second)
    small(tmp_path)
    book.build(tmp_path, out, report=lambda line: None)
    assert (out / "1_one" / "02_second.html").is_file()
    second.unlink()
    book.build(tmp_path, out, report=lambda line: None)
    assert (out / "mine.html").is_file(), "what the book did not write stays"
    (out / "mine.html").unlink()
    assert {p.name: p.read_bytes() for p in out.rglob("*") if p.is_file()} == first


def test_what_a_learner_put_aside_is_no_page(tmp_path: Path) -> None:
    text = small(tmp_path).read_text()
    own = tmp_path / "exercises" / "1_one"
    own.mkdir(parents=True)
    for name in ("01_exercises.ipynb", "01_exercises.mine.ipynb", "01_exercises.mine-2.ipynb"):
        (own / name).write_text(text)
    pages = [page.source.name for page in book.outline(tmp_path)]
    assert [name for name in pages if "exercises" in name] == ["01_exercises.ipynb"]


def small(root: Path, *cells: str) -> Path:
    """A course of one notebook, with a formula, a widget and a link."""
    made = [nbformat.v4.new_markdown_cell(text, id=f"m{i}") for i, text in enumerate(cells)] or [
        nbformat.v4.new_markdown_cell(
            "# One 1: first\n\nSee [home](../../README.md), $y' = \\log x$.", id="m"
        )
    ]
    path = root / "notebooks" / "1_one" / "01_first.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=made), path)
    (root / "README.md").write_text(
        "# A course\n\n[Licence](LICENSE), `1_one`, [site](https://example.org)\n"
    )
    return path


def test_a_link_to_what_is_no_page_becomes_plain_words(tmp_path: Path) -> None:
    small(tmp_path)
    book.build(tmp_path, tmp_path / "b", report=lambda line: None)
    home = Read((tmp_path / "b" / "index.html").read_text())
    assert "1_one/01_first.html" in home.links and "https://example.org" in home.links
    assert not any("LICENSE" in href for href in home.links) and "Licence" in home.text
    first = (tmp_path / "b" / "1_one" / "01_first.html").read_text()
    assert 'href="../index.html"' in first and "1 One" in first


def test_what_cannot_be_shown_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no notebooks"):
        (tmp_path / "notebooks").mkdir()
        (tmp_path / "README.md").write_text("# A course\n")
        book.build(tmp_path, tmp_path / "b", report=lambda line: None)
    small(tmp_path, "# T\n\n$\\notacommand x$")
    with pytest.raises(ValueError, match=r"01_first\.ipynb: .*\\notacommand has no MathML"):
        book.build(tmp_path, tmp_path / "b", report=lambda line: None)
    small(tmp_path, "# T\n\n![a face](lost.png)")
    with pytest.raises(FileNotFoundError, match=r"01_first\.ipynb shows lost\.png"):
        book.build(tmp_path, tmp_path / "b", report=lambda line: None)
    assert not (tmp_path / "b").exists(), "nothing is written before all is rendered"
    with pytest.raises(OSError, match=r"README\.md is a file: name a folder"):
        book.build(tmp_path, tmp_path / "README.md", report=lambda line: None)


def test_a_live_widget_is_replaced_by_its_picture_or_by_a_word(tmp_path: Path) -> None:
    view = {"version_major": 2, "version_minor": 0, "model_id": "abc"}
    key = "application/vnd.jupyter.widget-view+json"
    pixel = "R0lGODlhAQABAAAAACw="
    cells = [
        nbformat.v4.new_code_cell("panel", outputs=[nbformat.v4.new_output("execute_result", data=data)])
        for data in (
            {key: view, "image/jpeg": pixel, "text/plain": "Editor(A, Smiling=0.00)"},
            {key: view, "text/plain": "SketchPad(B, 0 strokes)"},
        )
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    path = tmp_path / "live.ipynb"
    nbformat.write(notebook, path)
    page = Read(to_html(path))
    assert [image["src"] for image in page.images] == [f"data:image/jpeg;base64,{pixel}"]
    assert "SketchPad(B, 0 strokes) is live in JupyterLab" in page.text
    assert page.loads == [f"data:image/jpeg;base64,{pixel}"] and "script" not in page.tags


def test_a_page_of_a_run_has_its_formulas_and_needs_nothing(tmp_path: Path) -> None:
    html = to_html(small(tmp_path))
    page = Read(html)
    assert "math" in page.tags and "$" not in page.text and page.loads == []
    odd = Read(to_html(small(tmp_path, "# T\n\n$\\notacommand x$")))
    assert r"\notacommand x" in odd.text, "a run does not end because of a formula: it is shown as written"
    assert "highlight" in html and page.links == ["#one-1-first"], "links to other files would lead nowhere"


def test_a_formula_becomes_mathml() -> None:
    assert "<mo>min</mo>" in pages.mathml(r"\arg\min_z x") and "\\" not in pages.mathml(r"\arg\min_z x")
    assert "&#x02B9;" in pages.mathml("y'") and "mspace" in pages.mathml(r"\log\sigma(s)")
    assert 'display="block"' in pages.mathml("x", "block")
    with pytest.raises(ValueError, match=r"is no formula"):
        pages.mathml(r"\left( x")
