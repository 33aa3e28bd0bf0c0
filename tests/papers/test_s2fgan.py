"""S2FGAN: sizes, both mappings, every term by hand, the stop-gradients, sketches in the batch, the editor."""

from __future__ import annotations

import copy
import dataclasses
import math
import os
import signal
import time

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fedit_lib import faces as world
from fedit_lib import papers
from fedit_lib.course import editors, runs
from fedit_lib.data import Batch, FaceSet, procedural
from fedit_lib.nn import count_parameters, pixel_norm, r1_penalty
from fedit_lib.papers import s2fgan
from fedit_lib.papers.s2fgan import (
    S2FGAN,
    DecomposedMapping,
    DomainJudge,
    Encoder,
    OrthogonalMapping,
    SketchBatch,
    arrange,
    hyperplanes,
    intensities,
)
from fedit_lib.training import fit
from fedit_lib.training.weights import WeightsError, save_weights

NAMES = ("Smiling", "Eyeglasses")
PLAIN = {
    "single": 0.0,
    "cls": 0.0,
    "noise": 0.0,
    "injected": False,
    "ramp": 0.0,
}  # only intensities are random


def small(variant: str = "dis", eyes: bool = True, **options) -> S2FGAN:
    """A small game with the released code's weights and rates, and the classifier."""
    torch.manual_seed(0)
    weights = {name: weight for name, weight in s2fgan.WEIGHTS[variant].items() if weight is not None}
    options = weights | {"lr": 2e-3, "critic_lr": None, "beta1": 0.0, "cls": 1.0, "read": 0.0} | options
    game = s2fgan.build("smoke", attributes=NAMES, variant=variant, **options)
    if eyes:  # two sizes of features, at a fraction of the oracle's cost
        game.see_with(
            nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 4, 3, 2, 1), nn.Flatten())
        )
    return game


def faces(n: int = 4, size: int = 32, k: int = 2) -> SketchBatch:
    generator = torch.Generator().manual_seed(5)
    images, sketches = (torch.rand(n, c, size, size, generator=generator) * 2 - 1 for c in (3, 1))
    return SketchBatch(images, (torch.rand(n, k, generator=generator) > 0.5).float(), sketches)


def drawn(n: int = 12, size: int = 32) -> s2fgan.Sketched:
    return arrange(procedural(n, size=size, attributes=list(NAMES)))


def play(game: S2FGAN, steps: int, data: FaceSet | None = None, **options):
    data = drawn() if data is None else data
    return fit(
        game,
        data,
        steps=steps,
        **{"batch_size": 4, "log_every": 1, "device": "cpu", "progress": False, **options},
    )


# ------------------------------------------------------------------------------------------ paper size


@pytest.mark.parametrize("variant", ["dis", "dec"])
def test_paper_size(variant):
    with torch.device("meta"):
        game = s2fgan.build("paper", variant=variant)
        r = game.photo_encoder(torch.empty(2, 3, 256, 256))
        assert r.shape == game.sketch_encoder(torch.empty(2, 1, 256, 256)).shape == (2, 512)
        moved = game.mapping(r, torch.empty(2, 12))
        assert moved.shape == r.shape and game.mapping.read(r).shape == (2, 12) == (2, len(s2fgan.ATTRIBUTES))
        assert game.decoder(r).shape == (2, 3, 256, 256)
        scores, logits = game.discriminator(torch.empty(2, 3, 256, 256))
    assert scores.shape == game.judge(r).shape == (2,) and logits is None
    cells = [s[0].output_size for s in game.photo_encoder.summaries]
    assert cells == [3, 2, 2, 1, 1, 1, 1]  # of 64, 128, 256, 512 ... channels, as in the released code
    assert s2fgan.widths(64, 256, 512) == [64, 128, 256, 512, 512, 512, 512]
    assert game.ema_decay == pytest.approx(0.9978, abs=1e-4)


def test_paper_profile_is_the_constructor_default():
    with torch.device("meta"):
        config = s2fgan.build("paper").config()
        assert config == S2FGAN().config()
        dec = S2FGAN(variant="dec").config()
    released = {
        "sem": 2.5,
        "domain": 0.1,
        "percept": 2.5,
        "rec": 2.5,
        "attribute": 0.5,
        "ortho": 1.0,
        "cls": 0.0,
    }
    assert {k: config[k] for k in released} == released and config["edit"] is None
    assert (config["reach"], config["lr"], config["r1"], config["r1_every"]) == (4.0, 2e-3, 1.0, 16)
    released = {
        "sem": 2.5,
        "domain": 0.05,
        "percept": 2.5,
        "rec": 1.0,
        "attribute": 0.1,
        "edit": 1.0,
        "inverse": 1.0,
    }
    assert {k: dec[k] for k in released} == released and dec["ortho"] is None
    assert set(s2fgan.ATTRIBUTES) < set(world.ATTRIBUTES) and len(s2fgan.ATTRIBUTES) == 12


def test_course_size_fits_into_what_ships():
    with torch.device("meta"):
        paper, games = s2fgan.build("paper"), [s2fgan.build("laptop", variant=v) for v in s2fgan.VARIANTS]
    changed = {k for k, v in games[0].config().items() if v != paper.config()[k]}
    sizes = {"size", "style", "width", "widest", "sketch_width", "d_width", "folded", "blocks", "pooled", "layers",
             "normed", "hidden", "mapping_blocks"}  # fmt: skip
    schedule = {
        "lr_mul",
        "lr",
        "critic_lr",
        "beta1",
        "warmup",
        "sketch_last",
        "reach",
        "ramp",
        "fade",
        "sketch_waits",
        "single",
        "lr_drop",
        "ema_decay",
    }
    assert changed <= sizes | schedule | {
        "domain",
        "rec",
        "percept",
        "attribute",
        "ortho",
        "read",
        "cls",
        "noise",
    }
    for game in games:  # fp16, bytes
        assert 2 * count_parameters(*game.inference_networks().values()) < 8_000_000


# -------------------------------------------------------------------------------------------- networks


