"""sapi: what came to the cash wallets without a trade - distributions, dust, conversions, rebates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from portfolio_lab.demo import binance_errors as refuse
from portfolio_lab.demo.binance_ask import Ask, Endpoint, Json, Span
from portfolio_lab.demo.binance_text import eight_text, plain_text
from portfolio_lab.demo.binance_weights import Payer
from portfolio_lab.demo.binance_windows import MONTH_MS, QUARTER_MS, WEEK_MS, newest_first, window, within
from portfolio_lab.demo.facts import ZERO, Entry, Reason, eight
from portfolio_lab.demo.market import DAY_MS
from portfolio_lab.models.accounts import Wallet

_CASH = frozenset({Wallet.SPOT, Wallet.FUNDING})
_GIFTS = {
    Reason.GRANT: "Demo distribution",
    Reason.DIVIDEND: "Demo distribution",
    Reason.PROMOTION: "Demo voucher",
}
_DUST_FEE = Decimal("0.02")
"""What the venue keeps of dust that it changes."""

_MOST_DUST = 100
_REBATE_PAGE = 100


def booked(ask: Ask, path: str, reasons: Iterable[Reason], span: Span, kept: int | None = None) -> list[Entry]:
    """Entries of the cash wallets with one of the reasons, inside a window, oldest first."""
    meant = frozenset(reasons)
    entries = [
        entry for entry in ask.book.entries(since=span.since, until=ask.at, wallets=_CASH) if entry.reason in meant
    ]
    return within(ask, path, entries, span, kept)


# ---------------------------------------------------------------- distributions


def _dividends(ask: Ask) -> Json:
    span = window(ask, 180 * DAY_MS, 180 * DAY_MS)
    limit, asset = ask.strict_limit(default=20, most=500), ask.parameters.get("asset", "")
    found = newest_first(booked(ask, "/sapi/v1/asset/assetDividend", _GIFTS, span))
    rows = [_dividend_row(entry) for entry in found if asset in {"", entry.asset}]
    return {"rows": rows[:limit], "total": len(rows)}


def _dividend_row(entry: Entry) -> dict[str, Json]:
    return {
        "id": entry.entry_id,
        "amount": eight_text(entry.amount),
        "asset": entry.asset,
        "divTime": entry.at,
        "enInfo": _GIFTS[entry.reason],
        "tranId": entry.reference,
        "direction": 1 if entry.amount > ZERO else -1,
    }


# ---------------------------------------------------------------- exchanges without a market


@dataclass(frozen=True, slots=True)
class Exchange:
    """Coins given for coins at one instant: `given` and `taken` in the order in which they were booked."""

    at: int
    reference: int
    given: tuple[Entry, ...]
    taken: tuple[Entry, ...]


def exchanges(ask: Ask, path: str, reason: Reason, span: Span) -> list[Exchange]:
    """Exchanges of one kind, newest first: the entries of one reference belong together."""
    groups: dict[int, list[Entry]] = defaultdict(list)
    for entry in booked(ask, path, {reason}, span):
        groups[entry.reference].append(entry)
    found = [
        Exchange(
            legs[0].at,
            reference,
            tuple(leg for leg in legs if leg.amount < ZERO),
            tuple(leg for leg in legs if leg.amount >= ZERO),
        )
        for reference, legs in groups.items()
    ]
    return newest_first(found)


def _dust(ask: Ask) -> Json:
    """The last hundred changes of dust, newest first; `total` counts all of the window, told or not."""
    span = Span(ask.number("startTime", 0), min(ask.number("endTime", ask.at), ask.at))
    found = exchanges(ask, "/sapi/v1/asset/dribblet", Reason.DUST, span)
    return {"total": len(found), "userAssetDribblets": [_dribblet(ask, one) for one in found[:_MOST_DUST]]}


def _dribblet(ask: Ask, one: Exchange) -> dict[str, Json]:
    """Amounts transferred are what arrived: the service charge was taken before."""
    shares = _shares(ask, one)
    details = [_dust_detail(one, given, share) for given, share in zip(one.given, shares, strict=True)]
    total = sum(shares, ZERO)
    return {
        "operateTime": one.at,
        "totalTransferedAmount": plain_text(total),
        "totalServiceChargeAmount": plain_text(_charge(total)),
        "transId": one.reference,
        "userAssetDribbletDetails": details,
    }


def _charge(arrived: Decimal) -> Decimal:
    return eight(arrived / (1 - _DUST_FEE) * _DUST_FEE)


def _shares(ask: Ask, one: Exchange) -> list[Decimal]:
    """What each coin brought: by worth, to eight decimals, the last one taking what is left."""
    total = sum((leg.amount for leg in one.taken), ZERO)
    worths = [-leg.amount * (ask.market.coin_usd("binance", leg.asset, leg.at) or ZERO) for leg in one.given]
    whole = sum(worths, ZERO) or Decimal(1)
    shares = [eight(total * worth / whole) for worth in worths[:-1]]
    return [*shares, total - sum(shares, ZERO)] if worths else []


def _dust_detail(one: Exchange, given: Entry, share: Decimal) -> dict[str, Json]:
    return {
        "transId": one.reference,
        "serviceChargeAmount": plain_text(_charge(share)),
        "amount": plain_text(-given.amount),
        "operateTime": one.at,
        "transferedAmount": plain_text(share),
        "fromAsset": given.asset,
        "targetAsset": one.taken[0].asset if one.taken else "BNB",
    }


def _conversions(ask: Ask) -> Json:
    """Conversions of a window of at most thirty days, newest first (the order is unverified)."""
    for name in ("startTime", "endTime"):
        ask.required(name)
    span = window(ask, MONTH_MS, MONTH_MS)
    limit = ask.strict_limit(default=100, most=1000)
    found = exchanges(ask, "/sapi/v1/convert/tradeFlow", Reason.CONVERT, span)
    rows = [
        _conversion_row(one, given, taken) for one in found for given, taken in zip(one.given, one.taken, strict=False)
    ]
    return {
        "list": rows[:limit],
        "startTime": span.since,
        "endTime": span.until,
        "limit": limit,
        "moreData": len(rows) > limit,
    }


def _conversion_row(one: Exchange, given: Entry, taken: Entry) -> dict[str, Json]:
    return {
        "quoteId": f"{one.reference:032x}",
        "orderId": one.reference,
        "orderStatus": "SUCCESS",
        "fromAsset": given.asset,
        "fromAmount": plain_text(-given.amount),
        "toAsset": taken.asset,
        "toAmount": plain_text(taken.amount),
        "ratio": plain_text(eight(taken.amount / -given.amount)),
        "inverseRatio": plain_text(eight(-given.amount / taken.amount)),
        "createTime": one.at,
    }


# ---------------------------------------------------------------- rebates


def _rebates(ask: Ask) -> Json:
    """Rebates on spot fees, newest first, a hundred a page; a quarter of a year is kept."""
    span, page = window(ask, MONTH_MS, WEEK_MS), ask.number("page", 1)
    if page < 1:
        raise refuse.parameter_invalid("page")
    found = newest_first(booked(ask, "/sapi/v1/rebate/taxQuery", {Reason.REBATE}, span, QUARTER_MS))
    shown = found[(page - 1) * _REBATE_PAGE : page * _REBATE_PAGE]
    rows = [_rebate_row(entry) for entry in shown]
    pages = -(-len(found) // _REBATE_PAGE)
    answer = {"page": page, "totalRecords": len(found), "totalPageNum": pages, "data": rows}
    return {"status": "OK", "type": "GENERAL", "code": "000000000", "data": answer}


def _rebate_row(entry: Entry) -> dict[str, Json]:
    return {"asset": entry.asset, "type": 1, "amount": plain_text(entry.amount), "updateTime": entry.at}


ENDPOINTS = (
    Endpoint("GET", "/sapi/v1/asset/assetDividend", _dividends, 10),
    Endpoint("GET", "/sapi/v1/asset/dribblet", _dust),
    Endpoint("GET", "/sapi/v1/convert/tradeFlow", _conversions, 3_000, payer=Payer.UID),
    Endpoint("GET", "/sapi/v1/rebate/taxQuery", _rebates, 12_000, payer=Payer.UID),
)
