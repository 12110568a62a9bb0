"""What OKX tells of money that rests: savings, staking, flexible loans and trading bots."""

from __future__ import annotations

from decimal import Decimal

from portfolio_lab.demo.earning import FLEXIBLE
from portfolio_lab.demo.facts import ZERO, Bot, Loan, Reason, Staked
from portfolio_lab.demo.market import DAY_MS
from portfolio_lab.demo.okx_holdings import PRECISION, total_usd
from portfolio_lab.demo.okx_wire import OkxAsk, Row, missing, plain, wrong
from portfolio_lab.models.accounts import Wallet

GRID_KINDS = ("grid", "contract_grid", "moon_grid")
_STAKING_COINS = {"eth": "BETH", "sol": "OKSOL"}
_EARNING_STATE = "1"
_BLANK_GRID = dict.fromkeys(
    (
        "actualLever",
        "algoClOrdId",
        "availEq",
        "basePos",
        "baseSz",
        "cancelType",
        "copyType",
        "direction",
        "eq",
        "fee",
        "fundingFee",
        "instFamily",
        "lever",
        "liqPx",
        "ordFrozen",
        "profitSharingRatio",
        "slRatio",
        "slTriggerPx",
        "stopType",
        "sz",
        "tag",
        "tpRatio",
        "tpTriggerPx",
        "uly",
    ),
    "",
)


def savings(ask: OkxAsk) -> list[Row]:
    """finance/savings/balance: Simple Earn flexible; `amt` is principal with all that it has earned."""
    wanted = ask.text("ccy")
    return [
        {
            "amt": plain(amount),
            "ccy": asset,
            "earnings": plain(_earned(ask, asset)),
            "loanAmt": plain(amount),
            "pendingAmt": "0",
            "rate": "0.01",
            "redemptAmt": "",
        }
        for asset, amount in ask.view.flexible().items()
        if amount and wanted in ("", asset)
    ]


def _earned(ask: OkxAsk, asset: str) -> Decimal:
    entries = ask.view.book.entries(until=ask.now, wallets=(Wallet.EARN,))
    flexible = (one for one in entries if one.asset == asset and one.note == FLEXIBLE)
    return sum((one.amount for one in flexible if one.reason is Reason.REWARD), ZERO)


