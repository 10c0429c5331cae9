"""Trains tercet-tiny on generated scenes: `python train.py --out DIR [--resume] [--steps N]`.

Writes DIR/{tokenizer.json, last.pt, best.pt, log.jsonl}. Send SIGSTOP to pause and SIGCONT to go on; SIGTERM saves first.
"""
from __future__ import annotations

import argparse
import json
import math
import os
import signal
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from tiny.dataset import Example, Generator
from tiny.evaluate import evaluate
from tiny.model import TinyConfig, TinyVlm
from tiny.objective import aux_loss, optimizers
from tiny.tokens import IMAGE, Prompts, batch, train_tokenizer


LOG_EVERY = 25


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--resume", action="store_true")
    p.add_argument("--steps", type=int, default=12000)
    p.add_argument("--batch", type=int, default=48)
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--muon-lr", type=float, default=0.02)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--vision", type=Path, help="vision.pt of pretrain.py to start from")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--save-every", type=int, default=250)
    p.add_argument("--start", type=Path, help="checkpoint of another run to go on from, with fresh optimizers")
    p.add_argument("--minutes", type=float, help="with --start: let the rates fall to nothing in this time, then stop")
    p.add_argument("--peak", type=float, default=0.35, help="with --minutes: share of the rates to begin with")
    p.add_argument("--tower-share", type=float, default=1.0, help="share of the rates that the vision tower gets")
    p.add_argument("--lists", type=float, default=0.2, help="share of examples that list everything in a picture")
    return p.parse_args()


def rate(step: int, total: int) -> float:
    """Warm-up, flat, then a linear fall over the last half."""
    return min(1.0, (step + 1) / 200) * min(1.0, 2 * (1 - step / total) + 0.01)


def grouped(prompts: Prompts, examples: list[Example], parts: int = 3) -> list[list[Example]]:
    """The examples in groups of like length, so that a third of the work is not padding."""
    order = sorted(examples, key=lambda e: len(prompts.encode(e)[0]))
    size = -(-len(order) // parts)
    return [order[i:i + size] for i in range(0, len(order), size)]


def learn(model: TinyVlm, prompts: Prompts, examples: list[Example], aux_weight: float) -> tuple[float, float, float]:
    """Gradients of one step, summed over the groups; (loss of the answers, loss of the patches, share of right tokens)."""
    groups = [{k: torch.from_numpy(v) for k, v in batch(prompts, g).items()} for g in grouped(prompts, examples)]
    targets, pictures = sum(len(g["targets"]) for g in groups), sum(len(g["pixels"]) for g in groups)
    sums = [0.0, 0.0, 0.0]
    for g in groups:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits, patches = model(g["ids"], g["pixels"], prompts.id[IMAGE], g["wanted"])
        answer = F.cross_entropy(logits.float(), g["targets"], reduction="sum") / targets
        aux = aux_loss(model, patches.float(), g["labels"]) * (len(g["pixels"]) / pictures)
        (answer + aux * aux_weight).backward()
        right = (logits.argmax(-1) == g["targets"]).sum().item() / targets
        sums = [s + v for s, v in zip(sums, (answer.item(), aux.item(), right))]
    return sums[0], sums[1], sums[2]


def split_optimizers(model: TinyVlm, a: argparse.Namespace) -> list[torch.optim.Optimizer]:
    """The tower, which a pretraining has taught already, changes more slowly than the rest, or with share 0 not at all."""
    named = list(model.named_parameters())
    tower = [(n, p) for n, p in named if n.startswith(("vision.", "aux.")) and "connector" not in n]
    known = {n for n, _ in tower}
    rest = [(n, p) for n, p in named if n not in known]
    if a.tower_share == 0:
        for _, parameter in tower:
            parameter.requires_grad_(False)
        return optimizers(rest, a.lr, a.muon_lr)
    return optimizers(rest, a.lr, a.muon_lr) + optimizers(tower, a.lr * a.tower_share, a.muon_lr * a.tower_share)


def main() -> None:
    a = arguments()
    os.nice(19)  # hours in the background: whatever else runs goes first
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    a.out.mkdir(parents=True, exist_ok=True)
    (a.out / "train.pid").write_text(str(os.getpid()))
    config = TinyConfig()
    path = a.out / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path)) if path.exists() else train_tokenizer(path, config.vocab)
    config.vocab = -(-tokenizer.get_vocab_size() // 32) * 32
    prompts, model = Prompts(tokenizer), TinyVlm(config)
    step = 0
    if a.vision and not a.resume:
        known = torch.load(a.vision, weights_only=False)["model"]
        model.load_state_dict({n: w for n, w in known.items() if n.startswith(("vision.", "aux."))}, strict=False)
    opts = split_optimizers(model, a)
    base = [[g["lr"] for g in o.param_groups] for o in opts]
    if a.resume and (a.out / "last.pt").exists():
        state = torch.load(a.out / "last.pt", weights_only=False)
        model.load_state_dict(state["model"])
        for o, s in zip(opts, state["optimizers"]):
            o.load_state_dict(s)
        step = state["step"]
    elif a.start:
        state = torch.load(a.start, weights_only=False)
        model.load_state_dict(state["model"])
        step = state["step"]
    generator = Generator(seed=a.seed * 100_003 + step, lists=a.lists)
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    started, seen, sums = time.time(), 0, [0.0, 0.0, 0.0]
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, vocabulary {config.vocab}, from step {step}", flush=True)
    while step < a.steps and not stop:
        level = 1.0 if a.vision or a.start else min(1.0, step / 1500)
        examples = [generator.example(level) for _ in range(a.batch)]
        share = rate(step, a.steps)
        if a.minutes:
            left = 1 - (time.time() - started) / (a.minutes * 60)
            share = max(0.01, a.peak * left) * min(1.0, (seen + 1) / 40)
            stop += [1] if left <= 0 else []
        for o, lrs in zip(opts, base):
            for group, lr in zip(o.param_groups, lrs):
                group["lr"] = lr * share
        found = learn(model, prompts, examples, 1.0 if step < 3000 or a.minutes else 0.5)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for o in opts:
            o.step()
            o.zero_grad(set_to_none=True)
        step += 1
        seen += 1
        sums = [s + v for s, v in zip(sums, found)]
        if step % LOG_EVERY == 0:
            row = {"step": step, "answer": sums[0] / LOG_EVERY, "aux": sums[1] / LOG_EVERY, "right": sums[2] / LOG_EVERY, "sPerStep": (time.time() - started) / seen}
            print(json.dumps({k: round(v, 4) for k, v in row.items()}), flush=True)
            sums = [0.0, 0.0, 0.0]
        if step % a.save_every == 0 or step == a.steps or stop:
            torch.save({"model": model.state_dict(), "optimizers": [o.state_dict() for o in opts], "step": step, "config": config.as_dict()}, a.out / "last.tmp")
            os.replace(a.out / "last.tmp", a.out / "last.pt")
        if step % 1000 == 0 or step == a.steps or stop:
            with open(a.out / "log.jsonl", "a") as log:
                line = json.dumps({"step": step, **evaluate(model, prompts, seed=5, examples=600)})
                log.write(line + "\n")
                print(line, flush=True)


if __name__ == "__main__":
    main()
