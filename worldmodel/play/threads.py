"""How the threads of two libraries share the cores."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


def wait_asleep() -> None:
    """Let PyTorch's threads sleep while they wait for work, so that OpenVINO's find a free core.

    Otherwise they spin for a while after each operation: a frame took 18 ms, and 14 with this
    (medians on two cores). Works until PyTorch is imported; a policy in the environment stands.
    Training, where PyTorch is alone, loses 6 % by it.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@contextmanager
def one_thread(wanted: bool = True) -> Iterator[None]:
    """PyTorch with one thread, if `wanted`: beside OpenVINO what is left to it is so small that
    waking a second one takes longer."""
    import torch  # only now: see above

    before = torch.get_num_threads()
    if wanted:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
