from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from fedit_lib.training import EMA, History


@pytest.fixture
def history():
    history = History()
    for step in (1, 2, 3):
        history.add("critic/real", step)
        history.add("critic/real", step + 1)
        history.add("generator/_note", -step)
        history.close_row(step, 0.5 * step, {"valid/score": 0.9} if step == 2 else {})
    return history


def test_terms_are_aligned_with_steps(history):
    assert history.steps == [1, 2, 3] and history.terms["critic/real"] == [1.5, 2.5, 3.5]
    score = history.terms["valid/score"]
    assert math.isnan(score[0]) and score[1] == 0.9 and math.isnan(score[2])


def test_appending_equals_writing(history, tmp_path):
    whole, grown = tmp_path / "whole.csv", tmp_path / "grown.csv"
    history.write(whole)
    growing = History()
    for row in history.rows:
        growing.rows.append(row)
        growing.append_last(grown)
    assert grown.read_text() == whole.read_text()


def test_read_leaves_out_a_line_cut_short(history, tmp_path):
    history.write(tmp_path / "log.csv")
    text = (tmp_path / "log.csv").read_text()
    (tmp_path / "log.csv").write_text(text[:-3])
    assert History.read(tmp_path).steps == [1, 2]


def test_read_names_what_is_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match="no training log at"):
        History.read(tmp_path / "log.csv")
    (tmp_path / "log.csv").write_text("name,score\nx,1\n")
    with pytest.raises(ValueError, match="not a training log"):
        History.read(tmp_path)
    (tmp_path / "log.csv").write_text("step,seconds,critic/real\n1,2,three\n")
    with pytest.raises(ValueError, match="not a number"):
        History.read(tmp_path)


def test_plot_has_axes_for_each_player_and_lines_for_each_term(history):
    figure = history.plot()
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["critic", "generator", "valid"]
    assert [len(axis.lines) for axis in figure.axes] == [1, 1, 1]
    assert [text.get_text() for text in figure.axes[1].get_legend().get_texts()] == ["note"]
    assert figure._repr_png_().startswith(b"\x89PNG")
    smooth = history.plot(["critic/real"], smooth=2).axes[0].lines[0]
    assert list(smooth.get_ydata()) == [1.5, 2.0, 3.0]
    with pytest.raises(KeyError, match="not logged: critic/fake; logged are critic/real"):
        history.plot(["critic/fake"])
    assert History().plot() is not None


def test_ema_follows_its_formula_and_averages_buffers():
    network = nn.BatchNorm1d(1)
    ema = EMA({"net": network}, decay=0.5)
    expected = 1.0
    for step, value in enumerate((2.0, 4.0, 8.0), start=1):
        with torch.no_grad():
            network.weight.fill_(value)
        network.running_mean.fill_(value)
        network.num_batches_tracked.fill_(step)
        ema.update()
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    assert ema.averages["net"]["weight"].item() == pytest.approx(expected)
    mean = ema.averages["net"]["running_mean"].item()
    assert 2 < mean < 8 and ema.averages["net"]["num_batches_tracked"].item() == 3
    with ema.applied():
        assert network.weight.item() == pytest.approx(expected)
    assert network.weight.item() == 8
    with pytest.raises(ValueError, match="ema_decay must be in"):
        EMA({"net": network}, decay=1.0)


@pytest.mark.parametrize(
    "content",
    [b"step,seconds,a\n1,1.0,\xff\n", b"step,seconds,a\n1,,2\n", b"step,seconds,a\n,1,2\n", b"step,seconds\n1,x\n",
     b'step,seconds,"' + b"a" * 200_000 + b'"\n1,1,1\n'],
)  # fmt: skip
def test_a_damaged_log_is_named(tmp_path, content):
    (tmp_path / "log.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"log\.csv"):
        History.read(tmp_path)
