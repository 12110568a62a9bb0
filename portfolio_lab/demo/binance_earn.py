"""sapi: what rests - savings, staking receipts, loans - and whether the account leads copiers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from portfolio_lab.demo.binance_ask import Ask, Endpoint, Json
from portfolio_lab.demo.binance_text import NONE, eight_text, plain_text
from portfolio_lab.demo.binance_worth import Amounts, asset_worth, summed
from portfolio_lab.demo.book import View
from portfolio_lab.demo.facts import ZERO, Loan, Locked, Reason
from portfolio_lab.demo.market import DAY_MS
from portfolio_lab.models.accounts import Wallet

_FLEXIBLE_APR = Decimal("0.02599895")
_MONTH_MS = 30 * DAY_MS


def _page(ask: Ask, rows: list[dict[str, Json]]) -> Json:
    """One page of rows by `current` (from 1) and `size`, and how many there are in all."""
    size = ask.strict_limit(default=10, most=100, name="size")
    page = max(1, ask.number("current", 1))
    return {"rows": rows[(page - 1) * size : page * size], "total": len(rows)}


def _in(ask: Ask, amounts: Amounts, quote: str) -> Decimal:
    return asset_worth(ask.market, amounts, quote, ask.at)


# ---------------------------------------------------------------- simple earn


def _account(ask: Ask) -> Json:
    flexible, locked = ask.view.flexible(), _locked_assets(ask.view)
    both = summed((flexible, locked))
    return {
        "totalAmountInBTC": eight_text(_in(ask, both, "BTC")),
        "totalAmountInUSDT": eight_text(_in(ask, both, "USDT")),
        "totalFlexibleAmountInBTC": eight_text(_in(ask, flexible, "BTC")),
        "totalFlexibleAmountInUSDT": eight_text(_in(ask, flexible, "USDT")),
        "totalLockedInBTC": eight_text(_in(ask, locked, "BTC")),
        "totalLockedInUSDT": eight_text(_in(ask, locked, "USDT")),
    }


def _locked_assets(view: View) -> dict[str, Decimal]:
    return summed({one.asset: one.amount} for one in view.locked_earn())


def _flexible_positions(ask: Ask) -> Json:
    """Savings above 0; what is pledged to a loan is told beside the amount, and not part of it (unverified)."""
    wanted, pledged = ask.parameters.get("asset", ""), _pledged(ask.view.loans())
    rewards = _rewards(ask)
    rows = [
        _flexible_row(asset, amount, pledged.get(asset, ZERO), rewards.get(asset, ZERO))
        for asset, amount in ask.view.flexible().items()
        if amount and wanted in {"", asset}
    ]
    return _page(ask, rows)


def _pledged(loans: Iterable[Loan]) -> dict[str, Decimal]:
    return summed({loan.collateral_asset: loan.collateral} for loan in loans)


def _rewards(ask: Ask) -> dict[str, Decimal]:
    """Rewards that savings were ever paid, by asset."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for entry in ask.book.entries(until=ask.at, wallets={Wallet.EARN}):
        if entry.reason is Reason.REWARD:
            sums[entry.asset] += entry.amount
    return dict(sums)


def _flexible_row(asset: str, amount: Decimal, pledged: Decimal, rewards: Decimal) -> dict[str, Json]:
    return {
        "totalAmount": eight_text(amount),
        "tierAnnualPercentageRate": {f"0-5{asset}": 0.05, f"5-10{asset}": 0.03},
        "latestAnnualPercentageRate": eight_text(_FLEXIBLE_APR),
        "yesterdayAirdropPercentageRate": NONE,
        "asset": asset,
        "airDropAsset": asset,
        "canRedeem": True,
        "collateralAmount": eight_text(pledged),
        "productId": f"{asset}001",
        "yesterdayRealTimeRewards": eight_text(amount * _FLEXIBLE_APR / 365),
        "cumulativeBonusRewards": NONE,
        "cumulativeRealTimeRewards": eight_text(rewards),
        "cumulativeTotalRewards": eight_text(rewards),
        "autoSubscribe": True,
    }


def _locked_positions(ask: Ask) -> Json:
    wanted = ask.parameters.get("asset", "")
    return _page(ask, [_locked_row(one, ask.at) for one in ask.view.locked_earn() if wanted in {"", one.asset}])


def _locked_row(one: Locked, now: int) -> dict[str, Json]:
    days = (one.until - one.since) // DAY_MS
    accrued = (now - one.since) // DAY_MS
    apr = Decimal(one.apr)
    daily = one.amount * apr / 365
    return {
        "positionId": one.position_id,
        "parentPositionId": one.position_id,
        "projectId": f"{one.asset}*{days}",
        "asset": one.asset,
        "amount": eight_text(one.amount),
        "purchaseTime": one.since,
        "duration": str(days),
        "accrualDays": str(accrued),
        "rewardAsset": one.asset,
        "APY": plain_text(apr),
        "rewardAmt": eight_text(daily * accrued),
        **_no_extras(one.asset),
        "nextPay": eight_text(daily),
        "nextPayDate": one.since + (accrued + 1) * DAY_MS,
        "payPeriod": "1",
        "redeemAmountEarly": eight_text(one.amount),
        "rewardsEndDate": one.until,
        "deliverDate": one.until + DAY_MS,
        "redeemPeriod": "1",
        "redeemingAmt": NONE,
        "redeemTo": "FLEXIBLE",
        "partialAmtDeliverDate": one.until + DAY_MS,
        "canRedeemEarly": True,
        "canFastRedemption": False,
        "autoSubscribe": False,
        "type": "NORMAL",
        "status": "HOLDING",
        "canReStake": False,
    }


