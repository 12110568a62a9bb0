"""Runs cycles of a lab until all streams are backfilled or it is killed: `python cycling.py LAB URL BEGIN RUN`.

Each cycle is a minute after the last one; run RUN begins RUN hours after BEGIN.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from demo_lab_files import at_once
from fake_venues import Hand

from portfolio_lab.demo.people import credentials_of
from portfolio_lab.exchanges import Hub
from portfolio_lab.replay import Exchange
from portfolio_lab.settings import load_settings
from portfolio_lab.sync import Syncer, tiers

MOST_CYCLES = 300
tiers.MOST_STEPS = 12  # small commits: many moments at which a kill falls between two pages


async def main(lab: Path, url: str, begin: datetime, run: int) -> int:
    """Return 0 when every stream's history has been read, else 3."""
    exchange = Exchange(url, url, f"{url}/_demo")
    clock = Hand(begin + timedelta(hours=run))
    known = {account.key: credentials_of(account) for account in load_settings(lab).accounts}
    async with Syncer(lab, clock=clock, credentials=known, hubs=partial(Hub, clock=clock, sleep=at_once)) as syncer:
        known_streams = 0
        for _ in range(MOST_CYCLES):
            await asyncio.to_thread(exchange.set_clock, clock.now)
            await syncer.cycle(clock.now)
            print("cycle", flush=True)
            cursors = syncer._memory.cursors.values()
            if len(cursors) == known_streams and all(bool(row["is_backfilled"]) for row in cursors):
                return 0
            known_streams = len(cursors)
            clock.now += timedelta(minutes=1)
    return 3


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]), sys.argv[2], datetime.fromisoformat(sys.argv[3]), int(sys.argv[4]))))
