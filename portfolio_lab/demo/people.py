"""The users of the demo exchange: their accounts, keys and profiles."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from portfolio_lab.demo import moves, tales
from portfolio_lab.demo.book import Book
from portfolio_lab.demo.exchange import DemoAccount
from portfolio_lab.demo.hand import Extra
from portfolio_lab.demo.instruments import INVERSE, LINEAR
from portfolio_lab.demo.market import DAY_MS, Market, name_seed
from portfolio_lab.demo.profiles import Leaning, Profile
from portfolio_lab.demo.story import Story
from portfolio_lab.demo.trips import Swing, swinging
from portfolio_lab.models.accounts import Account, Credentials, Wallet

HISTORY_DAYS = 90
REVOKED_DAYS_BEFORE_END = 2
CASH_WALLETS = (Wallet.SPOT, Wallet.FUNDING)
BINANCE_WALLETS = (Wallet.SPOT, Wallet.FUNDING, Wallet.USD_M, Wallet.COIN_M)
OKX_WALLETS = (Wallet.TRADING, Wallet.FUNDING)
SAVING_WALLETS = (*BINANCE_WALLETS, Wallet.EARN)


@dataclass(frozen=True, slots=True)
class DemoUser:
    """One user: accounts as a lab configures them (no base_url yet), and their keys by `Account.key`."""

    user: str
    accounts: tuple[Account, ...]
    credentials: dict[tuple[str, str, str], Credentials]


_ALICE = Profile(
    capital=20_000,
    coins=("BTC", "ETH", "SOL"),
    coin_share=0.55,
    leanings=(Leaning(LINEAR, "BTCUSDT", 0.25), Leaning(INVERSE, "BTCUSD_PERP", -0.06)),
    actions_a_day=2.5,
    deposit_every=30,
    withdrawal_every=45,
)
_DESK_MAIN = Profile(
    capital=600_000,
    coins=("BTC", "ETH", "SOL", "BNB", "XRP", "LINK"),
    coin_share=0.45,
    leanings=(
        Leaning(LINEAR, "BTCUSDT", -0.2),
        Leaning(LINEAR, "SOLUSDT", 0.1),
        Leaning(LINEAR, "XRPUSDT", 0.05),
        Leaning(INVERSE, "ETHUSD_PERP", -0.08),
    ),
    actions_a_day=9,
    deposit_every=11,
    withdrawal_every=17,
)
_DESK_HEDGE = Profile(
    capital=250_000,
    coins=("BTC",),
    coin_share=0.1,
    leanings=(
        Leaning(LINEAR, "ETHUSDT", 0.35, "long"),
        Leaning(LINEAR, "ETHUSDT", -0.25, "short"),
        Leaning(LINEAR, "BTCUSDT", 0.2, "long"),
        Leaning(LINEAR, "BTCUSDT", -0.3, "short"),
        Leaning(INVERSE, "BTCUSD_PERP", 0.1, "long"),
    ),
    actions_a_day=6,
    deposit_every=40,
    withdrawal_every=53,
    hedge=True,
)
_DESK_OKX = Profile(
    capital=400_000,
    coins=("BTC", "ETH", "SOL", "DOGE"),
    coin_share=0.4,
    leanings=(
        Leaning(LINEAR, "BTC-USDT-SWAP", 0.15),
        Leaning(LINEAR, "ETH-USDT-SWAP", -0.2),
        Leaning(LINEAR, "SOL-USDT-SWAP", 0.08),
        Leaning(INVERSE, "ETH-USD-SWAP", -0.05),
    ),
    actions_a_day=8,
    deposit_every=13,
    withdrawal_every=19,
)
_DESK_CARRY = Profile(
    capital=250_000,
    coins=("BTC", "ETH"),
    coin_share=0.6,
    leanings=(Leaning(LINEAR, "BTC-USDT-SWAP", -0.25), Leaning(INVERSE, "BTC-USD-SWAP", -0.25)),
    actions_a_day=3,
    deposit_every=60,
    withdrawal_every=35,
)
_CAROL_OKX = Profile(
    capital=35_000,
    coins=("BTC", "ETH", "LINK"),
    coin_share=0.6,
    leanings=(Leaning(LINEAR, "ETH-USDT-SWAP", 0.2),),
    actions_a_day=2,
    deposit_every=25,
    withdrawal_every=31,
)
_CAROL_BINANCE = Profile(
    capital=25_000,
    coins=("BTC", "ETH", "BNB"),
    coin_share=0.7,
    leanings=(),
    actions_a_day=1.5,
    deposit_every=28,
    withdrawal_every=33,
)

_ACCOUNTS: tuple[tuple[str, str, str, Profile, tuple[Wallet, ...]], ...] = (
    ("alice", "binance", "main", _ALICE, BINANCE_WALLETS),
    ("desk", "binance", "main", _DESK_MAIN, SAVING_WALLETS),
    ("desk", "binance", "hedge", _DESK_HEDGE, BINANCE_WALLETS),
    ("desk", "okx", "main", _DESK_OKX, OKX_WALLETS),
    ("desk", "okx", "carry", _DESK_CARRY, OKX_WALLETS),
    ("carol", "okx", "main", _CAROL_OKX, OKX_WALLETS),
    ("carol", "binance", "main", _CAROL_BINANCE, CASH_WALLETS),
)


_SWINGS: dict[tuple[str, str, str], Swing] = {
    ("alice", "binance", "main"): Swing((), ("ETHUSDT", "SOLUSDT", "LINKUSDT"), 0, 1_000),
    ("desk", "binance", "main"): Swing((), ("ETHUSDT", "LINKUSDT"), 0, 15_000),
    ("desk", "binance", "hedge"): Swing(("ETH", "SOL"), ("SOLUSDT", "LINKUSDT"), 8_000, 8_000),
    ("desk", "okx", "main"): Swing((), ("LINK-USDT-SWAP", "DOGE-USDT-SWAP"), 0, 12_000),
    ("desk", "okx", "carry"): Swing(("SOL", "DOGE"), ("ETH-USDT-SWAP",), 8_000, 8_000),
    ("carol", "okx", "main"): Swing(("SOL", "DOGE"), ("BTC-USDT-SWAP",), 350, 1_500),
    ("carol", "binance", "main"): Swing(("SOL", "XRP"), (), 350, 0),
}
"""What the demo lab's accounts trade for hours or days: small beside what they hold, and in coins that one of
them holds all the time at the same venue, so that their prices are known for all days."""


@dataclass(frozen=True, slots=True)
class Special:
    """One special book: its wallets, how it opens, and the traits of its account."""

    user: str
    venue: str
    label: str
    wallets: tuple[Wallet, ...]
    opening: tales.Opening
    multi_asset: bool = False
    mode: str = "2"


_SPECIAL = (
    Special(
        "dora", "binance", "main", (*CASH_WALLETS, Wallet.CROSS_MARGIN, Wallet.ISOLATED_MARGIN), tales.margin_debtor
    ),
    Special("emil", "binance", "main", (*CASH_WALLETS, Wallet.USD_M), tales.multi_asset, multi_asset=True),
    Special("fay", "binance", "main", (*CASH_WALLETS, Wallet.PORTFOLIO_MARGIN), tales.portfolio_margin),
    Special("gus", "binance", "main", (*CASH_WALLETS, Wallet.OPTIONS), tales.option_writer),
    Special(
        "hana",
        "binance",
        "main",
        (*CASH_WALLETS, Wallet.EARN, Wallet.LOANS, Wallet.BOTS, Wallet.COPY_TRADING),
        tales.saver,
    ),
    Special(
        "ivan",
        "okx",
        "main",
        (*OKX_WALLETS, Wallet.EARN, Wallet.LOANS),
        tales.multi_currency,
        mode="3",
    ),
    Special("desk", "binance", "sub", CASH_WALLETS, tales.sub_account),
)


def users() -> tuple[DemoUser, ...]:
    """The users of the demo lab, each with its accounts and credentials; always the same."""
    return _grouped(Account(user, venue, label, wallets=wallets) for user, venue, label, _, wallets in _ACCOUNTS)


def cast() -> tuple[DemoUser, ...]:
    """Everyone: the demo lab's users (with desk's sub-account) and the special books."""
    ordinary = (Account(user, venue, label, wallets=wallets) for user, venue, label, _, wallets in _ACCOUNTS)
    special = (Account(one.user, one.venue, one.label, wallets=one.wallets) for one in _SPECIAL)
    return _grouped((*ordinary, *special))


def _grouped(accounts: Iterable[Account]) -> tuple[DemoUser, ...]:
    found: dict[str, list[Account]] = {}
    for account in accounts:
        found.setdefault(account.user, []).append(account)
    return tuple(
        DemoUser(user, tuple(known), {account.key: credentials_of(account) for account in known})
        for user, known in found.items()
    )


def credentials_of(account: Account) -> Credentials:
    """Keys that look like each venue's own and say "canary", so that a leak is easy to find."""
    seed = "/".join(account.key)
    key, secret = _digest(seed + "key"), _digest(seed + "secret")
    if account.venue == "okx":
        key = f"ca9a21ee-{key[:4]}-{key[4:8]}-{key[8:12]}-{key[12:24]}"
        return Credentials(key, f"CANARY{secret[:26]}".upper(), f"Canary-{_digest(seed)[:12]}!")
    return Credentials(f"canaryKEY{key}{secret}"[:64], f"canarySECRET{secret}{key}"[:64])


