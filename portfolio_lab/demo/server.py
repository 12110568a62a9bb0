"""The listener: one port that speaks Binance, OKX and, under /_demo, the language of tests.

`DemoExchange` runs inside an event loop (`await start()`), `serve_in_thread` beside a test
that is not async, `python -m portfolio_lab.demo` as a process.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from portfolio_lab.demo import control
from portfolio_lab.demo.binance import BinanceVenue
from portfolio_lab.demo.clock import DemoClock
from portfolio_lab.demo.exchange import Exchange
from portfolio_lab.demo.faults import Fault, Faults
from portfolio_lab.demo.market import Market, milliseconds
from portfolio_lab.demo.okx import OkxVenue
from portfolio_lab.demo.people import HISTORY_DAYS, open_accounts
from portfolio_lab.demo.wire import Answer, Asked, Venue

DEFAULT_SEED = 7
DEFAULT_SINCE = datetime(2026, 8, 1, tzinfo=UTC)
_KEY_HEADERS = {"binance": "X-MBX-APIKEY", "okx": "OK-ACCESS-KEY"}
_PARTS = 10


class DemoExchange:
    """Both venues on one loopback port.

    `since` is where the history begins; `scripted` freezes the books at `now` (default:
    `since`) until `set_clock` moves them. After `start`, `url` is the origin of every host
    family and `control_url` of the test language.
    """

    def __init__(
        self,
        *,
        seed: int = DEFAULT_SEED,
        since: datetime = DEFAULT_SINCE,
        scripted: bool = True,
        now: datetime | None = None,
        history_days: int = HISTORY_DAYS,
    ) -> None:
        market = Market(seed)
        clock = DemoClock(milliseconds(now or since) if scripted else None)
        self.exchange = Exchange(market, clock, open_accounts(market, milliseconds(since), history_days))
        self.faults = Faults()
        self.requests: Counter[str] = Counter()
        self.url = ""
        self._venues: dict[str, Venue] = {"binance": BinanceVenue(self.exchange), "okx": OkxVenue(self.exchange)}
        self._runner: web.AppRunner | None = None

    @property
    def control_url(self) -> str:
        """Where the test language is spoken."""
        return f"{self.url}/_demo"

    def set_clock(self, now: datetime) -> None:
        """Freeze the books at an instant."""
        self.exchange.clock.set(milliseconds(now))

    async def start(
        self, *, host: str = "127.0.0.1", port: int = 0, ssl_context: ssl.SSLContext | None = None
    ) -> DemoExchange:
        """Listen; port 0 takes a free one."""
        application = web.Application(client_max_size=1024 * 1024)
        control.add_routes(application, self)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=ssl_context)
        await site.start()
        bound = self._runner.addresses[0][1]
        self.url = f"{'https' if ssl_context else 'http'}://{host}:{bound}"
        return self

    async def stop(self) -> None:
        """Close the listener and every connection."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> DemoExchange:
        return await self.start()

    async def __aexit__(self, *failure: object) -> None:
        await self.stop()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        self.requests[path] += 1
        venue = "okx" if path.startswith("/api/v5/") else "binance"
        fault = self._fault(request, path, venue)
        if fault is None:
            return _response(self._venues[venue].answer(await self._asked(request, path, query, 0)))
        await asyncio.sleep(fault.latency)
        if fault.drop and request.transport is not None:
            request.transport.abort()
            return web.Response()
        if fault.replaces:
            answer = fault.answer()
        else:
            skew = round(fault.skew_seconds * 1000)
            answer = self._venues[venue].answer(await self._asked(request, path, query, skew))
        return await _faulty(request, fault, answer)

    def _fault(self, request: web.Request, path: str, venue: str) -> Fault | None:
        key = request.headers.get(_KEY_HEADERS[venue], "")
        account = self.exchange.account_of_key(venue, key)
        owner = (account.account.user, account.account.name) if account else ("", "")
        return self.faults.strike(path, venue, key, owner)

    async def _asked(self, request: web.Request, path: str, query: str, skew: int) -> Asked:
        clock = self.exchange.clock
        body = await request.read() if request.can_read_body else b""
        return Asked(
            request.method,
            path,
            query,
            request.headers,
            body,
            request.remote or "",
            clock.wire() + skew,
            clock.book(),
        )


def _response(answer: Answer) -> web.Response:
    return web.Response(
        body=answer.encoded(),
        status=answer.status,
        headers=answer.headers,
        content_type=answer.content_type,
    )


async def _faulty(request: web.Request, fault: Fault, answer: Answer) -> web.StreamResponse:
    """Send an answer the way that a fault asks for."""
    body = answer.encoded()
    if fault.truncate:
        body = body[: len(body) // 2]
    if not (fault.drip or fault.cut):
        whole = Answer(body, answer.status, {**answer.headers, **(fault.headers or {})}, answer.content_type)
        return _response(whole)
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_type = answer.content_type
    response.content_length = len(body)
    await response.prepare(request)
    await _drip(request, response, body[: len(body) // 2] if fault.cut else body, fault)
    return response


async def _drip(request: web.Request, response: web.StreamResponse, body: bytes, fault: Fault) -> None:
    size = max(1, -(-len(body) // _PARTS))
    for start in range(0, len(body), size):
        await response.write(body[start : start + size])
        await asyncio.sleep(fault.drip)
    if fault.cut and request.transport is not None:
        request.transport.abort()


@contextlib.contextmanager
def serve_in_thread(**options: Any) -> Iterator[DemoExchange]:
    """A demo exchange in a thread of its own, for callers that are not async."""
    demo = DemoExchange(**options)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="demo-exchange", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(demo.start(), loop).result(timeout=30)
        yield demo
    finally:
        asyncio.run_coroutine_threadsafe(demo.stop(), loop).result(timeout=30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()
