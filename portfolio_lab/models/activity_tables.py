"""The stored tables of what happened, and of what we know about our own knowledge: see `tables`."""

from __future__ import annotations

import pyarrow as pa

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

CASH_FLOWS = Table(
    "cash_flows",
    2,
    ("user", "account", "kind", "flow_id"),
    pa.schema(
        [
            USER,
            ACCOUNT,
            column("kind", pa.string(), "deposit, withdrawal, transfer_in, transfer_out, fiat, pay, joined or left"),
            column("flow_id", pa.string(), "the venue's id, unique within account and kind"),
            column("at", INSTANT, "when the money crossed the border"),
            column("asset", pa.string(), "asset code"),
            column("quantity", AMOUNT, "+ in, - out, network fee included"),
            column("fee", AMOUNT, "network fee, as a magnitude, in units of the asset"),
            column("txid", pa.string(), "transaction id on the chain; empty when there is none"),
            CURRENCY,
            unknown("price", "price at the flow's own time or the nearest known slot; null when unknown"),
            unknown("value", "quantity x price; null when unknown"),
            KNOWN,
            unknown("scope", "external, or internal when its other end is an own account", pa.string()),
            unknown("pair_id", "what the two ends of an internal move share; null when external", pa.string()),
            unknown("network", "network it travelled on, as the venue names it", pa.string()),
            unknown("wallet", "wallet it arrived at or left; null where the venue does not tell", pa.string()),
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
            USER,
            ACCOUNT,
            column("transfer_id", pa.string(), "the venue's id, unique within the account"),
            column("at", INSTANT, "when it was made"),
            column("asset", pa.string(), "asset code"),
            column("quantity", AMOUNT, "units moved, never negative"),
            unknown("source", "wallet it left; null when outside this account", pa.string()),
            unknown("target", "wallet it reached; null when outside this account", pa.string()),
            column("counterparty", pa.string(), "the other account as the venue names it; empty within one account"),
            KNOWN,
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
            USER,
            ACCOUNT,
            WALLET,
            column("instrument", pa.string(), "the venue's own name of the instrument"),
            column("fill_id", pa.string(), "the venue's id of the trade"),
            column("order_id", pa.string(), "the venue's id of the order"),
            column("at", INSTANT, "when it traded"),
            column("underlying", pa.string(), "asset that the instrument follows"),
            column("side", pa.string(), "buy or sell"),
            column("position_side", pa.string(), "book of the position: net, long or short"),
            column("quantity", AMOUNT, "base units, never negative"),
            column("price", AMOUNT, "quote per base"),
            column("fee", AMOUNT, "- paid, + rebate, in fee_asset"),
            column("fee_asset", pa.string(), "asset of the fee"),
            unknown("realised_pnl", "PnL that it realised, in settle_asset; null where the venue states none", AMOUNT),
            column("settle_asset", pa.string(), "asset in which the instrument settles; empty in spot"),
            column("is_maker", pa.bool_(), "true when our order rested"),
            KNOWN,
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
            USER,
            ACCOUNT,
            column(
                "kind", pa.string(), "funding, realised_pnl, commission, interest ... (models.activity.INCOME_KINDS)"
            ),
            column("income_id", pa.string(), "id of the row, unique within account and kind"),
            column("at", INSTANT, "when it was booked"),
            column("venue_kind", pa.string(), "the venue's own word for it"),
            unknown("wallet", "wallet it was booked in; null where the venue does not tell", pa.string()),
            column("asset", pa.string(), "asset code"),
            column("quantity", AMOUNT, "+ received, - paid"),
            column("instrument", pa.string(), "instrument it belongs to; empty when none"),
            column("reference", pa.string(), "what rows of one event share; empty when none"),
            column("is_promotion", pa.bool_(), "true for gifts and trial funds, which no trading earned"),
            KNOWN,
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
            USER,
            ACCOUNT,
            column("stream", pa.string(), "stream of activity"),
            column("at", INSTANT, "when the step was taken"),
            column("cursor", pa.string(), "where the next step continues: opaque JSON"),
            unknown("known_since", "everything from here on has been read", INSTANT),
            unknown("known_until", "everything before here has been read", INSTANT),
            column("is_backfilled", pa.bool_(), "true when the old end has reached what the venue keeps"),
            column("progress", pa.float64(), "share of the backfill that is done, 0 to 1"),
            KNOWN,
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
            USER,
            ACCOUNT,
            column("table", pa.string(), "table whose past changed"),
            column("row_id", pa.string(), "id of the row in that table"),
            column("at", INSTANT, "the time that the row is about"),
            column("reason", pa.string(), "late, changed, completed, confirmed, in_transit or parted"),
            column("detail", pa.string(), "what it said before (and after), as JSON; empty when there was nothing"),
            KNOWN,
        ]
    ),
)

