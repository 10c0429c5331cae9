"""Draws 64 x 64 pictures with known content: shapes, handwritten digits, rendered words.

A scene carries, beside its pixels, one label map per 8 x 8 patch (colour, shape, digit, letter). Training uses the maps as
an auxiliary target of the vision tower; the exported model has no such heads.
"""
from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIZE = 64
PATCH = 8
COLORS: dict[str, tuple[int, int, int]] = {
    "red": (220, 30, 35), "green": (40, 160, 60), "blue": (40, 70, 220), "yellow": (245, 220, 40),
    "orange": (245, 140, 20), "purple": (130, 40, 170), "pink": (250, 150, 190), "brown": (125, 75, 35),
    "black": (20, 20, 20), "white": (245, 245, 245), "gray": (130, 130, 130), "cyan": (50, 205, 215),
}
COLOR_NAMES = list(COLORS)
SHAPES = ["circle", "square", "triangle", "star", "diamond", "cross", "ring", "heart"]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ROWS = ["top", "middle", "bottom"]
COLUMNS = ["left", "center", "right"]


@dataclass(frozen=True)
class Thing:
    """One drawn shape; centre and radius in pixels."""

    shape: str
    color: str
    x: float
    y: float
    radius: float

    @property
    def name(self) -> str:
        return f"{self.color} {self.shape}"


@dataclass
class Scene:
    """pixels: uint8 [64, 64, 3]; labels: int [4, 64] for colour, shape, digit, letter of each patch, 0 = none."""

    pixels: np.ndarray
    labels: np.ndarray
    things: list[Thing] = field(default_factory=list)
    digits: list[int] = field(default_factory=list)
    word: str = ""


def shape_polygon(shape: str, x: float, y: float, r: float, angle: float) -> list[tuple[float, float]]:
    """Outline of a shape as a polygon around (x, y); `angle` in radians tilts it."""
    if shape in ("circle", "ring"):
        points = [(math.cos(t), math.sin(t)) for t in np.linspace(0, 2 * math.pi, 40, endpoint=False)]
    elif shape == "square":
        points = [(-0.86, -0.86), (0.86, -0.86), (0.86, 0.86), (-0.86, 0.86)]
    elif shape == "triangle":
        points = [(0, -1.05), (1.0, 0.8), (-1.0, 0.8)]
    elif shape == "star":
        spokes = [(1.12 if i % 2 == 0 else 0.46, -math.pi / 2 + i * math.pi / 5) for i in range(10)]
        points = [(k * math.cos(t), k * math.sin(t)) for k, t in spokes]
    elif shape == "diamond":
        points = [(0, -1.15), (0.78, 0), (0, 1.15), (-0.78, 0)]
    elif shape == "cross":
        a, b = 0.34, 1.0
        points = [(-a, -b), (a, -b), (a, -a), (b, -a), (b, a), (a, a), (a, b), (-a, b), (-a, a), (-b, a), (-b, -a), (-a, -a)]
    else:
        ts = np.linspace(0, 2 * math.pi, 40, endpoint=False)
        points = [(math.sin(t) ** 3, -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 16) for t in ts]
    c, s = math.cos(angle), math.sin(angle)
    return [(x + r * (px * c - py * s), y + r * (px * s + py * c)) for px, py in points]


def jitter(rng: np.random.Generator, name: str, amount: float = 14) -> tuple[int, int, int]:
    """A shade of the named colour."""
    if name in ("black", "white", "gray"):
        shift = np.full(3, rng.normal(0, amount / 2))
    else:
        shift = rng.normal(0, amount / 2, 3)
    return tuple(int(v) for v in np.clip(np.array(COLORS[name]) + shift, 0, 255))


def background(rng: np.random.Generator, avoid: set[str]) -> Image.Image:
    """Plain, gradient, striped or noisy ground in a colour that no object has."""
    names = [c for c in ("white", "black", "gray", "cyan", "pink", "yellow", "brown", "green", "blue") if c not in avoid]
    weights = np.array([4.0 if c in ("white", "black", "gray") else 0.6 for c in names])
    name = str(rng.choice(names, p=weights / weights.sum()))
    base = np.array(jitter(rng, name), dtype=np.float32)
    if name not in ("white", "black", "gray"):
        base = base * 0.35 + (160 if rng.random() < 0.5 else 95)
    image = np.broadcast_to(base, (SIZE, SIZE, 3)).copy()
    kind = rng.random()
    ramp = np.linspace(-1, 1, SIZE)
    if kind < 0.2:
        image += (ramp[:, None] * rng.normal(0, 14) + ramp[None, :] * rng.normal(0, 14))[:, :, None]
    elif kind < 0.3:
        period = rng.integers(4, 12)
        lines = ((np.arange(SIZE) // period) % 2) * rng.normal(0, 14)
        image += (lines[:, None] if rng.random() < 0.5 else lines[None, :])[:, :, None]
    if rng.random() < 0.35:
        image += rng.normal(0, rng.uniform(2, 9), image.shape)
    return Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))


