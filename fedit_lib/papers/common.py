"""What every paper's file needs and no paper is about: checking arguments, building games, loading weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from torch import Tensor, nn

from fedit_lib.data import Batch
from fedit_lib.training import Game, Profile

AnyGame = TypeVar("AnyGame", bound=Game)
AnyNetwork = TypeVar("AnyNetwork", bound=nn.Module)
Weights = nn.Module | Mapping[str, Tensor]  # a network or its state dict


def check_names(attributes: Sequence[str]) -> tuple[str, ...]:
    """The attribute names as a tuple. Raises ValueError unless they are one or more different names."""
    names = (attributes,) if isinstance(attributes, str) else tuple(attributes)
    if not names or len(set(names)) != len(names) or not all(isinstance(n, str) and n for n in names):
        raise ValueError(f"attributes must be one or more different names, not {list(names)}")
    return names


def check_name(attributes: Sequence[str], title: str) -> str:
    """The name of the one attribute that a model of `title` edits. Raises ValueError unless it is one."""
    names = (attributes,) if isinstance(attributes, str) else tuple(attributes)
    if len(names) != 1 or not isinstance(names[0], str) or not names[0]:
        raise ValueError(
            f"{title} edits one attribute, not {list(names)}: one model an attribute. Train each in a run of its own; "
            f"`fedit export RUN RUN ...` puts them into one file"
        )
    return names[0]


def check_range(low: float, high: float = math.inf, /, **numbers: float | None) -> None:
    """Raises ValueError for a number that is not finite or not from `low` to `high`, by its name. None is let pass."""
    for name, number in numbers.items():
        if number is not None and not (low <= number <= high and math.isfinite(number)):
            wanted = f"{low} or more" if high == math.inf else f"from {low} to {high}"
            raise ValueError(f"{name} is {number}; it must be {wanted}")


def check_batch(batch: Batch, attributes: Sequence[str], size: int, channels: int = 3) -> Batch:
    """The batch, if a game of these attributes and this size (pixels) can play it; ValueError otherwise."""
    if batch.labels.shape[1] != len(attributes):
        raise ValueError(
            f"the batch has {batch.labels.shape[1]} labels a face, this game {len(attributes)} "
            f"attribute{'s' * (len(attributes) != 1)}: take faces.subset({list(attributes)})"
        )
    if batch.images.shape[1:] != (channels, size, size):
        raise ValueError(
            f"the batch has images of {tuple(batch.images.shape[-2:])} pixels with {batch.images.shape[1]} channels, "
            f"this game is built for size {size} with {channels}"
        )
    return batch


def build_game(
    game: type[AnyGame],
    profiles: Mapping[str, Profile],
    profile: str | Profile,
    attributes: Sequence[str],
    overrides: Mapping[str, Any],
) -> AnyGame:
    """A fresh game of a profile, given itself or by its name among `profiles`; `overrides` are constructor arguments.

    Raises ValueError for a name that is none of them.
    """
    if isinstance(profile, str):
        if profile not in profiles:
            raise ValueError(f"unknown profile {profile!r}; known: {', '.join(profiles)}")
        profile = profiles[profile]
    return game(attributes, **{"size": profile.size, **profile.options, **overrides})


def loaded(network: AnyNetwork, weights: Weights) -> AnyNetwork:
    """The network with a copy of these weights."""
    network.load_state_dict(weights.state_dict() if isinstance(weights, nn.Module) else weights)
    return network


def runs_of(
    networks: Mapping[str, Weights], receipt: Mapping[str, Any]
) -> dict[str, tuple[Mapping[str, Any], dict[str, Weights]]]:
    """What the runs of one attribute each have brought: {attribute: (config, {name: weights})}.

    Of one run: {name: weights} and {"config": ...}. Of several, as `fedit export` joins them:
    {"Eyeglasses.name": weights, ...} and {"runs": {"Eyeglasses": {"config": ...}, ...}}.
    """
    if "runs" not in receipt:
        (attribute,) = receipt["config"]["attributes"]
        return {attribute: (receipt["config"], dict(networks))}
    return {
        attribute: (
            run["config"],
            {
                name.removeprefix(f"{attribute}."): weights
                for name, weights in networks.items()
                if name.startswith(f"{attribute}.")
            },
        )
        for attribute, run in receipt["runs"].items()
    }
