"""AttGAN: sizes of the paper, the loss terms by hand, the moves of both players."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedit_lib import faces as worlds_people
from fedit_lib.data import Batch, procedural
from fedit_lib.nn import MODES, count_parameters
from fedit_lib.papers import attgan
from fedit_lib.papers.attgan import AttGAN, Decoder, Encoder
from fedit_lib.training import fit

NAMES = ("Bangs", "Eyeglasses", "Smiling")


def small(**options) -> AttGAN:
    torch.manual_seed(0)
    return attgan.build("smoke", attributes=NAMES, **{"noise": 0.0, "single": 0.0, **options})


def faces(n: int = 8, size: int = 32, k: int = 3) -> Batch:
    generator = torch.Generator().manual_seed(5)
    images = torch.rand(n, 3, size, size, generator=generator) * 2 - 1
    return Batch(images, (torch.rand(n, k, generator=generator) > 0.5).float())


# ------------------------------------------------------------------------------------------ paper size


def test_parameters_at_paper_size():
    """The counts that the paper's networks have with 13 attributes at 128 px: 43.46 M and 44.72 M."""
    with torch.device("meta"):
        game = AttGAN()
        bare = Decoder(13, width=64, depth=5, shortcut_layers=1, inject_layers=0)
    assert count_parameters(game.discriminator) == 44_718_990
    assert count_parameters(game.encoder, game.decoder) == 43_459_203  # injection included ...
    assert count_parameters(game.encoder, bare) == 43_459_203 - 13 * 512 * 16  # ... and without: 43.35 M
    for count, published in (
        (count_parameters(game.discriminator), 44.72e6),
        (count_parameters(game.encoder, game.decoder), 43.46e6),
        (count_parameters(game.encoder, bare), 43.46e6),
    ):
        assert abs(count / published - 1) < 0.02


def test_shapes_at_paper_size():
    with torch.device("meta"):
        game, x = AttGAN(), torch.empty(2, 3, 128, 128)
        maps = game.encoder(x)
        out = game.decoder(maps, torch.empty(2, 13))
        score, logits = game.discriminator(x)
    assert [tuple(m.shape[1:]) for m in maps] == [
        (64, 64, 64),
        (128, 32, 32),
        (256, 16, 16),
        (512, 8, 8),
        (1024, 4, 4),
    ]
    assert out.shape == x.shape and score.shape == (2,) and logits.shape == (2, 13)
    assert game.discriminator.body[-2][0].out_channels == 1024
    assert game.discriminator.critic[0].in_features == 1024 * 4 * 4


@pytest.mark.slow
def test_one_round_at_paper_size():
    """One move of each player, on two faces; all of their parameters and nobody else's move."""
    torch.manual_seed(0)
    game = attgan.build("paper")
    assert game.turns == ("critic",) * 5 + ("generator",)
    batch = faces(2, 128, 13)
    for player in game.players():
        before = {k: p.detach().clone() for k, p in game.named_parameters()}
        own = {id(p) for p in player.parameters()}
        game.requires_grad_(False)
        for p in player.parameters():
            p.requires_grad_(True)
        optimiser = torch.optim.Adam(player.parameters(), player.lr, player.betas)
        sum(player.loss(batch).values()).backward()
        optimiser.step()
        for key, p in game.named_parameters():
            if id(p) not in own:
                assert torch.equal(p, before[key]), key
            elif p.ndim > 1:
                assert not torch.equal(p, before[key]), key


def test_paper_profile_is_the_constructor_default():
    with torch.device("meta"):
        assert attgan.build("paper").config() == AttGAN().config()
    config = AttGAN(width=4, hidden=4).config()
    assert (config["rec"], config["cls_g"], config["cls_c"], config["gp"]) == (100, 10, 1, 10)


