"""Every paper's losses, the exam's measures and the widgets on a device that is not the CPU, without having one.

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

from fedit_lib import faces as world
from fedit_lib.data import Batch, procedural
from fedit_lib.evaluation import TrueAnswer, metrics
from fedit_lib.evaluation.oracle import Oracle
from fedit_lib.evaluation.verifier import edited_copies
from fedit_lib.interactive import (
    Comparison,
    EditorPanel,
    attention_sheet,
    sheet,
    side_by_side,
    strip,
)
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
    """torch.tensor(list, device=...) and new_tensor(list) move what they made where no dispatch mode sees it."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func is torch.Tensor.new_tensor and isinstance(args[0], There) and "device" not in kwargs:
            kwargs = {"dtype": args[0].dtype, **kwargs}
            return torch.tensor(*args[1:], **kwargs).to(ELSEWHERE)
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
    if any(isinstance(t, Tensor) and t.dtype == torch.float64 for t in tree_leaves(made)):
        raise TypeError(f"{func}: float64, which Apple's GPUs lack")
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
        assert isinstance(batch.images + batch.images.new_tensor([1.0, 2.0, 3.0]).view(3, 1, 1), There)
        assert isinstance(batch.images + torch.tensor(1.0), There)  # a single number may come from the CPU
        with pytest.raises(RuntimeError, match="on the CPU meets"):
            batch.images + torch.rand(4, 3, 8, 8)


# -- people, judges, measures, widgets ------------------------------------------------------------

NAMES = ("Bangs", "Eyeglasses", "Smiling")


def crowd(n: int = 2) -> tuple[world.People, world.People]:
    """The same people here and there."""
    here = world.sample(n, seed=world.SEEDS["test"].start, correlated=False)
    return here, world.People(There(here.attributes), There(here.traits))


@pytest.fixture
def drawing(monkeypatch):
    """Faces are drawn where their people are, but by the CPU: a drawing's many little tensors are no matter here."""
    draw = world.render_uint8

    def drawn(people, size=64):
        facts = (t.inner if isinstance(t, There) else t for t in (people.attributes, people.traits))
        made = draw(world.People(*facts), size)
        return There(made) if isinstance(people.traits, There) else made

    for where in (world.pictures, world):
        monkeypatch.setattr(where, "render_uint8", drawn)


class OnlyThere:
    """A learner's editor: it moves nothing, so its weights must meet what it is given on its own device."""

    name, attributes, size, device = "OnlyThere", NAMES, 32, ELSEWHERE

    def __init__(self) -> None:
        self.weight = There(torch.full((3, 1, 1), 0.5))

    def edit(self, images, labels, target):
        return (images * self.weight + 0.1 * (target - labels).sum(1)[:, None, None, None]).clamp(-1, 1)

    def reconstruct(self, images, labels):
        return self.edit(images, labels, labels)

    def attention(self, images, labels, target):
        return (images * self.weight)[:, :1].abs().clamp(0, 1)

    def content(self, images, labels, target):
        return images * self.weight


def test_people_elsewhere_take_targets_from_the_cpu():
    here, there = crowd()
    target = 1 - here.labels(NAMES)
    with Elsewhere(), MadeThere():
        made = there.with_targets(NAMES, target)
        assert isinstance(made.attributes, There)
    assert torch.equal(made.attributes.inner, here.with_targets(NAMES, target).attributes)
    assert torch.equal(  # the device is all that is changed: a border in double precision stays where it was
        here.with_targets(NAMES, target.double()).attributes, here.with_targets(NAMES, target).attributes
    )


def test_the_oracle_answers_where_the_pictures_are():
    torch.manual_seed(0)
    oracle = Oracle(attributes=NAMES, size=32, width=8, features=16)
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    expected = oracle.read(images)
    moved(oracle)  # as `evaluate` moves the one that everybody shares
    with Elsewhere(), MadeThere():
        for asked, kind in ((images, Tensor), (There(images), There)):
            for value, right in zip(oracle.read(asked), expected, strict=True):
                assert type(value) is kind
                assert torch.allclose(value.inner if kind is There else value, right, atol=1e-5)


def test_the_measures_stay_on_the_pictures_device():
    torch.manual_seed(0)
    shown, truth = (torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8) for _ in range(2))
    region, mask = torch.rand(2, 32, 32) > 0.5, torch.rand(2, 32, 32)
    questions = [
        (metrics.psnr, (shown, truth)),
        (metrics.ssim, (shown, truth)),
        (metrics.region_psnr, (shown, truth, region)),
        (metrics.leakage, (shown, truth, region)),
        (metrics.average_precision, (mask, region)),
        (metrics.intersection_over_union, (mask, region)),
        (metrics.rank_correlation, (torch.rand(5), torch.rand(2, 5))),
    ]
    for measure, values in questions:
        with Elsewhere(), MadeThere():
            found = measure(*(There(value) for value in values))
        assert isinstance(found, There), measure
        assert torch.allclose(found.inner, measure(*values), equal_nan=True), measure


@pytest.mark.parametrize("which", ["people", "editor", "both"])
def test_pages_ask_an_editor_on_its_own_device(which, drawing):
    here, there = crowd()
    people = here if which == "editor" else there
    editor = OnlyThere()
    if which == "people":
        editor.weight, editor.device = editor.weight.inner, None
    labels = here.labels(NAMES)
    with Elsewhere(), MadeThere():
        images = world.render(people, 32)
        strip(editor, images, labels, "Smiling", people=people)
        sheet(editor, images, labels, people=people)
        side_by_side({"one": editor}, people, "Smiling")
        panel = EditorPanel(editor, people=people, fallback=False)
        panel.set("Bangs", 1.0)
        panel.show("attention")
        assert type(panel.after) is type(panel.truth) is Tensor
        Comparison({"one": editor}, people, fallback=False).set("Bangs", 1.0)
        edited_copies(editor, people, NAMES)
        attention_sheet(editor, None, "Bangs", images=images, labels=labels)


def test_the_true_answer_knows_people_from_elsewhere(drawing):
    here, there = crowd()
    target = 1 - here.labels(NAMES)
    images = world.render(here, 32)
    right = TrueAnswer(here, NAMES, 32).edit(images, here.labels(NAMES), target)
    with Elsewhere(), MadeThere():
        made = TrueAnswer(there, NAMES, 32).edit(There(images), There(here.labels(NAMES)), There(target))
    assert isinstance(made, There) and torch.equal(made.inner, right)
