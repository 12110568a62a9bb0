"""Scopes: the same arithmetic for a wallet, an account, a user or a whole desk.

What is a cash flow depends on where one stands. A move from spot to futures is one for both
wallets and none for the account; a withdrawal that arrives at the user's other venue is one for both
accounts and none for the user. A member that joins brings its whole equity in, one that leaves
takes it out: neither earns anything by that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

COMPLETE = "complete"
"""The grade of snapshots that feed returns."""


@dataclass(frozen=True, slots=True)
class Member:
    """One part of a whole.

    `snapshots`: `slot`, `at`, `interval_seconds`, `grade`, `equity`, `currency`; by rising slot. `flows`:
    `at` and `value` across the member's own border (money, + in, - out). `left_at`: when it ceased
    to belong to the whole; None while it does.
    """

    snapshots: pd.DataFrame
    flows: pd.DataFrame
    left_at: pd.Timestamp | None = None


def together(members: Mapping[str, Member]) -> Member:
    """Return the whole that the members are parts of.

    Returns:
        Snapshots at every slot at which one of them was taken, complete where each member that belongs
        to it then has a complete one, `equity` their sum; else "partial" with NaN. Flows: those of all members, and
        the whole equity of one that joins ("joined", at its first complete snapshot, unless the whole
        begins with it) or leaves ("left", its last complete equity).
    """
    joined = {name: slot for name, member in members.items() if (slot := _first_complete(member)) is not None}
    if not joined:
        return Member(_NO_SNAPSHOTS, _NO_FLOWS)
    begins = min(joined.values())
    everything = {slot for name in joined for slot in members[name].snapshots["slot"] if slot >= begins}
    slots = pd.DatetimeIndex(sorted(everything)).as_unit("us")
    parts = [_at_slots(members[name], slots, since) for name, since in joined.items()]
    equity = np.sum([part["equity"] for part in parts], axis=0)
    at = np.max([part["at"] for part in parts], axis=0)
    interval = np.max([part["interval_seconds"] for part in parts], axis=0)
    whole = ~np.isnan(equity) & (interval > 0)
    snapshots = pd.DataFrame(
        {
            "slot": slots,
            "at": pd.DatetimeIndex(np.where(whole, at, slots.asi8).astype("M8[us]"), tz="UTC"),
            "interval_seconds": np.where(whole, interval, np.nan),
            "grade": np.where(whole, COMPLETE, "partial"),
            "equity": np.where(whole, equity, np.nan),
            "currency": members[min(joined)].snapshots["currency"].iloc[-1],
        }
    )
    return Member(snapshots, _flows(members, joined, begins, snapshots))


_NO_SNAPSHOTS = pd.DataFrame(columns=["slot", "at", "interval_seconds", "grade", "equity", "currency"])
_NO_FLOWS = pd.DataFrame(columns=["at", "value", "kind"])


def _complete(member: Member) -> pd.DataFrame:
    rows = member.snapshots
    return rows[(rows["grade"] == COMPLETE) & rows["equity"].notna()]


def _first_complete(member: Member) -> pd.Timestamp | None:
    complete = _complete(member)
    return complete["slot"].iloc[0] if len(complete) else None


def _at_slots(member: Member, slots: pd.DatetimeIndex, since: pd.Timestamp) -> dict[str, np.ndarray]:
    """Return what a member adds at each slot: nothing where it does not belong, NaN equity where it is not known."""
    belongs = np.asarray(slots >= since)
    if member.left_at is not None:
        belongs &= np.asarray(slots < member.left_at)
    complete = _complete(member).set_index("slot").reindex(slots)
    at = pd.DatetimeIndex(complete.get("at", slots)).as_unit("us").asi8
    return {
        "equity": np.where(belongs, complete["equity"].to_numpy(dtype="float64"), 0.0),
        "at": np.where(belongs, at, np.iinfo("int64").min),
        "interval_seconds": np.where(belongs, complete["interval_seconds"].to_numpy(dtype="float64"), 0.0),
    }


def _flows(
    members: Mapping[str, Member], joined: Mapping[str, pd.Timestamp], begins: pd.Timestamp, whole: pd.DataFrame
) -> pd.DataFrame:
    seen = whole.loc[whole["grade"] == COMPLETE].set_index("slot")["at"].cummax()
    parts = []
    for name, since in joined.items():
        member = members[name]
        complete = _complete(member)
        at = complete["at"] if "at" in complete else complete["slot"]
        own = member.flows[member.flows["at"] > at.iloc[0]]
        if since > begins:
            parts.append(_move(at.iloc[0], complete["equity"].iloc[0], "joined"))
        if member.left_at is not None:
            inside = complete[complete["slot"] < member.left_at]
            last = at.loc[inside.index[-1]]
            # What it was worth after its last snapshot nobody saw: it left then, and earned nothing since.
            left = _move(last + _TICK, -inside["equity"].iloc[-1], "left")
            own = pd.concat([own[own["at"] <= last], left], ignore_index=True)
        parts.append(own.assign(at=_when_shown(own["at"], complete["slot"], at, seen)))
    flows: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return flows.sort_values("at", kind="stable", ignore_index=True)


_TICK = pd.Timedelta(microseconds=1)


def _when_shown(flows: pd.Series, slots: pd.Series, read: pd.Series, whole: pd.Series) -> pd.Series:
    """Return when each flow can be seen in the whole, whose members answer one after the other.

    A flow that came after its own member's reading, but before the last member's, is not in that snapshot of the
    whole: it counts right behind it.
    """
    own, seen = _micros(read.cummax()), _micros(whole.index)
    # The last of the member's readings that is before the flow, and the whole's snapshot of that slot.
    missed = _micros(slots)[own.searchsorted(_micros(flows)) - 1]
    behind = _micros(whole)[seen.searchsorted(missed, side="right") - 1] + 1
    at = (
        np.where(missed >= seen[0], np.maximum(_micros(flows), behind), _micros(flows)) if len(seen) else _micros(flows)
    )
    return pd.Series(pd.DatetimeIndex(at.astype("M8[us]"), tz="UTC"), flows.index)


def _micros(instants: pd.Series | pd.Index) -> np.ndarray:
    return pd.DatetimeIndex(instants).as_unit("us").asi8


def _move(at: pd.Timestamp, value: float, kind: str) -> pd.DataFrame:
    return pd.DataFrame({"at": [at], "value": [float(value)], "kind": [kind]})