@given(power=st.integers(1, 4), folded=st.booleans(), blocks=st.integers(0, 1), n=st.integers(1, 4))
@settings(max_examples=12, deadline=None)
def test_any_power_of_two_from_eight(power, folded, blocks, n):
    size = 4 * 2**power
    options = {"style": 8, "width": 2, "widest": 4, "sketch_width": 2, "d_width": 2, "pooled": 8, "layers": 1}
    game = S2FGAN([str(i) for i in range(n)], size=size, folded=folded, blocks=blocks, **options)
    batch = faces(2, size, n)
    out = game.generate(batch.images, torch.ones(2, n))
    assert out.shape == batch.images.shape and out.isfinite().all()
    assert game.sketch_encoder(batch.sketches).shape == (2, 8) and game.discriminator(out)[0].shape == (2,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 48}, "48 pixels.*doubling"),
        ({"size": 4}, "4 pixels"),
        ({"variant": "both"}, "'both'; known: dis, dec"),
        ({"attributes": []}, "one or more"),
        ({"attributes": NAMES, "style": 1}, "2 directions.*codes of 1"),
        ({"edit": 1.0}, "S2F-DIS has no term 'edit'"),
        ({"variant": "dec", "ortho": 1.0}, "S2F-DEC has no term 'ortho'"),
        ({"sem": -1.0}, "sem is -1.0; it must be 0 or more"),
        ({"noise": 0.1}, "noise.*cls above 0"),
        ({"ramp": 2.0}, "ramp is 2.0"),
        ({"lr_drop": -1.0}, "lr_drop is -1.0; it must be from 0 to 1"),
        ({"step": float("nan")}, "step is nan; it must be 0 or more"),
        ({"lr_mul": 0.0}, "lr_mul is 0.0; it must be above 0"),
        *(
            ({name: 0}, f"{name} is 0; it must be 1 or more")
            for name in ("width", "widest", "sketch_width", "d_width", "pooled")
        ),
        ({"layers": -1}, "layers is -1; it must be 0 or more"),
        (
            {"layers": 2, "normed": False},
            "layers=0; layers is 2: take normed=True",
        ),
        ({"fade": 1.5}, "fade is 1.5"),
        ({"r1_every": 0}, "at least 1"),
    ],
)
def test_options_that_cannot_be(options, message):
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        S2FGAN(**options)


def test_the_encoder_pools_before_every_halving_and_at_the_end():
    encoder = Encoder(3, 32, style=8, width=2, widest=8, blocks=1, pooled=8, layers=2)
    seen = []
    for k, summary in enumerate(encoder.summaries):
        summary.register_forward_pre_hook(lambda m, args, k=k: seen.append((k, tuple(args[0].shape[1:]))))
    for k, halving in enumerate(encoder.halvings):
        halving.register_forward_pre_hook(lambda m, args, k=k: seen.append(("halve", k)))
    encoder(torch.rand(1, 3, 32, 32))
    expected = [
        (0, (2, 32, 32)),
        ("halve", 0),
        (1, (4, 16, 16)),
        ("halve", 1),
        (2, (8, 8, 8)),
        ("halve", 2),
        (3, (8, 4, 4)),
    ]
    assert seen == expected


def test_without_layers_a_code_is_the_normalised_sum_of_linear_maps():
    """Its length is held, whatever E_s would gain by larger codes."""
    torch.manual_seed(0)
    encoder = Encoder(3, 16, style=8, width=2, widest=4, pooled=8, layers=0)
    x, maps = torch.rand(2, 3, 16, 16), []
    for summary in encoder.summaries:
        summary.register_forward_hook(lambda m, args, out: maps.append(out))
    code = encoder(x)
    assert len(maps) == 3 and torch.allclose(code, pixel_norm(sum(maps)), atol=1e-6)
    assert torch.allclose(code.square().mean(1), torch.ones(2), atol=1e-3)
    free = Encoder(3, 16, style=8, width=2, widest=4, pooled=8, layers=0, normed=False)
    free.load_state_dict(encoder.state_dict())
    assert torch.allclose(pixel_norm(free(x)), code, atol=1e-4)
    assert not torch.allclose(free(x), code, atol=1e-2)
    for summary in encoder.summaries:  # no leaky ReLU, no bias yet: odd in what comes in
        cells = torch.randn(2, *summary[2][0].weight.shape[1:])
        assert torch.allclose(summary[2](-cells), -summary[2](cells), atol=1e-6)


def test_folding_loses_nothing():
    first = s2fgan.stem(1, 6, folded=True)
    x = torch.rand(1, 1, 8, 8)
    assert first(x).shape == (1, 6, 4, 4)
    assert torch.equal(F.pixel_shuffle(first[0](x), 2), x)


def test_the_code_decides_the_picture_alone():
    """No noise in eval mode: the same code gives the same face."""
    game = small().eval()
    for module in game.decoder.modules():
        if hasattr(module, "strength"):
            torch.nn.init.ones_(module.strength)
    r = torch.randn(2, 32)
    assert torch.equal(game.decoder(r), game.decoder(r))
    game.decoder.train()
    assert not torch.equal(game.decoder(r), game.decoder(r))


# -------------------------------------------------------------------------------------- the two mappings


def test_orthogonal_mapping_adds_rows():
    mapping = OrthogonalMapping(2, 3)
    with torch.no_grad():
        mapping.w.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]]))
    r, a = torch.tensor([[1.0, 1.0, 1.0]]), torch.tensor([[3.0, -0.5]])
    assert mapping(r, a).tolist() == [[4.0, 0.0, 1.0]]
    assert mapping.read(r).tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("frozen", [False, True])
def test_w_is_born_as_rows_of_length_one(frozen):
    for mapping in (OrthogonalMapping(5, 40, frozen), DecomposedMapping(5, 40, 4, 1, frozen)):
        assert torch.allclose(mapping.w.norm(dim=1), torch.ones(5))
        assert ("w" in dict(mapping.named_parameters())) is not frozen
        assert "w" in mapping.state_dict()


def test_nothing_asked_is_nothing_changed_in_dec():
    torch.manual_seed(0)
    mapping, r = DecomposedMapping(3, 16, 8, 2), torch.randn(3, 16)
    a = torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.5, 0.0]])
    assert torch.equal(mapping(r, a), r)  # at birth it does nothing
    nn.init.normal_(mapping.out.weight)
    moved = mapping(r, a)
    assert torch.equal(moved[1], r[1])
    # intensities that sum to 0 (which shut the released gate) do ask for something
    assert not torch.allclose(moved[0], r[0]) and not torch.allclose(moved[2], r[2])


