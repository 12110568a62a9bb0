"""Every field that a recorded OKX answer has is in ours, and none of ours is null."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from portfolio_lab.demo.facts import Reason
from portfolio_lab.demo.instruments import LINEAR, SPOT, by_symbol
from portfolio_lab.demo.okx import ENDPOINTS
from portfolio_lab.demo.okx_wire import OkxAsk
from portfolio_lab.demo.server import DemoExchange
from portfolio_lab.demo.wire import Asked
from portfolio_lab.models.accounts import Wallet

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


# ------------------------------------------------------------ answers that only some books have


def lived(okx_desk: Any) -> Any:
    """A book with one of everything: savings, a debt, conversions, a closed position, a filled order, a sub-account."""
    desk = okx_desk(mode="3")
    now, funding, trading = desk.now, Wallet.FUNDING, Wallet.TRADING
    desk.give("USDT", "10000", funding)
    desk.give("USDT", "10000")
    desk.give("DOGE", "3")
    desk.book.subscribe(now, funding, "USDT", Decimal(100))
    desk.book.swap(now, funding, ("USDT", Decimal(100)), ("ETH", Decimal("0.04")), Reason.CONVERT)
    desk.book.swap(now, trading, ("DOGE", Decimal(3)), ("USDT", Decimal("0.6")), Reason.DUST)
    desk.book.borrow(now, trading, "USDT", Decimal(100))
    desk.book.accrue(now, trading, "USDT", Decimal(1))
    swap, spot = by_symbol("okx", LINEAR)["BTC-USDT-SWAP"], by_symbol("okx", SPOT)["BTC-USDT"]
    desk.trade(spot, "buy", "0.01", "100000")
    desk.trade(swap, "buy", "1", "100000")
    desk.now += 1
    desk.trade(swap, "sell", "1", "100000")
    desk.account.sub_uids = (desk.account.uid,)
    return desk


RARE = {
    "account/interest-accrued": "",
    "account/positions-history": "",
    "account/spot-borrow-repay-history": "",
    "account/subaccount/balances": "subAcct=main",
    "asset/bills-history": "",
    "asset/subaccount/balances": "subAcct=main",
    "finance/savings/balance": "",
    "trade/easy-convert-history": "",
    "trade/orders-history": "instType=SPOT",
    "users/subaccount/list": "",
}


@pytest.mark.parametrize(("name", "query"), RARE.items())
def test_recorded_fields_of_rare_answers_are_there(
    okx_desk: Any, recorded_answers: Path, name: str, query: str
) -> None:
    recorded = json.loads((recorded_answers / f"okx_api-v5-{name.replace('/', '-')}_jkorf.json").read_text())["data"]
    ours = lived(okx_desk).ask(name, query)
    assert ours
    assert missing(recorded, ours) == set()


def test_recorded_fields_of_a_conversion_are_there(okx_desk: Any, recorded_answers: Path) -> None:
    recorded = json.loads((recorded_answers / "okx_privateGetAssetConvertHistory_ccxt-comment-1.json").read_text())
    assert missing(recorded["data"], lived(okx_desk).ask("asset/convert/history")) == set()
