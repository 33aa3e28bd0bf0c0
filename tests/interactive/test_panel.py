from __future__ import annotations

import html
import io
import json
from datetime import datetime, timezone

import pytest
import torch
from PIL import Image

from fedit_lib import faces
from fedit_lib.interactive import EditorPanel, PhotoError, difference, read_photo, sheet, strip, to_pil


class Bands:
    """An editor whose every answer is known: attribute j adds (target - label) / 2 to rows 16 j of its own."""

    name, size = "Bands", 64
    attributes = ("Smiling", "Eyeglasses", "Black_Hair", "Blond_Hair")
    calls = 0

    def __init__(self, source="procedural"):
        self.receipt = {"source": source}

    def edit(self, images, labels, target):
        self.calls += 1
        out = images.clone()
        for j in range(4):
            out[:, :, 16 * j : 16 * j + 16] += (target - labels)[:, j, None, None, None] * 0.5
        return out.clamp(-1, 1)

    def reconstruct(self, images, labels):
        return self.edit(images, labels, labels)


class Exact(Bands):
    """Knows the one person that it is asked about: its edits are the true answers."""

    def __init__(self, people):
        super().__init__()
        self.people = people

    def edit(self, images, labels, target):
        moved = (target != labels).any(0)
        names = [n for n, m in zip(self.attributes, moved.tolist(), strict=True) if m]
        return faces.render(self.people.with_targets(names, target[:, moved]) if names else self.people)


GREY = torch.zeros(3, 3, 64, 64)
LABELS = torch.tensor([[0.0, 0, 1, 0], [1, 0, 0, 1], [0, 1, 0, 0]])


@pytest.fixture
def panel():
    return EditorPanel(Bands(), GREY, LABELS)


def shown(panel, k=0):
    return panel._pictures[k].value


def jpeg(width=80, height=60, colour=(200, 30, 30)):
    data = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(data, "JPEG")
    return data.getvalue()


def test_slider_changes_the_picture_and_back(panel):
    before = shown(panel)
    assert panel.change() == 0
    panel["Smiling"].value = 1.0
    assert shown(panel) != before
    assert panel.change() == pytest.approx(
        0.5 * 127.5 / 4, abs=0.01
    )  # a quarter of the rows by half of [-1, 1]
    assert Image.open(io.BytesIO(shown(panel))).size == (320, 320)
    panel.reset()
    assert shown(panel) == before and panel.change() == 0


def test_target_is_what_the_sliders_say(panel):
    panel.set(Smiling=-0.5, Eyeglasses=1.5)
    assert panel.target.tolist() == [-0.5, 1.5, 1, 0]
    assert panel.labels.tolist() == LABELS[0].tolist()


def test_several_moves_are_one_edit(panel):
    before = panel.editor.calls
    panel.set(Smiling=1.0, Eyeglasses=0.5, Black_Hair=0.0)
    assert panel.editor.calls == before + 1
    panel.choose(1)  # moves four sliders
    assert panel.editor.calls == before + 2


def test_hair_has_one_colour(panel):
    panel.set("Blond_Hair", 0.75)
    assert panel["Black_Hair"].value == 0.25
    panel.set("Blond_Hair", 0.0)
    assert panel["Black_Hair"].value == 0.25  # what a slider took, reset gives back
    panel.reset()
    assert panel.target.tolist() == LABELS[0].tolist()


def test_an_exaggerated_attribute_stays_so(panel):
    """Black hair, which fades, takes nothing back."""
    panel["Blond_Hair"].value = 1.5
    assert panel.target.tolist() == [0, 0, 0, 1.5]
    panel["Black_Hair"].value = -0.5
    assert panel.target.tolist() == [0, 0, -0.5, 1.5]


def test_hair_has_one_colour_too_when_the_own_one_comes_back(panel):
    """A blond face, black by the slider, then blond again: at its label a slider rests, and still rules the others."""
    own = panel.labels.tolist()
    mine, other = ("Blond_Hair", "Black_Hair") if own[3] else ("Black_Hair", "Blond_Hair")
    panel[mine].value = 0.0
    panel[other].value = 1.0
    panel[mine].value = 1.0
    assert panel[other].value == 0.0


