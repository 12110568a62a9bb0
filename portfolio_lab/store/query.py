"""SQL over committed rows, by DuckDB in memory: a view a table over the files that count, nothing else in reach."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads

from portfolio_lab.errors import BadInputError, StoreError
from portfolio_lab.models.tables import Table
from portfolio_lab.store.records import MEND

_CATALOGUE = re.compile(
    r"\b(show|describe|summarize|query|query_table|information_schema|duckdb_\w+|pg_\w+|pragma\w*)\b"
)
"""Words by which a query can meet a table without spelling its name."""

_LOCKS = (
    "SET enable_external_access = false",
    "SET python_enable_replacements = false",
    "SET lock_configuration = true",
)


_PARTS = "parts"
"""The schema of what the views are made of, out of the way of `show tables`."""

_BROKEN = "Arrow source failed"
"""What DuckDB says when Arrow cannot make sense of a file."""

_MOST_TRIES = 3


@dataclass(frozen=True, slots=True)
class Parts:
    """Files of one table: `paths` that DuckDB opens by itself, and those in a bucket as one dataset of Arrow's."""

    paths: tuple[str, ...] = ()
    remote: pads.Dataset | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where the rows of one table lie, for one query.

    `single` are files of which every row counts, `mixed` those of which the newest row of a key
    counts, and `rows` what lies in small files, read already; all with `committed_at`. Rows
    that were not known by `known` are left out. What went wrong while a bucket was read, which
    DuckDB passes on as text only, is added to `faults`.
    """

    table: Table
    rows: pa.Table
    single: Parts = Parts()
    mixed: Parts = Parts()
    known: datetime | None = None
    faults: list[OSError] = field(default_factory=list)


def answer(
    query: str,
    parameters: Sequence[object] | Mapping[str, object] | None,
    names: Sequence[str],
    source: Callable[[str], Source],
) -> pd.DataFrame:
    """Return the rows of one SELECT; BadInputError when the query is wrong or does more than read.

    `source` tells where the committed rows of a table lie and is asked only for tables the query
    may touch. Of their large files only the columns and row groups that the query needs are read.
    Decimals come back as float64, instants as UTC timestamps. StoreError when a file is lost or
    a bucket fails in the middle.
    """
    for attempt in range(1, _MOST_TRIES + 1):
        try:
            return _answer(query, parameters, names, source)
        except (duckdb.IOException, FileNotFoundError) as error:
            # A fold may have taken a file away meanwhile: the log then names the one in its place.
            if attempt == _MOST_TRIES:
                _raise_lost(query, error)
        except OSError as error:
            raise StoreError(f"the query failed, cannot read the store: {error.strerror or error}") from error
    raise AssertionError  # pragma: no cover - the loop returns or raises


def _raise_lost(query: str, error: Exception) -> NoReturn:
    if isinstance(error, FileNotFoundError):
        raise StoreError(f"the query failed: {error.filename} is missing, though a record names it. {MEND}") from error
    raise BadInputError(f"the query failed: it reads a file that is no part of the store: {query}") from None


def _answer(
    query: str,
    parameters: Sequence[object] | Mapping[str, object] | None,
    names: Sequence[str],
    source: Callable[[str], Source],
) -> pd.DataFrame:
    connection, sources = duckdb.connect(":memory:"), list[Source]()
    try:
        _check_reads_only(connection, query)
        connection.execute(f"CREATE SCHEMA {_PARTS}")
        connection.execute("SET TimeZone = 'UTC'")
        sources += [source(name) for name in names if _may_touch(query.lower(), name)]
        for one in sources:
            _make_view(connection, one)
        paths = [path for one in sources for path in (*one.single.paths, *one.mixed.paths)]
        connection.execute(f"SET allowed_paths = {_list(paths)}")
        for lock in _LOCKS:
            connection.execute(lock)
        found = connection.sql(query, params=parameters)
        return _frame(found.to_arrow_table())
    except (duckdb.Error, pa.ArrowException) as error:
        for fault in (fault for one in sources for fault in one.faults):
            raise fault from None
        if isinstance(error, duckdb.IOException):
            raise
        if _BROKEN in str(error):
            raise StoreError(f"the query failed: a file is no longer what was committed: {error}. {MEND}") from error
        raise BadInputError(f"the query failed: {error}. The tables are {', '.join(names)}.") from error
    finally:
        connection.close()


def _make_view(connection: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Make the view of one table: every column of its schema, null where a file is older than the column."""
    name = source.table.name
    connection.register("rows_read", source.rows)
    connection.execute(f"CREATE TABLE {_PARTS}.{name} AS SELECT * FROM rows_read")  # noqa: S608 - names of ours
    connection.unregister("rows_read")
    columns = ", ".join(f'"{column}"' for column in source.table.schema.names)
    known = "" if source.known is None else f" WHERE committed_at <= TIMESTAMPTZ '{source.known.isoformat()}'"
    rows = f"SELECT * FROM {_PARTS}.{name}"  # noqa: S608 - the same
    mixed = f"SELECT {columns} FROM ({_union(rows, *_selects(connection, source.mixed, f'{name}_mixed'))}){known}"  # noqa: S608 - the same
    if source.table.latest:
        key = ", ".join(f'"{column}"' for column in source.table.key)
        mixed += f" QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY committed_at DESC) = 1"
    whole = _union(mixed, *_selects(connection, source.single, f"{name}_single"))
    connection.execute(f"CREATE VIEW {name} AS SELECT {columns} FROM ({whole})")  # noqa: S608 - the same


def _selects(connection: duckdb.DuckDBPyConnection, parts: Parts, name: str) -> list[str]:
    """Return what selects the rows of files; those in a bucket become the view `name` beside the tables."""
    selects: list[str] = []
    if parts.paths:
        files = f"read_parquet({_list(parts.paths)}, union_by_name = true, hive_partitioning = false)"
        selects.append(f"SELECT * FROM {files}")  # noqa: S608 - paths of ours, quoted
    if parts.remote is not None:
        connection.execute(f"USE memory.{_PARTS}")
        connection.from_arrow(parts.remote).create_view(name)
        connection.execute("USE memory.main")
        selects.append(f"SELECT * FROM {_PARTS}.{name}")  # noqa: S608 - names of ours
    return selects


def _union(*selects: str) -> str:
    return " UNION ALL BY NAME ".join(f"({select})" for select in selects) if len(selects) > 1 else selects[0]


def _list(paths: Sequence[str]) -> str:
    quoted = (path.replace("'", "''") for path in paths)
    return "[" + ", ".join(f"'{path}'" for path in quoted) + "]"


def _may_touch(query: str, name: str) -> bool:
    return name in query or _CATALOGUE.search(query) is not None


def _check_reads_only(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    statements = connection.extract_statements(query)
    allowed = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
    if len(statements) != 1 or statements[0].type not in allowed:
        raise BadInputError("give one SELECT; the store is read-only here, facts are only added by a commit")


def _frame(rows: pa.Table) -> pd.DataFrame:
    fields: list[Any] = []
    for column in rows.schema:
        kind = pa.float64() if pa.types.is_decimal(column.type) else column.type
        fields.append(column.with_type(kind))
    frame: pd.DataFrame = rows.cast(pa.schema(fields)).to_pandas()
    return frame
