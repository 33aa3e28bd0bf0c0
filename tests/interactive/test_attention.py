from __future__ import annotations

import functools
import io
import json
import re
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from fedit_lib import faces
from fedit_lib.evaluation import TrueAnswer
from fedit_lib.interactive import AttentionViewer, attention_sheet

ATTRIBUTES = ("Eyeglasses", "Smiling", "Blond_Hair", "Black_Hair")
PEOPLE = faces.sample(4, seed=2_000_000, correlated=False)


@functools.cache
def region_of_all(name):
    """One by one, as the viewer asks: in a batch a pixel at the rim may be rounded the other way."""
    return torch.cat([faces.region(PEOPLE[i], name) for i in range(len(PEOPLE))])


class Known(TrueAnswer):
    """An editor whose mask is the true region, blown by `shift` pixels to the right; it paints red."""

    name = "Known"

    def __init__(self, shift=0):
        super().__init__(PEOPLE, ATTRIBUTES)
        self.shift = shift
        self.calls = 0

    def attention(self, images, labels, target):
        who = self.known.find(images)
        mask = torch.zeros(len(images), 64, 64, dtype=torch.bool)
        for name, changed in zip(ATTRIBUTES, (target != labels).any(0).tolist(), strict=True):
            if changed:
                mask |= region_of_all(name)[who]
        return mask[:, None].float().roll(self.shift, -1)

    def content(self, images, labels, target):
        return torch.tensor([1.0, -1, -1]).view(1, 3, 1, 1).expand_as(images)

    def edit(self, images, labels, target):
        self.calls += 1
        mask, red = self.attention(images, labels, target), self.content(images, labels, target)
        strength = (target - labels).abs().amax(1).view(-1, 1, 1, 1) * mask
        return images * (1 - strength) + red * strength


class Blind:
    """No mask, no content: half the picture is darkened."""

    name, size, attributes = "Blind", 64, ATTRIBUTES

    def edit(self, images, labels, target):
        return images - (images + 1) * (target - labels).abs().amax(1).view(-1, 1, 1, 1) / 2

    def reconstruct(self, images, labels):
        return images


@pytest.fixture
def viewer():
    return AttentionViewer(Known(), people=PEOPLE)


def shown(viewer, part):
    return viewer._pictures[part].value


def pixels(data):
    return torch.frombuffer(bytearray(Image.open(io.BytesIO(data)).convert("L").tobytes()), dtype=torch.uint8)


def test_perfect_mask_has_perfect_numbers(viewer):
    assert viewer.numbers() == {"mask_ap": 1.0, "mask_iou": 1.0, "leakage": 0.0}
    assert "mask AP <b>1.00</b>" in viewer._numbers.value and "grey levels" in viewer._numbers.value
    assert torch.equal(viewer.region, faces.region(PEOPLE[0], "Eyeglasses")[0])
    assert torch.equal(viewer.mask[0] > 0.5, viewer.region)


def test_misplaced_mask_has_worse_numbers():
    numbers = AttentionViewer(Known(shift=9), people=PEOPLE).numbers()
    assert 0 < numbers["mask_iou"] < 0.9 and 0 < numbers["mask_ap"] < 0.95 and numbers["leakage"] > 1


def test_first_seen_is_the_edit_made(viewer):
    assert viewer.strength == 1 - float(viewer.labels[0])
    viewer.choose(1)
    assert viewer.index == 1 and viewer.strength == 1 - float(PEOPLE[1].labels(ATTRIBUTES)[0, 0])
    assert not torch.equal(viewer.after, viewer.before)


def test_six_pictures_show_what_they_say(viewer):
    parts = viewer._look.parts
    assert list(parts) == ["input", "mask", "content", "result", "true region", "difference"]
    assert torch.equal(parts["input"], viewer.before) and torch.equal(parts["result"], viewer.after)
    assert torch.equal(parts["mask"][0], parts["true region"][0])
    assert torch.equal(parts["content"], viewer.content) and viewer.content[0].min() == 1
    assert (parts["difference"][:, ~viewer.region] == -1).all()
    sizes = {Image.open(io.BytesIO(shown(viewer, part))).size for part in parts}
    assert sizes == {(144, 144)}
    assert (pixels(shown(viewer, "mask")).float() - pixels(shown(viewer, "true region"))).abs().max() == 0


def test_slider_changes_result_mask_and_difference(viewer):
    full = {part: shown(viewer, part) for part in viewer._pictures}
    own = float(viewer.labels[0])
    viewer.slider.value = 0.5
    half = {part: shown(viewer, part) for part in viewer._pictures}
    assert half["result"] != full["result"] and half["difference"] != full["difference"]
    assert half["input"] == full["input"] and half["true region"] == full["true region"]
    viewer.slider.value = own
    assert torch.equal(viewer.after, viewer.before) and viewer.mask.max() == 0
    assert viewer.slider.style.handle_color is None
    assert viewer.numbers()["mask_iou"] == 0 and viewer.numbers()["leakage"] == 0


