"""IcGAN: sizes of the paper, the loss terms by hand, four steps one after the other, going on after a stop."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedit_lib.data import Batch, procedural
from fedit_lib.nn import count_parameters
from fedit_lib.papers import icgan
from fedit_lib.papers.icgan import CGAN, ENCODERS, Discriminator, Encoder, Encoders, Generator, IcGAN
from fedit_lib.training import fit, measure_statistics

NAMES = ("Bangs", "Eyeglasses", "Smiling")


def small(**options) -> IcGAN:
    torch.manual_seed(0)
    return icgan.build("smoke", attributes=NAMES, **options)


def faces(n: int = 8, size: int = 32, k: int = 3) -> Batch:
    generator = torch.Generator().manual_seed(5)
    images = torch.rand(n, 3, size, size, generator=generator) * 2 - 1
    return Batch(images, (torch.rand(n, k, generator=generator) > 0.5).float())


@pytest.fixture(scope="module")
def people():
    return procedural(16, size=32, attributes=list(NAMES))


def train(game: IcGAN, data, steps: int = 4, **options):
    return fit(game, data, steps=steps, batch_size=4, log_every=1, device="cpu", progress=False, **options)


# ------------------------------------------------------------------------------------------ paper size


def test_parameters_at_paper_size():
    """The counts of the paper's networks with its 18 attributes at 64 px."""
    with torch.device("meta"):
        game = IcGAN()
    parts = game.generator, game.discriminator, game.encoders.e_z, game.encoders.e_y
    assert [count_parameters(p) for p in parts] == [3_724_163, 2_802_497, 18_273_668, 3_185_970]
    for part, published in zip(parts, (3.73e6, 2.80e6, 18.28e6, 3.19e6), strict=True):
        assert abs(count_parameters(part) / published - 1) < 0.02


def test_shapes_at_paper_size():
    with torch.device("meta"):
        game, x, z, y = IcGAN(), torch.empty(2, 3, 64, 64), torch.empty(2, 100), torch.empty(2, 18)
        maps, shapes = torch.cat([z, y], 1)[:, :, None, None], []
        for layer in game.generator.layers:
            maps = layer(maps)
            shapes.append(tuple(maps.shape[1:]))
        assert game.generator(z, y).shape == x.shape
        assert game.discriminator(x, y).shape == (2,)
        assert [tuple(t.shape) for t in game.encoders(x)] == [(2, 100), (2, 18)]
    assert shapes == [(512, 4, 4), (256, 8, 8), (128, 16, 16), (64, 32, 32), (3, 64, 64)]
    assert game.discriminator.rest[0][0].in_channels == 64 + 18  # y enters after the first convolution ...
    assert game.discriminator.first[0].in_channels == 3  # ... and not before
    assert game.discriminator.rest[-1].kernel_size == (4, 4)
    assert [m.out_features for m in game.encoders.e_z.rest if isinstance(m, torch.nn.Linear)] == [4096, 100]


@pytest.mark.slow
def test_one_round_at_paper_size():
    """One move of each player on four faces; all of his parameters and nobody else's move."""
    torch.manual_seed(0)
    game = icgan.build("paper")
    batch = faces(4, 64, 18)
    for player in game.players():
        before = {k: p.detach().clone() for k, p in game.named_parameters()}
        own = {id(p) for p in player.parameters()}
        game.requires_grad_(False)
        for p in player.parameters():
            p.requires_grad_(True)
        optimiser = torch.optim.Adam(player.parameters(), player.lr, player.betas)
        sum(v for k, v in player.loss(batch).items() if k[0] != "_").backward()
        optimiser.step()
        for key, p in game.named_parameters():
            still = torch.equal(p, before[key])
            # a bias before a norm has no gradient; what is not the player's own stands still, whatever it is
            assert (still or id(p) in own) and not (still and id(p) in own and p.ndim > 1), key