def test_course_size_differs_only_in_widths_depth_and_schedule():
    with torch.device("meta"):
        paper, course = attgan.build("paper"), attgan.build("laptop")
    changed = {k for k, v in course.config().items() if v != paper.config()[k]}
    assert changed <= {
        *(
            "size",
            "width",
            "depth",
            "hidden",
            "shortcut_layers",
            "inject_layers",
            "critic_moves",
            "lr",
            "lr_drop",
        ),
        *("ema_decay", "rec", "cls_g", "noise", "single"),  # what the file says was changed, and why
    }
    assert count_parameters(course.encoder, course.decoder) < 4_000_000  # 8 MB in fp16


# -------------------------------------------------------------------------------------------- networks


@given(depth=st.integers(2, 4), times=st.integers(2, 5), shortcut=st.integers(0, 3), inject=st.integers(0, 3))
@settings(max_examples=15, deadline=None)
def test_any_multiple_of_two_to_the_depth(depth, times, shortcut, inject):
    size = times * 2**depth
    options = {"shortcut_layers": min(shortcut, depth - 1), "inject_layers": min(inject, depth - 1)}
    game = AttGAN(NAMES, size=size, width=4, depth=depth, hidden=8, **options)
    batch = faces(2, size)
    out = game.decoder(game.encoder(batch.images), batch.labels)
    assert out.shape == batch.images.shape and out.abs().max() <= 1
    assert game.discriminator(out)[1].shape == (2, 3)


