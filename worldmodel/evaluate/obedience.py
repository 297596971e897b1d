"""The report's sections on control, as far as there are judges for them."""

import sys

from worldmodel.evaluate.control_report import judge_of, load_judges, sections
from worldmodel.evaluate.figures import Section
from worldmodel.evaluate.subject import Subject
from worldmodel.train.judges import IDM, load_idm


def obedience(subject: Subject) -> list[Section]:
    """What `worldmodel control` says of the subject, on as many clips as the rest of the report.

    Nothing, and why on stderr, where no inverse dynamics model has been trained.
    """
    place = judge_of(subject.folder, IDM)
    place = place / IDM if place.is_dir() else place
    if not place.is_file() or load_idm(place)[1] != subject.store.space:
        print(
            f"without control: no inverse dynamics model of these keys in {subject.folder} or "
            f"{place.parent}; make one with worldmodel train idm",
            file=sys.stderr,
        )
        return []
    return sections(
        subject.world, subject.store, load_judges(subject.folder, subject.store),
        clips=subject.budget.clips, forks=subject.budget.forks, setting=subject.setting,
    )  # fmt: skip
