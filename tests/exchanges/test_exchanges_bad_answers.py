"""No bad answer is ever taken for a holding: every shape of wrongness, at every endpoint, over sockets."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from portfolio_lab.errors import AnswerShapeError, VenueError
from portfolio_lab.exchanges import AccountReader
from portfolio_lab.models.accounts import Wallet

Open = Callable[[str], Awaitable[AccountReader]]

HTML = b"<!DOCTYPE html><html><body>Just a moment...</body></html>"
STATUSES = [*range(201, 206), 300, 301, 302, 303, 307, 308, *range(400, 432), 451, *range(500, 531), 599]

# endpoint -> (venue, wallet or None for quotes, may `[]` be a true answer?)
ENDPOINTS: dict[str, tuple[str, Wallet | None, bool]] = {
    "/sapi/v3/asset/getUserAsset": ("binance", Wallet.SPOT, True),
    "/sapi/v1/asset/get-funding-asset": ("binance", Wallet.FUNDING, True),
    "/fapi/v3/account": ("binance", Wallet.USD_M, False),
    "/fapi/v3/positionRisk": ("binance", Wallet.USD_M, False),
    "/dapi/v1/account": ("binance", Wallet.COIN_M, False),
    "/dapi/v1/positionRisk": ("binance", Wallet.COIN_M, False),
    "/api/v3/ticker/price": ("binance", None, False),
    "/dapi/v1/premiumIndex": ("binance", None, False),
    "/api/v5/account/balance": ("okx", Wallet.TRADING, False),
    "/api/v5/account/positions": ("okx", Wallet.TRADING, False),
    "/api/v5/asset/balances": ("okx", Wallet.FUNDING, False),
    "/api/v5/market/tickers": ("okx", None, False),
}

BAD_NUMBERS: list[Any] = [
    None, 1, 1.5, True, [], {}, "", " ", "NaN", "nan", "Infinity", "-Infinity", "inf", "1e5", "1E-8", "1e400", "0x10",
    "1,000", "1.", ".5", "+1", "--1", "1 ", " 1", "1_000", "１２", "١", "1" * 40, "null", "<b>1</b>", "1\u0000",
]  # fmt: skip

NOT_AMOUNTS = {"asset", "symbol", "positionSide", "pair", "instId", "instType", "posSide", "ccy", "marginAsset"}
IGNORED = {"code", "msg", "frozenBal"}  # the envelope has cases of its own; frozenBal is no part of a quantity
MAY_BE_GONE = {"availEq", "availBal", "lever", "liqPx", "marginAsset"}
MAY_BE_BLANK = {*MAY_BE_GONE, "last", "upl", "leverage"}


def bodies(good: Any) -> Iterator[tuple[str, bytes]]:
    """Whole bodies that are wrong, whatever the endpoint."""
    text = json.dumps(good).encode()
    yield from {
        "html": HTML, "empty": b"", "blank": b"  ", "null": b"null", "object": b"{}", "list": b"[]", "text": b'"OK"',
        "number": b"0", "true": b"true", "half": text[: len(text) // 2], "one short": text[:-1], "tail": text + b"x",
        "twice": text + text, "bom": b"\xef\xbb\xbf" + text, "utf-16": text.decode().encode("utf-16"),
        "latin": text.replace(b'": ', b'\xff": ', 1), "wrapped": b"[" + text + b"]",
        "nested": b"[" * 100_000, "nested well": b"[" * 200 + b"]" * 200, "in data": b'{"data":' + text + b"}",
        "NaN": b'{"x": NaN}', "comment": b"/*" + text + b"*/", "single quotes": text.replace(b'"', b"'"),
        "list of null": b"[null]", "list of list": b"[[]]", "list of object": b"[{}]", "error in 200": b'{"code":-1}',
        "okx empty": b'{"code":"0","msg":"","data":[{}]}', "okx null": b'{"code":"0","msg":"","data":null}',
        "okx object": b'{"code":"0","msg":"","data":{}}', "okx number": b'{"code":0,"msg":"","data":[]}',
        "okx code": b'{"code":"1","msg":"","data":[]}', "okx no code": b'{"msg":"","data":[]}',
    }.items()  # fmt: skip


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        for key, below in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*path, key)
            yield from leaves(below, (*path, key))


def changed(good: Any, path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> bytes:
    answer = copy.deepcopy(good)
    parent = answer
    for key in path[:-1]:
        parent = parent[key]
    change(parent, path[-1])
    return json.dumps(answer).encode()


def field_faults(good: Any) -> Iterator[tuple[str, bytes]]:
    """One field at a time: gone, renamed, or of every wrong kind."""
    for path in leaves(good):
        name = path[-1]
        if not isinstance(name, str) or name in IGNORED:
            continue
        if name not in MAY_BE_GONE:
            yield f"{path} gone", changed(good, path, lambda parent, key: parent.pop(key))
            yield f"{path} renamed", changed(good, path, lambda owner, key: owner.update({key + "_": owner.pop(key)}))
        if name in NOT_AMOUNTS or not isinstance(_at(good, path), str):
            wrong: list[Any] = [None, 1.5, [[]], "x"] if not isinstance(_at(good, path), str) else [None, 1, [], {}]
        else:
            wrong = [bad for bad in BAD_NUMBERS if bad != "" or name not in MAY_BE_BLANK]
        for bad in wrong:
            yield f"{path} = {bad!r}", changed(good, path, lambda parent, key, bad=bad: parent.update({key: bad}))


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


async def read(reader: AccountReader, wallet: Wallet | None) -> Any:
    return await (reader.market.fetch_quotes() if wallet is None else reader.fetch_wallet(wallet))


def reopen(reader: AccountReader) -> None:
    reader.market._governor.forget()
    reader._client.breaker.mend()


async def accepted(
    reader: AccountReader, wire: Any, endpoint: str, cases: Iterator[tuple[str, bytes]], status: int = 200
) -> tuple[int, list[str]]:
    """How many cases were tried, and the names of those that were taken for an answer."""
    names, tried = [], 0
    for name, body in cases:
        wire.say(endpoint, status, body, {"Content-Type": "application/json"})
        reopen(reader)
        tried += 1
        try:
            await read(reader, ENDPOINTS[endpoint][1])
        except VenueError as refusal:
            if refusal.__cause__ is not None:
                names.append(f"{name} keeps its cause")
        else:
            names.append(name)
    return tried, names


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_healthy_answers_are_read(reader_of: Open, endpoint: str) -> None:
    venue, wallet, _ = ENDPOINTS[endpoint]
    assert await read(await reader_of(venue), wallet)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_wrong_bodies_are_refused(reader_of: Open, wire: Any, endpoint: str) -> None:
    venue, _, may_be_empty = ENDPOINTS[endpoint]
    reader = await reader_of(venue)
    tried, names = await accepted(reader, wire, endpoint, bodies(wire.answers[endpoint]))
    assert tried > 30
    assert names == (["list"] if may_be_empty else [])


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_wrong_fields_are_refused(reader_of: Open, wire: Any, endpoint: str) -> None:
    reader = await reader_of(ENDPOINTS[endpoint][0])
    tried, names = await accepted(reader, wire, endpoint, field_faults(wire.answers[endpoint]))
    assert tried > 20
    assert names == []


@pytest.mark.parametrize("endpoint", ["/fapi/v3/account", "/api/v5/account/balance"])
@pytest.mark.parametrize("body", [HTML, b"{}", b"", None], ids=["html", "object", "empty", "a good body"])
async def test_no_other_status_is_an_answer(reader_of: Open, wire: Any, endpoint: str, body: bytes | None) -> None:
    reader = await reader_of(ENDPOINTS[endpoint][0])
    content = json.dumps(wire.answers[endpoint]).encode() if body is None else body
    for status in STATUSES:
        _, names = await accepted(reader, wire, endpoint, iter([(str(status), content)]), status)
        assert names == []


@pytest.mark.parametrize(
    ("endpoint", "rows"),
    [
        ("/sapi/v3/asset/getUserAsset", ()),
        ("/sapi/v1/asset/get-funding-asset", ()),
        ("/fapi/v3/account", ("assets",)),
        ("/fapi/v3/positionRisk", ()),
        ("/dapi/v1/account", ("assets",)),
        ("/api/v5/account/balance", ("data", 0, "details")),
        ("/api/v5/account/positions", ("data",)),
        ("/api/v5/asset/balances", ("data",)),
    ],
)
async def test_two_rows_for_one_name_are_refused(
    reader_of: Open, wire: Any, endpoint: str, rows: tuple[Any, ...]
) -> None:
    venue, wallet, _ = ENDPOINTS[endpoint]
    listed = _at(wire.answers[endpoint], rows)
    listed.append(copy.deepcopy(listed[0]))
    reader = await reader_of(venue)
    with pytest.raises(AnswerShapeError):
        await read(reader, wallet)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_a_key_that_stands_twice_is_refused(reader_of: Open, wire: Any, endpoint: str) -> None:
    venue, wallet, _ = ENDPOINTS[endpoint]
    text = json.dumps(wire.answers[endpoint])
    at = text.rindex("{") + 1
    first_key = text[at : text.index(":", at)]
    wire.say(endpoint, 200, (text[:at] + first_key + ' : "7", ' + text[at:]).encode())
    with pytest.raises(AnswerShapeError, match="twice"):
        await read(await reader_of(venue), wallet)


async def test_colons_in_texts_are_no_keys(reader_of: Open, wire: Any) -> None:
    wire.answers["/sapi/v1/asset/get-funding-asset"][0]["note"] = 'a "quoted": text, 12:30'
    reading = await (await reader_of("binance")).fetch_wallet(Wallet.FUNDING)
    assert reading.balances[0].quantity == Decimal("1.875")


@pytest.mark.parametrize("asset", ["", "usdt", "<B>", "A" * 21, "BTC ", "ВТС", "=1+1", "../x", "A\u202eB"])
async def test_unusual_asset_codes_are_refused(reader_of: Open, wire: Any, asset: str) -> None:
    wire.answers["/sapi/v1/asset/get-funding-asset"][0]["asset"] = asset
    reader = await reader_of("binance")
    with pytest.raises(AnswerShapeError):
        await reader.fetch_wallet(Wallet.FUNDING)


@pytest.mark.parametrize("asset", ["1INCH", "1000SATS", "LDUSDT", "U", "1000000MOG"])
async def test_listed_codes_with_digits_are_read(reader_of: Open, wire: Any, asset: str) -> None:
    wire.answers["/sapi/v1/asset/get-funding-asset"][0]["asset"] = asset
    reading = await (await reader_of("binance")).fetch_wallet(Wallet.FUNDING)
    assert reading.balances[0].asset == asset


async def test_an_empty_spot_list_is_not_believed_against_the_account(reader_of: Open, wire: Any) -> None:
    reader = await reader_of("binance")
    wire.answers["/sapi/v3/asset/getUserAsset"] = []
    empty = await reader.fetch_wallet(Wallet.SPOT)
    assert (empty.balances, len(empty.answers)) == ((), 2)
    wire.answers["/api/v3/account"]["balances"] = [{"asset": "BTC", "free": "0.1", "locked": "0"}]
    with pytest.raises(AnswerShapeError, match="contradict"):
        await reader.fetch_wallet(Wallet.SPOT)


async def test_a_strange_name_of_a_coin_that_nobody_holds_is_no_matter(reader_of: Open, wire: Any) -> None:
    reader = await reader_of("binance")
    wire.answers["/sapi/v3/asset/getUserAsset"] = []
    wire.answers["/api/v3/account"]["balances"] = [{"asset": "币安人生", "free": "0.00000000", "locked": "0.00000000"}]
    assert (await reader.fetch_wallet(Wallet.SPOT)).balances == ()
    row = {"asset": "币安人生", **dict.fromkeys(("free", "locked", "borrowed", "interest", "netAsset"), "0")}
    wire.answers["/sapi/v1/margin/account"] = {"totalNetAssetOfBtc": "0", "userAssets": [row]}
    assert (await reader.fetch_wallet(Wallet.CROSS_MARGIN)).balances == ()
    row |= {"free": "1", "netAsset": "1"}
    with pytest.raises(AnswerShapeError, match="asset code"):
        await reader.fetch_wallet(Wallet.CROSS_MARGIN)


async def test_a_margin_balance_that_is_not_the_sum_is_refused(reader_of: Open, wire: Any) -> None:
    wire.answers["/fapi/v3/account"]["assets"][0]["marginBalance"] = "501"
    with pytest.raises(AnswerShapeError, match="margin balance"):
        await (await reader_of("binance")).fetch_wallet(Wallet.USD_M)


async def test_a_gzip_bomb_is_cut_off(reader_of: Open, wire: Any) -> None:
    bomb = gzip.compress(b"[" + b" " * 60_000_000 + b"]")
    wire.say("/fapi/v3/account", 200, bomb, {"Content-Encoding": "gzip", "Content-Type": "application/json"})
    with pytest.raises(AnswerShapeError, match="larger than"):
        await (await reader_of("binance")).fetch_wallet(Wallet.USD_M)
