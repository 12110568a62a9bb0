"""What one cycle tells its caller: plain values, ready for JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime

from portfolio_lab.errors import PostponedError, VenueError
from portfolio_lab.security.redaction import redact


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something was not read: the error's stable code, and one sentence without any secret."""

    code: str
    reason: str

    @classmethod
    def from_error(cls, error: VenueError) -> Failure:
        """Return the failure that a venue's error amounts to."""
        # Venues' errors arrive redacted; this text is stored and sent, so it is looked at once more.
        return cls(error.code, redact(str(error)))

    @property
    def is_postponed(self) -> bool:
        """True where the budget had no room, which is no failure: it is asked for again in the next cycle."""
        return self.code == PostponedError.code


@dataclass(frozen=True, slots=True)
class UserLine:
    """One user in one cycle. `equity` is None unless the grade is complete."""

    user: str
    grade: str
    reason: str
    equity: float | None


@dataclass(frozen=True, slots=True)
class WalletLine:
    """One wallet of one account in one cycle; `code` and `reason` are empty when it is ok.

    The same shape tells how open orders and cash flows fared: `wallet` is then
    "open_orders" or "cash_flows".
    """

    user: str
    account: str
    wallet: str
    grade: str
    code: str
    reason: str

    @property
    def is_ok(self) -> bool:
        """True when this part was read, fresh and priced, or is known not to exist."""
        return self.grade in {"ok", "absent"}


@dataclass(frozen=True, slots=True)
class CycleReport:
    """One cycle of all users.

    `is_new` is False when the slot was stored already: nothing was asked of any venue then,
    and the grades are the stored ones. `activity` tells of open orders and cash flows, which do
    not touch the grade; it is empty for a stored slot. `alerts` are the messages of this cycle.
    `backfill` is the share of the venues' history that has been read, 1 when all of it has, None
    where no venue was asked for any.
    """

    slot: datetime
    sync_id: str
    is_new: bool
    users: tuple[UserLine, ...]
    wallets: tuple[WalletLine, ...]
    activity: tuple[WalletLine, ...] = ()
    seconds: float = 0.0
    alerts: tuple[str, ...] = ()
    backfill: float | None = None

    @property
    def is_complete(self) -> bool:
        """True when every user's snapshot is complete."""
        return all(line.grade == "complete" for line in self.users)

    def as_dict(self) -> dict[str, object]:
        """Return the report as JSON-able values; instants are ISO 8601."""
        return {**asdict(self), "slot": self.slot.isoformat()}

    def summary(self) -> str:
        """Return the cycle in one readable line."""
        if not self.is_new:
            return f"{self.slot:%Y-%m-%d %H:%M:%S} stored already, nothing asked"
        complete = sum(line.grade == "complete" for line in self.users)
        failed = self._troubles()
        troubles = f"; {', '.join(failed)}" if failed else ""
        if self.backfill is not None and self.backfill < 1:
            troubles += f"; history {self.backfill:.0%} read"
        counted = f"{complete} of {len(self.users)} users complete in {self.seconds:.1f} s"
        return f"{self.slot:%Y-%m-%d %H:%M:%S} {counted}{troubles}"

    def _troubles(self) -> list[str]:
        """Return what failed, an account that failed in one way as a whole told once."""
        told: dict[tuple[str, str, str], list[str]] = {}
        for line in self.wallets:
            if not line.is_ok:
                told.setdefault((line.user, line.account, line.code), []).append(line.wallet)
        sizes = Counter((line.user, line.account) for line in self.wallets if line.grade != "absent")
        return [
            f"{user} {account}: {code}"
            if len(wallets) == sizes[user, account] > 1
            else f"{user} {account} {'+'.join(wallets)}: {code}"
            for (user, account, code), wallets in told.items()
        ]
