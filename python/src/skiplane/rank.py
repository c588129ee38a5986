"""The effective rank of a sample of an output, as docs/METRICS.md defines it."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping

import torch

from .parts import PART
from .tensors import Bag

#: The rows of a sample: the fewest, the most, and its numbers between these bounds.
LEAST_ROWS, FEW_ROWS, MANY_ROWS, SAMPLE = 8, 64, 256, 1 << 13


def put_sample(x: torch.Tensor, axis: int, bag: Bag) -> int:
    """Puts rows of the units of an output into the bag, in even distances; -1 if there are too few."""
    if x.dim() < 2:
        return -1
    moved = x.movedim(axis, -1)
    units = moved.shape[-1]
    rows = moved.numel() // units if units else 0
    count = min(rows, min(max(SAMPLE // max(units, 1), FEW_ROWS), MANY_ROWS))
    if count < LEAST_ROWS:
        return -1
    index = _places(tuple(moved.shape[:-1]), rows, count, x.device)
    return bag.add(moved[index], as_tensor=True)


@functools.lru_cache
def _places(shape: tuple[int, ...], rows: int, count: int, device: torch.device) -> tuple[torch.Tensor, ...]:
    """The indices of rows in even distances."""
    apart = rows // count
    # An odd distance meets all pixels of images, whose number is even.
    apart -= apart > 1 and apart % 2 == 0
    return tuple(index.to(device) for index in torch.unravel_index(torch.arange(count) * apart, shape))


def effective_ranks(samples: Mapping[int, torch.Tensor]) -> dict[int, float]:
    """The exponential of the entropy of the covariance's normalised spectrum, over the number of units, of each sample;
    small ones of one shape are computed together."""
    by_shape: dict[torch.Size, list[int]] = {}
    for place, sample in samples.items():
        by_shape.setdefault(sample.shape, []).append(place)
    ranks: dict[int, float] = {}
    for shape, places in by_shape.items():
        at_once = max(PART // shape.numel(), 1)
        for begin in range(0, len(places), at_once):
            group = places[begin : begin + at_once]
            entropies = _entropies(torch.stack([samples[place] for place in group]).double())
            ranks.update((place, math.exp(entropy) / shape[1]) for place, entropy in zip(group, entropies))
    return ranks


def _entropies(samples: torch.Tensor) -> list[float]:
    """The entropy of the normalised spectrum of each covariance; NaN where it has none."""
    centred = samples - samples.mean(1, keepdim=True)
    # Both products have the same spectrum but for zeros.
    small = centred @ centred.mT if centred.shape[1] < centred.shape[2] else centred.mT @ centred
    totals = small.diagonal(dim1=1, dim2=2).sum(1)
    is_known = (totals > 0) & (totals < math.inf)
    shares = torch.linalg.eigvalsh(torch.where(is_known[:, None, None], small / totals[:, None, None], 0.0)).clamp(min=0)
    shares = shares / shares.sum(1, keepdim=True)
    return torch.where(is_known, torch.special.entr(shares).sum(1), math.nan).tolist()