def test_paper_profile_is_the_constructor_default():
    with torch.device("meta"):
        game = icgan.build("paper")
        assert game.config() == IcGAN().config()
    assert {p.name: (p.lr, p.betas) for p in game.players()} == {
        "discriminator": (2e-4, (0.5, 0.999)),
        "generator": (2e-4, (0.5, 0.999)),
        "encoder_z": (1e-4, (0.5, 0.999)),
        "encoder_y": (1e-4, (0.5, 0.999)),
    }
    assert icgan.PROFILES["paper"].batch_size == 64 and len(icgan.ATTRIBUTES) == 18


def test_course_size_differs_only_in_widths_and_schedule():
    with torch.device("meta"):
        paper, course = icgan.build("paper"), icgan.build("laptop")
    changed = {k for k, v in course.config().items() if v != paper.config()[k]}
    widths = {"g_width", "d_width", "e_width", "z_hidden", "y_hidden"}
    assert changed <= widths | {"cgan_part", "lr", "g_lr", "e_lr", "lr_drop", "ema_decay"}
    assert count_parameters(course.generator, course.encoders) < 4_000_000  # 8 MB in fp16


# -------------------------------------------------------------------------------------------- networks


@given(power=st.integers(2, 4), channels=st.sampled_from([1, 3]), n=st.integers(1, 4))
@settings(max_examples=10, deadline=None)
def test_any_power_of_two(power, channels, n):
    size = 4 * 2**power
    y = torch.ones(2, n)
    x = Generator(n, size, 4, z_dim=6, channels=channels)(torch.randn(2, 6), y)
    assert x.shape == (2, channels, size, size) and x.abs().max() <= 1
    assert Discriminator(n, size, 4, channels)(x, y).shape == (2,)
    if channels == 3:
        assert Encoder(5, size, 4, 8, condition=n)(x, y).shape == (2, 5)


