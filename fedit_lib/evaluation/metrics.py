"""The measures, each a few lines over batches of pictures.

Pictures are compared as uint8, the form in which a reader sees them: a float picture against a rounded one would differ
everywhere. Every function returns one number per picture (float (B,)); what cannot be measured is NaN.
All raise ValueError for pictures that are not uint8, a region that is not bool, and shapes that do not fit.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

PSNR_CAP = 60.0  # dB; two equal pictures have an infinite PSNR, which no mean survives


def _pair(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    if first.dtype != torch.uint8 or second.dtype != torch.uint8:
        raise ValueError(
            f"pictures are compared as uint8, not {first.dtype} and {second.dtype}: use faces.to_uint8"
        )
    if first.shape != second.shape or first.ndim != 4:
        raise ValueError(f"two batches (B, C, H, W) of one shape, please, not {_s(first)} and {_s(second)}")
    return first.float(), second.float()


def _region(region: Tensor, compared: Tensor, what: str) -> Tensor:
    """The region, if it is bool (B, H, W) and fits what it is compared with."""
    if region.dtype != torch.bool:
        raise ValueError(f"region must be bool, not {region.dtype}: faces.region gives one")
    if compared.ndim != 3 or region.shape != compared.shape:
        raise ValueError(
            f"{what} and region must be (B, H, W) of one shape, not {_s(compared)} and {_s(region)}: "
            f"an editor's attention (B, 1, H, W) becomes that with [:, 0]"
        )
    return region


def _s(x: Tensor) -> str:
    return str(tuple(x.shape))


def psnr(images: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of uint8 pictures (B, C, H, W) -> (B,) in dB, at most `PSNR_CAP`."""
    images, truth = _pair(images, truth)
    if not len(images):
        return torch.zeros(0)
    ratio = peak_signal_noise_ratio(images, truth, data_range=255.0, reduction="none", dim=(1, 2, 3))
    return ratio.reshape(-1).clamp_max(PSNR_CAP)


def ssim(images: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004) of uint8 pictures (B, C, H, W) -> (B,), 1 for equal ones."""
    images, truth = _pair(images, truth)
    if not len(images):
        return torch.zeros(0)
    return structural_similarity_index_measure(images, truth, data_range=255.0, reduction="none").reshape(-1)


def region_psnr(images: Tensor, truth: Tensor, region: Tensor) -> Tensor:
    """PSNR over the pixels of `region`, bool (B, H, W), alone -> (B,) in dB; NaN where a region is empty."""
    images, truth = _pair(images, truth)
    squared = (images - truth).square().mean(1)
    _region(region, squared, "pictures")
    error = (squared * region).sum((1, 2)) / region.sum((1, 2))
    return (10 * torch.log10(255.0**2 / error)).clamp_max(PSNR_CAP)


def leakage(images: Tensor, source: Tensor, region: Tensor) -> Tensor:
    """Mean absolute change from `source` outside `region` -> (B,), in grey levels of 255; NaN where all is region."""
    images, source = _pair(images, source)
    change = (images - source).abs().mean(1)
    _region(region, change, "pictures")
    return (change * ~region).sum((1, 2)) / (~region).sum((1, 2))


def average_precision(attention: Tensor, region: Tensor) -> Tensor:
    """Average precision of an attention map (B, H, W) as a finder of the pixels of `region` -> (B,) in [0, 1].

    AP = sum over thresholds of (R_k - R_{k-1}) P_k, equal values being one threshold: so a constant map scores the
    region's share of the picture. NaN where a region is empty.
    """
    _region(region, attention, "attention")
    # on the CPU: Apple's GPUs have no float64
    scores, order = attention.flatten(1).cpu().sort(1, descending=True)
    hit = region.flatten(1).cpu().gather(1, order).double()
    n = scores.shape[1]
    rank = torch.arange(n)
    # A pixel counts with the precision at the last pixel of the same score.
    last = torch.ones_like(scores, dtype=torch.bool)
    last[:, :-1] = scores[:, :-1] != scores[:, 1:]
    end = torch.where(last, rank, n).flip(1).cummin(1).values.flip(1)
    precision = (hit.cumsum(1) / (rank + 1)).gather(1, end)
    return ((hit * precision).sum(1) / hit.sum(1)).float().to(attention.device)


def intersection_over_union(attention: Tensor, region: Tensor, threshold: float = 0.1) -> Tensor:
    """Overlap of {attention > threshold} with `region`, both (B, H, W) -> (B,) in [0, 1]; NaN if both are empty."""
    found, region = attention > threshold, _region(region, attention, "attention")
    return (found & region).sum((1, 2)) / (found | region).sum((1, 2)).float()


def ranks(values: Tensor) -> Tensor:
    """(B, P) -> ranks 1..P along the last dimension, equal values sharing the mean of theirs."""
    less = (values.unsqueeze(-1) > values.unsqueeze(-2)).sum(-1)
    equal = (values.unsqueeze(-1) == values.unsqueeze(-2)).sum(-1)
    return less + (equal + 1) / 2


def rank_correlation(positions: Tensor, measured: Tensor) -> Tensor:
    """Spearman's rank correlation of slider positions (P,) with what was measured there (B, P) -> (B,) in [-1, 1].

    A slider that moves nothing has no correlation; it scores 0.
    """
    if positions.ndim != 1 or measured.ndim != 2 or measured.shape[1] != len(positions) or len(positions) < 2:
        raise ValueError(
            f"positions (P,) and measured (B, P), P at least 2, not {_s(positions)} and {_s(measured)}"
        )
    # on the CPU: Apple's GPUs have no float64
    x, y = (ranks(v.cpu().double()) for v in (positions.unsqueeze(0), measured))
    x, y = x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
    scale = (x.square().sum(1) * y.square().sum(1)).sqrt()
    return torch.where(scale > 0, (x * y).sum(1) / scale.clamp_min(1e-12), 0.0).float().to(measured.device)
