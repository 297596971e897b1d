"""A recording: film and episode."""

import zipfile
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
import pytest
from stub_engine import CONTROLS

from worldmodel.data.episode import EpisodeWriter, load_episode
from worldmodel.data.meta import Meta
from worldmodel.serve.recording import Recorder

META = Meta(
    fps=17.5,
    size=(96, 128),
    controls=CONTROLS,
    game="dream of stub",
    seed=3,
    player="person",
    licence="none",
)


@pytest.fixture
def worker():
    with ThreadPoolExecutor(1) as worker:
        yield worker


def frame(i: int) -> np.ndarray:
    return np.full((96, 128, 3), 10 * i, np.uint8)


def test_film_and_episode_hold_what_was_played(tmp_path, worker):
    recorder = Recorder(tmp_path / "take", META, frame(0), worker)
    for i in range(1, 6):
        recorder.append(frame(i), CONTROLS.vector(["forward"]), ("KeyW",))
    recording = recorder.finish().result(timeout=20)
    zipfile.ZipFile(recording.file("zip")).extractall(tmp_path / "out")
    episode = load_episode(tmp_path / "out" / "take")
    assert recording.frames == len(episode.frames) == 6
    assert episode.controls[:, 0].tolist() == [0, 1, 1, 1, 1, 1]
    assert episode.keys[1] == ("KeyW",)
    with av.open(str(recording.file("mp4"))) as film:
        stream = film.streams.video[0]
        frames = list(film.decode(stream))
        assert (stream.width, stream.height, stream.pix_fmt) == (512, 384, "yuv420p")
        assert len(frames) == 6
        assert float(stream.average_rate) == pytest.approx(17.5)
        assert abs(frames[5].to_ndarray(format="rgb24").mean() - 50) < 4


def test_each_level_is_an_episode_and_the_film_shows_all(tmp_path, worker):
    recorder = Recorder(tmp_path / "take", META, frame(0), worker)
    recorder.append(frame(1), CONTROLS.vector(["forward"]), ("KeyW",))
    recorder.begin_level(frame(0))
    recorder.append(frame(2), CONTROLS.vector(["backward"]), ("KeyS",))
    recorder.begin_level(frame(0))  # in which nothing is done any more
    recording = recorder.finish().result(timeout=20)
    zipfile.ZipFile(recording.file("zip")).extractall(tmp_path / "out")
    names = sorted(folder.name for folder in (tmp_path / "out").iterdir())
    assert names == ["take", "take-2"] and recording.frames == 4
    first, second = (load_episode(tmp_path / "out" / name) for name in names)
    assert first.meta.ended and second.meta.ended
    assert second.controls[:, :2].tolist() == [[0, 0], [0, 1]]
    with av.open(str(recording.file("mp4"))) as film:
        shown = [x.to_ndarray(format="rgb24").mean() for x in film.decode(film.streams.video[0])]
    assert np.allclose(shown, [0, 10, 0, 20], atol=4)
    assert {path.name for path in tmp_path.iterdir()} == {"out", "take.mp4", "take.zip"}


def test_what_is_discarded_leaves_nothing(tmp_path, worker):
    recorder = Recorder(tmp_path / "take", META, frame(0), worker)
    recorder.discard()
    worker.submit(int).result(timeout=10)
    assert list(tmp_path.iterdir()) == []


def test_a_frame_that_cannot_be_written_is_reported_at_the_end(tmp_path, worker):
    recorder = Recorder(tmp_path / "take", META, frame(0), worker)
    recorder.begin_level(frame(0))
    recorder.append(np.zeros((4, 4, 3), np.uint8), CONTROLS.vector(), ())
    with pytest.raises(ValueError, match="frame should be"):
        recorder.finish().result(timeout=20)
    assert list(tmp_path.iterdir()) == []


def test_a_level_that_cannot_be_finished_leaves_none_of_the_others(tmp_path, worker, monkeypatch):
    recorder = Recorder(tmp_path / "take", META, frame(0), worker)
    recorder.append(frame(1), CONTROLS.vector(), ())
    recorder.begin_level(frame(0))
    recorder.append(frame(1), CONTROLS.vector(), ())
    close = EpisodeWriter.close

    def full(writer):
        if writer.folder.name == "take-2":
            raise OSError("no space left on device")
        close(writer)

    monkeypatch.setattr(EpisodeWriter, "close", full)
    with pytest.raises(OSError, match="no space"):
        recorder.finish().result(timeout=20)
    assert list(tmp_path.iterdir()) == []
