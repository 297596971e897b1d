"""Control has known answers: a perfect dream, one that ignores a key, one that ignores all."""

import numpy as np
import pytest
from strip import SPACE, Reader

from worldmodel.errors import UserError
from worldmodel.evaluate import control
from worldmodel.evaluate.control import control_section, counts, f1, mean_f1, precision, recall

pytestmark = pytest.mark.usefixtures("few_draws")


@pytest.fixture
def judged(monkeypatch, strip_world, heldout):
    """A function that judges a dream: judged(dream) -> figures by name."""
    monkeypatch.setattr(control, "through_tokenizer", lambda world, frames: frames)
    monkeypatch.setattr(control, "shuffled_loss", lambda *_: {})  # needs a network

    def judge(dream):
        monkeypatch.setattr(control, "dream", dream)
        return control_section(strip_world, heldout, Reader(), clips=12).figures

    return judge


def names(score):
    return [f"{button}: {score}, dreams" for button in SPACE.buttons]


def test_a_perfect_dream_has_the_real_score(judged, perfect):
    figures = judged(perfect)
    share = figures["dreams' share of the real F1"]
    assert (share.value, share.low, share.high) == (1, 1, 1)
    assert figures["mean F1, real"].value > 0.95  # the reader hardly errs
    assert (share.clips, share.frames, share.seeds) == (12, 12 * 16, 3)
    assert figures["PSNR lost at frame 4 under another clip's keys"].value > 3


@pytest.mark.parametrize("index", range(3))
def test_a_key_that_is_ignored_loses_its_own_recall_only(judged, perfect, deaf, index):
    right, wrong = judged(perfect), judged(deaf(index))
    for i, name in enumerate(names("recall")):
        assert wrong[name].value == (0 if i == index else right[name].value)
    for i, name in enumerate(names("precision")):
        assert np.isnan(wrong[name].value) if i == index else wrong[name] == right[name]


def test_a_dream_that_stands_still_reads_as_no_key(judged, frozen):
    figures = judged(frozen)
    assert [figures[name].value for name in names("recall")[:2]] == [0, 0]
    assert figures["PSNR lost at frame 4 under another clip's keys"].value == 0


def test_scores_of_counts_by_hand():
    held = np.array([[[1, 0], [1, 0], [0, 0], [1, 0]]], bool)
    read = np.array([[[1, 0], [0, 1], [1, 0], [1, 0]]], bool)
    first = [count[:, 0] for count in counts(held, read)]
    assert (precision(*first), recall(*first), f1(*first)) == (2 / 3, 2 / 3, 2 / 3)
    second = [count[:, 1] for count in counts(held, read)]
    assert precision(*second) == 0 and np.isnan(recall(*second))
    assert mean_f1(*counts(held, read)) == 2 / 3  # of what was held at all


def test_a_judge_of_another_game_is_refused(strip_world, heldout):
    other = Reader()
    other.config = type("config", (Reader.config,), {"buttons": ("jump",)})
    with pytest.raises(UserError, match=r"reads jump, the world obeys turn_left.*train idm"):
        control_section(strip_world, heldout, other)


def test_data_of_another_size_are_refused(strip_world, heldout):
    strip_world.config.tokenizer.height = 32
    with pytest.raises(UserError, match="other controls or another size"):
        control_section(strip_world, heldout, Reader())
