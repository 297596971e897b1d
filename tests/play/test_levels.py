"""Levels end: the frame after that is the one the dream began with, and so on from there."""

import dataclasses

import numpy as np
import pytest
import torch
from playing import keys, play, save_world

from worldmodel.checkpoint import load_checkpoint, load_ending, save_network
from worldmodel.configure import configure
from worldmodel.data.collect import record
from worldmodel.data.episode import load_episode
from worldmodel.data.plan import Job
from worldmodel.errors import UserError
from worldmodel.evaluate.dreams import Dreamer, setting_of
from worldmodel.model.ending import Ending, EndingConfig
from worldmodel.play.dream import Dream
from worldmodel.play.engine import Engine, load_engine, step_together
from worldmodel.play.world import context_of

WINDOW = (0, 8, 16, 32)


def ending(size=(16, 48), window=WINDOW, threshold=0.0):
    return Ending(EndingConfig(size=size, window=window, features=4, threshold=threshold)).eval()


class Script:
    """Says that the level of a player is over after the frames that are named for him."""

    def __init__(self, *frames):
        self.frames, self.now = frames, 0

    def over(self, before, picture, near):
        self.now += 1
        over = torch.tensor([self.now in own for own in self.frames])[: len(picture)]
        return over, over


def ends(loaded, *frames):
    """A player in the first scene, whose level ends after these of the frames he dreams."""
    engine = Engine(dataclasses.replace(loaded.world, ending=Script(*frames)))
    engine.reset(engine.scenes[0], seed=7)
    return engine


def test_after_its_end_a_level_begins_anew_and_new_ground_is_new(loaded_keeping):
    engine, held = ends(loaded_keeping, [3]), keys(6)
    found = play(engine, held)
    assert np.array_equal(found[3], engine.scene.frames[-1])
    other = Engine(loaded_keeping.world)  # whose level never ends
    other.reset(other.scenes[0], seed=7)
    assert np.array_equal(found[:3], play(other, held[:3]))
    other.reset(other.scenes[0], seed=7)
    other.frame_index = 4
    assert np.array_equal(found[4:], play(other, held[4:]))
    assert engine.frame_index == 6


def test_a_level_that_looks_over_from_its_beginning_is_not(loaded_keeping):
    """Who begins beside an enemy may go away from it, and end the level when he comes again."""
    always = ending(threshold=float("-inf"))
    engine = Engine(dataclasses.replace(loaded_keeping.world, ending=always))
    engine.reset(engine.scenes[0], seed=7)
    for control in keys(4):
        engine.step(control)
        assert not engine.over and engine.near
    always.config = dataclasses.replace(always.config, threshold=float("inf"))
    engine.step(keys(1)[0])
    assert not engine.near
    always.config = dataclasses.replace(always.config, threshold=float("-inf"))
    engine.step(keys(1)[0])
    assert engine.over
    engine.step(keys(1)[0])
    assert not engine.over and engine.near


def test_players_together_end_their_levels_each_by_himself(loaded_keeping):
    first = ends(loaded_keeping, [2], [])
    second = first.fork()
    both, held = (first, second), keys(5)
    for number, control in enumerate(held):
        frames = step_together(both, [control, control])
        anew = [np.array_equal(f, e.scene.frames[-1]) for f, e in zip(frames, both, strict=True)]
        assert anew == [number == 2, False]
    assert first.over is False and len(first.past) == len(second.past)


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_snapshot_knows_that_the_level_is_over_and_where_it_begins(loaded_keeping, after):
    engine, held = ends(loaded_keeping, [2]), keys(6)
    play(engine, held[:after])
    moment, now = engine.snapshot(), engine.world.ending.now
    once = play(engine, held[after:])
    engine.restore(moment)
    engine.world.ending.now = now
    assert np.array_equal(play(engine, held[after:]), once)


def test_in_a_newer_version_of_the_world_it_begins_at_the_same_place(loaded_keeping):
    older = ends(loaded_keeping, [1])
    older.step(keys(1)[0])
    newer = Engine(dataclasses.replace(older.world, key="newer"))
    newer.restore(older.snapshot())
    assert np.array_equal(newer.step(keys(1)[0]), older.scene.frames[-1])


def test_who_came_to_a_world_before_it_had_an_ending_goes_on_in_it(loaded_keeping):
    older = Engine(loaded_keeping.world)
    older.reset(older.scenes[0], seed=7)
    newer = Engine(dataclasses.replace(older.world, key="newer", ending=Script([1])))
    newer.restore(older.snapshot())
    frames = play(newer, keys(3))
    assert not newer.over and not any(np.array_equal(f, older.scene.frames[-1]) for f in frames)


