"""OKX without a key: its clock, its instruments and its prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.exchanges.listing import Listing
from portfolio_lab.exchanges.okx import endpoints, shapes
from portfolio_lab.models.holdings import ContractKind
from portfolio_lab.models.prices import Quote


@dataclass(frozen=True, slots=True)
class Contract:
    """One derivative: `size` is base units for linear contracts and options, quote units for inverse ones."""

    base: str
    kind: ContractKind
    size: Decimal
    settle: str


class Instruments:
    """OKX's contracts by type, each type (options: each family) fetched when first needed."""

    def __init__(self, client: VenueClient) -> None:
        self._client = client
        self._listings: dict[str, Listing[shapes.Instrument]] = {}

    async def contract(self, instrument_type: str, name: str) -> Contract:
        """Return a contract; AnswerShapeError when OKX does not list it or leaves out its size."""
        name = payloads.instrument_code(name, "instId")
        found = await self._listing(instrument_type, name).one(name)
        if found is None:
            raise AnswerShapeError(f"{name} is not listed by the venue.", path="instId")
        return _contract(found)

    async def past_contract(self, instrument_type: str, name: str) -> Contract | None:
        """Return a contract that may have expired: then as its listed siblings are, None without any.

        All contracts of a family and type have one size, which OKX does not tell of expired ones:
        unverified for families whose size was changed in between.
        """
        name = payloads.instrument_code(name, "instId")
        family = "-".join(name.split("-")[:2]) + "-"
        listing = self._listing(instrument_type, name)
        found = await listing.one(name)
        if found is None:
            siblings = await listing.all()
            found = next((row for other, row in siblings.items() if other.startswith(family)), None)
        return None if found is None else _contract(found)

    def _listing(self, instrument_type: str, name: str) -> Listing[shapes.Instrument]:
        wanted = {"instType": instrument_type}
        if instrument_type == "OPTION":
            wanted["instFamily"] = wanted["uly"] = "-".join(name.split("-")[:2])
        key = " ".join(wanted.values())
        if key not in self._listings:
            self._listings[key] = Listing(lambda: self._fetch(wanted))
        return self._listings[key]

    async def _fetch(self, wanted: Mapping[str, str]) -> dict[str, shapes.Instrument]:
        answer, _ = await self._client.ask(endpoints.INSTRUMENTS, shapes.Envelope[shapes.Instrument], wanted)
        return {row.instId: row for row in answer.data}


def _contract(row: shapes.Instrument) -> Contract:
    size = payloads.positive(row.ctVal, f"[{row.instId}].ctVal")
    times = payloads.amount_or_none(row.ctMult, f"[{row.instId}].ctMult")
    base = (row.uly or row.instFamily or row.instId).split("-")[0]
    return Contract(
        base=payloads.asset_code(base, f"[{row.instId}].uly"),
        kind=_kind(row),
        size=size * (Decimal(1) if times is None else times),
        settle=payloads.asset_code(row.settleCcy, f"[{row.instId}].settleCcy"),
    )


def _kind(row: shapes.Instrument) -> ContractKind:
    if row.instType == "OPTION":
        return ContractKind.OPTION
    if row.ctType in {"linear", "inverse"}:
        return ContractKind(row.ctType)
    raise AnswerShapeError("The answer has a contract that is neither linear nor inverse.", path="ctType")


async def fetch_time(client: VenueClient) -> datetime:
    """Return OKX's clock."""
    answer, _ = await client.ask(endpoints.TIME, shapes.Envelope[shapes.Time])
    if not answer.data:
        raise AnswerShapeError("The answer holds no time.", path="data")
    return payloads.instant(answer.data[0].ts, "data[0].ts")


async def fetch_quotes(client: VenueClient) -> tuple[Quote, ...]:
    """Return the last price of every spot pair, USDT-USD included; pairs without a trade are left out."""
    answer, mark = await client.ask(endpoints.TICKERS, shapes.Envelope[shapes.Ticker], {"instType": "SPOT"})
    if not answer.data:
        raise AnswerShapeError(f"{endpoints.TICKERS.path} lists no price at all.", path="data")
    quotes = (_quote(row, mark.received_at) for row in answer.data)
    return tuple(quote for quote in quotes if quote is not None)


def _quote(row: shapes.Ticker, received_at: datetime) -> Quote | None:
    base, _, quote = row.instId.partition("-")
    if not payloads.is_asset_code(base) or not payloads.is_asset_code(quote):
        return None
    price = payloads.amount_or_none(row.last, f"[{row.instId}].last")
    if price is None or price <= 0:
        return None
    at = min(payloads.instant(row.ts, f"[{row.instId}].ts"), received_at)
    return Quote(base, quote, price, f"okx spot {row.instId} last", at)