def test_decomposition_by_its_formula():
    torch.manual_seed(0)
    block, x = s2fgan.Decomposition(3, 4), torch.randn(2, 3, 8)

    def conv(layer, y):
        return F.conv1d(y, layer.weight / math.sqrt(y.shape[1] * layer.kernel), padding=layer.kernel // 2)

    b = x
    for layer in block.delta:
        b = F.leaky_relu(conv(layer, b), 0.2) * math.sqrt(2)
    c = conv(block.f1, b)
    c = c / c.square().sum(1, keepdim=True).sqrt()
    expected = []
    for k in range(2):
        expected.append(
            conv(block.f2, ((c[k] @ c[k].T) @ conv(block.f3, b)[k])[None])[0] + conv(block.f4, x)[k]
        )
    assert torch.allclose(block(x), torch.stack(expected), atol=1e-4)


# ---------------------------------------------------------------------------------------------- losses


def test_loss_terms_by_hand():
    r, s = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 4.0]])
    assert s2fgan.semantic_loss(r, s).item() == pytest.approx((1 + 2) / 2)
    readings, u = torch.tensor([[0.5, -2.0]]), torch.tensor([[1.0, -1.0]])
    assert s2fgan.attribute_loss(readings, u).item() == pytest.approx((0.25 + 1) / 2)
    w = torch.tensor([[1.0, 0.0], [0.6, 0.8]])  # W W^T = [[1, .6], [.6, 1]]
    assert s2fgan.orthogonality_loss(w).item() == pytest.approx(1.2 / 4)
    assert s2fgan.orthogonality_loss(2 * torch.eye(3)).item() == pytest.approx(9 / 9)
    assert s2fgan.off_diagonal(w).item() == pytest.approx(0.6)
    assert s2fgan.off_diagonal(w[:1]).item() == 0
    made, real = (
        [torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(1, 2)],
        [torch.full((1, 2), v) for v in (8.0, 4.0, 2.0)],
    )
    assert s2fgan.perceptual_loss(made, real).item() == pytest.approx(8 / 4 + 4 / 2 + 2)


def test_edit_and_inverse_edit_by_hand():
    mapping = OrthogonalMapping(2, 2)
    with torch.no_grad():
        mapping.w.copy_(torch.tensor([[1.0, 0.0], [0.6, 0.8]]))
    r, a = torch.tensor([[0.3, 0.4]]), torch.tensor([[1.0, 0.0]])
    # the reading of the second attribute moves by .6 although nobody asked: (0, .6)
    assert s2fgan.edit_loss(mapping, r, a).item() == pytest.approx(0.36 / 2)
    assert s2fgan.inverse_edit_loss(mapping, r, a).item() == pytest.approx(0, abs=1e-6)

    class Stubborn(OrthogonalMapping):
        def forward(self, r, a):
            return r + 0.5  # whatever is asked

    assert s2fgan.inverse_edit_loss(Stubborn(2, 2), r, a).item() == pytest.approx(1.0)


