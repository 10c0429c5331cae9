"""Writes a checkpoint as two GGUF files that llama.cpp and tercet read: `python export.py CHECKPOINT --tokenizer FILE --out DIR`.

`tercet-tiny.gguf` is the decoder with its tokenizer and chat template, `mmproj-tercet-tiny.gguf` the vision tower with the
connector. Matrices are float16; norms, biases and positions float32.
"""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import gguf
import numpy as np
import torch

from tiny.model import TinyConfig
from tiny.tokens import CHAT_TEMPLATE, END, MEDIA_TOKENS, SPECIAL

NAME = "tercet-tiny"
CONTEXT = 4096
# Names of a block's parts here and in the files; q and k of the decoder are written apart, their rows in another order.
DECODER_NAMES = {"v": "attn_v", "o": "attn_output", "norm1": "attn_norm", "norm2": "ffn_norm", "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down"}
VISION_NAMES = {"ln1": "ln1", "ln2": "ln2", "q": "attn_q", "k": "attn_k", "v": "attn_v", "o": "attn_out", "up": "ffn_up", "down": "ffn_down"}
# llama.cpp writes an empty line, as one token, before the global view of every image, and refuses images without it.
# No merge leads to this token, so that texts are tokenised as before; it reads as one line break.
SPARE, TWO_LINES, LINE = "<row_4_col_4>", "\u010a\u010a", "\u010a"


def interleaved(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of q and k in the order of ggml's rotary kernel for this architecture: neighbours are a pair, not halves."""
    rows, width = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, width).swapaxes(1, 2).reshape(rows, width)


def add(writer: gguf.GGUFWriter, name: str, value: np.ndarray) -> None:
    is_matrix = value.ndim > 1 and "position" not in name
    writer.add_tensor(name, np.ascontiguousarray(value.astype(np.float16 if is_matrix else np.float32)))


def write_decoder(path: Path, weights: dict[str, np.ndarray], c: TinyConfig, tokenizer: dict) -> None:
    w = gguf.GGUFWriter(str(path), "llama")
    w.add_name(NAME)
    w.add_license("Apache-2.0")
    w.add_context_length(CONTEXT)
    w.add_embedding_length(c.text_width)
    w.add_block_count(c.text_layers)
    w.add_feed_forward_length(c.text_ffn)
    w.add_head_count(c.text_heads)
    w.add_head_count_kv(c.text_kv_heads)
    w.add_rope_dimension_count(c.text_width // c.text_heads)
    w.add_rope_freq_base(c.rope_theta)
    w.add_layer_norm_rms_eps(c.rms_eps)
    w.add_vocab_size(c.vocab)
    write_tokenizer(w, tokenizer, c.vocab)
    embed = weights["embed.weight"].copy()
    embed[vocabulary_id(tokenizer, SPARE)] = embed[tokenizer["model"]["vocab"][LINE]]
    add(w, "token_embd.weight", embed)
    add(w, "output_norm.weight", weights["norm.weight"])
    for i in range(c.text_layers):
        take = lambda name: weights[f"blocks.{i}.{name}.weight"]
        add(w, f"blk.{i}.attn_q.weight", interleaved(take("q"), c.text_heads))
        add(w, f"blk.{i}.attn_k.weight", interleaved(take("k"), c.text_kv_heads))
        for ours, theirs in DECODER_NAMES.items():
            add(w, f"blk.{i}.{theirs}.weight", take(ours))
    finish(w)


def vocabulary_id(tokenizer: dict, special: str) -> int:
    return next(t["id"] for t in tokenizer["added_tokens"] if t["content"] == special)


def write_tokenizer(w: gguf.GGUFWriter, tokenizer: dict, vocab: int) -> None:
    model = tokenizer["model"]
    tokens = [None] * vocab
    for token, index in model["vocab"].items():
        tokens[index] = token
    special = {t["content"]: t["id"] for t in tokenizer["added_tokens"]}
    for token, index in special.items():
        tokens[index] = token
    unused = {i for i, token in enumerate(tokens) if token is None}
    kinds = [gguf.TokenType.UNUSED if i in unused else gguf.TokenType.CONTROL if t in special else gguf.TokenType.NORMAL for i, t in enumerate(tokens)]
    at = special[SPARE]
    tokens[at], kinds[at] = TWO_LINES, gguf.TokenType.NORMAL
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("smollm")
    w.add_token_list([t if t is not None else f"[unused{i}]" for i, t in enumerate(tokens)])
    w.add_token_types(kinds)
    w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in model["merges"]])
    w.add_bos_token_id(special[SPECIAL[0]])
    w.add_eos_token_id(special[END])
    w.add_add_bos_token(False)
    w.add_chat_template(CHAT_TEMPLATE)


def write_vision(path: Path, weights: dict[str, np.ndarray], c: TinyConfig) -> None:
    w = gguf.GGUFWriter(str(path), "clip")
    w.add_name(NAME)
    w.add_type("mmproj")
    w.add_bool("clip.has_vision_encoder", True)
    w.add_string("clip.projector_type", "idefics3")
    w.add_bool("clip.use_gelu", True)
    for key, value in {
        "image_size": c.image_size, "preproc_image_size": c.image_size, "patch_size": c.patch, "embedding_length": c.vision_width,
        "feed_forward_length": c.vision_ffn, "projection_dim": c.text_width, "block_count": c.vision_layers,
        "attention.head_count": c.vision_heads, "projector.scale_factor": c.shuffle,
    }.items():
        w.add_uint32(f"clip.vision.{key}", value)
    w.add_float32("clip.vision.attention.layer_norm_epsilon", c.layer_norm_eps)
    w.add_array("clip.vision.image_mean", [0.5] * 3)
    w.add_array("clip.vision.image_std", [0.5] * 3)
    add(w, "v.patch_embd.weight", weights["vision.patch.weight"])
    add(w, "v.patch_embd.bias", weights["vision.patch.bias"])
    add(w, "v.position_embd.weight", weights["vision.position"])
    for i in range(c.vision_layers):
        for ours, theirs in VISION_NAMES.items():
            for part in ("weight", "bias"):
                add(w, f"v.blk.{i}.{theirs}.{part}", weights[f"vision.blocks.{i}.{ours}.{part}"])
    for part in ("weight", "bias"):
        add(w, f"v.post_ln.{part}", weights[f"vision.norm.{part}"])
    add(w, "mm.model.fc.weight", weights["vision.connector.weight"])
    finish(w)


def finish(w: gguf.GGUFWriter) -> None:
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("checkpoint", type=Path)
    p.add_argument("--tokenizer", type=Path, required=True)
    p.add_argument("--out", type=Path, default=Path(__file__).parent)
    a = p.parse_args()
    state = torch.load(a.checkpoint, weights_only=False, map_location="cpu")
    weights = {name: value.float().numpy() for name, value in (state.get("averaged") or state["model"]).items()}
    c = TinyConfig()
    assert MEDIA_TOKENS == (c.image_size // c.patch // c.shuffle) ** 2
    a.out.mkdir(parents=True, exist_ok=True)
    decoder, vision = a.out / f"{NAME}.gguf", a.out / f"mmproj-{NAME}.gguf"
    write_decoder(decoder, weights, c, json.loads(a.tokenizer.read_text()))
    write_vision(vision, weights, c)
    print(json.dumps({"step": state["step"], **{f.name: f.stat().st_size for f in (decoder, vision)}}))


if __name__ == "__main__":
    main()
