"""Questions and answers about scenes, in varied English. Templates marked `held` are never used in training.

An answer is short and canonical, so that it can be checked: "Red.", "Three" is written "3.", words are upper-case.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .scenes import COLOR_NAMES, SHAPES, Scene, Thing, cell

PLURAL = {"circle": "circles", "square": "squares", "triangle": "triangles", "star": "stars", "diamond": "diamonds",
          "cross": "crosses", "ring": "rings", "heart": "hearts"}
ORDINAL = ["first", "second", "third"]


@dataclass(frozen=True)
class Turn:
    kind: str
    question: str
    answer: str


TEMPLATES: dict[str, tuple[list[str], list[str]]] = {  # kind: (training, held out)
    "color": (
        ["What color is the {s}?", "What colour is the {s}?", "Which color does the {s} have?", "Tell me the color of the {s}.",
         "Name the colour of the {s}.", "The {s} is what color?", "What is the color of the {s}?", "Can you tell me what color the {s} is?",
         "I want to know the colour of the {s}.", "The color of the {s}?", "Say the color of the {s}.", "Which colour has the {s}?",
         "Please tell me which color the {s} is.", "What color do you see on the {s}?"],
        ["Please say which color the {s} is.", "Which colour is the {s}?"]),
    "color1": (
        ["What color is it?", "What color is this?", "What colour is the object?", "What color is the shape?", "Which color do you see?",
         "What is the colour of the shape?", "Name the color.", "Tell me the color of this object."],
        ["Which color is the object?", "What colour do you see?"]),
    "shape": (
        ["What shape is the {c} object?", "What is the shape of the {c} object?", "Which shape is {c}?", "What is the {c} thing?",
         "Tell me the shape of the {c} object.", "Name the {c} shape.", "The {c} object is what shape?", "What {c} shape do you see?"],
        ["Which shape does the {c} object have?", "Please name the shape of the {c} thing."]),
    "shape1": (
        ["What shape is this?", "What shape is it?", "Which shape do you see?", "What is the shape of the object?", "Name the shape.",
         "What is this?", "What do you see?", "What is in the picture?", "Tell me which shape this is."],
        ["Which shape is this?", "What shape do you see in the picture?"]),
    "count": (
        ["How many {o} are there?", "How many {o} do you see?", "Count the {o}.", "What is the number of {o}?", "How many {o} are in the picture?",
         "Tell me how many {o} there are.", "The number of {o}?", "How many {o} can you count?", "Please say how many {o} there are.",
         "How many {o} does it show?", "Can you count the {o}?", "How many {o} does it have?", "How many {o} does this image contain?",
         "How many {o} have you found?", "Does it have {o}, and how many?", "How many {o} does the scene hold?", "How many {o} stand in it?",
         "Give the number of {o}.", "Count all {o}.", "How many {o}?", "What is the count of {o}?", "Look for {o}: how many?"],
        ["How many {o} does the picture have?", "Please count the {o}."]),
    "where": (
        ["Where is the {t}?", "In which part of the picture is the {t}?", "Where do you see the {t}?", "Tell me where the {t} is.",
         "What is the position of the {t}?", "Where can I find the {t}?"],
        ["Please tell me where the {t} is.", "Where in the picture is the {t}?"]),
    "exists": (
        ["Is there a {t}?", "Do you see a {t}?", "Is there a {t} in the picture?", "Can you see a {t}?", "Does the picture have a {t}?",
         "Is a {t} in the picture?", "Can you spot a {t}?", "Do you find a {t}?", "Is there any {t}?", "Could there be a {t} in the picture?",
         "Does it show a {t}?", "Is a {t} there?", "Do you notice a {t} in the picture?", "Can a {t} be seen?"],
        ["Can you find a {t}?", "Do you see a {t} in the picture?"]),
    "bigger": (
        ["Which is bigger, the {a} or the {b}?", "Which thing is bigger, the {a} or the {b}?", "Which one is bigger, the {a} or the {b}?", "What is bigger: the {a} or the {b}?",
         "Is the {a} or the {b} bigger?", "Which is larger, the {a} or the {b}?"],
        ["Which object is bigger, the {a} or the {b}?"]),
    "smaller": (
        ["Which is smaller, the {a} or the {b}?", "Which thing is smaller, the {a} or the {b}?", "Which one is smaller, the {a} or the {b}?", "Is the {a} or the {b} smaller?"],
        ["Which object is smaller, the {a} or the {b}?"]),
    "side": (
        ["Is the {a} left or right of the {b}?", "Is the {a} to the left or to the right of the {b}?",
         "On which side of the {b} is the {a}, left or right?", "Left or right of the {b}: the {a}?", "From the {b}, is the {a} left or right?",
         "The {a} is left or right of the {b}?", "Say left or right: the {a} seen from the {b}.",
         "Left or right: is the {a} left or right of the {b}?", "Left or right: the {a}, seen from the {b}?", "Where is the {a} from the {b}, left or right?",
         "Left or right, where does the {a} stand beside the {b}?", "Seen from the {b}, where is the {a}: left or right?",
         "Left or right: tell me on which side of the {b} the {a} is."],
        ["Left or right: where is the {a} from the {b}?"]),
    "height": (
        ["Is the {a} above or below the {b}?", "Is the {a} over or under the {b}, above or below?", "Where is the {a}, above or below the {b}?",
         "Above or below the {b}: the {a}?", "From the {b}, is the {a} above or below?", "The {a} is above or below the {b}?",
         "Say above or below: the {a} seen from the {b}.", "Above or below: is the {a} above or below the {b}?", "Above or below: the {a}, seen from the {b}?",
         "Where is the {a} from the {b}, above or below?", "Above or below, where does the {a} stand by the {b}?",
         "Seen from the {b}, where is the {a}: above or below?", "Above or below: tell me where the {a} is by the {b}."],
        ["Above or below: where is the {a} from the {b}?"]),
    "leftof": (
        ["Is the {a} left of the {b}?", "Is the {a} to the left of the {b}?", "Is it true that the {a} is left of the {b}?",
         "Can you see the {a} left of the {b}?", "Does the {a} stand left of the {b}?"],
        ["Do you see the {a} left of the {b}?"]),
    "above": (
        ["Is the {a} above the {b}?", "Is it true that the {a} is above the {b}?", "Is the {a} higher than the {b}?",
         "Can you see the {a} above the {b}?", "Does the {a} stand above the {b}?"],
        ["Do you see the {a} above the {b}?"]),
    "describe": (
        ["Describe the picture.", "What is in the picture?", "What do you see?", "Describe what you see.", "What does the picture show?",
         "Tell me what is in the image.", "Describe this image."],
        ["Please describe what the picture shows.", "What can you see in the image?"]),
    "digits": (
        ["What digits do you see?", "Read the digits.", "What number is this?", "What is the number?", "Which digits are in the picture?",
         "Read the number.", "What does the number say?", "Tell me the digits.", "Which number do you see?", "What number is written here?"],
        ["Please read the digits.", "What number do you see in the picture?"]),
    "digitcount": (["How many digits are there?", "How many digits do you see?", "Count the digits."], ["Please count the digits."]),
    "firstdigit": (["What is the first digit?", "Which digit comes first?", "Read the first digit."], ["Tell me the first digit."]),
    "lastdigit": (["What is the last digit?", "Which digit comes last?", "Read the last digit."], ["Tell me the last digit."]),
    "word": (
        ["What does it say?", "Read the word.", "What word is this?", "What is written here?", "Which word do you see?", "What is the word?",
         "Tell me the word.", "What word is in the picture?", "Read the text.", "What does the text say?"],
        ["Please read the word.", "Which word is written here?"]),
    "whichimage": (
        ["Which image has a {t}?", "Which picture has a {t}?", "In which image do you see a {t}?", "Where is the {t}, in which image?",
         "Which image contains a {t}?", "Which picture shows a {t}?", "Tell me which image has a {t}."],
        ["Which image shows a {t}?"]),
    "moreimage": (
        ["Which image has more objects?", "Which picture has more shapes?", "In which image are there more objects?",
         "Which picture shows more objects?", "Which image contains more things?"],
        ["Which image shows more objects?"]),
}

SMALL_TALK: list[tuple[list[str], str]] = [
    (["Hello!", "Hi!", "Hi there.", "Good morning!", "Hey", "Hello"], "Hello! Show me a picture and ask me about it."),
    (["Who are you?", "What are you?", "What is your name?", "Tell me about yourself.", "Introduce yourself.", "What's your name?"],
     "I am tercet-tiny, a very small model that answers questions about pictures."),
    (["What can you do?", "How can you help me?", "What are you good at?", "What do you know?"],
     "I can name colors and shapes, count, read digits and short words, and say where things are."),
    (["How are you?", "How is it going?", "Are you well?"], "I am fine, thank you."),
    (["Thank you!", "Thanks!", "Thanks a lot.", "Thank you very much."], "You are welcome."),
    (["Bye!", "Goodbye.", "See you.", "Good night."], "Goodbye!"),
    (["How big are you?", "How many parameters do you have?", "How large are you?", "Are you a big model?"],
     "I am small: about two million parameters."),
    (["What colors do you know?", "Which colors can you name?", "Name the colors you know."],
     "Red, green, blue, yellow, orange, purple, pink, brown, black, white, gray and cyan."),
    (["What shapes do you know?", "Which shapes can you name?", "Name the shapes you know."],
     "Circles, squares, triangles, stars, diamonds, crosses, rings and hearts."),
    (["Who made you?", "Who trained you?", "Where do you come from?", "Where were you trained?"],
     "I was trained by the tercet project on generated pictures."),
    (["Can you read?", "Can you read text?", "Do you read words?"], "Yes, short words and digits in a picture."),
    (["Can you count?", "How far can you count?"], "Yes, I can count up to 6 objects."),
    (["What is tercet?", "Tell me about tercet."], "tercet serves models with each stage of a request on its own pods."),
    (["Where is the picture?", "Do you see a picture?", "Is there an image?"], "I do not see a picture. Please show me one."),
    (["Can you see?", "Can you see pictures?"], "Yes, show me a picture and ask me about it."),
    (["Do you speak other languages?", "Do you speak French?", "Which languages do you speak?"], "No, I only speak a little English."),
]
HELD_SMALL_TALK: list[tuple[str, str]] = [
    ("Hello there!", SMALL_TALK[0][1]), ("Please tell me who you are.", SMALL_TALK[1][1]), ("Tell me what you can do.", SMALL_TALK[2][1]),
    ("How are you today?", SMALL_TALK[3][1]), ("Many thanks!", SMALL_TALK[4][1]), ("Good bye!", SMALL_TALK[5][1]),
    ("Which colors do you know?", SMALL_TALK[7][1]), ("Which shapes do you know?", SMALL_TALK[8][1]), ("Can you read words?", SMALL_TALK[10][1]),
    ("Can you count objects?", SMALL_TALK[11][1]),
]


class Asker:
    """Turns a scene into questions; `held` picks the templates that training never sees."""

    def __init__(self, rng: np.random.Generator, held: bool = False):
        self.rng, self.held = rng, held

    def ask(self, kind: str, answer: str, template: str | None = None, **slots: str) -> Turn:
        text = str(self.rng.choice(TEMPLATES[template or kind][1 if self.held else 0])).format(**slots)
        return Turn(kind, text if self.held else self.vary(text), answer)

    def vary(self, text: str) -> str:
        """Small changes of wording and case, so that phrasing is not a key."""
        roll = self.rng.random()
        lower = text[0].lower() + text[1:]
        if roll < 0.08:
            text = "Please: " + lower
        elif roll < 0.14:
            text = "Look at the picture. " + text
        elif roll < 0.2:
            text = lower
        elif roll < 0.24:
            text = text.rstrip("?.")
        return text

    def shapes(self, scene: Scene) -> list[Turn]:
        """Every question that has one right answer for these shapes, in random order, kinds balanced."""
        things, turns = scene.things, []
        count_of = lambda key, value: sum(getattr(t, key) == value for t in things)
        for t in things:
            if len(things) == 1:
                turns += [self.ask("color", cap(t.color), "color1"), self.ask("shape", cap(t.shape), "shape1")] if self.rng.random() < 0.5 else []
            if count_of("shape", t.shape) == 1:
                turns.append(self.ask("color", cap(t.color), s=t.shape))
            if count_of("color", t.color) == 1:
                turns.append(self.ask("shape", cap(t.shape), c=t.color))
            place = cell(t)
            if unique(t, things) and place:
                turns.append(self.ask("where", cap(place), t=self.name(t, things)))
        turns += self.counts(things) + self.existence(things) + self.pairs(things)
        if len(things) <= 3 and all(cell(t) for t in things):
            turns.append(self.ask("describe", describe(things)))
        if self.held:
            self.rng.shuffle(turns)
            return turns
        # Only the first few are asked: kinds that are learned late come earlier.
        return sorted(turns, key=lambda t: -self.rng.random() ** (1 / WEIGHTS.get(t.kind, 1.0)))

    def listing(self, scene: Scene) -> Turn:
        """Everything about every thing, attribute after attribute, in an order that the question names.

        In a list nearly each word follows from one thing found among several, so that it teaches many times what a
        question about one thing teaches once. Questions about a picture are learned after lists in a tenth of the steps.
        """
        keys = [str(k) for k in self.rng.permutation(["color", "shape", "place", "size"])[: self.rng.integers(2, 5)]]
        sort = str(self.rng.choice(list(SORTED) + ["any", "any"]))
        order = sorted(scene.things, key=SORTED[sort]) if sort in SORTED else list(self.rng.permutation(np.array(scene.things, dtype=object)))
        words = {"color": lambda t: " " + t.color, "shape": lambda t: " " + t.shape, "place": grid, "size": lambda t: str(min(9, int(t.radius // 2)))}
        items = ["".join(words[k](t) for k in keys) for t in order]
        return Turn("list", f"List {' '.join(keys)} by {sort}.", ",".join(items).strip() + ".")

    def name(self, t: Thing, things: list[Thing]) -> str:
        """The thing's full name, or only its shape where that is enough."""
        alone = sum(o.shape == t.shape for o in things) == 1
        return t.shape if alone and self.rng.random() < 0.4 else t.name

    def counts(self, things: list[Thing]) -> list[Turn]:
        turns = []
        total = self.ask("count", f"{len(things)}.", o=str(self.rng.choice(["objects", "shapes", "things"])))
        turns += [total] * (1 if self.rng.random() < 0.8 else 0)
        for key, name in (("shape", self.pick(things, "shape", SHAPES)), ("color", self.pick(things, "color", COLOR_NAMES))):
            n = sum(getattr(t, key) == name for t in things)
            turns.append(self.ask("count", f"{n}.", o=PLURAL[name] if key == "shape" else f"{name} {self.rng.choice(['objects', 'shapes', 'things'])}"))
        return turns

    def pick(self, things: list[Thing], key: str, names: list[str]) -> str:
        return getattr(things[self.rng.integers(len(things))], key) if self.rng.random() < 0.8 else str(self.rng.choice(names))

    def existence(self, things: list[Thing]) -> list[Turn]:
        present = things[self.rng.integers(len(things))]
        if self.rng.random() < 0.5:
            return [self.ask("exists", "Yes.", t=present.name)]
        shape, color = present.shape, present.color
        if self.rng.random() < 0.5:
            shape = str(self.rng.choice(SHAPES))
        else:
            color = str(self.rng.choice(COLOR_NAMES))
        there = any(t.shape == shape and t.color == color for t in things)
        return [self.ask("exists", "Yes." if there else "No.", t=f"{color} {shape}")]

    def pairs(self, things: list[Thing]) -> list[Turn]:
        """Size and relation of two things that can be told apart by name."""
        named = [t for t in things if unique(t, things)]
        turns: list[Turn] = []
        for _ in range(2 if len(named) > 2 else 1):
            if len(named) < 2:
                return turns
            i, j = self.rng.choice(len(named), 2, replace=False)
            a, b = named[i], named[j]
            names = {"a": self.name(a, things), "b": self.name(b, things)}
            dx, dy = a.x - b.x, a.y - b.y
            if abs(dx) > 7:
                turns.append(self.ask("relation", "Left." if dx < 0 else "Right.", "side", **names))
                turns.append(self.ask("relation", "Yes." if dx < 0 else "No.", "leftof", **names))
            if abs(dy) > 7:
                turns.append(self.ask("relation", "Above." if dy < 0 else "Below.", "height", **names))
                turns.append(self.ask("relation", "Yes." if dy < 0 else "No.", "above", **names))
            if max(a.radius, b.radius) > 1.35 * min(a.radius, b.radius):
                big, small = (a, b) if a.radius > b.radius else (b, a)
                turns.append(self.ask("bigger", f"The {big.name}.", **names))
                turns.append(self.ask("bigger", f"The {small.name}.", "smaller", **names))
        return turns

    def digits(self, scene: Scene) -> list[Turn]:
        text = "".join(map(str, scene.digits))
        turns = [self.ask("digits", f"{text}.")]
        if self.rng.random() < 0.3:
            turns.append(self.ask("count", f"{len(text)}.", "digitcount"))
        if self.rng.random() < 0.3:
            turns.append(self.ask("digits", f"{text[0]}.", "firstdigit"))
            turns.append(self.ask("digits", f"{text[-1]}.", "lastdigit"))
        self.rng.shuffle(turns)
        return turns

    def word(self, scene: Scene) -> list[Turn]:
        return [self.ask("word", f"{scene.word}.")]

    def images(self, scenes: list[Scene]) -> list[Turn]:
        """Questions over several pictures of one request."""
        turns = []
        wanted = int(self.rng.integers(len(scenes)))
        target = scenes[wanted].things[self.rng.integers(len(scenes[wanted].things))]
        has = [any(t.name == target.name for t in s.things) for s in scenes]
        if sum(has) == 1:
            turns.append(self.ask("images", f"The {ORDINAL[wanted]}.", "whichimage", t=target.name))
        counts = [len(s.things) for s in scenes]
        if counts.count(max(counts)) == 1:
            turns.append(self.ask("images", f"The {ORDINAL[int(np.argmax(counts))]}.", "moreimage"))
        return turns

    def small_talk(self) -> Turn:
        if self.held:
            question, answer = HELD_SMALL_TALK[self.rng.integers(len(HELD_SMALL_TALK))]
            return Turn("textOnly", question, answer)
        questions, answer = SMALL_TALK[self.rng.integers(len(SMALL_TALK))]
        return Turn("textOnly", self.vary(str(self.rng.choice(questions))), answer)


WEIGHTS = {"color": 3.0, "exists": 2.0, "count": 4.0, "relation": 3.0, "bigger": 1.5}
SORTED = {"left": lambda t: t.x, "right": lambda t: -t.x, "top": lambda t: t.y, "bottom": lambda t: -t.y,
          "small": lambda t: t.radius, "big": lambda t: -t.radius}


def grid(t: Thing) -> str:
    """Column and row of the centre, 0 to 7 each."""
    return f"{int(t.x // 8)}{int(t.y // 8)}"


def unique(t: Thing, things: list[Thing]) -> bool:
    return sum(o.name == t.name for o in things) == 1


def cap(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def describe(things: list[Thing]) -> str:
    """All things in reading order, each with its place."""
    order = sorted(things, key=lambda t: (int(t.y // 22), t.x))
    parts = [f"a {t.name} {cell(t)}" for t in order]
    return cap(parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1])
