"""The episodes of a data set, as recorded or as prepared, behind one interface."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from worldmodel.data.actions import read_actions
from worldmodel.data.checks import check_episode
from worldmodel.data.clips import INDEX, FrameStore
from worldmodel.data.decode import decode_frames
from worldmodel.data.doctor.timestamps import read_times
from worldmodel.data.meta import Meta, load_meta
from worldmodel.errors import UserError
from worldmodel.games.base import ControlSpace

MANY = 3000  # episodes: of more, videos' headers are not all read


@dataclass(frozen=True, kw_only=True)
class Part:
    """One episode: `place` is what its collection finds it by."""

    split: str
    name: str
    frames: int
    seed: int
    player: str
    labelled: bool
    place: int

    def __str__(self) -> str:
        return f"{self.split}/{self.name}" if self.split else self.name


class Collection(Protocol):
    """Episodes that are alike; `size` is (height, width). `damaged` are sentences about others."""

    kind: str
    folder: Path
    parts: Sequence[Part]
    damaged: Sequence[str]
    space: ControlSpace
    fps: float
    size: tuple[int, int]
    game: str

    def frames(self, part: Part, start: int, count: int) -> np.ndarray:
        """Return frames start to start + count - 1, uint8 [count h w 3]."""
        ...

    def controls(self, part: Part) -> np.ndarray | None:
        """Return float32 [t k], or None when what was pressed is not known."""
        ...

    def times(self, part: Part) -> np.ndarray | None:
        """Return when each frame was recorded, float64 [t] in milliseconds, or None."""
        ...


class PreparedEpisodes:
    """Arrays or views, one FrameStore a split."""

    kind = "prepared arrays"

    def __init__(self, folder: Path, stores: Sequence[FrameStore]) -> None:
        self.folder, self.damaged = folder, ()
        first = stores[0]
        self.space, self.fps, self.size, self.game = first.space, first.fps, first.size, first.game
        self._rows: list[tuple[FrameStore, int]] = []
        parts = []
        for store in stores:
            if (store.size, store.space) != (first.size, first.space):
                raise UserError(f"{store.folder} and {first.folder} hold different worlds.")
            for span in store.episodes:
                parts.append(
                    Part(
                        split=store.folder.name,
                        name=span.name,
                        frames=span.stop - span.start,
                        seed=span.seed,
                        player=span.player,
                        labelled=span.actions == "known",
                        place=len(self._rows),
                    )
                )
                self._rows.append((store, span.start))
        self.parts = tuple(parts)

    def frames(self, part: Part, start: int, count: int) -> np.ndarray:
        store, first = self._rows[part.place]
        return np.asarray(store.frames[first + start : first + start + count])

    def controls(self, part: Part) -> np.ndarray | None:
        store, first = self._rows[part.place]
        if not part.labelled:
            return None
        return np.asarray(store.controls[first : first + part.frames])

    def times(self, part: Part) -> np.ndarray | None:
        return None


class RecordedEpisodes:
    """Folders with video.mp4, actions.jsonl and meta.json; those unlike most are set aside."""

    kind = "episodes"

    def __init__(self, folder: Path, folders: Sequence[Path]) -> None:
        self.folder = folder
        loaded, damaged = [], []
        check = check_episode if len(folders) <= MANY else load_meta
        for path in folders:
            try:
                loaded.append((path, *check(path)))
            except UserError as error:
                damaged.append(str(error))
        if not loaded:
            raise UserError(f"{folder} holds no episode that can be read; the first: {damaged[0]}")
        usual, _ = Counter(map(_world, (meta for _, meta, _ in loaded))).most_common(1)[0]
        unlike = [path for path, meta, _ in loaded if _world(meta) != usual]
        damaged += [f"{p} differs from most in size, frame rate or controls." for p in unlike]
        kept = [one for one in loaded if _world(one[1]) == usual]
        meta = kept[0][1]
        self.space, self.fps, self.size, self.game = meta.controls, meta.fps, meta.size, meta.game
        self.damaged = tuple(damaged)
        self._folders = [path for path, *_ in kept]
        self.parts = tuple(
            Part(
                split=path.parent.name if path.parent != folder else "",
                name=path.name,
                frames=count,
                seed=meta.seed,
                player=meta.player,
                labelled=meta.actions == "known",
                place=place,
            )
            for place, (path, meta, count) in enumerate(kept)
        )

    def frames(self, part: Part, start: int, count: int) -> np.ndarray:
        path = self._folders[part.place] / "video.mp4"
        return np.concatenate(list(decode_frames(path, self.size, start=start, count=count)))

    def controls(self, part: Part) -> np.ndarray | None:
        if not part.labelled:
            return None
        return read_actions(self._actions(part), part.frames, self.space)[0]

    def times(self, part: Part) -> np.ndarray | None:
        return read_times(self._actions(part))

    def _actions(self, part: Part) -> Path:
        return self._folders[part.place] / "actions.jsonl"


def _world(meta: Meta) -> str:
    return f"{meta.size} {meta.fps} {meta.controls.to_json()}"


def open_collection(folder: str | Path) -> Collection:
    """Open a folder of arrays, of episodes or of splits of either, or a single episode.

    Raises UserError when it holds neither, or nothing in it can be read.
    """
    folder = Path(folder)
    if indexes := sorted([*folder.glob(INDEX), *folder.glob(f"[!.]*/{INDEX}")]):
        return PreparedEpisodes(folder, [FrameStore(path.parent) for path in indexes])
    for pattern in ("meta.json", "[!.]*/meta.json", "[!.]*/[!.]*/meta.json"):
        if found := sorted(path.parent for path in folder.glob(pattern)):
            return RecordedEpisodes(folder, found)
    raise UserError(
        f"{folder} should hold episodes or prepared arrays, but holds none; name a folder that "
        f"worldmodel collect, record, import or prepare filled."
    )
