"""The compiled kernel and the running state give the figures of the reference."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from returns_of_chance import ugly_rows

from portfolio_lab.engines.performance import metrics
from portfolio_lab.engines.running import FIGURES, NEEDS_ALL, RunningFigures
from portfolio_lab.errors import BadInputError, ReturnsError

ROWS = ugly_rows()


def agree(found: pd.DataFrame, expected: pd.DataFrame, tolerance: float) -> None:
    pd.testing.assert_frame_equal(found.isna(), expected.isna())
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), rtol=tolerance, atol=tolerance)


# ---------------------------------------------------------------- numba


@pytest.mark.parametrize("rate", [0.0, 0.05])
@pytest.mark.parametrize("least", [1, 30])
def test_kernel_equals_the_reference(rate: float, least: int) -> None:
    pytest.importorskip("numba")
    found = metrics(ROWS, 365, rate, minimum_days=least, engine="numba")
    agree(found, metrics(ROWS, 365, rate, minimum_days=least), 1e-12)


def test_kernel_equals_the_reference_on_short_rows() -> None:
    pytest.importorskip("numba")
    for days in (*range(1, 24), 39, 41, 60):
        short = ROWS[:, 300 : 300 + days]
        found = metrics(short, minimum_days=1, minimum_cagr_days=0, engine="numba")
        agree(found, metrics(short, minimum_days=1, minimum_cagr_days=0), 1e-12)


def test_kernel_equals_the_reference_on_many_even_rows() -> None:
    pytest.importorskip("numba")
    rows = np.random.default_rng(5).standard_t(4, (203, 367)) * 0.02
    agree(metrics(rows, engine="numba"), metrics(rows), 1e-12)


@pytest.mark.parametrize("count", [9, 15, 16, 17, 35])
def test_kernel_equals_the_reference_however_many_rows_stand_beside_one_another(count: int) -> None:
    pytest.importorskip("numba")
    chance = np.random.default_rng(count)
    rows = np.where(chance.random((count, 300)) < 0.2, np.nan, np.round(chance.normal(0, 0.02, (count, 300)), 2))
    rows[0], rows[1], rows[2, :200], rows[3, 100:] = np.nan, 0.0, np.nan, np.nan
    rows[4], rows[5], rows[6, 50], rows[7, 50] = 0.01, -0.01, -1.0, -1.5
    rows[8, 1:] = np.nan
    found = metrics(rows, minimum_days=1, minimum_cagr_days=0, engine="numba")
    agree(found, metrics(rows, minimum_days=1, minimum_cagr_days=0), 1e-12)


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_sums_are_the_same_to_the_last_bit_however_many_threads_share_the_rows(threads: int) -> None:
    kernel = pytest.importorskip("portfolio_lab.engines.kernel")
    rows = np.random.default_rng(threads).normal(0, 0.02, (1_501, 1_000))
    rows[700:705, :300] = np.nan
    alone, shared = kernel.sums_of_rows(rows, 0.0, threads=1), kernel.sums_of_rows(rows, 0.0, threads=threads)
    for one, other in zip(dataclasses.astuple(alone), dataclasses.astuple(shared), strict=True):
        np.testing.assert_array_equal(one, other)


def test_kernel_equals_the_reference_on_a_long_row() -> None:
    pytest.importorskip("numba")
    row = np.random.default_rng(6).normal(0, 0.001, (1, 50_000))
    agree(metrics(row, 525_600, engine="numba"), metrics(row, 525_600), 1e-11)


def test_kernel_of_nothing() -> None:
    pytest.importorskip("numba")
    assert metrics(np.empty((0, 5)), engine="numba").empty
    assert metrics(np.empty((2, 0)), engine="numba")["days"].tolist() == [0.0, 0.0]


def test_kernel_refuses_what_the_reference_refuses() -> None:
    pytest.importorskip("numba")
    for value in (math.inf, -math.inf):
        with pytest.raises(ReturnsError, match="infinite"):
            metrics(np.array([[0.1, value, 0.1] * 20]), engine="numba")


def test_unknown_engine() -> None:
    with pytest.raises(BadInputError, match="use 'numpy' or 'numba'"):
        metrics(ROWS, engine="fortran")  # type: ignore[call-overload]


# ---------------------------------------------------------------- day by day


@pytest.mark.parametrize("rate", [0.0, 0.05])
def test_days_added_one_by_one_equal_the_whole(rate: float) -> None:
    whole = metrics(ROWS, 365, rate, minimum_days=1)[list(FIGURES)]
    agree(RunningFigures.seeded(ROWS, 365, rate).figures(minimum_days=1), whole, 1e-10)


def test_every_day_on_the_way_equals_the_whole_so_far() -> None:
    running = RunningFigures(len(ROWS))
    for day in range(40):
        running.add(ROWS[:, day])
        whole = metrics(ROWS[:, : day + 1], minimum_days=1, minimum_cagr_days=0)[list(FIGURES)]
        agree(running.figures(minimum_days=1, minimum_cagr_days=0), whole, 1e-10)
    assert running.added == 40


def test_running_figures_say_what_they_cannot_know() -> None:
    assert not set(FIGURES) & set(NEEDS_ALL)
    assert set(FIGURES) | set(NEEDS_ALL) == set(metrics(ROWS[:1]).columns)


def test_a_refused_day_leaves_everything_as_it_was() -> None:
    running = RunningFigures.seeded(ROWS[:3, :50])
    before = running.figures()
    for day in ([0.1, 0.2], [0.1, 0.2, math.inf]):
        with pytest.raises(ReturnsError):
            running.add(day)
    pd.testing.assert_frame_equal(running.figures(), before)


def test_what_the_kernel_keeps_is_kept_by_the_source_of_all_of_it(tmp_path: Path) -> None:
    kernel = pytest.importorskip("portfolio_lab.engines.kernel")
    copies = [tmp_path / Path(module.__file__).name for module in (kernel.abreast, kernel.bits, kernel.constitution)]
    for copy in copies:
        copy.write_bytes(Path(kernel.__file__).with_name(copy.name).read_bytes())
    known = kernel.source_number(*copies)
    assert known == kernel.source_number(*copies)
    copies[0].write_text(copies[0].read_text().replace("1.0", "1.5", 1))
    assert kernel.source_number(*copies) != known
    # The number is a part of what is compiled: it comes back, and another one is other code.
    empty = np.empty((0, 3)), 0.0, np.empty((0, len(kernel.FIELDS)))
    assert (kernel._keeping(known)(*empty), kernel._keeping(known + 1)(*empty)) == (known, known + 1)


@pytest.mark.parametrize("days", [63, 64, 65, 127, 128, 200])
def test_a_tail_is_collected_whole_at_every_length(days: int) -> None:
    pytest.importorskip("numba")
    rows = np.round(np.random.default_rng(days).standard_t(3, (33, days)) * 0.02, 3)
    agree(metrics(rows, minimum_days=1, engine="numba"), metrics(rows, minimum_days=1), 1e-12)


def test_a_tail_that_stands_in_one_stretch_is_collected_whole() -> None:
    pytest.importorskip("numba")
    rows = np.sort(np.random.default_rng(9).standard_t(3, (19, 700)) * 0.02, axis=1)
    rows[5:10] = rows[5:10, ::-1]
    agree(metrics(rows, minimum_days=1, engine="numba"), metrics(rows, minimum_days=1), 1e-12)


def test_a_path_is_the_same_to_the_last_bit_whoever_stands_beside_it() -> None:
    kernel = pytest.importorskip("portfolio_lab.engines.kernel")
    rows = np.random.default_rng(10).normal(0, 0.02, (24, 500))
    gaps = rows.copy()
    gaps[3, 7], gaps[12, :40], gaps[17] = np.nan, np.nan, np.nan
    alone, beside = kernel.sums_of_rows(rows, 0.0), kernel.sums_of_rows(gaps, 0.0)
    turned = kernel.sums_of_rows(rows[::-1], 0.0)
    whole = [row for row in range(24) if row not in {3, 12, 17}]
    for one, other, back in zip(*map(dataclasses.astuple, (alone, beside, turned)), strict=True):
        np.testing.assert_array_equal(one[whole], other[whole])
        np.testing.assert_array_equal(one, back[::-1])
