"""Numbers of a step, of which those on a device are copied to the host together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .faults import warn_once

if TYPE_CHECKING:
    import torch

#: The most numbers of a value that is logged by hand.
MOST = 100_000


class Bag:
    """Lists of numbers that are put in one by one and fetched together: one copy per device."""

    def __init__(self) -> None:
        self._parts: list[list[float] | torch.Tensor] = []
        #: Tensors that are not made into lists, by their places.
        self.tensors: dict[int, torch.Tensor] = {}

    def put(self, numbers: list[float]) -> int:
        """Puts in numbers that are on the host already; returns their place."""
        self._parts.append(numbers)
        return len(self._parts) - 1

    def add(self, numbers: torch.Tensor, as_tensor: bool = False) -> int:
        """Puts in a tensor of any shape and type; returns its place. It becomes a list, or one on the host in `tensors`."""
        self._parts.append(numbers)
        place = len(self._parts) - 1
        if as_tensor:
            self.tensors[place] = numbers
        return place

    def seen(self, place: int) -> list[float] | None:
        """What is at a place, if it is on the host already."""
        part = self._parts[place]
        return part if isinstance(part, list) else None

    def width(self, place: int) -> int:
        """How many numbers are at a place."""
        part = self._parts[place]
        return len(part) if isinstance(part, list) else part.numel()

    def fetch(self) -> list[list[float]]:
        """The numbers of each place."""
        found: list[list[float]] = [part if isinstance(part, list) else [] for part in self._parts]
        by_device: dict[Any, list[int]] = {}
        for at, part in enumerate(self._parts):
            if not isinstance(part, list) and not (at in self.tensors and part.device.type == "cpu"):
                by_device.setdefault(part.device, []).append(at)
        if by_device:
            import torch

            for device, places in by_device.items():
                # Counts need more than 24 bits, which one kind of device does not have.
                wide = torch.float32 if device.type == "mps" else torch.float64
                parts = [self._parts[at].detach().reshape(-1).to(wide) for at in places]  # type: ignore[union-attr]
                for at, part in zip(places, torch.split(torch.cat(parts).cpu(), [part.numel() for part in parts])):
                    if at in self.tensors:
                        self.tensors[at] = part.view(self.tensors[at].shape)
                    else:
                        found[at] = part.tolist()
        self._parts = []
        return found


Numbers = dict[str, tuple[tuple[int, ...], Sequence[float]]]


def fetch(values: Mapping[str, Any], measured: Any = None) -> Numbers:
    """Shape and numbers of each value; those of the statistics are fetched in the same copy."""
    bag: Bag = measured.bag if measured is not None else Bag()
    places: dict[str, tuple[tuple[int, ...], int]] = {}
    for name, value in values.items():
        if value is None:
            continue
        try:
            shape, part = _part(value)
        except (TypeError, ValueError) as error:
            warn_once(f"`{name}` cannot be logged: {error}")
            continue
        places[name] = (shape, bag.put(part) if isinstance(part, list) else bag.add(part))
    found = bag.fetch()
    if measured is not None:
        measured.resolve(found)
    return {name: (shape, found[at]) for name, (shape, at) in places.items()}


def _part(value: Any) -> tuple[tuple[int, ...], Any]:
    if hasattr(value, "detach") and hasattr(value, "device"):
        shape = tuple(value.shape)
        if value.numel() == 1:
            shape = ()
        if len(shape) > 2 or value.numel() > MOST or value.numel() == 0:
            raise ValueError(f"expected a number, or a tensor of one or two dimensions, found the shape {tuple(value.shape)}")
        if value.is_meta or value.is_complex():
            raise ValueError("expected real numbers")
        return shape, value
    if isinstance(value, (list, tuple)) or bool(hasattr(value, "tolist") and getattr(value, "ndim", 0)):
        rows = list(value.tolist() if hasattr(value, "tolist") else value)
        if rows and isinstance(rows[0], (list, tuple)):
            if len({len(row) for row in rows}) != 1:
                raise ValueError("expected rows of one length")
            return (len(rows), len(rows[0])), [float(number) for row in rows for number in row]
        if not rows:
            raise ValueError("expected numbers, found none")
        return (len(rows),), [float(number) for number in rows]
    return (), [float(value)]
