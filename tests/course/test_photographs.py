"""From a copy of CelebA, or a folder of photos, to a trained and scored editor: the commands of docs/photographs.md."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
from data_trees import CELEBA, write_celeba, write_photos
from typer.testing import CliRunner

from fedit_lib.cli import app
from fedit_lib.course import editors, runs
from fedit_lib.evaluation import METRICS, OracleWarning, Scores
from fedit_lib.papers import PAPERS

UNKNOWABLE = {
    "counterfactual_psnr", "counterfactual_ssim", "region_psnr", "region_psnr_of_doing_nothing", "leakage", "mask_ap",
    "mask_iou", "fid",  # of so few
}  # fmt: skip


def fedit(*words: object, code: int = 0) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an oracle of four steps is no judge, and says so
        result = CliRunner().invoke(app, [str(w) for w in words])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def celeba(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("celeba_root")
    write_celeba(root, (0,) * 40 + (1,) * 6 + (2,) * 16, correlated=False)
    return root


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("own") / "photos"
    write_photos(root, n=80, attributes=("Smiling", "Eyeglasses", "Male"))
    return root


@pytest.fixture(scope="module")
def judge(celeba: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("judge")
    text = fedit("train", "oracle", "--profile", "smoke", "--device", "cpu", "--steps", 2, "--source", "celeba",
                 "--root", celeba, "--out", out)  # fmt: skip
    assert "40 attributes" in text and "held-out photographs" in text
    return out


@pytest.fixture(scope="module")
def editor(celeba: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("attgan")
    fedit("train", "attgan", "--profile", "smoke", "--device", "cpu", "--source", "celeba", "--root", celeba,
          "--out", out)  # fmt: skip
    return out


def test_celeba_is_checked_cached_and_described(celeba: Path) -> None:
    text = fedit("data", "celeba", "--root", celeba, "--size", 16, "--split", "test")
    assert (
        "celeba-test-crop170: 16 faces of 16x16, 40 attributes" in text and "Smiling" in text and "%" in text
    )
    assert (celeba / "cache" / "celeba-test-16-crop170" / "images.npy").exists()
    for paper in PAPERS.values():  # the cache that is written unasked is the one that a training wants
        assert f"of {paper.PROFILES['laptop'].size}x" in fedit("data", "celeba", "--root", celeba)
    assert "there is no CelebA" in fedit("data", "celeba", "--root", celeba / "nowhere", code=2)


def test_a_folder_is_checked_and_its_report_printed(photos: Path, tmp_path: Path) -> None:
    text = fedit("data", "folder", "--root", photos)
    assert "80 faces of 64x64" in text and "80 images read, 0 skipped" in text
    write_photos(tmp_path / "some")
    (tmp_path / "some" / "p3.png").write_text("not an image")
    text = fedit("data", "folder", "--root", tmp_path / "some")
    assert "5 images read, 1 skipped" in text and "p3.png: does not decode" in text


@pytest.mark.parametrize("name", PAPERS)
def test_every_paper_trains_on_photographs(name: str, celeba: Path, tmp_path: Path) -> None:
    history = runs.train(
        name, profile="smoke", source="celeba", root=celeba, out=tmp_path, steps=1, device="cpu"
    )
    assert history.steps == [1]
    facts = json.loads((tmp_path / "run.json").read_text())
    assert (facts["faces"], facts["number"]) == ("celeba-train-crop170", 40)
    _, game, facts = runs.load_run(tmp_path)
    assert runs._receipt(name, game, facts)["source"] == "celeba"


def test_attributes_that_the_table_lacks_are_all_named(photos: Path, tmp_path: Path) -> None:
    words = [
        "train",
        "attgan",
        "--profile",
        "smoke",
        "--source",
        "folder",
        "--root",
        photos,
        "--out",
        tmp_path,
    ]
    text = fedit(*words, code=2)
    assert "has no attributes 'Bald', 'Bangs'" in text and "'Young'" in text and "'Male'" not in text
    assert (
        "It has Smiling, Eyeglasses, Male" in text and "--attributes Smiling,Eyeglasses (attributes=)" in text
    )
    assert not (tmp_path / "run.json").exists()
    write_photos(tmp_path / "no_glasses", n=8, size=16, attributes=("Smiling", "Male"))
    for name in ("sagan", "aggan"):  # one attribute a run, which this table has not
        words[1], words[7] = name, tmp_path / "no_glasses"
        text = fedit(*words, code=2)
        assert f"{tmp_path / 'no_glasses' / 'attributes.csv'} has no attribute 'Eyeglasses'" in text
        assert "It has Smiling, Male: choose among these, as in --attributes Smiling (attributes=)" in text


def test_an_editor_needs_the_labels_of_all_that_it_edits(photos: Path, judge: Path, editor: Path) -> None:
    words = ["--source", "folder", "--root", photos, "--oracle", judge, "--attributes", "Smiling"]
    text = fedit("evaluate", editor, *words, code=2)
    assert f"{photos / 'attributes.csv'} lacks the columns Bald, Bangs, " in text
    assert (
        f": {editor} edits Bald, Bangs, " in text
        and "also where --attributes asks for fewer. Add the" in text
    )
    assert "Eyeglasses, Male," in text[text.index("edits") :], "what the table has is edited as well"
    text = fedit("evaluate", "nothing", *words[:-2], code=2)  # of nothing one may ask for less
    assert "has no attributes '5_o_Clock_Shadow'" in text and "--attributes Smiling,Eyeglasses" in text


def test_an_oracle_of_photographs_has_a_receipt(judge: Path) -> None:
    receipt = json.loads((judge / "oracle_a.json").read_text())
    assert (receipt["source"], receipt["faces"], receipt["number_of_faces"]) == (
        "celeba",
        "celeba-train-crop170",
        40,
    )
    assert list(receipt["accuracy"]["per_attribute"]) == CELEBA and receipt["people"] == 16
    assert 0 < receipt["accuracy"]["mean"] < 1
    assert "--source celeba --root celeba_root" in receipt["command"] and str(judge.parent) not in str(
        receipt
    )


def test_an_editor_is_scored_on_photographs(celeba: Path, judge: Path, editor: Path, tmp_path: Path) -> None:
    words = ["evaluate", editor, "--source", "celeba", "--root", celeba, "--oracle", judge, "--faces", 12]
    text = fedit(*words, "--slider-faces", 4, "--json", tmp_path / "scores.json", "--device", "cpu")
    assert "12 photographs of celeba-test-crop170" in text and "FID: from 100 photographs on" in text
    scores = Scores.from_json(tmp_path / "scores.json")
    assert set(METRICS) <= set(scores)
    assert {name for name in METRICS if scores[name] is None} == UNKNOWABLE
    assert len(scores["accuracy"]["per_attribute"]) == 13 and 0 <= scores.mean("preservation") <= 1
    assert scores.mean("reconstruction_psnr") > 3 and scores["parameters"] > 0
    assert set(scores["about"]["oracle"]) == {"accuracy", "always_the_same"}
    text = fedit("evaluate", editor, "--source", "celeba", "--root", celeba, code=2)
    assert "fedit train oracle --source celeba" in text
    for name in ("truth", "s2fgan@clean"):
        assert "face world" in fedit(*["evaluate", name, *words[2:]], code=2)
    floor = fedit(
        "evaluate", "nothing", *words[2:], "--attributes", "Smiling,Attractive", "--slider-faces", 0
    )
    assert "DoNothing: 12 photographs" in floor and "Attractive" in floor


def test_a_model_of_photographs_is_not_scored_on_drawn_people_unasked(editor: Path, tmp_path: Path) -> None:
    to = tmp_path / "attgan.safetensors"
    assert "--faces 0" in fedit("export", editor, "--to", to, code=2)
    fedit("export", editor, "--to", to, "--faces", 0)
    receipt = json.loads(to.with_suffix(".json").read_text())
    assert receipt["source"] == "celeba" and "scores" not in receipt


def test_the_same_for_a_folder(photos: Path, tmp_path: Path) -> None:
    words = ["--profile", "smoke", "--device", "cpu", "--steps", 1, "--source", "folder", "--root", photos]
    fedit("train", "oracle", *words, "--out", tmp_path / "judge", "--variant", "b")
    fedit("train", "attgan", *words, "--out", tmp_path / "run", "--attributes", "Smiling,Male")
    asked = {"source": "folder", "root": photos, "oracles": [tmp_path / "judge"], "device": "cpu"}
    with pytest.warns(OracleWarning, match="photographs"):
        scores = editors.score(str(tmp_path / "run"), faces=100, **asked)
    about = scores["about"]
    assert (about["source"], about["set"]) == ("folder", "folder-photos-test") and 2 <= about["faces"] < 20
    assert {name for name in METRICS if scores[name] is None} == UNKNOWABLE
    trained = json.loads((tmp_path / "run" / "run.json").read_text())
    assert trained["faces"] == "folder-photos-train" and trained["number"] > 50
    # another folder, all of it
    write_photos(tmp_path / "other", n=5, attributes=("Smiling", "Male"))
    fedit("evaluate", tmp_path / "run", "--source", "folder", "--root", tmp_path / "other", "--split", "all",
          "--oracle", tmp_path / "judge", "--json", tmp_path / "all.json")  # fmt: skip
    assert Scores.from_json(tmp_path / "all.json")["about"]["faces"] == 5
