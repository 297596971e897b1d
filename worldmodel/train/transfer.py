"""Begin a training from weights that another one has learned."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from worldmodel.errors import UserError


def begin_with(network: nn.Module, path: Path) -> int:
    """Copy into `network` the tensors of a .safetensors file that agree in name and shape.

    What the file lacks or has in another shape (the controls of another game) stays as it was
    drawn. Returns how many were taken, and prints it. Raises UserError when the file cannot be
    read or nothing in it fits.
    """
    try:
        given = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"{path} should hold weights to begin with but cannot be read ({error}); name a "
            f".safetensors file of the same kind of network"
        ) from error
    own = network.state_dict()
    fitting = {k: v for k, v in given.items() if k in own and v.shape == own[k].shape}
    if not fitting:
        raise UserError(
            f"no tensor of {path} fits this network; name a file of the same kind of network and "
            f"the same sizes"
        )
    network.load_state_dict(fitting, strict=False)
    print(f"begins with {len(fitting)} of {len(own)} tensors from {path}", flush=True)
    return len(fitting)
