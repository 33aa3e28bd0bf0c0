"""Floor, ceiling, and editors that break the rules."""

from __future__ import annotations

import json
import warnings

import pytest
import torch

from fedit_lib import faces
from fedit_lib.evaluation import METRICS, DoNothing, Exam, OracleWarning, Scores, TrueAnswer, evaluate
from fedit_lib.evaluation.exam import exam, terciles
from fedit_lib.evaluation.metrics import PSNR_CAP
from fedit_lib.evaluation.oracle import Oracle
from fedit_lib.evaluation.protocol import ExamWarning, check_answer

NAMES = ("Bangs", "Eyeglasses", "Smiling", "Black_Hair", "Blond_Hair")  # those that `knowing` has learned


@pytest.fixture(scope="module")
def true_scores(small_exam, knowing) -> Scores:
    editor = TrueAnswer(small_exam.people, NAMES, size=32)
    return evaluate(
        editor, questions=small_exam, oracle=knowing, oracle_b=knowing, slider_faces=10, progress=False
    )


@pytest.fixture(scope="module")
def idle_scores(small_exam, knowing) -> Scores:
    editor = DoNothing(NAMES, size=32)
    return evaluate(
        editor, questions=small_exam, oracle=knowing, oracle_b=knowing, slider_faces=10, progress=False
    )


def test_the_true_answer_is_the_ceiling(true_scores):
    for metric in ("accuracy", "accuracy_b", "preservation", "counterfactual_ssim", "reconstruction_ssim"):
        assert true_scores.mean(metric) == pytest.approx(1.0, abs=1e-4), metric
    for metric in ("counterfactual_psnr", "region_psnr", "reconstruction_psnr"):
        assert true_scores.mean(metric) == PSNR_CAP, metric
    assert true_scores.mean("leakage") == 0
    assert true_scores.mean("fid") == pytest.approx(0, abs=1e-3)
    assert true_scores.mean("slider_reach") == pytest.approx(1, abs=0.2)
    assert true_scores.mean("slider_rank") > 0.9
    assert true_scores.beats_nothing() == list(NAMES)


def test_doing_nothing_is_the_floor(idle_scores):
    assert idle_scores.mean("accuracy") == 0  # the judge knows better
    assert idle_scores.mean("leakage") == 0
    assert idle_scores["region_psnr"] == idle_scores["region_psnr_of_doing_nothing"]
    assert 0 < idle_scores.mean("region_psnr") < 40
    assert idle_scores.mean("reconstruction_psnr") == PSNR_CAP
    assert idle_scores.mean("slider_rank") == 0
    assert idle_scores.mean("slider_reach") == pytest.approx(0)
    assert idle_scores.mean("fid") > 1e-4
    assert idle_scores.beats_nothing() == []


def test_doing_nothing_scores_what_the_oracle_gets_wrong(small_exam):
    oracle = Oracle(size=32, width=8)
    with pytest.warns(OracleWarning, match="fedit train oracle"):
        scores = evaluate(
            DoNothing(NAMES, 32),
            questions=small_exam,
            oracle=oracle,
            oracle_b=oracle,
            slider_faces=2,
            progress=False,
        )
    own = scores["about"]["oracle"]["accuracy"]["per_attribute"]
    assert 0.05 < sum(own.values()) / len(own) < 0.95  # untrained: right and wrong, or this proves nothing
    for name in NAMES:
        assert scores["accuracy"]["per_attribute"][name] == pytest.approx(1 - own[name], abs=1e-6)


def test_preservation_falls_when_another_attribute_moves(small_exam, knowing):
    """An entangled editor: whoever it gives a fringe to, it gives glasses too (and takes both away together)."""

    class Entangled(TrueAnswer):
        def edit(self, images, labels, target):
            target = target.clone()
            moved = target[:, 0] != labels[:, 0]
            target[:, 1] = torch.where(moved, 1 - labels[:, 1], target[:, 1])
            return super().edit(images, labels, target)

    names = ("Bangs", "Eyeglasses")
    both = small_exam.question("Bangs").truth
    flipped = 1 - small_exam.people.labels(["Eyeglasses"])[:, 0]
    knowing.learn(both.with_attribute("Eyeglasses", torch.where(flipped > 0.5, 0.9, 0.1)), 32)
    scores = evaluate(
        Entangled(small_exam.people, names, 32),
        questions=small_exam,
        oracle=knowing,
        slider_faces=0,
        progress=False,
    )
    assert scores["preservation"]["per_attribute"]["Eyeglasses"] == 1
    assert scores["preservation"]["per_attribute"]["Bangs"] == 0
    assert scores["accuracy"]["mean"] == 1  # which accuracy alone would never tell
    assert scores["leakage"]["per_attribute"]["Bangs"] > 0.5
    assert scores["slider_rank"]["mean"] is None


