"""`fedit course book`: all notebooks as one static site that works from a disk, without a network or a server."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from fedit_lib.course import bibliography, pages
from fedit_lib.course.run import find_notebooks
from fedit_lib.data.files import check_writable

TITLES = {"0_start": "Start", "7_compare": "Compare"}
HOME = "Home"


@dataclass
class Page:
    """One page: the file it is made of, its address in the book, and its title. series: "" for pages beside them."""

    source: Path
    address: str
    series: str
    title: str
    body: pages.Body | None = None


def build(root: Path, out: Path, report: Callable[[str], None] = print) -> list[Path]:
    """Render the book into ``out`` from what is committed; nothing is executed.

    Home is the README; then each series with its notebooks and its exercises (untouched, no answers); then the
    glossary, the questions without their answers, and the bibliography. Pages of an earlier build that are no longer
    made go.

    Returns:
        The pages, home first.

    Raises:
        FileNotFoundError: there are no notebooks, or a page shows a picture that is not there.
        ValueError: a formula cannot be converted; the page is named.
        OSError: ``out`` cannot be a folder.
    """
    check_writable(out, folder=True)
    found = outline(root)
    if not any(page.series for page in found):
        raise FileNotFoundError(f"there are no notebooks in {root / 'notebooks'}: nothing to make a book of")
    addresses = {page.source.resolve(): page.address for page in found}
    files: dict[str, str | bytes] = {
        "book.css": pages.style(),
        "book.js": (pages.ASSETS / "book.js").read_text(encoding="utf-8"),
    }
    for page in found:
        _render(page, root, addresses, files)
        report(f"{page.address}: {page.body.title if page.body else ''}")
    index = [
        {"a": page.address + (f"#{slug}" if slug else ""), "p": page.title, "s": heading, "t": text}
        for page in found
        if page.body
        for slug, heading, text in page.body.sections
    ]
    files["search.js"] = (
        "const BOOK = " + json.dumps(index, ensure_ascii=False, separators=(",", ":")) + ";\n"
    )
    for number, page in enumerate(found):
        files[page.address] = pages.frame(
            "book.html.j2",
            page=page.body,
            here=page,
            home=found[0],
            series=_series(found),
            others=[p for p in found[1:] if not p.series],
            before=found[number - 1] if number else None,
            after=found[number + 1] if number + 1 < len(found) else None,
            top="../" * page.address.count("/"),
        )
    pages.write_all(out, files)
    return [out / page.address for page in found]


def outline(root: Path) -> list[Page]:
    """Every page of the book in reading order, not rendered yet."""
    found = [Page(root / "README.md", "index.html", "", HOME)]
    # the course's own: a learner's, put aside as NAME.mine.ipynb, are none
    exercises = sorted(p for p in (root / "exercises").glob("*/*.ipynb") if "." not in p.stem)
    notebooks = find_notebooks(root)
    for series in sorted({path.parent.name for path in notebooks}):
        for path in [p for p in [*notebooks, *exercises] if p.parent.name == series]:
            kind = "exercises_" if path in exercises else ""
            found.append(Page(path, f"{series}/{kind}{path.stem}.html", series, _title(path)))
    for name, title in (
        ("docs/glossary.md", "Glossary"),
        ("docs/question_bank.md", "Questions"),
        ("docs/references.bib", "Bibliography"),
    ):
        if (root / name).is_file():
            found.append(Page(root / name, f"{Path(name).stem}.html", "", title))
    return found


def _title(path: Path) -> str:
    """The first heading of a notebook, without the series' name before a number ("IcGAN 1: ...")."""
    for cell in nbformat.read(path, as_version=4).cells:
        found = re.search(r"^# (.+)$", cell.source, re.M) if cell.cell_type == "markdown" else None
        if found:
            if path.parent.parent.name == "exercises":
                return "Exercises"
            return re.sub(r"[*`$]|^[\w ]+ (?=\d+:)", "", found[1])
    return path.stem


def _series(found: list[Page]) -> list[tuple[str, list[Page]]]:
    """(name, pages) a series; named after the paper where the first notebook's heading says it."""
    named = []
    for series in dict.fromkeys(page.series for page in found if page.series):
        own = [page for page in found if page.series == series]
        heading = own[0].body.title if own[0].body else ""
        paper = re.match(r"([\w ]+?) \d+:", heading)
        name = TITLES.get(series) or (paper[1] if paper else series)
        named.append((f"{series.partition('_')[0]} {name}", own))
    return named


def _render(page: Page, root: Path, addresses: dict[Path, str], files: dict[str, str | bytes]) -> None:
    base = posixpath.dirname(page.address)

    def relative(address: str) -> str:
        return posixpath.relpath(address, base or ".")

    def named(text: str) -> str | None:
        """Where a path in words leads: to a page, or to a series' first; None if it is none."""
        words = text.rstrip("/")
        if not re.fullmatch(r"[\w./-]+", words):
            return None
        for folder in (page.source.parent, root, root / "notebooks"):
            place = (folder / words).resolve()
            if place in addresses:
                return relative(addresses[place])
            if re.match(r"\d", place.name):  # a series, or the number of a notebook in one
                hits = sorted(place.glob("*.ipynb")) or sorted(place.parent.glob(f"{place.name}_*.ipynb"))
                hits = [hit for hit in hits if hit.resolve() in addresses]
                if hits:
                    return relative(addresses[hits[0].resolve()])
        return None

    def link(url: str) -> str | None:
        if re.match(r"(https?:|mailto:|#)", url):
            return url
        path, hash_, fragment = url.partition("#")
        to = named(path)
        return None if to is None else to + hash_ + fragment

    def picture(url: str) -> str:
        if url.startswith("data:"):
            return url
        path = (page.source.parent / url).resolve()
        if not path.is_file():
            raise FileNotFoundError(f"{page.source.name} shows {url}, which is not there")
        name = f"pictures/{path.name}"
        files[name] = path.read_bytes()
        return relative(name)

    try:
        page.body = pages.body(_content(page, root), link=link, code_link=named, picture=picture)
    except ValueError as error:
        raise ValueError(f"{page.source.name}: {error}") from error


def _content(page: Page, root: Path) -> Any:
    if page.source.suffix == ".ipynb":
        return nbformat.read(page.source, as_version=4)
    if page.source.suffix == ".bib":
        return _works(page.source, root)
    return page.source.read_text(encoding="utf-8")


def _works(path: Path, root: Path) -> str:
    """The bibliography as Markdown, by the first author; each with the notebooks that cite it."""
    texts = {}
    for notebook in find_notebooks(root):
        cells = nbformat.read(notebook, as_version=4).cells
        texts[notebook] = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    about = (
        "Every work that the notebooks and the library cite. `docs/references.bib` has the same as BibTeX."
    )
    lines = ["# Bibliography", "", about, ""]
    for work in sorted(bibliography.read(path), key=lambda w: (w.family.lower(), w.fields["year"])):
        title = f"[{work.title}]({work.address})" if work.address else work.title
        cited = [n for n, text in texts.items() if work.cited_in(text)]
        where = ", ".join(f"`{n.parent.name}/{n.stem[:2]}`" for n in cited)
        lines += [
            f"- {', '.join(work.authors)}. *{title}.* {work.where}."
            + (f" Cited in {where}." if where else "")
        ]
    return "\n".join(lines) + "\n"
