"""The CS:GO set, built to the structure in the README of its authors (660 GB of it cannot be had
here): which frame an action belongs to, its colours, its damage."""

import h5py
import numpy as np
import pytest
from filming import imported
from painter import paint, read, some_controls

from worldmodel.data.importers.csgo import CONTROLS, KEYS, MOUSE_X, MOUSE_Y, WIDTH, decode
from worldmodel.errors import UserError

PLACES = [KEYS.index(key) for key in ("KeyA", "KeyD", "KeyW", "KeyS")]


def vector(keys=(), x=0, y=0):
    """A frame_i_y as the authors' dm_pretrain_process writes it."""
    out = np.zeros(WIDTH)
    out[[KEYS.index(key) for key in keys]] = 1
    out[len(KEYS) + MOUSE_X.index(x)] = 1
    out[len(KEYS) + len(MOUSE_X) + MOUSE_Y.index(y)] = 1
    return out


def recording(folder, controls, name="hdf5_dm_july2021_1.hdf5", change=lambda file: None):
    """y of frame i holds what produced frame i + 1."""
    folder.mkdir(exist_ok=True)
    after = [*controls[1:], np.zeros(6)]
    with h5py.File(folder / name, "w") as file:
        for index, (control, following) in enumerate(zip(controls, after, strict=True)):
            action = vector()
            action[PLACES] = following[:4]
            file[f"frame_{index}_x"] = paint(control)[:, :, ::-1]
            file[f"frame_{index}_y"] = action
            file[f"frame_{index}_xaux"] = np.zeros(54)
            file[f"frame_{index}_helperarr"] = np.zeros(2)
        change(file)
    return folder


def test_every_frame_shows_the_keys_that_are_stored_with_it(tmp_path):
    controls = some_controls(30)
    controls[:, 4:] = 0  # the set has no such keys
    (episode,) = imported(recording(tmp_path / "csgo", controls), tmp_path / "out")
    np.testing.assert_array_equal(episode.controls, controls)
    np.testing.assert_array_equal(read(episode.frames), episode.controls)
    assert (episode.meta.fps, episode.meta.game) == (16, "csgo")


def test_an_action_is_its_keys_and_the_middle_of_its_mouse_bins():
    keys, axes = decode("a.hdf5", 0, vector(["KeyW", "KeyR", "Mouse0"], x=-30, y=4))
    assert keys == ("KeyW", "KeyR", "Mouse0") and axes == {"look_x": -30.0, "look_y": 4.0}
    assert WIDTH == 51 and len(CONTROLS.buttons) == 13


def test_blue_comes_first_in_the_files(tmp_path):
    source = recording(tmp_path / "csgo", np.zeros((8, 6)))
    with h5py.File(source / "hdf5_dm_july2021_1.hdf5", "r+") as file:
        for index in range(8):
            file[f"frame_{index}_x"][:] = np.array([250, 10, 10], np.uint8)
    (episode,) = imported(source, tmp_path / "out")
    assert episode.frames[4, 8, 24].tolist() == pytest.approx([10, 10, 250], abs=12)


def test_files_named_in_diamonds_test_split_are_held_out(tmp_path):
    for number in (1, 2, 3):
        recording(tmp_path / "csgo", some_controls(8), f"hdf5_dm_july2021_{number}.hdf5")
    (tmp_path / "csgo" / "test_split.txt").write_text("hdf5_dm_july2021_2.hdf5\n")
    imported(tmp_path / "csgo", tmp_path / "out", heldout=0.5)
    assert [f.name for f in (tmp_path / "out" / "heldout").iterdir()] == ["hdf5_dm_july2021_2-000"]


def swap(name, value):
    def change(file):
        del file[name]
        if value is not None:
            file[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (swap("frame_3_y", None), "frame 3 of 8"),
        (swap("frame_3_y", np.zeros(50)), "frame 3 of 8"),
        (swap("frame_3_y", np.zeros(51)), "frame_3_y is no action"),
        (swap("frame_3_y", np.full(51, np.nan)), "frame_3_y is no action"),
        (swap("frame_3_x", np.zeros((8, 8, 3), np.uint8)), "frame 3 of 8"),
        (swap("frame_0_x", np.zeros((8, 8, 3))), "frame_0_x should be uint8"),
    ],
    ids=["lost", "short", "zeros", "NaN", "other size", "floats"],
)
def test_damage_is_named(tmp_path, change, says):
    source = recording(tmp_path / "csgo", some_controls(8), change=change)
    with pytest.raises(UserError, match=rf"hdf5_dm_july2021_1.hdf5 .*{says}"):
        imported(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("keep", [0, 100, 20_000])
def test_a_truncated_file_is_refused(tmp_path, keep):
    source = recording(tmp_path / "csgo", some_controls(40))
    path = source / "hdf5_dm_july2021_1.hdf5"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"july2021_1.hdf5 should be an HDF5 file"):
        imported(source, tmp_path / "out")
