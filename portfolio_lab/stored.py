"""The part of a Lab that hands out stored tables as they are: frames, SQL, Arrow and polars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from portfolio_lab.archive import Archive
from portfolio_lab.errors import BadInputError
from portfolio_lab.timelines import Instant, bound

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl


class StoredTables:
    """Rows of the tables in `portfolio_lab.models.tables`, with user, time and columns pushed down to the files."""

    _archive: Archive

    def _check(self, user: str) -> None:
        raise NotImplementedError

    def facts(self, table: str, user: str, since: Instant = None, until: Instant = None) -> pd.DataFrame:
        """Rows of any table in `portfolio_lab.models.tables` as stored, in [since, until): fills, income ..."""
        self._check(user)
        return self._archive.rows(table, user=user, since=bound(since), until=bound(until))

    def sql(self, query: str) -> pd.DataFrame:
        """Answer to one SELECT in DuckDB's SQL over the stored tables (`portfolio_lab.models.tables`)."""
        return self._archive.sql(query)

    def arrow(
        self,
        table: str,
        user: str | None = None,
        since: Instant = None,
        until: Instant = None,
        columns: Iterable[str] | None = None,
    ) -> pa.Table:
        """Return rows of a stored table as Arrow, exact decimals kept, sorted by the table's key.

        Args:
            table: name in `portfolio_lab.models.tables`.
            user: whose rows; None for everybody's.
            since: from this instant on, by the table's `slot`, `at` or `day`.
            until: before this instant.
            columns: these, in this order; `committed_at` says when each row became known.
        """
        if user is not None:
            self._check(user)
        users = None if user is None else [user]
        return self._archive.store.read(table, users=users, since=bound(since), until=bound(until), columns=columns)

    def polars(
        self,
        table: str,
        user: str | None = None,
        since: Instant = None,
        until: Instant = None,
        columns: Iterable[str] | None = None,
    ) -> pl.DataFrame:
        """Return what `arrow` returns as a polars frame over the same memory.

        Raises:
            BadInputError: polars is not installed.
        """
        try:
            import polars as pl  # noqa: PLC0415 - an extra
        except ImportError:
            message = 'frames of polars need polars: pip install "portfolio-lab[polars]"'
            raise BadInputError(message) from None
        frame = pl.from_arrow(self.arrow(table, user, since, until, columns), rechunk=False)
        assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table gives a frame; only the type is wider
        return frame
