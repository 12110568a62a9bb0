"""What each refusal means for us, what is tried again, and that no secret is ever told."""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from portfolio_lab import errors
from portfolio_lab.exchanges import AccountReader, Hub
from portfolio_lab.exchanges.payloads import milliseconds
from portfolio_lab.models.accounts import Account, Credentials, Wallet

Open = Callable[[str], Awaitable[AccountReader]]

USD_M, TRADING = "/fapi/v3/account", "/api/v5/account/balance"
HTML = b"<html>Forbidden</html>"

BINANCE_CASES = [
    (401, -2015, errors.CredentialsError),
    (401, -2014, errors.CredentialsError),
    (401, -2008, errors.CredentialsError),
    (400, -1022, errors.CredentialsError),
    (400, -1021, errors.ClockSkewError),
    (429, -1003, errors.RateLimitedError),
    (418, -1003, errors.BannedError),
    (400, -1003, errors.RateLimitedError),
    (400, -4109, errors.WalletRefusedError),
    (500, -1000, errors.UnreachableError),
    (503, -1001, errors.UnreachableError),
    (408, -1007, errors.UnreachableError),
    (400, -1102, errors.VenueError),
    (200, -2015, errors.CredentialsError),
    (200, -9999, errors.VenueError),
    (418, -2015, errors.BannedError),
]
OKX_CASES = [
    (401, "50111", errors.CredentialsError),
    (401, "50113", errors.CredentialsError),
    (401, "50105", errors.CredentialsError),
    (401, "50119", errors.CredentialsError),
    (401, "50103", errors.CredentialsError),
    (401, "50110", errors.CredentialsError),
    (200, "50111", errors.CredentialsError),
    (401, "50120", errors.WalletRefusedError),
    (403, "50035", errors.WalletRefusedError),
    (401, "50102", errors.ClockSkewError),
    (429, "50011", errors.RateLimitedError),
    (429, "50061", errors.RateLimitedError),
    (503, "50001", errors.MaintenanceError),
    (429, "50013", errors.UnreachableError),
    (500, "50026", errors.UnreachableError),
    (200, "50014", errors.VenueError),
    (200, "99999", errors.VenueError),
]
PAGES = [
    (403, HTML, errors.BannedError),
    (429, HTML, errors.RateLimitedError),
    (418, HTML, errors.BannedError),
    (500, HTML, errors.UnreachableError),
    (502, HTML, errors.UnreachableError),
    (503, HTML, errors.UnreachableError),
    (503, b"<html>System maintenance</html>", errors.MaintenanceError),
    (504, HTML, errors.UnreachableError),
    (507, HTML, errors.UnreachableError),
    (524, HTML, errors.UnreachableError),
    (401, HTML, errors.CredentialsError),
    (451, HTML, errors.VenueError),
    (302, HTML, errors.AnswerShapeError),
    (200, HTML, errors.AnswerShapeError),
]


async def refusal_of(reader: AccountReader, wallet: Wallet) -> errors.VenueError:
    with pytest.raises(errors.VenueError) as caught:
        await reader.fetch_wallet(wallet)
    return caught.value


@pytest.mark.parametrize(("status", "code", "kind"), BINANCE_CASES)
async def test_binance_codes(reader_of: Open, wire: Any, status: int, code: int, kind: type) -> None:
    wire.say(USD_M, status, json.dumps({"code": code, "msg": "words that are not shown"}).encode())
    refusal = await refusal_of(await reader_of("binance"), Wallet.USD_M)
    assert type(refusal) is kind
    assert (refusal.venue, refusal.endpoint, refusal.venue_code) == ("binance", USD_M, str(code))
    assert "not shown" not in str(refusal)


async def test_binance_maintenance(reader_of: Open, wire: Any) -> None:
    wire.say(USD_M, 503, b'{"code": -1, "msg": "System is under maintenance."}')
    assert type(await refusal_of(await reader_of("binance"), Wallet.USD_M)) is errors.MaintenanceError


@pytest.mark.parametrize(("status", "code", "kind"), OKX_CASES)
async def test_okx_codes(reader_of: Open, wire: Any, status: int, code: str, kind: type) -> None:
    wire.say(TRADING, status, json.dumps({"code": code, "msg": "words", "data": []}).encode())
    refusal = await refusal_of(await reader_of("okx"), Wallet.TRADING)
    assert type(refusal) is kind
    assert refusal.venue_code == code


@pytest.mark.parametrize(("venue", "path", "wallet"), [("binance", USD_M, "usd_m"), ("okx", TRADING, "trading")])
@pytest.mark.parametrize(("status", "body", "kind"), PAGES)
async def test_pages_of_front_servers(
    reader_of: Open, wire: Any, venue: str, path: str, wallet: str, status: int, body: bytes, kind: type
) -> None:
    wire.say(path, status, body, {"Content-Type": "text/html"})
    assert type(await refusal_of(await reader_of(venue), Wallet(wallet))) is kind


