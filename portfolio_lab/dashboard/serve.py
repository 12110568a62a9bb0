"""Serving the dashboard: Voila as a child process, on this machine only, behind a token.

Voila by itself asks nobody for anything. Everything that closes it is in `voila_settings`,
which goes into a private file, not onto the command line where any user could read the token.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any

from portfolio_lab.dashboard.theme import TEMPLATE, TEMPLATE_ROOT
from portfolio_lab.errors import BadInputError, PortfolioLabError
from portfolio_lab.layout import packaged
from portfolio_lab.settings import load_settings
from portfolio_lab.store import Store

HOST = "127.0.0.1"
PORT = 8866
NOTEBOOK = "portfolio.ipynb"
LAB_VARIABLE = "PORTFOLIO_LAB_DIR"
_LOG_VARIABLE = "PORTFOLIO_LAB_DASHBOARD_LOG"
_SECRET_NAME = re.compile(r"SECRET|PASS|KEY|TOKEN|CREDENTIAL", re.IGNORECASE)
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0


def serve_dashboard(lab_root: Path, *, port: int = PORT, token: str | None = None, open_browser: bool = False) -> None:
    """Serve the dashboard of the lab in `lab_root` until Ctrl-C; prints its address with its token.

    Raises:
        BadInputError: there is no lab or no store, or the port is taken; nothing was started.
    """
    signal.signal(signal.SIGTERM, _leave)
    with running_dashboard(lab_root, port=port, token=token) as server:
        print(f"dashboard: {server.url}", flush=True)  # noqa: T201 - the address is this command's answer
        if open_browser:
            webbrowser.open(server.url)
        try:
            server.wait()
        except KeyboardInterrupt:
            print("dashboard: stopped", flush=True)  # noqa: T201 - tells that Ctrl-C was heard


def _leave(_number: int, _frame: FrameType | None) -> None:
    # Voila runs in a session of its own: without this it would outlive a command that is told to end.
    raise SystemExit(0)


@contextmanager
def running_dashboard(
    lab_root: Path, *, port: int = PORT, token: str | None = None, notebook: Path | None = None
) -> Iterator[Server]:
    """Start the dashboard, give it when its port answers, and stop it and its kernels at the end.

    Port 0 takes any free one. `notebook` is served instead of the lab's own.
    """
    server = start_dashboard(lab_root, port=port, token=token, notebook=notebook)
    with server:
        yield server


def start_dashboard(
    lab_root: Path, *, port: int = PORT, token: str | None = None, notebook: Path | None = None
) -> Server:
    """Start the dashboard and return it as soon as it answers; call its `stop` in the end.

    Raises:
        BadInputError: there is no lab or no store, or the port is taken; nothing was started.
        PortfolioLabError: Voila did not start.
    """
    root = lab_root.expanduser().resolve()
    served = notebook if notebook is not None else lab_notebook(root)
    free = free_port(port)
    server = Server(root=root, port=free, token=token or secrets.token_urlsafe(24))
    server.start(served)
    return server


def lab_notebook(root: Path) -> Path:
    """Return the notebook to serve for the lab in `root`, after a look at the lab and its store.

    Raises:
        BadInputError: lab.toml or the store is missing, or lab.toml cannot be used.
    """
    Store.open(load_settings(root).store_path)
    own = root / "dashboards" / NOTEBOOK
    return own if own.is_file() else packaged("dashboards") / NOTEBOOK


def free_port(port: int) -> int:
    """Return `port` after trying it, or any free one for 0.

    Raises:
        BadInputError: the port is taken or may not be used.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise BadInputError(f"port {port} on {HOST} is taken: choose another one with --port") from None
        return int(probe.getsockname()[1])


def kernel_environment(environment: Mapping[str, str], root: Path) -> dict[str, str]:
    """Return the environment for Voila and its kernels: nothing named like a secret, and the lab's path."""
    kept = {name: value for name, value in environment.items() if not _SECRET_NAME.search(name)}
    paths = [str(TEMPLATE_ROOT), *filter(None, [kept.get("JUPYTER_PATH")])]
    return kept | {
        LAB_VARIABLE: str(root),
        _LOG_VARIABLE: str(root / "runs" / "dashboard.log") if (root / "runs").is_dir() else "",
        "JUPYTER_PATH": os.pathsep.join(paths),
        "PYTHONWARNINGS": "ignore",  # a warning in a cell would stand on the reader's page
    }


def voila_settings(port: int, token: str) -> dict[str, Any]:
    """Return Voila's configuration: local, behind a token, overrides and files off, idle kernels culled."""
    return {
        "Voila": {
            "ip": HOST, "port": port, "port_retries": 0, "token": token, "open_browser": False,
        },
        "VoilaConfiguration": {
            "template": TEMPLATE,
            "allow_template_override": "NO",
            "allow_theme_override": "NO",
            "file_allowlist": [],
            "show_tracebacks": False,
            "strip_sources": True,
            "preheat_kernel": False,
            "extension_denylist": ["jupyterlab-jupytext"],
        },
        # The page's own messages do not count as activity, so a kernel lives while its page is
        # connected and two minutes longer.
        "MappingKernelManager": {"cull_interval": 30, "cull_idle_timeout": 120, "cull_connected": False},
    }  # fmt: skip


@dataclass
class Server:
    """A running dashboard. `url` holds the token: whoever has it can read the lab."""

    root: Path
    port: int
    token: str = field(repr=False)
    _child: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _folder: Path | None = field(default=None, repr=False)
    _output: IO[bytes] | None = field(default=None, repr=False)

    @property
    def base(self) -> str:
        """The address without the token."""
        return f"http://{HOST}:{self.port}/"

    @property
    def url(self) -> str:
        """The address to open in a browser, token included."""
        return f"{self.base}?token={self.token}"

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, notebook: Path) -> None:
        """Start Voila on `notebook` and return when it answers."""
        self._folder = Path(tempfile.mkdtemp(prefix="portfolio-lab-dashboard-"))
        settings = self._folder / "voila.json"
        settings.touch(mode=0o600)
        settings.write_text(json.dumps(voila_settings(self.port, self.token)), encoding="utf-8")
        self._output = (self._folder / "voila.log").open("wb")
        command = [
            # -P: a file called voila.py where we stand must not be taken for the package.
            sys.executable, "-P", "-m", "voila", str(notebook.resolve()), f"--Voila.config_file_paths={self._folder}",
        ]  # fmt: skip
        self._child = subprocess.Popen(  # noqa: S603 - our own interpreter, our own arguments
            command,
            cwd=self._folder,
            env=kernel_environment(os.environ, self.root),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches us; we end Voila, and Voila its kernels
        )
        self._await_answer()

    def wait(self) -> None:
        """Return when Voila has ended."""
        if self._child is not None:
            self._child.wait()

    def stop(self) -> None:
        """End Voila and its kernels, and remove the private folder. Calling it twice does no harm."""
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(timeout=_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        if self._output is not None:
            self._output.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _await_answer(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._child is None or self._child.poll() is not None:
                break
            if answers(f"{self.base}voila/static/voila.js"):
                return
            time.sleep(0.2)
        said = self._last_line()
        self.stop()
        raise PortfolioLabError(f"the dashboard did not start: {said}")

    def _last_line(self) -> str:
        if self._folder is None:
            return "no output"
        lines = (self._folder / "voila.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1].replace(self.token, "…") if lines else "no output"


def answers(address: str) -> bool:
    """Return whether something on this machine answers at `address`, whatever it says."""
    try:
        with urllib.request.urlopen(address, timeout=2):  # noqa: S310 - always http on 127.0.0.1
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
