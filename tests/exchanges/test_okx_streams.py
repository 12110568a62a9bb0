"""OKX's activity, step by step against a scripted venue: every row once, none lost, each event told by one stream."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from portfolio_lab.errors import AnswerShapeError, BadInputError
from portfolio_lab.exchanges import AccountReader
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import ActivityRow, ActivityStep, CashFlow, EquityEstimate, Fill, Income, Transfer

Open = Callable[[str], Awaitable[AccountReader]]

NOW = datetime(2026, 10, 20, 12, tzinfo=UTC)
MS = 1000
HOUR, DAY = 3600 * MS, 24 * 3600 * MS
TODAY = round(NOW.timestamp() * 1000)


@dataclass
class Script:
    """Histories of OKX by path: newest first, a hundred a page, paged by instant or by id."""

    rows: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def tell(self, path: str, rows: list[dict[str, str]], *, id_name: str = "", moment: str = "ts") -> None:
        """Rows of a path; without `id_name` it is paged by instants."""
        self.rows[path] = sorted(rows, key=lambda row: (int(row[moment]), int(row.get(id_name, "0"))), reverse=True)
        self.ids[path] = id_name

    async def serve(self, request: web.Request) -> web.Response:
        path, asked = request.path.removeprefix("/api/v5/"), request.query
        rows = self.rows.get(path, [])
        if "instType" in asked:
            rows = [row for row in rows if row["instType"] == asked["instType"]]
        if self.ids.get(path):
            rows = [row for row in rows if int(asked["begin"]) <= int(row["ts"]) <= int(asked["end"])]
            if "after" in asked:  # an id
                places = [row[self.ids[path]] for row in rows]
                rows = rows[places.index(asked["after"]) + 1 :]
        else:
            clock = "uTime" if path.startswith("trade/easy") else "ts"
            rows = [row for row in rows if int(asked["before"]) < int(row[clock]) < int(asked["after"])]
        return web.json_response({"code": "0", "msg": "", "data": rows[: int(asked["limit"])]})


@pytest.fixture
def script(wire: Any) -> Script:
    venue = Script()
    for path in (
        "asset/deposit-history",
        "asset/withdrawal-history",
        "trade/fills-history",
        "account/bills-archive",
        "asset/bills",
        "asset/bills-history",
        "asset/convert/history",
        "trade/easy-convert-history",
    ):
        wire.answers[f"/api/v5/{path}"] = venue.serve
    return venue


async def walk(reader: AccountReader, stream: str, *, now: datetime = NOW, cursor: str = "") -> list[ActivityStep]:
    """Steps until the stream has told everything."""
    steps: list[ActivityStep] = []
    while not steps or not (steps[-1].is_current and steps[-1].is_backfilled):
        steps.append(await reader.fetch_step(stream, cursor, now=now, assets=frozenset()))
        cursor = steps[-1].cursor
        assert len(steps) < 60, "the stream never ends"
    return steps


async def told(reader: AccountReader, stream: str) -> list[ActivityRow]:
    return [row for step in await walk(reader, stream) for row in step.rows]


def deposit(number: int, at: int, **changes: str) -> dict[str, str]:
    row = {"depId": str(number), "ccy": "USDT", "amt": "5", "state": "2", "txId": f"tx{number}", "chain": "USDT-TRC20"}
    return {**row, "ts": str(at), **changes}


def bill(number: int, at: int, **changes: str) -> dict[str, str]:
    row = {
        "billId": str(number),
        "ccy": "USDT",
        "type": "8",
        "subType": "173",
        "balChg": "-1",
        "bal": "100",
        "pnl": "-1",
    }
    return {**row, "ts": str(at), "instId": "BTC-USDT-SWAP", **changes}


def fill(number: int, at: int, **changes: str) -> dict[str, str]:
    row = {
        "instId": "BTC-USDT",
        "instType": "SPOT",
        "side": "buy",
        "fillPx": "50000",
        "fillSz": "0.1",
        "fee": "-0.0001",
    }
    more = {"feeCcy": "BTC", "execType": "T", "posSide": "net", "fillPnl": "0", "ordId": "1", "billId": str(number)}
    return {**row, **more, "ts": str(at), **changes}


# ---------------------------------------------------------------- what each row means


async def test_deposits_and_withdrawals_that_are_completed(reader_of: Open, script: Script) -> None:
    script.tell("asset/deposit-history", [deposit(1, TODAY - DAY), deposit(2, TODAY - DAY, state="0")])
    withdrawal = {"wdId": "7", "ccy": "BTC", "amt": "1", "fee": "0.0005", "state": "2", "ts": str(TODAY - DAY)}
    other = {**withdrawal, "wdId": "8", "fee": "2", "feeCcy": "USDT", "chain": "BTC-Bitcoin", "txId": "t"}
    script.tell("asset/withdrawal-history", [withdrawal, other, {**withdrawal, "wdId": "9", "state": "-2"}])
    reader = await reader_of("okx")
    (flow,) = await told(reader, "deposits")
    assert (flow.kind, flow.quantity, flow.txid, flow.network) == ("deposit", 5, "tx1", "TRC20")
    flows = {row.flow_id: row for row in await told(reader, "withdrawals")}
    assert {name: (row.asset, row.quantity, row.fee) for name, row in flows.items()} == {
        "7": ("BTC", Decimal("-1.0005"), Decimal("0.0005")),
        "8": ("BTC", -1, 0),
        "8-fee": ("USDT", -2, 2),
    }
    assert await reader.fetch_cash_flows(since=NOW - timedelta(days=2), until=NOW) == tuple(
        sorted([flow, *flows.values()], key=lambda row: (row.at, row.kind, row.flow_id))
    )


async def test_fills_are_in_base_units(reader_of: Open, script: Script) -> None:
    swap = {"instType": "SWAP", "fillSz": "10", "fillPnl": "-3", "fee": "-0.5", "side": "sell"}
    rows = [
        fill(1, TODAY - 5),
        fill(2, TODAY - 4, instId="BTC-USDT-SWAP", feeCcy="USDT", posSide="long", **swap),
        fill(3, TODAY - 3, instId="BTC-USD-SWAP", feeCcy="BTC", execType="M", **swap),
    ]
    script.tell("trade/fills-history", rows, id_name="billId")
    spot, linear, inverse = sorted(await told(await reader_of("okx"), "fills"), key=lambda row: row.at)
    assert (spot.quantity, spot.fee, spot.fee_asset, spot.realised_pnl) == (
        Decimal("0.1"),
        Decimal("-0.0001"),
        "BTC",
        None,
    )
    assert (linear.quantity, linear.realised_pnl, linear.settle_asset) == (Decimal("0.1"), -3, "USDT")
    assert (linear.side, linear.position_side, linear.is_maker) == ("sell", "long", False)
    assert (inverse.quantity, inverse.settle_asset, inverse.is_maker) == (Decimal("0.02"), "BTC", True)


async def test_fills_of_expired_contracts_take_their_size_from_their_family(
    reader_of: Open, script: Script, wire: Any
) -> None:
    listed = {"instId": "BTC-USD-261225", "instType": "FUTURES", "ctVal": "100", "ctMult": "1", "ctType": "inverse"}
    wire.answers["/api/v5/public/instruments"]["data"] = [
        {**listed, "ctValCcy": "USD", "settleCcy": "BTC", "uly": "BTC-USD"}
    ]
    common = {"instType": "FUTURES", "fillSz": "10", "fillPnl": "0.2", "fee": "-0.1", "feeCcy": "BTC"}
    rows = [
        fill(1, TODAY - 5, instId="BTC-USD-260925", **common),
        fill(2, TODAY - 4, instId="DEAD-USD-260925", **common),
    ]
    script.tell("trade/fills-history", rows, id_name="billId")
    money, past = sorted(await told(await reader_of("okx"), "fills"), key=lambda row: type(row).__name__, reverse=True)
    assert isinstance(past, Fill)
    assert past.quantity == Decimal("0.02")
    assert isinstance(money, Income)
    assert (money.kind, money.quantity, money.asset) == ("trade", Decimal("0.1"), "BTC")


BILLS = [
    (bill(1, TODAY), ("funding", "8/173", "USDT", -1)),
    (bill(1, TODAY, balChg="0", pnl="0.5", subType="174"), ("funding", "8/174", "USDT", Decimal("0.5"))),
    (bill(1, TODAY, type="7", subType="9", pnl="0"), ("interest", "7/9", "USDT", -1)),
    (bill(1, TODAY, type="5", subType="111", pnl="0"), ("liquidation", "5/111", "USDT", -1)),
    (bill(1, TODAY, type="10", subType="108"), ("insurance", "10/108", "USDT", -1)),
    (bill(1, TODAY, type="34", subType="355"), ("settlement", "34/355", "USDT", -1)),
    (bill(1, TODAY, type="16", subType="307", balChg="40"), ("loan", "16/307", "USDT", 40)),
    (bill(1, TODAY, type="4", subType="381", balChg="2"), ("earn_reward", "4/381", "USDT", 2)),
    (bill(1, TODAY, type="999", subType=""), ("other", "999", "USDT", -1)),
    (bill(1, TODAY, type="2", subType="1"), None),  # a trade: the fill tells it
    (bill(1, TODAY, type="5", subType="104", tradeId="77"), None),  # a liquidation that traded: so does its fill
    (bill(1, TODAY, type="6", subType="160", tradeId="0"), None),  # margin that stays in the account
    (bill(1, TODAY, type="27", subType="318"), None),  # a conversion has a history of its own
    (bill(1, TODAY, balChg="0", pnl="0"), None),
]


@pytest.mark.parametrize(("row", "expected"), BILLS)
async def test_bills_of_the_trading_account(
    reader_of: Open, script: Script, row: dict[str, str], expected: tuple[Any, ...] | None
) -> None:
    script.tell("account/bills-archive", [{**row, "ts": str(TODAY - 60 * MS)}], id_name="billId")
    rows = await told(await reader_of("okx"), "bills")
    assert [(one.kind, one.venue_kind, one.asset, one.quantity) for one in rows] == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("changes", "source", "target", "quantity"),
    [
        ({"balChg": "-4", "from": "18", "to": "6"}, Wallet.TRADING, Wallet.FUNDING, 4),
        ({"balChg": "4", "from": "6", "to": "18"}, Wallet.FUNDING, Wallet.TRADING, 4),
        ({"balChg": "4", "from": "", "to": ""}, None, Wallet.TRADING, 4),
        ({"balChg": "-4", "from": "18", "to": "18"}, Wallet.TRADING, None, 4),
    ],
)
async def test_moves_of_the_trading_account(
    reader_of: Open,
    script: Script,
    changes: dict[str, str],
    source: Wallet | None,
    target: Wallet | None,
    quantity: int,
) -> None:
    row = bill(5, TODAY - MS, type="1", subType="11", **changes)
    script.tell("account/bills-archive", [row], id_name="billId")
    (move,) = await told(await reader_of("okx"), "bills")
    assert isinstance(move, Transfer)
    assert (move.source, move.target, move.quantity) == (source, target, quantity)


FUNDING = [
    ("75", "-5", (Wallet.FUNDING, Wallet.EARN)),
    ("76", "5", (Wallet.EARN, Wallet.FUNDING)),
    ("212", "-5", (Wallet.FUNDING, Wallet.LOANS)),
    ("217", "5", (Wallet.LOANS, Wallet.FUNDING)),
    ("20", "-5", (Wallet.FUNDING, None)),
    ("23", "5", (None, Wallet.FUNDING)),
    ("83", "5", "staking_reward"),
    ("89", "5", "earn_reward"),
    ("173", "5", "rebate"),
    ("229", "5", "promotion"),
    ("117", "5", "fiat"),
    ("137", "-5", "convert"),
    ("160", "-5", "other"),
    ("4711", "5", "other"),
    *((code, "5", None) for code in ("1", "2", "13", "130", "131", "272", "311")),
]


@pytest.mark.parametrize(("code", "change", "expected"), FUNDING)
async def test_bills_of_the_funding_account(
    reader_of: Open, script: Script, code: str, change: str, expected: Any
) -> None:
    row = {"billId": "3", "ccy": "USDT", "type": code, "balChg": change, "ts": str(TODAY - MS)}
    script.tell("asset/bills-history", [row])
    rows = await told(await reader_of("okx"), "funding_bills")
    if expected is None:
        assert rows == []
    elif isinstance(expected, tuple):
        assert [(row.source, row.target, row.quantity) for row in rows] == [(*expected, 5)]
    else:
        assert [(row.kind, row.venue_kind, row.quantity) for row in rows] == [(expected, code, Decimal(change))]


async def test_conversions_are_two_legs_with_one_reference(reader_of: Open, script: Script) -> None:
    row = {"tradeId": "t1", "side": "sell", "baseCcy": "ETH", "quoteCcy": "USDT", "fillBaseSz": "2", "fillQuoteSz": "9"}
    script.tell("asset/convert/history", [{**row, "state": "fullyFilled", "ts": str(TODAY - DAY)}])
    small = {"fromCcy": "OKB", "toCcy": "USDC", "fillFromSz": "0.17", "fillToSz": "3", "acct": "18", "status": "filled"}
    script.tell("trade/easy-convert-history", [{**small, "uTime": str(TODAY - DAY)}], moment="uTime")
    reader = await reader_of("okx")
    legs = [*await told(reader, "conversions"), *await told(reader, "dust")]
    assert [(leg.kind, leg.asset, leg.quantity, leg.wallet) for leg in legs] == [
        ("convert", "ETH", -2, None),
        ("convert", "USDT", 9, None),
        ("dust", "OKB", Decimal("-0.17"), Wallet.TRADING),
        ("dust", "USDC", 3, Wallet.TRADING),
    ]
    assert [leg.reference for leg in legs[:2]] == ["convert-t1"] * 2
    assert len({leg.income_id for leg in legs}) == 4


# ---------------------------------------------------------------- the cash at the end of days


async def test_the_last_bill_of_a_day_states_its_cash(reader_of: Open, script: Script) -> None:
    midnight = TODAY - TODAY % DAY
    rows = [
        bill(1, midnight - DAY + 5, bal="10"),
        bill(2, midnight - 9, bal="20"),
        bill(3, midnight - 8, bal="0.5", ccy="BTC"),
        bill(4, midnight + HOUR, bal="99"),  # today is not over
    ]
    script.tell("account/bills-archive", rows, id_name="billId")
    estimates = [row for row in await told(await reader_of("okx"), "bills") if isinstance(row, EquityEstimate)]
    assert {(row.day.isoformat()[:10], row.asset, row.quantity) for row in estimates} == {
        ("2026-10-19", "USDT", 20),
        ("2026-10-19", "BTC", Decimal("0.5")),
    }
    assert {(row.wallet, row.source) for row in estimates} == {(Wallet.TRADING, "okx bills")}


async def test_a_day_of_many_pages_has_one_cash(reader_of: Open, script: Script) -> None:
    midnight = TODAY - TODAY % DAY
    rows = [bill(number, midnight - 2 * DAY + number, bal=str(number)) for number in range(1, 1_251)]
    script.tell("account/bills-archive", rows, id_name="billId")
    estimates = [row for row in await told(await reader_of("okx"), "bills") if isinstance(row, EquityEstimate)]
    assert [row.quantity for row in estimates] == [1_250]


# ---------------------------------------------------------------- completeness


def expected_ids(rows: list[dict[str, str]], name: str) -> set[str]:
    return {row[name] for row in rows}


async def test_every_deposit_once_though_many_share_a_millisecond(reader_of: Open, script: Script) -> None:
    seed = random.Random(7)
    rows = [deposit(number, TODAY - seed.choice((1, 2, 3, 40)) * 30 * DAY) for number in range(1, 99)]
    rows += [deposit(1_000 + number, TODAY - 10 * DAY - number % 40) for number in range(900)]
    script.tell("asset/deposit-history", rows)
    found = [row.flow_id for row in await told(await reader_of("okx"), "deposits") if isinstance(row, CashFlow)]
    assert set(found) == expected_ids(rows, "depId")


async def test_more_deposits_in_one_millisecond_than_a_page_holds_are_refused(reader_of: Open, script: Script) -> None:
    script.tell("asset/deposit-history", [deposit(number, TODAY - DAY) for number in range(150)])
    with pytest.raises(AnswerShapeError, match="same page"):
        await told(await reader_of("okx"), "deposits")


async def test_every_bill_once_from_any_cursor_on(reader_of: Open, script: Script) -> None:
    """A process that dies between two steps goes on from the last cursor; nothing is lost or doubled."""
    rows = [bill(number, TODAY - 80 * DAY + number * HOUR // 2) for number in range(1, 3_001)]
    rows += [bill(10_000 + number, TODAY - 5 * DAY) for number in range(450)]  # one millisecond, five pages
    script.tell("account/bills-archive", rows, id_name="billId")
    reader = await reader_of("okx")
    steps = await walk(reader, "bills")
    stored = {row.income_id for step in steps for row in step.rows if isinstance(row, Income)}
    assert stored == {f"trading-{row['billId']}" for row in rows}
    cut = len(steps) // 2
    rest = await walk(reader, "bills", cursor=steps[cut].cursor)
    again = {row.income_id for step in (*steps[: cut + 1], *rest) for row in step.rows if isinstance(row, Income)}
    assert again == stored
    assert [step.progress for step in steps] == sorted(step.progress for step in steps)


async def test_what_happens_later_and_late_is_found(reader_of: Open, script: Script) -> None:
    early = [fill(number, TODAY - 40 * DAY + number * HOUR) for number in range(1, 241)]
    script.tell("trade/fills-history", early, id_name="billId")
    reader = await reader_of("okx")
    steps = await walk(reader, "fills")
    late = fill(900, TODAY - 20 * 60 * MS)  # reported late
    new = [fill(1_000 + number, TODAY + number * MS) for number in range(130)]
    script.tell("trade/fills-history", [*early, late, *new], id_name="billId")
    later = await walk(reader, "fills", now=NOW + timedelta(hours=1), cursor=steps[-1].cursor)
    found = {row.fill_id for step in (*steps, *later) for row in step.rows if isinstance(row, Fill)}
    assert found == expected_ids([*early, late, *new], "billId")


async def test_recent_and_old_funding_bills_are_told_by_two_endpoints(reader_of: Open, script: Script) -> None:
    row = {"ccy": "USDT", "type": "89", "balChg": "1"}
    old = [{**row, "billId": str(number), "ts": str(TODAY - number * 10 * DAY)} for number in range(1, 150)]
    new = [{**row, "billId": "900", "ts": str(TODAY + HOUR)}]
    script.tell("asset/bills-history", old)
    reader = await reader_of("okx")
    steps = await walk(reader, "funding_bills")
    script.tell("asset/bills", new)
    steps += await walk(reader, "funding_bills", now=NOW + timedelta(hours=2), cursor=steps[-1].cursor)
    found = {row.income_id for step in steps for row in step.rows if isinstance(row, Income)}
    assert found == {f"funding-{row['billId']}" for row in (*old, *new)}


async def test_streams_depend_on_the_wallets(reader_of: Open) -> None:
    reader = await reader_of("okx")
    assert [stream.name for stream in reader.streams(reader.account.wallets)] == [
        "deposits", "withdrawals", "fills", "bills", "funding_bills", "conversions", "dust",
    ]  # fmt: skip
    assert "fills" not in [stream.name for stream in reader.market.reads.streams((Wallet.FUNDING,))]
    with pytest.raises(BadInputError, match="no stream"):
        await reader.fetch_step("gossip", "", now=NOW, assets=frozenset())
