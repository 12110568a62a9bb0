"""OKX's door: envelope, refusals, signatures over the raw bytes, request limits, paging."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from portfolio_lab.demo.book import View
from portfolio_lab.demo.exchange import DemoAccount, Exchange
from portfolio_lab.demo.late import visible_rows
from portfolio_lab.demo.wire import Answer, Asked

WINDOW_MS = 30_000
MOST_ROWS = 100
Row = dict[str, Any]
Fact = TypeVar("Fact")

_HEADERS = (
    ("OK-ACCESS-KEY", "50103"),
    ("OK-ACCESS-PASSPHRASE", "50104"),
    ("OK-ACCESS-SIGN", "50106"),
    ("OK-ACCESS-TIMESTAMP", "50107"),
)


class OkxRefusalError(Exception):
    """A request that OKX refuses: HTTP status, code and words of its answer."""

    def __init__(self, status: int, code: str, words: str) -> None:
        super().__init__(words)
        self.status, self.code, self.words = status, code, words

    @property
    def answer(self) -> Answer:
        """The refusal as it goes over the wire."""
        return Answer({"code": self.code, "data": [], "msg": self.words}, self.status)


def missing(name: str) -> OkxRefusalError:
    """A mandatory parameter is absent: HTTP 200 with code 50014."""
    return OkxRefusalError(200, "50014", f"Parameter {name} can not be empty.")


def wrong(name: str) -> OkxRefusalError:
    """A parameter cannot be used: HTTP 200 with code 51000."""
    return OkxRefusalError(200, "51000", f"Parameter {name} error.")


def no_instrument() -> OkxRefusalError:
    """An instrument that OKX does not list: HTTP 200 with code 51001."""
    return OkxRefusalError(200, "51001", "Instrument ID doesn't exist.")


def envelope(rows: Sequence[Any]) -> Answer:
    """A good answer."""
    return Answer({"code": "0", "msg": "", "data": rows})


def plain(amount: Decimal) -> str:
    """A number as OKX writes it: text, no exponent, no trailing zeros."""
    text = format(amount, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"", "-0"} else text


@dataclass(frozen=True, slots=True)
class OkxAsk:
    """One question that has passed the door. `account` is None for public endpoints."""

    exchange: Exchange
    asked: Asked
    account: DemoAccount | None

    @property
    def now(self) -> int:
        """The instant that the books are shown at."""
        return self.asked.book_now

    @property
    def asker(self) -> DemoAccount:
        """The account that asks; private endpoints always have one."""
        if self.account is None:
            raise OkxRefusalError(401, "50103", 'Request header "OK-ACCESS-KEY" can not be empty.')
        return self.account

    @property
    def view(self) -> View:
        """The asker's book now."""
        return self.asker.view(self.now)

    def text(self, name: str) -> str:
        """A parameter, "" when absent."""
        return self.asked.parameters.get(name, "")

    def required(self, name: str) -> str:
        """A mandatory parameter, or 50014."""
        return self.text(name) or _raise(missing(name))

    def whole(self, name: str) -> int | None:
        """A parameter as a whole number, None when absent, or 51000."""
        given = self.text(name)
        if not given:
            return None
        return int(given) if given.lstrip("-").isdigit() else _raise(wrong(name))

    def limit(self, most: int = MOST_ROWS) -> int:
        """How many rows are asked for, at most `most`."""
        given = self.whole("limit")
        return most if given is None else max(1, min(given, most))

    def listed(self, name: str) -> set[str] | None:
        """A parameter of names joined by commas; None when absent."""
        given = self.text(name)
        return set(given.split(",")) if given else None

    def told(self, facts: Sequence[Fact], at: Callable[[Fact], int]) -> list[Fact]:
        """The facts that this history already tells, in their order; `at` is a fact's instant."""
        return visible_rows(self.asker, self.asked.path, facts, self.now, at)

    def span(self, reach: int) -> tuple[int, int]:
        """[begin, end], both inside, cut to the age that OKX keeps and to now."""
        begin, end = self.whole("begin"), self.whole("end")
        oldest = self.now - reach
        return max(oldest, begin or oldest), min(self.now, self.now if end is None else end)

    def page(self, facts: Sequence[Fact], place: Callable[[Fact], int], *, most: int = MOST_ROWS) -> list[Fact]:
        """One page, newest first: `after` asks for smaller places, `before` for larger ones, both exclusive.

        A history that is paged by time therefore loses what shares the last row's millisecond;
        that is the venue's own gap, not ours.
        """
        after, before = self.whole("after"), self.whole("before")
        chosen = [
            fact
            for fact in facts
            if (after is None or place(fact) < after) and (before is None or place(fact) > before)
        ]
        chosen.sort(key=place)
        return chosen[::-1][: self.limit(most)]


def _raise(refusal: OkxRefusalError) -> Any:
    raise refusal


def check_door(exchange: Exchange, asked: Asked) -> DemoAccount:
    """The account whose signature the request bears, or a refusal."""
    for name, code in _HEADERS:
        if not asked.headers.get(name):
            raise OkxRefusalError(401, code, f'Request header "{name}" can not be empty.')
    account = exchange.account_of_key("okx", asked.headers["OK-ACCESS-KEY"])
    if account is None:
        raise OkxRefusalError(401, "50119", "API key doesn't exist")
    if account.revoked(asked.book_now):
        raise OkxRefusalError(401, "50111", "Invalid OK-ACCESS-KEY")
    _check_time(asked)
    keys = account.credentials
    if not hmac.compare_digest(asked.headers["OK-ACCESS-PASSPHRASE"].encode(), (keys.passphrase or "").encode()):
        raise OkxRefusalError(401, "50105", 'Request header "OK-ACCESS-PASSPHRASE" incorrect.')
    if not hmac.compare_digest(asked.headers["OK-ACCESS-SIGN"].encode(), _signature(asked, keys.secret)):
        raise OkxRefusalError(401, "50113", "Invalid Sign")
    return account


def _check_time(asked: Asked) -> None:
    stamp = asked.headers["OK-ACCESS-TIMESTAMP"]
    try:
        at = datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        raise OkxRefusalError(401, "50112", "Invalid OK-ACCESS-TIMESTAMP") from None
    if abs(at.timestamp() * 1000 - asked.wire_now) > WINDOW_MS:
        raise OkxRefusalError(401, "50102", "Timestamp request expired")


def _signature(asked: Asked, secret: str) -> bytes:
    target = f"{asked.path}?{asked.query}" if asked.query else asked.path
    message = f"{asked.headers['OK-ACCESS-TIMESTAMP']}{asked.method}{target}".encode() + asked.body
    return base64.b64encode(hmac.new(secret.encode(), message, hashlib.sha256).digest())


@dataclass(slots=True)
class RequestLimits:
    """Sliding windows: at most n requests within a span of milliseconds, per caller and endpoint."""

    _seen: dict[tuple[str, str], deque[int]] = field(default_factory=dict)

    def check(self, caller: str, endpoint: str, most: int, span: int, now: int) -> None:
        """Count one request, or refuse it with 50011. A clock that was set back starts anew."""
        seen = self._seen.setdefault((caller, endpoint), deque())
        if seen and seen[-1] > now:
            seen.clear()
        while seen and seen[0] <= now - span:
            seen.popleft()
        if len(seen) >= most:
            raise OkxRefusalError(429, "50011", "Too Many Requests")
        seen.append(now)
