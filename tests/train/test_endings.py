"""What tells that a level is over learns it from episodes that the game ended."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import quick

from worldmodel.data.clips import FrameStore
from worldmodel.errors import UserError
from worldmodel.model.ending import Ending, EndingConfig
from worldmodel.train.objectives.ending import ALARMS, KEPT_BACK, Ends, _passed_by_few, moved_on

LENGTH, EPISODES = 12, 24


def levels(folder, ended=True):
    """Prepared episodes in which a bright coin comes near, and every second one ends at it: the
    others turn back one step before."""
    draw, episodes = np.random.default_rng(0), []
    frames = draw.integers(0, 60, (EPISODES * LENGTH, 16, 48, 3)).astype(np.uint8)
    for i in range(EPISODES):
        own = frames[i * LENGTH : (i + 1) * LENGTH]
        for t in range(LENGTH):
            far = 4 * (LENGTH - 1 - t) + (0 if i % 2 else 4)
            left = min(20 + far, 44)
            own[t, 6:10, left : left + 4] = 255
        span = {"name": str(i), "start": i * LENGTH, "stop": (i + 1) * LENGTH, "seed": i}
        episodes.append(span | {"player": "none", "ended": bool(ended and i % 2)})
    for split in ("train", "heldout"):
        place = folder / split
        place.mkdir(parents=True)
        np.save(place / "frames.npy", frames)
        np.save(place / "controls.npy", np.zeros((len(frames), 6), np.float32))
        np.save(place / "motion.npy", np.ones(len(frames), np.float32))
        record = {"source": "0", "game": "none", "licence": "CC0", "fps": 20.0, "size": [16, 48]}
        record["controls"] = {"buttons": list("abcdef"), "axes": [], "keymap": {}, "opposites": []}
        (place / "episodes.json").write_text(json.dumps(record | {"episodes": episodes}))
    return folder


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = levels(tmp_path_factory.mktemp("levels"))
    return FrameStore(folder / "train"), FrameStore(folder / "heldout")


def test_a_batch_shows_ends_what_is_near_and_others_each_with_the_picture_before(stores):
    objective = Ends(*stores, quick(batch=16))
    before, now, ends = objective.batch(3)
    assert before.shape == now.shape == (16, 3, 16, 48) and ends.tolist() == [1.0] * 4 + [0.0] * 12
    frames = torch.tensor(stores[0].frames).movedim(-1, 1) / 255
    for was, shown, end in zip(before, now, ends, strict=True):
        row = int((frames - shown).flatten(1).abs().sum(dim=1).argmin())
        assert torch.equal(frames[row if row % LENGTH == 0 else row - 1], was)
        episode, at = divmod(row, LENGTH)
        assert bool(end) == (at == LENGTH - 1 and episode % 2 == 1)
        assert episode % KEPT_BACK != KEPT_BACK - 1  # these say which threshold to take
    assert all(map(torch.equal, objective.batch(3), (before, now, ends)))


def test_what_is_moved_on_goes_on_as_it_went_and_the_figure_stays():
    """Stripes that move by two pixels a frame, behind a white figure."""
    stripes, stays = torch.rand(1, 3, 1, 80).expand(1, 3, 16, 80), torch.zeros(1, 1, 16, 48)
    stays[..., 5:11, 20:26] = 1

    def shown(frame):
        return torch.maximum(stripes[..., 10 + 2 * frame : 58 + 2 * frame], stays)

    way = torch.tensor([[2 / 24, 0.0]])
    for far in (0.0, 1.0, 2.0):
        found = moved_on(shown(0), shown(1), way, stays, torch.tensor([far]))
        for pictures, frame in zip(found, (far, 1 + far), strict=True):
            off = (pictures - shown(int(frame)))[..., 8:40].abs()
            assert off[..., :4, :].max() < 1e-3 and (pictures * stays).sum() == 3 * stays.sum()


def test_it_learns_to_tell_what_is_over_from_what_is_nearly(stores):
    objective = Ends(*stores, quick(batch=16))
    torch.manual_seed(0)
    network = Ending(EndingConfig(size=(16, 48), window=(0, 8, 16, 32), features=16))
    optimiser = torch.optim.AdamW(network.parameters(), 1e-2)
    for step in range(60):
        loss, _ = objective.loss(network, objective.batch(step), step)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    figures = objective.validate(network)
    assert figures["told"] > 0.9 and figures["false"] < 0.1
    assert network.training


def test_figures_are_the_same_whether_a_network_is_in_training_or_not(stores):
    stays = torch.zeros(1, 1, 16, 48)
    objective = Ends(*stores, quick(batch=16), stays)
    network = Ending(EndingConfig(size=(16, 48), window=(0, 8, 16, 32), features=8))
    training = objective.validate(network.train())
    assert network.training and training == objective.validate(network.eval())
    assert training["told_later"] >= training["told"]


def test_a_threshold_is_passed_by_few():
    logits = np.random.default_rng(0).standard_normal(10_000).astype(np.float32)
    assert (logits >= _passed_by_few(logits)).sum() == 10_000 * ALARMS
    assert (logits[:50] >= _passed_by_few(logits[:50])).sum() == 0


def test_episodes_that_no_game_has_ended_are_a_sentence(tmp_path):
    folder = levels(tmp_path, ended=False)
    stores = FrameStore(folder / "train"), FrameStore(folder / "heldout")
    with pytest.raises(UserError, match="too few say that the game ended them"):
        Ends(*stores, quick(batch=16))


def test_a_view_that_leaves_out_the_end_of_an_episode_has_not_its_end(stores, tmp_path):
    from worldmodel.data.curation.view import Piece, write_view

    store = stores[0]
    span = replace(store.episodes[1])
    pieces = [Piece(store=0, span=span, first=span.start, count=n) for n in (LENGTH, LENGTH - 1)]
    write_view(tmp_path / "view", [store], pieces, [], {})
    assert [e.ended for e in FrameStore(tmp_path / "view").episodes] == [True, False]
