"""The one door between the store and where its bytes lie: a folder on a disk, or a bucket.

A path is text relative to the store, with '/' between its parts ('log/2026-11-20/a-1.json').
Content is written once and never changed, so the port needs no more than both kinds of place
can do: put a new file, put a record if nobody has its name, read, list, remove.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator
from pathlib import Path

from portfolio_lab.errors import BadInputError

BUCKET_SCHEME = "s3://"


class Files(abc.ABC):
    """Where a store's bytes lie. Every method raises OSError; FileNotFoundError for what is not there."""

    root: Path | str
    """The folder, or 's3://bucket/prefix' without a slash at its end."""

    advice: str
    """What to look at when a call fails for no reason that its errno names."""

    is_certain: bool
    """Whether a put that raised can no longer take place. A request on the way still can."""

    def where(self, path: str) -> Path | str:
        """Return what pandas, polars and DuckDB can open: a Path, or a URL."""
        return self.root / path if isinstance(self.root, Path) else f"{self.root}/{path}"

    @abc.abstractmethod
    def prepare(self) -> None:
        """Make the place where it is missing; nothing happens when it is there."""

    @abc.abstractmethod
    def put(self, path: str, content: bytes) -> None:
        """Make the new file `path`, whose name nobody else uses, hold `content` durably.

        Its *name* is durable only after `see_names` of its folder. A put that failed is never
        tried again under the same name.
        """

    @abc.abstractmethod
    def put_if_absent(self, path: str, content: bytes) -> bool:
        """Make `path` hold `content`, name and all durably; False when the name is taken.

        Of any number of callers at once exactly one wins. When this raises, the file may be
        there or not, and its name may be durable or not: ask `exists`.
        """

    @abc.abstractmethod
    def see_names(self, folders: Iterable[str]) -> None:
        """Make every name that is in `folders` now durable, those of the folders themselves too."""

    @abc.abstractmethod
    def read(self, path: str) -> bytes:
        """Return the whole content of a file."""

    def read_many(self, paths: Iterable[str]) -> list[bytes]:
        """Return the contents of many files in the order asked for."""
        return [self.read(path) for path in paths]

    @abc.abstractmethod
    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Return `length` bytes from `start` on; fewer where the file ends before."""

    @abc.abstractmethod
    def names(self, folder: str) -> list[str]:
        """Return the names of files and folders inside a folder, sorted; empty when there is none."""

    def names_many(self, folders: Iterable[str]) -> list[list[str]]:
        """Return the names inside many folders in the order asked for."""
        return [self.names(folder) for folder in folders]

    @abc.abstractmethod
    def walk(self, folder: str) -> Iterator[str]:
        """Yield the path of every file below a folder, sorted within each folder; '' is the whole store."""

    @abc.abstractmethod
    def exists(self, path: str) -> bool:
        """Return whether there is a file of that name."""

    @abc.abstractmethod
    def size(self, path: str) -> int:
        """Return how many bytes a file holds."""

    @abc.abstractmethod
    def modified_ns(self, path: str) -> int:
        """Return when a file was written, in ns since 1970."""

    @abc.abstractmethod
    def changed_ns(self, folder: str) -> int | None:
        """Return when a folder's list of names last changed, in ns since 1970.

        None when there is no such folder, or where only listing would tell.
        """

    @abc.abstractmethod
    def remove(self, path: str) -> None:
        """Take a file away; nothing happens when it is gone already."""


def files_at(place: Path | str) -> Files:
    """Return the files at `place`: a folder, or 's3://bucket/prefix'. Nothing is read or written.

    Raises:
        BadInputError: the URL names no bucket, or what a bucket needs is not installed.
    """
    if isinstance(place, str) and place.startswith(BUCKET_SCHEME):
        from portfolio_lab.store.bucket import BucketFiles  # noqa: PLC0415 - an extra, and slow to load

        return BucketFiles(place)
    if Path(place).parts[:1] == (BUCKET_SCHEME.rstrip("/"),):
        raise BadInputError("a Path drops a slash of 's3://': give the place of a bucket as text")
    from portfolio_lab.store.disk import DiskFiles  # noqa: PLC0415 - which itself is made of this port

    return DiskFiles(Path(place).absolute())
