"""An import as a whole: all or nothing, resumable, ready for prepare, honest on what it lacks."""

import inspect
import json
import sys

import numpy as np
import pytest
from filming import film, imported, notes, painted
from painter import read, some_controls
from PIL import Image
from test_vpt import recording

from worldmodel import cli
from worldmodel.cli import importing
from worldmodel.data.clips import FrameStore, labelled
from worldmodel.data.importers import run as running
from worldmodel.data.importers.files import slug, unique
from worldmodel.data.importers.gameplay import import_gameplay
from worldmodel.data.meta import load_meta
from worldmodel.data.prepare import prepare
from worldmodel.data.report import button_shares, describe
from worldmodel.errors import UserError


def sessions(folder, names, frames=12):
    for number, name in enumerate(names):
        recording(folder, some_controls(frames, number), name=f"{name}-a-20220315-120000")
    return folder


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_prepare_takes_what_was_imported(tmp_path):
    out = tmp_path / "out"
    imported(sessions(tmp_path / "vpt", "abc"), out, heldout=0.3)
    store = FrameStore(prepare(out, workers=1) / "train")
    assert len(store) == 24 and store.fps == 20
    np.testing.assert_array_equal(read(np.asarray(store.frames)), store.controls)
    seeds = [span.seed for span in store.episodes]
    assert len(set(seeds)) == 2 and not any(seed % 2 for seed in seeds)
    assert FrameStore(out / "arrays" / "heldout").episodes[0].seed % 2 == 1


def test_videos_without_keys_are_unknown_all_the_way(tmp_path):
    out, clips = tmp_path / "out", tmp_path / "clips"
    imported(sessions(tmp_path / "vpt", "a"), out)
    clips.mkdir()
    film(clips / "some walk.mp4", painted(some_controls(12)))
    (episode,) = imported(clips, tmp_path / "more", format="video")
    assert episode.meta.actions == "unknown" and not episode.controls.any()
    (folder,) = (tmp_path / "more" / "train").iterdir()
    assert json.loads((folder / "meta.json").read_text())["actions"] == "unknown"
    folder.rename(out / "train" / folder.name)  # one collection of both
    store = FrameStore(prepare(out, workers=1) / "train")
    known = [span.actions for span in store.episodes]
    assert known == ["known", "unknown"] and len(labelled(store.episodes)) == 1
    assert np.isnan(store.controls[12:]).all() and not np.isnan(store.controls[:12]).any()
    assert "actions unknown: 50%" in describe(store)
    shares = button_shares(store)
    assert shares["none"] == pytest.approx(np.mean(~(store.controls[:12] > 0.5).any(1)))


def test_videos_are_not_imported_without_their_keys_unless_asked(tmp_path):
    film(tmp_path / "a.mp4", painted(some_controls(4)))
    with pytest.raises(UserError, match="--format video"):
        import_gameplay(tmp_path, tmp_path / "out")


