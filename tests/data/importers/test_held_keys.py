"""Events and frames on one clock: who is held, who was tapped, what a snapshot repairs."""

from worldmodel.data.importers.held import Event, count_presses, merge, on_clock


def frames(*times):
    return [(time, lambda: None) for time in times]


def test_an_event_belongs_to_the_first_frame_that_is_not_earlier():
    events = [Event(time=0.9, down=("KeyW",)), Event(time=2.0, up=("KeyW",))]
    records = list(merge(frames(0, 1, 2, 3), events))
    assert [r.keys for r in records] == [(), ("KeyW",), (), ()]


def test_a_tap_shorter_than_a_frame_is_seen_once():
    events = [Event(time=1.2, down=("Space",)), Event(time=1.3, up=("Space",))]
    assert [r.keys for r in merge(frames(1, 2, 3), events)] == [(), ("Space",), ()]


def test_a_key_that_repeats_while_held_keeps_its_place():
    events = [Event(time=0, down=(k,)) for k in ("KeyA", "KeyD", "KeyA")]
    (record,) = merge(frames(1), events)
    assert record.keys == ("KeyA", "KeyD")


def test_movement_is_summed_between_frames():
    events = [Event(time=t, axes={"look_x": 2.0}) for t in (0.1, 0.2, 1.5)]
    records = list(merge(frames(0, 1, 2), events))
    assert [r.axes.get("look_x", 0) for r in records] == [0, 4, 2]


def test_a_snapshot_repairs_a_lost_release_of_its_device_only():
    events = [
        Event(time=0, down=("KeyW", "Mouse0")),
        Event(time=1, held=frozenset(), device="keyboard"),
        Event(time=2, held=frozenset({"KeyA"})),
    ]
    records = list(merge(frames(0.5, 1.5, 2.5), events))
    assert [r.keys for r in records] == [("KeyW", "Mouse0"), ("Mouse0",), ("KeyA",)]


def test_another_clock_and_another_order():
    events = on_clock([Event(time=5), Event(time=4)], 0.5)
    assert [event.time for event in events] == [4.5, 5.5]


def test_presses_are_counted_once_while_held_and_movements_too():
    events = [
        Event(time=0, down=("KeyW",)), Event(time=1, down=("KeyW",)), Event(time=2, up=("KeyW",)),
        Event(time=3, down=("KeyW",)), Event(time=4, axes={"look_x": 1, "look_y": 0}),
    ]  # fmt: skip
    assert count_presses(events) == {"KeyW": 2, "look_x": 1}
