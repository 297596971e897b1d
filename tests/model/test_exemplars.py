"""Exemplars: of recorded pictures that is recalled which is most like a dream."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny import LATENTS, OUTPAINTER, TOKENIZER, outpainter, stirred, tokenizer

from worldmodel.checkpoint import load_outpainter, save_network
from worldmodel.errors import UserError
from worldmodel.model import exemplars as module
from worldmodel.model import outlook as outlook_module
from worldmodel.model.exemplars import of_frames, small_pieces
from worldmodel.model.outlook import Outlook, beside
from worldmodel.model.outpainter import Outpainter
from worldmodel.train.transfer import begin_with

SIZE = TOKENIZER.height, TOKENIZER.width  # 16 x 48: three pieces


@pytest.fixture(scope="module")
def frames():
    """Twenty frames of three plain pieces each, whose colours are their own."""
    colours = np.random.default_rng(0).integers(0, 256, (20, 1, 3, 3))
    return colours.repeat(16, axis=1).repeat(16, axis=2).astype(np.uint8)


@pytest.fixture
def exemplars(frames):
    return of_frames(frames)


def pictures(frames):
    return torch.tensor(frames).movedim(-1, 1) / 255


def small(picture):
    return F.avg_pool2d(picture, 4)


def alone(picture):
    """The three pieces of a picture."""
    return picture.split(16, dim=-1)


def test_a_picture_that_is_among_them_is_recalled(exemplars, frames):
    rows = torch.arange(20)
    for i in (0, 7, 19):
        shown = pictures(frames)[i]
        assert (exemplars.nearest(rows, shown) - shown).abs().mean() < 0.02  # AVIF keeps that much
        assert exemplars.alike(shown)[0] == i


def test_only_those_that_are_named_are_recalled(exemplars, frames):
    rows, shown = torch.tensor([3, 4]), pictures(frames)[7]
    nearest = min(rows.tolist(), key=lambda i: float((pictures(frames)[i] - shown).norm()))
    assert (exemplars.nearest(rows, shown) - pictures(frames)[nearest]).abs().mean() < 0.02


def test_what_is_alike_has_pieces_like_all_of_an_opening(exemplars, frames, monkeypatch):
    """By two roads: one product of matrices, and each pair of pieces by itself."""
    monkeypatch.setattr(module, "LIKE_IT", 6)
    opening = torch.rand(3, *SIZE)
    kept, *_ = exemplars.decoded()

    def apart(picture):
        each = [
            min(float((small(a) - small(b)).norm()) for b in alone(picture)) for a in alone(opening)
        ]
        return sum(each) / len(each)

    expected = sorted(range(20), key=lambda i: apart(kept[i] / 255))[:6]
    assert exemplars.alike(opening).tolist() == expected


def test_pieces_fill_a_picture_of_any_size_that_latents_can_have():
    for height, width, count in ((96, 128, 12), (16, 48, 3), (24, 40, 15)):
        assert small_pieces(torch.rand(2, 3, height, width)).shape[:2] == (2, count)


def test_an_outpainter_is_saved_and_read_with_them(exemplars, tmp_path, capsys):
    painter = outpainter().with_exemplars(exemplars)
    save_network(tmp_path / "outpainter.safetensors", painter)
    loaded = load_outpainter(tmp_path / "outpainter.safetensors")
    rows, shown = torch.arange(20), torch.rand(3, *SIZE)
    recalled = (each.exemplars.nearest(rows, shown) for each in (painter, loaded))
    assert torch.equal(*recalled)
    again = loaded.with_exemplars(of_frames(np.zeros((2, *SIZE, 3), np.uint8)))
    assert again.config == replace(OUTPAINTER, exemplars=again.exemplars.sizes)
    plain = stirred(Outpainter(OUTPAINTER))  # a training goes on from one that has some
    begin_with(plain, tmp_path / "outpainter.safetensors")
    assert torch.equal(plain.patch.weight, painter.patch.weight)


def test_a_damaged_one_is_a_sentence(exemplars):
    exemplars.encoded.zero_()
    with pytest.raises(UserError, match="exemplar of an outpainter is damaged"):
        exemplars.alike(torch.rand(3, *SIZE))


def window():
    """One whose left 30 columns are known."""
    found = torch.rand(1, 4, *SIZE)
    found[:, 3] = (torch.arange(48) < 30).float()
    return found


def test_a_dream_takes_its_texture_from_what_was_recorded(monkeypatch):
    """A dream that is a recorded picture without its texture becomes that picture."""
    texture = np.random.default_rng(1).integers(-20, 20, (5, *SIZE, 1))
    plain = np.random.default_rng(0).integers(60, 190, (5, 1, 3, 3)).repeat(16, 1).repeat(16, 2)
    kept = of_frames((plain + texture).astype(np.uint8))
    outlook = Outlook(outpainter().with_exemplars(kept), tokenizer(), (0, 24))
    dreamed = torch.tensor(plain[3:4]).movedim(-1, 1) / 255
    monkeypatch.setattr(outlook, "_decoded", lambda latents: dreamed)
    found = outlook.paint(window(), torch.randn(1, LATENTS, 4), dreamed)[0, :3, :, 30:]
    recorded = kept.decoded()[0][3, ..., 30:] / 255
    assert (found - recorded).abs().mean() < (dreamed[0, ..., 30:] - recorded).abs().mean() / 2


def test_it_dreams_on_from_what_it_has_recalled_and_keeps_what_is_known(exemplars, monkeypatch):
    outlook = Outlook(outpainter().with_exemplars(exemplars), tokenizer(), (0, 24))
    shown, noise, opening = window(), torch.randn(1, LATENTS, 4), torch.rand(1, 3, *SIZE)
    found = outlook.paint(shown, noise, opening)
    assert torch.equal(found[..., :30][:, :3], shown[..., :30][:, :3]) and found[:, 3].eq(1).all()
    assert torch.equal(found, outlook.paint(shown, noise, opening))
    monkeypatch.setattr(outlook_module, "with_detail", lambda dreamed, *given, **how: dreamed)
    smooth = outlook.paint(shown, noise, opening)
    assert not torch.equal(smooth, found)
    monkeypatch.setattr(exemplars.__class__, "nearest", lambda self, rows, picture: picture)
    assert not torch.equal(smooth, outlook.paint(shown, noise, opening))


def test_players_together_recall_what_each_would_alone(exemplars):
    outlook = Outlook(outpainter().with_exemplars(exemplars), tokenizer(), (0, 24))
    given = torch.cat([window(), window()]), torch.randn(2, LATENTS, 4), torch.rand(2, 3, *SIZE)
    together = outlook.paint(*given)
    for i in range(2):
        own = outlook.paint(*(part[i : i + 1] for part in given))
        torch.testing.assert_close(together[i : i + 1], own, rtol=1e-4, atol=1e-4)


def test_what_is_next_to_what_is_known_is_not_recalled():
    """Two places of eight pixels go on from the picture; behind them another may begin."""
    known = torch.zeros(1, 12, 16)
    known[:, :, :5], known[:, :, 5] = 1, 0.5
    near = beside(known.flatten(1), (12, 16)).unflatten(1, (12, 16))
    assert near[0, :, :7].eq(1).all() and near[0, :, 7].eq(0.5).all() and near[0, :, 8:].eq(0).all()
