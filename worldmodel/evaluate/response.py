"""Response to each key: how much the picture changes, after how many frames, and whether opposite
keys undo each other; in dreams and, where the game is at hand, in the true game.

Shapes: b pasts, t frames, m controls, H W pixels.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from worldmodel.evaluate.control import read_buttons, require_same_buttons
from worldmodel.evaluate.dreams import Setting, dream
from worldmodel.evaluate.figures import Figure, Section, bootstrap
from worldmodel.evaluate.forks import Forks
from worldmodel.evaluate.pasts import Pasts
from worldmodel.model.inverse_dynamics import InverseDynamics
from worldmodel.play.world import World
from worldmodel.train.metrics import psnr

HELD = 8  # frames for which a key is held
STAND = 12  # frames without keys before a pair of opposite ones, in which momentum is spent
SEEN = 2.0  # grey levels: the mean change that counts as one
TEXT = (
    f"After the same past, with the same noise, a key is held for {HELD} frames or none is. How "
    "much the two pictures differ at the end is the key's effect; they differ visibly once it is "
    f"{SEEN:g} grey levels on average. A key without effect in {HELD} frames counts as {HELD + 1}. "
    f"Opposite keys: after {STAND} frames without any, each of a pair for {HELD} frames, one after "
    "the other, and then the picture against the one before; walls and momentum keep the true "
    "game too from coming back."
)
Player = Callable[[Tensor], Tensor]  # keys [b t m] -> frames uint8 [b t H W 3]


def response_section(
    world: World, idm: InverseDynamics, pasts: Pasts, forks: Forks | None = None, *,
    setting: Setting | None = None,
) -> Section:  # fmt: skip
    """What each key does after `pasts`; with `forks`, whose pasts they are, in the game too.

    Raises UserError when the judge reads other buttons than the world obeys.
    """
    require_same_buttons(world, idm)
    players: dict[str, Player] = {"dreams": lambda keys: dream(world, pasts, keys, setting=setting)}
    if forks:
        players["true game"] = lambda keys: forks.follow(keys).frames
    figures: dict[str, Figure] = {}
    for name, play in players.items():
        figures |= responses(world, idm, pasts, play, name)
    for name, play in players.items():
        figures |= undone(world, pasts, play, name)
    return Section(title="Response to each key", text=TEXT, figures=dict(sorted(figures.items())))


def keys_of(world: World, pasts: Pasts, *buttons: str, frames: int) -> Tensor:
    """These buttons held after every past, [b frames m]."""
    control = torch.as_tensor(world.config.controls.vector(buttons))
    return control.expand(len(pasts), frames, -1)


def responses(
    world: World, idm: InverseDynamics, pasts: Pasts, play: Player, name: str
) -> dict[str, Figure]:
    """Effect of each button, frames until it is seen and until the judge reads it."""
    idle = play(keys_of(world, pasts, frames=HELD))
    figures = {}
    for i, button in enumerate(world.config.controls.buttons):
        frames = play(keys_of(world, pasts, button, frames=HELD))
        change = (frames.float() - idle.float()).abs().mean(dim=(2, 3, 4)).numpy()  # [b t]
        read = read_buttons(idm, pasts, frames)[..., i]
        rests = {"frames": HELD, "seeds": pasts.seeds}
        figures |= {
            f"{button}: effect after {HELD} frames, {name}": bootstrap(
                change[:, -1], unit="grey levels", **rests
            ),
            f"{button}: frames until seen, {name}": bootstrap(
                first_true(change >= SEEN), statistic=np.median, unit="frames", **rests
            ),
            f"{button}: frames until the judge reads it, {name}": bootstrap(
                first_true(read), statistic=np.median, unit="frames", **rests
            ),
        }
    return figures


def first_true(seen: np.ndarray) -> np.ndarray:
    """The first frame, counted from 1, in which bool [b t] is true; t + 1 if it never is."""
    return np.where(seen.any(axis=1), seen.argmax(axis=1) + 1, seen.shape[1] + 1)


def undone(world: World, pasts: Pasts, play: Player, name: str) -> dict[str, Figure]:
    """PSNR to where it began after each pair of opposite buttons, held one after the other."""
    figures = {}
    for there, back in world.config.controls.opposites:
        keys = [keys_of(world, pasts, button, frames=HELD) for button in (there, back)]
        still = keys_of(world, pasts, frames=STAND)
        frames = play(torch.cat([still, *keys], dim=1))
        kept = psnr(frames[:, -1], frames[:, STAND - 1]).numpy()
        figures[f"{there} undone by {back}, {name}"] = bootstrap(
            kept, unit="dB", frames=2 * HELD, seeds=pasts.seeds
        )
    return figures
