"""Binance's request weights: one budget per host family, or per endpoint on sapi, and minute.

A request is counted before it is looked at, so refused requests cost as much as answered
ones. Going on after 429 bans the address, each time for longer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from portfolio_lab.demo import binance_errors as refuse

MINUTE_MS = 60_000
DAY_SECONDS = 86_400


class Family(StrEnum):
    """A host of Binance's, with a request budget of its own."""

    API = "api"
    SAPI = "sapi"
    FAPI = "fapi"
    DAPI = "dapi"
    EAPI = "eapi"
    PAPI = "papi"


class Payer(StrEnum):
    """Whose budget a request uses: the caller's address, or the account behind the key."""

    IP = "ip"
    UID = "uid"


_OWN_LIMITS = frozenset({"sapi_ip", "sapi_uid", "strikes", "first_ban_seconds", "longest_ban_seconds"})


@dataclass(slots=True)
class WeightLimits:
    """Weight per minute of every budget, and how long patience lasts."""

    by_family: dict[Family, int] = field(
        default_factory=lambda: {
            Family.API: 6_000,
            Family.FAPI: 2_400,
            Family.DAPI: 2_400,
            Family.EAPI: 400,
            Family.PAPI: 6_000,
        }
    )
    sapi_ip: int = 12_000
    sapi_uid: int = 180_000
    strikes: int = 5
    first_ban_seconds: int = 120
    longest_ban_seconds: int = 3 * DAY_SECONDS

    def override(self, changes: Mapping[str, int]) -> None:
        """Set limits by name: a family, or one of this class's own fields; ValueError for any other."""
        if not all(type(value) is int and value >= 0 for value in changes.values()):
            msg = "a limit is a whole number from 0"
            raise ValueError(msg)
        families = {Family(name): value for name, value in changes.items() if name not in _OWN_LIMITS}
        self.by_family |= families
        for name in _OWN_LIMITS & changes.keys():
            setattr(self, name, changes[name])

    def as_dict(self) -> dict[str, int]:
        """Every limit by the name that `override` takes."""
        own = {name: getattr(self, name) for name in sorted(_OWN_LIMITS)}
        return {family.value: limit for family, limit in self.by_family.items()} | own


@dataclass(frozen=True, slots=True)
class Charge:
    """What one request costs: `weight` from the budget of `family` (sapi: of `endpoint`)."""

    family: Family
    endpoint: str
    weight: int
    payer: Payer = Payer.IP


@dataclass(slots=True)
class _Standing:
    """How an address has behaved towards one host family."""

    strikes: int = 0
    bans: int = 0
    banned_until_ms: int = 0
    strike_minute: int = -1


class WeightLedger:
    """Counts weights by wire-clock minute. One for all accounts of one exchange."""

    def __init__(self, limits: WeightLimits | None = None) -> None:
        self.limits = limits or WeightLimits()
        self._used: dict[tuple[str, str], int] = {}
        self._minute = -1
        self._standings: dict[tuple[str, Family], _Standing] = {}

    def reset(self) -> None:
        """Forget all use, strikes and bans."""
        self._used.clear()
        self._standings.clear()

    def charge(self, charge: Charge, *, ip: str, uid: str, now_ms: int) -> dict[str, str]:
        """Count one request and return the headers that tell the use; raise 429 or 418 when over."""
        self._turn_to(now_ms // MINUTE_MS)
        standing = self._standings.setdefault((ip, charge.family), _Standing())
        self._check_ban(standing, now_ms)
        budget, limit, header = self._budget(charge, ip=ip, uid=uid)
        used = self._used[budget] = self._used.get(budget, 0) + charge.weight
        if used > limit:
            self._strike(standing, limit, now_ms)
        return {header: str(used)}

    def used(self, charge: Charge, *, ip: str, uid: str) -> dict[str, str]:
        """The header that tells how much of a charge's budget is used, without using any."""
        budget, _, header = self._budget(charge, ip=ip, uid=uid)
        return {header: str(self._used.get(budget, 0))}

    def _turn_to(self, minute: int) -> None:
        if minute != self._minute:
            self._minute = minute
            self._used.clear()

    def _budget(self, charge: Charge, *, ip: str, uid: str) -> tuple[tuple[str, str], int, str]:
        """The budget's key, its limit and the header that reports it."""
        if charge.family is not Family.SAPI:
            limit = self.limits.by_family[charge.family]
            return (ip, charge.family.value), limit, "X-MBX-USED-WEIGHT-1M"
        if charge.payer is Payer.UID:
            return (uid, charge.endpoint), self.limits.sapi_uid, "X-SAPI-USED-UID-WEIGHT-1M"
        return (ip, charge.endpoint), self.limits.sapi_ip, "X-SAPI-USED-IP-WEIGHT-1M"

    @staticmethod
    def _check_ban(standing: _Standing, now_ms: int) -> None:
        left_ms = standing.banned_until_ms - now_ms
        if left_ms > 0:
            raise refuse.banned(standing.banned_until_ms, retry_after=-(-left_ms // 1000))

    def _strike(self, standing: _Standing, limit: int, now_ms: int) -> None:
        minute = now_ms // MINUTE_MS
        if standing.strike_minute != minute:
            standing.strike_minute, standing.strikes = minute, 0
        standing.strikes += 1
        if standing.strikes > self.limits.strikes:
            self._ban(standing, now_ms)
        left_ms = MINUTE_MS - now_ms % MINUTE_MS
        raise refuse.too_much_weight(limit, retry_after=-(-left_ms // 1000))

    def _ban(self, standing: _Standing, now_ms: int) -> None:
        seconds = min(self.limits.first_ban_seconds * 2**standing.bans, self.limits.longest_ban_seconds)
        standing.bans += 1
        standing.strikes = 0
        standing.banned_until_ms = now_ms + seconds * 1000
        raise refuse.banned(standing.banned_until_ms, retry_after=seconds)
