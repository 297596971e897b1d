"""Functions of tensors as graphs: traced from the plain PyTorch code, fused and run by OpenVINO."""

import functools
import os
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import ModuleType

import torch
from torch import Tensor, nn

Function = Callable[..., tuple[Tensor, ...]]

BATCHES = (8, 4, 2)  # players that run as one; any number is made of these and of ones
# how far a batch may stray from the same players one by one, as a share of the mean magnitude
SAME = {"f32": 1e-3, "bf16": 3e-2}
SMALL = 262_144  # bytes that are copied in less time than it takes to tell where they lie
ROWS = torch.contiguous_format  # how OpenVINO has its tensors lie
TRACING = threading.Lock()


class Graph:
    """`function` for players [b ...], its weights as constants; traced when it is first called.

    Takes and returns float tensors [b ...] on the CPU. A graph has fixed shapes, so there is one
    for each of BATCHES, compiled beside play when so many players first come together; until then
    they run in smaller parts. `precision` is what matrix products and convolutions run in: "f32"
    or "bf16"; the results `lent` lie where the next run writes, and are to be used before. Raises
    ModuleNotFoundError without OpenVINO, RuntimeError when it cannot compile the function or a
    batch strays from its players one by one.
    """

    def __init__(self, function: Function, precision: str, lent: tuple[int, ...] = ()) -> None:
        self.function, self.precision, self.lent = function, precision, lent
        self.threads = torch.get_num_threads()
        self.requests: dict[int, Request] = {}
        self.coming: dict[int, Future] = {}

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        players = len(inputs[0])
        if not self.requests:
            self.requests[1] = self._compile([x[:1] for x in inputs])
        self._prepare(inputs, max((size for size in BATCHES if size <= players), default=1))
        if players == 1:
            return self.requests[1](inputs, self.lent)
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
            return self.requests[size](inputs)
        self.requests[size] = self.coming[size].result()
        together = self.requests[size](inputs)
        alone = [self.requests[1]([x[i : i + 1] for x in inputs]) for i in range(size)]
        for a, b in zip(together, map(torch.cat, zip(*alone, strict=True)), strict=True):
            strays = float((a - b).abs().mean() / b.abs().mean().clamp_min(0.01))
            if not strays <= SAME[self.precision]:
                raise RuntimeError(f"a batch of {size} strays by {strays:.1e} from its players")
        return together

    def _compile(self, inputs: list[Tensor]) -> "Request":
        model = _openvino().convert_model(
            trace(self.function, inputs), example_input=tuple(inputs),
            input=[tuple(x.shape) for x in inputs],
        )  # fmt: skip
        settings = {
            "INFERENCE_PRECISION_HINT": self.precision,
            "INFERENCE_NUM_THREADS": self.threads,
            "NUM_STREAMS": 1,
            # one thread a core, or they meet on one; fewer threads go where there is room
            "ENABLE_CPU_PINNING": self.threads == os.cpu_count(),
        }
        return Request(_core().compile_model(model, "CPU", settings))


class Request:
    """A compiled model with a place for each of its results and for each small input.

    Around each run little is done: what is run once a frame is run from cold caches, where an
    operation of PyTorch takes 10 to 20 microseconds.
    """

    def __init__(self, model: object) -> None:
        self.request = model.create_infer_request()
        self.given: list[Tensor | None] = [None] * len(model.inputs)
        self.found = [torch.empty(tuple(port.shape)) for port in model.outputs]
        for i, result in enumerate(self.found):
            self.request.set_output_tensor(i, _shared(result))

    def __call__(self, inputs: Sequence[Tensor], lent: tuple[int, ...] = ()) -> tuple[Tensor, ...]:
        for i, (given, own) in enumerate(zip(inputs, self.given, strict=True)):
            if own is not None and given.nbytes <= SMALL:
                own.copy_(given)
            elif own is None or given.data_ptr() != own.data_ptr():  # looks share their past
                small = given.nbytes <= SMALL
                own = given.clone(memory_format=ROWS) if small else given.contiguous()
                self.request.set_input_tensor(i, _shared(own))
                self.given[i] = own  # kept alive while the request may read it
        self.request.infer(share_outputs=True)  # or it would also copy the results into arrays
        return tuple(x if i in lent else x.clone() for i, x in enumerate(self.found))


def _shared(tensor: Tensor) -> object:
    """OpenVINO's view of a tensor's memory."""
    return _openvino().Tensor(tensor.numpy(), shared_memory=True)


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
