"""Histograms over signed powers of two, whose bins are the exponents of floats (docs/RUN_LOG.md)."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from .parts import flat, on_host, parts, room

#: The bins of a histogram, and the one of zeros.
BINS, ZERO_BIN = 65, 32
#: The least and the greatest exponent that has a bin.
LEAST_EXPONENT, GREATEST_EXPONENT = -24, 7
#: A key is the sign and the exponent as they are in a 32-bit float: the latter is 127 more than it says.
KEYS, KEY_AT, BIAS = 512, 23, 127
#: Of a number that is not negative, the key of all that count as zeros, and of all in the last bin.
LEAST_KEY, GREATEST_KEY = LEAST_EXPONENT - 1 + BIAS, GREATEST_EXPONENT + BIAS
#: What a key from zeros to the last bin has, and two of them that are read as one number of 16 bits.
RANKS = GREATEST_KEY - LEAST_KEY + 1
PAIRS = RANKS << 8


class Counter:
    """Counts numbers on the host by their keys, part by part."""

    def __init__(self) -> None:
        self._counts: torch.Tensor | None = None
        self._pairs: torch.Tensor | None = None

    def add(self, part: torch.Tensor, is_rectified: bool) -> None:
        """Counts the numbers of a part; those that are rectified are neither negative nor infinite nor NaN."""
        keys = _keys(part.float())
        if is_rectified and len(keys) % 2 == 0:
            self._pairs = _more(self._pairs, _count_pairs(keys))
        else:
            self._counts = _more(self._counts, torch.bincount(keys.bitwise_and_(KEYS - 1), minlength=KEYS))

    def may_have_zeros(self) -> bool:
        """Whether the exponent of zeros was found, or is not known."""
        return self._counts is None or self._pairs is not None or bool(self._counts[0] + self._counts[KEYS // 2])

    def counts(self) -> torch.Tensor:
        """How many numbers have each key."""
        counts = torch.zeros(KEYS, dtype=torch.int64) if self._counts is None else self._counts
        if self._pairs is not None:
            pairs = self._pairs.view(RANKS, 256)
            counts[LEAST_KEY : GREATEST_KEY + 1] += pairs.sum(1) + pairs.sum(0)[:RANKS]
        return counts


def _keys(numbers: torch.Tensor) -> torch.Tensor:
    """The keys of as many numbers as a part has at most, in the lowest bits."""
    bits = numbers.view(-1).view(torch.int32)
    return torch.bitwise_right_shift(bits, KEY_AT, out=room(len(bits), torch.int32))


def _more(before: torch.Tensor | None, counts: torch.Tensor) -> torch.Tensor:
    return counts if before is None else before.add_(counts)


def _count_pairs(keys: torch.Tensor) -> torch.Tensor:
    """Counts two keys at a time. That takes half the increments, which for zeros, half of what a ReLU gives, would also wait
    for one another, because they are of the same count."""
    ranks = room(len(keys), torch.uint8).copy_(keys).clamp_(LEAST_KEY, GREATEST_KEY).sub_(LEAST_KEY)
    return torch.bincount(ranks.view(torch.int16), minlength=PAIRS)


def counts_of_rows(rows: torch.Tensor) -> torch.Tensor:
    """How many numbers have each key in each row of a matrix on the host, which has no more than a part."""
    keys = _keys(rows.float()).bitwise_and_(KEYS - 1).view(rows.shape)
    keys += torch.arange(0, len(rows) * KEYS, KEYS, dtype=torch.int32)[:, None]
    return torch.bincount(keys.view(-1), minlength=len(rows) * KEYS).view(-1, KEYS)


def counts_on_device(x: torch.Tensor) -> torch.Tensor:
    """How many numbers have each key, without waiting for the device, as `bincount` would."""
    # Counts are 32-bit floats here, exact to 2^24.
    keys = (flat(x.float()).view(torch.int32) >> KEY_AT) & (KEYS - 1)
    tables = [torch.histc(part.float(), KEYS, -0.5, KEYS - 0.5).double() for part in torch.split(keys, 1 << 24)]
    return torch.stack(tables).sum(0)


@functools.lru_cache
def _bins() -> torch.Tensor:
    """Which bin each key is of, as a matrix; that of infinities and NaN is one after the last."""
    matrix = torch.zeros(KEYS, BINS + 1, dtype=torch.float64)
    for key in range(KEYS):
        exponent = key & 255
        rank = min(exponent - BIAS, GREATEST_EXPONENT) - LEAST_EXPONENT
        sign = -1 if key >> 8 else 1
        matrix[key, BINS if exponent == 255 else ZERO_BIN + sign * (rank + 1) if rank >= 0 else ZERO_BIN] = 1
    return matrix


def bins_of(counts: Sequence[torch.Tensor]) -> list[list[float]]:
    """The counts of bins, and of infinities and NaN, from those of keys."""
    return (torch.stack(tuple(counts)).double() @ _bins()).tolist() if counts else []


@dataclass
class Histogram:
    """Counts in bins of signed powers of two."""

    bins: list[int] = field(default_factory=lambda: [0] * BINS)
    non_finite: int = 0

    def merge(self, counts: Sequence[float], unseen: int = 0) -> None:
        """Adds the counts of bins and of what is not finite, and zeros that were not stored."""
        *found, non_finite = map(int, counts)
        self.bins = list(map(operator.add, self.bins, found))
        self.bins[ZERO_BIN] += unseen
        self.non_finite += non_finite

    def text(self) -> str:
        """The histogram in JSON."""
        filled = [at for at, count in enumerate(self.bins) if count]
        first, last = (filled[0], filled[-1] + 1) if filled else (0, 0)
        counts = ",".join(map(str, self.bins[first:last]))
        rest = f',"non_finite":{self.non_finite}' if self.non_finite else ""
        return f'{{"first":{first},"counts":[{counts}]{rest}}}'
