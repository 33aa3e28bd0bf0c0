"""AGGAN: sizes of the paper, the loss terms by hand, the pool, the two domains, the moves of both players."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedit_lib.data import Batch, FaceSet, procedural
from fedit_lib.nn import count_parameters, critic_loss
from fedit_lib.papers import aggan
from fedit_lib.papers.aggan import AGGAN, Discriminator, Generator, ImagePool, compose, guided, tv_loss
from fedit_lib.training import fit

NAME = "Eyeglasses"


def small(**options) -> AGGAN:
    torch.manual_seed(0)
    return aggan.build("smoke", **options)


def faces(without: int = 3, having: int = 3, size: int = 32) -> Batch:
    generator = torch.Generator().manual_seed(5)
    images = torch.rand(without + having, 3, size, size, generator=generator) * 2 - 1
    return Batch(images, torch.tensor([[0.0]] * without + [[1.0]] * having))


def drawn(n: int = 16, size: int = 32) -> FaceSet:
    return procedural(n, size=size, attributes=[NAME])


# ------------------------------------------------------------------------------------------ paper size


def test_paper_size():
    """G about 7.9 million parameters, each D about 6.95; the guided ones see one channel more."""
    with torch.device("meta"):
        game = AGGAN()
        mask, content = game.to_y(torch.empty(2, 3, 256, 256))
        scores = game.d_y(torch.empty(2, 3, 256, 256))
        seen = game.d_ya(torch.empty(2, 4, 256, 256))
    assert (mask.shape, content.shape) == ((2, 1, 256, 256), (2, 3, 256, 256))
    assert scores.shape == seen.shape == (2,)
    assert all(abs(count_parameters(g) / 7.9e6 - 1) < 0.02 for g in (game.to_y, game.to_x))
    judges = (game.d_y, game.d_x, game.d_ya, game.d_xa)
    assert all(abs(count_parameters(d) / 6.95e6 - 1) < 0.02 for d in judges)
    assert count_parameters(game.d_ya) - count_parameters(game.d_y) == 64 * 4 * 4
    channels = [m.out_channels for m in game.d_y.modules() if isinstance(m, torch.nn.Conv2d)]
    assert channels == [64, 128, 256, 512, 512, 1]
    assert len([m for m in game.to_y.layers if type(m).__name__ == "ResidualBlock"]) == 6


@pytest.mark.parametrize("size", [64, 128, 256])
def test_the_paper_discriminator_judges_faces_of_any_size(size):
    """64 pixels are where the released code, which does not pad, has nothing left for its last convolution."""
    with torch.device("meta"):
        game = AGGAN(size=size)
        assert game.d_y(torch.empty(2, 3, size, size)).shape == (2,)
        assert game.to_x(torch.empty(1, 3, size, size))[0].shape == (1, 1, size, size)


def test_64_pixels_without_padding_fail_as_in_the_released_code():
    layers = [torch.nn.Conv2d(3, 4, 4, 2)] + [torch.nn.Conv2d(4, 4, 4, 2) for _ in range(3)]
    unpadded = torch.nn.Sequential(*layers, torch.nn.Conv2d(4, 4, 4))
    with pytest.raises(RuntimeError):
        unpadded(torch.zeros(1, 3, 64, 64))
    assert Discriminator(3, 4, 4)(torch.zeros(1, 3, 64, 64)).shape == (1,)


def test_paper_profile_is_the_constructor_default():
    with torch.device("meta"):
        config = aggan.build("paper").config()
        assert config == AGGAN().config()
    assert (config["cycle"], config["pixel"], config["tv"], config["tv_reduction"]) == (10, 1, 1e-6, "sum")
    assert (config["r_start"], config["r"], config["pool"], config["lr"]) == (0.01, 0.5, 50, 1e-4)
    assert config["curriculum"] * 200 == 10 and config["attention_guided"] and config["mask"]
    assert aggan.PROFILES["paper"].batch_size == 1


def test_course_size_differs_only_in_sizes_and_schedule():
    with torch.device("meta"):
        paper, course = aggan.build("paper"), aggan.build("laptop")
    changed = {k for k, v in course.config().items() if v != paper.config()[k]}
    assert changed <= {
        "size",
        "width",
        "blocks",
        "d_width",
        "d_depth",
        "lr",
        "lr_decay",
        "curriculum",
        "warmup",
        "ema_decay",
    }
    assert 2 * 2 * count_parameters(course.to_y, course.to_x) < 4_000_000  # two attributes, fp16, in bytes


def test_a_step_at_paper_size():
    game = AGGAN(size=64, pool=2)
    fit(game, aggan.arrange(drawn(8, 64)), steps=1, batch_size=1, device="cpu", progress=False)
    assert game.met.all()


# -------------------------------------------------------------------------------------------- networks


@given(size=st.sampled_from([16, 24, 32, 40]), blocks=st.integers(0, 2), batch=st.integers(1, 3))
@settings(max_examples=10, deadline=None)
def test_masks_and_contents_have_the_pictures_size(size, blocks, batch):
    mask, content = Generator(4, blocks)(torch.randn(batch, 3, size, size) * 3)
    assert mask.shape == (batch, 1, size, size) and content.shape == (batch, 3, size, size)
    assert 0 <= mask.min() and mask.max() <= 1 and content.abs().max() <= 1
    assert mask.dtype == torch.float32


def test_compose_paints_only_under_the_mask():
    x, r = torch.full((1, 3, 2, 2), -0.4), torch.full((1, 3, 2, 2), 0.6)
    mask = torch.tensor([[[[0.0, 1.0], [0.5, 0.25]]]])
    expected = torch.tensor([[-0.4, 0.6], [0.1, -0.15]]).expand(1, 3, 2, 2)
    assert torch.allclose(compose(x, mask, r), expected)
    x = torch.rand(2, 3, 4, 4)
    assert torch.equal(compose(x, torch.zeros(2, 1, 4, 4), torch.rand(2, 3, 4, 4)), x)


def test_going_up_begins_without_a_checkerboard():
    up = aggan.shuffle_up(6, 4)
    with torch.no_grad():
        out = up(torch.randn(2, 6, 5, 5))
    assert out.shape == (2, 4, 10, 10)
    squares = out.unflatten(3, (5, 2)).unflatten(2, (5, 2))  # (B, C, 5, 2, 5, 2)
    assert torch.allclose(squares, squares[:, :, :, :1, :, :1].expand_as(squares), atol=1e-5)
    assert out.std() > 0.1 and not torch.equal(out[:, 0], out[:, 1])


def test_a_discriminators_score_is_of_its_own_picture():
    judge, x = Discriminator(3, 8, 2), torch.rand(4, 3, 32, 32)
    assert torch.allclose(judge(x)[:1], judge(x[:1]), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attributes": ["Smiling", NAME]}, "one model an attribute"),
        ({"attributes": []}, "edits one attribute"),
        ({"size": 100}, "100 pixels cannot be halved"),
        ({"mask": False}, "attention_guided=False"),
        ({"r": 1.5}, "r is 1.5"),
        ({"tv": -1.0}, "0 or more"),
        ({"pool": -1}, "0 or more"),
        ({"cycle": float("nan")}, "cycle is nan; it must be 0 or more"),
        ({"d_depth": 0}, "d_depth is 0; it must be 1 or more"),
        ({"blocks": -1}, "blocks is -1; it must be 0 or more"),
        ({"tv_reduction": "max"}, "'max'.*mean"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        small(**({"attributes": options["attributes"]} if "attributes" in options else options))


# ------------------------------------------------------------------------------------------ loss terms


def test_total_variation_by_hand():
    mask = torch.zeros(2, 1, 4, 4)
    mask[0, 0, 1, 1] = 1.0  # a point: two edges across, two down
    assert tv_loss(mask).item() == pytest.approx((4 + 0) / 2)
    assert tv_loss(mask, "mean").item() == pytest.approx(4 / (2 * 2 * 12))
    for constant in (0.0, 1.0):  # saturated or shut, it costs nothing
        assert tv_loss(torch.full((1, 1, 4, 4), constant)).item() == 0
    with pytest.raises(ValueError, match="'max'"):
        tv_loss(mask, "max")


def test_the_sum_grows_with_the_picture_and_the_mean_does_not():
    columns = (torch.arange(32) % 2).float().expand(1, 1, 32, 32)
    half = columns[..., :16, :16]
    assert tv_loss(columns) / tv_loss(half) == pytest.approx(4, rel=0.1)
    assert tv_loss(columns, "mean").item() == pytest.approx(tv_loss(half, "mean").item())


def test_the_generators_terms_are_the_papers():
    """Computed again from the networks' outputs, with the balance r."""
    game, batch = small(tv=0.02), faces()
    game.set_progress(0.9)
    terms = game.generators_loss(batch)
    x, y = batch.images[:3], batch.images[3:]
    with torch.no_grad():
        (m_y, r_y), (m_x, r_x) = game.to_y(x), game.to_x(y)
        made_y, made_x = r_y * m_y + x * (1 - m_y), r_x * m_x + y * (1 - m_x)
        again_x, again_y = compose(made_y, *game.to_x(made_y)), compose(made_x, *game.to_y(made_x))
        gan = (game.d_y(made_y) - 1).square().mean() + (game.d_x(made_x) - 1).square().mean()
        seen_y, seen_x = torch.cat([m_y, made_y], 1), torch.cat([m_x, made_x], 1)
        agan = (game.d_ya(seen_y) - 1).square().mean() + (game.d_xa(seen_x) - 1).square().mean()
        cycle = (again_x - x).abs().mean() + (again_y - y).abs().mean()
        pixel = (made_y - x).abs().mean() + (made_x - y).abs().mean()
    expected = {
        "gan": 0.5 * 0.5 * gan,
        "agan": 0.5 * 0.5 * agan,
        "tv": 0.5 * 0.02 * (tv_loss(m_y) + tv_loss(m_x)),
        "cycle": 0.5 * 10 * cycle,
        "pixel": 0.5 * 1 * pixel,
    }
    for name, value in expected.items():
        assert terms[name].item() == pytest.approx(value.item(), rel=1e-4), name
    assert [k for k in terms if not k.startswith("_")] == list(expected)
    assert terms["_mask"].item() == pytest.approx((m_y.mean() + m_x.mean()).item() / 2, rel=1e-4)
    assert terms["_r"].item() == 0.5


