"""Tensors as they are read on the host: flat, and in parts that stay in the cache."""

from __future__ import annotations

import threading

import torch

#: Numbers are reduced in parts of this many; the sums of parts are added in 64 bits.
PART = 1 << 18
#: The sizes of parts for which room is kept at hand.
MOST_VIEWS = 256


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
    """A flat tensor in parts that stay in the cache; none of an empty one."""
    count = x.numel()
    return (x,) if 0 < count <= PART else torch.split(x, PART) if count else ()


class _Room(threading.local):
    """The memory of this thread that is used again and again, because new memory is slow."""

    def __init__(self) -> None:
        self.by_size: dict[int, torch.Tensor] = {}
        self.views: dict[tuple[int, torch.dtype], torch.Tensor] = {}


_room = _Room()


def room(count: int, dtype: torch.dtype) -> torch.Tensor:
    """Room for a part of so many numbers, until one of their size is asked for again."""
    found = _room.views.get((count, dtype))
    if found is None:
        size = dtype.itemsize
        if size not in _room.by_size:
            _room.by_size[size] = torch.empty(PART * size, dtype=torch.uint8)
        if len(_room.views) >= MOST_VIEWS:
            _room.views.clear()
        found = _room.views[count, dtype] = _room.by_size[size].view(dtype)[:count]
    return found
