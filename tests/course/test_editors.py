"""Editors by name, and the board of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fedit_lib import faces, papers
from fedit_lib.course import editors
from fedit_lib.evaluation import ExamWarning
from fedit_lib.training import WeightsError, save_weights

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


def test_a_wrapper_does_not_score_by_the_receipt_of_what_it_wraps(own: str, monkeypatch) -> None:
    monkeypatch.setattr(papers, "EDITORS", ())
    with open(own, "a") as file:
        file.write(
            "class Wrapped(One):\n    receipt = {'scores': {'about': {'faces': 4, 'seed': 0}, 'fid': 1.0}}\n"
        )
    board = editors.board(add=[f"{own}:Wrapped"], faces=4)
    assert board.scores[f"{own}:Wrapped"]["accuracy"] is not None, "it was examined"
    monkeypatch.setattr(editors, "_scores_of_receipt", lambda editor, *exam: {"of": type(editor).__name__})
    monkeypatch.setattr(papers, "EDITORS", ("shipped",))
    found = editors.find
    monkeypatch.setattr(
        editors, "find", lambda name, **how: found("nothing" if "shipped" in name else name, **how)
    )
    monkeypatch.setattr(
        "fedit_lib.evaluation.evaluate", lambda editor, **how: {"examined": type(editor).__name__}
    )
    monkeypatch.setattr("fedit_lib.evaluation.leaderboard", lambda entries, by: entries)
    entries = editors.board(add=[f"{own}:Wrapped", "shipped", "shipped@clean"], faces=4)
    assert {name for name, scores in entries.items() if "of" in scores} == {"shipped", "shipped@clean"}


def test_what_the_board_cannot_do_is_said_before_anyone_is_examined(monkeypatch) -> None:
    monkeypatch.setattr("fedit_lib.evaluation.evaluate", lambda *a, **k: pytest.fail("examined"))
    with pytest.raises(KeyError, match="no metric 'typo'"):
        editors.board(by="typo", faces=4)
    with pytest.raises(ValueError, match=r"x\.foo"):
        editors.board(plot=Path("x.foo"), faces=4)


@pytest.mark.parametrize(
    ("receipt", "message"),
    [({"paper": ["x"]}, r"calls it \['x'\], which is none of icgan"), ({"model": "oracle_a"}, "'oracle_a'")],
)
def test_a_weight_file_that_is_no_editors_is_named(tmp_path: Path, receipt: dict, message: str) -> None:
    path = tmp_path / "own.safetensors"
    save_weights(path, {"net": torch.nn.Linear(1, 1)}, receipt)
    with pytest.raises(WeightsError, match=rf"own\.safetensors holds no editor: its receipt .*{message}"):
        editors.find(str(path))


def test_the_try_before_an_exam_warns_of_nothing_twice(own: str) -> None:
    with open(own, "a") as file:
        file.write(
            "class Foreign(One):\n    receipt = {'source': 'celeba', 'faces': 'celeba-train-crop170'}\n"
        )
    with pytest.warns(ExamWarning, match="trained on photographs") as seen:
        editors.score(f"{own}:Foreign", faces=4)
    assert sum(issubclass(warning.category, ExamWarning) for warning in seen) == 1
