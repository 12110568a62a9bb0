"""`portfolio-lab status`: what an operator reads at three in the morning."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from portfolio_lab.cli.frame import clean, command, settings_with_store

MOST_BUDGETS = 3


@command(
    "status",
    examples="""
portfolio-lab --lab ~/lab status
portfolio-lab --lab ~/lab status --json | jq '.users[] | select(.is_well | not)'
portfolio-lab --lab ~/lab status > /dev/null || echo "look after the lab"
""",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, instants in UTC.")
@click.pass_context
def status(context: click.Context, *, as_json: bool) -> None:
    """Tell how fresh and complete the numbers are, and what to do about what is not well.

    Reads the store and the runs only: no key is needed and no venue is asked. The exit code is 0
    when every user's newest snapshot is fresh and complete, else 1.
    """
    settings = settings_with_store(context.obj)
    from portfolio_lab import open_lab  # noqa: PLC0415
    from portfolio_lab.cli.budgets import budget_use  # noqa: PLC0415
    from portfolio_lab.cli.condition import condition  # noqa: PLC0415

    told = condition(open_lab(context.obj), settings, now=datetime.now(UTC)) | {"budgets": budget_use(settings)}
    text = json.dumps(told, default=_iso) if as_json else "\n".join(told_lines(told))
    click.echo(clean(text))
    context.exit(0 if told["is_well"] else 1)


def _iso(value: object) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def told_lines(told: dict[str, Any]) -> Iterator[str]:
    """Yield the condition of a lab as lines, the worst first in each user's part."""
    for one in told["users"]:
        yield from _user_lines(one)
    if not told["users"]:
        yield "no users yet: portfolio-lab accounts add --help"
    for venue in told["budgets"]:
        yield _budget_line(venue)
    for alert in told["open_alerts"]:
        who = f"{alert['user']} {alert['account']}".strip() or "the lab"
        yield f"open alert: {who} {alert['code']} ({', '.join(alert['parts'])}) since {alert['since']}"
    yield f"last alert: {told['last_alert'] or 'none'}"


def _user_lines(one: dict[str, Any]) -> Iterator[str]:
    yield f"{'ok  ' if one['is_well'] else 'LOOK'} {one['user']}: {_grade(one)}"
    if one["slot"] is None:
        yield "  no snapshot yet: is the schedule running? (`portfolio-lab sync` reads once)"
    elif not one["is_fresh"]:
        yield "  the newest snapshot is old: is the schedule running?"
    if one["grade"] != "complete" and one["complete_slot"] is not None:
        yield f"  last complete: {_at(one['complete_slot'])}"
    for row in one["wallets"]:
        name = f"{row['account']} {row['wallet']} {row['grade']}"
        code = f" [{row['code']}]" if row["code"] else ""
        yield f"  {name}{code}: {row['reason']} -> {row['remedy']}"
    yield from _finding_lines(one)


def _finding_lines(one: dict[str, Any]) -> Iterator[str]:
    for row in one["attestation"]:
        share = "" if row["share"] is None else f" ({row['share']:.2%} of the account)"
        yield f"  attestation, {row['account']} {row['scope']}: {row['verdict']}{share}: {row['reason']}"
    for row in one["suspicions"]:
        what = f"{row['asset']} {row['kind']}, {row['before']:g} -> {row['seen']:g}"
        yield f"  suspicion, {row['account']} {row['wallet']}: {what}, seen {row['sightings']} times"
    for row in one["restatements"]:
        what = f"{row['rows']} rows of {row['table']} {row['reason']}, the oldest of {_at(row['oldest'])}"
        yield f"  restated in the last day, {row['account']}: {what}"
    for row in one["backfill"]:
        reached = "" if row["oldest"] is None else f", back to {row['oldest']:%Y-%m-%d}"
        yield f"  history, {row['account']} {row['group']}: {'done' if row['is_done'] else _share(row)}{reached}"


def _grade(one: dict[str, Any]) -> str:
    if one["slot"] is None:
        return one["grade"] if one["accounts"] else "no accounts"
    equity = "" if one["equity"] is None else f", equity {one['equity']:,.2f} {one['currency']}"
    return f"{one['grade']}, slot {_at(one['slot'])}, {_age(one['age_seconds'])} ago{equity}"


def _share(row: dict[str, Any]) -> str:
    # Rounded down: what is not done is never told as 100 %.
    return f"{int(100 * row['share'])} %"


def _at(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _age(seconds: float) -> str:
    return str(timedelta(seconds=int(seconds))) if seconds >= 0 else "in the future"


def _budget_line(venue: dict[str, Any]) -> str:
    name = f"budget, {venue['venue']} {venue['address']}".rstrip()
    if venue["closed_until"] is not None:
        return f"{name}: {'BANNED' if venue['is_ban'] else 'closed'} until {_at(venue['closed_until'])}"
    used = [f"{row['name']} {row['used']:,} of {row['limit']:,} ({row['share']:.0%})" for row in venue["budgets"]]
    return f"{name}: {', '.join(used[:MOST_BUDGETS]) or 'nothing spent in the last minute'}"
