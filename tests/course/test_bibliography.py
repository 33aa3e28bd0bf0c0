"""`docs/references.bib` holds what is cited, and nothing that is not."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import nbformat
import pytest

from fedit_lib.course import bibliography
from fedit_lib.course.run import find_notebooks

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = find_notebooks(ROOT)
WORKS = bibliography.read(ROOT / "docs" / "references.bib")
PARAGRAPH = re.compile(r"^\*\*(?:Papers?|Cited here:?)\*\*:?(.*?)(?:\n\n|\Z)", re.M | re.S)
TITLE = re.compile(r"(?<![*\w])\*(?=\S)([^*]+ [^*]+)(?<=\S)\*(?!\*)")
SHORT = re.compile(r"([A-Z][a-z]+)(?: et al\.|(?:, [A-Z]\. [A-Z][a-z]+)+),? (?:[A-Za-z]+,? )?((?:19|20)\d\d)")
YEAR = re.compile(r"\b(?:19|20)\d\d\b")


def cited(text: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """An opening cell -> (title, the year after it) of its citations, and (family, year) of those without a title."""
    paragraph = PARAGRAPH.search(text)
    flat = re.sub(r"\s+", " ", paragraph[1]) if paragraph else ""
    titled, spans = [], []
    for match in TITLE.finditer(flat):
        year = YEAR.search(flat, match.end())
        titled.append((match[1], year[0] if year else ""))
        spans.append((match.start(), year.end() if year else match.end()))
    bare = [(m[1], m[2]) for m in SHORT.finditer(flat) if not any(a <= m.start() < b for a, b in spans)]
    return titled, bare


def opening(path: Path) -> str:
    return next(c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown")


def faults(text: str) -> list[str]:
    """What an opening cell cites and the .bib does not hold, or holds with another year."""
    titled, bare = cited(text)
    found = []
    for title, year in titled:
        hits = [w for w in WORKS if bibliography.squeeze(w.title).startswith(bibliography.squeeze(title))]
        if not hits:
            found.append(f"no entry has the title {title!r}")
        elif not any(year in w.years for w in hits):
            found.append(f"{title!r}: {year!r}, but {hits[0].key} says {sorted(hits[0].years)}")
    for family, year in bare:
        if not any(w.family == family and year in w.years for w in WORKS):
            found.append(f"no entry is by {family} of {year}")
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_what_a_notebook_cites_at_its_head_is_in_the_bibliography(path: Path) -> None:
    titled, bare = cited(opening(path))
    if not path.parent.name.startswith("7_"):  # the last series compares what the others cited
        assert titled or bare, "the opening cell cites its paper: **Paper** authors, *title*, year"
    assert faults(opening(path)) == []


def test_a_wrong_title_year_or_name_would_be_seen() -> None:
    good = (
        "# T\n\n**Paper** G. Lample et al. *Fader Networks: Manipulating\n"
        "Images by Sliding Attributes.* NIPS 2017.\n\nNext"
    )
    assert cited(good) == (
        [("Fader Networks: Manipulating Images by Sliding Attributes.", "2017")],
        [],
    )
    assert faults(good) == []
    assert "no entry has the title" in faults(good.replace("Sliding", "Pushing"))[0]
    assert "says ['2017']" in faults(good.replace("2017", "2016"))[0]
    short = (
        "**Paper** X. The pool: A. Shrivastava et al., 2017; R1: L. Mescheder et al., ICML 2018; "
        "Y. Ganin, V. Lempitsky, ICML 2015."
    )
    assert [name for name, _ in cited(short)[1]] == ["Shrivastava", "Mescheder", "Ganin"]
    assert faults(short) == [] and len(faults(short.replace("Mescheder", "Meschede"))) == 1


@cache
def texts() -> str:
    prose = [
        c.source
        for path in [*NOTEBOOKS, *sorted((ROOT / "solutions").glob("*/*.ipynb"))]
        for c in nbformat.read(path, as_version=4).cells
    ]
    return "\n\n".join([*prose, *(p.read_text() for p in sorted((ROOT / "fedit_lib").rglob("*.py")))])


@pytest.mark.parametrize("work", WORKS, ids=lambda w: w.key)
def test_every_entry_is_cited_somewhere(work: bibliography.Work) -> None:
    assert work.cited_in(texts()), "nothing cites it: take it out"


def test_every_work_that_the_library_cites_is_an_entry() -> None:
    """As the library's docstrings cite: "(Karras et al., CVPR 2020)", "Mirza & Osindero 2014"."""
    others = r"(?:,? et al\.| & [A-Z][a-z]+)"
    pattern = re.compile(rf"(?<!, )\b([A-Z][a-z]+){others},? \(?(?:[A-Z][A-Za-z]+ )?((?:19|20)\d\d)")
    found = {
        (family, year)
        for path in sorted((ROOT / "fedit_lib").rglob("*.py"))
        for family, year in pattern.findall(re.sub(r"\s+", " ", path.read_text()))
    }
    assert len(found) > 15
    known = {(w.family, year) for w in WORKS for year in w.years}
    assert sorted(found - known) == []


def test_reading_names_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "x.bib"
    good = (
        "@misc{a2014,\n  author = {Doe, Jane and Roe, R.},\n  title = {On {GANs}},\n"
        "  year = {2014},\n  eprint = {1.2},\n}\n"
    )
    path.write_text(good)
    (work,) = bibliography.read(path)
    assert work.title == "On GANs" and work.authors == ["Jane Doe", "R. Roe"] and work.family == "Doe"
    assert work.address == "https://arxiv.org/abs/1.2" and work.where == "2014; arXiv:1.2"
    assert work.cited_in("as Doe et al. (2014) say") and not work.cited_in("as Doe et al. (2015) say")
    for broken, message in (
        (good + good, "a2014 occurs twice"),
        (good.replace("  year = {2014},\n", ""), "a2014 has no year"),
        (good.replace("\n}\n", "}\n"), "not closed"),
    ):
        path.write_text(broken)
        with pytest.raises(ValueError, match=message):
            bibliography.read(path)
