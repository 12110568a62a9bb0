"""Reading an endless history in bounded steps: one machine for every venue's windowed and paged endpoints.

A stream is a `Spec` (how long a window may be, how far back the venue remembers) and a source:
an `Ask` that fetches one page of one window. The machine owns the order, the windows and the
cursor; a source owns the endpoint. Everything is in whole milliseconds, windows are half-open.

    spec = Spec("deposits", window=timedelta(days=90), retention_days=None, overlap=timedelta(days=7))
    step = await take_step(spec, by_offset(fetch, size=1_000), cursor, now=now)

Sources of the usual kinds are made by `portfolio_lab.exchanges.sources`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import msgspec

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges.payloads import milliseconds
from portfolio_lab.exchanges.sources import Ask, Page, Told, Unfinished, Window
from portfolio_lab.models.activity import (
    ActivityRow,
    ActivityStep,
    CashFlow,
    EquityEstimate,
    Fill,
    Income,
    Stream,
    Transfer,
)

MARGIN = timedelta(hours=1)
"""So much younger than the venue's memory we stay: its clock is not ours, and a window takes its time."""

EDGE = timedelta(minutes=50)
"""A window under way may fall so far behind the margin before its oldest part is given up."""

_REMEMBERED = timedelta(days=2)
"""A flow that was under way and has not been listed for so long was given up."""

FIRST_VENUE = datetime(2017, 1, 1, tzinfo=UTC)
"""No account of a supported venue is older: where a venue remembers for ever, the backfill ends here."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What the machine must know of a stream.

    `overlap` is how late the venue may report a row (or finish one that it already lists).
    `refresh`: while a backfill is under way, the new end is read again only after so long.
    `requests` bounds one step. `is_by_request` where flows are listed by the instant at which they were asked for, not
    carried out.
    """

    name: str
    window: timedelta
    retention_days: int | None
    overlap: timedelta = timedelta(hours=1)
    refresh: timedelta = timedelta(minutes=5)
    requests: int = 5
    since: datetime = FIRST_VENUE
    is_by_request: bool = False

    @property
    def stream(self) -> Stream:
        """What others see of it."""
        return Stream(self.name, self.retention_days)

    def floor(self, now: int) -> int:
        """The first millisecond that the venue can still be asked for."""
        if self.retention_days is None:
            return milliseconds(self.since)
        return now - span(timedelta(days=self.retention_days) - MARGIN)


class Job(msgspec.Struct):
    """A window under way: [start, end), the token of its next page, and the length to try next."""

    start: int
    end: int
    length: int
    page: str = ""


class Cursor(msgspec.Struct):
    """Where a stream stands. All of [since, until) has been read; since == until: nothing yet.

    `new` walks up from `until` to `aim`, `old` walks down from `since`. `origin` is when the
    backfill began. `waiting` are flows that were seen under way, with the instant by which they are listed
    and the last one at which they were seen so; `dated` those that were carried out since, with the
    instant in between, since the venue tells none.
    """

    origin: int
    since: int
    until: int
    aim: int = 0
    new: Job | None = None
    old: Job | None = None
    is_backfilled: bool = False
    waiting: dict[str, tuple[int, int]] = {}
    dated: dict[str, int] = {}


def span(length: timedelta) -> int:
    """Return the milliseconds of a length of time."""
    return length // timedelta(milliseconds=1)


