"""Follows tensors through a forward pass: which norm, addition and activation function a layer's output goes through, and
where a block adds its input to its branch. It is active in recorded steps only.

Modules are seen by hooks, functions by a `TorchFunctionMode`, so that it makes no difference whether a network calls
`nn.ReLU` or `F.relu`. Nothing of the network is changed.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from .attention import ATTENTIONS

#: How far a layer's output has come: as the layer gave it, normalised, added to something, through an activation function.
RESPONSE, NORMED, ADDED, ACTIVATED = range(4)

ACTIVATIONS: set[Any] = {
    F.relu, torch.relu, torch.relu_, torch.Tensor.relu, torch.Tensor.relu_, F.relu6, F.leaky_relu, F.elu, F.selu, F.celu,
    F.gelu, F.silu, F.mish, F.hardswish, F.hardsigmoid, F.hardtanh, F.softplus, F.softsign, F.logsigmoid, F.prelu, F.rrelu,
    F.threshold, F.sigmoid, F.tanh, torch.sigmoid, torch.tanh, torch.Tensor.sigmoid, torch.Tensor.tanh,
}  # fmt: skip
#: Those whose output is never negative, and mostly zero somewhere.
RECTIFIERS: set[Any] = {F.relu, torch.relu, torch.relu_, torch.Tensor.relu, torch.Tensor.relu_, F.relu6}
#: Layer norm is not among them: it belongs to what follows it.
NORMS: set[Any] = {F.batch_norm, F.instance_norm, F.group_norm, torch.batch_norm, torch.group_norm}
DROPOUTS: set[Any] = {F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, torch.dropout}
ADDITIONS: set[Any] = {torch.add, torch.Tensor.add, torch.Tensor.add_, torch.Tensor.__add__, torch.Tensor.__iadd__}
#: What may happen to a block's input before it is added, with the kind of shortcut that it makes.
SHORTCUTS: dict[Any, str] = {
    F.pad: "zero_padding", torch.cat: "zero_padding", F.avg_pool2d: "pooling",
    F.max_pool2d: "pooling", F.adaptive_avg_pool2d: "pooling", F.interpolate: "resampling", torch.mul: "scaled",
    torch.Tensor.mul: "scaled", torch.Tensor.__mul__: "scaled", torch.Tensor.__rmul__: "scaled",
    torch.Tensor.div: "scaled", F.dropout: "dropout",
}  # fmt: skip


class Frame:
    """A module that is being called."""

    def __init__(self, name: str, module: nn.Module) -> None:
        self.name = name
        self.is_leaf = not module._modules
        self.inputs: list[torch.Tensor] = []
        #: How many additions it has made itself.
        self.additions = 0
        self.module = module
        #: The layers that were called in it, and those of them since its last addition.
        self.all_layers: list[str] = []
        self.layers: list[str] = []


@dataclass
class Tag:
    """A layer's or a block's output on its way."""

    call: Any
    state: int
    #: How many functions it went through.
    links: int
    #: The call of the module that called the layer; in other modules it is not followed.
    scope: Frame | None


class Tensors:
    """What is known of tensors as long as they live."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[torch.Tensor], Any]] = {}

    def get(self, x: Any) -> Any:
        """What is known of a tensor, or None."""
        found = self._known.get(id(x))
        return found[1] if found is not None and found[0]() is x else None

    def set(self, x: torch.Tensor, what: Any) -> None:
        """Notes something of a tensor, in place of what was known."""
        self._known[id(x)] = (weakref.ref(x), what)

    def drop(self, x: torch.Tensor) -> None:
        """Forgets a tensor."""
        self._known.pop(id(x), None)

    def clear(self) -> None:
        """Forgets all."""
        self._known.clear()


@dataclass
class Way:
    """How a tensor was made of a module's input: through how many layers, and what kind of shortcut that is."""

    layers: int
    kind: str


@dataclass
class Addition:
    """A place where a block adds its input."""

    #: The module that adds, and the part of it that the branch ends in, by which it is named if there are several.
    module: str
    part: str
    #: Which of the two operands the shortcut is.
    shortcut: int
    kind: str
    #: The layers since the module's last addition.
    layers: list[str]
    #: The layer that computes the shortcut.
    projection: str | None
    #: The module and the number of the addition in it.
    key: str


