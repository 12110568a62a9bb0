"""The Arrow schema of every stored table: the contract between sync, store, engines and analysts.

Facts as a venue stated them are `decimal128(38, 18)`; what we derived is float64, and null
where it is unknown. Instants are microseconds in UTC; `day` labels are dates. Money is in the
`currency` column of its row unless its name ends in `_settle`. Every column carries its
meaning as field metadata, which `describe` turns into a frame for an analyst.

Changing a schema: add a column at the end and raise `version`. Nothing is ever renamed or
removed in place.
"""

from __future__ import annotations

import pyarrow as pa

from portfolio_lab.models.activity_tables import (
    ACCOUNTS,
    ATTESTATIONS,
    CASH_FLOWS,
    CURSORS,
    ESTIMATED_EQUITY,
    FILLS,
    INCOME,
    RESTATEMENTS,
    SUSPICIONS,
    TRANSFERS,
)
from portfolio_lab.models.columns import (
    ACCOUNT,
    AMOUNT,
    CURRENCY,
    INSTANT,
    KNOWN,
    SLOT,
    USER,
    WALLET,
    Table,
    column,
    unknown,
)

__all__ = [
    "ACCOUNTS",
    "AMOUNT",
    "ATTESTATIONS",
    "BALANCES",
    "CASH_FLOWS",
    "CURSORS",
    "ESTIMATED_EQUITY",
    "FILLS",
    "INCOME",
    "INSTANT",
    "OPEN_ORDERS",
    "PERFORMANCE_HISTORY",
    "PORTFOLIO_SNAPSHOTS",
    "POSITIONS",
    "PRICES",
    "RESTATEMENTS",
    "SUSPICIONS",
    "TABLES",
    "TRANSFERS",
    "USERS_PORTFOLIO_STATE",
    "WALLETS",
    "Table",
]

PORTFOLIO_SNAPSHOTS = Table(
    "portfolio_snapshots",
    2,
    ("user", "slot"),
    pa.schema(
        [
            USER,
            SLOT,
            column("at", INSTANT, "when the last wallet had answered"),
            column("interval_seconds", pa.int32(), "cadence that was promised when this was taken"),
            column("grade", pa.string(), "complete, stale, unpriced, suspect, partial or failed"),
            column("reason", pa.string(), "why it is not complete; empty when it is"),
            column("wallets_ok", pa.int32(), "wallets that were read, fresh and priced"),
            column("wallets_expected", pa.int32(), "wallets that are configured"),
            CURRENCY,
            unknown("equity", "equity; null unless the grade is complete"),
            unknown("wallet_balance", "sum of wallet balances; null unless complete"),
            unknown("unrealised_pnl", "sum of open positions' PnL; null unless complete"),
            unknown("net_exposure", "sum of signed exposure per underlying; null unless complete"),
            unknown("gross_exposure", "long + short after netting per underlying; null unless complete"),
            unknown("gross_instrument_exposure", "sum of notionals before netting; null unless complete"),
            unknown("long_exposure", "sum of positive nets; null unless complete"),
            unknown("short_exposure", "sum of negative nets, as a magnitude; null unless complete"),
            KNOWN,
            unknown("opaque_value", "value of bots and copy trading, whose exposure is unknown; null unless complete"),
            unknown("wallets_absent", "configured wallets that the account does not have", pa.int32()),
            unknown("unpriced_share", "last known worth of what has no price now / last complete equity; null if none"),
        ]
    ),
    latest=True,
)

