"""Eight numbers in step are eight times the arithmetic of one."""

from __future__ import annotations

import math

import numpy as np
import pytest

numba = pytest.importorskip("numba")
lanes = pytest.importorskip("portfolio_lab.engines.lanes")
bits = pytest.importorskip("portfolio_lab.engines.bits")

ONE = np.array([3.0, -1.0, 0.0, math.nan, 2.0, -5.0, math.inf, 1.0])
OTHER = np.array([2.0, -1.0, 4.0, 1.0, math.nan, 5.0, 1.0, -math.inf])


def test_arithmetic_and_choice_are_those_of_each_lane() -> None:
    taken, put, each, chosen = lanes.taken, lanes.put, lanes.each, lanes.chosen

    @numba.njit(error_model="numpy")
    def reckoned(one: np.ndarray, other: np.ndarray, found: np.ndarray) -> None:
        a, b, zero = taken(one, 0), taken(other, 0), each(0.0)
        put(found, 0, a + b)
        put(found, 8, a - b)
        put(found, 16, a * b)
        put(found, 24, a / b)
        put(found, 32, chosen((a > b) & (b >= zero), a, each(7.0)))
        put(found, 40, chosen(a == a, a, zero))  # noqa: PLR0124 - only NaN differs from itself

    found = np.empty(48)
    reckoned(ONE, OTHER, found)
    with np.errstate(all="ignore"):
        expected = [ONE + OTHER, ONE - OTHER, ONE * OTHER, ONE / OTHER]
    chosen_by_hand = [3.0, 7.0, 7.0, 7.0, 7.0, 7.0, math.inf, 7.0]
    np.testing.assert_array_equal(found.reshape(6, 8), [*expected, chosen_by_hand, np.where(np.isnan(ONE), 0.0, ONE)])


def test_the_second_number_is_kept_where_either_is_unknown() -> None:
    taken, put, least, most = lanes.taken, lanes.put, lanes.least, lanes.most

    @numba.njit
    def further(one: np.ndarray, other: np.ndarray, found: np.ndarray) -> None:
        put(found, 0, least(taken(one, 0), taken(other, 0)))
        put(found, 8, most(taken(one, 0), taken(other, 0)))

    found = np.empty(16)
    further(ONE, OTHER, found)
    np.testing.assert_array_equal(found[:8], [2.0, -1.0, 0.0, 1.0, math.nan, -5.0, 1.0, -math.inf])
    np.testing.assert_array_equal(found[8:], [3.0, -1.0, 4.0, 1.0, math.nan, 5.0, math.inf, 1.0])


def test_eight_numbers_make_one() -> None:
    taken, each, sum_of, least_of, most_of = lanes.taken, lanes.each, lanes.sum_of, lanes.least_of, lanes.most_of
    answers, lowest, ones = lanes.answers, bits.lowest, bits.ones

    @numba.njit
    def one_of(numbers: np.ndarray) -> tuple[float, float, float, int, int]:
        eight = taken(numbers, 0)
        word = answers(eight < each(0.0))
        return sum_of(eight), least_of(eight), most_of(eight), lowest(word), ones(word)

    for turn in range(8):
        numbers = np.roll([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -8.0, 7.0], turn)
        assert one_of(numbers) == (20.0, -8.0, 7.0, (6 + turn) % 8, 1)
    assert one_of(np.ones(8))[3:] == (0, 0)


def test_a_square_is_turned_where_it_stands_among_other_rows_and_days() -> None:
    turned = lanes.turned

    @numba.njit
    def turn(rows: np.ndarray, into: np.ndarray) -> None:
        turned(rows, 2, 3, into, 5)

    rows, into = np.arange(11.0 * 13.0).reshape(11, 13), np.full(5 + 64 + 1, -1.0)
    turn(rows, into)
    np.testing.assert_array_equal(into[5:69].reshape(8, 8), rows[2:10, 3:11].T)
    assert into[:5].tolist() == [-1.0] * 5
    assert into[69] == -1.0
