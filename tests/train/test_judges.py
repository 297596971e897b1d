"""The judge of keys: it learns from what the data show, and can be loaded."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from strip import SPACE, record
from tiny import quick, stirred

from worldmodel.data.clips import FrameStore
from worldmodel.errors import UserError
from worldmodel.model.inverse_dynamics import InverseDynamics, InverseDynamicsConfig
from worldmodel.train.judges import load_idm, train_idm
from worldmodel.train.objectives.inverse_dynamics import (
    InverseConfig,
    InverseDynamicsLoss,
    disturb,
    marked,
)

SIZES = InverseDynamicsConfig(buttons=("any",), height=32, width=96, features=12, code=24, reach=2)
DRAWS = InverseConfig(clip=10, disturbed=0.0)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("strip")
    record(folder / "train", range(0, 16, 2))
    record(folder / "heldout", [1, 3])
    return folder


def test_keys_are_learned_from_motion(data, tmp_path, capsys):
    config = quick(steps=40, batch=8, learning_rate=6e-3, warmup=5, ema=0.9, bf16=False)
    average = train_idm(data, tmp_path, SIZES, config, DRAWS)
    assert average.config.buttons == SPACE.buttons  # the data decide
    objective = InverseDynamicsLoss(
        FrameStore(data / "train"), FrameStore(data / "heldout"), config, DRAWS
    )
    figures = objective.validate(average)
    assert figures["turn_left"] > 0.8 and figures["turn_right"] > 0.8
    loaded, space = load_idm(tmp_path)
    assert space == SPACE and not loaded.training
    for name, tensor in average.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name
    objective.draw(average, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 0


def test_the_gradient_reaches_every_weight(data):
    store, config = FrameStore(data / "train"), quick(batch=4)
    objective = InverseDynamicsLoss(store, FrameStore(data / "heldout"), config, DRAWS)
    torch.manual_seed(0)
    network = stirred(InverseDynamics(replace(SIZES, buttons=SPACE.buttons)))
    objective.loss(network, objective.batch(0), 0)[0].backward()
    idle = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_frames_of_unknown_keys_teach_nothing(data):
    store, config = FrameStore(data / "train"), quick(batch=32)
    store.controls = np.array(store.controls)
    store.controls[:400] = np.nan
    objective = InverseDynamicsLoss(store, FrameStore(data / "heldout"), config, DRAWS)
    for step in range(3):
        assert not objective.batch(step)[1].isnan().any()
    store.controls[:] = np.nan
    with pytest.raises(UserError, match="No clip of 10 frames has known controls"):
        InverseDynamicsLoss(store, FrameStore(data / "heldout"), config, DRAWS)


def test_disturbed_clips_are_blurred_and_the_others_untouched():
    pictures = torch.rand(16, 2, 3, 8, 8)
    shown = disturb(pictures, 0.5, torch.Generator().manual_seed(0))
    same = (shown - pictures).abs().amax(dim=(1, 2, 3, 4)) == 0
    assert 2 < int(same.sum()) < 14
    before, after = (x[~same].diff(dim=-1).abs().mean(dim=(1, 2, 3, 4)) for x in (pictures, shown))
    assert (after < before).all()


def test_bars_tell_right_missed_and_imagined_keys():
    truth, guess = np.array([[1, 1, 0, 0]], bool), np.array([[1, 0, 1, 0]], bool)
    bars = marked(np.zeros((1, 4, 4, 3), np.uint8), truth, guess)[0, 4:, 0]
    assert [tuple(bars[6 * i + 3]) for i in range(4)] == [
        (60, 200, 60), (220, 40, 40), (60, 90, 240), (0, 0, 0),
    ]  # fmt: skip


def test_a_file_that_is_missing_says_which_command_makes_it(tmp_path):
    with pytest.raises(UserError, match=r"idm\.safetensors is missing.*worldmodel train idm"):
        load_idm(tmp_path)
