"""The places of the few values that a comparison picks, compiled: sixty-four compared at a time, without a branch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numba
import numpy as np
from numba.extending import intrinsic

WORD = 64
"""Values in a word of bits."""


def _lowest(_context: object, word: Any) -> tuple[Any, Callable[..., Any]]:  # noqa: ANN401 - a type of numba's own
    def instruction(_target: object, builder: Any, _signature: object, values: Any) -> Any:  # noqa: ANN401 - llvmlite has no types
        # The flag says that it may be asked of 0 too.
        place = builder.cttz(values[0], values[0].type.__class__(1)(0))
        return builder.and_(place, place.type(WORD - 1))

    return numba.types.uint64(word), instruction


def _ones(_context: object, word: Any) -> tuple[Any, Callable[..., Any]]:  # noqa: ANN401 - a type of numba's own
    def instruction(_target: object, builder: Any, _signature: object, values: Any) -> Any:  # noqa: ANN401 - llvmlite has no types
        return builder.ctpop(values[0])

    return numba.types.int64(word), instruction


lowest = cast("Callable[[np.uint64], int]", intrinsic(_lowest))
"""The place of the lowest bit that is set in a word; 0 where none is."""
ones = cast("Callable[[np.uint64], int]", intrinsic(_ones))
"""How many bits are set in a word."""
