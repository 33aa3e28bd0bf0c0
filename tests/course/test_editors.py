"""Editors by name, and the board of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedit_lib import faces, papers
from fedit_lib.course import editors

OWN = """
class One:
    attributes, size = ("Eyeglasses",), 64
    def edit(self, images, labels, target): return images.clone()
    def reconstruct(self, images, labels): return images.clone()
class Two(One):
    attributes = ("Eyeglasses", "Bangs")
class Photo(One):
    attributes = ("Attractive",)
"""


@pytest.fixture
def own(tmp_path: Path) -> str:
    path = tmp_path / "own_editors.py"
    path.write_text(OWN)
    return str(path)


def test_floor_and_ceiling_are_examined_in_what_all_share(own: str, monkeypatch) -> None:
    monkeypatch.setattr(papers, "EDITORS", ())
    board = editors.board(add=[f"{own}:One", f"{own}:Two"], faces=4)
    about = {name: scores["about"]["attributes"] for name, scores in board.scores.items()}
    assert about["nothing"] == about["truth"] == ["Eyeglasses"] == list(board.attributes)
    assert about[f"{own}:Two"] == ["Eyeglasses", "Bangs"]


def test_an_editor_of_photographs_may_edit_what_the_face_world_has_not(own: str) -> None:
    with pytest.raises(faces.UnknownAttribute, match="Attractive"):
        editors.find(f"{own}:Photo")
    assert editors.find(f"{own}:Photo", drawn=False).attributes == ("Attractive",)
