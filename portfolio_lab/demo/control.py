"""/_demo: what a test says to the demo exchange. Not part of any venue's language.

POST   /_demo/clock     {"now": "2026-09-01T00:00:00Z"} | {"mode": "live"} | {"mode": "live", "real": true}
GET    /_demo/clock
GET    /_demo/users     accounts with their keys, to configure a lab with
GET    /_demo/truth     ?user=&account=venue:label&at=&since=   (account: all when absent, sub-accounts
                        only with subs=true; at: now); `in_transit` is between the user's own accounts
POST   /_demo/faults    one fault, see `Fault`;   GET lists them, DELETE clears all
POST   /_demo/keys      {"user", "account", "revoked": true | false | null, "permissions": [...]}
POST   /_demo/wild      {"seed": n | null}: from the next day that is told on, every account lives wild days
POST   /_demo/grants    {"user", "account", "wallet", "asset", "quantity"}
POST   /_demo/late      rows that a history tells later, see `late`;   GET lists, DELETE clears
GET    /_demo/requests  how often each path was asked for;   DELETE counts anew
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web

from portfolio_lab.demo.clock import read_instant
from portfolio_lab.demo.exchange import DemoAccount
from portfolio_lab.demo.instruments import COINS, CREDITS, FIAT, STABLECOINS, WRAPPERS
from portfolio_lab.demo.late import add_late, clear_late, show_late
from portfolio_lab.demo.market import instant, milliseconds
from portfolio_lab.demo.truth import account_truth, flows_truth, pnl_truth, transit_truth
from portfolio_lab.models.accounts import Wallet

if TYPE_CHECKING:
    from portfolio_lab.demo.server import DemoExchange

Door = Callable[["DemoExchange", web.Request], Awaitable[Any]]


def add_routes(application: web.Application, demo: DemoExchange) -> None:
    """Open the test language on an application."""
    for (method, path), door in _DOORS.items():
        application.router.add_route(method, f"/_demo/{path}", partial(_answer, demo, door))


async def _answer(demo: DemoExchange, door: Door, request: web.Request) -> web.Response:
    try:
        return web.json_response(await door(demo, request))
    except (ValueError, KeyError, TypeError, InvalidOperation) as mistake:
        return web.json_response({"error": f"{type(mistake).__name__}: {mistake}"}, status=400)


async def _show_clock(demo: DemoExchange, _: web.Request) -> Any:
    clock = demo.exchange.clock
    return {"scripted": clock.scripted, "book": _iso(clock.book()), "wire": _iso(clock.wire())}


async def _set_clock(demo: DemoExchange, request: web.Request) -> Any:
    wanted = await request.json()
    if "now" in wanted:
        demo.set_clock(read_instant(wanted["now"]))
    elif wanted.get("mode") == "live":
        demo.exchange.clock.run(real=bool(wanted.get("real")))
    else:
        msg = 'say {"now": an ISO instant} or {"mode": "live"}'
        raise ValueError(msg)
    return await _show_clock(demo, request)


async def _users(demo: DemoExchange, _: web.Request) -> Any:
    return [_user_row(one) for one in demo.exchange.accounts]


async def _truth(demo: DemoExchange, request: web.Request) -> Any:
    query = request.query
    at = milliseconds(read_instant(query["at"])) if query.get("at") else demo.exchange.clock.book()
    if at > demo.exchange.clock.book():
        msg = "the truth of the future is not told: `at` lies after the book clock"
        raise ValueError(msg)
    since = milliseconds(read_instant(query["since"])) if query.get("since") else None
    chosen = [one for one in demo.exchange.accounts if one.account.user == query["user"] and _is_asked(one, query)]
    return truth_of(demo, chosen, at, since)


def _is_asked(one: DemoAccount, query: Mapping[str, str]) -> bool:
    """By name; without one all accounts of the demo lab, and with subs=true their sub-accounts as well."""
    if query.get("account"):
        return query["account"] == one.account.name
    return not one.master_uid or query.get("subs") == "true"


async def _show_faults(demo: DemoExchange, _: web.Request) -> Any:
    return [{"path": fault.path, "times": fault.times} for fault in demo.faults.in_force]


async def _add_fault(demo: DemoExchange, request: web.Request) -> Any:
    demo.faults.add(await request.json())
    return await _show_faults(demo, request)


async def _clear_faults(demo: DemoExchange, _: web.Request) -> Any:
    demo.faults.clear()
    return []


async def _set_key(demo: DemoExchange, request: web.Request) -> Any:
    wanted = await request.json()
    one = find_account(demo, wanted["user"], wanted["account"])
    if "revoked" in wanted:
        one.revoked_by_control = wanted["revoked"]
    if "permissions" in wanted:
        one.permissions = tuple(wanted["permissions"])
    return {"revoked": one.revoked(demo.exchange.clock.book()), "permissions": list(one.permissions)}


async def _go_wild(demo: DemoExchange, request: web.Request) -> Any:
    seed = (await request.json())["seed"]
    for one in demo.exchange.accounts:
        one.story.wild = None if seed is None else int(seed)
    return {"seed": seed}


async def _grant(demo: DemoExchange, request: web.Request) -> Any:
    wanted = await request.json()
    grant(demo, wanted["user"], wanted["account"], wanted["wallet"], wanted["asset"], Decimal(wanted["quantity"]))
    return {"granted": wanted["quantity"]}


async def _show_requests(demo: DemoExchange, _: web.Request) -> Any:
    return dict(demo.requests)


async def _clear_requests(demo: DemoExchange, _: web.Request) -> Any:
    demo.requests.clear()
    return {}


_DOORS: dict[tuple[str, str], Door] = {
    ("GET", "clock"): _show_clock,
    ("POST", "clock"): _set_clock,
    ("GET", "users"): _users,
    ("GET", "truth"): _truth,
    ("GET", "faults"): _show_faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("POST", "keys"): _set_key,
    ("POST", "wild"): _go_wild,
    ("POST", "grants"): _grant,
    ("GET", "late"): show_late,
    ("POST", "late"): add_late,
    ("DELETE", "late"): clear_late,
    ("GET", "requests"): _show_requests,
    ("DELETE", "requests"): _clear_requests,
}


def find_account(demo: DemoExchange, user: str, name: str) -> DemoAccount:
    """The account "venue:label" of a user; KeyError when there is none."""
    for one in demo.exchange.accounts:
        if (one.account.user, one.account.name) == (user, name):
            return one
    raise KeyError(f"{user} {name}")


def grant(demo: DemoExchange, user: str, name: str, wallet: str, asset: str, quantity: Decimal) -> None:
    """Give an account an asset that no story trades; ValueError for one that stories do trade."""
    if asset in (*COINS, *STABLECOINS, *WRAPPERS, *FIAT, *CREDITS):
        msg = f"{asset} is written by the stories; grant a coin that they do not touch"
        raise ValueError(msg)
    now = demo.exchange.clock.book()
    one = find_account(demo, user, name)
    one.view(now)
    one.book.grant(now, Wallet(wallet), asset, quantity)


def truth_of(demo: DemoExchange, chosen: list[DemoAccount], at: int, since: int | None) -> dict[str, Any]:
    """Truth of some accounts and of their sum, amounts as text, unknown as null."""
    market = demo.exchange.market
    accounts = {}
    for one in chosen:
        told: dict[str, Any] = _plain(asdict(account_truth(one, market, at)))
        if since is not None:
            told["flows"] = [_plain(asdict(flow)) for flow in flows_truth(one, market, since, at)]
            told["pnl"] = _plain(pnl_truth(one, market, since, at))
        accounts[one.account.name] = told
    totals = [account["equity"] for account in accounts.values()]
    total = None if None in totals else str(sum(map(Decimal, totals)))
    users = {one.account.user for one in chosen}
    transit = [
        _plain(asdict(move))
        for user in sorted(users)
        for move in transit_truth((one for one in demo.exchange.accounts if one.account.user == user), market, at)
    ]
    values = [move["value"] for move in transit]
    under_way = None if None in values else str(sum(map(Decimal, values)))
    told = {"at": _iso(at), "equity": total, "accounts": accounts}
    return told | {"in_transit": transit, "in_transit_value": under_way}


def _user_row(one: DemoAccount) -> dict[str, Any]:
    account, keys = one.account, one.credentials
    return {
        "user": account.user,
        "venue": account.venue,
        "label": account.label,
        "wallets": [wallet.value for wallet in account.wallets],
        "credentials": {"key": keys.key, "secret": keys.secret, "passphrase": keys.passphrase},
    }


def _plain(fact: Any) -> Any:
    if isinstance(fact, dict):
        return {str(name): _iso(value) if name == "at" else _plain(value) for name, value in fact.items()}
    if isinstance(fact, (list, tuple)):
        return [_plain(one) for one in fact]
    return format(fact, "f") if isinstance(fact, Decimal) else fact


def _iso(at: int) -> str:
    return instant(at).isoformat().replace("+00:00", "Z")