def instant(at: int) -> datetime:
    """Return the UTC instant of milliseconds since 1970."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)


# ---------------------------------------------------------------- the machine


async def take_step(spec: Spec, ask: Ask, cursor: str, *, now: datetime) -> ActivityStep:
    """Take one bounded step along a stream and return its rows with the cursor that goes on after them.

    The new end comes first: from `overlap` before what is known up to `now`, oldest window
    first. Then the backfill: newest window first, down to what the venue remembers. A cursor
    that cannot be read (damaged, of another version) starts anew, which costs requests and
    loses nothing. Rows are unique by id within the step; a row read again in a later step is
    the same row to the store. Raises what the source raises, and AnswerShapeError when more
    rows share one millisecond than a page of an endpoint that has no other way on.
    """
    moment = milliseconds(now)
    walk = _Walk(spec, _read(cursor, moment), moment)
    rows: list[Told] = []
    last: tuple[Window, Page] | None = None
    for _ in range(spec.requests):
        job = walk.job()
        window = Window(job.start, job.end)
        page = await ask(window, job.page)
        if page.is_cut:
            walk.narrow(job)
            continue
        if page.rows and last is not None and last[0] == window and last[1].rows == page.rows:
            raise AnswerShapeError(f"The {spec.name} stream gives the same page again and again.")
        last = (window, page)
        rows += page.rows
        if walk.advance(job, page.more) and walk.is_done():
            break
    return walk.report(unique(walk.carried_out(rows)))


def _read(text: str, now: int) -> Cursor:
    try:
        return msgspec.json.decode(text, type=Cursor)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Cursor(origin=now, since=now, until=now)


@dataclass(slots=True)
class _Walk:
    """One step's view of a cursor."""

    spec: Spec
    cursor: Cursor
    now: int
    floor: int = 0
    before: int = 0  # the reading before this one

    def __post_init__(self) -> None:
        self.before = self.cursor.until
        self.floor = min(self.spec.floor(self.now), self.now - 1)
        self._finish_backfill()
        if self._is_due():
            self._begin_new()

    def _is_due(self) -> bool:
        """True when the new end should be read again now."""
        cursor = self.cursor
        if cursor.new is not None or cursor.since == cursor.until:
            return False
        waited = self.now - cursor.until
        return waited > 0 and (cursor.is_backfilled or waited >= span(self.spec.refresh))

    def _begin_new(self) -> None:
        cursor = self.cursor
        # What is still under way may be listed further back than the venue is late otherwise.
        listed = [at for at, _ in cursor.waiting.values()]
        start = max(min([cursor.until - span(self.spec.overlap), *listed]), self.floor)
        if start > cursor.until:  # away for longer than the venue remembers: what was between is lost
            cursor.since = cursor.until = start
            cursor.old, cursor.is_backfilled = None, True
        cursor.aim = self.now
        length = span(self.spec.window)
        cursor.new = Job(start, min(start + length, self.now), length)

    def job(self) -> Job:
        """Return the window to ask: of the new end while there is one, else of the backfill."""
        cursor = self.cursor
        if cursor.new is not None:
            return cursor.new
        if cursor.old is None and cursor.is_backfilled:  # nothing passed since the last step: look again
            self._begin_again()
            return self.job()
        if cursor.old is None:
            length = span(self.spec.window)
            cursor.old = Job(max(cursor.since - length, self.floor), cursor.since, length)
        return cursor.old

    def _begin_again(self) -> None:
        cursor = self.cursor
        start = max(cursor.until - span(self.spec.overlap), self.floor)
        start = min(start, cursor.until - 1)
        cursor.aim, length = cursor.until, span(self.spec.window)
        cursor.new = Job(start, min(start + length, cursor.until), length)

    def narrow(self, job: Job) -> None:
        """Ask half the window: the older half at the new end, the newer half of the backfill."""
        length = (job.end - job.start) // 2
        if not length:
            raise AnswerShapeError(f"The {self.spec.name} stream has more rows in one millisecond than a page holds.")
        job.length, job.page = length, ""
        if job is self.cursor.new:
            job.end = job.start + length
        else:
            job.start = job.end - length

    def advance(self, job: Job, more: str) -> bool:
        """Go on after a page; True when it was the last one of its window."""
        if more and more == job.page:
            raise AnswerShapeError(f"The {self.spec.name} stream gives the same page again and again.")
        job.page = more
        if more:
            return False
        length = min(job.length * 2, span(self.spec.window))
        if job is self.cursor.new:
            self._advance_new(job, length)
        else:
            self._advance_old(job, length)
        return True

    def _advance_new(self, job: Job, length: int) -> None:
        cursor = self.cursor
        cursor.until = max(cursor.until, job.end)
        cursor.new = None
        if job.end < cursor.aim:
            cursor.new = Job(job.end, min(job.end + length, cursor.aim), length)

    def _advance_old(self, job: Job, length: int) -> None:
        cursor = self.cursor
        cursor.since = job.start
        cursor.old = Job(max(job.start - length, self.floor), job.start, length)
        self._finish_backfill()

    def _finish_backfill(self) -> None:
        cursor = self.cursor
        if cursor.since > self.floor:
            if cursor.old is not None and cursor.old.start < self.floor - span(EDGE):
                cursor.old.start, cursor.old.page = self.floor, ""  # the venue forgot its oldest part meanwhile
            return
        cursor.old, cursor.is_backfilled = None, True

    def is_done(self) -> bool:
        """True when a step need not go on: the new end has just been reached, or there is no more."""
        return self.cursor.new is None and self.cursor.old is None

    def carried_out(self, rows: Iterable[Told]) -> Iterator[ActivityRow]:
        """Yield the rows but for flows under way; one seen so before is dated between that time and now."""
        cursor = self.cursor
        for row in rows:
            if isinstance(row, Unfinished):
                cursor.waiting[f"{row.kind} {row.flow_id}"] = (row.at, self.now)
            elif isinstance(row, CashFlow):
                name = f"{row.kind} {row.flow_id}"
                if self.spec.is_by_request and milliseconds(row.at) == self.before and name not in cursor.dated:
                    cursor.waiting[name] = (self.before, self.before)  # asked for in that very instant, not done in it
                if name in cursor.waiting:
                    _, seen = cursor.waiting.pop(name)
                    cursor.dated[name] = (seen + self.now) // 2
                yield replace(row, at=max(row.at, instant(cursor.dated[name]))) if name in cursor.dated else row
            else:
                yield row
        forgotten = self.now - span(_REMEMBERED)
        # What is no longer listed was given up; what was dated is read again only while it may be late.
        cursor.waiting = {name: pair for name, pair in cursor.waiting.items() if pair[1] > forgotten}
        cursor.dated = {name: at for name, at in cursor.dated.items() if at > forgotten - span(self.spec.overlap)}

    def report(self, rows: tuple[ActivityRow, ...]) -> ActivityStep:
        cursor = self.cursor
        is_known = cursor.since < cursor.until
        return ActivityStep(
            stream=self.spec.name,
            rows=rows,
            cursor=msgspec.json.encode(cursor).decode(),
            known_since=instant(cursor.since) if is_known else None,
            known_until=instant(cursor.until) if is_known else None,
            is_current=is_known and cursor.new is None,
            is_backfilled=cursor.is_backfilled,
            progress=self._progress(),
        )

    def _progress(self) -> float:
        cursor = self.cursor
        if cursor.is_backfilled:
            return 1.0
        way = cursor.origin - self.floor
        return min(1.0, max(0.0, (cursor.origin - cursor.since) / way)) if way > 0 else 1.0


def unique(rows: Iterable[ActivityRow]) -> tuple[ActivityRow, ...]:
    """Return the rows once by kind and id, in order; of two with one id the later reading stays."""
    return tuple({row_key(row): row for row in rows}.values())


def row_key(row: ActivityRow) -> tuple[str, ...]:
    """Return what makes a row the same row: its kind, and the venue's id."""
    match row:
        case CashFlow():
            return ("flow", row.kind, row.flow_id)
        case Transfer():
            return ("transfer", row.transfer_id)
        case Fill():
            return ("fill", row.fill_id)
        case Income():
            return ("income", row.income_id)
        case EquityEstimate():
            return ("estimate", row.day.isoformat(), row.wallet or "", row.asset, row.source)
