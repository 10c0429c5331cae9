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

from tiny.dataset import Generator
from tiny.evaluate import evaluate
from tiny.model import TinyConfig, TinyVlm
from tiny.objective import aux_loss, optimizers
from tiny.tokens import IMAGE, Prompts, batch, train_tokenizer


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
    return p.parse_args()


def rate(step: int, total: int) -> float:
    """Warm-up, flat, then a linear fall over the last half."""
    return min(1.0, (step + 1) / 200) * min(1.0, 2 * (1 - step / total) + 0.01)


def main() -> None:
    a = arguments()
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
    opts = optimizers(list(model.named_parameters()), a.lr, a.muon_lr)
    if a.resume and (a.out / "last.pt").exists():
        state = torch.load(a.out / "last.pt", weights_only=False)
        model.load_state_dict(state["model"])
        for o, s in zip(opts, state["optimizers"]):
            o.load_state_dict(s)
        step = state["step"]
    generator = Generator(seed=a.seed * 100_003 + step)
    base = [[g["lr"] for g in o.param_groups] for o in opts] if not step else [[a.muon_lr], [a.lr]]
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    started, seen, sums = time.time(), 0, [0.0, 0.0, 0.0]
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, vocabulary {config.vocab}, from step {step}", flush=True)
    while step < a.steps and not stop:
        level = min(1.0, step / 1500)
        examples = [generator.example(level) for _ in range(a.batch)]
        data = {k: torch.from_numpy(v) for k, v in batch(prompts, examples).items()}
        for o, lrs in zip(opts, base):
            for group, lr in zip(o.param_groups, lrs):
                group["lr"] = lr * rate(step, a.steps)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=True):
            logits, patches = model(data["ids"], data["pixels"], prompts.id[IMAGE], data["wanted"])
        answer = F.cross_entropy(logits.float(), data["targets"])
        aux = aux_loss(model, patches.float(), data["labels"])
        loss = answer + aux * (1.0 if step < 3000 else 0.5)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for o in opts:
            o.step()
            o.zero_grad(set_to_none=True)
        step += 1
        seen += 1
        right = (logits.argmax(-1) == data["targets"]).float().mean().item()
        sums = [s + v for s, v in zip(sums, (answer.item(), aux.item(), right))]
        if step % 50 == 0:
            row = {"step": step, "answer": sums[0] / 50, "aux": sums[1] / 50, "right": sums[2] / 50, "sPerStep": (time.time() - started) / seen}
            print(json.dumps({k: round(v, 4) for k, v in row.items()}), flush=True)
            sums = [0.0, 0.0, 0.0]
        if step % a.save_every == 0 or step == a.steps or stop:
            torch.save({"model": model.state_dict(), "optimizers": [o.state_dict() for o in opts], "step": step, "config": config.as_dict()}, a.out / "last.tmp")
            os.replace(a.out / "last.tmp", a.out / "last.pt")
        if step % 1000 == 0 or step == a.steps:
            with open(a.out / "log.jsonl", "a") as log:
                line = json.dumps({"step": step, **evaluate(model, prompts, seed=5, examples=600)})
                log.write(line + "\n")
                print(line, flush=True)


if __name__ == "__main__":
    main()