@pytest.mark.parametrize("size", [100, 16, 36])
def test_a_size_that_cannot_be(size):
    with pytest.raises(ValueError, match=rf"{size} pixels cannot be halved 5 times: take a multiple of 32"):
        AttGAN(NAMES, size=size)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attributes": ["Smiling", "Smiling"]}, "different names"),
        ({"attributes": []}, "one or more"),
        ({"mode": "hinge"}, "wgan, lsgan, dcgan"),
        ({"shortcut_layers": 5}, "0 to 4"),
        ({"inject_layers": -1}, "0 to 4"),
        ({"critic_moves": 0}, "at least 1"),
        ({"noise": -0.1}, "noise is -0.1"),
        *(
            ({name: -1.0}, f"{name} is -1.0; it must be 0 or more")
            for name in ("rec", "cls_g", "cls_c", "gp")
        ),
        ({"gp": float("inf")}, "gp is inf"),
        ({"lr_drop": 1.5}, "lr_drop is 1.5; it must be from 0 to 1"),
        ({"depth": 0}, "depth is 0; it must be 1 or more"),
        ({"single": 1.5}, "single is 1.5"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        AttGAN(**{"attributes": NAMES, "width": 4, "hidden": 4, **options})


def test_shortcut_and_injection_reach_the_picture():
    """What the shortcut carries, and the attributes injected after it, change the output."""
    torch.manual_seed(0)
    encoder, decoder = Encoder(8, 3).eval(), Decoder(2, 8, 3, shortcut_layers=1, inject_layers=1).eval()
    maps, code = encoder(torch.rand(1, 3, 32, 32)), torch.zeros(1, 2)
    out = decoder(maps, code)
    assert not torch.equal(decoder([maps[0], maps[1] + 1, maps[2]], code), out)
    assert torch.equal(decoder([maps[0] + 1, maps[1], maps[2]], code), out)  # only one shortcut: not this map
    first = decoder.layers[1][0].weight  # takes features, shortcut, injected attributes
    assert first.shape[0] == 32 + 16 + 2
    with torch.no_grad():
        decoder.layers[0][0].weight[-2:] = 0  # now the attributes come by the injection alone
    assert not torch.equal(decoder(maps, code + 1), decoder(maps, code))


def test_critic_and_classifier_share_their_convolutions():
    game = small()
    score, logits = game.discriminator(faces().images)
    assert torch.equal(game.discriminator.score(faces().images), score)
    body = list(game.discriminator.body.parameters())
    for out in (score.sum(), logits.sum()):
        assert all(g.abs().sum() > 0 for g in torch.autograd.grad(out, body[:1], retain_graph=True))


def test_each_score_depends_on_its_own_image_only():
    """As the gradient penalty requires; a batch norm in D would break it."""
    game, batch = small(), faces()
    together = game.discriminator.score(batch.images)
    alone = torch.cat([game.discriminator.score(x[None]) for x in batch.images])
    assert torch.allclose(together, alone, atol=1e-5)


# ---------------------------------------------------------------------------------------------- losses


def test_edit_code_asks_twice_as_strongly_for_what_changes():
    labels = torch.tensor([[0.0, 1.0, 0.0, 1.0, 0.0]])
    target = torch.tensor([[1.0, 0.0, 0.0, 1.0, 0.5]])
    assert attgan.edit_code(labels, target).tolist() == [[1.0, -1.0, -0.5, 0.5, 0.25]]


def test_label_code():
    code = attgan.label_code(torch.tensor([0.0, 1.0, 0.5, 2.0, -1.0]))
    assert code.tolist() == [-0.5, 0.5, 0.0, 1.5, -1.5]


@given(n=st.integers(1, 12), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_wanted_labels_are_a_permutation_of_whole_rows(n, seed):
    torch.manual_seed(seed)
    a = torch.eye(n)[:, : max(1, n - 1)]
    b = attgan.shuffle_labels(a)
    assert sorted(b.tolist()) == sorted(a.tolist())


def test_what_excludes_each_other():
    assert attgan.excluding("Brown_Hair", "Black_Hair") and attgan.excluding("Bald", "Bangs")
    assert attgan.excluding("Bangs", "Bald") and attgan.excluding("Blond_Hair", "Bald")
    assert not attgan.excluding("Bangs", "Brown_Hair") and not attgan.excluding("Male", "Mustache")
    assert not attgan.excluding("Smiling", "Smiling") and not attgan.excluding("a", "b")


@pytest.mark.parametrize("single", [0.0, 0.5, 1.0])
def test_one_wanted_attribute_leaves_the_rest(single):
    """Every b is a whole row of another face, or the face's own with one change and what that excludes."""
    torch.manual_seed(0)
    names = attgan.ATTRIBUTES
    people = worlds_people.sample(400, seed=worlds_people.SEEDS["valid"].start, correlated=False)
    a = people.labels(names)
    b = attgan.wanted_labels(a, names, single)
    assert b.shape == a.shape and set(b.unique().tolist()) <= {0.0, 1.0}
    changed = a != b
    alone = torch.tensor(
        [
            any(all(j == k or attgan.excluding(names[j], names[k]) for k in row) for j in row)
            for row in (r.nonzero()[:, 0].tolist() for r in changed)
        ]
    )
    rows = {tuple(row) for row in a.tolist()}
    assert all(tuple(row) in rows for row in b[~alone].tolist())
    assert alone.float().mean() == pytest.approx(single, abs=0.1)
    if single == 1.0:  # every attribute gets its turn, put on and taken away
        assert ((b > a).any(0) & (b < a).any(0)).all()
    hair = [k for k, name in enumerate(names) if name.endswith("_Hair")]
    assert (b[:, hair].sum(1) <= 1).all()
    for hidden, hider in (("Bangs", "Bald"), ("Black_Hair", "Bald")):
        assert not (b[:, names.index(hidden)] * b[:, names.index(hider)]).any()


def test_the_permutation_comes_from_the_global_generator():
    """The one that a checkpoint saves: a resumed training draws what a straight one would have drawn."""
    a = torch.arange(60.0).view(20, 3)
    torch.manual_seed(1)
    first, second = attgan.shuffle_labels(a), attgan.shuffle_labels(a)
    torch.manual_seed(1)
    assert torch.equal(attgan.shuffle_labels(a), first)
    assert not torch.equal(first, second) and not torch.equal(first, a)


def test_classification_and_reconstruction_by_hand():
    logits, labels = torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 0.0]])
    expected = (math.log(2) + math.log1p(math.exp(2))) / 2
    assert attgan.classification_loss(logits, labels).item() == pytest.approx(expected, rel=1e-5)
    x = torch.zeros(2, 3, 4, 4)
    assert attgan.reconstruction_loss(x, x + torch.tensor([0.5, -0.1])[:, None, None, None]).item() == (
        pytest.approx(0.3)
    )


