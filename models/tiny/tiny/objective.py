"""What is optimised besides the answers, and by what."""
from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .model import TinyVlm

NONE_WEIGHT = 0.1  # most patches show nothing; without this the heads learn to say so


def aux_loss(model: TinyVlm, patches: Tensor, labels: Tensor) -> Tensor:
    """Mean over the four heads of the cross entropy per patch. patches [B, P, V], labels [B, 4, P]."""
    losses = []
    for i, head in enumerate(model.aux):
        weight = torch.ones(head.out_features)
        weight[0] = NONE_WEIGHT
        losses.append(F.cross_entropy(head(patches).flatten(0, 1), labels[:, i].flatten(), weight=weight))
    return torch.stack(losses).mean()


def patch_accuracy(model: TinyVlm, patches: Tensor, labels: Tensor) -> np.ndarray:
    """Share of right names among the patches that show something, for colour, shape, digit, letter."""
    with torch.no_grad():
        shares = []
        for i, head in enumerate(model.aux):
            wanted = labels[:, i]
            shown = wanted > 0
            shares.append((head(patches).argmax(-1)[shown] == wanted[shown]).float().mean().item() if shown.any() else 1.0)
    return np.array(shares)


def optimizers(parameters: list[tuple[str, nn.Parameter]], lr: float, muon_lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside blocks and connector, AdamW for embeddings, norms, biases, heads and the convolution."""
    inner = [p for n, p in parameters if p.ndim == 2 and ("blocks" in n or "connector" in n)]
    ids = {id(p) for p in inner}
    rest = [p for _, p in parameters if id(p) not in ids]
    return [torch.optim.Muon(inner, lr=muon_lr, momentum=0.95, weight_decay=0.01),
            torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.98), weight_decay=0.01)]
