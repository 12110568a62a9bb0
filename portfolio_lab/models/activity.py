"""What happened to an account between two instants.

Every row has an id that is the venue's own and unique within (account, stream), so that a
page read twice adds nothing. Quantities are signed from the account's side: + in, - out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from portfolio_lab.models.accounts import Wallet


@dataclass(frozen=True, slots=True)
class CashFlow:
    """Money that crossed the border of an account: + in, - out.

    `quantity` is signed units of the asset; a withdrawal's network fee is inside it (what
    left the account, all told), and is repeated in `fee` as a magnitude. `flow_id` is the
    venue's own and unique within (account, kind). `kind` is "deposit" or "withdrawal";
    `wallet` is where it arrived or left, None where the venue does not tell.
    """

    at: datetime
    flow_id: str
    kind: str
    asset: str
    quantity: Decimal
    fee: Decimal
    txid: str
    network: str = ""
    wallet: Wallet | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money moved between two wallets of one account, or to another account of its family.

    `quantity` is a magnitude. `source` or `target` is None where that side is outside this
    account (a sub-account or the master: `counterparty` names it as the venue does).
    """

    at: datetime
    transfer_id: str
    asset: str
    quantity: Decimal
    source: Wallet | None
    target: Wallet | None
    counterparty: str = ""


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade of ours.

    `quantity` is a magnitude in base units (contracts x size, inverse contracts / price), `side`
    "buy" or "sell", `position_side` "net", "long" or "short". `fee` is signed: - paid,
    + rebate, in `fee_asset`. `realised_pnl` is in `settle_asset`, None where the venue states none
    (spot).
    """

    at: datetime
    fill_id: str
    order_id: str
    wallet: Wallet
    instrument: str
    underlying: str
    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool
    position_side: str = "net"
    realised_pnl: Decimal | None = None
    settle_asset: str = ""


INCOME_KINDS = (
    "funding",
    "realised_pnl",
    "commission",
    "rebate",
    "interest",
    "insurance",
    "liquidation",
    "dividend",
    "earn_reward",
    "staking_reward",
    "dust",
    "convert",
    "fiat",
    "pay",
    "promotion",
    "loan",
    "settlement",
    "trade",
    "other",
)
"""What an income row can be. "promotion": gifts and trial funds, which no trading earned."""


@dataclass(frozen=True, slots=True)
class Income:
    """One line of a venue's ledger that is no fill, deposit, withdrawal or transfer between own wallets.

    `quantity` is signed units of the asset (+ received). `kind` is one of INCOME_KINDS;
    `venue_kind` keeps the venue's own word for it. A conversion (dust, convert) is two rows, one a leg,
    with one `reference`. `wallet` is None where the venue does not tell.
    """

    at: datetime
    income_id: str
    kind: str
    venue_kind: str
    wallet: Wallet | None
    asset: str
    quantity: Decimal
    instrument: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True)
class EquityEstimate:
    """What an account was worth on a day that nobody observed, as far as the venue can still tell.

    `value` is in `asset`. Never mixed with observed equity: `source` names where it comes from.
    """

    day: datetime
    wallet: Wallet | None
    asset: str
    quantity: Decimal
    source: str


ActivityRow = CashFlow | Transfer | Fill | Income | EquityEstimate


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of activity that a venue tells page by page, with its own cursor.

    `retention_days` is how far back the venue tells it (None: for ever).
    """

    name: str
    retention_days: int | None


@dataclass(frozen=True, slots=True)
class ActivityStep:
    """What one bounded step along a stream brought.

    `cursor` is an opaque JSON text that continues after these rows: stored in one commit with
    them, it makes a crash lose and double nothing. Everything in [`known_since`,
    `known_until`) has been read up to and with this step. `is_current` is True when nothing more waits at the new
    end, `is_backfilled` when the old end has reached what the venue keeps; `progress` is the
    share of the backfill that is done. `is_by_assets`: the venue tells this stream market by market, and
    the markets were found by the coins of the account alone, so that it is as complete as they were known.
    """

    stream: str
    rows: tuple[ActivityRow, ...]
    cursor: str
    known_since: datetime | None
    known_until: datetime | None
    is_current: bool
    is_backfilled: bool
    progress: float
    is_by_assets: bool = False


@dataclass(frozen=True, slots=True)
class VenueTotal:
    """What the venue itself says that one wallet, or the whole account, is worth.

    `scope` is a `Wallet` value or "total"; a name that we do not know is kept as the venue
    spells it, with `is_known` False. `quantity` is in units of `asset`. `is_open` is False for
    a wallet that was never opened, None where the venue does not tell.
    """

    scope: str
    asset: str
    quantity: Decimal
    is_open: bool | None = None
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class VenueTotals:
    """The venue's own totals of one account, read by a question of their own.

    `absent` are wallets that this account does not have, with the reason in a few words
    (never opened; inside portfolio margin): asking for them is no failure, and they hold nothing.
    `answers` mark the raw answers by endpoint.
    """

    totals: tuple[VenueTotal, ...]
    absent: dict[Wallet, str] = field(default_factory=dict)
    answers: tuple[tuple[str, str, datetime], ...] = ()