@pytest.mark.parametrize("mode", MODES)
def test_the_terms_are_the_papers(mode, monkeypatch):
    """Each term computed again from the networks' outputs, with b known."""
    game, batch = small(mode=mode, rec=3.0, cls_g=5.0, cls_c=7.0, gp=11.0).eval(), faces()
    b = batch.labels.flip(0)
    monkeypatch.setattr(attgan, "shuffle_labels", lambda labels: b)
    monkeypatch.setattr(attgan, "gradient_penalty", lambda critic, real, fake=None: torch.tensor(0.5))
    x, a = batch
    z = game.encoder(x)
    edited, again = game.decoder(z, b - 0.5), game.decoder(z, a - 0.5)
    critic, generator = game.critic_loss(batch), game.generator_loss(batch)
    (real, cls_real), (fake, cls_fake) = game.discriminator(x), game.discriminator(edited)

    def bce(logits, labels):
        return -(labels * logits.sigmoid().log() + (1 - labels) * (-logits).sigmoid().log()).mean()

    adv_d, adv_g = {
        "wgan": (fake.mean() - real.mean(), -fake.mean()),
        "lsgan": (((real - 1) ** 2).mean() + (fake**2).mean(), ((fake - 1) ** 2).mean()),
        "dcgan": (
            -real.sigmoid().log().mean() - (-fake).sigmoid().log().mean(),
            -fake.sigmoid().log().mean(),
        ),
    }[mode]
    expected = (
        {
            "adv": adv_d,
            "gp": torch.tensor(11 * 0.5),
            "cls": 7 * bce(cls_real, a),
        },
        {
            "adv": adv_g,
            "cls": 5 * bce(cls_fake, b),
            "rec": 3 * (x - again).abs().mean(),
        },
    )
    for got, want in zip((critic, generator), expected, strict=True):
        assert list(got) == list(want)
        for name, value in want.items():
            assert torch.allclose(got[name], value, atol=1e-4), name


def test_noise_is_for_the_classifier_alone():
    """The critic sees the picture as it is; the classifier another noise each time, of the strength asked."""
    game, quiet = small(noise=0.5), small()
    game.load_state_dict(quiet.state_dict())
    x = faces().images
    seen = []
    game.discriminator.body.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    score, logits = game.judge(x)
    assert torch.allclose(score, quiet.judge(x)[0], atol=1e-5) and torch.equal(seen[0], x)
    assert not torch.allclose(logits, game.judge(x)[1], atol=1e-4)
    assert (seen[1] - x).std() == pytest.approx(0.5, rel=0.05) and abs((seen[1] - x).mean()) < 0.02
    assert torch.equal(quiet.judge(x)[1], quiet.judge(x)[1])
    for terms in (game.critic_loss(faces()), game.generator_loss(faces())):
        assert terms["cls"].isfinite() and terms["cls"].requires_grad


