"""Fader Networks: Manipulating Images by Sliding Attributes (Lample et al., NIPS 2017).

The idea. An auto-encoder whose decoder is told the attributes will not listen as long as it can read them from the
code. So the code is made to *forget* them: a small discriminator tries to read the attributes from the code, and the
encoder is trained so that it reads the opposite. What the code no longer knows the decoder must take from its second
input, and that is a slider. No network ever judges a picture; the pictures are as sharp as squared error makes them.

    z    = E(x)                     x: a face, y: its attributes, z: a code that should not know y
    x'   = D(z, y)                  the reconstruction
    x''  = D(z, y*)                 the edit: any y*, not only 0 or 1
    P(y | z)                        what the latent discriminator reads from the code

    L_AE(E, D)      = mean ||D(E(x), y) - x||^2
    L_dis(P | E)    = -log P(y | E(x))
    L(E, D | P)     = L_AE - lambda_E log P(1 - y | E(x))

The file reads like the paper: networks, loss terms, the game between the players, sizes, the trained editor.

Where the paper, the accounts and the released code disagree, and what is done here:

- lambda_E rises linearly from 0 to 0.0001 over the first 500,000 steps, then stays. (One account says "0.0001 more
  each epoch", which is wrong by orders of magnitude.) Here: linearly over the first `ramp` of the run, whatever its
  length.
- The paper's encoder has seven layers from 16 channels (a 2x2 code at 256 px); the released code six from 32 (4x4).
  Both have 14.0 million parameters with the decoder. Here: either; the paper profile is the released one.
- The attributes reach the decoder as 2n constant channels, a pair (1 - y, y) an attribute, at *every* layer, the last
  included. Accounts that append them to the code only describe a weaker model.
- The discriminator's convolutions of 512 go on until one pixel is left: one for a 2x2 code, two for 4x4.
- Its answer is a softmax over two classes an attribute in the code. Here: one logit an attribute, which is the same.
- -log P is a sum over the attributes, in the paper (P of the whole vector y) and in the code. Here: the same; so more
  attributes weigh more.
- "1 - y" asks the encoder to make the discriminator certainly *wrong*, not undecided. (There is no equilibrium at
  certainly wrong, as the discriminator would only have to turn its answer round: hence undecided comes out.)
- Networks that stand still are in eval mode in the code: no dropout in the discriminator while the encoder learns,
  running averages in the encoder's batch norms while the discriminator does. Here: the same.
- Only this course keeps a running average (EMA) of encoder and decoder, and only at course size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fedit_lib.data import Batch, check_images
from fedit_lib.nn import check_size, conv_block, tile_labels, up_block
from fedit_lib.papers.common import Weights, build_game, check_batch, check_names, check_range, loaded
from fedit_lib.papers.editor import Editor
from fedit_lib.training import Game, Player, Profile

TITLE = "Fader"
CITATION = (
    "G. Lample, N. Zeghidour, N. Usunier, A. Bordes, L. Denoyer, M. Ranzato. Fader Networks: Manipulating Images by "
    "Sliding Attributes. NIPS 2017. arXiv:1706.00409."
)
ATTRIBUTES = ("Mouth_Slightly_Open", "Smiling", "Eyeglasses")
KEEP_BEST: str | None = None  # keep the last: an early auto-encoder rebuilds well, and its sliders do nothing


def widths(width: int, depth: int, widest: int = 512) -> list[int]:
    """Channels of the stride-2 layers, doubling up to `widest`: widths(16, 7) = 16, 32, 64, 128, 256, 512, 512."""
    return [min(width * 2**i, widest) for i in range(depth)]


# ---------------------------------------------------------------------------------------------- networks


class Encoder(nn.Module):
    """E: x (B, 3, S, S) in [-1, 1] -> the code z (B, C, S / 2^depth, S / 2^depth).

    `depth` convolutions 4x4, stride 2, batch norm (not in the first), leaky ReLU 0.2. It is not told the attributes.
    """

    def __init__(self, width: int, depth: int, widest: int = 512) -> None:
        super().__init__()
        sizes = [3, *widths(width, depth, widest)]
        self.layers = nn.Sequential(
            *(
                conv_block(i, o, norm="none" if first else "batch", act="leaky")
                for (i, o), first in zip(pairwise(sizes), [True] + [False] * (depth - 1), strict=True)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Decoder(nn.Module):
    """D: a code and an attribute code (B, 2n) -> image (B, 3, S, S) in [-1, 1].

    Mirrors the encoder with transposed convolutions, batch norm and ReLU; tanh last. Before every layer the attribute
    code is appended as 2n constant channels, so that no layer can do without it.
    """

    def __init__(self, attributes: int, width: int, depth: int, widest: int = 512) -> None:
        super().__init__()
        sizes = [*reversed(widths(width, depth, widest)), 3]
        told = 2 * attributes
        self.layers = nn.ModuleList(
            up_block(i + told, o, norm="batch", act="relu") for i, o in pairwise(sizes[:-1])
        )
        self.layers.append(up_block(sizes[-2] + told, 3, norm="none", act="tanh"))

    def forward(self, z: Tensor, code: Tensor) -> Tensor:
        for layer in self.layers:
            z = layer(tile_labels(z, code))
        return z


class LatentDiscriminator(nn.Module):
    """P: a code (B, C, s, s) -> a logit an attribute (B, n); its sigmoid is P(y_k = 1 | z).

    Convolutions 4x4, stride 2, of `hidden` channels until one pixel is left, each with batch norm, leaky ReLU and
    dropout; then fully connected `hidden` and n. It sees the code only, never a picture.
    """

    def __init__(
        self, attributes: int, channels: int, side: int, hidden: int = 512, dropout: float = 0.3
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        while side > 1:
            layers += [conv_block(channels, hidden, norm="batch", act="leaky"), nn.Dropout(dropout)]
            channels, side = hidden, side // 2
        self.layers = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Linear(channels, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, attributes),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


# -------------------------------------------------------------------------------------------- loss terms


def attribute_code(labels: Tensor) -> Tensor:
    """Attributes (B, n) as the decoder gets them: (B, 2n), the pairs (1 - y, y). Linear: takes strengths too."""
    return torch.stack([1 - labels, labels], dim=2).flatten(1)


def reconstruction_loss(images: Tensor, reconstruction: Tensor) -> Tensor:
    """L_AE = ||D(E(x), y) - x||^2, *meaned* over everything, as in the code. lambda_E is measured against this."""
    return F.mse_loss(reconstruction.float(), images)


def latent_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """-log P(labels | z): logits (B, n), labels (B, n); summed over the attributes, meaned over the batch.

    The discriminator minimises it for y, the encoder for 1 - y. Guessing costs log 2 = 0.69 an attribute.
    """
    return F.binary_cross_entropy_with_logits(logits.float(), labels, reduction="none").sum(1).mean()


# ---------------------------------------------------------------------------------------------- the game


class Fader(Game):
    """The game: a latent discriminator against an auto-encoder. Its networks are at paper size by default.

    attributes: their names, in the order of the batch's label columns. size: pixels, a power of two times 2^depth.
    width, depth, widest: channels of the first layer, number of stride-2 layers, most channels a layer has.
    hidden, dropout: of the latent discriminator. lr, lr_dis: learning rates of the auto-encoder and of the
    discriminator. lambda_e: the largest weight of the discriminator; ramp: the part of the training over which it
    rises from 0 (0: at once); lambda_end: the part of it that is left at the end, to which it falls by the same factor
    every round from `lr_drop` on (1: it stays). dis_moves: moves of the discriminator to one of the auto-encoder.
    lr_drop: the part of the training after which the auto-encoder's learning rate falls to a tenth (1: never). clip:
    largest norm of a gradient. ema_decay: decay of the running average of encoder and decoder, or None.

    Raises ValueError for a size, attribute list or number that cannot be.
    """

    def __init__(
        self,
        attributes: Sequence[str] = ATTRIBUTES,
        size: int = 256,
        width: int = 32,
        depth: int = 6,
        widest: int = 512,
        hidden: int = 512,
        dropout: float = 0.3,
        lr: float = 2e-4,
        lr_dis: float = 2e-4,
        lambda_e: float = 1e-4,
        ramp: float = 0.32,
        lambda_end: float = 1.0,
        dis_moves: int = 1,
        lr_drop: float = 1.0,
        clip: float = 5.0,
        ema_decay: float | None = None,
    ) -> None:
        super().__init__()
        attributes = check_names(attributes)
        check_range(1, width=width, depth=depth, widest=widest, hidden=hidden)
        check_size(size, depth)
        side = size // 2**depth
        if side & (side - 1):
            raise ValueError(
                f"size {size} and depth {depth} give a code of {side}x{side}, which cannot be halved down to one "
                f"pixel: take a size that is a power of two"
            )
        if dis_moves < 1:
            raise ValueError(f"dis_moves is {dis_moves}; it must be at least 1")
        check_range(0, lambda_e=lambda_e)
        check_range(0, 1, dropout=dropout, lr_drop=lr_drop)
        if not 0 < clip < math.inf:
            raise ValueError(f"clip is {clip}; the largest norm of a gradient must be above 0")
        if not 0 < lambda_end <= 1:
            raise ValueError(f"lambda_end is {lambda_end}; it is a part of lambda_e, above 0 and at most 1")
        if not 0 <= ramp <= 1:
            raise ValueError(f"ramp is {ramp}; it is a part of the training, from 0 to 1")
        self._config = {
            "attributes": list(attributes),
            "size": size,
            "width": width,
            "depth": depth,
            "widest": widest,
            "hidden": hidden,
            "dropout": dropout,
            "lr": lr,
            "lr_dis": lr_dis,
            "lambda_e": lambda_e,
            "ramp": ramp,
            "lambda_end": lambda_end,
            "dis_moves": dis_moves,
            "lr_drop": lr_drop,
            "clip": clip,
            "ema_decay": ema_decay,
        }
        n = len(attributes)
        self.attributes, self.size = attributes, size
        self.lr, self.lr_dis, self.clip, self.ema_decay = lr, lr_dis, clip, ema_decay
        self.lambda_e, self.lambda_end, self.ramp, self.lr_drop = lambda_e, lambda_end, ramp, lr_drop
        self.lambda_now = 0.0 if ramp else lambda_e
        self.turns = ("discriminator",) * dis_moves + ("autoencoder",)
        self.encoder = Encoder(width, depth, widest)
        self.decoder = Decoder(n, width, depth, widest)
        self.discriminator = LatentDiscriminator(n, widths(width, depth, widest)[-1], side, hidden, dropout)

    def players(self) -> list[Player]:
        adam = {"betas": (0.5, 0.999), "clip": self.clip}
        return [
            # The reader keeps its rate when the encoder slows down: only then does it see all that is still there.
            Player(
                "discriminator",
                (self.discriminator,),
                self.discriminator_loss,
                lr=self.lr_dis,
                steady=True,
                **adam,
            ),
            Player("autoencoder", (self.encoder, self.decoder), self.autoencoder_loss, lr=self.lr, **adam),
        ]

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """L_dis = -log P(y | E(x)), on the encoder as it is."""
        x, y = self._check(batch)
        self._turn(self.discriminator)
        with torch.no_grad():  # the encoder does not move now
            z = self.encoder(x)
        logits = self.discriminator(z)
        return {"dis": latent_loss(logits, y), "_reads": _right(logits, y)}

    def autoencoder_loss(self, batch: Batch) -> dict[str, Tensor]:
        """L(E, D | P) = ||D(E(x), y) - x||^2 - lambda_E log P(1 - y | E(x)), with the new discriminator."""
        x, y = self._check(batch)
        self._turn(self.encoder, self.decoder)
        z = self.encoder(x)
        rec = reconstruction_loss(x, self.decoder(z, attribute_code(y)))
        fool = latent_loss(self.discriminator(z), 1 - y)
        return {
            "rec": rec,
            "fool": self.lambda_now * fool,
            "_lambda": torch.tensor(self.lambda_now, device=x.device),
        }

    def set_progress(self, progress: float) -> None:
        """lambda_E now: up from 0 in a straight line, then constant (the paper); here it may fall in the end."""
        self.lambda_now = self.lambda_e * (min(progress / self.ramp, 1.0) if self.ramp else 1.0)
        if progress > self.lr_drop:
            self.lambda_now *= self.lambda_end ** ((progress - self.lr_drop) / (1 - self.lr_drop))

    def lr_scale(self, progress: float) -> float:
        """1 until `lr_drop` of the training is done, then a tenth, for the autoencoder. (The paper: always 1.)"""
        return 1.0 if progress < self.lr_drop else 0.1

    def rehearse(self, batch: Batch) -> None:
        """The autoencoder at work, for the statistics of the average's batch norms."""
        x, y = self._check(batch)
        self.decoder(self.encoder(x), attribute_code(y))

    def _turn(self, *moving: nn.Module) -> None:
        """Train mode for the networks that move, eval mode for the rest; `fit` puts all in train mode every round."""
        for network in (self.encoder, self.decoder, self.discriminator):
            network.train(network in moving)

    def _check(self, batch: Batch) -> Batch:
        if len(batch.images) < 2:
            raise ValueError("a batch of one face: batch norm compares faces, take a batch_size of 2 or more")
        return check_batch(batch, self.attributes, self.size)

    def inference_networks(self) -> dict[str, nn.Module]:
        return {"encoder": self.encoder, "decoder": self.decoder}

    def config(self) -> dict[str, Any]:
        return {**self._config, "attributes": list(self.attributes)}


