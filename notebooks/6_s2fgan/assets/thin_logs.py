"""Thin the logs of the two long runs to what a figure needs: python thin_logs.py DIS_RUN DEC_RUN [ROWS]

Writes dis_log.csv and dec_log.csv beside this file, as AttGAN's thin_log.py thins: neighbouring rows are averaged.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from fedit_lib.training import History

HERE = Path(__file__).parent


def main(dis: str, dec: str, rows: str = "120") -> None:
    thin = runpy.run_path(str(HERE.parents[1] / "3_attgan" / "assets" / "thin_log.py"))["thin"]
    for variant, run in (("dis", dis), ("dec", dec)):
        log = thin(History.read(run), int(rows))
        log.write(HERE / f"{variant}_log.csv")
        print(f"wrote {variant}_log.csv: {len(log.rows)} rows, to step {log.steps[-1]}")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