WALLETS = Table(
    "wallets",
    4,
    ("user", "slot", "account", "wallet"),
    pa.schema(
        [
            USER,
            SLOT,
            ACCOUNT,
            WALLET,
            column("grade", pa.string(), "ok, stale, failed, unpriced, suspect or absent"),
            column("code", pa.string(), "stable code of the failure; empty when ok"),
            column("reason", pa.string(), "one sentence on the failure; empty when ok"),
            unknown("received_at", "when the oldest answer arrived; null when failed", INSTANT),
            unknown("answers", "SHA-256 of the raw answers by endpoint, as JSON", pa.string()),
            CURRENCY,
            unknown("equity", "equity of the wallet; null unless ok"),
            unknown("wallet_balance", "settled cash of the wallet; null unless ok"),
            unknown("unrealised_pnl", "open positions' PnL inside the wallet; null unless ok"),
            unknown("age_seconds", "age of its oldest answer when the snapshot was taken; null when failed or absent"),
            unknown("is_carried", "true where a slow wallet's last reading still held", pa.bool_()),
            unknown("known_at", "when this row was written", INSTANT),
            unknown("orders_at", "when its resting orders were last asked for; null when never", INSTANT),
            unknown(
                "margins",
                "margins that positions share, as JSON: asset, maintenance, balance, level; null when none is told",
                pa.string(),
            ),
        ]
    ),
    latest=True,
)

BALANCES = Table(
    "balances",
    2,
    ("user", "slot", "account", "wallet", "asset"),
    pa.schema(
        [
            USER,
            SLOT,
            ACCOUNT,
            WALLET,
            column("asset", pa.string(), "asset code"),
            column(
                "quantity",
                AMOUNT,
                "what counts for equity, in units of the asset, net of debt; margin balance in margin wallets",
            ),
            unknown("wallet_balance", "settled units; null in cash wallets", AMOUNT),
            unknown("unrealised_pnl", "open PnL in units of the asset; null in cash wallets", AMOUNT),
            unknown("available", "available balance as the venue states it", AMOUNT),
            CURRENCY,
            unknown("price", "price used for the value; null when unpriced"),
            unknown("value", "quantity x price; null when unpriced"),
            unknown("pair", "isolated-margin pair that holds it; empty elsewhere", pa.string()),
            unknown("holding", "held, ld_fallback or opaque", pa.string()),
            unknown("components", "all parts that the venue stated, as JSON of decimal texts", pa.string()),
        ]
    ),
)

POSITIONS = Table(
    "positions",
    4,
    ("user", "slot", "account", "instrument", "side"),
    pa.schema(
        [
            USER,
            SLOT,
            ACCOUNT,
            WALLET,
            column("instrument", pa.string(), "the venue's own name of the contract"),
            column("underlying", pa.string(), "asset that the contract follows"),
            column("kind", pa.string(), "linear, inverse, option or margin"),
            column("side", pa.string(), "book of the position: net, long or short"),
            column("quantity", AMOUNT, "signed base units: + long, - short"),
            column("contracts", AMOUNT, "number of contracts, never negative"),
            column("contract_size", AMOUNT, "base units (linear) or quote units (inverse) of one contract"),
            column("entry_price", AMOUNT, "average entry price, quote per base"),
            column("mark_price", AMOUNT, "the venue's mark price, quote per base"),
            column("unrealised_pnl_settle", AMOUNT, "open PnL in the settlement asset"),
            column("settle_asset", pa.string(), "asset in which the contract settles"),
            unknown("leverage_setting", "the venue's leverage slider, not our leverage", AMOUNT),
            unknown("liquidation_price", "the venue's liquidation price; null when it states none", AMOUNT),
            CURRENCY,
            unknown("exposure", "quantity x mark, signed; null when unpriced"),
            unknown("unrealised_pnl", "open PnL in the reporting currency; null when unpriced"),
            unknown("delta", "an option's delta for one unit bought; null for everything else", AMOUNT),
            unknown("details_at", "when entry and liquidation price were stated; null: with all the rest", INSTANT),
            unknown("maintenance_margin_settle", "what maintenance of this position needs; null when not told", AMOUNT),
            unknown("margin_balance_settle", "margin + PnL of an isolated position; null in cross margin", AMOUNT),
            unknown("margin_level", "the venue's margin balance / maintenance; null when it states none", AMOUNT),
        ]
    ),
)

