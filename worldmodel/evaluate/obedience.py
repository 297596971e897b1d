"""The report's sections on control, as far as there are judges for them."""

import sys

from worldmodel.evaluate.control_report import RUNS, judge_of, load_judges, sections
from worldmodel.evaluate.figures import Section
from worldmodel.evaluate.subject import Subject
from worldmodel.model.inverse_dynamics import InverseDynamics
from worldmodel.train.judges import IDM, load_idm


def obedience(subject: Subject) -> list[Section]:
    """What `worldmodel control` says of the subject, on as many clips as the rest of the report.

    Nothing where there is no judge of its keys.
    """
    if reader_of(subject) is None:
        return []
    return sections(
        subject.world, subject.store, load_judges(subject.folder, subject.store),
        clips=subject.budget.clips, forks=subject.budget.forks, setting=subject.setting,
    )  # fmt: skip


def reader_of(subject: Subject) -> InverseDynamics | None:
    """The judge that reads these keys; None, and why on stderr, where none has been trained."""
    place = judge_of(subject.folder, IDM)
    place = place / IDM if place.is_dir() else place
    found, space = load_idm(place) if place.is_file() else (None, None)
    if found is not None and space == subject.store.space:
        return found
    print(
        f"without control: no inverse dynamics model of these keys in {subject.folder} or "
        f"{RUNS[IDM]}; make one with worldmodel train idm",
        file=sys.stderr,
    )
    return None
