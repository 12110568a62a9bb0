"""sapi: what crossed the account's border, and what moved between its wallets."""

from __future__ import annotations

from decimal import Decimal

from portfolio_lab.demo import binance_errors as refuse
from portfolio_lab.demo.binance_ask import Ask, Endpoint, Json, Span
from portfolio_lab.demo.binance_spot import LISTED
from portfolio_lab.demo.binance_text import NONE, TRANSFER_NAMES, eight_text, plain_text, utc_text
from portfolio_lab.demo.binance_wallets import asset_worth, margin_balances
from portfolio_lab.demo.binance_weights import Payer
from portfolio_lab.demo.book import View
from portfolio_lab.demo.facts import Flow, Reason
from portfolio_lab.demo.market import DAY_MS
from portfolio_lab.models.accounts import Wallet

QUARTER_MS = 90 * DAY_MS
LOCKED_MS = 30 * 60_000
"""How long a deposit counts as credited but may not leave again."""

CREDITED, SUCCESS, COMPLETED = 6, 1, 6
_TRANSFER_TYPES = {
    f"{TRANSFER_NAMES[source]}_{TRANSFER_NAMES[target]}": (source, target)
    for source in TRANSFER_NAMES
    for target in TRANSFER_NAMES
    if source is not target
}


def _quarter(ask: Ask) -> Span:
    text = "More than 90 days between startTime and endTime."
    return ask.span(longest=QUARTER_MS, default=QUARTER_MS, text=text)


def _flows(ask: Ask, kind: str) -> list[Flow]:
    """The flows of the window asked for, newest first."""
    span, coin = _quarter(ask), ask.parameters.get("coin", "")
    found = ask.book.flows(kind, since=span.since, until=min(span.until, ask.at))
    return [flow for flow in reversed(found) if coin in {"", flow.asset}]


def _page(ask: Ask, rows: list[dict[str, Json]]) -> list[dict[str, Json]]:
    """The rows of the status, offset and limit asked for."""
    status, offset = ask.parameters.get("status", ""), ask.number("offset", 0)
    limit = ask.strict_limit(default=1000, most=1000)
    return [row for row in rows if status in {"", str(row["status"])}][offset : offset + limit]


# ---------------------------------------------------------------- flows


def _deposits(ask: Ask) -> Json:
    return _page(ask, [_deposit_row(flow, ask.at) for flow in _flows(ask, "deposit")])


def _deposit_row(flow: Flow, now: int) -> dict[str, Json]:
    return {
        "id": str(flow.flow_id),
        "amount": plain_text(flow.amount),
        "coin": flow.asset,
        "network": flow.network,
        "status": CREDITED if now - flow.at < LOCKED_MS else SUCCESS,
        "address": flow.address,
        "addressTag": "",
        "txId": flow.txid,
        "insertTime": flow.at,
        "completeTime": flow.at,
        "transferType": 0,
        "confirmTimes": "1/1",
        "unlockConfirm": 0,
        "walletType": 1 if flow.wallet is Wallet.FUNDING else 0,
        "travelRuleStatus": 0,
    }


def _withdrawals(ask: Ask) -> Json:
    return _page(ask, [_withdrawal_row(flow) for flow in _flows(ask, "withdrawal")])


def _withdrawal_row(flow: Flow) -> dict[str, Json]:
    """`amount` is what arrives; the fee was taken on top of it."""
    return {
        "id": f"{flow.flow_id:032x}",
        "amount": plain_text(flow.amount),
        "transactionFee": plain_text(flow.fee),
        "coin": flow.asset,
        "status": COMPLETED,
        "address": flow.address,
        "txId": flow.txid,
        "applyTime": utc_text(flow.at),
        "network": flow.network,
        "transferType": 0,
        "withdrawOrderId": "",
        "info": "",
        "confirmNo": 1,
        "walletType": 1 if flow.wallet is Wallet.FUNDING else 0,
        "txKey": "",
        "completeTime": utc_text(flow.at),
    }


# ---------------------------------------------------------------- transfers


def _transfers(ask: Ask) -> Json:
    """Transfers of one direction, newest first; half a year is kept, a week is the default."""
    pair = _TRANSFER_TYPES.get(ask.required("type"))
    if pair is None:
        raise refuse.parameter_invalid("type")
    size, page = ask.strict_limit(default=10, most=100, name="size"), max(1, ask.number("current", 1))
    until = min(ask.number("endTime", ask.at), ask.at)
    since = max(ask.number("startTime", until - 7 * DAY_MS), ask.at - 182 * DAY_MS)
    found = ask.book.transfers(since=since, until=until, source=pair[0], target=pair[1])[::-1]
    rows = [
        {
            "asset": one.asset,
            "amount": plain_text(one.amount),
            "type": ask.parameters["type"],
            "status": "CONFIRMED",
            "tranId": one.transfer_id,
            "timestamp": one.at,
        }
        for one in found[(page - 1) * size : page * size]
    ]
    return {"total": len(found), "rows": rows}


