"""One user's book at one slot, rebuilt from stored rows for the engines."""

from __future__ import annotations

import math
from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd

from portfolio_lab.engines.exposure import Line, book_exposure, exposure_lines, share
from portfolio_lab.models.accounts import Account, Wallet
from portfolio_lab.models.exposure import Exposure
from portfolio_lab.models.holdings import Balance, ContractKind, Holding, Position, WalletReading
from portfolio_lab.models.prices import Price

Prices = dict[str, dict[str, Price]]


def exposure_from(
    balances: pd.DataFrame,
    positions: pd.DataFrame,
    prices: pd.DataFrame,
    *,
    user: str,
    slot: datetime,
    equity: float | None,
    currency: str,
) -> Exposure:
    """Return the exposure of the book that the rows of one slot describe.

    Args:
        balances: rows of `balances`.
        positions: rows of `positions`.
        prices: rows of `prices` of the same slot, all venues.
        user: whose book.
        slot: when.
        equity: the user's equity then; None when unknown.
        currency: of prices and result.
    """
    readings, known = _readings(balances, positions, user), prices_from(prices, balances, slot, currency)
    return book_exposure(readings, known, equity=equity, currency=currency)


def exposure_lines_from(
    balances: pd.DataFrame, positions: pd.DataFrame, prices: pd.DataFrame, *, user: str, slot: datetime, currency: str
) -> list[Line]:
    """Return the parts of which the exposure of that book is made; the arguments are those of `exposure_from`."""
    readings = _readings(balances, positions, user)
    return exposure_lines(readings, prices_from(prices, balances, slot, currency), currency=currency)


def exposure_figures(snapshot: pd.DataFrame | None) -> dict[str, object]:
    """Return open PnL and exposure of one complete snapshot's row, with their shares of equity; NaN without one."""
    names = ("unrealised_pnl", "gross_exposure", "net_exposure")
    if snapshot is None:
        return dict.fromkeys((*names, "gross_share", "net_share"), math.nan)
    row = snapshot.iloc[-1]
    money: dict[str, object] = {name: float(row[name]) for name in names}
    for name in ("gross", "net"):
        money[f"{name}_share"] = share_or_nan(float(row[f"{name}_exposure"]), float(row["equity"]))
    return money


def share_or_nan(amount: float, equity: float) -> float:
    """Return amount / equity as a frame says it: NaN where it has no meaning."""
    part = share(amount, equity)
    return math.nan if part is None else part


def with_attestations(wallets: pd.DataFrame, attestations: pd.DataFrame) -> pd.DataFrame:
    """Return the wallets with the newest `verdict` on each ("" without one) and its `difference_share`."""
    newest = attestations.sort_values("slot", kind="stable").groupby(["account", "scope"]).tail(1)
    told = newest[["account", "scope", "verdict", "share"]].rename(
        columns={"scope": "wallet", "share": "difference_share"}
    )
    merged = wallets.merge(told, on=["account", "wallet"], how="left")
    merged["verdict"] = merged["verdict"].fillna("").astype("object")
    merged["difference_share"] = merged["difference_share"].astype("float64")
    merged.attrs.update(wallets.attrs)
    return merged


def venue_of(account: str) -> str:
    """Return the venue in an account's name (`venue:label`)."""
    return account.partition(":")[0]


def _readings(balances: pd.DataFrame, positions: pd.DataFrame, user: str) -> list[tuple[Account, WalletReading]]:
    return [
        (account, WalletReading(wallet, _balances(balances, account, wallet), _positions(positions, account, wallet)))
        for account, wallet in _places(balances, positions, user)
    ]


def _places(balances: pd.DataFrame, positions: pd.DataFrame, user: str) -> list[tuple[Account, Wallet]]:
    pairs = pd.concat([balances[["account", "wallet"]], positions[["account", "wallet"]]]).drop_duplicates()
    return [
        (Account(user, venue_of(account), account.partition(":")[2]), Wallet(wallet))
        for account, wallet in pairs.itertuples(index=False)
    ]


def _rows(rows: pd.DataFrame, account: Account, wallet: Wallet) -> list[dict[Any, Any]]:
    return rows[(rows["account"] == account.name) & (rows["wallet"] == str(wallet))].to_dict("records")


def _balances(rows: pd.DataFrame, account: Account, wallet: Wallet) -> tuple[Balance, ...]:
    return tuple(
        Balance(row["asset"], _amount(row["quantity"]), holding=_holding(row)) for row in _rows(rows, account, wallet)
    )


def _positions(rows: pd.DataFrame, account: Account, wallet: Wallet) -> tuple[Position, ...]:
    return tuple(
        Position(
            instrument=row["instrument"],
            underlying=row["underlying"],
            kind=ContractKind(row["kind"]),
            side=row["side"],
            quantity=_amount(row["quantity"]),
            contracts=_amount(row["contracts"]),
            contract_size=_amount(row["contract_size"]),
            entry_price=_amount(row["entry_price"]),
            mark_price=_amount(row["mark_price"]),
            unrealised_pnl=_amount(row["unrealised_pnl_settle"]),
            settle_asset=row["settle_asset"],
            delta=None if pd.isna(row.get("delta", math.nan)) else _amount(row["delta"]),
        )
        for row in _rows(rows, account, wallet)
    )


def _holding(row: dict[Any, Any]) -> Holding:
    # Rows of before the column was there read as unknown; all of them were plainly held.
    stated = row.get("holding")
    return Holding(stated) if isinstance(stated, str) else Holding.HELD


def _amount(value: float) -> Decimal:
    # repr is the shortest text of the float: what was 0.1 in the store is 0.1 again.
    return Decimal(repr(float(value)))


def prices_from(prices: pd.DataFrame, balances: pd.DataFrame, slot: datetime, currency: str) -> Prices:
    """Return the prices of one slot by venue and asset, `currency` itself at 1."""
    found: Prices = {}
    rows = prices[["venue", "asset", "price"]].to_numpy().tolist()
    # What a balance was valued at stands beside it, and is the price of its own account.
    priced = balances[balances["price"].notna()]
    rows += priced.assign(venue=priced["account"].map(venue_of))[["venue", "asset", "price"]].to_numpy().tolist()
    for venue, asset, price in rows:
        found.setdefault(venue, {})[asset] = Price(asset, currency, float(price), "stored", (asset, currency), slot)
    for venue in found:
        found[venue][currency] = Price(currency, currency, 1.0, "identity", (currency,), slot)
    return found
