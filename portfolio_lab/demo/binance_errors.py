"""Binance's refusals: HTTP status, code and text, in Binance's own words."""

from __future__ import annotations


class BinanceRefusal(Exception):  # noqa: N818 - an answer of the wire, not a fault of ours
    """A request that Binance answers by `{"code": ..., "msg": ...}` and an HTTP status."""

    def __init__(self, status: int, code: int, text: str, *, retry_after: int | None = None) -> None:
        super().__init__(f"{status} {code} {text}")
        self.status = status
        self.code = code
        self.text = text
        self.retry_after = retry_after

    @property
    def body(self) -> dict[str, object]:
        """The JSON body of the refusal."""
        return {"code": self.code, "msg": self.text}


def key_format() -> BinanceRefusal:
    """No usable X-MBX-APIKEY header."""
    return BinanceRefusal(401, -2014, "API-key format invalid.")


def key_unknown() -> BinanceRefusal:
    """A key that was never issued."""
    return BinanceRefusal(401, -2008, "Invalid Api-Key ID.")


def key_rejected() -> BinanceRefusal:
    """A revoked key, a foreign address, a missing permission or an unopened wallet."""
    return BinanceRefusal(401, -2015, "Invalid API-key, IP, or permissions for action.")


def margin_missing() -> BinanceRefusal:
    """A cross margin account that was never opened."""
    return BinanceRefusal(400, -3003, "Margin account does not exist.")


def parameter_missing(name: str) -> BinanceRefusal:
    """A mandatory parameter is absent, empty or not of its kind."""
    return BinanceRefusal(400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def parameter_illegal(name: str) -> BinanceRefusal:
    """A parameter that cannot be read, or lies outside its range."""
    return BinanceRefusal(400, -1100, f"Illegal characters found in parameter '{name}'.")


def window_too_long(text: str) -> BinanceRefusal:
    """StartTime and endTime lie further apart than the endpoint allows."""
    return BinanceRefusal(400, -1127, text)


def receive_window_too_long() -> BinanceRefusal:
    """A recvWindow above one minute."""
    return BinanceRefusal(400, -1131, "recvWindow must be less than 60000.")


def timestamp_ahead() -> BinanceRefusal:
    """The caller's clock runs ahead of ours by more than a second."""
    return BinanceRefusal(400, -1021, "Timestamp for this request was 1000ms ahead of the server's time.")


def timestamp_behind() -> BinanceRefusal:
    """The request took longer than its recvWindow, or the caller's clock is behind."""
    return BinanceRefusal(400, -1021, "Timestamp for this request is outside of the recvWindow.")


def signature_wrong() -> BinanceRefusal:
    """The signature is not that of the bytes that were sent."""
    return BinanceRefusal(400, -1022, "Signature for this request is not valid.")


def symbol_unknown() -> BinanceRefusal:
    """A symbol that is not listed."""
    return BinanceRefusal(400, -1121, "Invalid symbol.")


def too_much_weight(limit: int, *, retry_after: int) -> BinanceRefusal:
    """The minute's weight is used up."""
    text = (
        f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API."
    )
    return BinanceRefusal(429, -1003, text, retry_after=retry_after)


def banned(until_ms: int, *, retry_after: int) -> BinanceRefusal:
    """The caller went on asking after 429s."""
    text = (
        f"Way too much request weight used; IP banned until {until_ms}. "
        "Please use WebSocket Streams for live updates to avoid bans."
    )
    return BinanceRefusal(418, -1003, text, retry_after=retry_after)


def parameter_invalid(name: str) -> BinanceRefusal:
    """A parameter that can be read but not used."""
    return BinanceRefusal(400, -1130, f"Data sent for parameter '{name}' is not valid.")


def combination_invalid() -> BinanceRefusal:
    """Optional parameters that exclude each other."""
    return BinanceRefusal(400, -1128, "Combination of optional parameters invalid.")


def interval_unknown() -> BinanceRefusal:
    """A bar width that is not offered."""
    return BinanceRefusal(400, -1120, "Invalid interval.")


def futures_window_too_long(days: int) -> BinanceRefusal:
    """A futures history window that is too long."""
    return BinanceRefusal(400, -4165, f"Invalid time interval; Maximum time interval is {days} days.")


def futures_history_too_old(months: int) -> BinanceRefusal:
    """A futures history window that starts before what is kept. The number of this code is unverified."""
    return BinanceRefusal(400, -4166, f"Search window is restricted to recent {months} months only.")