def _right(logits: Tensor, labels: Tensor) -> Tensor:
    """The part of the labels that the discriminator reads correctly, for the log: 0.5 is guessing."""
    return ((logits > 0) == (labels > 0.5)).float().mean()


# ------------------------------------------------------------------------------------------------- sizes

# Course size: five narrow layers to a code of 2x2x192 at 64 px, an average of the weights, and a lambda_E far above
# the paper's 0.0001: the paper has 1.5 million rounds in which a whisper adds up, this run some thousands. The code
# is small and the discriminator moves six times a round because reading is slow: on the frozen 4x4x192 codes of an
# earlier run a fresh one was 64% right after 3,200 faces and 84% after 51,000, by which time an encoder has moved on.
# (Of that trial no log is kept.)
# For the same reason it keeps its rate in the last part, when the autoencoder's falls to a tenth; there lambda_E can
# fall as well, to a fortieth here, and the pictures are better for it: notebook 2_fader/02 has the figures.
LAPTOP = {
    "width": 24,
    "depth": 5,
    "widest": 192,
    "hidden": 256,
    "lr": 1e-3,
    "lr_dis": 1e-3,
    "lambda_e": 2e-2,
    "ramp": 0.1,
    "lambda_end": 0.025,
    "dis_moves": 6,
    "lr_drop": 0.8,
    "ema_decay": 0.999,
}
PROFILES = {
    "smoke": Profile(
        name="smoke",
        size=32,
        steps=3,
        batch_size=8,
        faces=64,
        checkpoint_every=2,
        log_every=1,
        options={**LAPTOP, "width": 8, "depth": 3, "hidden": 32, "dis_moves": 2},
    ),
    "laptop": Profile(
        name="laptop",
        size=64,
        steps=12_000,
        batch_size=32,
        faces=16_000,
        checkpoint_every=100,
        log_every=20,
        options=LAPTOP,
    ),
    # the released code's 1,000 "epochs" of 50,000 faces, 32 a move; lambda_E rises over the first 500,000 of them
    "paper": Profile(
        name="paper",
        size=256,
        steps=1_000 * 50_000 // 32,
        batch_size=32,
        faces=162_770,
        checkpoint_every=1_000,
        log_every=100,
        options={},
    ),
}


