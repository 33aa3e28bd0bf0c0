"""Is an edit good enough to learn from? A face verifier trained with and without edited copies.

Zhang et al. (ECCV 2018, section 4) add SaGAN's edits to the training pictures of a face verifier that has few of each
person, and verify better. The reason they hope for: someone who was only ever seen without glasses is, to the
verifier, a person of whom bare eyes are a mark; the copy with glasses says that they are not.

The face world photographs the same person again (`People.with_scene`: pose, light, clothes, background), and with one
attribute changed, so both questions have exact answers here: pairs of held-out people tell how well the verifier
knows a face that has changed, and the *true* edited copies tell what a perfect editor would be worth.

    album(people, photos)  ->  train_verifier(...) or Fisherfaces(...)  ->  Lineup(...).scores(verifier)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import faces as world
from ..papers.editor import device_of
from .exam import draw

CHUNK = 125  # pictures edited or embedded at a time
SCALE, MARGIN = 16.0, 0.2  # of the softmax over cosines (Wang et al. 2018, CosFace)


class Verifier(nn.Module):
    """Pictures -> points on a sphere; the same person's lie close together.

    Args:
        size: side of the pictures that it looks at, in pixels, a multiple of 16; others are resized to it.
        width: channels after the first of four convolutions that halve the picture.
        features: dimensions of the embedding.
    """

    def __init__(self, size: int = 64, width: int = 16, features: int = 64) -> None:
        super().__init__()
        if size < 16 or size % 16:
            raise ValueError(
                f"the verifier halves its pictures four times: size must be a multiple of 16, not {size}"
            )
        layers: list[nn.Module] = []
        inside = 3
        for outside in (width, 2 * width, 4 * width, 4 * width):
            layers += [
                nn.Conv2d(inside, outside, 3 if layers else 5, 2, 1 if layers else 2, bias=False),
                nn.BatchNorm2d(outside),
                nn.ReLU(),
            ]
            inside = outside
        self.size = size
        self.trunk = nn.Sequential(*layers, nn.Flatten())
        self.embedding = nn.Sequential(
            nn.Linear(inside * (size // 16) ** 2, features, bias=False), nn.BatchNorm1d(features)
        )

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in [-1, 1] -> unit vectors (B, features)."""
        if images.shape[-1] != self.size:
            images = F.adaptive_avg_pool2d(images, self.size)
        return F.normalize(self.embedding(self.trunk(images)), dim=1)

    @torch.no_grad()
    def embed(self, pictures: Tensor) -> Tensor:
        """uint8 (B, 3, S, S) -> unit vectors (B, features), in eval mode."""
        training = self.training
        self.eval()
        parts = [self(world.to_float(pictures[i : i + CHUNK])) for i in range(0, len(pictures), CHUNK)]
        self.train(training)
        return torch.cat(parts)


# -- pictures to learn from ----------------------------------------------------------------------


def album(people: world.People, photos: int, seed: int = 0) -> tuple[world.People, Tensor]:
    """Everyone photographed `photos` times: People (photos * n), and who is on each, long (photos * n,).

    Scenes differ, the attributes do not: who wears glasses wears them on every photo.
    """
    shots = [people.with_scene(1000 * seed + k) for k in range(photos)]
    if not shots:
        raise ValueError(f"an album needs at least one photo of each, not {photos}")
    together = world.People(
        torch.cat([shot.attributes for shot in shots]), torch.cat([shot.traits for shot in shots])
    )
    return together, torch.arange(len(people)).repeat(photos)


def flipped(people: world.People, attribute: str) -> world.People:
    """The same photographs of the same people with `attribute` the other way round, at a typical strength."""
    wanted = 1 - people.labels([attribute])[:, 0]
    return people.with_attribute(
        attribute, torch.where(wanted > 0.5, world.TYPICAL[1], world.TYPICAL[0]).to(wanted)
    )


def edited_copies(editor: Any, people: world.People, attributes: Sequence[str]) -> Tensor:
    """An editor's copies of everyone's photograph, one with each attribute flipped: uint8 (k * n, 3, S, S).

    editor: anything with `attributes`, `size` and `edit`. people: whose photographs are drawn and edited. The order is
    that of `torch.cat([draw(flipped(people, a), size) for a in attributes])`, the true copies.
    Raises UnknownAttribute for an attribute that the editor does not have.
    """
    names = tuple(editor.attributes)
    world.check_attributes(attributes, names)
    images, labels = draw(people, editor.size), people.labels(names)
    copies = []
    for attribute in attributes:
        target = flipped(people, attribute).labels(names)
        for i in range(0, len(images), CHUNK):
            part = slice(i, i + CHUNK)
            question = world.to_float(images[part]), labels[part], target[part]
            # copies: an editor may work in place
            edited = editor.edit(*(tensor.to(device_of(editor), copy=True) for tensor in question))
            copies.append(world.to_uint8(edited).cpu())
    return torch.cat(copies)


