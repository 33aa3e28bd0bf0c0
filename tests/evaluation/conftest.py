"""One small exam, and a judge that knows it by heart."""

from __future__ import annotations

import pytest
from evaluation_toy import NAMES, KnowingOracle

from fedit_lib.evaluation import Exam


@pytest.fixture(scope="session")
def small_exam() -> Exam:
    return Exam(n=24, seed=5, size=32)


@pytest.fixture(scope="session")
def knowing(small_exam: Exam) -> KnowingOracle:
    oracle = KnowingOracle()
    oracle.learn(small_exam.people, small_exam.size)
    for name in NAMES:
        oracle.learn(small_exam.question(name).truth, small_exam.size)
        for position in (0.0, 0.1, 0.25, 0.5, 0.75, 0.9):
            oracle.learn(small_exam.people.with_attribute(name, position), small_exam.size)
    return oracle
