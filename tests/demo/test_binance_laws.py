"""Laws of the Binance face: it never breaks, and its margin arithmetic closes."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio_lab.demo.binance import ENDPOINTS, BinanceVenue
from portfolio_lab.demo.binance_ask import Endpoint
from portfolio_lab.demo.binance_auth import signature_of
from portfolio_lab.demo.binance_margin import (
    INVERSE_BRACKETS,
    LINEAR_BRACKETS,
    Bracket,
    Pocket,
    Slot,
    bracket_of,
    liquidation_price,
)
from portfolio_lab.demo.clock import DemoClock
from portfolio_lab.demo.exchange import Exchange
from portfolio_lab.demo.facts import ONE_WAY, Position
from portfolio_lab.demo.instruments import INVERSE, LINEAR, by_symbol
from portfolio_lab.demo.market import Market, milliseconds
from portfolio_lab.demo.people import open_accounts
from portfolio_lab.demo.wire import Asked
from portfolio_lab.models.accounts import Wallet

NOW = milliseconds(datetime(2026, 8, 9, 10, tzinfo=UTC))
SINCE = milliseconds(datetime(2026, 8, 1, tzinfo=UTC))
NAMES = (
    *("symbol", "startTime", "endTime", "limit", "fromId", "orderId", "type", "interval", "size", "current", "page"),
    *("symbols", "asset", "isIsolated", "isolatedSymbol", "underlying", "quoteAsset", "email", "pair", "loanCoin"),
)
TEXTS = (
    "",
    "BTCUSDT",
    "BTCUSD_PERP",
    "BTC-260828-120000-C",
    "BTC",
    "TRUE",
    "1h",
    "SPOT",
    "MAIN_UMFUTURE",
    "0",
    "-1",
    "1",
    "9" * 30,
    "²",
    str(SINCE),
    str(NOW),
)


@pytest.fixture(scope="module")
def exchange() -> Exchange:
    market = Market(7)
    return Exchange(market, DemoClock(NOW), open_accounts(market, SINCE))


def _asked(exchange: Exchange, place: int, endpoint: Endpoint, parameters: dict[str, str]) -> Asked:
    """A well-signed request with whatever parameters, of the account in some place."""
    known = [one for one in exchange.accounts if one.account.venue == "binance"]
    keys = known[place % len(known)].credentials
    query = "&".join(f"{name}={text}" for name, text in {**parameters, "timestamp": str(NOW)}.items())
    signature = signature_of(keys.secret, query.encode("latin-1"))
    headers = {"X-MBX-APIKEY": keys.key}
    return Asked(endpoint.method, endpoint.path, f"{query}&signature={signature}", headers, b"", "::1", NOW, NOW)


@settings(max_examples=400, deadline=None)
@given(
    place=st.integers(0, 20),
    endpoint=st.sampled_from(list(ENDPOINTS.values())),
    parameters=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(TEXTS), max_size=4),
)
def test_every_request_has_an_answer(
    exchange: Exchange, place: int, endpoint: Endpoint, parameters: dict[str, str]
) -> None:
    answer = BinanceVenue(exchange).answer(_asked(exchange, place, endpoint, parameters))

    assert answer.encoded()
    assert answer.status in {200, 400, 401}
    assert (answer.status == 200) != (
        isinstance(answer.content, dict) and "msg" in answer.content and len(answer.content) == 2
    )


@given(query=st.text(alphabet="abc=&%20é?", max_size=30), key=st.text(max_size=8), body=st.binary(max_size=20))
def test_nonsense_is_refused_and_breaks_nothing(exchange: Exchange, query: str, key: str, body: bytes) -> None:
    sent = query.encode().decode("latin-1")
    asked = Asked("POST", "/sapi/v3/asset/getUserAsset", sent, {"X-MBX-APIKEY": key}, body, "::1", NOW, NOW)

    assert BinanceVenue(exchange).answer(asked).status == 401


# ---------------------------------------------------------------- margin


@pytest.mark.parametrize("schedule", [LINEAR_BRACKETS, INVERSE_BRACKETS], ids=["linear", "inverse"])
def test_maintenance_has_no_jump_between_brackets(schedule: tuple[Bracket, ...]) -> None:
    for lower, upper in pairwise(schedule):
        edge = upper.floor
        assert lower.cap == edge
        assert edge * lower.ratio - lower.deduction == edge * upper.ratio - upper.deduction


def test_maintenance_by_hand() -> None:
    # 100,000 USDT lies in the second bracket: 100,000 x 0.5 % - 50,000 x (0.5 % - 0.4 %) = 450.
    bracket = bracket_of(by_symbol("binance", LINEAR)["BTCUSDT"], Decimal(-100_000))

    assert (bracket.ratio, bracket.deduction) == (Decimal("0.005"), Decimal(50))


@given(
    kind=st.sampled_from([LINEAR, INVERSE]),
    side=st.sampled_from([1, -1]),
    cover=st.decimals("0.06", "0.4", places=3),
    entry=st.decimals("80000", "120000", places=1),
)
def test_at_its_liquidation_price_margin_just_covers_maintenance(
    kind: str, side: int, cover: Decimal, entry: Decimal
) -> None:
    one = by_symbol("binance", kind)["BTCUSDT" if kind == LINEAR else "BTCUSD_PERP"]
    contracts = (Decimal("0.2") if kind == LINEAR else Decimal(200)) * side
    wallet = Wallet.USD_M if kind == LINEAR else Wallet.COIN_M
    position = Position(1, NOW, NOW, wallet, one, ONE_WAY, contracts, entry, Decimal(5))
    slot = Slot(one, ONE_WAY, entry, position)
    cash = abs(slot.notional) * cover
    pocket = Pocket(one.settle, cash, Decimal(0), slot.initial_margin, Decimal(0), slot.maintenance, NOW)
    price = liquidation_price(slot, pocket)

    assert (price > entry) == (side < 0)
    there = Slot(one, ONE_WAY, price, position)
    assert abs(cash + there.unrealised - there.maintenance) <= abs(slot.notional) * Decimal("1e-6")
