"""Rules are read strictly: what is not understood is one sentence that names the place."""

from pathlib import Path

import pytest

from worldmodel.data.curation.rules import Rules, Still, read_rules
from worldmodel.errors import UserError


def read(tmp_path, text):
    path = tmp_path / "rules.toml"
    path.write_text(text)
    return read_rules(path)


def test_rules_are_what_the_file_says(tmp_path):
    rules = read(tmp_path, "shortest = 8\n[idle]\nkeep = 3\n")
    assert rules == Rules(shortest=8, idle=Still(keep=3))
    assert rules.to_json() == {"shortest": 8, "idle": {"below": 0.5, "keep": 3}}


def test_the_example_in_the_docs_can_be_read():
    rules = read_rules(Path(__file__).parents[3] / "docs" / "rules.toml")
    assert rules.balance.keys == 0.25 and rules.split is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[idel]\n", "there is no idel; choose from shortest, idle"),
        ("[idle]\nkept = 3\n", "there is no idle.kept"),
        ('shortest = "long"\n', "shortest should be int, not 'long'"),
        ("shortest = true\n", "shortest should be int, not True"),
        ("idle = 3\n", r"idle should be a table of its own, \[idle\]"),
        ("[balance]\nkeys = 1.5\n", "balance.keys should be 0.001 to 1, not 1.5"),
        ("[idle]\nkeep = -1\n", "idle.keep should be 0 to more"),
        ("[split]\n", "split.heldout is missing"),
        ('[split]\nheldout = 0.1\nby = "day"\n', "split.by should be"),
        ("[idle\n", "line 1"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(tmp_path, text, sentence):
    with pytest.raises(UserError, match=sentence):
        read(tmp_path, text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"rules.toml is missing; docs/data.md"):
        read_rules(tmp_path / "rules.toml")
