"""SaGAN: Generative Adversarial Network with Spatial Attention for Face Attribute Editing (Zhang et al., ECCV 2018).

The idea. To put glasses on a face, a generator should touch the eyes and leave the rest; but one that redraws the
whole picture touches all of it. So the two questions get a network each. *How* should the face change? The attribute
manipulation network (AMN) answers with a whole new picture. *Where*? The spatial attention network (SAN) answers with
a mask. Only where the mask is open does the new picture show; elsewhere the old one stays, to the last pixel.

    I_a     = F_m(I, c)                     I: a face, c: the wanted attribute, F_m: the AMN
    b       = F_a(I), in [0, 1]             F_a: the SAN, which is not told c
    G(I, c) = I_a * b + I * (1 - b)

"Spatial attention", not *self*-attention: the SAGAN of Zhang, Goodfellow et al. is another paper.

No term punishes an open mask. It closes because lambda_2 asks for the same face when the attribute is the face's own
(c = c_g), which is easiest with the old pixels; and opens because the classifier must see the new attribute. Either
can be taken away here: `lambda_2=0.0`, `mask=False`.

The file reads like the paper: networks, loss terms, the game between the players, sizes, the trained editor.

Where the paper, the accounts and the codes disagree, and what is done here:

- One model an attribute, which turns it on *and* off (c = 1 - c_g); some accounts have a model a direction. An editor
  of several attributes applies several models in turn.
- Accounts speak of softmax heads. For one binary attribute a sigmoid is what is meant.
- The stride-2 convolutions are written "3x3" in some tables. The published 6.11 million parameters a network are those
  of 4x4 ones, down and up. Here: 4x4.
- The critic gives a map of scores, one a patch. The codes from which this recipe descends (StarGAN, Choi et al., 2018)
  differentiate the *sum* of the map in the gradient penalty, which ties the permitted slope to the number of patches.
  Here: the mean.
- An instance norm subtracts each channel's mean over the picture, and an attribute that enters as a constant channel
  *is* such a mean: after the first convolution and its norm it is left only near the border, where the zero padding
  makes it uneven. `first_norm=False` leaves the norm out of the first layer of the AMN; the paper keeps it.
- The paper edits with c = 0 or 1. A slider between them is this course's (see `SaGANEditor`).
- Only this course keeps a running average (EMA) of the generator, and only at course size.

The baseline that it argues against (ResGAN, Shen & Liu 2017) adds a residual, which an L1 penalty keeps sparse:
`residual=True` trains it in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fedit_lib.data import Batch
from fedit_lib.nn import (
    c7_block,
    check_size,
    conv_block,
    critic_loss,
    generator_loss,
    gradient_penalty,
    residual_block,
    tile_labels,
    up_block,
)
from fedit_lib.papers.common import Weights, build_game, check_batch, check_name, check_range, loaded, runs_of
from fedit_lib.papers.editor import InTurnEditor
from fedit_lib.training import Game, Player, Profile

TITLE = "SaGAN"
CITATION = (
    "G. Zhang, M. Kan, S. Shan, X. Chen. Generative Adversarial Network with Spatial Attention for Face Attribute "
    "Editing. European Conference on Computer Vision (ECCV), 2018."
)
ATTRIBUTES = ("Eyeglasses",)  # one model an attribute
KEEP_BEST: str | None = None  # keep the last average: early ones rebuild best and edit least


# ---------------------------------------------------------------------------------------------- networks


def hourglass(
    channels_in: int,
    channels_out: int,
    act: str,
    width: int,
    depth: int,
    blocks: int,
    first_norm: bool = True,
) -> nn.Sequential:
    """The body that AMN and SAN share: (B, channels_in, S, S) -> (B, channels_out, S, S).

    c7s1-width, `depth` stride-2 convolutions that double the channels, `blocks` residual blocks, as many stride-2
    transposed convolutions, c7s1 with the activation `act`. Instance norm and ReLU between.
    """
    channels = [width * 2**i for i in range(depth + 1)]
    return nn.Sequential(
        c7_block(channels_in, width, norm="instance" if first_norm else "none"),
        *(conv_block(c, 2 * c, norm="instance", act="relu") for c in channels[:-1]),
        *(residual_block(channels[-1]) for _ in range(blocks)),
        *(up_block(2 * c, c, norm="instance", act="relu") for c in reversed(channels[:-1])),
        c7_block(width, channels_out, norm="none", act=act),
    )


class AMN(nn.Module):
    """F_m: x (B, 3, S, S) in [-1, 1] and the attribute c (B, 1) -> I_a (B, 3, S, S) in [-1, 1]. The *how*.

    The attribute is a fourth channel, constant over the picture.
    """

    def __init__(self, width: int, depth: int, blocks: int, first_norm: bool = True) -> None:
        super().__init__()
        self.layers = hourglass(4, 3, "tanh", width, depth, blocks, first_norm)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        return self.layers(tile_labels(x, c))


class SAN(nn.Module):
    """F_a: x (B, 3, S, S) -> the mask b (B, 1, S, S) in [0, 1]. The *where*; it does not know c."""

    def __init__(self, width: int, depth: int, blocks: int) -> None:
        super().__init__()
        self.layers = hourglass(3, 1, "sigmoid", width, depth, blocks)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Discriminator(nn.Module):
    """D: x (B, 3, S, S) -> scores of patches (B, 1, s, s) with s = S / 2^depth, attribute logit (B, 1).

    `depth` convolutions 4x4, stride 2, doubling from `width`, leaky ReLU of slope .01, no norm; two heads, each one
    convolution: "src" over the patches, "cls" over the whole map.
    """

    def __init__(self, size: int, width: int, depth: int) -> None:
        super().__init__()
        channels = [3, *(width * 2**i for i in range(depth))]
        self.body = nn.Sequential(
            *(conv_block(i, o, norm="none", act="leaky", slope=0.01) for i, o in pairwise(channels))
        )
        self.src = nn.Conv2d(channels[-1], 1, 3, padding=1, bias=False)
        self.cls = nn.Conv2d(channels[-1], 1, size // 2**depth, bias=False)
        for (
            layer
        ) in self.body:  # without a norm, torch's default would let signal and gradient fade layer by layer
            nn.init.kaiming_normal_(layer[0].weight, a=0.01)

    def score(self, x: Tensor) -> Tensor:
        """D_src(x) alone, the mean over the patches: (B,)."""
        return self.src(self.body(x)).mean((1, 2, 3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(x)
        return self.src(features), self.cls(features).flatten(1)


# -------------------------------------------------------------------------------------------- loss terms


def blend(images: Tensor, content: Tensor, mask: Tensor) -> Tensor:
    """G(I, c) = I_a * b + I * (1 - b): images and content (B, 3, S, S), mask (B, 1, S, S) in [0, 1]."""
    return content * mask + images * (1 - mask)


def classification_loss(logits: Tensor, c: Tensor) -> Tensor:
    """L_cls = -log D_cls(c | I): binary cross-entropy of logits (B, 1) with the attribute c (B, 1), meaned."""
    return F.binary_cross_entropy_with_logits(logits.float(), c)


def reconstruction_loss(images: Tensor, reconstruction: Tensor) -> Tensor:
    """||I - I'||_1, meaned over everything: of the way there and back (lambda_1), and of c = c_g (lambda_2)."""
    return F.l1_loss(reconstruction.float(), images)


