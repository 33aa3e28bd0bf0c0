from __future__ import annotations

import errno
import importlib
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from data_trees import CELEBA, SPLITS, write_celeba
from PIL import Image

from fedit_lib import faces
from fedit_lib.data import DataError, celeba

module = importlib.import_module("fedit_lib.data.celeba")  # the package shows the function under this name


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    return root, write_celeba(root)


@pytest.fixture
def tree(whole, tmp_path):
    shutil.copytree(whole[0] / "celeba", tmp_path / "celeba")
    return tmp_path


@pytest.fixture
def reads(monkeypatch):
    """The pictures that were decoded, one by one."""
    decoded = []
    original = module.decode

    def counting(path, size, crop):
        decoded.append(path.name)
        return original(path, size, crop)

    monkeypatch.setattr(module, "decode", counting)
    return decoded


@pytest.mark.parametrize("split,code", [("train", 0), ("valid", 1), ("test", 2)])
def test_official_splits_labels_and_pixels(tree, whole, split, code):
    data = celeba(tree, split, size=64, crop=178)
    members = torch.tensor([i for i, s in enumerate(SPLITS) if s == code])
    assert len(data) == len(members) and data.size == 64 and list(data.attributes) == CELEBA
    people = whole[1][members]
    drawn = data.subset(faces.ATTRIBUTES)
    assert torch.equal(drawn.labels, people.labels(faces.ATTRIBUTES))
    expected = faces.render_uint8(people, size=64).float()
    difference = (data.images.float() - expected).abs().mean()
    assert difference < 6, "the whole face, upright and in RGB"
    assert (data.images.flip(1).float() - expected).abs().mean() > 2 * difference


def test_centre_crop(tree):
    """A crop of 90 at size 90 is the picture's own centre, pixel for pixel."""
    data = celeba(tree, "valid", size=90, crop=90)
    picture = Image.open(tree / "celeba/img_align_celeba/000007.jpg").convert("RGB").crop((44, 64, 134, 154))
    expected = (
        torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).view(90, 90, 3).permute(2, 0, 1)
    )
    assert torch.equal(data.images[0], expected)


def test_cache_is_written_once_and_mapped(tree, reads, monkeypatch):
    first = celeba(tree, "train", size=32)
    assert sorted(reads) == [f"{i:06d}.jpg" for i in range(1, 7)]
    monkeypatch.setattr(module, "official_reader", None)  # nor is any table parsed again
    second = celeba(tree, "train", size=32, attributes=["Smiling", "Male"])
    assert len(reads) == 6 and torch.equal(first.images, second.images)
    assert second.attributes == ("Smiling", "Male")
    assert [p.name for p in (tree / "cache").iterdir()] == ["celeba-train-32-crop170"]
    batch = second.draw(4, torch.Generator().manual_seed(0))
    assert batch.images.shape == (4, 3, 32, 32) and batch.labels.shape == (4, 2)


def test_memory_map_is_private(tree):
    data = celeba(tree, "valid", size=16)
    data.images.zero_()
    assert celeba(tree, "valid", size=16).images.any()


