"""What a stored table is made of: its schema, its key, and the columns that many tables share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

AMOUNT = pa.decimal128(38, 18)
INSTANT = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class Table:
    """One stored table.

    `key` names the columns that make a row unique; in a table with `latest=True` the row that
    was committed last supersedes the older ones of the same key.
    """

    name: str
    version: int
    key: tuple[str, ...]
    schema: pa.Schema
    latest: bool = False


def column(name: str, kind: pa.DataType, doc: str, *, nullable: bool = False) -> pa.Field[Any]:
    """Return a column that carries its meaning."""
    return pa.field(name, kind, nullable=nullable, metadata={"doc": doc})


SLOT = column("slot", INSTANT, "the time that was due: the row's place on the time axis")
USER = column("user", pa.string(), "user name")
ACCOUNT = column("account", pa.string(), "venue:label of the account")
WALLET = column("wallet", pa.string(), "wallet inside the account")
CURRENCY = column("currency", pa.string(), "reporting currency of the money in this row")
KNOWN = column("known_at", INSTANT, "when this row was written: what was known, and when")


def unknown(name: str, doc: str, kind: pa.DataType | None = None) -> pa.Field[Any]:
    """Return a column, of floats unless told otherwise, that may be unknown."""
    return column(name, kind or pa.float64(), doc, nullable=True)
