"""Atlas: from pictures whose poses are known, a room is seen from where nobody took one."""

import dataclasses

import numpy as np
import pytest
import torch
from room import CAMERA, EYE, look, poses
from room import atlas as room_atlas

from worldmodel.checkpoint import load_network, save_network
from worldmodel.errors import UserError
from worldmodel.model.atlas import Atlas, AtlasConfig


@pytest.fixture(scope="module")
def atlas():
    return room_atlas()


def psnr(picture, pose):
    truth = torch.as_tensor(look(*pose)).movedim(-1, 0)
    return float(-10 * (picture - truth).square().mean().log10())


@pytest.mark.parametrize(
    "pose",
    [(47.0, 52.0, 77.0, EYE), (60.0, 120.0, 200.0, EYE), (135.0, 100.0, 200.0, EYE)],
)
def test_a_room_is_seen_from_where_no_picture_was_taken(atlas, pose):
    found = atlas(torch.tensor([pose]))[0]
    nearest = np.abs(poses() - pose)[:, :3].sum(axis=1).argmin()
    there = atlas.hung()[0][nearest, ..., :3].movedim(-1, 0) / 255
    assert psnr(found, pose) > 26 > 20 > psnr(there, pose)


def test_the_eye_rises_and_the_room_sinks(atlas):
    pose = (47.0, 52.0, 77.0, EYE + 7)
    assert psnr(atlas(torch.tensor([pose]))[0], pose) > 26


def test_a_picture_is_seen_again_from_where_it_was_taken(atlas):
    for row in (3, 40, 100):
        pose = poses()[row]
        assert psnr(atlas(torch.as_tensor(pose)[None])[0], pose) > 30


def test_a_smaller_camera_shows_less_of_the_same(atlas):
    pose = torch.tensor([47.0, 52.0, 77.0, EYE])
    whole, _ = atlas.view(pose)
    half, depths = atlas.view(pose, atlas.camera.smaller(2))
    pooled = torch.nn.functional.avg_pool2d(whole[None], 2)[0]
    assert half.shape == (3, 8, 24) and depths.shape == (8, 24)
    assert (half - pooled).abs().median() < 0.02


def test_an_atlas_is_the_same_when_it_was_saved(atlas, tmp_path):
    save_network(tmp_path / "atlas.safetensors", atlas)
    loaded = load_network(tmp_path / "atlas.safetensors", Atlas, AtlasConfig)
    assert loaded.config == atlas.config and loaded.config.camera == CAMERA
    pose = torch.tensor([[47.0, 52.0, 77.0, EYE]])
    assert torch.equal(loaded(pose), atlas(pose))


def test_a_damaged_atlas_is_a_sentence(atlas, tmp_path):
    broken = Atlas(atlas.config)
    broken.load_state_dict(atlas.state_dict())
    broken.encoded[: len(broken.encoded) // 2] = 7
    with pytest.raises(UserError, match=r"an atlas is damaged, .*; copy the checkpoint again"):
        broken.hung()
    other = dataclasses.replace(atlas.config, camera=dataclasses.replace(CAMERA, width=32))
    shaped = Atlas(other)
    shaped.load_state_dict(atlas.state_dict())
    with pytest.raises(UserError, match="an atlas is damaged"):
        shaped.hung()
    with pytest.raises(UserError, match="must have pictures and walls"):
        dataclasses.replace(atlas.config, count=0)
