from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pandas as pd
import pytest

from portfolio_lab.dashboard import figures
from portfolio_lab.dashboard.metrics_bar import headline_tiles


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [
        (353_942.4, "USD", "$353,942"),
        (-1_729.0, "USD", "−$1,729"),
        (-0.004, "USD", "$0.00"),
        (12.5, "USDT", "12.50 USDT"),
        (math.nan, "USD", "—"),
        (None, "USD", "—"),
        (math.inf, "USD", "—"),
    ],
)
def test_money(value: float | None, currency: str, text: str) -> None:
    assert figures.money(value, currency) == text


def test_zero_is_told_and_unknown_is_a_dash() -> None:
    assert figures.percent(0.0) == "0.00%"
    assert figures.percent(math.nan) == "—"
    assert figures.ratio(pd.NA) == "—"
    assert figures.quantity(None) == "—"


def test_signs_are_real_minus_signs() -> None:
    assert figures.percent(-0.338) == "−33.80%"
    assert figures.percent(0.0064, signed=True) == "+0.64%"
    assert figures.quantity(Decimal("-0.5500")) == "−0.55"
    assert figures.short_money(-1_500_000.0, "USD") == "−$1.5M"


def test_prices_keep_their_significant_digits() -> None:
    assert figures.price(Decimal("93412.5")) == "93,412.50"
    assert figures.price(Decimal("0.00001234")) == "1.234e-05"
    assert figures.price(Decimal("0.13871")) == "0.13871"


def test_ticks_are_round_and_inside() -> None:
    assert figures.round_ticks(271_000, 641_000, about=4) == [300_000, 400_000, 500_000, 600_000]
    assert figures.round_ticks(-0.61, 0.0, about=3) == [-0.5, -0.25, 0.0]
    assert figures.round_ticks(5.0, 5.0) == [5.0]


@pytest.mark.parametrize(
    ("seconds", "text"), [(42, "42 s"), (180, "3 min"), (7_500, "2 h 5 min"), (4 * 86_400, "4 d 0 h")]
)
def test_spans(seconds: int, text: str) -> None:
    assert figures.span(seconds) == text


def test_age_carries_its_seconds_for_the_page() -> None:
    now = datetime(2026, 11, 22, 14, 1, tzinfo=UTC)
    assert figures.age(now - timedelta(seconds=40), now) == '<span class="pl-age" data-seconds="40">40 s ago</span>'
    assert "—" in figures.age(pd.NaT, now)


def test_the_tile_of_a_drawdown_that_has_no_meaning_says_why() -> None:
    reason = "a return below -100 % at 2026-02-10 12:00 UTC: the index has no meaning"
    lost = pd.Series({"drawdown": math.nan, "max_drawdown": math.nan, "drawdown_reason": reason}, dtype=object)
    known = pd.Series({"drawdown": -0.1, "max_drawdown": -0.2, "drawdown_reason": ""}, dtype=object)
    shown = [next(tile for tile in headline_tiles(one, "USD") if tile.label == "Drawdown") for one in (lost, known)]
    assert [(tile.value, tile.below) for tile in shown] == [(figures.UNKNOWN, reason), ("−10.00%", "max −20.00%")]
