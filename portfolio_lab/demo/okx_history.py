"""What OKX tells the owner about the past: fills, bills, deposits and withdrawals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

from portfolio_lab.demo.facts import ZERO, Entry, Fill, Flow, Reason
from portfolio_lab.demo.instruments import COINS, STABLECOINS
from portfolio_lab.demo.market import DAY_MS
from portfolio_lab.demo.okx_public import instrument_type
from portfolio_lab.demo.okx_wire import OkxAsk, Row, plain
from portfolio_lab.demo.story import WITHDRAWAL_FEES
from portfolio_lab.models.accounts import Wallet

RECENT_FILLS_MS = 3 * DAY_MS
BILLS_MS = 7 * DAY_MS
MONTH_MS = 30 * DAY_MS
QUARTER_MS = 90 * DAY_MS
_CHAINS = {"TRX": "TRC20", "BTC": "Bitcoin", "ETH": "ERC20"}
_TRADES = (Reason.TRADE, Reason.FEE, Reason.PNL)


@dataclass(frozen=True, slots=True)
class Bill:
    """One line of the trading account's bill: all that one event did to one asset."""

    entry: Entry
    change: Decimal
    fee: Decimal
    pnl: Decimal
    fill: Fill | None


def fills_history(ask: OkxAsk) -> list[Row]:
    """trade/fills-history of the mandatory instType: three months."""
    ask.required("instType")
    return _fills(ask, QUARTER_MS)


def recent_fills(ask: OkxAsk) -> list[Row]:
    """trade/fills: three days."""
    return _fills(ask, RECENT_FILLS_MS)


def _fills(ask: OkxAsk, reach: int) -> list[Row]:
    since, until = _window(ask, reach)
    kind, name = ask.text("instType"), ask.text("instId")
    fills = [
        fill
        for fill in ask.view.book.fills(since=since, until=until)
        if kind in ("", instrument_type(fill.instrument)) and name in ("", fill.instrument.symbol)
    ]
    return [_fill_row(fill) for fill in ask.page(fills, lambda fill: fill.fill_id)]


def _window(ask: OkxAsk, reach: int) -> tuple[int, int]:
    """[begin, end], cut to the age that OKX keeps and to now."""
    begin, end = ask.whole("begin"), ask.whole("end")
    oldest = ask.now - reach
    return max(oldest, begin or oldest), min(ask.now, ask.now if end is None else end)


def _fill_row(fill: Fill) -> Row:
    one = fill.instrument
    worth = fill.quote_amount if one.kind != "inverse" else fill.quote_amount / fill.price
    base = fill.contracts if fill.fee_asset == one.base and not one.is_contract else worth
    rate = (fill.fee / base).quantize(Decimal("0.00001")) if base else ZERO
    return {
        "billId": str(fill.fill_id),
        "clOrdId": "",
        "execType": "M" if fill.maker else "T",
        "fee": plain(-fill.fee),
        "feeCcy": fill.fee_asset,
        "feeRate": plain(-rate),
        "fillFwdPx": "",
        "fillIdxPx": "",
        "fillMarkPx": "",
        "fillMarkVol": "",
        "fillPnl": plain(fill.realised_pnl),
        "fillPx": plain(fill.price),
        "fillPxUsd": "",
        "fillPxVol": "",
        "fillSz": plain(fill.contracts),
        "fillTime": str(fill.at),
        "instId": one.symbol,
        "instType": instrument_type(one),
        "ordId": str(fill.order_id),
        "posSide": fill.position_side,
        "side": fill.side,
        "subType": "1" if fill.side == "buy" else "2",
        "tag": "",
        "tradeId": str(fill.fill_id),
        "ts": str(fill.at),
    }


def bills(ask: OkxAsk) -> list[Row]:
    """account/bills: seven days."""
    return _bills(ask, BILLS_MS)


def bills_archive(ask: OkxAsk) -> list[Row]:
    """account/bills-archive: three months."""
    return _bills(ask, QUARTER_MS)


