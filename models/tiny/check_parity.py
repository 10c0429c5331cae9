"""Shows that this repository's model, `transformers` and the engine agree: `python check_parity.py CHECKPOINT --tokenizer FILE`.

Logits of our PyTorch model and of Idefics3's classes are compared on held-out questions. With `--answers FILE`, as
`npm run -s eval:tiny -- --answers FILE` writes it, greedy answers of `transformers` are compared with the engine's too.
The engine computes in float16 weights, so close calls may differ; the share of equal answers is printed.
"""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer

from tiny.model import TinyConfig, TinyVlm
from tiny.tokens import END, IMAGE, START, Prompts
from to_transformers import load

EVAL = Path(__file__).parent / "eval"


def prompt_of(prompts: Prompts, item: dict) -> list[int]:
    images = prompts.image() * len(item["images"])
    question = prompts.plain(item["question"] if images else " " + item["question"])
    return [prompts.id[START], *prompts.user, *images, *question, prompts.id[END], *prompts.newline, *prompts.assistant]


def pixels_of(item: dict) -> torch.Tensor:
    pictures = [np.asarray(Image.open(EVAL / name).convert("RGB")) for name in item["images"]]
    return torch.from_numpy(np.stack(pictures).astype(np.float32).transpose(0, 3, 1, 2) / 127.5 - 1)


@torch.no_grad()
def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("checkpoint", type=Path)
    p.add_argument("--tokenizer", type=Path, required=True)
    p.add_argument("--answers", type=Path)
    p.add_argument("--every", type=int, default=10)
    a = p.parse_args()
    tokenizer = Tokenizer.from_file(str(a.tokenizer))
    prompts, theirs, ours = Prompts(tokenizer), load(a.checkpoint, tokenizer), TinyVlm(TinyConfig()).eval()
    ours.load_state_dict(torch.load(a.checkpoint, weights_only=False, map_location="cpu")["model"])
    items = [json.loads(line) for line in (EVAL / "items.jsonl").read_text().splitlines()][::a.every]
    engine = {} if a.answers is None else {row["id"]: row["answer"] for row in map(json.loads, a.answers.read_text().splitlines())}
    worst, compared, equal, different = 0.0, 0, 0, []
    for item in items:
        if not item["images"]:
            continue
        ids, pixels = torch.tensor([prompt_of(prompts, item)]), pixels_of(item)
        mine, _ = ours(ids, pixels, prompts.id[IMAGE], torch.ones_like(ids, dtype=torch.bool))
        other = theirs(input_ids=ids, pixel_values=pixels[None]).logits[0]
        worst = max(worst, (mine - other).abs().max().item())
        if item["id"] in engine:
            made = theirs.generate(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels[None], max_new_tokens=48, do_sample=False)
            text = tokenizer.decode(made[0, ids.shape[1]:].tolist(), skip_special_tokens=True).strip()
            compared, equal = compared + 1, equal + (text == engine[item["id"]])
            different += [] if text == engine[item["id"]] else [(item["id"], text, engine[item["id"]])]
    print(json.dumps({"questions": len(items), "maxLogitDifference": worst, "answersCompared": compared, "answersEqual": equal}))
    for row in different:
        print(*row, sep="  |  ")


if __name__ == "__main__":
    main()
