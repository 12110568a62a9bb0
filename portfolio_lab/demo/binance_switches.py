"""What a test may make the Binance face do that a book does not: a fuller or a stranger answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal, InvalidOperation
from typing import Any

MOST_PADDING = 5_000


@dataclass(slots=True)
class Switches:
    """`padded_assets` zero rows more in api/v3/account, as the real venue lists every coin it knows.

    `unknown_wallet` is a name that asset/wallet/balance tells besides the known ones ("" for
    none), worth `unknown_worth` of whatever the answer is quoted in. `frozen` are units by asset
    that the venue holds back in spot and funding wallets, as far as they are free there.
    """

    padded_assets: int = 0
    unknown_wallet: str = ""
    unknown_worth: str = "0"
    frozen: dict[str, str] = field(default_factory=dict)

    def override(self, changes: Mapping[str, Any]) -> None:
        """Set switches by name; ValueError for a name that is none or a value that does not fit."""
        known = {one.name for one in fields(self)}
        for name, value in changes.items():
            if name not in known or not _fits(name, value):
                msg = f"no switch {name} = {value!r}; there are {', '.join(sorted(known))}"
                raise ValueError(msg)
            setattr(self, name, value)

    def held_back(self, asset: str) -> Decimal:
        """Units of an asset that are frozen where they are free."""
        return Decimal(self.frozen.get(asset, "0"))

    def as_dict(self) -> dict[str, Any]:
        """Every switch by name."""
        return asdict(self)


def padding(rows: int) -> list[str]:
    """Names of coins that nobody holds. LDO is among them: a coin, no wrapper of "O"."""
    return ["LDO", *(f"ZZ{place:04d}" for place in range(1, rows))][:rows]


def _fits(name: str, value: object) -> bool:
    if name == "padded_assets":
        return type(value) is int and 0 <= value <= MOST_PADDING
    if name == "unknown_worth":
        return _is_number(value)
    if name == "frozen":
        return isinstance(value, dict) and all(_is_number(units) for units in value.values())
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    """Whether a value is text of a finite number from 0."""
    try:
        number = Decimal(value) if isinstance(value, str) else Decimal("nan")
    except InvalidOperation:
        return False
    return number.is_finite() and number >= 0
