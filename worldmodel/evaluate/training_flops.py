"""Floating-point operations of one update of a stage, by formula.

A frame that is learned from costs three forward passes (arXiv 2001.08361, section 2.1), a look that
is not learned from one.
"""

from dataclasses import replace
from pathlib import Path

from worldmodel.checkpoint import MOTION, CheckpointConfig, load_config, load_motion
from worldmodel.evaluate.flops import commit, decoder, encoder, look, moving
from worldmodel.train.objectives.distil_config import DistilConfig
from worldmodel.train.objectives.photometric import ROUNDS

LEARNED = 3  # forward passes


def update_flops(world: Path, what: dict[str, object]) -> float:
    """Operations of an update of a stage; `what` is its kind, batch and what else the kind needs.

    Sizes are those of the checkpoint folder `world` that came of it.
    """
    config, kind, batch = load_config(world), what["kind"], int(what["batch"])
    picture = encoder(config.tokenizer) + decoder(config.tokenizer)
    if kind == "tokenizer":
        return LEARNED * batch * picture
    if kind == "motion":
        sizes = replace(
            load_motion(world / MOTION).config, momentum=bool(what["momentum"]), measured=False
        )
        rounds = ROUNDS if sizes.momentum else 1
        return batch * (rounds * LEARNED * moving(sizes) + (rounds - 1) * picture)
    if kind == "world":
        return LEARNED * batch * int(what["clip"]) * look(config.world)
    if kind == "scoring":
        return scoring_flops(
            config, batch * int(what["clip"]), int(what["keep"]), int(what["rounds"])
        )
    if kind == "decoder":
        return LEARNED * batch * decoder(config.tokenizer)
    distil = what["distil"]
    frame = (LEARNED + looks_beside(distil)) * look(config.world)
    carry = picture + commit(config.world)  # at every further frame of an own rollout
    further = (distil.horizon - 1) * (frame + carry) if distil.objective == "self_forcing" else 0
    contexts = 1 if distil.objective == "self_forcing" else 2  # the teacher's as well
    context = contexts * distil.clip * commit(config.world)
    return batch * (distil.frames * (frame + picture + further) + context)


def scoring_flops(config: CheckpointConfig, frames: int, keep: int, rounds: int) -> float:
    """One update in `keep` is the flow's. In the others the past is dreamed in up to `rounds` of
    two looks, each of which decodes, moves and encodes half of the frames; then two dreams have
    two looks each.
    """
    picture = encoder(config.tokenizer) + decoder(config.tokenizer)
    before = (1 + rounds) / 2 * (2 * look(config.world) + picture / 2)
    scored = before + 2 * 2 * LEARNED * look(config.world)
    return frames * (LEARNED * look(config.world) + (keep - 1) * scored) / keep


def looks_beside(distil: DistilConfig) -> float:
    """Looks at a frame that are not learned from: of the slow average, the teacher, or play."""
    guided = 1 if distil.guidance == 1.0 else 2
    return {
        "shortcut": 2 * (1 - distil.flow_share) + distil.flow_share,
        "consistency": 1 + guided,
        "reflow": guided * distil.substeps,
        "self_forcing": distil.looks - 1,
    }[distil.objective]
