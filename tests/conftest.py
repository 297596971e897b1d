"""What every test shares: one thread, which tiny networks like best, and known random numbers."""

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seeded():
    """Every test begins from the same random numbers, whichever ran before it."""
    torch.manual_seed(0)
