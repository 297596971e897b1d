"""Checkpoints come back as they were saved, and everything wrong with one is one sentence."""

import dataclasses
import json

import pytest
import torch
from painter import SPACE
from room import atlas as room_atlas
from room import finder
from safetensors.torch import load_file, save_file
from tiny import MOTION, MOVING_WORLD, TOKENIZER, WORLD, clip, motion, tokenizer, world

from worldmodel.checkpoint import (
    CheckpointConfig,
    PlayConfig,
    encoder_hash,
    load_checkpoint,
    load_config,
    load_motion,
    load_tokenizer,
    save_checkpoint,
    save_motion,
    save_network,
    save_tokenizer,
    tensors_hash,
    tokenizer_hash,
    trained_steps,
)
from worldmodel.errors import UserError
from worldmodel.model.motion import Motion
from worldmodel.model.transformer import WorldConfig
from worldmodel.model.whereabouts import Whereabouts


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    return tokenizer(), world()


@pytest.fixture
def config(networks):
    return CheckpointConfig(
        title="The painter's room",
        game="painter",
        licence="none",
        fps=17.5,
        controls=SPACE,
        tokenizer=TOKENIZER,
        tokenizer_hash=tokenizer_hash(networks[0]),
        world=WORLD,
        play=PlayConfig(steps=3, guidance=1.5, sampler="renoise"),
    )


@pytest.fixture
def folder(tmp_path, networks, config):
    save_checkpoint(tmp_path / "painter", config, *networks)
    return tmp_path / "painter"


@pytest.fixture
def moving(tmp_path, networks, config):
    """The folder of a world with a motion network, and what was saved in it."""
    torch.manual_seed(0)
    mover = motion()
    about = dataclasses.replace(config, world=MOVING_WORLD)
    save_checkpoint(tmp_path / "moving", about, networks[0], world(MOVING_WORLD), mover)
    return tmp_path / "moving", mover


def refused(folder, pattern):
    """`load_checkpoint` refuses the folder in one sentence that matches."""
    with pytest.raises(UserError, match=pattern) as error:
        load_checkpoint(folder)
    assert "\n" not in str(error.value)


def edit(folder, **changes):
    """Change fields of config.json; None removes one."""
    path = folder / "config.json"
    record = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in record.items() if v is not None}))


def test_a_world_comes_back_as_it_was_saved(folder, networks, config):
    loaded = load_checkpoint(folder)
    assert loaded.config == config and loaded.folder == folder
    for saved, found in zip(networks, (loaded.tokenizer, loaded.network), strict=True):
        assert not found.training
        for name, tensor in saved.state_dict().items():
            assert torch.equal(found.state_dict()[name], tensor), name
    latents, tau, controls = clip()
    with torch.no_grad():
        assert torch.equal(
            networks[1](latents, tau, tau * 0, controls),
            loaded.network(latents, tau, tau * 0, controls),
        )


