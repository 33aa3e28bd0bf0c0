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

    title: of the first heading, plain text. headings: (level, id, text) of all. sections: (id, heading, plain text),
    for the search; the text before the first heading has the id "".
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
    strict: bool = True,
) -> Body:
    """A notebook's cells as HTML; its stored outputs are shown, nothing is executed.

    Args:
        notebook: a notebook node, or Markdown as text. It is not changed.
        link: address as written -> where it leads on this page; None leaves the words without a link.
        code_link: words in `code` -> an address if they name a page, else None.
        picture: address of a picture as written -> on this page.
        strict: a formula that cannot be converted is an error; else it is shown as it was written.

    Raises:
        ValueError: a formula cannot be converted, and ``strict``.
    """
    if isinstance(notebook, str):
        cell = nbformat.v4.new_markdown_cell(notebook, id="text")  # else a random one: no two builds alike
        notebook = nbformat.v4.new_notebook(cells=[cell])
    page = Body("")
    taken: Counter[str] = Counter()

    def heading(text: str, level: int) -> str:
        plain = _plain(text)
        slug = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-") or "section"
        taken[slug] += 1
        if taken[slug] > 1:
            slug += f"-{taken[slug]}"
        page.headings.append((level, slug, plain))
        anchor = f'<a class="anchor" href="#{slug}" aria-label="Link to this section">#</a>'
        return f'<h{level} id="{slug}">{text}{anchor}</h{level}>\n'

    def formula(text: str, display: str) -> str:
        try:
            return mathml(text, display)
        except ValueError:
            if strict:
                raise
            return f"<code>{html.escape(text)}</code>"

    prose: list[str] = []
    page.html = _exporter()(_still(notebook), (heading, link, code_link, picture, prose, formula))
    page.title = next((text for _, _, text in page.headings), "")
    page.sections = _sections(page, prose)
    return page


@cache
def _exporter() -> Callable[[Any, Any], str]:
    """nbconvert's exporter with its own renderer of Markdown. Made once: its templates take long to compile.

    HTMLExporter's own steps that parse the finished page again are left out: they take longer than all the rest.
    """
    from nbconvert import HTMLExporter, TemplateExporter
    from nbconvert.filters import Highlight2HTML
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class Renderer(IPythonRenderer):
        page: Any

        def inline_math(self, body: str) -> str:
            return self.page[5](body, "inline")

        def block_math(self, body: str) -> str:
            return f'<span class="formula" tabindex="0">{self.page[5](body, "block")}</span>'

        def latex_environment(self, name: str, body: str) -> str:
            return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")

        def heading(self, text: str, level: int, **attrs: Any) -> str:
            return self.page[0](text, level)

        def link(self, text: str, url: str, title: str | None = None) -> str:
            to = self.page[1](url)
            return text if to is None else f'<a href="{html.escape(to)}">{text}</a>'

        def codespan(self, text: str) -> str:
            code = super().codespan(text)
            to = self.page[2](html.unescape(text))
            return code if to is None else f'<a href="{html.escape(to)}">{code}</a>'

        def image(self, text: str, url: str, title: str | None = None) -> str:
            return f'<img src="{html.escape(self.page[3](url))}" alt="{html.escape(_plain(text))}">'

    class Exporter(HTMLExporter):
        page: Any

        def markdown2html(self, source: str) -> str:
            renderer = Renderer(escape=False)
            renderer.page = self.page
            made = MarkdownWithMath(renderer=renderer).render(source)
            self.page[4].append(made)
            return made

    exporter = Exporter(template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True)
    exporter.register_filter("highlight_code", Highlight2HTML(pygments_lexer="python", parent=exporter))
    exporter.register_filter("clean_html", lambda text: text)  # the notebooks are the course's own

    def convert(content: Any, page: Any) -> str:
        exporter.page = page
        return TemplateExporter.from_notebook_node(exporter, content, exporter._init_resources({}))[0]

    return convert


def standalone(notebook: Path) -> str:
    """An executed notebook as one HTML file that shows everything without a network."""
    # Not strict: a run of an hour does not end with an error because of one formula in a learner's copy.
    content = nbformat.read(notebook, as_version=4)
    page = body(content, link=lambda url: url if _outside(url) else None, strict=False)
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
        loader=FileSystemLoader(ASSETS),
        undefined=StrictUndefined,
        autoescape=True,
        keep_trailing_newline=True,
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
        cell.metadata["alt"] = (
            f"Output of a cell in the section “{section}”" if section else "Output of a cell"
        )
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


def _sections(page: Body, prose: list[str]) -> list[tuple[str, str, str]]:
    """Text of each section, without outputs and without code."""
    names = {slug: text for _, slug, text in page.headings}
    parts = re.split(r'<h[1-3] id="([^"]+)">.*?</h[1-3]>', "\n".join(prose), flags=re.S)
    before = _plain(parts[0])
    found = [("", page.title, before)] if before else []
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return found + [(slug, names[slug], _plain(text)) for slug, text in pairs]


def write_all(folder: Path, files: dict[str, str | bytes]) -> None:
    """Write files into a folder, each whole or not at all. What an earlier call wrote and this one does not, goes.

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
