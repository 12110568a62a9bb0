"""What an OKX account holds: the trading account with its positions, and the funding account."""

from __future__ import annotations

import logging
from decimal import Decimal

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import okx, payloads
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.exchanges.okx import shapes
from portfolio_lab.exchanges.okx.prices import Contract, Instruments
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.holdings import Balance, ContractKind, Position, WalletReading

ABSOLUTE, RELATIVE = Decimal("1e-6"), Decimal("1e-4")
"""How far equity may lie from the terms that we know before it is logged."""

SIDES = {"net": "net", "long": "long", "short": "short"}

ZERO = Decimal(0)

_log = logging.getLogger(__name__)


async def fetch_wallet(client: VenueClient, instruments: Instruments, wallet: Wallet) -> WalletReading:
    """Return everything that one wallet says; raises the VenueError family."""
    if wallet is Wallet.TRADING:
        return await _trading(client, instruments)
    answer, mark = await client.ask(okx.FUNDING_BALANCES, shapes.Envelope[shapes.FundingBalance])
    payloads.each_once((row.ccy for row in answer.data), "data")
    balances = (_funding_balance(row) for row in answer.data)
    return WalletReading(wallet, tuple(balance for balance in balances if balance.quantity), answers=(mark,))


def _funding_balance(row: shapes.FundingBalance) -> Balance:
    asset = payloads.asset_code(row.ccy, "data.ccy")
    quantity = payloads.amount(row.bal, f"data[{asset}].bal")
    return Balance(asset, quantity, available=payloads.amount(row.availBal, f"data[{asset}].availBal"))


# ---------------------------------------------------------------- trading account


async def _trading(client: VenueClient, instruments: Instruments) -> WalletReading:
    answer, mark = await client.ask(okx.TRADING_BALANCE, shapes.Envelope[shapes.TradingBalance])
    if len(answer.data) != 1:
        raise AnswerShapeError("The answer does not hold exactly one account.", path="data")
    account = answer.data[0]
    payloads.amount(account.totalEq, "data[0].totalEq")
    payloads.each_once((row.ccy for row in account.details), "data[0].details")
    balances = (_coin_balance(row) for row in account.details)
    held = tuple(balance for balance in balances if balance.quantity or balance.wallet_balance)
    listed, second = await client.ask(okx.POSITIONS, shapes.Envelope[shapes.Position])
    positions = [await _position(row, instruments) for row in listed.data if _is_open(row)]
    payloads.each_once((f"{row.instrument} {row.side} {row.settle_asset}" for row in positions), "data")
    return WalletReading(Wallet.TRADING, held, tuple(positions), (mark, second))


def _coin_balance(row: shapes.CoinBalance) -> Balance:
    """One coin: equity `eq`, of which `upl` is unrealised; the rest is the wallet balance."""
    asset = payloads.asset_code(row.ccy, "details.ccy")
    path = f"details[{asset}]"
    equity = payloads.amount(row.eq, f"{path}.eq")
    unrealised = payloads.amount_or_none(row.upl, f"{path}.upl") or ZERO
    stated = payloads.amount_or_none(row.availEq, f"{path}.availEq")
    cash_available = payloads.amount_or_none(row.availBal, f"{path}.availBal")
    available = cash_available if stated is None else stated
    residual = equity_residual(row)
    if abs(residual) > max(ABSOLUTE, RELATIVE * abs(equity)):
        _log.warning("okx: %s equity differs from its known terms; the venue may state a new one", asset)
    return Balance(asset, equity, equity - unrealised, unrealised, available)


def equity_residual(row: shapes.CoinBalance) -> Decimal:
    """Return `eq` less the terms that are known: cash, isolated equity, open PnL, bots, isolated spot.

    Near zero on every published answer. It is watched, never used: terms may be added.
    """
    path = f"details[{row.ccy}]"
    terms = {
        "isoEq": row.isoEq,
        "upl": row.upl,
        "stgyEq": row.stgyEq,
        "spotIsoBal": row.spotIsoBal,
    }
    cash = payloads.amount(row.cashBal, f"{path}.cashBal")
    known = cash + sum((payloads.amount_or_none(text, f"{path}.{name}") or ZERO for name, text in terms.items()), ZERO)
    inside_isolated = payloads.amount_or_none(row.isoUpl, f"{path}.isoUpl") or ZERO
    return payloads.amount(row.eq, f"{path}.eq") - known + inside_isolated


def _is_open(row: shapes.Position) -> bool:
    return bool(payloads.amount(row.pos, f"[{row.instId[:40]}].pos"))


async def _position(row: shapes.Position, instruments: Instruments) -> Position:
    if row.instType == "MARGIN":
        return _margin_position(row)
    contract = await instruments.contract(row.instType, row.instId)
    path = f"[{row.instId}]"
    contracts = _signed(row, path)
    mark = payloads.positive(row.markPx, f"{path}.markPx")
    units = contracts * contract.size
    quantity = payloads.quotient(units, mark) if contract.kind is ContractKind.INVERSE else units
    return _fields(row, contract, quantity=quantity, contracts=contracts, mark=mark)


def _signed(row: shapes.Position, path: str) -> Decimal:
    """Contracts, + long, - short; in the long and short books OKX states magnitudes."""
    contracts = payloads.amount(row.pos, f"{path}.pos")
    if row.posSide not in SIDES:
        raise AnswerShapeError("The answer has no known side of a position.", path=f"{path}.posSide")
    if row.posSide == "net":
        return contracts
    return abs(contracts) if row.posSide == "long" else -abs(contracts)


def _margin_position(row: shapes.Position) -> Position:
    """A leveraged spot position: long it is what was bought, short it is the debt in the base coin."""
    path = f"[{payloads.instrument_code(row.instId, 'instId')}]"
    base = payloads.asset_code(row.instId.split("-")[0], f"{path}.instId")
    is_long = row.posCcy == base
    stated, name = (row.pos, "pos") if is_long else (row.liab, "liab")
    size = abs(payloads.amount(stated, f"{path}.{name}"))
    quantity = size if is_long else -size
    mark = payloads.positive(row.markPx, f"{path}.markPx")
    contract = Contract(base, ContractKind.MARGIN, Decimal(1), payloads.asset_code(row.ccy, f"{path}.ccy"))
    return _fields(row, contract, quantity=quantity, contracts=quantity, mark=mark)


def _fields(
    row: shapes.Position, contract: Contract, *, quantity: Decimal, contracts: Decimal, mark: Decimal
) -> Position:
    path = f"[{row.instId}]"
    return Position(
        instrument=row.instId,
        underlying=contract.base,
        kind=contract.kind,
        side=SIDES[row.posSide],
        quantity=quantity,
        contracts=abs(contracts),
        contract_size=contract.size,
        entry_price=payloads.not_negative(row.avgPx, f"{path}.avgPx"),
        mark_price=mark,
        unrealised_pnl=payloads.amount(row.upl, f"{path}.upl"),
        settle_asset=payloads.asset_code(row.ccy, f"{path}.ccy"),
        leverage_setting=payloads.amount_or_none(row.lever, f"{path}.lever"),
        liquidation_price=payloads.amount_or_none(row.liqPx, f"{path}.liqPx"),
    )