def test_a_dream_that_is_recorded_is_an_episode_a_level(loaded_keeping, tmp_path):
    """As of a real game: the last frame is that after which the level was over."""
    dream = Dream(ends(loaded_keeping, [3]))
    assert record(dream, _job(tmp_path / "level")) == 4
    assert load_episode(tmp_path / "level").meta.ended
    dream.engine.world.ending.now = 3  # never again
    assert record(dream, _job(tmp_path / "cut")) == 9
    assert not load_episode(tmp_path / "cut").meta.ended


def _job(folder):
    return Job(folder=folder, player="sticky", frames=9, game_seed=0, player_seed=3)


def test_evaluation_dreams_what_is_played(loaded_keeping):
    engine, held = ends(loaded_keeping, [2, 5]), keys(8)  # the fifth that is dreamed is the sixth
    world, scene = engine.world, engine.scene
    dreamer = Dreamer(
        dataclasses.replace(world, ending=Script([2, 6], [])), setting_of(world.config.play), [7, 8]
    )
    latents, controls = context_of(world, scene)
    frames = torch.as_tensor(scene.frames[-len(latents) :])
    dreamer.see(*(x[None].expand(2, *x.shape) for x in (latents, controls, frames)))
    with torch.inference_mode():
        found = [dreamer.dream(torch.as_tensor(held[[t, t]])) for t in range(8)]
    apart = np.stack([x[0].numpy() for x in found]).astype(int) - play(engine, held)
    assert np.abs(apart).max() <= 1  # rounding, of two players together
    assert not any(np.array_equal(x[1].numpy(), scene.frames[-1]) for x in found)
    assert dreamer.ended.tolist() == [2, 0]


def test_a_forked_dreamer_knows_where_the_level_begins(loaded_keeping):
    world, scene = ends(loaded_keeping, [1]).world, loaded_keeping.scenes[0]
    dreamer = Dreamer(world, setting_of(world.config.play), [7])
    latents, controls = context_of(world, scene)
    frames = torch.as_tensor(scene.frames[-len(latents) :])
    dreamer.see(latents[None], controls[None], frames[None])
    with torch.inference_mode():
        dreamer.dream(torch.as_tensor(keys(1)))
        for each in (dreamer.fork(), dreamer):
            frame = each.dream(torch.as_tensor(keys(1)))
            assert np.array_equal(frame[0].numpy(), scene.frames[-1])


def test_a_world_keeps_its_ending_and_one_of_other_pictures_is_a_sentence(tmp_path):
    folder = save_world(tmp_path / "moving", moving=True)
    save_network(tmp_path / "own.safetensors", ending(threshold=1.5))
    configure(folder, {}, {}, {}, ended_by=tmp_path / "own.safetensors")
    configure(folder, {"title": "Levels"}, {}, {})
    kept = load_checkpoint(folder).ending
    assert kept.config.threshold == 1.5 and load_engine(folder, speed="plain").world.ending
    save_network(tmp_path / "other.safetensors", ending(size=(32, 48)))
    with pytest.raises(UserError, match=r"looks at pictures of \(32, 48\), not of \(16, 48\)"):
        configure(folder, {}, {}, {}, ended_by=tmp_path / "other.safetensors")
    save_network(folder / "ending.safetensors", ending(size=(32, 48)))
    with pytest.raises(UserError, match="which are not this world's"):
        load_checkpoint(folder)
    still = save_world(tmp_path / "still")
    with pytest.raises(UserError, match="has no motion network; levels end in worlds that do"):
        configure(still, {}, {}, {}, ended_by=tmp_path / "own.safetensors")


def test_nothing_is_over_before_a_second_picture_and_all_from_its_threshold_on():
    network, now, far = ending(), torch.rand(2, 3, 16, 48), torch.zeros(2, dtype=torch.bool)
    assert not any(x.any() for x in network.over(torch.zeros(2, 0), now, far))
    said = network(torch.rand(2, 3, 16, 48), now)
    assert said.shape == (2,)
    for threshold, expected in ((-torch.inf, True), (torch.inf, False)):
        network.config = dataclasses.replace(network.config, threshold=float(threshold))
        assert all((x == expected).all() for x in network.over(now, now, far))
        over, looks = network.over(now, now, ~far)  # it has looked so from the beginning
        assert not over.any() and (looks == expected).all()
    outside = torch.rand(2, 3, 16, 48)
    outside[..., 8:40] = now[..., 8:40]
    assert torch.equal(network(now, outside), network(now, now))  # only the window is looked at


@pytest.mark.parametrize("window", [(0, 0, 24, 48), (0, 0, 12, 48), (-8, 0, 16, 48)])
def test_a_window_that_cannot_be_is_a_sentence(window):
    with pytest.raises(UserError, match="window must lie in pictures"):
        ending(window=window)


def test_an_ending_is_read_as_it_was_written(tmp_path):
    network, given = ending(threshold=0.25), torch.rand(2, 2, 3, 16, 48)
    save_network(tmp_path / "ending.safetensors", network)
    again = load_ending(tmp_path / "ending.safetensors")
    assert again.config == network.config and torch.equal(again(*given), network(*given))
