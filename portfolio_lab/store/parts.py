"""What an open store is made of, for those that look after it: verify, repair, backup, thinning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from portfolio_lab.models.tables import Table
from portfolio_lab.store.commit import Committer
from portfolio_lab.store.files import Files
from portfolio_lab.store.log import Log
from portfolio_lab.store.reading import Reader


@dataclass(frozen=True, slots=True)
class Parts:
    """The rooms of one open store; `clock` gives aware UTC instants."""

    files: Files
    log: Log
    reader: Reader
    committer: Committer
    tables: Mapping[str, Table]
    clock: Callable[[], datetime]
