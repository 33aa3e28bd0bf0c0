"""How a face is drawn: signed-distance shapes, composited back to front, on a photograph or on paper.

A shape is a signed distance `d` in face units (negative inside; the head is about 0.9 wide and 1.2 high, y points
down). Its coverage of a pixel is `clamp(1/2 - d / pixel, 0, 1)`: an anti-aliased edge without supersampling. One
description (`draw`) serves both canvases: `Photo` fills shapes with colour, `Paper` outlines them in ink.

Two rules keep edits exact. An attribute moves only its own shapes (the light, for example, never depends on the
jaw's width), and a shape that is not there is drawn with opacity 0, which leaves every pixel as it was, bit for bit.
"""

from __future__ import annotations

import math
from contextlib import contextmanager

import torch
from torch import Tensor

from .attributes import ATTRIBUTES
from .people import TRAITS, People

# ---------------------------------------------------------------------------------------------------- shapes


def ellipse(u: Tensor, v: Tensor, a, b) -> Tensor:
    """Signed distance to an ellipse with half axes a, b (first-order: exact on the outline)."""
    k0 = torch.hypot(u / a, v / b)
    k1 = torch.hypot(u / (a * a), v / (b * b))
    return k0 * (k0 - 1) / (k1 + 1e-6)


def circle(u: Tensor, v: Tensor, r) -> Tensor:
    """Signed distance to a circle of radius r."""
    return torch.hypot(u, v) - r


def box(u: Tensor, v: Tensor, a, b, r) -> Tensor:
    """Signed distance to a box with half sides a, b and corners of radius r."""
    q, w = u.abs() - (a - r), v.abs() - (b - r)
    return torch.hypot(q.clamp(min=0), w.clamp(min=0)) + torch.maximum(q, w).clamp(max=0) - r


def segment(u: Tensor, v: Tensor, u0, v0, u1, v1) -> Tensor:
    """Distance to the line from (u0, v0) to (u1, v1)."""
    du, dv = u1 - u0, v1 - v0
    along = (((u - u0) * du + (v - v0) * dv) / (du * du + dv * dv)).clamp(0, 1)
    return torch.hypot(u - u0 - along * du, v - v0 - along * dv)


def union(d1: Tensor, d2: Tensor, k: float) -> Tensor:
    """Union of two shapes, melted together over a width k."""
    h = (0.5 + 0.5 * (d2 - d1) / k).clamp(0, 1)
    return torch.lerp(d2, d1, h) - k * h * (1 - h)


def bump(x: Tensor) -> Tensor:
    """A soft spot: 1 at x = 0, falling to 0 at |x| = 1 and exactly 0 beyond."""
    return (1 - x * x).clamp(min=0) ** 2


