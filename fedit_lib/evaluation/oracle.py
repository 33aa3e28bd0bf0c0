"""The oracle: a classifier that has seen neither an editor nor its people, and judges every edit.

It looks at a picture and says, for each of the 24 attributes, whether it is there (a logit) and how strongly (a number
in [0, 1], which a slider is measured with). Its last hidden layer serves as the feature space of the Fréchet distance.

Two oracles of different build exist, because an editor trained against a classifier can learn the classifier's blind
spots: noise that "a" calls glasses seldom convinces "b".

Those that ship have seen drawn faces. Photographs need an oracle that learned from photographs: `train` makes one from
CelebA or a folder (`source`, `root`). Their tables say whether, not how strongly, so its strength is the probability
that the attribute is there.
"""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import faces
from ..data import SOURCES, Batch, FaceSet, load_source
from ..data.checks import check_images
from ..nn import feature_trunk
from ..training import Game, History, Player, Profile, fast_precision, fit
from ..training.support import commit, hardware, is_first_process, versions
from ..training.weights import WeightsError, load_weights, save_weights

VARIANTS = {
    "a": "a small residual network, batch normalisation",
    "b": "plain strided convolutions, group normalisation",
}
REQUIRED_ACCURACY = 0.97  # below this mean the oracle is no judge, and the benchmark says so
TRAIN_ON_PHOTOS = (
    "train one that can, fedit train oracle --source celeba --root ROOT --out RUN, and give it: --oracle RUN"
)
VALIDATION_PHOTOS = 500

# Seconds in CI, and half an hour on two CPU cores.
PROFILES = {
    "smoke": Profile(
        name="smoke", size=64, steps=4, batch_size=16, faces=96, checkpoint_every=1000, log_every=1,
        options={"width": 8},
    ),
    "laptop": Profile(
        name="laptop", size=64, steps=7000, batch_size=64, faces=40_000, checkpoint_every=500, log_every=50,
        options={"width": 32},
    ),
}  # fmt: skip


