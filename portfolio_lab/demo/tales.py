"""The special people of the demo exchange: what each book holds from its first hour on.

A tale opens with what its person stands for; after that a few seeded things happen a day in
every wallet that the account has, more of them once `wild` is set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from portfolio_lab.demo.book import Book
from portfolio_lab.demo.facts import Reason
from portfolio_lab.demo.hand import Extra, Hand, Plan, down
from portfolio_lab.demo.instruments import INVERSE, LINEAR, OPTION, by_symbol
from portfolio_lab.demo.market import DAY_MS, STEP_MS
from portfolio_lab.demo.wild import wild_plan
from portfolio_lab.models.accounts import Wallet

Opening = Callable[[Hand], None]
QUIET_SEED, QUIET_ACTS = 11, 3
_BIT = Decimal("0.00000001")


@dataclass(slots=True)
class Tale:
    """Writes one special book; see `Story` for `told`, `wild` and `extras`."""

    book: Book
    venue: str
    opened: tuple[Wallet, ...]
    since: int
    opening: Opening
    told: int = 0
    wild: int | None = None
    extras: list[Extra] = field(default_factory=list)

    def tell(self, now: int) -> None:
        """Write on until everything up to and with `now` has happened."""
        if not self.told:
            self.told = self.book.head = self.since
        while self.told <= now:
            self._live(self.told)
            self.told += DAY_MS

    def _live(self, start: int) -> None:
        for at, act in sorted(self._plan(start), key=lambda step: step[0]):
            self.book.fund_until(at)
            act()
        self.book.fund_until(start + DAY_MS - 1)

    def _plan(self, start: int) -> Plan:
        hand, number = Hand(self.book, self.venue, self.opened), (start - self.since) // DAY_MS
        plan: Plan = []
        if number == 0:
            plan.append((start + STEP_MS, lambda: self._open(start + STEP_MS)))
        for extra in self.extras:
            plan += extra(number, start)
        if self.wild is None:
            return plan + wild_plan(hand, start, QUIET_SEED, QUIET_ACTS)
        return plan + wild_plan(hand, start, self.wild)

    def _open(self, at: int) -> None:
        self.opening(Hand(self.book, self.venue, self.opened, at))


def _arrive(hand: Hand, asset: str, amount: str) -> None:
    txid = f"{hand.book.name}:{asset}".encode().hex().ljust(64, "0")[:64]
    network = "BTC" if asset == "BTC" else "TRX"
    hand.book.deposit(hand.now, hand.home, asset, Decimal(amount), network=network, txid=txid)


def _bring(hand: Hand, asset: str, amount: str, target: Wallet, pair: str = "") -> None:
    hand.book.transfer(hand.now, asset, Decimal(amount), hand.home, target, pair=pair)


def margin_debtor(hand: Hand) -> None:
    """Long BTC and short ETH on credit in cross margin; an isolated pair that owes USDT."""
    cross, isolated = Wallet.CROSS_MARGIN, Wallet.ISOLATED_MARGIN
    _arrive(hand, "USDT", "60000")
    _bring(hand, "USDT", "20000", cross)
    hand.book.borrow(hand.now, cross, "USDT", Decimal(15_000))
    hand.book.borrow(hand.now, cross, "ETH", Decimal(1))
    hand.buy(cross, hand.spot("BTC"), Decimal(28_000))
    hand.sell(cross, hand.spot("ETH"), Decimal(1))
    _bring(hand, "USDT", "5000", isolated, "ETHUSDT")
    hand.book.borrow(hand.now, isolated, "USDT", Decimal(4_000), pair="ETHUSDT")
    hand.buy(isolated, hand.spot("ETH"), Decimal(8_500))
    hand.buy(Wallet.SPOT, hand.spot("BTC"), Decimal(10_000))


def multi_asset(hand: Hand) -> None:
    """USD-M with USDT, USDC, BTC and BFUSD as margin, and a contract that settles in USDC."""
    for asset, amount in (("USDT", "50000"), ("USDC", "10000"), ("BTC", "0.3")):
        _arrive(hand, asset, amount)
    hand.book.swap(hand.now, Wallet.SPOT, ("USDT", Decimal(5_000)), ("BFUSD", Decimal(5_000)), Reason.CONVERT)
    for asset, amount in (("USDT", "20000"), ("USDC", "8000"), ("BTC", "0.2"), ("BFUSD", "5000")):
        _bring(hand, asset, amount, Wallet.USD_M)
    hand.lean(Wallet.USD_M, "BTCUSDT", LINEAR, 0.8)
    hand.lean(Wallet.USD_M, "ETHUSDC", LINEAR, -0.7)


def portfolio_margin(hand: Hand) -> None:
    """A unified account: coins, a debt, and contracts of both kinds."""
    _arrive(hand, "USDT", "90000")
    hand.buy(Wallet.SPOT, hand.spot("BTC"), Decimal(20_000))
    _bring(hand, "USDT", "30000", Wallet.CROSS_MARGIN)
    _bring(hand, "USDT", "15000", Wallet.USD_M)
    _bring(hand, "BTC", "0.1", Wallet.COIN_M)
    hand.book.borrow(hand.now, Wallet.CROSS_MARGIN, "USDT", Decimal(5_000))
    hand.buy(Wallet.CROSS_MARGIN, hand.spot("ETH"), Decimal(12_000))
    hand.lean(Wallet.USD_M, "ETHUSDT", LINEAR, -0.6)
    hand.lean(Wallet.COIN_M, "BTCUSD_PERP", INVERSE, 0.5)


def option_writer(hand: Hand) -> None:
    """Written calls, a bought put, and cash that covers them."""
    _arrive(hand, "USDT", "70000")
    _bring(hand, "USDT", "40000", Wallet.OPTIONS)
    for base, side, away, contracts in (("BTC", "C", "1.1", "-0.3"), ("ETH", "P", "0.95", "2")):
        hand.option(_near(hand, base, side, Decimal(away)), Decimal(contracts))
    hand.buy(Wallet.SPOT, hand.spot("BTC"), Decimal(15_000))


def _near(hand: Hand, base: str, side: str, away: Decimal) -> str:
    """The second expiry's option whose strike is nearest to `away` times the index."""
    wanted = hand.book.market.index("binance", base, "USDT", hand.now) * away
    listed = by_symbol("binance", OPTION).values()
    open_ones = [one for one in listed if (one.base, one.option_side) == (base, side) and one.expiry > hand.now]
    second = sorted({one.expiry for one in open_ones})[1]
    return min((one for one in open_ones if one.expiry == second), key=lambda one: abs(one.strike - wanted)).symbol


