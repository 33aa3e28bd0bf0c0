"""One protocol for every editor: the same held-out people, the same questions, the same measures.

Per attribute everyone's is flipped, and the answer is compared with the true one. The editor need not come from this
library: anything with `attributes`, `edit` and `reconstruct` can be examined. On photographs (`PhotoExam`) there is no
true answer: what needs one is None there, and the oracle has to be one that learned from photographs.
"""

from __future__ import annotations

import contextlib
import inspect
import math
import operator
import statistics
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from .. import faces as world
from ..data import share_pictures
from ..papers.editor import device_of, size_of
from . import metrics
from .baselines import TrueAnswer
from .exam import Exam, PhotoExam, Question, exam, terciles
from .oracle import REQUIRED_ACCURACY, TRAIN_ON_PHOTOS, Oracle, load_oracle, weights_path
from .probe import probe_accuracy
from .samples import sample_accuracy
from .scores import EXTRA, FID_FROM, METRICS, Scores

POSITIONS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of a slider
CHUNK = 125  # pictures edited at a time
PROBE_FROM = 100  # people that an exam needs for its probe of an editor's code
ARGUMENTS = {
    "edit": ("images", "labels", "target"),
    "reconstruct": ("images", "labels"),
    "attention": ("images", "labels", "target"),
}
BY_TONE = ("accuracy", "preservation", "region_psnr", "region_psnr_of_doing_nothing", "reconstruction_psnr")


class OracleWarning(UserWarning):
    """The oracle is right too seldom to judge by."""


class ExamWarning(UserWarning):
    """The editor has met these pictures, has never met pictures of their kind, or answers in [0, 1]."""


