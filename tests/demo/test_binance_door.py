"""Refusals, limits and windows of the Binance face, as a client meets them on the wire."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import ccxt
import orjson
import pytest

from portfolio_lab.demo.people import credentials_of
from portfolio_lab.demo.server import DemoExchange
from portfolio_lab.models.accounts import Account

Client = Callable[..., Any]
DAY_MS = 86_400_000
KEYS = credentials_of(Account("alice", "binance", "main"))


def _ask(
    demo: DemoExchange, path: str, query: str, *, key: str | None = KEYS.key, secret: str = KEYS.secret, body: str = ""
) -> tuple[int, dict[str, Any], dict[str, str]]:
    """(status, answer, headers) of a request signed by hand over the bytes that are sent."""
    signature = hmac.new(secret.encode(), (query + body).encode(), hashlib.sha256).hexdigest()
    url = f"{demo.url}{path}?{query}&signature={signature}"
    request = Request(url, data=body.encode() or None, headers={} if key is None else {"X-MBX-APIKEY": key})  # noqa: S310
    try:
        with urlopen(request, timeout=30) as response:  # noqa: S310 - a loopback address
            return response.status, orjson.loads(response.read()), dict(response.headers)
    except HTTPError as refusal:
        with refusal:
            return refusal.code, orjson.loads(refusal.read()), dict(refusal.headers)


def _stamp(demo: DemoExchange, *, shift: int = 0) -> str:
    return f"timestamp={demo.exchange.clock.wire() + shift}"


def test_a_request_signed_by_hand_is_answered(rested: DemoExchange) -> None:
    status, answer, headers = _ask(rested, "/api/v3/account", _stamp(rested))

    assert status == 200
    assert answer["accountType"] == "SPOT"
    assert headers["X-MBX-USED-WEIGHT-1M"] == "20"


def test_percent_signs_are_signed_as_sent(rested: DemoExchange) -> None:
    status, *_ = _ask(rested, "/api/v3/openOrders", f"symbol=%42TCUSDT&stray=a%2Fb+c&{_stamp(rested)}")

    assert status == 200


def test_query_and_body_are_signed_together(rested: DemoExchange) -> None:
    status, *_ = _ask(rested, "/sapi/v3/asset/getUserAsset", "needBtcValuation=true", body=_stamp(rested))

    assert status == 200


def test_refusals_come_in_binances_order(rested: DemoExchange) -> None:
    """Each request is wrong in everything that comes later, too."""
    path, old = "/api/v3/myTrades", _stamp(rested, shift=-60_000)
    carol = credentials_of(Account("carol", "binance", "main"))
    next(one for one in rested.exchange.accounts if one.credentials == carol).revoked_by_control = True
    asked = [
        _ask(rested, path, "a=1", key=None, secret="wrong"),
        _ask(rested, path, "a=1", key="0" * 64, secret="wrong"),
        _ask(rested, path, "a=1", key=carol.key, secret="wrong"),
        _ask(rested, path, "recvWindow=70000", secret="wrong"),
        _ask(rested, path, f"recvWindow=70000&{old}", secret="wrong"),
        _ask(rested, path, old, secret="wrong"),
        _ask(rested, path, _stamp(rested, shift=30_000), secret="wrong"),
        _ask(rested, path, _stamp(rested), secret="wrong"),
        _ask(rested, path, _stamp(rested)),
        _ask(rested, path, f"symbol=NOPE&{_stamp(rested)}"),
    ]

    assert [(status, answer["code"]) for status, answer, _ in asked] == [
        (401, -2014),
        (401, -2008),
        (401, -2015),
        (400, -1102),
        (400, -1131),
        (400, -1021),
        (400, -1021),
        (400, -1022),
        (400, -1102),
        (400, -1121),
    ]


def test_wallets_that_were_never_opened_are_refused(binance: Client) -> None:
    client = binance("carol")

    client.fetch_balance({"type": "funding"})
    client.options["hasAlreadyAuthenticatedSuccessfully"] = False
    for path in (client.fapiprivatev3_get_account, client.dapiprivate_get_account):
        with pytest.raises(ccxt.AuthenticationError, match="-2015"):
            path()


def test_what_a_key_may_do_is_told(binance: Client, rested: DemoExchange) -> None:
    client = binance("alice")
    assert not any(value for name, value in client.sapi_get_account_apirestrictions().items() if _is_a_danger(name))

    next(one for one in rested.exchange.accounts if one.credentials == KEYS).permissions = ("enableWithdrawals",)
    assert client.sapi_get_account_apirestrictions()["enableWithdrawals"]


def _is_a_danger(name: str) -> bool:
    return name.startswith(("enable", "permits")) and name != "enableReading"


# ---------------------------------------------------------------- weights


def _set_limits(demo: DemoExchange, changes: dict[str, int]) -> dict[str, int]:
    body = orjson.dumps(changes)
    with urlopen(Request(f"{demo.control_url}/limits", data=body), timeout=30) as response:  # noqa: S310 - loopback
        answer: dict[str, int] = orjson.loads(response.read())
    return answer


def test_limits_that_do_not_exist_cannot_be_set(rested: DemoExchange) -> None:
    for changes in ({"nothing": 1}, {"fapi": "many"}, {"fapi": -1}):
        with pytest.raises(HTTPError) as refusal:
            _set_limits(rested, changes)
        with refusal.value:
            assert refusal.value.code == 400


def test_limits_go_back_to_the_venues_own(rested: DemoExchange) -> None:
    _set_limits(rested, {"fapi": 4, "first_ban_seconds": 1})
    with urlopen(Request(f"{rested.control_url}/limits", method="DELETE"), timeout=30) as response:  # noqa: S310
        limits = orjson.loads(response.read())

    assert (limits["api"], limits["fapi"], limits["dapi"], limits["papi"]) == (6000, 2400, 2400, 6000)
    assert (limits["sapi_ip"], limits["sapi_uid"], limits["first_ban_seconds"]) == (12_000, 180_000, 120)


def test_headers_count_each_family_apart(binance: Client) -> None:
    client = binance("alice")
    used = []
    for call in (
        client.fapiprivatev3_get_account,
        client.fapiprivatev3_get_positionrisk,
        client.dapiprivate_get_account,
    ):
        call()
        used.append(client.last_response_headers["X-MBX-USED-WEIGHT-1M"])
    client.sapi_get_asset_wallet_balance()

    assert used == ["5", "10", "5"]
    assert client.last_response_headers["X-SAPI-USED-IP-WEIGHT-1M"] == "60"


def test_over_the_limit_is_429_then_418(binance: Client, rested: DemoExchange) -> None:
    client = binance("alice")
    assert _set_limits(rested, {"fapi": 4, "strikes": 2})["fapi"] == 4
    refused = []
    for _ in range(4):
        with pytest.raises(ccxt.DDoSProtection) as refusal:
            client.fapiprivatev3_get_account()
        refused.append((str(refusal.value), int(client.last_response_headers["Retry-After"])))

    assert ["429" in text for text, _ in refused] == [True, True, False, False]
    assert ["IP banned until" in text for text, _ in refused] == [False, False, True, True]
    assert all(1 <= seconds <= 60 for _, seconds in refused[:2])
    assert refused[2][1] == 120
    assert client.dapiprivate_get_account()


# ---------------------------------------------------------------- windows


@pytest.mark.parametrize(
    ("call", "parameters", "code"),
    [
        ("private_get_mytrades", {"symbol": "BTCUSDT", "days": 1.01}, "-1127"),
        ("private_get_mytrades", {"symbol": "BTCUSDT", "days": 1, "fromId": 1}, "-1128"),
        ("private_get_mytrades", {"days": 1}, "-1102"),
        ("fapiprivate_get_usertrades", {"symbol": "BTCUSDT", "days": 7.01}, "-4165"),
        ("fapiprivate_get_usertrades", {"symbol": "BTCUSDT", "limit": 1001}, "-1130"),
        ("fapiprivate_get_usertrades", {"symbol": "BTCUSDT", "days": 1, "shift": 200}, "-4166"),
        ("dapiprivate_get_usertrades", {"symbol": "BTCUSDT"}, "-1121"),
        ("sapi_get_capital_deposit_hisrec", {"days": 90.1}, "-1127"),
        ("sapi_get_capital_withdraw_history", {"days": 90.1}, "-1127"),
        ("sapi_get_asset_transfer", {}, "-1102"),
        ("sapi_get_asset_transfer", {"type": "NOWHERE"}, "-1130"),
        ("sapi_get_accountsnapshot", {"type": "SPOT", "limit": 31}, "-1130"),
        ("public_get_klines", {"symbol": "BTCUSDT", "interval": "7m"}, "-1120"),
    ],
)
def test_windows_and_limits_are_kept(binance: Client, call: str, parameters: dict[str, Any], code: str) -> None:
    client = binance("alice")
    asked = {name: value for name, value in parameters.items() if name not in {"days", "shift"}}
    if "days" in parameters:
        until = int(client.milliseconds() - client.options["timeDifference"] - parameters.get("shift", 0) * DAY_MS)
        asked |= {"startTime": until - int(parameters["days"] * DAY_MS), "endTime": until}

    with pytest.raises(ccxt.ExchangeError, match=f'"code":{code}') as refusal:
        getattr(client, call)(asked)
    assert type(refusal.value).__name__ != "DDoSProtection"


def test_fills_can_be_paged_by_id_without_loss(binance: Client) -> None:
    client = binance("desk")
    whole = client.private_get_mytrades({"symbol": "BTCUSDT", "fromId": 0, "limit": 1000})

    paged: list[dict[str, Any]] = []
    first = 0
    while chunk := client.private_get_mytrades({"symbol": "BTCUSDT", "fromId": first, "limit": 5}):
        paged += chunk
        first = int(chunk[-1]["id"]) + 1
    assert len(whole) > 10
    assert paged == whole


def test_flows_can_be_paged_by_offset_newest_first(binance: Client) -> None:
    client = binance("desk")
    whole = client.sapi_get_capital_deposit_hisrec()

    paged = [
        row
        for offset in range(len(whole) + 1)
        for row in client.sapi_get_capital_deposit_hisrec({"offset": offset, "limit": 1})
    ]
    assert len(whole) > 3
    assert paged == whole
    assert whole == sorted(whole, key=lambda row: -row["insertTime"])


def test_nothing_of_the_future_is_told(binance: Client, rested: DemoExchange) -> None:
    client = binance("desk")
    far = {"startTime": rested.exchange.clock.book() + 1, "endTime": rested.exchange.clock.book() + 7 * DAY_MS}

    assert client.fapiprivate_get_usertrades({"symbol": "BTCUSDT", **far}) == []
    assert client.fapiprivate_get_income(far) == []
    assert client.sapi_get_capital_deposit_hisrec(far) == []


def test_paths_that_do_not_exist_are_404(rested: DemoExchange) -> None:
    with pytest.raises(HTTPError) as refusal:
        urlopen(f"{rested.url}/api/v3/nothing", timeout=30)  # noqa: S310 - a loopback address
    with refusal.value:
        assert refusal.value.code == 404
