"""Tokenizer (byte-level BPE as SmolLM's) and the prompt format (as SmolVLM's processor writes it)."""
from __future__ import annotations

from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from .dataset import Example, Generator

START, END, FAKE, IMAGE, GLOBAL = "<|im_start|>", "<end_of_utterance>", "<fake_token_around_image>", "<image>", "<global-img>"
SPECIAL = ["<|endoftext|>", START, "<|im_end|>", END, FAKE, IMAGE, GLOBAL] + [f"<row_{r}_col_{c}>" for r in range(1, 5) for c in range(1, 5)]
MEDIA_TOKENS = 16
CHAT_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}"
    "{% if message['content'] is string %}:{{ ' ' }}{{ message['content'] }}"
    "{% else %}{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}{% endif %}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)


def train_tokenizer(path: Path, vocab: int, examples: int = 60000) -> Tokenizer:
    """Learns merges from generated turns; upper-case words stay single letters because none stands in a question."""
    generator = Generator(seed=11)
    lines = []
    for _ in range(examples):
        for turn in generator.example(1.0).turns:
            lines += [" " + turn.question if generator.rng.random() < 0.5 else turn.question]
            lines += [] if turn.kind == "word" else [" " + turn.answer]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=vocab, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False))
    tokenizer.save(str(path))
    return tokenizer


class Prompts:
    """Examples to token ids and a mask of the tokens that are learned (the answers and their end)."""

    def __init__(self, tokenizer: Tokenizer):
        self.t = tokenizer
        self.id = {name: tokenizer.token_to_id(name) for name in SPECIAL}
        self.user, self.assistant = self.plain("User:"), self.plain("Assistant:")
        self.newline = self.plain("\n")

    def plain(self, text: str) -> list[int]:
        return self.t.encode(text, add_special_tokens=False).ids

    def image(self) -> list[int]:
        return [self.id[FAKE], self.id[GLOBAL], *[self.id[IMAGE]] * MEDIA_TOKENS, self.id[FAKE]]

    def encode(self, example: Example) -> tuple[list[int], list[bool]]:
        ids: list[int] = [self.id[START]]
        learned = [False]
        for index, turn in enumerate(example.turns):
            head = list(self.user)
            images = self.image() * len(example.scenes) if index == 0 else []
            head += images + self.plain(turn.question if images else " " + turn.question) + [self.id[END], *self.newline, *self.assistant]
            answer = self.plain(" " + turn.answer) + [self.id[END]]
            ids += head + answer + self.newline
            learned += [False] * len(head) + [True] * len(answer) + [False] * len(self.newline)
        return ids, learned


def batch(prompts: Prompts, examples: list[Example]) -> dict[str, np.ndarray]:
    """ids [N, L], wanted [N, L-1], targets [K], pixels [B, 3, 64, 64] in -1..1, labels [B, 4, 64]; padded at the end."""
    rows = [prompts.encode(e) for e in examples]
    longest = max(len(ids) for ids, _ in rows)
    ids = np.zeros((len(rows), longest), dtype=np.int64)
    learned = np.zeros((len(rows), longest), dtype=bool)
    for i, (row, mask) in enumerate(rows):
        ids[i, : len(row)], learned[i, : len(row)] = row, mask
    scenes = [s for e in examples for s in e.scenes]
    pixels = np.stack([s.pixels for s in scenes]).astype(np.float32).transpose(0, 3, 1, 2) / 127.5 - 1
    return {"ids": ids[:, :-1], "wanted": learned[:, 1:], "targets": ids[:, 1:][learned[:, 1:]], "pixels": pixels,
            "labels": np.stack([s.labels for s in scenes])}
