"""The stage of an atlas: a game that plays again tells its map, and how one walks on it."""

import json

import numpy as np
import pytest
import room
import torch
from room import EYE, Room, look, record
from strip import Strip

from worldmodel.checkpoint import load_network
from worldmodel.data.clips import FrameStore
from worldmodel.errors import UserError
from worldmodel.model.atlas import Atlas, AtlasConfig
from worldmodel.train import atlases
from worldmodel.train.atlases import camera_of, middles, spread, train_atlas
from worldmodel.train.strides import fitted


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("room")
    record(folder / "train", range(6))
    record(folder / "heldout", [7, 8])
    return folder


@pytest.fixture
def plays(monkeypatch):
    monkeypatch.setattr(atlases, "open_game", lambda name, size: Room())


def test_a_map_is_learned_from_a_game_that_plays_again(data, tmp_path, plays, capsys):
    found = train_atlas(data, tmp_path, pictures=150)
    assert 75 < found.config.count <= 150 and found.config.camera == room.CAMERA
    figures = json.loads((tmp_path / "heldout.json").read_text())
    assert figures["view_psnr"] > 25 and figures["next_psnr"] > figures["repeated_psnr"] + 3
    assert "keeps" in capsys.readouterr().out
    loaded = load_network(tmp_path / "atlas.safetensors", Atlas, AtlasConfig)
    pose = (50.0, 60.0, 40.0, EYE)
    truth = torch.as_tensor(look(*pose)).movedim(-1, 0)
    assert (loaded(torch.tensor([pose]))[0] - truth).square().mean() < 3e-3


def test_a_stride_is_what_the_game_lets_one_do(data):
    """The same stride by two roads: as the room was written, and fitted to what it showed."""
    store, poses = FrameStore(data / "train"), []
    for span in store.episodes:
        game = Room()
        game.reset(span.seed)
        poses.append((*game.pose, EYE))
        for keys in store.controls[span.start + 1 : span.stop]:
            game.step(keys)
            poses.append((*game.pose, EYE))
    found = fitted(store, np.array(poses, np.float32), room.WALLS)
    assert found.config.opposites == (0, 1, 2, 3) and found.config.rise == 0
    true = room.stride()
    assert found.turn[1].item() == pytest.approx(room.TURN, abs=1e-3)
    assert torch.allclose(found.step[[0, -2, -1]], true.step[[0, -2, -1]], atol=0.02)
    assert found.config.radius == pytest.approx(8, abs=0.5)


def test_a_bob_is_fitted_with_its_period_and_height(data):
    store = FrameStore(data / "train")
    since = np.concatenate([np.arange(s.stop - s.start) for s in store.episodes])
    poses = np.zeros((len(store), 4), np.float32)
    poses[:, 0], poses[:, 1] = 20 + 3.0 * since, 40
    poses[:, 3] = 41 + 0.2 * 9 * np.sin(2 * np.pi * since / 7.5 + 1)
    poses[since == 0, 3] = 41
    found = fitted(store, poses, room.WALLS).config
    assert found.period == 7.5 and found.rise == pytest.approx(0.2, rel=0.1)
    assert found.eye == pytest.approx(41, abs=0.5) and found.highest == pytest.approx(1.8, abs=0.5)


def test_pictures_are_spread_over_all_places_and_ways_to_look():
    draw = np.random.default_rng(0)
    poses = draw.uniform(0, 360, (5000, 4)).astype(np.float32)
    few, many = spread(poses, 50), spread(poses, 500)
    assert 25 < len(few) <= 50 and 300 < len(many) <= 500
    assert len(np.unique(many)) == len(many) and len(spread(poses, 10_000)) == 5000
    same = np.repeat(poses[:1], 9, axis=0)
    assert middles(same, 30.0).tolist() == [0]


def test_mistakes_are_a_sentence(data, tmp_path, plays, monkeypatch):
    with pytest.raises(UserError, match="pictures must be at least 1 and episodes too"):
        train_atlas(data, tmp_path, pictures=0)
    monkeypatch.setattr(Room, "heights", np.array([[0, 96], [16, 96]], np.float32))
    with pytest.raises(UserError, match=r"room has 2 kinds of floors and ceilings, .* flat ones"):
        train_atlas(data, tmp_path)
    with pytest.raises(UserError, match="strip does not tell its walls and heights"):
        camera_of(Strip(), (16, 48))
    monkeypatch.setattr(Room, "pose", None)
    with pytest.raises(UserError, match="room does not tell where the player stands"):
        train_atlas(data, tmp_path)
