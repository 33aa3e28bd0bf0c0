"""AGGAN: Attention-Guided GANs for Unsupervised Image-to-Image Translation (Tang et al., IJCNN 2019).

The idea. Two piles of pictures, X without an attribute and Y with it, and nobody who appears in both. A CycleGAN learns
to go from one to the other and back, but redraws the whole picture on the way. AGGAN's generators say *where* as well
as *what*: each gives a mask and a content, and only under the mask is anything painted. Then the discriminators should
look there too: besides the usual two, that see a picture, two more see the picture together with the mask.

    x -> [M_y, R_y]                         M: mask in [0, 1], one channel, copied to three; R: content
    G_XY(x) = R_y * M_y + x * (1 - M_y)     and the same from y, with M_x, R_x
    D_Y  tells y from G_XY(x)               D_X the same for the other pile
    D_YA tells [M_y, y] from [M_y, G_XY(x)] D_XA the same: "attention-guided"

There are no labels beyond the two piles, and one trained pair of generators edits one attribute.

The file reads like the paper: networks, loss terms, the game between the players, sizes, the trained editor.

Where the paper, the accounts and the released code disagree, and what is done here:

- The attention-guided discriminators, half of the claim, are not in the released code. Here: they are.
- D_YA gets the *same* mask with the real picture as with the made one, although the real face never had it: else the
  mask itself would give away which is which. So too when the made picture comes out of the pool: its mask comes along.
- Content: tanh in the paper, no bound in the code. Here: tanh, so that an edit is a picture whatever the mask.
- Norm: the code's batch norm sees one picture at a time (batch 1), which is instance norm while it trains, and becomes
  something else when its running averages are used. Here: instance norm, the same in training and after.
- The code's discriminator does not pad, and an image of 64 pixels is gone before its last 4x4 convolution. Here: a
  padding of 1, so that 64 pixels work.
- Total variation: the code *sums* over the pixels (of three equal channels), so its weight of 0.000001 means less at
  64 pixels than at 256: four times less for a shape, whose rim shrinks with the side, sixteen times for noise. Here: a
  sum over the pixels of one channel by default, or a mean, with `tv_reduction="mean"`.
- Seven residual blocks in one text, six in the code. Here: six, 7.9 million parameters.
- The paper weights its terms one by one; the code divides them into two groups by r and 1 - r (`set_progress`). Here:
  as in the code, with the guided terms beside the vanilla ones and of the same weight.
- Only this course keeps a running average (EMA) of the generators, and only at course size. And a strength between 0
  and 1 is this course's too (`AGGANEditor`): the paper knows two domains and nothing in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fedit_lib.data import Batch, FaceSet
from fedit_lib.nn import c7_block, check_size, conv_block, critic_loss, generator_loss, residual_block
from fedit_lib.papers.common import Weights, build_game, check_batch, check_name, check_range, loaded, runs_of
from fedit_lib.papers.editor import InTurnEditor
from fedit_lib.training import Game, Player, Profile

TITLE = "AGGAN"
CITATION = (
    "H. Tang, D. Xu, N. Sebe, Y. Yan. Attention-Guided Generative Adversarial Networks for Unsupervised Image-to-Image "
    "Translation. IJCNN 2019. arXiv:1903.12296."
)
ATTRIBUTES = ("Eyeglasses",)  # one run, one attribute; `build(profile, ["Smiling"])` for another
KEEP_BEST: str | None = None  # keep the last average: region PSNR favours edits that are not made
WIDEST = 512  # no layer of a discriminator has more channels than this


# ---------------------------------------------------------------------------------------------- networks


class Generator(nn.Module):
    """G's network: x (B, 3, S, S) in [-1, 1] -> mask M (B, 1, S, S) in [0, 1], content R (B, 3, S, S) in [-1, 1].

    c7s1-width, two convolutions 3x3 of stride 2, `blocks` residual blocks, twice up by two, and a 7x7 convolution to
    four channels, of which one becomes the mask (sigmoid) and three the content (tanh). Instance norm, ReLU.
    """

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        half, quarter = 2 * width, 4 * width
        down = {"norm": "instance", "act": "relu", "kernel": 3, "stride": 2, "padding": 1}
        self.layers = nn.Sequential(
            c7_block(3, width),
            conv_block(width, half, **down),
            conv_block(half, quarter, **down),
            *(residual_block(quarter) for _ in range(blocks)),
            shuffle_up(quarter, half),
            shuffle_up(half, width),
            c7_block(width, 4, norm="none", act="none"),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        out = self.layers(x).float()  # the paste below is exact where the mask is 0, also under autocast
        return out[:, :1].sigmoid(), out[:, 1:].tanh()


def shuffle_up(channels_in: int, channels_out: int) -> nn.Sequential:
    """(B, C, H, W) -> (B, C', 2H, 2W): 3x3 to C', 1x1 to 4C', whose fours become the pixels of a 2x2 square.

    Each with instance norm and ReLU, as in the released code. The four pixels begin alike (Aitken et al. 2017), or a
    checkerboard would have to be unlearned first.
    """
    same = {"norm": "instance", "act": "relu", "kernel": 3, "stride": 1, "padding": 1}
    spread = nn.Conv2d(channels_out, 4 * channels_out, 1)
    with torch.no_grad():
        for parameter in spread.parameters():
            parameter.copy_(parameter[::4].repeat_interleave(4, dim=0))
    return nn.Sequential(
        conv_block(channels_in, channels_out, **same),
        spread,
        nn.PixelShuffle(2),
        nn.InstanceNorm2d(channels_out, affine=True),
        nn.ReLU(),
    )


class Discriminator(nn.Module):
    """D: a picture (B, channels, S, S) -> a score a picture (B,), aimed at 1 for real and 0 for made (LSGAN).

    PatchGAN: `depth` convolutions 4x4, stride 2, doubling from `width` (instance norm but for the first), one more of
    stride 1, the mean over the patches, and a weighted sum of the channels. channels: 3, or 4 with the mask.
    """

    def __init__(self, channels: int, width: int, depth: int) -> None:
        super().__init__()
        sizes = [min(width * 2**i, WIDEST) for i in range(depth)]
        self.layers = nn.Sequential(
            conv_block(channels, sizes[0], norm="none"),
            *(conv_block(i, o, norm="instance") for i, o in pairwise(sizes)),
            conv_block(sizes[-1], sizes[-1], norm="none", stride=1),
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(sizes[-1], 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).flatten().float()


# -------------------------------------------------------------------------------------------- loss terms


def compose(x: Tensor, mask: Tensor, content: Tensor) -> Tensor:
    """G(x) = R * M + x * (1 - M): x and content (B, 3, H, W), mask (B, 1, H, W) -> (B, 3, H, W)."""
    return content * mask + x * (1 - mask)


def guided(mask: Tensor, image: Tensor) -> Tensor:
    """What D_XA and D_YA see, [M, image]: (B, 1, H, W) and (B, 3, H, W) -> (B, 4, H, W)."""
    return torch.cat([mask, image], dim=1)


def cycle_loss(image: Tensor, again: Tensor) -> Tensor:
    """||G_YX(G_XY(x)) - x||_1, meaned over everything: there and back is where one was."""
    return F.l1_loss(again, image)


def pixel_loss(image: Tensor, edited: Tensor) -> Tensor:
    """||G_XY(x) - x||_1, meaned over everything: change little."""
    return F.l1_loss(edited, image)


def tv_loss(mask: Tensor, reduction: str = "sum") -> Tensor:
    """Total variation of masks (B, 1, H, W): how far neighbouring pixels are apart, to the right and downwards.

    reduction: "sum" over the pixels, meaned over the batch, as the paper's weight of 0.000001 wants it: at twice the
    size twice as much for the same shape (its rim is twice as long), four times for noise; "mean" over the pixels: half
    as much, or the same. At 256 pixels the mean is some 130,000 times less, so that its weight must be as much larger.
    Raises ValueError for another.

    A constant mask costs nothing, 0 and 1 alike: it makes masks smooth, and only other terms make them small.
    """
    across = (mask[..., 1:] - mask[..., :-1]).abs()
    down = (mask[..., 1:, :] - mask[..., :-1, :]).abs()
    if reduction == "sum":
        return (across.sum() + down.sum()) / len(mask)
    if reduction == "mean":
        return (across.mean() + down.mean()) / 2
    raise ValueError(f'unknown tv_reduction {reduction!r}; known: "sum", "mean"')


class ImagePool(nn.Module):
    """The last pictures that a generator has made, so that its discriminator does not forget how they looked.

    After Shrivastava et al. 2017. Until it is full every picture is kept and given back; then, for each picture, a
    coin decides whether it is given back or swapped for a random one of the pool.

    capacity: of pictures (the paper: 50); 0 gives back what it gets. The pictures are kept in 8 bits, as the real ones
    are, in buffers: a checkpoint holds them, and several processes keep their own.
    """

    def __init__(self, capacity: int, channels: int, size: int) -> None:
        super().__init__()
        self.register_buffer("pictures", torch.zeros(capacity, channels, size, size, dtype=torch.uint8))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def swap(self, pictures: Tensor) -> Tensor:
        """pictures (B, C, S, S) in [-1, 1] -> as many, some of them older. Uses torch's global generator."""
        if not len(self.pictures):
            return pictures
        new = ((pictures.detach().float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        given = []
        for picture in new:
            if self.count < len(self.pictures):
                self.pictures[self.count] = picture
                self.count += 1
            elif torch.rand(()) < 0.5:
                slot = int(torch.randint(len(self.pictures), ()))
                picture, self.pictures[slot] = self.pictures[slot].clone(), picture
            given.append(picture)
        return torch.stack(given).float() / 127.5 - 1


# ---------------------------------------------------------------------------------------------- the game


class AGGAN(Game):
    """The game: two generators against two or four discriminators. Its networks are at paper size by default.

    attributes: the name of the one attribute; X are the faces without it, Y those with it. size: pixels.
    width, blocks: of the generators. d_width, d_depth: of the discriminators. attention_guided: with D_XA, D_YA.
    mask: with the mask; without it G = R, which is a CycleGAN. gan, agan, tv, cycle, pixel: the weights (lambdas); tv
    is of what `tv_reduction` names, "sum" or "mean".
    r_start, r, curriculum: the balance is r_start for the part `curriculum` of the training, then r.
    warmup: the part of the training in which the discriminators alone move, and learn to tell X from Y as they are.
    pool: pictures a pool holds. lr, lr_decay: Adam's rate, and the part of the training after which it falls linearly
    to nothing. ema_decay: decay of the running average of the generators, or None.

    Raises ValueError for a size, attribute list or number that cannot be.
    """

    def __init__(
        self,
        attributes: Sequence[str] = ATTRIBUTES,
        size: int = 256,
        width: int = 64,
        blocks: int = 6,
        d_width: int = 64,
        d_depth: int = 4,
        attention_guided: bool = True,
        mask: bool = True,
        gan: float = 0.5,
        agan: float = 0.5,
        tv: float = 1e-6,
        tv_reduction: str = "sum",
        cycle: float = 10.0,
        pixel: float = 1.0,
        r_start: float = 0.01,
        r: float = 0.5,
        curriculum: float = 0.05,
        warmup: float = 0.0,
        pool: int = 50,
        lr: float = 1e-4,
        lr_decay: float = 0.5,
        ema_decay: float | None = None,
    ) -> None:
        super().__init__()
        config = {key: value for key, value in locals().items() if key not in ("self", "__class__")}
        names = (check_name(attributes, TITLE),)
        check_range(1, width=width, d_width=d_width, d_depth=d_depth)
        check_size(size, max(2, d_depth))
        if attention_guided and not mask:
            raise ValueError(
                "attention_guided needs the mask: with mask=False say attention_guided=False too"
            )
        check_range(0, 1, r_start=r_start, r=r, curriculum=curriculum, warmup=warmup, lr_decay=lr_decay)
        check_range(0, gan=gan, agan=agan, tv=tv, cycle=cycle, pixel=pixel, pool=pool, blocks=blocks)
        tv_loss(torch.zeros(1, 1, 2, 2), tv_reduction)  # raises for an unknown one
        self._config = {**config, "attributes": list(names)}
        self.attributes, self.size, self.attention_guided, self.mask = names, size, attention_guided, mask
        self.gan, self.agan, self.tv, self.tv_reduction = gan, agan, tv, tv_reduction
        self.cycle, self.pixel, self.lr, self.lr_decay, self.ema_decay = cycle, pixel, lr, lr_decay, ema_decay
        self.r_start, self.r, self.curriculum, self.warmup = r_start, r, curriculum, warmup
        self.set_progress(0.0)
        self.to_y, self.to_x = Generator(width, blocks), Generator(width, blocks)
        self.d_y, self.d_x = Discriminator(3, d_width, d_depth), Discriminator(3, d_width, d_depth)
        if attention_guided:
            self.d_ya, self.d_xa = Discriminator(4, d_width, d_depth), Discriminator(4, d_width, d_depth)
        # A picture and its mask stay together, for the guided discriminator is shown both.
        self.pool_y, self.pool_x = ImagePool(pool, 4, size), ImagePool(pool, 4, size)
        self.register_buffer("last", torch.zeros(2, 3, size, size, dtype=torch.uint8))
        self.register_buffer("met", torch.zeros(2, dtype=torch.bool))

    def players(self) -> list[Player]:
        adam = {"lr": self.lr, "betas": (0.5, 0.999)}
        judges = [self.d_y, self.d_x] + ([self.d_ya, self.d_xa] if self.attention_guided else [])
        return [
            Player("generators", (self.to_y, self.to_x), self.generators_loss, **adam),
            Player("discriminators", tuple(judges), self.discriminators_loss, **adam),
        ]

    def translate(self, generator: Generator, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """G(image), its mask and its content. Without a mask G is the content, and the mask counts as 1."""
        mask, content = generator(image)
        if not self.mask:
            return content, torch.ones_like(mask), content
        return compose(image, mask, content), mask, content

    def generators_loss(self, batch: Batch) -> dict[str, Tensor]:
        """(1 - r) (lambda_gan GAN + lambda_agan AGAN + lambda_tv TV) + r (lambda_cyc cycle + lambda_pix pixel).

        Each term is the sum of its two directions, X to Y and Y to X. "_mask" logs the mean of the masks.
        """
        x, y = self.domains(batch)
        made_y, m_y, _ = self.translate(self.to_y, x)
        made_x, m_x, _ = self.translate(self.to_x, y)
        again_x, _, _ = self.translate(self.to_x, made_y)
        again_y, _, _ = self.translate(self.to_y, made_x)
        fool, keep = 1 - self.r_now, self.r_now

        def fooled(judge: nn.Module, picture: Tensor) -> Tensor:
            return generator_loss(judge(picture), "lsgan")

        terms = {"gan": fool * self.gan * (fooled(self.d_y, made_y) + fooled(self.d_x, made_x))}
        if self.attention_guided:
            seen = fooled(self.d_ya, guided(m_y, made_y)) + fooled(self.d_xa, guided(m_x, made_x))
            terms["agan"] = fool * self.agan * seen
        if self.mask and self.tv:
            variation = tv_loss(m_y, self.tv_reduction) + tv_loss(m_x, self.tv_reduction)
            terms["tv"] = fool * self.tv * variation
        terms["cycle"] = keep * self.cycle * (cycle_loss(x, again_x) + cycle_loss(y, again_y))
        terms["pixel"] = keep * self.pixel * (pixel_loss(x, made_y) + pixel_loss(y, made_x))
        terms["_mask"] = (m_y.detach().mean() + m_x.detach().mean()) / 2
        terms["_r"] = torch.tensor(self.r_now, device=x.device)
        return terms

    def discriminators_loss(self, batch: Batch) -> dict[str, Tensor]:
        """LSGAN, halved, of each discriminator; what was made comes through the pool."""
        x, y = self.domains(batch)
        with torch.no_grad():  # the generators do not move now
            made_y, m_y, _ = self.translate(self.to_y, x)
            made_x, m_x, _ = self.translate(self.to_x, y)
            if self.warming:  # the task that stays when every mask is shut
                made_y, made_x = x, y
            else:
                m_y, made_y = self._from_pool(self.pool_y, m_y, made_y)
                m_x, made_x = self._from_pool(self.pool_x, m_x, made_x)

        def halved(judge: nn.Module, real: Tensor, made: Tensor) -> Tensor:
            return 0.5 * critic_loss(judge(real), judge(made), "lsgan")

        terms = {"y": halved(self.d_y, y, made_y), "x": halved(self.d_x, x, made_x)}
        if self.attention_guided:  # the same mask for both, so that only the picture can tell
            terms["ya"] = halved(self.d_ya, guided(m_y, y), guided(m_y, made_y))
            terms["xa"] = halved(self.d_xa, guided(m_x, x), guided(m_x, made_x))
        return terms

    @staticmethod
    def _from_pool(pool: ImagePool, mask: Tensor, made: Tensor) -> tuple[Tensor, Tensor]:
        given = pool.swap(guided(2 * mask - 1, made))
        return (given[:, :1] + 1) / 2, given[:, 1:]

    @torch.no_grad()
    def domains(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """A batch taken apart: faces x without and y with the attribute, as many of each; the surplus is left out.

        A batch of one kind is paired with the last face met of the other kind. Best draw from `arrange`, whose batches
        have both. Raises ValueError for a batch that does not fit, or if no face of the other kind was ever met.
        """
        check_batch(batch, self.attributes, self.size)
        present = batch.labels[:, 0] > 0.5
        piles = [batch.images[~present], batch.images[present]]
        pairs = max(1, min(map(len, piles)))
        for kind, pile in enumerate(piles):
            if len(pile):
                self.last[kind] = ((pile[-1].float() + 1) * 127.5).round().to(torch.uint8)
                self.met[kind] = True
            elif self.met[kind]:
                piles[kind] = self.last[kind : kind + 1].float() / 127.5 - 1
            else:
                which = "with" if kind else "without"
                raise ValueError(
                    f"there was no face {which} {self.attributes[0]} yet: two domains need both; train on "
                    f"aggan.arrange(faces), whose batches have as many of each"
                )
        return piles[0][:pairs], piles[1][:pairs]

    def set_progress(self, progress: float) -> None:
        """The balance now: r_start while fewer than `curriculum` of the training is done, then r; and who moves.

        At first the generators must only fool (r = 0.01): a mask that begins by changing nothing has no reason to open
        once every change costs. Before `warmup` they do not move at all.
        """
        self.warming = progress < self.warmup
        self.turns = ("discriminators",) if self.warming else ("generators", "discriminators")
        self.r_now = self.r_start if progress < self.curriculum else self.r

    def lr_scale(self, progress: float) -> float:
        """1 until `lr_decay` of the training is done, then linearly down to 0."""
        return 1.0 if progress < self.lr_decay else (1 - progress) / (1 - self.lr_decay)

    def inference_networks(self) -> dict[str, nn.Module]:
        return {"to_y": self.to_y, "to_x": self.to_x}

    def config(self) -> dict[str, Any]:
        return {**self._config, "attributes": list(self.attributes)}


class Domains(FaceSet):
    """A `FaceSet` of one attribute whose `draw(n)` gives n faces without and n with it, in this order: 2n in all."""

    def __init__(self, faces: FaceSet) -> None:
        name = check_name(faces.attributes, TITLE)
        super().__init__(faces.images, faces.labels, faces.attributes, faces.name)
        self.people, self.report = faces.people, faces.report
        present = self.labels[:, 0].cpu() > 0.5
        self.piles = (~present).nonzero()[:, 0], present.nonzero()[:, 0]
        for pile, which in zip(self.piles, ("without", "with"), strict=True):
            if not len(pile):
                raise ValueError(f"there is no face {which} {name} in {faces.name}: two domains need both")

    def draw(self, batch_size: int, generator: torch.Generator, flip: bool = True) -> Batch:
        """batch_size random faces of each domain, with replacement; mirrored with probability 1/2 if `flip`."""
        index = torch.cat(
            [pile[torch.randint(len(pile), (batch_size,), generator=generator)] for pile in self.piles]
        )
        mirrored = torch.rand(len(index), generator=generator) < 0.5
        return self.batch(index, mirrored if flip else False)

    def to(self, device: str | torch.device) -> Domains:
        moved = super().to(device)
        return self if moved is self else Domains(moved)


def arrange(faces: FaceSet) -> Domains:
    """The faces as this game wants them drawn, half without and half with the attribute, however rare it is.

    A batch size then counts the faces of *each* domain, as the paper's batch of 1 does. Raises ValueError if the set
    has more than one attribute, or faces of one kind only.
    """
    return Domains(faces)


# ------------------------------------------------------------------------------------------------- sizes

# Course size: narrow generators, small batches and a larger learning rate. Eyeglasses are learned so without more ado.
# Smiling, a few pixels, was not: the masks shut while the discriminators could not yet tell smiles (the masks' mean
# fell to 0.00001), and a shut sigmoid has no slope to open again by once they could. A longer first phase, `curriculum`
# 0.4 instead of the paper's 0.05, did not help: they shut in it. So here the discriminators learn first (`warmup`).
# (No log of these trials is kept.)
# And the rate does not fall, for the average (EMA) does what a falling rate is for: 5_aggan/02 compares the two.
LAPTOP = {
    "width": 12,
    "blocks": 3,
    "d_width": 24,
    "d_depth": 3,
    "lr": 8e-4,
    "warmup": 0.25,
    "curriculum": 0.35,
    "lr_decay": 1.0,
    "ema_decay": 0.995,
}
PROFILES = {
    "smoke": Profile(
        name="smoke",
        size=32,
        steps=3,
        batch_size=2,
        faces=64,
        checkpoint_every=2,
        log_every=1,
        options={**LAPTOP, "width": 4, "blocks": 1, "d_width": 8, "pool": 4, "warmup": 0.0},
    ),
    "laptop": Profile(
        name="laptop",
        size=64,
        steps=8_000,
        batch_size=4,
        faces=3_000,
        checkpoint_every=100,
        log_every=20,
        options=LAPTOP,
    ),
    # 200 epochs over a domain of CelebA that has 10,000 pictures or so, one of each domain a move
    "paper": Profile(
        name="paper",
        size=256,
        steps=200 * 10_000,
        batch_size=1,
        faces=162_770,
        checkpoint_every=1_000,
        log_every=100,
        options={},
    ),
}


def build(
    profile: str | Profile = "laptop", attributes: Sequence[str] | None = None, **overrides: Any
) -> AGGAN:
    """A fresh game of a profile ("smoke", "laptop", "paper"), with any constructor argument overridden."""
    return build_game(AGGAN, PROFILES, profile, ATTRIBUTES if attributes is None else attributes, overrides)


# ---------------------------------------------------------------------------------------------- the editor


class AGGANEditor(InTurnEditor):
    """Trained pairs of generators behind the editor's interface, a pair an attribute; several edit one after another.

    The face's label says which way: to Y for a face that lacks the attribute, to X for one that has it. The paper knows
    no way in between, so a strength scales the step: x + s (G(x) - x), clamped to [-1, 1], where s = 0 is the face as
    it is and s = 1 the whole edit. As G(x) - x = M (R - x), that is the same content under s times the mask.
    """

    def __init__(self, generators: Mapping[str, Generator], mask: bool = True, **facts: Any) -> None:
        super().__init__(masked=mask, networks=generators, **facts)

    def reconstruct(self, images: Tensor, labels: Tensor) -> Tensor:
        """There and back again, G_YX(G_XY(x)), for one attribute after another: what the cycle loss has trained.

        Arguments and result as in `edit`. This, and no edit to its own labels, shows what the networks can redraw.
        """
        images, labels, _ = self._check(images, labels, labels)
        return self._in_chunks(self._cycle, images, labels)

    def _turn(
        self, attribute: str, images: Tensor, label: Tensor, target: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        present = label >= 0.5
        # How much of the way from the label to the other end: 1 goes all of it
        step = torch.where(present, (label - target) / label, (target - label) / (1 - label))
        return self._move(attribute, images, present, step)

    def _move(
        self, attribute: str, images: Tensor, present: Tensor, step: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """x + step (G(x) - x), with G by bool (b,) `present` and step (b,); beside it M and R."""
        edited, mask, content = images.clone(), torch.zeros_like(images[:, :1]), images.clone()
        for way, here in (("to_y", ~present), ("to_x", present)):
            if here.any():
                x = images[here]
                m, r = self.networks[f"{attribute}.{way}"](x)
                m = m if self.masked else torch.ones_like(m)
                edited[here] = (x + step[here, None, None, None] * (compose(x, m, r) - x)).clamp(-1, 1)
                mask[here], content[here] = m, r
        return edited, mask, content

    def _cycle(self, images: Tensor, labels: Tensor) -> Tensor:
        for attribute, label in zip(self.attributes, labels.T, strict=True):
            present, all_the_way = label >= 0.5, torch.ones_like(label)
            away = self._move(attribute, images, present, all_the_way)[0]
            images = self._move(attribute, away, ~present, all_the_way)[0]
        return images


def editor(networks: Mapping[str, Weights], receipt: Mapping[str, Any], device: str = "cpu") -> AGGANEditor:
    """An editor from trained weights, each a network or its state dict; they are copied.

    Of one run: {"to_y": ..., "to_x": ...} and at least {"config": game.config()}. Of several, as `fedit export` joins
    them: {"Eyeglasses.to_y": ..., "Eyeglasses.to_x": ..., ...} and {"runs": {"Eyeglasses": {"config": ...}, ...}}.
    Raises ValueError for runs of which some have a mask and some have none.
    """
    runs = runs_of(networks, receipt)
    first = next(iter(runs.values()))[0]
    if any(config["mask"] != first["mask"] for config, _ in runs.values()):
        kinds = ", ".join(
            f"{name} {'with' if c['mask'] else 'without'} a mask" for name, (c, _) in runs.items()
        )
        raise ValueError(f"an editor paints with a mask or without, not {kinds}: join runs of one kind")
    return AGGANEditor(
        {
            f"{attribute}.{way}": loaded(Generator(config["width"], config["blocks"]), given[way])
            for attribute, (config, given) in runs.items()
            for way in ("to_y", "to_x")
        },
        mask=first["mask"],
        name=TITLE,
        attributes=list(runs),
        size=first["size"],
        receipt=dict(receipt),
        device=device,
    )