@given(faces_=st.integers(1, 9), reach=st.floats(0, 5))
@settings(max_examples=20, deadline=None)
def test_half_of_the_intensities_are_zero(faces_, reach):
    a = intensities(torch.ones(faces_, 3), reach)
    assert a.shape == (faces_, 3) and a.abs().max() <= reach
    assert (a[: faces_ // 2] == 0).all() and (reach < 1e-3 or (a[faces_ // 2 :] != 0).all())


def test_some_edits_ask_for_one_attribute():
    torch.manual_seed(0)
    u = torch.randint(0, 2, (400, 5)) * 2.0 - 1
    a = intensities(u[:40], 3.0, single=1.0)[20:]
    assert ((a != 0).sum(1) == 1).all() and len((a != 0).int().argmax(1).unique()) > 2
    assert (a * u[20:40] <= 0).all()  # away from what the face has
    some = (intensities(u, 3.0, single=0.5)[200:] != 0).sum(1)
    assert set(some.tolist()) == {1, 5} and 60 < (some == 1).sum() < 140


def test_the_domain_loss_teaches_q_and_misleads_the_sketches_encoder():
    torch.manual_seed(0)
    judge = DomainJudge(4)
    photo, sketch = torch.randn(3, 4, requires_grad=True), torch.randn(3, 4, requires_grad=True)
    loss = s2fgan.domain_loss(judge, photo, sketch)
    p, q = judge(photo).sigmoid(), judge(sketch).sigmoid()
    assert loss.item() == pytest.approx(-(p.log().mean() + (1 - q).log().mean()).item(), rel=1e-4)
    loss.backward()
    assert photo.grad is None  # the star on the photo's code
    direct = sketch.detach().requires_grad_()
    logits = judge.layers(direct)[:, 0]  # without the reversal
    (slope,) = torch.autograd.grad(F.binary_cross_entropy_with_logits(logits, torch.zeros(3)), direct)
    assert torch.allclose(sketch.grad, -slope, atol=1e-6)
    step = [p - 0.1 * p.grad for p in judge.parameters()]
    with torch.no_grad():
        for parameter, value in zip(judge.parameters(), step, strict=True):
            parameter.copy_(value)
    assert s2fgan.domain_loss(judge, photo, sketch) < loss


def reached(game: S2FGAN, term: torch.Tensor) -> set[str]:
    """Which networks a term's gradient reaches; W by itself, not as part of the mapping."""
    game.zero_grad()
    term.backward(retain_graph=True)
    moved = {n for n, p in game.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    short = {
        "photo_encoder": "E_i",
        "sketch_encoder": "E_s",
        "decoder": "D",
        "judge": "Q",
        "discriminator": "F",
    }
    return {"W" if n == "mapping.w" else short.get(n.split(".")[0], "M") for n in moved}


def test_the_stop_gradients_of_dis():
    game = small(**PLAIN)
    terms = game.generator_loss(faces())
    assert reached(game, terms["sem"]) == {"E_s"}
    assert reached(game, terms["attribute"]) == {"E_i", "W"}
    assert reached(game, terms["ortho"]) == {"W"}
    assert reached(game, terms["rec"]) == reached(game, terms["percept"]) == {"E_i", "D"}
    assert reached(game, terms["domain"]) == {"E_s", "Q"}
    assert reached(game, terms["adv"]) >= {"E_i", "D", "W"}


def test_the_stop_gradients_of_dec():
    game = small("dec", **PLAIN)
    nn.init.normal_(game.mapping.out.weight)  # at birth M does nothing, and nothing would reach further in
    terms = game.generator_loss(faces())
    assert reached(game, terms["attribute"]) == {"W"}  # E_i*: the faces shape W, not W the codes
    assert reached(game, terms["edit"]) == {"M"}  # E_i*, W*
    assert reached(game, terms["inverse"]) == {"M"}
    assert reached(game, terms["sem"]) == {"E_s"}
    assert reached(game, terms["domain"]) == {"E_s", "M", "Q"}


@pytest.mark.parametrize("variant", ["dis", "dec"])
def test_the_terms_are_the_papers(variant):
    """Computed again from the networks' outputs, face by face as the equations say, weights included."""
    game, (x, y, s) = small(variant, **PLAIN), faces()
    if variant == "dec":
        nn.init.normal_(game.mapping.out.weight, std=0.1)
    torch.manual_seed(1)
    terms = game.generator_loss(SketchBatch(x, y, s))
    torch.manual_seed(1)
    a, w, u = intensities(y, 3.0), game.mapping.w, 2 * y - 1
    with torch.no_grad():
        r, q = game.photo_encoder(x), game.sketch_encoder(s)
        moved = game.mapping(r, a)
        made, again = game.decoder(moved), game.decoder(r)
        expected = {
            "adv": F.softplus(-game.discriminator.score(made)).mean(),  # half of them not edited, as a is 0
            "rec": (again - x).abs().mean(),
            "sem": (r - q).abs().mean(),
            "attribute": (r @ w.T - u).square().mean(),
            "domain": s2fgan.domain_loss(game.judge, r, q),
        }
        features = [zip(game.look(again), game.look(x), strict=True)]
        (small_map, large_map) = [(b - c).abs().mean() for pairs in features for b, c in pairs]
        expected["percept"] = small_map / 2 + large_map
        if variant == "dis":
            expected["ortho"] = (w @ w.T - torch.eye(2)).abs().mean()
            weights = {
                "adv": 1,
                "rec": 2.5,
                "sem": 2.5,
                "attribute": 0.5,
                "domain": 0.1,
                "percept": 2.5,
                "ortho": 1,
            }
        else:
            expected["edit"] = (moved @ w.T - r @ w.T - a).square().mean()
            expected["inverse"] = (game.mapping(moved, -a) - r).abs().mean()
            expected["domain"] += s2fgan.domain_loss(game.judge, moved, game.mapping(q, a))
            weights = {
                "adv": 1,
                "rec": 1,
                "sem": 2.5,
                "attribute": 0.1,
                "domain": 0.05,
                "percept": 2.5,
                "edit": 1,
                "inverse": 1,
            }
    assert [k for k in terms if not k.startswith("_")] == [k for k in terms if k in expected] and len(
        expected
    ) == len(weights)
    for name, value in expected.items():
        assert terms[name].item() == pytest.approx(weights[name] * value.item(), rel=1e-3, abs=1e-6), name
    assert terms["_reads"].item() == ((r @ w.T > 0) == (u > 0)).float().mean().item()


def test_pixels_instead_of_codes():
    """The baseline: what the sketch's picture costs in pixels, of the same weight; now D and E_s hear of it."""
    game, (x, y, s) = small(semantic=False, **PLAIN), faces()
    term = game.generator_loss(SketchBatch(x, y, s))["sem"]
    with torch.no_grad():
        expected = (game.decoder(game.sketch_encoder(s)) - x).abs().mean()
    assert term.item() == pytest.approx(2.5 * expected.item(), rel=1e-4)
    assert reached(game, term) == {"E_s", "D"}


def test_the_discriminators_terms():
    game, (x, y, _) = small(**{**PLAIN, "cls": 0.5}), faces()
    torch.manual_seed(1)
    terms = game.discriminator_loss(Batch(x, y))
    torch.manual_seed(1)
    made = game.generate(x, intensities(y, 3.0)).detach()
    (real, logits), (fake, _) = game.discriminator(x), game.discriminator(made)
    assert terms["adv"].item() == pytest.approx(
        (F.softplus(-real).mean() + F.softplus(fake).mean()).item(), rel=1e-4
    )
    assert terms["cls"].item() == pytest.approx(
        0.5 * F.binary_cross_entropy_with_logits(logits, y).item(), rel=1e-4
    )
    assert terms["r1"].item() == pytest.approx(
        0.5 * 16 * r1_penalty(game.discriminator.score, x).item(), rel=1e-3
    )
    assert reached(game, sum(terms.values())) == {"F"}


def test_the_classifier_is_asked_about_what_is_painted():
    game, (x, y, s) = small(**{**PLAIN, "cls": 0.5}), faces()
    torch.manual_seed(1)
    term = game.generator_loss(SketchBatch(x, y, s))["cls"]
    torch.manual_seed(1)
    a = intensities(y, 3.0)
    with torch.no_grad():
        logits = game.discriminator.classify(game.generate(x, a))
    wanted = (2 * y - 1 + a >= 0).float()
    assert term.item() == pytest.approx(
        0.5 * F.binary_cross_entropy_with_logits(logits, wanted).item(), rel=1e-3
    )


def test_r1_comes_every_so_many_rounds():
    game, batch = small(r1_every=3, **PLAIN), faces()
    due = []
    for round in range(7):
        due.append(game.discriminator_loss(batch)["r1"].item() > 0)
        game.after_round(round, batch)
    assert due == [True, False, False, True, False, False, True]
    again = small(r1_every=3, **PLAIN)
    again.load_state_dict(game.state_dict())
    assert again.discriminator_loss(batch)["r1"].item() == 0  # a resumed game keeps the rhythm
    assert small(r1=0.0, **PLAIN).discriminator_loss(batch)["r1"].item() == 0


# ------------------------------------------------------------------------------- what it sees with


def test_by_default_it_sees_with_the_second_oracle():
    game = small(eyes=False)
    layers = s2fgan.oracle_layers("b")
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    maps = game.look(x)
    assert [tuple(m.shape[2:]) for m in maps] == [(16, 16), (8, 8), (4, 4), (2, 2)]
    with torch.no_grad():
        assert torch.allclose(maps[-1].flatten(1), layers(x), atol=1e-5)
        assert torch.allclose(maps[0], layers[:3](x), atol=1e-5)
    assert not any("eyes" in name for name in game.state_dict())
    assert not any(p.requires_grad for p in game._eyes[0].parameters())


def test_imagenets_normalisation():
    layers = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False))
    nn.init.dirac_(layers[0].weight)
    seen = s2fgan.Eyes(layers, 16, imagenet=True)(torch.ones(1, 3, 16, 16))[0]
    expected = [(1 - m) / s for m, s in zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)]
    assert torch.allclose(seen[0, :, 0, 0], torch.tensor(expected), atol=1e-5)
    with pytest.raises(ValueError, match="no feature maps"):
        s2fgan.Eyes(nn.Sequential(nn.Flatten()), 16)


