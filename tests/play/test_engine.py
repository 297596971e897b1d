"""The engine: seed, scene and controls decide every pixel, for as long as one plays."""

import dataclasses

import numpy as np
import pytest
import tiny
import torch
from playing import keys, play, write_scene

from worldmodel.diffusion.samplers import sample_euler
from worldmodel.errors import UserError
from worldmodel.play.engine import Engine, load_engine, step_together
from worldmodel.play.noise import CONTEXT, START, frame_noise

STOCHASTIC = {"steps": 3, "guidance": 1.5, "context_noise": 0.05, "sampler": "renoise"}


def set_to(engine, **changes):
    engine.settings = dataclasses.replace(engine.settings, **changes)


def ring(engine):
    memory = engine.cache.memory
    return {f.name: getattr(memory, f.name).clone() for f in dataclasses.fields(memory)}


def test_every_frame_is_the_uncached_one_also_after_the_ring_has_wrapped(engine):
    """The whole history goes through the network without a cache, as in training."""
    network, scene = engine.world.network, engine.scene
    first = scene.frames[-tiny.WORLD.window :]
    latents = list(engine.world.tokenizer.encode(torch.from_numpy(first)))
    controls = list(torch.from_numpy(scene.controls[-tiny.WORLD.window :]))
    for i, control in enumerate(keys(3 * tiny.WORLD.window)):
        controls.append(torch.from_numpy(control))
        noise = frame_noise((tiny.LATENTS, 4), seed=7, frame=i + 1, use=START)

        def denoise(z, tau, jump):
            clip = torch.stack([*latents, z])[None]
            levels = torch.ones(clip.shape[:2])
            levels[:, -1] = tau
            held = torch.stack(controls)[None]
            with torch.inference_mode():
                return network(clip, levels, torch.zeros_like(levels), held)[0, -1]

        oracle = sample_euler(denoise, noise, (0.0, 0.5, 1.0), None)
        engine.step(control)
        latents.append(engine.cache.memory.latent[0])
        oracle = engine.world.tokenizer.clamp(oracle)
        torch.testing.assert_close(latents[-1], oracle, rtol=1e-3, atol=1e-3)


def test_the_same_seed_scene_and_controls_replay_bit_identically(either):
    engine = either
    controls = keys(10)
    for settings in ({}, STOCHASTIC):
        set_to(engine, **settings)
        engine.reset(engine.scenes[0], seed=3)
        once = play(engine, controls)
        engine.reset(engine.scenes[1], seed=4)
        play(engine, controls[:3])
        engine.reset(engine.scenes[0], seed=3)
        assert np.array_equal(play(engine, controls), once)


def test_seed_and_keys_both_matter(engine):
    controls = keys(4)
    frames = play(engine, controls)
    engine.reset(engine.scene, seed=8)
    assert not np.array_equal(play(engine, controls), frames)
    engine.reset(engine.scene, seed=7)
    assert not np.array_equal(play(engine, 1 - controls), frames)


def test_noise_depends_on_seed_frame_and_use_alone():
    base = frame_noise((3, 2), 1, 5, START)
    assert torch.equal(frame_noise((3, 2), 1, 5, START), base)
    for other in ((2, 5, START), (1, 6, START), (1, 5, CONTEXT), (15, 0, START)):
        assert not torch.equal(frame_noise((3, 2), *other), base)
    many = frame_noise((100, 100), -3, 0, START)
    assert abs(float(many.mean())) < 0.05 and abs(float(many.std()) - 1) < 0.05


def test_reset_shows_the_last_frame_of_the_scene_as_the_tokenizer_sees_it(engine):
    scene = engine.scenes[1]
    shown = engine.reset(scene, seed=0)
    tokenizer = engine.world.tokenizer
    latent = tokenizer.encode(torch.from_numpy(scene.frames[-1:]))
    assert shown.dtype == np.uint8 and shown.shape == (*engine.size, 3)
    assert np.array_equal(shown, tokenizer.decode(latent)[0].numpy())
    assert engine.frame_index == 0 and engine.scene is scene


def test_a_world_that_keeps_detail_shows_the_scene_itself(loaded_keeping):
    engine, scene = Engine(loaded_keeping.world), loaded_keeping.scenes[0]
    np.testing.assert_array_equal(engine.reset(scene, seed=1), scene.frames[-1])
    picture = engine.cache.memory.picture[0].movedim(0, -1) * 255
    np.testing.assert_allclose(picture, scene.frames[-1], atol=1e-3)
    frame = engine.step(np.zeros(6, np.float32))
    picture = engine.cache.memory.picture[0].movedim(0, -1) * 255
    np.testing.assert_array_equal(frame, picture.round())


