"""What rests at OKX, by type: its size in base units, its trigger and its limit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import AccountReader
from portfolio_lab.models.holdings import OpenOrder

Open = Callable[[str], Awaitable[AccountReader]]

SPOT = {"instId": "BTC-USDT", "instType": "SPOT", "side": "buy", "sz": "2", "cTime": "1708658165774"}
SWAP = {**SPOT, "instId": "BTC-USDT-SWAP", "instType": "SWAP"}
INVERSE = {**SPOT, "instId": "BTC-USD-SWAP", "instType": "SWAP"}
ORDER = {"ordId": "1", "ordType": "limit", "accFillSz": "0.5", "px": "50000", "reduceOnly": "false"}
ALGO = {"algoId": "9", "reduceOnly": "true", "tgtCcy": ""}


def algo(kind: str, base: dict[str, str], **fields: str) -> dict[str, str]:
    return {**base, **ALGO, "ordType": kind, **fields}


async def resting(reader: AccountReader, wire: Any, order: dict[str, str] | None = None, **waiting: Any) -> Any:
    async def algos(request: web.Request) -> web.Response:
        rows = waiting.get(request.query["ordType"])
        return web.json_response({"code": "0", "msg": "", "data": [rows] if rows else []})

    wire.answers["/api/v5/trade/orders-pending"] = {"code": "0", "msg": "", "data": [order] if order else []}
    wire.answers["/api/v5/trade/orders-algo-pending"] = algos
    return await reader.fetch_open_orders()


async def one(reader: AccountReader, wire: Any, row: dict[str, str]) -> OpenOrder:
    (order,) = await resting(reader, wire, **{row["ordType"]: row})
    return order


@pytest.mark.parametrize(("base", "quantity"), [(SPOT, "2"), (SWAP, "0.02"), (INVERSE, "0.004")])
async def test_sizes_are_in_base_units(reader_of: Open, wire: Any, base: dict[str, str], quantity: str) -> None:
    (order,) = await resting(await reader_of("okx"), wire, {**base, **ORDER})
    assert (order.quantity, order.filled) == (Decimal(quantity), Decimal(quantity) / 4)
    assert (order.price, order.trigger_price, order.order_type) == (50000, None, "limit")


CASES = [
    ("trigger", SWAP, {"triggerPx": "100", "ordPx": "-1"}, "0.02", "100", None),
    ("trigger", SWAP, {"triggerPx": "100", "ordPx": "99"}, "0.02", "100", "99"),
    ("trigger", SPOT, {"triggerPx": "100", "ordPx": "-1"}, "0.02", "100", None),  # 2 USDT at 100
    ("trigger", SPOT, {"triggerPx": "100", "ordPx": "-1", "tgtCcy": "base_ccy"}, "2", "100", None),
    ("trigger", SPOT, {"triggerPx": "100", "ordPx": "-1", "side": "sell"}, "2", "100", None),
    ("conditional", SPOT, {"tpTriggerPx": "100", "tpOrdPx": "-1", "tgtCcy": "quote_ccy"}, "0.02", "100", None),
    ("conditional", SWAP, {"sz": "", "slTriggerPx": "100", "slOrdPx": "-1"}, None, "100", None),
    (
        "oco",
        SWAP,
        {"slTriggerPx": "90", "slOrdPx": "-1", "tpTriggerPx": "110", "tpOrdPx": "111"},
        "0.02",
        "90",
        None,  # the limit of the other end is none of the stop's
    ),
    ("move_order_stop", SWAP, {"callbackRatio": "0.05", "moveTriggerPx": "95", "activePx": "80"}, "0.02", "95", None),
    ("move_order_stop", SWAP, {"callbackRatio": "0.05", "activePx": "80"}, "0.02", "80", None),
    ("move_order_stop", INVERSE, {"callbackRatio": "0.05"}, None, None, None),
    ("iceberg", SPOT, {"pxLimit": "100", "szLimit": "1"}, "2", None, "100"),
    ("twap", SPOT, {"pxLimit": "", "szLimit": "1", "timeInterval": "10"}, "2", None, None),
    ("twap", INVERSE, {"pxLimit": "100", "szLimit": "1"}, "2", None, "100"),
]


@pytest.mark.parametrize(("kind", "base", "fields", "quantity", "trigger", "price"), CASES)
async def test_all_six_kinds_that_wait(
    reader_of: Open,
    wire: Any,
    kind: str,
    base: dict[str, str],
    fields: dict[str, str],
    quantity: str | None,
    trigger: str | None,
    price: str | None,
) -> None:
    order = await one(await reader_of("okx"), wire, algo(kind, base, **fields))
    expected = tuple(None if text is None else Decimal(text) for text in (quantity, trigger, price))
    assert (order.quantity, order.trigger_price, order.price) == expected
    assert (order.order_id, order.order_type, order.filled, order.reduce_only) == ("algo-9", kind, 0, True)


async def test_all_six_kinds_are_asked(reader_of: Open, wire: Any) -> None:
    assert await resting(await reader_of("okx"), wire) == ()
    asked = [request.query["ordType"] for request in wire.asked if request.path.endswith("algo-pending")]
    assert sorted(asked) == ["conditional", "iceberg", "move_order_stop", "oco", "trigger", "twap"]


@pytest.mark.parametrize("fields", [{"sz": "-1"}, {"side": "hold"}, {"cTime": ""}, {"triggerPx": "NaN"}])
async def test_bad_orders_are_refused(reader_of: Open, wire: Any, fields: dict[str, str]) -> None:
    with pytest.raises(AnswerShapeError):
        await one(await reader_of("okx"), wire, algo("trigger", SWAP, **{"triggerPx": "1", **fields}))


async def test_many_orders_are_read_page_by_page(reader_of: Open, wire: Any) -> None:
    rows = [{**SPOT, **ORDER, "ordId": str(number)} for number in range(250, 0, -1)]

    async def page(request: web.Request) -> web.Response:
        after = int(request.query.get("after", 1_000))
        return web.json_response({"code": "0", "data": [row for row in rows if int(row["ordId"]) < after][:100]})

    reader = await reader_of("okx")
    await resting(reader, wire)
    wire.answers["/api/v5/trade/orders-pending"] = page
    orders = await reader.fetch_open_orders()
    assert sorted(int(order.order_id) for order in orders) == list(range(1, 251))
