"""Asking a venue one question: unmodified ccxt signs and sends, we judge what comes back.

Only ccxt's raw endpoints are used. An answer is judged by the venue's own code, never by
ccxt's class of error (which depends on the host name), and every error is made anew here, so
that no address, signature or key can be inside.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlsplit

import ccxt.async_support as ccxt

from portfolio_lab.errors import (
    AnswerShapeError,
    BannedError,
    ClockSkewError,
    CredentialsError,
    DeadlineError,
    RateLimitedError,
    UnreachableError,
    VenueError,
    WalletRefusedError,
)
from portfolio_lab.exchanges.breaker import Breaker
from portfolio_lab.exchanges.governor import Budget, Governor, Priority, Sleep
from portfolio_lab.exchanges.payloads import read_json, shaped
from portfolio_lab.exchanges.refusals import refusal_by_status
from portfolio_lab.exchanges.session import Answer, SafeSession, caught_answers
from portfolio_lab.models.accounts import Credentials
from portfolio_lab.models.holdings import AnswerMark

ATTEMPTS = 3
"""One question is sent at most so many times, inside its deadline."""

BACK_OFF = 0.4
"""Seconds before the second attempt at most; doubled before the third."""

PAUSE = 60.0
"""Seconds that a venue is left alone when it says "too much" without saying how long."""

_SILENT = logging.Logger("portfolio_lab.exchanges.ccxt")  # noqa: LOG001 - outside the tree: ccxt logs keys at DEBUG
_SILENT.disabled = True

Shape = TypeVar("Shape")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One raw read of a venue: ccxt's name for it, where it lives and what it costs.

    `is_personal` budgets are counted by account, the others by address.
    """

    method: str
    path: str
    host: str
    budget: Budget
    weight: int = 1
    http: str = "GET"
    is_personal: bool = False
    max_bytes: int | None = None
    priority: Priority = Priority.CORE


@dataclass(frozen=True, slots=True)
class Venue:
    """What differs between venues on the wire.

    `refusal` returns the error that an answer means, None when it is a result. `used_weight`
    returns the weight that an answer says was used, None when it says nothing. `regions` are
    other hosts by `Account.region`. `key_check` is a read that every good key may do: it tells
    whether one of the `vague_codes` refuses the key, or one wallet. `is_attested` is False for a
    venue whose answers no strict shape of ours judges.
    """

    name: str
    hosts: Mapping[str, str]
    endpoints: tuple[Endpoint, ...]
    refusal: Callable[[Answer, Any], VenueError | None]
    used_weight: Callable[[Endpoint, Mapping[str, str]], int | None]
    regions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    key_check: Endpoint | None = None
    vague_codes: frozenset[str] = frozenset()
    is_attested: bool = True

    def address(self, endpoint: Endpoint, base_url: str | None) -> str:
        """Return scheme, host and path of an endpoint; `base_url` replaces all hosts."""
        return (base_url.rstrip("/") if base_url else self.hosts[endpoint.host]) + endpoint.path


class ClockOffset:
    """Our machine's clock minus the venue's, in milliseconds, shared by all clients of a venue."""

    def __init__(self) -> None:
        self.milliseconds = 0
        self.measure: Callable[[], Awaitable[object]] | None = None


@dataclass(slots=True)
class _Allowance:
    """Seconds left for one question on the wire; time spent in line for weight does not count."""

    seconds: float

    @contextmanager
    def spent(self) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds -= time.monotonic() - began


_SAID_ONCE = (
    *("api", "commonCurrencies", "currencies", "exceptions", "features", "fees", "has", "httpExceptions"),
    *("limits", "requiredCredentials", "status", "timeframes", "urls"),
)
"""What ccxt tells of a venue and never changes where no markets are loaded: a quarter of a megabyte an instance."""