def test_the_discriminators_terms_and_the_same_mask_for_real_and_made():
    game, batch = small(pool=0), faces()
    terms = game.discriminators_loss(batch)
    x, y = batch.images[:3], batch.images[3:]
    with torch.no_grad():
        (m_y, r_y), (m_x, r_x) = game.to_y(x), game.to_x(y)
        made_y, made_x = compose(x, m_y, r_y), compose(y, m_x, r_x)

        def expected(judge, real, made):
            return 0.5 * ((judge(real) - 1).square().mean() + judge(made).square().mean()).item()

        assert terms["y"].item() == pytest.approx(expected(game.d_y, y, made_y), rel=1e-4)
        assert terms["x"].item() == pytest.approx(expected(game.d_x, x, made_x), rel=1e-4)
        pair = torch.cat([m_y, y], 1), torch.cat([m_y, made_y], 1)  # M_y, which the real y never had
        assert terms["ya"].item() == pytest.approx(expected(game.d_ya, *pair), rel=1e-4)
        pair = torch.cat([m_x, x], 1), torch.cat([m_x, made_x], 1)
        assert terms["xa"].item() == pytest.approx(expected(game.d_xa, *pair), rel=1e-4)
    assert list(terms) == ["y", "x", "ya", "xa"]


def test_a_picture_from_the_pool_brings_its_own_mask(monkeypatch):
    game, batch, seen = small(), faces(1, 1), []
    monkeypatch.setattr(game.d_ya, "forward", lambda z: seen.append(z) or z.mean((1, 2, 3)))
    old = torch.zeros(4, 32, 32)  # a made picture of value 0 under a mask that is 1/2 everywhere
    game.pool_y.pictures[:] = ((old + 1) * 127.5).round().to(torch.uint8)
    game.pool_y.count.fill_(len(game.pool_y.pictures))
    monkeypatch.setattr(torch, "rand", lambda *_, **__: torch.tensor(0.0))  # the coin: always swap
    game.discriminators_loss(batch)
    real, made = seen
    assert torch.allclose(made[:, :1], torch.full_like(made[:, :1], 0.5), atol=0.01)
    assert torch.equal(real[:, :1], made[:, :1])
    assert torch.equal(real[:, 1:], batch.images[1:])