# ------------------------------------------------------------------------------------------ the sketches


def test_a_batch_carries_each_faces_own_sketch_mirrored_with_it():
    data = drawn(6)
    assert data.sketches.shape == (6, 3, 32, 32) and data.sketches.dtype == torch.uint8
    batch = data.draw(64, torch.Generator().manual_seed(1))
    mirrored, which = 0, set()
    for image, sketch in zip(batch.images, batch.sketches, strict=True):
        for flip in (False, True):
            original = world.to_float(data.images.flip(-1) if flip else data.images)
            found = (original == image).all(3).all(2).all(1).nonzero()
            if len(found):
                own = world.to_float(
                    data.sketches[found[0, 0]].flip(-1) if flip else data.sketches[found[0, 0]]
                )
                fits = (own == sketch).all(2).all(1)
                assert fits.any()
                mirrored, which = mirrored + flip, which | set(fits.nonzero()[:, 0].tolist())
    assert 16 < mirrored < 48 and which == {0, 1, 2}  # all three skills are met
    assert batch.sketches.min() >= -1 and batch.sketches.max() <= 1
    plain = data.draw(8, torch.Generator().manual_seed(1), flip=False)
    assert torch.equal(plain.images, data.draw(8, torch.Generator().manual_seed(1), flip=False).images)


def test_sketches_are_the_face_worlds():
    data = drawn(3)
    for k, skill in enumerate(("clean", "wobbly", "poor")):
        expected = world.to_uint8(world.sketch(data.people, 32, skill))[:, 0]
        assert torch.equal(data.sketches[:, k], expected)
    assert arrange(data, skills=["clean"]).sketches.shape[1] == 1
    assert torch.equal(arrange(data, skills="poor").sketches[:, 0], data.sketches[:, 2])
    with pytest.raises(ValueError, match=r"3 faces of .* 0 skills"):
        arrange(data, skills=[])
    with pytest.raises(ValueError, match="nothing to draw: 0 faces"):
        arrange(data[:0])
    assert data.to("cpu") is data and data.name == procedural(3, 32, attributes=list(NAMES)).name


def test_photographs_bring_their_own_sketches():
    photos = FaceSet(torch.zeros(4, 3, 32, 32, dtype=torch.uint8), torch.zeros(4, 2), NAMES, "photos")
    with pytest.raises(ValueError, match=r"photos are not the face world's.*sketches=uint8 \(N, k, 32, 32\)"):
        arrange(photos)
    own = torch.full((4, 1, 32, 32), 255, dtype=torch.uint8)
    assert arrange(photos, own).draw(2, torch.Generator()).sketches.min() == 1
    with pytest.raises(ValueError, match="do not fit 4 faces of 32"):
        arrange(photos, own[:3])
    with pytest.raises(ValueError, match="uint8"):
        arrange(photos, own.float())


def test_a_batch_that_does_not_fit():
    game, batch = small(), faces()
    with pytest.raises(ValueError, match=r"no sketches.*s2fgan\.arrange"):
        game.generator_loss(Batch(batch.images, batch.labels))
    with pytest.raises(ValueError, match=r"\(4, 1, 16, 16\), expected \(4, 1, 32, 32\)"):
        game.generator_loss(batch._replace(sketches=batch.sketches[..., ::2, ::2]))
    with pytest.raises(ValueError, match=r"3 labels a face, this game 2"):
        game.generator_loss(faces(k=3))
    with pytest.raises(ValueError, match=r"64.*built for size 32"):
        game.discriminator_loss(faces(size=64))


# ------------------------------------------------------------------------------------------ the training


@pytest.mark.parametrize(("variant", "precision"), [("dis", "bf16-mixed"), ("dec", "32-true")])
def test_rounds_in_the_loop(variant, precision):
    game = small(variant)
    before = {k: v.detach().clone() for k, v in game.named_parameters()}
    history = play(game, 2, precision=precision)
    assert all(math.isfinite(v) for row in history.rows for v in row.values())
    still = {k for k, v in game.named_parameters() if torch.equal(v, before[k])}
    assert not {k for k in still if "noise" not in k and not k.endswith("bias")}, still
    assert set(game.averaged_networks()) == {"photo", "sketch", "mapping", "decoder"}
    assert int(game.rounds) == 2


@pytest.mark.parametrize("variant", ["dis", "dec"])
def test_the_switch_that_freezes_w(variant):
    """The released flags: everything learns but W. And the other way round: without the switch W learns."""
    for frozen in (True, False):
        game = small(variant, frozen_w=frozen)
        w, start = game.mapping.w.detach().clone(), game.decoder.start.detach().clone()
        play(game, 2)
        assert torch.equal(game.mapping.w, w) is frozen
        assert not torch.equal(game.decoder.start, start)
        network = game.averaged_networks()["mapping"]
        assert torch.equal(network.w, w) is frozen
        s2fgan.editor(game.inference_networks(), {"config": game.config()})


def test_w_becomes_orthogonal_in_dis():
    """From rows that are almost alike to right angles and length one."""
    options = {"percept": 0.0, "sem": 0.0, "domain": 0.0, "rec": 0.0, "lr": 2e-2}
    gaps = []
    for ortho in (1.0, 0.0):
        game = small(ortho=ortho, attribute=0.1, **options)
        with torch.no_grad():
            game.mapping.w[1] = game.mapping.w[0] + 0.2 * game.mapping.w[1]
        before = s2fgan.orthogonality_loss(game.mapping.w).item()
        assert s2fgan.off_diagonal(game.mapping.w) > 0.9
        play(game, 25, batch_size=2)
        gaps.append(s2fgan.orthogonality_loss(game.mapping.w).item() / before)
    assert gaps[0] < 0.25 < gaps[1]


