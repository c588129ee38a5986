"""Reductions of tensors, as docs/METRICS.md defines them.

On the host they are numbers at once, which allows to leave out passes that cannot find anything. On a device nothing
waits: the results stay there until all of a step are fetched together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .histogram import Counter, counts_of_rows, counts_on_device
from .parts import PART, flat, on_host, parts, real, room
from .rank import put_sample
from .tensors import Bag

#: Below this mean square, numbers of 32 bits may be too small to be squared.
SMALL = 1e-32
#: Tensors of no more numbers are measured together.
FEW_NUMBERS = PART // 4
#: The examples in which channels are first looked at for anything but zeros.
FEW = 2


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


def put_squares(x: torch.Tensor, bag: Bag) -> int:
    """Puts the sum of squares into the bag."""
    if not on_host(x):
        return bag.add(torch.linalg.vector_norm(x) ** 2)
    x = flat(x)
    return bag.put([_checked_squares(x, sum_of_squares(x))])


def _checked_squares(x: torch.Tensor, squares: float) -> float:
    """The sum of squares from the one that was computed in the type of the numbers."""
    return sum_of_squares(x.double()) if _is_lost(x, x.numel(), squares) else squares


def put_normalised_sums(y: torch.Tensor, weight: Any, bias: Any, eps: float, bag: Bag) -> int | None:
    """The same for the output of a batch norm, without reading it: what the norm has kept for its backward pass tells the
    variance of each channel, which it has made its scale, and the mean is its bias. None if it has kept nothing."""
    name = y.grad_fn.name() if y.grad_fn is not None else ""
    if not on_host(y) or y.dtype != torch.float32 or not name.startswith("NativeBatchNorm"):
        return None
    inverse = getattr(y.grad_fn, "_saved_result2", None)
    if not isinstance(inverse, torch.Tensor) or inverse.numel() != y.shape[1]:
        return None
    # As lists, since these are few numbers.
    variances = [max(1 - eps * one * one, 0.0) for one in inverse.tolist()]
    if weight is not None:
        variances = [variance * gain * gain for variance, gain in zip(variances, weight.tolist())]
    means = [0.0] if bias is None else bias.tolist()
    count, mean = y.numel(), sum(means) / len(means)
    variance = sum(variances) / len(variances) + sum((other - mean) ** 2 for other in means) / len(means)
    return bag.put([count, mean * count, (variance + mean * mean) * count, variance])


def _sums_on_device(x: torch.Tensor, count: int) -> torch.Tensor:
    total, squares = x.sum(), torch.linalg.vector_norm(x) ** 2
    variance = torch.var(x, correction=0) if x.numel() == count else squares / count - (total / count) ** 2
    return torch.stack([torch.full_like(total, count), total, squares, variance])


def _checked_sums(x: torch.Tensor, count: int, total: float, squares: float) -> list[float]:
    """Count, sum, sum of squares and variance from sums that were computed in the type of the numbers."""
    if x.numel() == 0:
        return [count, 0.0, 0.0, 0.0]
    if _is_lost(x, count, squares):
        x = x.double()
        total, squares = x.sum().item(), sum_of_squares(x)
    mean = total / count
    variance = squares / count - mean * mean
    if variance < mean * mean / 16 and x.numel() == count:
        # The difference of two large numbers is no good.
        variance = sum_of_squares(x - mean) / count
    return [count, total, squares, max(variance, 0.0) if variance == variance else variance]


def _is_lost(x: torch.Tensor, count: int, squares: float) -> bool:
    """Whether squares are too large or too small for 32 bits."""
    return squares < SMALL * count or (not math.isfinite(squares) and bool(torch.isfinite(x).all()))


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


@dataclass
class Places:
    """Where the numbers of a tensor are in the bag."""

    sums: int = -1
    extremes: int = -1
    histogram: int = -1
    dead: int = -1
    #: The rows for the effective rank.
    sample: int = -1

    def take(self, others: Places) -> None:
        """Takes over those of others."""
        self.sums, self.extremes, self.histogram = others.sums, others.extremes, others.histogram
        self.dead, self.sample = others.dead, others.sample


def put_numbers(x: torch.Tensor, count: int, bag: Bag, has_histogram: bool) -> Places:
    """Puts sums and extremes of numbers into the bag, with 0 for the count of zeros, and their histogram; `count` may be more
    than there are, if zeros are not stored."""
    if not on_host(x):
        return _put_on_device(x, count, bag, has_histogram, False)
    return _put_on_host(flat(x), count, bag, has_histogram)[0]


def put_several(tensors: Sequence[torch.Tensor], counts: Sequence[int], bag: Bag, has_histogram: bool) -> list[Places]:
    """The same of several tensors. Small ones on the host are measured together, since each call takes its time."""
    found = {}
    for rows, which in _rows(tensors):
        columns = rows.sum(1).tolist(), _squares(rows), rows.amin(1).tolist(), rows.amax(1).tolist()
        tables = counts_of_rows(rows) if has_histogram else None
        for row, (at, total, squares, low, high) in enumerate(zip(which, *columns)):
            sums, extremes = _checked_sums(rows[row], counts[at], total, squares), _checked_extremes(rows[row], low, high, 0.0)
            found[at] = Places(bag.put(sums), bag.put(extremes))
            if tables is not None:
                found[at].histogram = bag.add(tables[row], as_tensor=True)
    return [
        found[at] if at in found else put_numbers(x, count, bag, has_histogram)
        for at, (x, count) in enumerate(zip(tensors, counts))
    ]


def put_squares_of_several(tensors: Sequence[torch.Tensor], bag: Bag) -> list[int]:
    """Puts the sum of squares of each tensor into the bag."""
    found = {}
    for rows, which in _rows(tensors):
        for row, (at, squares) in enumerate(zip(which, _squares(rows))):
            found[at] = bag.put([_checked_squares(rows[row], squares)])
    return [found[at] if at in found else put_squares(x, bag) for at, x in enumerate(tensors)]


def _rows(tensors: Sequence[torch.Tensor]) -> Iterator[tuple[torch.Tensor, list[int]]]:
    """The small tensors of each size as rows of matrices of no more than a part, and which they are."""
    groups: dict[tuple[int, torch.dtype], list[int]] = {}
    for at, x in enumerate(tensors):
        if on_host(x) and 0 < x.numel() <= FEW_NUMBERS:
            groups.setdefault((x.numel(), x.dtype), []).append(at)
    for (length, _), group in groups.items():
        most = PART // length
        for begin in range(0, len(group), most):
            which = group[begin : begin + most]
            yield torch.stack([flat(tensors[at]) for at in which]), which


def _squares(rows: torch.Tensor) -> list[float]:
    return [norm * norm for norm in torch.linalg.vector_norm(rows, dim=1).tolist()]


def put_output(x: torch.Tensor, axis: int, bag: Bag, has_histogram: bool = False, is_rectified: bool = False) -> Places:
    """Puts sums, extremes with zeros, dead channels, and the histogram and the sample of an output into the bag. One that is
    rectified has no negative numbers, so that its least one is 0 if it has any zeros."""
    count = x.numel()
    if not on_host(x):
        places = _put_on_device(x, count, bag, has_histogram, True)
        places.sample = put_sample(x, axis, bag) if has_histogram else -1
        places.dead = put_dead(x, axis, bag)
        return places
    places, zeros = _put_on_host(flat(x), count, bag, has_histogram, True, is_rectified)
    places.sample = put_sample(x, axis, bag) if has_histogram else -1
    units = x.shape[axis] if x.dim() else 1
    has_dead = 0 < count <= zeros * units
    places.dead = put_dead(x, axis, bag, bag.tensors.get(places.sample)) if has_dead else bag.put([])
    return places


def _put_on_host(
    x: torch.Tensor, count: int, bag: Bag, has_histogram: bool, has_zeros: bool = False, is_rectified: bool = False
) -> tuple[Places, float]:
    """All of a flat tensor in one turn, in which each part is read from memory once. Returns the count of zeros, too."""
    total = squares = zeros = 0.0
    low, high = math.inf, -math.inf
    counter = Counter() if has_histogram else None
    for part in parts(x):
        total += part.sum().item()
        squares += torch.dot(part, part).item()
        least, most = (0.0, part.amax().item()) if is_rectified else _bounds(part)
        # NaN is no number that is greater than zero, nor one of the histogram's pairs.
        is_positive = is_rectified and math.isfinite(most)
        if counter is not None:
            counter.add(part, is_positive)
        is_searched = has_zeros and not (least > 0 or most < 0) and (counter is None or counter.may_have_zeros())
        here = _zeros(part, is_positive) if is_searched else 0.0
        zeros += here
        if is_rectified and not here:
            least = part.amin().item()
        low, high = _lower(low, least), -_lower(-high, -most)
    places = Places(bag.put(_checked_sums(x, count, total, squares)), bag.put(_checked_extremes(x, low, high, zeros)))
    if counter is not None:
        places.histogram = bag.add(counter.counts(), as_tensor=True)
    return places, zeros


def _put_on_device(x: torch.Tensor, count: int, bag: Bag, has_histogram: bool, has_zeros: bool) -> Places:
    places = Places(bag.add(_sums_on_device(x, count)), bag.add(_extremes_on_device(x, has_zeros)))
    if has_histogram:
        places.histogram = bag.add(counts_on_device(x), as_tensor=True)
    return places


def _bounds(part: torch.Tensor) -> tuple[float, float]:
    """The least and the greatest number; NaN if one is."""
    low, high = torch.aminmax(part)
    return low.item(), high.item()


def _zeros(part: torch.Tensor, is_positive: bool) -> float:
    """The count of zeros, as floats, because sums of booleans are much slower."""
    scratch = room(part.numel(), part.dtype)
    if is_positive:
        # All others are greater, and comparing for that is faster.
        return part.numel() - torch.gt(part, 0, out=scratch).sum().item()
    return torch.eq(part, 0, out=scratch).sum().item()


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


def put_dead(x: torch.Tensor, axis: int, bag: Bag, sample: torch.Tensor | None = None) -> int:
    """Puts 1 for each channel that is zero everywhere and 0 for all others into the bag; rows of the units may be known."""
    others = [at for at in range(x.dim()) if at != axis]
    if not others:
        return bag.add(x == 0)
    if not on_host(x):
        return bag.add(_is_zero(x, others))
    # Most channels are alive in a few places already.
    may_be_dead = _is_zero(x[:FEW] if axis else x, others) if sample is None else _is_zero(sample, [0])
    dead = [float(here and bool(_is_zero(x.select(axis, unit), []))) for unit, here in enumerate(may_be_dead.tolist())]
    return bag.put(dead)


def _is_zero(x: torch.Tensor, axes: list[int]) -> torch.Tensor:
    """Whether all numbers along the axes are zero; along all where none is given."""
    return (x.amax(axes) == 0) & (x.amin(axes) == 0)


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


def put_product_of_sum(branch: list[float], shortcut: list[float], total: float, bag: Bag) -> int:
    """The same from the sums of both and the sum of squares of their sum: |a + b|^2 = |a|^2 + |b|^2 + 2 ab."""
    return bag.put([(total - branch[2] - shortcut[2]) / 2])
