"""What a player can ask for between two frames. Each takes his session and the message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worldmodel.serve import pacing
from worldmodel.serve.play import OWN_PICTURE

if TYPE_CHECKING:
    from worldmodel.serve.session import Session


async def start(session: Session, message: dict[str, Any]) -> None:
    """Enter a scene, of another world if one is named."""
    session.shelf.finish(session.play)
    if message["world"] is not None and message["world"] != session.play.world.name:
        await session.enter(session.services.library.find(message["world"]))
    await session.show(await session.play.start(message["scene"], message["seed"]))


async def reset(session: Session, message: dict[str, Any]) -> None:
    """The same scene with the same seed, from its beginning."""
    session.shelf.finish(session.play)
    await session.show(await session.play.start(None, session.play.engine.seed))


async def pause(session: Session, message: dict[str, Any]) -> None:
    """Stand still, or go on."""
    session.pace = pacing.paused(session.pace, message["on"])


async def step(session: Session, message: dict[str, Any]) -> None:
    """One frame, standing still before and after."""
    if not session.pace.paused:
        session.pace = pacing.paused(session.pace, True)
    session.pace = pacing.single_step(session.pace)


async def rewind(session: Session, message: dict[str, Any]) -> None:
    """Go back a few seconds."""
    session.shelf.finish(session.play)
    shown = await session.play.rewind()
    if shown:
        await session.show(shown)


async def settings(session: Session, message: dict[str, Any]) -> None:
    """Steps per frame and guidance, from the next frame on."""
    session.play.set(message["steps"], message["guidance"])


async def record(session: Session, message: dict[str, Any]) -> None:
    """Start or stop recording."""
    if not message["on"]:
        session.shelf.finish(session.play)
    elif session.play.recorder is None:
        session.shelf.begin(session.play)


async def own_picture(session: Session, message: dict[str, Any]) -> None:
    """Make a scene of a picture (put in `frame` by the upload route) and enter it."""
    await session.play.take_picture(message["frame"])
    await start(session, {"world": None, "scene": OWN_PICTURE, "seed": None})


COMMANDS = {
    "start": start,
    "reset": reset,
    "pause": pause,
    "step": step,
    "rewind": rewind,
    "settings": settings,
    "record": record,
    "own-picture": own_picture,
}