class Stops(S2FGAN):
    """Is told to stop after some round, as by a scheduler."""

    def after_round(self, round: int, batch: Batch) -> None:
        super().after_round(round, batch)
        if round == self.last:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)  # Python's handler runs a little later


Stops.__name__ = "S2FGAN"  # a checkpoint belongs to a game by its class's name


@pytest.mark.parametrize("stop", [1, 3])
def test_a_resumed_training_is_the_same_training(tmp_path, stop):
    """Stopped before E_s goes on alone and after, with the eyes that every process builds for itself."""
    options = {"eyes": False, "r1_every": 3, "sketch_last": 0.5, "ema_decay": 0.9}
    whole, data = small("dec", **options), drawn()
    play(whole, 5, data)
    stopped = small("dec", **options)
    stopped.__class__, stopped.last = Stops, stop
    assert play(stopped, 5, data, out=tmp_path).interrupted
    assert bool(stopped.stands) is (stop == 3)
    parts = small("dec", **options)
    play(parts, 5, data, out=tmp_path)
    assert all(torch.equal(v, parts.state_dict()[k]) for k, v in whole.state_dict().items())
    assert whole.ema.updates == parts.ema.updates == 2
    for name, average in whole.ema.averages.items():
        assert all(torch.equal(v, parts.ema.averages[name][k]) for k, v in average.items()), name


def test_a_checkpoint_without_the_flag_loads():
    """Runs from before "stands" was kept can be resumed and exported; it ships with no network."""
    state = small().state_dict()
    state.pop("stands")
    game = small()
    game.load_state_dict(state)
    assert not game.stands and "stands" not in state
    assert not any("stands" in network.state_dict() for network in game.inference_networks().values())
    game.set_progress(0.0)
    with pytest.raises(RuntimeError, match="rounds"):  # everything else is still asked for
        game.load_state_dict({k: v for k, v in state.items() if k != "rounds"})


def test_schedule():
    game = small(ramp=0.4, reach=3.0, lr_drop=0.5, sketch_last=1.0)
    reaches = []
    for progress in (0.0, 0.1, 0.4, 0.9):
        game.set_progress(progress)
        reaches.append(game.reach_now)
    assert reaches == pytest.approx([0, 0.75, 3, 3])
    assert [game.lr_scale(p) for p in (0, 0.49, 0.5, 0.99)] == [1, 1, 0.1, 0.1]
    f, g = game.players()
    assert (f.name, g.name) == game.turns == ("discriminator", "generator")
    assert f.betas == g.betas == (0.0, 0.99) and f.lr == 2e-3
    assert not set(f.parameters()) & set(g.parameters())
    assert len(f.parameters()) + len(g.parameters()) == len(list(game.parameters()))


@pytest.mark.parametrize("variant", ["dis", "dec"])
def test_until_the_warm_up_ends_nothing_is_edited_and_nobody_judged(variant):
    game, batch = small(variant, warmup=0.5, ramp=0.2, critic_lr=5e-3, sketch_waits=False), faces()
    game.set_progress(0.49)
    assert game.turns == ("discriminator", "discriminator", "generator") and game.reach_now == 0
    assert set(game.discriminator_loss(batch)) == {"cls"}
    terms = game.generator_loss(batch)
    assert not {"adv", "cls"} & set(terms)
    assert {"rec", "percept", "sem", "domain", "attribute"} <= set(terms)
    game.set_progress(0.6)
    assert game.turns == ("discriminator", "generator") and game.reach_now == pytest.approx(game.reach / 2)
    assert "adv" in game.discriminator_loss(batch) and {"adv", "cls"} <= set(game.generator_loss(batch))
    assert [player.lr for player in game.players()] == [5e-3, 2e-3]


def test_the_opinion_of_f_fades_in():
    """What F says weighs nothing when the warm-up ends, all of it after the part `fade`; the rest is the same."""
    game, batch = small(warmup=0.5, fade=0.2, injected=False), faces()
    terms = {}
    for progress in (0.5, 0.6, 0.71, 0.79):
        game.set_progress(progress)
        game.reach_now = 0.0  # the same edits
        torch.manual_seed(0)
        terms[progress] = {k: float(v.detach()) for k, v in game.generator_loss(batch).items()}
    for name in ("adv", "cls"):
        whole = terms[0.71][name]
        assert whole > 0.05 and terms[0.79][name] == whole
        assert [terms[p][name] for p in (0.5, 0.6)] == pytest.approx([0, whole / 2], abs=1e-6)
    assert terms[0.5]["rec"] == pytest.approx(terms[0.79]["rec"])


@pytest.mark.parametrize("variant", ["dis", "dec"])
def test_sketches_may_sit_the_warm_up_out(variant):
    game, batch = small(variant, warmup=0.5, sketch_waits=True, read=1.0), faces()
    of_sketches = {"sem", "domain", "read", "_sketch_reads"}
    game.set_progress(0.49)
    terms = game.generator_loss(batch)
    assert not of_sketches & set(terms) and {"rec", "percept", "attribute", "_reads"} <= set(terms)
    sum(v for k, v in terms.items() if not k.startswith("_")).backward()
    assert all(p.grad is None for n in (game.sketch_encoder, game.judge) for p in n.parameters())
    game.set_progress(0.5)
    assert of_sketches <= set(game.generator_loss(batch))
    before = small(variant, warmup=1.0, sketch_last=1.0, sketch_waits=True, percept=0.0, ema_decay=0.9)
    start = copy.deepcopy(before.sketch_encoder.state_dict())
    play(before, 2)
    assert all(torch.equal(v, start[k]) for k, v in before.sketch_encoder.state_dict().items())


