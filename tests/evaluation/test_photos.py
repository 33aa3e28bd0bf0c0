"""Photographs: what needs no true answer is measured, the rest is None, and no judge of drawn faces sits there."""

from __future__ import annotations

import io
import json
import warnings
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from fedit_lib import faces
from fedit_lib.data import FaceSet, procedural
from fedit_lib.evaluation import (
    METRICS,
    DoNothing,
    Exam,
    ExamWarning,
    OracleWarning,
    PhotoExam,
    Scores,
    evaluate,
    leaderboard,
    protocol,
)
from fedit_lib.evaluation.oracle import Oracle, Reading
from fedit_lib.evaluation.protocol import POSITIONS

NAMES = ("Bald", "Black_Hair", "Blond_Hair", "Smiling", "Attractive")  # the last is none of the face world's
UNKNOWABLE = {
    "counterfactual_psnr", "counterfactual_ssim", "region_psnr", "region_psnr_of_doing_nothing", "leakage", "mask_ap",
    "mask_iou",
}  # fmt: skip


@pytest.fixture(autouse=True)
def few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """An FID of a dozen pictures: what it is here is known, however little it would say of real ones."""
    monkeypatch.setattr(protocol, "FID_FROM", 16)


@pytest.fixture(scope="module")
def photos() -> FaceSet:
    """Drawn faces under the name of photographs, whose table has an attribute that no drawing shows."""
    drawn = procedural(40, size=32, seed=4, attributes=NAMES[:-1])
    labels = torch.cat([drawn.labels, drawn.labels[:, 3:]], 1)
    return FaceSet(drawn.images, labels, NAMES, "celeba-test-crop170")


def judge(source: str = "celeba", attributes: tuple[str, ...] = NAMES) -> Oracle:
    torch.manual_seed(0)
    return Oracle(attributes, size=32, width=8, source=source).eval()


def examine(photos: FaceSet, editor=None, n: int | None = 24, **settings) -> Scores:
    settings = {"slider_faces": 6, "progress": False, "oracle": judge(), **settings}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OracleWarning)  # nobody has trained it
        return evaluate(
            editor or DoNothing(NAMES, 32, known=NAMES), questions=PhotoExam(photos, n), **settings
        )


def test_the_exam_is_a_choice_by_seed_with_its_own_labels(photos):
    some, again, other = (PhotoExam(photos, 10, seed) for seed in (0, 0, 1))
    assert torch.equal(some.images, again.images) and not torch.equal(some.images, other.images)
    assert len(PhotoExam(photos)) == len(PhotoExam(photos, 1000)) == 40
    assert (some.source, some.people, some.attributes) == ("celeba", None, NAMES)
    key = {image.numpy().tobytes(): label for image, label in zip(photos.images, photos.labels, strict=True)}
    expected = torch.stack([key[image.numpy().tobytes()] for image in some.images])
    assert torch.equal(some.labels(NAMES), expected)
    assert torch.equal(some.labels(["Smiling", "Bald"]), expected[:, [3, 0]])
    with pytest.raises(ValueError, match="at least one face"):
        PhotoExam(photos[:0])
    with pytest.raises(faces.UnknownAttribute, match="Attractive"):
        some.question("Mustache")


