"""OKX's answers, recorded and damaged: each is read right or refused with the path of the field."""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portfolio_lab.errors import AnswerShapeError, VenueError
from portfolio_lab.exchanges import AccountReader, payloads
from portfolio_lab.exchanges.okx import bills, conversions, earn, fills, funding_bills, identity, shapes, shapes_ledger
from portfolio_lab.exchanges.okx.portfolio import _check_total, _coin_balance
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import Fill, Income, Transfer

Open = Callable[[str], Awaitable[AccountReader]]

FOLDER = Path(os.environ.get("PORTFOLIO_LAB_SHARED", Path(__file__).parents[3] / "shared")) / "payloads"
recorded = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recorded answers in {FOLDER}")


def rows_of(name: str, row: Any) -> list[Any]:
    answer = payloads.read_json((FOLDER / f"okx_{name}.json").read_bytes())
    wrapped = answer if "data" in answer else {"code": "0", "data": [answer]}  # one is recorded without its wrapping
    return payloads.shaped(wrapped, shapes.Envelope[row]).data


# ---------------------------------------------------------------- recorded answers


@recorded
def test_recorded_savings() -> None:
    (row,) = rows_of("api-v5-finance-savings-balance_jkorf", shapes.Saving)
    (balance,) = earn._balances(earn._saving(row))
    assert (balance.asset, balance.quantity) == ("USDT", Decimal("11.0010737453457821"))


@recorded
@pytest.mark.parametrize("name", ["api-v5-account-config_jkorf", "privateGetAccountConfig_ccxt-comment-1"])
def test_recorded_keys_that_trade_are_seen_to_trade(name: str) -> None:
    (row,) = rows_of(name, shapes.Config)
    assert identity._permissions(row.perm) == ("trade", "withdraw")
    assert row.acctLv in identity.MODES


@recorded
def test_recorded_valuation_adds_up() -> None:
    (row,) = rows_of("api-v5-asset-asset-valuation_jkorf", shapes.Valuation)
    totals = {one.scope: one.quantity for one in identity._valued(row)}
    assert set(totals) == {"total", "trading", "funding", "earn", "classic"}
    assert abs(sum(totals.values()) - 2 * totals["total"]) < 2  # the sample's parts miss its sum by 1.61


@recorded
def test_a_recorded_account_whose_coins_were_cut_is_refused_with_the_path() -> None:
    (row,) = rows_of("api-v5-account-balance_jkorf", shapes.TradingBalance)
    with pytest.raises(AnswerShapeError) as refusal:
        _check_total(row)
    assert refusal.value.path == "data[0].totalEq"


EXPECTED_BILLS = {
    "api-v5-account-bills_jkorf": [],
    "api-v5-account-bills-archive_jkorf": [],
    "privateGetAccountBills_ccxt-comment-1": [],
    "privateGetAccountBills_ccxt-comment-2": [(Transfer, None, Wallet.TRADING, Decimal(2))],
    "privateGetAccountBillsArchive_ccxt-comment-1": [(Transfer, Wallet.TRADING, Wallet.FUNDING, Decimal(4))],
    "privateGetAccountBillsArchive_ccxt-comment-2": [(Income, "funding", "ETH", Decimal("0.000014875271224"))],
    "privateGetAccountBillsArchive_ccxt-comment-1-2": [],
}


def gist(row: Any) -> tuple[Any, ...]:
    if isinstance(row, Transfer):
        return Transfer, row.source, row.target, row.quantity
    return Income, row.kind, row.asset, row.quantity


@recorded
@pytest.mark.parametrize("name", EXPECTED_BILLS)
def test_recorded_bills(name: str) -> None:
    made = [one for row in rows_of(name, shapes_ledger.Bill) for one in bills._rows(row)]
    assert [gist(one) for one in made] == EXPECTED_BILLS[name]


@recorded
@pytest.mark.parametrize("name", ["api-v5-asset-bills_jkorf", "api-v5-asset-bills-history_jkorf"])
def test_recorded_funding_bills_of_deposits_are_told_by_the_deposits(name: str) -> None:
    assert [one for row in rows_of(name, shapes_ledger.FundingBill) for one in funding_bills._rows(row)] == []


@recorded
@pytest.mark.parametrize("number", [1, 2])
def test_recorded_conversions(number: int) -> None:
    (row,) = rows_of(f"privateGetAssetConvertHistory_ccxt-comment-{number}", shapes_ledger.Conversion)
    legs = {leg.asset: leg.quantity for leg in conversions._conversion(row)}
    assert legs == {"ETH": Decimal("0.01023052"), "USDT": -30}


@recorded
def test_recorded_dust() -> None:
    rows = rows_of("api-v5-trade-easy-convert-history_jkorf", shapes_ledger.DustConversion)
    legs = [leg for row in rows for leg in conversions._dust(row)]
    assert [(leg.asset, leg.quantity < 0) for leg in legs] == [
        ("OKB", True), ("ADA", False), ("OKB", True), ("USDC", False),
    ]  # fmt: skip
    assert len({leg.income_id for leg in legs}) == 4