class OracleNet(nn.Module):
    """One trunk, one layer of features, two heads.

    Args:
        variant: "a" or "b", see `VARIANTS`.
        attributes: how many attributes it judges.
        size: side of the pictures it looks at, in pixels; a multiple of 16. Others are resized to it.
        width: channels after the first layer; a multiple of 8.
        features: length of the feature vector.
    """

    def __init__(
        self, variant: str = "a", attributes: int = 24, size: int = 64, width: int = 32, features: int = 128
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(f"no oracle {variant!r}; known variants: {', '.join(VARIANTS)}")
        if size < 16 or size % 16:
            raise ValueError(
                f"the oracle halves its pictures four times: size must be a multiple of 16, not {size}"
            )
        if width < 8 or width % 8:
            raise ValueError(f"width must be a multiple of 8, not {width}")
        self.size = size
        self.num_features = features  # torchmetrics reads this name
        self.trunk = feature_trunk(variant, width)
        cells = 4 * width * (size // 16) ** 2
        self.summary = nn.Sequential(nn.Linear(cells, features), nn.ReLU())
        self.dropout = nn.Dropout(0.2)
        self.label_head = nn.Linear(features, attributes)
        self.strength_head = nn.Linear(features, attributes)

    def features(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in [-1, 1] -> (B, features), all at least 0."""
        if images.shape[-1] != self.size:
            images = F.interpolate(
                images, (self.size, self.size), mode="bilinear", antialias=True, align_corners=False
            )
        return self.summary(self.trunk(images.contiguous(memory_format=torch.channels_last)))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, S, S) -> logits (B, n), strengths (B, n) in (0, 1)."""
        features = self.dropout(self.features(images))
        return self.label_head(features), torch.sigmoid(self.strength_head(features))


class Reading(NamedTuple):
    """What the oracle sees in B pictures."""

    labels: Tensor  # (B, n) 0/1
    strengths: Tensor  # (B, n) in [0, 1]
    features: Tensor  # (B, F)


def _disturb(images: Tensor) -> Tensor:
    """Small faults of the kind that generators have: other light, softness, noise. A judge must see through them."""
    n, device = len(images), images.device

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(n, 1, 1, 1, device=device) * (high - low) + low

    softness = uniform(-1.0, 1.0).clamp_min(0)  # half of the pictures stay sharp
    soft = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    images = torch.lerp(images, soft, softness)
    images = images * uniform(0.9, 1.1) + uniform(-0.06, 0.06)
    noise = uniform(-0.08, 0.08).clamp_min(0)
    return (images + noise * torch.randn_like(images)).clamp(-1, 1)


class Oracle(Game):
    """The oracle as a game of one player: it learns from strengths, and is asked for labels and strengths.

    A batch's `labels` are *strengths* here (`examples` makes such a set): they carry the labels (above .5) and more.

    Args: see `OracleNet`; `attributes` are names from `faces.ATTRIBUTES`, by default all. `source` says what it has
    seen, one of `data.SOURCES`; of photographs it may know attributes of any name.
    """

    turns = ("oracle",)
    ema_decay = None

    def __init__(
        self,
        attributes: tuple[str, ...] | list[str] = faces.ATTRIBUTES,
        variant: str = "a",
        size: int = 64,
        width: int = 32,
        features: int = 128,
        source: str = "procedural",
    ) -> None:
        super().__init__()
        if source not in SOURCES:
            raise ValueError(f"no source {source!r} to learn from; there are {', '.join(SOURCES)}")
        self.attributes = faces.check_attributes(
            attributes, faces.ATTRIBUTES if source == "procedural" else attributes
        )
        self.variant, self.size, self.source = variant, size, source
        self._config = {
            "attributes": list(attributes), "variant": variant, "size": size, "width": width, "features": features,
            "source": source,
        }  # fmt: skip
        self.net = OracleNet(variant, len(self.attributes), size, width, features)
        self.receipt: dict[str, Any] = {}
        self.history: History | None = None

    def __repr__(self) -> str:
        accuracy = (self.receipt.get("accuracy") or {}).get("mean")
        unit = "people" if self.source == "procedural" else "photographs"
        known = f", {accuracy:.1%} right on held-out {unit}" if accuracy is not None else ", untrained"
        return f"Oracle({self.variant}, {len(self.attributes)} attributes, {self.size} px{known})"

    # -- the game ----------------------------------------------------------------------

    def players(self) -> list[Player]:
        return [Player("oracle", (self.net,), self.loss, lr=1e-3, betas=(0.9, 0.999))]

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy on the labels, squared error on the strengths.

        Pictures close to the border of a label (strength .4 to .6) teach the strengths only: there the label is a
        convention that no eye can see.
        """
        strengths = batch.labels
        logits, measured = self.net(_disturb(batch.images))
        labels = (strengths > 0.5).float()
        clear = ((strengths - 0.5).abs() > 0.1).float()
        classification = F.binary_cross_entropy_with_logits(logits.float(), labels, reduction="none")
        return {
            "classification": (classification * clear).sum() / clear.sum().clamp_min(1),
            "strength": 4.0 * F.mse_loss(measured.float(), strengths),
            "_accuracy": (((logits > 0).float() == labels).float() * clear).sum() / clear.sum().clamp_min(1),
        }

    def lr_scale(self, progress: float) -> float:
        """Half a cosine from 1 to 0, after a short warm-up."""
        return min(1.0, (progress + 1e-3) / 0.02) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))

    def inference_networks(self) -> dict[str, nn.Module]:
        return {"oracle": self.net}

    def config(self) -> dict[str, Any]:
        return dict(self._config)

    # -- the judge ----------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        return next(self.net.parameters()).device

    def parameters_count(self) -> int:
        """How many numbers it learned."""
        return sum(p.numel() for p in self.net.parameters())

    @torch.no_grad()
    def read(self, images: Tensor, chunk: int = 128) -> Reading:
        """Look at pictures (B, 3, S, S) in [-1, 1] of any size, and say what is there. Computed in evaluation mode.

        The answer is on the pictures' device: `load_oracle` shares one oracle, which `evaluate` moves to the editor's.

        Raises:
            ValueError: if `images` has another shape, range or type.
        """
        images = check_images(images).float()
        training = self.net.training
        self.net.eval()
        try:
            seen = torch.cat([self.net.features(part.to(self.device)) for part in images.split(chunk)])
            logits, strengths = self.net.label_head(seen), torch.sigmoid(self.net.strength_head(seen))
        finally:
            self.net.train(training)
        return Reading(*(part.to(images.device) for part in ((logits > 0).float(), strengths, seen)))

    def labels(self, images: Tensor, names: tuple[str, ...] | list[str] | None = None) -> Tensor:
        """(B, 3, S, S) -> (B, k) 0/1 for the attributes in `names` (default: all it knows)."""
        return self.read(images).labels[:, self.columns(names)]

    def strengths(self, images: Tensor, names: tuple[str, ...] | list[str] | None = None) -> Tensor:
        """(B, 3, S, S) -> (B, k) in [0, 1] for the attributes in `names` (default: all it knows)."""
        return self.read(images).strengths[:, self.columns(names)]

    def columns(self, names: tuple[str, ...] | list[str] | None = None) -> list[int]:
        """Where the attributes in `names` stand among this oracle's."""
        if names is None:
            return list(range(len(self.attributes)))
        names = (names,) if isinstance(names, str) else names
        missing = [name for name in names if name not in self.attributes]
        if missing:
            if self.source == "procedural":
                faces.check_attributes(missing)  # unknown everywhere: the error lists close matches
            raise ValueError(
                f"this oracle does not know {', '.join(missing)}; it knows {', '.join(self.attributes)}"
            )
        return [self.attributes.index(name) for name in names]


# -- examples to learn from ----------------------------------------------------------------------


class StrengthSet(FaceSet):
    """A `FaceSet` whose batches carry strengths in [0, 1] where others carry labels of 0 and 1."""

    def __init__(self, images: Tensor, strengths: Tensor, attributes: Sequence[str], name: str) -> None:
        super().__init__(images, (strengths > 0.5).float(), attributes, name)
        self.labels = strengths.float().to(images.device)

    def _like(self, images: Tensor, labels: Tensor, attributes: Sequence[str], people: Any) -> StrengthSet:
        return StrengthSet(images, labels, attributes, self.name)


def examples(
    n: int, size: int = 64, seed: int = 0, split: str = "oracle", progress: bool = False
) -> StrengthSet:
    """`n` faces with all 24 *strengths* as labels, people of one split, drawn at `size` pixels a side.

    Half are sampled independently, a quarter as in life; in the last quarter one attribute after the other takes a
    strength anywhere in [0, 1], as it will when a slider moves.
    """
    if n < 4:
        raise ValueError(f"n must be at least 4, not {n}")
    start = faces.SEEDS[split].start + seed
    slider, lifelike = n // 4, n // 4
    generator = torch.Generator().manual_seed(start)
    moving = faces.sample(slider, seed=start + 2, correlated=False)
    groups = [faces.sample(n - slider - lifelike, seed=start, correlated=False)]
    groups.append(faces.sample(lifelike, seed=start + 1, correlated=True))
    bounds = torch.linspace(0, slider, len(faces.ATTRIBUTES) + 1).long().tolist()
    for name, low, high in zip(faces.ATTRIBUTES, bounds, bounds[1:], strict=False):
        if high > low:
            groups.append(moving[low:high].with_attribute(name, torch.rand(high - low, generator=generator)))

    images = torch.empty(n, 3, size, size, dtype=torch.uint8)
    strengths = torch.empty(n, len(faces.ATTRIBUTES))
    place = 0
    chunks = [group[i : i + 256] for group in groups for i in range(0, len(group), 256)]
    if progress:
        from tqdm.auto import tqdm

        chunks = tqdm(chunks, desc="drawing faces", leave=False)
    for people in chunks:
        here = slice(place, place + len(people))
        images[here], strengths[here] = faces.render_uint8(people, size=size), people.strengths()
        place += len(people)
    return StrengthSet(images, strengths, faces.ATTRIBUTES, f"strengths-{split}-{seed}")


def accuracy_on_people(
    oracle: Oracle, n: int = 2000, seed: int = 0, split: str = "test", size: int | None = None
) -> dict[str, float]:
    """How often the oracle is right, attribute by attribute, on `n` people sampled independently."""
    people = faces.sample(n, seed=faces.SEEDS[split].start + seed, correlated=False)
    parts = (people[i : i + 256] for i in range(0, n, 256))
    return _share_right(
        oracle, ((faces.render(p, size=size or oracle.size), p.labels(oracle.attributes)) for p in parts)
    )


def accuracy_on_photos(oracle: Oracle, photos: FaceSet, most: int | None = None) -> dict[str, float]:
    """The same on photographs, the first `most` of them; attributes that their table lacks are left out."""
    names = [name for name in oracle.attributes if name in photos.attributes]
    n = min(len(photos), most or len(photos))
    batches = (photos.subset(names).batch(slice(i, min(i + 256, n))) for i in range(0, n, 256))
    return _share_right(oracle, batches, names)


def _share_right(
    oracle: Oracle, batches: Iterable[tuple[Tensor, Tensor]], names: Sequence[str] | None = None
) -> dict[str, float]:
    """{attribute: share of right answers} over pictures (B, 3, S, S) and their labels (B, k)."""
    names = oracle.attributes if names is None else tuple(names)
    right, n = torch.zeros(len(names)), 0
    for images, labels in batches:
        right += (oracle.labels(images, names).cpu() == labels.cpu()).float().sum(0)
        n += len(images)
    return {name: float(r / n) for name, r in zip(names, right, strict=True)}


# -- training, saving, loading ----------------------------------------------------------------------


def build(profile: str | Profile = "laptop", variant: str = "a", **overrides: Any) -> Oracle:
    """An untrained oracle of a profile.

    Raises:
        ValueError: if the profile or the variant is unknown.
    """
    profile = _profile(profile)
    return Oracle(**{"variant": variant, "size": profile.size, **profile.options, **overrides})


def _profile(profile: str | Profile) -> Profile:
    if isinstance(profile, Profile):
        return profile
    if profile not in PROFILES:
        raise ValueError(f"the oracle has no profile {profile!r}; it has {', '.join(PROFILES)}")
    return PROFILES[profile]


def weights_path(variant: str = "a") -> Path:
    """Where the shipped oracle of this variant lies."""
    if variant not in VARIANTS:
        raise ValueError(f"no oracle {variant!r}; known variants: {', '.join(VARIANTS)}")
    return Path(__file__).resolve().parent.parent / "weights" / f"oracle_{variant}.safetensors"


def train(
    profile: str | Profile = "laptop",
    out: str | Path | None = None,
    variant: str = "a",
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    steps: int | None = None,
    resume: bool = True,
    progress: bool = True,
    weights: str | Path | None = None,
    people: int = 2000,
    command: str | None = None,
    source: str = "procedural",
    root: str | Path | None = None,
    attributes: Sequence[str] | None = None,
) -> Oracle:
    """Train an oracle on people of the "oracle" split, and score it on people of the "test" split.

    On photographs: on all of the "train" split, whatever the profile's number of faces.

    Args:
        profile: "smoke", "laptop", or a `Profile`.
        out: folder of checkpoint, log and weights; None writes nothing.
        steps: instead of the profile's.
        precision: "32-true", "bf16-mixed", or "auto" (see `training.fast_precision`).
        weights: file to save to; by default `out/oracle_<variant>.safetensors`.
        people: how many held-out people (or photographs) its receipt's accuracy is measured on.
        command: noted in the receipt; by default the `fedit` command that does the same.
        source, root: "celeba" or "folder" and where it lies, see `data.load_source`.
        attributes: of a table of photographs, which to learn; by default all.

    Returns:
        The oracle, its `history` and `receipt` filled in. One that was interrupted has no receipt and writes no
        weights; the same call goes on from its checkpoint.
    """
    profile = _profile(profile)
    given = "" if precision == "auto" else f" --precision {precision}"  # what the command has to say
    if attributes is not None and source != "procedural":
        given += f" --attributes {shlex.quote(','.join(attributes))}"
    if steps is not None:
        given = f" --steps {steps}{given}" if steps != profile.steps else given
        profile = replace(profile, steps=steps)
    if precision == "auto":
        precision = fast_precision(device)
    torch.manual_seed(seed)
    if source == "procedural":
        oracle = build(profile, variant)
        examples_set: FaceSet = examples(profile.faces, profile.size, seed=seed * 10, progress=progress)

        def measure(game: Oracle, split: str, n: int) -> dict[str, float]:
            return accuracy_on_people(game, n, split=split)
    else:

        def photos(split: str, names: Sequence[str] | None) -> FaceSet:
            return load_source(source, size=profile.size, attributes=names, split=split, root=root)

        examples_set = photos("train", attributes)
        held_out = {split: photos(split, examples_set.attributes) for split in ("valid", "test")}
        oracle = build(profile, variant, source=source, attributes=examples_set.attributes)

        def measure(game: Oracle, split: str, n: int) -> dict[str, float]:
            return accuracy_on_photos(game, held_out[split], n)

    def validate(game: Oracle, step: int) -> dict[str, float]:
        return _rates(measure(game, "valid", min(VALIDATION_PHOTOS, profile.faces)))

    history = fit(
        oracle,
        examples_set,
        steps=profile.steps,
        batch_size=profile.batch_size,
        seed=seed,
        device=device,
        precision=precision,
        out=None if out is None else Path(out),
        checkpoint_every=profile.checkpoint_every,
        log_every=profile.log_every,
        resume=resume,
        progress=progress,
        validate=validate,
        validate_every=max(profile.steps // 10, 1),
        channels_last=True,
        profile=profile.name,
    )
    oracle.history = history
    oracle.eval()
    if history.interrupted or not is_first_process():
        return oracle
    per_attribute = measure(oracle, "test", people)
    folder = "" if root is None else f" --root {Path(root).name if os.path.isabs(root) else root}"
    oracle.receipt = {
        "model": f"oracle_{variant}",
        "architecture": VARIANTS[variant],
        "command": command
        or f"fedit train oracle --variant {variant} --profile {profile.name} --seed {seed}"
        + ("" if source == "procedural" else f" --source {source}{folder}")
        + given,
        "source": source,
        "faces": examples_set.name,
        "number_of_faces": len(examples_set),
        "profile": profile.name,
        "config": oracle.config(),
        "seed": seed,
        "steps": profile.steps,
        "seconds": round(float(history.seconds), 1),
        "precision": precision,
        "hardware": hardware(oracle.device),
        "versions": versions(),
        "commit": commit(),
        "people": people if source == "procedural" else min(people, len(held_out["test"])),
        "accuracy": {
            "mean": sum(per_attribute.values()) / len(per_attribute),
            "per_attribute": per_attribute,
        },
    }
    if weights is None and out is not None:
        weights = Path(out) / f"oracle_{variant}.safetensors"
    if weights is not None:
        save_weights(Path(weights), oracle.inference_networks(), oracle.receipt)
    return oracle


def _rates(per_attribute: dict[str, float]) -> dict[str, float]:
    rates = list(per_attribute.values())
    return {"accuracy": sum(rates) / len(rates), "worst": min(rates)}


def load_trained_oracle(run: str | Path, device: str = "cpu") -> Oracle:
    """The oracle that `fedit train oracle --out RUN` wrote: of its run folder, or of the weight file in it.

    Raises:
        FileNotFoundError: there is none, or there are both variants (then give the file).
        WeightsError: it is damaged, or holds something else.
    """
    run = Path(run)
    found = [run] if run.suffix == ".safetensors" else sorted(run.glob("oracle_*.safetensors"))
    if len(found) != 1 or not found[0].is_file():
        there = "several: " + ", ".join(path.name for path in found) if len(found) > 1 else "none"
        raise FileNotFoundError(
            f"{run} should hold one oracle, but there is {there}; give the folder that `fedit train oracle --out` was "
            f"told, or its .safetensors file"
        )
    return load_oracle(path=found[0], device=device)


_LOADED: dict[tuple[str, float], Oracle] = {}


def load_oracle(variant: str = "a", device: str = "cpu", path: str | Path | None = None) -> Oracle:
    """The shipped oracle, or one that you trained yourself (`path`), ready to judge.

    Raises:
        ValueError: if the variant is unknown.
        WeightsError: if the file is absent, damaged, or holds something else.
    """
    given, path = path, weights_path(variant) if path is None else Path(path)
    if not path.exists():
        if given is not None:
            raise WeightsError(f"there is no oracle at {path}: give the .safetensors file of a training")
        raise WeightsError(
            f"the oracle's weights are not at {path}: get them again (git checkout -- fedit_lib/weights), or train "
            f"them, half an hour on two CPU cores, with fedit train oracle --variant {variant}, and copy {path.name} "
            f"and {path.stem}.json from build/runs/oracle-{variant}-laptop to {path.parent}"
        )
    key = (str(path.resolve()), path.stat().st_mtime)
    if key not in _LOADED:
        states, receipt = load_weights(path)
        config = receipt.get("config")
        if "oracle" not in states or not isinstance(config, dict) or "variant" not in config:
            raise WeightsError(f"{path.name} holds no oracle (networks: {', '.join(states) or 'none'})")
        try:
            oracle = Oracle(**config)
            oracle.net.load_state_dict(states["oracle"])
        except (TypeError, ValueError, RuntimeError) as error:
            raise WeightsError(f"{path.name} does not fit the oracle of this version: {error}") from error
        oracle.receipt = receipt
        oracle.eval()
        oracle.requires_grad_(False)
        _LOADED.clear() if len(_LOADED) > 4 else None
        _LOADED[key] = oracle
    oracle = _LOADED[key]
    return oracle.to(torch.device("cuda" if device == "auto" and torch.cuda.is_available() else
                                  "cpu" if device == "auto" else device))  # fmt: skip