def test_a_target_is_the_flip_and_what_cannot_be_beside_it():
    labels = torch.tensor([[0.0, 1, 0, 1, 0], [1, 0, 0, 0, 1], [0, 0, 1, 1, 1]])
    exam = PhotoExam(FaceSet(torch.zeros(3, 3, 8, 8, dtype=torch.uint8), labels, NAMES, "folder-mine"))
    assert exam.target("Smiling", NAMES).tolist() == [[0, 1, 0, 0, 0], [1, 0, 0, 1, 1], [0, 0, 1, 0, 1]]
    # a second hair colour takes the first one's place, hair grows on a bald head, and a head made bald shows no colour
    assert exam.target("Blond_Hair", NAMES).tolist() == [[0, 0, 1, 1, 0], [0, 0, 1, 0, 1], [0, 0, 0, 1, 1]]
    assert exam.target("Bald", NAMES).tolist() == [[1, 0, 0, 1, 0], [0, 0, 0, 0, 1], [1, 0, 0, 1, 1]]
    assert exam.target("Attractive", NAMES)[:, 4].tolist() == [1, 0, 0]
    assert exam.without("Bald", 5).tolist() == [0, 2]
    half = exam.slider_target(torch.tensor([0, 2]), "Blond_Hair", NAMES, 0.25)
    assert half.tolist() == [[0, 1, 0.25, 1, 0], [0, 0, 0.25, 1, 1]]
    low, high = exam.ends("Bald", torch.tensor([0, 2]))
    assert (len(low), len(high)) == (2, 1)


def test_the_flip_means_the_same_as_in_the_face_world():
    drawn = Exam(40, seed=3, size=32)
    names = ["Bald", "Bangs", "Black_Hair", "Gray_Hair", "Receding_Hairline", "Smiling", "Wearing_Hat"]
    told = PhotoExam(FaceSet(drawn.images, drawn.labels(names), names, "celeba-test"))
    assert torch.equal(told.images, drawn.images)
    # Under a hat or without hair there is what no label tells; and what goes may bring it to light.
    plain = told.labels(["Bald", "Wearing_Hat"]).sum(1) == 0
    for name in names:
        who = (plain & (told.labels([name])[:, 0] == 0)).nonzero()[:, 0]
        assert len(who) > 5
        assert torch.equal(told.target(name, names)[who], drawn.target(name, names)[who]), name
        for position in POSITIONS:
            asked = (exam.slider_target(who, name, names, position) for exam in (told, drawn))
            assert torch.equal(*asked), (name, position)


def test_what_needs_no_truth_is_measured_and_the_rest_is_none(photos, tmp_path):
    scores = examine(photos)
    assert {name for name in METRICS if scores[name] is None} == UNKNOWABLE
    assert set(scores["accuracy"]["per_attribute"]) == set(NAMES)
    assert scores.mean("reconstruction_psnr") == 60 and scores.mean("fid") == pytest.approx(0, abs=1e-3)
    assert scores.mean("slider_rank") == 0
    assert scores["tone"] is None and scores.beats_nothing() == []
    about = scores["about"]
    assert (about["source"], about["set"], about["faces"]) == ("celeba", "celeba-test-crop170", 24)
    own = about["oracle"]["accuracy"]["per_attribute"]
    for name in NAMES:  # who does nothing has the new label where the oracle misreads the old one
        assert scores["accuracy"]["per_attribute"][name] == pytest.approx(1 - own[name], abs=1e-6)
    share = PhotoExam(photos, 24).labels(["Smiling"]).mean().item()
    assert about["oracle"]["always_the_same"]["per_attribute"]["Smiling"] == pytest.approx(
        max(share, 1 - share)
    )
    scores.to_json(tmp_path / "scores.json")
    assert json.loads((tmp_path / "scores.json").read_text())["leakage"] is None
    assert Scores.from_json(tmp_path / "scores.json") == scores
    scores.table()


def test_too_few_photographs_have_no_fid_and_the_table_says_why(photos, small_exam, knowing):
    from rich.console import Console

    def shown(scores: Scores) -> str:
        console = Console(width=100, record=True, file=io.StringIO())
        console.print(scores.table(per_attribute=False))
        return console.export_text()

    note = "FID: from 100 photographs on; of fewer it says nothing"
    few, enough, one = (examine(photos, n=n, slider_faces=0) for n in (15, 16, 1))
    assert few["fid"] is None and few["fid_inception"] is None and note in shown(few)
    assert enough["fid"] is not None and note not in shown(enough)
    assert "DoNothing: 1 photograph of celeba-test-crop170, seed 0" in shown(one)
    assert "DoNothing: 15 photographs of" in shown(few)
    drawn = evaluate(
        DoNothing(["Bald"], 32), questions=small_exam, oracle=knowing, slider_faces=0, progress=False
    )
    assert drawn["fid"] is not None and note not in shown(drawn)
    drawn["about"]["faces"] = 1
    assert (
        "1 held-out person, seed" in shown(drawn) and "1 held-out person, seed" in leaderboard([drawn]).note
    )


