"""The one door between the store and the file system.

Everything the store does on disk is one of these calls, so a test can fail the N-th of them,
or replay only those that a power cut would have left behind.
"""

from __future__ import annotations

import os
from pathlib import Path


class Files:
    """The real file system. Every method raises OSError as the system gave it."""

    def write(self, path: Path, content: bytes) -> None:
        """Make the new file `path` hold `content`, and see the content onto the disk.

        The file must not exist. Its *name* is durable only after `sync_folder` of its folder.
        A write that failed is never synced again: the kernel may already have dropped the
        pages, so the caller writes another file under another name.
        """
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Give `source` the name `target`, which nobody else uses."""
        source.rename(target)

    def link(self, source: Path, target: Path) -> None:
        """Give `source` a second name; FileExistsError when the name is taken (put-if-absent)."""
        os.link(source, target)

    def sync_folder(self, path: Path) -> None:
        """See the names inside the folder `path` onto the disk."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def make_folder(self, path: Path) -> None:
        """Make the folder `path`; its parent exists. Nothing happens when it is there."""
        path.mkdir(exist_ok=True)

    def remove(self, path: Path) -> None:
        """Take the name `path` away; nothing happens when it is gone already."""
        path.unlink(missing_ok=True)

    def read(self, path: Path) -> bytes:
        """Return the whole content of a file."""
        return path.read_bytes()

    def names(self, folder: Path) -> list[str]:
        """Return the names inside a folder, sorted; empty when there is no such folder."""
        try:
            return sorted(os.listdir(folder))  # noqa: PTH208 - names alone: three times as quick as Path objects
        except FileNotFoundError:
            return []

    def exists(self, path: Path) -> bool:
        """Return whether the name is there."""
        return path.exists()

    def modified_ns(self, path: Path) -> int:
        """Return when a file or the list of names in a folder last changed, in ns since 1970."""
        return path.stat().st_mtime_ns


class Folders:
    """Folders whose own names are known to be durable, as far as this process has seen to it.

    A folder that is already there may have been made a moment ago by another process that has
    not synced it yet, so each process syncs the way up to the root once for itself.
    """

    def __init__(self, root: Path, files: Files) -> None:
        self._root = root
        self._files = files
        self._durable = {root}

    def ensure(self, folder: Path) -> None:
        """Make `folder` and its parents below the root, and see their names onto the disk."""
        if folder in self._durable:
            return
        self.ensure(folder.parent)
        self._files.make_folder(folder)
        self._files.sync_folder(folder.parent)
        self._durable.add(folder)
