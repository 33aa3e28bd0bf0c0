"""From a profile to a trained run, and from a run to shipped weights with a receipt."""

from __future__ import annotations

import difflib
import inspect
import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fedit_lib.course.editors import SLIDER_FACES
from fedit_lib.data.files import check_writable


def train(
    name: str,
    *,
    profile: str = "laptop",
    source: str = "procedural",
    root: Path | None = None,
    out: Path | None = None,
    steps: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    seed: int = 0,
    attributes: list[str] | None = None,
    resume: bool = True,
    variant: str | None = None,
    start_from: Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> Any:
    """Train a paper (returns its `History`) or ``"oracle"`` (returns the oracle). See ``fedit train --help``.

    start_from: the run folder of another training of the same paper. A fresh run begins with its weights, wherever
    name and shape agree, instead of random ones. One that resumes goes on from its own.
    options: arguments of the paper's game that are to differ from the profile's: {"lambda_2": 300.0}.

    Raises:
        ValueError: an unknown name, profile, source, attribute or option; the known ones are listed. Or an option of
            another type, a start from a run of another paper, a root without a source of photographs.
        OSError: `out` cannot be a folder.
        FileNotFoundError: the folder to start from holds no checkpoint.
        CheckpointError: the run folder holds a run with other settings.
    """
    if name == "oracle":
        variant = variant or "a"
        if start_from is not None:
            raise ValueError("the oracle starts from nothing: leave --start-from out")
        if options:
            raise ValueError("the oracle has no options: leave --option out")
    if root is not None and source == "procedural":
        raise ValueError(
            "--root (root=) is for photographs: name their --source (source=) too, celeba or folder"
        )
    if out is None:
        out = Path("build/runs") / "-".join(filter(None, [name, variant, profile]))
    check_writable(out, folder=True)  # before the pictures are read
    if name == "oracle":
        if source == "procedural" and attributes:
            raise ValueError("the oracle learns every attribute of the face world: no --attributes")
        from fedit_lib.evaluation import oracle

        return oracle.train(
            profile=profile,
            out=out,
            variant=variant,
            steps=steps,
            device=device,
            precision=precision,
            seed=seed,
            resume=resume,
            source=source,
            root=root,
            attributes=attributes,
        )

    import torch

    from fedit_lib import papers, training
    from fedit_lib.data import line_drawings, load_source

    if name not in papers.PAPERS:
        raise ValueError(
            f"nothing called {name!r} can be trained; there are: {', '.join([*papers.PAPERS, 'oracle'])}"
        )
    paper = papers.paper(name)
    if profile not in paper.PROFILES:
        raise ValueError(f"{name} has no profile {profile!r}; it has: {', '.join(paper.PROFILES)}")
    variants = getattr(paper, "VARIANTS", {})
    if variant is not None and variant not in variants:
        raise ValueError(
            f"{name} has no variant {variant!r}; it has: {', '.join(variants) or 'no variants, leave it out'}"
        )
    settings = paper.PROFILES[profile]
    if steps is not None:
        settings = replace(settings, steps=steps)
    changed = _checked_options(paper, options or {})
    if "size" in changed:  # the faces' too
        settings = replace(settings, size=changed.pop("size"))
    if variant:
        changed["variant"] = variant
    torch.manual_seed(seed)  # the weights that the game begins with
    game = paper.build(settings, attributes=attributes, **changed)
    if start_from is not None and not (resume and (out / "checkpoint.pt").exists()):
        _begin_with(game, name, Path(start_from))
    validate = _validation(paper, settings.size) if source == "procedural" and profile != "smoke" else None
    faces = load_source(
        source,
        n=settings.faces,
        size=settings.size,
        seed=0,
        attributes=tuple(attributes or paper.ATTRIBUTES),
        split="train",
        device="cpu",  # `fit` moves them to the training's device
        root=root,
    )
    if arrange := getattr(paper, "arrange", None):  # a paper may say how its batches are drawn
        # photographs have no people whose sketches could be drawn: their lines are traced
        traced = faces.people is None and "sketches" in inspect.signature(arrange).parameters
        faces = arrange(faces, **({"sketches": line_drawings(faces)} if traced else {}))
    return training.fit(
        game,
        faces,
        steps=settings.steps,
        batch_size=settings.batch_size,
        seed=seed,
        device=device,
        precision=training.fast_precision(device) if precision == "auto" else precision,
        out=out,
        validate=validate,
        validate_every=max(VALIDATE_EVERY, settings.steps // 12),
        keep_best=None if validate is None else getattr(paper, "KEEP_BEST", "region_psnr"),
        checkpoint_every=settings.checkpoint_every,
        log_every=settings.log_every,
        resume=resume,
        profile=profile,
    )


def _checked_options(paper: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, if the paper's game takes them and they are of the types of its own; ValueError otherwise."""
    known = dict(inspect.signature(getattr(paper, paper.TITLE)).parameters)
    for own in ("attributes", "variant"):  # these have arguments of their own
        known.pop(own, None)
    kinds = {
        "bool": (bool, "true or false"),
        "int": (int, "a whole number"),
        "float": ((int, float), "a number"),
        "str": (str, "a word"),
    }
    for name, value in options.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]}?" if close else f"it has: {', '.join(known)}"
            raise ValueError(f"{paper.TITLE} has no option {name!r}; {hint}")
        kind, *others = known[name].annotation.split(" | ")
        types, words = kinds[kind]
        fits = isinstance(value, types) and isinstance(value, bool) == (kind == "bool")
        if not fits and not (value is None and "None" in others):
            raise ValueError(f"the option {name} of {paper.TITLE} is {words}, not {value!r}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"the option {name} of {paper.TITLE} must be finite, not {value!r}")
    return dict(options)


def _begin_with(game: Any, name: str, run: Path) -> None:
    """Gives the game what another run of its paper learned, where name and shape agree, and says how much.

    Raises ValueError for a run of another paper, or one of which nothing fits.
    """
    other_name, other, state = load_checkpoint(run / "checkpoint.pt")
    if other_name != name:
        raise ValueError(
            f"{run} is a run of {other_name}; a training of {name} can only start from one of {name}"
        )
    own = game.learned()
    taken = {k: v for k, v in other.learned().items() if k in own and own[k].shape == v.shape}
    if not taken:
        raise ValueError(
            f"no tensor of {run} fits this game of {name}: start from nothing, or from another run"
        )
    game.load_state_dict(game.state_dict() | taken)
    print(f"starts with {len(taken)} of its {len(own)} tensors from {run} (round {state['step']:,})")


VALIDATE_EVERY = 250  # rounds at the least: a validation costs as much as some hundred of them
VALIDATION_FACES = 40


def _validation(paper: Any, size: int) -> Any:
    """What `fit` asks now and then: the design's scores on a few people of the "valid" split, averaged weights.

    A paper's KEEP_BEST names the one that decides which weights are kept (region_psnr by default); None keeps the last.
    Without an oracle only the measures that need none are left; a fresh clone has one, so that is said, not hidden.
    """
    from fedit_lib.evaluation import Exam, evaluate, load_oracle
    from fedit_lib.training import WeightsError

    try:
        oracle = load_oracle("a")
    except (FileNotFoundError, WeightsError) as error:
        print(f"no validation during this training: {error}")
        return None
    exam = Exam(VALIDATION_FACES, 0, size, split="valid")
    wanted = ("accuracy", "preservation", "region_psnr", "region_psnr_of_doing_nothing", "leakage", "mask_ap")

    def validate(game: Any, step: int) -> dict[str, float]:
        editor = paper.editor(
            game.averaged_networks(), {"config": game.config(), "steps": step}, device="cpu"
        )
        scores = evaluate(editor, questions=exam, oracle=oracle, slider_faces=0, progress=False)
        means = {name: scores.mean(name) for name in (*wanted, "reconstruction_psnr")}
        # one attribute has no others to preserve, most papers have no mask: what cannot be is left out of the log
        return {name: value for name, value in means.items() if value is not None}

    return validate


def load_run(run: Path, best: bool = True) -> tuple[str, Any, dict[str, Any]]:
    """The paper's name, the game with its trained weights and averages, and `run.json`, of a run folder.

    best: where the training kept the best networks that its validation met, take those; else the last averages.

    Raises:
        FileNotFoundError: the folder holds no run.
        ValueError: it is the run of a game that no paper plays.
        CheckpointError: run.json or the checkpoint is damaged, or the checkpoint is of another version of the game.
    """
    from fedit_lib.training import CheckpointError, load_best

    run = Path(run)
    anew = "give the command of this training again, which writes it anew"
    if not (run / "run.json").is_file():
        if (run / "checkpoint.pt").is_file():
            raise FileNotFoundError(f"{run} holds a checkpoint, but no run.json: {anew}")
        raise FileNotFoundError(f"{run} holds no run.json: give the run folder that `fedit train` was told")
    try:
        facts = dict(json.loads((run / "run.json").read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{run / 'run.json'} is damaged ({error}): {anew}") from error
    if not isinstance(facts.get("faces"), str):  # all else may be absent from a receipt
        raise CheckpointError(f"{run / 'run.json'} is damaged (it does not say which faces): {anew}")
    name, game, state = load_checkpoint(run / "checkpoint.pt")
    if best and (run / "best.pt").is_file():
        step, _ = load_best(run, game)
        game.ema = None  # what was kept is the average already
        return name, game.eval(), facts | {"step": step, "steps_trained": state["step"]}
    facts |= {"step": state["step"], "seconds": round(state["seconds"], 1)}  # run.json may be newer
    return name, game.eval(), facts


def load_checkpoint(path: Path) -> tuple[str, Any, dict[str, Any]]:
    """The paper's name, the game with its trained weights and averages, and all that the checkpoint holds.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is of a game that no paper plays.
        CheckpointError: it is damaged, or of a version of the game that had other options or networks.
    """
    import torch

    from fedit_lib import papers
    from fedit_lib.training import EMA, CheckpointError

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path.parent} holds no {path.name}: give the run folder that `fedit train` was told"
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        config = state["config"]
    except Exception as error:  # torch raises a dozen kinds for a damaged file
        raise CheckpointError(f"{path} is damaged ({type(error).__name__}): train again") from error
    name = next((n for n, module in papers.PAPERS.items() if module.TITLE == config["game"]), None)
    if name is None:
        known = ", ".join(papers.PAPERS)
        raise ValueError(
            f"{path.parent} is a run of {config['game']}, which no paper plays; there are: {known}"
        )
    try:
        game = papers.paper(name).build("laptop", **config["options"])
        game.load_state_dict(state["game"])
        if state["ema"] is not None:
            game.ema = EMA(game.inference_networks(), game.ema_decay)
            game.ema.load_state_dict(state["ema"])
    except (RuntimeError, KeyError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split("\n")[:2])  # torch lists every tensor that does not fit
        raise CheckpointError(
            f"{path} does not fit {name} as this version of the library builds it ({reason}): train again, or read it "
            f"with the version that its run.json names under commit"
        ) from error
    return name, game, state


def load_run_editor(run: Path, device: str = "auto") -> Any:
    """The editor that a run has trained so far (its averaged weights)."""
    from fedit_lib import papers
    from fedit_lib.papers.editor import pick_device

    name, game, facts = load_run(run)
    networks = game.averaged_networks()
    return papers.paper(name).editor(networks, _receipt(name, game, facts), device=pick_device(device))


def export(
    run: Path | Sequence[Path],
    *,
    to: Path | None = None,
    faces: int = 1000,
    slider_faces: int = SLIDER_FACES,
    seed: int = 0,
    device: str = "auto",
) -> Path:
    """Ship a run: its averaged inference networks as fp16 safetensors, and beside them a receipt with its scores.

    Several runs of a paper that trains one model an attribute become one file: networks "ATTRIBUTE.NAME", and a receipt
    that keeps each run's own under "runs".

    Args:
        run: folder that ``fedit train`` wrote, or several, one an attribute, in the order in which to edit.
        to: the weight file, as large as it is; by default ``fedit_lib/weights/NAME.safetensors``, of 8 MB at most.
        faces, slider_faces, seed: of the evaluation; with ``faces=0`` nothing is scored.

    Returns:
        The weight file. Scores are those of the stored fp16 weights, not of what they were rounded from.

    Raises:
        ValueError: runs that cannot be joined: of different papers or sizes, or not of one attribute each. Or runs on
            photographs that are to be scored. Or a smoke run, or one on photographs, that would take the place of
            weights that ship.
    """
    from fedit_lib import papers
    from fedit_lib.training.weights import LIMIT_MB, WeightsError, load_weights, save_weights

    folders = [Path(run)] if isinstance(run, str | Path) else [Path(folder) for folder in run]
    if not folders:
        raise ValueError("no run to export: give the folder of one, or of several")
    loaded = [load_run(folder) for folder in folders]
    name = loaded[0][0]
    if len(loaded) == 1:
        _, game, facts = loaded[0]
        networks, receipt = game.averaged_networks(), _receipt(name, game, facts)
    else:
        networks, receipt = _joined(folders, loaded)
    if faces and receipt.get("source") != "procedural":
        raise ValueError(
            "this model was trained on photographs, and export scores on drawn people: export it with --faces 0 --to "
            "FILE, and score the run with fedit evaluate RUN --source ... --root ... --oracle ..."
        )
    version = f"{name}-{receipt['config'].get('variant')}"
    called = version if version in papers.EDITORS else name
    path = Path(to) if to else papers.WEIGHTS / f"{called}.safetensors"
    ships = path.resolve().parent == papers.WEIGHTS.resolve()
    if to is None and receipt.get("profile") == "smoke":
        raise ValueError(
            f"a smoke run is no weight to ship in the place of {path.name}: name a file by --to FILE"
        )
    if to is None and receipt.get("source") != "procedural":
        raise ValueError(
            f"this model was trained on photographs and would take the place of {path.name}: name a file by --to FILE"
        )
    limit = LIMIT_MB if ships else None  # what stays with its owner may be as large as it is
    draft = folders[0] / "export" / path.name
    draft.parent.mkdir(parents=True, exist_ok=True)
    save_weights(draft, networks, receipt, limit_mb=limit)
    if len(loaded) > 1:
        try:
            papers.load_editor(name, device="cpu", path=draft)
        except WeightsError as error:
            raise ValueError(
                f"the editor of {name} cannot be made of these runs ({error}): either it has one model for all "
                f"attributes (train one run with --attributes A,B), or the runs' networks differ in shape"
            ) from error
    if faces:
        from fedit_lib.evaluation import evaluate

        editor = papers.load_editor(name, device=device, path=draft)
        receipt["scores"] = json.loads(
            evaluate(editor, faces=faces, seed=seed, slider_faces=min(slider_faces, faces)).to_json()
        )
        scored = shlex.quote(path.name) if to else called  # without its folder: a receipt names no machine's
        receipt["scores_command"] = f"fedit evaluate {scored} --faces {faces} --seed {seed}"
        if slider_faces != SLIDER_FACES:
            receipt["scores_command"] += f" --slider-faces {slider_faces}"
        if hasattr(editor, "from_sketch"):
            receipt["sketch_scores"] = _sketch_scores(editor, faces, seed, min(slider_faces, faces))
    states, _ = load_weights(draft, limit_mb=limit)
    for network, state in states.items():
        networks[network].load_state_dict(state)
    save_weights(path, networks, receipt, limit_mb=limit)
    return path


def _sketch_scores(editor: Any, faces: int, seed: int, slider_faces: int) -> dict[str, Any]:
    """{skill: scores} of the same exam, answered from sketches."""
    from fedit_lib.evaluation import FromSketches, evaluate, exam

    people = exam(faces, seed, editor.size).people
    return {
        skill: json.loads(
            evaluate(
                FromSketches(editor, people, skill), faces=faces, seed=seed, slider_faces=slider_faces
            ).to_json()
        )
        for skill in ("clean", "poor")
    }


def _joined(folders: list[Path], loaded: list[tuple[str, Any, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Networks and receipt of several runs, one an attribute. Raises ValueError for runs that do not fit together."""
    papers = [name for name, _, _ in loaded]
    if len(set(papers)) > 1:
        raise ValueError(
            f"runs of different papers cannot become one file: "
            f"{', '.join(f'{f.name} is {p}' for f, p in zip(folders, papers, strict=True))}"
        )
    configs = [game.config() for _, game, _ in loaded]
    for folder, config in zip(folders, configs, strict=True):
        if len(config["attributes"]) != 1:
            raise ValueError(
                f"{folder.name} has {len(config['attributes'])} attributes; runs that are joined have one each"
            )
    attributes = [config["attributes"][0] for config in configs]
    if twice := {a for a in attributes if attributes.count(a) > 1}:
        raise ValueError(f"more than one run edits {', '.join(sorted(twice))}: give one run an attribute")
    if len(sizes := {config["size"] for config in configs}) > 1:
        raise ValueError(f"the runs' pictures have different sizes: {', '.join(map(str, sorted(sizes)))}")
    networks, receipts = {}, {}
    for attribute, (name, game, facts) in zip(attributes, loaded, strict=True):
        receipts[attribute] = _receipt(name, game, facts)
        for network, module in game.averaged_networks().items():
            networks[f"{attribute}.{network.removeprefix(f'{attribute}.')}"] = module
    every = list(receipts.values())
    first = every[0]
    # What all runs share is said once, as for a single run; what differs stands with each of them.
    receipt = {key: value for key, value in first.items() if all(r[key] == value for r in every)}
    shared = {key: value for key, value in configs[0].items() if all(c[key] == value for c in configs)}
    receipt["config"] = shared | {"attributes": attributes}
    for count in ("steps", "steps_trained", "seconds"):
        receipt[count] = sum(r[count] or 0 for r in every)
    receipt["command"] = [r["command"] for r in every]
    return networks, receipt | {"runs": receipts}


def _receipt(name: str, game: Any, facts: dict[str, Any]) -> dict[str, Any]:
    from fedit_lib.data import source_of

    kept = "command seed commit versions hardware seconds profile precision batch_size resumes".split()
    faces = str(facts["faces"])
    return {
        "paper": name,
        "config": game.config(),
        # what the widgets ask: a model of drawn faces cannot edit photographs
        "source": source_of(faces),
        "faces": faces,
        "number_of_faces": facts.get("number"),
        "steps": facts["step"],
        "steps_trained": facts.get("steps_trained", facts["step"]),
        **{key: facts.get(key) for key in kept},
    }
