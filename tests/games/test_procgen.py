"""CoinRun as a Game: the same seed and controls give the same frames, and plans can be tried."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest

from worldmodel.errors import UserError
from worldmodel.games.procgen import ACTIONS, CONTROLS, Procgen, _environment
from worldmodel.games.runner import Careless, Runner

real = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("procgen", "gym3", "cffi")),
    reason="procgen is not installed",
)
RIGHT, STILL = CONTROLS.vector(["right"]), CONTROLS.vector()


def frames(game: Procgen, seed: int, controls: list[np.ndarray]) -> np.ndarray:
    return np.stack([game.reset(seed), *(game.step(control) for control in controls)])


@real
def test_seed_and_controls_decide_the_frames():
    with Procgen(size=(48, 64)) as one, Procgen(size=(48, 64)) as two:
        frames(one, 3, [RIGHT] * 5)
        again = frames(one, 8, [RIGHT] * 12)
        assert np.array_equal(again, frames(two, 8, [RIGHT] * 12))
        assert again.shape == (13, 48, 64, 3) and again.dtype == np.uint8
        assert not np.array_equal(again[0], frames(one, 9, [])[0])


@real
def test_keys_move_the_picture():
    with Procgen() as game:
        still, moved = (frames(game, 8, [control] * 6)[-1] for control in (STILL, RIGHT))
    assert np.abs(still.astype(int) - moved).mean() > 5


@real
def test_a_plan_is_foreseen_as_it_happens():
    """Somebody who runs right without looking is lost at the step that was foreseen."""
    plan, lost = [CONTROLS.vector(["right", "jump"])] * 60, 0
    with Procgen(size=(48, 64)) as game:
        for seed in range(12):
            game.reset(seed)
            count = game.foresee(np.stack(plan))
            steps = 0
            while not game.done and steps < len(plan):
                game.step(plan[steps])
                steps += 1
            if count <= len(plan):
                assert game.done and steps == count
                lost += 1
    assert lost


@real
def test_a_careful_runner_lives_longer():
    def lived(kind):
        total = 0
        with Procgen(size=(12, 16)) as game:
            for seed in range(6):
                player = kind()
                player.reset(seed)
                game.reset(seed)
                for _ in range(150):
                    if game.done:
                        break
                    game.step(player.act(game))
                    total += 1
        return total

    assert lived(Runner) > lived(Careless)


@real
def test_after_the_end_only_a_reset_follows():
    with Procgen(size=(12, 16)) as game, pytest.raises(ValueError, match="call reset"):
        game.step(STILL)


def test_every_hold_of_the_buttons_has_an_action():
    held = {tuple(int(v) for v in CONTROLS.from_keys(keys)) for keys in
            ([], ["KeyA"], ["KeyD"], ["Space"], ["KeyA", "Space"], ["KeyD", "KeyW"])}  # fmt: skip
    assert held == set(ACTIONS) and len(set(ACTIONS.values())) == len(ACTIONS)


@pytest.mark.parametrize(
    ("game", "size", "sentence"),
    [("chess", (96, 128), "no Procgen game 'chess'"), ("coinrun", (128, 96), "not higher than")],
)
def test_what_it_cannot_show_is_refused(game, size, sentence):
    with pytest.raises(UserError, match=sentence):
        Procgen(game, size)


def test_without_procgen_one_sentence_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "procgen", None)
    with pytest.raises(UserError, match="pip install --no-deps procgen-mirror"):
        _environment()
