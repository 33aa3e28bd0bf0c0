from __future__ import annotations

import asyncio
import io
import re
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from fedit_lib import faces
from fedit_lib.interactive import SketchPad, sketch_sheet, sketchpad
from fedit_lib.papers import s2fgan

PERSON = faces.sample(1, seed=2_000_000)
SMILE = [(0.35, 0.7), (0.5, 0.78), (0.65, 0.7)]


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    game = s2fgan.build("smoke")
    return game.averaged_networks(), {"config": game.config()}


@pytest.fixture
def editor(networks):
    """S2FGAN, untrained, which counts how often it reads a sketch."""
    editor = s2fgan.editor(*networks)
    whole = editor.code_of_sketch
    editor.calls = 0

    def counted(sketches):
        editor.calls += 1
        return whole(sketches)

    editor.code_of_sketch = counted
    return editor


@pytest.fixture
def pad(editor):
    return SketchPad(editor, width=320)


def ink(pad):
    """Where there is ink: (S, S) in [0, 1]."""
    return (1 - pad.sketch[0, 0]) / 2


def shown(pad):
    return pad._picture.value


def by_hand(pad, *points):
    """What the browser tells of a mouse: places in pixels of the page."""
    x, y = points[0]
    pad._pen_down(x, y)
    for x, y in points[1:]:
        pad._pen_moved(x, y)
    pad._pen_up(x, y)


def test_blank_page(pad):
    assert pad.sketch.shape == (1, 1, 32, 32) and (pad.sketch == 1).all()
    assert pad.strokes == 0 and pad._undo.disabled
    assert torch.equal(pad.face, pad.editor.from_sketch(pad.sketch)[0])
    assert "empty page" in pad._numbers.value
    assert Image.open(io.BytesIO(shown(pad))).size == (320, 320)


def test_stroke_is_ink_where_it_was_drawn(pad):
    blank, before = shown(pad), pad.face
    pad.draw([(0.25, 0.5), (0.75, 0.5)])
    where = ink(pad)
    assert where[15:17, 9:23].sum(0).min() > 0.25 and where[:13].max() == 0 and where[19:].max() == 0
    assert where[:, :7].max() == 0 and where[:, 25:].max() == 0
    assert pad.strokes == 1 and shown(pad) != blank and not torch.equal(pad.face, before)
    pad.clear()
    pad.draw([(0.5, 0.5)])  # a dot
    assert 0 < float(ink(pad).sum()) < 1


@pytest.mark.parametrize(("size", "least", "most"), [(32, 0.35, 0.55), (64, 0.65, 0.95), (320, 3, 3.8)])
def test_line_is_as_strong_as_those_of_the_face_world(size, least, most):
    """Pixels of ink across it."""
    from fedit_lib.interactive.sketchpad import _covered, _width

    for lines in ([[(0.2, 0.31), (0.8, 0.37)]], [[(0.2 + 0.01 * k, 0.31 + 0.001 * k) for k in range(60)]]):
        across = _covered(lines, _width("pen", size), size)[:, int(0.3 * size) : int(0.7 * size)].sum(0)
        assert least < float(across.mean()) < most


def test_hand_and_cell_draw_the_same(pad):
    by_hand(pad, *((320 * x, 320 * y) for x, y in SMILE))
    drawn, face = pad.sketch, pad.face
    pad.undo()
    assert (pad.sketch == 1).all()
    pad.draw(SMILE)
    assert torch.equal(pad.sketch, drawn) and torch.equal(pad.face, face) and pad.strokes == 1


def test_pen_leaves_the_page_and_moves_without_touching(pad):
    pad._pen_moved(100, 100)
    pad._pen_up(100, 100)
    assert pad.strokes == 0
    by_hand(pad, (300, 160), (340, 160))  # beyond the edge
    assert pad.strokes == 1 and ink(pad)[15:17, -1].sum() > 0.1
    pad._pen_moved(10, 10)
    assert ink(pad)[:8, :8].max() == 0
    pad._canvas._touch_start_callbacks([(20, 20)])
    pad._canvas._touch_move_callbacks([(60, 20)])
    pad._canvas._touch_end_callbacks([])
    assert pad.strokes == 2 and ink(pad)[:8, :8].max() > 0.2


