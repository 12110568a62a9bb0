"""The log of a lab: one structured line a failure, every line redacted as a whole."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path

from portfolio_lab.security.private_files import PRIVATE_FILE, make_private_folder
from portfolio_lab.security.redaction import RedactingFormatter, pin_foreign_loggers
from portfolio_lab.sync.report import CycleReport

FILE_NAME = "sync.log"
_LINE = "%(asctime)s %(levelname)s %(name)s %(message)s"
_LARGEST_FILE, _OLD_FILES = 5_000_000, 3

logger = logging.getLogger(__name__)


@contextmanager
def journal(runs_path: Path) -> Iterator[Path]:
    """Write our log into `runs_path/sync.log` (mode 0600) while the block runs."""
    path = make_private_folder(runs_path) / FILE_NAME
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, PRIVATE_FILE))
    pages = RotatingFileHandler(path, maxBytes=_LARGEST_FILE, backupCount=_OLD_FILES, encoding="utf-8")
    pages.setFormatter(RedactingFormatter(_LINE))
    ours = logging.getLogger("portfolio_lab")
    before = ours.level
    pin_foreign_loggers()
    ours.setLevel(logging.INFO if before == logging.NOTSET else before)
    ours.addHandler(pages)
    try:
        yield path
    finally:
        ours.removeHandler(pages)
        ours.setLevel(before)
        pages.close()


def write_failures(report: CycleReport) -> None:
    """Write one line for each wallet, order list and cash-flow list of the report that is not ok."""
    for line in (*report.wallets, *report.activity):
        if not line.is_ok:
            fields = {
                "slot": report.slot.isoformat(),
                "user": line.user,
                "account": line.account,
                "part": line.wallet,
                "grade": line.grade,
                "code": line.code,
                "reason": line.reason,
            }
            # JSON keeps a line break inside a venue's text from starting a line of its own.
            logger.warning("sync_failure %s", json.dumps(fields, ensure_ascii=True))
