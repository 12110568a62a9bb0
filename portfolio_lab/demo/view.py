"""An account as it stood at one instant."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from portfolio_lab.demo.facts import (
    ZERO,
    Bot,
    Debt,
    Loan,
    Locked,
    Order,
    Position,
    Staked,
    eight,
    settle_notional,
)
from portfolio_lab.demo.instruments import Instrument
from portfolio_lab.demo.market import Market
from portfolio_lab.models.accounts import Wallet

if TYPE_CHECKING:
    from portfolio_lab.demo.book import Book


@dataclass(frozen=True, slots=True)
class View:
    """An account as it stood at one instant, with marks from the market at that instant."""

    book: Book
    market: Market
    now: int

    def cash(self, wallet: Wallet, pair: str = "") -> dict[str, Decimal]:
        """Wallet balance W by asset: every asset that this wallet (isolated pair) ever touched, 0 included.

        What was borrowed is in it; what is owed is not taken off (see `debts`).
        """
        return self.book.cash_at(wallet, self.now, pair)

    def isolated_pairs(self) -> list[str]:
        """Isolated margin pairs that were ever touched up to now."""
        known = self.book.slots(Wallet.ISOLATED_MARGIN)
        return [pair for pair in known if any(self.cash(Wallet.ISOLATED_MARGIN, pair).values()) or self._owed(pair)]

    def _owed(self, pair: str) -> bool:
        return bool(self.debts(Wallet.ISOLATED_MARGIN, pair))

    def debts(self, wallet: Wallet, pair: str = "") -> dict[str, Debt]:
        """What a margin wallet (isolated pair) owes by asset; nothing owed is absent."""
        return self.book.debts_at(wallet, self.now, pair)

    def withdrawing(self, wallet: Wallet) -> dict[str, Decimal]:
        """Amount and fee of withdrawals under way, by asset: still in `cash`, no longer free."""
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for flow in self.book.flows("withdrawal", until=self.now):
            if flow.wallet is wallet and flow.done_at > self.now:
                sums[flow.asset] += flow.amount + flow.fee
        return dict(sums)

    def flexible(self) -> dict[str, Decimal]:
        """Flexible savings by asset: principal and rewards so far."""
        return self.book.flexible_at(self.now)

    def locked_earn(self) -> list[Locked]:
        """Locked subscriptions."""
        return self.book.locked_at(self.now)

    def staked(self) -> list[Staked]:
        """On-chain earn orders."""
        return self.book.staked_at(self.now)

    def loans(self) -> list[Loan]:
        """Flexible loans."""
        return self.book.loans_at(self.now)

    def bots(self) -> list[Bot]:
        """Trading bots ("grid") and copy trading ("copy")."""
        return self.book.bots_at(self.now)

    def orders(self, wallet: Wallet | None = None) -> list[Order]:
        """Open orders, limit and conditional, oldest first."""
        found = self.book.orders_at(self.now)
        return [order for order in found if wallet is None or order.wallet is wallet]

    def positions(self, wallet: Wallet | None = None) -> list[Position]:
        """Open positions, in the order in which their markets were first touched."""
        found = self.book.positions_at(self.now)
        return [position for position in found if wallet is None or position.wallet is wallet]

    def mark(self, instrument: Instrument) -> Decimal:
        """Mark price now."""
        return self.market.mark(instrument.venue, instrument.symbol, instrument.kind, self.now)

    def unrealised(self, wallet: Wallet) -> dict[str, Decimal]:
        """Unrealised PnL U by settlement asset; assets without a position are absent."""
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for position in self.positions(wallet):
            sums[position.instrument.settle] += position.unrealised_pnl(self.mark(position.instrument))
        return dict(sums)

    def market_value(self, wallet: Wallet) -> dict[str, Decimal]:
        """Worth of open options at mark by settlement asset: + bought, - written."""
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for position in self.positions(wallet):
            if position.instrument.is_option:
                sums[position.instrument.settle] += position.notional(self.mark(position.instrument))
        return dict(sums)

    def initial_margin(self, wallet: Wallet) -> dict[str, Decimal]:
        """Margin set aside for positions by settlement asset."""
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for position in self.positions(wallet):
            sums[position.instrument.settle] += position.initial_margin(self.mark(position.instrument))
        return dict(sums)

    def order_margin(self, wallet: Wallet) -> dict[str, Decimal]:
        """Margin set aside for open contract orders by settlement asset."""
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for order in self.orders(wallet):
            if order.instrument.is_contract and order.price is not None and not order.reduce_only:
                worth = settle_notional(order.instrument, order.remaining, order.price)
                sums[order.instrument.settle] += eight(worth / self.book.leverage)
        return dict(sums)

    def locked(self, wallet: Wallet, pair: str = "") -> dict[str, Decimal]:
        """Cash locked by open spot limit orders, by asset; conditional orders lock nothing."""
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for order in self.orders(wallet):
            if pair and order.instrument.symbol != pair:
                continue
            if not order.instrument.is_contract and not order.is_conditional:
                asset, amount = _locks(order)
                sums[asset] += amount
        return dict(sums)

    def free(self, wallet: Wallet, asset: str, pair: str = "") -> Decimal:
        """Spendable cash: W - locked - withdrawing; in a margin wallet also less margin and losses."""
        cash = self.cash(wallet, pair).get(asset, ZERO) - self.locked(wallet, pair).get(asset, ZERO)
        if self.book.has_under_way(self.now):
            cash -= self.withdrawing(wallet).get(asset, ZERO)
        loss = min(ZERO, self.unrealised(wallet).get(asset, ZERO))
        used = self.initial_margin(wallet).get(asset, ZERO) + self.order_margin(wallet).get(asset, ZERO)
        return cash + loss - used


def _locks(order: Order) -> tuple[str, Decimal]:
    """What a resting spot order keeps from being spent."""
    if order.side == "sell":
        return order.instrument.base, order.remaining
    return order.instrument.quote, eight(order.remaining * (order.price or ZERO))
