"""A real checkpoint that is replaced while somebody plays it, from the files to the next frame."""

import time

import numpy as np
import pytest
from playing import keys, play, save_world

from worldmodel.serve.worlds import CheckpointBackend, Library, find_worlds


@pytest.mark.parametrize("moving", [False, True])
def test_play_goes_on_in_the_newer_weights(tmp_path, moving):
    folder = save_world(tmp_path / "world", moving, seed=1, step=100)
    library = Library(find_worlds(folder), CheckpointBackend(speed="plain"), look_every=0.02)
    try:
        player = library.load(library.first).result(timeout=60).fork()
        player.reset(player.scenes[1], seed=3)
        play(player, keys(8))
        save_world(folder, moving, seed=2, step=200)
        deadline = time.monotonic() + 60
        while library.first.version == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        newest = library.first.engine.result()
    finally:
        library.close()
    assert (player.trained, newest.trained, newest.speed) == (100, 200, "plain")
    other = newest.fork()
    other.restore(player.snapshot())
    assert (other.frame_index, other.scene.name, other.seed) == (8, player.scene.name, 3)
    controls = keys(4, seed=5)
    frames = play(other, controls)
    assert other.frame_index == 12 and not np.array_equal(frames, play(player, controls))


def test_a_world_that_is_half_replaced_is_refused(tmp_path):
    """A new tokenizer with the old transformer: the loader says so, the old engine stays."""
    import torch
    from safetensors.torch import load_file, save_file

    from worldmodel.checkpoint import load_checkpoint
    from worldmodel.errors import UserError

    folder = save_world(tmp_path / "world", step=100)
    tensors = load_file(folder / "tokenizer.safetensors")
    save_file({name: torch.zeros_like(t) for name, t in tensors.items()},
              folder / "tokenizer.safetensors")  # fmt: skip
    with pytest.raises(UserError, match="not the tokenizer this world was trained with"):
        load_checkpoint(folder)
