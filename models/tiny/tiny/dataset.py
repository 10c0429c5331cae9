"""Training examples: pictures of one request, their patch labels, and the turns asked about them."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from .questions import Asker, Turn
from .scenes import HELD_VARIETY, TRAINING_VARIETY, Scene, digits_scene, shapes_scene, word_scene
from .words import split_words, training_word

FONT_FOLDER = Path("/usr/share/fonts/truetype/dejavu")
TRAIN_FONTS = ["DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf"]


def glyphs(held: bool) -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's 1,797 handwritten digits; 300 of them, in a fixed shuffle, are held out."""
    data = load_digits()
    order = np.random.default_rng(3).permutation(len(data.target))
    pick = order[:300] if held else order[300:]
    return data.images[pick], data.target[pick]


def fonts() -> list[str]:
    """Font files that are there, and Pillow's own."""
    return [str(FONT_FOLDER / f) for f in TRAIN_FONTS if (FONT_FOLDER / f).exists()] + ["default"]


@dataclass
class Example:
    scenes: list[Scene]
    turns: list[Turn]


class Generator:
    """Endless examples; `level` in 0..1 moves the mix from single objects to everything, `lists` is the share of lists."""

    def __init__(self, seed: int, held: bool = False, lists: float = 0.0):
        self.rng = np.random.default_rng(seed)
        self.asker = Asker(self.rng, held)
        self.glyphs, self.fonts = glyphs(held), fonts()
        train_words, held_words = split_words()
        self.words, self.held = (held_words if held else train_words), held
        self.lists = lists
        self.variety = HELD_VARIETY if held else TRAINING_VARIETY

    def example(self, level: float, turns_max: int = 7) -> Example:
        if self.lists > 0 and self.rng.random() < self.lists:
            scene = self.shapes(level, 0).scenes[0]
            return Example([scene], [self.asker.listing(scene) for _ in range(int(self.rng.integers(1, 4)))])
        roll = self.rng.random()
        if roll < 0.03:
            return Example([], [self.asker.small_talk() for _ in range(int(self.rng.integers(1, 3)))])
        if roll < 0.25:
            return self.digits(level)
        if roll < 0.45:
            return self.word(level)
        if roll < 0.52 and level > 0.3:
            return self.several()
        return self.shapes(level, turns_max)

    def scene(self, level: float) -> list[Scene]:
        """Pictures without questions: half shapes, the rest digits and words."""
        roll = self.rng.random()
        if roll < 0.3:
            return self.digits(level).scenes
        if roll < 0.55:
            return self.word(level).scenes
        top = 1 + int(round(min(1.0, level * 1.6) * 5))
        return [shapes_scene(self.rng, int(self.rng.integers(1, top + 1)), variety=self.variety)]

    def shapes(self, level: float, turns_max: int) -> Example:
        top = 1 + int(round(min(1.0, level * 1.6) * 5))
        weights = np.array([1.0, 1.2, 1.2, 1.0, 0.9, 0.9])[:top]
        count = int(self.rng.choice(top, p=weights / weights.sum())) + 1
        scene = shapes_scene(self.rng, count, self.rng.random() < 0.45, self.rng.random() < 0.3, self.variety)
        return Example([scene], self.asker.shapes(scene)[:turns_max])

    def digits(self, level: float) -> Example:
        longest = 1 + int(round(min(1.0, level * 1.6) * 4))
        count = int(self.rng.integers(1, longest + 1))
        scene = digits_scene(self.rng, self.glyphs, count)
        return Example([scene], self.asker.digits(scene))

    def word(self, level: float) -> Example:
        text = str(self.rng.choice(self.words)) if self.held else training_word(self.rng, self.words)
        if level < 0.2:
            text = text[:2]
        scene = word_scene(self.rng, text, self.fonts)
        return Example([scene], self.asker.word(scene))

    def several(self) -> Example:
        count = int(self.rng.integers(2, 4))
        scenes = [shapes_scene(self.rng, int(self.rng.integers(1, 4)), variety=self.variety) for _ in range(count)]
        turns = self.asker.images(scenes)
        return Example(scenes, turns) if turns else self.several()
