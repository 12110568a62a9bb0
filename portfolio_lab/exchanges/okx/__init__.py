"""OKX: which addresses are read, where its regions live, and what a refusal means.

OKX does not say what was used of a budget. A key belongs to one region and is unknown to the others.
"""

from __future__ import annotations

from collections.abc import Mapping

from portfolio_lab.exchanges.client import Endpoint, Venue
from portfolio_lab.exchanges.okx import endpoints
from portfolio_lab.exchanges.refusals import okx_refusal

HOST = "https://www.okx.com"

REGIONS = {"eea": {"rest": "https://eea.okx.com"}, "us": {"rest": "https://us.okx.com"}}
"""The hosts of `Account.region`."""


def _used_weight(endpoint: Endpoint, headers: Mapping[str, str]) -> int | None:  # noqa: ARG001 - OKX says nothing
    return None


VENUE = Venue(
    name="okx",
    hosts={"rest": HOST},
    endpoints=endpoints.ALL,
    refusal=okx_refusal,
    used_weight=_used_weight,
    regions=REGIONS,
)
"""Everything of OKX that is ever read."""