def ramp(x: Tensor, low: float, high: float) -> Tensor:
    """0 below `low`, 1 above `high`, smooth between."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


# ---------------------------------------------------------------------------------------------------- colours


def colour_scale(anchors: list[tuple[float, float, float]], t: Tensor) -> Tensor:
    """Colours (n, 3, 1, 1) read off a scale of anchor colours at t in [0, 1], (n, 1, 1, 1)."""
    table = torch.tensor(anchors, device=t.device)
    place = t.flatten().clamp(0, 1) * (len(anchors) - 1)
    low = place.floor().long().clamp(max=len(anchors) - 2)
    return torch.lerp(table[low], table[low + 1], (place - low)[:, None])[:, :, None, None]


def hsv(h: Tensor, s: Tensor, v: Tensor) -> Tensor:
    """Hue, saturation, value, each (n, 1, 1, 1) in [0, 1], to RGB (n, 3, 1, 1)."""
    k = (torch.tensor([5.0, 3.0, 1.0], device=h.device).view(1, 3, 1, 1) + 6 * h) % 6
    return v - v * s * torch.minimum(k, 4 - k).clamp(0, 1)


SKIN = [
    (0.215, 0.130, 0.100),
    (0.335, 0.205, 0.150),
    (0.475, 0.305, 0.215),
    (0.615, 0.415, 0.295),
    (0.740, 0.535, 0.395),
    (0.840, 0.645, 0.505),
    (0.900, 0.730, 0.600),
]
PALE = (0.985, 0.925, 0.885)
HAIR = {
    "Black_Hair": (0.075, 0.065, 0.075),
    "Blond_Hair": (0.910, 0.745, 0.400),
    "Brown_Hair": (0.330, 0.190, 0.105),
    "Gray_Hair": (0.690, 0.695, 0.715),
}
GINGER = (0.690, 0.300, 0.105)  # the head of hair with none of the four colours
EYES = [(0.20, 0.11, 0.06), (0.34, 0.20, 0.09), (0.30, 0.36, 0.16), (0.22, 0.42, 0.40), (0.25, 0.45, 0.72)]
FRAMES = [(0.05, 0.05, 0.06), (0.09, 0.07, 0.06), (0.32, 0.14, 0.06), (0.55, 0.08, 0.10), (0.08, 0.14, 0.42)]
LIPSTICK = [(0.72, 0.05, 0.12), (0.85, 0.10, 0.32), (0.55, 0.04, 0.22)]
SHADOWS = [(0.20, 0.28, 0.62), (0.42, 0.18, 0.52), (0.12, 0.42, 0.42)]


# ---------------------------------------------------------------------------------------------------- canvases


class Canvas:
    """Coordinates, traits and strengths for a chunk of people, and a window that drawing is limited to.

    `u`, `v` are face coordinates (n, 1, h, w): to the viewer's right and down, in the tilted, shifted, scaled head.
    """

    def __init__(self, people: People, size: int) -> None:
        self.size, self.n, device = size, len(people), people.device
        self._traits = people.traits[:, :, None, None, None]
        strengths = people.strengths()
        self._strengths = dict(zip(ATTRIBUTES, strengths[:, :, None, None, None].unbind(1), strict=True))
        self._raw = dict(zip(ATTRIBUTES, people.attributes[:, :, None, None, None].unbind(1), strict=True))
        axis = (torch.arange(size, device=device) + 0.5) * (2 / size) - 1
        tilt = self.trait("tilt", -0.13, 0.13)
        self._scale = self.trait("scale", 1.06, 1.20)
        self._shift = self.trait("shift_x", -0.05, 0.05), self.trait("shift_y", 0.0, 0.07)
        self._cos, self._sin = tilt.cos(), tilt.sin()
        x = (axis.view(1, 1, 1, size) - self._shift[0]) / self._scale
        y = (axis.view(1, 1, size, 1) - self._shift[1]) / self._scale
        self._u, self._v = self._cos * x + self._sin * y, self._cos * y - self._sin * x
        self.inv_pixel = size / 2 * self._scale
        self._layers = torch.empty(self.n, self.channels, size, size, device=device)
        self.u, self.v, self.target = self._u, self._v, self._layers
        self._crop = None

    def trait(self, name: str, low: float = 0.0, high: float = 1.0) -> Tensor:
        """A trait, (n, 1, 1, 1), stretched to [low, high]."""
        return low + (high - low) * self._traits[:, TRAITS[name]]

    def strength(self, name: str) -> Tensor:
        """The visible strength of an attribute, (n, 1, 1, 1) in [0, 1]."""
        return self._strengths[name]

    def nature(self, name: str) -> Tensor:
        """The strength a person has by nature, hidden or not: a bald man's beard keeps its colour."""
        return self._raw[name]

    @contextmanager
    def window(self, u0: float, u1: float, v0: float, v1: float):
        """Limit drawing to the pixels that show this box of the face, for speed alone.

        Everything drawn inside must vanish at the box's edge, whatever the person.
        """
        cu = torch.tensor([u0, u0, u1, u1], device=self._u.device).view(1, 4, 1, 1)
        cv = torch.tensor([v0, v1, v0, v1], device=self._u.device).view(1, 4, 1, 1)
        x = self._shift[0] + self._scale * (self._cos * cu - self._sin * cv)
        y = self._shift[1] + self._scale * (self._sin * cu + self._cos * cv)
        edges = torch.stack([x.min(), x.max(), y.min(), y.max()])
        left, right, top, bottom = ((edges + 1) * (self.size / 2)).tolist()
        rows = slice(max(0, math.floor(top) - 1), min(self.size, math.ceil(bottom) + 1))
        columns = slice(max(0, math.floor(left) - 1), min(self.size, math.ceil(right) + 1))
        self._crop = (slice(None), slice(None), rows, columns)
        self.u, self.v = self.cut(self._u).contiguous(), self.cut(self._v).contiguous()
        self.target = self.cut(self._layers)
        try:
            yield
        finally:
            self._crop = None
            self.u, self.v, self.target = self._u, self._v, self._layers

    def cut(self, field: Tensor) -> Tensor:
        """The part of a whole-picture field that the present window shows."""
        return field if self._crop is None else field[self._crop]

    def coverage(self, d: Tensor) -> Tensor:
        """The share of each pixel that lies inside a shape."""
        return (0.5 - d * self.inv_pixel).clamp_(0, 1)

    def stroke(self, d: Tensor, half_width) -> Tensor:
        """The share of each pixel under a stroke along d = 0; a stroke finer than a pixel fades instead."""
        return ((half_width - d.abs()) * self.inv_pixel + 0.5).clamp_(0, 1) * (
            2 * half_width * self.inv_pixel
        ).clamp(max=1)


class Photo(Canvas):
    """Colour: `pixels` is float (n, 3, size, size) in [0, 1]."""

    channels = 3

    @property
    def pixels(self) -> Tensor:
        return self._layers

    def paint(self, alpha: Tensor, colour: Tensor) -> None:
        """Blend a colour in; no outline."""
        self.target.lerp_(colour.expand_as(self.target), alpha)

    def fill(self, d: Tensor, colour: Tensor, opacity=1.0, outline: bool = True) -> None:
        """Fill a shape."""
        self.paint(self.coverage(d) * opacity, colour)

    def line(self, d: Tensor, half_width, colour: Tensor, opacity=1.0) -> None:
        """Draw a stroke along d = 0."""
        self.paint(self.stroke(d, half_width) * opacity, colour)


class Paper(Canvas):
    """Ink: the same shapes as outlines, each hiding what lies behind it. Bent and broken according to skill."""

    channels = 1

    def __init__(self, people: People, size: int, skill: str) -> None:
        super().__init__(people, size)
        self._layers.fill_(1.0)
        bend = {"clean": 0.0, "wobbly": 0.022, "poor": 0.034}[skill]
        phase = (
            2
            * math.pi
            * torch.cat([self.trait(t) for t in ("wobble", "curl_phase", "tilt", "shift_x")], dim=1)
        )
        p = [phase[:, i : i + 1] for i in range(4)]
        u, v = self._u, self._v
        self._u = u + bend * (torch.sin(6.1 * v + p[0]) + 0.6 * torch.sin(13.7 * v + 4.3 * u + p[1]))
        self._v = v + bend * (torch.sin(5.3 * u + p[2]) + 0.6 * torch.sin(14.9 * u - 3.7 * v + p[3]))
        self.u, self.v = self._u, self._v
        self._kept = None
        if skill == "poor":  # strokes end too early: no ink where a slow noise is high
            noise = torch.sin(9.7 * u + 5.1 * v + 3 * p[1]) + torch.sin(11.3 * v - 6.7 * u + 2 * p[2] + p[0])
            self._kept = 1 - ramp(noise, 0.75, 1.05)

    def paint(self, alpha: Tensor, colour: Tensor) -> None:
        """Shading leaves no line."""

    def fill(self, d: Tensor, colour: Tensor, opacity=1.0, outline: bool = True) -> None:
        """Hide what is behind the shape and outline it."""
        self.target.lerp_(torch.ones_like(self.target), self.coverage(d) * opacity)
        if outline:
            self.line(d, 0.0, colour, opacity)

    def line(self, d: Tensor, half_width, colour: Tensor, opacity=1.0) -> None:
        """Ink has one width, whatever the stroke: half a pixel at 64, or 0.009 of the face."""
        alpha = ((0.009 - d.abs()) * self.inv_pixel + 0.55).clamp_(0, 1) * opacity
        self.target.lerp_(torch.zeros_like(self.target), alpha)

    def finish(self) -> Tensor:
        """The page, float (n, 1, size, size): 1 paper, 0 ink."""
        if self._kept is None:
            return self._layers
        return 1 - (1 - self._layers) * self._kept