def _bills(ask: OkxAsk, reach: int) -> list[Row]:
    since, until = _window(ask, reach)
    book = ask.view.book
    fills = {fill.fill_id: fill for fill in book.fills(since=since, until=until)}
    merged = _merged(book.entries(since=since, until=until, wallets=(Wallet.TRADING,)), fills)
    chosen = [bill for bill in merged if _wanted(ask, bill)]
    return [_bill_row(bill) for bill in ask.page(chosen, lambda bill: bill.entry.entry_id)]


def _merged(entries: Iterable[Entry], fills: dict[int, Fill]) -> list[Bill]:
    """Entries of one event in one asset are one bill; they follow each other in the book."""
    found = []
    for _, group in groupby(entries, key=lambda entry: entry.reference):
        by_asset: dict[str, list[Entry]] = {}
        for entry in group:
            by_asset.setdefault(entry.asset, []).append(entry)
        found += [_bill(parts, fills) for parts in by_asset.values()]
    return sorted(found, key=lambda bill: bill.entry.entry_id)


def _bill(parts: list[Entry], fills: dict[int, Fill]) -> Bill:
    def total(reasons: tuple[Reason, ...]) -> Decimal:
        return sum((part.amount for part in parts if part.reason in reasons), ZERO)

    return Bill(
        parts[-1],
        sum((part.amount for part in parts), ZERO),
        total((Reason.FEE,)),
        total((Reason.PNL, Reason.FUNDING)),
        fills.get(parts[-1].reference) if parts[-1].reason in _TRADES else None,
    )


def _kind(bill: Bill) -> tuple[str, str]:
    """OKX's (type, subType) of a bill of the trading account."""
    gained = bill.change > ZERO
    if bill.entry.reason is Reason.FUNDING:
        return "8", "174" if gained else "173"
    if bill.fill is not None:
        return "2", "1" if bill.fill.side == "buy" else "2"
    return "1", "11" if gained else "12"


def _wanted(ask: OkxAsk, bill: Bill) -> bool:
    one = bill.entry.instrument
    kind, sub_kind = _kind(bill)
    return (
        ask.text("type") in ("", kind)
        and ask.text("subType") in ("", sub_kind)
        and ask.text("ccy") in ("", bill.entry.asset)
        and ask.text("instType") in ("", "" if one is None else instrument_type(one))
    )


def _bill_row(bill: Bill) -> Row:
    entry, fill, one = bill.entry, bill.fill, bill.entry.instrument
    kind, sub_kind = _kind(bill)
    moved = entry.reason is Reason.TRANSFER
    return {
        "bal": plain(entry.balance),
        "balChg": plain(bill.change),
        "billId": str(entry.entry_id),
        "ccy": entry.asset,
        "clOrdId": "",
        "earnAmt": "",
        "earnApr": "",
        "execType": "" if fill is None else ("M" if fill.maker else "T"),
        "fee": plain(bill.fee),
        "fillFwdPx": "",
        "fillIdxPx": "",
        "fillMarkPx": "",
        "fillMarkVol": "",
        "fillPxUsd": "",
        "fillPxVol": "",
        "fillTime": "" if fill is None else str(fill.at),
        "from": ("6" if bill.change > ZERO else "18") if moved else "",
        "instId": "" if one is None else one.symbol,
        "instType": "" if one is None else instrument_type(one),
        "interest": "0",
        "mgnMode": "cross" if one is not None and one.is_contract else "",
        "notes": "",
        "ordId": "" if fill is None else str(fill.order_id),
        "pnl": plain(bill.pnl),
        "posBal": "0",
        "posBalChg": "0",
        "px": "" if fill is None else plain(fill.price),
        "subType": sub_kind,
        "sz": plain(abs(bill.change) if fill is None else fill.contracts),
        "tag": "",
        "to": ("18" if bill.change > ZERO else "6") if moved else "",
        "tradeId": "" if fill is None else str(fill.fill_id),
        "ts": str(entry.at),
        "type": kind,
    }


