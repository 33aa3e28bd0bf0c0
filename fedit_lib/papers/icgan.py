"""cGAN and IcGAN: Invertible Conditional GANs for image editing (Mirza & Osindero 2014; Perarnau et al. 2016).

The idea. A conditional GAN draws a face from noise z and attributes y: G(z, y). To *edit* a photograph one needs the
z and y that it would have been drawn from. IcGAN learns them after the cGAN is done: two encoders read z and y from
an image, and editing is encoding, changing y, and drawing again.

    x' = G(z, y)                    z ~ N(0, I): what the attributes do not say
    z  = E_z(x), y = E_y(x)         the encoders: learned after the generator, which then stands still
    G(E_z(x), y*)                   the edit: y* the wanted attributes

The training has four steps, and `IcGAN` takes them one after the other: (1) the cGAN; (2) generated images with the
z that they came from; (3) E_z on those; (4) E_y on real images. The file reads in that order. Steps 3 and 4 share their
rounds, a move each, as neither needs the other; but IND-COND's E_z, which is told E_y's answer, hears a beginner first.

Where the papers, the accounts of them and the released code disagree, and what is done here:

- The discriminator's third term. The papers' objective has real and fake; the released code adds real images with
  *wrong* attributes, counted as fakes: L_D = real + (wrong + fake) / 2. Here: the code's, and `wrong_y=False` for the
  papers'. A discriminator without it may judge the picture and forget to look at y.
- The generator's table gives its first full convolution a stride of 2. On a 1x1 input there is only stride 1.
- The discriminator's table lacks the last 4x4 convolution to one logit. Here: it is there, as in the code.
- Some texts call E_z with attributes ("IND-COND") a decoder. It is an encoder.
- Step 2 is a fixed set of images in the code. Here E_z is trained on fresh ones; `generated_set` makes such a set.
- The encoders' losses are squared norms, summed over z or y, in the paper, means in the code. Here: means.
- The paper's reconstruction is G(E_z(x), E_y(x)). An *edit* should keep what the person has otherwise, which here the
  labels say: `edit` and `reconstruct` take the given labels; `decode(*encode(images))` is the paper's reconstruction.
- Only this course keeps a running average (EMA) of the generator and inverts that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fedit_lib.data import Batch, check_images, check_labels
from fedit_lib.nn import conv_block, tile_labels, up_block
from fedit_lib.papers.common import Weights, build_game, check_batch, check_names, check_range, loaded
from fedit_lib.papers.editor import Editor
from fedit_lib.training import Game, Player, Profile, measure_statistics

TITLE = "IcGAN"
CITATION = (
    "G. Perarnau, J. van de Weijer, B. Raducanu, J. M. Alvarez. Invertible Conditional GANs for image editing. "
    "NIPS Workshop on Adversarial Training, 2016. arXiv:1611.06355. The cGAN: M. Mirza, S. Osindero. Conditional "
    "Generative Adversarial Nets, 2014. arXiv:1411.1784."
)
ATTRIBUTES = (
    "Bald",
    "Bangs",
    "Black_Hair",
    "Blond_Hair",
    "Brown_Hair",
    "Gray_Hair",
    "Bushy_Eyebrows",
    "Eyeglasses",
    "Heavy_Makeup",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "Pale_Skin",
    "Receding_Hairline",
    "Smiling",
    "Straight_Hair",
    "Wavy_Hair",
    "Wearing_Hat",
)
KEEP_BEST = None  # edits say nothing while the cGAN trains: the last weights count
ENCODERS = ("ind", "sng", "ind-cond")


def depth_of(size: int) -> int:
    """Stride-2 layers between `size` pixels and 4: depth_of(64) == 4. Raises ValueError for a size that has none.

    With fewer than two, D would have no layer after the one that y is given to: it would judge x and y apart, and could
    not say whether they fit.
    """
    depth = round(math.log2(size / 4)) if size >= 16 else 0
    if depth < 2 or 4 * 2**depth != size:
        raise ValueError(f"size is {size}; the networks of this paper need 16, 32, 64, 128 ... pixels")
    return depth


# ---------------------------------------------------------------------------------------------- the cGAN


class Generator(nn.Module):
    """G: noise z (B, z_dim) and attributes y (B, n) as -1/+1 -> image (B, channels, S, S) in [-1, 1].

    One 4x4 full convolution on the 1x1 input, then stride-2 ones; batch norm and ReLU, tanh last. `width` is the last
    layer's channels; they double towards z: at 64 px and width 64 they are 512, 256, 128, 64.
    """

    def __init__(self, attributes: int, size: int, width: int, z_dim: int = 100, channels: int = 3) -> None:
        super().__init__()
        self.z_dim = z_dim
        sizes = [width * 2**i for i in reversed(range(depth_of(size)))]
        self.layers = nn.Sequential(
            up_block(z_dim + attributes, sizes[0], stride=1, padding=0),
            *(up_block(i, o) for i, o in pairwise(sizes)),
            up_block(sizes[-1], channels, norm="none", act="tanh"),
        )

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return self.layers(torch.cat([z, y.to(z.dtype)], dim=1)[:, :, None, None])


class Discriminator(nn.Module):
    """D: image (B, channels, S, S) and attributes y (B, n) as -1/+1 -> logit (B,).

    Stride-2 convolutions 4x4 with leaky ReLU, batch norm in all but the first; y is copied over all places and
    appended after the *first* of them. A 4x4 convolution makes one logit of the last map.
    """

    def __init__(self, attributes: int, size: int, width: int, channels: int = 3) -> None:
        super().__init__()
        sizes = [width * 2**i for i in range(depth_of(size))]
        self.first = conv_block(channels, width, norm="none")
        self.rest = nn.Sequential(
            *(conv_block(i + (attributes if i == width else 0), o) for i, o in pairwise(sizes)),
            nn.Conv2d(sizes[-1], 1, 4),
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.rest(tile_labels(self.first(x), y)).flatten()


def init_weights(network: nn.Module) -> None:
    """DCGAN's first weights: convolutions N(0, .02), batch norms N(1, .02)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)