# ---------------------------------------------------------------- tried again, or not


@pytest.mark.parametrize(
    ("status", "body", "times"),
    [
        (500, HTML, 3),
        (401, b'{"code": -2015, "msg": ""}', 1),
        (429, b'{"code": -1003, "msg": ""}', 1),
        (418, b'{"code": -1003, "msg": ""}', 1),
        (200, HTML, 1),
        (400, b'{"code": -1021, "msg": ""}', 2),
    ],
)
async def test_how_often_it_is_asked(reader_of: Open, wire: Any, status: int, body: bytes, times: int) -> None:
    wire.say(USD_M, status, body)
    await refusal_of(await reader_of("binance"), Wallet.USD_M)
    assert wire.count(USD_M) == times


async def test_a_passing_outage_is_survived(reader_of: Open, wire: Any) -> None:
    good = wire.answers[USD_M]

    async def second_time(request: web.Request) -> web.Response:
        return web.Response(status=502) if wire.count(USD_M) < 2 else web.json_response(good)

    wire.answers[USD_M] = second_time
    assert (await (await reader_of("binance")).fetch_wallet(Wallet.USD_M)).balances


async def test_a_revoked_key_that_worked_before_is_no_ban(reader_of: Open, wire: Any) -> None:
    reader = await reader_of("binance")
    wire.answers["/sapi/v3/asset/getUserAsset"] = []
    await reader.fetch_wallet(Wallet.SPOT)
    wire.say("/api/v3/account", 401, b'{"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}')
    assert type(await refusal_of(reader, Wallet.SPOT)) is errors.CredentialsError


async def test_a_skewed_clock_is_measured_anew(reader_of: Open, wire: Any) -> None:
    ahead = timedelta(seconds=90)
    good = wire.answers[USD_M]

    async def time(request: web.Request) -> web.Response:
        return web.json_response({"serverTime": milliseconds(datetime.now(UTC) + ahead)})

    async def strict(request: web.Request) -> web.Response:
        off = datetime.fromtimestamp(int(request.query["timestamp"]) / 1000, UTC) - datetime.now(UTC) - ahead
        is_right = abs(off) < timedelta(seconds=1)
        return web.json_response(good if is_right else {"code": -1021, "msg": ""}, status=200 if is_right else 400)

    wire.answers["/api/v3/time"], wire.answers[USD_M] = time, strict
    reader = await reader_of("binance")
    assert (await reader.fetch_wallet(Wallet.USD_M)).balances
    assert wire.count(USD_M) == 2
    offset = await reader.market.measure_clock()
    assert abs(offset - ahead) < timedelta(seconds=1)


async def test_a_clock_that_cannot_be_measured_is_asked_for_once(reader_of: Open, wire: Any) -> None:
    """A venue that answers even the question for its time with that refusal was once asked for it without end."""
    for path in ("/api/v3/time", USD_M):
        wire.say(path, 400, b'{"code": -1021, "msg": ""}')
    reader = await reader_of("binance")
    assert type(await refusal_of(reader, Wallet.USD_M)) is errors.ClockSkewError
    assert (wire.count(USD_M), wire.count("/api/v3/time")) == (1, 1)


async def test_retry_after_keeps_everybody_away(wire: Any) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    async with Hub(clock=lambda: now) as hub:
        readers = [
            await hub.reader(Account("ann", "binance", label, base_url=wire.url), Credentials("k", "s"))
            for label in ("one", "two")
        ]
        wire.say(USD_M, 429, b'{"code": -1003, "msg": ""}', {"Retry-After": "77"})
        first = await refusal_of(readers[0], Wallet.USD_M)
        second = await refusal_of(readers[1], Wallet.FUNDING)
        assert (type(first), first.retry_after) == (errors.RateLimitedError, 77)
        assert (type(second), second.retry_after) == (errors.RateLimitedError, 77)
        assert len(wire.asked) == 1
        now += timedelta(seconds=78)
        assert (await readers[1].fetch_wallet(Wallet.FUNDING)).balances


async def test_a_ban_closes_one_venue_only(reader_of: Open, wire: Any) -> None:
    binance, okx = await reader_of("binance"), await reader_of("okx")
    wire.say(USD_M, 418, b'{"code": -1003, "msg": ""}', {"Retry-After": "120"})
    assert type(await refusal_of(binance, Wallet.USD_M)) is errors.BannedError
    assert type(await refusal_of(binance, Wallet.FUNDING)) is errors.BannedError
    assert (await okx.fetch_wallet(Wallet.FUNDING)).balances


