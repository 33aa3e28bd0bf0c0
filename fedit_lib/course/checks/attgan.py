"""Checks for the exercises of the AttGAN series (He et al. 2019)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fedit_lib.course.checks import Exercise, Miss, close, expect, expect_close, expect_shape
from fedit_lib.nn import adversarial
from fedit_lib.papers import attgan

# ------------------------------------------------------------------------------- 1. the wanted attributes

LABELS = torch.tensor([[1.0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]])

wanted_attributes = Exercise(
    "attgan",
    "wanted_attributes",
    reference=lambda a: (b := attgan.shuffle_labels(a), attgan.label_code(b)),
    hints={
        "shape": (
            "Two tensors come back, b and its code, each of the shape of the labels.",
            "`return b, code`: both are (B, n).",
            "b = a[torch.randperm(len(a))]; code = (2 * b - 1) * 0.5; return b, code",
        ),
        "rows": (
            "Look at the rows of b: does every one of them belong to a face that exists?",
            "Shuffle whole rows. Shuffled column by column, a face may be asked for two hair colours at once.",
            "One permutation of the batch for all columns: a[torch.randperm(len(a))].",
        ),
        "drawn_twice": (
            "Some rows of a came twice into b, others not at all.",
            "Handed round: each row goes to exactly one face. `torch.randint` draws with replacement.",
            "b = a[torch.randperm(len(a))]",
        ),
        "flipped": (
            "b holds other attributes than the batch does.",
            "b is not the opposite of a: with every label inverted, a face with black hair would be asked for all "
            "other hair colours at once, and the critic would know the fakes by their odd mixtures.",
            "b is the batch's own labels, handed round: a[torch.randperm(len(a))].",
        ),
        "same": (
            "Call it several times and compare b with a: who gets whose labels?",
            "The order of the rows must be random, another one at each call.",
            "torch.randperm(len(a)) gives a random order; a[order] applies it.",
        ),
        "scale": (
            "The code has other values than the decoder was trained on.",
            "0 becomes -1/2 and 1 becomes +1/2, by a formula that also takes strengths between them.",
            "code = (2 * b - 1) * 0.5",
        ),
        "which": (
            "The code fits the labels of another face.",
            "The decoder is told what is *wanted*: the code is made of b, not of a.",
            "code = (2 * b - 1) * 0.5, after b has been drawn.",
        ),
    },
)


def _sorted_rows(labels: Tensor) -> list[tuple[float, ...]]:
    return sorted(map(tuple, labels.tolist()))


@wanted_attributes.step("two tensors of the labels' shape")
def _wanted_shape(answer) -> None:  # type: ignore[no-untyped-def]
    result = answer(LABELS)
    if result is None:
        raise Miss("untouched", "your function returned nothing: does it end with `return b, code`?")
    expect(isinstance(result, tuple | list) and len(result) == 2, "shape", f"{type(result).__name__}")
    for part in result:
        expect_shape(part, LABELS.shape, "shape")


@wanted_attributes.step("every row of b is the label row of some face")
def _wanted_rows(answer) -> None:  # type: ignore[no-untyped-def]
    b = answer(LABELS)[0]
    if torch.equal(b, 1 - LABELS) or torch.equal(b[b.sum(1).argsort()], (1 - LABELS)[b.sum(1).argsort()]):
        raise Miss("flipped", "b is 1 - a")
    if _sorted_rows(b) != _sorted_rows(LABELS) and set(_sorted_rows(b)) < set(_sorted_rows(LABELS)):
        raise Miss("drawn_twice", "rows of some faces only, and some of them twice")
    expect(_sorted_rows(b) == _sorted_rows(LABELS), "rows", "the rows of b are not those of the labels")


@wanted_attributes.step("the order is random")
def _wanted_random(answer) -> None:  # type: ignore[no-untyped-def]
    drawn = [answer(LABELS)[0] for _ in range(6)]
    expect(any(not torch.equal(b, drawn[0]) for b in drawn), "same", "six calls gave the same b")
    expect_shape(answer(LABELS[:4])[0], (4, 4), "shape")


@wanted_attributes.step("the code of b is -1/2 where absent and +1/2 where present")
def _wanted_code(answer) -> None:  # type: ignore[no-untyped-def]
    for _ in range(3):  # by chance b may be a
        b, code = answer(LABELS)
        expect_close(code, (2 * b - 1) / 2, "scale", {"which": (2 * LABELS - 1) / 2})


@wanted_attributes.wrong("columns shuffled one by one", hint="rows")
def _wanted_columns(a):  # type: ignore[no-untyped-def]
    b = torch.stack([column[torch.randperm(len(a))] for column in a.T], dim=1)
    return b, (2 * b - 1) * 0.5


@wanted_attributes.wrong("drawn with replacement", hint="drawn_twice")
def _wanted_twice(a):  # type: ignore[no-untyped-def]
    b = a[torch.randint(len(a), (len(a),))]
    return b, (2 * b - 1) * 0.5


@wanted_attributes.wrong("each face its neighbour's", hint="same")
def _wanted_rolled(a):  # type: ignore[no-untyped-def]
    b = a.roll(1, 0)
    return b, (2 * b - 1) * 0.5


@wanted_attributes.wrong("inverted", hint="flipped")
def _wanted_inverted(a):  # type: ignore[no-untyped-def]
    return 1 - a, (1 - 2 * a) * 0.5


@wanted_attributes.wrong("not shuffled", hint="same")
def _wanted_same(a):  # type: ignore[no-untyped-def]
    return a, (2 * a - 1) * 0.5


@wanted_attributes.wrong("the TF code's -1 and 1", hint="scale")
def _wanted_scale(a):  # type: ignore[no-untyped-def]
    b = a[torch.randperm(len(a))]
    return b, 2 * b - 1


@wanted_attributes.wrong("code of a", hint="which")
def _wanted_which(a):  # type: ignore[no-untyped-def]
    return a[torch.randperm(len(a))], (2 * a - 1) * 0.5


@wanted_attributes.wrong("one tensor only", hint="shape")
def _wanted_one(a):  # type: ignore[no-untyped-def]
    return a[torch.randperm(len(a))]


# ------------------------------------------------------------------------------ 2. attribute classification

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [-3.0, 0.0, 1.5]])
TRUTH = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])

classification_loss = Exercise(
    "attgan",
    "classification_loss",
    reference=attgan.classification_loss,
    hints={
        "shape": (
            "One number comes back, not one an attribute.",
            "Average over the faces and over the attributes.",
            "End with .mean().",
        ),
        "value": (
            "The number is not the binary cross-entropy.",
            "Each attribute is a yes-or-no question of its own: -[y log p + (1 - y) log(1 - p)], p = sigmoid(logit).",
            "F.binary_cross_entropy_with_logits(logits, labels)",
        ),
        "sum": (
            "Right up to a factor: count the attributes.",
            "The paper sums over the attributes, the released codes (and this course) average over them.",
            ".mean() over everything, not .sum(dim=1).mean(): the weight 10 is meant for the mean.",
        ),
        "softmax": (
            "Can a face smile and wear glasses? Your loss makes its attributes compete.",
            "A softmax spreads one certainty over all columns; attributes are not exclusive.",
            "A sigmoid for each column: F.binary_cross_entropy_with_logits(logits, labels).",
        ),
        "double_sigmoid": (
            "The logits went through a sigmoid once too often.",
            "`..._with_logits` applies the sigmoid by itself.",
            "Hand it the logits as they are: F.binary_cross_entropy_with_logits(logits, labels).",
        ),
        "sign": (
            "A sure and right classifier should have the smallest loss. Has it?",
            "Cross-entropy is *minus* the logarithm of the probability given to the truth.",
            "-(y * log p + (1 - y) * log(1 - p)), averaged.",
        ),
        "unstable": (
            "Try a very sure classifier: a logit of 200.",
            "sigmoid(200) is exactly 1 in float32, and log(1 - 1) is minus infinity.",
            "F.binary_cross_entropy_with_logits works with the logit itself and never sees that infinity.",
        ),
        "detached": (
            "The number is right, and no network can learn from it.",
            "A detach(), a no_grad() or an .item() has cut the way back to the logits.",
            "F.binary_cross_entropy_with_logits(logits, labels), and nothing around it.",
        ),
    },
)


@classification_loss.step("one number comes back")
def _cls_shape(answer) -> None:  # type: ignore[no-untyped-def]
    expect_shape(answer(LOGITS, TRUTH), (), "shape")


@classification_loss.step("its value on six known logits")
def _cls_value(answer) -> None:  # type: ignore[no-untyped-def]
    right = F.binary_cross_entropy_with_logits(LOGITS, TRUTH)
    mistakes = {
        "sum": right * 3,
        "sign": -right,
        "double_sigmoid": F.binary_cross_entropy_with_logits(LOGITS.sigmoid(), TRUTH),
        "softmax": F.cross_entropy(LOGITS, TRUTH),
    }
    value = answer(LOGITS, TRUTH)
    if close(value, right * 6) or close(value, right * 2):
        raise Miss("sum", "the sum over faces and attributes")
    expect_close(value, right, "value", mistakes)


@classification_loss.step("very sure logits give a finite loss")
def _cls_stable(answer) -> None:  # type: ignore[no-untyped-def]
    value = answer(torch.full((2, 3), 200.0), torch.zeros(2, 3))
    expect(value.isfinite().all(), "unstable", f"{float(value):g} for a logit of 200 and a label of 0")
    expect_close(value, 200.0, "unstable")


@classification_loss.step("the classifier learns from it")
def _cls_learns(answer) -> None:  # type: ignore[no-untyped-def]
    value = answer(LOGITS.clone().requires_grad_(), TRUTH)
    expect(value.requires_grad, "detached", "the loss carries no gradient")


@classification_loss.wrong("detached", hint="detached")
def _cls_detached(logits, labels):  # type: ignore[no-untyped-def]
    return F.binary_cross_entropy_with_logits(logits, labels).detach()


@classification_loss.wrong("summed over the attributes", hint="sum")
def _cls_sum(logits, labels):  # type: ignore[no-untyped-def]
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="none").sum(1).mean()


@classification_loss.wrong("summed over everything", hint="sum")
def _cls_sum_all(logits, labels):  # type: ignore[no-untyped-def]
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="sum")


@classification_loss.wrong("softmax", hint="softmax")
def _cls_softmax(logits, labels):  # type: ignore[no-untyped-def]
    return F.cross_entropy(logits, labels)


@classification_loss.wrong("two sigmoids", hint="double_sigmoid")
def _cls_twice(logits, labels):  # type: ignore[no-untyped-def]
    return F.binary_cross_entropy_with_logits(logits.sigmoid(), labels)


@classification_loss.wrong("plus for minus", hint="sign")
def _cls_sign(logits, labels):  # type: ignore[no-untyped-def]
    return -F.binary_cross_entropy_with_logits(logits, labels)


@classification_loss.wrong("logarithm of a sigmoid", hint="unstable")
def _cls_log(logits, labels):  # type: ignore[no-untyped-def]
    p = logits.sigmoid()
    return -(labels * p.log() + (1 - labels) * (1 - p).log()).mean()


@classification_loss.wrong("not averaged", hint="shape")
def _cls_none(logits, labels):  # type: ignore[no-untyped-def]
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="none")


@classification_loss.wrong("squared error", hint="value")
def _cls_mse(logits, labels):  # type: ignore[no-untyped-def]
    return F.mse_loss(logits.sigmoid(), labels)


# ------------------------------------------------------------------------------ 3. the generator's three losses

FAKE = torch.tensor([0.5, -1.0, 2.0, 0.25])

generator_loss = Exercise(
    "attgan",
    "generator_loss",
    reference=adversarial.generator_loss,
    hints={
        "shape": (
            "One number comes back, and twice as many faces do not make it twice as large.",
            "Average over the scores.",
            "End each mode with .mean().",
        ),
        "wgan": (
            'Look at mode "wgan" again.',
            "The generator wants high scores, and a loss is made small.",
            "-scores.mean()",
        ),
        "lsgan": (
            'Look at mode "lsgan" again.',
            "Least squares: how far are the scores of the fakes from 1, the value for *real*?",
            "((scores - 1) ** 2).mean()",
        ),
        "target": (
            "Whose wish is it that fakes score 0?",
            "That is the critic's loss. The generator wants its pictures taken for real, label 1.",
            'Targets of ones: ((scores - 1) ** 2).mean() for "lsgan", BCE with ones for "dcgan".',
        ),
        "dcgan": (
            'Look at mode "dcgan" again.',
            "The scores are logits: binary cross-entropy with the label 1.",
            "F.binary_cross_entropy_with_logits(scores, torch.ones_like(scores))",
        ),
        "saturating": (
            "Your loss is the formula of the first GAN paper, and it has no slope where the generator is bad.",
            "log(1 - D) is flat where D is near 0. Maximise log D instead: the same goal, a strong gradient.",
            "F.binary_cross_entropy_with_logits(scores, torch.ones_like(scores))",
        ),
        "detached": (
            "The numbers are right, and the generator cannot learn from one of them.",
            "A detach(), a no_grad() or an .item() has cut the way back to the scores.",
            "Plain arithmetic on the scores as they came, in every mode.",
        ),
    },
)


@generator_loss.step("one number comes back in every mode")
def _gen_shape(answer) -> None:  # type: ignore[no-untyped-def]
    for mode in ("wgan", "lsgan", "dcgan"):
        expect_shape(answer(FAKE, mode), (), "shape")


@generator_loss.step("wgan: high scores are wanted")
def _gen_wgan(answer) -> None:  # type: ignore[no-untyped-def]
    expect_close(answer(FAKE, "wgan"), -FAKE.mean(), "wgan", {"shape": -FAKE.sum()})


@generator_loss.step("lsgan: scores near 1 are wanted")
def _gen_lsgan(answer) -> None:  # type: ignore[no-untyped-def]
    right = (FAKE - 1).square().mean()
    expect_close(answer(FAKE, "lsgan"), right, "lsgan", {"target": FAKE.square().mean(), "shape": 4 * right})


@generator_loss.step("dcgan: to be taken for real")
def _gen_dcgan(answer) -> None:  # type: ignore[no-untyped-def]
    mistakes = {"saturating": -F.softplus(FAKE).mean(), "target": F.softplus(FAKE).mean()}
    mistakes["shape"] = F.softplus(-FAKE).sum()
    expect_close(answer(FAKE, "dcgan"), F.softplus(-FAKE).mean(), "dcgan", mistakes)


@generator_loss.step("the generator learns from it in every mode")
def _gen_learns(answer) -> None:  # type: ignore[no-untyped-def]
    for mode in ("wgan", "lsgan", "dcgan"):
        value = answer(FAKE.clone().requires_grad_(), mode)
        expect(value.requires_grad, "detached", f"the loss carries no gradient in mode {mode!r}")


def _generator_answer(wgan, lsgan, dcgan):  # type: ignore[no-untyped-def]
    return lambda scores, mode: {"wgan": wgan, "lsgan": lsgan, "dcgan": dcgan}[mode](scores)


def _right(mode: str):  # type: ignore[no-untyped-def]
    return lambda scores: adversarial.generator_loss(scores, mode)


generator_loss.wrong("wgan with the critic's sign", hint="wgan")(
    _generator_answer(lambda s: s.mean(), _right("lsgan"), _right("dcgan"))
)
generator_loss.wrong("lsgan without the square", hint="lsgan")(
    _generator_answer(_right("wgan"), lambda s: (s - 1).mean(), _right("dcgan"))
)
generator_loss.wrong("lsgan towards 0", hint="target")(
    _generator_answer(_right("wgan"), lambda s: (s**2).mean(), _right("dcgan"))
)
generator_loss.wrong("dcgan towards 0", hint="target")(
    _generator_answer(_right("wgan"), _right("lsgan"), lambda s: F.softplus(s).mean())
)
generator_loss.wrong("dcgan that saturates", hint="saturating")(
    _generator_answer(_right("wgan"), _right("lsgan"), lambda s: (1 - s.sigmoid()).log().mean())
)
generator_loss.wrong("dcgan without a logarithm", hint="dcgan")(
    _generator_answer(_right("wgan"), _right("lsgan"), lambda s: -s.sigmoid().mean())
)
generator_loss.wrong("wgan summed", hint="shape")(
    _generator_answer(lambda s: -s.sum(), _right("lsgan"), _right("dcgan"))
)
generator_loss.wrong("lsgan detached", hint="detached")(
    _generator_answer(_right("wgan"), lambda s: (s.detach() - 1).square().mean(), _right("dcgan"))
)
generator_loss.wrong("not averaged", hint="shape")(
    _generator_answer(lambda s: -s, lambda s: (s - 1) ** 2, lambda s: F.softplus(-s))
)


# ------------------------------------------------------------------------------------- 4. gradient penalty


class _Linear(nn.Module):
    """A critic w . x whose slope is known everywhere: `slope` in each of the twelve pixels."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((3, 2, 2), slope))
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.detach())
        return (x * self.weight).flatten(1).sum(1)


