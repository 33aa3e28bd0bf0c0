"""What a trained model offers, whichever paper it comes from: edit, reconstruct, attention.

`Editor` holds what all of this library's editors share. Nobody needs to inherit it: the evaluation and the widgets
take any object with the same methods, so a model of one's own joins the leaderboard as it is.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn

from fedit_lib.data import check_images, check_labels
from fedit_lib.nn import count_parameters
from fedit_lib.training.support import check_device

CHUNK = 64  # faces a pass: bounds the memory, whatever the batch
LOWEST, HIGHEST = -1.0, 2.0  # strengths: 0 absent, 1 present, outside that exaggerated


class Editor:
    """Trained networks that edit the attributes of faces. A paper's editor says how in `_edit`.

    name: for people to read. attributes: what it edits, in the order of all its label columns. size: of its
    images, in pixels. receipt: where the weights come from. networks: by name; kept in eval mode.
    """

    def __init__(
        self,
        name: str,
        attributes: Sequence[str],
        size: int,
        networks: Mapping[str, nn.Module],
        receipt: Mapping[str, Any] | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.name, self.attributes, self.size = name, tuple(attributes), int(size)
        self.receipt = dict(receipt or {})
        self.networks = {key: network.eval().requires_grad_(False) for key, network in networks.items()}
        self.to(device)

    def edit(self, images: Tensor, labels: Tensor, target: Tensor) -> Tensor:
        """The faces with the target attributes.

        images: float (B, 3, size, size) in [-1, 1]. labels: float (B, n) in [0, 1], the attributes that they have.
        target: float (B, n) strengths, 0 absent to 1 present; from -1 to 2, outside 0..1 exaggerated.
        Returns float (B, 3, size, size) in [-1, 1], on the images' device. Raises ValueError for another shape,
        range or dtype, TypeError for what is no tensor.
        """
        images, labels, target = self._check(images, labels, target)
        return self._in_chunks(self._edit, images, labels, target)

    def reconstruct(self, images: Tensor, labels: Tensor) -> Tensor:
        """The faces redrawn with the attributes that they have; arguments and result as in `edit`."""
        return self.edit(images, labels, labels)

    def attention(self, images: Tensor, labels: Tensor, target: Tensor) -> Tensor | None:
        """Where the edit takes place, (B, 1, size, size) in [0, 1]; None for a model without attention."""
        return None

    def target(self, labels: Tensor, **strengths: float) -> Tensor:
        """A copy of labels (B, n) with some attributes set: `editor.target(labels, Smiling=1.0, Bangs=0.0)`.

        Other attributes are left, exclusive ones too: for black hair instead of blond set both. Raises ValueError for
        an attribute that it does not edit, labels of another shape or a strength that is no number from -1 to 2.
        """
        check_labels(
            labels, self.attributes, len(labels) if isinstance(labels, Tensor) and labels.ndim else 0
        )
        target = labels.clone().float()
        for name, strength in strengths.items():
            column = self.column(name)
            try:
                target[:, column] = torch.as_tensor(strength, dtype=target.dtype)
            except (TypeError, ValueError, RuntimeError) as error:
                raise ValueError(
                    f"{name} is set to {strength!r}; a strength is a number, 0 absent to 1 present (or one a face)"
                ) from error
        check_target(target, self.attributes, len(target))
        return target

    def column(self, attribute: str) -> int:
        """The label column of an attribute. Raises ValueError, with the names that it has, for an unknown one."""
        if attribute not in self.attributes:
            close = get_close_matches(str(attribute), self.attributes, 1, 0.5)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise ValueError(
                f"{self.name} does not edit {attribute!r}{hint}; it edits {', '.join(self.attributes)}"
            )
        return self.attributes.index(attribute)

    def to(self, device: str | torch.device) -> Editor:
        """Move the networks to a device ("auto" for the best there is). Returns itself."""
        self.device = pick_device(device)
        for network in self.networks.values():
            network.to(self.device)
        return self

    def parameters_count(self) -> int:
        """How many learned numbers the editor needs."""
        return count_parameters(*self.networks.values())

    def __repr__(self) -> str:
        return f"Editor({self.name}, {len(self.attributes)} attributes, {self.size} px)"

    def _edit(self, images: Tensor, labels: Tensor, target: Tensor) -> Tensor:
        """One checked chunk on the editor's device; a paper's editor overrides it."""
        raise NotImplementedError

    def _check(self, images: Tensor, labels: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        check_images(images, self.size)
        check_labels(labels, self.attributes, len(images))
        check_target(target, self.attributes, len(images))
        return images.float(), labels.float(), target.float()

    def _in_chunks(self, function: Any, images: Tensor, *columns: Tensor) -> Tensor:
        # no_grad rather than inference_mode: what comes out may be used in someone's own training
        with torch.no_grad():
            parts = [
                function(*(tensor[i : i + CHUNK].to(self.device) for tensor in (images, *columns))).to(
                    images.device
                )
                for i in range(0, len(images), CHUNK)
            ]
        return torch.cat(parts) if parts else torch.empty_like(images)


class InTurnEditor(Editor):
    """Models of one attribute each, which paint under a mask, as one editor of several attributes.

    An edit applies, in the order of `attributes`, the models of those attributes whose target differs from the label;
    each gets what the one before made. The others are not asked, so what is not wanted costs nothing. A paper's editor
    says in `_turn` how one of them edits. masked: False for models that have no mask.
    """

    def __init__(self, masked: bool, **facts: Any) -> None:
        super().__init__(**facts)
        self.masked = masked

    def attention(self, images: Tensor, labels: Tensor, target: Tensor) -> Tensor | None:
        """Where `edit` takes place, (B, 1, size, size) in [0, 1]: the union (maximum) of the masks of the models asked.

        Whatever the strengths; 0 for a face of which nothing is asked; None without masks. Arguments as in `edit`.
        """
        if not self.masked:
            return None
        images, labels, target = self._check(images, labels, target)
        return self._in_chunks(lambda *columns: self._walk(*columns)[1], images, labels, target)

    def content(self, images: Tensor, labels: Tensor, target: Tensor) -> Tensor:
        """What is painted before the mask is applied, (B, 3, size, size) in [-1, 1], by the last model asked.

        A face of which nothing is asked comes back as it is. Arguments as in `edit`.
        """
        images, labels, target = self._check(images, labels, target)
        return self._in_chunks(lambda *columns: self._walk(*columns)[2], images, labels, target)

    def _edit(self, images: Tensor, labels: Tensor, target: Tensor) -> Tensor:
        return self._walk(images, labels, target)[0]

    def _walk(self, images: Tensor, labels: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Edited faces, union of the masks, last contents."""
        edited, union, content = images.clone(), torch.zeros_like(images[:, :1]), images.clone()
        for k, attribute in enumerate(self.attributes):
            moved = target[:, k] != labels[:, k]
            if moved.any():
                made, mask, painted = self._turn(attribute, edited[moved], labels[moved, k], target[moved, k])
                edited[moved], content[moved] = made, painted
                union[moved] = torch.maximum(union[moved], mask)
        return edited, union, content

    def _turn(
        self, attribute: str, images: Tensor, label: Tensor, target: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One attribute of faces (b, 3, S, S) from label (b,) to another target (b,): faces, masks, contents."""
        raise NotImplementedError


def device_of(editor: Any) -> torch.device:
    """Where an editor, somebody's own too, is asked: on the device that it names, so that it need not move data.

    Raises ValueError for a device that torch does not know.
    """
    device = getattr(editor, "device", None) or "cpu"
    try:
        return torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"{type(editor).__name__}.device is {device!r}, which torch does not know: 'cpu', 'cuda', 'cuda:1', 'mps'"
        ) from error


def size_of(editor: Any) -> int:
    """The side in pixels of the pictures that an editor, somebody's own too, takes; 64 if it does not say.

    Raises ValueError for what is no whole number of pixels.
    """
    size = getattr(editor, "size", 64)
    try:
        return operator.index(size)
    except TypeError as error:
        raise ValueError(
            f"{type(editor).__name__}.size is {size!r}; it must be a whole number of pixels, such as 64"
        ) from error


def check_target(target: Tensor, attributes: Sequence[str], batch: int) -> None:
    """Raise TypeError or ValueError unless target is a floating (batch, n) tensor of strengths in [-1, 2]."""
    if not isinstance(target, Tensor):
        raise TypeError(
            f"target must be a torch tensor, not {type(target).__name__}: torch.as_tensor(...) makes one"
        )
    if not target.is_floating_point():
        raise ValueError(f"target must be floats, the strengths, not {target.dtype}: use target.float()")
    if tuple(target.shape) != (batch, len(attributes)):
        raise ValueError(
            f"target has shape {tuple(target.shape)}, expected ({batch}, {len(attributes)}): a row a face, "
            f"a column an attribute ({', '.join(attributes)})"
        )
    wrong = ~((target >= LOWEST) & (target <= HIGHEST))  # so written, NaN is wrong too
    if wrong.any():
        row, column = (int(i) for i in wrong.nonzero()[0])
        raise ValueError(
            f"target strength {float(target[row, column]):g} of {attributes[column]} (face {row}) is outside "
            f"[{LOWEST:g}, {HIGHEST:g}]: 0 is absent, 1 is present"
        )


def pick_device(device: str | torch.device = "auto") -> torch.device:
    """The device of that name; "auto" takes CUDA, then Apple's MPS, then the CPU.

    Raises ValueError for one that this machine does not have.
    """
    if device != "auto":
        check_device(device)
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
