"""The one way from a value to HTML.

`tag` escapes every child that is not `Html` already, and only `tag` and `joined` make `Html`:
a name that a stranger chose (an asset code, an account label) can therefore reach the page
as text only.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

import ipywidgets as widgets


class Html(str):
    """Text that is safe to put into a page as it is."""

    __slots__ = ()


def escape(value: object) -> Html:
    """Return `value` as page text: HTML stays as it is, everything else is escaped, quotes too."""
    return value if isinstance(value, Html) else Html(html.escape(str(value), quote=True))


def joined(parts: Iterable[object]) -> Html:
    """Return the parts, each escaped, one behind the other."""
    return Html("".join(escape(part) for part in parts))


def tag(name: str, *children: object, **attributes: object) -> Html:
    """Return an element. `class_` becomes class, `aria_label` aria-label; None leaves an attribute out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{written}>{joined(children)}</{name}>")


def html_widget(content: Html | None = None, *classes: str) -> widgets.HTML:
    """Return a widget that shows `content`; `show` changes it."""
    widget = widgets.HTML(value=escape(content or Html("")))
    for name in classes:
        widget.add_class(name)
    return widget


def show(widget: widgets.HTML, content: Html) -> None:
    """Put `content` into `widget`; what is there already is not sent again."""
    value = str(escape(content))
    if widget.value != value:
        widget.value = value