def test_only_json_and_safetensors_are_written(folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {"config.json", "tokenizer.safetensors", "world.safetensors"}


def test_a_world_with_motion_comes_back_with_it(moving):
    folder, mover = moving
    found = load_checkpoint(folder).motion
    assert found.config == MOTION and not found.training
    for name, tensor in mover.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name
    assert {path.name for path in folder.iterdir()} == {
        "config.json", "tokenizer.safetensors", "motion.safetensors", "world.safetensors"
    }  # fmt: skip


def test_a_world_without_motion_has_none(folder):
    assert load_checkpoint(folder).motion is None


def test_a_motion_network_comes_back_alone(tmp_path):
    mover = motion()
    save_motion(tmp_path, mover)
    assert tensors_hash(load_motion(tmp_path / "motion.safetensors").state_dict()) == tensors_hash(
        mover.state_dict()
    )


def test_missing_and_damaged_motion(moving):
    path = moving[0] / "motion.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    refused(moving[0], r"motion\.safetensors is damaged .*; copy the checkpoint again")
    path.unlink()
    refused(moving[0], r"motion\.safetensors is missing; copy the checkpoint again")


@pytest.mark.parametrize(
    "change", [{"history": 2}, {"controls": 5}, {"latent_channels": 3}, {"grid": (4, 6)}]
)
def test_motion_of_another_world(moving, change):
    save_motion(moving[0], Motion(dataclasses.replace(MOTION, **change)))
    refused(moving[0], "motion.safetensors is not this world's .*; put the original file back")


def test_saving_again_replaces_it(folder, networks, config):
    save_checkpoint(folder, dataclasses.replace(config, title="Another"), *networks)
    assert load_config(folder).title == "Another"


def test_a_tokenizer_comes_back_alone(tmp_path, networks):
    save_tokenizer(tmp_path, networks[0])
    loaded = load_tokenizer(tmp_path / "tokenizer.safetensors")
    assert loaded.config == TOKENIZER
    assert tokenizer_hash(loaded) == tokenizer_hash(networks[0])


def test_the_hash_knows_names_shapes_and_bytes():
    base = {"a": torch.zeros(2, 3), "b": torch.ones(1)}
    assert tensors_hash(base) == tensors_hash(dict(reversed(base.items())))
    assert len(tensors_hash(base)) == 16
    others = [
        {"a": torch.zeros(3, 2), "b": torch.ones(1)},
        {"c": torch.zeros(2, 3), "b": torch.ones(1)},
        {"a": torch.zeros(2, 3), "b": torch.full((1,), 1.0000001)},
    ]
    assert tensors_hash(base) not in {tensors_hash(other) for other in others}


def test_a_folder_without_a_world(tmp_path):
    refused(tmp_path / "nowhere", "no world in .*nowhere: config.json is missing; choose")


@pytest.mark.parametrize("name", ["tokenizer.safetensors", "world.safetensors"])
def test_missing_and_damaged_weights(folder, name):
    path = folder / name
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:4], b"", b"not a safetensors file at all"):
        path.write_bytes(damaged)
        refused(folder, f"{name} is damaged .*; copy the checkpoint again")
    path.unlink()
    refused(folder, f"{name} is missing; copy the checkpoint again")


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", '{"schema": 1}', "\x00\x01"])
def test_a_damaged_configuration(folder, text):
    (folder / "config.json").write_text(text)
    refused(folder, "config.json is damaged .*; copy the checkpoint again")


def test_a_configuration_that_is_not_text(folder):
    (folder / "config.json").write_bytes(b"\xff\xfe\x00\x93")
    refused(folder, "config.json is damaged")


def test_another_schema(folder):
    edit(folder, schema=99)
    refused(folder, "has schema 99, this version reads 1; update one")


def test_fields_that_are_unknown_missing_or_of_the_wrong_kind(folder):
    edit(folder, colour="red")
    refused(folder, "unknown fields colour; update worldmodel")
    edit(folder, colour=None, fps="fast")
    refused(folder, "fps should be float, found 'fast'")
    edit(folder, fps=None)
    refused(folder, "is incomplete .*fps.*; copy the checkpoint again")


@pytest.mark.parametrize(
    ("part", "change", "pattern"),
    [
        ("world", {"width": "wide"}, r"\(world\): width should be int, found 'wide'"),
        ("world", {"depht": 3}, r"\(world\) has unknown fields depht"),
        ("world", {"heads": 5}, "5 heads of even size"),
        ("world", {"dense": 3}, "dense should be tuple.*, found 3"),
        ("world", {"grid": ["a", 2]}, r"grid should be tuple.*, found \('a', 2\)"),
        ("world", {"grid": [2, 6, 4]}, "grid should be tuple"),
        ("world", {"depth": True}, "depth should be int, found True"),
        ("world", {"heads": 0}, "sizes must be at least 1"),
        ("play", {"steps": 1.5}, "steps should be"),
        ("tokenizer", {"height": 17}, "multiples of 8"),
        ("controls", {"buttons": None}, "damaged|control space"),
        ("tokenizer", 7, "tokenizer should be"),
    ],
)
def test_parts_that_are_wrong(folder, part, change, pattern):
    record = json.loads((folder / "config.json").read_text())[part]
    edit(folder, **{part: record | change if isinstance(change, dict) else change})
    refused(folder, pattern)


def test_weights_of_other_sizes(folder):
    record = json.loads((folder / "config.json").read_text())["world"]
    edit(folder, world=record | {"features": 16})
    refused(folder, r"world\.safetensors does not fit its configuration \(size mismatch.*\); copy")


