"""Fader: sizes of the paper, the loss terms by hand, modes, the ramp, the moves of both players."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedit_lib.data import Batch, procedural
from fedit_lib.nn import count_parameters
from fedit_lib.papers import fader
from fedit_lib.papers.fader import Decoder, Encoder, Fader, LatentDiscriminator
from fedit_lib.training import fit

NAMES = ("Mouth_Slightly_Open", "Eyeglasses")


def small(**options) -> Fader:
    torch.manual_seed(0)
    return fader.build("smoke", attributes=NAMES, **options)


def faces(n: int = 8, size: int = 32, k: int = 2) -> Batch:
    generator = torch.Generator().manual_seed(5)
    images = torch.rand(n, 3, size, size, generator=generator) * 2 - 1
    return Batch(images, (torch.rand(n, k, generator=generator) > 0.5).float())


# ------------------------------------------------------------------------------------------ paper size


@pytest.mark.parametrize(
    ("width", "depth", "channels", "side", "encoder", "decoder", "discriminator"),
    [
        (32, 6, [32, 64, 128, 256, 512, 512], 4, 6_984_096, 7_078_627, 8_654_851),  # the released code's
        (16, 7, [16, 32, 64, 128, 256, 512, 512], 2, 6_991_568, 7_087_619, 4_459_523),  # the paper's
    ],
)
def test_paper_size_in_both_published_depths(width, depth, channels, side, encoder, decoder, discriminator):
    """14.0 million parameters either way, with the three attributes here."""
    with torch.device("meta"):
        game = Fader(width=width, depth=depth)
        z = game.encoder(torch.empty(2, 3, 256, 256))
        out = game.decoder(z, torch.empty(2, 6))
    assert fader.widths(width, depth) == channels
    assert z.shape == (2, 512, side, side) and out.shape == (2, 3, 256, 256)
    assert game.discriminator(z).shape == (2, 3)
    counts = [count_parameters(n) for n in (game.encoder, game.decoder, game.discriminator)]
    assert counts == [encoder, decoder, discriminator]
    assert abs((counts[0] + counts[1]) / 14.0e6 - 1) < 0.02
    convolutions = [m for m in game.discriminator.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) == math.log2(side)  # until one pixel is left
    assert {c.out_channels for c in convolutions} == {512}


def test_paper_profile_is_the_constructor_default():
    with torch.device("meta"):
        config = fader.build("paper").config()
        assert config == Fader().config()
    assert (config["lambda_e"], config["dropout"], config["clip"]) == (1e-4, 0.3, 5.0)
    assert (config["lr"], config["lr_dis"], config["dis_moves"], config["ema_decay"]) == (2e-4, 2e-4, 1, None)
    ramp = config["ramp"] * fader.PROFILES["paper"].steps
    assert ramp == pytest.approx(500_000, rel=0.01)


def test_course_size_differs_only_in_widths_depth_and_schedule():
    with torch.device("meta"):
        paper, course = fader.build("paper"), fader.build("laptop")
    changed = {k for k, v in course.config().items() if v != paper.config()[k]}
    sizes = {"size", "width", "depth", "widest", "hidden"}
    schedule = {"lr", "lr_dis", "lambda_e", "ramp", "lambda_end", "dis_moves", "lr_drop", "ema_decay"}
    assert changed <= sizes | schedule
    assert course.ramp < 1 and course.lambda_e > paper.lambda_e  # the ramp ends inside the run
    assert course.encoder(torch.empty(1, 3, 64, 64, device="meta")).shape[-1] in (2, 4)
    assert count_parameters(course.encoder, course.decoder) < 4_000_000  # 8 MB in fp16


# -------------------------------------------------------------------------------------------- networks


@given(depth=st.integers(1, 4), power=st.integers(1, 3), n=st.integers(1, 4))
@settings(max_examples=15, deadline=None)
def test_any_power_of_two_times_two_to_the_depth(depth, power, n):
    size = 2**power * 2**depth
    game = Fader([str(i) for i in range(n)], size=size, width=4, depth=depth, widest=8, hidden=8)
    batch = faces(2, size, n)
    z = game.encoder(batch.images)
    out = game.decoder(z, fader.attribute_code(batch.labels))
    assert out.shape == batch.images.shape and out.abs().max() <= 1
    assert z.shape[-1] == 2**power and game.discriminator(z).shape == (2, n)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 100}, "100 pixels cannot be halved 6 times"),
        ({"size": 192}, "3x3.*power of two"),
        ({"attributes": ["Smiling", "Smiling"]}, "different names"),
        ({"attributes": []}, "one or more"),
        ({"dis_moves": 0}, "at least 1"),
        ({"lambda_e": -1.0}, "0 or more"),
        ({"lambda_e": float("nan")}, "lambda_e is nan; it must be 0 or more"),
        ({"clip": 0.0}, "clip is 0.0; .* above 0"),
        ({"clip": -5}, "clip is -5; .* above 0"),
        ({"lr_drop": -1.0}, "lr_drop is -1.0; it must be from 0 to 1"),
        ({"lr_drop": float("nan")}, "lr_drop is nan"),
        ({"depth": -1}, "depth is -1; it must be 1 or more"),
        ({"widest": 0}, "widest is 0; it must be 1 or more"),
        ({"ramp": 1.5}, "from 0 to 1"),
        ({"lambda_end": 0.0}, "lambda_end is 0.0; it is a part of lambda_e, above 0"),
        ({"lambda_end": 1.5}, "lambda_end is 1.5"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        Fader(**{"attributes": NAMES, "width": 4, "hidden": 4, **options})


def test_only_the_encoders_first_layer_has_no_batch_norm():
    kinds = [[type(m).__name__ for m in layer] for layer in Encoder(4, 3).layers]
    assert [("BatchNorm2d" in k) for k in kinds] == [False, True, True]
    assert all("LeakyReLU" in k for k in kinds)


def test_the_attributes_enter_at_every_layer():
    """Each layer alone, the others made deaf, still carries the attributes to the picture."""
    torch.manual_seed(0)
    z, code = torch.rand(2, 32, 4, 4), fader.attribute_code(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    channels = [32, 16, 8]
    for hearing in range(3):
        decoder = Decoder(2, 8, 3).eval()
        assert [layer[0].in_channels for layer in decoder.layers] == [c + 4 for c in channels]
        with torch.no_grad():
            for i, layer in enumerate(decoder.layers):
                if i != hearing:
                    layer[0].weight[channels[i] :] = 0
        assert not torch.allclose(decoder(z, code), decoder(z, code.flip(0)))
        with torch.no_grad():
            decoder.layers[hearing][0].weight[channels[hearing] :] = 0
        assert torch.equal(decoder(z, code), decoder(z, code.flip(0)))


def test_attribute_code_is_a_pair_an_attribute_and_linear():
    code = fader.attribute_code(torch.tensor([[0.0, 1.0], [0.25, 2.0]]))
    assert code.tolist() == [[1, 0, 0, 1], [0.75, 0.25, -1, 2]]


def test_the_discriminator_drops_out_only_in_training():
    torch.manual_seed(0)
    dis, z = LatentDiscriminator(2, 8, 4, 32), torch.rand(4, 8, 4, 4)
    assert not torch.equal(dis(z), dis(z))
    assert torch.equal(dis.eval()(z), dis(z))
    assert [m.p for m in dis.modules() if isinstance(m, torch.nn.Dropout)] == [0.3, 0.3]


# ---------------------------------------------------------------------------------------------- losses


def test_latent_loss_by_hand():
    logits, labels = torch.tensor([[0.0, 2.0], [0.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    first = math.log(2) + math.log1p(math.exp(2))  # summed over the attributes ...
    assert fader.latent_loss(logits, labels).item() == pytest.approx(
        (first + 2 * math.log(2)) / 2
    )  # ... meaned


def test_reconstruction_by_hand():
    x = torch.zeros(2, 3, 4, 4)
    off = torch.tensor([0.5, -0.1])[:, None, None, None]
    assert fader.reconstruction_loss(x, x + off).item() == pytest.approx((0.25 + 0.01) / 2)


def test_the_terms_are_the_papers():
    """Computed again from the networks' outputs: the discriminator for y, the encoder for 1 - y, times lambda."""
    game, (x, y) = small(lambda_e=0.5, ramp=0.4, dropout=0.0), faces()
    game.set_progress(0.2)  # half-way up the ramp
    dis = game.discriminator_loss(Batch(x, y))
    with torch.no_grad():
        p = game.discriminator(game.encoder(x)).sigmoid()  # in the modes that the loss has left
    assert dis["dis"].item() == pytest.approx(
        -(y * p.log() + (1 - y) * (1 - p).log()).sum(1).mean().item(), rel=1e-4
    )
    assert dis["_reads"].item() == ((p > 0.5) == (y > 0.5)).float().mean().item()

    game = small(lambda_e=0.5, ramp=0.4)
    game.set_progress(0.2)
    auto = game.autoencoder_loss(Batch(x, y))
    game.encoder.train(), game.decoder.train(), game.discriminator.eval()
    z = game.encoder(x)
    p, again = game.discriminator(z).sigmoid(), game.decoder(z, fader.attribute_code(y))
    wrong = -((1 - y) * p.log() + y * (1 - p).log()).sum(1).mean()
    assert auto["fool"].item() == pytest.approx(0.25 * wrong.item(), rel=1e-3)
    assert auto["rec"].item() == pytest.approx((x - again).square().mean().item(), rel=1e-4)
    assert auto["_lambda"].item() == 0.25
    assert [k for k in auto if not k.startswith("_")] == ["rec", "fool"]