def test_at_the_end_the_sketches_encoder_goes_on_alone():
    """It follows the averages of the others, which stand still; and its own average forgets what was before."""
    game = small(sketch_last=0.5, percept=0.0, ema_decay=0.9)
    seen = {}

    def validate(game, step):
        seen[step] = {n: copy.deepcopy(m.state_dict()) for n, m in game.inference_networks().items()}
        seen[step]["average of photo"] = copy.deepcopy(game.ema.averages["photo"])
        return {}

    play(game, 6, validate=validate, validate_every=1)
    assert game.turns == ("generator",) * 8 and game.ending
    same = {
        n: all(torch.equal(v, seen[6][n][k]) for k, v in seen[4][n].items())
        for n in ("photo", "mapping", "decoder")
    }
    assert all(same.values())
    assert not all(torch.equal(v, seen[6]["sketch"][k]) for k, v in seen[4]["sketch"].items())
    assert all(torch.equal(v, seen[6]["photo"][k]) for k, v in seen[3]["average of photo"].items())
    assert not all(torch.equal(v, seen[3]["photo"][k]) for k, v in seen[3]["average of photo"].items())
    assert game.ema.updates == 3
    batch = faces()
    terms = game.generator_loss(batch)
    assert set(terms) == {"sem", "domain", "_sketch_reads"}
    r, q = game.photo_encoder(batch.images), game.sketch_encoder(batch.sketches)
    assert terms["sem"].item() == pytest.approx(2.5 * s2fgan.semantic_loss(r, q).item(), rel=1e-4)
    assert terms["domain"].item() == pytest.approx(
        0.1 * s2fgan.domain_loss(game.judge, r, q).item(), rel=1e-4
    )
    right = (game.mapping.read(q) > 0) == (batch.labels > 0.5)
    assert terms["_sketch_reads"].item() == pytest.approx(right.float().mean().item())
    assert [game.lr_scale(p) for p in (0.5, 0.75)] == [1, 0.5]
    pixels = small(sketch_last=0.5, lr_drop=1.0, semantic=False)  # whose sketches' encoder needs the decoder
    pixels.set_progress(0.9)
    assert not pixels.ending
    assert [pixels.lr_scale(p) for p in (0.5, 0.9)] == [1, 1], "nothing ends, so no rate falls"
    assert small(sketch_last=1.0).lr_scale(1.0) == 0.1, "no part is left to divide by"


def test_reading_of_sketches_is_taught_where_it_is_asked_for():
    """The extra term is ||E_s(S) W*^T - u||^2: it moves E_s, and W and E_i not at all."""
    batch = faces()
    assert "read" not in small(percept=0.0).generator_loss(batch)
    torch.manual_seed(0)
    game = small(percept=0.0, read=2.0)
    term = game.generator_loss(batch)["read"]
    by_hand = (
        (game.sketch_encoder(batch.sketches) @ game.mapping.w.T - (2 * batch.labels - 1)).square().mean()
    )
    assert torch.allclose(term, 2 * by_hand)
    term.backward()
    assert game.mapping.w.grad is None
    assert all(p.grad is None for p in game.photo_encoder.parameters())
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in game.sketch_encoder.parameters())
    with pytest.raises(ValueError, match="read is -1"):
        small(read=-1.0)


def test_a_warm_up_needs_something_to_learn():
    with pytest.raises(ValueError, match="cls"):
        small(warmup=0.5, cls=0.0, noise=0.0)


def test_the_game_has_a_part_of_the_training():
    for last in (0.3, 0.5):
        with pytest.raises(ValueError, match=f"sketch_last={last} is not after warmup=0.5.*never be played"):
            small(warmup=0.5, sketch_last=last)
    small(warmup=0.5, sketch_last=0.3, semantic=False)  # has no such last part


# ---------------------------------------------------------------------------------------------- the editor


@pytest.fixture(scope="module", params=["dis", "dec"])
def editor(request):
    game = small(request.param)
    if request.param == "dec":
        nn.init.normal_(game.mapping.out.weight)
    return s2fgan.editor(game.inference_networks(), {"config": game.config()})


@pytest.fixture(scope="module")
def people():
    return world.sample(3, seed=world.SEEDS["test"].start, correlated=False)


def test_an_edit_moves_the_code_by_step_a_strength(editor, people):
    images, labels = world.render(people, 32), people.labels(NAMES)
    e_i, m, d = (editor.networks[k] for k in ("photo", "mapping", "decoder"))
    target = labels + torch.tensor([[0.5, -0.25]])
    with torch.no_grad():
        r = e_i(images)
        assert torch.equal(editor.code(images), r)
        expected = d(m(r, 2.0 * (target - labels))).clamp(-1, 1)
        again = d(r).clamp(-1, 1)
    assert torch.allclose(editor.edit(images, labels, target), expected, atol=1e-5)
    assert torch.allclose(editor.reconstruct(images, labels), again, atol=1e-5)
    assert torch.allclose(editor.draw(r, 2.0 * (target - labels)), expected, atol=1e-5)
    reading = ((r @ m.w.T + 1) / 2).clamp(0, 1)
    assert torch.allclose(editor.read(images), reading, atol=1e-5)
    assert editor.name in ("S2FGAN (DIS)", "S2FGAN (DEC)") and editor.attributes == NAMES


def test_from_a_sketch_a_slider_says_where_to_stand(editor, people):
    sketches = world.sketch(people, 32)
    m, r = editor.networks["mapping"], editor.code_of_sketch(sketches)
    plain = editor.from_sketch(sketches)
    assert plain.shape == (3, 3, 32, 32) and plain.abs().max() <= 1
    assert torch.allclose(plain, editor.draw(r, torch.zeros(3, 2)), atol=1e-5)
    target = torch.tensor([[1.0, 0.0], [0.25, 2.0], [0.5, -1.0]])
    a = (2 * target - 1) - r @ m.w.T  # from where W reads it to where it should read
    assert torch.allclose(editor.from_sketch(sketches, target), editor.draw(r, a), atol=1e-4)
    labels = people.labels(NAMES)
    edited = editor.edit_sketch(sketches, labels, 1 - labels)
    assert torch.allclose(edited, editor.draw(r, 2 * (1 - 2 * labels)), atol=1e-4)
    assert torch.allclose(editor.read_sketch(sketches), editor.reading(r), atol=1e-6)


def test_after_an_edit_w_reads_the_target():
    """In S2F-DIS, with orthogonal rows, exactly: that is what the directions are for."""
    game = small("dis")
    nn.init.orthogonal_(game.mapping.w)
    editor = s2fgan.editor(game.inference_networks(), {"config": game.config()})
    r, target = torch.randn(4, 32), torch.rand(4, 2)
    mapping = editor.networks["mapping"]
    moved = mapping(r, (2 * target - 1) - mapping.read(r))
    assert torch.allclose(editor.reading(moved), target, atol=1e-5)


