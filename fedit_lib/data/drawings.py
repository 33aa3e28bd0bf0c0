"""Line drawings of photographs, for a paper that needs sketches where no hand has drawn any.

A difference of Gaussians answers where the light changes: on the dark side of an edge the narrow blur is darker than
the wide one. The thresholded difference is a line drawing (XDoG: Winnemöller, Kyprianidis, Olsen, "XDoG: An eXtended
difference-of-Gaussians compendium including advanced image stylization", Computers & Graphics 36(6), 2012).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm.auto import tqdm

from fedit_lib.faces import to_float, to_uint8

from .checks import check_images
from .faceset import FaceSet

STROKES = (0.5, 0.8)  # sigma in pixels at 64: a fine pen and a broad one
WIDER = 1.6  # k: with it the difference comes closest to the Laplacian of a Gaussian (Marr and Hildreth 1980)
CHUNK_PIXELS = 256 * 64 * 64


def xdog(
    images: Tensor, sigma: float = 0.8, tau: float = 0.98, epsilon: float = -0.005, phi: float = 80.0
) -> Tensor:
    """XDoG's line drawing of pictures.

        D = G_sigma - tau G_(1.6 sigma);   T = 1 where D >= epsilon, else 1 + tanh(phi (D - epsilon))

    of the grey picture from 0 to 1. With tau < 1 an even area has D > 0 and stays paper, however dark: lines only.

    Args:
        images: float (B, 3, S, S) in [-1, 1].
        sigma: of the narrow blur, in pixels: the width of a stroke.
        tau: how much of the wide blur is subtracted; nearer to 1 finds fainter edges.
        epsilon: a difference below this is ink; nearer to 0 finds fainter edges, and noise.
        phi: how sharply paper turns into ink.

    Returns:
        float (B, 1, S, S) in [-1, 1]: paper is 1, ink -1, as of `faces.sketch`.

    Raises:
        ValueError: sigma or phi is not above 0, or images of another shape, type or range.
    """
    check_images(images)
    if sigma <= 0 or phi <= 0:
        raise ValueError(f"sigma and phi must be above 0; they are {sigma} and {phi}")
    grey = (images * images.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    grey = (grey + 1) / 2
    difference = blur(grey, sigma) - tau * blur(grey, WIDER * sigma)
    ink = torch.tanh(phi * (difference - epsilon).clamp_max(0))  # 0 on paper, towards -1 in a line
    return 2 * (1 + ink) - 1


def blur(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (B, 1, S, S), edges repeated, sigma in pixels."""
    radius = max(1, round(3 * sigma))
    x = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-0.5 * (x / sigma) ** 2)
    kernel = kernel / kernel.sum()
    images = F.pad(images, (radius,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(images, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))


@torch.no_grad()
def line_drawings(faces: FaceSet, strokes: tuple[float, ...] = STROKES) -> Tensor:
    """`xdog` of every face with every stroke (sigma in pixels at 64, in proportion above): uint8 (N, k, S, S).

    Drawn once and kept on the faces' device: k bytes a pixel.
    """
    size, step = faces.size, max(1, CHUNK_PIXELS // faces.size**2)
    drawn = torch.empty(len(faces), len(strokes), size, size, dtype=torch.uint8, device=faces.device)
    starts = range(0, len(faces), step)
    for start in tqdm(starts, desc="drawing lines", disable=len(starts) < 20, leave=False):
        images = to_float(faces.images[start : start + step])
        for k, stroke in enumerate(strokes):
            drawn[start : start + step, k] = to_uint8(xdog(images, stroke * size / 64))[:, 0]
    return drawn