REAL, FAKES = torch.zeros(4, 3, 2, 2), torch.ones(4, 3, 2, 2)
_STEEP = 12**-0.5  # twelve pixels of this slope make a gradient of length 1

gradient_penalty = Exercise(
    "attgan",
    "gradient_penalty",
    reference=adversarial.gradient_penalty,
    hints={
        "shape": (
            "One number comes back for the whole batch.",
            "A penalty for each face, then the mean over the faces.",
            "(norm - 1).square().mean()",
        ),
        "value": (
            "A linear critic has the same slope everywhere, so its penalty is known, and yours is another number.",
            "For each face: the length of the gradient of its score with respect to its picture; then (length - 1)^2.",
            "slope.flatten(1).norm(dim=1), minus 1, squared, mean.",
        ),
        "axis": (
            "Length of what? A picture's gradient is *one* vector with 3 x H x W components.",
            "The norm was taken along the channels only, or over the batch: flatten each face first.",
            "slope.flatten(1).norm(dim=1)",
        ),
        "no_one": (
            "A critic of unit slope should pay nothing. Yours pays.",
            "The penalty is for the *distance* of the length from 1, not for the length.",
            "(norm - 1).square().mean()",
        ),
        "mean_first": (
            "One face that is too steep and one that is too flat make up for each other with you.",
            "Each face pays for its own length: subtract 1 and square first, then take the mean.",
            "(norm - 1).square().mean(), not (norm.mean() - 1).square()",
        ),
        "one_sided": (
            "A critic that is too flat pays nothing with you.",
            "The paper's penalty is two-sided: too flat is as bad as too steep.",
            "(norm - 1).square().mean(), without a clamp.",
        ),
        "sign": (
            "Can a penalty be negative?",
            "It is added to what the critic makes small.",
            "Without the minus.",
        ),
        "not_between": (
            "Look at the pictures at which you ask for the slope.",
            "They lie *between* real and fake: x = real + t (fake - real), t uniform in [0, 1].",
            "t = torch.rand(len(real), 1, 1, 1); x = real + t * (fake - real)",
        ),
        "per_pixel": (
            "Your x is not on the line from a real picture to a fake one.",
            "t is one number a *face*; one a pixel scatters real and fake pixels over the picture.",
            "t = torch.rand(len(real), 1, 1, 1)",
        ),
        "one_t": (
            "All faces of the batch are at the same place of their lines.",
            "Draw a t for each face.",
            "t = torch.rand(len(real), 1, 1, 1)",
        ),
        "graph": (
            "The number is right, and yet the critic cannot learn from it.",
            "The penalty is itself differentiated, so the gradient must keep its graph.",
            "torch.autograd.grad(critic(x).sum(), x, create_graph=True)",
        ),
    },
)


