"""The Arrow schema of every stored table: the contract between sync, store, engines and analysts.

Facts as a venue stated them are `decimal128(38, 18)`; what we derived is float64, and null
where it is unknown. Instants are microseconds in UTC; `day` labels are dates. Money is in the
`currency` column of its row unless its name ends in `_settle`. Every column carries its
meaning as field metadata, which `describe` turns into a frame for an analyst.

Changing a schema: add a column at the end and raise `version`. Nothing is ever renamed or
removed in place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

AMOUNT = pa.decimal128(38, 18)
INSTANT = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class Table:
    """One stored table.

    `key` names the columns that make a row unique; in a table with `latest=True` the row that
    was committed last supersedes the older ones of the same key.
    """

    name: str
    version: int
    key: tuple[str, ...]
    schema: pa.Schema
    latest: bool = False


def _field(name: str, kind: pa.DataType, doc: str, *, nullable: bool = False) -> pa.Field[Any]:
    return pa.field(name, kind, nullable=nullable, metadata={"doc": doc})


_SLOT = _field("slot", INSTANT, "the time that was due: the row's place on the time axis")
_USER = _field("user", pa.string(), "user name")
_ACCOUNT = _field("account", pa.string(), "venue:label of the account")
_WALLET = _field("wallet", pa.string(), "wallet inside the account")
_CURRENCY = _field("currency", pa.string(), "reporting currency of the money in this row")
_KNOWN = _field("known_at", INSTANT, "when this row was written: what was known, and when")


def _unknown(name: str, doc: str, kind: pa.DataType | None = None) -> pa.Field[Any]:
    return _field(name, kind or pa.float64(), doc, nullable=True)


PORTFOLIO_SNAPSHOTS = Table(
    "portfolio_snapshots",
    1,
    ("user", "slot"),
    pa.schema(
        [
            _USER,
            _SLOT,
            _field("at", INSTANT, "when the last wallet had answered"),
            _field("interval_seconds", pa.int32(), "cadence that was promised when this was taken"),
            _field("grade", pa.string(), "complete, stale, unpriced, partial or failed"),
            _field("reason", pa.string(), "why it is not complete; empty when it is"),
            _field("wallets_ok", pa.int32(), "wallets that were read, fresh and priced"),
            _field("wallets_expected", pa.int32(), "wallets that are configured"),
            _CURRENCY,
            _unknown("equity", "equity; null unless the grade is complete"),
            _unknown("wallet_balance", "sum of wallet balances; null unless complete"),
            _unknown("unrealised_pnl", "sum of open positions' PnL; null unless complete"),
            _unknown("net_exposure", "sum of signed exposure per underlying; null unless complete"),
            _unknown("gross_exposure", "long + short after netting per underlying; null unless complete"),
            _unknown("gross_instrument_exposure", "sum of notionals before netting; null unless complete"),
            _unknown("long_exposure", "sum of positive nets; null unless complete"),
            _unknown("short_exposure", "sum of negative nets, as a magnitude; null unless complete"),
            _KNOWN,
        ]
    ),
)

WALLETS = Table(
    "wallets",
    1,
    ("user", "slot", "account", "wallet"),
    pa.schema(
        [
            _USER,
            _SLOT,
            _ACCOUNT,
            _WALLET,
            _field("grade", pa.string(), "ok, stale, failed or unpriced"),
            _field("code", pa.string(), "stable code of the failure; empty when ok"),
            _field("reason", pa.string(), "one sentence on the failure; empty when ok"),
            _unknown("received_at", "when the oldest answer arrived; null when failed", INSTANT),
            _unknown("answers", "SHA-256 of the raw answers by endpoint, as JSON", pa.string()),
            _CURRENCY,
            _unknown("equity", "equity of the wallet; null unless ok"),
            _unknown("wallet_balance", "settled cash of the wallet; null unless ok"),
            _unknown("unrealised_pnl", "open positions' PnL inside the wallet; null unless ok"),
        ]
    ),
)

BALANCES = Table(
    "balances",
    1,
    ("user", "slot", "account", "wallet", "asset"),
    pa.schema(
        [
            _USER,
            _SLOT,
            _ACCOUNT,
            _WALLET,
            _field("asset", pa.string(), "asset code"),
            _field(
                "quantity",
                AMOUNT,
                "what counts for equity, in units of the asset, net of debt; margin balance in margin wallets",
            ),
            _unknown("wallet_balance", "settled units; null in cash wallets", AMOUNT),
            _unknown("unrealised_pnl", "open PnL in units of the asset; null in cash wallets", AMOUNT),
            _unknown("available", "available balance as the venue states it", AMOUNT),
            _CURRENCY,
            _unknown("price", "price used for the value; null when unpriced"),
            _unknown("value", "quantity x price; null when unpriced"),
        ]
    ),
)

POSITIONS = Table(
    "positions",
    1,
    ("user", "slot", "account", "instrument", "side"),
    pa.schema(
        [
            _USER,
            _SLOT,
            _ACCOUNT,
            _WALLET,
            _field("instrument", pa.string(), "the venue's own name of the contract"),
            _field("underlying", pa.string(), "asset that the contract follows"),
            _field("kind", pa.string(), "linear, inverse, option or margin"),
            _field("side", pa.string(), "book of the position: net, long or short"),
            _field("quantity", AMOUNT, "signed base units: + long, - short"),
            _field("contracts", AMOUNT, "number of contracts, never negative"),
            _field("contract_size", AMOUNT, "base units (linear) or quote units (inverse) of one contract"),
            _field("entry_price", AMOUNT, "average entry price, quote per base"),
            _field("mark_price", AMOUNT, "the venue's mark price, quote per base"),
            _field("unrealised_pnl_settle", AMOUNT, "open PnL in the settlement asset"),
            _field("settle_asset", pa.string(), "asset in which the contract settles"),
            _unknown("leverage_setting", "the venue's leverage slider, not our leverage", AMOUNT),
            _unknown("liquidation_price", "the venue's liquidation price; null when it states none", AMOUNT),
            _CURRENCY,
            _unknown("exposure", "quantity x mark, signed; null when unpriced"),
            _unknown("unrealised_pnl", "open PnL in the reporting currency; null when unpriced"),
        ]
    ),
)

OPEN_ORDERS = Table(
    "open_orders",
    1,
    ("user", "slot", "account", "wallet", "order_id"),
    pa.schema(
        [
            _USER,
            _SLOT,
            _ACCOUNT,
            _WALLET,
            _field("order_id", pa.string(), "the venue's order id"),
            _field("instrument", pa.string(), "the venue's own name of the instrument"),
            _field("underlying", pa.string(), "asset that the instrument follows"),
            _field("side", pa.string(), "buy or sell"),
            _field("order_type", pa.string(), "limit, market, stop ... in lower case"),
            _unknown("quantity", "base units ordered; null when sized otherwise and without a price", AMOUNT),
            _unknown("filled", "base units filled so far; null when quantity is", AMOUNT),
            _unknown("price", "limit price, quote per base; null when it trades at market", AMOUNT),
            _unknown("trigger_price", "trigger price; null when the order rests at once", AMOUNT),
            _field("reduce_only", pa.bool_(), "true when it can only close"),
            _field("placed_at", INSTANT, "when it was placed"),
        ]
    ),
)

PRICES = Table(
    "prices",
    1,
    ("slot", "venue", "asset"),
    pa.schema(
        [
            _SLOT,
            _field("venue", pa.string(), "venue whose market gave the price"),
            _field("asset", pa.string(), "asset code"),
            _CURRENCY,
            _field("price", pa.float64(), "reporting currency per unit"),
            _field("source", pa.string(), "sources of its legs"),
            _field("route", pa.string(), "assets passed through, joined by '>'"),
            _field("priced_at", INSTANT, "time of the oldest leg; age = slot - priced_at"),
        ]
    ),
)

CASH_FLOWS = Table(
    "cash_flows",
    1,
    ("user", "account", "kind", "flow_id"),
    pa.schema(
        [
            _USER,
            _ACCOUNT,
            _field("kind", pa.string(), "deposit or withdrawal"),
            _field("flow_id", pa.string(), "the venue's id, unique within account and kind"),
            _field("at", INSTANT, "when the money crossed the border"),
            _field("asset", pa.string(), "asset code"),
            _field("quantity", AMOUNT, "+ in, - out, network fee included"),
            _field("fee", AMOUNT, "network fee, as a magnitude, in units of the asset"),
            _field("txid", pa.string(), "transaction id on the chain; empty when there is none"),
            _CURRENCY,
            _unknown("price", "price at the flow's own time or the nearest known slot; null when unknown"),
            _unknown("value", "quantity x price; null when unknown"),
            _KNOWN,
        ]
    ),
    latest=True,
)

USERS_PORTFOLIO_STATE = Table(
    "users_portfolio_state",
    1,
    ("user",),
    pa.schema(
        [
            _USER,
            _SLOT,
            _field("at", INSTANT, "when the last wallet of the newest snapshot had answered"),
            _field("grade", pa.string(), "grade of the newest snapshot"),
            _field("reason", pa.string(), "why it is not complete; empty when it is"),
            _CURRENCY,
            _unknown("complete_slot", "slot of the last complete snapshot", INSTANT),
            _unknown("equity", "equity of the last complete snapshot"),
            _unknown("unrealised_pnl", "open positions' PnL of the last complete snapshot"),
            _unknown("gross_exposure", "gross exposure of the last complete snapshot"),
            _unknown("net_exposure", "net exposure of the last complete snapshot"),
            _unknown("day", "last UTC day that performance_history holds", pa.date32()),
            _unknown("flows_until", "cash flows of all accounts are known up to here", INSTANT),
            _KNOWN,
        ]
    ),
    latest=True,
)

PERFORMANCE_HISTORY = Table(
    "performance_history",
    1,
    ("user", "day"),
    pa.schema(
        [
            _USER,
            _field("day", pa.date32(), "UTC day, half-open [00:00, 24:00)"),
            _CURRENCY,
            _unknown("opening_equity", "last complete equity at or before the day's start"),
            _unknown("closing_equity", "last complete equity at or before the day's end"),
            _unknown("cash_flow", "external flows of the day, + in, - out; null when a flow has no value"),
            _unknown("pnl", "closing - opening - cash flow; null when no snapshot or no value tells"),
            _unknown("day_return", "time-weighted return of the day, a fraction; null where the chain is broken"),
            _field("snapshots_complete", pa.int32(), "complete snapshots inside the day"),
            _field("snapshots_taken", pa.int32(), "all snapshots inside the day"),
            _field("estimated", pa.bool_(), "true when a gap was too long or a large flow fell into one"),
            _KNOWN,
        ]
    ),
    latest=True,
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        PORTFOLIO_SNAPSHOTS,
        WALLETS,
        BALANCES,
        POSITIONS,
        OPEN_ORDERS,
        PRICES,
        CASH_FLOWS,
        USERS_PORTFOLIO_STATE,
        PERFORMANCE_HISTORY,
    )
}
"""Every stored table by name."""
