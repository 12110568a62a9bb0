"""Rows of one table to the bytes of one parquet file and back, checked strictly both ways."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from portfolio_lab.errors import StoreError
from portfolio_lab.models.tables import Table

COMMITTED_AT = pa.field("committed_at", pa.timestamp("us", tz="UTC"), nullable=False)
"""Extra last column of folded files: when each row became known. Of a `latest` table's key, the newest counts."""

_ROW_GROUP = 16_384
"""Small enough that a question about one user skips most of a sorted file."""

_PAGE_INDEX_FROM = 1_000
"""Rows from which on a page index is worth its bytes."""

_MOST_BYTES_A_ROW = 65_536
"""No row of ours comes near this: a file that would unpack to more is no file of ours, and is not unpacked."""

_VERSION_KEY = b"portfolio_lab.schema_version"
_TABLE_KEY = b"portfolio_lab.table"


def checked(table: Table, rows: pa.Table) -> pa.Table:
    """Return `rows` in the column order of the schema.

    Nothing is cast: StoreError names the first column that is missing, unknown, of another
    type, or null where the schema allows no null.
    """
    given, expected = set(rows.column_names), set(table.schema.names)
    if len(rows.column_names) != len(given):
        raise StoreError(f"{table.name}: a column is given twice")
    for name in table.schema.names:
        if name not in given:
            raise StoreError(f"{table.name}: column {name!r} is missing")
    for name in rows.column_names:
        if name not in expected:
            raise StoreError(f"{table.name}: column {name!r} is not in the schema (version {table.version})")
    for column in table.schema:
        _check_column(table, column, rows.column(column.name))
    return pa.Table.from_arrays([rows.column(name) for name in table.schema.names], schema=table.schema)


def _check_column(table: Table, expected: pa.Field[Any], values: pa.ChunkedArray[Any]) -> None:
    if values.type != expected.type:
        raise StoreError(
            f"{table.name}: column {expected.name!r} is {values.type}, the schema says {expected.type}; "
            "the store casts nothing, build the rows with the schema in models.tables"
        )
    if not expected.nullable and values.null_count:
        raise StoreError(f"{table.name}: column {expected.name!r} has {values.null_count} null(s); it must have none")


def encoded(table: Table, rows: pa.Table) -> bytes:
    """Return the parquet file of `rows`: zstd, plain floats, dictionaries for text, page checksums."""
    sink = pa.BufferOutputStream()
    # Instants repeat too: all rows of a slot share it, and all of a commit when they became known.
    repeated = [one.name for one in rows.schema if pa.types.is_string(one.type) or pa.types.is_timestamp(one.type)]
    # The Arrow schema is left out: every type here survives without it, and a one-row file is half as big.
    with pq.ParquetWriter(
        sink,
        rows.schema.remove_metadata(),
        compression="zstd",
        use_dictionary=repeated,  # type: ignore[arg-type]  # a list of columns is documented, the stubs lag behind
        write_page_checksum=True,
        write_page_index=rows.num_rows >= _PAGE_INDEX_FROM,
        store_schema=False,
    ) as writer:
        writer.write_table(rows, row_group_size=_ROW_GROUP)
        writer.add_key_value_metadata(
            {_TABLE_KEY.decode(): table.name, _VERSION_KEY.decode(): str(table.version)},
        )
    content: bytes = sink.getvalue().to_pybytes()
    return content


def decoded(
    table: Table,
    content: bytes | io.RawIOBase,
    where: str,
    *,
    rows: int,
    columns: Sequence[str] | None = None,
    filters: pc.Expression | None = None,
) -> pa.Table:
    """Return the rows of a stored file with the columns of today's schema.

    A column that came after the file was written reads as null. Of a `content` that is a file only
    the parts are read that the columns and filters need. StoreError when the file says another
    table, a newer schema, another number of rows, or is no parquet.
    """
    try:
        reader = pq.ParquetFile(_source(content), page_checksum_verification=True)
        _check_metadata(table, reader, where, rows)
        present = set(reader.schema_arrow.names)
        _check_nothing_removed(table, present, where)
        stored = [name for name in (columns or [*table.schema.names, COMMITTED_AT.name]) if name in present]
        if filters is None:
            return conformed(table, reader.read(columns=stored, use_threads=False), columns)
        found = pq.read_table(_source(content), columns=stored, filters=filters, page_checksum_verification=True)
    except FileNotFoundError:
        raise  # a fold may have taken it away: whoever asked looks into the log again
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"{where} cannot be read as parquet: {error}") from error
    return conformed(table, found, columns)


