"""Numbers as a reader sees them: a real minus sign, thousands apart, "—" for what is unknown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from portfolio_lab.dashboard.html import Html, tag

UNKNOWN = "—"
MINUS = "−"
_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£"}
_LARGE = 1_000
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def number(value: object) -> float:
    """Return `value` as a float; NaN for everything that is no finite number."""
    if value is None or value is pd.NaT or isinstance(value, (str, bytes, bool)):
        return math.nan
    try:
        known = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan
    return known if math.isfinite(known) else math.nan


def item(row: Mapping[Any, Any] | pd.Series, name: str) -> Any:  # noqa: ANN401 - a cell is of any type
    """Return cell `name` of a row, None when the row lacks it."""
    return row.get(name)


def money(value: object, currency: str, *, decimals: int | None = None, signed: bool = False) -> str:
    """Return money with its currency: "−$1,729", "+€2.50", "1,729 USDT". Cents below 1,000."""
    amount = number(value)
    if math.isnan(amount):
        return UNKNOWN
    places = (0 if abs(amount) >= _LARGE else 2) if decimals is None else decimals
    size = f"{abs(amount):,.{places}f}"
    text = f"{_SIGNS[currency]}{size}" if currency in _SIGNS else f"{size} {currency}"
    return _sign(round(amount, places), signed=signed) + text


def percent(fraction: object, *, decimals: int = 2, signed: bool = False) -> str:
    """Return a fraction as per cent: 0.0113 is "1.13%"."""
    share = number(fraction) * 100
    if math.isnan(share):
        return UNKNOWN
    return f"{_sign(round(share, decimals), signed=signed)}{abs(share):,.{decimals}f}%"


def ratio(value: object, *, decimals: int = 2, suffix: str = "") -> str:
    """Return a plain number: "0.77", "1.12×"."""
    known = number(value)
    if math.isnan(known):
        return UNKNOWN
    return f"{_sign(round(known, decimals), signed=False)}{abs(known):,.{decimals}f}{suffix}"


def quantity(value: object) -> str:
    """Return units of an asset with no more digits than it has: eight decimals at most."""
    if math.isnan(number(value)):
        return UNKNOWN
    exact = Decimal(str(value))
    text = f"{abs(exact):,.8f}".rstrip("0").rstrip(".")
    return _sign(exact, signed=False) + text


def price(value: object) -> str:
    """Return a price: two decimals from 1 upwards, six significant digits below it."""
    known = number(value)
    if math.isnan(known):
        return UNKNOWN
    size = abs(known)
    text = f"{size:,.2f}" if size >= 1 else f"{size:.6g}"
    return _sign(known, signed=False) + text


def short_money(value: float, currency: str) -> str:
    """Return money for an axis: "$600k", "−$1.5M"."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            body = f"{abs(value) / size:.4g}{letter}"
            break
    else:
        body = f"{abs(value):.4g}"
    text = f"{_SIGNS[currency]}{body}" if currency in _SIGNS else body
    return _sign(value, signed=False) + text


def instant(at: object, *, seconds: bool = False) -> str:
    """Return an instant as "22 Nov 2026 14:00 UTC"."""
    moment = as_instant(at)
    if moment is None:
        return UNKNOWN
    return f"{moment:%d %b %Y %H:%M:%S} UTC" if seconds else f"{moment:%d %b %Y %H:%M} UTC"


def as_instant(at: object) -> pd.Timestamp | None:
    """Return `at` as a UTC instant; None when it is unknown."""
    if at is None or pd.isna(at):  # type: ignore[call-overload]
        return None
    moment = pd.Timestamp(at)  # type: ignore[arg-type]
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")


def age(at: object, now: datetime) -> Html:
    """Return how long ago `at` was, as an element that the page lets grow by itself."""
    moment = as_instant(at)
    if moment is None:
        return tag("span", UNKNOWN, class_="pl-age")
    seconds = max(int((now - moment.to_pydatetime()).total_seconds()), 0)
    return tag("span", f"{span(seconds)} ago", class_="pl-age", data_seconds=seconds)


def span(seconds: float | timedelta) -> str:
    """Return a length of time in its largest unit or two: "42 s", "3 min", "2 h 5 min", "4 d"."""
    whole = int(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def tone(value: object) -> str:
    """Return the CSS class of a gain, a loss, or neither."""
    known = number(value)
    if math.isnan(known) or known == 0:
        return ""
    return "pl-up" if known > 0 else "pl-down"


def round_ticks(low: float, high: float, *, about: int = 4) -> list[float]:
    """Return round values between `low` and `high`, about `about` of them, evenly spaced."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    raw = (high - low) / about
    scale = 10.0 ** math.floor(math.log10(raw))
    step = next(size * scale for size in _STEPS if size * scale >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [float(np.round(index * step, 10)) for index in range(first, last + 1)]


def _sign(value: float | Decimal, *, signed: bool) -> str:
    if value < 0:
        return MINUS
    return "+" if signed and value > 0 else ""
