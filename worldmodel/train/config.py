"""How a run trains: everything the loop needs that is not the objective."""

from dataclasses import dataclass

from worldmodel.errors import UserError


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One stage of training. Steps are optimiser updates; the rate warms up, holds and decays."""

    steps: int
    batch: int  # frames (tokenizer), pairs (motion) or clips (world) in an update
    accumulate: int = 1  # equal parts in which an update's batch is computed, shared by ranks
    learning_rate: float = 8e-4
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.0
    muon: bool = False  # for the matrices of transformer blocks
    muon_scale: float = 4.0  # Muon's learning rate in units of `learning_rate`
    warmup: int = 200
    decay: float = 0.3  # fraction of the steps, at the end, over which the rate falls to zero
    clip_norm: float = 1.0
    ema: float = 0.999
    seed: int = 0
    bf16: bool = True
    compile: bool = False
    recompute: bool = False  # blocks' activations are computed again for the gradient
    shard: bool = False  # weights and moments are split over ranks
    device: str = "auto"  # the rank's own GPU, or the processor where there is none
    threads: int = 0  # 0: as many as PyTorch chooses
    log_every: int = 25
    validate_every: int = 500
    picture_every: int = 1000
    save_every: int = 250

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise UserError(f"steps and batch must be at least 1, found {self.steps}, {self.batch}")
        if self.accumulate < 1 or self.batch % self.accumulate:
            raise UserError(
                f"accumulate must divide the batch of {self.batch} into equal parts, found "
                f"{self.accumulate}; change one of them"
            )
        every = "log_every", "validate_every", "picture_every", "save_every"
        wrong = {name: vars(self)[name] for name in every if vars(self)[name] < 1}
        for name, value in wrong.items():
            raise UserError(f"{name} must be at least 1, found {value}; give a number of updates")

    def parts(self) -> "PartConfig":
        """This run as an objective sees it: a step of its is a part of an update."""
        steps, batch = self.steps * self.accumulate, self.batch // self.accumulate
        own = {**vars(self), "steps": steps, "batch": batch, "accumulate": 1}
        return PartConfig(**own, together=self.accumulate)

    def first_part(self, step: int) -> int:
        """The step whose place in a schedule holds for `step`: the first of the same update."""
        return step

    def update_of(self, step: int) -> int:
        """The update that a step is, or is a part of."""
        return step


@dataclass(frozen=True, kw_only=True)
class PartConfig(TrainConfig):
    """A run whose steps are parts of updates, `together` of which make one.

    What an objective asks of the network must be the same in all parts of an update, as ranks that
    share the weights fetch them together: schedules look at `first_part(step)`.
    """

    together: int = 1

    def first_part(self, step: int) -> int:
        """See TrainConfig."""
        return step - step % self.together

    def update_of(self, step: int) -> int:
        """See TrainConfig."""
        return step // self.together


def rate_at(step: int, config: TrainConfig) -> float:
    """Learning rate of update `step` (from 0): linear warm-up, constant, linear decay to zero."""
    warm = min(1.0, (step + 1) / max(1, config.warmup))
    left = (config.steps - step) / max(1.0, config.decay * config.steps)
    return config.learning_rate * min(warm, 1.0, left)
