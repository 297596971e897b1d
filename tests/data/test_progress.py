"""Progress says how far, how fast and how long."""

from io import StringIO

from worldmodel.data.progress import Progress, clock


def test_work_found_done_does_not_count_for_the_speed():
    out = StringIO()
    progress = Progress("collect", 1000, "frames", every=0.0, out=out)
    progress.skip(600)
    progress.finish()
    assert out.getvalue() == "collect: 600 of 1,000 frames, 0 frames/s, nothing left\n"
    progress.advance(400)
    assert "1,000 of 1,000 frames" in out.getvalue()


def test_time_is_written_as_hours_minutes_seconds():
    assert clock(3725) == "1:02:05"