# -- learning ----------------------------------------------------------------------


def train_verifier(
    pictures: Tensor,
    identity: Tensor,
    *,
    steps: int = 300,
    batch_size: int = 64,
    lr: float = 3e-3,
    size: int | None = None,
    width: int = 16,
    features: int = 64,
    seed: int = 0,
) -> Verifier:
    """A verifier that learned to tell these people apart.

    A softmax over the cosines with one learned direction a person (Wang et al. 2018: the right one's cosine less a
    margin); the directions are thrown away afterwards. The steps are given, not the epochs: with more pictures each is
    seen less often, so no arm of a comparison learns longer than another.

    Args:
        pictures: uint8 (N, 3, S, S). identity: long (N,), who is on each, from 0.
        size, width, features: of the `Verifier`; it looks at pictures of their own size unless told otherwise.
        seed: of weights and batches; the caller's random numbers are left alone.

    Raises:
        ValueError: pictures and identities do not fit together, or show fewer than two people.
    """
    persons = _check_album(pictures, identity)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        verifier = Verifier(size or pictures.shape[-1], width, features)
        directions = nn.Parameter(torch.randn(persons, features))
        optimiser = torch.optim.AdamW([*verifier.parameters(), directions], lr=lr, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps, pct_start=0.15)
        rounds = 1 + steps * batch_size // len(pictures)
        order = torch.cat(
            [torch.randperm(len(pictures)) for _ in range(rounds)]
        )  # each once before any twice
        for pick in order[: steps * batch_size].split(batch_size):
            who = identity[pick]
            cosine = verifier(world.to_float(pictures[pick])) @ F.normalize(directions, dim=1).T
            cosine = cosine - MARGIN * F.one_hot(who, persons)
            loss = F.cross_entropy(SCALE * cosine, who)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return verifier.eval()


class Fisherfaces:
    """A verifier in closed form (Belhumeur, Hespanha & Kriegman 1997): nothing to train, a second to compute.

    Pictures are points; their `components` main directions (PCA) are whitened by how pictures of the *same* person
    differ (LDA), so what changes within a person counts for little. An edited copy is such a change, shown.

    Args:
        pictures: uint8 (N, 3, S, S). identity: long (N,), who is on each.
        size: side of the pictures that it looks at, in pixels; larger ones are averaged down.
        components: directions kept, at most N - 1.
        shrink: share of the mean variance added to each direction's, for there are few pictures of each person.

    Raises:
        ValueError: pictures and identities do not fit together, or show fewer than two people.
    """

    def __init__(
        self, pictures: Tensor, identity: Tensor, *, size: int = 32, components: int = 80, shrink: float = 0.1
    ) -> None:
        persons = _check_album(pictures, identity)
        self.size = size
        points = self._points(pictures)
        self.centre = points.mean(0)
        points = points - self.centre
        # The main directions from the (N, N) products: N is far smaller than the number of pixels.
        values, vectors = torch.linalg.eigh(points @ points.T)
        kept = slice(-min(components, len(points) - 1), None)
        main = points.T @ vectors[:, kept] / values[kept].clamp_min(1e-9).sqrt()
        seen = points @ main
        count = torch.bincount(identity, minlength=persons).clamp_min(1).unsqueeze(1)
        means = torch.zeros(persons, seen.shape[1], dtype=seen.dtype).index_add_(0, identity, seen) / count
        within = (seen - means[identity]).T @ (seen - means[identity]) / len(seen)
        values, vectors = torch.linalg.eigh(within)
        self.map = main @ vectors / (values + shrink * values.mean()).sqrt()

    def embed(self, pictures: Tensor) -> Tensor:
        """uint8 (B, 3, S, S) -> unit vectors (B, components)."""
        return F.normalize((self._points(pictures) - self.centre) @ self.map, dim=1)

    def _points(self, pictures: Tensor) -> Tensor:
        parts = [
            F.adaptive_avg_pool2d(world.to_float(pictures[i : i + CHUNK]), self.size).flatten(1)
            for i in range(0, len(pictures), CHUNK)
        ]
        return torch.cat(parts).double()


