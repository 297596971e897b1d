"""Messages and frame headers, good and bad."""

import json

import pytest

from worldmodel.serve.protocol import (
    CLOSE_LARGE,
    CLOSE_NONSENSE,
    HEADER,
    FrameHeader,
    ProtocolError,
    pack_frame,
    parse,
    unpack_frame,
)

HEAD = FrameHeader(
    width=128, height=96, serial=7, frame=300, seq=12, model_us=14_000, flags=5, buttons=0b101
)


def test_a_frame_survives_the_wire():
    assert unpack_frame(pack_frame(HEAD, b"jpeg")) == (HEAD, b"jpeg")


def test_the_header_has_the_size_that_the_page_expects():
    assert HEADER.size == 28


@pytest.mark.parametrize("message", [b"", b"WM", b"XX" + bytes(30), b"WM\x09\x01" + bytes(30)])
def test_what_is_no_frame_is_refused(message):
    with pytest.raises(ProtocolError):
        unpack_frame(message)


@pytest.mark.parametrize(
    "message",
    [
        {"t": "hello", "v": 1, "token": "a.b.c"},
        {"t": "in", "seq": 3, "keys": ["KeyW", "ArrowLeft"]},
        {"t": "mouse", "dx": -3.5, "dy": 2},
        {"t": "ack", "f": 9},
        {"t": "ping", "at": 12.5, "rtt": None},
        {"t": "start", "world": None, "scene": "hall", "seed": 4},
        {"t": "settings", "steps": 3, "guidance": None},
        {"t": "record", "on": True},
        {"t": "step"},
    ],
)
def test_good_messages_come_through_as_they_are(message):
    assert parse(json.dumps(message), 2048) == message


def test_fields_that_mean_nothing_are_dropped():
    assert parse('{"t": "step", "evil": 1}', 2048) == {"t": "step"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "null",
        '"in"',
        "{}",
        '{"t": ["in"]}',
        '{"t": "fly"}',
        '{"t": "in", "seq": -1, "keys": []}',
        '{"t": "in", "seq": 1.5, "keys": []}',
        '{"t": "in", "seq": true, "keys": []}',
        '{"t": "in", "seq": 1, "keys": "KeyW"}',
        '{"t": "in", "seq": 1, "keys": [1]}',
        '{"t": "in", "seq": 1, "keys": ' + json.dumps(["KeyW"] * 17) + "}",
        '{"t": "mouse", "dx": NaN, "dy": 0}',
        '{"t": "mouse", "dx": 1e999, "dy": 0}',
        '{"t": "settings", "steps": 0, "guidance": 1}',
        '{"t": "start", "seed": 4294967296}',
        '{"t": "own-picture"}',
        "[" * 2000,
    ],
)
def test_nonsense_gets_one_sentence(text):
    with pytest.raises(ProtocolError) as caught:
        parse(text, 2048)
    assert caught.value.code == CLOSE_NONSENSE
    assert str(caught.value).endswith(".")


def test_a_message_too_large_says_how_large_it_may_be():
    with pytest.raises(ProtocolError, match="2048") as caught:
        parse('{"t": "step", "x": "' + "y" * 2048 + '"}', 2048)
    assert caught.value.code == CLOSE_LARGE
