"""All that says whether a world obeys: its sections, for `worldmodel control` and the report."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from worldmodel.data.clips import FrameStore
from worldmodel.errors import UserError
from worldmodel.evaluate.control import AHEAD, control_section
from worldmodel.evaluate.counterfactual import counterfactual_section, full_turn_section
from worldmodel.evaluate.dreams import Setting, setting_of
from worldmodel.evaluate.figures import Section
from worldmodel.evaluate.forks import Forks
from worldmodel.evaluate.pasts import draw_futures
from worldmodel.evaluate.response import response_section
from worldmodel.evaluate.seen import require_fitting
from worldmodel.games.base import Game
from worldmodel.games.catalogue import open_game
from worldmodel.model.inverse_dynamics import InverseDynamics
from worldmodel.model.pose import PoseRegressor
from worldmodel.play.world import World, load_world
from worldmodel.train.judges import IDM, load_idm
from worldmodel.train.places import POSE, load_pose

PARTS = ("keys", "response", "counterfactual", "turn")
RUNS = {IDM: Path("runs/idm"), POSE: Path("runs/pose")}


@dataclass(frozen=True, kw_only=True)
class Judges:
    """Who reads keys from pictures and, where there is one, places."""

    keys: InverseDynamics
    places: PoseRegressor | None = None


def control_sections(
    folder: Path | str, data: Path | str, *, idm: Path | None = None, pose: Path | None = None,
    clips: int = 96, forks: int = 24, steps: int | None = None, only: str | None = None,
    speed: str = "auto",
) -> list[Section]:  # fmt: skip
    """Sections on the control of the world in `folder`, on `data/heldout`.

    `idm` and `pose` are files or run folders of the judges: those in the checkpoint's folder, or
    else runs/idm and runs/pose, unless given; without a pose regressor places are not judged. The
    game is played from `forks` places if it is installed and tells the truth again; what needs it
    is left out, and said so, if not (or with 0 forks). `only` names one of PARTS. Raises UserError.
    """
    folder = Path(folder)
    parts = PARTS if only is None else (only,)
    if not set(parts) <= set(PARTS):
        raise UserError(f"there is no part {only!r}; choose one of {', '.join(PARTS)}")
    if clips < 2:
        raise UserError(f"clips must be at least 2, found {clips}; give more")
    if forks < 2 and forks:
        raise UserError(f"forks must be at least 2, or 0 for none, found {forks}; give more")
    world, store = load_world(folder, "cpu", speed), FrameStore(Path(data) / "heldout")
    judges = load_judges(folder, store, idm=idm, pose=pose)
    setting = setting_of(world.config.play, steps)
    return sections(world, store, judges, clips=clips, forks=forks, setting=setting, parts=parts)


def sections(
    world: World, store: FrameStore, judges: Judges, *, clips: int, forks: int, setting: Setting,
    parts: Collection[str] = PARTS,
) -> list[Section]:  # fmt: skip
    """What `control_sections` says, of a world that is loaded."""
    idm, pose, made = judges.keys, judges.places, []
    if "keys" in parts:
        made.append(control_section(world, store, idm, clips=clips, setting=setting))
    past = max(world.config.world.window, idm.config.reach + 1)
    game = true_game(store) if forks and set(parts) != {"keys"} else None
    if game is None:
        if "response" in parts:
            require_fitting(world, store)
            pasts, _ = draw_futures(store, past, AHEAD, min(clips, 24), seed=1)
            made.append(response_section(world, idm, pasts, setting=setting))
        return made
    with game:
        at = Forks(game, store, past=past, ahead=AHEAD, count=forks)
        makers = {
            "response": lambda: response_section(world, idm, at.pasts, at, setting=setting),
            "counterfactual": lambda: counterfactual_section(world, at, pose, setting=setting),
            "turn": lambda: full_turn_section(world, at, pose, setting=setting),
        }
        made += [make() for part, make in makers.items() if part in parts]
    return [section for section in made if section is not None]


def load_judges(
    folder: Path, store: FrameStore, *, idm: Path | None = None, pose: Path | None = None
) -> Judges:
    """The judges that `control_sections` takes; raises UserError when they are of another game."""
    place = pose or judge_of(folder, POSE)
    there = (place / POSE if place.is_dir() else place).is_file()
    places = load_pose(place) if pose or there else None
    if places and places.config.game != store.game:
        if pose:
            raise UserError(
                f"the pose regressor in {place} knows {places.config.game}, the data are of "
                f"{store.game}; train one with worldmodel train pose"
            )
        places = None  # one that happens to lie there
    return Judges(keys=load_idm(idm or judge_of(folder, IDM))[0], places=places)


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