def test_a_move_is_one_edit(viewer):
    for move in (
        lambda: viewer.set(Smiling=0.25),  # attribute and slider
        lambda: viewer.choose(2),
        lambda: viewer.set("Eyeglasses"),
        lambda: setattr(viewer._attribute, "value", "Smiling"),  # a hand in the menu
        lambda: setattr(viewer._chosen, "value", 0),
    ):
        before = viewer.editor.calls
        move()
        assert viewer.editor.calls == before + 1


def test_a_hand_in_the_menus_sees_the_edit_made(viewer):
    viewer.set(Eyeglasses=0.4)
    viewer._attribute.value = "Smiling"
    assert viewer.strength == 1 - float(viewer.labels[1]) and viewer.numbers()["mask_ap"] == 1
    viewer._chosen.value = 3
    assert viewer.strength == 1 - float(PEOPLE[3].labels(["Smiling"])[0, 0])
    assert torch.equal(viewer.before, faces.render(PEOPLE[3])[0])
    # Also where the slider need not move.
    same = [i for i in range(4) if PEOPLE[i].labels(["Smiling"])[0, 0] == 1 - viewer.strength and i != 3]
    viewer._chosen.value = same[0]
    assert torch.equal(viewer._look.parts["input"], faces.render(PEOPLE[same[0]])[0])


def test_set_says_what_cannot_be(viewer):
    state = repr(viewer)
    with pytest.raises(faces.UnknownAttribute, match=r"'Glasses'.*Eyeglasses"):
        viewer.set("Glasses", 1.0)
    with pytest.raises(ValueError, match=r"Smiling can be set from 0 to 1; got 1.5"):
        viewer.set(Smiling=1.5)
    with pytest.raises(ValueError, match="one attribute at a time"):
        viewer.set(Smiling=1.0, Eyeglasses=1.0)
    for wrong in (4, -1, "0"):
        with pytest.raises(ValueError, match="choose one from 0 to 3"):
            viewer.choose(wrong)
    assert repr(viewer) == state
    viewer.set(strength=0.3)
    assert viewer.strength == 0.3 and viewer.attribute == "Eyeglasses"


def test_the_target_is_the_panels(viewer):
    dark = next(i for i in range(4) if PEOPLE[i].labels(ATTRIBUTES)[0, 2] == 0)
    viewer.choose(dark)
    viewer.set(Blond_Hair=0.75)
    black = float(viewer.labels[3])
    assert viewer.target[2] == 0.75 and viewer.target[3] == min(black, 0.25)  # a head has one hair colour
    assert torch.equal(viewer.target[:2], viewer.labels[:2])


def test_text_is_short_and_a_picture_for_dead_pages(viewer):
    viewer.set(Eyeglasses=0.5)
    bundle = viewer._repr_mimebundle_()
    assert bundle["text/plain"] == "AttentionViewer(Known, Eyeglasses=0.50)"
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert 1000 < len(bundle["image/jpeg"]) < 80_000
    json.dumps(bundle)
    assert "image/jpeg" not in AttentionViewer(Known(), people=PEOPLE, fallback=False)._repr_mimebundle_()


def test_no_output_widget(viewer):
    def below(widget):
        yield type(widget).__name__
        for child in getattr(widget, "children", ()):
            yield from below(child)

    names = set(below(viewer))
    assert {"FloatSlider", "Dropdown", "Image"} <= names and "Output" not in names


def test_without_people_or_content_those_pictures_are_left_out():
    class Silent(Known):
        content = None

        def edit(self, images, labels, target):
            return images.flip(-1)

    plain = AttentionViewer(Silent(), faces.render(PEOPLE), PEOPLE.labels(ATTRIBUTES))
    assert plain.region is None and plain.content is None
    assert plain.numbers() == {"mask_ap": None, "mask_iou": None, "leakage": None}
    hidden = {part for part, box in plain._shown.items() if box.layout.display == "none"}
    assert hidden == {"content", "true region"}
    assert "AP" not in plain._numbers.value
    images, labels = faces.render(PEOPLE), PEOPLE.labels(ATTRIBUTES)
    narrow = attention_sheet(Silent(), None, "Smiling", images=images, labels=labels, scale=1)
    wide = attention_sheet(Known(), PEOPLE, "Smiling", scale=1)
    assert wide.width - narrow.width == 2 * 68


@pytest.mark.parametrize("mute", [Blind, type("Tells", (Blind,), {"attention": lambda *_: None})])
def test_an_editor_without_attention_is_refused(mute):
    with pytest.raises(ValueError, match=r"Blind has no attention.*EditorPanel"):
        AttentionViewer(mute(), people=PEOPLE)
    with pytest.raises(ValueError, match="no attention"):
        attention_sheet(mute(), PEOPLE, "Smiling")


