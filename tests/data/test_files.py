"""Files are written whole or not at all."""

from __future__ import annotations

import csv

import pytest

from fedit_lib.data.files import write_table


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
