"""Who may play, for how long, and who is turned away."""

import threading

import pytest
from serving import Player, eventually, farewell, picture, sessions
from stub_engine import StubEngine, held_in
from websockets.exceptions import ConnectionClosed

from worldmodel.serve.protocol import (
    CLOSE_ELSEWHERE,
    CLOSE_FULL,
    CLOSE_LARGE,
    CLOSE_NONSENSE,
    CLOSE_ORIGIN,
    CLOSE_RATE,
    CLOSE_TIME,
    CLOSE_TOKEN,
    CLOSE_VERSION,
    FLAG_FIRST,
)


def test_the_queue_moves_up_when_a_player_leaves(serve):
    served = serve(players=1)
    first, second, third = served.player(), served.player(), served.player()
    first.until("state", phase="playing")
    assert third.until("queue")["position"] == 2
    assert second.until("queue")["position"] == 1
    first.send(t="bye")
    second.until("state", phase="playing")
    assert third.until("queue", position=1)["position"] == 1


def test_a_vanished_player_keeps_his_world_for_the_grace_time_then_frees_his_place(serve):
    served = serve(players=1, grace_seconds=0.3)
    first = served.player()
    first.until("state", phase="playing")
    second = served.player()
    assert second.until("queue")["position"] == 1
    first.vanish()
    second.until("state", phase="playing")
    assert len(served.server.sessions) == 1


def test_after_a_drop_the_world_comes_back_where_it_was(serve):
    served = serve(token_seconds=-1)  # even with a token that has expired since
    served.server.mint._lifetime = 60
    player = served.player()
    player.until("state", phase="playing")
    player.send(t="start", world=None, scene="scene-3", seed=77)
    player.until("state", seed=77)
    reached = player.frame_where(lambda h: h.frame >= 5)[0].frame
    player.send(t="in", seq=1, keys=["KeyW"])
    player.frame_where(lambda h: h.seq == 1)
    player.vanish()
    eventually(lambda: sessions(served)[0]._connection is None)
    again = served.player(player.token)
    state = again.until("state", phase="playing")
    assert (state["scene"], state["seed"]) == ("scene-3", 77)
    header, jpeg = again.frame_where(lambda h: not h.flags & FLAG_FIRST)
    assert header.frame > reached
    assert held_in(picture(jpeg)) == ()  # a lost socket releases all keys


def test_the_same_world_in_a_second_tab_ends_the_first(serve):
    served = serve()
    first = served.player()
    first.until("state", phase="playing")
    second = served.player(first.token)
    second.until("state", phase="playing")
    assert farewell(first)[1] == CLOSE_ELSEWHERE
    second.frame()


def test_a_second_tab_before_the_first_frame_is_told_the_first_scene(serve, monkeypatch):
    """Entering a scene takes a moment, in which the page may be loaded again."""
    enter, reset = threading.Event(), StubEngine.reset

    def slow(engine, scene, seed):
        assert enter.wait(10)
        return reset(engine, scene, seed)

    monkeypatch.setattr(StubEngine, "reset", slow)
    served = serve()
    first = served.player()
    eventually(lambda: sessions(served) and sessions(served)[0].play)
    second = served.player(first.token)
    assert second.until("state", phase="playing")["scene"] == "scene-0"
    enter.set()
    second.frame()


def test_when_even_the_queue_is_full_it_says_so(serve):
    served = serve(players=1, waiting=0)
    served.player().until("state", phase="playing")
    error, code = farewell(served.player())
    assert (error["fatal"], code) == (True, CLOSE_FULL)


@pytest.mark.parametrize("limit", ["idle_seconds", "total_seconds"])
def test_who_plays_too_long_or_not_at_all_leaves(serve, limit):
    served = serve(**{limit: 0.2})
    assert farewell(served.player())[1] == CLOSE_TIME
    eventually(lambda: not served.server.sessions)
    assert served.server.services.lobby.players == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nonsense", CLOSE_NONSENSE),
        ('{"t": "fly"}', CLOSE_NONSENSE),
        ('{"t": "in", "seq": 1, "keys": 5}', CLOSE_NONSENSE),
        ('{"t": "step", "x": "' + "y" * 4096 + '"}', CLOSE_LARGE),
        (b"\x00binary", CLOSE_NONSENSE),
    ],
    ids=["nonsense", "unknown", "wrong", "large", "binary"],
)
def test_a_bad_message_gets_one_sentence_and_frees_the_place(serve, text, expected):
    served = serve()
    player = served.player()
    player.until("state", phase="playing")
    player.socket.send(text)
    error, code = farewell(player)
    assert code == expected and error["fatal"] and error["say"].endswith(".")
    eventually(lambda: not served.server.sessions)


def test_too_many_messages_end_it(serve):
    player = serve(messages_per_second=50).player()
    player.until("state", phase="playing")
    with pytest.raises(ConnectionClosed) as caught:
        for _ in range(200):
            player.send(t="ping", at=1, rtt=None)
        while True:
            player.receive()
    assert caught.value.rcvd.code == CLOSE_RATE


def test_a_foreign_origin_is_turned_away(serve):
    served = serve()
    player = served.player(origin="https://evil.example")
    error, code = farewell(player)
    assert code == CLOSE_ORIGIN and "evil.example" in error["say"]
    own = served.player(origin=f"http://{served.address}")
    own.until("state", phase="playing")


def test_an_expired_or_forged_token_gets_its_sentence(serve):
    served = serve(token_seconds=-1)
    for token in (served.server.mint.mint(), "a.1.b"):
        error, code = farewell(served.player(token))
        assert code == CLOSE_TOKEN and "reload" in error["say"]


def test_another_version_is_named(serve):
    served = serve()
    player = Player(served, served.server.mint.mint())
    player.send(t="hello", v=99, token=player.token)
    error, code = farewell(player)
    assert code == CLOSE_VERSION and "99" in error["say"]


def test_a_failing_model_ends_in_a_sentence(serve, monkeypatch):
    served = serve()
    player = served.player()
    player.until("state", phase="playing")
    monkeypatch.setattr("stub_engine.StubEngine.step", lambda self, controls: 1 / 0)
    error, _ = farewell(player)
    assert "failed on the server" in error["say"]
    eventually(lambda: not served.server.sessions)