@gradient_penalty.step("one number comes back")
def _gp_shape(answer) -> None:  # type: ignore[no-untyped-def]
    expect_shape(answer(_Linear(1.0), REAL, FAKES), (), "shape")


@gradient_penalty.step("a linear critic has a known penalty")
def _gp_value(answer) -> None:  # type: ignore[no-untyped-def]
    length, channels, whole_batch = 12**0.5, 3**0.5, 48**0.5
    value = answer(_Linear(1.0), REAL, FAKES)
    if isinstance(value, Tensor) and abs(float(value.detach()) - (whole_batch - 1) ** 2) < 1e-3:
        raise Miss("axis", "the gradients of all faces taken as one vector")
    mistakes = {"axis": (channels - 1) ** 2, "no_one": length**2, "sign": -((length - 1) ** 2)}
    expect_close(value, (length - 1) ** 2, "value", mistakes)
    value = answer(_Linear(_STEEP), REAL, FAKES)
    expect_close(value, 0.0, "value")


@gradient_penalty.step("too flat is penalised as well")
def _gp_flat(answer) -> None:  # type: ignore[no-untyped-def]
    expect_close(answer(_Linear(0.5 * _STEEP), REAL, FAKES), 0.25, "value", {"one_sided": 0.0})


@gradient_penalty.step("the slope is taken between real and fake")
def _gp_between(answer) -> None:  # type: ignore[no-untyped-def]
    critic = _Linear(1.0)
    for _ in range(3):
        answer(critic, REAL, FAKES)
    t = torch.cat(critic.seen).flatten(1)  # real is 0 and fake 1: the picture *is* t
    expect(((t >= 0) & (t <= 1)).all(), "not_between", f"t from {float(t.min()):.2f} to {float(t.max()):.2f}")
    expect((t > 0).any() and (t < 1).any() and ((t > 0) & (t < 1)).any(), "not_between", "only at the ends")
    expect(torch.allclose(t, t[:, :1].expand_as(t)), "per_pixel", "t differs from pixel to pixel")
    expect(t[:4, 0].std() > 1e-4, "one_t" if t[:, 0].std() > 1e-4 else "not_between", "one t for all faces")


