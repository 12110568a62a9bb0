"""How OKX turns the pages of its histories: newest first, on from an instant or from an id.

OKX's `before` and `after` exclude their bound. Whether `begin` and `end` do is unverified, so they
are set one millisecond wider, and what lies outside the window is left out here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TypeVar

from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.client import Endpoint, VenueClient
from portfolio_lab.exchanges.okx import shapes
from portfolio_lab.exchanges.sources import Ask, Page, Raw, Told, Window, by_id

PAGE = 100

Row = TypeVar("Row")

Maker = Callable[[Row], Iterable[Told]]
"""Our rows of one row of OKX's: often one, none where another stream tells it."""


def by_instant(
    client: VenueClient,
    endpoint: Endpoint,
    shape: type[shapes.Envelope[Row]],
    *,
    at: Callable[[Row], str],
    rows_of: Maker[Row],
) -> Ask:
    """Return the source of an endpoint whose `after` is an instant.

    Pages overlap in one millisecond, so that none of its rows falls between two. The machine
    refuses a page that is full of one single millisecond, which cannot be turned.
    """

    async def ask(window: Window, page: str) -> Page:
        end = int(page or window.end)
        bounds = {"before": str(window.start - 1), "after": str(end), "limit": str(PAGE)}
        answer, _ = await client.ask(endpoint, shape, bounds)
        rows = rows_inside(answer.data, window, at, rows_of)
        if len(answer.data) < PAGE:
            return Page(rows)
        oldest = min(_moment(at(row)) for row in answer.data)
        return Page(rows, more=str(oldest + 1))

    return ask


def by_code(
    client: VenueClient,
    endpoint: Endpoint,
    shape: type[shapes.Envelope[Row]],
    params: Mapping[str, str] = MappingProxyType({}),
    *,
    at: Callable[[Row], str],
    id_of: Callable[[Row], str],
    rows_of: Maker[Row],
) -> Ask:
    """Return the source of an endpoint with `begin` and `end`, whose `after` is the id of a row."""

    async def fetch(window: Window, last: str) -> Raw[Row]:
        answer, _ = await client.ask(endpoint, shape, {**params, **bounds_of(window, last)})
        return Raw(answer.data, rows_inside(answer.data, window, at, rows_of))

    return by_id(fetch, size=PAGE, id_of=id_of)


def bounds_of(window: Window, last: str) -> dict[str, str]:
    """Return the parameters that ask for a window, after the row of an id ("" for the first page)."""
    after = {"after": last} if last else {}
    return {"begin": str(window.start - 1), "end": str(window.end), "limit": str(PAGE), **after}


def rows_inside(
    answer: Iterable[Row], window: Window, at: Callable[[Row], str], rows_of: Maker[Row]
) -> tuple[Told, ...]:
    """Return our rows of those of OKX's that lie in the window."""
    inside = (row for row in answer if window.start <= _moment(at(row)) < window.end)
    return tuple(made for row in inside for made in rows_of(row))


def _moment(text: str) -> int:
    payloads.instant(text, "data.ts")
    return int(text)
