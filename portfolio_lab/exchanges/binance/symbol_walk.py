"""Walking along the trades of many symbols, where the venue tells them only symbol by symbol and by id.

Each symbol has a track in one common cursor. A round visits every symbol's new end in turn;
between rounds the oldest trades are fetched, upwards from id 0. A visit reads again what is
younger than an hour, so that a trade told late is found.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges.payloads import milliseconds
from portfolio_lab.exchanges.streams import instant, span, unique
from portfolio_lab.models.activity import ActivityStep, Fill

OVERLAP, REFRESH, QUIET = span(timedelta(hours=1)), span(timedelta(minutes=5)), span(timedelta(hours=6))

FEW = 20
"""So many symbols are visited in every round; among more, those that never traded only every few hours."""

REQUESTS = 5


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade: its id (rising with time within a symbol), its instant in ms, and our row of it."""

    number: int
    at: int
    fill: Fill


AskTrades = Callable[[str, int | None], Awaitable[Sequence[Trade]]]
"""Fetches trades of a symbol with ids from the number on, oldest first; the newest ones for None."""


class Track(msgspec.Struct):
    """One symbol: trades are known from `oldest` on; the next visit begins at id `resume`.

    `following` is where an unfinished visit goes on (-1: none is under way), `behind` where the
    backfill goes on. `visited` is 0 before the first visit is complete.
    """

    resume: int = 0
    following: int = -1
    behind: int = 0
    oldest: int = 0
    oldest_at: int = 0
    is_backfilled: bool = False
    visited: int = 0


class WalkCursor(msgspec.Struct):
    """Where the walk stands: `began` is when the round began, `scanned` how far symbols were looked for."""

    began: int = 0
    scanned: int = 0
    tracks: dict[str, Track] = {}


def read_cursor(text: str) -> WalkCursor:
    """Return the cursor of a text; a text that cannot be read starts anew."""
    try:
        return msgspec.json.decode(text, type=WalkCursor)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return WalkCursor()


async def take_walk(
    name: str, cursor: WalkCursor, symbols: Iterable[str], ask: AskTrades, *, size: int, now: datetime, is_upward: bool
) -> ActivityStep:
    """Take one bounded step of the walk and return its fills with the cursor that goes on after them.

    `symbols` are all that may have traded; a symbol that joins later is read from its first
    trade on. `size` is what a full page holds. `is_upward`: the endpoint does not tell
    the newest trades without times, so that each symbol is read from its first trade on. Known is what is
    known of every symbol.
    """
    walk = _Walk(name, cursor, ask, size, milliseconds(now), is_upward=is_upward)
    for symbol in sorted(symbols):
        cursor.tracks.setdefault(symbol, Track())
    walk.begin_round()
    for _ in range(REQUESTS):
        if not await walk.go_on():
            break
    return walk.report()


class _Walk:
    def __init__(self, name: str, cursor: WalkCursor, ask: AskTrades, size: int, now: int, *, is_upward: bool) -> None:
        self._name, self._cursor, self._ask, self._size, self._now = name, cursor, ask, size, now
        self._is_upward = is_upward
        self._fills: list[Fill] = []

    def begin_round(self) -> None:
        if self._cursor.began and self._waiting():
            return
        passed = self._now - self._cursor.began
        if passed >= REFRESH or (passed > 0 and not self._unfinished()):
            self._cursor.began = self._now

    def _waiting(self) -> list[str]:
        """The symbols that this round has still to visit, longest unseen first."""
        tracks, began = self._cursor.tracks, self._cursor.began
        crowded = len(tracks) > FEW
        late = [
            name
            for name, track in tracks.items()
            if track.following >= 0
            or not track.visited
            or track.visited < began - (QUIET if crowded and not track.resume and track.is_backfilled else 0)
        ]
        return sorted(late, key=lambda name: (tracks[name].visited, name))

    def _unfinished(self) -> list[str]:
        return [name for name, track in self._cursor.tracks.items() if not track.is_backfilled]

    async def go_on(self) -> bool:
        """Ask once more; False when there is nothing to ask for now."""
        if waiting := self._waiting():
            await self._visit(waiting[0])
        elif (behind := self._unfinished()) and not self._is_upward:
            await self._backfill(behind[0])
        else:
            return False
        return True

    async def _visit(self, symbol: str) -> None:
        track = self._cursor.tracks[symbol]
        if not track.visited and not self._is_upward:
            await self._look(symbol, track)
            return
        start = track.following if track.following >= 0 else track.resume
        trades = await self._trades(symbol, start)
        self._keep(trades)
        self._resume_after(track, trades)
        is_full = len(trades) >= self._size
        track.following = trades[-1].number + 1 if is_full else -1
        if not is_full:
            track.visited, track.is_backfilled = self._now, track.is_backfilled or self._is_upward

    async def _look(self, symbol: str, track: Track) -> None:
        """Read a symbol's newest trades, for the first time."""
        trades = sorted(await self._ask(symbol, None), key=lambda trade: trade.number)
        self._keep(trades)
        self._resume_after(track, trades)
        track.is_backfilled = len(trades) < self._size
        track.visited = self._now
        if trades:
            track.oldest, track.oldest_at = trades[0].number, trades[0].at
            track.resume = max(track.resume, track.oldest)

    async def _backfill(self, symbol: str) -> None:
        track = self._cursor.tracks[symbol]
        trades = await self._trades(symbol, track.behind)
        self._keep(trade for trade in trades if trade.number < track.oldest)
        if trades:
            track.behind = trades[-1].number + 1
        track.is_backfilled = len(trades) < self._size or track.behind >= track.oldest

    async def _trades(self, symbol: str, start: int) -> list[Trade]:
        trades = sorted(await self._ask(symbol, start), key=lambda trade: trade.number)
        if trades and trades[0].number < start:
            raise AnswerShapeError(f"The {self._name} stream tells older trades of {symbol} than it was asked for.")
        return trades

    def _keep(self, trades: Iterable[Trade]) -> None:
        self._fills += [trade.fill for trade in trades]

    def _resume_after(self, track: Track, trades: Sequence[Trade]) -> None:
        settled = [trade.number + 1 for trade in trades if trade.at < self._now - OVERLAP]
        track.resume = max([track.resume, *settled])

    def report(self) -> ActivityStep:
        tracks = list(self._cursor.tracks.values())
        is_seen = bool(tracks) and all(track.visited for track in tracks)
        behind = [track for track in tracks if not track.is_backfilled]
        since = max((track.oldest_at for track in behind), default=0)
        until = min((track.visited for track in tracks), default=0)
        return ActivityStep(
            stream=self._name,
            rows=unique(self._fills),
            cursor=msgspec.json.encode(self._cursor).decode(),
            known_since=instant(since or _FIRST) if is_seen else None,
            known_until=instant(until) if is_seen else None,
            # The end of a round that a former cycle began is no news of those it visited first.
            is_current=not self._waiting() and self._now - self._cursor.began < REFRESH,
            is_backfilled=not behind,
            progress=1.0 - len(behind) / len(tracks) if tracks else 1.0,
        )


_FIRST = 1_483_228_800_000
"""2017-01-01: before Binance's first trade."""
