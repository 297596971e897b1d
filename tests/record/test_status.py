"""One line that stays in its place on a terminal, and now and then one elsewhere."""

import io
from dataclasses import replace

from worldmodel.record import status
from worldmodel.record.log import Held
from worldmodel.record.status import Status, StatusLine

SEEN = Status(
    state="REC",
    source=(640, 480),
    size=(96, 128),
    rate=19.97,
    fps=20.0,
    frames=312,
    dropped=2,
    episode="train/a",
    held=Held(keys=("KeyW", "Space"), dx=3.0, dy=-12.0),
    notice="another window has the keyboard",
)


def test_it_says_everything():
    assert SEEN.line() == (
        "REC   640x480 as 128x96  20.0 of 20 frames/s  312 frames  2 dropped  train/a  "
        "keys W Space  mouse +3 -12  another window has the keyboard"
    )


def test_a_file_gets_a_line_now_and_then_and_at_every_change():
    out = io.StringIO()
    line = StatusLine(out)
    for second in range(15):
        line.show(replace(SEEN, state="READY" if second < 3 else "REC"), float(second))
    line.close()
    assert [text.split()[0] for text in out.getvalue().splitlines()] == ["READY", "REC", "REC"]


def test_a_terminal_keeps_one_line_that_fits(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", "40")
    out = Terminal()
    line = StatusLine(out)
    for step in range(8):
        line.show(SEEN, step * 0.125)
    line.close()
    shown = out.getvalue().split("\r")
    assert len(shown) == 5 and shown[-1] == "\n"
    assert shown[0] == SEEN.line()[:39] + "\x1b[K"
    assert status.shutil.get_terminal_size().columns == 40