def test_who_stands_still_is_in_eval_mode(monkeypatch):
    """Even though the loop puts the whole game in train mode before every round."""
    game, seen = small(), []
    for name in ("encoder", "decoder", "discriminator"):
        getattr(game, name).register_forward_pre_hook(lambda m, _, name=name: seen.append((name, m.training)))
    running = {k: v.clone() for k, v in game.encoder.state_dict().items() if "running" in k}
    assert running
    game.train()
    game.discriminator_loss(faces())
    assert seen == [("encoder", False), ("discriminator", True)]
    assert all(torch.equal(game.encoder.state_dict()[k], v) for k, v in running.items())
    game.train()
    seen.clear()
    game.autoencoder_loss(faces())
    assert sorted(seen) == [("decoder", True), ("discriminator", False), ("encoder", True)]
    assert any(not torch.equal(game.encoder.state_dict()[k], v) for k, v in running.items())


def test_a_discriminator_move_leaves_no_gradient_in_the_autoencoder():
    game = small()
    game.discriminator_loss(faces())["dis"].backward()
    assert all(p.grad is None for n in (game.encoder, game.decoder) for p in n.parameters())
    assert all(p.grad is not None for p in game.discriminator.parameters())


def test_the_adversarial_term_reaches_the_encoder_alone():
    game = small(ramp=0.0)
    fool = game.autoencoder_loss(faces())["fool"]
    fool.backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in game.encoder.parameters())
    assert all(p.grad is None for p in game.decoder.parameters())