def open_accounts(market: Market, since: int, history_days: int = HISTORY_DAYS) -> tuple[DemoAccount, ...]:
    """Every account at its beginning; `carol`'s Binance key dies two days before the history's end."""
    start = since - since % DAY_MS
    dies = start + (history_days - REVOKED_DAYS_BEFORE_END) * DAY_MS
    ordinary = tuple(_open(market, start, row, dies) for row in _ACCOUNTS)
    known = (*ordinary, *(_open_special(market, start, one) for one in _SPECIAL))
    _connect({one.account.key: one for one in known})
    return known


def _connect(known: dict[tuple[str, str, str], DemoAccount]) -> None:
    """Let the demo lab's accounts trade for days; desk sends coins to its other venue, feeds its sub-account, saves."""
    main, okx, sub = (known["desk", *rest] for rest in (("binance", "main"), ("okx", "main"), ("binance", "sub")))
    sub.master_uid, main.sub_uids = main.uid, (sub.uid,)
    for key, swing in _SWINGS.items():
        _extras(known[key]).append(swinging(known[key].book, key[1], known[key].opened, swing))
    _extras(main).append(moves.sending(main.book, Wallet.SPOT, okx.uid))
    _extras(main).append(moves.saving(main.book, Wallet.SPOT))
    _extras(main).append(moves.feeding(main.book, (sub.book, sub.story, sub.uid)))
    _extras(okx).append(moves.receiving(okx.book, Wallet.FUNDING, okx.uid, (main.book, main.story)))
    _extras(sub).append(moves.mirroring(sub.book, sub.uid, (main.book, main.story, main.uid)))


