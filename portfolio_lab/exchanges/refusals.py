"""What the venues' own error codes mean for us, and what an HTTP status alone does.

Codes are read from the body, never from ccxt's class: that depends on the host name, and shows
a revoked Binance key as a ban.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from portfolio_lab.errors import (
    AnswerShapeError,
    BannedError,
    ClockSkewError,
    CredentialsError,
    MaintenanceError,
    RateLimitedError,
    UnreachableError,
    VenueError,
    WalletRefusedError,
)
from portfolio_lab.exchanges.session import Answer

_KEY = "The key is unknown, revoked, wrong or barred from this address: check it at the venue, then store it anew."
_UNKNOWN_HERE = "The key is unknown here: was it revoked, or is it of another region (`region`: 'eea', 'us')?"
_CLOCK = "Our time stamp was refused, also after the offset was measured anew: set this machine's clock."
_WALLET = "The key may not read this wallet, or the wallet was never opened."
_BUSY = "The venue is too busy to answer."
_MAINTENANCE = "The venue is being maintained."
_RATE = "Too many requests."

Maker = Callable[[str], VenueError]


def _of(kind: type[VenueError], text: str) -> Maker:
    return lambda code: kind(f"{text} (code {code})", venue_code=code)


def _table(*rows: tuple[type[VenueError], str, str]) -> dict[str, Maker]:
    return {code: _of(kind, text) for kind, text, codes in rows for code in codes.split()}


BINANCE = _table(
    (CredentialsError, _KEY, "-2014 -2008 -2015 -1022"),
    (ClockSkewError, _CLOCK, "-1021"),
    (RateLimitedError, _RATE, "-1003 -1015 -1034"),
    (WalletRefusedError, _WALLET, "-1002 -4109 -3003 -9000"),
    (UnreachableError, _BUSY, "-1000 -1001 -1006 -1007 -1008 -1016"),
)
"""Binance's codes."""

OKX = _table(
    (CredentialsError, _KEY, "50100 50101 50103 50104 50105 50106 50107 50110 50111 50113 50114"),
    (CredentialsError, _UNKNOWN_HERE, "50119"),
    (ClockSkewError, _CLOCK, "50102 50112"),
    (RateLimitedError, _RATE, "50011 50061"),
    (WalletRefusedError, _WALLET, "50030 50035 50120"),
    (MaintenanceError, _MAINTENANCE, "50001"),
    (UnreachableError, _BUSY, "50000 50004 50013 50026"),
)
"""OKX's codes."""

_SAFE_CODE = re.compile(r"-?[0-9]{1,9}", re.ASCII)


def binance_refusal(answer: Answer, value: Any) -> VenueError | None:  # noqa: ANN401 - any JSON value
    """Return the error that Binance's answer means, None when it is a result."""
    if not isinstance(value, dict) or not isinstance(value.get("msg"), str) or "code" not in value:
        return None if answer.status in {200, 418, 429} else _page(answer)
    code = _code(value["code"])
    if code in {"0", "200", "000000"} and answer.status == 200:
        return None
    if answer.status in {418, 429}:
        return _paced(answer, code)
    if "maintenance" in value["msg"].lower():
        return MaintenanceError(_MAINTENANCE, venue_code=code)
    maker = BINANCE.get(code)
    if maker is not None:
        return maker(code)
    return _unlisted(answer, code)


def okx_refusal(answer: Answer, value: Any) -> VenueError | None:  # noqa: ANN401 - any JSON value
    """Return the error that OKX's answer means, None when it is a result."""
    code = _code(value["code"]) if isinstance(value, dict) and isinstance(value.get("code"), str) else ""
    if not code:
        return None if answer.status in {200, 418, 429} else _page(answer)
    if code == "0":
        return None
    if answer.status in {418, 429} and code not in OKX:
        return _paced(answer, code)
    maker = OKX.get(code)
    if maker is not None:
        return _patient(maker(code), answer)
    return _unlisted(answer, code)


def _unlisted(answer: Answer, code: str) -> VenueError:
    """The error for a code that is in no table: what its status means, else a plain refusal."""
    error = refusal_by_status(answer)
    if error is None or type(error) is VenueError:
        return VenueError(f"The venue refused the request (code {code}).", venue_code=code)
    error.venue_code = code
    return error


def _patient(error: VenueError, answer: Answer) -> VenueError:
    """OKX does not say how long to wait; its windows are two seconds long."""
    if isinstance(error, RateLimitedError):
        error.retry_after = retry_after(answer) or 2.0
    return error


def _code(code: object) -> str:
    text = str(code)
    return text if _SAFE_CODE.fullmatch(text) else "unreadable"


def _paced(answer: Answer, code: str) -> VenueError:
    kind, text = (
        (BannedError, "The venue has banned this address.") if answer.status == 418 else (RateLimitedError, _RATE)
    )
    return kind(f"{text} (HTTP {answer.status}, code {code})", venue_code=code, retry_after=retry_after(answer))


def _page(answer: Answer) -> VenueError | None:
    """A refusal without a code: a page of the venue's front server."""
    if answer.status == 503 and b"maintenance" in answer.body[:20_000].lower():
        return MaintenanceError(_MAINTENANCE)
    return refusal_by_status(answer)


_STATUSES: dict[int, tuple[type[VenueError], str]] = {
    401: (CredentialsError, "The key was refused"),
    403: (BannedError, "The venue's firewall refuses this address"),
    408: (UnreachableError, "The venue is out of order"),
    418: (BannedError, "The venue has banned this address"),
    429: (RateLimitedError, "Too many requests"),
}
_STATUS_CLASSES: dict[int, tuple[type[VenueError], str]] = {
    3: (AnswerShapeError, "A redirect, which is never followed"),
    5: (UnreachableError, "The venue is out of order"),
}


def refusal_by_status(answer: Answer) -> VenueError | None:
    """Return the error that the HTTP status alone means, None for 200."""
    status = answer.status
    if status == HTTPStatus.OK:
        return None
    unlisted = _STATUS_CLASSES.get(status // 100, (VenueError, "The venue refused the request"))
    kind, text = _STATUSES.get(status, unlisted)
    error = kind(f"{text} ({status}).")
    if isinstance(error, RateLimitedError):
        error.retry_after = retry_after(answer)
    return error


def retry_after(answer: Answer) -> float | None:
    """Return the seconds of the Retry-After header, None when it says nothing usable."""
    text = next((value for name, value in answer.headers.items() if name.lower() == "retry-after"), "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 9 else None
