"""The adversarial stage end to end: a finished world of the painter's game goes on."""

import json

import pytest
import torch
from tiny import MOTION, MOVING_WORLD, TOKENIZER, WORLD, quick

from worldmodel.checkpoint import load_checkpoint
from worldmodel.errors import UserError
from worldmodel.train.finishing import train_adversarial
from worldmodel.train.objectives.adversarial import AdversarialConfig
from worldmodel.train.objectives.rectified_flow import FlowConfig
from worldmodel.train.stages import train_motion, train_tokenizer, train_world

pytestmark = pytest.mark.filterwarnings("ignore:Mismatch dtype")  # norms in bf16
FLOW = FlowConfig(clip=8)


@pytest.fixture(scope="module")
def finished(arrays, tmp_path_factory):
    """Two worlds of one update, with motion and without."""
    root = tmp_path_factory.mktemp("finished")
    train_tokenizer(arrays, root / "tokens", TOKENIZER, quick(steps=1))
    train_motion(arrays, root / "tokens", root / "motion", MOTION, quick(steps=1, bf16=False))
    for name, sizes, motion in (("moving", MOVING_WORLD, root / "motion"), ("still", WORLD, None)):
        train_world(arrays, root / "tokens", root / name, sizes, quick(steps=1), FLOW, motion)
    return root


def test_a_world_goes_on_and_can_be_loaded(arrays, finished, tmp_path):
    before = finished / "moving" / "checkpoint"
    average = train_adversarial(
        arrays, before, tmp_path, quick(steps=2, log_every=1), FLOW, AdversarialConfig()
    )
    world = load_checkpoint(tmp_path / "checkpoint")
    for name, tensor in world.network.state_dict().items():
        assert torch.equal(tensor, average.world.state_dict()[name].cpu()), name
    first = load_checkpoint(before)
    assert not torch.equal(world.network.head_out.weight, first.network.head_out.weight)
    assert world.config.tokenizer_hash == first.config.tokenizer_hash
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert "flow" in lines[0] and {"fooled", "caught", "slope"} <= lines[1].keys()
    sources = json.loads((tmp_path / "checkpoint" / "data.json").read_text())["sources"]
    assert sources[0]["split"] == "train"


def test_a_world_without_motion_is_refused(arrays, finished, tmp_path):
    with pytest.raises(UserError, match="has no motion network"):
        train_adversarial(
            arrays, finished / "still" / "checkpoint", tmp_path, quick(), FLOW, AdversarialConfig()
        )
