"""All that says whether a world obeys: its sections, for `worldmodel control` and the report."""

from pathlib import Path

from worldmodel.checkpoint import load_checkpoint
from worldmodel.data.clips import FrameStore
from worldmodel.errors import UserError
from worldmodel.evaluate.control import AHEAD, control_section
from worldmodel.evaluate.counterfactual import counterfactual_section, full_turn_section
from worldmodel.evaluate.dreaming import draw_futures, heldout_of
from worldmodel.evaluate.figures import Section
from worldmodel.evaluate.forks import Forks
from worldmodel.evaluate.response import response_section
from worldmodel.games.base import Game
from worldmodel.games.catalogue import open_game
from worldmodel.train.judges import IDM, POSE, load_idm, load_pose

PARTS = ("keys", "response", "counterfactual", "turn")
RUNS = {IDM: Path("runs/idm"), POSE: Path("runs/pose")}


def control_sections(
    folder: Path | str, data: Path | str, *, idm: Path | None = None, pose: Path | None = None,
    clips: int = 96, forks: int = 24, steps: int | None = None, only: str | None = None,
) -> list[Section]:  # fmt: skip
    """Sections on the control of the world in `folder`, on `data/heldout`.

    `idm` and `pose` are files or run folders of the judges: those in the checkpoint's folder, or
    else runs/idm and runs/pose, unless given; without a pose regressor places are not judged. The
    game is played from `forks` places if it is installed and tells the truth again; what needs it
    is left out, and said so, if not (or with 0 forks). `only` names one of PARTS. Raises UserError.
    """
    folder = Path(folder)
    wanted = PARTS if only is None else (only,)
    if not set(wanted) <= set(PARTS):
        raise UserError(f"there is no part {only!r}; choose one of {', '.join(PARTS)}")
    world, store = load_checkpoint(folder), FrameStore(Path(data) / "heldout")
    judge = load_idm(idm or judge_of(folder, IDM))[0]
    place = pose or judge_of(folder, POSE)
    there = (place / POSE if place.is_dir() else place).is_file()
    regressor = load_pose(place) if pose or there else None
    if regressor and regressor.config.game != store.game and pose is None:
        regressor = None  # one that happens to lie there
    if regressor and regressor.config.game != store.game:
        raise UserError(
            f"the pose regressor in {place} knows {regressor.config.game}, the data are of "
            f"{store.game}; train one with worldmodel train pose"
        )
    sections = []
    if "keys" in wanted:
        sections.append(control_section(world, store, judge, clips=clips, steps=steps))
    past = max(world.config.world.window, judge.config.reach + 1)
    game = true_game(store) if forks and wanted != ("keys",) else None
    if game is None:
        if "response" in wanted:
            pasts, _ = draw_futures(heldout_of(world, store), past, AHEAD, min(clips, 24), seed=1)
            sections.append(response_section(world, judge, pasts, steps=steps))
        return sections
    with game:
        at = Forks(game, store, past=past, ahead=AHEAD, count=forks)
        makers = {
            "response": lambda: response_section(world, judge, at.pasts, at, steps=steps),
            "counterfactual": lambda: counterfactual_section(world, at, regressor, steps=steps),
            "turn": lambda: full_turn_section(world, at, regressor, steps=steps),
        }
        made = [make() for part, make in makers.items() if part in wanted]
    return sections + [section for section in made if section is not None]


def judge_of(folder: Path, name: str) -> Path:
    """A judge's file in a checkpoint's folder, or else the run that would make one."""
    return folder / name if (folder / name).is_file() else RUNS[name]


def true_game(store: FrameStore) -> Game | None:
    """The game that the data were recorded in; None, and why, if it cannot be had."""
    try:
        return open_game(store.game, store.size)
    except UserError as error:
        print(f"without the true game: {error}")
        return None


def print_sections(sections: list[Section]) -> None:
    """Every section's title, text and figures, each with its interval."""
    for section in sections:
        print(f"\n{section.title}\n{section.text}")
        for name, figure in section.figures.items():
            print(f"  {name:64} {figure}")
