"""Lines where the light changes, and none where it does not."""

from __future__ import annotations

import pytest
import torch

from fedit_lib import faces
from fedit_lib.data import FaceSet, line_drawings, procedural
from fedit_lib.data.drawings import xdog


def halves(left: float, right: float, size: int = 64) -> torch.Tensor:
    """A picture of two even areas, (1, 3, size, size)."""
    image = torch.full((1, 3, size, size), left)
    image[..., size // 2 :] = right
    return image


@pytest.mark.parametrize("grey", [-1.0, -0.9, 0.0, 1.0])
def test_an_even_picture_is_blank_paper_however_dark(grey):
    drawn = xdog(torch.full((1, 3, 64, 64), grey))
    assert drawn.shape == (1, 1, 64, 64) and (drawn == 1).all()


def test_an_edge_is_a_dark_line_on_its_dark_side():
    drawn = xdog(halves(-0.6, 0.4))[0, 0]
    ink = (drawn < 0).float().mean(0)  # by column
    assert ink[28:32].max() == 1 and not ink[32:].any() and not ink[:26].any()
    assert torch.allclose(xdog(halves(0.4, -0.6))[0, 0], drawn.flip(-1), atol=1e-4)
    assert (xdog(halves(0.0, 0.002)) == 1).all()  # less than the eye sees


def test_light_that_changes_slowly_is_no_line():
    ramp = torch.linspace(-0.8, 0.8, 64).expand(1, 3, 64, 64)
    assert (xdog(ramp) == 1).all()


def test_a_broader_pen_draws_more_ink():
    image = halves(-0.6, 0.4)
    fine, broad = ((1 - xdog(image, sigma)).mean() for sigma in (0.5, 1.0))
    assert broad > 1.5 * fine > 0


def test_drawings_of_faces_are_lines_like_those_of_the_face_world():
    data = procedural(40, size=64, seed=3)
    drawn = line_drawings(data)
    assert drawn.shape == (40, 2, 64, 64) and drawn.dtype == torch.uint8
    ink = 1 - drawn.float() / 255
    assert 0.03 < ink[:, 0].mean() < ink[:, 1].mean() < 0.25  # mostly paper
    assert ink.amax((1, 2, 3)).min() == 1  # nobody is left out
    # Near the lines that a hand draws of the same faces there is more of it than of another face's.
    hand = (faces.sketch(data.people, 64) < 0).float()
    near = torch.nn.functional.max_pool2d(hand, 3, 1, 1)
    own, other = ((ink[:, :1] * lines).sum() / ink[:, :1].sum() for lines in (near, near.roll(1, 0)))
    assert own > other + 0.2
    assert torch.equal(line_drawings(FaceSet(data.images[:3], data.labels[:3], data.attributes)), drawn[:3])


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match=r"batch \(B, 3, S, S\)"):
        xdog(torch.zeros(3, 8, 8))
    with pytest.raises(ValueError, match="above 0; they are 0"):
        xdog(torch.zeros(1, 3, 8, 8), sigma=0)
    with pytest.raises(ValueError, match=r"uint8.*faces\.to_float"):  # it would be blank paper
        xdog(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