def label_code(labels: Tensor) -> Tensor:
    """Attributes as the networks get them: 2 a - 1, so 0 -> -1 and 1 -> 1. Linear: takes strengths too."""
    return 2 * labels - 1


def wrong_labels(y: Tensor) -> tuple[Tensor, Tensor]:
    """For each row of y (B, n) another one's row (B, n), and whether it differs at all, bool (B,)."""
    wrong = y.roll(1, 0)
    return wrong, (wrong != y).any(1)


def discriminator_loss(
    real: Tensor, fake: Tensor, wrong: Tensor | None = None, smooth: float = 0.0
) -> dict[str, Tensor]:
    """What D minimises, from its logits: "real" + ("fake" + "wrong") / 2, or "real" + "fake" where wrong is None.

    real, fake: (B,), images with the attributes that they have, or were drawn with. wrong: (B',), real images with
    someone else's attributes: to D they are fakes. smooth: real ones count as 1 - smooth (one-sided smoothing).
    """
    yes = F.binary_cross_entropy_with_logits(real, torch.full_like(real, 1 - smooth))
    no = F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    if wrong is None:
        return {"real": yes, "fake": no}
    mismatch = F.binary_cross_entropy_with_logits(wrong, torch.zeros_like(wrong), reduction="sum")
    return {"real": yes, "fake": no / 2, "wrong": mismatch / max(len(wrong), 1) / 2}


def adversarial_loss(fake: Tensor) -> Tensor:
    """What G minimises: -log D(G(z, y), y), meaned (Goodfellow's, which does not saturate)."""
    return F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))