def staking_orders(ask: OkxAsk) -> list[Row]:
    """finance/staking-defi/orders-active: on-chain earn, principal and earnings apart.

    An order for a fixed term pays its rewards out day by day, so that it has no earnings of its own.
    """
    wanted, state, view = ask.text("ccy"), ask.text("state"), ask.view
    fixed = [
        (Staked(one.position_id, one.asset, one.amount, ZERO, one.since), (one.until - one.since) // DAY_MS)
        for one in view.locked_earn()
    ]
    orders = [(one, 0) for one in view.staked()] + fixed
    return [
        _staking_row(one, days) for one, days in orders if wanted in ("", one.asset) and state in ("", _EARNING_STATE)
    ]


def _staking_row(one: Staked, days: int) -> Row:
    return {
        "apy": "0.0310",
        "cancelRedemptionDeadline": "",
        "ccy": one.asset,
        "earningData": [{"ccy": one.asset, "earningType": "1", "earnings": plain(one.earned)}],
        "estSettlementTime": str(one.since + days * DAY_MS) if days else "",
        "fastRedemptionData": [{"ccy": one.asset, "redeemingAmt": ""}],
        "investData": [{"amt": plain(one.amount), "ccy": one.asset}],
        "ordId": str(one.order_id),
        "productId": "22987",
        "protocol": "Demo staking",
        "protocolType": "defi",
        "purchasedTime": str(one.since),
        "redeemAmt": "",
        "state": _EARNING_STATE,
        "tag": "",
        "term": str(days),
    }


def eth_staking(ask: OkxAsk) -> list[Row]:
    """finance/staking-defi/eth/balance: all BETH of the account, which its balances hold too."""
    return _receipts(ask, _STAKING_COINS["eth"])


def sol_staking(ask: OkxAsk) -> list[Row]:
    """finance/staking-defi/sol/balance: all OKSOL of the account, which its balances hold too."""
    return _receipts(ask, _STAKING_COINS["sol"])


def _receipts(ask: OkxAsk, coin: str) -> list[Row]:
    amount = sum((ask.view.cash(wallet).get(coin, ZERO) for wallet in (Wallet.FUNDING, Wallet.TRADING)), ZERO)
    if not amount:
        return []
    rewards = [
        one.amount for one in ask.view.book.entries(until=ask.now) if one.asset == coin and one.reason is Reason.REWARD
    ]
    return [
        {
            "amt": plain(amount),
            "ccy": coin,
            "latestInterestAccrual": plain(rewards[-1]) if rewards else "0",
            "totalInterestAccrual": plain(sum(rewards, ZERO)),
            "ts": str(ask.now),
        }
    ]


def loan_info(ask: OkxAsk) -> list[Row]:
    """finance/flexible-loan/loan-info: what is owed (interest included) and what is locked for it."""
    wanted = ask.text("ordId")
    return [_loan_row(ask, one) for one in ask.view.loans() if wanted in ("", str(one.loan_id))]


def _loan_row(ask: OkxAsk, one: Loan) -> Row:
    owed, locked = total_usd(ask, {one.asset: one.debt}), total_usd(ask, {one.collateral_asset: one.collateral})
    ratio = (owed / locked).quantize(Decimal("0.0001")) if locked else ZERO
    return {
        "collateralData": [{"amt": plain(one.collateral), "ccy": one.collateral_asset}],
        "collateralNotionalUsd": plain(locked),
        "curLTV": plain(ratio),
        "liqLTV": "0.8374",
        "loanData": [{"amt": plain(one.debt), "ccy": one.asset}],
        "loanNotionalUsd": plain(owed),
        "marginCallLTV": "0.7374",
        "ordId": str(one.loan_id),
        "riskWarningData": {"instId": "", "liqPx": ""},
    }


def grid_bots(ask: OkxAsk) -> list[Row]:
    """tradingBot/grid/orders-algo-pending of the mandatory algoOrdType: spot grids, worth what stgyEq says."""
    kind = ask.text("algoOrdType")
    if not kind:
        raise missing("algoOrdType")
    if kind not in GRID_KINDS:
        raise wrong("algoOrdType")
    return [_grid_row(ask, one) for one in ask.view.bots() if one.kind == kind]


def _grid_row(ask: OkxAsk, one: Bot) -> Row:
    base = next((asset for asset in one.holdings if asset != "USDT"), "BTC")
    last = ask.exchange.market.last("okx", f"{base}-USDT", "spot", ask.now)
    worth = one.holdings.get(base, ZERO) * last + one.holdings.get("USDT", ZERO)
    placed, invested = _invested(ask, one)
    gained = worth - invested
    return {
        **_BLANK_GRID,
        **dict.fromkeys(("arbitrageNum", "annualizedRate", "totalAnnualizedRate", "gridProfit"), "0"),
        "algoId": str(one.bot_id),
        "algoOrdType": one.kind,
        "cTime": str(placed),
        "floatProfit": plain(gained.quantize(PRECISION)),
        "gridNum": "20",
        "instId": f"{base}-USDT",
        "instType": "SPOT",
        "investment": plain(invested),
        "maxPx": plain((last * Decimal("1.2")).quantize(Decimal("0.01"))),
        "minPx": plain((last * Decimal("0.8")).quantize(Decimal("0.01"))),
        "pnlRatio": plain((gained / invested).quantize(PRECISION)) if invested else "0",
        "quoteSz": plain(invested),
        "rebateTrans": [{"rebate": "0", "rebateCcy": base}, {"rebate": "0", "rebateCcy": "USDT"}],
        "runType": "1",
        "state": "running",
        "totalPnl": plain(gained.quantize(PRECISION)),
        "triggerParams": [],
        "uTime": str(ask.now),
    }


def _invested(ask: OkxAsk, one: Bot) -> tuple[int, Decimal]:
    """When money first went to a bot, and how much USDT has gone there net."""
    entries = ask.view.book.entries(until=ask.now, wallets=(Wallet.TRADING,))
    sent = [entry for entry in entries if entry.reason is Reason.BOT and entry.note == f"{one.kind}:{one.bot_id}"]
    in_usdt = sum((-entry.amount for entry in sent if entry.asset == "USDT"), ZERO)
    return (sent[0].at if sent else ask.now), in_usdt