def test_hair_has_one_colour_where_the_other_has_no_slider():
    class Listens(Bands):
        def edit(self, images, labels, target):
            self.asked = target[0].tolist()
            return images

    panel = EditorPanel(
        Listens(), GREY, LABELS, attributes=["Blond_Hair", "Smiling"]
    )  # the face's hair is black
    panel.set(Blond_Hair=0.75)
    assert panel.target.tolist() == panel.editor.asked == [0, 0, 0.25, 0.75]
    panel.set(Blond_Hair=1.0)
    assert panel.editor.asked == [0, 0, 0, 1]
    panel.reset()
    assert panel.target.tolist() == LABELS[0].tolist()  # what has no slider comes back by itself
    panel.set(Smiling=1.0)
    assert panel.target.tolist() == [1, 0, 1, 0]


def test_choosing_a_face(panel):
    panel.set("Smiling", 1.0)
    panel.choose(torch.tensor([0.1, 0.2, 0.9]).argmax())
    assert panel.index == 2 and panel.target.tolist() == LABELS[2].tolist() and panel.change() == 0
    panel._walk(1)
    assert panel.index == 2  # the last one
    panel._back.click()
    assert panel.index == 1
    panel._thumbs[0].click()
    assert panel.index == 0
    for wrong in (3, -1, "0"):
        with pytest.raises(ValueError, match="choose one from 0 to 2"):
            panel.choose(wrong)


def test_thumbnails_follow_a_long_row():
    panel = EditorPanel(Bands(), torch.zeros(20, 3, 64, 64), torch.zeros(20, 4))
    panel.choose(19)
    assert [t.tooltip for t in panel._thumbs] == [f"face {i}" for i in range(12, 20)]
    assert "fedit-chosen" in panel._thumbs[7]._dom_classes and panel._next.disabled
    panel.choose(0)
    assert panel._thumbs[0].tooltip == "face 0" and panel._back.disabled


def test_views(panel):
    panel.set("Smiling", 1.0)
    after = shown(panel)
    panel.show("before")
    before = shown(panel)
    panel.show("difference")
    assert len({after, before, shown(panel)}) == 3
    panel.show("after")
    assert shown(panel) == after
    with pytest.raises(ValueError, match="after, before, difference"):
        panel.show("sideways")


def test_attention_view_only_where_there_is_attention():
    class Looks(Bands):
        def attention(self, images, labels, target):
            return torch.ones(len(images), 1, 64, 64) * target[:, :1, None, None].clamp(0, 1)

    panel = EditorPanel(Looks(), GREY, LABELS)
    assert panel.views[-1] == "attention"
    panel.show("attention")
    dark = shown(panel)
    panel.set("Smiling", 1.0)
    assert shown(panel) != dark
    assert "attention" not in EditorPanel(Bands(), GREY, LABELS).views


def test_the_attention_view_asks_what_the_edit_asked():
    class Looks(Bands):
        attributes = ("Bald", "Blond_Hair", "Smiling", "Bangs")

        def attention(self, images, labels, target):
            self.looked = target.clone()
            if target[0, 2] > 1.2:
                raise RuntimeError("look away")
            return None if target[0, 2] > 1 else torch.zeros(len(images), 1, 64, 64)

        def edit(self, images, labels, target):
            self.asked = target.clone()
            return images

    panel = EditorPanel(Looks(), GREY[:1], torch.tensor([[0.0, 1, 1, 0]]))
    panel.set("Bald", 1.0)
    panel.show("attention")
    assert panel.editor.looked.tolist() == panel.editor.asked.tolist() == [[1, 0, 1, 0]]
    panel["Smiling"].value = 1.1  # as a hand does it: told on the panel
    assert "ValueError: Bands.attention gave None for this edit" in panel._message.value
    with pytest.raises(RuntimeError, match="look away"):
        panel.set("Smiling", 1.5)
    panel.show("after")  # the edit itself is whole
    assert panel._message.value == "" and panel.change() == 0
    with pytest.raises(RuntimeError, match="look away"):
        panel.show("attention")


