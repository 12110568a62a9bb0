"""sapi: coins wrapped into staking receipts and unwrapped again, and what the receipts gained."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from portfolio_lab.demo.binance_ask import Answer, Ask, Endpoint, Json
from portfolio_lab.demo.binance_ledger import exchanges
from portfolio_lab.demo.binance_text import eight_text, plain_text
from portfolio_lab.demo.binance_windows import MONTH_MS, QUARTER_MS, rows_and_total, window
from portfolio_lab.demo.facts import ZERO, Entry, Reason, eight
from portfolio_lab.demo.market import DAY_MS
from portfolio_lab.models.accounts import Wallet

_PAGED = 150
"""The weight of every page of these histories."""


@dataclass(frozen=True, slots=True)
class _Product:
    """A coin, its receipt, and the names that the venue's histories of them have."""

    coin: str
    receipt: str
    root: str
    rewards: str
    ratio: str


_ETH = _Product("ETH", "WBETH", "/sapi/v1/eth-staking/eth/history", "wbethRewardsHistory", "conversionRatio")
_SOL = _Product("SOL", "BNSOL", "/sapi/v1/sol-staking/sol/history", "bnsolRewardsHistory", "exchangeRate")


# ---------------------------------------------------------------- wrapping


def _wrapping(product: _Product, name: str, given: str, taken: str) -> Answer:
    """Answers every exchange of `given` for `taken`; three months a window at most, newest first."""
    path = f"{product.root}/{name}"

    def answer(ask: Ask) -> Json:
        span = window(ask, QUARTER_MS, MONTH_MS)
        rows = [
            _wrap_row(product, paid, got)
            for one in exchanges(ask, path, Reason.STAKING, span)
            for paid, got in zip(one.given, one.taken, strict=False)
            if (paid.asset, got.asset) == (given, taken)
        ]
        return rows_and_total(ask, rows)

    return answer


def _wrap_row(product: _Product, paid: Entry, got: Entry) -> dict[str, Json]:
    """One exchange; what comes back from staking also has a time of arrival."""
    coins, receipts = sorted((-paid.amount, got.amount), reverse=True)
    row: dict[str, Json] = {
        "time": paid.at,
        "asset": paid.asset,
        "amount": plain_text(-paid.amount),
        "distributeAsset": got.asset,
        "distributeAmount": plain_text(got.amount),
        product.ratio: eight_text(eight(coins / receipts)),
        "status": "SUCCESS",
    }
    return row | {"arrivalTime": got.at} if got.asset == product.coin else row


# ---------------------------------------------------------------- rewards


def _rewards(product: _Product) -> Answer:
    """Answers the daily growth of the receipts held at spot, told in coins: no cash moves, they gain worth."""

    def answer(ask: Ask) -> Json:
        span = window(ask, QUARTER_MS, MONTH_MS)
        midnights = range(-(-span.since // DAY_MS) * DAY_MS, min(span.until, ask.at) + 1, DAY_MS)
        held = ((at, _held(ask, product.receipt, at)) for at in midnights)
        rows = [_reward_row(ask, product, at, amount) for at, amount in held if amount]
        total = sum((Decimal(row[f"amountIn{product.coin}"]) for row in rows), ZERO)
        return {f"estRewardsIn{product.coin}": eight_text(total), **rows_and_total(ask, rows[::-1])}

    return answer


def _held(ask: Ask, asset: str, at: int) -> Decimal:
    return ask.view.book.cash_at(Wallet.SPOT, at).get(asset, ZERO)


def _reward_row(ask: Ask, product: _Product, at: int, held: Decimal) -> dict[str, Json]:
    ratio, before = (ask.market.ratio(product.receipt, instant) for instant in (at, at - DAY_MS))
    return {
        "time": at,
        f"amountIn{product.coin}": eight_text(eight(held * (ratio - before))),
        "holding": plain_text(held),
        f"holdingIn{product.coin}": eight_text(eight(held * ratio)),
        "annualPercentageRate": eight_text(eight((ratio / before - 1) * 365)),
    }


def _no_beth_rewards(ask: Ask) -> Json:
    """Nobody here holds BETH, which alone is paid its rewards as coins."""
    window(ask, QUARTER_MS, MONTH_MS)
    return rows_and_total(ask, [])


def _endpoints(product: _Product) -> tuple[Endpoint, ...]:
    stake = _wrapping(product, "stakingHistory", product.coin, product.receipt)
    redeem = _wrapping(product, "redemptionHistory", product.receipt, product.coin)
    return (
        Endpoint("GET", f"{product.root}/stakingHistory", stake, _PAGED),
        Endpoint("GET", f"{product.root}/redemptionHistory", redeem, _PAGED),
        Endpoint("GET", f"{product.root}/{product.rewards}", _rewards(product), _PAGED),
    )


ENDPOINTS = (
    *_endpoints(_ETH),
    *_endpoints(_SOL),
    Endpoint("GET", f"{_ETH.root}/rewardsHistory", _no_beth_rewards, _PAGED),
)
