"""Counterfactuals have known answers: the game itself, a frozen dream, a judge that knows all."""

import numpy as np
import pytest
import torch
from strip import ROUND, Reader, Strip

from worldmodel.errors import UserError
from worldmodel.evaluate import counterfactual, response
from worldmodel.evaluate.counterfactual import (
    counterfactual_section,
    frames_around,
    full_turn_section,
)
from worldmodel.evaluate.forks import Forks
from worldmodel.evaluate.response import first_true, response_section
from worldmodel.model.pose import pose_errors

pytestmark = pytest.mark.usefixtures("few_draws")


@pytest.fixture
def forks(heldout):
    return Forks(Strip(), heldout, past=5, ahead=16, count=6)


class Surveyor:
    """A pose regressor that is always 3 units and 10 degrees off."""

    def __init__(self, forks, keys):
        self.queue = list(forks.follow(keys).poses)

    def follow(self, pictures, start):
        pose = self.queue.pop(0).clone()
        self.queue.append(pose.clone())
        pose[:, 0] += 3
        pose[:, 2] = (pose[:, 2] + 10) % 360
        return pose


def test_a_fork_under_recorded_keys_is_the_recording(forks, heldout):
    truth = forks.follow(forks.recorded_keys)
    assert truth.alive.all()
    for b, (index, row) in enumerate(forks.places):
        first = heldout.episodes[index].start + row
        assert np.array_equal(truth.frames[b], heldout.frames[first + 1 : first + 17])
        assert np.array_equal(forks.pasts.frames[b], heldout.frames[first - 4 : first + 1])


def test_another_game_than_the_recorded_one_is_refused(heldout):
    class Other(Strip):
        def reset(self, seed):
            return super().reset(seed + 100)

    with pytest.raises(UserError, match="does not show again what was recorded"):
        Forks(Other(), heldout, past=5, ahead=16, count=2)


def test_episodes_that_are_too_short_are_refused(heldout):
    with pytest.raises(UserError, match=r"no episode in .* has 106 frames of known keys"):
        Forks(Strip(), heldout, past=5, ahead=100, count=2)


def test_the_game_itself_is_a_perfect_dream(monkeypatch, strip_world, forks, perfect):
    monkeypatch.setattr(counterfactual, "dream", perfect)
    section = counterfactual_section(strip_world, forks)
    assert section.figures["frame 16, other keys"].value > 70  # identical frames are 78 dB
    assert section.figures["frame 16, repeating the last frame, other keys"].value < 30
    assert section.pictures[0].pixels.shape == (16, 2 * 16, 4 * 48, 3)


def test_a_frozen_dream_is_as_good_as_repeating(monkeypatch, strip_world, forks, frozen):
    monkeypatch.setattr(counterfactual, "dream", frozen)
    figures = counterfactual_section(strip_world, forks).figures
    for h in (1, 4, 8, 16):
        same = figures[f"frame {h}, other keys"]
        assert same == figures[f"frame {h}, repeating the last frame, other keys"]


def test_the_errors_of_poses_are_those_of_the_regressor(monkeypatch, strip_world, forks, perfect):
    monkeypatch.setattr(counterfactual, "dream", perfect)
    surveyor = Surveyor(forks, forks.recorded_keys.roll(1, 0))
    figures = counterfactual_section(strip_world, forks, surveyor).figures
    for name in ("dreams", "true frames"):
        assert figures[f"median error of position, frame 16, {name}"].value == pytest.approx(3)
        angle = figures[f"median error of angle, frame 1, {name}"]
        assert angle.value == pytest.approx(10, abs=1e-3) and angle.unit == "degrees"
    turned = figures["median error of angle, frame 16, staying where it began"].value
    truth = forks.follow(forks.recorded_keys.roll(1, 0)).poses[:, 15]
    assert turned == pose_errors(truth, forks.poses)[:, 1].median().item() > 12


def test_a_full_turn_comes_back(monkeypatch, strip_world, forks, perfect, frozen):
    monkeypatch.setattr(counterfactual, "dream", perfect)
    section = full_turn_section(strip_world, forks)
    assert f"({ROUND} frames in" in section.text
    both = [section.figures[f"PSNR to the beginning, {n}"].value for n in ("dreams", "true game")]
    assert both[0] == both[1] > 70
    assert section.curves[0].lines[0].y[ROUND // 2] < 20
    monkeypatch.setattr(counterfactual, "dream", frozen)
    still = full_turn_section(strip_world, forks).figures["PSNR to the beginning, dreams"]
    assert still.value > 70


def test_once_around_is_found_in_either_direction():
    angles = torch.arange(1, 80) * 7.0
    there = frames_around(torch.stack([angles % 360, -angles % 360]), torch.zeros(2))
    assert there.tolist() == [50, 50]  # 51 turns of 7 degrees are 357
    assert frames_around(torch.zeros(1, 20), torch.zeros(1)).tolist() == [19]


def test_each_key_does_in_a_perfect_dream_what_it_does_in_the_game(
    monkeypatch, strip_world, forks, perfect
):
    monkeypatch.setattr(response, "dream", perfect)
    figures = response_section(strip_world, Reader(), forks.pasts, forks).figures
    for name in [n for n in figures if n.endswith(", dreams")]:
        assert figures[name] == figures[name.replace("dreams", "true game")], name
    assert figures["flash: effect after 8 frames, dreams"].value == pytest.approx(60, abs=0.1)
    assert figures["turn_left: frames until seen, dreams"].value == 1
    assert figures["turn_right: frames until the judge reads it, dreams"].value == 1


def test_a_key_that_does_nothing_is_never_seen(monkeypatch, strip_world, forks, deaf):
    monkeypatch.setattr(response, "dream", deaf(0))
    figures = response_section(strip_world, Reader(), forks.pasts).figures
    assert figures["turn_left: effect after 8 frames, dreams"].value == 0
    assert figures["turn_left: frames until seen, dreams"].value == 9
    assert figures["turn_right: frames until seen, dreams"].value == 1
    undone = figures["turn_left undone by turn_right, dreams"].value
    assert undone < 20  # only one of the two turned


def test_the_first_frame_is_counted_from_one():
    seen = np.array([[0, 0, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]], bool)
    assert first_true(seen).tolist() == [3, 1, 5]