def _extras(one: DemoAccount) -> list[Extra]:
    return one.story.extras


def _open_special(market: Market, since: int, one: Special) -> DemoAccount:
    account = Account(one.user, one.venue, one.label, wallets=one.wallets)
    book = Book("/".join(account.key), market)
    return DemoAccount(
        account,
        credentials_of(account),
        book,
        one.wallets,
        uid=_uid(book),
        story=tales.Tale(book, one.venue, one.wallets, since, one.opening),
        portfolio_margin=Wallet.PORTFOLIO_MARGIN in one.wallets,
        multi_asset=one.multi_asset,
        mode=one.mode,
    )


def _uid(book: Book) -> int:
    return 10**8 + name_seed(book.name) % (9 * 10**8)


def _open(
    market: Market, since: int, row: tuple[str, str, str, Profile, tuple[Wallet, ...]], revoked_from: int
) -> DemoAccount:
    user, venue, label, profile, wallets = row
    account = Account(user, venue, label, wallets=wallets)
    book = Book("/".join(account.key), market, hedge=profile.hedge)
    in_trouble = (user, venue) == ("carol", "binance")
    return DemoAccount(
        account,
        credentials_of(account),
        book,
        wallets,
        uid=_uid(book),
        story=Story(book, market, venue, profile, wallets, since),
        revoked_from=revoked_from if in_trouble else None,
    )


def _digest(text: str) -> str:
    return hashlib.sha256(f"demo exchange {text}".encode()).hexdigest()
