"""Coins that were turned into others at OKX outside the order book: two rows each, with one reference."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.exchanges.okx import endpoints, shapes, shapes_ledger
from portfolio_lab.exchanges.okx.pages import by_instant
from portfolio_lab.exchanges.sources import Ask
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.activity import Income

VENUE_KINDS = {"convert": "convert", "dust": "easy_convert"}

ACCOUNTS = {"6": Wallet.FUNDING, "18": Wallet.TRADING}


def conversions(client: VenueClient) -> Ask:
    """Return the source of conversions; OKX does not tell which wallet they happened in."""
    shape = shapes.Envelope[shapes_ledger.Conversion]
    return by_instant(client, endpoints.CONVERSIONS, shape, at=lambda row: row.ts, rows_of=_conversion)


def dust(client: VenueClient) -> Ask:
    """Return the source of small balances that were turned into one coin."""
    shape = shapes.Envelope[shapes_ledger.DustConversion]
    return by_instant(client, endpoints.DUST, shape, at=lambda row: row.uTime, rows_of=_dust)


def _conversion(row: shapes_ledger.Conversion) -> Iterator[Income]:
    if row.state != "fullyFilled":
        return
    code = payloads.flow_code(row.tradeId, "data.tradeId")
    if row.side not in {"buy", "sell"}:
        raise AnswerShapeError("The answer has a conversion of no known side.", path=f"[{code}].side")
    sign = 1 if row.side == "buy" else -1
    for ccy, size, way in ((row.baseCcy, row.fillBaseSz, sign), (row.quoteCcy, row.fillQuoteSz, -sign)):
        asset = payloads.asset_code(ccy, f"[{code}].ccy")
        quantity = way * payloads.positive(size, f"[{code}].{asset}")
        yield _leg("convert", code, asset, quantity, row.ts, None)


def _dust(row: shapes_ledger.DustConversion) -> Iterator[Income]:
    if row.status != "filled":
        return
    wallet = ACCOUNTS.get(row.acct)
    source, target = payloads.asset_code(row.fromCcy, "data.fromCcy"), payloads.asset_code(row.toCcy, "data.toCcy")
    payloads.instant(row.uTime, f"[{source}].uTime")
    code = f"{row.uTime}-{source}-{target}"
    given = payloads.positive(row.fillFromSz, f"[{source}].fillFromSz")
    received = payloads.positive(row.fillToSz, f"[{source}].fillToSz")
    yield _leg("dust", code, source, -given, row.uTime, wallet)
    yield _leg("dust", code, target, received, row.uTime, wallet)


def _leg(kind: str, code: str, asset: str, quantity: Decimal, moment: str, wallet: Wallet | None) -> Income:
    at = payloads.instant(moment, f"[{code}].ts")
    reference = f"{kind}-{code}"
    return Income(at, f"{reference}-{asset}", kind, VENUE_KINDS[kind], wallet, asset, quantity, reference=reference)
