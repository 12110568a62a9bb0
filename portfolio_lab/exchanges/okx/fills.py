"""Our trades at OKX, by type of instrument."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.exchanges.okx import endpoints, shapes, shapes_ledger
from portfolio_lab.exchanges.okx.pages import PAGE, bounds_of
from portfolio_lab.exchanges.okx.prices import Contract, Instruments
from portfolio_lab.exchanges.sources import Ask, Page, Window, lanes
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import ActivityRow, Fill, Income
from portfolio_lab.models.holdings import ContractKind

TYPES = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")
"""OKX lists fills one type a call."""

COINS = frozenset({"SPOT", "MARGIN"})

ZERO = Decimal(0)


def fills(client: VenueClient, instruments: Instruments) -> Ask:
    """Return the source of our trades of all types."""
    return lanes([_lane(client, instruments, kind) for kind in TYPES])


def _lane(client: VenueClient, instruments: Instruments, kind: str) -> Ask:
    async def ask(window: Window, page: str) -> Page:
        params = {"instType": kind, **bounds_of(window, page)}
        answer, _ = await client.ask(endpoints.FILLS, shapes.Envelope[shapes_ledger.Fill], params)
        if any(row.instType != kind for row in answer.data):
            raise AnswerShapeError("The answer has trades of a type that was not asked for.", path="data.instType")
        rows = [await _row(row, instruments) for row in answer.data]
        last = answer.data[-1].billId if len(answer.data) >= PAGE else ""
        return Page(_inside(rows, window), more=last)

    return ask


def _inside(rows: Sequence[ActivityRow], window: Window) -> tuple[ActivityRow, ...]:
    moments = (row for row in rows if isinstance(row, Fill | Income))
    return tuple(row for row in moments if window.start <= payloads.milliseconds(row.at) < window.end)


async def _row(row: shapes_ledger.Fill, instruments: Instruments) -> Fill | Income:
    """A trade in base units; of a contract that nobody lists any more, the money that it brought."""
    path = f"[{payloads.instrument_code(row.instId, 'instId')}]"
    size = payloads.positive(row.fillSz, f"{path}.fillSz")
    price = payloads.not_negative(row.fillPx, f"{path}.fillPx")
    if row.instType in COINS:
        base = payloads.asset_code(row.instId.split("-")[0], f"{path}.instId")
        return _fill(row, path, base, size, price)
    contract = await instruments.past_contract(row.instType, row.instId)
    if contract is None:
        return _money(row, path)
    units = size * contract.size
    if contract.kind is ContractKind.INVERSE:
        units = payloads.quotient(units, payloads.positive(row.fillPx, f"{path}.fillPx"))
    return _fill(row, path, contract.base, units, price, contract)


def _fill(
    row: shapes_ledger.Fill, path: str, base: str, quantity: Decimal, price: Decimal, contract: Contract | None = None
) -> Fill:
    fee, fee_asset = _fee(row, path, "" if contract is None else contract.settle)
    return Fill(
        at=payloads.instant(row.ts, f"{path}.ts"),
        fill_id=payloads.flow_code(row.billId, f"{path}.billId"),
        order_id=payloads.flow_code(row.ordId, f"{path}.ordId") if row.ordId else "",
        wallet=Wallet.TRADING,
        instrument=row.instId,
        underlying=base,
        side=_one_of(row.side, {"buy", "sell"}, f"{path}.side"),
        quantity=quantity,
        price=price,
        fee=fee,
        fee_asset=fee_asset,
        is_maker=row.execType == "M",
        position_side=_one_of(row.posSide or "net", {"net", "long", "short"}, f"{path}.posSide"),
        realised_pnl=None if contract is None else payloads.amount_or_none(row.fillPnl, f"{path}.fillPnl"),
        settle_asset="" if contract is None else contract.settle,
    )


def _fee(row: shapes_ledger.Fill, path: str, settle: str) -> tuple[Decimal, str]:
    """- paid, + rebate, and its coin; a trade that a takeover made may state neither."""
    fee = payloads.amount_or_none(row.fee, f"{path}.fee") or ZERO
    if not row.feeCcy and not fee:
        return ZERO, settle
    return fee, payloads.asset_code(row.feeCcy, f"{path}.feeCcy")


def _one_of(text: str, allowed: set[str], path: str) -> str:
    if text not in allowed:
        raise AnswerShapeError("The answer has a trade of no known side.", path=path)
    return text


def _money(row: shapes_ledger.Fill, path: str) -> Income:
    """What a trade of a vanished contract did to the cash: its size in base units cannot be told."""
    fee, asset = _fee(row, path, "")
    realised = payloads.amount_or_none(row.fillPnl, f"{path}.fillPnl") or ZERO
    return Income(
        at=payloads.instant(row.ts, f"{path}.ts"),
        income_id=f"fill-{payloads.flow_code(row.billId, f'{path}.billId')}",
        kind="trade",
        venue_kind="fill",
        wallet=Wallet.TRADING,
        asset=payloads.asset_code(asset, f"{path}.feeCcy"),
        quantity=realised + fee,
        instrument=row.instId,
        reference=row.ordId[:80],
    )
