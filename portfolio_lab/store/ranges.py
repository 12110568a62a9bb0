"""A stored file that is read in parts: what a question does not need stays on the disk or in the bucket."""

from __future__ import annotations

import io

from portfolio_lab.store.files import Files


class RangeFile(io.RawIOBase):
    """One file behind the port, of known size, for reading from any place.

    What goes wrong is added to `faults` too, for those who get it back through others as a text only.
    """

    def __init__(self, files: Files, path: str, size: int, faults: list[OSError] | None = None) -> None:
        super().__init__()
        self._files = files
        self._path = path
        self._size = size
        self._faults = [] if faults is None else faults
        self._place = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to `offset` from the start, from here, or from the end, and return the place."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to `size` bytes; all that are left when it is negative or None."""
        left = max(0, self._size - self._place)
        wanted = left if size is None or size < 0 else min(size, left)
        try:
            content = self._files.read_range(self._path, self._place, wanted) if wanted else b""
        except OSError as error:
            self._faults.append(error)
            raise
        self._place += len(content)
        return content
