"""What passes between the listener and a venue's endpoints: one question, one answer.

A venue plugs into the server by being an object with `answer(asked) -> Answer`; it never
sees the server library. `server.py` builds one per venue from the shared `Exchange`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Asked:
    """One request as it came over the wire.

    `path` and `query` are the raw text of the request line (nothing decoded), `headers` are
    case-insensitive. `wire_now` is the servers' time with any skew that a fault asks for,
    `book_now` the instant that the books are shown at; both are milliseconds.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    address: str
    wire_now: int
    book_now: int

    @cached_property
    def parameters(self) -> dict[str, str]:
        """Query parameters by name, decoded."""
        return dict(parse_qsl(self.query, keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, content and headers. `content` is bytes as they are, or anything JSON."""

    content: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    def encoded(self) -> bytes:
        """The body's bytes."""
        if isinstance(self.content, bytes):
            return self.content
        return json.dumps(self.content, separators=(",", ":"), ensure_ascii=False).encode()


class Venue(Protocol):
    """Everything that one venue says."""

    def answer(self, asked: Asked) -> Answer:
        """The answer to one request; refusals are answers too, nothing is raised."""
        ...
