"""Pictures that need no running kernel: a strip of strengths, a sheet of edits, a map of what changed.

A slider is dead on GitHub and on paper. Everything a slider shows can also be had from here, as a PIL image.
Pixels are enlarged by whole numbers with nearest neighbour, so that a picture shows what the editor made and
not what a smoothing filter made of it.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Container, Mapping, Sequence
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from fedit_lib import faces
from fedit_lib.data import check_images, check_labels
from fedit_lib.faces import HIDDEN_BY, check_attributes, rivals, to_uint8, without_hidden
from fedit_lib.papers.editor import device_of, size_of

__all__ = ["difference", "encode", "sheet", "side_by_side", "strip", "to_pil"]

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
GAP = 4  # pixels between two tiles
INK, SOFT, PAPER, BLUE = (34, 34, 34), (110, 110, 110), (255, 255, 255), (25, 118, 210)
FRAME = "frame"  # the note that draws a frame around a tile; any other is written on it

# Black through violet and orange to near white: more change is always lighter, so it also reads in print.
_HEAT = torch.tensor(
    [(0, 0, 0), (59, 15, 112), (140, 41, 129), (222, 73, 104), (254, 159, 109), (252, 253, 191)],
    dtype=torch.float32,
)


def name_of(editor: Any) -> str:
    """What an editor is called, on a page and in a title."""
    return str(getattr(editor, "name", type(editor).__name__))


def readable(attribute: str) -> str:
    """`Mouth_Slightly_Open` as people write it: `Mouth Slightly Open`."""
    return attribute.replace("_", " ")


def attribute_index(attributes: Sequence[str], name: str) -> int:
    """Where `name` stands in `attributes`; UnknownAttribute with the known names if it does not."""
    return list(attributes).index(check_attributes([name], tuple(attributes))[0])


def chosen(attributes: Sequence[str] | None, known: Sequence[str]) -> tuple[str, ...]:
    """Those of the known attributes to choose from (None: all). UnknownAttribute for others, ValueError for none."""
    names = check_attributes(known if attributes is None else attributes, tuple(known))
    if not names:
        raise ValueError(f"there is no attribute to choose from: name some of {', '.join(known)}")
    return names


def to_pil(image: Tensor, width: int | None = None, smooth: bool = False) -> Image.Image:
    """One picture, float (3, S, S) in [-1, 1] or uint8, as a PIL image, enlarged to `width` pixels if given."""
    if image.dim() != 3:
        raise ValueError(
            f"one picture is (3, S, S), not {tuple(image.shape)}: choose one of a batch, images[0]"
        )
    pixels = image.cpu() if image.dtype == torch.uint8 else to_uint8(image.detach().cpu())
    picture = Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
    if width is not None and width != picture.width:
        height = round(picture.height * width / picture.width)
        method = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
        picture = picture.resize((width, height), method)
    return picture


def encode(picture: Image.Image, quality: int = 90, crisp: bool = True) -> bytes:
    """A PIL image as JPEG bytes. crisp: no colour subsampling; red lips on 64 pixels would bleed."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, subsampling=0 if crisp else 2, optimize=not crisp)
    return buffer.getvalue()


def difference(before: Tensor, after: Tensor, full: float = 64.0) -> Tensor:
    """Where and how much two pictures differ, as a heat picture.

    before, after: float (..., 3, H, W) in [-1, 1]. The largest change over the three channels is shown:
    black is none, near white is `full` grey levels (of 255) or more. Returns the same shape in [-1, 1].
    """
    if before.shape != after.shape:
        raise ValueError(f"cannot compare pictures of shapes {tuple(before.shape)} and {tuple(after.shape)}")
    change = (after.float() - before.float()).abs().amax(-3).mul(127.5 / full).clamp(0, 1).cpu()
    place = change * (len(_HEAT) - 1)
    low = place.floor().clamp(max=len(_HEAT) - 2).long()
    colour = torch.lerp(_HEAT[low], _HEAT[low + 1], (place - low).unsqueeze(-1))
    return colour.movedim(-1, -3) / 127.5 - 1


