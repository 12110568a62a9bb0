"""What a Binance account holds, wallet by wallet: one reading each.

Quantities are what counts for equity: free + locked + freeze + withdrawing in the cash wallets
(a withdrawal under way is still ours), wallet balance + unrealised PnL in the futures wallets,
net of debt and interest in the margin wallets.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from decimal import Decimal
from functools import partial

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import (
    earn,
    endpoints,
    futures,
    margin,
    options,
    portfolio_margin,
    shapes,
    totals,
)
from portfolio_lab.exchanges.binance.prices import Instruments
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.holdings import Balance, Holding, WalletReading

RECEIPT = "LD"
"""How the name of a receipt for flexible savings begins."""


async def fetch_wallet(client: VenueClient, instruments: Instruments, wallet: Wallet) -> WalletReading:
    """Return everything that one wallet says; raises the VenueError family."""
    return await READERS[wallet](client, instruments)


# ---------------------------------------------------------------- cash wallets


async def _spot(client: VenueClient, instruments: Instruments) -> WalletReading:
    """Read spot; an empty list is believed only when the account answer, which lists every coin, agrees."""
    rows, mark = await client.ask(endpoints.SPOT_ASSETS, list[shapes.AssetRow], {"needBtcValuation": "false"})
    if rows:
        held = _held(rows)
        balances = _balances(held, await _receipts(held, instruments))
        return WalletReading(Wallet.SPOT, balances, answers=(mark,), locks=_locks(balances))
    account, second = await client.ask(endpoints.SPOT_ACCOUNT, shapes.SpotAccount)
    payloads.each_once((row.asset for row in account.balances), "balances")
    for row in account.balances:
        path = "balances"  # every coin there is stands here: a strange name of one that is not held is no matter
        if payloads.amount(row.free, f"{path}.free") or payloads.amount(row.locked, f"{path}.locked"):
            path = f"balances[{payloads.asset_code(row.asset, 'balances.asset')}]"
            raise AnswerShapeError(f"Two answers contradict each other: none or some {row.asset}.", path=path)
    return WalletReading(Wallet.SPOT, (), answers=(mark, second), locks=frozenset())


def _locks(balances: Sequence[Balance]) -> frozenset[str]:
    """The coins that resting orders hold; every order in the spot wallet holds some."""
    return frozenset(balance.asset for balance in balances if dict(balance.components)["locked"])


async def _funding(client: VenueClient) -> WalletReading:
    rows, mark = await client.ask(endpoints.FUNDING_ASSETS, list[shapes.AssetRow], {"needBtcValuation": "false"})
    return WalletReading(Wallet.FUNDING, _cash_balances(rows), answers=(mark,))


Parts = tuple[tuple[str, Decimal], ...]
_ZEROS = frozenset({"0", "0.0", "0.00", "0.00000000"})


def _held(rows: Sequence[shapes.AssetRow]) -> list[shapes.AssetRow]:
    """The rows that hold something; Binance lists every coin there is, and most rows are zeros."""
    payloads.each_once([row.asset for row in rows], "asset")
    zero = _ZEROS  # looked up for each row: most of the cost of reading is here
    return [
        row
        for row in rows
        if row.free not in zero or row.locked not in zero or row.freeze not in zero or row.withdrawing not in zero
    ]


async def _receipts(rows: Sequence[shapes.AssetRow], instruments: Instruments) -> frozenset[str]:
    """Those of the assets that are receipts for savings: LD before a listed coin, and not listed themselves."""
    likely = {row.asset for row in rows if row.asset.startswith(RECEIPT)}
    if not likely:
        return frozenset()
    listed = await instruments.coins()
    return frozenset(asset for asset in likely if asset not in listed and asset.removeprefix(RECEIPT) in listed)


def _cash_balances(rows: Sequence[shapes.AssetRow]) -> tuple[Balance, ...]:
    return _balances(_held(rows))


def _balances(rows: Sequence[shapes.AssetRow], receipts: Collection[str] = ()) -> tuple[Balance, ...]:
    balances = (_cash_balance(row, is_receipt=row.asset in receipts) for row in rows)
    return tuple(balance for balance in balances if balance.quantity)


def _cash_balance(row: shapes.AssetRow, *, is_receipt: bool) -> Balance:
    """One coin. What is bound by a sale of new coins (ipoable) is kept, not added: unverified."""
    asset = payloads.asset_code(row.asset, "asset")
    free = _part(asset, "free", row.free)
    locked = _part(asset, "locked", row.locked)
    freeze = _part(asset, "freeze", row.freeze)
    withdrawing = _part(asset, "withdrawing", row.withdrawing)
    parts: Parts = (("free", free), ("locked", locked), ("freeze", freeze), ("withdrawing", withdrawing))
    bound = payloads.amount_or_none(row.ipoable, f"[{asset}].ipoable") if row.ipoable else None
    if bound:
        parts += (("ipoable", bound),)
    holding = Holding.LD_FALLBACK if is_receipt else Holding.HELD
    return Balance(asset, free + locked + freeze + withdrawing, available=free, holding=holding, components=parts)


def _part(asset: str, name: str, text: str) -> Decimal:
    return payloads.not_negative(text, f"[{asset}].{name}")


# ---------------------------------------------------------------- all wallets

Reader = Callable[[VenueClient, Instruments], Awaitable[WalletReading]]


def _alone(reader: Callable[[VenueClient], Awaitable[WalletReading]]) -> Reader:
    """A reader that needs to know no instrument."""
    return lambda client, _: reader(client)


READERS: dict[Wallet, Reader] = {
    Wallet.SPOT: _spot,
    Wallet.FUNDING: _alone(_funding),
    Wallet.CROSS_MARGIN: _alone(margin.fetch_cross),
    Wallet.ISOLATED_MARGIN: _alone(margin.fetch_isolated),
    Wallet.USD_M: futures.fetch_usd_m,
    Wallet.COIN_M: futures.fetch_coin_m,
    Wallet.OPTIONS: options.fetch_options,
    Wallet.PORTFOLIO_MARGIN: portfolio_margin.fetch_portfolio_margin,
    Wallet.EARN: _alone(earn.fetch_earn),
    Wallet.LOANS: _alone(earn.fetch_loans),
    Wallet.BOTS: _alone(partial(totals.fetch_opaque, wallet=Wallet.BOTS)),
    Wallet.COPY_TRADING: _alone(partial(totals.fetch_opaque, wallet=Wallet.COPY_TRADING)),
}
"""Who reads which wallet."""
