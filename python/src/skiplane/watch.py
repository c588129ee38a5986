"""Watches a model: which layers and blocks it has, and their statistics in the steps that are recorded.

Hooks are attached before a step that is recorded and removed after it, so that all other steps cost nothing, and what
`torch.compile` makes of the model has none in it.
"""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from . import statistics
from .attention import put_entropies
from .decimals import list_text
from .faults import warn_once
from .declared import OF_OUTPUTS, OF_SHORTCUTS, OF_WEIGHTS
from .measured import AttentionCall, BlockCall, LayerCall, Measured, Output, divided
from .parts import flat, real
from .structure import WHOLE, Structure, describe, flattened, parameters_of
from .tensors import Bag
from .trace import NORMED, Addition, Frame, Mode, Tensors, Trace
from .weights import Weights, scaler_of_caller

class Layer:
    """A module that is watched."""

    def __init__(self, name: str, module: nn.Module, flattened: dict[str, torch.Size]) -> None:
        self.name, self.module = name, module
        #: The shapes of its parameters that are parts of flat ones.
        self.flattened = flattened
        self.calls: list[LayerCall] = []
        #: After how many functions its response and its output are measured; none as long as that is not known.
        self.plan: tuple[int, int] | None = None
        self.reached = [0, 0]
        #: The shape of its output for one example, the units first.
        self.shape: list[int] = []

    def weights(self) -> list[torch.Tensor]:
        """Its parameters of two or more dimensions, or all if it has none."""
        own = parameters_of(self.module)
        matrices = [name for name, shape in self.flattened.items() if len(shape) > 1]
        flat: list[torch.Tensor] = [part for name, part in self.module.named_parameters(recurse=False) if name in matrices]
        return flat or [parameter for parameter in own if parameter.dim() > 1] or own

    def axis(self, x: torch.Tensor) -> int:
        """The axis of the units of its output."""
        spatial = spatial_axes(self.module)
        return max(x.dim() - spatial - 1, 0) if spatial is not None else max(x.dim() - 1, 0)


