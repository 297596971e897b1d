"""Pictures in and recordings out."""

import contextlib
import http.client
import io
import zipfile

import pytest
from PIL import Image
from serving import picture
from stub_engine import held_in

from worldmodel.data.episode import load_episode


def fetch(served, method, path, token, body=b""):
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, path, body, {"authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_a_recording_downloads_for_its_player_alone(serve, tmp_path):
    served = serve()
    player = served.player()
    player.until("state", phase="playing")
    player.send(t="record", on=True)
    player.until("state", recording=True)
    player.send(t="in", seq=1, keys=["KeyW"])
    player.frame_where(lambda h: h.seq == 1)
    player.frame()
    player.send(t="record", on=False)
    while not (state := player.until("state", recording=False))["recordings"]:
        pass
    [recording] = state["recordings"]
    path = f"/play/recording/{recording['name']}.zip"
    status, data = fetch(served, "GET", path, player.token)
    assert status == 200
    zipfile.ZipFile(io.BytesIO(data)).extractall(tmp_path / "out")
    episode = load_episode(tmp_path / "out" / recording["name"])
    assert len(episode.frames) == recording["frames"]
    for frame, control in list(zip(episode.frames, episode.controls, strict=True))[1:]:
        assert held_in(frame) == episode.meta.controls.pressed(control)
    assert fetch(served, "GET", path, served.server.mint.mint())[0] == 401
    assert fetch(served, "GET", path, "forged")[0] == 401
    assert fetch(served, "GET", "/play/recording/other.zip", player.token)[0] == 404
    assert fetch(served, "GET", path.replace(".zip", ".exe"), player.token)[0] == 404


def test_a_recording_has_an_episode_for_each_level(serve, tmp_path):
    served = serve(engine={"level": 7})
    player = served.player()
    player.until("state", phase="playing")
    player.send(t="record", on=True)
    player.until("state", recording=True)
    begun = player.frame()[0].frame
    player.frame_where(lambda h: h.frame > begun + 15)
    player.send(t="record", on=False)
    while not (state := player.until("state", recording=False))["recordings"]:
        pass
    [recording] = state["recordings"]
    _, data = fetch(served, "GET", f"/play/recording/{recording['name']}.zip", player.token)
    zipfile.ZipFile(io.BytesIO(data)).extractall(tmp_path / "out")
    episodes = [load_episode(folder) for folder in sorted((tmp_path / "out").iterdir())]
    assert len(episodes) >= 3 and len(episodes[1].frames) == 7
    assert all(episode.meta.ended for episode in episodes[:-1])
    assert not any(episode.controls[0].any() for episode in episodes)
    assert sum(len(episode.frames) for episode in episodes) == recording["frames"]


def test_starting_anew_ends_the_recording(serve):
    player = serve().player()
    player.until("state", phase="playing")
    player.send(t="record", on=True)
    player.until("state", recording=True)
    player.send(t="reset")
    while not player.until("state", recording=False)["recordings"]:
        pass


def test_a_recording_ends_by_itself_when_it_is_long_enough(serve):
    player = serve(recording_seconds=0.2).player()
    player.until("state", phase="playing")
    player.send(t="record", on=True)
    player.until("state", recording=True)
    while not player.until("state", recording=False)["recordings"]:
        pass


def test_an_own_picture_becomes_the_scene(serve):
    served = serve()
    player = served.player()
    player.until("state", phase="playing")
    out = io.BytesIO()
    Image.new("RGB", (300, 200), (250, 10, 10)).save(out, "PNG")
    assert fetch(served, "POST", "/play/picture", player.token, out.getvalue())[0] == 200
    player.until("state", scene="own-picture")
    seen = picture(player.frame()[1])
    assert seen[20, 110, 0] > 100 and seen[20, 110, 1] < 40


@pytest.mark.parametrize(
    ("body", "says"), [(b"no picture", b"not a picture"), (bytes(3000), b"larger than")]
)
def test_what_is_no_picture_gets_a_sentence_and_play_goes_on(serve, body, says):
    served = serve(picture_bytes=2000)
    player = served.player()
    player.until("state", phase="playing")
    status, answer = fetch(served, "POST", "/play/picture", player.token, body)
    assert status == 422 and says in answer
    player.frame()


def test_strangers_send_no_pictures(serve):
    served = serve()
    assert fetch(served, "POST", "/play/picture", served.server.mint.mint(), b"x")[0] == 401
