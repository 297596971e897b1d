"""How frames are made: what a player may change between two of them."""

from dataclasses import dataclass

from worldmodel.diffusion.samplers import sampler_named
from worldmodel.errors import UserError

STEPS = (1, 16)
GUIDANCE = (1.0, 4.0)
CONTEXT_NOISE = (0.0, 0.3)  # above 0.1 the past washes out
WARM_START = (0.0, 0.9)
REST = (0.0, 4.0)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Steps a frame, guidance scale, noise mixed into the remembered past, sampler by name, and
    the noise level at which begins what has been moved along (0: all begins as noise). When no key
    is held and nothing moves by `rest` pixels, the picture stays (0: it is dreamed anew). Without a
    `finishing_look` a frame is remembered as its last look saw it, which saves a pass.

    Raises UserError when a value is out of range or the sampler is unknown.
    """

    steps: int = 2
    guidance: float = 1.0
    context_noise: float = 0.0
    sampler: str = "euler"
    warm_start: float = 0.0
    rest: float = 0.0
    finishing_look: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.steps, int) or isinstance(self.steps, bool):
            raise UserError(f"steps must be a whole number, found {self.steps!r}; choose 1 to 16")
        for name, (least, most) in (
            ("steps", STEPS),
            ("guidance", GUIDANCE),
            ("context_noise", CONTEXT_NOISE),
            ("warm_start", WARM_START),
            ("rest", REST),
        ):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not least <= value <= most:
                raise UserError(f"{name} must lie in {least} to {most}, found {value!r}; change it")
        if not isinstance(self.finishing_look, bool):
            raise UserError(
                f"finishing_look must be true or false, found {self.finishing_look!r}; change it"
            )
        sampler_named(self.sampler)