# ---------------------------------------------------------------------------------------------------- the face


def draw(c: Canvas) -> None:
    """Draw the people of a canvas, back to front."""
    look = _Look(c)
    _background(c)
    _hair_behind(c, look)
    _body(c, look)
    _ears(c, look)
    _head(c, look)
    _age(c, look)
    _nose(c, look)
    _beard(c, look)
    _mouth(c, look)
    _eyes(c, look)
    _brows(c, look)
    _hair(c, look)
    _glasses(c, look)
    _hat(c, look)


class _Look:
    """Colours, and what several parts share: the head's outline, the hair's, the light."""

    def __init__(self, c: Canvas) -> None:
        device = c.u.device

        def rgb(colour) -> Tensor:
            return torch.tensor(colour, device=device).view(1, 3, 1, 1)

        self.rgb, s, t = rgb, c.strength, c.trait
        self.male, self.age = s("Male"), ramp(1 - s("Young"), 0.12, 0.85)
        self.chubby, self.makeup = s("Chubby"), ramp(s("Heavy_Makeup"), 0.1, 0.95)
        self.turn = t("turn", -1, 1)

        skin = colour_scale(SKIN, t("tone"))
        skin = skin * (1 + (t("undertone") - 0.5) * rgb((0.04, 0.0, -0.12)))
        self.skin = torch.lerp(skin, rgb(PALE).expand_as(skin), ramp(s("Pale_Skin"), 0.1, 1.0) * 0.92)
        self.shadow = self.skin * rgb((0.66, 0.56, 0.54))
        self.crease = self.skin * rgb((0.50, 0.38, 0.36))
        self.glow = self.skin + (1 - self.skin) * 0.30

        hair, rest = torch.zeros_like(skin), torch.ones_like(skin[:, :1])
        for name, colour in HAIR.items():
            share = torch.minimum(1 - (1 - c.nature(name)) ** 2, rest)
            hair, rest = hair + share * rgb(colour), rest - share
        hair = hair + rest * rgb(GINGER)
        self.hair = hair * t("hair_shade", 0.88, 1.12)

        # Light: brightness across the face. Never a function of an attribute, or edits would not stay local.
        side, power = t("light_side", -1, 1), t("light_strength", 0.10, 0.26)
        self.light = 1.03 + power * (side * c.u * 1.6 - c.v * 0.55)
        self.warmth = 1 + (t("light_warmth") - 0.5) * rgb((0.06, 0.0, -0.10))

        # The head: a cranium melted into a jaw. Male and Chubby change the jaw alone.
        self.width = t("face_width", 0.400, 0.440)
        self.chin = t("face_length", 0.555, 0.595) + 0.012 * self.male
        jaw = t("jaw", 0.285, 0.315) + 0.074 * self.male + 0.105 * self.chubby
        corner = 0.245 - 0.055 * self.male + 0.05 * self.chubby + t("chin", -0.015, 0.015)
        taper = 0.36 - 0.13 * self.male - 0.20 * self.chubby
        cranium = ellipse(c.u, c.v + 0.13, self.width, 0.50)
        below = (c.v - 0.10).clamp(0, 0.5)
        jaws = box(
            c.u.abs() + taper * below,
            c.v - (self.chin - 0.30),
            jaw + 0.025,
            torch.full_like(jaw, 0.30),
            corner,
        )
        self.head = union(cranium, jaws, 0.10)

        # Hair: one outline for every style, from a cropped head to hair over the shoulders.
        style = t("hair_style")
        self.long = ramp(style, 0.60, 0.63)  # bob and long fall in front of the ears
        curly_cap = ramp(style, 0.45, 0.46) * (1 - self.long)
        volume = 0.035 + 0.045 * ramp(style, 0.2, 0.22) + 0.075 * curly_cap - 0.015 * self.long
        self.volume = volume + t("hair_volume", -0.008, 0.022)
        self.length = (
            torch.where(style < 0.2, -0.10, 0.0)
            + 0.12 * curly_cap
            + self.long * (torch.where(style < 0.79, 0.42, 1.05) + t("hair_length", -0.06, 0.06))
        )
        self.bald = ramp(s("Bald"), 0.05, 0.5)
        self.straight, self.wavy = s("Straight_Hair"), s("Wavy_Hair")
        self.parting = t("parting", -0.16, 0.16)


