"""Numbers as the log writes them: decimals that read back to the same 32-bit float, and strings where JSON has none."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence


def texts(values: Sequence[float]) -> list[str]:
    """The numbers in JSON, each rounded to a 32-bit float first."""
    exact = array("f", values)
    short = [f"{value:.7g}" for value in exact]
    # Seven digits mostly suffice; nine always do. NaN differs from itself, so it comes here, too.
    for at, (read, value) in enumerate(zip(array("f", map(float, short)), exact)):
        if read != value:
            short[at] = f"{value:.9g}" if value == value else '"NaN"'
        elif math.isinf(value):
            short[at] = '"inf"' if value > 0 else '"-inf"'
    return short


def text(value: float) -> str:
    """One number in JSON."""
    return texts((value,))[0]


def list_text(values: Sequence[float]) -> str:
    """A list of numbers in JSON."""
    return "[" + ",".join(texts(values)) + "]"
