"""The teacher's kit and the glossary: complete, and true to the notebooks that they name."""

from __future__ import annotations

import csv
import itertools
import json
import re
import statistics
from functools import cache
from pathlib import Path

import nbformat
import pytest

from fedit_lib.course import exercises
from fedit_lib.course.checks import EXERCISES, all_exercises
from fedit_lib.course.run import find_notebooks

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = {f"{p.parent.name}/{p.stem[:2]}": p for p in find_notebooks(ROOT)}
KIT = (ROOT / "TEACHING.md").read_text(encoding="utf-8")


def numbered(name: str) -> dict[int, str]:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    items = re.findall(r"^(\d+)\. (.*?)(?=^\d+\. |^## |\Z)", text, re.M | re.S)
    assert len({n for n, _ in items}) == len(items), "a number occurs twice"
    return {int(number): item.strip() for number, item in items}


def sections(name: str) -> list[tuple[str, list[int]]]:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    return [
        (part.splitlines()[0], [int(n) for n in re.findall(r"^(\d+)\. ", part, re.M)])
        for part in re.split(r"^## ", text, flags=re.M)[1:]
    ]


def test_every_question_has_its_answer_and_the_other_way_round() -> None:
    questions, answers = numbered("question_bank.md"), numbered("question_bank_answers.md")
    assert list(questions) == list(answers) == list(range(1, len(questions) + 1)) and len(questions) >= 30
    assert all(len(text) > 10 for text in [*questions.values(), *answers.values()])
    assert sections("question_bank.md") == sections("question_bank_answers.md")


def test_the_numbers_of_the_answers_are_right() -> None:
    from math import exp, log10

    answers = numbered("question_bank_answers.md")
    sigma = 1 / (1 + exp(6))
    assert f"{sigma:.4f}" in answers[4] and f"{1 - sigma:.1f}" in answers[4]
    assert round(10 * log10(255**2 / 65.025)) == 30 and "= 30$ dB" in answers[7]
    assert f"{125_000 / 500_000 * 10:.1f} \\cdot 10^{{-5}}" in answers[19]
    assert f"{10 / 13:.2f}" in answers[22] and f"{5 / 15:.2f}" in answers[31]
    assert f"{(1 + 2 / 3) / 2:.2f}" in answers[32] and str(2 * 64 * 63) in answers[35]
    deviation = statistics.stdev([1] * 7 + [-1] + [0] * 52)
    error, strangers = deviation / 60**0.5, ((0.9 * 0.1 + 0.8 * 0.2) / 60) ** 0.5
    for number in (
        f"{deviation:.3f}",
        f"{error:.3f}",
        f"{0.1 / error:.1f} errors",
        f"{0.1 / strangers:.1f} errors",
    ):
        assert number in answers[44]
    assert f"= {-0.2 * (45 - 15) / 60:.1f}$" in answers[46] and f"{1 - 0.977**20:.2f}" in answers[48]


def test_the_boards_questions_have_the_numbers_of_the_receipts_and_of_the_gallery() -> None:
    questions, answers = numbered("question_bank.md"), numbered("question_bank_answers.md")
    scores = {
        name: json.loads((ROOT / "fedit_lib" / "weights" / f"{name}.json").read_text())["scores"]
        for name in ("attgan", "aggan")
    }

    def glasses(name: str, metric: str) -> float:
        return scores[name][metric]["per_attribute"]["Eyeglasses"]

    inside, nothing = (glasses("attgan", m) for m in ("region_psnr", "region_psnr_of_doing_nothing"))
    assert f"{glasses('attgan', 'counterfactual_psnr'):.1f} dB" in questions[41]
    assert f"{inside:.1f} against" in questions[41] and f"{nothing:.1f} dB" in questions[41]
    assert f"{inside - nothing:.1f} dB nearer" in answers[41]
    assert f"{glasses('attgan', 'leakage'):.2f}" in answers[41]
    assert f"{scores['attgan']['fid']:.1f}" in questions[42]
    tone = scores["aggan"]["tone"]
    for third in ("dark", "light"):
        own, floor = (tone[m][third] for m in ("region_psnr", "region_psnr_of_doing_nothing"))
        assert f"{own:.1f} dB" in questions[43] and f"{own - floor:.1f}" in questions[43]
        assert f"{floor:.1f}" in answers[43]
    assert f"leakage {glasses('aggan', 'leakage'):.2f}" in questions[45]
    assert f"{glasses('aggan', 'preservation'):.3f}" in questions[45]
    with (ROOT / "notebooks" / "7_compare" / "assets" / "failures.csv").open(newline="") as file:
        last = {(r["failure"], r["run"], r["measure"]): float(r["value"]) for r in csv.DictReader(file)}
    for failure, measure, digits in (
        ("identity", "accuracy", 2), ("latent", "reconstruction", 1), ("nothing", "reconstruction", 1),
        ("entanglement", "accuracy", 2), ("entanglement", "reconstruction", 1),
    ):  # fmt: skip
        fails, works = (last[failure, run, measure] for run in ("fails", "works"))
        assert re.search(f"{fails:.{digits}f}( dB)? (against|and) {works:.{digits}f}", answers[47]), failure


