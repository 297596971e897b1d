"""The judge of places: the game tells its poses by playing again, and its map is learned."""

import json

import numpy as np
import pytest
import torch
from strip import SIZE, Strip, record

from worldmodel.data.clips import FrameStore
from worldmodel.errors import UserError
from worldmodel.model.pose import PoseConfig, pose_errors
from worldmodel.model.tokenizer import to_float
from worldmodel.train import places
from worldmodel.train.places import different, largest_step, load_pose, small_of, train_pose

SIZES = PoseConfig(game="any", height=8, width=24, components=16)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Episodes of one map: the strip draws it from its seed, so all seeds are alike here."""
    folder = tmp_path_factory.mktemp("strip")
    record(folder / "train", [3, 3, 3, 3])
    record(folder / "heldout", [3])
    return folder


def test_a_map_is_learned_from_a_game_that_plays_again(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(places, "open_game", lambda name, size: Strip())
    found = train_pose(data, tmp_path, SIZES)
    assert np.load(tmp_path / "poses-train.npy").shape == (240, 3)
    assert json.loads((tmp_path / "heldout.json").read_text())["followed_median_degrees"] < 3
    assert "held-out" in capsys.readouterr().out
    loaded, store = load_pose(tmp_path), FrameStore(data / "train")
    assert loaded.config.game == "strip" and loaded.config.pictures == len(found.known)
    for name, tensor in found.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name
    pictures = to_float(torch.from_numpy(np.array(store.frames[1:12])))
    poses = torch.from_numpy(np.load(tmp_path / "poses-train.npy"))
    followed = loaded.follow(pictures, poses[0])
    assert pose_errors(followed, poses[1:12])[:, 1].max() < 3  # it turns by 12 degrees
    assert followed[0, :2].tolist() == pytest.approx([10, -5], abs=1e-3)


def test_poses_that_were_told_are_not_asked_for_again(data, tmp_path, monkeypatch):
    monkeypatch.setattr(places, "open_game", lambda name, size: Strip())
    first = train_pose(data, tmp_path, SIZES, episodes=2)
    monkeypatch.setattr(Strip, "reset", lambda self, seed: pytest.fail("played again"))
    second = train_pose(data, tmp_path, SIZES, episodes=2)
    assert torch.equal(first.codes, second.codes)


def test_steps_do_not_lead_from_one_episode_to_the_next(data):
    store = FrameStore(data / "train")
    poses = np.zeros((240, 3), np.float32)
    poses[:, 0] = np.arange(240) % 60 * 2.0
    poses[:, 2] = np.arange(240) % 60 * 5.0
    assert largest_step(store, poses).tolist() == pytest.approx([2, 5])


def test_of_pictures_at_one_place_the_first_is_kept():
    poses = np.array([[0, 0, 0], [0.1, 0, 0], [0, 0, 1], [0, 0, 4], [3, 0, 0]], np.float32)
    assert different(poses, np.array([5.0, 7.0])).tolist() == [0, 3, 4]


def test_a_game_is_played_small_where_its_size_divides():
    assert small_of((96, 128)) == (24, 32)
    assert small_of(SIZE) == SIZE and small_of((90, 120)) == (90, 120)


def test_a_game_without_poses_and_other_mistakes_are_a_sentence(data, tmp_path, monkeypatch):
    class Blind(Strip):
        pose = None

    monkeypatch.setattr(places, "open_game", lambda name, size: Blind())
    with pytest.raises(UserError, match="strip does not tell where the player stands"):
        train_pose(data, tmp_path, SIZES)
    with pytest.raises(UserError, match="at least 1, or 0 for all, found -1"):
        train_pose(data, tmp_path, SIZES, episodes=-1)
    with pytest.raises(UserError, match=r"pose\.safetensors is missing.*worldmodel train pose"):
        load_pose(tmp_path)
