"""Games and dreams go through the writer that the desktop goes through."""

import numpy as np
import pytest
from painter import META, SPACE, paint, read

from worldmodel.data.episode import load_episode
from worldmodel.errors import UserError
from worldmodel.games.players import Idle
from worldmodel.record import games, playing
from worldmodel.record.config import GameConfig
from worldmodel.record.playing import Playing


class Painter:
    """Paints its control; ends after `length` steps."""

    name, fps, size, licence, controls = "painter", META.fps, META.size, "CC0", SPACE

    def __init__(self, length=10**6):
        self.length, self.seeds, self.done = length, [], False

    def reset(self, seed):
        self.seeds.append(seed)
        self.left, self.done = self.length, False
        return paint(np.zeros(6))

    def step(self, control):
        self.left -= 1
        self.done = self.left == 0
        return paint(control)

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


class Presses:
    """A player program that presses one random button at a time."""

    name = "presses"

    def reset(self, seed):
        self.random = np.random.default_rng(seed)

    def act(self, game):
        return SPACE.vector([SPACE.buttons[self.random.integers(6)]])


class Somebody(Presses):
    """A person who presses keys and after some steps wants something else."""

    name = "person"

    def __init__(self, wishes, patience=5):
        self.wishes, self.patience, self.wish, self.shown = list(wishes), patience, None, 0

    def reset(self, seed):
        super().reset(seed)
        self.wish, self.steps = None, 0

    def show(self, frame, takes):
        self.shown += 1

    def act(self, game):
        self.steps += 1
        if self.steps > self.patience:
            self.wish = self.wishes.pop(0)
        self.keys = [("KeyA", "KeyD"), ("KeyW", "KeyP"), ()][self.steps % 3]
        return SPACE.from_keys(self.keys)

    def held(self):
        return self.keys


def play(folder, player, game=None, **settings):
    config = GameConfig(game="painter", player=player.name, **settings)
    game = game or Painter()
    Playing(folder, game, config).run(player)
    return game, {
        split: [load_episode(path) for path in sorted(folder.glob(f"{split}/*"))]
        for split in ("train", "heldout")
    }


def test_a_program_plays_so_many_episodes(tmp_path, capsys):
    game, found = play(tmp_path, Presses(), episodes=3, frames=20)
    assert [len(e.frames) for e in found["train"]] == [20, 20]
    assert [len(e.frames) for e in found["heldout"]] == [20]
    for episode in (*found["train"], *found["heldout"]):
        np.testing.assert_array_equal(read(episode.frames), episode.controls)
        assert not episode.controls[0].any() and episode.controls[1:].any(1).all()
        assert episode.meta.player == "presses" and episode.meta.licence == "CC0"
        assert not episode.meta.ended
    assert [e.meta.seed for e in found["train"]] == [0, 2] and game.seeds == [0, 1, 2]
    assert "3 episodes with 60 frames" in capsys.readouterr().out


def test_the_same_call_adds_other_episodes(tmp_path):
    play(tmp_path, Presses(), split="train", frames=4)
    _, found = play(tmp_path, Presses(), split="train", frames=4)
    assert sorted(e.meta.seed for e in found["train"]) == [0, 2]


def test_a_game_that_ends_ends_the_episode(tmp_path):
    _, found = play(tmp_path, Presses(), Painter(length=6), split="train", frames=50)
    assert [(len(e.frames), e.meta.ended) for e in found["train"]] == [(6, True)]


def test_a_person_ends_begins_again_and_throws_away(tmp_path):
    player = Somebody(["next", "discard", "quit"])
    game, found = play(tmp_path, player, split="train")
    assert [len(e.frames) for e in found["train"]] == [6, 6]
    assert game.seeds == [0, 2, 2]  # the seed of what was thrown away is free again
    first = found["train"][0]
    assert first.keys[1:4] == [("KeyW",), (), ("KeyA", "KeyD")]
    np.testing.assert_array_equal(read(first.frames), first.controls)
    assert player.shown == 18


def test_so_many_seconds_of_the_game_are_recorded(tmp_path):
    _, found = play(tmp_path, Somebody(["quit"], 10**6), split="train", seconds=1.0)
    assert [len(e.frames) for e in found["train"]] == [18]


def test_a_crash_of_the_game_keeps_the_episode(tmp_path):
    class Breaks(Painter):
        def step(self, control):
            if self.left < self.length - 8:
                raise RuntimeError("segmentation fault")
            return super().step(control)

    with pytest.raises(RuntimeError):
        play(tmp_path, Presses(), Breaks(), split="train", frames=50)
    assert [len(load_episode(path).frames) for path in tmp_path.glob("train/*")] == [10]


def test_a_full_disk_is_a_sentence(tmp_path, monkeypatch):
    def refuse(self, *given, **named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(playing.Takes, "add", refuse)
    with pytest.raises(UserError, match=r"No space left on device.*worldmodel repair"):
        play(tmp_path, Presses())


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "train").write_text("a file")
    with pytest.raises(UserError, match=r"train.* cannot be written \(Not a directory"):
        play(tmp_path, Presses(), split="train")


def test_explorer_needs_a_map(tmp_path):
    with pytest.raises(UserError, match="explorer needs a game that tells its pose, and painter"):
        Playing(tmp_path, Painter(), GameConfig(game="painter", player="explorer"))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "give one of them"),
        ({"game": "a", "world": "b"}, "give one of them"),
        ({"game": "a", "scene": "b"}, "--scene is a place in a world"),
        ({"game": "a", "player": "nobody"}, "no player 'nobody'"),
        ({"game": "a", "player": "idle", "frames": 1}, "2 frames or more"),
        ({"game": "a", "player": "idle", "seconds": 0.0}, "--seconds a time"),
        ({"game": "chess", "player": "idle"}, "no game 'chess'"),
    ],
)
def test_what_cannot_be_played_is_a_sentence(tmp_path, settings, sentence):
    with pytest.raises(UserError, match=sentence):
        games.record_game(tmp_path, GameConfig(**settings))


def test_a_program_needs_no_window(tmp_path, monkeypatch):
    monkeypatch.setattr(games, "open_game", lambda name, size: Painter())
    monkeypatch.setattr(games, "make_player", lambda name: Idle())
    games.record_game(tmp_path, GameConfig(game="painter", player="idle", frames=5))
    assert len(list(tmp_path.glob("train/*"))) == 1
