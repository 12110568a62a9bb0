"""Snapshots as Arrow tables, exactly of the schemas in models/tables.py.

What a venue stated is kept to 18 places; what we derived is null wherever it is unknown.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

import pyarrow as pa

from portfolio_lab.engines.equity import balance_value
from portfolio_lab.engines.exposure import position_exposure, position_pnl
from portfolio_lab.errors import StoreError
from portfolio_lab.models.accounts import Account
from portfolio_lab.models.holdings import Balance, OpenOrder, Position, WalletReading
from portfolio_lab.models.margins import Margin
from portfolio_lab.models.prices import Price
from portfolio_lab.models.snapshot import Grade, PortfolioSnapshot, WalletState
from portfolio_lab.models.tables import (
    BALANCES,
    OPEN_ORDERS,
    PORTFOLIO_SNAPSHOTS,
    POSITIONS,
    PRICES,
    WALLETS,
    Table,
)
from portfolio_lab.sync.amounts import stored, stored_or_none
from portfolio_lab.sync.grading import Moment, VenuePrices, prices_of
from portfolio_lab.sync.reading import Origin

Row = dict[str, object]


def table_of(table: Table, rows: Iterable[Mapping[str, object]]) -> pa.Table:
    """Return the rows as an Arrow table of the stored table's schema.

    Raises:
        StoreError: a column that must be known is null, or a value is not of its kind.
    """
    try:
        arrow = pa.Table.from_pylist(list(rows), schema=table.schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        msg = f"a row does not fit the table {table.name}: {error}"
        raise StoreError(msg) from error
    for field in table.schema:
        if not field.nullable and arrow[field.name].null_count:
            msg = f"the column {field.name} of {table.name} must be known in every row"
            raise StoreError(msg)
    return arrow


def snapshot_tables(
    snapshots: Sequence[PortfolioSnapshot],
    priced: Mapping[Origin, VenuePrices],
    *,
    moment: Moment,
    known_at: datetime,
    unpriced_shares: Mapping[str, float] | None = None,
) -> dict[str, pa.Table]:
    """Return the tables of one cycle's snapshots: snapshots, wallets, balances, positions, orders, prices."""
    book = _Rows(priced, moment, known_at, unpriced_shares or {})
    return {
        PORTFOLIO_SNAPSHOTS.name: table_of(PORTFOLIO_SNAPSHOTS, map(book.snapshot, snapshots)),
        WALLETS.name: table_of(WALLETS, _each(snapshots, book.wallets)),
        BALANCES.name: table_of(BALANCES, _each(snapshots, book.balances)),
        POSITIONS.name: table_of(POSITIONS, _each(snapshots, book.positions)),
        OPEN_ORDERS.name: table_of(OPEN_ORDERS, _each(snapshots, book.orders)),
        PRICES.name: table_of(PRICES, book.prices()),
    }


def known(value: float | None) -> float | None:
    """Return the value, or None where it is no finite number: a stored NaN would not read as unknown."""
    return value if value is not None and math.isfinite(value) else None