def patch_labels(mask: np.ndarray, count: int) -> np.ndarray:
    """For each 8 x 8 patch the object id (1..count) that covers it most, 0 when none covers a sixth of it."""
    n = SIZE // PATCH
    blocks = mask.reshape(n, PATCH, n, PATCH).transpose(0, 2, 1, 3).reshape(n * n, PATCH * PATCH)
    cover = np.stack([(blocks == i).sum(1) for i in range(1, count + 1)], 1) if count else np.zeros((n * n, 1))
    best = cover.argmax(1) + 1
    return np.where(cover.max(1) >= 10, best, 0)


def place(rng: np.random.Generator, count: int, lo: float, hi: float, overlap: float) -> list[tuple[float, float, float]]:
    """`count` discs (x, y, radius) that overlap by at most the given share; shrinks them until they fit."""
    for attempt in range(60):
        shrink = max(0.55, 1 - attempt * 0.02)
        placed: list[tuple[float, float, float]] = []
        for _ in range(count):
            for _ in range(25):
                r = rng.uniform(lo, hi) * shrink
                x, y = rng.uniform(r + 1, SIZE - r - 1), rng.uniform(r + 1, SIZE - r - 1)
                if all(math.hypot(x - a, y - b) > (r + c) * (1.08 - overlap) for a, b, c in placed):
                    placed.append((x, y, r))
                    break
        if len(placed) == count:
            return placed
    return place(rng, count - 1, lo, hi, overlap)


@dataclass(frozen=True)
class Variety:
    """Shares of what is hard to see. One draw decides each, so another share leaves all that is drawn after it as it was."""

    overlapping: float
    """Of scenes: their shapes may overlap."""
    textured: float
    """Of shapes: they have stripes."""


# What eval/items.jsonl was made with; other shares would make other pictures of the same seed.
HELD_VARIETY = Variety(overlapping=0.12, textured=0.1)
TRAINING_VARIETY = Variety(overlapping=0.35, textured=0.35)


def shapes_scene(
    rng: np.random.Generator,
    count: int,
    same_shape: bool = False,
    same_color: bool = False,
    variety: Variety = HELD_VARIETY,
) -> Scene:
    """`count` shapes on a ground; with `same_…` most of them share it, so that counting questions have something to count."""
    overlap = 0.3 if rng.random() < variety.overlapping else 0.0
    big = {1: 20, 2: 15, 3: 12.5}.get(count, 9.5)
    spots = place(rng, count, 5.5, big, overlap)
    shape0, color0 = rng.choice(SHAPES), rng.choice(COLOR_NAMES)
    things = []
    for x, y, r in spots:
        shape = shape0 if same_shape and rng.random() < 0.75 else rng.choice(SHAPES)
        color = color0 if same_color and rng.random() < 0.75 else rng.choice(COLOR_NAMES)
        things.append(Thing(str(shape), str(color), x, y, r))
    return draw_things(rng, things, variety.textured)


def draw_things(rng: np.random.Generator, things: list[Thing], textured: float) -> Scene:
    image = background(rng, {t.color for t in things})
    ground = tuple(int(v) for v in np.asarray(image)[0, 0])
    mask = Image.new("L", (SIZE, SIZE), 0)
    draw, mark = ImageDraw.Draw(image), ImageDraw.Draw(mask)
    for index, t in enumerate(things):
        angle = rng.normal(0, 0.12)
        outline = shape_polygon(t.shape, t.x, t.y, t.radius, angle)
        fill = jitter(rng, t.color)
        draw.polygon(outline, fill=fill)
        mark.polygon(outline, fill=index + 1)
        if t.shape == "ring":
            draw.polygon(shape_polygon("circle", t.x, t.y, t.radius * 0.52, 0), fill=ground)
        elif rng.random() < textured:
            dark = tuple(int(v * 0.82) for v in fill)
            for k in range(-2, 3):
                x0 = t.x + k * t.radius * 0.4
                draw.line([(x0, t.y - t.radius * 0.35), (x0, t.y + t.radius * 0.35)], fill=dark)
    owner = patch_labels(np.asarray(mask), len(things))
    labels = np.zeros((4, owner.size), dtype=np.int64)
    for index, t in enumerate(things):
        labels[0, owner == index + 1] = COLOR_NAMES.index(t.color) + 1
        labels[1, owner == index + 1] = SHAPES.index(t.shape) + 1
    return Scene(noisy(rng, image), labels, things=things)


