"""The heartbeat: one small file that says when the schedule last ran, and how it went."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from portfolio_lab.security.private_files import write_private

FILE_NAME = "heartbeat.json"


def write_heartbeat(
    runs_path: Path, *, at: datetime, slot: datetime, outcome: str, seconds: float, next_slot: datetime
) -> None:
    """Replace the heartbeat: `outcome` is "ok" or "failed", instants are aware UTC."""
    beat = {
        "at": at.isoformat(),
        "slot": slot.isoformat(),
        "outcome": outcome,
        "seconds": round(seconds, 3),
        "next_slot": next_slot.isoformat(),
    }
    write_private(runs_path / FILE_NAME, json.dumps(beat, indent=1).encode() + b"\n")


def load_heartbeat(runs_path: Path) -> dict[str, str | float] | None:
    """Return the last heartbeat, or None when the schedule has never run here."""
    try:
        beat: dict[str, str | float] = json.loads((runs_path / FILE_NAME).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return beat