# ---------------------------------------------------------------------------------------------- the game


class SaGAN(Game):
    """The game: a critic (D) against a generator (AMN and SAN), for *one* attribute. Paper size by default.

    attributes: the one name, alone or in a list. size: pixels, a multiple of 2^depth and of 2^d_depth.
    width, depth, blocks: of the AMN and the SAN, see `hourglass`; san_width: of the SAN (default: `width`).
    first_norm: instance norm in the AMN's first layer. d_width, d_depth: of the critic.
    critic_moves: moves of the critic to one of the generator. lr: learning rate; critic_lr: that of the critic, or None
    for the same; lr_drop: the part of the training after which they fall to a tenth (1: never). warmup: the part in
    which the critic learns to classify real faces and nothing else moves; hold: the part until which lambda_2 stays at
    lambda_2_open; ramp: the part at whose end it has risen from there to lambda_2 (0: it stands at once). cls_g, cls_d:
    weights of the classification on edits and on real faces; lambda_1: of the face after an edit and back; lambda_2: of
    the face with its own attribute; gp: of the gradient penalty. noise: standard deviation of the Gaussian
    noise on every picture whose attribute D is asked (an addition of this course, see `LAPTOP`).
    mask: False leaves the SAN out, G = F_m. residual: True is the baseline, G = I + 2 F_m clamped to [-1, 1] (F_m ends
    in a tanh, and black can become white), without a mask, and with `sparsity` times the mean absolute residual of the
    edit.
    ema_decay: decay of the running average of the generator, or None. An addition of this course.

    Raises ValueError for several attributes (one model an attribute), or a size or number that cannot be.
    """

    def __init__(
        self,
        attributes: Sequence[str] = ATTRIBUTES,
        size: int = 128,
        width: int = 32,
        depth: int = 3,
        blocks: int = 4,
        san_width: int | None = None,
        first_norm: bool = True,
        d_width: int = 32,
        d_depth: int = 6,
        critic_moves: int = 3,
        lr: float = 2e-4,
        critic_lr: float | None = None,
        lr_drop: float = 1.0,
        warmup: float = 0.0,
        hold: float = 0.0,
        ramp: float = 0.0,
        cls_g: float = 1.0,
        cls_d: float = 1.0,
        lambda_1: float = 20.0,
        lambda_2: float = 100.0,
        lambda_2_open: float = 0.0,
        gp: float = 10.0,
        noise: float = 0.0,
        mask: bool = True,
        residual: bool = False,
        sparsity: float = 5.0,
        ema_decay: float | None = None,
    ) -> None:
        super().__init__()
        attribute = check_name(attributes, TITLE)
        check_size(size, depth)
        check_size(size, d_depth, smallest=1)
        check_range(1, width=width, depth=depth, san_width=san_width, d_width=d_width, d_depth=d_depth)
        check_range(1, critic_moves=critic_moves)
        check_range(0, 1, lr_drop=lr_drop, warmup=warmup, hold=hold, ramp=ramp)
        if max(warmup, hold) > ramp and (ramp, hold) != (0, 0):
            raise ValueError(
                f"warmup is {warmup}, hold {hold} and ramp {ramp}: the ramp ends after the other two, or is 0"
            )
        check_range(0, blocks=blocks, cls_g=cls_g, cls_d=cls_d, lambda_1=lambda_1, lambda_2=lambda_2, gp=gp)
        check_range(0, lambda_2_open=lambda_2_open, sparsity=sparsity, noise=noise)
        mask = mask and not residual
        san_width = width if san_width is None else san_width
        self._config = {
            "attributes": [attribute],
            "size": size,
            "width": width,
            "depth": depth,
            "blocks": blocks,
            "san_width": san_width,
            "first_norm": first_norm,
            "d_width": d_width,
            "d_depth": d_depth,
            "critic_moves": critic_moves,
            "lr": lr,
            "critic_lr": critic_lr,
            "lr_drop": lr_drop,
            "warmup": warmup,
            "hold": hold,
            "ramp": ramp,
            "cls_g": cls_g,
            "cls_d": cls_d,
            "lambda_1": lambda_1,
            "lambda_2": lambda_2,
            "lambda_2_open": lambda_2_open,
            "gp": gp,
            "noise": noise,
            "mask": mask,
            "residual": residual,
            "sparsity": sparsity,
            "ema_decay": ema_decay,
        }
        self.attributes, self.size, self.residual = (attribute,), size, residual
        self.lr, self.critic_lr = lr, lr if critic_lr is None else critic_lr
        self.lr_drop, self.ema_decay = lr_drop, ema_decay
        self.cls_g, self.cls_d, self.gp, self.noise = cls_g, cls_d, gp, noise
        self.lambda_1, self.sparsity = lambda_1, sparsity
        self.lambda_2, self.lambda_2_open = lambda_2, lambda_2_open
        self.critic_moves, self.warmup, self.hold, self.ramp = critic_moves, warmup, hold, ramp
        self.set_progress(0.0)
        self.amn = AMN(width, depth, blocks, first_norm)
        self.san = SAN(san_width, depth, blocks) if mask else None
        self.discriminator = Discriminator(size, d_width, d_depth)

    def set_progress(self, progress: float) -> None:
        """Who moves now, and lambda_2 now: before `warmup` the critic alone; lambda_2 rises from `hold` to `ramp`."""
        self.warming = progress < self.warmup
        self.turns = ("critic",) * self.critic_moves + (() if self.warming else ("generator",))
        start = max(self.warmup, self.hold)
        if progress >= self.ramp:
            rise = 1.0
        else:
            rise = 0.0 if progress < start else (progress - start) / (self.ramp - start)
        self.lambda_2_now = self.lambda_2_open + rise * (self.lambda_2 - self.lambda_2_open)

    def players(self) -> list[Player]:
        painters, betas = tuple(self.inference_networks().values()), (0.5, 0.999)
        return [
            Player("critic", (self.discriminator,), self.critic_loss, lr=self.critic_lr, betas=betas),
            Player("generator", painters, self.generator_loss, lr=self.lr, betas=betas),
        ]

    def generate(self, images: Tensor, c: Tensor, mask: Tensor | None = None) -> Tensor:
        """G(I, c): images (B, 3, S, S), c (B, 1) -> the same shape. mask: F_a(I), if it is known already."""
        content = self.amn(images, c)
        if self.residual:
            return (images + 2 * content).clamp(
                -1, 1
            )  # black can become white: a residual reaches from -2 to 2
        if self.san is None:
            return content
        return blend(images, content, self.san(images) if mask is None else mask)

    def judge(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """D_src(x) (B,), meaned over the patches, and D_cls (B, 1) of x under `noise`, where faint patterns drown."""
        if not self.noise:
            scores, logits = self.discriminator(x)
            return scores.mean((1, 2, 3)), logits
        return self.discriminator.score(x), self.discriminator(x + self.noise * torch.randn_like(x))[1]

    def critic_loss(self, batch: Batch) -> dict[str, Tensor]:
        """L^D = L_src^D + gp GP + L_cls^D: WGAN-GP, and the attribute of *real* faces   (paper: 10, 1)."""
        images, c_g = self._check(batch)
        if self.warming:
            return {"cls": self.cls_d * classification_loss(self.judge(images)[1], c_g)}
        with torch.no_grad():  # the generator does not move now
            edited = self.generate(images, 1 - c_g)
        score_real, logits = self.judge(images)
        score_fake = self.discriminator.score(edited)
        return {
            "adv": critic_loss(score_real.float(), score_fake.float()),
            "gp": self.gp * gradient_penalty(self.discriminator.score, images, edited),
            "cls": self.cls_d * classification_loss(logits, c_g),
        }

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """L^G = L_src^G + cls_g L_cls^G + lambda_1 ||I - G(G(I, c), c_g)|| + lambda_2 ||I - G(I, c_g)||   (1, 20, 100).

        "_open" in the log is the mean of the mask: the part of the picture that may change.
        """
        images, c_g = self._check(batch)
        c = 1 - c_g
        mask = (
            None if self.san is None else self.san(images)
        )  # it does not know c: one mask for both directions
        edited = self.generate(images, c, mask)
        scores, logits = self.judge(edited)
        terms = {
            "adv": generator_loss(scores.float()),
            "cls": self.cls_g * classification_loss(logits, c),
        }
        if self.lambda_1:
            terms["back"] = self.lambda_1 * reconstruction_loss(images, self.generate(edited, c_g))
        if self.lambda_2 or self.lambda_2_open:
            terms["own"] = self.lambda_2_now * reconstruction_loss(images, self.generate(images, c_g, mask))
        if self.residual:
            terms["sparse"] = self.sparsity * reconstruction_loss(images, edited)
        if mask is not None:
            terms["_open"] = mask.float().mean()
        return terms

    def _check(self, batch: Batch) -> Batch:
        return check_batch(batch, self.attributes, self.size)

    def lr_scale(self, progress: float) -> float:
        """1 until `lr_drop` of the training is done, then a tenth. (The paper: always 1.)"""
        return 1.0 if progress < self.lr_drop else 0.1

    def inference_networks(self) -> dict[str, nn.Module]:
        """{"amn": ..., "san": ...}; without a mask there is no SAN."""
        return {"amn": self.amn} | ({} if self.san is None else {"san": self.san})

    def config(self) -> dict[str, Any]:
        return {**self._config, "attributes": list(self.attributes)}


# ------------------------------------------------------------------------------------------------- sizes

# Course size: narrow layers at 64 px, a higher rate with an average of the weights, and a training in three steps, for
# some thousands of rounds are all there is. (1) Until `warmup` the critic learns to see the attribute; before it does,
# "cls" tells the generator nothing, while lambda_2 closes the mask: a trial without this start, without the ramp and
# with torch's default weights in the critic had a closed mask after 100 rounds and a critic at chance. (2) Until `hold`
# lambda_2 is low and the mask open; (3) until `ramp` it rises, and the mask closes around what has been learned. (2) is
# how the weights that ship were trained, and no more: side by side with a run without it there was nothing to choose
# (notebook 4_sagan/02). What the edits gain they gain with the rounds.
# cls_g is three times the paper's, whose generator has far more rounds to hear a whisper. The attribute keeps its way
# into the AMN (first_norm, see above). The critic learns three times as fast as the generator: after 800 moves alone it
# saw .72 of Smiling at a rate of 3e-4 and under a noise of .3, .84 at 1e-3, .91 at 1e-3 and .15. Without noise the
# generator fooled it at once, by patterns of a few grey levels. (No log of these trials is kept.)
LAPTOP = {
    "width": 12,
    "san_width": 8,
    "depth": 2,
    "blocks": 3,
    "first_norm": False,
    "d_width": 16,
    "d_depth": 4,
    "critic_moves": 2,
    "lr": 3e-4,
    "critic_lr": 1e-3,
    "lr_drop": 0.93,
    "warmup": 0.1,
    "hold": 0.55,
    "ramp": 0.6,
    "cls_g": 3.0,
    "lambda_2": 150.0,
    "lambda_2_open": 8.0,
    "noise": 0.15,
    "ema_decay": 0.998,
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
        options={**LAPTOP, "width": 8, "blocks": 1, "d_width": 8, "d_depth": 3, "warmup": 0.0},
    ),
    "laptop": Profile(
        name="laptop",
        size=64,
        steps=6_000,
        batch_size=16,
        faces=8_000,
        checkpoint_every=100,
        log_every=20,
        options=LAPTOP,
    ),
    # the recipe gives no length: 40 epochs of CelebA's 162,770 training images, 16 a move, four moves a step
    "paper": Profile(
        name="paper",
        size=128,
        steps=40 * 162_770 // 16 // 4,
        batch_size=16,
        faces=162_770,
        checkpoint_every=1_000,
        log_every=100,
        options={},
    ),
}


