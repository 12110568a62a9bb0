"""What stands for something else: pegged credits, receipts for savings, wrapper coins. A table to look at.

A peg or a wrapper is only used where no market prices the asset itself: a market sees a
de-peg, a table does not. Which one was used stands beside the price (`Price.kind`).
"""

from __future__ import annotations

from functools import lru_cache

PEGS: dict[str, str] = {
    "BFUSD": "USDT",  # Binance: reward-bearing margin asset, one USDT
    "RWUSD": "USDT",  # Binance: reward-bearing, redeemed one to one
    "BNFCR": "USDC",  # Binance: futures credits of its European users; the peg is unverified
    "USD1": "USDT",  # a dollar coin that Binance takes as margin; its own market, where there is one, goes before
    "U": "USDT",  # the same
    "BETH": "ETH",  # staked ether before it was wrapped: redeemed one to one
}
"""Credits that a venue redeems at a fixed rate: one unit is worth one unit of the other."""

WRAPPERS: dict[str, str] = {
    "WBETH": "ETH",
    "BNSOL": "SOL",
    "OKSOL": "SOL",
    "STETH": "ETH",
    "WSTETH": "ETH",
    "WBTC": "BTC",
    "BBTC": "BTC",
}
"""Coins that follow another one by a ratio which the venue states, and which may grow."""

_SAVINGS = "LD"
_NO_RECEIPTS = frozenset({"LDO"})
"""Coins that only look like receipts for savings."""


def ld_asset(asset: str) -> str | None:
    """Return the asset that a Binance savings receipt stands for ("LDUSDT" -> "USDT"), None for all others.

    >>> ld_asset("LDBTC"), ld_asset("LDO"), ld_asset("BTC")
    ('BTC', None, None)
    """
    if asset in _NO_RECEIPTS or not asset.startswith(_SAVINGS) or len(asset) <= len(_SAVINGS):
        return None
    return asset.removeprefix(_SAVINGS)


def pegged_to(asset: str) -> str | None:
    """Return the asset whose price a pegged credit or a savings receipt has, None for all others."""
    return PEGS.get(asset) or ld_asset(asset)


@lru_cache(maxsize=65_536)
def underlying_of(asset: str) -> str:
    """Return the asset whose price moves this one: itself unless it is pegged or wraps another.

    >>> underlying_of("WBETH"), underlying_of("LDBTC"), underlying_of("BTC")
    ('ETH', 'BTC', 'BTC')
    """
    return WRAPPERS.get(asset) or pegged_to(asset) or asset