@given(progress=st.floats(0, 1, exclude_max=True), ramp=st.floats(0.01, 1))
@settings(max_examples=30, deadline=None)
def test_the_ramp_is_linear_then_constant(progress, ramp):
    with torch.device("meta"):
        game = small(lambda_e=0.3, ramp=ramp, lambda_end=1.0)
    game.set_progress(progress)
    assert game.lambda_now == pytest.approx(0.3 * progress / ramp if progress < ramp else 0.3)


def test_lambda_falls_by_the_same_factor_when_the_rate_has_fallen():
    with torch.device("meta"):
        game = small(lambda_e=0.2, ramp=0.1, lr_drop=0.8, lambda_end=0.01)
        assert Fader(lr_drop=0.8).lambda_end == 1  # the paper's stays
    now = []
    for progress in (0.05, 0.1, 0.8, 0.85, 0.9, 0.95, 1.0):
        game.set_progress(progress)
        now.append(game.lambda_now)
    assert now == pytest.approx([0.1, 0.2, 0.2, 0.2 * 10**-0.5, 0.02, 0.02 * 10**-0.5, 0.002])


def test_no_ramp_and_no_lambda():
    with torch.device("meta"):
        at_once, never = small(lambda_e=0.3, ramp=0.0), small(lambda_e=0.0)
        assert small(lambda_e=0.3, ramp=0.5).lambda_now == 0
    assert at_once.lambda_now == 0.3
    never.set_progress(0.9)
    assert never.lambda_now == 0


