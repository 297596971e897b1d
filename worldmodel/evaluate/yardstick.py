"""The regression network beside a world: read from a run, a checkpoint or a file of weights."""

from dataclasses import replace
from pathlib import Path

from worldmodel.checkpoint import encoder_hash, load_network
from worldmodel.errors import UserError
from worldmodel.model.transformer import WorldConfig, WorldTransformer
from worldmodel.play.scene import blank
from worldmodel.play.speed import choose
from worldmodel.play.world import World, context_of, load_world
from worldmodel.weights import load_header


def load_yardstick(path: Path, world: World) -> World:
    """The regression network at `path`, at the speed of `world`.

    A file of weights is read with the world's own tokenizer and motion. Raises UserError when it
    was trained on another tokenizer's latents or has other sizes than the world.
    """
    if path.is_file():
        return _of_weights(path, world)
    inside = path / "checkpoint"
    found = load_world(inside if inside.is_dir() else path, "cpu", world.speed.name)
    _require_same(path, encoder_hash(found.tokenizer), found.network, world)
    return found


def _of_weights(path: Path, world: World) -> World:
    network = load_network(path, WorldTransformer, WorldConfig).requires_grad_(False)
    _require_same(path, load_header(path).get("encoder"), network, world)
    found = replace(world, name="regression", network=network)
    size = world.config.tokenizer.height, world.config.tokenizer.width
    start = world.scenes[0] if world.scenes else blank(size, world.config.controls.size)
    choose(found.networks, world.speed.name, context_of(found, start))
    return found


def _require_same(path: Path, encoder: str | None, network: WorldTransformer, world: World) -> None:
    if encoder != encoder_hash(world.tokenizer):
        raise UserError(
            f"the regression network in {path} has another tokenizer than the world; train it "
            "with `worldmodel train regression` on the world's own"
        )
    if replace(network.config, jumps=world.config.world.jumps) != world.config.world:
        raise UserError(
            f"the regression network in {path} has other sizes than the world; train it with "
            "`worldmodel train regression` and the world's own sizes"
        )