def funding_bills(ask: OkxAsk) -> list[Row]:
    """asset/bills: one month of the funding account, paged by time."""
    entries = ask.view.book.entries(since=ask.now - MONTH_MS, until=ask.now, wallets=(Wallet.FUNDING,))
    wanted, kind = ask.text("ccy"), ask.text("type")
    chosen = [one for one in entries if wanted in ("", one.asset) and kind in ("", _funding_kind(one))]
    return [
        {
            "bal": plain(entry.balance),
            "balChg": plain(entry.amount),
            "billId": str(entry.entry_id),
            "ccy": entry.asset,
            "clientId": "",
            "notes": "",
            "ts": str(entry.at),
            "type": _funding_kind(entry),
        }
        for entry in ask.page(chosen, lambda entry: entry.at)
    ]


def _funding_kind(entry: Entry) -> str:
    if entry.reason is Reason.TRANSFER:
        return "130" if entry.amount > ZERO else "131"
    return "2" if entry.reason is Reason.WITHDRAWAL else "1"


def deposits(ask: OkxAsk) -> list[Row]:
    """asset/deposit-history, newest first, paged by time."""
    return [
        {
            "actualDepBlkConfirm": "2",
            "amt": plain(flow.amount),
            "areaCodeFrom": "",
            "ccy": flow.asset,
            "chain": _chain(flow),
            "depId": str(flow.flow_id),
            "from": "",
            "fromWdId": "",
            "state": "2",
            "to": flow.address,
            "ts": str(flow.at),
            "txId": flow.txid,
        }
        for flow in _flows(ask, "deposit")
    ]


def withdrawals(ask: OkxAsk) -> list[Row]:
    """asset/withdrawal-history: `fee` was taken on top of `amt`."""
    return [
        {
            "addrEx": "",
            "amt": plain(flow.amount),
            "areaCodeFrom": "",
            "areaCodeTo": "",
            "ccy": flow.asset,
            "chain": _chain(flow),
            "clientId": "",
            "fee": plain(flow.fee),
            "feeCcy": flow.asset,
            "from": "",
            "memo": "",
            "nonTradableAsset": False,
            "note": "",
            "state": "2",
            "tag": "",
            "to": flow.address,
            "ts": str(flow.at),
            "txId": flow.txid,
            "wdId": str(flow.flow_id),
        }
        for flow in _flows(ask, "withdrawal")
    ]


def _flows(ask: OkxAsk, kind: str) -> list[Flow]:
    wanted, state = ask.text("ccy"), ask.text("state")
    flows = ask.view.book.flows(kind, until=ask.now)
    chosen = [flow for flow in flows if wanted in ("", flow.asset) and state in ("", "2")]
    return ask.page(chosen, lambda flow: flow.at)


def _chain(flow: Flow) -> str:
    return f"{flow.asset}-{_CHAINS[flow.network]}"


def currencies(ask: OkxAsk) -> list[Row]:
    """asset/currencies: one chain for each asset."""
    wanted = ask.listed("ccy")
    return [_currency_row(asset) for asset in (*COINS, *STABLECOINS) if wanted is None or asset in wanted]


def _currency_row(asset: str) -> Row:
    fee = plain(WITHDRAWAL_FEES.get(asset, Decimal("0.01")))
    chain = {"BTC": "Bitcoin", "USDT": "TRC20"}.get(asset, "ERC20")
    return {
        "burningFeeRate": "",
        "canDep": True,
        "canInternal": True,
        "canWd": True,
        "ccy": asset,
        "chain": f"{asset}-{chain}",
        "ctAddr": "",
        "depEstOpenTime": "",
        "depQuotaFixed": "",
        "depQuoteDailyLayer2": "",
        "fee": fee,
        "logoLink": "",
        "mainNet": True,
        "maxFee": fee,
        "maxFeeForCtAddr": "",
        "maxWd": "1000000",
        "minDep": "0.0001",
        "minDepArrivalConfirm": "1",
        "minFee": fee,
        "minFeeForCtAddr": "",
        "minInternal": "0.0001",
        "minWd": "0.001",
        "minWdUnlockConfirm": "2",
        "name": asset,
        "needTag": False,
        "usedDepQuotaFixed": "",
        "usedWdQuota": "0",
        "wdEstOpenTime": "",
        "wdQuota": "10000000",
        "wdTickSz": "8",
    }
