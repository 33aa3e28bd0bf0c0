"""What the checks of the last series must let pass: right answers written in another way."""

from __future__ import annotations

import math

import pytest
import torch

from fedit_lib.course.checks import CheckFailed
from fedit_lib.course.checks import compare as check


def test_other_right_places_pass() -> None:
    check.between(
        lambda score, floor, ceiling: 1 - (ceiling - score) / (ceiling - floor) if ceiling != floor else None
    )


def test_a_lead_in_plain_python_passes() -> None:
    def answer(a, b):  # type: ignore[no-untyped-def]
        d = [float(x) - float(y) for x, y in zip(a, b, strict=True)]
        mean = sum(d) / len(d)
        return mean, math.sqrt(sum((x - mean) ** 2 for x in d) / len(d) / len(d))  # n instead of n - 1

    check.lead(answer)


def test_a_gap_by_a_dictionary_passes() -> None:
    def answer(score, nothing, tone):  # type: ignore[no-untyped-def]
        groups: dict[int, list[float]] = {}
        for gain, group in zip((score - nothing).tolist(), tone.tolist(), strict=True):
            groups.setdefault(group, []).append(gain)
        means = [sum(gains) / len(gains) for gains in groups.values()]
        return max(means) - min(means)

    check.tone_gap(answer)


def test_side_effects_of_those_who_got_it_and_who_lost_it_pass() -> None:
    def answer(before, again, after, truth, put_on):  # type: ignore[no-untyped-def]
        excess = (after - again) - (truth - before)
        return (excess[put_on].sum(0) - excess[~put_on].sum(0)) / len(put_on)

    check.drag(answer)


def test_a_spread_by_two_loops_passes() -> None:
    def answer(images):  # type: ignore[no-untyped-def]
        n = len(images)
        pairs = [(images[i] - images[j]).square().mean().sqrt() for i in range(n) for j in range(i)]
        return float(sum(pairs)) / len(pairs) * 127.5

    check.spread(answer)


def test_a_team_that_builds_targets_by_name_passes() -> None:
    class Team:
        def __init__(self, *editors):  # type: ignore[no-untyped-def]
            self.editors, self.attributes = editors, []
            for editor in editors:
                self.attributes += [name for name in editor.attributes if name not in self.attributes]

        def edit(self, images, labels, target):  # type: ignore[no-untyped-def]
            now = {name: labels[:, k] for k, name in enumerate(self.attributes)}
            goal = {name: target[:, k] for k, name in enumerate(self.attributes)}
            for editor in self.editors:
                own = [torch.stack([of[name] for name in editor.attributes], 1) for of in (now, goal)]
                images = editor.edit(images, *own)
                now |= {name: goal[name] for name in editor.attributes}
            return images

        def reconstruct(self, images, labels):  # type: ignore[no-untyped-def]
            now = dict(zip(self.attributes, labels.T, strict=True))
            for editor in self.editors:
                images = editor.reconstruct(images, torch.stack([now[name] for name in editor.attributes], 1))
            return images

    check.team(Team)


def test_an_unfinished_team_is_told_so() -> None:
    class Team:
        def __init__(self, *editors):  # type: ignore[no-untyped-def]
            raise NotImplementedError

    with pytest.raises(CheckFailed) as caught:
        check.team(Team)
    assert caught.value.hint == "untouched"
    check.team.reset()


def test_the_ward_shows_numbers_and_no_names(capsys: pytest.CaptureFixture) -> None:
    check.ward()
    printed = capsys.readouterr().out
    assert printed.count("->") >= 10 and len(printed.splitlines()) == 6
    assert not any(failure in printed for failure, _, _ in check.PATIENTS.values() if failure != "mask")
    assert not any(cure in printed for cure in check.CURES if cure != "reconstruction")
