"""Venues of unified calls: unmodified ccxt over sockets against small servers in the venues' shapes."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from portfolio_lab import errors
from portfolio_lab.demo import bybit as bybit_face
from portfolio_lab.demo.bybit import BybitFace
from portfolio_lab.demo.generic_book import SmallBook, SmallFill, SmallFlow, SmallOrder, SmallPosition
from portfolio_lab.demo.kraken import KrakenFace
from portfolio_lab.demo.wire import Answer, Asked
from portfolio_lab.exchanges import AccountReader, Hub
from portfolio_lab.exchanges.hub import VENUES
from portfolio_lab.models.accounts import Account, Credentials, Wallet
from portfolio_lab.models.activity import ActivityRow
from portfolio_lab.models.holdings import Balance, ContractKind

D = Decimal
NOW = int(time.time() * 1000) // 1000 * 1000
HOUR, DAY = 3_600_000, 86_400_000
SECRET = base64.b64encode(b"canary secret of a small book").decode()


def bybit_book() -> SmallBook:
    return SmallBook(
        key="canarykey",
        secret=SECRET,
        uid="4711",
        coins={"BTC": (D("1.5"), D("0.25")), "USDT": (D("1000.000000000000000001"), D(0)), "ETH": (D(0), D(0))},
        positions=[
            SmallPosition("BTCUSDT", D("-0.5"), D(60000), D(61000), "USDT"),
            SmallPosition("ETHPERP", D(2), D(2900), D(3000), "USDC"),
        ],
        orders=[
            *(SmallOrder(f"s{n}", "BTCUSDT", "buy", D("0.1"), D(50000 + n), NOW - HOUR) for n in range(5)),
            SmallOrder("c1", "BTCUSDT", "sell", D("0.2"), D(70000), NOW - HOUR, is_contract=True),
        ],
        flows=[
            SmallFlow("d1", "BTC", D(2), D(0), NOW - 40 * DAY, "tx1"),
            SmallFlow("d2", "USDT", D(500), D(0), NOW - HOUR, "tx2", is_done=False),
            SmallFlow("w1", "BTC", D("-0.5"), D("0.0005"), NOW - 2 * DAY, "tx3"),
        ],
        fills=[
            SmallFill("f1", "BTCUSDT", "buy", D("0.1"), D(60000), D("0.0001"), "BTC", NOW - 9 * DAY),
            SmallFill("f2", "BTCUSDT", "sell", D("0.5"), D(60000), D("16.5"), "USDT", NOW - DAY, is_contract=True),
        ],
    )


def kraken_book() -> SmallBook:
    return SmallBook(
        key="canarykey",
        secret=SECRET,
        uid="",
        coins={
            "XXBT": (D("0.75"), D("0.25")),
            "ZUSD": (D("1234.5678"), D(0)),
            "DOT": (D(10), D(0)),
            "DOT.S": (D(5), D(0)),
            "XETH": (D(0), D(0)),
        },
        orders=[SmallOrder("OAAAAA-1", "XBTUSD", "buy", D("0.1"), D("50000.0"), NOW - HOUR)],
        flows=[
            SmallFlow("KD1", "XXBT", D(1), D(0), NOW - 100 * DAY, "tx1"),
            SmallFlow("KW1", "XXBT", D("-0.2"), D("0.0002"), NOW - DAY, "tx2"),
            SmallFlow("KW2", "XXBT", D("-0.1"), D("0.0002"), NOW - HOUR, "tx3", is_done=False),
        ],
        fills=[
            SmallFill(f"T{n:03}", "XXBTZUSD", "buy", D("0.01"), D(60000), D("1.5"), "ZUSD", NOW - DAY - n * 60_000)
            for n in range(120)
        ],
    )


@dataclass
class Face:
    """One small venue behind a socket; `say` replaces the answer of a path."""

    name: str
    book: SmallBook
    url: str = ""
    asked: list[str] = field(default_factory=list)
    said: dict[str, Answer] = field(default_factory=dict)
    skew_ms: int = 0

    def __post_init__(self) -> None:
        self.venue = BybitFace(self.book) if self.name == "bybit" else KrakenFace(self.book)

    async def serve(self, request: web.Request) -> web.Response:
        path, _, query = request.raw_path.partition("?")
        self.asked.append(path)
        now = int(time.time() * 1000) + self.skew_ms
        asked = Asked(request.method, path, query, request.headers, await request.read(), "here", now, now)
        answer = self.said.get(path) or self.venue.answer(asked)
        return web.Response(
            body=answer.encoded(), status=answer.status, headers=answer.headers, content_type=answer.content_type
        )


async def listening(face: Face) -> web.AppRunner:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", face.serve)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    face.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    return runner


@pytest_asyncio.fixture
async def bybit() -> AsyncIterator[Face]:
    face = Face("bybit", bybit_book())
    runner = await listening(face)
    yield face
    await runner.cleanup()


@pytest_asyncio.fixture
async def kraken() -> AsyncIterator[Face]:
    face = Face("kraken", kraken_book())
    runner = await listening(face)
    yield face
    await runner.cleanup()


Open = Callable[[Face], Awaitable[AccountReader]]


@pytest.fixture
def open_reader(hub: Hub) -> Open:
    async def opened(face: Face) -> AccountReader:
        account = Account("ann", face.name, "main", base_url=face.url)
        return await hub.reader(account, Credentials(face.book.key, face.book.secret))

    return opened


def test_they_are_marked_as_unattested() -> None:
    assert {name: venue.is_attested for name, (venue, _) in VENUES.items()} == {
        "binance": True,
        "okx": True,
        "bybit": False,
        "kraken": False,
    }


# ---------------------------------------------------------------- what is held


async def test_bybits_unified_account(bybit: Face, open_reader: Open) -> None:
    reader = await open_reader(bybit)
    spot = await reader.fetch_wallet(Wallet.SPOT)
    assert {row.asset: row.quantity for row in spot.balances} == {"BTC": D("1.5"), "USDT": D("1000.000000000000000001")}
    assert spot.answers[0].endpoint == "fetch_balance"
    swap = await reader.fetch_wallet(Wallet.SWAP)
    assert swap.balances == (Balance("USDT", D(-500), D(0), D(-500)), Balance("USDC", D(200), D(0), D(200)))
    short, long = swap.positions
    assert (short.instrument, short.underlying, short.quantity, short.side) == ("BTCUSDT", "BTC", D("-0.5"), "net")
    assert (short.kind, short.entry_price, short.mark_price) == (ContractKind.LINEAR, D(60000), D(61000))
    assert (long.settle_asset, long.quantity, long.unrealised_pnl) == ("USDC", D(2), D(200))
    assert (short.contracts, long.contracts) == (D("0.5"), D(2)), "a number of contracts is never negative"


@pytest.mark.parametrize(("stated", "earned"), [("0", D(0)), ("", None), (None, None)])
async def test_a_pnl_is_the_stated_one_or_none(
    bybit: Face, open_reader: Open, monkeypatch: pytest.MonkeyPatch, stated: str | None, earned: Decimal | None
) -> None:
    told = bybit_face._position

    def row(one: SmallPosition) -> dict[str, Any]:
        rest = {name: value for name, value in told(one).items() if name != "unrealisedPnl"}
        return rest if stated is None else {**rest, "unrealisedPnl": stated}

    monkeypatch.setattr(bybit_face, "_position", row)
    reader = await open_reader(bybit)
    if earned is not None:
        assert {one.unrealised_pnl for one in (await reader.fetch_wallet(Wallet.SWAP)).positions} == {earned}
        return
    with pytest.raises(errors.AnswerShapeError, match=r"PnL|decimal"):
        await reader.fetch_wallet(Wallet.SWAP)


async def test_krakens_coins_by_their_usual_names(kraken: Face, open_reader: Open) -> None:
    spot = await (await open_reader(kraken)).fetch_wallet(Wallet.SPOT)
    assert {row.asset: row.quantity for row in spot.balances} == {"BTC": D("0.75"), "USD": D("1234.5678"), "DOT": D(15)}
    dot = next(row for row in spot.balances if row.asset == "DOT")
    assert dot.components == (("DOT", D(10)), ("DOT.S", D(5)))
    assert next(row for row in spot.balances if row.asset == "BTC").available == D("0.5")


async def test_a_wallet_that_a_venue_does_not_have(kraken: Face, open_reader: Open) -> None:
    with pytest.raises(errors.WalletRefusedError):
        await (await open_reader(kraken)).fetch_wallet(Wallet.SWAP)


async def test_all_pages_of_resting_orders(bybit: Face, kraken: Face, open_reader: Open) -> None:
    reader = await open_reader(bybit)
    orders = await reader.fetch_open_orders()
    assert sorted(order.order_id for order in orders) == ["c1", "s0", "s1", "s2", "s3", "s4"]
    contract = next(order for order in orders if order.order_id == "c1")
    assert (contract.wallet, contract.quantity, contract.price) == (Wallet.SWAP, D("0.2"), D(70000))
    (order,) = await (await open_reader(kraken)).fetch_open_orders()
    assert (order.wallet, order.side, order.quantity, order.price) == (Wallet.SPOT, "buy", D("0.1"), D("50000.0"))
    assert (order.underlying, order.filled) == ("BTC", D(0))


async def test_quotes_and_clock(bybit: Face, kraken: Face, open_reader: Open) -> None:
    for face, base, quote in ((bybit, "BTC", "USDT"), (kraken, "BTC", "USD")):
        market = (await open_reader(face)).market
        quotes = await market.fetch_quotes()
        assert next(found.price for found in quotes if (found.base, found.quote) == (base, quote)) == D("61000.5")
        assert abs(await market.measure_clock()) < timedelta(seconds=2)


async def test_identity_as_far_as_it_is_told(bybit: Face, kraken: Face, open_reader: Open) -> None:
    told = await (await open_reader(bybit)).fetch_identity()
    assert (told.uid, told.is_read_only) == ("4711", True)
    bybit.book.may_trade = True
    assert not (await (await open_reader(bybit)).fetch_identity()).is_read_only
    assert (await (await open_reader(kraken)).fetch_identity()).uid == ""


# ---------------------------------------------------------------- what happened


async def everything(reader: AccountReader, stream: str) -> list[ActivityRow]:
    cursor, rows, now = "", [], datetime.fromtimestamp(NOW / 1000, UTC) + timedelta(seconds=1)
    for _ in range(60):
        step = await reader.fetch_step(stream, cursor, now=now, assets=frozenset())
        rows += step.rows
        cursor = step.cursor
        if step.is_current and step.is_backfilled:
            return rows
    raise AssertionError("the stream does not end")


def ids(rows: list[Any], name: str) -> set[str]:
    return {getattr(row, name) for row in rows}


async def test_bybits_streams(bybit: Face, open_reader: Open) -> None:
    reader = await open_reader(bybit)
    assert [stream.name for stream in reader.streams(reader.account.wallets)] == [
        "deposits",
        "withdrawals",
        "fills",
    ]
    now = datetime.fromtimestamp(NOW / 1000, UTC) + timedelta(seconds=1)
    flows = await reader.fetch_cash_flows(since=now - timedelta(days=60), until=now)
    assert [(flow.flow_id, flow.asset, flow.quantity) for flow in flows] == [
        ("d1", "BTC", D(2)),
        ("w1", "BTC", D("-0.5005")),
    ]
    step = await reader.fetch_step("fills", "", now=now, assets=frozenset())
    fills = [*step.rows]
    while "f1" not in ids(fills, "fill_id"):
        step = await reader.fetch_step("fills", step.cursor, now=now, assets=frozenset())
        fills += step.rows
    by_id = {fill.fill_id: fill for fill in fills}  # type: ignore[union-attr]
    assert (by_id["f2"].wallet, by_id["f2"].fee, by_id["f2"].fee_asset) == (Wallet.SWAP, D("-16.5"), "USDT")  # type: ignore[union-attr]
    assert (by_id["f1"].wallet, by_id["f1"].quantity) == (Wallet.SPOT, D("0.1"))  # type: ignore[union-attr]


async def test_krakens_full_pages_lose_no_fill(kraken: Face, open_reader: Open) -> None:
    reader = await open_reader(kraken)
    now = datetime.fromtimestamp(NOW / 1000, UTC) + timedelta(seconds=1)
    fills: list[Any] = []
    cursor = ""
    for _ in range(8):
        step = await reader.fetch_step("fills", cursor, now=now, assets=frozenset())
        cursor, fills = step.cursor, [*fills, *step.rows]
    assert ids(fills, "fill_id") == {f"T{n:03}" for n in range(120)}
    assert len(fills) == 120
    flows = await reader.fetch_cash_flows(since=now - timedelta(days=120), until=now)
    assert [(flow.flow_id, flow.quantity) for flow in flows] == [("KD1", D(1)), ("KW1", D("-0.2002"))]


# ---------------------------------------------------------------- refusals and damage


def bybit_says(code: int) -> Answer:
    return Answer({"retCode": code, "retMsg": "words that are not shown", "result": {}, "time": NOW})


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (10003, errors.CredentialsError),
        (33004, errors.CredentialsError),
        (10005, errors.WalletRefusedError),
        (10006, errors.RateLimitedError),
        (10016, errors.UnreachableError),
        (99999, errors.VenueError),
    ],
)
async def test_bybits_codes(bybit: Face, open_reader: Open, code: int, kind: type) -> None:
    bybit.said["/v5/account/wallet-balance"] = bybit_says(code)
    with pytest.raises(errors.VenueError) as refusal:
        await (await open_reader(bybit)).fetch_wallet(Wallet.SPOT)
    assert type(refusal.value) is kind
    assert refusal.value.venue_code == str(code)
    assert "not shown" not in str(refusal.value)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("EAPI:Invalid key", errors.CredentialsError),
        ("EAPI:Invalid signature", errors.CredentialsError),
        ("EGeneral:Permission denied", errors.WalletRefusedError),
        ("EAPI:Rate limit exceeded", errors.RateLimitedError),
        ("EService:Unavailable", errors.UnreachableError),
        ("EQuery:Something new", errors.VenueError),
    ],
)
async def test_krakens_codes(kraken: Face, open_reader: Open, words: str, kind: type) -> None:
    kraken.said["/0/private/BalanceEx"] = Answer({"error": [words]})
    with pytest.raises(errors.VenueError) as refusal:
        await (await open_reader(kraken)).fetch_wallet(Wallet.SPOT)
    assert type(refusal.value) is kind


BALANCES = {"bybit": "/v5/account/wallet-balance", "kraken": "/0/private/BalanceEx"}
COIN = {"coin": "BTC", "walletBalance": "1"}
DAMAGE = [
    ("bybit", b"<html>robot?</html>"),
    ("bybit", b"{}"),
    ("bybit", b"[]"),
    ("bybit", b"null"),
    ("bybit", b""),
    ("bybit", b'{"retCode": 0, "result": {}}'),
    ("bybit", b'{"retCode": 0, "result": {"list": []}}'),
    ("bybit", b'{"retCode": 0, "result": {"list": [{"accountType": "OTHER", "coin": [{"coin": "BTC"}]}]}}'),
    (
        "bybit",
        json.dumps({"retCode": 0, "result": {"list": [{"accountType": "UNIFIED", "coin": [COIN, COIN]}]}}).encode(),
    ),
    (
        "bybit",
        json.dumps(
            {"retCode": 0, "result": {"list": [{"accountType": "UNIFIED", "coin": [{**COIN, "walletBalance": "NaN"}]}]}}
        ).encode(),
    ),
    ("bybit", b'{"retCode": 0, "result": {"list": [{"accountType": "UNIFIED", "coin": [{"coin": "BTC"}]}]}}'),
    ("kraken", b"<html>robot?</html>"),
    ("kraken", b"{}"),
    ("kraken", b'{"error": []}'),
    ("kraken", b'{"error": [], "result": null}'),
    ("kraken", b'{"error": [], "result": {"XXBT": {"hold_trade": "0"}}}'),
    ("kraken", b'{"error": [], "result": {"XXBT": {"balance": "1e3"}, "XXBT": {"balance": "2"}}}'),
    ("kraken", b'{"error": [], "result": {"XXBT": {"balance": "1"}, "XBT": {"balance": "2"}}}'),
    ("kraken", b'{"error": [], "result": {"weird/coin": {"balance": "1"}}}'),
]


@pytest.mark.parametrize(("venue", "body"), DAMAGE)
async def test_no_damaged_answer_becomes_a_balance(
    bybit: Face, kraken: Face, open_reader: Open, venue: str, body: bytes
) -> None:
    face = bybit if venue == "bybit" else kraken
    face.said[BALANCES[venue]] = Answer(body)
    with pytest.raises(errors.VenueError) as refusal:
        await (await open_reader(face)).fetch_wallet(Wallet.SPOT)
    assert type(refusal.value) is errors.AnswerShapeError, refusal.value


async def test_an_account_without_a_coin_is_empty_not_wrong(kraken: Face, open_reader: Open) -> None:
    kraken.book.coins.clear()
    kraken.said[BALANCES["kraken"]] = Answer({"error": [], "result": {}})
    assert (await (await open_reader(kraken)).fetch_wallet(Wallet.SPOT)).balances == ()


async def test_a_refused_key_is_left_alone(bybit: Face, open_reader: Open) -> None:
    reader = await open_reader(bybit)
    await reader.market.fetch_quotes()
    bybit.book.is_revoked = True
    bybit.asked.clear()
    for wallet in (Wallet.SPOT, Wallet.SWAP, Wallet.SPOT):
        with pytest.raises(errors.CredentialsError):
            await reader.fetch_wallet(wallet)
    assert 1 <= len(bybit.asked) <= 2  # ccxt asks for the rights and the account's mode at once


async def test_a_skewed_clock_is_measured_anew(bybit: Face, open_reader: Open) -> None:
    bybit.skew_ms = 90_000
    spot = await (await open_reader(bybit)).fetch_wallet(Wallet.SPOT)
    assert spot.balances


async def test_nothing_but_the_reads_can_be_sent(bybit: Face, kraken: Face, open_reader: Open) -> None:
    for face, symbol in ((bybit, "BTC/USDT"), (kraken, "BTC/USD")):
        reader = await open_reader(face)
        await reader.fetch_wallet(Wallet.SPOT)
        face.asked.clear()
        client: Any = reader._client
        with pytest.raises(errors.VenueError, match="not among"):
            await client.call("create_order", {"symbol": symbol})
        with pytest.raises(errors.VenueError, match="not among those"):
            await client._exchange.create_order(symbol, "limit", "buy", 1, 1)
        with pytest.raises(errors.VenueError, match="not among those"):
            await client._exchange.withdraw("BTC", 1, "1BoatSLRHtKNngkdXEeobR76b53LETtpyT", params={"key": "x"})
        assert face.asked == []


async def test_no_secret_in_errors(bybit: Face, open_reader: Open) -> None:
    reader = await open_reader(bybit)
    for status in (302, 400, 403, 429, 500):
        bybit.said[BALANCES["bybit"]] = Answer(b"canary page", status)
        reader.market._governor.forget()
        with pytest.raises(errors.VenueError) as refusal:
            await reader.fetch_wallet(Wallet.SPOT)
        told = f"{refusal.value!r} {refusal.value} {reader._client!r}"
        assert not any(word in told for word in (bybit.book.key, bybit.book.secret, "canary", "X-BAPI"))
