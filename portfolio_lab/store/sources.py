"""Which files a query reads of each table, and which rows it is given instead."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from portfolio_lab.store.parquet import joined
from portfolio_lab.store.query import Source
from portfolio_lab.store.questions import Question
from portfolio_lab.store.reading import Reader
from portfolio_lab.store.records import StoredFile
from portfolio_lab.store.revisions import stamped

_FOLDED = ("warm/", "sealed/", "revisions/")
_GLOB = frozenset("*?[")


def source_of(reader: Reader, question: Question) -> Source:
    """Return where the rows of a question about one whole table lie.

    Each file is verified before it is named. In a bucket all rows are read here.

    Raises:
        StoreError: a file is missing, damaged, or of a newer schema.
    """
    files = reader.files_for(question)
    folded = [one for one in files if one.path.startswith(_FOLDED) and _path(reader, one)]
    for stored in folded:
        reader.see_whole(stored)
    single = _alone(folded, files) if question.time_in_key() and question.known is None else []
    if not question.table.latest:
        single = [] if question.known is not None else folded
    mixed = [one for one in folded if one not in single]
    small = [stamped(reader.load(one), one) for one in files if one not in folded]
    rows = joined(question.table, small, stamped=True)
    return Source(question.table, rows, _paths(reader, single), _paths(reader, mixed), question.known)


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


def _paths(reader: Reader, files: Sequence[StoredFile]) -> tuple[str, ...]:
    return tuple(_path(reader, one) for one in files)