@pytest.mark.parametrize("size", [8, 20, 48, 0, 65])
def test_a_size_that_cannot_be(size):
    with pytest.raises(ValueError, match=rf"size is {size}; .*16, 32, 64"):
        IcGAN(NAMES, size=size)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attributes": ["Smiling", "Smiling"]}, "different names"),
        ({"attributes": []}, "one or more"),
        ({"encoders": "both"}, "ind, sng, ind-cond"),
        ({"cgan_part": 1.0}, "between 0 and 1"),
        ({"lr_drop": -1.0}, "lr_drop is -1.0; it must be from 0 to 1"),
        ({"lr_drop": float("nan")}, "lr_drop is nan"),
        ({"smooth": 2.0}, "smooth is 2.0; it must be from 0 to 1"),
        ({"g_width": 0}, "g_width is 0; it must be 1 or more"),
        ({"e_width": 0}, "e_width is 0; it must be 1 or more"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        IcGAN(**{"attributes": NAMES, "size": 16, "z_hidden": 4, **options})


def test_the_discriminators_answer_depends_on_y():
    game = small().eval()
    x, y = faces()[0], torch.ones(8, 3)
    assert not torch.allclose(game.discriminator(x, y), game.discriminator(x, -y))
    assert not torch.allclose(game.generator(torch.ones(8, 100), y), game.generator(torch.ones(8, 100), -y))


@pytest.mark.parametrize("kind", ENCODERS)
def test_what_each_arrangement_shares(kind):
    """sng: all but the outputs; ind: nothing; ind-cond: z hears of y, and does not teach E_y."""
    torch.manual_seed(0)
    encoders, x = Encoders(kind, 3, 32, 4, 10, 16, 16), faces()[0]
    z, y = encoders(x)
    assert z.shape == (8, 10) and y.shape == (8, 3)
    touched = {
        name: {k for k, g in zip(dict(encoders.named_parameters()), grads, strict=True) if g is not None}
        for name, grads in (
            (
                "z",
                torch.autograd.grad(
                    z.sum(), list(encoders.parameters()), retain_graph=True, allow_unused=True
                ),
            ),
            ("y", torch.autograd.grad(y.sum(), list(encoders.parameters()), allow_unused=True)),
        )
    }
    if kind == "sng":
        assert touched["z"] == touched["y"] == set(dict(encoders.named_parameters()))
        return
    assert {k.split(".")[0] for k in touched["z"]} == {"e_z"}
    assert {k.split(".")[0] for k in touched["y"]} == {"e_y"}
    with torch.no_grad():
        encoders.e_y.rest[-1].bias += 1
    assert torch.allclose(encoders.eval().z(x), small_z(encoders, x, 1)) == (kind == "ind")


def test_e_z_leaves_the_statistics_of_e_y_alone():
    """It hears E_y on generated pictures; those that E_y will read are real."""
    encoders, x = Encoders("ind-cond", 3, 32, 4, 10, 16, 16), faces()[0]
    before = {key: value.clone() for key, value in encoders.e_y.state_dict().items()}
    encoders.train().z(x)
    assert all(torch.equal(value, before[key]) for key, value in encoders.e_y.state_dict().items())
    assert all(module.training for module in encoders.modules())
    encoders.y(x)
    assert any(not torch.equal(value, before[key]) for key, value in encoders.e_y.state_dict().items())
    encoders.eval().z(x)
    assert not any(module.training for module in encoders.modules())


def small_z(encoders: Encoders, x, less: float):
    """z as it would be if E_y said `less` less of everything."""
    with torch.no_grad():
        encoders.e_y.rest[-1].bias -= less
        z = encoders.z(x)
        encoders.e_y.rest[-1].bias += less
    return z


# ---------------------------------------------------------------------------------------------- losses


def test_label_code():
    assert icgan.label_code(torch.tensor([0.0, 1.0, 0.5, 2.0])).tolist() == [-1, 1, 0, 3]


def test_wrong_labels_are_somebody_elses():
    y = torch.tensor([[1.0, -1.0], [1.0, 1.0], [1.0, 1.0]])
    wrong, differs = icgan.wrong_labels(y)
    assert sorted(wrong.tolist()) == sorted(y.tolist())
    assert differs.tolist() == [not torch.equal(a, b) for a, b in zip(wrong, y, strict=True)]
    assert differs.tolist() == [True, True, False]


def test_the_discriminators_objective_by_hand():
    """L_D = real + (fake + wrong) / 2, and real + fake without the third term."""
    real, fake, wrong = torch.tensor([2.0, 0.0]), torch.tensor([-1.0, 1.0]), torch.tensor([0.5])

    def no(v):
        return math.log1p(math.exp(v))

    expected = {
        "real": (no(-2.0) + no(0.0)) / 2,
        "fake": (no(-1.0) + no(1.0)) / 4,
        "wrong": no(0.5) / 2,
    }
    got = icgan.discriminator_loss(real, fake, wrong)
    assert {k: v.item() for k, v in got.items()} == pytest.approx(expected, rel=1e-5)
    got = icgan.discriminator_loss(real, fake)
    assert {k: v.item() for k, v in got.items()} == pytest.approx(
        {"real": expected["real"], "fake": 2 * expected["fake"]}, rel=1e-5
    )
    smooth = icgan.discriminator_loss(real, fake, smooth=0.1)["real"].item()
    assert smooth == pytest.approx(0.9 * expected["real"] + 0.1 * (no(2.0) + no(0.0)) / 2, rel=1e-5)
    assert icgan.discriminator_loss(real, fake, wrong[:0])["wrong"].item() == 0  # nobody differs


def test_the_other_losses_by_hand():
    assert icgan.adversarial_loss(torch.tensor([0.0, 2.0])).item() == pytest.approx(
        (math.log(2) + math.log1p(math.exp(-2.0))) / 2, rel=1e-5
    )
    a, b = torch.tensor([[1.0, -1.0]]), torch.tensor([[0.5, 1.0]])
    assert icgan.z_loss(a, b).item() == icgan.y_loss(a, b).item() == pytest.approx((0.25 + 4) / 2)


def test_the_games_terms_are_computed_from_the_right_pairs(monkeypatch):
    """(x, y) real, (G(z, y), y) fake, (x, another's y) wrong; z known."""
    game, (x, a) = small(), faces()
    z = torch.randn(8, 100)
    monkeypatch.setattr(game, "noise", lambda n, like: z)
    terms = game.discriminator_loss(Batch(x, a))
    y = 2 * a - 1
    fake = game.generator(z, y)
    other = y.roll(1, 0)
    differs = (other != y).any(1)
    assert differs.any() and not differs.all()  # or this would not see the mask
    expected = icgan.discriminator_loss(
        game.discriminator(x, y), game.discriminator(fake, y), game.discriminator(x, other)[differs]
    )
    for name, value in expected.items():
        assert torch.allclose(terms[name], value, atol=1e-5), name
    assert torch.allclose(
        game.generator_loss(Batch(x, a))["adv"],
        icgan.adversarial_loss(game.discriminator(fake, y)),
        atol=1e-5,
    )
    game.generator.eval()
    fake = game.generator(z, y)
    assert torch.allclose(game.encoder_z_loss(Batch(x, a))["z"], (game.encoders.z(fake) - z).square().mean())
    assert torch.allclose(game.encoder_y_loss(Batch(x, a))["y"], (game.encoders.y(x) - y).square().mean())


def test_without_the_wrong_term_nobody_sees_wrong_attributes():
    assert "wrong" in small().discriminator_loss(faces())
    assert "wrong" not in small(wrong_y=False).discriminator_loss(faces())


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_move_leaves_no_gradient_in_the_others(kind):
    game = small(encoders=kind)
    for player in game.players():
        game.zero_grad()
        game.requires_grad_(False)
        for p in player.parameters():
            p.requires_grad_(True)
        sum(v for k, v in player.loss(faces()).items() if k[0] != "_").backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in player.parameters())