def test_scores_have_the_names_of_the_design_and_survive_json(true_scores, tmp_path):
    assert set(METRICS) <= set(true_scores)
    for name in METRICS:
        value = true_scores[name]
        assert value is None or isinstance(value, int | float) or set(value) == {"mean", "per_attribute"}, (
            name
        )
    assert true_scores["mask_ap"] is None and true_scores["mask_iou"] is None
    assert list(true_scores["accuracy"]["per_attribute"]) == list(NAMES)
    assert true_scores["parameters"] == 0
    assert true_scores["ms_per_edit"] > 0
    path = tmp_path / "scores.json"
    true_scores.to_json(path)
    assert Scores.from_json(path) == true_scores
    assert json.loads(path.read_text())["about"]["faces"] == 24
    assert [p.name for p in tmp_path.iterdir()] == ["scores.json"]


def test_files_that_hold_no_scores_are_named(tmp_path):
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.json").write_text('{"accuracy": 1}')
    with pytest.raises(ValueError, match=r"a\.json is not JSON"):
        Scores.from_json(tmp_path / "a.json")
    with pytest.raises(ValueError, match=r"b\.json holds no scores.*preservation"):
        Scores.from_json(tmp_path / "b.json")


def test_attention_is_compared_with_the_true_region(small_exam, knowing):
    region = small_exam.question("Eyeglasses").region

    class Seeing(DoNothing):
        def attention(self, images, labels, target):
            who = [self.number[i.numpy().tobytes()] for i in faces.to_uint8(images)]
            return region[who][:, None].float()

    editor = Seeing(["Eyeglasses"], 32)
    editor.number = {image.numpy().tobytes(): i for i, image in enumerate(small_exam.images)}
    scores = evaluate(editor, questions=small_exam, oracle=knowing, slider_faces=0, progress=False)
    assert scores.mean("mask_ap") == pytest.approx(1)
    assert scores.mean("mask_iou") == pytest.approx(1)
    assert (
        scores["preservation"] is None or scores["preservation"]["mean"] is None
    )  # there is no other attribute


class Plain:
    """A learner's own editor: nothing inherited, nothing but what is needed."""

    attributes = ("Eyeglasses",)
    size = 32

    def edit(self, images, labels, target):
        return images

    def reconstruct(self, images, labels):
        return images


def examine(editor, small_exam, knowing, **settings):
    return evaluate(editor, questions=small_exam, oracle=knowing, slider_faces=0, progress=False, **settings)


def test_an_editor_needs_to_inherit_nothing(small_exam, knowing):
    scores = examine(Plain(), small_exam, knowing)
    assert scores.name == "Plain"
    assert scores["parameters"] is None


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x: x[:, :1], r"Plain\.edit must return a tensor \(24, 3, 32, 32\).*\(24, 1, 32, 32\)"),
        (lambda x: None, "not a NoneType"),
        (lambda x: faces.to_uint8(x), "to_float"),
        (lambda x: x + 1.5, r"must stay in \[-1, 1\]; it reached"),
        (lambda x: x * float("nan"), "NaN"),
    ],
)
def test_answers_that_are_no_pictures_are_refused(answer, message, small_exam, knowing):
    editor = Plain()
    editor.edit = lambda images, labels, target: answer(images)
    with pytest.raises(ValueError, match=message):
        examine(editor, small_exam, knowing)


def test_answers_that_look_like_0_to_1_are_warned_of(small_exam, knowing):
    editor = Plain()
    editor.edit = lambda images, labels, target: (images + 1) / 2
    with pytest.warns(ExamWarning, match=r"Plain\.edit returned nothing below 0.*2 \* pictures - 1"):
        examine(editor, small_exam, knowing)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ExamWarning)
        examine(Plain(), small_exam, knowing)


@pytest.mark.parametrize(
    ("mask", "message"), [(torch.ones(24, 32, 32), r"\(24, 1, 32, 32\)"), (None, "0, 1")]
)
def test_attention_of_the_wrong_shape_or_range_is_refused(mask, message, small_exam, knowing):
    editor = Plain()
    editor.attention = lambda *_: torch.full((24, 1, 32, 32), 2.0) if mask is None else mask
    with pytest.raises(ValueError, match=message):
        examine(editor, small_exam, knowing)


