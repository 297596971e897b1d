"""The outpainter beside a critic: what each learns from, and that it dreams as play does."""

import numpy as np
import pytest
import torch
from test_outpainting import SIZE, objective
from tiny import LATENTS, outpainter, quick

from worldmodel.errors import UserError
from worldmodel.model.outlook import Outlook
from worldmodel.train.loop import train
from worldmodel.train.objectives import outpainting
from worldmodel.train.objectives.judged_outpainting import (
    JudgedConfig,
    JudgedOutpainting,
    OutpaintingDuel,
    hidden_first,
)
from worldmodel.train.objectives.outpainting import drawn_view, shown


def judged(**changes):
    return JudgedOutpainting(objective(), quick().parts(), JudgedConfig(critic=1.0, **changes))


def duel(chosen):
    torch.manual_seed(0)
    return OutpaintingDuel(outpainter(), chosen.critic())


def test_a_batch_is_a_function_of_seed_and_step():
    frames, views, first = judged().batch(3)
    again, other = judged().batch(3), judged().batch(4)
    assert (frames == again[0]).all() and (views, first) == again[1:]
    assert (frames != other[0]).any() and views != other[1]
    assert len(first) == len(views) // 2


def test_what_is_hidden_later_is_shown_while_the_rest_is_dreamed(monkeypatch):
    monkeypatch.setattr(outpainting, "AGAIN", 0)
    random, frame = np.random.default_rng(0), np.zeros((*SIZE, 3), np.uint8)
    for _ in range(100):
        view = drawn_view(frame, random)
        first = hidden_first(view, frame, random).known(frame)
        assert (first | view.known(frame)).all() and not first.all()


def test_frames_are_completed_as_play_completes_them():
    """The same picture from the sampler of the objective and from that of play."""
    chosen, network = judged(), outpainter()
    frames, views, _ = chosen.batch(0)
    pictures, known = shown(frames, views)
    with torch.no_grad():
        found, _ = chosen.completed(network, frames, views, torch.Generator().manual_seed(0))
        noise = torch.randn(found.shape[0], LATENTS, 4, generator=torch.Generator().manual_seed(0))
        outlook = Outlook(network, chosen.plain.tokenizer, (0, 0))
        played = outlook.paint(torch.cat([pictures, known], dim=1), noise)
    torch.testing.assert_close(found.clamp(0, 1), played[:, :3])


def test_each_learns_from_its_own_loss():
    """The critic's own loss does not reach the outpainter, and its opinion not the critic."""
    gradients = {}
    for weight in (1e-30, 1.0):
        chosen = judged()
        chosen.judged = JudgedConfig(critic=weight, pixels=0)
        both = duel(chosen)
        chosen.loss(both, chosen.batch(0), 0)[0].backward()
        gradients[weight] = {name: p.grad.clone() for name, p in both.named_parameters()}
    assert gradients[1e-30]["critic.judges.0.2.parametrizations.weight.original"].any()
    for name, without in gradients[1e-30].items():
        if name.startswith("critic"):
            torch.testing.assert_close(without, gradients[1.0][name])
        else:
            assert without.abs().max() < 1e-20
            assert gradients[1.0][name].any(), name


def test_what_is_shown_stays_as_it_is():
    chosen = judged(own=0)
    frames, views, _ = chosen.batch(0)
    made, known = chosen.completed(outpainter(), frames, views, torch.Generator().manual_seed(0))
    real = torch.from_numpy(frames).permute(0, 3, 1, 2) / 255
    torch.testing.assert_close(made * known, real * known)


def test_a_run_writes_what_play_reads_and_goes_on(tmp_path):
    for steps in (1, 2):
        chosen = judged()
        config = quick(steps=steps, save_every=1, picture_every=1)
        train(duel(chosen), chosen, config, tmp_path)
    assert (tmp_path / "step-000002.png").stat().st_size > 0
    assert '"resumed"' in (tmp_path / "events.jsonl").read_text()


@pytest.mark.parametrize("wrong", [{"critic": -1.0}, {"pixels": -1.0}, {"own": 1.5}])
def test_weights_that_cannot_be_are_a_sentence(wrong):
    with pytest.raises(UserError, match="must be at least 0 and own lie in 0 to 1"):
        JudgedConfig(**wrong)
