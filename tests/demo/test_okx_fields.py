"""Every field that a recorded OKX answer has is in ours, and none of ours is null."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from portfolio_lab.demo.okx import ENDPOINTS
from portfolio_lab.demo.okx_wire import OkxAsk
from portfolio_lab.demo.server import DemoExchange
from portfolio_lab.demo.wire import Asked

NOW = datetime(2026, 10, 5, 13, 20, tzinfo=UTC)
RECORDED = {
    "account/balance": "",
    "account/positions": "",
    "account/config": "",
    "account/bills": "",
    "account/bills-archive": "",
    "asset/balances": "",
    "asset/asset-valuation": "",
    "asset/bills": "",
    "asset/currencies": "",
    "asset/deposit-history": "",
    "asset/withdrawal-history": "",
    "trade/orders-pending": "",
    "trade/orders-algo-pending": "ordType=trigger",
    "trade/fills": "",
    "trade/fills-history": "instType=SPOT",
    "market/tickers": "instType=SWAP",
    "public/instruments": "instType=SPOT",
    "public/mark-price": "instType=SWAP",
    "public/time": "",
}


@pytest.fixture(scope="module")
def demo() -> DemoExchange:
    return DemoExchange(now=NOW)


def rows_of(demo: DemoExchange, name: str, query: str) -> list[dict[str, Any]]:
    account = next(one for one in demo.exchange.accounts if one.account.key == ("desk", "okx", "main"))
    clock = demo.exchange.clock
    asked = Asked("GET", f"/api/v5/{name}", query, {}, b"", "", clock.wire(), clock.book())
    return list(ENDPOINTS[name].reply(OkxAsk(demo.exchange, asked, account)))


def missing(recorded: Any, ours: Any, path: str = "") -> set[str]:
    """Paths of fields in a recorded answer that our answer does not have."""
    if isinstance(recorded, list):
        return missing(recorded[0], ours[0], path) if recorded and ours else set()
    if not isinstance(recorded, dict):
        return set()
    absent = {path + name for name in recorded if name not in ours}
    shared = (name for name in recorded if name in ours)
    return absent.union(*(missing(recorded[name], ours[name], f"{path}{name}.") for name in shared))


@pytest.mark.parametrize(("name", "query"), RECORDED.items())
def test_recorded_fields_are_there(demo: DemoExchange, recorded_answers: Path, name: str, query: str) -> None:
    file = recorded_answers / f"okx_api-v5-{name.replace('/', '-')}_jkorf.json"
    recorded = json.loads(file.read_text())["data"]
    ours = rows_of(demo, name, query)
    assert ours
    assert missing(recorded, ours) == set()


@pytest.mark.parametrize(("name", "query"), RECORDED.items())
def test_numbers_are_text_and_nothing_is_null(demo: DemoExchange, name: str, query: str) -> None:
    for row in rows_of(demo, name, query):
        for field, value in row.items():
            assert isinstance(value, str | bool | list | dict) or field == "instIdCode", field