def test_true_answer_beside_the_edit():
    people = faces.sample(4, seed=2_000_000)
    panel = EditorPanel(Exact(people[1:2]), people=people)
    panel.choose(1)
    start = shown(panel, 1)
    wanted = 1 - float(panel.labels[1])
    panel.set("Eyeglasses", wanted)
    assert shown(panel, 1) != start
    assert panel.psnr() == 60 and torch.equal(panel.truth, panel.after)
    true = faces.render(people[1:2].with_attribute("Eyeglasses", faces.TYPICAL[int(wanted)]))[0]
    assert torch.equal(panel.truth, true)
    assert EditorPanel(Bands(), GREY, LABELS).truth is None


def test_text_is_short_and_stable(panel):
    bundle = panel._repr_mimebundle_()
    assert bundle["text/plain"] == "Editor(Bands, Smiling=0.00, ...)"
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert len(bundle["image/jpeg"]) < 80_000
    json.dumps(bundle)  # what a notebook must be able to hold
    panel.set(Smiling=1.0, Eyeglasses=0.5)
    assert repr(panel) == "Editor(Bands, Smiling=1.00, Eyeglasses=0.50, ...)"
    assert repr(EditorPanel(Bands(), GREY, LABELS, attributes=["Smiling"])) == "Editor(Bands, Smiling=0.00)"
    assert "image/jpeg" not in EditorPanel(Bands(), GREY, LABELS, fallback=False)._repr_mimebundle_()


def test_no_output_widget(panel):
    def below(widget):
        yield type(widget).__name__
        for child in getattr(widget, "children", ()):
            yield from below(child)

    names = set(below(panel))
    assert "FloatSlider" in names and "Output" not in names


def test_unknown_attribute_lists_the_known(panel):
    for use in (
        lambda: panel["Smilin"],
        lambda: panel.set("Smilin", 1.0),
        lambda: EditorPanel(Bands(), GREY, LABELS, attributes=["Smilin"]),
        lambda: strip(Bands(), GREY, LABELS, "Smilin"),
        lambda: sheet(Bands(), GREY, LABELS, ["Smilin"]),
    ):
        with pytest.raises(faces.UnknownAttribute, match=r"'Smilin'.*Smiling.*Eyeglasses"):
            use()