def _check_album(pictures: Tensor, identity: Tensor) -> int:
    """How many people there are. ValueError if pictures and identities do not fit together."""
    if pictures.dtype != torch.uint8 or pictures.ndim != 4:
        raise ValueError(
            f"pictures must be uint8 (N, 3, S, S), not {pictures.dtype} {tuple(pictures.shape)}: use faces.to_uint8"
        )
    if identity.shape != (len(pictures),):
        raise ValueError(
            f"there are {len(pictures)} pictures, but identities {tuple(identity.shape)}: say who is on each"
        )
    persons = int(identity.max()) + 1 if len(identity) else 0
    if persons < 2:
        raise ValueError(f"a verifier learns from two people or more, not {persons}")
    return persons


# -- the question ----------------------------------------------------------------------


class Lineup:
    """People whom no verifier has met, each photographed twice; is it the same person?

    `n` people of the test split, sampled independently. Every first photograph is compared with every second one: n
    pairs of the same person, n (n - 1) of two. The second photograph is of another scene and, by kind, "alike" in
    all attributes, or with one flipped: then a verifier that takes glasses for a mark of the person is wrong about
    everyone, and takes half of the strangers for someone they are not.

    Args:
        n: how many people. seed: offset in the test split. attributes: to be flipped, a kind each. size: in pixels.
    """

    def __init__(
        self, n: int = 400, seed: int = 0, attributes: Sequence[str] = ("Eyeglasses",), size: int = 64
    ) -> None:
        if n < 2:
            raise ValueError(f"a lineup needs two people or more, not {n}")
        world.check_attributes(attributes)
        people = world.sample(n, seed=world.SEEDS["test"].start + seed, correlated=False)
        again = people.with_scene(seed + 1)
        self.first = draw(people, size)
        self.second = {"alike": draw(again, size)}
        self.second |= {name: draw(flipped(again, name), size) for name in attributes}

    def scores(self, verifier: Verifier | Fisherfaces) -> dict[str, dict[str, float]]:
        """What `verification` finds for every kind of pair: {kind: {"auc", "accuracy", "accepted"}}."""
        first = verifier.embed(self.first)
        return {kind: verification(first @ verifier.embed(second).T) for kind, second in self.second.items()}


def verification(similarity: Tensor) -> dict[str, float]:
    """How well similarities (n, n) tell the pairs of the same person, the diagonal, from all others.

    auc: the chance that a pair of the same person is more alike than a pair of two (0.5 knows nothing).
    accuracy: right answers, both kinds of pairs counting alike, at the threshold that is best for the other half of the
    people. accepted: share of the same person's pairs accepted where 1 in 100 of the others is.
    """
    n = len(similarity)
    if similarity.shape != (n, n) or n < 2:
        raise ValueError(f"similarities must be (n, n), n at least 2, not {tuple(similarity.shape)}")
    same, others = _split(similarity)
    right = [
        _balanced(*_split(similarity[test][:, test]), _threshold(*_split(similarity[learn][:, learn])))
        for learn, test in ((slice(0, None, 2), slice(1, None, 2)), (slice(1, None, 2), slice(0, None, 2)))
        if n >= 4  # halves with a pair of two in each
    ]
    accuracy = sum(right) / len(right) if right else _balanced(same, others, _threshold(same, others))
    bar = others.kthvalue(max(1, round(0.99 * len(others)))).values
    return {"auc": _auc(same, others), "accuracy": accuracy, "accepted": float((same > bar).double().mean())}


def _split(similarity: Tensor) -> tuple[Tensor, Tensor]:
    """The diagonal, and all else."""
    return similarity.diagonal(), similarity[~torch.eye(len(similarity), dtype=torch.bool)]


def _below(same: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """For each of `same`: how many of the sorted `others` lie below it, and how many at or below."""
    others = others.sort().values
    return torch.searchsorted(others, same), torch.searchsorted(others, same, right=True)


def _auc(same: Tensor, others: Tensor) -> float:
    below, at = _below(same.contiguous(), others)  # a tie counts half
    return float((below + at).double().mean() / (2 * len(others)))


def _threshold(same: Tensor, others: Tensor) -> float:
    """A similarity of the same person's pairs that, as least accepted one, is right most often."""
    same = same.sort().values
    rejected = torch.arange(len(same)) / len(same)
    below, _ = _below(same, others)
    return float(same[(below / len(others) - rejected).argmax()])


def _balanced(same: Tensor, others: Tensor, threshold: float) -> float:
    return float(((same >= threshold).double().mean() + (others < threshold).double().mean()) / 2)
