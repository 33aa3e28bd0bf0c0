from __future__ import annotations

import unicodedata
import warnings

import numpy as np
import pytest
import torch
from data_trees import write_photos
from PIL import Image

from fedit_lib import faces
from fedit_lib.data import DataError, folder
from fedit_lib.data.folder import split_of_file
from fedit_lib.interactive import read_photo


@pytest.fixture
def photos(tmp_path):
    return tmp_path / "photos", write_photos(tmp_path / "photos")


def table(path, text):
    (path / "attributes.csv").write_text(text)


def test_reads_everything(photos):
    path, people = photos
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = folder(path, size=48)
    assert data.attributes == ("Smiling", "Eyeglasses") and data.report.skipped == {}
    assert torch.equal(data.labels, people.labels(["Smiling", "Eyeglasses"]))
    assert torch.equal(data.images, faces.render_uint8(people, size=48)), "the centre square, untouched"
    assert str(data.report) == "6 images read, 0 skipped"
    assert folder(path, size=16, attributes=["Eyeglasses"]).images.shape == (6, 3, 16, 16)


def test_an_image_stays_in_its_split_when_others_join(tmp_path):
    write_photos(tmp_path / "few", n=30, size=16)
    write_photos(tmp_path / "more", n=40, size=16)
    parts = {}
    for name in ("few", "more"):
        for split in ("train", "valid", "test"):
            data = folder(tmp_path / name, size=16, split=split)
            assert len(data) == len(data.report.kept) and data.name == f"folder-{name}-{split}"
            parts[name, split] = set(data.report.kept)
    few = [parts["few", split] for split in ("train", "valid", "test")]
    assert len(set.union(*few)) == sum(map(len, few)) == 30  # everyone, and nobody twice
    assert min(map(len, few)) >= 1 and len(few[0]) > 20
    for split in ("train", "valid", "test"):
        assert parts["few", split] == parts["more", split] & set.union(*few)
    with pytest.raises(ValueError, match="unknown split 'dev': a folder has train, valid, test and all"):
        folder(tmp_path / "few", split="dev")


def test_a_split_that_gets_no_image_is_an_error_not_an_empty_set(tmp_path):
    write_photos(tmp_path / "two", n=2, size=16)
    with pytest.raises(DataError, match=r"none of the 2 images in .*two falls into the test split"):
        folder(tmp_path / "two", split="test")


def test_what_is_skipped_in_another_split_is_not_reported(tmp_path):
    path = tmp_path / "photos"
    write_photos(path, n=12, size=16)  # of which p6 is to test with, p9 and p11 to validate
    (path / "p1.png").write_text("not an image")
    with open(path / "attributes.csv", "a") as table:
        table.write("p1.png,0,0\n")
    assert set(folder_quietly(path, "train").report.skipped) == {"p1.png", "p1.png (line 14)"}
    assert not folder_quietly(path, "valid").report.skipped
    assert folder_quietly(path, "test").report.kept == ["p6.png"]


def folder_quietly(path, split):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return folder(path, size=16, split=split)


@pytest.mark.parametrize("on_disk,in_table", [("NFD", "NFC"), ("NFC", "NFD")])
def test_an_accent_is_the_same_however_it_is_encoded(tmp_path, on_disk, in_table):
    path = tmp_path / "photos"
    people = write_photos(path, n=3, size=16)
    names = ["Zoë 1.png", "Zoë 2.png", "André.png"]
    for i, name in enumerate(names):
        (path / f"p{i}.png").rename(path / unicodedata.normalize(on_disk, name))
    rows = "".join(
        f"{name},{int(v)}\n" for name, v in zip(names, people.labels(["Smiling"])[:, 0], strict=True)
    )
    (path / "attributes.csv").write_text(
        unicodedata.normalize(in_table, f"file,Lächelt\n{rows}"), encoding="utf-8"
    )
    data = folder(path, size=16, attributes=["Lächelt"])
    assert not data.report.skipped and all((path / name).is_file() for name in data.report.kept)
    order = [names.index(unicodedata.normalize("NFC", name)) for name in data.report.kept]
    assert torch.equal(data.labels, people.labels(["Smiling"])[order])
    assert sorted(order) == [0, 1, 2]


