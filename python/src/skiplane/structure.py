"""Layers and blocks as the log names them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from .trace import Addition


#: Modules whose weights belong together, although they have modules inside.
WHOLE = (nn.MultiheadAttention,)


@dataclass
class Structure:
    """What `lane_started` says of a network."""

    layers: list[dict[str, Any]]
    blocks: list[dict[str, Any]]
    #: How the uses of each block are found.
    keys: list[str]
    has_shortcuts: bool
    activation_bytes: int | None = None
    #: The most heads of attention in a block; 0 without.
    heads: int = 0


def parameters_of(module: nn.Module) -> list[torch.Tensor]:
    """The parameters of a module itself, also where they are parametrised, such as by weight norm."""
    if isinstance(module, WHOLE):
        return list(module.parameters())
    own: list[torch.Tensor] = list(module.parameters(recurse=False))
    parametrised = getattr(module, "parametrizations", None)
    return own + (list(parametrised.parameters()) if isinstance(parametrised, nn.ModuleDict) else [])


def flattened(model: nn.Module) -> dict[nn.Module, dict[str, torch.Size]]:
    """The shapes of parameters that `FullyShardedDataParallel` keeps in flat ones, by their modules and names."""
    found: dict[nn.Module, dict[str, torch.Size]] = {}
    for wrapper in model.modules():
        flat = getattr(getattr(wrapper, "_handle", None), "flat_param", None)
        for info, shape in zip(getattr(flat, "_param_infos", ()), getattr(flat, "_shapes", ())):
            found.setdefault(info.module, {})[info.param_name] = shape
        for tied in getattr(flat, "_shared_param_infos", ()):
            shapes = found.get(tied.prim_module, {})
            if tied.prim_param_name in shapes:
                found.setdefault(tied.module, {})[tied.param_name] = shapes[tied.prim_param_name]
    return found


def describe(layers: Sequence[Any], additions: Sequence[Addition], plain: Mapping[str, list[str]]) -> Structure:
    """Names layers and blocks in the order in which they are computed."""
    places = {layer.name: at for at, layer in enumerate(layers)}
    alone = {addition.module for addition in additions}
    alone = {module for module in alone if sum(addition.module == module for addition in additions) == 1}
    found: list[tuple[str, str, str | None, list[int]]] = []
    for addition in additions:
        name = addition.module if addition.module in alone else addition.part
        name = name or "model"
        inside = [places[layer] for layer in dict.fromkeys(addition.layers) if layer in places]
        found.append((addition.key, name, addition.kind, inside))
    for name, inside_names in plain.items():
        if not any(name in (a.module, a.part) for a in additions):
            inside = [places[layer] for layer in dict.fromkeys(inside_names) if layer in places]
            found.append((name, name, None, inside))
    found.sort(key=lambda block: min(block[3], default=len(places)))
    described = [{"name": layer.name, "kind": kind_of(layer, at, len(layers))} for at, layer in enumerate(layers)]
    for addition in additions:
        if addition.projection in places:
            described[places[addition.projection]]["kind"] = "projection"
    blocks: list[dict[str, Any]] = []
    stage, last_shape = 0, None
    for at, (_, name, kind, inside) in enumerate(found):
        shape = layers[inside[-1]].shape if inside else None
        if last_shape is None or shape != last_shape:
            stage, last_shape = stage + 1, shape
        block: dict[str, Any] = {"name": unique(name, blocks), "stage": stage, "layers": inside}
        if kind is not None:
            block["shortcut"] = kind
        blocks.append(block)
        for layer in inside:
            described[layer].setdefault("block", at)
            described[layer].setdefault("stage", stage)
    depth = 0
    counted: set[int] = set()
    for layer, of in zip(layers, described):
        if of["kind"] not in ("projection", "positions") or depth == 0:
            depth += 1
        of["depth"] = depth
        if layer.shape:
            of["output"] = layer.shape
        # A tied weight counts where it is used first.
        own = [*(layer.flattened.values() or parameters_of(layer.module))]
        fresh = [parameter for parameter in own if id(parameter) not in counted]
        counted.update(map(id, own))
        of["parameters"] = sum(parameter.numel() for parameter in fresh if getattr(parameter, "requires_grad", True))
        weights = layer.weights()
        multiply_adds = multiply_adds_of(layer)
        if multiply_adds is not None:
            of["multiply_adds"] = multiply_adds
        if weights and not any(weight.requires_grad for weight in weights):
            of["frozen"] = True
    keys = [key for key, *_ in found]
    return Structure(described, blocks, keys, any("shortcut" in block for block in blocks))


def unique(name: str, blocks: Sequence[Mapping[str, Any]]) -> str:
    """The name, with a number if a block has it already."""
    taken = {block["name"] for block in blocks}
    number, candidate = 2, name
    while candidate in taken:
        number, candidate = number + 1, f"{name}.{number}"
    return candidate


def kind_of(layer: Any, at: int, count: int) -> str:
    """What a layer is, in the program's words where it has one."""
    module, name = layer.module, layer.name.lower()
    if isinstance(module, nn.modules.conv._ConvNd):
        return "stem" if at == 0 else "convolution"
    if isinstance(module, nn.Embedding):
        is_of_positions = any(part in name for part in ("pos", "wpe"))
        return "positions" if is_of_positions else "embedding"
    if isinstance(module, nn.MultiheadAttention):
        return "attention"
    if isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D":
        return "head" if at == count - 1 else "linear"
    return type(module).__name__.lower()


def multiply_adds_of(layer: Any) -> int | None:
    """Multiply-adds of the forward pass for one example; none where that is not known."""
    module = layer.module
    if isinstance(module, nn.Embedding):
        return 0
    if not layer.shape:
        return None
    if isinstance(module, (nn.modules.conv._ConvNd, nn.Linear)) and not getattr(module, "transposed", False):
        shape = layer.flattened.get("weight", module.weight.shape)
        return int(math.prod(shape) * math.prod(layer.shape[1:]))
    return None