def test_strength_out_of_range_moves_nothing(panel):
    with pytest.raises(ValueError, match=r"Eyeglasses can be set from -0.5 to 1.5; got 3"):
        panel.set(Smiling=1.0, Eyeglasses=3.0)
    with pytest.raises(ValueError, match="Smiling"):
        panel.set("Smiling", float("nan"))
    assert panel.target.tolist() == LABELS[0].tolist()
    with pytest.raises(ValueError, match="say how strong"):
        panel.set("Smiling")
    with pytest.raises(ValueError, match="say which attribute"):
        panel.set(strength=1.0)
    with pytest.raises(ValueError, match="Smiling is set to a number, 0 absent to 1 present; got 'much'"):
        panel.set("Smiling", "much")


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((), {}, "images and their labels, or people"),
        ((GREY,), {}, "labels"),
        ((GREY[:, :2], LABELS), {}, r"\(B, 3, S, S\)"),
        ((GREY[..., :32, :32], LABELS), {}, "64"),
        ((GREY + 9, LABELS), {}, r"\[-1, 1\]"),
        ((GREY, LABELS[:, :3]), {}, r"\(3, 4\)"),
        ((GREY, LABELS * 2 - 1), {}, "labels"),
        ((GREY[:0], LABELS[:0]), {}, "empty"),
        ((GREY, LABELS), {"start": 0.5}, "span at least 0 to 1"),
        ((GREY, LABELS), {"step": 0}, "step > 0"),
        ((GREY, LABELS), {"step": float("inf")}, "step > 0"),
        ((GREY, LABELS), {"people": faces.sample(2)}, "3 images, but 2 people"),
    ],
)
def test_bad_input_is_named(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        EditorPanel(Bands(), *arguments, **options)


def test_what_is_no_editor_and_who_is_no_people_is_told():
    for wrong, told in (
        (lambda: EditorPanel("attgan", GREY, LABELS), r"a str has no attributes; load_editor"),
        (lambda: EditorPanel(Bands, GREY, LABELS), r"the class Bands is no editor yet: Bands\(...\)"),
        (lambda: EditorPanel(Bands(), people=GREY), r"people must be .* not a Tensor"),
    ):
        with pytest.raises(TypeError, match=told):
            wrong()


class Moody(Bands):
    """Refuses smiles of more than a strength."""

    def __init__(self, most):
        super().__init__()
        self.most = most

    def edit(self, images, labels, target):
        if target[0, 0] > self.most:
            raise RuntimeError("no <grin> please")
        return super().edit(images, labels, target)


def test_error_of_an_editor_is_shown_and_raised():
    panel = EditorPanel(Moody(most=1), GREY, LABELS)
    panel["Smiling"].value = 1.5  # as a hand does it: told on the panel
    assert "RuntimeError in Bands.edit: no &lt;grin&gt; please" in panel._message.value
    with pytest.raises(RuntimeError, match="grin"):
        panel.change()
    with pytest.raises(RuntimeError, match="grin"):
        panel.set("Smiling", 1.45)
    panel.reset()
    assert panel._message.value == "" and panel.change() == 0


def test_what_an_editor_fails_at_is_not_shown():
    people = faces.sample(2, seed=2_000_000)
    images = torch.stack([torch.zeros(3, 64, 64), torch.full((3, 64, 64), -1.0)])
    panel = EditorPanel(Moody(most=0), images, torch.tensor([[0.0, 0, 0, 0], [1, 0, 0, 0]]), people=people)
    panel._next.click()  # another face, and the edit of the one before is none of its
    assert "RuntimeError" in panel._message.value and panel._numbers.value == ""
    assert [box.layout.visibility for box in panel._shown] == ["hidden", "hidden"]
    panel._view.value = "before"  # the face as it is needs no editor
    assert panel._shown[0].layout.visibility == "visible" and panel._captions[0].value == "the face as it is"
    assert Image.open(io.BytesIO(shown(panel))).getextrema() == ((0, 0),) * 3
    panel.set(Smiling=0.0)
    assert [box.layout.visibility for box in panel._shown] == ["visible", "visible"]


def test_an_editor_that_fails_at_another_strength_has_its_widget():
    class Halves(Bands):
        def edit(self, images, labels, target):
            if (target == 0.5).any():
                raise RuntimeError("no halves")
            return images

    panel = EditorPanel(Halves(), GREY, LABELS)
    assert set(panel._repr_mimebundle_()) == {"text/plain", "application/vnd.jupyter.widget-view+json"}
    assert (
        "No picture" in panel._message.value
        and "RuntimeError in Bands.edit: no halves" in panel._message.value
    )
    panel.set(Smiling=1.0)
    assert panel._message.value == "" and panel.change() == 0


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda images: faces.to_uint8(images), "torch.uint8 (faces.to_float"),
        (lambda images: images * float("nan"), "NaN"),
        (lambda images: images / torch.zeros(1), "infinite values"),
        (lambda images: images[..., :32, :32], "a tensor (1, 3, 32, 32)"),
        (lambda images: images[0], "a tensor (3, 64, 64)"),
        (lambda images: images * 2, "values from -2 to 2"),
        (lambda images: images.numpy(), "a ndarray"),
        (lambda images: None, "None"),
    ],
)
def test_an_answer_that_is_no_picture_is_told(answer, told):
    class Odd(Bands):
        def edit(self, images, labels, target):
            return answer(images) if (target != labels).any() else images

    images = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)
    panel = EditorPanel(Odd(), images, LABELS[:1])
    panel["Smiling"].value = 1.0
    for part in (f"Bands.edit gave {told}", "expected is a float tensor (1, 3, 64, 64) in [-1, 1]"):
        assert part in html.unescape(panel._message.value)
    with pytest.raises(ValueError, match=r"Bands\.edit gave"):
        panel.change()
    with pytest.raises(ValueError, match=r"Bands\.edit gave"):
        strip(Odd(), images, LABELS[:1], "Smiling", (1,))
    panel.reset()
    assert panel._message.value == "" and panel.change() == 0


