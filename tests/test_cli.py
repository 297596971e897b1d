"""The command line: quick help, flags that are the signatures', one sentence for a mistake."""

import dataclasses
import inspect
import json
import os
import subprocess
import sys

import pytest
from tiny import MOTION, TOKENIZER, WORLD

import worldmodel
from worldmodel import cli
from worldmodel.cli import gameplay, playing, recording, training
from worldmodel.cli import options as flags
from worldmodel.cli.commands import COMMANDS
from worldmodel.data.collect import collect
from worldmodel.errors import UserError
from worldmodel.presets import cpu, nano
from worldmodel.record.config import DesktopConfig, GameConfig
from worldmodel.train.config import TrainConfig
from worldmodel.train.objectives.rectified_flow import FlowConfig


def parsed(*words):
    return cli.build_parser(list(words)).parse_args(words)


def run_module(*words):
    return subprocess.run(
        [sys.executable, "-m", "worldmodel", *words],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_for_every_flag(name, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main([*name.split(), "--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert COMMANDS[name][1].capitalize() in text
    parser = cli.build_parser(name.split())
    for word in name.split():
        parser = next(a for a in parser._actions if a.choices and word in a.choices).choices[word]
    assert [action.dest for action in parser._actions if not action.help] == []


def test_help_does_not_wait_for_pytorch():
    code = "import sys; from worldmodel.cli import main; main(['--help'])"
    check = "import atexit; atexit.register(lambda: print('torch' in sys.modules));"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {check} {code}"], capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "False"
    assert all(name.split()[0] in done.stdout for name in COMMANDS)


def test_the_module_and_its_version():
    done = run_module("--version")
    assert (done.returncode, done.stdout) == (0, f"worldmodel {worldmodel.__version__}\n")


@pytest.mark.parametrize(
    "words", [[], ["train"], ["bench"], ["fly"], ["collect"], ["train", "world", "data"]]
)
def test_nonsense_exits_with_two(words, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    assert end.value.code == 2
    assert "usage: worldmodel" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("texts", "function"),
    [
        (gameplay.COLLECT, collect),
        (training.TRAIN, TrainConfig),
        (training.TOKENIZER, type(TOKENIZER)),
        (training.MOTION, type(MOTION)),
        (training.WORLD, type(WORLD)),
        (training.FLOW, FlowConfig),
        ({**recording.DESKTOP, **recording.BOTH}, DesktopConfig),
        ({**recording.GAMES, **recording.BOTH}, GameConfig),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_text_belongs_to_a_parameter(texts, function):
    assert set(texts) <= set(inspect.signature(function).parameters)


def test_every_field_of_a_training_can_be_set():
    assert set(training.TRAIN) == {field.name for field in dataclasses.fields(TrainConfig)}
    assert set(training.TOKENIZER) == {field.name for field in dataclasses.fields(TOKENIZER)}


def test_flags_become_values_of_the_fields_types():
    words = "--dense 0 2 --betas 0.8 0.9 --no-bf16 --muon --learning-rate 1e-3 --window 5"
    given = parsed("train", "world", "data", "tokens", *words.split())
    config = flags.changed(TrainConfig(steps=1, batch=1), given, training.TRAIN)
    assert config.betas == (0.8, 0.9) and config.learning_rate == 1e-3
    assert config.muon and not config.bf16
    changed = flags.changed(WORLD, given, training.WORLD)
    assert changed == dataclasses.replace(WORLD, dense=(0, 2), window=5)


def test_untouched_flags_are_the_signatures_defaults():
    signature = inspect.signature(collect)
    for name, value in flags.chosen(parsed("collect", "out"), gameplay.COLLECT).items():
        assert value == signature.parameters[name].default


@pytest.fixture
def stages(monkeypatch):
    """What the stages of training were asked to do, in place of doing it."""
    seen = []
    for name in ("train_tokenizer", "train_motion", "train_world"):
        stage = f"worldmodel.train.stages.{name}"
        monkeypatch.setattr(stage, lambda *given, **named: seen.append(given))
    return seen


def test_without_flags_a_stage_is_that_of_the_shipped_world(stages):
    for words in ("tokenizer data", "motion data tokens", "world data tokens"):
        assert cli.main(["train", *words.split()]) == 0
    tokenizer, motion, world = stages
    assert tokenizer[2:] == (cpu().tokenizer, cpu().train_tokenizer, None)
    assert motion[3:] == (cpu().motion, cpu().train_motion, None)
    assert world[3:] == (cpu().world, cpu().train_world, cpu().flow, None, None)


def test_a_preset_and_a_flag_in_its_place(stages):
    given = ["--preset", "nano", "--depth", "4", "--clip", "9"]
    assert cli.main(["train", "world", "data", "tokens", *given]) == 0
    ((*_, sizes, config, flow, _, _),) = stages
    assert sizes == dataclasses.replace(nano().world, depth=4)
    assert config == nano().train_world and flow == dataclasses.replace(nano().flow, clip=9)


def test_motion_is_found_by_its_run(stages):
    assert cli.main(["train", "world", "data", "tokens", "--motion", "runs/motion"]) == 0
    assert cli.main(["train", "world", "data", "tokens"]) == 0
    assert cli.main(["train", "motion", "data", "tokens", "--history", "3"]) == 0
    assert [str(stages[0][-2]), stages[1][-2]] == ["runs/motion", None]
    assert str(stages[2][2]) == "runs/motion" and stages[2][3].history == 3


def test_a_new_run_may_begin_with_weights_of_another(stages):
    for words in ("tokenizer data", "motion data tokens", "world data tokens"):
        assert cli.main(["train", *words.split(), "--start", "w.safetensors"]) == 0
    assert [str(given[-1]) for given in stages] == ["w.safetensors"] * 3


def test_impossible_sizes_are_a_sentence(capsys):
    assert cli.main(["train", "world", "data", "tokens", "--heads", "5"]) == 2
    assert "width 192 must split into 5 heads" in capsys.readouterr().err


@pytest.fixture
def broken(monkeypatch):
    """A command that raises what the test wants."""

    def install(error):
        def command(parser):
            def run(options):
                raise error

            return run

        monkeypatch.setitem(COMMANDS, "break", (command, "break"))

    return install


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (UserError("found no data; collect some"), 2, "worldmodel: found no data; collect some\n"),
        (
            ModuleNotFoundError("No module named 'vizdoom'", name="vizdoom"),
            2,
            "worldmodel: this command needs vizdoom, which is not installed; "
            'run pip install "worldmodel[train]"\n',
        ),
        (
            PermissionError(13, "Permission denied", "/root/runs"),
            2,
            "worldmodel: /root/runs cannot be used (Permission denied); choose another path\n",
        ),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_mistake_is_one_sentence(broken, capsys, error, code, sentence):
    broken(error)
    assert cli.main(["break"]) == code
    assert capsys.readouterr() == ("", sentence)


@pytest.mark.parametrize("error", [ModuleNotFoundError("numpy", name="numpy"), KeyError("x")])
def test_our_own_mistakes_are_not_hidden(broken, error):
    broken(error)
    with pytest.raises(type(error)):
        cli.main(["break"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["prepare", "nowhere"], "run worldmodel collect first"),
        (["train", "tokenizer", "nowhere"], "episodes.json is missing"),
        (["train", "motion", "nowhere", "nothing"], "nothing is missing"),
        (["train", "world", "nowhere", "nothing"], "nothing is missing"),
        (["evaluate", "nowhere", "data"], "config.json is missing"),
        (["collect", "out", "--game", "chess"], "There is no game 'chess'"),
        (["repair", "nowhere"], "nowhere is no folder"),
        (["record", "out", "--game", "chess", "--player", "idle"], "There is no game 'chess'"),
        (["record", "out", "--world", "nowhere", "--player", "idle"], "config.json is missing"),
        (["record", "out", "--frames", "5"], "--frames is only with --game or --world"),
        (["record", "out", "--player", "idle"], "--player is only with --game or --world"),
        (["record", "out", "--game", "a", "--keys", "KeyW=w"], "--keys is only for the desktop"),
        (["bench", "record", "--toolkit", "qt"], "--toolkit should be one of tk, sdl"),
        (["train", "tokenizer", "nowhere", "--steps", "0"], "must be at least 1"),
        (["train", "motion", "a", "b", "--save-every", "0"], "save_every must be at least 1"),
        (["train", "motion", "a", "b", "--history", "0"], "must be at least 1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_not_there_is_named(words, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    assert sentence in err and err.count("\n") == 1 and "Traceback" not in err + out


def test_play_hands_the_page_its_flags(monkeypatch):

    class Application:
        def main(self, arguments):
            self.arguments = arguments
            return 7

    application = Application()
    monkeypatch.setattr(playing, "_application", lambda: application)
    assert cli.main(["play", "worlds/a", "--port", "7999", "--no-browser"]) == 7
    given = application.arguments
    assert given[given.index("--world") + 1] == "worlds/a"
    assert given[given.index("--port") + 1] == "7999" and "--no-browser" in given


def test_the_page_understands_the_flags_it_is_handed():

    words = "--world w --host h --port 1 --players 3 --device cpu --speed auto --no-browser"
    seen = playing._application().parse_arguments(words.split())
    assert (str(seen.world), seen.port, seen.players, seen.no_browser) == ("w", 1, 3, True)


def test_figures_as_lines_and_as_json(capsys):
    from worldmodel.cli.command import report

    figures = {"clips": 3, "psnr, dB": [27.123456, 26.0, 28.0], "loss": 0.123456}
    report(figures, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["clips", "3"],
        ["psnr,", "dB", "27.12", "(26", "to", "28)"],
        ["loss", "0.1235"],
    ]
    report(figures, as_json=True)
    assert json.loads(capsys.readouterr().out) == figures


@pytest.mark.parametrize(
    ("command", "policy"), [(["prepare", "no"], None), (["bench", "play", "no"], "PASSIVE")]
)
def test_threads_wait_asleep_where_an_engine_runs(command, policy, monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "so that it is put back")
    monkeypatch.delenv("OMP_WAIT_POLICY")
    assert cli.main(command) == 2
    assert os.environ.get("OMP_WAIT_POLICY") == policy
