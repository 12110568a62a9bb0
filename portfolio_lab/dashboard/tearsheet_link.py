"""The way to a user's tearsheet, which a command writes and the dashboard only hands out."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import pandas as pd

from portfolio_lab.dashboard.figures import instant
from portfolio_lab.dashboard.html import Html, html_widget, show, tag


class TearsheetLink:
    """A button when the tearsheet lies in the lab's folder, else the command that writes it.

    The server hands out no files, so the button puts the page itself into a link for download.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._user = ""
        self.button = widgets.Button(description="Tearsheet")
        self.button.add_class("pl-button")
        self._told = html_widget()
        self.button.on_click(self._hand_out)
        self.widget = widgets.VBox([self.button, self._told])

    def draw(self, user: str) -> None:
        """Show the way to the tearsheet of `user`."""
        written = self._path(user)
        self.button.layout.display = "none" if written is None else ""
        if written is None:
            show(self._told, _command(user))
        elif user != self._user:
            show(self._told, _when(written))
        self._user = user

    def _path(self, user: str) -> Path | None:
        if self._folder is None:
            return None
        path = (self._folder / f"tearsheet-{user}.html").resolve()
        return path if path.parent == self._folder.resolve() and path.is_file() else None

    def _hand_out(self, _button: Any) -> None:  # noqa: ANN401 - ipywidgets passes the button
        written = self._path(self._user)
        if written is None:
            show(self._told, _command(self._user))
            return
        page = base64.b64encode(written.read_bytes()).decode("ascii")
        link = tag("a", f"Download {written.name}", href=f"data:text/html;base64,{page}", download=written.name)
        show(self._told, tag("p", link, " · ", _when(written), class_="pl-tearsheet"))


def _command(user: str) -> Html:
    command = tag("code", f"portfolio-lab tearsheet {user} -o tearsheet-{user}.html")
    return tag("p", "No tearsheet in the lab's folder yet. There, this writes it: ", command, class_="pl-tearsheet")


def _when(written: Path) -> Html:
    return tag("span", f"written {instant(pd.Timestamp(written.stat().st_mtime, unit='s'))}", class_="pl-note")
