"""Few steps on a flow with a closed form: each objective brings few looks nearer to many.

Data are -1 or 1 with equal chance, one number a frame. The clean value seen from z at level tau is
then tanh(tau z / (1 - tau)^2), and a single look at noise can only say 0.
"""

from dataclasses import replace

import pytest
import torch
from torch import nn

from worldmodel.train.objectives.consistency import consistency, draw_steps
from worldmodel.train.objectives.distil_config import DistilConfig
from worldmodel.train.objectives.moment import Distilled, Moment, jumped
from worldmodel.train.objectives.reflow import reflow
from worldmodel.train.objectives.shortcut import draw_jumps, shortcut

ROWS, UPDATES = 256, 400


class Exact(nn.Module):
    """The flow itself; it is not told how far it jumps."""

    def forward(self, z, tau, jump, keys, cache, carried):
        tau = tau[..., None, None]
        return torch.tanh(tau * z / (1 - tau).clamp_min(1e-2) ** 2)


class Learner(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(3, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1)
        )

    def forward(self, z, tau, jump, keys, cache, carried):
        told = torch.stack([tau, jump], -1)[..., None, :].expand(*z.shape[:-1], 2)
        return self.layers(torch.cat([z, told], -1))


class Coins(Moment):
    """Frames without a past."""

    def rows(self, start, count):
        chosen = slice(start, start + count)
        return replace(self, clean=self.clean[chosen], controls=self.controls[chosen])


def coins(count, draw):
    clean = torch.randint(0, 2, (count, 1, 1), generator=draw) * 2.0 - 1
    return Coins(
        cache=None, taught=None, carried=None, controls=torch.zeros(count, 1), clean=clean,
        later_controls=clean, later=clean,
    )  # fmt: skip


@torch.no_grad()
def sampled(network, z, looks):
    jump = torch.full((len(z),), 1 / looks)
    for i in range(looks):
        tau = torch.full((len(z),), i / looks)
        look = network(z[:, None], tau[:, None], jump[:, None], None, None, None)[:, 0]
        z = jumped(z, look, tau, jump)
    return z


def learned(method, **changes):
    """Error of few looks against the flow's many: of the flow itself, and of the student."""
    torch.manual_seed(0)
    config = DistilConfig(warm_start=0.0, guidance=1.0, **changes)
    network, draw = Distilled(Learner()), torch.Generator().manual_seed(0)
    network.teacher = Exact()
    optimiser = torch.optim.Adam(network.student.parameters(), 3e-3)
    for i in range(UPDATES):
        network.follow(0.95)
        optimiser.param_groups[0]["lr"] = 3e-3 * min(1.0, 2 * (1 - i / UPDATES))
        guess, target, _ = method(network, coins(ROWS, draw), draw, config)
        (guess - target).square().mean().backward()
        optimiser.step()
        optimiser.zero_grad()
    noise = torch.randn(2000, 1, 1, generator=draw)
    many = sampled(Exact(), noise, 64)
    return [
        float((sampled(each, noise, config.looks) - many).square().mean())
        for each in (Exact(), network.student)
    ]


@pytest.mark.parametrize("method", [shortcut, consistency])
def test_one_look_ends_where_many_do(method):
    """Consistency with one segment is the classic one."""
    before, after = learned(method, looks=1)
    assert before == pytest.approx(1.0, abs=0.01) and after < 0.4 * before


def test_two_segments_make_two_looks_better():
    before, after = learned(consistency, looks=2)
    assert after < 0.9 * before


def test_reflow_makes_paths_straight():
    before, after = learned(reflow, looks=1)
    assert after < 0.4 * before


def test_jumps_are_those_of_play_and_their_halves():
    config = DistilConfig(looks=2, warm_start=0.7, halvings=2)
    tau, jump, told = draw_jumps(500, torch.Generator().manual_seed(0), config)
    found = {(round(float(a), 3), round(float(b), 3)) for a, b in zip(tau, jump, strict=True)}
    assert found == {(0, 0.7), (0, 0.35), (0.35, 0.35), (0.7, 0.3), (0.7, 0.15), (0.85, 0.15)}
    whole = (jump > 0.6) | ((jump > 0.2) & (tau > 0.6))
    torch.testing.assert_close(told, torch.where(whole, jump / 2, 0.0))


def test_the_teachers_steps_cover_each_segment():
    config = DistilConfig(looks=2, warm_start=0.7, substeps=4)
    tau, after, stop = draw_steps(500, torch.Generator().manual_seed(0), config)
    assert sorted(set(stop.tolist())) == pytest.approx([0.7, 1.0])
    length = torch.where(stop < 0.8, 0.7, 0.3) / 4
    torch.testing.assert_close(after - tau, length)
    assert ((tau >= 0) & (after <= stop)).all() and (after[stop == 1.0] == 1).any()