def test_cache_elsewhere_and_root_given_as_the_folder_itself(tree, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    celeba(tree / "celeba", "test", size=16, cache=cache)
    assert (cache / "celeba-test-16-crop170/images.npy").exists() and not (tree / "cache").exists()
    (tree / "celeba").rename(tree / "my_copy")
    assert len(celeba(tree / "my_copy", "valid", size=16, cache=cache)) == 2


@pytest.mark.parametrize("change", ["table", "picture", "damaged cache", "other format"])
def test_stale_cache_is_written_anew(tree, reads, change):
    before = celeba(tree, "train", size=16).labels.clone()
    count = len(reads)
    cache = tree / "cache/celeba-train-16-crop170"
    if change == "table":
        path = tree / "celeba/list_attr_celeba.txt"
        lines = path.read_text().splitlines()
        lines[2] = lines[2].replace("-1", "@").replace(" 1", "-1").replace("@", " 1")
        path.write_text("\n".join(lines) + "\n")
    elif change == "picture":
        Image.new("RGB", (178, 218)).save(tree / "celeba/img_align_celeba/000001.jpg")
    elif change == "damaged cache":
        content = (cache / "images.npy").read_bytes()
        (cache / "images.npy").write_bytes(content[:-7])
    else:
        (cache / "meta.json").write_text(
            (cache / "meta.json").read_text().replace('"format": 1', '"format": 0')
        )
    after = celeba(tree, "train", size=16)
    assert len(reads) == 2 * count
    if change == "table":
        assert torch.equal(after.labels[0], 1 - before[0]) and torch.equal(after.labels[1:], before[1:])
    if change == "picture":
        assert not after.images[0].any()


def edit(path, line, new):
    lines = path.read_text().splitlines()
    lines[line - 1] = new(lines[line - 1])
    path.write_text("\n".join(x for x in lines if x is not None) + "\n")


def damage(folder, how):
    attributes, partition = folder / "list_attr_celeba.txt", folder / "list_eval_partition.txt"
    pictures = folder / "img_align_celeba"
    if how == "absent":
        shutil.rmtree(folder)
    elif how == "no table":
        (folder / "identity_CelebA.txt").unlink()
    elif how == "no pictures":
        shutil.rmtree(pictures)
    elif how == "partial pictures":
        (pictures / "000002.jpg").unlink()
        (pictures / "000005.jpg").unlink()
    elif how == "one folder deeper":
        pictures.rename(folder / "unpacked")
        pictures.mkdir()
        (folder / "unpacked").rename(pictures / "img_align_celeba")
    elif how == "short row":
        edit(attributes, 5, lambda line: line[:-3])
    elif how == "wrong value":
        edit(attributes, 6, lambda line: line[:-2] + " 7")
    elif how == "lost row":
        edit(attributes, 4, lambda line: None)
    elif how == "other order":
        edit(partition, 3, lambda line: line.replace("000003", "000033"))
    elif how == "wrong split":
        edit(partition, 2, lambda line: line[:-1] + "5")
    elif how == "short identity":
        edit(folder / "identity_CelebA.txt", 2, lambda line: None)
    elif how == "short box":
        edit(folder / "list_bbox_celeba.txt", 4, lambda line: line[:-2])
    elif how == "no number":
        edit(folder / "identity_CelebA.txt", 3, lambda line: line.replace(" 2", " x2"))
    elif how == "half a point":
        edit(folder / "list_landmarks_align_celeba.txt", 5, lambda line: line.replace(" 3 ", " 3.5 "))
    elif how == "empty line":
        edit(folder / "list_bbox_celeba.txt", 12, lambda line: line + "\n")
    elif how == "space at the end":
        edit(partition, 4, lambda line: line + " ")
    elif how == "attribute twice":
        edit(attributes, 2, lambda line: line.replace("Young", "Male"))
    elif how == "picture twice":
        for path in folder.glob("*.txt"):
            path.write_text(path.read_text().replace("000009", "000004"))
    elif how == "cut off":
        for path in folder.glob("*.txt"):
            lines = path.read_text().splitlines()
            path.write_text("\n".join(line for line in lines if not "000006" < line < "000011") + "\n")
    elif how == "other count":
        edit(attributes, 1, lambda line: "99")
    elif how == "other count of boxes":
        edit(folder / "list_bbox_celeba.txt", 1, lambda line: "99")
    elif how == "binary table":
        attributes.write_bytes(b"\xff\xfe\x00\x01" * 40)
    elif how == "truncated picture":
        path = pictures / "000004.jpg"
        path.write_bytes(path.read_bytes()[:900])
    elif how == "no picture":
        (pictures / "000003.jpg").write_text("404 not found")
    elif how == "not aligned":
        Image.new("RGB", (409, 687)).save(pictures / "000006.jpg")


@pytest.mark.parametrize(
    "how,message",
    [
        ("absent", r"there is no CelebA at .*celeba: missing list_attr_celeba\.txt.*authors' page"),
        (
            "no table",
            r"not complete.*missing identity_CelebA\.txt \(no label comes from identity_CelebA\.txt, but torchvision's",
        ),
        ("no pictures", r"not complete.*missing img_align_celeba/"),
        ("partial pictures", r"lacks 2 of the 6 pictures of the train split \(the first is 000002\.jpg\)"),
        (
            "one folder deeper",
            r"lacks 6 of the 6 .*: move the pictures up from img_align_celeba/img_align_celeba/",
        ),
        ("short row", r"list_attr_celeba\.txt, line 5: 39 values for 40 attributes"),
        ("wrong value", r"list_attr_celeba\.txt, line 6: '7' is neither 1 nor -1"),
        ("lost row", r"list_attr_celeba\.txt has 9 pictures, list_eval_partition\.txt has 10"),
        ("other order", r"has 000003\.jpg where list_eval_partition\.txt, line 3, has 000033\.jpg"),
        ("wrong split", r"list_eval_partition\.txt, line 2: '000002\.jpg 5'"),
        ("short identity", r"identity_CelebA\.txt has 9 pictures"),
        (
            "short box",
            r"list_bbox_celeba\.txt, line 4: 3 numbers behind the picture's name, not 4; get the table",
        ),
        ("no number", r"identity_CelebA\.txt, line 3: 'x2' is no whole number; get the table again"),
        ("half a point", r"list_landmarks_align_celeba\.txt, line 5: '3\.5' is no whole number"),
        ("empty line", r"list_bbox_celeba\.txt, line 13 is empty: take the line out"),
        ("space at the end", r"list_eval_partition\.txt, line 4 ends in a space: take it out"),
        (
            "attribute twice",
            r"list_attr_celeba\.txt, line 2 names the attribute Male twice; get the table again",
        ),
        ("picture twice", r"list_attr_celeba\.txt, line 11: 000004\.jpg has line 6 already; get the table"),
        (
            "cut off",
            r"list_attr_celeba\.txt, line 1: '10' should be .*, but there are 5; get the table .*write 5 there",
        ),
        ("other count", r"list_attr_celeba\.txt, line 1: '99' should be .*, but there are 10; get the table"),
        ("other count of boxes", r"list_bbox_celeba\.txt, line 1: '99' should be .*, but there are 10"),
        ("binary table", r"list_attr_celeba\.txt is not a text file"),
        ("truncated picture", r"000004\.jpg does not decode"),
        ("no picture", r"000003\.jpg does not decode"),
        ("not aligned", r"000006\.jpg has 409x687 pixels, not 178x218"),
    ],
)
def test_damage_is_named_and_leaves_nothing(tree, how, message):
    damage(tree / "celeba", how)
    with pytest.raises(DataError, match=message):
        celeba(tree, "train", size=16)
    assert not (tree / "cache").exists() or not list((tree / "cache").iterdir())


@pytest.mark.parametrize("place", [".", "celeba"])
def test_kaggles_edition_is_named_with_what_to_do(tmp_path, place):
    """Its tables are CSV, its pictures a folder deeper; the root may be given as that folder or the one above."""
    folder = tmp_path / place
    pictures = folder / "img_align_celeba/img_align_celeba"
    pictures.mkdir(parents=True)
    for name in (
        "list_attr_celeba",
        "list_eval_partition",
        "list_bbox_celeba",
        "list_landmarks_align_celeba",
    ):
        (folder / f"{name}.csv").write_text("image_id,value\n000001.jpg,1\n")
    with pytest.raises(DataError) as error:
        celeba(tmp_path)
    text = str(error.value)
    assert f"{folder} holds Kaggle's edition" in text and "identity_CelebA.txt, list_bbox_celeba.txt" in text
    assert (
        f"Move the pictures up, from {pictures} to {pictures.parent}. Then get list_attr_celeba.txt" in text
    )
    write_celeba(tmp_path / "authors")
    whole = tmp_path / "authors/celeba"
    pictures.rmdir()
    for picture in (whole / "img_align_celeba").iterdir():
        shutil.copy(picture, pictures.parent)
    for table in whole.glob("list*.txt"):
        shutil.copy(table, folder)
    with pytest.raises(DataError, match=r"Get identity_CelebA\.txt from the authors' page") as error:
        celeba(tmp_path)
    assert "Move" not in str(error.value)
    shutil.copy(whole / "identity_CelebA.txt", folder)
    assert len(celeba(tmp_path, size=16)) == 6


def test_full_disk(tree, monkeypatch):
    usage = SimpleNamespace(free=100)
    with monkeypatch.context() as patch, pytest.raises(OSError, match=r"needs 0\.0 GB.*cache="):
        patch.setattr(shutil, "disk_usage", lambda path: usage)
        celeba(tree, "train", size=16)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with (
        monkeypatch.context() as patch,
        pytest.raises(
            OSError, match=r"celeba-train-16-crop170 could not .* \(No space left.*needs 4,608 bytes"
        ),
    ):
        patch.setattr(module.np, "save", full)
        celeba(tree, "train", size=16)
    assert not list((tree / "cache").iterdir())
    assert len(celeba(tree, "train", size=16)) == 6


@pytest.mark.parametrize("reserves", [True, False])
def test_a_disk_that_fills_up_is_told_and_kills_nobody(tree, reads, monkeypatch, reserves):
    """The system's limit on a file's size stands for the end of the disk; where it can be asked, before any picture."""
    if not reserves:
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    elif not hasattr(os, "posix_fallocate"):
        pytest.skip("this system reserves no space")
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(
            OSError, match=r"cache/celeba-train-256-crop170 could not .*needs 1,179,648 bytes: free"
        ):
            celeba(tree, "train", size=256)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(reads) == (0 if reserves else 6) and not list((tree / "cache").iterdir())


def test_where_no_cache_can_be_written_the_way_out_is_told(tree, reads):
    with pytest.raises(
        OSError, match=r"no place .*/proc/cache.* a link named celeba to .*celeba, .*--root"
    ) as error:
        celeba(tree, "train", size=16, cache="/proc/cache")
    assert str(tree / "celeba") in str(error.value) and not reads
    (tree / "own").mkdir()
    (tree / "own/celeba").symlink_to(tree / "celeba")  # what the message says
    assert len(celeba(tree / "own", "train", size=16)) == 6 and (tree / "own/cache").is_dir()


def test_what_a_killed_process_left_of_a_cache_goes(tree):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    cache, name = tree / "cache", "celeba-train-16-crop170"
    others = {f"{name}.{os.getppid()}.tmp", f"{name}.mine.tmp", f"{name}0.{ended.pid}.tmp"}
    for part in {f"{name}.{ended.pid}.tmp", *others}:
        (cache / part).mkdir(parents=True)
        (cache / part / "images.npy").write_bytes(b"half")
    celeba(tree, "train", size=16)
    assert {path.name for path in cache.iterdir()} == {name, *others}


def test_arguments(tree):
    with pytest.raises(DataError, match="no attribute 'Smilling'; did you mean Smiling"):
        celeba(tree, "valid", size=16, attributes=["Smilling"])
    with pytest.raises(ValueError, match="unknown split 'dev': CelebA has train, valid, test"):
        celeba(tree, "dev")
    with pytest.raises(ValueError, match="crop from 1 to 178"):
        celeba(tree, "valid", crop=200)


def test_the_slower_of_two_writers_leaves_the_others_cache(tree, monkeypatch):
    whole, cache = module.official_reader, tree / "cache/celeba-train-16-crop170"
    inodes = []

    def meanwhile(folder, split):
        if not inodes:
            inodes.append(None)
            celeba(tree, "train", size=16)
            inodes[0] = (cache / "images.npy").stat().st_ino
        return whole(folder, split)

    monkeypatch.setattr(module, "official_reader", meanwhile)
    assert len(celeba(tree, "train", size=16)) == 6
    assert (cache / "images.npy").stat().st_ino == inodes[0]
    assert [path.name for path in cache.parent.iterdir()] == [cache.name]
