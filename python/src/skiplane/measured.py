"""What was recorded in a step: numbers that are on their way, and what they come to once they have arrived."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .decimals import list_text
from .histogram import Histogram, bins_of
from .rank import effective_ranks
from .statistics import Extremes, Places, Sums
from .tensors import Bag
from .weights import Keys


@dataclass
class Output(Places):
    """Where the numbers of a tensor that is computed are in the bag."""

    gradients: list[int] = field(default_factory=list)
    is_hooked: bool = False


@dataclass
class LayerCall:
    """A use of a layer in a step."""

    layer: Any
    response: Output | None = None
    output: Output | None = None


@dataclass
class BlockCall:
    """A use of a block in a step."""

    key: str
    branch: Output | None = None
    shortcut: Output | None = None
    product: int = -1
    #: Whether the product follows from the sum.
    is_derived: bool = False
    output: Output | None = None


@dataclass
class AttentionCall:
    """A use of attention in a step."""

    #: The layer that computes it, or the last one before it.
    layer: str
    entropies: int


class Measured:
    """The statistics of a step."""

    def __init__(
        self,
        bag: Bag,
        layers: list[tuple[list[LayerCall], list[int]]],
        blocks: list[list[BlockCall]],
        has_shortcuts: bool,
        attentions: list[list[AttentionCall]],
        heads: int,
        weights: dict[int, Keys],
        scale: int,
        rate: int,
        has_histograms: bool,
        seconds: float,
    ) -> None:
        self.bag = bag
        self._layers, self._blocks, self._weights = layers, blocks, weights
        self._has_shortcuts, self._has_histograms = has_shortcuts, has_histograms
        self._attentions, self._heads = attentions, heads
        self._scale, self._rate = scale, rate
        self._numbers: list[list[float]] = []
        self._values: dict[str, list[float]] = {}
        self._histograms: dict[str, list[Histogram]] = {}
        #: By the place of counts and of a sample.
        self._bins: dict[int, list[float]] = {}
        self._ranks: dict[int, float] = {}
        #: The time that it took in hooks, as far as it shows on the host.
        self.seconds = seconds
        self.learning_rate: float | None = None

    def resolve(self, numbers: list[list[float]]) -> None:
        """The numbers have arrived."""
        self._numbers = numbers
        self.learning_rate = numbers[self._rate][0] if self._rate >= 0 else None
        scale = numbers[self._scale][0] if self._scale >= 0 else 1.0
        self._resolve_tensors()
        for calls, weights in self._layers:
            self._of_output(calls, scale or 1.0)
            self._of_weights([self._weights[key] for key in weights if key in self._weights])
        for block in self._blocks:
            self._of_block(block, scale or 1.0)
        self._finish_blocks()
        if self._has_histograms and self._heads:
            self._values["attention_entropy"] = [mean for calls in self._attentions for mean in self._entropies(calls)]

    def _entropies(self, calls: list[AttentionCall]) -> list[float]:
        """The mean entropy of each head of a block; NaN for those that it does not have."""
        heads = [0.0] * self._heads
        sums, counts = list(heads), list(heads)
        for call in calls:
            numbers = self._numbers[call.entropies]
            for head in range(len(numbers) // 2):
                sums[head] += numbers[head]
                counts[head] += numbers[len(numbers) // 2 + head]
        return [divided(total, count) for total, count in zip(sums, counts)]

    def _resolve_tensors(self) -> None:
        """Makes numbers of all counts and samples together, which takes much less time."""
        tensors = self.bag.tensors
        outputs = [call.output for calls, _ in self._layers for call in calls if call.output is not None]
        weights = [places for keys in self._weights.values() for places in (keys.weight, keys.gradient) if places is not None]
        self._ranks = effective_ranks({output.sample: tensors[output.sample] for output in outputs if output.sample >= 0})
        counts = list({places.histogram for places in (*outputs, *weights) if places.histogram >= 0})
        self._bins = dict(zip(counts, bins_of([tensors[place] for place in counts])))

    def texts(self) -> Iterator[tuple[str, str]]:
        """Name and values in JSON of each metric."""
        for name, values in self._values.items():
            yield name, list_text(values)
        for name, histograms in self._histograms.items():
            yield name, "[" + ",".join(histogram.text() for histogram in histograms) + "]"

    def first_non_finite(self, loss: bool) -> tuple[int | None, str] | None:
        """The layer in which a NaN or infinity is first, and the pass; none if there is none."""
        values = self._values
        for at, count in enumerate(values.get("activation_non_finite", [])):
            if count > 0:
                return at, "forward"
        if loss:
            return None, "forward"
        gradients = list(zip(values.get("output_gradient_norm", []), values.get("weight_gradient_non_finite", [])))
        for at in reversed(range(len(gradients))):
            # Of a layer that was not measured both are NaN.
            norm, count = gradients[at]
            if count > 0 or (norm != norm and self._has_gradient(at)) or math.isinf(norm):
                return at, "backward"
        for at, ratio in enumerate(values.get("update_ratio", [])):
            if math.isinf(ratio):
                return at, "update"
        return None

    def _has_gradient(self, layer: int) -> bool:
        return any(call.output is not None and call.output.gradients for call in self._layers[layer][0])

    def _append(self, **values: float) -> None:
        for name, value in values.items():
            self._values.setdefault(name, []).append(value)

    def _sums(self, keys: Iterator[int]) -> Sums:
        sums = Sums()
        for key in keys:
            if key >= 0:
                sums.merge(self._numbers[key])
        return sums

    def _gradients(self, outputs: list[Output], scale: float) -> Sums:
        sums = self._sums(key for output in outputs for key in output.gradients)
        sums.sum, sums.squares, sums.deviations = sums.sum / scale, sums.squares / scale**2, sums.deviations / scale**2
        return sums

    def _of_output(self, calls: list[LayerCall], scale: float) -> None:
        outputs = [call.output for call in calls if call.output is not None]
        sums = self._sums(output.sums for output in outputs)
        response = self._sums(call.response.sums for call in calls if call.response is not None)
        gradient = self._gradients(outputs, scale)
        extremes = Extremes()
        dead: list[bool] | None = None
        for output in outputs:
            if output.extremes < 0:
                continue
            extremes.merge(self._numbers[output.extremes])
            here = [bool(is_dead) for is_dead in self._numbers[output.dead]]
            # A channel is dead if it is in all uses; an empty list stands for none.
            dead = here if dead is None else [a and b for a, b in zip(dead, here)]
        units = calls[0].layer.shape[0] if calls and calls[0].layer.shape else 1
        is_known = bool(outputs)
        self._append(
            activation_mean=sums.mean,
            activation_std=sums.std,
            activation_rms=sums.rms,
            activation_min=extremes.min if is_known else math.nan,
            activation_max=extremes.max if is_known else math.nan,
            zero_rate=extremes.zeros / sums.count if sums.count else math.nan,
            dead_units=sum(dead or []) / units if is_known else math.nan,
            # Of what was not measured none are known, and NaN would count as one.
            activation_non_finite=extremes.non_finite,
            response_std=response.std,
            output_gradient_norm=gradient.norm,
            output_gradient_mean=gradient.mean,
            output_gradient_std=gradient.std,
        )
        if not self._has_histograms:
            return
        histogram = Histogram()
        for output in outputs:
            if output.histogram >= 0:
                histogram.merge(self._bins[output.histogram])
        self._histograms.setdefault("activations", []).append(histogram)
        # Of the first use.
        self._append(effective_rank=self._ranks.get(outputs[0].sample, math.nan) if outputs else math.nan)

    def _of_weights(self, keys: list[Keys]) -> None:
        weight = self._sums(key.weight.sums for key in keys)
        gradient, largest, non_finite = Sums(), math.nan, 0.0
        for key in keys:
            if key.gradient is None:
                continue
            scale = (self._numbers[key.scale][0] if key.scale >= 0 else 1.0) or 1.0
            count, total, squares, variance = self._numbers[key.gradient.sums]
            gradient.merge([count, total / scale, squares / scale**2, variance / scale**2])
            low, high, _, broken = self._numbers[key.gradient.extremes]
            here = max(abs(low), abs(high)) / scale if low <= high else math.nan
            largest = here if largest != largest else max(largest, here)
            non_finite += broken
        change = sum(self._numbers[key.change][0] for key in keys if key.change >= 0)
        # A weight that an optimiser has, and did not update in this step, has not changed; nor has a frozen one.
        is_unchanged = bool(keys) and all(key.change >= 0 or key.is_trained or key.gradient is None for key in keys)
        ratio = math.sqrt(change) / weight.norm if is_unchanged and weight.norm > 0 else math.nan
        bounds = [self._numbers[key.weight.extremes] for key in keys if key.weight.extremes >= 0]
        self._append(
            weight_gradient_norm=gradient.norm,
            weight_gradient_mean=gradient.mean,
            weight_gradient_std=gradient.std,
            weight_gradient_non_finite=non_finite,
            weight_norm=weight.norm,
            update_ratio=ratio,
            weight_max=max((max(abs(low), abs(high)) for low, high, *_ in bounds), default=math.nan),
            weight_gradient_max=largest,
        )
        if not self._has_histograms:
            return
        of_gradient, of_weight = Histogram(), Histogram()
        for key in keys:
            if key.weight.histogram >= 0:
                of_weight.merge(self._bins[key.weight.histogram])
            if key.gradient is not None and key.gradient.histogram >= 0:
                of_gradient.merge(self._bins[key.gradient.histogram], key.unseen)
        self._histograms.setdefault("weight_gradients", []).append(of_gradient)
        self._histograms.setdefault("weights", []).append(of_weight)

    def _of_block(self, calls: list[BlockCall], scale: float) -> None:
        outputs = [call.output for call in calls if call.output is not None]
        stream = self._sums(output.sums for output in outputs)
        self._append(stream_rms=stream.rms, stream_gradient_norm=self._gradients(outputs, scale).norm)
        if not self._has_shortcuts:
            return
        branch = self._sums(call.branch.sums for call in calls if call.branch is not None)
        shortcut = self._sums(call.shortcut.sums for call in calls if call.shortcut is not None)
        product = sum(self._numbers[call.product][0] for call in calls if call.product >= 0)
        both = branch.norm * shortcut.norm
        self._append(
            branch_ratio=divided(branch.rms, shortcut.rms),
            branch_cosine=divided(product, both) if branch.count else math.nan,
            stream_growth=divided(stream.rms, shortcut.rms),
            block_share=branch.rms,
        )

    def _finish_blocks(self) -> None:
        if "block_share" in self._values:
            last = self._values["stream_rms"][-1]
            self._values["block_share"] = [divided(rms, last) for rms in self._values["block_share"]]


def divided(a: float, b: float) -> float:
    """The quotient as floats have it."""
    if b != 0:
        return a / b
    return math.nan if a == 0 or a != a else math.copysign(math.inf, a)
