"""All benches in a row, and the page that their figures are written into."""

import json
import sys

import pytest

from worldmodel.errors import UserError
from worldmodel.evaluate.bench.everything import CALLS, bench_all, run
from worldmodel.evaluate.bench.page import write_page

MACHINE = {"processor": "Abacus", "cores": 2, "torch": "2", "system": "Linux"}
PLAY = {
    "bench": "play",
    "checkpoint": "worlds/a",
    "frames_per_second": {"p50": 75.123, "p5": 60.0, "p95": 80.0},
    "players": [{"players": 2, "ms": {"p50": 20.0, "p5": 19.0, "p95": 21.0}}],
    "machine": MACHINE,
}
TRAIN = {"bench": "train", "stage": "world", "preset": "cpu", "type": "bf16", "machine": MACHINE}


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("# Above\n<!-- bench -->\nold\n<!-- /bench -->\nbelow\n")
    return path


def test_tables_take_the_place_of_the_old_ones(page, tmp_path):
    figures = tmp_path / "figures.jsonl"
    figures.write_text(f"{json.dumps(PLAY)}\n{json.dumps(TRAIN)}\n")
    for _ in range(2):  # the second time changes nothing
        write_page(figures, page)
        text = page.read_text()
        assert text.startswith("# Above\n") and text.endswith("<!-- /bench -->\nbelow\n")
        assert "| frames per second | 75.1 (p5 60, p95 80) |" in text
        assert "| players | ms |\n| --- | --- |\n| 2 | 20 (p5 19, p95 21) |" in text
        assert "### train world at cpu" in text and "Abacus, 2 cores" in text and "old" not in text


def test_what_is_no_report_or_no_page_is_a_sentence(page, tmp_path):
    figures = tmp_path / "figures.jsonl"
    figures.write_text(json.dumps(PLAY) + "\n{}\n")
    with pytest.raises(UserError, match=r"line 2 of .* is no report of a bench"):
        write_page(figures, page)
    figures.write_text(json.dumps(PLAY))
    page.write_text("no markers")
    with pytest.raises(UserError, match="should have the lines <!-- bench -->"):
        write_page(figures, page)


def test_all_benches_write_a_line_each_or_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("worldmodel.evaluate.bench.everything.run", lambda words: f"{words[4]}\n")
    bench_all(tmp_path / "world", tmp_path / "new" / "all.jsonl")
    written = (tmp_path / "new" / "all.jsonl").read_text().split()
    assert written == [call[0] for call in CALLS]
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["all.jsonl"]


def test_a_bench_that_fails_ends_it():
    assert run([sys.executable, "-c", "print('warm'); print('{}')"]) == "{}\n"
    with pytest.raises(UserError, match="failed, as it says above"):
        run([sys.executable, "-c", "raise SystemExit(2)"])
