"""Videos as the world has them: variable rates, sound, odd shapes, damage and traps."""

from fractions import Fraction

import av
import numpy as np
import pytest
from filming import film, painted
from painter import some_controls

from worldmodel.data.importers.film import frames_of, probe
from worldmodel.data.importers.fit import fit
from worldmodel.errors import UserError

FRAMES = painted(some_controls(24))


def times_of(path):
    return [time for time, _ in frames_of(path)]


def test_frames_and_times_of_a_constant_rate(tmp_path):
    path = film(tmp_path / "a.mp4", FRAMES, fps=20)
    assert times_of(path) == pytest.approx([i / 20 for i in range(24)])
    decoded = np.stack([picture() for _, picture in frames_of(path)])
    assert np.abs(decoded.astype(int) - FRAMES).max() < 40
    assert (probe(path).fps, probe(path).size, probe(path).frames) == (20, (16, 48), 24)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_a_variable_rate_keeps_its_times(tmp_path, name):
    times = np.cumsum([0, *([0.01, 0.05, 0.033, 0.2] * 6)])[:24].round(3)
    assert times_of(film(tmp_path / name, FRAMES, times=times)) == pytest.approx(times, abs=1e-3)


def test_sound_is_passed_over(tmp_path):
    path = film(tmp_path / "a.mp4", FRAMES, audio=True)
    with av.open(str(path)) as container:
        assert len(container.streams.audio) == 1
    assert len(times_of(path)) == 24


def test_reading_can_begin_inside(tmp_path):
    path = film(tmp_path / "a.mp4", FRAMES, fps=20)
    assert [t for t, _ in frames_of(path, 0.5)] == pytest.approx([i / 20 for i in range(10, 24)])


def test_pixels_that_are_not_square_become_square(tmp_path):
    path = film(tmp_path / "a.mp4", FRAMES, sar=Fraction(2))
    assert probe(path).size == (16, 96)
    assert next(frames_of(path))[1]().shape == (16, 96, 3)


def test_a_video_that_lies_on_its_side_is_set_upright(tmp_path):
    picture = np.zeros((16, 48, 3), np.uint8)
    picture[:, :24] = 255  # the left half is white
    path = film(tmp_path / "a.mp4", [picture] * 3)
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    turn = (0, 1, 0, -1, 0, 0, 16, 0)  # a quarter to the right, as a phone writes it
    data[matrix : matrix + 32] = b"".join((x << 16).to_bytes(4, "big", signed=True) for x in turn)
    path.write_bytes(data)
    upright = next(frames_of(path))[1]()
    assert upright.shape == (48, 16, 3)
    assert upright[:20].min() > 200 and upright[28:].max() < 60  # the left has become the top


def test_a_truncated_video_is_refused(tmp_path):
    whole = film(tmp_path / "a.mp4", [*FRAMES] * 5, options={"crf": "1", "movflags": "faststart"})
    (tmp_path / "index-lost.mp4").write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(UserError, match=r"index-lost.mp4 .*cannot be opened"):
        times_of(tmp_path / "index-lost.mp4")


def test_a_video_that_ends_before_its_index_says_is_refused(tmp_path):
    path = tmp_path / "a.mp4"
    noise = np.random.default_rng(0).integers(0, 255, (40, 64, 64, 3)).astype(np.uint8)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=20)
        stream.height = stream.width = 64
        for picture in noise:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(UserError, match=r"a.mp4 (ends after|cannot be decoded after) frame \d+"):
        times_of(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "cannot be opened"), (b"no video at all" * 99, "cannot be opened")],
)
def test_what_is_no_video_is_refused(tmp_path, content, says):
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(UserError, match=says):
        probe(tmp_path / "a.mp4")


def test_a_playlist_in_the_place_of_a_video_reads_no_other_file(tmp_path):
    film(tmp_path / "secret.ts", FRAMES)
    (tmp_path / "a.mp4").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\n{tmp_path}/secret.ts\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises(UserError, match="cannot be opened"):
        probe(tmp_path / "a.mp4")


def test_a_name_that_looks_like_an_address_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    film(tmp_path / "x.mp4", FRAMES).rename("concat:x\n.mp4")
    (path,) = type(tmp_path)().glob("*.mp4")
    assert len(times_of(path)) == 24


def test_an_absurd_size_in_a_tiny_file_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = film(tmp_path / "a.mp4", FRAMES)
    monkeypatch.setattr("worldmodel.data.importers.film.MAX_PIXELS", 16 * 48 - 1)
    with pytest.raises(UserError, match=r"a.mp4 has frames of 48x16; at most"):
        probe(path)


def test_an_absurd_duration_in_a_tiny_file_is_refused(tmp_path):
    path = film(tmp_path / "a.mkv", FRAMES[:2], times=[0.0, 1e6])
    with pytest.raises(UserError, match=r"claims to last 278 hours"):
        probe(path)


def test_a_frame_that_is_larger_than_the_header_says_is_not_decoded(tmp_path, monkeypatch):
    path = film(tmp_path / "a.mp4", FRAMES)
    monkeypatch.setattr("worldmodel.data.importers.film._stream", small_header)
    monkeypatch.setattr("worldmodel.data.importers.film.MAX_PIXELS", 16 * 48 - 1)
    with pytest.raises(UserError, match="grows beyond what is read at frame 0"):
        times_of(path)


def small_header(path, container):
    return container.streams.video[0]


@pytest.mark.parametrize(
    ("how", "left", "middle"), [("crop", 200, 200), ("letterbox", 0, 200), ("stretch", 200, 200)]
)
def test_fitting_a_square_into_a_wide_frame(how, left, middle):
    out = fit(np.full((30, 30, 3), 200, np.uint8), (16, 48), how)
    assert out.shape == (16, 48, 3) and out.dtype == np.uint8
    assert (out[8, 1, 0], out[8, 24, 0]) == (left, middle)


def test_an_unknown_way_of_fitting_is_refused():
    with pytest.raises(UserError, match="crop, letterbox, stretch"):
        fit(np.zeros((4, 4, 3), np.uint8), (16, 16), "squeeze")


def test_a_video_of_which_the_beginning_is_not_to_be_shown_is_whole(tmp_path):
    """A cut by an edit list: the index counts frames that are never shown."""
    path = film(tmp_path / "a.mp4", FRAMES)
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 4 + 8
    length, begin = (int.from_bytes(data[at + i : at + i + 4], "big") for i in (0, 4))
    tick = probe(path)
    with av.open(str(path)) as container:
        quarter = round(0.25 / container.streams.video[0].time_base)
    data[at : at + 4] = (length - 250).to_bytes(4, "big")
    data[at + 4 : at + 8] = (begin + quarter).to_bytes(4, "big")
    path.write_bytes(data)
    assert len(times_of(path)) < tick.frames == probe(path).frames
