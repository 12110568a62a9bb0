"""What a Binance account holds: spot, funding, USD-M and COIN-M, each as one reading.

Quantities are what counts for equity: free + locked + freeze + withdrawing in the cash wallets
(a withdrawal under way is still ours), wallet balance + unrealised PnL in the futures wallets.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeVar

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import endpoints, shapes
from portfolio_lab.exchanges.binance.prices import Instrument, Instruments
from portfolio_lab.exchanges.client import Endpoint, VenueClient
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.holdings import AnswerMark, Balance, ContractKind, Position, WalletReading

ABSOLUTE, RELATIVE = Decimal("1e-6"), Decimal("1e-4")
"""How far margin balance may lie from wallet balance + unrealised PnL."""

ZERO, ONE = Decimal(0), Decimal(1)

SIDES = {"BOTH": "net", "LONG": "long", "SHORT": "short"}


async def fetch_wallet(client: VenueClient, instruments: Instruments, wallet: Wallet) -> WalletReading:
    """Return everything that one wallet says; raises the VenueError family."""
    if wallet is Wallet.SPOT:
        return await _spot(client)
    if wallet is Wallet.FUNDING:
        rows, mark = await client.ask(endpoints.FUNDING_ASSETS, list[shapes.AssetRow], {"needBtcValuation": "false"})
        return WalletReading(wallet, _cash_balances(rows), answers=(mark,))
    if wallet is Wallet.USD_M:
        return await _usd_m(client, instruments)
    return await _coin_m(client, instruments)


# ---------------------------------------------------------------- cash wallets


async def _spot(client: VenueClient) -> WalletReading:
    """Read spot; an empty list is believed only when the account answer, which lists every coin, agrees."""
    rows, mark = await client.ask(endpoints.SPOT_ASSETS, list[shapes.AssetRow], {"needBtcValuation": "false"})
    if rows:
        return WalletReading(Wallet.SPOT, _cash_balances(rows), answers=(mark,))
    account, second = await client.ask(endpoints.SPOT_ACCOUNT, shapes.SpotAccount)
    payloads.each_once((row.asset for row in account.balances), "balances")
    for row in account.balances:
        path = f"balances[{payloads.asset_code(row.asset, 'balances.asset')}]"
        if payloads.amount(row.free, f"{path}.free") or payloads.amount(row.locked, f"{path}.locked"):
            raise AnswerShapeError(f"Two answers contradict each other: none or some {row.asset}.", path=path)
    return WalletReading(Wallet.SPOT, (), answers=(mark, second))


def _cash_balances(rows: Sequence[shapes.AssetRow]) -> tuple[Balance, ...]:
    payloads.each_once((row.asset for row in rows), "asset")
    balances = (_cash_balance(row) for row in rows)
    return tuple(balance for balance in balances if balance.quantity)


def _cash_balance(row: shapes.AssetRow) -> Balance:
    asset = payloads.asset_code(row.asset, "asset")
    free = payloads.not_negative(row.free, f"[{asset}].free")
    held = payloads.not_negative(row.locked, f"[{asset}].locked")
    frozen = payloads.not_negative(row.freeze, f"[{asset}].freeze")
    leaving = payloads.not_negative(row.withdrawing, f"[{asset}].withdrawing")
    return Balance(asset, free + held + frozen + leaving, available=free)


# ---------------------------------------------------------------- futures wallets


async def _usd_m(client: VenueClient, instruments: Instruments) -> WalletReading:
    account, mark = await client.ask(endpoints.USD_M_ACCOUNT, shapes.FuturesAccount)
    rows, second = await client.ask(endpoints.USD_M_POSITIONS, list[shapes.UsdMPosition])
    open_rows = _open_rows(rows)
    _refuse_lost_positions(account, open_rows, endpoints.USD_M_POSITIONS)
    positions = [_usd_m_position(row, await instruments.one(Wallet.USD_M, row.symbol)) for row in open_rows]
    return _futures_reading(Wallet.USD_M, account, positions, (mark, second))


async def _coin_m(client: VenueClient, instruments: Instruments) -> WalletReading:
    account, mark = await client.ask(endpoints.COIN_M_ACCOUNT, shapes.FuturesAccount)
    rows, second = await client.ask(endpoints.COIN_M_POSITIONS, list[shapes.CoinMPosition])
    open_rows = _open_rows(rows)
    _refuse_lost_positions(account, open_rows, endpoints.COIN_M_POSITIONS)
    positions = [_coin_m_position(row, await instruments.one(Wallet.COIN_M, row.symbol)) for row in open_rows]
    return _futures_reading(Wallet.COIN_M, account, positions, (mark, second))


def _futures_reading(
    wallet: Wallet, account: shapes.FuturesAccount, positions: Sequence[Position], marks: tuple[AnswerMark, ...]
) -> WalletReading:
    payloads.each_once((row.asset for row in account.assets), "assets")
    balances = (_margin_balance(row) for row in account.assets)
    held = tuple(balance for balance in balances if balance.quantity or balance.wallet_balance)
    return WalletReading(wallet, held, tuple(positions), marks)


def _margin_balance(row: shapes.MarginAsset) -> Balance:
    """One margin asset; refuses a row whose margin balance is not its wallet balance + unrealised PnL."""
    asset = payloads.asset_code(row.asset, "assets.asset")
    path = f"assets[{asset}]"
    cash = payloads.amount(row.walletBalance, f"{path}.walletBalance")
    unrealised = payloads.amount(row.unrealizedProfit, f"{path}.unrealizedProfit")
    stated = payloads.amount(row.marginBalance, f"{path}.marginBalance")
    if abs(stated - cash - unrealised) > max(ABSOLUTE, RELATIVE * abs(stated)):
        text = f"The {asset} margin balance is not wallet balance + unrealised PnL."
        raise AnswerShapeError(text, path=f"{path}.marginBalance")
    available = payloads.amount(row.availableBalance, f"{path}.availableBalance")
    return Balance(asset, cash + unrealised, cash, unrealised, available)


Row = shapes.UsdMPosition | shapes.CoinMPosition

AnyRow = TypeVar("AnyRow", shapes.UsdMPosition, shapes.CoinMPosition)


def _open_rows(rows: Sequence[AnyRow]) -> list[AnyRow]:
    """The rows with contracts; in hedge mode an instrument has one row a side."""
    payloads.each_once((f"{row.symbol} {row.positionSide}" for row in rows), "symbol and positionSide")
    return [row for row in rows if payloads.amount(row.positionAmt, f"[{row.symbol[:30]}].positionAmt")]


def _refuse_lost_positions(account: shapes.FuturesAccount, rows: Sequence[Row], endpoint: Endpoint) -> None:
    """Raise when nothing at all is listed though the account answer holds positions."""
    held = [line for line in account.positions if payloads.amount(line.positionAmt, "positions.positionAmt")]
    if held and not rows:
        raise AnswerShapeError(f"{endpoint.path} lists no position, but the account holds {len(held)}.")


def _signed(row: Row) -> tuple[str, Decimal]:
    """The book that the row is kept in, and its contracts: + long, - short."""
    path = f"[{row.symbol}]"
    side = SIDES.get(row.positionSide)
    if side is None:
        raise AnswerShapeError("The answer has no known side of a position.", path=f"{path}.positionSide")
    contracts = payloads.amount(row.positionAmt, f"{path}.positionAmt")
    if side != "net":
        contracts = abs(contracts) if side == "long" else -abs(contracts)
    return side, contracts


def _usd_m_position(row: shapes.UsdMPosition, contract: Instrument) -> Position:
    side, contracts = _signed(row)
    settle = payloads.asset_code(row.marginAsset or contract.settle, f"[{row.symbol}].marginAsset")
    return _position(row, contract, side, contracts, settle=settle, kind=ContractKind.LINEAR, leverage=None)


def _coin_m_position(row: shapes.CoinMPosition, contract: Instrument) -> Position:
    side, contracts = _signed(row)
    leverage = payloads.amount_or_none(row.leverage, f"[{row.symbol}].leverage")
    settle = payloads.asset_code(contract.settle, f"[{row.symbol}].marginAsset")
    return _position(row, contract, side, contracts, settle=settle, kind=ContractKind.INVERSE, leverage=leverage)


def _position(
    row: Row,
    contract: Instrument,
    side: str,
    contracts: Decimal,
    *,
    settle: str,
    kind: ContractKind,
    leverage: Decimal | None,
) -> Position:
    path = f"[{row.symbol}]"
    mark = payloads.positive(row.markPrice, f"{path}.markPrice")
    units = contracts * contract.size
    return Position(
        instrument=row.symbol,
        underlying=payloads.asset_code(contract.base, f"{path}.baseAsset"),
        kind=kind,
        side=side,
        quantity=units if kind is ContractKind.LINEAR else payloads.quotient(units, mark),
        contracts=abs(contracts),
        contract_size=contract.size,
        entry_price=payloads.not_negative(row.entryPrice, f"{path}.entryPrice"),
        mark_price=mark,
        unrealised_pnl=payloads.amount(row.unRealizedProfit, f"{path}.unRealizedProfit"),
        settle_asset=settle,
        leverage_setting=leverage,
        liquidation_price=payloads.not_negative(row.liquidationPrice, f"{path}.liquidationPrice") or None,
    )
