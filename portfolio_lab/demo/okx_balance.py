"""account/balance: the trading account by currency, with every component of its equity.

Which fields apply depends on the account's mode (1 spot, 2 futures, 3 multi-currency,
4 portfolio margin); a field that does not apply is "".
"""

from __future__ import annotations

from decimal import Decimal

from portfolio_lab.demo.facts import ZERO
from portfolio_lab.demo.okx_holdings import PRECISION, Holding, discounted, holdings, total, total_usd, usd
from portfolio_lab.demo.okx_positions import MAINTENANCE, notional_usd
from portfolio_lab.demo.okx_public import instrument_type
from portfolio_lab.demo.okx_wire import OkxAsk, Row, plain
from portfolio_lab.models.accounts import Wallet

SPOT_MODE, FUTURES_MODE, MULTI_CURRENCY, PORTFOLIO = "1", "2", "3", "4"
_MARGINED = frozenset({MULTI_CURRENCY, PORTFOLIO})
_DERIVATIVES = frozenset({FUTURES_MODE, MULTI_CURRENCY, PORTFOLIO})
_BORROWING = frozenset({SPOT_MODE, MULTI_CURRENCY, PORTFOLIO})
_BLANK_DETAIL = dict.fromkeys(
    (
        "accAvgPx",
        "clSpotInUseAmt",
        "maxSpotInUse",
        "maxSpotInUseAmt",
        "openAvgPx",
        "spotBal",
        "spotInUseAmt",
        "spotUpl",
        "spotUplRatio",
        "totalPnl",
        "totalPnlRatio",
    ),
    "",
)
_ZERO_DETAIL = dict.fromkeys(("autoLendMtAmt", "colBorrAutoConversion", "colRes", "fixedBal", "frpType"), "0") | {
    "smtSyncEq": "0",
    "spotCopyTradingEq": "0",
    "spotIsoBal": "0",
}


def balance(ask: OkxAsk) -> list[Row]:
    """account/balance, all currencies or those of ccy; the account's own totals are always of all."""
    wanted, held = ask.listed("ccy"), holdings(ask)
    mode = ask.asker.mode
    details = [_detail(ask, one, mode) for one in held if wanted is None or one.asset in wanted]
    return [
        {
            **_account_risk(ask, held, mode),
            "details": details,
            "isoEq": _when(mode in _DERIVATIVES, total_usd(ask, {one.asset: one.isolated for one in held})),
            "totalEq": plain(total(usd(ask, one.asset, one.equity) for one in held)),
            "uTime": str(ask.now),
        }
    ]


def _account_risk(ask: OkxAsk, held: list[Holding], mode: str) -> Row:
    """Haircut equity and margin requirements in USD: of modes that margin the account as a whole."""
    margin = total_usd(ask, {one.asset: one.margin for one in held})
    needed = total_usd(ask, ask.view.initial_margin(Wallet.TRADING)) * MAINTENANCE
    adjusted = total(discounted(ask, one.asset, one.backing) for one in held)
    borrowed = total_usd(ask, {one.asset: one.owed for one in held})
    by_kind = _notionals(ask)
    whole, wide = mode in _MARGINED, mode in _BORROWING
    return {
        "adjEq": _when(whole, adjusted),
        "availEq": _when(whole, max(ZERO, adjusted - margin)),
        "borrowFroz": _when(wide, ZERO),
        "imr": _when(wide, margin),
        "mgnRatio": plain((adjusted / needed).quantize(PRECISION)) if whole and needed else "",
        "mmr": _when(wide, needed),
        "notionalUsd": _when(wide, sum(by_kind.values(), borrowed)),
        "notionalUsdForBorrow": _when(wide, borrowed),
        "notionalUsdForFutures": _when(whole, by_kind.get("FUTURES", ZERO)),
        "notionalUsdForOption": _when(wide, by_kind.get("OPTION", ZERO)),
        "notionalUsdForSwap": _when(whole, by_kind.get("SWAP", ZERO)),
        "ordFroz": _when(wide, total_usd(ask, {one.asset: one.locked for one in held})),
        "upl": _when(whole, total_usd(ask, {one.asset: one.upl for one in held})),
    }


def _notionals(ask: OkxAsk) -> dict[str, Decimal]:
    """Magnitude of open positions in USD by instType."""
    view = ask.view
    sums: dict[str, Decimal] = {}
    for one in view.positions(Wallet.TRADING):
        kind = instrument_type(one.instrument)
        sums[kind] = sums.get(kind, ZERO) + notional_usd(ask, view, one)
    return sums


def _detail(ask: OkxAsk, one: Holding, mode: str) -> Row:
    """One currency: eq = cashBal + isoEq + (upl - isoUpl) + stgyEq."""
    worth = usd(ask, one.asset, one.equity)
    counted = discounted(ask, one.asset, one.backing)
    derivatives = mode in _DERIVATIVES
    return {
        **_ZERO_DETAIL,
        **_BLANK_DETAIL,
        **_debt_fields(one, mode),
        **_single_currency_fields(one, mode),
        "autoLendStatus": "off",
        "availBal": plain(max(ZERO, min(one.free, one.free - one.upl))),
        "availEq": _when(derivatives, max(ZERO, one.free)),
        "cashBal": plain(one.cash),
        "ccy": one.asset,
        "collateralEnabled": mode == MULTI_CURRENCY,
        "collateralRestrict": False,
        "disEq": "" if counted is None else plain(counted),
        "eq": plain(one.equity),
        "eqUsd": "" if worth is None else plain(worth),
        "frozenBal": plain(one.frozen),
        "isoEq": _when(derivatives, one.isolated),
        "isoUpl": _when(derivatives, ZERO),
        "ordFrozen": plain(one.locked),
        "rewardBal": plain(one.trial),
        "stgyEq": plain(one.bots),
        "uTime": str(ask.now),
        "upl": _when(derivatives, one.upl),
    }


def _debt_fields(one: Holding, mode: str) -> Row:
    """What is owed, as positive magnitudes; the same debt already stands negative in cashBal and eq."""
    borrows, whole = mode in _BORROWING, mode in _MARGINED
    return {
        "borrowFroz": _when(whole, ZERO),
        "crossLiab": _when(borrows, one.owed),
        "interest": _when(borrows, one.interest),
        "isoLiab": _when(whole, one.isolated_owed),
        "liab": _when(borrows, one.owed + one.isolated_owed),
        "maxLoan": _when(borrows, ZERO),
        "twap": _when(borrows, ZERO),
        "uplLiab": _when(whole, max(ZERO, -one.upl) if one.cash + one.upl < ZERO else ZERO),
    }


def _single_currency_fields(one: Holding, mode: str) -> Row:
    """Margin by currency: told in futures mode only, where each currency carries its own positions."""
    alone = mode == FUTURES_MODE
    needed = one.margin * MAINTENANCE
    ratio = plain((one.backing / needed).quantize(PRECISION)) if alone and needed else ""
    return {
        "imr": _when(alone, one.margin),
        "mgnRatio": ratio,
        "mmr": _when(alone, needed),
        "notionalLever": _when(alone, ZERO),
    }


def _when(applies: bool, amount: Decimal) -> str:  # noqa: FBT001 - it reads as a sentence: when(this applies, that)
    return plain(amount) if applies else ""
