"""Numbers and texts out of what ccxt's unified calls return; ccxt is told to keep numbers as text."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges.payloads import amount, amount_or_none, positive


def text(row: Mapping[str, Any], key: str) -> str:
    """Return a text; raise AnswerShapeError for anything else, "" included."""
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise AnswerShapeError(f"The answer lacks the text {key}.", path=key)
    return value


def number(row: Mapping[str, Any], key: str) -> Decimal:
    """Return an amount; raise AnswerShapeError where none is stated."""
    return amount(text(row, key), key)


def number_or_none(row: Mapping[str, Any], key: str) -> Decimal | None:
    """Return an amount, None where none is stated."""
    value = row.get(key)
    if value is not None and not isinstance(value, str):
        raise AnswerShapeError(f"The answer states {key} by something that is no text.", path=key)
    return amount_or_none(value, key)


def contract_size(market: Mapping[str, Any]) -> Decimal:
    """Return the units of one contract; 1 in spot."""
    if market.get("spot"):
        return Decimal(1)
    size = market.get("contractSize")
    return positive(size if isinstance(size, str) else str(size), "contractSize")