class CGAN(Game):
    """The first step alone: a conditional GAN.

    attributes: their names, in the order of the batch's label columns. size: pixels, 16 or a larger power of two.
    channels: of the images. z_dim: length of the noise. g_width, d_width: channels of the layer next to the image.
    wrong_y: whether D also sees real images with wrong attributes. smooth: one-sided label smoothing. lr: of D and G;
    g_lr: of G, where it is another. ema_decay: of the generator's running average, or None; this course's addition.

    Raises ValueError for a size, a list of attributes or a number that cannot be.
    """

    def __init__(
        self,
        attributes: Sequence[str] = ATTRIBUTES,
        size: int = 64,
        channels: int = 3,
        z_dim: int = 100,
        g_width: int = 64,
        d_width: int = 64,
        wrong_y: bool = True,
        smooth: float = 0.0,
        lr: float = 2e-4,
        g_lr: float | None = None,
        ema_decay: float | None = None,
    ) -> None:
        super().__init__()
        self._config = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        self.attributes = check_names(attributes)
        check_range(1, channels=channels, z_dim=z_dim, g_width=g_width, d_width=d_width)
        check_range(0, 1, smooth=smooth)
        self.size, self.channels, self.z_dim, self.wrong_y, self.smooth = (
            size,
            channels,
            z_dim,
            wrong_y,
            smooth,
        )
        self.lr, self.g_lr, self.ema_decay = lr, lr if g_lr is None else g_lr, ema_decay
        self.turns = ("discriminator", "generator")
        self.generator = Generator(len(self.attributes), size, g_width, z_dim, channels)
        self.discriminator = Discriminator(len(self.attributes), size, d_width, channels)
        init_weights(self.generator)
        init_weights(self.discriminator)
        self.to(memory_format=torch.channels_last)  # a fifth faster on the course's CPUs

    def players(self) -> list[Player]:
        return [
            Player("discriminator", (self.discriminator,), self.discriminator_loss, lr=self.lr),
            Player("generator", (self.generator,), self.generator_loss, lr=self.g_lr),
        ]

    def noise(self, n: int, like: Tensor) -> Tensor:
        """z (n, z_dim) from torch's global generator, on the device of `like`."""
        return torch.randn(n, self.z_dim).to(like.device)

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """L_D of the batch; the fakes are drawn with the batch's own attributes."""
        x, y = self._check(batch)
        with torch.no_grad():
            fake = self.generator(self.noise(len(x), x), y).float()
        real_logit, fake_logit = self.discriminator(x, y), self.discriminator(fake, y)
        wrong_logit = None
        if self.wrong_y:
            wrong, differs = wrong_labels(y)
            wrong_logit = self.discriminator(x, wrong)[differs].float()
        return {
            **discriminator_loss(real_logit.float(), fake_logit.float(), wrong_logit, self.smooth),
            "_p_real": real_logit.float().sigmoid().mean(),
            "_p_fake": fake_logit.float().sigmoid().mean(),
        }

    def generator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """L_G: D should take G(z, y) for a real image with these attributes."""
        x, y = self._check(batch)
        return {
            "adv": adversarial_loss(self.discriminator(self.generator(self.noise(len(x), x), y), y).float())
        }

    def _check(self, batch: Batch) -> Batch:
        """The batch with its labels as -1/+1."""
        check_batch(batch, self.attributes, self.size, self.channels)
        return Batch(batch.images, label_code(batch.labels))

    def inference_networks(self) -> dict[str, nn.Module]:
        return {"generator": self.generator}

    def config(self) -> dict[str, Any]:
        return {**self._config, "attributes": list(self.attributes)}


# ------------------------------------------------------------------------------------- inverting the cGAN


class GeneratedSet(NamedTuple):
    """Step 2: images float (n, 3, S, S) in [-1, 1], the z (n, z_dim) and attributes y (n, k) as -1/+1 they are of."""

    images: Tensor
    z: Tensor
    y: Tensor


@torch.no_grad()
def generated_set(
    generator: Generator, labels: Tensor, n: int, seed: int = 0, chunk: int = 64
) -> GeneratedSet:
    """n generated images with their z. Attributes are rows drawn from real people's labels (N, k), 0 or 1.

    The generator should be in eval mode. The same seed gives the same set; torch's global generator is left alone.
    """
    random = torch.Generator().manual_seed(seed)
    z = torch.randn(n, generator.z_dim, generator=random).to(labels.device)
    y = label_code(labels.float())[torch.randint(len(labels), (n,), generator=random).to(labels.device)]
    images = [generator(z[i : i + chunk], y[i : i + chunk]).float() for i in range(0, n, chunk)]
    return GeneratedSet(torch.cat(images), z, y)


