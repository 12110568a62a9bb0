"""Asking a venue by ccxt's unified calls, for venues that have no strict shapes here.

ccxt sees the answers, so each one is judged before it is handed over: the address is listed,
the budget kept, the status good, the body one JSON object without doubled keys, the venue's own
code no refusal, and the room that the rows lie in is there. What ccxt makes of it is unattested.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, TracebackType
from typing import Any

import ccxt.async_support as ccxt
from yarl import URL

from portfolio_lab.errors import AnswerShapeError, BannedError, RateLimitedError, VenueError
from portfolio_lab.exchanges.client import (
    PAUSE,
    Endpoint,
    Venue,
    VenueClient,
    _Allowance,
    _unsent,
    named,
)
from portfolio_lab.exchanges.governor import PATIENCE, Budget, Governor
from portfolio_lab.exchanges.payloads import read_json
from portfolio_lab.exchanges.refusals import refusal_by_status
from portfolio_lab.exchanges.session import Answer, SafeSession, caught_answers
from portfolio_lab.models.holdings import AnswerMark

CALLS = frozenset(
    {
        "fetch_time",
        "fetch_tickers",
        "fetch_balance",
        "fetch_positions",
        "fetch_open_orders",
        "fetch_deposits",
        "fetch_withdrawals",
        "fetch_my_trades",
        "load_markets",
        "privateGetV5UserQueryApi",
    }
)
"""Everything of ccxt that is ever called this way; all of it reads."""

NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Room:
    """Where the rows of an answer lie: keys from the top; `least` so many rows must be there."""

    keys: tuple[str, ...]
    least: int = 0


@dataclass(frozen=True, slots=True)
class GenericVenue(Venue):
    """A venue of unified calls. `rooms` are by path; Without a room, rows lie in "result"."""

    rooms: Mapping[str, Room] = field(default_factory=dict)


class JudgingSession:
    """What ccxt is given as its session: like SafeSession, but with bodies, once they are judged."""

    def __init__(self, session: SafeSession, venue: GenericVenue, governor: Governor, owner: str) -> None:
        self.headers = session.headers
        self.ssl_context = session.ssl_context
        self._session = session
        self._venue = venue
        self._governor = governor
        self._owner = owner
        self._endpoints = {(one.http, one.path): one for one in venue.endpoints}

    def get(self, url: URL, **options: Any) -> _Judged:  # noqa: ANN401 - aiohttp's options, as ccxt names them
        """Ask by GET."""
        return _Judged(self, "GET", url, options)

    def post(self, url: URL, **options: Any) -> _Judged:  # noqa: ANN401 - the same
        """Ask by POST: all of Kraken's private reads want it."""
        return _Judged(self, "POST", url, options)

    async def ask(self, method: str, url: URL, options: Mapping[str, Any]) -> Answer:
        """Return one good answer; raise the VenueError family for any other."""
        endpoint = self._endpoints.get((method, url.path))
        if endpoint is None or options.get("proxy") is not None:
            raise VenueError(f"Refused to ask {url.host}: this address is not among those that are read.")
        budget = endpoint.budget
        if endpoint.is_personal:
            budget = Budget(
                f"{self._owner} {budget.name}", budget.limit, budget.seconds, budget.is_sliding, is_personal=True
            )
        async with self._governor.admitted(budget, endpoint.weight, endpoint.priority) as turn:
            answer = await self._session.ask(method, url, headers=options["headers"], body=options.get("data"))
            turn.is_answered = True
            with named(self._venue.name, endpoint.path):
                try:
                    self._judge(answer, endpoint)
                except RateLimitedError as refusal:
                    if isinstance(refusal, BannedError) or not endpoint.is_personal:
                        is_ban = isinstance(refusal, BannedError)
                        self._governor.close(refusal.retry_after or PAUSE, is_ban=is_ban)
                    raise
        return answer

    def _judge(self, answer: Answer, endpoint: Endpoint) -> None:
        value, problem = None, None
        try:
            value = read_json(answer.body)
        except AnswerShapeError as damage:
            problem = damage.args[0]
        refusal = self._venue.refusal(answer, value) or refusal_by_status(answer)
        if refusal is not None:
            raise refusal
        if problem or not isinstance(value, dict):
            raise AnswerShapeError(problem or "The answer is no object.")
        room = self._venue.rooms.get(endpoint.path, Room(("result",)))
        for key in room.keys:
            value = value.get(key) if isinstance(value, dict) else None
        if not isinstance(value, dict | list) or len(value) < room.least:
            raise AnswerShapeError(f"The answer has no {'.'.join(room.keys)}.", path=".".join(room.keys))


