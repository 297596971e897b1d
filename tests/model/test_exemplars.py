"""Exemplars: new ground is recalled from where a recorded picture fits what is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import LATENTS, OUTPAINTER, TOKENIZER, outpainter, stirred, tokenizer

from worldmodel.checkpoint import load_outpainter, save_network
from worldmodel.errors import UserError
from worldmodel.model import exemplars as module
from worldmodel.model import outlook as outlook_module
from worldmodel.model.exemplars import evenly, of_pictures, pieces_of
from worldmodel.model.outlook import Outlook
from worldmodel.model.outpainter import Outpainter
from worldmodel.train.transfer import begin_with

SIZE = TOKENIZER.height, TOKENIZER.width  # 16 x 48


def level(seed, height=40, width=120):
    """A picture uint8 [H' W' 4] of blots that are found nowhere else, in colours of its own."""
    draw = np.random.default_rng(seed)
    blots = draw.integers(0, 90, (height // 8, width // 8, 3)).repeat(8, axis=0).repeat(8, axis=1)
    colour = draw.integers(0, 160, 3)
    return np.dstack([blots + colour, np.full((height, width), 255)]).astype(np.uint8)


@pytest.fixture(scope="module")
def levels():
    return [level(seed) for seed in range(20)]


@pytest.fixture
def exemplars(levels):
    return of_pictures(levels)


def part(picture, y, x):
    """The window [3 16 48] of a level that begins there."""
    found = picture[y : y + SIZE[0], x : x + SIZE[1], :3]
    return torch.tensor(found).movedim(-1, 0) / 255


def left(columns=24):
    """Only so many columns are known."""
    return (torch.arange(SIZE[1]) < columns).float().expand(1, *SIZE)


@pytest.mark.parametrize("at", [(0, 0), (8, 40), (5, 33), (24, 72), (13, 51)])
def test_what_is_known_goes_on_as_it_was_recorded_to_the_pixel(exemplars, levels, at):
    whole, known = part(levels[7], *at), left()
    found, off = exemplars.recalled(whole * known, known, part(levels[7], 10, 20))
    assert (found - whole).abs().mean() < 0.02 and off < 0.01  # AVIF keeps that much


def test_a_level_like_the_opening_is_preferred_where_several_fit(exemplars, levels, monkeypatch):
    """Of two levels, one like the other but for its colours, that of the opening's is recalled."""
    warm, cold = level(3), level(3)
    warm[..., 0], cold[..., 2] = 255, 255
    kept, known = of_pictures([warm, cold]), left()
    grey = torch.full((3, *SIZE), 0.5)
    for own in (warm, cold):
        found, _ = kept.recalled(grey * known, known, part(own, 4, 30))
        there = torch.tensor(own[..., :3]).movedim(-1, 0).unfold(1, 16, 1).unfold(2, 48, 1) / 255
        assert (there - found[:, None, None]).abs().mean(dim=(0, 3, 4)).min() < 0.02


def test_what_nobody_has_seen_counts_less_than_what_was_recorded():
    """Two places fit alike; what lies beside one of them is only guessed."""
    picture = np.full((32, 200, 4), 255, np.uint8)
    picture[:, :, :3] = 128
    picture[:, 88:112, 0] = 255  # between them
    picture[:, 30:88, 1] = 90
    picture[:, 142:200, 1] = 60
    picture[:, 142:200, 3] = 0
    kept, known = of_pictures([picture]), left()
    grey = torch.full((3, *SIZE), 128 / 255)
    found, _ = kept.recalled(grey * known, known, grey)
    assert found[1].mean() > 0.3  # not the guessed one, which is darker
    assert (found[1, :, -1] * 255 - 60).abs().mean() > 10


def test_what_is_alike_has_pieces_like_all_of_an_opening(exemplars, levels, monkeypatch):
    """By two roads: distances of many at once, and each pair of pieces by itself."""
    monkeypatch.setattr(module, "LIKE_IT", 6)
    opening = torch.rand(3, *SIZE)

    def apart(picture):
        others = evenly(pieces_of(torch.tensor(picture[..., :3]).movedim(-1, 0) / 255))
        each = [min(float((a - b).norm()) for b in others) for a in pieces_of(opening)]
        return sum(each) / len(each)

    all_apart = [apart(picture) for picture in levels]
    expected = sorted(range(20), key=all_apart.__getitem__)[:6]
    found = exemplars.alike(opening)
    assert all(map(torch.equal, found.pictures, map(exemplars.picture, expected)))
    gaps = [all_apart[row] - all_apart[expected[0]] for row in expected]
    torch.testing.assert_close(found.apart, torch.tensor(gaps), rtol=0, atol=2e-3)


