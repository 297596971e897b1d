"""An outpainter is given recorded pictures, in which no player stands."""

import numpy as np
import pytest
import torch
from test_pushing import hall
from tiny import outpainter

from worldmodel.checkpoint import OUTPAINTER, load_outpainter, save_network
from worldmodel.data.clips import FrameStore
from worldmodel.data.provenance import read_sources
from worldmodel.errors import UserError
from worldmodel.model.figure import filled
from worldmodel.model.tokenizer import to_float
from worldmodel.train.objectives.pushing import what_stays, whole_ways
from worldmodel.train.recalling import keep_exemplars


@pytest.fixture
def halls(tmp_path):
    hall(tmp_path / "data" / "train")
    save_network(tmp_path / OUTPAINTER, outpainter())
    return tmp_path / "data"


def test_frames_without_their_figure_are_kept_in_its_file(halls, tmp_path, capsys):
    run, store = tmp_path / "run", FrameStore(halls / "train")
    keep_exemplars(halls, tmp_path / OUTPAINTER, run, pictures=5)
    found = load_outpainter(run / OUTPAINTER).exemplars
    rows = np.linspace(0, len(store) - 1, 5, dtype=int)
    frames = to_float(torch.as_tensor(np.stack([store.frames[row] for row in rows])))
    stays = what_stays(store, whole_ways(store))
    assert stays.any()
    kept, figure = to_float(found.decoded()[0].movedim(1, -1)), stays > 0.5
    off = [((kept - x) * figure).abs().mean() for x in (filled(frames, stays), frames)]
    assert off[0] < off[1] / 2
    assert "keeps 5 pictures" in capsys.readouterr().out
    assert read_sources(run)[0]["path"].endswith("train")
    again = keep_exemplars(halls, run / OUTPAINTER, tmp_path / "again", pictures=3)
    assert len(again.exemplars.ends) == 3


@pytest.mark.parametrize("count", [0, 100_000])
def test_a_number_that_cannot_be_had_is_a_sentence(halls, tmp_path, count):
    with pytest.raises(UserError, match="pictures must lie in 1 to"):
        keep_exemplars(halls, tmp_path / OUTPAINTER, tmp_path / "run", pictures=count)
