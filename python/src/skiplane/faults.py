"""What goes wrong in the logger is told once and never reaches the training loop."""

from __future__ import annotations

import functools
import os
import traceback
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

_told: set[str] = set()


class SkiplaneWarning(UserWarning):
    """A fault of the logger; training is not affected."""


def warn_once(message: str) -> None:
    """Warns, unless it has said the same before."""
    if message in _told:
        return
    _told.add(message)
    try:
        warnings.warn(f"skiplane: {message}", SkiplaneWarning, stacklevel=3)
    except SkiplaneWarning:
        # Warnings are errors in this process; a logger must not stop it even so.
        os.write(2, f"skiplane: {message}\n".encode())


def harmless(function: Function) -> Function:
    """Makes a method return None where it fails, with a warning. A failed method of an object with `give_up` is its last."""

    @functools.wraps(function)
    def guarded(self: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return function(self, *arguments, **named)
        except Exception as error:  # noqa: BLE001 - anything at all
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{os.path.basename(place.filename)}:{place.lineno}"
            warn_once(f"{function.__name__} failed ({where}: {type(error).__name__}: {error}); training goes on")
            give_up = getattr(self, "give_up", None)
            if give_up is not None:
                try:
                    give_up()
                except Exception:  # noqa: BLE001
                    pass
            return None

    return guarded  # type: ignore[return-value]
