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
    2,
    ("user", "slot"),
    pa.schema(
        [
            _USER,
            _SLOT,
            _field("at", INSTANT, "when the last wallet had answered"),
            _field("interval_seconds", pa.int32(), "cadence that was promised when this was taken"),
            _field("grade", pa.string(), "complete, stale, unpriced, suspect, partial or failed"),
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
            _unknown("opaque_value", "value of bots and copy trading, whose exposure is unknown; null unless complete"),
            _unknown("wallets_absent", "configured wallets that the account does not have", pa.int32()),
            _unknown(
                "unpriced_share", "last known worth of what has no price now / last complete equity; null if none"
            ),
        ]
    ),
    latest=True,
)

WALLETS = Table(
    "wallets",
    2,
    ("user", "slot", "account", "wallet"),
    pa.schema(
        [
            _USER,
            _SLOT,
            _ACCOUNT,
            _WALLET,
            _field("grade", pa.string(), "ok, stale, failed, unpriced, suspect or absent"),
            _field("code", pa.string(), "stable code of the failure; empty when ok"),
            _field("reason", pa.string(), "one sentence on the failure; empty when ok"),
            _unknown("received_at", "when the oldest answer arrived; null when failed", INSTANT),
            _unknown("answers", "SHA-256 of the raw answers by endpoint, as JSON", pa.string()),
            _CURRENCY,
            _unknown("equity", "equity of the wallet; null unless ok"),
            _unknown("wallet_balance", "settled cash of the wallet; null unless ok"),
            _unknown("unrealised_pnl", "open positions' PnL inside the wallet; null unless ok"),
            _unknown("age_seconds", "age of its oldest answer when the snapshot was taken; null when failed or absent"),
            _unknown("is_carried", "true where a slow wallet's last reading still held", pa.bool_()),
            _unknown("known_at", "when this row was written", INSTANT),
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
            _unknown("pair", "isolated-margin pair that holds it; empty elsewhere", pa.string()),
            _unknown("holding", "held, ld_fallback or opaque", pa.string()),
            _unknown("components", "all parts that the venue stated, as JSON of decimal texts", pa.string()),
        ]
    ),
)

POSITIONS = Table(
    "positions",
    2,
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
            _unknown("delta", "an option's delta for one unit bought; null for everything else", AMOUNT),
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
    2,
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
            _unknown("kind", "market, peg, wrapper, second_venue or last_known", pa.string()),
        ]
    ),
)

CASH_FLOWS = Table(
    "cash_flows",
    2,
    ("user", "account", "kind", "flow_id"),
    pa.schema(
        [
            _USER,
            _ACCOUNT,
            _field("kind", pa.string(), "deposit, withdrawal, transfer_in, transfer_out, fiat, pay, joined or left"),
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
            _unknown("scope", "external, or internal when its other end is an own account", pa.string()),
            _unknown("pair_id", "what the two ends of an internal move share; null when external", pa.string()),
            _unknown("network", "network it travelled on, as the venue names it", pa.string()),
            _unknown("wallet", "wallet it arrived at or left; null where the venue does not tell", pa.string()),
        ]
    ),
    latest=True,
)

TRANSFERS = Table(
    "transfers",
    1,
    ("user", "account", "transfer_id"),
    pa.schema(
        [
            _USER,
            _ACCOUNT,
            _field("transfer_id", pa.string(), "the venue's id, unique within the account"),
            _field("at", INSTANT, "when it was made"),
            _field("asset", pa.string(), "asset code"),
            _field("quantity", AMOUNT, "units moved, never negative"),
            _unknown("source", "wallet it left; null when outside this account", pa.string()),
            _unknown("target", "wallet it reached; null when outside this account", pa.string()),
            _field("counterparty", pa.string(), "the other account as the venue names it; empty within one account"),
            _KNOWN,
        ]
    ),
    latest=True,
)

FILLS = Table(
    "fills",
    1,
    ("user", "account", "wallet", "instrument", "fill_id"),
    pa.schema(
        [
            _USER,
            _ACCOUNT,
            _WALLET,
            _field("instrument", pa.string(), "the venue's own name of the instrument"),
            _field("fill_id", pa.string(), "the venue's id of the trade"),
            _field("order_id", pa.string(), "the venue's id of the order"),
            _field("at", INSTANT, "when it traded"),
            _field("underlying", pa.string(), "asset that the instrument follows"),
            _field("side", pa.string(), "buy or sell"),
            _field("position_side", pa.string(), "book of the position: net, long or short"),
            _field("quantity", AMOUNT, "base units, never negative"),
            _field("price", AMOUNT, "quote per base"),
            _field("fee", AMOUNT, "- paid, + rebate, in fee_asset"),
            _field("fee_asset", pa.string(), "asset of the fee"),
            _unknown("realised_pnl", "PnL that it realised, in settle_asset; null where the venue states none", AMOUNT),
            _field("settle_asset", pa.string(), "asset in which the instrument settles; empty in spot"),
            _field("is_maker", pa.bool_(), "true when our order rested"),
            _KNOWN,
        ]
    ),
    latest=True,
)

