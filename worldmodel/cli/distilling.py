"""Commands that go on from a finished world, and the one that runs all stages.

Imports stand inside, so that `worldmodel --help` does not wait for PyTorch.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path

from worldmodel.cli.command import Commands, Run, add_json, report
from worldmodel.cli.options import (
    add_changes,
    add_checkpoint,
    add_data,
    add_options,
    add_run,
    changed,
    chosen,
)
from worldmodel.cli.training import TOKENIZER, TRAIN, add_start

DISTIL = {
    "objective": "shortcut, consistency, reflow or self_forcing",
    "clip": "frames of a training clip",
    "frames": "frames of a clip that are dreamed in an update",
    "moving": "share of the clips drawn in proportion to their motion",
    "looks": "looks a frame in play, for which the world is distilled",
    "warm_start": "noise level at which begins what the motion network has moved along",
    "warm_share": "share of the frames beyond that level that begin with it, not with the truth",
    "floor": "weight of the loss at pure noise; at clean data it is 1",
    "follow": "how much the slow average keeps in an update",
    "flow_share": "shortcut: share of the frames that keep to the teacher's plain flow",
    "halvings": "shortcut: how often a jump of play is halved",
    "substeps": "consistency: steps of the teacher in a segment; reflow: from noise to data",
    "guidance": "consistency, reflow: guidance on the keys, baked in",
    "horizon": "self_forcing: frames dreamed one after another",
    "perceptual": "self_forcing: weight of the distance of the decoded pictures' features",
}
DECODER = {
    "noise": "largest deviation of the noise on encoded latents",
    "predicted": "share of the pictures whose latents the world has dreamed",
    "pool": "clips that the world dreams for them",
    "depth": "frames of such a clip",
    "trust": "weight of the pixels of dreamed frames",
    "perceptual": "weight of the distance of features",
    "critic": "weight of a critic of patches; 0: none",
    "critic_warmup": "updates in which that weight rises",
    "crop": "pixels to a side that features and critic see",
    "rounds": "times that pictures are moved, encoded and decoded before they are judged, at most",
}
LIGHTENING = {
    "noise": "largest deviation of the noise on latents that the decoder is shown",
    "perceptual": "weight of the distance of features",
    "crop": "pixels to a side that features see",
    "imitate": "the decoder learns the world's own pictures, not the recorded ones",
}
LIGHTER = ("separable", "fine", "coarse", "encoder_blocks", "decoder_blocks")
JUDGE = {
    "clips": "clips to judge on",
    "steps": "looks a frame; the world's own unless given",
    "warm_start": "level at which known places begin; the world's own unless given",
    "sampler": "euler, heun or renoise; the world's own unless given",
    "guidance": "guidance on the keys; the world's own unless given",
    "features": "network whose features measure a distance, lite0 or lite2; none unless given",
    "picture": "PNG to write, truth above dream",
    "teacher": "world whose 16 looks few ones are compared with",
    "teacher_guidance": "guidance on the keys of the teacher",
    "heldout": "judge on held-out episodes, for figures that are stated and not for choices",
}


def train_distil(parser: ArgumentParser) -> Run:
    from worldmodel.presets import DISTILLING
    from worldmodel.train.distilling import train_distilled
    from worldmodel.train.objectives.distil_config import DistilConfig

    _add_stage(parser, "runs/distilled")
    _add_groups(parser, {"objective": (DistilConfig(), DISTIL), "training": (DISTILLING, TRAIN)})

    def run(options: Namespace) -> None:
        distil, config = (
            changed(DistilConfig(), options, DISTIL),
            changed(DISTILLING, options, TRAIN),
        )
        train_distilled(options.data, options.checkpoint, options.run, config, distil)

    return run


def train_decoder(parser: ArgumentParser) -> Run:
    from worldmodel.presets import DECODING
    from worldmodel.train.distilling import train_decoder
    from worldmodel.train.objectives.decoder_stage import DecoderConfig

    _add_stage(parser, "runs/decoder")
    _add_groups(parser, {"objective": (DecoderConfig(), DECODER), "training": (DECODING, TRAIN)})

    def run(options: Namespace) -> None:
        decoder, config = (
            changed(DecoderConfig(), options, DECODER),
            changed(DECODING, options, TRAIN),
        )
        train_decoder(options.data, options.checkpoint, options.run, config, decoder)

    return run


def train_lighter(parser: ArgumentParser) -> Run:
    from worldmodel.model.tokenizer import TokenizerConfig
    from worldmodel.presets import LIGHTENING as TRAINED
    from worldmodel.train.lightening import SEPARABLE, train_lighter
    from worldmodel.train.objectives.lightening import LighteningConfig

    _add_stage(parser, "runs/lighter")
    add_start(parser)
    texts = {name: TOKENIZER[name] for name in LIGHTER}
    usual = TokenizerConfig(separable=SEPARABLE)
    add_changes(
        parser.add_argument_group("sizes, the world's own unless given"), usual, texts, "usually "
    )
    _add_groups(
        parser, {"objective": (LighteningConfig(), LIGHTENING), "training": (TRAINED, TRAIN)}
    )

    def run(options: Namespace) -> None:
        sizes = {k: v for k, v in chosen(options, LIGHTER).items() if v is not None}
        where = options.data, options.checkpoint, options.run
        config = changed(TRAINED, options, TRAIN)
        lightening = changed(LighteningConfig(), options, LIGHTENING)
        train_lighter(*where, config, lightening, sizes, options.start)

    return run


def train_judge(parser: ArgumentParser) -> Run:
    from worldmodel.train.judging import judge_world

    add_data(parser)
    add_checkpoint(parser, "world to judge")
    add_options(parser, judge_world, JUDGE)
    add_json(parser)
    return lambda options: report(
        judge_world(options.data, options.checkpoint, **chosen(options, JUDGE)), options.json
    )


def train_recipe(parser: ArgumentParser) -> Run:
    from worldmodel.evaluate.training_flops import update_flops
    from worldmodel.recipes.book import RECIPES, recipe_named
    from worldmodel.recipes.cook import follow

    lines = "; ".join(f"{name}: {recipe_named(name).about}" for name in RECIPES)
    parser.add_argument("recipe", choices=RECIPES, help=lines)
    text = "folder of the episodes; they are recorded where it has none (default: data/RECIPE)"
    parser.add_argument("--data", type=Path, help=text)
    text = "folder of the stages; a recipe begun there goes on (default: runs/RECIPE)"
    parser.add_argument("--run", type=Path, help=text)

    text = "how long trainings last; 0.05 tries the whole recipe in a twentieth (default: 1)"
    parser.add_argument("--length", type=float, default=1.0, metavar="N", help=text)

    def run(options: Namespace) -> None:
        data = options.data or Path("data") / options.recipe
        folder = options.run or Path("runs") / options.recipe
        follow(recipe_named(options.recipe, options.length), data, folder, update_flops)

    return run


def _add_stage(parser: ArgumentParser, run: str) -> None:
    add_data(parser)
    add_checkpoint(parser, "world to go on from")
    add_run(parser, run)


def _add_groups(
    parser: ArgumentParser, groups: Mapping[str, tuple[object, Mapping[str, str]]]
) -> None:
    for title, (config, texts) in groups.items():
        add_changes(parser.add_argument_group(title), config, texts)


COMMANDS: Commands = {
    "train distil": (train_distil, "teach a finished world to dream in few looks"),
    "train decoder": (train_decoder, "sharpen the decoder of a finished world"),
    "train lighter": (train_lighter, "make the tokenizer of a finished world lighter"),
    "train recipe": (train_recipe, "carry out all stages of a recipe, from episodes to a card"),
    "train judge": (train_judge, "judge a world on training episodes kept aside"),
}
