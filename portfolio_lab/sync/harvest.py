"""One cycle after everything was read: what it comes to, in rows of all tables.

Pure but for what the store is asked: the other end of a move, the rows that a stream repeats, the
snapshots of a day that closes. Nothing is written here but restatements, which are commits of their own.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from portfolio_lab.engines.pairing import Pair
from portfolio_lab.models.accounts import Account
from portfolio_lab.models.activity import ActivityStep
from portfolio_lab.models.snapshot import Grade, PortfolioSnapshot
from portfolio_lab.models.tables import (
    ACCOUNTS,
    ATTESTATIONS,
    CASH_FLOWS,
    CURSORS,
    FILLS,
    INCOME,
    PERFORMANCE_HISTORY,
    PORTFOLIO_SNAPSHOTS,
    RESTATEMENTS,
    SUSPICIONS,
    TABLES,
    TRANSFERS,
    USERS_PORTFOLIO_STATE,
)
from portfolio_lab.settings import Settings
from portfolio_lab.sync.activity_rows import activity_rows
from portfolio_lab.sync.attestation_rows import attested
from portfolio_lab.sync.cash_flow_rows import EARLIER, flow_restatements, flows_read, flows_until, new_flow_rows
from portfolio_lab.sync.evidence import denied, explained_by, ledger_of
from portfolio_lab.sync.flow_scopes import book_since, equity_by_account, membership_rows, returned_rows, scoped
from portfolio_lab.sync.grading import Moment, PricesByAccount, grade_user, price_book, prices_of
from portfolio_lab.sync.identities import account_rows, checked, refusals
from portfolio_lab.sync.memory import LastBook, Memory
from portfolio_lab.sync.performance_rows import closed_day_rows
from portfolio_lab.sync.reading import AccountKey, AccountReading, BookReading, Origin
from portfolio_lab.sync.report import CycleReport, Failure, UserLine, WalletLine
from portfolio_lab.sync.restating import tell_anew
from portfolio_lab.sync.rows import Row, snapshot_tables, table_of
from portfolio_lab.sync.state_rows import Progress, progress_of, state_row
from portfolio_lab.sync.suspicion import Verdict, holdings_of, is_whole, judged
from portfolio_lab.sync.tiers import Completed, Tiers, completed

if TYPE_CHECKING:
    from portfolio_lab.store import Store

LEDGER_SLACK = timedelta(hours=1)
"""A venue's ledger may tell of a change so long before our last look at the book."""


def duplicates_of(settings: Settings, memory: Memory) -> dict[AccountKey, Failure]:
    """Return the accounts that are another one of the lab under a second key, as far as is known."""
    return refusals(settings.accounts, {account.key: memory.account(account).identity for account in settings.accounts})


