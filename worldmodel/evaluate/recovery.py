"""Re-anchoring: how a dream goes on that has drifted and is then shown real frames.

Shapes: b runs, t frames, H W pixels.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from worldmodel.evaluate.dreams import Dreamer
from worldmodel.evaluate.figures import Curve, Figure, bootstrap, ratio_of_means
from worldmodel.evaluate.journeys import Runs, encoded
from worldmodel.evaluate.lines import mean_line
from worldmodel.evaluate.ssim import gradient_energy, psnr
from worldmodel.evaluate.subject import Subject

ANCHORS = (0, 1, 2, 4)  # real frames that are shown
HORIZON = 16  # frames dreamed after them


@dataclass
class Recovery:
    """Called with the dreamer who has drifted for `ahead` frames; leaves him as he was."""

    subject: Subject
    runs: Runs
    ahead: int
    dreamed: dict[str, Tensor] = field(default_factory=dict)  # uint8 [b t H W 3]

    def __call__(self, dreamer: Dreamer, runs: Runs) -> None:
        """Let copies of the dreamer of some `runs` go on; all runs come in order."""
        for count in ANCHORS:
            name = "1 real frame" if count == 1 else f"{count} real frames"
            self._add(name if count else "not", self._go_on(dreamer.fork(), runs, count))
        fresh = Dreamer(self.subject.world, self.subject.setting, dreamer.seeds)
        self._add("begun afresh", self._go_on(fresh, runs, runs.context))

    def _add(self, name: str, frames: Tensor) -> None:
        before = self.dreamed.get(name, frames[:0])
        self.dreamed[name] = torch.cat([before, frames])

    def _go_on(self, dreamer: Dreamer, runs: Runs, anchors: int) -> Tensor:
        """Show the last `anchors` recorded frames, then dream under the keys recorded next."""
        at = runs.context + self.ahead
        if anchors:
            dreamer.see(*encoded(self.subject, runs.rows[:, at - anchors : at]))
        rows = runs.rows[:, at : at + HORIZON]
        keys = torch.as_tensor(self.subject.store.controls[rows]).float()
        return torch.stack([dreamer.dream(keys[:, t]) for t in range(HORIZON)], dim=1)

    @property
    def truth(self) -> Tensor:
        return self.runs.real(self.subject.store, slice(self.ahead, self.ahead + HORIZON))

    def figures(self) -> dict[str, Figure]:
        truth, figures = self.truth, {}
        real = gradient_energy(truth).numpy()
        rests = {"frames": HORIZON, "seeds": self.runs.seeds}
        for name, frames in self.dreamed.items():
            after = f"re-anchored: {name}, {HORIZON} frames after"
            values = psnr(frames, truth).numpy()
            figures[f"{after}, PSNR"] = bootstrap(values, unit="dB", **rests)
            figures[f"{after}, gradient energy over the real one"] = bootstrap(
                gradient_energy(frames).numpy(), real, statistic=ratio_of_means, **rests
            )
        return figures

    def curves(self) -> tuple[Curve, ...]:
        truth, at = self.truth, np.arange(HORIZON) + 1
        lines = [mean_line(n, at, psnr(x, truth).numpy()) for n, x in self.dreamed.items()]
        title = f"Re-anchored after {self.ahead} frames"
        return (
            Curve(title=title, x_label="frames after", y_label="PSNR, dB", lines=tuple(lines)),
        ) if lines else ()  # fmt: skip