def saver(hand: Hand) -> None:
    """Flexible and locked earn, wrapped coins, a loan, a bot, a copied trader, some euros."""
    _arrive(hand, "USDT", "90000")
    for coin, worth in (("BTC", 25_000), ("ETH", 12_000), ("SOL", 6_000)):
        hand.buy(Wallet.SPOT, hand.spot(coin), Decimal(worth))
    hand.book.subscribe(hand.now, Wallet.SPOT, "USDT", Decimal(10_000))
    hand.book.subscribe(hand.now, Wallet.SPOT, "BTC", Decimal("0.05"))
    hand.book.lock(hand.now, Wallet.SPOT, "USDT", Decimal(5_000), days=60, apr=Decimal("0.058"))
    for coin, wrapper, amount in (("ETH", "WBETH", "1.5"), ("SOL", "BNSOL", "10")):
        wrapped = down(Decimal(amount) / hand.book.market.ratio(wrapper, hand.now), _BIT)
        hand.book.swap(hand.now, Wallet.SPOT, (coin, Decimal(amount)), (wrapper, wrapped), Reason.STAKING)
    hand.book.open_loan(hand.now, Wallet.SPOT, ("USDT", Decimal(4_000)), ("BTC", Decimal("0.1")))
    grid = hand.book.open_bot(hand.now, Wallet.SPOT, "grid", "USDT", Decimal(5_000))
    bought = down(Decimal(2_000) / hand.last(hand.spot("BTC")), _BIT)
    hand.book.bot_trade(hand.now, grid, ("USDT", Decimal(2_000)), ("BTC", bought))
    hand.book.open_bot(hand.now, Wallet.SPOT, "copy", "USDT", Decimal(3_000))
    hand.book.credit(hand.now, Wallet.FUNDING, "EUR", Decimal(2_000), Reason.FIAT)


def multi_currency(hand: Hand) -> None:
    """OKX: BTC bought with USDT that is owed, savings, staking, a bot inside the account, a loan."""
    trading, funding = Wallet.TRADING, Wallet.FUNDING
    _arrive(hand, "USDT", "95000")
    _arrive(hand, "BTC", "0.2")
    _bring(hand, "USDT", "55000", trading)
    hand.book.open_bot(hand.now, trading, "grid", "USDT", Decimal(5_000))
    hand.buy(trading, hand.spot("ETH"), Decimal(12_000))
    amount = down(hand.free(trading, "ETH") / 2, Decimal("0.0001"))
    hand.book.transfer(hand.now, "ETH", amount, trading, funding)
    hand.book.stake(hand.now, funding, "ETH", down(amount / 2, Decimal("0.0001")))
    wrapped = down(amount / 4, Decimal("0.0001"))
    hand.book.swap(hand.now, funding, ("ETH", wrapped), ("BETH", wrapped), Reason.STAKING)
    hand.book.borrow(hand.now, trading, "USDT", Decimal(10_000))
    hand.buy(trading, hand.spot("BTC"), hand.free(trading, "USDT"))
    hand.lean(trading, "BTC-USD-SWAP", INVERSE, -0.3)
    hand.book.subscribe(hand.now, funding, "USDT", Decimal(8_000))
    hand.book.open_loan(hand.now, funding, ("USDT", Decimal(3_000)), ("BTC", Decimal("0.1")))


def sub_account(hand: Hand) -> None:
    """Nothing to open with: it begins with what its master gives."""
