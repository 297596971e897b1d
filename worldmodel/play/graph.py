"""Functions of tensors as graphs: traced from the plain PyTorch code, fused and run by OpenVINO."""

import functools
import os
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import ModuleType

import torch
from torch import Tensor, nn

Function = Callable[..., tuple[Tensor, ...]]

BATCHES = (8, 4, 2)  # players that run as one; any number is made of these and of ones
# how far a batch may stray from the same players one by one, as a share of the mean magnitude
SAME = {"f32": 1e-3, "bf16": 3e-2}
TRACING = threading.Lock()


class Graph:
    """`function` for players [b ...], its weights as constants; traced when it is first called.

    Takes and returns float tensors [b ...] on the CPU. A graph has fixed shapes, so there is one
    for each of BATCHES, compiled beside play when so many players first come together; until then
    they run in smaller parts. `precision` is what matrix products and convolutions run in: "f32"
    or "bf16". Raises ModuleNotFoundError without OpenVINO, RuntimeError when it cannot compile the
    function or a batch strays from its players one by one.
    """

    def __init__(self, function: Function, precision: str) -> None:
        self.function, self.precision = function, precision
        self.requests: dict[int, object] = {}
        self.coming: dict[int, Future] = {}

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        players = len(inputs[0])
        if not self.requests:
            self.requests[1] = self._compile([x[:1] for x in inputs])
        self._prepare(inputs, max((size for size in BATCHES if size <= players), default=1))
        parts, at = [], 0
        while at < players:
            size = self._ready(players - at)
            parts.append(self._batch([x[at : at + size] for x in inputs], size))
            at += size
        return parts[0] if len(parts) == 1 else tuple(map(torch.cat, zip(*parts, strict=True)))

    def _prepare(self, inputs: tuple[Tensor, ...], size: int) -> None:
        """Begin to compile for so many players, unless that has begun."""
        if size > 1 and size not in self.coming:
            some = [x[:size].clone() for x in inputs]
            self.coming[size] = _compiler().submit(self._compile, some)

    def _ready(self, players: int) -> int:
        """The largest batch of at most so many players that can run now."""
        done = (size for size, future in self.coming.items() if future.done())
        return max((size for size in done if size <= players), default=1)

    def _batch(self, inputs: list[Tensor], size: int) -> tuple[Tensor, ...]:
        if size in self.requests:
            return self._run(self.requests[size], inputs)
        self.requests[size] = self.coming[size].result()
        together = self._run(self.requests[size], inputs)
        alone = [self._run(self.requests[1], [x[i : i + 1] for x in inputs]) for i in range(size)]
        for a, b in zip(together, map(torch.cat, zip(*alone, strict=True)), strict=True):
            strays = float((a - b).abs().mean() / b.abs().mean().clamp_min(0.01))
            if not strays <= SAME[self.precision]:
                raise RuntimeError(f"a batch of {size} strays by {strays:.1e} from its players")
        return together

    def _run(self, request: object, inputs: list[Tensor]) -> tuple[Tensor, ...]:
        arrays = [x.contiguous().numpy() for x in inputs]  # kept alive while the request reads them
        for i, array in enumerate(arrays):
            request.set_input_tensor(i, _openvino().Tensor(array, shared_memory=True))
        request.infer()
        # what the request holds is overwritten by its next run
        return tuple(
            torch.from_numpy(request.get_output_tensor(i).data).clone()
            for i in range(len(request.model_outputs))
        )

    def _compile(self, inputs: list[Tensor]) -> object:
        model = _openvino().convert_model(
            trace(self.function, inputs), example_input=tuple(inputs),
            input=[tuple(x.shape) for x in inputs],
        )  # fmt: skip
        threads = torch.get_num_threads()
        settings = {
            "INFERENCE_PRECISION_HINT": self.precision,
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            # one thread a core, or they meet on one; fewer threads go where there is room
            "ENABLE_CPU_PINNING": threads == os.cpu_count(),
        }
        return _core().compile_model(model, "CPU", settings).create_infer_request()


def compiled() -> None:
    """Wait until all graphs that are being compiled are there."""
    _compiler().submit(int).result()


def trace(function: Function, inputs: list[Tensor]) -> torch.jit.ScriptModule:
    """The operations of `function` on such inputs, with all else as constants."""

    class Traced(nn.Module):
        def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
            return function(*given)

    # one at a time: what warnings are shown is the same for all threads
    with TRACING, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # shapes that become constants: they are the same each time
        # no inference tensors may become constants of the trace
        given = tuple(x.clone() for x in inputs)
        return torch.jit.freeze(torch.jit.trace(Traced().eval(), given, check_trace=False))


@functools.cache
def _compiler() -> ThreadPoolExecutor:
    """One thread, so that graphs come in the order in which they were asked for."""
    return ThreadPoolExecutor(1, thread_name_prefix="graphs")


@functools.cache
def _core() -> object:
    return _openvino().Core()


def _openvino() -> ModuleType:
    """The library, imported when a graph is made; without its telemetry, which would phone home."""
    sys.modules.setdefault("openvino_telemetry", None)
    import openvino

    return openvino