def test_what_an_editor_refuses(editor, people):
    sketches, target = world.sketch(people, 32), torch.zeros(3, 2)
    for method in (editor.from_sketch, editor.code_of_sketch, editor.read_sketch):
        with pytest.raises(ValueError, match=r"sketches must have shape \(B, 1, S, S\)"):
            method(world.render(people, 32))
    with pytest.raises(ValueError, match="16x16, but 32x32"):
        editor.from_sketch(sketches[..., ::2, ::2], target)
    with pytest.raises(ValueError, match=r"uint8.*to_float\(sketches\)"):
        editor.from_sketch(world.to_uint8(sketches))
    with pytest.raises(ValueError, match=r"3 of Smiling.*outside"):
        editor.from_sketch(sketches, target + 3)
    with pytest.raises(ValueError, match="expected"):
        editor.from_sketch(sketches, target[:2])
    with pytest.raises(ValueError, match="labels must be in"):
        editor.edit_sketch(sketches, target + 2, target)
    with pytest.raises(ValueError, match=r"intensities have shape \(2, 2\), expected \(3, 2\)"):
        editor.draw(torch.zeros(3, 32), target[:2])
    with pytest.raises(ValueError, match=r"directions have shape \(2, 5\)"):
        editor.with_directions(torch.zeros(2, 5))


def test_codes_that_are_none(editor):
    target = torch.zeros(3, 2)
    methods = (
        editor.reading,
        lambda codes: editor.draw(codes, target[: len(codes)]),
        lambda codes: editor.intensities_for(codes, target[: len(codes)]),
    )
    codes = torch.randn(3, 32)
    for method in methods:
        for wrong in (codes[:, :5], codes[0], codes[:0]):
            with pytest.raises(ValueError, match=r"codes have shape .*expected \(B, 32\)"):
                method(wrong)
        with pytest.raises(TypeError, match="codes must be a torch tensor"):
            method(codes.tolist())
        for dtype in (torch.float16, torch.float64):  # as they may have been stored
            assert torch.equal(method(codes.to(dtype)), method(codes.to(dtype).float()))
    with pytest.raises(TypeError, match="intensities must be a torch tensor, not list"):
        editor.draw(codes, target.tolist())


def test_other_directions(editor, people):
    images, labels = world.render(people, 32), people.labels(NAMES)
    w = torch.randn(2, 32)
    other = editor.with_directions(nn.Parameter(w))  # as a game's W is one
    assert not copy.deepcopy(other).networks["mapping"].w.requires_grad
    assert torch.equal(other.directions(), w) and not torch.equal(editor.directions(), w)
    r = editor.code(images)
    assert torch.allclose(
        other.edit(images, labels, 1 - labels), other.draw(r, 2 * (1 - 2 * labels)), atol=1e-5
    )
    with torch.no_grad():
        expected = editor.networks["decoder"](r + 2 * (1 - 2 * labels) @ w).clamp(-1, 1)
    assert torch.allclose(other.edit(images, labels, 1 - labels), expected, atol=1e-5)


def test_hyperplanes_find_what_separates():
    """Two attributes in codes of five numbers, one along the first axis, one along a diagonal, 3 and 1 apart."""
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(400, 2, generator=generator) > 0.5).float()
    true = torch.tensor([[1.5, 0, 0, 0, 0], [0, 0.3, 0.4, 0, 0]])
    codes = (2 * labels - 1) @ true + 0.05 * torch.randn(400, 5, generator=generator) + 7
    found = hyperplanes(codes, labels)
    assert torch.allclose(found, true, atol=0.05)
    with pytest.raises(ValueError, match="column 1"):
        hyperplanes(codes, labels * torch.tensor([1.0, 0.0]))


# ------------------------------------------------------------------------- both versions, by their names


@pytest.mark.parametrize("variant", ["dis", "dec"])
def test_each_version_has_a_name_and_a_file(variant, tmp_path, monkeypatch):
    game, name = small(variant), {"dis": "s2fgan", "dec": "s2fgan-dec"}[variant]
    assert name in papers.EDITORS and set(papers.PAPERS) < set(papers.EDITORS)
    monkeypatch.setattr(papers, "WEIGHTS", tmp_path)
    receipt = {"paper": "s2fgan", "config": game.config()}
    save_weights(tmp_path / f"{name}.safetensors", game.inference_networks(), receipt)
    assert papers.load_editor(name, device="cpu").name == f"S2FGAN ({variant.upper()})"
    people = world.sample(2, seed=world.SEEDS["test"].start, correlated=False)
    found = editors.find(f"{name}@poor", faces=2, device="cpu")
    out = found.edit(world.render(people, 32), people.labels(NAMES), people.labels(NAMES))
    assert out.shape == (2, 3, 32, 32) and found.skill == "poor"
    if variant == "dis":
        with pytest.raises(WeightsError, match="another version of S2FGAN than 'dec'"):
            papers.load_editor("s2fgan-dec", device="cpu", path=tmp_path / "s2fgan.safetensors")


def test_what_a_profile_of_ones_own_says_stands():
    laptop = s2fgan.PROFILES["laptop"]
    with torch.device("meta"):
        own = dataclasses.replace(laptop, options={**laptop.options, "attribute": 7.0, "ortho": 3.0})
        config = s2fgan.build(own).config()
        assert (config["attribute"], config["ortho"]) == (7.0, 3.0)
        assert s2fgan.build(own, ortho=2.0).config()["ortho"] == 2.0
        own = dataclasses.replace(laptop, options={**laptop.options, "variant": "dec", "edit": 5.0})
        config = s2fgan.build(own).config()
        assert {**config, "edit": 30.0} == s2fgan.build("laptop", variant="dec").config()
        assert config["edit"] == 5.0 and config["lr"] == s2fgan.LAPTOP_OF["dec"]["lr"]


def test_a_version_is_trained_by_its_name(tmp_path):
    options = {"profile": "smoke", "steps": 1, "attributes": ["Male"], "device": "cpu"}
    history = runs.train("s2fgan", variant="dec", out=tmp_path / "dec", **options)
    assert "generator/inverse" in history.terms
    with pytest.raises(ValueError, match="'b'; it has: dis, dec"):
        runs.train("s2fgan", profile="smoke", variant="b", out=tmp_path)
    with pytest.raises(ValueError, match="attgan has no variant 'dec'"):
        runs.train("attgan", profile="smoke", variant="dec", out=tmp_path)
