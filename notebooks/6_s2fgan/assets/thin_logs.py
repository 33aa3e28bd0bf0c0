"""Thin the logs of the long runs to what a figure needs: python thin_logs.py WARMUP DIS DEC [ROWS]

S2F-DIS was trained in two runs, the second from where the first, its warm-up, ended; its log is both, counted on.
Writes dis_log.csv and dec_log.csv beside this file, as AttGAN's thin_log.py thins: neighbouring rows are averaged.
early_game_log.csv and middle_log.csv are of earlier trainings of S2F-DIS, thinned in the same way: their games began
at rounds 1,200 (of 6,000) and 4,187 (of 6,287).
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from fedit_lib.training import History

HERE = Path(__file__).parent


def joined(first: History, second: History) -> History:
    """One log of both: the second's steps and seconds go on from the first's last."""
    steps, seconds = first.rows[-1]["step"], first.rows[-1]["seconds"]
    later = [row | {"step": row["step"] + steps, "seconds": row["seconds"] + seconds} for row in second.rows]
    return History([*first.rows, *later], first.seconds + second.seconds)


def main(warmup: str, dis: str, dec: str, rows: str = "120") -> None:
    thin = runpy.run_path(str(HERE.parents[1] / "3_attgan" / "assets" / "thin_log.py"))["thin"]
    logs = {"dis": joined(History.read(warmup), History.read(dis)), "dec": History.read(dec)}
    for name, log in logs.items():
        log = thin(log, int(rows))
        log.write(HERE / f"{name}_log.csv")
        print(f"wrote {name}_log.csv: {len(log.rows)} rows, to step {log.steps[-1]}")


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