class Cycle:
    """What one cycle comes to; use it as tables, remember, report."""

    def __init__(
        self, settings: Settings, store: Store, book: BookReading, memory: Memory, *, slot: datetime, at: datetime
    ) -> None:
        self._store, self._memory, self._at = store, memory, at
        self._tiers = Tiers.of(settings)
        self._moment = Moment(slot, timedelta(seconds=settings.interval_seconds), settings.reporting_currency)
        self._by_user = self._completed(settings, book)
        everything = [one.reading for readings in self._by_user.values() for one in readings]
        self._readings = everything
        self._priced = price_book(book.quotes, everything, at=at, moment=self._moment, last_known=memory.prices)
        self._activity = activity_rows(store, everything, memory.cursors, currency=self._moment.currency, known_at=at)
        self._held = {user: holdings_of(readings) for user, readings in self._by_user.items()}
        self._prices: dict[Origin, Mapping[str, float]] = {}
        self._verdicts = {user: self._judged(user, readings) for user, readings in self._by_user.items()}
        self._snapshots = [self._graded(user) for user in self._by_user]
        self._pairs: list[tuple[str, Pair]] = []
        self._parted: list[tuple[str, Pair]] = []
        self._lines: list[WalletLine] = []
        self._account_rows: list[Row] = []
        self.states: dict[str, Row] = {}

    def _completed(self, settings: Settings, book: BookReading) -> dict[str, list[Completed]]:
        # An identity that was read just now may be another account's: then it is not read twice.
        for reading in book.accounts:
            known = self._memory.account(reading.account)
            known.identity = (
                known.identity if isinstance(reading.identity, Failure) else reading.identity or known.identity
            )
        duplicates = duplicates_of(settings, self._memory)
        by_user: dict[str, list[Completed]] = {}
        for reading in book.accounts:
            known = self._memory.account(reading.account)
            sound = checked(reading, known.identity, settings, duplicates)
            by_user.setdefault(reading.account.user, []).append(completed(sound, known, self._tiers, now=self._at))
        return by_user

    # ------------------------------------------------------------ judging

    def _judged(self, user: str, readings: Sequence[Completed]) -> Verdict:
        before = self._memory.books.get(user)
        pending = self._memory.pending(user)
        if before is None or not is_whole(readings):
            return Verdict(doubted={(str(row["account"]), str(row["wallet"])): str(row["reason"]) for row in pending})
        now = {key: held for key, held in self._held[user].items() if key[0] in before.members}
        members = {one.reading.account.name for one in readings}
        known = {key: held for key, held in before.holdings.items() if key[0] in members}
        prices = self._prices_by_account(user)
        judge = partial(
            judged,
            user,
            known,
            now,
            prices=prices,
            equity=before.equity,
            pending=pending,
            denied=denied(readings, known, now, prices),
            slot=self._moment.slot,
            known_at=self._at,
        )
        verdict = judge(explained={})
        if not verdict.rows:
            return verdict
        return judge(explained=explained_by(self._ledger(user, before), verdict.rows))

    def _prices_by_account(self, user: str) -> PricesByAccount:
        accounts = [one.reading.account for one in self._by_user[user]]
        return PricesByAccount({account.name: self._prices_at(account.origin) for account in accounts})

    def _prices_at(self, origin: Origin) -> Mapping[str, float]:
        """Return what is known of each asset's price at an origin: now, else at the last complete book."""
        if origin not in self._prices:
            now = self._priced[origin].prices.values() if origin in self._priced else ()
            last = (price for (venue, _), price in self._memory.prices.items() if venue == origin[0])
            self._prices[origin] = {price.asset: price.price for price in (*last, *now)}
        return self._prices[origin]

    def _ledger(self, user: str, before: LastBook) -> dict[tuple[str, str], tuple[float, float]]:
        """What the ledger, stored or just read, tells of since the last book."""
        since = before.slot - LEDGER_SLACK
        records: dict[str, list[Row]] = {}
        for table in (FILLS, INCOME, TRANSFERS):
            fresh = [row for row in self._activity.tables.get(table.name, []) if _is_of(row, user, since)]
            rows = [*self._store.read(table.name, users=[user], since=since).to_pylist(), *fresh]
            records[table.name] = list({tuple(row[name] for name in table.key): row for row in rows}.values())
        read = [(account, flow) for account, flow in flows_read(self._readings) if account.user == user]
        return ledger_of(records, [(account, flow) for account, flow in read if flow.at >= since])

    def _graded(self, user: str) -> PortfolioSnapshot:
        return grade_user(
            user,
            self._by_user[user],
            self._priced,
            at=self._at,
            moment=self._moment,
            tiers=self._tiers,
            doubted=self._verdicts[user].doubted,
        )

    # ------------------------------------------------------------ rows

    def tables(self) -> dict[str, pa.Table]:
        """Return every table of this cycle's commit, and leave each user's new state in `states`."""
        tables = snapshot_tables(
            self._snapshots,
            self._priced,
            moment=self._moment,
            known_at=self._at,
            unpriced_shares=self._unpriced_shares(),
        )
        self._account_rows = self._accounts()
        rows = self._facts()
        self._restate()  # before the days are told, which are told from the slots
        rows |= self._history(rows[CASH_FLOWS.name], tables[PORTFOLIO_SNAPSHOTS.name])
        return tables | {name: table_of(TABLES[name], content) for name, content in rows.items()}

    def _facts(self) -> dict[str, list[Row]]:
        return {
            CASH_FLOWS.name: self._flows(),
            **self._activity.tables,
            CURSORS.name: list(self._activity.cursors.values()),
            SUSPICIONS.name: [row for verdict in self._verdicts.values() for row in verdict.rows],
            ACCOUNTS.name: self._account_rows,
            ATTESTATIONS.name: self._attested(),
            RESTATEMENTS.name: self._activity.restatements,
        }

    def _flows(self) -> list[Row]:
        read = flows_read(self._readings)
        members = {user: book.members for user, book in self._memory.books.items()}
        first_slots = book_since(self._memory.first_slots(), self._account_rows, members)
        fresh, held = new_flow_rows(
            self._store, read, self._priced, moment=self._moment, known_at=self._at, first_slots=first_slots
        )
        known_until = {user: progress_of(state).flows_until for user, state in (self._memory.states or {}).items()}
        self._activity.restatements += flow_restatements(fresh, held, known_until, known_at=self._at)
        rows, pairs, self._parted = scoped(self._store, fresh, known_at=self._at)
        self._pairs = [(str(_user_of(rows, pair)), pair) for pair in pairs]
        for snapshot in self._snapshots:
            before = self._memory.books.get(snapshot.user)
            rows += membership_rows(
                snapshot, before.members if before else None, currency=self._moment.currency, known_at=self._at
            )
        return rows

    def _attested(self) -> list[Row]:
        rows: list[Row] = []
        for snapshot in self._snapshots:
            plain = [one.reading for one in self._by_user[snapshot.user]]
            found, lines = attested(snapshot, plain, self._priced, moment=self._moment, known_at=self._at)
            rows += found
            self._lines += lines
        return rows

    def _accounts(self) -> list[Row]:
        rows: list[Row] = []
        for snapshot in self._snapshots:
            plain, before = [one.reading for one in self._by_user[snapshot.user]], self._memory.books.get(snapshot.user)
            found = account_rows(snapshot, plain, self._memory.known_accounts, known_at=self._at)
            known = self._memory.known_accounts | {(str(row["user"]), str(row["account"])): row for row in found}
            back = returned_rows(snapshot, before.members if before else None, known, known_at=self._at)
            names = {row["account"] for row in back}
            rows += [*(row for row in found if row["account"] not in names), *back]
        return rows

    def _unpriced_shares(self) -> dict[str, float]:
        """What each user holds without a price, at the last price known of it, as a share of the last equity."""
        shares = {}
        for snapshot in self._snapshots:
            before = self._memory.books.get(snapshot.user)
            missing = snapshot.equity.unpriced
            last = [self._memory.prices.get((one.account.partition(":")[0], one.asset)) for one in missing]
            if before is not None and before.equity > 0 and missing and None not in last:
                worth = sum(one.quantity * price.price for one, price in zip(missing, last, strict=True) if price)
                shares[snapshot.user] = abs(worth) / before.equity
        return shares

    # ------------------------------------------------------------ history

    def _history(self, flows: Sequence[Row], snapshots: pa.Table) -> dict[str, list[Row]]:
        days: list[Row] = []
        for snapshot in self._snapshots:
            progress, closed = self._progress(snapshot.user, snapshots, flows)
            days += closed
            self._carry_forward(snapshot, progress)
        return {PERFORMANCE_HISTORY.name: days, USERS_PORTFOLIO_STATE.name: list(self.states.values())}

    def _progress(self, user: str, snapshots: pa.Table, flows: Sequence[Row]) -> tuple[Progress, list[Row]]:
        before = (self._memory.states or {}).get(user)
        cursors = ChainMap(self._activity.cursors, self._memory.cursors)
        plain = [one.reading for one in self._by_user[user]]
        return closed_day_rows(
            self._store,
            user,
            before,
            snapshots=snapshots,
            flows=[flow for flow in flows if flow["user"] == user and flow["scope"] != EARLIER],
            flows_until=flows_until(plain, progress_of(before).flows_until, cursors),
            moment=self._moment,
            known_at=self._at,
            restated_since=self._restated_since(user),
        )

    def _restated_since(self, user: str) -> datetime | None:
        starts = [pair.withdrawal.at for owner, pair in (*self._pairs, *self._parted) if owner == user]
        if (since := self._verdicts[user].restate_since) is not None:
            starts.append(since)
        return min(starts, default=None)

    def _carry_forward(self, snapshot: PortfolioSnapshot, progress: Progress) -> None:
        before = (self._memory.states or {}).get(snapshot.user)
        if before is not None and before["slot"] > snapshot.slot:  # type: ignore[operator]
            return  # an older slot, run late, does not turn the newest state back
        self.states[snapshot.user] = state_row(
            snapshot, before, progress=progress, currency=self._moment.currency, known_at=self._at
        )

    # ------------------------------------------------------------ what changes the past, and what is kept

    def _restate(self) -> None:
        slot = self._moment.slot
        for user, verdict in self._verdicts.items():
            pairs, since = [pair for owner, pair in self._pairs if owner == user], verdict.restate_since
            parted = [pair for owner, pair in self._parted if owner == user]
            tell = partial(tell_anew, self._store, user, pairs, verdict.rows, since=since, until=slot)
            tell(known_at=self._at, parted=parted)

    def remember(self) -> None:
        """Take over into the memory what the commit has made true."""
        self._memory.keep(
            slot=self._moment.slot,
            states=self.states,
            cursors=self._activity.cursors,
            suspicions=[row for verdict in self._verdicts.values() for row in verdict.rows],
            accounts=self._account_rows,
            assets=self._seen_assets(),
        )
        for snapshot in self._snapshots:
            if snapshot.grade is Grade.COMPLETE:
                self._remember_book(snapshot)
        for reading in self._readings:
            account = reading.account
            if account.name in {name for name, _ in self._verdicts[account.user].doubted}:
                self._memory.account(account).totals_at = None  # the venue's own total is asked for a second opinion
            # Not before the commit: rows that were not stored must be asked for again.
            done = [step.stream for step in reading.activity.steps if step.is_current and self._is_read(account, step)]
            # What failed is asked for again in its tier's time, too: a broken stream costs no budget each minute.
            self._memory.account(account).streams_at.update(
                dict.fromkeys((*done, *reading.activity.failures), self._at)
            )

    def _is_read(self, account: Account, step: ActivityStep) -> bool:
        row = self._activity.cursors[account.user, account.name, step.stream]
        return step.is_backfilled and bool(row["is_backfilled"])

    def _seen_assets(self) -> dict[tuple[str, str], set[str]]:
        """What each account showed in this cycle, held or told of."""
        seen: dict[tuple[str, str], set[str]] = {}
        for user, account, asset, _ in self._activity.events:
            seen.setdefault((user, account), set()).add(asset)
        for user, held in self._held.items():
            for account, _, asset, _ in held:
                seen.setdefault((user, account), set()).add(asset)
        return seen

    def _remember_book(self, snapshot: PortfolioSnapshot) -> None:
        self._memory.books[snapshot.user] = LastBook(
            snapshot.slot,
            snapshot.equity.total or 0.0,
            self._held[snapshot.user],
            equity_by_account(snapshot),
        )
        for one in self._by_user[snapshot.user]:
            venue = one.reading.account.venue
            for asset, price in prices_of(one.reading.account, self._priced).prices.items():
                self._memory.prices[venue, asset] = price

    # ------------------------------------------------------------ report

    def report(self, sync_id: str, *, seconds: float) -> CycleReport:
        """Return what became of each user and wallet."""
        return CycleReport(
            slot=self._moment.slot,
            sync_id=sync_id,
            is_new=True,
            users=tuple(
                UserLine(snapshot.user, str(snapshot.grade), snapshot.reason, snapshot.equity.total)
                for snapshot in self._snapshots
            ),
            wallets=tuple(line for snapshot in self._snapshots for line in _wallet_lines(snapshot)),
            activity=(*(line for reading in self._readings for line in _activity_lines(reading)), *self._lines),
            seconds=seconds,
            backfill=self._backfill(),
        )

    def _backfill(self) -> float | None:
        rows = [float(str(row["progress"])) for row in self._memory.cursors.values()]
        return sum(rows) / len(rows) if rows else None