def evaluate(
    editor: Any,
    faces: int = 1000,
    seed: int = 0,
    attributes: Sequence[str] | None = None,
    slider_faces: int = 200,
    progress: bool = True,
    oracle: Oracle | None = None,
    oracle_b: Oracle | None = None,
    questions: Exam | PhotoExam | None = None,
    inception_weights: str | Path | None = None,
) -> Scores:
    """Examine an editor on people of the test split, sampled independently.

    Args:
        editor: anything with `attributes` (names of the exam's), `edit(images, labels, target)` and
            `reconstruct(images, labels)`; optional are `size` (64), `device` ("cpu"), `name`,
            `attention(images, labels, target)`, `latent(images)`, `sample(labels)`, `parameters_count()` and
            `receipt`.
        faces: how many people. 100 gives a first impression in seconds.
        seed: offset in the test split.
        attributes: which to flip (default: all that the editor has).
        slider_faces: how many people who lack an attribute have its slider moved; 0 leaves the slider out.
        progress: show a progress bar.
        oracle, oracle_b: the judges; by default those that ship (the second may be absent). Photographs need an
            `oracle` that learned from photographs.
        questions: an `Exam` or `PhotoExam` to ask instead of the one that `faces` and `seed` choose.
        inception_weights: weights of torch-fidelity's Inception, to compute FID on its features too.

    Returns:
        `Scores`; every metric of the design by its name.

    Raises:
        ValueError: if the editor lacks something, or returns another shape, range or type than it was given. Or if
            there is no oracle that knows the exam's kind of pictures.
        faces.UnknownAttribute: if an attribute is none of the exam's or of the editor's.
    """
    began = time.perf_counter()
    known = world.ATTRIBUTES if questions is None else questions.attributes
    names, asked, size, device = _introduce(editor, attributes, known)
    if slider_faces < 0:
        raise ValueError(f"slider_faces must be 0 or more, not {slider_faces}")
    drawn = questions is None or questions.people is not None
    if oracle is None and drawn:
        oracle = load_oracle("a")
    if oracle_b is None and drawn and weights_path("b").exists():
        oracle_b = load_oracle("b")
    check_judges(oracle, oracle_b, drawn)
    test = exam(faces, seed, size) if questions is None else questions
    if test.size != size:
        raise ValueError(f"the exam's pictures have {test.size} pixels a side, but the editor takes {size}")
    _warn_of_editor(editor, test)
    _warn_of_judges([oracle, oracle_b], test)
    judges = [judge.to(device) for judge in (oracle, oracle_b) if judge is not None]
    desk = Desk(editor, names, test, device, judges)
    # on the CPU: its sums are float64, which Apple's GPUs lack
    fid = _fid(GivenFeatures(oracle.net.num_features))
    inception = None if inception_weights is None else _inception(inception_weights).to(device)

    per_person: dict[str, dict[str, Tensor]] = {}
    slider: dict[str, tuple[float | None, float | None]] = {}
    bar = _bar(asked, progress)
    for attribute in bar:
        bar.set_description(attribute)
        question = test.question(attribute)
        with desk.asking(attribute):
            per_person[attribute] = desk.answer(question, fid, inception)
            slider[attribute] = desk.slide(attribute, slider_faces)

    rebuilt = desk.rebuild()
    scores = Scores({name: None for name in (*METRICS, *EXTRA)})
    for metric in per_person[asked[0]]:
        scores[metric] = _averages({a: per_person[a][metric] for a in asked})
    scores |= {metric: _mean(values) for metric, values in rebuilt.items()}
    for i, metric in enumerate(("slider_rank", "slider_reach")):
        scores[metric] = _summary({a: slider[a][i] for a in asked})
    if drawn or len(test) >= FID_FROM:
        scores["fid"] = _distance(fid)
        scores["fid_inception"] = None if inception is None else _distance(inception)
    count = getattr(editor, "parameters_count", None)
    count = count() if callable(count) else None  # None too if an editor within cannot tell (`FromSketches`)
    scores["parameters"] = (
        None if count is None else _whole(count, f"{type(editor).__name__}.parameters_count()")
    )
    scores["ms_per_edit"] = desk.milliseconds()
    # What its code still knows. Of fewer people a probe's accuracy says too little for the seconds that it takes.
    # Its teachers are drawn people: none for photographs.
    if callable(latent := getattr(editor, "latent", None)) and len(test) >= PROBE_FROM and drawn:
        scores["latent_probe"] = probe_accuracy(latent, asked, test, device=device)
    if callable(sample := getattr(editor, "sample", None)):  # do the people it invents look as asked?
        scores["sample_accuracy"] = _summary(
            sample_accuracy(sample, names, desk.labels.to(device), judges[0], asked)
        )
    scores["training_seconds"] = _training_seconds(editor)
    everyone = {**{m: {a: per_person[a].get(m) for a in asked} for m in BY_TONE}, **rebuilt}
    scores["tone"] = {m: _by_tone(everyone[m], test.people) for m in BY_TONE} if drawn else None
    scores["about"] = {
        "editor": str(getattr(editor, "name", type(editor).__name__)),
        "attributes": list(asked),
        "source": test.source,
        "set": test.name,
        "faces": len(test),
        "seed": test.seed,
        "size": size,
        "slider_faces": slider_faces,
        "positions": list(POSITIONS),
        "oracle": desk.credentials(asked),
        "seconds": round(time.perf_counter() - began, 1),
    }
    warn_of_oracle(oracle, scores["about"]["oracle"]["accuracy"]["mean"], test.unit)
    return scores


def warn_of_oracle(oracle: Oracle, here: float, unit: str = "people") -> None:
    """Say so if the oracle's receipt, or without one its accuracy `here`, is below what a judge needs."""
    certified = (oracle.receipt.get("accuracy") or {}).get("mean")
    accuracy = here if certified is None else certified
    if accuracy < REQUIRED_ACCURACY:
        fix = (
            "Train a better one: fedit train oracle --profile laptop"
            if unit == "people"
            else "Labels of photographs are too noisy for much more; docs/photographs.md says what can be read from it"
        )
        warnings.warn(
            f"the oracle is right on {accuracy:.1%} of the labels of held-out {unit}, which is less than "
            f"{REQUIRED_ACCURACY:.0%}: accuracy, preservation and slider are not to be trusted. {fix}",
            OracleWarning,
            stacklevel=3,
        )


