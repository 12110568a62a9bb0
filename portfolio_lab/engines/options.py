"""Options at other prices: Black-76 with the volatility that their own premium implies.

    call = F N(d1) - K N(d2)          put = K N(-d2) - F N(-d1)
    d1 = ln(F / K) / (v sqrt(T)) + v sqrt(T) / 2          d2 = d1 - v sqrt(T)

F is the price of the underlying, K the strike, v the volatility of a year and T the years until it ends. There is no
interest and no discount: venues quote premiums against a forward, and the price of the underlying stands for it. A
volatility is solved from the premium that is stored, so that each option is worth at no shock what it is worth now;
under a shock it is kept: no smile, no rise of volatility in a fall, no time going by.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

EXPIRY_HOUR = 8
"""UTC: when the options of Binance and of OKX end, on the day that their names tell."""

_NAME = re.compile(r".+-(?P<day>\d{6})-(?P<strike>\d+(?:\.\d+)?)-(?P<side>[CP])")
_WIDEST = 10.0  # of v sqrt(T): there a call is worth its underlying but for less than a millionth
_HALVINGS = 64
_ERFC = np.frompyfunc(math.erfc, 1, 1)
_Many = float | np.ndarray
_Row = dict[str, Any]


class Terms(NamedTuple):
    """What an option promises, as its name tells: `strike` in quote units per base unit, `expires` in UTC."""

    strike: float
    expires: datetime
    is_call: bool


def terms_of(instrument: str) -> Terms | None:
    """Return what the name of an option tells, None where it tells no strike, no side or no day.

    >>> terms_of("BTC-USD-260925-100000-C")
    Terms(strike=100000.0, expires=datetime.datetime(2026, 9, 25, 8, 0, tzinfo=datetime.timezone.utc), is_call=True)
    """
    found = _NAME.fullmatch(instrument)
    if found is None:
        return None
    try:
        day = datetime.strptime(found["day"], "%y%m%d").replace(hour=EXPIRY_HOUR, tzinfo=UTC)
    except ValueError:
        return None
    strike = float(found["strike"])
    return Terms(strike, day, found["side"] == "C") if strike > 0 else None


def black_76(forward: _Many, strike: _Many, spread: _Many, *, is_call: bool | np.ndarray) -> np.ndarray:
    """Return the premium of one base unit; no interest.

    Args:
        forward: price of the underlying, 0 or more.
        strike: in the same money, above 0.
        spread: volatility of a year x sqrt(years), above 0.
        is_call: False for a put.
    """
    with np.errstate(divide="ignore"):
        near = np.log(np.divide(forward, strike)) / spread + np.divide(spread, 2.0)
    sign = np.where(is_call, 1.0, -1.0)
    value = sign * (forward * _normal(sign * near) - strike * _normal(sign * (near - spread)))
    return np.asarray(np.maximum(value, 0.0))  # rounding may take the worthless below


def implied_spread(premium: _Many, forward: _Many, strike: _Many, *, is_call: bool | np.ndarray) -> np.ndarray:
    """Return volatility x sqrt(years) at which an option is worth its premium, by halving; arguments as `black_76`.

    NaN where none is: the premium is no more than what exercise would bring now, or no less than what the option can
    ever be worth (a call its underlying, a put its strike).
    """
    given = np.broadcast_arrays(*(np.asarray(one, dtype="float64") for one in (premium, forward, strike)), is_call)
    worth, price, limit, call = (np.atleast_1d(one) for one in given)
    low, high = np.zeros(worth.shape), np.full(worth.shape, _WIDEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        is_less = black_76(price, limit, middle, is_call=call) < worth
        low, high = np.where(is_less, middle, low), np.where(is_less, high, middle)
    inside = np.maximum(np.where(call, price - limit, limit - price), 0.0)
    most = black_76(price, limit, np.full(worth.shape, _WIDEST), is_call=call)
    return np.where((worth > inside) & (worth < most) & (price > 0), high, math.nan)


OPTION_COLUMNS = (
    *("account", "instrument", "side", "underlying", "quantity", "strike", "expires", "is_call"),
    *("forward", "premium", "is_paid_in_coin", "delta", "years", "volatility", "method", "reason"),
)
"""What a row of `priced` tells."""

BLACK_76, BY_DELTA = "black-76", "delta"


def priced(held: pd.DataFrame, at: datetime) -> pd.DataFrame:
    """Return options with what they are revalued by: `volatility` (of a year), or the delta and why.

    Args:
        held: `OPTION_COLUMNS` up to `delta`. Money in one currency, per base unit: `strike` and `premium` NaN where
            unknown, `forward` the price of the underlying; `quantity` signed base units, + bought; `expires` NaT
            where unknown. `delta` is of one unit bought, NaN where the venue states none.
        at: when that was so.

    Returns:
        With `years` (of 365 days, until it ends), `volatility` (NaN where none solves), `method` ("black-76" or
        "delta") and `reason`, "" for the former.
    """
    years = (held["expires"] - pd.Timestamp(at)) / pd.Timedelta(days=365)
    usable = held["strike"].gt(0) & held["premium"].ge(0) & held["forward"].gt(0) & years.gt(0)
    known = held[usable]
    solved = implied_spread(
        *(known[name].to_numpy(dtype="float64") for name in ("premium", "forward", "strike")),
        is_call=known["is_call"].to_numpy(dtype=bool),
    )
    spread = pd.Series(math.nan, held.index)
    spread[usable] = solved
    frame = held.assign(years=years, volatility=spread / np.sqrt(years.where(years > 0)))
    reasons = [_reason(row) for row in _records(frame)]
    return frame.assign(method=[BY_DELTA if reason else BLACK_76 for reason in reasons], reason=reasons)


def gains(options: pd.DataFrame, shocks: pd.DataFrame) -> np.ndarray:
    """Return what each option adds to its account in each scenario; options x scenarios, money.

        quantity x (premium at the shocked price - premium now)
        less quantity x premium x shock, where it is paid in its coin: the coin's balance gains that already

    Args:
        options: from `priced`, all of method "black-76".
        shocks: fractions of price, a row an underlying; one without a row is not moved, NaN is unknown.
    """
    moved = shocks.reindex(options["underlying"], fill_value=0.0).to_numpy(dtype="float64")
    rows = [_gain(row, shock) for row, shock in zip(_records(options), moved, strict=True)]
    return np.array(rows).reshape(moved.shape)


def _gain(option: _Row, shock: np.ndarray) -> np.ndarray:
    """Return the gain of one option; a grid has few different shocks of an underlying, so each is reckoned once."""
    few, places = np.unique(shock, return_inverse=True)
    forward, strike, premium, quantity, volatility, years = (float(option[name]) for name in _AMOUNTS)
    prices = forward * np.maximum(1.0 + few, 0.0)
    value = black_76(prices, strike, volatility * math.sqrt(years), is_call=bool(option["is_call"])) - premium
    own = value - (premium * few if option["is_paid_in_coin"] else 0.0)
    return np.where(few == 0.0, 0.0, quantity * own)[places]


_AMOUNTS = ("forward", "strike", "premium", "quantity", "volatility", "years")


def _reason(row: _Row) -> str:
    if row["expires"] is pd.NaT:
        return "its name tells no strike and no day on which it ends"
    if not row["years"] > 0:
        return "its day is over"
    if any(math.isnan(row[name]) for name in ("strike", "premium", "forward")):
        return "its underlying, or what it is paid in, has no price"
    return "no volatility gives its premium" if math.isnan(row["volatility"]) else ""


def _normal(values: np.ndarray) -> np.ndarray:
    """Return the normal distribution; by erfc, which is exact also where little is left of it."""
    return 0.5 * np.asarray(_ERFC(-values / math.sqrt(2.0)), dtype="float64")


def _records(frame: pd.DataFrame) -> list[_Row]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
