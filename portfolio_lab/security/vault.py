"""The credential vault: one file of mode 0600, every field sealed on its own.

Each field of each account is AES-256-GCM ciphertext bound to (version, user, account, field),
so that a record copied onto another account does not open. The key comes from a passphrase by
scrypt. A `seal` over the list of accounts tells a wrong passphrase, and a removed record, at
the moment of opening. The file must be exactly what we would have written: a byte that changed
anywhere is damage.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from filelock import FileLock, Timeout

from portfolio_lab.errors import VaultError
from portfolio_lab.models.accounts import Account, Credentials
from portfolio_lab.security.private_files import write_private
from portfolio_lab.security.redaction import register_credentials, register_secret

PASSPHRASE_VARIABLE = "PORTFOLIO_LAB_PASSPHRASE_FILE"  # noqa: S105  the name of a variable
VERSION = 1
LARGEST_FILE = 16 * 2**20
_KEY_BYTES, _NONCE_BYTES, _SALT_BYTES = 32, 12, 16
_COST, _BLOCK, _LANES = 2**17, 8, 1
_FIELDS = ("key", "secret", "passphrase")

AccountKey = tuple[str, str, str]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A shape that refuses what it does not know."""


class _Box(_Strict, frozen=True):
    nonce: bytes
    ciphertext: bytes


class _Record(_Strict, frozen=True):
    user: str
    venue: str
    label: str
    fields: dict[str, _Box]

    @property
    def key(self) -> AccountKey:
        return (self.user, self.venue, self.label)


class _Document(_Strict, frozen=True):
    version: int
    kdf: str
    n: int
    r: int
    p: int
    salt: bytes
    seal: _Box
    records: tuple[_Record, ...]


class Vault:
    """An opened vault. It keeps the derived key in memory, and no credential until it is asked for one."""

    def __init__(self, path: Path, key: bytes, document: _Document) -> None:
        self._path = path
        self._key = key
        self._document = document

    def __repr__(self) -> str:
        return f"Vault({str(self._path)!r}, accounts={len(self._document.records)})"

    @classmethod
    def create(cls, path: Path, passphrase: str) -> Vault:
        """Return a new, empty vault, written to `path`.

        Raises:
            VaultError: something is there already, the passphrase is empty, or the disk refused.
        """
        if path.is_symlink() or path.exists():
            msg = f"{path} is there already: it is left as it is"
            raise VaultError(msg)
        salt = secrets.token_bytes(_SALT_BYTES)
        key = _derive(passphrase, salt)
        document = _sealed(key, salt, ())
        _write(path, document)
        return cls(path, key, document)

    @classmethod
    def open(cls, path: Path, passphrase: str) -> Vault:
        """Return the vault at `path`, every record of it verified.

        Raises:
            VaultError: it is missing, readable by others, a link, of a newer version, damaged,
                or the passphrase is wrong (one message for the last two).
        """
        document = _load(path)
        vault = cls(path, _derive(passphrase, document.salt), document)
        vault._verify()
        return vault

    def accounts(self) -> list[AccountKey]:
        """Return (user, venue, label) of every account with credentials, sorted."""
        return sorted(record.key for record in self._document.records)

    def credentials(self, account: Account) -> Credentials:
        """Return the credentials of the account, and have them hidden from every text from now on.

        Raises:
            VaultError: there are none, or the record does not open.
        """
        for record in self._document.records:
            if record.key == account.key:
                credentials = self._opened(record)
                register_credentials(credentials)
                return credentials
        msg = f"the vault has no credentials for {account.user} {account.name}: run `portfolio-lab accounts add`"
        raise VaultError(msg)

    def put(self, account: Account, credentials: Credentials) -> None:
        """Write the credentials of the account, in place of older ones."""
        register_credentials(credentials)
        with self._held():
            others = [record for record in self._document.records if record.key != account.key]
            self._replace((*others, self._record(account, credentials)))

    def remove(self, account: Account) -> bool:
        """Remove the credentials of the account; return False when there were none."""
        with self._held():
            others = tuple(record for record in self._document.records if record.key != account.key)
            if len(others) == len(self._document.records):
                return False
            self._replace(others)
            return True

    @contextmanager
    def _held(self) -> Iterator[None]:
        try:
            with FileLock(self._path.with_name(f".{self._path.name}.lock"), timeout=10, mode=0o600):
                # Another process may have added an account since this vault was opened.
                self._document = _load(self._path)
                self._verify()
                yield
        except Timeout:
            msg = f"another process is writing {self._path}: try again when it has ended"
            raise VaultError(msg) from None

    def _replace(self, records: tuple[_Record, ...]) -> None:
        document = _sealed(self._key, self._document.salt, tuple(sorted(records, key=lambda record: record.key)))
        _write(self._path, document)
        self._document = document

    def _record(self, account: Account, credentials: Credentials) -> _Record:
        fields = {
            field: _lock_up(self._key, value, _bound_to(account.key, field))
            for field in _FIELDS
            if (value := getattr(credentials, field)) is not None
        }
        return _Record(*account.key, fields)

    def _opened(self, record: _Record) -> Credentials:
        fields = {field: _unlock(self._key, box, _bound_to(record.key, field)) for field, box in record.fields.items()}
        if not {"key", "secret"} <= fields.keys() <= set(_FIELDS):
            raise _damaged()
        return Credentials(fields["key"], fields["secret"], fields.get("passphrase"))

    def _verify(self) -> None:
        _unlock(self._key, self._document.seal, _list_of(self._document.records))
        for record in self._document.records:
            self._opened(record)


