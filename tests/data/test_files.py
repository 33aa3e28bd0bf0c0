"""Files are written whole or not at all."""

from __future__ import annotations

import csv

import pytest

from fedit_lib.data.files import check_writable, write_table


def test_a_table_is_rows_with_a_head(tmp_path):
    path = tmp_path / "table.csv"
    write_table(path, [{"run": "a, b", "psnr": 1.5}, {"run": "c", "psnr": None}])
    assert path.read_bytes() == b'run,psnr\n"a, b",1.5\nc,\n'
    assert [row["run"] for row in csv.DictReader(path.open())] == ["a, b", "c"]


@pytest.mark.parametrize("rows", [[], [{"a": 1}, {"a": 1, "b": 2}]])
def test_a_broken_table_leaves_the_old_one(tmp_path, rows):
    path = tmp_path / "table.csv"
    write_table(path, [{"a": 0}])
    with pytest.raises(ValueError):
        write_table(path, rows)
    assert path.read_text() == "a\n0\n" and [f.name for f in tmp_path.iterdir()] == ["table.csv"]


@pytest.mark.parametrize(
    ("name", "folder", "message"),
    [
        (".", False, r"is a folder: name a file in it"),
        ("file", True, r"file is a file: name a folder"),
        ("file/x.json", False, r"x\.json cannot be written: .*file is a file, not a folder"),
        ("file/run", True, r"run cannot be written: .*file is a file, not a folder"),
        ("/dev/null", False, r"/dev/null is no ordinary file"),
        (
            "/proc/x.json",
            False,
            r"/proc/x\.json cannot be written: /\w* takes no file \(.*name another place",
        ),
        ("/proc/x/run", True, r"run cannot be written: /\w* takes no file"),
    ],
)
def test_what_cannot_be_written_is_known_before(tmp_path, name, folder, message):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=message):
        check_writable(tmp_path / name, folder)


@pytest.mark.parametrize(
    ("name", "folder"), [("file", False), ("a/b/x.json", False), ("a/run", True), ("", True)]
)
def test_asking_leaves_nothing(tmp_path, name, folder):
    (tmp_path / "file").write_text("kept")
    check_writable(tmp_path / name, folder)
    assert [path.name for path in tmp_path.iterdir()] == ["file"] and (
        tmp_path / "file"
    ).read_text() == "kept"