def test_a_batch_that_does_not_fit():
    with pytest.raises(ValueError, match=r"3 labels a face, this game 2 attributes"):
        small().discriminator_loss(faces(k=3))
    with pytest.raises(ValueError, match=r"64.*built for size 32"):
        small().autoencoder_loss(faces(size=64))


# ------------------------------------------------------------------------------------------ the training


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_steps_in_the_loop(precision):
    game = small(dis_moves=2)
    assert game.turns == ("discriminator", "discriminator", "autoencoder")
    data = procedural(16, size=32, attributes=list(NAMES))
    before = {k: v.detach().clone() for k, v in game.state_dict().items()}
    history = fit(
        game, data, steps=2, batch_size=4, log_every=1, device="cpu", precision=precision, progress=False
    )
    assert set(history.terms) >= {"discriminator/dis", "autoencoder/rec", "autoencoder/fool"}
    assert history.terms["autoencoder/_lambda"][0] == 0 < history.terms["autoencoder/_lambda"][1]
    assert all(not torch.equal(v, before[k]) for k, v in game.named_parameters() if v.ndim > 1)
    assert set(game.averaged_networks()) == {"encoder", "decoder"}


def test_the_latent_is_the_encoders():
    game, images = small().eval(), faces().images
    editor = fader.editor(game.inference_networks(), {"config": game.config()})
    z = editor.latent(images)
    assert not z.requires_grad and torch.allclose(z, game.encoder(images), atol=1e-5)
    with pytest.raises(ValueError, match="32"):
        editor.latent(images[..., :16])


def test_both_players_learn():
    """Reconstruction falls; and without lambda the discriminator soon reads the attribute from the code."""
    game = small(lambda_e=0.0)
    data = procedural(64, size=32, attributes=list(NAMES))
    history = fit(game, data, steps=60, batch_size=16, log_every=1, device="cpu", progress=False)
    rec, dis = history.terms["autoencoder/rec"], history.terms["discriminator/dis"]
    assert sum(rec[-5:]) / 5 < 0.7 * sum(rec[:3]) / 3
    assert sum(dis[-10:]) / 10 < sum(dis[:10]) / 10


def test_players_and_schedule():
    game = small(lr=3e-4, lr_dis=5e-4, lr_drop=0.5)
    dis, auto = game.players()
    assert (dis.name, dis.lr, dis.betas, dis.clip) == ("discriminator", 5e-4, (0.5, 0.999), 5.0)
    assert (auto.name, auto.lr, auto.betas, auto.clip) == ("autoencoder", 3e-4, (0.5, 0.999), 5.0)
    assert [game.lr_scale(p) for p in (0.0, 0.49, 0.5, 0.99)] == [1, 1, 0.1, 0.1]
    assert dis.steady and not auto.steady
    with torch.device("meta"):
        assert Fader().lr_scale(0.999) == 1  # the paper's never falls


def test_a_batch_of_one_face_is_refused_with_the_fix():
    game, (x, y) = small(), faces()
    with pytest.raises(ValueError, match="batch_size of 2 or more"):
        game.autoencoder_loss(Batch(x[:1], y[:1]))
