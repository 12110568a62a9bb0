"""demo_lab(): a small lab of invented accounts, made once through the real sync and reused."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

from portfolio_lab.lab import Lab, open_lab

SINCE = datetime(2026, 8, 1, tzinfo=UTC)
DAYS = 40
STEP = timedelta(hours=12)
FINE = timedelta(days=1)
FINE_STEP = timedelta(hours=1)

_MAKERS = ("demo", "engines", "exchanges", "models", "store", "sync", "replay.py", "sample.py")
"""The parts of the package that a sample depends on: when one changes, it is made anew."""


def demo_lab() -> Lab:
    """Return a lab of three invented users over 40 days, the same on every machine.

    The first call makes it (some seconds) with the demo exchange on loopback, and keeps it
    under the user's cache folder (XDG_CACHE_HOME, else ~/.cache); it needs no key and no
    network. Nothing syncs it afterwards: its newest snapshot stays where it is.

    Raises:
        PortfolioLabError: the demo exchange did not start.
    """
    root = cache_folder() / f"sample-{version('portfolio-lab')}-{_fingerprint()}"
    root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(root.parent / "sample.lock"):
        if not (root / "lab.toml").exists():
            _make(root)
    return open_lab(root)


def cache_folder() -> Path:
    """Return the folder that samples are kept in."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "portfolio-lab"


def _fingerprint() -> str:
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for maker in _MAKERS:
        for path in sorted([package / maker, *(package / maker).rglob("*.py")]):
            if path.is_file():
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _make(root: Path) -> None:
    for old in root.parent.glob(f"{root.name.rpartition('-')[0]}-*"):
        if old.is_dir():
            shutil.rmtree(old)
    # Built beside its place and renamed, so that a sample is whole or not there.
    draft = root.with_name(f"{root.name}.draft")
    sys.stderr.write(f"making the sample lab in {root} (some seconds, only once)\n")
    with ThreadPoolExecutor(1) as thread:  # a notebook's own thread runs an event loop already
        thread.submit(_fill, draft).result()
    draft.rename(root)


def _fill(draft: Path) -> None:
    from portfolio_lab.replay import lay_demo_lab, replay, replay_slots, running_exchange  # noqa: PLC0415 - loads ccxt

    slots = replay_slots(after=SINCE, until=SINCE + timedelta(days=DAYS), step=STEP, fine=FINE, fine_step=FINE_STEP)
    with running_exchange(since=SINCE) as exchange:
        lay_demo_lab(draft, exchange)
        asyncio.run(replay(draft, exchange, slots))
