"""Find what is to be scored by its name: a paper, a run folder, a baseline, or a class of one's own."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import sys
import sysconfig
import textwrap
import traceback
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

BASELINES = ("nothing", "truth")
SLIDER_FACES = 200  # of an exam, unless told


def find(
    name: str,
    *,
    faces: int = 1000,
    seed: int = 0,
    device: str = "auto",
    attributes: Sequence[str] | None = None,
    drawn: bool = True,
) -> Any:
    """An editor by name.

    Args:
        name: a paper with shipped weights ("attgan") or a version of it ("s2fgan-dec"); a run folder of ``fedit
            train``, or a weight file of ``fedit export``; "nothing" or "truth", the floor and the ceiling;
            ``module:Class`` or ``file.py:Class`` for an editor of one's own (made without arguments, or an object).
            With "@clean", "@wobbly" or "@poor" behind it: the same, from sketches.
        faces, seed: people of the exam, whom "truth" must know.
        attributes: of the baselines; by default all of the face world.
        drawn: whether one's own editor must edit what the face world has; for photographs not.

    Raises:
        ValueError: nothing fits; what could be named is listed. Or one's own lacks what an editor needs, or an error
            stopped its code: the message names the line, ``__cause__`` is the error.
        WeightsError: a weight file is damaged, or lacks its receipt.
    """
    from fedit_lib import faces as world
    from fedit_lib import papers

    base, at, skill = name.rpartition("@")
    if at and skill in world.SKILLS and not Path(name).exists():
        from fedit_lib.evaluation import FromSketches, exam

        editor = find(base, faces=faces, seed=seed, device=device, attributes=attributes)
        return FromSketches(editor, exam(faces, seed, getattr(editor, "size", 64)).people, skill)
    if name in papers.EDITORS:
        return papers.load_editor(name, device=device)
    if name in BASELINES:
        from fedit_lib.evaluation import DoNothing, TrueAnswer, exam

        chosen = tuple(attributes or world.ATTRIBUTES)
        return DoNothing(chosen) if name == "nothing" else TrueAnswer(exam(faces, seed).people, chosen)
    if ":" in name and not Path(name).exists():  # a folder may have one in its name: 12:30
        from fedit_lib.evaluation.protocol import check_editor

        editor = load_object(name)
        # now, not after minutes of scoring others; what photographs are labelled with only their table knows
        with _own_code(name):
            try:
                check_editor(editor, world.ATTRIBUTES if drawn else getattr(editor, "attributes", ()))
            except ValueError as error:
                kind = world.UnknownAttribute if isinstance(error, world.UnknownAttribute) else ValueError
                raise kind(f"{name}: {error}") from error
        return editor
    if Path(name).is_dir():
        from fedit_lib.course.runs import load_run_editor

        return load_run_editor(Path(name), device)
    if Path(name).is_file() and Path(name).suffix == ".safetensors":
        from fedit_lib.training.weights import WeightsError, load_weights

        _, receipt = load_weights(Path(name), limit_mb=None)
        paper = receipt.get("paper", receipt.get("model"))
        if paper not in list(papers.PAPERS):  # a list: the receipt may hold what has no hash
            raise WeightsError(
                f"{name} holds no editor: its receipt calls it {paper!r}, which is none of {', '.join(papers.PAPERS)}"
            )
        return papers.load_editor(paper, device, path=name)
    known = ", ".join([*papers.EDITORS, *BASELINES])
    raise ValueError(
        f"no editor {name!r}; there are: {known}, a run folder, a weight file, module:Class, or file.py:Class"
    )


def score(
    name: str,
    *,
    faces: int = 1000,
    seed: int = 0,
    attributes: Sequence[str] | None = None,
    slider_faces: int = SLIDER_FACES,
    device: str = "auto",
    source: str = "procedural",
    root: Path | None = None,
    split: str = "test",
    oracles: Sequence[Path] = (),
) -> Any:
    """`Scores` of the editor of this name (see `find`), on held-out people or on photographs.

    Args:
        faces, seed: how many, and which.
        source, root, split: of the photographs, see `data.load_source`.
        oracles: run folders of ``fedit train oracle``: the judge, and one more that it is compared with. By default
            those that ship, which only drawn people may be put before.

    Raises:
        ValueError: no such editor or source; photographs without an oracle, or without labels of what is edited.
    """
    from fedit_lib.data import SOURCES, DataError, load_source
    from fedit_lib.data.celeba import MissingLabels
    from fedit_lib.evaluation import DoNothing, PhotoExam, load_trained_oracle
    from fedit_lib.evaluation.protocol import check_judges

    if len(oracles) > 2:
        raise ValueError(
            f"one oracle judges and a second may be compared with it, but {len(oracles)} are given"
        )
    judges = dict(zip(("oracle", "oracle_b"), map(load_trained_oracle, oracles), strict=False))
    settings = {"attributes": attributes, "slider_faces": min(slider_faces, faces), **judges}
    if source == "procedural":
        if root is not None or split != "test":
            raise ValueError("--root and --split are for photographs: name their --source, celeba or folder")
        editor = find(name, faces=faces, seed=seed, device=device, attributes=attributes)
        return _examine(name, editor, {"faces": 2}, faces=faces, seed=seed, **settings)
    if source not in SOURCES:
        raise ValueError(f"unknown source {source!r}: choose {', '.join(SOURCES)}")
    check_judges(judges.get("oracle"), judges.get("oracle_b"), drawn=False)
    if name == "truth" or ("@" in name and not Path(name).exists()):
        raise ValueError(
            f"{name!r} needs the face world: photographs come without a true answer, and without a hand's sketches"
        )
    if name == "nothing":  # edits what it is asked for, or all that its judge knows
        chosen = tuple(attributes or judges["oracle"].attributes)
        editor = DoNothing(chosen, judges["oracle"].size, known=chosen)
    else:
        editor = find(name, device=device, drawn=False)
    size = getattr(editor, "size", 64)
    try:
        photos = load_source(source, size=size, attributes=editor.attributes, split=split, root=root)
    except MissingLabels as error:
        if name == "nothing":
            raise  # it edits whatever it is asked for: fewer attributes are the fix
        columns = "columns" if len(error.missing) > 1 else "column"
        own = ", ".join(editor.attributes)
        raise DataError(
            f"{error.table} lacks the {columns} {', '.join(error.missing)}: {name} edits {own}, and needs a label for "
            f"each of them, also where --attributes asks for fewer. Add the {columns}, or score an editor that was "
            f"trained on what the table has"
        ) from error
    few = {"questions": PhotoExam(photos, 2, seed)}
    return _examine(name, editor, few, questions=PhotoExam(photos, faces, seed), **settings)


def _examine(name: str, editor: Any, few: dict[str, Any], **settings: Any) -> Any:
    """`evaluate`; where the code of one's own editor stops it, the error names the line.

    few: settings of a try before it, on two faces: what is asked last would fail after minutes.
    """
    from fedit_lib.evaluation import evaluate

    if ":" not in name:
        return evaluate(editor, **settings)
    with _own_code(name):
        if "@" not in name:  # from sketches it knows the people of its exam alone
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the exam itself will give them
                evaluate(editor, **(settings | few | {"slider_faces": 0, "progress": False}))
        return evaluate(editor, **settings)


@contextlib.contextmanager
def _own_code(name: str) -> Iterator[None]:
    """An error in the code of somebody's own editor becomes a ValueError that names the line; all others pass.

    name: ``file.py:Class`` or ``module:Class``, as it was given.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        if (place := _own_line(error, name)) is None:
            raise
        what = error.msg if isinstance(error, SyntaxError) else str(error)
        what = ": ".join(filter(None, (type(error).__name__, textwrap.shorten(what or "", 400))))
        raise ValueError(f"{name}: {place}: {what} (fedit --debug ... shows the traceback)") from error