def giving_way(name: str, strength: float, attributes: Sequence[str]) -> dict[str, float]:
    """What else must go when `name` is asked for at `strength`: {attribute: the most it may still be}.

    A head has one hair colour: rivals fade as the attribute comes. What would hide it (Bald hides Bangs) is taken
    off once it is there. The rule of the face world, so that edit and true answer are asked the same thing.
    """
    most = {}
    for rival in rivals(name) if name in faces.ATTRIBUTES else ():
        if rival in attributes and strength > 0:  # what is not there takes nothing, not even an exaggeration
            most[rival] = 1 - min(max(strength, 0.0), 1.0)
    for hider in HIDDEN_BY.get(name, ()):
        if hider in attributes and strength > 0.5:
            most[hider] = 0.0
    return most


def asked(labels: Tensor, attributes: Sequence[str], name: str, strength: float) -> Tensor:
    """The target, float (n,), that asks for one attribute at `strength` and keeps the rest of `labels` (n,)."""
    target = labels.clone()
    target[attribute_index(attributes, name)] = strength
    give_way(target, attributes, name, strength)
    return target


def give_way(
    target: Tensor, attributes: Sequence[str], name: str, strength: float, but: Container[str] = ()
) -> None:
    """Take from a target (n,), in place, what cannot be there beside `name`; `but` stays as it is."""
    names = list(attributes)
    for other, most in giving_way(name, strength, names).items():
        if other not in but:
            target[names.index(other)] = min(float(target[names.index(other)]), most)


def true_answer(person: Any, attributes: Sequence[str], labels: Tensor, target: Tensor) -> Any:
    """One person as the sliders ask for: People (1), of the face world.

    labels, target: float (n,) in the order of `attributes`. What is asked for at its own label is left alone, so it
    keeps its own strength; a target of 0 or 1 means a typical strength, as in `People.with_targets`.
    """
    moved = (target - labels).abs() > 1e-6
    names = [name for name, changed in zip(attributes, moved.tolist(), strict=True) if changed]
    return person.with_targets(names, target[moved][None]) if names else person


def strip(
    editor: Any,
    images: Tensor,
    labels: Tensor,
    attribute: str,
    strengths: Sequence[float] = STRENGTHS,
    *,
    people: Any = None,
    scale: int | None = None,
) -> Image.Image:
    """One attribute at several strengths: what its slider would show. One row a face, one column a strength.

    images float (B, 3, S, S) or (3, S, S) in [-1, 1]; labels float (B, n) or (n,), 0/1, in the editor's order. With
    `people` (the same faces in the face world) each row has the true answers under it. `scale` enlarges by a whole
    number (default: what fits a page). Raises UnknownAttribute, and ValueError for a wrong shape or range.
    """
    images, labels = _batched(editor, images, labels)
    attribute_index(editor.attributes, attribute)
    if len(strengths) == 0:
        raise ValueError("strengths is empty: give at least one, for example (0, 0.5, 1)")
    rows, heads = [], []
    for i, image in enumerate(images):
        target = torch.stack([asked(labels[i], editor.attributes, attribute, float(s)) for s in strengths])
        rows.append([image, *edits(editor, image, labels[i], target)])
        heads.append(f"face {i}" if len(images) > 1 else "edit")
        if people is not None:
            rows.append([None, *truths(people[i : i + 1], editor, labels[i], target)])
            heads.append("truth")
    named = [f"{s:g}" for s in strengths]
    title = f"{readable(attribute)}: {name_of(editor)}"
    return table(rows, ["input", *named], heads if len(rows) > 1 else None, scale, title=title)


