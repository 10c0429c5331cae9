"""Teaches the vision tower alone to name what covers each patch: `python pretrain.py --out DIR [--steps N] [--resume]`.

A picture costs a fifth of what it costs in the whole model, and shapes and glyphs need many pictures. `train.py --vision
DIR/vision.pt` goes on from there.
"""
from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import torch

from tiny.dataset import Generator
from tiny.model import TinyConfig, TinyVlm
from tiny.objective import aux_loss, optimizers, patch_accuracy
from tiny.scenes import Scene


def scenes(generator: Generator, count: int, level: float) -> list[Scene]:
    """Scenes of all kinds; questions are not drawn."""
    found: list[Scene] = []
    while len(found) < count:
        found += generator.scene(level)
    return found[:count]


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--steps", type=int, default=6000)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--muon-lr", type=float, default=0.02)
    p.add_argument("--resume", action="store_true")
    a = p.parse_args()
    os.nice(19)  # hours in the background: whatever else runs goes first
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    a.out.mkdir(parents=True, exist_ok=True)
    (a.out / "pretrain.pid").write_text(str(os.getpid()))
    model = TinyVlm(TinyConfig())
    step = 0
    if a.resume:
        state = torch.load(a.out / "vision.pt", weights_only=False)
        model.load_state_dict(state["model"])
        step = state["step"]
    parts = [("vision." + n, q) for n, q in model.vision.named_parameters() if "connector" not in n]
    opts = optimizers(parts + [("aux." + n, q) for n, q in model.aux.named_parameters()], a.lr, a.muon_lr)
    base = [[g["lr"] for g in o.param_groups] for o in opts]
    generator, started, sums = Generator(seed=77 + step), time.time(), np.zeros(4)
    first = step
    while step < a.steps:
        batch = scenes(generator, a.batch, min(1.0, 0.25 + step / 2000))
        pixels = torch.from_numpy(np.stack([s.pixels for s in batch]).astype(np.float32).transpose(0, 3, 1, 2) / 127.5 - 1)
        labels = torch.from_numpy(np.stack([s.labels for s in batch]))
        for o, lrs in zip(opts, base):
            for group, lr in zip(o.param_groups, lrs):
                group["lr"] = lr * min(1.0, (step - first + 1) / 100) * min(1.0, 3 * (1 - step / a.steps) + 0.05)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            _, patches = model.vision(pixels)
        patches = patches.float()
        aux_loss(model, patches, labels).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for o in opts:
            o.step()
            o.zero_grad(set_to_none=True)
        step += 1
        sums += patch_accuracy(model, patches, labels)
        if step % 100 == 0:
            names = dict(zip(("color", "shape", "digit", "letter"), (sums / 100).round(3).tolist()))
            print(json.dumps({"step": step, **names, "sPerStep": round((time.time() - started) / (step - first), 3)}), flush=True)
            sums[:] = 0
        if step % 500 == 0:
            torch.save({"model": model.state_dict(), "step": step}, a.out / "vision.pt")


if __name__ == "__main__":
    main()
