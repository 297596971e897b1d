"""The whole examination."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worldmodel.data.doctor.alignment import examine_alignment
from worldmodel.data.doctor.answers import answers
from worldmodel.data.doctor.brightness import examine_brightness
from worldmodel.data.doctor.collection import Collection, open_collection
from worldmodel.data.doctor.consistency import examine_consistency
from worldmodel.data.doctor.coverage import examine_coverage, examine_menus
from worldmodel.data.doctor.dead_keys import examine_dead_keys
from worldmodel.data.doctor.episodes import examine_episodes
from worldmodel.data.doctor.finding import Finding, Verdict
from worldmodel.data.doctor.keys import examine_keys
from worldmodel.data.doctor.out_of_step import examine_steps
from worldmodel.data.doctor.rates import examine_rates
from worldmodel.data.doctor.sample import Sample, take_sample
from worldmodel.data.doctor.stillness import examine_motion, examine_repeats, examine_stillness


@dataclass(frozen=True, kw_only=True)
class Examination:
    """All findings about a data set, and what they rest on."""

    collection: Collection
    sample: Sample
    findings: tuple[Finding, ...]

    @property
    def wrong(self) -> list[Finding]:
        return [one for one in self.findings if one.verdict == Verdict.WRONG]

    def to_json(self) -> dict[str, Any]:
        """Return what --json prints."""
        return {
            "data": str(self.collection.folder),
            "frames looked at": self.sample.frames,
            "whole": self.sample.whole,
            "wrong": [one.name for one in self.wrong],
            "findings": [one.to_json() for one in self.findings],
        }

    def summary(self) -> str:
        """Return lines for the terminal, one a finding."""
        part = "all" if self.sample.whole else "a sample"
        part += " cut short: time ran out (--seconds)" if self.sample.cut else ""
        lines = [f"{self.collection.folder}: {self.sample.frames:,} frames looked at, {part}"]
        lines += [f"{one.verdict:>11}  {one.name}: {one.sentence}" for one in self.findings]
        count = len(self.wrong)
        said = "1 finding is wrong" if count == 1 else f"{count} findings are wrong"
        lines.append(said if count else "nothing wrong was found")
        return "\n".join(lines)


def examine(data: str | Path, *, frames: int = 20_000, seconds: float = 45.0) -> Examination:
    """Examine a folder of episodes or of prepared arrays, on a sample of about so many frames.

    No more is read after so many seconds. Raises UserError when there is nothing to examine.
    """
    collection = open_collection(data)
    sample = take_sample(collection, frames=frames, seconds=seconds)
    return Examination(
        collection=collection, sample=sample, findings=tuple(findings(collection, sample))
    )


def findings(collection: Collection, sample: Sample) -> list[Finding]:
    """Return every finding about a sample of a collection, in the order of the report."""
    space, fps = collection.space, collection.fps
    parts = {part.place: part for part in collection.parts}
    found = answers(sample, space)
    alignment = examine_alignment(found)
    lag = alignment.figures.get("best lag")
    return [
        examine_episodes(collection, sample),
        examine_rates(sample, fps),
        alignment,
        examine_steps(found, lag, parts),
        examine_dead_keys(found, lag),
        examine_consistency(sample, space, found, lag),
        examine_keys(sample, space, parts),
        examine_repeats(sample),
        examine_stillness(sample, fps),
        examine_menus(sample, fps),
        examine_brightness(sample),
        examine_motion(sample),
        examine_coverage(sample, fps),
    ]
