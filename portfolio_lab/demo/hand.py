"""A hand that acts in one account's book, checking what is free before it spends."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal

from portfolio_lab.demo.book import Book, View
from portfolio_lab.demo.facts import ZERO, Position
from portfolio_lab.demo.instruments import INVERSE, LINEAR, OPTION, SPOT, Instrument, by_symbol
from portfolio_lab.models.accounts import Wallet

Plan = list[tuple[int, Callable[[], None]]]
Extra = Callable[[int, int], Plan]
"""What happens besides an account's own days: (number, start) of a day -> its steps."""
SPOT_FEE, CONTRACT_FEE, OPTION_FEE = Decimal("0.001"), Decimal("0.0005"), Decimal("0.0003")
_SMALLEST = Decimal("0.0001")
_MOST_MARGIN = Decimal("0.3")


def down(amount: Decimal, step: Decimal) -> Decimal:
    """Towards zero to a whole number of steps."""
    return ((amount / step).to_integral_value(ROUND_DOWN) * step).quantize(step)


@dataclass(slots=True)
class Hand:
    """Acts at `now` with seeded chance. `opened` are the account's wallets."""

    book: Book
    venue: str
    opened: tuple[Wallet, ...]
    now: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(0))  # a story

    # ------------------------------------------------------------ looking

    @property
    def view(self) -> View:
        """The book now."""
        return self.book.at(self.now)

    @property
    def trading(self) -> Wallet:
        """Where coins are bought and sold."""
        return Wallet.TRADING if self.venue == "okx" else Wallet.SPOT

    @property
    def home(self) -> Wallet:
        """Where deposits arrive and savings come from."""
        return Wallet.FUNDING if self.venue == "okx" else Wallet.SPOT

    def free(self, wallet: Wallet, asset: str, pair: str = "") -> Decimal:
        """What can be spent, never below zero."""
        return max(ZERO, self.view.free(wallet, asset, pair))

    def some(self, wallet: Wallet, asset: str, *, pair: str = "", most: float = 0.3) -> Decimal:
        """A random part of what is free, to four decimals."""
        share = Decimal(repr(round(self.chance.uniform(0.02, most), 4)))
        return down(self.free(wallet, asset, pair) * share, _SMALLEST)

    def spot(self, base: str, quote: str = "USDT") -> Instrument:
        """A spot market."""
        return by_symbol(self.venue, SPOT)[f"{base}-{quote}" if self.venue == "okx" else base + quote]

    def last(self, one: Instrument) -> Decimal:
        """Last price now."""
        return self.book.market.last(one.venue, one.symbol, one.kind, self.now)

    # ------------------------------------------------------------ acting

    def buy(self, wallet: Wallet, one: Instrument, worth: Decimal) -> None:
        """Buy for about a worth in quote units, at most what is free."""
        pair = one.symbol if wallet is Wallet.ISOLATED_MARGIN else ""
        price = self.last(one)
        amount = down(min(worth, self.free(wallet, one.quote, pair)) / price, one.lot)
        if amount > ZERO:
            self.book.trade(self.now, wallet, one, "buy", amount, price, fee_rate=SPOT_FEE)

    def sell(self, wallet: Wallet, one: Instrument, amount: Decimal) -> None:
        """Sell an amount of the base, at most what is free."""
        pair = one.symbol if wallet is Wallet.ISOLATED_MARGIN else ""
        amount = down(min(amount, self.free(wallet, one.base, pair)), one.lot)
        if amount > ZERO:
            self.book.trade(self.now, wallet, one, "sell", amount, self.last(one), fee_rate=SPOT_FEE)

    def lean(self, wallet: Wallet, symbol: str, kind: str, share: float) -> None:
        """Trade a contract for a share of the wallet's free settlement asset (+ long), within its margin."""
        one = by_symbol(self.venue, kind)[symbol]
        price, free = self.last(one), self.free(wallet, one.settle)
        used = self.view.initial_margin(wallet).get(one.settle, ZERO)
        if used > free * _MOST_MARGIN:
            return
        size = one.contract_size / price if kind == INVERSE else one.contract_size * price
        contracts = down(free * Decimal(repr(abs(share))) / size, one.lot)
        if contracts > ZERO:
            side, book = ("buy" if share > 0 else "sell"), self._side(share)
            fee = CONTRACT_FEE
            self.book.trade(self.now, wallet, one, side, contracts, price, fee_rate=fee, position_side=book)

    def _side(self, share: float) -> str:
        if not self.book.hedge:
            return "net"
        return "long" if share > 0 else "short"

    def option(self, symbol: str, contracts: Decimal) -> None:
        """Buy (+) or write (-) options at mark."""
        one = by_symbol(self.venue, OPTION)[symbol]
        mark = self.book.market.option_mark(one, self.now)
        side = "buy" if contracts > ZERO else "sell"
        wallet, amount = Wallet.OPTIONS, abs(contracts)
        self.book.trade(self.now, wallet, one, side, amount, mark, fee_rate=OPTION_FEE)

    def close(self, position: Position) -> None:
        """Close a position at the last price."""
        one, side = position.instrument, "sell" if position.contracts > ZERO else "buy"
        self.book.trade(
            self.now,
            position.wallet,
            one,
            side,
            abs(position.contracts),
            self.last(one),
            fee_rate=CONTRACT_FEE,
            position_side=position.position_side,
        )

    def mind_margin(self) -> None:
        """Have every contract closed by force whose margin is used up; give up bought options never."""
        for position in self.view.positions():
            one = position.instrument
            if not one.is_option and self.view.free(position.wallet, one.settle) < ZERO:
                self.book.liquidate(self.now, position)

    @property
    def contracts(self) -> list[tuple[Wallet, Instrument]]:
        """Perpetual contracts that the account can trade, with the wallet of each."""
        return [(self.contract_wallet(kind), one) for kind in self._kinds for one in self._perpetuals(kind)]

    @property
    def _kinds(self) -> tuple[str, ...]:
        wallets = {LINEAR: Wallet.USD_M, INVERSE: Wallet.COIN_M}
        if self.venue == "okx" or Wallet.PORTFOLIO_MARGIN in self.opened:
            return tuple(wallets)
        return tuple(kind for kind, wallet in wallets.items() if wallet in self.opened)

    def _perpetuals(self, kind: str) -> list[Instrument]:
        listed = by_symbol(self.venue, kind).values()
        return [one for one in listed if one.base in {"BTC", "ETH", "SOL"}]

    def contract_wallet(self, kind: str) -> Wallet:
        """Where contracts of a kind are kept."""
        if self.venue == "okx":
            return Wallet.TRADING
        return Wallet.USD_M if kind == LINEAR else Wallet.COIN_M
