"""One remedy for each error; a refused key is left alone; one closed wallet is no refused key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from portfolio_lab import errors
from portfolio_lab.exchanges import Hub
from portfolio_lab.exchanges.breaker import FIRST_PAUSE, Breaker
from portfolio_lab.models.accounts import Account, Credentials, Wallet

START = datetime(2026, 1, 1, tzinfo=UTC)
USD_M, FUNDING, RIGHTS = "/fapi/v3/account", "/sapi/v1/asset/get-funding-asset", "/sapi/v1/account/apiRestrictions"
REFUSED = b'{"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}'

REMEDIES = {
    errors.VenueError: "report_shape",
    errors.UnreachableError: "nothing",
    errors.DeadlineError: "nothing",
    errors.RateLimitedError: "wait",
    errors.PostponedError: "nothing",
    errors.BannedError: "wait",
    errors.MaintenanceError: "wait",
    errors.AnswerShapeError: "report_shape",
    errors.CredentialsError: "fix_key",
    errors.WalletRefusedError: "fix_key",
    errors.ClockSkewError: "fix_clock",
}


def all_kinds(kind: type[errors.VenueError]) -> set[type[errors.VenueError]]:
    return {kind}.union(*(all_kinds(lower) for lower in kind.__subclasses__()))


def test_each_error_of_a_venue_has_one_remedy() -> None:
    assert {kind: kind.remedy for kind in all_kinds(errors.VenueError)} == REMEDIES


class Hands:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def refused(breaker: Breaker) -> bool:
    try:
        breaker.check()
    except errors.CredentialsError:
        return True
    return False


def test_the_pause_begins_with_15_minutes_and_ends_at_6_hours() -> None:
    clock = Hands()
    breaker = Breaker(clock)
    pauses = []
    for _ in range(7):
        assert not refused(breaker)
        breaker.trip(errors.CredentialsError("no", venue_code="-2015"))
        began = clock.now
        while refused(breaker):
            clock.now += timedelta(minutes=1)
        pauses.append((clock.now - began) / timedelta(minutes=1))
        clock.now += timedelta(seconds=31)  # the question that went alone said nothing
    assert pauses == [15, 30, 60, 120, 240, 360, 360]


def test_when_the_pause_is_over_one_question_goes_alone() -> None:
    clock = Hands()
    breaker = Breaker(clock)
    breaker.trip(errors.CredentialsError("no", venue_code="-2015"))
    clock.now += timedelta(minutes=15)
    assert [refused(breaker) for _ in range(3)] == [False, True, True]
    breaker.mend()
    assert not refused(breaker)


def test_a_refusal_without_a_code_is_believed_at_the_second_time() -> None:
    breaker = Breaker(Hands())
    bare = errors.CredentialsError("401")
    breaker.trip(bare)
    assert not refused(breaker), "one damaged answer is no refused key"
    breaker.mend()
    breaker.trip(bare)
    assert not refused(breaker), "what was accepted in between is good"
    breaker.trip(bare)
    assert refused(breaker)


@pytest_asyncio.fixture
async def clocked() -> AsyncIterator[tuple[Hub, Hands]]:
    clock = Hands()
    async with Hub(clock=clock, deadline=5.0) as hub:
        yield hub, clock


async def read(hub: Hub, wire: Any, wallet: Wallet, hidden: str = "s") -> str:
    reader = await hub.reader(Account("ann", "binance", "main", base_url=wire.url), Credentials("k", hidden))
    try:
        await reader.fetch_wallet(wallet)
    except errors.VenueError as refusal:
        return type(refusal).__name__
    return "ok"


async def test_a_refused_key_is_asked_once_a_quarter_of_an_hour(wire: Any, clocked: tuple[Hub, Hands]) -> None:
    hub, clock = clocked
    for path in (USD_M, FUNDING, RIGHTS):
        wire.say(path, 401, b'{"code": -2008, "msg": "Invalid Api-Key ID."}')
    said = [await read(hub, wire, wallet) for wallet in (Wallet.USD_M, Wallet.FUNDING, Wallet.USD_M)]
    assert (said, len(wire.asked)) == (["CredentialsError"] * 3, 1)
    clock.now += timedelta(minutes=15)
    assert await read(hub, wire, Wallet.FUNDING) == "CredentialsError"
    assert len(wire.asked) == 2


async def test_parts_asked_at_once_do_not_all_try_a_refused_key(wire: Any, clocked: tuple[Hub, Hands]) -> None:
    hub, _ = clocked
    for path in (USD_M, FUNDING, RIGHTS):
        wire.say(path, 401, b'{"code": -2014, "msg": "API-key format invalid."}')
    said = await asyncio.gather(*(read(hub, wire, wallet) for wallet in (Wallet.USD_M, Wallet.FUNDING) * 3))
    assert (set(said), len(wire.asked)) == ({"CredentialsError"}, 1)


async def test_a_new_key_is_tried_at_once(wire: Any, clocked: tuple[Hub, Hands]) -> None:
    hub, _ = clocked
    good = wire.answers[FUNDING]
    wire.say(FUNDING, 401, b'{"code": -2008, "msg": ""}')
    assert await read(hub, wire, Wallet.FUNDING) == "CredentialsError"
    wire.answers[FUNDING] = good
    assert await read(hub, wire, Wallet.FUNDING) == "CredentialsError"
    assert await read(hub, wire, Wallet.FUNDING, hidden="new") == "ok"


async def test_one_closed_wallet_is_no_refused_key(wire: Any, clocked: tuple[Hub, Hands]) -> None:
    hub, _ = clocked
    wire.answers[RIGHTS] = {"enableReading": True}
    wire.say(USD_M, 401, REFUSED)
    assert await read(hub, wire, Wallet.USD_M) == "WalletRefusedError"
    assert await read(hub, wire, Wallet.FUNDING) == "ok"
    assert await read(hub, wire, Wallet.USD_M) == "WalletRefusedError"
    assert wire.count(RIGHTS) == 2  # each refusal is looked into anew: a key may be revoked at any moment


async def test_a_revoked_key_is_refused_everywhere(wire: Any, clocked: tuple[Hub, Hands]) -> None:
    hub, _ = clocked
    wire.say(RIGHTS, 401, REFUSED)
    wire.say(USD_M, 401, REFUSED)
    assert await read(hub, wire, Wallet.USD_M) == "CredentialsError"
    assert await read(hub, wire, Wallet.FUNDING) == "CredentialsError"
    assert len(wire.asked) == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b""),
        (200, b"<html><body>Maintenance</body></html>"),
        (400, b'{"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}'),
        (400, b'{"code": -9999, "msg": "unheard of"}'),
    ],
)
async def test_a_check_that_does_not_speak_of_the_key_condemns_none(
    wire: Any, clocked: tuple[Hub, Hands], status: int, body: bytes
) -> None:
    hub, _ = clocked
    wire.say(RIGHTS, status, body)
    wire.say(USD_M, 401, REFUSED)
    assert await read(hub, wire, Wallet.USD_M) == "CredentialsError"
    assert await read(hub, wire, Wallet.FUNDING) == "ok"


@pytest.mark.parametrize("code", ["50111", "50119", "50105"])
async def test_okx_keys_too(wire: Any, clocked: tuple[Hub, Hands], code: str) -> None:
    hub, _ = clocked
    body = json.dumps({"code": code, "msg": "", "data": []}).encode()
    wire.say("/api/v5/account/balance", 401, body)
    reader = await hub.reader(Account("ann", "okx", "main", base_url=wire.url), Credentials("k", "s", "p"))
    for wallet in (Wallet.TRADING, Wallet.FUNDING):
        with pytest.raises(errors.CredentialsError):
            await reader.fetch_wallet(wallet)
    assert len([one for one in wire.asked if "Ok-Access-Key" in one.headers]) == 1


# ---------------------------------------------------------------- regions


async def test_a_region_has_hosts_of_its_own() -> None:
    keys = Credentials("k", "s", "p")
    asked: list[str] = []
    async with Hub() as hub:
        for region in ("", "eea", "us"):
            reader = await hub.reader(Account("ann", "okx", f"r{region}", region=region), keys)
            asked.append(reader._client._exchange.sign("account/balance", "private")["url"])
        assert len({id(market) for market in hub._markets.values()}) == 3
        assert asked == [f"https://{host}.okx.com/api/v5/account/balance" for host in ("www", "eea", "us")]
        doors = [address for _, address in hub.session._doors if address.endswith("/api/v5/account/balance")]
        assert sorted(doors) == sorted(asked)
        with pytest.raises(errors.VenueError, match="no region 'mars'"):
            await hub.market("okx", "region:mars")
        with pytest.raises(errors.VenueError, match="no region"):
            await hub.market("binance", "region:eea")


def test_questions_that_were_refused_together_are_one_refusal() -> None:
    now = [datetime(2026, 8, 3, tzinfo=UTC)]
    breaker = Breaker(lambda: now[0])
    for _ in range(5):
        breaker.trip(errors.CredentialsError("revoked"))
    now[0] += FIRST_PAUSE
    breaker.check()  # the first pause is over: one question may pass
    breaker.trip(errors.CredentialsError("revoked"))
    now[0] += FIRST_PAUSE
    with pytest.raises(errors.CredentialsError):
        breaker.check()
    now[0] += FIRST_PAUSE
    breaker.check()
