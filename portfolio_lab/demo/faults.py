"""Faults on request: what an exchange does on a bad day, for chosen paths and as often as told."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, fields
from typing import Any

from portfolio_lab.demo.wire import Answer

HTML = b"<!DOCTYPE html><html><head><title>Attention</title></head><body><h1>Please verify</h1></body></html>"
BOMB_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class Fault:
    """One fault.

    It strikes requests whose path equals `path` (or starts with it, when it ends in "*"),
    of `venue`, `user`, `account` ("venue:label") or `key` where those are given, `times`
    times (None: until cleared). `drop` closes the connection before the first byte.
    `latency` and `drip` are seconds: before the answer, and between its bytes' ten parts.
    `truncate` sends half of the body as if it were whole;
    `cut` breaks the connection half-way. `skew_seconds` moves the clock that is answered
    and checked. `body` is text or anything JSON.
    """

    path: str = "*"
    venue: str | None = None
    user: str | None = None
    account: str | None = None
    key: str | None = None
    times: int | None = None
    status: int | None = None
    body: Any = None
    headers: dict[str, str] | None = None
    latency: float = 0.0
    drip: float = 0.0
    cut: bool = False
    drop: bool = False
    truncate: bool = False
    empty: bool = False
    html200: bool = False
    redirect: str | None = None
    skew_seconds: float = 0.0
    gzip_bomb: bool = False

    def __repr__(self) -> str:
        """Show no key."""
        return f"Fault({self.path!r}, times={self.times})"

    def strikes(self, path: str, venue: str, key: str, owner: tuple[str, str]) -> bool:
        """True when a request is meant by it; `owner` is (user, "venue:label") of the key."""
        meant = path.startswith(self.path[:-1]) if self.path.endswith("*") else path == self.path
        pairs = ((self.venue, venue), (self.key, key), (self.user, owner[0]), (self.account, owner[1]))
        return meant and self.times != 0 and all(wanted in (None, given) for wanted, given in pairs)

    @property
    def replaces(self) -> bool:
        """True when the venue is not asked at all."""
        told = (self.status, self.body, self.redirect)
        return self.empty or self.html200 or self.gzip_bomb or any(one is not None for one in told)

    def answer(self) -> Answer:
        """What is sent instead of the venue's answer."""
        headers = dict(self.headers or {})
        if self.redirect is not None:
            return Answer(b"", self.status or 302, {**headers, "Location": self.redirect})
        if self.gzip_bomb:
            bomb = gzip.compress(b"[" + b" " * BOMB_BYTES + b"]")
            return Answer(bomb, self.status or 200, {**headers, "Content-Encoding": "gzip"})
        if self.html200:
            return Answer(HTML, self.status or 200, headers, "text/html")
        if self.empty:
            return Answer(b"", self.status or 200, headers)
        body = self.body.encode() if isinstance(self.body, str) else self.body
        return Answer(b"" if body is None else body, self.status or 200, headers)


class Faults:
    """The faults in force, oldest first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, description: dict[str, Any]) -> Fault:
        """Put a fault in force; a name that is no field of `Fault` raises ValueError."""
        unknown = set(description) - {field.name for field in fields(Fault)}
        if unknown:
            msg = f"a fault has no field {', '.join(sorted(unknown))}"
            raise ValueError(msg)
        fault = Fault(**description)
        self._faults.append(fault)
        return fault

    @property
    def in_force(self) -> tuple[Fault, ...]:
        """Faults that can still strike."""
        return tuple(fault for fault in self._faults if fault.times != 0)

    def clear(self) -> None:
        """All is well again."""
        self._faults.clear()

    def strike(self, path: str, venue: str, key: str, owner: tuple[str, str]) -> Fault | None:
        """The first fault that means this request, counted down; None when there is none."""
        for fault in self._faults:
            if fault.strikes(path, venue, key, owner):
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None
