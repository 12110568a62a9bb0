"""Schemas that grow: files of several versions beside each other, and labs of several versions on one store.

Columns are only ever added. A file of before reads as null there, and a lab that is older than a
file says so instead of reading or writing beside it. For those who read the public folders
without us, and take one file's schema for all, an empty file with every column sorts first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from itertools import islice

import pyarrow as pa

from portfolio_lab.errors import StoreError
from portfolio_lab.models.tables import Table
from portfolio_lab.store.files import Files
from portfolio_lab.store.log import Log
from portfolio_lab.store.parquet import COMMITTED_AT, encoded

_FIRST_DAY = "date=1970-01-01"
_LAST_VERSION = 9_999
_RECENT_DAYS = 2


def is_schema_file(path: str) -> bool:
    """Return whether a path is that of an empty file which only tells the columns of a sealed folder."""
    return path.startswith("sealed/") and f"/{_FIRST_DAY}/" in path


def is_derived(path: str) -> bool:
    """Return whether a path is that of a file which no record names by design: it can be made anew from the facts."""
    return path.startswith(("hourly/", "months/")) or is_schema_file(path)


def schema_path(table: Table) -> str:
    """Return where the columns of a sealed folder are told: the newest version sorts before all other files."""
    return f"sealed/{table.name}/{_FIRST_DAY}/schema-{_LAST_VERSION - table.version:04d}.parquet"


def tell_schemas(files: Files, tables: Iterable[Table]) -> None:
    """Lay the empty file with every column into the sealed folders of these tables, where it is missing."""
    for table in tables:
        path = schema_path(table)
        if not files.exists(path):
            fields = [column.with_nullable(nullable=True) for column in (*table.schema, COMMITTED_AT)]
            files.put_if_absent(path, encoded(table, pa.schema(fields).empty_table()))


def refuse_newer(files: Files, log: Log, tables: Mapping[str, Table]) -> None:
    """Raise StoreError when the last days hold files of a newer schema: whoever wrote them shares this store.

    What cannot be read does not stop a commit: readers will tell.
    """
    found: set[tuple[str, int]] = set()
    with contextlib.suppress(OSError, StoreError):
        for day in islice(reversed(files.names("log")), _RECENT_DAYS):
            found |= {(one.table, one.schema_version) for one in log.day(day).live}
    for name, version in sorted(found):
        if name in tables and version > tables[name].version:
            raise StoreError(
                f"{name} has schema version {version} in this store; this portfolio-lab knows {tables[name].version}. "
                "Upgrade it, then run the cycle again: nothing was stored."
            )