OPEN_ORDERS = Table(
    "open_orders",
    1,
    ("user", "slot", "account", "wallet", "order_id"),
    pa.schema(
        [
            USER,
            SLOT,
            ACCOUNT,
            WALLET,
            column("order_id", pa.string(), "the venue's order id"),
            column("instrument", pa.string(), "the venue's own name of the instrument"),
            column("underlying", pa.string(), "asset that the instrument follows"),
            column("side", pa.string(), "buy or sell"),
            column("order_type", pa.string(), "limit, market, stop ... in lower case"),
            unknown("quantity", "base units ordered; null when sized otherwise and without a price", AMOUNT),
            unknown("filled", "base units filled so far; null when quantity is", AMOUNT),
            unknown("price", "limit price, quote per base; null when it trades at market", AMOUNT),
            unknown("trigger_price", "trigger price; null when the order rests at once", AMOUNT),
            column("reduce_only", pa.bool_(), "true when it can only close"),
            column("placed_at", INSTANT, "when it was placed"),
        ]
    ),
)

PRICES = Table(
    "prices",
    2,
    ("slot", "venue", "asset"),
    pa.schema(
        [
            SLOT,
            column("venue", pa.string(), "venue whose market gave the price"),
            column("asset", pa.string(), "asset code"),
            CURRENCY,
            column("price", pa.float64(), "reporting currency per unit"),
            column("source", pa.string(), "sources of its legs"),
            column("route", pa.string(), "assets passed through, joined by '>'"),
            column("priced_at", INSTANT, "time of the oldest leg; age = slot - priced_at"),
            unknown("kind", "market, peg, wrapper, second_venue or last_known", pa.string()),
        ]
    ),
)

USERS_PORTFOLIO_STATE = Table(
    "users_portfolio_state",
    1,
    ("user",),
    pa.schema(
        [
            USER,
            SLOT,
            column("at", INSTANT, "when the last wallet of the newest snapshot had answered"),
            column("grade", pa.string(), "grade of the newest snapshot"),
            column("reason", pa.string(), "why it is not complete; empty when it is"),
            CURRENCY,
            unknown("complete_slot", "slot of the last complete snapshot", INSTANT),
            unknown("equity", "equity of the last complete snapshot"),
            unknown("unrealised_pnl", "open positions' PnL of the last complete snapshot"),
            unknown("gross_exposure", "gross exposure of the last complete snapshot"),
            unknown("net_exposure", "net exposure of the last complete snapshot"),
            unknown("day", "last UTC day that performance_history holds", pa.date32()),
            unknown("flows_until", "cash flows of all accounts are known up to here", INSTANT),
            KNOWN,
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
            USER,
            column("day", pa.date32(), "UTC day, half-open [00:00, 24:00)"),
            CURRENCY,
            unknown("opening_equity", "last complete equity at or before the day's start"),
            unknown("closing_equity", "last complete equity at or before the day's end"),
            unknown("cash_flow", "external flows of the day, + in, - out; null when a flow has no value"),
            unknown("pnl", "closing - opening - cash flow; null when no snapshot or no value tells"),
            unknown("day_return", "time-weighted return of the day, a fraction; null where the chain is broken"),
            column("snapshots_complete", pa.int32(), "complete snapshots inside the day"),
            column("snapshots_taken", pa.int32(), "all snapshots inside the day"),
            column("estimated", pa.bool_(), "true when a gap was too long or a large flow fell into one"),
            KNOWN,
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
        TRANSFERS,
        FILLS,
        INCOME,
        CURSORS,
        RESTATEMENTS,
        ATTESTATIONS,
        SUSPICIONS,
        ESTIMATED_EQUITY,
        ACCOUNTS,
        USERS_PORTFOLIO_STATE,
        PERFORMANCE_HISTORY,
    )
}
"""Every stored table by name."""
