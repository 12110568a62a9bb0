"""Resting orders: whose to ask for, seen what the wallets hold back for them, and what the answers come to.

Asking for all orders of a wallet costs many times the wallet itself, so it is asked for where its own answer
shows that something has changed, on a tier of its own where orders rest, and else seldom, as a guard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.holdings import OpenOrder, WalletReading
from portfolio_lab.sync.report import Failure

OrdersByWallet = Mapping[Wallet, tuple[OpenOrder, ...]]
OrdersByGroup = Mapping[tuple[Wallet, ...], tuple[OpenOrder, ...] | Failure]


@dataclass(frozen=True, slots=True)
class KnownOrders:
    """A wallet's resting orders, when they were asked for, and what was held back for orders then."""

    orders: tuple[OpenOrder, ...]
    at: datetime
    locks: frozenset[str] | None


def is_due(read_at: datetime | None, period: timedelta, now: datetime) -> bool:
    """True when something read at `read_at` must be read again; also when the clock went back."""
    return read_at is None or not timedelta(0) <= now - read_at < period


def may_have_moved(
    before: KnownOrders | None,
    found: WalletReading | Failure | None,
    *,
    tier: timedelta,
    guard: timedelta,
    now: datetime,
) -> bool:
    """Whether a wallet's orders should be asked for now.

    At once where something else than before is held back for orders, after `tier` where some
    rest or the wallet's answer does not tell, and after `guard` anyway: some orders hold
    nothing back (those that only reduce, those that wait for a trigger).
    """
    if before is None or is_due(before.at, guard, now):
        return True
    locks = found.locks if isinstance(found, WalletReading) else None
    if locks is not None and locks != (before.locks or frozenset()):
        return True
    rests = locks is None or bool(locks) or bool(before.orders)
    return rests and is_due(before.at, tier, now)


# ---------------------------------------------------------------- what the answers come to


def groups(
    wanted: Sequence[Wallet], wallets: Mapping[Wallet, WalletReading | Failure]
) -> tuple[tuple[Wallet, ...], ...]:
    """Wallets whose answers tell of locks are asked for one by one; the others, as one question, together."""
    alone = [wallet for wallet in wanted if _tells_of_locks(wallets.get(wallet))]
    together = tuple(wallet for wallet in wanted if wallet not in alone)
    return (*((wallet,) for wallet in alone), *((together,) if together else ()))


def _tells_of_locks(found: WalletReading | Failure | None) -> bool:
    return isinstance(found, WalletReading) and found.locks is not None


def judged(found: OrdersByGroup) -> tuple[OpenOrder, ...] | Failure | None:
    """All orders that were read, the failure of some, or None where nothing was read.

    No room in the budget is no failure: what is known stays, with its age. A wallet that may not
    be read does not hide the orders of the others.
    """
    heard = {group: one for group, one in found.items() if not (isinstance(one, Failure) and one.is_postponed)}
    refused = {group for group, one in heard.items() if isinstance(one, Failure) and one.code == "permission"}
    failures = (one for group, one in heard.items() if isinstance(one, Failure) and group not in refused)
    failure = next(failures, None)
    if failure is not None:
        return failure
    if refused and len(refused) == len(heard):
        return next(one for one in heard.values() if isinstance(one, Failure))
    read = [one for one in heard.values() if not isinstance(one, Failure)]
    return tuple(order for orders in read for order in orders) if heard else None


def by_wallet(found: OrdersByGroup) -> dict[Wallet, tuple[OpenOrder, ...]]:
    """The orders by wallet; a wallet that may not be read has none here."""
    read: dict[Wallet, tuple[OpenOrder, ...]] = {}
    for group, orders in found.items():
        if isinstance(orders, Failure) and orders.code != "permission":
            continue
        rows = () if isinstance(orders, Failure) else orders
        for wallet in {*group, *(order.wallet for order in rows)}:
            read[wallet] = tuple(order for order in rows if order.wallet is wallet)
    return read