@gradient_penalty.step("each face has its own slope")
def _gp_each(answer) -> None:  # type: ignore[no-untyped-def]
    faces = torch.linspace(-1, 1, 5 * 3 * 2 * 4).view(5, 3, 2, 4)  # real and fake are one: x is known

    def critic(x: Tensor) -> Tensor:
        return x.square().flatten(1).sum(1) / 2

    lengths = faces.flatten(1).norm(dim=1)
    mistakes = {"mean_first": (lengths.mean() - 1).square()}
    expect_close(answer(critic, faces, faces.clone()), (lengths - 1).square().mean(), "value", mistakes)


@gradient_penalty.step("the critic learns from it")
def _gp_graph(answer) -> None:  # type: ignore[no-untyped-def]
    critic = _Linear(1.0)
    value = answer(critic, REAL, FAKES)
    if value.requires_grad:
        (grad,) = torch.autograd.grad(value, critic.weight, allow_unused=True)
        if grad is not None and float(grad.abs().sum()) > 0:
            return
    raise Miss("graph", "no gradient at the critic's weights")


def _penalty(between, length=None, penalty=None, create_graph=True):  # type: ignore[no-untyped-def]
    """A gradient penalty with one of its three parts exchanged."""
    length = length or (lambda slope: slope.flatten(1).norm(dim=1))
    penalty = penalty or (lambda norm: (norm - 1).square().mean())

    def answer(critic, real, fake):  # type: ignore[no-untyped-def]
        x = between(real, fake).requires_grad_()
        (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=create_graph)
        return penalty(length(slope))

    return answer


def _on_the_line(real: Tensor, fake: Tensor) -> Tensor:
    return real + torch.rand(len(real), 1, 1, 1) * (fake - real)


for _name, _hint, _answer in (
    ("norm of the channels", "axis", _penalty(_on_the_line, lambda s: s.norm(dim=1))),
    ("norm of the whole batch", "axis", _penalty(_on_the_line, lambda s: s.norm())),
    ("mean of the absolute slope", "value", _penalty(_on_the_line, lambda s: s.abs().flatten(1).mean(1))),
    ("penalty on the length", "no_one", _penalty(_on_the_line, penalty=lambda n: n.square().mean())),
    ("the mean length", "mean_first", _penalty(_on_the_line, penalty=lambda n: (n.mean() - 1).square())),
    ("one-sided", "one_sided", _penalty(_on_the_line, penalty=lambda n: (n - 1).clamp_min(0).square().mean())),
    ("negated", "sign", _penalty(_on_the_line, penalty=lambda n: -(n - 1).square().mean())),
    ("a penalty a face", "shape", _penalty(_on_the_line, penalty=lambda n: (n - 1).square())),
    ("at the fakes", "not_between", _penalty(lambda real, fake: fake.clone())),
    ("beyond the fakes", "not_between", _penalty(lambda r, f: r + 2 * torch.rand(len(r), 1, 1, 1) * (f - r))),
    ("a t for each pixel", "per_pixel", _penalty(lambda real, fake: real + torch.rand_like(real) * (fake - real))),
    ("one t for the batch", "one_t", _penalty(lambda real, fake: real + torch.rand(1) * (fake - real))),
    ("without create_graph", "graph", _penalty(_on_the_line, create_graph=False)),
):  # fmt: skip
    gradient_penalty.wrong(_name, hint=_hint)(_answer)


