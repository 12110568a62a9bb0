"""Margins as the venues tell them: recorded answers, and the demo exchange's own books to 1e-9."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from portfolio_lab.demo.binance import BinanceVenue
from portfolio_lab.demo.binance_auth import signature_of
from portfolio_lab.demo.clock import DemoClock
from portfolio_lab.demo.exchange import DemoAccount, Exchange
from portfolio_lab.demo.market import Market, milliseconds
from portfolio_lab.demo.okx import ENDPOINTS as OKX
from portfolio_lab.demo.okx_wire import OkxAsk
from portfolio_lab.demo.people import open_accounts
from portfolio_lab.demo.wire import Asked
from portfolio_lab.engines.margins import margin_ratio, ratio_of_level
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import maintenance, portfolio_margin, shapes, shapes_margin
from portfolio_lab.exchanges.okx import portfolio as okx_portfolio
from portfolio_lab.exchanges.okx import positions as okx_positions
from portfolio_lab.exchanges.okx import shapes as okx_shapes
from portfolio_lab.models.holdings import ContractKind, Position
from portfolio_lab.models.margins import WHOLE, Margin

FOLDER = Path(os.environ.get("PORTFOLIO_LAB_SHARED", Path(__file__).parents[3] / "shared")) / "payloads"
SINCE = datetime(2026, 8, 1, tzinfo=UTC)
LATER = SINCE + timedelta(days=45, hours=5)
D = Decimal


def asset(name: str, cash: str, **more: str) -> dict[str, str]:
    return {
        "asset": name, "walletBalance": cash, "unrealizedProfit": "0", "marginBalance": cash, "availableBalance": cash,
        "crossWalletBalance": cash, "crossUnPnl": "0", "maintMargin": "0", **more,
    }  # fmt: skip


def account(*assets: dict[str, str], **totals: str) -> shapes.FuturesAccount:
    return msgspec.convert({"assets": list(assets), "positions": [], **totals}, shapes.FuturesAccount)


def held(instrument: str, **own: Decimal) -> Position:
    one = D(1)
    return Position(instrument, "BTC", ContractKind.LINEAR, "net", one, one, one, one, one, D(0), "USDT", **own)


# ---------------------------------------------------------------- by hand


def test_single_asset_mode_has_a_margin_an_asset() -> None:
    # The totals are those of USDT alone: the 300 USDC stand behind their own contracts only.
    told = account(
        asset("USDT", "1000", maintMargin="250"), asset("USDC", "300", maintMargin="30"), asset("BNB", "0"),
        totalMaintMargin="250", totalMarginBalance="1000",
    )  # fmt: skip
    assert maintenance.shared_margins(told, ()) == (Margin("USDT", D(250), D(1000)), Margin("USDC", D(30), D(300)))


def test_multi_asset_mode_has_one() -> None:
    told = account(
        asset("USDT", "1000", maintMargin="250"), asset("BTC", "0.01"),
        totalMaintMargin="250", totalMarginBalance="2000",
    )  # fmt: skip
    assert maintenance.shared_margins(told, ()) == (Margin(WHOLE, D(250), D(2000)),)


def test_an_isolated_position_takes_its_part_along() -> None:
    lines = [
        {
            "symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "1", "unrealizedProfit": "-10",
            "maintMargin": "30", "isolatedMargin": "40", "isolatedWallet": "50",
        },
        {
            "symbol": "ETHUSDT", "positionSide": "BOTH", "positionAmt": "1", "unrealizedProfit": "0",
            "maintMargin": "20", "isolatedMargin": "0", "isolatedWallet": "0",
        },
    ]  # fmt: skip
    row = asset("USDT", "1050", crossWalletBalance="1000", maintMargin="50")
    told = msgspec.convert({"assets": [row], "positions": lines}, shapes.FuturesAccount)
    own, shared = maintenance.with_margins([held("BTCUSDT"), held("ETHUSDT")], told)
    assert (own.maintenance_margin, own.margin_balance) == (D(30), D(40))
    assert (shared.maintenance_margin, shared.margin_balance) == (D(20), None)
    assert maintenance.shared_margins(told, (own, shared)) == (Margin("USDT", D(20), D(1000)),)


def test_what_an_answer_leaves_out_is_unknown() -> None:
    told = account({**asset("USDT", "1000"), "maintMargin": "", "crossUnPnl": ""})
    assert maintenance.shared_margins(told, ()) == (Margin("USDT", None, D(1000)),)
    row = msgspec.convert({"totalEq": "5", "details": [], "mmr": "1"}, okx_shapes.TradingBalance)
    assert okx_portfolio.margins_of(row) == ()


def test_portfolio_margin_without_risk_states_no_level() -> None:
    told = {"actualEquity": "10", "accountStatus": "NORMAL", "uniMMR": "99999999", "accountEquity": "9"}
    row = msgspec.convert({**told, "accountMaintMargin": "0"}, shapes_margin.PmAccount)
    assert portfolio_margin.margin_of(row) == Margin(WHOLE, D(0), D(9), None)


# ---------------------------------------------------------------- recorded


def recorded(name: str, shape: Any) -> Any:
    path = FOLDER / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"no recorded answer {path}")
    return payloads.shaped(payloads.read_json(path.read_bytes()), shape)


def test_okx_s_level_has_the_fee_of_closing_in_its_divisor() -> None:
    shape = okx_shapes.Envelope[okx_shapes.Position]
    row = recorded("okx_privateGetAccountPositions_ccxt-comment-1", shape).data[0]
    balance, needed = okx_positions._own_balance(row, ""), D(row.mmr)
    assert balance is not None
    fee = needed / D("0.008") * D("0.0005")  # maintenance is 0.8 % of the position here, closing costs 0.05 %
    assert D(row.mgnRatio) == pytest.approx(balance / (needed + fee), rel=D("1e-9"))


def test_a_recorded_account_of_okx() -> None:
    told = recorded("okx_api-v5-account-balance_jkorf", okx_shapes.Envelope[okx_shapes.TradingBalance]).data[0]
    found = Margin(WHOLE, D("0.3428274116"), D("55415.624719833286"), D("143682.59776662575"))
    assert okx_portfolio.margins_of(told) == (found,)


def test_a_recorded_account_of_usd_m_in_multi_asset_mode() -> None:
    told = recorded("binance_fapi-v3-account_binance-connector-js", shapes.FuturesAccount)
    assert maintenance.shared_margins(told, ()) == (Margin(WHOLE, D(0), D("126.72469206")),)


# ---------------------------------------------------------------- the demo exchange


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(7)


def asked(one: DemoAccount, market: Market, path: str) -> Any:
    now = milliseconds(LATER)
    signed = f"timestamp={now}&signature={signature_of(one.credentials.secret, f'timestamp={now}'.encode())}"
    venue = BinanceVenue(Exchange(market, DemoClock(now), (one,)))
    told = venue.answer(Asked("GET", path, signed, {"X-MBX-APIKEY": one.credentials.key}, b"", "::1", now, now))
    return json.loads(told.encoded()) if told.status == 200 else None


def okx_told(one: DemoAccount, market: Market, path: str) -> Any:
    now = milliseconds(LATER)
    question = Asked("GET", "", "", {}, b"", "::1", now, now)
    return list(OKX[path].reply(OkxAsk(Exchange(market, DemoClock(now), (one,)), question, one)))  # type: ignore[call-overload]


def venue_books(market: Market, venue: str) -> Iterator[DemoAccount]:
    return (one for one in open_accounts(market, milliseconds(SINCE)) if one.account.venue == venue)


def test_usd_m_ratios_are_the_exchanges_own(market: Market) -> None:
    """In single-asset mode the totals are those of USDT, in multi-asset mode of all: either is one of our margins."""
    compared = 0
    for one in venue_books(market, "binance"):
        told = asked(one, market, "/fapi/v3/account")
        if told is None or not D(told["totalMaintMargin"]):
            continue
        margins = maintenance.shared_margins(msgspec.convert(told, shapes.FuturesAccount), ())
        chosen = next(margin for margin in margins if margin.asset == (WHOLE if one.multi_asset else "USDT"))
        theirs = float(D(told["totalMaintMargin"]) / D(told["totalMarginBalance"]))
        assert margin_ratio(chosen.maintenance, chosen.balance) == pytest.approx(theirs, rel=1e-9)
        compared += 1
    assert compared > 1


def test_the_parts_of_positions_add_up_to_the_margin(market: Market) -> None:
    """What maintenance of every position needs, one by one, is what the margins of the wallet need."""
    compared = 0
    for one in venue_books(market, "binance"):
        for path in ("/fapi/v3/account", "/dapi/v1/account"):
            told = asked(one, market, path)
            if told is None or one.multi_asset:
                continue
            margins = maintenance.shared_margins(msgspec.convert(told, shapes.FuturesAccount), ())
            whole = sum(D(line["maintMargin"]) for line in told["positions"])
            assert float(sum(margin.maintenance or D(0) for margin in margins)) == pytest.approx(float(whole), rel=1e-9)
            compared += bool(whole)
    assert compared > 2


def test_a_portfolio_margin_ratio_is_the_exchanges_own(market: Market) -> None:
    compared = 0
    for one in venue_books(market, "binance"):
        told = asked(one, market, "/papi/v1/account")
        if told is not None and D(told["accountMaintMargin"]):
            margin = portfolio_margin.margin_of(msgspec.convert(told, shapes_margin.PmAccount))
            ours, theirs = margin_ratio(margin.maintenance, margin.balance), ratio_of_level(margin.level)
            # The exchange tells its level and both of its parts to eight places.
            assert ours == pytest.approx(theirs, rel=1e-9)
            compared += 1
    assert compared


def test_okx_s_ratios_are_the_exchanges_own(market: Market) -> None:
    compared = 0
    for one in venue_books(market, "okx"):
        told = msgspec.convert(okx_told(one, market, "account/balance")[0], okx_shapes.TradingBalance)
        margins = {margin.asset: margin for margin in okx_portfolio.margins_of(told)}
        for margin in margins.values():
            if margin.level is not None:
                ours, theirs = margin_ratio(margin.maintenance, margin.balance), ratio_of_level(margin.level)
                assert ours == pytest.approx(theirs, rel=1e-9)
                compared += 1
        for row in okx_told(one, market, "account/positions"):
            if row["mgnRatio"] and row["mgnMode"] == "cross":
                assert D(row["mgnRatio"]) == margins[row["ccy"]].level
    assert compared > 1
