"""Binance's addresses that tell what happened: trades, income, transfers, flows."""

from __future__ import annotations

from portfolio_lab.exchanges.client import Endpoint

HISTORY_ENDPOINTS: tuple[Endpoint, ...] = ()
"""Every address of Binance's past that is read."""
