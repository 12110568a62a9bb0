"""How an account is traded: what a story needs to know about its trader."""

from __future__ import annotations

from dataclasses import dataclass

from portfolio_lab.demo.facts import ONE_WAY


@dataclass(frozen=True, slots=True)
class Leaning:
    """One contract that a trader holds, and how much: notional as a share of capital, + long.

    In hedge mode a trader keeps a long and a short book; `side` says which one this is.
    """

    kind: str
    symbol: str
    share: float
    side: str = ONE_WAY


@dataclass(frozen=True, slots=True)
class Profile:
    """How one account is traded. `capital` is the first deposit in USDT."""

    capital: int
    coins: tuple[str, ...]
    coin_share: float
    leanings: tuple[Leaning, ...]
    actions_a_day: float
    deposit_every: int
    withdrawal_every: int
    large_deposit_day: int = 38
    large_withdrawal_day: int = 61
    hedge: bool = False