def _background(c: Canvas) -> None:
    if isinstance(c, Paper):
        return
    t = c.trait
    hue, saturation, value = (
        t("background_hue"),
        t("background_saturation", 0.08, 0.55),
        t("background_value", 0.42, 0.93),
    )
    first = hsv(hue, saturation, value)
    second = hsv((hue + t("background_second", -0.09, 0.09)) % 1, saturation * 0.8, value * 0.62)
    kind = t("background_kind")
    axis = (torch.arange(c.size, device=c.u.device) + 0.5) * (2 / c.size) - 1
    x, y = axis.view(1, 1, 1, -1), axis.view(1, 1, -1, 1)
    slope = (0.5 + 0.32 * y + (kind - 0.5) * 0.7 * x).clamp(0, 1)
    halo = 1 - 0.33 * (x * x + (y - 0.1) ** 2)  # lighter behind the head, as in a studio
    mix = torch.where(kind < 0.5, slope, 1 - halo.clamp(0, 1) + 0.12 * y)
    c.target.copy_(torch.lerp(first, second, mix.clamp(0, 1)))


def _strands(c: Canvas, look: _Look) -> tuple[Tensor, Tensor, Tensor]:
    """The hair's own coordinates: angle and distance from the crown, and the wavy displacement of its outline."""
    u, v = c.u - look.parting * 0.8, c.v + 0.80
    angle, radius = torch.atan2(u, v + 0.08), torch.hypot(u, v)
    phase = 6.3 * c.trait("curl_phase")
    curl = look.wavy * torch.sin(10 * angle + 21 * radius + phase)
    return angle, radius, curl


def _hair_outline(c: Canvas, look: _Look, curl: Tensor) -> Tensor:
    # Below the ears the outline is drawn out downwards, widening a little, and cut at the hair's length.
    v = c.v + 0.12
    down = v.clamp(min=0)
    wide = look.width + look.volume + look.long * 0.06 * down
    d = ellipse(c.u, v.clamp(max=0) + 1e-4, wide, 0.515 + look.volume) - 0.020 * curl
    ends = c.v - look.length + 0.35 * (c.u.abs() - 0.35).clamp(min=0) * look.long
    return -union(-d, 0.02 * curl - ends, 0.07)


def _hair_colour(c: Canvas, look: _Look, angle: Tensor, radius: Tensor, curl: Tensor) -> Tensor:
    phase = 6.3 * c.trait("curl_phase")
    fine = torch.sin(36 * angle + 2.5 * torch.sin(3 * radius + phase))
    broad = torch.sin(13 * angle + 26 * radius + phase)
    grain = look.straight * fine
    texture = 0.05 * torch.sin(17 * angle + phase) + 0.27 * grain + 0.26 * look.wavy * broad
    sheen = bump((radius - 0.36 - 0.02 * curl) / 0.17) * (0.30 - 0.12 * look.wavy)
    edge = 0.30 * (c.u.abs() - 0.30).clamp(min=0) * 2
    bright = (0.94 + texture + sheen - edge) * look.light
    # Strands must show on black hair too, so part of their light does not depend on its colour.
    return look.hair * bright + 0.05 * sheen + 0.055 * (grain.clamp(min=0) + look.wavy * broad.clamp(min=0))


def _hair_behind(c: Canvas, look: _Look) -> None:
    shown = (1 - look.bald) * look.long
    if not shown.any():
        return
    angle, _, curl = _strands(c, look)
    d = _hair_outline(c, look, curl)
    c.fill(d, look.hair * (0.58 + 0.10 * look.straight * torch.sin(40 * angle)) * look.light, shown)


def _body(c: Canvas, look: _Look) -> None:
    t, paper = c.trait, isinstance(c, Paper)
    with c.window(-1.4, 1.4, 0.28, 1.5):
        light = c.cut(look.light)
        neck = t("face_width", 0.150, 0.170) + 0.065 * look.male + 0.035 * look.chubby
        flare = 0.55 * (c.v - 0.66).clamp(min=0) ** 2 * 4
        d_neck = (c.u.abs() - neck - flare) * 0.9
        c.fill(torch.maximum(d_neck, c.v - 1.3), look.skin * 0.90 * look.warmth)
        # The chin's shadow on the neck follows the neck, not the chin, so that jaw edits stay local.
        c.paint(c.coverage(d_neck) * ramp(0.86 - c.v, 0.0, 0.30) * 0.55, look.shadow * 0.8)
        shoulders = 0.62 + 0.10 * look.male + 0.05 * look.chubby
        top = 0.735 + 0.30 * (c.u.abs() / shoulders - 0.25).clamp(min=0) ** 2
        cloth = hsv(t("clothes_hue"), t("clothes_saturation", 0.15, 0.75), t("clothes_value", 0.22, 0.85))
        kind = t("clothes_kind")
        depth = torch.where(kind < 0.4, 0.04, torch.where(kind < 0.7, 0.26, 0.13))
        opening = ellipse(c.u, c.v - 0.675, 0.235 + 0.02 * look.male, 0.07 + depth)
        d_cloth = torch.maximum(top - c.v, -opening)
        stripes = torch.where(kind > 0.85, 0.13, 0.0) * torch.sign(torch.sin(30 * c.v))
        shade = (1.05 - 0.28 * (c.u.abs() - 0.25).clamp(min=0) + stripes) * light
        c.fill(d_cloth, cloth * shade)
        c.line(torch.maximum(opening.abs() - 0.004, top - 0.02 - c.v), 0.014, cloth * 0.70)
        if not paper:
            lapel = torch.where((kind >= 0.4) & (kind < 0.7), 1.0, 0.0)
            fold = segment(c.u.abs(), c.v, 0.24, 0.755, 0.36, 1.0)
            c.line(fold, 0.010, cloth * 0.62, lapel)


def _ears(c: Canvas, look: _Look) -> None:
    with c.window(-0.62, 0.62, -0.24, 0.36):
        size = c.trait("ear_size", 0.88, 1.12)
        u = c.u.abs() - (look.width - 0.005) + look.turn * 0.035 * torch.sign(c.u)
        v = c.v - 0.03
        d = ellipse(u + 0.18 * v, v, 0.068 * size, 0.118 * size)
        side = 1 + 0.10 * c.trait("light_side", -1, 1) * torch.sign(c.u)
        c.fill(d, look.skin * 0.93 * look.warmth * side)
        inner = ellipse(u + 0.18 * v - 0.012, v + 0.005, 0.034 * size, 0.075 * size)
        c.paint(c.coverage(inner) * 0.50, look.crease)