def test_a_hundredth_too_much_is_forgiven_and_another_scale_suspected():
    class Scaled(Bands):
        by = staticmethod(lambda images: images * 1.005)

        def edit(self, images, labels, target):
            return self.by(images)

    images = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)
    assert EditorPanel(Scaled(), images, LABELS[:1]).after.aminmax() == (-1, 1)
    Scaled.by = staticmethod(lambda images: (images + 1) / 2)
    with pytest.warns(UserWarning, match=r"Bands.edit gave nothing below 0.*2 \* pictures - 1"):
        EditorPanel(Scaled(), images, LABELS[:1])


def test_what_is_handed_out_can_be_written_to():
    people = faces.sample(1, seed=2_000_000)
    images, labels = faces.render(people), people.labels(Bands.attributes)
    panel = EditorPanel(Bands(), images, labels, people=people)
    facts = ("labels", "target", "before", "after", "truth")
    whole = {name: getattr(panel, name).clone() for name in facts}
    for tensor in (images, labels, *(getattr(panel, name) for name in facts)):
        tensor.fill_(0.5)
    assert all(torch.equal(getattr(panel, name), tensor) for name, tensor in whole.items())


def test_a_choice_of_attributes_is_checked():
    assert EditorPanel(Bands(), GREY, LABELS, attributes="Smiling").attributes == ("Smiling",)
    with pytest.raises(ValueError, match="no attribute to choose from: name some of Smiling"):
        EditorPanel(Bands(), GREY, LABELS, attributes=[])
    with pytest.raises(ValueError, match="named twice"):
        EditorPanel(Bands(), GREY, LABELS, attributes=["Smiling", "Smiling"])


# ---- photos of one's own ---------------------------------------------------------------------------------------------


def uploaded(panel, content, name="me.jpg"):
    """What the browser sends after a file was chosen."""
    file = {"name": name, "type": "image/jpeg", "size": len(content), "content": memoryview(content)}
    panel._upload.value = ({**file, "last_modified": datetime(2020, 1, 1, tzinfo=timezone.utc)},)


def guess(image, attributes):
    assert image.shape == (1, 3, 64, 64)
    return torch.tensor([[0.9, 0.2, 0.4, 0.6]])


def test_upload_guess_and_correction():
    panel = EditorPanel(Bands(), GREY, LABELS, photos=True, guess_labels=guess)
    uploaded(panel, jpeg())
    assert (
        panel.index == 3 and panel.labels.tolist() == [1, 0, 0, 1] and panel.target.tolist() == [1, 0, 0, 1]
    )
    assert panel._own.layout.display is None and panel._upload.value == ()
    panel._present["Eyeglasses"].value = True  # a click on the toggle
    assert panel.labels.tolist() == [1, 1, 0, 1] and panel["Eyeglasses"].value == 1
    panel.correct("Smiling", False)
    assert panel.labels.tolist() == [0, 1, 0, 1] and panel.change() == 0
    panel.choose(0)
    assert panel._own.layout.display == "none"
    with pytest.raises(ValueError, match="only a photo"):
        panel.correct("Smiling", False)
    panel.choose(3)
    assert panel.labels.tolist() == [0, 1, 0, 1]  # the correction is remembered


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"this is text", "not a picture"),
        (b"", "empty"),
        (jpeg(400, 300)[:600], "damaged|not a picture"),
        (jpeg(8, 8), "at least 16 x 16"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
    ],
)
def test_bad_upload_is_told(content, message):
    with pytest.raises(PhotoError, match=message):
        read_photo(content, 64)
    panel = EditorPanel(Bands(), GREY, LABELS, photos=True)
    uploaded(panel, content, "notes.txt")
    assert "notes.txt" in panel._message.value and panel._message.layout.display is None
    assert panel.index == 0 and len(panel._faces) == 3
    uploaded(panel, jpeg())
    assert panel._message.value == "" and panel.index == 3
    panel.editor.edit = None
    panel._back.click()
    assert "Bands.edit" in panel._message.value
    uploaded(panel, content, "notes.txt")  # told also where the editor fails
    assert "notes.txt" in panel._message.value


