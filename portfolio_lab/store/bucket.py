"""The store's files in an S3 bucket, or in anything that speaks its protocol.

A PUT is durable and names its object in one step, so there is nothing to sync. What a bucket
adds is a network: a call may fail though it took place. Plain puts go to names that nobody else
uses, so doing them again does no harm. A conditional put that was answered by a fault is tried
again, and where the name is taken by then, what stands there says whether it was ours.

Credentials, region and endpoint come from where the tools of AWS look for them: AWS_* in the
environment, else the profile's section of ~/.aws; roles of machines and containers are asked by
obstore itself. No message of the bucket is ever passed on: they may quote keys and signatures.
"""

from __future__ import annotations

import configparser
import errno
import os
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from portfolio_lab.errors import BadInputError
from portfolio_lab.store.files import BUCKET_SCHEME, Files

try:
    import obstore
    from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
    from obstore.store import S3Store
except ModuleNotFoundError as error:
    message = 'a store in a bucket needs obstore: pip install "portfolio-lab[bucket]"'
    raise BadInputError(message) from error

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config

_Answer = TypeVar("_Answer")

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9_.=-]*(/[A-Za-z0-9_=-][A-Za-z0-9_.=-]*)*")
_AT_ONCE = 16
"""How many objects are asked for at the same time where many are wanted."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a bucket: one request, all tries of one call, and between the first two."""

    request: timedelta = timedelta(seconds=30)
    call: timedelta = timedelta(seconds=90)
    pause: timedelta = timedelta(milliseconds=200)


class BucketFiles(Files):
    """Objects below 's3://bucket/prefix'."""

    root: str
    advice = "check the network and the bucket"
    is_certain = False

    def __init__(self, url: str, *, patience: Patience | None = None) -> None:
        bucket, prefix = _parts(url)
        self.root = f"{BUCKET_SCHEME}{bucket}/{prefix}".rstrip("/")
        self._patience = patience or Patience()
        self._store = _connected(bucket, prefix, self._patience, tries_again=True)
        self._once = _connected(bucket, prefix, self._patience, tries_again=False)

    def __repr__(self) -> str:
        return f"BucketFiles({self.root!r})"

    def prepare(self) -> None:
        """Do nothing: a bucket is made by its owner, and folders are only parts of names."""

    def put(self, path: str, content: bytes) -> None:
        """PUT an object; done again after a fault, since nobody else writes this name."""
        _asked(path, lambda: obstore.put(self._store, path, content))

    def put_if_absent(self, path: str, content: bytes) -> bool:
        """PUT with If-None-Match, until the bucket says clearly who has the name."""
        begun, tries, may_be_ours = time.monotonic(), 0, False
        while True:
            try:
                obstore.put(self._once, path, content, mode="create", use_multipart=False)
            except AlreadyExistsError as error:
                # 412: the name is taken. 409: somebody is at it just now, and may yet fail.
                if (found := self._found(path)) is not None:
                    return may_be_ours and found == content
                fault = _fault(error, path)
            except BaseError as error:
                fault, may_be_ours = _fault(error, path), True
                if not _may_pass(error):
                    raise fault from None
            else:
                return True
            tries += 1
            if time.monotonic() - begun > self._patience.call.total_seconds():
                raise fault
            time.sleep(_pause(self._patience.pause, tries))

    def see_names(self, folders: Iterable[str]) -> None:
        """Do nothing: an object that was put has its name for good."""

    def read(self, path: str) -> bytes:
        """Return the whole content of an object."""
        return _asked(path, lambda: obstore.get(self._store, path).bytes().to_bytes())

    def read_many(self, paths: Iterable[str]) -> list[bytes]:
        """Return the contents of many objects in the order asked for, several at a time."""
        return _side_by_side(self.read, paths)

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Return `length` bytes from `start` on; fewer where the object ends before."""
        if length <= 0:
            return b""
        try:
            return _asked(path, lambda: obstore.get_range(self._store, path, start=start, length=length).to_bytes())
        except OSError:
            # A bucket refuses a range that begins behind the end, each in words of its own.
            if start < self.size(path):
                raise
            return b""

    def names(self, folder: str) -> list[str]:
        """Return the next part of all names that begin with `folder`, sorted."""
        found = _asked(folder, lambda: obstore.list_with_delimiter(self._store, folder or None))
        paths = [*found["common_prefixes"], *(one["path"] for one in found["objects"])]
        return sorted(path.rpartition("/")[2] for path in paths)

    def names_many(self, folders: Iterable[str]) -> list[list[str]]:
        """Return the names inside many folders in the order asked for, several at a time."""
        return _side_by_side(self.names, folders)

    def walk(self, folder: str) -> Iterator[str]:
        """Yield the path of every object below a folder, sorted."""
        listing = obstore.list(self._store, folder or None, chunk_size=1000)
        while found := _asked(folder, lambda: next(listing, ())):
            yield from (one["path"] for one in found)

    def exists(self, path: str) -> bool:
        """Return whether there is an object of that name."""
        try:
            _asked(path, lambda: obstore.head(self._store, path))
        except FileNotFoundError:
            return False
        return True

    def size(self, path: str) -> int:
        """Return how many bytes an object holds."""
        return _asked(path, lambda: obstore.head(self._store, path))["size"]

    def modified_ns(self, path: str) -> int:
        """Return when an object was put, by the bucket's clock, in ns since 1970."""
        return int(_asked(path, lambda: obstore.head(self._store, path))["last_modified"].timestamp() * 1e9)

    def changed_ns(self, folder: str) -> int | None:
        """Return None: only listing tells whether a bucket changed."""

    def remove(self, path: str) -> None:
        """Delete an object; nothing happens when it is gone already."""
        with suppress(FileNotFoundError):
            _asked(path, lambda: obstore.delete(self._store, path))

    def _found(self, path: str) -> bytes | None:
        try:
            return self.read(path)
        except FileNotFoundError:
            return None


