"""The benches of decoding and of attention: what they run is what the networks run."""

import pytest
import tiny
import torch
from play.playing import save_world

from worldmodel.errors import UserError
from worldmodel.evaluate.bench import attention, decode
from worldmodel.evaluate.bench.attention import attention_of, bench_attention, over_cache
from worldmodel.evaluate.bench.decode import bench_decode, decoder_of
from worldmodel.evaluate.flops import attention as attention_flops
from worldmodel.evaluate.flops import decoder

RATES = {"float32": 100.0, "bfloat16": 200.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_world(tmp_path_factory.mktemp("bench") / "tiny")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for module in (attention, decode):
        monkeypatch.setattr(module, "WARM", 1)
        monkeypatch.setattr(module, "matrix_rates", lambda: RATES)


def test_decoding_by_size_and_speed(folder):
    threads = torch.get_num_threads()
    report = bench_decode(
        folder, heights=(16, 32), threads=(threads,), speeds=("plain", "openvino"), repeats=2
    )
    rows = report["decode"]
    assert [(row["size"], row["speed"]) for row in rows] == [
        ("48x16", "plain"), ("48x16", "openvino"), ("96x32", "plain"), ("96x32", "openvino"),
    ]  # fmt: skip
    assert rows[2]["gflop"] == pytest.approx(4 * rows[0]["gflop"])


def test_a_larger_picture_is_decoded_with_the_same_weights():
    tokenizer = tiny.tokenizer()
    _, config = decoder_of(tokenizer, 32, "plain")
    assert (config.height, config.width) == (32, 96)
    assert decoder(config) == 4 * decoder(tokenizer.config)


def test_attention_by_window_and_players(folder):
    report = bench_attention(
        folder, windows=(2, 4), players=(1, 2), speeds=("plain", "openvino"), repeats=2
    )
    rows = report["attention"]
    assert len(rows) == 8 and {row["window"] for row in rows} == {2, 4}
    work = {(row["window"], row["players"]): row["gflop"] for row in rows}
    assert work[2, 2] == pytest.approx(2 * work[2, 1])
    assert work[4, 1] / work[2, 1] == pytest.approx(5 / 3)


def test_attention_flops_are_those_of_its_products():
    config, window, players = tiny.WORLD, 4, 3
    queries, keys = config.tokens, config.tokens * (window + 1)
    products = 2 * 2 * players * config.heads * queries * keys * config.head
    assert attention_flops(config, window, players) == products


def test_what_is_measured_attends_to_past_and_own_frame():
    query, key, value = (torch.randn(1, 2, 3, 8) for _ in range(3))
    past = [torch.randn(1, 2, 6, 8) for _ in range(2)]
    everything = torch.ones(1, 1, 1, 9, dtype=torch.bool)
    seen = over_cache(query, key, value, *past, everything)[0]
    keys, values = torch.cat([past[0], key], 2), torch.cat([past[1], value], 2)
    weights = (query @ keys.mT / 8**0.5).softmax(-1)
    torch.testing.assert_close(seen, weights @ values)


@pytest.mark.parametrize(
    ("measure", "sentence"),
    [
        (lambda: decoder_of(tiny.tokenizer(), 16, "warp"), "unknown speed 'warp'"),
        (lambda: decoder_of(tiny.tokenizer(), 17, "plain"), "multiples of 8 pixels"),
        (lambda: attention_of(tiny.WORLD, 0, 1, "plain"), "must be at least 1, found 0 and 1"),
    ],
)
def test_what_cannot_be_measured_is_a_sentence(measure, sentence):
    with pytest.raises(UserError, match=sentence):
        measure()