@cache
def minutes(key: str) -> int:
    """Minutes to read, as a notebook's head says them."""
    head = nbformat.read(NOTEBOOKS[key], as_version=4).cells[0].source
    return int(re.search(r"(\d+)\s+minutes\s+to\s+read", head)[1])


@cache
def labels(series: str) -> dict[int, tuple[str, int]]:
    (path,) = (ROOT / "solutions").glob(f"{series}/*.ipynb")
    parts = exercises._parts(nbformat.read(path, as_version=4).cells)[1]
    found = {number: exercises.LABEL.search(cells[0].source) for number, cells in parts.items()}
    return {number: (m[1], int(m[2])) for number, m in found.items()}


def sessions() -> list[list[str]]:
    part = KIT.partition("## The sessions")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in part.splitlines()
        if line.startswith("|")
    ]
    return rows[2:]


def assigned(cell: str) -> list[tuple[str, int]]:
    return [
        (series, int(number))
        for series, numbers in re.findall(r"`(\d_\w+)` ([\d, ]+)", cell)
        for number in re.findall(r"\d+", numbers)
    ]


def test_the_sessions_cover_every_notebook_once_and_their_minutes_are_those_of_the_heads() -> None:
    rows = sessions()
    assert [int(row[0]) for row in rows] == list(range(1, len(rows) + 1)) and 10 <= len(rows) <= 14
    read = [key for row in rows for key in re.findall(r"`(\d_\w+/\d\d)`", row[2])]
    assert sorted(read) == sorted(NOTEBOOKS)
    for row in rows:
        assert int(row[3]) == sum(minutes(key) for key in re.findall(r"`(\d_\w+/\d\d)`", row[2])), row[0]


def test_the_sums_under_the_sessions_are_right() -> None:
    rows = sessions()

    def hours(total: float) -> str:
        return f"{int(total // 60)} hours {int(total % 60)} minutes"

    reading, exercise = (sum(int(row[column]) for row in rows) for column in (3, 5))
    said = f"{hours(reading)} of reading and {hours(exercise)} of exercises, beside {hours(90 * len(rows))} in class"
    assert said in " ".join(KIT.split())


def test_the_exercises_of_the_sessions_exist_and_take_as_long_as_is_said() -> None:
    rows = sessions()
    every = [exercise for row in rows for exercise in assigned(row[4])]
    assert len(set(every)) == len(every) >= 24, "no exercise is set twice"
    for row in rows:
        own = [labels(series)[number] for series, number in assigned(row[4])]
        assert int(row[5]) == sum(time for _, time in own), row[0]


def test_mistakes_that_the_kit_names_are_planned_ones() -> None:
    list(all_exercises())
    named = re.findall(r"`([a-z0-9]+)\.(\w+)`: `(\w+)`", KIT)
    assert len(named) >= 14
    rows = [
        line[:1] == "|" for line in KIT.partition("## Where they stall")[2].partition("\n## ")[0].splitlines()
    ]
    assert sum(now and not before for before, now in itertools.pairwise(rows)) == 1, "one table"
    for series, exercise, hint in named:
        assert hint in EXERCISES[f"{series}.{exercise}"].hints, f"{series}.{exercise} has no hint {hint}"


def test_what_the_kit_points_to_is_there() -> None:
    links = [url for url in re.findall(r"\]\(([^)#]+)\)", KIT) if "://" not in url]
    assert links and all((ROOT / url).exists() for url in links)
    headings = {
        re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in re.findall(r"^## (.+)", KIT, re.M)
    }
    places = re.findall(r"\]\(#([^)]+)\)", KIT)
    assert places and set(places) <= headings
    from typer.main import get_command

    from fedit_lib.cli import app

    commands = get_command(app).commands
    for group, command in re.findall(r"^fedit (\w+) (\w+)", KIT, re.M):
        assert command in commands[group].commands


GLOSSARY = re.findall(
    r"^\*\*(.+?)\.\*\* (.+) \[(.+?)\]\((.+?)\)$",
    (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"),
    re.M,
)


def test_the_glossary_is_in_order_and_short() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert len(GLOSSARY) == text.count("\n**") >= 40, "each entry: **Term.** sentences [series/number](link)"
    terms = [term.lower() for term, *_ in GLOSSARY]
    assert terms == sorted(terms) and len(set(terms)) == len(terms)
    for term, words, *_ in GLOSSARY:
        assert 1 <= len(re.findall(r"[.?](?:\s|$)", words)) <= 3 and len(words) < 260, term


@pytest.mark.parametrize(
    ("term", "key", "url"), [(t, k, u) for t, _, k, u in GLOSSARY], ids=lambda v: str(v)[:30]
)
def test_a_term_is_taught_in_the_notebook_that_it_names(term: str, key: str, url: str) -> None:
    path = (ROOT / "docs" / url).resolve()
    assert path == NOTEBOOKS[key].resolve()
    text = " ".join(cell.source for cell in nbformat.read(path, as_version=4).cells).lower()
    words = [word.lower() for word in re.findall(r"\w{2,}", term)]
    assert any(word[:6] in text for word in words)
