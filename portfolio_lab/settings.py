"""lab.toml, read once, frozen and strict: what a lab is made of, without any secret.

    reporting_currency = "USD"
    interval_seconds = 60
    alert_channels = []

    [[accounts]]
    user = "alice"
    venue = "binance"
    label = "main"

A key that is unknown, misspelt or doubled is an error that names its line: a setting that is
silently ignored is worse than one that is missing. Keys and secrets live in the vault.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

from portfolio_lab.addresses import check_base_url
from portfolio_lab.errors import BadInputError, ConfigError
from portfolio_lab.lines import Page
from portfolio_lab.models.accounts import KNOWN_WALLETS, VENUE_WALLETS, Account, Wallet, check_name

T = TypeVar("T")

FILE_NAME = "lab.toml"
CURRENCIES = ("USD", "USDT", "EUR", "BTC")
SHORTEST_INTERVAL = 60
LONGEST_INTERVAL = 300
LONGEST_TIER = 86_400
REGIONS = {"okx": ("eea", "us")}
"""Parts of the world that a venue serves from hosts of their own; a key works at its own region only."""

_TOP_KEYS: dict[str, type] = {
    "reporting_currency": str,
    "interval_seconds": int,
    "orders_seconds": int,
    "history_seconds": int,
    "slow_seconds": int,
    "allow_trading_keys": bool,
    "allow_any_interval": bool,
    "store_path": str,
    "runs_path": str,
    "vault_path": str,
    "dask_address": str,
    "alert_channels": list,
    "keep_days": int,
    "users": list,
    "accounts": list,
}
_ACCOUNT_KEYS: dict[str, type] = {
    "user": str,
    "venue": str,
    "label": str,
    "base_url": str,
    "wallets": list,
    "region": str,
}
_KIND_NAMES = {str: "text in quotes", int: "a whole number", bool: "true or false", list: "a list"}
_SECRET_WORDS = ("secret", "passphrase", "password", "api_key", "apikey", "token")


@dataclass(frozen=True, slots=True)
class Settings:
    """One lab, as configured.

    Paths that are given relative are taken from `root`; `store_path` is text where it is a bucket
    ('s3://bucket/prefix'). `interval_seconds` is the promised
    cadence of the core; `orders_seconds`, `history_seconds` and `slow_seconds` those of open
    orders, of the streams of activity, and of savings, loans, bots and the venue's own totals.
    A key that may do more than read is refused unless `allow_trading_keys`. `keep_days` is how
    long output notebooks are kept. Where `dask_address` names a scheduler, its workers read the
    accounts. `alert_channels` are apprise addresses; they carry tokens,
    so no repr shows them.
    """

    root: Path
    reporting_currency: str = "USD"
    interval_seconds: int = SHORTEST_INTERVAL
    orders_seconds: int = 120
    history_seconds: int = 600
    slow_seconds: int = 900
    allow_trading_keys: bool = False
    store_path: Path | str = Path("store")
    runs_path: Path = Path("runs")
    vault_path: Path = Path("vault.json")
    dask_address: str = ""
    alert_channels: tuple[str, ...] = field(default=(), repr=False)
    keep_days: int = 14
    users: tuple[str, ...] = ()
    accounts: tuple[Account, ...] = ()

    def __post_init__(self) -> None:
        for name in ("store_path", "runs_path", "vault_path"):
            if not is_bucket(given := getattr(self, name)):
                object.__setattr__(self, name, self.root / given)

    def accounts_of(self, user: str) -> tuple[Account, ...]:
        """Return the accounts of one user, in the order of lab.toml."""
        return tuple(account for account in self.accounts if account.user == user)


def is_bucket(place: object) -> TypeGuard[str]:
    """Return whether a store's place is a bucket ('s3://bucket/prefix') and no folder."""
    return isinstance(place, str) and place.startswith("s3://")


def load_settings(root: Path) -> Settings:
    """Return the settings of the lab in folder `root`.

    Raises:
        ConfigError: there is no lab.toml, or something in it cannot be used; the message
            names the line and what to write instead.
    """
    return settings_from_text(_read(root / FILE_NAME), root=root)