def test_who_begins_in_a_single_frame_plays_beside_others(loaded_keeping):
    """His first frame has come from nowhere, the other's has moved."""
    engines = [Engine(loaded_keeping.world) for _ in range(2)]
    scene = loaded_keeping.scenes[0]
    short = dataclasses.replace(scene, frames=scene.frames[-1:], controls=scene.controls[-1:])
    for engine, entered in zip(engines, (scene, short), strict=True):
        engine.reset(entered, seed=1)
    together = step_together(engines, [np.zeros(6, np.float32)] * 2)
    engines[1].reset(short, seed=1)
    alone = engines[1].step(np.zeros(6, np.float32))
    np.testing.assert_allclose(together[1].astype(int), alone, atol=1)


def test_restoring_a_snapshot_replays_to_the_bit_with_its_settings(either):
    engine = either
    set_to(engine, **STOCHASTIC)
    play(engine, keys(3))
    moment, controls = engine.snapshot(), keys(6, seed=1)
    then = play(engine, controls)
    set_to(engine, steps=1, sampler="euler")
    engine.reset(engine.scenes[1], seed=99)
    play(engine, controls)
    engine.restore(moment)
    assert (engine.frame_index, engine.seed, engine.settings.steps) == (3, 7, 3)
    assert np.array_equal(play(engine, controls), then)


def test_a_fork_goes_its_own_way(engine):
    play(engine, keys(3))
    twin, controls = engine.fork(), keys(5, seed=2)
    apart = play(twin, 1 - controls)
    set_to(twin, steps=4)
    here = play(engine, controls)
    assert engine.settings.steps == 2 and not np.array_equal(apart, here)
    engine.reset(engine.scene, seed=7)
    play(engine, keys(3))
    assert np.array_equal(play(engine, controls), here)  # the twin left no trace


def test_looking_leaves_the_past_bit_identical(engine):
    play(engine, keys(6))
    before, network = ring(engine), engine.world.network
    frame = torch.randn(1, 1, tiny.LATENTS, 4)
    for tau in (0.0, 0.5):
        level = torch.full((1, 1), tau)
        with torch.inference_mode():
            network(frame, level, level * 0, torch.ones(1, 1, 6), engine.cache)
    assert all(torch.equal(value, before[name]) for name, value in ring(engine).items())


def test_settings_change_between_frames(engine):
    calls, network = [], engine.world.network
    original = type(network).predict

    def counted(*args):
        calls.append(float(args[1][0, 0]))
        return original(network, *args)

    vars(network)["predict"] = counted
    try:
        engine.step(keys(1)[0])
        set_to(engine, steps=4)
        engine.step(keys(1)[0])
        set_to(engine, steps=1, guidance=2.0)
        engine.step(keys(1)[0])
    finally:
        del vars(network)["predict"]
    assert calls == [0, 0.5, 0, 0.25, 0.5, 0.75, 0, 0]


def test_context_noise_is_remembered_and_labelled_but_not_shown(engine):
    twin = engine.fork()
    set_to(twin, context_noise=0.1)
    control = keys(1)[0]
    assert np.array_equal(engine.step(control), twin.step(control))
    assert float(engine.cache.memory.tau[0]) == 1
    assert float(twin.cache.memory.tau[0]) == pytest.approx(0.9)
    noise = frame_noise((tiny.LATENTS, 4), 7, 1, CONTEXT)
    expected = 0.9 * engine.cache.memory.latent[0] + 0.1 * noise
    torch.testing.assert_close(twin.cache.memory.latent[0], expected)


@pytest.mark.parametrize("finishing_look", [True, False])
def test_players_of_one_batch_see_what_they_would_see_alone(either, finishing_look):
    """Different scenes, ages and settings; frames may differ by a rounding, one grey level."""
    engine = either
    set_to(engine, finishing_look=finishing_look)
    players = [engine, engine.fork(), Engine(engine.world), engine.fork()]
    players[2].reset(engine.scenes[1], seed=2)
    play(players[1], keys(3, seed=4))
    set_to(players[3], steps=3)
    alone = [player.fork() for player in players]
    for control in keys(8, seed=5):
        controls = [control, 1 - control, control, control]
        together = step_together(players, controls)
        for player, shown, held in zip(alone, together, controls, strict=True):
            assert np.abs(player.step(held).astype(int) - shown).max() <= 1
    assert [p.frame_index for p in players] == [8, 11, 8, 8]


def test_a_snapshot_of_a_batched_player_holds_no_other_players(engine):
    players = [engine, engine.fork(), engine.fork()]
    step_together(players, list(keys(3)))
    for value in vars(players[1].snapshot().memory).values():
        assert value.untyped_storage().nbytes() == value.numel() * value.element_size()


