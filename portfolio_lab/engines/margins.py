"""Margin ratio: the share of the margin balance that maintenance needs.

    margin ratio = maintenance margin / margin balance        (0 = nothing is at stake, 1 = liquidation)

A venue may print it turned over: OKX (`mgnRatio`) and Binance's portfolio margin (`uniMMR`) state margin
balance / maintenance margin, which falls to 1. Their own figures stand beside ours as `venue_ratio` = 1 / level,
so that both read alike. Each wallet has one margin or several: cross positions share that of their settlement
asset, or that of the whole wallet; an isolated position has one of its own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from decimal import Decimal

import numpy as np
import pandas as pd

from portfolio_lab.models.margins import WHOLE

MARGIN_COLUMNS = (
    *("account", "wallet", "asset", "instrument", "side", "maintenance_margin", "margin_balance"),
    *("margin_ratio", "venue_ratio", "debt_level"),
)
"""What a row of `margins_of` tells."""

Amount = Decimal | float | None


def margin_ratio(maintenance: Amount, balance: Amount) -> float | None:
    """Return maintenance margin / margin balance; None where either is unknown.

    0 where nothing needs maintenance, whatever the balance. Infinite where something does and the
    balance is used up: the position is past the point at which a venue liquidates.
    """
    needed, held = _number(maintenance), _number(balance)
    if math.isnan(needed) or needed < 0.0:
        return None
    if needed == 0.0:
        return 0.0
    if math.isnan(held):
        return None
    return needed / held if held > 0.0 else math.inf


def ratio_of_level(level: Amount) -> float | None:
    """Return a venue's level (margin balance / maintenance margin) as a ratio; None where it states none."""
    stated = _number(level)
    if math.isnan(stated):
        return None
    return 1.0 / stated if stated > 0.0 else math.inf


def margins_of(wallets: pd.DataFrame, positions: pd.DataFrame) -> pd.DataFrame:
    """Return every margin, the nearest to liquidation first, unknown ones last.

    Args:
        wallets: `account`, `wallet` and `margins` (JSON, as stored; null where the venue tells of none).
        positions: `account`, `wallet`, `instrument`, `side`, `settle_asset`, `maintenance_margin_settle`,
            `margin_balance_settle` (null unless the position is isolated) and `margin_level`.

    Returns:
        One row a margin, `MARGIN_COLUMNS`: `asset` is the unit of `maintenance_margin` and `margin_balance`;
        `instrument` and `side` are empty but for an isolated position's own. Ratios are fractions: liquidation is at 1.
    """
    rows = [*_shared(wallets), *_isolated(positions)]
    frame = pd.DataFrame(rows, columns=list(MARGIN_COLUMNS))
    figures = list(MARGIN_COLUMNS[5:])
    frame[figures] = frame[figures].astype("float64")
    return nearest_first(frame)


def nearest_first(margins: pd.DataFrame) -> pd.DataFrame:
    """Return the margins by falling ratio, unknown ones last."""
    return margins.sort_values("margin_ratio", ascending=False, kind="stable", na_position="last", ignore_index=True)


def position_ratios(positions: pd.DataFrame, margins: pd.DataFrame) -> pd.Series:
    """Return each position's margin ratio: its own where it is isolated, else that of the margin it shares.

    Args:
        positions: as for `margins_of`.
        margins: of the same accounts, from `margins_of`.

    Returns:
        Fractions by the positions' index, NaN where unknown.
    """
    places = ["account", "wallet", "asset", "instrument", "side"]
    found = dict(zip(margins[places].itertuples(index=False, name=None), margins["margin_ratio"], strict=True))
    ratios = [_position_ratio(row, found) for row in _records(positions)]
    return pd.Series(ratios, index=positions.index, dtype="float64", name="margin_ratio")


def nearest_by_account(margins: pd.DataFrame) -> pd.Series:
    """Return the highest margin ratio that is known of each account; NaN where none is."""
    return margins.groupby("account")["margin_ratio"].max()


def _shared(wallets: pd.DataFrame) -> Iterable[tuple[object, ...]]:
    told = wallets.dropna(subset="margins")
    for account, wallet, text in zip(told["account"], told["wallet"], told["margins"], strict=True):
        for one in json.loads(text):
            yield _row(str(account), str(wallet), one)


def _row(account: str, wallet: str, one: Mapping[str, str]) -> tuple[object, ...]:
    amounts = {name: _number(Decimal(one[name])) if name in one else math.nan for name in _AMOUNTS}
    needed, held, level, debt = amounts.values()
    return account, wallet, one["asset"], "", "", needed, held, margin_ratio(needed, held), ratio_of_level(level), debt


_AMOUNTS = ("maintenance", "balance", "level", "debt_level")


def _isolated(positions: pd.DataFrame) -> Iterable[tuple[object, ...]]:
    for row in _records(positions.dropna(subset="margin_balance_settle")):
        needed, held = _number(row["maintenance_margin_settle"]), _number(row["margin_balance_settle"])
        place = (row["account"], row["wallet"], row["settle_asset"], row["instrument"], row["side"])
        yield (*place, needed, held, margin_ratio(needed, held), ratio_of_level(_number(row["margin_level"])), math.nan)


def _position_ratio(row: Mapping[str, object], found: Mapping[tuple[object, ...], float]) -> float:
    place, settle = (row["account"], row["wallet"]), row["settle_asset"]
    if not pd.isna(row["margin_balance_settle"]):  # type: ignore[call-overload]
        return found[(*place, settle, row["instrument"], row["side"])]
    shared = found.get((*place, settle, "", ""))
    return found.get((*place, WHOLE, "", ""), math.nan) if shared is None else shared


def _records(positions: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(name): value for name, value in row.items()} for row in positions.to_dict("records")]


def _number(amount: object) -> float:
    return math.nan if amount is None or amount is pd.NA else float(np.float64(amount))  # type: ignore[arg-type]
