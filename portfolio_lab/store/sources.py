"""Which files a query reads of each table, and which rows it is given instead."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, cast

import pyarrow as pa
import pyarrow.dataset as pads

from portfolio_lab.models.tables import Table
from portfolio_lab.store.parquet import COMMITTED_AT, joined
from portfolio_lab.store.query import Parts, Source
from portfolio_lab.store.questions import Question
from portfolio_lab.store.reading import SMALL, Reader
from portfolio_lab.store.records import StoredFile
from portfolio_lab.store.revisions import stamped

_FOLDED = ("warm/", "sealed/", "revisions/")
_GLOB = frozenset("*?[")


def source_of(reader: Reader, question: Question) -> Source:
    """Return where the rows of a question about one whole table lie.

    Each file is verified before it is named.

    Raises:
        StoreError: a file is missing, damaged, or of a newer schema.
    """
    files = reader.files_for(question)
    folded = [one for one in files if one.path.startswith(_FOLDED) and (_path(reader, one) or one.size > SMALL)]
    for stored in folded:
        reader.see_whole(stored)
    single = _alone(folded, files) if question.time_in_key() and question.known is None else []
    if not question.table.latest:
        single = [] if question.known is not None else folded
    mixed = [one for one in folded if one not in single]
    small = [stamped(reader.load(one), one) for one in files if one not in folded]
    rows, faults = joined(question.table, small, stamped=True), list[OSError]()
    alone, compared = (_parts(reader, question.table, some, faults) for some in (single, mixed))
    return Source(question.table, rows, alone, compared, question.known, faults)


def _alone(folded: Sequence[StoredFile], files: Sequence[StoredFile]) -> list[StoredFile]:
    """Return the sealed files whose span of time no other touches: each of their rows is the only one of its key."""
    spans = sorted((one.first, one.last, one.path) for one in files)
    touched: set[str] = set()
    latest, owner = "", ""
    for first, last, path in spans:
        if not first or first <= latest:
            touched |= {path, owner}
        if last >= latest:
            latest, owner = last, path
    return [one for one in folded if one.path not in touched and one.path.startswith("sealed/")]


def _path(reader: Reader, stored: StoredFile) -> str:
    """Return the file as DuckDB opens it; empty when it lies in a bucket or under a name with wildcards."""
    place = reader.where(stored)
    return str(place) if isinstance(place, Path) and not _GLOB & set(str(place)) else ""


def _parts(reader: Reader, table: Table, files: Sequence[StoredFile], faults: list[OSError]) -> Parts:
    paths = tuple(path for one in files if (path := _path(reader, one)))
    remote = [one for one in files if not _path(reader, one)]
    return Parts(paths, _dataset(reader, table, remote, faults) if remote else None)


def _dataset(reader: Reader, table: Table, files: Sequence[StoredFile], faults: list[OSError]) -> pads.Dataset:
    """Return files behind the port as one dataset, whose pages are verified as they are read."""
    pages = pads.ParquetFragmentScanOptions(page_checksum_verification=True)
    form = pads.ParquetFileFormat(default_fragment_scan_options=pages)
    fragments = [form.make_fragment(cast("IO[bytes]", reader.opened(one, faults))) for one in files]
    columns = [column.with_nullable(nullable=True) for column in (*table.schema, COMMITTED_AT)]
    return pads.FileSystemDataset(fragments, pa.schema(columns), form)