def open_exchange(
    venue: Venue,
    base_url: str | None,
    session: SafeSession,
    credentials: Credentials | None,
    like: Any = None,  # noqa: ANN401 - a ccxt instance
) -> Any:  # noqa: ANN401 - ccxt's implicit methods are made at run time
    """Return a ccxt instance on our session; it never loads markets, waits, retries or logs.

    It shares with `like`, an instance of the same venue and address, what is the same for both.
    """
    options = {"fetchMargins": False, "fetchCurrencies": False, "adjustForTimeDifference": False}
    config: dict[str, Any] = {
        "number": str,
        "session": session,
        "enableRateLimit": False,
        "enableLastHttpResponse": False,
        "enableLastJsonResponse": False,
        "enableLastResponseHeaders": False,
        "options": {**options, "maxRetriesOnFailure": 0},
    }
    if credentials is not None:
        config |= {"apiKey": credentials.key, "secret": credentials.secret, "password": credentials.passphrase or ""}
    exchange = getattr(ccxt, venue.name)(config)
    exchange.logger = _SILENT
    exchange.ssl_context = session.ssl_context
    if like is not None:
        vars(exchange).update({name: getattr(like, name) for name in _SAID_ONCE})
    elif base_url:
        exchange.urls["api"] = _redirected(venue.name, exchange.urls["api"], base_url.rstrip("/"))
    elif venue.hosts in venue.regions.values():
        exchange.urls["api"] = dict(venue.hosts)
    return exchange


def _redirected(venue: str, addresses: Mapping[str, str], base_url: str) -> dict[str, str]:
    if venue == "okx":
        return {"rest": base_url}
    return {name: base_url + urlsplit(address).path for name, address in addresses.items()}


