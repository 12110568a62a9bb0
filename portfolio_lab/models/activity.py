"""What happened to an account between two instants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class CashFlow:
    """Money that crossed the border of an account: + in, - out.

    `quantity` is signed units of the asset; a withdrawal's network fee is inside it (what
    left the account, all told), and is repeated in `fee` as a magnitude. `flow_id` is the
    venue's own and unique within (account, kind).
    """

    at: datetime
    flow_id: str
    kind: str
    asset: str
    quantity: Decimal
    fee: Decimal
    txid: str