def build(
    profile: str | Profile = "laptop", attributes: Sequence[str] | None = None, **overrides: Any
) -> SaGAN:
    """A fresh game of a profile ("smoke", "laptop", "paper"), with any constructor argument overridden."""
    return build_game(SaGAN, PROFILES, profile, ATTRIBUTES if attributes is None else attributes, overrides)


# ---------------------------------------------------------------------------------------------- the editor


class OneAttribute(nn.Module):
    """A trained G of one attribute: AMN, and SAN if it has one."""

    def __init__(self, config: Mapping[str, Any], networks: Mapping[str, Weights]) -> None:
        super().__init__()
        shape = {key: config[key] for key in ("depth", "blocks")}
        self.residual = config["residual"]
        amn = AMN(config["width"], first_norm=config["first_norm"], **shape)
        self.amn = loaded(amn, networks["amn"])
        self.san = loaded(SAN(config["san_width"], **shape), networks["san"]) if config["mask"] else None

    def forward(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, 3, S, S), c (B, 1) -> content (B, 3, S, S) and mask (B, 1, S, S); without a SAN the mask is all 1."""
        content = self.amn(x, c)
        if self.residual:
            content = (x + 2 * content).clamp(-1, 1)
        return content, torch.ones_like(x[:, :1]) if self.san is None else self.san(x)


class SaGANEditor(InTurnEditor):
    """Trained models, one an attribute, behind the editor's interface; several edit one after another.

    A strength is a scale of the mask. With the step s = target - label, the wanted direction c (1 if s > 0, else 0):

        I' = I + |s| * b * (F_m(I, c) - I)

    so that |s| = 1 is the paper's G(I, c), |s| = 0.5 opens the mask half as far, and |s| > 1 exaggerates (clamped to
    [-1, 1]). The networks have only ever seen c = 0 and c = 1, and are asked nothing else.
    """

    def __init__(self, models: Mapping[str, OneAttribute], **facts: Any) -> None:
        masked = any(model.san is not None for model in models.values())
        super().__init__(masked=masked, networks=models, **facts)

    def reconstruct(self, images: Tensor, labels: Tensor) -> Tensor:
        """The faces redrawn by *every* model in turn, each asked for the attribute that the face has: G(I, c_g).

        (An edit to the own labels asks no model and would be perfect for free.) Arguments and result as in `edit`.
        """
        images, labels, _ = self._check(images, labels, labels)
        return self._in_chunks(self._redraw, images, labels)

    def _turn(
        self, attribute: str, images: Tensor, label: Tensor, target: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        s = (target - label)[:, None, None, None]
        painted, mask = self.networks[attribute](images, (target > label).float()[:, None])
        return (images + s.abs() * mask * (painted - images)).clamp(-1, 1), mask, painted

    def _redraw(self, images: Tensor, labels: Tensor) -> Tensor:
        for k, attribute in enumerate(self.attributes):
            painted, mask = self.networks[attribute](images, (labels[:, k : k + 1] > 0.5).float())
            images = blend(images, painted, mask)
        return images


def editor(networks: Mapping[str, Weights], receipt: Mapping[str, Any], device: str = "cpu") -> SaGANEditor:
    """An editor from trained weights, each a network or its state dict; they are copied.

    Of one run: {"amn": ..., "san": ...} and at least {"config": game.config()}. Of several, as `fedit export` joins
    them: {"Eyeglasses.amn": ..., "Eyeglasses.san": ..., ...} and {"runs": {"Eyeglasses": {"config": ...}, ...}}.
    """
    runs = runs_of(networks, receipt)
    return SaGANEditor(
        {attribute: OneAttribute(config, given) for attribute, (config, given) in runs.items()},
        name=TITLE,
        attributes=list(runs),
        size=next(iter(runs.values()))[0]["size"],
        receipt=dict(receipt),
        device=device,
    )
