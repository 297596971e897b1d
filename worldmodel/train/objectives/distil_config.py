"""What objectives of few steps have in common."""

from dataclasses import dataclass

from worldmodel.errors import UserError


@dataclass(frozen=True, kw_only=True)
class DistilConfig:
    """What a stage draws that goes on from a finished world."""

    objective: str = "shortcut"
    clip: int = 16  # frames
    frames: int = 4  # of a clip that are dreamed in an update
    moving: float = 0.5  # share of the clips drawn in proportion to their motion
    looks: int = 2  # at a frame in play: what is distilled for
    warm_start: float = 0.7  # level at which known places begin in play
    warm_share: float = 0.5  # of the frames beyond that level that begin with what was carried
    floor: float = 0.1  # weight of the loss at pure noise; 1 at clean data
    follow: float = 0.98  # of the slow average, kept in an update
    flow_share: float = 0.5  # shortcut: frames that keep to the plain flow
    halvings: int = 3  # shortcut: of a jump of play
    substeps: int = 8  # consistency: of the teacher in a segment; reflow: from noise to data
    guidance: float = 1.5  # consistency, reflow: on actions, baked in
    horizon: int = 4  # self_forcing: frames dreamed one after another
    perceptual: float = 0.0  # self_forcing: weight of the distance of pictures' features

    def __post_init__(self) -> None:
        counts = "clip", "frames", "looks", "halvings", "substeps", "horizon"
        for name in counts:
            if vars(self)[name] < 1:
                raise UserError(f"{name} must be at least 1, found {vars(self)[name]}")
        shares = "moving", "warm_start", "warm_share", "floor", "follow", "flow_share"
        for name in shares:
            if not 0 <= vars(self)[name] <= 1:
                raise UserError(f"{name} must lie in 0 to 1, found {vars(self)[name]}")
        later = self.horizon if self.objective == "self_forcing" else 1
        if self.clip < self.frames + later:
            raise UserError(
                f"a clip of {self.clip} frames has no {self.frames} that {later} can follow; "
                "give a longer --clip or fewer --frames"
            )
