"""SQL over committed rows, by DuckDB in memory: a view a table over the files that count, nothing else in reach."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from portfolio_lab.errors import BadInputError
from portfolio_lab.models.tables import Table

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

_MOST_TRIES = 3


@dataclass(frozen=True, slots=True)
class Source:
    """Where the rows of one table lie, for one query.

    `single` are files of which every row counts, `mixed` those of which the newest row of a key
    counts, and `rows` what lies in small files, read already; all with `committed_at`. Rows
    that were not known by `known` are left out.
    """

    table: Table
    rows: pa.Table
    single: tuple[str, ...] = ()
    mixed: tuple[str, ...] = ()
    known: datetime | None = None


def answer(
    query: str,
    parameters: Sequence[object] | Mapping[str, object] | None,
    names: Sequence[str],
    source: Callable[[str], Source],
) -> pd.DataFrame:
    """Return the rows of one SELECT; BadInputError when the query is wrong or does more than read.

    `source` tells where the committed rows of a table lie and is asked only for tables the query
    may touch. Of their files DuckDB reads the columns and row groups that the query needs.
    Decimals come back as float64, instants as UTC timestamps.
    """
    for attempt in range(1, _MOST_TRIES + 1):
        try:
            return _answer(query, parameters, names, source)
        except duckdb.IOException:
            # A fold may have taken a file away meanwhile: the log then names the one in its place.
            if attempt == _MOST_TRIES:
                raise BadInputError(
                    f"the query failed: it reads a file that is no part of the store: {query}"
                ) from None
    raise AssertionError  # pragma: no cover - the loop returns or raises


def _answer(
    query: str,
    parameters: Sequence[object] | Mapping[str, object] | None,
    names: Sequence[str],
    source: Callable[[str], Source],
) -> pd.DataFrame:
    connection = duckdb.connect(":memory:")
    try:
        _check_reads_only(connection, query)
        connection.execute(f"CREATE SCHEMA {_PARTS}")
        connection.execute("SET TimeZone = 'UTC'")
        sources = [source(name) for name in names if _may_touch(query.lower(), name)]
        for one in sources:
            _make_view(connection, one)
        paths = [path for one in sources for path in (*one.single, *one.mixed)]
        connection.execute(f"SET allowed_paths = {_list(paths)}")
        for lock in _LOCKS:
            connection.execute(lock)
        found = connection.sql(query, params=parameters)
        return _frame(found.to_arrow_table())
    except duckdb.IOException:
        raise
    except duckdb.Error as error:
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
    mixed = f"SELECT {columns} FROM ({_union(f'SELECT * FROM {_PARTS}.{name}', source.mixed)}){known}"  # noqa: S608 - the same
    if source.table.latest:
        key = ", ".join(f'"{column}"' for column in source.table.key)
        mixed += f" QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY committed_at DESC) = 1"
    whole = _union(mixed, source.single)
    connection.execute(f"CREATE VIEW {name} AS SELECT {columns} FROM ({whole})")  # noqa: S608 - the same


def _union(select: str, paths: Sequence[str]) -> str:
    if not paths:
        return select
    files = f"SELECT * FROM read_parquet({_list(paths)}, union_by_name = true, hive_partitioning = false)"  # noqa: S608 - paths of ours, quoted
    return f"({select}) UNION ALL BY NAME ({files})"


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