def check_judges(oracle: Oracle | None, oracle_b: Oracle | None, drawn: bool) -> None:
    """Raise ValueError if there is no oracle, or one that has learned from the other kind of pictures."""
    if oracle is None:
        raise ValueError(
            f"the oracles that ship have only seen drawn faces and cannot judge photographs: {TRAIN_ON_PHOTOS}"
        )
    for judge in filter(None, (oracle, oracle_b)):
        source = getattr(judge, "source", "procedural")
        if drawn != (source == "procedural"):
            seen, asked = ("photographs", "drawn faces") if drawn else ("drawn faces", "photographs")
            fix = "use those that ship" if drawn else TRAIN_ON_PHOTOS
            raise ValueError(f"this oracle has only seen {seen} and cannot judge {asked}: {fix}")


def _warn_of_editor(editor: Any, test: Exam | PhotoExam) -> None:
    """Say so if these photographs are the editor's training set, or if it has never seen pictures of this kind."""
    receipt = getattr(editor, "receipt", None)
    if not isinstance(receipt, dict) or "source" not in receipt:
        return
    who = getattr(editor, "name", type(editor).__name__)
    kinds = "drawn faces", "photographs"
    learned, asked = (kinds[source != "procedural"] for source in (receipt["source"], test.source))
    if learned != asked:
        text = f"{who} was trained on {learned}: its scores on {asked} say how far that carries, no more"
    elif met := _has_met(receipt, test):
        text = f"{who} was trained on {met}: its scores there say nothing about other photographs"
    else:
        return
    warnings.warn(text, ExamWarning, stacklevel=3)


def _warn_of_judges(judges: Sequence[Oracle | None], test: Exam | PhotoExam) -> None:
    """Say so if an oracle knows these photographs by heart."""
    for judge in filter(None, judges):
        if met := _has_met(judge.receipt, test):
            warnings.warn(
                f"the oracle was trained on {met}: how often it is right there says nothing about other photographs",
                ExamWarning,
                stacklevel=3,
            )


def _has_met(receipt: dict[str, Any], test: Exam | PhotoExam) -> str | None:
    """The photographs that a receipt and an exam have in common, in words; None where there are none."""
    if test.people is not None:
        return None
    runs = receipt.get("runs")  # one an attribute, each with a receipt
    receipts = [receipt, *(runs.values() if isinstance(runs, dict) else ())]
    learned = [str(each["faces"]) for each in receipts if isinstance(each, dict) and each.get("faces")]
    for name in learned:
        if share_pictures(name, test.name):
            return name if name == test.name else f"{name}, which has photographs in common with {test.name}"
    return None


# -- the editor at its desk ----------------------------------------------------------------------