class VenueClient:
    """Asks one venue, as one account or without a key."""

    def __init__(
        self,
        venue: Venue,
        exchange: Any,  # noqa: ANN401 - a ccxt instance
        *,
        owner: str,
        governor: Governor,
        offset: ClockOffset,
        deadline: float,
        sleep: Sleep = asyncio.sleep,
        breaker: Breaker | None = None,
    ) -> None:
        self.venue = venue
        self.breaker = breaker
        self._exchange = exchange
        self._owner = owner
        self._governor = governor
        self._offset = offset
        self._deadline = deadline
        self._sleep = sleep
        self._first = asyncio.Lock()
        self._is_tried = breaker is None
        self._checking = asyncio.Lock()
        self._key_was_good = float("-inf")

    async def ask(
        self, endpoint: Endpoint, shape: type[Shape], params: Mapping[str, object] = MappingProxyType({})
    ) -> tuple[Shape, AnswerMark]:
        """Return the answer in its shape, and the mark of the raw answer.

        Raises the VenueError family; an answer of any other shape is an AnswerShapeError.
        """
        answer, value = await self._asked(endpoint, params, shape)
        with named(self.venue.name, endpoint.path):
            result = shaped(value, shape)
        return result, AnswerMark(endpoint.path, answer.sha256, answer.received_at)

    async def _asked(
        self, endpoint: Endpoint, params: Mapping[str, object], shape: object = None
    ) -> tuple[Answer, Any]:
        """Ask, the very first question alone: a key that is refused is then not tried by the others."""
        if not self._is_tried:
            async with self._first:
                if not self._is_tried:
                    try:
                        return await self._guarded(endpoint, params, shape)
                    finally:
                        self._is_tried = True
        return await self._guarded(endpoint, params, shape)

    async def _guarded(self, endpoint: Endpoint, params: Mapping[str, object], shape: object) -> tuple[Answer, Any]:
        """Ask unless the key was refused a short while ago, and remember what becomes of it."""
        if self.breaker is None:
            return await self._answered(endpoint, params, shape)
        self.breaker.check()
        try:
            answered = await self._answered(endpoint, params, shape)
        except CredentialsError as refusal:
            verdict = refusal
        else:
            self.breaker.mend()
            return answered
        if await self._is_key_good(endpoint, verdict):
            text = "The key is good, but may not read this: give it the right at the venue, or open the wallet."
            refused = WalletRefusedError(text, venue_code=verdict.venue_code)
            with named(self.venue.name, endpoint.path):
                raise refused
        raise verdict

    async def _is_key_good(self, endpoint: Endpoint, refusal: CredentialsError) -> bool:
        """Whether a refusal concerns one wallet only; a key that is refused as such trips the breaker."""
        check = self.venue.key_check
        assert self.breaker is not None  # noqa: S101 - the only caller has one
        if check is None or endpoint.path == check.path or refusal.venue_code not in self.venue.vague_codes:
            self.breaker.trip(refusal)
            return False
        refused_at = time.monotonic()
        async with self._checking:
            # Only a check that began after the refusal tells: a key may be revoked at any moment.
            if self._key_was_good > refused_at:
                return True
            asked_at = time.monotonic()
            try:
                await self._answered(check, {})
            except CredentialsError:
                self.breaker.trip(refusal)
                return False
            except VenueError:
                return False  # an answer about something else tells nothing of the key
            self._key_was_good = asked_at
            return True

    async def _answered(
        self, endpoint: Endpoint, params: Mapping[str, object], shape: object = None
    ) -> tuple[Answer, Any]:
        allowance = _Allowance(self._deadline)
        is_clock_mended = False
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._judged(endpoint, params, allowance, shape)
            except ClockSkewError:
                # What is asked without a key bears no time stamp of ours; and the venue's clock itself is asked so.
                if is_clock_mended or self._offset.measure is None or self.breaker is None:
                    raise
            except UnreachableError:
                pause = random.uniform(0, BACK_OFF * 2**attempt / 2)  # noqa: S311 - jitter, no secret
                allowance.seconds -= pause
                if attempt >= ATTEMPTS or allowance.seconds <= 0:
                    raise
                await self._sleep(pause)
                continue
            is_clock_mended = True
            await self._offset.measure()

    async def _judged(
        self, endpoint: Endpoint, params: Mapping[str, object], allowance: _Allowance, shape: object
    ) -> tuple[Answer, Any]:
        async with self._governor.admitted(self._budget(endpoint), endpoint.weight, endpoint.priority) as turn:
            with allowance.spent():
                answer = await self._sent(endpoint, params, allowance)
            turn.used = self.venue.used_weight(endpoint, answer.headers)
            turn.is_answered = True
            with named(self.venue.name, endpoint.path):
                try:
                    return answer, self._result(answer, shape)
                except RateLimitedError as refusal:
                    self._close(refusal, endpoint)
                    raise

    def _result(self, answer: Answer, shape: object) -> Any:  # noqa: ANN401 - any JSON value
        value, problem = None, None
        try:
            value = read_json(answer.body, shape)
        except AnswerShapeError as damage:
            problem = damage.args[0]
        refusal = self.venue.refusal(answer, value) or refusal_by_status(answer)
        if refusal is not None:
            raise refusal
        if problem:
            raise AnswerShapeError(problem)
        return value

    def _close(self, refusal: RateLimitedError, endpoint: Endpoint) -> None:
        """Keep everybody away; a refusal of one account alone (per-user limit) concerns nobody else."""
        is_ban = isinstance(refusal, BannedError)
        if is_ban or not endpoint.is_personal:
            self._governor.close(refusal.retry_after or PAUSE, is_ban=is_ban)

    def _budget(self, endpoint: Endpoint) -> Budget:
        if not endpoint.is_personal:
            return endpoint.budget
        budget = endpoint.budget
        return replace(budget, name=f"{self._owner} {budget.name}", is_personal=True)

    async def _sent(self, endpoint: Endpoint, params: Mapping[str, object], allowance: _Allowance) -> Answer:
        """Send once by ccxt and return what arrived; raise when nothing did."""
        options = self._exchange.options
        options["timeDifference"] = self._offset.milliseconds
        options["hasAlreadyAuthenticatedSuccessfully"] = False
        failure = ""
        with caught_answers() as answers, named(self.venue.name, endpoint.path):
            try:
                async with asyncio.timeout(max(0.0, allowance.seconds)):
                    await getattr(self._exchange, endpoint.method)(dict(params))
            except (TimeoutError, ccxt.RequestTimeout):
                failure = "timeout"
            except (ccxt.BaseError, ValueError, TypeError) as refusal:
                failure = type(refusal).__name__
            if answers:
                return answers[-1]
            raise _unsent(failure, self._deadline)


def _unsent(failure: str, deadline: float) -> VenueError:
    """The error for a question that got no answer; `failure` is the name of a class, never a text."""
    if failure == "timeout":
        return DeadlineError(f"No answer within {deadline:g} s.")
    if failure in {"AuthenticationError", "ValueError", "TypeError", "ArgumentsRequired"}:
        return CredentialsError("The key, secret or passphrase is incomplete: nothing could be signed with it.")
    return UnreachableError("No answer.") if failure == "ExchangeNotAvailable" else VenueError(f"Not sent ({failure}).")


class named:  # noqa: N801 - used as a word: `with named(venue, endpoint):`
    """Put venue and endpoint into the errors that leave the block, once."""

    __slots__ = ("_endpoint", "_venue")

    def __init__(self, venue: str, endpoint: str) -> None:
        self._venue, self._endpoint = venue, endpoint

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, VenueError) and not error.venue:
            error.venue, error.endpoint = self._venue, self._endpoint
            error.args = (f"{self._venue} {self._endpoint}: {error.args[0]}",)
