"""A moving picture of real play: a world dreamed under a script of keys, as an animated WebP."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from worldmodel.errors import UserError
from worldmodel.play.engine import Engine

CAPS = {  # key -> (column, row, label)
    "KeyW": (1, 0, "W"), "KeyA": (0, 1, "A"), "KeyS": (1, 1, "S"), "KeyD": (2, 1, "D"),
    "ArrowLeft": (4, 1, "<"), "ArrowRight": (5, 1, ">"),
}  # fmt: skip
CAP = 18  # pixels to a side of a key's cap


def read_script(script: str) -> list[tuple[str, ...]]:
    """'KeyW:20 KeyW+ArrowLeft:8 none:5' -> the keys held at each frame. Raises UserError."""
    held: list[tuple[str, ...]] = []
    for word in script.split():
        keys, _, count = word.partition(":")
        if not count.isdigit():
            raise UserError(f"in a key script every word is KEYS:FRAMES, found {word!r}")
        codes = () if keys == "none" else tuple(keys.split("+"))
        held += [codes] * int(count)
    if not held:
        raise UserError("the key script is empty; give for example 'KeyW:20 ArrowLeft:10'")
    return held


def film(
    engine: Engine, out: Path, *, scenes: list[str], script: str, seed: int = 0, scale: int = 3
) -> None:
    """Dream each named scene under the script and write one animated WebP with the keys drawn on.

    Raises UserError for an unknown scene or key script.
    """
    known = {scene.name: scene for scene in engine.scenes}
    missing = [name for name in scenes if name not in known]
    if missing:
        raise UserError(f"no scene {missing[0]!r}; this world has {', '.join(known)}")
    held = read_script(script)
    pictures = [
        draw_keys(frame, keys, scale)
        for name in scenes
        for frame, keys in dream(engine, known[name], held, seed)
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    pictures[0].save(
        out, save_all=True, append_images=pictures[1:], loop=0, quality=80, method=4,
        duration=round(1000 / engine.fps),
    )  # fmt: skip
    print(f"{len(pictures)} frames dreamed into {out}, {out.stat().st_size / 1e6:.1f} MB")


def dream(
    engine: Engine, scene: object, held: list[tuple[str, ...]], seed: int
) -> Iterator[tuple[np.ndarray, tuple[str, ...]]]:
    yield engine.reset(scene, seed), ()
    for keys in held:
        yield engine.step(engine.controls.from_keys(keys)), keys


def draw_keys(frame: np.ndarray, keys: tuple[str, ...], scale: int) -> Image.Image:
    """The frame uint8 [h w 3], enlarged, with key caps below that light up while held."""
    h, w = frame.shape[0] * scale, frame.shape[1] * scale
    picture = Image.new("RGB", (w, h + 2 * CAP + 12), (16, 18, 22))
    picture.paste(Image.fromarray(frame).resize((w, h), Image.Resampling.BICUBIC))
    pen = ImageDraw.Draw(picture)
    left = (w - 6 * (CAP + 4)) // 2
    for code, (column, row, label) in CAPS.items():
        x, y = left + column * (CAP + 4), h + 4 + row * (CAP + 4)
        lit = code in keys
        pen.rounded_rectangle((x, y, x + CAP, y + CAP), 4, (232, 163, 61) if lit else (44, 48, 56))
        pen.text(
            (x + CAP / 2, y + CAP / 2), label, (0, 0, 0) if lit else (150, 156, 166), anchor="mm"
        )
    return picture
