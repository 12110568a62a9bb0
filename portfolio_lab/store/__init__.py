"""Facts on disk: append, read, fold, verify. Knows schemas, knows no finance."""

from __future__ import annotations

from portfolio_lab.store.disk import Disk, DiskFiles
from portfolio_lab.store.files import Files
from portfolio_lab.store.records import Commit, Fold, StoredFile
from portfolio_lab.store.store import Store

__all__ = ["Commit", "Disk", "DiskFiles", "Files", "Fold", "Store", "StoredFile"]