def spatial_axes(module: nn.Module) -> int | None:
    """How many axes follow that of the units of its output; none if the units come last."""
    name = type(module).__name__
    if isinstance(module, nn.modules.conv._ConvNd):
        return len(module.kernel_size)
    if isinstance(module, nn.modules.batchnorm._NormBase):
        return {"1d": 0, "2d": 2, "3d": 3}.get(name[-2:], 2)
    return None


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a name fits one of the patterns, in which `*` stands for any characters and `?` for one."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside of wrappers for several processes and for compilation."""
    inside: Any = model
    while True:
        if hasattr(inside, "_orig_mod"):
            inside = inside._orig_mod
        elif isinstance(inside, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            inside = inside.module
        else:
            return inside  # type: ignore[no-any-return]


class Hook:
    """A hook of a module. A copy of the module, such as an average of its weights or one in a file, has one that does
    nothing, and needs nothing of this package."""

    def __init__(self, what: Callable[..., None]) -> None:
        self._what = what

    def __call__(self, *arguments: Any) -> None:
        self._what(*arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (contextlib.nullcontext(), "__exit__")


class Watch:
    """The watched model of a run."""

    def __init__(
        self,
        model: nn.Module,
        layers: str | Sequence[str] | None,
        blocks: str | Sequence[str] | None,
        every: int,
        histograms_every: int,
        scaler: Any,
        expected: list[str] | None,
    ) -> None:
        self._model = unwrapped(model)
        parts = (model, *self._model.modules())
        self._is_compiled = any(hasattr(part, "_orig_mod") or getattr(part, "_compiled_call_impl", None) for part in parts)
        self._every, self._histograms_every = max(0, int(every)), max(0, int(histograms_every))
        self._patterns = [layers] if isinstance(layers, str) else layers
        self._block_patterns = [blocks] if isinstance(blocks, str) else blocks
        self._scaler = scaler
        self._expected = expected
        self._first: int | None = None
        self._last = 0
        self._names = {module: clean(name) for name, module in self._model.named_modules()}
        self.layers = self._chosen()
        self._by_module = {layer.module: layer for layer in self.layers}
        self._order: list[Layer] = []
        self._order_seen: set[str] = set()
        self._structure: Structure | None = None
        self._plain_seen: dict[str, list[str]] = {}
        self._block_calls: list[BlockCall] = []
        self._attention_calls: list[AttentionCall] = []
        self._block_links: dict[str, int] = {}
        self._trace = Trace(self, self._wants_block)
        self._mode: Any = Mode(self._trace, self._frames)
        self._local = threading.local()
        self._handles: list[Any] = []
        self._stance: Any = None
        self._weights = Weights(self._parameters, self.fault)
        self._weights.stepping = self._stepping
        self._bag = Bag()
        self._outputs = Tensors()
        self._histograms = False
        self._forward_seen: set[int] = set()
        self._seconds = 0.0
        self._scale = -1
        self._is_open = False
        self._is_broken = False
        self._step = 0

    def _chosen(self) -> list[Layer]:
        inside_whole = {
            inner for module in self._names if isinstance(module, WHOLE) for inner in module.modules() if inner is not module
        }
        found = []
        shapes = flattened(self._model)
        for module, name in self._names.items():
            here = shapes.get(module, {})
            if module in inside_whole or isinstance(module, nn.modules.container.ParameterList):
                continue
            if self._patterns is not None:
                # What has no weights must be named as it is, since many modules only pass something on.
                if name in self._patterns or (matches(name, self._patterns) and (here or parameters_of(module))):
                    found.append(Layer(name, module, here))
            elif any(len(shape) > 1 for shape in (*here.values(), *(weight.shape for weight in parameters_of(module)))):
                found.append(Layer(name or type(module).__name__.lower(), module, here))
        if not found:
            warn_once("expected layers to watch, found none that have weights or fit the patterns")
        return found

    def _wants_block(self, *names: str) -> bool:
        return self._block_patterns is None or any(matches(name, self._block_patterns) for name in names)

    # When it records

    def _falls(self, every: int, step: int) -> bool:
        """Whether the first step, or a multiple of `every`, is among the steps since the last one."""
        return every > 0 and (step == self._first or step // every > self._last // every)

    def open(self, step: int) -> None:
        """The next step that is logged will probably be this one: gets ready if it is to be recorded."""
        if self._is_broken:
            return
        if self._first is None:
            self._first = step
            self._last = step - 1
        if not self._falls(self._every, step):
            self._detach()
            return
        self._step = step
        self._histograms = self._falls(self._histograms_every, step)
        self._bag, self._outputs = Bag(), Tensors()
        self._forward_seen, self._seconds, self._scale = set(), 0.0, -1
        self._block_calls, self._attention_calls = [], []
        for layer in self.layers:
            layer.calls, layer.reached = [], [0, 0]
        self._weights.open(self._bag, self._histograms)
        self._is_open = True
        self._attach()

    def is_open(self) -> bool:
        """Whether a step is being recorded."""
        return self._is_open

    def is_waiting(self) -> bool:
        """Whether the structure is not known yet."""
        return self._structure is None and not self._is_broken

    def has_seen(self) -> bool:
        """Whether something was recorded since `open`."""
        return self._is_open and bool(self._weights.keys or self._forward_seen)

    def structure(self) -> Structure | None:
        """Layers and blocks, once they are known."""
        return self._structure

    def take(self, step: int) -> Measured | None:
        """What was recorded; the step is complete."""
        self._is_open = False
        self._last = step
        with torch._C.DisableTorchFunction(), torch.no_grad():
            self._weights.finish()
        if self._structure is None:
            self._discover()
        self._trace.clear()
        if self._is_broken or self._structure is None:
            return None
        layers = [(layer.calls, [id(weight) for weight in layer.weights()]) for layer in self.layers]
        blocks = [[call for call in self._block_calls if call.key == key] for key in self._structure.keys]
        rate = self._weights.learning_rate
        return Measured(
            bag=self._bag,
            layers=layers,
            blocks=blocks,
            has_shortcuts=self._structure.has_shortcuts,
            attentions=[self._attentions_of(block) for block in self._structure.blocks],
            heads=self._structure.heads,
            weights=self._weights.keys,
            scale=self._scale,
            rate=-1 if rate is None else self._bag.add(rate) if isinstance(rate, torch.Tensor) else self._bag.put([float(rate)]),
            has_histograms=self._histograms,
            seconds=self._seconds,
        )

    def _parameters(self) -> dict[int, torch.Tensor]:
        """The weights of all layers, as they are now: a model on `meta` gets others later."""
        return {id(weight): weight for layer in self.layers for weight in layer.weights()}

    def _attach(self) -> None:
        if self._stance is None and "torch._dynamo" in sys.modules:
            set_stance = getattr(torch.compiler, "set_stance", None)
            if set_stance is None:
                warn_once("this PyTorch cannot run a compiled model without its hooks ignored; statistics may be missing")
            else:
                self._stance = set_stance("force_eager")
                self._stance.__enter__()
                if self._every == 1 and self._is_compiled:
                    warn_once("recorded steps of a compiled model run eagerly, so with every=1 all do; choose a larger `every`")
        if self._handles:
            return
        for module, name in self._names.items():
            if isinstance(module, torch.jit.ScriptModule):
                continue
            pre, post = Hook(functools.partial(self._pre, name)), Hook(self._post)
            self._handles.append(module.register_forward_pre_hook(pre, with_kwargs=True))
            self._handles.append(module.register_forward_hook(post, always_call=True))

    def _detach(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._weights.detach()
        if self._stance is not None:
            self._stance.__exit__(None, None, None)
            self._stance = None

    def close(self) -> None:
        """Leaves the model as it was."""
        self._is_open = False
        self._is_broken = True
        self._detach()
        self._trace.clear()

    def fault(self, error: Exception) -> None:
        """Ends the statistics after an error in a hook."""
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace is not None else "?"
        warn_once(f"a statistic failed ({where}: {type(error).__name__}: {error}); no more are recorded, training goes on")
        # Hooks are not removed here, since they are being called.
        self._is_broken = True
        self._is_open = False

    # What hooks see

    def _frames(self) -> list[Frame]:
        frames = getattr(self._local, "frames", None)
        if frames is None:
            frames = self._local.frames = []
        return frames

    def _pre(self, name: str, module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        if not (self._is_open and torch.is_grad_enabled() and self._model.training):
            return
        frames = self._frames()
        if not frames:
            # A checkpointed part is computed again in the backward pass, which is another use only for those
            # that were computed without gradients before.
            if torch._C._current_graph_task_id() != -1 and id(module) in self._forward_seen:
                return
            if torch.compiler.is_compiling():
                return
            self._mode.__enter__()
        try:
            if self._scale < 0 and self._scaler is not None:
                self._scale = self._bag.add(scale_of(self._scaler))
            frame = Frame(name, module)
            if not self._trace.is_complete:
                with torch._C.DisableTorchFunction(), torch.no_grad():
                    inputs = [x for x in (*arguments, *named.values()) if isinstance(x, torch.Tensor)]
                    frame.inputs = [x for x in inputs if x.is_floating_point()]
                    self._trace.enter(frame)
            frames.append(frame)
        except Exception as error:  # noqa: BLE001
            if not frames:
                self._mode.__exit__(None, None, None)
            self.fault(error)

    def _post(self, module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        frames = self._frames()
        if not frames or frames[-1].module is not module:
            return
        frame = frames.pop()
        if not frames:
            self._mode.__exit__(None, None, None)
        if not self._is_open:
            return
        if self._trace.is_complete and module not in self._by_module and not self._block_patterns:
            self._note_seen(module)
            return
        try:
            began = time.perf_counter()
            with torch._C.DisableTorchFunction(), torch.no_grad():
                self._returned(frame, module, frames, first_tensor(output))
            self._seconds += time.perf_counter() - began
        except Exception as error:  # noqa: BLE001
            self.fault(error)

    def _returned(self, frame: Frame, module: nn.Module, frames: list[Frame], y: torch.Tensor | None) -> None:
        self._note_seen(module)
        scope = next((outer for outer in reversed(frames) if not outer.is_leaf), None)
        layer = self._by_module.get(module)
        if layer is not None:
            for outer in (*frames, frame):
                outer.layers.append(layer.name)
                outer.all_layers.append(layer.name)
            if layer.name not in self._order_seen:
                self._order_seen.add(layer.name)
                self._order.append(layer)
        if y is not None:
            self._trace.leave(frame, scope, y)
        if layer is not None:
            if y is not None and not self._is_updated(layer):
                call = LayerCall(layer)
                layer.calls.append(call)
                if not layer.shape:
                    axis = layer.axis(y)
                    rest = [length for at, length in enumerate(y.shape) if at not in (0, axis)]
                    layer.shape = [y.shape[axis] if y.dim() else 1, *rest]
                self._trace.layer_called(call, y, scope)
        if y is not None and self._is_plain_block(frame.name):
            self._plain_seen.setdefault(frame.name, list(frame.all_layers))
            call_ = BlockCall(frame.name)
            self._block_calls.append(call_)
            call_.output = self._output(y, True)
        frame.inputs = []

    def _note_seen(self, module: nn.Module) -> None:
        # In the backward pass only what is checkpointed is computed.
        if torch._C._current_graph_task_id() == -1:
            self._forward_seen.add(id(module))

    def _is_updated(self, layer: Layer) -> bool:
        """Whether the layer has had its update, so that what it computes is of another step."""
        return bool(self._weights.updated) and any(id(weight) in self._weights.updated for weight in layer.weights())

    def _is_plain_block(self, name: str) -> bool:
        if not self._block_patterns or not name or not matches(name, self._block_patterns):
            return False
        additions = (a for a in self._trace.additions.values() if a is not None)
        return not any(name in (a.module, a.part) or a.module.startswith(name + ".") for a in additions)

    def _output(self, x: torch.Tensor, gradient: bool, axis: int | None = None, is_rectified: bool = False) -> Output:
        """What is measured of a tensor: once, if several have it. Of a layer's output, whose units are on the axis, that is
        more."""
        version, output = self._outputs.get(x) or (-1, None)
        if output is None or version != x._version:
            output = Output()
            self._outputs.set(x, (x._version, output))
        if axis is not None and output.extremes < 0:
            numbers = real(x)
            output.take(statistics.put_output(numbers, axis, self._bag, self._histograms, is_rectified))
        elif output.sums < 0:
            numbers = real(x)
            output.sums = statistics.put_sums(numbers, numbers.numel(), self._bag)
        if gradient and not output.is_hooked and x.requires_grad:
            output.is_hooked = True
            bag, found = self._bag, output
            x.register_hook(lambda g: self._gradient(g, bag, found))  # type: ignore[no-untyped-call]
        return output

    def _gradient(self, gradient: torch.Tensor, bag: Bag, output: Output) -> None:
        if bag is not self._bag or not self._is_open:
            return
        try:
            began = time.perf_counter()
            with torch._C.DisableTorchFunction():
                numbers = real(gradient)
                output.gradients.append(statistics.put_sums(numbers, numbers.numel(), bag))
            self._seconds += time.perf_counter() - began
        except Exception as error:  # noqa: BLE001
            self.fault(error)

    def layer_reached(self, call: LayerCall, x: torch.Tensor, state: int, links: int, is_rectified: bool = False) -> None:
        """Measures a layer's output where it is known, or assumed, to be complete."""
        layer = call.layer
        if layer.plan is None or layer.plan[1] == links:
            layer.reached[1] = max(layer.reached[1], links)
            call.output = self._output(x, True, layer.axis(x), is_rectified)
        if state <= NORMED and (layer.plan is None or layer.plan[0] == links):
            layer.reached[0] = max(layer.reached[0], links)
            call.response = self._output(x, False)

    def batch_normalised(self, y: torch.Tensor, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Takes the sums of a batch norm's output from the norm, which saves reading it."""
        of = dict(zip(("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps"), arguments))
        of.update(named)
        if not of.get("training", False):
            return
        place = statistics.put_normalised_sums(y, of.get("weight"), of.get("bias"), of.get("eps", 1e-5), self._bag)
        if place is not None:
            self._outputs.set(y, (y._version, Output(sums=place)))

    def attended(self, func: Any, arguments: tuple[Any, ...], named: dict[str, Any], frames: list[Frame]) -> None:
        """Measures attention, in steps with histograms: it takes about as long as the attention itself."""
        if not self._histograms or not frames:
            return
        layer = self._by_module.get(frames[-1].module)
        before = (frame.layers[-1] for frame in reversed(frames) if frame.layers)
        name = layer.name if layer is not None else next(before, None)
        place = put_entropies(func, arguments, named, self._bag) if name is not None else -1
        if name is not None and place >= 0:
            self._attention_calls.append(AttentionCall(name, place))

    def _attentions_of(self, block: dict[str, Any]) -> list[AttentionCall]:
        """The uses of attention in the layers of a block."""
        names = {self.layers[layer].name for layer in block["layers"]}
        return [call for call in self._attention_calls if call.layer in names]

    def block_added(self, addition: Addition, branch: torch.Tensor, shortcut: torch.Tensor) -> BlockCall:
        """Measures both operands before they are added, which may overwrite one."""
        call = BlockCall(addition.key)
        self._block_calls.append(call)
        call.branch, call.shortcut = self._output(branch, False), self._output(shortcut, False)
        sums = [self._bag.seen(output.sums) for output in (call.branch, call.shortcut)]
        if self._structure is not None and sums[0] is not None and sums[1] is not None:
            # The square of the sum tells the product, if neither term is lost in the other.
            call.is_derived = 0.1 < divided(sums[0][2], sums[1][2]) < 10 and branch.dtype == shortcut.dtype == torch.float32
        if not call.is_derived:
            call.product = statistics.put_product(branch, shortcut, self._bag)
        return call

    def block_summed(self, call: BlockCall, y: torch.Tensor) -> None:
        """Derives the product of both terms."""
        if not call.is_derived or call.branch is None or call.shortcut is None:
            return
        version, output = self._outputs.get(y) or (-1, None)
        sums = self._bag.seen(output.sums) if output is not None and version == y._version and output.sums >= 0 else None
        total = sums[2] if sums is not None else statistics.sum_of_squares(flat(real(y)))
        terms = [self._bag.seen(term.sums) or [] for term in (call.branch, call.shortcut)]
        call.product = statistics.put_product_of_sum(terms[0], terms[1], total, self._bag)

    def block_reached(self, call: BlockCall, y: torch.Tensor, links: int) -> None:
        """Measures a block's output where it is known, or assumed, to be complete."""
        most = self._block_links.setdefault(call.key, links) if self._structure is None else self._block_links.get(call.key, 0)
        if links >= most:
            self._block_links[call.key] = links
            call.output = self._output(y, True)

    def _stepping(self, optimizer: Any) -> None:
        if self._scaler is None:
            self._scaler = scaler_of_caller()
        if self._scaler is not None and self._scale < 0:
            self._scale = self._bag.add(scale_of(self._scaler))

    # What it is

    def _discover(self) -> None:
        """After the first recorded step, the order of layers and the blocks are known."""
        if not self._forward_seen:
            warn_once("the model was not trained in the first step that was recorded; was another one watched?")
        self._order += [layer for layer in self.layers if layer.name not in self._order_seen]
        self.layers = self._order
        for layer in self.layers:
            uses = {(call.response is not None, call.output is not None) for call in layer.calls}
            if uses:
                layer.plan = (layer.reached[0], layer.reached[1])
        additions = [a for a in self._trace.additions.values() if a is not None and self._wants_block(a.module, a.part)]
        self._trace.is_complete = bool(self._forward_seen)
        self._structure = describe(self.layers, additions, self._plain_seen)
        calls = [call for block in self._structure.blocks for call in self._attentions_of(block)]
        self._structure.heads = max((self._bag.width(call.entropies) // 2 for call in calls), default=0)
        if self._expected is not None and self._expected != [layer.name for layer in self.layers]:
            warn_once("the resumed run has other layers than this model; statistics are not recorded")
            self.close()


def clean(name: str) -> str:
    """A module's name without what wrappers put into it."""
    hidden = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
    return ".".join(part for part in name.split(".") if part not in hidden)


def first_tensor(output: Any) -> torch.Tensor | None:
    """The first tensor of real numbers in what a module returns."""
    if isinstance(output, torch.Tensor):
        return output if output.is_floating_point() and not output.is_meta else None
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, (list, tuple)):
        return next((found for found in map(first_tensor, output) if found is not None), None)
    return None


def scale_of(scaler: Any) -> torch.Tensor:
    """The factor of a GradScaler, without waiting for its device."""
    if not scaler.is_enabled():
        return torch.ones(())
    scale = getattr(scaler, "_scale", None)
    return scale.clone() if isinstance(scale, torch.Tensor) else torch.tensor(float(scaler.get_scale()))