def passphrase_from_environment() -> str:
    """Return the passphrase from the file that PORTFOLIO_LAB_PASSPHRASE_FILE names, its last newline taken off.

    Raises:
        VaultError: the variable is not set, or the file is missing, empty or open to others.
    """
    name = os.environ.get(PASSPHRASE_VARIABLE, "")
    if not name:
        msg = f"no passphrase: let {PASSPHRASE_VARIABLE} name a file of mode 0600 that holds it"
        raise VaultError(msg)
    passphrase = _read_passphrase(Path(name))
    register_secret(passphrase)
    return passphrase


def _read_passphrase(path: Path) -> str:
    try:
        if path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
            msg = f"the passphrase file {path} is open to everyone: run `chmod 600 {path}`"
            raise VaultError(msg)
        passphrase = path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"the passphrase file {path} cannot be read ({type(error).__name__}): check {PASSPHRASE_VARIABLE}"
        raise VaultError(msg) from None
    if not passphrase:
        msg = f"the passphrase file {path} is empty: write the passphrase into it"
        raise VaultError(msg)
    return passphrase


# ---------------------------------------------------------------- the file


def _load(path: Path) -> _Document:
    content = _read_private(path)
    try:
        version = msgspec.json.decode(content, type=dict[str, msgspec.Raw]).get("version")
        if version is not None and bytes(version).isdigit() and int(bytes(version)) > VERSION:
            msg = f"{path} was written by a newer portfolio-lab: install that one to open it"
            raise VaultError(msg)
        document = msgspec.json.decode(content, type=_Document)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _damaged() from None
    # The cost is fixed by the version, so a doctored file can neither weaken it nor eat all memory.
    as_written = (VERSION, "scrypt", _COST, _BLOCK, _LANES)
    if (document.version, document.kdf, document.n, document.r, document.p) != as_written or _encoded(
        document
    ) != content:
        raise _damaged()
    return document


def _read_private(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        msg = f"no vault at {path}: run `portfolio-lab init`, then `portfolio-lab accounts add`"
        raise VaultError(msg) from None
    except OSError:
        msg = f"{path} cannot be opened as a vault: it must be a file of yours, not a link"
        raise VaultError(msg) from None
    with os.fdopen(descriptor, "rb") as file:
        _check_private(path, os.fstat(file.fileno()))
        return file.read(LARGEST_FILE)


def _check_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
        msg = f"{path} is not a file of yours: move it away and run `portfolio-lab init`"
        raise VaultError(msg)
    if stat.S_IMODE(status.st_mode) & 0o077:
        msg = f"{path} may be read by others: run `chmod 600 {path}`"
        raise VaultError(msg)


def _write(path: Path, document: _Document) -> None:
    try:
        write_private(path, _encoded(document))
    except OSError as error:
        msg = f"the vault {path} cannot be written ({error.strerror}): it is as it was"
        raise VaultError(msg) from None


def _encoded(document: _Document) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


# ---------------------------------------------------------------- the sealing


def _derive(passphrase: str, salt: bytes) -> bytes:
    if not passphrase:
        msg = "the passphrase is empty: choose one of at least a few words"
        raise VaultError(msg)
    return Scrypt(salt=salt, length=_KEY_BYTES, n=_COST, r=_BLOCK, p=_LANES).derive(passphrase.encode())


def _sealed(key: bytes, salt: bytes, records: tuple[_Record, ...]) -> _Document:
    seal = _lock_up(key, "", _list_of(records))
    return _Document(VERSION, "scrypt", _COST, _BLOCK, _LANES, salt, seal, records)


def _lock_up(key: bytes, value: str, bound_to: bytes) -> _Box:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _Box(nonce, AESGCM(key).encrypt(nonce, value.encode(), bound_to))


def _unlock(key: bytes, box: _Box, bound_to: bytes) -> str:
    try:
        return AESGCM(key).decrypt(box.nonce, box.ciphertext, bound_to).decode()
    except (InvalidTag, ValueError):
        raise _damaged() from None


def _bound_to(account: AccountKey, field: str) -> bytes:
    user, venue, label = account
    return f"{VERSION}|{user}|{venue}:{label}|{field}".encode()


def _list_of(records: tuple[_Record, ...]) -> bytes:
    names = [f"{'|'.join(record.key)}|{','.join(sorted(record.fields))}" for record in records]
    return "\n".join([f"{VERSION}|seal", *names]).encode()


def _damaged() -> VaultError:
    return VaultError("the vault does not open: the passphrase is wrong or the file is damaged")
