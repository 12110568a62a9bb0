"""Where the notebooks, dashboards and scheduled jobs lie, and what a new lab is made of.

In a checkout they are top-level folders; an installed wheel carries copies of them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from portfolio_lab.errors import BadInputError, StoreError
from portfolio_lab.settings import FILE_NAME, is_bucket

FOLDERS = ("notebooks", "dashboards", "scheduled")

_HERE = Path(__file__).resolve().parent
_NOT_LAID = shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__", ".*")
_FIRST_LAB_TOML = """\
# What this lab is made of. No key belongs in here: `portfolio-lab accounts add` puts keys into the vault.

# Money is shown in this currency: USD or USDT.
reporting_currency = "USD"

# Seconds between two snapshots, 60 to 300. (allow_any_interval = true lifts the limits.)
interval_seconds = 60

# Where failures are told, as apprise addresses, e.g. ["mailto://...", "slack://..."]. Try it: portfolio-lab alerts test
alert_channels = []

# Days for which the output notebooks of sync are kept.
keep_days = 14

# Folders and files, relative to this one. The store may be in a bucket: "s3://bucket/prefix".
store_path = "store"
runs_path = "runs"
vault_path = "vault.json"

# One table for each account; `portfolio-lab accounts add USER VENUE --label LABEL` writes it:
#
# [[accounts]]
# user = "alice"
# venue = "binance"                # binance or okx
# label = "main"
# wallets = ["spot", "usd_m"]      # those that must answer; all of the venue when left out
"""


def packaged(folder: str) -> Path:
    """Return the path of one of FOLDERS, as this installation carries it.

    Raises:
        StoreError: the installation is incomplete.
    """
    for place in (_HERE / "_lab" / folder, _HERE.parent / folder):
        if place.is_dir():
            return place
    msg = f"this installation lacks its {folder} folder: install portfolio-lab again"
    raise StoreError(msg)


def lay_lab(root: Path, *, store: str = "store") -> tuple[Path, ...]:
    """Make a new lab in folder `root` and return the paths that were made.

    `store` is the store's folder, relative to `root`, or 's3://bucket/prefix'. lab.toml
    is written last, so that a lab that was only half made is not taken for one.

    Raises:
        BadInputError: something that would be written is there already, or `root` cannot
            be written; nothing has been changed in the first case.
        StoreError: the bucket cannot be written.
    """
    from portfolio_lab.store import Store  # noqa: PLC0415 - keeps `--help` and the dashboard's start quick

    made = (FILE_NAME, *([] if is_bucket(store) else [store]), "runs", *FOLDERS)
    _check_free(root, made)
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in FOLDERS:
            shutil.copytree(packaged(folder), root / folder, ignore=_NOT_LAID)
        (root / "runs").mkdir(mode=0o700)
        Store.create(store if is_bucket(store) else root / store)
        (root / FILE_NAME).write_text(_first_lab_toml(store), encoding="utf-8")
    except OSError as error:
        msg = f"cannot make a lab in {root} ({error.strerror}): choose a folder that you may write"
        raise BadInputError(msg) from None
    return tuple(root / name for name in made)


def _first_lab_toml(store: str) -> str:
    return _FIRST_LAB_TOML.replace('store_path = "store"', f"store_path = {json.dumps(store)}")


def _check_free(root: Path, made: Iterable[str]) -> None:
    if root.exists() and not root.is_dir():
        msg = f"{root} is not a folder: name another one"
        raise BadInputError(msg)
    for name in made:
        if (root / name).exists():
            msg = f"{root / name} is there already and nothing is overwritten: choose an empty folder"
            raise BadInputError(msg)
