"""The options of one user's stored book, with what they are valued anew by.

The store keeps an option's name, its size, its premium (`mark_price`) and its delta. Strike, side and day are told by
its name at Binance and at OKX alike; what the premium is in by what the option settles in:

    settles in its underlying (OKX BTC-USD)    premium in coins, strike in USD
    settles in a stablecoin or fiat            premium and strike in that
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from portfolio_lab.engines.equity import Prices, prices_for
from portfolio_lab.engines.exposure import Line, is_exposed
from portfolio_lab.engines.options import OPTION_COLUMNS, priced, terms_of
from portfolio_lab.engines.pegs import underlying_of
from portfolio_lab.models.accounts import Account
from portfolio_lab.models.holdings import ContractKind

_HELD = list(OPTION_COLUMNS[: OPTION_COLUMNS.index("delta") + 1])
_TEXTS = ("account", "instrument", "side", "underlying")


def held_options(
    positions: pd.DataFrame,
    lines: Sequence[Line],
    prices: Mapping[str, Prices],
    *,
    user: str,
    slot: datetime,
    currency: str,
) -> pd.DataFrame:
    """Return the options of a book at a slot, as `engines.options.priced` does; the account is "user venue:label".

    Args:
        positions: stored rows of one slot, of any kind.
        lines: of the same book; an underlying's one price is what its options are priced against.
        prices: by venue, in `currency`.
        user: whose book.
        slot: when.
        currency: of premium, strike and price in what is returned.
    """
    forwards = {line.underlying: line.price for line in lines}
    options = positions[
        (positions["kind"] == str(ContractKind.OPTION)) & (positions["quantity"].astype("float64") != 0)
    ]
    rows = []
    for row in options.to_dict("records"):
        own = prices_for(_account(user, str(row["account"])), prices)
        rows.append(_held(row, forwards.get(row["underlying"], math.nan), own, user, currency))
    held = pd.DataFrame(rows, columns=_HELD)
    amounts = [name for name in ("quantity", "strike", "forward", "premium", "delta") if name in held]
    held = held.astype(dict.fromkeys(amounts, "float64") | dict.fromkeys(("is_call", "is_paid_in_coin"), "bool"))
    return priced(held.assign(expires=pd.to_datetime(held["expires"], utc=True)), slot)


def _held(row: Mapping[Any, Any], forward: float, prices: Prices, user: str, currency: str) -> dict[str, object]:
    terms = terms_of(str(row["instrument"]))
    in_coin = underlying_of(row["settle_asset"]) == row["underlying"]
    rate = _rate("USD" if in_coin else row["settle_asset"], prices, currency)
    return {
        **{name: str(row[name]) for name in _TEXTS},
        "account": f"{user} {row['account']}",
        "quantity": float(row["quantity"]),
        "strike": math.nan if terms is None else terms.strike * rate,
        "expires": pd.NaT if terms is None else pd.Timestamp(terms.expires),
        "is_call": terms is not None and terms.is_call,
        "forward": forward,
        "premium": float(row["mark_price"]) * (forward if in_coin else rate),
        "is_paid_in_coin": in_coin,
        "delta": math.nan if pd.isna(row["delta"]) else float(row["delta"]),
    }


def _rate(quote: str, prices: Prices, currency: str) -> float:
    """Return the price of what strike and premium are told in; NaN where it has none, or is itself a bet on a price."""
    if is_exposed(quote):
        return math.nan
    price = prices.get(quote)
    return 1.0 if quote == currency else math.nan if price is None else price.price


def _account(user: str, name: str) -> Account:
    venue, _, label = name.partition(":")
    return Account(user, venue, label)
