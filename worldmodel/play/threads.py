"""How the threads of two libraries share the cores."""

import os


def wait_asleep() -> None:
    """Let PyTorch's threads sleep while they wait for work, so that OpenVINO's find a free core.

    Otherwise they spin for a while after each operation: a frame took 18 ms, and 14 with this
    (medians on two cores). Works until PyTorch is imported; a policy in the environment stands.
    Training, where PyTorch is alone, loses 6 % by it.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
