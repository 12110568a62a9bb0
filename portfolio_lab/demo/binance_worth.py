"""What a wallet holds and what that is worth, by the exchange's own book and prices.

This is where the venue's totals come from. Nothing here reads another answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal

from portfolio_lab.demo import binance_errors as refuse
from portfolio_lab.demo.book import View
from portfolio_lab.demo.exchange import DemoAccount
from portfolio_lab.demo.facts import ZERO
from portfolio_lab.demo.market import Market
from portfolio_lab.models.accounts import Wallet

Amounts = Mapping[str, Decimal]
OPTION_COIN = "USDT"
"""The one coin that options are margined and settled in."""


def asset_worth(market: Market, amounts: Amounts, quote: str, at: int) -> Decimal:
    """Worth of amounts by asset in `quote`; an asset without a market adds nothing, as at Binance."""
    unit = market.coin_usd("binance", quote, at)
    if unit is None:
        raise refuse.parameter_invalid("quoteAsset")
    return usd_worth(market, amounts, at) / unit


def usd_worth(market: Market, amounts: Amounts, at: int) -> Decimal:
    """Worth of amounts by asset in USD; an asset without a market adds nothing."""
    prices = ((amount, market.coin_usd("binance", asset, at)) for asset, amount in amounts.items() if amount)
    return sum((amount * price for amount, price in prices if price is not None), ZERO)


def summed(parts: Iterable[Amounts]) -> dict[str, Decimal]:
    """Several amounts by asset as one."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for part in parts:
        for asset, amount in part.items():
            sums[asset] += amount
    return dict(sums)


def margin_balances(view: View, wallet: Wallet) -> dict[str, Decimal]:
    """Wallet balance + unrealised PnL by asset of a futures wallet."""
    return summed((view.cash(wallet), view.unrealised(wallet)))


def owed(view: View, wallet: Wallet, pair: str = "") -> dict[str, Decimal]:
    """Borrowed + interest by asset, > 0."""
    return {asset: debt.borrowed + debt.interest for asset, debt in view.debts(wallet, pair).items()}


def net_assets(view: View, wallet: Wallet, pair: str = "") -> dict[str, Decimal]:
    """Cash less debt and interest by asset of a borrowing wallet, or of one isolated pair of it."""
    debts = {asset: -amount for asset, amount in owed(view, wallet, pair).items()}
    return summed((view.cash(wallet, pair), debts))


def isolated_assets(view: View) -> dict[str, Decimal]:
    """Net assets of all isolated pairs together."""
    return summed(net_assets(view, Wallet.ISOLATED_MARGIN, pair) for pair in view.isolated_pairs())


def earn_assets(view: View) -> dict[str, Decimal]:
    """Flexible and locked savings by asset."""
    return summed((view.flexible(), *({one.asset: one.amount} for one in view.locked_earn())))


def bot_assets(view: View, *, copies: bool) -> dict[str, Decimal]:
    """Holdings of the trading bots, or of the copy trading portfolios."""
    return summed(bot.holdings for bot in view.bots() if (bot.kind == "copy") is copies)


def wallet_assets(account: DemoAccount, view: View) -> dict[str, dict[str, Decimal]]:
    """Net units by asset of every wallet, by the name that Binance gives it.

    An account in portfolio margin keeps its three inner wallets under their own names, the
    cross margin one marked as such.
    """
    cross = net_assets(view, Wallet.CROSS_MARGIN)
    unified = account.portfolio_margin
    return {
        "Spot": view.cash(Wallet.SPOT),
        "Funding": view.cash(Wallet.FUNDING),
        "Cross Margin": {} if unified else cross,
        "Cross Margin (PM)": cross if unified else {},
        "Isolated Margin": isolated_assets(view),
        "USDⓈ-M Futures": margin_balances(view, Wallet.USD_M),
        "COIN-M Futures": margin_balances(view, Wallet.COIN_M),
        "Earn": earn_assets(view),
        "Options": summed((view.cash(Wallet.OPTIONS), view.market_value(Wallet.OPTIONS))),
        "Trading Bots": bot_assets(view, copies=False),
        "Copy Trading": bot_assets(view, copies=True),
    }


def opened_wallets(account: DemoAccount) -> frozenset[str]:
    """Names of the wallets that the account ever opened; spot and funding always are."""
    opened = set(account.opened)
    if account.portfolio_margin:
        opened = opened - {Wallet.CROSS_MARGIN} | {Wallet.PORTFOLIO_MARGIN, Wallet.USD_M, Wallet.COIN_M}
    return frozenset({"Spot", "Funding", *(_NAMES[wallet] for wallet in opened if wallet in _NAMES)})


_NAMES = {
    Wallet.CROSS_MARGIN: "Cross Margin",
    Wallet.PORTFOLIO_MARGIN: "Cross Margin (PM)",
    Wallet.ISOLATED_MARGIN: "Isolated Margin",
    Wallet.USD_M: "USDⓈ-M Futures",
    Wallet.COIN_M: "COIN-M Futures",
    Wallet.EARN: "Earn",
    Wallet.OPTIONS: "Options",
    Wallet.BOTS: "Trading Bots",
    Wallet.COPY_TRADING: "Copy Trading",
}