class Desk:
    """An editor, an exam and the judges; every method puts one kind of question and measures the answers."""

    def __init__(
        self,
        editor: Any,
        names: tuple[str, ...],
        test: Exam | PhotoExam,
        device: torch.device,
        judges: list[Oracle],
    ) -> None:
        self.editor, self.names, self.test, self.device, self.judges = editor, names, test, device, judges
        self.labels = test.labels(names)
        self.has_attention = None if callable(getattr(editor, "attention", None)) else False

    @contextlib.contextmanager
    def asking(self, attribute: str) -> Iterator[None]:
        """Inside the ``with`` the face world, should it sit here, knows what is asked for (see `TrueAnswer`)."""
        if not isinstance(self.editor, TrueAnswer):
            yield
            return
        self.editor.asked = attribute
        try:
            yield
        finally:
            self.editor.asked = None

    def answer(
        self,
        question: Question,
        fid: FrechetInceptionDistance,
        inception: FrechetInceptionDistance | None = None,
    ) -> dict[str, Tensor]:
        """Everything that is measured once per person on one flipped attribute: name -> float (n,).

        What a true answer or a true region is needed for is left out where there is none.
        """
        target, known = self.test.target(question.attribute, self.names), question.images is not None
        others = [i for i, name in enumerate(self.names) if name != question.attribute]
        rows: list[dict[str, Tensor]] = []
        for part in self._chunks():
            source = self.test.images[part].to(self.device)
            images, labels = world.to_float(source), self.labels[part].to(self.device)
            goal = target[part].to(self.device)
            edited = self._edit("edit", images, labels, goal)
            shown = world.to_uint8(edited)
            row: dict[str, Tensor] = {}
            if known:
                truth, region = question.images[part].to(self.device), question.region[part].to(self.device)
                row = {
                    "counterfactual_psnr": metrics.psnr(shown, truth),
                    "counterfactual_ssim": metrics.ssim(shown, truth),
                    "region_psnr": metrics.region_psnr(shown, truth, region),
                    "region_psnr_of_doing_nothing": metrics.region_psnr(source, truth, region),
                    "leakage": metrics.leakage(shown, source, region),
                }
            wanted = question.wanted[part].to(self.device)
            for name, judge in zip(("accuracy", "accuracy_b"), self.judges, strict=False):
                seen, _, features = judge.read(world.to_float(shown))
                row[name] = (seen[:, judge.columns([question.attribute])[0]] == wanted).float()
                if name == "accuracy":
                    fid.update(features.cpu(), real=False)
                if name == "accuracy" and others:
                    kept = seen[:, judge.columns([self.names[i] for i in others])] == goal[:, others]
                    row["preservation"] = kept.float().mean(1)
            attention = self._attention(images, labels, goal) if known else None
            if attention is not None:
                row["mask_ap"] = metrics.average_precision(attention, region)
                row["mask_iou"] = metrics.intersection_over_union(attention, region)
            real = truth if known else source  # without a true answer: the photographs as they are
            fid.update(self.judges[0].read(world.to_float(real)).features.cpu(), real=True)
            if inception is not None:
                inception.update(real, real=True)
                inception.update(shown, real=False)
            rows.append({name: value.cpu().float() for name, value in row.items()})
        return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}

    def slide(self, attribute: str, most: int) -> tuple[float | None, float | None]:
        """Rank correlation of a slider, and its reach as a share of the face world's.

        On people who lack the attribute, so that 0 is where they are and 1 is all the way. Reach is how far the mean
        measured strength moves between 0 and 1, divided by how far it moves when the face world itself is asked; of
        photographs by how far those that have the attribute are from those that lack it.
        """
        who = self.test.without(attribute, most)
        if not len(who):
            return None, None
        measured: list[list[Tensor]] = [[] for _ in POSITIONS]
        for i in range(0, len(who), CHUNK):
            part = slice(i, i + CHUNK)
            images = world.to_float(self.test.images[who[part]].to(self.device))
            labels = self.labels[who[part]]
            for values, position in zip(measured, POSITIONS, strict=True):
                target = self.test.slider_target(who[part], attribute, self.names, position)
                edited = self._edit("edit", images, labels.to(self.device), target.to(self.device))
                values.append(self._strength(world.to_uint8(edited), attribute))
        table = torch.stack([torch.cat(values) for values in measured], dim=1)
        rank = metrics.rank_correlation(torch.tensor(POSITIONS), table).mean()
        ends = self.test.ends(attribute, who)
        if not len(ends[1]):  # no photograph has it
            return float(rank), None
        low, high = (self._strength(images, attribute).mean() for images in ends)
        true_reach = float(high - low)
        reach = (
            float(table[:, -1].mean() - table[:, 0].mean()) / true_reach if abs(true_reach) > 1e-3 else None
        )
        return float(rank), reach

    def rebuild(self) -> dict[str, Tensor]:
        """Reconstruction with the face's own attributes: name -> float (n,)."""
        psnr, ssim = [], []
        for part in self._chunks():
            source = self.test.images[part].to(self.device)
            made = world.to_uint8(
                self._edit("reconstruct", world.to_float(source), self.labels[part].to(self.device))
            )
            psnr.append(metrics.psnr(made, source).cpu())
            ssim.append(metrics.ssim(made, source).cpu())
        return {"reconstruction_psnr": torch.cat(psnr), "reconstruction_ssim": torch.cat(ssim)}

    def milliseconds(self, times: int = 20) -> float:
        """Median time of one edit of one face, after three to warm up."""
        image = world.to_float(self.test.images[:1].to(self.device))
        label = self.labels[:1].to(self.device)
        target = label.clone()
        target[:, 0] = 1 - target[:, 0]
        taken = []
        for _ in range(times + 3):
            given = _copies(image, label, target)
            start = time.perf_counter()
            self._ask("edit", image, given)
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            taken.append(1000 * (time.perf_counter() - start))
        return round(statistics.median(taken[3:]), 3)

    def credentials(self, asked: Sequence[str]) -> dict[str, Any]:
        """How often the judges are right on this exam's unedited faces, and what their receipts say.

        Attributes of photographs are rare or frequent: "always_the_same" is how often who always gives the more
        frequent answer is right.
        """
        found: dict[str, Any] = {}
        truth = self.test.labels(asked)
        for name, judge in zip(("accuracy", "accuracy_b"), self.judges, strict=False):
            seen = [
                judge.labels(world.to_float(self.test.images[p].to(self.device)), asked).cpu()
                for p in self._chunks()
            ]
            right = (torch.cat(seen) == truth).float()
            found[name] = _averages({a: right[:, i] for i, a in enumerate(asked)})
            found[name]["receipt"] = (judge.receipt.get("accuracy") or {}).get("mean")
        if self.test.people is None:
            share = dict(zip(asked, truth.mean(0).tolist(), strict=True))
            found["always_the_same"] = _summary({a: max(s, 1 - s) for a, s in share.items()})
        return found

    def _chunks(self) -> Iterator[slice]:
        for i in range(0, len(self.test), CHUNK):
            yield slice(i, i + CHUNK)

    def _strength(self, images: Tensor, attribute: str) -> Tensor:
        return self.judges[0].strengths(world.to_float(images.to(self.device)), [attribute])[:, 0].cpu()

    def _edit(self, method: str, images: Tensor, *columns: Tensor) -> Tensor:
        return self._ask(method, images, _copies(images, *columns))

    def _ask(self, method: str, images: Tensor, given: list[Tensor]) -> Tensor:
        with torch.no_grad():
            answer = getattr(self.editor, method)(*given)
        return check_answer(answer, images, f"{self._who}.{method}")

    def _attention(self, images: Tensor, labels: Tensor, target: Tensor) -> Tensor | None:
        """(B, H, W) in [0, 1], or None for an editor without a mask."""
        if self.has_attention is False:
            return None
        with torch.no_grad():
            mask = self.editor.attention(*_copies(images, labels, target))
        if mask is None and not self.has_attention:
            self.has_attention = False  # it never has one
            return None
        self.has_attention = True
        expected = (len(images), 1, *images.shape[2:])
        if not isinstance(mask, Tensor) or tuple(mask.shape) != expected:
            raise ValueError(
                f"{self._who}.attention must return None or a tensor {expected}, not {_describe(mask)}"
            )
        if not bool(((mask >= -1e-3) & (mask <= 1 + 1e-3)).all()):
            raise ValueError(f"{self._who}.attention must stay in [0, 1]; it reached {_reach(mask)}")
        return mask[:, 0].float().to(self.device)

    @property
    def _who(self) -> str:
        return type(self.editor).__name__


