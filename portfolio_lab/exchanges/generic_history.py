"""Deposits, withdrawals and fills by ccxt's unified calls, in bounded steps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from portfolio_lab.errors import AnswerShapeError, VenueError
from portfolio_lab.exchanges.generic_client import UnifiedClient
from portfolio_lab.exchanges.generic_values import contract_size, number, number_or_none, text
from portfolio_lab.exchanges.generic_venues import Manner
from portfolio_lab.exchanges.payloads import asset_code, flow_code, instant, instrument_code, milliseconds, quotient
from portfolio_lab.exchanges.sources import Ask, Raw, Window, by_time, lanes
from portfolio_lab.exchanges.streams import Spec, take_step
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import ActivityRow, ActivityStep, CashFlow, Fill, Stream

LATE = timedelta(days=3)
"""A deposit or withdrawal is listed when it begins and finished later."""

METHODS = {"deposits": "fetch_deposits", "withdrawals": "fetch_withdrawals", "fills": "fetch_my_trades"}

RowOf = Callable[[Mapping[str, Any], Mapping[str, Any]], ActivityRow | None]
"""Makes a row of ours: of what market (a flow: none), of what row."""


def streams(manner: Manner) -> tuple[Stream, ...]:
    """Return the streams of a venue, most precious first."""
    return tuple(_spec(manner, name).stream for name in METHODS)


async def fetch_step(client: UnifiedClient, manner: Manner, stream: str, cursor: str, *, now: datetime) -> ActivityStep:
    """Take one bounded step along a stream; raises the VenueError family."""
    if stream not in METHODS:
        raise VenueError(f"{client.venue.name} has no stream {stream}.")
    return await take_step(_spec(manner, stream), _source(client, manner, stream), cursor, now=now)


async def fetch_cash_flows(
    client: UnifiedClient, manner: Manner, since: datetime, until: datetime
) -> tuple[CashFlow, ...]:
    """Return the finished deposits and withdrawals of [since, until), oldest first."""
    found: list[CashFlow] = []
    for stream in ("deposits", "withdrawals"):
        source, longest = _source(client, manner, stream), manner.window(stream)
        start = since
        while start < until:
            end = min(until, start + longest)
            found += await _whole(source, Window(milliseconds(start), milliseconds(end)))
            start = end
    return tuple(sorted(found, key=lambda flow: (flow.at, flow.flow_id)))


async def _whole(source: Ask, window: Window) -> list[CashFlow]:
    """Return all flows of a window, by halves where a page is full."""
    page = await source(window, "")
    if not page.is_cut:
        return [row for row in page.rows if isinstance(row, CashFlow)]
    if window.is_instant:
        raise AnswerShapeError("More rows share one instant than a page holds.")
    middle = (window.start + window.end) // 2
    return [
        *await _whole(source, Window(window.start, middle)),
        *await _whole(source, Window(middle, window.end)),
    ]


def _spec(manner: Manner, stream: str) -> Spec:
    overlap = timedelta(hours=1) if stream == "fills" else LATE
    return Spec(stream, manner.window(stream), manner.histories[stream].retention_days, overlap=overlap)


def _source(client: UnifiedClient, manner: Manner, stream: str) -> Ask:
    row_of: RowOf = _fill if stream == "fills" else _flow
    size = manner.histories[stream].size
    asked = manner.fills if stream == "fills" else ({},)
    return lanes([by_time(_fetch(client, stream, params, size, row_of), size=size) for params in asked])


def _fetch(
    client: UnifiedClient, stream: str, params: Mapping[str, Any], size: int, row_of: RowOf
) -> Callable[[Window, str], Awaitable[Raw[Mapping[str, Any]]]]:
    async def fetch(window: Window, _: str) -> Raw[Mapping[str, Any]]:
        asked = {"since": window.start, "limit": size, "params": {**params, "until": window.last}}
        answer, _marks = await client.call(METHODS[stream], asked)
        if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
            raise AnswerShapeError("ccxt made rows of another kind.")
        is_traded = stream == "fills"
        found = (row_of(client.market_of(row, params) if is_traded else {}, row) for row in answer)
        start, end = instant(window.start, "start"), instant(window.end, "end")
        return Raw(answer, tuple(row for row in found if row is not None and start <= row_at(row) < end))

    return fetch


def row_at(row: ActivityRow) -> datetime:
    """Return when a flow or a fill happened."""
    if not isinstance(row, CashFlow | Fill):
        raise TypeError("only flows and fills are made here")
    return row.at


def _flow(market: Mapping[str, Any], row: Mapping[str, Any]) -> CashFlow | None:  # noqa: ARG001 - as _fill
    if row.get("status") != "ok":
        return None
    kind, asset = text(row, "type"), asset_code(text(row, "currency"), "currency")
    quantity, fee = number(row, "amount"), _fee(row)
    at = instant(row.get("timestamp") or 0, "timestamp")
    identity = row.get("id") or row.get("txid")
    flow_id = flow_code(str(identity), "id")
    if kind not in {"deposit", "withdrawal"} or quantity < 0:
        raise AnswerShapeError("The answer has a flow of no known kind.", path="type")
    # The fee of a withdrawal is taken as being on top of its amount (unverified).
    signed = quantity if kind == "deposit" else -(quantity + fee)
    return CashFlow(at, flow_id, kind, asset, signed, fee, str(row.get("txid") or ""), str(row.get("network") or ""))


def _fee(row: Mapping[str, Any]) -> Decimal:
    fee = row.get("fee")
    found = number_or_none(fee, "cost") if isinstance(fee, dict) else None
    return abs(found) if found is not None else Decimal(0)


def _fill(market: Mapping[str, Any], row: Mapping[str, Any]) -> Fill:
    price = number(row, "price")
    units = number(row, "amount") * contract_size(market)
    fee = row.get("fee")
    is_told = isinstance(fee, dict) and fee.get("currency") is not None
    return Fill(
        at=instant(row.get("timestamp") or 0, "timestamp"),
        fill_id=flow_code(text(row, "id"), "id"),
        order_id=str(row.get("order") or ""),
        wallet=Wallet.SPOT if market["spot"] else Wallet.SWAP,
        instrument=instrument_code(market["id"], "symbol"),
        underlying=asset_code(market["base"], "base"),
        side=text(row, "side"),
        quantity=quotient(units, price) if market.get("inverse") else units,
        price=price,
        fee=-(number_or_none(fee, "cost") or Decimal(0)) if isinstance(fee, dict) else Decimal(0),
        fee_asset=asset_code(fee["currency"], "fee.currency") if is_told and isinstance(fee, dict) else market["quote"],
        is_maker=row.get("takerOrMaker") == "maker",
        settle_asset="" if market["spot"] else asset_code(market["settle"], "settle"),
    )
