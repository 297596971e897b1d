"""Labels for video without keys: read, doubted, and never put in the place of recorded ones."""

import json

import numpy as np
import pytest
import tiny
import torch
from strip import SPACE, Reader, record

from worldmodel.data.clips import FrameStore, known
from worldmodel.errors import UserError
from worldmodel.train import labels
from worldmodel.train.labels import decided, hide, label
from worldmodel.train.objectives.rectified_flow import FlowConfig
from worldmodel.train.stages import train_motion, train_tokenizer, train_world


@pytest.fixture
def data(tmp_path):
    """Four training episodes and a held-out one, in arrays with cached latents."""
    record(tmp_path / "data" / "train", [0, 2, 4, 6])
    record(tmp_path / "data" / "heldout", [1])
    np.save(tmp_path / "data" / "train" / "latents-abc.npy", np.zeros((240, 2), np.float16))
    np.save(tmp_path / "data" / "train" / "latents-abc-keys.npy", np.zeros((240, 2), np.float16))
    return tmp_path / "data"


@pytest.fixture
def sure_reader(monkeypatch):
    """A model that reads the strip without fail, and is sure of it."""

    class Sure(Reader):
        def __call__(self, pictures):
            return 20 * super().__call__(pictures)

    monkeypatch.setattr(labels, "load_idm", lambda path: (Sure(), SPACE))


def hidden_store(data, out, **options):
    hide(data, out, **options)
    return FrameStore(out / "train")


def test_three_of_four_episodes_lose_their_keys(data, tmp_path):
    store = hidden_store(data, tmp_path / "out", share=0.75)
    whole = [bool(known(store)[e.start : e.stop].all()) for e in store.episodes]
    none = [not known(store)[e.start : e.stop].any() for e in store.episodes]
    assert sum(whole) == 1 and sum(none) == 3
    heldout = FrameStore(tmp_path / "out" / "heldout")
    assert known(heldout).all()


def test_frames_are_linked_and_what_depends_on_keys_is_left(data, tmp_path):
    store = hidden_store(data, tmp_path / "out")
    for name in ("frames.npy", "latents-abc.npy"):
        assert (store.folder / name).samefile(data / "train" / name)
    assert not (store.folder / "latents-abc-keys.npy").exists()
    assert store.source != FrameStore(data / "train").source


def test_the_first_episodes_alone_are_copied(data, tmp_path):
    store = hidden_store(data, tmp_path / "out", episodes=2, share=0.5)
    assert len(store.episodes) == 2 and len(store) == 120
    assert np.array_equal(store.frames, FrameStore(data / "train").frames[:120])
    assert np.load(store.folder / "latents-abc.npy").shape == (120, 2)


def test_hidden_keys_come_back(data, tmp_path, sure_reader, capsys):
    hide(data, tmp_path / "hidden", share=0.75)
    label(tmp_path / "hidden", tmp_path / "out", against=data)
    store, truth = FrameStore(tmp_path / "out" / "train"), FrameStore(data / "train")
    assert list(np.flatnonzero(~known(store)) % 60) == [0, 0, 0]  # nothing comes before
    assert np.array_equal(store.controls[known(store)], truth.controls[known(store)])
    confidence = np.load(store.folder / "confidence.npy")
    assert confidence[~known(store)].max() == 0 and confidence[known(store)].min() > 0.99
    text = capsys.readouterr().out
    assert "train: 180 of 240 frames had no keys, 177 have now" in text
    assert "all buttons right in 1.000" in text


def test_what_is_doubted_stays_unknown(data, tmp_path, monkeypatch):
    monkeypatch.setattr(labels, "load_idm", lambda path: (Reader(), SPACE))  # logits of 0.5
    hide(data, tmp_path / "hidden", share=0.75)
    label(tmp_path / "hidden", tmp_path / "out", threshold=0.5)
    store = FrameStore(tmp_path / "out" / "train")
    assert known(store).sum() == 60
    assert np.load(store.folder / "confidence.npy").min() >= 0


def test_opposites_are_not_held_together_and_doubts_multiply():
    shares = torch.tensor([[0.8, 0.7, 0.1]])
    held, sure = decided(torch.logit(shares), SPACE)
    assert held.tolist() == [[1, 0, 0]]
    assert sure[0] == pytest.approx(0.8 * 0.3 * 0.9, abs=1e-5)


def test_recorded_keys_are_kept_unless_all_shall_be_read(data, tmp_path, sure_reader):
    label(data, tmp_path / "kept")
    label(data, tmp_path / "read", everything=True)
    truth = FrameStore(data / "train").controls
    assert np.array_equal(FrameStore(tmp_path / "kept" / "train").controls, truth)
    read = FrameStore(tmp_path / "read" / "train")
    assert known(read).sum() == 240 - 4
    assert np.array_equal(read.controls[known(read)], truth[known(read)])


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")  # norms in bf16
def test_a_world_and_its_motion_learn_where_keys_are_unknown(data, tmp_path):
    """Own pasts included: the second update dreams them under keys that nobody knows."""
    hide(data, tmp_path / "hidden", share=0.5)
    tokens, arrays = tmp_path / "tokenizer", tmp_path / "hidden"
    train_tokenizer(arrays, tokens, tiny.TOKENIZER, tiny.quick(steps=1))
    train_motion(arrays, tokens, tmp_path / "motion", tiny.MOTION, tiny.quick(steps=1, bf16=False))
    run, flow = tmp_path / "world", FlowConfig(clip=8, own_last=0.5)
    config = tiny.quick(steps=2, log_every=1)
    train_world(arrays, tokens, run, tiny.MOVING_WORLD, config, flow, tmp_path / "motion")
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert all(np.isfinite(line["loss"]) for line in lines if "loss" in line)
    (heldout,) = (line["heldout"] for line in lines if "heldout" in line)
    assert np.isfinite(heldout["shuffled_ratio"])


@pytest.mark.parametrize(
    ("out", "sentence"), [("data", "is the data itself"), ("other", "holds other things")]
)
def test_nothing_else_is_overwritten(data, tmp_path, sure_reader, out, sentence):
    record(tmp_path / "other" / "train", [8])
    with pytest.raises(UserError, match=sentence):
        label(data, tmp_path / out)
    assert not list(tmp_path.glob("*/.*"))


def test_a_threshold_that_is_no_probability_and_empty_folders_are_refused(tmp_path, sure_reader):
    with pytest.raises(UserError, match=r"in 0\.\.1, found 2"):
        label(tmp_path, tmp_path / "out", threshold=2)
    with pytest.raises(UserError, match="should hold arrays in train/ or heldout/"):
        label(tmp_path, tmp_path / "out")
