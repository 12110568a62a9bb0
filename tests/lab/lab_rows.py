"""Rows of an invented book: alice, two wallets, a snapshot every six hours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from portfolio_lab.models.tables import TABLES
from portfolio_lab.store import Store

START = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(hours=6)
ACCOUNT = "binance:main"

Row = dict[str, Any]


def amount(value: float) -> Decimal:
    return Decimal(str(value)).quantize(Decimal("1e-12"))


def bitcoin(place: int) -> float:
    """Price by place: a zigzag that rises, falls by half and recovers."""
    return 100.0 + (place % 7) * 3 - (50.0 if 60 <= place < 70 else 0.0) + place * 0.1


def book(place: int, *, grade: str = "complete") -> dict[str, list[Row]]:
    """One slot of alice: 2 BTC in spot, 100 USDT in futures against a short of 1 BTC; +100 USDT at place 81."""
    slot, price = START + place * STEP, bitcoin(place)
    tether = 100.0 if place < 81 else 200.0
    pnl = 100.0 - price
    key = {"user": "alice", "slot": slot}
    spot, usd_m = {**key, "account": ACCOUNT, "wallet": "spot"}, {**key, "account": ACCOUNT, "wallet": "usd_m"}
    complete = grade == "complete"
    equity = 2 * price + tether + pnl
    net = price
    return {
        "portfolio_snapshots": [
            {
                **key,
                "at": slot,
                "interval_seconds": 21_600,
                "grade": grade,
                "reason": "" if complete else "spot did not answer",
                "wallets_ok": 2 if complete else 1,
                "wallets_expected": 2,
                "currency": "USD",
                "equity": equity if complete else None,
                "unrealised_pnl": pnl if complete else None,
                "net_exposure": net if complete else None,
                "gross_exposure": net if complete else None,
                "known_at": slot,
            }
        ],
        "wallets": [
            {**spot, "grade": "ok" if complete else "failed", "code": "", "reason": "", "currency": "USD"},
            {**usd_m, "grade": "ok", "code": "", "reason": "", "currency": "USD", "equity": tether + pnl},
        ],
        "balances": [
            {**usd_m, "asset": "USDT", "currency": "USD", "price": 1.0, "value": tether + pnl}
            | {"quantity": amount(tether + pnl), "wallet_balance": amount(tether), "unrealised_pnl": amount(pnl)},
            *(
                [{**spot, "asset": "BTC", "quantity": amount(2), "currency": "USD", "price": price, "value": 2 * price}]
                if complete
                else []
            ),
        ],
        "positions": [
            {
                **usd_m,
                "instrument": "BTCUSDT",
                "underlying": "BTC",
                "kind": "linear",
                "side": "net",
                "quantity": amount(-1),
                "contracts": amount(1),
                "contract_size": amount(1),
                "entry_price": amount(100),
                "mark_price": amount(price),
                "unrealised_pnl_settle": amount(pnl),
                "settle_asset": "USDT",
                "currency": "USD",
                "exposure": -price,
                "unrealised_pnl": pnl,
            }
        ],
        "prices": [
            {"slot": slot, "venue": "binance", "asset": asset, "currency": "USD", "price": value}
            | {"source": "test", "route": f"{asset}>USD", "priced_at": slot}
            for asset, value in (("BTC", price), ("USDT", 1.0))
        ],
        "users_portfolio_state": [
            {
                **key,
                "at": slot,
                "grade": grade,
                "reason": "",
                "currency": "USD",
                "complete_slot": slot if complete else None,
                "equity": equity if complete else None,
                "known_at": slot,
            }
        ],
    }


def deposit() -> Row:
    """100 USDT on 2026-01-21 at 03:00, which place 81 is the first to show."""
    return {
        "user": "alice",
        "account": ACCOUNT,
        "kind": "deposit",
        "flow_id": "1",
        "at": datetime(2026, 1, 21, 3, tzinfo=UTC),
        "asset": "USDT",
        "quantity": amount(100),
        "fee": amount(0),
        "txid": "",
        "currency": "USD",
        "price": 1.0,
        "value": 100.0,
        "known_at": START,
    }


def commit(store: Store, rows: Mapping[str, list[Row]], slot: datetime) -> None:
    tables = {name: pa.Table.from_pylist(list(found), schema=TABLES[name].schema) for name, found in rows.items()}
    store.commit(tables, slot=slot, writer="test", sync_id=f"sync-{slot:%Y%m%d%H%M}")


def closed_day(day: date, equity: float) -> Row:
    """A stored row of performance_history that the snapshots would not give: it tells who is believed."""
    return {
        "user": "alice",
        "day": day,
        "currency": "USD",
        "opening_equity": equity,
        "closing_equity": equity,
        "cash_flow": 0.0,
        "pnl": 0.0,
        "day_return": 0.0,
        "snapshots_complete": 4,
        "snapshots_taken": 4,
        "estimated": False,
        "known_at": START,
    }
