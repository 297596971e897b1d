"""The outpainter's stage: frames of which a side is hidden, completed in a few updates."""

import numpy as np
import pytest
import torch
from tiny import LATENTS, OUTPAINTER, TOKENIZER, outpainter, quick, tokenizer

from worldmodel.data.clips import Span
from worldmodel.errors import UserError
from worldmodel.model.outpainter import Outpainter, OutpainterConfig
from worldmodel.train.loop import train
from worldmodel.train.objectives import outpainting
from worldmodel.train.objectives.outpainting import Outpainting, drawn_view

SIZE = TOKENIZER.height, TOKENIZER.width


class Store:
    """Frames that are one colour each: a part of one tells the rest."""

    def __init__(self, seed, count=40):
        colours = np.random.default_rng(seed).integers(0, 256, (count, 1, 1, 3))
        self.frames = np.broadcast_to(colours, (count, *SIZE, 3)).astype(np.uint8)

    @property
    def episodes(self):
        """Of ten frames each."""
        return [Span(name="", start=i, stop=i + 10, seed=i, player="") for i in range(0, 40, 10)]

    def __len__(self):
        return len(self.frames)


def objective(stays=None, opening=True, **changes):
    torch.manual_seed(0)
    tokens = tokenizer().requires_grad_(False)
    stores = Store(0), Store(1)
    latents = [tokens.encode(torch.from_numpy(s.frames.copy())).numpy() for s in stores]
    config = quick(**changes).parts()
    parts = stores[0], latents[0], stores[1], latents[1], config, tokens, stays
    return Outpainting(*parts, opening=opening)


def test_a_batch_is_a_function_of_seed_and_step():
    a, b = objective(), objective()
    for one, same, other in zip(a.batch(3), b.batch(3), a.batch(4), strict=True):
        assert torch.equal(one, same) and not torch.equal(one, other)


def test_what_is_shown_is_the_frame_and_what_is_hidden_is_its_edge_gone_on(monkeypatch):
    monkeypatch.setattr(outpainting, "AGAIN", 0)
    random, sides, begun = np.random.default_rng(0), set(), 0
    frame = random.integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    for _ in range(200):
        view = drawn_view(frame, random)
        shown, known = view.shown(frame), view.known(frame)
        assert (shown[known] == frame[known]).all() and 0 < known.mean() < 1
        whole = known.all(axis=0)  # columns of which all is known
        sides.add((bool(whole[0]), bool(whole[-1])))
        begin = int(whole.argmin())
        if begin and whole.sum() == begin and known.sum() == begin * SIZE[0]:
            assert (shown[:, begin:] == shown[:, begin - 1 : begin]).all()
            begun += 1
    assert len(sides) == 3 and begun > 20  # left, right, and neither: top or bottom


def test_only_what_is_hidden_is_learned_from():
    chosen, network = objective(), outpainter()
    clean, pictures, known, openings = chosen.batch(0)
    known[:, :, :, :8], known[:, :, :, 8:] = 0, 1
    tau = torch.full((4,), 0.5)

    def by_frame(latents):
        draw = torch.Generator().manual_seed(0)
        with torch.no_grad():
            return chosen.by_frame(network, (latents, pictures, known, openings), tau, draw)

    before = by_frame(clean)
    grid = clean.clone().unflatten(1, TOKENIZER.grid)
    grid[:, :, 1:] += 1  # noised in another way, so that far places are touched only a little
    far = by_frame(grid.flatten(1, 2)) - before
    grid = clean.clone().unflatten(1, TOKENIZER.grid)
    grid[:, :, :1] += 10
    near = by_frame(grid.flatten(1, 2)) - before
    assert near.abs().min() > 10 * far.abs().max()


def test_the_player_is_nowhere_in_what_is_learned():
    """He is in the middle of every frame, and must not be dreamed into what lies beside one."""
    stays = torch.zeros(1, 1, *SIZE)
    stays[..., 4:12, 20:26] = 1
    chosen, plain = objective(stays), objective()
    for store in (chosen.store, plain.store):
        store.frames = store.frames.copy()
        if store is chosen.store:
            store.frames[:, 4:12, 20:26] = 255
    for found, there in zip(chosen.batch(0), plain.batch(0), strict=True):
        torch.testing.assert_close(found, there)


def test_the_gradient_reaches_every_weight():
    chosen, network = objective(), outpainter()
    chosen.loss(network, chosen.batch(0), 0)[0].backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_a_few_updates_complete_a_frame_from_its_part(tmp_path):
    chosen = objective(steps=150, batch=16, learning_rate=1e-2, ema=0.9)
    torch.manual_seed(0)
    before = chosen.validate(Outpainter(OUTPAINTER))["pure_noise"]
    network = train(
        Outpainter(OUTPAINTER),
        chosen,
        quick(steps=150, batch=16, learning_rate=1e-2, ema=0.9),
        tmp_path,
    )
    assert chosen.validate(network)["pure_noise"] < 0.3 * before
    chosen.draw(network, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 0


def test_what_is_known_tells_more_than_nothing():
    """From pure noise the answer is the start where all is known, before anything is learned."""
    network = Outpainter(OUTPAINTER)
    start, noise = torch.randn(2, LATENTS, 4), torch.randn(2, LATENTS, 4)
    with torch.no_grad():
        trusted = network(noise, torch.zeros(2), start, torch.ones(2, LATENTS))
        unknown = network(noise, torch.zeros(2), start, torch.zeros(2, LATENTS))
    torch.testing.assert_close(trusted, 0.8 * start)
    torch.testing.assert_close(unknown, torch.zeros_like(start))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"looks": 0}, "at least 1"),
        ({"grid": (3, 6)}, "must be even"),
        ({"width": 30, "heads": 4}, "must split into 4 heads"),
    ],
)
def test_sizes_that_cannot_be_are_a_sentence(wrong, sentence):
    with pytest.raises(UserError, match=sentence):
        OutpainterConfig(**wrong)
