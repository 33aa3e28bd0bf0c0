"""Batch norm and averaged weights: the statistics of a network that moved are not those of its average."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn

BATCHES = 20  # while a training goes on
LAST_BATCHES = 200  # of what may ship: few batches are noise, and the same noise in every picture


def batch_norms(networks: Iterable[nn.Module]) -> list[nn.Module]:
    """The layers that keep running statistics of what they have seen."""
    layers = (m for network in networks for m in network.modules())
    return [m for m in layers if getattr(m, "running_mean", None) is not None]


@torch.no_grad()
def measure_statistics(
    networks: Iterable[nn.Module], rehearse: Callable[[], object], batches: int = BATCHES
) -> None:
    """Sets the batch norms' statistics to their means over `batches` calls of `rehearse`; nothing else changes.

    rehearse sends one batch through the networks, as they will be used. An average of the weights that a training
    went through has activations of its own; statistics gathered on the way there shift and stretch every channel.
    (Izmailov et al., Averaging Weights Leads to Wider Optima, UAI 2018, section 3.2, where it is a pass over the data.)
    """
    networks = list(networks)
    norms = batch_norms(networks)
    before = [(m, m.training) for network in networks for m in network.modules()]
    momenta = [norm.momentum for norm in norms]
    for module, _ in before:
        module.training = module in norms  # dropout, for one, is as it will be used
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
    try:
        for _ in range(batches):
            rehearse()
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, training in before:
            module.training = training
