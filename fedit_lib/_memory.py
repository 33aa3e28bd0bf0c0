"""Keep freed memory for the next tensor instead of giving it back to the system.

On a CPU every operation makes a new tensor of some megabytes. glibc gives such blocks back at once, so the next one is
mapped and zeroed again, page by page: a third of the time of drawing faces, and as much of a gradient penalty.
"""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h
_MEGABYTE = 1 << 20


def keep_freed_memory() -> bool:
    """Tell glibc to keep up to 512 MB of freed memory; True if it listened, False where there is no glibc."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has none
        return False
    wanted = {
        _M_MMAP_THRESHOLD: 32 * _MEGABYTE,
        _M_TRIM_THRESHOLD: 512 * _MEGABYTE,
        _M_TOP_PAD: 64 * _MEGABYTE,
    }
    return all(mallopt(option, value) for option, value in wanted.items())
