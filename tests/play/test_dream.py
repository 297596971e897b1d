"""The dream is a game: the recorder cannot tell."""

import dataclasses

import numpy as np
import pytest
from playing import keys

from worldmodel.data.collect import record
from worldmodel.data.episode import load_episode
from worldmodel.data.plan import Job
from worldmodel.errors import UserError
from worldmodel.games.base import Game
from worldmodel.play.dream import Dream
from worldmodel.play.engine import Engine


def test_it_has_all_that_a_game_has(engine):
    members = {*Game.__annotations__, "reset", "step", "close", "__enter__", "__exit__"}
    with Dream(engine) as dream:
        assert all(hasattr(dream, name) for name in members)
        assert dream.name == "dream of tiny" and dream.size == engine.size


def test_the_same_seed_and_controls_give_the_same_frames_whatever_came_before(engine):
    dream, controls = Dream(engine), keys(4)
    runs = []
    for _ in range(2):
        first = dream.reset(5)
        runs.append(np.stack([first, *(dream.step(control) for control in controls)]))
        dream.reset(6)
    assert np.array_equal(*runs) and not dream.done


def test_seeds_visit_the_scenes_in_turn_unless_one_is_given(engine):
    dream = Dream(engine)
    dream.reset(3)
    assert engine.scene.name == "short"
    dream.reset(4)
    assert engine.scene.name == "long-hall"
    Dream(engine, engine.scenes[1]).reset(4)
    assert engine.scene.name == "short"


def test_the_recorder_records_a_dream_like_any_game(engine, tmp_path):
    folder = tmp_path / "dreamed"
    job = Job(folder=folder, player="sticky", frames=6, game_seed=2, player_seed=3)
    record(Dream(engine), job)
    episode = load_episode(folder)
    assert episode.meta.game == "dream of tiny" and episode.meta.licence == "CC0-1.0"
    assert episode.frames.shape == (6, *engine.size, 3)
    dream = Dream(engine)
    again = [dream.reset(2), *(dream.step(c) for c in episode.controls[1:])]
    assert np.abs(np.stack(again).astype(int) - episode.frames).mean() < 8  # noise is hard on video


def test_a_world_without_scenes_asks_for_one(engine):
    bare = Engine(dataclasses.replace(engine.world, scenes=()))
    with pytest.raises(UserError, match="has no opening scenes"):
        Dream(bare)
