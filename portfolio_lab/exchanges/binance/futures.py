"""Binance's USD-M and COIN-M futures wallets: every asset row, and the positions.

Equity of an asset is wallet balance + unrealised PnL, in single- and in multi-asset mode. The
account's own totals are never used: in single-asset mode they count USDT alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import contracts, endpoints, maintenance, shapes, sums, usd_m_positions
from portfolio_lab.exchanges.binance.prices import Instruments
from portfolio_lab.exchanges.client import Endpoint, VenueClient
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.holdings import AnswerMark, Balance, Position, WalletReading

CREDITS = "BNFCR"
"""Futures credits of Binance's European users. Unverified: contracts of any margin asset settle in them."""


async def fetch_usd_m(
    client: VenueClient, instruments: Instruments, known: usd_m_positions.KnownPositions | None = None
) -> WalletReading:
    """Return the USD-M futures wallet; raises the VenueError family. `known` is kept from reading to reading."""
    account, mark = await client.ask(endpoints.USD_M_ACCOUNT, shapes.FuturesAccount)
    known = usd_m_positions.KnownPositions() if known is None else known
    positions, second = await usd_m_positions.fetch_positions(client, instruments, account, known, now=mark.received_at)
    _refuse_lost_positions(account, positions, endpoints.USD_M_POSITIONS)
    marks = (mark,) if second is None else (mark, second)
    return await _reading(Wallet.USD_M, account, instruments, positions, marks)


async def fetch_coin_m(client: VenueClient, instruments: Instruments) -> WalletReading:
    """Return the COIN-M futures wallet; raises the VenueError family."""
    account, mark = await client.ask(endpoints.COIN_M_ACCOUNT, shapes.FuturesAccount)
    if not usd_m_positions.shows_positions(account):
        return await _reading(Wallet.COIN_M, account, instruments, (), (mark,))
    rows, second = await client.ask(endpoints.COIN_M_POSITIONS, list[shapes.CoinMPosition])
    positions = await contracts.inverse_positions(rows, instruments)
    _refuse_lost_positions(account, positions, endpoints.COIN_M_POSITIONS)
    return await _reading(Wallet.COIN_M, account, instruments, positions, (mark, second))


async def _reading(
    wallet: Wallet,
    account: shapes.FuturesAccount,
    instruments: Instruments,
    positions: Sequence[Position],
    marks: tuple[AnswerMark, ...],
) -> WalletReading:
    payloads.each_once((row.asset for row in account.assets), "assets")
    balances = [margin_balance(row) for row in account.assets]
    _refuse_foreign_pnl(balances, await _open_pnl(wallet, account, instruments))
    held = tuple(balance for balance in balances if balance.quantity or balance.wallet_balance)
    opened = maintenance.with_margins(positions, account)
    locks, margins = usd_m_positions.locks(account.assets), maintenance.shared_margins(account, opened)
    return WalletReading(wallet, held, opened, marks, locks=locks, margins=margins)


def margin_balance(row: shapes.MarginAsset) -> Balance:
    """Return one margin asset; refuses a row whose margin balance is not its wallet balance + unrealised PnL."""
    asset = payloads.asset_code(row.asset, "assets.asset")
    path = f"assets[{asset}]"
    cash = payloads.amount(row.walletBalance, f"{path}.walletBalance")
    unrealised = payloads.amount(row.unrealizedProfit, f"{path}.unrealizedProfit")
    stated = payloads.amount(row.marginBalance, f"{path}.marginBalance")
    sums.refuse_unless_near(
        stated, cash + unrealised, f"{path}.marginBalance", "the margin balance: wallet balance + unrealised PnL"
    )
    available = payloads.amount(row.availableBalance, f"{path}.availableBalance")
    return Balance(asset, cash + unrealised, cash, unrealised, available)


async def _open_pnl(wallet: Wallet, account: shapes.FuturesAccount, instruments: Instruments) -> dict[str, Decimal]:
    """Unrealised PnL by settlement asset, as the positions inside the same account answer have it."""
    found: dict[str, Decimal] = {}
    payloads.each_once((f"{line.symbol} {line.positionSide}" for line in account.positions), "positions")
    for line in account.positions:
        unrealised = payloads.amount(line.unrealizedProfit, "positions.unrealizedProfit")
        if unrealised:
            settle = (await instruments.one(wallet, line.symbol)).settle
            found[settle] = found.get(settle, sums.ZERO) + unrealised
    return found


def _refuse_foreign_pnl(balances: Sequence[Balance], found: dict[str, Decimal]) -> None:
    """Raise when an asset's unrealised PnL is not that of its positions; both stand in one answer."""
    if any(balance.asset == CREDITS and balance.wallet_balance for balance in balances):
        return
    stated = {balance.asset: balance for balance in balances}
    for asset in {*stated, *found}:
        row = stated.get(asset)
        unrealised = row.unrealised_pnl if row is not None and row.unrealised_pnl is not None else sums.ZERO
        slack = sums.RELATIVE * abs(row.quantity) if row is not None else sums.ZERO
        path = f"assets[{asset[:20]}].unrealizedProfit"
        sums.refuse_unless_near(unrealised, found.get(asset, sums.ZERO), path, "that of its positions", slack)


def _refuse_lost_positions(account: shapes.FuturesAccount, positions: Sequence[Position], endpoint: Endpoint) -> None:
    """Raise when a position that the account answer holds is not listed, or on the other side."""
    listed = {(position.instrument, position.side): position for position in positions}
    for line in account.positions:
        path = "positions.positionAmt"
        size = payloads.amount(line.positionAmt, path)
        if not size:
            continue
        symbol = payloads.instrument_code(line.symbol, "positions.symbol")
        side = contracts.SIDES.get(line.positionSide, "")
        position = listed.get((symbol, side))
        if position is None:
            raise AnswerShapeError(f"{endpoint.path} does not list {symbol}, which the account holds.", path=path)
        if side == "net" and (size > 0) is not (position.quantity > 0):
            raise AnswerShapeError(f"Two answers contradict each other: {symbol} is long or short.", path=path)
