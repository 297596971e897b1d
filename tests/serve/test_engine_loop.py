"""The engine thread: order, batches, failures."""

import asyncio
import threading

import numpy as np
import pytest
from stub_engine import CONTROLS, StubBackend, StubEngine, held_in

from worldmodel.serve.inputs import Inputs
from worldmodel.serve.loop import EngineLoop


@pytest.fixture
def backend():
    return StubBackend()


@pytest.fixture
def loop(backend):
    loop = EngineLoop(backend.step_together)
    yield loop
    loop.close()


def player(*keys: str) -> tuple[StubEngine, Inputs]:
    engine, inputs = StubEngine(), Inputs(CONTROLS)
    engine.reset(engine.scenes[0], 1)
    inputs.hold(1, list(keys))
    return engine, inputs


def test_steps_due_together_are_one_batch_and_equal_steps_alone(loop, backend):
    async def story():
        gate = threading.Event()
        blocked = asyncio.create_task(loop.run(gate.wait))
        players = [player("KeyW"), player("KeyS"), player()]
        steps = [asyncio.create_task(loop.step(e, i.read, "doom")) for e, i in players]
        await asyncio.sleep(0)
        gate.set()
        await blocked
        return [stepped.frame for stepped in await asyncio.gather(*steps)]

    frames = asyncio.run(story())
    assert backend.batches == [3]
    assert [held_in(frame) for frame in frames] == [("forward",), ("backward",), ()]
    engine, inputs = player("KeyW")
    np.testing.assert_array_equal(frames[0], engine.step(inputs.read().controls))


def test_different_groups_never_mix(loop, backend):
    async def story():
        gate = threading.Event()
        blocked = asyncio.create_task(loop.run(gate.wait))
        players = [player("KeyW"), player("KeyS")]
        steps = [loop.step(e, i.read, group) for group, (e, i) in enumerate(players)]
        steps = [asyncio.create_task(step) for step in steps]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(blocked, *steps)

    asyncio.run(story())
    assert backend.batches == []


def test_the_input_is_read_when_the_step_begins_not_when_it_is_asked_for(loop):
    async def story():
        gate = threading.Event()
        blocked = asyncio.create_task(loop.run(gate.wait))
        engine, inputs = player()
        step = asyncio.create_task(loop.step(engine, inputs.read, 0))
        await asyncio.sleep(0)
        inputs.hold(2, ["KeyD"])
        gate.set()
        await blocked
        return await step

    stepped = asyncio.run(story())
    assert (held_in(stepped.frame), stepped.reading.seq) == (("strafe_right",), 2)


def test_a_failure_reaches_the_one_who_asked_and_the_thread_goes_on(loop):
    async def story():
        with pytest.raises(ZeroDivisionError):
            await loop.run(lambda: 1 / 0)
        return await loop.run(lambda: 5)

    assert asyncio.run(story()) == 5
