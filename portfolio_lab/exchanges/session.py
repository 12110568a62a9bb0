"""One safe HTTP session under ccxt: it can only read, only where it is told to, and only so much.

ccxt signs and sends; what comes back is read here and judged by us. ccxt's own client follows
redirects with the key in the headers, unpacks without a limit and turns pages that are not
JSON into empty balances, so it never gets to see a body.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from portfolio_lab.errors import AnswerShapeError, UnreachableError, VenueError

MEGABYTE = 1024 * 1024

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer as it arrived: the unpacked body, and when its last byte was here."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    received_at: datetime

    @property
    def sha256(self) -> str:
        """SHA-256 of the body, in hexadecimal digits."""
        return hashlib.sha256(self.body).hexdigest()


_CAUGHT: ContextVar[list[Answer] | None] = ContextVar("caught answers", default=None)


class caught_answers:  # noqa: N801 - used as a word: `with caught_answers() as answers:`
    """Collect the answers to what this task asks inside the block."""

    __slots__ = ("_token",)

    def __enter__(self) -> list[Answer]:
        answers: list[Answer] = []
        self._token = _CAUGHT.set(answers)
        return answers

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        _CAUGHT.reset(self._token)


class SafeSession:
    """What ccxt is given as its session.

    `allow` opens one door (method, address); any other address is refused before a socket is
    opened, so no order, transfer or withdrawal could be sent even by mistake. `deadline` in
    seconds bounds each request as a whole, `max_bytes` its unpacked body.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        deadline: float,
        max_bytes: int = 5 * MEGABYTE,
        ssl_context: ssl.SSLContext | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self.headers: dict[str, str] = {}  # ccxt adds them to its own
        self.ssl_context = ssl_context or ssl.create_default_context()
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=deadline, sock_connect=min(deadline, 10.0))
        self._max_bytes = max_bytes
        self._doors: dict[tuple[str, str], int] = {}
        connector = aiohttp.TCPConnector(ssl=self.ssl_context, resolver=resolver, limit=50, limit_per_host=20)
        self._session = aiohttp.ClientSession(
            connector=connector, trust_env=False, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=True
        )

    def allow(self, method: str, address: str, *, max_bytes: int | None = None) -> None:
        """Let this method reach this address (scheme, host, port and path; no query)."""
        self._doors[method, str(URL(address))] = max_bytes or self._max_bytes

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    def get(self, url: URL, **options: Any) -> _Request:  # noqa: ANN401 - aiohttp's options, as ccxt names them
        """Ask by GET: an async context manager, as aiohttp's own."""
        return _Request(self, "GET", url, options)

    def post(self, url: URL, **options: Any) -> _Request:  # noqa: ANN401 - the same
        """Ask by POST: some of Binance's reads want it."""
        return _Request(self, "POST", url, options)

    async def ask(self, method: str, url: URL, *, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """Return the answer to one request; raise the VenueError family, without address or headers."""
        limit = self._doors.get((method, str(url.with_query(None))))
        if limit is None:
            raise VenueError(f"Refused to ask {url.host}: this address is not among those that are read.")
        problem: VenueError | None = None
        try:
            return await self._ask(method, url, headers, body, limit)
        except aiohttp.ClientSSLError:
            problem = VenueError(f"The TLS certificate of {url.host} cannot be trusted; nothing was sent.")
        except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError):
            problem = UnreachableError(f"The answer of {url.host} was cut off.")
        except (aiohttp.ClientError, ConnectionError, OSError) as failure:
            if isinstance(failure, TimeoutError):
                raise
            problem = UnreachableError(f"{url.host} cannot be reached.")
        raise problem

    async def _ask(self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None, limit: int) -> Answer:
        async with self._session.request(
            method, url, headers=headers, data=body, allow_redirects=False, timeout=self._timeout
        ) as response:
            return Answer(
                status=response.status,
                headers=dict(response.headers),
                body=await _limited_body(response, limit),
                received_at=self._clock(),
            )


async def _limited_body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > limit:
            response.close()
            raise AnswerShapeError(f"The answer is larger than {limit} bytes.")
        parts.append(part)
    return b"".join(parts)


class _Request:
    """One request as ccxt makes it: entered, it has been answered."""

    def __init__(self, session: SafeSession, method: str, url: URL, options: Mapping[str, Any]) -> None:
        self._session = session
        self._method = method
        self._url = url
        self._options = options

    async def __aenter__(self) -> _Blank:
        if self._options.get("proxy") is not None:
            raise VenueError("Refused to ask through a proxy.")
        answer = await self._session.ask(
            self._method, self._url, headers=self._options["headers"], body=self._options.get("data")
        )
        caught = _CAUGHT.get()
        if caught is not None:
            caught.append(answer)
        return _Blank(answer.status)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class _Blank:
    """What ccxt sees of an answer: its status, and an empty text that it hands back untouched."""

    reason = ""

    def __init__(self, status: int) -> None:
        self.status = status
        self.headers: dict[str, str] = {"Content-Type": "text/plain"}

    async def text(self, *, errors: str = "strict") -> str:  # noqa: ARG002 - aiohttp's signature
        """Return an empty text."""
        return ""
