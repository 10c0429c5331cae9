"""Writes a checkpoint as `transformers` reads it: `python to_transformers.py CHECKPOINT --tokenizer FILE --out DIR`.

The classes are Idefics3's, which SmolVLM shares: any program that runs SmolVLM runs this folder.
"""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import Idefics3Config, Idefics3ForConditionalGeneration, PreTrainedTokenizerFast

from tiny.model import TinyConfig
from tiny.tokens import CHAT_TEMPLATE, END, IMAGE, SPECIAL

VISION = {"ln1": "layer_norm1", "ln2": "layer_norm2", "q": "self_attn.q_proj", "k": "self_attn.k_proj", "v": "self_attn.v_proj",
          "o": "self_attn.out_proj", "up": "mlp.fc1", "down": "mlp.fc2"}
TEXT = {"norm1": "input_layernorm", "norm2": "post_attention_layernorm", "q": "self_attn.q_proj", "k": "self_attn.k_proj",
        "v": "self_attn.v_proj", "o": "self_attn.o_proj", "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj"}
WHOLE = {"vision.patch": "vision_model.embeddings.patch_embedding", "vision.position": "vision_model.embeddings.position_embedding.weight",
         "vision.norm": "vision_model.post_layernorm", "vision.connector": "connector.modality_projection.proj",
         "embed": "text_model.embed_tokens", "norm": "text_model.norm"}


def config_of(c: TinyConfig, tokenizer: Tokenizer) -> Idefics3Config:
    ids = {"bos_token_id": tokenizer.token_to_id(SPECIAL[0]), "eos_token_id": tokenizer.token_to_id(END), "pad_token_id": 0}
    vision = {"hidden_size": c.vision_width, "num_hidden_layers": c.vision_layers, "num_attention_heads": c.vision_heads,
              "intermediate_size": c.vision_ffn, "image_size": c.image_size, "patch_size": c.patch,
              "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": c.layer_norm_eps}
    text = {"model_type": "llama", "hidden_size": c.text_width, "num_hidden_layers": c.text_layers, "num_attention_heads": c.text_heads,
            "num_key_value_heads": c.text_kv_heads, "intermediate_size": c.text_ffn, "vocab_size": c.vocab, "rope_theta": c.rope_theta,
            "rms_norm_eps": c.rms_eps, "max_position_embeddings": 4096, "tie_word_embeddings": True, **ids}
    return Idefics3Config(vision_config=vision, text_config=text, scale_factor=c.shuffle, image_token_id=tokenizer.token_to_id(IMAGE),
                          tie_word_embeddings=True, **ids)


def named(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our names to theirs; the training-only heads stay behind."""
    found = {}
    for name, value in weights.items():
        if name.startswith("aux."):
            continue
        parts = name.split(".")
        if "blocks" in parts:
            at = parts.index("blocks")
            tower, table = ("vision_model.encoder", VISION) if parts[0] == "vision" else ("text_model", TEXT)
            theirs = f"{tower}.layers.{parts[at + 1]}.{table[parts[at + 2]]}.{parts[at + 3]}"
        else:
            ours = next(w for w in sorted(WHOLE, key=len, reverse=True) if name == w or name.startswith(w + "."))
            theirs = WHOLE[ours] + name[len(ours):]
        found["model." + theirs] = value.float()
    return {**found, "lm_head.weight": found["model.text_model.embed_tokens.weight"]}


def load(checkpoint: Path, tokenizer: Tokenizer) -> Idefics3ForConditionalGeneration:
    """@raises RuntimeError where a name or a shape has no place"""
    state = torch.load(checkpoint, weights_only=False, map_location="cpu")
    model = Idefics3ForConditionalGeneration(config_of(TinyConfig(), tokenizer)).eval()
    model.load_state_dict(named(state["model"]), strict=True)
    return model


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("checkpoint", type=Path)
    p.add_argument("--tokenizer", type=Path, required=True)
    p.add_argument("--out", type=Path, required=True)
    a = p.parse_args()
    load(a.checkpoint, Tokenizer.from_file(str(a.tokenizer))).save_pretrained(a.out)
    fast = PreTrainedTokenizerFast(tokenizer_file=str(a.tokenizer), bos_token=SPECIAL[0], eos_token=END, pad_token=SPECIAL[0],
                                   additional_special_tokens=SPECIAL[1:])
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(a.out)
    processor = {"image_processor_type": "Idefics3ImageProcessor", "do_image_splitting": False, "do_resize": True, "size": {"longest_edge": 64},
                 "max_image_size": {"longest_edge": 64}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "do_convert_rgb": True,
                 "do_normalize": True, "do_rescale": True, "rescale_factor": 1 / 255, "do_pad": True}
    (a.out / "preprocessor_config.json").write_text(json.dumps(processor, indent=2))
    print(sorted(f.name for f in a.out.iterdir()))


if __name__ == "__main__":
    main()
