"""Rows that a venue tells late: they happened, their money moved, and the history is silent about them.

A test says so at /_demo/late; every history of both venues asks `visible` before it tells a
row. Balances are never late: only the rows are.

POST    {"user", "account": "venue:label", "stream", "since", "until", "visible_from"}
GET     lists what is in force;   DELETE   tells everything at once
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from portfolio_lab.demo.clock import read_instant
from portfolio_lab.demo.market import instant, milliseconds

if TYPE_CHECKING:
    from aiohttp import web

    from portfolio_lab.demo.exchange import DemoAccount
    from portfolio_lab.demo.server import DemoExchange

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class LateRows:
    """Rows of one stream with since <= at <= until that show from `visible_from` on; all in ms.

    `stream` is the path of the endpoint that tells them, or the beginning of one with a "*"
    behind it: one fact may be told by several endpoints (a fill by userTrades and by income).
    """

    stream: str
    since: int
    until: int
    visible_from: int

    def hides(self, stream: str, row_at: int, now: int) -> bool:
        """True when a row is not told yet."""
        meant = stream.startswith(self.stream[:-1]) if self.stream.endswith("*") else stream == self.stream
        return meant and self.since <= row_at <= self.until and now < self.visible_from


def visible(account: DemoAccount, stream: str, row_at: int, now: int) -> bool:
    """Whether the endpoint `stream` (its path) tells at book time `now` a row of instant `row_at`."""
    return not any(rule.hides(stream, row_at, now) for rule in account.late)


def visible_rows(
    account: DemoAccount, stream: str, rows: Iterable[Row], now: int, at: Callable[[Row], int]
) -> list[Row]:
    """The rows that are told at book time `now`, in their order; `at` tells a row's instant."""
    if not account.late:
        return list(rows)
    return [row for row in rows if visible(account, stream, at(row), now)]


# ---------------------------------------------------------------- what a test says


async def show_late(demo: DemoExchange, _: web.Request) -> Any:
    """Every rule in force, with the account it is about."""
    return [
        {
            "user": one.account.user,
            "account": one.account.name,
            "stream": rule.stream,
            **{name: instant(getattr(rule, name)).isoformat() for name in ("since", "until", "visible_from")},
        }
        for one in demo.exchange.accounts
        for rule in one.late
    ]


async def add_late(demo: DemoExchange, request: web.Request) -> Any:
    """Hold rows back; KeyError for an unknown account or a missing field."""
    wanted = await request.json()
    since, until, shown = (milliseconds(read_instant(wanted[name])) for name in ("since", "until", "visible_from"))
    rule = LateRows(wanted["stream"], since, until, shown)
    owner = (wanted["user"], wanted["account"])
    found = [one for one in demo.exchange.accounts if (one.account.user, one.account.name) == owner]
    if not found:
        raise KeyError(" ".join(owner))
    found[0].late.append(rule)
    return await show_late(demo, request)


async def clear_late(demo: DemoExchange, _: web.Request) -> Any:
    """Tell everything."""
    for one in demo.exchange.accounts:
        one.late.clear()
    return []
