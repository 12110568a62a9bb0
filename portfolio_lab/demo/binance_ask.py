"""One question to the Binance face, and the endpoint that it is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from portfolio_lab.demo import binance_errors as refuse
from portfolio_lab.demo.binance_auth import whole_number
from portfolio_lab.demo.binance_switches import Switches
from portfolio_lab.demo.binance_weights import Charge, Family, Payer, WeightLimits
from portfolio_lab.demo.book import Book, View
from portfolio_lab.demo.exchange import DemoAccount
from portfolio_lab.demo.instruments import Instrument, by_symbol
from portfolio_lab.demo.market import Market

Parameters = Mapping[str, str]
Json = Any
"""What `json.dumps` writes: answers differ in shape by endpoint, as Binance's do."""


class Need(StrEnum):
    """What a key must be allowed, and its account have opened, before an endpoint answers."""

    NOTHING = "nothing"
    READING = "reading"
    MARGIN = "margin"
    USD_M = "usd_m"
    COIN_M = "coin_m"
    PORTFOLIO_MARGIN = "portfolio_margin"


@dataclass(frozen=True, slots=True)
class Span:
    """Milliseconds [since, until], both ends inside, as Binance reads startTime and endTime."""

    since: int
    until: int

    def holds(self, at: int) -> bool:
        """Whether an instant lies inside."""
        return self.since <= at <= self.until


@dataclass(frozen=True)
class Ask:
    """A question that has passed the door. Every answer is of book time `at`, in ms.

    `server_time` is the wire clock, which only time stamps of requests are measured with.
    """

    market: Market
    parameters: Parameters
    at: int
    server_time: int
    limits: WeightLimits
    asker: DemoAccount | None = None
    switches: Switches = field(default_factory=Switches)

    @property
    def account(self) -> DemoAccount:
        """The account that asks; only signed endpoints know one."""
        if self.asker is None:
            raise refuse.key_rejected()
        return self.asker

    @cached_property
    def view(self) -> View:
        """The asking account's book at book time."""
        return self.account.view(self.at)

    @property
    def book(self) -> Book:
        """The asking account's history, told at least up to book time."""
        return self.view.book

    def required(self, name: str) -> str:
        """The parameter's text, or -1102."""
        text = self.parameters.get(name, "")
        if not text:
            raise refuse.parameter_missing(name)
        return text

    def number(self, name: str, default: int) -> int:
        """The parameter as a whole number, `default` when it is absent."""
        number = whole_number(self.parameters, name)
        return default if number is None else number

    def limit(self, *, default: int, most: int) -> int:
        """How many rows are asked for: at most `most`, cut off silently as the spot host does."""
        rows = self.number("limit", default)
        if rows < 1:
            raise refuse.parameter_invalid("limit")
        return min(rows, most)

    def strict_limit(self, *, default: int, most: int, name: str = "limit") -> int:
        """How many rows are asked for; more than `most` or none is -1130."""
        rows = self.number(name, default)
        if not 1 <= rows <= most:
            raise refuse.parameter_invalid(name)
        return rows

    def instrument(self, kind: str) -> Instrument:
        """The instrument that the mandatory `symbol` names; -1102 or -1121."""
        return self._listed(kind, self.required("symbol"))

    def instruments(self, kind: str) -> list[Instrument]:
        """The one that `symbol` names, or all of the kind when it names none."""
        symbol = self.parameters.get("symbol", "")
        return [self._listed(kind, symbol)] if symbol else list(by_symbol("binance", kind).values())

    def span(self, *, longest: int, default: int, text: str) -> Span:
        """The window asked for; one end alone reaches `default` ms from it, over `longest` is -1127."""
        since, until = whole_number(self.parameters, "startTime"), whole_number(self.parameters, "endTime")
        if since is not None and until is not None:
            if until - since > longest:
                raise refuse.window_too_long(text)
            return Span(since, until)
        if since is not None:
            return Span(since, since + default)
        until = self.at if until is None else until
        return Span(until - default, until)

    @staticmethod
    def _listed(kind: str, symbol: str) -> Instrument:
        one = by_symbol("binance", kind).get(symbol)
        if one is None:
            raise refuse.symbol_unknown()
        return one


Weight = Callable[[Parameters], int]
Answer = Callable[[Ask], Json]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path of Binance's: what it answers, what it weighs and what it needs."""

    method: str
    path: str
    answer: Answer
    weight: int | Weight = 1
    needs: Need = Need.READING
    payer: Payer = Payer.IP

    def charge(self, parameters: Parameters) -> Charge:
        """What one request costs with these parameters."""
        weight = self.weight if isinstance(self.weight, int) else self.weight(parameters)
        return Charge(Family(self.path.split("/")[1]), self.path, weight, self.payer)


def by_presence(name: str, *, given: int, absent: int) -> Weight:
    """A weight that depends on whether a parameter is sent."""

    def weight(parameters: Parameters) -> int:
        return given if parameters.get(name) else absent

    return weight


def by_rows(default: int, *steps: tuple[int, int]) -> Weight:
    """A weight by `limit`: `steps` are (fewer rows than, weight), the last one catching the rest."""

    def weight(parameters: Parameters) -> int:
        asked = parameters.get("limit", "")
        rows = int(asked) if asked.isascii() and asked.isdigit() else default
        return next((cost for below, cost in steps if rows < below), steps[-1][1])

    return weight
