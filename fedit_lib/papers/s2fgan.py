"""S2FGAN: Semantically Aware Interactive Sketch-to-Face Translation (Yang et al., WACV 2022).

The idea. Who draws a face leaves most of it open: the colour of the skin, whether the hair is red, how broad the smile.
A network that turns sketches into faces settles all that silently. S2FGAN gives it back to the hand that drew: sketch
and photo are brought to the *same* code, one row of numbers a face, and attributes are directions in the space of those
codes. To smile more is to walk along w_Smiling; how far is the intensity. A style-based decoder paints what the code
says.

    r   = E_i(I)  or  E_s(S)                I: a photo, S: a sketch; r: a code of d numbers
    u   in {-1, +1}^n                       the attributes that the face has
    W   (n, d)                              the attribute hyperplanes, a row w_j each; r W^T reads u from r
    r'  = M(r, a)                           the edit; a: intensities, a_j = 0 leaves attribute j alone
    G   = D(M(E_i(I), a))                   the image branch;   D(M(E_s(S), a)) the sketch branch

There are two versions of M. S2F-DIS ("disentangled") adds directions that training makes orthogonal,

    r'  = r + sum_j a_j w_j

and S2F-DEC ("decomposed") lets a small network decide, in which c c^T mixes rows by how alike they are,

    b   = delta([e * a, r]),   c = Norm(f_1(b)),   r' = f_2(c c^T f_3(b)) + f_4([e * a, r])

What is learned (a star is a stop-gradient):

    L_sem    = ||E_i*(I) - E_s(S)||                                  the sketch's code is the photo's
    L_ortho  = ||E_i(I) W^T - u||^2 + ||W W^T - 1||                  S2F-DIS
    L_decom  = ||E_i*(I) W^T - u||^2                                 S2F-DEC: what W reads,
             + ||M(E_i*, a) W*^T - E_i* W*^T - a||^2                 what an edit changes,
             + ||M(M(E_i*, a), -a) - E_i*||                          and that it can be taken back
    L_rec, L_percept                                                 the photo again, in pixels and in features
    L_domain                                                         Q tells photo codes from sketch codes; E_s hides
    L_adv                                                            F tells photos from pictures; R1 every 16 rounds

The file reads like the paper: networks, loss terms, the game between the players, sizes, the trained editor.

Where the paper, the accounts and the released code disagree, and what is done here:

- *W never learns in the released code.* The flags that should switch its gradients on are exchanged between the two
  versions: for S2F-DIS they are on while F moves (whose loss does not contain W) and off while the generator does; for
  S2F-DEC W belongs to F's optimiser but is on only while the generator moves. So no label ever shapes a direction.
  Here W learns what the equations say; `frozen_w=True` keeps it as it was born, for comparison. What that costs
  differs: in S2F-DIS the first term of L_ortho has no star, so the encoder can turn its codes towards whatever W is; in
  S2F-DEC it has one, and nothing ties a frozen W to the faces.
- L_decom's second term is often printed without W^T, and then its dimensions do not match. Here: with it.
- Norms. The equations have Euclidean norms, the code has means: of absolute values (sem, ortho, the inverse edit), of
  squares (the readings). The published weights are the code's. Here: the code's means with the code's weights.
- The code scales the rows of W to length one whenever it uses them; the equations let W W^T -> 1 do that. Here: the
  equations.
- In S2F-DIS the code never paints an edited face while it learns, although the image branch is written with M(., a).
  Here: in both versions half of what F sees is edited, with a ~ U(-4, 4) for every attribute, and half has a = 0.
- S2F-DEC's "attribute" term of weight 0.1 is, in the code, the size of M's change at a = 0, which its own gate makes
  exactly zero. Here: the gate stays, so M(r, 0) = r, and the weight is given to the equation's first term. In the code
  the gate asks whether a *sums* to zero, so that (+1, -1) shuts it; here, whether all of it is zero.
- The code also has a classifier beside F that is to see the new attributes in the edited faces (as AttGAN's does), and
  multiplies its loss by 0. Here: `cls` is that weight, 0 at paper size; the course size switches it on. It is asked
  about all that F sees of the decoder's, for a face that is only redrawn must keep its attributes too.
- L_domain is of the codes; in S2F-DEC here once more of the edited codes M(r, a), so that E_s and M both hide.
- Pooling: before every downsampling in the paper, after it in the code. Here: before, and once more at the end.
  The code averages the levels and normalises, which is the same as the paper's sum and normalising; here so too.
- The last layer of the code's encoder is a leaky ReLU, so that its codes can hardly be negative. Here: linear.
- Noise (StyleGAN2's) is not in the code's decoder; the text calls the decoder StyleGAN2's. Here: a switch, `injected`.
- The perceptual loss feeds VGG pictures in [-1, 1] without ImageNet's normalisation, which VGG was trained with. Here:
  the features of the course's second oracle, which knows [-1, 1]; or any network, see `S2FGAN.see_with`. The first
  oracle stays out of training, as it is the judge. Weights 1, 1/2, 1/4 ... from the deepest features up; in the code
  1, 1/4, 1/8, 1/16, 1/32 (pix2pixHD's, Wang et al., 2018).
- The code halves sketches and makes them black and white. Here: as they are drawn, at the photo's size.
- In the code Adam has other betas for W and Q, (0.9, 0.999), and a weight decay of 0.0005. Here: as for all others.
- R1 has a step of its own in the code, every 16th round; here it joins F's loss in that round, 16 times as heavy.
- The code shows F augmented pictures (ADA), for want of photos. Not here: the face world does not run out.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fedit_lib import faces as world
from fedit_lib.data import Batch, FaceSet, check_images, check_labels
from fedit_lib.nn import (
    DownBlock,
    EqualConv,
    EqualLinear,
    StyleBlock,
    StyleLayer,
    ToRGB,
    critic_loss,
    feature_trunk,
    generator_loss,
    leaky,
    pixel_norm,
    r1_penalty,
    reverse_gradient,
)
from fedit_lib.papers.common import Weights, build_game, check_batch, check_names, check_range, loaded
from fedit_lib.papers.editor import Editor, check_target
from fedit_lib.training import Game, Player, Profile, load_weights

TITLE = "S2FGAN"
CITATION = (
    "Y. Yang, M. Z. Hossain, T. Gedeon, S. Rahman. S2FGAN: Semantically Aware Interactive Sketch-to-Face Translation. "
    "IEEE/CVF Winter Conference on Applications of Computer Vision (WACV), 2022. arXiv:2011.14785."
)
ATTRIBUTES = (
    "Smiling", "Male", "No_Beard", "Eyeglasses", "Young", "Bangs", "Narrow_Eyes", "Pale_Skin", "Big_Lips",
    "Big_Nose", "Mustache", "Chubby",
)  # fmt: skip
KEEP_BEST: str | None = None  # keep the last average: earlier ones redraw better and obey less
VARIANTS = {"dis": "S2F-DIS: orthogonal directions", "dec": "S2F-DEC: a decomposing network"}
# The released code's, by version; what a version does not have is None
WEIGHTS = {
    "dis": {"sem": 2.5, "domain": 0.1, "percept": 2.5, "rec": 2.5, "attribute": 0.5, "ortho": 1.0,
            "edit": None, "inverse": None},
    "dec": {"sem": 2.5, "domain": 0.05, "percept": 2.5, "rec": 1.0, "attribute": 0.1, "ortho": None,
            "edit": 1.0, "inverse": 1.0},
}  # fmt: skip


def halvings(size: int) -> int:
    """How often `size` pixels are halved on the way to 4. Raises ValueError unless it is 4 times a power of two."""
    steps = size.bit_length() - 3
    if size < 8 or size != 4 << steps:
        raise ValueError(
            f"pictures of {size} pixels do not come from 4 by doubling: take 8, 16, 32, 64, 128 ..."
        )
    return steps


def widths(width: int, size: int, widest: int) -> list[int]:
    """Channels at every size from `size` to 4, doubling up to `widest`: widths(16, 64, 96) = 16, 32, 64, 96, 96."""
    return [min(width * 2**i, widest) for i in range(halvings(size) + 1)]


# ---------------------------------------------------------------------------------------------- networks


def mlp(
    channels_in: int, channels_out: int, layers: int, lr_mul: float, act_last: bool = True
) -> nn.Sequential:
    """`layers` fully connected layers with leaky ReLU: (B, channels_in) -> (B, channels_out)."""
    sizes = [channels_in] + [channels_out] * layers
    acts = [True] * (layers - 1) + [act_last]
    return nn.Sequential(
        *(EqualLinear(i, o, lr_mul, act=act) for (i, o), act in zip(pairwise(sizes), acts, strict=True))
    )


def stem(channels_in: int, channels_out: int, folded: bool) -> nn.Sequential:
    """The first convolution, 1x1: (B, channels_in, S, S) -> (B, channels_out, S, S), or S / 2 if `folded`.

    folded: before it, every 2x2 pixels become channels. Nothing is lost but the level at full size, the costliest.
    """
    fold = [nn.PixelUnshuffle(2)] if folded else []
    return nn.Sequential(*fold, EqualConv(channels_in * (4 if folded else 1), channels_out, kernel=1))


class Encoder(nn.Module):
    """E_i or E_s: a picture (B, channels_in, S, S) in [-1, 1] -> its code r (B, style).

    A residual network down to 4x4. Before every halving, and at the end, the map is pooled to a few cells, so that skin
    may be read early and a mouth late; each level has an MLP, the MLPs are summed, normalised and refined by another.

    width, widest: channels, see `widths`. folded: see `stem`. blocks: residual blocks a level before it is pooled.
    pooled: about so many numbers a level are kept, 512 being 3x3 cells of 64 channels and one of 512, as in the code.
    layers: of the MLPs; 0: one linear map a level, and the code is their sum, normalised. lr_mul: see `EqualLinear`.
    normed: False leaves that sum as it is, which W reads sooner. Then nothing holds E_s's codes, and where the weight
    `domain` is not small the reversed gradient of Q wins by making them ever larger.
    """

    def __init__(
        self,
        channels_in: int,
        size: int,
        style: int,
        width: int,
        widest: int,
        blocks: int = 1,
        pooled: int = 512,
        layers: int = 4,
        lr_mul: float = 0.01,
        folded: bool = False,
        normed: bool = True,
    ) -> None:
        super().__init__()
        self.normed = normed
        channels = widths(width, size, widest)[folded:]
        self.stem = stem(channels_in, channels[0], folded)
        self.levels = nn.ModuleList(
            nn.Sequential(*(DownBlock(c, c, down=False) for _ in range(blocks))) for c in channels
        )
        self.halvings = nn.ModuleList(DownBlock(i, o) for i, o in pairwise(channels))
        cells = [math.ceil(math.sqrt(pooled / c)) for c in channels]
        self.summaries = nn.ModuleList(
            nn.Sequential(
                nn.AdaptiveAvgPool2d(k),
                nn.Flatten(),
                mlp(c * k * k, style, max(layers, 1), lr_mul, layers > 0),
            )
            for c, k in zip(channels, cells, strict=True)
        )
        self.refine = mlp(style, style, layers + 1, lr_mul, act_last=False) if layers else None

    def forward(self, x: Tensor) -> Tensor:
        x, total = self.stem(x), 0
        for k, (level, summary) in enumerate(zip(self.levels, self.summaries, strict=True)):
            x = level(x)
            total = total + summary(x)
            if k < len(self.halvings):
                x = self.halvings[k](x)
        code = pixel_norm(total) if self.normed else total
        return code if self.refine is None else self.refine(code)


class Decoder(nn.Module):
    """D: a code (B, style) -> a picture (B, 3, S, S), meant to lie in [-1, 1]; the editor clamps it.

    StyleGAN2's generator without its mapping: a learned 4x4 map, a style layer, then a style block a doubling. Every
    size adds its picture to the enlarged one below. injected: noise in every layer (in training only).
    """

    def __init__(self, size: int, style: int, width: int, widest: int, injected: bool = True) -> None:
        super().__init__()
        channels = widths(width, size, widest)[::-1]
        self.start = nn.Parameter(torch.randn(1, channels[0], 4, 4))
        self.first = StyleLayer(channels[0], channels[0], style, noise=injected)
        self.to_rgb = ToRGB(channels[0], style)
        self.blocks = nn.ModuleList(StyleBlock(i, o, style, noise=injected) for i, o in pairwise(channels))

    def forward(self, r: Tensor) -> Tensor:
        x = self.first(self.start.expand(len(r), -1, -1, -1), r)
        rgb = self.to_rgb(x, r)
        for block in self.blocks:
            x, rgb = block(x, r, rgb)
        return rgb


class Discriminator(nn.Module):
    """F: a picture (B, 3, S, S) -> its score (B,), and the attributes' logits (B, attributes) or None without them.

    A residual network down to 4x4 and two fully connected layers, StyleGAN2's without the minibatch's deviation. The
    second head is the classifier that the released code builds and then weighs with 0.
    """

    def __init__(self, size: int, width: int, widest: int, attributes: int = 0, folded: bool = False) -> None:
        super().__init__()
        channels = widths(width, size, widest)[folded:]
        self.body = nn.Sequential(
            stem(3, channels[0], folded), *(DownBlock(i, o) for i, o in pairwise(channels)), nn.Flatten()
        )
        c = channels[-1]
        self.src = nn.Sequential(EqualLinear(16 * c, c, act=True), EqualLinear(c, 1))
        self.cls = (
            nn.Sequential(EqualLinear(16 * c, c, act=True), EqualLinear(c, attributes))
            if attributes
            else None
        )

    def score(self, x: Tensor) -> Tensor:
        """The scores alone, (B,)."""
        return self.src(self.body(x))[:, 0]

    def classify(self, x: Tensor) -> Tensor:
        """The logits alone, (B, attributes)."""
        return self.cls(self.body(x))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        x = self.body(x)
        return self.src(x)[:, 0], None if self.cls is None else self.cls(x)


class DomainJudge(nn.Module):
    """Q: a code (B, style) -> the logit that it is a photo's and not a sketch's (B,). Two layers, behind the reversal.

    What teaches Q to tell teaches the encoders to hide: see `reverse_gradient`.
    """

    def __init__(self, style: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(EqualLinear(style, style), nn.ReLU(), EqualLinear(style, 1))

    def forward(self, r: Tensor) -> Tensor:
        return self.layers(reverse_gradient(r))[:, 0]


# ------------------------------------------------------------------------------- M, the attribute mapping


class AttributeMapping(nn.Module):
    """What both versions of M have: the hyperplanes W, `w` (attributes, style), born as random rows of length one.

    frozen: W is a buffer and no parameter, so that no optimiser ever moves it (as in the released code).
    """

    w: Tensor

    def __init__(self, attributes: int, style: int, frozen: bool = False) -> None:
        super().__init__()
        rows = F.normalize(torch.randn(attributes, style), dim=1)
        if frozen:
            self.register_buffer("w", rows)
        else:
            self.w = nn.Parameter(rows)

    def read(self, r: Tensor) -> Tensor:
        """r W^T: codes (B, style) -> (B, attributes), about -1 where an attribute is absent and +1 where present."""
        return r @ self.w.T


class OrthogonalMapping(AttributeMapping):
    """M of S2F-DIS: r' = r + sum_j a_j w_j. Codes (B, style), intensities (B, attributes) -> codes (B, style)."""

    def forward(self, r: Tensor, a: Tensor) -> Tensor:
        return r + a @ self.w


