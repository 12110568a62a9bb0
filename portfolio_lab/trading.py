"""Stored fills, flows and income -> the events of which `engines.trades` makes round trips.

A spot book is one coin of one account, whatever it was bought with; a contract's book is one
instrument and, in hedge mode, one side. Coins that arrive without being bought (deposits, rewards)
open lots at their price then. A coin that another one is paid with is sold by that, and one that fees are paid
with leaves. Dollar coins and money itself are what trades are reckoned in: they have no book.
"""

from __future__ import annotations

import math

import pandas as pd

from portfolio_lab.archive import Archive
from portfolio_lab.books import venue_of
from portfolio_lab.engines.cash_flows import value_cash_flows
from portfolio_lab.engines.exposure import FIAT, STABLECOINS
from portfolio_lab.engines.trades import Method, Trades, round_trips
from portfolio_lab.models.accounts import Wallet

_NEAR = pd.Timedelta(hours=2)
"""A price this near a fill stands for the price at it."""
_ANY_TIME = pd.Timedelta(days=36_500)
_MONEY = STABLECOINS | FIAT
_ARRIVALS = ("earn_reward", "staking_reward", "dividend", "promotion", "rebate")
_SWAPS = ("dust", "convert")
_DOLLAR = "USDT"
"""What stands for the dollar in which inverse contracts are quoted."""
_MARGINS = (str(Wallet.CROSS_MARGIN), str(Wallet.ISOLATED_MARGIN), str(Wallet.PORTFOLIO_MARGIN))
_OPTION_ENDS = ("-C", "-P")
_FLAT = 1e-9
"""Base units below which a contract's book is flat: what summing leaves."""
_COLUMNS = ("account", "instrument", "underlying", "venue")


def user_trades(archive: Archive, user: str, *, account: str | None = None, method: Method | str) -> Trades:
    """Return the round trips of a user, or of one account; `lab.trades` tells what is in them."""
    rows = {name: archive.rows(name, user=user) for name in ("fills", "income", "cash_flows")}
    if account is not None:
        rows = {name: part[part["account"] == account] for name, part in rows.items()}
    prices = StoredPrices(archive)
    parts = [
        _fill_events(rows["fills"], prices, _kinds(archive, user)),
        *_paid_in_coins(rows["fills"], prices),
        _moved(rows["cash_flows"][~rows["cash_flows"]["kind"].isin(["joined", "left"])], "flow_id", prices),
        _moved(rows["income"][rows["income"]["kind"].isin(_ARRIVALS)], "income_id", prices),
        _moved(rows["income"][rows["income"]["kind"].isin(_SWAPS)], "income_id", prices, event="fill"),
    ]
    parts[0]["borrowed"] = _is_borrowed(rows["fills"].loc[parts[0].index], rows["income"])
    events = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    # A coin that only ever came and went was never traded.
    events = events[events["book"].isin(events.loc[events["event"] == "fill", "book"])]
    trades = round_trips(events, _funding(rows["income"], events, prices), method=method)
    names = events.drop_duplicates("book").set_index("book")
    return Trades(
        _named(trades.closed, names), _named(trades.open, names), _named(trades.closings, names), trades.unknown
    )


class StoredPrices:
    """Reporting currency per unit of an asset, near an instant, as the account's own venue priced it."""

    def __init__(self, archive: Archive) -> None:
        rows = archive.history("prices", columns=("slot", "venue", "asset", "price"))
        self._series = {
            (str(key[0]), str(key[1])): pd.Series(
                part["price"].to_numpy(dtype="float64"), pd.DatetimeIndex(part["slot"])
            )
            for key, part in rows.groupby(["venue", "asset"])
        }

    def at(self, rows: pd.DataFrame, asset: pd.Series) -> pd.Series:
        """Return the price of `asset` at each row's `at` in its account's venue; NaN where none is near."""
        found = pd.Series(math.nan, rows.index)
        wanted = pd.DataFrame({"at": rows["at"], "asset": asset, "quantity": 1.0}, index=rows.index)
        for venue, part in wanted.groupby(rows["account"].map(venue_of)):
            series: dict[str, pd.Series] = {
                name: prices for (place, name), prices in self._series.items() if place == venue
            }
            near = value_cash_flows(part, series, max_distance=_NEAR)["price"]
            # What is pegged to a currency was worth much the same before anybody looked.
            pegged = value_cash_flows(part, series, max_distance=_ANY_TIME)["price"].where(part["asset"].isin(_MONEY))
            found[part.index] = near.fillna(pegged)
        return found