class _Rows:
    """Rows of one cycle."""

    def __init__(
        self,
        priced: Mapping[Origin, VenuePrices],
        moment: Moment,
        known_at: datetime,
        unpriced_shares: Mapping[str, float],
    ) -> None:
        self._unpriced_shares = unpriced_shares
        self._priced = priced
        self._moment = moment
        self._known_at = known_at

    def snapshot(self, snapshot: PortfolioSnapshot) -> Row:
        is_complete = snapshot.grade is Grade.COMPLETE
        worth = snapshot.equity.wallets
        return {
            "user": snapshot.user,
            "slot": snapshot.slot,
            "at": snapshot.at,
            "interval_seconds": int(self._moment.interval.total_seconds()),
            "grade": str(snapshot.grade),
            "reason": snapshot.reason,
            "wallets_ok": sum(state.grade is Grade.OK for state in snapshot.wallets),
            "wallets_expected": sum(state.grade is not Grade.ABSENT for state in snapshot.wallets),
            "currency": self._moment.currency,
            "equity": known(snapshot.equity.total),
            "wallet_balance": _total(wallet.wallet_balance for wallet in worth) if is_complete else None,
            "unrealised_pnl": _total(wallet.unrealised_pnl for wallet in worth) if is_complete else None,
            **_exposure_columns(snapshot),
            "known_at": self._known_at,
            "opaque_value": known(snapshot.exposure.opaque) if snapshot.exposure else None,
            "wallets_absent": sum(state.grade is Grade.ABSENT for state in snapshot.wallets),
            "unpriced_share": known(self._unpriced_shares.get(snapshot.user)),
        }

    def wallets(self, snapshot: PortfolioSnapshot) -> list[Row]:
        worth = {(wallet.account, wallet.wallet): wallet for wallet in snapshot.equity.wallets}
        rows = []
        for state in snapshot.wallets:
            is_ok = state.grade is Grade.OK
            value = worth[state.account.name, str(state.wallet)] if is_ok else None
            rows.append(
                {
                    **_place(snapshot, state.account, str(state.wallet)),
                    "grade": str(state.grade),
                    "code": state.code,
                    "reason": state.reason,
                    "received_at": state.reading.received_at if state.reading else None,
                    "answers": _answers(state),
                    "currency": self._moment.currency,
                    "equity": known(value.equity) if value else None,
                    "wallet_balance": known(value.wallet_balance) if value else None,
                    "unrealised_pnl": known(value.unrealised_pnl) if value else None,
                    "age_seconds": _age(state, snapshot.at),
                    "is_carried": state.is_carried,
                    "orders_at": state.orders_at,
                    "known_at": self._known_at,
                    "margins": _margins(state.reading.margins) if state.reading else None,
                }
            )
        return rows

    def balances(self, snapshot: PortfolioSnapshot) -> list[Row]:
        rows: list[Row] = []
        for account, reading in _read(snapshot):
            place, prices = _place(snapshot, account, str(reading.wallet)), prices_of(account, self._priced).prices
            rows += [place | self._balance(balance, prices) for balance in reading.balances]
        return rows

    def _balance(self, balance: Balance, prices: Mapping[str, Price]) -> Row:
        price = prices.get(balance.asset)
        return {
            "asset": balance.asset,
            "quantity": stored(balance.quantity),
            "wallet_balance": stored_or_none(balance.wallet_balance),
            "unrealised_pnl": stored_or_none(balance.unrealised_pnl),
            "available": stored_or_none(balance.available),
            "currency": self._moment.currency,
            "price": known(price.price) if price else None,
            "value": known(balance_value(balance, prices)),
            "pair": balance.pair,
            "holding": str(balance.holding),
            "components": _components(balance.components),
        }

    def positions(self, snapshot: PortfolioSnapshot) -> list[Row]:
        return [
            {**_place(snapshot, account, str(reading.wallet)), **_position(position), **self._money(position, account)}
            for account, reading in _read(snapshot)
            for position in reading.positions
        ]

    def _money(self, position: Position, account: Account) -> Row:
        prices, currency = prices_of(account, self._priced).prices, self._moment.currency
        return {
            "currency": currency,
            "exposure": known(position_exposure(position, prices, currency=currency)),
            "unrealised_pnl": known(position_pnl(position, prices)),
        }

    def orders(self, snapshot: PortfolioSnapshot) -> list[Row]:
        return [{**_place(snapshot, account, str(order.wallet)), **_order(order)} for account, order in snapshot.orders]

    def prices(self) -> list[Row]:
        # Several origins of one venue share its name here; the real hosts come first.
        rows: dict[tuple[str, str], Row] = {}
        for origin in sorted(self._priced, key=lambda origin: (origin[0], origin[1] or "")):
            for price in self._priced[origin].prices.values():
                if price.asset != price.currency and math.isfinite(price.price):
                    rows.setdefault((origin[0], price.asset), self._price(origin[0], price))
        return list(rows.values())

    def _price(self, venue: str, price: Price) -> Row:
        return {
            "slot": self._moment.slot,
            "venue": venue,
            "asset": price.asset,
            "currency": price.currency,
            "price": price.price,
            "source": price.source,
            "route": ">".join(price.route),
            "priced_at": price.at,
            "kind": str(price.kind),
        }


