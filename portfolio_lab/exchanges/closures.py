"""Remembers across processes until when a venue has closed its door to us.

A scheduled cycle is a process of its own: without this file each one would knock at a closed
door anew, and a ban would grow with every knock.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

Clock = Callable[[], datetime]

LONGEST = timedelta(days=4)
"""No venue bans for longer; a later end comes from a clock that was wrong."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Closure:
    """A door is closed until `until`; `is_ban` when the venue called it one."""

    until: datetime
    is_ban: bool


class Closures:
    """Closures by name, kept in one small JSON file; None keeps them nowhere."""

    def __init__(self, path: Path | None, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    def read(self, name: str) -> Closure | None:
        """Return the closure of a name that still holds, None without one or when the file cannot be read."""
        closure = self._all().get(name)
        if closure is None or not self._clock() < closure.until < self._clock() + LONGEST:
            return None
        return closure

    def write(self, name: str, closure: Closure) -> None:
        """Remember a closure. A disk that refuses costs the memory of it, never the cycle."""
        if self._path is None:
            return
        kept = {key: one for key, one in self._all().items() if one.until > self._clock()}
        rows = {
            key: {"until": one.until.isoformat(), "is_ban": one.is_ban} for key, one in {**kept, name: closure}.items()
        }
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self._path.parent, prefix=".governor-", delete=False) as draft:
                draft.write(json.dumps(rows))
            os.replace(draft.name, self._path)  # noqa: PTH105 - one atomic rename
        except OSError:
            _log.warning("the end of a closure could not be written; the next process will ask the venue again")

    def _all(self) -> dict[str, Closure]:
        if self._path is None or not self._path.is_file():
            return {}
        try:
            rows = json.loads(self._path.read_text())
            return {name: Closure(datetime.fromisoformat(row["until"]), row["is_ban"]) for name, row in rows.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}
