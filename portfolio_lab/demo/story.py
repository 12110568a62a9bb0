"""Who trades at the demo exchange, and what they do from the first day on.

A story is told day by day, always the same for the same seed and beginning, and goes on for
as long as anyone asks. Each trader has a profile (capital, coins, contracts and their
leaning); a day is a few actions at seeded instants, each of them checked against what is
free in the book at that instant, so that no balance ever goes below zero.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal

from portfolio_lab.demo.book import Book, View
from portfolio_lab.demo.facts import ZERO, Order, Position
from portfolio_lab.demo.hand import Extra, Hand
from portfolio_lab.demo.instruments import INVERSE, LINEAR, SPOT, Instrument, by_symbol
from portfolio_lab.demo.market import DAY_MS, STEP_MS, Market, name_seed, to_tick
from portfolio_lab.demo.profiles import Leaning, Profile
from portfolio_lab.demo.wild import wild_plan
from portfolio_lab.models.accounts import Wallet

SPOT_FEE = Decimal("0.001")
CONTRACT_FEE = Decimal("0.0005")
WITHDRAWAL_FEES = {"USDT": Decimal(1), "BTC": Decimal("0.0001"), "ETH": Decimal("0.001")}
_MOST_ORDERS = 8
_HALF = Decimal("0.5")


@dataclass(slots=True)
class Story:
    """The pen that writes one account's book. `told` is the instant up to which all is written."""

    book: Book
    market: Market
    venue: str
    profile: Profile
    opened: tuple[Wallet, ...]
    since: int
    told: int = 0
    wild: int | None = None
    extras: list[Extra] = field(default_factory=list)

    def tell(self, now: int) -> None:
        """Write on until everything up to and with `now` has happened."""
        if not self.told:
            self.told = self.book.head = self.since
        while self.told <= now:
            _Day(self, (self.told - self.since) // DAY_MS).live()
            self.told += DAY_MS

    @property
    def trading(self) -> Wallet:
        """Where coins are bought and sold."""
        return Wallet.TRADING if self.venue == "okx" else Wallet.SPOT

    @property
    def arrival(self) -> Wallet:
        """Where deposits arrive."""
        return Wallet.FUNDING if self.venue == "okx" else Wallet.SPOT

    def contract_wallet(self, kind: str) -> Wallet:
        """Where contracts of a kind are kept."""
        if self.venue == "okx":
            return Wallet.TRADING
        return Wallet.USD_M if kind == LINEAR else Wallet.COIN_M

    def pair(self, coin: str) -> Instrument:
        """The coin's market against USDT."""
        symbol = f"{coin}-USDT" if self.venue == "okx" else f"{coin}USDT"
        return by_symbol(self.venue, SPOT)[symbol]


class _Day:
    """One day of one account: its own random numbers, actions in order of time."""

    def __init__(self, story: Story, number: int) -> None:
        self.story, self.number = story, number
        self.book, self.profile = story.book, story.profile
        self.start = story.since + number * DAY_MS
        self.random = random.Random(name_seed(story.market.seed, story.book.name, number))  # a story
        self.now = self.start

    def live(self) -> None:
        """Let everything of the day happen."""
        for at, act in sorted(self._plan(), key=lambda step: step[0]):
            self.now = at
            self.book.fund_until(at)
            act()
        self.book.fund_until(self.start + DAY_MS - 1)

    # ------------------------------------------------------------ plan

    def _plan(self) -> list[tuple[int, Callable[[], None]]]:
        steps: list[Callable[[], None]] = [*self._flows(), self._mind_margin]
        steps += [self.random.choice(self._habits) for _ in range(self._how_often())]
        plan = [(self._moment(), act) for act in steps]
        for extra in self.story.extras:
            plan += extra(self.number, self.start)
        if self.story.wild is not None:
            hand = Hand(self.book, self.story.venue, self.story.opened)
            plan += wild_plan(hand, self.start, self.story.wild)
        return [(self.start + STEP_MS, self._open_up), *plan] if self.number == 0 else plan

    @property
    def _habits(self) -> tuple[Callable[[], None], ...]:
        return (self._trade_coin, self._trade_coin, self._trade_contract, self._renew_order, self._park)

    def _how_often(self) -> int:
        whole, part = divmod(self.profile.actions_a_day, 1)
        return int(whole) + (self.random.random() < part)

    def _moment(self) -> int:
        """Any five-second step of the day but its first quarter of an hour."""
        return self.start + self.random.randrange(180, DAY_MS // STEP_MS) * STEP_MS

    def _flows(self) -> list[Callable[[], None]]:
        day, profile = self.number, self.profile
        flows: list[Callable[[], None]] = []
        if day and day % profile.deposit_every == 0:
            flows.append(lambda: self._deposit(0.01 + 0.02 * self.random.random()))
        if day == profile.large_deposit_day:
            flows.append(lambda: self._deposit(0.25))
        if day and day % profile.withdrawal_every == 0:
            flows.append(lambda: self._withdraw(0.005 + 0.015 * self.random.random()))
        if day == profile.large_withdrawal_day:
            flows.append(lambda: self._withdraw(0.12))
        if day == profile.large_deposit_day + 7:
            flows.append(self._deposit_coin)
        if day == profile.large_withdrawal_day + 9:
            flows.append(self._withdraw_coin)
        return flows

    # ------------------------------------------------------------ money

    def _open_up(self) -> None:
        """The first day: capital arrives, coins are bought, contracts are opened."""
        self._deposit(1.0)
        for coin in self.profile.coins:
            share = self.profile.coin_share / len(self.profile.coins)
            self._buy(coin, Decimal(repr(share * self.profile.capital)))
        if self.story.venue == "binance":
            self._park()
        for leaning in self.profile.leanings:
            self._provide_margin(leaning)
            self._lean(leaning, 1.0)
        for _ in range(4):
            self._renew_order()

    def _deposit(self, share: float) -> None:
        amount = _cents(self.profile.capital * share)
        arrival = self.story.arrival
        self.book.deposit(self.now, arrival, "USDT", amount, network="TRX", txid=self._txid())
        if arrival is not self.story.trading:
            self.book.transfer(self.now, "USDT", _cents(float(amount) * 0.95), arrival, self.story.trading)

    def _withdraw(self, share: float) -> None:
        """Take out USDT, at most half of what is free; sell a coin first when that is too little."""
        story, fee = self.story, WITHDRAWAL_FEES["USDT"]
        wanted = _cents(self.profile.capital * share)
        if self._free(story.trading, "USDT") < 2 * wanted and self.profile.coins:
            self._sell(self.profile.coins[0], wanted * 2)
        amount = min(wanted, _down(self._free(story.trading, "USDT") * _HALF, Decimal("0.01")))
        if amount <= 10 * fee:
            return
        if story.arrival is not story.trading:
            self.book.transfer(self.now, "USDT", amount + fee, story.trading, story.arrival)
        self.book.withdraw(self.now, story.arrival, "USDT", amount, fee=fee, network="TRX", txid=self._txid())

    def _deposit_coin(self) -> None:
        """BTC worth three percent of the capital arrives."""
        worth = _cents(self.profile.capital * 0.03)
        amount = _down(worth / self._last(self.story.pair("BTC")), Decimal("0.0001"))
        self.book.deposit(self.now, self.story.arrival, "BTC", amount, network="BTC", txid=self._txid())

    def _withdraw_coin(self) -> None:
        """A third of the free BTC of the wallet where deposits arrive leaves."""
        fee = WITHDRAWAL_FEES["BTC"]
        amount = _down(self._free(self.story.arrival, "BTC") / 3, Decimal("0.0001"))
        if amount > fee:
            arrival, txid = self.story.arrival, self._txid()
            self.book.withdraw(self.now, arrival, "BTC", amount, fee=fee, network="BTC", txid=txid)

    def _park(self) -> None:
        """Move a little USDT to the funding wallet, or back when there is much of it."""
        trading, parked = self.story.trading, self._free(Wallet.FUNDING, "USDT")
        if parked > Decimal(self.profile.capital) / 20:
            self.book.transfer(self.now, "USDT", _down(parked * _HALF, Decimal("0.01")), Wallet.FUNDING, trading)
            return
        amount = min(_cents(self.profile.capital * 0.01), self._free(trading, "USDT") * _HALF)
        if amount > 1:
            self.book.transfer(self.now, "USDT", _down(amount, Decimal("0.01")), trading, Wallet.FUNDING)

    # ------------------------------------------------------------ coins

    def _trade_coin(self) -> None:
        if not self.profile.coins:
            return
        coin = self.random.choice(self.profile.coins)
        worth = _cents(self.profile.capital * (0.005 + 0.03 * self.random.random()))
        if self.random.random() < 0.52:  # slightly more buying than selling
            self._buy(coin, min(worth, self._free(self.story.trading, "USDT") * _HALF))
        else:
            self._sell(coin, worth)

    def _buy(self, coin: str, worth: Decimal) -> None:
        one = self.story.pair(coin)
        price = self._last(one)
        self._trade_spot(one, "buy", _down(worth / price, one.lot))

    def _sell(self, coin: str, worth: Decimal) -> None:
        one = self.story.pair(coin)
        most = self._free(self.story.trading, coin) * _HALF
        self._trade_spot(one, "sell", _down(min(worth / self._last(one), most), one.lot))

    def _trade_spot(self, one: Instrument, side: str, amount: Decimal) -> None:
        if amount * self._last(one) < 10:  # venues refuse dust
            return
        self.book.trade(self.now, self.story.trading, one, side, amount, self._last(one), fee_rate=SPOT_FEE)

    # ------------------------------------------------------------ contracts

    def _trade_contract(self) -> None:
        if self.profile.leanings:
            self._lean(self.random.choice(self.profile.leanings), 0.4 + 1.2 * self.random.random())

    def _lean(self, leaning: Leaning, scale: float) -> None:
        """Trade towards `scale` times the leaning, as far as the margin carries it."""
        one = by_symbol(self.story.venue, leaning.kind)[leaning.symbol]
        price = self._last(one)
        wanted = self._contracts(one, leaning.share * scale * self.profile.capital, price)
        held = self._position(one, leaning.side)
        change = wanted - (held.contracts if held else ZERO)
        if abs(wanted) > abs(held.contracts if held else ZERO):
            change = self._affordable(one, change, price)
        if change:
            side = "buy" if change > 0 else "sell"
            self.book.trade(
                self.now,
                self.story.contract_wallet(one.kind),
                one,
                side,
                abs(change),
                price,
                fee_rate=CONTRACT_FEE,
                position_side=leaning.side,
            )

    def _contracts(self, one: Instrument, worth: float, price: Decimal) -> Decimal:
        unit = one.contract_size if one.kind == INVERSE else one.contract_size * price
        return _down(Decimal(repr(worth)) / unit, one.lot)

    def _affordable(self, one: Instrument, change: Decimal, price: Decimal) -> Decimal:
        """At most what two thirds of the free margin carries."""
        free = self._free(self.story.contract_wallet(one.kind), one.settle) * self.book.leverage * 2 / 3
        size = one.contract_size / price if one.kind == INVERSE else one.contract_size * price
        most = max(ZERO, _down(free / size, one.lot))
        return max(-most, min(most, change))

    def _provide_margin(self, leaning: Leaning) -> None:
        """Binance keeps margin in wallets of its own: bring 40 % of the leaning's notional there."""
        story, one = self.story, by_symbol(self.story.venue, leaning.kind)[leaning.symbol]
        worth = _cents(abs(leaning.share) * self.profile.capital * 0.4)
        if one.kind == INVERSE:
            self._buy(one.base, min(worth, self._free(story.trading, "USDT")))
            amount = _down(
                min(worth / self._last(story.pair(one.base)), self._free(story.trading, one.base)), Decimal("0.0001")
            )
        else:
            amount = min(worth, _down(self._free(story.trading, one.settle) * _HALF, Decimal("0.01")))
        target = story.contract_wallet(one.kind)
        if target is not story.trading and amount > ZERO:
            self.book.transfer(self.now, one.settle, amount, story.trading, target)

    def _mind_margin(self) -> None:
        """Where free margin runs low, bring more, and halve what is still too large."""
        for leaning in self.profile.leanings:
            one = by_symbol(self.story.venue, leaning.kind)[leaning.symbol]
            held, wallet = self._position(one, leaning.side), self.story.contract_wallet(leaning.kind)
            if held is None:
                continue
            need = held.initial_margin(self._view.mark(one)) * _HALF
            if self._free(wallet, one.settle) < need:
                self._provide_margin(leaning)
            if self._free(wallet, one.settle) < need:
                self._halve(held)
            if wallet is not self.story.trading and self._free(wallet, one.settle) > need * 10:
                self._bring_home(wallet, one.settle)

    def _bring_home(self, wallet: Wallet, asset: str) -> None:
        step = Decimal("0.01") if asset == "USDT" else Decimal("0.0001")
        amount = _down(self._free(wallet, asset) / 4, step)
        if amount > ZERO:
            self.book.transfer(self.now, asset, amount, wallet, self.story.trading)

    def _halve(self, held: Position) -> None:
        one = held.instrument
        amount = max(one.lot, _down(abs(held.contracts) * _HALF, one.lot))
        side = "sell" if held.contracts > 0 else "buy"
        self.book.trade(
            self.now,
            held.wallet,
            one,
            side,
            min(amount, abs(held.contracts)),
            self._last(one),
            fee_rate=CONTRACT_FEE,
            position_side=held.position_side,
        )

    # ------------------------------------------------------------ orders

    def _renew_order(self) -> None:
        """Place an order away from the market; beyond a few, the oldest is cancelled or trades a part."""
        orders = self._view.orders()
        if len(orders) >= _MOST_ORDERS:
            self.book.cancel(self.now, orders[0].order_id)
        choice = self.random.random()
        if choice < 0.4 and self.profile.coins:  # four of ten in spot
            self._rest_spot()
        elif self.profile.leanings:
            self._rest_contract(conditional=choice > 0.7)  # three of ten wait for a trigger

    def _rest_spot(self) -> None:
        one, trading = self.story.pair(self.random.choice(self.profile.coins)), self.story.trading
        side = "buy" if self.random.random() < 0.5 else "sell"  # a coin toss
        away = 0.04 + 0.12 * self.random.random()
        price = to_tick(float(self._last(one)) * (1 - away if side == "buy" else 1 + away), one.tick)
        cash = self._free(trading, one.quote) / price if side == "buy" else self._free(trading, one.base)
        amount = _down(cash / 10, one.lot)
        if amount * price < 10:  # venues refuse dust
            return
        order = self.book.place(self.now, trading, one, side, amount, price=price)
        self._maybe_partly(order)

    def _maybe_partly(self, order: Order) -> None:
        """Some orders are begun at once by someone in a hurry."""
        part = _down(order.contracts / 4, order.instrument.lot)
        if part > ZERO and self.random.random() < 0.2:  # one of five
            self.book.fill_partly(self.now, order.order_id, part, fee_rate=SPOT_FEE)

    def _rest_contract(self, *, conditional: bool) -> None:
        leaning = self.random.choice(self.profile.leanings)
        one = by_symbol(self.story.venue, leaning.kind)[leaning.symbol]
        held = self._position(one, leaning.side)
        if held is None:
            return
        away = 0.06 + 0.1 * self.random.random()
        last, long = float(self._last(one)), held.contracts > 0
        beyond = to_tick(last * (1 + away if long else 1 - away), one.tick)
        below = to_tick(last * (1 - away if long else 1 + away), one.tick)
        amount = max(one.lot, _down(abs(held.contracts) * _HALF, one.lot))
        self.book.place(
            self.now,
            held.wallet,
            one,
            "sell" if long else "buy",
            amount,
            price=self._resting_price(below) if conditional else beyond,
            trigger_price=below if conditional else None,
            order_type="stop" if conditional else "limit",
            reduce_only=not self.profile.hedge,
            position_side=leaning.side,
        )

    def _resting_price(self, trigger: Decimal) -> Decimal | None:
        """Where a conditional order rests once triggered: most trade at market (None)."""
        return trigger if self.random.random() < 0.3 else None  # three of ten

    # ------------------------------------------------------------ looking

    @property
    def _view(self) -> View:
        return self.book.at(self.now)

    def _free(self, wallet: Wallet, asset: str) -> Decimal:
        return max(ZERO, self._view.free(wallet, asset))

    def _last(self, one: Instrument) -> Decimal:
        return self.story.market.last(one.venue, one.symbol, one.kind, self.now)

    def _position(self, one: Instrument, side: str) -> Position | None:
        found = (held for held in self._view.positions() if held.instrument == one and held.position_side == side)
        return next(found, None)

    def _txid(self) -> str:
        return f"{self.random.getrandbits(256):064x}"


def _down(amount: Decimal, step: Decimal) -> Decimal:
    """Towards zero to a whole number of steps."""
    return ((amount / step).to_integral_value(ROUND_DOWN) * step).quantize(step)


def _cents(amount: float) -> Decimal:
    return Decimal(repr(amount)).quantize(Decimal("0.01"))