def ask(editor: Any, method: str, *tensors: Tensor, name: str | None = None) -> Tensor | None:
    """What `editor.method(*tensors)` answers, asked on its device: checked, float on the CPU.

    It is given copies, which it may work on in place. None is an answer too, of attention and content. name: what the
    editor is called, if not by its own name. What it raises is raised with a note on where, see `told`; ValueError for
    an answer that is not what it should be.
    """
    who = f"{name or name_of(editor)}.{method}"
    try:
        answer = getattr(editor, method)(*(tensor.to(device_of(editor), copy=True) for tensor in tensors))
    except Exception as error:
        error.__notes__ = [*getattr(error, "__notes__", ()), f"in {who}"]  # add_note, which Python 3.10 lacks
        raise
    if answer is None and method in ("attention", "content"):
        return None
    answer = check_answer(answer, who, *_expected(editor, method, tensors[0]))
    if method == "edit" and answer.min() >= 0 and tensors[0].min() < -0.5:  # faces without a dark pixel
        warnings.warn(
            f"{who} gave nothing below 0. Pictures go from -1 (black) to 1: if its are in [0, 1], return "
            f"2 * pictures - 1",
            stacklevel=2,
        )
    return answer


def told(error: Exception) -> str:
    """What went wrong, and in which editor, for a page: `RuntimeError in AttGAN.edit: out of paint`."""
    notes = [note for note in getattr(error, "__notes__", ()) if note.startswith("in ")]
    return f"{' '.join([type(error).__name__, *notes[-1:]])}: {error}"


def _expected(editor: Any, method: str, given: Tensor) -> tuple[tuple[int, ...], float, float]:
    """What a method should answer that is given pictures or codes: a shape (-1: of any length), lowest and highest."""
    columns, size = len(editor.attributes), given.shape[-1] if given.dim() == 4 else size_of(editor)
    row, low, high = {
        "attention": ((1, size, size), 0.0, 1.0),
        "code_of_sketch": ((-1,), -math.inf, math.inf),
        "reading": ((columns,), 0.0, 1.0),
        "intensities_for": ((columns,), -math.inf, math.inf),
    }.get(method, ((3, size, size), -1.0, 1.0))
    return (len(given), *row), low, high


def check_answer(answer: Any, who: str, shape: tuple[int, ...], low: float, high: float) -> Tensor:
    """An editor's answer as float on the CPU, in [low, high]; a hundredth beyond is forgiven.

    Raises ValueError, which says who answered what and what was expected, for anything else.
    """
    wrong = _wrong(answer, shape, low, high)
    if wrong:
        numbers = ", ".join("any" if n < 0 else str(n) for n in shape)
        within = "" if math.isinf(high) else f" in [{low:g}, {high:g}]"
        raise ValueError(f"{who} gave {wrong}; expected is a float tensor ({numbers}){within}")
    return answer.detach().float().cpu().clamp(low, high)


def _wrong(answer: Any, shape: tuple[int, ...], low: float, high: float) -> str:
    """What an answer is that it should not be; "" if it is as it should."""
    if not isinstance(answer, Tensor):
        return "None" if answer is None else f"a {type(answer).__name__}"
    if answer.dim() != len(shape) or any(n not in (-1, m) for n, m in zip(shape, answer.shape, strict=True)):
        return f"a tensor {tuple(answer.shape)}"
    if answer.dtype == torch.uint8:
        return "torch.uint8 (faces.to_float turns such pictures into floats)"
    mask = answer.dtype == torch.bool and low == 0  # of yes and no
    if not answer.is_floating_point() and not mask:
        return str(answer.dtype)
    if not answer.isfinite().all():
        return "NaN" if answer.isnan().any() else "infinite values"
    if answer.min() < low - 0.01 or answer.max() > high + 0.01:
        return f"values from {float(answer.min()):.3g} to {float(answer.max()):.3g}"
    return ""


def edits(editor: Any, image: Tensor, label: Tensor, target: Tensor) -> Tensor:
    """One face (3, S, S) edited to each target (k, n): float (k, 3, S, S)."""
    k = len(target)
    labels = label.expand(k, -1)
    target = without_hidden(labels, target, editor.attributes)
    return ask(editor, "edit", image.expand(k, -1, -1, -1), labels, target)


