"""Playing over a real socket, with stub worlds."""

import numpy as np
import pytest
from serving import picture, sessions
from stub_engine import held_in, seed_colour

from worldmodel.serve.protocol import (
    FLAG_FIRST,
    FLAG_PAUSED,
)


def test_a_player_enters_the_first_scene_and_is_told_about_the_world(serve):
    player = serve(worlds=("halls", "other")).player()
    ready = player.until("ready")
    state = player.until("state", phase="playing")
    assert [w["name"] for w in ready["worlds"]] == ["halls", "other"]
    assert (ready["world"], ready["width"], ready["height"]) == ("halls", 128, 96)
    assert ready["controls"]["keymap"]["KeyW"] == "forward"
    assert all(s["picture"].startswith("data:image/jpeg;base64,") for s in ready["scenes"])
    assert (state["scene"], state["settings"]) == ("scene-0", {"steps": 2, "guidance": 1.0})


def test_a_held_key_changes_the_picture_and_its_sequence_is_reported(serve):
    player = serve().player()
    player.until("state", phase="playing")
    player.send(t="in", seq=4, keys=["KeyW", "ArrowRight"])
    header, jpeg = player.frame_where(lambda h: h.seq == 4)
    assert held_in(picture(jpeg)) == ("forward", "turn_right")
    assert header.buttons == 0b100001
    player.send(t="in", seq=5, keys=[])
    assert held_in(picture(player.frame_where(lambda h: h.seq == 5)[1])) == ()


def test_two_players_play_at_once_and_do_not_see_each_other(serve):
    served = serve(players=2)
    one, two = served.player(), served.player()
    for player, seed in ((one, 3), (two, 11)):
        player.until("state", phase="playing")
        player.send(t="start", world=None, scene="scene-1", seed=seed)
        player.until("state", seed=seed)
    one.send(t="in", seq=1, keys=["KeyW"])
    two.send(t="in", seq=1, keys=["KeyS"])
    for player, seed, button in ((one, 3, "forward"), (two, 11, "backward")):
        seen = picture(player.frame_where(lambda h: h.seq == 1)[1])
        assert held_in(seen) == (button,)
        assert np.abs(seen[50, 10].astype(int) - seed_colour(seed)).max() < 12


def test_seed_and_scene_are_set_and_reset_returns_to_them(serve):
    player = serve().player()
    player.until("state", phase="playing")
    player.send(t="start", world=None, scene="scene-2", seed=5)
    player.until("state", scene="scene-2", seed=5)
    player.frame_where(lambda h: h.frame >= 3)
    player.send(t="reset")
    player.frame_where(lambda h: h.frame == 0 and h.flags & FLAG_FIRST)
    assert player.until("state", scene="scene-2")["seed"] == 5


def test_settings_change_while_playing(serve):
    player = serve().player()
    player.until("state", phase="playing")
    player.send(t="settings", steps=4, guidance=None)
    player.until("state", settings={"steps": 4, "guidance": 1.0})
    player.send(t="settings", steps=None, guidance=1.5)
    player.until("state", settings={"steps": 4, "guidance": 1.5})


def test_paused_a_single_step_makes_one_frame(serve):
    player = serve().player()
    player.until("state", phase="playing")
    player.send(t="pause", on=True)
    player.until("state", phase="paused")
    player.send(t="step")
    first, _ = player.frame_where(lambda h: h.flags & FLAG_PAUSED)
    player.send(t="step")
    second, _ = player.frame()
    assert second.frame == first.frame + 1
    player.send(t="pause", on=False)
    player.until("state", phase="playing")
    assert player.frame()[0].frame == second.frame + 1


def test_rewind_goes_back_and_play_goes_on_from_there(serve):
    player = serve(engine={"fps": 50.0}, rewind_seconds=0.2).player()
    player.until("state", can_rewind=True)
    player.frame_where(lambda h: h.frame >= 75)
    player.send(t="rewind")
    back, _ = player.frame_where(lambda h: h.flags & FLAG_FIRST)
    assert back.frame < 75
    assert player.frame()[0].frame == back.frame + 1


def test_another_world_is_loaded_when_it_is_chosen(serve):
    player = serve(worlds=("halls", "other")).player()
    player.until("state", phase="playing")
    player.send(t="start", world="other", scene=None, seed=9)
    assert player.until("ready")["world"] == "other"
    player.until("state", world="other", seed=9)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ({"t": "start", "world": "nowhere"}, "no world"),
        ({"t": "start", "scene": "nowhere"}, "no scene"),
    ],
)
def test_an_impossible_wish_gets_a_sentence_and_play_goes_on(serve, command, says):
    player = serve().player()
    player.until("state", phase="playing")
    player.send(**command)
    error = player.until("error")
    assert says in error["say"] and not error["fatal"]
    player.frame()


def test_loading_is_told_while_it_lasts(serve):
    served = serve(load_seconds=1.0)
    served.server.services.library.load(served.server.services.library.first)
    player = served.player()
    assert player.until("state")["phase"] == "loading"
    player.until("state", phase="playing")


def test_who_does_not_acknowledge_gets_two_frames_and_the_model_rests(serve):
    served = serve(engine={"fps": 100.0})
    player = served.player()
    for _ in range(2):
        player.frame(ack=False)
    with pytest.raises(TimeoutError):
        while True:
            assert not isinstance(player.receive(patience=0.5), tuple)
    assert sessions(served)[0].play.engine.frame_index <= 1


def test_what_a_slow_player_is_shown_is_the_newest_there_is(serve):
    served = serve(engine={"fps": 100.0})
    player = served.player()
    player.until("state", phase="playing")
    [session] = sessions(served)
    behind = []
    for _ in range(10):
        header, _ = player.frame(ack=False)
        with pytest.raises(TimeoutError):
            while True:
                player.receive(patience=0.1)
        behind.append(session.play.engine.frame_index - header.frame)
        player.send(t="ack", f=header.serial + 1)
    assert max(behind) <= 2