def test_a_late_frame_is_made_of_tensors_of_the_same_size_as_an_early_one(either):
    """Operations and their shapes, and all that is kept, at frame 100 and at frame 1,000."""
    engine = either

    def work():
        with torch.profiler.profile(record_shapes=True) as seen:
            engine.step(keys(1)[0])
        steps = sorted((e.name, str(e.input_shapes)) for e in seen.events() if "aten" in e.name)
        return steps, {n: v.shape for n, v in ring(engine).items()}, sorted(vars(engine))

    at, memory = {}, engine.cache.memory
    for frame in (100, 1000):
        count = torch.full_like(memory.count, frame)
        engine.cache.restore(dataclasses.replace(memory, count=count))
        engine.frame_index = frame
        at[frame] = work()
    assert at[100] == at[1000]


def test_load_engine_tells_what_the_world_is(engine):
    assert (engine.name, engine.title, engine.fps) == ("tiny", "Tiny", 20.0)
    assert engine.size == (16, 48) and engine.controls.size == 6
    assert [s.title for s in engine.scenes] == ["Long hall", "Short"]
    assert engine.speed == "plain" and engine.licence == "CC0-1.0"
    engine.step(keys(1)[0])
    assert {"model", "decode"} <= set(engine.timings)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"steps": 0}, "steps must lie in 1 to 16"),
        ({"steps": 17}, "steps must lie in 1 to 16"),
        ({"steps": 2.5}, "steps must be a whole number"),
        ({"guidance": 0.5}, "guidance must lie in 1.0 to 4.0"),
        ({"guidance": float("nan")}, "guidance must lie"),
        ({"context_noise": 0.9}, "context_noise must lie in 0.0 to 0.3"),
        ({"sampler": "magic"}, "unknown sampler 'magic'"),
    ],
)
def test_bad_settings_are_refused_in_a_sentence(engine, wrong, sentence):
    with pytest.raises(UserError, match=sentence):
        set_to(engine, **wrong)


def test_a_scene_of_another_world_is_refused_in_a_sentence(engine):
    scene = engine.scenes[0]
    small = dataclasses.replace(scene, frames=scene.frames[:, :8])
    with pytest.raises(UserError, match="should have frames of 48x16"):
        engine.reset(small, seed=0)
    with pytest.raises(UserError, match="6 controls for each"):
        engine.reset(dataclasses.replace(scene, controls=scene.controls[:, :2]), seed=0)


def test_what_cannot_be_loaded_is_a_sentence(folder, tmp_path):
    with pytest.raises(UserError, match=r"config\.json is missing"):
        load_engine(tmp_path)
    with pytest.raises(UserError, match="device 'abacus' cannot be used"):
        load_engine(folder, device="abacus")
    with pytest.raises(UserError, match="unknown speed 'warp'; choose one of auto, plain, op"):
        load_engine(folder, speed="warp")


def test_a_step_before_the_first_reset_is_our_mistake(loaded):
    with pytest.raises(RuntimeError, match="needs `reset`"):
        Engine(loaded.world).step(keys(1)[0])


def test_controls_of_another_length_are_our_mistake(engine):
    with pytest.raises(ValueError, match="controls must be"):
        engine.step(np.zeros(2, np.float32))


def test_a_damaged_scene_names_its_folder(folder, tmp_path):
    write_scene(tmp_path / "scenes" / "wide", 2, size=(16, 64))
    for name in ("config.json", "tokenizer.safetensors", "world.safetensors"):
        (tmp_path / name).symlink_to(folder / name)
    with pytest.raises(UserError, match="wide should have frames of 48x16"):
        load_engine(tmp_path, speed="plain")


def test_a_picture_rests_when_no_key_is_held_and_nothing_moves(loaded_moving):
    engine = Engine(loaded_moving.world)
    engine.reset(engine.scenes[0], seed=7)
    none, held = np.zeros((2, engine.controls.size), np.float32)
    held[0] = 1
    engine.settings = dataclasses.replace(engine.settings, rest=4.0)
    real = engine.world.motion.carried
    engine.world.motion.carried = lambda *given: (
        *real(*given)[:2], torch.tensor([moves]), *real(*given)[3:]
    )  # fmt: skip
    try:
        moves = 0.1
        frames = [engine.step(none) for _ in range(3)]
        assert np.array_equal(frames[0], frames[2])
        set_to(engine, finishing_look=False)  # who rests is not looked at, and is all the same
        other, past = engine.fork(), engine.cache.memory.keys
        shown = step_together([engine, other], [none, held])
        assert np.array_equal(shown[0], frames[2]) and not np.array_equal(shown[1], frames[2])
        assert not torch.equal(engine.cache.memory.keys, past)
        moved = engine.step(held)
        assert not np.array_equal(moved, frames[2])
        moves = 5.0  # still sliding
        assert not np.array_equal(engine.step(none), moved)
    finally:
        del engine.world.motion.carried
