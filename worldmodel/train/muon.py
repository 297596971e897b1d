"""Muon on processors: PyTorch's orthogonalises in bfloat16, whatever that costs there."""

from collections import defaultdict
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

MOMENTUM = "momentum_buffer"  # what PyTorch's Muon calls it: either goes on from the other's state


class Muon(torch.optim.Muon):
    """torch.optim.Muon at AdamW's root mean square (arXiv 2502.16982, equation 4), whose
    Newton-Schulz iterations are in float32 on a processor.

    Without units for bfloat16 they would take two thirds of an update's time. All ranks do the same
    there, whatever each of them measures. Matrices of one shape are iterated together.
    """

    def __init__(self, matrices: Iterable[Tensor], *, lr: float, weight_decay: float) -> None:
        super().__init__(matrices, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        if self.param_groups[0]["params"][0].device.type != "cpu":
            return super().step(closure)
        with torch.enable_grad():
            loss = closure and closure()
        for group in self.param_groups:
            alike = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    alike[matrix.shape].append(matrix)
            for matrices in alike.values():
                self._follow(matrices, group)
        return loss

    def _follow(self, matrices: list[Tensor], group: dict[str, float]) -> None:
        """One update of matrices [m n] of one shape."""
        updates = []
        for matrix in matrices:
            state = self.state[matrix]
            if MOMENTUM not in state:
                state[MOMENTUM] = torch.zeros_like(matrix.grad)
            buffer = state[MOMENTUM].lerp_(matrix.grad, 1 - group["momentum"])
            updates.append(matrix.grad.lerp(buffer, group["momentum"]))  # Nesterov's
        iterations = group["ns_coefficients"], group["ns_steps"], group["eps"]
        rate = 0.2 * max(matrices[0].shape) ** 0.5 * group["lr"]
        for matrix, update in zip(
            matrices, orthogonalised(torch.stack(updates), *iterations), strict=True
        ):
            matrix.mul_(1 - group["lr"] * group["weight_decay"])
            matrix.add_(update, alpha=-rate)


def orthogonalised(
    matrices: Tensor, coefficients: tuple[float, float, float], steps: int, least: float
) -> Tensor:
    """Matrices [k m n] with all singular values near 1, by quintic Newton-Schulz iterations (Jordan
    et al. 2024, Muon); norms below `least` count as that."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=least)
    a, b, c = coefficients
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
