"""Which parameters learn by which rule."""

import torch
from torch import nn

from worldmodel.train.config import TrainConfig
from worldmodel.train.muon import Muon

SCALE = "rate_scale"


def make_optimisers(network: nn.Module, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """AdamW for everything, or Muon (arXiv 2502.16982) for the matrices of transformer blocks.

    Muon's updates are scaled to AdamW's root mean square, and learn `muon_scale` times as fast.
    """
    matrices = {
        name: p
        for name, p in network.named_parameters()
        if config.muon and name.startswith("blocks.") and name.endswith(".weight") and p.ndim == 2
    }
    rest = [p for name, p in network.named_parameters() if name not in matrices]
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(
            rest, lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay
        )
    ]
    if matrices:
        rates = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
        muon = Muon(matrices.values(), **rates)
        muon.param_groups[0][SCALE] = config.muon_scale
        optimisers.append(muon)
    return optimisers


def set_rate(optimisers: list[torch.optim.Optimizer], rate: float) -> None:
    """Give every group its share of the learning rate."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate * group.get(SCALE, 1.0)
