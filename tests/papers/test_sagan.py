"""SaGAN: sizes of the paper, the blend, the loss terms by hand, the switches, the editor of several models."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fedit_lib.data import Batch, procedural
from fedit_lib.nn import count_parameters, gradient_penalty
from fedit_lib.papers import sagan
from fedit_lib.papers.sagan import AMN, Discriminator, SaGAN
from fedit_lib.training import fit

SWITCHES = {
    "paper": {},
    "no_mask": {"mask": False},
    "no_own": {"lambda_2": 0.0},
    "no_back": {"lambda_1": 0.0},
    "residual": {"residual": True},
}


def small(**options) -> SaGAN:
    torch.manual_seed(0)
    return sagan.build("smoke", **{"noise": 0.0, "hold": 0.0, "lambda_2_open": 0.0, **options})


def faces(n: int = 6, size: int = 32, k: int = 1) -> Batch:
    generator = torch.Generator().manual_seed(5)
    images = torch.rand(n, 3, size, size, generator=generator) * 2 - 1
    return Batch(images, (torch.arange(n * k).view(n, k) % 2).float())


# ------------------------------------------------------------------------------------------ paper size


def test_paper_size():
    """G 12.22 million parameters, 6.11 and 6.11; D 11.19 million; at 128 px."""
    with torch.device("meta"):
        game = SaGAN()
        x, c = torch.empty(2, 3, 128, 128), torch.empty(2, 1)
        content, mask = game.amn(x, c), game.san(x)
        scores, logits = game.discriminator(x)
    assert content.shape == (2, 3, 128, 128) and mask.shape == (2, 1, 128, 128)
    assert scores.shape == (2, 1, 2, 2) and logits.shape == (2, 1)
    counts = [count_parameters(n) / 1e6 for n in (game.amn, game.san, game.discriminator)]
    assert counts == pytest.approx([6.11, 6.11, 11.19], rel=0.002)
    assert counts[0] + counts[1] == pytest.approx(12.22, rel=0.002)


def test_paper_profile_is_the_constructor_default():
    with torch.device("meta"):
        config = sagan.build("paper").config()
        assert config == SaGAN().config()
    assert (config["lambda_1"], config["lambda_2"], config["cls_g"], config["gp"]) == (20, 100, 1, 10)
    assert (config["lr"], config["critic_moves"], config["ema_decay"]) == (2e-4, 3, None)
    assert sagan.PROFILES["paper"].batch_size == 16
    assert (config["mask"], config["residual"], config["first_norm"]) == (True, False, True)


def test_a_step_at_paper_size():
    game = sagan.build("paper", critic_moves=1)
    data = procedural(2, size=128, attributes=["Eyeglasses"])
    history = fit(game, data, steps=1, batch_size=1, device="cpu", progress=False)
    assert all(torch.tensor(v).isfinite().all() for v in history.terms.values())


def test_course_weights_are_small():
    """Three attributes in one file of 8 MB, two bytes a number."""
    with torch.device("meta"):
        game = sagan.build("laptop")
    assert 3 * count_parameters(game.amn, game.san) < 4_000_000
    assert game.size == 64


# -------------------------------------------------------------------------------------------- networks


@given(depth=st.integers(1, 3), times=st.integers(2, 3), blocks=st.integers(0, 2))
@settings(max_examples=10, deadline=None)
def test_any_size_that_can_be_halved(depth, times, blocks):
    size = times * 2**depth
    game = SaGAN("Smiling", size=size, width=4, depth=depth, blocks=blocks, d_width=4, d_depth=depth)
    images, labels = faces(2, size)
    out, mask = game.generate(images, labels), game.san(images)
    assert out.shape == images.shape and out.abs().max() <= 1
    assert mask.shape == (2, 1, size, size) and 0 <= mask.min() and mask.max() <= 1
    scores, logits = game.discriminator(images)
    assert scores.shape == (2, 1, times, times) and logits.shape == (2, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attributes": ["Smiling", "Eyeglasses"]}, r"one model an attribute.*fedit export RUN RUN"),
        ({"attributes": []}, "one model an attribute"),
        ({"size": 100}, "100 pixels cannot be halved 3 times"),
        ({"size": 72, "d_depth": 4}, "72 pixels cannot be halved 4 times"),
        ({"critic_moves": 0}, "critic_moves is 0; it must be 1 or more"),
        ({"width": 0}, "width is 0"),
        ({"lr_drop": -1.0}, "lr_drop is -1.0"),
        ({"gp": -1.0}, "gp is -1.0"),
        ({"lambda_2": -1.0}, "lambda_2 is -1.0"),
        ({"sparsity": -1.0}, "sparsity is -1.0"),
        ({"warmup": 0.5, "ramp": 0.2}, "warmup is 0.5, hold 0.0 and ramp 0.2"),
        ({"hold": 0.5, "ramp": 0.2}, "hold 0.5 and ramp 0.2"),
        ({"hold": 0.5}, "the ramp ends after"),
        ({"hold": -0.5, "ramp": 0.2}, "hold is -0.5; it must be from 0 to 1"),
        ({"lambda_2_open": -1.0}, "lambda_2_open is -1"),
        ({"ramp": 1.5}, "from 0 to 1"),
        ({"warmup": -0.1}, "from 0 to 1"),
        ({"noise": -0.1}, "noise is -0.1"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        SaGAN(**{"width": 4, "d_width": 4, **options})


def test_the_critic_has_no_norm_and_judges_patches():
    critic = Discriminator(32, 4, 2)
    assert not [m for m in critic.modules() if "Norm" in type(m).__name__]
    assert {m.negative_slope for m in critic.modules() if isinstance(m, nn.LeakyReLU)} == {0.01}
    x = faces(2).images
    scores, _ = critic(x)
    assert torch.allclose(critic.score(x), scores.mean((1, 2, 3)), atol=1e-6)
    changed = x.clone()
    changed[:, :, :4, :4] = 0  # a corner changes the patches near it, and not those far away
    after, _ = critic(changed)
    assert not torch.allclose(after[..., 0, 0], scores[..., 0, 0])
    assert torch.equal(after[..., -2:, -2:], scores[..., -2:, -2:])


def test_an_instance_norm_forgets_a_constant_channel():
    """In the middle of a picture c is gone after the first layer with a norm, and still there without."""
    torch.manual_seed(0)
    x = torch.rand(2, 3, 32, 32)
    for first_norm in (True, False):
        first = AMN(8, 2, 0, first_norm).layers[0]
        off, on = (first(torch.cat([x, torch.full_like(x[:, :1], c)], 1)) for c in (0.0, 1.0))
        # the border shifts the mean a little: compare the shapes there, not the levels
        middle = (on - off)[:, :, 8:-8, 8:-8].abs().mean() / (on - off)[:, :, :2].abs().mean()
        assert (middle < 0.5) if first_norm else (middle > 0.5)


# ---------------------------------------------------------------------------------------------- losses


def test_the_blend_by_hand():
    images, content = torch.full((1, 3, 2, 2), 0.5), torch.full((1, 3, 2, 2), -1.0)
    mask = torch.tensor([[[[0.0, 1.0], [0.5, 0.25]]]])
    assert sagan.blend(images, content, mask)[0, 1].tolist() == [[0.5, -1.0], [-0.25, 0.125]]
    assert torch.equal(sagan.blend(images, content, torch.zeros(1, 1, 2, 2)), images)  # to the last bit


def test_the_generators_terms_are_the_papers():
    game, (images, c_g) = small(cls_g=3.0, lambda_1=7.0, lambda_2=11.0, ramp=0.0), faces()
    terms = game.generator_loss(Batch(images, c_g))
    with torch.no_grad():
        b = game.san(images)
        edited = game.amn(images, 1 - c_g) * b + images * (1 - b)
        own = game.amn(images, c_g) * b + images * (1 - b)
        again = game.san(edited)
        back = game.amn(edited, c_g) * again + edited * (1 - again)
        scores, logits = game.discriminator(edited)
        p = logits.sigmoid()
    wanted = (p * (1 - c_g) + (1 - p) * c_g).log()
    expected = {
        "adv": -scores.mean(),
        "cls": -3 * wanted.mean(),
        "back": 7 * (images - back).abs().mean(),
        "own": 11 * (images - own).abs().mean(),
        "_open": b.mean(),
    }
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(
        {k: v.item() for k, v in expected.items()}, rel=1e-4
    )


def test_the_critics_terms_are_the_papers():
    game, (images, c_g) = small(cls_d=2.0, gp=5.0), faces()
    torch.manual_seed(3)
    terms = game.critic_loss(Batch(images, c_g))
    with torch.no_grad():
        edited = game.generate(images, 1 - c_g)
        real, logits = game.discriminator(images)
        fake, _ = game.discriminator(edited)
        p = logits.sigmoid()
    torch.manual_seed(3)
    gp = gradient_penalty(lambda x: game.discriminator(x)[0].mean((1, 2, 3)), images, edited)
    assert terms["adv"].item() == pytest.approx((fake.mean() - real.mean()).item(), rel=1e-4, abs=1e-6)
    assert terms["gp"].item() == pytest.approx(5 * gp.item(), rel=1e-4)
    right = p * c_g + (1 - p) * (1 - c_g)  # of the real faces with their own attribute
    assert terms["cls"].item() == pytest.approx(-2 * right.log().mean().item(), rel=1e-4)


def test_each_player_moves_only_its_own():
    game = small()
    sum(game.critic_loss(faces()).values()).backward()
    assert all(p.grad is None for n in (game.amn, game.san) for p in n.parameters())
    assert all(p.grad is not None for p in game.discriminator.parameters())
    critic, generator = game.players()
    assert set(critic.parameters()).isdisjoint(generator.parameters())
    assert set(generator.parameters()) == {*game.amn.parameters(), *game.san.parameters()}


def test_nothing_punishes_an_open_mask():
    """The mask's mean is logged only; and a mask that F_m's copy makes invisible costs nothing."""
    game, batch = small(), faces()
    game.amn.forward = lambda x, c: x  # a perfect copy
    terms = game.generator_loss(batch)
    assert terms["own"].item() < 1e-5 and terms["back"].item() < 1e-5 and 0 < terms["_open"].item() < 1


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_every_switch_trains(name, precision):
    game = small(**SWITCHES[name], critic_moves=2)
    assert game.turns == ("critic", "critic", "generator")
    data = procedural(16, size=32, attributes=["Eyeglasses"])
    before = {k: v.detach().clone() for k, v in game.state_dict().items()}
    history = fit(
        game, data, steps=2, batch_size=4, log_every=1, device="cpu", precision=precision, progress=False
    )
    names = {t.split("/")[1] for t in history.terms if t.startswith("generator/")}
    expected = {
        "paper": {"adv", "cls", "back", "own", "_open"},
        "no_mask": {"adv", "cls", "back", "own"},
        "no_own": {"adv", "cls", "back", "_open"},
        "no_back": {"adv", "cls", "own", "_open"},
        "residual": {"adv", "cls", "back", "own", "sparse"},
    }
    assert names - {"total"} == expected[name]
    assert all(not torch.equal(v, before[k]) for k, v in game.named_parameters() if v.ndim > 1)
    assert set(game.averaged_networks()) == ({"amn"} if name in ("no_mask", "residual") else {"amn", "san"})


def test_the_residual_baseline_by_hand():
    game, (images, c_g) = small(residual=True, sparsity=4.0), faces()
    with torch.no_grad():
        r = 2 * game.amn(images, 1 - c_g)
    edited = game.generate(images, 1 - c_g)
    assert torch.allclose(edited, (images + r).clamp(-1, 1), atol=1e-6)
    sparse = game.generator_loss(Batch(images, c_g))["sparse"]
    assert sparse.item() == pytest.approx(4 * (edited - images).abs().mean().item(), rel=1e-4)
    assert game.config()["mask"] is False and game.san is None


def test_a_batch_that_does_not_fit():
    with pytest.raises(ValueError, match=r"2 labels a face.*faces.subset\(\['Eyeglasses'\]\)"):
        small().critic_loss(faces(k=2))
    with pytest.raises(ValueError, match=r"64.*built for size 32"):
        small().generator_loss(faces(size=64))


def test_warm_up_and_ramp():
    game, batch = small(warmup=0.2, ramp=0.6, lambda_2=100.0, critic_moves=2), faces()
    turns, lambdas = [], []
    for progress in (0.0, 0.19, 0.2, 0.4, 0.6, 0.9):
        game.set_progress(progress)
        turns.append(game.turns)
        lambdas.append(game.lambda_2_now)
    assert turns == [("critic",) * 2] * 2 + [("critic", "critic", "generator")] * 4
    assert lambdas == pytest.approx([0, 0, 0, 50, 100, 100])
    game.set_progress(0.1)
    assert set(game.critic_loss(batch)) == {"cls"}
    game.set_progress(0.4)
    assert set(game.critic_loss(batch)) == {"adv", "gp", "cls"}
    half = game.generator_loss(batch)["own"].item()
    game.set_progress(0.7)
    assert game.generator_loss(batch)["own"].item() == pytest.approx(2 * half, rel=1e-4)
    with torch.device("meta"):
        paper = SaGAN()
    assert paper.turns == ("critic",) * 3 + ("generator",) and paper.lambda_2_now == 100  # at once


def test_a_run_with_a_warm_up():
    game = small(warmup=0.5, ramp=0.75)
    data = procedural(16, size=32, attributes=["Eyeglasses"])
    before = game.amn.layers[0][0].weight.clone()
    history = fit(game, data, steps=4, batch_size=4, log_every=1, device="cpu", progress=False)
    assert "generator/own" in history.terms and not torch.equal(game.amn.layers[0][0].weight, before)


def test_the_generator_learns_what_lambda_2_asks():
    game = small(cls_g=0.0, critic_moves=1, lr=2e-3, ramp=0.0)
    data = procedural(64, size=32, attributes=["Eyeglasses"])
    own = fit(game, data, steps=30, batch_size=8, log_every=1, device="cpu", progress=False).terms[
        "generator/own"
    ]
    assert sum(own[-5:]) < 0.5 * sum(own[:5])


def test_noise_is_for_the_classifier_alone():
    """The patches are judged as they are, the attribute of every picture under noise of the strength asked."""
    game, x, seen = small(noise=0.5), faces(64).images, []
    quiet = game.discriminator(x)
    game.discriminator.body.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    scores, logits = game.judge(x)
    assert torch.allclose(scores, quiet[0].mean((1, 2, 3)), atol=1e-5) and torch.equal(seen[0], x)
    assert (seen[1] - x).std() == pytest.approx(0.5, rel=0.02)
    assert not torch.allclose(logits, quiet[1], atol=1e-4)
    game.set_progress(0.0)
    game.warming = True
    del seen[:]
    game.critic_loss(faces())
    assert not any(torch.equal(given, faces().images) for given in seen[-1:])


def test_schedule_and_config():
    game = small(lr=3e-4, lr_drop=0.5)
    assert [(p.lr, p.betas) for p in game.players()] == [(1e-3, (0.5, 0.999)), (3e-4, (0.5, 0.999))]
    assert {p.lr for p in small(lr=3e-4, critic_lr=None).players()} == {3e-4}
    assert [game.lr_scale(p) for p in (0.0, 0.49, 0.5, 0.99)] == [1, 1, 0.1, 0.1]
    again = SaGAN(**json.loads(json.dumps(game.config())))
    assert again.config() == game.config()
    again.load_state_dict(game.state_dict())
    with torch.device("meta"):
        assert SaGAN().lr_scale(0.999) == 1  # the paper's never falls


# ---------------------------------------------------------------------------------------------- the editor


def two(**options) -> tuple[sagan.SaGANEditor, dict[str, SaGAN]]:
    """An editor of two attributes from two runs, of different widths, and their games."""
    torch.manual_seed(1)
    games = {
        "Smiling": sagan.build("smoke", "Smiling", **options),
        "Bangs": sagan.build("smoke", "Bangs", width=4, **options),
    }
    networks = {f"{a}.{n}": m for a, g in games.items() for n, m in g.inference_networks().items()}
    runs = {a: {"config": g.config()} for a, g in games.items()}
    return sagan.editor(networks, {"runs": runs}), games


def test_one_run_is_an_editor():
    game, (images, labels) = small().eval(), faces(70)
    editor = sagan.editor(game.inference_networks(), {"config": game.config()})
    assert editor.attributes == ("Eyeglasses",) and editor.size == 32
    with torch.no_grad():
        expected, mask = game.generate(images, 1 - labels), game.san(images)
    assert torch.allclose(editor.edit(images, labels, 1 - labels), expected, atol=1e-5)
    assert torch.allclose(editor.attention(images, labels, 1 - labels), mask, atol=1e-6)
    content = editor.content(images, labels, 1 - labels)
    assert torch.allclose(sagan.blend(images, content, mask), expected, atol=1e-5)


def test_only_the_models_whose_target_differs_are_asked():
    editor, games = two()
    images, _ = faces(4)
    labels = torch.tensor([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    target = torch.tensor([[0.0, 1.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]])  # none, smile, bangs, both
    with torch.no_grad():
        one = torch.ones(4, 1)
        smile, bangs = games["Smiling"].generate(images, one), games["Bangs"].generate(images, one)
        both = games["Bangs"].generate(smile, one)
        first, second, then = (
            games["Smiling"].san(images),
            games["Bangs"].san(images),
            games["Bangs"].san(smile),
        )
    out = editor.edit(images, labels, target)
    assert torch.equal(out[0], images[0])  # to the last bit: nobody was asked
    for row, expected in ((1, smile), (2, bangs), (3, both)):
        assert torch.allclose(out[row], expected[row], atol=1e-5)
    attention = editor.attention(images, labels, target)
    assert not attention[0].any()
    for row, expected in ((1, first), (2, second), (3, torch.maximum(first, then))):
        assert torch.allclose(attention[row], expected[row], atol=1e-6)
    content = editor.content(images, labels, target)
    assert torch.equal(content[0], images[0]) and content.shape == images.shape
    with torch.no_grad():
        assert torch.allclose(content[3], games["Bangs"].amn(smile, one)[3], atol=1e-5)


def test_reconstruct_asks_every_model_for_the_faces_own_attribute():
    editor, games = two()
    images, labels = faces(4, k=2)
    with torch.no_grad():
        x = games["Smiling"].generate(images, labels[:, :1])
        x = games["Bangs"].generate(x, labels[:, 1:])
    out = editor.reconstruct(images, labels)
    assert torch.allclose(out, x, atol=1e-5) and not torch.equal(out, images)
    assert torch.equal(editor.edit(images, labels, labels), images)  # the free one
    with pytest.raises(ValueError, match="Smiling, Bangs"):
        editor.reconstruct(images, labels[:, :1])


class Toy(nn.Module):
    """F_m paints c everywhere, F_a opens a half: a linear model of a slider."""

    san = True

    def forward(self, x, c):
        return (2 * c - 1)[:, :, None, None].expand_as(x), torch.full_like(x[:, :1], 0.5)


def test_a_slider_is_continuous_and_monotone():
    editor = sagan.SaGANEditor({"Smiling": Toy()}, name="toy", attributes=["Smiling"], size=4)
    positions = torch.linspace(-1, 2, 61)[:, None]
    images = torch.full((61, 3, 4, 4), 0.25)
    for label in (0.0, 1.0):
        levels = editor.edit(images, torch.full((61, 1), label), positions).mean((1, 2, 3))
        assert (levels.diff() >= 0).all() and levels.diff().max() < 0.06  # rises, without a jump
        assert levels[20 + 20 * int(label)] == 0.25  # at the label nothing happens
        assert levels[0] < 0.25 - 0.3 and levels[-1] > 0.25 + 0.3
        assert levels.abs().max() <= 1
    half = editor.edit(images[:1], torch.zeros(1, 1), torch.full((1, 1), 0.5))
    whole = editor.edit(images[:1], torch.zeros(1, 1), torch.ones(1, 1))
    assert whole.mean() == pytest.approx(0.25 + 0.5 * 0.75) and half.mean() == pytest.approx(
        0.25 + 0.25 * 0.75
    )


@pytest.mark.parametrize("name", ["no_mask", "residual"])
def test_a_model_without_a_mask_has_no_attention(name):
    editor, games = two(**SWITCHES[name])
    images, labels = faces(2, k=2)
    assert editor.attention(images, labels, 1 - labels) is None
    with torch.no_grad():
        x = games["Smiling"].generate(images, 1 - labels[:, :1])
        x = games["Bangs"].generate(x, 1 - labels[:, 1:])
    assert torch.allclose(editor.edit(images, labels, 1 - labels), x, atol=1e-5)


def test_weights_of_a_missing_model_are_named():
    game = small()
    with pytest.raises(KeyError, match="san"):
        sagan.editor({"amn": game.amn}, {"config": game.config()})


def test_an_editor_does_not_train_on_with_its_game():
    game, (images, labels) = small(), faces()
    editor = sagan.editor(game.inference_networks(), {"config": game.config()})
    before = editor.edit(images, labels, 1 - labels)
    with torch.no_grad():
        for p in game.parameters():
            p.add_(1.0)
    assert torch.equal(editor.edit(images, labels, 1 - labels), before)


def test_lambda_2_stays_low_until_hold_and_rises_then():
    """First open the mask, then close it."""
    game = small(warmup=0.1, hold=0.5, ramp=0.7, lambda_2=150.0, lambda_2_open=8.0)
    found = []
    for progress in (0.0, 0.1, 0.49, 0.5, 0.6, 0.7, 1.0):
        game.set_progress(progress)
        found.append((game.warming, game.lambda_2_now))
    assert [warming for warming, _ in found] == [True] + [False] * 6
    assert [now for _, now in found] == pytest.approx([8, 8, 8, 8, 79, 150, 150])
    batch = faces()
    own = game.generator_loss(batch)["own"].item()
    game.set_progress(0.2)
    assert game.generator_loss(batch)["own"].item() == pytest.approx(own * 8 / 150, rel=1e-4)


def test_a_ramp_may_end_where_the_warm_up_does():
    """Then lambda_2 is there at once."""
    game = small(warmup=0.2, ramp=0.2, lambda_2=50.0)
    found = []
    for progress in (0.0, 0.19, 0.2, 0.9):
        game.set_progress(progress)
        found.append((game.warming, game.lambda_2_now))
    assert found == [(True, 0.0), (True, 0.0), (False, 50.0), (False, 50.0)]


class White(nn.Module):
    """Content 1 everywhere."""

    def forward(self, x, c):
        return torch.ones_like(x)


def test_an_exaggerated_edit_and_a_residual_stay_in_range():
    class Open(Toy):
        def forward(self, x, c):
            content, mask = super().forward(x, c)
            return content, torch.ones_like(mask)

    editor = sagan.SaGANEditor({"Smiling": Open()}, name="toy", attributes=["Smiling"], size=4)
    images, absent = torch.full((1, 3, 4, 4), 0.25), torch.zeros(1, 1)
    assert editor.edit(images, absent, torch.full((1, 1), 2.0)).eq(1).all()
    assert editor.edit(images, absent + 1, torch.full((1, 1), -1.0)).eq(-1).all()

    editor, _ = two(**SWITCHES["residual"])
    images, labels = faces(2, k=2)
    for model in editor.networks.values():
        model.amn = White()
    assert editor.edit(images, labels, 1 - labels).eq(1).all()  # black can become white, and no whiter
    half = editor.edit(images, torch.zeros(2, 2), torch.tensor([[0.5, 0.0]]).expand(2, 2))
    assert torch.allclose(half, images + 0.5 * (1 - images), atol=1e-6)  # half-way to white
