"""What an account puts aside: Simple Earn, on-chain earn, trading bots and copy trading.

Each keeps its money in a slot of its wallet: "flexible", "locked:id", "staked:id" (with
"earned:id") of EARN, "grid:id" of BOTS, "copy:id" of COPY_TRADING.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from portfolio_lab.demo.debts import Debts
from portfolio_lab.demo.facts import ZERO, Bot, Locked, Reason, Staked, eight
from portfolio_lab.demo.market import DAY_MS, Market
from portfolio_lab.models.accounts import Wallet

FLEXIBLE = "flexible"
FLEXIBLE_APR, STAKING_APR = Decimal("0.03"), Decimal("0.025")
DAYS_A_YEAR = 365
_BOT_WALLETS = {"grid": Wallet.BOTS, "copy": Wallet.COPY_TRADING}


@dataclass(frozen=True, slots=True)
class _Terms:
    """A locked or staked position. `home` is the wallet whose cash it came from and pays to."""

    asset: str
    since: int
    until: int
    apr: Decimal
    home: Wallet


class Earning(Debts):
    """A ledger whose account can earn."""

    def __init__(self, name: str, market: Market) -> None:
        super().__init__(name, market)
        self._locked: dict[int, _Terms] = {}
        self._staked: dict[int, _Terms] = {}
        self._bots: dict[int, str] = {}
        self._earns = False

    def flexible_at(self, now: int) -> dict[str, Decimal]:
        """Flexible savings by asset, rewards so far included; empty ones are absent."""
        return {asset: amount for asset, amount in self.cash_at(Wallet.EARN, now, FLEXIBLE).items() if amount}

    def locked_at(self, now: int) -> list[Locked]:
        """Locked subscriptions that hold something."""
        return [
            Locked(number, one.asset, amount, one.since, one.until, one.apr)
            for number, one in self._locked.items()
            if (amount := self._kept(now, f"locked:{number}", one.asset))
        ]

    def staked_at(self, now: int) -> list[Staked]:
        """On-chain earn orders that hold something."""
        return [
            Staked(number, one.asset, amount, self._kept(now, f"earned:{number}", one.asset), one.since)
            for number, one in self._staked.items()
            if (amount := self._kept(now, f"staked:{number}", one.asset))
        ]

    def bots_at(self, now: int) -> list[Bot]:
        """Trading bots and copy-trading portfolios that hold something."""
        found = []
        for number, kind in self._bots.items():
            held = self.cash_at(_BOT_WALLETS[kind], now, f"{kind}:{number}")
            if any(held.values()):
                found.append(Bot(number, kind, {asset: amount for asset, amount in held.items() if amount}))
        return found

    # ------------------------------------------------------------ writing

    def subscribe(self, at: int, wallet: Wallet, asset: str, amount: Decimal) -> int:
        """Put cash into flexible savings; the event's id."""
        self._earns = True
        return self.shift(at, asset, amount, (wallet, ""), (Wallet.EARN, FLEXIBLE), Reason.SUBSCRIBE)

    def redeem(self, at: int, wallet: Wallet, asset: str, amount: Decimal) -> int:
        """Take flexible savings back into cash; the event's id."""
        return self.shift(at, asset, amount, (Wallet.EARN, FLEXIBLE), (wallet, ""), Reason.REDEEM)

    def lock(self, at: int, wallet: Wallet, asset: str, amount: Decimal, *, days: int, apr: Decimal) -> int:
        """Subscribe for some days; rewards come daily as cash; the position's id."""
        number, self._earns = self._id(), True
        self._locked[number] = _Terms(asset, at, at + days * DAY_MS, apr, wallet)
        self.shift(at, asset, amount, (wallet, ""), (Wallet.EARN, f"locked:{number}"), Reason.SUBSCRIBE)
        return number

    def unlock(self, at: int, number: int) -> None:
        """Bring a locked subscription home, whole."""
        one = self._locked[number]
        slot, amount = f"locked:{number}", self._kept(at, f"locked:{number}", one.asset)
        self.shift(at, one.asset, amount, (Wallet.EARN, slot), (one.home, ""), Reason.REDEEM)

    def stake(self, at: int, wallet: Wallet, asset: str, amount: Decimal) -> int:
        """Open an on-chain earn order: what it earns stays in it; the order's id."""
        number, self._earns = self._id(), True
        self._staked[number] = _Terms(asset, at, 0, STAKING_APR, wallet)
        self.shift(at, asset, amount, (wallet, ""), (Wallet.EARN, f"staked:{number}"), Reason.STAKING)
        return number

    def unstake(self, at: int, number: int) -> None:
        """Close an on-chain earn order: amount and earnings come home."""
        one = self._staked[number]
        for kind in ("staked", "earned"):
            slot = f"{kind}:{number}"
            self.shift(
                at,
                one.asset,
                self._kept(at, slot, one.asset),
                (Wallet.EARN, slot),
                (one.home, ""),
                Reason.REDEEM,
            )

    def open_bot(self, at: int, wallet: Wallet, kind: str, asset: str, amount: Decimal) -> int:
        """Give cash to a bot ("grid") or a copied trader ("copy"); its id."""
        number = self._id()
        self._bots[number] = kind
        self.shift(at, asset, amount, (wallet, ""), (_BOT_WALLETS[kind], f"{kind}:{number}"), Reason.BOT)
        return number

    def bot_trade(self, at: int, number: int, given: tuple[str, Decimal], taken: tuple[str, Decimal]) -> None:
        """Let a bot exchange what it holds."""
        kind = self._bots[number]
        self.swap(at, _BOT_WALLETS[kind], given, taken, Reason.BOT, slot=f"{kind}:{number}")

    def close_bot(self, at: int, wallet: Wallet, number: int) -> None:
        """Take everything that a bot holds back into cash."""
        kind = self._bots[number]
        slot = (_BOT_WALLETS[kind], f"{kind}:{number}")
        for asset, amount in self.cash_at(slot[0], at, slot[1]).items():
            if amount:
                self.shift(at, asset, amount, slot, (wallet, ""), Reason.BOT)

    # ------------------------------------------------------------ inside

    def _kept(self, now: int, slot: str, asset: str) -> Decimal:
        return self.cash_at(Wallet.EARN, now, slot).get(asset, ZERO)

    def _reward(self, at: int) -> None:
        """One day's rewards; locked subscriptions whose time is up come home."""
        for asset, amount in self.flexible_at(at).items():
            self._earn(at, (Wallet.EARN, FLEXIBLE), asset, amount * FLEXIBLE_APR, FLEXIBLE)
        for held in self.locked_at(at):
            home = self._locked[held.position_id].home
            self._earn(at, (home, ""), held.asset, held.amount * held.apr, f"locked:{held.position_id}")
            if held.until <= at:
                self.unlock(at, held.position_id)
        for order in self.staked_at(at):
            slot = f"earned:{order.order_id}"
            self._earn(at, (Wallet.EARN, slot), order.asset, order.amount * STAKING_APR, slot)

    def _earn(self, at: int, pocket: tuple[Wallet, str], asset: str, a_year: Decimal, note: str) -> None:
        reward = eight(a_year / DAYS_A_YEAR)
        if reward:
            wallet, slot = pocket
            self._book(at, wallet, asset, reward, Reason.REWARD, reference=self._id(), slot=slot, note=note)