INCOME = Table(
    "income",
    1,
    ("user", "account", "kind", "income_id"),
    pa.schema(
        [
            _USER,
            _ACCOUNT,
            _field(
                "kind", pa.string(), "funding, realised_pnl, commission, interest ... (models.activity.INCOME_KINDS)"
            ),
            _field("income_id", pa.string(), "id of the row, unique within account and kind"),
            _field("at", INSTANT, "when it was booked"),
            _field("venue_kind", pa.string(), "the venue's own word for it"),
            _unknown("wallet", "wallet it was booked in; null where the venue does not tell", pa.string()),
            _field("asset", pa.string(), "asset code"),
            _field("quantity", AMOUNT, "+ received, - paid"),
            _field("instrument", pa.string(), "instrument it belongs to; empty when none"),
            _field("reference", pa.string(), "what rows of one event share; empty when none"),
            _field("is_promotion", pa.bool_(), "true for gifts and trial funds, which no trading earned"),
            _KNOWN,
        ]
    ),
    latest=True,
)

CURSORS = Table(
    "cursors",
    1,
    ("user", "account", "stream"),
    pa.schema(
        [
            _USER,
            _ACCOUNT,
            _field("stream", pa.string(), "stream of activity"),
            _field("at", INSTANT, "when the step was taken"),
            _field("cursor", pa.string(), "where the next step continues: opaque JSON"),
            _unknown("known_since", "everything from here on has been read", INSTANT),
            _unknown("known_until", "everything before here has been read", INSTANT),
            _field("is_backfilled", pa.bool_(), "true when the old end has reached what the venue keeps"),
            _field("progress", pa.float64(), "share of the backfill that is done, 0 to 1"),
            _KNOWN,
        ]
    ),
    latest=True,
)

RESTATEMENTS = Table(
    "restatements",
    1,
    ("user", "account", "table", "row_id", "known_at"),
    pa.schema(
        [
            _USER,
            _ACCOUNT,
            _field("table", pa.string(), "table whose past changed"),
            _field("row_id", pa.string(), "id of the row in that table"),
            _field("at", INSTANT, "the time that the row is about"),
            _field("reason", pa.string(), "late: reported after its time had been read; changed; confirmed"),
            _field("detail", pa.string(), "what it said before, as JSON; empty when there was nothing"),
            _KNOWN,
        ]
    ),
)

ATTESTATIONS = Table(
    "attestations",
    1,
    ("user", "slot", "account", "scope"),
    pa.schema(
        [
            _USER,
            _SLOT,
            _ACCOUNT,
            _field("scope", pa.string(), "wallet, total, or the venue's own name of a wallet that we do not know"),
            _CURRENCY,
            _unknown("ours", "our equity of the scope; null when it was not known"),
            _unknown("theirs", "the venue's own figure; null when it cannot be priced"),
            _unknown("difference", "ours - theirs; null when either is unknown"),
            _unknown("share", "|difference| / the account's equity, a fraction; null when unknown"),
            _field("verdict", pa.string(), "agrees, differs, unknown_wallet or not_compared"),
            _field("reason", pa.string(), "one sentence; empty when it agrees"),
            _unknown("answers", "SHA-256 of the raw answers by endpoint, as JSON", pa.string()),
            _KNOWN,
        ]
    ),
)

SUSPICIONS = Table(
    "suspicions",
    1,
    ("user", "account", "wallet", "asset", "first_slot"),
    pa.schema(
        [
            _USER,
            _ACCOUNT,
            _WALLET,
            _field("asset", pa.string(), "asset code"),
            _field("first_slot", INSTANT, "slot at which it was first seen"),
            _field("slot", INSTANT, "slot at which it was last seen"),
            _field("kind", pa.string(), "vanished or jumped"),
            _field("before", AMOUNT, "quantity in the last complete snapshot"),
            _field("seen", AMOUNT, "quantity that was stated instead"),
            _field("sightings", pa.int32(), "how often in a row it was seen"),
            _field("state", pa.string(), "pending, confirmed, explained or withdrawn"),
            _field("reason", pa.string(), "what decided it"),
            _KNOWN,
        ]
    ),
    latest=True,
)

ESTIMATED_EQUITY = Table(
    "estimated_equity",
    1,
    ("user", "account", "wallet", "day", "asset"),
    pa.schema(
        [
            _USER,
            _ACCOUNT,
            _WALLET,
            _field("day", pa.date32(), "UTC day at whose end it stood so"),
            _field("asset", pa.string(), "asset code"),
            _field("quantity", AMOUNT, "units, as the venue still tells"),
            _CURRENCY,
            _unknown("price", "reporting currency per unit at that day; null when unknown"),
            _unknown("value", "quantity x price; null when unknown"),
            _field("source", pa.string(), "backfill: which of the venue's records it comes from"),
            _KNOWN,
        ]
    ),
    latest=True,
)

ACCOUNTS = Table(
    "accounts",
    1,
    ("user", "account"),
    pa.schema(
        [
            _USER,
            _ACCOUNT,
            _field("at", INSTANT, "when the venue was asked"),
            _field("uid", pa.string(), "the venue's id of the account"),
            _field("main_uid", pa.string(), "the venue's id of its master; empty when it is the master"),
            _field("mode", pa.string(), "how the venue keeps it: spot, futures, multi_currency, portfolio_margin"),
            _field("is_read_only", pa.bool_(), "true when the key can do nothing but read"),
            _unknown(
                "is_ip_bound", "true when the key works from listed addresses only; null when unknown", pa.bool_()
            ),
            _field("first_slot", INSTANT, "slot of its first complete reading"),
            _field("is_attested", pa.bool_(), "false for a venue whose answers have no strict shape"),
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
