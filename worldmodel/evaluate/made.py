"""What was made of held-out clips, and what it is called.

Shapes: b clips, h frames of the horizon, H W pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from worldmodel.evaluate.clips import Clips

OWN, FORCED, TOKENIZER = "own output", "after real frames", "tokenizer alone"
REGRESSION, REPEAT = "regression", "repeating the last frame"
HORIZONS = (1, 2, 4, 8, 16, 32, 64)
EVERY = 4  # frames between two that are dreamed after real ones
NEAR = 16  # frames that KID is taken over
WINDOW = 4  # frames of a short window
SHOWN = 3  # best and worst clips


@dataclass(frozen=True)
class Made:
    """What was made of the same clips: frames uint8 [b h H W 3] by name."""

    clips: Clips
    own: Mapping[str, Tensor]  # the whole horizon
    forced: Mapping[str, Tensor]  # every EVERY-th frame
    tokenizer: Tensor


def whose(who: str) -> str:
    return "own output" if who == OWN else f"{who}'s own output"
