"""Functions of tensors as graphs: traced from the plain PyTorch code, fused and run by OpenVINO."""

import functools
import os
import sys
import warnings
from collections.abc import Callable
from types import ModuleType

import torch
from torch import Tensor, nn

Function = Callable[..., tuple[Tensor, ...]]


class Graph:
    """`function` for one player, its weights as constants; traced when it is first called.

    Takes and returns float tensors [b ...] on the CPU; players of a batch run one after another.
    `precision` is what matrix products and convolutions run in: "f32" or "bf16". Raises
    ModuleNotFoundError without OpenVINO, RuntimeError when it cannot compile the function.
    """

    def __init__(self, function: Function, precision: str) -> None:
        self.function, self.precision = function, precision
        self.request = None

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        if self.request is None:
            self.request = self._compile([x[:1] for x in inputs])
        rows = [self._run([x[i : i + 1] for x in inputs]) for i in range(len(inputs[0]))]
        return rows[0] if len(rows) == 1 else tuple(map(torch.cat, zip(*rows, strict=True)))

    def _run(self, inputs: list[Tensor]) -> tuple[Tensor, ...]:
        arrays = [x.contiguous().numpy() for x in inputs]  # kept alive while the request reads them
        for i, array in enumerate(arrays):
            self.request.set_input_tensor(i, _openvino().Tensor(array, shared_memory=True))
        self.request.infer()
        # what the request holds is overwritten by its next run
        return tuple(
            torch.from_numpy(self.request.get_output_tensor(i).data).clone()
            for i in range(len(self.request.model_outputs))
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


def trace(function: Function, inputs: list[Tensor]) -> torch.jit.ScriptModule:
    """The operations of `function` on such inputs, with all else as constants."""

    class Traced(nn.Module):
        def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
            return function(*given)

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # shapes that become constants: they are the same each time
        # no inference tensors may become constants of the trace
        given = tuple(x.clone() for x in inputs)
        return torch.jit.freeze(torch.jit.trace(Traced().eval(), given, check_trace=False))


@functools.cache
def _core() -> object:
    return _openvino().Core()


def _openvino() -> ModuleType:
    """The library, imported when a graph is made; without its telemetry, which would phone home."""
    sys.modules.setdefault("openvino_telemetry", None)
    import openvino

    return openvino