def _copies(*tensors: Tensor) -> list[Tensor]:
    """What an editor is given: one that works in place must not change the exam."""
    return [tensor.clone() for tensor in tensors]


def check_answer(answer: Any, images: Tensor, who: str) -> Tensor:
    """What an editor returned, as float on the device of `images` and clamped to [-1, 1].

    Warns (`ExamWarning`) of pictures that look like [0, 1].

    Raises:
        ValueError: if it is no picture batch of the same shape in [-1, 1] (a hundredth beyond is forgiven).
    """
    if not isinstance(answer, Tensor) or answer.shape != images.shape:
        raise ValueError(
            f"{who} must return a tensor {tuple(images.shape)} like its images, not {_describe(answer)}"
        )
    if not answer.is_floating_point():
        raise ValueError(
            f"{who} must return floats in [-1, 1], not {answer.dtype}: use faces.to_float(uint8)"
        )
    if not bool(((answer >= -1.01) & (answer <= 1.01)).all()):  # also false for NaN
        raise ValueError(
            f"{who} must stay in [-1, 1]; it reached {_reach(answer)}. Is a tanh or a clamp missing?"
        )
    if len(images) and answer.min() >= 0 and images.min() < -0.5:  # faces without a dark pixel
        warnings.warn(
            f"{who} returned nothing below 0. Pictures go from -1 (black) to 1: if yours are in [0, 1], "
            f"return 2 * pictures - 1",
            ExamWarning,
            stacklevel=4,
        )
    return answer.detach().float().to(images.device).clamp(-1, 1)


