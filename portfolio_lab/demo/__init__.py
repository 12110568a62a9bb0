"""The demo exchange: Binance and OKX on loopback, one consistent book behind every endpoint.

`users()` names the demo users with their accounts and keys; `DemoExchange` (in `server`)
listens. Prices, books and histories follow from a seed and a first day alone.
"""

from __future__ import annotations

from portfolio_lab.demo.people import DemoUser, users

__all__ = ["DemoUser", "users"]