def test_a_batch_that_does_not_fit():
    with pytest.raises(ValueError, match=r"2 labels a face, this game 3 attributes"):
        small().discriminator_loss(faces(k=2))
    with pytest.raises(ValueError, match=r"64.*built for size 32"):
        small().encoder_y_loss(faces(size=64))


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_batch_of_one_face_is_refused_before_the_cgan_is_trained(kind, people):
    game = small(encoders=kind)
    rounds = []
    game.after_round = lambda r, b: rounds.append(r)
    with pytest.raises(ValueError, match=r"a batch of one face.*batch_size of 2 or more"):
        fit(game, people, steps=4, batch_size=1, device="cpu", progress=False)
    assert not rounds


# ------------------------------------------------------------------------------------------ the training


@pytest.mark.parametrize("kind", ENCODERS)
def test_four_steps_one_after_the_other(kind, people):
    game = small(encoders=kind)
    history = train(game, people, precision="bf16-mixed")
    cgan = [row for row in history.rows if "generator/adv" in row]
    encoding = [row for row in history.rows if any(k.startswith("encoder") for k in row)]
    assert [r["step"] for r in cgan] == [1, 2] and [r["step"] for r in encoding] == [3, 4]
    z, y = ("encoder/z", "encoder/y") if kind == "sng" else ("encoder_z/z", "encoder_y/y")
    assert z in encoding[0] and y in encoding[0]
    assert game.frozen and not game.generator.training and game.encoders.training


def test_the_generator_stands_still_as_its_average(people):
    """At the switch it becomes its EMA, with statistics of its own; no later round changes it, and it is what ships."""
    game, seen = small(), []
    game.after_round = lambda r, b: seen.append(
        {k: v.clone() for k, v in game.generator.state_dict().items()}
    )
    averages = {}
    freeze = game.freeze

    def spy():
        averages.update({k: v.clone() for k, v in game.ema.averages["generator"].items()})
        freeze()

    game.freeze = spy
    train(game, people, steps=6)
    trained, first, last = seen[2], seen[3], seen[5]
    weight = "layers.1.0.weight"
    assert torch.equal(first[weight], averages[weight]) and not torch.equal(first[weight], trained[weight])
    mean = "layers.0.1.running_mean"
    assert not torch.allclose(first[mean], averages[mean]) and not torch.equal(first[mean], trained[mean])
    assert all(torch.equal(first[k], last[k]) for k in first)
    shipped = game.averaged_networks()["generator"].state_dict()
    assert all(torch.allclose(shipped[k], last[k]) for k in last)


