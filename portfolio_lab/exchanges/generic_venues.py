"""The venues that are read by ccxt's unified calls: Bybit and Kraken.

Request limits are the documented ones where a document gives them, else a cautious guess
(unverified). Error codes are the venues' own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from portfolio_lab.errors import (
    BannedError,
    ClockSkewError,
    CredentialsError,
    MaintenanceError,
    RateLimitedError,
    UnreachableError,
    VenueError,
    WalletRefusedError,
)
from portfolio_lab.exchanges.client import Endpoint
from portfolio_lab.exchanges.generic_client import GenericVenue, Room
from portfolio_lab.exchanges.governor import Budget, Priority
from portfolio_lab.exchanges.session import MEGABYTE, Answer

_TEXTS: dict[type[VenueError], str] = {
    CredentialsError: "The key is unknown, expired, wrong or barred from this address.",
    WalletRefusedError: "The key may not read this.",
    ClockSkewError: "Our time stamp was refused: set this machine's clock.",
    RateLimitedError: "Too many requests.",
    BannedError: "The venue has banned this address.",
    MaintenanceError: "The venue is being maintained.",
    UnreachableError: "The venue is too busy to answer.",
    VenueError: "The venue refused the request.",
}


def _error(kind: type[VenueError], code: str) -> VenueError:
    return kind(f"{_TEXTS[kind]} (code {code})", venue_code=code)


# ---------------------------------------------------------------- Bybit

_BYBIT: dict[str, type[VenueError]] = {
    "10002": ClockSkewError,
    "10003": CredentialsError,
    "10004": CredentialsError,
    "10005": WalletRefusedError,
    "10006": RateLimitedError,
    "10007": CredentialsError,
    "10009": BannedError,
    "10010": CredentialsError,
    "10016": UnreachableError,
    "10018": RateLimitedError,
    "10000": UnreachableError,
    "33004": CredentialsError,
}


def _bybit_refusal(answer: Answer, value: Any) -> VenueError | None:  # noqa: ARG001, ANN401 - any JSON value
    code = value.get("retCode") if isinstance(value, dict) else None
    if type(code) is not int or code == 0:
        return None
    return _error(_BYBIT.get(str(code), VenueError), str(code)[:9])


def _bybit(path: str, *, private: bool = True, priority: Priority = Priority.CORE, size: int = 5) -> Endpoint:
    budget = Budget(path, 10, 1.0, is_sliding=True) if private else Budget("public", 600, 5.0, is_sliding=True)
    return Endpoint("", path, "rest", budget, is_personal=private, max_bytes=size * MEGABYTE, priority=priority)


BYBIT = GenericVenue(
    name="bybit",
    hosts={"rest": "https://api.bybit.com"},
    endpoints=(
        _bybit("/v5/market/time", private=False),
        _bybit("/v5/market/instruments-info", private=False, size=16),
        _bybit("/v5/market/tickers", private=False),
        _bybit("/v5/user/query-api"),
        _bybit("/v5/account/info"),
        _bybit("/v5/account/wallet-balance"),
        _bybit("/v5/position/list"),
        _bybit("/v5/order/realtime", priority=Priority.ORDERS),
        _bybit("/v5/asset/deposit/query-record", priority=Priority.HISTORY),
        _bybit("/v5/asset/withdraw/query-record", priority=Priority.HISTORY),
        _bybit("/v5/execution/list", priority=Priority.HISTORY),
    ),
    refusal=_bybit_refusal,
    used_weight=lambda endpoint, headers: None,  # noqa: ARG005 - it is not told by address
    is_attested=False,
    rooms={
        "/v5/account/wallet-balance": Room(("result", "list"), least=1),
        **dict.fromkeys(
            ("/v5/position/list", "/v5/order/realtime", "/v5/execution/list", "/v5/market/tickers"),
            Room(("result", "list")),
        ),
        "/v5/market/instruments-info": Room(("result", "list")),
        **dict.fromkeys(
            ("/v5/asset/deposit/query-record", "/v5/asset/withdraw/query-record"), Room(("result", "rows"))
        ),
    },
)

# ---------------------------------------------------------------- Kraken

_KRAKEN: dict[str, type[VenueError]] = {
    "EAPI:Invalid key": CredentialsError,
    "EAPI:Invalid signature": CredentialsError,
    "EAPI:Invalid nonce": CredentialsError,
    "EGeneral:Permission denied": WalletRefusedError,
    "EGeneral:Temporary lockout": BannedError,
    "EAPI:Rate limit exceeded": RateLimitedError,
    "EGeneral:Too many requests": RateLimitedError,
    "EService:Unavailable": UnreachableError,
    "EService:Busy": UnreachableError,
    "EService:Timeout": UnreachableError,
    "EGeneral:Internal error": UnreachableError,
}


def _kraken_refusal(answer: Answer, value: Any) -> VenueError | None:  # noqa: ARG001, ANN401 - any JSON value
    errors = value.get("error") if isinstance(value, dict) else None
    texts = (
        [text for text in errors if isinstance(text, str) and text.startswith("E")] if isinstance(errors, list) else []
    )
    if not texts:
        return None
    kind = next((kind for code, kind in _KRAKEN.items() if texts[0].startswith(code)), VenueError)
    known = next((code for code in _KRAKEN if texts[0].startswith(code)), "unlisted")
    return _error(kind, known)


def _kraken(name: str, *, cost: int = 1, priority: Priority = Priority.CORE) -> Endpoint:
    """A private read: a counter of an account, 15 high, that sinks by a third each second (unverified)."""
    budget = Budget("private", 15, 45.0, is_sliding=True)
    return Endpoint("", f"/0/private/{name}", "rest", budget, cost, http="POST", is_personal=True, priority=priority)


def _kraken_public(name: str) -> Endpoint:
    return Endpoint("", f"/0/public/{name}", "rest", Budget("public", 5, 5.0, is_sliding=True), max_bytes=16 * MEGABYTE)


KRAKEN = GenericVenue(
    name="kraken",
    hosts={"rest": "https://api.kraken.com"},
    endpoints=(
        *(_kraken_public(name) for name in ("Time", "Assets", "AssetPairs", "Ticker")),
        _kraken("BalanceEx"),
        _kraken("OpenOrders", priority=Priority.ORDERS),
        _kraken("DepositStatus", priority=Priority.HISTORY),
        _kraken("WithdrawStatus", priority=Priority.HISTORY),
        _kraken("TradesHistory", cost=2, priority=Priority.HISTORY),
    ),
    refusal=_kraken_refusal,
    used_weight=lambda endpoint, headers: None,  # noqa: ARG005 - Kraken says nothing
    is_attested=False,
    rooms={
        "/0/private/OpenOrders": Room(("result", "open")),
        "/0/private/TradesHistory": Room(("result", "trades")),
    },
)

# ---------------------------------------------------------------- how to ask them


@dataclass(frozen=True, slots=True)
class History:
    """How far a stream's window may reach (days), how many rows a page holds, and how long the venue remembers."""

    days: int
    size: int
    retention_days: int | None = None