@recorded
@pytest.mark.parametrize(
    ("name", "quantity"),
    [
        ("api-v5-trade-fills-history_jkorf", "0.00192834"),
        ("api-v5-trade-fills_jkorf", "0.00192834"),
        ("privateGetTradeFillsHistory_ccxt-comment-1", "0.007533"),
    ],
)
async def test_recorded_fills(name: str, quantity: str) -> None:
    (row,) = rows_of(name, shapes_ledger.Fill)
    fill = await fills._row(row, None)  # type: ignore[arg-type]  # spot needs no instruments
    assert isinstance(fill, Fill)
    assert (fill.quantity, fill.realised_pnl) == (Decimal(quantity), None)
    assert fill.fee < 0


# ---------------------------------------------------------------- damaged answers

NOW = datetime(2026, 10, 20, 12, tzinfo=UTC)
AT = str(round(NOW.timestamp() * 1000) - 60_000)

GOOD: dict[str, list[dict[str, Any]]] = {
    "account/balance": [
        {
            "totalEq": "100",
            "details": [
                {
                    "ccy": "USDT",
                    "eq": "99.9",
                    "cashBal": "94.4",
                    "isoEq": "5.5",
                    "upl": "0",
                    "eqUsd": "99.9",
                    "liab": "",
                }
            ],
        }
    ],
    "account/positions": [],
    "finance/savings/balance": [{"ccy": "USDT", "amt": "11", "earnings": "0.5", "loanAmt": "10"}],
    "finance/staking-defi/orders-active": [
        {
            "ordId": "1",
            "investData": [{"ccy": "ETH", "amt": "2"}],
            "earningData": [{"ccy": "ETH", "earningType": "0", "earnings": "0.5"}],
        }
    ],
    "finance/flexible-loan/loan-info": [
        {"loanData": [{"ccy": "USDC", "amt": "3"}], "collateralData": [{"ccy": "BTC", "amt": "1"}]}
    ],
    "account/config": [{"uid": "7", "mainUid": "5", "acctLv": "3", "perm": "read_only", "ip": ""}],
    "asset/asset-valuation": [{"totalBal": "6", "details": {"funding": "1", "trading": "2", "earn": "3"}}],
    "asset/deposit-history": [{"depId": "1", "ccy": "USDT", "amt": "5", "state": "2", "ts": AT}],
    "asset/withdrawal-history": [{"wdId": "1", "ccy": "USDT", "amt": "5", "fee": "1", "state": "2", "ts": AT}],
    "trade/fills-history": [
        {
            "instId": "BTC-USDT-SWAP",
            "instType": "SWAP",
            "billId": "1",
            "ordId": "2",
            "side": "buy",
            "fillPx": "50000",
            "fillSz": "10",
            "fee": "-1",
            "feeCcy": "USDT",
            "execType": "T",
            "ts": AT,
            "fillPnl": "3",
        }
    ],
    "account/bills-archive": [
        {"billId": "1", "ccy": "USDT", "type": "8", "subType": "173", "balChg": "-1", "bal": "9", "pnl": "-1", "ts": AT}
    ],
    "asset/bills-history": [{"billId": "1", "ccy": "USDT", "type": "75", "balChg": "-5", "ts": AT}],
    "asset/convert/history": [
        {
            "tradeId": "1",
            "side": "buy",
            "baseCcy": "ETH",
            "quoteCcy": "USDT",
            "fillBaseSz": "1",
            "fillQuoteSz": "2",
            "state": "fullyFilled",
            "ts": AT,
        }
    ],
}

READS: dict[str, Callable[[AccountReader], Awaitable[Any]]] = {
    "account/balance": lambda reader: reader.fetch_wallet(Wallet.TRADING),
    "finance/savings/balance": lambda reader: reader.fetch_wallet(Wallet.EARN),
    "finance/staking-defi/orders-active": lambda reader: reader.fetch_wallet(Wallet.EARN),
    "finance/flexible-loan/loan-info": lambda reader: reader.fetch_wallet(Wallet.LOANS),
    "account/config": lambda reader: reader.fetch_identity(),
    "asset/asset-valuation": lambda reader: reader.fetch_totals(),
    "asset/deposit-history": lambda reader: step(reader, "deposits"),
    "asset/withdrawal-history": lambda reader: step(reader, "withdrawals"),
    "trade/fills-history": lambda reader: step(reader, "fills"),
    "account/bills-archive": lambda reader: step(reader, "bills"),
    "asset/bills-history": lambda reader: step(reader, "funding_bills"),
    "asset/convert/history": lambda reader: step(reader, "conversions"),
}

FREE = {
    # what is a text of the venue's own, or of no consequence for a number
    "txId", "chain", "execType", "ordId", "instId", "uid", "mainUid", "ip", "billId", "depId", "wdId", "tradeId",
}  # fmt: skip


