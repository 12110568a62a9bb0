"""Faults, the test language and the truth over the wire, as a plain HTTP client sees them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from portfolio_lab.demo import users
from portfolio_lab.demo.clock import DemoClock
from portfolio_lab.demo.server import DemoExchange

NOW = datetime(2026, 9, 10, tzinfo=UTC)
TIME = "/api/v5/public/time"


@pytest.fixture
async def demo() -> AsyncIterator[DemoExchange]:
    async with DemoExchange(now=NOW) as running:
        yield running


@pytest.fixture
async def client(demo: DemoExchange) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(demo.url) as session:
        yield session


async def ask(client: aiohttp.ClientSession, path: str = TIME) -> tuple[int, str, bytes]:
    async with client.get(path, allow_redirects=False) as answer:
        return answer.status, answer.content_type, await answer.read()


@pytest.mark.parametrize(
    ("fault", "status", "kind", "body"),
    [
        ({"status": 503}, 503, "application/json", b""),
        (
            {"status": 429, "body": {"code": "50011"}, "headers": {"Retry-After": "3"}},
            429,
            "application/json",
            b'{"code":"50011"}',
        ),
        ({"empty": True}, 200, "application/json", b""),
        ({"body": "{}"}, 200, "application/json", b"{}"),
        ({"redirect": "https://example.invalid/"}, 302, "application/json", b""),
    ],
)
async def test_an_answer_is_replaced(
    client: aiohttp.ClientSession, demo: DemoExchange, fault: dict[str, Any], status: int, kind: str, body: bytes
) -> None:
    demo.faults.add({"path": TIME, "times": 1, **fault})
    assert await ask(client) == (status, kind, body)
    assert (await ask(client))[0] == 200


async def test_html_comes_with_status_200(client: aiohttp.ClientSession, demo: DemoExchange) -> None:
    demo.faults.add({"path": "/api/v5/*", "html200": True})
    status, kind, body = await ask(client)
    assert (status, kind) == (200, "text/html")
    assert body.startswith(b"<!DOCTYPE html>")


async def test_a_truncated_body_is_half_of_it(client: aiohttp.ClientSession, demo: DemoExchange) -> None:
    whole = (await ask(client))[2]
    demo.faults.add({"path": TIME, "truncate": True})
    assert len((await ask(client))[2]) == len(whole) // 2


async def test_a_cut_connection_breaks_off(client: aiohttp.ClientSession, demo: DemoExchange) -> None:
    demo.faults.add({"path": TIME, "cut": True})
    with pytest.raises(aiohttp.ClientError):
        await ask(client)


async def test_slow_answers_are_whole(client: aiohttp.ClientSession, demo: DemoExchange) -> None:
    demo.faults.add({"path": TIME, "latency": 0.01, "drip": 0.001})
    assert b'"code":"0"' in (await ask(client))[2]


async def test_a_skewed_clock_is_told(client: aiohttp.ClientSession, demo: DemoExchange) -> None:
    demo.faults.add({"path": TIME, "skew_seconds": 3600})
    async with client.get(TIME) as answer:
        told = int((await answer.json())["data"][0]["ts"]) / 1000
    assert told - NOW.timestamp() >= 3600


async def test_a_fault_for_one_account_spares_the_others(client: aiohttp.ClientSession, demo: DemoExchange) -> None:
    demo.faults.add({"path": "/api/v5/account/balance", "user": "carol", "account": "okx:main", "status": 500})
    statuses = {}
    for user in users():
        for account in user.accounts:
            headers = {"OK-ACCESS-KEY": user.credentials[account.key].key}
            async with client.get("/api/v5/account/balance", headers=headers) as answer:
                statuses[account.key] = answer.status
    assert [key for key, status in statuses.items() if status == 500] == [("carol", "okx", "main")]


async def test_the_test_language(client: aiohttp.ClientSession, demo: DemoExchange) -> None:
    async with client.post("/_demo/faults", json={"path": TIME, "status": 418}) as answer:
        assert (await answer.json()) == [{"path": TIME, "times": None}]
    assert (await ask(client))[0] == 418
    await client.delete("/_demo/faults")
    assert (await ask(client))[0] == 200
    async with client.get("/_demo/requests") as answer:
        assert (await answer.json())[TIME] == 2
    async with client.post("/_demo/faults", json={"pathh": TIME}) as answer:
        assert answer.status == 400
    later = NOW + timedelta(days=1)
    async with client.post("/_demo/clock", json={"now": later.isoformat()}) as answer:
        assert (await answer.json())["book"] == "2026-09-11T00:00:00Z"


async def test_the_truth_adds_up_over_accounts(client: aiohttp.ClientSession) -> None:
    async with client.get("/_demo/truth", params={"user": "desk", "since": "2026-08-20T00:00:00Z"}) as answer:
        truth = await answer.json()
    accounts = truth["accounts"]
    assert set(accounts) == {"binance:main", "binance:hedge", "okx:main", "okx:carry"}
    assert Decimal(truth["equity"]) == sum(Decimal(one["equity"]) for one in accounts.values())
    for one in accounts.values():
        assert Decimal(one["equity"]) == sum(Decimal(wallet["equity"]) for wallet in one["wallets"])
    async with client.get("/_demo/truth", params={"user": "desk", "at": "2027-01-01"}) as answer:
        assert answer.status == 400


async def test_a_granted_coin_without_a_market_is_unpriced(client: aiohttp.ClientSession) -> None:
    gift = {"user": "alice", "account": "binance:main", "wallet": "spot", "asset": "LOST", "quantity": "12"}
    await client.post("/_demo/grants", json=gift)
    async with client.get("/_demo/truth", params={"user": "alice"}) as answer:
        assert (await answer.json())["equity"] is None
    async with client.post("/_demo/grants", json={**gift, "asset": "BTC"}) as answer:
        assert answer.status == 400


async def test_the_key_in_trouble_dies_two_days_before_the_end(demo: DemoExchange) -> None:
    """From 2026-08-01 + 90 days - 2 days = 2026-10-28."""
    carol = next(one for one in demo.exchange.accounts if one.account.key == ("carol", "binance", "main"))
    end = int(datetime(2026, 10, 28, tzinfo=UTC).timestamp() * 1000)
    assert not carol.revoked(end - 1)
    assert carol.revoked(end)


def test_a_scripted_book_stands_still_while_the_wire_ticks() -> None:
    real = [1_000_000]
    clock = DemoClock(50_000, real=lambda: real[0])
    real[0] += 7_000
    assert (clock.wire(), clock.book()) == (57_000, 50_000)
    clock.set(90_000)
    assert (clock.wire(), clock.book()) == (90_000, 90_000)
    clock.run()
    real[0] += 7_000
    assert (clock.wire(), clock.book()) == (97_000, 95_000)


def test_no_demo_secret_is_shown() -> None:
    for user in users():
        shown = repr(user)
        for credentials in user.credentials.values():
            assert credentials.secret not in shown
            assert credentials.key not in shown
