"""The functions that make a frame, as graphs. Each has the name and signature of the plain one.

Shapes: b players, n latents of a frame, c channels, k heads, e head size, s remembered tokens,
l layers that attend over time, H W pixels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from worldmodel.model.layers import KeysValues, Past
from worldmodel.model.motion import Motion
from worldmodel.model.outpainter import Outpainter
from worldmodel.model.tokenizer import Tokenizer
from worldmodel.model.transformer import WorldTransformer
from worldmodel.play.graph import Graph

Before = tuple[Tensor, Tensor, Tensor]


class WorldGraphs:
    """`predict` and `memorise` of a network."""

    def __init__(self, network: WorldTransformer, precision: str) -> None:
        self.network = network
        # keys and values are copied into the ring, or left for those of the next look
        self._predict = Graph(self._plain_predict, precision, lent=(1, 2))
        self._memorise = Graph(self._plain_memorise, precision)

    def predict(
        self, latents: Tensor, tau: Tensor, jump: Tensor, controls: Tensor, before: Before,
        past: list[Past],
    ) -> tuple[Tensor, KeysValues]:  # fmt: skip
        clean, *kept = self._predict(latents, tau, jump, controls, *before, *_laid_out(past))
        return clean, _layers_first(kept)

    def memorise(
        self, latent: Tensor, tau: Tensor, controls: Tensor, before: Before, past: list[Past]
    ) -> KeysValues:
        return _layers_first(self._memorise(latent, tau, controls, *before, *_laid_out(past)))

    def _plain_predict(self, *given: Tensor) -> tuple[Tensor, ...]:
        now, before, past = given[:4], given[4:7], _read(given[7:])
        clean, kept = WorldTransformer.predict(self.network, *now, before, past)
        return (clean, *(x.movedim(1, 0) for x in kept))  # players first

    def _plain_memorise(self, *given: Tensor) -> tuple[Tensor, ...]:
        now, before, past = given[:3], given[3:6], _read(given[6:])
        kept = WorldTransformer.memorise(self.network, *now, before, past)
        return tuple(x.movedim(1, 0) for x in kept)


class TokenizerGraphs:
    """`pictures` and `latents` of a tokenizer."""

    def __init__(self, tokenizer: Tokenizer, precision: str) -> None:
        self._pictures = Graph(lambda x: (Tokenizer.pictures(tokenizer, x),), precision)
        self._latents = Graph(lambda x: (Tokenizer.latents(tokenizer, x),), precision)

    def pictures(self, latents: Tensor) -> Tensor:
        return self._pictures(latents)[0]

    def latents(self, pictures: Tensor) -> Tensor:
        return self._latents(pictures)[0]


class MotionGraphs:
    """`carried` of a motion network: flow, moved picture and its latents in one; and `picture`."""

    def __init__(self, motion: Motion, tokenizer: Tokenizer, precision: str) -> None:
        self.motion, self.tokenizer = motion, tokenizer
        # the sixth is what lies around the picture, of which the carrier makes a shifted copy
        self._carried = Graph(self._plain_carried, precision, lent=(5,))
        self._picture = Graph(self._plain_picture, precision)

    def carried(self, tokenizer: Tokenizer, *given: Tensor) -> tuple[Tensor, ...]:
        return self._carried(*given)

    def picture(self, tokenizer: Tokenizer, *given: Tensor) -> Tensor:
        return self._picture(*given)[0]

    def _plain_carried(self, *given: Tensor) -> tuple[Tensor, ...]:
        return Motion.carried(self.motion, self.tokenizer, *given)

    def _plain_picture(self, latent: Tensor, *given: Tensor) -> tuple[Tensor, ...]:
        return (self.motion.shown(Tokenizer.pictures(self.tokenizer, latent), *given),)


class OutpainterGraphs:
    """`begun`, `opened`, `forward` and `guided` of an outpainter."""

    def __init__(self, outpainter: Outpainter, tokenizer: Tokenizer, precision: str) -> None:
        self.outpainter = outpainter
        self._begun = Graph(lambda *x: Outpainter.begun(outpainter, tokenizer, *x), precision)
        self._opened = Graph(lambda *x: Outpainter.opened(outpainter, tokenizer, *x), precision)
        self._forward = Graph(lambda *x: (Outpainter.forward(outpainter, *x),), precision)
        self._guided = Graph(lambda *x: (Outpainter.guided(outpainter, *x),), precision)

    def begun(self, tokenizer: Tokenizer, *given: Tensor) -> tuple[Tensor, ...]:
        return self._begun(*given)

    def opened(self, tokenizer: Tokenizer, pictures: Tensor) -> tuple[Tensor, ...]:
        return self._opened(pictures) if self.outpainter.config.opening else ()

    def forward(self, *given: Tensor) -> Tensor:
        return self._forward(*given)[0]

    def guided(self, *given: Tensor) -> Tensor:
        return self._guided(*given)[0]


def _laid_out(past: list[Past]) -> list[Tensor]:
    """Keys and values [b k s e] of each layer, and what they share: the mask [b 1 1 s + n], as it
    is added, and the turn of the own frame [b 2 n e/2]."""
    hidden = torch.where(past[0].mask, 0.0, -torch.inf)
    return [x for layer in past for x in (layer.keys, layer.values)] + [hidden, past[0].turn]


def _layers_first(kept: Sequence[Tensor]) -> KeysValues:
    """Keys and values [b l k n e] of a graph, whose players come first, as [l b k n e]."""
    keys, values = (x.movedim(0, 1) for x in kept)
    return keys, values


def _read(given: tuple[Tensor, ...]) -> list[Past]:
    *layers, hidden, turn = given
    return [Past(k, v, hidden, turn) for k, v in zip(layers[::2], layers[1::2], strict=True)]