@dataclass(frozen=True, slots=True)
class Manner:
    """What differs between venues in the unified calls.

    `raw_coins` are the keys to the raw rows of the balance: as many currencies must come out.
    `positions`, `orders` and `fills` are the parameters of each question that makes a whole.
    """

    raw_coins: tuple[str | int, ...]
    tickers: Mapping[str, Any]
    orders: tuple[Mapping[str, Any], ...]
    fills: tuple[Mapping[str, Any], ...]
    histories: Mapping[str, History]
    positions: tuple[Mapping[str, Any], ...] = ()
    suffixes: frozenset[str] = frozenset()

    def window(self, stream: str) -> timedelta:
        """How long a window of a stream may be."""
        return timedelta(days=self.histories[stream].days)


_CONTRACTS: tuple[dict[str, Any], ...] = (
    {"type": "swap", "subType": "linear", "settleCoin": "USDT"},
    {"type": "swap", "subType": "linear", "settleCoin": "USDC"},
    {"type": "swap", "subType": "inverse"},
)

MANNERS = {
    "bybit": Manner(
        raw_coins=("result", "list", 0, "coin"),
        tickers={"type": "spot"},
        orders=({"type": "spot"}, *_CONTRACTS),
        fills=({"type": "spot"}, {"type": "swap", "subType": "linear"}, {"type": "swap", "subType": "inverse"}),
        positions=_CONTRACTS,
        histories={"deposits": History(29, 50), "withdrawals": History(29, 50), "fills": History(6, 100, 730)},
    ),
    "kraken": Manner(
        raw_coins=("result",),
        tickers={},
        orders=({},),
        fills=({},),
        histories={"deposits": History(90, 500), "withdrawals": History(90, 500), "fills": History(30, 50)},
        suffixes=frozenset({"S", "M", "F", "B", "P", "HOLD"}),
    ),
}