def _each(snapshots: Sequence[PortfolioSnapshot], rows: Callable[[PortfolioSnapshot], list[Row]]) -> list[Row]:
    return [row for snapshot in snapshots for row in rows(snapshot)]


def _place(snapshot: PortfolioSnapshot, account: Account, wallet: str) -> Row:
    return {"user": snapshot.user, "slot": snapshot.slot, "account": account.name, "wallet": wallet}


def _read(snapshot: PortfolioSnapshot) -> list[tuple[Account, WalletReading]]:
    return [(state.account, state.reading) for state in snapshot.wallets if state.reading is not None]


@lru_cache(maxsize=65_536)
def _components(parts: tuple[tuple[str, Decimal], ...]) -> str | None:
    return json.dumps({name: format(amount, "f") for name, amount in parts}, sort_keys=True) if parts else None


def _margins(margins: tuple[Margin, ...]) -> str | None:
    rows = [
        {"asset": one.asset}
        | {name: format(amount, "f") for name in _MARGIN if (amount := getattr(one, name)) is not None}
        for one in margins
    ]
    return json.dumps(rows, sort_keys=True) if rows else None


_MARGIN = ("maintenance", "balance", "level", "debt_level")


def _age(state: WalletState, at: datetime) -> float | None:
    return None if state.reading is None else (at - state.reading.received_at).total_seconds()


def _answers(state: WalletState) -> str | None:
    if state.reading is None:
        return None
    return json.dumps({answer.endpoint: answer.sha256 for answer in state.reading.answers}, sort_keys=True)


def _exposure_columns(snapshot: PortfolioSnapshot) -> Row:
    book = snapshot.exposure
    return {
        "net_exposure": known(book.net) if book else None,
        "gross_exposure": known(book.gross) if book else None,
        "gross_instrument_exposure": known(book.gross_instrument) if book else None,
        "long_exposure": known(book.long) if book else None,
        "short_exposure": known(book.short) if book else None,
    }


def _total(values: Iterable[float | None]) -> float | None:
    known_values: list[float] = []
    for value in values:
        if value is None:
            return None
        known_values.append(value)
    return known(math.fsum(known_values))


def _position(position: Position) -> Row:
    return {
        "instrument": position.instrument,
        "underlying": position.underlying,
        "kind": str(position.kind),
        "side": position.side,
        "quantity": stored(position.quantity),
        "contracts": stored(position.contracts),
        "contract_size": stored(position.contract_size),
        "entry_price": stored(position.entry_price),
        "mark_price": stored(position.mark_price),
        "unrealised_pnl_settle": stored(position.unrealised_pnl),
        "settle_asset": position.settle_asset,
        "leverage_setting": stored_or_none(position.leverage_setting),
        "liquidation_price": stored_or_none(position.liquidation_price),
        "delta": stored_or_none(position.delta),
        "details_at": position.details_at,
        "maintenance_margin_settle": stored_or_none(position.maintenance_margin),
        "margin_balance_settle": stored_or_none(position.margin_balance),
        "margin_level": stored_or_none(position.margin_level),
    }


def _order(order: OpenOrder) -> Row:
    return {
        "order_id": order.order_id,
        "instrument": order.instrument,
        "underlying": order.underlying,
        "side": order.side,
        "order_type": order.order_type,
        "quantity": stored_or_none(order.quantity),
        "filled": stored_or_none(order.filled),
        "price": stored_or_none(order.price),
        "trigger_price": stored_or_none(order.trigger_price),
        "reduce_only": order.reduce_only,
        "placed_at": order.placed_at,
    }
