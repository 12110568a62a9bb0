"""Binance's margin wallets, net of debt and interest.

Equity of an asset is free + locked - borrowed - interest; what the venue calls netAsset must
agree. An isolated pair keeps its own rows, since a loss cannot leave the pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from portfolio_lab.errors import AnswerShapeError, WalletRefusedError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import endpoints, sums
from portfolio_lab.exchanges.binance import shapes_margin as shapes
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.holdings import Balance, WalletReading
from portfolio_lab.models.margins import WHOLE, Margin

ZEROS = frozenset({"0", "0.0", "0.00", "0.00000000"})
"""How Binance writes nothing."""


async def fetch_cross(client: VenueClient) -> WalletReading:
    """Return the cross margin wallet, debts as negative balances; raises the VenueError family."""
    account, mark = await client.ask(endpoints.CROSS_MARGIN_ACCOUNT, shapes.CrossMargin)
    payloads.each_once((row.asset for row in account.userAssets), "userAssets")
    balances = _held(_balance(row, "userAssets") for row in account.userAssets if not _is_zero(row))
    _refuse_lost(account.totalNetAssetOfBtc, balances)
    if not account.created and not balances:
        raise WalletRefusedError("The margin account was never opened.")
    margins = _margins([(WHOLE, account.marginLevel, balances)])
    return WalletReading(Wallet.CROSS_MARGIN, balances, answers=(mark,), margins=margins)


async def fetch_isolated(client: VenueClient) -> WalletReading:
    """Return all isolated pairs, two balances each; raises the VenueError family."""
    account, mark = await client.ask(endpoints.ISOLATED_MARGIN_ACCOUNT, shapes.IsolatedMargin)
    payloads.each_once((pair.symbol for pair in account.assets), "assets")
    balances = _held(balance for pair in account.assets for balance in _pair_balances(pair))
    _refuse_lost(account.totalNetAssetOfBtc, balances)
    pairs = [
        (pair.symbol, pair.marginLevel, [one for one in balances if one.pair == pair.symbol]) for pair in account.assets
    ]
    return WalletReading(Wallet.ISOLATED_MARGIN, balances, answers=(mark,), margins=_margins(pairs))


def _is_zero(row: shapes.MarginRow) -> bool:
    """True for one of the many coins that the answer lists and the account has not: its name is no matter."""
    return all(text in ZEROS for text in (row.free, row.locked, row.borrowed, row.interest, row.netAsset))


def _margins(loans: Iterable[tuple[str, str, Sequence[Balance]]]) -> tuple[Margin, ...]:
    """The level of each margin account that owes something: its place, its level and its balances."""
    owing = [(place, text) for place, text, balances in loans if any(_owed(one) for one in balances)]
    levels = [(place, payloads.amount_or_none(text, f"[{place}].marginLevel")) for place, text in owing]
    return tuple(Margin(place, debt_level=level) for place, level in levels if level is not None)


def _owed(balance: Balance) -> Decimal:
    parts = dict(balance.components)
    return parts["borrowed"] + parts["interest"]


def _pair_balances(pair: shapes.IsolatedPair) -> tuple[Balance, Balance]:
    symbol = payloads.instrument_code(pair.symbol, "assets.symbol")
    path = f"assets[{symbol}]"
    if symbol != pair.baseAsset.asset + pair.quoteAsset.asset:
        raise AnswerShapeError("The answer has a pair that is not made of its two assets.", path=f"{path}.symbol")
    payloads.each_once((pair.baseAsset.asset, pair.quoteAsset.asset), path)
    return (
        _balance(pair.baseAsset, f"{path}.baseAsset", symbol),
        _balance(pair.quoteAsset, f"{path}.quoteAsset", symbol),
    )


def _balance(row: shapes.MarginRow, where: str, pair: str = "") -> Balance:
    asset = payloads.asset_code(row.asset, f"{where}.asset")
    path = f"{where}[{asset}]"
    free = payloads.not_negative(row.free, f"{path}.free")
    held = payloads.not_negative(row.locked, f"{path}.locked")
    borrowed = payloads.not_negative(row.borrowed, f"{path}.borrowed")
    interest = payloads.not_negative(row.interest, f"{path}.interest")
    quantity = free + held - borrowed - interest
    stated = payloads.amount(row.netAsset, f"{path}.netAsset")
    sums.refuse_unless_near(stated, quantity, f"{path}.netAsset", "free + locked - borrowed - interest")
    parts = (("free", free), ("locked", held), ("borrowed", borrowed), ("interest", interest))
    return Balance(asset, quantity, available=free, pair=pair, components=parts)


def _held(balances: Iterable[Balance]) -> tuple[Balance, ...]:
    """The balances with anything in them; one whose debt equals its coins has."""
    return tuple(balance for balance in balances if any(size for _, size in balance.components))


def _refuse_lost(total: str, balances: tuple[Balance, ...]) -> None:
    """Raise when the venue's total says that there is something, and no row does.

    Only so loosely: the total is in BTC at the venue's own prices, which differ from ours.
    """
    stated: Decimal = payloads.amount(total, "totalNetAssetOfBtc")
    if stated and not balances:
        raise AnswerShapeError("The answer has a net asset, but no asset that makes it.", path="totalNetAssetOfBtc")