def test_unknown_and_unedited_attributes_are_named(small_exam, knowing):
    with pytest.raises(faces.UnknownAttribute, match="Eyeglasses"):
        examine(Plain(), small_exam, knowing, attributes=["Eyeglases"])
    with pytest.raises(faces.UnknownAttribute, match="Plain does not edit 'Smiling'; it edits Eyeglasses"):
        examine(Plain(), small_exam, knowing, attributes=["Smiling"])
    editor = Plain()
    editor.attributes = "Eyeglasses"
    with pytest.raises(ValueError, match="must list the names"):
        examine(editor, small_exam, knowing)
    with pytest.raises(ValueError, match="no method edit"):
        examine(object(), small_exam, knowing)
    with pytest.raises(
        ValueError, match=r"Plain is a class: give an instance, not the class, such as Plain\("
    ):
        examine(Plain, small_exam, knowing)
    with pytest.raises(ValueError, match="64 pixels"):
        examine(DoNothing(["Bangs"], 32), Exam(4, size=64), knowing)


def test_the_true_editor_knows_its_own_people_only(small_exam):
    editor = TrueAnswer(small_exam.people, NAMES, 32)
    strangers = faces.render(faces.sample(2, seed=9), size=32)
    with pytest.raises(ValueError, match="does not know the person in picture 0"):
        editor.reconstruct(strangers, torch.zeros(2, len(NAMES)))


def test_exams_ask_the_test_split_and_are_kept():
    first = exam(8, seed=1, size=32)
    assert exam(8, seed=1, size=32) is first
    expected = faces.sample(8, seed=faces.SEEDS["test"].start + 1, correlated=False)
    assert torch.equal(first.people.attributes, expected.attributes)
    question = first.question("Bangs")
    assert torch.equal(question.wanted, 1 - first.people.labels(["Bangs"])[:, 0])
    assert torch.equal(question.truth.labels(["Bangs"])[:, 0], question.wanted)
    changed = (question.images != first.images).any(1)
    assert changed.flatten(1).any(1).all()
    assert not (changed & ~question.region).any()
    with pytest.raises(ValueError, match="outside the test split"):
        exam(8, seed=-1)
    with pytest.raises(ValueError, match="at least one face"):
        exam(0)


def test_terciles_share_out_everyone_by_skin_tone(small_exam):
    parts = terciles(small_exam.people)
    assert sorted(torch.cat(list(parts.values())).tolist()) == list(range(24))
    tone = small_exam.people.tone
    assert tone[parts["dark"]].max() <= tone[parts["middle"]].min() <= tone[parts["light"]].min()


def test_skin_tones_are_scored_apart(true_scores, idle_scores):
    assert set(true_scores["tone"]["accuracy"]) == {"dark", "middle", "light"}
    assert set(true_scores["tone"]["accuracy"].values()) == {1.0}
    assert idle_scores["tone"]["region_psnr_of_doing_nothing"] == idle_scores["tone"]["region_psnr"]
    thirds = idle_scores["tone"]["region_psnr"].values()
    assert sum(thirds) / 3 == pytest.approx(idle_scores.mean("region_psnr"), abs=1.0)


def test_a_good_oracle_is_not_warned_of(small_exam, knowing):
    with warnings.catch_warnings():
        warnings.simplefilter("error", OracleWarning)
        examine(Plain(), small_exam, knowing)


@pytest.mark.parametrize(
    "damage",
    [
        {"about": 3},
        {"about": {"editor": "x"}},
        {"accuracy": "high"},
        {"accuracy": {"mean": 1.0}},
        {"leakage": [1]},
        {"accuracy": {"mean": "high", "per_attribute": {}}},
        {"accuracy": {"mean": 1.0, "per_attribute": {"Smiling": "high"}}},
        {"accuracy": {"mean": 1.0, "per_attribute": {"Smiling": float("nan")}}},
        {"fid": float("inf")},
        {"parameters": True},
        {"about": {"editor": "x", "attributes": ["Smiling"], "faces": 1, "seed": 0, "size": float("nan")}},
    ],
)
def test_damaged_scores_are_named(tmp_path, damage):
    about = {"editor": "x", "attributes": ["Smiling"], "faces": 1, "seed": 0, "size": 64}
    whole = dict.fromkeys(METRICS) | {"about": about}
    path = tmp_path / "c.json"
    path.write_text(json.dumps(whole))
    Scores.from_json(path).table()
    path.write_text(json.dumps(whole | damage))
    with pytest.raises(ValueError, match=r"c\.json (holds no scores|is damaged)"):
        Scores.from_json(path)


def test_infinity_in_digits_is_named(true_scores, tmp_path):
    path = tmp_path / "d.json"
    path.write_text(json.dumps(true_scores | {"fid": 7}).replace('"fid": 7', '"fid": 1e999'))
    with pytest.raises(ValueError, match=r"d\.json is damaged: its 'fid'"):
        Scores.from_json(path)