ATTESTATIONS = Table(
    "attestations",
    1,
    ("user", "slot", "account", "scope"),
    pa.schema(
        [
            USER,
            SLOT,
            ACCOUNT,
            column("scope", pa.string(), "wallet, total, or the venue's own name of a wallet that we do not know"),
            CURRENCY,
            unknown("ours", "our equity of the scope; null when it was not known"),
            unknown("theirs", "the venue's own figure; null when it cannot be priced"),
            unknown("difference", "ours - theirs; null when either is unknown"),
            unknown("share", "|difference| / the account's equity, a fraction; null when unknown"),
            column("verdict", pa.string(), "agrees, differs, unknown_wallet or not_compared"),
            column("reason", pa.string(), "one sentence; empty when it agrees"),
            unknown("answers", "SHA-256 of the raw answers by endpoint, as JSON", pa.string()),
            KNOWN,
        ]
    ),
)

SUSPICIONS = Table(
    "suspicions",
    1,
    ("user", "account", "wallet", "asset", "first_slot"),
    pa.schema(
        [
            USER,
            ACCOUNT,
            WALLET,
            column("asset", pa.string(), "asset code"),
            column("first_slot", INSTANT, "slot at which it was first seen"),
            column("slot", INSTANT, "slot at which it was last seen"),
            column("kind", pa.string(), "vanished or jumped"),
            column("before", AMOUNT, "quantity in the last complete snapshot"),
            column("seen", AMOUNT, "quantity that was stated instead"),
            column("sightings", pa.int32(), "how often in a row it was seen"),
            column("state", pa.string(), "pending, confirmed, explained or withdrawn"),
            column("reason", pa.string(), "what decided it"),
            KNOWN,
        ]
    ),
    latest=True,
)

ESTIMATED_EQUITY = Table(
    "estimated_equity",
    2,
    ("user", "account", "wallet", "day", "asset"),
    pa.schema(
        [
            USER,
            ACCOUNT,
            WALLET,
            column("day", pa.date32(), "UTC day at whose end it stood so"),
            column("asset", pa.string(), "asset code"),
            column("quantity", AMOUNT, "units, as the venue still tells"),
            CURRENCY,
            unknown("price", "reporting currency per unit at that day; null when unknown"),
            unknown("value", "quantity x price; null when unknown"),
            column("source", pa.string(), "backfill: which of the venue's records it comes from"),
            KNOWN,
            unknown("price_source", "where the price can be looked up again; null without one", pa.string()),
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
            USER,
            ACCOUNT,
            column("at", INSTANT, "when the venue was asked"),
            column("uid", pa.string(), "the venue's id of the account"),
            column("main_uid", pa.string(), "the venue's id of its master; empty when it is the master"),
            column("mode", pa.string(), "how the venue keeps it: spot, futures, multi_currency, portfolio_margin"),
            column("is_read_only", pa.bool_(), "true when the key can do nothing but read"),
            unknown("is_ip_bound", "true when the key works from listed addresses only; null when unknown", pa.bool_()),
            column("first_slot", INSTANT, "slot of its first complete reading"),
            column("is_attested", pa.bool_(), "false for a venue whose answers have no strict shape"),
            KNOWN,
        ]
    ),
    latest=True,
)
