"""When the next frame is due: a decision about times, without a clock."""


class Pace:
    """Frame k is due at start + k / fps; slots that passed unused are skipped, never made up."""

    def __init__(self, fps: float, start: float) -> None:
        self.fps, self.start, self._slot = fps, start, 0

    @property
    def due(self) -> float:
        """When the next frame is to be taken, in seconds of the caller's clock."""
        return self.start + self._slot / self.fps

    def take(self, now: float) -> int:
        """Use the slot of `now`; returns how many were missed before it."""
        current = max(self._slot, int((now - self.start) * self.fps + 1e-6))
        missed, self._slot = current - self._slot, current + 1
        return missed
