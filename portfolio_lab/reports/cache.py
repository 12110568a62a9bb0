"""SheetCache: pages that were drawn before, kept by what they were drawn from."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import logging
import os
import secrets
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from portfolio_lab.reports.sheet import Sheet

LARGEST = 200_000_000
"""Bytes that a lab's cache of tearsheets may take; the pages that were not asked for longest go first."""

_HERE = Path(__file__).resolve().parent
_DIGEST = 64
_PAGE_SUFFIX = ".page"
_LIBRARIES = ("portfolio-lab", "quantstats", "matplotlib", "seaborn", "numpy", "pandas")

logger = logging.getLogger(__name__)


class SheetCache:
    """Pages in one folder, each under the hash of its returns, benchmark, notes, kind and renderer.

    It is only ever a copy: an entry that is damaged is drawn again, and a folder that cannot be
    written is done without.
    """

    def __init__(self, folder: Path, *, largest: int = LARGEST) -> None:
        self._folder = folder
        self._largest = largest

    def __repr__(self) -> str:
        return f"SheetCache({str(self._folder)!r})"

    def page(self, sheet: Sheet, kind: str, draw: Callable[[], str]) -> str:
        """Return the kept page, or what `draw` returns, which is kept from now on."""
        path = self._path(sheet, kind)
        kept = _read(path)
        if kept is not None:
            with contextlib.suppress(OSError):
                os.utime(path)  # it was asked for: others go first
            return kept
        page = draw()
        self._keep(path, page)
        return page

    def has(self, sheet: Sheet, kind: str) -> bool:
        """Return whether the page is kept, whole."""
        return _read(self._path(sheet, kind)) is not None

    def _path(self, sheet: Sheet, kind: str) -> Path:
        return self._folder / f"{key_of(sheet, kind)}{_PAGE_SUFFIX}"

    def _keep(self, path: Path, page: str) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(path, _digest(page.encode()) + "\n" + page)
            self._make_room(path)
        except OSError as error:
            logger.warning("tearsheet_not_kept reason=%s", error.strerror)

    def _make_room(self, newest: Path) -> None:
        """Drop what was not asked for longest, and never the page that has just been drawn."""
        entries = []
        for path in self._folder.glob(f"*{_PAGE_SUFFIX}"):
            with contextlib.suppress(FileNotFoundError):  # another process made room
                state = path.stat()
                entries.append((path == newest, state.st_mtime_ns, state.st_size, path))
        total = sum(size for _, _, size, _ in entries)
        for is_newest, _, size, path in sorted(entries):
            if total <= self._largest or is_newest:
                return
            path.unlink(missing_ok=True)
            total -= size


def cache_of(root: Path) -> SheetCache:
    """Return the cache of the lab in folder `root`."""
    return SheetCache(root / "cache" / "tearsheets")


def key_of(sheet: Sheet, kind: str) -> str:
    """Return the hash of all that a page depends on, as 64 hex digits."""
    taken = hashlib.sha256()
    texts = (kind, renderer(), sheet.name, sheet.scope, *sheet.notes)
    for text in texts:
        _add(taken, text.encode())
    for series in (sheet.known, sheet.returns, sheet.benchmark):
        _add(taken, b"" if series is None else _bytes_of(series))
    for days in (sheet.missing, sheet.estimated):
        _add(taken, _dates(days))
    return taken.hexdigest()


@functools.cache
def renderer() -> str:
    """Return a text that changes with anything that draws: the libraries' versions, and our own source."""
    versions = [f"{name} {_version(name)}" for name in _LIBRARIES]
    sources = hashlib.sha256()
    for folder in (_HERE, _HERE.parent / "engines"):
        for path in sorted(folder.glob("*.py")):
            _add(sources, path.name.encode())
            _add(sources, path.read_bytes())
    return "; ".join([*versions, sources.hexdigest()])


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all; raises OSError."""
    unfinished = path.with_name(f".{path.name}-{secrets.token_hex(6)}.part")
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _read(path: Path) -> str | None:
    """Return the page in an entry; None when there is none, or its bytes are not those that were written."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    told, page = content[:_DIGEST], content[_DIGEST + 1 :]
    return page.decode() if told == _digest(page).encode() else None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _add(taken: hashlib._Hash, part: bytes) -> None:
    # The length first, so that no two lists of parts run into the same bytes.
    taken.update(len(part).to_bytes(8, "big"))
    taken.update(part)


def _bytes_of(series: pd.Series) -> bytes:
    values: bytes = np.ascontiguousarray(series.to_numpy(dtype="float64")).tobytes()
    return str(series.name).encode() + b"\0" + _dates(pd.DatetimeIndex(series.index)) + values


def _dates(days: pd.DatetimeIndex) -> bytes:
    numbers: bytes = days.to_numpy(dtype="datetime64[D]").astype("int64").tobytes()
    return numbers


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
