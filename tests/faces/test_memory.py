"""Freed memory is kept, where the C library can be told so."""

from __future__ import annotations

import platform
import sys

import pytest

from fedit_lib._memory import keep_freed_memory


def test_glibc_listens():
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("no glibc here: nothing to tell")
    assert keep_freed_memory()


def test_elsewhere_nothing_is_done(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False