def test_the_guided_discriminator_teaches_the_mask():
    """Through D_YA alone the gradient reaches mask and content of the generator that it judges, and no other."""
    game = small(gan=0.0, tv=0.0, cycle=0.0, pixel=0.0)
    game.generators_loss(faces())["agan"].backward()
    last = game.to_y.layers[-1][0].weight
    assert (last.grad.flatten(1).abs().sum(1) > 0).all()  # the mask's channel and the content's three


def test_a_discriminators_move_leaves_the_generators_alone():
    game = small()
    sum(game.discriminators_loss(faces()).values()).backward()
    assert all(p.grad is None for g in (game.to_y, game.to_x) for p in g.parameters())
    judges = (game.d_y, game.d_x, game.d_ya, game.d_xa)
    assert all(p.grad is not None for d in judges for p in d.parameters())


@pytest.mark.parametrize(
    ("options", "gone"),
    [
        ({"attention_guided": False}, {"agan"}),
        ({"tv": 0.0}, {"tv"}),
        ({"attention_guided": False, "mask": False}, {"agan", "tv"}),
    ],
)
def test_switches_of_the_lessons(options, gone):
    full, game = small(), small(**options)
    kept = set(full.generators_loss(faces())) - gone
    assert set(game.generators_loss(faces())) == kept
    guided_too = "agan" not in gone
    assert (set(game.discriminators_loss(faces())) == {"y", "x", "ya", "xa"}) is guided_too
    assert (len(game.players()[1].networks) == 4) is guided_too
    fit(game, aggan.arrange(drawn()), steps=1, batch_size=2, device="cpu", progress=False)


