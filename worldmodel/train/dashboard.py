"""A run in TensorBoard: scalars of its log, its pictures and films; all from the run's folder.

The folder is the only truth: the dashboard can be opened and closed at any time, during a run or
after it, and training needs nothing for it.
"""

import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from PIL import Image

from worldmodel.errors import UserError
from worldmodel.train.following import QUIET, Tail, require_run
from worldmodel.train.log import EVENTS, LOG

FOLDER = "dashboard"
PATIENCE = 5.0  # seconds in which a server that can't start has ended
NAMES = {  # figures whose names do not say enough on a chart
    "shuffled_ratio": "shuffled_action_loss_ratio",
    "over_repeat": "psnr_over_repeating_last_frame",
    "gap_of_steps": "psnr_many_steps_over_few",
    "bend_of_path": "bend_of_sampling_path",
}


class Dashboard:
    """Writes into `run/dashboard` what TensorBoard shows; `update` adds what is new."""

    def __init__(self, run: Path) -> None:
        require_run(run)
        self.run = run
        self._begin()

    def _begin(self) -> None:
        from torch.utils.tensorboard import SummaryWriter  # of the extra `dashboard`

        shutil.rmtree(self.run / FOLDER, ignore_errors=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TensorBoard's own
            self.writer = SummaryWriter(str(self.run / FOLDER))
        self._log, self._events = Tail(self.run / LOG), Tail(self.run / EVENTS)
        self._shown: set[Path] = set()

    def update(self) -> None:
        """Add what the run has told and drawn since the last update."""
        fresh = self._log.new()
        if self._log.start_again:  # the run was resumed: what it repeats is not shown twice
            self.writer.close()
            self._begin()
            fresh = self._log.new()
        for record in fresh:
            self._scalars(record)
        for event in self._events.new():
            text = "  \n".join(f"{name}: {value}" for name, value in event.items())
            self.writer.add_text("run", text, event["step"])
        for path in sorted([*self.run.glob("step-*.png"), *self.run.glob("rollout-*.gif")]):
            if path not in self._shown and ".partial" not in path.name:
                self._picture(path)
                self._shown.add(path)
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()

    def _scalars(self, record: dict[str, Any]) -> None:
        step = record["step"]
        parts = {kind: record[kind] for kind in ("heldout", "watched") if kind in record}
        if not parts:
            parts = {"train": {k: v for k, v in record.items() if k not in QUIET}}
            parts["speed"] = {"frames_per_second": record["frames_per_second"]}
        for part, figures in parts.items():
            for name, value in figures.items():
                group = "loss_by_noise_level" if name.startswith("loss_at_") else part
                self.writer.add_scalar(f"{group}/{NAMES.get(name, name)}", value, step)

    def _picture(self, path: Path) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        kind, _, step = path.stem.partition("-")
        with Image.open(path) as picture:
            width, height = picture.size
        shown = Summary.Image(
            height=height, width=width, colorspace=3, encoded_image_string=path.read_bytes()
        )
        value = Summary.Value(tag={"step": "pictures", "rollout": "rollouts"}[kind], image=shown)
        self.writer.file_writer.add_summary(Summary(value=[value]), int(step))


def serve(run: Path, host: str, port: int) -> subprocess.Popen:
    """Start TensorBoard on `run`, as a process of its own, without a word to anybody else."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(run / FOLDER)]
    command += ["--host", host, "--port", str(port), "--reload_interval", "5"]
    with tempfile.TemporaryFile("w+") as said:
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
        try:
            server.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            return server
        said.seek(0)
        reason = (said.read().strip().splitlines() or ["it ended at once"])[-1]
    raise UserError(f"TensorBoard does not start on port {port} ({reason}); give another --port")
