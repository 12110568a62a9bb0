"""sapi: what crossed the account's border - coins by the chain, fiat by the bank, payments to people."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from portfolio_lab.demo import binance_errors as refuse
from portfolio_lab.demo.binance_ask import Ask, Endpoint, Json, Span
from portfolio_lab.demo.binance_text import eight_text, plain_text, utc_text
from portfolio_lab.demo.binance_weights import Payer
from portfolio_lab.demo.binance_windows import MONTH_MS, QUARTER_MS, newest_first, window, within
from portfolio_lab.demo.facts import ZERO, Entry, Flow, Reason
from portfolio_lab.demo.instruments import FIAT
from portfolio_lab.demo.market import DAY_MS
from portfolio_lab.models.accounts import Wallet

LOCKED_MS = 30 * 60_000
"""How long a deposit counts as credited but may not leave again."""

PENDING, CREDITED, SUCCESS = 0, 6, 1
PROCESSING, COMPLETED = 4, 6
PAY_KEPT_MS = 548 * DAY_MS
_CASH = frozenset({Wallet.SPOT, Wallet.FUNDING})


# ---------------------------------------------------------------- coins


def _flows(ask: Ask, path: str, kind: str) -> list[Flow]:
    """The flows that began in the window asked for, newest first."""
    span, coin = window(ask, QUARTER_MS, QUARTER_MS), ask.parameters.get("coin", "")
    found = within(ask, path, ask.book.flows(kind, since=span.since, until=ask.at), span)
    return [flow for flow in newest_first(found) if coin in {"", flow.asset}]


def _page(ask: Ask, rows: list[dict[str, Json]]) -> list[dict[str, Json]]:
    """The rows of the status, offset and limit asked for."""
    status, offset = ask.parameters.get("status", ""), ask.number("offset", 0)
    limit = ask.strict_limit(default=1000, most=1000)
    if offset < 0:
        raise refuse.parameter_invalid("offset")
    return [row for row in rows if status in {"", str(row["status"])}][offset : offset + limit]


def _deposits(ask: Ask) -> Json:
    flows = _flows(ask, "/sapi/v1/capital/deposit/hisrec", "deposit")
    return _page(ask, [_deposit_row(flow, ask.at) for flow in flows])


def _deposit_status(flow: Flow, now: int) -> int:
    if now < flow.done_at:
        return PENDING
    return CREDITED if now - flow.done_at < LOCKED_MS else SUCCESS


def _deposit_row(flow: Flow, now: int) -> dict[str, Json]:
    """A deposit that is not confirmed yet has no time of completion."""
    status = _deposit_status(flow, now)
    row: dict[str, Json] = {
        "id": str(flow.flow_id),
        "amount": plain_text(flow.amount),
        "coin": flow.asset,
        "network": flow.network,
        "status": status,
        "address": flow.address,
        "addressTag": "",
        "txId": flow.txid,
        "insertTime": flow.at,
        "transferType": 0,
        "confirmTimes": "0/1" if status == PENDING else "1/1",
        "unlockConfirm": 0,
        "walletType": 1 if flow.wallet is Wallet.FUNDING else 0,
        "travelRuleStatus": 0,
    }
    return row if status == PENDING else row | {"completeTime": flow.done_at}


def _withdrawals(ask: Ask) -> Json:
    flows = _flows(ask, "/sapi/v1/capital/withdraw/history", "withdrawal")
    return _page(ask, [_withdrawal_row(flow, ask.at) for flow in flows])


def _withdrawal_row(flow: Flow, now: int) -> dict[str, Json]:
    """`amount` is what arrives; the fee is taken on top of it. Under way it has no txId yet."""
    done = now >= flow.done_at
    row: dict[str, Json] = {
        "id": f"{flow.flow_id:032x}",
        "amount": plain_text(flow.amount),
        "transactionFee": plain_text(flow.fee),
        "coin": flow.asset,
        "status": COMPLETED if done else PROCESSING,
        "address": flow.address,
        "txId": flow.txid if done else "",
        "applyTime": utc_text(flow.at),
        "network": flow.network,
        "transferType": 0,
        "withdrawOrderId": "",
        "info": "",
        "confirmNo": 1 if done else 0,
        "walletType": 1 if flow.wallet is Wallet.FUNDING else 0,
        "txKey": "",
    }
    return row | {"completeTime": utc_text(flow.done_at)} if done else row


# ---------------------------------------------------------------- fiat

Legs = tuple[Entry | None, Entry | None]
"""The fiat side and the coin side of one fiat order, either of which may be outside the account."""


def _fiat_legs(ask: Ask, path: str) -> list[Legs]:
    """Fiat orders of the window asked for, newest first; the last month where none is asked for."""
    until = min(ask.number("endTime", ask.at), ask.at)
    span = Span(ask.number("beginTime", until - MONTH_MS), until)
    sides: dict[int, list[Entry | None]] = defaultdict(lambda: [None, None])
    for entry in within(ask, path, ask.book.entries(since=span.since, until=ask.at), span):
        if entry.reason is Reason.FIAT:
            sides[entry.reference][0 if entry.asset in FIAT else 1] = entry
    return [(fiat, coin) for fiat, coin in sides.values()][::-1]


def _fiat_page(ask: Ask, rows: list[dict[str, Json]]) -> Json:
    size, page = ask.strict_limit(default=100, most=500, name="rows"), max(1, ask.number("page", 1))
    shown = rows[(page - 1) * size : page * size]
    return {"code": "000000", "message": "success", "data": shown, "total": len(rows), "success": True}


def _is_incoming(ask: Ask) -> bool:
    """`transactionType` 0 is a deposit (or a purchase), 1 a withdrawal (or a sale)."""
    kind = ask.required("transactionType")
    if kind not in {"0", "1"}:
        raise refuse.parameter_invalid("transactionType")
    return kind == "0"


def _fiat_orders(ask: Ask) -> Json:
    """Fiat that came from, or went to, a bank."""
    incoming = _is_incoming(ask)
    legs = _fiat_legs(ask, "/sapi/v1/fiat/orders")
    found = [fiat for fiat, coin in legs if fiat is not None and coin is None]
    return _fiat_page(ask, [_fiat_row(entry) for entry in found if (entry.amount > ZERO) is incoming])


def _fiat_row(entry: Entry) -> dict[str, Json]:
    return {
        "orderNo": f"{entry.reference:032x}",
        "fiatCurrency": entry.asset,
        "indicatedAmount": f"{abs(entry.amount):.2f}",
        "amount": f"{abs(entry.amount):.2f}",
        "totalFee": "0.00",
        "method": "BankAccount",
        "status": "Successful",
        "createTime": entry.at,
        "updateTime": entry.at,
    }


def _fiat_payments(ask: Ask) -> Json:
    """Coins bought with, or sold for, fiat: by card, or from a balance of the account."""
    incoming = _is_incoming(ask)
    legs = _fiat_legs(ask, "/sapi/v1/fiat/payments")
    found = [(fiat, coin) for fiat, coin in legs if coin is not None and (coin.amount > ZERO) is incoming]
    return _fiat_page(ask, [_payment_row(ask, fiat, coin) for fiat, coin in found])


def _payment_row(ask: Ask, fiat: Entry | None, coin: Entry) -> dict[str, Json]:
    amount = abs(coin.amount)
    paid = abs(fiat.amount) if fiat else _card_amount(ask, coin)
    return {
        "orderNo": f"{coin.reference:032x}",
        "sourceAmount": f"{paid:.2f}",
        "fiatCurrency": fiat.asset if fiat else FIAT[0],
        "obtainAmount": plain_text(amount),
        "cryptoCurrency": coin.asset,
        "totalFee": "0.00",
        "price": eight_text(paid / amount),
        "status": "Completed",
        "paymentMethod": "Cash Balance" if fiat else "Credit Card",
        "createTime": coin.at,
        "updateTime": coin.at,
    }


def _card_amount(ask: Ask, coin: Entry) -> Decimal:
    """What the coin was worth in fiat at that instant: a card pays from outside."""
    price, unit = (ask.market.coin_usd("binance", asset, coin.at) for asset in (coin.asset, FIAT[0]))
    return abs(coin.amount) * price / unit if price and unit else ZERO


# ---------------------------------------------------------------- payments to people


def _payments(ask: Ask) -> Json:
    """The newest hundred payments of the window; incoming ones are positive."""
    span, path = window(ask, QUARTER_MS, QUARTER_MS), "/sapi/v1/pay/transactions"
    limit = ask.strict_limit(default=100, most=100)
    entries = within(ask, path, ask.book.entries(since=span.since, until=ask.at), span, PAY_KEPT_MS)
    found = [entry for entry in newest_first(entries) if entry.reason is Reason.PAY]
    return {"code": "000000", "message": "success", "data": [_pay_row(one) for one in found[:limit]], "success": True}


def _pay_row(entry: Entry) -> dict[str, Json]:
    wallet = 1 if entry.wallet is Wallet.FUNDING else 2
    return {
        "orderType": "C2C",
        "transactionId": f"M_P_{entry.reference}",
        "transactionTime": entry.at,
        "amount": plain_text(entry.amount),
        "currency": entry.asset,
        "walletType": wallet,
        "walletTypes": [wallet],
        "fundsDetail": [
            {
                "currency": entry.asset,
                "amount": plain_text(abs(entry.amount)),
                "walletAssetCost": {str(wallet): plain_text(abs(entry.amount))},
            }
        ],
        "payerInfo": {"name": "Demo payer", "type": "USER", "binanceId": "10000001"},
        "receiverInfo": {
            "name": "Demo receiver",
            "type": "USER",
            "email": "",
            "binanceId": "10000002",
            "accountId": "10000002",
            "countryCode": "",
            "phoneNumber": "",
            "mobileCode": "",
            "extend": {"institutionName": "", "cardNumber": "", "digitalWalletId": ""},
        },
    }


ENDPOINTS = (
    Endpoint("GET", "/sapi/v1/capital/deposit/hisrec", _deposits),
    Endpoint("GET", "/sapi/v1/capital/withdraw/history", _withdrawals, 18_000, payer=Payer.UID),
    Endpoint("GET", "/sapi/v1/fiat/orders", _fiat_orders, 45_000, payer=Payer.UID),
    Endpoint("GET", "/sapi/v1/fiat/payments", _fiat_payments),
    Endpoint("GET", "/sapi/v1/pay/transactions", _payments, 3_000, payer=Payer.UID),
)