def test_measured_statistics_are_those_of_its_own_images():
    game, labels = small(), faces(64)[1]
    game.rows[: len(labels)], game.rows_seen[...] = labels, len(labels)
    measure_statistics([game.generator.eval()], game._rehearse, batches=40)
    norm, seen = game.generator.layers[0][1], []
    handle = norm.register_forward_pre_hook(lambda m, i: seen.append(i[0].mean((0, 2, 3))))
    icgan.generated_set(game.generator, labels, 1024, seed=3)
    handle.remove()
    mean = torch.stack(seen).mean(0)
    assert torch.allclose(norm.running_mean, mean, atol=0.1 * norm.running_var.sqrt().max().item())
    assert norm.momentum == 0.1 and not norm.training


@pytest.mark.parametrize("stop", [1, 3])
def test_going_on_after_a_stop_in_either_phase(stop, people, tmp_path):
    """Before the switch or after it: the same weights as of a training that was never stopped."""
    straight = small()
    train(straight, people)

    class Stop(Exception):
        pass

    def stopping(round, batch):
        if round == stop:
            raise Stop

    first = small()
    first.after_round = stopping
    with pytest.raises(Stop):
        train(first, people, out=tmp_path, checkpoint_every=1)
    resumed = small()
    train(resumed, people, out=tmp_path, checkpoint_every=1)
    assert resumed.frozen
    for key, value in straight.state_dict().items():
        assert torch.equal(resumed.state_dict()[key], value), key
    for name, network in straight.averaged_networks().items():
        for key, value in network.state_dict().items():
            assert torch.equal(resumed.averaged_networks()[name].state_dict()[key], value), key


def test_a_trained_game_can_be_trained_again(people):
    game = small()
    train(game, people)
    history = train(game, people)
    assert "generator/adv" in history.rows[0] and "encoder_z/z" in history.rows[-1]


def test_learning_rates_fall_at_the_end_of_each_phase():
    game = small(cgan_part=0.5, lr_drop=0.8)
    assert [game.lr_scale(p) for p in (0.0, 0.39, 0.41, 0.5, 0.89, 0.91)] == [1, 1, 0.1, 1, 1, 0.1]
    assert small(lr_drop=1.0).lr_scale(0.999) == 1


def test_the_encoders_learn(people):
    """More than "always the mean": L_ey falls, on 16 faces, well below the variance of the labels."""
    game = small(cgan_part=0.01, e_lr=3e-3)
    history = fit(game, people, steps=60, batch_size=8, log_every=1, device="cpu", progress=False)
    loss = history.terms["encoder_y/y"]
    assert sum(loss[-5:]) / 5 < 0.5 * sum(loss[1:4]) / 3


def test_the_cgan_alone_in_one_channel():
    """What the digits need."""

    class Stripes:
        attributes = ("0", "1")

        def to(self, device):
            return self

        def draw(self, batch_size, generator, flip=True):
            which = torch.randint(2, (batch_size,), generator=generator)
            images = which[:, None, None, None].float().expand(-1, 1, 16, 16) * 2 - 1
            return Batch(images, torch.nn.functional.one_hot(which, 2).float())

    torch.manual_seed(0)
    game = CGAN(("0", "1"), size=16, channels=1, z_dim=4, g_width=8, d_width=8, lr=1e-3, ema_decay=0.9)
    fit(game, Stripes(), steps=250, batch_size=16, device="cpu", progress=False, flip=False)
    generator = game.averaged_networks()["generator"]
    y = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(20, 1)
    means = generator(torch.randn(40, 4), y).mean((1, 2, 3)).view(20, 2).mean(0)
    assert means[1] - means[0] > 1  # black when asked for 0, white for 1