def _head(c: Canvas, look: _Look) -> None:
    u, v = c.u, c.v
    edge = ((u / 0.47) ** 2 + ((v + 0.02) / 0.66) ** 2).clamp(max=1.3)
    shade = look.light - 0.16 * edge * edge
    c.fill(look.head, look.skin * shade * look.warmth)
    inside = c.coverage(look.head)
    # Forehead and cheekbones catch the light; cheeks have colour.
    forehead = bump(torch.hypot((u - 0.05 * look.turn) / 0.34, (v + 0.33) / 0.22))
    c.paint(inside * forehead * 0.22, look.glow)
    with c.window(-0.55, 0.55, -0.08, 0.46):
        au = (c.u - 0.03 * look.turn).abs()
        cheek = bump(torch.hypot((au - 0.255) / 0.17, (c.v - 0.165) / 0.14))
        inside = c.coverage(c.cut(look.head))
        flush = look.skin * look.rgb((1.06, 0.70, 0.68)) + look.rgb((0.06, 0.0, 0.01))
        c.paint(inside * cheek * (0.30 + 0.10 * look.makeup), flush)
        c.paint(inside * cheek * look.makeup * 0.34, look.rgb((0.86, 0.26, 0.34)))
        spots = (torch.sin(61 * c.u + 23 * c.v) * torch.sin(57 * c.v - 31 * c.u) > 0.72).float()
        c.paint(inside * cheek * spots * ramp(c.trait("freckles"), 0.72, 1.0) * 0.35, look.crease)
    # A double chin: a soft crease and a fold of light under it.
    with c.window(-0.45, 0.45, 0.30, 0.80):
        fold = ellipse(c.u, c.v - look.chin + 0.24, 0.235, 0.165)
        low = ramp(c.v - look.chin + 0.24, 0.02, 0.12)
        c.line(fold, 0.013, look.crease, 0.60 * ramp(look.chubby, 0.2, 0.9) * low)


def _age(c: Canvas, look: _Look) -> None:
    """What years leave: lines on the forehead, around the mouth and the eyes, and tired skin under them."""
    old = look.age
    if not old.any():
        return
    with c.window(-0.46, 0.46, -0.52, 0.50):
        u, v = c.u - 0.04 * look.turn, c.v
        au, inside = u.abs(), c.coverage(c.cut(look.head) + 0.02)
        for level, reach in ((-0.325, 0.17), (-0.270, 0.21), (-0.222, 0.18)):
            wave = v - level - 0.012 * torch.cos(14 * u) + 0.10 * u * u
            c.line(wave, 0.0105, look.crease, 0.75 * old * inside * bump(u / (reach * 1.35)) ** 0.5)
        fold = segment(au, v, 0.105, 0.165, 0.190, 0.335)  # from the nose past the mouth
        c.line(fold, 0.0135, look.crease, 0.85 * old)
        bag = ellipse(au - _EYE_U, v - _EYE_V - 0.035, 0.100, 0.062)
        c.line(bag, 0.0115, look.crease, 0.62 * old * ramp(v - _EYE_V, 0.04, 0.075))
        c.paint(c.coverage(bag - 0.01) * ramp(v - _EYE_V, 0.03, 0.09) * 0.30 * old, look.shadow)
        for rise in (-0.035, 0.0, 0.035):  # crow's feet
            foot = segment(au, v, 0.305, _EYE_V + 0.4 * rise, 0.362, _EYE_V + 1.5 * rise)
            c.line(foot, 0.0085, look.crease, 0.55 * old)
        hollow = bump(torch.hypot((au - 0.295) / 0.10, (v - 0.27) / 0.17))
        c.paint(inside * hollow * 0.52 * old, look.shadow)
        marionette = segment(au, v, 0.150, 0.385, 0.160, 0.450)
        c.line(marionette, 0.0105, look.crease, 0.6 * old)


_EYE_U, _EYE_V = 0.190, -0.010  # where an eye is, but for spacing


def _eye_place(c: Canvas, look: _Look) -> tuple[Tensor, Tensor]:
    """Coordinates centred on an eye, x outwards: both eyes are drawn at once by symmetry."""
    u = c.u - 0.045 * look.turn
    x = u.abs() - c.trait("eye_spacing", -0.013, 0.015) - _EYE_U
    slant = c.trait("eye_slant", -0.10, 0.14)
    return x, c.v - _EYE_V + slant * x


