"""An account whose key was refused is left alone: every further question makes a ban likelier."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from portfolio_lab.errors import CredentialsError

FIRST_PAUSE = timedelta(minutes=15)
LONGEST_PAUSE = timedelta(hours=6)
TRIAL = timedelta(seconds=30)
"""How long one question goes alone once a pause is over."""


class Breaker:
    """Remembers the refusal of one key. It lives as long as the key is configured."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._refusal: CredentialsError | None = None
        self._pause = FIRST_PAUSE
        self._until = clock()
        self._is_on_trial = False
        self._is_doubted = False

    def check(self) -> None:
        """Raise the refusal anew while the pause runs; when it is over, let one question pass."""
        if self._refusal is None:
            return
        now = self._clock()
        if self._until - LONGEST_PAUSE <= now < self._until:
            raise _copied(self._refusal)
        self._until, self._is_on_trial = now + TRIAL, True

    def trip(self, refusal: CredentialsError) -> None:
        """The venue has refused the key: pause for 15 minutes, twice as long each further time, at most 6 h.

        A refusal without the venue's own code (a bare or damaged 401) is believed when a second one follows before
        any answer accepts the key.
        """
        if not refusal.venue_code and self._refusal is None and not self._is_doubted:
            self._is_doubted = True
            return
        if self._refusal is not None and not self._is_on_trial:
            return  # questions that were under way together are one refusal
        if self._is_on_trial:
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self._refusal, self._is_on_trial = _copied(refusal), False
        self._until = self._clock() + self._pause

    def mend(self) -> None:
        """The venue has accepted the key."""
        self._refusal, self._pause, self._is_on_trial, self._is_doubted = None, FIRST_PAUSE, False, False


def _copied(refusal: CredentialsError) -> CredentialsError:
    """A new error of the same words: one that is raised twice would gather tracebacks."""
    return CredentialsError(str(refusal), venue=refusal.venue, endpoint=refusal.endpoint, venue_code=refusal.venue_code)
