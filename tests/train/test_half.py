"""bfloat16 is used where it is quicker, whatever the processor."""

import pytest
import torch

from worldmodel.train import half


@pytest.fixture(autouse=True)
def measured_anew():
    half.half_pays.cache_clear()
    yield
    half.half_pays.cache_clear()


@pytest.mark.parametrize(("seconds", "kind"), [((2, 1), torch.bfloat16), ((1, 8), torch.float32)])
def test_what_is_quicker_is_used(seconds, kind, monkeypatch, capsys):
    monkeypatch.setattr(half, "measured_seconds", lambda: seconds)
    for _ in range(2):
        with half.half("cpu", wanted=True):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == kind
    told = "float32 is used: bfloat16 takes 8.0 times as long on this processor\n"
    assert capsys.readouterr().err == (told if kind == torch.float32 else "")


def test_where_it_is_not_wanted_nothing_is_measured(monkeypatch):
    monkeypatch.setattr(half, "measured_seconds", None)
    with half.half("cpu", wanted=False):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_both_are_timed():
    assert all(0 < seconds < 10 for seconds in half.measured_seconds())