def _nose(c: Canvas, look: _Look) -> None:
    big = c.strength("Big_Nose")
    with c.window(-0.34, 0.34, -0.20, 0.34):
        u, v = c.u - 0.085 * look.turn * ramp(c.v, -0.12, 0.16), c.v
        au = u.abs()
        size = c.trait("nose_width", 0.92, 1.04) * (1 + 0.88 * big)
        tip = c.trait("nose_length", 0.143, 0.160) + 0.010 * big
        bridge = ramp(v, -0.14, -0.02) * ramp(tip - v, 0.0, 0.08)
        side = c.trait("light_side", -1, 1)
        flank = bump((u + 0.045 * size * torch.where(side < 0, -1.0, 1.0)) / (0.045 * size))
        c.paint(bridge * flank * 0.62, look.shadow)
        c.paint(bridge * bump(u / (0.036 * size)) * 0.55, look.glow)
        wing = ellipse(au - 0.058 * size, v - tip - 0.004, 0.036 * size, 0.034 + 0.022 * big)
        c.paint(c.coverage(wing - 0.008) * 0.62, look.shadow)
        ball = circle(u, (v - tip) * 1.05, 0.049 * size)
        c.paint(c.coverage(ball) * 0.85, look.skin * look.rgb((1.05, 0.88, 0.85)) * look.warmth)
        c.paint(bump(torch.hypot(u / (0.034 * size), (v - tip + 0.016) / 0.034)) * 0.55, look.glow)
        under = ellipse(u, v - tip - 0.046 - 0.030 * big, 0.068 * size, 0.016 + 0.006 * big)
        c.paint(c.coverage(under) * 0.70, look.shadow * 0.9)
        nostril = ellipse(
            au - 0.031 * size, v - tip - 0.033 - 0.022 * big, 0.0185 * size, 0.0115 + 0.005 * big
        )
        c.fill(nostril, look.crease * 0.45, 0.92)
        if isinstance(c, Paper):
            c.line(torch.maximum(wing.abs(), 0.045 * size - au), 0.0, look.crease)
            c.line(torch.maximum((u - 0.03 * size).abs(), (v + 0.02).abs() - 0.06), 0.0, look.crease, 0.6)


def _mouth_line(c: Canvas, look: _Look) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Across the mouth: q (-1 .. 1 between the corners), and v below the lips' line; smile; half width."""
    smile = c.strength("Smiling")
    half = c.trait("mouth_width", 0.124, 0.138) + 0.068 * smile
    q = (c.u - 0.055 * look.turn) / half
    q2 = (q * q).clamp(max=1.6)
    level = c.trait("mouth_height", 0.298, 0.318) - 0.004 * smile
    line = level + smile * (0.042 - 0.116 * q2) + 0.018 * q2 * (1 - smile)
    return q, c.v - line, smile, half


def _mouth(c: Canvas, look: _Look) -> None:
    with c.window(-0.36, 0.36, 0.08, 0.52):
        q, y, smile, half = _mouth_line(c, look)
        arch = (1 - q * q).clamp(min=0)
        gap = ramp(c.strength("Mouth_Slightly_Open"), 0.05, 1.0) * (0.105 - 0.012 * smile)
        full = 1 + 1.15 * c.strength("Big_Lips") - 0.18 * look.male
        bow = 1 - 0.42 * bump(q / 0.22) + 0.30 * bump((q.abs() - 0.30) / 0.32)
        upper = (0.021 * bow * arch**0.8 + 0.004 * arch) * full - 0.003 * smile
        lower = 0.037 * arch**0.75 * full - 0.004 * smile
        opening = gap * arch**0.7
        ends = (q.abs() - 1) * half
        lips = torch.maximum(torch.maximum(-upper - y, y - lower - opening), ends)
        natural = look.skin * look.rgb((0.92, 0.64, 0.62)) * (1 - 0.05 * look.male)
        rose = torch.lerp(natural, look.rgb((0.78, 0.34, 0.36)).expand_as(natural), 0.42 - 0.30 * look.male)
        stick = colour_scale(LIPSTICK, c.trait("lip_colour"))
        colour = torch.lerp(rose, stick, look.makeup * 0.92)
        # Laughter lines and the shadow under the lower lip.
        au = (c.u - 0.055 * look.turn).abs()
        dimple = circle(au - half + 0.055, c.v - 0.265, 0.088)
        dimple = torch.maximum(dimple.abs(), (c.v - 0.265).abs() - 0.062)
        dimple = torch.maximum(dimple, half - au)
        c.line(dimple, 0.0105, look.crease, 0.38 * ramp(smile, 0.25, 0.9))
        shade = bump(torch.hypot(q / 0.75, (y - lower - opening - 0.030) / 0.034))
        c.paint(shade * 0.35, look.shadow)
        bright = 1.0 + 0.16 * (y > 0) - 0.10 * (y < 0)
        c.fill(lips, colour * bright, 1.0)
        c.paint(
            c.coverage(lips)
            * bump(torch.hypot((q + 0.1) / 0.45, (y - opening - 0.5 * lower) / 0.016))
            * 0.35,
            look.glow,
        )
        inner = torch.maximum(torch.maximum(-y, y - opening), ends + 0.012)
        there = ramp(gap, 0.002, 0.012)
        c.fill(inner, look.rgb((0.26, 0.05, 0.07)), there)
        teeth = torch.maximum(inner + 0.002, y - opening * (0.42 + 0.16 * smile))
        c.paint(c.coverage(teeth) * there, look.rgb((0.97, 0.95, 0.92)))
        tongue = torch.maximum(inner + 0.004, circle(q * 0.11, y - opening - 0.05, 0.085))
        c.paint(c.coverage(tongue) * there * 0.85, look.rgb((0.74, 0.30, 0.33)))
        meet = torch.maximum(y.abs() - 0.001, ends - 0.010)
        c.line(meet, 0.0075, look.crease * 0.62, 0.9 * (1 - there))


