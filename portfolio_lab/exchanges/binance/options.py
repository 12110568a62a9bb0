"""Binance's options wallet: equity as the venue states it, and each option with its delta."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import endpoints, sums
from portfolio_lab.exchanges.binance import shapes_options as shapes
from portfolio_lab.exchanges.binance.contracts import ROUNDED
from portfolio_lab.exchanges.binance.prices import Instrument, Instruments
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.holdings import AnswerMark, Balance, ContractKind, Position, WalletReading
from portfolio_lab.models.margins import Margin

MOVED = Decimal("0.05")
"""Share of the options' value by which two answers of one moment may differ."""

STEEPEST = Decimal(2)
"""No delta of one option comes near it."""


async def fetch_options(client: VenueClient, instruments: Instruments) -> WalletReading:
    """Return the options wallet; raises the VenueError family.

    A balance's quantity is the stated equity, which must be the margin balance + the options'
    unrealised PnL or + their market value. Unverified which of the two the venue means: its
    help says market value, its documented answer adds the PnL. The wallet balance is what remains
    of the equity without the unrealised PnL.
    """
    account, mark = await client.ask(endpoints.OPTION_ACCOUNT, shapes.OptionAccount)
    rows, second = await client.ask(endpoints.OPTION_POSITIONS, list[shapes.OptionPosition])
    payloads.each_once((row.symbol for row in rows), "symbol")
    held = [row for row in rows if payloads.amount(row.quantity, f"[{row.symbol[:30]}].quantity")]
    deltas, marks = await _deltas(client, held)
    positions = [_position(row, await instruments.one(Wallet.OPTIONS, row.symbol), deltas) for row in held]
    balances, margins = _balances(account, positions), _margins(account)
    return WalletReading(Wallet.OPTIONS, balances, tuple(positions), (mark, second, *marks), margins=margins)


def _margins(account: shapes.OptionAccount) -> tuple[Margin, ...]:
    """What written options need; unverified that it is the equity that stands behind it."""
    needed = [(row, payloads.amount_or_none(row.maintMargin, "asset.maintMargin")) for row in account.asset]
    return tuple(Margin(row.asset, part, payloads.amount(row.equity, "asset.equity")) for row, part in needed if part)


async def _deltas(
    client: VenueClient, rows: Sequence[shapes.OptionPosition]
) -> tuple[dict[str, Decimal], tuple[AnswerMark, ...]]:
    """Delta of one unit bought, by symbol; asked only when an option is held."""
    if not rows:
        return {}, ()
    marks, mark = await client.ask(endpoints.OPTION_MARKS, list[shapes.OptionMark])
    payloads.each_once((row.symbol for row in marks), "symbol")
    wanted = {row.symbol for row in rows}
    return {row.symbol: _delta(row) for row in marks if row.symbol in wanted}, (mark,)


def _delta(row: shapes.OptionMark) -> Decimal:
    path = f"[{row.symbol[:30]}].delta"
    delta = payloads.amount(row.delta, path)
    is_turned = (delta < 0 and row.symbol.endswith("-C")) or (delta > 0 and row.symbol.endswith("-P"))
    if is_turned or abs(delta) > STEEPEST:
        raise AnswerShapeError(f"The answer has no usable delta at {path}.", path=path)
    return delta


def _balances(account: shapes.OptionAccount, positions: Sequence[Position]) -> tuple[Balance, ...]:
    payloads.each_once((row.asset for row in account.asset), "asset")
    assets = {row.asset for row in account.asset}
    strange = next((one.settle_asset for one in positions if one.settle_asset not in assets), None)
    if strange is not None:
        raise AnswerShapeError(f"The answer has options in {strange}, but no such asset.", path="asset")
    balances = (_balance(row, [one for one in positions if one.settle_asset == row.asset]) for row in account.asset)
    return tuple(balance for balance in balances if balance.quantity or balance.wallet_balance)


def _balance(row: shapes.OptionAsset, positions: Sequence[Position]) -> Balance:
    asset = payloads.asset_code(row.asset, "asset.asset")
    path = f"asset[{asset}]"
    equity = payloads.amount(row.equity, f"{path}.equity")
    margin = payloads.amount(row.marginBalance, f"{path}.marginBalance")
    unrealised = payloads.amount(row.unrealizedPNL, f"{path}.unrealizedPNL")
    available = payloads.amount(row.available, f"{path}.available")
    _refuse_foreign(positions, unrealised, f"{path}.unrealizedPNL")
    value = sums.total(one.quantity * one.mark_price for one in positions)
    if not sums.is_near(equity, margin + unrealised):
        terms = "the margin balance + the options"
        sums.refuse_unless_near(equity, margin + value, f"{path}.equity", terms, _slack(positions))
    parts = (("margin_balance", margin), ("market_value", value))
    return Balance(asset, equity, equity - unrealised, unrealised, available, components=parts)


def _refuse_foreign(positions: Sequence[Position], unrealised: Decimal, path: str) -> None:
    """Raise when the account's unrealised PnL is not that of the options, which were asked a moment later."""
    found = sums.total(one.unrealised_pnl for one in positions)
    sums.refuse_unless_near(unrealised, found, path, "that of its options", _slack(positions))


def _slack(positions: Sequence[Position]) -> Decimal:
    return MOVED * sums.total(abs(one.quantity) * one.mark_price for one in positions)


def _position(row: shapes.OptionPosition, option: Instrument, deltas: dict[str, Decimal]) -> Position:
    """One option. Unverified for units other than 1: the premium is read as that of one base unit."""
    path = f"[{row.symbol}]"
    contracts = _signed(row, path)
    mark = payloads.not_negative(row.markPrice, f"{path}.markPrice")
    value = abs(payloads.amount(row.markValue, f"{path}.markValue"))
    if not sums.is_near(value, abs(contracts) * mark):
        terms = "contracts x unit x mark price"
        sums.refuse_unless_near(value, abs(contracts) * option.size * mark, f"{path}.markValue", terms)
    entry = payloads.not_negative(row.entryPrice, f"{path}.entryPrice")
    unrealised = payloads.amount(row.unrealizedPNL, f"{path}.unrealizedPNL")
    found = contracts * option.size * (mark - entry)
    terms = "that of its size, entry and mark price"
    sums.refuse_unless_near(unrealised, found, f"{path}.unrealizedPNL", terms, ROUNDED * value)
    return Position(
        instrument=row.symbol,
        underlying=payloads.asset_code(option.base, f"{path}.baseAsset"),
        kind=ContractKind.OPTION,
        side="net",
        quantity=contracts * option.size,
        contracts=abs(contracts),
        contract_size=option.size,
        entry_price=entry,
        mark_price=mark,
        unrealised_pnl=unrealised,
        settle_asset=payloads.asset_code(row.quoteAsset, f"{path}.quoteAsset"),
        delta=deltas.get(row.symbol),
    )


def _signed(row: shapes.OptionPosition, path: str) -> Decimal:
    """Contracts: + bought, - written. The side decides; a bought option of negative size has no meaning."""
    contracts = payloads.amount(row.quantity, f"{path}.quantity")
    if row.side == "SHORT":
        return -abs(contracts)
    if row.side == "LONG" and contracts > 0:
        return contracts
    raise AnswerShapeError("The answer has an option neither bought nor written.", path=f"{path}.side")
