"""Teacher-forced accuracy per kind on held-out glyphs, words and phrasings: every token of an answer must be right."""
from __future__ import annotations

from collections import defaultdict

import torch

from .dataset import Example, Generator
from .model import TinyVlm
from .tokens import IMAGE, Prompts, batch


@torch.no_grad()
def evaluate(model: TinyVlm, prompts: Prompts, seed: int, examples: int) -> dict[str, float]:
    """Share of right answers by kind; each question is asked alone, as the first turn."""
    model.eval()
    generator = Generator(seed, held=True)
    right: dict[str, list[float]] = defaultdict(list)
    alone = []
    for _ in range(examples):
        example = generator.example(1.0)
        alone += [Example(example.scenes, [turn]) for turn in example.turns[:3]]
    for start in range(0, len(alone), 64):
        part = [e for e in alone[start:start + 64] if e.scenes]
        data = {k: torch.from_numpy(v) for k, v in batch(prompts, part).items()}
        logits, _ = model(data["ids"], data["pixels"], prompts.id[IMAGE], data["wanted"])
        hit = (logits.argmax(-1) == data["targets"]).tolist()
        at = 0
        for example, wanted in zip(part, data["wanted"].sum(1).tolist()):
            turn = example.turns[0]
            ok = all(hit[at:at + wanted])
            right[turn.kind].append(ok)
            if turn.kind == "digits":
                right["digits1to3" if len(example.scenes[0].digits) <= 3 else "digits4to5"].append(ok)
            at += wanted
    model.train()
    return {kind: round(sum(v) / len(v), 4) for kind, v in sorted(right.items())}
