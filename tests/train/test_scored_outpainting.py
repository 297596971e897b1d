"""The outpainter's looks of play, scored in pairs of dreams."""

from dataclasses import replace

import numpy as np
import pytest
import test_outpainting
import torch
from test_outpainting import SIZE, objective
from tiny import outpainter, quick

from worldmodel.errors import UserError
from worldmodel.train.loop import train
from worldmodel.train.objectives import outpainting
from worldmodel.train.objectives.outpainting import drawn_view
from worldmodel.train.objectives.scored_outpainting import (
    ScoredConfig,
    ScoredOutpainting,
    hidden_first,
    seen_score,
)


def scored(own=0.5, perceptual=0.0, **changes):
    how = ScoredConfig(scored=True, own=own, perceptual=perceptual)
    return ScoredOutpainting(objective(**changes), quick(**changes).parts(), how)


def test_a_batch_is_a_function_of_seed_and_step():
    frames, views, first, openings = scored().batch(3)
    again, other = scored().batch(3), scored().batch(4)
    assert (frames == again[0]).all() and (views, first) == again[1:3]
    assert torch.equal(openings, again[3]) and not torch.equal(openings, other[3])
    assert (frames != other[0]).any() and views != other[1]
    assert len(first) == len(views) // 2


def test_what_is_hidden_later_is_shown_while_the_rest_is_dreamed(monkeypatch):
    monkeypatch.setattr(outpainting, "AGAIN", 0)
    random, frame = np.random.default_rng(0), np.zeros((*SIZE, 3), np.uint8)
    for _ in range(100):
        view = drawn_view(frame, random)
        first = hidden_first(view, frame, random).known(frame)
        assert (first | view.known(frame)).all() and not first.all()


def test_only_what_is_hidden_is_dreamed():
    plain, network = scored().plain, outpainter()
    _, pictures, known, openings = plain.batch(0)
    found, again = (
        plain.completed(network, pictures, known, openings, torch.Generator().manual_seed(seed))
        for seed in (0, 1)
    )
    torch.testing.assert_close(found * known, pictures * known)
    assert not torch.equal(found * (1 - known), again * (1 - known))


def test_every_look_of_play_is_learned_from():
    chosen, network = scored(), outpainter()
    loss, values = chosen.loss(network, chosen.batch(0), 0)
    looks = [values[f"look_{i + 1}"] for i in range(network.config.looks)]
    torch.testing.assert_close(loss.detach(), sum(looks))
    loss.backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_what_is_seen_counts_at_the_last_look_and_only_where_it_is_hidden():
    chosen, network = scored(perceptual=2.0), outpainter()
    loss, values = chosen.loss(network, chosen.batch(0), 0)
    looks = [values[f"look_{i + 1}"] for i in range(network.config.looks)]
    torch.testing.assert_close(loss.detach(), sum(looks) + 2 * values["perceptual"])
    assert float(values["perceptual"]) > 0

    plain, clean = chosen.plain, chosen.plain.batch(0)[0]
    dreams = torch.randn(2 * len(clean), *clean.shape[1:]).requires_grad_()
    hidden = torch.ones_like(clean[..., 0])
    seen = seen_score(chosen.features, plain.tokenizer, dreams, clean, hidden)
    seen.backward()
    assert dreams.grad.any()
    same = torch.cat([clean, clean])
    assert float(seen_score(chosen.features, plain.tokenizer, same, clean, hidden)) < 0.02
    nothing = seen_score(chosen.features, plain.tokenizer, dreams, clean, 0 * hidden)
    assert float(nothing.detach()) == 0


def test_a_negative_weight_is_refused():
    with pytest.raises(UserError, match="perceptual must not be negative, found -1"):
        ScoredConfig(perceptual=-1)


class Cells(test_outpainting.Store):
    """Frames whose cells are black or white by chance: what is shown tells nothing of the rest."""

    def __init__(self, seed, count=40):
        grid = np.random.default_rng(seed).integers(0, 2, (count, SIZE[0] // 8, SIZE[1] // 8, 1))
        self.frames = (255 * grid.repeat(8, 1).repeat(8, 2).repeat(3, 3)).astype(np.uint8)


def test_dreams_become_as_different_as_frames_are(tmp_path, monkeypatch):
    """The same outpainter after as many updates of either kind: a squared error is least at grey,
    which is one dream, and a score at black or white, which are many."""
    monkeypatch.setattr(test_outpainting, "Store", Cells)
    changes = {"steps": 150, "batch": 16, "learning_rate": 1e-2, "ema": 0.9}
    chosen, spread = scored(own=0, **changes), {}
    for name, one in (("scored", chosen), ("squared", chosen.plain)):
        torch.manual_seed(0)
        network = outpainter()
        network.config = replace(network.config, looks=1)
        network = train(network, one, quick(**changes), tmp_path / name)
        spread[name] = float(chosen.loss(network, chosen.batch(1000), 1000)[1]["spread"])
    assert spread["scored"] > 2 * spread["squared"]


@pytest.mark.parametrize("own", [-0.1, 1.1])
def test_shares_that_cannot_be_are_a_sentence(own):
    with pytest.raises(UserError, match="own must lie in 0 to 1"):
        ScoredConfig(own=own)
