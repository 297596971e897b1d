"""New ground: pictures pushed on into what the outpainter dreams."""

import numpy as np
import pytest
import torch
from judged import MeanColours, write_store
from play.playing import save_world
from tiny import outpainter, tokenizer

from worldmodel.errors import UserError
from worldmodel.evaluate import ground, judge
from worldmodel.model.outlook import Outlook


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setattr(judge, "Features", MeanColours)
    monkeypatch.setattr(ground, "FRAMES", 8)
    write_store(tmp_path / "arrays" / "heldout")
    return tmp_path / "arrays"


def judged(folder, data):
    return judge.evaluate(folder, data, only="ground", clips=2, speed="plain")["sections"][0]


def test_each_generation_has_its_figure(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = save_world(tmp_path / "tiny", moving=True, outpainter=True, offscreen=(0, 3))
    figures = judged(folder, data)["figures"]
    assert list(figures)[:2] == ["KID of real frames", "KID of the tokenizer's pictures"]
    assert len(figures) == 2 * (2 + ground.GENERATIONS)
    assert all(figure["clips"] == 8 for figure in figures.values())
    for kind in ("KID", "colours"):
        values = [figure["value"] for name, figure in figures.items() if name.startswith(kind)]
        assert values[0] < values[1] and values[0] < values[-1]  # the tiny tokenizer shows noise


def test_half_of_a_picture_stays_and_half_is_dreamed():
    outlook = Outlook(outpainter().requires_grad_(False), tokenizer().requires_grad_(False), (0, 0))
    pictures = torch.rand(6, 3, 16, 48)
    found = ground.further(outlook, pictures, pictures, torch.Generator().manual_seed(0))
    kept = {  # of the new picture, and where that was in the old one; by side
        0: (np.s_[:, :, :24], np.s_[:, :, 24:]),
        1: (np.s_[:, :, 24:], np.s_[:, :, :24]),
        4: (np.s_[:, :8], np.s_[:, 8:]),
        5: (np.s_[:, 8:], np.s_[:, :8]),
    }
    for i, (new, old) in kept.items():
        assert torch.equal(found[i][new], pictures[i][old])
        assert not torch.equal(found[i][old], pictures[i][new])


def test_what_cannot_be_judged_is_a_sentence(data, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="has no outpainter"):
        judged(save_world(tmp_path / "blind", moving=True), data)
    monkeypatch.setattr(ground, "FRAMES", 8000)
    with pytest.raises(UserError, match="is told from 16000 frames, found"):
        judged(save_world(tmp_path / "tiny", moving=True, outpainter=True, offscreen=(0, 3)), data)
