"""One rank of a world's training, as the tests start it: `python together.py JOBS`.

Jobs are JSON, one run after another: data, tokenizer, run folder, configuration and, if it is to
be stopped, the update at which rank 1 is told so.
"""

import faulthandler
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import torch

HERE = Path(__file__).parent


def train_one(data, tokens, run, config, stop_at=None):
    """Train the tiny world in this process, alone or as a rank."""
    import dataclasses

    from tiny import WORLD, quick

    from worldmodel.train.objectives.rectified_flow import FlowConfig, RectifiedFlow
    from worldmodel.train.ranks import join_ranks, rank
    from worldmodel.train.stages import train_world

    join_ranks()
    sizes = dataclasses.replace(WORLD, grid=(4, 4), latent_channels=1, controls=1)
    draw = RectifiedFlow.batch

    def batch(self, step):
        first = stop_at is not None and step == stop_at * config["accumulate"] + 1
        if first and rank() == 1:
            signal.raise_signal(signal.SIGTERM)
        return draw(self, step)

    RectifiedFlow.batch = batch
    try:
        train_world(Path(data), Path(tokens), Path(run), sizes, quick(**config), FlowConfig(clip=6))
    finally:
        RectifiedFlow.batch = draw


def start_ranks(count, jobs):
    """Run `jobs` on so many processes; raises when one of them fails."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    meeting = {"WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    here = {"PYTHONPATH": ":".join(map(str, (HERE.parents[1], HERE.parent)))}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-W", "error", __file__, json.dumps(jobs)],
            env=environment(**meeting, **here, RANK=i, LOCAL_RANK=i),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i in range(count)
    ]
    said = [rank.communicate(timeout=600)[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0] * count, "\n\n".join(said)
    return said


def environment(**own):
    return {**os.environ, "OMP_NUM_THREADS": "1", **{k: str(v) for k, v in own.items()}}


if __name__ == "__main__":
    faulthandler.dump_traceback_later(540, exit=True)  # ranks that wait for each other say where
    torch.set_num_threads(1)
    for job in json.loads(sys.argv[1]):
        train_one(**job)