# ---------------------------------------------------------------- gifts and dust


def _dividends(ask: Ask) -> Json:
    until = min(ask.number("endTime", ask.at), ask.at)
    since = ask.number("startTime", until - 180 * DAY_MS)
    if until - since > 180 * DAY_MS:
        raise refuse.window_too_long("More than 180 days between startTime and endTime.")
    limit, asset = ask.strict_limit(default=20, most=500), ask.parameters.get("asset", "")
    entries = ask.book.entries(since=since, until=until, wallets={Wallet.SPOT})
    rows = [
        {
            "id": entry.entry_id,
            "amount": eight_text(entry.amount),
            "asset": entry.asset,
            "divTime": entry.at,
            "enInfo": "Demo distribution",
            "tranId": entry.reference,
            "direction": 1,
        }
        for entry in reversed(entries)
        if entry.reason is Reason.GRANT and asset in {"", entry.asset}
    ]
    return {"rows": rows[:limit], "total": len(rows)}


def _dust(_: Ask) -> Json:
    return {"total": 0, "userAssetDribblets": []}


# ---------------------------------------------------------------- daily snapshots


def _snapshots(ask: Ask) -> Json:
    """One snapshot a day, taken a second before midnight UTC; at most thirty of them."""
    kind = ask.required("type")
    if kind not in _SNAPSHOTS:
        raise refuse.parameter_invalid("type")
    days = ask.strict_limit(default=7, most=30)
    until, last = min(ask.number("endTime", ask.at), ask.at), (ask.at // DAY_MS) * DAY_MS - 1000
    since = ask.number("startTime", ask.at - 30 * DAY_MS)
    if until - since > 30 * DAY_MS:
        raise refuse.window_too_long("More than 30 days between startTime and endTime.")
    ends = [end for end in range(last - 29 * DAY_MS, last + 1, DAY_MS) if since <= end <= until]
    rows = [{"type": kind.lower(), "updateTime": end, "data": _snapshot(ask, kind, end)} for end in ends[-days:]]
    return {"code": 200, "msg": "", "snapshotVos": rows}


def _snapshot(ask: Ask, kind: str, end: int) -> Json:
    return _SNAPSHOTS[kind](ask, ask.book.at(end))


def _spot_snapshot(ask: Ask, view: View) -> Json:
    cash, locked = view.cash(Wallet.SPOT), view.locked(Wallet.SPOT)
    return {
        "totalAssetOfBtc": eight_text(asset_worth(ask.market, cash, "BTC", view.now)),
        "balances": [
            {
                "asset": asset,
                "free": plain_text(total - locked.get(asset, Decimal(0))),
                "locked": plain_text(locked.get(asset, Decimal(0))),
            }
            for asset, total in cash.items()
        ],
    }


def _futures_snapshot(_: Ask, view: View) -> Json:
    margins = margin_balances(view, Wallet.USD_M)
    return {
        "assets": [
            {"asset": asset, "marginBalance": plain_text(margins[asset]), "walletBalance": plain_text(cash)}
            for asset, cash in view.cash(Wallet.USD_M).items()
        ],
        "position": [
            {
                "entryPrice": plain_text(one.entry_price),
                "markPrice": plain_text(view.mark(one.instrument)),
                "positionAmt": plain_text(one.contracts),
                "symbol": one.instrument.symbol,
                "unRealizedProfit": plain_text(one.unrealised_pnl(view.mark(one.instrument))),
            }
            for one in view.positions(Wallet.USD_M)
        ],
    }


def _margin_snapshot(_: Ask, __: View) -> Json:
    amounts = dict.fromkeys(("borrowed", "free", "interest", "locked", "netAsset"), NONE)
    return {
        "marginLevel": "999.00000000",
        "totalAssetOfBtc": NONE,
        "totalLiabilityOfBtc": NONE,
        "totalNetAssetOfBtc": NONE,
        "userAssets": [{"asset": asset, **amounts} for asset in LISTED],
    }


_SNAPSHOTS = {"SPOT": _spot_snapshot, "FUTURES": _futures_snapshot, "MARGIN": _margin_snapshot}

ENDPOINTS = (
    Endpoint("GET", "/sapi/v1/capital/deposit/hisrec", _deposits),
    Endpoint("GET", "/sapi/v1/capital/withdraw/history", _withdrawals, 18_000, payer=Payer.UID),
    Endpoint("GET", "/sapi/v1/asset/transfer", _transfers),
    Endpoint("GET", "/sapi/v1/asset/assetDividend", _dividends, 10),
    Endpoint("GET", "/sapi/v1/asset/dribblet", _dust),
    Endpoint("GET", "/sapi/v1/accountSnapshot", _snapshots, 2400),
)
