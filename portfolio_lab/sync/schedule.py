"""The schedule: papermill runs scheduled/sync.ipynb once a slot, in process, for as long as it is left alone.

Slots are multiples of `every` seconds of UTC, so a slow run never makes the next one drift. A
slot that a long run covered is skipped, never made up for: its answers would be of another time.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from types import FrameType

from portfolio_lab.errors import BadInputError
from portfolio_lab.security.private_files import PRIVATE_FILE, make_private_folder
from portfolio_lab.security.redaction import is_registered, looks_secret, redact
from portfolio_lab.settings import Settings, check_interval, load_settings
from portfolio_lab.sync.alerts import Alerts
from portfolio_lab.sync.cycle import Clock, slot_at, utc_now
from portfolio_lab.sync.heartbeat import write_heartbeat
from portfolio_lab.sync.journal import journal

logger = logging.getLogger(__name__)

NOTEBOOK = Path("scheduled") / "sync.ipynb"
CELL_TIMEOUT = 300
_NAP = 0.2
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_DAY_FOLDER = re.compile(r"\d{4}-\d{2}-\d{2}")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Run:
    """One scheduled run: its slot, whether it worked, what to say of it, and its output notebook."""

    slot: datetime
    worked: bool
    reason: str
    output: Path
    seconds: float

    def line(self) -> str:
        """Return the run in one readable line."""
        outcome = "ok" if self.worked else f"FAILED: {self.reason}; its notebook is kept"
        return f"{self.slot:%Y-%m-%d %H:%M:%S} UTC {outcome} ({self.seconds:.1f} s, {self.output})"


def run_schedule(
    lab: Path,
    *,
    every: int,
    cycles: int | None = None,
    allow_any_interval: bool = False,
    clock: Clock = utc_now,
    say: Say | None = None,
) -> list[Run]:
    """Run the lab's sync notebook once in each slot; return the runs when it ends.

    It ends after `cycles` runs, or after the run at hand when SIGINT or SIGTERM arrives.

    Args:
        lab: the lab's folder, with scheduled/sync.ipynb.
        every: seconds between slots, 60 to 300.
        cycles: how many runs; None for no end.
        allow_any_interval: let `every` be outside 60 to 300 seconds.
        clock: gives the present instant.
        say: is given one readable line a run; printed when None.

    Raises:
        ConfigError: `every` or lab.toml cannot be used.
        BadInputError: the notebook is missing or unreadable.
    """
    check_interval(every, any_allowed=allow_any_interval)
    settings = load_settings(Path(lab))
    notebook = check_notebook(settings.root / NOTEBOOK)
    speak = say or _print
    schedule = _Schedule(settings, notebook, every, clock)
    with journal(settings.runs_path), _ends_on_signal() as ending:
        return schedule.run(cycles, ending, speak)


def check_notebook(path: Path) -> Path:
    """Return the path of a readable notebook with a `parameters` cell, or raise BadInputError."""
    import nbformat  # noqa: PLC0415  only a schedule reads notebooks

    try:
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
        nbformat.validate(notebook)
    except FileNotFoundError:
        msg = f"no notebook at {path}: run `portfolio-lab init` to lay it into the lab"
        raise BadInputError(msg) from None
    except (OSError, ValueError, AttributeError, KeyError, TypeError, nbformat.ValidationError) as error:
        msg = (
            f"{path} is not a notebook that can be read ({type(error).__name__}): restore it with `portfolio-lab init`"
        )
        raise BadInputError(msg) from None
    if not any("parameters" in cell.metadata.get("tags", []) for cell in notebook.cells):
        msg = f"{path} has no cell tagged 'parameters': restore it with `portfolio-lab init`"
        raise BadInputError(msg)
    return path


def check_parameters(parameters: Mapping[str, object]) -> dict[str, object]:
    """Return the parameters, or raise BadInputError: papermill pastes names as code and stores values in clear."""
    for name, value in parameters.items():
        if not _NAME.fullmatch(name):
            msg = f"a notebook parameter's name must be a plain identifier, not {name[:20]!r}..."
            raise BadInputError(msg)
        if looks_secret(name) or is_registered(str(value)) or redact(str(value)) != str(value):
            msg = f"the notebook parameter {name!r} looks like a secret: the notebook opens the vault itself"
            raise BadInputError(msg)
    return dict(parameters)


class _Schedule:
    """The loop of runs."""

    def __init__(self, settings: Settings, notebook: Path, every: int, clock: Clock) -> None:
        self._settings = settings
        self._notebook = notebook
        self._every = every
        self._clock = clock
        self._alerts = Alerts(settings.runs_path, settings.alert_channels)

    def run(self, cycles: int | None, ending: threading.Event, say: Say) -> list[Run]:
        runs: list[Run] = []
        slot = slot_at(self._clock(), self._every)
        while not ending.is_set() and (cycles is None or len(runs) < cycles):
            if not self._wait_for(slot, ending):
                break
            run = self._run_slot(slot)
            runs = [*runs, run] if cycles is not None else [run]
            say(run.line())
            slot = self._next(slot, say)
        return runs

    def _next(self, slot: datetime, say: Say) -> datetime:
        following = slot + timedelta(seconds=self._every)
        current = slot_at(self._clock(), self._every)
        if current > following:
            missed = int((current - following).total_seconds()) // self._every
            logger.warning("slots_missed since=%s count=%d", following.isoformat(), missed)
            say(f"{missed} slot(s) from {following:%H:%M:%S} UTC were missed: the run before took too long")
        return max(following, current)

    def _wait_for(self, slot: datetime, ending: threading.Event) -> bool:
        # Short naps: a signal ends the wait at once, and a clock that jumps is noticed.
        while (left := (slot - self._clock()).total_seconds()) > 0:
            if ending.is_set():
                return False
            time.sleep(min(left, _NAP))
        return True

    def _run_slot(self, slot: datetime) -> Run:
        # A full disk costs runs, not the schedule: it goes on once there is room again.
        try:
            run = run_notebook(self._notebook, self._settings, slot=slot)
        except OSError as error:
            run = Run(slot, False, f"the disk refused: {error.strerror}", _output(self._settings, slot), 0.0)
        try:
            self._record(run)
        except OSError as error:
            logger.error("run_not_recorded slot=%s reason=%s", slot.isoformat(), error.strerror)  # noqa: TRY400
        return run

    def _record(self, run: Run) -> None:
        slot = run.slot
        if run.worked:
            self._alerts.tell_run_worked()
        else:
            logger.error("run_failed slot=%s output=%s reason=%r", slot.isoformat(), run.output, run.reason)
            self._alerts.tell_run_failed(slot=slot.isoformat(), reason=run.reason)
        write_heartbeat(
            self._settings.runs_path,
            at=self._clock(),
            slot=slot,
            outcome="ok" if run.worked else "failed",
            seconds=run.seconds,
            next_slot=slot + timedelta(seconds=self._every),
        )
        prune(self._settings.runs_path, today=slot.date(), keep_days=self._settings.keep_days)


def run_notebook(notebook: Path, settings: Settings, *, slot: datetime) -> Run:
    """Run the notebook once with the parameters `lab` and `slot`; the output is kept, whatever happens."""
    started = time.monotonic()
    output = _output(settings, slot)
    parameters = check_parameters({"lab": str(settings.root.absolute()), "slot": slot.isoformat()})
    with _drafted(output) as draft:
        reason = _execute(notebook, draft, parameters)
    return Run(slot, not reason, reason, output, time.monotonic() - started)


def _output(settings: Settings, slot: datetime) -> Path:
    return settings.runs_path / f"{slot:%Y-%m-%d}" / f"{slot:%H%M%S}.ipynb"


def prune(runs_path: Path, *, today: date, keep_days: int) -> list[Path]:
    """Remove the day folders of output notebooks older than `keep_days` days; return them."""
    oldest = (today - timedelta(days=keep_days)).isoformat()
    old = [
        folder
        for folder in sorted(runs_path.iterdir())
        if _DAY_FOLDER.fullmatch(folder.name) and folder.name < oldest and folder.is_dir() and not folder.is_symlink()
    ]
    for folder in old:
        shutil.rmtree(folder)
    return old


def _execute(notebook: Path, draft: Path, parameters: dict[str, object]) -> str:
    import papermill  # noqa: PLC0415  two seconds of import that only a schedule pays
    from jupyter_client.kernelspec import NoSuchKernel  # noqa: PLC0415  as above
    from nbclient.exceptions import CellTimeoutError, DeadKernelError  # noqa: PLC0415  as above

    try:
        papermill.execute_notebook(
            str(notebook),
            str(draft),
            parameters=parameters,
            kernel_name="python3",
            progress_bar=False,
            log_output=False,
            cwd=str(notebook.parent),
            execution_timeout=CELL_TIMEOUT,
        )
    except papermill.PapermillExecutionError as error:
        return redact(f"{error.ename}: {error.evalue}")
    except (CellTimeoutError, DeadKernelError, NoSuchKernel, RuntimeError) as error:
        return redact(f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}")
    return ""


@contextmanager
def _drafted(output: Path) -> Iterator[Path]:
    make_private_folder(output.parent)
    draft = output.with_name(f".{output.stem}-{secrets.token_hex(4)}.ipynb")
    # Made before papermill opens it, so that no moment exists in which others may read it.
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))
    try:
        yield draft
    finally:
        if draft.stat().st_size:
            draft.write_text(redact(draft.read_text(encoding="utf-8")), encoding="utf-8")
        draft.replace(output)


@contextmanager
def _ends_on_signal() -> Iterator[threading.Event]:
    ending = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield ending
        return

    def end(_number: int, _frame: FrameType | None) -> None:
        # The flag is only ever polled, so setting it inside a handler cannot block.
        ending.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ending
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _print(line: str) -> None:
    print(line, file=sys.stdout, flush=True)  # noqa: T201  a schedule speaks to whoever started it