def test_a_killed_import_goes_on_and_ends_with_the_same_files(tmp_path, monkeypatch):
    source = sessions(tmp_path / "vpt", "abc")
    imported(source, tmp_path / "whole")
    write, calls = running._write, []

    def interrupted(*given):
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return write(*given)

    monkeypatch.setattr(running, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        imported(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    imported(source, tmp_path / "out")
    assert len(calls) == 4  # the first recording was not written again
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert not list(tmp_path.glob(".*"))


def test_an_import_is_not_continued_with_other_settings(tmp_path, monkeypatch):
    source = sessions(tmp_path / "vpt", "a")
    with monkeypatch.context() as patch:
        patch.setattr(running, "_write", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            imported(source, tmp_path / "out")
    with pytest.raises(UserError, match=r".out.partial holds an import that was begun with other"):
        imported(source, tmp_path / "out", fit="stretch")


def damaged(folder):
    (path,) = folder.glob("b-*.mp4")
    path.write_bytes(path.read_bytes()[:300])


def test_a_damaged_recording_stops_the_import_and_leaves_no_collection(tmp_path):
    source = sessions(tmp_path / "vpt", "abc")
    damaged(source)
    with pytest.raises(UserError, match=r"b-a-20220315-120000.mp4 .*--skip-damaged"):
        imported(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    episodes = imported(source, tmp_path / "out", skip_damaged=True)
    assert len(episodes) == 2


def test_damage_that_shows_late_leaves_no_part_of_its_recording(tmp_path):
    source = sessions(tmp_path / "vpt", "ab", frames=40)
    (path,) = source.glob("b-*.jsonl")
    path.write_text(path.read_text()[:-30])
    with pytest.raises(UserError, match=r"b-a-20220315-120000.jsonl line 40"):
        imported(source, tmp_path / "out", longest=10)
    assert not (tmp_path / "out").exists()
    episodes = imported(source, tmp_path / "out", skip_damaged=True, longest=10)
    assert len(episodes) == 4 and "left out" in notes(tmp_path / "out")
    assert {f.name[0] for f in (tmp_path / "out" / "train").iterdir()} == {"a"}


def test_when_everything_is_damaged_nothing_is_left(tmp_path):
    source = sessions(tmp_path / "vpt", "b")
    (path,) = source.glob("*.jsonl")
    path.write_text("{\n" * 12)
    with pytest.raises(UserError, match="every recording was left out"):
        imported(source, tmp_path / "out", skip_damaged=True)
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".*"))


def test_what_exists_is_not_overwritten(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="exists already"):
        import_gameplay(sessions(tmp_path / "vpt", "a"), tmp_path / "out")


def test_long_recordings_are_cut_and_short_pieces_left_out(tmp_path):
    source = sessions(tmp_path / "vpt", "a", frames=45)
    episodes = imported(source, tmp_path / "out", longest=20, shortest=6)
    assert [len(e.frames) for e in episodes] == [20, 20]
    assert "5 frames in pieces of less than 6" in notes(tmp_path / "out")


@pytest.mark.parametrize("fit", ["crop", "letterbox", "stretch"])
def test_any_size_can_be_asked_for(tmp_path, fit):
    source = sessions(tmp_path / "vpt", "a")
    (episode,) = imported(source, tmp_path / fit, size=(32, 32), fit=fit)
    assert episode.frames.shape[1:] == (32, 32, 3)
    black = (episode.frames[5, :8] < 16).all()
    assert black == (fit == "letterbox")


def test_a_shift_is_in_frames_of_the_source(tmp_path):
    source = sessions(tmp_path / "vpt", "a")
    (as_it_is,) = imported(source, tmp_path / "one")
    (shifted,) = imported(source, tmp_path / "two", shift=2)
    np.testing.assert_array_equal(shifted.controls[3:], as_it_is.controls[1:-2])


def test_the_preview_writes_a_picture_and_nothing_else(tmp_path, capsys):
    source = sessions(tmp_path / "vpt", "ab")
    before = contents(tmp_path)
    words = [str(source), str(tmp_path / "out"), "--size", "16", "48", "--preview"]
    assert cli.main(["import", *words]) == 0
    assert set(contents(tmp_path)) - set(before) == {"out-preview.png"}
    said = capsys.readouterr().out
    assert "vpt: 2 recordings; nothing is written yet" in said
    assert "48x16 at 20 a second become 48x16 at 20" in said
    assert "taken to produce frame i+1" in said and "KeyW forward" in said
    with Image.open(tmp_path / "out-preview.png") as sheet:
        assert sheet.width > 400


def test_every_flag_is_a_parameter(capsys, tmp_path):
    assert set(importing.IMPORT) < set(inspect.signature(import_gameplay).parameters)
    assert cli.main(["import", str(tmp_path / "nowhere"), str(tmp_path / "out")]) == 2
    assert "nowhere is not there; name a folder of recordings" in capsys.readouterr().err


def test_a_format_whose_reader_is_not_installed_says_what_to_install(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "a.hdf5").write_bytes(b"")
    assert cli.main(["import", str(tmp_path), str(tmp_path / "out")]) == 2
    assert 'pip install "worldmodel[import]"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"size": (15, 48)}, "two even numbers"),
        ({"fps": 0.0}, "fps should be 1 to 240"),
        ({"fit": "squeeze"}, "crop, letterbox, stretch"),
        ({"heldout": 1.5}, "heldout should be 0 to 0.9"),
        ({"gap": -1.0}, "gap should be more than 0"),
        ({"longest": 4}, "shortest 16 to longest 4"),
        ({"format": "laserdisc"}, "no format 'laserdisc'"),
    ],
)
def test_what_cannot_be_done_is_refused(tmp_path, settings, says):
    with pytest.raises(UserError, match=says):
        import_gameplay(tmp_path, tmp_path / "out", **settings)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(UserError, match="no recording of a format that is known"):
        import_gameplay(tmp_path, tmp_path / "out")
    with pytest.raises(UserError, match="is not there"):
        import_gameplay(tmp_path / "nowhere", tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "safe"),
    [("../../etc/passwd", "etc-passwd"), (".hidden", "hidden"), ("a\nb\x00c", "a-b-c"),
     ("ünï code", "n-code"), ("", "recording"), ("...", "recording"), ("x" * 300, "x" * 80)],
)  # fmt: skip
def test_names_become_safe(name, safe):
    assert slug(name) == safe


def test_names_become_unique_whatever_their_case():
    assert unique(["a", "A", "a", "a-2"]) == ["a", "A-2", "a-3", "a-2-2"]


def test_a_hostile_file_name_ends_as_a_plain_folder_and_a_plain_sentence(tmp_path):
    name = "..\n\x1b[31mevil; rm -rf -a-20220315-120000"
    source = recording(tmp_path / "vpt", some_controls(12), name=name)
    imported(source, tmp_path / "out")
    (folder,) = (tmp_path / "out" / "train").iterdir()
    assert folder.name == slug(name) + "-000" and folder.name.isprintable()
    source_said = load_meta(folder)[0].source
    assert "\n" not in source_said and "\x1b" not in source_said
    next(source.glob("*.jsonl")).write_text("{")
    with pytest.raises(UserError) as error:
        imported(source, tmp_path / "again")
    assert "\n" not in str(error.value) and "\x1b" not in str(error.value)
