"""The trading account's bills: everything that changed its cash, a line for each event and currency."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby

from portfolio_lab.demo.facts import ZERO, DebtEvent, Entry, Fill, Reason
from portfolio_lab.demo.okx_fills import QUARTER_MS, TRADES, WEEK_MS, trade_sub_type
from portfolio_lab.demo.okx_public import instrument_type
from portfolio_lab.demo.okx_wire import OkxAsk, Row, plain
from portfolio_lab.models.accounts import Wallet

_KINDS: dict[Reason, tuple[str, str, str]] = {
    Reason.TRANSFER: ("1", "11", "12"),
    Reason.SUBSCRIBE: ("1", "11", "12"),
    Reason.REDEEM: ("1", "11", "12"),
    Reason.PROMOTION: ("1", "372", "373"),
    Reason.TRADE: ("2", "1", "2"),
    Reason.FEE: ("2", "1", "2"),
    Reason.PNL: ("2", "1", "2"),
    Reason.PREMIUM: ("2", "2", "1"),
    Reason.SETTLEMENT: ("3", "170", "171"),
    Reason.LIQUIDATION: ("5", "110", "111"),
    Reason.INSURANCE: ("5", "110", "111"),
    Reason.INTEREST: ("7", "9", "9"),
    Reason.FUNDING: ("8", "174", "173"),
    Reason.BOT: ("12", "201", "203"),
    Reason.BORROW: ("16", "306", "306"),
    Reason.REPAY: ("22", "308", "308"),
    Reason.CONVERT: ("27", "318", "319"),
    Reason.DUST: ("28", "236", "237"),
    Reason.LOAN: ("33", "306", "308"),
    Reason.REWARD: ("381", "381", "381"),
}
"""OKX's type of a bill, and its subType where money came and where it went.

That rewards of auto earn bear 381 as their type, and trial funds type 1, is unverified.
"""
_OTHER_KIND = ("1", "200", "202")
_WITH_PROFIT = (Reason.PNL, Reason.FUNDING, Reason.SETTLEMENT, Reason.LIQUIDATION)


@dataclass(frozen=True, slots=True)
class Bill:
    """One line: all that one event did to one currency. `entry` is the last of its parts."""

    entry: Entry
    change: Decimal
    fee: Decimal
    pnl: Decimal
    fill: Fill | None

    @property
    def kind(self) -> tuple[str, str]:
        """OKX's (type, subType)."""
        if self.fill is not None and self.fill.liquidation:
            return "5", "104" if self.fill.side == "sell" else "105"
        if self.fill is not None:
            return "2", trade_sub_type(self.fill)
        kind, came, went = _KINDS.get(self.entry.reason, _OTHER_KIND)
        return kind, came if self.change > ZERO else went


def bills(ask: OkxAsk) -> list[Row]:
    """account/bills: seven days."""
    return _bills(ask, WEEK_MS)


def bills_archive(ask: OkxAsk) -> list[Row]:
    """account/bills-archive: three months."""
    return _bills(ask, QUARTER_MS)


def _bills(ask: OkxAsk, reach: int) -> list[Row]:
    """Newest first, paged by billId; begin and end cut by instant, both inside."""
    since, until = ask.span(reach)
    fills = {fill.fill_id: fill for fill in ask.view.book.fills(since=since, until=until)}
    merged = _merged(_told_entries(ask, since, until), fills)
    told = ask.told([bill for bill in merged if _wanted(ask, bill)], lambda bill: bill.entry.at)
    return [_bill_row(ask, bill) for bill in ask.page(told, lambda bill: bill.entry.entry_id)]


def _told_entries(ask: OkxAsk, since: int, until: int) -> list[Entry]:
    """Every change of cashBal with since <= at <= until, oldest first, net of what is owed.

    The book keeps a debt apart from cash, OKX tells both as one balance that may be negative:
    borrowing and repaying therefore change nothing, and interest takes what it adds to the debt.
    """
    book = ask.view.book
    entries = book.entries(since=since, until=until, wallets=(Wallet.TRADING,))
    if not book.owes:
        return entries
    events = book.debt_events(since=since, until=until, wallets=(Wallet.TRADING,))
    owed = {event.event_id: event for event in events}
    told = [_net(entry, owed.get(entry.reference)) for entry in entries]
    told += [_interest_entry(event) for event in events if event.reason is Reason.INTEREST]
    balances = _net_cash(ask, since - 1)
    found = []
    for entry in sorted(told, key=lambda one: one.entry_id):
        balances[entry.asset] = balances.get(entry.asset, ZERO) + entry.amount
        found.append(replace(entry, balance=balances[entry.asset]))
    return found


