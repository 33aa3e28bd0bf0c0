"""From people to pictures: photographs, true regions, sketches, contact sheets."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from .attributes import check_attributes
from .drawing import Paper, Photo, draw
from .people import People

SKILLS = ("clean", "wobbly", "poor")
_CHUNK_PIXELS = 64 * 64 * 64  # a chunk's layers stay in the cache


def _check_size(size: int) -> None:
    if not isinstance(size, int) or not 16 <= size <= 1024:
        raise ValueError(f"size must be a whole number of pixels from 16 to 1024; got {size!r}")


def _in_chunks(people: People, size: int, draw_chunk, empty: Tensor) -> Tensor:
    step = max(1, _CHUNK_PIXELS // size**2) if people.device.type == "cpu" else 2048
    parts = [draw_chunk(people[start : start + step]) for start in range(0, len(people), step)]
    return torch.cat(parts) if parts else empty


@torch.no_grad()
def render_uint8(people: People, size: int = 64) -> Tensor:
    """Draw people: uint8 (n, 3, size, size), on the people's device. The same people give the same bytes."""
    _check_size(size)

    def photo(chunk: People) -> Tensor:
        canvas = Photo(chunk, size)
        draw(canvas)
        return canvas.pixels.mul_(255).add_(0.5).clamp_(0, 255).to(torch.uint8)

    return _in_chunks(
        people, size, photo, torch.empty(0, 3, size, size, dtype=torch.uint8, device=people.device)
    )


def render(people: People, size: int = 64) -> Tensor:
    """Draw people: float (n, 3, size, size) in [-1, 1] (256 levels: uint8 / 127.5 - 1)."""
    return to_float(render_uint8(people, size))


def to_float(images: Tensor) -> Tensor:
    """uint8 pictures 0..255 to float in [-1, 1]. Raises ValueError for another type."""
    if images.dtype != torch.uint8:
        raise ValueError(
            f"to_float takes uint8 pictures (0 to 255), not {images.dtype}: floats are left as they are"
        )
    return images.float().div_(127.5).sub_(1)


def to_uint8(images: Tensor) -> Tensor:
    """Float pictures in [-1, 1] to uint8 0..255 (rounded; what lies outside is clipped).

    Raises TypeError for what is no tensor, ValueError for another type or NaN.
    """
    if not isinstance(images, Tensor):
        raise TypeError(
            f"to_uint8 takes a torch tensor, not {type(images).__name__}: torch.as_tensor(...) makes one"
        )
    if not images.is_floating_point():
        raise ValueError(f"to_uint8 takes float pictures in [-1, 1], not {images.dtype}")
    if images.isnan().any():
        raise ValueError("to_uint8 was given values that are not a number (NaN)")
    return images.detach().add(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)


@torch.no_grad()
def region(people: People, name: str, size: int = 64, steps: int = 8) -> Tensor:
    """Where an edit of `name` may change pixels, whatever its strength: bool (n, size, size).

    Found by drawing: the attribute is swept over `steps` strengths, every pixel that ever differs belongs to the
    region, and a margin (one pixel at 64, in proportion above) covers what moves between two of them. Raises
    ValueError for a name, a size or a number of steps that cannot be.
    """
    check_attributes([name])
    _check_size(size)
    if not isinstance(steps, int) or steps < 2:
        raise ValueError(f"steps must be a whole number of at least 2, both ends of the sweep; got {steps!r}")
    shown = render_uint8(people, size).to(torch.int16)
    low, high = shown.clone(), shown
    # At 0.5 what hides the attribute is taken off (a hat, say): look at both sides of that jump.
    for strength in [*torch.linspace(0, 1, steps).tolist(), 0.5, 0.5 + 1e-4]:
        edited = render_uint8(people.with_attribute(name, strength), size).to(torch.int16)
        low, high = torch.minimum(low, edited), torch.maximum(high, edited)
    changed = (high != low).any(dim=1, keepdim=True).float()
    margin = max(1, round(size / 64))
    return torch.nn.functional.max_pool2d(changed, 2 * margin + 1, stride=1, padding=margin)[:, 0] > 0


@torch.no_grad()
def sketch(people: People, size: int = 64, skill: str = "clean") -> Tensor:
    """Draw the people's line drawings: float (n, 1, size, size) in [-1, 1]; paper is 1, ink -1.

    skill: "clean" follows the face; "wobbly" bends every line; "poor" bends them more and leaves strokes out.
    """
    _check_size(size)
    if skill not in SKILLS:
        raise ValueError(f"unknown skill {skill!r}; known: {', '.join(SKILLS)}")

    def lines(chunk: People) -> Tensor:
        canvas = Paper(chunk, size, skill)
        draw(canvas)
        return canvas.finish().mul_(2).sub_(1)

    return _in_chunks(people, size, lines, torch.empty(0, 1, size, size, device=people.device))


def show(
    images: Tensor, labels: Sequence[str] | None = None, columns: int = 8, scale: int = 1
) -> Image.Image:
    """A contact sheet as a PIL image, for any notebook cell to end with.

    images: uint8, or float in [-1, 1], or bool, (n, 3 or 1, H, W) or (n, H, W). labels: a caption under each picture.
    """
    if images.dim() == 3:
        images = images[:, None]
    if images.dim() != 4 or images.shape[1] not in (1, 3):
        raise ValueError(f"expected images (n, 3 or 1, H, W) or (n, H, W); got {tuple(images.shape)}")
    if images.dtype == torch.bool:
        images = images.to(torch.uint8) * 255
    elif images.dtype != torch.uint8:
        images = to_uint8(images)
    images = images.cpu().expand(-1, 3, -1, -1).repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    n, _, height, width = images.shape
    columns = min(columns, n) or 1
    caption = 0 if labels is None else 14
    rows = -(-n // columns)
    sheet = Image.new("RGB", (columns * (width + 2) - 2, max(1, rows * (height + caption + 2) - 2)), "white")
    pen = ImageDraw.Draw(sheet)
    for i, image in enumerate(images):
        x, y = (i % columns) * (width + 2), (i // columns) * (height + caption + 2)
        sheet.paste(Image.fromarray(image.permute(1, 2, 0).contiguous().numpy()), (x, y))
        if labels is not None and i < len(labels):
            pen.text((x + width / 2, y + height + caption / 2), str(labels[i]), fill="black", anchor="mm")
    return sheet