def test_without_the_mask_the_picture_is_the_content():
    game, x = small(attention_guided=False, mask=False), faces().images
    made, mask, content = game.translate(game.to_y, x)
    assert torch.equal(made, content) and (mask == 1).all()
    assert torch.equal(content, game.to_y(x)[1])


# ------------------------------------------------------------------------------------------ the domains


def test_a_batch_is_taken_apart():
    game = small()
    x, y = game.domains(faces(2, 4))
    assert torch.equal(x, faces(2, 4).images[:2]) and torch.equal(y, faces(2, 4).images[2:4])


def test_a_batch_of_one_kind_meets_the_last_of_the_other():
    game = small()
    with pytest.raises(ValueError, match=r"no face with Eyeglasses yet.*aggan\.arrange"):
        game.domains(faces(2, 0))
    with pytest.raises(ValueError, match=r"no face without Eyeglasses"):
        small().domains(faces(0, 2))
    game.domains(faces(1, 2))
    x, y = game.domains(faces(3, 0))
    assert len(x) == len(y) == 1
    assert torch.allclose(y[0], faces(1, 2).images[-1], atol=1 / 127)


def test_a_real_face_that_waits_loses_nothing():
    game, batch = small(), drawn(16).batch(slice(None))
    game.domains(batch)
    kept = batch.images[batch.labels[:, 0] > 0.5][-1]
    assert torch.equal(game.domains(Batch(batch.images, torch.zeros(16, 1)))[1][0], kept)


