"""Every paper's losses on a device that is not the CPU, without having one.

`There` is a tensor that computes on the CPU but says that it lives elsewhere. An operation that mixes it with an
ordinary tensor fails, as it does on a GPU: a torch.zeros(n) in a loss that should be on the batch's device.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

from fedit_lib.data import Batch, procedural
from fedit_lib.papers import PAPERS, paper

ELSEWHERE = torch.device("cpu", 1)  # no machine computes there
# These may have their tensors on two devices on a GPU too.
ACROSS = ("_to_copy", "copy_", "index", "index_put_", "index_put", "_index_put_impl_")


class There(torch.Tensor):
    @staticmethod
    def __new__(cls, inner: Tensor) -> There:
        facts = {"strides": inner.stride(), "storage_offset": inner.storage_offset(), "dtype": inner.dtype}
        made = torch.Tensor._make_wrapper_subclass(cls, inner.size(), device=ELSEWHERE, **facts)
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return compute(func, args, kwargs or {})


class Elsewhere(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return compute(func, args, kwargs or {})


class MadeThere(TorchFunctionMode):
    """torch.tensor(list, device=...) moves what it made where no dispatch mode sees it."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") == ELSEWHERE:
            del kwargs["device"]
            return func(*args, **kwargs).to(ELSEWHERE)
        return func(*args, **kwargs)


def compute(func, args, kwargs):
    tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
    there = [t for t in tensors if isinstance(t, There)]
    strangers = [t for t in tensors if t.ndim and not isinstance(t, There)]
    name = func.overloadpacket.__name__
    if there and strangers and name not in ACROSS:
        raise RuntimeError(f"{func}: {tuple(strangers[0].shape)} on the CPU meets the device's tensors")
    asked = kwargs.get("device")
    if name == "copy_" or asked is None:
        goes = isinstance(tensors[0], There) if name in ACROSS else bool(there)
    else:
        goes = torch.device(asked) == ELSEWHERE
    inner_args, inner_kwargs = tree_map(lambda t: t.inner if isinstance(t, There) else t, (args, kwargs))
    if asked is not None:
        inner_kwargs = {**inner_kwargs, "device": torch.device("cpu")}
    made = func(*inner_args, **inner_kwargs)
    if not goes:
        return made
    made = tree_map(lambda t: There(t) if isinstance(t, Tensor) else t, made)
    return return_and_correct_aliasing(func, args, kwargs, made) if there else made


def moved(game: nn.Module, device: torch.device = ELSEWHERE, **layout: object) -> nn.Module:
    for module in game.modules():
        for name, value in module._parameters.items():
            if value is not None and not isinstance(value, There):
                module._parameters[name] = nn.Parameter(There(value.detach()), value.requires_grad)
        for name, value in module._buffers.items():
            if value is not None and not isinstance(value, There):
                module._buffers[name] = There(value)
    return game


@pytest.mark.parametrize("name", PAPERS)
def test_losses_stay_on_the_batchs_device(name, monkeypatch):
    module = paper(name)
    settings = module.PROFILES["smoke"]
    torch.manual_seed(0)
    game = moved(module.build("smoke"))
    monkeypatch.setattr(nn.Module, "to", moved)  # what a game keeps aside and moves when it needs it
    faces = procedural(16, size=settings.size, attributes=module.ATTRIBUTES)
    if arrange := getattr(module, "arrange", None):
        faces = arrange(faces)
    batch = faces.draw(4, torch.Generator().manual_seed(0))
    batch = type(batch)(*(There(v) if isinstance(v, Tensor) else v for v in batch))
    with Elsewhere(), MadeThere():
        for progress in (0.0, 0.45, 0.95):  # papers change their players on the way
            game.set_progress(progress)
            players = {player.name: player for player in game.players()}
            for turn in dict.fromkeys(game.turns):
                terms = players[turn].loss(batch)
                assert all(isinstance(value, There) for value in terms.values()), terms
                sum(value for key, value in terms.items() if not key.startswith("_")).backward()
                assert all(math.isfinite(value.item()) for value in terms.values())


def test_a_forgotten_device_is_noticed():
    """The test above can fail."""
    batch = Batch(There(torch.rand(4, 3, 8, 8)), There(torch.rand(4, 2)))
    with Elsewhere(), MadeThere():
        assert isinstance(batch.images + torch.rand(4, 3, 8, 8, device=batch.images.device), There)
        assert isinstance(batch.images + torch.tensor(1.0), There)  # a single number may come from the CPU
        with pytest.raises(RuntimeError, match="on the CPU meets"):
            batch.images + torch.rand(4, 3, 8, 8)