# ------------------------------------------------------------------------------- 5. the generator's whole loss


class _Toy(nn.Module):
    """Encoder, decoder and discriminator of a few numbers each, with the shapes of the real ones."""

    def __init__(self) -> None:
        super().__init__()
        self.enc, self.dec, self.dis = _ToyEncoder(), _ToyDecoder(), _ToyDiscriminator()


class _ToyEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.8))

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.weight * x]


class _ToyDecoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.3, -0.2, 0.5]))

    def forward(self, maps: list[Tensor], code: Tensor) -> Tensor:
        return torch.tanh(maps[-1] + (code * self.weight)[:, :, None, None])


class _ToyDiscriminator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, -2.0, 0.5]))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        means = x.mean((2, 3))
        return (means * self.weight).sum(1), 3 * means


def _toy_problem() -> tuple[_Toy, Tensor, Tensor, Tensor]:
    x_a = torch.linspace(-1, 1, 2 * 3 * 4).view(2, 3, 2, 2)
    return _Toy(), x_a, torch.tensor([[1.0, 0, 0], [0, 1, 1]]), torch.tensor([[0.0, 1, 1], [1, 0, 0]])


def _terms(x_a, a, b, enc, dec, dis):  # type: ignore[no-untyped-def]
    z = enc(x_a)
    x_b, x_rec = dec(z, attgan.label_code(b)), dec(z, attgan.label_code(a))
    score, logits = dis(x_b)
    return {
        "adv": -score.mean(),
        "cls": 10 * attgan.classification_loss(logits, b),
        "rec": 100 * attgan.reconstruction_loss(x_a, x_rec),
    }


generator_terms = Exercise(
    "attgan",
    "generator_terms",
    reference=_terms,
    hints={
        "names": (
            'Three named terms come back: "adv", "cls" and "rec".',
            "A dictionary from each name to one number (a tensor without dimensions).",
            'return {"adv": ..., "cls": ..., "rec": ...}',
        ),
        "adv": (
            "Look at the adversarial term again.",
            "WGAN's generator: minus the mean score of the *edited* faces.",
            "score, logits = dis(x_b); adv = -score.mean()",
        ),
        "code": (
            "In which form is the decoder told what is wanted?",
            "Its code is -1/2 and +1/2: it was never shown labels of 0 and 1.",
            "x_b = dec(enc(x_a), label_code(b))",
        ),
        "cls": (
            "Look at the classification term again.",
            "Cross-entropy of the logits of the edited faces, times 10.",
            "10 * classification_loss(logits, b), logits from dis(x_b)",
        ),
        "which_labels": (
            "Which attributes should the classifier see in the edited face?",
            "x_b was asked for b, so b is the answer that the classifier should give; and a of x_a would leave "
            "the generator free to do nothing.",
            "10 * classification_loss(dis(x_b)[1], b)",
        ),
        "rec": (
            "Look at the reconstruction term again.",
            "The mean absolute difference of the face and of itself redrawn, times 100.",
            "100 * (x_a - dec(z, code(a))).abs().mean()",
        ),
        "rec_of_edit": (
            "What would a face with glasses have to do, to be near to the face without?",
            "The reconstruction is the face redrawn with its *own* attributes, a; the edit may differ from the input.",
            "x_rec = dec(enc(x_a), label_code(a)); 100 * (x_a - x_rec).abs().mean()",
        ),
        "squared": (
            "The distance in the reconstruction term is another one.",
            "L1, not L2: a squared error forgives many small errors, and so it blurs.",
            ".abs().mean(), or F.l1_loss",
        ),
        "weights": (
            "The terms are right up to their weights.",
            "The paper's: 100 for the reconstruction, 10 for the classification, 1 for the adversary.",
            'Multiply before you return: the loop only sums the terms. "rec": 100 * ..., "cls": 10 * ...',
        ),
        "detached": (
            "The numbers are right, but some network gets no gradient from them.",
            "Encoder *and* decoder learn from every term. A detach(), or no_grad(), has cut the way back.",
            "No detach() and no no_grad() in the generator's loss: that is for the critic's move.",
        ),
    },
)


@generator_terms.step("three named numbers come back")
def _terms_names(answer) -> None:  # type: ignore[no-untyped-def]
    toy, x_a, a, b = _toy_problem()
    terms = answer(x_a, a, b, toy.enc, toy.dec, toy.dis)
    if terms is None:
        raise Miss("untouched", "your function returned nothing")
    expect(isinstance(terms, dict) and set(terms) == {"adv", "cls", "rec"}, "names", f"{terms!r}"[:80])
    for value in terms.values():
        expect_shape(value, (), "names")


@generator_terms.step("the value of each term")
def _terms_values(answer) -> None:  # type: ignore[no-untyped-def]
    toy, x_a, a, b = _toy_problem()
    parts = (x_a, a, b, toy.enc, toy.dec, toy.dis)
    found, right = answer(*parts), _terms(*parts)
    z = toy.enc(x_a)
    x_b = toy.dec(z, attgan.label_code(b))
    x_rec = toy.dec(z, attgan.label_code(a))
    logits = toy.dis(x_b)[1]
    uncoded, _ = toy.dis(toy.dec(z, b))
    expect_close(found["adv"], right["adv"], "adv", {"code": -uncoded.mean()})
    mistakes = {"weights": right["cls"] / 10, "which_labels": 10 * attgan.classification_loss(logits, a)}
    expect_close(found["cls"], right["cls"], "cls", mistakes)
    mistakes = {
        "weights": right["rec"] / 100,
        "rec_of_edit": 100 * (x_a - x_b).abs().mean(),
        "squared": 100 * (x_a - x_rec).square().mean(),
    }
    expect_close(found["rec"], right["rec"], "rec", mistakes)


