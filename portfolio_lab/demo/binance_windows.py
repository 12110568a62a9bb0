"""Windows of time and pages of rows, as Binance's histories cut them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from portfolio_lab.demo import binance_errors as refuse
from portfolio_lab.demo.binance_ask import Ask, Json, Span
from portfolio_lab.demo.late import visible_rows
from portfolio_lab.demo.market import DAY_MS

WEEK_MS = 7 * DAY_MS
MONTH_MS = 30 * DAY_MS
QUARTER_MS = 90 * DAY_MS
HALF_YEAR_MS = 182 * DAY_MS


class _Dated(Protocol):
    @property
    def at(self) -> int: ...


Fact = TypeVar("Fact", bound=_Dated)
Row = TypeVar("Row")


def window(ask: Ask, longest: int, default: int) -> Span:
    """The window asked for; longer than `longest` is -1127; one end alone reaches `default` ms from it."""
    days = longest // DAY_MS
    length = "24 hours" if days == 1 else f"{days} days"
    return ask.span(longest=longest, default=default, text=f"More than {length} between startTime and endTime.")


def open_window(ask: Ask, longest: int, default: int) -> Span:
    """Like `window`, but a start alone reaches to now, and not further back than `longest`."""
    if ask.parameters.get("startTime") and not ask.parameters.get("endTime"):
        return Span(max(ask.number("startTime", 0), ask.at - longest), ask.at)
    return window(ask, longest, default)


def within(ask: Ask, stream: str, facts: Iterable[Fact], span: Span, kept: int | None = None) -> list[Fact]:
    """The facts inside a window that the venue still keeps (`kept` ms back) and tells by now."""
    oldest = span.since if kept is None else max(span.since, ask.at - kept)
    inside = [fact for fact in facts if oldest <= fact.at <= min(span.until, ask.at)]
    return told(ask, stream, inside)


def told(ask: Ask, stream: str, facts: Iterable[Fact]) -> list[Fact]:
    """The facts that the endpoint `stream` tells by now: all but the late ones."""
    return visible_rows(ask.account, stream, facts, ask.at, lambda fact: fact.at)


def wanted(ask: Ask, rows: Iterable[Row], **fields: Callable[[Row], object]) -> list[Row]:
    """The rows whose fields equal the parameters of the same names, where those are sent."""
    asked = {name: ask.parameters[name] for name in fields if ask.parameters.get(name)}
    return [row for row in rows if all(str(fields[name](row)) == text for name, text in asked.items())]


def numbered_page(
    ask: Ask, rows: Sequence[Row], *, size: str = "size", default: int = 10, most: int = 100
) -> list[Row]:
    """The page `current` (from 1) of `size` rows."""
    length, page = ask.strict_limit(default=default, most=most, name=size), ask.number("current", 1)
    if page < 1:
        raise refuse.parameter_invalid("current")
    return list(rows[(page - 1) * length : page * length])


def rows_and_total(ask: Ask, rows: Sequence[dict[str, Json]], *, size: str = "size") -> Json:
    """{"rows": one page, "total": rows of all pages}."""
    return {"rows": numbered_page(ask, rows, size=size), "total": len(rows)}


def newest_first(facts: Sequence[Fact]) -> list[Fact]:
    """The facts the other way round: most histories of sapi begin with the newest."""
    return list(reversed(facts))
