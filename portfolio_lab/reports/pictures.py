"""Picture: one chart of the native sheet with its caption, or the sentence that stands in for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from portfolio_lab.reports.svg import ACROSS, UNITS, Axis, text, word

FOOT = 22
"""Pixels below a plot, for its dates."""

_HEAD = 8
_APART = 27
_LINE = 12


@dataclass(frozen=True, slots=True)
class End:
    """What stands to the right of the end of a line: its name and its last value."""

    value: float
    name: str
    told: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A chart: `plot` is stretched, `around` is not; `told` says in words what is seen."""

    id: str
    title: str
    told: str
    plot: str
    around: str
    pixels: int
    note: str = ""
    keys: Sequence[tuple[str, str]] = ()
    """Kind and name of each line or bar."""
    kind: str = ""
    """Further classes: "wide", "ends"."""

    def html(self) -> str:
        """Return the figure element."""
        height = _HEAD + self.pixels + FOOT
        inner = (
            f'<svg class="plot" y="{_HEAD}" width="100%" height="{self.pixels}" viewBox="0 0 {ACROSS} '
            f'{self.pixels * UNITS}" preserveAspectRatio="none" aria-hidden="true">{self.plot}</svg>'
        )
        return (
            f'<figure id="{self.id}" class="panel {self.kind}">{caption(self.title, self.note, self.keys)}'
            f'<svg role="img" aria-label="{text(f"{self.title}. {self.told}")}" height="{height}">'
            f'<g transform="translate(0 {_HEAD})">{self.around}</g>{inner}</svg></figure>'
        )


def caption(title: str, note: str, keys: Sequence[tuple[str, str]] = ()) -> str:
    """Return the caption of a figure: what it is, what must be known, and a key of its colours."""
    shown = "".join(f'<span class="key {kind}">{text(name)}</span>' for kind, name in keys)
    told = f"<small>{text(note)}</small>" if note else ""
    return f"<figcaption><b>{text(title)}</b>{told}{shown}</figcaption>"


def sentence(identity: str, title: str, words: str, kind: str = "") -> str:
    """Return a figure that says what its chart needs."""
    return (
        f'<figure id="{identity}" class="panel {kind} none"><figcaption><b>{text(title)}</b></figcaption>'
        f"<p>{text(words)}</p></figure>"
    )


def stroke(path: str, kind: str, width: float | None = None) -> str:
    """Return a line of a kind, as thick as its kind or so many pixels; nothing where there is no point."""
    thick = "" if width is None else f' style="stroke-width:{width:.3g}"'
    return f'<path class="{kind}"{thick} d="{path}"/>' if path else ""


def level(axis: Axis, value: float, kind: str) -> str:
    """Return a line across the plot at a value."""
    return stroke(f"M0 {axis.y(value) * UNITS:.0f}H{ACROSS}", kind)


def end_labels(axis: Axis, ends: Sequence[End]) -> str:
    """Return name and value beside the end of each line, moved apart where they would meet."""
    ordered = sorted(ends, key=lambda end: -end.value)
    tops = [min(max(axis.y(end.value) - 2, 3.0), axis.pixels - _LINE) for end in ordered]
    for place in range(1, len(tops)):
        tops[place] = max(tops[place], tops[place - 1] + _APART)
    over = max(0.0, tops[-1] - (axis.pixels - _LINE + 4)) if tops else 0.0
    return "".join(
        word(100, top - over, end.name, f"end {end.kind}", dx=9)
        + word(100, top - over + _LINE, end.told, f"end value {end.kind}", dx=9)
        for end, top in zip(ordered, tops, strict=True)
    )