def test_sums_over_windows_are_the_same_by_frequencies_and_one_by_one():
    """Pictures of other sizes: one that is too small for a window has none."""
    pictures = [torch.tensor(level(s, 32 + 8 * s, 96)).movedim(-1, 0) for s in range(3)]
    coarse, sizes = module.coarse_of(pictures)
    alike = module.Alike(pictures, torch.zeros(3), coarse, torch.fft.rfft2(coarse), sizes)
    kernel = torch.randn(5, 5, 6)
    found = module.sums_at(alike, kernel)
    for sums, picture, (height, width) in zip(found, coarse, sizes.tolist(), strict=True):
        places = [(y, x) for y in range(height - 4) for x in range(width - 5)]
        for y, x in places:
            by_one = float((picture[:, y : y + 5, x : x + 6] * kernel).sum())
            assert float(sums[y, x]) == pytest.approx(by_one, abs=1e-4)
        assert (sums == module.NOWHERE).sum() == sums.numel() - len(places)


def test_what_is_like_an_opening_is_told_once_a_dream(exemplars, monkeypatch):
    openings = [torch.rand(3, *SIZE) for _ in range(3)]
    found = [exemplars.alike(each) for each in openings]
    for each, own in zip(openings, found, strict=True):
        assert exemplars.alike(each.clone()) is own
    monkeypatch.setattr(module, "DREAMS", 3)
    exemplars.alike(torch.rand(3, *SIZE))
    assert exemplars.alike(openings[2]) is found[2]
    assert exemplars.alike(openings[0]) is not found[0]  # the oldest was forgotten


def test_an_outpainter_is_saved_and_read_with_them(exemplars, tmp_path, capsys):
    painter = outpainter().with_exemplars(exemplars)
    save_network(tmp_path / "outpainter.safetensors", painter)
    loaded = load_outpainter(tmp_path / "outpainter.safetensors")
    given = torch.rand(3, *SIZE), left(), torch.rand(3, *SIZE)
    recalled = (each.exemplars.recalled(*given)[0] for each in (painter, loaded))
    assert torch.equal(*recalled)
    again = loaded.with_exemplars(of_pictures([np.zeros((40, 60, 4), np.uint8)] * 2))
    assert again.config == replace(OUTPAINTER, exemplars=again.exemplars.sizes)
    plain = stirred(Outpainter(OUTPAINTER))  # a training goes on from one that has some
    begin_with(plain, tmp_path / "outpainter.safetensors")
    assert torch.equal(plain.patch.weight, painter.patch.weight)


@pytest.mark.parametrize("kept", [0, 400])  # bytes of each that are left
def test_a_damaged_one_is_a_sentence(levels, kept):
    exemplars = of_pictures(levels)
    for begin, end in zip([0, *exemplars.ends[:-1]], exemplars.ends, strict=True):
        exemplars.encoded[begin + kept : end] = 0
    meets = [lambda: exemplars.alike(torch.rand(3, *SIZE))]
    for meet in meets + ([exemplars.check] if kept == 0 else []):
        with pytest.raises(UserError, match="exemplar of an outpainter is damaged"):
            meet()


def window():
    """One whose left 30 columns are known."""
    found = torch.rand(1, 4, *SIZE)
    found[:, 3] = (torch.arange(48) < 30).float()
    return found


def test_new_ground_is_recalled_and_what_is_known_kept(exemplars, levels):
    outlook = Outlook(outpainter().with_exemplars(exemplars), tokenizer(), (0, 24))
    shown = window()
    shown[0, :3] = part(levels[5], 9, 21)
    given = torch.randn(1, LATENTS, 4), part(levels[5], 3, 60)[None]
    found = outlook.paint(shown, *given)
    assert torch.equal(found[..., :30][:, :3], shown[..., :30][:, :3]) and found[:, 3].eq(1).all()
    assert (found[0, :3] - shown[0, :3]).abs().mean() < 0.02


def test_what_fits_nowhere_is_dreamed(exemplars, monkeypatch):
    """As it would be without exemplars."""
    painter, kept = outpainter(), tokenizer()
    plain = Outlook(painter, kept, (0, 24))
    outlook = Outlook(painter.with_exemplars(exemplars), kept, (0, 24))
    given = window(), torch.randn(1, LATENTS, 4), torch.rand(1, 3, *SIZE)
    monkeypatch.setattr(outlook_module, "FITS", 0.0)
    assert torch.equal(outlook.paint(*given), plain.paint(*given))


def test_players_together_recall_what_each_would_alone(exemplars, levels, monkeypatch):
    """One recalls, the other dreams."""
    monkeypatch.setattr(outlook_module, "FITS", 0.02)
    outlook = Outlook(outpainter().with_exemplars(exemplars), tokenizer(), (0, 24))
    given = torch.cat([window(), window()]), torch.randn(2, LATENTS, 4), torch.rand(2, 3, *SIZE)
    given[0][1, :3] = part(levels[5], 9, 21)
    given[2][1] = part(levels[5], 3, 60)
    together = outlook.paint(*given)
    assert (together[1, :3] - given[0][1, :3]).abs().mean() < 0.02
    for i in range(2):
        own = outlook.paint(*(x[i : i + 1] for x in given))
        torch.testing.assert_close(together[i : i + 1], own, rtol=1e-4, atol=1e-4)