class Encoder(nn.Module):
    """E: image (B, 3, S, S) -> (B, outputs). Stride-2 convolutions 5x5, batch norm, ReLU; one hidden layer `hidden`.

    width: channels of the first layer, doubling (at 64 px 32, 64, 128, 256). condition: how many attributes it is also
    told, appended after the first convolution as in D.
    """

    def __init__(self, outputs: int, size: int, width: int, hidden: int, condition: int = 0) -> None:
        super().__init__()
        sizes = [width * 2**i for i in range(depth_of(size))]

        def layer(channels: int, out: int) -> nn.Sequential:
            return conv_block(channels, out, act="relu", kernel=5, padding=2)

        self.first = layer(3, width)
        self.rest = nn.Sequential(
            *(layer(i + (condition if i == width else 0), o) for i, o in pairwise(sizes)),
            nn.Flatten(),
            nn.Linear(sizes[-1] * 16, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, outputs),
        )

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        features = self.first(x)
        return self.rest(features if y is None else tile_labels(features, y))


@contextmanager
def in_eval_mode(network: nn.Module) -> Iterator[None]:
    """So that meanwhile no batch norm takes these pictures into its running statistics."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


class Encoders(nn.Module):
    """E_z and E_y in one of the paper's three arrangements: x (B, 3, S, S) -> z (B, z_dim), y (B, n) near -1/+1.

    "ind": two networks that know nothing of each other. "ind-cond": two, and E_z is told what E_y sees.
    "sng": one network with both outputs (its hidden layer is E_z's).
    """

    def __init__(
        self, kind: str, attributes: int, size: int, width: int, z_dim: int, z_hidden: int, y_hidden: int
    ) -> None:
        super().__init__()
        if kind not in ENCODERS:
            raise ValueError(f"unknown encoders {kind!r}; known: {', '.join(ENCODERS)}")
        self.kind, self.z_dim = kind, z_dim
        if kind == "sng":
            self.e_zy = Encoder(z_dim + attributes, size, width, z_hidden)
        else:
            self.e_z = Encoder(z_dim, size, width, z_hidden, attributes if kind == "ind-cond" else 0)
            self.e_y = Encoder(attributes, size, width, y_hidden)

    def y(self, x: Tensor) -> Tensor:
        """E_y(x): (B, n)."""
        return self.e_zy(x)[:, self.z_dim :] if self.kind == "sng" else self.e_y(x)

    def z(self, x: Tensor) -> Tensor:
        """E_z(x): (B, z_dim)."""
        if self.kind == "sng":
            return self.e_zy(x)[:, : self.z_dim]
        if self.kind == "ind":
            return self.e_z(x)
        with torch.no_grad(), in_eval_mode(self.e_y):  # E_z may use what E_y says, and not change it
            y = self.e_y(x)
        return self.e_z(x, y)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.z(x), self.y(x)


def z_loss(z: Tensor, z_hat: Tensor) -> Tensor:
    """L_ez = E ||z - E_z(G(z, y'))||^2, here meaned over the elements of z too: 1 is what E_z = 0 would score."""
    return F.mse_loss(z_hat.float(), z)


def y_loss(y: Tensor, y_hat: Tensor) -> Tensor:
    """L_ey = E ||y - E_y(x)||^2, here meaned over the attributes too, of labels -1/+1."""
    return F.mse_loss(y_hat.float(), y)


def search_z(
    generator: Generator, x: Tensor, y: Tensor, z: Tensor, steps: int = 500, lr: float = 0.1
) -> Tensor:
    """argmin_z ||G(z, y) - x||^2, from z (B, z_dim) on, by `steps` of Adam: images x (B, 3, S, S), y (B, n) as -1/+1.

    What no encoder needs and no edit waits for: the best that this generator can do for these faces, or near it. An
    addition of this course. Neither z nor the generator is changed; a new z comes back, detached. The generator should
    be in eval mode: while it trains, its batch norms take every step's pictures into their statistics.
    """
    z = z.detach().clone().requires_grad_()
    optimiser = torch.optim.Adam([z], lr)
    with torch.enable_grad():  # also where the caller evaluates, under no_grad
        for _ in range(steps):
            (z.grad,) = torch.autograd.grad(F.mse_loss(generator(z, y), x), z)
            optimiser.step()
    return z.detach()


class IcGAN(CGAN):
    """The whole game: first D and G play, then G stands still and the encoders learn to invert it.

    encoders: "ind", "sng" or "ind-cond", see `Encoders`. e_width, z_hidden, y_hidden: channels of the encoders' first
    layer, widths of their hidden layers. cgan_part: the part of the training that belongs to the cGAN. e_lr: of the
    encoders. lr_drop: the part of each phase after which its learning rates fall to a tenth (1: never). The rest: see
    `CGAN`. Networks are at paper size by default.

    At the switch the generator becomes its own running average, with batch-norm statistics measured afresh: what is
    inverted is what ships. `frozen`, a buffer and so in every checkpoint, says whether that has happened.

    Raises ValueError for a size, an arrangement, a list of attributes or a number that cannot be.
    """

    def __init__(
        self,
        attributes: Sequence[str] = ATTRIBUTES,
        size: int = 64,
        z_dim: int = 100,
        g_width: int = 64,
        d_width: int = 64,
        e_width: int = 32,
        z_hidden: int = 4096,
        y_hidden: int = 512,
        encoders: str = "ind",
        wrong_y: bool = True,
        smooth: float = 0.0,
        cgan_part: float = 0.5,
        lr: float = 2e-4,
        g_lr: float | None = None,
        e_lr: float = 1e-4,
        lr_drop: float = 1.0,
        ema_decay: float | None = None,
    ) -> None:
        config = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        if not 0 < cgan_part < 1:
            raise ValueError(
                f"cgan_part is {cgan_part}; it must be between 0 and 1, so that both phases have rounds"
            )
        check_range(1, e_width=e_width, z_hidden=z_hidden, y_hidden=y_hidden)
        check_range(0, 1, lr_drop=lr_drop)
        super().__init__(attributes, size, 3, z_dim, g_width, d_width, wrong_y, smooth, lr, g_lr, ema_decay)
        self._config = config
        self.cgan_part, self.e_lr, self.lr_drop = cgan_part, e_lr, lr_drop
        self.encoders = Encoders(encoders, len(self.attributes), size, e_width, z_dim, z_hidden, y_hidden)
        self.encoders.to(memory_format=torch.channels_last)
        self.register_buffer("frozen", torch.tensor(False))
        # Attributes of the last faces that D saw: `freeze` draws images with them
        self.register_buffer("rows", torch.zeros(1024, len(self.attributes), dtype=torch.uint8))
        self.register_buffer("rows_seen", torch.tensor(0))

    def players(self) -> list[Player]:
        self.turns = ("discriminator", "generator")  # every training begins with the cGAN
        e = self.encoders
        if e.kind == "sng":
            return [*super().players(), Player("encoder", (e.e_zy,), self.both_loss, lr=self.e_lr)]
        return [
            *super().players(),
            Player("encoder_z", (e.e_z,), self.encoder_z_loss, lr=self.e_lr),
            Player("encoder_y", (e.e_y,), self.encoder_y_loss, lr=self.e_lr),
        ]

    def set_progress(self, progress: float) -> None:
        """Which step of the four it is: the cGAN's players move before `cgan_part`, the encoders after."""
        if progress < self.cgan_part:
            self.turns = ("discriminator", "generator")
            self.frozen.fill_(False)
            return
        if not self.frozen:
            self.freeze()
        self.turns = ("encoder",) if self.encoders.kind == "sng" else ("encoder_z", "encoder_y")
        self.generator.eval()

    def discriminator_loss(self, batch: Batch) -> dict[str, Tensor]:
        """L_D, see `CGAN`; the attributes are remembered for `freeze`."""
        terms = super().discriminator_loss(batch)
        kept = torch.cat([batch.labels.to(self.rows.dtype), self.rows])[: len(self.rows)]
        self.rows.copy_(kept)
        self.rows_seen.fill_(min(int(self.rows_seen) + len(batch.labels), len(self.rows)))
        return terms

    @torch.no_grad()
    def freeze(self) -> None:
        """The generator becomes its moving average (where there is one) for good."""
        if self.ema is not None:
            self.generator.load_state_dict(self.ema.averages["generator"])
            if self.rows_seen:
                measure_statistics([self.generator], self._rehearse, batches=30)
            for key, value in self.generator.state_dict().items():
                self.ema.averages["generator"][key].copy_(value)
            self.ema.updates = (
                0  # the encoders' average begins now, and should not linger at their first weights
            )
        self.frozen.fill_(True)

    def _rehearse(self, number: int = 64) -> None:
        """Some images with attributes that real people had lately, for the batch norms' statistics."""
        rows = self.rows[torch.randint(int(self.rows_seen), (number,)).to(self.rows.device)]
        y = label_code(rows.float())
        self.generator(self.noise(number, y), y)

    def _generated(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Fresh images with these attributes, and their z."""
        z = self.noise(len(y), y)
        with torch.no_grad():
            return self.generator(z, y).float(), z

    def encoder_z_loss(self, batch: Batch) -> dict[str, Tensor]:
        """L_ez on generated images, the only ones whose z is known; their attributes y' are real people's."""
        images, z = self._generated(self._check(batch).labels)
        return {"z": z_loss(z, self.encoders.z(images))}

    def encoder_y_loss(self, batch: Batch) -> dict[str, Tensor]:
        """L_ey on real images."""
        x, y = self._check(batch)
        return {"y": y_loss(y, self.encoders.y(x))}

    def both_loss(self, batch: Batch) -> dict[str, Tensor]:
        """L_ez + L_ey, for "sng": its one network learns both at once."""
        return {**self.encoder_z_loss(batch), **self.encoder_y_loss(batch)}

    def _check(self, batch: Batch) -> Batch:
        if len(batch.images) < 2:  # said in the first round, and not when the cGAN is done
            raise ValueError(
                "a batch of one face: the encoders' batch norm compares faces, take a batch_size of 2 or more"
            )
        return super()._check(batch)

    def lr_scale(self, progress: float) -> float:
        """1, and a tenth after `lr_drop` of the phase."""
        within = (
            progress / self.cgan_part
            if progress < self.cgan_part
            else (progress - self.cgan_part) / (1 - self.cgan_part)
        )
        return 1.0 if within < self.lr_drop else 0.1

    def inference_networks(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "encoders": self.encoders}


# ------------------------------------------------------------------------------------------------- sizes

# Course size: narrower layers, a shorter schedule, higher learning rates for the encoders.
LAPTOP = {
    "g_width": 32,
    "d_width": 32,
    "e_width": 16,
    "z_hidden": 512,
    "y_hidden": 256,
    "cgan_part": 0.75,
    "lr": 2e-4,
    "e_lr": 1e-3,
    "lr_drop": 0.8,
    "ema_decay": 0.999,
}
PROFILES = {
    "smoke": Profile(
        name="smoke",
        size=32,
        steps=4,
        batch_size=8,
        faces=64,
        checkpoint_every=2,
        log_every=1,
        options={
            **LAPTOP,
            "g_width": 8,
            "d_width": 8,
            "e_width": 4,
            "z_hidden": 16,
            "y_hidden": 16,
            "cgan_part": 0.5,
        },
    ),
    "laptop": Profile(
        name="laptop",
        size=64,
        steps=20_000,
        batch_size=32,
        faces=30_000,
        checkpoint_every=500,
        log_every=50,
        options=LAPTOP,
    ),
    # 25 epochs of CelebA's 162,770 training images for the cGAN, as many rounds for the encoders
    "paper": Profile(
        name="paper",
        size=64,
        steps=2 * 25 * 162_770 // 64,
        batch_size=64,
        faces=162_770,
        checkpoint_every=1_000,
        log_every=100,
        options={},
    ),
}


def build(
    profile: str | Profile = "laptop", attributes: Sequence[str] | None = None, **overrides: Any
) -> IcGAN:
    """A fresh game of a profile ("smoke", "laptop", "paper"), with any constructor argument overridden."""
    return build_game(IcGAN, PROFILES, profile, ATTRIBUTES if attributes is None else attributes, overrides)


# ---------------------------------------------------------------------------------------------- the editor


class IcGANEditor(Editor):
    """A trained G, E_z and E_y behind the editor's interface.

    An edit is G(E_z(x), y*), and y* is the whole target: what an edit leaves alone comes from the labels that it is
    given, not from E_y. So does `reconstruct`; the paper's own reconstruction is `decode(*encode(images))`.
    """

    def __init__(self, generator: Generator, encoders: Encoders, **facts: Any) -> None:
        super().__init__(networks={"generator": generator, "encoders": encoders}, **facts)

    def _edit(self, images: Tensor, labels: Tensor, target: Tensor) -> Tensor:
        return self.networks["generator"](self.networks["encoders"].z(images), label_code(target))

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """E_z(x) and E_y(x) of images (B, 3, size, size) in [-1, 1]: z (B, z_dim) and y (B, n) near -1 or 1.

        Raises ValueError for another shape, range or dtype, TypeError for what is no tensor.
        """
        check_images(images, self.size)
        encoders = self.networks["encoders"]
        both = self._in_chunks(lambda x: torch.cat(encoders(x), dim=1), images.float())
        return both[:, : encoders.z_dim], both[:, encoders.z_dim :]

    def decode(self, z: Tensor, y: Tensor) -> Tensor:
        """G(z, y): z (B, z_dim), y (B, n) as -1/+1 or between -> images (B, 3, size, size) in [-1, 1].

        Raises ValueError for another shape or an empty batch, TypeError for what is no tensor.
        """
        z_dim = self.networks["generator"].z_dim
        for name, given in (("z", z), ("y", y)):
            if not isinstance(given, Tensor):
                raise TypeError(
                    f"{name} must be a torch tensor, not {type(given).__name__}: torch.as_tensor(...) makes one"
                )
        if z.ndim != 2 or z.shape[1] != z_dim or y.shape != (len(z), len(self.attributes)):
            raise ValueError(
                f"z and y have shapes {tuple(z.shape)} and {tuple(y.shape)}, expected (B, {z_dim}) and "
                f"(B, {len(self.attributes)})"
            )
        if not len(z):
            raise ValueError("z and y are an empty batch: there is nothing to draw")
        return self._in_chunks(self.networks["generator"], z.float(), y.float())

    def sample(self, labels: Tensor, seed: int = 0) -> Tensor:
        """New people with these attributes (B, n), 0 to 1; z is drawn from `seed`. Images (B, 3, size, size).

        Raises ValueError for an empty batch or labels of another shape, range or dtype, TypeError for no tensor.
        """
        check_labels(labels, self.attributes, len(labels))
        random = torch.Generator().manual_seed(seed)
        z = torch.randn(len(labels), self.networks["generator"].z_dim, generator=random)
        return self.decode(z.to(labels.device), label_code(labels.float()))


def editor(networks: Mapping[str, Weights], receipt: Mapping[str, Any], device: str = "cpu") -> IcGANEditor:
    """An editor from trained weights: {"generator": ..., "encoders": ...}, each a network or its state dict.

    receipt: at least {"config": game.config()}. The weights are copied, so a game may train on meanwhile.
    """
    config = receipt["config"]
    n, size, z_dim = len(config["attributes"]), config["size"], config["z_dim"]
    generator = Generator(n, size, config["g_width"], z_dim)
    encoders = Encoders(
        config["encoders"], n, size, config["e_width"], z_dim, config["z_hidden"], config["y_hidden"]
    )
    for name, network in (("generator", generator), ("encoders", encoders)):
        loaded(network, networks[name])
    return IcGANEditor(
        generator,
        encoders,
        name=TITLE,
        attributes=config["attributes"],
        size=size,
        receipt=dict(receipt),
        device=device,
    )