def test_undo_takes_back_strokes_clear_and_start(pad):
    pages = [pad.sketch]
    for step in (
        lambda: pad.draw(SMILE),
        lambda: pad.draw([(0.5, 0.4), (0.5, 0.6)]),
        pad.clear,
        lambda: pad.start_from(PERSON),
        lambda: pad.draw(SMILE, "eraser"),
    ):
        step()
        pages.append(pad.sketch)
    for page in reversed(pages[:-1]):
        pad._undo.click()
        assert torch.equal(pad.sketch, page)
        assert torch.equal(pad.face, pad.editor.from_sketch(page)[0])
    assert pad._undo.disabled
    pad.undo()  # nothing to undo
    pad.draw(SMILE)
    pad._key("z", False, True, False)
    assert pad.strokes == 0


def test_eraser_takes_ink_away(pad):
    pad.draw([(0.2, 0.5), (0.8, 0.5)])
    pad.use("eraser")
    by_hand(pad, (160, 120), (160, 200))
    assert ink(pad)[:, 15:17].max() == 0 and ink(pad)[:, 8].sum() > 0.2
    pad.use("pen")
    by_hand(pad, (160, 120), (160, 200))  # ink goes over what was erased
    assert ink(pad)[14:18, 15:17].max() > 0.2


def test_a_stroke_keeps_the_tool_that_it_began_with(pad):
    for tool, other in (("pen", "eraser"), ("eraser", "pen")):
        pad.use(tool)
        pad._pen_down(100, 160)
        pad.use(other)
        pad._pen_moved(200, 160)
        under_the_pen = pad.sketch
        pad._pen_up(200, 160)
        assert torch.equal(pad.sketch, under_the_pen) and pad.tool == other
        assert (ink(pad)[15:17, 11:19].sum(0).min() > 0.25) == (tool == "pen")


def test_start_from_a_face_is_its_sketch(editor):
    pad = SketchPad(editor, PERSON, "wobbly")
    assert torch.equal(pad.sketch, faces.sketch(PERSON, 32, "wobbly")) and pad._skills.value == "wobbly"
    pad.start_from(PERSON, "clean")
    assert torch.equal(pad.sketch, faces.sketch(PERSON, 32)) and pad._skills.value == "clean"
    pad._skills.value = "poor"
    assert torch.equal(pad.sketch, faces.sketch(PERSON, 32, "poor"))
    pad.undo()
    assert torch.equal(pad.sketch, faces.sketch(PERSON, 32)) and pad._skills.value == "clean"
    pad._another.click()
    first = pad.sketch
    pad._another.click()
    assert not torch.equal(first, pad.sketch) and not torch.equal(first, faces.sketch(PERSON, 32))
    pad.draw(SMILE)
    pad._clear.click()
    assert (pad.sketch == 1).all() and pad.strokes == 0


def test_sliders_stand_where_the_sketch_reads(editor):
    pad = SketchPad(editor, PERSON)
    assert torch.equal(pad.reading, editor.read_sketch(pad.sketch)[0])
    assert torch.equal(pad.target, pad.reading)
    for name, read in zip(editor.attributes, pad.reading.tolist(), strict=True):
        assert pad[name].value == pytest.approx(read, abs=0.026)
    assert list(pad) == list(editor.attributes)


def test_slider_paints_from_the_kept_code(editor):
    pad = SketchPad(editor, PERSON)
    before, face, calls = shown(pad), pad.face, editor.calls
    pad.set("Smiling", 1.5)
    pad["Eyeglasses"].value = -0.5
    assert editor.calls == calls  # the sketch was not read again
    assert shown(pad) != before and not torch.equal(pad.face, face)
    assert pad.target[0] == 1.5 and pad.target[editor.column("Eyeglasses")] == -0.5
    pad.reset()
    assert shown(pad) == before and torch.equal(pad.face, face) and editor.calls == calls
    assert torch.equal(pad.target, pad.reading)


def test_a_page_that_rounds_moves_no_slider(editor):
    pad = SketchPad(editor, PERSON)
    for name in pad:
        pad[name].value += 1e-12
    assert torch.equal(pad.target, pad.reading) and pad["Smiling"].style.handle_color is None
    pad["Smiling"].value += 0.05
    assert not torch.equal(pad.target, pad.reading) and pad["Smiling"].style.handle_color