def _no_extras(asset: str) -> dict[str, Json]:
    """Campaigns that nobody here takes part in."""
    return {
        "extraRewardAsset": asset,
        "extraRewardAPR": "0",
        "estExtraRewardAmt": NONE,
        "boostRewardAsset": asset,
        "boostApr": "0",
        "totalBoostRewardAmt": NONE,
    }


# ---------------------------------------------------------------- staking


def _grown(ask: Ask, receipt: str) -> Decimal:
    """What the receipts of the spot wallet gained in a month, in the coin behind them."""
    held, month_ago = _spot(ask, receipt), ask.at - _MONTH_MS
    return held * (ask.market.ratio(receipt, ask.at) - ask.market.ratio(receipt, month_ago))


def _spot(ask: Ask, asset: str) -> Decimal:
    return ask.view.cash(Wallet.SPOT).get(asset, ZERO)


def _eth_staking(ask: Ask) -> Json:
    """The receipts lie in the spot wallet: this answer tells them a second time, in ETH."""
    wbeth, beth = _spot(ask, "WBETH"), _spot(ask, "BETH")
    gained = _grown(ask, "WBETH")
    return {
        "holdingInETH": eight_text(wbeth * ask.market.ratio("WBETH", ask.at) + beth),
        "holdings": {"wbethAmount": eight_text(wbeth), "bethAmount": eight_text(beth)},
        "thirtyDaysProfitInETH": eight_text(gained),
        "profit": {"amountFromWBETH": eight_text(gained), "amountFromBETH": NONE},
    }


def _sol_staking(ask: Ask) -> Json:
    """As for ETH: BNSOL lies in the spot wallet."""
    held = _spot(ask, "BNSOL")
    return {
        "bnsolAmount": eight_text(held),
        "holdingInSOL": eight_text(held * ask.market.ratio("BNSOL", ask.at)),
        "thirtyDaysProfitInSOL": eight_text(_grown(ask, "BNSOL")),
    }


# ---------------------------------------------------------------- loans


def _flexible_loans(ask: Ask) -> Json:
    """Ongoing loans: the debt with its interest, and what secures it."""
    coin, security = ask.parameters.get("loanCoin", ""), ask.parameters.get("collateralCoin", "")
    loans = [loan for loan in ask.view.loans() if coin in {"", loan.asset} and security in {"", loan.collateral_asset}]
    return _pages_of_loans(ask, [_loan_row(ask, loan) for loan in loans])


def _pages_of_loans(ask: Ask, rows: list[dict[str, Json]]) -> Json:
    size, page = ask.strict_limit(default=10, most=100), max(1, ask.number("current", 1))
    return {"rows": rows[(page - 1) * size : page * size], "total": len(rows)}


def _loan_row(ask: Ask, loan: Loan) -> dict[str, Json]:
    worth = _in(ask, {loan.collateral_asset: loan.collateral}, "USDT")
    debt = _in(ask, {loan.asset: loan.debt}, "USDT")
    return {
        "loanCoin": loan.asset,
        "totalDebt": plain_text(loan.debt),
        "collateralCoin": loan.collateral_asset,
        "collateralAmount": plain_text(loan.collateral),
        "currentLTV": f"{debt / worth if worth else ZERO:.4f}",
    }


def _no_vip_loans(ask: Ask) -> Json:
    return _pages_of_loans(ask, [])


# ---------------------------------------------------------------- copy trading


def _lead_status(ask: Ask) -> Json:
    """Nobody here is copied; whom an account copies is not told at all."""
    told = {"isLeadTrader": False, "time": ask.server_time}
    return {"code": "000000", "message": "success", "data": told, "success": True}


ENDPOINTS = (
    Endpoint("GET", "/sapi/v1/simple-earn/account", _account, 150),
    Endpoint("GET", "/sapi/v1/simple-earn/flexible/position", _flexible_positions, 150),
    Endpoint("GET", "/sapi/v1/simple-earn/locked/position", _locked_positions, 150),
    Endpoint("GET", "/sapi/v2/eth-staking/account", _eth_staking, 150),
    Endpoint("GET", "/sapi/v1/sol-staking/account", _sol_staking, 150),
    Endpoint("GET", "/sapi/v2/loan/flexible/ongoing/orders", _flexible_loans, 300),
    Endpoint("GET", "/sapi/v1/loan/vip/ongoing/orders", _no_vip_loans, 400),
    Endpoint("GET", "/sapi/v1/copyTrading/futures/userStatus", _lead_status),
)
