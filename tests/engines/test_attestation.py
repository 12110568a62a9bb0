"""Our figures beside the venue's own."""

from __future__ import annotations

from portfolio_lab.engines.attestation import attest


def verdicts(
    ours: dict[str, float | None], theirs: dict[str, float | None], equity: float | None = 1_000.0
) -> dict[str, str]:
    return {one.scope: one.verdict for one in attest(ours, theirs, equity=equity)}


def test_half_a_percent_of_equity_is_the_border() -> None:
    assert verdicts({"spot": 105.0}, {"spot": 100.0}) == {"spot": "agrees"}
    assert verdicts({"spot": 105.1}, {"spot": 100.0}) == {"spot": "differs"}


def test_the_difference_is_ours_less_theirs() -> None:
    (one,) = attest({"spot": 90.0}, {"spot": 100.0}, equity=200.0)
    assert (one.difference, one.share) == (-10.0, 0.05)
    assert one.reason == "spot: ours is 90.00, the venue says 100.00: 5.00% of equity apart"


def test_without_equity_the_larger_figure_is_the_measure() -> None:
    assert verdicts({"spot": 99.0}, {"spot": 100.0}, None) == {"spot": "differs"}
    assert verdicts({"spot": 0.0}, {"spot": 0.0}, None) == {"spot": "agrees"}


def test_what_is_not_known_is_not_compared() -> None:
    assert verdicts({"spot": None}, {"spot": 1.0, "earn": 2.0}) == {"spot": "not_compared", "earn": "not_compared"}
    assert verdicts({"spot": 1.0}, {"spot": None}) == {"spot": "not_compared"}


def test_a_wallet_that_nobody_knows_is_a_finding_of_its_own() -> None:
    (one,) = attest({}, {"Moon Vault": 3.0}, equity=1_000.0, unknown={"Moon Vault"})
    assert (one.verdict, one.theirs) == ("unknown_wallet", 3.0)
