"""The command: a table or JSON, a page, and an exit code that says whether all is well."""

import json
import re

import numpy as np
from panorama import recordings, write_arrays

from worldmodel import cli


def test_a_clean_set_ends_well_with_a_page(clean, tmp_path, capsys):
    write_arrays(tmp_path / "train", clean)
    assert cli.main(["doctor", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert "nothing wrong was found" in out and "ok  alignment: Actions and frames" in out
    page = (tmp_path / "doctor.html").read_text()
    assert str(tmp_path / "doctor.html") in err
    assert not re.search(r'(src|href)="(?!data:|#)', page), "it must need nothing else"
    assert page.count("<svg") >= 7 and page.count("data:image/webp") > 40
    assert "<span>turn_left</span>" in page


def test_a_wrong_set_fails_and_says_so_as_json(clean, tmp_path, capsys):
    write_arrays(tmp_path / "train", clean[:3])
    np.save(tmp_path / "train" / "frames.npy", np.zeros((480, 24, 32, 3), np.uint8))
    assert cli.main(["doctor", str(tmp_path), "--json", "--no-page"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert "brightness" in report["wrong"] and report["frames looked at"] == 480
    assert {"name", "verdict", "sentence", "figures"} == report["findings"][0].keys()
    assert not (tmp_path / "doctor.html").exists()


def test_names_cannot_write_into_the_page(tmp_path):
    episodes = recordings(count=2, length=40)
    episodes[0].name = "<script>alert(1)</script>"
    write_arrays(tmp_path / "train", episodes)
    cli.main(["doctor", str(tmp_path)])
    assert "<script>" not in (tmp_path / "doctor.html").read_text()