def _own_line(error: BaseException, name: str) -> str | None:
    """Where somebody's own code stopped: "line 7, in edit", with the file if it is not the named one; None elsewhere.

    Their own is all that belongs neither to this library nor to Python and its installed packages.
    """
    places = [str(Path(__file__).parents[1]), *map(sysconfig.get_path, ("stdlib", "purelib", "platlib"))]
    others = tuple(place + os.sep for place in places) + ("<",)
    frames = traceback.extract_tb(error.__traceback__)
    stops = [(frame.filename, frame.lineno, frame.name) for frame in frames]
    if isinstance(error, SyntaxError):
        stops.append((error.filename or "<", error.lineno, "<module>"))
    own = [stop for stop in stops if not stop[0].startswith(others)]
    if not own:
        return None
    file, line, function = own[-1]
    named = name.rpartition(":")[0].removesuffix(".py").replace(".", "/")
    where = "" if Path(file).stem == Path(named).name else f"{Path(file).name}, "
    return f"{where}line {line}" + (f", in {function}" if function != "<module>" else "")


def load_object(name: str) -> Any:
    """``module:Class`` or ``module:object`` -> the object; a class is called without arguments.

    The module may be a file: ``folder/file.py:Class``.

    Raises:
        ValueError: the name is of another form, the module or the name in it does not exist, or the class wants
            arguments. Or an error stopped the module or the class: the message names the line.
    """
    module, _, attribute = name.rpartition(":")
    if not module or not attribute or (module.startswith(".") and not module.endswith(".py")):
        raise ValueError(
            f"{name!r} names no editor: give file.py:Class or module:Class, as in own.py:MyEditor"
        )
    with _own_code(name):
        loaded = _load_file(Path(module)) if module.endswith(".py") else _load_module(module, name)
    if not hasattr(loaded, attribute):
        classes = [
            n for n, value in vars(loaded).items() if getattr(value, "__module__", "") == loaded.__name__
        ]
        has = f"; it has {', '.join(classes)}" if classes else ""
        raise ValueError(f"{module} has no {attribute!r}{has}: give file.py:Class or module:Class")
    found = getattr(loaded, attribute)
    if not isinstance(found, type):
        return found
    with _own_code(name):
        try:
            return found()
        except TypeError as error:
            if _own_line(error, name) is not None:
                raise
            raise ValueError(f"{name} could not be made without arguments: {error}") from error