def _eyes(c: Canvas, look: _Look) -> None:
    with c.window(-0.42, 0.42, -0.26, 0.20):
        x, y = _eye_place(c, look)
        size = c.trait("eye_size", 0.94, 1.07)
        half = 0.106 * size
        open_ = (0.066 * size) * (1 - 0.70 * c.strength("Narrow_Eyes")) - 0.006 * look.age
        q = x / half
        arch = (1 - q * q).clamp(min=0)
        socket = bump(torch.hypot(x / 0.155, (y + 0.030) / 0.105))
        c.paint(socket * 0.26, look.shadow)
        lid = ellipse(x - 0.012, y + 0.040, 0.118, 0.062)
        shadow = colour_scale(SHADOWS, c.trait("lip_colour"))
        c.paint(c.coverage(lid) * ramp(-y, -0.01, 0.03) * look.makeup * 0.72, shadow)
        top, bottom = -open_ * arch**0.75, 0.72 * open_ * arch**0.9
        white = torch.maximum(torch.maximum(top - y, y - bottom), (q.abs() - 1) * half)
        c.fill(white, look.rgb((0.955, 0.95, 0.94)))
        inside = c.coverage(white)
        side = torch.sign(c.u - 0.045 * look.turn)
        xi = x - (c.trait("gaze", -0.022, 0.022) + 0.014 * look.turn) * side
        yi = y + 0.004
        iris = circle(xi, yi, 0.0515 * size)
        colour = colour_scale(EYES, c.trait("eye_colour"))
        ring = ramp(torch.hypot(xi, yi), 0.022, 0.051)
        c.paint(inside * c.coverage(iris), colour * (1.28 - 0.75 * ring))
        c.paint(inside * c.coverage(circle(xi, yi, 0.0235 * size)), look.rgb((0.02, 0.02, 0.03)))
        if isinstance(c, Paper):
            c.line(torch.maximum(circle(xi, yi, 0.026 * size).abs(), white), 0.0, colour)
        c.paint(inside * ramp(top + 0.026 - y, 0.0, 0.022) * 0.38, look.rgb((0.25, 0.20, 0.22)))
        glint = circle(xi * side - 0.014, yi + 0.017, 0.0105)
        c.paint(inside * c.coverage(glint) * 0.95, look.rgb((1.0, 1.0, 1.0)))
        # The lash line: finer on men, heavy with make-up; lashes sweep out at the corner.
        weight = 0.0075 + 0.0035 * (1 - look.male) + 0.0070 * look.makeup
        lashes = torch.maximum((y - top + 0.4 * weight).abs(), (q.abs() - 1.04) * half)
        ink = look.rgb((0.07, 0.05, 0.05))
        c.line(lashes, weight, ink, 0.95)
        sweep = segment(x, y, half * 0.93, -0.006, half * 1.30, -0.040)
        c.line(sweep, 0.0075, ink, (1 - 0.95 * look.male) * 0.55 + 0.45 * look.makeup)
        c.line(torch.maximum((y - bottom).abs(), (q.abs() - 0.95) * half), 0.005, look.crease, 0.45)
        fold = torch.maximum((y - 1.25 * top + 0.017).abs(), (q.abs() - 0.95) * half)
        c.line(fold, 0.0060, look.crease, 0.55)


def _brows(c: Canvas, look: _Look) -> None:
    with c.window(-0.44, 0.44, -0.34, 0.02):
        x, y = _eye_place(c, look)
        bushy = c.strength("Bushy_Eyebrows")
        q = (x - 0.004) / 0.125
        arch = c.trait("brow_arch", 0.014, 0.034) * (1 - 0.45 * look.male)
        level = c.trait("brow_height", 0.142, 0.158) - 0.016 * look.male - 0.006 * bushy
        middle = y + level + arch * (1 - (q - 0.25) ** 2) - 0.010 * q
        thick = (0.0125 + 0.0065 * look.male + 0.0235 * bushy) * (1 - 0.40 * ((q + 1) / 2).clamp(0, 1) ** 2)
        d = torch.maximum(middle.abs() - thick, (q.abs() - 1) * 0.125)
        hairs = 1 + 0.12 * bushy * torch.sin(120 * x + 70 * y)
        colour = torch.lerp(look.hair * 0.62, look.skin * 0.25, 0.25)
        c.fill(d, colour * hairs, 0.80 + 0.18 * bushy)


def _beard(c: Canvas, look: _Look) -> None:
    beard = ramp(1 - c.strength("No_Beard"), 0.08, 0.75)
    hairy = ramp(c.strength("Mustache"), 0.1, 0.85)
    with c.window(-0.56, 0.56, 0.0, 0.80):
        u, v = c.u - 0.03 * look.turn, c.v
        head = c.cut(look.head)
        inner = ellipse(u, v - 0.105, 0.315 - 0.02 * c.trait("beard_style"), 0.302)
        grow = 0.020 * beard
        area = torch.maximum(head - grow, -inner)
        stubble = torch.maximum(head + 0.012, -ellipse(u, v - 0.105, 0.335, 0.315))
        soft = (0.5 - stubble * 12).clamp(0, 1) * ramp(v, 0.06, 0.22)
        c.paint(soft * look.male * 0.44, look.skin * look.rgb((0.50, 0.52, 0.56)))
        fine = min(1.0, c.size / 160)  # detail finer than the pixels would be moiré
        grain = 1 + fine * (
            0.13 * torch.sin(120 * u + 9 * torch.sin(9 * v)) + 0.08 * torch.sin(75 * v + 40 * u.abs())
        )
        light = c.cut(look.light)
        c.fill(area, look.hair * 0.82 * grain * light, (1.25 * beard).clamp(max=1) * ramp(v, 0.03, 0.13))
        lip = segment(u.abs(), v, 0.028, 0.226, 0.118, 0.258)
        taper = 0.013 + 0.022 * hairy - 0.10 * (u.abs() - 0.075).clamp(min=0)
        c.fill(lip - taper, look.hair * 0.66 * grain, (1.2 * hairy).clamp(max=1))