def digits_scene(rng: np.random.Generator, glyphs: tuple[np.ndarray, np.ndarray], count: int) -> Scene:
    """One to five handwritten digits from left to right. glyphs: (pictures [n, 8, 8] of 0..16, values [n])."""
    pictures, values = glyphs
    image = np.asarray(background(rng, set())).astype(np.float32)
    bright = image.mean() < 120
    ink = np.array(jitter(rng, str(rng.choice(["white", "yellow", "cyan", "pink"] if bright else ["black", "blue", "purple", "red", "brown"]))))
    side_max = min(26, (SIZE - 4) // count)
    side = int(rng.integers(max(9, side_max - 7), side_max + 1))
    gap = (SIZE - side * count) / (count + 1)
    line = rng.uniform(2, SIZE - side - 2)
    mask = np.zeros((SIZE, SIZE), dtype=np.int64)
    digits = []
    for i in range(count):
        pick = int(rng.integers(len(values)))
        x = int(np.clip(gap * (i + 1) + side * i + rng.uniform(-0.45, 0.45) * gap, 0, SIZE - side))
        y = int(np.clip(line + rng.uniform(-4, 4), 0, SIZE - side))
        glyph = Image.fromarray((pictures[pick] * 15.9).astype(np.uint8)).resize((side, side), Image.BILINEAR)
        alpha = np.clip(np.asarray(glyph).astype(np.float32) / 255 * 1.25, 0, 1)[:, :, None]
        region = image[y:y + side, x:x + side]
        image[y:y + side, x:x + side] = region * (1 - alpha) + ink * alpha
        mask[y:y + side, x:x + side] = i + 1
        digits.append(int(values[pick]))
    owner = patch_labels(mask, count)
    labels = np.zeros((4, owner.size), dtype=np.int64)
    for i, digit in enumerate(digits):
        labels[2, owner == i + 1] = digit + 1
    return Scene(noisy(rng, Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))), labels, digits=digits)


@functools.lru_cache(maxsize=256)
def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size) if name == "default" else ImageFont.truetype(name, size)


def word_scene(rng: np.random.Generator, word: str, fonts: list[str]) -> Scene:
    """An upper-case word in one of the fonts, as large as it fits."""
    image = background(rng, set())
    bright = np.asarray(image).mean() < 120
    ink = jitter(rng, str(rng.choice(["white", "yellow", "cyan"] if bright else ["black", "blue", "purple", "red"])))
    name = str(rng.choice(fonts))
    size = next(s for s in range(30, 6, -1) if font(name, s).getlength(word) <= SIZE - 4)
    size = max(9, size - int(rng.integers(0, 4)))
    face = font(name, size)
    width = face.getlength(word)
    x, y = rng.uniform(1, max(1.5, SIZE - width - 1)), rng.uniform(0, max(1, SIZE - size * 1.25))
    ImageDraw.Draw(image).text((x, y), word, font=face, fill=ink)
    mask = Image.new("L", (SIZE, SIZE), 0)
    mark = ImageDraw.Draw(mask)
    edges = [x + face.getlength(word[:i]) for i in range(len(word) + 1)]
    for i in range(len(word)):
        mark.rectangle([edges[i], y + size * 0.15, edges[i + 1] - 1, y + size], fill=i + 1)
    owner = patch_labels(np.asarray(mask), len(word))
    labels = np.zeros((4, owner.size), dtype=np.int64)
    for i, letter in enumerate(word):
        labels[3, owner == i + 1] = LETTERS.index(letter) + 1
    return Scene(noisy(rng, image), labels, word=word)


def noisy(rng: np.random.Generator, image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image)
    if rng.random() < 0.25:
        pixels = np.clip(pixels + rng.normal(0, rng.uniform(1, 7), pixels.shape), 0, 255).astype(np.uint8)
    return pixels


def cell(thing: Thing) -> str | None:
    """Place in a 3 x 3 grid, or None within two pixels of a border, where words would be a matter of taste."""
    third = SIZE / 3
    for value in (thing.x, thing.y):
        if any(abs(value - border) < 2 for border in (third, 2 * third)):
            return None
    row, column = ROWS[int(thing.y // third)], COLUMNS[int(thing.x // third)]
    if row == "middle" and column == "center":
        return "in the middle"
    if row == "middle":
        return f"on the {column}"
    if column == "center":
        return f"at the {row}"
    return f"at the {row} {column}"
