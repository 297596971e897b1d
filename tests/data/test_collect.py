"""A collection is the same set of episodes however often it was interrupted."""

import json
from pathlib import Path

import numpy as np
import pytest
from painter import META, SPACE, paint, read

from worldmodel.data import collect as collecting
from worldmodel.data import plan
from worldmodel.data.collect import collect
from worldmodel.data.episode import load_episode
from worldmodel.data.plan import Collection, job
from worldmodel.errors import UserError
from worldmodel.games.catalogue import cast_of


class Painter:
    """Paints its control; ends after as many steps as its seed says, if that is soon."""

    name, fps, size, licence, controls = "painter", META.fps, META.size, "none", SPACE

    def reset(self, seed):
        self.left, self.done = 8 + seed % 60, False
        return paint(np.zeros(6))

    def step(self, control):
        self.left -= 1
        self.done = self.left == 0
        return paint(control)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


class Sticky:
    """Presses one random button at a time."""

    def reset(self, seed):
        self.random = np.random.default_rng(seed)

    def act(self, game):
        return SPACE.vector([SPACE.buttons[self.random.integers(6)]])


@pytest.fixture(autouse=True)
def players_for_painters(monkeypatch):
    monkeypatch.setattr(collecting, "make_player", lambda name: Sticky())
    real = plan.cast_of

    def cast(game):
        return ("sticky",) if game == "painter" else real(game)

    for module in (collecting, plan):
        monkeypatch.setattr(module, "cast_of", cast)


def gather(out, opener=lambda game, size: Painter(), **changes):
    settings = {"frames": 150, "heldout_frames": 60, "shortest": 20, "longest": 40, "workers": 1}
    collect(out, game="painter", size=META.size, opener=opener, **{**settings, **changes})


def content(out):
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def counts(out, split):
    return [json.loads(p.read_text())["frames"] for p in sorted(out.glob(f"{split}/*/meta.json"))]


def test_it_records_what_was_asked_for_and_no_episode_more(tmp_path):
    gather(tmp_path)
    for split, frames in (("train", 150), ("heldout", 60)):
        lengths = counts(tmp_path, split)
        assert sum(lengths[:-1]) < frames <= sum(lengths)


def test_an_episode_says_whether_the_game_ended_it(tmp_path):
    gather(tmp_path)
    metas = [json.loads(path.read_text()) for path in tmp_path.glob("*/*/meta.json")]
    assert {meta["ended"] for meta in metas} == {True, False}
    for meta in metas:
        last = 8 + meta["seed"] % 60  # frames until the painter ends
        assert meta["frames"] == last if meta["ended"] else 20 <= meta["frames"] <= last


def test_frames_show_the_control_that_is_stored_with_them(tmp_path):
    gather(tmp_path)
    for folder in tmp_path.glob("*/0*"):
        episode = load_episode(folder)
        np.testing.assert_array_equal(read(episode.frames), episode.controls)


def test_an_interrupted_collection_goes_on_to_the_same_end(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    gather(whole)

    class Breaks(Painter):
        steps = 0

        def step(self, control):
            Breaks.steps += 1
            if Breaks.steps % 47 == 0:
                raise KeyboardInterrupt
            return super().step(control)

    interruptions = 0
    while not interruptions or content(broken) != content(whole):
        try:
            gather(broken, opener=lambda game, size: Breaks())
        except KeyboardInterrupt:
            interruptions += 1
    assert interruptions > 1


def test_a_killed_workers_half_episode_is_swept_away(tmp_path):
    gather(tmp_path)
    before = content(tmp_path)
    half = tmp_path / "train" / ".000007.partial"
    half.mkdir()
    (half / "video.mp4").write_bytes(b"half")
    gather(tmp_path)
    assert content(tmp_path) == before


def test_more_frames_add_episodes_and_change_none(tmp_path):
    gather(tmp_path, frames=80)
    before = content(tmp_path)
    gather(tmp_path, frames=150)
    after = content(tmp_path)
    assert len(after) > len(before) and before.items() <= after.items()


def test_no_seed_is_in_both_splits_not_even_across_collections():
    def seeds(split):
        return {
            job(
                Path(),
                Collection(
                    game="painter", size=(1, 1), seed=s, shortest=2, longest=3, players=("a",)
                ),
                split,
                i,
            ).game_seed
            for s in range(5)
            for i in range(100)
        }

    train, heldout = seeds("train"), seeds("heldout")
    assert len(train) == len(heldout) == 500
    assert not train & heldout


def test_seven_of_ten_episodes_explore():
    cast = cast_of("vizdoom/my_way_home")
    assert [cast.count(name) for name in ("explorer", "sticky", "idle")] == [7, 2, 1]


@pytest.mark.parametrize("change", [{"seed": 1}, {"shortest": 21}])
def test_another_collection_in_the_same_folder_is_refused(tmp_path, change):
    gather(tmp_path)
    with pytest.raises(UserError, match=next(iter(change))):
        gather(tmp_path, **change)


def test_a_mistake_in_the_first_call_does_not_claim_the_folder(tmp_path):
    with pytest.raises(UserError, match="no game 'chess'"):
        collect(tmp_path, game="chess", workers=1)
    gather(tmp_path)
    assert sum(counts(tmp_path, "train")) >= 150


@pytest.mark.parametrize("change", [{"frames": -1}, {"shortest": 1}, {"shortest": 50}])
def test_impossible_numbers_are_refused(tmp_path, change):
    with pytest.raises(UserError, match="2 or more frames"):
        gather(tmp_path, **change)


@pytest.mark.game
def test_worker_processes_make_what_one_process_makes(tmp_path, monkeypatch):
    monkeypatch.undo()
    settings = {"size": (24, 32), "shortest": 5, "longest": 9, "frames": 20, "heldout_frames": 8}
    collect(tmp_path / "one", workers=1, **settings)
    collect(tmp_path / "two", workers=2, **settings)
    assert content(tmp_path / "one") == content(tmp_path / "two")
