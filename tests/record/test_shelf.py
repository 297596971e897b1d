"""Where the next episode goes."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from painter import META, write

from worldmodel.data.learned import learned
from worldmodel.data.live import recording_of
from worldmodel.errors import UserError
from worldmodel.record.shelf import Shelf, repair_and_tell


def put(folder, frames=3, **changes):
    return write(folder, np.zeros((frames, 6), np.float32), **changes)


def test_one_frame_in_ten_is_held_out_from_the_second_episode_on(tmp_path):
    shelf, splits = Shelf(tmp_path), []
    for _ in range(25):
        splits.append(shelf.split())
        shelf.count(splits[-1], META, 100)
    assert splits[:2] == ["train", "heldout"] and splits.count("heldout") == 3
    assert splits[2:11] == ["train"] * 9


def test_what_is_there_already_counts(tmp_path):
    put(tmp_path / "train" / "a", 10)
    assert Shelf(tmp_path).split() == "heldout"
    assert Shelf(tmp_path, "train").split() == "train"


def test_names_are_times_and_never_taken_twice(tmp_path):
    shelf = Shelf(tmp_path, clock=lambda: "noon")
    assert shelf.named_by_time("train") == tmp_path / "train" / "noon"
    put(tmp_path / "train" / "noon")
    recording_of(tmp_path / "train" / "noon-2").mkdir()
    assert shelf.named_by_time("train").name == "noon-3"


def test_seeds_are_new_and_never_in_both_splits(tmp_path):
    put(tmp_path / "train" / "a", seed=2)
    shelf = Shelf(tmp_path)
    assert list(islice(shelf.seeds("train"), 3)) == [0, 4, 6]
    assert list(islice(shelf.seeds("heldout"), 2)) == [1, 3]
    assert next(shelf.seeds("train", 5)) == 10


@pytest.mark.parametrize(
    "change", [{"size": (16, 32)}, {"fps": 20.0}, {"controls": learned(["KeyW"])}]
)
def test_other_episodes_in_the_folder_are_a_sentence(tmp_path, change):
    put(tmp_path / "train" / "a")
    shelf = Shelf(tmp_path)
    assert shelf.check(META) == META
    with pytest.raises(UserError, match=r"holds episodes of 48x16 at 17\.5 frames/s with left"):
        shelf.check(replace(META, **change))


def test_learned_controls_begin_with_what_is_known(tmp_path):
    meta = replace(META, controls=learned(["KeyA"]))
    shelf = Shelf(tmp_path)
    shelf.count("train", meta, 5)
    new = shelf.check(replace(META, controls=learned(())))
    assert new.controls == learned(["KeyA"])
    with pytest.raises(UserError, match="no buttons and look_x were asked"):
        shelf.check(replace(META, controls=learned((), ("look_x",))))


def test_an_unknown_split_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match="auto, train, heldout, not 'test'"):
        Shelf(tmp_path, "test")


def test_a_file_is_no_data_set(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(UserError, match="is a file"):
        Shelf(tmp_path / "f")


def test_repairs_are_told(tmp_path, capsys):
    recording_of(tmp_path / "train" / "a").mkdir(parents=True)
    assert repair_and_tell(tmp_path) == 1 and repair_and_tell(tmp_path) == 0
    assert "a: held nothing yet; removed" in capsys.readouterr().out