def test_a_batch_that_does_not_fit():
    with pytest.raises(ValueError, match=r"2 labels a face, this game 1 attribute"):
        small().generators_loss(Batch(torch.zeros(2, 3, 32, 32), torch.zeros(2, 2)))
    with pytest.raises(ValueError, match=r"64.*built for size 32"):
        small().generators_loss(faces(size=64))


def test_arranged_faces_are_drawn_half_and_half():
    data = drawn(40)
    rare = data[
        torch.cat([(data.labels[:, 0] == 0).nonzero()[:, 0], (data.labels[:, 0] == 1).nonzero()[:1, 0]])
    ]
    pairs = aggan.arrange(rare)
    assert (len(pairs), pairs.name, pairs.attributes) == (len(rare), rare.name, (NAME,))
    for n in (1, 5):
        batch = pairs.draw(n, torch.Generator().manual_seed(1))
        assert batch.labels[:, 0].tolist() == [0.0] * n + [1.0] * n
        assert len(small().domains(batch)[0]) == n
    one, two = (pairs.draw(8, torch.Generator().manual_seed(s)).images for s in (1, 1))
    assert torch.equal(one, two)
    straight = pairs.draw(8, torch.Generator().manual_seed(1), flip=False).images
    flipped = [torch.equal(a, b.flip(-1)) for a, b in zip(one, straight, strict=True)]
    assert any(flipped) and not all(flipped)
    assert pairs.to("cpu") is pairs and pairs.people is rare.people
    with pytest.raises(ValueError, match="no face with Eyeglasses"):
        aggan.arrange(data[(data.labels[:, 0] == 0).nonzero()[:, 0]])
    with pytest.raises(ValueError, match="edits one attribute"):
        aggan.arrange(procedural(4, size=32, attributes=["Bangs", NAME]))


# --------------------------------------------------------------------------------------------- the pool


def test_the_pool_gives_back_until_it_is_full_then_swaps_half():
    torch.manual_seed(0)
    pool = ImagePool(4, 1, 2)
    values = torch.linspace(-1, 1, 256)[torch.randperm(256)].view(-1, 1, 1, 1).expand(-1, 1, 2, 2)
    assert torch.allclose(pool.swap(values[:4]), values[:4], atol=1 / 127) and pool.count == 4
    given = pool.swap(values[4:])
    own = torch.isclose(given, values[4:], atol=1e-4).flatten(1).all(1)
    assert 0.35 < own.float().mean() < 0.65  # half of them are older ones
    earlier = {round(float(v), 3) for v in values[:, 0, 0, 0]}
    assert all(round(float(v), 3) in earlier for v in given[:, 0, 0, 0])
    assert pool.count == 4 and len(pool.pictures) == 4


def test_a_pool_of_nothing_and_its_state():
    x = torch.rand(3, 1, 2, 2)
    assert ImagePool(0, 1, 2).swap(x) is x
    pool, other = ImagePool(3, 1, 2), ImagePool(3, 1, 2)
    pool.swap(x)
    other.load_state_dict(pool.state_dict())
    assert torch.equal(other.pictures, pool.pictures) and other.count == 3
    assert not any(b.is_floating_point() for b in pool.buffers())  # several processes would average those


# ------------------------------------------------------------------------------------------ the training


