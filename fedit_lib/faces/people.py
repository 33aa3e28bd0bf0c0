"""People: descriptions of faces, sampled from a seed, and edited exactly."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Integral

import torch
from torch import Tensor

from .attributes import ATTRIBUTES, HAIR_COLOURS, HIDDEN_BY, INDEX, OBJECTS, TYPICAL, check_attributes, rivals

# Each split has seeds of its own, so no person met in training can turn up in a test.
SEEDS = {
    "train": range(0, 1_000_000),
    "valid": range(1_000_000, 2_000_000),
    "test": range(2_000_000, 3_000_000),
    "oracle": range(3_000_000, 4_000_000),
}

# What makes a person that person; each trait is a number in [0, 1] that `drawing.py` gives a meaning to.
IDENTITY = (
    "tone undertone face_width face_length jaw chin eye_spacing eye_size eye_colour eye_slant brow_height brow_arch "
    "nose_length nose_width mouth_width mouth_height lip_colour ear_size hair_style hair_volume hair_length "
    "hair_shade parting curl_phase freckles glasses_shape glasses_colour hat_style hat_colour beard_style fringe"
).split()
# What a new photograph of the same person changes.
SCENE = (
    "tilt turn shift_x shift_y scale light_side light_strength light_warmth gaze "
    "background_hue background_value background_saturation background_kind background_second "
    "clothes_hue clothes_value clothes_saturation clothes_kind wobble"
).split()
TRAITS = {name: i for i, name in enumerate(IDENTITY + SCENE)}


def split_of(seed: int) -> str:
    """Name the split ("train", "valid", "test", "oracle") whose range of seeds holds `seed`.

    Raises ValueError for a seed outside all of them.
    """
    for name, seeds in SEEDS.items():
        if seed in seeds:
            return name
    raise ValueError(f"seed {seed} is in no split; seeds run from 0 to {SEEDS['oracle'].stop - 1}: {SEEDS}")


@dataclass(frozen=True)
class People:
    """`n` described people; `faces.render` draws them.

    attributes: float (n, 24), strengths in [0, 1] in the order of `faces.ATTRIBUTES`, also of what is hidden.
    traits: float (n, len(TRAITS)) in [0, 1]: identity first, then pose, light, clothes and background.
    """

    attributes: Tensor
    traits: Tensor

    def __len__(self) -> int:
        return len(self.traits)

    def __getitem__(self, index) -> People:
        """One person by number, from the end if negative, or several by a slice, numbers or a mask.

        Raises IndexError for a number beyond either end.
        """
        if not isinstance(index, slice | Sequence) and getattr(index, "ndim", 0) == 0:
            number = operator.index(index)  # NumPy's and torch's numbers too
            if not -len(self) <= number < len(self):
                raise IndexError(f"there is no person {number} among {len(self)}: numbers start from 0")
            index = slice(number % len(self), number % len(self) + 1)
        if isinstance(index, tuple):
            index = list(index)  # numbers of people, and not a place in a table
        return People(self.attributes[index], self.traits[index])

    def __repr__(self) -> str:
        return f"People({len(self)})"

    @property
    def device(self) -> torch.device:
        """Where the descriptions live, and so where the faces will be drawn."""
        return self.traits.device

    @property
    def tone(self) -> Tensor:
        """Skin tone before `Pale_Skin`, float (n,) from 0 (darkest) to 1 (lightest)."""
        return self.traits[:, TRAITS["tone"]]

    def to(self, device: torch.device | str) -> People:
        """The same people on another device."""
        return People(self.attributes.to(device), self.traits.to(device))

    def strengths(self, names: Sequence[str] | None = None) -> Tensor:
        """Visible strengths, float (n, k) in [0, 1]; 0 for what something else hides."""
        names = ATTRIBUTES if names is None else check_attributes(names)
        columns = []
        for name in names:
            strength = self.attributes[:, INDEX[name]]
            for hider in HIDDEN_BY.get(name, ()):
                strength = strength * (self.attributes[:, INDEX[hider]] <= 0.5)
            columns.append(strength)
        return torch.stack(columns, dim=1) if columns else self.attributes[:, :0]

    def labels(self, names: Sequence[str] | None = None) -> Tensor:
        """Binary labels, float (n, k) of 0 and 1: strength > 0.5. What is hidden is labelled absent."""
        return (self.strengths(names) > 0.5).float()

    def with_attribute(self, name: str, strength: float | Tensor) -> People:
        """The same people with one attribute at `strength` in [0, 1] (a number, or float (n,)).

        Rivals fade as the attribute comes (a head has one hair colour), and what would hide it is taken
        off, so that `.labels([name])` is always `strength > 0.5` afterwards. Raises ValueError outside [0, 1].
        """
        check_attributes([name])
        try:
            strength = torch.as_tensor(strength, dtype=self.attributes.dtype, device=self.device)
            strength = strength.expand(len(self))
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"the strength of {name} must be a number or a float tensor ({len(self)},), one a person; "
                f"got {tuple(strength.shape) if isinstance(strength, Tensor) else repr(strength)}"
            ) from error
        if not ((strength >= 0) & (strength <= 1)).all():
            raise ValueError(
                f"the strength of {name} must lie in [0, 1]; got {strength.min():.3g} to {strength.max():.3g}"
            )
        attributes = self.attributes.clone()
        attributes[:, INDEX[name]] = strength
        for rival in rivals(name):
            attributes[:, INDEX[rival]] *= 1 - strength
        for hider in HIDDEN_BY.get(name, ()):
            attributes[:, INDEX[hider]] *= strength <= 0.5
        return replace(self, attributes=attributes)

    def with_targets(self, names: Sequence[str], target: Tensor) -> People:
        """The same people with several attributes changed: the true answer to an edit.

        target: strengths, float (n, k), on any device. Only entries that differ from the present visible strength's
        label are changed, so what an edit does not ask for keeps its own strength. Strengths are brought into the
        range of `TYPICAL`, 0.1 to 0.9: a label of 0 or 1, and what a slider asks beyond, means the typical strength.
        """
        names = check_attributes(names)
        if target.shape != (len(self), len(names)):
            raise ValueError(
                f"target must have the shape {(len(self), len(names))}; got {tuple(target.shape)}"
            )
        target = target.to(self.attributes.device)  # a slider's stands on the CPU
        people, asked = self, target.to(self.attributes.dtype).clamp(TYPICAL[0], TYPICAL[1])
        binary = (target == 0) | (target == 1)
        todo = ~(binary & (people.labels(names) == target))
        # Removals first, so that an attribute asked for is not wiped out by its rival's going; and again, because
        # what was hidden (a fringe under a hat) comes to light when its cover goes.
        for _ in range(3):
            for adding in (False, True):
                for column, name in enumerate(names):
                    change = todo[:, column] & ((asked[:, column] > 0.5) == adding)
                    if change.any():
                        edited = people.with_attribute(name, asked[:, column])
                        attributes = torch.where(change[:, None], edited.attributes, people.attributes)
                        people = replace(people, attributes=attributes)
            todo = people.labels(names) != (asked > 0.5)
        return people

    def with_scene(self, seed: int) -> People:
        """The same people (identity and attributes) photographed anew: pose, light, clothes, background."""
        generator = torch.Generator().manual_seed(seed)
        traits = self.traits.clone()
        first = TRAITS[SCENE[0]]
        traits[:, first:] = torch.rand(len(self), len(SCENE), generator=generator).to(traits)
        return replace(self, traits=traits)


def sample(n: int, seed: int = 0, correlated: bool = True, device: torch.device | str = "cpu") -> People:
    """Describe `n` people; the same seed gives the same people, and the first k of n are those of `sample(k)`.

    correlated: True draws attributes as in life (few bald women, grey hair with age, make-up with sex); False draws
        them independently, each common enough to be learned. Skin tone is independent of everything in both.
    Raises ValueError for a negative `n` or a seed outside `SEEDS`.
    """
    for what, number in (("n", n), ("seed", seed)):
        if not isinstance(number, Integral):
            raise ValueError(f"{what} must be a whole number, not {number!r}")
    if n < 0:
        raise ValueError(f"cannot sample {n} people")
    split_of(seed)
    generator = torch.Generator().manual_seed(seed)
    # One matrix, a row a person: so a longer sample begins with the shorter one.
    draws = torch.rand(n, len(TRAITS) + 2 * len(ATTRIBUTES), generator=generator)
    traits, chance, strength = draws.split([len(TRAITS), len(ATTRIBUTES), len(ATTRIBUTES)], dim=1)
    present = _present(chance, correlated)
    traits = traits.clone()
    if (
        correlated
    ):  # long hair with women, short with men, mostly: the *style* is no attribute, so no edit changes it
        style, male = traits[:, TRAITS["hair_style"]], present[:, INDEX["Male"]]
        traits[:, TRAITS["hair_style"]] = torch.where(male, 0.55 * style, 0.35 + 0.65 * style)
    return People(_strengths(present, strength).to(device), traits.to(device))


def _present(chance: Tensor, correlated: bool) -> Tensor:
    """Which attributes are present, bool (n, 24), from uniform chances (n, 24)."""
    c = {name: chance[:, i] for name, i in INDEX.items()}
    yes: dict[str, Tensor] = {}

    def given(condition: Tensor, p_yes: float, p_no: float) -> Tensor:
        return torch.where(condition, torch.tensor(p_yes), torch.tensor(p_no))

    if correlated:
        male = yes["Male"] = c["Male"] < 0.45
        young = yes["Young"] = c["Young"] < 0.7
        p_of = {
            "Bald": given(male, 1.0, 0.03) * given(young, 0.05, 0.35),
            "Bushy_Eyebrows": given(male, 0.45, 0.10),
            "Eyeglasses": given(young, 0.15, 0.40),
            "Heavy_Makeup": given(male, 0.01, 0.55),
            "Smiling": given(male, 0.45, 0.58),
            "Mustache": given(male, 0.30, 0.002),
            "No_Beard": given(male, 0.62, 0.998),
            "Pale_Skin": torch.tensor(0.10),
            "Wearing_Hat": given(male, 0.12, 0.07),
            "Narrow_Eyes": torch.tensor(0.15),
            "Big_Lips": given(male, 0.15, 0.35),
            "Big_Nose": given(male, 0.40, 0.12),
            "Chubby": given(young, 0.08, 0.25),
        }
        groups = {
            HAIR_COLOURS: [
                given(young, 0.38, 0.14),
                given(male, 0.10, 0.22) * given(young, 1, 0.5),
                given(young, 0.34, 0.14),
                given(young, 0.02, 0.55),
            ],
            ("Straight_Hair", "Wavy_Hair"): [torch.tensor(0.35), given(male, 0.18, 0.48)],
            ("Bangs", "Receding_Hairline"): [
                given(male, 0.10, 0.35),
                given(male, 1, 0.1) * given(young, 0.12, 0.5),
            ],
        }
        for name, p in p_of.items():
            yes[name] = c[name] < p
        yes["Mouth_Slightly_Open"] = c["Mouth_Slightly_Open"] < given(yes["Smiling"], 0.65, 0.25)
    else:
        # Rarer where presence hides other attributes, so that these are still seen often.
        rare = {"Bald": 0.2, "Wearing_Hat": 0.12, "Pale_Skin": 0.35}
        for name in ATTRIBUTES:
            yes[name] = c[name] < rare.get(
                name, 0.45 if name not in ("Male", "Young", "No_Beard", "Smiling") else 0.5
            )
        groups = {
            HAIR_COLOURS: [torch.tensor(0.23)] * 4,
            ("Straight_Hair", "Wavy_Hair"): [torch.tensor(0.36)] * 2,
            ("Bangs", "Receding_Hairline"): [torch.tensor(0.38), torch.tensor(0.30)],
        }
    for names, shares in groups.items():  # one draw decides within an exclusive group
        floor = torch.zeros(len(chance))
        for name, share in zip(names, shares, strict=True):
            yes[name] = (c[names[0]] >= floor) & (c[names[0]] < floor + share)
            floor = floor + share
    return torch.stack([yes[name] for name in ATTRIBUTES], dim=1)


def _strengths(present: Tensor, u: Tensor) -> Tensor:
    """Strengths (n, 24) that keep away from 0.5: [0.75, 1] where present, [0, 0.25] where absent."""
    absent = 0.25 * u
    for name in OBJECTS:
        absent[:, INDEX[name]] *= 0.0
    absent[:, INDEX["No_Beard"]] = 0.25 * u[:, INDEX["No_Beard"]]  # a beard: more or less of it
    there = 0.75 + 0.25 * u
    there[:, INDEX["No_Beard"]] = 1.0
    return torch.where(present, there, absent)