def test_edit_and_reconstruction_share_their_batch_statistics(monkeypatch):
    """In training, in the critic's move and in the rehearsal: one pass of both, as one set of statistics serves."""
    game, batch, codes = small(), faces(), []
    monkeypatch.setattr(attgan, "shuffle_labels", lambda labels: 1 - labels)
    game.decoder.register_forward_pre_hook(lambda module, given: codes.append(given[1]))
    game.generator_loss(batch)
    game.critic_loss(batch)
    game.rehearse(batch)
    assert len(codes) == 3
    for code in codes:
        assert torch.equal(code, torch.cat([0.5 - batch.labels, batch.labels - 0.5]))
    edited, again = game.eval().redraw(batch.images, 1 - batch.labels, batch.labels)
    z = game.encoder(batch.images)
    assert torch.allclose(edited, game.decoder(z, 0.5 - batch.labels), atol=1e-5)
    assert torch.allclose(again, game.decoder(z, batch.labels - 0.5), atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_a_critic_move_leaves_no_gradient_in_the_generator(mode):
    game = small(mode=mode)
    sum(game.critic_loss(faces()).values()).backward()
    assert all(p.grad is None for n in (game.encoder, game.decoder) for p in n.parameters())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in game.discriminator.parameters())


@pytest.mark.parametrize("mode", MODES)
def test_the_generators_terms_reach_its_networks(mode):
    """The edit must pass through the critic to Dec and Enc: no detach on that way."""
    game = small(mode=mode)
    for term in game.generator_loss(faces()).values():
        for network in (game.encoder, game.decoder):
            grads = torch.autograd.grad(
                term, list(network.parameters()), retain_graph=True, allow_unused=True
            )
            assert any(g is not None and g.abs().sum() > 0 for g in grads)


def test_the_penalty_holds_under_autocast():
    """Mixed precision may change the scores a little, not the penalty's own precision."""
    game, batch = small(), faces()
    results = []
    for autocast in (False, True):
        torch.manual_seed(4)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            terms = game.critic_loss(batch)
        assert all(value.dtype is torch.float32 for value in terms.values())
        results.append(terms["gp"].item())
    assert results[0] == pytest.approx(results[1], rel=0.02)


def test_a_batch_that_does_not_fit():
    with pytest.raises(ValueError, match=r"2 labels a face, this game 3 attributes"):
        small().critic_loss(faces(k=2))
    with pytest.raises(ValueError, match=r"64.*built for size 32"):
        small().generator_loss(faces(size=64))


# ------------------------------------------------------------------------------------------ the training


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_every_mode_takes_steps_in_the_loop(mode, precision):
    game = small(mode=mode, critic_moves=2)
    data = procedural(16, size=32, attributes=list(NAMES))
    before = {k: v.detach().clone() for k, v in game.state_dict().items()}
    history = fit(
        game, data, steps=2, batch_size=4, log_every=1, device="cpu", precision=precision, progress=False
    )
    assert set(history.terms) >= {
        "critic/adv",
        "critic/gp",
        "critic/cls",
        "generator/adv",
        "generator/cls",
        "generator/rec",
    }
    assert all(not torch.equal(v, before[k]) for k, v in game.named_parameters() if v.ndim > 1)
    ema = game.averaged_networks()
    assert set(ema) == {"encoder", "decoder"} and all(p.isfinite().all() for p in ema["decoder"].parameters())


def test_it_learns_the_face_first():
    """Reconstruction is learned before anything else; the loop and the losses do move the right way."""
    game = small(critic_moves=1, lr=1e-3)
    data = procedural(64, size=32, attributes=list(NAMES))
    history = fit(game, data, steps=25, batch_size=8, log_every=1, device="cpu", progress=False)
    rec = history.terms["generator/rec"]
    assert sum(rec[-5:]) / 5 < 0.85 * sum(rec[:3]) / 3


def test_learning_rate_and_schedule():
    game = small(lr_drop=0.5, lr=3e-4)
    assert AttGAN(width=4, hidden=4).config()["lr"] == 2e-4  # the paper's
    assert [game.lr_scale(p) for p in (0.0, 0.49, 0.5, 0.99)] == [1, 1, 0.1, 0.1]
    assert attgan.build("smoke", critic_moves=3).turns == ("critic",) * 3 + ("generator",)
    for player in game.players():
        assert (player.lr, player.betas) == (3e-4, (0.5, 0.999))
