"""The rule by which an adversarial image counts, whoever made it: measured in double precision on the single-precision image."""

import numpy
import torch
from torch import Tensor, nn

ORDERS = {"l1": 1, "l2": 2, "linf": numpy.inf}
SLACK = 1e-6


def predictions(network: nn.Module, images: Tensor, batch: int = 100) -> Tensor:
    with torch.no_grad():
        return torch.cat([network(part).argmax(1) for part in images.split(batch)])


def feasible(natural: Tensor, adversarial: Tensor, norm: str, epsilon: float) -> Tensor:
    """Whether each image lies within epsilon (1 + 1e-6) of its digit and all its pixels in [0, 1]."""
    difference = (adversarial.double() - natural.double()).flatten(1).numpy()
    distances = torch.from_numpy(numpy.linalg.norm(difference, ORDERS[norm], axis=1))
    flat = adversarial.flatten(1)
    within = (flat.amin(1) >= 0) & (flat.amax(1) <= 1)
    return within & torch.isfinite(distances) & (distances <= epsilon * (1 + SLACK))
