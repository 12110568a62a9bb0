"""What is open in an OKX trading account: swaps, futures, options, and leveraged spot."""

from __future__ import annotations

from decimal import Decimal

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.exchanges.okx import endpoints, shapes
from portfolio_lab.exchanges.okx.prices import Contract, Instruments
from portfolio_lab.models.holdings import AnswerMark, ContractKind, Position

SIDES = frozenset({"net", "long", "short"})


async def fetch_positions(client: VenueClient, instruments: Instruments) -> tuple[tuple[Position, ...], AnswerMark]:
    """Return all open positions, and the mark of the answer; rows of size 0 are closed."""
    listed, mark = await client.ask(endpoints.POSITIONS, shapes.Envelope[shapes.Position])
    rows = [row for row in listed.data if _is_open(row)]
    payloads.each_once((f"{row.instId} {row.posSide} {row.ccy} {row.mgnMode}" for row in rows), "data")
    return tuple([await _position(row, instruments) for row in rows]), mark


def _is_open(row: shapes.Position) -> bool:
    return bool(payloads.amount(row.pos, f"[{row.instId[:40]}].pos"))


async def _position(row: shapes.Position, instruments: Instruments) -> Position:
    if row.instType == "MARGIN":
        return _margin_position(row)
    contract = await instruments.contract(row.instType, row.instId)
    path = f"[{row.instId}]"
    contracts = _signed(row, path)
    units = contracts * contract.size
    quantity = (
        payloads.quotient(units, payloads.positive(row.markPx, f"{path}.markPx"))
        if contract.kind is ContractKind.INVERSE
        else units
    )
    return _fields(row, contract, quantity=quantity, contracts=contracts)


def _signed(row: shapes.Position, path: str) -> Decimal:
    """Contracts, + long, - short; in the long and short books OKX states magnitudes."""
    contracts = payloads.amount(row.pos, f"{path}.pos")
    side = _side(row, path)
    if side == "net":
        return contracts
    return abs(contracts) if side == "long" else -abs(contracts)


def _side(row: shapes.Position, path: str) -> str:
    if row.posSide not in SIDES:
        raise AnswerShapeError("The answer has no known side of a position.", path=f"{path}.posSide")
    return row.posSide


def _margin_position(row: shapes.Position) -> Position:
    """A leveraged spot position: long it is what was bought, short it is the debt in the base coin."""
    path = f"[{payloads.instrument_code(row.instId, 'instId')}]"
    base, _, quote = row.instId.partition("-")
    payloads.asset_code(base, f"{path}.instId")
    is_long = row.posCcy == base
    if row.posCcy not in {base, quote} or (not is_long and row.liabCcy not in {base, ""}):
        raise AnswerShapeError("The answer has a margin position of another coin.", path=f"{path}.posCcy")
    stated, name = (row.pos, "pos") if is_long else (row.liab, "liab")
    size = abs(payloads.amount(stated, f"{path}.{name}"))
    contract = Contract(base, ContractKind.MARGIN, Decimal(1), payloads.asset_code(row.ccy, f"{path}.ccy"))
    return _fields(row, contract, quantity=size if is_long else -size, contracts=size)


def _fields(row: shapes.Position, contract: Contract, *, quantity: Decimal, contracts: Decimal) -> Position:
    path = f"[{row.instId}]"
    is_option = contract.kind is ContractKind.OPTION
    price = payloads.not_negative if is_option else payloads.positive  # a premium may be worth nothing
    return Position(
        instrument=row.instId,
        underlying=contract.base,
        kind=contract.kind,
        side=_side(row, path),
        quantity=quantity,
        contracts=abs(contracts),
        contract_size=contract.size,
        entry_price=payloads.not_negative(row.avgPx, f"{path}.avgPx"),
        mark_price=price(row.markPx, f"{path}.markPx"),
        unrealised_pnl=payloads.amount(row.upl, f"{path}.upl"),
        settle_asset=payloads.asset_code(row.ccy, f"{path}.ccy"),
        leverage_setting=payloads.amount_or_none(row.lever, f"{path}.lever"),
        liquidation_price=payloads.amount_or_none(row.liqPx, f"{path}.liqPx"),
        delta=_delta(row, quantity, path) if is_option else None,
        maintenance_margin=payloads.amount_or_none(row.mmr, f"{path}.mmr"),
        margin_balance=_own_balance(row, path),
        margin_level=payloads.amount_or_none(row.mgnRatio, f"{path}.mgnRatio"),
    )


def _own_balance(row: shapes.Position, path: str) -> Decimal | None:
    """What stands behind an isolated position alone: its margin + PnL.

    A published answer bears that out: mgnRatio is this / (mmr + the fee of closing). Unverified for leveraged spot.
    """
    if row.mgnMode != "isolated":
        return None
    margin = payloads.amount_or_none(row.margin, f"{path}.margin")
    return None if margin is None else margin + payloads.amount(row.upl, f"{path}.upl")


def _delta(row: shapes.Position, quantity: Decimal, path: str) -> Decimal | None:
    """The Black-Scholes delta of one unit bought; None where OKX states none.

    OKX's `deltaBS` is read as that of the whole position in coins: in a published answer a written
    call has all greeks of the opposite sign. The documentation does not say so: unverified.
    """
    whole = payloads.amount_or_none(row.deltaBS, f"{path}.deltaBS")
    return None if whole is None else payloads.quotient(whole, quantity)
