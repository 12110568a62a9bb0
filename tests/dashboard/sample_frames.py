"""A stand-in for a Lab: invented, plausible frames with exactly the columns that a Lab gives."""

# ruff: noqa: E501, FURB157 - rows of a table, one a line

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd

from portfolio_lab.errors import BadInputError
from portfolio_lab.explanation import Node

NOW = datetime(2026, 11, 22, 14, 0, 40, tzinfo=UTC)
SLOT = pd.Timestamp("2026-11-22T14:00Z")
EVIL = '<img src=x onerror="window.PWNED=1">'

_WALLET_COLUMNS = [
    "account",
    "wallet",
    "grade",
    "code",
    "reason",
    "received_at",
    "equity",
    "wallet_balance",
    "unrealised_pnl",
]
_POSITION_COLUMNS = [
    "account", "wallet", "instrument", "underlying", "kind", "side", "quantity", "contracts", "contract_size",
    "entry_price", "mark_price", "unrealised_pnl_settle", "settle_asset", "leverage_setting", "liquidation_price",
    "exposure", "unrealised_pnl",
]  # fmt: skip
_ORDER_COLUMNS = [
    "account", "wallet", "order_id", "instrument", "underlying", "side", "order_type", "quantity", "filled", "price",
    "trigger_price", "reduce_only", "placed_at",
]  # fmt: skip


