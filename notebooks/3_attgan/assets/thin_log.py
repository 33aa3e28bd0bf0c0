"""Thin the log of a long run to what a figure needs: python thin_log.py RUN_FOLDER [ROWS]

Writes laptop_log.csv beside this file. Neighbouring rows are averaged, none is left out; a block bears its last step,
so that the end of the file is the end of the run.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fedit_lib.training import History


def thin(history: History, rows: int = 120) -> History:
    """A history of at most `rows` rows, each the mean of as many neighbouring rows."""
    block = -(-len(history.rows) // rows)
    thinned = []
    for start in range(0, len(history.rows), block):
        part = history.rows[start : start + block]
        row = {"step": int(part[-1]["step"]), "seconds": round(part[-1]["seconds"], 1)}
        for name in {name: None for r in part for name in r}:  # a validation's numbers stand in few rows
            if name not in row:
                values = [r[name] for r in part if name in r]
                row[name] = float(f"{sum(values) / len(values):.4g}")
        thinned.append(row)
    return History(thinned, history.seconds)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    result = thin(History.read(sys.argv[1]), *map(int, sys.argv[2:]))
    result.write(Path(__file__).with_name("laptop_log.csv"))
    print(f"wrote laptop_log.csv: {len(result.rows)} rows, to step {result.steps[-1]}")
