"""The two stages as commands run them: from prepared data to weights in a run folder."""

import dataclasses
import json
from pathlib import Path

import torch
from torch import nn

from worldmodel.checkpoint import (
    MOTION,
    TOKENIZER,
    CheckpointConfig,
    PlayConfig,
    encoder_hash,
    load_motion,
    load_tokenizer,
    save_checkpoint,
    save_motion,
    save_network,
    save_tokenizer,
    tokenizer_hash,
)
from worldmodel.data.atomic import write_json
from worldmodel.data.clips import FrameStore
from worldmodel.data.provenance import (
    Source,
    describe_checkpoint,
    read_sources,
    source_of,
    write_sources,
)
from worldmodel.data.records import read_json
from worldmodel.errors import UserError
from worldmodel.model.carrier import Carrier
from worldmodel.model.motion import Motion, MotionConfig
from worldmodel.model.tokenizer import Tokenizer, TokenizerConfig
from worldmodel.model.transformer import WorldConfig, WorldTransformer
from worldmodel.train.config import TrainConfig
from worldmodel.train.devices import on_its_device
from worldmodel.train.latents import LatentClips, carry_frames, encode_frames
from worldmodel.train.loop import train
from worldmodel.train.objectives.photometric import Photometric, PhotometricConfig
from worldmodel.train.objectives.reconstruction import (
    Reconstruction,
    ReconstructionConfig,
    measure_statistics,
)
from worldmodel.train.objectives.rectified_flow import FlowConfig, RectifiedFlow, frame_correlation
from worldmodel.train.objectives.regression import Regression
from worldmodel.train.ranks import in_turn, join_ranks, rank, wait_for_ranks
from worldmodel.train.state import latest_state, saved_step
from worldmodel.train.transfer import begin_with
from worldmodel.train.watched import WorldWatch

REGRESSION = "regression.safetensors"


@on_its_device
def train_tokenizer(
    data: Path,
    run: Path,
    sizes: TokenizerConfig,
    config: TrainConfig,
    start: Path | None = None,
    *,
    perceptual: float = 0.0,
) -> Tokenizer:
    """Train a tokenizer on `data/train`, judge it on `data/heldout`; returns averaged weights.

    A new run begins with the weights of the file `start`, if one is given, here and in the other
    stages. Frames are what `worldmodel prepare` wrote; `perceptual` weighs the distance of
    features. Ends with `run/tokenizer.safetensors`. Raises
    UserError when sizes and data do not fit or the run folder holds another configuration.
    """
    store, heldout = FrameStore(data / "train"), FrameStore(data / "heldout")
    if store.size != (sizes.height, sizes.width):
        raise UserError(
            f"the frames in {data} are {store.size[1]}x{store.size[0]}, the tokenizer is for "
            f"{sizes.width}x{sizes.height}; give --height {store.size[0]} --width {store.size[1]}"
        )
    chosen = {"reconstruction": ReconstructionConfig(perceptual=perceptual)} if perceptual else {}
    note_configuration(run, {"tokenizer": sizes, "train": config, **chosen})
    note_sources(run, [source_of(store)])
    torch.manual_seed(config.seed)
    network = Tokenizer(sizes).to(memory_format=torch.channels_last)
    if start:
        begin_with(network, start)
    part = config.parts()
    objective = Reconstruction(
        store.frames, heldout.frames, batch=part.batch, seed=config.seed, perceptual=perceptual
    )
    average = train(network, objective, config, run)
    measure_statistics(average, store.frames)
    if rank() == 0:
        save_tokenizer(run, average)
    wait_for_ranks()
    return average


@on_its_device
def train_world(
    data: Path,
    tokenizer: Path,
    run: Path,
    sizes: WorldConfig,
    config: TrainConfig,
    flow: FlowConfig,
    motion: Path | None = None,
    start: Path | None = None,
    objective: type[RectifiedFlow] = RectifiedFlow,
) -> WorldTransformer:
    """Train a world on the latents of `data`; ends with a playable checkpoint in `run/checkpoint`.

    Its data.json and card.md say what it and what it starts from were trained on.

    `tokenizer` and `motion` are files or the run folders that hold them; without motion the world
    starts each frame from the last one as it was. Latents are encoded once and kept beside the
    frames. Returns averaged weights.
    """
    tokens, mover = open_tokenizer(tokenizer), open_motion(motion) if motion else None
    store, heldout = FrameStore(data / "train"), FrameStore(data / "heldout")
    sizes = dataclasses.replace(
        sizes,
        grid=tokens.config.grid,
        latent_channels=tokens.config.latent_channels,
        controls=store.space.size,
        history=mover.config.history if mover else 0,
    )
    note_configuration(run, {"world": sizes, "flow": flow, "train": config})
    sources = [source_of(store), *_sources_of(tokenizer, motion)]
    note_sources(run, sources)
    train_set, heldout_set = (
        latent_clips(part, tokens, mover, config) for part in (store, heldout)
    )
    torch.manual_seed(config.seed)
    network = WorldTransformer(sizes).to(memory_format=torch.channels_last)
    if start:
        begin_with(network, start)
    network.rho.copy_(frame_correlation(train_set))
    carrier = Carrier(mover, tokens) if mover else None
    learns = objective(train_set, heldout_set, tokens, config.parts(), flow, carrier)
    about = CheckpointConfig(
        title=store.game,
        game=store.game,
        licence=store.licence,
        fps=store.fps,
        controls=store.space,
        tokenizer=tokens.config,
        tokenizer_hash=tokenizer_hash(tokens),
        world=sizes,
        play=PlayConfig(steps=flow.steps, warm_start=flow.warm_start if mover else 0.0),
    )

    def publish(average: nn.Module) -> None:
        save_checkpoint(run / "checkpoint", about, tokens, average, mover, step=saved_step(run))
        describe_checkpoint(run / "checkpoint", about.title, sources)

    watch = None if objective.blank else WorldWatch(heldout_set, tokens, flow, carrier)
    return train(network, learns, config, run, publish, watch)