def test_a_wrong_shape_is_named():
    class Flat(Known):
        def attention(self, images, labels, target):
            return torch.zeros(len(images), 64, 64)

        def edit(self, images, labels, target):
            return images

    told = r"Known\.attention gave a tensor \(1, 64, 64\).*\(1, 1, 64, 64\) in \[0, 1\]"
    with pytest.raises(ValueError, match=told):
        AttentionViewer(Flat(), people=PEOPLE)


@pytest.mark.parametrize(
    ("method", "answer", "told"),
    [
        ("edit", lambda images: images * float("nan"), "Known.edit gave NaN"),
        ("edit", lambda images: faces.to_uint8(images), "Known.edit gave torch.uint8"),
        ("attention", lambda images: images[:, :1] * 9, "Known.attention gave values from"),
        ("content", lambda images: images[..., 1:], r"Known.content gave a tensor \(1, 3, 64, 63\)"),
    ],
)
def test_an_answer_that_is_none_is_told(viewer, method, answer, told):
    known = viewer.editor
    viewer.editor = SimpleNamespace(
        attributes=ATTRIBUTES,
        size=64,
        name="Known",
        edit=known.edit,
        attention=known.attention,
        content=known.content,
    )
    setattr(viewer.editor, method, lambda images, labels, target: answer(images))
    viewer._chosen.value = 1
    assert re.search(told, viewer._message.value) and viewer._numbers.value == ""
    seen = {part for part, box in viewer._shown.items() if box.layout.visibility == "visible"}
    assert seen == {"input"}  # the others would be those of the face before
    with pytest.raises(ValueError, match=told):
        viewer.numbers()
    viewer.editor = known
    viewer.choose(1)
    assert viewer._message.value == "" and viewer.numbers()["mask_ap"] == 1
    assert viewer._shown["mask"].layout.visibility == "visible"


def test_what_is_handed_out_can_be_written_to(viewer):
    facts = ("labels", "target", "before", "mask", "content", "after", "region")
    whole = {name: getattr(viewer, name).clone() for name in facts}
    for name in facts:
        getattr(viewer, name).fill_(0)
    assert all(torch.equal(getattr(viewer, name), tensor) for name, tensor in whole.items())


def test_a_mask_may_be_yes_or_no():
    class Hard(Known):
        def attention(self, images, labels, target):
            return super().attention(images, labels, target) > 0.5

        def edit(self, images, labels, target):
            return images

    assert AttentionViewer(Hard(), people=PEOPLE).numbers()["mask_ap"] == 1


def test_bad_input_is_named():
    images, labels = faces.render(PEOPLE), PEOPLE.labels(ATTRIBUTES)
    for arguments, options, message in (
        ((), {}, "images and their labels, or people"),
        ((images,), {}, "labels"),
        ((images, labels[:, :2]), {}, r"\(4, 4\)"),
        ((images, labels), {"start": 0.5}, "span at least 0 to 1"),
        ((images, labels), {"attributes": ["Smilin"]}, "Smilin"),
    ):
        with pytest.raises(ValueError, match=message):
            AttentionViewer(Known(), *arguments, **options)
    with pytest.raises(faces.UnknownAttribute, match="Smilin"):
        attention_sheet(Known(), PEOPLE, "Smilin")


def test_error_of_an_editor_is_shown_and_raised():
    class Moody(Known):
        def edit(self, images, labels, target):
            if (target[:, 1] != labels[:, 1]).any():
                raise RuntimeError("no <grin> please")
            return super().edit(images, labels, target)

    viewer = AttentionViewer(Moody(), people=PEOPLE)
    viewer._attribute.value = "Smiling"  # as a hand does it: told on the page
    assert "RuntimeError in Known.edit: no &lt;grin&gt; please" in viewer._message.value
    with pytest.raises(RuntimeError, match="grin"):
        viewer.numbers()
    with pytest.raises(RuntimeError, match="grin"):
        viewer.set(Smiling=0.5)
    assert "image/jpeg" not in viewer._repr_mimebundle_()
    viewer._attribute.value = "Eyeglasses"
    assert viewer._message.value == "" and viewer.numbers()["mask_ap"] == 1


def test_sheet_rows_columns_and_default_strength():
    sheet = attention_sheet(Known(), PEOPLE, "Eyeglasses")
    one = attention_sheet(Known(), PEOPLE[:1], "Eyeglasses")
    assert (sheet.height - one.height) == 3 * 132  # 128 pixels a face and a gap
    assert 800 < sheet.width < 980
    left, top = [one.width - 132 * k for k in range(6, 0, -1)], one.height - 132
    tile = [one.crop((x, top, x + 128, top + 128)) for x in left]
    assert tile[1].tobytes() == tile[4].tobytes()  # the mask is the true region
    assert tile[2].getpixel((64, 100)) == (255, 0, 0)
    kept = attention_sheet(
        Known(), PEOPLE[:1], "Eyeglasses", strength=float(PEOPLE[0].labels(["Eyeglasses"]))
    )
    assert kept.getpixel((one.width - 132 * 5 + 64, one.height - 68)) == (0, 0, 0)  # nothing asked: no mask