def test_a_tensor_too_few_and_one_too_many(folder):
    path = folder / "world.safetensors"
    tensors = load_file(path)
    rho = tensors.pop("rho")
    save_file(tensors, path)
    refused(folder, r"does not fit its configuration \(Missing key.*rho")
    save_file(tensors | {"rho": rho, "extra": rho.clone()}, path)
    refused(folder, r"does not fit its configuration \(Unexpected key.*extra")


def test_the_wrong_tokenizer(folder, networks):
    torch.manual_seed(1)
    save_tokenizer(folder, tokenizer())
    expected = tokenizer_hash(networks[0])
    refused(folder, f"not the tokenizer this world was trained with .expected {expected}, found")


def test_a_tokenizer_file_without_its_configuration(tmp_path):
    path = tmp_path / "tokenizer.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="has no configuration of a tokenizer in it"):
        load_tokenizer(path)


@pytest.mark.parametrize("text", ["{nonsense", "7", "null"])
def test_a_tokenizer_file_with_a_damaged_configuration(tmp_path, text):
    path = tmp_path / "tokenizer.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={"config": text})
    with pytest.raises(UserError, match="damaged"):
        load_tokenizer(path)


def test_another_decoder_leaves_the_latents_what_they_were():
    """Cached latents are named by what decides them, and the decoder does not."""
    first, other = tokenizer(), tokenizer()
    other.load_state_dict(first.state_dict())
    with torch.no_grad():
        next(other.decoder.parameters()).add_(1)
    assert encoder_hash(first) == encoder_hash(other)
    assert tokenizer_hash(first) != tokenizer_hash(other)
    with torch.no_grad():
        next(other.encoder.parameters()).add_(1)
    assert encoder_hash(first) != encoder_hash(other)


@pytest.mark.parametrize("name", ["doom", "coinrun"])
def test_what_ships_is_finished_and_the_page_does_not_count_its_updates(pytestconfig, name):
    assert trained_steps(pytestconfig.rootpath / "checkpoints" / name) is None


@pytest.fixture(scope="module")
def whereabouts():
    """A map of the painter's room."""
    atlas = room_atlas()
    places = finder(atlas)
    for part in (atlas, places):
        part.config = dataclasses.replace(part.config, game="painter")
    return Whereabouts(atlas, places)


@pytest.fixture
def mapped(tmp_path, networks, config, whereabouts):
    """The folder of a world whose map is known."""
    about = dataclasses.replace(config, world=MOVING_WORLD)
    parts = networks[0], world(MOVING_WORLD), motion()
    save_checkpoint(tmp_path / "mapped", about, *parts, whereabouts=whereabouts)
    return tmp_path / "mapped"


def test_a_world_comes_back_with_its_map(mapped, whereabouts):
    found = load_checkpoint(mapped)
    assert found.others == {"ending": None, "whereabouts": found.whereabouts}
    for part in ("atlas", "finder"):
        ours, theirs = getattr(whereabouts, part), getattr(found.whereabouts, part)
        assert theirs.config == ours.config
        assert tensors_hash(theirs.state_dict()) == tensors_hash(ours.state_dict())


def test_a_map_of_another_world_is_refused(mapped, whereabouts, networks, config):
    path = mapped / "pose.safetensors"
    other = finder(whereabouts.atlas)
    save_network(path, other)
    refused(mapped, r"pose\.safetensors knows the map of room, which is not this world's")
    path.unlink()
    refused(mapped, r"pose\.safetensors is missing; copy the checkpoint again")
    save_network(mapped / "atlas.safetensors", room_atlas())
    refused(mapped, r"atlas\.safetensors has pictures of 48x16 of room, which are not this world's")
    edit(mapped, game="room")
    short = dataclasses.asdict(MOVING_WORLD) | {"history": 1}
    about = dataclasses.replace(config, game="room", world=WorldConfig(**short))
    mover = Motion(dataclasses.replace(MOTION, history=1))
    save_checkpoint(mapped, about, networks[0], world(about.world), mover)
    refused(mapped, r"atlas\.safetensors strides by other controls, or more of them")
