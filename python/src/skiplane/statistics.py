"""Reductions of tensors, as docs/METRICS.md defines them.

On the host they are numbers at once, which allows to leave out passes that cannot find anything. On a device nothing
waits: the results stay there until all of a step are fetched together.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from .tensors import Bag

#: Numbers are reduced in parts of this many, which stay in the cache; the sums of parts are added in 64 bits.
PART = 1 << 17
#: Below this mean square, numbers of 32 bits may be too small to be squared.
SMALL = 1e-32
#: The examples in which a channel is first looked for anything but zeros.
FEW = 2
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


def parts(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """A flat tensor in parts that stay in the cache."""
    return (x,) if x.numel() <= PART else torch.split(x, PART)


def sum_of_squares(x: torch.Tensor) -> float:
    """Of a flat tensor on the host; infinite or NaN if it does not fit."""
    return float(sum(torch.dot(part, part).item() for part in parts(x)))


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
        return bag.add(_sums_on_device(x, count))
    x = flat(x)
    total = squares = 0.0
    for part in parts(x):
        total += part.sum().item()
        squares += torch.dot(part, part).item()
    return bag.put(_checked_sums(x, count, total, squares))


def put_normalised_sums(y: torch.Tensor, weight: Any, bias: Any, eps: float, bag: Bag) -> int | None:
    """The same for the output of a batch norm, without reading it: what the norm has kept for its backward pass tells the
    variance of each channel, which it has made its scale, and the mean is its bias. None if it has kept nothing."""
    name = y.grad_fn.name() if y.grad_fn is not None else ""
    if not on_host(y) or y.dtype != torch.float32 or not name.startswith("NativeBatchNorm"):
        return None
    inverse = getattr(y.grad_fn, "_saved_result2", None)
    if not isinstance(inverse, torch.Tensor) or inverse.numel() != y.shape[1]:
        return None
    variances = (1 - eps * inverse.double().square()).clamp(min=0)
    if weight is not None:
        variances = variances * weight.double().square()
    means = torch.zeros_like(variances) if bias is None else bias.double()
    count, mean = y.numel(), means.mean().item()
    variance = variances.mean().item() + (means - mean).square().mean().item()
    return bag.put([count, mean * count, (variance + mean * mean) * count, variance])


def _sums_on_device(x: torch.Tensor, count: int) -> torch.Tensor:
    total, squares = x.sum(), torch.linalg.vector_norm(x) ** 2
    variance = torch.var(x, correction=0) if x.numel() == count else squares / count - (total / count) ** 2
    return torch.stack([torch.full_like(total, count), total, squares, variance])


def _checked_sums(x: torch.Tensor, count: int, total: float, squares: float) -> list[float]:
    """Count, sum, sum of squares and variance from sums that were computed in the type of the numbers."""
    if x.numel() == 0:
        return [count, 0.0, 0.0, 0.0]
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
    return [count, total, squares, max(variance, 0.0) if variance == variance else variance]


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


def put_extremes(x: torch.Tensor, bag: Bag) -> int:
    """Puts the smallest and largest finite number, 0 for the count of zeros, and that of non-finite ones into the bag."""
    if not on_host(x):
        return bag.add(_extremes_on_device(x, False))
    if x.numel() == 0:
        return bag.put([math.inf, -math.inf, 0.0, 0.0])
    x = flat(x)
    low, high = math.inf, -math.inf
    for part in parts(x):
        low, high = _lower(low, part.amin().item()), -_lower(-high, -part.amax().item())
    return bag.put(_checked_extremes(x, low, high, 0.0))


def put_output(x: torch.Tensor, axis: int, bag: Bag, is_rectified: bool = False) -> tuple[int, int, int]:
    """Puts sums, extremes with zeros, and dead channels of an output into the bag; returns their places. One that is
    rectified has no negative numbers, so that its least one is 0 if it has any zeros."""
    if not on_host(x):
        return bag.add(_sums_on_device(x, x.numel())), bag.add(_extremes_on_device(x, True)), put_dead(x, axis, bag)
    numbers = flat(x)
    total = squares = zeros = 0.0
    low, high = math.inf, -math.inf
    scratch = _scratch(numbers.dtype)
    for part in parts(numbers) if numbers.numel() else ():
        total += part.sum().item()
        squares += torch.dot(part, part).item()
        most = part.amax().item()
        high = -_lower(-high, -most)
        least = 0.0 if is_rectified else part.amin().item()
        if not (least > 0 or most < 0):
            # As floats, because sums of booleans are much slower.
            here = torch.eq(part, 0, out=scratch[: part.numel()]).sum().item()
            zeros += here
            if is_rectified and not here:
                least = part.amin().item()
        low = _lower(low, least)
    sums = bag.put(_checked_sums(numbers, numbers.numel(), total, squares))
    extremes = bag.put(_checked_extremes(numbers, low, high, zeros))
    units = x.shape[axis] if x.dim() else 1
    has_dead = 0 < numbers.numel() <= zeros * units
    return sums, extremes, put_dead(x, axis, bag) if has_dead else bag.put([])


@functools.lru_cache
def _scratch(dtype: torch.dtype) -> torch.Tensor:
    """Room for a part, kept because new memory is slow."""
    return torch.empty(PART, dtype=dtype)


def _lower(a: float, b: float) -> float:
    """The lower number; NaN if one is, which must not get lost."""
    return b if b < a or b != b else a


def _extremes_on_device(x: torch.Tensor, zeros: bool) -> torch.Tensor:
    wide = torch.float32 if x.device.type == "mps" else torch.float64
    finite = torch.isfinite(x)
    low = torch.where(finite, x, math.inf).amin().to(wide)
    high = torch.where(finite, x, -math.inf).amax().to(wide)
    count = (x == 0).sum().to(wide) if zeros else torch.zeros_like(low)
    return torch.stack([low, high, count, x.numel() - finite.sum().to(wide)])


def _checked_extremes(x: torch.Tensor, low: float, high: float, zeros: float) -> list[float]:
    if x.numel() == 0 or (math.isfinite(low) and math.isfinite(high)):
        return [low, high, zeros, 0.0]
    finite = x[torch.isfinite(x)]
    bounds = [bound.item() for bound in torch.aminmax(finite)] if finite.numel() else [math.inf, -math.inf]
    return [*bounds, zeros, float(x.numel() - finite.numel())]


def put_dead(x: torch.Tensor, axis: int, bag: Bag) -> int:
    """Puts 1 for each channel that is zero everywhere and 0 for all others into the bag."""
    others = [at for at in range(x.dim()) if at != axis]
    if not others:
        return bag.add(x == 0)
    if not on_host(x):
        return bag.add(_is_zero(x, others))
    # Most channels are alive in the first few examples already.
    dead = _is_zero(x[:FEW] if axis else x, others)
    if axis and x.shape[0] > FEW:
        for unit in dead.nonzero().flatten().tolist():
            dead[unit] = _is_zero(x.select(axis, unit), [])
    return bag.add(dead)


def _is_zero(x: torch.Tensor, axes: list[int]) -> torch.Tensor:
    """Whether all numbers along the axes are zero; along all where none is given."""
    return (x.amax(axes) == 0) & (x.amin(axes) == 0)


def put_histogram(x: torch.Tensor, bag: Bag) -> int:
    """Puts the counts of each sign and exponent of 32-bit floats into the bag."""
    bits = flat(x.float()).view(torch.int32)
    if on_host(x):
        counts, room = torch.zeros(512, dtype=torch.int64), _scratch(torch.int32)
        for part in parts(bits):
            keys = torch.bitwise_right_shift(part, 23, out=room[: part.numel()])
            counts += torch.bincount(keys.bitwise_and_(511), minlength=512)
        return bag.add(counts, as_tensor=True)
    # `bincount` would wait for the device. Counts are 32-bit floats here, exact to 2^24.
    keys = (bits >> 23) & 511
    tables = [torch.histc(part.float(), 512, -0.5, 511.5).double() for part in torch.split(keys, 1 << 24)]
    return bag.add(torch.stack(tables).sum(0), as_tensor=True)


@functools.lru_cache
def _bins() -> torch.Tensor:
    """The bin of each sign and exponent; of infinities and NaN, the one after the last."""
    found = []
    for key in range(512):
        rank = min((key & 255) - 127, GREATEST_EXPONENT) - LEAST_EXPONENT
        sign = -1 if key >> 8 else 1
        found.append(BINS if key & 255 == 255 else ZERO_BIN + sign * (rank + 1) if rank >= 0 else ZERO_BIN)
    return torch.tensor(found)


@dataclass
class Histogram:
    """Counts in bins of signed powers of two."""

    bins: list[int] = field(default_factory=lambda: [0] * BINS)
    non_finite: int = 0

    def merge(self, counts: torch.Tensor, unseen: int = 0) -> None:
        """Adds counts of each sign and exponent, and zeros that were not stored."""
        *found, non_finite = torch.zeros(BINS + 1, dtype=torch.float64).index_add_(0, _bins(), counts.double()).tolist()
        self.bins = [before + int(more) for before, more in zip(self.bins, found)]
        self.bins[ZERO_BIN] += unseen
        self.non_finite += int(non_finite)

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
    index = _places(tuple(moved.shape[:-1]), rows, count, x.device)
    return bag.add(moved[index], as_tensor=True), units


@functools.lru_cache
def _places(shape: tuple[int, ...], rows: int, count: int, device: torch.device) -> tuple[torch.Tensor, ...]:
    """The indices of rows in even distances."""
    apart = rows // count
    # An odd distance meets all pixels of images, whose number is even.
    apart -= apart > 1 and apart % 2 == 0
    return tuple(index.to(device) for index in torch.unravel_index(torch.arange(count) * apart, shape))


def effective_rank(sample: torch.Tensor, units: int) -> float:
    """The exponential of the entropy of the covariance's normalised spectrum, over the number of units."""
    matrix = sample.double().view(-1, units)
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


def put_product_of_sum(branch: list[float], shortcut: list[float], total: float, bag: Bag) -> int:
    """The same from the sums of both and the sum of squares of their sum: |a + b|^2 = |a|^2 + |b|^2 + 2 ab."""
    return bag.put([(total - branch[2] - shortcut[2]) / 2])


def put_product(a: torch.Tensor, b: torch.Tensor, bag: Bag) -> int:
    """Puts the scalar product of two tensors of one shape into the bag."""
    a, b = real(a), real(b)
    if a.dtype != b.dtype:
        a, b = a.double(), b.double()
    if a.stride() == b.stride():
        a, b = flat(a), flat(b)
    else:
        a, b = a.reshape(-1), b.reshape(-1)
    if not on_host(a):
        return bag.add((a * b).sum())
    return bag.put([float(sum(torch.dot(u, v).item() for u, v in zip(parts(a), parts(b))))])