def truths(person: Any, editor: Any, label: Tensor, target: Tensor) -> list[Tensor]:
    answers = [true_answer(person, editor.attributes, label, t) for t in target]
    return [faces.render(answer, size=size_of(editor))[0].cpu() for answer in answers]


def sheet(
    editor: Any,
    images: Tensor,
    labels: Tensor,
    attributes: Sequence[str] | None = None,
    *,
    people: Any = None,
    scale: int | None = None,
) -> Image.Image:
    """Every attribute inverted, one at a time. One row a face; columns: input, reconstruction, one an edit.

    images float (B, 3, S, S) in [-1, 1]; labels float (B, n), 0/1, in the editor's order; attributes: those to show
    (default: all the editor has). The sign under an edit says which way it went: + put on, - taken away. With
    `people` each row has the true answers under it. Raises UnknownAttribute, ValueError as `strip` does.
    """
    images, labels = _batched(editor, images, labels)
    names = chosen(attributes, editor.attributes)
    places = [attribute_index(editor.attributes, name) for name in names]
    rows, heads, notes = [], [], []
    for i, image in enumerate(images):
        opposite = (1 - labels[i]).tolist()
        target = torch.stack(
            [asked(labels[i], editor.attributes, names[k], opposite[j]) for k, j in enumerate(places)]
        )
        again = ask(editor, "reconstruct", image[None], labels[i : i + 1])
        rows.append([image, again[0], *edits(editor, image, labels[i], target)])
        heads.append(f"face {i}")
        notes.append(["", "", *("+" if labels[i, j] < 0.5 else "-" for j in places)])
        if people is not None:
            rows.append([None, None, *truths(people[i : i + 1], editor, labels[i], target)])
            heads.append("truth")
            notes.append(None)
    columns = ["input", "recon-\nstruction", *(n.replace("_", "\n") for n in names)]
    return table(rows, columns, heads, scale, notes)


def side_by_side(
    editors: Mapping[str, Any],
    people: Any,
    attribute: str,
    strength: float | None = None,
    scale: int | None = None,
) -> Image.Image:
    """One attribute of the same people, by several editors: a column a person; input, true answer, a row an editor.

    editors: those that do not have the attribute are left out. people: of the face world. strength: where everyone's
    attribute goes, 0 absent, 1 present; by default everyone's is flipped. The truth's row shows it in a corner: + or
    -, or the strength. Raises UnknownAttribute, and ValueError if no editor has the attribute, or theirs are pictures
    of different sizes.
    """
    check_attributes([attribute])
    able = {name: editor for name, editor in editors.items() if attribute in editor.attributes}
    if not able:
        raise ValueError(f"none of {', '.join(editors) or 'no editors'} edits {attribute}")
    sizes = {size_of(editor) for editor in able.values()}
    if len(sizes) > 1:
        raise ValueError(f"the editors' pictures have different sizes: {', '.join(map(str, sorted(sizes)))}")
    now = people.labels([attribute])[:, 0].cpu()
    goal = 1 - now if strength is None else torch.full_like(now, float(strength))
    images = faces.render(people, size=sizes.pop()).cpu()
    truth = [
        faces.render(
            true_answer(people[i : i + 1], [attribute], now[i : i + 1], goal[i : i + 1]), images.shape[-1]
        )[0].cpu()
        for i in range(len(people))
    ]
    rows, heads = [list(images), truth], ["input", "truth"]
    for name, editor in able.items():
        labels = people.labels(editor.attributes).cpu()
        target = torch.stack(
            [asked(own, editor.attributes, attribute, float(s)) for own, s in zip(labels, goal, strict=True)]
        )
        target = without_hidden(labels, target, editor.attributes)
        rows.append(list(ask(editor, "edit", images, labels, target, name=name)))
        heads.append(name)
    if strength is None:
        notes = [["+" if g > n else "-" for g, n in zip(goal, now, strict=True)]]
    else:
        notes = [[f"{strength:g}"] * len(people)]
    return table(
        rows, [""] * len(people), heads, scale, [None, *notes, *[None] * len(able)], title=readable(attribute)
    )