def build(
    profile: str | Profile = "laptop", attributes: Sequence[str] | None = None, **overrides: Any
) -> Fader:
    """A fresh game of a profile ("smoke", "laptop", "paper"), with any constructor argument overridden."""
    return build_game(Fader, PROFILES, profile, ATTRIBUTES if attributes is None else attributes, overrides)


# ---------------------------------------------------------------------------------------------- the editor


class FaderEditor(Editor):
    """A trained E and D behind the editor's interface. An edit needs no label of the face: D(E(x), y*)."""

    def __init__(self, encoder: Encoder, decoder: Decoder, **facts: Any) -> None:
        super().__init__(networks={"encoder": encoder, "decoder": decoder}, **facts)

    def latent(self, images: Tensor) -> Tensor:
        """The codes E(x), (B, C, s, s), on the images' device, for a probe to find out what they still know.

        images: float (B, 3, size, size) in [-1, 1]. Raises ValueError for another shape, range or dtype.
        """
        check_images(images, self.size)
        return self._in_chunks(self.networks["encoder"], images.float())

    def _edit(self, images: Tensor, labels: Tensor, target: Tensor) -> Tensor:
        encoder, decoder = self.networks["encoder"], self.networks["decoder"]
        return decoder(encoder(images), attribute_code(target))


def editor(networks: Mapping[str, Weights], receipt: Mapping[str, Any], device: str = "cpu") -> FaderEditor:
    """An editor from trained weights: {"encoder": ..., "decoder": ...}, each a network or its state dict.

    receipt: at least {"config": game.config()}. The weights are copied, so a game may train on meanwhile.
    """
    config = receipt["config"]
    shape = {key: config[key] for key in ("width", "depth", "widest")}
    encoder, decoder = Encoder(**shape), Decoder(len(config["attributes"]), **shape)
    for name, network in (("encoder", encoder), ("decoder", decoder)):
        loaded(network, networks[name])
    return FaderEditor(
        encoder,
        decoder,
        name=TITLE,
        attributes=config["attributes"],
        size=config["size"],
        receipt=dict(receipt),
        device=device,
    )
