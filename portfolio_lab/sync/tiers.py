"""What is read when: the core each cycle, the rest when it is due, or when money may have moved into it.

A slow wallet (savings, loans, bots) holds money that rests. Money gets into it or out of it only
through another wallet of the account, so its last reading holds while no other wallet has
changed a quantity; it is read anew when its period is over, or at once when one has. What is carried is
valued at the prices of now. So a large book keeps its 60 s core, and no transfer into savings
ever looks like a loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from portfolio_lab.models.accounts import WITHIN_PORTFOLIO_MARGIN, Account, Credentials, Identity, Wallet
from portfolio_lab.models.activity import Transfer, VenueTotals
from portfolio_lab.models.holdings import Balance, Holding, OpenOrder, WalletReading
from portfolio_lab.settings import Settings
from portfolio_lab.sync.reading import FLOW_STREAMS, AccountReading, Ask
from portfolio_lab.sync.report import Failure
from portfolio_lab.sync.resting import KnownOrders, is_due, may_have_moved

IDENTITY_PERIOD = timedelta(days=1)
MOST_STEPS = 40
"""Steps along an account's streams in one cycle."""

LATE = frozenset({"timeout", "rate_limited"})
"""Why an account that found no room in this cycle goes first in the next one."""

Found = WalletReading | Failure
Quantities = dict[tuple[str, str], Decimal]
"""What is settled, by (asset, isolated pair)."""