@generator_terms.step("encoder and decoder learn from every term")
def _terms_gradient(answer) -> None:  # type: ignore[no-untyped-def]
    for name in ("adv", "cls", "rec"):
        toy, x_a, a, b = _toy_problem()
        value = answer(x_a, a, b, toy.enc, toy.dec, toy.dis)[name]
        ready = toy.dis.weight.requires_grad
        expect(ready, "detached", "the discriminator was switched off for good (requires_grad_(False))")
        expect(value.requires_grad, "detached", f"{name!r} has no gradient at all")
        parameters = (toy.enc.weight, toy.dec.weight)
        for player, grad in zip(
            ("encoder", "decoder"), torch.autograd.grad(value, parameters, allow_unused=True), strict=True
        ):
            expect(grad is not None, "detached", f"the {player} gets no gradient from {name!r}")


def _terms_with(**changed):  # type: ignore[no-untyped-def]
    """The right terms but for those in `changed`, each a function of everything there is."""

    def answer(x_a, a, b, enc, dec, dis):  # type: ignore[no-untyped-def]
        terms = _terms(x_a, a, b, enc, dec, dis)
        z = enc(x_a)
        x_b, x_rec = dec(z, attgan.label_code(b)), dec(z, attgan.label_code(a))
        return terms | {name: term(x_a, a, b, x_b, x_rec, dis) for name, term in changed.items()}

    return answer


def _cut(x_a, a, b, enc, dec, dis):  # type: ignore[no-untyped-def]
    z = enc(x_a)
    score, logits = dis(dec(z, attgan.label_code(b)).detach())
    return _terms(x_a, a, b, enc, dec, dis) | {
        "adv": -score.mean(),
        "cls": 10 * attgan.classification_loss(logits, b),
    }


def _frozen_encoder(x_a, a, b, enc, dec, dis):  # type: ignore[no-untyped-def]
    return _terms(x_a, a, b, lambda x: [m.detach() for m in enc(x)], dec, dis)


def _frozen_discriminator(x_a, a, b, enc, dec, dis):  # type: ignore[no-untyped-def]
    return _terms(x_a, a, b, enc, dec, dis.requires_grad_(False))


def _uncoded(x_a, a, b, enc, dec, dis):  # type: ignore[no-untyped-def]
    z = enc(x_a)
    score, logits = dis(dec(z, b))
    rec = 100 * (x_a - dec(z, a)).abs().mean()
    return {"adv": -score.mean(), "cls": 10 * attgan.classification_loss(logits, b), "rec": rec}


for _name, _hint, _answer in (
    ("only a sum", "names", lambda *parts: sum(_terms(*parts).values())),
    ("the critic's sign", "adv", _terms_with(adv=lambda x_a, a, b, x_b, x_rec, dis: dis(x_b)[0].mean())),
    ("logits of the input", "cls",
     _terms_with(cls=lambda x_a, a, b, x_b, x_rec, dis: 10 * attgan.classification_loss(dis(x_a)[1], b))),
    ("its own attributes", "which_labels",
     _terms_with(cls=lambda x_a, a, b, x_b, x_rec, dis: 10 * attgan.classification_loss(dis(x_b)[1], a))),
    ("no weights", "weights",
     _terms_with(cls=lambda x_a, a, b, x_b, x_rec, dis: attgan.classification_loss(dis(x_b)[1], b))),
    ("no weight on the reconstruction", "weights",
     _terms_with(rec=lambda x_a, a, b, x_b, x_rec, dis: (x_a - x_rec).abs().mean())),
    ("edit near the input", "rec_of_edit",
     _terms_with(rec=lambda x_a, a, b, x_b, x_rec, dis: 100 * (x_a - x_b).abs().mean())),
    ("L2", "squared", _terms_with(rec=lambda x_a, a, b, x_b, x_rec, dis: 100 * (x_a - x_rec).square().mean())),
    ("a sum over pixels", "rec",
     _terms_with(rec=lambda x_a, a, b, x_b, x_rec, dis: 100 * (x_a - x_rec).abs().sum())),
    ("edit detached", "detached", _cut),
    ("encoder frozen", "detached", _frozen_encoder),
    ("discriminator frozen", "detached", _frozen_discriminator),
    ("labels for the code", "code", _uncoded),
):  # fmt: skip
    generator_terms.wrong(_name, hint=_hint)(_answer)


# ----------------------------------------------------------------------------- 6. a slider and its rivals

NAMES = ("Bangs", "Black_Hair", "Blond_Hair", "Brown_Hair", "Eyeglasses")
HAIR = ("Black_Hair", "Blond_Hair", "Brown_Hair")


def _slide(labels: Tensor, names: tuple[str, ...], attribute: str, strength: float) -> Tensor:
    target = labels.clone()
    target[:, names.index(attribute)] = strength
    if attribute in HAIR:
        for rival in HAIR:
            if rival != attribute and rival in names:
                column = names.index(rival)
                target[:, column] = target[:, column].clamp(max=1 - min(max(strength, 0.0), 1.0))
    return target