class Channels:
    """A judge that sees an attribute in each of two channels: how bright red and green are."""

    attributes, source = ("Pale_Skin", "Smiling"), "folder"
    columns = Oracle.columns

    def __init__(self) -> None:
        self.receipt = {"accuracy": {"mean": 1.0}}
        self.net = SimpleNamespace(num_features=2)

    def to(self, device: object) -> Channels:
        return self

    def read(self, images: Tensor) -> Reading:
        strengths = (images[:, :2].mean((2, 3)) + 1) / 2
        return Reading((strengths > 0.5).float(), strengths, strengths)

    def labels(self, images: Tensor, names: tuple[str, ...]) -> Tensor:
        return self.read(images).labels[:, self.columns(names)]

    def strengths(self, images: Tensor, names: tuple[str, ...]) -> Tensor:
        return self.read(images).strengths[:, self.columns(names)]


@pytest.mark.filterwarnings("ignore:.*nothing below 0")  # these photographs are of one bright colour each
def test_an_editor_that_does_it_right_scores_all_there_is_and_one_that_does_too_much_does_not():
    """Channels of .2 and .8; the editor sets both. Photographs that have it are the end of the slider."""
    labels = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]] * 4)
    pictures = faces.to_uint8(torch.cat([1.2 * labels - 0.6, 0 * labels[:, :1]], 1))[..., None, None].expand(
        -1, -1, 32, 32
    )
    exam = PhotoExam(FaceSet(pictures, labels, Channels.attributes, "folder-grey-test"))

    class Painter(DoNothing):
        entangled = 0.0

        def edit(self, images, labels, target):
            target = target.clone()
            target[:, 1] += self.entangled * (target[:, 0] - labels[:, 0])
            shade = torch.cat([1.2 * target - 0.6, 0 * target[:, :1]], 1)
            return shade[..., None, None].expand_as(images).clamp(-1, 1)

    def scored(editor: DoNothing) -> Scores:
        with warnings.catch_warnings():
            warnings.simplefilter("error", OracleWarning)
            return evaluate(editor, questions=exam, oracle=Channels(), slider_faces=9, progress=False)

    right = scored(Painter(Channels.attributes, 32))
    for metric in ("accuracy", "preservation", "slider_rank", "slider_reach"):
        assert right.mean(metric) == pytest.approx(1, abs=0.01), metric
    assert right.mean("reconstruction_psnr") > 50
    both = Painter(Channels.attributes, 32)
    both.entangled = 1.0
    entangled = scored(both)
    assert entangled.mean("accuracy") == 1 and entangled["preservation"]["per_attribute"]["Pale_Skin"] == 0.5
    nothing = scored(DoNothing(Channels.attributes, 32))
    assert nothing.mean("accuracy") == 0 and nothing.mean("slider_reach") == pytest.approx(0, abs=1e-6)
    assert nothing.mean("fid") < right.mean("fid") + 1e-3 < entangled.mean("fid")


def test_only_a_judge_of_photographs_may_judge_them(photos, small_exam, knowing):
    message = (
        "only seen drawn faces and cannot judge photographs.*fedit train oracle --source celeba --root ROOT"
    )
    for oracle in (None, judge("procedural", NAMES[:-1])):
        with pytest.raises(ValueError, match=message):
            examine(photos, oracle=oracle)
    with pytest.raises(ValueError, match=message):
        examine(photos, oracle_b=judge("procedural", NAMES[:-1]))
    with pytest.raises(ValueError, match="only seen photographs and cannot judge drawn faces"):
        evaluate(DoNothing(["Bald"], 32), questions=small_exam, oracle=judge(), progress=False)
    with pytest.raises(ValueError, match="does not know Attractive; it knows Smiling"):
        examine(photos, oracle=judge(attributes=("Smiling", "Bald", "Black_Hair", "Blond_Hair")))
    scores = examine(photos, oracle_b=judge())
    assert scores["accuracy_b"] == scores["accuracy"]


