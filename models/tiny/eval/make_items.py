"""Writes the held-out questions: `python eval/make_items.py` makes eval/items.jsonl and eval/pictures/*.png.

Glyphs, words and phrasings are those that training never sees (`held=True` in tiny/); scenes come from a seed that no
training uses. The files are committed, so that an evaluation needs no Python; the same seed writes the same questions.
"""
from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from tiny.dataset import Generator  # noqa: E402
from tiny.questions import HELD_SMALL_TALK, Turn  # noqa: E402
from tiny.scenes import Scene, digits_scene, shapes_scene, word_scene  # noqa: E402

SEED = 20_240_607
SHAPE_SCENES, PER_SCENE = 174, 2
WANTED = {"color": 200, "shape": 200, "count": 200, "relation": 200, "where": 100, "exists": 100, "bigger": 80, "describe": 40}
DIGITS, LONG_DIGITS, WORDS, SEVERAL = 210, 50, 142, 36


class Writer:
    """Numbers pictures and questions in the order in which they are made."""

    def __init__(self) -> None:
        self.items: list[dict] = []
        self.pictures = 0
        shutil.rmtree(HERE / "pictures", ignore_errors=True)
        (HERE / "pictures").mkdir()

    def picture(self, scene: Scene) -> str:
        name = f"pictures/{self.pictures:03}.png"
        Image.fromarray(scene.pixels).save(HERE / name, optimize=True)
        self.pictures += 1
        return name

    def item(self, kind: str, turn: Turn, images: list[str]) -> None:
        self.items.append({"kind": kind, "question": turn.question, "answer": turn.answer, "images": images})


def add_shapes(out: Writer, g: Generator) -> None:
    left = dict(WANTED)
    for i in range(SHAPE_SCENES):
        scene = shapes_scene(g.rng, 1 + i % 6, g.rng.random() < 0.45, g.rng.random() < 0.3)
        image, taken = out.picture(scene), dict.fromkeys(WANTED, 0)
        for turn in g.asker.shapes(scene):
            if left[turn.kind] > 0 and taken[turn.kind] < PER_SCENE:
                out.item(turn.kind, turn, [image])
                left[turn.kind] -= 1
                taken[turn.kind] += 1


def add_digits(out: Writer, g: Generator, kind: str, lengths: tuple[int, int], count: int) -> None:
    for i in range(count):
        scene = digits_scene(g.rng, g.glyphs, lengths[0] + i % (lengths[1] - lengths[0] + 1))
        turn = g.asker.ask("digits", "".join(map(str, scene.digits)) + ".")
        out.item(kind, turn, [out.picture(scene)])


def main() -> None:
    out, g = Writer(), Generator(SEED, held=True)
    add_shapes(out, g)
    add_digits(out, g, "digits", (1, 3), DIGITS)
    add_digits(out, g, "longDigits", (4, 5), LONG_DIGITS)
    order = g.rng.permutation(WORDS) % len(g.words)
    for i in order:
        scene = word_scene(g.rng, g.words[int(i)], g.fonts)
        out.item("word", g.asker.word(scene)[0], [out.picture(scene)])
    for _ in range(SEVERAL):
        example = g.several()
        out.item("images", example.turns[0], [out.picture(s) for s in example.scenes])
    for question, answer in HELD_SMALL_TALK:
        out.item("textOnly", Turn("textOnly", question, answer), [])
    lines = [json.dumps({"id": i, **item}, ensure_ascii=False) for i, item in enumerate(out.items)]
    (HERE / "items.jsonl").write_text("\n".join(lines) + "\n")
    kinds, counts = np.unique([item["kind"] for item in out.items], return_counts=True)
    size = sum(p.stat().st_size for p in (HERE / "pictures").iterdir())
    print(json.dumps({"pictures": out.pictures, "bytes": size, **dict(zip(kinds.tolist(), counts.tolist()))}))


if __name__ == "__main__":
    main()