def _side_by_side(call: Callable[[str], _Answer], paths: Iterable[str]) -> list[_Answer]:
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="bucket") as pool:
        return list(pool.map(call, paths))


# ---------------------------------------------------------------- where, and who we are


def _parts(url: str) -> tuple[str, str]:
    bucket, _, prefix = url.removeprefix(BUCKET_SCHEME).partition("/")
    prefix = prefix.rstrip("/")
    if not _BUCKET.fullmatch(bucket) or (prefix and not _PREFIX.fullmatch(prefix)):
        # Not repeated here: somebody may have put a key into it.
        raise BadInputError(
            "this is no place in a bucket: write s3://bucket/prefix with letters, digits and '._=-' in the prefix; "
            "keys, region and endpoint belong into the environment (AWS_ACCESS_KEY_ID ...) or into ~/.aws"
        )
    return bucket, prefix


def _connected(bucket: str, prefix: str, patience: Patience, *, tries_again: bool) -> S3Store:
    config = _config()
    client: ClientConfig = {"timeout": patience.request, "connect_timeout": min(patience.request, timedelta(seconds=5))}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or config.get("endpoint")
    if endpoint is not None and endpoint.startswith("http://"):
        client["allow_http"] = True  # the operator wrote it like this; TLS is never dropped otherwise
    retries: RetryConfig = {"max_retries": 0}
    if tries_again:
        backoff = {"init_backoff": patience.pause, "max_backoff": timedelta(seconds=10)}
        retries = {"max_retries": 8, "retry_timeout": patience.call, "backoff": backoff}  # type: ignore[typeddict-item]  # its keys are right, built apart
    return S3Store(bucket, prefix=prefix or None, config=config, client_options=client, retry_config=retries)


def _config() -> S3Config:
    """Return what the profile in ~/.aws says and the environment does not."""
    if os.environ.get("AWS_ACCESS_KEY_ID"):
        return {}
    profile = os.environ.get("AWS_PROFILE", "default")
    keys = _section("AWS_SHARED_CREDENTIALS_FILE", "credentials", profile)
    rest = _section("AWS_CONFIG_FILE", "config", profile if profile == "default" else f"profile {profile}")
    config: S3Config = {}
    if "aws_access_key_id" in keys and "aws_secret_access_key" in keys:
        config["access_key_id"] = keys["aws_access_key_id"]
        config["secret_access_key"] = keys["aws_secret_access_key"]
        if "aws_session_token" in keys:
            config["session_token"] = keys["aws_session_token"]
    if "region" in rest and not (os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")):
        config["region"] = rest["region"]
    if "endpoint_url" in rest and not (os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT_URL_S3")):
        config["endpoint"] = rest["endpoint_url"]
    return config


def _section(variable: str, name: str, section: str) -> dict[str, str]:
    path = Path(os.environ.get(variable) or Path.home() / ".aws" / name)
    page = configparser.ConfigParser(interpolation=None)
    try:
        page.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        # The parser's own message quotes the line, and that line may be the key.
        raise BadInputError(f"{path} cannot be read as a profile file of AWS") from None
    return dict(page[section]) if page.has_section(section) else {}


# ---------------------------------------------------------------- what a failed call means


def _asked(path: str, call: Callable[[], _Answer]) -> _Answer:
    try:
        return call()
    except BaseError as error:
        raise _fault(error, path) from None
    except FileNotFoundError as error:
        raise _fault(error, path) from None


def _fault(error: Exception, path: str) -> OSError:
    """Return what went wrong in words of ours: the bucket's may quote a key or a signature."""
    text = str(error)
    code, status = _first(r"<Code>(\w{1,60})</Code>", text), _first(r"status code: (\d{3})", text)
    if code == "NoSuchBucket":
        return OSError(errno.ENODEV, "there is no such bucket", path)
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, "no such object", path)
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or status in {"401", "403"}:
        return PermissionError(errno.EACCES, f"the bucket refused these credentials ({code or status or 'no answer'})")
    if status:
        return OSError(errno.EREMOTEIO, f"the bucket answered {' '.join(filter(None, (status, code)))}")
    return _unanswered(text)


def _unanswered(text: str) -> OSError:
    if "timed out" in text or "kind: Timeout" in text:
        return TimeoutError(errno.ETIMEDOUT, "the bucket did not answer in time")
    if "kind: Connect" in text:
        return ConnectionError(errno.ECONNREFUSED, "there is no connection to the bucket")
    return OSError(errno.EREMOTEIO, "the connection to the bucket broke")


def _may_pass(error: BaseError) -> bool:
    """Return whether the same call may do better later: no answer, 5xx, or too many requests."""
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return False
    status = _first(r"status code: (\d{3})", str(error))
    return not status or status in {"408", "409", "425", "429"} or status.startswith("5")


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found.group(1) if found else ""


def _pause(first: timedelta, tries: int) -> float:
    longest: float = min(first.total_seconds() * 2 ** (tries - 1), 10)
    return longest * random.uniform(0.5, 1)  # noqa: S311 - spreads tries, guards nothing
