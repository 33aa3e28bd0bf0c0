"""`docs/references.bib`: every work that the notebooks and the library cite."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

PLAIN = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Work:
    """One entry. authors: "Given Family" each. years: that of `year`, and those of the note or the preprint."""

    key: str
    kind: str
    fields: dict[str, str]

    @property
    def title(self) -> str:
        return self.fields["title"]

    @property
    def authors(self) -> list[str]:
        names = []
        for name in self.fields["author"].split(" and "):
            family, comma, given = name.strip().partition(",")
            names.append(f"{given.strip()} {family}" if comma else family)
        return names

    @property
    def family(self) -> str:
        """Family name of the first author."""
        first = self.fields["author"].split(" and ")[0]
        return first.partition(",")[0].strip()

    @property
    def years(self) -> set[str]:
        return set(re.findall(r"\b(?:19|20)\d\d\b", f"{self.fields['year']} {self.fields.get('note', '')}"))

    @property
    def where(self) -> str:
        """Where it appeared, in words: "NIPS, 2017; arXiv:1706.00409"."""
        place = next(
            (self.fields[f] for f in ("booktitle", "journal", "howpublished") if f in self.fields), ""
        )
        if "volume" in self.fields:
            place += f" {self.fields['volume']}" + (
                f"({self.fields['number']})" if "number" in self.fields else ""
            )
        text = ", ".join(part for part in (place, self.fields["year"]) if part)
        if "eprint" in self.fields:
            text += f"; arXiv:{self.fields['eprint']}"
        return text

    @property
    def address(self) -> str | None:
        if "url" in self.fields:
            return self.fields["url"]
        return f"https://arxiv.org/abs/{self.fields['eprint']}" if "eprint" in self.fields else None

    def cited_in(self, text: str) -> bool:
        """Whether a text cites it: by its title, by its arXiv number, or as "Family ... year" in one breath."""
        if self.fields.get("eprint", "no number") in text or squeeze(self.title) in squeeze(text):
            return True
        years = "|".join(sorted(self.years))
        others = r"(?: et al\.?| & \w+| and \w+|, [A-Z][^;:]{0,60}?)?"
        place = r"[ ,(]*(?:[A-Z][\w/]*[ ,]+){0,3}\(?"
        pattern = rf"\b{re.escape(self.family)}{others}{place}\b({years})\b"
        return re.search(pattern, _one_line(text)) is not None


def read(path: Path) -> list[Work]:
    """The entries of a .bib file, in its order.

    One field a line, in braces: ``title = {...},``. Letters as UTF-8, not as TeX's accents.

    Raises:
        ValueError: an entry without key, author, title or year, or a key that occurs twice; it is named.
    """
    text = path.read_text(encoding="utf-8")
    works: list[Work] = []
    for kind, key, inside in re.findall(r"^@(\w+)\{([^,\s]*),\n(.*?)^\}", text, re.M | re.S):
        fields = dict(re.findall(r"^\s*(\w+)\s*=\s*\{(.*)\},?$", inside, re.M))
        fields = {name: value.replace("{", "").replace("}", "") for name, value in fields.items()}
        missing = [name for name in ("author", "title", "year") if not fields.get(name)]
        if missing or not key:
            raise ValueError(f"{path.name}: {key or 'an entry'} has no {', '.join(missing) or 'key'}")
        if any(work.key == key for work in works):
            raise ValueError(f"{path.name}: the key {key} occurs twice")
        works.append(Work(key, kind.lower(), fields))
    if len(works) != len(re.findall(r"^@", text, re.M)):
        raise ValueError(f"{path.name}: an entry is not closed by a brace in a line of its own")
    return works


@lru_cache(64)  # one text is asked for every work
def squeeze(text: str) -> str:
    """Letters and digits only, in lower case: titles compare whatever their breaks, capitals and points."""
    return PLAIN.sub("", text.lower())


@lru_cache(64)
def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)
