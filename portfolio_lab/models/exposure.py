"""Exposure by underlying and in total."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UnderlyingExposure:
    """What one underlying does to the book: signed quantity, and its value at mark.

    `gross_instrument` adds the absolute values of spot and each contract before netting.
    """

    underlying: str
    quantity: float
    net: float
    gross_instrument: float


@dataclass(frozen=True, slots=True)
class Exposure:
    """A book's exposure in the reporting currency.

    net = sum of nets; long and short are the sums of positive and of negative nets, both as
    magnitudes; gross = long + short (after netting spot against futures). `gross_share` is
    gross / equity, None where equity is unknown or not positive. `opaque` is the value of bots
    and copy trading, whose exposure nobody states: it is in none of the other figures.
    """

    currency: str
    underlyings: tuple[UnderlyingExposure, ...]
    net: float
    gross: float
    gross_instrument: float
    long: float
    short: float
    gross_share: float | None
    opaque: float = 0.0
