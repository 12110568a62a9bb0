"""Binance: which addresses are read, what they cost, and what a refusal means."""

from __future__ import annotations

from collections.abc import Mapping

from portfolio_lab.exchanges.binance.endpoints import HOSTS, KEY_RIGHTS, STATE_ENDPOINTS
from portfolio_lab.exchanges.binance.history_endpoints import HISTORY_ENDPOINTS
from portfolio_lab.exchanges.client import Endpoint, Venue
from portfolio_lab.exchanges.refusals import binance_refusal


def _used_weight(endpoint: Endpoint, headers: Mapping[str, str]) -> int | None:
    """The weight that Binance says was used this minute in the budget of the endpoint."""
    wanted = "x-mbx-used-weight-1m"
    if endpoint.path.startswith("/sapi/"):
        wanted = "x-sapi-used-uid-weight-1m" if endpoint.is_personal else "x-sapi-used-ip-weight-1m"
    text = next((value for name, value in headers.items() if name.lower() == wanted), "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None


VENUE = Venue(
    name="binance",
    hosts=HOSTS,
    endpoints=(*STATE_ENDPOINTS, *HISTORY_ENDPOINTS),
    refusal=binance_refusal,
    used_weight=_used_weight,
    key_check=KEY_RIGHTS,
    vague_codes=frozenset({"-2015"}),
)
"""Everything of Binance that is ever read."""
