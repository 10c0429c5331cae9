"""Reads the two GGUF files back as a checkpoint to go on from: `python from_gguf.py --out DIR [--folder DIR]`.

Writes DIR/{start.pt, tokenizer.json} for `train.py --out DIR --start DIR/start.pt`. The files keep float16 of what training
kept in float32, and no optimizer state and no heads for the patches, so that a tower can be held (`--tower-share 0`) but
not taught on from here.
"""
from __future__ import annotations

import argparse
from pathlib import Path

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from export import DECODER_NAMES, NAME, SPARE, TWO_LINES, VISION_NAMES
from tiny.model import TinyConfig, TinyVlm
from tiny.tokens import SPECIAL


def halves(weight: np.ndarray, heads: int) -> np.ndarray:
    """Undoes `export.interleaved`: rows of q and k back in the order of transformers."""
    rows, width = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, width).swapaxes(1, 2).reshape(rows, width)


def tensors(path: Path) -> dict[str, np.ndarray]:
    return {t.name: np.array(t.data, dtype=np.float32) for t in gguf.GGUFReader(str(path)).tensors}


def decoder_weights(path: Path, c: TinyConfig) -> dict[str, np.ndarray]:
    found = tensors(path)
    weights = {"embed.weight": found["token_embd.weight"], "norm.weight": found["output_norm.weight"]}
    for i in range(c.text_layers):
        for ours, theirs in DECODER_NAMES.items():
            weights[f"blocks.{i}.{ours}.weight"] = found[f"blk.{i}.{theirs}.weight"]
        for part, heads in (("q", c.text_heads), ("k", c.text_kv_heads)):
            weights[f"blocks.{i}.{part}.weight"] = halves(found[f"blk.{i}.attn_{part}.weight"], heads)
    return weights


def vision_weights(path: Path, c: TinyConfig) -> dict[str, np.ndarray]:
    found = tensors(path)
    weights = {"vision.patch.weight": found["v.patch_embd.weight"], "vision.patch.bias": found["v.patch_embd.bias"],
               "vision.position": found["v.position_embd.weight"], "vision.connector.weight": found["mm.model.fc.weight"]}
    for part in ("weight", "bias"):
        weights[f"vision.norm.{part}"] = found[f"v.post_ln.{part}"]
        for i in range(c.vision_layers):
            for ours, theirs in VISION_NAMES.items():
                weights[f"vision.blocks.{i}.{ours}.{part}"] = found[f"v.blk.{i}.{theirs}.{part}"]
    return weights


def tokenizer_of(path: Path) -> Tokenizer:
    fields = gguf.GGUFReader(str(path)).fields
    tokens, merges = fields["tokenizer.ggml.tokens"].contents(), fields["tokenizer.ggml.merges"].contents()
    vocabulary = {t: i for i, t in enumerate(tokens) if not t.startswith("[unused")}
    vocabulary[SPARE] = vocabulary.pop(TWO_LINES)
    tokenizer = Tokenizer(models.BPE(vocabulary, [tuple(m.split(" ")) for m in merges]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(sorted(SPECIAL, key=vocabulary.__getitem__))
    return tokenizer


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--folder", type=Path, default=Path(__file__).parent)
    a = p.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    tokenizer, c = tokenizer_of(a.folder / f"{NAME}.gguf"), TinyConfig()
    c.vocab = -(-tokenizer.get_vocab_size() // 32) * 32
    weights = decoder_weights(a.folder / f"{NAME}.gguf", c) | vision_weights(a.folder / f"mmproj-{NAME}.gguf", c)
    model = TinyVlm(c)
    own = model.state_dict()
    state = {n: torch.from_numpy(w).reshape(own[n].shape) for n, w in weights.items()}
    missing = model.load_state_dict(state, strict=False).missing_keys
    assert all(n.startswith("aux.") for n in missing), missing
    torch.save({"model": model.state_dict(), "step": 0, "config": c.as_dict()}, a.out / "start.pt")
    tokenizer.save(str(a.out / "tokenizer.json"))
    print(f"{len(state)} tensors, vocabulary {tokenizer.get_vocab_size()}")


if __name__ == "__main__":
    main()
