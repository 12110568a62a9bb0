"""Changes of cash as the contract hosts tell them: income of both futures hosts, bills of options."""

from __future__ import annotations

from portfolio_lab.demo.binance_ask import Answer, Ask, Endpoint, Json, Need, Span
from portfolio_lab.demo.binance_text import eight_text, plain_text
from portfolio_lab.demo.binance_windows import QUARTER_MS, WEEK_MS, wanted, within
from portfolio_lab.demo.facts import ZERO, Entry, Reason
from portfolio_lab.models.accounts import Wallet

_NAMES = {
    Reason.TRANSFER: "TRANSFER",
    Reason.DEPOSIT: "TRANSFER",
    Reason.WITHDRAWAL: "TRANSFER",
    Reason.FEE: "COMMISSION",
    Reason.PNL: "REALIZED_PNL",
    Reason.FUNDING: "FUNDING_FEE",
    Reason.GRANT: "WELCOME_BONUS",
    Reason.PROMOTION: "WELCOME_BONUS",
    Reason.REBATE: "COMMISSION_REBATE",
    Reason.INSURANCE: "INSURANCE_CLEAR",
    Reason.LIQUIDATION: "INSURANCE_CLEAR",
    Reason.SETTLEMENT: "DELIVERED_SETTELMENT",
    Reason.REWARD: "BFUSD_REWARD",
    Reason.BOT: "STRATEGY_UMFUTURES_TRANSFER",
    Reason.INTEREST: "CROSS_COLLATERAL_TRANSFER",
}
"""Income types by reason, in the venue's own spelling."""

_OTHER = "AUTO_EXCHANGE"
_OF_FILLS = frozenset({Reason.FEE, Reason.PNL})


def income_name(entry: Entry) -> str:
    """The income type of a change of cash; a conversion has one for each direction."""
    if entry.reason is Reason.CONVERT:
        return "COIN_SWAP_DEPOSIT" if entry.amount > ZERO else "COIN_SWAP_WITHDRAW"
    return _NAMES.get(entry.reason, _OTHER)


def _income(path: str, wallet: Wallet) -> Answer:
    """Answers income: every change of the wallet balance, three months back, oldest first.

    One fill's commission and its realised PnL carry the same tranId: only (type, tranId) is unique.
    """

    def answer(ask: Ask) -> Json:
        rows, page = ask.strict_limit(default=100, most=1000), max(1, ask.number("page", 1))
        entries = ask.book.entries(since=ask.at - QUARTER_MS, until=ask.at, wallets={wallet})
        found = within(ask, path, entries, _income_span(ask))
        kept = wanted(ask, found, incomeType=income_name, symbol=_symbol)
        return [_income_row(path, entry) for entry in kept[(page - 1) * rows : page * rows]]

    return answer


def _symbol(entry: Entry) -> str:
    return entry.instrument.symbol if entry.instrument else ""


def _income_span(ask: Ask) -> Span:
    """From startTime on; the last week when neither end is sent."""
    if not ask.parameters.get("startTime") and not ask.parameters.get("endTime"):
        return Span(ask.at - WEEK_MS, ask.at)
    until = ask.number("endTime", ask.at)
    return Span(ask.number("startTime", until - WEEK_MS), until)


def _income_row(path: str, entry: Entry) -> dict[str, Json]:
    """The USD-M host alone writes its tranId as a number."""
    name, by_fill = income_name(entry), entry.reason in _OF_FILLS
    return {
        "symbol": _symbol(entry),
        "incomeType": name,
        "income": eight_text(entry.amount),
        "asset": entry.asset,
        "info": _info(path, name, entry),
        "time": entry.at,
        "tranId": entry.reference if path.startswith("/fapi/") else str(entry.reference),
        "tradeId": str(entry.reference) if by_fill else "",
    }


def _info(path: str, name: str, entry: Entry) -> str:
    """The USD-M hosts repeat the type; COIN-M tells only which way a transfer went."""
    if not path.startswith("/dapi/"):
        return name
    if name != "TRANSFER":
        return ""
    return "DEPOSIT" if entry.amount > ZERO else "WITHDRAW"


# ---------------------------------------------------------------- options

_BILL_NAMES = {
    Reason.FEE: "FEE",
    Reason.TRANSFER: "TRANSFER",
    Reason.DEPOSIT: "TRANSFER",
    Reason.WITHDRAWAL: "TRANSFER",
}
"""Every other change of an option wallet is of a contract; how a settlement is named is unverified."""


def _bills(ask: Ask) -> Json:
    """From a record on, of a window, or the newest; oldest first."""
    currency, rows = ask.required("currency"), ask.strict_limit(default=100, most=1000)
    until = min(ask.number("endTime", ask.at), ask.at)
    span = Span(ask.number("startTime", 0), until)
    entries = ask.book.entries(since=span.since, until=until, wallets={Wallet.OPTIONS})
    found = [one for one in within(ask, "/eapi/v1/bill", entries, span) if one.asset == currency]
    if ask.parameters.get("recordId"):
        first = ask.number("recordId", 0)
        found = [entry for entry in found if entry.entry_id >= first][:rows]
    elif ask.parameters.get("startTime"):
        found = found[:rows]
    return [_bill_row(entry) for entry in found[-rows:]]


def _bill_row(entry: Entry) -> dict[str, Json]:
    return {
        "id": entry.entry_id,
        "asset": entry.asset,
        "amount": plain_text(entry.amount),
        "type": _BILL_NAMES.get(entry.reason, "CONTRACT"),
        "createDate": entry.at,
    }


def _of(path: str, wallet: Wallet, weight: int, need: Need) -> Endpoint:
    return Endpoint("GET", path, _income(path, wallet), weight, need)


ENDPOINTS = (
    _of("/fapi/v1/income", Wallet.USD_M, 30, Need.USD_M),
    _of("/dapi/v1/income", Wallet.COIN_M, 20, Need.COIN_M),
    _of("/papi/v1/um/income", Wallet.USD_M, 30, Need.PORTFOLIO_MARGIN),
    _of("/papi/v1/cm/income", Wallet.COIN_M, 30, Need.PORTFOLIO_MARGIN),
    Endpoint("GET", "/eapi/v1/bill", _bills, 1),
)