slider_target = Exercise(
    "attgan",
    "slider_target",
    reference=_slide,
    hints={
        "shape": (
            "A target has the shape of the labels.",
            "A row a face, a column an attribute: (B, n).",
            "Begin with target = labels.clone() and return target.",
        ),
        "in_place": (
            "After your function the labels are no longer what they were.",
            "The editor needs both, the labels and the target: write into a copy.",
            "target = labels.clone()",
        ),
        "value": (
            "The column of the attribute does not hold the strength.",
            "The strength is *set*: it is where the slider stands, whatever the label was.",
            "target[:, names.index(attribute)] = strength",
        ),
        "others": (
            "A column changed that has nothing to do with the attribute.",
            "Only hair colours exclude each other; glasses and bangs stay as they are.",
            "Look for rivals only if the attribute is in HAIR, and only among HAIR.",
        ),
        "rivals_left": (
            "Ask for black hair on a blond head: how many hair colours does your target have?",
            "As one hair colour comes, the others must go.",
            "For each other colour: target[:, column].clamp(max=1 - strength)",
        ),
        "rivals_wiped": (
            "Half-way, at a strength of 0.5, your target has lost the old colour altogether. And at 0?",
            "The rivals fade as the attribute comes: at strength s at most 1 - s of them is left.",
            "target[:, column] = target[:, column].clamp(max=1 - strength), strength kept within 0..1",
        ),
        "created": (
            "A hair colour appeared that the head did not have.",
            "A rival may lose, never gain: at most 1 - strength, and at most what it was.",
            "target[:, column].clamp(max=1 - strength), not = 1 - strength",
        ),
        "beyond": (
            "Try a strength beyond 1, which exaggerates: what is asked of the rivals?",
            "1 - 1.5 is negative, so the rivals would be pushed below absent.",
            "Keep the strength within 0..1 for the rivals: 1 - min(max(strength, 0), 1)",
        ),
    },
)
# Blond, black, and none of the three.
_HEADS = torch.tensor([[1.0, 0, 1, 0, 0], [0, 1, 0, 0, 1], [1, 0, 0, 0, 0]])


@slider_target.step("the labels' shape, and the labels untouched")
def _slide_shape(answer) -> None:  # type: ignore[no-untyped-def]
    labels = _HEADS.clone()
    expect_shape(answer(labels, NAMES, "Eyeglasses", 0.7), (3, 5), "shape")
    expect(torch.equal(labels, _HEADS), "in_place", "the labels changed")


@slider_target.step("an attribute without rivals is set, nothing else")
def _slide_plain(answer) -> None:  # type: ignore[no-untyped-def]
    target = answer(_HEADS.clone(), NAMES, "Eyeglasses", 0.7)
    expect_close(target[:, 4], torch.full((3,), 0.7), "value")
    expect_close(target[:, :4], _HEADS[:, :4], "others")


@slider_target.step("hair colours give way, by as much as the new one comes")
def _slide_rivals(answer) -> None:  # type: ignore[no-untyped-def]
    for strength in (1.0, 0.5, 0.0):
        found = answer(_HEADS.clone(), NAMES, "Black_Hair", strength)
        right = _slide(_HEADS, NAMES, "Black_Hair", strength)
        expect_close(found[:, 1], right[:, 1], "value")
        expect_close(found[:, [0, 4]], right[:, [0, 4]], "others")
        if (found[:, 2:4] > _HEADS[:, 2:4] + 1e-6).any():
            raise Miss("created", f"at strength {strength:g}")
        expect_close(
            found[:, 2:4],
            right[:, 2:4],
            "rivals_left",
            {} if strength == 1 else {"rivals_wiped": torch.zeros(3, 2)},
        )


@slider_target.step("beyond 1 the rivals are absent, not less")
def _slide_beyond(answer) -> None:  # type: ignore[no-untyped-def]
    found = answer(_HEADS.clone(), NAMES, "Black_Hair", 1.5)
    expect(found[:, 2:4].min() >= 0, "beyond", f"a rival at {float(found[:, 2:4].min()):g}")
    found = answer(_HEADS.clone(), NAMES, "Black_Hair", -0.5)
    expect(found[:, 2:4].max() <= 1, "beyond", f"a rival at {float(found[:, 2:4].max()):g}")


@slider_target.step("any of the hair colours, and columns in any order")
def _slide_names(answer) -> None:  # type: ignore[no-untyped-def]
    names, order = ("Brown_Hair", "Eyeglasses", "Blond_Hair", "Bangs", "Black_Hair"), [3, 4, 2, 0, 1]
    heads = _HEADS[:, order]
    for attribute, strength in (("Blond_Hair", 0.5), ("Brown_Hair", 1.5)):
        column, left = names.index(attribute), heads.clone()
        left[:, column] = strength
        found, right = (
            answer(heads.clone(), names, attribute, strength),
            _slide(heads, names, attribute, strength),
        )
        expect_close(found, right, "others", [("rivals_left", left), ("value", right.clamp(0, 1))])


def _slide_with(rival, copy=True, own=lambda t, s: s):  # type: ignore[no-untyped-def]
    def answer(labels, names, attribute, strength):  # type: ignore[no-untyped-def]
        target = labels.clone() if copy else labels
        target[:, names.index(attribute)] = own(target[:, names.index(attribute)], strength)
        for name in HAIR if attribute in HAIR else ():
            if name != attribute:
                target[:, names.index(name)] = rival(target[:, names.index(name)], strength)
        return target

    return answer


def _fades(old, s):  # type: ignore[no-untyped-def]
    return old.clamp(max=1 - min(max(s, 0.0), 1.0))


for _name, _hint, _answer in (
    ("in place", "in_place", _slide_with(_fades, copy=False)),
    ("added to the label", "value", _slide_with(_fades, own=lambda old, s: old + s)),
    ("rivals forgotten", "rivals_left", _slide_with(lambda old, s: old)),
    ("rivals of black hair only", "rivals_left",
     lambda labels, names, attribute, s: _slide(labels, names, attribute, s) if attribute == "Black_Hair" else
     _slide_with(lambda old, s: old)(labels, names, attribute, s)),
    ("kept within 0 and 1", "value",
     lambda labels, names, attribute, s: _slide(labels, names, attribute, s).clamp(0, 1)),
    ("columns counted off", "others",
     lambda labels, names, attribute, s: _slide(labels, NAMES, attribute, s)),
    ("rivals always zero", "rivals_wiped", _slide_with(lambda old, s: 0 * old)),
    ("rivals set to the rest", "created", _slide_with(lambda old, s: 0 * old + 1 - s)),
    ("rivals below absent", "beyond", _slide_with(lambda old, s: old.clamp(max=1 - s))),
    ("everything else cleared", "others",
     lambda labels, names, attribute, s: s * F.one_hot(torch.tensor(names.index(attribute)), len(names)).expand(
         len(labels), -1).float()),
    ("one row", "shape", lambda labels, names, attribute, s: _slide(labels, names, attribute, s)[0]),
):  # fmt: skip
    slider_target.wrong(_name, hint=_hint)(_answer)


