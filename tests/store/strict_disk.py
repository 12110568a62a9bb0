"""A disk in memory that keeps only what it must: what was not synced may be lost in any combination."""

from __future__ import annotations

import errno
import itertools
import os
import random
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

from portfolio_lab.store import Disk

Names = dict[Path, bytes | None]
"""What is there after a power cut: a name's content; None for a folder."""


@dataclass(frozen=True)
class Node:
    """A file or a folder. `is_synced` says whether its content must survive."""

    content: bytes | None
    is_synced: bool
    changed_ns: int = field(default_factory=time.time_ns)


@dataclass(frozen=True)
class Moment:
    """All that decides what a power cut at this moment may leave, and what was acknowledged by then."""

    durable: dict[Path, int]
    pending: tuple[tuple[Path, int | None], ...]
    nodes: dict[int, Node]
    acknowledged: tuple[str, ...]

    def remains(self) -> Iterator[Names]:
        """Every combination of names and contents that may be there afterwards."""
        for chosen in itertools.product((False, True), repeat=len(self.pending)):
            yield from self._contents(self._names(chosen))

    def some_remains(self, count: int, chance: random.Random) -> Iterator[Names]:
        """Nothing of what was pending, all of it, and `count` combinations by chance."""
        wide = len(self.pending)
        picks = [[False] * wide, [True] * wide, *([chance.random() < 0.5 for _ in range(wide)] for _ in range(count))]
        for chosen in picks:
            names = self._names(chosen)
            content = {node: chance.choice(self._options(self.nodes[node])) for node in sorted(set(names.values()))}
            yield {path: content[node] for path, node in names.items()}

    def _names(self, chosen: Sequence[bool]) -> dict[Path, int]:
        names = dict(self.durable)
        for (path, node), is_kept in zip(self.pending, chosen, strict=True):
            if is_kept and node is None:
                names.pop(path, None)
            elif is_kept and node is not None:
                names[path] = node
        whole = sorted(names, key=lambda path: len(path.parts))
        kept: dict[Path, int] = {}
        for path in whole:
            if path.parent in kept or path.parent == path or not kept:
                kept[path] = names[path]
        return kept

    def _contents(self, names: dict[Path, int]) -> Iterator[Names]:
        options = {node: self._options(self.nodes[node]) for node in set(names.values())}
        for combination in itertools.product(*options.values()):
            content = dict(zip(options, combination, strict=True))
            yield {path: content[node] for path, node in names.items()}

    def _options(self, node: Node) -> list[bytes | None]:
        if node.content is None or node.is_synced:
            return [node.content]
        half = node.content[: len(node.content) // 2]
        return [b"", half, bytes(len(node.content)), node.content]


class StrictDisk(Disk):
    """The file system as POSIX promises it and no better. `moments` holds the state after every step."""

    def __init__(self, root: Path, names: Names | None = None) -> None:
        self.root = root
        self.acknowledged: list[str] = []
        self.moments: list[Moment] = []
        self._next = itertools.count()
        self._nodes: dict[int, Node] = {}
        self._names: dict[Path, int] = {}
        self._pending: list[tuple[Path, int | None]] = []
        for path, content in {**dict.fromkeys((*reversed(root.parents), root)), **(names or {})}.items():
            self._names[path] = self._new(Node(content, is_synced=True))
        self._durable = dict(self._names)

    def write(self, path: Path, content: bytes) -> None:
        self._check_new(path)
        node = self._new(Node(b"", is_synced=False))
        self._change(path, node)
        self._nodes[node] = Node(content, is_synced=False)
        self.step()
        self.sync(node)

    def sync(self, node: int) -> None:
        self._nodes[node] = replace(self._nodes[node], is_synced=True)
        self.step()

    def sync_folder(self, path: Path) -> None:
        self._node(path)
        for change in [change for change in self._pending if change[0].parent == path]:
            self._pending.remove(change)
            self._apply(self._durable, change)
        self.step()

    def rename(self, source: Path, target: Path) -> None:
        node = self._node(source)
        self._change(target, node)
        self._change(source, None)

    def link(self, source: Path, target: Path) -> None:
        self._check_new(target)
        self._change(target, self._node(source))

    def make_folder(self, path: Path) -> None:
        self._node(path.parent)
        if path not in self._names:
            self._change(path, self._new(Node(None, is_synced=True)))

    def remove(self, path: Path) -> None:
        if path in self._names:
            self._change(path, None)

    def read(self, path: Path, start: int = 0, length: int | None = None) -> bytes:
        content = self._nodes[self._node(path)].content
        assert content is not None
        return content[start:] if length is None else content[start : start + length]

    def names(self, folder: Path) -> list[str]:
        self._node(folder)
        return [path.name for path in self._names if path.parent == folder and path != folder]

    def stat(self, path: Path) -> os.stat_result:
        node = self._nodes[self._node(path)]
        mode = stat.S_IFDIR if node.content is None else stat.S_IFREG
        size = len(node.content or b"")
        return SimpleNamespace(st_mode=mode, st_size=size, st_mtime_ns=node.changed_ns)  # type: ignore[return-value]

    def is_folder(self, path: Path) -> bool:
        return path in self._names and self._nodes[self._names[path]].content is None

    def _new(self, node: Node) -> int:
        number = next(self._next)
        self._nodes[number] = node
        return number

    def _node(self, path: Path) -> int:
        if path not in self._names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return self._names[path]

    def _check_new(self, path: Path) -> None:
        self._node(path.parent)
        if path in self._names:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))

    def _change(self, path: Path, node: int | None) -> None:
        change = (path, node)
        self._apply(self._names, change)
        self._pending.append(change)
        folder = self._names[path.parent]
        self._nodes[folder] = replace(self._nodes[folder], changed_ns=time.time_ns())
        self.step()

    def _apply(self, names: dict[Path, int], change: tuple[Path, int | None]) -> None:
        path, node = change
        if node is None:
            names.pop(path, None)
        else:
            names[path] = node

    def everything(self) -> Names:
        """All that is there below the root now, as it would be after an orderly end."""
        return {path: self._nodes[node].content for path, node in self._names.items() if path.is_relative_to(self.root)}

    def step(self) -> None:
        """Remember this moment."""
        taken = (dict(self._durable), tuple(self._pending), dict(self._nodes), tuple(self.acknowledged))
        self.moments.append(Moment(*taken))