# ---------------------------------------------------------------- the wire


async def test_nothing_listens(hub: Hub) -> None:
    account = Account("ann", "binance", "main", base_url="http://127.0.0.1:9")
    refusal = await refusal_of(await hub.reader(account, Credentials("k", "s")), Wallet.USD_M)
    assert type(refusal) is errors.UnreachableError


async def test_a_redirect_is_not_followed(reader_of: Open, wire: Any) -> None:
    wire.say(USD_M, 302, b"", {"Location": f"{wire.url}/elsewhere"})
    assert type(await refusal_of(await reader_of("binance"), Wallet.USD_M)) is errors.AnswerShapeError
    assert wire.count("/elsewhere") == 0


async def test_an_answer_that_drips_meets_the_deadline(wire: Any) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b" ")
            await asyncio.sleep(0.05)
        return response

    wire.answers[USD_M] = drip
    async with Hub(clock=lambda: datetime.now(UTC), deadline=0.3) as hub:
        account = Account("ann", "binance", "main", base_url=wire.url)
        refusal = await refusal_of(await hub.reader(account, Credentials("k", "s")), Wallet.USD_M)
    assert type(refusal) is errors.DeadlineError


async def test_time_in_line_is_no_part_of_the_deadline(wire: Any) -> None:
    async with Hub(clock=lambda: datetime.now(UTC), deadline=0.3) as hub:
        account = Account("ann", "binance", "main", base_url=wire.url)
        reader = await hub.reader(account, Credentials("k", "s"))
        reader.market._governor.close(0.6, is_ban=False)
        assert (await reader.fetch_wallet(Wallet.FUNDING)).balances


async def test_a_connection_cut_in_the_middle(reader_of: Open, wire: Any) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"assets": [')
        assert request.transport is not None
        request.transport.close()
        return response

    wire.answers[USD_M] = cut
    assert type(await refusal_of(await reader_of("binance"), Wallet.USD_M)) is errors.UnreachableError
    assert wire.count(USD_M) == 3


@pytest.mark.parametrize(
    "address", ["http://example.com", "ftp://127.0.0.1", "example.com", "http://127.0.0.1.evil.io"]
)
async def test_keys_never_travel_in_clear(hub: Hub, address: str) -> None:
    with pytest.raises(errors.VenueError, match="https"):
        await hub.reader(Account("ann", "okx", "main", base_url=address), Credentials("k", "s", "p"))


async def test_nothing_but_the_reads_can_be_sent(reader_of: Open, wire: Any) -> None:
    exchange = (await reader_of("binance"))._client._exchange
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
    with pytest.raises(errors.VenueError, match="not among those"):
        await exchange.request("order", ["private"], "POST", order)
    with pytest.raises(AttributeError):
        await exchange.request("order", ["private"], "DELETE", order)
    assert wire.asked == []


async def test_a_wallet_of_another_venue(reader_of: Open) -> None:
    assert type(await refusal_of(await reader_of("okx"), Wallet.COIN_M)) is errors.WalletRefusedError


# ---------------------------------------------------------------- secrets


def spoken(error: BaseException) -> str:
    return "\n".join((str(error), repr(error), *traceback.format_exception(error)))


@pytest.mark.parametrize(("venue", "path", "wallet"), [("binance", USD_M, "usd_m"), ("okx", TRADING, "trading")])
async def test_no_secret_in_errors_or_logs(
    hub: Hub, wire: Any, caplog: pytest.LogCaptureFixture, venue: str, path: str, wallet: str
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("ccxt").setLevel(logging.DEBUG)
    keys = Credentials("canarykey0123456789", "canarysecret0123456789", "canarypassphrase0123")
    echo = []

    async def mirror(request: web.Request) -> web.Response:
        echo.extend([*request.query.values(), request.headers.get("OK-ACCESS-SIGN", "")])
        return web.Response(status=status, text=f"{request.path_qs} {dict(request.headers)}")

    wire.answers[path] = mirror
    texts = []
    for status in (200, 302, 400, 401, 403, 404, 418, 429, 500, 503, 520):
        reader = await hub.reader(Account("ann", venue, f"s{status}", base_url=wire.url), keys)
        reader.market._governor.forget()
        texts.append(spoken(await refusal_of(reader, Wallet(wallet))))
        texts.extend((repr(reader), repr(keys), repr(reader._client)))
    told = "\n".join([*texts, caplog.text])
    signatures = [value for value in echo if len(value) > 30]
    assert signatures
    for secret in (keys.key, keys.secret, keys.passphrase, "signature", "timestamp=", *signatures):
        assert secret not in told
