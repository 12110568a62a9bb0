"""What the test language says about wild days and about value between two own accounts."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import aiohttp

from portfolio_lab.demo.control import truth_of
from portfolio_lab.demo.exchange import DemoAccount
from portfolio_lab.demo.market import DAY_MS, PIN, Market
from portfolio_lab.demo.people import open_accounts
from portfolio_lab.demo.server import DemoExchange


def desk_of(market: Market) -> list[DemoAccount]:
    return [one for one in open_accounts(market, PIN) if one.account.user == "desk"]


async def test_wild_days_change_every_story_and_null_ends_them() -> None:
    async with DemoExchange() as demo, aiohttp.ClientSession(demo.url) as client:
        for seed in (5, None):
            async with client.post("/_demo/wild", json={"seed": seed}) as answer:
                assert await answer.json() == {"seed": seed}
            assert {one.story.wild for one in demo.exchange.accounts} == {seed}


async def test_a_sub_account_is_told_when_it_is_asked_for() -> None:
    async with DemoExchange() as demo, aiohttp.ClientSession(demo.url) as client:
        told = [await _accounts(client, more) for more in ({}, {"subs": "true"}, {"account": "binance:sub"})]
    four = {"binance:main", "binance:hedge", "okx:main", "okx:carry"}
    assert told == [four, four | {"binance:sub"}, {"binance:sub"}]


async def _accounts(client: aiohttp.ClientSession, more: dict[str, str]) -> set[str]:
    async with client.get("/_demo/truth", params={"user": "desk", **more}) as answer:
        return set((await answer.json())["accounts"])


def test_the_truth_tells_what_is_in_transit() -> None:
    """While a move is under way its worth is told apart from the accounts; otherwise it is 0."""
    market = Market(7)
    desk = desk_of(market)
    demo: Any = SimpleNamespace(exchange=SimpleNamespace(market=market, accounts=tuple(desk)))
    source = next(one for one in desk if one.account.name == "binance:main")
    source.view(PIN + 20 * DAY_MS)
    sent = next(flow for flow in source.book.flows("withdrawal", until=PIN + 20 * DAY_MS) if flow.completed_at)
    told = truth_of(demo, desk, sent.done_at, None)
    assert [(move["asset"], move["quantity"]) for move in told["in_transit"]] == [
        (sent.asset, format(sent.amount, "f"))
    ]
    price = market.coin_usd("binance", sent.asset, sent.done_at)
    assert price is not None
    assert abs(Decimal(told["in_transit_value"]) - sent.amount * price) < Decimal("1e-9")
    assert truth_of(demo, desk, sent.done_at - 1, None)["in_transit_value"] == "0"