class Remembers(Plain):
    """Changes nothing, and keeps what it is asked."""

    attributes = ("Eyeglasses", "Smiling")

    def __init__(self, spoils: bool) -> None:
        self.spoils, self.asked = spoils, []

    def edit(self, images, labels, target=None):
        given = [tensor for tensor in (images, labels, target) if tensor is not None]
        self.asked += [tensor.clone() for tensor in given]
        answer = images.clone()
        if self.spoils:
            for tensor in given:
                tensor.mul_(0.5)
        return answer

    reconstruct = edit

    def attention(self, images, labels, target):
        return self.edit(images, labels, target)[:, :1].abs()

    def sample(self, labels):
        return self.edit(torch.zeros(len(labels), 3, 32, 32), labels)


def test_an_editor_may_work_in_place(small_exam, knowing):
    tidy, spoiling = Remembers(False), Remembers(True)
    scores = [
        evaluate(e, questions=small_exam, oracle=knowing, slider_faces=5, progress=False)
        for e in (tidy, spoiling)
    ]
    assert len(tidy.asked) == len(spoiling.asked) > 100
    assert all(map(torch.equal, tidy.asked, spoiling.asked))
    for metric in set(METRICS) - {"ms_per_edit"}:
        assert scores[0][metric] == scores[1][metric], metric
    assert scores[1].mean("preservation") == 1


def test_a_slider_is_asked_at_five_even_places(small_exam, knowing):
    editor = Remembers(False)
    evaluate(
        editor, questions=small_exam, oracle=knowing, attributes=["Smiling"], slider_faces=5, progress=False
    )
    moved = [target[:, 1] for target in editor.asked if target.shape == (5, 2)]
    labels, targets = moved[0::2], moved[1::2]  # of one edit: pictures, labels, target
    assert [float(t.mean()) for t in targets[:5]] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert all(not label.any() for label in labels[:5])  # on those who lack it


def test_an_empty_choice_and_an_editor_without_a_size(small_exam, knowing):
    with pytest.raises(ValueError, match="attributes is empty"):
        examine(Plain(), small_exam, knowing, attributes=[])

    class Sizeless:
        attributes, edit, reconstruct = Plain.attributes, Plain.edit, Plain.reconstruct

    with pytest.raises(ValueError, match=r"the editor takes 64$"):
        examine(Sizeless(), small_exam, knowing)


def test_what_rounding_puts_beyond_white_is_white():
    images = torch.zeros(1, 3, 4, 4)
    images[..., 0], images[..., 1] = 1.005, -1.005
    answer = check_answer(images, images, "An editor")
    assert answer.max() == 1 and answer.min() == -1 and torch.equal(answer[..., 2:], images[..., 2:])


def test_of_two_ways_to_a_target_the_true_answer_is_the_shorter():
    """A hat comes off and shows the fringe under it; a fringe asked for takes the hat off. One target, one face."""
    crowd = faces.sample(300, seed=faces.SEEDS["test"].start, correlated=False)
    ways = [
        crowd.with_attribute("Wearing_Hat", faces.TYPICAL[0]),
        crowd.with_attribute("Bangs", faces.TYPICAL[1]),
    ]
    touched = [(way.attributes != crowd.attributes).sum(1) for way in ways]
    both = (ways[0].labels() == ways[1].labels()).all(1) & (touched[0] < touched[1])
    both &= (crowd.labels(["Wearing_Hat", "Bangs"]) == torch.tensor([1.0, 0.0])).all(1)
    who = both.nonzero()[:4, 0]
    assert len(who) == 4
    editor = TrueAnswer(crowd, size=32)
    edited = editor.edit(faces.render(crowd[who], size=32), crowd[who].labels(), ways[0][who].labels())
    assert torch.equal(edited, faces.render(ways[0][who], size=32))
    assert not torch.equal(edited, faces.render(ways[1][who], size=32))


def test_what_an_editor_says_of_itself_is_checked(small_exam, knowing):
    editor = Plain()
    for name, value, message in (
        ("size", "big", r"Plain\.size is 'big'.*whole number"),
        ("device", "nix", r"Plain\.device is 'nix'.*cuda"),
        ("parameters_count", lambda: "many", r"Plain\.parameters_count\(\).*not 'many'"),
    ):
        setattr(editor, name, value)
        with pytest.raises(ValueError, match=message):
            examine(editor, small_exam, knowing)
        delattr(editor, name)
    editor.receipt = {"seconds": float("nan")}
    scores = examine(editor, small_exam, knowing)
    assert scores["training_seconds"] is None
    scores.to_json()


def test_doing_nothing_checks_what_it_is_given():
    editor, x, labels = DoNothing(["Eyeglasses"], 32), torch.zeros(2, 3, 32, 32), torch.zeros(2, 1)
    for given, message in (
        ((torch.zeros(2, 3, 64, 64), labels, labels), "32x32 is needed"),
        ((x, labels[:1], labels), r"labels must have shape \(2, 1\)"),
        ((x, labels, labels + 3), "target strength 3"),
    ):
        with pytest.raises(ValueError, match=message):
            editor.edit(*given)