class _Judged:
    """One request as ccxt makes it: entered, it has been answered and judged."""

    def __init__(self, session: JudgingSession, method: str, url: URL, options: Mapping[str, Any]) -> None:
        self._asked = (session, method, url, options)

    async def __aenter__(self) -> _Told:
        session, method, url, options = self._asked
        answer = await session.ask(method, url, options)
        _collect(answer)
        return _Told(answer)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def _collect(answer: Answer) -> None:
    from portfolio_lab.exchanges.session import _CAUGHT  # noqa: PLC0415 - the one list of what a task has caught

    caught = _CAUGHT.get()
    if caught is not None:
        caught.append(answer)


class _Told:
    """A judged answer as ccxt sees it."""

    reason = ""

    def __init__(self, answer: Answer) -> None:
        self.status = answer.status
        self.headers: dict[str, str] = {"Content-Type": "application/json"}
        self._body = answer.body

    async def text(self, *, errors: str = "strict") -> str:
        """Return the body."""
        return self._body.decode("utf-8", errors)


class UnifiedClient(VenueClient):
    """Asks one venue by ccxt's unified calls, as one account or without a key."""

    async def call(self, method: str, params: Mapping[str, Any] = NOTHING) -> tuple[Any, tuple[AnswerMark, ...]]:
        """Return what ccxt made of the answers, and their marks; raises the VenueError family."""
        if method not in CALLS:
            raise VenueError(f"Refused to call {method}: it is not among the calls that read.")
        _, (value, answers) = await self._asked(Endpoint(method, method, "", _NO_BUDGET), params)
        marks = tuple(AnswerMark(method, answer.sha256, answer.received_at) for answer in answers)
        return value, marks

    def market(self, symbol: str) -> dict[str, Any]:
        """Return ccxt's market of a symbol; raises AnswerShapeError for one that it does not know."""
        found = self._exchange.markets.get(symbol) if self._exchange.markets else None
        if not isinstance(found, dict):
            raise AnswerShapeError("The answer names an instrument that the venue does not list.", path="symbol")
        return found

    def market_of(self, row: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the market of a row, by the type of market that was asked for.

        Where one raw name means a pair and a contract, ccxt guesses by the presence of optional fields.
        """
        kind, info = params.get("type"), row.get("info")
        raw = info.get("symbol") if isinstance(info, dict) else None
        listed = self._exchange.markets_by_id or {}
        found = [one for one in listed.get(raw, ()) if one["spot"] == (kind == "spot")] if kind else []
        if kind and len({one["symbol"] for one in found}) != 1:  # ccxt lists a contract twice
            raise AnswerShapeError("The answer names an instrument that the venue does not list.", path="symbol")
        return found[0] if found else self.market(str(row.get("symbol")))

    def share_markets(self, public: UnifiedClient) -> None:
        """Take the listing that another client of the venue has loaded."""
        if self._exchange is not public._exchange and self._exchange.markets is not public._exchange.markets:
            self._exchange.set_markets_from_exchange(public._exchange)

    async def _judged(
        self,
        endpoint: Endpoint,
        params: Mapping[str, object],
        allowance: _Allowance,  # noqa: ARG002 - each request has its own deadline in the session
        shape: object,  # noqa: ARG002 - no answer is of a shape of ours
    ) -> tuple[Any, Any]:
        self._exchange.options["timeDifference"] = self._offset.milliseconds
        call: Callable[..., Any] = getattr(self._exchange, endpoint.method)
        failure = ""
        with caught_answers() as answers, named(self.venue.name, endpoint.path):
            try:
                async with asyncio.timeout(self._deadline + PATIENCE):
                    value = await call(**params)
            except (TimeoutError, ccxt.RequestTimeout):
                failure = "timeout"
            except (ccxt.BaseError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as trouble:
                failure = type(trouble).__name__
            if failure and answers and failure != "timeout":
                raise AnswerShapeError(f"ccxt cannot read the answer ({failure}).")
            if failure:
                raise _unsent(failure, self._deadline)
        return (answers[0] if answers else None), (value, tuple(answers))


_NO_BUDGET = Budget("none", 1)
"""A unified call asks several addresses; each keeps its own budget."""