def _kinds(archive: Archive, user: str) -> dict[str, str]:
    """Return the kind of every contract that was ever held over a snapshot."""
    held = archive.history("positions", user=user, columns=("slot", "instrument", "kind"))
    return dict(zip(held["instrument"], held["kind"], strict=True))


def _fill_events(fills: pd.DataFrame, prices: StoredPrices, held: dict[str, str]) -> pd.DataFrame:
    is_spot = fills["realised_pnl"].isna()
    kind = [
        "spot" if spot else held.get(instrument) or _kind(instrument, underlying, settle)
        for spot, instrument, underlying, settle in zip(
            is_spot, fills["instrument"], fills["underlying"], fills["settle_asset"], strict=True
        )
    ]
    quote = quote_of(fills)
    sign = fills["side"].map({"buy": 1.0, "sell": -1.0}).astype("float64")
    fee_in_base = fills["fee"].where(is_spot & (fills["fee_asset"] == fills["underlying"]), 0.0)
    spot_book = fills["account"] + " " + fills["underlying"]
    side = fills["position_side"].where(fills["position_side"] != "net", "")
    contract_book = (fills["account"] + " " + fills["instrument"] + " " + side).str.strip()
    in_quote = prices.at(fills, quote.where(quote != fills["underlying"], _DOLLAR))
    # What a coin was worth at its own fill, the fill says best.
    coin = fills["price"] * in_quote
    fee_price = prices.at(fills, fills["fee_asset"]).fillna(coin.where(fills["fee_asset"] == fills["underlying"]))
    value_of_quote = in_quote.where(quote != fills["underlying"], coin)
    events = pd.DataFrame(
        {
            "book": spot_book.where(is_spot, contract_book),
            "at": fills["at"],
            "event_id": fills["wallet"] + fills["instrument"] + fills["fill_id"],
            "kind": kind,
            "event": "fill",
            "quantity": sign * fills["quantity"] + fee_in_base,
            "price": fills["price"],
            "value_of_quote": value_of_quote,
            "fee": fills["fee"] * fee_price.where(fills["fee"] != 0.0, 0.0),
            "realised": fills["realised_pnl"],
            "account": fills["account"],
            "instrument": fills["instrument"].where(~is_spot, fills["underlying"]),
            "underlying": fills["underlying"],
        }
    )
    return events[~events["underlying"].isin(_MONEY) & (events["quantity"] != 0.0)]


def _is_borrowed(fills: pd.DataFrame, income: pd.DataFrame) -> list[bool]:
    """Tell of each fill whether it is of a margin wallet, in a coin that its account has ever borrowed."""
    loans = income[income["kind"] == "loan"]
    lent = set(zip(loans["account"], loans["asset"], strict=True))
    rows = zip(fills["account"], fills["underlying"], fills["wallet"], strict=True)
    return [wallet in _MARGINS and (account, coin) in lent for account, coin, wallet in rows]


def _paid_in_coins(fills: pd.DataFrame, prices: StoredPrices) -> list[pd.DataFrame]:
    """Return the other legs of fills: coins that others were bought with or sold for, and those that paid the fees."""
    is_spot, quote = fills["realised_pnl"].isna(), quote_of(fills)
    is_told = fills["fee_asset"].eq(quote) | (is_spot & fills["fee_asset"].eq(fills["underlying"]))
    sign = fills["side"].map({"buy": -1.0, "sell": 1.0}).astype("float64")
    fee_in_quote = fills["fee"].where(fills["fee_asset"] == quote, 0.0)
    paid = fills.assign(
        asset=quote.astype(fills["underlying"].dtype),
        kind="quote",
        quantity=sign * fills["quantity"] * fills["price"] + fee_in_quote,
    )
    fees = fills.assign(asset=fills["fee_asset"], kind="fee", quantity=fills["fee"])
    legs = ((paid[is_spot], "fill"), (fees[~is_told & fills["fee_asset"].notna()], ""))
    return [
        _moved(
            rows.assign(fill_id=rows["wallet"] + rows["instrument"] + rows["fill_id"], price=math.nan),
            "fill_id",
            prices,
            event=event,
        )
        for rows, event in legs
    ]