def test_all_sliders_moved_is_what_from_sketch_paints(editor):
    pad = SketchPad(editor, PERSON)
    target = torch.linspace(0, 1, len(editor.attributes)).mul(20).round() / 20
    pad.set(**dict(zip(editor.attributes, target.tolist(), strict=True)))
    assert torch.allclose(pad.face, editor.from_sketch(pad.sketch, target[None])[0], atol=1e-5)


def test_moved_slider_stays_while_the_others_follow(editor):
    pad = SketchPad(editor, PERSON)
    pad.set(Smiling=1.0)
    pad.draw([(0.1, 0.1), (0.9, 0.9)])
    pad.draw([(0.1, 0.9), (0.9, 0.1)])
    column = editor.column("Smiling")
    assert pad["Smiling"].value == 1.0 and pad.target[column] == 1.0
    rest = [k for k in range(len(editor.attributes)) if k != column]
    assert torch.equal(pad.target[rest], editor.read_sketch(pad.sketch)[0, rest])
    pad.clear()
    assert torch.equal(pad.target, pad.reading)


def test_undo_brings_back_the_sliders_that_a_new_page_let_go(editor):
    pad = SketchPad(editor, PERSON)
    column = editor.column("Smiling")
    for start in (pad.clear, lambda: pad.start_from(faces.sample(1, seed=2_000_001)), pad._offer):
        pad.draw(SMILE)
        pad.set(Smiling=1.25)
        face = pad.face
        start()
        assert torch.equal(pad.target, pad.reading)
        pad.draw(SMILE)
        pad.set(Eyeglasses=1.0)
        pad.undo()  # a stroke: the sliders stay
        assert pad.target[editor.column("Eyeglasses")] == 1
        pad.undo()
        assert pad["Smiling"].value == 1.25 == pad.target[column] and pad["Smiling"].style.handle_color
        assert torch.equal(pad.face, face) and pad["Eyeglasses"].style.handle_color is None
    pad.reset()
    assert torch.equal(pad.target, pad.reading)


def test_hair_has_one_colour_where_the_other_has_no_slider(editor):
    reading = SketchPad(editor, PERSON).reading
    most = editor.attributes[int(reading.argmax())]  # so that the other colour stands in the way
    other = next(name for name in editor.attributes if name not in (most, "Smiling"))
    renamed = {other: "Blond_Hair", most: "Black_Hair"}
    editor.attributes = tuple(renamed.get(name, name) for name in editor.attributes)
    shown = [name for name in editor.attributes if name != "Black_Hair"]
    every, few = SketchPad(editor, PERSON), SketchPad(editor, PERSON, attributes=shown[:2])
    assert few.reading[editor.column("Black_Hair")] > 0.9
    for strength in (0.5, 1.0):
        for pad in (every, few):
            pad.set(Blond_Hair=strength)
        assert torch.equal(few.target, every.target) and torch.equal(few.face, every.face)
        assert few.target[editor.column("Black_Hair")] <= 1 - strength
    few.reset()
    assert torch.equal(few.target, few.reading)


