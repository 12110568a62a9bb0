"""The ledger of one venue's address: what all processes of this user and machine have spent there.

One small file, read and written under a lock for each request: some tens of microseconds. A
process that is killed holds no lock, and what it had under way expires. A file that cannot be
read is begun anew with its present windows taken for used up. A disk that refuses costs the
sharing, never the cycle.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from portfolio_lab.exchanges.tally import Budget, Tally

MAGIC = b"plgov1\n"
LOCK_PATIENCE = 0.5
"""Seconds that a lock is waited for; a process that was stopped while it held it must not stop the others."""

_PAUSE = 0.0005
_LOOKS = 3
_LARGEST = 1024 * 1024

_log = logging.getLogger(__name__)


class Closure(msgspec.Struct):
    """The venue is closed until `until` (seconds since 1970); `is_ban` when the venue called it one.

    After a ban one request goes ahead of all others: `probe` is its flight, until `probe_until`.
    """

    until: float
    is_ban: bool
    probe: int = 0
    probe_until: float = 0.0


class State(msgspec.Struct):
    """All that is shared. `distrusted`: when an unreadable file was begun anew, -1 for never."""

    tallies: dict[str, Tally] = msgspec.field(default_factory=dict)
    closure: Closure | None = None
    distrusted: float = -1.0

    def tally(self, budget: Budget, now: float) -> Tally:
        """Return the count of a budget."""
        found = self.tallies.get(budget.name)
        if found is None:
            found = self.tallies[budget.name] = Tally()
            if 0 <= now - self.distrusted < budget.seconds:
                found.distrust(budget, self.distrusted)
        return found


def state_folder() -> Path:
    """Return the folder of this user's ledgers: one for all labs and processes of the machine."""
    base = os.environ.get("XDG_STATE_HOME", "")
    root = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return root / "portfolio_lab" / "governor"


def file_name(name: str) -> str:
    """Return a safe file name for a venue's address."""
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:48]
    return f"{words}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.bin"


class Ledger:
    """`path` names the file; None keeps the state in this process."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._state = State()
        self._file: int | None = None
        self._is_alone = path is None

    @contextmanager
    def opened(self, now: float) -> Iterator[State]:
        """Give the state to the block, alone, and keep what the block made of it."""
        if self._is_alone or not self._locked():
            yield self._state
            return
        try:
            self._read(now)
            yield self._state
            self._write()
        finally:
            self._unlock()

    def seen(self) -> State | None:
        """Return the state as it is now, None where none can be read; takes no lock and writes nothing."""
        if self._path is None:
            return self._state
        for _ in range(_LOOKS):
            # A writer may be at it: half of one state and half of another do not decode.
            with suppress(OSError, ValueError, msgspec.MsgspecError):
                return _decoded(self._path.read_bytes())
            time.sleep(_PAUSE)
        return None

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _locked(self) -> bool:
        """Take the lock; False when the disk or another process does not let us, and we count alone."""
        deadline = time.monotonic() + LOCK_PATIENCE
        while True:
            try:
                fcntl.flock(self._open(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    _log.warning("another process holds the request budget's lock; this one counts alone meanwhile")
                    return False
                time.sleep(_PAUSE)
            except OSError as trouble:
                _log.warning("the request budget cannot be shared (%s): this process counts alone", trouble.strerror)
                self._is_alone = True
                return False
            else:
                if self._is_current():
                    return True
                self.close()

    def _open(self) -> int:
        if self._file is None:
            assert self._path is not None  # noqa: S101 - only a ledger with a path is locked
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._file = os.open(self._path, flags, 0o600)
        return self._file

    def _is_current(self) -> bool:
        """False when somebody has removed the file that we hold open."""
        return self._file is not None and os.fstat(self._file).st_nlink > 0

    def _read(self, now: float) -> None:
        content = os.pread(self._open(), _LARGEST, 0)
        if not content:
            self._state = State()
            return
        try:
            self._state = _decoded(content)
        except (ValueError, msgspec.MsgspecError):
            _log.warning("the request budget's file was damaged: begun anew, with the present window taken for used up")
            self._state = State(distrusted=now)

    def _write(self) -> None:
        body = _ENCODER.encode(self._state)
        content = MAGIC + zlib.crc32(body).to_bytes(4, "big") + len(body).to_bytes(4, "big") + body
        try:
            os.pwrite(self._open(), content, 0)  # an older tail is not read: the length is in the head
        except OSError as trouble:
            _log.warning("the request budget cannot be written (%s): this process counts alone", trouble.strerror)
            self._is_alone = True

    def _unlock(self) -> None:
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(State)


def _decoded(content: bytes) -> State:
    start = len(MAGIC) + 8
    check, length = content[len(MAGIC) : start - 4], int.from_bytes(content[start - 4 : start], "big")
    body = content[start : start + length]
    if not content.startswith(MAGIC) or zlib.crc32(body).to_bytes(4, "big") != check:
        msg = "not a ledger"
        raise ValueError(msg)
    return _DECODER.decode(body)
