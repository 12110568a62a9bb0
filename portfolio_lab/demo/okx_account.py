"""What OKX tells the owner about now: balances, positions, open orders, the account itself."""

from __future__ import annotations

from decimal import Decimal

from portfolio_lab.demo.book import View
from portfolio_lab.demo.facts import ZERO, Position
from portfolio_lab.demo.instruments import INVERSE
from portfolio_lab.demo.okx_public import instrument_type
from portfolio_lab.demo.okx_wire import OkxAsk, OkxRefusalError, Row, plain
from portfolio_lab.models.accounts import Wallet

_PRECISION = Decimal("0.000000000001")
_MAINTENANCE = Decimal("0.1")
_EMPTY_DETAIL = dict.fromkeys(
    (
        "borrowFroz",
        "crossLiab",
        "fixedBal",
        "interest",
        "isoEq",
        "isoLiab",
        "isoUpl",
        "liab",
        "maxLoan",
        "rewardBal",
        "smtSyncEq",
        "spotCopyTradingEq",
        "spotIsoBal",
        "stgyEq",
        "twap",
        "uplLiab",
    ),
    "0",
)
_BLANK_DETAIL = dict.fromkeys(
    (
        "accAvgPx",
        "clSpotInUseAmt",
        "colRes",
        "imr",
        "maxSpotInUse",
        "maxSpotInUseAmt",
        "mgnRatio",
        "mmr",
        "notionalLever",
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
_BLANK_POSITION = dict.fromkeys(
    (
        "baseBal",
        "baseBorrowed",
        "baseInterest",
        "bizRefId",
        "bizRefType",
        "clSpotInUseAmt",
        "deltaBS",
        "deltaPA",
        "gammaBS",
        "gammaPA",
        "liab",
        "liabCcy",
        "margin",
        "maxSpotInUseAmt",
        "nonSettleAvgPx",
        "optVal",
        "posCcy",
        "quoteBal",
        "quoteBorrowed",
        "quoteInterest",
        "settledPnl",
        "spotInUseAmt",
        "spotInUseCcy",
        "thetaBS",
        "thetaPA",
        "usdPx",
        "vegaBS",
        "vegaPA",
    ),
    "",
)


def balance(ask: OkxAsk) -> list[Row]:
    """account/balance: the trading account."""
    view, wanted = ask.view, ask.listed("ccy")
    cash, pnl = view.cash(Wallet.TRADING), view.unrealised(Wallet.TRADING)
    held = [asset for asset in {**cash, **pnl} if cash.get(asset, ZERO) or pnl.get(asset, ZERO)]
    details = [_detail(ask, view, asset) for asset in held if wanted is None or asset in wanted]
    margin = _usd(ask, view.initial_margin(Wallet.TRADING))
    equity = sum((Decimal(detail["eqUsd"] or 0) for detail in details), ZERO)
    notional = sum((_notional_usd(ask, view, one) for one in view.positions(Wallet.TRADING)), ZERO)
    return [
        {
            "adjEq": plain(equity),
            "availEq": plain(max(ZERO, equity - margin)),
            "borrowFroz": "0",
            "details": details,
            "imr": plain(margin),
            "isoEq": "0",
            "mgnRatio": plain((equity / margin * 10).quantize(_PRECISION)) if margin else "",
            "mmr": plain(margin * _MAINTENANCE),
            "notionalUsd": plain(notional),
            "notionalUsdForBorrow": "0",
            "notionalUsdForFutures": "0",
            "notionalUsdForOption": "0",
            "notionalUsdForSwap": plain(notional),
            "ordFroz": plain(_usd(ask, view.locked(Wallet.TRADING))),
            "totalEq": plain(equity),
            "uTime": str(ask.now),
            "upl": plain(_usd(ask, pnl)),
        }
    ]


def _detail(ask: OkxAsk, view: View, asset: str) -> Row:
    """One asset: eq = cashBal + upl; availEq is what margin and losses leave free."""
    cash = view.cash(Wallet.TRADING).get(asset, ZERO)
    pnl = view.unrealised(Wallet.TRADING).get(asset, ZERO)
    locked = view.locked(Wallet.TRADING).get(asset, ZERO)
    margin = view.initial_margin(Wallet.TRADING).get(asset, ZERO) + view.order_margin(Wallet.TRADING).get(asset, ZERO)
    price = ask.exchange.market.coin_usd("okx", asset, ask.now)
    worth = "" if price is None else plain(((cash + pnl) * price).quantize(_PRECISION))
    return {
        **_EMPTY_DETAIL,
        **_BLANK_DETAIL,
        "autoLendStatus": "off",
        "autoLendMtAmt": "0",
        "availBal": plain(max(ZERO, cash - locked - margin)),
        "availEq": plain(max(ZERO, cash + pnl - locked - margin)),
        "cashBal": plain(cash),
        "ccy": asset,
        "collateralEnabled": False,
        "disEq": worth,
        "eq": plain(cash + pnl),
        "eqUsd": worth,
        "frozenBal": plain(locked + margin),
        "imr": plain(margin),
        "mmr": plain(margin * _MAINTENANCE),
        "ordFrozen": plain(locked),
        "uTime": str(ask.now),
        "upl": plain(pnl),
    }


def _usd(ask: OkxAsk, amounts: dict[str, Decimal]) -> Decimal:
    """Worth in USD of amounts by asset; an unpriced asset carries no margin and no PnL."""
    market = ask.exchange.market
    priced = ((amount, market.coin_usd("okx", asset, ask.now)) for asset, amount in amounts.items())
    return sum((amount * price for amount, price in priced if price is not None), ZERO).quantize(_PRECISION)


def funding_balances(ask: OkxAsk) -> list[Row]:
    """asset/balances: the funding account."""
    wanted = ask.listed("ccy")
    return [
        {"availBal": plain(amount), "bal": plain(amount), "ccy": asset, "frozenBal": "0"}
        for asset, amount in ask.view.cash(Wallet.FUNDING).items()
        if amount and (wanted is None or asset in wanted)
    ]


def valuation(ask: OkxAsk) -> list[Row]:
    """asset/asset-valuation in `ccy` (BTC when absent): what each account is worth."""
    view, unit = ask.view, ask.text("ccy") or "BTC"
    price = ask.exchange.market.coin_usd("okx", unit, ask.now)
    if price is None:
        raise OkxRefusalError(200, "58004", "Account blocked or currency not supported")
    trading = (_usd(ask, view.cash(Wallet.TRADING)) + _usd(ask, view.unrealised(Wallet.TRADING))) / price
    funding = _usd(ask, view.cash(Wallet.FUNDING)) / price
    trading, funding = (amount.quantize(_PRECISION) for amount in (trading, funding))
    details = {"classic": "0", "earn": "0", "funding": plain(funding), "trading": plain(trading)}
    return [{"details": details, "totalBal": plain(trading + funding), "ts": str(ask.now)}]


def positions(ask: OkxAsk) -> list[Row]:
    """account/positions, all instruments or those of instType and instId."""
    view, wanted, kind = ask.view, ask.listed("instId"), ask.text("instType")
    return [
        _position_row(ask, view, one)
        for one in view.positions(Wallet.TRADING)
        if (wanted is None or one.instrument.symbol in wanted) and kind in ("", instrument_type(one.instrument))
    ]


def _position_row(ask: OkxAsk, view: View, position: Position) -> Row:
    one, mark = position.instrument, view.mark(position.instrument)
    pnl, margin = position.unrealised_pnl(mark), position.initial_margin(mark)
    market = ask.exchange.market
    last = market.last("okx", one.symbol, one.kind, ask.now)
    pnl_last = position.unrealised_pnl(last)
    ratio, ratio_last = ((part / margin).quantize(_PRECISION) if margin else ZERO for part in (pnl, pnl_last))
    return {
        **_BLANK_POSITION,
        "adl": "1",
        "availPos": "",
        "avgPx": plain(position.entry_price),
        "bePx": plain(position.entry_price),
        "cTime": str(position.opened_at),
        "ccy": one.settle,
        "closeOrderAlgo": [],
        "fee": "0",
        "fundingFee": "0",
        "idxPx": plain(market.index("okx", one.base, one.quote, ask.now)),
        "imr": plain(margin),
        "instId": one.symbol,
        "instType": "SWAP",
        "interest": "",
        "last": plain(last),
        "lever": plain(position.leverage),
        "liqPenalty": "0",
        "liqPx": "",
        "markPx": plain(mark),
        "mgnMode": "cross",
        "mgnRatio": "",
        "mmr": plain(margin * _MAINTENANCE),
        "notionalUsd": plain(_notional_usd(ask, view, position)),
        "pTime": str(ask.now),
        "pendingCloseOrdLiabVal": "",
        "pnl": "0",
        "pos": plain(position.contracts),
        "posId": str(position.position_id),
        "posSide": position.position_side,
        "realizedPnl": "0",
        "tradeId": str(position.position_id),
        "uTime": str(position.changed_at),
        "upl": plain(pnl),
        "uplLastPx": plain(pnl_last),
        "uplRatio": plain(ratio),
        "uplRatioLastPx": plain(ratio_last),
    }


def _notional_usd(ask: OkxAsk, view: View, position: Position) -> Decimal:
    """Magnitude in USD: the contracts' face (inverse), base x mark x USDT/USD (linear)."""
    one = position.instrument
    if one.kind == INVERSE:
        return abs(position.contracts) * one.contract_size
    worth = abs(position.notional(view.mark(one))) * ask.exchange.market.usdt_usd("okx", ask.now)
    return worth.quantize(_PRECISION)


def config(ask: OkxAsk) -> list[Row]:
    """account/config: who the key belongs to and what it may do."""
    account = ask.asker
    return [
        {
            "acctLv": "3",
            "acctStpMode": "cancel_maker",
            "autoLoan": False,
            "ctIsoMode": "automatic",
            "enableSpotBorrow": False,
            "greeksType": "PA",
            "ip": "",
            "kycLv": "3",
            "label": account.account.label,
            "level": "Lv1",
            "levelTmp": "",
            "liquidationGear": "-1",
            "mainUid": str(account.uid),
            "mgnIsoMode": "automatic",
            "opAuth": "0",
            "perm": ",".join(("read_only", *account.permissions)),
            "posMode": "long_short_mode" if account.book.hedge else "net_mode",
            "roleType": "0",
            "spotBorrowAutoRepay": False,
            "spotOffsetType": "",
            "spotRoleType": "0",
            "spotTraderInsts": [],
            "traderInsts": [],
            "type": "0",
            "uid": str(account.uid),
        }
    ]
