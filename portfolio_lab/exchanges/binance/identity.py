"""Who a Binance account is, and what its key may do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from portfolio_lab.errors import AnswerShapeError, VenueError
from portfolio_lab.exchanges.binance import endpoints, portfolio_margin, shapes_rest
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.models.accounts import Identity

HARMLESS = frozenset({"enableReading", "enableFixReadOnly"})
"""Rights that read, and nothing else."""

RIGHTS = {
    "enableWithdrawals": "withdraw",
    "enableInternalTransfer": "transfer",
    "permitsUniversalTransfer": "transfer",
    "enableSpotAndMarginTrading": "trade",
    "enableMargin": "trade",
    "enableFutures": "trade",
    "enableVanillaOptions": "trade",
    "enableFixApiTrade": "trade",
    "enablePortfolioMarginTrading": "portfolio_margin_trading",
}
"""What Binance's rights are called here. The last keeps a name of its own: documented answers of
keys that else only read have it switched on, so a reader may want to judge it apart; it still is
a right to trade, and a key that has it is not read-only."""

LARGEST = 2**63
"""No number of an account reaches it."""

_RIGHT = re.compile(r"(?:enable|permits)[A-Za-z0-9]{1,60}", re.ASCII)


async def fetch_identity(client: VenueClient, known: portfolio_margin.KnownMode) -> Identity:
    """Return the account's uid and the rights of its key; raises the VenueError family.

    Binance does not tell the uid of a sub-account's master. The mode is "portfolio_margin", else "".
    """
    account, _ = await client.ask(endpoints.SPOT_ACCOUNT, shapes_rest.AccountNumber)
    rights, mark = await client.ask(endpoints.KEY_RIGHTS, dict[str, bool | int | str | None])
    if not 0 < account.uid < LARGEST:
        raise AnswerShapeError("The answer has no usable uid.", path="uid")
    return Identity(
        uid=str(account.uid),
        permissions=permissions(rights),
        is_ip_bound=_flag(rights, "ipRestrict"),
        mode=await _mode(client, known, mark.received_at),
    )


async def _mode(client: VenueClient, known: portfolio_margin.KnownMode, now: datetime) -> str:
    """The mode of the account, "" where it cannot be told now: an identity needs none."""
    try:
        mode = await known.told(client, now)
    except VenueError:
        return ""
    return "portfolio_margin" if mode.is_on else ""


def permissions(rights: Mapping[str, object]) -> tuple[str, ...]:
    """Return the names of all that the key may do besides reading; a right that we do not know keeps its own.

    Raises AnswerShapeError for an answer that does not say whether the key may read.
    """
    if not _flag(rights, "enableReading"):
        raise AnswerShapeError("The answer is of a key that may not read.", path="enableReading")
    granted = {name for name in rights if _RIGHT.fullmatch(name) and _flag(rights, name)} - HARMLESS
    strange = next(
        (name for name in rights if name.startswith(("enable", "permits")) and not _RIGHT.fullmatch(name)), ""
    )
    if strange:
        raise AnswerShapeError("The answer has a right of an unusual name.")
    return tuple(sorted({RIGHTS.get(name, name) for name in granted}))


def _flag(rights: Mapping[str, object], name: str) -> bool:
    flag = rights.get(name)
    if not isinstance(flag, bool):
        raise AnswerShapeError(f"The answer has no boolean at {name}.", path=name)
    return flag