def _batched(editor: Any, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    if torch.is_tensor(images) and images.dim() == 3:
        images = images[None]
    check_images(images, size=size_of(editor))
    if torch.is_tensor(labels) and labels.dim() == 1:
        labels = labels[None]
    check_labels(labels, editor.attributes, len(images), binary=True)
    return images.cpu(), labels.float().cpu()


def table(
    rows: list[list[Tensor | None]],
    columns: Sequence[str],
    heads: Sequence[str] | None,
    scale: int | None,
    notes: list[list[str] | None] | None = None,
    title: str | None = None,
) -> Image.Image:
    """Tiles in a grid with a text over each column and, if given, before each row, on each tile, over all."""
    size = next(t for row in rows for t in row if t is not None).shape[-1]
    scale = scale or max(1, min(128, 960 // len(columns)) // size)
    tile = size * scale
    font = ImageFont.load_default(max(11, min(14, tile // 6)))
    line = round(font.size * 1.25)
    head = 0 if title is None else round(line * 1.3)
    top = head + line * max(text.count("\n") + 1 for text in columns) + GAP
    left = 0 if heads is None else round(max(font.getlength(text) for text in heads)) + 2 * GAP
    page = Image.new("RGB", (left + len(columns) * (tile + GAP) + GAP, top + len(rows) * (tile + GAP)), PAPER)
    draw = ImageDraw.Draw(page)
    if title is not None:
        draw.text((left + GAP, GAP), title, fill=INK, font=_fit(title, font, page.width - left - 2 * GAP))
    for c, text in enumerate(columns):
        middle = left + GAP + c * (tile + GAP) + tile / 2
        lines = text.split("\n")
        for k, words in enumerate(lines):  # the last line sits on the tiles, whatever the number of lines
            place = (middle, top - GAP - (len(lines) - k) * line)
            draw.text(
                place, words, fill=SOFT if title else INK, font=_fit(words, font, tile + GAP), anchor="ma"
            )
    for r, row in enumerate(rows):
        y = top + r * (tile + GAP)
        if heads is not None:
            draw.text((left - GAP, y + tile / 2), heads[r], fill=SOFT, font=font, anchor="rm")
        for c, image in enumerate(row):
            if image is None:
                continue
            x = left + GAP + c * (tile + GAP)
            page.paste(to_pil(image, tile), (x, y))
            note = notes[r][c] if notes is not None and notes[r] is not None else ""
            if note == FRAME:
                draw.rectangle((x - 2, y - 2, x + tile + 1, y + tile + 1), outline=BLUE, width=3)
            elif note:
                draw.rounded_rectangle((x + 2, y + 2, x + line, y + line), 3, fill=PAPER)
                draw.text((x + 1 + line / 2, y + 1 + line / 2), note, fill=INK, font=font, anchor="mm")
    return page


def ladder(
    rows: list[list[Tensor]],
    columns: Sequence[str],
    names: Sequence[str],
    notes: list[list[str]],
    title: str,
) -> list[Image.Image]:
    """A row for every slider, a column for every strength, for `beside`: two blocks of it, as thirteen rows of five
    would be a tower."""
    cut = len(rows) if len(rows) < 6 else -(-len(rows) // 2)
    parts = [slice(0, cut), *([slice(cut, None)] if rows[cut:] else [])]
    return [
        table(rows[part], columns, names[part], 1, notes[part], " " if part.start else title)
        for part in parts
    ]


def beside(blocks: Sequence[Image.Image]) -> Image.Image:
    """Pictures in a row, their tops level."""
    page = Image.new("RGB", (sum(b.width for b in blocks), max(b.height for b in blocks)), PAPER)
    x = 0
    for block in blocks:
        page.paste(block, (x, 0))
        x += block.width
    return page


def _fit(words: str, font: Any, width: float) -> Any:
    """The font, made smaller until the words fit."""
    while font.getlength(words) > width and font.size > 8:
        font = ImageFont.load_default(font.size - 1)
    return font
