"""Who an OKX account is, and what OKX itself says it is worth."""

from __future__ import annotations

import re
from collections.abc import Iterator

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.exchanges.okx import endpoints, shapes
from portfolio_lab.exchanges.okx.portfolio import one_account
from portfolio_lab.models.accounts import Identity, Wallet
from portfolio_lab.models.activity import VenueTotal, VenueTotals

MODES = {"1": "spot", "2": "futures", "3": "multi_currency", "4": "portfolio_margin"}

READ = "read_only"

UNIT = "USDT"
"""What OKX is asked to value its accounts in."""

SCOPES = {
    "trading": Wallet.TRADING.value,
    "funding": Wallet.FUNDING.value,
    "earn": Wallet.EARN.value,
}
"""OKX's names of its accounts to ours. Whether loans lower any of them is unverified."""

_RIGHT = re.compile(r"[a-z_]{1,40}", re.ASCII)


async def fetch_identity(client: VenueClient) -> Identity:
    """Return uid, master, mode, and all that the key may do besides reading."""
    answer, _ = await client.ask(endpoints.CONFIG, shapes.Envelope[shapes.Config])
    if len(answer.data) != 1:
        raise AnswerShapeError("The answer does not hold exactly one account.", path="data")
    row = answer.data[0]
    uid = payloads.flow_code(row.uid, "data[0].uid")
    main_uid = payloads.flow_code(row.mainUid, "data[0].mainUid") if row.mainUid else ""
    return Identity(
        uid=uid,
        main_uid="" if main_uid == uid else main_uid,
        permissions=_permissions(row.perm),
        is_ip_bound=None if row.ip is None else bool(row.ip),
        mode=MODES.get(row.acctLv, "") or _unknown_mode(row.acctLv),
    )


def _permissions(text: str) -> tuple[str, ...]:
    """What the key may do besides reading; raise when the text does not say that it may read."""
    rights = [right.strip() for right in text.split(",")]
    if READ not in rights or not all(_RIGHT.fullmatch(right) for right in rights):
        raise AnswerShapeError("The answer does not tell what the key may do.", path="data[0].perm")
    return tuple(sorted({*rights} - {READ}))


def _unknown_mode(level: str) -> str:
    if not (level.isascii() and level.isdigit() and len(level) < 3):
        raise AnswerShapeError("The answer has no mode of the account.", path="data[0].acctLv")
    return f"level_{level}"


async def fetch_totals(client: VenueClient) -> VenueTotals:
    """Return OKX's valuation of each of its accounts in USDT, and the trading account's equity in USD.

    An account of OKX that is not among our wallets ("classic") is listed, as unknown, when it
    holds anything. No wallet is ever absent: OKX opens all with the account.
    """
    valued, first = await client.ask(endpoints.VALUATION, shapes.Envelope[shapes.Valuation], {"ccy": UNIT})
    if len(valued.data) != 1:
        raise AnswerShapeError("The answer does not hold exactly one valuation.", path="data")
    balance, second = await client.ask(endpoints.TRADING_BALANCE, shapes.Envelope[shapes.TradingBalance])
    equity = payloads.amount(one_account(balance.data).totalEq, "data[0].totalEq")
    totals = (VenueTotal(Wallet.TRADING.value, "USD", equity), *_valued(valued.data[0]))
    marks = tuple((mark.endpoint, mark.sha256, mark.received_at) for mark in (first, second))
    return VenueTotals(totals, answers=marks)


def _valued(row: shapes.Valuation) -> Iterator[VenueTotal]:
    yield VenueTotal("total", UNIT, payloads.amount(row.totalBal, "data[0].totalBal"))
    for missing in sorted({*SCOPES} - {*row.details}):
        raise AnswerShapeError(f"The answer has no valuation of {missing}.", path=f"data[0].details.{missing}")
    for text, worth in row.details.items():
        name = payloads.instrument_code(text, "data[0].details")
        quantity = payloads.amount(worth, f"data[0].details.{name}")
        if name in SCOPES:
            yield VenueTotal(SCOPES[name], UNIT, quantity)
        elif quantity:
            yield VenueTotal(name, UNIT, quantity, is_known=False)