def _load_file(path: Path) -> Any:
    if not path.is_file():
        raise ValueError(f"there is no file {path}: give file.py:Class, seen from this folder")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    loaded = importlib.util.module_from_spec(spec)
    if (
        folder := str(path.resolve().parent)
    ) not in sys.path:  # as for `python file.py`: it may import its neighbours
        sys.path.insert(0, folder)
    kept = sys.modules.setdefault(path.stem, loaded)  # dataclasses, for one, look their module up
    try:
        spec.loader.exec_module(loaded)
    except BaseException:
        if kept is loaded:  # half of a module is no module
            del sys.modules[path.stem]
        raise
    return loaded


def _load_module(module: str, name: str) -> Any:
    if os.getcwd() not in sys.path:  # one's own module lies in the current folder, as for `python -m`
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if _own_line(error, name) or (error.name and module.split(".")[0] != error.name.split(".")[0]):
            raise  # the module is there, something that it imports is not
        raise ValueError(
            f"no module {module!r} for {name!r}: give module:Class, seen from this folder"
        ) from error


def board(
    *,
    add: Sequence[str] = (),
    faces: int = 1000,
    seed: int = 0,
    by: str = "region_psnr",
    device: str = "auto",
    plot: Path | None = None,
) -> Any:
    """The leaderboard of all shipped editors, floor and ceiling, and those in ``add`` (names as for `find`).

    A shipped editor's receipt holds its scores on the standard exam: they are taken from there if they fit. All others
    are examined, whatever their receipt says: it may be that of a model which they only wrap.

    Args:
        plot: where the board is to be drawn afterwards; only looked at.

    Raises:
        KeyError: `by` is no metric. ValueError: `plot` cannot be drawn; an editor that does not exist. All before the
            first editor is examined.
    """
    from fedit_lib import papers
    from fedit_lib.evaluation import leaderboard
    from fedit_lib.evaluation.board import check_metric, check_plot
    from fedit_lib.evaluation.scores import Scores

    check_metric(by)
    if plot is not None:
        check_plot(plot)
    shipped = [name for name in papers.EDITORS if (papers.WEIGHTS / f"{name}.safetensors").exists()]
    editors = {name: find(name, faces=faces, seed=seed, device=device) for name in [*shipped, *add]}
    every = list(dict.fromkeys(a for editor in editors.values() for a in editor.attributes))
    shared = [a for a in every if all(a in editor.attributes for editor in editors.values())]
    attributes = shared or every or None  # what all share is all that the board shows of the baselines
    for name in BASELINES:
        editors[name] = find(name, faces=faces, seed=seed, attributes=attributes)
    entries = {}
    for name in sorted(editors, key=lambda name: name not in add):  # an error in one's own shows first
        # "s2fgan@clean" is a shipped one too, from sketches
        ships = name in papers.EDITORS or name.rpartition("@")[0] in papers.EDITORS
        scores = _scores_of_receipt(editors[name], faces, seed) if ships else None
        entries[name] = (
            Scores(scores) if scores else _examine(name, editors[name], {"faces": 2}, faces=faces, seed=seed)
        )
    return leaderboard({name: entries[name] for name in editors}, by=by)


def _scores_of_receipt(editor: Any, faces: int, seed: int) -> dict[str, Any] | None:
    receipt = getattr(editor, "receipt", None)
    scores = receipt.get("scores") if isinstance(receipt, dict) else None
    about = scores.get("about", {}) if isinstance(scores, dict) else {}
    fits = (about.get("faces"), about.get("seed")) == (faces, seed)
    return json.loads(json.dumps(scores)) if fits else None
