"""How the functions of the kernel are compiled.

Sums may be taken in any order, so that eight go at a time; and loops go by place, because those over an array
itself never do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., object])

FAST = {"reassoc", "contract", "nsz"}
"""What may be done to sums."""

# What only known returns reach may also take it for granted that there is no NaN.
_FASTER = {*FAST, "nnan"}


def compiled(function: _Function) -> _Function:
    """Return the function compiled, for numbers that may be NaN."""
    return cast("_Function", numba.njit(nogil=True, error_model="numpy", fastmath=FAST)(function))


def compiled_for_known(function: _Function) -> _Function:
    """Return the function compiled, for numbers that are never NaN."""
    return cast("_Function", numba.njit(nogil=True, error_model="numpy", fastmath=_FASTER)(function))