def test_a_split_does_not_depend_on_how_an_accent_is_encoded(tmp_path):
    forms = [[unicodedata.normalize(form, f"é{i}.jpg") for i in range(60)] for form in ("NFC", "NFD")]
    assert [split_of_file(name) for name in forms[0]] == [split_of_file(name) for name in forms[1]]
    assert {split_of_file(name) for name in forms[1]} == {"train", "valid", "test"}
    assert split_of_file("p6.png") == "test" and split_of_file("p9.png") == "valid"  # as ever
    assert split_of_file("\udce9.jpg") in ("train", "valid", "test")  # Latin-1 on a disk of UTF-8
    write_photos(tmp_path / "both", n=2, size=16)
    for i in (0, 1):
        (tmp_path / "both" / f"p{i}.png").rename(tmp_path / "both" / forms[i][0])
    (tmp_path / "both/attributes.csv").write_text("file,Smiling\né0.jpg,1\n", encoding="utf-8")
    if len(list((tmp_path / "both").glob("*.jpg"))) == 2:  # a disk that tells them apart
        with pytest.warns(UserWarning, match=r"1 images read, 1 skipped\n.*another image has this name"):
            assert len(folder(tmp_path / "both", size=16)) == 1


def test_the_folder_one_stands_in_has_a_name_too(photos, monkeypatch):
    monkeypatch.chdir(photos[0])
    assert folder(".", size=16).name == "folder-photos"
    (photos[0] / "below").mkdir()
    monkeypatch.chdir("below")
    assert folder("..", size=16, split="train").name == "folder-photos-train"
    (photos[0].parent / "link").symlink_to(photos[0])
    assert folder(photos[0].parent / "link", size=16).name == "folder-link"


@pytest.mark.parametrize("separator,absent", [(",", "-1"), (";", "0"), ("\t", "-1")])
def test_codes_and_separators(photos, separator, absent):
    path, people = photos
    rows = people.labels(["Smiling"])[:, 0].int().tolist()
    lines = [f"image{separator} Smiling"] + [f"p{i}.png{separator} {v or absent}" for i, v in enumerate(rows)]
    (path / "attributes.csv").write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    assert folder(path, size=8).labels[:, 0].tolist() == rows


def test_skipped_and_why(photos):
    path, _ = photos
    (path / "p1.png").write_bytes((path / "p1.png").read_bytes()[:60])
    (path / "p2.png").write_text("not an image")
    (path / "notes.txt").write_text("not an image either, and nobody says it is")
    table(
        path,
        "file,Smiling,Eyeglasses\np0.png,1,0\np1.png,1,0\np2.png,0,1\np3.png,1,yes\np4.png,1\ngone.png,0,0\n"
        "\np0.png,0,0\n",
    )
    with pytest.warns(UserWarning, match="1 images read, 7 skipped"):
        data = folder(path, size=16)
    assert data.report.kept == ["p0.png"] and data.labels.tolist() == [[1.0, 0.0]]
    skipped = data.report.skipped
    assert set(skipped) == {"p1.png", "p2.png", "p3.png", "p4.png", "p5.png", "gone.png", "p0.png (line 9)"}
    assert "does not decode" in skipped["p1.png"] and "does not decode" in skipped["p2.png"]
    assert skipped["p3.png"] == "line 5: Eyeglasses is 'yes', not 1 or 0 (or 1 or -1)"
    assert skipped["p4.png"] == "line 6 has 1 values for 2 attributes"
    assert skipped["p5.png"] == "has no row in the table"
    assert "no such image" in skipped["gone.png"] and "already" in skipped["p0.png (line 9)"]
    assert all(name in str(data.report) for name in skipped)
    assert data.report.short(2).endswith("... and 5 more")


