"""PDF: a tearsheet printed by a Chromium that is on this machine already."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from portfolio_lab.errors import BadInputError, PortfolioLabError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
"""Names that a Chromium goes by; the first one on the path prints."""

SECONDS = 60.0
"""A page that is not printed by then is given up."""

_OPTIONS = (
    "--headless",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # a tearsheet needs nothing from anywhere
    "--no-first-run",
    "--no-pdf-header-footer",
)
# What a browser needs to start; nothing else of ours, and so no passphrase and no key, is told to it.
_HANDED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "FONTCONFIG_PATH", "FONTCONFIG_FILE", "SYSTEMROOT")


def find_browser(names: Sequence[str] = BROWSERS) -> str:
    """Return the path of a Chromium; raises BadInputError when there is none."""
    for name in names:
        found = shutil.which(name)
        if found is not None:
            return found
    raise BadInputError(
        f"a PDF needs a Chromium on this machine and there is none ({', '.join(names)}): install one, "
        "or leave --pdf out and print the HTML page from your own browser"
    )


def print_pdf(page: Path, output: Path, *, browser: str | None = None, seconds: float = SECONDS) -> Path:
    """Print an HTML file to the PDF `output` and return that path; the PDF appears whole or not at all.

    Args:
        page: the HTML file.
        output: the PDF; its folder must exist. An older one is replaced.
        browser: the path of a Chromium; None for the one that is found.
        seconds: after which it is given up.

    Raises:
        BadInputError: there is no Chromium, or no such folder.
        PortfolioLabError: it printed nothing, or not in time.
    """
    browser = find_browser() if browser is None else browser
    if not output.parent.is_dir():
        raise BadInputError(f"there is no folder {output.parent}: make it first, or name another output")
    with tempfile.TemporaryDirectory(prefix="portfolio-lab-print-", ignore_cleanup_errors=True) as folder:
        printed = Path(folder) / "printed.pdf"
        _run(_command(browser, page, printed, Path(folder)), Path(folder), seconds)
        if not printed.is_file() or not printed.stat().st_size:
            raise PortfolioLabError(f"{browser} printed nothing of {page.name}: print the page from your own browser")
        # The folder may be on another disk, so it is brought over before it takes its name.
        unfinished = output.with_name(f".{output.name}-{os.getpid()}.part")
        try:
            shutil.copyfile(printed, unfinished)
            unfinished.replace(output)
        finally:
            unfinished.unlink(missing_ok=True)
    return output


def environment(home: Path) -> dict[str, str]:
    """Return what a program that draws may know of ours: where to find things, and no secret."""
    known = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
    return known | {"HOME": str(home)}


def _command(browser: str, page: Path, printed: Path, folder: Path) -> list[str]:
    # Chromium refuses its sandbox to root; the page has no script, and its policy lets none run.
    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    where = [f"--user-data-dir={folder / 'profile'}", f"--print-to-pdf={printed}"]
    return [browser, *_OPTIONS, *sandbox, *where, page.resolve().as_uri()]


def _run(command: list[str], folder: Path, seconds: float) -> None:
    running = subprocess.Popen(  # noqa: S603 - the browser that was found, and a file of ours
        command,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        running.wait(seconds)
    except subprocess.TimeoutExpired as error:
        raise PortfolioLabError(
            f"{command[0]} did not print within {seconds:g} s: try again, or print it yourself"
        ) from error
    finally:
        _end(running)


def _end(running: subprocess.Popen[bytes]) -> None:
    """End the browser with all that it started; its session is its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(running.pid, signal.SIGKILL)
    running.wait()