def in_a_loop(coroutine):
    """Run it in a thread of its own: a browser test before this one may have left its loop running here."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, coroutine).result()


class Clock:
    """Time that goes on only where a test lets it: a crowded machine is no slower."""

    now = 0.0

    def __call__(self):
        return self.now

    async def wait(self, seconds):
        self.now += seconds
        for _ in range(3):  # what was due meanwhile is done
            await asyncio.sleep(0)


def test_pen_does_not_queue_faces(editor, monkeypatch):
    """A hundred places of the pen, faster than faces: all of them are ink, few of them are faces."""
    clock = Clock()
    monkeypatch.setattr(sketchpad, "time", SimpleNamespace(perf_counter=clock))
    pad = SketchPad(editor, width=320)
    whole = editor.draw

    def slow(*arguments):
        clock.now += 0.05
        return whole(*arguments)

    editor.draw = slow

    async def draw():
        asyncio.get_running_loop().time = clock
        draws, began = pad.draws, clock.now
        pad._pen_down(10, 160)
        for x in range(12, 310, 3):
            pad._pen_moved(x, 160)
            await clock.wait(0.001)
        follow = pad.draws
        assert 1 <= follow - draws  # the face follows while the pen is down
        assert (follow - draws) * 0.05 <= (clock.now - began) / 2  # half of the time is left to the ink
        pad._pen_up(310, 160)
        assert pad.draws == follow + 1 and pad._due is None
        await clock.wait(0.2)
        assert pad.draws == follow + 1  # nothing is left over

    in_a_loop(draw())
    assert ink(pad)[15:17, 2:30].sum(0).min() > 0.25
    assert torch.equal(pad.face, editor.from_sketch(pad.sketch)[0])


def test_a_cell_sees_what_the_pen_just_drew(pad):
    async def draw():
        pad._pen_down(10, 160)
        pad._pen_moved(300, 160)
        face = pad.face  # before its time came
        assert torch.equal(face, pad.editor.from_sketch(pad.sketch)[0])

    in_a_loop(draw())


def test_text_and_picture_for_a_notebook(editor):
    pad = SketchPad(editor, PERSON, attributes=["Smiling", "Bangs"])
    pad.draw(SMILE)
    pad.set(Bangs=1.0)
    bundle = pad._repr_mimebundle_()
    assert bundle["text/plain"] == "SketchPad(S2FGAN (DIS), 1 stroke, Bangs=1.00, ...)"
    assert set(bundle) == {"text/plain", "image/jpeg", "application/vnd.jupyter.widget-view+json"}
    assert "image/jpeg" not in SketchPad(editor, fallback=False)._repr_mimebundle_()
    assert pad.fallback((0, 1)).size == pad.fallback((0.5, 1)).size


def test_sheet(editor):
    people = faces.sample(3, seed=2_000_000)
    calls = editor.calls
    one = sketch_sheet(editor, people, "Smiling", strengths=(0, 1))
    assert editor.calls == calls + 3
    assert one.size[0] < sketch_sheet(editor, people, "Smiling", strengths=(0, 0.5, 1)).size[0]
    alone = sketch_sheet(editor, None, "Smiling", sketches=faces.sketch(people, 32), strengths=(0, 1))
    assert alone.size[1] < one.size[1]  # no truths
    assert sketch_sheet(editor, people[0]).size == SketchPad(editor, people[0]).fallback().size


def test_an_editor_may_work_in_place(networks):
    tidy, spoiling = s2fgan.editor(*networks), s2fgan.editor(*networks)

    def spoils(method):
        def spoilt(*tensors):
            answer = method(*tensors).clone()
            for tensor in tensors:
                tensor.zero_()
            return answer

        return spoilt

    for name in ("code_of_sketch", "reading", "intensities_for", "draw"):
        setattr(spoiling, name, spoils(getattr(spoiling, name)))
    pads = [SketchPad(e, PERSON) for e in (tidy, spoiling)]
    for strength in (1.0, 0.0):
        for pad in pads:
            pad.set("Smiling", strength)
        assert torch.equal(pads[0].face, pads[1].face) and torch.equal(pads[0].reading, pads[1].reading)
    people = faces.sample(2, seed=2_000_000)
    for who, attribute in ((people, "Smiling"), (people[0], None)):
        sheets = [sketch_sheet(e, who, attribute, strengths=(0, 1)).tobytes() for e in (tidy, spoiling)]
        assert sheets[0] == sheets[1]


def test_what_does_not_fit_is_told(editor):
    class Photos:
        name, size, attributes = "Photos", 64, ("Smiling",)

    people = faces.sample(2, seed=2_000_000)
    for wrong, error, told in (
        (
            lambda: SketchPad(Photos()),
            ValueError,
            "Photos takes no sketches: it has no method code_of_sketch",
        ),
        (lambda: SketchPad(editor, people), ValueError, "one face, not from 2"),
        (
            lambda: SketchPad(editor, faces.sketch(people)),
            TypeError,
            "must be People of the face world, not Tensor",
        ),
        (
            lambda: SketchPad(editor, PERSON, "bad"),
            ValueError,
            "unknown skill 'bad'; known: clean, wobbly, poor",
        ),
        (lambda: SketchPad(editor, start=0.5), ValueError, "span at least 0 to 1"),
        (lambda: SketchPad(editor, attributes=["Smilling"]), faces.UnknownAttribute, "Smiling"),
        (lambda: sketch_sheet(Photos(), people, "Smiling"), ValueError, "takes no sketches"),
        (lambda: sketch_sheet(editor, people), ValueError, "name an attribute"),
        (lambda: sketch_sheet(editor), ValueError, "give people of the face world, or sketches"),
        (lambda: sketch_sheet(editor, people, "Smiling", strengths=()), ValueError, "strengths is empty"),
        (lambda: sketch_sheet(editor, people, "Smiling", skill="bad"), ValueError, "unknown skill"),
        (lambda: sketch_sheet(editor, sketches=torch.ones(1, 3, 32, 32)), ValueError, r"\(B, 1, S, S\)"),
        (
            lambda: sketch_sheet(editor, people, "Smiling", sketches=torch.ones(1, 1, 32, 32)),
            ValueError,
            "1 sketches, but 2 people",
        ),
    ):
        with pytest.raises(error, match=told):
            wrong()


def test_what_cannot_be_drawn_is_told_and_changes_nothing(pad):
    for wrong, told in (
        (lambda: pad.draw([]), "at least one point"),
        (lambda: pad.draw((0.5, 0.5)), r"a list of points \(x, y\)"),
        (lambda: pad.draw([(0.5, 1.5)]), r"\(0.5, 1.5\) is off the page"),
        (lambda: pad.draw(SMILE, "brush"), "choose one of pen, eraser"),
        (lambda: pad.use("brush"), "choose one of pen, eraser"),
        (lambda: pad.start_from(faces.sample(2)), "one face, not from 2"),
        (lambda: pad.start_from(PERSON, "bad"), "unknown skill"),
        (lambda: pad.set(Smiling=3.0), "Smiling can be set from -0.5 to 1.5; got 3"),
        (lambda: pad.set("Smiling"), "say how strong"),
    ):
        with pytest.raises(ValueError, match=told):
            wrong()
    with pytest.raises(faces.UnknownAttribute):
        pad.set(Smilling=1.0)
    assert (pad.sketch == 1).all() and torch.equal(pad.target, pad.reading)


def test_an_editor_that_fails_is_told_on_the_page(editor, pad):
    whole = editor.draw

    def broken(codes, a):
        raise RuntimeError("out of paint")

    editor.draw = broken
    with pytest.raises(RuntimeError, match="out of paint"):
        pad.draw(SMILE)
    assert "out of paint" in pad._message.value
    assert "image/jpeg" not in pad._repr_mimebundle_()
    by_hand(pad, (10, 10), (50, 50))  # a hand is told, too, and draws on
    assert pad.strokes == 2
    assert pad._picture.layout.visibility == "hidden" and pad._numbers.value == ""
    editor.draw = whole
    pad.undo()
    assert pad._picture.layout.visibility == "visible"
    assert pad._message.value == "" and torch.equal(pad.face, editor.from_sketch(pad.sketch)[0])


@pytest.mark.parametrize(
    ("method", "answer", "told"),
    [
        (
            "code_of_sketch",
            lambda sketches: torch.full((1, 8), float("nan")),
            "gave NaN; .* float tensor .1, any.",
        ),
        ("reading", lambda codes: codes[:, :2], r"gave a tensor \(1, 2\)"),
        ("intensities_for", lambda codes, target: target.long(), "gave torch.int64"),
        (
            "draw",
            lambda codes, a: torch.full((len(codes), 3, 32, 32), 3.0),
            r"gave values from 3 to 3; .*\[-1, 1\]",
        ),
    ],
)
def test_an_answer_that_is_none_is_told(editor, pad, method, answer, told):
    setattr(editor, method, answer)
    by_hand(pad, (10, 10), (50, 50))
    told = re.escape(f"{editor.name}.{method} ") + told
    assert re.search(told, pad._message.value)
    with pytest.raises(ValueError, match=told):
        pad.face  # noqa: B018
    with pytest.raises(ValueError, match=told):
        sketch_sheet(editor, PERSON, "Smiling")
