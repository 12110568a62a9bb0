"""Round trips: short trades beside what an account holds for long, each of them opened and closed again.

Every market of a `Swing` is traded by itself, in turns of two days (contracts) or three (coins): a turn's trade
opens on its first day and is closed before the next turn begins, some in two parts. Which way, how much and how
long is a matter of seeded chance, so that there are winners and losers. Coins are held over midnight, so that
a look at the end of each day sees them; they and the contracts are ones that the account does not hold otherwise.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal

from portfolio_lab.demo.book import Book
from portfolio_lab.demo.facts import ONE_WAY, ZERO, Position
from portfolio_lab.demo.hand import CONTRACT_FEE, SPOT_FEE, Extra, Hand, Plan, down
from portfolio_lab.demo.instruments import LINEAR, Instrument, by_symbol
from portfolio_lab.demo.market import DAY_MS, HOUR_MS, STEP_MS, name_seed
from portfolio_lab.models.accounts import Wallet

_CONTRACT_TURN, _COIN_TURN = 2, 3
_CONTRACT_HOURS, _COIN_HOURS = (2, 22), (24, 46)
_TAKEN = 0.8
"""Of the turns; in the others nothing looked worth it."""
_IN_PARTS = 0.3
_MOST_MARGIN = Decimal("0.25")
"""Of what the free margin would carry."""
_MOST_CASH = Decimal("0.25")
_WHOLE_LOTS = 1000
"""A fee of a thousandth that is taken from this many lots leaves whole lots, which can all be sold again."""


@dataclass(frozen=True, slots=True)
class Swing:
    """What an account trades for hours or days: coins and linear contracts, and for about how many USDT."""

    coins: tuple[str, ...]
    contracts: tuple[str, ...]
    coin_worth: int
    contract_worth: int


def swinging(book: Book, venue: str, opened: tuple[Wallet, ...], swing: Swing) -> Extra:
    """Return the round trips of an account, for each day those steps that fall on it."""
    hand = Hand(book, venue, opened)
    coins = [(_Coin(hand, hand.spot(coin)), swing.coin_worth, _COIN_TURN, _COIN_HOURS) for coin in swing.coins]
    listed = by_symbol(venue, LINEAR)
    contracts = [
        (_Contract(hand, listed[name]), swing.contract_worth, _CONTRACT_TURN, _CONTRACT_HOURS)
        for name in swing.contracts
    ]

    def plan(number: int, start: int) -> Plan:
        steps: Plan = []
        for market, worth, turn, hours in (*coins, *contracts):
            for began in range(max(1, number - turn + 1), number + 1):
                if (began - name_seed(book.name, market.one.symbol)) % turn == 0:
                    steps += _turn(market, worth, hours, start - (number - began) * DAY_MS)
        return [(at, act) for at, act in steps if start <= at < start + DAY_MS]

    return plan


def _turn(market: _Market, worth: int, hours: tuple[int, int], day: int) -> Plan:
    """Return all steps of the turn that begins on a day; the same whichever of its days asks."""
    chance = random.Random(name_seed(market.hand.book.name, market.one.symbol, day, "trip"))  # a story
    if chance.random() > _TAKEN:
        return []
    opens = day + chance.randrange(HOUR_MS, DAY_MS - HOUR_MS, STEP_MS)
    closes = opens + chance.randrange(hours[0] * HOUR_MS, hours[1] * HOUR_MS, STEP_MS)
    is_long = chance.random() < 0.5  # a coin toss
    amount = Decimal(repr(round(worth * chance.uniform(0.5, 1.5), 2)))
    steps: Plan = [(opens, lambda: market.enter(opens, amount, is_long=is_long))]
    if chance.random() < _IN_PARTS:
        half = (opens + closes) // 2 // STEP_MS * STEP_MS
        steps.append((half, lambda: market.leave(half, whole=False)))
    return [*steps, (closes, lambda: market.leave(closes, whole=True))]


@dataclass(frozen=True, slots=True)
class _Market:
    """One instrument in one account's hand."""

    hand: Hand
    one: Instrument

    def enter(self, at: int, worth: Decimal, *, is_long: bool) -> None:
        """Open a trade of about a worth in USDT, at most what is free for it."""
        raise NotImplementedError

    def leave(self, at: int, *, whole: bool) -> None:
        """Close what is held, or half of it; nothing when there is nothing."""
        raise NotImplementedError


class _Coin(_Market):
    def enter(self, at: int, worth: Decimal, *, is_long: bool) -> None:  # noqa: ARG002  coins are only ever bought first
        self.hand.now = at
        price, step = self.hand.last(self.one), self.one.lot * _WHOLE_LOTS
        amount = down(min(worth, self.hand.free(self.hand.trading, self.one.quote) * _MOST_CASH) / price, step)
        if amount > ZERO:
            self.hand.book.trade(at, self.hand.trading, self.one, "buy", amount, price, fee_rate=SPOT_FEE)

    def leave(self, at: int, *, whole: bool) -> None:
        self.hand.now = at
        held = self.hand.free(self.hand.trading, self.one.base)
        self.hand.sell(self.hand.trading, self.one, held if whole else held / 2)


class _Contract(_Market):
    def enter(self, at: int, worth: Decimal, *, is_long: bool) -> None:
        self.hand.now = at
        wallet, price = self.hand.contract_wallet(LINEAR), self.hand.last(self.one)
        room = self.hand.free(wallet, self.one.settle) * self.hand.book.leverage * _MOST_MARGIN
        contracts = down(min(worth, room) / (self.one.contract_size * price), self.one.lot)
        book = ("long" if is_long else "short") if self.hand.book.hedge else ONE_WAY
        if contracts > ZERO:
            side = "buy" if is_long else "sell"
            self._trade(at, wallet, side, contracts, book)

    def leave(self, at: int, *, whole: bool) -> None:
        self.hand.now = at
        for held in self._held():
            part = abs(held.contracts) if whole else down(abs(held.contracts) / 2, self.one.lot)
            if part > ZERO:
                self._trade(at, held.wallet, "sell" if held.contracts > ZERO else "buy", part, held.position_side)

    def _held(self) -> list[Position]:
        return [held for held in self.hand.view.positions() if held.instrument == self.one]

    def _trade(self, at: int, wallet: Wallet, side: str, contracts: Decimal, book: str) -> None:
        price = self.hand.last(self.one)
        self.hand.book.trade(at, wallet, self.one, side, contracts, price, fee_rate=CONTRACT_FEE, position_side=book)
