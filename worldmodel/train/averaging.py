"""Two worlds of one kind as one: the mean of their weights."""

from pathlib import Path

import torch
from torch import nn

from worldmodel.checkpoint import load_checkpoint, save_checkpoint
from worldmodel.data.provenance import read_sources, write_sources
from worldmodel.errors import UserError


def average_worlds(first: Path, second: Path, out: Path, share: float) -> None:
    """Write into `out` the world `second` with `share` of its weights and the rest of `first`'s.

    What one has been trained to from the other keeps most of what it learned and loses some of its
    noise (Wortsman et al., arXiv 2203.05482 and 2109.01903). So do their outpainters, where both
    have one of the same sizes. All else is `second`'s. Raises UserError when the worlds differ in
    their sizes or in their tokenizers, or for a share outside 0 to 1.
    """
    if not 0 <= share <= 1:
        raise UserError(f"the share must lie in 0 to 1, found {share}")
    one, other = load_checkpoint(first), load_checkpoint(second)
    if one.config.world != other.config.world:
        raise UserError(f"{first} and {second} differ in the sizes of their worlds; name two alike")
    if one.config.tokenizer_hash != other.config.tokenizer_hash:
        raise UserError(f"{first} and {second} have other tokenizers; name two with the same one")
    _mix(one.network, other.network, share)
    painters = one.outpainter, other.outpainter
    if all(painters) and painters[0].config == painters[1].config:
        _mix(*painters, share)
    parts = other.config, other.tokenizer, other.network, other.motion, other.outpainter
    save_checkpoint(out, *parts, **other.others)
    seen = [*read_sources(first), *read_sources(second)]
    write_sources(out, [source for i, source in enumerate(seen) if source not in seen[:i]])


def _mix(one: nn.Module, other: nn.Module, share: float) -> None:
    """Give `other` so much of its own weights, and of `one`'s the rest."""
    weights = other.state_dict()
    for name, given in one.state_dict().items():
        if given.is_floating_point():
            weights[name] = torch.lerp(given, weights[name], share)
    other.load_state_dict(weights)
