"""Reductions of tensors, as docs/METRICS.md defines them.

On the host they are numbers at once, which allows to leave out passes that cannot find anything. On a device nothing
waits: the results stay there until all of a step are fetched together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from .tensors import Bag

#: The numbers of a row whose squares are summed in 32 bits; the rows are summed in 64.
ROW = 4096
#: Below this mean square, numbers of 32 bits may be too small to be squared.
SMALL = 1e-32
#: The bins of a histogram, and the one of zeros.
BINS, ZERO_BIN = 65, 32
#: The least and the greatest exponent that has a bin.
LEAST_EXPONENT, GREATEST_EXPONENT = -24, 7
#: The rows of a sample for the effective rank: the fewest, the most, and its numbers between these bounds.
LEAST_ROWS, FEW_ROWS, MANY_ROWS, SAMPLE = 8, 64, 256, 1 << 13


def real(x: torch.Tensor) -> torch.Tensor:
    """The numbers of a tensor in at least 32 bits: of a sharded one those of this process."""
    x = x.detach()
    if hasattr(x, "to_local"):
        x = x.to_local()
    if x.is_sparse:
        x = x.coalesce().values()
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def flat(x: torch.Tensor) -> torch.Tensor:
    """All numbers in the order in which they are in memory, without a copy where that is possible."""
    if x.is_contiguous():
        return x.view(-1)
    if x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last):
        return x.permute(0, 2, 3, 1).reshape(-1)
    return x.reshape(-1)


def on_host(x: torch.Tensor) -> bool:
    """Whether its numbers can be looked at without waiting for a device."""
    return x.device.type == "cpu"


def sum_of_squares(x: torch.Tensor) -> float:
    """Of a flat tensor on the host; infinite or NaN if it does not fit."""
    whole = x.numel() // ROW * ROW
    total = 0.0
    if whole:
        norms = torch.linalg.vector_norm(x[:whole].view(-1, ROW), dim=1)
        total = norms.double().square().sum().item()
    if whole < x.numel():
        total += torch.linalg.vector_norm(x[whole:]).item() ** 2
    return total


@dataclass
class Sums:
    """Count, sum, sum of squares and sum of squared deviations; of nothing at first."""

    count: float = 0.0
    sum: float = 0.0
    squares: float = 0.0
    deviations: float = 0.0

    def merge(self, numbers: Sequence[float]) -> None:
        """Adds those of more numbers: count, sum, sum of squares, variance."""
        count, total, squares, variance = numbers
        if count == 0:
            return
        if self.count:
            apart = total / count - self.sum / self.count
            self.deviations += apart * apart * self.count * count / (self.count + count)
        self.deviations += variance * count
        self.count += count
        self.sum += total
        self.squares += squares

    @property
    def mean(self) -> float:
        return self.sum / self.count if self.count else math.nan

    @property
    def std(self) -> float:
        return math.sqrt(self.deviations / self.count) if self.count and self.deviations >= 0 else math.nan

    @property
    def rms(self) -> float:
        return math.sqrt(self.squares / self.count) if self.count else math.nan

    @property
    def norm(self) -> float:
        return math.sqrt(self.squares) if self.count else math.nan


def put_sums(x: torch.Tensor, count: int, bag: Bag) -> int:
    """Puts count, sum, sum of squares and variance of the numbers into the bag; `count` may be more than there are, if
    zeros are not stored."""
    if not on_host(x):
        total, squares = x.sum(dtype=torch.float32), torch.linalg.vector_norm(x) ** 2
        variance = torch.var(x, correction=0) if x.numel() == count else squares / count - (total / count) ** 2
        return bag.add(torch.stack([torch.full_like(total, count), total, squares, variance]).to(total.dtype))
    if x.numel() == 0:
        return bag.put([count, 0.0, 0.0, 0.0])
    x = flat(x)
    total, squares = x.sum().item(), sum_of_squares(x)
    is_large = not math.isfinite(squares)
    if (is_large and torch.isfinite(x).all()) or squares < SMALL * count:
        # The squares are too large or too small for 32 bits.
        x = x.double()
        total, squares = x.sum().item(), sum_of_squares(x)
    mean = total / count
    variance = squares / count - mean * mean
    if variance < mean * mean / 16 and x.numel() == count:
        # The difference of two large numbers is no good.
        variance = sum_of_squares(x - mean) / count
    return bag.put([count, total, squares, max(variance, 0.0) if variance == variance else variance])


@dataclass
class Extremes:
    """The smallest and largest finite numbers, and how many are zero or not finite."""

    min: float = math.inf
    max: float = -math.inf
    zeros: float = 0.0
    non_finite: float = 0.0

    def merge(self, numbers: Sequence[float]) -> None:
        """Adds those of more numbers."""
        self.min, self.max = min(self.min, numbers[0]), max(self.max, numbers[1])
        self.zeros += numbers[2]
        self.non_finite += numbers[3]


def put_extremes(x: torch.Tensor, bag: Bag, zeros: bool = True) -> tuple[int, float]:
    """Puts the smallest and largest finite number, the count of zeros and that of non-finite numbers into the bag. Returns
    their place, and the most zeros that there can be."""
    if x.numel() == 0:
        return bag.put([math.inf, -math.inf, 0.0, 0.0]), 0
    if not on_host(x):
        finite = torch.isfinite(x)
        low = torch.where(finite, x, math.inf).amin()
        high = torch.where(finite, x, -math.inf).amax()
        counts = [(x == 0).sum() if zeros else torch.zeros_like(low), x.numel() - finite.sum()]
        wide = torch.float32 if x.device.type == "mps" else torch.float64
        return bag.add(torch.stack([low.to(wide), high.to(wide), *(count.to(wide) for count in counts)])), x.numel()
    x = flat(x)
    low, high = (bound.item() for bound in torch.aminmax(x))
    non_finite = 0
    if not (math.isfinite(low) and math.isfinite(high)):
        finite = x[torch.isfinite(x)]
        non_finite = x.numel() - finite.numel()
        low, high = (b.item() for b in torch.aminmax(finite)) if finite.numel() else (math.inf, -math.inf)
    count = count_zeros(x) if zeros and low <= 0 <= high else 0
    return bag.put([low, high, float(count), float(non_finite)]), count


def count_zeros(x: torch.Tensor) -> int:
    """Of a flat tensor on the host."""
    # As floats, because sums of booleans are much slower; in parts that stay in the cache.
    part = torch.empty(min(x.numel(), 1 << 16), dtype=torch.float32)
    count = 0.0
    for begin in range(0, x.numel(), part.numel()):
        piece = x[begin : begin + part.numel()]
        count += torch.eq(piece, 0, out=part[: piece.numel()]).sum().item()
    return int(count)


def put_dead(x: torch.Tensor, axis: int, most_zeros: float, bag: Bag) -> int:
    """Puts 1 for each channel that is zero everywhere and 0 for all others into the bag, or nothing if there are none."""
    units = x.shape[axis] if x.dim() else 1
    others = [at for at in range(x.dim()) if at != axis % x.dim()] if x.dim() else []
    if x.numel() == 0 or (on_host(x) and most_zeros < x.numel() / units):
        return bag.put([])
    largest, smallest = (x.amax(others), x.amin(others)) if others else (x, x)
    return bag.add((largest == 0) & (smallest == 0))


def put_histogram(x: torch.Tensor, bag: Bag) -> int:
    """Puts the counts of each sign and exponent of 32-bit floats into the bag."""
    keys = (flat(x.float()).view(torch.int32) >> 23) & 511
    if on_host(x):
        return bag.add(torch.bincount(keys, minlength=512))
    # `bincount` would wait for the device. Counts are 32-bit floats here, exact to 2^24.
    parts = [torch.histc(part.float(), 512, -0.5, 511.5).double() for part in keys.split(1 << 24)]
    return bag.add(torch.stack(parts).sum(0))


@dataclass
class Histogram:
    """Counts in bins of signed powers of two."""

    bins: list[int] = field(default_factory=lambda: [0] * BINS)
    non_finite: int = 0

    def merge(self, counts: Sequence[float], unseen: int = 0) -> None:
        """Adds counts of each sign and exponent, and zeros that were not stored."""
        self.bins[ZERO_BIN] += unseen
        for key, count in enumerate(counts):
            if not count:
                continue
            exponent = key & 255
            if exponent == 255:
                self.non_finite += int(count)
                continue
            rank = min(exponent - 127, GREATEST_EXPONENT) - LEAST_EXPONENT
            sign = -1 if key >> 8 else 1
            self.bins[ZERO_BIN + sign * (rank + 1) if rank >= 0 else ZERO_BIN] += int(count)

    def text(self) -> str:
        """The histogram in JSON."""
        filled = [at for at, count in enumerate(self.bins) if count]
        first, last = (filled[0], filled[-1] + 1) if filled else (0, 0)
        counts = ",".join(map(str, self.bins[first:last]))
        rest = f',"non_finite":{self.non_finite}' if self.non_finite else ""
        return f'{{"first":{first},"counts":[{counts}]{rest}}}'


def put_sample(x: torch.Tensor, axis: int, bag: Bag) -> tuple[int, int] | None:
    """Puts rows of the units of an output into the bag, in even distances. Returns their place and the units; none if
    there are too few."""
    if x.dim() < 2:
        return None
    moved = x.movedim(axis, -1)
    units = moved.shape[-1]
    rows = moved.numel() // units if units else 0
    count = min(rows, min(max(SAMPLE // max(units, 1), FEW_ROWS), MANY_ROWS))
    if count < LEAST_ROWS:
        return None
    apart = rows // count
    # An odd distance meets all pixels of images, whose number is even.
    apart -= apart > 1 and apart % 2 == 0
    places, index = torch.arange(count) * apart, []
    for length in reversed(moved.shape[:-1]):
        index.append((places % length).to(x.device))
        places = places // length
    return bag.add(moved[tuple(reversed(index))]), units


def effective_rank(numbers: Sequence[float], units: int) -> float:
    """The exponential of the entropy of the covariance's normalised spectrum, over the number of units."""
    matrix = torch.tensor(numbers, dtype=torch.float64).view(-1, units)
    if not torch.isfinite(matrix).all():
        return math.nan
    matrix = matrix - matrix.mean(0)
    small = matrix @ matrix.T if matrix.shape[0] < units else matrix.T @ matrix
    spectrum = torch.linalg.eigvalsh(small).clamp(min=0)
    total = spectrum.sum()
    if not total > 0:
        return math.nan
    shares = spectrum / total
    shares = shares[shares > 0]
    return math.exp(-(shares * shares.log()).sum().item()) / units


def put_product(a: torch.Tensor, b: torch.Tensor, bag: Bag) -> int:
    """Puts the scalar product of two tensors of one shape into the bag."""
    a, b = real(a), real(b)
    if a.dtype != b.dtype:
        a, b = a.double(), b.double()
    if a.stride() == b.stride():
        a, b = flat(a), flat(b)
    else:
        a, b = a.reshape(-1), b.reshape(-1)
    return bag.add(torch.dot(a, b)) if on_host(a) else bag.add((a * b).sum())
