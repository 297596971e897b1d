"""An outpainter is given pictures of recorded levels, in which no player stands."""

import numpy as np
import pytest
from test_pushing import FIGURE, SIZE, hall
from tiny import outpainter

from worldmodel.checkpoint import OUTPAINTER, load_outpainter, save_network
from worldmodel.data.clips import FrameStore
from worldmodel.data.provenance import read_sources
from worldmodel.errors import UserError
from worldmodel.train.recalling import evenly, keep_exemplars


@pytest.fixture
def halls(tmp_path):
    hall(tmp_path / "data" / "train")
    save_network(tmp_path / OUTPAINTER, outpainter())
    return tmp_path / "data"


def test_a_level_without_its_player_is_kept_in_its_file(halls, tmp_path, capsys):
    run, store = tmp_path / "run", FrameStore(halls / "train")
    keep_exemplars(halls, tmp_path / OUTPAINTER, run)
    found = load_outpainter(run / OUTPAINTER).exemplars
    assert len(found.ends) == 1
    picture = found.picture(0)
    rows, columns = (np.flatnonzero((picture[3] > 127).any(dim=axis)) for axis in (1, 0))
    colours = picture[:3, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].movedim(0, -1)
    # he ran for 58 pixels, and what he hid at first was seen when he had passed
    assert colours.shape[0] == SIZE[0] and abs(colours.shape[1] - SIZE[1] - 58) <= 8
    behind = np.abs(colours[FIGURE].numpy().astype(int) - store.frames[15, :, :][FIGURE[0], :8])
    first = np.abs(colours[FIGURE].numpy().astype(int) - store.frames[0][FIGURE])
    assert behind.mean() < 60 < first.mean() or behind.mean() < first.mean() / 2
    assert "keeps 1 pictures" in capsys.readouterr().out
    assert read_sources(run)[0]["path"].endswith("train")
    again = keep_exemplars(halls, run / OUTPAINTER, tmp_path / "again", pictures=3)
    assert len(again.exemplars.ends) == 1


def test_no_pictures_is_a_sentence(halls, tmp_path):
    with pytest.raises(UserError, match="pictures must be at least 1, found 0"):
        keep_exemplars(halls, tmp_path / OUTPAINTER, tmp_path / "run", pictures=0)


def test_of_many_so_many_are_drawn_evenly():
    assert evenly(list(range(9)), 3) == [0, 4, 8] and evenly([1, 2], 5) == [1, 2]
