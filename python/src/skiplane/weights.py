"""Statistics of weights, their gradients and their update, around the steps of optimisers.

A gradient is measured when the optimiser gets it: accumulated, unscaled, reduced over processes, and clipped.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.optim import optimizer as optimizers

from . import statistics
from .parts import real
from .statistics import Places
from .tensors import Bag


@dataclass
class Keys:
    """Where the numbers of a parameter are in the bag."""

    weight: Places = field(default_factory=Places)
    gradient: Places | None = None
    #: The factor that the gradient still has in it.
    scale: int = -1
    change: int = -1
    #: Zeros of a sparse gradient that are not stored.
    unseen: int = 0
    #: Whether an optimiser makes steps with it.
    is_trained: bool = False


class Weights:
    """The parameters of a recorded step, by their identity."""

    def __init__(self, current: Callable[[], dict[int, torch.Tensor]], fault: Callable[[Exception], None]) -> None:
        self._current, self._fault = current, fault
        self._parameters: dict[int, torch.Tensor] = {}
        self._before: dict[int, torch.Tensor] = {}
        self.keys: dict[int, Keys] = {}
        self.learning_rate: Any = None
        self.bag: Bag | None = None
        self.histograms = False
        #: Parameters that were updated in this step.
        self.updated: set[int] = set()
        self._hooks: list[Any] = []
        #: Called with an optimiser before its step.
        self.stepping: Callable[[Any], None] = lambda optimizer: None
        self._trained: set[int] = set()

    def open(self, bag: Bag, histograms: bool) -> None:
        """A step begins that is recorded."""
        self.bag, self.histograms = bag, histograms
        self.keys, self.updated, self._before, self.learning_rate = {}, set(), {}, None
        if not self._hooks:
            self._hooks = [
                optimizers.register_optimizer_step_pre_hook(self._pre),
                optimizers.register_optimizer_step_post_hook(self._post),
            ]

    def detach(self) -> None:
        """No step is recorded any more."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def _mine(self, optimizer: Any) -> list[torch.Tensor]:
        self._parameters = self._current()
        mine = {}
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if id(parameter) in self._parameters:
                    mine[id(parameter)] = parameter
        return list(mine.values())

    def _pre(self, optimizer: Any, arguments: Any, named: Any) -> None:
        try:
            with torch._C.DisableTorchFunction(), torch.no_grad():
                mine = self._mine(optimizer)
                if not mine or self.bag is None:
                    return
                self.stepping(optimizer)
                if self.learning_rate is None:
                    self.learning_rate = optimizer.param_groups[0].get("lr")
                # Fused optimisers unscale by themselves.
                scale = getattr(optimizer, "grad_scale", None)
                place = self.bag.add(scale) if isinstance(scale, torch.Tensor) else -1
                fresh = [parameter for parameter in mine if id(parameter) not in self._before]
                self._measure(fresh, place)
                for parameter in fresh:
                    self._before[id(parameter)] = real(parameter).clone()
        except Exception as error:  # noqa: BLE001
            self._fault(error)

    def _post(self, optimizer: Any, arguments: Any, named: Any) -> None:
        try:
            with torch._C.DisableTorchFunction(), torch.no_grad():
                for parameter in self._mine(optimizer):
                    self.updated.add(id(parameter))
                    self._trained.add(id(parameter))
        except Exception as error:  # noqa: BLE001
            self._fault(error)

    def _measure(self, parameters: Sequence[torch.Tensor], scale: int) -> None:
        bag = self.bag
        assert bag is not None
        tensors: list[torch.Tensor] = []
        counts: list[int] = []
        of: list[Places] = []
        for parameter in parameters:
            keys = self.keys[id(parameter)] = Keys()
            if parameter.is_meta:
                continue
            weight = real(parameter)
            tensors.append(weight)
            of.append(keys.weight)
            if parameter.grad is not None:
                gradient = real(parameter.grad)
                # Of a sparse gradient the zeros count, too.
                keys.unseen = weight.numel() - gradient.numel()
                keys.scale, keys.gradient = scale, Places()
                tensors.append(gradient)
                of.append(keys.gradient)
            counts += [weight.numel()] * (len(tensors) - len(counts))
        for places, found in zip(of, statistics.put_several(tensors, counts, bag, self.histograms)):
            places.take(found)

    def finish(self) -> None:
        """The step is complete: measures what the updates have changed, and the parameters that nothing updated."""
        bag = self.bag
        if bag is None:
            return
        self._parameters = self._current()
        # Without a step of an optimiser, since it is frozen, or the step was skipped, or it has another one.
        self._measure([parameter for key, parameter in self._parameters.items() if key not in self.keys], -1)
        changes = {}
        for key, parameter in self._parameters.items():
            self.keys[key].is_trained = key in self._trained
            before = self._before.get(key)
            if before is not None and not parameter.is_meta:
                after = real(parameter)
                if after.shape == before.shape:
                    changes[key] = before.sub_(after)
        for key, place in zip(changes, statistics.put_squares_of_several(list(changes.values()), bag)):
            self.keys[key].change = place
        self._before = {}
        self.bag = None


def scaler_of_caller() -> Any:
    """The GradScaler that is making this step of an optimiser, if one is."""
    frame = sys._getframe(1)
    for _ in range(30):
        owner = frame.f_locals.get("self")
        if isinstance(owner, torch.amp.GradScaler):
            return owner
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return None
