"""Eight numbers in step, compiled: `a * b` of `Lanes` is eight products, in one instruction where there is such a one.

A compiled loop over arrays keeps what it carries from day to day in memory, and spends most of its time there.
What is `Lanes` stays in registers. For processors with shorter registers the compiler takes several.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir  # type: ignore[import-untyped] # comes with numba
from numba.extending import intrinsic, models, overload, register_model

WIDTH = 8
"""Numbers in step."""

_Native = Any  # what numba and llvmlite pass around has no types for mypy
_Intrinsic = tuple[_Native, Callable[..., _Native]]

_NUMBERS = ir.VectorType(ir.DoubleType(), WIDTH)
_TRUTHS = ir.VectorType(ir.IntType(1), WIDTH)
_PLACES = ir.VectorType(ir.IntType(32), WIDTH)
_ALIGNED = 8  # bytes: a place in an array lies on the border of one number, not of eight


def _native(function: Callable[..., _Intrinsic]) -> _Native:
    """Return what compiled code calls by its last arguments only, which no type tells."""
    return intrinsic(function)


class _Lanes(numba.types.Type):
    """Eight numbers."""


class _Truths(numba.types.Type):
    """Eight answers of a comparison."""


_lanes, _truths, _whole = _Lanes("Lanes"), _Truths("Truths"), numba.types.int64


def _model(held: _Native) -> type:
    class Model(models.PrimitiveModel):
        def __init__(self, known: _Native, kind: _Native) -> None:
            super().__init__(known, kind, held)  # type: ignore[no-untyped-call] # numba

    return Model


register_model(_Lanes)(_model(_NUMBERS))
register_model(_Truths)(_model(_TRUTHS))


# ---------------------------------------------------------------- from numbers and arrays, and back


def _place(target: _Native, builder: _Native, kind: _Native, array: _Native, index: _Native) -> _Native:
    first = target.make_array(kind)(target, builder, array).data
    return builder.bitcast(builder.gep(first, [index]), _NUMBERS.as_pointer())


@_native
def each(_context: _Native, _number: _Native) -> _Intrinsic:
    """Return eight times the same number."""

    def lower(_target: _Native, builder: _Native, _signature: _Native, given: _Native) -> _Native:
        nothing = ir.Constant(_NUMBERS, ir.Undefined)
        one = builder.insert_element(nothing, given[0], ir.IntType(32)(0))
        return builder.shuffle_vector(one, nothing, ir.Constant(_PLACES, None))

    return _lanes(numba.types.float64), lower


@_native
def taken(_context: _Native, array: _Native, _index: _Native) -> _Intrinsic:
    """Return the eight numbers of a float64 array without gaps that begin at a place."""

    def lower(target: _Native, builder: _Native, _signature: _Native, given: _Native) -> _Native:
        return builder.load(_place(target, builder, array, *given), align=_ALIGNED)

    return _lanes(array, _whole), lower


@_native
def put(_context: _Native, array: _Native, _index: _Native, _numbers: _Native) -> _Intrinsic:
    """Write eight numbers into an array, from a place on."""

    def lower(target: _Native, builder: _Native, _signature: _Native, given: _Native) -> _Native:
        builder.store(given[2], _place(target, builder, array, *given[:2]), align=_ALIGNED)
        return target.get_dummy_value()

    return numba.types.void(array, _whole, _lanes), lower


@_native
def turned(
    _context: _Native, rows: _Native, _row: _Native, _day: _Native, into: _Native, _index: _Native
) -> _Intrinsic:
    """Write eight days of eight rows into an array from a place on, the eight returns of a day beside one another."""

    def lower(target: _Native, builder: _Native, _signature: _Native, given: _Native) -> _Native:
        history, row, day, array, index = given
        length = builder.extract_value(target.make_array(rows)(target, builder, history).shape, 1)
        read = []
        for lane in range(WIDTH):
            begin = builder.mul(builder.add(row, row.type(lane)), length)
            place = _place(target, builder, rows, history, builder.add(begin, day))
            read.append(builder.load(place, align=_ALIGNED))
        for number, numbers in enumerate(_crossed(builder, read)):
            place = _place(target, builder, into, array, builder.add(index, index.type(number * WIDTH)))
            builder.store(numbers, place, align=_ALIGNED)
        return target.get_dummy_value()

    return numba.types.void(rows, _whole, _whole, into, _whole), lower


def _crossed(builder: _Native, rows: list[_Native]) -> list[_Native]:
    """Turn a square: as often as it can be halved, mix each row of the upper half with its like of the lower half."""
    mixed = [place + half * WIDTH for place in range(WIDTH) for half in (0, 1)]
    orders = [ir.Constant(_PLACES, part) for part in (mixed[:WIDTH], mixed[WIDTH:])]
    for _ in range(WIDTH.bit_length() - 1):
        pairs = list(zip(rows[: WIDTH // 2], rows[WIDTH // 2 :], strict=True))
        rows = [builder.shuffle_vector(upper, lower, order) for upper, lower in pairs for order in orders]
    return rows


# ---------------------------------------------------------------- between lanes


@_native
def chosen(_context: _Native, _where: _Native, _this: _Native, _other: _Native) -> _Intrinsic:
    """Return in each lane the one number where it is true, and the other where it is not."""

    def lower(_target: _Native, builder: _Native, _signature: _Native, given: _Native) -> _Native:
        return builder.select(*given)

    return _lanes(_truths, _lanes, _lanes), lower


@_native
def answers(_context: _Native, truths: _Native) -> _Intrinsic:
    """Return eight answers as the lowest bits of a word, that of the first lane lowest."""

    def lower(_target: _Native, builder: _Native, _signature: _Native, given: _Native) -> _Native:
        return builder.zext(builder.bitcast(given[0], ir.IntType(WIDTH)), ir.IntType(64))

    return numba.types.uint64(truths), lower


def _two(kind: _Native, result: _Native, instruction: Callable[..., _Native]) -> _Native:
    """Return an operation on two of a kind."""

    @_native
    def operation(_context: _Native, _one: _Native, _other: _Native) -> _Intrinsic:
        def lower(_target: _Native, builder: _Native, _signature: _Native, given: _Native) -> _Native:
            return instruction(builder, *given)

        return result(kind, kind), lower

    return operation


def _offer(symbol: Callable[..., object], kind: _Native, result: _Native, instruction: Callable[..., _Native]) -> None:
    """Let compiled code write the symbol between two of a kind."""
    operation = _two(kind, result, instruction)

    def spelled(one: _Native, other: _Native) -> _Native:
        return operation(one, other)

    @overload(symbol, strict=False)
    def _(one: _Native, other: _Native) -> Callable[..., _Native] | None:
        return spelled if one == other == kind else None


def _compared(sign: str) -> Callable[..., _Native]:
    return lambda builder, one, other: builder.fcmp_ordered(sign, one, other)


def _further(sign: str) -> Callable[..., _Native]:
    return lambda builder, one, other: builder.select(builder.fcmp_ordered(sign, one, other), one, other)


# A product that is only added may be rounded once, together with the sum.
_FUSED = ("contract",)
_offer(operator.add, _lanes, _lanes, lambda builder, one, other: builder.fadd(one, other, flags=_FUSED))
_offer(operator.sub, _lanes, _lanes, lambda builder, one, other: builder.fsub(one, other, flags=_FUSED))
_offer(operator.mul, _lanes, _lanes, lambda builder, one, other: builder.fmul(one, other, flags=_FUSED))
_offer(operator.truediv, _lanes, _lanes, lambda builder, one, other: builder.fdiv(one, other))
_offer(operator.and_, _truths, _truths, lambda builder, one, other: builder.and_(one, other))
_SIGNS = {operator.lt: "<", operator.le: "<=", operator.gt: ">", operator.ge: ">=", operator.eq: "=="}
for _symbol, _sign in _SIGNS.items():
    _offer(_symbol, _lanes, _truths, _compared(_sign))


def _folded(instruction: Callable[..., _Native]) -> _Native:
    """Return what makes one number of eight: of their halves four, of those two."""

    @_native
    def fold(_context: _Native, _numbers: _Native) -> _Intrinsic:
        def lower(_target: _Native, builder: _Native, _signature: _Native, given: _Native) -> _Native:
            numbers = given[0]
            for half in (WIDTH >> step for step in range(1, WIDTH.bit_length())):
                other = ir.Constant(_PLACES, [(place + half) % WIDTH for place in range(WIDTH)])
                numbers = instruction(builder, numbers, builder.shuffle_vector(numbers, numbers, other))
            return builder.extract_element(numbers, ir.IntType(32)(0))

        return numba.types.float64(_lanes), lower

    return fold


least = _two(_lanes, _lanes, _further("<"))
"""The smaller number of each lane; the second one where either is NaN."""
most = _two(_lanes, _lanes, _further(">"))
"""The greater number of each lane; the second one where either is NaN."""
least_of, most_of = _folded(_further("<")), _folded(_further(">"))
"""The smallest of eight numbers, and the greatest."""
sum_of = _folded(lambda builder, one, other: builder.fadd(one, other))
"""The sum of eight numbers."""
