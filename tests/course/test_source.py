"""show_source: what a notebook shows is what the library runs."""

from __future__ import annotations

import math

import pytest

from fedit_lib.course import checks, show_source


def test_plain_text_is_short_and_does_not_change_with_the_code() -> None:
    shown = show_source(checks.expect)
    bundle = shown._repr_mimebundle_()
    assert bundle["text/plain"] == "source of fedit_lib.course.checks.expect" == repr(shown)
    assert shown.code.startswith("def expect(") and shown.code.endswith("\n")
    assert "style=" in bundle["text/html"] and "<style" not in bundle["text/html"], (
        "GitHub drops style sheets"
    )


def test_a_method_and_a_part_of_it() -> None:
    whole = show_source(checks.Exercise.reset)
    assert whole.title == "fedit_lib.course.checks.Exercise.reset"
    assert whole.code.startswith("def reset(self)"), "a method is shown without its indent"
    part = show_source(checks.Exercise.__call__, start="for number", stop="missed = error")
    assert part.code.startswith("for number") and "missed" not in part.code
    assert show_source(checks.Exercise.reset, 1, 2).code == "def reset(self) -> None:\n"


def test_what_cannot_be_shown_is_said() -> None:
    with pytest.raises(ValueError, match="no Python source"):
        show_source(math.sqrt)
    with pytest.raises(ValueError, match="no line contains 'nowhere'"):
        show_source(checks.expect, start="nowhere")
    with pytest.raises(ValueError, match="has lines 1 to"):
        show_source(checks.expect, start=4000)
    with pytest.raises(ValueError, match="no line between"):
        show_source(checks.expect, start=3, stop=2)
