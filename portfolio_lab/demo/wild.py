"""Wild days: random things that can happen in every open wallet of an account, in any order.

Each act checks what is free and does nothing where nothing can be done, so any sequence of
them leaves a book that could be. A day has the same acts for the same seed and account.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal

from portfolio_lab.demo.book import Book
from portfolio_lab.demo.facts import ZERO, Reason
from portfolio_lab.demo.hand import Hand, Plan, down
from portfolio_lab.demo.instruments import OPTION, by_symbol
from portfolio_lab.demo.market import DAY_MS, STEP_MS, name_seed
from portfolio_lab.models.accounts import Wallet

Act = Callable[[Hand], None]
WILD_ACTS = 14
_COINS = ("BTC", "ETH", "SOL")
_CENT = Decimal("0.01")
_QUARTER_HOUR_STEPS = 180


def wild_plan(hand: Hand, start: int, seed: int, acts: int = WILD_ACTS) -> Plan:
    """A day's acts as (instant, step) for a story that keeps the time."""
    chance = random.Random(name_seed(seed, hand.book.name, start))  # a story
    known = palette(hand)
    moments = sorted(chance.randrange(_QUARTER_HOUR_STEPS, DAY_MS // STEP_MS) for _ in range(acts))
    return [(start + moment * STEP_MS, _step(hand, start + moment * STEP_MS, chance, known)) for moment in moments]


def wild_day(
    book: Book, venue: str, opened: tuple[Wallet, ...], start: int, seed: int, *, acts: int = WILD_ACTS
) -> None:
    """Write one wild day from `start` into a book that no story writes."""
    for at, step in wild_plan(Hand(book, venue, opened), start, seed, acts):
        book.fund_until(at)
        step()
    book.fund_until(start + DAY_MS - 1)


def _step(hand: Hand, at: int, chance: random.Random, known: tuple[Act, ...]) -> Callable[[], None]:
    act, number = chance.choice(known), chance.getrandbits(64)

    def step() -> None:
        hand.now, hand.chance = at, random.Random(number)  # a story
        hand.mind_margin()
        act(hand)

    return step


def palette(hand: Hand) -> tuple[Act, ...]:
    """What can happen to an account with these wallets."""
    acts: list[Act] = [_trade, _trade, _deposit, _withdraw, _income, _convert]
    acts += [_move] if len(_cash_wallets(hand)) > 1 else []
    acts += [_contract, _contract, _contract, _liquidation] if hand.contracts else []
    for wallet, known in _BY_WALLET.items():
        acts += known if wallet in hand.opened else []
    if hand.venue == "okx" and Wallet.EARN in hand.opened:
        acts += [_liability, _pay_liability, _bot]
    return tuple(acts)


def _cash_wallets(hand: Hand) -> list[Wallet]:
    inner = {Wallet.CROSS_MARGIN, Wallet.USD_M, Wallet.COIN_M}
    opened = [*hand.opened, *(sorted(inner) if Wallet.PORTFOLIO_MARGIN in hand.opened else ())]
    known = {Wallet.SPOT, Wallet.FUNDING, Wallet.TRADING, Wallet.OPTIONS, *inner}
    return [wallet for wallet in opened if wallet in known]


# ------------------------------------------------------------ cash and coins


def _trade(hand: Hand) -> None:
    _trade_in(hand, hand.trading)


def _trade_in(hand: Hand, wallet: Wallet) -> None:
    one = hand.spot(hand.chance.choice(_COINS))
    if hand.chance.random() < 0.5:  # a coin toss
        hand.buy(wallet, one, hand.some(wallet, one.quote))
    else:
        hand.sell(wallet, one, hand.some(wallet, one.base, most=0.6))


def _deposit(hand: Hand) -> None:
    wallet = hand.chance.choice([one for one in _cash_wallets(hand) if one in {Wallet.FUNDING, hand.home}])
    amount = Decimal(hand.chance.randrange(50, 3_000))
    hand.book.deposit(hand.now, wallet, "USDT", amount, network="TRX", txid=f"{hand.chance.getrandbits(256):064x}")


def _withdraw(hand: Hand) -> None:
    amount, fee = hand.some(hand.home, "USDT", most=0.1), Decimal(1)
    if amount > fee * 10:
        txid, done = f"{hand.chance.getrandbits(256):064x}", hand.now + hand.chance.randrange(0, 7_200_000, STEP_MS)
        book, wallet = hand.book, hand.home
        book.withdraw(hand.now, wallet, "USDT", amount, fee=fee, network="TRX", txid=txid, completed_at=done)


def _move(hand: Hand) -> None:
    source, target = hand.chance.sample(_cash_wallets(hand), 2)
    held = [asset for asset, amount in hand.view.cash(source).items() if amount > ZERO and asset in {*_COINS, "USDT"}]
    asset = hand.chance.choice(held) if held else "USDT"
    if target is Wallet.OPTIONS and asset != "USDT":
        return
    amount = hand.some(source, asset)
    if amount > ZERO:
        hand.book.transfer(hand.now, asset, amount, source, target)


def _income(hand: Hand) -> None:
    """A dividend, rebate, promotion, payment or fiat that comes or goes."""
    reason = hand.chance.choice((Reason.DIVIDEND, Reason.REBATE, Reason.PROMOTION, Reason.PAY, Reason.FIAT))
    asset = "EUR" if reason is Reason.FIAT else "USDT"
    amount = Decimal(hand.chance.randrange(1, 4_000)) / 100
    if reason is Reason.PAY and hand.chance.random() < 0.5:  # a coin toss
        amount = -min(amount, hand.some(Wallet.FUNDING, asset))
    gifts = {Reason.DIVIDEND, Reason.REBATE} if hand.venue == "okx" else set()  # which OKX pays there
    wallet = Wallet.FUNDING if reason in {Reason.PAY, Reason.FIAT, *gifts} else hand.trading
    if amount and wallet in hand.opened:
        hand.book.credit(hand.now, wallet, asset, amount, reason)


def _convert(hand: Hand) -> None:
    """Coins into USDT a little below the market, or small change into BNB."""
    coin = hand.chance.choice(_COINS)
    amount = hand.some(hand.trading, coin)
    is_dust = hand.venue == "binance" and hand.chance.random() < 0.4  # four of ten
    if amount <= ZERO:
        return
    given = down(amount / 20, Decimal("0.0001")) if is_dust else amount
    worth = given * hand.last(hand.spot(coin)) * Decimal("0.998")
    taken = ("BNB", worth / hand.last(hand.spot("BNB"))) if is_dust else ("USDT", worth)
    if given and taken[1] > Decimal("0.000001"):
        reason = Reason.DUST if is_dust else Reason.CONVERT
        paid = (taken[0], down(taken[1], Decimal("0.00000001")))
        hand.book.swap(hand.now, hand.trading, (coin, given), paid, reason)


# ------------------------------------------------------------ contracts and options


def _contract(hand: Hand) -> None:
    wallet, one = hand.chance.choice(hand.contracts)
    hand.lean(wallet, one.symbol, one.kind, hand.chance.uniform(-0.9, 0.9))


def _liquidation(hand: Hand) -> None:
    """Now and then the venue closes a position by force."""
    held = [one for one in hand.view.positions() if not one.instrument.is_option]
    if held and hand.chance.random() < 0.25:  # one of four
        hand.book.liquidate(hand.now, hand.chance.choice(held))


def _option(hand: Hand) -> None:
    base = hand.chance.choice(("BTC", "ETH"))
    index = hand.book.market.index("binance", base, "USDT", hand.now)
    soon = [one for one in by_symbol("binance", OPTION).values() if one.base == base and one.expiry > hand.now + DAY_MS]
    first = min(one.expiry for one in soon)
    near = [one for one in soon if one.expiry == first and abs(one.strike - index) < index / 5]
    if not near:
        return
    one = hand.chance.choice(near)
    mark = hand.book.market.option_mark(one, hand.now)
    contracts = down(hand.free(Wallet.OPTIONS, "USDT") * Decimal("0.05") / max(mark, index / 20), one.lot)
    if contracts:
        hand.option(one.symbol, contracts if hand.chance.random() < 0.5 else -contracts)  # a coin toss


# ------------------------------------------------------------ debts


def _cross(hand: Hand) -> None:
    _trade_in(hand, Wallet.CROSS_MARGIN)


def _borrow(hand: Hand) -> None:
    wallet = Wallet.CROSS_MARGIN
    amount = down(hand.some(wallet, "USDT") / 2, _CENT)
    if amount:
        hand.book.borrow(hand.now, wallet, "USDT", amount)


def _repay(hand: Hand) -> None:
    _repay_in(hand, Wallet.CROSS_MARGIN, "")


def _repay_in(hand: Hand, wallet: Wallet, pair: str) -> None:
    for asset in hand.view.debts(wallet, pair):
        amount = hand.some(wallet, asset, pair=pair, most=1.0)
        if amount:
            hand.book.repay(hand.now, wallet, asset, amount, pair=pair)


def _isolated(hand: Hand) -> None:
    """Feed a pair, borrow in it, trade in it, or pay back."""
    one, wallet = hand.spot(hand.chance.choice(("BTC", "ETH"))), Wallet.ISOLATED_MARGIN
    choice = hand.chance.randrange(4)
    if choice == 0:
        amount = hand.some(hand.home, "USDT", most=0.1)
        if amount:
            hand.book.transfer(hand.now, "USDT", amount, hand.home, wallet, pair=one.symbol)
    elif choice == 1:
        amount = hand.some(wallet, "USDT", pair=one.symbol)
        if amount:
            hand.book.borrow(hand.now, wallet, "USDT", amount, pair=one.symbol)
    elif choice == 2:
        hand.buy(wallet, one, hand.some(wallet, one.quote, pair=one.symbol, most=0.8))
    else:
        hand.sell(wallet, one, hand.some(wallet, one.base, pair=one.symbol, most=0.8))
        _repay_in(hand, wallet, one.symbol)


def _liability(hand: Hand) -> None:
    """Buy coins in the trading account with USDT that is not there."""
    amount = down(hand.some(hand.trading, "BTC", most=0.2) * hand.last(hand.spot("BTC")), _CENT)
    if amount > 10:
        hand.book.borrow(hand.now, hand.trading, "USDT", amount)
        hand.buy(hand.trading, hand.spot("BTC"), hand.free(hand.trading, "USDT"))


def _pay_liability(hand: Hand) -> None:
    _repay_in(hand, hand.trading, "")


def _loan(hand: Hand) -> None:
    """Open a loan of a third of a collateral's worth, or pay some back."""
    loans = hand.view.loans()
    if loans:
        amount = hand.some(hand.home, loans[0].asset)
        if amount:
            hand.book.repay_loan(hand.now, hand.home, loans[0].loan_id, amount)
        return
    collateral = hand.some(hand.home, "BTC")
    worth = down(collateral * hand.last(hand.spot("BTC")) / 3, _CENT)
    if worth > 1:
        hand.book.open_loan(hand.now, hand.home, ("USDT", worth), ("BTC", collateral))


# ------------------------------------------------------------ earn and bots


def _subscribe(hand: Hand) -> None:
    asset = hand.chance.choice(("USDT", "BTC", "ETH"))
    amount = hand.some(hand.home, asset)
    if amount:
        hand.book.subscribe(hand.now, hand.home, asset, amount)


def _redeem(hand: Hand) -> None:
    for asset, amount in hand.view.flexible().items():
        part = down(amount / hand.chance.randrange(2, 5), Decimal("0.00000001"))
        if part:
            hand.book.redeem(hand.now, hand.home, asset, part)


def _lock(hand: Hand) -> None:
    amount = hand.some(hand.home, "USDT", most=0.1)
    if amount:
        hand.book.lock(hand.now, hand.home, "USDT", amount, days=hand.chance.choice((3, 15, 30)), apr=Decimal("0.06"))


def _stake(hand: Hand) -> None:
    """At OKX an order of on-chain earn, at Binance the wrapper coin at its ratio."""
    amount = hand.some(hand.home, "ETH")
    if not amount:
        return
    if hand.venue == "okx":
        hand.book.stake(hand.now, hand.home, "ETH", amount)
        return
    wrapped = down(amount / hand.book.market.ratio("WBETH", hand.now), Decimal("0.00000001"))
    hand.book.swap(hand.now, hand.home, ("ETH", amount), ("WBETH", wrapped), Reason.STAKING)


def _bot(hand: Hand) -> None:
    """Open a bot or a copied trader, let one trade, or close one."""
    kinds = [kind for kind, wallet in _BOT_KINDS.items() if wallet in hand.opened or hand.venue == "okx"]
    held, kind = hand.view.bots(), hand.chance.choice(kinds)
    if len(held) < 2 or hand.venue == "okx" and not held:  # noqa: RUF021 - two are enough
        amount = hand.some(hand.trading, "USDT", most=0.1)
        if amount:
            hand.book.open_bot(hand.now, hand.trading, "grid" if hand.venue == "okx" else kind, "USDT", amount)
        return
    bot = hand.chance.choice(held)
    if hand.chance.random() < 0.15:  # one of seven
        hand.book.close_bot(hand.now, hand.trading, bot.bot_id)
        return
    half = down(bot.holdings.get("USDT", ZERO) / 2, _CENT)
    bought = down(half / hand.last(hand.spot("BTC")), Decimal("0.00000001"))
    if bought:
        hand.book.bot_trade(hand.now, bot.bot_id, ("USDT", half), ("BTC", bought))


_BOT_KINDS = {"grid": Wallet.BOTS, "copy": Wallet.COPY_TRADING}
_BY_WALLET: dict[Wallet, list[Act]] = {
    Wallet.CROSS_MARGIN: [_cross, _borrow, _repay],
    Wallet.PORTFOLIO_MARGIN: [_cross, _borrow, _repay],
    Wallet.ISOLATED_MARGIN: [_isolated, _isolated],
    Wallet.OPTIONS: [_option, _option],
    Wallet.EARN: [_subscribe, _redeem, _lock, _stake],
    Wallet.LOANS: [_loan],
    Wallet.BOTS: [_bot],
    Wallet.COPY_TRADING: [_bot],
}
