"""One call that imports, or shows what it would import."""

from pathlib import Path

from worldmodel.data.importers.mapping import Mapping
from worldmodel.data.importers.preview import preview as show
from worldmodel.data.importers.run import make_plan, run
from worldmodel.data.importers.settings import Settings
from worldmodel.data.importers.space import controls_in


def import_gameplay(
    source: str | Path,
    out: str | Path,
    *,
    preview: bool = False,
    format: str = "auto",
    size: tuple[int, int] = (96, 128),
    fps: float | None = None,
    fit: str = "crop",
    mapping: Path | None = None,
    controls: Path | None = None,
    shift: int = 0,
    offset: float = 0.0,
    gap: float | None = None,
    heldout: float = 0.1,
    shortest: int = 16,
    longest: int = 3000,
    game: str | None = None,
    licence: str | None = None,
    keep_menus: bool = False,
    skip_damaged: bool = False,
) -> None:
    """Turn recordings that others made into a collection for `prepare`, out/{train,heldout}/.

    `out` appears when everything has been written, and not at all when something is damaged; a
    call that was stopped goes on where it was. With `preview` nothing is written but a picture
    beside `out`. What the other arguments mean: `Settings`. Raises UserError.
    """
    settings = Settings(
        size=size, fps=fps, fit=fit, shift=shift, offset=offset, gap=gap, heldout=heldout,
        shortest=shortest, longest=longest, game=game, licence=licence, keep_menus=keep_menus,
        skip_damaged=skip_damaged,
        mapping=Mapping() if mapping is None else Mapping.read(mapping),
        controls=None if controls is None else controls_in(controls),
    )  # fmt: skip
    plan = make_plan(Path(source), format, settings)
    if preview:
        show(plan, Path(out))
    else:
        run(plan, Path(out))