def quote_of(fills: pd.DataFrame) -> pd.Series:
    """Return the asset in which each fill is paid, as stored, else the instrument's name without the coin."""
    rows = zip(fills["settle_asset"], fills["instrument"], fills["underlying"], strict=True)
    names = [settle or name.removeprefix(coin).lstrip("-/_") for settle, name, coin in rows]
    return pd.Series(names, fills.index, dtype="object")


def _kind(instrument: str, underlying: str, settle: str) -> str:
    if instrument.endswith(_OPTION_ENDS):
        return "option"
    return "inverse" if settle == underlying else "linear"


def _moved(rows: pd.DataFrame, identity: str, prices: StoredPrices, *, event: str = "") -> pd.DataFrame:
    """Return coins that came or went: as arrivals and departures, or as fills at the price of their time."""
    rows = rows[~rows["asset"].isin(_MONEY) & (rows["quantity"] != 0.0)]
    arrived = rows["quantity"] > 0
    # A flow's own price is the best one; income has none.
    price = rows["price"].fillna(prices.at(rows, rows["asset"])) if "price" in rows else prices.at(rows, rows["asset"])
    return pd.DataFrame(
        {
            "book": rows["account"] + " " + rows["asset"],
            "at": rows["at"],
            "event_id": rows["kind"] + rows[identity],
            "kind": "spot",
            "event": event or arrived.map({True: "arrival", False: "departure"}),
            "quantity": rows["quantity"],
            "price": price,
            "value_of_quote": 1.0,
            "fee": 0.0,
            "realised": math.nan,
            "account": rows["account"],
            "instrument": rows["asset"],
            "underlying": rows["asset"],
        }
    )


def _funding(income: pd.DataFrame, events: pd.DataFrame, prices: StoredPrices) -> pd.DataFrame:
    """Return funding by book. The two sides of hedge mode share it as their signed quantities share their sum.

    Both pay one rate on one mark, so a long of 3 beside a short of 1 pays 3/2 of the sum, and the short receives
    1/2. Are they equally large, the sum is nothing and the parts are unknown.
    """
    paid = income[(income["kind"] == "funding") & (income["instrument"] != "")]
    paid = paid.assign(value=paid["quantity"] * prices.at(paid, paid["asset"]))
    names = ["account", "instrument", "at"]
    charged = paid.groupby(names)["value"].agg(lambda values: values.sum(skipna=False)).reset_index()
    ordered = events.sort_values(by=["at", "event_id"])
    held = ordered[["book", "account", "instrument", "at"]].assign(held=ordered.groupby("book")["quantity"].cumsum())
    parts = [
        pd.merge_asof(
            charged.sort_values("at"),
            rows,
            on="at",
            by=["account", "instrument"],
            allow_exact_matches=False,
        ).dropna(subset="book")
        for _, rows in held.groupby("book")
    ]
    if not parts:
        return pd.DataFrame(columns=["book", "at", "value"])
    shared = pd.concat(parts, ignore_index=True)
    shared = shared[shared["held"].abs() > _FLAT]
    total = shared.groupby(names)["held"].transform("sum")
    shared["value"] *= (shared["held"] / total).where(total.abs() > _FLAT)
    return shared[["book", "at", "value"]]


def _named(trips: pd.DataFrame, names: pd.DataFrame) -> pd.DataFrame:
    known = trips.join(names[["account", "instrument", "underlying"]], on="book")
    known["venue"] = known["account"].map(venue_of)
    return known[[*_COLUMNS, *trips.columns.drop("book")]]