@given(progress=st.floats(0, 1, exclude_max=True), curriculum=st.floats(0, 1), lr_decay=st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_the_balance_and_the_learning_rate(meta_game, progress, curriculum, lr_decay):
    game = meta_game
    game.curriculum, game.lr_decay, game.r_start, game.r = curriculum, lr_decay, 0.02, 0.4
    game.set_progress(progress)
    assert game.r_now == (0.02 if progress < curriculum else 0.4)
    scale = game.lr_scale(progress)
    assert scale == (1 if progress < lr_decay else pytest.approx((1 - progress) / (1 - lr_decay)))


@pytest.fixture(scope="module")
def meta_game():
    with torch.device("meta"):
        return small()


def test_players():
    generators, judges = small(lr=3e-4).players()
    assert (generators.name, generators.lr, generators.betas) == ("generators", 3e-4, (0.5, 0.999))
    assert (judges.name, judges.lr, judges.betas) == ("discriminators", 3e-4, (0.5, 0.999))
    assert not set(generators.parameters()) & set(judges.parameters())


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_steps_in_the_loop(precision):
    game = small(curriculum=0.5)
    before = {k: v.detach().clone() for k, v in game.named_parameters()}
    history = fit(
        game, aggan.arrange(drawn()), steps=2, batch_size=2, log_every=1, device="cpu", precision=precision,
        progress=False,
    )  # fmt: skip
    assert history.terms["generators/_r"] == pytest.approx([0.01, 0.5])
    weights = [k for k, v in game.named_parameters() if v.ndim > 1]
    assert weights and all(not torch.equal(game.get_parameter(k), before[k]) for k in weights)
    assert set(game.averaged_networks()) == {"to_y", "to_x"}
    assert game.pool_y.count == 4  # two moves of two pictures


def test_in_the_warm_up_the_discriminators_alone_learn_to_tell_the_domains_as_they_are():
    game = small(warmup=0.5)
    assert game.turns == ("discriminators",)
    batch = aggan.arrange(drawn()).draw(3, torch.Generator().manual_seed(0))
    x, y = game.domains(batch)
    with torch.no_grad():
        terms = game.discriminators_loss(batch)
        plain = 0.5 * critic_loss(game.d_y(y), game.d_y(x), "lsgan")
        mask = game.to_x(y)[0]
        seen = 0.5 * critic_loss(*(game.d_xa(guided(mask, picture)) for picture in (x, y)), "lsgan")
    assert torch.allclose(terms["y"], plain) and torch.allclose(terms["xa"], seen)
    fit(game, aggan.arrange(drawn()), steps=4, batch_size=2, device="cpu", progress=False)
    assert game.turns == ("generators", "discriminators") and game.pool_y.count == 4
    game.set_progress(0.49)
    assert game.turns == ("discriminators",)
    still = small(warmup=1.0)
    start = {k: v.detach().clone() for k, v in still.named_parameters()}
    fit(still, aggan.arrange(drawn()), steps=2, batch_size=2, device="cpu", progress=False)
    moved = {k.split(".")[0] for k, v in still.named_parameters() if not torch.equal(v, start[k])}
    assert moved == {"d_y", "d_x", "d_ya", "d_xa"}


def test_a_plain_face_set_trains_too():
    fit(small(), drawn(), steps=2, batch_size=6, device="cpu", progress=False)


class Stops:
    """Faces that are interrupted at a certain draw, as a killed process would be."""

    def __init__(self, faces: FaceSet, draws: int) -> None:
        self.faces, self.draws, self.name, self.size = faces, draws, faces.name, faces.size
        self.attributes = faces.attributes

    def __len__(self) -> int:
        return len(self.faces)

    def to(self, device: object) -> Stops:
        return self

    def draw(self, *arguments) -> Batch:
        self.draws -= 1
        if self.draws < 0:
            raise KeyboardInterrupt
        return self.faces.draw(*arguments)


def test_resume_is_exact_with_pools_and_waiting_faces(tmp_path):
    data = aggan.arrange(drawn())
    options = {"batch_size": 2, "device": "cpu", "progress": False}
    whole = small()
    fit(whole, data, steps=4, **options)
    half = small()
    with pytest.raises(KeyboardInterrupt):
        fit(half, Stops(data, draws=5), steps=4, out=tmp_path, checkpoint_every=2, **options)
    again = small()
    fit(again, data, steps=4, out=tmp_path, checkpoint_every=2, **options)
    for key, value in whole.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key


def test_the_generators_learn_to_fool():
    """On two domains that differ in brightness alone the generators move pictures towards the other side."""
    images = torch.full((32, 3, 32, 32), 90, dtype=torch.uint8)
    images[16:] = 160
    labels = torch.tensor([[0.0]] * 16 + [[1.0]] * 16)
    game = small(lr=2e-3, r=0.05, r_start=0.05)
    data = aggan.arrange(FaceSet(images, labels, [NAME], "two greys"))
    fit(game, data, steps=60, batch_size=2, device="cpu", progress=False)
    editor = aggan.editor(game.averaged_networks(), {"config": game.config()})
    batch = data.batch(torch.tensor([0, 16]))
    change = (editor.edit(batch.images, batch.labels, 1 - batch.labels) - batch.images).mean((1, 2, 3))
    assert change[0] > 0.1 and change[1] < -0.1


# -------------------------------------------------------------------------------------------- the editor


@pytest.fixture(scope="module")
def two():
    """An editor of two attributes, from two games."""
    networks, runs = {}, {}
    for seed, name in enumerate((NAME, "Smiling")):
        torch.manual_seed(seed)
        game = aggan.build("smoke", [name])
        networks |= {f"{name}.{way}": network for way, network in game.inference_networks().items()}
        runs[name] = {"config": game.config()}
    return aggan.editor(networks, {"runs": runs})


@pytest.fixture(scope="module")
def batch():
    people = procedural(12, size=32, attributes=[NAME, "Smiling"])
    found = people.batch(slice(None))
    assert len(found.labels.unique(dim=0)) == 4
    return found


def net(editor, name, way, x):
    with torch.no_grad():
        return editor.networks[f"{name}.{way}"](x)


def test_the_way_is_chosen_by_the_label_and_the_strength_scales_the_step(two, batch):
    x, labels = batch
    for s in (0.0, 0.3, 1.0, 2.0, -1.0):
        target = labels.clone()
        target[:, 0] = s
        edited = two.edit(x, labels, target)
        for i in range(len(x)):
            way, step = ("to_x", 1 - s) if labels[i, 0] else ("to_y", s)
            m, r = net(two, NAME, way, x[i : i + 1])
            expected = (x[i] + step * (compose(x[i : i + 1], m, r)[0] - x[i])).clamp(-1, 1)
            assert torch.allclose(edited[i], expected, atol=1e-5), (i, s)
    assert not torch.allclose(two.edit(x, labels, 1 - labels), x, atol=0.01)


def test_asked_for_what_it_has_a_face_is_not_touched(two, batch):
    assert torch.equal(two.edit(*batch, batch.labels), batch.images)
    assert (two.attention(*batch, batch.labels) == 0).all()
    assert torch.equal(two.content(*batch, batch.labels), batch.images)


def test_several_attributes_in_turn(two, batch):
    x, labels = batch
    one = labels.clone()
    one[:, 0] = 1 - one[:, 0]
    first = two.edit(x, labels, one)
    both = two.edit(x, labels, 1 - labels)
    assert torch.allclose(both, two.edit(first, one, 1 - labels), atol=1e-5)
    i = int((labels[:, 1] == 0).nonzero()[0, 0])
    assert torch.allclose(
        two.content(x, labels, 1 - labels)[i], net(two, "Smiling", "to_y", first[i : i + 1])[1][0], atol=1e-5
    )


def test_attention_is_the_mask_of_the_way_taken(two, batch):
    x, labels = batch
    target = labels.clone()
    target[:, 0] = 1 - target[:, 0]
    mask = two.attention(x, labels, target)
    assert mask.shape == (12, 1, 32, 32) and 0 <= mask.min() and mask.max() <= 1
    i = int((labels[:, 0] == 1).nonzero()[0, 0])
    assert torch.allclose(mask[i], net(two, NAME, "to_x", x[i : i + 1])[0][0], atol=1e-5)
    half = torch.where(target == labels, labels, torch.full_like(labels, 0.5))
    assert torch.allclose(two.attention(x, labels, half), mask, atol=1e-6)  # of whatever strength
    content = two.content(x, labels, target)
    assert torch.allclose(two.edit(x, labels, target), compose(x, mask, content).clamp(-1, 1), atol=1e-5)
    # the larger of both, where both are moved
    assert (two.attention(x, labels, 1 - labels) >= mask - 1e-6).all()


def test_reconstruction_is_the_cycle(two, batch):
    x, labels = batch
    i = int(((labels[:, 0] == 0) & (labels[:, 1] == 1)).nonzero()[0, 0])
    face = x[i : i + 1]
    for name, ways in ((NAME, ("to_y", "to_x")), ("Smiling", ("to_x", "to_y"))):
        for way in ways:
            face = compose(face, *net(two, name, way, face)).clamp(-1, 1)
    assert torch.allclose(two.reconstruct(x, labels)[i], face[0], atol=1e-4)


def test_an_editor_without_masks_has_no_attention(batch):
    game = small(attention_guided=False, mask=False)
    editor = aggan.editor(game.inference_networks(), {"config": game.config()})
    x, labels = batch.images, batch.labels[:, :1]
    assert editor.attention(x, labels, 1 - labels) is None
    edited = editor.edit(x, labels, 1 - labels)
    assert torch.allclose(edited, editor.content(x, labels, 1 - labels), atol=1e-6)


def test_any_batch_size_gives_the_same(two, batch):
    x, labels = (t.repeat(11, *[1] * (t.dim() - 1)) for t in batch)
    out = two.edit(x, labels, 1 - labels)
    assert torch.allclose(out[:12], two.edit(*batch, 1 - batch.labels), atol=1e-5)
    assert torch.allclose(out[-1:], two.edit(x[-1:], labels[-1:], 1 - labels[-1:]), atol=1e-5)


@pytest.mark.parametrize("method", ["edit", "attention", "content"])
def test_arguments_are_checked(two, batch, method):
    x, labels = batch
    with pytest.raises(ValueError, match="32"):
        getattr(two, method)(x[..., :16], labels, labels)
    with pytest.raises(ValueError, match="outside"):
        getattr(two, method)(x, labels, labels + 3)
    with pytest.raises(ValueError):
        two.reconstruct(x, labels[:, :1])
    with pytest.raises(TypeError, match="labels must be a torch tensor, not list"):
        two.reconstruct(x, labels.tolist())
    with pytest.raises(ValueError, match=r"labels must be floats.*int64"):
        two.reconstruct(x, labels.long())


def test_runs_with_and_without_a_mask_are_not_joined():
    """The content of a generator without a mask is the picture; its fourth channel was never taught to be one."""
    networks, runs = {}, {}
    for name, options in ((NAME, {}), ("Smiling", {"attention_guided": False, "mask": False})):
        game = aggan.build("smoke", [name], **options)
        networks |= {f"{name}.{way}": network for way, network in game.inference_networks().items()}
        runs[name] = {"config": game.config()}
    with pytest.raises(ValueError, match="Eyeglasses with a mask, Smiling without a mask"):
        aggan.editor(networks, {"runs": runs})


def test_the_weights_are_a_copy(batch):
    game = small()
    editor = aggan.editor(game.inference_networks(), {"config": game.config()})
    x, labels = batch.images, batch.labels[:, :1]
    before = editor.edit(x, labels, 1 - labels)
    with torch.no_grad():
        for p in game.parameters():
            p.add_(1)
    assert torch.equal(before, editor.edit(x, labels, 1 - labels))
    assert all(p.requires_grad for p in game.to_y.parameters())
