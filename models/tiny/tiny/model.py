"""SmolVLM's architecture in small: SigLIP tower, pixel shuffle, linear connector, Llama decoder with tied embeddings.

Written plainly for training speed; `export.py` maps the weights to the names of transformers and llama.cpp.
Shapes: B pictures, P = 64 patches, V = vision width, M = 16 media tokens, T = text width, N x L token ids.
"""
from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass
class TinyConfig:
    image_size: int = 64
    patch: int = 8
    vision_width: int = 128
    vision_layers: int = 4
    vision_heads: int = 4
    vision_ffn: int = 384
    shuffle: int = 2
    vocab: int = 768
    text_width: int = 192
    text_layers: int = 4
    text_heads: int = 6
    text_kv_heads: int = 2
    text_ffn: int = 384
    rope_theta: float = 10000.0
    rms_eps: float = 1e-5
    layer_norm_eps: float = 1e-6

    def as_dict(self) -> dict:
        return asdict(self)


class VisionBlock(nn.Module):
    def __init__(self, c: TinyConfig):
        super().__init__()
        w, self.heads = c.vision_width, c.vision_heads
        self.ln1, self.ln2 = nn.LayerNorm(w, c.layer_norm_eps), nn.LayerNorm(w, c.layer_norm_eps)
        self.q, self.k, self.v, self.o = (nn.Linear(w, w) for _ in range(4))
        self.up, self.down = nn.Linear(w, c.vision_ffn), nn.Linear(c.vision_ffn, w)

    def forward(self, x: Tensor) -> Tensor:  # [B, P, V]
        b, p, w = x.shape
        h = self.ln1(x)
        q, k, v = (f(h).view(b, p, self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        x = x + self.o(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, p, w))
        return x + self.down(F.gelu(self.up(self.ln2(x)), approximate="tanh"))


class Vision(nn.Module):
    """Pictures [B, 3, 64, 64] in -1..1 to (media tokens [B, M, T], patches [B, P, V])."""

    def __init__(self, c: TinyConfig):
        super().__init__()
        self.c = c
        side = c.image_size // c.patch
        self.patch = nn.Conv2d(3, c.vision_width, c.patch, c.patch)
        self.position = nn.Parameter(0.5 * sine_positions(side, c.vision_width))
        self.blocks = nn.ModuleList(VisionBlock(c) for _ in range(c.vision_layers))
        self.norm = nn.LayerNorm(c.vision_width, c.layer_norm_eps)
        self.connector = nn.Linear(c.vision_width * c.shuffle**2, c.text_width, bias=False)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        x = self.patch(pixels).flatten(2).transpose(1, 2) + self.position
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return self.connector(self.pixel_shuffle(x)), x

    def pixel_shuffle(self, x: Tensor) -> Tensor:
        """[B, P, V] to [B, P / s^2, V * s^2]: each s x s square of patches becomes one wide vector."""
        b, p, w = x.shape
        side, s = int(p**0.5), self.c.shuffle
        x = x.view(b, side, side // s, w * s).permute(0, 2, 1, 3)
        x = x.reshape(b, side // s, side // s, w * s * s).permute(0, 2, 1, 3)
        return x.reshape(b, p // (s * s), w * s * s)


def sine_positions(side: int, width: int) -> Tensor:
    """[side * side, width]: sines and cosines of row and column. A learned table that starts here knows neighbours at once;
    starting from noise, the tower saw colours but no shapes for thousands of steps."""
    quarter = width // 4
    angle = torch.arange(side).float()[:, None] / 100 ** (torch.arange(quarter) / quarter)
    waves = torch.cat([angle.sin(), angle.cos()], 1)
    rows, columns = waves[:, None].expand(side, side, -1), waves[None].expand(side, side, -1)
    return torch.cat([rows, columns], -1).reshape(side * side, width)


class TextBlock(nn.Module):
    def __init__(self, c: TinyConfig):
        super().__init__()
        w, self.heads, self.kv_heads = c.text_width, c.text_heads, c.text_kv_heads
        kv = w // c.text_heads * c.text_kv_heads
        self.norm1, self.norm2 = nn.RMSNorm(w, c.rms_eps), nn.RMSNorm(w, c.rms_eps)
        self.q, self.o = nn.Linear(w, w, bias=False), nn.Linear(w, w, bias=False)
        self.k, self.v = nn.Linear(w, kv, bias=False), nn.Linear(w, kv, bias=False)
        self.gate, self.up = nn.Linear(w, c.text_ffn, bias=False), nn.Linear(w, c.text_ffn, bias=False)
        self.down = nn.Linear(c.text_ffn, w, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:  # [N, L, T]
        n, l, w = x.shape
        h = self.norm1(x)
        q = rotate(self.q(h).view(n, l, self.heads, -1).transpose(1, 2), cos, sin)
        k = rotate(self.k(h).view(n, l, self.kv_heads, -1).transpose(1, 2), cos, sin)
        v = self.v(h).view(n, l, self.kv_heads, -1).transpose(1, 2)
        share = self.heads // self.kv_heads
        k, v = k.repeat_interleave(share, 1), v.repeat_interleave(share, 1)
        x = x + self.o(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(n, l, w))
        h = self.norm2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding, halves paired (the layout of transformers)."""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1).to(x.dtype)


class TinyVlm(nn.Module):
    """The whole model; `aux` are training-only heads that name what covers each patch."""

    def __init__(self, c: TinyConfig):
        super().__init__()
        self.c = c
        self.vision = Vision(c)
        self.embed = nn.Embedding(c.vocab, c.text_width)
        nn.init.normal_(self.embed.weight, std=0.02)
        self.blocks = nn.ModuleList(TextBlock(c) for _ in range(c.text_layers))
        self.norm = nn.RMSNorm(c.text_width, c.rms_eps)
        self.aux = nn.ModuleList(nn.Linear(c.vision_width, k) for k in (13, 9, 11, 27))

    def forward(self, ids: Tensor, pixels: Tensor, image_token: int, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [K, vocab] of the K positions where `wanted` [N, L] is true, and the patches for the aux heads."""
        x = self.embed(ids)
        media, patches = self.vision(pixels)
        x = x.masked_scatter((ids == image_token).unsqueeze(-1), media.to(x.dtype))
        half = self.c.text_width // self.c.text_heads // 2
        angle = torch.outer(torch.arange(ids.shape[1]).float(), self.c.rope_theta ** (-torch.arange(half).float() / half))
        cos, sin = angle.cos(), angle.sin()
        for block in self.blocks:
            x = block(x, cos, sin)
        return F.linear(self.norm(x[wanted]), self.embed.weight), patches
