"""The store's files in a folder on a disk: durable before they are named, named before they count.

`Disk` is what the operating system does, one call a method, so that a test can fail the N-th of
them or keep only what a power cut would have left. `DiskFiles` makes the port out of it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from portfolio_lab.store.files import Files


class Disk:
    """The real file system. Every method raises OSError as the system gave it."""

    def write(self, path: Path, content: bytes) -> None:
        """Make the new file `path` hold `content`, and see the content onto the disk.

        Its *name* is durable only after `sync_folder` of its folder. A sync that failed is never
        tried again: the kernel may already have dropped the pages and would say that all is
        well. The caller writes another file under another name.
        """
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def sync_folder(self, path: Path) -> None:
        """See the names inside the folder `path` onto the disk."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Give `source` the name `target`, which nobody else uses."""
        source.rename(target)

    def link(self, source: Path, target: Path) -> None:
        """Give `source` a second name; FileExistsError when the name is taken (put-if-absent)."""
        os.link(source, target)

    def make_folder(self, path: Path) -> None:
        """Make the folder `path`; its parent exists. Nothing happens when it is there."""
        path.mkdir(exist_ok=True)

    def remove(self, path: Path) -> None:
        """Take the name `path` away; nothing happens when it is gone already."""
        path.unlink(missing_ok=True)

    def read(self, path: Path, start: int = 0, length: int | None = None) -> bytes:
        """Return the content of a file, or `length` bytes of it from `start` on."""
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            return file.read() if length is None else file.read(length)

    def names(self, folder: Path) -> list[str]:
        """Return the names inside a folder, in any order."""
        return os.listdir(folder)  # noqa: PTH208 - names alone: three times as quick as Path objects

    def stat(self, path: Path) -> os.stat_result:
        """Return size and times of a file or a folder."""
        return path.stat()

    def is_folder(self, path: Path) -> bool:
        """Return whether `path` is a folder, and no link to one."""
        return path.is_dir() and not path.is_symlink()


class DiskFiles(Files):
    """A folder. Unfinished files have hidden names, which no reader of parquet folders looks at.

    Folders are remembered once their own names are known to be durable. One that is already
    there may have been made a moment ago by another process that has not synced it yet, so
    each process syncs the way up to the root once for itself.
    """

    root: Path
    advice = "check the disk (dmesg, smartctl)"
    is_certain = True

    def __init__(self, root: Path, disk: Disk | None = None) -> None:
        self.root = root
        self._disk = disk or Disk()
        self._durable = {root}

    def prepare(self) -> None:
        """Make the folder and its parents, and see their names onto the disk."""
        missing = [folder for folder in (self.root, *self.root.parents) if not self._disk.is_folder(folder)]
        for folder in reversed(missing):
            self._disk.make_folder(folder)
            self._disk.sync_folder(folder.parent)
        self._disk.sync_folder(self.root.parent)

    def put(self, path: str, content: bytes) -> None:
        """Write and sync under a temporary name, then rename."""
        target = self._in_folder(path)
        unfinished = target.with_name(f".{target.name}.part")
        try:
            self._disk.write(unfinished, content)
            self._disk.rename(unfinished, target)
        except OSError:
            self._discard(unfinished)
            raise

    def put_if_absent(self, path: str, content: bytes) -> bool:
        """Write and sync under a temporary name, link, and sync the folder."""
        target = self._in_folder(path)
        unfinished = target.with_name(f".{target.name}-{secrets.token_hex(6)}.part")
        try:
            self._disk.write(unfinished, content)
            self._disk.link(unfinished, target)
        except FileExistsError:
            return False
        finally:
            self._discard(unfinished)
        self._disk.sync_folder(target.parent)
        return True

    def see_names(self, folders: Iterable[str]) -> None:
        """Sync the folders, and those above them that this process has not synced yet."""
        for folder in sorted(set(folders)):
            self._ensure(self.root / folder)
            self._disk.sync_folder(self.root / folder)

    def read(self, path: str) -> bytes:
        """Return the whole content of a file."""
        return self._disk.read(self.root / path)

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Return `length` bytes from `start` on; fewer where the file ends before."""
        return self._disk.read(self.root / path, start, length)

    def names(self, folder: str) -> list[str]:
        """Return the names inside a folder, sorted; empty when there is none."""
        try:
            return sorted(self._disk.names(self.root / folder))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def walk(self, folder: str) -> Iterator[str]:
        """Yield the path of every file below a folder, unfinished ones too."""
        for name in self.names(folder):
            path = str(PurePosixPath(folder) / name)
            if self._disk.is_folder(self.root / path):
                yield from self.walk(path)
            else:
                yield path

    def exists(self, path: str) -> bool:
        """Return whether the name is there."""
        try:
            self._disk.stat(self.root / path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def size(self, path: str) -> int:
        """Return how many bytes a file holds."""
        return self._disk.stat(self.root / path).st_size

    def modified_ns(self, path: str) -> int:
        """Return when a file was written, in ns since 1970."""
        return self._disk.stat(self.root / path).st_mtime_ns

    def changed_ns(self, folder: str) -> int | None:
        """Return when the list of names last changed; None when there is no such folder."""
        try:
            return self._disk.stat(self.root / folder).st_mtime_ns
        except (FileNotFoundError, NotADirectoryError):
            return None

    def remove(self, path: str) -> None:
        """Take a name away; nothing happens when it is gone already."""
        self._disk.remove(self.root / path)

    def _in_folder(self, path: str) -> Path:
        target = self.root / path
        self._ensure(target.parent)
        return target

    def _ensure(self, folder: Path) -> None:
        if folder in self._durable:
            return
        self._ensure(folder.parent)
        self._disk.make_folder(folder)
        self._disk.sync_folder(folder.parent)
        self._durable.add(folder)

    def _discard(self, unfinished: Path) -> None:
        with contextlib.suppress(OSError):
            self._disk.remove(unfinished)