@dataclass(slots=True)
class AccountMemory:
    """What is known of one account from earlier cycles.

    `mapped_at` is when `totals` were read, `totals_at` the same until they are wanted again.
    `orders_at` is when the wallet that waits longest was asked for its orders; None asks for all
    again. `is_behind` where a core wallet found no room or no time in the last cycle.
    """

    slow: dict[Wallet, WalletReading] = field(default_factory=dict)
    core: dict[Wallet, Quantities] = field(default_factory=dict)
    orders: dict[Wallet, KnownOrders] = field(default_factory=dict)
    orders_at: datetime | None = None
    is_behind: bool = False
    totals: VenueTotals | None = None
    totals_at: datetime | None = None
    mapped_at: datetime | None = None
    identity: Identity | None = None
    identity_at: datetime | None = None
    streams_at: dict[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tiers:
    """How often what is read; the core is read in every cycle."""

    slow: timedelta
    orders: timedelta
    history: timedelta

    @classmethod
    def of(cls, settings: Settings) -> Tiers:
        """Return the tiers of a lab."""
        return cls(
            timedelta(seconds=settings.slow_seconds),
            timedelta(seconds=settings.orders_seconds),
            timedelta(seconds=settings.history_seconds),
        )


def asked(
    account: Account,
    credentials: Credentials | None,
    known: AccountMemory,
    tiers: Tiers,
    *,
    now: datetime,
    flows_since: datetime,
    refused: Failure | None,
    cursors: Mapping[str, str],
    assets: frozenset[str],
) -> Ask:
    """Return what this cycle asks of an account."""
    present = [wallet for wallet in account.wallets if wallet not in absent_wallets(known)]
    held_back = tuple(wallet for wallet in present if _may_be_carried(wallet, known, tiers, now))
    return Ask(
        account,
        credentials,
        flows_since,
        wallets=tuple(wallet for wallet in present if wallet not in held_back),
        held_back=held_back,
        moves=_moves(known),
        resting=_resting(known, present, tiers, now),
        wants_totals=is_due(known.totals_at, tiers.slow, now),
        wants_identity=known.identity is None
        or not known.identity.is_read_only
        or is_due(known.identity_at, IDENTITY_PERIOD, now),
        refused=refused,
        absent=absent_wallets(known),
        cursors=cursors,
        is_due=lambda stream: stream in FLOW_STREAMS or is_due(known.streams_at.get(stream), tiers.history, now),
        assets=assets,
        most_steps=MOST_STEPS,
        turn=(0 if known.is_behind else 1, known.orders_at.timestamp() if known.orders_at else 0.0),
    )


def absent_wallets(known: AccountMemory) -> Mapping[Wallet, str]:
    """Return the wallets that the account does not have, with the reason, as far as that is known."""
    return known.totals.absent if known.totals is not None else {}


def _may_be_carried(wallet: Wallet, known: AccountMemory, tiers: Tiers, now: datetime) -> bool:
    reading = known.slow.get(wallet)
    return wallet.is_slow and reading is not None and not is_due(reading.received_at, tiers.slow, now)


def _moves(known: AccountMemory) -> Callable[[Mapping[Wallet, Found]], bool]:
    """Whether a core wallet holds other quantities than before, so that money may have moved."""

    def moved(found: Mapping[Wallet, Found]) -> bool:
        return any(
            quantities(reading.balances) != known.core.get(wallet, {})
            for wallet, reading in found.items()
            if isinstance(reading, WalletReading) and not wallet.is_slow
        )

    return moved


def _resting(
    known: AccountMemory, present: Sequence[Wallet], tiers: Tiers, now: datetime
) -> Callable[[Mapping[Wallet, Found]], tuple[Wallet, ...]]:
    """Which wallets' orders to ask for, seen what the wallets hold back for orders now."""

    def resting(found: Mapping[Wallet, Found]) -> tuple[Wallet, ...]:
        return tuple(
            wallet
            for wallet in present
            if not wallet.is_slow
            and (
                known.orders_at is None
                or may_have_moved(
                    known.orders.get(wallet), found.get(wallet), tier=tiers.orders, guard=tiers.slow, now=now
                )
            )
        )

    return resting


def quantities(balances: tuple[Balance, ...]) -> Quantities:
    """Return what was settled by (asset, pair): neither open PnL nor a receipt for savings is money that moves."""
    held: Quantities = {}
    for balance in balances:
        if balance.holding is Holding.LD_FALLBACK:
            continue
        settled = balance.quantity if balance.wallet_balance is None else balance.wallet_balance
        if settled:
            key = (balance.asset, balance.pair)
            held[key] = held.get(key, Decimal(0)) + settled
    return held


# ---------------------------------------------------------------- after the reading


@dataclass(frozen=True, slots=True)
class Completed:
    """A reading with everything that still holds from earlier cycles.

    `carried` are the wallets whose reading is an earlier one; `absent` the configured wallets
    that the account does not have; `orders_at` is when each wallet's orders were asked for.
    """

    reading: AccountReading
    carried: frozenset[Wallet]
    absent: Mapping[Wallet, str]
    orders_at: Mapping[Wallet, datetime] = field(default_factory=dict)


def completed(reading: AccountReading, known: AccountMemory, tiers: Tiers, *, now: datetime) -> Completed:
    """Return the reading with what is carried, and the memory brought up to date."""
    _remember(reading, known, now)
    opened = _opened_since(reading, known)
    if opened:
        known.totals_at = None  # the map of wallets is read again in the next cycle
    absent = {
        wallet: why
        for wallet, why in absent_wallets(known).items()
        if wallet in reading.account.wallets and wallet not in opened
    } | _inside_portfolio_margin(reading)
    wallets: dict[Wallet, Found] = {}
    carried = set()
    for wallet in reading.account.wallets:
        if wallet in absent:
            continue
        found = _UNREAD if wallet in opened else reading.wallets.get(wallet)
        held = known.slow.get(wallet)
        if (found is None or isinstance(found, Failure)) and held is not None and _still_holds(found, held, tiers, now):
            found = held
            carried.add(wallet)
        wallets[wallet] = found if found is not None else Failure("internal", f"{wallet} was not asked")
    wallets, without_flexible = _without_doubled_savings(wallets, reading.wallets, carried)
    whole = replace(reading, wallets=wallets, orders=_all_orders(reading, known, wallets))
    orders_at = {wallet: one.at for wallet, one in known.orders.items()}
    return Completed(whole, frozenset(carried | without_flexible), absent, orders_at)


def _inside_portfolio_margin(reading: AccountReading) -> dict[Wallet, str]:
    """Return the wallets whose money portfolio margin has told: it may be told twice before the mode is known."""
    whole = reading.wallets.get(Wallet.PORTFOLIO_MARGIN)
    if not isinstance(whole, WalletReading) or not whole.balances:
        return {}
    inside = (wallet for wallet in reading.account.wallets if wallet in WITHIN_PORTFOLIO_MARGIN)
    return dict.fromkeys(inside, "inside portfolio margin")


_UNREAD = Failure("just_opened", "Money was moved into it for the first time; it is read in the next cycle.")


def _opened_since(reading: AccountReading, known: AccountMemory) -> frozenset[Wallet]:
    """Return the wallets called absent into which money was moved since the venue called them so."""
    absent, mapped_at = absent_wallets(known), known.mapped_at
    return frozenset(
        row.target
        for step in reading.activity.steps
        for row in step.rows
        if isinstance(row, Transfer)
        and row.target is not None
        and row.target in absent
        and mapped_at is not None
        and row.at >= mapped_at
    )


def _all_orders(
    reading: AccountReading, known: AccountMemory, wallets: Iterable[Wallet]
) -> tuple[OpenOrder, ...] | Failure | None:
    """What is known of all wallets' orders; None where it is not yet known of some."""
    if isinstance(reading.orders, Failure):
        return reading.orders
    if any(wallet not in known.orders for wallet in wallets if not wallet.is_slow):
        return None
    return tuple(order for one in known.orders.values() for order in one.orders)


def _still_holds(found: Found | None, held: WalletReading, tiers: Tiers, now: datetime) -> bool:
    """Not asked: it holds. Asked and failed: for one more period, so that an outage of savings dents nothing."""
    if found is None:
        return True
    return not is_due(held.received_at, 2 * tiers.slow, now)


def _remember(reading: AccountReading, known: AccountMemory, now: datetime) -> None:
    for wallet, found in reading.wallets.items():
        if isinstance(found, WalletReading):
            if wallet.is_slow:
                known.slow[wallet] = found
            else:
                known.core[wallet] = quantities(found.balances)
        elif found.code == "permission":
            known.totals_at = None  # the venue's own map of wallets tells whether it is gone
    if isinstance(reading.totals, VenueTotals):
        known.totals, known.totals_at, known.mapped_at = reading.totals, now, now
    if isinstance(reading.identity, Identity):
        known.identity, known.identity_at = reading.identity, now
    for wallet, orders in reading.orders_read.items():
        held = reading.wallets.get(wallet)
        locks = held.locks if isinstance(held, WalletReading) else None
        known.orders[wallet] = KnownOrders(orders, now, locks)
    if reading.orders_read:
        known.orders_at = min(one.at for one in known.orders.values())
    known.is_behind = any(isinstance(found, Failure) and found.code in LATE for found in reading.wallets.values())


def _without_doubled_savings(
    wallets: Mapping[Wallet, Found], asked_now: Mapping[Wallet, Found], carried: set[Wallet]
) -> tuple[dict[Wallet, Found], set[Wallet]]:
    """Count flexible savings once: by the savings themselves, or by their receipts in the spot wallet.

    The receipts of a venue equal the flexible savings. Where the savings were read, or hold
    from earlier, the receipts go; where they failed this time, the receipts stay and the
    flexible part of the earlier reading goes.
    """
    spot, savings = wallets.get(Wallet.SPOT), wallets.get(Wallet.EARN)
    rows = dict(wallets)
    if not isinstance(spot, WalletReading) or not isinstance(savings, WalletReading):
        return rows, set()
    if isinstance(asked_now.get(Wallet.EARN), Failure) and Wallet.EARN in carried:
        rows[Wallet.EARN] = replace(savings, balances=tuple(map(_without_flexible, savings.balances)))
        return rows, {Wallet.EARN}
    kept = tuple(balance for balance in spot.balances if balance.holding is not Holding.LD_FALLBACK)
    rows[Wallet.SPOT] = replace(spot, balances=kept)
    return rows, set()


def _without_flexible(balance: Balance) -> Balance:
    flexible = dict(balance.components).get("flexible", Decimal(0))
    return replace(balance, quantity=balance.quantity - flexible)