# -------------------------------------------------------------------------------------------- the editor


@pytest.fixture
def ready():
    game, labels = small(ema_decay=None).eval(), faces()[1]
    game.rows[: len(labels)], game.rows_seen[...] = labels, len(labels)
    measure_statistics([game.generator], game._rehearse, batches=3)
    return icgan.editor(game.inference_networks(), {"config": game.config()}), game


def test_edit_is_encoding_and_drawing_with_other_attributes(ready):
    editor, game = ready
    x, a = faces()
    target = 1 - a
    assert torch.allclose(
        editor.edit(x, a, target), game.generator(game.encoders.z(x), 2 * target - 1), atol=1e-5
    )
    assert torch.equal(editor.reconstruct(x, a), editor.edit(x, a, a))
    z, y = editor.encode(x)
    assert torch.allclose(z, game.encoders.z(x), atol=1e-5) and torch.allclose(
        y, game.encoders.y(x), atol=1e-5
    )
    assert torch.allclose(editor.decode(z, 2 * a - 1), editor.reconstruct(x, a), atol=1e-5)


def test_sampling(ready):
    editor, _ = ready
    labels = faces()[1]
    first = editor.sample(labels, seed=1)
    assert first.shape == (8, 3, 32, 32) and first.abs().max() <= 1
    assert torch.equal(first, editor.sample(labels, seed=1))
    assert not torch.equal(first, editor.sample(labels, seed=2))
    assert not torch.equal(first, editor.sample(1 - labels, seed=1))
    with pytest.raises(ValueError, match=r"\(8, 3\)"):
        editor.sample(labels[:, :2])
    with pytest.raises(ValueError, match=r"expected \(B, 100\)"):
        editor.decode(torch.randn(2, 99), torch.ones(2, 3))
    with pytest.raises(ValueError, match="empty batch"):
        editor.sample(labels[:0])
    with pytest.raises(TypeError, match="y must be a torch tensor, not list"):
        editor.decode(torch.randn(1, 100), [[1.0, 1.0, 1.0]])


def test_a_z_is_searched_for_under_no_grad_too(ready):
    _, game = ready
    x, a = faces(2)
    y, z = 2 * a - 1, torch.zeros(2, 100)
    found = icgan.search_z(game.generator, x, y, z, steps=2)
    with torch.no_grad():
        assert torch.equal(icgan.search_z(game.generator, x, y, z, steps=2), found)
    assert not found.requires_grad and not torch.equal(found, z) and (z == 0).all()


def test_a_generated_set(ready):
    _, game = ready
    labels = faces()[1]
    before = torch.get_rng_state()
    made = icgan.generated_set(game.generator, labels, 70, seed=4)
    assert torch.equal(torch.get_rng_state(), before)
    assert made.images.shape == (70, 3, 32, 32) and made.z.shape == (70, 100)
    assert {tuple(row) for row in made.y.tolist()} <= {tuple(row) for row in (2 * labels - 1).tolist()}
    assert torch.allclose(made.images[64:], game.generator(made.z[64:], made.y[64:]), atol=1e-5)
    assert torch.equal(made.images, icgan.generated_set(game.generator, labels, 70, seed=4).images)
    assert not torch.equal(made.z, icgan.generated_set(game.generator, labels, 70, seed=5).z)


@pytest.mark.parametrize("kind", ENCODERS)
def test_config_rebuilds_game_and_editor(kind):
    game = small(encoders=kind, wrong_y=False, smooth=0.1)
    again = IcGAN(**game.config())
    assert again.config() == game.config()
    again.load_state_dict(game.state_dict())
    networks = {name: network.state_dict() for name, network in game.averaged_networks().items()}
    editor = icgan.editor(networks, {"config": game.config()})
    x, a = faces()
    assert editor.edit(x, a, 1 - a).shape == x.shape and editor.parameters_count() > 0
