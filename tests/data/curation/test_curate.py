"""A view shows what the rules leave, reads as arrays do, and says what went and why."""

import json

import numpy as np
import pytest
from panorama import recordings, write_arrays

from worldmodel import cli
from worldmodel.data.clips import ClipSampler, FrameStore, gather
from worldmodel.data.curation.curate import curate
from worldmodel.data.curation.rules import Balance, Black, Rules, Split, Still
from worldmodel.data.latents import encode_store
from worldmodel.data.provenance import (
    describe_checkpoint,
    describe_sources,
    read_sources,
    source_of,
)
from worldmodel.errors import UserError


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two splits; in the first episode's middle nothing happens, in the second it is dark."""
    folder = tmp_path_factory.mktemp("arrays")
    episodes = recordings(count=5, length=120)
    episodes[0].controls[40:90], episodes[0].frames[40:90] = 0, episodes[0].frames[39]
    episodes[1].frames[50:60] = 0
    write_arrays(folder / "train", episodes[:4])
    write_arrays(folder / "heldout", episodes[4:])
    return folder


RULES = Rules(idle=Still(keep=10), black=Black())


@pytest.fixture(scope="module")
def view(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("views") / "view"
    return out, curate(data, RULES, out)


def test_what_is_left_out_is_counted_and_listed(view):
    out, figures = view
    assert figures["heldout"] == {"kept": 120}
    assert figures["train"]["black"] == 10 and 38 <= figures["train"]["idle"] <= 50
    text = (out / "train" / "left_out.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert {"episode": "train/000001", "first": 50, "count": 10, "reason": "black"} in lines
    assert sum(line["count"] for line in lines) + figures["train"]["kept"] == 480
    assert not list(out.glob("*/*.npy")), "nothing is copied"


def test_a_view_reads_as_arrays_do(data, view):
    source, store = FrameStore(data / "train"), FrameStore(view[0] / "train")
    assert len(store) == view[1]["train"]["kept"] == len(store.frames) == len(store.motion)
    spans = [s for s in store.episodes if s.name.startswith("000001")]
    assert [s.name for s in spans] == ["000001+0", "000001+60"]
    later = spans[1]
    rows = slice(120 + 60, 240)
    np.testing.assert_array_equal(store.frames[later.start : later.stop], source.frames[rows])
    np.testing.assert_array_equal(store.controls[later.start : later.stop], source.controls[rows])
    assert store.motion[later.start] == 0
    np.testing.assert_array_equal(
        store.motion[later.start + 1 : later.stop], source.motion[rows][1:]
    )


def test_a_view_of_one_whole_episode_can_be_read(data, view):
    store, source = FrameStore(view[0] / "heldout"), FrameStore(data / "heldout")
    np.testing.assert_array_equal(store.frames[:], source.frames)
    np.testing.assert_array_equal(store.motion, source.motion)


def test_clips_are_drawn_from_what_is_left(data, view):
    store = FrameStore(view[0] / "train")
    starts = ClipSampler(store.episodes, store.motion, length=8, seed=0).draw(0, 200)
    clips = gather(store.frames, starts, 8)
    assert clips.shape == (200, 8, 24, 32, 3) and clips.max((1, 2, 3, 4)).min() > 16
    assert np.asarray(store.frames[np.array([3, 1])]).shape == (2, 24, 32, 3)


def means(frames):
    return frames.reshape(len(frames), 1, -1).mean(2, keepdims=True).astype(np.float32)


def test_latents_of_the_source_are_shown_and_others_encoded(data, view):
    store = FrameStore(view[0] / "train")
    own = encode_store(store.folder, means, "own")
    assert (store.folder / "latents-own.npy").exists() and len(own) == len(store)
    encode_store(data / "train", means, "shared")
    shown = encode_store(store.folder, means, "shared")
    assert not (store.folder / "latents-shared.npy").exists()
    np.testing.assert_array_equal(shown[:], own)


def test_a_view_can_be_curated_again(view, tmp_path):
    curate(view[0] / "train", Rules(shortest=61), tmp_path / "again")
    store = FrameStore(tmp_path / "again" / "train")
    assert min(span.stop - span.start for span in store.episodes) >= 61
    first = FrameStore(view[0] / "train")
    np.testing.assert_array_equal(store.frames[:5], first.frames[-len(store) :][:5])


def test_splitting_anew_keeps_a_seed_on_one_side(data, tmp_path):
    curate(data, Rules(split=Split(heldout=0.5)), tmp_path / "out")
    sides = [
        {s.seed for s in FrameStore(tmp_path / "out" / x).episodes} for x in ("train", "heldout")
    ]
    assert not sides[0] & sides[1] and sides[0] | sides[1] == set(range(5))


def test_balance_thins_keys(data, tmp_path):
    rules = Rules(shortest=8, balance=Balance(keys=0.2))
    figures = curate(data / "train", rules, tmp_path / "out")["train"]
    assert figures["too many of these keys"] >= 24 and "too many of these pictures" not in figures


def test_balance_thins_places(data, tmp_path):
    rules = Rules(shortest=8, balance=Balance(places=0.6, kinds=2))
    figures = curate(data / "train", rules, tmp_path / "out")["train"]
    assert figures["too many of these pictures"] >= 24
    assert figures["kept"] > 100


def test_sources_that_changed_are_refused(data, tmp_path):
    episodes = recordings(count=2, length=60)
    source = write_arrays(tmp_path / "data" / "train", episodes)
    curate(tmp_path / "data", Rules(), tmp_path / "view")
    record = json.loads((source / "episodes.json").read_text())
    (source / "episodes.json").write_text(json.dumps({**record, "source": "others"}))
    with pytest.raises(UserError, match=r"have changed since; delete .*worldmodel curate again"):
        FrameStore(tmp_path / "view" / "train")


def test_rules_that_leave_nothing_are_refused(data, tmp_path):
    with pytest.raises(UserError, match="leave nothing"):
        curate(data, Rules(shortest=1000), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_arrays_are_never_overwritten(data):
    with pytest.raises(UserError, match="holds what is chosen from"):
        curate(data, RULES, data)


def test_a_view_is_not_replaced_by_one_that_shows_it(data, tmp_path):
    curate(data, RULES, tmp_path / "first")
    curate(tmp_path / "first", Rules(), tmp_path / "second")
    for source in ("first", "second"):
        with pytest.raises(UserError, match="holds what is chosen from"):
            curate(tmp_path / source / "train", Rules(), tmp_path / "first")
    assert FrameStore(tmp_path / "second" / "train").rules == Rules().to_json()


def test_recordings_are_never_replaced(data, tmp_path):
    """Data sets have train/ and heldout/ too: a view must not take their place."""
    episode = tmp_path / "doom" / "train" / "000000"
    episode.mkdir(parents=True)
    (episode / "meta.json").write_text("{}")
    with pytest.raises(UserError, match=r"doom/train holds other things than a view; choose"):
        curate(data, RULES, tmp_path / "doom")
    assert (episode / "meta.json").exists() and not (tmp_path / "doom" / "heldout").exists()


def test_a_view_takes_the_place_of_the_one_before(data, tmp_path):
    curate(data, Rules(), tmp_path / "out")
    curate(data / "train", RULES, tmp_path / "out")
    assert [path.name for path in tmp_path.glob("out/*")] == ["train"]
    assert FrameStore(tmp_path / "out" / "train").rules == RULES.to_json()


def test_what_is_linked_into_a_view_stays(data, tmp_path):
    """Held-out episodes of another set, to judge on."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "heldout").symlink_to(data / "heldout")
    for _ in range(2):
        curate(data / "train", Rules(), tmp_path / "out")
    assert (tmp_path / "out" / "heldout" / "frames.npy").exists()
    with pytest.raises(UserError, match="heldout holds other things than a view"):
        curate(data, Rules(), tmp_path / "out")


def test_the_card_says_what_a_network_was_trained_on(data, view):
    whole, curated = (source_of(FrameStore(p / "train")) for p in (data, view[0]))
    assert whole["rules"] is None and curated["rules"] == RULES.to_json()
    assert whole["seeds"] == curated["seeds"] == [0, 1, 2, 3]
    assert whole["episodes"] != curated["episodes"]
    text = describe_sources([whole, curated])
    assert "480 frames of 4 seeds, every frame" in text and '"idle"' in text


def test_a_card_that_somebody_wrote_stays(view, tmp_path):
    sources = [source_of(FrameStore(view[0] / "train"))]
    describe_checkpoint(tmp_path, "A world", sources)
    card = tmp_path / "card.md"
    assert card.read_text().startswith("# A world\n") and '"idle"' in card.read_text()
    card.write_text("By hand.")
    describe_checkpoint(tmp_path, "A world", sources)
    assert card.read_text() == "By hand." and read_sources(tmp_path) == sources


def test_the_command_prints_what_went_and_why(data, tmp_path, capsys):
    (tmp_path / "rules.toml").write_text("[black]\n")
    words = ["curate", str(data), str(tmp_path / "rules.toml"), str(tmp_path / "out")]
    assert cli.main(words) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].endswith("heldout: 120 frames")
    assert [line.split() for line in out if "black" in line] == [["black", "10", "2.1%"]]
