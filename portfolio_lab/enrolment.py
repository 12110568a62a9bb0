"""Accounts join and leave a lab: their keys in the vault, their names in lab.toml.

Everything is checked before anything is written, and the vault is written before lab.toml:
a key without an account is idle, an account without a key would fail every cycle. One lock
holds the lab meanwhile, so that two commands at once lose nothing of one another.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import tomlkit
from filelock import FileLock, Timeout
from tomlkit.items import AoT

from portfolio_lab.errors import BadInputError, LockHeldError, UnfitAccountError
from portfolio_lab.models.accounts import Account, Credentials
from portfolio_lab.security import Vault
from portfolio_lab.settings import FILE_NAME, Settings, check_account, load_settings, settings_from_text

LONGEST_CREDENTIAL = 4096
_FIELDS = ("key", "secret", "passphrase")
_PASSPHRASE_VENUES = ("okx",)
LOCK_SECONDS = 120.0
"""How long a command waits for another that changes the same lab, which may be asking a venue."""

Enrolled = Mapping[Account, Credentials]
"""Accounts of the lab that have keys in its vault."""

Inquiry = Callable[[Settings, Account, Enrolled], None]
"""Asks the venue about an account, given the lab and its other accounts at that venue; raises to refuse it."""


def credentials_from_json(text: str, *, venue: str) -> Credentials:
    """Return the credentials in `{"key": .., "secret": .., "passphrase": ..}`.

    No message repeats any part of the text.

    Raises:
        BadInputError: it is not that object, a field is missing or blank, holds a blank or
            a line break, or the venue wants a passphrase and there is none.
    """
    try:
        fields = json.loads(text)
    except ValueError:
        raise BadInputError(f"the credentials are not JSON: write {_shape(venue)}") from None
    if not isinstance(fields, dict):
        raise BadInputError(f"the credentials are not a JSON object: write {_shape(venue)}")
    if set(fields) - set(_FIELDS):
        raise BadInputError(f"the credentials hold a field that is not one of {', '.join(_FIELDS)}: leave it out")
    passphrase = fields.get("passphrase")
    if venue in _PASSPHRASE_VENUES and not passphrase:
        raise BadInputError(f"{venue} needs the passphrase that was chosen with the key: write {_shape(venue)}")
    return Credentials(
        key=_credential(fields.get("key"), "key"),
        secret=_credential(fields.get("secret"), "secret"),
        passphrase=_credential(passphrase, "passphrase") if venue in _PASSPHRASE_VENUES else None,
    )


def _shape(venue: str) -> str:
    more = ', "passphrase": ".."' if venue in _PASSPHRASE_VENUES else ""
    return '{"key": "..", "secret": ".."' + more + "}"


def _credential(value: object, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BadInputError(f"the credentials lack the {name}: give it as text in quotes")
    if len(value) > LONGEST_CREDENTIAL:
        raise BadInputError(f"the {name} is longer than {LONGEST_CREDENTIAL} characters: copy it again")
    # A PEM secret spans lines by nature; anything else with a blank or a break was copied badly.
    if name == "secret" and value.startswith("-----BEGIN "):
        return value
    for place, character in enumerate(value, start=1):
        if not "!" <= character <= "~":
            kind = "a blank or line break" if character.isspace() else "a character that no key has"
            raise BadInputError(f"the {name} holds {kind} at place {place}: copy it again")
    return value


def add_account(
    root: Path, account: Account, credentials: Credentials, passphrase: str, inquire: Inquiry = lambda *_: None
) -> Account:
    """Put an account into the vault and into lab.toml; return it with its wallets filled in.

    The vault is made when the lab has none yet. Comments in lab.toml stay. `inquire` is called
    before anything is written, and stops it by raising.

    Raises:
        BadInputError: the account cannot be used or is there already.
        UnfitAccountError: the same key belongs to another account, or `inquire` refused it.
        VaultError: the vault cannot be opened with this passphrase.
        LockHeldError: another process changes the lab all the time.
    """
    with _held(root):
        settings = load_settings(root)
        checked = _new(account, settings)
        text = _with_account((root / FILE_NAME).read_text(encoding="utf-8-sig"), account)
        settings_from_text(text, root=root)
        vault = Vault.open(settings.vault_path, passphrase) if settings.vault_path.exists() else None
        others = {} if vault is None else enrolled(vault, settings, checked.venue)
        _refuse_same_key(credentials, others)
        inquire(settings, checked, others)
        (vault or Vault.create(settings.vault_path, passphrase)).put(checked, credentials)
        _replace(root / FILE_NAME, text)
    return checked


def _new(account: Account, settings: Settings) -> Account:
    checked = check_account(account)
    if checked.key in {known.key for known in settings.accounts}:
        raise BadInputError(
            f"account {account.user} {account.name} is there already: choose another --label, "
            "or remove it first with `portfolio-lab accounts remove`"
        )
    return checked


def enrolled(vault: Vault, settings: Settings, venue: str | None = None) -> dict[Account, Credentials]:
    """Return the lab's accounts that the vault has keys of, all or those of one venue."""
    held = set(vault.accounts())
    return {
        account: vault.credentials(account)
        for account in settings.accounts
        if account.key in held and venue in {None, account.venue}
    }