def _is_of(row: Row, user: str, since: datetime) -> bool:
    return row["user"] == user and isinstance(row["at"], datetime) and row["at"] >= since


def _user_of(rows: Sequence[Row], pair: Pair) -> object:
    return next(row["user"] for row in rows if row["pair_id"] == pair.pair_id)


def _wallet_lines(snapshot: PortfolioSnapshot) -> list[WalletLine]:
    return [
        WalletLine(snapshot.user, state.account.name, str(state.wallet), str(state.grade), state.code, state.reason)
        for state in snapshot.wallets
    ]


def _activity_lines(reading: AccountReading) -> list[WalletLine]:
    parts: list[tuple[str, object]] = [("open_orders", reading.orders), ("cash_flows", reading.flows)]
    parts += [("totals", reading.totals), ("identity", reading.identity)]
    parts += [(f"stream {step.stream}", step) for step in reading.activity.steps]
    parts += [(f"stream {name}", failure) for name, failure in reading.activity.failures.items()]
    lines = {part: _activity_line(reading.account, part, found) for part, found in parts if found is not None}
    return list(lines.values())


def _activity_line(account: Account, part: str, found: object) -> WalletLine:
    if isinstance(found, Failure):
        return WalletLine(account.user, account.name, part, "failed", found.code, found.reason)
    return WalletLine(account.user, account.name, part, "ok", "", "")
