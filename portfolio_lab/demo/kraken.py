"""A small Kraken: one spot book, as far as unmodified clients' unified reads need it.

Envelope, signature (HMAC-SHA512 over path and SHA-256 of nonce and body), growing nonces, odd
coin names and the refusals are Kraken's; the listing is a handful of pairs.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

from portfolio_lab.demo.generic_book import SmallBook, SmallFill, SmallFlow, SmallOrder
from portfolio_lab.demo.wire import Answer, Asked

PAIRS = {"XXBTZUSD": ("XXBT", "ZUSD", "XBT/USD", "61000.5"), "XETHZUSD": ("XETH", "ZUSD", "ETH/USD", "3000.1")}
ASSETS = {"XXBT": "XBT", "XETH": "ETH", "ZUSD": "USD", "DOT": "DOT", "DOT.S": "DOT.S"}
PAGE = 50
Row = dict[str, Any]


class _RefusalError(Exception):
    pass


class KrakenFace:
    """Answers for one book; see `wire.Venue`. The book's secret is base64 text, as Kraken gives it."""

    def __init__(self, book: SmallBook) -> None:
        self.book = book
        self._last_nonce = 0
        self._public: dict[str, Callable[[Asked], Any]] = {
            "Time": lambda asked: {"unixtime": asked.wire_now // 1000, "rfc1123": ""},
            "Assets": lambda _: {name: _asset(alt) for name, alt in ASSETS.items()},
            "AssetPairs": lambda _: {name: _pair(*coins) for name, coins in PAIRS.items()},
            "Ticker": lambda _: {name: {"c": [coins[3], "0.1"]} for name, coins in PAIRS.items()},
        }
        self._private: dict[str, Callable[[dict[str, str]], Any]] = {
            "BalanceEx": lambda _: {
                coin: {"balance": str(held), "hold_trade": str(locked)} for coin, (held, locked) in book.coins.items()
            },
            "OpenOrders": lambda _: {"open": {one.order_id: _order(one) for one in book.orders}},
            "DepositStatus": lambda form: self._flows(form, is_deposit=True),
            "WithdrawStatus": lambda form: self._flows(form, is_deposit=False),
            "TradesHistory": self._fills,
        }

    def answer(self, asked: Asked) -> Answer:
        """The answer to one request; refusals are answers too."""
        kind, _, name = asked.path.removeprefix("/0/").partition("/")
        try:
            if (asked.method, kind) == ("GET", "public") and name in self._public:
                return Answer({"error": [], "result": self._public[name](asked)})
            if (asked.method, kind) == ("POST", "private") and name in self._private:
                form = dict(parse_qsl(asked.body.decode()))
                self._check_door(asked, form)
                return Answer({"error": [], "result": self._private[name](form)})
        except _RefusalError as refusal:
            return Answer({"error": [str(refusal)]})
        return Answer({"error": ["EGeneral:Unknown method"]})

    def _check_door(self, asked: Asked, form: dict[str, str]) -> None:
        if asked.headers.get("API-Key") != self.book.key or self.book.is_revoked:
            raise _RefusalError("EAPI:Invalid key")
        nonce = form.get("nonce", "")
        message = asked.path.encode() + hashlib.sha256(nonce.encode() + asked.body).digest()
        signature = base64.b64encode(hmac.new(base64.b64decode(self.book.secret), message, hashlib.sha512).digest())
        if not hmac.compare_digest(signature, asked.headers.get("API-Sign", "").encode()):
            raise _RefusalError("EAPI:Invalid signature")
        if not nonce.isdigit() or int(nonce) <= self._last_nonce:
            raise _RefusalError("EAPI:Invalid nonce")
        self._last_nonce = int(nonce)

    def _flows(self, form: dict[str, str], *, is_deposit: bool) -> list[Row]:
        chosen = (flow for flow in self.book.flows if (flow.amount > 0) == is_deposit)
        return [_flow(flow) for flow in _in_window(form, chosen)]

    def _fills(self, form: dict[str, str]) -> Row:
        chosen = list(_in_window(form, self.book.fills))
        page = sorted(chosen, key=lambda fill: -fill.at)[:PAGE]
        return {"count": len(chosen), "trades": {fill.fill_id: _fill(fill) for fill in page}}


def _in_window(form: dict[str, str], found: Iterable[Any]) -> Iterable[Any]:
    """Whole and broken seconds are taken; both ends belong to the window."""
    start, end = float(form.get("start", "0")) * 1000, float(form.get("end", "9e9")) * 1000
    return (one for one in found if start <= one.at <= end)


def _asset(alternative: str) -> Row:
    return {"aclass": "currency", "altname": alternative, "decimals": 10, "display_decimals": 5, "status": "enabled"}


def _pair(base: str, quote: str, name: str, _: str) -> Row:
    return {
        "altname": name.replace("/", ""),
        "wsname": name,
        "aclass_base": "currency",
        "base": base,
        "aclass_quote": "currency",
        "quote": quote,
        "pair_decimals": 1,
        "lot_decimals": 8,
        "cost_decimals": 5,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, 0.4]],
        "fees_maker": [[0, 0.25]],
        "ordermin": "0.0001",
        "costmin": "0.5",
        "tick_size": "0.1",
        "status": "online",
    }


def _order(one: SmallOrder) -> Row:
    words = f"{one.side} {one.amount} {one.symbol} @ limit {one.price}"
    detail = {"pair": one.symbol, "type": one.side, "ordertype": "limit", "price": str(one.price), "price2": "0"}
    return {
        "status": "open",
        "opentm": one.at / 1000,
        "vol": str(one.amount),
        "vol_exec": "0.00000000",
        "cost": "0.00000",
        "fee": "0.00000",
        "price": "0.00000",
        "stopprice": "0.00000",
        "limitprice": "0.00000",
        "misc": "",
        "oflags": "fciq",
        "descr": {**detail, "leverage": "none", "order": words, "close": ""},
    }


def _flow(flow: SmallFlow) -> Row:
    return {
        "method": "Bitcoin",
        "aclass": "currency",
        "asset": flow.coin,
        "refid": flow.flow_id,
        "txid": flow.txid,
        "info": "an address",
        "amount": str(abs(flow.amount)),
        "fee": str(flow.fee),
        "time": flow.at // 1000,
        "status": "Success" if flow.is_done else "Pending",
    }


def _fill(fill: SmallFill) -> Row:
    return {
        "ordertxid": f"order-{fill.fill_id}",
        "pair": fill.symbol,
        "time": fill.at / 1000,
        "type": fill.side,
        "ordertype": "limit",
        "price": str(fill.price),
        "cost": str(fill.price * fill.amount),
        "fee": str(fill.fee),
        "vol": str(fill.amount),
        "margin": "0.00000",
        "misc": "",
        "maker": False,
    }