class Recorder(Protocol):
    """Who measures what the trace finds."""

    def layer_reached(self, call: Any, x: torch.Tensor, state: int, links: int, is_rectified: bool = False) -> None:
        """A layer's output, as it is now; whether a ReLU gave it."""

    def batch_normalised(self, y: torch.Tensor, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        """The output of `F.batch_norm`, with what it was called with."""

    def block_added(self, addition: Addition, branch: torch.Tensor, shortcut: torch.Tensor) -> Any:
        """A block is about to add; returns its call."""

    def block_reached(self, call: Any, y: torch.Tensor, links: int) -> None:
        """A block's output, as it is now."""

    def block_summed(self, call: Any, y: torch.Tensor) -> None:
        """The sum of branch and shortcut."""

    def attended(self, func: Any, arguments: tuple[Any, ...], named: dict[str, Any], frames: list[Frame]) -> None:
        """Attention is about to be computed."""

    def fault(self, error: Exception) -> None:
        """Something went wrong."""


class Trace:
    """The tensors of the step that is being recorded."""

    def __init__(self, recorder: Recorder, wants_block: Callable[[str, str], bool]) -> None:
        self._recorder = recorder
        self._wants_block = wants_block
        #: The additions of blocks by the name of the module and their number in it; complete after the first pass.
        self.additions: dict[tuple[str, int], Addition | None] = {}
        self.is_complete = False
        self._layers, self._blocks, self._streams = Tensors(), Tensors(), Tensors()

    def clear(self) -> None:
        """Forgets the tensors of the step."""
        for tensors in (self._layers, self._blocks, self._streams):
            tensors.clear()

    def enter(self, frame: Frame) -> None:
        """A module is called."""
        if self.is_complete:
            return
        for x in frame.inputs:
            self._set_stream(x, frame, Way(0, "identity"))

    def leave(self, frame: Frame, parent: Frame | None, y: torch.Tensor) -> None:
        """A module has returned a tensor."""
        if parent is None or self.is_complete:
            return
        ways = [way for way in (self._stream(x, parent) for x in frame.inputs) if way is not None]
        if not ways:
            return
        before = min(ways, key=lambda way: way.layers)
        layers = len(set(frame.all_layers))
        inside = self._stream(y, parent if frame.is_leaf else frame)
        kind = "projection" if layers else inside.kind if inside is not None and inside.kind != "identity" else before.kind
        self._set_stream(y, parent, Way(before.layers + layers, kind))

    def layer_called(self, call: Any, x: torch.Tensor, scope: Frame | None) -> None:
        """A layer has returned its output."""
        self._layers.set(x, Tag(call, RESPONSE, 0, scope))
        self._recorder.layer_reached(call, x, RESPONSE, 0)

    def _stream(self, x: Any, frame: Frame) -> Way | None:
        """How a tensor was made of the inputs of a module that is being called; none if it was not."""
        found = self._streams.get(x)
        entry = found.get(id(frame)) if found is not None else None
        return entry[1] if entry is not None and entry[0] is frame else None

    def _set_stream(self, x: torch.Tensor, frame: Frame, way: Way) -> None:
        known = self._streams.get(x)
        if known is None:
            known = {}
            self._streams.set(x, known)
        known[id(frame)] = (frame, way)

    def called(self, func: Any, arguments: tuple[Any, ...], named: dict[str, Any], frames: list[Frame]) -> Any:
        """Calls a function, and notes where it takes a tensor."""
        scope = next((frame for frame in reversed(frames) if not frame.is_leaf), None)
        after = None
        try:
            with torch._C.DisableTorchFunction(), torch.no_grad():
                if func in ATTENTIONS:
                    self._recorder.attended(func, arguments, named, frames)
                after = self._before(func, arguments, named, scope)
        except Exception as error:  # noqa: BLE001
            self._recorder.fault(error)
        result = func(*arguments, **named)
        if after is not None and isinstance(result, torch.Tensor):
            try:
                with torch._C.DisableTorchFunction(), torch.no_grad():
                    after(result)
            except Exception as error:  # noqa: BLE001
                self._recorder.fault(error)
        return result

    def _before(
        self, func: Any, arguments: tuple[Any, ...], named: dict[str, Any], scope: Frame | None
    ) -> Callable[[torch.Tensor], None] | None:
        if func in ADDITIONS:
            return self._added(arguments, named, scope)
        x = arguments[0] if arguments else named.get("input")
        way = None
        if not self.is_complete and scope is not None:
            parts = x if isinstance(x, (list, tuple)) else (*arguments, *named.values())
            ways = [way for way in (self._stream(part, scope) for part in parts) if way is not None]
            way = min(ways, key=lambda way: way.layers) if ways else None
            if way is not None and func in SHORTCUTS and (SHORTCUTS[func] != "scaled" or _is_scaled(arguments)):
                way = Way(way.layers, SHORTCUTS[func])
        if not isinstance(x, torch.Tensor) and way is None:
            return None
        tag, block = self._layers.get(x), self._blocks.get(x)
        if way is None and tag is None and block is None:
            return None

        def after(y: torch.Tensor) -> None:
            if way is not None and scope is not None:
                self._set_stream(y, scope, way)
            if func in ACTIVATIONS:
                if tag is not None and tag.scope is scope and tag.state < ACTIVATED:
                    self._advance(tag, y, ACTIVATED, func in RECTIFIERS)
                if block is not None and block.scope is scope:
                    self._recorder.block_reached(block.call, y, 1)
                    self._blocks.drop(y)
            elif func in NORMS:
                if tag is not None and tag.scope is scope and tag.state == RESPONSE:
                    if func is F.batch_norm:
                        self._recorder.batch_normalised(y, arguments, named)
                    self._advance(tag, y, NORMED)
            elif func in DROPOUTS and tag is not None:
                self._layers.set(y, tag)

        return after

    def _advance(self, tag: Tag, y: torch.Tensor, state: int, is_rectified: bool = False) -> None:
        self._recorder.layer_reached(tag.call, y, state, tag.links + 1, is_rectified)
        self._layers.set(y, Tag(tag.call, state, tag.links + 1, tag.scope))

    def _added(
        self, arguments: tuple[Any, ...], named: dict[str, Any], scope: Frame | None
    ) -> Callable[[torch.Tensor], None] | None:
        a = arguments[0] if arguments else named.get("input")
        b = arguments[1] if len(arguments) > 1 else named.get("other")
        if scope is None or not (isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor)):
            return None
        if a.shape != b.shape or not (a.is_floating_point() and b.is_floating_point()) or named.get("alpha", 1) != 1:
            return None
        at = (scope.name, scope.additions)
        scope.additions += 1
        if at not in self.additions and not self.is_complete:
            self.additions[at] = self._discovered(a, b, scope)
        addition = self.additions.get(at)
        if addition is None:
            return None
        branch, shortcut = (b, a) if addition.shortcut == 0 else (a, b)
        tag = self._layers.get(branch)
        call = self._recorder.block_added(addition, branch, shortcut) if self._wants_block(addition.module, addition.part) else None

        def after(y: torch.Tensor) -> None:
            self._streams.set(y, {})
            self._set_stream(y, scope, Way(0, "identity"))
            scope.layers = []
            if tag is not None and tag.state < ADDED:
                self._recorder.layer_reached(tag.call, y, ADDED, tag.links + 1)
                self._layers.set(y, Tag(tag.call, ADDED, tag.links + 1, scope))
            else:
                self._layers.drop(y)
            if call is not None:
                self._recorder.block_reached(call, y, 0)
                self._recorder.block_summed(call, y)
                self._blocks.set(y, Tag(call, ADDED, 0, scope))

        return after

    def _discovered(self, a: torch.Tensor, b: torch.Tensor, scope: Frame) -> Addition | None:
        """Which operand is the shortcut: the one that has gone through fewer layers since the module's input, or its last
        addition; none if there is no difference."""
        ways = [self._stream(a, scope), self._stream(b, scope)]
        counts = [math.inf if way is None else way.layers for way in ways]
        if counts[0] == counts[1] or not scope.layers:
            return None
        shortcut = 0 if counts[0] < counts[1] else 1
        found = ways[shortcut]
        assert found is not None
        kind = found.kind
        inside = scope.layers[-1][len(scope.name) + 1 if scope.name else 0 :]
        part = f"{scope.name}.{inside.split('.')[0]}".strip(".")
        tag = self._layers.get((a, b)[shortcut]) if kind == "projection" else None
        key = f"{scope.name}#{scope.additions - 1}"
        return Addition(scope.name, part, shortcut, kind, list(scope.layers), tag.call.layer.name if tag else None, key)


def _is_scaled(arguments: tuple[Any, ...]) -> bool:
    """Whether all factors but one are single numbers."""
    return sum(isinstance(factor, torch.Tensor) and factor.numel() > 1 for factor in arguments) <= 1


class Mode(TorchFunctionMode):
    """Tells the trace of each function that it follows."""

    FOLLOWED = ACTIVATIONS | NORMS | DROPOUTS | ADDITIONS | ATTENTIONS

    def __init__(self, trace: Trace, frames: Callable[[], list[Frame]]) -> None:
        super().__init__()
        self._trace, self._frames = trace, frames

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # In the first pass all are followed, to find out what is made of a module's input.
        if func in self.FOLLOWED or not self._trace.is_complete:
            return self._trace.called(func, args, kwargs or {}, self._frames())
        return func(*args, **(kwargs or {}))