def _source(content: bytes | io.RawIOBase) -> pa.NativeFile:
    return pa.BufferReader(content) if isinstance(content, bytes) else pa.PythonFile(content, mode="r")


def _check_metadata(table: Table, reader: pq.ParquetFile, where: str, rows: int) -> None:
    metadata = reader.metadata.metadata or {}
    version = int(metadata.get(_VERSION_KEY, b"0"))
    if metadata.get(_TABLE_KEY, b"").decode() != table.name or reader.metadata.num_rows != rows:
        raise StoreError(f"{where} is not the file that was committed under this name. Restore it from a backup.")
    if version > table.version:
        raise StoreError(f"{where} has schema version {version}; this portfolio-lab knows {table.version}. Upgrade it.")
    check_expansion(reader.metadata, where, rows)


def check_expansion(metadata: pq.FileMetaData, where: str, rows: int) -> None:
    """Raise StoreError, before anything is unpacked, when a file holds other rows than recorded or too many bytes."""
    unpacked = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    if metadata.num_rows != rows or unpacked > (rows + 16) * _MOST_BYTES_A_ROW:
        raise StoreError(
            f"{where} would unpack to {unpacked:,} bytes and {metadata.num_rows:,} rows, where {rows:,} rows were "
            "recorded: it is no file of this store. Restore it from a backup."
        )


_MIGRATION = (
    "Columns are neither removed nor retyped in place: to migrate, keep the column as it is in models.tables, "
    "add one with a new name at the end, raise the version, and commit the values there"
)


def _check_nothing_removed(table: Table, present: set[str], where: str) -> None:
    unknown = sorted(present - {*table.schema.names, COMMITTED_AT.name})
    if unknown:
        raise StoreError(
            f"{where} holds column {unknown[0]!r}, which {table.name} (version {table.version}) lacks. {_MIGRATION}."
        )


def conformed(table: Table, rows: pa.Table, columns: Sequence[str] | None = None) -> pa.Table:
    """Return `rows` with the fields of the schema; what an older file lacks is null."""
    wanted = [table.schema.field(name) for name in (columns or table.schema.names) if name != COMMITTED_AT.name]
    present = dict(zip(rows.column_names, rows.columns, strict=True))
    if COMMITTED_AT.name in present:
        wanted.append(COMMITTED_AT)
    fields = [column if column.name in present else column.with_nullable(nullable=True) for column in wanted]
    arrays = [
        present[column.name] if column.name in present else pa.nulls(rows.num_rows, column.type) for column in fields
    ]
    for column, values in zip(fields, arrays, strict=True):
        if values.type != column.type:
            raise StoreError(
                f"{table.name}: stored column {column.name!r} is {values.type}, not {column.type}. {_MIGRATION}."
            )
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def joined(
    table: Table, parts: Sequence[pa.Table], columns: Sequence[str] | None = None, *, stamped: bool = False
) -> pa.Table:
    """Return all `parts` as one table; a field is nullable when it is so in any part."""
    if not parts:
        empty = conformed(table, table.schema.empty_table(), columns)
        return empty.append_column(COMMITTED_AT, pa.array([], COMMITTED_AT.type)) if stamped else empty
    return chained(parts).combine_chunks()


def chained(parts: Sequence[pa.Table]) -> pa.Table:
    """Return all `parts`, of which there is one at least, as one table without a copy; see `joined`."""
    first = parts[0].schema
    if all(part.schema.equals(first) for part in parts):
        return pa.concat_tables(parts)
    fields = [
        first.field(i).with_nullable(any(part.schema.field(i).nullable for part in parts)) for i in range(len(first))
    ]
    schema = pa.schema(fields)
    return pa.concat_tables([pa.Table.from_arrays(part.columns, schema=schema) for part in parts])


def time_column(table: Table) -> str:
    """Return the column that places a row in time: slot, else at, else day."""
    return next(name for name in ("slot", "at", "day") if name in table.schema.names)


def span(table: Table, rows: pa.Table) -> tuple[str, str]:
    """Return the least and the greatest time in `rows` as ISO 8601 text."""
    times = rows.column(time_column(table))
    return _text(pc.min(times).as_py()), _text(pc.max(times).as_py())


def _text(value: date | datetime | None) -> str:
    return "" if value is None else value.isoformat()
