"""Notebooks and Markdown as pages that need no network: formulas as MathML, one style sheet, pictures inside.

`fedit course run` and `fedit course book` both render here. nbconvert does the work; what it would fetch from outside
(MathJax, require.js, the widgets' scripts) is replaced.
"""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import nbformat

ASSETS = Path(__file__).parent / "assets"
# What the converter does not know, written with what it does.
REWRITE = ((re.compile(r"\\arg(?![a-z])"), r"\\operatorname{arg}\\,"),)
LIVE = re.compile(r"(Editor|AttentionViewer|SketchPad)\(")  # the widgets' own texts
Link = Callable[[str], "str | None"]


@dataclass
class Body:
    """A rendered page without its frame.

    title: of the first heading, plain text. headings: (level, id, text) of all. sections: (id, heading, plain text), for
    the search; the text before the first heading has the id "".
    """

    html: str
    title: str = ""
    headings: list[tuple[int, str, str]] = field(default_factory=list)
    sections: list[tuple[str, str, str]] = field(default_factory=list)


def mathml(formula: str, display: str = "inline") -> str:
    """A LaTeX formula (without its dollars) as MathML, which browsers draw by themselves.

    display: "inline" or "block".

    Raises:
        ValueError: the formula, or a command in it, cannot be converted; it is named.
    """
    from latex2mathml.converter import convert

    for pattern, replacement in REWRITE:
        formula = pattern.sub(replacement, formula)
    try:
        made = convert(formula.strip(), display=display)
    except Exception as error:  # the converter raises a dozen kinds
        raise ValueError(f"${formula}$ is no formula ({type(error).__name__}: {error})") from error
    unknown = re.search(r"\\[A-Za-z]+", made)
    if unknown:
        raise ValueError(f"${formula}$: {unknown[0]} has no MathML; write it otherwise, or add it to REWRITE")
    # A prime set as an exponent becomes a dot; this one is raised by itself.
    made = re.sub(
        r"<msup>(<m[io][^>]*>[^<]*</m[io]>)<mi>&#x02032;</mi></msup>",
        r'<mrow>\1<mo lspace="0" rspace="0">&#x02B9;</mo></mrow>',
        made,
    )
    # A function's name and its argument touch: TeX puts a thin space there, unless a bracket follows.
    names = r"(<mi>(?:log|exp|sin|cos|max|min)</mi>)(?=<m(?:i|row|sub|sup)\b)"
    return re.sub(names, r'\1<mspace width="0.17em" />', made)


def body(
    notebook: Any,
    *,
    link: Link = lambda url: url,
    code_link: Link = lambda text: None,
    picture: Callable[[str], str] = lambda url: url,
) -> Body:
    """A notebook's cells as HTML; its stored outputs are shown, nothing is executed.

    Args:
        notebook: a notebook node, or Markdown as text. It is not changed.
        link: address as written -> where it leads on this page; None leaves the words without a link.
        code_link: words in `code` -> an address if they name a page, else None.
        picture: address of a picture as written -> on this page.

    Raises:
        ValueError: a formula cannot be converted.
    """
    from nbconvert import HTMLExporter
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    if isinstance(notebook, str):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(notebook)])
    content = _still(notebook)
    page = Body("")
    taken: Counter[str] = Counter()

    class Renderer(IPythonRenderer):
        def inline_math(self, body: str) -> str:
            return mathml(body)

        def block_math(self, body: str) -> str:
            return f'<span class="formula" tabindex="0">{mathml(body, "block")}</span>'

        def latex_environment(self, name: str, body: str) -> str:
            return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")

        def heading(self, text: str, level: int, **attrs: Any) -> str:
            plain = _plain(text)
            slug = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-") or "section"
            taken[slug] += 1
            if taken[slug] > 1:
                slug += f"-{taken[slug]}"
            page.headings.append((level, slug, plain))
            anchor = f'<a class="anchor" href="#{slug}" aria-label="Link to this section">#</a>'
            return f'<h{level} id="{slug}">{text}{anchor}</h{level}>\n'

        def link(self, text: str, url: str, title: str | None = None) -> str:
            to = link(url)
            return text if to is None else f'<a href="{html.escape(to)}">{text}</a>'

        def image(self, text: str, url: str, title: str | None = None) -> str:
            return f'<img src="{html.escape(picture(url))}" alt="{html.escape(_plain(text))}">'

        def codespan(self, text: str) -> str:
            code = super().codespan(text)
            to = code_link(html.unescape(text))
            return code if to is None else f'<a href="{html.escape(to)}">{code}</a>'

    class Exporter(HTMLExporter):
        def markdown2html(self, source: str) -> str:
            return MarkdownWithMath(renderer=Renderer(escape=False)).render(source)

    exporter = Exporter(template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True)
    page.html = exporter.from_notebook_node(content)[0]
    page.title = next((text for _, _, text in page.headings), "")
    page.sections = _sections(page)
    return page


