"""Debts: what margin accounts owe and what flexible loans owe, with interest by the hour.

A margin debt is no cash: borrowing puts cash into the wallet and the same amount into what is
owed; interest is only owed until it is repaid. A loan keeps its collateral and its debt
(negative) in a slot of the wallet LOANS.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from portfolio_lab.demo.facts import ZERO, Debt, DebtEvent, Loan, Reason, eight
from portfolio_lab.demo.ledger import Ledger
from portfolio_lab.demo.market import Market
from portfolio_lab.demo.steps import History, Steps
from portfolio_lab.models.accounts import Wallet

HOURS_A_DAY = 24
LOAN_RATE = Decimal("0.0002")
_DAILY_RATES = {"USDT": Decimal("0.0003"), "USDC": Decimal("0.00025"), "BTC": Decimal("0.00006")}
_OTHER_RATE = Decimal("0.0001")


def daily_rate(asset: str) -> Decimal:
    """Interest a day on a margin debt, as a fraction of it."""
    return _DAILY_RATES.get(asset, _OTHER_RATE)


class Debts(Ledger):
    """A ledger whose account can owe."""

    def __init__(self, name: str, market: Market) -> None:
        super().__init__(name, market)
        self._owed: dict[tuple[Wallet, str], dict[str, Steps[Debt]]] = defaultdict(dict)
        self._debt_events: History[DebtEvent] = History()
        self._loans: dict[int, tuple[int, str, str]] = {}

    @property
    def owes(self) -> bool:
        """True once anything was ever borrowed."""
        return bool(self._owed or self._loans)

    def debts_at(self, wallet: Wallet, now: int, pair: str = "") -> dict[str, Debt]:
        """What a wallet (an isolated pair) owes at an instant by asset; nothing owed is absent."""
        if (wallet, pair) not in self._owed:
            return {}
        found = {asset: steps.at(now, Debt(asset, ZERO, ZERO)) for asset, steps in self._owed[wallet, pair].items()}
        return {asset: debt for asset, debt in found.items() if debt.borrowed or debt.interest}

    def debt_events(
        self, *, since: int | None = None, until: int, wallets: Iterable[Wallet] | None = None
    ) -> list[DebtEvent]:
        """Margin borrowing, interest and repayment with since <= at <= until, oldest first."""
        found = self._debt_events.between(since, until)
        return found if wallets is None else [event for event in found if event.wallet in wallets]

    def loans_at(self, now: int) -> list[Loan]:
        """Flexible loans at an instant that owe something or hold collateral."""
        found = []
        for loan_id, (opened_at, asset, collateral_asset) in self._loans.items():
            held = self.cash_at(Wallet.LOANS, now, f"loan:{loan_id}")
            debt, collateral = -held.get(asset, ZERO), held.get(collateral_asset, ZERO)
            if debt or collateral:
                found.append(Loan(loan_id, opened_at, asset, debt, collateral_asset, collateral))
        return found

    # ------------------------------------------------------------ writing

    def borrow(self, at: int, wallet: Wallet, asset: str, amount: Decimal, *, pair: str = "") -> int:
        """Borrow into a margin wallet: cash and debt grow by the same amount; the event's id."""
        reference = self.credit(at, wallet, asset, amount, Reason.BORROW, pair=pair)
        self._owe(reference, at, (wallet, pair), asset, Reason.BORROW, (amount, ZERO))
        return reference

    def accrue(self, at: int, wallet: Wallet, asset: str, interest: Decimal, *, pair: str = "") -> int:
        """Add interest to what is owed; no cash changes; the event's id."""
        reference = self._id()
        self._owe(reference, at, (wallet, pair), asset, Reason.INTEREST, (ZERO, interest))
        self.head = max(self.head, at)
        return reference

    def repay(self, at: int, wallet: Wallet, asset: str, amount: Decimal, *, pair: str = "") -> int:
        """Pay back from the wallet's cash, interest first, at most what is owed; the event's id."""
        debt = self.debts_at(wallet, at, pair).get(asset, Debt(asset, ZERO, ZERO))
        interest = min(amount, debt.interest)
        principal = min(amount - interest, debt.borrowed)
        reference = self.credit(at, wallet, asset, -(interest + principal), Reason.REPAY, pair=pair)
        self._owe(reference, at, (wallet, pair), asset, Reason.REPAY, (-principal, -interest))
        return reference

    def open_loan(self, at: int, wallet: Wallet, borrowed: tuple[str, Decimal], collateral: tuple[str, Decimal]) -> int:
        """A flexible loan against collateral, both through the cash of `wallet`; the loan's id."""
        loan_id = self._id()
        self._loans[loan_id] = (at, borrowed[0], collateral[0])
        self.shift(at, *collateral, (wallet, ""), (Wallet.LOANS, f"loan:{loan_id}"), Reason.LOAN)
        self.shift(at, *borrowed, (Wallet.LOANS, f"loan:{loan_id}"), (wallet, ""), Reason.LOAN)
        return loan_id

    def repay_loan(self, at: int, wallet: Wallet, loan_id: int, amount: Decimal) -> None:
        """Pay back at most what a loan owes; with the last of it the collateral comes home."""
        loan = next(one for one in self.loans_at(at) if one.loan_id == loan_id)
        slot, paid = (Wallet.LOANS, f"loan:{loan_id}"), min(amount, loan.debt)
        self.shift(at, loan.asset, paid, (wallet, ""), slot, Reason.LOAN)
        if paid == loan.debt:
            self.shift(at, loan.collateral_asset, loan.collateral, slot, (wallet, ""), Reason.LOAN)

    # ------------------------------------------------------------ inside

    def _charge_interest(self, at: int) -> None:
        """One hour's interest on everything that is owed."""
        for (wallet, pair), by_asset in list(self._owed.items()):
            for asset in by_asset:
                borrowed = by_asset[asset].at(at, Debt(asset, ZERO, ZERO)).borrowed
                interest = eight(borrowed * daily_rate(asset) / HOURS_A_DAY)
                if interest:
                    self.accrue(at, wallet, asset, interest, pair=pair)
        for loan in self.loans_at(at):
            interest = eight(loan.debt * LOAN_RATE / HOURS_A_DAY)
            if interest:
                reference, slot = self._id(), f"loan:{loan.loan_id}"
                self._book(at, Wallet.LOANS, loan.asset, -interest, Reason.INTEREST, reference=reference, slot=slot)

    def _owe(
        self,
        event_id: int,
        at: int,
        place: tuple[Wallet, str],
        asset: str,
        reason: Reason,
        change: tuple[Decimal, Decimal],
    ) -> None:
        steps = self._owed[place].setdefault(asset, Steps())
        old = steps.at(at, Debt(asset, ZERO, ZERO))
        principal, interest = change
        steps.change(at, replace(old, borrowed=old.borrowed + principal, interest=old.interest + interest))
        event = DebtEvent(event_id, at, *place, asset, reason, principal, interest, daily_rate(asset))
        self._debt_events.append(event)
