"""The leaderboard orders, averages over what is shared, and refuses to compare what cannot be compared."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from fedit_lib.evaluation import EXTRA, METRICS, Scores, leaderboard


def made(name: str, accuracy: dict[str, float], psnr: float = 20.0, seed: int = 0, **others) -> Scores:
    scores = Scores({metric: None for metric in (*METRICS, *EXTRA)})
    scores["accuracy"] = {"mean": sum(accuracy.values()) / len(accuracy), "per_attribute": accuracy}
    for metric, value in (("region_psnr", psnr), ("region_psnr_of_doing_nothing", 15.0)):
        scores[metric] = {"mean": value, "per_attribute": dict.fromkeys(accuracy, value)}
    scores["about"] = {"editor": name, "attributes": list(accuracy), "faces": 10, "seed": seed, "size": 64}
    scores.update(others)
    return scores


@pytest.fixture
def pair() -> list[Scores]:
    return [
        made("Weak", {"Bangs": 0.5, "Smiling": 0.7}, psnr=18.0, fid=9.0),
        made("Strong", {"Bangs": 0.6, "Male": 0.0}, psnr=25.0, fid=3.0),
    ]


def test_best_first_by_any_metric(pair):
    assert leaderboard(pair).order == ["Strong", "Weak"]
    assert leaderboard(pair, by="fid").order == ["Strong", "Weak"]  # less is better
    assert leaderboard(pair, by="accuracy", common=False).order == ["Weak", "Strong"]
    assert leaderboard(pair, by="mask_ap").order == ["Weak", "Strong"]  # none has it: as given
    with pytest.raises(KeyError, match="region_psnr"):
        leaderboard(pair, by="beauty")


def test_means_are_over_shared_attributes(pair):
    board = leaderboard(pair, by="accuracy")
    assert board.attributes == ("Bangs",)
    assert board.value("Weak", "accuracy") == 0.5
    assert board.order == ["Strong", "Weak"]
    assert leaderboard(pair, common=False).value("Weak", "accuracy") == pytest.approx(0.6)


def test_other_people_cannot_be_compared(pair):
    with pytest.raises(ValueError, match=r"different people.*seed 3"):
        leaderboard([*pair, made("Elsewhere", {"Bangs": 1.0}, seed=3)])
    with pytest.raises(ValueError, match="at least one"):
        leaderboard([])


def test_table_json_and_plot(pair, tmp_path):
    board = leaderboard({"first": pair[0], "second": pair[1]})
    text = io.StringIO()
    Console(file=text, width=80).print(board.table())  # an ordinary terminal: nothing may be cut short
    lines = text.getvalue().splitlines()
    assert next(line.split()[1:3] for line in lines if "measure" in line) == ["second", "first"]
    assert "…" not in text.getvalue()
    assert "mask" not in text.getvalue()  # nobody has one
    data = json.loads(board.to_json(tmp_path / "board.json"))
    assert data == json.loads((tmp_path / "board.json").read_text())
    assert [row["name"] for row in data["editors"]] == ["second", "first"]
    assert data["editors"][0]["mask_ap"] is None
    figure = board.plot(tmp_path / "board.png")
    assert (tmp_path / "board.png").read_bytes().startswith(b"\x89PNG")
    assert len([a for a in figure.axes if a.get_visible()]) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["board.json", "board.png"]
    with pytest.raises(KeyError, match="no metric"):
        board.plot(metrics=["beauty"])


def test_scores_from_files_and_two_of_one_name(pair, tmp_path):
    pair[0].to_json(tmp_path / "weak.json")
    board = leaderboard([tmp_path / "weak.json", pair[0]])
    assert sorted(board.order) == ["Weak", "Weak'"]
    assert (
        leaderboard(tmp_path / "weak.json").order
        == leaderboard(str(tmp_path / "weak.json")).order
        == ["Weak"]
    )
    assert leaderboard(pair[1]).order == ["Strong"]
    with pytest.raises(FileNotFoundError, match=r"no file nix\.json: give scores, or .* --json FILE"):
        leaderboard(["nix.json"])


def test_a_board_of_many_editors_fits_a_terminal():
    many = [
        made(f"S2FGAN version{i}", {"Mouth_Slightly_Open": i / 9, "Smiling": 0.75}, psnr=10.0 + i)
        for i in range(9)
    ]
    text = io.StringIO()
    Console(file=text, width=80).print(leaderboard(many).table(width=80))
    assert "…" not in text.getvalue() and all(f"version{i}" in text.getvalue() for i in range(9))
    assert text.getvalue().count("Leaderboard by region_psnr") >= 2 and text.getvalue().count("held-out") == 1


def test_somebodys_names_are_shown_as_they_are():
    """Rich would take [v2] for a style, [/b] for an error, and :smile: for a picture."""
    name, attribute, text = "mine [v2] :smile: [/b]", "Hat [red]", io.StringIO()
    scores = made(name, {attribute: 0.5, "Bangs": 0.1}, psnr=18.0)
    scores["about"] |= {"source": "folder", "set": "folder-[old] photos"}
    console = Console(file=text, width=200)
    console.print(scores.table())
    console.print(leaderboard({name: scores}).table(width=200))
    shown = " ".join(text.getvalue().split())
    assert f"{name}: " in shown and "photographs of folder-[old] photos, seed" in shown
    assert attribute in shown and shown.count("photographs of folder-[old]") == 2
    assert all(shown.count(word) == 2 for word in ("[v2]", ":smile:", "[/b]"))  # a title, and a heading


def test_a_table_of_many_measures_fits_a_terminal():
    of = {"Mouth_Slightly_Open": 0.25, "Smiling": 0.75}
    filled = {
        m: {"mean": 0.5, "per_attribute": of}
        for m in METRICS
        if m not in ("parameters", "ms_per_edit", "fid")
    }
    text = io.StringIO()
    Console(file=text, width=80).print(Scores({**made("Wide", of), **filled}).table())
    assert "…" not in text.getvalue() and text.getvalue().count("Mouth_Slightly_Open") >= 2
    assert max(map(len, text.getvalue().splitlines())) <= 80


def test_a_score_prints_itself(pair):
    text = io.StringIO()
    Console(file=text, width=200).print(pair[0].table())
    assert "0.600" in text.getvalue() and "Smiling" in text.getvalue()
    assert (
        repr(pair[0])
        == "Scores(Weak, accuracy=0.600, preservation=-, region_psnr=18.0, reconstruction_psnr=-)"
    )
    with pytest.raises(KeyError, match="no metric"):
        pair[0].mean("beauty")


def test_the_note_says_what_is_not_of_the_shared_attributes(pair):
    pair[0]["about"]["faces"] = pair[1]["about"]["faces"] = 1000
    told = leaderboard(pair).note
    assert told.startswith("1000 held-out people, seed 0; FID over each editor's own")
    assert told.endswith("of Bangs, the one attribute that all share")
    assert max(map(len, told.replace("over 1 ", "over 13 ").splitlines())) <= 80
    assert "FID" not in leaderboard(pair, common=False).note
    assert "FID" not in leaderboard([pair[0], pair[0]]).note  # what all share is all they have
    assert "FID" not in leaderboard([made("A", {"Bangs": 1.0}), made("B", {"Bangs": 1.0, "Male": 1.0})]).note


def test_what_cannot_be_drawn_is_named(pair, tmp_path):
    with pytest.raises(ValueError, match=r"board\.foo: end it in \.png"):
        leaderboard(pair).plot(tmp_path / "board.foo")


@pytest.mark.parametrize(
    "metric", ["latent_probe", "sample_accuracy", "fid_inception", "counterfactual_ssim"]
)
def test_the_board_shows_what_it_is_sorted_by(pair, metric):
    pair[0][metric], pair[1][metric] = 0.25, 0.5
    board = leaderboard(pair, by=metric)
    assert board.columns.count(metric) == 1
    assert {row["name"]: row[metric] for row in board.to_dict()["editors"]} == {"Weak": 0.25, "Strong": 0.5}
    assert metric not in leaderboard(pair).columns


def test_doing_nothing_is_drawn_for_each_editor_where_it_differs(pair):
    def marks(board):
        (axis,) = (a for a in board.plot(metrics=["region_psnr"]).axes if a.get_visible())
        assert axis.get_legend().get_texts()[0].get_text() == "doing nothing"
        whole = [line.get_xdata()[0] for line in axis.lines]
        return whole, [segment.mean(0).tolist() for c in axis.collections for segment in c.get_segments()]

    assert marks(leaderboard(pair)) == ([15.0], [])
    pair[0]["region_psnr_of_doing_nothing"] = {
        "mean": 12.0,
        "per_attribute": {"Bangs": 15.01, "Smiling": 9.0},
    }
    assert len(marks(leaderboard(pair))[0]) == 1  # of Bangs alone, and the same but for rounding
    board = leaderboard(pair, common=False)
    assert board.order == ["Strong", "Weak"]
    assert marks(board) == ([], [[15.0, 0.0], [12.0, 1.0]])


def test_more_is_better_of_what_should_be_high_and_less_of_what_should_be_low():
    ways = {metric: better for metric, (_, _, better) in (METRICS | EXTRA).items()}
    assert {metric for metric, better in ways.items() if better} == {
        *("accuracy", "accuracy_b", "preservation", "sample_accuracy", "slider_rank", "mask_ap", "mask_iou"),
        *("counterfactual_psnr", "counterfactual_ssim", "region_psnr"),
        *("reconstruction_psnr", "reconstruction_ssim"),
    }
    assert {metric for metric, better in ways.items() if better is None} == {
        "region_psnr_of_doing_nothing",
        "slider_reach",  # 1 is as far as the face world's own
    }


def test_what_a_table_says_and_leaves_out():
    def printed(scores, **settings):
        text = io.StringIO()
        Console(file=text, width=80).print(scores.table(**settings))
        return text.getvalue()

    drawn = made("A", {"Bangs": 0.25})
    rows = [line.split()[0] for line in printed(drawn, per_attribute=False).splitlines() if line.strip()]
    assert set(METRICS) <= set(rows) and not set(EXTRA) & set(rows)  # of the others only what there is
    assert "Bangs" not in printed(drawn, per_attribute=False) and "Bangs" in printed(drawn)
    drawn["latent_probe"] = 0.5
    assert "latent_probe" in printed(drawn)
    about = drawn["about"] | {"faces": 1, "source": "folder", "set": "folder-photographs"}
    photo = made("A", {"Bangs": 0.25}, about=about)
    assert "FID: from 100 photographs on" in printed(photo) and "FID: from" not in printed(drawn)
    photo["fid"] = 3.0
    assert "FID: from" not in printed(photo)
    assert photo.crowd == "1 photograph of folder-photographs"
    drawn["about"]["faces"] = 1
    assert drawn.crowd == "1 held-out person"


def test_a_mean_over_two_shared_attributes():
    pair = [made("A", {"Bangs": 0.5, "Male": 0.7, "Young": 0.0}), made("B", {"Bangs": 0.1, "Male": 0.3})]
    board = leaderboard(pair, by="accuracy")
    assert board.attributes == ("Bangs", "Male")
    assert board.value("A", "accuracy") == pytest.approx(0.6)
    assert board.value("B", "accuracy") == pytest.approx(0.2)


def test_bars_are_as_long_as_what_they_show_and_cut_only_above_60_decibels():
    true = made("Truth", {"Bangs": 1.0}, psnr=60.0, leakage=0.0)
    board = leaderboard([true, made("A", {"Bangs": 0.0}, psnr=20.0), made("B", {"Bangs": 0.5}, psnr=16.0)])
    figure = board.plot(metrics=["region_psnr", "accuracy", "leakage", "mask_ap"])
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title(loc="left") for axis in shown] == [
        "region PSNR, dB (more is better)",
        "accuracy (more is better)",
        "leakage, grey levels (less is better)",
        "mask AP (more is better)",
    ]
    assert len(figure.axes) == 6  # two rows of three
    bars = [[bar.get_width() for bar in axis.patches] for axis in shown]
    said = [[text.get_text() for text in axis.texts] for axis in shown]
    assert bars == [[25.0, 20.0, 16.0], [1.0, 0.0, 0.5], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    assert said[0] == [" > 60.0", " 20.0", " 16.0"] and said[1] == [" 1.000", " 0.000", " 0.500"]
    assert said[2] == [" 0.00", " -", " -"] and said[3] == [" -"] * 3
    assert 3 < figure.get_figheight() < 4  # three bars a panel