def standalone(notebook: Path) -> str:
    """An executed notebook as one HTML file that shows everything without a network.

    Raises:
        ValueError: a formula cannot be converted; the notebook is named.
    """
    try:
        page = body(nbformat.read(notebook, as_version=4), link=lambda url: url if _outside(url) else None)
    except ValueError as error:
        raise ValueError(f"{notebook.name}: {error}") from error
    return frame("page.html.j2", page=page, style=style())


def frame(template: str, **values: Any) -> str:
    """One of the templates in ``assets/``, filled in."""
    return _templates().get_template(template).render(**values)


@cache
def style() -> str:
    """The style sheet, with the colours of code."""
    from pygments.formatters import HtmlFormatter

    colours = HtmlFormatter(style="default").get_style_defs(".highlight")
    return (ASSETS / "book.css").read_text(encoding="utf-8") + "\n" + colours + "\n"


@cache
def _templates() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(ASSETS), undefined=StrictUndefined, autoescape=True, keep_trailing_newline=True
    )


def _outside(url: str) -> bool:
    return re.match(r"(https?:|mailto:|#)", url) is not None


def _still(notebook: Any) -> Any:
    """A copy for a page without a kernel: no live views, a word where a widget would stand, a text for each picture."""
    from fedit_lib.course.run import normalise

    content = nbformat.from_dict(notebook)
    normalise(content)
    section = ""
    for cell in content.cells:
        if cell.cell_type == "markdown":
            found = re.findall(r"^#+ (.*)$", cell.source, re.M)
            section = re.sub(r"[$*`]", "", found[-1]) if found else section
            continue
        cell.source = re.sub(r"\A# NBVAL_CHECK_OUTPUT\n", "", cell.source)  # for nbval, not for readers
        cell.metadata["alt"] = f"Output of a cell in the section “{section}”" if section else "Output of a cell"
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            text = data.get("text/plain", "")
            if set(data) == {"text/plain"} and LIVE.match(text):
                data["text/html"] = (
                    f'<p class="live"><code>{html.escape(text)}</code> is live in JupyterLab. '
                    "Here a picture stands for it.</p>"
                )
    return content


def _plain(markup: str) -> str:
    markup = re.sub(r"<annotation.*?</annotation>", "", markup, flags=re.S)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", markup))).strip()


def _sections(page: Body) -> list[tuple[str, str, str]]:
    """Text of each section, without outputs and without code."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(page.html, "html.parser")
    names = {slug: text for _, slug, text in page.headings}
    found: list[list[Any]] = [["", page.title, []]]
    for block in soup.select(".text_cell_render > *"):
        if block.name in ("h1", "h2", "h3") and block.get("id") in names:
            found.append([block["id"], names[block["id"]], []])
        else:
            found[-1][2].append(block.get_text(" ", strip=True))
    return [(slug, name, " ".join(texts)) for slug, name, texts in found if slug or texts]


def write_all(folder: Path, files: dict[str, str | bytes]) -> None:
    """Write files into a folder, each whole or not at all. What an earlier call wrote there and this one does not, goes.

    ``files.json`` remembers what was written: nothing else in the folder is ever removed.
    """
    from fedit_lib.data.files import atomic_write

    record = folder / "files.json"
    earlier = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else []
    for name, content in files.items():
        atomic_write(folder / name, content)
    for name in set(earlier) - set(files):
        (folder / name).unlink(missing_ok=True)
    atomic_write(record, json.dumps(sorted(files), indent=1) + "\n")
