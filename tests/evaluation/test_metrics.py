"""Each measure against a value worked out by hand, or by another library."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional import spearman_corrcoef
from torchmetrics.functional.classification import binary_average_precision

from fedit_lib.evaluation import metrics


def grey(value: int, n: int = 1, size: int = 16) -> torch.Tensor:
    return torch.full((n, 3, size, size), value, dtype=torch.uint8)


def test_psnr_of_a_known_error_and_of_equal_pictures():
    expected = 20 * math.log10(255 / 10)
    got = metrics.psnr(torch.cat([grey(100), grey(7)]), torch.cat([grey(110), grey(7)]))
    assert got.tolist() == pytest.approx([expected, metrics.PSNR_CAP])


def test_ssim_is_one_for_equal_pictures_and_less_for_others():
    picture = torch.randint(
        0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    other = picture.clone()
    other[1] = 255 - other[1]
    same, inverted = metrics.ssim(picture, other).tolist()
    assert same == pytest.approx(1.0, abs=1e-4)
    assert inverted < 0


def test_region_psnr_sees_the_region_only():
    region = torch.zeros(2, 16, 16, dtype=torch.bool)
    region[0, :4] = True  # the second region is empty
    changed = grey(100, 2)
    changed[:, :, :4] += 20
    changed[:, :, 4:] += 99
    got = metrics.region_psnr(changed, grey(100, 2), region)
    assert got[0].item() == pytest.approx(20 * math.log10(255 / 20))
    assert got[1].isnan()


def test_leakage_is_the_mean_change_outside_in_grey_levels():
    region = torch.zeros(1, 16, 16, dtype=torch.bool)
    region[:, :8] = True
    changed = grey(100)
    changed[:, :, :8] = 255  # inside: no leak
    changed[:, 0, 8:12] += 12  # outside: 12 levels in a third of the channels of half of the pixels
    assert metrics.leakage(changed, grey(100), region).item() == pytest.approx(12 / 3 / 2)
    assert metrics.leakage(changed, grey(100), torch.ones_like(region)).isnan().all()


def test_average_precision_by_hand():
    scores = torch.tensor([[[0.9, 0.8], [0.7, 0.1]]])
    region = torch.tensor([[[True, False], [True, False]]])
    assert metrics.average_precision(scores, region).item() == pytest.approx((1 + 2 / 3) / 2)


def test_a_constant_map_scores_the_share_of_the_region():
    region = torch.zeros(1, 10, 10, dtype=torch.bool)
    region[0, :3] = True
    assert metrics.average_precision(torch.full((1, 10, 10), 0.5), region).item() == pytest.approx(0.3)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), levels=st.integers(1, 30))
def test_average_precision_agrees_with_torchmetrics(seed: int, levels: int):
    g = torch.Generator().manual_seed(seed)
    scores = torch.randint(0, levels, (1, 6, 6), generator=g) / levels
    region = torch.rand(1, 6, 6, generator=g) < 0.4
    region[0, 0, 0] = True
    expected = binary_average_precision(scores.flatten(), region.flatten().long())
    assert metrics.average_precision(scores, region).item() == pytest.approx(expected.item(), abs=1e-5)


def test_iou_counts_what_exceeds_the_threshold():
    attention = torch.tensor([[[0.2, 0.11], [0.1, 0.0]]])
    region = torch.tensor([[[True, False], [True, False]]])
    assert metrics.intersection_over_union(attention, region).item() == pytest.approx(1 / 3)


def test_rank_correlation_of_rising_falling_and_dead_sliders():
    measured = torch.tensor([[0.1, 0.2, 0.6, 0.7], [0.9, 0.8, 0.2, 0.1], [0.3, 0.3, 0.3, 0.3]])
    got = metrics.rank_correlation(torch.tensor([0.0, 0.3, 0.6, 1.0]), measured)
    assert got.tolist() == pytest.approx([1, -1, 0])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_rank_correlation_agrees_with_torchmetrics(seed: int):
    measured = torch.randint(0, 4, (1, 6), generator=torch.Generator().manual_seed(seed)).float()
    if measured.unique().numel() == 1:
        measured[0, 0] += 1
    positions = torch.linspace(0, 1, 6)
    expected = spearman_corrcoef(measured[0], positions)
    assert metrics.rank_correlation(positions, measured).item() == pytest.approx(expected.item(), abs=1e-4)


def test_float_pictures_are_refused():
    with pytest.raises(ValueError, match="to_uint8"):
        metrics.psnr(grey(1).float(), grey(1))
    with pytest.raises(ValueError, match="one shape"):
        metrics.leakage(grey(1), grey(1, n=2), torch.ones(1, 16, 16, dtype=torch.bool))


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (torch.zeros(4, 1, 8, 8, dtype=torch.bool), r"\(4, 1, 8, 8\).*\[:, 0\]"),
        (torch.zeros(4, 8, 6, dtype=torch.bool), r"of one shape"),
        (torch.zeros(4, 8, 8), "region must be bool, not torch.float32"),
    ],
)
def test_a_region_that_does_not_fit_is_refused(region, message):
    images, attention = torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.zeros(4, 8, 8)
    for measure, first in (
        (lambda x, r: metrics.region_psnr(x, x, r), images),
        (lambda x, r: metrics.leakage(x, x, r), images),
        (metrics.average_precision, attention),
        (metrics.intersection_over_union, attention),
    ):
        with pytest.raises(ValueError, match=message):
            measure(first, region)


def test_attention_as_an_editor_gives_it_is_refused_with_the_fix():
    attention, region = torch.zeros(4, 1, 8, 8), torch.zeros(4, 8, 8, dtype=torch.bool)
    for measure in (metrics.average_precision, metrics.intersection_over_union):
        with pytest.raises(ValueError, match=r"attention and region.*\[:, 0\]"):
            measure(attention, region)
