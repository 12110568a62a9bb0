"""Addresses that somebody wrote into the settings."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from portfolio_lab.errors import BadInputError


def check_base_url(base_url: str | None) -> None:
    """Raise BadInputError for what is no origin, may hold a secret or shows a key on its way; None is the venue's."""
    if base_url is None:
        return
    # The address itself is not repeated: someone may have put a password into it.
    remedy = "write one origin, e.g. https://proxy.example or http://127.0.0.1:8900"
    parts = _split(base_url, remedy)
    if parts.username or parts.password or parts.query or parts.fragment:
        msg = f"base_url may hold no user, password, query or fragment: {remedy}"
        raise BadInputError(msg)
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        msg = f"base_url is plain http to another machine, which would show your key on the way: {remedy}"
        raise BadInputError(msg)


def _split(base_url: str, remedy: str) -> SplitResult:
    try:
        parts = urlsplit(base_url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(character.isspace() for character in base_url):
        msg = f"base_url is not a web address: {remedy}"
        raise BadInputError(msg)
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
