"""Attestation: our figure of every wallet beside the venue's own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

LIMIT = 0.005
"""Difference beyond which we do not agree, as a share of the account's equity."""

AGREES, DIFFERS, UNKNOWN_WALLET, NOT_COMPARED = "agrees", "differs", "unknown_wallet", "not_compared"


@dataclass(frozen=True, slots=True)
class Attestation:
    """One scope (a wallet, or "total"), in the reporting currency.

    `difference` = ours - theirs; `share` = |difference| / equity of the account, a fraction.
    Both are None where either figure is unknown.
    """

    scope: str
    ours: float | None
    theirs: float | None
    difference: float | None
    share: float | None
    verdict: str
    reason: str


def attest(
    ours: Mapping[str, float | None],
    theirs: Mapping[str, float | None],
    *,
    equity: float | None,
    unknown: Collection[str] = (),
    limit: float = LIMIT,
) -> list[Attestation]:
    """Compare our figures with the venue's own, scope by scope in the order of `theirs`.

    Args:
        ours: by scope; None where our figure is unknown (a wallet failed), absent where we have none.
        theirs: the venue's, by scope; None where it cannot be priced.
        equity: of the account; where it is unknown or not positive, the larger of the two figures
            is what a difference is measured against.
        unknown: scopes of `theirs` that name a wallet which we do not know. They differ from
            nothing: that they exist is the finding.
        limit: the share beyond which the figures differ.
    """
    return [_compared(scope, scope in unknown, ours, theirs[scope], equity, limit) for scope in theirs]


def _compared(
    scope: str,
    is_unknown: bool,  # noqa: FBT001 - one line above calls it
    ours: Mapping[str, float | None],
    stated: float | None,
    equity: float | None,
    limit: float,
) -> Attestation:
    if is_unknown:
        reason = f"the venue has a wallet {scope!r} that is not known here: it is not in equity"
        return Attestation(scope, None, stated, None, None, UNKNOWN_WALLET, reason)
    figure = ours.get(scope)
    if figure is None or stated is None:
        whose = "our figure" if figure is None else "the venue's figure"
        return Attestation(scope, figure, stated, None, None, NOT_COMPARED, f"{whose} of {scope} is not known")
    difference = figure - stated
    base = equity if equity is not None and equity > 0 else max(abs(figure), abs(stated))
    share = abs(difference) / base if base else 0.0
    if share <= limit:
        return Attestation(scope, figure, stated, difference, share, AGREES, "")
    reason = f"{scope}: ours is {figure:.2f}, the venue says {stated:.2f}: {share:.2%} of equity apart"
    return Attestation(scope, figure, stated, difference, share, DIFFERS, reason)
