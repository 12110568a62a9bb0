"""SQL over committed rows, by DuckDB in memory: every table is a view, nothing else is in reach."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from portfolio_lab.errors import BadInputError

_CATALOGUE = re.compile(
    r"\b(show|describe|summarize|query|query_table|information_schema|duckdb_\w+|pg_\w+|pragma\w*)\b"
)
"""Words by which a query can meet a table without spelling its name."""

_LOCKS = (
    "SET TimeZone = 'UTC'",
    "SET enable_external_access = false",
    "SET python_enable_replacements = false",
    "SET lock_configuration = true",
)


def answer(
    query: str,
    parameters: Sequence[object] | Mapping[str, object] | None,
    names: Sequence[str],
    load: Callable[[str], pa.Table],
) -> pd.DataFrame:
    """Return the rows of one SELECT; BadInputError when the query is wrong or does more than read.

    `load` gives the committed rows of a table and is called only for tables the query may touch.
    Decimals come back as float64, instants as UTC timestamps.
    """
    connection = duckdb.connect(":memory:")
    try:
        _check_reads_only(connection, query)
        for name in names:
            if _may_touch(query.lower(), name):
                connection.register(name, load(name))
        for lock in _LOCKS:
            connection.execute(lock)
        found = connection.sql(query, params=parameters)
        return _frame(found.to_arrow_table())
    except duckdb.Error as error:
        raise BadInputError(f"the query failed: {error}. The tables are {', '.join(names)}.") from error
    finally:
        connection.close()


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