async def step(reader: AccountReader, stream: str) -> Any:
    return (await reader.fetch_step(stream, "", now=NOW, assets=frozenset())).rows


@pytest.fixture
def healthy(wire: Any) -> Any:
    mend(wire)
    return wire


def mend(wire: Any) -> None:
    """Answer every path well."""
    for path, rows in GOOD.items():
        say(wire, path, rows)


def say(wire: Any, path: str, rows: list[Any]) -> None:
    """Answer a path by these rows; trades only to the question for swaps."""

    async def answer(request: web.Request) -> web.Response:
        is_asked = request.query.get("instType", "SWAP") == "SWAP"
        return web.json_response({"code": "0", "msg": "", "data": rows if is_asked else []})

    wire.answers[f"/api/v5/{path}"] = answer


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if not isinstance(value, dict | list):
        return [path]
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    return [leaf for key, below in pairs for leaf in leaves(below, (*path, key))]


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


WRONG = [None, 1, 1.5, True, [], {}, "NaN", "Infinity", "1e400", "1,5", "0x1", "１", " 1", "1 ", "<b>", "9" * 40]
TEXTS = {"ccy", "type", "subType", "state", "perm", "acctLv", "side", "earningType", "instType", "feeCcy", "baseCcy"}


def reopen(reader: AccountReader) -> None:
    """Let no budget or refused key of earlier questions stand in the way of the next."""
    reader.market._governor.forget()
    reader._client.breaker.mend()


async def refused(reader: AccountReader, read: Callable[[AccountReader], Awaitable[Any]]) -> AnswerShapeError | None:
    try:
        await read(reader)
    except AnswerShapeError as refusal:
        return refusal
    return None


@pytest.mark.parametrize("path", READS)
async def test_each_number_of_a_wrong_kind_is_refused(reader_of: Open, healthy: Any, path: str) -> None:
    reader, good, tried = await reader_of("okx"), GOOD[path], 0
    assert await READS[path](reader)
    for leaf in leaves(good):
        if leaf[-1] in FREE | TEXTS | {"quoteCcy"}:
            continue
        for wrong in WRONG:
            damaged = copy.deepcopy(good)
            at(damaged, leaf[:-1])[leaf[-1]] = wrong
            say(healthy, path, damaged)
            reopen(reader)
            refusal = await refused(reader, READS[path])
            assert refusal is not None, f"{leaf} = {wrong!r} was taken for an answer"
            assert refusal.path, f"{leaf} = {wrong!r} was refused without a path"
            assert "<b>" not in str(refusal)
            tried += 1
    assert tried >= len(WRONG) or path == "account/config"


TEXT = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", "-1", "0", "1", "2", "1e9", "NaN", "-0", "0.0000000000000000001", "6", "18", "27", "-7.5"]),
    st.decimals(allow_nan=False, allow_infinity=False, places=8).map(lambda number: f"{number:f}"),
)
OTHER = st.one_of(
    st.none(), st.booleans(), st.integers(), st.lists(st.text(max_size=3)), st.dictionaries(st.text(), st.text())
)
RARELY = st.integers(0, 9).map(lambda number: number == 9)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_no_damage_ends_in_an_untyped_error(reader_of: Open, healthy: Any, data: st.DataObject) -> None:
    """Any field of another text, now and then of another kind, gone or doubled: an answer, or one of our errors."""
    path = data.draw(st.sampled_from(sorted(READS)))
    damaged = copy.deepcopy(GOOD[path])
    for leaf in data.draw(st.lists(st.sampled_from(leaves(GOOD[path])), min_size=1, max_size=3, unique=True)):
        if data.draw(RARELY):
            at(damaged, leaf[:-1]).pop(leaf[-1])
        else:
            at(damaged, leaf[:-1])[leaf[-1]] = data.draw(OTHER if data.draw(RARELY) else TEXT)
    mend(healthy)  # of what the last example damaged
    say(healthy, path, damaged * (1 + data.draw(RARELY)))
    reader = await reader_of("okx")
    reopen(reader)
    with contextlib.suppress(VenueError):
        await READS[path](reader)


@given(
    cash=st.decimals(-1000, 1000, places=8),
    isolated=st.decimals(0, 1000, places=8),
    open_pnl=st.decimals(-100, 100, places=8),
    bots=st.decimals(0, 1000, places=8),
)
@settings(deadline=None)
def test_equity_is_what_okx_states_and_its_terms_add_up(
    cash: Decimal, isolated: Decimal, open_pnl: Decimal, bots: Decimal
) -> None:
    equity = cash + isolated + open_pnl + bots
    row = shapes.CoinBalance(
        ccy="USDT",
        eq=f"{equity:f}",
        cashBal=f"{cash:f}",
        upl=f"{open_pnl:f}",
        isoEq=f"{isolated:f}",
        stgyEq=f"{bots:f}",
    )
    balance = _coin_balance(row)
    assert balance.quantity == equity == balance.wallet_balance + balance.unrealised_pnl
    assert "residual" not in dict(balance.components)
