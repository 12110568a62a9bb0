"""The pages of a book: what is in every pocket of an account, and every change of it.

A pocket is a wallet and a slot in it. Slot "" is the wallet's cash; an isolated margin pair
has the slot of its name; what is not cash (a subscription, a loan, a bot) has a slot "kind"
or "kind:id". A pocket holds the sum of its entries, so whatever is read agrees by construction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from portfolio_lab.demo.facts import ZERO, Entry, Flow, Reason
from portfolio_lab.demo.instruments import Instrument
from portfolio_lab.demo.market import Market, name_seed
from portfolio_lab.demo.steps import History, Steps
from portfolio_lab.models.accounts import Wallet

Pocket = tuple[Wallet, str]


class Ledger:
    """Pockets and entries, written forwards in time. `head` is the latest instant written."""

    def __init__(self, name: str, market: Market) -> None:
        self.name = name
        self.market = market
        self.head = 0
        self._next_id = 10_000_000 + name_seed(name) % 80_000_000 * 10
        self._cash: dict[Pocket, dict[str, Steps[Decimal]]] = defaultdict(dict)
        self._entries: History[Entry] = History()
        self._under_way: list[Flow] = []

    # ------------------------------------------------------------ reading

    def cash_at(self, wallet: Wallet, now: int, slot: str = "") -> dict[str, Decimal]:
        """Units by asset of one pocket at an instant: every asset that it ever touched."""
        return {asset: steps.at(now, ZERO) for asset, steps in self._cash[wallet, slot].items()}

    def slots(self, wallet: Wallet) -> list[str]:
        """Slots of a wallet that were ever used, but that of its cash, in order of first use."""
        return [slot for one, slot in self._cash if one is wallet and slot]

    def entries(self, *, since: int | None = None, until: int, wallets: Iterable[Wallet] | None = None) -> list[Entry]:
        """Changes of pockets with since <= at <= until, oldest first."""
        found = self._entries.between(since, until)
        return found if wallets is None else [entry for entry in found if entry.wallet in wallets]

    # ------------------------------------------------------------ writing

    def credit(
        self, at: int, wallet: Wallet, asset: str, amount: Decimal, reason: Reason, *, pair: str = "", note: str = ""
    ) -> int:
        """Let a wallet's cash change by a signed amount for a reason; return the id of the event."""
        reference = self._id()
        self._book(at, wallet, asset, amount, reason, reference=reference, slot=pair, note=note)
        return reference

    def swap(
        self,
        at: int,
        wallet: Wallet,
        given: tuple[str, Decimal],
        taken: tuple[str, Decimal],
        reason: Reason,
        *,
        slot: str = "",
    ) -> int:
        """Give an amount of one asset for an amount of another within one pocket; the event's id."""
        reference = self._id()
        self._book(at, wallet, given[0], -given[1], reason, reference=reference, slot=slot)
        self._book(at, wallet, *taken, reason, reference=reference, slot=slot)
        return reference

    def shift(self, at: int, asset: str, amount: Decimal, source: Pocket, target: Pocket, reason: Reason) -> int:
        """Move an amount between two pockets of this account; the event's id."""
        reference, note = self._id(), target[1] or source[1]
        for (wallet, slot), change in ((source, -amount), (target, amount)):
            self._book(at, wallet, asset, change, reason, reference=reference, slot=slot, note=note)
        return reference

    # ------------------------------------------------------------ inside

    def _id(self) -> int:
        self._next_id += 1
        return self._next_id

    def _release(self, until: int) -> None:
        """Let the money of withdrawals that complete up to an instant leave."""
        due = [flow for flow in self._under_way if flow.done_at <= until]
        self._under_way = [flow for flow in self._under_way if flow.done_at > until]
        for flow in sorted(due, key=lambda one: one.done_at):
            self._write(
                flow.done_at,
                (flow.wallet, ""),
                flow.asset,
                -(flow.amount + flow.fee),
                Reason.WITHDRAWAL,
                reference=flow.flow_id,
            )

    def _book(
        self,
        at: int,
        wallet: Wallet,
        asset: str,
        amount: Decimal,
        reason: Reason,
        *,
        reference: int,
        instrument: Instrument | None = None,
        slot: str = "",
        note: str = "",
    ) -> None:
        if self._under_way:
            self._release(at)
        self._write(at, (wallet, slot), asset, amount, reason, reference=reference, instrument=instrument, note=note)

    def _write(
        self,
        at: int,
        pocket: Pocket,
        asset: str,
        amount: Decimal,
        reason: Reason,
        *,
        reference: int,
        instrument: Instrument | None = None,
        note: str = "",
    ) -> None:
        (wallet, slot), isolated = pocket, pocket[0] is Wallet.ISOLATED_MARGIN
        steps = self._cash[pocket].setdefault(asset, Steps())
        balance = steps.at(at, ZERO) + amount
        steps.change(at, balance)
        pair, told = (slot, note) if isolated else ("", slot or note)
        self._entries.append(
            Entry(self._id(), at, wallet, asset, amount, balance, reason, reference, instrument, pair, told)
        )
        self.head = max(self.head, at)
