"""What is judged, and with how much: the one argument of every section of a report."""

from dataclasses import dataclass
from pathlib import Path

from worldmodel.data.clips import FrameStore
from worldmodel.data.progress import Progress
from worldmodel.errors import UserError
from worldmodel.evaluate.clips import Clips
from worldmodel.evaluate.dreams import Setting
from worldmodel.evaluate.features import Features
from worldmodel.evaluate.given import Given
from worldmodel.play.world import World


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much is judged; the defaults take under ten minutes on two cores with OpenVINO."""

    clips: int = 28
    horizon: int = 64  # frames dreamed after each clip's context
    gap_clips: int = 24  # of which the many-step world dreams 16 frames
    forks: int = 8  # places from which the true game is played as well
    drift_starts: int = 4  # places where long dreams begin
    drift_frames: int = 2000  # of the longest

    def __post_init__(self) -> None:
        least = {"clips": 2, "horizon": 4, "gap_clips": 2, "drift_starts": 2, "drift_frames": 1}
        for name, value in least.items():
            if vars(self)[name] < value:
                raise UserError(f"{name} must be at least {value}, found {vars(self)[name]}")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A world, its setting, held-out data, and what they are looked at with."""

    folder: Path
    data: Path  # with the split heldout in it
    world: World
    setting: Setting
    store: FrameStore
    clips: Clips
    budget: Budget
    features: Features
    given: Given
    regression: World | None = None

    def progress(self, title: str, frames: int) -> Progress:
        return Progress(title, frames, "frames")