def _hair(c: Canvas, look: _Look) -> None:
    bangs, receding = c.strength("Bangs"), ramp(c.strength("Receding_Hairline"), 0.05, 1.0)
    shown = 1 - look.bald
    if not shown.any():
        return
    angle, radius, curl = _strands(c, look)
    outline = _hair_outline(c, look, curl)
    # The face looks out of an opening in the hair; going bald widens it.
    half = torch.lerp(look.width - 0.030, look.width - 0.075, look.long) + 0.10 * look.bald
    top = -0.385 - 0.075 * receding - 0.30 * look.bald
    slope = look.parting * 0.42 * (1 - receding)
    v = c.v + slope * c.u
    opening = box(c.u, v - (top + 1.0), half, torch.full_like(half, 1.0), 0.235 - 0.05 * look.long)
    temples = ellipse(c.u.abs() - 0.205, v + 0.42, 0.085 + 0.04 * receding, 0.155) + 0.16 * (1 - receding)
    opening = union(opening, temples, 0.05)
    # Above the ears nothing but skin shows in it: no background between hair and head.
    opening = torch.where(c.v < -0.1, torch.maximum(opening, look.head + 0.008), opening)
    front = torch.maximum(outline, -opening)
    colour = _hair_colour(c, look, angle, radius, curl)
    # A soft shadow of the hair on the forehead, then the hair.
    c.paint(
        c.coverage(c.cut(look.head))
        * ((0.045 + opening) / 0.045).clamp(0, 1)
        * (opening < 0.02)
        * 0.26
        * shown,
        look.shadow,
    )
    c.fill(front, colour, shown)
    if isinstance(c, Paper):  # a few strands
        for k in (-0.9, -0.45, 0.0, 0.45, 0.9):
            c.line(
                torch.maximum((angle - k - 0.1 * curl).abs() * radius.clamp(min=0.05), front + 0.02),
                0.0,
                colour,
                shown,
            )
    swept = ramp(c.trait("fringe"), 0.45, 0.55)
    with c.window(-0.62, 0.62, -0.86, 0.02):
        u, v = c.u, c.v
        b = ramp(bangs, 0.05, 0.95)
        reach = -0.52 + 0.345 * b
        lower = (
            reach
            + 0.030 * torch.cos(u * 5)
            + 0.014 * torch.sin(34 * u + 3 * c.cut(angle))
            - swept * 0.20 * (u * torch.sign(look.parting) + 0.10)
        )
        locks = torch.maximum(torch.maximum(c.cut(outline), v - lower), u.abs() - half - 0.02)
        c.fill(locks, c.cut(colour) * (1 - 0.20 * ramp(v, -0.42, -0.16)), shown * (4 * b).clamp(max=1))


def _glasses(c: Canvas, look: _Look) -> None:
    worn = c.strength("Eyeglasses")
    shown = ramp(worn, 0.1, 0.5)
    if not shown.any():
        return
    with c.window(-0.58, 0.58, -0.24, 0.22):
        u = c.u - 0.045 * look.turn
        x = u.abs() - c.trait("eye_spacing", -0.008, 0.012) - _EYE_U - 0.006
        y = c.v - _EYE_V - 0.012
        kind = c.trait("glasses_shape")
        round_ = ramp(kind, 0.48, 0.52)
        corner = torch.lerp(torch.full_like(kind, 0.045), torch.full_like(kind, 0.105), round_)
        lens = box(x + 0.05 * y * (1 - round_), y, 0.138 - 0.024 * round_, 0.098 + 0.014 * round_, corner)
        rim = 0.0085 + 0.0105 * worn
        colour = colour_scale(FRAMES, c.trait("glasses_colour"))
        glass = c.coverage(lens) * shown
        c.paint(glass * 0.20, look.rgb((0.80, 0.90, 1.0)))
        glare = bump(((x - y * 0.9) - 0.045) / 0.030)
        c.paint(glass * glare * 0.30, look.rgb((1.0, 1.0, 1.0)))
        bridge = torch.maximum((y + 0.030 + 0.25 * u * u).abs(), u.abs() - 0.075)
        arm = torch.maximum((y + 0.038).abs(), torch.maximum(0.318 - u.abs(), u.abs() - look.width - 0.02))
        c.line(lens, rim, colour, shown)
        c.line(bridge, rim, colour, shown)
        c.line(arm, rim * 0.9, colour, shown)


def _hat(c: Canvas, look: _Look) -> None:
    worn = c.strength("Wearing_Hat")
    shown = ramp(worn, 0.1, 0.5)
    if not shown.any():
        return
    kind, hue = c.trait("hat_style"), c.trait("hat_colour")
    colour = hsv(hue, 0.35 + 0.35 * ((3 * hue) % 1), 0.30 + 0.50 * ((7 * hue) % 1))
    with c.window(-1.05, 1.05, -1.15, -0.02):
        u, v = c.u, c.v
        grow = 0.02 + 0.03 * worn
        light = c.cut(look.light)
        fit = look.width + 0.075 + grow
        crown = torch.maximum(ellipse(u, v + 0.30, fit, 0.48 + grow), v + 0.27 + 0.10 * u * u)
        beanie, cap = (kind < 0.36), (kind >= 0.36) & (kind < 0.70)
        ribs = 1 + torch.where(beanie, 0.13, 0.04) * torch.sin(52 * u)
        c.paint(c.coverage(c.cut(look.head)) * bump((v + 0.20) / 0.10) * 0.30 * shown, look.shadow)
        c.fill(crown, colour * ribs * (light - 0.10 * (u / 0.5) ** 2), shown)
        fold = box(u, v + 0.325 + 0.10 * u * u, fit + 0.012, torch.full_like(fit, 0.065), 0.03)
        c.fill(fold, colour * 0.74 * ribs * light, shown * beanie)
        visor = ellipse(u - 0.10 * look.turn, v + 0.285, fit * 0.86, 0.072)
        c.fill(visor, colour * 0.62 * light, shown * cap)
        band = box(u, v + 0.335 + 0.10 * u * u, fit - 0.004, torch.full_like(fit, 0.042), 0.01)
        brim = ellipse(u, v + 0.285 + 0.08 * u * u, 0.78 + grow, 0.062)
        wide = shown * ~(beanie | cap)
        c.fill(band, colour * 0.45 * light, wide)
        c.fill(brim, colour * 0.88 * light, wide)