def _describe(value: Any) -> str:
    return f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"


def _reach(values: Tensor) -> str:
    if bool(values.isnan().any()):
        return "NaN"
    return f"{float(values.min()):.3g} to {float(values.max()):.3g}"


def check_editor(editor: Any, known: Sequence[str] = world.ATTRIBUTES) -> tuple[str, ...]:
    """The attributes of anything that can be examined; `known` are those that there are.

    Raises:
        ValueError: it lacks a method or its attributes, or a method takes other arguments than `ARGUMENTS`; which is
            said.
        faces.UnknownAttribute: an attribute is none of the known ones.
    """
    if isinstance(editor, type):
        raise ValueError(
            f"{editor.__name__} is a class: give an instance, not the class, such as {editor.__name__}(...)"
        )
    for method in ("edit", "reconstruct"):
        if not callable(getattr(editor, method, None)):
            raise ValueError(
                f"{type(editor).__name__} has no method {method}: an editor needs attributes, edit, reconstruct"
            )
    for method in ARGUMENTS:
        if callable(given := getattr(editor, method, None)):
            _check_arguments(f"{type(editor).__name__}.{method}", given, ARGUMENTS[method])
    names = getattr(editor, "attributes", None)
    if isinstance(names, str) or not isinstance(names, Sequence) or not names:
        raise ValueError(
            f"{type(editor).__name__}.attributes must list the names that it edits, not be {names!r}"
        )
    return world.check_attributes(names, known)


def _check_arguments(who: str, method: Any, wanted: tuple[str, ...]) -> None:
    """Raise ValueError, with what it takes and the line, unless a method can be called with these, in this order."""
    try:
        signature = inspect.signature(method)
    except (TypeError, ValueError):  # of what is no Python function nothing is known
        return
    try:
        signature.bind(*wanted)
    except TypeError:
        function = method
        if inspect.ismethod(method):
            function, wanted = method.__func__, ("self", *wanted)
        takes = ", ".join(inspect.signature(function).parameters)
        code = getattr(inspect.unwrap(function), "__code__", None)
        line = f" (line {code.co_firstlineno})" if code else ""
        raise ValueError(f"{who} must take ({', '.join(wanted)}), but takes ({takes}){line}") from None


