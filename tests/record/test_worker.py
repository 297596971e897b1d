"""Work is done in order, on another thread, until something goes wrong."""

from threading import Event

from worldmodel.record.worker import Worker


def test_work_is_done_in_order():
    done = []
    with Worker() as worker:
        for i in range(9):
            worker.put(lambda i=i: done.append(i))
    assert done == list(range(9)) and worker.error is None


def test_too_much_work_is_refused():
    begun, free, done = Event(), Event(), []

    def slow():
        begun.set()
        free.wait()

    with Worker(waiting=2) as worker:
        worker.put(slow)
        begun.wait()
        assert [worker.offer(lambda: done.append(1)) for _ in range(4)] == [
            True,
            True,
            False,
            False,
        ]
        assert worker.waiting == 2
        free.set()
    assert done == [1, 1]


def test_after_an_error_nothing_is_done_and_nobody_waits():
    done = []
    with Worker(waiting=1) as worker:
        worker.put(lambda: 1 / 0)
        for _ in range(5):
            worker.put(lambda: done.append(1))
    assert isinstance(worker.error, ZeroDivisionError) and done == []