def settings_from_text(text: str, *, root: Path) -> Settings:
    """Return the settings that the text of a lab.toml describes, for a lab in folder `root`.

    Raises:
        ConfigError: something in the text cannot be used.
    """
    page = Page(text)
    table = _parse(page)
    _check_keys(table, _TOP_KEYS, page, row=None)
    accounts = _accounts(table.get("accounts", []), page)
    return Settings(
        root=root,
        reporting_currency=_currency(table, page),
        interval_seconds=check_interval(
            table.get("interval_seconds", SHORTEST_INTERVAL),
            any_allowed=table.get("allow_any_interval", False),
            line=page.line("interval_seconds"),
        ),
        orders_seconds=_tier(table, "orders_seconds", 120, page),
        history_seconds=_tier(table, "history_seconds", 600, page),
        slow_seconds=_tier(table, "slow_seconds", 900, page),
        allow_trading_keys=table.get("allow_trading_keys", False),
        store_path=place if is_bucket(place := table.get("store_path")) else _path(table, "store_path", "store", page),
        runs_path=_path(table, "runs_path", "runs", page),
        vault_path=_path(table, "vault_path", "vault.json", page),
        dask_address=table.get("dask_address", ""),
        alert_channels=_texts(table.get("alert_channels", []), page.line("alert_channels"), what="alert_channels"),
        keep_days=_keep_days(table, page),
        users=_users(table, accounts, page),
        accounts=accounts,
    )


def check_interval(seconds: int, *, any_allowed: bool = False, line: int | None = None) -> int:
    """Return `seconds` when it is a cadence that may be promised, else raise ConfigError."""
    longest = 86_400 if any_allowed else LONGEST_INTERVAL
    shortest = 1 if any_allowed else SHORTEST_INTERVAL
    if shortest <= seconds <= longest:
        return seconds
    remedy = "" if any_allowed else ", or set allow_any_interval = true if you mean it"
    msg = f"an interval of {seconds} s is outside {shortest} to {longest} s: choose one inside{remedy}"
    raise ConfigError(msg, line=line)


def check_account(account: Account) -> Account:
    """Return the account with its wallets filled in, or raise when it cannot be used.

    Raises:
        BadInputError: the venue is unknown, a name is not usable, a wallet is not one of
            the venue's, or `base_url` is not a safe origin.
    """
    check_name(account.user, what="user")
    check_name(account.label, what="label")
    known = _venue_wallets(account.venue)
    for wallet in account.wallets:
        if wallet not in known:
            msg = f"{account.venue} has no wallet {wallet.value!r}: it has {_listed(known)}"
            raise BadInputError(msg)
    check_base_url(account.base_url)
    _check_region(account)
    return replace(account, wallets=account.wallets or VENUE_WALLETS[account.venue])


def _check_region(account: Account) -> None:
    regions = REGIONS.get(account.venue, ())
    if account.region and account.region not in regions:
        known = f"it has {_listed(regions)}" if regions else "it has one address for the whole world"
        raise BadInputError(f"{account.venue} has no region {account.region!r}: {known}; or leave the key out")


def wallets_from(names: Iterable[str], venue: str) -> tuple[Wallet, ...]:
    """Return the wallets of these names, each once, or raise BadInputError with the nearest name."""
    known = [wallet.value for wallet in _venue_wallets(venue)]
    wallets = []
    for name in names:
        if name not in known:
            msg = f"{venue} has no wallet {name!r}{_nearest(name, known)}: it has {_listed(known)}"
            raise BadInputError(msg)
        wallets.append(Wallet(name))
    return tuple(dict.fromkeys(wallets))


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        msg = f"no {FILE_NAME} in {path.parent}: run `portfolio-lab --lab {path.parent} init`, or name another folder"
        raise ConfigError(msg) from None
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror}): check that it is a file and that you may read it"
        raise ConfigError(msg) from None
    except UnicodeDecodeError:
        msg = f"{path} is not UTF-8 text: save it as UTF-8"
        raise ConfigError(msg) from None