def _introduce(
    editor: Any, attributes: Sequence[str] | None, known: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...], int, torch.device]:
    """The editor's attributes, those to flip, its size and device; or what it lacks."""
    names = check_editor(editor, known)
    if isinstance(attributes, str):
        attributes = [attributes]
    asked = names if attributes is None else tuple(attributes)
    if not asked:
        raise ValueError("attributes is empty: name at least one, or leave it out for all")
    world.check_attributes(asked, known)
    for name in asked:
        if name not in names:
            raise world.UnknownAttribute(
                f"{getattr(editor, 'name', type(editor).__name__)} does not edit {name!r}; it edits {', '.join(names)}"
            )
    return names, asked, size_of(editor), device_of(editor)


# -- FID ----------------------------------------------------------------------


class GivenFeatures(nn.Module):
    """Stands where torchmetrics expects Inception, for features (B, F) that the oracle has computed already."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def _fid(features: nn.Module) -> FrechetInceptionDistance:
    """Fréchet distance (Heusel et al. 2017) of edited faces to the *true* edited faces, on given features.

    The true answers are the right reference: they hold the same people and the same share of every attribute, so the
    face world itself has distance 0. Photographs have none, and are compared with themselves before the edit, as papers
    do: there even a perfect editor keeps a distance, since it changes how often an attribute is there.
    """
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # "will save all extracted features": of states it does not have
        return FrechetInceptionDistance(feature=features)


def _inception(weights: str | Path) -> FrechetInceptionDistance:
    if not Path(weights).is_file():
        raise ValueError(
            f"no Inception weights at {weights}; leave inception_weights out to score on the oracle's features"
        )
    try:
        return FrechetInceptionDistance(feature=2048, feature_extractor_weights_path=str(weights))
    except ModuleNotFoundError as error:
        raise ValueError(
            "FID on Inception's features needs the package torch-fidelity: pip install torch-fidelity"
        ) from error


def _distance(fid: FrechetInceptionDistance) -> float | None:
    """The distance; None for fewer than two faces, which have no covariance."""
    if int(fid.real_features_num_samples) < 2:
        return None
    return max(round(float(fid.compute()), 4), 0.0)


# -- summing up ----------------------------------------------------------------------


def _mean(values: Tensor) -> float | None:
    values = values[~values.isnan()]
    return float(values.double().mean()) if len(values) else None


def _averages(per_person: dict[str, Tensor]) -> dict[str, Any]:
    return _summary({attribute: _mean(values) for attribute, values in per_person.items()})


def _summary(per_attribute: dict[str, float | None]) -> dict[str, Any]:
    known = [value for value in per_attribute.values() if value is not None]
    return {"mean": sum(known) / len(known) if known else None, "per_attribute": per_attribute}


def _by_tone(values: Tensor | dict[str, Tensor | None], people: world.People) -> dict[str, float | None]:
    """The mean over each third of skin tones, over all attributes."""
    if isinstance(values, dict):
        parts = [value for value in values.values() if value is not None]
        if not parts:
            return dict.fromkeys(("dark", "middle", "light"))
        values = torch.stack(parts).nanmean(0)
    return {tone: _mean(values[who.cpu()]) for tone, who in terciles(people).items()}


def _whole(count: Any, what: str) -> int:
    try:
        return operator.index(count)
    except TypeError as error:
        raise ValueError(f"{what} must give a whole number, not {count!r}") from error


def _training_seconds(editor: Any) -> float | None:
    receipt = getattr(editor, "receipt", None)
    if not isinstance(receipt, dict):
        return None
    for key in ("seconds", "wall_seconds", "wall_time", "wall_time_s", "training_seconds"):
        if isinstance(seconds := receipt.get(key), int | float) and math.isfinite(seconds):
            return float(seconds)
    return None


def _bar(items: Sequence[str], progress: bool) -> Any:
    from tqdm.auto import tqdm

    return tqdm(items, disable=not progress, leave=False, unit="attribute")
