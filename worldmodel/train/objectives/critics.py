"""What a critic and a student lose to each other, for critics of latents and of pictures.

A critic gives scores to what it is shown, real things higher. Its own loss must not reach what made
them, and its opinion must not change it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call


def opinion(critic: nn.Module, *shown: Tensor) -> Tensor:
    """The critic's scores; gradients go into what it is shown and not into the critic."""
    fixed = {name: value.detach() for name, value in critic.named_parameters()}
    return functional_call(critic, fixed, shown)


def hinge_loss(critic: nn.Module, real: Tensor, made: Tensor) -> Tensor:
    """Hinge loss of the critic (arXiv 1705.02894)."""
    told, deceived = critic(real), critic(made.detach())
    return F.relu(1 - told).mean() + F.relu(1 + deceived).mean()


def hinge_opinion(critic: nn.Module, made: Tensor) -> Tensor:
    """What a student loses to a critic that learns by `hinge_loss`."""
    return -opinion(critic, made).mean()


def paired_loss(
    critic: nn.Module, real: Tensor, made: Tensor, *given: Tensor, spread: float,
    draw: torch.Generator,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """How badly the critic tells real from made in pairs, and its squared slope at both.

    Scores of a pair are compared with each other (relativistic, Jolicoeur-Martineau, arXiv
    1807.00734). The slope (R1 and R2, Huang et al., arXiv 2501.05441) is measured by noise of
    deviation `spread`, as in arXiv 2501.08316. Both have the same `given`.
    """
    made = made.detach()
    noise = spread * torch.randn(real.shape, generator=draw)
    shown = torch.cat([real, made, real + noise, made + noise])
    scores = critic(shown, *(torch.cat([x] * 4) for x in given)).chunk(4)
    caught = F.softplus(scores[1] - scores[0]).mean()
    moved = sum((scores[i + 2] - scores[i]).square().mean() for i in (0, 1))
    return caught, moved / spread**2


def paired_opinion(critic: nn.Module, real: Tensor, made: Tensor, *given: Tensor) -> Tensor:
    """What a student loses to a critic that learns by `paired_loss`."""
    with torch.no_grad():
        told = critic(real, *given)
    return F.softplus(told - opinion(critic, made, *given)).mean()