class SampleLab:
    """Two users: "alice" whose book is complete, "bob" whose newest snapshot is partial."""

    currency = "USD"

    def __init__(self, *, name: str = "BTC", days: int = 400) -> None:
        self.name = name
        self.calls: list[str] = []
        chance = np.random.default_rng(7)
        index = pd.date_range(end=SLOT, periods=days * 24, freq="h", name="slot")
        steps = chance.normal(0.00006, 0.0042, len(index))
        self.equity_values = pd.Series(240_000 * np.exp(np.cumsum(steps)), index=index)
        self.prices = pd.Series(
            70_000 * np.exp(np.cumsum(chance.normal(0.0004, 0.024, days))),
            index=pd.date_range(end="2026-11-22", periods=days, freq="D", tz="UTC"),
        )

    def users(self) -> pd.DataFrame:
        rows = [
            {"accounts": 3, "grade": "complete", "reason": "", "slot": SLOT, "complete_slot": SLOT, "equity": 353_942.0},
            {
                "accounts": 1, "grade": "partial", "reason": f"{self.name}: okx:main trading did not answer",
                "slot": SLOT, "complete_slot": SLOT - timedelta(hours=2), "equity": 12_000.0,
            },
        ]  # fmt: skip
        return pd.DataFrame(rows, index=pd.Index(["alice", "bob"], name="user"))

    def wallets(self, user: str) -> pd.DataFrame:
        read = SLOT + timedelta(seconds=3)
        rows = [
            ["binance:main", "spot", "ok", "", "", read, 120_000.0, np.nan, np.nan],
            ["binance:main", "usd_m", "ok", "", "", read, 83_000.0, 81_000.0, 2_000.0],
            [
                "okx:main",
                "trading",
                "failed",
                "unreachable",
                f"{self.name} did not answer",
                pd.NaT,
                np.nan,
                np.nan,
                np.nan,
            ],
        ]
        return pd.DataFrame(
            rows
            if user == "bob"
            else [*rows[:2], ["okx:main", "trading", "ok", "", "", read, 150_942.0, 149_000.0, 1_942.0]],
            columns=_WALLET_COLUMNS,
        )

    def headline(self, user: str) -> pd.Series:
        return pd.Series({
            "equity": 353_942.0, "at": SLOT, "grade": "complete", "pnl_24h": -1_729.0, "pnl_30d": 2_245.0,
            "return_24h": -0.0049, "return_30d": 0.0064, "unrealised_pnl": 76_387.0, "drawdown": -0.338,
            "max_drawdown": -0.6103, "gross_exposure": 396_719.0, "net_exposure": 268_995.0, "gross_share": 1.12,
            "net_share": 0.76, "sharpe": 0.77, "days": 400,
        }, dtype=object)  # fmt: skip

    def positions(self, user: str) -> pd.DataFrame:
        rows = [
            ["okx:main", "trading", "BTC-USDT-SWAP", self.name, "linear", "net", Decimal("-0.55"), Decimal(55), Decimal("0.01"),
             Decimal("95880"), Decimal("93412.5"), Decimal("1357.1"), "USDT", Decimal(5), Decimal("120000"), -51_377.0, 1_357.0],
            ["binance:main", "usd_m", "SOLUSDT", "SOL", "linear", "net", Decimal(310), Decimal(310), Decimal(1),
             Decimal("148.2"), Decimal("171.95"), Decimal("7362.5"), "USDT", Decimal(3), None, 53_304.0, 7_362.0],
            ["binance:main", "coin_m", "ETHUSD_PERP", "ETH", "inverse", "net", Decimal("18.62"), Decimal(600), Decimal(10),
             Decimal("2890.1"), Decimal("3244.7"), Decimal("2.03"), "ETH", Decimal(3), Decimal("1800"), np.nan, np.nan],
            ["binance:main", "usd_m", "DOGEUSDT", "DOGE", "linear", "net", Decimal(120000), Decimal(120000), Decimal(1),
             Decimal("0.1423"), Decimal("0.13871"), Decimal("-430.8"), "USDT", Decimal(3), Decimal("0.0912"), 16_645.0, -430.8],
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=_POSITION_COLUMNS)

    def open_orders(self, user: str) -> pd.DataFrame:
        rows = [
            [
                "binance:main",
                "usd_m",
                "11",
                "SOLUSDT",
                "SOL",
                "buy",
                "limit",
                Decimal(60),
                Decimal(15),
                Decimal("168.2"),
                None,
                False,
                SLOT,
            ],
            [
                "okx:main",
                "trading",
                "12",
                f"{self.name}-USDT-SWAP",
                self.name,
                "sell",
                "stop",
                Decimal("0.2"),
                Decimal(0),
                None,
                Decimal("90500"),
                True,
                SLOT - timedelta(hours=2),
            ],
        ]
        return pd.DataFrame(rows, columns=_ORDER_COLUMNS)

    def exposure(self, user: str) -> pd.DataFrame:
        net = pd.Series(
            {
                self.name: 128_348.0,
                "ETH": 47_437.0,
                "SOL": 53_304.0,
                "LINK": 23_504.0,
                "DOGE": -16_645.0,
                "AVAX": 15_413.0,
            }
        )
        frame = pd.DataFrame(
            {"quantity": net / 100, "net": net, "gross_instrument": net.abs() * 1.2, "share": net / 353_942}
        )
        frame.index.name = "underlying"
        frame.attrs["total"] = {
            "net": 251_361.0, "gross": 284_651.0, "gross_instrument": 341_581.0, "long": 268_006.0, "short": 16_645.0,
            "gross_share": 0.8042, "net_share": 0.7102,
        }  # fmt: skip
        return frame

    def allocation(self, user: str, by: str = "asset") -> pd.DataFrame:
        self.calls.append(f"allocation by {by}")
        if by == "asset":
            value = pd.Series(
                {
                    self.name: 179_725.0,
                    "ETH": 60_416.0,
                    "SOL": 53_304.0,
                    "USDC": 41_250.0,
                    "LINK": 23_504.0,
                    "AVAX": 15_413.0,
                    "USDT": -19_670.0,
                }
            )
        else:
            value = pd.Series({"spot": 220_000.0, "usd_m": 83_000.0, "trading": 50_942.0})
        frame = pd.DataFrame({"value": value, "weight": value / value.sum()})
        frame.index.name = "name"
        return frame

    def equity_curve(self, user: str, since: datetime | None = None, points: int = 1500) -> pd.DataFrame:
        self.calls.append(f"equity_curve since {since}")
        values = self.equity_values
        frame = pd.DataFrame({"equity": values, "drawdown": values / values.cummax() - 1})
        frame = frame if since is None else frame[frame.index >= since]
        return frame.iloc[:: max(len(frame) // points, 1)]

    def benchmark(self, asset: str = "BTC", since: datetime | None = None) -> pd.Series:
        return self.prices if since is None else self.prices[self.prices.index >= since]

    def performance(self, user: str, since: datetime | None = None) -> pd.Series:
        return pd.Series({
            "days": 400, "total_return": 0.97, "cagr": 0.86, "volatility": 0.61, "sharpe": 0.77, "sortino": 1.31,
            "max_drawdown": -0.6103, "calmar": 1.41, "win_rate": 0.53, "profit_factor": 1.12, "best_day": 0.11, "worst_day": -0.09,
        })  # fmt: skip

    def trade_statistics(self, user: str, by: str | None = None) -> pd.DataFrame:
        figures = {
            "trades": 42.0, "win_rate": 0.571, "win_rate_low": 0.42, "win_rate_high": 0.71, "profit_factor": 1.62,
            "expectancy": 84.2, "payoff": 1.21, "sqn": 1.9, "net_pnl": 3_536.0, "best": 1_220.0, "worst": -640.0,
        }  # fmt: skip
        unknown = dict.fromkeys(["win_rate", "win_rate_low", "win_rate_high", "profit_factor", "expectancy"], np.nan)
        few = figures | {"trades": 6.0, "net_pnl": -210.0} | unknown
        names = ["trips", "closings"] if by is None else [self.name, "DOGE"]
        return pd.DataFrame([few if place == (by is not None) else figures for place in (0, 1)], index=names)

    def explain(self, user: str, figure: str = "equity") -> Node:
        self.calls.append(f"explain {figure}")
        price = Node(f"{self.name}/USD", 100.0, "USD", source=f"{self.name} spot last, market, 0 s old")
        coins = Node(self.name, 200.0, "USD", "quantity x price", (Node("quantity", 2.0, self.name), price))
        return Node(f"{figure} of {user}", 200.0, "USD", "sum of assets", (coins,), f"snapshot of {self.name}")

    def monthly_returns(self, user: str) -> pd.DataFrame:
        chance = np.random.default_rng(3)
        frame = pd.DataFrame(
            chance.normal(0.02, 0.12, (3, 12)),
            index=pd.Index([2024, 2025, 2026], name="year"),
            columns=list(range(1, 13)),
        )
        frame.loc[2026, 12] = np.nan
        frame["year"] = (1 + frame.fillna(0)).prod(axis=1) - 1
        return frame


class EmptyLab(SampleLab):
    """A lab with one user who was never synced."""

    def users(self) -> pd.DataFrame:
        row = {"accounts": 1, "grade": None, "reason": None, "slot": pd.NaT, "complete_slot": pd.NaT, "equity": np.nan}
        return pd.DataFrame([row], index=pd.Index(["alice"], name="user"))

    def wallets(self, user: str) -> pd.DataFrame:
        return super().wallets(user).iloc[:0]

    def headline(self, user: str) -> pd.Series:
        return pd.Series(dict.fromkeys(super().headline(user).index, np.nan), dtype=object)

    def positions(self, user: str) -> pd.DataFrame:
        return super().positions(user).iloc[:0]

    def open_orders(self, user: str) -> pd.DataFrame:
        return super().open_orders(user).iloc[:0]

    def exposure(self, user: str) -> pd.DataFrame:
        return super().exposure(user).iloc[:0]

    def allocation(self, user: str, by: str = "asset") -> pd.DataFrame:
        return super().allocation(user, by).iloc[:0]

    def equity_curve(self, user: str, since: datetime | None = None, points: int = 1500) -> pd.DataFrame:
        return super().equity_curve(user, None, points).iloc[:0]

    def benchmark(self, asset: str = "BTC", since: datetime | None = None) -> pd.Series:
        return super().benchmark(asset).iloc[:0]

    def performance(self, user: str, since: datetime | None = None) -> pd.Series:
        return pd.Series(dtype=float)

    def trade_statistics(self, user: str, by: str | None = None) -> pd.DataFrame:
        frame = super().trade_statistics(user, by)
        return frame.iloc[:0] if by else frame.assign(trades=0.0)

    def explain(self, user: str, figure: str = "equity") -> Node:
        raise BadInputError(f"{user} has no complete snapshot")

    def monthly_returns(self, user: str) -> pd.DataFrame:
        return super().monthly_returns(user).iloc[:0]
