"""The venues, read only: unmodified ccxt signs and sends, strict shapes judge what comes back."""

from __future__ import annotations

from portfolio_lab.exchanges.hub import AccountReader, Hub, Market

__all__ = ["AccountReader", "Hub", "Market"]
