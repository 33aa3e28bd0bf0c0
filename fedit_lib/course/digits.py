"""Real handwritten digits for the first conditional GAN: scikit-learn's `load_digits`, which needs no download.

1,797 scans of 8x8 pixels with 17 grey levels (E. Alpaydin, C. Kaynak, UCI Machine Learning Repository, 1998).
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor

from fedit_lib.data import Batch
from fedit_lib.papers.icgan import CGAN, Generator, label_code
from fedit_lib.training import History, fit

NAMES = tuple(str(digit) for digit in range(10))


class Digits:
    """All 1,797 digits as `fit` wants them: images (N, 1, 16, 16) in [-1, 1], labels (N, 10), one of them 1.

    The 8x8 scans are enlarged to 16x16 (bilinear), so that the networks have two steps to make.
    """

    attributes, size, name = NAMES, 16, "digits"

    def __init__(self) -> None:
        from sklearn.datasets import load_digits  # takes a second to import: only the digits need it

        scans = load_digits()
        images = torch.from_numpy(scans.images).float()[:, None] / 8 - 1
        self.images = F.interpolate(images, size=(16, 16), mode="bilinear", align_corners=False)
        self.numbers = torch.from_numpy(scans.target).long()
        self.labels = F.one_hot(self.numbers, 10).float()

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> Digits:
        """The set on a device; this one stays where it is."""
        moved = copy.copy(self)
        moved.images, moved.labels, moved.numbers = (
            tensor.to(device) for tensor in (self.images, self.labels, self.numbers)
        )
        return moved

    def draw(self, batch_size: int, generator: torch.Generator, flip: bool = False) -> Batch:
        """A random `Batch`, with replacement. `flip` is ignored: a mirrored digit is none."""
        index = torch.randint(len(self), (batch_size,), generator=generator)
        return Batch(self.images[index], self.labels[index])


def digits_game(wrong_y: bool = True, width: int = 16, lr: float = 1e-3) -> CGAN:
    """A cGAN for the digits: the paper's G and D with one channel, 16 pixels and few layers."""
    return CGAN(
        NAMES,
        size=16,
        channels=1,
        z_dim=20,
        g_width=width,
        d_width=width,
        wrong_y=wrong_y,
        lr=lr,
        ema_decay=0.99,
    )


def train_digits(
    steps: int = 600, wrong_y: bool = True, seed: int = 0, batch_size: int = 64, **options: object
) -> tuple[CGAN, History]:
    """Trains `digits_game`; returns it with its averaged weights in the generator, and the log of the training.

    options: of `fit`, for instance progress=False.
    """
    torch.manual_seed(seed)
    game = digits_game(wrong_y)
    options = {"device": "cpu", "log_every": 20, **options}
    history = fit(game, Digits(), steps=steps, batch_size=batch_size, seed=seed, flip=False, **options)
    with torch.no_grad():
        game.generator.load_state_dict(game.averaged_networks()["generator"].state_dict())
    game.ema = None
    return game.eval(), history


@torch.no_grad()
def draw_digits(generator: Generator, numbers: Tensor, seed: int = 0) -> Tensor:
    """Generated digits: numbers (B,), 0 to 9 -> images (B, 1, 16, 16) in [-1, 1], where the generator is.

    The same seed gives the same z.
    """
    device = next(generator.parameters()).device
    random = torch.Generator().manual_seed(seed)
    z = torch.randn(len(numbers), generator.z_dim, generator=random)
    return generator.eval()(z.to(device), label_code(F.one_hot(numbers, 10).float()).to(device))


class DigitReader:
    """Says which digit an image shows: the nearest real scans decide (k = 5), after the mean over 2x2 pixels.

    images: it learns from these, (N, 1, 16, 16), numbers (N,). A plain judge that no GAN has seen.
    """

    def __init__(self, digits: Digits, neighbours: int = 5) -> None:
        from sklearn.neighbors import KNeighborsClassifier

        self.model = KNeighborsClassifier(neighbours)
        self.model.fit(self._features(digits.images), digits.numbers.cpu().numpy())

    @staticmethod
    def _features(images: Tensor):  # type: ignore[no-untyped-def]
        return F.avg_pool2d(images, 2).flatten(1).cpu().numpy()

    def __call__(self, images: Tensor) -> Tensor:
        """Images (B, 1, 16, 16) in [-1, 1] -> digits (B,), 0 to 9."""
        return torch.from_numpy(self.model.predict(self._features(images))).long().to(images.device)