def _net_cash(ask: OkxAsk, at: int) -> dict[str, Decimal]:
    """Cash net of debts by currency at an instant."""
    balances = ask.view.book.cash_at(Wallet.TRADING, at)
    for asset, debt in ask.view.book.debts_at(Wallet.TRADING, at).items():
        balances[asset] = balances.get(asset, ZERO) - debt.borrowed - debt.interest
    return balances


def _net(entry: Entry, event: DebtEvent | None) -> Entry:
    if event is None:
        return entry
    return replace(entry, amount=entry.amount - event.principal - event.interest)


def _interest_entry(event: DebtEvent) -> Entry:
    """Interest as a change of cashBal; the bill bears the id of the event."""
    return Entry(
        event.event_id, event.at, event.wallet, event.asset, -event.interest, ZERO, event.reason, event.event_id
    )


def _merged(entries: Iterable[Entry], fills: dict[int, Fill]) -> list[Bill]:
    """Entries of one trade in one currency are one bill; they follow each other in the book."""
    found = []
    for _, group in groupby(entries, key=lambda entry: entry.reference):
        by_kind: dict[tuple[str, bool], list[Entry]] = {}
        for entry in group:
            by_kind.setdefault((entry.asset, entry.reason in TRADES), []).append(entry)
        found += [_bill(parts, fills) for parts in by_kind.values()]
    return sorted(found, key=lambda bill: bill.entry.entry_id)


def _bill(parts: list[Entry], fills: dict[int, Fill]) -> Bill:
    def sum_of(reasons: tuple[Reason, ...]) -> Decimal:
        return sum((part.amount for part in parts if part.reason in reasons), ZERO)

    last = parts[-1]
    return Bill(
        last,
        sum((part.amount for part in parts), ZERO),
        sum_of((Reason.FEE,)),
        sum_of(_WITH_PROFIT),
        fills.get(last.reference) if last.reason in TRADES else None,
    )


def _wanted(ask: OkxAsk, bill: Bill) -> bool:
    one, (kind, sub_kind) = bill.entry.instrument, bill.kind
    return (
        ask.text("type") in ("", kind)
        and ask.text("subType") in ("", sub_kind)
        and ask.text("ccy") in ("", bill.entry.asset)
        and ask.text("instType") in ("", "" if one is None else instrument_type(one))
        and ask.text("instId") in ("", "" if one is None else one.symbol)
        and ask.text("mgnMode") in ("", _margin_mode(bill))
    )


def _margin_mode(bill: Bill) -> str:
    one = bill.entry.instrument
    if one is None:
        return ""
    return "cross" if one.is_contract else "cash"


def _bill_row(ask: OkxAsk, bill: Bill) -> Row:
    entry, fill, one = bill.entry, bill.fill, bill.entry.instrument
    kind, sub_kind = bill.kind
    source, target = _ends(bill)
    return {
        "bal": plain(entry.balance),
        "balChg": plain(bill.change),
        "billId": str(entry.entry_id),
        "ccy": entry.asset,
        "clOrdId": "",
        "earnAmt": plain(bill.change) if kind == "381" else "",
        "earnApr": "0.01" if kind == "381" else "",
        "execType": "" if fill is None else ("M" if fill.maker else "T"),
        "fee": plain(bill.fee),
        "fillFwdPx": "",
        "fillIdxPx": "",
        "fillMarkPx": "",
        "fillMarkVol": "",
        "fillPxUsd": "",
        "fillPxVol": "",
        "fillTime": "" if fill is None else str(fill.at),
        "from": source,
        "instId": "" if one is None else one.symbol,
        "instType": "" if one is None else instrument_type(one),
        "interest": plain(bill.change) if entry.reason is Reason.INTEREST else "0",
        "mgnMode": _margin_mode(bill),
        "notes": entry.note,
        "ordId": "" if fill is None else str(fill.order_id),
        "pnl": plain(bill.pnl),
        "posBal": "0",
        "posBalChg": "0",
        "px": _price(ask, bill),
        "subType": sub_kind,
        "sz": plain(abs(bill.change) if fill is None else fill.contracts),
        "tag": "",
        "to": target,
        "tradeId": "" if fill is None else str(fill.fill_id),
        "ts": str(entry.at),
        "type": kind,
    }


def _ends(bill: Bill) -> tuple[str, str]:
    """Where a transfer came from and went to: 6 the funding account, 18 the trading account."""
    if bill.entry.reason is not Reason.TRANSFER:
        return "", ""
    return ("6", "18") if bill.change > ZERO else ("18", "6")


def _price(ask: OkxAsk, bill: Bill) -> str:
    """The price of a trade, or the mark at which funding was settled."""
    one = bill.entry.instrument
    if bill.fill is not None:
        return plain(bill.fill.price)
    if bill.entry.reason is Reason.FUNDING and one is not None:
        return plain(ask.exchange.market.mark("okx", one.symbol, one.kind, bill.entry.at))
    return ""
