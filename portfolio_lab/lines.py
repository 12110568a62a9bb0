"""Where a key of lab.toml stands, so that a mistake can be told with its line."""

from __future__ import annotations

import re


class Page:
    """The text of lab.toml, and the line on which a key of it stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._lines: dict[tuple[int | None, str], int] = {}
        self._starts: dict[int, int] = {}
        self._scan()

    def _scan(self) -> None:
        # tomllib keeps no positions. A flat scan is exact for the files that `init` writes
        # and only shifts a line number for exotic ones (inline tables, multi-line strings).
        row: int | None = None
        for number, line in enumerate(self.text.splitlines(), start=1):
            if re.match(r"\s*\[\[\s*accounts\s*\]\]", line):
                row = 0 if row is None else row + 1
                self._starts[row] = number
            elif header := re.match(r"\s*\[{1,2}\s*[\"']?([^\]\"'.\s]+)", line):
                self._lines.setdefault((None, header[1]), number)
            elif key := re.match(r"\s*[\"']?([A-Za-z0-9_-]+)[\"']?\s*[.=]", line):
                self._lines.setdefault((row, key[1]), number)

    def line(self, key: str, row: int | None = None) -> int | None:
        """Return the line of a key, or of the account it belongs to, or None when neither is known."""
        if row is None:
            return self._lines.get((None, key))
        return self._lines.get((row, key)) or self._starts.get(row) or self._lines.get((None, "accounts"))
