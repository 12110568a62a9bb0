"""No question of Binance's history asks for more than the venue allows: windows, pages, age."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from portfolio_lab.errors import AnswerShapeError, CredentialsError, VenueError, WalletRefusedError
from portfolio_lab.exchanges.binance import history_endpoints as at
from portfolio_lab.exchanges.binance import streams, transfers
from portfolio_lab.exchanges.binance.endpoints import ISOLATED_MARGIN_ACCOUNT
from portfolio_lab.exchanges.binance.prices import Instruments
from portfolio_lab.exchanges.client import Endpoint, VenueClient
from portfolio_lab.exchanges.governor import Priority
from portfolio_lab.exchanges.payloads import milliseconds, shaped
from portfolio_lab.models.activity import ActivityStep

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = 86_400_000
NONE: dict[str, Any] = {"total": 0, "rows": []}
LIST: list[Any] = []

ANSWERS: dict[Endpoint, Any] = {
    at.DEPOSITS: LIST,
    at.WITHDRAWALS: LIST,
    at.TRANSFERS: {"total": 0},
    at.SUB_ACCOUNTS: {"subAccounts": [{"email": "sub@x"}]},
    at.UNIVERSAL_TRANSFERS: {"result": [], "totalCount": 0},
    at.SUB_TRANSFERS: LIST,
    at.FIAT_ORDERS: {"code": "000000"},
    at.FIAT_PAYMENTS: {"code": "000000", "data": []},
    at.PAY: {"code": "000000", "data": []},
    at.OPTION_FILLS: LIST,
    at.USD_M_INCOME: LIST,
    at.COIN_M_INCOME: LIST,
    at.PM_USD_M_INCOME: LIST,
    at.PM_COIN_M_INCOME: LIST,
    at.OPTION_BILLS: LIST,
    at.DIVIDENDS: NONE,
    at.DUST: {"total": 0, "userAssetDribblets": []},
    at.CONVERSIONS: {"list": [], "moreData": False},
    at.FLEXIBLE_REWARDS: NONE,
    at.LOCKED_REWARDS: NONE,
    at.FLEXIBLE_SUBSCRIPTIONS: NONE,
    at.FLEXIBLE_REDEMPTIONS: NONE,
    at.LOCKED_SUBSCRIPTIONS: NONE,
    at.LOCKED_REDEMPTIONS: NONE,
    at.ETH_STAKED: NONE,
    at.ETH_UNSTAKED: NONE,
    at.SOL_STAKED: NONE,
    at.SOL_UNSTAKED: NONE,
    at.MARGIN_INTEREST: NONE,
    at.MARGIN_LOANS: NONE,
    at.PM_MARGIN_INTEREST: NONE,
    at.LOAN_BORROWS: NONE,
    at.LOAN_REPAYS: NONE,
    at.REBATES: {"status": "OK", "data": {"page": 1, "totalPageNum": 0, "data": []}},
    ISOLATED_MARGIN_ACCOUNT: {"assets": [{"symbol": "BTCUSDT"}]},
}

LONGEST = {  # days that the venue allows between the two ends
    at.DEPOSITS: 90,
    at.WITHDRAWALS: 90,
    at.FIAT_ORDERS: 1_098,  # none is stated
    at.FIAT_PAYMENTS: 1_098,
    at.PAY: 90,
    at.OPTION_FILLS: 7,
    at.CONVERSIONS: 30,
    at.FLEXIBLE_REWARDS: 30,
    at.MARGIN_INTEREST: 30,
    at.MARGIN_LOANS: 30,
    at.REBATES: 30,
    at.UNIVERSAL_TRANSFERS: 7,
    at.DIVIDENDS: 180,
    at.LOAN_BORROWS: 180,
    at.LOAN_REPAYS: 180,
}
OLDEST = {  # days that the venue remembers
    at.TRANSFERS: 182,
    at.UNIVERSAL_TRANSFERS: 182,
    at.USD_M_INCOME: 90,
    at.COIN_M_INCOME: 90,
    at.OPTION_FILLS: 182,
    at.PAY: 548,
    at.REBATES: 90,
}


@dataclass
class Silent:
    """A venue where nothing ever happened; it keeps the questions."""

    answers: dict[Endpoint, Any] = field(default_factory=lambda: dict(ANSWERS))
    asked: list[tuple[Endpoint, Mapping[str, Any]]] = field(default_factory=list)

    async def ask(self, endpoint: Endpoint, shape: Any, params: Mapping[str, Any] | None = None) -> tuple[Any, None]:
        self.asked.append((endpoint, params or {}))
        answer = self.answers[endpoint]
        if isinstance(answer, VenueError):
            raise answer
        return shaped(answer(params) if callable(answer) else answer, shape), None

    async def step(self, stream: str, cursor: str = "", now: datetime = NOW) -> ActivityStep:
        client, instruments = cast("VenueClient", self), cast("Instruments", None)
        return await streams.step(client, instruments, stream, cursor, now=now, assets=frozenset())


@pytest.mark.parametrize("stream", sorted(streams.WINDOWED))
async def test_windows_are_as_long_and_as_old_as_the_venue_allows(stream: str) -> None:
    venue, cursor, step = Silent(), "", None
    for _ in range(400):
        step = await venue.step(stream, cursor)
        cursor = step.cursor
        if step.is_backfilled:
            break
    assert step is not None
    assert (step.is_backfilled, step.progress, step.known_until) == (True, 1.0, NOW)
    for endpoint, asked in venue.asked:
        start, end = asked.get("startTime", asked.get("beginTime")), asked.get("endTime")
        if start is None or end is None:
            continue
        assert 0 <= end - start < LONGEST.get(endpoint, 366) * DAY
        assert start > milliseconds(NOW) - OLDEST.get(endpoint, 9_999) * DAY


@pytest.mark.parametrize("stream", sorted(streams.WINDOWED))
async def test_a_step_is_bounded_and_a_later_one_reads_the_overlap_again(stream: str) -> None:
    venue, cursor = Silent(), ""
    for _ in range(400):
        before = len(venue.asked)
        step = await venue.step(stream, cursor)
        assert len(venue.asked) - before <= 9
        cursor = step.cursor
        if step.is_backfilled:
            break
    venue.asked.clear()
    later = NOW + timedelta(minutes=5)
    await venue.step(stream, cursor, later)
    starts = [asked[name] for _, asked in venue.asked for name in ("startTime", "beginTime") if name in asked]
    assert min(starts) <= milliseconds(NOW) - 3_600_000


def test_history_never_goes_before_balances() -> None:
    assert {endpoint.priority for endpoint in at.HISTORY_ENDPOINTS} == {Priority.HISTORY}
    assert {endpoint.is_personal for endpoint in at.HISTORY_ENDPOINTS if endpoint.budget.limit == 180_000} == {True}


async def backfilled(venue: Silent, stream: str) -> str:
    """The cursor of a stream whose backfill is done."""
    cursor = ""
    for _ in range(400):
        step = await venue.step(stream, cursor)
        cursor = step.cursor
        if step.is_backfilled:
            return cursor
    raise AssertionError(f"{stream} does not end")


async def test_all_fiat_ever_costs_an_account_no_more_than_a_few_minutes_of_its_budget() -> None:
    venue = Silent()
    await backfilled(venue, "fiat")
    heavy = sum(endpoint.weight for endpoint, _ in venue.asked if endpoint is at.FIAT_ORDERS)
    assert heavy <= 3 * at.FIAT_ORDERS.budget.limit
    starts = [asked["beginTime"] for endpoint, asked in venue.asked if endpoint is at.FIAT_ORDERS]
    assert starts == sorted(starts, reverse=True), "newest first"


async def test_a_long_window_of_fiat_that_is_refused_is_asked_for_in_halves() -> None:
    def narrow(asked: Mapping[str, Any]) -> Any:
        if asked["endTime"] - asked["beginTime"] >= 90 * DAY:
            raise VenueError("The venue refused the request (code -1127).", venue_code="-1127")
        return {"code": "000000"}

    venue = Silent(ANSWERS | {at.FIAT_ORDERS: narrow})
    await backfilled(venue, "fiat")
    told = [asked["beginTime"] for endpoint, asked in venue.asked if endpoint is at.FIAT_PAYMENTS]
    assert min(told) == milliseconds(datetime(2017, 1, 1, tzinfo=UTC))


async def test_a_short_window_of_fiat_that_is_refused_is_an_error() -> None:
    venue = Silent(ANSWERS | {at.FIAT_ORDERS: VenueError("The venue refused the request.", venue_code="-1127")})
    with pytest.raises(VenueError, match="refused"):
        await backfilled(venue, "fiat")


async def test_a_burst_in_one_millisecond_that_no_page_holds_names_its_stream() -> None:
    moment = milliseconds(NOW) - DAY

    def burst(asked: Mapping[str, Any]) -> Any:
        row = {"symbol": "", "incomeType": "COMMISSION", "income": "-1", "asset": "USDT", "time": moment, "tranId": 1}
        return [row] * 1_000 if asked["startTime"] <= moment <= asked["endTime"] else []

    with pytest.raises(AnswerShapeError, match="usd_m_income stream"):
        await backfilled(Silent(ANSWERS | {at.USD_M_INCOME: burst}), "usd_m_income")


async def test_dust_that_is_not_told_whole_is_asked_for_in_halves() -> None:
    rows = [(milliseconds(NOW) - hour * 3_600_000, hour) for hour in range(1, 9)]

    def last_two(asked: Mapping[str, Any]) -> Any:
        found = [row for row in rows if asked["startTime"] <= row[0] <= asked["endTime"]]
        line = {"serviceChargeAmount": "0", "amount": "1", "transferedAmount": "1", "fromAsset": "ETH"}
        told = [
            {
                "operateTime": when,
                "transId": number,
                "userAssetDribbletDetails": [line | {"transId": number, "operateTime": when}],
            }
            for when, number in found[:2]
        ]
        return {"total": len(found), "userAssetDribblets": told}

    venue, cursor, references = Silent(ANSWERS | {at.DUST: last_two}), "", set()
    for _ in range(60):
        step = await venue.step("dust", cursor)
        cursor = step.cursor
        references |= {row.reference for row in step.rows}  # type: ignore[union-attr] - dust is income
    assert references == {f"dust-{number}-ETH" for _, number in rows}


async def test_an_account_that_may_list_no_sub_accounts_is_a_sub_account() -> None:
    venue = Silent(ANSWERS | {at.SUB_ACCOUNTS: CredentialsError("no")})
    await venue.step("family_transfers")
    assert at.SUB_TRANSFERS in [endpoint for endpoint, _ in venue.asked]
    venue.answers[at.SUB_TRANSFERS] = CredentialsError("no")
    with pytest.raises(WalletRefusedError):
        await venue.step("family_transfers")


async def test_a_master_without_sub_accounts_has_no_family() -> None:
    venue = Silent(ANSWERS | {at.SUB_ACCOUNTS: {"subAccounts": []}})
    step = await venue.step("family_transfers")
    assert (step.rows, step.is_current) == ((), True)
    assert {endpoint for endpoint, _ in venue.asked} == {at.SUB_ACCOUNTS}


async def test_a_rare_direction_may_be_refused_a_common_one_may_not() -> None:
    def refusing(name: str) -> Any:
        def answer(asked: Mapping[str, Any]) -> Any:
            if name in asked["type"]:
                raise VenueError("The venue refused the request (code -1130).")
            return {"total": 0}

        return answer

    venue, cursor = Silent(ANSWERS | {at.TRANSFERS: refusing("PORTFOLIO")}), ""
    for _ in range(8):
        cursor = (await venue.step("transfers", cursor)).cursor
    assert {asked["type"] for _, asked in venue.asked} == set(transfers.DIRECTIONS)
    with pytest.raises(VenueError, match="1130"):
        await Silent(ANSWERS | {at.TRANSFERS: refusing("UMFUTURE")}).step("transfers")


async def test_a_stream_that_is_not_there_is_an_error() -> None:
    with pytest.raises(VenueError, match="no stream"):
        await Silent().step("tea_leaves")


async def test_a_wallet_that_was_never_there_tells_nothing_and_one_that_closed_is_refused() -> None:
    venue = Silent()
    cursor = (await venue.step("pm_usd_m_income")).cursor
    venue.answers[at.PM_USD_M_INCOME] = CredentialsError("no")
    step = await venue.step("pm_usd_m_income")
    assert (step.rows, step.cursor, step.known_until, step.is_backfilled) == ((), "", None, True)
    with pytest.raises(WalletRefusedError):
        await venue.step("pm_usd_m_income", cursor)


async def test_a_bad_key_is_told_by_the_streams_of_the_cash_wallets() -> None:
    with pytest.raises(CredentialsError):
        await Silent(ANSWERS | {at.DEPOSITS: CredentialsError("no")}).step("deposits")


async def test_equal_rows_that_the_border_of_a_page_parts_are_all_kept() -> None:
    moment = milliseconds(NOW) - DAY
    row = {"asset": "USDT", "type": 1, "amount": "0.25", "updateTime": moment}
    others = [{**row, "updateTime": moment + number} for number in range(1, 100)]
    pages = {1: [*others, row], 2: [row, row]}

    def told(params: Mapping[str, Any]) -> dict[str, Any]:
        is_first = params["startTime"] <= moment <= params["endTime"]
        rows = pages[params["page"]] if is_first else []
        return {"status": "OK", "data": {"page": params["page"], "totalPageNum": 2, "data": rows}}

    venue = Silent()
    venue.answers[at.REBATES] = told
    assert len((await venue.step("rebates")).rows) == 102


async def test_a_master_of_many_knows_all_its_sub_accounts() -> None:
    emails = [f"sub{number}@x" for number in range(201)]
    moved = {"tranId": 7, "fromEmail": emails[0], "toEmail": emails[200], "asset": "USDT", "amount": "5"}
    row = {**moved, "createTimeStamp": milliseconds(NOW) - 1, "fromAccountType": "SPOT", "toAccountType": "SPOT"}

    def subs(params: Mapping[str, Any]) -> dict[str, Any]:
        page = params["page"]
        return {"subAccounts": [{"email": email} for email in emails[200 * (page - 1) : 200 * page]]}

    venue = Silent()
    venue.answers[at.SUB_ACCOUNTS] = subs
    venue.answers[at.UNIVERSAL_TRANSFERS] = {"result": [{**row, "status": "SUCCESS"}], "totalCount": 1}
    assert (await venue.step("family_transfers")).rows == (), "between two sub-accounts: not of the master"
