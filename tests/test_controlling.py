"""The commands around control: flags that are the signatures', and sentences for mistakes."""

import inspect

import numpy as np
import pytest
from strip import record

from worldmodel import cli
from worldmodel.cli import controlling
from worldmodel.evaluate.blind_page import blind
from worldmodel.evaluate.control_report import control_sections
from worldmodel.model.inverse_dynamics import InverseDynamicsConfig
from worldmodel.model.pose import PoseConfig
from worldmodel.train.config import TrainConfig
from worldmodel.train.labels import hide, label
from worldmodel.train.objectives.inverse_dynamics import InverseConfig


@pytest.mark.parametrize(
    ("texts", "function"),
    [
        (controlling.IDM_SIZES, InverseDynamicsConfig),
        (controlling.IDM_DRAWS, InverseConfig),
        (controlling.IDM_TRAINING, TrainConfig),
        (controlling.POSE_SIZES, PoseConfig),
        (controlling.CONTROL, control_sections),
        (controlling.LABEL, label),
        (controlling.HIDE, hide),
        (controlling.BLIND, blind),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_text_belongs_to_a_parameter(texts, function):
    assert set(texts) <= set(inspect.signature(function).parameters)


def test_keys_are_hidden_from_the_command_line(tmp_path, capsys):
    record(tmp_path / "data" / "train", [0, 2])
    words = ["hide", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--share", "0.5"]
    assert cli.main(words) == 0
    assert "the keys of 1 of 2 episodes are hidden" in capsys.readouterr().out
    assert np.isnan(np.load(tmp_path / "out" / "train" / "controls.npy")).any(axis=1).sum() == 60


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["label", "DATA", "--idm", "DATA", "--out", "OUT"], "idm.safetensors is missing"),
        (["control", "DATA", "DATA"], "config.json is missing"),
        (["blind", "DATA", "DATA", "--trials", "1"], "at least 2 trials, found 1"),
        (["train", "pose", "DATA", "--run", "OUT"], "There is no game 'strip'"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, monkeypatch, capsys, words, sentence):
    monkeypatch.chdir(tmp_path)
    for split in ("train", "heldout"):
        record(tmp_path / "DATA" / split, [0])
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1