# ------------------------------------------------------------------------------------- 7. attribute style


class _StyleDecoder(nn.Module):
    """Takes three attributes and two numbers of style."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.3, -0.2, 0.5, 0.7, -0.4]))

    def forward(self, maps: list[Tensor], code: Tensor) -> Tensor:
        if code.shape[1] != 5:
            raise Miss("code", f"the decoder got {code.shape[1]} numbers a face, expected 3 + 2")
        return torch.tanh(maps[-1] + (code * self.weight).view(-1, 5, 1, 1).mean(1, keepdim=True))


class _StyleGuess(nn.Module):
    """Q: a picture to a guess of its two numbers of style."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[0.5, -1.0, 2.0], [1.0, 0.5, -0.5]]))

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)) @ self.weight.T


def _style(x_a, b, theta, enc, dec, q):  # type: ignore[no-untyped-def]
    x_b = dec(enc(x_a), torch.cat([attgan.label_code(b), theta], dim=1))
    return F.mse_loss(q(x_b), theta) / 2


style_loss = Exercise(
    "attgan",
    "style_loss",
    reference=_style,
    hints={
        "shape": (
            "One number comes back for the whole batch.",
            "Average over the faces and over the numbers of theta.",
            "End with .mean(), or use F.mse_loss.",
        ),
        "code": (
            "What reaches the decoder does not have the right length.",
            "It is told attributes *and* style: n + k numbers a face, side by side.",
            "torch.cat([label_code(b), theta], dim=1)",
        ),
        "value": (
            "The number is another one than the formula gives.",
            "-log of a normal density around Q's guess: half the squared distance of theta and guess, averaged.",
            "((q(x_b) - theta) ** 2).mean() / 2",
        ),
        "scaled": (
            "The code that reached the decoder holds the right numbers, changed.",
            "The label code (2 b - 1) / 2 is for the attributes. theta goes in as it is.",
            "torch.cat([label_code(b), theta], dim=1): only b passes through label_code.",
        ),
        "wrong_picture": (
            "In which picture can a style be seen that the decoder was told?",
            "Q looks at the *edited* face x_b; the input knows nothing of theta.",
            "q(dec(enc(x_a), code)), not q(x_a)",
        ),
        "sign": (
            "Mutual information is to grow, and a loss is made small. What is the sign of your loss?",
            "I(theta; x_b) >= E[log Q(theta | x_b)] + const: maximise the right side, so minimise minus it.",
            "The squared distance itself, with a plus: a good guess is a small loss.",
        ),
        "detached": (
            "The number is right, but it teaches only one of decoder and Q.",
            "Q must learn to read the style, and the decoder to show it: both from this one number.",
            "No detach() on x_b and no no_grad().",
        ),
    },
)


def _style_problem() -> tuple[Tensor, Tensor, Tensor, _ToyEncoder, _StyleDecoder, _StyleGuess]:
    _, x_a, _, b = _toy_problem()
    theta = torch.tensor([[0.4, -0.9], [-0.3, 0.8]])
    return x_a, b, theta, _ToyEncoder(), _StyleDecoder(), _StyleGuess()


@style_loss.step("one number comes back")
def _style_shape(answer) -> None:  # type: ignore[no-untyped-def]
    expect_shape(answer(*_style_problem()), (), "shape")


@style_loss.step("its value on a known example")
def _style_value(answer) -> None:  # type: ignore[no-untyped-def]
    x_a, b, theta, enc, dec, q = _style_problem()
    right = _style(x_a, b, theta, enc, dec, q)
    both = attgan.label_code(torch.cat([b, theta], dim=1))
    raw = torch.cat([b, theta], dim=1)
    mistakes = {
        "sign": -right,
        "wrong_picture": F.mse_loss(q(x_a), theta) / 2,
        "scaled": F.mse_loss(q(dec(enc(x_a), both)), theta) / 2,
        "code": F.mse_loss(q(dec(enc(x_a), raw)), theta) / 2,
    }
    expect_close(answer(x_a, b, theta, enc, dec, q), right, "value", mistakes)


@style_loss.step("decoder, encoder and Q learn from it")
def _style_gradient(answer) -> None:  # type: ignore[no-untyped-def]
    x_a, b, theta, enc, dec, q = _style_problem()
    value = answer(x_a, b, theta, enc, dec, q)
    expect(value.requires_grad, "detached", "no gradient at all")
    grads = torch.autograd.grad(value, (enc.weight, dec.weight, q.weight), allow_unused=True)
    for player, grad in zip(("encoder", "decoder", "Q"), grads, strict=True):
        expect(grad is not None, "detached", f"{player} gets no gradient")


def _style_with(code=None, guess=None, loss=None):  # type: ignore[no-untyped-def]
    code = code or (lambda b, theta: torch.cat([attgan.label_code(b), theta], dim=1))
    guess = guess or (lambda q, x_a, x_b: q(x_b))
    loss = loss or (lambda guessed, theta: F.mse_loss(guessed, theta) / 2)
    return lambda x_a, b, theta, enc, dec, q: loss(guess(q, x_a, dec(enc(x_a), code(b, theta))), theta)


for _name, _hint, _answer in (
    ("a loss a face", "shape", _style_with(loss=lambda guessed, theta: (guessed - theta).square().mean(1) / 2)),
    ("theta not given to the decoder", "code", _style_with(code=lambda b, theta: attgan.label_code(b))),
    ("labels not coded", "code", _style_with(code=lambda b, theta: torch.cat([b, theta], dim=1))),
    ("theta coded like a label", "scaled",
     _style_with(code=lambda b, theta: attgan.label_code(torch.cat([b, theta], dim=1)))),
    ("style of the input", "wrong_picture", _style_with(guess=lambda q, x_a, x_b: q(x_a))),
    ("absolute distance", "value", _style_with(loss=F.l1_loss)),
    ("information made small", "sign", _style_with(loss=lambda guessed, theta: -F.mse_loss(guessed, theta) / 2)),
    ("edit detached", "detached", _style_with(guess=lambda q, x_a, x_b: q(x_b.detach()))),
):  # fmt: skip
    style_loss.wrong(_name, hint=_hint)(_answer)