def test_of_two_rows_a_good_one_counts_and_a_bad_one_is_told_by_its_line(photos):
    path, _ = photos
    text = "file,Smiling\np0.png,1\np0.png,yes\np1.png,1,0\np1.png,no\np1.png,1\np2.png,?\np2.png,!\n"
    table(path, text + "p3.png,0\np4.png,0\np5.png,0\n")
    with pytest.warns(UserWarning, match="5 images read"):
        report = folder(path, size=16).report
    assert report.kept == ["p0.png", "p1.png", "p3.png", "p4.png", "p5.png"]
    lines = [("p0.png", 3), ("p1.png", 4), ("p1.png", 5), ("p2.png", 8)]
    assert list(report.skipped) == [f"{n} (line {k})" for n, k in lines[:3]] + ["p2.png", "p2.png (line 8)"]
    assert report.skipped["p2.png"].startswith("line 7: Smiling is '?'")


def test_exif_orientation_is_applied(tmp_path):
    path = tmp_path / "one"
    path.mkdir()
    picture = Image.new("RGB", (40, 40), "black")
    picture.paste("white", (0, 0, 40, 20))  # bright above
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    picture.save(path / "a.jpg", exif=exif, quality=95)
    (path / "t.csv").write_text("file,Smiling\na.jpg,1\n")
    image = folder(path, size=8).images[0].float().mean(0)
    assert image[:, 5:].min() > 200 and image[:, :3].max() < 55  # bright on the right


@pytest.mark.parametrize(
    "text,message",
    [
        ("file,Smiling\np0.png,0\np1.png,-1\n", "both 0 and -1"),
        ("file\np0.png\n", "must name the columns"),
        ("file,Smiling,Smiling\np0.png,1,1\n", "must name the columns"),
        ("", "must name the columns"),
        ('file,Smiling\np0.png,1\n"p1.png,1\np2.png,1\n', r"attributes\.csv has an unclosed quote in line 3"),
        ('"file,Smiling\np0.png,1\n', "an unclosed quote in line 1"),
        # beyond 131 kB Python's own reader gives up
        ('file,Smiling\n"p0.png,1\n' + "p1.png,1\n" * 20_000, "an unclosed quote in line 2"),
        ("file,Smiling\n" + "p" * 140_000 + ",1\n", r"no CSV \(field larger .* in line 2"),
        ("file,Smiling\nq.png,1\n", r"no image in .* can be used"),
    ],
)
def test_useless_tables(photos, text, message):
    table(photos[0], text)
    with pytest.raises(DataError, match=message):
        folder(photos[0])


def test_a_table_may_end_in_capitals(photos):
    path, _ = photos
    (path / "attributes.csv").rename(path / "T.CSV")
    assert len(folder(path, size=8)) == 6


def test_what_is_missing_is_named(photos, tmp_path):
    path, _ = photos
    with pytest.raises(DataError, match="there is no folder"):
        folder(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"attributes\.csv has no attribute 'smiling'; did you mean Smiling"):
        folder(path, attributes=["smiling"])
    with pytest.raises(
        DataError, match=r"no attributes 'Bald', 'Male'\. It has Smiling, Eyeglasses: .*--attributes"
    ):
        folder(path, attributes=["Bald", "Smiling", "Male"])
    with pytest.raises(DataError, match=r"gone\.csv cannot be read"):
        folder(path, table=path / "gone.csv")
    (path / "attributes.csv").write_bytes("file,Größe\n".encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        folder(path)
    (path / "second.csv").write_text("file,Smiling\n")
    with pytest.raises(DataError, match=r"several tables \(attributes\.csv, second\.csv\)"):
        folder(path)
    for file in path.glob("*.csv"):
        file.unlink()
    with pytest.raises(DataError, match=r"has no table of attributes .*: write one as docs"):
        folder(path)


def test_sixteen_bits_are_brought_down_and_what_is_clear_lies_on_white_paper(photos):
    path, _ = photos
    ramp = np.tile(np.linspace(0, 65535, 48).astype(np.uint16), (48, 1))
    Image.fromarray(ramp).save(path / "p0.png")
    Image.new("RGBA", (48, 48), (0, 0, 0, 0)).save(path / "p1.png")
    images = folder(path, size=48).images
    assert torch.equal(images[0], torch.from_numpy((ramp // 256).astype(np.uint8)).expand(3, -1, -1))
    assert (images[1] == 255).all()
    for i, name in enumerate(("p0.png", "p1.png", "p2.png")):  # a page reads them as a training does
        assert torch.equal(faces.to_uint8(read_photo(path / name, 48))[0], images[i])