class AlongCode(nn.Module):
    """A convolution along the code, rows as channels, without a bias: (B, in, d) -> (B, out, d). Equalised rate."""

    def __init__(self, rows_in: int, rows_out: int, kernel: int = 3) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(rows_out, rows_in, kernel))
        self.scale, self.kernel = 1 / math.sqrt(rows_in * kernel), kernel

    def forward(self, x: Tensor) -> Tensor:
        return F.conv1d(x, self.weight * self.scale, padding=self.kernel // 2)


class Decomposition(nn.Module):
    """b = delta(x), c = Norm(f_1(b)), f_2(c c^T f_3(b)) + f_4(x): rows (B, in, d) -> (B, hidden, d).

    delta: two convolutions with leaky ReLU. Norm: every column of c has length one. c c^T is (hidden, hidden).
    """

    def __init__(self, rows_in: int, hidden: int) -> None:
        super().__init__()
        self.delta = nn.ModuleList([AlongCode(rows_in, hidden), AlongCode(hidden, hidden)])
        self.f1, self.f2, self.f3 = (AlongCode(hidden, hidden) for _ in range(3))
        self.f4 = AlongCode(rows_in, hidden, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        b = x
        for layer in self.delta:
            b = leaky(layer(b))
        c = F.normalize(self.f1(b), dim=1)
        return self.f2(c @ c.transpose(1, 2) @ self.f3(b)) + self.f4(x)


class DecomposedMapping(AttributeMapping):
    """M of S2F-DEC: r' = r + out(blocks([e * a, r])). Codes (B, style), intensities (B, attributes) -> (B, style).

    e (attributes, style) holds a learned row an attribute, which its intensity scales. Where a is all zero nothing goes
    in, and as no layer has a bias nothing comes out: M(r, 0) = r exactly. `out` begins at 0, so that M begins as
    doing nothing; e at random, so that attributes differ from the start (in the released code e begins at 0).
    """

    def __init__(
        self, attributes: int, style: int, hidden: int = 64, blocks: int = 4, frozen: bool = False
    ) -> None:
        super().__init__(attributes, style, frozen)
        self.e = nn.Parameter(torch.randn(attributes, style))
        rows = [attributes + 1] + [hidden] * blocks
        self.blocks = nn.Sequential(*(Decomposition(i, o) for i, o in pairwise(rows)))
        self.out = AlongCode(hidden, 1, kernel=1)
        nn.init.zeros_(self.out.weight)

    def forward(self, r: Tensor, a: Tensor) -> Tensor:
        asked = (a != 0).any(1)[:, None, None]
        told = torch.cat([a[:, :, None] * self.e, r[:, None]], 1) * asked
        return r + self.out(self.blocks(told))[:, 0]


# -------------------------------------------------------------------------------------------- loss terms


def intensities(u: Tensor, reach: float, single: float = 0.0) -> Tensor:
    """Edits to learn from, for u (B, n) of -1 and +1: 0 for the first half of the faces, U(-reach, reach) for the rest.

    single: the part of those others of which one attribute is asked, drawn at random, and always for what the face does
    not have: as a user asks. (The code asks for all, in either direction.)
    Drawn from torch's global generator. (In the code each face has its own coin; half of a batch is half of the faces.)
    """
    a = (2 * torch.rand_like(u) - 1) * reach
    a[: len(u) // 2] = 0
    if single:
        alone = torch.rand_like(u[:, :1]) < single
        chosen = F.one_hot(torch.randint(u.shape[1], u.shape[:1], device=u.device), u.shape[1])
        a = torch.where(alone, -u * a.abs() * chosen, a)
    return a


def semantic_loss(r_photo: Tensor, r_sketch: Tensor) -> Tensor:
    """L_sem = |E_i*(I) - E_s(S)|, meaned: the sketch's encoder goes to the photo's, which does not move for it."""
    return F.l1_loss(r_sketch.float(), r_photo.detach().float())


def attribute_loss(readings: Tensor, u: Tensor) -> Tensor:
    """||r W^T - u||^2, meaned: readings (B, n), u (B, n) of -1 and +1. In S2F-DEC r comes with a stop-gradient."""
    return F.mse_loss(readings.float(), u)


def orthogonality_loss(w: Tensor) -> Tensor:
    """|W W^T - 1|, meaned over all n^2 entries: rows of length one, at right angles. w (n, d), needs n <= d."""
    gram = w.float() @ w.float().T
    return (gram - torch.eye(len(w), device=w.device)).abs().mean()


def edit_loss(mapping: AttributeMapping, r: Tensor, a: Tensor) -> Tensor:
    """||M(r*, a) W*^T - r* W*^T - a||^2, meaned: an edit changes what W reads by the intensity, and by that only."""
    r, w = r.detach(), mapping.w.detach()
    change = (mapping(r, a) - r).float() @ w.float().T
    return F.mse_loss(change, a)


def inverse_edit_loss(mapping: AttributeMapping, r: Tensor, a: Tensor) -> Tensor:
    """|M(M(r*, a), -a) - r*|, meaned: what was done can be undone."""
    r = r.detach()
    return F.l1_loss(mapping(mapping(r, a), -a).float(), r.float())


def domain_loss(judge: nn.Module, r_photo: Tensor, r_sketch: Tensor) -> Tensor:
    """BCE(Q(r_photo*), 1) + BCE(Q(r_sketch), 0). Q descends it; E_s, before the reversal, ascends."""
    photo, sketch = judge(r_photo.detach()).float(), judge(r_sketch).float()
    one = F.binary_cross_entropy_with_logits(photo, torch.ones_like(photo))
    return one + F.binary_cross_entropy_with_logits(sketch, torch.zeros_like(sketch))


def perceptual_loss(made: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Mean absolute differences of features, weighted 1 for the deepest, 1/2, 1/4 ... towards the pixels, summed."""
    weights = [2.0 ** (k + 1 - len(made)) for k in range(len(made))]
    return sum(
        weight * F.l1_loss(x.float(), y.detach().float())
        for weight, x, y in zip(weights, made, real, strict=True)
    )


class Eyes(nn.Module):
    """What a perceptual loss sees: a picture (B, 3, S, S) in [-1, 1] -> its feature maps, one for each size they have.

    layers: a feature network, of which the last map of every size is taken; it is copied and never learns. imagenet:
    shift and scale the picture as networks trained on ImageNet expect (torchvision's VGG: `vgg16(...).features`).
    Raises ValueError if the layers give no feature maps.
    """

    def __init__(self, layers: nn.Sequential, size: int, imagenet: bool = False) -> None:
        super().__init__()
        self.layers = copy.deepcopy(layers).eval().requires_grad_(False)
        mean, std = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)) if imagenet else ((0.5,) * 3, (0.5,) * 3)
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))
        shapes, like = [], next(layers.parameters(), torch.empty(0))
        x = torch.zeros(1, 3, size, size, device=like.device)
        for layer in self.layers:  # once, to learn where the sizes change
            x = layer(x)
            shapes.append(tuple(x.shape[2:]))
        ends = [
            k for k, (here, after) in enumerate(pairwise([*shapes, None])) if len(here) == 2 and here != after
        ]
        if not ends:
            raise ValueError(
                "these layers give no feature maps (B, C, H, W): take the body of a network of convolutions"
            )
        self.ends = tuple(ends)

    def forward(self, x: Tensor) -> list[Tensor]:
        x, seen = ((x + 1) / 2 - self.mean) / self.std, []
        for k, layer in enumerate(self.layers[: self.ends[-1] + 1]):
            x = layer(x)
            if k in self.ends:
                seen.append(x)
        return seen


def oracle_layers(variant: str = "b") -> nn.Sequential:
    """The trained body of one of the course's oracles, a feature network for `S2FGAN.see_with`.

    Raises WeightsError if its weights are not there or damaged.
    """
    path = Path(__file__).resolve().parent.parent / "weights" / f"oracle_{variant}.safetensors"
    states, receipt = load_weights(path)
    trunk = feature_trunk(receipt["config"]["variant"], receipt["config"]["width"])
    found = {k.removeprefix("trunk."): v for k, v in states["oracle"].items() if k.startswith("trunk.")}
    return loaded(trunk, found)


# ---------------------------------------------------------------------------------------------- the game


class SketchBatch(NamedTuple):
    """A `Batch` with the faces' sketches, float (B, 1, S, S) in [-1, 1]: paper is 1, ink -1."""

    images: Tensor
    labels: Tensor
    sketches: Tensor


class S2FGAN(Game):
    """The game: a discriminator (F) against two encoders, a mapping and a decoder, with Q on their side of the table.

    Paper size by default. Draw its batches from `arrange(faces)`: they carry sketches.

    attributes: names, in the order of the batch's label columns. size: pixels, 4 times a power of two. variant: "dis"
    or "dec", see VARIANTS. style: length of a code. width, widest: channels of E_i and D at full size and at most;
    sketch_width: of E_s; d_width: of F. folded: E_i, E_s and F begin at half the size, see `stem`. blocks, pooled,
    layers, lr_mul, normed: see `Encoder`. hidden, mapping_blocks: of M in S2F-DEC. injected: noise in the decoder.
    frozen_w: W never learns (the released code). semantic: False replaces L_sem by L1 between the photo and the picture
    of the sketch, of the same weight (a baseline).
    warmup: the part of the training in which F, moving twice a round, only learns to see attributes of photos, and the
    others to redraw photos, to read them and to take sketches for them: nothing is edited, nobody is judged.
    sketch_waits: E_s and Q sit that part out. reach: edits after it are U(-reach, reach), from 0 to all of it in the
    part `ramp`; fade: the part in which F's opinion, adv and cls, grows from nothing to its weight; single: the part of
    the edits that asks for one attribute only, see `intensities`. sketch_last: the part of the training after which E_s
    and Q go on alone, eight moves a round, and all others stay as their averages are (1: never).
    step: the intensity that the editor takes for "absent to present"; u goes from -1 to 1, so 2 by definition.
    lr: learning rate; critic_lr: that of F, or None for the same; beta1: Adam's memory of earlier gradients;
    lr_drop: the part of the training after which the rates fall to a tenth (1: never).
    sem, domain, percept, rec, attribute, ortho, edit, inverse: weights; None is the released code's, see WEIGHTS.
    read: weight of ||E_s(S) W*^T - u||^2, which neither paper nor code has: L_sem counts all of a code's numbers alike,
    and the few along W are what the sliders start from.
    cls: weight of F's classification of painted faces; at 0 it has no classifier. noise: standard deviation of the
    Gaussian noise on every picture that the classifier is shown. r1: gamma; r1_every: rounds between two penalties.
    ema_decay: of the average of everything that an editor needs, or None; the code's forgets half in 310 rounds.

    Raises ValueError for a size, variant, attribute list or number that cannot be.
    """

    rounds: Tensor
    stands: Tensor

    def __init__(
        self,
        attributes: Sequence[str] = ATTRIBUTES,
        size: int = 256,
        variant: str = "dis",
        style: int = 512,
        width: int = 64,
        widest: int = 512,
        sketch_width: int = 64,
        d_width: int = 64,
        folded: bool = False,
        blocks: int = 1,
        pooled: int = 512,
        layers: int = 4,
        lr_mul: float = 0.01,
        normed: bool = True,
        hidden: int = 64,
        mapping_blocks: int = 4,
        injected: bool = True,
        frozen_w: bool = False,
        semantic: bool = True,
        reach: float = 4.0,
        warmup: float = 0.0,
        ramp: float = 0.0,
        fade: float = 0.0,
        sketch_waits: bool = False,
        sketch_last: float = 1.0,
        single: float = 0.0,
        step: float = 2.0,
        lr: float = 2e-3,
        critic_lr: float | None = None,
        beta1: float = 0.0,
        lr_drop: float = 1.0,
        sem: float | None = None,
        domain: float | None = None,
        percept: float | None = None,
        rec: float | None = None,
        attribute: float | None = None,
        ortho: float | None = None,
        edit: float | None = None,
        inverse: float | None = None,
        read: float = 0.0,
        cls: float = 0.0,
        noise: float = 0.0,
        r1: float = 1.0,
        r1_every: int = 16,
        ema_decay: float | None = 0.5 ** (32 / 10_000),
    ) -> None:
        super().__init__()
        attributes = check_names(attributes)
        halvings(size)
        if variant not in VARIANTS:
            raise ValueError(f"unknown variant {variant!r}; known: {', '.join(VARIANTS)}")
        if len(attributes) > style:
            raise ValueError(
                f"{len(attributes)} directions cannot be orthogonal in codes of {style}: a larger style"
            )
        given = {"sem": sem, "domain": domain, "percept": percept, "rec": rec, "attribute": attribute,
                 "ortho": ortho, "edit": edit, "inverse": inverse}  # fmt: skip
        weights = {}
        for name, weight in given.items():
            released = WEIGHTS[variant][name]
            if released is None and weight is not None:
                raise ValueError(
                    f"{VARIANTS[variant].split(':')[0]} has no term {name!r}: leave its weight out"
                )
            weights[name] = released if weight is None else weight
        check_range(1, style=style, width=width, widest=widest, sketch_width=sketch_width, d_width=d_width)
        check_range(1, pooled=pooled, hidden=hidden)
        check_range(0, reach=reach, step=step, read=read, cls=cls, noise=noise, r1=r1, **weights)
        check_range(0, blocks=blocks, layers=layers, mapping_blocks=mapping_blocks)
        if not 0 < lr_mul < math.inf:
            raise ValueError(f"lr_mul is {lr_mul}; it must be above 0")
        if noise and not cls:
            raise ValueError("noise is for what F's classifier is shown: it needs a weight cls above 0")
        if semantic and sketch_last < 1 and sketch_last <= warmup:
            raise ValueError(
                f"sketch_last={sketch_last:g} is not after warmup={warmup:g}: the game between them would "
                "never be played (sketch_last=1: no such part)"
            )
        if warmup and not cls:
            raise ValueError("in the warm-up F learns nothing but to classify: it needs a weight cls above 0")
        check_range(
            0, 1, warmup=warmup, ramp=ramp, fade=fade, single=single, sketch_last=sketch_last, lr_drop=lr_drop
        )
        if not normed and layers:
            raise ValueError(
                f"normed=False is for levels read by linear maps, layers=0; layers is {layers}: take normed=True"
            )
        if r1_every < 1:
            raise ValueError(f"r1_every is {r1_every}; it must be at least 1")
        self._config = {
            "attributes": list(attributes), "size": size, "variant": variant, "style": style, "width": width,
            "widest": widest, "sketch_width": sketch_width, "d_width": d_width, "folded": folded, "blocks": blocks,
            "pooled": pooled, "layers": layers, "lr_mul": lr_mul, "normed": normed, "hidden": hidden,
            "mapping_blocks": mapping_blocks, "injected": injected, "frozen_w": frozen_w, "semantic": semantic,
            "reach": reach, "warmup": warmup, "ramp": ramp, "fade": fade, "sketch_waits": sketch_waits,
            "sketch_last": sketch_last, "single": single, "step": step, "lr": lr, "critic_lr": critic_lr,
            "beta1": beta1, "lr_drop": lr_drop, **weights, "read": read, "cls": cls, "noise": noise, "r1": r1,
            "r1_every": r1_every, "ema_decay": ema_decay,
        }  # fmt: skip
        self.attributes, self.size, self.variant, self.weights = attributes, size, variant, weights
        self.frozen_w, self.semantic, self.reach, self.warmup, self.ramp = (
            frozen_w,
            semantic,
            reach,
            warmup,
            ramp,
        )
        self.fade, self.sketch_waits = fade, sketch_waits
        self.single, self.read, self.cls, self.noise = single, read, cls, noise
        self.r1, self.r1_every = r1, r1_every
        self.lr, self.critic_lr = lr, lr if critic_lr is None else critic_lr
        self.beta1, self.lr_drop, self.ema_decay, self.sketch_last = beta1, lr_drop, ema_decay, sketch_last
        self.ending = False
        # Whether `_stand_still` has happened: in every checkpoint, since a resume must not do it again
        self.register_buffer("stands", torch.tensor(False))
        self.set_progress(0.0)
        networks = build_networks(self._config)
        self.photo_encoder, self.sketch_encoder = networks["photo"], networks["sketch"]
        self.mapping, self.decoder = networks["mapping"], networks["decoder"]
        self.discriminator = Discriminator(size, d_width, widest, len(attributes) if cls else 0, folded)
        self.judge = DomainJudge(style)
        self.register_buffer(
            "rounds", torch.zeros((), dtype=torch.long)
        )  # so that a resume keeps R1's rhythm
        self._eyes: list[Eyes] = []  # in a list: no part of the game, of its checkpoints or its average

    # -- what it sees with

    def see_with(self, layers: nn.Sequential, imagenet: bool = False) -> None:
        """Take the perceptual loss's features from this network, see `Eyes`; by default from the second oracle.

        A checkpoint does not hold the network: who resumes a training calls this again first.
        """
        self._eyes = [Eyes(layers, self.size, imagenet)]

    def look(self, images: Tensor) -> list[Tensor]:
        """The feature maps that the perceptual loss compares. images (B, 3, S, S) in [-1, 1]."""
        if not self._eyes:
            # A resumed training builds them once more: that must draw nothing from what the losses draw from
            with torch.random.fork_rng(devices=[]):
                self.see_with(oracle_layers())
        return self._eyes[0].to(images.device)(images)

    # -- the players

    def players(self) -> list[Player]:
        betas = (self.beta1, 0.99)
        generator = (*self.inference_networks().values(), self.judge)
        return [
            Player(
                "discriminator",
                (self.discriminator,),
                self.discriminator_loss,
                lr=self.critic_lr,
                betas=betas,
            ),
            Player("generator", generator, self.generator_loss, lr=self.lr, betas=betas),
        ]

    def generate(self, images: Tensor, a: Tensor) -> Tensor:
        """G_i = D(M(E_i(I), a)): images (B, 3, S, S), intensities (B, n) -> (B, 3, S, S)."""
        return self.decoder(self.mapping(self.photo_encoder(images), a))

    def discriminator_loss(self, batch: Batch | SketchBatch) -> dict[str, Tensor]:
        """softplus(-F(I)) + softplus(F(G_i)), every `r1_every`-th round R1, and the real faces' attributes if `cls`."""
        check_batch(batch, self.attributes, self.size)
        images, labels = batch.images, batch.labels
        if self.warming:
            return {"cls": self.cls * _bce(self._classify(images), labels)}
        with torch.no_grad():  # the generator does not move now
            made = self.generate(images, self._intensities(labels))
        scores = self.discriminator.score(torch.cat([images, made]))
        real, fake = scores.float().chunk(2)
        terms = {"adv": critic_loss(real, fake, "dcgan"), "r1": torch.zeros((), device=images.device)}
        if int(self.rounds) % self.r1_every == 0:
            penalty = r1_penalty(self.discriminator.score, images)
            terms["r1"] = self.r1 / 2 * self.r1_every * penalty
        if self.cls:
            terms["cls"] = self.cls * _bce(self._classify(images), labels)
        return terms

    def generator_loss(self, batch: SketchBatch) -> dict[str, Tensor]:
        """All of the generator's terms, see the head of this file. Needs a batch with sketches, from `arrange`.

        In the log, "_off" is the mean |W W^T| off the diagonal, "_reads" the part of the attributes that W reads right.
        """
        images, labels, sketches = self._check(batch)
        w, u, half = self.weights, 2 * labels - 1, len(images) // 2
        if self.ending:
            with torch.no_grad():
                r = self.photo_encoder(images)
            r_sketch = self.sketch_encoder(sketches)
            return {
                "sem": w["sem"] * semantic_loss(r, r_sketch),
                "domain": w["domain"] * domain_loss(self.judge, r, r_sketch),
                **self._reading(r_sketch, u),
            }
        a = self._intensities(labels)
        r = self.photo_encoder(images)
        edited = self.mapping(r[half:], a[half:])
        # One pass: every face as it is, and the second half edited; of the first half M(r, 0) = r is asked.
        pictures = self.decoder(r if self.warming else torch.cat([r, edited]))
        again = pictures[: len(images)]
        terms = {"rec": w["rec"] * F.l1_loss(again.float(), images)}
        if w["percept"]:
            with torch.no_grad():
                real = self.look(images)
            terms["percept"] = w["percept"] * perceptual_loss(self.look(again), real)
        if self.variant == "dis":
            terms["attribute"] = w["attribute"] * attribute_loss(self.mapping.read(r), u)
            terms["ortho"] = w["ortho"] * orthogonality_loss(self.mapping.w)
        else:
            terms["attribute"] = w["attribute"] * attribute_loss(self.mapping.read(r.detach()), u)
            terms["edit"] = w["edit"] * edit_loss(self.mapping, r, a)
            terms["inverse"] = w["inverse"] * inverse_edit_loss(self.mapping, r, a)
        if not (self.warming and self.sketch_waits):
            r_sketch = self.sketch_encoder(sketches)
            terms |= self._reading(r_sketch, u)
            terms["domain"] = w["domain"] * domain_loss(self.judge, r, r_sketch)
            if self.variant == "dec":
                mapped = torch.cat([r[:half], edited]), self.mapping(r_sketch, a)
                terms["domain"] = terms["domain"] + w["domain"] * domain_loss(self.judge, *mapped)
            if self.semantic:
                terms["sem"] = w["sem"] * semantic_loss(r, r_sketch)
            else:
                terms["sem"] = w["sem"] * F.l1_loss(self.decoder(r_sketch).float(), images)
        if not self.warming:
            shown = torch.cat([again[:half], pictures[len(images) :]])
            terms["adv"] = self.fade_now * generator_loss(self.discriminator.score(shown).float(), "dcgan")
            if self.cls:
                terms["cls"] = self.fade_now * self.cls * _bce(self._classify(shown), (u + a >= 0).float())
        with torch.no_grad():
            terms["_off"] = off_diagonal(self.mapping.w)
            terms["_reads"] = ((self.mapping.read(r) > 0) == (u > 0)).float().mean()
        return terms

    def _reading(self, r_sketch: Tensor, u: Tensor) -> dict[str, Tensor]:
        """E_s's readings against u if `read` asks for it; in the log "_sketch_reads", the part that is right."""
        read = r_sketch.float() @ self.mapping.w.detach().float().T
        terms = {"_sketch_reads": ((read > 0) == (u > 0)).float().mean()}
        return terms | ({"read": self.read * attribute_loss(read, u)} if self.read else {})

    def _classify(self, x: Tensor) -> Tensor:
        """F's logits on x under `noise`: faint patterns drown in it, glasses do not."""
        return self.discriminator.classify(x + self.noise * torch.randn_like(x) if self.noise else x)

    def _intensities(self, labels: Tensor) -> Tensor:
        return intensities(2 * labels - 1, self.reach_now, self.single)

    def _check(self, batch: SketchBatch) -> SketchBatch:
        check_batch(batch, self.attributes, self.size)
        sketches = getattr(batch, "sketches", None)
        if sketches is None:
            raise ValueError(
                "the batch has no sketches: draw it from s2fgan.arrange(faces), whose batches carry them"
            )
        if sketches.shape != (len(batch.images), 1, self.size, self.size):
            raise ValueError(
                f"the batch's sketches have shape {tuple(sketches.shape)}, expected "
                f"{(len(batch.images), 1, self.size, self.size)}: one of the photo's size for every face"
            )
        return batch

    # -- the schedule

    def set_progress(self, progress: float) -> None:
        """Who plays now, how far edits reach, how much F's opinion weighs: 0 until `warmup`, then linearly to all."""
        ends = self._ends(progress)
        if not ends:
            self.stands.fill_(False)
        elif not self.stands:
            self._stand_still()
        self.warming, self.ending = progress < self.warmup, ends
        self.turns = ("discriminator",) * (2 if self.warming else 1) + ("generator",)
        if self.ending:
            self.turns = ("generator",) * 8
        since = max(progress - self.warmup, 0.0)
        grown, self.fade_now = (min(since / part, 1.0) if part else 1.0 for part in (self.ramp, self.fade))
        self.reach_now = 0.0 if self.warming else self.reach * grown

    def _ends(self, progress: float) -> bool:
        """Whether E_s goes on alone at this progress. Without L_sem it has nothing to learn from alone."""
        return self.semantic and self.sketch_last < 1 and progress >= self.sketch_last

    def _stand_still(self) -> None:
        """E_i, M and D become what an editor will have of them, their averages; E_s begins a new average."""
        if self.ema is not None:
            for name, network in self.inference_networks().items():
                network.load_state_dict(self.ema.averages[name])
            self.ema.updates = 0
        self.stands.fill_(True)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Checkpoints from before `stands` was kept load as ever: it stays as it is."""
        state_dict.setdefault(prefix + "stands", self.stands)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def lr_scale(self, progress: float) -> float:
        """1 until `lr_drop` of the training, then a tenth; after `sketch_last` from 1 to 0. (The code: always 1.)"""
        if self._ends(progress):
            return (1 - progress) / (1 - self.sketch_last)
        return 1.0 if progress < self.lr_drop else 0.1

    def after_round(self, round: int, batch: Batch) -> None:
        """Counts the rounds, for R1."""
        self.rounds.fill_(round + 1)

    def inference_networks(self) -> dict[str, nn.Module]:
        """{"photo": E_i, "sketch": E_s, "mapping": M, with W in it, "decoder": D}."""
        return {
            "photo": self.photo_encoder,
            "sketch": self.sketch_encoder,
            "mapping": self.mapping,
            "decoder": self.decoder,
        }

    def config(self) -> dict[str, Any]:
        return {**self._config, "attributes": list(self.attributes)}


def build_networks(config: Mapping[str, Any]) -> dict[str, nn.Module]:
    """Fresh E_i, E_s, M and D of a game's config, by the names of `inference_networks`."""
    size, style, widest = config["size"], config["style"], config["widest"]
    encoder = {key: config[key] for key in ("blocks", "pooled", "layers", "lr_mul", "folded")}
    encoder["normed"] = config.get("normed", True)  # weights that were trained before there was a choice
    n, frozen = len(config["attributes"]), config["frozen_w"]
    if config["variant"] == "dis":
        mapping: AttributeMapping = OrthogonalMapping(n, style, frozen)
    else:
        mapping = DecomposedMapping(n, style, config["hidden"], config["mapping_blocks"], frozen)
    return {
        "photo": Encoder(3, size, style, config["width"], widest, **encoder),
        "sketch": Encoder(1, size, style, config["sketch_width"], widest, **encoder),
        "mapping": mapping,
        "decoder": Decoder(size, style, config["width"], widest, config["injected"]),
    }


def off_diagonal(w: Tensor) -> Tensor:
    """The mean |W W^T| off the diagonal, of W (n, d): 0 for orthogonal rows; 0 too for a single row."""
    gram = (w @ w.T).abs()
    others = len(w) * (len(w) - 1)
    return (gram.sum() - gram.diagonal().sum()) / max(others, 1)


def _bce(logits: Tensor, labels: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits.float(), labels)


# -------------------------------------------------------------------------------------------- the sketches


class Sketched(FaceSet):
    """A `FaceSet` whose `draw` gives a `SketchBatch`: every face with one of its sketches, mirrored as it is.

    sketches: uint8 (N, k, S, S), k drawings of every face; a batch takes one of them at random.
    """

    def __init__(self, faces: FaceSet, sketches: Tensor) -> None:
        super().__init__(faces.images, faces.labels, faces.attributes, faces.name)
        if sketches.dtype != torch.uint8 or sketches.ndim != 4 or not sketches.shape[1]:
            raise ValueError(
                f"sketches must be uint8 (N, k, S, S), k drawings a face, not {sketches.dtype} {tuple(sketches.shape)}"
            )
        if (len(sketches), *sketches.shape[2:]) != (len(faces), *faces.images.shape[2:]):
            raise ValueError(
                f"sketches of {tuple(sketches.shape)} do not fit {len(faces)} faces of {faces.size} pixels: the same "
                f"number, the same size"
            )
        self.people, self.report = faces.people, faces.report
        self.sketches = sketches.to(self.images.device)

    def draw(self, batch_size: int, generator: torch.Generator, flip: bool = True) -> SketchBatch:
        """A random batch with replacement; face and sketch are mirrored together, with probability 1/2 if `flip`."""
        index = torch.randint(len(self), (batch_size,), generator=generator)
        mirrored = torch.rand(batch_size, generator=generator) < 0.5
        which = torch.randint(self.sketches.shape[1], (batch_size,), generator=generator)
        images, labels = self.batch(index, mirrored if flip else False)
        return SketchBatch(
            images, labels, self._sketch(index, which, mirrored if flip else torch.zeros_like(mirrored))
        )

    def _sketch(self, index: Tensor, which: Tensor, mirrored: Tensor) -> Tensor:
        index, which, mirrored = (x.to(self.device) for x in (index, which, mirrored))
        drawn = self.sketches[index, which][:, None].float().div_(127.5).sub_(1)
        return torch.where(mirrored[:, None, None, None], drawn.flip(-1), drawn)

    def to(self, device: str | torch.device) -> Sketched:
        moved = super().to(device)
        return self if moved is self else Sketched(moved, self.sketches)


def arrange(faces: FaceSet, sketches: Tensor | None = None, skills: Sequence[str] = world.SKILLS) -> Sketched:
    """The faces with a sketch each of every skill, drawn once, as this game wants them.

    sketches: uint8 (N, k, S, S) for photographs, whose sketches the face world cannot draw. skills: one or more of
    `faces.SKILLS`. Raises ValueError if there are none and the faces are not the face world's, or there are no faces.
    """
    if sketches is None:
        skills = (skills,) if isinstance(skills, str) else tuple(skills)
        if not skills or not len(faces):
            raise ValueError(
                f"nothing to draw: {len(faces)} faces of {faces.name}, {len(skills)} skills; take at least one of each"
            )
        if faces.people is None:
            raise ValueError(
                f"{faces.name} are not the face world's people, whose sketches it could draw: give sketches="
                f"uint8 (N, k, {faces.size}, {faces.size}), k of every face; data.line_drawings(faces) traces them"
            )
        drawn = (
            torch.cat([world.to_uint8(world.sketch(part, faces.size, skill)) for skill in skills], 1)
            for part in (faces.people[i : i + 250] for i in range(0, len(faces), 250))
        )
        sketches = torch.cat(list(drawn))
    return Sketched(faces, sketches)


# ------------------------------------------------------------------------------------------------- sizes

# Course size: narrow networks, codes of 128 numbers, levels read by one linear map each, since some thousand rounds
# are all there is, and MLPs upon MLPs are slow in them. For the same reason:
# - for five sixths of the training (`warmup`) E_i and D have only to redraw, and E_i to be read: the first rounds of
#   the game cost the redrawing 1.2 to 1.4 dB, and one that began at round 1,200 needed 1,700 to win them back, and
#   gained nothing after. `fade` spreads the shock. E_s waits (`sketch_waits`), which saves a fifth of that time;
# - the code's unused classifier is switched on (`cls`), under noise, or it would be pleased by patterns that no eye
#   sees as glasses; until `warmup` F learns to classify. Without that start, and with F at the paper's rate, F knew
#   next to nothing after 800 rounds (a cross-entropy of .60 where the labels' own is .66);
# - half of the edits ask for one attribute, as a slider does;
# - everything that says *what* to paint weighs ten times and more as much against F's "is it a photo?" as in the code:
#   with the code's weights the redrawing was worse after 700 rounds of the game than before them, and with rec at 45
#   (percept, attribute and ortho in proportion; a warm-up of 4,187 rounds) eyes and mouths were blots after 2,100;
# - Adam remembers (`beta1`): the encoder and the decoder alone, taught by pixels and features at 4e-3, were off by
#   .224 after 240 rounds without (mean of the last 40, of pixels from -1 to 1), .195 at .5, .184 at .9;
# - E_s, which runs after a code that moves, gets the last part for itself (`sketch_last`), is as wide as E_i, and is
#   taught what W reads (`read`): with half the width and without the term W read .65 of the attributes right from 300
#   held-out people's drawings, with both and twice the people .96 (not tried apart). L_sem counts all numbers alike.
# Nothing holds the codes' size (`normed`), so that the reversed gradient can win by making them, and in S2F-DEC through
# M's products everything, ever larger: with the code's weight on Q S2F-DIS's ran away after 1,000 rounds of the game,
# and with 4e-3 S2F-DEC's terms were in the thousands after 150. Hence the small domain, and S2F-DEC's lr.
# S2F-DEC's E_i hears no labels: what ships began with the end of S2F-DIS's warm-up; from nothing it was not tried.
# 6_s2fgan keeps the logs of the games from rounds 1,200 and 4,187; of the trials of cls, beta1, read and domain, none.
LAPTOP = {
    "style": 128,
    "width": 16,
    "widest": 96,
    "sketch_width": 16,
    "d_width": 16,
    "folded": True,
    "blocks": 0,
    "pooled": 1536,
    "layers": 0,
    "normed": False,
    "lr_mul": 1.0,
    "hidden": 16,
    "mapping_blocks": 2,
    "reach": 3.0,
    "warmup": 0.833,
    "ramp": 0.025,
    "fade": 0.033,
    "sketch_waits": True,
    "single": 0.5,
    "domain": 0.005,
    "rec": 150.0,
    "percept": 50.0,
    "cls": 15.0,
    "noise": 0.2,
    "lr": 4e-3,
    "critic_lr": 8e-3,
    "beta1": 0.5,
    "lr_drop": 0.915,
    "sketch_last": 0.95,
    "read": 5.0,
    "ema_decay": 0.998,
}
LAPTOP_OF = {
    "dis": {"attribute": 100.0, "ortho": 10.0},
    "dec": {"lr": 2.5e-3, "attribute": 1.0, "edit": 30.0, "inverse": 30.0},
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
        options={**LAPTOP, "style": 32, "width": 8, "widest": 16, "sketch_width": 8, "d_width": 8, "pooled": 64,
                 "hidden": 8, "warmup": 0.0, "ramp": 0.0, "fade": 0.0, "sketch_last": 0.8},
    ),
    "laptop": Profile(
        name="laptop",
        size=64,
        steps=12_600,
        batch_size=16,
        faces=16_000,
        checkpoint_every=100,
        log_every=20,
        options=LAPTOP,
    ),
    # the released code has a batch of 4 and no length: 40 epochs of 19 in 20 of CelebAMask-HQ's 30,000 faces
    "paper": Profile(
        name="paper",
        size=256,
        steps=40 * 28_500 // 4,
        batch_size=4,
        faces=28_500,
        checkpoint_every=1_000,
        log_every=100,
        options={},
    ),
}  # fmt: skip


def build(
    profile: str | Profile = "laptop", attributes: Sequence[str] | None = None, **overrides: Any
) -> S2FGAN:
    """A fresh game of a profile ("smoke", "laptop", "paper"), with any constructor argument overridden.

    `build("laptop", variant="dec")` is S2F-DEC.
    """
    settings = PROFILES.get(profile) if isinstance(profile, str) else profile
    if settings is not None and settings.options:  # a course size; the paper's has none
        options = settings.options
        own = LAPTOP_OF.get(overrides.get("variant", options.get("variant", "dis")), {})
        # what somebody's own profile says otherwise than LAPTOP stands
        same = {k: v for k, v in own.items() if options.get(k, LAPTOP.get(k)) == LAPTOP.get(k)}
        overrides = same | overrides
    return build_game(S2FGAN, PROFILES, profile, ATTRIBUTES if attributes is None else attributes, overrides)


# ---------------------------------------------------------------------------------------------- the editor


class S2FGANEditor(Editor):
    """Trained E_i, E_s, M and D behind the editor's interface, for photos and for sketches.

    Strengths become intensities by `step`, the intensity between "absent" and "present" (2, as u goes from -1 to +1; it
    may be set to anything): an edit of a photo is a = step (target - labels), and a = 0 redraws it.

    A sketch can be edited in the same way, `edit_sketch`, if its labels are known. Mostly they are not; `from_sketch`
    takes where every slider stands, and goes there from where W reads that the sketch is: a = step (target - reading).
    For a slider that moves, keep the `code` and ask `draw` for the rest.
    """

    def __init__(self, networks: Mapping[str, nn.Module], step: float = 2.0, **facts: Any) -> None:
        super().__init__(networks=networks, **facts)
        self.step = step

    # -- photos

    def code(self, images: Tensor) -> Tensor:
        """r = E_i(I): images float (B, 3, size, size) in [-1, 1] -> codes (B, style)."""
        check_images(images, self.size)
        return self._in_chunks(self.networks["photo"], images.float())

    def read(self, images: Tensor) -> Tensor:
        """What W reads from the photos' codes, as strengths (B, n): 0 absent, 1 present, clamped to that range."""
        return self.reading(self.code(images))

    def _edit(self, images: Tensor, labels: Tensor, target: Tensor) -> Tensor:
        return self._paint(self.networks["photo"](images), self.step * (target - labels))

    # -- sketches

    def code_of_sketch(self, sketches: Tensor) -> Tensor:
        """r = E_s(S): sketches float (B, 1, size, size) in [-1, 1], paper 1 and ink -1 -> codes (B, style)."""
        return self._in_chunks(self.networks["sketch"], self._check_sketches(sketches))

    def read_sketch(self, sketches: Tensor) -> Tensor:
        """What W reads from the sketches' codes, as strengths (B, n) in [0, 1]. Of what no line shows: a guess."""
        return self.reading(self.code_of_sketch(sketches))

    def from_sketch(self, sketches: Tensor, target: Tensor | None = None) -> Tensor:
        """The faces of sketches, with every attribute at its target; without one as the sketch has it.

        sketches: float (B, 1, size, size) in [-1, 1]. target: float (B, n) strengths, as in `edit`.
        Returns float (B, 3, size, size) in [-1, 1]. Raises ValueError for another shape, range or dtype.
        """
        sketches = self._check_sketches(sketches)
        if target is None:
            return self._in_chunks(
                lambda s: self.networks["decoder"](self._sketched(s)).clamp(-1, 1), sketches
            )
        check_target(target, self.attributes, len(sketches))

        def paint(s: Tensor, t: Tensor) -> Tensor:
            r = self._sketched(s)
            return self._paint(r, self._towards(r, t))

        return self._in_chunks(paint, sketches, target.float())

    def edit_sketch(self, sketches: Tensor, labels: Tensor, target: Tensor) -> Tensor:
        """The faces of sketches whose labels (B, n) are known, edited to the target: only what differs is asked for.

        Arguments and result as in `edit`, with sketches (B, 1, size, size).
        """
        sketches = self._check_sketches(sketches)
        check_labels(labels, self.attributes, len(sketches))
        check_target(target, self.attributes, len(sketches))
        a = self.step * (target.float() - labels.float())
        return self._in_chunks(lambda s, a: self._paint(self._sketched(s), a), sketches, a)

    # -- codes

    def reading(self, codes: Tensor) -> Tensor:
        """What W reads from codes (B, style), as strengths (B, n) in [0, 1].

        Raises ValueError for codes of another shape, TypeError for what is no tensor.
        """
        codes = self._check_codes(codes)
        return self._in_chunks(lambda r: (self.networks["mapping"].read(r) + 1).div(2).clamp(0, 1), codes)

    def intensities_for(self, codes: Tensor, target: Tensor) -> Tensor:
        """What brings codes (B, style) to the target, strengths (B, n): a = step (target - reading), for `draw`.

        The reading is not clamped here, so that from wherever the code is the target is reached. Returns (B, n).
        Raises TypeError or ValueError for codes of another shape or a target of another shape, range or dtype.
        """
        codes = self._check_codes(codes)
        check_target(target, self.attributes, len(codes))
        return self._in_chunks(self._towards, codes, target.to(codes))

    def draw(self, codes: Tensor, a: Tensor) -> Tensor:
        """D(M(r, a)): codes (B, style), intensities (B, n) -> faces (B, 3, size, size) in [-1, 1]. The paper's slider.

        Intensities are what the paper shows, -4 to 4; `step` of them are one strength. Raises ValueError for codes of
        another shape, or unless a has a row a code and a column an attribute; TypeError for what is no tensor.
        """
        codes = self._check_codes(codes)
        if not isinstance(a, Tensor):
            raise TypeError(
                f"intensities must be a torch tensor, not {type(a).__name__}: torch.as_tensor(...) makes one"
            )
        if a.shape != (len(codes), len(self.attributes)):
            raise ValueError(
                f"intensities have shape {tuple(a.shape)}, expected ({len(codes)}, {len(self.attributes)}): a row a "
                f"code, a column an attribute ({', '.join(self.attributes)})"
            )
        return self._in_chunks(self._paint, codes, a.to(codes))

    def directions(self) -> Tensor:
        """W, the attribute hyperplanes: (n, style), a copy on the CPU."""
        return self.networks["mapping"].w.detach().cpu().clone()

    def with_directions(self, w: Tensor) -> S2FGANEditor:
        """The same networks with other directions w (n, style), added as S2F-DIS does; see `hyperplanes`."""
        n, style = self.networks["mapping"].w.shape
        if tuple(w.shape) != (n, style):
            raise ValueError(
                f"directions have shape {tuple(w.shape)}, expected {(n, style)}: a row an attribute"
            )
        mapping = OrthogonalMapping(n, style, frozen=True)
        mapping.w.copy_(w.detach())  # a game's W needs gradients; a buffer that did could not be copied
        return S2FGANEditor(
            {**self.networks, "mapping": mapping},
            self.step,
            name=self.name,
            attributes=self.attributes,
            size=self.size,
            receipt=self.receipt,
            device=self.device,
        )

    def _towards(self, r: Tensor, target: Tensor) -> Tensor:
        return self.step * (target - 0.5) - self.networks["mapping"].read(r) * self.step / 2

    def _paint(self, r: Tensor, a: Tensor) -> Tensor:
        return self.networks["decoder"](self.networks["mapping"](r, a)).clamp(-1, 1)

    def _sketched(self, sketches: Tensor) -> Tensor:
        return self.networks["sketch"](sketches)

    def _check_codes(self, codes: Tensor) -> Tensor:
        style = self.networks["mapping"].w.shape[1]
        if not isinstance(codes, Tensor):
            raise TypeError(f"codes must be a torch tensor, as `code` gives it, not {type(codes).__name__}")
        if codes.ndim != 2 or codes.shape[1] != style or not len(codes):
            raise ValueError(
                f"codes have shape {tuple(codes.shape)}, expected (B, {style}), a row a face: for one write codes[None]"
            )
        return codes.float()

    def _check_sketches(self, sketches: Tensor) -> Tensor:
        return check_images(sketches, self.size, channels=1, name="sketches").float()


def hyperplanes(codes: Tensor, labels: Tensor) -> Tensor:
    """Directions fitted afterwards, codes (N, style) and labels (N, n) of 0 and 1 -> (n, style), for `with_directions`.

    As InterFaceGAN does (Shen et al., CVPR 2020): the normal of a linear support vector machine's plane an attribute;
    here as long as half the way between the two classes' means along it, so that an intensity of 2 goes all of it.
    Raises ValueError for an attribute that all or none of the faces have.
    """
    from sklearn.svm import LinearSVC  # takes a second to import, and only this baseline needs it

    x, rows = codes.detach().cpu().float(), []
    centre, spread = x.mean(0), x.std()
    for k, present in enumerate((labels.cpu() > 0.5).T):
        if present.all() or not present.any():
            raise ValueError(
                f"column {k} of the labels is the same for all {len(x)} faces: nothing to separate"
            )
        machine = LinearSVC(dual=False, random_state=0).fit(((x - centre) / spread).numpy(), present.numpy())
        normal = F.normalize(torch.from_numpy(machine.coef_[0]).float(), dim=0)
        along = x @ normal
        rows.append(normal * (along[present].mean() - along[~present].mean()) / 2)
    return torch.stack(rows)


def editor(networks: Mapping[str, Weights], receipt: Mapping[str, Any], device: str = "cpu") -> S2FGANEditor:
    """An editor from trained weights: {"photo", "sketch", "mapping", "decoder"}, each a network or its state dict.

    receipt: at least {"config": game.config()}. The weights are copied, so a game may train on meanwhile.
    """
    config = receipt["config"]
    fresh = build_networks(config)
    return S2FGANEditor(
        {name: loaded(network, networks[name]) for name, network in fresh.items()},
        config["step"],
        name=f"{TITLE} ({config['variant'].upper()})",
        attributes=config["attributes"],
        size=config["size"],
        receipt=dict(receipt),
        device=device,
    )
