"""The whole family of errors on one page.

Grouped by what the reader must do: mend an input (`BadInputError`), wait and look again
(`VenueError` and its kin), mend a key (`CredentialsError`), or look after the store
(`StoreError`). Every message says what happened and what to do next, and never holds a
key, a secret, a passphrase, a signature or a signed address.
"""

from __future__ import annotations

from typing import Literal

Remedy = Literal["fix_key", "wait", "fix_clock", "report_shape", "nothing"]
"""What the operator must do about an error of a venue."""


class PortfolioLabError(Exception):
    """Anything that this package raises on purpose."""

    exit_code = 1


# ---------------------------------------------------------------- mend the input


class BadInputError(PortfolioLabError, ValueError):
    """A command, a setting or an argument cannot be used as it is given."""

    exit_code = 2


class ConfigError(BadInputError):
    """lab.toml cannot be used; the message names the line and the remedy."""

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message if line is None else f"lab.toml line {line}: {message}")
        self.line = line


class VaultError(PortfolioLabError):
    """The credential vault cannot be opened, read or written."""

    exit_code = 2


class LockHeldError(PortfolioLabError):
    """Another process is doing this already."""

    exit_code = 3


class ClusterError(PortfolioLabError):
    """The workers of a cluster did not do what they were given; `workers` are the addresses of those to look at."""

    def __init__(self, message: str, *, workers: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.workers = workers


UNFIT_EXIT_CODES = {
    "credentials": 5,
    "not_read_only": 6,
    "duplicate_account": 7,
    "place": 8,
    "silent": 9,
    "clock": 10,
    "no_credentials": 11,
    "bad_shape": 12,
}
"""Why an account is unfit, and the exit code of a command that ends with it."""


class UnfitAccountError(PortfolioLabError):
    """An account cannot be read as it is; `code` is one of UNFIT_EXIT_CODES and decides the exit code."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code
        self.exit_code = UNFIT_EXIT_CODES[code]


# ---------------------------------------------------------------- arithmetic


class WipedOutError(PortfolioLabError, ValueError):
    """A period opens with equity at or below zero, so that its return has no meaning."""


class ReturnsError(PortfolioLabError, ValueError):
    """A series is not a series of daily returns: its index or its values contradict that."""


# ---------------------------------------------------------------- the store


class StoreError(PortfolioLabError):
    """The store is missing, damaged or of another kind."""

    exit_code = 4


class MissingStoreError(BadInputError, StoreError):
    """There is no store where one was expected: the path is wrong, or none was made yet."""

    exit_code = 2


# ---------------------------------------------------------------- venues


class VenueError(PortfolioLabError):
    """A venue did not give a usable answer.

    `code` is short and stable (it becomes the grade's reason and the cause of an alert):
    "unreachable", "timeout", "rate_limited", "banned", "maintenance", "bad_shape",
    "credentials", "permission", "clock", "venue_error".

    `remedy` is what the operator must do, one word for every class: "fix_key" (mend the key, its
    rights or the wallets of lab.toml), "wait" (the venue decides when), "fix_clock", "report_shape"
    (tell us: the venue says something that we do not know), "nothing" (the next cycle tries again).
    """

    code = "venue_error"
    remedy: Remedy = "report_shape"
    retryable = False

    def __init__(self, message: str, *, venue: str = "", endpoint: str = "", venue_code: str = "") -> None:
        super().__init__(message)
        self.venue = venue
        self.endpoint = endpoint
        self.venue_code = venue_code


class UnreachableError(VenueError):
    """No answer at all: refused, reset, cut, or a 5xx."""

    code = "unreachable"
    remedy: Remedy = "nothing"
    retryable = True


class DeadlineError(VenueError):
    """The answer did not arrive within its deadline."""

    code = "timeout"
    remedy: Remedy = "nothing"
    retryable = True


class RateLimitedError(VenueError):
    """The venue asked us to wait; `retry_after` is in seconds when it said how long."""

    code = "rate_limited"
    remedy: Remedy = "wait"

    def __init__(
        self,
        message: str,
        *,
        venue: str = "",
        endpoint: str = "",
        venue_code: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, venue=venue, endpoint=endpoint, venue_code=venue_code)
        self.retry_after = retry_after


class PostponedError(RateLimitedError):
    """The budget has no room for it now; nothing is wrong, and it is asked for again in a later cycle."""

    code = "postponed"
    remedy = "nothing"


class BannedError(RateLimitedError):
    """The venue has closed its door to this address until a stated end."""

    code = "banned"
    remedy: Remedy = "wait"


class MaintenanceError(VenueError):
    """The venue says that it is being maintained."""

    code = "maintenance"
    remedy: Remedy = "wait"


class AnswerShapeError(VenueError):
    """An answer is not of its shape; `path` is the field that broke it. Never an empty balance."""

    code = "bad_shape"
    remedy: Remedy = "report_shape"

    def __init__(self, message: str, *, venue: str = "", endpoint: str = "", path: str = "") -> None:
        super().__init__(message, venue=venue, endpoint=endpoint)
        self.path = path


class CredentialsError(VenueError):
    """The key is unknown, revoked, wrong or barred from this address. Trying again makes it worse."""

    code = "credentials"
    remedy: Remedy = "fix_key"


class WalletRefusedError(VenueError):
    """The key is good but may not read this wallet, or the wallet was never opened."""

    code = "permission"
    remedy: Remedy = "fix_key"


class ClockSkewError(VenueError):
    """The venue refused our time stamp even after the offset was measured anew."""

    code = "clock"
    remedy: Remedy = "fix_clock"
    retryable = True
