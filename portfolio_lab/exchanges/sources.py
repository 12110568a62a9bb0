"""Sources of pages: how an endpoint of a venue is asked for one window of its history.

A source (`Ask`) fetches one page of one window. How it goes on is told by the `Page`:

* `more` is set: the same window is asked again with this token (an offset, a page number, an id);
* `is_cut`: the page is full and the endpoint can only be narrowed by time. The machine drops the
  page and asks half the window; a full page of one single millisecond is an AnswerShapeError;
* neither: the window is complete.

`by_offset`, `by_number`, `by_id` and `by_time` make sources of these kinds out of a plain
fetching function; `lanes` joins several sources into one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from portfolio_lab.models.activity import ActivityRow

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Window:
    """The milliseconds [start, end) since 1970."""

    start: int
    end: int

    @property
    def last(self) -> int:
        """The last millisecond inside."""
        return self.end - 1

    @property
    def is_instant(self) -> bool:
        """True for one single millisecond, which no narrowing can split."""
        return self.end - self.start <= 1


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A cash flow that the venue lists at `at` (ms) but has not carried out: the money has not moved yet."""

    kind: str
    flow_id: str
    at: int


Told = ActivityRow | Unfinished


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a window; `rows` are ours, `more` and `is_cut` say how to go on."""

    rows: tuple[Told, ...]
    more: str = ""
    is_cut: bool = False


Ask = Callable[[Window, str], Awaitable[Page]]
"""Fetches one page of a window; the text is "" for the first page, else the last page's `more`."""


@dataclass(frozen=True, slots=True)
class Raw(Generic[Row]):
    """One raw page: what arrived, and how to make our rows of it (some mean none of ours)."""

    answer: Sequence[Row]
    rows: tuple[Told, ...]


def by_offset(fetch: Callable[[Window, int], Awaitable[Raw[Row]]], *, size: int) -> Ask:
    """Return the source of an endpoint that is paged by offset: `fetch(window, offset)`."""

    async def ask(window: Window, page: str) -> Page:
        offset = int(page or 0)
        raw = await fetch(window, offset)
        return Page(raw.rows, more=str(offset + len(raw.answer)) if len(raw.answer) >= size else "")

    return ask


def by_number(fetch: Callable[[Window, int], Awaitable[Raw[Row]]], *, size: int) -> Ask:
    """Return the source of an endpoint with numbered pages from 1: `fetch(window, number)`."""

    async def ask(window: Window, page: str) -> Page:
        number = int(page or 1)
        raw = await fetch(window, number)
        return Page(raw.rows, more=str(number + 1) if len(raw.answer) >= size else "")

    return ask


def by_id(fetch: Callable[[Window, str], Awaitable[Raw[Row]]], *, size: int, id_of: Callable[[Row], str]) -> Ask:
    """Return the source of an endpoint that goes on after the id of a page's last row: `fetch(window, id)`.

    The id is "" for the first page. The direction is the endpoint's own (newest or oldest first).
    """

    async def ask(window: Window, page: str) -> Page:
        raw = await fetch(window, page)
        return Page(raw.rows, more=id_of(raw.answer[-1]) if len(raw.answer) >= size else "")

    return ask


def by_time(
    fetch: Callable[[Window, str], Awaitable[Raw[Row]]], *, size: int, id_of: Callable[[Row], str] | None = None
) -> Ask:
    """Return the source of an endpoint that can only be narrowed by time: `fetch(window, "")`.

    A full page is cut, whatever its order. Where ids can page inside one millisecond, `id_of`
    names the last row, and `fetch(window, id)` goes on after it there.
    """

    async def ask(window: Window, page: str) -> Page:
        raw = await fetch(window, page)
        if len(raw.answer) < size:
            return Page(raw.rows)
        if id_of is not None and window.is_instant:
            return Page(raw.rows, more=id_of(raw.answer[-1]))
        return Page((), is_cut=True)

    return ask


def lanes(sources: Sequence[Ask]) -> Ask:
    """Return one source that asks several of the same window, one after the other."""

    async def ask(window: Window, page: str) -> Page:
        lane, _, inner = page.partition(" ")
        number = int(lane or 0)
        answer = await sources[number](window, inner)
        if answer.is_cut:
            return answer
        if answer.more:
            return replace(answer, more=f"{number} {answer.more}")
        following = number + 1
        return replace(answer, more=f"{following} " if following < len(sources) else "")

    return ask
