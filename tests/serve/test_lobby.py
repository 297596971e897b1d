"""Places and the queue."""

import asyncio

import pytest

from worldmodel.serve.lobby import Lobby
from worldmodel.serve.protocol import CLOSE_FULL, ProtocolError


def test_first_come_first_served_and_everyone_moves_up():
    lobby = Lobby(1, 8)
    playing, *waiting = [lobby.arrive() for _ in range(4)]
    assert [t.position for t in waiting] == [1, 2, 3]
    lobby.leave(playing)
    assert [t.position for t in waiting] == [0, 1, 2]
    lobby.leave(waiting[1])
    assert [t.position for t in waiting] == [0, 1, 1]
    assert (lobby.players, lobby.queued) == (1, 1)


def test_leaving_twice_frees_one_place():
    lobby = Lobby(1, 8)
    first, second, third = (lobby.arrive() for _ in range(3))
    lobby.leave(first)
    lobby.leave(first)
    assert (second.position, third.position) == (0, 1)


def test_a_full_queue_says_so():
    lobby = Lobby(1, 1)
    lobby.arrive(), lobby.arrive()
    with pytest.raises(ProtocolError, match="waiting") as caught:
        lobby.arrive()
    assert caught.value.code == CLOSE_FULL


def test_who_waits_is_told_every_change_until_he_is_seated():
    async def story() -> list[int]:
        lobby, told = Lobby(1, 8), []
        first, second, third = (lobby.arrive() for _ in range(3))
        task = asyncio.create_task(third.seated(lambda: told.append(third.position)))
        await asyncio.sleep(0)
        for gone in (second, first):
            lobby.leave(gone)
            await asyncio.sleep(0)
        await asyncio.wait_for(task, 5)
        return told

    assert asyncio.run(story()) == [2, 1]
