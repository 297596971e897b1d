"""The card of a world, written from the records of its stages."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from worldmodel.checkpoint import CheckpointConfig
from worldmodel.data.clips import FrameStore
from worldmodel.data.provenance import describe_sources, source_of

HOUR = 3600.0


@dataclass(frozen=True, kw_only=True)
class Made:
    """What is on record of a stage."""

    name: str
    command: str
    seconds: float
    processors: int
    updates: int
    flops: float
    figures: dict[str, float]


def card_text(
    config: CheckpointConfig, arrays: Path, made: list[Made], figures: dict[str, float], clips: int
) -> str:
    """Markdown: data, commands, hours, FLOP, figures, licences."""
    store, heldout = FrameStore(arrays / "train"), FrameStore(arrays / "heldout")
    size = config.tokenizer
    parts = {
        "Data": f"{_described(store)} for training, {_described(heldout)} held out, of "
        f"{config.game} at {size.width}x{size.height} and {config.fps:g} frames a second. "
        f"{_players(store)} {_seeds(store, heldout)}\n\n{describe_sources([source_of(store)])}",
        "Commands": "```bash\n" + "\n".join(m.command for m in made) + "\n```",
        "Compute": _compute(made),
        "Figures": _figures(made, figures, clips),
        "Setting": f"{config.play.steps} looks a frame, sampler {config.play.sampler}, guidance "
        f"{config.play.guidance:g}, warm start at {config.play.warm_start:g}.",
        "What goes wrong": "Not written by the recipe: play it, and say here what you see.",
        "Licences": f"Learned from: {config.licence}. The weights are under the licence of whoever "
        "trained them.",
    }
    text = "\n\n".join(f"## {title}\n{body}" for title, body in parts.items())
    return f"# {config.title}\n\n{text}\n"


def _described(store: FrameStore) -> str:
    return f"{len(store):,} frames in {len(store.episodes)} episodes"


def _players(store: FrameStore) -> str:
    count = Counter()
    for span in store.episodes:
        count[span.player] += span.stop - span.start
    shares = ", ".join(f"{n / len(store):.0%} {who}" for who, n in count.most_common())
    return f"Played by: {shares}."


def _seeds(store: FrameStore, heldout: FrameStore) -> str:
    shared = {e.seed for e in store.episodes} & {e.seed for e in heldout.episodes}
    found = f"{len(shared)} seeds are in both" if shared else "no seed is in both"
    return f"Of the games' seeds, {found}."


def _compute(made: list[Made]) -> str:
    rows = ["| stage | updates | minutes | processors | FLOP |", "|---|---|---|---|---|"]
    for m in made:
        shown = f"{m.flops:.2g}" if m.flops else ""
        rows.append(
            f"| {m.name} | {m.updates or ''} | {m.seconds / 60:.1f} | {m.processors} | {shown} |"
        )
    hours, flops = sum(m.seconds for m in made) / HOUR, sum(m.flops for m in made)
    return (
        "\n".join(rows) + f"\n\n{hours:.2f} hours together by the clock, with whatever else ran "
        f"beside, and about {flops:.2g} FLOP by formula (three forward passes for an update's "
        "frames and one for each look that is not learned from; figures and pictures not counted)."
    )


def _figures(made: list[Made], figures: dict[str, float], clips: int) -> str:
    rows = ["| stage | figures at its end |", "|---|---|"]
    rows += [f"| {m.name} | {_line(m.figures)} |" for m in made if m.figures]
    judged = [f"| {name} | {value:.4g} |" for name, value in figures.items()]
    return (
        "\n".join(rows) + f"\n\nRollouts on {clips} clips of training episodes that the stages "
        "after the world left aside (`worldmodel train judge`): dB over repeating the last real "
        "frame, and sharpness as a share of the truth's, by frame.\n\n"
        "| figure | value |\n|---|---|\n" + "\n".join(judged) + "\n\nHeld-out episodes are judged "
        "by `worldmodel evaluate`."
    )


def _line(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