def test_photos_only_for_models_of_photos():
    def lines(panel):
        return " ".join(child.value for child in panel.children if hasattr(child, "value"))

    drawn = EditorPanel(Bands(), GREY, LABELS)
    assert "trained on drawn faces" in lines(drawn)
    with pytest.raises(PhotoError, match="drawn faces"):
        drawn.open_photo(jpeg())
    silent = Bands()
    silent.receipt = {}
    assert "does not say" in lines(EditorPanel(silent, GREY, LABELS))
    silent.receipt = {"source": "celeba"}
    panel = EditorPanel(silent, GREY, LABELS)
    panel.open_photo(jpeg())
    assert "No photo" not in lines(panel) and panel.labels.sum() == 0


def test_wrong_guess_is_an_error():
    panel = EditorPanel(
        Bands(), GREY, LABELS, photos=True, guess_labels=lambda image, names: torch.ones(1, 3)
    )
    with pytest.raises(ValueError, match=r"guess_labels must give \(1, 4\)"):
        panel.open_photo(jpeg())
    assert len(panel._faces) == 3


def test_photo_is_upright_square_and_resized(tmp_path):
    wide = Image.new("RGB", (200, 100), "blue")
    wide.paste((255, 0, 0), (50, 0, 150, 100))
    path = tmp_path / "wide.png"
    wide.save(path)
    photo = read_photo(path, 32)
    assert photo.shape == (1, 3, 32, 32)
    assert photo[0, 0].min() > 0.8 and photo[0, 2].max() < -0.8  # the red middle, but for the filter's edge
    half = Image.new("RGB", (64, 64), "black")
    half.paste((255, 255, 255), (0, 0, 64, 32))
    exif = Image.Exif()
    exif[0x0112] = 3  # held upside down
    half.save(tmp_path / "turned.png", exif=exif)
    turned = read_photo(tmp_path / "turned.png", 64)
    assert turned[0, :, :30].max() == -1 and turned[0, :, 34:].min() == 1
    Image.new("RGBA", (64, 64), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert read_photo(tmp_path / "clear.png", 16).min() == 1
    with pytest.raises(PhotoError, match=r"cannot read none\.png"):
        read_photo(tmp_path / "none.png", 16)
    for wrong in (None, 64, half):  # not bytes(64), a black picture's worth of nothing
        with pytest.raises(PhotoError, match="a photo is a path or the bytes of a file, not a"):
            read_photo(wrong, 16)


def test_a_photo_at_home_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    Image.new("RGB", (64, 64), "white").save(tmp_path / "me.png")
    assert read_photo("~/me.png", 16).min() == 1


# ---- pictures to fall back on ------------------------------------------------------------------------------------


def test_strip_shows_each_strength():
    picture = strip(Bands(), GREY[0], LABELS[0], "Smiling", (0, 1), scale=1)
    tiles = [
        picture.crop((4 + 68 * k, picture.height - 68, 68 * k + 68, picture.height - 4)) for k in range(3)
    ]
    tops = [tile.getpixel((32, 8))[0] for tile in tiles]  # Smiling brightens the top rows
    assert tops[0] == tops[1] == 128 and tops[2] == 191
    assert tiles[2].getpixel((32, 50))[0] == 128


def test_strip_asks_for_one_hair_colour():
    asked = []

    class Listens(Bands):
        def edit(self, images, labels, target):
            asked.append(target.clone())
            return images

    strip(Listens(), GREY[:1], LABELS[:1], "Blond_Hair", (0, 1))
    assert asked[0].tolist() == [[0, 0, 1, 0], [0, 0, 0, 1]]


def test_nothing_hidden_is_asked_of_an_editor():
    class Listens(Bands):
        attributes = ("Bald", "Blond_Hair", "Smiling", "Bangs")

        def edit(self, images, labels, target):
            self.asked = target.clone()
            return images

    labels = torch.tensor([[0.0, 1, 1, 1], [1, 1, 0, 0]])
    panel = EditorPanel(Listens(), GREY[:2], labels)
    panel.set("Bald", 1.0)
    assert panel.editor.asked.tolist() == [[1, 0, 1, 0]]
    assert panel.target.tolist() == [1, 1, 1, 1]
    panel.set("Bald", 0.0)
    assert panel.editor.asked.tolist() == [[0, 1, 1, 1]]  # the colour is back
    panel.set("Bald", 1.0)
    panel.set("Bangs", 0.9)
    assert panel.editor.asked[0].tolist() == pytest.approx([0, 1, 1, 0.9])  # bangs need a head of hair
    panel.choose(1)
    assert panel.editor.asked.tolist() == [[1, 1, 0, 0]]  # labels as they are given stay


def test_sheet_and_fallback_sizes():
    people = faces.sample(2, seed=2_000_000)
    images, labels = faces.render(people), people.labels(Bands.attributes)
    plain = sheet(Bands(), images, labels, scale=1)
    with_truth = sheet(Bands(), images, labels, people=people, scale=1)
    assert with_truth.height == plain.height + 2 * 68
    one = sheet(Bands(), images, labels, ["Smiling"], scale=1)
    assert plain.width - one.width == 3 * 68
    panel = EditorPanel(Bands(), people=people)
    assert panel.fallback((0, 1)).width < panel.fallback().width
    with pytest.raises(ValueError, match="strengths is empty"):
        strip(Bands(), images, labels, "Smiling", ())


def test_difference_is_black_where_nothing_changed():
    after = GREY.clone()
    after[:, 0, :32] += 0.6
    heat = difference(GREY, after)
    assert heat.shape == GREY.shape
    assert (heat[:, :, 32:] == -1).all() and heat[:, :, :32].mean() > 0.5
    with pytest.raises(ValueError, match="shapes"):
        difference(GREY, after[:1])


def test_to_pil_keeps_the_pixels():
    image = torch.full((3, 2, 2), -1.0)
    image[0, 0, 0] = 1
    assert to_pil(image).getpixel((0, 0)) == (255, 0, 0)
    assert to_pil(faces.to_uint8(image)).getpixel((0, 0)) == (255, 0, 0)
    with pytest.raises(ValueError, match=r"one picture is \(3, S, S\), not \(1, 3, 2, 2\)"):
        to_pil(image[None])
    assert to_pil(image, 8).getpixel((3, 3)) == (255, 0, 0) and to_pil(image, 8).getpixel((4, 4)) == (0, 0, 0)


def test_an_editor_may_work_in_place():
    class Spoils(Bands):
        def edit(self, images, labels, target):
            answer = super().edit(images, labels, target)
            for tensor in (images, labels, target):
                tensor.zero_()
            return answer

        def attention(self, images, labels, target):
            return self.edit(images, labels, target)[:, :1].abs()

    images = torch.full((3, 3, 64, 64), 0.25)
    panel = EditorPanel(Spoils(), images, LABELS)
    panel.show("attention")
    panel.set(Smiling=1.0)
    assert torch.equal(panel.before, images[0]) and torch.equal(panel.labels, LABELS[0])
    assert panel.target.tolist() == [1, 0, 1, 0]
    assert sheet(Spoils(), images, LABELS).tobytes() == sheet(Bands(), images, LABELS).tobytes()


def test_a_guess_may_work_in_place():
    panel = EditorPanel(
        Bands(), GREY, LABELS, photos=True, guess_labels=lambda image, names: image.zero_()[:, 0, 0, :4]
    )
    panel.open_photo(jpeg())
    assert torch.equal(panel.before, read_photo(jpeg(), 64)[0])


def test_an_editor_that_does_not_say_its_size_gets_64_pixels():
    """The protocol's rule, the widgets' too: somebody's own editor needs attributes, edit and reconstruct."""

    class Sizeless:
        attributes, reconstruct = ("Smiling",), Bands.reconstruct

        def edit(self, images, labels, target):
            assert images.shape[-1] == 64
            return images

    editor, people = Sizeless(), faces.sample(2, seed=faces.SEEDS["test"].start)
    images, labels = faces.render(people), people.labels(["Smiling"])
    EditorPanel(editor, people=people).set(Smiling=1.0)
    assert strip(editor, images[0], labels[0], "Smiling", people=people[:1]).width > 64
    assert sheet(editor, images, labels, people=people).width > 64
    editor.size = 32.5
    with pytest.raises(ValueError, match=r"Sizeless\.size is 32\.5.*whole number"):
        EditorPanel(editor, people=people)