def _refuse_same_key(credentials: Credentials, others: Enrolled) -> None:
    for account, theirs in others.items():
        if theirs.key == credentials.key:
            raise UnfitAccountError(
                f"this key is that of {account.user} {account.name} already: give the key of another account, "
                "or remove that one first with `portfolio-lab accounts remove`",
                code="duplicate_account",
            )


def remove_account(root: Path, key: tuple[str, str, str], passphrase: str) -> None:
    """Take an account out of lab.toml and its keys out of the vault. Its history stays in the store.

    Raises:
        BadInputError: there is no such account.
        VaultError: the vault cannot be opened with this passphrase.
        LockHeldError: another process changes the lab all the time.
    """
    with _held(root):
        settings = load_settings(root)
        account = next((known for known in settings.accounts if known.key == key), None)
        if account is None:
            names = ", ".join(f"{known.user} {known.name}" for known in settings.accounts) or "none"
            raise BadInputError(f"there is no account {key[0]} {key[1]}:{key[2]}: the accounts are {names}")
        text = _without_account((root / FILE_NAME).read_text(encoding="utf-8-sig"), key)
        if settings.vault_path.exists():
            Vault.open(settings.vault_path, passphrase).remove(account)
        _replace(root / FILE_NAME, text)


@contextmanager
def _held(root: Path) -> Iterator[None]:
    try:
        with FileLock(root / f".{FILE_NAME}.lock", timeout=LOCK_SECONDS, mode=0o600):
            yield
    except Timeout:
        raise LockHeldError(f"another process changes the accounts of {root}: try again when it has ended") from None


def write_accounts(root: Path, accounts: Iterable[Account]) -> None:
    """Put these accounts into lab.toml in place of those that it names; the vault is left alone.

    Raises:
        BadInputError: one of them cannot be used; nothing is written then.
    """
    with _held(root):
        document = tomlkit.parse((root / FILE_NAME).read_text(encoding="utf-8-sig"))
        document.pop("accounts", None)
        text = tomlkit.dumps(document)
        for account in accounts:
            text = _with_account(text, check_account(account))
        settings_from_text(text, root=root)
        _replace(root / FILE_NAME, text)


def _with_account(text: str, account: Account) -> str:
    document = tomlkit.parse(text)
    table = tomlkit.table()
    for name in ("user", "venue", "label"):
        table[name] = getattr(account, name)
    if account.base_url is not None:
        table["base_url"] = account.base_url
    if account.region:
        table["region"] = account.region
    if account.wallets:
        table["wallets"] = [wallet.value for wallet in account.wallets]
    rows = document.get("accounts")
    if rows is not None and not isinstance(rows, AoT):
        if rows:
            raise BadInputError("lab.toml lists its accounts inline: write each as a table under [[accounts]] first")
        del document["accounts"]
    return tomlkit.dumps(document).rstrip("\n") + "\n\n[[accounts]]\n" + table.as_string()


def _without_account(text: str, key: tuple[str, str, str]) -> str:
    document = tomlkit.parse(text)
    rows = document["accounts"]
    if not isinstance(rows, AoT):
        raise BadInputError("lab.toml lists its accounts inline: remove this one by hand")
    index = next(i for i, row in enumerate(rows) if (row["user"], row["venue"], row["label"]) == key)
    del rows[index]
    if not len(rows):
        del document["accounts"]
    return tomlkit.dumps(document)


def _replace(path: Path, text: str) -> None:
    # A reader sees the old file or the new one, never half of one.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as draft:
            draft.write(text)
            draft.flush()
            os.fsync(draft.fileno())
        Path(name).chmod(path.stat().st_mode & 0o777)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
