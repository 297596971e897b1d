"""New ground: what the outpainter dreams beside real frames, and beside what it has dreamed.

Long dreams show it too, but each is minutes of play in which all else goes wrong as well. Here the
picture is pushed on by half its size and completed, again and again: after two pushes nothing in it
is real. Shapes: b frames, g generations, H W pixels, n latents of a frame, c channels.
"""

import numpy as np
import torch
from torch import Tensor

from worldmodel.data.clips import other_moments
from worldmodel.errors import UserError
from worldmodel.evaluate import kid
from worldmodel.evaluate.clips import seeds_at
from worldmodel.evaluate.figures import Figure, Picture, Section, bootstrap
from worldmodel.evaluate.palette import palettes_apart
from worldmodel.evaluate.subject import Subject
from worldmodel.model import offscreen
from worldmodel.model.figure import filled
from worldmodel.model.outlook import Outlook
from worldmodel.model.tokenizer import to_float, to_uint8

GENERATIONS = 4
FRAMES = 96  # from which ground is dreamed, and as many with which it is compared
TOGETHER = 32  # dreamed as one batch
DRAWN = 12  # in the picture
SIDES = ((0, 1), (0, -1), (0, 1), (0, -1), (1, 0), (-1, 0))  # y and x; a frame keeps its own

TEXT = (
    "{frames} frames are pushed on by half their size, a third of them up or down, and what comes "
    "in is dreamed as in play, in {looks} looks; then again, {generations} times. In the first "
    "picture half is real, from the second on nothing is. KID is told from as many other frames, "
    "which real frames and the tokenizer's pictures of them are compared with as well. How far a "
    "level keeps its colours is told from another moment of the same episode (a sliced Wasserstein "
    "distance of colours). A player who always stays at one place is taken out of all of them."
)


@torch.inference_mode()
def ground(subject: Subject) -> Section:
    """The section. Raises UserError for a world without an outpainter, or too few frames."""
    world, store = subject.world, subject.store
    if world.outpainter is None:
        raise UserError(f"{subject.folder} has no outpainter, and dreams no ground off-screen")
    rows = np.linspace(0, len(store) - 1, 2 * FRAMES, dtype=int)
    if len(set(rows)) < 2 * FRAMES:
        raise UserError(f"new ground is told from {2 * FRAMES} frames, found {len(store)}")
    seeds = seeds_at(store, rows[::2])
    begun, others = (real(subject, part) for part in (rows[::2], rows[1::2]))
    progress = subject.progress("new ground", (GENERATIONS + 3) * FRAMES)

    def seen(pictures: Tensor) -> Tensor:
        return subject.features.pooled(to_uint8(pictures)[:, None], progress.advance)

    elsewhen = other_moments(store.episodes, rows[::2], np.random.default_rng(0))
    moments = real(subject, elsewhen)
    compared = seen(others)

    def coloured(pictures: Tensor, like: Tensor) -> Figure:
        found = palettes_apart(pictures, like).numpy()
        return bootstrap(found, unit="grey levels", frames=1, seeds=seeds)

    def judged(pictures: Tensor) -> Figure:
        return kid.kid(kid.clip_pairs(seen(pictures), compared), frames=1, seeds=seeds)

    shown = torch.cat(
        [world.tokenizer.pictures(world.tokenizer.encode(to_uint8(x))) for x in parts(begun)]
    )
    figures = {
        "KID of real frames": judged(begun),
        "KID of the tokenizer's pictures": judged(shown.float().clamp(0, 1)),
        "colours of real frames from their level's": coloured(begun, moments),
        "colours of real frames from another level's": coloured(begun, moments.roll(1, dims=0)),
    }
    outlook = Outlook(world.outpainter, world.tokenizer, (0, 0))
    draw, pictures, rows_drawn = torch.Generator().manual_seed(0), begun, [begun[:DRAWN]]
    for generation in range(1, GENERATIONS + 1):
        pairs = zip(parts(pictures), parts(begun), strict=True)
        pictures = torch.cat([further(outlook, *pair, draw) for pair in pairs])
        times = f"pushed on {generation} times"
        figures[f"KID of new ground, {times}"] = judged(pictures)
        figures[f"colours of new ground from its level's, {times}"] = coloured(pictures, moments)
        rows_drawn.append(pictures[:DRAWN])
    progress.finish()
    sheet = np.concatenate([np.concatenate(list(to_uint8(x).numpy()), 1) for x in rows_drawn])
    return Section(
        title="New ground",
        text=TEXT.format(
            frames=FRAMES, generations=GENERATIONS, looks=world.outpainter.config.looks
        ),
        figures=figures,
        pictures=(Picture(caption="Real frames, and pushed on again and again", pixels=sheet),),
    )


def real(subject: Subject, rows: np.ndarray) -> Tensor:
    """Frames [b 3 H W] of the store, without a player who stays at one place."""
    frames = to_float(torch.as_tensor(np.stack([subject.store.frames[row] for row in rows])))
    motion = subject.world.motion
    if motion is None or motion.contact is None:
        return frames
    return torch.cat([filled(x, motion.contact.stays) for x in parts(frames)])


def parts(pictures: Tensor) -> tuple[Tensor, ...]:
    return pictures.split(TOGETHER)


def further(outlook: Outlook, pictures: Tensor, opening: Tensor, draw: torch.Generator) -> Tensor:
    """Pictures [b 3 H W] pushed on by half their size, and completed in dreams with such an
    opening [b 3 H W]."""
    size, config = tuple(pictures.shape[-2:]), outlook.outpainter.config
    margin = size[0] // 2, size[1] // 2
    wholes = offscreen.around(pictures, offscreen.nothing(pictures, size, margin), margin)
    windows = []
    for i, whole in enumerate(wholes):
        side = SIDES[i % len(SIDES)]
        top, left = (by * (1 + way) for by, way in zip(margin, side, strict=True))
        windows.append(whole[:, top : top + size[0], left : left + size[1]])
    count = config.grid[0] * config.grid[1]
    noise = torch.randn(len(pictures), count, config.latent_channels, generator=draw)
    return outlook.paint(torch.stack(windows), noise, opening)[:, :3]