def latent_clips(
    store: FrameStore, tokenizer: Tokenizer, motion: Motion | None, config: TrainConfig
) -> LatentClips:
    """A split's latents and, in a world with motion, what each frame starts from."""
    latents = in_turn(lambda: encode_frames(store, tokenizer, config))
    carried = (
        in_turn(lambda: carry_frames(store, latents, tokenizer, motion, config)) if motion else None
    )
    return LatentClips(store, latents, carried)


def train_regression(
    data: Path, tokenizer: Path, run: Path, sizes: WorldConfig, config: TrainConfig,
    drawn: FlowConfig | None = None, motion: Path | None = None, start: Path | None = None,
) -> WorldTransformer:  # fmt: skip
    """Train the yardstick of a world: the same network on the same clips, without noise.

    `drawn` says what clips are drawn and how many pasts are its own, as it does for a world. With
    the world's weights as `start` the world's training is behind it too.
    Ends with a checkpoint in `run/checkpoint` and its network alone in
    `run/regression.safetensors`; `worldmodel evaluate --regression` takes either.
    """
    flow = dataclasses.replace(drawn or FlowConfig(), steps=1, warm_start=0.0, dropout=0.0)
    found = train_world(data, tokenizer, run, sizes, config, flow, motion, start, Regression)
    if rank() == 0:
        encoder = encoder_hash(open_tokenizer(tokenizer))
        save_network(run / REGRESSION, found, encoder=encoder)
    return found


@on_its_device
def train_motion(
    data: Path,
    tokenizer: Path,
    run: Path,
    sizes: MotionConfig,
    config: TrainConfig,
    start: Path | None = None,
    weighed: PhotometricConfig | None = None,
) -> Motion:
    """Train the motion network on pairs of frames; ends with `run/motion.safetensors`."""
    tokens = open_tokenizer(tokenizer)
    store, heldout = FrameStore(data / "train"), FrameStore(data / "heldout")
    sizes = dataclasses.replace(
        sizes,
        grid=tokens.config.grid,
        latent_channels=tokens.config.latent_channels,
        controls=store.space.size,
    )
    weighed = weighed or PhotometricConfig()
    chosen = {"photometric": weighed} if weighed != PhotometricConfig() else {}
    note_configuration(run, {"motion": sizes, "train": config, **chosen})
    note_sources(run, [source_of(store), *_sources_of(tokenizer)])
    latents, heldout_latents = in_turn(
        lambda: [encode_frames(part, tokens, config) for part in (store, heldout)]
    )
    torch.manual_seed(config.seed)
    network = Motion(sizes).to(memory_format=torch.channels_last)
    if start:
        begin_with(network, start)
    tokens.requires_grad_(False)
    objective = Photometric(
        store, latents, heldout, heldout_latents, config.parts(), tokens, sizes, weighed
    )
    return train(network, objective, config, run, lambda average: save_motion(run, average))


def open_motion(path: Path) -> Motion:
    """The motion network of a run folder or of a file."""
    network = load_motion(path / MOTION if path.is_dir() else path)
    return network.to(memory_format=torch.channels_last)


def open_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of a run folder or of a file."""
    tokens = load_tokenizer(path / TOKENIZER if path.is_dir() else path)
    return tokens.to(memory_format=torch.channels_last)


def _sources_of(*places: Path | None) -> list[Source]:
    """What the networks that a stage starts from were trained on."""
    return [source for place in places if place for source in read_sources(place)]


def note_sources(run: Path, sources: list[Source]) -> None:
    """Write run/data.json, once however many processes train."""
    if rank() == 0:
        write_sources(run, sources)


def note_configuration(run: Path, parts: dict[str, object]) -> None:
    """Write run/config.json, or check that a run to be resumed had the same sizes and draws.

    What an earlier version did not write down is as it is by default.
    """
    join_ranks()
    record = json.loads(json.dumps({k: dataclasses.asdict(v) for k, v in parts.items()}))
    path = run / "config.json"
    if path.exists() and latest_state(run):
        earlier = read_json(path)
        usual = {k: _usual(part) for k, part in parts.items()}
        changed = [k for k in record if k != "train" and record[k] != usual[k] | earlier.get(k, {})]
        if changed:
            raise UserError(
                f"{run} was started with another {' and '.join(changed)} configuration; "
                "give the same options or another --run folder"
            )
    wait_for_ranks()
    if rank() == 0:
        run.mkdir(parents=True, exist_ok=True)
        write_json(path, record)


def _usual(part: object) -> dict[str, object]:
    """The fields of a configuration that have a default, as JSON has them."""
    fields = {field.name: field.default for field in dataclasses.fields(part)}
    known = {k: v for k, v in fields.items() if v is not dataclasses.MISSING}
    return json.loads(json.dumps(known, default=dataclasses.asdict))
