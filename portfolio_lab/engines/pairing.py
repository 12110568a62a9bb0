"""Which withdrawal and which deposit are the two ends of one move between a user's own accounts.

Money that goes from one own account to another is no cash flow of the user. Only what is
certain is paired: the same asset, the amount that was to arrive, within days of each other,
and the same transaction on the chain, or, where one side names none, nobody else in question.
A wrong pair would hide a real flow; a missed one shows as a flow out and one in, which cancel.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

LONGEST_WAY = timedelta(days=3)
"""A deposit may come so long after its withdrawal."""

LONGEST_GUESS = timedelta(hours=6)
"""The same where no common transaction proves it: the longer the way, the more strangers look alike."""

CLOCKS_APART = timedelta(hours=1)
"""A deposit may be booked so long before its withdrawal is: venues book at different moments."""

TOLERANCE = Decimal("1e-8")
"""How far the amounts may differ, relative to them."""


@dataclass(frozen=True, slots=True)
class Move:
    """One end of a possible move. `quantity` > 0 is what left (withdrawal, fee included) or arrived (deposit)."""

    account: str
    flow_id: str
    at: datetime
    asset: str
    quantity: Decimal
    fee: Decimal
    txid: str
    network: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """The two ends of one move between own accounts."""

    withdrawal: Move
    deposit: Move

    @property
    def pair_id(self) -> str:
        """The same for the same two ends, whenever and by whom they are paired."""
        return f"{self.withdrawal.account}/{self.withdrawal.flow_id}>{self.deposit.account}/{self.deposit.flow_id}"


def pair_moves(withdrawals: Iterable[Move], deposits: Iterable[Move]) -> tuple[Pair, ...]:
    """Return the pairs, each end in at most one, by the time of the withdrawal.

    First by transaction id (the same asset and an amount that fits must agree too: one
    transaction on a chain may pay many), then, among the ends of which at least one names no
    transaction, where each is the other's only candidate.

    Args:
        withdrawals: completed ones of one user, of all accounts.
        deposits: the same.
    """
    unmatched = sorted(withdrawals, key=_order)
    waiting: dict[str, list[Move]] = defaultdict(list)
    for deposit in sorted(deposits, key=_order):
        waiting[deposit.asset].append(deposit)
    pairs = _by_transaction(unmatched, waiting)
    taken = {id(end) for pair in pairs for end in (pair.withdrawal, pair.deposit)}
    rest = [move for move in unmatched if id(move) not in taken]
    pairs += _by_exclusion(rest, [move for moves in waiting.values() for move in moves if id(move) not in taken])
    return tuple(sorted(pairs, key=lambda pair: _order(pair.withdrawal)))


def refuted(guesses: Iterable[Pair], withdrawals: Iterable[Move], deposits: Iterable[Move]) -> tuple[Pair, ...]:
    """Return the pairs that were only guessed and that a transaction on the chain has refuted since.

    Args:
        guesses: pairs found earlier, with what is known of their ends now; a proven one is never refuted.
        withdrawals: those that belong to no pair, of one user.
        deposits: the same.
    """
    unproven = [pair for pair in guesses if not is_proven(pair)]
    waiting: dict[str, list[Move]] = defaultdict(list)
    for deposit in sorted([*deposits, *(pair.deposit for pair in unproven)], key=_order):
        waiting[deposit.asset].append(deposit)
    everything = sorted([*withdrawals, *(pair.withdrawal for pair in unproven)], key=_order)
    claimed = {id(end) for pair in _by_transaction(everything, waiting) for end in (pair.withdrawal, pair.deposit)}
    return tuple(
        pair
        for pair in unproven
        if id(pair.withdrawal) in claimed or id(pair.deposit) in claimed or _contradicts(pair.withdrawal, pair.deposit)
    )


def is_proven(pair: Pair) -> bool:
    """True when both ends name the same transaction on the chain."""
    named = _chain_id(pair.withdrawal.txid)
    return bool(named) and named == _chain_id(pair.deposit.txid)


def _contradicts(withdrawal: Move, deposit: Move) -> bool:
    """True when they name two transactions: two that differ are two moves."""
    return bool(_chain_id(withdrawal.txid)) and bool(_chain_id(deposit.txid))


def _order(move: Move) -> tuple[datetime, str, str]:
    return move.at, move.account, move.flow_id


def _by_transaction(withdrawals: Sequence[Move], waiting: dict[str, list[Move]]) -> list[Pair]:
    by_txid: dict[tuple[str, str], list[Move]] = defaultdict(list)
    for moves in waiting.values():
        for move in moves:
            if _chain_id(move.txid):
                by_txid[move.asset, _chain_id(move.txid)].append(move)
    pairs = []
    for withdrawal in withdrawals:
        candidates = by_txid.get((withdrawal.asset, _chain_id(withdrawal.txid)), [])
        fitting = [deposit for deposit in candidates if _fits(withdrawal, deposit)]
        if fitting:
            candidates.remove(fitting[0])
            pairs.append(Pair(withdrawal, fitting[0]))
    return pairs


def _by_exclusion(withdrawals: Sequence[Move], deposits: Sequence[Move]) -> list[Pair]:
    """Pairs without a common transaction id: only where neither end has another candidate."""
    forward: dict[int, list[Move]] = {}
    backward: dict[int, list[Move]] = defaultdict(list)
    by_asset: dict[str, list[Move]] = defaultdict(list)
    for deposit in deposits:
        by_asset[deposit.asset].append(deposit)
    for withdrawal in withdrawals:
        forward[id(withdrawal)] = [one for one in by_asset[withdrawal.asset] if _could_be(withdrawal, one)]
        for deposit in forward[id(withdrawal)]:
            backward[id(deposit)].append(withdrawal)
    return [
        Pair(withdrawal, forward[id(withdrawal)][0])
        for withdrawal in withdrawals
        if len(forward[id(withdrawal)]) == 1 and len(backward[id(forward[id(withdrawal)][0])]) == 1
    ]


def _could_be(withdrawal: Move, deposit: Move) -> bool:
    if _contradicts(withdrawal, deposit):
        return False
    return deposit.at - withdrawal.at <= LONGEST_GUESS and _fits(withdrawal, deposit)


def _fits(withdrawal: Move, deposit: Move) -> bool:
    if withdrawal.account == deposit.account:
        return False
    if not -CLOCKS_APART <= deposit.at - withdrawal.at <= LONGEST_WAY:
        return False
    # Venues state the fee on top of the amount or inside it; either may be what arrives.
    arriving = (withdrawal.quantity - withdrawal.fee, withdrawal.quantity)
    return any(abs(deposit.quantity - amount) <= TOLERANCE * amount for amount in arriving if amount > 0)


def _chain_id(txid: str) -> str:
    """A transaction id as chains write it, so that two venues' spellings agree; "" when it names none."""
    text = txid.strip().lower().removeprefix("0x").partition(":")[0]
    return text if len(text) >= 16 and text.isalnum() else ""  # noqa: PLR2004 - shorter ones are a venue's own numbers