def _parse(page: Page) -> dict[str, Any]:
    try:
        return tomllib.loads(page.text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else len(page.text.splitlines())
        raise ConfigError(_syntax_message(str(error), page, line), line=line) from None


def _syntax_message(problem: str, page: Page, line: int | None) -> str:
    text = page.text.splitlines()[line - 1] if line else ""
    key = text.partition("=")[0].strip()
    if "overwrite" in problem.lower() or "twice" in problem.lower() or "mutate" in problem.lower():
        return f"{key!r} is given twice: keep one of them"
    reason = problem.partition(" (at")[0]
    return f"this is not valid TOML ({reason}): compare it with the example in docs/operations.md"


# ---------------------------------------------------------------- checks of one key


def _check_keys(table: Mapping[str, Any], kinds: Mapping[str, type], page: Page, *, row: int | None) -> None:
    for key, value in table.items():
        line = page.line(key, row)
        if key not in kinds:
            raise ConfigError(_unknown_key(key, kinds), line=line)
        if type(value) is not kinds[key]:
            msg = f"{key} must be {_KIND_NAMES[kinds[key]]}"
            raise ConfigError(msg, line=line)


def _unknown_key(key: str, kinds: Iterable[str]) -> str:
    if any(word in key.lower() for word in _SECRET_WORDS) or key.lower() == "key":
        return f"{key!r} does not belong here: put keys into the vault with `portfolio-lab accounts add`"
    return f"unknown key {key!r}{_nearest(key, kinds)}: the keys are {_listed(kinds)}"


def _nearest(name: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name.lower(), list(known), n=1)
    return f" (did you mean {nearest[0]!r}?)" if nearest else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(str(name) for name in names)


def _currency(table: Mapping[str, Any], page: Page) -> str:
    currency: str = table.get("reporting_currency", "USD")
    if currency in CURRENCIES:
        return currency
    msg = f"unknown reporting currency {currency!r}{_nearest_upper(currency)}: use {' or '.join(CURRENCIES)}"
    raise ConfigError(msg, line=page.line("reporting_currency"))


def _nearest_upper(name: str) -> str:
    return f" (did you mean {name.upper()!r}?)" if name.upper() in CURRENCIES else ""


def _keep_days(table: Mapping[str, Any], page: Page) -> int:
    days: int = table.get("keep_days", 14)
    if days >= 1:
        return days
    msg = f"keep_days = {days}: keep output notebooks for at least 1 day"
    raise ConfigError(msg, line=page.line("keep_days"))


def _tier(table: Mapping[str, Any], key: str, default: int, page: Page) -> int:
    seconds: int = table.get(key, default)
    if 1 <= seconds <= LONGEST_TIER:
        return seconds
    raise ConfigError(f"{key} = {seconds}: choose between 1 and {LONGEST_TIER} s", line=page.line(key))


def _path(table: Mapping[str, Any], key: str, default: str, page: Page) -> Path:
    text: str = table.get(key, default)
    if text.strip():
        return Path(text).expanduser()
    msg = f"{key} is empty: name a folder or leave the key out"
    raise ConfigError(msg, line=page.line(key))


def _texts(values: list[Any], line: int | None, *, what: str) -> tuple[str, ...]:
    if all(isinstance(value, str) and value.strip() for value in values):
        return tuple(values)
    msg = f"{what} must be a list of texts in quotes, none of them empty"
    raise ConfigError(msg, line=line)


def _users(table: Mapping[str, Any], accounts: tuple[Account, ...], page: Page) -> tuple[str, ...]:
    line = page.line("users")
    named = _texts(table.get("users", []), line, what="users")
    for name in named:
        _at_line(line, check_name, name, what="user")
    doubled = [name for name, count in Counter(named).items() if count > 1]
    if doubled:
        msg = f"user {doubled[0]!r} is listed twice: keep one"
        raise ConfigError(msg, line=line)
    return tuple(dict.fromkeys((*named, *(account.user for account in accounts))))


# ---------------------------------------------------------------- accounts


def _accounts(rows: list[Any], page: Page) -> tuple[Account, ...]:
    accounts: dict[tuple[str, str, str], Account] = {}
    for row, table in enumerate(rows):
        account = _account(table, page, row)
        if account.key in accounts:
            msg = f"account {account.user} {account.name} is listed twice: keep one, or give one another label"
            raise ConfigError(msg, line=page.line("", row))
        accounts[account.key] = account
    return tuple(accounts.values())


def _account(table: Any, page: Page, row: int) -> Account:  # noqa: ANN401 - what TOML gave, before it is checked
    start = page.line("", row)
    if not isinstance(table, dict):
        msg = "accounts must be tables: write [[accounts]] and the account's keys below it"
        raise ConfigError(msg, line=start)
    _check_keys(table, _ACCOUNT_KEYS, page, row=row)
    missing = [key for key in ("user", "venue", "label") if key not in table]
    if missing:
        msg = f"an account lacks {_listed(missing)}: every account needs user, venue and label"
        raise ConfigError(msg, line=start)
    return _checked_account(table, page, row)


def _checked_account(table: Mapping[str, Any], page: Page, row: int) -> Account:
    venue: str = table["venue"]
    _at_line(page.line("venue", row), _venue_wallets, venue)
    for key in ("user", "label"):
        _at_line(page.line(key, row), check_name, table[key], what=key)
    line = page.line("wallets", row)
    names = _texts(table.get("wallets", []), line, what="wallets")
    wallets = _at_line(line, wallets_from, names, venue)
    account = Account(table["user"], venue, table["label"], table.get("base_url"), wallets, table.get("region", ""))
    return _at_line(page.line("base_url", row), check_account, account)


def _at_line(line: int | None, check: Callable[..., T], *args: object, **kwargs: object) -> T:
    try:
        return check(*args, **kwargs)
    except ConfigError:
        raise
    except BadInputError as error:
        raise ConfigError(str(error), line=line) from None


def _venue_wallets(venue: str) -> tuple[Wallet, ...]:
    if venue in KNOWN_WALLETS:
        return KNOWN_WALLETS[venue]
    msg = f"unknown venue {venue!r}{_nearest(venue, KNOWN_WALLETS)}: the venues are {_listed(KNOWN_WALLETS)}"
    raise BadInputError(msg)