def test_a_judge_below_what_is_required_is_named_as_one_of_photographs(photos):
    with pytest.warns(
        OracleWarning, match=r"held-out photographs, which is less than 97%.*docs/photographs\.md"
    ):
        evaluate(
            DoNothing(NAMES, 32, known=NAMES),
            questions=PhotoExam(photos, 8),
            oracle=judge(),
            slider_faces=0,
            progress=False,
        )


@pytest.mark.parametrize(
    ("receipt", "message"),
    [
        ({"source": "procedural", "faces": "procedural-train-0"}, "trained on drawn faces"),
        ({"source": "celeba", "faces": "celeba-test-crop170"}, "was trained on celeba-test-crop170: its"),
        (
            {
                "source": "celeba",
                "runs": {"Bald": {"faces": "celeba-test-crop170"}, "Smiling": {"faces": "x"}},
            },
            "was trained on celeba-test-crop170: its",
        ),
    ],
)
def test_an_editor_that_has_met_these_or_none_is_named(photos, receipt, message):
    editor = DoNothing(NAMES, 32, known=NAMES)
    editor.receipt = {"source": "celeba", "faces": "celeba-train-crop170"}
    with warnings.catch_warnings():
        warnings.simplefilter("error", ExamWarning)
        examine(photos, editor, n=4, slider_faces=0)
    editor.receipt = receipt
    with pytest.warns(ExamWarning, match=message):
        examine(photos, editor, n=4, slider_faces=0)


@pytest.mark.parametrize(
    ("learned", "asked", "met"),
    [
        ("folder-mine-train", "folder-mine", True),
        ("folder-mine", "folder-mine-test", True),
        ("folder-mine-train", "folder-mine-train", True),
        ("folder-mine-train", "folder-mine-test", False),
        ("folder-mine-train", "folder-others", False),
        ("celeba-train-crop170", "folder-mine", False),
    ],
)
@pytest.mark.parametrize("who", ["DoNothing", "the oracle"])
def test_all_of_a_folder_holds_what_was_learned_from(photos, learned, asked, met, who):
    asked = FaceSet(photos.images, photos.labels, NAMES, asked)
    editor, oracle = DoNothing(NAMES, 32, known=NAMES), judge("folder")
    (editor if who == "DoNothing" else oracle).receipt = {"source": "folder", "faces": learned}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        examine(asked, editor, n=4, slider_faces=0, oracle=oracle)
    texts = [str(w.message) for w in told if w.category is ExamWarning]
    assert len(texts) == met
    assert not met or (texts[0].startswith(f"{who} was trained on {learned}") and asked.name in texts[0])


def test_an_editor_of_photographs_is_out_of_place_among_drawn_people(small_exam, knowing):
    editor = DoNothing(["Bangs"], 32)
    editor.receipt = {"source": "celeba", "faces": "celeba-train-crop170"}
    with pytest.warns(ExamWarning, match="trained on photographs: its scores on drawn faces"):
        evaluate(
            editor, questions=small_exam, oracle=knowing, oracle_b=knowing, slider_faces=0, progress=False
        )


def test_photographs_and_drawn_people_share_no_leaderboard(photos, small_exam, knowing):
    scores = examine(photos, n=24, slider_faces=0)
    board = leaderboard([scores, Scores(scores)], by="accuracy")
    assert "photographs of celeba-test-crop170" in board.note and board.order == ["DoNothing", "DoNothing'"]
    drawn = evaluate(
        DoNothing(["Bald"], 32), questions=small_exam, oracle=knowing, slider_faces=0, progress=False
    )
    with pytest.raises(ValueError, match=r"24 photographs of celeba-test-crop170.*24 held-out people"):
        leaderboard([scores, drawn])
